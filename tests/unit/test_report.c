/*
 * Unit tests of src/report: records of CSV and JSON, times, numbers, histograms. Whole reports are compared with calculations in Python by tests/e2e/report.py.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/json.h"
#include "report/table.h"
#include "report/when.h"

static struct input *input_of(const char *bytes, size_t len, int *fd)
{
	struct input *input;
	char path[40];

	*fd = memfd_create("test", MFD_CLOEXEC);
	assert_true(*fd >= 0);
	assert_int_equal(write(*fd, bytes, len), len);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", *fd);
	input = input_open(path);
	assert_non_null(input);
	return input;
}

/* --- CSV --- */

/* Each record in angle brackets, its fields separated by |, other statuses by name. */
static char *records_of(const char *bytes, size_t len, unsigned expected)
{
	static const char *const names[] = { [CSV_RECORD] = "",
					     [CSV_EMPTY] = "empty",
					     [CSV_TORN] = "torn",
					     [CSV_UNCLOSED] = "unclosed",
					     [CSV_TOO_LONG] = "long" };
	struct field *fields = malloc(CSV_FIELDS_MAX * sizeof(*fields));
	struct buf out = { 0 };
	struct input *input;
	enum csv_status status;
	struct csv csv;
	int fd;

	input = input_of(bytes, len, &fd);
	csv_init(&csv, input, ',', fields);
	csv.expected = expected;
	buf_puts(&out, "");
	while ((status = csv_next(&csv)) != CSV_END) {
		buf_printf(&out, "%llu%s%s<", (unsigned long long)csv.line, names[status],
			   csv.has_nul ? "nul" : "");
		for (unsigned i = 0;
		     (status == CSV_RECORD || status == CSV_TORN) && i < csv.n_fields; i++) {
			buf_puts(&out, i ? "|" : "");
			buf_add(&out, csv.fields[i].text, csv.fields[i].len);
			assert_int_equal(csv.fields[i].text[csv.fields[i].len], '\0');
		}
		buf_puts(&out, ">");
	}
	input_close(input);
	close(fd);
	free(fields);
	return out.data;
}

static void check_records(const char *bytes, unsigned expected, const char *want)
{
	char *got = records_of(bytes, strlen(bytes), expected);

	assert_string_equal(got, want);
	free(got);
}

static void csv_records(void **state)
{
	(void)state;
	check_records("", 0, "");
	check_records("a,b\n1,2\n", 0, "1<a|b>2<1|2>");
	check_records("a,b\r\n1,2\r3,4\n\r\n5,\n", 0, "1<a|b>2<1|2>3<3|4>4empty<>5<5|>");
	check_records("\"a,b\",\"c\"\"d\",\"\"\n", 0, "1<a,b|c\"d|>");
	check_records("\"two\nlines\",x\ny,z\n", 2, "1<two\nlines|x>3<y|z>");
	check_records("a\"b,c\n", 0, "1<a\"b|c>");
	check_records("\"a\"junk,b\n", 0, "1<a|b>");
	check_records(",,\n", 0, "1<||>");
}

static void csv_damage(void **state)
{
	(void)state;
	/* Without a line end the last number may be half of one. */
	check_records("a,b\n1,2", 0, "1<a|b>2torn<1|2>");
	check_records("a,b\n\"1", 2, "1<a|b>2torn<>");
	/* A quote that is not closed costs its own line, not the rest of the file. */
	check_records("a,b\n1,\"x\n2,y\n3,z\n", 2, "1<a|b>2unclosed<>3<2|y>4<3|z>");
	check_records("a,b\n1,\"x\n2,\"y\n3,z\n", 2, "1<a|b>2unclosed<>3unclosed<>4<3|z>");

	char *got = records_of("a\0b,c\nd,\"\0\"\n", 13, 0);

	assert_int_equal(strncmp(got, "1nul<a", 6), 0);
	assert_non_null(strstr(got + 7, "2nul<d|"));
	free(got);
}

/* Records that lie across the end of the window, at every place of theirs. */
static void csv_window(void **state)
{
	static const char tail[] = "one,\"t\"\"w\r\no\",three\r\nfour,5,six\r\n";
	size_t window = (size_t)1 << 20;

	(void)state;
	for (size_t shift = 0; shift <= sizeof(tail); shift++) {
		size_t first = window - shift, len = first + sizeof(tail) - 1;
		char *bytes = malloc(len), *got, want[200];

		memset(bytes, 'x', first);
		bytes[first - 1] = '\n';
		memcpy(bytes + first, tail, sizeof(tail) - 1);
		got = records_of(bytes, len, 0);
		snprintf(want, sizeof(want), ">2<one|t\"w\r\no|three>4<four|5|six>");
		assert_string_equal(strchr(got, '>'), want);
		assert_int_equal(strchr(got, '>') - got, first - 1 + 2);
		free(got);
		free(bytes);
	}
}

static void csv_long_fields(void **state)
{
	size_t len = (size_t)10 << 20;
	char *bytes = malloc(len + 20), *got;

	(void)state;
	memcpy(bytes, "a,\"", 3);
	memset(bytes + 3, 'y', len);
	memcpy(bytes + 3 + len, "\",b\nc\n", 6);
	got = records_of(bytes, len + 9, 0);
	assert_int_equal(strlen(got), 2 + 2 + len + 2 + 1 + 4);
	assert_string_equal(got + 2 + 2 + len, "|b>2<c>");
	free(got);
	free(bytes);

	/* Beyond the limit the record is left out, and the next one is not. */
	len = INPUT_RECORD_MAX + 5000;
	bytes = malloc(len + 20);
	memset(bytes, 'z', len);
	memcpy(bytes + len, "\nq\n", 3);
	got = records_of(bytes, len + 3, 0);
	assert_string_equal(got, "1long<>2<q>");
	free(got);
	free(bytes);
}

/* --- JSON --- */

static void json_lines(void **state)
{
	static const char text[] = "{\"a\": 1, \"b\": {\"c\": [1, \"x\\ny\"]}, \"d\": null}\n"
				   "\n"
				   "not json\n"
				   "{\"a\": 1}}\n"
				   "[1]\n"
				   "{\"a\": true}\r\n"
				   "{\"a\": \"\xff\"}\n"
				   "{\"a\": ";
	static const enum json_status want[] = { JSON_LINE, JSON_EMPTY, JSON_BAD,  JSON_BAD,
						 JSON_BAD,  JSON_LINE,	JSON_LINE, JSON_TORN };
	struct input *input;
	struct json json;
	int fd;

	(void)state;
	input = input_of(text, sizeof(text) - 1, &fd);
	json_init(&json, input);
	for (size_t i = 0; i < sizeof(want) / sizeof(*want); i++) {
		assert_int_equal(json_next(&json), want[i]);
		assert_int_equal(json.line, i + 1);
		if (i == 0) {
			const struct json_node *b = json_member(&json, json.nodes, "b");
			const struct json_node *c = json_member(&json, b, "c");

			assert_string_equal(json_member(&json, json.nodes, "a")->text, "1");
			assert_int_equal(c->kind, JSON_ARRAY);
			assert_string_equal(c[2].text, "x\ny");
			assert_null(json_member(&json, json.nodes, "c"));
			assert_int_equal(json_member(&json, json.nodes, "d")->kind, JSON_NULL);
		}
	}
	assert_int_equal(json_next(&json), JSON_END);
	json_fini(&json);
	input_close(input);
	close(fd);
}

/* --- times --- */

static void check_when(const char *text, int64_t now, int64_t want_ms)
{
	int64_t ns;

	if (!when_parse(text, now * NS_PER_S, &ns))
		fail_msg("'%s' is not understood", text);
	assert_int_equal(ns / NS_PER_MS, want_ms);
}

static void zone_set(const char *zone)
{
	setenv("TZ", zone, 1);
	tzset();
}

/* The numbers are those of date(1). */
static void when_texts(void **state)
{
	const int64_t now = 1763735405; /* 2025-11-21 14:30:05 UTC */

	(void)state;
	zone_set("UTC");
	check_when("1763733600", now, 1763733600000);
	check_when("1763733600.25", now, 1763733600250);
	check_when("2025-11-21", now, 1763683200000);
	check_when("20251121", now, 1763683200000);
	check_when("2025-11-21 14:00", now, 1763733600000);
	check_when("2025-11-21T14:00:05", now, 1763733605000);
	check_when("[2025-11-21 14:00:05.250]", now, 1763733605250);
	check_when("2025-11-21T14:00:05Z", now, 1763733605000);
	check_when("2025-11-21T14:00:05+01:00", now, 1763730005000);
	check_when("14:00", now, 1763733600000);
	check_when("14:00:05", now, 1763733605000);
	check_when("-2h", now, 1763728205000);
	check_when("-1h30m", now, 1763730005000);
	check_when("-90min", now, 1763730005000);
	check_when("-1d", now, 1763649005000);
	check_when("now", now, 1763735405000);
	check_when("today", now, 1763683200000);
	check_when("yesterday", now, 1763596800000);
	check_when("tomorrow", now, 1763769600000);
	zone_set("Europe/Berlin");
	check_when("2025-11-21 14:00", now, 1763730000000);
	check_when("2025-11-21T14:00:00Z", now, 1763733600000);
	check_when("yesterday", now, 1763593200000);
	/* The day of the change to winter time has 25 hours. */
	check_when("2025-10-26", now, 1761429600000);
	check_when("2025-10-27", now, 1761519600000);
	zone_set("UTC");
}

static void when_mistakes(void **state)
{
	static const char *const texts[] = { "",
					     "x",
					     "2025-13-01",
					     "2025-02-30",
					     "14:60",
					     "25:00",
					     "2025-11-21 14",
					     "-",
					     "-2",
					     "-2x",
					     "2025-11-21 14:00 x",
					     "1e9",
					     "123456789012345678901",
					     "2825-11-21",
					     "2825-11-21T14:00:00Z",
					     "99999999999",
					     "-1000000w" };
	int64_t ns;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (when_parse(texts[i], 0, &ns))
			fail_msg("'%s' is taken for a time", texts[i]);
}

static void when_stamps(void **state)
{
	static const char *const texts[] = { "1763733600.250", "1763733600250", "1763733600250000",
					     "1763733600250000000", "[2025-11-21 14:00:00.250]" };
	/* The long ones do not fit into nanoseconds of 64 bits. */
	static const char *const others[] = { "12",
					      "abc",
					      "-5",
					      "27009295200",
					      "99999999999999",
					      "99999999999999999",
					      "9999999999999999999",
					      "[2825-11-21 14:00:00]" };
	int64_t ns;

	(void)state;
	zone_set("UTC");
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_true(when_stamp(texts[i], strlen(texts[i]), &ns));
		assert_int_equal(ns, 1763733600250 * NS_PER_MS);
	}
	for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
		assert_false(when_stamp(others[i], strlen(others[i]), &ns));
}

/* --- numbers --- */

static void numbers_read(void **state)
{
	long double number;

	(void)state;
	assert_true(number_parse("18446744073709551615", 20, &number));
	assert_true(number == 18446744073709551615.0L);
	assert_true(number_parse("-12.5", 5, &number) && number == -12.5L);
	assert_true(number_parse("1e3", 3, &number) && number == 1000);
	assert_true(number_parse("0.000", 5, &number) && number == 0);
	assert_true(number_parse("123456789.123456789", 19, &number));
	assert_true(fabsl(number - 123456789.123456789L) < 1e-9L);
	assert_false(number_parse("", 0, &number));
	assert_false(number_parse("-", 1, &number));
	assert_false(number_parse("0x10", 4, &number));
	assert_false(number_parse("nan", 3, &number));
	assert_false(number_parse("inf", 3, &number));
	assert_false(number_parse("1e999999", 8, &number));
	assert_false(number_parse("1,5", 3, &number));
	assert_false(number_parse(" 1", 2, &number));
	assert_false(number_parse("1.2.3", 5, &number));
	assert_true(number_missing("", 0) && number_missing("NaN", 3) && number_missing("-", 1));
	assert_false(number_missing("0", 1));
}

static void check_shown(void (*put)(struct buf *, long double), long double number,
			const char *want)
{
	struct buf out = { 0 };

	put(&out, number);
	assert_string_equal(out.data, want);
	buf_fini(&out);
}

static void numbers_shown(void **state)
{
	(void)state;
	check_shown(number_put, 0, "0");
	check_shown(number_put, 1234567, "1,234,567");
	check_shown(number_put, -1234, "-1,234");
	check_shown(number_put, 12.345L, "12.35");
	check_shown(number_put, 123.456L, "123.5");
	check_shown(number_put, 1234.5L, "1,234");
	check_shown(number_put, 999.97L, "1,000");
	check_shown(number_put, 0.01234L, "0.0123");
	check_shown(number_put_exact, 18446744073709551615.0L, "18446744073709551615");
	check_shown(number_put_exact, 0.5L, "0.5");
	check_shown(number_put_exact, NAN, "null");
	check_shown(number_put_share, 0.1234L, "12.3%");
	check_shown(number_put_share, 0.00001L, "<0.01%");
	check_shown(number_put_share, 1, "100.0%");
	check_shown(number_put_change, 0.5L, "+50.0%");
	check_shown(number_put_change, -0.0001L, "0.0%");
	check_shown(number_put_change, 12, "x13");
}

/* --- histograms --- */

static void parse_hist(struct hist *hist, const char *text)
{
	*hist = (struct hist){ 0 };
	assert_true(hist_parse(text, strlen(text), hist));
}

static void hist_texts(void **state)
{
	static const char *const bad[] = { "",	      "1..2",	 "1:2",	    "a..b:1",	"2..1:1",
					   "..:1",    "1..2:x",	 "1..2:1,", "1.5..2:1", "1..2:-1",
					   "1..2:1x", "1...2:1", "-..2:1" };
	struct hist hist;

	(void)state;
	parse_hist(&hist, "..-1:2 0..0:3 1..1:5 2..3:8 1024..:1");
	assert_int_equal(hist.n, 5);
	assert_int_equal(hist.total, 19);
	assert_true(isinf(hist.buckets[0].low) && hist.buckets[0].high == 0);
	assert_true(hist.buckets[3].low == 2 && hist.buckets[3].high == 4);
	assert_true(isinf(hist.buckets[4].high) && hist.buckets[4].low == 1024);
	hist_fini(&hist);
	parse_hist(&hist, "4611686018427387904..9223372036854775807:7");
	assert_true(hist.buckets[0].high == 9223372036854775808.0);
	hist_fini(&hist);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		if (hist_parse(bad[i], strlen(bad[i]), NULL))
			fail_msg("'%s' is taken for a histogram", bad[i]);
}

static void hist_quantiles(void **state)
{
	enum hist_bound bound;
	struct hist hist;

	(void)state;
	/* 10 in [0, 10), 30 in [10, 20), 60 in [20, 40): the 50th of 100 is a sixth into the last. */
	parse_hist(&hist, "0..9:10 10..19:30 20..39:60");
	assert_true(fabs(hist_quantile(&hist, 0.5, &bound) - (20 + 20.0 / 6)) < 1e-9);
	assert_true(hist_quantile(&hist, 0.1, &bound) == 10);
	assert_true(fabs(hist_quantile(&hist, 0.25, &bound) - 15) < 1e-9);
	assert_true(hist_quantile(&hist, 1, &bound) == 40);
	assert_int_equal(bound, HIST_EXACT);
	assert_true(fabs(hist_below(&hist, 15) - 25) < 1e-9);
	hist_fini(&hist);
	/* Open ends are bounds, buckets of one integer that integer. */
	parse_hist(&hist, "..-1:10 5..5:80 1024..:10");
	assert_true(hist_quantile(&hist, 0.05, &bound) == -1);
	assert_int_equal(bound, HIST_AT_MOST);
	assert_true(hist_quantile(&hist, 0.5, &bound) == 5);
	assert_int_equal(bound, HIST_EXACT);
	assert_true(hist_quantile(&hist, 0.99, &bound) == 1024);
	assert_int_equal(bound, HIST_AT_LEAST);
	hist_fini(&hist);
	hist = (struct hist){ 0 };
	assert_true(isnan(hist_quantile(&hist, 0.5, &bound)));
}

/* Merged row by row or made at once of all values: the same buckets, the same quantiles. */
static void hist_merging(void **state)
{
	struct hist merged = { 0 }, whole = { 0 };
	uint64_t random = 7;
	enum hist_bound bound;

	(void)state;
	for (int row = 0; row < 300; row++) {
		struct hist one = { 0 };

		for (int i = 0; i < 50; i++) {
			double low;

			random = random * 6364136223846793005u + 1442695040888963407u;
			low = ldexp(1, (int)(random >> 60));
			hist_add(&one, low, 2 * low, 1 + (random >> 33) % 9);
			hist_add(&whole, low, 2 * low, 1 + (random >> 33) % 9);
		}
		hist_merge(&merged, &one);
		hist_fini(&one);
	}
	assert_int_equal(merged.n, whole.n);
	assert_memory_equal(merged.buckets, whole.buckets, whole.n * sizeof(*whole.buckets));
	for (double q = 0; q <= 1; q += 0.01)
		assert_true(hist_quantile(&merged, q, &bound) == hist_quantile(&whole, q, &bound));
	hist_fini(&merged);
	hist_fini(&whole);
}

/* Buckets of two grids: their even spreads add up. */
static void hist_overlapping(void **state)
{
	enum hist_bound bound;
	struct hist hist;

	(void)state;
	parse_hist(&hist, "0..9:10 0..99:100");
	/* Below 10: 10 + 10 of the other; below 50: 10 + 50. */
	assert_true(fabs(hist_quantile(&hist, 20.0 / 110, &bound) - 10) < 1e-6);
	assert_true(fabs(hist_quantile(&hist, 60.0 / 110, &bound) - 50) < 1e-6);
	hist_fini(&hist);
}

static int order_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Single values: within the promised 1.6 % of the exact quantile. */
static void hist_observed(void **state)
{
	enum { N = 20000 };
	double *values = malloc(N * sizeof(*values));
	struct hist hist = { 0 };
	enum hist_bound bound;
	uint64_t random = 3;

	(void)state;
	for (int i = 0; i < N; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		values[i] = exp((double)(random >> 40) / (1 << 24) * 14 - 4);
		hist_observe(&hist, values[i]);
	}
	qsort(values, N, sizeof(*values), order_doubles);
	for (double q = 0.001; q < 1; q += 0.007) {
		double exact = values[(int)(q * N)];

		assert_true(fabs(hist_quantile(&hist, q, &bound) / exact - 1) < 0.016);
	}
	assert_float_equal(hist_quantile(&hist, 1, &bound), values[N - 1], 0);
	assert_true(hist_quantile(&hist, 0, &bound) >= values[0]);
	hist_fini(&hist);
	free(values);
}

/* No quantile lies beyond what was observed, also after a merge; what came as a bucket is not bounded by that. */
static void hist_extremes(void **state)
{
	struct hist ones = { 0 }, sevens = { 0 };
	enum hist_bound bound;

	(void)state;
	for (int i = 0; i < 3; i++) {
		hist_observe(&ones, 1);
		hist_observe(&sevens, 7);
	}
	assert_float_equal(hist_quantile(&ones, 1, &bound), 1, 0);
	assert_float_equal(hist_quantile(&ones, 0.5, &bound), 1, 0);
	assert_float_equal(hist_quantile(&sevens, 0.99, &bound), 7, 0);
	hist_merge(&sevens, &ones);
	assert_float_equal(hist_quantile(&sevens, 0.1, &bound), 1, 1.0 / 64);
	assert_true(hist_quantile(&sevens, 0, &bound) >= 1);
	assert_float_equal(hist_quantile(&sevens, 1, &bound), 7, 0);
	hist_add(&sevens, 16, 32, 6);
	assert_true(hist_quantile(&sevens, 1, &bound) > 7);
	hist_fini(&ones);
	hist_fini(&sevens);
}

static void hist_running(void **state)
{
	struct hist last = { 0 }, now;

	(void)state;
	parse_hist(&now, "1..1:5 2..3:7");
	hist_advance(&last, &now);
	assert_int_equal(now.total, 12);
	hist_fini(&now);
	parse_hist(&now, "1..1:8 2..3:7 4..7:2");
	hist_advance(&last, &now);
	assert_int_equal(now.total, 5);
	assert_int_equal(now.buckets[0].count, 3);
	assert_false(hist_shrank(&last, &last));
	hist_fini(&now);
	parse_hist(&now, "1..1:9 2..3:7"); /* a bucket has gone: it began anew */
	assert_true(hist_shrank(&last, &now));
	hist_fini(&now);
	hist_fini(&last);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(csv_records),	 cmocka_unit_test(csv_damage),
		cmocka_unit_test(csv_window),	 cmocka_unit_test(csv_long_fields),
		cmocka_unit_test(json_lines),	 cmocka_unit_test(when_texts),
		cmocka_unit_test(when_mistakes), cmocka_unit_test(when_stamps),
		cmocka_unit_test(numbers_read),	 cmocka_unit_test(numbers_shown),
		cmocka_unit_test(hist_texts),	 cmocka_unit_test(hist_quantiles),
		cmocka_unit_test(hist_merging),	 cmocka_unit_test(hist_overlapping),
		cmocka_unit_test(hist_observed), cmocka_unit_test(hist_extremes),
		cmocka_unit_test(hist_running),

	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
