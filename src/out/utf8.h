#ifndef JB_OUT_UTF8_H
#define JB_OUT_UTF8_H
/*
 * Strings of traced programs are bytes; formats that promise UTF-8 (RFC 3629) get it by these. What is not UTF-8
 * becomes U+FFFD, one for each maximal part that could have begun a character (Unicode, chapter 3.9).
 */
#include <stdbool.h>
#include <stddef.h>

#define UTF8_REPLACEMENT "\xef\xbf\xbd"

/* Bytes of the character at `text` (len > 0), or, *valid being false, of what U+FFFD stands for. */
size_t utf8_next(const char *text, size_t len, bool *valid);
/* Without control characters, quotes or bytes over 127 among the first len? The count of bytes until the first such. */
size_t utf8_plain(const char *text, size_t len);

#endif
