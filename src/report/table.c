/*
 * Tables: the sample of first rows, and the way of every row from texts to numbers. What the columns are is decided in
 * infer.c, what becomes of the numbers in tally.c.
 */
#include "report/table.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "report/rates.h"
#include "report/when.h"

enum { SAMPLE_ROWS = 512, SAMPLE_BYTES = 256 << 10, VIRTUAL_MAX = 3 };

int table_column(const struct table *table, const char *name)
{
	for (unsigned i = 0; i < table->n_columns; i++)
		if (strcmp(table->columns[i].name, name) == 0)
			return (int)i;
	return -1;
}

const char *dim_title(const struct table *table, const struct dim *dim)
{
	struct buf title = { 0 };
	char *copy;

	for (unsigned i = 0; i < dim->n; i++)
		buf_printf(&title, "%s%s", i ? ", " : "", table->columns[dim->columns[i]].name);
	copy = arena_strdup(table->run->arena, title.data);
	buf_fini(&title);
	return copy;
}

struct table *table_new(struct report_run *run, const char *name, const struct field *names,
			unsigned n_names, const char *file)
{
	struct table *table = arena_new_of(run->arena, struct table);

	table->name = arena_strdup(run->arena, name);
	table->run = run;
	table->file = file;
	table->n_columns = table->n_real = n_names;
	table->columns = arena_alloc(run->arena, (n_names + VIRTUAL_MAX) * sizeof(*table->columns));
	table->time = table->main = table->count = table->errors = table->bytes = -1;
	table->bucket_low = table->bucket_high = table->bucket_count = -1;
	for (unsigned i = 0; i < n_names; i++) {
		struct column *column = &table->columns[i];

		column->name = arena_strndup(run->arena, names[i].text, names[i].len);
		column->weight = column->sign_of = column->total_of = column->op = column->hist_op =
			-1;
		column->rate.part = column->rate.whole = column->rate.whole2 = -1;
	}
	return table;
}

void table_free(struct table *table)
{
	for (unsigned i = 0; i < table->n_tallies; i++)
		tally_free(table, table->tallies[i]);
	for (unsigned i = 0; table->row_hists && i < table->layout.n_ops; i++)
		hist_fini(&table->row_hists[i]);
	if (table->running)
		groups_fini(table->running);
	free(table->running);
	free(table->row_hists);
	free(table->tallies);
	free(table->row.numbers);
	free(table->row.known);
	buf_fini(&table->sample);
	buf_fini(&table->key);
}

/* --- the sample --- */

static void sample_add(struct table *table, const struct field *fields, struct place place,
		       unsigned side)
{
	struct buf *sample = &table->sample;

	buf_add(sample, &place, sizeof(place));
	buf_add(sample, &side, sizeof(side));
	for (unsigned i = 0; i < table->n_real; i++) {
		buf_add(sample, &fields[i].len, sizeof(fields[i].len));
		buf_add(sample, fields[i].text, fields[i].len + 1);
	}
	table->n_sample++;
}

static void take(const struct table *table, size_t *at, void *to, size_t len)
{
	memcpy(to, table->sample.data + *at, len);
	*at += len;
}

bool sample_next(const struct table *table, size_t *at, struct sample_row *row)
{
	if (*at >= table->sample.len)
		return false;
	take(table, at, &row->place, sizeof(row->place));
	take(table, at, &row->side, sizeof(row->side));
	for (unsigned i = 0; i < table->n_real; i++) {
		take(table, at, &row->fields[i].len, sizeof(row->fields[i].len));
		row->fields[i].text = table->sample.data + *at;
		*at += row->fields[i].len + 1;
	}
	return true;
}

/* --- a row --- */

static void count_problem(struct table *table, enum problem_kind kind, struct place place,
			  unsigned column, const struct field *field)
{
	problem_count(&table->run->problems, kind, place, table->columns[column].name, field->text,
		      1);
}

static bool condition_holds(const struct report_where *where, const struct field *field)
{
	long double number;
	bool equal;

	switch (where->op) {
	case WHERE_IS:
	case WHERE_IS_NOT:
		equal = glob_match(where->value, field->text) ||
			(where->numeric && number_parse(field->text, field->len, &number) &&
			 number == where->number);
		return equal == (where->op == WHERE_IS);
	default:
		break;
	}
	if (!number_parse(field->text, field->len, &number))
		return false;
	switch (where->op) {
	case WHERE_LESS:
		return number < where->number;
	case WHERE_MORE:
		return number > where->number;
	case WHERE_AT_MOST:
		return number <= where->number;
	default:
		return number >= where->number;
	}
}

/* Of several `=` for one column one has to hold, of the others all. */
static bool matches(const struct table *table, const struct field *fields)
{
	for (unsigned i = 0; i < table->n_conditions; i++) {
		const struct condition *condition = &table->conditions[i];
		bool holds = condition_holds(condition->where, &fields[condition->column]);

		for (unsigned j = 0;
		     condition->where->op == WHERE_IS && !holds && j < table->n_conditions; j++) {
			const struct condition *other = &table->conditions[j];

			holds = other->column == condition->column &&
				other->where->op == WHERE_IS &&
				condition_holds(other->where, &fields[other->column]);
		}
		if (!holds)
			return false;
	}
	return true;
}

/* False: the row is not within --since and --until. */
static bool take_time(struct table *table, const struct field *fields, struct place place)
{
	struct report_run *run = table->run;
	struct row *row = &table->row;
	bool bounded = run->options->since != INT64_MIN || run->options->until != INT64_MAX;

	row->has_time = table->time >= 0 &&
			when_stamp(fields[table->time].text, fields[table->time].len, &row->time);
	if (!row->has_time) {
		if (table->time >= 0)
			count_problem(table, PROBLEM_TIME, place, (unsigned)table->time,
				      &fields[table->time]);
		run->untimed += bounded;
		return !bounded;
	}
	if (row->time < run->seen_first)
		run->seen_first = row->time;
	if (row->time > run->seen_last)
		run->seen_last = row->time;
	return row->time >= run->options->since && row->time < run->options->until;
}

static void take_numbers(struct table *table, const struct field *fields, struct place place)
{
	struct row *row = &table->row;

	for (unsigned i = 0; i < table->n_columns; i++) {
		const struct column *column = &table->columns[i];

		row->known[i] = false;
		if (column->sign_of >= 0) {
			/* It stands behind the column whose sign it is. */
			row->known[i] = row->known[column->sign_of];
			row->numbers[i] = row->numbers[column->sign_of] < 0;
		} else if (column->numeric) {
			const struct field *field = &fields[i];

			row->known[i] = number_parse(field->text, field->len, &row->numbers[i]);
			if (!row->known[i]) {
				row->numbers[i] = 0;
				if (!number_missing(field->text, field->len))
					count_problem(table, PROBLEM_NUMBER, place, i, field);
			}
		}
	}
}

static void take_bucket_row(struct table *table, const struct field *fields, struct place place,
			    struct hist *hist)
{
	const struct field *low = &fields[table->bucket_low];
	struct hist_bucket bucket;
	long double count = table->row.numbers[table->bucket_count];

	if (!bucket_of(low, &fields[table->bucket_high], &bucket))
		count_problem(table, PROBLEM_HIST, place, (unsigned)table->bucket_low, low);
	else if (count >= 1)
		hist_add(hist, bucket.low, bucket.high, (uint64_t)count);
}

static void take_hists(struct table *table, const struct field *fields, struct place place)
{
	struct row *row = &table->row;

	for (unsigned i = 0; i < table->n_columns; i++) {
		const struct column *column = &table->columns[i];
		struct hist *hist;

		if (column->hist_op < 0)
			continue;
		hist = &row->hists[column->hist_op];
		hist->n = 0;
		hist->total = hist->left_out = hist->hint = 0;
		if (column->is_virtual)
			take_bucket_row(table, fields, place, hist);
		else if (column->role != ROLE_HIST && row->known[i])
			hist_observe(hist, (double)row->numbers[i]);
		else if (column->role == ROLE_HIST && fields[i].len &&
			 !hist_parse(fields[i].text, fields[i].len, hist))
			count_problem(table, PROBLEM_HIST, place, i, &fields[i]);
	}
	for (unsigned i = table->n_real; i < table->n_columns; i++) {
		int of = table->columns[i].total_of;

		if (of < 0)
			continue;
		row->known[i] = true;
		row->numbers[i] = (long double)row->hists[table->columns[of].hist_op].total;
	}
}

/* --- running totals --- */

/* All that tells rows apart: two rows of the same key are the same counter, read twice. */
static void make_full_key(struct table *table, const struct field *fields, unsigned side)
{
	buf_reset(&table->key);
	buf_add(&table->key, &side, sizeof(side));
	for (unsigned i = 0; i < table->n_real; i++)
		if (table->columns[i].role == ROLE_KEY || (int)i == table->bucket_low ||
		    (int)i == table->bucket_high)
			buf_add(&table->key, fields[i].text, fields[i].len + 1);
}

/* Has one of the row's totals gone down? Then all of them began anew. */
static bool began_anew(const struct table *table, const struct record *record)
{
	const struct row *row = &table->row;

	for (unsigned i = 0; i < table->layout.n_ops; i++) {
		const struct op *op = &table->layout.ops[i];
		const struct column *column = &table->columns[op->column];
		void *at = record_at(record, op);

		if (op->kind == OP_SUM && row->known[op->column] &&
		    row->numbers[op->column] < ((struct op_sum *)at)->sum)
			return true;
		/* A row that is one bucket does not show the others. */
		if (column->role == ROLE_HIST && *(struct hist **)at && !column->is_virtual &&
		    hist_shrank(*(struct hist **)at, &row->hists[i]))
			return true;
	}
	return false;
}

static void advance_hist(struct hist **last, struct hist *now, struct account *account)
{
	size_t before;

	if (!*last) {
		*last = mem_alloc(sizeof(**last));
		**last = (struct hist){ 0 };
		account_add(account, sizeof(**last));
	}
	before = hist_size(*last);
	hist_advance(*last, now);
	account_add(account, hist_size(*last) - before);
}

static void advance_one(struct table *table, unsigned n_op, struct record *record)
{
	const struct op *op = &table->layout.ops[n_op];
	struct row *row = &table->row;
	unsigned i = op->column;
	void *at = record_at(record, op);

	if (op->kind == OP_SUM && row->known[i]) {
		long double before = ((struct op_sum *)at)->sum;

		((struct op_sum *)at)->sum = row->numbers[i];
		row->numbers[i] -= before;
	} else if (op->kind == OP_MEAN && row->known[i]) {
		struct op_mean before = *(struct op_mean *)at, now;

		now.weight = row->numbers[op->weight];
		now.weighted = row->numbers[i] * now.weight;
		*(struct op_mean *)at = now;
		if (now.weight > before.weight)
			row->numbers[i] =
				(now.weighted - before.weighted) / (now.weight - before.weight);
	} else if (op->kind == OP_HIST && table->columns[i].role == ROLE_HIST) {
		advance_hist(at, &row->hists[n_op], &table->running->account);
	}
}

/* Makes differences of the row's running totals. False: there are too many to remember. */
static bool take_running(struct table *table, const struct field *fields, struct place place,
			 unsigned side)
{
	struct report_run *run = table->run;
	const struct layout *layout = &table->layout;
	struct group *group;

	if (!table->running) {
		table->running = mem_alloc(sizeof(*table->running));
		groups_init(table->running, layout, &run->budget, UINT32_MAX);
		table->running->account.shrink = NULL;
	}
	make_full_key(table, fields, side);
	group = groups_find(table->running, table->key.data, table->key.len);
	if (!group && table->running->n >= run->options->groups) {
		problem_count(&run->problems, PROBLEM_RUNNING, place, NULL, NULL, 1);
		return false;
	}
	group = groups_take(table->running, table->key.data, table->key.len);
	if (began_anew(table, &group->record)) {
		record_fini(layout, &group->record, &table->running->account);
		record_init(layout, &group->record);
	}
	/* Means first: they need the weights as they were written. */
	for (unsigned pass = 0; pass < 2; pass++)
		for (unsigned i = 0; i < layout->n_ops; i++)
			if ((layout->ops[i].kind == OP_MEAN) == !pass)
				advance_one(table, i, &group->record);
	return true;
}

/* --- the way of a row --- */

/* The side of a day, made when there is none. */
static unsigned side_of_day(struct report_run *run, int64_t ns)
{
	struct buf name = { 0 };

	if (run->n_sides && ns >= run->day_begin && ns < run->day_end)
		return run->day_side;
	when_day(ns, &run->day_begin, &run->day_end);
	for (unsigned i = 0; i < run->n_sides; i++)
		if (run->sides[i].day == run->day_begin)
			return run->day_side = i;
	if (run->n_sides == REPORT_SIDES_MAX)
		return run->day_side = REPORT_SIDES_MAX;
	when_put_short(&name, ns, 86400 * NS_PER_S);
	run->sides[run->n_sides] =
		(struct side){ arena_strdup(run->arena, name.data), run->day_begin };
	buf_fini(&name);
	return run->day_side = run->n_sides++;
}

static void row_add(struct table *table, const struct field *fields, struct place place,
		    unsigned side)
{
	struct report_run *run = table->run;
	const struct report_options *options = run->options;

	table->n_seen++;
	if (table->hidden || !take_time(table, fields, place) || !matches(table, fields))
		return;
	if (options->by_day) {
		if (!table->row.has_time)
			return;
		side = side_of_day(run, table->row.time);
		if (side == REPORT_SIDES_MAX)
			return;
	}
	table->row.fields = fields;
	take_numbers(table, fields, place);
	if (table->layout.has_hists)
		take_hists(table, fields, place);
	if (options->running && !take_running(table, fields, place, side))
		return;
	table->n_matched++;
	tally_add(table, tally_of(table, side));
	if (run->budget.used > run->budget.max)
		budget_relieve(&run->budget);
}

void table_finish(struct table *table)
{
	struct field *fields;
	struct sample_row row;
	size_t at = 0;

	if (table->ready)
		return;
	table->ready = true;
	table_infer(table);
	table->row.numbers = mem_alloc(table->n_columns * sizeof(*table->row.numbers));
	memset(table->row.numbers, 0, table->n_columns * sizeof(*table->row.numbers));
	table->row.known = mem_alloc(table->n_columns * sizeof(*table->row.known));
	table->row_hists = mem_alloc((table->layout.n_ops + 1) * sizeof(*table->row_hists));
	memset(table->row_hists, 0, (table->layout.n_ops + 1) * sizeof(*table->row_hists));
	table->row.hists = table->row_hists;
	fields = mem_alloc(table->n_real * sizeof(*fields));
	row.fields = fields;
	while (sample_next(table, &at, &row))
		row_add(table, fields, row.place, row.side);
	free(fields);
	buf_fini(&table->sample);
}

void table_row(struct table *table, const struct field *fields, struct place place, unsigned side)
{
	if (table->ready) {
		row_add(table, fields, place, side);
		return;
	}
	sample_add(table, fields, place, side);
	if (table->n_sample >= SAMPLE_ROWS || table->sample.len >= SAMPLE_BYTES)
		table_finish(table);
}
