/* printf formats: what is accepted for which type, and the exact characters. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/feature.h"
#include "out/format.h"

static struct arena *arena_of(void **state)
{
	return *state;
}

static int set_up(void **state)
{
	*state = arena_new();
	return 0;
}

static int tear_down(void **state)
{
	arena_free(*state);
	return 0;
}

static const char *print(struct arena *arena, const char *text, const struct value *argv,
			 unsigned argc)
{
	const char *problem = NULL;
	uint32_t at = 0;
	struct buf buf = { 0 };
	struct format *format = format_parse(arena, text, &problem, &at);

	if (!format)
		return problem;
	assert_int_equal(format_arg_count(format), argc);
	buf_puts(&buf, "");
	format_print(&buf, format, argv, argc);

	const char *result = arena_strdup(arena, buf.data);

	buf_fini(&buf);
	return result;
}

#define assert_one(format, given, expected)                                                       \
	do {                                                                                      \
		const struct value argument_ = (given);                                           \
		assert_string_equal(print(arena_of(state), (format), &argument_, 1), (expected)); \
	} while (0)

static void test_literals(void **state)
{
	struct arena *arena = arena_of(state);
	const struct value argv[] = { value_int(1), value_str("x", 1) };

	assert_string_equal(print(arena, "", NULL, 0), "");
	assert_string_equal(print(arena, "plain\n", NULL, 0), "plain\n");
	assert_string_equal(print(arena, "100%%", NULL, 0), "100%");
	assert_string_equal(print(arena, "%%%d%%%s%%", argv, 2), "%1%x%");
	assert_string_equal(print(arena, "a %d b %s c", argv, 2), "a 1 b x c");
}

static void test_decimals(void **state)
{
	assert_one("%d", value_int(-5), "-5");
	assert_one("%i", value_int(0), "0");
	assert_one("%u", value_uint(4000000000u), "4000000000");
	assert_one("%d", value_uint(4000000000u), "-294967296");
	assert_one("%d", value_int(0x100000005), "5");
	assert_one("%u", value_int(-1), "4294967295");
	assert_one("%ld", value_int(INT64_MIN), "-9223372036854775808");
	assert_one("%lld", value_int(0x100000005), "4294967301");
	assert_one("%llu", value_int(-1), "18446744073709551615");
	assert_one("%jd", value_int(INT64_MAX), "9223372036854775807");
	assert_one("%zu", value_uint(99), "99");
	assert_one("%td", value_int(-99), "-99");
	assert_one("%hd", value_int(65537), "1");
	assert_one("%hhd", value_int(255), "-1");
	assert_one("%hhu", value_int(-1), "255");
	assert_one("%d", ((struct value){ .kind = VALUE_BOOL, .u = 1 }), "1");
	assert_one("%d", value_symbol("GREEN", 2), "2");
	assert_one("%d", value_real(3.9), "3");
	assert_one("%d", value_real(1e300), "0");
	assert_one("%5d|", value_str("abc", 3), "  abc|");
}

static void test_flags(void **state)
{
	assert_one("[%5d]", value_int(-42), "[  -42]");
	assert_one("[%-5d]", value_int(-42), "[-42  ]");
	assert_one("[%05d]", value_int(-42), "[-0042]");
	assert_one("[%-05d]", value_int(42), "[42   ]");
	assert_one("[%+d]", value_int(42), "[+42]");
	assert_one("[% d]", value_int(42), "[ 42]");
	assert_one("[%+ d]", value_int(42), "[+42]");
	assert_one("[%+u]", value_int(42), "[42]");
	assert_one("[%.5d]", value_int(-42), "[-00042]");
	assert_one("[%8.5d]", value_int(42), "[   00042]");
	assert_one("[%08.5d]", value_int(42), "[   00042]");
	assert_one("[%.0d]", value_int(0), "[]");
	assert_one("[%2d]", value_int(12345), "[12345]");
	assert_one("[%*d]", value_int(7), "[7]");
	assert_one("[%.*d]", value_int(7), "[7]");
}

static void test_bases(void **state)
{
	assert_one("%x", value_int(-1), "ffffffff");
	assert_one("%lx", value_int(-1), "ffffffffffffffff");
	assert_one("%X", value_int(0xbeef), "BEEF");
	assert_one("%#x", value_int(0xbeef), "0xbeef");
	assert_one("%#X", value_int(0xbeef), "0XBEEF");
	assert_one("%#x", value_int(0), "0");
	assert_one("[%#10x]", value_int(255), "[      0xff]");
	assert_one("[%#010x]", value_int(255), "[0x000000ff]");
	assert_one("%08x", value_int(255), "000000ff");
	assert_one("%o", value_int(8), "10");
	assert_one("%#o", value_int(8), "010");
	assert_one("%#o", value_int(0), "0");
	assert_one("%#.0o", value_int(0), "0");
	assert_one("%lo", value_int(-1), "1777777777777777777777");
	assert_one("%p", value_uint(0xffffffff81000000), "0xffffffff81000000");
	assert_one("%p", value_uint(0), "0x0");
	assert_one("[%20p]", value_uint(0xff), "[                0xff]");
	assert_one("%c", value_int('A'), "A");
	assert_one("[%3c]", value_int('A'), "[  A]");
	assert_one("[%-3c]", value_int('A'), "[A  ]");
}

static void test_strings(void **state)
{
	struct value cut = value_str("abc", 3);
	static const struct value pair[] = { { .kind = VALUE_INT, .i = 1 },
					     { .kind = VALUE_BOOL, .u = 1 } };

	cut.truncated = true;
	assert_one("[%s]", value_str("abc", 3), "[abc]");
	assert_one("[%16s]", value_str("abc", 3), "[             abc]");
	assert_one("[%-16s]", value_str("abc", 3), "[abc             ]");
	assert_one("[%-2s]", value_str("abc", 3), "[abc]");
	assert_one("[%.2s]", value_str("abc", 3), "[ab]");
	assert_one("[%-4.1s]", value_str("abc", 3), "[a   ]");
	assert_one("[%s]", cut, "[abc..]");
	assert_one("[%-7s]", cut, "[abc..  ]");
	assert_one("[%s]", value_int(-5), "[-5]");
	assert_one("[%5s]", value_int(-5), "[   -5]");
	assert_one("[%s]", value_symbol("do_exit+4", 1), "[do_exit+4]");
	assert_one("[%s]", ((struct value){ .kind = VALUE_TUPLE, .items = pair, .len = 2 }),
		   "[(1, true)]");
	assert_one("[%10s]", ((struct value){ .kind = VALUE_ARRAY, .items = pair, .len = 2 }),
		   "[  [1,true]]");
	assert_one("[%s]", value_real(0.25), "[0.25]");
}

static void test_buffers(void **state)
{
	const struct value bytes = { .kind = VALUE_BYTES, .text = "a\n\xfe", .len = 3 };
	const struct value empty = { .kind = VALUE_BYTES, .text = "", .len = 0 };

	assert_one("%r", bytes, "a\\x0a\\xfe");
	assert_one("%rx", bytes, "\\x61\\x0a\\xfe");
	assert_one("%rh", bytes, "61 0a fe");
	assert_one("%rh!", empty, "!");
	assert_one("[%10rh]", bytes, "[  61 0a fe]");
	assert_one("[%-12r]", bytes, "[a\\x0a\\xfe   ]");
	assert_one("%s", bytes, "a\\x0a\\xfe");
}

static void test_reals(void **state)
{
	assert_one("%f", value_real(1.5), "1.500000");
	assert_one("%.2f", value_real(-1.005e3), "-1005.00");
	assert_one("[%8.2f]", value_real(3.14159), "[    3.14]");
	assert_one("[%-8.2f]", value_real(3.14159), "[3.14    ]");
	assert_one("[%08.2f]", value_real(-3.14159), "[-0003.14]");
	assert_one("%e", value_real(12345.678), "1.234568e+04");
	assert_one("%g", value_real(0.0001), "0.0001");
	assert_one("%.1f", value_int(-2), "-2.0");
}

static const char *problem_of(struct arena *arena, const char *text, uint32_t *at)
{
	const char *problem = "none";

	return format_parse(arena, text, &problem, at) ? "none" : problem;
}

static void test_malformed(void **state)
{
	struct arena *arena = arena_of(state);
	uint32_t at = 0;

	assert_string_equal(
		problem_of(arena, "abc %", &at),
		"the format ends in the middle of a conversion; write %% for a percent sign");
	assert_int_equal(at, 4);
	problem_of(arena, "%%%d %-5ll", &at);
	assert_int_equal(at, 5);
	assert_string_equal(problem_of(arena, "50%k", &at),
			    "there is no conversion %k; write %% for a percent sign");
	assert_int_equal(at, 2);
	assert_string_equal(problem_of(arena, "50%\n", &at),
			    "a conversion letter must follow %; write %% for a percent sign");
	assert_string_equal(problem_of(arena, "%99999999999d", &at),
			    "a width or precision is at most 65535");
	assert_string_equal(problem_of(arena, "%gr", &at), "not supported yet: %gr");
	assert_string_equal(problem_of(arena, "%5.3lld", &at), "none");

	struct buf many = { 0 };

	for (int i = 0; i < 127; i++)
		buf_puts(&many, "%d");
	assert_string_equal(problem_of(arena, many.data, &at), "none");
	buf_puts(&many, "%d");
	assert_string_equal(problem_of(arena, many.data, &at),
			    "a format has at most 127 conversions");
	buf_fini(&many);
}

static void test_types(void **state)
{
	struct arena *arena = arena_of(state);
	struct types *types = types_new(arena);
	const char *problem = NULL;
	uint32_t at = 0;
	struct format *format = format_parse(arena, "%-5d %s %rh %f %p", &problem, &at);
	const struct type *text = type_str(types, 16);
	const struct type *number = type_u32();
	const struct type *bytes = type_buf(types, 16);

	assert_int_equal(format_arg_count(format), 5);
	assert_null(format_check_arg(arena, format, 0, number));
	assert_null(format_check_arg(arena, format, 0, type_bool()));
	assert_null(format_check_arg(arena, format, 0, type_error()));
	assert_null(format_check_arg(arena, format, 0, type_ptr(types, type_none(), SPACE_USER)));
	assert_string_equal(format_check_arg(arena, format, 0, text),
			    "%-5d expects an integer, got string[16]");
	assert_null(format_check_arg(arena, format, 1, number));
	assert_null(format_check_arg(arena, format, 1, text));
	assert_null(format_check_arg(arena, format, 1, bytes));
	assert_non_null(format_check_arg(arena, format, 1, type_none()));
	assert_null(format_check_arg(arena, format, 2, bytes));
	assert_string_equal(format_check_arg(arena, format, 2, number),
			    "%rh expects a buffer, got uint32");
	assert_string_equal(
		format_check_arg(arena, format, 3, number),
		"%f expects a floating-point number, which only an aggregation has, got uint32");
	assert_null(format_check_arg(arena, format, 4, number));
	assert_null(format_check_arg(arena, format, 9, number));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_literals), TEST(test_decimals), TEST(test_flags),
		TEST(test_bases),    TEST(test_strings),  TEST(test_buffers),
		TEST(test_reals),    TEST(test_types),	  TEST(test_malformed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
