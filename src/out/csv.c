/*
 * The CSV printer: RFC 4180, except that lines end with "\n" alone, for the tools that know no other end; readers take
 * both. Every table has a header; its first columns are the time of the record, as seconds since the epoch and as local
 * time. In a stream, an empty line and a header stand where one table follows another.
 */
#include "out/out.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "out/clock.h"
#include "out/columns.h"
#include "out/tables.h"
#include "out/utf8.h"

static const char *const own_columns[] = { "timestamp", "time_str", "script", "table" };

struct csv {
	struct tables tables;
	struct clock clock;
	int64_t ms; /* the one whose two cells are in `times` */
	struct buf times;
	struct buf cell; /* a text before it is quoted */
};

static struct csv *csv_of(struct out *out)
{
	if (!out->state) {
		struct csv *csv = mem_alloc(sizeof(*csv));

		*csv = (struct csv){ .clock = { .dated = true, .second = CLOCK_UNSET },
				     .ms = CLOCK_UNSET };
		out->state = csv;
	}
	return out->state;
}

static void csv_end(struct out *out)
{
	struct csv *csv = out->state;

	if (!csv)
		return;
	tables_fini(&csv->tables);
	buf_fini(&csv->cell);
	buf_fini(&csv->times);
	free(csv);
	out->state = NULL;
}

static char delimiter(const struct out *out)
{
	return out->options.delimiter ? out->options.delimiter : ',';
}

/* How many of own_columns there are: files of a folder say in their names what is in them. */
static unsigned n_own(const struct out *out)
{
	return out->options.with_script && !out->folder ? 4 : 2;
}

/* --- cells --- */

static bool wants_quotes(const char *text, size_t len, char delimiter)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] == delimiter || text[i] == '"' || text[i] == '\n' || text[i] == '\r')
			return true;
	return false;
}

/* Text as it is, except for what no reader could take: NUL and invalid UTF-8. */
static void put_text(struct buf *out, const char *text, size_t len, char delimiter)
{
	bool quoted = wants_quotes(text, len, delimiter);

	if (quoted)
		buf_putc(out, '"');
	while (len) {
		size_t n = utf8_plain(text, len);
		bool valid = true;

		if (!n)
			n = utf8_next(text, len, &valid);
		for (size_t i = 0; i < n && (!valid || !*text); i++)
			buf_printf(out, UTF8_ESCAPE, (unsigned char)text[i]);
		if (valid && *text)
			buf_add(out, text, n);
		if (*text == '"')
			buf_putc(out, '"');
		text += n;
		len -= n;
	}
	if (quoted)
		buf_putc(out, '"');
}

/* One line, outermost frame first, as flame graphs have it. */
static void stack_text(struct buf *out, const struct value *stack)
{
	for (uint32_t i = stack->len; i-- > 0;) {
		value_text(out, &stack->items[i]);
		if (i)
			buf_putc(out, ';');
	}
}

/* "2..3:1 4..7:5", closed intervals; an open end is left out. */
static void hist_text(struct buf *out, const struct value *hist)
{
	bool any = false;

	for (uint32_t i = 0; i < hist->len; i++) {
		const struct bucket *bucket = &hist->buckets[i];

		if (!bucket->count)
			continue;
		if (any)
			buf_putc(out, ' ');
		if (bucket->low != INT64_MIN)
			buf_printf(out, "%" PRId64, bucket->low);
		buf_puts(out, "..");
		if (bucket->high != INT64_MAX)
			buf_printf(out, "%" PRId64, bucket->high - 1);
		buf_printf(out, ":%" PRIu64, bucket->count);
		any = true;
	}
}

static void put_cell(struct out *out, struct csv *csv, const struct value *value)
{
	buf_reset(&csv->cell);
	if (columns_missing(value))
		return;
	switch (value->kind) {
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_BOOL:
		value_text(out->buf, value);
		return;
	case VALUE_REAL:
		columns_real(out->buf, value->real);
		return;
	case VALUE_STACK:
		stack_text(&csv->cell, value);
		break;
	case VALUE_HIST:
		hist_text(&csv->cell, value);
		break;
	case VALUE_NONE:
	case VALUE_PTR:
	case VALUE_STR:
	case VALUE_BYTES:
	case VALUE_SYMBOL:
	case VALUE_ARRAY:
	case VALUE_TUPLE:
	case VALUE_RECORD:
	case VALUE_MAP:
		value_text(&csv->cell, value);
		break;
	}
	put_text(out->buf, csv->cell.data, csv->cell.len, delimiter(out));
}

/* --- rows --- */

static void put_header(struct buf *header, const struct out *out, struct columns *columns)
{
	columns_rename(columns, own_columns, n_own(out));
	buf_puts(header, own_columns[0]);
	for (unsigned i = 1; i < n_own(out); i++)
		buf_printf(header, "%c%s", delimiter(out), own_columns[i]);
	for (size_t i = 0; i < columns->list.n; i++) {
		const char *name = columns->list.data[i].name;

		buf_putc(header, delimiter(out));
		put_text(header, name, strlen(name), delimiter(out));
	}
	buf_putc(header, '\n');
}

/* The first two cells. Rows come by the hundred in a millisecond. */
static void put_times(struct out *out, struct csv *csv, int64_t wall_ns)
{
	unsigned ms = clock_ms(wall_ns);

	if (wall_ns / 1000000 != csv->ms) {
		csv->ms = wall_ns / 1000000;
		buf_reset(&csv->times);
		buf_printf(&csv->times, "%" PRId64 ".%03u%c[%s.%03u]", wall_ns / 1000000000, ms,
			   delimiter(out), clock_text(&csv->clock, wall_ns), ms);
	}
	buf_add(out->buf, csv->times.data, csv->times.len);
}

/* Whose row of what it is, where that is to be said. */
static void put_names(struct out *out, const struct record *record)
{
	const char *name = out_record_name(record);

	if (n_own(out) == 2)
		return;
	buf_putc(out->buf, delimiter(out));
	put_text(out->buf, out->script, strlen(out->script), delimiter(out));
	buf_putc(out->buf, delimiter(out));
	put_text(out->buf, name, strlen(name), delimiter(out));
}

/* The scratch arena is empty afterwards: a map may have a million rows. */
static void put_row(struct out *out, const struct record *record, struct columns *columns)
{
	struct csv *csv = csv_of(out);
	int64_t wall_ns = out_wall_ns(out, record);
	const struct column *column;

	put_times(out, csv, wall_ns);
	put_names(out, record);
	vec_each (column, &columns->list) {
		buf_putc(out->buf, delimiter(out));
		put_cell(out, csv, column->value);
	}
	buf_putc(out->buf, '\n');
	out_row_end(out, tables_find(&csv->tables, out, record, columns, put_header), wall_ns);
	arena_reset(out->scratch);
}

/* --- records --- */

static struct value bound(int64_t value, int64_t open)
{
	return value == open ? (struct value){ .kind = VALUE_NONE } : value_int(value);
}

/* A row for each bucket, behind the key. */
static void put_buckets(struct out *out, const struct record *record, const struct value *key,
			const struct value *hist)
{
	for (uint32_t i = 0; i < hist->len; i++) {
		const struct bucket *bucket = &hist->buckets[i];
		struct value min = bound(bucket->low, INT64_MIN),
			     max = bound(bucket->high, INT64_MAX),
			     count = value_uint(record_divided_count(record, hist, bucket));
		struct columns columns = { .arena = out->scratch };

		max.i -= max.kind == VALUE_INT;
		if (key)
			columns_add_key(&columns, record, key);
		columns_add(&columns, "min", &min);
		columns_add(&columns, "max", &max);
		columns_add(&columns, "count", &count);
		put_row(out, record, &columns);
	}
}

/* A value with its key, if it has one. */
static void put_entry(struct out *out, const struct record *record, const struct value *key,
		      const struct value *value)
{
	struct value shown = record_divided(record, value);
	struct columns columns = { .arena = out->scratch };

	if (value->kind == VALUE_HIST) {
		put_buckets(out, record, key, value);
		return;
	}
	if (key)
		columns_add_key(&columns, record, key);
	columns_add(&columns, NULL, &shown);
	put_row(out, record, &columns);
}

static void print_map(struct out *out, const struct record *record)
{
	const struct value *map = record->value;

	if (map->kind != VALUE_MAP || record->scalar) {
		put_entry(out, record, NULL, map);
		return;
	}
	for (uint32_t i = record_first_row(record); i < map->len; i++)
		put_entry(out, record, &map->keys[i], &map->items[i]);
}

/* A row for each line. */
static void print_text(struct out *out, const struct record *record)
{
	const char *at = record->text, *end = at + record->len;

	while (at < end) {
		const char *newline = memchr(at, '\n', (size_t)(end - at));
		const char *stop = newline ? newline : end;
		struct value line = value_str(at, (uint32_t)(stop - at));
		struct columns columns = { .arena = out->scratch };

		columns_add(&columns, "text", &line);
		put_row(out, record, &columns);
		at = stop + (newline != NULL);
	}
}

static void csv_print(struct out *out, const struct record *record)
{
	switch (record->kind) {
	case RECORD_TEXT:
		print_text(out, record);
		break;
	case RECORD_VALUE:
	case RECORD_EMIT:
		put_entry(out, record, NULL, record->value);
		break;
	case RECORD_MAP:
		print_map(out, record);
		break;
	case RECORD_ATTACHED:
	case RECORD_LOST:
	case RECORD_MESSAGE:
		break; /* said elsewhere: this format does not take messages */
	}
}

const struct printer printers_csv[] = {
	{ .name = "csv", .flags = PRINTER_TABLES, .print = csv_print, .end = csv_end },
	{ 0 },
};
