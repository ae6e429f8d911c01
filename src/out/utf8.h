#ifndef JB_OUT_UTF8_H
#define JB_OUT_UTF8_H
/*
 * Strings of traced programs are bytes; formats that promise UTF-8 (RFC 3629) get it by these. Each byte that is not UTF-8
 * becomes a text such as \xff, as buf() prints it: then strings that differ are still written differently, which they
 * would not be with U+FFFD.
 */
#include <stdbool.h>
#include <stddef.h>

#define UTF8_ESCAPE "\\x%02x" /* printf's, for such a byte */

/* Bytes of the character at `text` (len > 0), or, *valid being false, of those that could have begun one. */
size_t utf8_next(const char *text, size_t len, bool *valid);
/* Without control characters, quotes or bytes over 127 among the first len? The count of bytes until the first such. */
size_t utf8_plain(const char *text, size_t len);

#endif
