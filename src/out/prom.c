/*
 * Metric families as text: the Prometheus text format 0.0.4 and OpenMetrics 1.0.0. Where the two differ (names of
 * counters, units, escapes in help, the end) stands `openmetrics`; bounds of buckets are written alike in both, in
 * OpenMetrics' canonical form, so that a server which changes from one to the other sees the same series.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/value.h"
#include "out/metrics.h"

#define EXACT_MAX 9007199254740992.0 /* 2^53: up to here every integer is a double */

struct writer {
	struct buf *out;
	bool openmetrics;
	struct arena *arena;
	struct buf value; /* a label's, before it is escaped */
	/* Of the family being written. */
	const struct metric_family *family;
	const char *name;
	const char *const *label_names;
	/* Bounds as text; the series of a family mostly share theirs. */
	const struct metric_bucket *bounds;
	const char **bound_texts;
	unsigned n_bounds;
};

/* --- numbers --- */

static void put_uint(struct buf *out, uint64_t n)
{
	char digits[20], *end = digits + sizeof(digits), *begin = value_digits(end, n);

	buf_add(out, begin, (size_t)(end - begin));
}

/* The fewest significant digits that read back as this number, which is positive; its decimal exponent. */
static int shortest_digits(double number, char digits[20])
{
	char text[32];
	int n = 0;

	/* 15 digits always survive, so that fewer need not be tried, except of numbers that have fewer. */
	for (int precision = number < DBL_MIN ? 0 : 14; precision <= 16; precision++) {
		snprintf(text, sizeof(text), "%.*e", precision, number);
		if (strtod(text, NULL) == number)
			break;
	}
	for (const char *c = text; *c && *c != 'e'; c++)
		if (*c != '.')
			digits[n++] = *c;
	while (n > 1 && digits[n - 1] == '0')
		n--;
	digits[n] = '\0';
	return atoi(strchr(text, 'e') + 1);
}

/* Digits with a point after the first `whole` of them, and zeros where there are none. */
static void put_fixed(struct buf *out, const char *digits, int whole)
{
	int n = (int)strlen(digits);

	if (whole <= 0) {
		buf_puts(out, "0.");
		buf_fill(out, '0', (size_t)-whole);
		buf_puts(out, digits);
		return;
	}
	buf_add(out, digits, (size_t)(n < whole ? n : whole));
	if (n < whole)
		buf_fill(out, '0', (size_t)(whole - n));
	else if (n > whole)
		buf_printf(out, ".%s", digits + whole);
}

/* Exponents from -4 to `most` are written out. */
static void put_shortest(struct buf *out, double number, int most)
{
	char digits[20];
	int exponent = shortest_digits(fabs(number), digits);

	if (number < 0)
		buf_putc(out, '-');
	if (exponent >= -4 && exponent <= most)
		put_fixed(out, digits, exponent + 1);
	else
		buf_printf(out, "%c%s%se%c%02d", digits[0], digits[1] ? "." : "", digits + 1,
			   exponent < 0 ? '-' : '+', abs(exponent));
}

static bool put_special(struct buf *out, double number)
{
	if (isfinite(number))
		return false;
	buf_puts(out, isnan(number) ? "NaN" : number > 0 ? "+Inf" : "-Inf");
	return true;
}

static void put_number(struct buf *out, double number)
{
	if (put_special(out, number))
		return;
	if (number != trunc(number) || fabs(number) > EXACT_MAX) {
		put_shortest(out, number, 14);
		return;
	}
	if (number < 0)
		buf_putc(out, '-');
	put_uint(out, (uint64_t)fabs(number));
}

/* OpenMetrics 1.0.0, "Canonical Numbers": 1.0, 0.001, 1e-05, 1e+06. */
static void put_bound(struct buf *out, double bound)
{
	size_t start = out->len;

	if (put_special(out, bound))
		return;
	if (bound == 0) {
		buf_puts(out, "0.0");
		return;
	}
	put_shortest(out, bound, 5);
	if (!strpbrk(out->data + start, ".e"))
		buf_puts(out, ".0");
}

/* --- names, labels, help --- */

static void put_escaped(struct buf *out, const char *text, size_t len, bool quotes)
{
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\n')
			buf_puts(out, "\\n");
		else if (text[i] == '\\' || (quotes && text[i] == '"')) {
			buf_putc(out, '\\');
			buf_putc(out, text[i]);
		} else
			buf_putc(out, text[i]);
	}
}

static void put_label(struct writer *w, const char *separator, const char *name, const char *value)
{
	buf_puts(w->out, separator);
	buf_puts(w->out, name);
	buf_puts(w->out, "=\"");
	buf_reset(&w->value);
	metrics_label_value(&w->value, value, strlen(value));
	if (w->value.len)
		put_escaped(w->out, w->value.data, w->value.len, true);
	buf_putc(w->out, '"');
}

/* "name_suffix{...} "; `le`: a further label, NULL: none. */
static void put_head(struct writer *w, const struct metric_series *series, const char *suffix,
		     const char *le)
{
	const char *separator = "{";

	buf_puts(w->out, w->name);
	buf_puts(w->out, suffix);
	for (unsigned i = 0; i < w->family->n_labels; i++) {
		const char *value = series->labels[i];

		put_label(w, separator, w->label_names[i], value ? value : "");
		separator = ",";
	}
	if (le)
		buf_printf(w->out, "%sle=\"%s\"", separator, le);
	if (le || w->family->n_labels)
		buf_putc(w->out, '}');
	buf_putc(w->out, ' ');
}

static void put_count(struct writer *w, const struct metric_series *series, const char *suffix,
		      const char *le, uint64_t n)
{
	put_head(w, series, suffix, le);
	put_uint(w->out, n);
	buf_putc(w->out, '\n');
}

static void put_value(struct writer *w, const struct metric_series *series, const char *suffix,
		      double value)
{
	put_head(w, series, suffix, NULL);
	put_number(w->out, value);
	buf_putc(w->out, '\n');
}

/* --- series --- */

static bool same_bounds(const struct writer *w, const struct metric_series *series)
{
	if (series->n_buckets != w->n_bounds)
		return false;
	for (unsigned i = 0; i < w->n_bounds; i++)
		if (series->buckets[i].le != w->bounds[i].le)
			return false;
	return true;
}

static void take_bounds(struct writer *w, const struct metric_series *series)
{
	struct buf text = { 0 };

	if (w->bound_texts && same_bounds(w, series))
		return;
	w->bounds = series->buckets;
	w->n_bounds = series->n_buckets;
	w->bound_texts = arena_alloc(w->arena, (w->n_bounds + 1) * sizeof(*w->bound_texts));
	for (unsigned i = 0; i < w->n_bounds; i++) {
		buf_reset(&text);
		put_bound(&text, w->bounds[i].le);
		w->bound_texts[i] = arena_strdup(w->arena, text.data);
	}
	buf_fini(&text);
}

static void put_histogram(struct writer *w, const struct metric_series *series)
{
	take_bounds(w, series);
	for (unsigned i = 0; i < series->n_buckets; i++)
		if (series->buckets[i].le != INFINITY)
			put_count(w, series, "_bucket", w->bound_texts[i],
				  series->buckets[i].count);
	put_count(w, series, "_bucket", "+Inf", series->count);
	if (!isnan(series->sum))
		put_value(w, series, "_sum", series->sum);
	put_count(w, series, "_count", NULL, series->count);
}

static void put_summary(struct writer *w, const struct metric_series *series)
{
	if (!isnan(series->sum))
		put_value(w, series, "_sum", series->sum);
	put_count(w, series, "_count", NULL, series->count);
}

static void put_series(struct writer *w, const struct metric_series *series)
{
	switch (w->family->type) {
	case METRIC_HISTOGRAM:
		put_histogram(w, series);
		break;
	case METRIC_SUMMARY:
		put_summary(w, series);
		break;
	case METRIC_AUTO:
	case METRIC_COUNTER:
	case METRIC_GAUGE:
		put_value(w, series, "", series->value);
		break;
	}
}

/* --- families --- */

static bool ends_with(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && strncmp(text + len - n, end, n) == 0;
}

static const char *type_name(const struct writer *w, bool is_total)
{
	switch (w->family->type) {
	case METRIC_COUNTER: /* OpenMetrics has no counter without _total */
		return w->openmetrics && !is_total ? "unknown" : "counter";
	case METRIC_HISTOGRAM:
		return "histogram";
	case METRIC_SUMMARY:
		return "summary";
	case METRIC_AUTO:
	case METRIC_GAUGE:
		break;
	}
	return "gauge";
}

/* What stands before the samples. OpenMetrics names a counter without its `_total` here. */
static void put_about(struct writer *w)
{
	static const char *const units[] = { "seconds", "bytes" };
	const char *help = w->family->help;
	size_t len = strlen(w->name);
	bool is_total = w->family->type == METRIC_COUNTER && ends_with(w->name, len, "_total");

	if (w->openmetrics && is_total)
		len -= strlen("_total");
	if (help) {
		buf_printf(w->out, "# HELP %.*s ", (int)len, w->name);
		buf_reset(&w->value);
		metrics_label_value(&w->value, help, strlen(help));
		if (w->value.len)
			put_escaped(w->out, w->value.data, w->value.len, w->openmetrics);
		buf_putc(w->out, '\n');
	}
	buf_printf(w->out, "# TYPE %.*s %s\n", (int)len, w->name, type_name(w, is_total));
	for (size_t i = 0; w->openmetrics && i < sizeof(units) / sizeof(*units); i++) {
		char suffix[16];

		snprintf(suffix, sizeof(suffix), "_%s", units[i]);
		if (ends_with(w->name, len, suffix))
			buf_printf(w->out, "# UNIT %.*s %s\n", (int)len, w->name, units[i]);
	}
}

static void put_family(struct writer *w, const struct metric_family *family)
{
	const char **names = arena_alloc(w->arena, (family->n_labels + 1) * sizeof(*names));
	const struct metric_series *series;

	for (unsigned i = 0; i < family->n_labels; i++)
		names[i] = metrics_label_name(w->arena, family->label_names[i]);
	w->family = family;
	w->name = metrics_name(w->arena, family->name);
	w->label_names = names;
	put_about(w);
	vec_each (series, &family->series)
		put_series(w, series);
}

void prom_write(struct buf *out, const struct metrics *set, bool openmetrics)
{
	struct writer w = { .out = out, .openmetrics = openmetrics, .arena = arena_new() };
	struct metric_family *const *family;

	vec_each (family, &set->families)
		if ((*family)->series.n)
			put_family(&w, *family);
	if (openmetrics)
		buf_puts(out, "# EOF\n");
	buf_fini(&w.value);
	arena_free(w.arena);
}
