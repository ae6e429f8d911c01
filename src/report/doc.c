/* Documents: making them, and what cells look like wherever they are shown. */
#include "report/doc.h"

#include <math.h>

#include "report/when.h"

struct part *doc_part(struct doc *doc, const char *name, const char *from)
{
	struct part *part = arena_new_of(doc->arena, struct part);

	part->name = name;
	part->from = from;
	vec_push(doc->arena, &doc->parts, part);
	return part;
}

struct block *doc_block(struct doc *doc, struct part *part, enum block_kind kind, const char *id,
			const char *title)
{
	struct block *block = arena_new_of(doc->arena, struct block);

	block->kind = kind;
	block->id = id;
	block->title = title;
	vec_push(doc->arena, &part->blocks, block);
	return block;
}

struct block *doc_grid(struct doc *doc, struct part *part, const char *id, const char *title,
		       unsigned n_columns)
{
	struct block *grid = doc_block(doc, part, BLOCK_GRID, id, title);

	grid->columns = arena_alloc(doc->arena, n_columns * sizeof(*grid->columns));
	return grid;
}

struct doc_column *grid_column(struct block *grid, const char *id, const char *title)
{
	struct doc_column *column = &grid->columns[grid->n_columns++];

	column->id = id;
	column->title = title;
	return column;
}

struct cell *grid_row(struct doc *doc, struct block *grid)
{
	struct cell *row = arena_alloc(doc->arena, grid->n_columns * sizeof(*row));

	vec_push(doc->arena, &grid->rows, row);
	return row;
}

struct fact *doc_fact(struct doc *doc, struct block *facts, const char *id, const char *title,
		      struct cell cell)
{
	struct fact *fact = vec_grow(doc->arena, &facts->facts);

	*fact = (struct fact){ .id = id, .title = title, .cell = cell };
	return fact;
}

struct cell cell_text(const char *text)
{
	return cell_bytes(text, strlen(text));
}

struct cell cell_bytes(const char *text, size_t len)
{
	return (struct cell){ .kind = CELL_TEXT, .text = text, .len = len };
}

static struct cell cell_of(enum cell_kind kind, long double number, enum unit unit)
{
	if (!isfinite(number))
		return (struct cell){ .kind = CELL_EMPTY };
	return (struct cell){ .kind = kind, .number = number, .unit = unit };
}

struct cell cell_number(long double number, enum unit unit)
{
	return cell_of(CELL_NUMBER, number, unit);
}

struct cell cell_share(long double share)
{
	return cell_of(CELL_SHARE, share, UNIT_NONE);
}

struct cell cell_change(long double change)
{
	return cell_of(CELL_CHANGE, change, UNIT_NONE);
}

struct cell cell_time(int64_t ns)
{
	return cell_of(CELL_TIME, (long double)ns, UNIT_NONE);
}

struct cell cell_length(int64_t ns)
{
	return cell_of(CELL_LENGTH, (long double)ns, UNIT_NONE);
}

unsigned utf8_len(const char *text, size_t len)
{
	const unsigned char *at = (const unsigned char *)text;
	unsigned n = *at < 0x80 ? 1 : *at >= 0xf0 ? 4 : *at >= 0xe0 ? 3 : 2;
	uint32_t code;

	if (n == 1)
		return 1;
	if (*at < 0xc2 || *at > 0xf4 || n > len)
		return 0;
	code = *at & (0x7fu >> n);
	for (unsigned i = 1; i < n; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		code = code << 6 | (at[i] & 0x3f);
	}
	/* Too long a form, surrogates, beyond Unicode; and the control characters from 0x80 on. */
	if ((n == 3 && code < 0x800) || (n == 4 && (code < 0x10000 || code > 0x10ffff)) ||
	    (code >= 0xd800 && code < 0xe000) || code < 0xa0)
		return 0;
	/* Marks that turn the direction of the text around. */
	if ((code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069))
		return 0;
	return n;
}

void text_put_safe(struct buf *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len;) {
		unsigned n = utf8_len(text + i, len - i);

		if (!n || (unsigned char)text[i] < ' ' || text[i] == 0x7f) {
			buf_printf(out, "\\x%02x", (unsigned char)text[i]);
			i++;
			continue;
		}
		buf_add(out, text + i, n);
		i += n;
	}
}

void cell_put(struct buf *out, const struct cell *cell)
{
	if (cell->bound)
		buf_puts(out, cell->bound == '>' ? ">=" : "<=");
	if (cell->sign && cell->kind == CELL_NUMBER && cell->number > 0)
		buf_putc(out, '+');
	switch (cell->kind) {
	case CELL_EMPTY:
		break;
	case CELL_TEXT:
		text_put_safe(out, cell->text, cell->len);
		break;
	case CELL_NUMBER:
		number_put_unit(out, cell->number, cell->unit);
		break;
	case CELL_SHARE:
		number_put_share(out, cell->number);
		break;
	case CELL_CHANGE:
		number_put_change(out, cell->number);
		break;
	case CELL_TIME:
		when_put(out, (int64_t)cell->number, false);
		break;
	case CELL_LENGTH:
		when_put_length(out, (int64_t)cell->number);
		break;
	}
}
