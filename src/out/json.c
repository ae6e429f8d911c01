/*
 * The JSON printer: one object per line (LANGUAGE: section 15.2), each of them valid by RFC 8259 whatever bytes the
 * traced programs hold. Objects are written with ", " and ": ", arrays with ",".
 */
#include "out/json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "out/columns.h"
#include "out/out.h"
#include "out/tables.h"
#include "out/utf8.h"

static void put_value(struct buf *out, const struct record *record, const struct value *value);

/* --- strings and numbers --- */

static void put_escaped(struct buf *out, unsigned char c)
{
	static const char *const names[] = {
		['"'] = "\\\"", ['\\'] = "\\\\", ['\n'] = "\\n", ['\r'] = "\\r", ['\t'] = "\\t",
	};

	if (c < sizeof(names) / sizeof(names[0]) && names[c])
		buf_puts(out, names[c]);
	else if (c < ' ')
		buf_printf(out, "\\u%04x", c);
	else
		buf_putc(out, (char)c);
}

/* Not UTF-8. */
static void put_bad(struct buf *out, const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		buf_printf(out, "\\" UTF8_ESCAPE, (unsigned char)bytes[i]);
}

void json_string(struct buf *out, const char *text, size_t len)
{
	buf_putc(out, '"');
	while (len) {
		size_t n = utf8_plain(text, len);
		bool valid;

		if (n) {
			buf_add(out, text, n);
		} else {
			n = utf8_next(text, len, &valid);
			if (!valid)
				put_bad(out, text, n);
			else if (n == 1)
				put_escaped(out, (unsigned char)*text);
			else
				buf_add(out, text, n);
		}
		text += n;
		len -= n;
	}
	buf_putc(out, '"');
}

static void put_name(struct buf *out, const char *name)
{
	json_string(out, name, strlen(name));
	buf_puts(out, ": ");
}

/* Readers keep numbers as doubles: one that a double does not hold exactly is a string. */
static void put_uint(struct buf *out, uint64_t u, bool negative)
{
	char digits[20], *end = digits + sizeof(digits), *begin = value_digits(end, u);
	bool exact = !u || u >> __builtin_ctzll(u) < UINT64_C(1) << 53;

	if (!exact)
		buf_putc(out, '"');
	if (negative)
		buf_putc(out, '-');
	buf_add(out, begin, (size_t)(end - begin));
	if (!exact)
		buf_putc(out, '"');
}

void json_uint(struct buf *out, uint64_t u)
{
	put_uint(out, u, false);
}

void json_int(struct buf *out, int64_t i)
{
	put_uint(out, i < 0 ? -(uint64_t)i : (uint64_t)i, i < 0);
}

void json_real(struct buf *out, double real)
{
	if (isfinite(real))
		columns_real(out, real);
	else
		buf_puts(out, "null");
}

/* Epoch seconds with milliseconds. */
static void put_time(struct buf *out, int64_t wall_ns)
{
	unsigned ms = (unsigned)(wall_ns / 1000000 % 1000);
	const char digits[] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
				(char)('0' + ms % 10) };

	put_uint(out, (uint64_t)(wall_ns / 1000000000), false);
	buf_add(out, digits, sizeof(digits));
}

/* --- values --- */

/* What a value is as plain text: stacks, keys. */
static void put_text(struct buf *out, const struct value *value)
{
	struct buf text = { 0 };

	if (value->kind == VALUE_STR && !value->truncated) {
		json_string(out, value->text, value->len);
		return;
	}
	value_text(&text, value);
	json_string(out, text.data ? text.data : "", text.len);
	buf_fini(&text);
}

/* Closed intervals; an open end is left out. */
static void put_hist(struct buf *out, const struct record *record, const struct value *hist)
{
	buf_putc(out, '[');
	for (uint32_t i = 0; i < hist->len; i++) {
		const struct bucket *bucket = &hist->buckets[i];

		buf_puts(out, i ? ",{" : "{");
		if (bucket->low != INT64_MIN) {
			buf_puts(out, "\"min\": ");
			json_int(out, bucket->low);
			buf_puts(out, ", ");
		}
		if (bucket->high != INT64_MAX) {
			buf_puts(out, "\"max\": ");
			json_int(out, bucket->high - 1);
			buf_puts(out, ", ");
		}
		buf_puts(out, "\"count\": ");
		json_uint(out, record_divided_count(record, hist, bucket));
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static void put_items(struct buf *out, const struct record *record, const struct value *value)
{
	buf_putc(out, '[');
	for (uint32_t i = 0; i < value->len; i++) {
		if (i)
			buf_putc(out, ',');
		put_value(out, record, &value->items[i]);
	}
	buf_putc(out, ']');
}

static void put_bytes(struct buf *out, const struct value *value)
{
	buf_putc(out, '[');
	for (uint32_t i = 0; i < value->len; i++)
		buf_printf(out, i ? ",%d" : "%d", (signed char)value->text[i]);
	buf_putc(out, ']');
}

static void put_member(struct buf *out, const struct record *record, const char *name,
		       const struct value *value, bool *any)
{
	if (*any)
		buf_puts(out, ", ");
	put_name(out, name);
	put_value(out, record, value);
	*any = true;
}

static void put_record(struct buf *out, const struct record *record, const struct value *value)
{
	bool any = false;

	buf_putc(out, '{');
	for (uint32_t i = 0; i < value->len; i++)
		if (!value->items[i].hidden)
			put_member(out, record, value->names[i], &value->items[i], &any);
	buf_putc(out, '}');
}

/* Keys are strings: of several parts without the parentheses and without any space, as programs know them. */
static void put_key(struct buf *out, const struct value *key)
{
	struct buf text = { 0 };
	size_t len = 0;

	if (key->kind != VALUE_TUPLE) {
		put_text(out, key);
		return;
	}
	value_text(&text, key);
	for (size_t i = 1; i + 1 < text.len; i++)
		if (text.data[i] != ' ')
			text.data[len++] = text.data[i];
	json_string(out, text.data, len);
	buf_fini(&text);
}

/*
 * Keys that differ may be written alike: the parts of ("a,b", "c") and ("a", "b,c"), addresses in one function, a byte and
 * the text that stands for it. Readers keep one of several members of a name, so the later ones get "#2" and so on.
 */
static void put_own_key(struct buf *out, const struct value *key, struct arena *arena,
			struct strmap *names)
{
	size_t begin = out->len, end;
	unsigned *n, *first = NULL; /* how often a name was wanted */

	put_key(out, key);
	end = out->len - 1; /* without the quote */
	for (;;) {
		const char *name = arena_strndup(arena, out->data + begin, out->len - begin);

		n = strmap_get(names, name);
		first = first ? first : n;
		if (!n) {
			n = arena_new_of(arena, unsigned);
			*n = 1;
			strmap_put(names, name, n);
			return;
		}
		out->len = end;
		buf_printf(out, "#%u\"", ++*first);
	}
}

/* Inside another value nothing is divided by print's third argument. */
static void put_map(struct buf *out, const struct record *record, const struct value *map,
		    uint32_t first)
{
	struct arena *arena = arena_new();
	struct strmap *names = strmap_new(arena);

	buf_putc(out, '{');
	for (uint32_t i = first; i < map->len; i++) {
		struct value shown = record_divided(record, &map->items[i]);

		if (i > first)
			buf_puts(out, ", ");
		put_own_key(out, &map->keys[i], arena, names);
		buf_puts(out, ": ");
		put_value(out, record, &shown);
	}
	buf_putc(out, '}');
	arena_free(arena);
}

static void put_value(struct buf *out, const struct record *record, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NONE:
		buf_puts(out, "null");
		break;
	case VALUE_BOOL:
		buf_puts(out, value->u ? "true" : "false");
		break;
	case VALUE_INT:
		json_int(out, value->i);
		break;
	case VALUE_UINT:
	case VALUE_PTR:
		json_uint(out, value->u);
		break;
	case VALUE_REAL:
		json_real(out, value->real);
		break;
	case VALUE_SYMBOL:
		if (value->enumerated)
			json_int(out, (int64_t)value->u);
		else
			put_text(out, value);
		break;
	case VALUE_STR:
	case VALUE_STACK:
		put_text(out, value);
		break;
	case VALUE_BYTES:
		put_bytes(out, value);
		break;
	case VALUE_ARRAY:
	case VALUE_TUPLE:
		put_items(out, record, value);
		break;
	case VALUE_RECORD:
		put_record(out, record, value);
		break;
	case VALUE_HIST:
		put_hist(out, record, value);
		break;
	case VALUE_MAP:
		put_map(out, record, value, 0);
		break;
	}
}

/* --- records --- */

/* The first members; of several scripts in one place also whose record it is. */
static void put_type(struct out *out, const char *type)
{
	buf_puts(out->buf, "{\"type\": ");
	json_string(out->buf, type, strlen(type));
	if (!out->options.with_script)
		return;
	buf_puts(out->buf, ", \"script\": ");
	json_string(out->buf, out->script, strlen(out->script));
}

static void print_text(struct out *out, const struct record *record)
{
	/* system() has had this name in JSON since before it was called so. */
	put_type(out, strcmp(record->source, "system") ? record->source : "syscall");
	buf_puts(out->buf, ", \"data\": ");
	json_string(out->buf, record->text, record->len);
	buf_puts(out->buf, "}\n");
}

static void print_value(struct out *out, const struct record *record)
{
	put_type(out, "value");
	buf_puts(out->buf, ", \"data\": ");
	put_value(out->buf, record, record->value);
	buf_puts(out->buf, "}\n");
}

/* What maps of this shape are called, when their aggregation has no name for them. */
static const char *family(const struct record *record, bool keyed)
{
	const struct value *value = keyed ? &record->value->items[0] : record->value;

	if (record->family)
		return record->family;
	return value->kind == VALUE_HIST ? "hist" : "map";
}

static void print_plain_map(struct out *out, const struct record *record, bool keyed)
{
	struct value shown = record_divided(record, record->value);

	put_type(out, family(record, keyed));
	buf_puts(out->buf, ", \"data\": {");
	put_name(out->buf, record->name);
	if (keyed)
		put_map(out->buf, record, record->value, record_first_row(record));
	else
		put_value(out->buf, record, &shown);
	buf_puts(out->buf, "}}\n");
}

static void put_head(struct out *out, const struct record *record, const char *type)
{
	put_type(out, type);
	buf_puts(out->buf, ", \"name\": ");
	json_string(out->buf, record->name, strlen(record->name));
	buf_puts(out->buf, ", \"timestamp\": ");
	put_time(out->buf, out_wall_ns(out, record));
	buf_puts(out->buf, ", \"data\": ");
}

/* A key, if there is one, and the columns of a row. */
static void put_row(struct out *out, const struct record *record, const struct columns *keys,
		    const struct value *row)
{
	bool any = false;

	buf_putc(out->buf, '{');
	for (size_t i = 0; keys && i < keys->list.n; i++)
		put_member(out->buf, record, keys->list.data[i].name, keys->list.data[i].value,
			   &any);
	for (uint32_t i = 0; i < row->len; i++)
		if (columns_shown(row, i))
			put_member(out->buf, record, row->names[i], &row->items[i], &any);
	buf_putc(out->buf, '}');
}

static void print_rows(struct out *out, const struct record *record, bool keyed)
{
	const struct value *map = record->value;
	uint32_t first = keyed ? record_first_row(record) : 0;

	put_head(out, record, "rows");
	buf_putc(out->buf, '[');
	if (!keyed)
		put_row(out, record, NULL, map);
	for (uint32_t i = first; keyed && i < map->len; i++) {
		struct columns keys = { .arena = out->scratch };

		columns_add_key(&keys, record, &map->keys[i]);
		columns_rename(&keys, map->items[i].names, map->items[i].len);
		if (i > first)
			buf_putc(out->buf, ',');
		put_row(out, record, &keys, &map->items[i]);
		arena_reset(out->scratch);
	}
	buf_puts(out->buf, "]}\n");
}

static void print_map(struct out *out, const struct record *record)
{
	const struct value *map = record->value;
	bool keyed = map->kind == VALUE_MAP && !record->scalar;

	if (keyed && !map->len)
		return;
	if (columns_are_rows(map))
		print_rows(out, record, keyed);
	else
		print_plain_map(out, record, keyed);
}

static void print_emit(struct out *out, const struct record *record)
{
	put_head(out, record, "event");
	put_row(out, record, NULL, record->value);
	buf_puts(out->buf, "}\n");
}

static void print_count(struct out *out, const char *type, uint64_t count, const char *what)
{
	put_type(out, type);
	buf_printf(out->buf, ", \"count\": %" PRIu64 ", \"data\": {\"%s\": %" PRIu64 "}}\n", count,
		   what, count);
}

static void print_message(struct out *out, const struct record *record)
{
	put_type(out, record->source);
	buf_puts(out->buf, ", \"msg\": ");
	json_string(out->buf, record->text, record->len);
	if (record->place.file) {
		buf_puts(out->buf, ", \"filename\": ");
		json_string(out->buf, record->place.file, strlen(record->place.file));
		buf_printf(out->buf, ", \"line\": %u, \"col\": %u", record->place.line,
			   record->place.column);
	}
	buf_puts(out->buf, "}\n");
}

static void print_line(struct out *out, const struct record *record)
{
	switch (record->kind) {
	case RECORD_TEXT:
		print_text(out, record);
		break;
	case RECORD_VALUE:
		print_value(out, record);
		break;
	case RECORD_MAP:
		print_map(out, record);
		break;
	case RECORD_EMIT:
		print_emit(out, record);
		break;
	case RECORD_ATTACHED:
		print_count(out, "attached_probes", record->count, "probes");
		break;
	case RECORD_LOST:
		print_count(out, "lost_events", record->count, "events");
		break;
	case RECORD_MESSAGE:
		print_message(out, record);
		break;
	}
}

static struct tables *tables_of(struct out *out)
{
	if (!out->state) {
		struct tables *tables = mem_alloc(sizeof(*tables));

		*tables = (struct tables){ 0 };
		out->state = tables;
	}
	return out->state;
}

/* A line belongs to the table of its record, which matters in a folder only. */
static void json_print(struct out *out, const struct record *record)
{
	size_t begin = out->buf->len;

	print_line(out, record);
	if (out->buf->len > begin)
		out_row_end(out, tables_find(tables_of(out), out, record, NULL, NULL),
			    out_wall_ns(out, record));
}

static void json_end(struct out *out)
{
	if (out->state)
		tables_fini(out->state);
	free(out->state);
	out->state = NULL;
}

const struct printer printers_json[] = {
	{ .name = "json",
	  .flags = PRINTER_MESSAGES | PRINTER_TABLES,
	  .print = json_print,
	  .end = json_end },
	{ 0 },
};
