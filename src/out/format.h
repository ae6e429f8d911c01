#ifndef JB_OUT_FORMAT_H
#define JB_OUT_FORMAT_H
/*
 * printf formats (LANGUAGE: section 10): parsed once into directives, checked at compile time, applied to values.
 */
#include "base/mem.h"
#include "model/type.h"
#include "model/value.h"

struct format;

/* NULL: malformed, with a sentence in *problem (in the arena) and its place in *at (byte in text). */
struct format *format_parse(struct arena *arena, const char *text, const char **problem,
			    uint32_t *at);
unsigned format_arg_count(const struct format *format);
/* Does argument i accept this type? NULL: yes; else a sentence: "%d expects an integer, got string[16]". */
const char *format_check_arg(struct arena *arena, const struct format *format, unsigned i,
			     const struct type *type);
void format_print(struct buf *out, const struct format *format, const struct value *argv,
		  unsigned argc);

#endif
