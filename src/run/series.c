/*
 * Tables of series: found by their labels, fed with what a collect reads, kept monotonic, bounded in number. How they
 * become families is at the end.
 */
#include "run/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"

/* --- cells --- */

static void cell_fini(struct cell *cell)
{
	free(cell->tally_base);
	free(cell->tally_last);
	free(cell->tally_next);
	free(cell->text);
	*cell = (struct cell){ 0 };
}

static bool is_tallied(const struct column *column)
{
	return column->family->type == METRIC_HISTOGRAM || column->family->type == METRIC_SUMMARY;
}

static bool is_counter(const struct column *column)
{
	return column->family->type == METRIC_COUNTER;
}

/* Does it have to be remembered when it is not read any more? */
static bool is_monotonic(const struct column *column)
{
	return is_tallied(column) || is_counter(column);
}

/* Counting begins anew: what was reached is the base of it. Of what may fall nothing is kept. */
static void cell_restart(const struct column *column, struct cell *cell)
{
	struct tally *last = cell->tally_last;

	cell->present = false;
	if (!is_monotonic(column))
		return;
	cell->base += cell->last;
	cell->last = 0;
	cell->tally_last = NULL;
	buckets_add(&cell->tally_base, last);
	free(last);
}

/* Division is exact where the scale is a power of ten below 1, multiplication is not. */
static double scaled(double number, double scale)
{
	double inverse = scale > 0 && scale < 1 ? rint(1 / scale) : 0;

	if (inverse > 0 && fabs(inverse * scale - 1) < 1e-12)
		return number / inverse;
	return number * scale;
}

static void feed_counter(struct cell *cell, double number)
{
	if (isnan(number))
		return;
	cell->next = cell->fed ? cell->next + number : number;
	cell->fed = true;
}

static void feed_tally(struct column *column, struct cell *cell, const struct value *value)
{
	struct tally *tally = buckets_of(value);

	tally->sum = scaled(tally->sum, column->scale);
	bounds_add(&column->bounds, tally);
	if (cell->fed) {
		buckets_add(&cell->tally_next, tally);
		free(tally);
	} else {
		cell->tally_next = tally;
		cell->fed = true;
	}
}

static void take_counter(const struct column *column, struct cell *cell)
{
	bool fell = cell->next < cell->last;

	if (fell && column->fall == FALL_NEGATIVE)
		return;
	if (fell)
		cell_restart(column, cell);
	if (fell && column->fall == FALL_PAST)
		cell->base -= cell->next;
	cell->last = cell->next;
}

static void take_tally(const struct column *column, struct cell *cell)
{
	struct tally *last = cell->tally_last;
	bool fell = last && cell->tally_next->count < last->count;

	if (fell)
		cell_restart(column, cell);
	else
		free(last);
	if (fell && column->fall == FALL_PAST)
		buckets_subtract(&cell->tally_base, cell->tally_next);
	cell->tally_last = cell->tally_next;
	cell->tally_next = NULL;
}

/* What was read becomes what was read last. */
static void cell_take(const struct column *column, struct cell *cell)
{
	if (!cell->fed)
		return;
	if (is_tallied(column))
		take_tally(column, cell);
	else
		take_counter(column, cell);
	cell->fed = false;
	cell->present = true;
}

/* A stack in one line, outermost frame first. */
static void label_text(struct buf *out, const struct value *value)
{
	if (value->kind != VALUE_STACK) {
		value_text(out, value);
		return;
	}
	for (uint32_t i = value->len; i-- > 0;) {
		value_text(out, &value->items[i]);
		if (i)
			buf_putc(out, ';');
	}
}

void series_label(struct buf *out, const struct value *value)
{
	struct buf text = { 0 };

	if (value->kind == VALUE_STR && !value->truncated) {
		metrics_label_value(out, value->text, value->len);
		return;
	}
	label_text(&text, value);
	if (text.len)
		metrics_label_value(out, text.data, text.len);
	buf_fini(&text);
}

static void feed_text(struct cell *cell, const struct value *value)
{
	struct buf text = { 0 };

	buf_puts(&text, "");
	series_label(&text, value);
	free(cell->text);
	cell->text = text.data;
	cell->last = 1;
	cell->present = true;
}

void cell_feed(struct column *column, struct cell *cell, const struct value *value)
{
	const struct value *found = column->path ? measure_find(value, column->path) : value;
	double number;

	if (!found || found->kind == VALUE_NONE)
		return;
	if (is_tallied(column)) {
		feed_tally(column, cell, found);
		return;
	}
	if (column->measure == MEASURE_TEXT) {
		feed_text(cell, found);
		return;
	}
	number = scaled(value_number(found), column->scale);
	if (is_counter(column)) {
		feed_counter(cell, number);
		return;
	}
	cell->last = number;
	cell->present = !isnan(number);
}

/* --- rows --- */

static uint64_t hash_of(const char *key)
{
	uint64_t hash = 14695981039346656037ull; /* FNV-1a */

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 1099511628211ull;
	return hash;
}

static uint32_t *slot_of(const struct table *table, const char *key, uint64_t hash)
{
	size_t i = (hash ^ hash >> 32) & (table->n_slots - 1);

	while (table->slots[i]) {
		const struct row *row = table->rows[table->slots[i] - 1];

		if (row->hash == hash && strcmp(row->key, key) == 0)
			break;
		i = (i + 1) & (table->n_slots - 1);
	}
	return &table->slots[i];
}

static void index_rows(struct table *table)
{
	while (table->n_slots < 16 || table->n_slots < table->n_rows * 2 + 2)
		table->n_slots = table->n_slots ? table->n_slots * 2 : 16;
	table->slots = mem_realloc(table->slots, table->n_slots * sizeof(*table->slots));
	memset(table->slots, 0, table->n_slots * sizeof(*table->slots));
	for (size_t i = 0; i < table->n_rows; i++)
		*slot_of(table, table->rows[i]->key, table->rows[i]->hash) = (uint32_t)i + 1;
}

#define OTHER "_other"

/* Does a key of the script itself have the labels of the overflow? Its counts are then a part of that. */
static bool is_called_other(const struct table *table, const char *key)
{
	static const char part[] = { '_', 'o', 't', 'h', 'e', 'r', KEY_END };

	for (unsigned i = 0; i < table->n_labels; i++, key += sizeof(part))
		if (strncmp(key, part, sizeof(part)) != 0)
			return false;
	return table->n_labels > 0;
}

/* The first rows get the places; a table without labels has one, and always a place for it. */
static bool admit(const struct table *table, const struct row *row, const struct column *column,
		  uint64_t limit)
{
	if (!table->n_labels)
		return true;
	return column->family->n_admitted < limit && !(row->is_other && is_monotonic(column));
}

static struct row *row_new(struct table *table, const char *key, uint64_t hash, uint64_t limit)
{
	size_t size = sizeof(struct row) + table->n_columns * sizeof(struct cell);
	struct row *row = mem_alloc(size);

	memset(row, 0, size);
	row->cells = (struct cell *)(row + 1);
	row->key = memcpy(mem_alloc(strlen(key) + 1), key, strlen(key) + 1);
	row->hash = hash;
	row->is_other = is_called_other(table, key);
	for (unsigned i = 0; i < table->n_columns; i++) {
		row->cells[i].admitted = admit(table, row, &table->columns[i], limit);
		table->columns[i].family->n_admitted += row->cells[i].admitted;
	}
	return row;
}

struct row *series_table_row(struct table *table, const char *key, const struct collect *collect)
{
	uint64_t hash = hash_of(key);
	struct row *row;
	uint32_t *slot;

	if (table->n_rows * 2 >= table->n_slots)
		index_rows(table);
	slot = slot_of(table, key, hash);
	if (!*slot) {
		if (table->n_rows == table->cap_rows) {
			table->cap_rows = table->cap_rows ? table->cap_rows * 2 : 16;
			table->rows =
				mem_realloc(table->rows, table->cap_rows * sizeof(*table->rows));
		}
		table->rows[table->n_rows++] = row_new(table, key, hash, collect->limit);
		*slot = (uint32_t)table->n_rows;
	}
	row = table->rows[*slot - 1];
	row->seen = collect->tick;
	row->seen_ns = collect->now_ns;
	return row;
}

/* What it had reached goes on in _other, unless it was a series of its own that has expired. */
static void row_forget(struct table *table, struct row *row)
{
	for (unsigned i = 0; i < table->n_columns; i++) {
		struct column *column = &table->columns[i];
		struct cell *cell = &row->cells[i];

		if (is_monotonic(column) && !(row->expired && cell->admitted)) {
			cell_restart(column, cell);
			column->other.base += cell->base;
			buckets_add(&column->other.tally_base, cell->tally_base);
			column->has_other = true;
		}
		column->family->n_admitted -= cell->admitted;
		cell_fini(cell);
	}
	free(row->key);
	free(row);
}

void series_table_free(struct table *table)
{
	for (size_t i = 0; i < table->n_rows; i++)
		row_forget(table, table->rows[i]);
	for (unsigned i = 0; i < table->n_columns; i++) {
		cell_fini(&table->columns[i].other);
		free(table->columns[i].bounds.data);
	}
	free(table->rows);
	free(table->slots);
	arena_free(table->arena);
}

bool series_table_remembers(const struct table *table)
{
	for (unsigned i = 0; i < table->n_columns; i++)
		if (is_monotonic(&table->columns[i]))
			return true;
	return false;
}

/*
 * A row that is not read any more, because the script has deleted its key. One that is a series is kept, because it may
 * come back; when there is no place for others, only until it has been away for long.
 */
static bool may_forget(const struct table *table, const struct row *row,
		       const struct collect *collect)
{
	bool old = (uint64_t)(collect->now_ns - row->seen_ns) >= collect->expire_ns;

	for (unsigned i = 0; i < table->n_columns; i++) {
		const struct family *family = table->columns[i].family;

		if (row->cells[i].admitted && is_monotonic(&table->columns[i]) &&
		    (!old || family->n_admitted < collect->limit))
			return false;
	}
	return true;
}

static void row_take(struct table *table, struct row *row, bool absent)
{
	for (unsigned i = 0; i < table->n_columns; i++)
		if (absent)
			cell_restart(&table->columns[i], &row->cells[i]);
		else
			cell_take(&table->columns[i], &row->cells[i]);
}

void series_table_sweep(struct table *table, const struct collect *collect)
{
	size_t n = 0;

	for (size_t i = 0; i < table->n_rows; i++) {
		struct row *row = table->rows[i];
		bool absent = row->seen != collect->tick;

		row_take(table, row, absent);
		if (row->expired || (absent && may_forget(table, row, collect)))
			row_forget(table, row);
		else
			table->rows[n++] = row;
	}
	if (n == table->n_rows)
		return;
	table->n_rows = n;
	index_rows(table);
}

void series_table_retire(struct table *table)
{
	for (size_t i = 0; i < table->n_rows; i++)
		for (unsigned c = 0; c < table->n_columns; c++)
			cell_restart(&table->columns[c], &table->rows[i]->cells[c]);
	table->live = false;
	table->map = NULL;
}

/* --- bounds of a family --- */

static int by_size(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* The inclusive bound of a bucket of integers that are below `bound`. */
static double inclusive(const struct column *column, int64_t bound)
{
	return scaled((double)(bound - 1), column->scale);
}

/* The bounds of all columns of a family, and where in them those of each column are. */
static void join_bounds(struct family *family, struct arena *arena)
{
	unsigned n = 0;

	for (unsigned i = 0; i < family->n_columns; i++)
		n += family->columns[i]->bounds.n;
	family->bounds = arena_alloc(arena, (n + 1) * sizeof(*family->bounds));
	n = 0;
	for (unsigned i = 0; i < family->n_columns; i++)
		for (uint32_t b = 0; b < family->columns[i]->bounds.n; b++)
			family->bounds[n++] =
				inclusive(family->columns[i], family->columns[i]->bounds.data[b]);
	qsort(family->bounds, n, sizeof(*family->bounds), by_size);
	family->n_bounds = 0;
	for (unsigned i = 0; i < n; i++)
		if (!i || family->bounds[i] != family->bounds[family->n_bounds - 1])
			family->bounds[family->n_bounds++] = family->bounds[i];
	for (unsigned i = 0; i < family->n_columns; i++) {
		struct column *column = family->columns[i];
		unsigned at = 0;

		column->bound_at = arena_alloc(arena, (column->bounds.n + 1) * sizeof(unsigned));
		for (uint32_t b = 0; b < column->bounds.n; b++) {
			while (family->bounds[at] < inclusive(column, column->bounds.data[b]))
				at++;
			column->bound_at[b] = at;
		}
	}
}

/* --- writing --- */

static void family_begin(struct family *family, struct metrics *set)
{
	family->out = metrics_family(set, family->name, family->type, family->help, family->labels,
				     family->n_labels);
	family->seen = family->n_columns > 1 ? strmap_new(set->arena) : NULL;
	if (family->type == METRIC_HISTOGRAM)
		join_bounds(family, set->arena);
	for (unsigned i = 0; i < family->n_columns; i++)
		family->columns[i]->n_over = 0;
}

void series_begin(struct family *families, struct metrics *set)
{
	for (int own = 0; own < 2; own++)
		for (struct family *family = families; family; family = family->next)
			if (family->own == own)
				family_begin(family, set);
}

/* Counts of a tally into the family's bounds, not cumulative yet; what is beyond the last bound is left out. */
static void spread(const struct column *column, const struct tally *tally,
		   struct metric_bucket *buckets)
{
	uint32_t at = 0;

	for (uint32_t i = 0; tally && i < tally->n; i++) {
		const struct bucket *bucket = &tally->buckets[i];

		if (bucket->high == INT64_MAX)
			continue;
		while (at < column->bounds.n && column->bounds.data[at] < bucket->high)
			at++;
		if (at < column->bounds.n)
			buckets[column->bound_at[at]].count += bucket->count;
	}
}

static void write_tally(const struct column *column, const struct cell *cell,
			struct metric_series *series, struct metrics *set)
{
	const struct tally *parts[] = { cell->tally_base, cell->tally_last };
	const struct family *family = column->family;
	struct metric_bucket *buckets = NULL;

	if (family->type == METRIC_HISTOGRAM) {
		buckets = arena_alloc(set->arena, (family->n_bounds + 1) * sizeof(*buckets));
		series->n_buckets = family->n_bounds;
		for (unsigned i = 0; i < family->n_bounds; i++)
			buckets[i].le = family->bounds[i];
	}
	for (int i = 0; i < 2; i++) {
		series->count += parts[i] ? parts[i]->count : 0;
		series->sum += parts[i] ? parts[i]->sum : 0;
		if (buckets)
			spread(column, parts[i], buckets);
	}
	for (unsigned i = 1; buckets && i < family->n_bounds; i++)
		buckets[i].count += buckets[i - 1].count;
	series->buckets = buckets;
}

/* Two scripts have this series: numbers that only grow are added, of others the last one is meant. */
static void merge_series(struct metric_series *into, const struct metric_series *from,
			 enum metric_type type)
{
	if (type == METRIC_GAUGE) {
		into->value = from->value;
		return;
	}
	into->value += from->value;
	into->count += from->count;
	into->sum += from->sum;
	for (unsigned i = 0; i < into->n_buckets && i < from->n_buckets; i++)
		((struct metric_bucket *)into->buckets)[i].count += from->buckets[i].count;
}

static void add_series(struct family *family, struct metrics *set, const char *key,
		       const struct metric_series *series)
{
	size_t *at = family->seen ? strmap_get(family->seen, key) : NULL;

	if (at) {
		merge_series(&family->out->series.data[*at], series, family->type);
		return;
	}
	if (family->seen) {
		at = arena_new_of(set->arena, size_t);
		*at = family->out->series.n;
		strmap_put(family->seen, key, at);
	}
	metrics_add(set, family->out, series);
}

static void write_cell(struct column *column, const struct cell *cell, const char *const *labels,
		       const char *key, struct metrics *set)
{
	struct metric_series series = { .labels = labels };

	if (is_tallied(column))
		write_tally(column, cell, &series, set);
	else
		series.value = cell->base + cell->last;
	add_series(column->family, set, key, &series);
}

/* The labels of a key; room for one more. */
static const char **labels_of(const struct table *table, const char *key, struct arena *arena)
{
	const char **labels = arena_alloc(arena, (table->n_labels + 1) * sizeof(*labels));
	char *at = arena_strdup(arena, key);

	for (unsigned i = 0; i < table->n_labels; i++) {
		char *end = strchr(at, KEY_END);

		*end = '\0';
		labels[i] = at;
		at = end + 1;
	}
	return labels;
}

/* A string stands in a further label of its own. */
static const char *const *with_text(const struct table *table, const struct cell *cell,
				    const char *const *labels, struct arena *arena)
{
	const char **more = arena_alloc(arena, (table->n_labels + 1) * sizeof(*more));

	memcpy(more, labels, table->n_labels * sizeof(*more));
	more[table->n_labels] = arena_strdup(arena, cell->text);
	return more;
}

static void add_over(struct column *column, const struct row *row, const struct cell *cell)
{
	column->n_over += !row->is_other;
	if (!is_monotonic(column))
		return;
	column->has_other = true;
	column->sum_over.base += cell->base + cell->last;
	buckets_add(&column->sum_over.tally_base, cell->tally_base);
	buckets_add(&column->sum_over.tally_base, cell->tally_last);
}

static void write_row(struct table *table, const struct row *row, struct metrics *set)
{
	const char **labels = labels_of(table, row->key, set->arena);

	for (unsigned i = 0; i < table->n_columns; i++) {
		struct column *column = &table->columns[i];
		const struct cell *cell = &row->cells[i];

		if (!is_monotonic(column) && !cell->present)
			continue;
		if (!cell->admitted)
			add_over(column, row, cell);
		else if (column->measure == MEASURE_TEXT)
			write_cell(column, cell, with_text(table, cell, labels, set->arena),
				   row->key, set);
		else
			write_cell(column, cell, labels, row->key, set);
	}
}

static void write_other(struct column *column, struct metrics *set)
{
	unsigned n = column->table->n_labels;
	const char **labels = arena_alloc(set->arena, (n + 1) * sizeof(*labels));

	for (unsigned i = 0; i < n; i++)
		labels[i] = OTHER;
	column->sum_over.base += column->other.base;
	buckets_add(&column->sum_over.tally_base, column->other.tally_base);
	if (n && column->has_other)
		write_cell(column, &column->sum_over, labels, "\xff" OTHER, set);
	cell_fini(&column->sum_over);
}

void series_write(struct table *table, struct metrics *set)
{
	for (size_t i = 0; i < table->n_rows; i++)
		write_row(table, table->rows[i], set);
	for (unsigned i = 0; i < table->n_columns; i++)
		write_other(&table->columns[i], set);
}
