/*
 * A set of metric families while it is gathered, and what names and label values may look like. What becomes of it as
 * text is prom.c's.
 *
 * Sources: Prometheus data model (names, labels); Unicode 15, 3.9, table 3-7 (well-formed UTF-8) and its practice for
 * U+FFFD: one for each maximal part of an ill-formed sequence.
 */
#include "out/metrics.h"

#include <stdio.h>
#include <string.h>

#include "out/out.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* --- the set --- */

static bool same_labels(const struct metric_family *family, const char *const *names, unsigned n)
{
	if (family->n_labels != n)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (strcmp(family->label_names[i], names[i]) != 0)
			return false;
	return true;
}

struct metric_family *metrics_family(struct metrics *set, const char *name, enum metric_type type,
				     const char *help, const char *const *label_names,
				     unsigned n_labels)
{
	struct metric_family **other, *family;

	vec_each (other, &set->families)
		if (strcmp((*other)->name, name) == 0)
			return (*other)->type == type && same_labels(*other, label_names, n_labels)
				       ? *other
				       : NULL;
	family = arena_new_of(set->arena, struct metric_family);
	family->name = name;
	family->help = help;
	family->type = type;
	family->label_names = label_names;
	family->n_labels = n_labels;
	vec_push(set->arena, &set->families, family);
	return family;
}

void metrics_add(struct metrics *set, struct metric_family *family,
		 const struct metric_series *series)
{
	vec_push(set->arena, &family->series, *series);
}

/* --- names --- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static const char *sanitized(struct arena *arena, const char *text, bool colons)
{
	bool prefix = !*text || is_digit(*text);
	char *name = arena_printf(arena, "%s%s", prefix ? "_" : "", text);

	for (char *c = name; *c; c++)
		if (!is_letter(*c) && !is_digit(*c) && !(colons && *c == ':'))
			*c = '_';
	return name;
}

const char *metrics_name(struct arena *arena, const char *text)
{
	return sanitized(arena, text, true);
}

const char *metrics_label_name(struct arena *arena, const char *text)
{
	return sanitized(arena, text, false);
}

/* --- label values --- */

/* What the second byte of a sequence with this first byte may be; its length, 0: no sequence begins so. */
static unsigned sequence(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
	*high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return 2;
	if (first >= 0xe0 && first <= 0xef)
		return 3;
	return first >= 0xf0 && first <= 0xf4 ? 4 : 0;
}

/* Bytes of the character at `at`; *valid: it is one, else what is to be replaced by U+FFFD. */
static unsigned character(const char *at, size_t len, bool *valid)
{
	unsigned char low, high;
	unsigned want = sequence((unsigned char)*at, &low, &high), n = 1;

	while (n < want && n < len) {
		unsigned char c = (unsigned char)at[n];

		if (c < low || c > high)
			break;
		low = 0x80;
		high = 0xbf;
		n++;
	}
	*valid = want && n == want;
	return n;
}

void metrics_label_value(struct buf *out, const char *bytes, size_t len)
{
	size_t room = METRICS_VALUE_MAX;

	for (size_t i = 0; i < len;) {
		bool valid;
		unsigned n = character(bytes + i, len - i, &valid);
		unsigned takes = valid ? n : 3;

		if (takes > room)
			return;
		buf_add(out, valid ? bytes + i : REPLACEMENT, takes);
		room -= takes;
		i += n;
	}
}

/* --- the format --- */

/* What is no metric (text, single values) goes to the messages, so that the exposition stays one. */
static void print_aside(struct out *out, const struct record *record)
{
	struct buf text = { 0 };

	(void)out;
	if (record->kind == RECORD_TEXT) {
		fwrite(record->text, 1, record->len, stderr);
	} else if (record->kind == RECORD_VALUE) {
		value_text(&text, record->value);
		buf_putc(&text, '\n');
		fwrite(text.data, 1, text.len, stderr);
	}
	buf_fini(&text);
}

const struct printer printers_prom[] = {
	{ .name = "prom", .print = print_aside, .exposition = true },
	{ 0 },
};
