/* The same records in every format, side by side: what one of them says the others say too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "records.h"

#define TIMES "1763735400.123,[2025-11-21 14:30:00.123],"
#define HEAD  "timestamp,time_str,"

static void check(struct record record, const char *as_text, const char *as_json,
		  const char *as_csv)
{
	const struct printer *const printers[] = { printers_text, printers_json, printers_csv };
	const char *const expected[] = { as_text, as_json, as_csv };
	struct out out;

	for (size_t i = 0; i < N(printers); i++) {
		out_init(&out, -1, printers[i]);
		assert_string_equal(printed(&out, record), expected[i]);
		out_fini(&out);
	}
}

static int set_up(void **state)
{
	(void)state;
	use_utc();
	return 0;
}

static void test_text_record(void **state)
{
	(void)state;
	check(
		(struct record){
			.kind = RECORD_TEXT, .source = "printf", .text = "a \"b\"\nc\n", .len = 8 },
		"a \"b\"\nc\n", "{\"type\": \"printf\", \"data\": \"a \\\"b\\\"\\nc\\n\"}\n",
		HEAD "text\n" TIMES "\"a \"\"b\"\"\"\n" TIMES "c\n");
}

static void test_value_record(void **state)
{
	const struct value pair[] = { value_int(-1), text("x") }, tuple = tuple_of(pair, 2);

	(void)state;
	check((struct record){ .kind = RECORD_VALUE, .value = &tuple }, "(-1, x)\n",
	      "{\"type\": \"value\", \"data\": [-1,\"x\"]}\n",
	      HEAD "value\n" TIMES "\"(-1, x)\"\n");
}

static void test_keyed_map(void **state)
{
	static const char *const key_names[] = { "comm", "cpu" };
	const struct value a[] = { text("sh"), value_int(0) }, b[] = { text("cc"), value_int(1) };
	const struct value keys[] = { tuple_of(a, 2), tuple_of(b, 2) };
	const struct value items[] = { value_uint(3), value_uint(40) };
	const struct value map = map_of(keys, items, 2);

	(void)state;
	check((struct record){ .kind = RECORD_MAP,
			       .name = "@n",
			       .value = &map,
			       .key_names = key_names,
			       .n_keys = 2 },
	      "@n[sh, 0]: 3\n@n[cc, 1]: 40\n",
	      "{\"type\": \"map\", \"data\": {\"@n\": {\"sh,0\": 3, \"cc,1\": 40}}}\n",
	      HEAD "comm,cpu,value\n" TIMES "sh,0,3\n" TIMES "cc,1,40\n");
}

static void test_histogram(void **state)
{
	static const struct bucket buckets[] = { { 2, 4, 1 }, { 4, 8, 0 }, { 8, 16, 2 } };
	const struct value hist = hist_of(buckets, 3);

	(void)state;
	check((struct record){ .kind = RECORD_MAP, .name = "@h", .value = &hist, .scalar = true },
	      "@h:\n"
	      "[2, 4)                 1 |@@@@@@@@@@@@@@@@@@@@@@@@@@                          |\n"
	      "[4, 8)                 0 |                                                    |\n"
	      "[8, 16)                2 |@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@|\n"
	      "\n",
	      "{\"type\": \"hist\", \"data\": {\"@h\": [{\"min\": 2, \"max\": 3, \"count\": 1},"
	      "{\"min\": 4, \"max\": 7, \"count\": 0},{\"min\": 8, \"max\": 15, \"count\": 2}]}}\n",
	      HEAD "min,max,count\n" TIMES "2,3,1\n" TIMES "4,7,0\n" TIMES "8,15,2\n");
}

static void test_stats(void **state)
{
	static const char *const names[] = { "count", "average", "total" };
	const struct value members[] = { value_uint(2), value_int(-3), value_int(-6) };
	const struct value stats = record_of(names, members, 3);

	(void)state;
	check((struct record){ .kind = RECORD_MAP,
			       .name = "@s",
			       .value = &stats,
			       .family = "stats",
			       .scalar = true },
	      "@s: { .count = 2, .average = -3, .total = -6 }\n",
	      "{\"type\": \"stats\", \"data\": {\"@s\": {\"count\": 2, \"average\": -3, "
	      "\"total\": -6}}}\n",
	      HEAD "count,average,total\n" TIMES "2,-3,-6\n");
}

/* agg(n = count(), lat = quantiles(...), err_pct = ...) by comm. */
static void test_rows(void **state)
{
	static const char *const names[] = { "n", "lat", "err_pct" }, *const lat[] = { "p50",
										       "max" };
	static const char *const key_names[] = { "comm" };
	const struct value q[] = { value_int(12), value_int(90) };
	const struct value items[] = { value_uint(5), record_of(lat, q, 2), value_real(2.5) };
	const struct value row = row_of(names, items, 3), key = text("ffmpeg");
	const struct value map = map_of(&key, &row, 1);

	(void)state;
	check((struct record){ .kind = RECORD_MAP,
			       .name = "@io",
			       .value = &map,
			       .key_names = key_names,
			       .n_keys = 1 },
	      "@io\n"
	      "COMM    N  LAT_P50  LAT_MAX  ERR_PCT\n"
	      "ffmpeg  5       12       90      2.5\n"
	      "\n",
	      "{\"type\": \"rows\", \"name\": \"@io\", \"timestamp\": 1763735400.123, \"data\": "
	      "[{\"comm\": \"ffmpeg\", \"n\": 5, \"lat\": {\"p50\": 12, \"max\": 90}, "
	      "\"err_pct\": 2.5}]}\n",
	      HEAD "comm,n,lat_p50,lat_max,err_pct\n" TIMES "ffmpeg,5,12,90,2.5\n");
}

static void test_event(void **state)
{
	static const char *const names[] = { "uid", "pid", "comm", "filename" };
	const struct value items[] = { value_uint(0), value_uint(1234), text("bash"),
				       text("/usr/bin/ls") };
	const struct value row = record_of(names, items, 4);

	(void)state;
	check((struct record){ .kind = RECORD_EMIT, .name = "exec", .value = &row },
	      "TIME            UID      PID  COMM             FILENAME\n"
	      "14:30:00.123      0     1234  bash             /usr/bin/ls\n",
	      "{\"type\": \"event\", \"name\": \"exec\", \"timestamp\": 1763735400.123, "
	      "\"data\": {\"uid\": 0, \"pid\": 1234, \"comm\": \"bash\", \"filename\": "
	      "\"/usr/bin/ls\"}}\n",
	      HEAD "uid,pid,comm,filename\n" TIMES "0,1234,bash,/usr/bin/ls\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_record), cmocka_unit_test(test_value_record),
		cmocka_unit_test(test_keyed_map),   cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_stats),	    cmocka_unit_test(test_rows),
		cmocka_unit_test(test_event),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
