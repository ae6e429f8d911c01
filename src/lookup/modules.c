/*
 * Mapped files: see modules.h. Three budgets bound the memory: bytes of symbol tables and of what was found, files whose
 * debug information is open, and lines that libdw keeps for one of them. What was used longest ago goes first.
 */
#include "lookup/modules.h"

#include <time.h>
#include <unistd.h>

#include "lookup/places.h"
#include "lookup/source.h"

enum {
	BUCKETS = 512,
	TABLES_BYTES = 24 << 20,
	UNHELD_MAX = 512, /* modules that no process maps any more */
	SOURCES_MAX = 3,  /* open at once */
	RETRY_MS = 1000,
	/* Reading lines may take so long, and of the time of the run one part in so many besides. */
	LINES_MS = 2000,
	LINES_SHARE = 4,
};

/* What an address in a file was found to be; one block with its strings. */
struct found {
	struct found *next;
	uint64_t key;
	size_t bytes;
	struct symbol symbol;
};

struct modules {
	struct module *buckets[BUCKETS];
	struct arena *scratch;
	size_t bytes;
	unsigned n_unheld, n_sources;
	int64_t began_ms, lines_us; /* when the run began, and for how long lines were read */
	unsigned long lines_left_out;
	uint64_t clock;
};

int64_t modules_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

struct modules *modules_new(void)
{
	struct modules *modules = mem_alloc(sizeof(*modules));

	*modules = (struct modules){ .scratch = arena_new(), .began_ms = modules_now_ms() };
	return modules;
}

/* --- forgetting --- */

static void close_source(struct modules *modules, struct module *module)
{
	if (module->source)
		modules->n_sources--;
	source_close(module->source);
	module->source = NULL;
}

/* All that was read of it; it will be read again when it is needed. */
static void forget(struct modules *modules, struct module *module)
{
	for (size_t i = 0; i < module->n_buckets; i++)
		for (struct found *found = module->found[i], *next; found; found = next) {
			next = found->next;
			free(found);
		}
	free(module->found);
	module->found = NULL;
	module->n_found = module->n_buckets = 0;
	places_free(module->places);
	module->places = NULL;
	module->was_tried = module->source_was_tried = false;
	close_source(modules, module);
	modules->bytes -= module->bytes;
	module->bytes = 0;
}

static void free_module(struct modules *modules, struct module *module)
{
	forget(modules, module);
	free(module->path);
	free(module);
}

void modules_free(struct modules *modules)
{
	if (!modules)
		return;
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct module *module = modules->buckets[i], *next; module; module = next) {
			next = module->next;
			free_module(modules, module);
		}
	arena_free(modules->scratch);
	free(modules);
}

static void free_unheld(struct modules *modules)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct module **at = &modules->buckets[i], *module; (module = *at);) {
			if (module->refs) {
				at = &module->next;
				continue;
			}
			*at = module->next;
			free_module(modules, module);
		}
	modules->n_unheld = 0;
}

/* The one among all but `keep` that was used longest ago and has something to give. */
static struct module *oldest(struct modules *modules, const struct module *keep, bool with_source)
{
	struct module *found = NULL;

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct module *module = modules->buckets[i]; module; module = module->next)
			if (module != keep && (with_source ? !!module->source : module->bytes) &&
			    (!found || module->used < found->used))
				found = module;
	return found;
}

/* Before something is looked up in `in_use`: afterwards the caller has pointers to what was found. */
static void keep_budget(struct modules *modules, struct module *in_use)
{
	struct module *module;

	if (in_use->places && in_use->bytes - places_bytes(in_use->places) > TABLES_BYTES)
		forget(modules, in_use);
	while (modules->bytes > TABLES_BYTES && (module = oldest(modules, in_use, false)))
		forget(modules, module);
	while (modules->n_sources > SOURCES_MAX && (module = oldest(modules, in_use, true)))
		close_source(modules, module);
	if (in_use->source && source_is_heavy(in_use->source))
		close_source(modules, in_use);
}

/* --- holding --- */

static unsigned bucket_of(const struct mapping *mapping)
{
	uint64_t hash = (uint64_t)mapping->ino * 0x9e3779b97f4a7c15u ^ (uint64_t)mapping->dev;

	for (size_t i = 0; i < mapping->path_len; i++)
		hash = (hash ^ (unsigned char)mapping->path[i]) * 0x100000001b3u;
	return (unsigned)(hash >> 32) % BUCKETS;
}

static bool is_of(const struct module *module, const struct mapping *mapping)
{
	return module->ino == mapping->ino && module->dev == mapping->dev &&
	       !strncmp(module->path, mapping->path, mapping->path_len) &&
	       !module->path[mapping->path_len];
}

struct module *modules_hold(struct modules *modules, const struct mapping *mapping)
{
	struct module **bucket = &modules->buckets[bucket_of(mapping)], *module = *bucket;

	while (module && !is_of(module, mapping))
		module = module->next;
	if (!module) {
		module = mem_alloc(sizeof(*module));
		*module = (struct module){ .dev = mapping->dev, .ino = mapping->ino };
		module->path = mem_alloc(mapping->path_len + 1);
		memcpy(module->path, mapping->path, mapping->path_len);
		module->path[mapping->path_len] = '\0';
		module->tried_ms = -RETRY_MS;
		module->next = *bucket;
		*bucket = module;
	} else if (!module->refs) {
		modules->n_unheld--;
	}
	module->refs++;
	return module;
}

void modules_drop(struct modules *modules, struct module *module)
{
	if (!module || --module->refs)
		return;
	if (++modules->n_unheld > UNHELD_MAX)
		free_unheld(modules);
}

/* --- reading --- */

const char *modules_openable(const struct module *module, struct arena *arena, int pid,
			     const struct mapping *where)
{
	struct mapping mapping = *where;

	mapping.path = module->path;
	mapping.path_len = strlen(module->path);
	mapping.dev = module->dev;
	mapping.ino = module->ino;
	return mapping_openable(arena, pid, &mapping);
}

bool modules_delta(struct module *module, int pid, const struct mapping *where, uint64_t *delta)
{
	struct arena *arena;
	const char *path;

	if (!module->has_delta || module->delta_offset != where->offset) {
		arena = arena_new();
		path = modules_openable(module, arena, pid, where);
		module->has_delta = path && places_delta(path, where->offset, &module->delta);
		module->delta_offset = where->offset;
		arena_free(arena);
	}
	*delta = module->delta;
	return module->has_delta;
}

const struct places *modules_places(struct modules *modules, struct module *module, int pid,
				    const struct mapping *where)
{
	int64_t now = modules_now_ms();
	const char *path;

	module->used = ++modules->clock;
	if (module->was_tried || module->path[0] != '/' || now - module->tried_ms < RETRY_MS)
		return module->places;
	module->tried_ms = now;
	path = modules_openable(module, modules->scratch, pid, where);
	/* Without a path the process is gone; another one may lead to the file later. */
	if (path) {
		module->was_tried = true;
		module->places = places_read(path);
	}
	if (module->places) {
		module->bytes += places_bytes(module->places);
		modules->bytes += places_bytes(module->places);
	}
	arena_reset(modules->scratch);
	return module->places;
}

static struct source *open_source(struct modules *modules, struct module *module, int pid,
				  const struct mapping *where)
{
	const char *path;

	if (module->source || module->source_was_tried)
		return module->source;
	path = modules_openable(module, modules->scratch, pid, where);
	if (!path)
		return NULL;
	module->source = source_open(path);
	/* One that was closed to save memory is opened again; that there is none does not change. */
	module->source_was_tried = !module->source;
	modules->n_sources += module->source != NULL;
	return module->source;
}

/* --- finding --- */

static struct found **find_bucket(const struct module *module, uint64_t key)
{
	return &module->found[(key * 0x9e3779b97f4a7c15u >> 32) & (module->n_buckets - 1)];
}

static void grow_found(struct module *module)
{
	struct found **old = module->found;
	size_t n = module->n_buckets;

	module->n_buckets = n ? 2 * n : 32;
	module->found = mem_alloc(module->n_buckets * sizeof(*old));
	memset(module->found, 0, module->n_buckets * sizeof(*old));
	for (size_t i = 0; i < n; i++)
		for (struct found *found = old[i], *next; found; found = next) {
			struct found **bucket = find_bucket(module, found->key);

			next = found->next;
			found->next = *bucket;
			*bucket = found;
		}
	free(old);
}

static size_t text_size(const char *text)
{
	return text ? strlen(text) + 1 : 0;
}

static const char *put_text(char **at, const char *text)
{
	const char *copy = *at;
	size_t size = text_size(text);

	memcpy(*at, text ? text : "", size);
	*at += size;
	return text ? copy : NULL;
}

/* A copy in one block. */
static struct found *make_found(const struct symbol *symbol)
{
	size_t bytes = sizeof(struct found) + symbol->n_lines * sizeof(struct symbol_line) +
		       text_size(symbol->name);
	struct symbol_line *lines;
	struct found *found;
	char *text;

	for (unsigned i = 0; i < symbol->n_lines; i++)
		bytes += text_size(symbol->lines[i].function) + text_size(symbol->lines[i].file);
	found = mem_alloc(bytes);
	*found = (struct found){ .bytes = bytes, .symbol = *symbol };
	lines = (struct symbol_line *)(found + 1);
	text = (char *)(lines + symbol->n_lines);
	found->symbol.lines = lines;
	found->symbol.name = put_text(&text, symbol->name);
	for (unsigned i = 0; i < symbol->n_lines; i++) {
		lines[i].function = put_text(&text, symbol->lines[i].function);
		lines[i].file = put_text(&text, symbol->lines[i].file);
		lines[i].line = symbol->lines[i].line;
	}
	return found;
}

static struct symbol look_up(struct modules *modules, struct module *module, int pid,
			     const struct mapping *where, uint64_t offset, unsigned flags)
{
	uint64_t back = flags & SYM_CALLER ? 1 : 0;
	struct place place = places_find(module->places, offset - back);
	struct symbol symbol = { .module = module->path };
	const char *demangled;
	struct source *source;
	struct symbol_line *lines;

	if (place.name) {
		demangled = elf_demangle_name(modules->scratch, place.name);
		symbol.name = demangled ? demangled : place.name;
		symbol.offset = place.offset + back;
	}
	source = flags & SYM_LINES ? open_source(modules, module, pid, where) : NULL;
	if (source) {
		uint64_t address = places_address(module->places, offset - back);

		symbol.n_lines = source_find(source, modules->scratch, address, &lines);
		symbol.lines = lines;
	}
	return symbol;
}

static const struct symbol *recall(const struct module *module, uint64_t key)
{
	if (!module->n_buckets)
		return NULL;
	for (const struct found *found = *find_bucket(module, key); found; found = found->next)
		if (found->key == key)
			return &found->symbol;
	return NULL;
}

static const struct symbol *remember(struct modules *modules, struct module *module, uint64_t key,
				     const struct symbol *symbol)
{
	struct found *found = make_found(symbol), **bucket;

	if (module->n_found >= module->n_buckets)
		grow_found(module);
	bucket = find_bucket(module, key);
	found->key = key;
	found->next = *bucket;
	*bucket = found;
	module->n_found++;
	module->bytes += found->bytes + sizeof(*bucket);
	modules->bytes += found->bytes + sizeof(*bucket);
	return &found->symbol;
}

static int64_t now_us(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* The loop that decodes has more to do than to read debug information. */
static bool has_time_for_lines(const struct modules *modules)
{
	return modules->lines_us / 1000 <
	       LINES_MS + (modules_now_ms() - modules->began_ms) / LINES_SHARE;
}

static uint64_t key_of(uint64_t offset, unsigned flags)
{
	return offset << 2 | (flags & (SYM_CALLER | SYM_LINES));
}

struct symbol modules_find(struct modules *modules, struct module *module, int pid,
			   const struct mapping *where, uint64_t offset, unsigned flags)
{
	struct symbol symbol = { .module = module->path };
	const struct symbol *known;
	int64_t began = 0;

	keep_budget(modules, module);
	if (!modules_places(modules, module, pid, where))
		return symbol;
	known = recall(module, key_of(offset, flags));
	if (!known && (flags & SYM_LINES) && !module->source_was_tried &&
	    !has_time_for_lines(modules)) {
		flags &= ~(unsigned)SYM_LINES;
		modules->lines_left_out++;
		known = recall(module, key_of(offset, flags));
	}
	if (known)
		return *known;
	if (flags & SYM_LINES)
		began = now_us();
	symbol = look_up(modules, module, pid, where, offset, flags);
	if (flags & SYM_LINES)
		modules->lines_us += now_us() - began;
	/* Damaged addresses are many, and worth no memory. */
	if (symbol.name || symbol.n_lines)
		symbol = *remember(modules, module, key_of(offset, flags), &symbol);
	arena_reset(modules->scratch);
	return symbol;
}

unsigned long modules_lines_left_out(const struct modules *modules)
{
	return modules->lines_left_out;
}
