/*
 * /proc/kallsyms: read as a whole, once, when a kernel address or the name behind one is first
 * asked for. Making the text costs the kernel tens of milliseconds, so nothing else may depend on
 * it.
 */
#include <errno.h>

#include "lookup/internal.h"

/* Only order matters: subtraction would lose the upper half. */
static int compare_ksyms(const void *a, const void *b)
{
	const struct ksym *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

static uint64_t parse_hex(const char **at)
{
	uint64_t value = 0;

	for (;; (*at)++) {
		unsigned c = (unsigned char)**at, digit = c - '0';

		if (digit > 9) {
			digit = (c | 32) - 'a';
			if (digit > 5)
				return value;
			digit += 10;
		}
		value = value << 4 | digit;
	}
}

/* "ffffffff81000000 T name\t[module]"; false at the end of the text. */
static bool parse_line(char **at, struct ksym *sym)
{
	char *line = *at, *end = strchr(line, '\n'), *tab;
	const char *p = line;

	if (!end)
		return false;
	*end = '\0';
	*at = end + 1;
	sym->address = parse_hex(&p);
	sym->module = NULL;
	sym->kind = end - p > 3 ? p[1] : '?';
	sym->name = end - p > 3 ? p + 3 : end;
	tab = strchr(sym->name, '\t');
	if (tab) {
		*tab = '\0';
		if (tab[1] == '[' && end[-1] == ']') {
			end[-1] = '\0';
			sym->module = tab + 2;
		}
	}
	return true;
}

struct ksyms *ksyms_read(struct arena *arena)
{
	struct ksyms *ksyms = NULL;
	struct buf text = { 0 };
	struct ksym sym;
	size_t lines = 0;
	bool sorted = true;
	char *at;

	if (file_read("/proc/kallsyms", &text) < 0)
		goto out;
	at = arena_strndup(arena, text.data, text.len);
	for (const char *p = at; (p = strchr(p, '\n')); p++)
		lines++;
	ksyms = arena_new_of(arena, struct ksyms);
	ksyms->data = arena_alloc(arena, (lines + 1) * sizeof(*ksyms->data));
	while (parse_line(&at, &sym)) {
		if (!sym.address || !*sym.name)
			continue;
		if (ksyms->n && sym.address < ksyms->data[ksyms->n - 1].address)
			sorted = false;
		ksyms->data[ksyms->n++] = sym;
	}
	if (!sorted)
		qsort(ksyms->data, ksyms->n, sizeof(*ksyms->data), compare_ksyms);
	if (!ksyms->n)
		ksyms = NULL;
out:
	buf_fini(&text);
	return ksyms;
}

uint64_t lookup_kernel_address(struct lookup *lookup, const char *name)
{
	if (!lookup->ksyms)
		lookup->ksyms = ksyms_read(lookup->arena);
	if (!lookup->ksyms) {
		lookup_fail(lookup, EPERM, "kernel addresses cannot be read from /proc/kallsyms");
		return 0;
	}
	for (size_t i = 0; i < lookup->ksyms->n; i++)
		if (!strcmp(lookup->ksyms->data[i].name, name))
			return lookup->ksyms->data[i].address;
	lookup_fail(lookup, ENOENT, "the kernel has no symbol '%s'", name);
	return 0;
}
