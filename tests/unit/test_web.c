/* What web/ reads from strangers and makes of values, without a socket: headers, queries, tables, sums of histograms. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "model/plan.h"
#include "web/gzip.h"
#include "web/headers.h"
#include "web/heat.h"
#include "web/keep.h"
#include "web/sheet.h"
#include "web/view.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))

/* --- headers --- */

static void openmetrics_is_preferred(void **state)
{
	(void)state;
	assert_false(accepts_openmetrics(NULL));
	assert_false(accepts_openmetrics(""));
	assert_false(accepts_openmetrics("*/*"));
	assert_false(accepts_openmetrics("text/html, text/plain;version=0.0.4;q=0.5, */*;q=0.1"));
	assert_true(accepts_openmetrics("application/openmetrics-text"));
	assert_true(accepts_openmetrics("application/openmetrics-text; version=1.0.0"));
	assert_true(accepts_openmetrics("APPLICATION/OpenMetrics-Text;version=\"1.0.0\";q=0.1"));
	assert_false(accepts_openmetrics("application/openmetrics-text;version=0.0.1"));
	assert_false(accepts_openmetrics("application/openmetrics-text;version=1.0.0;q=0"));
	assert_false(accepts_openmetrics(
		"application/openmetrics-text;version=1.0.0;q=0.3,text/plain;q=0.9"));
	assert_true(accepts_openmetrics(
		"application/openmetrics-text;version=1.0.0;q=0.9,text/plain;q=0.3"));
	assert_false(accepts_openmetrics("application/openmetrics-textual"));
	assert_false(accepts_openmetrics(";;;,,,q=,=;\"\""));
}

static void gzip_is_accepted(void **state)
{
	(void)state;
	assert_false(accepts_gzip(NULL));
	assert_true(accepts_gzip("gzip"));
	assert_true(accepts_gzip("deflate, GZip;q=0.5, br"));
	assert_true(accepts_gzip("*"));
	assert_false(accepts_gzip("gzip;q=0, *"));
	assert_false(accepts_gzip("*;q=0"));
	assert_false(accepts_gzip("identity, xgzip"));
}

static void hosts_of_the_loopback(void **state)
{
	static const char *const good[] = { "localhost", "LOCALHOST:80", "127.0.0.1", "127.0.0.1:9",
					    "[::1]",	 "[::1]:9310",	 "10.1.2.3" };
	static const char *const bad[] = {
		"",    "example.com", "localhost.example", "1.2.3.4.com", "[::1", "[::1]x",
		"::1", "[]",	      "127.0.0.1@x"
	};
	char huge[500];

	(void)state;
	assert_true(host_is_local(NULL));
	for (size_t i = 0; i < N(good); i++)
		assert_true(host_is_local(good[i]));
	for (size_t i = 0; i < N(bad); i++)
		assert_false(host_is_local(bad[i]));
	memset(huge, '1', sizeof(huge));
	huge[sizeof(huge) - 1] = '\0';
	assert_false(host_is_local(huge));
}

/* The tokens are those of RFC 4648's test vectors and of RFC 7617, section 2. */
static void passwords(void **state)
{
	static const struct {
		const char *user, *password, *token;
	} known[] = {
		{ "", "", "Og==" },
		{ "f", "o", "Zjpv" },
		{ "Aladdin", "open sesame", "QWxhZGRpbjpvcGVuIHNlc2FtZQ==" },
		{ "test", "123\xc2\xa3", "dGVzdDoxMjPCow==" },
	};
	char *token;

	(void)state;
	for (size_t i = 0; i < N(known); i++) {
		token = basic_token(known[i].user, known[i].password);
		assert_string_equal(token, known[i].token);
		free(token);
	}
	token = basic_token("Aladdin", "open sesame");
	assert_true(basic_matches("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", token));
	assert_true(basic_matches("basic  QWxhZGRpbjpvcGVuIHNlc2FtZQ==", token));
	assert_false(basic_matches("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=", token));
	assert_false(basic_matches("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
				   token));
	assert_false(basic_matches("Basic qWxhZGRpbjpvcGVuIHNlc2FtZQ==", token));
	assert_false(basic_matches("Basic ", token));
	assert_false(basic_matches("", token));
	assert_false(basic_matches(NULL, token));
	free(token);
}

static void gzip_reads_back(void **state)
{
	struct buf text = { 0 }, packed = { 0 };
	char back[40000];
	z_stream stream = { 0 };

	(void)state;
	for (int i = 0; i < 3000; i++)
		buf_printf(&text, "%d %d\n", i, i * i % 97);
	buf_puts(&packed, "before");
	assert_true(gzip_add(&packed, text.data, text.len));
	assert_true(packed.len < text.len);
	assert_memory_equal(packed.data, "before", 6);
	assert_int_equal(inflateInit2(&stream, 31), Z_OK);
	stream.next_in = (Bytef *)packed.data + 6;
	stream.avail_in = (uInt)(packed.len - 6);
	stream.next_out = (Bytef *)back;
	stream.avail_out = sizeof(back);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	assert_int_equal(stream.total_out, text.len);
	assert_memory_equal(back, text.data, text.len);
	inflateEnd(&stream);
	buf_fini(&text);
	buf_fini(&packed);
}

/* --- queries --- */

static void queries(void **state)
{
	static const char *const bad[][2] = {
		{ "since", "" },
		{ "since", "1x" },
		{ "since", "-1" },
		{ "since", "18446744073709551616" },
		{ "since", NULL },
		{ "sort", "1.2.d" },
		{ "sort", "1.2.3.x" },
		{ "sort", "1.2.3.dd" },
		{ "sort", "4294967296.0.0.d" },
		{ "sort", "..." },
		{ "other", "1" },
		{ "", "" },
	};
	struct view view = { 0 }, other = { 0 };
	char find[VIEW_FIND_MAX + 1];

	(void)state;
	for (size_t i = 0; i < N(bad); i++)
		assert_false(view_take(&other, bad[i][0], bad[i][1]));
	assert_true(view_take(&view, "since", "18446744073709551615"));
	assert_true(view.since == UINT64_MAX);
	assert_true(view_take(&view, "sort", "7.0.4294967295.d"));
	assert_true(view_take(&view, "sort", "7.1.2.a"));
	assert_int_equal(view.n_sorts, 2);
	assert_int_equal(view.sorts[0].script, 7);
	assert_true(view.sorts[0].column == UINT32_MAX && view.sorts[0].descending);
	assert_false(view.sorts[1].descending);
	assert_true(view_take(&view, "find", "a\"<"));
	assert_string_equal(view.find, "a\"<");
	memset(find, 'x', sizeof(find));
	find[VIEW_FIND_MAX] = '\0';
	assert_false(view_take(&view, "find", find));
	find[VIEW_FIND_MAX - 1] = '\0';
	assert_true(view_take(&view, "find", find));
	assert_false(view_equal(&view, &other));
	other = view;
	assert_true(view_equal(&view, &other));
	other.sorts[1].column = 9;
	assert_false(view_equal(&view, &other));
	for (unsigned i = view.n_sorts; i < VIEW_SORTS_MAX; i++)
		assert_true(view_take(&view, "sort", "1.1.1.a"));
	assert_false(view_take(&view, "sort", "1.1.1.a"));
}

/* --- tables --- */

/* @io_ns[comm] with three rows of a record { n, lat_us, note }. */
struct fixture {
	struct arena *arena;
	struct plan *plan;
	struct plan_map map;
	struct value value;
};

static const char *const key_names[] = { "comm" };

static void fixture_init(struct fixture *f)
{
	static const char *const names[] = { "n", "lat_us", "note", "_hidden" };
	static const int64_t numbers[][2] = { { 5, -3 }, { 900, 70 }, { 5, 1000000 } };
	static const char *const keys[] = { "bash", "Ls", "cat" };
	struct value *rows;

	f->arena = arena_new();
	f->plan = plan_new(f->arena, diag_new(f->arena));
	f->map = (struct plan_map){ .name = "@io_ns",
				    .shape = MAP_KEYED,
				    .value = type_u64(),
				    .key_names = key_names,
				    .n_keys = 1 };
	rows = arena_alloc(f->arena, 3 * sizeof(*rows));
	f->value = (struct value){ .kind = VALUE_MAP, .len = 3, .items = rows };
	f->value.keys = arena_alloc(f->arena, 3 * sizeof(*rows));
	for (unsigned i = 0; i < 3; i++) {
		struct value *items = arena_alloc(f->arena, 4 * sizeof(*items));

		items[0] = value_uint((uint64_t)numbers[i][0]);
		items[1] = value_int(numbers[i][1]);
		items[2] = value_str("x\ny", 3);
		items[3] = value_int(1);
		items[3].hidden = true;
		rows[i] = (struct value){
			.kind = VALUE_RECORD, .len = 4, .items = items, .names = names, .row = true
		};
		((struct value *)f->value.keys)[i] = value_str(keys[i], (uint32_t)strlen(keys[i]));
	}
}

static void tables(void **state)
{
	struct fixture f;
	struct sheet sheet;

	(void)state;
	fixture_init(&f);
	sheet = sheet_of(f.arena, f.plan, &f.map, &f.value);
	assert_int_equal(sheet.n_columns, 4);
	assert_int_equal(sheet.n_keys, 1);
	assert_int_equal(sheet.n_rows, 3);
	assert_string_equal(sheet.columns[0].name, "comm");
	assert_int_equal(sheet.columns[0].kind, COLUMN_KEY);
	assert_string_equal(sheet.columns[1].name, "n");
	assert_null(sheet.columns[1].unit); /* the map's name is that of a row */
	assert_string_equal(sheet.columns[2].unit, "us");
	assert_int_equal(sheet.columns[2].kind, COLUMN_NUMBER);
	assert_int_equal(sheet.columns[3].kind, COLUMN_TEXT);
	assert_int_equal(sheet_cell(&sheet, 1, 1)->u, 900);
	assert_int_equal(sheet_weight(&sheet), 1);
	arena_free(f.arena);
}

static void rows_are_chosen(void **state)
{
	struct view_sort by_key = { .column = 0 }, by_lat = { .column = 2, .descending = true };
	struct view_sort beyond = { .column = 77 };
	struct fixture f;
	struct sheet sheet;
	const uint32_t *rows;
	uint32_t found;

	(void)state;
	fixture_init(&f);
	sheet = sheet_of(f.arena, f.plan, &f.map, &f.value);
	assert_int_equal(sheet_select(f.arena, &sheet, "", NULL, 10, &rows, &found), 3);
	assert_true(rows[0] == 1 && rows[1] == 0 && rows[2] == 2); /* equal ones as they were */
	assert_int_equal(sheet_select(f.arena, &sheet, "", &by_key, 2, &rows, &found), 2);
	assert_int_equal(found, 3);
	assert_true(rows[0] == 1 && rows[1] == 0); /* Ls, bash: bytewise */
	assert_int_equal(sheet_select(f.arena, &sheet, "", &by_lat, 10, &rows, &found), 3);
	assert_true(rows[0] == 2 && rows[1] == 1 && rows[2] == 0);
	assert_int_equal(sheet_select(f.arena, &sheet, "LS", NULL, 10, &rows, &found), 1);
	assert_true(rows[0] == 1 && found == 1);
	assert_int_equal(sheet_select(f.arena, &sheet, "-3", NULL, 10, &rows, &found), 1);
	assert_int_equal(sheet_select(f.arena, &sheet, "nothing", NULL, 10, &rows, &found), 0);
	assert_int_equal(sheet_select(f.arena, &sheet, "", &beyond, 1, &rows, &found), 1);
	assert_int_equal(rows[0], 1);
	arena_free(f.arena);
}

static void empty_tables(void **state)
{
	struct fixture f;
	struct sheet sheet;
	const uint32_t *rows;
	uint32_t found;

	(void)state;
	fixture_init(&f);
	f.value.len = 0;
	sheet = sheet_of(f.arena, f.plan, &f.map, &f.value);
	assert_int_equal(sheet.n_columns, 1);
	assert_int_equal(sheet_select(f.arena, &sheet, "x", NULL, 10, &rows, &found), 0);
	f.map.shape = MAP_SCALAR;
	f.value = value_uint(7);
	sheet = sheet_of(f.arena, f.plan, &f.map, &f.value);
	assert_true(sheet.scalar && sheet.n_rows == 1 && sheet.n_columns == 1);
	assert_string_equal(sheet.columns[0].unit, "ns");
	assert_int_equal(sheet_cell(&sheet, 0, 0)->u, 7);
	arena_free(f.arena);
}

static void values_are_kept(void **state)
{
	struct arena *arena = arena_new();
	const struct value *kept;
	struct fixture f;

	(void)state;
	fixture_init(&f);
	kept = keep_value(arena, &f.value, 2);
	arena_free(f.arena);
	assert_int_equal(kept->len, 2); /* the last rows: the biggest */
	assert_int_equal(kept->items[0].len, 3);
	assert_int_equal(kept->items[0].items[0].u, 900);
	assert_memory_equal(kept->keys[1].text, "cat", 3);
	assert_string_equal(kept->items[1].names[2], "note");
	arena_free(arena);
}

/* --- histograms --- */

static struct value hist_of(const struct bucket *buckets, uint32_t n)
{
	return (struct value){ .kind = VALUE_HIST, .buckets = buckets, .len = n };
}

static void histograms_are_added(void **state)
{
	static const struct bucket a[] = { { INT64_MIN, 0, 2 }, { 4, 8, 1 }, { 8, 16, 0 } };
	static const struct bucket b[] = { { 4, 8, 10 }, { 16, INT64_MAX, 3 } };
	struct heat heat = { .arena = arena_new() };
	struct value first = hist_of(a, 3), second = hist_of(b, 2);
	struct bucket *sum;

	(void)state;
	assert_int_equal(heat_buckets(&heat, &sum), 0);
	heat_add(&heat, &first, false);
	heat_add(&heat, NULL, false);
	heat_add(&heat, &second, false);
	assert_int_equal(heat_buckets(&heat, &sum), 4);
	assert_true(sum[0].low == INT64_MIN && sum[0].count == 2);
	assert_true(sum[1].low == 4 && sum[1].high == 8 && sum[1].count == 11);
	assert_true(sum[2].low == 8 && sum[2].count == 0);
	assert_true(sum[3].high == INT64_MAX && sum[3].count == 3);
	arena_free(heat.arena);
}

/* A thousand single numbers become quarters of powers of two; no count is lost. */
static void fine_buckets_are_put_together(void **state)
{
	struct bucket fine[1000], *sum;
	struct heat heat = { .arena = arena_new() };
	struct value hist = hist_of(fine, 1000);
	uint64_t total = 0;
	uint32_t n;

	(void)state;
	for (int i = 0; i < 1000; i++)
		fine[i] = (struct bucket){ i, i + 1, 1 };
	heat_add(&heat, &hist, true);
	n = heat_buckets(&heat, &sum);
	assert_true(n < 45);
	for (uint32_t i = 0; i < n; i++) {
		total += sum[i].count;
		assert_true(i == 0 || sum[i].low == sum[i - 1].high);
		assert_true(sum[i].high - sum[i].low <= (sum[i].low < 4 ? 1 : sum[i].low / 4));
	}
	assert_int_equal(total, 1000);
	arena_free(heat.arena);
}

static void what_came_since(void **state)
{
	static const struct bucket before[] = { { 1, 2, 5 }, { 4, 8, 7 }, { 8, 16, 9 } };
	static const struct bucket now[] = { { 1, 2, 5 }, { 2, 4, 3 }, { 4, 8, 9 }, { 8, 16, 1 } };
	struct arena *arena = arena_new();
	struct bucket *since;

	(void)state;
	assert_int_equal(heat_since(arena, before, 3, now, 4, &since), 2);
	assert_true(since[0].low == 2 && since[0].count == 3);
	assert_true(since[1].low == 4 && since[1].count == 2);
	assert_int_equal(heat_since(arena, NULL, 0, now, 4, &since), 4);
	arena_free(arena);
}

static void quantiles_of_buckets(void **state)
{
	static const struct bucket buckets[] = { { 10, 20, 50 }, { 20, 30, 49 }, { 500, 600, 1 } };
	struct bucket many[100];

	(void)state;
	assert_true(isnan(heat_quantile(buckets, 0, 0.5)));
	assert_true(heat_quantile(buckets, 3, 0.5) == 14.5);
	assert_true(heat_quantile(buckets, 3, 0.51) == 24.5);
	assert_true(heat_quantile(buckets, 3, 0.99) == 24.5);
	assert_true(heat_quantile(buckets, 3, 1) == 549.5);
	for (int i = 0; i < 100; i++)
		many[i] = (struct bucket){ i, i + 1, 2 };
	assert_int_equal(heat_thin(many, 100, 64), 50);
	assert_true(many[0].low == 0 && many[0].high == 2 && many[0].count == 4);
	assert_true(many[49].high == 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(openmetrics_is_preferred),
		cmocka_unit_test(gzip_is_accepted),
		cmocka_unit_test(hosts_of_the_loopback),
		cmocka_unit_test(passwords),
		cmocka_unit_test(gzip_reads_back),
		cmocka_unit_test(queries),
		cmocka_unit_test(tables),
		cmocka_unit_test(rows_are_chosen),
		cmocka_unit_test(empty_tables),
		cmocka_unit_test(values_are_kept),
		cmocka_unit_test(histograms_are_added),
		cmocka_unit_test(fine_buckets_are_put_together),
		cmocka_unit_test(what_came_since),
		cmocka_unit_test(quantiles_of_buckets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
