/*
 * From FILE:FUNCTION to targets: which files a word names, which of their functions match, and what to say when none
 * does. Spellings only; how programs are attached to the targets is in userlink.c.
 */
#include "probes/userfunc.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "probes/insn.h"
#include "probes/point.h"
#include "probes/userargs.h"

/* What an attach point asks for in each file. */
struct want {
	struct resolve *resolve;
	const struct spec *spec;
	unsigned flags;
	const char *file;
	int file_part, func_part;
	const char *func; /* name or glob; NULL: `address` */
	bool cpp;	  /* func is compared with demangled names */
	uint64_t address;
	uint64_t distance; /* FUNCTION+distance */
	size_t found;
	size_t functions; /* seen in all files */
	struct nearest nearest;
};

typedef VEC(const struct elf_symbol *) symbol_vec;

/* --- reading the attach point --- */

static bool want_error(const struct want *want, const char *text)
{
	const char *kind = want->spec->provider->name;

	resolve_error(want->resolve, -1, "%s %s", kind, text);
	resolve_hint(want->resolve, "for example %s:libc:malloc or %s:/usr/bin/bash:readline", kind,
		     kind);
	return false;
}

/* Names are demangled only for those who ask by them: libraries have thousands. */
static const struct elf *find_elf(struct lookup *lookup, const char *path, bool demangled)
{
	const struct elf *elf = lookup_elf(lookup, path);

	if (elf && demangled)
		elf_demangle(lookup, elf);
	return elf;
}

/* FUNCTION+N. Names of C functions hold no `+`; demangled ones may, and take no offset. */
static bool want_distance(struct want *want)
{
	const char *plus = strrchr(want->func, '+');
	const char *rest;

	if (!plus || want->cpp)
		return true;
	rest = point_number(plus + 1, &want->distance);
	if (!rest || *rest) {
		resolve_error(want->resolve, want->func_part, "'%s' is not an offset", plus + 1);
		return false;
	}
	want->func = arena_strndup(want->resolve->arena, want->func, (size_t)(plus - want->func));
	if (want->distance && glob_is(want->func)) {
		resolve_error(want->resolve, want->func_part,
			      "an offset needs one function, not a pattern");
		return false;
	}
	return true;
}

static bool want_place(struct want *want)
{
	const char *rest;

	if (!want->cpp && *want->func >= '0' && *want->func <= '9') {
		rest = point_number(want->func, &want->address);
		if (!rest || *rest) {
			resolve_error(want->resolve, want->func_part, "'%s' is not an address",
				      want->func);
			return false;
		}
		want->func = NULL;
	} else if (!want_distance(want)) {
		return false;
	}
	if ((want->flags & USERFUNC_RETURN) && (!want->func || want->distance)) {
		resolve_error(want->resolve, want->func_part,
			      "%s needs the name of a function: it fires at the function's return",
			      want->spec->provider->name);
		return false;
	}
	return true;
}

static bool want_parse(struct want *want)
{
	const struct spec *spec = want->spec;
	unsigned n = spec->n_parts;

	if (n == 1 && spec->pid) { /* the process's own executable */
		want->file = "";
		want->func = spec->part[0];
	} else if (n == 2) {
		want->file = spec->part[0];
		want->func_part = 1;
		want->func = spec->part[1];
	} else if (n >= 3 && !strcmp(spec->part[1], "cpp")) {
		want->file = spec->part[0];
		want->func_part = 2;
		want->func = point_join(want->resolve->arena, spec, 2);
		want->cpp = true;
	} else {
		return want_error(want, "takes a file and a function");
	}
	if (!*want->file && !spec->pid)
		return want_error(want, "needs a file, or -p and the file is the process's own");
	if (!*want->func)
		return want_error(want, "needs the name of a function after the file");
	if (strchr(want->file, '@') && access(want->file, F_OK)) {
		resolve_error(want->resolve, want->file_part,
			      "not supported yet: %s at a line of source", spec->provider->name);
		return false;
	}
	return want_place(want);
}

/* --- functions of one file --- */

static bool want_matches(const struct want *want, const struct elf_symbol *symbol)
{
	if (!want->cpp)
		return glob_match(want->func, symbol->name);
	if (!symbol->demangled)
		return false;
	return glob_match(want->func, symbol->demangled) ||
	       glob_match(want->func, elf_plain_cpp_name(want->resolve->arena, symbol->demangled));
}

/* Cold halves that the compiler moved away are not entered through a call. */
static bool is_cold_part(const char *name)
{
	const char *cold = strstr(name, ".cold");

	return cold && (!cold[5] || cold[5] == '.');
}

static unsigned underscores(const struct elf_symbol *symbol)
{
	return (unsigned)strspn(symbol->name, "_");
}

/* By place in the file; of several names for one place the plainest comes first. */
static int compare_places(const void *pa, const void *pb)
{
	const struct elf_symbol *a = *(const struct elf_symbol *const *)pa;
	const struct elf_symbol *b = *(const struct elf_symbol *const *)pb;

	if (a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	if (underscores(a) != underscores(b))
		return underscores(a) < underscores(b) ? -1 : 1;
	return strcmp(a->name, b->name);
}

static int compare_names(const void *pa, const void *pb)
{
	const struct elf_symbol *a = *(const struct elf_symbol *const *)pa;
	const struct elf_symbol *b = *(const struct elf_symbol *const *)pb;
	int order = strcmp(a->name, b->name);

	if (!order && a->offset != b->offset)
		return a->offset < b->offset ? -1 : 1;
	return order;
}

/* One symbol per place, so that nothing fires twice for a call, in the order of names. */
static void symbols_unique(symbol_vec *symbols)
{
	size_t kept = 0;

	if (symbols->n < 2)
		return;
	qsort(symbols->data, symbols->n, sizeof(*symbols->data), compare_places);
	for (size_t i = 0; i < symbols->n; i++)
		if (!kept || symbols->data[kept - 1]->offset != symbols->data[i]->offset)
			symbols->data[kept++] = symbols->data[i];
	symbols->n = kept;
	qsort(symbols->data, symbols->n, sizeof(*symbols->data), compare_names);
}

static symbol_vec file_matches(struct want *want, const struct elf *elf)
{
	bool many = want->cpp || glob_is(want->func);
	const struct elf_symbol *symbol;
	symbol_vec found = { 0 };

	want->functions += elf->functions.n;
	vec_each (symbol, &elf->functions)
		if (want_matches(want, symbol) && !(many && is_cold_part(symbol->name)))
			vec_push(want->resolve->arena, &found, symbol);
	symbols_unique(&found);
	return found;
}

static bool has_exports_only(const struct elf *elf)
{
	const struct elf_symbol *symbol;

	vec_each (symbol, &elf->functions)
		if (!symbol->is_dynamic)
			return false;
	return true;
}

static void near_names(struct want *want, const struct elf *elf)
{
	const struct elf_symbol *symbol;

	vec_each (symbol, &elf->functions) {
		if (!want->cpp)
			nearest_try(&want->nearest, symbol->name);
		else if (symbol->demangled)
			nearest_try(&want->nearest,
				    elf_plain_cpp_name(want->resolve->arena, symbol->demangled));
	}
}

/* --- targets --- */

static void add_target(struct want *want, const struct binary *binary, const char *place,
		       const char *func, uint64_t offset)
{
	struct arena *arena = want->resolve->arena;
	const char *name =
		arena_printf(arena, "%s:%s:%s", want->spec->provider->name, binary->shown, place);
	struct target *target =
		point_target(want->resolve, name, func ? arena_strdup(arena, func) : NULL);

	target->path = arena_strdup(arena, binary->path);
	if ((want->func && glob_is(want->func)) || glob_is(want->file))
		target->number = USERFUNC_ANY;
	target->offset = offset;
	want->found++;
}

/* A breakpoint inside an instruction breaks the traced program, so it takes --unsafe when that cannot be excluded. */
static bool check_boundary(struct want *want, const struct binary *binary,
			   const struct elf_symbol *symbol, uint64_t distance)
{
	int begins = symbol ? userfunc_boundary(binary->path, symbol->offset, distance) : -ENOENT;

	if (begins == 1 || want->spec->unsafe)
		return true;
	if (begins == 0)
		resolve_error(want->resolve, want->func_part,
			      "no instruction begins %" PRIu64 " bytes into %s", distance,
			      symbol->name);
	else
		resolve_error(want->resolve, want->func_part,
			      "it cannot be told whether an instruction begins at this place of %s",
			      binary->shown);
	resolve_hint(want->resolve,
		     "a probe inside an instruction breaks the program; --unsafe allows it");
	return false;
}

static bool add_address(struct want *want, const struct binary *binary, const struct elf *elf)
{
	int64_t offset = elf_file_offset(want->resolve->lookup, binary->path, want->address);
	const struct elf_symbol *symbol, *inside = NULL;

	if (offset < 0) {
		resolve_error(want->resolve, want->func_part, "address 0x%" PRIx64 " is not in %s",
			      want->address, binary->shown);
		return false;
	}
	vec_each (symbol, &elf->functions)
		if (want->address >= symbol->address &&
		    want->address - symbol->address < symbol->size)
			inside = symbol;
	if (!check_boundary(want, binary, inside, inside ? want->address - inside->address : 0))
		return false;
	add_target(want, binary, arena_printf(want->resolve->arena, "0x%" PRIx64, want->address),
		   inside ? inside->name : NULL, (uint64_t)offset);
	return true;
}

static bool add_distance(struct want *want, const struct binary *binary,
			 const struct elf_symbol *symbol)
{
	struct arena *arena = want->resolve->arena;

	if (symbol->size && want->distance >= symbol->size) {
		resolve_error(want->resolve, want->func_part, "%s has only %" PRIu64 " bytes",
			      symbol->name, symbol->size);
		return false;
	}
	if (!check_boundary(want, binary, symbol, want->distance))
		return false;
	add_target(want, binary, arena_printf(arena, "%s+%" PRIu64, symbol->name, want->distance),
		   symbol->name, symbol->offset + want->distance);
	return true;
}

static void add_symbol(struct want *want, const struct binary *binary,
		       const struct elf_symbol *symbol)
{
	struct arena *arena = want->resolve->arena;

	if (want->cpp)
		add_target(want, binary, arena_printf(arena, "cpp:\"%s\"", symbol->demangled),
			   elf_plain_cpp_name(arena, symbol->demangled), symbol->offset);
	else
		add_target(want, binary, symbol->name, symbol->name, symbol->offset);
}

/* The return address is replaced while a function runs; Go's runtime walks its stacks and finds it. */
static bool check_runtime(struct want *want, const struct binary *binary, const struct elf *elf)
{
	if (!(want->flags & USERFUNC_RETURN) || want->spec->unsafe ||
	    !elf_find(elf, "runtime.goexit"))
		return true;
	resolve_error(want->resolve, want->file_part,
		      "%s is a Go program: probes at returns crash it", binary->shown);
	resolve_hint(want->resolve, "use uprobe, or allow it with --unsafe");
	return false;
}

static bool add_file(struct want *want, const struct binary *binary, const struct elf *elf)
{
	symbol_vec symbols;

	if (!want->func)
		return add_address(want, binary, elf);
	symbols = file_matches(want, elf);
	if (symbols.n && !check_runtime(want, binary, elf))
		return false;
	for (size_t i = 0; i < symbols.n; i++) {
		if (!want->distance)
			add_symbol(want, binary, symbols.data[i]);
		else if (!add_distance(want, binary, symbols.data[i]))
			return false;
	}
	return true;
}

/* --- nothing found --- */

static void hint_stripped(struct want *want, const struct binary *binary)
{
	resolve_hint(want->resolve,
		     "it is stripped: install its debug symbols (-dbgsym, -debuginfo), or give an "
		     "address: %s:%s:0x1234",
		     want->spec->provider->name, binary->shown);
}

static bool no_function(struct want *want, const binary_vec *binaries)
{
	struct resolve *resolve = want->resolve;
	const struct binary *binary, *first = binaries->data;
	const char *where = first->shown;
	bool stripped = true;

	if (binaries->n > 1)
		where = arena_printf(resolve->arena, "any of the %zu files '%s' names", binaries->n,
				     want->file);
	if (!want->functions) {
		resolve_error(resolve, want->file_part, "%s has no symbols of functions", where);
		hint_stripped(want, first);
		return false;
	}
	resolve_error(resolve, want->func_part, "no function %s '%s' in %s",
		      glob_is(want->func) ? "matches" : "is called", want->func, where);
	vec_each (binary, binaries) {
		const struct elf *elf = find_elf(resolve->lookup, binary->path, want->cpp);

		if (!elf)
			continue;
		near_names(want, elf);
		stripped &= has_exports_only(elf);
	}
	if (!glob_is(want->func) && want->nearest.best)
		point_hint(resolve, &want->nearest, "");
	else if (stripped)
		hint_stripped(want, first);
	else
		resolve_hint(resolve, "jbtrace -l '%s:%s:*' lists them", want->spec->provider->name,
			     first->shown);
	return false;
}

static bool no_binary(struct want *want, const char *nearest)
{
	resolve_error(want->resolve, want->file_part, "%s", lookup_error(want->resolve->lookup));
	if (nearest)
		resolve_hint(want->resolve, "did you mean '%s'?", nearest);
	else if (strchr(want->file, '/'))
		resolve_hint(want->resolve,
			     "check the path; a name without '/' is looked for: %s:libc:malloc",
			     want->spec->provider->name);
	return false;
}

bool userfunc_expand(struct resolve *resolve, const struct spec *spec, unsigned flags)
{
	struct want want = { .resolve = resolve, .spec = spec, .flags = flags };
	const struct binary *binary;
	const char *nearest = NULL;
	binary_vec binaries = { 0 };
	size_t readable = 0;

	if (!want_parse(&want))
		return false;
	nearest_init(&want.nearest, want.func ? want.func : "");
	if (lookup_binaries(resolve->lookup, want.file, spec->pid, &binaries, &nearest) < 0 ||
	    !binaries.n)
		return no_binary(&want, nearest);
	vec_each (binary, &binaries) {
		const struct elf *elf = find_elf(resolve->lookup, binary->path, want.cpp);

		if (!elf)
			continue;
		readable++;
		if (!add_file(&want, binary, elf))
			return false;
	}
	if (!readable)
		return no_binary(&want, NULL);
	return want.found || no_function(&want, &binaries);
}

/* --- boundaries of instructions --- */

int userfunc_boundary(const char *path, uint64_t offset, uint64_t distance)
{
	uint8_t *code;
	int result;

	if (!distance)
		return 1;
	if (distance > 1 << 20)
		return -E2BIG;
	code = mem_alloc(distance + INSN_MAX);
	result = insn_read(path, offset, code, distance + INSN_MAX);
	if (result >= 0)
		result = insn_begins_at(code, (size_t)result, distance);
	free(code);
	return result;
}

/* --- listing --- */

struct listing {
	struct lookup *lookup;
	const char *provider;
	const char *func;
	bool cpp;
	void (*emit)(void *, const char *, const struct type *);
	void *arg;
};

static void list_file(const struct listing *listing, const struct binary *binary)
{
	const struct elf *elf = find_elf(listing->lookup, binary->path, listing->cpp);
	const struct elf_symbol *symbol;
	const char *before = NULL;
	struct buf line = { 0 };

	if (!elf)
		return;
	vec_each (symbol, &elf->functions) {
		const char *name = listing->cpp ? symbol->demangled : symbol->name;

		if (!name || !glob_match(listing->func, name) ||
		    (before && !strcmp(before, symbol->name)))
			continue;
		before = symbol->name;
		buf_reset(&line);
		buf_printf(&line, listing->cpp ? "%s:%s:cpp:\"%s\"" : "%s:%s:%s", listing->provider,
			   binary->shown, name);
		listing->emit(listing->arg, line.data,
			      userargs_list(listing->lookup, listing->provider, binary, symbol));
	}
	buf_fini(&line);
}

/* `cpp:"A::b"` or `cpp:A::b` after the file. Quotes are the pattern's own here: nobody has removed them. */
static const char *list_function(struct arena *arena, const char *text, bool *cpp)
{
	size_t len;

	*cpp = !strncmp(text, "cpp:", 4);
	if (*cpp)
		text += 4;
	len = strlen(text);
	if (len >= 2 && text[0] == '"' && text[len - 1] == '"')
		text = arena_strndup(arena, text + 1, len - 2);
	return *text ? text : "*";
}

void userfunc_list(struct lookup *lookup, const char *provider, const char *pattern,
		   void (*emit)(void *, const char *, const struct type *), void *arg)
{
	struct listing listing = {
		.lookup = lookup, .provider = provider, .emit = emit, .arg = arg
	};
	struct arena *arena = lookup_arena(lookup);
	size_t file_len = strcspn(pattern, ":");
	const char *file = arena_strndup(arena, pattern, file_len), *nearest;
	const struct binary *binary;
	binary_vec binaries = { 0 };
	int pid = lookup_pid(lookup);

	/* Every function of every file would be millions of lines that nobody asked for. */
	if ((!*file && !pid) || !strcmp(file, "*"))
		return;
	if (pid && !pattern[file_len] && !strchr(file, '/')) { /* FUNCTION of the process */
		pattern = arena_printf(arena, ":%s", pattern);
		file = "";
		file_len = 0;
	}
	listing.func =
		list_function(arena, pattern + file_len + (pattern[file_len] == ':'), &listing.cpp);
	if (lookup_binaries(lookup, file, pid, &binaries, &nearest) < 0)
		return;
	vec_each (binary, &binaries)
		list_file(&listing, binary);
}
