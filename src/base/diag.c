/*
 * Sources and diagnostics: keeps what was reported, and renders it as file:line:col, the source line and a
 * caret span. It never decides what is an error, and prints nothing until it is asked to.
 */
#include "base/diag.h"

#include <string.h>

#include "base/vec.h"

#define MAX_ERRORS   20
#define MAX_WARNINGS 200 /* beyond this they are dropped: nobody reads them */
#define MAX_SOURCE   (16u << 20)
#define WINDOW	     100 /* columns of a source line that are shown */
#define WINDOW_LEFT  40	 /* of these, before the caret when the line is cut */
#define TAB	     4

struct diag {
	enum diag_level level;
	struct span span;
	const char *text;
	VEC(const char *) hints;
};

/* A source and the offsets (in its text) where its lines begin. */
struct indexed_source {
	struct source source;
	const uint32_t *lines;
	uint32_t n_lines;
};

struct diags {
	struct arena *arena;
	struct source *sources, *last_source;
	uint32_t next_base; /* starts at 1, so that the span {0, 0} lies nowhere */
	VEC(struct diag) list;
	unsigned n_errors, n_warnings;
	bool dropping; /* the last one was not kept: neither are its notes and hints */
};

struct diags *diag_new(struct arena *arena)
{
	struct diags *diags = arena_new_of(arena, struct diags);

	diags->arena = arena;
	diags->next_base = 1;
	return diags;
}

static void index_lines(struct arena *arena, struct indexed_source *indexed)
{
	const char *text = indexed->source.text;
	uint32_t n = 1;

	for (size_t i = 0; i < indexed->source.len; i++)
		n += text[i] == '\n';

	uint32_t *lines = arena_alloc(arena, n * sizeof(*lines));

	indexed->lines = lines;
	indexed->n_lines = n;
	n = 1;
	for (size_t i = 0; i < indexed->source.len; i++)
		if (text[i] == '\n')
			lines[n++] = (uint32_t)i + 1;
}

static unsigned line_of_byte(const char *text, size_t offset)
{
	unsigned line = 1;

	for (size_t i = 0; i < offset; i++)
		line += text[i] == '\n';
	return line;
}

struct source *diag_add_source(struct diags *diags, const char *name, const char *text, size_t len)
{
	const char *nul = len ? memchr(text, '\0', len) : NULL;
	struct span nowhere = { 0, 0 };

	if (len > MAX_SOURCE || len >= UINT32_MAX - diags->next_base) {
		diag_error(diags, nowhere, "%s is too long: %zu bytes, at most %u are read", name,
			   len, MAX_SOURCE);
		return NULL;
	}
	if (nul) {
		size_t offset = (size_t)(nul - text);

		diag_error(diags, nowhere,
			   "%s is not a script: line %u holds a NUL byte (offset %zu)", name,
			   line_of_byte(text, offset), offset);
		return NULL;
	}

	struct indexed_source *indexed = arena_new_of(diags->arena, struct indexed_source);
	struct source *source = &indexed->source;

	source->name = arena_strdup(diags->arena, name);
	source->text = arena_strndup(diags->arena, text, len);
	source->len = len;
	source->base = diags->next_base;
	diags->next_base += (uint32_t)len + 1; /* the end of a file has an offset of its own */
	if (diags->last_source)
		diags->last_source->next = source;
	else
		diags->sources = source;
	diags->last_source = source;
	index_lines(diags->arena, indexed);
	return source;
}

static bool drop(struct diags *diags, enum diag_level level)
{
	if (level == DIAG_ERROR)
		diags->dropping = diags->n_errors >= MAX_ERRORS;
	else if (level == DIAG_WARNING)
		diags->dropping = diags->n_warnings >= MAX_WARNINGS;
	return diags->dropping;
}

static void report(struct diags *diags, enum diag_level level, struct span span, const char *fmt,
		   va_list ap)
{
	if (drop(diags, level))
		return;

	struct diag *diag = vec_grow(diags->arena, &diags->list);

	*diag = (struct diag){ .level = level, .span = span };
	diag->text = arena_vprintf(diags->arena, fmt, ap);
	diags->n_errors += level == DIAG_ERROR;
	diags->n_warnings += level == DIAG_WARNING;
}

void diag_error(struct diags *diags, struct span span, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(diags, DIAG_ERROR, span, fmt, ap);
	va_end(ap);
}

void diag_warn(struct diags *diags, struct span span, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(diags, DIAG_WARNING, span, fmt, ap);
	va_end(ap);
}

void diag_note(struct diags *diags, struct span span, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(diags, DIAG_NOTE, span, fmt, ap);
	va_end(ap);
}

void diag_hint(struct diags *diags, const char *fmt, ...)
{
	if (diags->dropping || !diags->list.n)
		return;

	struct diag *diag = &diags->list.data[diags->list.n - 1];
	va_list ap;

	va_start(ap, fmt);
	vec_push(diags->arena, &diag->hints, arena_vprintf(diags->arena, fmt, ap));
	va_end(ap);
}

void diag_hint_nearest(struct diags *diags, const char *nearest)
{
	if (nearest)
		diag_hint(diags, "did you mean '%s'?", nearest);
}

unsigned diag_errors(const struct diags *diags)
{
	return diags->n_errors;
}

bool diag_full(const struct diags *diags)
{
	return diags->n_errors >= MAX_ERRORS;
}

void diag_clear(struct diags *diags)
{
	diags->list.n = 0;
	diags->n_errors = diags->n_warnings = 0;
	diags->dropping = false;
}

static const struct indexed_source *find_source(const struct diags *diags, uint32_t offset)
{
	for (const struct source *source = diags->sources; source; source = source->next)
		if (offset >= source->base && offset - source->base <= source->len)
			return (const struct indexed_source *)source;
	return NULL;
}

/* Index of the line that holds byte `at` of the text. */
static uint32_t find_line(const struct indexed_source *indexed, uint32_t at)
{
	uint32_t low = 0, high = indexed->n_lines;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (indexed->lines[middle] <= at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

struct location diag_locate(const struct diags *diags, uint32_t offset)
{
	const struct indexed_source *indexed = find_source(diags, offset);

	if (!indexed)
		return (struct location){ NULL, 0, 0 };

	uint32_t at = offset - indexed->source.base;
	uint32_t line = find_line(indexed, at);

	return (struct location){ &indexed->source, line + 1, at - indexed->lines[line] + 1 };
}

const char *diag_where(const struct diags *diags, struct span span)
{
	struct location at = diag_locate(diags, span.begin);

	if (!at.source)
		return "(unknown place)";
	return arena_printf(diags->arena, "%s:%u:%u", at.source->name, at.line, at.column);
}

const char *diag_text(const struct diags *diags, struct arena *arena, struct span span)
{
	struct location at = diag_locate(diags, span.begin);
	size_t begin = at.source ? span.begin - at.source->base : 0;

	if (!at.source || span.end <= span.begin ||
	    begin + (span.end - span.begin) > at.source->len)
		return NULL;
	return arena_strndup(arena, at.source->text + begin, span.end - span.begin);
}

static bool is_continuation(char c)
{
	return ((unsigned char)c & 0xc0) == 0x80;
}

/* Columns a byte takes on the screen: tabs four, UTF-8 continuation bytes none. */
static size_t width_of(char c)
{
	if (c == '\t')
		return TAB;
	return !is_continuation(c);
}

static void put_source_byte(struct buf *out, char c)
{
	if (c == '\t')
		buf_fill(out, ' ', TAB);
	else
		buf_putc(out, (unsigned char)c < 0x20 || c == 0x7f ? ' ' : c);
}

/* One source line with its marks; [from, to) is the part of the line that is shown. */
struct shown {
	const char *line;
	size_t len, from, to;
	size_t begin, end; /* the marked bytes of the line */
};

/* Cut a long line to a window around the caret, at character boundaries. */
static void choose_window(struct shown *s)
{
	size_t width = 0;

	for (size_t i = 0; i < s->len && width <= WINDOW; i++)
		width += width_of(s->line[i]);
	s->from = 0;
	s->to = s->len;
	if (width <= WINDOW)
		return;
	s->from = s->begin > WINDOW_LEFT ? s->begin - WINDOW_LEFT : 0;
	while (s->from && is_continuation(s->line[s->from]))
		s->from--;
	for (width = 0, s->to = s->from; s->to < s->len && width < WINDOW; s->to++)
		width += width_of(s->line[s->to]);
	while (s->to < s->len && is_continuation(s->line[s->to]))
		s->to++;
}

static void put_caret(struct buf *marks, size_t width)
{
	buf_putc(marks, '^');
	if (width > 1)
		buf_fill(marks, '~', width - 1);
}

static void render_line(const struct shown *s, unsigned number, FILE *out)
{
	struct buf text = { 0 }, marks = { 0 };

	if (s->from) {
		buf_puts(&text, "...");
		buf_puts(&marks, "   ");
	}
	for (size_t i = s->from; i < s->to; i++) {
		size_t width = width_of(s->line[i]);

		put_source_byte(&text, s->line[i]);
		if (i < s->begin)
			buf_fill(&marks, ' ', width);
		else if (i == s->begin)
			put_caret(&marks, s->end > i ? width : 1);
		else if (i < s->end)
			buf_fill(&marks, '~', width);
	}
	if (s->begin >= s->to)
		buf_putc(&marks, '^');
	if (s->to < s->len)
		buf_puts(&text, "...");
	fprintf(out, "%5u | %s\n      | %s\n", number, text.len ? text.data : "", marks.data);
	buf_fini(&text);
	buf_fini(&marks);
}

static void print_source(const struct diags *diags, struct span span, FILE *out)
{
	const struct indexed_source *indexed = find_source(diags, span.begin);
	struct location at = diag_locate(diags, span.begin);
	uint32_t start = indexed->lines[at.line - 1];
	const char *line = indexed->source.text + start;
	struct shown s = { .line = line, .len = strcspn(line, "\n") };

	if (s.len && line[s.len - 1] == '\r')
		s.len--;
	s.begin = at.column - 1 < s.len ? at.column - 1 : s.len;
	s.end = s.begin;
	if (span.end > span.begin)
		s.end = s.begin + (span.end - span.begin);
	if (s.end > s.len)
		s.end = s.len; /* a span over several lines: the first one is shown */
	choose_window(&s);
	render_line(&s, at.line, out);
}

static void print_one(const struct diags *diags, const struct diag *diag, FILE *out)
{
	static const char *const levels[] = {
		[DIAG_ERROR] = "error",
		[DIAG_WARNING] = "warning",
		[DIAG_NOTE] = "note",
	};
	struct location at = diag_locate(diags, diag->span.begin);

	if (at.source)
		fprintf(out, "%s:%u:%u: ", at.source->name, at.line, at.column);
	fprintf(out, "%s: %s\n", levels[diag->level], diag->text);
	if (at.source)
		print_source(diags, diag->span, out);
	for (size_t i = 0; i < diag->hints.n; i++)
		fprintf(out, "      hint: %s\n", diag->hints.data[i]);
}

/* A note belongs to the error or warning before it; notes that stand alone go with the warnings. */
static void print_level(const struct diags *diags, enum diag_level level, FILE *out)
{
	enum diag_level current = DIAG_WARNING;
	const struct diag *diag;

	vec_each (diag, &diags->list) {
		if (diag->level != DIAG_NOTE)
			current = diag->level;
		if (current == level)
			print_one(diags, diag, out);
	}
}

void diag_print(const struct diags *diags, FILE *out)
{
	print_level(diags, DIAG_ERROR, out);
	if (diag_full(diags))
		fprintf(out, "error: stopped after %u errors\n", diags->n_errors);
	print_level(diags, DIAG_WARNING, out);
}
