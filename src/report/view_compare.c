/*
 * Several sides of one table next to each other: what each comes to, who ranks where, who changed most. Where the sides do not
 * cover the same time, rankings compare what came per second. Differences are from the first side to the last.
 */
#include <math.h>
#include <stdlib.h>

#include "report/view.h"
#include "report/when.h"

struct comparison {
	struct view *view;
	struct table *table;
	unsigned n; /* sides, in the order in which they are shown */
	unsigned sides[REPORT_SIDES_MAX];
	long double scale[REPORT_SIDES_MAX]; /* of sums, in rankings */
	bool per_second;
};

/* A key with its number on each side. */
struct entry {
	const struct group *group; /* one of those that have the key */
	long double *values;
	uint32_t *ranks; /* from 1; 0: it is not there */
	long double largest, difference;
};

static const struct tally *tally_at(const struct comparison *comparison, unsigned i)
{
	unsigned side = comparison->sides[i];

	return side < comparison->table->n_tallies ? comparison->table->tallies[side] : NULL;
}

static const char *side_name(const struct comparison *comparison, unsigned i)
{
	return comparison->view->run->sides[comparison->sides[i]].name;
}

static void add_side_columns(const struct comparison *comparison, struct block *grid)
{
	for (unsigned i = 0; i < comparison->n; i++)
		grid_column(grid, side_name(comparison, i), side_name(comparison, i))->name = true;
	grid_column(grid, "difference", "difference");
	grid_column(grid, "change", "change");
}

/* The last two cells: from `first` to `last`. */
static void put_difference(struct cell *row, long double first, long double last, enum unit unit)
{
	if (!isfinite(first) || !isfinite(last))
		return;
	row[0] = cell_number(last - first, unit);
	row[0].sign = true;
	if (first > 0 && last > 0)
		row[1] = cell_change(last / first - 1);
	else if (first == 0 && last > 0)
		row[1] = cell_text("new");
	else if (first > 0 && last == 0)
		row[1] = cell_text("gone");
}

/* --- totals --- */

/* What a row of the totals shows of a side. */
typedef struct cell measure_fn(const struct comparison *comparison, const struct tally *tally,
			       int column, double q);

static struct cell measure_value(const struct comparison *comparison, const struct tally *tally,
				 int column, double q)
{
	(void)q;
	return value_cell(comparison->table, column, tally->total, NULL);
}

static struct cell measure_per_second(const struct comparison *comparison,
				      const struct tally *tally, int column, double q)
{
	long double seconds = (long double)covered_ns(comparison->table, tally) / NS_PER_S;

	(void)q;
	return cell_number(
		seconds > 0 ? column_value(comparison->table, column, tally->total) / seconds : NAN,
		column_unit(comparison->table, column));
}

/* q 0: of the first row, 1: of the last. */
static struct cell measure_time(const struct comparison *comparison, const struct tally *tally,
				int column, double q)
{
	(void)comparison;
	(void)column;
	if (!tally->n_timed)
		return (struct cell){ 0 };
	return cell_time(q > 0 ? tally->last : tally->first);
}

static struct cell measure_seconds(const struct comparison *comparison, const struct tally *tally,
				   int column, double q)
{
	(void)column;
	(void)q;
	return cell_number((long double)covered_ns(comparison->table, tally) / NS_PER_S, UNIT_NONE);
}

static struct cell measure_quantile(const struct comparison *comparison, const struct tally *tally,
				    int column, double q)
{
	return quantile_cell(comparison->table, column,
			     column_hist(comparison->table, column, tally->total), q);
}

static struct cell measure_range(const struct comparison *comparison, const struct tally *tally,
				 int column, double q)
{
	double number = q > 0 ? tally->greatest[column] : tally->least[column];

	return cell_number(number, column_unit(comparison->table, column));
}

static struct cell measure_rate(const struct comparison *comparison, const struct tally *tally,
				int column, double q)
{
	const struct table *table = comparison->table;

	(void)column;
	(void)q;
	return cell_share(share_of(column_value(table, table->errors, tally->total),
				   column_value(table, table->count, tally->total)));
}

static void put_measure(const struct comparison *comparison, struct block *grid, const char *name,
			measure_fn *measure, int column, double q)
{
	struct cell *row = grid_row(comparison->view->doc, grid);
	unsigned last = comparison->n;

	row[0] = cell_text(name);
	for (unsigned i = 0; i < comparison->n; i++) {
		const struct tally *tally = tally_at(comparison, i);

		if (tally)
			row[1 + i] = measure(comparison, tally, column, q);
	}
	if (row[1].kind == CELL_SHARE && row[last].kind == CELL_SHARE) {
		/* Shares differ by points, not by shares of themselves. */
		row[last + 2] = row[1].number > 0
					? cell_change(row[last].number / row[1].number - 1)
					: (struct cell){ 0 };
	} else if (row[1].kind == CELL_NUMBER && row[last].kind == CELL_NUMBER) {
		put_difference(row + last + 1, row[1].number, row[last].number, row[1].unit);
	}
}

static void put_column_measures(const struct comparison *comparison, struct block *grid, unsigned i)
{
	const struct column *column = &comparison->table->columns[i];
	struct view *view = comparison->view;

	switch (column->role) {
	case ROLE_SUM:
	case ROLE_MEAN:
	case ROLE_MIN:
	case ROLE_MAX:
	case ROLE_RATE:
		put_measure(comparison, grid, column->name, measure_value, (int)i, 0);
		break;
	case ROLE_RANGE:
		put_measure(comparison, grid, view_text(view, "%s, least", column->name),
			    measure_range, (int)i, 0);
		put_measure(comparison, grid, view_text(view, "%s, greatest", column->name),
			    measure_range, (int)i, 1);
		break;
	default:
		break;
	}
	for (unsigned q = 0; column->hist_op >= 0 && q < N_QUANTILES; q++)
		put_measure(comparison, grid,
			    view_text(view, "%s %s", column->name, view_quantiles[q].id),
			    measure_quantile, (int)i, view_quantiles[q].q);
}

static void put_totals(const struct comparison *comparison, struct part *part)
{
	const struct table *table = comparison->table;
	struct view *view = comparison->view;
	struct block *grid = doc_grid(view->doc, part, "totals", NULL, comparison->n + 3);

	grid_column(grid, "measure", "")->left = true;
	grid->n_keys = 1;
	add_side_columns(comparison, grid);
	put_measure(comparison, grid, "from", measure_time, -1, 0);
	put_measure(comparison, grid, "to", measure_time, -1, 1);
	put_measure(comparison, grid, "rows", measure_value, -1, 0);
	put_measure(comparison, grid, "seconds", measure_seconds, -1, 0);
	put_measure(comparison, grid,
		    view_text(view, "%s per second", column_name(table, table->main)),
		    measure_per_second, table->main, 0);
	for (unsigned i = 0; i < table->n_columns; i++)
		put_column_measures(comparison, grid, i);
	if (table->errors >= 0)
		put_measure(comparison, grid, "error rate", measure_rate, -1, 0);
}

/* --- rankings --- */

struct entries {
	VEC(struct entry) list;
};

static struct entry *entry_of(const struct comparison *comparison, struct groups *index,
			      struct entries *entries, const struct group *group)
{
	struct arena *arena = comparison->view->doc->arena;
	struct group *known = groups_take(index, group->key, group->key_len);

	/* The number of the entry is kept as the group's rows. */
	if (!known->record.rows) {
		struct entry *entry = vec_grow(arena, &entries->list);

		entry->group = group;
		entry->values = arena_alloc(arena, comparison->n * sizeof(*entry->values));
		entry->ranks = arena_alloc(arena, comparison->n * sizeof(*entry->ranks));
		known->record.rows = entries->list.n;
	}
	return &entries->list.data[known->record.rows - 1];
}

static void collect(const struct comparison *comparison, unsigned n_dim, struct entries *entries)
{
	static const struct layout rows_only = { .size = sizeof(struct record), .main_op = -1 };
	struct table *table = comparison->table;
	struct entry *entry;
	struct groups index;

	groups_init(&index, &rows_only, &comparison->view->run->budget, UINT32_MAX);
	for (unsigned i = 0; i < comparison->n; i++) {
		const struct tally *tally = tally_at(comparison, i);
		struct ranked ranked;

		if (!tally)
			continue;
		ranked = ranked_by(table, &tally->groups[n_dim], table->main, -INFINITY);
		for (uint32_t r = 0; r < ranked.n; r++) {
			entry = entry_of(comparison, &index, entries, ranked.groups[r]);
			entry->values[i] =
				comparison->scale[i] *
				column_value(table, table->main, &ranked.groups[r]->record);
			entry->ranks[i] = r + 1;
			entry->largest = fmaxl(entry->largest, entry->values[i]);
		}
		free(ranked.groups);
	}
	vec_each (entry, &entries->list)
		entry->difference = entry->values[comparison->n - 1] - entry->values[0];
	groups_fini(&index);
}

static int compare_largest(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (x->largest != y->largest)
		return x->largest < y->largest ? 1 : -1;
	return strcmp(x->group->key, y->group->key);
}

static int compare_difference(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	if (fabsl(x->difference) != fabsl(y->difference))
		return fabsl(x->difference) < fabsl(y->difference) ? 1 : -1;
	return strcmp(x->group->key, y->group->key);
}

static const char *rank_text(struct view *view, const struct entry *entry, unsigned n)
{
	uint32_t first = entry->ranks[0], last = entry->ranks[n - 1];

	if (!first && !last)
		return "";
	if (!first)
		return view_text(view, "new, %u", last);
	if (!last)
		return view_text(view, "%u, gone", first);
	if (first == last)
		return view_text(view, "%u", first);
	return view_text(view, "%u to %u", first, last);
}

static void put_entries(const struct comparison *comparison, struct part *part,
			const struct dim *dim, const struct entries *entries, bool movers)
{
	struct table *table = comparison->table;
	struct view *view = comparison->view;
	const char *title = dim_title(table, dim);
	struct block *grid = doc_grid(
		view->doc, part, view_text(view, movers ? "movers:%s" : "ranking:%s", title),
		view_text(view, movers ? "Biggest changes of %s%s by %s" : "%s%s by %s",
			  column_name(table, table->main),
			  comparison->per_second ? " per second" : "", title),
		dim->n + comparison->n + 3);

	key_columns(grid, table, dim);
	add_side_columns(comparison, grid);
	grid_column(grid, "rank", "rank")->left = true;
	for (size_t i = 0; i < entries->list.n && i < view->run->options->top; i++) {
		const struct entry *entry = &entries->list.data[i];
		struct cell *row = grid_row(view->doc, grid);
		enum unit unit = column_unit(table, table->main);

		key_cells(row, dim, entry->group);
		row += dim->n;
		for (unsigned s = 0; s < comparison->n; s++)
			if (entry->ranks[s])
				row[s] = cell_number(entry->values[s], unit);
		row += comparison->n;
		put_difference(row, entry->values[0], entry->values[comparison->n - 1], unit);
		row[2] = cell_text(rank_text(view, entry, comparison->n));
	}
}

static void put_dim(const struct comparison *comparison, struct part *part, unsigned n_dim)
{
	const struct dim *dim = &comparison->table->dims[n_dim];
	struct entries entries = { 0 };

	collect(comparison, n_dim, &entries);
	if (!entries.list.n)
		return;
	qsort(entries.list.data, entries.list.n, sizeof(*entries.list.data), compare_largest);
	put_entries(comparison, part, dim, &entries, false);
	qsort(entries.list.data, entries.list.n, sizeof(*entries.list.data), compare_difference);
	if (entries.list.data[0].difference != 0 && entries.list.n > 1)
		put_entries(comparison, part, dim, &entries, true);
}

/* --- the whole --- */

static void put_thinned_note(const struct comparison *comparison)
{
	struct view *view = comparison->view;

	for (unsigned i = 0; i < comparison->n; i++) {
		const struct tally *tally = tally_at(comparison, i);

		for (unsigned d = 0; tally && d < comparison->table->n_dims; d++)
			if (tally->groups[d].other)
				vec_push(view->doc->arena, &view->doc->notes,
					 view_text(
						 view,
						 "%s, %s: more groups by %s than are kept at once; "
						 "numbers of single ones may lack up to %.0f.",
						 comparison->table->name, side_name(comparison, i),
						 dim_title(comparison->table,
							   &comparison->table->dims[d]),
						 tally->groups[d].floor));
	}
}

/* Sums are compared as they are when all sides cover about the same time. */
static void choose_scale(struct comparison *comparison)
{
	long double least = INFINITY, most = 0;

	for (unsigned i = 0; i < comparison->n; i++) {
		const struct tally *tally = tally_at(comparison, i);
		long double seconds =
			tally ? (long double)covered_ns(comparison->table, tally) / NS_PER_S : 0;

		comparison->scale[i] = 1;
		if (!tally)
			continue;
		least = fminl(least, seconds);
		most = fmaxl(most, seconds);
	}
	comparison->per_second = least > 0 && most > least * 1.05L;
	for (unsigned i = 0; comparison->per_second && i < comparison->n; i++)
		if (tally_at(comparison, i))
			comparison->scale[i] =
				(long double)NS_PER_S /
				(long double)covered_ns(comparison->table, tally_at(comparison, i));
}

static void put_courses(const struct comparison *comparison, struct part *part)
{
	struct view *view = comparison->view;
	struct table *table = comparison->table;

	for (unsigned i = 0; i < comparison->n; i++) {
		unsigned side = comparison->sides[i];
		struct block *block;
		size_t before = part->blocks.n;

		if (!tally_at(comparison, i))
			continue;
		view_activity(view, part, table, table->tallies[side]);
		for (size_t b = before; b < part->blocks.n; b++) {
			block = part->blocks.data[b];
			block->title =
				view_text(view, "%s: %s", side_name(comparison, i), block->title);
			block->id = view_text(view, "%s:%s", block->id, side_name(comparison, i));
		}
	}
}

static int by_day(const void *a, const void *b, void *arg)
{
	const struct side *sides = arg;
	unsigned i = *(const unsigned *)a, j = *(const unsigned *)b;

	if (sides[i].day != sides[j].day)
		return sides[i].day < sides[j].day ? -1 : 1;
	return (i > j) - (i < j);
}

void view_compare(struct view *view, struct table *table)
{
	struct comparison comparison = { .view = view, .table = table, .n = view->run->n_sides };
	struct part *part = doc_part(view->doc, table->name, NULL);

	for (unsigned i = 0; i < comparison.n; i++)
		comparison.sides[i] = i;
	qsort_r(comparison.sides, comparison.n, sizeof(*comparison.sides), by_day,
		view->run->sides);
	choose_scale(&comparison);
	put_totals(&comparison, part);
	for (unsigned i = 0; i < table->n_dims; i++)
		put_dim(&comparison, part, i);
	put_courses(&comparison, part);
	put_thinned_note(&comparison);
}
