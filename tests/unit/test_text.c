/* The text printer, byte for byte: maps, histograms, tables of rows, emit, and what happens when writing fails. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "out/hist.h"
#include "out/out.h"
#include "out/sink.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

static int set_up(void **state)
{
	struct out *out = test_calloc(1, sizeof(*out));

	out_init(out, -1, printers_text);
	*state = out;
	return 0;
}

static int tear_down(void **state)
{
	struct out *out = *state;

	out_fini(out);
	test_free(out);
	return 0;
}

static const char *printed(void **state, struct record record)
{
	struct out *out = *state;

	buf_reset(out->buf);
	buf_puts(out->buf, "");
	out->sink->row_begin = 0;
	out_record(out, &record);
	return out->buf->data;
}

static struct value text(const char *s)
{
	return value_str(s, (uint32_t)strlen(s));
}

static struct value record_of(const char *const *names, const struct value *items, uint32_t n)
{
	return (struct value){ .kind = VALUE_RECORD, .names = names, .items = items, .len = n };
}

static struct value map_of(const struct value *keys, const struct value *items, uint32_t n)
{
	return (struct value){ .kind = VALUE_MAP, .keys = keys, .items = items, .len = n };
}

static void test_plain(void **state)
{
	const struct value none = { .kind = VALUE_NONE }, five = value_int(-5);

	assert_string_equal(
		printed(state, (struct record){ .kind = RECORD_TEXT, .text = "raw", .len = 3 }),
		"raw");
	assert_string_equal(printed(state, (struct record){ .kind = RECORD_VALUE, .value = &five }),
			    "-5\n");
	assert_string_equal(printed(state, (struct record){ .kind = RECORD_VALUE, .value = &none }),
			    "null\n");
}

static void test_scalar_maps(void **state)
{
	static const char *const names[] = { "count", "average", "total" };
	const struct value members[] = { value_uint(3), value_int(2), value_int(6) };
	const struct value stats = record_of(names, members, 3);
	const struct value n = value_uint(1005);
	struct record record = { .kind = RECORD_MAP, .name = "@n", .value = &n, .scalar = true };

	assert_string_equal(printed(state, record), "@n: 1005\n");
	record.div = 10;
	assert_string_equal(printed(state, record), "@n: 100\n");
	record.value = &stats;
	assert_string_equal(printed(state, record),
			    "@n: { .count = 3, .average = 2, .total = 6 }\n");
}

static void test_keyed_maps(void **state)
{
	const struct value pair[] = { value_int(1), text("abc") };
	const struct value nested_items[] = { { .kind = VALUE_TUPLE, .items = pair, .len = 2 },
					      text("z") };
	const struct value frame = value_symbol("f+1", 1);
	const struct value keys[] = {
		text("(x)"),
		{ .kind = VALUE_TUPLE, .items = pair, .len = 2 },
		{ .kind = VALUE_TUPLE, .items = nested_items, .len = 2 },
		{ .kind = VALUE_STACK, .items = &frame, .len = 1 },
	};
	const struct value items[] = { value_int(-3), value_int(12), value_uint(25),
				       value_uint(99) };
	const struct value map = map_of(keys, items, 4);
	const struct value empty = map_of(NULL, NULL, 0);
	struct record record = { .kind = RECORD_MAP, .name = "@", .value = &map };

	assert_string_equal(printed(state, record), "@[(x)]: -3\n"
						    "@[1, abc]: 12\n"
						    "@[(1, abc), z]: 25\n"
						    "@[\n        f+1\n]: 99\n");
	record.top = 2;
	record.div = 10;
	assert_string_equal(printed(state, record), "@[(1, abc), z]: 2\n@[\n        f+1\n]: 9\n");
	record.top = 9;
	assert_string_equal(printed(state, record), "@[(x)]: 0\n"
						    "@[1, abc]: 1\n"
						    "@[(1, abc), z]: 2\n"
						    "@[\n        f+1\n]: 9\n");
	record.value = &empty;
	assert_string_equal(printed(state, record), "");
}

#define BAR_13 "@@@@@@@@@@@@@"
#define BAR_52 BAR_13 BAR_13 BAR_13 BAR_13
#define GAP_13 "             "

static const struct bucket powers[] = {
	{ INT64_MIN, 0, 1 }, { 0, 1, 2 }, { 1, 2, 0 }, { 2, 4, 4 }, { 4, 8, 3 },
};

static void test_hist(void **state)
{
	const struct value hist = { .kind = VALUE_HIST, .buckets = powers, .len = N(powers) };
	const struct value key = text("k");
	const struct value map = map_of(&key, &hist, 1);
	struct record record = { .kind = RECORD_MAP, .name = "@h", .value = &hist, .scalar = true };
	static const char rows[] = "(..., 0)               1 |" BAR_13 GAP_13 GAP_13 GAP_13 "|\n"
				   "[0]                    2 |" BAR_13 BAR_13 GAP_13 GAP_13 "|\n"
				   "[1]                    0 |" GAP_13 GAP_13 GAP_13 GAP_13 "|\n"
				   "[2, 4)                 4 |" BAR_52 "|\n"
				   "[4, 8)                 3 |" BAR_13 BAR_13 BAR_13 GAP_13 "|\n";
	char expected[1024];

	snprintf(expected, sizeof(expected), "@h:\n%s\n", rows);
	assert_string_equal(printed(state, record), expected);
	snprintf(expected, sizeof(expected), "@h[k]:\n%s\n", rows);
	record.scalar = false;
	record.value = &map;
	assert_string_equal(printed(state, record), expected);
	snprintf(expected, sizeof(expected), "%s\n", rows);
	assert_string_equal(printed(state, (struct record){ .kind = RECORD_VALUE, .value = &hist }),
			    expected);
}

/* floor(count / max * 52) in single precision, counts divided first; steps of lhist are never divided. */
static void test_hist_div(void **state)
{
	static const struct bucket two[] = { { 2, 4, 100 }, { 4, 8, 33 } };
	struct value hist = { .kind = VALUE_HIST, .buckets = two, .len = 2 };
	struct record record = {
		.kind = RECORD_MAP, .name = "@", .value = &hist, .scalar = true, .div = 10
	};

	assert_string_equal(printed(state, record),
			    "@:\n"
			    "[2, 4)                10 |" BAR_52 "|\n"
			    "[4, 8)                 3 |@@@@@@@@@@@@@@@" GAP_13 GAP_13
			    "           |\n"
			    "\n");
	hist.linear = true;
	hist.step = 2;
	assert_string_equal(printed(state, record),
			    "@:\n"
			    "[2, 4)               100 |" BAR_52 "|\n"
			    "[4, 8)                33 |" BAR_13 "@@@@" GAP_13 GAP_13 "         |\n"
			    "\n");
	hist.len = 0;
	assert_string_equal(printed(state, record), "@:\n\n");
}

static void test_float32_bars(void **state)
{
	/* 16777217 is 16777216 as a float: the bar is full, which double precision would not give. */
	static const struct bucket two[] = { { 0, 1, 16777216 }, { 1, 2, 16777217 } };
	const struct value hist = { .kind = VALUE_HIST, .buckets = two, .len = 2 };
	struct record record = { .kind = RECORD_VALUE, .value = &hist };

	assert_string_equal(printed(state, record), "[0]             16777216 |" BAR_52 "|\n"
						    "[1]             16777217 |" BAR_52 "|\n\n");
}

static const char *label(void **state, bool linear, int64_t step, int64_t low, int64_t high)
{
	struct out *out = *state;
	const struct bucket bucket = { low, high, 1 };
	const struct value hist = {
		.kind = VALUE_HIST, .buckets = &bucket, .len = 1, .linear = linear, .step = step
	};

	buf_reset(out->buf);
	hist_label(out->buf, &hist, &bucket);
	return out->buf->data;
}

static void test_log_labels(void **state)
{
	static const struct {
		int64_t low, high;
		const char *text;
	} labels[] = {
		{ INT64_MIN, 0, "(..., 0)" },
		{ 0, 1, "[0]" },
		{ 1, 2, "[1]" },
		{ 2, 4, "[2, 4)" },
		{ 256, 512, "[256, 512)" },
		{ 512, 1024, "[512, 1K)" },
		{ 1024, 2048, "[1K, 2K)" },
		{ 512 << 10, 1 << 20, "[512K, 1M)" },
		{ INT64_C(1) << 30, INT64_C(1) << 31, "[1G, 2G)" },
		{ INT64_C(1) << 40, INT64_C(1) << 41, "[1T, 2T)" },
		{ INT64_C(512) << 40, INT64_C(1) << 50, "[512T, 1P)" },
		{ INT64_C(1) << 60, INT64_C(1) << 61, "[1E, 2E)" },
		{ INT64_C(1) << 62, INT64_MAX, "[4E, 8E)" },
		/* four buckets per power of two: suffixes begin where a bucket is 1024 wide */
		{ 5, 6, "[5]" },
		{ 8, 10, "[8, 10)" },
		{ 896, 1024, "[896, 1024)" },
		{ 1024, 1280, "[1024, 1280)" },
		{ 3584, 4096, "[3584, 4K)" },
		{ 4096, 5120, "[4K, 5K)" },
		/* bounds of the script's own */
		{ INT64_MIN, 1000, "(..., 1000)" },
		{ 1000, 5000, "[1000, 5000)" },
		{ 5000, INT64_MAX, "[5000, ...)" },
	};

	for (size_t i = 0; i < N(labels); i++)
		assert_string_equal(label(state, false, 0, labels[i].low, labels[i].high),
				    labels[i].text);
}

static void test_linear_labels(void **state)
{
	assert_string_equal(label(state, true, 10, INT64_MIN, 0), "(..., 0)");
	assert_string_equal(label(state, true, 10, INT64_MIN, -20), "(..., -20)");
	assert_string_equal(label(state, true, 10, 0, 10), "[0, 10)");
	assert_string_equal(label(state, true, 10, 1020, 1030), "[1020, 1030)");
	assert_string_equal(label(state, true, 10, 100, INT64_MAX), "[100, ...)");
	assert_string_equal(label(state, true, 1, 3, 4), "[3]");
	assert_string_equal(label(state, true, 1000, 1000, 2000), "[1000, 2000)");
	assert_string_equal(label(state, true, 1024, 0, 1024), "[0, 1K)");
	assert_string_equal(label(state, true, 1024, 1023 << 10, 1 << 20), "[1023K, 1M)");
	assert_string_equal(label(state, true, 1024, -2048, -1024), "[-2K, -1K)");
	assert_string_equal(label(state, true, 1024, 1, 1025), "[1, 1025)");
}

static const char *bounded_label(void **state, bool time, int64_t low, int64_t high)
{
	struct out *out = *state;
	const struct bucket bucket = { low, high, 1 };
	const struct value hist = {
		.kind = VALUE_HIST, .buckets = &bucket, .len = 1, .bounded = true, .time = time
	};

	buf_reset(out->buf);
	hist_label(out->buf, &hist, &bucket);
	return out->buf->data;
}

/* The bounds that the script wrote, each included. */
static void test_bounded_labels(void **state)
{
	assert_string_equal(bounded_label(state, false, INT64_MIN, 1001), "(..., 1000]");
	assert_string_equal(bounded_label(state, false, INT64_MIN, 0), "(..., -1]");
	assert_string_equal(bounded_label(state, false, 0, 1), "(-1, 0]");
	assert_string_equal(bounded_label(state, false, 4, 8), "(3, 7]");
	assert_string_equal(bounded_label(state, false, 1025, INT64_MAX), "(1024, ...)");
	assert_string_equal(bounded_label(state, true, INT64_MIN, 1001), "(..., 1us]");
	assert_string_equal(bounded_label(state, true, 1001, 5001), "(1us, 5us]");
	assert_string_equal(bounded_label(state, true, 1, 500001), "(0, 500us]");
	assert_string_equal(bounded_label(state, true, 1000000001, INT64_MAX), "(1s, ...)");
}

/* Empty buckets at the ends are there for exports; text has those between. */
static void test_bounded_hist(void **state)
{
	static const struct bucket buckets[] = { { INT64_MIN, 11, 0 },
						 { 11, 21, 20 },
						 { 21, 31, 0 },
						 { 31, 41, 5 },
						 { 41, INT64_MAX, 0 } };
	const struct value hist = {
		.kind = VALUE_HIST, .buckets = buckets, .len = N(buckets), .bounded = true
	};
	struct record record = {
		.kind = RECORD_MAP, .name = "@", .value = &hist, .scalar = true, .div = 5
	};

	assert_string_equal(printed(state, record),
			    "@:\n"
			    "(10, 20]               4 |" BAR_52 "|\n"
			    "(20, 30]               0 |" GAP_13 GAP_13 GAP_13 GAP_13 "|\n"
			    "(30, 40]               1 |" BAR_13 GAP_13 GAP_13 GAP_13 "|\n"
			    "\n");
}

static const char *const lat_names[] = { "p50", "p99" };
static const char *const row_names[] = { "n", "bytes", "lat", "spread", "_hidden", "pct" };

static struct value row_of(struct value *items, const struct value *lat, double pct)
{
	items[2] = record_of(lat_names, lat, 2);
	items[3] = (struct value){ .kind = VALUE_HIST, .buckets = powers, .len = N(powers) };
	items[4] = value_int(1);
	items[5] = value_real(pct);

	struct value row = record_of(row_names, items, 6);

	row.row = true;
	return row;
}

static void test_rows(void **state)
{
	static const char *const key_names[] = { "comm", "op" };
	const struct value lat[] = { value_uint(2), value_uint(3) };
	struct value items[2][6] = { { value_uint(10), value_uint(1200) },
				     { value_uint(7), value_uint(5) } };
	const struct value rows[] = { row_of(items[0], lat, 33.33333),
				      row_of(items[1], lat, __builtin_nan("")) };
	const struct value parts[2][2] = { { text("ffmpeg"), text("read") },
					   { text("caf\xc3\xa9"), text("w\n") } };
	const struct value keys[] = {
		{ .kind = VALUE_TUPLE, .items = parts[0], .len = 2 },
		{ .kind = VALUE_TUPLE, .items = parts[1], .len = 2 },
	};
	const struct value map = map_of(keys, rows, 2);
	struct record record = { .kind = RECORD_MAP,
				 .name = "@io",
				 .value = &map,
				 .key_names = key_names,
				 .n_keys = 2 };

	assert_string_equal(printed(state, record),
			    "@io\n"
			    "COMM    OP     N  BYTES  LAT_P50  LAT_P99     PCT\n"
			    "ffmpeg  read  10   1200        2        3  33.333\n"
			    "caf\xc3\xa9    w\\n    7      5        2        3       -\n"
			    "\n");
	record.top = 1;
	assert_string_equal(printed(state, record),
			    "@io\n"
			    "COMM  OP   N  BYTES  LAT_P50  LAT_P99  PCT\n"
			    "caf\xc3\xa9  w\\n  7      5        2        3    -\n"
			    "\n");
	assert_string_equal(printed(state, (struct record){ .kind = RECORD_MAP,
							    .name = "@",
							    .value = &rows[0],
							    .scalar = true }),
			    "@\n"
			    " N  BYTES  LAT_P50  LAT_P99     PCT\n"
			    "10   1200        2        3  33.333\n"
			    "\n");
}

static void test_reals_in_tables(void **state)
{
	static const char *const names[] = { "a", "b", "c", "d" };
	const struct value items[] = { value_real(1e7), value_real(0.5), value_real(-0.0001),
				       value_real(2) };
	struct value row = record_of(names, items, 4);

	row.row = true;
	assert_string_equal(printed(state, (struct record){ .kind = RECORD_MAP,
							    .name = "@",
							    .value = &row,
							    .scalar = true }),
			    "@\n"
			    "       A    B  C  D\n"
			    "10000000  0.5  0  2\n"
			    "\n");
}

static void test_emit(void **state)
{
	static const char *const names[] = { "uid", "pid", "comm", "filename" };
	struct value items[] = { value_uint(0), value_uint(4242), text("bash"), text("/bin/ls") };
	const struct value exec = record_of(names, items, 4);
	const struct value exit_value = record_of(names, items, 2);
	struct record record = { .kind = RECORD_EMIT, .name = "exec", .value = &exec };

	setenv("TZ", "UTC0", 1);
	tzset();
	record.wall_ns = INT64_C(3723004999999);
	assert_string_equal(printed(state, record),
			    "TIME            UID      PID  COMM             FILENAME\n"
			    "01:02:03.004      0     4242  bash             /bin/ls\n");
	items[2] = text("a-very-long-name-of-a-thread");
	record.wall_ns = INT64_C(3723999000000);
	assert_string_equal(
		printed(state, record),
		"01:02:03.999      0     4242  a-very-long-name-of-a-thread  /bin/ls\n");
	record.name = "exit";
	record.value = &exit_value;
	record.wall_ns = INT64_C(3724000000000);
	assert_string_equal(printed(state, record), "TIME            UID      PID\n"
						    "01:02:04.000      0     4242\n");
	assert_string_equal(printed(state, record), "01:02:04.000      0     4242\n");
}

/* What is in the file, and its size; the caller's buffer ends with NUL. */
static void read_back(int fd, char *text, size_t room)
{
	ssize_t n = pread(fd, text, room - 1, 0);

	assert_true(n >= 0);
	text[n] = '\0';
}

static int temporary(void)
{
	char name[] = "/tmp/jbtrace-test-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

static struct record emit_of(const char *event, const struct value *row)
{
	return (struct record){
		.kind = RECORD_EMIT, .name = event, .value = row, .wall_ns = INT64_C(1000000000)
	};
}

/* A header comes again when another script has written to the same place, and only then. */
static void test_shared(void **state)
{
	static const char *const names[] = { "n" };
	const struct value one = value_int(1), row = record_of(names, &one, 1);
	const struct record emit = emit_of("x", &row);
	const struct record line = { .kind = RECORD_TEXT, .text = "line\n", .len = 5 };
	struct out a, b;
	char back[512];
	int fd = temporary(), copy = dup(fd);

	(void)state;
	setenv("TZ", "UTC0", 1);
	tzset();
	out_init(&a, fd, printers_text);
	out_record(&a, &emit);
	out_init(&b, copy, printers_text);
	out_record(&b, &emit);
	out_flush(&a);
	assert_true(out_join(&b, &a));
	out_record(&a, &emit); /* b has written before it joined */
	out_record(&a, &line); /* a's own */
	out_record(&a, &emit);
	out_record(&b, &line);
	out_record(&a, &emit);
	out_record(&b, &emit);
	out_record(&b, &emit);
	out_fini(&b);
	out_record(&a, &emit);
	out_fini(&a);
	read_back(fd, back, sizeof(back));
	assert_string_equal(back, "TIME               N\n00:00:01.000       1\n"
				  "TIME               N\n00:00:01.000       1\n"
				  "TIME               N\n00:00:01.000       1\n"
				  "line\n"
				  "00:00:01.000       1\n"
				  "line\n"
				  "TIME               N\n00:00:01.000       1\n"
				  "TIME               N\n00:00:01.000       1\n"
				  "00:00:01.000       1\n"
				  "TIME               N\n00:00:01.000       1\n");
	close(fd);
	close(copy);
}

static void test_not_shared(void **state)
{
	int x = temporary(), y = temporary();
	struct out a, b;

	(void)state;
	out_init(&a, x, printers_text);
	out_init(&b, y, printers_text);
	assert_false(out_join(&b, &a));
	out_fini(&a);
	out_fini(&b);
	close(x);
	close(y);
}

static void test_write(void **state)
{
	int fds[2];
	struct out out;
	char back[64] = "";

	(void)state;
	assert_int_equal(pipe(fds), 0);
	out_init(&out, fds[1], printers_text);
	out_record(&out, &(struct record){ .kind = RECORD_TEXT, .text = "hello", .len = 5 });
	assert_int_equal(out_flush(&out), 0);
	assert_int_equal(read(fds[0], back, sizeof(back) - 1), 5);
	assert_string_equal(back, "hello");
	out_record(&out, &(struct record){ .kind = RECORD_TEXT, .text = " again", .len = 6 });
	out_fini(&out);
	memset(back, 0, sizeof(back));
	assert_int_equal(read(fds[0], back, sizeof(back) - 1), 6);
	assert_string_equal(back, " again");
	close(fds[0]);
	close(fds[1]);
}

/* The first failure stays, also when a full block made it happen; later output is dropped. */
static void test_write_error(void **state)
{
	static char big[100000];
	int fd = open("/dev/full", O_WRONLY);
	struct out out;

	(void)state;
	if (fd < 0) {
		print_message("skipped: there is no /dev/full\n");
		skip();
	}
	memset(big, 'x', sizeof(big));
	out_init(&out, fd, printers_text);
	out_record(&out, &(struct record){ .kind = RECORD_TEXT, .text = big, .len = sizeof(big) });
	assert_int_equal(out_error(&out), ENOSPC);
	assert_int_equal(out_flush(&out), -ENOSPC);
	out_record(&out, &(struct record){ .kind = RECORD_TEXT, .text = big, .len = sizeof(big) });
	assert_int_equal(out.buf->len, 0);
	assert_int_equal(out_flush(&out), -ENOSPC);
	out_fini(&out);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_plain),
		TEST(test_scalar_maps),
		TEST(test_keyed_maps),
		TEST(test_hist),
		TEST(test_hist_div),
		TEST(test_float32_bars),
		TEST(test_log_labels),
		TEST(test_linear_labels),
		TEST(test_bounded_labels),
		TEST(test_bounded_hist),
		TEST(test_rows),
		TEST(test_reals_in_tables),
		TEST(test_emit),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_not_shared),
		cmocka_unit_test(test_write),
		cmocka_unit_test(test_write_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
