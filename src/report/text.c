/*
 * A document for a terminal: aligned columns, bars of blocks (or of # where the terminal shows no UTF-8). Where a grid is
 * wider than the terminal, its optional columns go first, then the names are cut.
 */
#include "report/doc.h"

#include <ctype.h>
#include <math.h>

#include "report/when.h"

enum { INDENT = 2, GAP = 2, BAR_MIN = 8, BAR_MAX = 24, NAME_MIN = 12 };

struct text_out {
	struct buf *out;
	const struct text_style *style;
	struct arena *arena;
};

/* --- width --- */

static unsigned char_width(const char *text, unsigned n)
{
	const unsigned char *at = (const unsigned char *)text;
	uint32_t code = n == 1	 ? at[0]
			: n == 2 ? (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu)
			: n == 3 ? (at[0] & 0xfu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu)
				 : 0x10000 | (at[0] & 7u) << 18 | (at[1] & 0x3fu) << 12;

	if (code >= 0x300 && code < 0x370)
		return 0; /* accents that stand on the character before */
	return (code >= 0x1100 && code < 0x1160) || (code >= 0x2e80 && code < 0xa4d0) ||
			       (code >= 0xac00 && code < 0xd7a4) ||
			       (code >= 0xf900 && code < 0xfb00) ||
			       (code >= 0xfe30 && code < 0xfe70) ||
			       (code >= 0xff00 && code < 0xff61) ||
			       (code >= 0x1f300 && code < 0x1fb00) ||
			       (code >= 0x20000 && code < 0x40000)
		       ? 2
		       : 1;
}

/* Of text that text_put_safe has written. */
static unsigned text_width(const char *text, size_t len)
{
	unsigned width = 0;

	for (size_t i = 0; i < len;) {
		unsigned n = utf8_len(text + i, len - i);

		width += n ? char_width(text + i, n) : 1;
		i += n ? n : 1;
	}
	return width;
}

/* --- grids --- */

/* A cell as it will be shown. */
struct shown {
	const char *text;
	size_t len;
	unsigned width;
};

struct laid {
	const struct block *grid;
	struct shown *cells; /* n_rows * n_columns */
	unsigned *widths;    /* of columns; 0: not shown */
	double *largest;     /* number of each bar column */
};

static struct shown show(struct text_out *text, const struct cell *cell)
{
	struct buf out = { 0 };
	struct shown shown = { .text = "" };

	cell_put(&out, cell);
	if (out.len) {
		shown.text = arena_strndup(text->arena, out.data, out.len);
		shown.len = out.len;
		shown.width = text_width(out.data, out.len);
	}
	buf_fini(&out);
	return shown;
}

static struct shown show_title(struct text_out *text, const struct doc_column *column)
{
	struct cell cell = cell_text(column->bar ? "" : column->title);

	return show(text, &cell);
}

static unsigned grid_width(const struct laid *laid)
{
	unsigned width = INDENT, shown = 0;

	for (unsigned i = 0; i < laid->grid->n_columns; i++) {
		width += laid->widths[i];
		shown += laid->widths[i] > 0;
	}
	return width + (shown ? shown - 1 : 0) * GAP;
}

static void measure(struct text_out *text, struct laid *laid)
{
	const struct block *grid = laid->grid;

	for (unsigned i = 0; i < grid->n_columns; i++) {
		const struct doc_column *column = &grid->columns[i];

		laid->widths[i] = column->bar ? BAR_MIN : show_title(text, column).width;
		for (size_t r = 0; r < grid->rows.n; r++) {
			const struct cell *cell = &grid->rows.data[r][i];
			struct shown *shown = &laid->cells[r * grid->n_columns + i];

			if (column->bar) {
				laid->largest[i] = fmax(laid->largest[i], (double)cell->number);
				continue;
			}
			*shown = show(text, cell);
			if (shown->width > laid->widths[i])
				laid->widths[i] = shown->width;
		}
	}
}

/* The widest column of names gives. False: none can. */
static bool cut_names(struct laid *laid, unsigned over)
{
	unsigned widest = 0, room;

	for (unsigned i = 0; i < laid->grid->n_columns; i++)
		if (laid->grid->columns[i].left && laid->widths[i] > laid->widths[widest])
			widest = i;
	if (!laid->grid->columns[widest].left || laid->widths[widest] <= NAME_MIN)
		return false;
	room = laid->widths[widest] - NAME_MIN;
	laid->widths[widest] -= over < room ? over : room;
	return true;
}

static void fit(struct text_out *text, struct laid *laid)
{
	unsigned limit = text->style->width;

	for (unsigned i = laid->grid->n_columns; i-- > 0 && grid_width(laid) > limit;)
		if (laid->grid->columns[i].optional)
			laid->widths[i] = 0;
	for (unsigned i = 0; i < laid->grid->n_columns && grid_width(laid) > limit; i++)
		if (!cut_names(laid, grid_width(laid) - limit))
			break;
	for (unsigned i = 0; i < laid->grid->n_columns; i++)
		if (laid->grid->columns[i].bar && laid->widths[i])
			while (laid->widths[i] < BAR_MAX && grid_width(laid) < limit)
				laid->widths[i]++;
}

/* As much of both ends as there is room for: paths differ at their ends. */
static void put_cut(struct text_out *text, const struct shown *shown, unsigned width)
{
	const char *dots = text->style->unicode ? "\xe2\x80\xa6" : "~";
	unsigned head = (width - 1) / 2, tail = width - 1 - head, seen = 0, put = 0;
	size_t i = 0, from;

	while (i < shown->len) {
		unsigned n = utf8_len(shown->text + i, shown->len - i);
		unsigned w = n ? char_width(shown->text + i, n) : 1;

		if (seen + w > head)
			break;
		seen += w;
		i += n ? n : 1;
	}
	buf_add(text->out, shown->text, i);
	buf_puts(text->out, dots);
	for (from = i; text_width(shown->text + from, shown->len - from) > tail;)
		from += utf8_len(shown->text + from, shown->len - from)
				? utf8_len(shown->text + from, shown->len - from)
				: 1;
	buf_add(text->out, shown->text + from, shown->len - from);
	put = seen + 1 + text_width(shown->text + from, shown->len - from);
	if (put < width)
		buf_fill(text->out, ' ', width - put);
}

static void put_bar(struct text_out *text, double share, unsigned width)
{
	static const char *const parts[] = { "",
					     "\xe2\x96\x8f",
					     "\xe2\x96\x8e",
					     "\xe2\x96\x8d",
					     "\xe2\x96\x8c",
					     "\xe2\x96\x8b",
					     "\xe2\x96\x8a",
					     "\xe2\x96\x89" };
	unsigned eighths = isfinite(share) && share > 0 ? (unsigned)(share * width * 8) : 0;

	if (!text->style->unicode) {
		buf_fill(text->out, '#', eighths / 8);
		return;
	}
	for (unsigned i = 0; i < eighths / 8; i++)
		buf_puts(text->out, "\xe2\x96\x88");
	buf_puts(text->out, parts[eighths % 8]);
}

static void put_padded(struct text_out *text, const struct shown *shown, unsigned width, bool left)
{
	unsigned pad = shown->width < width ? width - shown->width : 0;

	if (shown->width > width) {
		put_cut(text, shown, width);
		return;
	}
	if (!left)
		buf_fill(text->out, ' ', pad);
	buf_add(text->out, shown->text, shown->len);
	if (left)
		buf_fill(text->out, ' ', pad);
}

static void trim(struct buf *out)
{
	while (out->len && out->data[out->len - 1] == ' ')
		out->len--;
	buf_putc(out, '\n');
}

static void put_titles(struct text_out *text, const struct laid *laid)
{
	const struct block *grid = laid->grid;

	buf_fill(text->out, ' ', INDENT - GAP);
	for (unsigned i = 0; i < grid->n_columns; i++) {
		struct shown shown = show_title(text, &grid->columns[i]);
		char *title = arena_strndup(text->arena, shown.text, shown.len);

		if (!laid->widths[i])
			continue;
		for (char *at = title; *at && !grid->columns[i].name; at++)
			*at = (char)toupper((unsigned char)*at);
		shown.text = title;
		buf_fill(text->out, ' ', GAP);
		put_padded(text, &shown, laid->widths[i], grid->columns[i].left);
	}
	trim(text->out);
}

static void put_row(struct text_out *text, const struct laid *laid, size_t row)
{
	const struct block *grid = laid->grid;

	buf_fill(text->out, ' ', INDENT - GAP);
	for (unsigned i = 0; i < grid->n_columns; i++) {
		const struct cell *cell = &grid->rows.data[row][i];

		if (!laid->widths[i])
			continue;
		buf_fill(text->out, ' ', GAP);
		if (grid->columns[i].bar && i + 1 == grid->n_columns)
			put_bar(text, (double)cell->number / laid->largest[i], laid->widths[i]);
		else if (!grid->columns[i].bar)
			put_padded(text, &laid->cells[row * grid->n_columns + i], laid->widths[i],
				   grid->columns[i].left);
	}
	trim(text->out);
}

/* From here, which is `indent` from the left, broken where it reaches the terminal's edge. */
static void put_words(struct text_out *text, const struct shown *words, unsigned indent)
{
	const struct shown shown = *words;
	unsigned width = indent;

	for (size_t i = 0; i < shown.len;) {
		size_t len = strcspn(shown.text + i, " ");
		unsigned word = text_width(shown.text + i, len);

		if (width > indent && width + 1 + word > text->style->width) {
			buf_putc(text->out, '\n');
			buf_fill(text->out, ' ', indent);
			width = indent;
		}
		buf_puts(text->out, width > indent ? " " : "");
		width += (width > indent) + word;
		buf_add(text->out, shown.text + i, len);
		i += len + (i + len < shown.len);
	}
	buf_putc(text->out, '\n');
}

static void put_wrapped(struct text_out *text, const char *sentence, unsigned indent)
{
	struct cell cell = cell_text(sentence);
	struct shown shown = show(text, &cell);

	buf_fill(text->out, ' ', indent);
	put_words(text, &shown, indent);
}

/* What was left out for want of room. */
static void put_left_out(struct text_out *text, const struct laid *laid)
{
	struct buf list = { 0 };

	for (unsigned i = 0; i < laid->grid->n_columns; i++)
		if (!laid->widths[i])
			buf_printf(&list, "%s%s", list.len ? ", " : "(no room for ",
				   laid->grid->columns[i].title);
	if (list.len) {
		buf_putc(&list, ')');
		put_wrapped(text, list.data, INDENT);
	}
	buf_fini(&list);
}

static void put_grid(struct text_out *text, const struct block *grid)
{
	struct laid laid = { .grid = grid };

	laid.cells = arena_alloc(text->arena,
				 (grid->rows.n * grid->n_columns + 1) * sizeof(*laid.cells));
	laid.widths = arena_alloc(text->arena, grid->n_columns * sizeof(*laid.widths));
	laid.largest = arena_alloc(text->arena, grid->n_columns * sizeof(*laid.largest));
	measure(text, &laid);
	fit(text, &laid);
	put_titles(text, &laid);
	for (size_t row = 0; row < grid->rows.n; row++)
		put_row(text, &laid, row);
	put_left_out(text, &laid);
}

/* --- facts --- */

static void put_facts(struct text_out *text, const struct block *block)
{
	unsigned title_width = 0, indent;

	for (size_t i = 0; i < block->facts.n; i++) {
		const char *title = block->facts.data[i].title;
		unsigned width = text_width(title, strlen(title));

		title_width = width > title_width ? width : title_width;
	}
	indent = INDENT + title_width + GAP;
	for (size_t i = 0; i < block->facts.n; i++) {
		const struct fact *fact = &block->facts.data[i];
		struct shown title = { fact->title, strlen(fact->title),
				       text_width(fact->title, strlen(fact->title)) };
		struct shown cell = show(text, &fact->cell);

		buf_fill(text->out, ' ', INDENT);
		put_padded(text, &title, title_width, true);
		buf_fill(text->out, ' ', GAP);
		if (fact->note)
			cell.text = arena_printf(text->arena, "%s (%s)", cell.text, fact->note);
		cell.len = strlen(cell.text);
		put_words(text, &cell, indent);
	}
}

/* --- courses over time --- */

static void put_spark(struct text_out *text, double value, double low, double high)
{
	static const char *const blocks[] = {
		"\xe2\x96\x81", "\xe2\x96\x82", "\xe2\x96\x83", "\xe2\x96\x84",
		"\xe2\x96\x85", "\xe2\x96\x86", "\xe2\x96\x87", "\xe2\x96\x88",
	};
	static const char ascii[] = "_.-=+*%#";
	int step;

	if (!isfinite(value)) {
		buf_putc(text->out, ' ');
		return;
	}
	step = high > low ? (int)((value - low) / (high - low) * 7.999) : 0;
	if (text->style->unicode)
		buf_puts(text->out, blocks[step]);
	else
		buf_putc(text->out, ascii[step]);
}

static void put_series(struct text_out *text, const struct block *block)
{
	size_t begin;

	for (size_t s = 0; s < block->series.n; s++) {
		const struct series *series = &block->series.data[s];
		double low = block->is_level ? INFINITY : 0, high = -INFINITY;

		for (unsigned i = 0; i < block->n; i++) {
			low = fmin(low, series->values[i]);
			high = fmax(high, series->values[i]);
		}
		buf_fill(text->out, ' ', INDENT);
		for (unsigned i = 0; i < block->n; i++)
			put_spark(text, series->values[i], low, high);
		if (block->series.n > 1 || block->is_level) {
			buf_fill(text->out, ' ', GAP);
			text_put_safe(text->out, series->title, strlen(series->title));
			buf_puts(text->out, " ");
			number_put(text->out, low);
			buf_puts(text->out, " to ");
			number_put(text->out, high);
		}
		trim(text->out);
	}
	buf_fill(text->out, ' ', INDENT);
	begin = text->out->len;
	when_put_short(text->out, block->begin, block->step);
	if (block->n > 2 * (text->out->len - begin) + 2) {
		buf_fill(text->out, ' ', block->n - 2 * (text->out->len - begin));
		when_put_short(text->out, block->begin + block->step * block->n, block->step);
	}
	trim(text->out);
}

static void put_block(struct text_out *text, const struct block *block)
{
	if (block->kind == BLOCK_CDF || block->kind == BLOCK_HEAT)
		return; /* pictures; their numbers stand in grids */
	buf_putc(text->out, '\n');
	if (block->title)
		put_wrapped(text, block->title, 0);
	if (block->kind == BLOCK_FACTS)
		put_facts(text, block);
	else if (block->kind == BLOCK_GRID && block->rows.n)
		put_grid(text, block);
	else if (block->kind == BLOCK_SERIES)
		put_series(text, block);
	if (block->note)
		put_wrapped(text, block->note, INDENT);
}

void doc_print_text(const struct doc *doc, const struct text_style *style, struct buf *out)
{
	struct text_out text = { .out = out, .style = style, .arena = arena_new() };

	for (size_t i = 0; i < doc->parts.n; i++) {
		const struct part *part = doc->parts.data[i];

		if (i)
			buf_puts(out, "\n\n");
		buf_puts(out, style->color ? "\033[1m" : "");
		text_put_safe(out, part->name, strlen(part->name));
		buf_puts(out, style->color ? "\033[0m" : "");
		if (part->from) {
			buf_puts(out, "  ");
			text_put_safe(out, part->from, strlen(part->from));
		}
		buf_putc(out, '\n');
		for (size_t b = 0; b < part->blocks.n; b++)
			put_block(&text, part->blocks.data[b]);
	}
	for (size_t i = 0; i < doc->notes.n; i++) {
		buf_puts(out, i ? "" : "\n");
		put_wrapped(&text, doc->notes.data[i], 0);
	}
	arena_free(text.arena);
}
