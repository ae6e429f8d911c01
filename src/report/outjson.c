/*
 * A document as one JSON object: {"tables": [{"name": ..., "sections": [...]}], "notes": [...]}. Numbers are whole, not
 * shortened; shares are 0 to 1, times seconds since the epoch. A number that is only a bound stands with its column's name and
 * "_bound": ">=" or "<=".
 */
#include <math.h>

#include "report/doc.h"
#include "report/when.h"

static void put_string(struct buf *out, const char *text, size_t len)
{
	buf_putc(out, '"');
	for (size_t i = 0; i < len;) {
		unsigned char c = (unsigned char)text[i];
		unsigned n = utf8_len(text + i, len - i);

		if (c == '"' || c == '\\') {
			buf_printf(out, "\\%c", c);
			i++;
		} else if (c < ' ' || c == 0x7f) {
			buf_printf(out, "\\u%04x", c);
			i++;
		} else if (!n) {
			buf_printf(out, "\\\\x%02x", c); /* not UTF-8 */
			i++;
		} else {
			buf_add(out, text + i, n);
			i += n;
		}
	}
	buf_putc(out, '"');
}

static void put_text(struct buf *out, const char *text)
{
	put_string(out, text, strlen(text));
}

static void put_cell(struct buf *out, const struct cell *cell)
{
	switch (cell->kind) {
	case CELL_EMPTY:
		buf_puts(out, "null");
		break;
	case CELL_TEXT:
		put_string(out, cell->text, cell->len);
		break;
	case CELL_NUMBER:
	case CELL_SHARE:
	case CELL_CHANGE:
		number_put_exact(out, cell->number);
		break;
	case CELL_TIME:
	case CELL_LENGTH:
		number_put_exact(out, cell->number / NS_PER_S);
		break;
	}
}

static void put_member(struct buf *out, bool first, const char *name, const struct cell *cell)
{
	struct buf bound = { 0 };

	buf_puts(out, first ? "" : ", ");
	put_text(out, name);
	buf_puts(out, ": ");
	put_cell(out, cell);
	if (!cell->bound)
		return;
	buf_printf(&bound, "%s_bound", name);
	buf_puts(out, ", ");
	put_text(out, bound.data);
	buf_puts(out, cell->bound == '>' ? ": \">=\"" : ": \"<=\"");
	buf_fini(&bound);
}

static void put_facts(struct buf *out, const struct block *block)
{
	buf_puts(out, ", \"values\": {");
	for (size_t i = 0; i < block->facts.n; i++)
		put_member(out, i == 0, block->facts.data[i].id, &block->facts.data[i].cell);
	buf_putc(out, '}');
}

static void put_grid(struct buf *out, const struct block *block)
{
	buf_puts(out, ", \"rows\": [");
	for (size_t r = 0; r < block->rows.n; r++) {
		bool first = true;

		buf_puts(out, r ? ",\n{" : "\n{");
		for (unsigned i = 0; i < block->n_columns; i++) {
			if (block->columns[i].bar)
				continue;
			put_member(out, first, block->columns[i].id, &block->rows.data[r][i]);
			first = false;
		}
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_span(struct buf *out, const struct block *block)
{
	buf_puts(out, ", \"begin\": ");
	number_put_exact(out, (long double)block->begin / NS_PER_S);
	buf_puts(out, ", \"step\": ");
	number_put_exact(out, (long double)block->step / NS_PER_S);
}

static void put_series(struct buf *out, const struct block *block)
{
	put_span(out, block);
	buf_puts(out, ", \"series\": {");
	for (size_t s = 0; s < block->series.n; s++) {
		buf_puts(out, s ? ", " : "");
		put_text(out, block->series.data[s].id);
		buf_puts(out, ": [");
		for (unsigned i = 0; i < block->n; i++) {
			buf_puts(out, i ? ", " : "");
			number_put_exact(out, block->series.data[s].values[i]);
		}
		buf_putc(out, ']');
	}
	buf_putc(out, '}');
}

/* Closed intervals of integers would be the recording's own form; observed values have no such ends. */
static void put_buckets(struct buf *out, const struct hist *hist)
{
	buf_putc(out, '[');
	for (uint32_t i = 0; hist && i < hist->n; i++) {
		const struct hist_bucket *bucket = &hist->buckets[i];

		buf_printf(out, "%s{\"from\": ", i ? ", " : "");
		number_put_exact(out, bucket->low);
		buf_puts(out, ", \"below\": ");
		number_put_exact(out, bucket->high);
		buf_printf(out, ", \"count\": %llu}", (unsigned long long)bucket->count);
	}
	buf_putc(out, ']');
}

static void put_heat(struct buf *out, const struct block *block)
{
	put_span(out, block);
	buf_puts(out, ", \"spans\": [");
	for (unsigned i = 0; i < block->n; i++) {
		buf_puts(out, i ? ",\n" : "\n");
		put_buckets(out, block->hists[i]);
	}
	buf_putc(out, ']');
}

static void put_block(struct buf *out, const struct block *block)
{
	buf_puts(out, "{\"id\": ");
	put_text(out, block->id);
	if (block->title) {
		buf_puts(out, ", \"title\": ");
		put_text(out, block->title);
	}
	switch (block->kind) {
	case BLOCK_FACTS:
		put_facts(out, block);
		break;
	case BLOCK_GRID:
		put_grid(out, block);
		break;
	case BLOCK_SERIES:
		put_series(out, block);
		break;
	case BLOCK_CDF:
		buf_puts(out, ", \"buckets\": ");
		put_buckets(out, block->hist);
		break;
	case BLOCK_HEAT:
		put_heat(out, block);
		break;
	}
	if (block->note) {
		buf_puts(out, ", \"note\": ");
		put_text(out, block->note);
	}
	buf_putc(out, '}');
}

void doc_print_json(const struct doc *doc, struct buf *out)
{
	buf_puts(out, "{\"tables\": [");
	for (size_t i = 0; i < doc->parts.n; i++) {
		const struct part *part = doc->parts.data[i];

		buf_puts(out, i ? ",\n{\"name\": " : "\n{\"name\": ");
		put_text(out, part->name);
		if (part->from) {
			buf_puts(out, ", \"from\": ");
			put_text(out, part->from);
		}
		buf_puts(out, ", \"sections\": [");
		for (size_t b = 0; b < part->blocks.n; b++) {
			buf_puts(out, b ? ",\n" : "\n");
			put_block(out, part->blocks.data[b]);
		}
		buf_puts(out, "]}");
	}
	buf_puts(out, "],\n\"notes\": [");
	for (size_t i = 0; i < doc->notes.n; i++) {
		buf_puts(out, i ? ",\n" : "\n");
		put_text(out, doc->notes.data[i]);
	}
	buf_puts(out, "]}\n");
}
