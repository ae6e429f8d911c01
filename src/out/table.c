/*
 * Aligned tables. A map of rows is laid out when all of it is known; emit's table grows line by
 * line, so its widths are chosen from the header and the first line, and a longer value pushes the
 * rest of its line to the right rather than being cut. Cells are made in the scratch arena of the
 * record.
 */
#include "out/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"
#include "out/clock.h"
#include "out/columns.h"

struct cell {
	const char *text;
	uint32_t len;
	uint32_t width; /* characters on a terminal */
};

struct heading {
	const char *header;
	uint32_t width;
	bool left; /* it holds text */
};

struct grid {
	struct arena *arena;
	struct buf text; /* of the cell being made */
	VEC(struct heading) columns;
	VEC(struct cell) cells; /* row by row, columns.n each */
	uint32_t at;		/* column of the next cell */
	bool has_columns;	/* the first row is complete */
};

/* --- cells --- */

/* Characters, not bytes: continuation bytes of UTF-8 take no place. */
static uint32_t text_width(const char *text, size_t len)
{
	uint32_t width = 0;

	for (size_t i = 0; i < len; i++)
		width += ((unsigned char)text[i] & 0xc0) != 0x80;
	return width;
}

static bool is_number(const struct value *value)
{
	return value->kind == VALUE_INT || value->kind == VALUE_UINT || value->kind == VALUE_REAL ||
	       value->kind == VALUE_PTR;
}

static void put_real(struct buf *out, double real)
{
	size_t start = out->len;

	buf_printf(out, "%.3f", real);
	if (isfinite(real)) {
		while (out->data[out->len - 1] == '0')
			out->len--;
		if (out->data[out->len - 1] == '.')
			out->len--;
		out->data[out->len] = '\0';
	}
	if (strcmp(out->data + start, "-0") == 0) {
		out->len = start;
		buf_putc(out, '0');
	}
}

/* One line, outermost frame first, as flame graphs have it. */
static void put_stack(struct buf *out, const struct value *stack)
{
	for (uint32_t i = stack->len; i-- > 0;) {
		value_text(out, &stack->items[i]);
		if (i)
			buf_putc(out, ';');
	}
}

/* A cell is one line whatever the traced program put into its strings. */
static const char *one_line(struct grid *grid, uint32_t *len)
{
	struct buf *text = &grid->text;
	size_t n = 0;

	for (size_t i = 0; i < text->len; i++)
		n += (unsigned char)text->data[i] < ' ' || text->data[i] == 0x7f ? 4 : 1;

	char *line = arena_alloc(grid->arena, n + 1), *to = line;

	for (size_t i = 0; i < text->len; i++) {
		unsigned char c = (unsigned char)text->data[i];

		if (c >= ' ' && c != 0x7f)
			*to++ = (char)c;
		else if (c == '\n' || c == '\t')
			to = stpcpy(to, c == '\n' ? "\\n" : "\\t");
		else
			to += snprintf(to, 5, "\\x%02x", c);
	}
	*len = (uint32_t)(to - line);
	return line;
}

static struct cell make_cell(struct grid *grid, const struct value *value)
{
	struct cell cell;

	buf_reset(&grid->text);
	if (columns_missing(value))
		buf_putc(&grid->text, '-');
	else if (value->kind == VALUE_REAL)
		put_real(&grid->text, value->real);
	else if (value->kind == VALUE_STACK)
		put_stack(&grid->text, value);
	else
		value_text(&grid->text, value);
	cell.text = one_line(grid, &cell.len);
	cell.width = text_width(cell.text, cell.len);
	return cell;
}

/* --- grid --- */

static struct grid grid_new(struct out *out)
{
	return (struct grid){ .arena = out->scratch };
}

static const char *upper_case(struct arena *arena, const char *text)
{
	char *upper = arena_strdup(arena, text);

	for (char *c = upper; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 'a' + 'A');
	return upper;
}

static void add_cell(struct grid *grid, const char *name, struct cell cell, bool left)
{
	if (!grid->has_columns) {
		struct heading *fresh = vec_grow(grid->arena, &grid->columns);

		fresh->header = upper_case(grid->arena, name);
		fresh->width = text_width(fresh->header, strlen(fresh->header));
	}
	if (grid->at >= grid->columns.n)
		return;

	struct heading *column = &grid->columns.data[grid->at++];

	column->left |= left;
	if (cell.width > column->width)
		column->width = cell.width;
	vec_push(grid->arena, &grid->cells, cell);
}

/* A row of cells; a histogram has no place in a line. */
static void add_columns(struct grid *grid, const struct columns *columns)
{
	const struct column *column;

	vec_each (column, &columns->list) {
		const struct value *value = column->value;

		if (value->kind != VALUE_HIST)
			add_cell(grid, column->name, make_cell(grid, value),
				 !is_number(value) && !columns_missing(value));
	}
}

static void end_row(struct grid *grid)
{
	while (grid->at < grid->columns.n)
		add_cell(grid, "", (struct cell){ .text = "-", .len = 1, .width = 1 }, false);
	grid->has_columns = true;
	grid->at = 0;
}

static void put_cell(struct buf *out, const struct grid *grid, size_t i, const struct cell *cell)
{
	const struct heading *column = &grid->columns.data[i];
	uint32_t pad = column->width > cell->width ? column->width - cell->width : 0;

	if (i)
		buf_puts(out, "  ");
	if (!column->left)
		buf_fill(out, ' ', pad);
	buf_add(out, cell->text, cell->len);
	if (column->left && i + 1 < grid->columns.n)
		buf_fill(out, ' ', pad);
}

static void put_header(struct buf *out, const struct grid *grid)
{
	for (size_t i = 0; i < grid->columns.n; i++) {
		const char *header = grid->columns.data[i].header;
		struct cell cell = { .text = header, .len = (uint32_t)strlen(header) };

		cell.width = text_width(header, cell.len);
		put_cell(out, grid, i, &cell);
	}
	buf_putc(out, '\n');
}

static void put_rows(struct buf *out, const struct grid *grid)
{
	size_t column = 0;

	for (size_t i = 0; i < grid->cells.n; i++) {
		put_cell(out, grid, column, &grid->cells.data[i]);
		if (++column < grid->columns.n)
			continue;
		buf_putc(out, '\n');
		column = 0;
	}
}

/* --- maps --- */

/* A row with its key, if it has one. */
static void add_row(struct grid *grid, const struct record *record, const struct value *key,
		    const struct value *row)
{
	struct columns columns = { .arena = grid->arena };

	if (key)
		columns_add_key(&columns, record, key);
	columns_add(&columns, NULL, row);
	add_columns(grid, &columns);
	end_row(grid);
}

void table_print_map(struct out *out, const struct record *record, uint32_t first)
{
	const struct value *map = record->value;
	struct grid grid = grid_new(out);

	if (map->kind == VALUE_MAP) {
		for (uint32_t i = first; i < map->len; i++)
			add_row(&grid, record, &map->keys[i], &map->items[i]);
	} else {
		add_row(&grid, record, NULL, map);
	}
	buf_puts(out->buf, record->name);
	buf_putc(out->buf, '\n');
	put_header(out->buf, &grid);
	put_rows(out->buf, &grid);
	buf_putc(out->buf, '\n');
	buf_fini(&grid.text);
}

/* --- emit --- */

/* What stays between the lines of emit's table. */
struct emit {
	uint64_t table;		 /* the id under which its lines are known to the sink */
	struct buf layout;	 /* event and headers of the line printed last */
	struct heading *columns; /* widths and sides chosen for it; headers are not kept */
	struct clock clock;
};

static const struct {
	const char *header;
	uint32_t width;
} usual_widths[] = {
	{ "TIME", 12 }, { "PID", 7 }, { "TID", 7 }, { "PPID", 7 },
	{ "UID", 5 },	{ "GID", 5 }, { "CPU", 3 }, { "COMM", 15 },
};

static uint32_t usual_width(const struct heading *column)
{
	for (size_t i = 0; i < sizeof(usual_widths) / sizeof(usual_widths[0]); i++)
		if (strcmp(column->header, usual_widths[i].header) == 0)
			return usual_widths[i].width;
	return column->left ? 8 : 6;
}

static struct emit *emit_of(struct out *out)
{
	if (!out->state) {
		struct emit *emit = mem_alloc(sizeof(*emit));

		*emit = (struct emit){ .clock.second = CLOCK_UNSET };
		out->state = emit;
	}
	return out->state;
}

static void add_time(struct grid *grid, struct emit *emit, int64_t wall_ns)
{
	const char *text = arena_printf(grid->arena, "%s.%03u", clock_text(&emit->clock, wall_ns),
					clock_ms(wall_ns));
	uint32_t len = (uint32_t)strlen(text);

	add_cell(grid, "time", (struct cell){ .text = text, .len = len, .width = len }, true);
}

/*
 * The event and its headers, each with its end, so that two layouts are equal when their bytes
 * are.
 */
static bool same_layout(struct grid *grid, struct emit *emit, const char *event)
{
	struct buf *layout = &grid->text;

	buf_reset(layout);
	buf_add(layout, event, strlen(event) + 1);
	for (size_t i = 0; i < grid->columns.n; i++)
		buf_add(layout, grid->columns.data[i].header,
			strlen(grid->columns.data[i].header) + 1);
	if (emit->layout.len == layout->len &&
	    memcmp(emit->layout.data, layout->data, layout->len) == 0)
		return true;
	buf_reset(&emit->layout);
	buf_add(&emit->layout, layout->data, layout->len);
	return false;
}

static void choose_widths(struct grid *grid, struct emit *emit)
{
	size_t size = grid->columns.n * sizeof(*emit->columns);

	for (size_t i = 0; i < grid->columns.n; i++) {
		struct heading *column = &grid->columns.data[i];
		uint32_t usual = usual_width(column);

		if (column->width < usual)
			column->width = usual;
	}
	emit->columns = mem_realloc(emit->columns, size);
	memcpy(emit->columns, grid->columns.data, size);
}

void table_print_emit(struct out *out, const struct record *record)
{
	struct emit *emit = emit_of(out);
	struct grid grid = grid_new(out);

	add_time(&grid, emit, record->wall_ns);
	add_row(&grid, record, NULL, record->value);
	if (same_layout(&grid, emit, record->name) && out_continues(out, emit->table)) {
		for (size_t i = 0; i < grid.columns.n; i++) {
			grid.columns.data[i].width = emit->columns[i].width;
			grid.columns.data[i].left = emit->columns[i].left;
		}
	} else {
		choose_widths(&grid, emit);
		put_header(out->buf, &grid);
		emit->table = out_table_id(out);
	}
	put_rows(out->buf, &grid);
	out->table = emit->table;
	buf_fini(&grid.text);
}

void table_end(struct out *out)
{
	struct emit *emit = out->state;

	if (!emit)
		return;
	buf_fini(&emit->layout);
	free(emit->columns);
	free(emit);
	out->state = NULL;
}
