/* The CSV printer, byte for byte. That readers get back what went in is tests/e2e/outputs.py's to say. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "records.h"

#define TIMES "1763735400.123,[2025-11-21 14:30:00.123],"
#define HEAD  "timestamp,time_str,"

static int set_up(void **state)
{
	struct out *out = test_calloc(1, sizeof(*out));

	use_utc();
	out_init(out, -1, printers_csv);
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

/* The cell of a value, by way of a map that has no other, whose header has been printed. */
static void check_cell(void **state, struct value value, const char *cell)
{
	struct record record = { .kind = RECORD_MAP, .name = "@", .value = &value, .scalar = true };
	char line[1024];

	printed(*state, record);
	snprintf(line, sizeof(line), TIMES "%s\n", cell);
	assert_string_equal(printed(*state, record), line);
}

static void test_cells(void **state)
{
	static const struct bucket buckets[] = {
		{ INT64_MIN, 0, 2 }, { 0, 1, 0 }, { 2, 4, 1 }, { 1024, INT64_MAX, 5 }
	};
	static const char *const names[] = { "h" };
	const struct value frames[] = { value_symbol("inner+1", 1), value_symbol("outer+2", 2) };
	const struct value pair[] = { value_int(1), text("x") };
	const struct value hist = hist_of(buckets, N(buckets)), holds = record_of(names, &hist, 1);
	const struct value pointer = { .kind = VALUE_PTR, .u = 4096 };
	const struct value yes = { .kind = VALUE_BOOL, .u = 1 };
	const struct value bytes = { .kind = VALUE_BYTES, .text = "a\0\xff", .len = 3 };

	check_cell(state, value_int(-5), "-5");
	check_cell(state, value_uint(UINT64_MAX), "18446744073709551615");
	check_cell(state, value_real(100.0 / 3), "33.333333333333336");
	check_cell(state, value_real(NAN), "");
	check_cell(state, (struct value){ .kind = VALUE_NONE }, "");
	check_cell(state, pointer, "0x1000");
	check_cell(state, yes, "true");
	check_cell(state, value_symbol("vfs_read", 1), "vfs_read");
	check_cell(state, stack_of(frames, 2), "outer+2;inner+1");
	check_cell(state, tuple_of(pair, 2), "\"(1, x)\"");
	check_cell(state, bytes, "a\\x00\\xff");
	check_cell(state, holds, "..-1:2 2..3:1 1024..:5");
}

static void test_quoting(void **state)
{
	check_cell(state, text("plain text; 'x' \t\\"), "plain text; 'x' \t\\");
	check_cell(state, text(""), "");
	check_cell(state, text("a,b"), "\"a,b\"");
	check_cell(state, text("say \"x\""), "\"say \"\"x\"\"\"");
	check_cell(state, text("\""), "\"\"\"\"");
	check_cell(state, text("a\nb"), "\"a\nb\"");
	check_cell(state, text("a\rb"), "\"a\rb\"");
	check_cell(state, text(" a "), " a ");
	check_cell(state, text("caf\xc3\xa9 \xff\xc3"), "caf\xc3\xa9 \\xff\\xc3");
	check_cell(state, value_str("a\0b", 3), "a\\x00b");
}

static void test_tables(void **state)
{
	const struct value one = value_int(1), two = value_int(2);
	const struct record a = { .kind = RECORD_MAP, .name = "@a", .value = &one, .scalar = true };
	const struct record b = { .kind = RECORD_MAP, .name = "@b", .value = &two, .scalar = true };
	const struct record line = { .kind = RECORD_TEXT, .text = "x\ny\n\nz", .len = 6 };
	const struct record value = { .kind = RECORD_VALUE, .value = &two };

	assert_string_equal(printed(*state, a), HEAD "value\n" TIMES "1\n");
	assert_string_equal(printed(*state, a), TIMES "1\n");
	/* Another map, though its columns are the same. */
	assert_string_equal(printed(*state, b), "\n" HEAD "value\n" TIMES "2\n");
	assert_string_equal(printed(*state, a), "\n" HEAD "value\n" TIMES "1\n");
	assert_string_equal(printed(*state, line),
			    "\n" HEAD "text\n" TIMES "x\n" TIMES "y\n" TIMES "\n" TIMES "z\n");
	assert_string_equal(printed(*state, value), "\n" HEAD "value\n" TIMES "2\n");
	assert_string_equal(printed(*state, (struct record){ .kind = RECORD_TEXT, .text = "" }),
			    "");
	assert_string_equal(printed(*state, value), TIMES "2\n");
}

static void test_keys(void **state)
{
	static const char *const key_names[] = { "comm", "op" };
	const struct value parts[2][2] = { { text("a,b"), value_int(1) },
					   { text("c"), value_int(-2) } };
	const struct value keys[] = { tuple_of(parts[0], 2), tuple_of(parts[1], 2) };
	const struct value items[] = { value_int(10), value_int(25) };
	const struct value map = map_of(keys, items, 2), none = map_of(NULL, NULL, 0);
	struct record record = {
		.kind = RECORD_MAP, .name = "@", .value = &map, .key_names = key_names, .n_keys = 2
	};

	assert_string_equal(printed(*state, record),
			    HEAD "comm,op,value\n" TIMES "\"a,b\",1,10\n" TIMES "c,-2,25\n");
	record.top = 1;
	record.div = 10;
	assert_string_equal(printed(*state, record), TIMES "c,-2,2\n");
	record.value = &none;
	assert_string_equal(printed(*state, record), "");
	record.value = &map;
	assert_string_equal(printed(*state, record), TIMES "c,-2,2\n");
}

static void test_hist(void **state)
{
	static const char *const key_names[] = { "comm" };
	static const struct bucket buckets[] = {
		{ INT64_MIN, 0, 2 }, { 0, 1, 0 }, { 2, 4, 10 }, { 1024, INT64_MAX, 5 }
	};
	const struct value hist = hist_of(buckets, N(buckets)), key = text("k");
	const struct value map = map_of(&key, &hist, 1);
	struct record record = {
		.kind = RECORD_MAP, .name = "@h", .value = &map, .key_names = key_names, .n_keys = 1
	};

	assert_string_equal(printed(*state, record),
			    HEAD "comm,min,max,count\n" TIMES "k,,-1,2\n" TIMES "k,0,0,0\n" TIMES
				 "k,2,3,10\n" TIMES "k,1024,,5\n");
	record.scalar = true;
	record.value = &hist;
	record.div = 5;
	assert_string_equal(printed(*state, record),
			    "\n" HEAD "min,max,count\n" TIMES ",-1,0\n" TIMES "0,0,0\n" TIMES
			    "2,3,2\n" TIMES "1024,,1\n");
}

static const char *const lat_names[] = { "p50", "p99.9", "_sum" };
static const char *const row_names[] = { "n", "lat", "spread", "pct", "_own", "n" };

static void test_rows(void **state)
{
	static const char *const key_names[] = { "timestamp" };
	static const struct bucket two[] = { { 2, 4, 1 }, { 4, 8, 2 } };
	struct value lat[] = { value_int(2), value_int(3), value_int(9) };
	struct value items[] = { value_uint(7),	  record_of(lat_names, lat, 3),
				 hist_of(two, 2), value_real(0.25),
				 value_int(1),	  value_int(8) };
	const struct value row = row_of(row_names, items, 6), key = value_int(5);
	const struct value map = map_of(&key, &row, 1);
	struct record record = {
		.kind = RECORD_MAP, .name = "@", .value = &map, .key_names = key_names, .n_keys = 1
	};

	lat[2].hidden = true;
	assert_string_equal(printed(*state, record),
			    HEAD "timestamp_2,n,lat_p50,lat_p99.9,spread,pct,n_2\n" TIMES
				 "5,7,2,3,2..3:1 4..7:2,0.25,8\n");
	assert_string_equal(printed(*state, record), TIMES "5,7,2,3,2..3:1 4..7:2,0.25,8\n");
}

static void test_emit(void **state)
{
	static const char *const names[] = { "pid", "file" }, *const other[] = { "pid", "name" };
	const struct value items[] = { value_uint(4242), text("/bin/ls") };
	const struct value row = record_of(names, items, 2), renamed = record_of(other, items, 2);
	struct record record = { .kind = RECORD_EMIT, .name = "exec", .value = &row };

	assert_string_equal(printed(*state, record), HEAD "pid,file\n" TIMES "4242,/bin/ls\n");
	record.value = &renamed; /* the same name, another shape: another table */
	assert_string_equal(printed(*state, record), "\n" HEAD "pid,name\n" TIMES "4242,/bin/ls\n");
	record.value = &row;
	record.wall_ns = INT64_C(1763683200005999999);
	assert_string_equal(printed(*state, record),
			    "\n" HEAD "pid,file\n1763683200.005,[2025-11-21 00:00:00.005],"
			    "4242,/bin/ls\n");
}

static void test_messages(void **state)
{
	assert_string_equal(printed(*state, (struct record){ .kind = RECORD_LOST, .count = 4 }),
			    "");
	assert_false(out_takes_messages(*state));
}

static void test_options(void **state)
{
	const struct value a = text("a;b,c"), b = value_int(2);
	struct record record = { .kind = RECORD_VALUE, .value = &a };
	struct out out;

	(void)state;
	out_open(&out,
		 &(struct out_options){ .fd = -1, .printer = printers_csv, .delimiter = ';' });
	assert_string_equal(printed(&out, record), "timestamp;time_str;value\n1763735400.123;"
						   "[2025-11-21 14:30:00.123];\"a;b,c\"\n");
	out_fini(&out);
	out_open(&out,
		 &(struct out_options){ .fd = -1, .printer = printers_csv, .no_header = true });
	record.value = &b;
	assert_string_equal(printed(&out, record), TIMES "2\n");
	record = (struct record){ .kind = RECORD_TEXT, .text = "x", .len = 1 };
	assert_string_equal(printed(&out, record), TIMES "x\n");
	out_fini(&out);
}

/* Two scripts in one stream: the table of one does not go on behind that of the other without a header. */
static void test_shared(void **state)
{
	const struct value one = value_int(1);
	const struct record record = { .kind = RECORD_VALUE, .value = &one, .wall_ns = A_TIME };
	struct out a, b;
	int fds[2];
	char back[512];
	ssize_t n;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	out_init(&a, fds[1], printers_csv);
	out_init(&b, fds[1], printers_csv);
	assert_true(out_join(&b, &a));
	out_record(&a, &record);
	out_record(&b, &record);
	out_record(&b, &record);
	out_record(&a, &record);
	out_fini(&b);
	out_record(&a, &record);
	out_fini(&a);
	n = read(fds[0], back, sizeof(back) - 1);
	assert_true(n > 0);
	back[n] = '\0';
	assert_string_equal(back, HEAD "value\n" TIMES "1\n"
				       "\n" HEAD "value\n" TIMES "1\n" TIMES "1\n"
				       "\n" HEAD "value\n" TIMES "1\n" TIMES "1\n");
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_cells),   TEST(test_quoting), TEST(test_tables), TEST(test_keys),
		TEST(test_hist),    TEST(test_rows),	TEST(test_emit),   TEST(test_messages),
		TEST(test_options), TEST(test_shared),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
