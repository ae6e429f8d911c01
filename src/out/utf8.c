/* Well-formed byte sequences are those of table 3-7 of the Unicode standard. */
#include "out/utf8.h"

/* Bytes that follow this first one, and the range of the second; 0: no character begins so. */
static unsigned followers(unsigned char first, unsigned char *low, unsigned char *high)
{
	*low = 0x80;
	*high = 0xbf;
	if (first >= 0xc2 && first <= 0xdf)
		return 1;
	if (first >= 0xe0 && first <= 0xef) {
		if (first == 0xe0)
			*low = 0xa0; /* shorter forms exist */
		else if (first == 0xed)
			*high = 0x9f; /* surrogates */
		return 2;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		if (first == 0xf0)
			*low = 0x90;
		else if (first == 0xf4)
			*high = 0x8f; /* over U+10FFFF */
		return 3;
	}
	return 0;
}

size_t utf8_next(const char *text, size_t len, bool *valid)
{
	const unsigned char *byte = (const unsigned char *)text;
	unsigned char low, high;
	unsigned n = followers(byte[0], &low, &high);
	size_t done = 1;

	*valid = true;
	if (byte[0] < 0x80)
		return 1;
	while (done <= n && done < len && byte[done] >= low && byte[done] <= high) {
		low = 0x80;
		high = 0xbf;
		done++;
	}
	*valid = n && done == n + 1;
	return done;
}

size_t utf8_plain(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len) {
		unsigned char c = (unsigned char)text[n];

		if (c < ' ' || c > '~' || c == '"' || c == '\\')
			break;
		n++;
	}
	return n;
}
