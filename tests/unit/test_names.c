/*
 * Patterns for names of threads: base/globset.c and the kernel's half of it, bpf-runtime/name.bpf.c, against
 * fnmatch(3) of the C library.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <fnmatch.h>

#include "base/globset.h"
#include "bpf_host.h"
#include "bpf-runtime/name.bpf.c"

struct name {
	_Alignas(8) char text[16];
};

static struct name name_of(const char *text)
{
	struct name name = { { 0 } };

	memcpy(name.text, text, strnlen(text, 15));
	return name;
}

static bool matches(const char *pattern, const char *text)
{
	struct glob_set set = { .used = 0 };
	uint64_t accept = glob_set_add(&set, pattern);
	struct name name = name_of(text);

	assert_true(accept != 0);
	return jb_name_match(name.text, set.may, set.start, set.stay) & accept;
}

static void known_cases(void **state)
{
	static const struct {
		const char *pattern, *text;
		bool matches;
	} cases[] = {
		{ "", "", true },
		{ "", "a", false },
		{ "*", "", true },
		{ "*", "kworker/0:1-ev", true },
		{ "**", "x", true },
		{ "ffmpeg", "ffmpeg", true },
		{ "ffmpeg", "ffmpeg2", false },
		{ "ffmpeg", "ffmpe", false },
		{ "ff*", "ffmpeg", true },
		{ "*eg", "ffmpeg", true },
		{ "f*p*g", "ffmpeg", true },
		{ "f*x*g", "ffmpeg", false },
		{ "*a*b", "aab", true },
		{ "*a*b", "aabc", false },
		{ "??", "ab", true },
		{ "??", "a", false },
		{ "[a-c]x", "bx", true },
		{ "[a-c]x", "dx", false },
		{ "[!a-c]x", "dx", true },
		{ "[^a-c]x", "ax", false },
		{ "[]x]", "]", true },
		{ "[!]x]", "]", false },
		{ "[a-]", "-", true },
		{ "[ab", "[ab", true },
		{ "\\*", "*", true },
		{ "\\*", "a", false },
		{ "[\\]]", "]", true },
		{ "123456789012345", "123456789012345", true },
		{ "12345678901234?", "123456789012345", true },
		{ "*5", "123456789012345", true },
		{ "\xc3*", "\xc3\xa4", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (matches(cases[i].pattern, cases[i].text) != cases[i].matches)
			fail_msg("'%s' and '%s'", cases[i].pattern, cases[i].text);
}

static unsigned next_random(unsigned *seed)
{
	*seed = *seed * 1103515245 + 12345;
	return *seed >> 16;
}

static void random_text(unsigned *seed, const char *alphabet, unsigned max, char *text)
{
	unsigned n = next_random(seed) % (max + 1);

	for (unsigned i = 0; i < n; i++)
		text[i] = alphabet[next_random(seed) % strlen(alphabet)];
	text[n] = '\0';
}

/* Few letters, so that many patterns match; brackets come whole, for broken ones are known_cases' business. */
static void random_pattern(unsigned *seed, char *text)
{
	static const char *const parts[] = {
		"a", "b", "c", "*", "*", "?", "[ab]", "[!a]", "[b-c]", "\\*", "-",
	};
	unsigned n = next_random(seed) % 9;

	*text = '\0';
	while (n--)
		strcat(text, parts[next_random(seed) % (sizeof(parts) / sizeof(parts[0]))]);
}

static void as_fnmatch(void **state)
{
	unsigned seed = 7, n_matching = 0;
	char pattern[64], text[16];

	(void)state;
	for (int i = 0; i < 200000; i++) {
		bool want;

		random_pattern(&seed, pattern);
		random_text(&seed, "abc*-", 8, text);
		want = fnmatch(pattern, text, 0) == 0;
		n_matching += want;
		if (matches(pattern, text) != want)
			fail_msg("'%s' and '%s': fnmatch says %d", pattern, text, want);
	}
	assert_true(n_matching > 5000 && n_matching < 195000);
}

/* Several patterns in one set do not disturb each other, and one that finds no room leaves it as it was. */
static void several_at_once(void **state)
{
	unsigned seed = 11;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		struct glob_set set = { .used = 0 };
		char patterns[16][64], text[16];
		uint64_t accept[16], got;
		struct name name;
		unsigned n = 0;

		do
			random_pattern(&seed, patterns[n]);
		while ((accept[n] = glob_set_add(&set, patterns[n])) && ++n < 16);
		assert_true(n >= 6);
		random_text(&seed, "abc", 6, text);
		name = name_of(text);
		got = jb_name_match(name.text, set.may, set.start, set.stay);
		for (unsigned p = 0; p < n; p++)
			if (!!(got & accept[p]) != (fnmatch(patterns[p], text, 0) == 0))
				fail_msg("pattern %u, '%s', and '%s'", p, patterns[p], text);
	}
}

static void lengths(void **state)
{
	struct glob_set set = { .used = 0 };
	char longest[80];
	bool open;

	(void)state;
	assert_int_equal(glob_length("abc", &open), 3);
	assert_false(open);
	assert_int_equal(glob_length("a*[b-d]\\*?", &open), 4);
	assert_true(open);
	memset(longest, 'x', 64);
	longest[64] = '\0';
	assert_true(glob_set_add(&set, longest) == 0 && set.used == 0);
	longest[63] = '\0';
	assert_true(glob_set_add(&set, longest) == 1ull << 63);
	assert_true(glob_set_add(&set, "") == 0);
}

static void whole_words(void **state)
{
	struct name name = name_of("ffmpeg"), longer = name_of("ffmpeg-2");
	uint64_t text = 0;

	(void)state;
	memcpy(&text, "ffmpeg", 6);
	assert_true(jb_name_equal(name.text, text, (1ull << 56) - 1, 0, 0));
	assert_false(jb_name_equal(longer.text, text, (1ull << 56) - 1, 0, 0));
	assert_true(jb_name_equal(longer.text, text, (1ull << 48) - 1, 0, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_cases),	   cmocka_unit_test(as_fnmatch),
		cmocka_unit_test(several_at_once), cmocka_unit_test(lengths),
		cmocka_unit_test(whole_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
