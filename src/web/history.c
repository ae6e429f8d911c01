/*
 * History of maps. Numbers come from the totals of a map, so that what a script clears does not show as a fall: counters are
 * kept as rates, quantiles as those of the time between two samples.
 */
#include "web/history.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/measure.h"
#include "out/json.h"
#include "web/heat.h"
#include "web/sheet.h"
#include "web/state.h"

#define LINES_MAX      8  /* rows of a map */
#define LINES_STAY     16 /* a row stays as long as it is among the first so many */
#define ALL_LINES_MAX  2048
#define COLUMNS_MAX    8
#define HISTS_MAX      4   /* columns of quantiles() in a row */
#define CELLS_MAX      64  /* of a histogram, at one time */
#define HEATS_MAX      128 /* maps with a histogram over time */
#define ROWS_LIMIT     10000
#define SLOW_NS	       (20 * NS_PER_MS)
#define TICK_BUDGET_NS (100 * NS_PER_MS)
#define SKIP_TICKS     12 /* before a map that was too big or too slow is tried again */
#define KEY_MAX	       256

/* A column that is kept. */
struct kept_column {
	unsigned index; /* in the sheet */
	enum column_kind kind;
	double quantile;
	unsigned hist; /* of a quantile: which of the row's */
};

struct past_hist {
	struct bucket *buckets;
	uint32_t n;
};

/* A row over time. */
struct line {
	uint64_t id;
	char *key;	      /* JSON: an array of its parts; also what it is found by */
	uint64_t first, last; /* samples that it has; NAN where it was not there */
	uint64_t seen;	      /* the sample that found it last */
	int64_t seen_ns;
	double before[COLUMNS_MAX]; /* counters, at that sample */
	struct past_hist past[HISTS_MAX];
	float points[COLUMNS_MAX][HISTORY_LEN];
};

struct heat_sample {
	uint64_t tick;
	struct bucket *cells;
	uint32_t n;
};

struct history {
	char note[96];	     /* why it is not sampled; "": it is */
	uint64_t skip_until; /* sample */
	bool shaped;	     /* the columns are known */
	struct kept_column columns[COLUMNS_MAX];
	unsigned n_columns;
	char *hist_paths[HISTS_MAX]; /* of quantiles */
	unsigned n_hists;
	struct line *lines[LINES_MAX];
	unsigned n_lines;
	uint64_t next_id;
	char *heat_path; /* measure_find's; NULL: the value itself */
	char *heat_name; /* NULL: there is no histogram */
	const char *heat_unit;
	struct heat_sample *heat; /* HISTORY_LEN, NULL: none yet */
	struct past_hist heat_past;
	bool heat_begun;
};

/* --- the shape of a map --- */

static unsigned find_hist(struct history *history, const char *path)
{
	for (unsigned i = 0; i < history->n_hists; i++)
		if (strcmp(history->hist_paths[i], path) == 0)
			return i;
	if (history->n_hists == HISTS_MAX)
		return HISTS_MAX;
	history->hist_paths[history->n_hists] = mem_strdup(path);
	return history->n_hists++;
}

static void keep_column(struct history *history, const struct sheet_column *column, unsigned index)
{
	struct kept_column kept = { .index = index,
				    .kind = column->kind,
				    .quantile = column->quantile };

	if (history->n_columns == COLUMNS_MAX)
		return;
	if (column->kind == COLUMN_QUANTILE) {
		kept.hist = find_hist(history, column->hist_path);
		if (kept.hist == HISTS_MAX)
			return;
	}
	history->columns[history->n_columns++] = kept;
}

static void choose_heat(struct history *history, const struct sheet *sheet)
{
	for (unsigned i = sheet->n_keys; i < sheet->n_columns && !history->heat_name; i++) {
		const struct sheet_column *column = &sheet->columns[i];
		const char *path = column->path, *whole;

		if (column->kind == COLUMN_QUANTILE)
			path = column->hist_path;
		else if (column->kind != COLUMN_HIST)
			continue;
		history->heat_path = path ? mem_strdup(path) : NULL;
		history->heat_unit = column->unit;
		/* The column that it is of: lat of lat_p50; "": the map itself. */
		whole = path ? path : "";
		history->heat_name = mem_strdup(whole);
		if (column->kind == COLUMN_QUANTILE)
			history->heat_name[strchr(whole, '.') ? strcspn(whole, ".") : 0] = '\0';
	}
}

/* Counters and quantiles come before plain numbers when there are too many. */
static void take_shape(struct history *history, const struct sheet *sheet)
{
	if (history->shaped || sheet->n_columns == sheet->n_keys)
		return;
	history->shaped = true;
	for (unsigned i = sheet->n_keys; i < sheet->n_columns; i++)
		if (sheet->columns[i].kind == COLUMN_COUNT ||
		    sheet->columns[i].kind == COLUMN_QUANTILE)
			keep_column(history, &sheet->columns[i], i);
	for (unsigned i = sheet->n_keys; i < sheet->n_columns; i++)
		if (sheet->columns[i].kind == COLUMN_NUMBER)
			keep_column(history, &sheet->columns[i], i);
	choose_heat(history, sheet);
}

/* --- lines --- */

static void line_free(struct line *line)
{
	for (unsigned i = 0; i < HISTS_MAX; i++)
		free(line->past[i].buckets);
	free(line->key);
	free(line);
}

/* The parts of a row's key, as JSON. */
static void write_key(struct buf *out, const struct sheet *sheet, uint32_t row)
{
	struct buf text = { 0 };

	buf_reset(out);
	buf_putc(out, '[');
	for (unsigned i = 0; i < sheet->n_keys; i++) {
		const struct value *cell = sheet_cell(sheet, row, i);

		buf_reset(&text);
		if (cell)
			sheet_text(&text, cell);
		buf_puts(&text, "");
		buf_puts(out, i ? ", " : "");
		json_string(out, text.data, text.len < KEY_MAX ? text.len : KEY_MAX);
	}
	buf_putc(out, ']');
	buf_fini(&text);
}

static struct line *find_line(const struct history *history, const char *key)
{
	for (unsigned i = 0; i < history->n_lines; i++)
		if (strcmp(history->lines[i]->key, key) == 0)
			return history->lines[i];
	return NULL;
}

/* Samples that the line was not there for. */
static void fill_gap(const struct history *history, struct line *line, uint64_t tick)
{
	uint64_t from = line->last + 1;

	if (tick > HISTORY_LEN && from < tick - HISTORY_LEN)
		from = tick - HISTORY_LEN;
	for (uint64_t t = from; t <= tick; t++)
		for (unsigned i = 0; i < history->n_columns; i++)
			line->points[i][t % HISTORY_LEN] = NAN;
	line->last = tick;
}

/* What the quantiles of a row are of: what was counted since the last sample. */
static void take_hists(struct web *web, const struct history *history, struct line *line,
		       const struct value *item, struct past_hist *since)
{
	for (unsigned i = 0; i < history->n_hists; i++) {
		const struct value *hist = measure_find(item, history->hist_paths[i]);
		struct past_hist *past = &line->past[i];
		size_t size = hist ? hist->len * sizeof(*past->buckets) : 0;

		since[i].n = hist ? heat_since(web->arena, past->buckets, past->n, hist->buckets,
					       hist->len, &since[i].buckets)
				  : 0;
		past->n = hist ? hist->len : 0;
		past->buckets = mem_realloc(past->buckets, size);
		if (size)
			memcpy(past->buckets, hist->buckets, size);
	}
}

static double rate_of(double before, double now, double seconds)
{
	if (seconds <= 0)
		return NAN;
	return (now >= before ? now - before : now) / seconds;
}

static void line_sample(struct web *web, const struct history *history, struct line *line,
			const struct sheet *sheet, uint32_t row, int64_t now)
{
	struct past_hist since[HISTS_MAX] = { 0 };
	bool fresh = !line->seen;
	double seconds = (double)(now - line->seen_ns) / NS_PER_S;

	take_hists(web, history, line, &sheet->items[row], since);
	for (unsigned i = 0; i < history->n_columns; i++) {
		const struct kept_column *column = &history->columns[i];
		const struct value *cell = sheet_cell(sheet, row, column->index);
		double value = cell ? value_number(cell) : NAN, point = value;

		if (column->kind == COLUMN_COUNT)
			point = fresh ? NAN : rate_of(line->before[i], value, seconds);
		else if (column->kind == COLUMN_QUANTILE)
			point = fresh ? NAN
				      : heat_quantile(since[column->hist].buckets,
						      since[column->hist].n, column->quantile);
		line->points[i][web->tick % HISTORY_LEN] = (float)point;
		line->before[i] = value;
	}
	line->seen = web->tick;
	line->seen_ns = now;
}

/* A place for a new line: a free one, or that of a line whose row has not been seen for longest. -1: none. */
static int free_place(struct web *web, struct history *history)
{
	int oldest = -1;

	if (history->n_lines < LINES_MAX && web->n_lines < ALL_LINES_MAX) {
		web->n_lines++;
		return (int)history->n_lines++;
	}
	for (unsigned i = 0; i < history->n_lines; i++)
		if (history->lines[i]->seen < web->tick &&
		    (oldest < 0 || history->lines[i]->seen < history->lines[oldest]->seen))
			oldest = (int)i;
	if (oldest >= 0)
		line_free(history->lines[oldest]);
	return oldest;
}

static void add_line(struct web *web, struct history *history, const char *key)
{
	int place = free_place(web, history);
	struct line *line;

	if (place < 0)
		return;
	line = mem_alloc(sizeof(*line));
	memset(line, 0, sizeof(*line));
	line->id = ++history->next_id;
	line->key = mem_strdup(key);
	line->first = web->tick;
	line->last = web->tick - 1;
	history->lines[place] = line;
}

/* Rows that have a line and are still among the bigger ones, then the biggest that have none. */
static void sample_lines(struct web *web, struct history *history, const struct sheet *sheet,
			 int64_t now)
{
	uint32_t found, n;
	const uint32_t *rows;
	struct buf key = { 0 };

	if (!history->n_columns)
		return;
	n = sheet_select(web->arena, sheet, "", NULL, LINES_STAY, &rows, &found);
	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < (pass ? LINES_MAX : n) && i < n; i++) {
			struct line *line;

			write_key(&key, sheet, rows[i]);
			line = find_line(history, key.data);
			if (pass && !line) {
				add_line(web, history, key.data);
				line = find_line(history, key.data);
			}
			if (!line || line->seen == web->tick)
				continue;
			fill_gap(history, line, web->tick);
			line_sample(web, history, line, sheet, rows[i], now);
		}
	buf_fini(&key);
	for (unsigned i = 0; i < history->n_lines; i++)
		if (history->lines[i]->last < web->tick)
			fill_gap(history, history->lines[i], web->tick);
}

/* --- heat --- */

static void keep_heat(struct web *web, struct history *history, struct bucket *cells, uint32_t n)
{
	struct heat_sample *sample;

	if (!history->heat) {
		if (web->n_heats == HEATS_MAX)
			return;
		web->n_heats++;
		history->heat = mem_alloc(HISTORY_LEN * sizeof(*history->heat));
		memset(history->heat, 0, HISTORY_LEN * sizeof(*history->heat));
	}
	n = heat_thin(cells, n, CELLS_MAX);
	sample = &history->heat[web->tick % HISTORY_LEN];
	sample->tick = web->tick;
	sample->n = n;
	sample->cells = mem_realloc(sample->cells, n * sizeof(*cells));
	if (n)
		memcpy(sample->cells, cells, n * sizeof(*cells));
}

static void sample_heat(struct web *web, struct history *history, const struct sheet *sheet)
{
	struct heat heat = { .arena = web->arena };
	struct past_hist *past = &history->heat_past;
	struct bucket *now, *since;
	uint32_t n, n_since;

	if (!history->heat_name)
		return;
	for (uint32_t i = 0; i < sheet->n_rows; i++) {
		const struct value *item = &sheet->items[i];

		heat_add(&heat, history->heat_path ? measure_find(item, history->heat_path) : item,
			 true);
	}
	n = heat_buckets(&heat, &now);
	n_since = heat_since(web->arena, past->buckets, past->n, now, n, &since);
	if (history->heat_begun)
		keep_heat(web, history, since, n_since);
	history->heat_begun = true;
	past->n = n;
	past->buckets = mem_realloc(past->buckets, n * sizeof(*now));
	if (n)
		memcpy(past->buckets, now, n * sizeof(*now));
}

/* --- the tick --- */

static void skip(struct web *web, struct history *history, uint32_t rows, int64_t cost)
{
	history->skip_until = web->tick + SKIP_TICKS;
	if (rows > ROWS_LIMIT)
		snprintf(history->note, sizeof(history->note), "no history: more than %d rows",
			 ROWS_LIMIT);
	else
		snprintf(history->note, sizeof(history->note),
			 "no history: reading it takes %lld ms", (long long)(cost / NS_PER_MS));
}

static void sample_map(struct web *web, struct web_script *script, struct web_map *map)
{
	struct history *history = map->history;
	int64_t begin = web_now_ns(), cost;
	struct value value;
	uint32_t rows;

	if (!history) {
		history = map->history = mem_alloc(sizeof(*history));
		memset(history, 0, sizeof(*history));
	}
	if (web->tick < history->skip_until)
		return;
	if (run_read_total(script->run, map->plan, &value))
		return;
	cost = web_now_ns() - begin;
	rows = value.kind == VALUE_MAP ? value.len : 1;
	if (rows > ROWS_LIMIT || cost > SLOW_NS) {
		skip(web, history, rows, cost);
	} else {
		struct sheet sheet = sheet_of(web->arena, run_plan(script->run), map->plan, &value);

		*history->note = '\0';
		take_shape(history, &sheet);
		sample_lines(web, history, &sheet, begin);
		sample_heat(web, history, &sheet);
	}
	arena_reset(run_scratch(script->run));
	arena_reset(web->arena);
}

void history_tick(struct web *web)
{
	int64_t now = web_now_ns(), end = now + TICK_BUDGET_NS;

	if (now < web->next_tick_ns)
		return;
	web->next_tick_ns += HISTORY_STEP_S * NS_PER_S;
	if (web->next_tick_ns <= now) /* the first one, or the loop hung */
		web->next_tick_ns = now + HISTORY_STEP_S * NS_PER_S;
	web->tick++;
	for (unsigned i = 0; i < web->n_scripts; i++)
		for (unsigned m = 0; web->scripts[i]->run && m < web->scripts[i]->n_maps; m++)
			if (web_now_ns() < end)
				sample_map(web, web->scripts[i], &web->scripts[i]->maps[m]);
}

void history_free(struct web *web, struct history *history)
{
	if (!history)
		return;
	web->n_lines -= history->n_lines;
	web->n_heats -= history->heat != NULL;
	for (unsigned i = 0; i < history->n_lines; i++)
		line_free(history->lines[i]);
	for (unsigned i = 0; i < history->n_hists; i++)
		free(history->hist_paths[i]);
	for (unsigned i = 0; history->heat && i < HISTORY_LEN; i++)
		free(history->heat[i].cells);
	free(history->heat);
	free(history->heat_past.buckets);
	free(history->heat_path);
	free(history->heat_name);
	free(history);
}

/* --- JSON --- */

static uint64_t first_wanted(uint64_t tick, uint64_t since, uint64_t first)
{
	uint64_t from = since + 1;

	if (tick >= HISTORY_LEN && from < tick - HISTORY_LEN + 1)
		from = tick - HISTORY_LEN + 1;
	return from > first ? from : first;
}

static void write_line(struct buf *out, const struct history *history, const struct line *line,
		       uint64_t tick, uint64_t since)
{
	uint64_t from = first_wanted(tick, since, line->first);

	buf_printf(out, "{\"id\": %llu, \"key\": %s, \"from\": %llu, \"values\": [",
		   (unsigned long long)line->id, line->key, (unsigned long long)from);
	for (unsigned i = 0; i < history->n_columns; i++) {
		buf_puts(out, i ? ", [" : "[");
		for (uint64_t t = from; t <= line->last; t++) {
			float point = line->points[i][t % HISTORY_LEN];

			buf_puts(out, t > from ? ", " : "");
			if (isfinite(point))
				buf_printf(out, "%.6g", (double)point);
			else
				buf_puts(out, "null");
		}
		buf_putc(out, ']');
	}
	buf_puts(out, "]}");
}

static void write_sample(struct buf *out, const struct heat_sample *sample)
{
	for (uint32_t i = 0; i < sample->n; i++) {
		const struct bucket *cell = &sample->cells[i];

		buf_puts(out, i ? ", " : "");
		if (cell->low == INT64_MIN)
			buf_puts(out, "null, ");
		else
			buf_printf(out, "%lld, ", (long long)cell->low);
		if (cell->high == INT64_MAX)
			buf_puts(out, "null, ");
		else
			buf_printf(out, "%lld, ", (long long)cell->high);
		buf_printf(out, "%llu", (unsigned long long)cell->count);
	}
}

static void write_heat(struct buf *out, const struct history *history, uint64_t tick,
		       uint64_t since)
{
	uint64_t from = first_wanted(tick, since, 1);

	if (!history->heat) {
		buf_puts(out, "null");
		return;
	}
	buf_puts(out, "{\"name\": ");
	json_string(out, history->heat_name, strlen(history->heat_name));
	if (history->heat_unit)
		buf_printf(out, ", \"unit\": \"%s\"", history->heat_unit);
	else
		buf_puts(out, ", \"unit\": null");
	buf_printf(out, ", \"from\": %llu, \"samples\": [", (unsigned long long)from);
	for (uint64_t t = from; t <= tick; t++) {
		const struct heat_sample *sample = &history->heat[t % HISTORY_LEN];

		buf_puts(out, t > from ? ", " : "");
		if (sample->tick != t) {
			buf_puts(out, "null"); /* not sampled */
			continue;
		}
		buf_putc(out, '[');
		write_sample(out, sample);
		buf_putc(out, ']');
	}
	buf_puts(out, "]}");
}

void history_write(struct buf *out, const struct history *history, uint64_t tick, uint64_t since)
{
	if (!history) {
		buf_puts(out, "null");
		return;
	}
	buf_puts(out, "{\"note\": ");
	json_string(out, history->note, strlen(history->note));
	buf_puts(out, ", \"columns\": [");
	for (unsigned i = 0; i < history->n_columns; i++)
		buf_printf(out, "%s%u", i ? ", " : "", history->columns[i].index);
	buf_puts(out, "], \"lines\": [");
	for (unsigned i = 0; i < history->n_lines; i++) {
		buf_puts(out, i ? ", " : "");
		write_line(out, history, history->lines[i], tick, since);
	}
	buf_puts(out, "], \"heat\": ");
	write_heat(out, history, tick, since);
	buf_puts(out, "}");
}
