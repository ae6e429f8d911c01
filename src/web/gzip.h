#ifndef JB_WEB_GZIP_H
#define JB_WEB_GZIP_H
/* Compression of responses (RFC 1952). */
#include <stdbool.h>

#include "base/mem.h"

/* Append `len` bytes as one gzip member, quickly rather than small. false: zlib could not; `out` is as before. */
bool gzip_add(struct buf *out, const void *bytes, size_t len);

#endif
