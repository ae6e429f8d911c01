#ifndef JB_BASE_DIAG_H
#define JB_BASE_DIAG_H
/*
 * Sources, spans and diagnostics. Every source has a base in one space of byte offsets, so a span is two
 * numbers wherever it comes from. Nothing is printed until diag_print.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"

struct span {
	uint32_t begin, end; /* byte offsets, end exclusive, in the space shared by all sources */
};

struct source {
	const char *name; /* "stdin" for -e and - */
	const char *text; /* NUL-terminated after len bytes */
	size_t len;
	uint32_t base; /* offset of text[0] in the shared space */
	struct source *next;
};

enum diag_level { DIAG_ERROR, DIAG_WARNING, DIAG_NOTE };

struct diags;

struct diags *diag_new(struct arena *arena);
/* The text is copied. Returns NULL, with a diagnostic, when the text holds NUL bytes or is over 16 MiB. */
struct source *diag_add_source(struct diags *diags, const char *name, const char *text, size_t len);

/* Report; each of these appends. A hint belongs to the diagnostic before it. */
void diag_error(struct diags *diags, struct span span, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_warn(struct diags *diags, struct span span, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_note(struct diags *diags, struct span span, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void diag_hint(struct diags *diags, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "did you mean 'x'?" when the nearest word is near enough; nothing otherwise. */
void diag_hint_nearest(struct diags *diags, const char *nearest);

unsigned diag_errors(const struct diags *diags);
/* At most 20 errors are kept; true once there are that many: stop looking for more. */
bool diag_full(const struct diags *diags);

/* Errors first, then warnings, in order of report; with the source line and a caret span. */
void diag_print(const struct diags *diags, FILE *out);
/* Forget what has been reported, keep the sources: for messages while running. */
void diag_clear(struct diags *diags);

struct location {
	const struct source *source;
	unsigned line, column; /* from 1; column counts bytes */
};
struct location diag_locate(const struct diags *diags, uint32_t offset);
/* "file:line:col", in the arena of the diags. */
const char *diag_where(const struct diags *diags, struct span span);
/* What the source says there, copied into the arena; NULL: nothing. */
const char *diag_text(const struct diags *diags, struct arena *arena, struct span span);

static inline struct span span_join(struct span a, struct span b)
{
	return (struct span){ a.begin, b.end };
}

#endif
