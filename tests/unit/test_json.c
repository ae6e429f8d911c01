/* The JSON printer, byte for byte. That every line parses is tests/e2e/outputs.py's to say, with Python's reader. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "records.h"

static int set_up(void **state)
{
	struct out *out = test_calloc(1, sizeof(*out));

	use_utc();
	out_init(out, -1, printers_json);
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

/* A value's own form, as print(value) wraps it. */
static void check_value(void **state, struct value value, const char *json)
{
	char line[1024];

	snprintf(line, sizeof(line), "{\"type\": \"value\", \"data\": %s}\n", json);
	assert_string_equal(
		printed(*state, (struct record){ .kind = RECORD_VALUE, .value = &value }), line);
}

static void check_map(void **state, struct record record, const char *json)
{
	char line[2048];

	record.kind = RECORD_MAP;
	snprintf(line, sizeof(line), "%s\n", json);
	assert_string_equal(printed(*state, record), line);
}

static void test_numbers(void **state)
{
	const struct value enumerator = {
		.kind = VALUE_SYMBOL, .text = "AF_INET", .len = 7, .u = 2, .enumerated = true
	};
	const struct value symbol = value_symbol("vfs_read", 0xffffffff81000000);
	const struct value pointer = { .kind = VALUE_PTR, .u = 4096 };
	const struct value yes = { .kind = VALUE_BOOL, .u = 1 };

	check_value(state, value_int(-5), "-5");
	check_value(state, value_int(INT64_C(1) << 53), "9007199254740992");
	check_value(state, value_int((INT64_C(1) << 53) + 1), "\"9007199254740993\"");
	check_value(state, value_int(-(INT64_C(1) << 53) - 1), "\"-9007199254740993\"");
	check_value(state, value_int(INT64_MIN), "-9223372036854775808"); /* a power of two */
	check_value(state, value_uint(UINT64_MAX), "\"18446744073709551615\"");
	check_value(state, value_uint(0), "0");
	check_value(state, pointer, "4096");
	check_value(state, yes, "true");
	check_value(state, enumerator, "2");
	check_value(state, symbol, "\"vfs_read\"");
	check_value(state, (struct value){ .kind = VALUE_NONE }, "null");
}

static void test_reals(void **state)
{
	check_value(state, value_real(0.1), "0.1");
	check_value(state, value_real(100.0 / 3), "33.333333333333336");
	check_value(state, value_real(-0.0), "0");
	check_value(state, value_real(1e300), "1e+300");
	check_value(state, value_real(NAN), "null");
	check_value(state, value_real(-INFINITY), "null");
}

static void test_strings(void **state)
{
	const struct value cut = { .kind = VALUE_STR, .text = "abc", .len = 3, .truncated = true };

	check_value(state, text("plain"), "\"plain\"");
	check_value(state, text(""), "\"\"");
	check_value(state, text("q\" b\\ n\n r\r t\t e\x1b d\x7f"),
		    "\"q\\\" b\\\\ n\\n r\\r t\\t e\\u001b d\x7f\"");
	check_value(state, value_str("a\0b", 3), "\"a\\u0000b\"");
	check_value(state, cut, "\"abc..\"");
}

/* As Python's decode("utf-8", "backslashreplace") has it. */
static void test_utf8(void **state)
{
	check_value(state, text("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"),
		    "\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80\"");
	check_value(state, text("\xff"), "\"\\\\xff\"");
	check_value(state, text("\xef\xbf\xbd"), "\"\xef\xbf\xbd\"");
	check_value(state, text("\xc3(\xe2\x82 \xf0\x9f\x98"),
		    "\"\\\\xc3(\\\\xe2\\\\x82 \\\\xf0\\\\x9f\\\\x98\"");
	check_value(state, text("\xc0\xaf"), "\"\\\\xc0\\\\xaf\"");	       /* overlong */
	check_value(state, text("\xe0\x80\xaf"), "\"\\\\xe0\\\\x80\\\\xaf\""); /* overlong */
	check_value(state, text("\xed\xa0\x80"), "\"\\\\xed\\\\xa0\\\\x80\""); /* a surrogate */
	check_value(state, text("\xf4\x90\x80\x80"),
		    "\"\\\\xf4\\\\x90\\\\x80\\\\x80\""); /* > U+10FFFF */
	check_value(state, text("\xf5x\x80"), "\"\\\\xf5x\\\\x80\"");
}

/* No member of an object is there twice, whatever the keys are. */
static void test_members(void **state)
{
	const struct value pairs[][2] = { { text("a,b"), text("c") }, { text("a"), text("b,c") } };
	const struct value keys[] = {
		text("\xff"),	 text("\\xff"),		text("\xfe"),	       text("\xef\xbf\xbd"),
		text("\\xff#2"), tuple_of(pairs[0], 2), tuple_of(pairs[1], 2),
	};
	const struct value items[] = { value_int(1), value_int(2), value_int(3), value_int(4),
				       value_int(5), value_int(6), value_int(7) };
	const struct value map = map_of(keys, items, 7);

	check_map(state, (struct record){ .name = "@", .value = &map },
		  "{\"type\": \"map\", \"data\": {\"@\": {\"\\\\xff\": 1, \"\\\\xff#2\": 2, "
		  "\"\\\\xfe\": 3, \"\xef\xbf\xbd\": 4, \"\\\\xff#2#2\": 5, \"a,b,c\": 6, "
		  "\"a,b,c#2\": 7}}}");
}

static void test_compound(void **state)
{
	static const char *const names[] = { "a", "hidden", "b" };
	struct value members[] = { value_int(1), value_int(9), text("c") };
	const struct value pair[] = { text("x y"), value_int(3) };
	const struct value items[] = { value_int(1), tuple_of(pair, 2) };
	const struct value array = { .kind = VALUE_ARRAY, .items = members, .len = 1 };
	const struct value bytes = { .kind = VALUE_BYTES, .text = "\x01\xffz", .len = 3 };
	const struct value frames[] = { value_symbol("inner+1", 1), value_symbol("outer+2", 2) };

	members[1].hidden = true;
	check_value(state, tuple_of(items, 2), "[1,[\"x y\",3]]");
	check_value(state, array, "[1]");
	check_value(state, record_of(names, members, 3), "{\"a\": 1, \"b\": \"c\"}");
	check_value(state, bytes, "[1,-1,122]");
	check_value(state, stack_of(frames, 2), "\"\\n        inner+1\\n        outer+2\\n\"");
}

static void test_texts(void **state)
{
	static const char *const sources[][2] = { { "printf", "printf" },
						  { "time", "time" },
						  { "cat", "cat" },
						  { "join", "join" },
						  { "system", "syscall" } };
	char line[128];

	for (size_t i = 0; i < N(sources); i++) {
		struct record record = {
			.kind = RECORD_TEXT, .source = sources[i][0], .text = "a\n", .len = 2
		};

		snprintf(line, sizeof(line), "{\"type\": \"%s\", \"data\": \"a\\n\"}\n",
			 sources[i][1]);
		assert_string_equal(printed(*state, record), line);
	}
}

static void test_messages(void **state)
{
	assert_string_equal(
		printed(*state, (struct record){ .kind = RECORD_ATTACHED, .count = 1 }),
		"{\"type\": \"attached_probes\", \"count\": 1, \"data\": {\"probes\": 1}}\n");
	assert_string_equal(
		printed(*state, (struct record){ .kind = RECORD_LOST, .count = 4 }),
		"{\"type\": \"lost_events\", \"count\": 4, \"data\": {\"events\": 4}}\n");
	assert_string_equal(
		printed(*state, (struct record){ .kind = RECORD_MESSAGE,
						 .source = "errorf",
						 .text = "bad \"x\"",
						 .len = 7,
						 .place = { "stdin", 2, 9 } }),
		"{\"type\": \"errorf\", \"msg\": \"bad \\\"x\\\"\", \"filename\": \"stdin\", "
		"\"line\": 2, \"col\": 9}\n");
	assert_string_equal(printed(*state, (struct record){ .kind = RECORD_MESSAGE,
							     .source = "warning",
							     .text = "w",
							     .len = 1 }),
			    "{\"type\": \"warning\", \"msg\": \"w\"}\n");
}

static void test_maps(void **state)
{
	const struct value five = value_int(5), spaced[] = { text("a b"), value_int(2) };
	const struct value inner[] = { value_int(1), text("x") };
	const struct value nested[] = { tuple_of(inner, 2), text("z") };
	const struct value keys[] = { text("k 1"), tuple_of(spaced, 2), tuple_of(nested, 2) };
	const struct value items[] = { value_int(10), value_int(20), value_int(30) };
	const struct value map = map_of(keys, items, 3), none = map_of(NULL, NULL, 0);
	struct record record = { .name = "@k", .value = &map };

	check_map(state, (struct record){ .name = "@x", .value = &five, .scalar = true },
		  "{\"type\": \"map\", \"data\": {\"@x\": 5}}");
	check_map(state, record,
		  "{\"type\": \"map\", \"data\": {\"@k\": {\"k 1\": 10, \"ab,2\": 20, "
		  "\"(1,x),z\": 30}}}");
	record.top = 1;
	record.div = 7;
	check_map(state, record, "{\"type\": \"map\", \"data\": {\"@k\": {\"(1,x),z\": 4}}}");
	record.family = "stats"; /* avg */
	check_map(state, record, "{\"type\": \"stats\", \"data\": {\"@k\": {\"(1,x),z\": 4}}}");
	record.kind = RECORD_MAP;
	record.value = &none;
	assert_string_equal(printed(*state, record), "");
}

static void test_hists(void **state)
{
	static const struct bucket buckets[] = {
		{ INT64_MIN, 0, 10 }, { 0, 1, 0 }, { 4, 8, 25 }, { 100, INT64_MAX, 3 }
	};
	const struct value hist = hist_of(buckets, N(buckets)), empty = hist_of(NULL, 0);
	const struct value key = text("k"), map = map_of(&key, &hist, 1);
	struct record record = { .name = "@h", .value = &hist, .scalar = true };

	check_map(state, record,
		  "{\"type\": \"hist\", \"data\": {\"@h\": [{\"max\": -1, \"count\": 10},"
		  "{\"min\": 0, \"max\": 0, \"count\": 0},{\"min\": 4, \"max\": 7, \"count\": 25},"
		  "{\"min\": 100, \"count\": 3}]}}");
	record.value = &empty;
	check_map(state, record, "{\"type\": \"hist\", \"data\": {\"@h\": []}}");
	record.value = &map;
	record.scalar = false;
	record.div = 10;
	check_map(state, record,
		  "{\"type\": \"hist\", \"data\": {\"@h\": {\"k\": [{\"max\": -1, \"count\": 1},"
		  "{\"min\": 0, \"max\": 0, \"count\": 0},{\"min\": 4, \"max\": 7, \"count\": 2},"
		  "{\"min\": 100, \"count\": 0}]}}}");
}

static const char *const lat_names[] = { "p50", "_sum", "_hist" };
static const char *const row_names[] = { "n", "lat", "spread", "pct", "_own" };
static const struct bucket two[] = { { 2, 4, 1 }, { 4, 8, 2 } };

static void make_row(struct value *row, struct value *lat, double pct)
{
	lat[0] = value_uint(2);
	lat[1] = value_int(7);
	lat[1].hidden = true;
	lat[2] = hist_of(two, 2);
	lat[2].hidden = true;
	row[0] = value_uint(7);
	row[1] = record_of(lat_names, lat, 3);
	row[2] = hist_of(two, 2);
	row[3] = value_real(pct);
	row[4] = value_int(1);
}

#define ROW_REST                                                                  \
	"\"n\": 7, \"lat\": {\"p50\": 2}, \"spread\": [{\"min\": 2, \"max\": 3, " \
	"\"count\": 1},{\"min\": 4, \"max\": 7, \"count\": 2}], \"pct\": "

static void test_rows(void **state)
{
	static const char *const key_names[] = { "comm", "n" };
	struct value lat[3], items[2][5];
	const struct value parts[2][2] = { { text("ff mpeg"), value_int(1) },
					   { text("x"), value_int(2) } };
	const struct value keys[] = { tuple_of(parts[0], 2), tuple_of(parts[1], 2) };

	make_row(items[0], lat, 0.5);
	make_row(items[1], lat, NAN);

	const struct value rows[] = { row_of(row_names, items[0], 5),
				      row_of(row_names, items[1], 5) };
	const struct value map = map_of(keys, rows, 2);

	/* The key's part is called as a column is, and gets another name: nothing may be overwritten. */
	check_map(state,
		  (struct record){
			  .name = "@io", .value = &map, .key_names = key_names, .n_keys = 2 },
		  "{\"type\": \"rows\", \"name\": \"@io\", \"timestamp\": 1763735400.123, "
		  "\"data\": [{\"comm\": \"ff mpeg\", \"n_2\": 1, " ROW_REST
		  "0.5},{\"comm\": \"x\", \"n_2\": 2, " ROW_REST "null}]}");
	check_map(state, (struct record){ .name = "@", .value = &rows[0], .scalar = true },
		  "{\"type\": \"rows\", \"name\": \"@\", \"timestamp\": 1763735400.123, "
		  "\"data\": [{" ROW_REST "0.5}]}");
}

static void test_emit(void **state)
{
	static const char *const names[] = { "pid", "file", "_no" };
	const struct value items[] = { value_uint(4242), text("/bin/l\"s"), value_int(1) };
	const struct value row = record_of(names, items, 3);
	struct record record = { .kind = RECORD_EMIT, .name = "exec", .value = &row };

	assert_string_equal(printed(*state, record),
			    "{\"type\": \"event\", \"name\": \"exec\", \"timestamp\": "
			    "1763735400.123, \"data\": {\"pid\": 4242, \"file\": "
			    "\"/bin/l\\\"s\"}}\n");
	record.wall_ns = INT64_C(1763735400005999999);
	assert_string_equal(printed(*state, record),
			    "{\"type\": \"event\", \"name\": \"exec\", \"timestamp\": "
			    "1763735400.005, \"data\": {\"pid\": 4242, \"file\": "
			    "\"/bin/l\\\"s\"}}\n");
}

static void test_quantiles(void **state)
{
	static const char *const names[] = { "count", "p99.9", "_hist" };
	struct value items[] = { value_uint(3), value_int(8), hist_of(two, 2) };
	const struct value q = record_of(names, items, 3);

	items[2].hidden = true;
	check_map(
		state,
		(struct record){ .name = "@q", .value = &q, .family = "quantiles", .scalar = true },
		"{\"type\": \"quantiles\", \"data\": {\"@q\": {\"count\": 3, \"p99.9\": 8}}}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_numbers),   TEST(test_reals), TEST(test_strings),  TEST(test_utf8),
		TEST(test_compound),  TEST(test_texts), TEST(test_messages), TEST(test_maps),
		TEST(test_members),   TEST(test_hists), TEST(test_rows),     TEST(test_emit),
		TEST(test_quantiles),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
