/* Metrics as text, byte by byte: both formats, numbers, escapes, broken UTF-8, names that may not be. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "out/metrics.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static int set_up(void **state)
{
	struct metrics *set = test_calloc(1, sizeof(*set));

	set->arena = arena_new();
	*state = set;
	return 0;
}

static int tear_down(void **state)
{
	struct metrics *set = *state;

	arena_free(set->arena);
	test_free(set);
	return 0;
}

/* In the set's arena. */
static const char *written(struct metrics *set, bool openmetrics)
{
	struct buf out = { 0 };
	const char *copy;

	buf_puts(&out, "");
	prom_write(&out, set, openmetrics);
	copy = arena_strdup(set->arena, out.data);
	buf_fini(&out);
	return copy;
}

static void add_value(struct metrics *set, const char *name, enum metric_type type, double value)
{
	struct metric_series series = { .value = value };

	metrics_add(set, metrics_family(set, name, type, NULL, NULL, 0), &series);
}

static void test_numbers(void **state)
{
	static const struct {
		double number;
		const char *text;
	} cases[] = {
		{ 0, "0" },
		{ -0.0, "0" },
		{ 1, "1" },
		{ -17, "-17" },
		{ 9007199254740992.0, "9007199254740992" },
		{ 1e16, "1e+16" },
		{ 18446744073709551615.0, "1.8446744073709552e+19" },
		{ 0.1, "0.1" },
		{ 0.3, "0.3" },
		{ 0.1 + 0.2, "0.30000000000000004" },
		{ 1.0 / 3, "0.3333333333333333" },
		{ 123456.789, "123456.789" },
		{ -2.5, "-2.5" },
		{ 0.0001, "0.0001" },
		{ 0.00001, "1e-05" },
		{ 1.5e-9, "1.5e-09" },
		{ 5e-324, "5e-324" },
		{ 1.7976931348623157e308, "1.7976931348623157e+308" },
		{ 1795274643.65523, "1795274643.65523" },
		{ INFINITY, "+Inf" },
		{ -INFINITY, "-Inf" },
		{ NAN, "NaN" },
	};
	char want[128];

	for (size_t i = 0; i < N(cases); i++) {
		struct metrics set = { .arena = arena_new() };

		(void)state;
		add_value(&set, "n", METRIC_GAUGE, cases[i].number);
		snprintf(want, sizeof(want), "# TYPE n gauge\nn %s\n", cases[i].text);
		assert_string_equal(written(&set, false), want);
		arena_free(set.arena);
	}
}

/* What is written reads back as the same number, whatever it is. */
static void test_numbers_survive(void **state)
{
	uint64_t bits = 88172645463325252ull;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		struct metrics set = { .arena = arena_new() };
		const char *text;
		double number;

		bits ^= bits << 13;
		bits ^= bits >> 7;
		bits ^= bits << 17;
		memcpy(&number, &bits, sizeof(number));
		if (i % 2)
			number = (double)(bits >> 20) / 1e9;
		if (isnan(number))
			number = 0;
		add_value(&set, "n", METRIC_GAUGE, number);
		text = written(&set, false);
		assert_true(strtod(text + strlen("# TYPE n gauge\nn "), NULL) == number);
		arena_free(set.arena);
	}
}

static void test_counter(void **state)
{
	static const char *const names[] = { "pid", "comm" };
	const char *const first[] = { "1", "a b" }, *const second[] = { "2", "" };
	struct metrics *set = *state;
	struct metric_family *family = metrics_family(set, "calls_total", METRIC_COUNTER,
						      "Calls of \"f\"\\g\nin all.", names, 2);

	metrics_add(set, family, &(struct metric_series){ .labels = first, .value = 3 });
	metrics_add(set, family, &(struct metric_series){ .labels = second, .value = 0.5 });
	assert_string_equal(written(set, false),
			    "# HELP calls_total Calls of \"f\"\\\\g\\nin all.\n"
			    "# TYPE calls_total counter\n"
			    "calls_total{pid=\"1\",comm=\"a b\"} 3\n"
			    "calls_total{pid=\"2\",comm=\"\"} 0.5\n");
	assert_string_equal(written(set, true), "# HELP calls Calls of \\\"f\\\"\\\\g\\nin all.\n"
						"# TYPE calls counter\n"
						"calls_total{pid=\"1\",comm=\"a b\"} 3\n"
						"calls_total{pid=\"2\",comm=\"\"} 0.5\n"
						"# EOF\n");
}

static void test_units(void **state)
{
	struct metrics *set = *state;

	add_value(set, "cpu_seconds_total", METRIC_COUNTER, 1);
	add_value(set, "rss_bytes", METRIC_GAUGE, 2);
	add_value(set, "seconds", METRIC_GAUGE, 3); /* the whole name is no suffix */
	add_value(set, "odd", METRIC_COUNTER, 4);   /* OpenMetrics would add _total */
	assert_string_equal(written(set, true), "# TYPE cpu_seconds counter\n"
						"# UNIT cpu_seconds seconds\n"
						"cpu_seconds_total 1\n"
						"# TYPE rss_bytes gauge\n"
						"# UNIT rss_bytes bytes\n"
						"rss_bytes 2\n"
						"# TYPE seconds gauge\n"
						"seconds 3\n"
						"# TYPE odd unknown\n"
						"odd 4\n"
						"# EOF\n");
	assert_string_equal(written(set, false), "# TYPE cpu_seconds_total counter\n"
						 "cpu_seconds_total 1\n"
						 "# TYPE rss_bytes gauge\n"
						 "rss_bytes 2\n"
						 "# TYPE seconds gauge\n"
						 "seconds 3\n"
						 "# TYPE odd counter\n"
						 "odd 4\n");
}

static void test_histogram(void **state)
{
	static const char *const names[] = { "f" };
	static const struct metric_bucket buckets[] = {
		{ -1, 0 }, { 0, 1 },   { 1e-6, 2 }, { 0.001023, 2 }, { 1, 3 },
		{ 10, 3 }, { 1e5, 3 }, { 1e6, 4 },  { 1048575, 5 },
	};
	const char *const a[] = { "a" }, *const b[] = { "b" };
	struct metrics *set = *state;
	struct metric_family *family =
		metrics_family(set, "lat_seconds", METRIC_HISTOGRAM, NULL, names, 1);
	struct metric_series series = {
		.labels = a, .count = 7, .sum = 2.25, .buckets = buckets, .n_buckets = N(buckets)
	};
	const char *text;

	metrics_add(set, family, &series);
	metrics_add(set, family,
		    &(struct metric_series){
			    .labels = b, .count = 18446744073709551615ull, .sum = NAN });
	text = "lat_seconds_bucket{f=\"a\",le=\"-1.0\"} 0\n"
	       "lat_seconds_bucket{f=\"a\",le=\"0.0\"} 1\n"
	       "lat_seconds_bucket{f=\"a\",le=\"1e-06\"} 2\n"
	       "lat_seconds_bucket{f=\"a\",le=\"0.001023\"} 2\n"
	       "lat_seconds_bucket{f=\"a\",le=\"1.0\"} 3\n"
	       "lat_seconds_bucket{f=\"a\",le=\"10.0\"} 3\n"
	       "lat_seconds_bucket{f=\"a\",le=\"100000.0\"} 3\n"
	       "lat_seconds_bucket{f=\"a\",le=\"1e+06\"} 4\n"
	       "lat_seconds_bucket{f=\"a\",le=\"1.048575e+06\"} 5\n"
	       "lat_seconds_bucket{f=\"a\",le=\"+Inf\"} 7\n"
	       "lat_seconds_sum{f=\"a\"} 2.25\n"
	       "lat_seconds_count{f=\"a\"} 7\n"
	       "lat_seconds_bucket{f=\"b\",le=\"+Inf\"} 18446744073709551615\n"
	       "lat_seconds_count{f=\"b\"} 18446744073709551615\n";
	assert_string_equal(written(set, false),
			    arena_printf(set->arena, "# TYPE lat_seconds histogram\n%s", text));
	assert_string_equal(written(set, true),
			    arena_printf(set->arena,
					 "# TYPE lat_seconds histogram\n"
					 "# UNIT lat_seconds seconds\n%s# EOF\n",
					 text));
}

static void test_summary(void **state)
{
	struct metrics *set = *state;
	struct metric_family *family = metrics_family(set, "size", METRIC_SUMMARY, NULL, NULL, 0);

	metrics_add(set, family, &(struct metric_series){ .count = 4, .sum = -10 });
	assert_string_equal(written(set, false), "# TYPE size summary\n"
						 "size_sum -10\n"
						 "size_count 4\n");
}

/* A family without series says nothing; an empty set is an empty exposition. */
static void test_empty(void **state)
{
	struct metrics *set = *state;

	metrics_family(set, "nothing", METRIC_GAUGE, "help", NULL, 0);
	assert_string_equal(written(set, false), "");
	assert_string_equal(written(set, true), "# EOF\n");
}

static void test_families(void **state)
{
	static const char *const one[] = { "a" }, *const other[] = { "b" };
	struct metrics *set = *state;
	struct metric_family *family = metrics_family(set, "x", METRIC_GAUGE, NULL, one, 1);

	assert_ptr_equal(metrics_family(set, "x", METRIC_GAUGE, "later", one, 1), family);
	assert_null(metrics_family(set, "x", METRIC_COUNTER, NULL, one, 1));
	assert_null(metrics_family(set, "x", METRIC_GAUGE, NULL, other, 1));
	assert_null(metrics_family(set, "x", METRIC_GAUGE, NULL, NULL, 0));
	assert_ptr_not_equal(metrics_family(set, "y", METRIC_GAUGE, NULL, NULL, 0), family);
}

static void test_names(void **state)
{
	struct metrics *set = *state;
	struct arena *arena = set->arena;
	static const char *const labels[] = { "a:b", "9" };
	const char *const values[] = { "x", "y" };

	assert_string_equal(metrics_name(arena, "a:b_C9"), "a:b_C9");
	assert_string_equal(metrics_name(arena, "9 lives-of.me"), "_9_lives_of_me");
	assert_string_equal(metrics_name(arena, "caf\xc3\xa9"), "caf__");
	assert_string_equal(metrics_name(arena, ""), "_");
	assert_string_equal(metrics_label_name(arena, "a:b"), "a_b");
	metrics_add(set, metrics_family(set, "my metric", METRIC_GAUGE, NULL, labels, 2),
		    &(struct metric_series){ .labels = values, .value = 1 });
	assert_string_equal(written(set, false), "# TYPE my_metric gauge\n"
						 "my_metric{a_b=\"x\",_9=\"y\"} 1\n");
}

/* --- label values --- */

static const char *with_label(struct metrics *set, const char *value)
{
	static const char *const names[] = { "v" };
	const char **labels = arena_alloc(set->arena, sizeof(*labels));
	struct metric_family *family = metrics_family(set, "m", METRIC_GAUGE, NULL, names, 1);
	const char *text;

	labels[0] = value;
	family->series.n = 0;
	metrics_add(set, family, &(struct metric_series){ .labels = labels, .value = 1 });
	text = written(set, false);
	assert_memory_equal(text, "# TYPE m gauge\nm{v=\"", 20);
	return text + 20;
}

static void test_escapes(void **state)
{
	struct metrics *set = *state;

	assert_string_equal(with_label(set, "a\"b\\c\nd"), "a\\\"b\\\\c\\nd\"} 1\n");
	assert_string_equal(with_label(set, "tab\tand\rreturn"), "tab\tand\rreturn\"} 1\n");
	assert_string_equal(with_label(set, "{}=,#"), "{}=,#\"} 1\n");
	assert_string_equal(with_label(set, "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80"),
			    "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x98\x80\"} 1\n");
}

/* Table 3-8 of the Unicode standard, 3.9, and the usual suspects; in a label a backslash is written as two. */
static void test_broken_utf8(void **state)
{
	struct metrics *set = *state;

	assert_string_equal(with_label(set, "\x61\xf1\x80\x80\xe1\x80\xc2\x62\x80\x63\x80\xbf\x64"),
			    "a\\\\xf1\\\\x80\\\\x80\\\\xe1\\\\x80\\\\xc2"
			    "b\\\\x80"
			    "c\\\\x80\\\\xbf"
			    "d\"} 1\n");
	assert_string_equal(with_label(set, "\xff\xfe"), "\\\\xff\\\\xfe\"} 1\n");
	assert_string_equal(with_label(set, "\xc0\xaf"), "\\\\xc0\\\\xaf\"} 1\n"); /* overlong */
	assert_string_equal(with_label(set, "\xed\xa0\x80"),
			    "\\\\xed\\\\xa0\\\\x80\"} 1\n"); /* surrogate */
	assert_string_equal(with_label(set, "\xf4\x90\x80\x80"),
			    "\\\\xf4\\\\x90\\\\x80\\\\x80\"} 1\n");
	assert_string_equal(with_label(set, "end\xe2\x82"), "end\\\\xe2\\\\x82\"} 1\n");
}

/* 4 KiB of quotes, newlines, broken bytes and letters: cut at 1 KiB before escaping, on a character's border. */
static void test_long_value(void **state)
{
	struct metrics *set = *state;
	char value[4097], want[4200];
	size_t n = 0, takes = 0;

	for (int i = 0; i < 4096; i++)
		value[i] = "\"\n\\\xff"
			   "a\xc3\xbc"[i % 7];
	value[4096] = '\0';
	for (size_t i = 0; i < 4096; i++) {
		static const char *const parts[] = { "\\\"", "\\n",	 "\\\\", "\\\\xff",
						     "a",    "\xc3\xbc", "" };
		static const size_t sizes[] = { 1, 1, 1, 4, 1, 2, 0 };

		if (takes + sizes[i % 7] > 1024)
			break;
		takes += sizes[i % 7];
		n += (size_t)sprintf(want + n, "%s", parts[i % 7]);
	}
	strcpy(want + n, "\"} 1\n");
	assert_in_range(takes, 1022, 1024);
	assert_string_equal(with_label(set, value), want);
}

/* Cleaning what is clean changes nothing: series that differ before writing differ after it. */
static void test_cleaning_is_stable(void **state)
{
	struct buf once = { 0 }, twice = { 0 };
	uint32_t seed = 12345;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		char bytes[64];

		for (size_t k = 0; k < sizeof(bytes); k++) {
			seed = seed * 1664525u + 1013904223u;
			bytes[k] = (char)(seed >> 24 | 1); /* no NUL */
		}
		buf_reset(&once);
		buf_reset(&twice);
		metrics_label_value(&once, bytes, sizeof(bytes));
		metrics_label_value(&twice, once.data, once.len);
		assert_int_equal(once.len, twice.len);
		assert_memory_equal(once.data, twice.data, once.len);
	}
	buf_fini(&once);
	buf_fini(&twice);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_numbers_survive),
		cmocka_unit_test_setup_teardown(test_counter, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_units, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_histogram, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_summary, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_empty, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_families, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_escapes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_broken_utf8, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_long_value, set_up, tear_down),
		cmocka_unit_test(test_cleaning_is_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
