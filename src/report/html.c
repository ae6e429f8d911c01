/*
 * A document as one page that needs nothing else: style, script and charts are in it, and its policy forbids to load
 * anything. All texts come from recordings and are escaped.
 */
#include "report/html.h"

#include <math.h>
#include <stdlib.h>

/* A grid of more than these takes the whole width. */
enum { WIDE_COLUMNS = 8 };

void html_put(struct buf *out, const char *text, size_t len)
{
	struct buf safe = { 0 };

	text_put_safe(&safe, text, len);
	for (size_t i = 0; i < safe.len; i++) {
		switch (safe.data[i]) {
		case '&':
			buf_puts(out, "&amp;");
			break;
		case '<':
			buf_puts(out, "&lt;");
			break;
		case '>':
			buf_puts(out, "&gt;");
			break;
		case '"':
			buf_puts(out, "&quot;");
			break;
		case '\'':
			buf_puts(out, "&#39;");
			break;
		default:
			buf_putc(out, safe.data[i]);
		}
	}
	buf_fini(&safe);
}

static void put_text(struct buf *out, const char *text)
{
	html_put(out, text, strlen(text));
}

static void put_shown(struct buf *out, const struct cell *cell)
{
	struct buf text = { 0 };

	if (cell->kind == CELL_TEXT) {
		html_put(out, cell->text, cell->len);
		return;
	}
	cell_put(&text, cell);
	if (text.len)
		put_text(out, text.data);
	buf_fini(&text);
}

static bool is_number(const struct cell *cell)
{
	return cell->kind != CELL_TEXT && cell->kind != CELL_EMPTY;
}

/* With the whole number, for sorting, and to be seen when the pointer rests on it. */
static void put_cell(struct buf *out, const struct cell *cell, const struct doc_column *column)
{
	buf_puts(out, column->left ? "<td class=\"l\"" : "<td");
	if (is_number(cell)) {
		buf_puts(out, " data-v=\"");
		number_put_exact(out, cell->number);
		buf_putc(out, '"');
		if (cell->kind == CELL_NUMBER) {
			buf_puts(out, " title=\"");
			number_put_exact(out, cell->number);
			buf_putc(out, '"');
		}
	}
	buf_putc(out, '>');
	put_shown(out, cell);
	buf_puts(out, "</td>");
}

static void put_bar(struct buf *out, double share)
{
	buf_puts(out, "<td class=\"b\"><svg viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" "
		      "aria-hidden=\"true\">");
	if (isfinite(share) && share > 0)
		buf_printf(out, "<rect width=\"%.2f\" height=\"8\"/>", share * 100);
	buf_puts(out, "</svg></td>");
}

static void put_grid(struct buf *out, const struct block *grid)
{
	double *largest = mem_alloc(grid->n_columns * sizeof(*largest));

	buf_puts(out, "<div class=\"scroll\"><table><thead><tr>");
	for (unsigned i = 0; i < grid->n_columns; i++) {
		largest[i] = 0;
		for (size_t r = 0; r < grid->rows.n; r++)
			largest[i] = fmax(largest[i], (double)grid->rows.data[r][i].number);
		if (grid->columns[i].bar) {
			buf_puts(out, "<th class=\"b\"></th>");
			continue;
		}
		buf_printf(out, "<th scope=\"col\"%s><button>",
			   grid->columns[i].left ? " class=\"l\"" : "");
		put_text(out, grid->columns[i].title);
		buf_puts(out, "</button></th>");
	}
	buf_puts(out, "</tr></thead><tbody>\n");
	for (size_t r = 0; r < grid->rows.n; r++) {
		buf_puts(out, "<tr>");
		for (unsigned i = 0; i < grid->n_columns; i++) {
			const struct cell *cell = &grid->rows.data[r][i];

			if (grid->columns[i].bar)
				put_bar(out, (double)cell->number / largest[i]);
			else
				put_cell(out, cell, &grid->columns[i]);
		}
		buf_puts(out, "</tr>\n");
	}
	buf_puts(out, "</tbody></table></div>\n");
	free(largest);
}

static void put_facts(struct buf *out, const struct block *block)
{
	buf_puts(out, "<dl>");
	for (size_t i = 0; i < block->facts.n; i++) {
		const struct fact *fact = &block->facts.data[i];

		buf_puts(out, "<dt>");
		put_text(out, fact->title);
		buf_puts(out, "</dt><dd>");
		put_shown(out, &fact->cell);
		if (fact->note) {
			buf_puts(out, " <small>");
			put_text(out, fact->note);
			buf_puts(out, "</small>");
		}
		buf_puts(out, "</dd>");
	}
	buf_puts(out, "</dl>\n");
}

static void put_block(struct buf *out, const struct block *block)
{
	static const char *const classes[] = { [BLOCK_FACTS] = "facts",
					       [BLOCK_GRID] = "grid",
					       [BLOCK_SERIES] = "chart",
					       [BLOCK_CDF] = "chart",
					       [BLOCK_HEAT] = "chart" };

	buf_printf(out, "<figure class=\"%s%s\">", classes[block->kind],
		   block->n_columns > WIDE_COLUMNS ? " wide" : "");
	if (block->title) {
		buf_puts(out, "<h3>");
		put_text(out, block->title);
		buf_puts(out, "</h3>");
	}
	switch (block->kind) {
	case BLOCK_FACTS:
		put_facts(out, block);
		break;
	case BLOCK_GRID:
		put_grid(out, block);
		break;
	case BLOCK_SERIES:
		chart_series(out, block);
		break;
	case BLOCK_CDF:
		chart_cdf(out, block);
		break;
	case BLOCK_HEAT:
		chart_heat(out, block);
		break;
	}
	if (block->note) {
		buf_puts(out, "<figcaption>");
		put_text(out, block->note);
		buf_puts(out, "</figcaption>");
	}
	buf_puts(out, "</figure>\n");
}

static void put_part(struct buf *out, const struct part *part, size_t number)
{
	buf_printf(out, "<section id=\"t%zu\"><h2>", number);
	put_text(out, part->name);
	if (part->from) {
		buf_puts(out, " <small>");
		put_text(out, part->from);
		buf_puts(out, "</small>");
	}
	buf_puts(out, "</h2>\n");
	for (size_t b = 0; b < part->blocks.n; b++)
		put_block(out, part->blocks.data[b]);
	buf_puts(out, "</section>\n");
}

static void put_contents(struct buf *out, const struct doc *doc)
{
	if (doc->parts.n < 2)
		return;
	buf_puts(out, "<nav>");
	for (size_t i = 0; i < doc->parts.n; i++) {
		buf_printf(out, "<a href=\"#t%zu\">", i);
		put_text(out, doc->parts.data[i]->name);
		buf_puts(out, "</a>");
	}
	buf_puts(out, "</nav>\n");
}

static void put_notes(struct buf *out, const struct doc *doc)
{
	if (!doc->notes.n)
		return;
	buf_puts(out, "<section class=\"notes\"><h2>Notes</h2><ul>\n");
	for (size_t i = 0; i < doc->notes.n; i++) {
		buf_puts(out, "<li>");
		put_text(out, doc->notes.data[i]);
		buf_puts(out, "</li>\n");
	}
	buf_puts(out, "</ul></section>\n");
}

void doc_print_html(const struct doc *doc, struct buf *out)
{
	buf_puts(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
		      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		      "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
	put_text(out, doc->title);
	buf_puts(out, "</title>\n<style>\n");
	buf_puts(out, html_style);
	buf_puts(out, "</style></head><body>\n<header><h1>");
	put_text(out, doc->title);
	buf_puts(out, "</h1><p>");
	put_text(out, doc->summary);
	buf_puts(out, "</p></header>\n");
	put_contents(out, doc);
	buf_puts(out, "<main>\n");
	for (size_t i = 0; i < doc->parts.n; i++)
		put_part(out, doc->parts.data[i], i);
	put_notes(out, doc);
	buf_puts(out, "</main>\n<script>\n");
	buf_puts(out, html_script);
	buf_puts(out, "</script>\n</body></html>\n");
}
