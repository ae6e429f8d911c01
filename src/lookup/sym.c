/*
 * Addresses to names, while records are decoded. User addresses become places in files, so no load
 * addresses have to be computed: a mapping tells where in its file an address lies, and a file's
 * functions are sorted by that.
 *
 * Memory is bounded for runs over days: a fixed number of processes is remembered, and each file is
 * read once.
 */
#include "lookup/sym.h"

#include <limits.h>
#include <time.h>

#include "lookup/internal.h"

enum {
	PROCESS_SLOTS = 1024, /* one process per slot, by pid; the last one stays */
	FRESH_MS = 1000,      /* a process is looked at again after this, */
	MISS_MS = 50,	      /* or after this when an address is in none of its mappings */
	NESTED = 16,	      /* how many functions back may still hold an address */
};

struct module {
	const char *path;
	struct elf_file *file; /* NULL: not read yet, or not readable */
	bool is_tried;
};

/* An executable mapping. */
struct range {
	uint64_t start, end, offset;
	dev_t dev;
	ino_t ino;
	struct module *module;
};

struct process {
	int pid;
	int64_t read_ms;      /* when the mappings were read */
	struct range *ranges; /* heap; in order of address */
	size_t n, cap;
};

struct sym {
	struct arena *arena;
	struct ksyms *ksyms;
	bool ksyms_tried;
	struct strmap *modules; /* "dev:ino:path" -> struct module */
	struct buf text, key;
	struct process processes[PROCESS_SLOTS];
};

struct sym *sym_new(void)
{
	struct arena *arena = arena_new();
	struct sym *sym = arena_new_of(arena, struct sym);

	sym->arena = arena;
	sym->modules = strmap_new(arena);
	return sym;
}

void sym_free(struct sym *sym)
{
	if (!sym)
		return;
	for (unsigned i = 0; i < PROCESS_SLOTS; i++)
		free(sym->processes[i].ranges);
	buf_fini(&sym->text);
	buf_fini(&sym->key);
	arena_free(sym->arena);
}

/* --- the kernel --- */

struct symbol sym_kernel(struct sym *sym, uint64_t address)
{
	const struct ksym *found = NULL;
	size_t low = 0, high;

	if (!sym->ksyms_tried) {
		sym->ksyms = ksyms_read(sym->arena);
		sym->ksyms_tried = true;
	}
	if (!sym->ksyms || !address)
		return (struct symbol){ 0 };
	for (high = sym->ksyms->n; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (sym->ksyms->data[middle].address <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low)
		found = &sym->ksyms->data[low - 1];
	/*
	 * No function is that big: behind the last symbol, or a user address above one of the
	 * per-CPU ones.
	 */
	if (!found || address - found->address >= 1u << 24)
		return (struct symbol){ 0 };
	/* Of several names for one place take the first. */
	while (found > sym->ksyms->data && found[-1].address == found->address)
		found--;
	return (struct symbol){ found->name, address - found->address, found->module };
}

/* --- processes --- */

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct module *find_module(struct sym *sym, const struct mapping *mapping)
{
	struct module *module;

	buf_reset(&sym->key);
	buf_printf(&sym->key, "%llx:%llx:%s", (unsigned long long)mapping->dev,
		   (unsigned long long)mapping->ino, mapping->path);
	module = strmap_get(sym->modules, sym->key.data);
	if (!module) {
		module = arena_new_of(sym->arena, struct module);
		module->path = arena_strdup(sym->arena, mapping->path);
		strmap_put(sym->modules, sym->key.data, module);
	}
	return module;
}

struct reading {
	struct sym *sym;
	struct process *process;
};

static bool read_mapping(void *arg, const struct mapping *mapping)
{
	struct reading *reading = arg;
	struct process *process = reading->process;
	struct range *range;

	if (process->n == process->cap) {
		process->cap = process->cap ? 2 * process->cap : 16;
		process->ranges = mem_realloc(process->ranges, process->cap * sizeof(*range));
	}
	range = &process->ranges[process->n++];
	range->start = mapping->start;
	range->end = mapping->end;
	range->offset = mapping->offset;
	range->dev = mapping->dev;
	range->ino = mapping->ino;
	range->module = mapping->path_len ? find_module(reading->sym, mapping) : NULL;
	return true;
}

/* What was known about a process that is gone now stays. */
static void read_process(struct sym *sym, struct process *process)
{
	struct process fresh = { .pid = process->pid, .read_ms = now_ms() };
	struct reading reading = { sym, &fresh };

	mappings_each(process->pid, &sym->text, read_mapping, &reading);
	if (fresh.n) {
		free(process->ranges);
		*process = fresh;
	} else {
		free(fresh.ranges);
		process->read_ms = fresh.read_ms;
	}
}

static const struct range *find_range(const struct process *process, uint64_t address)
{
	size_t low = 0, high = process->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (process->ranges[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < process->n && process->ranges[low].start <= address)
		return &process->ranges[low];
	return NULL;
}

/* The mapping that holds the address, after looking again when what is known may be out of date. */
static const struct range *locate(struct sym *sym, int pid, uint64_t address)
{
	struct process *process = &sym->processes[(unsigned)pid % PROCESS_SLOTS];
	const struct range *range;
	int64_t age;

	if (process->pid != pid) {
		free(process->ranges);
		*process = (struct process){ .pid = pid };
		read_process(sym, process);
		return find_range(process, address);
	}
	age = now_ms() - process->read_ms;
	if (age >= FRESH_MS)
		read_process(sym, process);
	range = find_range(process, address);
	if (!range && age >= MISS_MS && age < FRESH_MS) {
		read_process(sym, process);
		range = find_range(process, address);
	}
	return range;
}

/* --- files --- */

static unsigned underscores(const char *name)
{
	return (unsigned)strspn(name, "_");
}

/*
 * By place; of several names for one place the exported one without leading underscores comes
 * first.
 */
static int compare_places(const void *a, const void *b)
{
	const struct elf_symbol *x = *(struct elf_symbol *const *)a,
				*y = *(struct elf_symbol *const *)b;

	if (x->offset != y->offset)
		return x->offset > y->offset ? 1 : -1;
	if (x->is_dynamic != y->is_dynamic)
		return y->is_dynamic - x->is_dynamic;
	if (underscores(x->name) != underscores(y->name))
		return underscores(x->name) > underscores(y->name) ? 1 : -1;
	return strcmp(x->name, y->name);
}

static void read_module(struct sym *sym, int pid, const struct range *range)
{
	struct module *module = range->module;
	struct mapping mapping = {
		.start = range->start,
		.end = range->end,
		.ino = range->ino,
		.dev = range->dev,
		.path = module->path,
		.path_len = strlen(module->path),
	};
	struct arena *scratch = arena_new();
	const char *path = mapping_openable(scratch, pid, &mapping), *error;
	struct elf_file *file;

	/* Without a path the process is gone; another one may lead to the file later. */
	if (path) {
		module->is_tried = true;
		if (elf_read(sym->arena, path, &file, &error) == 0) {
			size_t n = file->elf.functions.n;

			file->by_offset =
				arena_alloc(sym->arena, (n + 1) * sizeof(*file->by_offset));
			for (size_t i = 0; i < n; i++)
				file->by_offset[i] = &file->elf.functions.data[i];
			qsort(file->by_offset, n, sizeof(*file->by_offset), compare_places);
			module->file = file;
		}
	}
	arena_free(scratch);
}

/* A function without size (written in assembler) reaches to the next one. */
static bool holds(const struct elf_file *file, size_t i, uint64_t offset)
{
	const struct elf_symbol *symbol = file->by_offset[i];

	if (symbol->size)
		return offset - symbol->offset < symbol->size;
	while (i < file->elf.functions.n && file->by_offset[i]->offset == symbol->offset)
		i++;
	return i == file->elf.functions.n || offset < file->by_offset[i]->offset;
}

static struct elf_symbol *find_function(const struct elf_file *file, uint64_t offset)
{
	struct elf_symbol *found = NULL;
	size_t low = 0, high = file->elf.functions.n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (file->by_offset[middle]->offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	for (unsigned back = 0; low > 0 && back < NESTED; back++) {
		low--;
		if (found && file->by_offset[low]->offset != found->offset)
			break;
		if (holds(file, low, offset))
			found = file->by_offset[low];
	}
	return found;
}

struct symbol sym_user(struct sym *sym, int pid, uint64_t address)
{
	const struct range *range = pid > 0 ? locate(sym, pid, address) : NULL;
	struct symbol symbol = { 0 };
	struct elf_symbol *function;
	uint64_t offset;

	if (!range || !range->module)
		return symbol;
	symbol.module = range->module->path;
	if (!range->module->is_tried && range->module->path[0] == '/')
		read_module(sym, pid, range);
	if (!range->module->file)
		return symbol;
	offset = address - range->start + range->offset;
	function = find_function(range->module->file, offset);
	if (!function)
		return symbol;
	if (!function->demangled)
		function->demangled = elf_demangle_name(sym->arena, function->name);
	symbol.name = function->demangled ? function->demangled : function->name;
	symbol.offset = offset - function->offset;
	return symbol;
}
