/* Unit tests of src/base: arena, buffer, string map, nearest word, glob, and the rendering of diagnostics. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/strmap.h"
#include "base/vec.h"
#include "printed.h"

static void arena_zeroes_and_aligns(void **state)
{
	struct arena *arena = arena_new();

	(void)state;
	for (size_t size = 0; size < 200000; size = size * 2 + 1) {
		unsigned char *p = arena_alloc(arena, size);

		assert_int_equal((uintptr_t)p % 16, 0);
		for (size_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size);
	}
	arena_reset(arena);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(*(char *)arena_alloc(arena, 1 + (size_t)i), 0);
	assert_string_equal(arena_printf(arena, "%s-%d", "a", 5), "a-5");
	assert_string_equal(arena_strndup(arena, "hello", 2), "he");
	assert_string_equal(arena_strdup(arena, ""), "");
	arena_free(arena);
	arena_free(NULL);
}

static jmp_buf oom_jump;
static size_t oom_size;

static void oom_test_handler(size_t size)
{
	oom_size = size;
	longjmp(oom_jump, 1);
}

static void oom_calls_the_handler(void **state)
{
	(void)state;
	mem_set_oom_handler(oom_test_handler);
	if (!setjmp(oom_jump)) {
		struct buf buf = { 0 };

		buf_room(&buf, SIZE_MAX - 10);
		fail();
	}
	assert_true(oom_size == SIZE_MAX - 10);

	struct arena *volatile arena = arena_new();

	if (!setjmp(oom_jump)) {
		arena_alloc(arena, SIZE_MAX - 4);
		fail();
	}
	assert_true(oom_size == SIZE_MAX - 4);
	arena_free(arena);
	mem_set_oom_handler(NULL);
}

static void buf_grows_and_terminates(void **state)
{
	struct buf buf = { 0 };

	(void)state;
	buf_reset(&buf);
	assert_null(buf.data);
	buf_puts(&buf, "ab");
	buf_putc(&buf, 'c');
	buf_fill(&buf, '.', 3);
	buf_printf(&buf, "%05d", 42);
	buf_add(&buf, "x\0y", 3);
	assert_int_equal(buf.len, 14);
	assert_memory_equal(buf.data, "abc...00042x\0y", 15);
	buf_reset(&buf);
	assert_string_equal(buf.data, "");
	for (int i = 0; i < 10000; i++)
		buf_printf(&buf, "%d,", i);
	assert_int_equal(buf.len, 48890);
	assert_int_equal(strlen(buf.data), buf.len);
	buf_fini(&buf);
	assert_null(buf.data);
}

static void vec_keeps_what_was_pushed(void **state)
{
	struct arena *arena = arena_new();
	VEC(int) vec = { 0 };
	int *p, sum = 0;

	(void)state;
	for (int i = 0; i < 1000; i++)
		vec_push(arena, &vec, i);
	vec_each (p, &vec)
		sum += *p;
	assert_int_equal(vec.n, 1000);
	assert_int_equal(sum, 499500);
	arena_free(arena);
}

static void strmap_keeps_order(void **state)
{
	struct arena *arena = arena_new();
	struct strmap *map = strmap_new(arena);
	static int values[3000];
	char key[16];
	void *value;

	(void)state;
	assert_null(strmap_get(map, "nothing"));
	for (int i = 0; i < 3000; i++) {
		snprintf(key, sizeof(key), "key%d", i);
		strmap_put(map, key, &values[i]);
	}
	strmap_put(map, "key7", &values[0]);
	assert_int_equal(strmap_len(map), 3000);
	assert_ptr_equal(strmap_get(map, "key7"), &values[0]);
	assert_ptr_equal(strmap_get(map, "key2999"), &values[2999]);
	assert_null(strmap_get(map, "key3000"));
	assert_string_equal(strmap_at(map, 7, &value), "key7");
	assert_ptr_equal(value, &values[0]);
	assert_string_equal(strmap_at(map, 2998, NULL), "key2998");
	assert_null(strmap_at(map, 3000, &value));
	arena_free(arena);
}

static const char *nearest_of(const char *word, const char *const *candidates)
{
	struct nearest nearest;

	nearest_init(&nearest, word);
	for (; *candidates; candidates++)
		nearest_try(&nearest, *candidates);
	return nearest.best;
}

static void nearest_finds_typos(void **state)
{
	static const char *const words[] = { "count", "kprobe", "tracepoint", "sum",
					     "hist",  "lhist",	NULL };

	(void)state;
	assert_string_equal(nearest_of("cuont", words), "count");
	assert_string_equal(nearest_of("kprob", words), "kprobe");
	assert_string_equal(nearest_of("KPROBE", words), "kprobe");
	assert_string_equal(nearest_of("tarcepiont", words), "tracepoint");
	assert_string_equal(nearest_of("sun", words), "sum");
	assert_string_equal(nearest_of("lhits", words), "lhist");
	assert_null(nearest_of("uprobes2", words));
	assert_null(nearest_of("xy", words));
	assert_null(nearest_of("", words));
	assert_null(nearest_of("a-word-that-is-longer-than-any-name-could-ever-be-in-this-language",
			       words));
}

static void glob_only_knows_stars(void **state)
{
	(void)state;
	assert_true(glob_match("vfs_*", "vfs_read"));
	assert_true(glob_match("*", ""));
	assert_true(glob_match("a*b*c", "aXXbYYbZc"));
	assert_true(glob_match("*read", "vfs_read"));
	assert_true(glob_match("a?[b]", "a?[b]"));
	assert_true(glob_match("**x**", "x"));
	assert_false(glob_match("vfs_*", "xvfs_read"));
	assert_false(glob_match("a?c", "abc"));
	assert_false(glob_match("abc", "abcd"));
	assert_false(glob_match("a*b", "abc"));
	assert_false(glob_match("", "a"));
	assert_true(glob_match("*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
	assert_true(glob_is("a*"));
	assert_false(glob_is("a?"));
}

static void assert_printed(const struct diags *diags, const char *expected)
{
	char *text = printed(diags);

	assert_string_equal(text, expected);
	free(text);
}

static struct span span_at(const struct source *source, uint32_t begin, uint32_t end)
{
	return (struct span){ source->base + begin, source->base + end };
}

static void diag_shows_the_line(void **state)
{
	struct arena *arena = arena_new();
	struct diags *diags = diag_new(arena);
	const char *text = "a\n\tif (comm == pid) {\r\nend";
	const struct source *one = diag_add_source(diags, "one.jt", text, strlen(text));
	const struct source *two = diag_add_source(diags, "two.jt", "x\xc3\xa9 y", 5);

	(void)state;
	diag_warn(diags, span_at(two, 4, 5), "careful");
	diag_error(diags, span_at(one, 7, 18), "cannot compare '%s' with '%s'", "string[16]",
		   "u64");
	diag_hint(diags, "use str() or compare with a string literal");
	diag_hint_nearest(diags, NULL);
	diag_note(diags, span_at(one, 0, 0), "it begins here");
	diag_error(diags, span_at(one, 23, 26), "last line");
	diag_hint_nearest(diags, "END");
	assert_int_equal(diag_errors(diags), 2);
	assert_string_equal(diag_where(diags, span_at(one, 7, 8)), "one.jt:2:6");
	assert_printed(diags, "one.jt:2:6: error: cannot compare 'string[16]' with 'u64'\n"
			      "    2 |     if (comm == pid) {\n"
			      "      |         ^~~~~~~~~~~\n"
			      "      hint: use str() or compare with a string literal\n"
			      "one.jt:1:1: note: it begins here\n"
			      "    1 | a\n"
			      "      | ^\n"
			      "one.jt:3:1: error: last line\n"
			      "    3 | end\n"
			      "      | ^~~\n"
			      "      hint: did you mean 'END'?\n"
			      "two.jt:1:5: warning: careful\n"
			      "    1 | x\xc3\xa9 y\n"
			      "      |    ^\n");
	diag_clear(diags);
	assert_int_equal(diag_errors(diags), 0);
	assert_printed(diags, "");
	assert_int_equal(diag_locate(diags, two->base).line, 1);
	arena_free(arena);
}

static void diag_handles_odd_spans(void **state)
{
	struct arena *arena = arena_new();
	struct diags *diags = diag_new(arena);
	const struct source *source = diag_add_source(diags, "s", "one\n\ntwo\n", 9);
	const struct source *empty = diag_add_source(diags, "empty", "", 0);

	(void)state;
	diag_error(diags, span_at(source, 1, 7), "over lines");
	diag_error(diags, span_at(source, 4, 4), "empty line");
	diag_error(diags, span_at(source, 3, 3), "at the end of a line");
	diag_error(diags, span_at(source, 9, 9), "at the end");
	diag_error(diags, span_at(empty, 0, 0), "nothing");
	diag_error(diags, (struct span){ 0, 0 }, "nowhere");
	diag_error(diags, (struct span){ 5000, 5001 }, "far away");
	assert_printed(diags, "s:1:2: error: over lines\n    1 | one\n      |  ^~\n"
			      "s:2:1: error: empty line\n    2 | \n      | ^\n"
			      "s:1:4: error: at the end of a line\n    1 | one\n      |    ^\n"
			      "s:4:1: error: at the end\n    4 | \n      | ^\n"
			      "empty:1:1: error: nothing\n    1 | \n      | ^\n"
			      "error: nowhere\n"
			      "error: far away\n");
	assert_null(diag_locate(diags, 0).source);
	assert_string_equal(diag_where(diags, (struct span){ 0, 0 }), "(unknown place)");
	arena_free(arena);
}

static void diag_cuts_long_lines(void **state)
{
	struct arena *arena = arena_new();
	struct diags *diags = diag_new(arena);
	size_t len = 1 << 20;
	char *text = malloc(len);

	(void)state;
	memset(text, 'a', len);
	text[500000] = 'X';

	const struct source *source = diag_add_source(diags, "long", text, len);

	diag_error(diags, span_at(source, 500000, 500001), "there");

	char *out = printed(diags);

	assert_true(strlen(out) < 300);
	assert_non_null(strstr(out, "long:1:500001: error: there\n    1 | ...aaa"));
	assert_non_null(strstr(out, "aaa...\n"));

	const char *line = strstr(out, "    1 | "), *marks = strstr(out, "      | ");

	assert_int_equal(strchr(line, 'X') - line, strchr(marks, '^') - marks);
	free(out);
	free(text);
	arena_free(arena);
}

static void diag_refuses_what_is_no_text(void **state)
{
	struct arena *arena = arena_new();
	struct diags *diags = diag_new(arena);
	size_t len = (16u << 20) + 1;
	char *text = calloc(1, len);

	(void)state;
	assert_null(diag_add_source(diags, "nul.jt", "begin\n{ \0 }", 11));
	memset(text, ' ', len);
	assert_null(diag_add_source(diags, "big.jt", text, len));
	assert_printed(diags,
		       "error: nul.jt is not a script: line 2 holds a NUL byte (offset 8)\n"
		       "error: big.jt is too long: 16777217 bytes, at most 16777216 are read\n");
	free(text);
	arena_free(arena);
}

static void diag_stops_at_twenty(void **state)
{
	struct arena *arena = arena_new();
	struct diags *diags = diag_new(arena);

	(void)state;
	for (int i = 0; i < 30; i++) {
		assert_int_equal(diag_full(diags), i >= 20);
		diag_error(diags, (struct span){ 0, 0 }, "number %d", i);
		diag_hint(diags, "hint %d", i);
	}
	diag_warn(diags, (struct span){ 0, 0 }, "warned");
	assert_int_equal(diag_errors(diags), 20);

	char *out = printed(diags);

	assert_non_null(strstr(out, "error: number 19\n      hint: hint 19\nerror: stopped after "
				    "20 errors\nwarning: warned\n"));
	assert_null(strstr(out, "20\n "));
	free(out);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(arena_zeroes_and_aligns),
		cmocka_unit_test(oom_calls_the_handler),
		cmocka_unit_test(buf_grows_and_terminates),
		cmocka_unit_test(vec_keeps_what_was_pushed),
		cmocka_unit_test(strmap_keeps_order),
		cmocka_unit_test(nearest_finds_typos),
		cmocka_unit_test(glob_only_knows_stars),
		cmocka_unit_test(diag_shows_the_line),
		cmocka_unit_test(diag_handles_odd_spans),
		cmocka_unit_test(diag_cuts_long_lines),
		cmocka_unit_test(diag_refuses_what_is_no_text),
		cmocka_unit_test(diag_stops_at_twenty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
