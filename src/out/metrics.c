/*
 * A set of metric families while it is gathered, and what names and label values may look like. What becomes of it as
 * text is prom.c's.
 *
 * Source: Prometheus data model (names, labels).
 */
#include "out/metrics.h"

#include <stdio.h>
#include <string.h>

#include "out/out.h"
#include "out/utf8.h"

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

void metrics_label_value(struct buf *out, const char *bytes, size_t len)
{
	size_t room = METRICS_VALUE_MAX;

	for (size_t i = 0; i < len;) {
		bool valid;
		size_t n = utf8_next(bytes + i, len - i, &valid);
		size_t takes = valid ? n : n * strlen("\\xff");

		if (takes > room)
			return;
		if (valid)
			buf_add(out, bytes + i, n);
		for (size_t k = 0; k < n && !valid; k++)
			buf_printf(out, UTF8_ESCAPE, (unsigned char)bytes[i + k]);
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
