/*
 * /state.json. Maps are read when they are asked for; one that takes long is read so seldom that it takes a small share of
 * the time. Of a big map some rows are sent: those that the page wants to see first.
 */
#include "web/state.h"

#include <limits.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "out/json.h"
#include "web/heat.h"
#include "web/history.h"
#include "web/keep.h"
#include "web/sheet.h"

#define ROWS_MAX	 1000
#define HIST_ROWS_MAX	 100   /* of a map with histograms: a row is long */
#define PRINTED_ROWS_MAX 10000 /* kept of what is printed */
#define TEXT_MAX	 1024  /* bytes of a cell */
#define READ_SHARE	 20    /* a read that took t is not repeated within 20 t, */
#define READ_OTHER	 2     /* or 2 t when other rows are asked for */
#define READ_CHEAP_NS	 (2 * NS_PER_MS)

/* --- cells --- */

static void write_text(struct buf *out, const struct value *cell)
{
	struct buf text = { 0 };

	sheet_text(&text, cell);
	buf_puts(&text, "");
	if (text.len > TEXT_MAX) {
		text.len = TEXT_MAX;
		while (text.len && ((unsigned char)text.data[text.len] & 0xc0) == 0x80)
			text.len--;
	}
	json_string(out, text.data, text.len);
	buf_fini(&text);
}

/* Bounds and count of each bucket, one after the other; an open end is null. */
static void write_buckets(struct buf *out, const struct bucket *buckets, uint32_t n)
{
	buf_puts(out, "{\"hist\": [");
	for (uint32_t i = 0; i < n; i++) {
		const struct bucket *bucket = &buckets[i];

		buf_puts(out, i ? ", " : "");
		if (bucket->low == INT64_MIN)
			buf_puts(out, "null, ");
		else
			buf_printf(out, "%lld, ", (long long)bucket->low);
		if (bucket->high == INT64_MAX)
			buf_puts(out, "null, ");
		else
			buf_printf(out, "%lld, ", (long long)bucket->high);
		buf_printf(out, "%llu", (unsigned long long)bucket->count);
	}
	buf_puts(out, "]}");
}

static void write_cell(struct buf *out, const struct value *cell)
{
	if (!cell || cell->kind == VALUE_NONE)
		buf_puts(out, "null");
	else if (cell->kind == VALUE_UINT)
		json_uint(out, cell->u);
	else if (cell->kind == VALUE_INT)
		json_int(out, cell->i);
	else if (cell->kind == VALUE_REAL)
		json_real(out, cell->real);
	else if (cell->kind == VALUE_HIST)
		write_buckets(out, cell->buckets, cell->len);
	else
		write_text(out, cell);
}

/* --- tables --- */

static const char *const kind_names[] = {
	[COLUMN_KEY] = "key",	  [COLUMN_TEXT] = "text",	  [COLUMN_NUMBER] = "number",
	[COLUMN_COUNT] = "count", [COLUMN_QUANTILE] = "quantile", [COLUMN_HIST] = "hist",
};

static void write_string(struct buf *out, const char *name, const char *text)
{
	buf_printf(out, "\"%s\": ", name);
	if (text)
		json_string(out, text, strlen(text));
	else
		buf_puts(out, "null");
}

static void write_columns(struct buf *out, const struct sheet *sheet)
{
	buf_puts(out, "\"columns\": [");
	for (unsigned i = 0; i < sheet->n_columns; i++) {
		const struct sheet_column *column = &sheet->columns[i];

		buf_puts(out, i ? ", {" : "{");
		write_string(out, "name", column->name);
		buf_printf(out, ", \"kind\": \"%s\", ", kind_names[column->kind]);
		write_string(out, "unit", column->unit);
		buf_puts(out, column->bounded ? ", \"bounded\": true}" : "}");
	}
	buf_puts(out, "]");
}

static bool has_hist(const struct sheet *sheet)
{
	for (unsigned i = 0; i < sheet->n_columns; i++)
		if (sheet->columns[i].kind == COLUMN_HIST)
			return true;
	return false;
}

static void write_rows(struct buf *out, struct arena *arena, const struct sheet *sheet,
		       const char *find, const struct view_sort *sort)
{
	uint32_t found, n;
	const uint32_t *rows;

	n = sheet_select(arena, sheet, find, sort, has_hist(sheet) ? HIST_ROWS_MAX : ROWS_MAX,
			 &rows, &found);
	buf_printf(out, ", \"found\": %u, \"rows\": [", found);
	for (uint32_t i = 0; i < n; i++) {
		buf_puts(out, i ? ", [" : "[");
		for (unsigned c = 0; c < sheet->n_columns; c++) {
			buf_puts(out, c ? ", " : "");
			write_cell(out, sheet_cell(sheet, rows[i], c));
		}
		buf_putc(out, ']');
	}
	buf_putc(out, ']');
}

/* All rows' histograms in one, for each such column. */
static void write_sums(struct buf *out, struct arena *arena, const struct sheet *sheet)
{
	bool any = false;

	buf_puts(out, ", \"sums\": {");
	for (unsigned c = 0; !sheet->scalar && c < sheet->n_columns; c++) {
		struct heat heat = { .arena = arena };
		struct bucket *buckets;
		uint32_t n;

		if (sheet->columns[c].kind != COLUMN_HIST)
			continue;
		for (uint32_t i = 0; i < sheet->n_rows; i++)
			heat_add(&heat, sheet_cell(sheet, i, c), false);
		n = heat_buckets(&heat, &buckets);
		buf_printf(out, "%s\"%u\": ", any ? ", " : "", c);
		write_buckets(out, buckets, n);
		any = true;
	}
	buf_putc(out, '}');
}

/* --- reading --- */

/* What there is to show of a map. */
struct reading {
	const struct value *value;
	uint32_t total; /* rows, also those that were not kept */
	int64_t age_ns; /* -1: it is as it stands */
};

static bool read_map(struct web *web, struct web_script *script, struct web_map *map,
		     struct reading *reading)
{
	struct value *value;

	if (map->printed) {
		*reading = (struct reading){ map->printed, map->printed_rows,
					     web_now_ns() - map->printed_ns };
		return true;
	}
	value = arena_new_of(web->arena, struct value);
	if (run_read_map(script->run, map->plan, value))
		return false;
	*reading = (struct reading){ value, value->kind == VALUE_MAP ? value->len : 1, -1 };
	return true;
}

static const struct view_sort *find_sort(const struct view *view, unsigned script, unsigned map)
{
	for (unsigned i = 0; i < view->n_sorts; i++)
		if (view->sorts[i].script == script && view->sorts[i].map == map)
			return &view->sorts[i];
	return NULL;
}

/* The part of a map that changes: columns and rows. */
static void write_table(struct web *web, struct buf *out, struct web_script *script,
			struct web_map *map, const char *find, const struct view_sort *sort)
{
	struct reading reading;
	struct sheet sheet;

	if (!read_map(web, script, map, &reading)) {
		buf_puts(out, "\"problem\": \"it cannot be read\", \"rows\": []");
		return;
	}
	sheet = sheet_of(web->arena, run_plan(script->run), map->plan, reading.value);
	write_columns(out, &sheet);
	buf_printf(out, ", \"total\": %u, \"age\": ", reading.total);
	if (reading.age_ns < 0)
		buf_puts(out, "null");
	else
		buf_printf(out, "%.3f", (double)reading.age_ns / NS_PER_S);
	write_rows(out, web->arena, &sheet, find, sort);
	write_sums(out, web->arena, &sheet);
	arena_reset(run_scratch(script->run));
	arena_reset(web->arena);
}

static bool may_be_kept(const struct web_map *map, const char *find, const struct view_sort *sort)
{
	static const struct view_sort none = { .column = UINT_MAX };
	bool same = strcmp(map->kept_find, find) == 0 &&
		    view_sort_equal(&map->kept_sort, sort ? sort : &none);

	return map->kept.len &&
	       web_now_ns() - map->kept_ns < map->kept_cost_ns * (same ? READ_SHARE : READ_OTHER);
}

/* The same, from what was kept when making it was slow not long ago. */
static void write_kept(struct web *web, struct buf *out, struct web_script *script,
		       struct web_map *map, const struct view *view)
{
	const struct view_sort *sort = find_sort(view, script->id, (unsigned)(map - script->maps));
	int64_t begin = web_now_ns();
	size_t from = out->len;

	if (may_be_kept(map, view->find, sort)) {
		buf_add(out, map->kept.data, map->kept.len);
		return;
	}
	write_table(web, out, script, map, view->find, sort);
	map->kept_ns = web_now_ns();
	map->kept_cost_ns = map->kept_ns - begin;
	map->kept_sort = sort ? *sort : (struct view_sort){ .column = UINT_MAX };
	snprintf(map->kept_find, sizeof(map->kept_find), "%s", view->find);
	buf_reset(&map->kept);
	if (map->kept_cost_ns > READ_CHEAP_NS)
		buf_add(&map->kept, out->data + from, out->len - from);
}

static void write_head(struct buf *out, const struct web_map *map)
{
	write_string(out, "name", map->plan->name);
	buf_printf(out, ", \"scalar\": %s, ", map->plan->shape == MAP_SCALAR ? "true" : "false");
}

static void write_map(struct web *web, struct buf *out, struct web_script *script, unsigned index,
		      const struct view *view)
{
	struct web_map *map = &script->maps[index];

	buf_puts(out, "{");
	if (script->run) {
		write_head(out, map);
		write_kept(web, out, script, map, view);
	} else {
		buf_add(out, map->kept.data, map->kept.len); /* of state_freeze */
	}
	buf_puts(out, ", \"history\": ");
	history_write(out, map->history, web->tick, view->since);
	buf_puts(out, "}");
}

static void write_script(struct web *web, struct buf *out, struct web_script *script,
			 const struct view *view)
{
	buf_printf(out, "{\"id\": %u, ", script->id);
	script_health_write(out, &script->health);
	buf_puts(out, ", \"maps\": [");
	for (unsigned i = 0; i < script->n_maps; i++) {
		buf_puts(out, i ? ", " : "");
		write_map(web, out, script, i, view);
	}
	buf_puts(out, "]}");
}

void state_write(struct web *web, struct buf *out, const struct view *view)
{
	struct timespec now;
	char host[65] = "";

	clock_gettime(CLOCK_REALTIME, &now);
	gethostname(host, sizeof(host) - 1);
	buf_printf(out, "{\"version\": \"%s\", ", JB_VERSION);
	write_string(out, "host", host);
	buf_printf(out,
		   ", \"time\": %lld.%03ld, \"uptime\": %.3f, \"step\": %u, \"samples\": %u, "
		   "\"tick\": %llu, \"scripts\": [",
		   (long long)now.tv_sec, now.tv_nsec / 1000000,
		   (double)(web_now_ns() - web->start_ns) / NS_PER_S, HISTORY_STEP_S, HISTORY_LEN,
		   (unsigned long long)web->tick);
	for (unsigned i = 0; i < web->n_scripts; i++) {
		buf_puts(out, i ? ", " : "");
		write_script(web, out, web->scripts[i], view);
	}
	buf_puts(out, "]}\n");
}

/* --- what is printed, what stays --- */

static void on_print(void *arg, const struct plan_map *plan, const struct value *value)
{
	struct web_script *script = arg;

	for (size_t i = 0; i < script->n_maps; i++) {
		struct web_map *map = &script->maps[i];

		if (map->plan != plan || !plan->generations)
			continue;
		if (map->printed_arena)
			arena_reset(map->printed_arena);
		else
			map->printed_arena = arena_new();
		map->printed = keep_value(map->printed_arena, value, PRINTED_ROWS_MAX);
		map->printed_rows = value->kind == VALUE_MAP ? value->len : 1;
		map->printed_ns = web_now_ns();
	}
}

void state_watch(struct web *web, struct web_script *script)
{
	(void)web;
	run_watch_prints(script->run, on_print, script);
}

void state_freeze(struct web *web, struct web_script *script)
{
	for (unsigned i = 0; i < script->n_maps; i++) {
		struct web_map *map = &script->maps[i];

		buf_reset(&map->kept);
		write_head(&map->kept, map);
		write_table(web, &map->kept, script, map, "", NULL);
	}
	run_watch_prints(script->run, NULL, NULL);
}

void state_map_fini(struct web_map *map)
{
	arena_free(map->printed_arena);
	buf_fini(&map->kept);
}
