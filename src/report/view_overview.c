/* A table at a glance: how much, from when to when, and what each of its columns was taken for and comes to. */
#include <math.h>

#include "report/view.h"
#include "report/when.h"

/* "23 comm, 61 syscall_name" */
static const char *distinct_text(struct view *view, const struct table *table,
				 const struct tally *tally)
{
	struct buf out = { 0 };
	char *text;

	for (unsigned i = 0; i < table->n_dims; i++) {
		bool exact;
		uint64_t n = groups_distinct(&tally->groups[i], &exact);

		buf_puts(&out, i ? ", " : "");
		buf_puts(&out, exact ? "" : "about ");
		number_put(&out, (long double)n);
		buf_printf(&out, " %s", dim_title(table, &table->dims[i]));
	}
	text = arena_strdup(view->doc->arena, out.data ? out.data : "");
	buf_fini(&out);
	return text;
}

static const char *span_text(struct view *view, const struct tally *tally)
{
	struct buf out = { 0 };
	char *text;

	when_put(&out, tally->first, tally->last - tally->first < 10 * NS_PER_S);
	buf_puts(&out, " to ");
	when_put(&out, tally->last, tally->last - tally->first < 10 * NS_PER_S);
	text = arena_strdup(view->doc->arena, out.data);
	buf_fini(&out);
	return text;
}

static const char *length_text(struct view *view, int64_t ns)
{
	struct buf out = { 0 };
	char *text;

	when_put_length(&out, ns);
	text = arena_strdup(view->doc->arena, out.data);
	buf_fini(&out);
	return text;
}

static void put_facts(struct view *view, struct part *part, const struct table *table,
		      const struct tally *tally)
{
	struct doc *doc = view->doc;
	struct block *facts = doc_block(doc, part, BLOCK_FACTS, "overview", NULL);
	int64_t interval = interval_of(table, tally);

	doc_fact(doc, facts, "rows", "rows",
		 cell_number((long double)tally->total->rows, UNIT_NONE));
	if (tally->n_timed) {
		doc_fact(doc, facts, "time", "time", cell_text(span_text(view, tally)))->note =
			length_text(view, tally->last - tally->first);
		if (interval)
			doc_fact(doc, facts, "interval", "every", cell_length(interval));
	}
	if (table->n_dims)
		doc_fact(doc, facts, "groups", "different",
			 cell_text(distinct_text(view, table, tally)));
}

/* What a column's number is, in words. */
static const char *taken_as(struct view *view, const struct table *table, unsigned i)
{
	const struct column *column = &table->columns[i];
	const struct rate *rate = &column->rate;

	switch (column->role) {
	case ROLE_SUM:
		if (column->sign_of >= 0)
			return view_text(view, "rows where %s is negative",
					 column_name(table, column->sign_of));
		if (column->total_of >= 0)
			return view_text(view, "values in %s",
					 column_name(table, column->total_of));
		return "sum";
	case ROLE_MEAN:
		return view_text(view, "mean, weighted by %s", column_name(table, column->weight));
	case ROLE_MIN:
		return "least";
	case ROLE_MAX:
		return "greatest";
	case ROLE_RATE:
		if (rate->whole2 >= 0)
			return view_text(view, "%s / (%s + %s)", column_name(table, rate->part),
					 column_name(table, rate->whole),
					 column_name(table, rate->whole2));
		return view_text(view, "%s / %s", column_name(table, rate->part),
				 column_name(table, rate->whole));
	case ROLE_RANGE:
		return column->quantile ? "quantile: range only" : "range";
	case ROLE_HIST:
		return "histogram";
	default:
		return NULL;
	}
}

static void put_column(struct view *view, struct block *grid, const struct table *table,
		       const struct tally *tally, unsigned i)
{
	const struct column *column = &table->columns[i];
	const char *taken = taken_as(view, table, i);
	long double seconds = (long double)covered_ns(table, tally) / NS_PER_S;
	struct cell *row;

	if (!taken)
		return;
	row = grid_row(view->doc, grid);
	row[0] = cell_text(column->name);
	row[1] = cell_text(taken);
	if (column->role != ROLE_RANGE)
		row[2] = value_cell(table, (int)i, tally->total, NULL);
	if (column->role == ROLE_SUM && seconds > 0)
		row[3] = cell_number(column_value(table, (int)i, tally->total) / seconds,
				     column->unit);
	if (column->role != ROLE_HIST && !column->is_virtual) {
		row[4] = cell_number(tally->least[i], column->unit);
		row[5] = cell_number(tally->greatest[i], column->unit);
	}
}

static void put_columns(struct view *view, struct part *part, const struct table *table,
			const struct tally *tally)
{
	struct block *grid = doc_grid(view->doc, part, "columns", NULL, 6);
	long double seconds = (long double)covered_ns(table, tally) / NS_PER_S;
	struct cell *row;

	grid_column(grid, "column", "column")->left = true;
	grid_column(grid, "taken_as", "taken as")->left = true;
	grid_column(grid, "value", "in all");
	grid_column(grid, "per_second", "per second");
	grid_column(grid, "least", "row: least")->optional = true;
	grid_column(grid, "greatest", "greatest")->optional = true;
	grid->n_keys = 1;
	if (table->main < 0) {
		row = grid_row(view->doc, grid);
		row[0] = cell_text("rows");
		row[1] = cell_text("count");
		row[2] = value_cell(table, -1, tally->total, NULL);
		if (seconds > 0)
			row[3] = cell_number((long double)tally->total->rows / seconds, UNIT_NONE);
	}
	for (unsigned i = 0; i < table->n_columns; i++)
		put_column(view, grid, table, tally, i);
}

void view_overview(struct view *view, struct part *part, const struct table *table,
		   const struct tally *tally)
{
	put_facts(view, part, table, tally);
	put_columns(view, part, table, tally);
	if (table->maybe_running && !view->run->options->running)
		vec_push(view->doc->arena, &view->doc->notes,
			 view_text(view,
				   "%s: %s never goes down from row to row of the same key. If the "
				   "script prints without clearing, these are running totals, and "
				   "sums of them are wrong: use --running.",
				   table->name, column_name(table, table->main)));
}
