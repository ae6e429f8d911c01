#ifndef JB_OUT_JSON_H
#define JB_OUT_JSON_H
/* Strings and numbers as JSON (RFC 8259), for what is not a record of the script. */
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* In quotes. Bytes that are not UTF-8 become texts such as \xff. */
void json_string(struct buf *out, const char *text, size_t len);
/* Readers keep numbers as doubles: one that a double does not hold exactly is written as a string. */
void json_uint(struct buf *out, uint64_t u);
void json_int(struct buf *out, int64_t i);
/* null when it is not finite. */
void json_real(struct buf *out, double real);

#endif
