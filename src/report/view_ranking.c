/* Who has how much: rankings with shares, tables of two columns, errors, and how evenly processors are used. */
#include <math.h>
#include <stdlib.h>

#include "report/rates.h"
#include "report/view.h"

enum { CROSS_COLUMNS = 6, CLASSES = 10 };

/* --- rankings --- */

/* Columns that a ranking shows beside the one it goes by. */
static bool is_shown(const struct table *table, int column, int sort)
{
	enum role role = table->columns[column].role;

	return column != sort && column != table->main &&
	       (role == ROLE_SUM || role == ROLE_MEAN || role == ROLE_MIN || role == ROLE_MAX ||
		role == ROLE_RATE);
}

struct ranking {
	struct block *grid;
	const struct table *table;
	const struct dim *dim;
	const struct record *total;
	int sort;
	long double cumulative;
};

static void put_values(const struct ranking *ranking, struct cell *row, const struct record *record,
		       const struct group *group)
{
	const struct table *table = ranking->table;

	row += 1 + ranking->dim->n; /* the place and the key are not of the record */
	if (ranking->sort != table->main)
		*row++ = value_cell(table, ranking->sort, record, group);
	*row++ = value_cell(table, table->main, record, group);
	*row++ = cell_share(share_of(column_value(table, table->main, record),
				     column_value(table, table->main, ranking->total)));
	*row++ = cell_share(
		share_of(ranking->cumulative, column_value(table, table->main, ranking->total)));
	for (unsigned i = 0; i < table->n_columns; i++)
		if (is_shown(table, (int)i, ranking->sort))
			*row++ = value_cell(table, (int)i, record, group);
	*row = cell_number(column_value(table, ranking->sort, record), UNIT_NONE);
}

static void ranking_columns(struct ranking *ranking)
{
	const struct table *table = ranking->table;
	struct block *grid = ranking->grid;

	grid_column(grid, "rank", "#");
	key_columns(grid, table, ranking->dim);
	if (ranking->sort != table->main)
		grid_column(grid, column_name(table, ranking->sort),
			    column_name(table, ranking->sort));
	grid_column(grid, column_name(table, table->main), column_name(table, table->main));
	grid_column(grid, "share", "share");
	grid_column(grid, "cumulative", "cumul.");
	for (unsigned i = 0; i < table->n_columns; i++)
		if (is_shown(table, (int)i, ranking->sort))
			grid_column(grid, table->columns[i].name, table->columns[i].name)
				->optional = true;
	grid_column(grid, "bar", "")->bar = true;
}

static const char *ranking_note(struct view *view, const struct groups *groups)
{
	if (!groups->other)
		return NULL;
	return view_text(view,
			 "More groups than are kept at once: the smallest were put into the rest. "
			 "Numbers with >= may lack up to %.0f.",
			 groups->floor);
}

static void put_ranking(struct view *view, struct part *part, const struct table *table,
			const struct tally *tally, unsigned n_dim)
{
	const struct groups *groups = &tally->groups[n_dim];
	struct ranking ranking = { .table = table,
				   .dim = &table->dims[n_dim],
				   .total = tally->total,
				   .sort = sort_column(table) };
	bool by_rate = ranking.sort >= 0 && table->columns[ranking.sort].role != ROLE_SUM;
	struct ranked ranked = ranked_by(table, groups, ranking.sort,
					 by_rate ? view->run->options->min_count : -INFINITY);
	uint32_t top = view->run->options->top;
	struct account account;
	struct record *rest = rest_of(view, table, groups, &ranked, top, &account);
	const char *title = dim_title(table, ranking.dim);

	ranking.grid =
		doc_grid(view->doc, part, view_text(view, "ranking:%s", title),
			 view_text(view, "By %s", title), table->n_columns + ranking.dim->n + 6);
	ranking_columns(&ranking);
	for (uint32_t i = 0; i < ranked.n && i < top; i++) {
		struct cell *row = grid_row(view->doc, ranking.grid);

		ranking.cumulative += column_value(table, table->main, &ranked.groups[i]->record);
		put_values(&ranking, row, &ranked.groups[i]->record, ranked.groups[i]);
		row[0] = cell_number(i + 1, UNIT_NONE);
		key_cells(row + 1, ranking.dim, ranked.groups[i]);
	}
	if (rest) {
		struct cell *row = grid_row(view->doc, ranking.grid);
		bool exact;
		uint64_t n = groups_distinct(groups, &exact);
		uint64_t shown = ranked.n < top ? ranked.n : top;

		ranking.cumulative += column_value(table, table->main, rest);
		put_values(&ranking, row, rest, NULL);
		row[1] = cell_text(view_text(view, "(%s%llu others)", exact ? "" : "about ",
					     (unsigned long long)(n > shown ? n - shown : 0)));
		row[ranking.grid->n_columns - 1] = (struct cell){ 0 };
	}
	ranking.grid->note = ranking_note(view, groups);
	rest_free(table, rest, &account);
	free(ranked.groups);
}

/* --- two columns against each other --- */

struct cross_key {
	const char *text; /* borrowed from a group */
	size_t len;
	long double sum;
};

struct cross_keys {
	VEC(struct cross_key) keys;
};

static struct cross_key *cross_find(struct arena *arena, struct groups *index,
				    struct cross_keys *keys, const char *text, size_t len)
{
	struct group *group = groups_take(index, text, len);

	/* The number of the key is kept as the group's rows. */
	if (!group->record.rows) {
		vec_push(arena, &keys->keys, ((struct cross_key){ text, len, 0 }));
		group->record.rows = keys->keys.n;
	}
	return &keys->keys.data[group->record.rows - 1];
}

static int compare_keys(const void *a, const void *b)
{
	const struct cross_key *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order;

	if (x->sum != y->sum)
		return x->sum < y->sum ? 1 : -1;
	order = memcmp(x->text, y->text, len);
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static size_t first_len(const struct group *group)
{
	return strnlen(group->key, group->key_len);
}

/* Sums by the first and by the second column of the pairs. */
static void add_margins(struct view *view, const struct table *table, const struct groups *groups,
			struct cross_keys *keys)
{
	static const struct layout rows_only = { .size = sizeof(struct record), .main_op = -1 };
	struct groups index[2];

	for (int i = 0; i < 2; i++)
		groups_init(&index[i], &rows_only, &view->run->budget, UINT32_MAX);
	for (uint32_t i = 0; i < groups->n; i++) {
		const struct group *group = groups_at(groups, i);
		size_t len = first_len(group);
		const char *second = group->key + len + (len < group->key_len);
		long double sum = column_value(table, table->main, &group->record);

		cross_find(view->doc->arena, &index[0], &keys[0], group->key, len)->sum += sum;
		cross_find(view->doc->arena, &index[1], &keys[1], second,
			   (size_t)(group->key + group->key_len - second))
			->sum += sum;
	}
	for (int i = 0; i < 2; i++) {
		groups_fini(&index[i]);
		if (keys[i].keys.n)
			qsort(keys[i].keys.data, keys[i].keys.n, sizeof(*keys[i].keys.data),
			      compare_keys);
	}
}

static long double pair_value(struct view *view, const struct table *table,
			      const struct groups *groups, const struct cross_key *a,
			      const struct cross_key *b)
{
	struct buf key = { 0 };
	const struct group *group;

	(void)view;
	buf_add(&key, a->text, a->len);
	buf_putc(&key, '\0');
	buf_add(&key, b->text, b->len);
	group = groups_find(groups, key.data, key.len);
	buf_fini(&key);
	return group ? column_value(table, table->main, &group->record) : 0;
}

static void put_cross_row(struct view *view, struct block *grid, const struct table *table,
			  const struct groups *groups, const struct cross_key *key,
			  const struct cross_keys *columns, size_t shown)
{
	struct cell *row = grid_row(view->doc, grid);
	enum unit unit = column_unit(table, table->main);
	long double rest = key->sum;

	*row++ = key->len ? cell_bytes(key->text, key->len) : cell_text("(none)");
	for (size_t i = 0; i < shown; i++) {
		long double value = pair_value(view, table, groups, key, &columns->keys.data[i]);

		rest -= value;
		*row++ = value != 0 ? cell_number(value, unit) : (struct cell){ 0 };
	}
	if (shown < columns->keys.n)
		*row++ = cell_number(rest, unit);
	*row = cell_number(key->sum, unit);
}

static char *safe_text(struct view *view, const char *text, size_t len)
{
	struct buf out = { 0 };
	char *copy;

	text_put_safe(&out, text, len);
	copy = arena_strdup(view->doc->arena, out.len ? out.data : "(none)");
	buf_fini(&out);
	return copy;
}

static void put_cross(struct view *view, struct part *part, const struct table *table,
		      const struct tally *tally, unsigned n_dim)
{
	const struct dim *dim = &table->dims[n_dim];
	const struct groups *groups = &tally->groups[n_dim];
	struct cross_keys keys[2] = { 0 };
	size_t shown, top = view->run->options->top;
	struct block *grid;

	add_margins(view, table, groups, keys);
	shown = keys[1].keys.n < CROSS_COLUMNS ? keys[1].keys.n : CROSS_COLUMNS;
	grid = doc_grid(view->doc, part, view_text(view, "cross:%s", dim_title(table, dim)),
			view_text(view, "%s of each %s by %s", column_name(table, table->main),
				  column_name(table, dim->columns[0]),
				  column_name(table, dim->columns[1])),
			(unsigned)shown + 3);
	grid_column(grid, column_name(table, dim->columns[0]), column_name(table, dim->columns[0]))
		->left = true;
	grid->n_keys = 1;
	for (size_t i = 0; i < shown; i++) {
		const char *name =
			safe_text(view, keys[1].keys.data[i].text, keys[1].keys.data[i].len);
		struct doc_column *column = grid_column(grid, name, name);

		column->optional = i > 1;
		column->name = true;
	}
	if (shown < keys[1].keys.n)
		grid_column(grid, "(others)", "(others)");
	grid_column(grid, "(total)", "(total)");
	for (size_t i = 0; i < keys[0].keys.n && i < top; i++)
		put_cross_row(view, grid, table, groups, &keys[0].keys.data[i], &keys[1], shown);
}

/* --- how the groups' sums are spread --- */

static void put_spread(struct view *view, struct part *part, const struct table *table,
		       const struct tally *tally, unsigned n_dim)
{
	/* clang-format off */
	static const struct { double end; const char *name; } classes[CLASSES] = {
		{ 2, "1" }, { 10, "2 to 9" }, { 100, "10 to 99" }, { 1e3, "100 to 999" }, { 1e4, "1,000 to 9,999" },
		{ 1e5, "10,000 to 99,999" }, { 1e6, "100,000 to 999,999" }, { 1e7, "1 to 9.9 million" },
		{ 1e9, "10 to 999 million" }, { INFINITY, "1,000 million and more" },
	};
	/* clang-format on */
	const struct groups *groups = &tally->groups[n_dim];
	long double sums[CLASSES] = { 0 }, total = column_value(table, table->main, tally->total);
	uint32_t counts[CLASSES] = { 0 };
	struct block *grid;

	if (groups->n < 20 || groups->other)
		return;
	for (uint32_t i = 0; i < groups->n; i++) {
		long double sum = column_value(table, table->main, &groups_at(groups, i)->record);
		unsigned class = 0;

		if (!(sum >= 1))
			continue;
		while (sum >= classes[class].end)
			class ++;
		counts[class]++;
		sums[class] += sum;
	}
	grid = doc_grid(view->doc, part,
			view_text(view, "spread:%s", dim_title(table, &table->dims[n_dim])),
			view_text(view, "How many %s have how much %s",
				  dim_title(table, &table->dims[n_dim]),
				  column_name(table, table->main)),
			5);
	grid_column(grid, "class", column_name(table, table->main))->left = true;
	grid_column(grid, "groups", "groups");
	grid_column(grid, "share_of_groups", "of groups");
	grid_column(grid, "share", view_text(view, "of %s", column_name(table, table->main)));
	grid_column(grid, "bar", "")->bar = true;
	grid->n_keys = 1;
	for (unsigned i = 0; i < CLASSES; i++) {
		struct cell *row;

		if (!counts[i])
			continue;
		row = grid_row(view->doc, grid);
		row[0] = cell_text(classes[i].name);
		row[1] = cell_number(counts[i], UNIT_NONE);
		row[2] = cell_share((long double)counts[i] / groups->n);
		row[3] = cell_share(share_of(sums[i], total));
		row[4] = cell_number(counts[i], UNIT_NONE);
	}
}

/* --- processors --- */

static const char *balance_text(struct view *view, const struct table *table,
				const struct ranked *ranked)
{
	long double sum = 0, squares = 0, mean;
	const struct group *most = ranked->groups[0], *least = ranked->groups[ranked->n - 1];
	struct buf out = { 0 };
	char *text;

	for (uint32_t i = 0; i < ranked->n; i++)
		sum += column_value(table, table->main, &ranked->groups[i]->record);
	mean = sum / ranked->n;
	for (uint32_t i = 0; i < ranked->n; i++) {
		long double off =
			column_value(table, table->main, &ranked->groups[i]->record) - mean;

		squares += off * off;
	}
	buf_puts(&out, "most ");
	number_put(&out, column_value(table, table->main, &most->record));
	buf_printf(&out, " (%s), least ", most->key);
	number_put(&out, column_value(table, table->main, &least->record));
	buf_printf(&out, " (%s), mean ", least->key);
	number_put(&out, mean);
	buf_puts(&out, ", standard deviation ");
	number_put(&out, sqrtl(squares / ranked->n));
	if (mean > 0) {
		buf_puts(&out, ", most / mean ");
		number_put(&out, column_value(table, table->main, &most->record) / mean);
	}
	text = arena_strdup(view->doc->arena, out.data);
	buf_fini(&out);
	return text;
}

static void put_balance(struct view *view, struct part *part, const struct table *table,
			const struct tally *tally, unsigned n_dim)
{
	const struct dim *dim = &table->dims[n_dim];
	struct ranked ranked = ranked_by(table, &tally->groups[n_dim], table->main, -INFINITY);
	const char *name = dim_title(table, dim);
	struct block *grid;

	if (ranked.n < 2) {
		free(ranked.groups);
		return;
	}
	grid = doc_grid(view->doc, part, view_text(view, "balance:%s", name),
			view_text(view, "Balance over %s", name), 4);
	key_columns(grid, table, dim);
	grid_column(grid, column_name(table, table->main), column_name(table, table->main));
	grid_column(grid, "share", "share");
	grid_column(grid, "bar", "")->bar = true;
	for (uint32_t i = 0; i < ranked.n && i < view->run->options->top; i++) {
		struct cell *row = grid_row(view->doc, grid);
		const struct record *record = &ranked.groups[i]->record;

		key_cells(row, dim, ranked.groups[i]);
		row[1] = value_cell(table, table->main, record, ranked.groups[i]);
		row[2] = cell_share(share_of(column_value(table, table->main, record),
					     column_value(table, table->main, tally->total)));
		row[3] = cell_number(column_value(table, table->main, record), UNIT_NONE);
	}
	grid->note = balance_text(view, table, &ranked);
	free(ranked.groups);
}

void view_rankings(struct view *view, struct part *part, const struct table *table,
		   const struct tally *tally)
{
	for (unsigned i = 0; i < table->n_dims; i++) {
		if (table->dims[i].balance) {
			put_balance(view, part, table, tally, i);
			continue;
		}
		put_ranking(view, part, table, tally, i);
		if (table->dims[i].n == 2)
			put_cross(view, part, table, tally, i);
		put_spread(view, part, table, tally, i);
	}
}

/* --- errors --- */

static long double error_rate(const struct table *table, const struct record *record)
{
	return share_of(column_value(table, table->errors, record),
			column_value(table, table->count, record));
}

struct failing {
	const struct group *group;
	long double errors, rate;
};

static int compare_errors(const void *a, const void *b)
{
	const struct failing *x = a, *y = b;

	if (x->errors != y->errors)
		return x->errors < y->errors ? 1 : -1;
	return strcmp(x->group->key, y->group->key);
}

static int compare_rates(const void *a, const void *b)
{
	const struct failing *x = a, *y = b;

	if (x->rate != y->rate)
		return x->rate < y->rate ? 1 : -1;
	return compare_errors(a, b);
}

static void put_failing(struct view *view, struct part *part, const struct table *table,
			const struct dim *dim, const struct failing *failing, uint32_t n,
			bool rates)
{
	const char *title = dim_title(table, dim);
	struct block *grid = doc_grid(
		view->doc, part, view_text(view, rates ? "error_rate:%s" : "errors:%s", title),
		rates ? view_text(view, "Highest error rates by %s, of at least %g %s", title,
				  view->run->options->min_count, column_name(table, table->count))
		      : view_text(view, "Most errors by %s", title),
		dim->n + 4);

	key_columns(grid, table, dim);
	grid_column(grid, column_name(table, table->errors), column_name(table, table->errors));
	grid_column(grid, column_name(table, table->count), column_name(table, table->count));
	grid_column(grid, "rate", "error rate");
	grid_column(grid, "bar", "")->bar = true;
	for (uint32_t i = 0; i < n && i < view->run->options->top; i++) {
		struct cell *row = grid_row(view->doc, grid);
		const struct group *group = failing[i].group;

		key_cells(row, dim, group);
		row += dim->n;
		row[0] = value_cell(table, table->errors, &group->record, group);
		row[1] = value_cell(table, table->count, &group->record, group);
		row[2] = cell_share(failing[i].rate);
		row[3] = cell_number(rates ? failing[i].rate : failing[i].errors, UNIT_NONE);
	}
}

static void put_errors(struct view *view, struct part *part, const struct table *table,
		       const struct tally *tally, unsigned n_dim)
{
	const struct groups *groups = &tally->groups[n_dim];
	struct failing *failing = mem_alloc(groups->n * sizeof(*failing));
	uint32_t n = 0, enough = 0;

	for (uint32_t i = 0; i < groups->n; i++) {
		const struct group *group = groups_at(groups, i);
		long double errors = column_value(table, table->errors, &group->record);

		if (errors > 0)
			failing[n++] = (struct failing){ group, errors,
							 error_rate(table, &group->record) };
	}
	if (n) {
		qsort(failing, n, sizeof(*failing), compare_errors);
		put_failing(view, part, table, &table->dims[n_dim], failing, n, false);
	}
	for (uint32_t i = 0; i < n; i++)
		if (column_value(table, table->count, &failing[i].group->record) >=
		    view->run->options->min_count)
			failing[enough++] = failing[i];
	if (enough > 1) {
		qsort(failing, enough, sizeof(*failing), compare_rates);
		put_failing(view, part, table, &table->dims[n_dim], failing, enough, true);
	}
	free(failing);
}

void view_errors(struct view *view, struct part *part, const struct table *table,
		 const struct tally *tally)
{
	struct block *facts;

	if (table->errors < 0)
		return;
	facts = doc_block(view->doc, part, BLOCK_FACTS, "error_summary", "Errors");
	doc_fact(view->doc, facts, "errors", column_name(table, table->errors),
		 value_cell(table, table->errors, tally->total, NULL));
	doc_fact(view->doc, facts, "count", column_name(table, table->count),
		 value_cell(table, table->count, tally->total, NULL));
	doc_fact(view->doc, facts, "rate", "error rate",
		 cell_share(error_rate(table, tally->total)));
	if (column_value(table, table->errors, tally->total) <= 0)
		return;
	for (unsigned i = 0; i < table->n_dims; i++)
		if (!table->dims[i].balance)
			put_errors(view, part, table, tally, i);
}
