/* A table over time: its main number per span, the hours of the day, and how quantiles move. */
#include <math.h>

#include "report/view.h"
#include "report/when.h"

enum { HOURS = 24, SPANS_GOOD = 12 };

/* Spans no shorter than the steps in which rows come: otherwise every other one would look idle. */
static void choose_step(struct view *view, const struct table *table, struct tally *tally)
{
	struct timeline *timeline = &tally->timeline;
	int64_t interval = interval_of(table, tally);
	uint64_t enough = 4 * tally->n_timed < SPANS_GOOD ? SPANS_GOOD : 4 * tally->n_timed;

	timeline_coarsen(timeline, enough < view->spans ? (uint32_t)enough : view->spans);
	while (timeline_step(timeline) < interval && timeline->n > 1 && timeline_lengthen(timeline))
		;
	while (timeline_step(timeline) / 5 < interval && timeline->n >= 6 * SPANS_GOOD &&
	       timeline_lengthen(timeline))
		;
}

static void span_put(struct buf *out, const struct block *block, unsigned i, double value)
{
	when_put_short(out, block->begin + i * block->step, block->step);
	buf_puts(out, " with ");
	number_put(out, value);
}

static const char *extremes_text(struct view *view, const struct block *block, const double *values)
{
	unsigned most = 0, least = 0, idle = 0;
	struct buf out = { 0 };
	char *text;

	for (unsigned i = 0; i < block->n; i++) {
		/* The first and the last span are not whole. */
		bool whole = (i > 0 && i + 1 < block->n) || block->n < 3;

		if (values[i] > values[most])
			most = i;
		if (whole && (values[i] < values[least] || !least))
			least = i;
		idle += values[i] == 0;
	}
	buf_puts(&out, "busiest ");
	span_put(&out, block, most, values[most]);
	if (block->n > 2 && values[least] < values[most]) {
		buf_puts(&out, ", quietest ");
		span_put(&out, block, least, values[least]);
	}
	if (idle)
		buf_printf(&out, "; %u of %u without any", idle, block->n);
	text = arena_strdup(view->doc->arena, out.data);
	buf_fini(&out);
	return text;
}

static struct block *new_block(struct view *view, struct part *part,
			       const struct timeline *timeline, enum block_kind kind,
			       const char *id, const char *title)
{
	struct block *block = doc_block(view->doc, part, kind, id, title);

	block->n = timeline->n;
	block->begin = timeline_begin(timeline, 0);
	block->step = timeline_step(timeline);
	return block;
}

static struct series *add_series(struct view *view, struct block *block, const char *name)
{
	struct series *series = vec_grow(view->doc->arena, &block->series);

	series->id = series->title = name;
	series->values = arena_alloc(view->doc->arena, block->n * sizeof(*series->values));
	return series;
}

static const char *step_text(struct view *view, const struct timeline *timeline)
{
	struct buf out = { 0 };
	char *text;

	when_put_length(&out, timeline_step(timeline));
	text = arena_strdup(view->doc->arena, out.data);
	buf_fini(&out);
	return text;
}

static void put_course(struct view *view, struct part *part, const struct table *table,
		       const struct tally *tally, int column, const char *id)
{
	const struct timeline *timeline = &tally->timeline;
	const char *name = column_name(table, column);
	struct block *block =
		new_block(view, part, timeline, BLOCK_SERIES, id,
			  view_text(view, "%s per %s", name, step_text(view, timeline)));
	struct series *series = add_series(view, block, name);

	for (unsigned i = 0; i < block->n; i++)
		series->values[i] =
			timeline->spans[i] ? (double)column_value(table, column, timeline->spans[i])
					   : 0;
	block->note = extremes_text(view, block, series->values);
}

/* Recordings of days show when in the day things happen. */
static void put_hours(struct view *view, struct part *part, const struct table *table,
		      const struct tally *tally)
{
	const struct timeline *timeline = &tally->timeline;
	long double sums[HOURS] = { 0 }, total = 0;
	struct block *grid;

	if (tally->last - tally->first < 2 * 86400 * NS_PER_S ||
	    timeline_step(timeline) > 3600 * NS_PER_S)
		return;
	for (unsigned i = 0; i < timeline->n; i++) {
		int64_t begin = timeline_begin(timeline, i), day, end;

		if (!timeline->spans[i])
			continue;
		when_day(begin, &day, &end);
		sums[(begin - day) / (3600 * NS_PER_S) % HOURS] +=
			column_value(table, table->main, timeline->spans[i]);
	}
	for (unsigned i = 0; i < HOURS; i++)
		total += sums[i];
	grid = doc_grid(view->doc, part, "hours",
			view_text(view, "%s by hour of the day", column_name(table, table->main)),
			4);
	grid_column(grid, "hour", "hour")->left = true;
	grid_column(grid, column_name(table, table->main), column_name(table, table->main));
	grid_column(grid, "share", "share");
	grid_column(grid, "bar", "")->bar = true;
	grid->n_keys = 1;
	for (unsigned i = 0; i < HOURS; i++) {
		struct cell *row = grid_row(view->doc, grid);

		row[0] = cell_text(view_text(view, "%02u", i));
		row[1] = cell_number(sums[i], column_unit(table, table->main));
		row[2] = cell_share(share_of(sums[i], total));
		row[3] = cell_number(sums[i], UNIT_NONE);
	}
}

static void put_quantile_course(struct view *view, struct part *part, const struct table *table,
				const struct tally *tally, int column)
{
	const struct timeline *timeline = &tally->timeline;
	const char *name = column_name(table, column);
	struct block *block = new_block(
		view, part, timeline, BLOCK_SERIES, view_text(view, "quantiles_over_time:%s", name),
		view_text(view, "Quantiles of %s per %s", name, step_text(view, timeline)));
	struct block *heat =
		new_block(view, part, timeline, BLOCK_HEAT, view_text(view, "heat:%s", name),
			  view_text(view, "%s over time", name));

	block->is_level = true;
	heat->hists = arena_alloc(view->doc->arena, heat->n * sizeof(*heat->hists));
	heat->hist = column_hist(table, column, tally->total);
	for (unsigned q = 0; q < N_QUANTILES - 1; q++) {
		struct series *series = add_series(view, block, view_quantiles[q].id);

		for (unsigned i = 0; i < block->n; i++) {
			enum hist_bound bound;
			const struct hist *hist =
				timeline->spans[i] ? column_hist(table, column, timeline->spans[i])
						   : NULL;

			heat->hists[i] = hist;
			series->values[i] =
				hist ? hist_quantile(hist, view_quantiles[q].q, &bound) : NAN;
		}
	}
}

/* Quantile columns cannot be merged: what is known of a span is the range of its rows. */
static void put_range_course(struct view *view, struct part *part, const struct table *table,
			     const struct tally *tally, int column)
{
	const struct timeline *timeline = &tally->timeline;
	const char *name = column_name(table, column);
	struct block *block =
		new_block(view, part, timeline, BLOCK_SERIES, view_text(view, "range:%s", name),
			  view_text(view, "%s per %s: least and greatest of the rows", name,
				    step_text(view, timeline)));
	struct series *low, *high;
	const struct op *op = &table->layout.ops[table->columns[column].op];

	block->is_level = true;
	add_series(view, block, "least");
	high = add_series(view, block, "greatest");
	low = &block->series.data[0];
	for (unsigned i = 0; i < block->n; i++) {
		const struct op_range *range =
			timeline->spans[i] ? record_at(timeline->spans[i], op) : NULL;
		bool known = range && range->low <= range->high;

		low->values[i] = known ? range->low : NAN;
		high->values[i] = known ? range->high : NAN;
	}
}

void view_activity(struct view *view, struct part *part, const struct table *table,
		   struct tally *tally)
{
	if (!tally->n_timed || tally->timeline.n < 2)
		return;
	put_hours(view, part, table, tally);
	choose_step(view, table, tally);
	if (tally->timeline.n < 2)
		return;
	put_course(view, part, table, tally, table->main, "activity");
	if (table->errors >= 0 && column_value(table, table->errors, tally->total) > 0)
		put_course(view, part, table, tally, table->errors, "errors_over_time");
	for (unsigned i = 0; i < table->n_columns; i++) {
		const struct column *column = &table->columns[i];
		const struct hist *hist = column_hist(table, (int)i, tally->total);

		if (hist && hist->total)
			put_quantile_course(view, part, table, tally, (int)i);
		else if (column->role == ROLE_RANGE && column->quantile)
			put_range_course(view, part, table, tally, (int)i);
	}
}
