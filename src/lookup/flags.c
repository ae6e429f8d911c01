/*
 * The names of flags and of values that system calls take. The build makes the tables from the headers; which of them
 * hold a number among the bits is said here.
 */
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "lookup/lookup.h"

struct flag_name {
	const char *name;
	uint64_t value;
};

#include "lookup/flag_names.inc"

#define ALL	 UINT64_MAX
#define NAMES(x) x##_names, sizeof(x##_names) / sizeof(*x##_names)

/* clang-format off */
static const struct flag_table {
	const char *name;
	const struct flag_name *names;
	size_t n;
	uint64_t field; /* these bits are one number that has a name; ALL: there are no flags */
	bool has_signal; /* that number is a signal's */
} tables[] = {
	{ "open", NAMES(open), 3, false },
	{ "mmap_prot", NAMES(mmap_prot), 0, false },
	{ "mmap", NAMES(mmap), 0xf, false },
	{ "clone", NAMES(clone), 0xff, true },
	{ "at", NAMES(at), 0, false },
	{ "poll", NAMES(poll), 0, false },
	{ "epoll", NAMES(epoll), 0, false },
	{ "mount", NAMES(mount), 0, false },
	{ "rwf", NAMES(rwf), 0, false },
	{ "fallocate", NAMES(fallocate), 0, false },
	{ "memfd", NAMES(memfd), 0, false },
	{ "statx", NAMES(statx), 0, false },
	{ "wait", NAMES(wait), 0, false },
	{ "msg", NAMES(msg), 0, false },
	{ "socket", NAMES(socket), 0xf, false },
	{ "family", NAMES(family), ALL, false },
	{ "ipproto", NAMES(ipproto), ALL, false },
	{ "signal", NULL, 0, ALL, true },
};
/* clang-format on */

const char *lookup_flags_table(size_t i)
{
	return i < sizeof(tables) / sizeof(*tables) ? tables[i].name : NULL;
}

static const struct flag_table *find_table(const char *name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++)
		if (strcmp(tables[i].name, name) == 0)
			return &tables[i];
	return NULL;
}

static void put(struct buf *out, const char *prefix, const char *name)
{
	if (out->len)
		buf_putc(out, '|');
	buf_puts(out, prefix);
	buf_puts(out, name);
}

/* The number in the field. 0 has no name in most tables, and is left out then. */
static uint64_t put_field(struct buf *out, const struct flag_table *table, uint64_t value)
{
	uint64_t number = value & table->field;
	const char *signal;

	for (size_t i = 0; i < table->n; i++)
		if (table->names[i].value == number) {
			put(out, "", table->names[i].name);
			return value & ~table->field;
		}
	signal = table->has_signal && number < NSIG ? sigabbrev_np((int)number) : NULL;
	if (!signal)
		return value;
	put(out, "SIG", signal);
	return value & ~table->field;
}

/* The name with the most bits of those that the value has all of, beyond the field. */
static const struct flag_name *next_flag(const struct flag_table *table, uint64_t value)
{
	const struct flag_name *best = NULL;

	for (size_t i = 0; i < table->n; i++) {
		uint64_t bits = table->names[i].value;

		if (!(bits & ~table->field) || (bits & value) != bits)
			continue;
		if (!best || __builtin_popcountll(bits) > __builtin_popcountll(best->value))
			best = &table->names[i];
	}
	return best;
}

void lookup_flags_put(const char *name, uint64_t value, struct buf *out)
{
	const struct flag_table *table = find_table(name);
	const struct flag_name *flag;
	struct buf text = { 0 };

	if (table && (table->field || !value))
		value = put_field(&text, table, value);
	while (table && value && (flag = next_flag(table, value))) {
		put(&text, "", flag->name);
		value &= ~flag->value;
	}
	if (value || !text.len) {
		char rest[24];

		snprintf(rest, sizeof(rest), value ? "0x%llx" : "%llu", (unsigned long long)value);
		put(&text, "", rest);
	}
	buf_add(out, text.data, text.len);
	buf_fini(&text);
}
