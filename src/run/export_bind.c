/*
 * From the plan of a run to the tables of its series: which maps are exported, as which columns, under which labels. A
 * map with a declaration is exported as declared and not otherwise; one whose name begins with _ only then.
 */
#include <stdlib.h>
#include <string.h>

#include "run/export_internal.h"

/* A table while its columns are gathered. */
struct binding {
	struct exporter *exporter;
	struct script *script;
	struct arena *arena; /* of the wanted columns; scratch */
	const struct plan_map *map;
	VEC(struct wanted) wanted;
};

/* --- labels --- */

static bool is_among(const char *name, const char *const *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* Names that some type of metric has for itself. */
static bool is_reserved(const char *name)
{
	return strncmp(name, "__", 2) == 0 || strcmp(name, "le") == 0 ||
	       strcmp(name, "quantile") == 0;
}

/* A name that a label may have, and that none of the others has. */
static const char *free_name(struct arena *arena, const char *text, const char *const *others,
			     unsigned n)
{
	const char *name = names_snake(arena, metrics_label_name(arena, text)), *first;

	if (is_reserved(name))
		name = arena_printf(arena, "key_%s", name + strspn(name, "_"));
	first = name;
	for (unsigned i = 2; is_among(name, others, n); i++)
		name = arena_printf(arena, "%s_%u", first, i);
	return name;
}

/* As declared, or as the script wrote its key; and one more for a string. */
static void make_labels(struct binding *b, struct wanted *wanted, const char *const *declared)
{
	unsigned n = b->map->n_keys;
	const char **labels = arena_alloc(b->arena, (n + 2) * sizeof(*labels));

	for (unsigned i = 0; i < n; i++)
		labels[i] = declared ? declared[i]
				     : free_name(b->arena, b->map->key_names[i], labels, i);
	if (wanted->measure == MEASURE_TEXT) {
		labels[n] = free_name(b->arena, "value", labels, n);
		n++;
	}
	wanted->labels = labels;
	wanted->n_labels = n;
}

/* --- columns --- */

static enum metric_type type_for(enum measure measure)
{
	switch (measure) {
	case MEASURE_COUNT:
		return METRIC_COUNTER;
	case MEASURE_HISTOGRAM:
		return METRIC_HISTOGRAM;
	case MEASURE_SUMMARY:
		return METRIC_SUMMARY;
	case MEASURE_NUMBER:
	case MEASURE_TEXT:
	case MEASURE_ROW:
	case MEASURE_NONE:
		break;
	}
	return METRIC_GAUGE;
}

/* The type of a column of an agg(); NULL: it is computed, or there is none. */
static const struct type *column_type(const struct type *row, const char *name)
{
	for (unsigned i = 0; row->kind == TYPE_AGG && i < row->args.n_fields; i++)
		if (strcmp(row->args.fields[i].name, name) == 0)
			return row->args.fields[i].type;
	return NULL;
}

/* A sum also shrinks when something negative is added; only where nothing is deleted it is told from a new beginning. */
static enum fall fall_of(const struct plan_map *map, const char *path)
{
	const struct type *type = path ? column_type(map->value, path) : map->value;

	if (type && type->kind == TYPE_AGG && type->args.is_signed && !map->deletes)
		return FALL_NEGATIVE;
	return FALL_ZERO;
}

static bool is_time(const struct plan_map *map, const char *path)
{
	const struct type *type = path ? column_type(map->value, path) : map->value;

	return type && type->kind == TYPE_AGG && type->args.is_time;
}

static struct wanted *want(struct binding *b, const char *path, enum measure measure)
{
	struct wanted *wanted = vec_grow(b->arena, &b->wanted);

	wanted->base = b->map->name + 1;
	wanted->path = path;
	wanted->measure = measure;
	wanted->type = type_for(measure);
	wanted->fall = fall_of(b->map, path);
	wanted->is_time = is_time(b->map, path);
	return wanted;
}

static const char *default_help(const struct binding *b, const char *path)
{
	return path ? arena_printf(b->arena, "%s of %s in the script %s.", path, b->map->name,
				   names_script(b->arena, b->script->name))
		    : arena_printf(b->arena, "%s in the script %s.", b->map->name,
				   names_script(b->arena, b->script->name));
}

static void want_default(struct binding *b, const char *path, enum measure measure)
{
	struct wanted *wanted = want(b, path, measure);

	make_labels(b, wanted, NULL);
	wanted->help = default_help(b, path);
}

static void want_columns(struct binding *b, const struct type *type, const char *prefix)
{
	const char *const *names;
	unsigned n = measure_columns(b->arena, type, &names);

	for (unsigned i = 0; i < n; i++) {
		const char *path =
			prefix ? arena_printf(b->arena, "%s.%s", prefix, names[i]) : names[i];
		const struct type *inner = prefix ? NULL : column_type(type, names[i]);
		bool known;
		enum measure measure = measure_column(b->arena, b->map->value, path, &known);

		if (names[i][0] == '_')
			continue;
		if (measure != MEASURE_ROW)
			want_default(b, path, measure);
		else if (inner)
			want_columns(b, inner, path);
	}
}

static void want_declared(struct binding *b, const struct plan_metric *metric)
{
	const struct type *type = b->map->value;
	bool known;
	enum measure measure = metric->column
				       ? measure_column(b->arena, type, metric->column, &known)
				       : measure_type(b->arena, type);
	struct wanted *wanted = want(b, metric->column, measure);

	wanted->name = metric->name;
	wanted->help = metric->help ? metric->help : default_help(b, metric->column);
	if (metric->type != METRIC_AUTO)
		wanted->type = metric->type;
	wanted->scale = metric->scale;
	make_labels(b, wanted, metric->labels);
}

static void want_map(struct binding *b)
{
	const struct plan_metric *metric;
	enum measure measure;

	vec_each (metric, &run_plan(b->script->run)->metrics)
		if (metric->map == b->map)
			want_declared(b, metric);
	/* Of a struct of the kernel nobody wants every member. */
	if (b->wanted.n || b->map->name[1] == '_' || b->map->value->kind == TYPE_STRUCT)
		return;
	measure = measure_type(b->arena, b->map->value);
	if (measure == MEASURE_ROW)
		want_columns(b, b->map->value, NULL);
	else if (measure != MEASURE_NONE)
		want_default(b, NULL, measure);
}

/* --- tables --- */

void family_attach(struct family *family, struct column *column)
{
	size_t room = (family->n_columns + 1) * sizeof(*family->columns);

	family->columns = mem_realloc(family->columns, room);
	family->columns[family->n_columns++] = column;
	column->family = family;
}

static void family_detach(struct family *family, const struct column *column)
{
	unsigned n = 0;

	for (unsigned i = 0; i < family->n_columns; i++)
		if (family->columns[i] != column)
			family->columns[n++] = family->columns[i];
	family->n_columns = n;
}

void tables_free(struct table *tables)
{
	while (tables) {
		struct table *next = tables->next;

		for (unsigned i = 0; i < tables->n_columns; i++)
			family_detach(tables->columns[i].family, &tables->columns[i]);
		series_table_free(tables);
		tables = next;
	}
}

/* All that must be equal for a table to continue another one. */
static const char *signature_of(const struct binding *b, const char *name, unsigned n_keys)
{
	const char *text = arena_printf(b->arena, "%s/%u", name, n_keys);
	const struct wanted *wanted;

	vec_each (wanted, &b->wanted) {
		text = arena_printf(b->arena, "%s;%s|%s|%d|%d|%g", text,
				    wanted->name ? wanted->name : "",
				    wanted->path ? wanted->path : "", wanted->type, wanted->measure,
				    wanted->scale);
		for (unsigned i = 0; i < wanted->n_labels; i++)
			text = arena_printf(b->arena, "%s,%s", text, wanted->labels[i]);
	}
	return text;
}

/* Which part of the key is the thread or else the process; -1: none. */
static int find_pid(const struct plan_map *map)
{
	int found = -1;

	for (unsigned i = 0; map && i < map->n_keys; i++)
		if (strcmp(map->key_names[i], "tid") == 0)
			return (int)i;
		else if (strcmp(map->key_names[i], "pid") == 0)
			found = (int)i;
	return found;
}

static struct table *table_new(const struct binding *b, const char *signature)
{
	struct arena *arena = arena_new();
	struct table *table = arena_new_of(arena, struct table);
	struct wanted *wanted;

	table->arena = arena;
	table->signature = arena_strdup(arena, signature);
	table->n_labels = b->map ? b->map->n_keys : 0;
	table->columns = arena_alloc(arena, (b->wanted.n + 1) * sizeof(*table->columns));
	vec_each (wanted, &b->wanted) {
		struct family *family = names_claim(b->exporter, b->script, wanted);
		struct column *column = &table->columns[table->n_columns];

		if (!family)
			continue;
		column->table = table;
		column->path = wanted->path ? arena_strdup(arena, wanted->path) : NULL;
		column->event = wanted->event ? arena_strdup(arena, wanted->event) : NULL;
		column->measure = wanted->measure;
		column->scale = wanted->scale;
		column->fall = wanted->fall;
		family_attach(family, column);
		table->n_columns++;
	}
	return table;
}

/* Take the table out of a list; NULL: it is not there. */
static struct table *take(struct table **tables, const char *signature)
{
	for (; *tables; tables = &(*tables)->next)
		if (strcmp((*tables)->signature, signature) == 0) {
			struct table *table = *tables;

			*tables = table->next;
			table->next = NULL;
			return table;
		}
	return NULL;
}

/* A table that was not continued must give back its names before new ones are claimed: so this is done in two passes. */
struct plan_table {
	struct binding binding;
	const char *signature;
	struct table *table;
};

/* One counter for each event, however many calls of emit() there are for it. */
static void want_rows(struct binding *b)
{
	const struct plan_site *site;
	const struct wanted *other;

	vec_each (site, &run_plan(b->script->run)->sites) {
		bool is_new = site->fn->flags & BUILTIN_ROWS;
		struct wanted *wanted;

		vec_each (other, &b->wanted)
			is_new &= !site->fmt || strcmp(other->event, site->fmt) != 0;
		if (!is_new)
			continue;
		wanted = vec_grow(b->arena, &b->wanted);
		*wanted = (struct wanted){ .event = site->fmt,
					   .type = METRIC_COUNTER,
					   .measure = MEASURE_COUNT,
					   .fall = FALL_ZERO,
					   .scale = 1 };
		wanted->base = arena_printf(b->arena, "%s_rows", site->fmt);
		wanted->help = arena_printf(b->arena, "Rows of emit(\"%s\") in the script %s.",
					    site->fmt, names_script(b->arena, b->script->name));
	}
}

static void plan_tables(struct exporter *exporter, struct script *script, struct plan_table *plans,
			size_t n, struct arena *arena)
{
	for (size_t i = 0; i < n; i++) {
		struct binding *b = &plans[i].binding;

		*b = (struct binding){ .exporter = exporter, .script = script, .arena = arena };
		b->map = i + 1 < n ? run_plan(script->run)->maps.data[i] : NULL;
		if (b->map)
			want_map(b);
		else
			want_rows(b);
		plans[i].signature = signature_of(b, b->map ? b->map->name : "emit",
						  b->map ? b->map->n_keys : 0);
	}
}

/* The last table is that of emit's rows. */
void bind_run(struct exporter *exporter, struct script *script)
{
	struct arena *arena = arena_new();
	struct table *old = script->tables, **end = &script->tables;
	size_t n = run_plan(script->run)->maps.n + 1;
	struct plan_table *plans = arena_alloc(arena, n * sizeof(*plans));

	plan_tables(exporter, script, plans, n, arena);
	for (size_t i = 0; i < n; i++)
		plans[i].table = take(&old, plans[i].signature);
	tables_free(old);
	script->tables = script->rows = NULL;
	for (size_t i = 0; i < n; i++) {
		struct table *table = plans[i].table;

		if (!plans[i].binding.wanted.n)
			continue;
		if (!table)
			table = table_new(&plans[i].binding, plans[i].signature);
		table->map = plans[i].binding.map;
		table->pid_part = find_pid(table->map);
		table->live = true;
		if (!table->map)
			script->rows = table;
		*end = table;
		end = &table->next;
	}
	arena_free(arena);
}
