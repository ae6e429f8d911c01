/* What the rows of a table sum up to on one side: in all, by group, over time, by size. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report/table.h"

const double size_limits[SIZE_CLASSES - 1] = { 512,    1024,	4096,	 16384,	  65536,
					       262144, 1048576, 4194304, 16777216 };

static struct tally *tally_new(struct table *table)
{
	struct report_run *run = table->run;
	struct tally *tally = mem_alloc(sizeof(*tally));

	*tally = (struct tally){ .total = record_new(&table->layout) };
	account_open(&tally->account, &run->budget, NULL);
	tally->least = mem_alloc(2 * table->n_columns * sizeof(double));
	tally->greatest = tally->least + table->n_columns;
	for (unsigned i = 0; i < table->n_columns; i++) {
		tally->least[i] = INFINITY;
		tally->greatest[i] = -INFINITY;
	}
	tally->groups = mem_alloc((table->n_dims + 1) * sizeof(*tally->groups));
	for (unsigned i = 0; i < table->n_dims; i++)
		groups_init(&tally->groups[i], &table->layout, &run->budget, run->options->groups);
	timeline_init(&tally->timeline, &table->layout, &run->budget);
	return tally;
}

void tally_free(const struct table *table, struct tally *tally)
{
	if (!tally)
		return;
	for (unsigned i = 0; i < table->n_dims; i++)
		groups_fini(&tally->groups[i]);
	timeline_fini(&tally->timeline);
	record_fini(&table->layout, tally->total, &tally->account);
	account_close(&tally->account);
	free(tally->total);
	free(tally->groups);
	free(tally->least);
	free(tally);
}

struct tally *tally_of(struct table *table, unsigned side)
{
	if (side >= table->n_tallies) {
		table->tallies = mem_realloc(table->tallies, (side + 1) * sizeof(struct tally *));
		while (table->n_tallies <= side)
			table->tallies[table->n_tallies++] = NULL;
	}
	if (!table->tallies[side])
		table->tallies[side] = tally_new(table);
	return table->tallies[side];
}

static void add_extremes(const struct table *table, struct tally *tally)
{
	const struct row *row = &table->row;

	for (unsigned i = 0; i < table->n_columns; i++) {
		double number = (double)row->numbers[i];

		if (!row->known[i])
			continue;
		if (number < tally->least[i])
			tally->least[i] = number;
		if (number > tally->greatest[i])
			tally->greatest[i] = number;
	}
}

static void add_time(struct tally *tally, const struct row *row)
{
	if (!row->has_time)
		return;
	if (!tally->n_timed || row->time < tally->first)
		tally->first = row->time;
	if (!tally->n_timed || row->time > tally->last)
		tally->last = row->time;
	if (!tally->n_timed++ || row->time != tally->recent)
		tally->steps++;
	tally->recent = row->time;
	timeline_add(&tally->timeline, row->time, row);
}

static void add_groups(struct table *table, struct tally *tally)
{
	const struct row *row = &table->row;

	for (unsigned i = 0; i < table->n_dims; i++) {
		const struct dim *dim = &table->dims[i];
		const struct field *first = &row->fields[dim->columns[0]];
		struct groups *groups = &tally->groups[i];
		const char *key = first->text;
		size_t len = first->len;
		struct group *group;

		if (dim->n > 1) {
			buf_reset(&table->key);
			for (unsigned j = 0; j < dim->n; j++) {
				const struct field *field = &row->fields[dim->columns[j]];

				buf_add(&table->key, field->text, field->len + (j + 1 < dim->n));
			}
			key = table->key.data;
			len = table->key.len;
		}
		group = groups_take(groups, key, len);
		record_add(&table->layout, &group->record, row, &groups->account);
	}
}

/* 0: 0; 1: below 1; 2: 1 to 9; 3: 10 to 99; ... */
static unsigned decade_of(double number)
{
	unsigned decade = 2;

	if (number <= 0)
		return number == 0;
	for (double end = 1; number >= end && decade + 1 < DECADES; end *= 10)
		decade++;
	return decade;
}

static void add_size(const struct table *table, struct tally *tally)
{
	const struct row *row = &table->row;
	long double bytes, times = 1;
	unsigned i = 0;

	if (table->bytes < 0 || !row->known[table->bytes])
		return;
	bytes = row->numbers[table->bytes];
	if (table->count >= 0)
		times = row->known[table->count] ? row->numbers[table->count] : 0;
	if (times <= 0 || bytes < 0)
		return;
	while (i < SIZE_CLASSES - 1 && (double)(bytes / times) > size_limits[i])
		i++;
	tally->size_rows[i] += (uint64_t)times;
	tally->size_bytes[i] += bytes;
}

void tally_add(struct table *table, struct tally *tally)
{
	const struct row *row = &table->row;

	record_add(&table->layout, tally->total, row, &tally->account);
	add_extremes(table, tally);
	add_time(tally, row);
	add_groups(table, tally);
	if (table->main >= 0 && row->known[table->main])
		tally->decades[decade_of((double)row->numbers[table->main])]++;
	add_size(table, tally);
}
