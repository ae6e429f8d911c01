/*
 * Addresses to names, while records are decoded. User addresses become places in files, so no load addresses have to be
 * computed: a mapping tells where in its file an address lies (spaces.c), and a file's functions and lines are found
 * by that (modules.c).
 */
#include "lookup/sym.h"

#include <errno.h>

#include "lookup/spaces.h"
#include "lookup/stream.h"
#include "lookup/unwind.h"

struct sym {
	struct arena *arena;
	struct ksyms *ksyms;
	bool ksyms_tried;
	struct modules *modules;
	struct spaces *spaces;
	struct stream *stream; /* NULL: not watching */
	struct unwind *unwind; /* NULL until the first copied stack */
};

struct sym *sym_new(void)
{
	struct arena *arena = arena_new();
	struct sym *sym = arena_new_of(arena, struct sym);

	sym->arena = arena;
	sym->modules = modules_new();
	sym->spaces = spaces_new(sym->modules);
	return sym;
}

void sym_free(struct sym *sym)
{
	if (!sym)
		return;
	unwind_free(sym->unwind);
	stream_close(sym->stream);
	spaces_free(sym->spaces);
	modules_free(sym->modules);
	arena_free(sym->arena);
}

/* --- the kernel --- */

struct symbol sym_kernel(struct sym *sym, uint64_t address, unsigned flags)
{
	uint64_t place = address - (flags & SYM_CALLER ? 1 : 0);
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

		if (sym->ksyms->data[middle].address <= place)
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
	if (!found || place - found->address >= 1u << 24)
		return (struct symbol){ 0 };
	/* Of several names for one place take the first. */
	while (found > sym->ksyms->data && found[-1].address == found->address)
		found--;
	return (struct symbol){ .name = found->name,
				.offset = address - found->address,
				.module = found->module };
}

/* --- processes --- */

struct symbol sym_user(struct sym *sym, int pid, uint64_t address, unsigned flags)
{
	const struct range *range;
	struct mapping where;

	sym_catch_up(sym);
	range = pid > 0 ? spaces_locate(sym->spaces, pid, address) : NULL;
	if (!range || !range->module)
		return (struct symbol){ 0 };
	where = (struct mapping){ .start = range->start, .end = range->end };
	return modules_find(sym->modules, range->module, pid, &where,
			    address - range->start + range->offset, flags);
}

unsigned long sym_lines_left_out(const struct sym *sym)
{
	return modules_lines_left_out(sym->modules);
}

int sym_watch(struct sym *sym)
{
	int err = sym->stream ? 0 : stream_open(&sym->stream, sym->spaces);

	return err ? err : stream_fd(sym->stream);
}

void sym_catch_up(struct sym *sym)
{
	if (sym->stream)
		stream_read(sym->stream);
}

bool sym_look_around(struct sym *sym, int ms)
{
	sym_catch_up(sym);
	return spaces_look_around(sym->spaces, ms);
}

/* --- copied stacks --- */

bool sym_can_unwind(const char **package)
{
	return unwind_is_possible(package);
}

unsigned sym_unwind(struct sym *sym, int pid, const struct stack_copy *copy, uint64_t *addresses,
		    unsigned max)
{
	sym_catch_up(sym);
	if (!sym->unwind)
		sym->unwind = unwind_new(sym->modules, sym->spaces);
	return unwind_stack(sym->unwind, pid, copy, addresses, max);
}
