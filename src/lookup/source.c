/*
 * Source lines and inlined functions. libdw reads DWARF; what is ours are the indices of what lies where: of units, for
 * files whose compiler made none, and of the functions of each unit that was asked for. So an address costs the reading of
 * one unit the first time, and of one function from then on.
 */
#include "lookup/source.h"

#include <fcntl.h>
#include <gelf.h>
#include <unistd.h>

#include "lookup/dwarf.h"

enum {
	/* Of several units; libdw needs some 60 bytes for each. */
	LINES_MAX = 150 * 1000,
	DEPTH_MAX = 64,	     /* inlined functions at one address, namespaces in each other */
	SPANS_MAX = 1 << 20, /* a damaged file may claim any number */
};

/* Where the code of a unit or a function lies. */
struct span_of {
	uint64_t low, high;
	Dwarf_Off die;
};
struct span_list {
	struct span_of *data; /* heap; sorted once it is complete */
	size_t n, cap;
};

/* A unit that was asked for. */
struct unit {
	Dwarf_Off die;
	struct span_list functions;
	bool has_lines; /* they were asked for */
};

struct source {
	const struct libdw *dw;
	int fd;
	Elf *elf;
	Dwarf *dwarf;
	struct span_list units; /* of all, when the file has no index */
	bool is_indexed;
	struct unit *known; /* heap; units whose lines and functions have been read */
	size_t n_known;
	unsigned long n_lines; /* of them; functions count as lines */
};

/* --- what lies where --- */

static void add_span(struct span_list *list, uint64_t low, uint64_t high, Dwarf_Off die)
{
	if (low >= high || list->n >= SPANS_MAX)
		return;
	if (list->n == list->cap) {
		list->cap = list->cap ? 2 * list->cap : 64;
		list->data = mem_realloc(list->data, list->cap * sizeof(*list->data));
	}
	list->data[list->n++] = (struct span_of){ low, high, die };
}

static void add_spans(struct source *source, struct span_list *list, Dwarf_Die *die)
{
	Dwarf_Off offset = source->dw->dwarf_dieoffset(die);
	Dwarf_Addr base, low, high;
	ptrdiff_t range = 0;

	while ((range = source->dw->dwarf_ranges(die, range, &base, &low, &high)) > 0)
		add_span(list, low, high, offset);
}

static int compare_spans(const void *a, const void *b)
{
	const struct span_of *x = a, *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

static void sort_spans(struct span_list *list)
{
	if (list->n)
		qsort(list->data, list->n, sizeof(*list->data), compare_spans);
}

static bool find_span(struct source *source, const struct span_list *list, uint64_t address,
		      Dwarf_Die *die)
{
	size_t low = 0, high = list->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (list->data[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < list->data[low - 1].high &&
	       source->dw->dwarf_offdie(source->dwarf, list->data[low - 1].die, die);
}

/* --- opening --- */

static bool open_elf(struct source *source, const char *path)
{
	source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (source->fd < 0)
		return false;
	source->elf = elf_open_fd(source->fd);
	return source->elf && elf_kind(source->elf) == ELF_K_ELF;
}

static void close_elf(struct source *source)
{
	elf_end(source->elf);
	if (source->fd >= 0)
		close(source->fd);
	source->elf = NULL;
	source->fd = -1;
}

static bool has_lines(Elf *elf)
{
	return elf_section_data(elf, ".debug_info", SHT_PROGBITS) ||
	       elf_section_data(elf, ".zdebug_info", SHT_PROGBITS);
}

/* elfutils 0.188 reads names up to their NUL, wherever that is. */
static bool ends_with_nul(Elf *elf, const char *name)
{
	Elf_Scn *scn = elf_section(elf, name, SHT_PROGBITS);
	const Elf_Data *data;
	GElf_Shdr head;

	if (!scn || !gelf_getshdr(scn, &head) || (head.sh_flags & SHF_COMPRESSED))
		return true;
	data = elf_getdata(scn, NULL);
	return !data || !data->d_size || !((const char *)data->d_buf)[data->d_size - 1];
}

static bool is_sound(Elf *elf)
{
	return ends_with_nul(elf, ".debug_str") && ends_with_nul(elf, ".debug_line_str");
}

/* The file itself, or its separate one. */
static bool open_lines(struct source *source, const char *path)
{
	struct arena *arena;
	const char *debug;
	bool found;

	if (!open_elf(source, path))
		return false;
	if (has_lines(source->elf))
		return true;
	arena = arena_new();
	debug = elf_debug_file(arena, source->elf, path);
	close_elf(source);
	found = debug && open_elf(source, debug) && has_lines(source->elf);
	arena_free(arena);
	return found;
}

struct source *source_open_or(const char *path, const char **why)
{
	struct source *source = mem_alloc(sizeof(*source));

	*source = (struct source){ .fd = -1 };
	*why = "has no debug information";
	/* The library is not loaded for files without debug information, which are most. */
	if (open_lines(source, path)) {
		*why = "has debug information, but there is no " LIBDW_LIBRARY
		       " (package " LIBDW_PACKAGE ")";
		source->dw = libdw_load();
	}
	if (source->dw) {
		*why = "has debug information that cannot be read";
		if (is_sound(source->elf))
			source->dwarf =
				source->dw->dwarf_begin_elf(source->elf, DWARF_C_READ, NULL);
	}
	if (source->dwarf)
		return source;
	source_close(source);
	return NULL;
}

struct source *source_open(const char *path)
{
	const char *why;

	return source_open_or(path, &why);
}

const struct libdw *source_libdw(const struct source *source)
{
	return source->dw;
}

Dwarf *source_dwarf(const struct source *source)
{
	return source->dwarf;
}

void source_close(struct source *source)
{
	if (!source)
		return;
	if (source->dwarf)
		source->dw->dwarf_end(source->dwarf);
	close_elf(source);
	free(source->units.data);
	for (size_t i = 0; i < source->n_known; i++)
		free(source->known[i].functions.data);
	free(source->known);
	free(source);
}

bool source_is_heavy(const struct source *source)
{
	return source->n_known > 1 && source->n_lines > LINES_MAX;
}

/* --- units --- */

/* clang makes no .debug_aranges; then each unit is asked, once. */
static void index_units(struct source *source)
{
	const struct libdw *dw = source->dw;
	Dwarf_Off at = 0, next;
	Dwarf_Die die;
	size_t head;

	source->is_indexed = true;
	for (;
	     dw->dwarf_nextcu(source->dwarf, at, &next, &head, NULL, NULL, NULL) == 0 && next > at;
	     at = next)
		if (dw->dwarf_offdie(source->dwarf, at + head, &die))
			add_spans(source, &source->units, &die);
	sort_spans(&source->units);
}

static bool find_unit(struct source *source, uint64_t address, Dwarf_Die *die)
{
	if (source->dw->dwarf_addrdie(source->dwarf, address, die))
		return true;
	if (!source->is_indexed)
		index_units(source);
	return find_span(source, &source->units, address, die);
}

/* --- functions --- */

static bool has_functions(int tag)
{
	return tag == DW_TAG_namespace || tag == DW_TAG_module || tag == DW_TAG_class_type ||
	       tag == DW_TAG_structure_type;
}

static void add_functions(struct source *source, struct span_list *list, Dwarf_Die *parent,
			  unsigned depth)
{
	const struct libdw *dw = source->dw;
	Dwarf_Die die;

	if (depth > DEPTH_MAX || dw->dwarf_child(parent, &die) != 0)
		return;
	do {
		int tag = dw->dwarf_tag(&die);

		if (tag == DW_TAG_subprogram)
			add_spans(source, list, &die);
		else if (has_functions(tag))
			add_functions(source, list, &die, depth + 1);
	} while (dw->dwarf_siblingof(&die, &die) == 0);
}

/* Its functions stay in memory. */
static struct unit *know_unit(struct source *source, Dwarf_Die *die)
{
	Dwarf_Off offset = source->dw->dwarf_dieoffset(die);
	struct unit *unit;

	for (size_t i = 0; i < source->n_known; i++)
		if (source->known[i].die == offset)
			return &source->known[i];
	source->known = mem_realloc(source->known, (source->n_known + 1) * sizeof(*source->known));
	unit = &source->known[source->n_known++];
	*unit = (struct unit){ .die = offset };
	add_functions(source, &unit->functions, die, 0);
	sort_spans(&unit->functions);
	source->n_lines += unit->functions.n;
	return unit;
}

/* Its lines are decoded by libdw on first need and stay in memory as well. */
static void know_lines(struct source *source, struct unit *unit, Dwarf_Die *die)
{
	Dwarf_Lines *lines;
	size_t n = 0;

	if (!unit->has_lines && source->dw->dwarf_getsrclines(die, &lines, &n) == 0)
		source->n_lines += n;
	unit->has_lines = true;
}

bool source_function(struct source *source, uint64_t address, Dwarf_Die *unit, Dwarf_Die *function)
{
	return find_unit(source, address, unit) &&
	       find_span(source, &know_unit(source, unit)->functions, address, function);
}

static bool is_scope(int tag)
{
	return tag == DW_TAG_lexical_block || tag == DW_TAG_inlined_subroutine ||
	       tag == DW_TAG_subprogram || tag == DW_TAG_try_block || tag == DW_TAG_catch_block;
}

/* The scope in `parent` that holds the address. */
static bool find_inner(const struct libdw *dw, Dwarf_Die *parent, uint64_t address, Dwarf_Die *die)
{
	if (dw->dwarf_child(parent, die) != 0)
		return false;
	do {
		if (is_scope(dw->dwarf_tag(die)) && dw->dwarf_haspc(die, address) > 0)
			return true;
	} while (dw->dwarf_siblingof(die, die) == 0);
	return false;
}

/* The function at the address, and those inlined there, outermost first. Number of them. */
static unsigned find_chain(struct source *source, const struct unit *unit, uint64_t address,
			   Dwarf_Die chain[DEPTH_MAX])
{
	const struct libdw *dw = source->dw;
	Dwarf_Die die, inner;
	unsigned n = 1;

	if (!find_span(source, &unit->functions, address, &die))
		return 0;
	chain[0] = die;
	for (unsigned depth = 0; depth < 4 * DEPTH_MAX && n < DEPTH_MAX; depth++) {
		if (!find_inner(dw, &die, address, &inner))
			break;
		die = inner;
		if (dw->dwarf_tag(&die) == DW_TAG_subprogram)
			n = 0; /* a function within a function, compiled on its own */
		if (dw->dwarf_tag(&die) == DW_TAG_subprogram ||
		    dw->dwarf_tag(&die) == DW_TAG_inlined_subroutine)
			chain[n++] = die;
	}
	return n;
}

/* --- names and lines --- */

static const char *function_name(struct source *source, struct arena *arena, Dwarf_Die *die)
{
	const struct libdw *dw = source->dw;
	const char *name = NULL, *demangled;
	Dwarf_Attribute attr;

	if (dw->dwarf_attr_integrate(die, DW_AT_linkage_name, &attr) ||
	    dw->dwarf_attr_integrate(die, DW_AT_MIPS_linkage_name, &attr))
		name = dw->dwarf_formstring(&attr);
	if (!name)
		name = dw->dwarf_diename(die);
	if (!name)
		return NULL;
	demangled = elf_demangle_name(arena, name);
	return demangled ? demangled : arena_strdup(arena, name);
}

/* Names are relative to the folder in which the compiler ran, when they are. */
static const char *whole_name(struct source *source, struct arena *arena, Dwarf_Die *unit,
			      const char *file)
{
	Dwarf_Attribute attr;
	const char *folder = NULL;

	if (!file)
		return NULL;
	if (file[0] != '/' && source->dw->dwarf_attr(unit, DW_AT_comp_dir, &attr))
		folder = source->dw->dwarf_formstring(&attr);
	return folder ? arena_printf(arena, "%s/%s", folder, file) : arena_strdup(arena, file);
}

static void line_of_address(struct source *source, struct arena *arena, Dwarf_Die *unit,
			    uint64_t address, struct symbol_line *line)
{
	const struct libdw *dw = source->dw;
	Dwarf_Line *found = dw->dwarf_getsrc_die(unit, address);
	int number = 0;

	if (!found || dw->dwarf_lineno(found, &number) != 0)
		return;
	line->file = whole_name(source, arena, unit, dw->dwarf_linesrc(found, NULL, NULL));
	line->line = (uint32_t)number;
}

/* Where an inlined function was called. */
static void line_of_call(struct source *source, struct arena *arena, Dwarf_Die *unit,
			 Dwarf_Die *die, struct symbol_line *line)
{
	const struct libdw *dw = source->dw;
	Dwarf_Word file = 0, number = 0;
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	size_t n_files;

	if (!dw->dwarf_attr(die, DW_AT_call_file, &attr) ||
	    dw->dwarf_formudata(&attr, &file) != 0 ||
	    !dw->dwarf_attr(die, DW_AT_call_line, &attr) ||
	    dw->dwarf_formudata(&attr, &number) != 0 ||
	    dw->dwarf_getsrcfiles(unit, &files, &n_files) != 0 || file >= n_files)
		return;
	line->file = whole_name(source, arena, unit, dw->dwarf_filesrc(files, file, NULL, NULL));
	line->line = (uint32_t)number;
}

unsigned source_find(struct source *source, struct arena *arena, uint64_t address,
		     struct symbol_line **lines)
{
	Dwarf_Die unit, chain[DEPTH_MAX];
	struct symbol_line *made;
	struct unit *known;
	unsigned n;

	if (!find_unit(source, address, &unit))
		return 0;
	known = know_unit(source, &unit);
	know_lines(source, known, &unit);
	n = find_chain(source, known, address, chain);
	*lines = made = arena_alloc(arena, (n + 1) * sizeof(*made));
	line_of_address(source, arena, &unit, address, &made[0]);
	if (!n)
		return made[0].file ? 1 : 0;
	for (unsigned i = 0; i < n; i++) {
		made[i].function = function_name(source, arena, &chain[n - 1 - i]);
		if (i + 1 < n)
			line_of_call(source, arena, &unit, &chain[n - 1 - i], &made[i + 1]);
	}
	return n;
}
