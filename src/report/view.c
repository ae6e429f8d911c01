/* What the views share: numbers of columns, order of groups, cells. */
#include "report/view.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>

#include "report/rates.h"

const struct view_quantile view_quantiles[N_QUANTILES] = {
	{ 0.5, "p50" }, { 0.9, "p90" }, { 0.99, "p99" }, { 0.999, "p99.9" }
};

char *view_text(struct view *view, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	text = arena_vprintf(view->doc->arena, fmt, ap);
	va_end(ap);
	return text;
}

long double share_of(long double part, long double whole)
{
	return whole > 0 ? part / whole : (long double)NAN;
}

const char *column_name(const struct table *table, int column)
{
	return column < 0 ? "rows" : table->columns[column].name;
}

enum unit column_unit(const struct table *table, int column)
{
	return column < 0 ? UNIT_NONE : table->columns[column].unit;
}

long double column_value(const struct table *table, int column, const struct record *record)
{
	const struct column *of = column < 0 ? NULL : &table->columns[column];
	const struct op_mean *mean;
	double number;
	void *at;

	if (!of)
		return (long double)record->rows;
	if (of->role == ROLE_RATE)
		return rate_value(table, of, record);
	if (of->op < 0)
		return NAN;
	at = record_at(record, &table->layout.ops[of->op]);
	switch (table->layout.ops[of->op].kind) {
	case OP_SUM:
		return ((struct op_sum *)at)->sum;
	case OP_MEAN:
		mean = at;
		return mean->weight > 0 ? mean->weighted / mean->weight : (long double)NAN;
	case OP_RANGE:
		number = ((struct op_range *)at)->high;
		break;
	case OP_HIST:
		return NAN;
	default:
		number = *(double *)at;
		break;
	}
	return isfinite(number) ? number : NAN;
}

const struct hist *column_hist(const struct table *table, int column, const struct record *record)
{
	int op = table->columns[column].hist_op;

	return op < 0 ? NULL : *(struct hist **)record_at(record, &table->layout.ops[op]);
}

/* --- order --- */

struct order {
	const struct table *table;
	int column;
};

static long double order_value(const struct order *order, const struct group *group)
{
	long double value = column_value(order->table, order->column, &group->record);

	return isnan(value) ? -INFINITY : value;
}

static int compare_groups(const void *a, const void *b, void *arg)
{
	const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
	long double left = order_value(arg, x), right = order_value(arg, y);
	size_t len = x->key_len < y->key_len ? x->key_len : y->key_len;
	int keys;

	if (left != right)
		return left < right ? 1 : -1;
	keys = memcmp(x->key, y->key, len);
	return keys ? keys : (x->key_len > y->key_len) - (x->key_len < y->key_len);
}

struct ranked ranked_by(const struct table *table, const struct groups *groups, int column,
			double min_count)
{
	struct ranked ranked = { .groups = mem_alloc(groups->n * sizeof(struct group *)) };
	struct order order = { table, column };

	for (uint32_t i = 0; i < groups->n; i++) {
		struct group *group = groups_at(groups, i);

		if (column_value(table, table->count, &group->record) >= min_count)
			ranked.groups[ranked.n++] = group;
	}
	qsort_r(ranked.groups, ranked.n, sizeof(*ranked.groups), compare_groups, &order);
	return ranked;
}

int sort_column(const struct table *table)
{
	const char *sort = table->run->options->sort;
	int column = sort ? table_column(table, sort) : -1;

	return column >= 0 && (table->columns[column].role >= ROLE_SUM) ? column : table->main;
}

/* --- cells --- */

void key_columns(struct block *grid, const struct table *table, const struct dim *dim)
{
	for (unsigned i = 0; i < dim->n; i++) {
		const char *name = table->columns[dim->columns[i]].name;

		grid_column(grid, name, name)->left = true;
	}
	grid->n_keys = grid->n_columns;
}

void key_cells(struct cell *row, const struct dim *dim, const struct group *group)
{
	const char *at = group->key, *end = group->key + group->key_len;

	for (unsigned i = 0; i < dim->n; i++) {
		size_t len = i + 1 < dim->n ? strnlen(at, (size_t)(end - at)) : (size_t)(end - at);

		row[i] = len ? cell_bytes(at, len) : cell_text("(none)");
		at += len + (at + len < end);
	}
}

struct cell value_cell(const struct table *table, int column, const struct record *record,
		       const struct group *group)
{
	long double value = column_value(table, column, record);
	struct cell cell = cell_number(value, column_unit(table, column));

	/* Error rates are written as 0.12 or as 12: per cent are told by their sign. */
	if (column >= 0 && table->columns[column].role == ROLE_RATE &&
	    table->columns[column].rate.scale == 100)
		cell = cell_share(value / 100);
	if (group && group->may_lack > 0 && cell.kind == CELL_NUMBER &&
	    (column < 0 || table->columns[column].role == ROLE_SUM))
		cell.bound = '>';
	return cell;
}

struct record *rest_of(struct view *view, const struct table *table, const struct groups *groups,
		       const struct ranked *ranked, uint32_t top, struct account *account)
{
	struct record *rest;

	if (ranked->n <= top && !groups->other)
		return NULL;
	account_open(account, &view->run->budget, NULL);
	rest = record_new(&table->layout);
	for (uint32_t i = top; i < ranked->n; i++)
		record_merge(&table->layout, rest, &ranked->groups[i]->record, account);
	if (groups->other)
		record_merge(&table->layout, rest, groups->other, account);
	return rest;
}

void rest_free(const struct table *table, struct record *rest, struct account *account)
{
	if (!rest)
		return;
	record_fini(&table->layout, rest, account);
	account_close(account);
	free(rest);
}

/* Only sums over an interval come in steps; events come when they come. */
int64_t interval_of(const struct table *table, const struct tally *tally)
{
	if (table->count < 0 || tally->steps < 2)
		return 0;
	return (tally->last - tally->first) / (int64_t)(tally->steps - 1);
}

int64_t covered_ns(const struct table *table, const struct tally *tally)
{
	if (!tally->n_timed)
		return 0;
	return tally->last - tally->first + interval_of(table, tally);
}

struct cell quantile_cell(const struct table *table, int column, const struct hist *hist, double q)
{
	enum hist_bound bound = HIST_EXACT;
	struct cell cell = cell_number(hist ? hist_quantile(hist, q, &bound) : NAN,
				       table->columns[column].unit);

	if (cell.kind == CELL_NUMBER && bound != HIST_EXACT)
		cell.bound = bound == HIST_AT_LEAST ? '>' : '<';
	return cell;
}

void view_table(struct view *view, struct table *table, struct tally *tally)
{
	const char *from = table->n_files > 1 ? view_text(view, "%s and %u more", table->file,
							  table->n_files - 1)
					      : table->file;
	struct part *part = doc_part(view->doc, table->name, from);

	view_overview(view, part, table, tally);
	view_rankings(view, part, table, tally);
	view_errors(view, part, table, tally);
	view_latency(view, part, table, tally);
	view_sizes(view, part, table, tally);
	view_activity(view, part, table, tally);
}
