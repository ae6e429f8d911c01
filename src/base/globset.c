/*
 * Shell patterns to bit masks; see the header for what the bits mean. It is the compile-time half of a matcher whose
 * other half runs in the kernel (bpf-runtime/name.bpf.c).
 */
#include "base/globset.h"

#include <string.h>

#define SET_BITS 64

/* One element other than `*`: the bytes that it matches, as 256 bits. */
struct element {
	uint64_t bytes[4];
};

static void element_add(struct element *element, unsigned first, unsigned last)
{
	for (unsigned c = first; c <= last; c++)
		element->bytes[c / 64] |= 1ull << c % 64;
}

static bool element_has(const struct element *element, unsigned c)
{
	return element->bytes[c / 64] >> c % 64 & 1;
}

/* One byte inside brackets, `\x` being x; returns what follows it. */
static const char *bracket_byte(const char *at, unsigned *byte)
{
	if (*at == '\\' && at[1])
		at++;
	*byte = (unsigned char)*at;
	return at + 1;
}

/* "[...]" after its bracket; returns what follows it, NULL: it is never closed, so that the bracket means itself. */
static const char *read_bracket(const char *at, struct element *element)
{
	bool negated = *at == '!' || *at == '^';
	const char *first = at += negated;

	while (*at != ']' || at == first) {
		unsigned from, to;

		if (!*at)
			return NULL;
		at = bracket_byte(at, &from);
		to = from;
		if (*at == '-' && at[1] && at[1] != ']')
			at = bracket_byte(at + 1, &to);
		element_add(element, from, to);
	}
	for (int i = 0; negated && i < 4; i++)
		element->bytes[i] = ~element->bytes[i];
	return at + 1;
}

static const char *read_element(const char *at, struct element *element)
{
	const char *after;

	*element = (struct element){ { 0 } };
	if (*at == '?') {
		element_add(element, 1, 255);
		return at + 1;
	}
	if (*at == '[') {
		after = read_bracket(at + 1, element);
		if (after)
			return after;
		*element = (struct element){ { 0 } };
	}
	if (*at == '\\' && at[1])
		at++;
	element_add(element, (unsigned char)*at, (unsigned char)*at);
	return at + 1;
}

size_t glob_length(const char *pattern, bool *open)
{
	struct element element;
	size_t n = 0;

	*open = false;
	while (*pattern) {
		if (*pattern == '*') {
			*open = true;
			pattern++;
			continue;
		}
		pattern = read_element(pattern, &element);
		n++;
	}
	return n;
}

uint64_t glob_set_add(struct glob_set *set, const char *pattern)
{
	struct element element;
	unsigned bit = set->used;
	bool open;

	if (glob_length(pattern, &open) >= SET_BITS - set->used)
		return 0;
	set->start |= 1ull << bit;
	while (*pattern) {
		if (*pattern == '*') {
			set->stay |= 1ull << bit;
			pattern++;
			continue;
		}
		pattern = read_element(pattern, &element);
		for (unsigned c = 1; c < 256; c++)
			if (element_has(&element, c))
				set->may[c] |= 1ull << bit;
		bit++;
	}
	set->used = bit + 1;
	return 1ull << bit;
}
