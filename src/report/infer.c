/*
 * What the columns of a table are, from their names and from the first rows: which hold times, names, numbers, histograms;
 * which numbers add up and which do not; what a rate was calculated from. Nothing here changes what has been read.
 */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "report/rates.h"
#include "report/when.h"
#include "report/words.h"

enum { DIMS_DEFAULT = 3, OBSERVED_MAX = 2 };

/* What the sample shows of a column. */
struct seen {
	unsigned n; /* fields that are not empty, and do not stand for a missing number */
	unsigned numeric, negative, fractional, histograms, times;
	bool varies;
	char *first;
};

/* --- looking --- */

static void look_at(struct seen *seen, const struct field *field)
{
	long double number;
	int64_t ns;

	if (!seen->first)
		seen->first = strdup(field->text);
	else if (strcmp(seen->first, field->text))
		seen->varies = true;
	if (number_missing(field->text, field->len))
		return;
	seen->n++;
	seen->times += when_stamp(field->text, field->len, &ns);
	if (number_parse(field->text, field->len, &number)) {
		seen->numeric++;
		seen->negative += number < 0;
		seen->fractional += number != truncl(number);
	} else {
		seen->histograms += hist_parse(field->text, field->len, NULL);
	}
}

static struct seen *look(const struct table *table, struct field *fields)
{
	struct seen *seen = mem_alloc(table->n_real * sizeof(*seen));
	struct sample_row row = { .fields = fields };
	size_t at = 0;

	memset(seen, 0, table->n_real * sizeof(*seen));
	while (sample_next(table, &at, &row))
		for (unsigned i = 0; i < table->n_real; i++)
			look_at(&seen[i], &fields[i]);
	return seen;
}

/* --- roles --- */

static bool in_names(const struct report_names *list, const char *name)
{
	for (unsigned i = 0; i < list->n; i++)
		if (strcmp(list->names[i], name) == 0)
			return true;
	return false;
}

/* Numbers are a column's nature, or what its name asks for although some rows hold something else. */
static bool is_numeric(const struct seen *seen, const struct words *words)
{
	unsigned share = seen->n ? seen->numeric * 100 / seen->n : 0;

	if (words_last(words, " comm name str filename path file func function category "))
		return false;
	return share >= (words_role(words, true) == ROLE_RANGE ? 90 : 50);
}

static void decide_role(struct table *table, unsigned i, const struct seen *seen)
{
	const struct report_options *options = table->run->options;
	struct column *column = &table->columns[i];
	struct words words;

	words_split(&words, column->name);
	column->role = ROLE_KEY;
	if (seen->n && seen->histograms == seen->n) {
		column->role = ROLE_HIST;
	} else if (is_numeric(seen, &words)) {
		column->role = words_role(&words, !seen->fractional);
		column->unit = words_unit(&words);
		column->quantile = words_quantile(&words);
		if (column->role == ROLE_SUM && seen->negative && words_last(&words, WORDS_RESULT))
			column->role = ROLE_RANGE; /* a code, not a count */
	} else if (!seen->n && words_role(&words, true) != ROLE_KEY) {
		column->role = ROLE_NONE; /* nothing is known of it */
	}
	if (in_names(&options->sums, column->name))
		column->role = ROLE_SUM;
	else if (in_names(&options->no_sums, column->name))
		column->role = ROLE_RANGE;
	else if (in_names(&options->keys, column->name))
		column->role = ROLE_KEY;
	column->numeric =
		column->role != ROLE_KEY && column->role != ROLE_HIST && column->role != ROLE_NONE;
}

/* "timestamp", else "time_str", else another column that is called so and looks so. */
static void find_time(struct table *table, const struct seen *seen)
{
	static const char *const names[] = { "timestamp",  "time",  "ts",
					     "@timestamp", "epoch", "time_str" };

	for (unsigned n = 0; n < sizeof(names) / sizeof(*names); n++) {
		int i = table_column(table, names[n]);

		if (i < 0)
			continue;
		if (table->time < 0 && (!seen[i].n || seen[i].times * 2 > seen[i].n)) {
			table->time = i;
			table->columns[i].role = ROLE_TIME;
			table->columns[i].numeric = false;
		} else if (strcmp(names[n], "time_str") == 0) {
			table->columns[i].role = ROLE_NONE;
		}
	}
}

/* Of several scripts in one stream: the table is called by them. */
static void leave_out_names(struct table *table)
{
	static const char *const names[] = { "timestamp", "time_str", "script", "table" };

	for (unsigned i = 0; i < 4; i++)
		if (table->n_columns < 5 || strcmp(table->columns[i].name, names[i]) != 0)
			return;
	table->columns[2].role = table->columns[3].role = ROLE_NONE;
}

/* --- a histogram of one bucket per row: ...,min,max,count --- */

static bool same_but(const struct field *a, const struct sample_row *b, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		if (a[i].len != b->fields[i].len || strcmp(a[i].text, b->fields[i].text))
			return false;
	return true;
}

/* A bucket of powers of two, or a part of one: its width is a power of two that divides its low end. */
static bool is_log_bucket(const struct hist_bucket *bucket)
{
	double width = bucket->high - bucket->low;
	int exponent;

	if (isinf(bucket->low))
		return bucket->high == 0;
	if (bucket->low < 0)
		return false;
	return isinf(width) || (frexp(width, &exponent) == 0.5 && fmod(bucket->low, width) == 0 &&
				(width <= bucket->low || width == 1));
}

bool bucket_of(const struct field *low, const struct field *high, struct hist_bucket *bucket)
{
	long double first = -INFINITY, last = INFINITY;

	if ((low->len && !number_parse(low->text, low->len, &first)) ||
	    (high->len && !number_parse(high->text, high->len, &last)))
		return false;
	return first == rintl(first) && last == rintl(last) && hist_closed(first, last, bucket);
}

/*
 * agg(min = min(x), max = max(x), count = count()) writes the same columns. Buckets of one histogram follow each other at
 * one time and key without overlapping; where no two do, they have to look like buckets.
 */
static bool has_bucket_rows(const struct table *table, struct field *fields)
{
	struct sample_row row = { .fields = fields };
	struct field *before = mem_alloc(table->n_real * sizeof(*before));
	unsigned n = table->n_real - 3, follow = 0, overlap = 0, odd = 0, rows = 0;
	struct hist_bucket bucket, last = { 0 };
	size_t at = 0;

	for (; sample_next(table, &at, &row); rows++) {
		if (!bucket_of(&fields[n], &fields[n + 1], &bucket)) {
			rows = 0;
			break;
		}
		odd += !is_log_bucket(&bucket);
		if (rows && same_but(before, &row, n))
			bucket.low >= last.high ? follow++ : overlap++;
		memcpy(before, fields, table->n_real * sizeof(*before));
		last = bucket;
	}
	free(before);
	return rows && !overlap && (follow || !odd);
}

static void find_bucket_rows(struct table *table, struct field *fields)
{
	unsigned n = table->n_real;
	struct column *column = &table->columns[n - 3];

	if (n < 3 || strcmp(column[0].name, "min") || strcmp(column[1].name, "max") ||
	    strcmp(column[2].name, "count") || !has_bucket_rows(table, fields))
		return;
	table->bucket_low = (int)n - 3;
	table->bucket_high = (int)n - 2;
	table->bucket_count = (int)n - 1;
	column[0].role = column[1].role = ROLE_NONE;
	column[0].numeric = column[1].numeric = false;
	column[2].role = ROLE_SUM;
	column[2].numeric = true;
}

/* --- what the table is about --- */

/* The best of the sums that score at least so much. */
static int best_sum(const struct table *table, int least)
{
	int best = -1, best_score = least - 1;
	struct words words;

	for (unsigned i = 0; i < table->n_real; i++) {
		int score;

		if (table->columns[i].role != ROLE_SUM)
			continue;
		words_split(&words, table->columns[i].name);
		score = words_count_score(&words);
		if (score > best_score) {
			best = (int)i;
			best_score = score;
		}
	}
	return best;
}

static int first_sum(const struct table *table, const char *set, enum unit unit)
{
	struct words words;

	for (unsigned i = 0; i < table->n_columns; i++) {
		if (table->columns[i].role != ROLE_SUM)
			continue;
		words_split(&words, table->columns[i].name);
		if (set ? words_any(&words, set) : table->columns[i].unit == unit)
			return (int)i;
	}
	return -1;
}

static struct column *add_virtual(struct table *table, const char *name, enum role role)
{
	struct column *column = &table->columns[table->n_columns++];

	*column = (struct column){ .name = name, .role = role, .is_virtual = true };
	column->weight = column->sign_of = column->total_of = column->op = column->hist_op = -1;
	column->rate.part = column->rate.whole = column->rate.whole2 = -1;
	return column;
}

/* Events with a result: negative ones are errors. */
static void find_result(struct table *table, const struct seen *seen)
{
	struct words words;

	for (unsigned i = 0; table->count < 0 && i < table->n_real; i++) {
		words_split(&words, table->columns[i].name);
		if (!words_last(&words, WORDS_RESULT) || !seen[i].numeric || seen[i].fractional ||
		    !table->columns[i].numeric)
			continue;
		table->errors = (int)table->n_columns;
		add_virtual(table, "errors", ROLE_SUM)->sign_of = (int)i;
		return;
	}
}

/* Rows that are histograms and nothing that counts: they are about what is in the histograms. */
static void count_histograms(struct table *table)
{
	for (unsigned i = 0; i < table->n_real; i++) {
		if (table->columns[i].role != ROLE_HIST)
			continue;
		table->count = (int)table->n_columns;
		add_virtual(table, "count", ROLE_SUM)->total_of = (int)i;
		return;
	}
}

static void find_subject(struct table *table, const struct seen *seen)
{
	const char *sort = table->run->options->sort;
	int asked = sort ? table_column(table, sort) : -1;

	table->count = table->bucket_count >= 0 ? table->bucket_count : best_sum(table, 40);
	if (table->count < 0 && table_column(table, "count") < 0)
		count_histograms(table);
	table->main = table->count >= 0 ? table->count : best_sum(table, 0);
	if (asked >= 0 && table->columns[asked].role == ROLE_SUM)
		table->main = asked;
	table->errors = first_sum(table, WORDS_ERROR, UNIT_NONE);
	if (table->errors == table->count)
		table->errors = -1;
	if (table->errors < 0)
		find_result(table, seen);
	table->bytes = first_sum(table, NULL, UNIT_BYTES);
}

/* Of how many a mean is: "lat_count" for "lat_avg", else the table's count. */
static int weight_of(const struct table *table, const struct column *column)
{
	size_t len = strcspn(column->name, "_.");

	for (unsigned i = 0; column->name[len] && i < table->n_real; i++) {
		const struct column *other = &table->columns[i];
		struct words words;

		words_split(&words, other->name);
		if (other->role == ROLE_SUM && strncmp(other->name, column->name, len + 1) == 0 &&
		    words_last(&words, " count n "))
			return (int)i;
	}
	return table->count;
}

static void find_weights(struct table *table)
{
	for (unsigned i = 0; i < table->n_real; i++) {
		struct column *column = &table->columns[i];

		if (column->role != ROLE_MEAN && column->role != ROLE_MIN &&
		    column->role != ROLE_MAX)
			continue;
		column->weight = weight_of(table, column);
		if (column->weight < 0 && column->role == ROLE_MEAN)
			column->role = ROLE_RANGE;
	}
}

/* --- layout --- */

static void add_op(struct table *table, unsigned column, enum op_kind kind, int weight)
{
	static const size_t sizes[] = {
		[OP_SUM] = sizeof(struct op_sum),
		[OP_MEAN] = sizeof(struct op_mean),
		[OP_MIN] = sizeof(double),
		[OP_MAX] = sizeof(double),
		[OP_RANGE] = sizeof(struct op_range),
		[OP_HIST] = sizeof(struct hist *),
	};
	struct layout *layout = &table->layout;

	layout->ops[layout->n_ops++] = (struct op){
		.kind = kind, .column = column, .weight = weight, .offset = (uint32_t)layout->size
	};
	layout->size += (sizes[kind] + 15) & ~(size_t)15;
	layout->has_hists |= kind == OP_HIST;
}

/* Numbers of single events make a histogram of their own. */
static bool is_observed(const struct table *table, const struct column *column)
{
	struct words words;

	words_split(&words, column->name);
	return column->role == ROLE_RANGE && !column->quantile && table->count < 0 &&
	       !words_last(&words, WORDS_RESULT);
}

static void lay_out(struct table *table)
{
	static const enum op_kind kinds[] = {
		[ROLE_SUM] = OP_SUM, [ROLE_MEAN] = OP_MEAN,   [ROLE_MIN] = OP_MIN,
		[ROLE_MAX] = OP_MAX, [ROLE_RANGE] = OP_RANGE, [ROLE_HIST] = OP_HIST
	};
	struct layout *layout = &table->layout;
	unsigned observed = 0;

	layout->ops = arena_alloc(table->run->arena, 2 * table->n_columns * sizeof(*layout->ops));
	layout->size = sizeof(struct record);
	layout->main_op = -1;
	for (unsigned i = 0; i < table->n_columns; i++) {
		struct column *column = &table->columns[i];

		if (column->role < ROLE_SUM || column->role == ROLE_RATE)
			continue;
		if ((int)i == table->main)
			layout->main_op = (int)layout->n_ops;
		column->op = (int)layout->n_ops;
		add_op(table, i, kinds[column->role], column->weight);
		if (column->role == ROLE_HIST) {
			column->hist_op = column->op;
		} else if (is_observed(table, column) && observed++ < OBSERVED_MAX) {
			column->hist_op = (int)layout->n_ops;
			add_op(table, i, OP_HIST, -1);
		}
	}
}

/* --- what rankings go by --- */

static bool is_cpu(const struct column *column)
{
	struct words words;

	words_split(&words, column->name);
	return words_any(&words, WORDS_CPU) && !words_any(&words, " time usage load util ");
}

static void add_dim(struct table *table, int column, bool balance)
{
	if (table->n_dims < DIMS_MAX)
		table->dims[table->n_dims++] =
			(struct dim){ .columns = { column }, .n = 1, .balance = balance };
}

static void add_keys(struct table *table, const struct seen *seen, bool numbers, bool constant)
{
	for (unsigned i = 0; i < table->n_real && table->n_dims < DIMS_DEFAULT; i++) {
		const struct column *column = &table->columns[i];
		bool number = seen[i].n && seen[i].numeric == seen[i].n;

		if (column->role == ROLE_KEY && seen[i].n && number == numbers &&
		    seen[i].varies != constant && !is_cpu(column))
			add_dim(table, (int)i, false);
	}
}

static void add_asked(struct table *table, const struct report_names *by)
{
	struct dim dim = { 0 };

	for (unsigned i = 0; i < by->n; i++) {
		int column = table_column(table, by->names[i]);

		if (column < 0)
			return;
		dim.columns[dim.n++] = column;
	}
	if (table->n_dims < DIMS_MAX)
		table->dims[table->n_dims++] = dim;
}

static void find_dims(struct table *table, const struct seen *seen)
{
	const struct report_options *options = table->run->options;

	for (unsigned i = 0; i < options->n_by; i++)
		add_asked(table, &options->by[i]);
	if (!options->n_by) {
		add_keys(table, seen, false, false);
		if (!table->n_dims)
			add_keys(table, seen, true, false);
		if (!table->n_dims)
			add_keys(table, seen, false, true);
	}
	for (unsigned i = 0; i < table->n_real; i++)
		if (table->columns[i].role == ROLE_KEY && is_cpu(&table->columns[i]) && seen[i].n &&
		    seen[i].numeric == seen[i].n)
			add_dim(table, (int)i, true);
}

/* --- running totals --- */

struct last_seen {
	long double number;
};

/* Rows of the same key whose main number never goes down, although it changes: are these running totals? */
static void suspect_running(struct table *table, struct field *fields)
{
	struct arena *arena = arena_new();
	struct strmap *map = strmap_new(arena);
	struct sample_row row = { .fields = fields };
	unsigned repeated = 0, up = 0, down = 0;
	size_t at = 0;

	while (table->main >= 0 && sample_next(table, &at, &row)) {
		struct field *field = &fields[table->main];
		struct last_seen *last;
		struct buf key = { 0 };
		long double number;

		if (table->columns[table->main].is_virtual ||
		    !number_parse(field->text, field->len, &number))
			continue;
		for (unsigned i = 0; i < table->n_real; i++)
			if (table->columns[i].role == ROLE_KEY || (int)i == table->bucket_low)
				buf_printf(&key, "%s\x1f", fields[i].text);
		last = strmap_get(map, key.data ? key.data : "");
		if (last) {
			repeated++;
			up += number > last->number;
			down += number < last->number;
		} else {
			last = arena_new_of(arena, struct last_seen);
			strmap_put(map, key.data ? key.data : "", last);
		}
		last->number = number;
		buf_fini(&key);
	}
	table->maybe_running = repeated >= 20 && !down && up * 4 >= repeated;
	arena_free(arena);
}

static void find_conditions(struct table *table)
{
	const struct report_options *options = table->run->options;

	table->conditions =
		arena_alloc(table->run->arena, (options->n_where + 1) * sizeof(*table->conditions));
	for (unsigned i = 0; i < options->n_where; i++) {
		int column = table_column(table, options->where[i].column);

		table->hidden |= column < 0;
		table->conditions[table->n_conditions++] =
			(struct condition){ &options->where[i], column };
	}
}

void table_infer(struct table *table)
{
	struct field *fields = mem_alloc(table->n_real * sizeof(*fields));
	struct seen *seen = look(table, fields);

	for (unsigned i = 0; i < table->n_real; i++)
		decide_role(table, i, &seen[i]);
	find_time(table, seen);
	leave_out_names(table);
	if (table->n_real >= 3)
		find_bucket_rows(table, fields);
	find_subject(table, seen);
	find_weights(table);
	rates_find(table, fields);
	if (table->bucket_count >= 0)
		add_virtual(table, "value", ROLE_HIST);
	lay_out(table);
	find_dims(table, seen);
	find_conditions(table);
	suspect_running(table, fields);
	for (unsigned i = 0; i < table->n_real; i++)
		free(seen[i].first);
	free(seen);
	free(fields);
}
