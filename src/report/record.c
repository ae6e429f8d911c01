/* Records: rows summed up, column by column. This is where a report's time goes, together with the scanner. */
#include "report/record.h"

#include <math.h>
#include <stdlib.h>

void record_init(const struct layout *layout, struct record *record)
{
	*record = (struct record){ 0 };
	for (unsigned i = 0; i < layout->n_ops; i++) {
		void *at = record_at(record, &layout->ops[i]);

		switch (layout->ops[i].kind) {
		case OP_SUM:
			*(struct op_sum *)at = (struct op_sum){ 0 };
			break;
		case OP_MEAN:
			*(struct op_mean *)at = (struct op_mean){ 0 };
			break;
		case OP_MIN:
			*(double *)at = INFINITY;
			break;
		case OP_MAX:
			*(double *)at = -INFINITY;
			break;
		case OP_RANGE:
			*(struct op_range *)at = (struct op_range){ INFINITY, -INFINITY };
			break;
		case OP_HIST:
			*(struct hist **)at = NULL;
			break;
		}
	}
}

struct record *record_new(const struct layout *layout)
{
	struct record *record = mem_alloc(layout->size);

	record_init(layout, record);
	return record;
}

void record_fini(const struct layout *layout, struct record *record, struct account *account)
{
	for (unsigned i = 0; layout->has_hists && i < layout->n_ops; i++) {
		struct hist **hist;

		if (layout->ops[i].kind != OP_HIST)
			continue;
		hist = record_at(record, &layout->ops[i]);
		if (!*hist)
			continue;
		account_sub(account, hist_size(*hist) + sizeof(**hist));
		hist_fini(*hist);
		free(*hist);
		*hist = NULL;
	}
}

static void add_hist(struct hist **into, const struct hist *from, struct account *account)
{
	size_t before;

	if (!from || !from->total)
		return;
	if (!*into) {
		*into = mem_alloc(sizeof(**into));
		**into = (struct hist){ 0 };
		account_add(account, sizeof(**into));
	}
	before = hist_size(*into);
	hist_merge(*into, from);
	account_add(account, hist_size(*into) - before);
}

static void add_range(struct op_range *range, double low, double high)
{
	if (low < range->low)
		range->low = low;
	if (high > range->high)
		range->high = high;
}

static void add_number(const struct op *op, void *at, long double number, long double weight)
{
	switch (op->kind) {
	case OP_SUM:
		((struct op_sum *)at)->sum += number;
		break;
	case OP_MEAN:
		((struct op_mean *)at)->weighted += number * weight;
		((struct op_mean *)at)->weight += weight;
		break;
	case OP_MIN:
		if (weight > 0 && (double)number < *(double *)at)
			*(double *)at = (double)number;
		break;
	case OP_MAX:
		if (weight > 0 && (double)number > *(double *)at)
			*(double *)at = (double)number;
		break;
	case OP_RANGE:
		add_range(at, (double)number, (double)number);
		break;
	case OP_HIST:
		break;
	}
}

void record_add(const struct layout *layout, struct record *record, const struct row *row,
		struct account *account)
{
	const struct op *end = layout->ops + layout->n_ops;

	record->rows++;
	for (const struct op *op = layout->ops; op < end; op++) {
		void *at = record_at(record, op);

		if (op->kind == OP_HIST)
			add_hist(at, &row->hists[op - layout->ops], account);
		else if (row->known[op->column])
			add_number(op, at, row->numbers[op->column],
				   op->weight < 0 ? 1 : row->numbers[op->weight]);
	}
}

static void merge_one(const struct op *op, void *into, void *from, struct account *account)
{
	switch (op->kind) {
	case OP_SUM:
		((struct op_sum *)into)->sum += ((struct op_sum *)from)->sum;
		break;
	case OP_MEAN:
		((struct op_mean *)into)->weighted += ((struct op_mean *)from)->weighted;
		((struct op_mean *)into)->weight += ((struct op_mean *)from)->weight;
		break;
	case OP_MIN:
		*(double *)into = fmin(*(double *)into, *(double *)from);
		break;
	case OP_MAX:
		*(double *)into = fmax(*(double *)into, *(double *)from);
		break;
	case OP_RANGE:
		add_range(into, ((struct op_range *)from)->low, ((struct op_range *)from)->high);
		break;
	case OP_HIST:
		add_hist(into, *(struct hist **)from, account);
		break;
	}
}

void record_merge(const struct layout *layout, struct record *into, const struct record *from,
		  struct account *account)
{
	into->rows += from->rows;
	for (unsigned i = 0; i < layout->n_ops; i++)
		merge_one(&layout->ops[i], record_at(into, &layout->ops[i]),
			  record_at(from, &layout->ops[i]), account);
}

long double record_main(const struct layout *layout, const struct record *record)
{
	if (layout->main_op < 0)
		return (long double)record->rows;
	return ((struct op_sum *)record_at(record, &layout->ops[layout->main_op]))->sum;
}
