/* Values: decoding bytes by type, default text, order. Types are made by hand where type.c has no maker. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/feature.h"
#include "model/value.h"

struct fixture {
	struct arena *arena;
	struct types *types;
	struct decode decode;
	struct buf text;
};

static int set_up(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->arena = arena_new();
	f->types = types_new(f->arena);
	f->decode.arena = f->arena;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->text);
	arena_free(f->arena);
	test_free(f);
	return 0;
}

static const char *text_of(struct fixture *f, struct value value)
{
	buf_reset(&f->text);
	buf_puts(&f->text, "");
	value_text(&f->text, &value);
	return f->text.data;
}

/* The bytes are copied to the heap, exactly as many as the type has, so that ASan sees a read beyond. */
static struct value decoded(struct fixture *f, const struct type *type, const void *bytes)
{
	void *copy = test_malloc(type->size ? type->size : 1);

	memcpy(copy, bytes, type->size);

	struct value value = value_decode(&f->decode, type, copy);

	test_free(copy);
	return value;
}

#define assert_decodes(type, bytes, expected) \
	assert_string_equal(text_of(f, decoded(f, (type), (bytes))), (expected))

static void test_integers(void **state)
{
	struct fixture *f = *state;
	static const uint8_t ones[8] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	static const uint8_t low[8] = { 0, 0, 0, 0, 0, 0, 0, 0x80 };

	assert_decodes(type_int(1, true), ones, "-1");
	assert_decodes(type_int(1, false), ones, "255");
	assert_decodes(type_int(2, true), ones, "-1");
	assert_decodes(type_int(2, false), ones, "65535");
	assert_decodes(type_int(4, true), ones, "-1");
	assert_decodes(type_int(4, false), ones, "4294967295");
	assert_decodes(type_int(8, true), ones, "-1");
	assert_decodes(type_int(8, false), ones, "18446744073709551615");
	assert_decodes(type_int(8, true), low, "-9223372036854775808");
	assert_int_equal(decoded(f, type_int(2, false), ones).kind, VALUE_UINT);
	assert_int_equal(decoded(f, type_int(2, true), ones).kind, VALUE_INT);
}

static void test_scalars(void **state)
{
	struct fixture *f = *state;
	static const struct enumerator colours[] = { { "RED", -1 }, { "GREEN", 2 } };
	struct type *colour = type_enum(f->types, "colour", 4, true);

	colour->values = colours;
	colour->n_values = 2;
	assert_decodes(type_bool(), "\x02", "true");
	assert_decodes(type_bool(), "\0", "false");
	assert_decodes(colour, "\xff\xff\xff\xff", "RED");
	assert_decodes(colour, "\x02\0\0\0", "GREEN");
	assert_decodes(colour, "\x03\0\0\0", "3");
	assert_int_equal((int64_t)decoded(f, colour, "\xff\xff\xff\xff").u, -1);
	assert_decodes(type_ptr(f->types, type_none(), SPACE_KERNEL), "\0\0\0\0\x81\xff\xff\xff",
		       "0xffffff8100000000");
	assert_decodes(type_ptr(f->types, type_none(), SPACE_USER), "\0\0\0\0\0\0\0\0", "0x0");
	assert_decodes(type_none(), "", "null");
}

static void test_strings(void **state)
{
	struct fixture *f = *state;
	static const char trailer_plan[] = "...";

	assert_decodes(type_str(f->types, 8), "abc\0xyz", "abc");
	assert_decodes(type_str(f->types, 4), "abc", "abc");
	assert_decodes(type_str(f->types, 3), "abc", "abc..");
	assert_decodes(type_str(f->types, 3), "\0bc", "");

	struct plan plan = { .trunc_trailer = trailer_plan };

	f->decode.plan = &plan;
	assert_decodes(type_str(f->types, 3), "abc", "abc...");
	plan.trunc_trailer = "";
	assert_decodes(type_str(f->types, 3), "abc", "abc");
	f->decode.plan = NULL;
}

static void test_buffers(void **state)
{
	struct fixture *f = *state;
	const struct type *four = type_buf(f->types, 4);

	assert_int_equal(four->size, 8);
	assert_decodes(four, "\x03\0\0\0a\n\xff!", "a\\x0a\\xff");
	assert_decodes(four, "\0\0\0\0abcd", "");
	assert_decodes(four,
		       "\xff\xff\xff\xff"
		       "abcd",
		       "abcd");
	assert_decodes(type_buf(f->types, 2), "\x09\0\0\0abcd", "ab");
	assert_decodes(type_buf(f->types, 0), "\x09\0\0\0\0\0\0\0", "");
	assert_int_equal(decoded(f, four, "\x03\0\0\0abcd").len, 3);
}

static void test_arrays(void **state)
{
	struct fixture *f = *state;
	static const struct type c = {
		.kind = TYPE_INT, .size = 1, .align = 1, .is_signed = true, .name = "char"
	};
	static const struct type i8 = {
		.kind = TYPE_INT, .size = 1, .align = 1, .is_signed = true, .name = "int8"
	};

	assert_decodes(type_array(f->types, type_int(2, true), 3), "\x01\0\x02\0\xfd\xff",
		       "[1,2,-3]");
	assert_decodes(type_array(f->types, type_int(1, false), 2), "ab", "[97,98]");
	assert_decodes(type_array(f->types, type_int(4, true), 0), "", "[]");
	struct type chars = { .kind = TYPE_ARRAY, .size = 4, .align = 1, .base = &c, .count = 4 };
	struct type numbers = {
		.kind = TYPE_ARRAY, .size = 4, .align = 1, .base = &i8, .count = 4
	};

	assert_decodes(&chars, "ab\0d", "ab");
	assert_decodes(&chars, "abcd", "abcd..");
	assert_decodes(&numbers, "\x01\x02\x03\xff", "[1,2,3,-1]");
	/* a type that lies about its size */
	numbers.count = 6;
	assert_decodes(&numbers, "\x01\x02\x03\xff", "[1,2,3,-1,null,null]");
}

static void test_structs(void **state)
{
	struct fixture *f = *state;
	const struct field inner_fields[] = {
		{ .name = "c", .type = type_int(4, true) },
	};
	struct type *inner = type_struct(f->types, "inner", false);
	struct type *either = type_struct(f->types, NULL, true);
	struct type *outer = type_struct(f->types, "outer", false);

	inner->fields = inner_fields;
	inner->n_fields = 1;
	inner->size = 4;

	const struct field either_fields[] = {
		{ .name = "x", .type = type_int(4, true) },
		{ .name = "y", .type = type_int(1, false) },
	};

	either->fields = either_fields;
	either->n_fields = 2;
	either->size = 4;

	const struct field fields[] = {
		{ .name = "a", .type = type_int(4, true) },
		{ .name = "b", .type = inner, .offset = 4 },
		{ .name = NULL, .type = either, .offset = 8 },
		{ .name = "_z", .type = type_int(1, true), .offset = 12 },
		{ .name = "far", .type = type_int(8, true), .offset = 12 },
	};

	outer->fields = fields;
	outer->n_fields = 5;
	outer->size = 16;
	assert_decodes(outer, "\x01\0\0\0\x02\0\0\0\x05\x01\0\0\x07\0\0\0",
		       "{ .a = 1, .b = { .c = 2 }, .x = 261, .y = 5, ._z = 7, .far = null }");
	outer->n_fields = 0;
	assert_decodes(outer, "0123456789abcdef", "{}");
}

static void test_bit_fields(void **state)
{
	struct fixture *f = *state;
	struct type *flags = type_struct(f->types, "flags", false);
	const struct field fields[] = {
		{ .name = "low", .type = type_int(4, false), .bit_offset = 0, .bit_size = 3 },
		{ .name = "mid", .type = type_int(4, true), .bit_offset = 3, .bit_size = 4 },
		{ .name = NULL, .type = type_int(4, true), .bit_offset = 7, .bit_size = 1 },
		{ .name = "on", .type = type_bool(), .offset = 1, .bit_offset = 2, .bit_size = 1 },
		{ .name = "wide",
		  .type = type_int(8, false),
		  .offset = 1,
		  .bit_offset = 3,
		  .bit_size = 64 },
	};

	flags->fields = fields;
	flags->n_fields = 5;
	flags->size = 10;
	/* 0xfd = 1 1111 101 */
	assert_decodes(flags, "\xfd\xfc\xff\xff\xff\xff\xff\xff\xff\x07",
		       "{ .low = 5, .mid = -1, .on = true, .wide = 18446744073709551615 }");
	flags->size = 9;
	assert_decodes(flags, "\x85\0\0\0\0\0\0\0\0",
		       "{ .low = 5, .mid = 0, .on = false, .wide = null }");
}

static void test_data_loc(void **state)
{
	struct fixture *f = *state;
	struct type *event = type_struct(f->types, "event", false);
	const struct field fields[] = {
		{ .name = "file", .type = type_str(f->types, 4), .data_loc = true },
	};

	event->fields = fields;
	event->n_fields = 1;
	event->size = 9;
	assert_decodes(event, "\x04\0\x05\0exec", "{ .file = exec }");
	assert_decodes(event, "\x04\0\x06\0exec", "{ .file = null }");
	assert_decodes(event,
		       "\xff\xff\xff\xff"
		       "exec",
		       "{ .file = null }");
}

static void test_tuples(void **state)
{
	struct fixture *f = *state;
	const struct type *pair[] = { type_int(4, true), type_str(f->types, 4) };
	const struct type *in = type_tuple(f->types, pair, 2);
	const struct type *nest[] = { type_int(1, true), in };
	static const char *const names[] = { "x", "y" };

	assert_decodes(in, "\x01\0\0\0abc", "(1, abc)");
	assert_decodes(type_tuple(f->types, nest, 2), "\x09\0\0\0\x01\0\0\0abc", "(9, (1, abc))");
	assert_decodes(type_tuple(f->types, nest, 1), "\x09", "(9)");
	assert_decodes(type_tuple(f->types, NULL, 0), "", "()");
	assert_decodes(type_record(f->types, names, pair, 2), "\x01\0\0\0abc",
		       "{ .x = 1, .y = abc }");
}

static struct value decode_upside(struct decode *decode, const struct type *type, const void *bytes)
{
	uint32_t n;

	(void)decode;
	(void)type;
	memcpy(&n, bytes, sizeof(n));
	return value_symbol(n == 1 ? "one" : NULL, n);
}

static struct value value_of_state(struct decode *decode, const struct type *type,
				   const void *state)
{
	int64_t n;

	(void)decode;
	(void)type;
	memcpy(&n, state, sizeof(n));
	return value_int(n);
}

static void test_hooks(void **state)
{
	struct fixture *f = *state;
	static const struct named_type upside = { .name = "upside_t", .decode = decode_upside };
	static const struct named_type plain = { .name = "plain_t" };
	static const struct aggregate sum = { .name = "sum", .value = value_of_state };
	static const struct agg_args none;
	const struct type *named = type_named(f->types, &upside, type_u32(), 0, NULL);

	assert_decodes(named, "\x01\0\0\0", "one");
	assert_decodes(named, "\xff\0\0\0", "0xff");
	assert_decodes(type_named(f->types, &plain, type_u32(), 0, NULL), "\x07\0\0\0", "7");

	struct value total =
		decoded(f, type_agg(f->types, &sum, 8, &none), "\xfe\xff\xff\xff\xff\xff\xff\xff");

	assert_string_equal(text_of(f, total), "-2");
	assert_true(total.aggregated);
}

static void test_text(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "n", "lat", "_raw" };
	struct value frames[] = { value_symbol("vfs_read+1", 1), value_symbol("0xdead", 0xdead) };
	struct value stack = { .kind = VALUE_STACK, .items = frames, .len = 2 };
	struct value members[] = { value_uint(3), value_real(1.5), value_uint(9) };
	struct value record = { .kind = VALUE_RECORD, .items = members, .names = names, .len = 3 };
	struct bucket buckets[] = { { INT64_MIN, 0, 1 }, { 0, 1, 0 }, { 1, 2, 7 } };
	struct value hist = { .kind = VALUE_HIST, .buckets = buckets, .len = 3 };

	assert_string_equal(text_of(f, stack), "\n        vfs_read+1\n        0xdead\n");
	stack.text = "\t";
	assert_string_equal(text_of(f, stack), "\n\tvfs_read+1\n\t0xdead\n");
	members[2].hidden = true;
	assert_string_equal(text_of(f, record), "{ .n = 3, .lat = 1.5 }");
	assert_string_equal(text_of(f, hist), "{ ...: 1, 1: 7 }");
	hist.bounded = true;
	assert_string_equal(text_of(f, hist), "{ -1: 1, 1: 7 }");
	buckets[2].high = INT64_MAX;
	assert_string_equal(text_of(f, hist), "{ -1: 1, ...: 7 }");
	assert_string_equal(text_of(f, value_real(0.1)), "0.1");
	assert_string_equal(text_of(f, value_real(2.0 / 3)), "0.666667");
	assert_string_equal(text_of(f, value_real(-0.0)), "0");
	assert_string_equal(text_of(f, value_real(1000000)), "1000000");
	assert_string_equal(text_of(f, value_real(-123456789)), "-123456789");
	assert_string_equal(text_of(f, value_real(12.50)), "12.5");
}

static void test_durations(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} durations[] = {
		{ 0, "0" },
		{ 1, "1ns" },
		{ -5, "-5ns" },
		{ 1000, "1us" },
		{ 1001, "1001ns" },
		{ 1500000, "1500us" },
		{ 5000000, "5ms" },
		{ 59000000000, "59s" },
		{ 60000000000, "1m" },
		{ 90000000000, "90s" },
		{ 7200000000000, "2h" },
		{ -86400000000000, "-1d" },
		{ INT64_MIN, "-9223372036854775808ns" },
	};
	struct buf text = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		buf_reset(&text);
		value_duration(&text, durations[i].ns);
		assert_string_equal(text.data, durations[i].text);
	}
	buf_fini(&text);
}

static void test_members(void **state)
{
	static const char *const names[] = { "count", "p99" };
	struct value items[] = { value_uint(1), value_int(-4) };
	struct value record = { .kind = VALUE_RECORD, .items = items, .names = names, .len = 2 };

	(void)state;
	assert_ptr_equal(value_member(&record, "p99"), &items[1]);
	assert_null(value_member(&record, "p9"));
	assert_null(value_member(&items[0], "count"));
	assert_true(value_number(&items[1]) == -4);
	assert_true(value_number(&record) == 0);
}

/* Each is less than the next one. */
static void test_order(void **state)
{
	struct value tuple_items[][2] = { { value_int(1), value_str("b", 1) },
					  { value_int(2), value_str("a", 1) } };
	const struct value order[] = {
		{ .kind = VALUE_NONE },
		value_real(__builtin_nan("")),
		value_int(INT64_MIN),
		value_int(-1),
		value_uint(0),
		value_real(0.5),
		value_uint(1),
		value_symbol("a", 1),
		value_symbol("b", 1),
		value_int(INT64_MAX),
		value_uint((uint64_t)INT64_MAX + 1),
		value_uint(UINT64_MAX),
		value_str("", 0),
		value_str("a", 1),
		value_str("ab", 2),
		value_str("\xc3", 1),
		{ .kind = VALUE_TUPLE, .items = tuple_items[0], .len = 1 },
		{ .kind = VALUE_TUPLE, .items = tuple_items[0], .len = 2 },
		{ .kind = VALUE_TUPLE, .items = tuple_items[1], .len = 2 },
	};
	const int n = sizeof(order) / sizeof(order[0]);

	(void)state;
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++) {
			int sign = value_compare(&order[i], &order[j]);

			if ((sign > 0) - (sign < 0) != (i > j) - (i < j))
				fail_msg("order[%d] against order[%d]: %d", i, j, sign);
		}
}

static void test_order_of_records(void **state)
{
	static const char *const names[] = { "count", "average" };
	struct value many[] = { value_uint(9), value_int(-5) },
		     few[] = { value_uint(1), value_int(3) };
	struct value a = { .kind = VALUE_RECORD, .items = many, .names = names, .len = 2 };
	struct value b = { .kind = VALUE_RECORD, .items = few, .names = names, .len = 2 };
	struct bucket one = { 0, 1, 100 }, two[] = { { 0, 1, 60 }, { 1, 2, 50 } };
	struct value x = { .kind = VALUE_HIST, .buckets = &one, .len = 1 };
	struct value y = { .kind = VALUE_HIST, .buckets = two, .len = 2 };

	(void)state;
	assert_true(value_compare(&a, &b) < 0);
	assert_true(value_compare(&x, &y) < 0);
	assert_true(value_compare(&x, &x) == 0);
	assert_int_equal(value_hist_total(&y), 110);
}

static const char *sorted(struct fixture *f, const struct value *keys, const struct value *items,
			  uint32_t n)
{
	struct value map = { .kind = VALUE_MAP, .keys = keys, .items = items, .len = n };

	value_sort_map(f->arena, &map);
	return text_of(f, map);
}

static void test_sort(void **state)
{
	struct fixture *f = *state;
	static const char *const names[] = { "n" };
	const struct value keys[] = { value_str("b", 1), value_str("a", 1), value_str("c", 1) };
	const struct value ints[] = { value_int(5), value_int(5), value_int(-1) };
	const struct value texts[] = { value_str("x", 1), value_str("z", 1), value_str("y", 1) };
	const struct value members[] = { value_int(3), value_int(2), value_int(1) };
	struct value rows[3];

	assert_string_equal(sorted(f, keys, ints, 3), "{ c: -1, a: 5, b: 5 }");
	assert_string_equal(sorted(f, keys, texts, 3), "{ a: z, b: x, c: y }");
	for (int i = 0; i < 3; i++)
		rows[i] = (struct value){
			.kind = VALUE_RECORD, .items = &members[i], .names = names, .len = 1
		};
	assert_string_equal(sorted(f, keys, rows, 3),
			    "{ a: { .n = 2 }, b: { .n = 3 }, c: { .n = 1 } }");
	for (int i = 0; i < 3; i++)
		rows[i].aggregated = true;
	assert_string_equal(sorted(f, keys, rows, 3),
			    "{ c: { .n = 1 }, a: { .n = 2 }, b: { .n = 3 } }");
	for (int i = 0; i < 3; i++)
		rows[i].row = true;
	assert_string_equal(sorted(f, keys, rows, 3),
			    "{ a: { .n = 2 }, b: { .n = 3 }, c: { .n = 1 } }");
	assert_string_equal(sorted(f, keys, ints, 0), "{}");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_integers),   TEST(test_scalars),  TEST(test_strings),
		TEST(test_buffers),    TEST(test_arrays),   TEST(test_structs),
		TEST(test_bit_fields), TEST(test_data_loc), TEST(test_tuples),
		TEST(test_hooks),      TEST(test_text),	    TEST(test_durations),
		TEST(test_members),    TEST(test_order),    TEST(test_order_of_records),
		TEST(test_sort),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
