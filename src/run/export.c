/*
 * The exporter: scripts come and go, and every collect reads their maps into the tables of series (series.c) and writes
 * these into a set. Names and tables are made in export_bind.c, what jbtrace says of itself in export_own.c.
 */
#include "run/export.h"

#include <stdlib.h>
#include <string.h>

#include "run/export_internal.h"

struct exporter *exporter_new(const struct export_options *options)
{
	struct arena *arena = arena_new();
	struct exporter *exporter = arena_new_of(arena, struct exporter);

	exporter->arena = arena;
	exporter->collect.limit = options->max_series;
	exporter->collect.expire_ns = options->expire_ns;
	exporter->last_family = &exporter->families;
	exporter->processes = processes_new(options->expire_ns);
	own_families(exporter);
	return exporter;
}

void exporter_free(struct exporter *exporter)
{
	if (!exporter)
		return;
	for (struct script *script = exporter->scripts; script; script = script->next) {
		tables_free(script->tables);
		for (int i = 0; i < OWN_TABLES; i++)
			tables_free(script->own[i]);
	}
	for (struct family *family = exporter->families; family; family = family->next)
		free(family->columns);
	processes_free(exporter->processes);
	arena_free(exporter->arena);
}

/* --- scripts --- */

static struct script *find_script(struct exporter *exporter, const char *name)
{
	struct script *script = exporter->scripts;

	while (script && strcmp(script->name, name) != 0)
		script = script->next;
	return script;
}

/* The one that has this name and does not run, else a new one; a second one that runs gets a number. */
static struct script *take_script(struct exporter *exporter, const char *name)
{
	struct arena *arena = arena_new();
	const char *first = names_script(arena, name), *own = first;
	struct script *script, **end = &exporter->scripts;

	for (unsigned i = 2; (script = find_script(exporter, own)) && script->run; i++)
		own = arena_printf(arena, "%s_%u", first, i);
	if (!script) {
		script = arena_new_of(exporter->arena, struct script);
		script->name = arena_strdup(exporter->arena, own);
		while (*end)
			end = &(*end)->next;
		*end = script;
	}
	script->shown = true;
	arena_free(arena);
	return script;
}

/* From the export, but not from memory. */
static void retire(struct script *script)
{
	for (struct table *table = script->tables; table; table = table->next)
		if (table->live)
			series_table_retire(table);
	for (int i = 0; i < OWN_TABLES; i++)
		if (script->own[i] && script->own[i]->live)
			series_table_retire(script->own[i]);
}

void exporter_add(struct exporter *exporter, const char *name, struct run *run)
{
	struct script *script = take_script(exporter, name);

	retire(script);
	script->run = run;
	run_keep_past(run);
	bind_run(exporter, script);
	own_bind(exporter, script);
}

void exporter_add_failed(struct exporter *exporter, const char *name)
{
	take_script(exporter, name);
}

void exporter_forget(struct exporter *exporter, const char *name)
{
	struct arena *arena = arena_new();
	struct script *script = find_script(exporter, names_script(arena, name));

	if (script && !script->run)
		script->shown = false;
	arena_free(arena);
}

/* --- reading --- */

struct reading {
	struct exporter *exporter;
	struct table *table;
	struct buf key;
};

static const struct value *key_part(const struct value *key, unsigned n_parts, unsigned i)
{
	if (key->kind == VALUE_TUPLE && key->len == n_parts && n_parts > 1)
		return &key->items[i];
	return i == 0 ? key : NULL;
}

static void make_key(struct reading *r, const struct value *key)
{
	unsigned n = r->table->n_labels;

	buf_reset(&r->key);
	buf_puts(&r->key, "");
	for (unsigned i = 0; i < n; i++) {
		const struct value *part = key_part(key, n, i);

		if (part)
			series_label(&r->key, part);
		buf_putc(&r->key, KEY_END);
	}
}

/* The process that a key names; 0: none. */
static int pid_of(const struct table *table, const struct value *key)
{
	const struct value *part =
		table->pid_part < 0 ? NULL
				    : key_part(key, table->n_labels, (unsigned)table->pid_part);

	if (!part || (part->kind != VALUE_INT && part->kind != VALUE_UINT))
		return 0;
	return part->i > 0 && part->i <= INT32_MAX ? (int)part->i : 0;
}

static void read_row(struct reading *r, const struct value *key, const struct value *value)
{
	struct table *table = r->table;
	struct row *row;

	make_key(r, key);
	row = series_table_row(table, r->key.data, &r->exporter->collect);
	if (key)
		row->pid = pid_of(table, key);
	for (unsigned i = 0; i < table->n_columns; i++)
		cell_feed(&table->columns[i], &row->cells[i], value);
}

static bool is_dead_key(void *arg, const struct value *key)
{
	struct reading *r = arg;

	return processes_expired(r->exporter->processes, pid_of(r->table, key));
}

/* Rows of processes that have been gone for long, here and in the map. */
static void expire(struct reading *r, struct run *run)
{
	struct table *table = r->table;
	bool any = false;

	if (table->pid_part < 0)
		return;
	for (size_t i = 0; i < table->n_rows; i++) {
		struct row *row = table->rows[i];

		row->expired = processes_expired(r->exporter->processes, row->pid);
		any |= row->expired && row->seen == r->exporter->collect.tick;
	}
	if (any)
		run_forget(run, table->map, is_dead_key, r);
}

/* Was anything ever stored in it? Its value alone does not say, as a map without a key always has one. */
static bool is_set(struct run *run, const struct plan_map *plan)
{
	const struct run_map *map = maps_find(run, plan);
	struct value value;
	struct rows rows;
	bool set;

	if (!map || plan->shape == MAP_KEYED || map->past.n)
		return true;
	maps_rows_init(&rows, map);
	set = !maps_read_all(run, map, &rows) && maps_decode(run, map, &rows, &value);
	rows_fini(&rows);
	return set;
}

/* A number that only grows is there from the start; what may fall has to have a value. */
static bool is_shown(struct run *run, const struct table *table)
{
	return series_table_remembers(table) || is_set(run, table->map);
}

/* Only what was cleared since the run began is still there when a key is deleted. */
static void choose_fall(const struct run_map *map, struct table *table)
{
	for (unsigned i = 0; map && i < table->n_columns; i++)
		if (table->columns[i].fall != FALL_NEGATIVE)
			table->columns[i].fall = map->past.n ? FALL_PAST : FALL_ZERO;
}

static int read_table(struct exporter *exporter, struct run *run, struct table *table)
{
	struct reading r = { .exporter = exporter, .table = table };
	struct value value = { 0 };
	int err = run_read_total(run, table->map, &value);

	choose_fall(maps_find(run, table->map), table);
	table->n_read = value.kind == VALUE_MAP ? value.len : 1;
	if (!err && !is_shown(run, table))
		;
	else if (!err && value.kind == VALUE_MAP)
		for (uint32_t i = value.len; i-- > 0;) /* the largest first: they get the places */
			read_row(&r, &value.keys[i], &value.items[i]);
	else if (!err)
		read_row(&r, NULL, &value);
	arena_reset(run_scratch(run));
	if (!err) {
		expire(&r, run);
		series_table_sweep(table, &exporter->collect);
	}
	arena_reset(run_scratch(run));
	buf_fini(&r.key);
	return err;
}

static void count_rows(struct exporter *exporter, struct run *run, struct table *table)
{
	struct row *row = series_table_row(table, "", &exporter->collect);

	for (unsigned i = 0; i < table->n_columns; i++) {
		struct value n = value_uint(0);

		for (size_t s = 0; s < run->plan->sites.n; s++) {
			const struct plan_site *site = &run->plan->sites.data[s];

			if ((site->fn->flags & BUILTIN_ROWS) &&
			    strcmp(site->fmt, table->columns[i].event) == 0)
				n.u += run->site_events[s];
		}
		cell_feed(&table->columns[i], &row->cells[i], &n);
	}
	series_table_sweep(table, &exporter->collect);
}

/* Each map on its own: one that cannot be read leaves the others alone. */
static int read_script(struct exporter *exporter, struct script *script)
{
	int err = 0;

	for (struct table *table = script->tables; table; table = table->next) {
		int bad = 0;

		if (table == script->rows)
			count_rows(exporter, script->run, table);
		else
			bad = read_table(exporter, script->run, table);
		err = err ? err : bad;
	}
	own_feed(exporter, script);
	return err;
}

static void begin_collect(struct exporter *exporter)
{
	exporter->collect.tick++;
	exporter->collect.now_ns = run_monotonic_ns();
	processes_begin(exporter->processes, exporter->collect.now_ns);
}

/* Read it for the last time. NULL: it is not there. */
static struct script *end_run(struct exporter *exporter, struct run *run)
{
	struct script *script = exporter->scripts;

	while (script && script->run != run)
		script = script->next;
	if (!script)
		return NULL;
	begin_collect(exporter);
	read_script(exporter, script);
	script->run = NULL;
	return script;
}

void exporter_end(struct exporter *exporter, struct run *run)
{
	end_run(exporter, run);
}

void exporter_remove(struct exporter *exporter, struct run *run)
{
	struct script *script = end_run(exporter, run);

	if (script)
		retire(script);
}

/* --- collecting --- */

static void write_tables(struct exporter *exporter, struct metrics *set)
{
	struct script *script;

	series_begin(exporter->families, set);
	for (script = exporter->scripts; script; script = script->next)
		for (struct table *table = script->tables; table; table = table->next)
			if (table->live)
				series_write(table, set);
	for (script = exporter->scripts; script; script = script->next)
		for (int i = 0; i < OWN_TABLES; i++)
			if (script->own[i] && script->own[i]->live)
				series_write(script->own[i], set);
}

int exporter_collect(struct exporter *exporter, struct metrics *set)
{
	int err = 0;

	begin_collect(exporter);
	for (struct script *script = exporter->scripts; script; script = script->next) {
		int bad = script->run ? read_script(exporter, script) : 0;

		err = err ? err : bad;
	}
	processes_end(exporter->processes);
	write_tables(exporter, set);
	exporter->scrape_seconds = (double)(run_monotonic_ns() - exporter->collect.now_ns) / 1e9;
	own_write(exporter, set);
	return err;
}
