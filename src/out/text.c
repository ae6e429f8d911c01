/*
 * The text printer: records as users of this field know them, byte for byte (LANGUAGE: section
 * 15.1). How a single value looks is value_text's, bars are hist.c's, tables are table.c's; the
 * order of a map's rows is the reader's.
 */
#include "out/out.h"

#include "out/columns.h"
#include "out/hist.h"
#include "out/table.h"

/* What follows the map's name and key. */
static void print_entry(struct buf *out, const struct record *record, const struct value *value)
{
	if (value->kind == VALUE_HIST) {
		buf_puts(out, ":\n");
		hist_print(out, value, record->div);
	} else {
		struct value shown = record_divided(record, value);

		buf_puts(out, ": ");
		value_text(out, &shown);
	}
	buf_putc(out, '\n');
}

/* A tuple loses its outer parentheses here. */
static void print_key(struct buf *out, const struct value *key)
{
	if (key->kind != VALUE_TUPLE) {
		value_text(out, key);
		return;
	}
	for (uint32_t i = 0; i < key->len; i++) {
		if (i)
			buf_puts(out, ", ");
		value_text(out, &key->items[i]);
	}
}

static void print_map(struct out *out, const struct record *record)
{
	const struct value *map = record->value;
	bool keyed = map->kind == VALUE_MAP && !record->scalar;

	if (columns_are_rows(map)) {
		table_print_map(out, record, keyed ? record_first_row(record) : 0);
		return;
	}
	if (!keyed) {
		buf_puts(out->buf, record->name);
		print_entry(out->buf, record, map);
		return;
	}
	for (uint32_t i = record_first_row(record); i < map->len; i++) {
		buf_puts(out->buf, record->name);
		buf_putc(out->buf, '[');
		print_key(out->buf, &map->keys[i]);
		buf_putc(out->buf, ']');
		print_entry(out->buf, record, &map->items[i]);
	}
}

static void print_value(struct buf *out, const struct value *value)
{
	if (value->kind == VALUE_HIST)
		hist_print(out, value, 0);
	else
		value_text(out, value);
	buf_putc(out, '\n');
}

static void text_print(struct out *out, const struct record *record)
{
	switch (record->kind) {
	case RECORD_TEXT:
		buf_add(out->buf, record->text, record->len);
		break;
	case RECORD_VALUE:
		print_value(out->buf, record->value);
		break;
	case RECORD_MAP:
		print_map(out, record);
		break;
	case RECORD_EMIT:
		table_print_emit(out, record);
		break;
	case RECORD_ATTACHED:
	case RECORD_LOST:
	case RECORD_MESSAGE:
		break; /* said elsewhere: this format does not take messages */
	}
}

static void text_before_maps(struct out *out)
{
	buf_puts(out->buf, "\n\n");
}

const struct printer printers_text[] = {
	{ .name = "text",
	  .flags = PRINTER_RAW | PRINTER_HEADINGS,
	  .print = text_print,
	  .before_maps = text_before_maps,
	  .end = table_end },
	{ 0 },
};
