/*
 * Source lines and inlined functions. libdw reads DWARF; what is ours is the order in which it is asked, so that one
 * address costs the reading of one compilation unit, and an index of the units for files whose linker made none.
 */
#include "lookup/source.h"

#include <fcntl.h>
#include <unistd.h>

#include "lookup/internal.h"
#include "lookup/libdw.h"

enum {
	DEPTH_MAX = 64,	     /* inlined functions at one address */
	UNITS_MAX = 1 << 17, /* a damaged file may claim any number */
};

/* Where the code of a unit lies. */
struct unit {
	uint64_t low, high;
	Dwarf_Off die;
};

struct source {
	const struct libdw *dw;
	int fd;
	Elf *elf;
	Dwarf *dwarf;
	struct unit *units; /* heap; sorted */
	size_t n_units, cap_units;
	bool is_indexed;
	unsigned long n_lines;
	Dwarf_Off *counted; /* heap; units whose lines are in n_lines */
	size_t n_counted;
};

/* --- opening --- */

static bool open_elf(struct source *source, const char *path)
{
	source->fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (source->fd < 0)
		return false;
	elf_version(EV_CURRENT);
	source->elf = elf_begin(source->fd, ELF_C_READ_MMAP, NULL);
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

struct source *source_open(const char *path)
{
	struct source *source = mem_alloc(sizeof(*source));

	*source = (struct source){ .fd = -1 };
	/* The library is not loaded for files without debug information, which are most. */
	if (open_lines(source, path) && (source->dw = libdw_load()))
		source->dwarf = source->dw->dwarf_begin_elf(source->elf, DWARF_C_READ, NULL);
	if (source->dwarf)
		return source;
	source_close(source);
	return NULL;
}

void source_close(struct source *source)
{
	if (!source)
		return;
	if (source->dwarf)
		source->dw->dwarf_end(source->dwarf);
	close_elf(source);
	free(source->units);
	free(source->counted);
	free(source);
}

unsigned long source_lines(const struct source *source)
{
	return source->n_lines;
}

/* --- units --- */

static void add_unit(struct source *source, uint64_t low, uint64_t high, Dwarf_Off die)
{
	if (low >= high || source->n_units >= UNITS_MAX)
		return;
	if (source->n_units == source->cap_units) {
		source->cap_units = source->cap_units ? 2 * source->cap_units : 64;
		source->units =
			mem_realloc(source->units, source->cap_units * sizeof(*source->units));
	}
	source->units[source->n_units++] = (struct unit){ low, high, die };
}

static int compare_units(const void *a, const void *b)
{
	const struct unit *x = a, *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

/* clang makes no .debug_aranges; then each unit is asked, once. */
static void index_units(struct source *source)
{
	const struct libdw *dw = source->dw;
	Dwarf_Off at = 0, next;
	size_t head;

	source->is_indexed = true;
	for (; dw->dwarf_nextcu(source->dwarf, at, &next, &head, NULL, NULL, NULL) == 0;
	     at = next) {
		Dwarf_Addr base, low, high;
		ptrdiff_t range = 0;
		Dwarf_Die die;

		if (!dw->dwarf_offdie(source->dwarf, at + head, &die))
			continue;
		while ((range = dw->dwarf_ranges(&die, range, &base, &low, &high)) > 0)
			add_unit(source, low, high, at + head);
		if (next <= at)
			break;
	}
	if (source->n_units)
		qsort(source->units, source->n_units, sizeof(*source->units), compare_units);
}

static bool find_unit(struct source *source, uint64_t address, Dwarf_Die *die)
{
	size_t low = 0, high;

	if (source->dw->dwarf_addrdie(source->dwarf, address, die))
		return true;
	if (!source->is_indexed)
		index_units(source);
	for (high = source->n_units; low < high;) {
		size_t middle = low + (high - low) / 2;

		if (source->units[middle].low <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low && address < source->units[low - 1].high &&
	       source->dw->dwarf_offdie(source->dwarf, source->units[low - 1].die, die);
}

/* The lines of a unit are decoded on first need and stay in memory. */
static void count_lines(struct source *source, Dwarf_Die *unit)
{
	Dwarf_Off offset = source->dw->dwarf_dieoffset(unit);
	Dwarf_Lines *lines;
	size_t n = 0;

	for (size_t i = 0; i < source->n_counted; i++)
		if (source->counted[i] == offset)
			return;
	source->counted =
		mem_realloc(source->counted, (source->n_counted + 1) * sizeof(*source->counted));
	source->counted[source->n_counted++] = offset;
	if (source->dw->dwarf_getsrclines(unit, &lines, &n) == 0)
		source->n_lines += n;
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

static bool is_function(const struct libdw *dw, Dwarf_Die *die)
{
	int tag = dw->dwarf_tag(die);

	return tag == DW_TAG_subprogram || tag == DW_TAG_inlined_subroutine;
}

/* The innermost function or inlined call at the address. */
static bool find_scope(const struct libdw *dw, Dwarf_Die *unit, uint64_t address, Dwarf_Die *die)
{
	Dwarf_Die *scopes = NULL;
	int n = dw->dwarf_getscopes(unit, address, &scopes), i = 0;

	while (i < n && !is_function(dw, &scopes[i]))
		i++;
	if (i < n)
		*die = scopes[i];
	free(scopes);
	return i < n;
}

unsigned source_find(struct source *source, struct arena *arena, uint64_t address,
		     struct symbol_line **lines)
{
	const struct libdw *dw = source->dw;
	struct symbol_line *made;
	Dwarf_Die unit, innermost, *scopes = NULL;
	unsigned n_made = 0;
	int n;

	if (!find_unit(source, address, &unit))
		return 0;
	count_lines(source, &unit);
	*lines = made = arena_alloc(arena, (DEPTH_MAX + 1) * sizeof(*made));
	line_of_address(source, arena, &unit, address, &made[0]);
	if (!find_scope(dw, &unit, address, &innermost))
		return made[0].file ? 1 : 0;
	/* Its scopes as they were compiled: each inlined call lies in the function that makes it. */
	n = dw->dwarf_getscopes_die(&innermost, &scopes);
	for (int i = 0; i < n && n_made < DEPTH_MAX; i++) {
		if (!is_function(dw, &scopes[i]))
			continue;
		made[n_made].function = function_name(source, arena, &scopes[i]);
		n_made++;
		if (dw->dwarf_tag(&scopes[i]) == DW_TAG_subprogram)
			break;
		line_of_call(source, arena, &unit, &scopes[i], &made[n_made]);
	}
	free(scopes);
	return n_made ? n_made : made[0].file ? 1 : 0;
}
