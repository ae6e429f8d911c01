/* How values are distributed: quantiles of histograms, rows by their main number, requests by their size. */
#include <math.h>
#include <stdlib.h>

#include "report/view.h"

/* --- quantiles --- */

static struct block *quantile_grid(struct view *view, struct part *part, const struct table *table,
				   int column, const struct dim *dim)
{
	const char *title = dim_title(table, dim), *name = column_name(table, column);
	bool observed = table->columns[column].role != ROLE_HIST;
	struct block *grid =
		doc_grid(view->doc, part, view_text(view, "quantiles:%s:%s", name, title),
			 view_text(view, "Quantiles of %s by %s%s", name, title,
				   observed ? ", within 1.6%" : ""),
			 dim->n + N_QUANTILES + 4);

	key_columns(grid, table, dim);
	grid_column(grid, "count", "count");
	for (unsigned i = 0; i < N_QUANTILES; i++)
		grid_column(grid, view_quantiles[i].id, view_quantiles[i].id);
	grid_column(grid, "max", "max");
	grid_column(grid, "bar", "")->bar = true;
	return grid;
}

/* The end of the last bucket: the greatest value is not above it. */
static struct cell max_cell(const struct table *table, int column, const struct hist *hist)
{
	return quantile_cell(table, column, hist, 1);
}

static void put_quantiles(struct cell *row, const struct table *table, int column,
			  const struct hist *hist)
{
	*row++ = cell_number((long double)hist->total, UNIT_NONE);
	for (unsigned i = 0; i < N_QUANTILES; i++)
		*row++ = quantile_cell(table, column, hist, view_quantiles[i].q);
	*row++ = max_cell(table, column, hist);
	*row = quantile_cell(table, column, hist, 0.99);
}

struct with_hist {
	const struct group *group;
	const struct hist *hist;
};

static int compare_totals(const void *a, const void *b)
{
	const struct with_hist *x = a, *y = b;

	if (x->hist->total != y->hist->total)
		return x->hist->total < y->hist->total ? 1 : -1;
	return strcmp(x->group->key, y->group->key);
}

static void put_dim(struct view *view, struct part *part, const struct table *table,
		    const struct tally *tally, int column, unsigned n_dim)
{
	const struct dim *dim = &table->dims[n_dim];
	const struct groups *groups = &tally->groups[n_dim];
	struct block *grid = quantile_grid(view, part, table, column, dim);
	struct with_hist *all = mem_alloc(groups->n * sizeof(*all));
	struct cell *row = grid_row(view->doc, grid);
	uint32_t n = 0;

	row[0] = cell_text("(all)");
	put_quantiles(row + dim->n, table, column, column_hist(table, column, tally->total));
	for (uint32_t i = 0; i < groups->n; i++) {
		const struct group *group = groups_at(groups, i);
		const struct hist *hist = column_hist(table, column, &group->record);

		if (hist && hist->total)
			all[n++] = (struct with_hist){ group, hist };
	}
	if (n)
		qsort(all, n, sizeof(*all), compare_totals);
	for (uint32_t i = 0; i < n && i < view->run->options->top; i++) {
		row = grid_row(view->doc, grid);
		key_cells(row, dim, all[i].group);
		put_quantiles(row + dim->n, table, column, all[i].hist);
	}
	free(all);
}

/* Without anything to group by. */
static void put_total(struct view *view, struct part *part, const struct table *table,
		      const struct hist *hist, int column)
{
	const char *name = column_name(table, column);
	struct block *facts =
		doc_block(view->doc, part, BLOCK_FACTS, view_text(view, "quantiles:%s", name),
			  view_text(view, "Quantiles of %s", name));

	doc_fact(view->doc, facts, "count", "count",
		 cell_number((long double)hist->total, UNIT_NONE));
	for (unsigned i = 0; i < N_QUANTILES; i++)
		doc_fact(view->doc, facts, view_quantiles[i].id, view_quantiles[i].id,
			 quantile_cell(table, column, hist, view_quantiles[i].q));
	doc_fact(view->doc, facts, "max", "max", max_cell(table, column, hist));
}

void view_latency(struct view *view, struct part *part, const struct table *table,
		  const struct tally *tally)
{
	for (unsigned i = 0; i < table->n_columns; i++) {
		const struct hist *hist = column_hist(table, (int)i, tally->total);
		struct block *cdf;
		bool grouped = false;

		if (!hist || !hist->total)
			continue;
		for (unsigned d = 0; d < table->n_dims; d++) {
			if (table->dims[d].balance)
				continue;
			put_dim(view, part, table, tally, (int)i, d);
			grouped = true;
		}
		if (!grouped)
			put_total(view, part, table, hist, (int)i);
		cdf = doc_block(
			view->doc, part, BLOCK_CDF,
			view_text(view, "cdf:%s", table->columns[i].name),
			view_text(view, "Share of %s up to a value", table->columns[i].name));
		cdf->hist = hist;
		if (hist->left_out)
			cdf->note = view_text(
				view, "%llu values of too many different buckets are left out.",
				(unsigned long long)hist->left_out);
	}
}

/* --- sizes --- */

static void put_decades(struct view *view, struct part *part, const struct table *table,
			const struct tally *tally)
{
	static const char *const small[] = { "below 0", "0", "between 0 and 1" };
	struct block *grid;
	uint64_t sum = 0;
	unsigned used = 0;

	for (unsigned i = 0; i < DECADES; i++) {
		sum += tally->decades[i];
		used += tally->decades[i] > 0;
	}
	if (used < 2)
		return;
	grid = doc_grid(view->doc, part, "distribution",
			view_text(view, "Rows by their %s", column_name(table, table->main)), 4);
	grid_column(grid, "class", column_name(table, table->main))->left = true;
	grid_column(grid, "rows", "rows");
	grid_column(grid, "share", "share");
	grid_column(grid, "bar", "")->bar = true;
	grid->n_keys = 1;
	for (unsigned i = 0; i < DECADES; i++) {
		struct buf name = { 0 };
		struct cell *row;

		if (!tally->decades[i])
			continue;
		if (i < 3) {
			buf_puts(&name, small[i]);
		} else {
			number_put(&name, powl(10, i - 3));
			buf_puts(&name, " to ");
			number_put(&name, powl(10, i - 2) - 1);
		}
		row = grid_row(view->doc, grid);
		row[0] = cell_text(arena_strdup(view->doc->arena, name.data));
		row[1] = row[3] = cell_number((long double)tally->decades[i], UNIT_NONE);
		row[2] = cell_share((long double)tally->decades[i] / (long double)sum);
		buf_fini(&name);
	}
}

static const char *size_name(struct view *view, unsigned i)
{
	struct buf name = { 0 };
	char *text;

	buf_puts(&name, i + 1 < SIZE_CLASSES ? "up to " : "over ");
	number_put_unit(&name, size_limits[i + 1 < SIZE_CLASSES ? i : SIZE_CLASSES - 2],
			UNIT_BYTES);
	text = arena_strdup(view->doc->arena, name.data);
	buf_fini(&name);
	return text;
}

static void put_sizes(struct view *view, struct part *part, const struct table *table,
		      const struct tally *tally)
{
	struct block *grid;
	uint64_t sum = 0;
	long double bytes = 0;

	for (unsigned i = 0; i < SIZE_CLASSES; i++) {
		sum += tally->size_rows[i];
		bytes += tally->size_bytes[i];
	}
	if (!sum || bytes <= 0)
		return;
	grid = doc_grid(view->doc, part, "sizes",
			table->count < 0 ? view_text(view, "Rows by their %s",
						     column_name(table, table->bytes))
					 : view_text(view, "%s by mean size in their row (%s / %s)",
						     column_name(table, table->count),
						     column_name(table, table->bytes),
						     column_name(table, table->count)),
			6);
	grid_column(grid, "class", "size")->left = true;
	grid_column(grid, "count", column_name(table, table->count));
	grid_column(grid, "share", "share");
	grid_column(grid, "bytes", "bytes");
	grid_column(grid, "share_of_bytes", "of bytes");
	grid_column(grid, "bar", "")->bar = true;
	grid->n_keys = 1;
	for (unsigned i = 0; i < SIZE_CLASSES; i++) {
		struct cell *row;

		if (!tally->size_rows[i])
			continue;
		row = grid_row(view->doc, grid);
		row[0] = cell_text(size_name(view, i));
		row[1] = row[5] = cell_number((long double)tally->size_rows[i], UNIT_NONE);
		row[2] = cell_share((long double)tally->size_rows[i] / (long double)sum);
		row[3] = cell_number(tally->size_bytes[i], UNIT_BYTES);
		row[4] = cell_share(share_of(tally->size_bytes[i], bytes));
	}
}

void view_sizes(struct view *view, struct part *part, const struct table *table,
		const struct tally *tally)
{
	put_decades(view, part, table, tally);
	put_sizes(view, part, table, tally);
}
