/*
 * The text printer: records as users of this field know them, byte for byte (LANGUAGE: section
 * 15.1). How a single value looks is value_text's, bars are hist.c's, tables are table.c's; the
 * order of a map's rows is the reader's.
 */
#include "out/out.h"

#include "out/hist.h"
#include "out/table.h"

/* Numbers of maps are divided by print's third argument; everything else stays as it is. */
static struct value divided(const struct value *value, int64_t div)
{
	struct value result = *value;

	if (div <= 1)
		return result;
	if (value->kind == VALUE_INT)
		result.i /= div;
	else if (value->kind == VALUE_UINT)
		result.u /= (uint64_t)div;
	else if (value->kind == VALUE_REAL)
		result.real /= (double)div;
	return result;
}

/* What follows the map's name and key. */
static void print_entry(struct buf *out, const struct value *value, int64_t div)
{
	if (value->kind == VALUE_HIST) {
		buf_puts(out, ":\n");
		hist_print(out, value, div);
	} else {
		struct value shown = divided(value, div);

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

static uint32_t first_row(const struct record *record)
{
	uint32_t n = record->value->len;

	return record->top > 0 && (uint64_t)record->top < n ? n - (uint32_t)record->top : 0;
}

static void print_map(struct out *out, const struct record *record)
{
	const struct value *map = record->value;
	bool keyed = map->kind == VALUE_MAP && !record->scalar;

	if (table_fits(map)) {
		table_print_map(out, record, keyed ? first_row(record) : 0);
		return;
	}
	if (!keyed) {
		buf_puts(&out->buf, record->name);
		print_entry(&out->buf, map, record->div);
		return;
	}
	for (uint32_t i = first_row(record); i < map->len; i++) {
		buf_puts(&out->buf, record->name);
		buf_putc(&out->buf, '[');
		print_key(&out->buf, &map->keys[i]);
		buf_putc(&out->buf, ']');
		print_entry(&out->buf, &map->items[i], record->div);
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
		buf_add(&out->buf, record->text, record->len);
		break;
	case RECORD_VALUE:
		print_value(&out->buf, record->value);
		break;
	case RECORD_MAP:
		print_map(out, record);
		break;
	case RECORD_EMIT:
		table_print_emit(out, record);
		break;
	}
}

const struct printer printers_text[] = {
	{ .name = "text", .print = text_print, .end = table_end },
	{ 0 },
};
