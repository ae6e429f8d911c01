/* Maps as tables. Which columns there are is seen by the first row; the rest of what is known of them comes from the plan. */
#include "web/sheet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/feature.h"
#include "model/measure.h"

struct maker {
	struct arena *arena;
	const struct plan *plan;
	const struct plan_map *map;
	bool is_row; /* columns are named by the script: the map's name says nothing of them */
	VEC(struct sheet_column) columns;
};

/* --- units --- */

static const struct {
	const char *ending, *unit;
} endings[] = {
	{ "ns", "ns" }, { "us", "us" },	    { "ms", "ms" },   { "sec", "s" },
	{ "s", "s" },	{ "seconds", "s" }, { "bytes", "B" }, { "nanoseconds", "ns" },
};

/* By the last word of a name, where words are separated by underscores. */
static const char *unit_by_name(const char *name)
{
	const char *word = strrchr(name, '_');

	word = word ? word + 1 : name[0] == '@' ? name + 1 : name;
	if (strcmp(name, "@s") == 0)
		return NULL;
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (strcmp(word, endings[i].ending) == 0)
			return endings[i].unit;
	return NULL;
}

/* A declared scale says what the number is: 1e-9 makes seconds of nanoseconds. */
static const char *unit_by_metric(const struct plan *plan, const struct plan_map *map,
				  const char *path)
{
	const struct plan_metric *metric;

	vec_each (metric, &plan->metrics) {
		if (metric->map != map || (metric->column == NULL) != (path == NULL) ||
		    (path && strcmp(metric->column, path)))
			continue;
		if (metric->scale == 1e-9)
			return "ns";
		if (metric->scale == 1e-6)
			return "us";
		if (metric->scale == 1e-3)
			return "ms";
	}
	return NULL;
}

/* lat.p99 is what lat is; @delay_ns.p99 what its map is. */
static const char *unit_of(const struct maker *maker, const char *path)
{
	const char *unit = unit_by_metric(maker->plan, maker->map, path), *dot;
	const struct type *type = maker->map->value;
	char *head;

	if (unit)
		return unit;
	if (!path) /* what counts without looking at a number, count(), has no unit */
		return maker->is_row || (type->kind == TYPE_AGG && !type->args.n_values)
			       ? NULL
			       : unit_by_name(maker->map->name);
	dot = strrchr(path, '.');
	if (strcmp(dot ? dot + 1 : path, "count") == 0)
		return NULL;
	unit = unit_by_name(dot ? dot + 1 : path);
	if (unit)
		return unit;
	head = dot ? arena_strndup(maker->arena, path, (size_t)(dot - path)) : NULL;
	return unit_of(maker, head);
}

/* --- columns --- */

static enum column_kind kind_of(const struct maker *maker, const char *path,
				const struct value *value)
{
	enum measure measure;
	bool known = true;

	if (value->kind == VALUE_HIST)
		return COLUMN_HIST;
	if (!sheet_is_number(value) && value->kind != VALUE_NONE)
		return COLUMN_TEXT;
	measure = path ? measure_column(maker->arena, maker->map->value, path, &known)
		       : measure_type(maker->arena, maker->map->value);
	return measure == MEASURE_COUNT || (!path && maker->map->additive) ? COLUMN_COUNT
									   : COLUMN_NUMBER;
}

static struct sheet_column *add_column(struct maker *maker, const char *name, const char *path,
				       enum column_kind kind)
{
	struct sheet_column *column = vec_grow(maker->arena, &maker->columns);

	*column = (struct sheet_column){ .name = name, .path = path, .kind = kind };
	return column;
}

/* "p99.9" of a record that has its histogram beside it. */
static void note_quantile(struct maker *maker, struct sheet_column *column,
			  const struct value *record, const char *name, const char *prefix)
{
	char *end;
	double percent;

	if (*name != 'p' || !value_member(record, "_hist"))
		return;
	percent = strtod(name + 1, &end);
	if (end == name + 1 || *end || percent <= 0 || percent > 100)
		return;
	column->kind = COLUMN_QUANTILE;
	column->quantile = percent / 100;
	column->hist_path = prefix ? arena_printf(maker->arena, "%s._hist", prefix) : "_hist";
}

static void note_hist(struct sheet_column *column, const struct value *value)
{
	if (value->kind != VALUE_HIST)
		return;
	column->bounded = value->bounded;
	if (value->time)
		column->unit = "ns";
}

/* Records become columns of their members, as in tables of text. */
static void add_columns(struct maker *maker, const struct value *value, const char *prefix,
			const char *title)
{
	for (uint32_t i = 0; i < value->len; i++) {
		const struct value *item = &value->items[i];
		const char *member = value->names[i], *path = member, *name = member;
		struct sheet_column *column;

		if (item->hidden || *member == '_')
			continue;
		if (prefix) {
			path = arena_printf(maker->arena, "%s.%s", prefix, member);
			name = arena_printf(maker->arena, "%s_%s", title, member);
		}
		if (item->kind == VALUE_RECORD) {
			add_columns(maker, item, path, name);
			continue;
		}
		column = add_column(maker, name, path, kind_of(maker, path, item));
		column->unit = unit_of(maker, path);
		note_hist(column, item);
		note_quantile(maker, column, value, member, prefix);
	}
}

static void add_value_columns(struct maker *maker, const struct value *value)
{
	const struct type *type = maker->map->value;
	struct sheet_column *column;

	maker->is_row = value->row;
	if (value->kind == VALUE_RECORD) {
		add_columns(maker, value, NULL, NULL);
		return;
	}
	column = add_column(maker, type->kind == TYPE_AGG ? type->aggregate->name : "value", NULL,
			    kind_of(maker, NULL, value));
	column->unit = unit_of(maker, NULL);
	note_hist(column, value);
}

static unsigned add_key_columns(struct maker *maker, const struct value *map)
{
	const struct plan_map *plan = maker->map;
	bool parts = plan->n_keys > 1 && (!map->len || (map->keys[0].kind == VALUE_TUPLE &&
							map->keys[0].len == plan->n_keys));

	if (!parts) {
		add_column(maker, plan->n_keys == 1 ? plan->key_names[0] : "key", NULL, COLUMN_KEY);
		return 1;
	}
	for (unsigned i = 0; i < plan->n_keys; i++)
		add_column(maker, plan->key_names[i], NULL, COLUMN_KEY);
	return plan->n_keys;
}

/* --- cells --- */

static void fill_row(const struct sheet *sheet, uint32_t row, const struct value *key,
		     const struct value *value)
{
	const struct value **cells = &sheet->cells[(size_t)row * sheet->n_columns];

	for (unsigned i = 0; i < sheet->n_keys; i++)
		cells[i] = sheet->n_keys == 1			      ? key
			   : key->kind == VALUE_TUPLE && i < key->len ? &key->items[i]
								      : NULL;
	for (unsigned i = sheet->n_keys; i < sheet->n_columns; i++) {
		const char *path = sheet->columns[i].path;

		cells[i] = path ? measure_find(value, path) : value;
	}
}

struct sheet sheet_of(struct arena *arena, const struct plan *plan, const struct plan_map *map,
		      const struct value *value)
{
	struct maker maker = { .arena = arena, .plan = plan, .map = map };
	struct sheet sheet = { .scalar = map->shape == MAP_SCALAR };
	const struct value *items = sheet.scalar ? value : value->items;

	sheet.items = items;
	sheet.n_rows = sheet.scalar ? 1 : value->len;
	if (!sheet.scalar)
		sheet.n_keys = add_key_columns(&maker, value);
	if (sheet.n_rows)
		add_value_columns(&maker, &items[0]);
	sheet.columns = maker.columns.data;
	sheet.n_columns = (unsigned)maker.columns.n;
	sheet.cells = arena_alloc(arena, ((size_t)sheet.n_rows * sheet.n_columns + 1) *
						 sizeof(*sheet.cells));
	for (uint32_t i = 0; i < sheet.n_rows; i++)
		fill_row(&sheet, i, sheet.scalar ? NULL : &value->keys[i], &items[i]);
	return sheet;
}

bool sheet_is_number(const struct value *cell)
{
	return cell->kind == VALUE_INT || cell->kind == VALUE_UINT || cell->kind == VALUE_REAL;
}

void sheet_text(struct buf *out, const struct value *cell)
{
	if (cell->kind != VALUE_STACK) {
		value_text(out, cell);
		return;
	}
	for (uint32_t i = 0; i < cell->len; i++) {
		if (i)
			buf_putc(out, '\n');
		value_text(out, &cell->items[i]);
	}
}

int sheet_weight(const struct sheet *sheet)
{
	int number = -1;

	for (unsigned i = sheet->n_keys; i < sheet->n_columns; i++) {
		enum column_kind kind = sheet->columns[i].kind;

		if (kind == COLUMN_COUNT)
			return (int)i;
		if (number < 0 && kind == COLUMN_NUMBER)
			number = (int)i;
	}
	return number;
}

/* --- choosing rows --- */

static bool has_text(const struct sheet *sheet, uint32_t row, const char *find, struct buf *text)
{
	for (unsigned i = 0; i < sheet->n_columns; i++) {
		const struct value *cell = sheet_cell(sheet, row, i);

		if (!cell || cell->kind == VALUE_HIST)
			continue;
		buf_reset(text);
		sheet_text(text, cell);
		if (text->data && strcasestr(text->data, find))
			return true;
	}
	return false;
}

/* One row and what it is sorted by. */
struct ranked {
	const struct value *cell;
	uint32_t row;
};

/* Those without a value come last in either order; equal ones stay as they were. */
static int compare(const void *a, const void *b, void *descending)
{
	const struct ranked *x = a, *y = b;
	bool x_missing = !x->cell || (x->cell->kind == VALUE_REAL && isnan(x->cell->real));
	bool y_missing = !y->cell || (y->cell->kind == VALUE_REAL && isnan(y->cell->real));
	int order;

	if (x_missing || y_missing)
		return x_missing != y_missing ? x_missing - y_missing
					      : (x->row > y->row) - (x->row < y->row);
	order = value_compare(x->cell, y->cell);
	if (order && *(const bool *)descending)
		return order < 0 ? 1 : -1;
	return order ? order : (x->row > y->row) - (x->row < y->row);
}

uint32_t sheet_select(struct arena *arena, const struct sheet *sheet, const char *find,
		      const struct view_sort *sort, uint32_t most, const uint32_t **rows,
		      uint32_t *found)
{
	struct ranked *ranked = arena_alloc(arena, ((size_t)sheet->n_rows + 1) * sizeof(*ranked));
	int weight =
		sort && sort->column < sheet->n_columns ? (int)sort->column : sheet_weight(sheet);
	bool descending = !sort || sort->column >= sheet->n_columns || sort->descending;
	struct buf text = { 0 };
	uint32_t n = 0, *chosen;

	for (uint32_t i = 0; i < sheet->n_rows; i++)
		if (!*find || has_text(sheet, i, find, &text))
			ranked[n++] = (struct ranked){
				weight < 0 ? NULL : sheet_cell(sheet, i, (unsigned)weight), i
			};
	buf_fini(&text);
	if (weight >= 0 && n > 1)
		qsort_r(ranked, n, sizeof(*ranked), compare, &descending);
	*found = n;
	n = n < most ? n : most;
	chosen = arena_alloc(arena, ((size_t)n + 1) * sizeof(*chosen));
	for (uint32_t i = 0; i < n; i++)
		chosen[i] = ranked[i].row;
	*rows = chosen;
	return n;
}
