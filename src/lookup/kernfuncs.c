/*
 * Which functions the kernel has: its symbol table, and the list of those that take no kprobe. What their arguments are
 * is in btf_func.c. available_filter_functions is not asked: it needs rights that root may lack, and seconds.
 */
#include <errno.h>

#include "lookup/internal.h"

/* --- symbols --- */

static bool is_text(char kind)
{
	return kind == 't' || kind == 'T' || kind == 'w' || kind == 'W';
}

static uint64_t address_of(const struct ksyms *ksyms, const char *name)
{
	for (size_t i = 0; i < ksyms->n; i++)
		if (!strcmp(ksyms->data[i].name, name) && !ksyms->data[i].module)
			return ksyms->data[i].address;
	return 0;
}

int lookup_each_kernel_symbol(struct lookup *lookup,
			      void (*each)(void *, const struct kernel_symbol *), void *arg)
{
	uint64_t init_begin, init_end;

	if (!lookup->ksyms)
		lookup->ksyms = ksyms_read(lookup->arena);
	if (!lookup->ksyms)
		return lookup_fail(lookup, EPERM,
				   "kernel addresses cannot be read from /proc/kallsyms");
	init_begin = address_of(lookup->ksyms, "_sinittext");
	init_end = address_of(lookup->ksyms, "_einittext");
	for (size_t i = 0; i < lookup->ksyms->n; i++) {
		const struct ksym *sym = &lookup->ksyms->data[i];
		struct kernel_symbol symbol = {
			.name = sym->name,
			.module = sym->module,
			.address = sym->address,
			.is_function = is_text(sym->kind),
			.is_init = sym->address >= init_begin && sym->address < init_end,
		};

		each(arg, &symbol);
	}
	return 0;
}

/* --- the list of places without kprobes --- */

struct range {
	uint64_t begin, end;
};

struct blacklist {
	VEC(struct range) ranges;
};

/* Lines are "0xBEGIN-0xEND\tNAME". */
static struct blacklist *read_blacklist(struct lookup *lookup)
{
	struct blacklist *list = arena_new_of(lookup->arena, struct blacklist);
	struct buf text = { 0 };
	struct range range;

	if (file_read("/sys/kernel/debug/kprobes/blacklist", &text) >= 0) {
		buf_putc(&text, '\0');
		for (const char *at = text.data; *at; at += *at == '\n') {
			char *end;

			range.begin = strtoull(at, &end, 16);
			range.end = *end == '-' ? strtoull(end + 1, NULL, 16) : 0;
			if (range.begin && range.end > range.begin)
				vec_push(lookup->arena, &list->ranges, range);
			at += strcspn(at, "\n");
		}
	}
	buf_fini(&text);
	return list;
}

bool lookup_is_blacklisted(struct lookup *lookup, uint64_t address)
{
	const struct range *range;

	if (!lookup->blacklist)
		lookup->blacklist = read_blacklist(lookup);
	vec_each (range, &lookup->blacklist->ranges)
		if (address >= range->begin && address < range->end)
			return true;
	return false;
}
