/*
 * Rows in JSON recordings. Two forms are jbtrace's own, {"type": "event"} with an object of columns and {"type": "rows"} with
 * an array of them; the others, map, hist, stats and quantiles,
 * hold values by key, or one value.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/json.h"
#include "report/source.h"

enum { COLUMNS_MAX = 256, TABLES_KNOWN = 64 };

/* A row in the making: names and values side by side. */
struct json_row {
	struct field names[COLUMNS_MAX], values[COLUMNS_MAX];
	unsigned n;
};

/*
 * A table as this file's records have it. The columns of its first record are its columns; later ones may lack some, or have
 * them in another order.
 */
struct known {
	char *name;
	struct table *table; /* NULL: not wanted */
	unsigned n;
	struct field names[COLUMNS_MAX];
};

struct json_reader {
	struct source *source;
	struct json json;
	struct json_row row;
	struct known *known[TABLES_KNOWN];
	unsigned n_known;
	struct arena *arena; /* texts made for one record */
	struct field ordered[COLUMNS_MAX];
};

static struct place here(const struct json_reader *reader)
{
	return (struct place){ reader->source->path, reader->json.line };
}

/* --- values --- */

static void put_value(struct json_reader *reader, struct buf *out, const struct json_node *node);

static void put_members(struct json_reader *reader, struct buf *out, const struct json_node *node,
			char open, char close)
{
	const struct json_node *nodes = reader->json.nodes;
	uint32_t at = (uint32_t)(node - nodes) + 1;

	buf_putc(out, open);
	for (bool first = true; at < node->next; first = false) {
		if (!first)
			buf_puts(out, ", ");
		if (nodes[at].kind == JSON_KEY)
			buf_printf(out, "%s: ", nodes[at++].text);
		put_value(reader, out, &nodes[at]);
		at = nodes[at].next;
	}
	buf_putc(out, close);
}

static void put_value(struct json_reader *reader, struct buf *out, const struct json_node *node)
{
	if (node->kind == JSON_ARRAY)
		put_members(reader, out, node, '[', ']');
	else if (node->kind == JSON_OBJECT)
		put_members(reader, out, node, '{', '}');
	else
		buf_add(out, node->text, node->len);
}

static bool put_bucket(struct json_reader *reader, struct buf *out, const struct json_node *node)
{
	const struct json_node *low = json_member(&reader->json, node, "min");
	const struct json_node *high = json_member(&reader->json, node, "max");
	const struct json_node *count = json_member(&reader->json, node, "count");

	if (!count || count->kind != JSON_NUMBER || (!low && !high))
		return false;
	buf_printf(out, "%s%s..%s:%s", out->len ? " " : "", low ? low->text : "",
		   high ? high->text : "", count->text);
	return true;
}

/* [{"min": 2, "max": 3, "count": 1}, ...] as a cell of CSV would have it. */
static bool put_hist(struct json_reader *reader, struct buf *out, const struct json_node *node)
{
	const struct json_node *nodes = reader->json.nodes;
	uint32_t at = (uint32_t)(node - nodes) + 1;

	if (node->kind != JSON_ARRAY)
		return false;
	for (; at < node->next; at = nodes[at].next)
		if (nodes[at].kind != JSON_OBJECT || !put_bucket(reader, out, &nodes[at]))
			return false;
	return true;
}

static struct field text_of(struct json_reader *reader, const struct json_node *node)
{
	struct buf out = { 0 };
	struct field field;

	if (node->kind != JSON_ARRAY && node->kind != JSON_OBJECT)
		return (struct field){ node->text, node->len };
	if (!put_hist(reader, &out, node)) {
		buf_reset(&out);
		put_value(reader, &out, node);
	}
	field.len = (uint32_t)out.len;
	field.text = arena_strndup(reader->arena, out.data ? out.data : "", out.len);
	buf_fini(&out);
	return field;
}

/* --- rows --- */

static void row_put(struct json_reader *reader, const char *name, struct field value)
{
	struct json_row *row = &reader->row;

	if (row->n == COLUMNS_MAX)
		return;
	row->names[row->n] = (struct field){ name, (uint32_t)strlen(name) };
	row->values[row->n++] = value;
}

/* An object's members as columns; objects in it as "outer_inner", one level deep, as in CSV. */
static void row_put_object(struct json_reader *reader, const struct json_node *object,
			   const char *outer)
{
	const struct json_node *nodes = reader->json.nodes;
	uint32_t at = (uint32_t)(object - nodes) + 1;

	while (at < object->next) {
		const char *name = nodes[at].text;
		const struct json_node *value = &nodes[at + 1];

		if (outer)
			name = arena_printf(reader->arena, "%s_%s", outer, name);
		if (value->kind == JSON_OBJECT && !outer)
			row_put_object(reader, value, name);
		else
			row_put(reader, name, text_of(reader, value));
		at = value->next;
	}
}

/* The columns of its first record; names are kept, the record's are gone soon. */
static struct known *known_new(struct json_reader *reader, const char *name)
{
	struct arena *arena = reader->source->run->arena;
	struct known *known = arena_new_of(arena, struct known);

	known->name = arena_strdup(arena, name);
	known->n = reader->row.n;
	for (unsigned i = 0; i < known->n; i++) {
		struct field column = reader->row.names[i];

		known->names[i] =
			(struct field){ arena_strndup(arena, column.text, column.len), column.len };
	}
	known->table =
		source_table(reader->source, name, known->names, known->n, reader->json.line);
	reader->known[reader->n_known++] = known;
	return known;
}

static bool has_names(const struct known *known, const struct json_row *row, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(known->names[i].text, row->names[i].text))
			return false;
	return true;
}

static unsigned common_names(const struct known *known, const struct json_row *row)
{
	unsigned n = 0;

	for (unsigned i = 0; i < known->n; i++)
		for (unsigned j = 0; j < row->n; j++)
			n += strcmp(known->names[i].text, row->names[j].text) == 0;
	return n;
}

/* Records of one name that have no more than the time in common are of different tables. */
static struct known *known_of(struct json_reader *reader, const char *name)
{
	const struct json_row *row = &reader->row;

	for (unsigned i = 0; i < reader->n_known; i++) {
		struct known *known = reader->known[i];

		if (strcmp(known->name, name))
			continue;
		if (known->n == row->n && has_names(known, row, row->n))
			return known;
		if (common_names(known, row) * 2 > (known->n < row->n ? known->n : row->n))
			return known;
	}
	if (reader->n_known == TABLES_KNOWN) {
		source_problem(reader->source, PROBLEM_TABLES, reader->json.line, name);
		return NULL;
	}
	return known_new(reader, name);
}

/* The row's values in the order of the table's columns. */
static const struct field *in_order(struct json_reader *reader, const struct known *known)
{
	const struct json_row *row = &reader->row;
	unsigned found = 0;

	if (row->n == known->n && has_names(known, row, row->n))
		return row->values;
	for (unsigned i = 0; i < known->n; i++) {
		reader->ordered[i] = (struct field){ "", 0 };
		for (unsigned j = 0; j < row->n; j++) {
			if (strcmp(known->names[i].text, row->names[j].text))
				continue;
			reader->ordered[i] = row->values[j];
			found++;
			break;
		}
	}
	for (unsigned j = 0; found < row->n && j < row->n; j++) {
		bool is_known = false;

		for (unsigned i = 0; i < known->n && !is_known; i++)
			is_known = strcmp(known->names[i].text, row->names[j].text) == 0;
		if (!is_known)
			problem_count(&reader->source->run->problems, PROBLEM_LATE, here(reader),
				      NULL, row->names[j].text, 1);
	}
	return reader->ordered;
}

static void row_finish(struct json_reader *reader, const char *name)
{
	struct known *known = reader->row.n ? known_of(reader, name) : NULL;

	if (!known || !known->table)
		return;
	reader->source->rows++;
	table_row(known->table, in_order(reader, known), here(reader), reader->source->side);
}

static void row_begin(struct json_reader *reader, const struct json_node *time)
{
	reader->row.n = 0;
	if (time)
		row_put(reader, "timestamp", text_of(reader, time));
}

/* --- records --- */

/* What a record has beside its data. */
struct head {
	const struct json_node *type, *name, *time, *data, *script;
};

/* A table's name: "script: name" where several scripts have written. */
static const char *full_name(struct json_reader *reader, const struct head *head, const char *name)
{
	return head->script ? arena_printf(reader->arena, "%s: %s", head->script->text, name)
			    : name;
}

static const char *table_name(struct json_reader *reader, const struct head *head,
			      const char *fallback)
{
	return full_name(reader, head, head->name ? head->name->text : fallback);
}

static bool take_event(struct json_reader *reader, const struct head *head)
{
	if (!head->data || head->data->kind != JSON_OBJECT)
		return false;
	row_begin(reader, head->time);
	row_put_object(reader, head->data, NULL);
	row_finish(reader, table_name(reader, head, "event"));
	return true;
}

static bool take_rows(struct json_reader *reader, const struct head *head)
{
	const struct json_node *nodes = reader->json.nodes;
	uint32_t at;

	if (!head->data || head->data->kind != JSON_ARRAY)
		return false;
	for (at = (uint32_t)(head->data - nodes) + 1; at < head->data->next; at = nodes[at].next) {
		if (nodes[at].kind != JSON_OBJECT)
			return false;
		row_begin(reader, head->time);
		row_put_object(reader, &nodes[at], NULL);
		row_finish(reader, table_name(reader, head, "rows"));
		arena_reset(reader->arena);
	}
	return true;
}

/* One value of a map: a number, a histogram, statistics. */
static void take_value(struct json_reader *reader, const struct head *head, const char *map,
		       const char *key, const struct json_node *value)
{
	bool mean = json_is(head->type, "stats");

	row_begin(reader, head->time);
	if (key)
		row_put(reader, "key", (struct field){ key, (uint32_t)strlen(key) });
	if (value->kind == JSON_OBJECT)
		row_put_object(reader, value, NULL);
	else
		row_put(reader, mean ? "average" : "value", text_of(reader, value));
	row_finish(reader, full_name(reader, head, map));
	arena_reset(reader->arena);
}

/* Does this object hold values by key, or is it one value, with named parts? */
static bool is_keyed(const struct json_reader *reader, const struct head *head,
		     const struct json_node *object)
{
	const struct json_node *count = json_member(&reader->json, object, "count");

	if (!json_is(head->type, "stats") && !json_is(head->type, "quantiles"))
		return true;
	return !count || count->kind != JSON_NUMBER ||
	       (!json_member(&reader->json, object, "total") &&
		!json_member(&reader->json, object, "max"));
}

/* {"@a": value, "@b": {"key": value, ...}} */
static bool take_maps(struct json_reader *reader, const struct head *head)
{
	const struct json_node *nodes = reader->json.nodes;
	uint32_t at, end;

	if (!head->data || head->data->kind != JSON_OBJECT)
		return false;
	end = head->data->next;
	for (at = (uint32_t)(head->data - nodes) + 1; at < end; at = nodes[at + 1].next) {
		const char *map = nodes[at].text;
		const struct json_node *value = &nodes[at + 1];
		uint32_t inner = at + 2;

		if (value->kind != JSON_OBJECT || !is_keyed(reader, head, value)) {
			take_value(reader, head, map, NULL, value);
			continue;
		}
		for (; inner < value->next; inner = nodes[inner + 1].next)
			take_value(reader, head, map, nodes[inner].text, &nodes[inner + 1]);
	}
	return true;
}

static bool take_lost(struct json_reader *reader)
{
	const struct json_node *count = json_member(&reader->json, reader->json.nodes, "count");
	long double events = 0;

	if (count)
		number_parse(count->text ? count->text : "", count->len, &events);
	if (events >= 1)
		problem_count(&reader->source->run->problems, PROBLEM_LOST, here(reader), NULL,
			      NULL, (uint64_t)events);
	return true;
}

static bool take_other(struct json_reader *reader)
{
	reader->source->others++;
	return true;
}

static bool take_record(struct json_reader *reader)
{
	const struct json_node *record = reader->json.nodes;
	struct head head = { json_member(&reader->json, record, "type"),
			     json_member(&reader->json, record, "name"),
			     json_member(&reader->json, record, "timestamp"),
			     json_member(&reader->json, record, "data"),
			     json_member(&reader->json, record, "script") };

	if (head.name && head.name->kind != JSON_STRING)
		head.name = NULL;
	if (head.script && head.script->kind != JSON_STRING)
		head.script = NULL;
	if (json_is(head.type, "event"))
		return take_event(reader, &head);
	if (json_is(head.type, "rows"))
		return take_rows(reader, &head);
	if (json_is(head.type, "map") || json_is(head.type, "hist") ||
	    json_is(head.type, "stats") || json_is(head.type, "quantiles"))
		return take_maps(reader, &head);
	if (json_is(head.type, "lost_events"))
		return take_lost(reader);
	return head.type && head.type->kind == JSON_STRING ? take_other(reader) : false;
}

void source_read_json(struct source *source)
{
	struct json_reader *reader = mem_alloc(sizeof(*reader));
	enum json_status status;

	*reader = (struct json_reader){ .source = source, .arena = arena_new() };
	json_init(&reader->json, source->input);
	while ((status = json_next(&reader->json)) != JSON_END) {
		const char *text = NULL;

		if (status == JSON_EMPTY)
			continue;
		if (status == JSON_LINE) {
			if (!take_record(reader))
				source_problem(source, PROBLEM_RECORD, reader->json.line, NULL);
			arena_reset(reader->arena);
			continue;
		}
		source_problem(source,
			       status == JSON_TOO_LONG ? PROBLEM_TOO_LONG
			       : status == JSON_TORN   ? PROBLEM_TORN
						       : PROBLEM_JSON,
			       reader->json.line, text);
	}
	json_fini(&reader->json);
	arena_free(reader->arena);
	free(reader);
}
