#ifndef JB_REPORT_RECORD_H
#define JB_REPORT_RECORD_H
/*
 * A record sums up rows: all of a table, those of a group, those of a span of time. What it keeps of each column, and where,
 * says the table's layout, so that records of one table can be added row by row and merged with each other.
 */
#include <stdbool.h>
#include <stdint.h>

#include "report/budget.h"
#include "report/csv.h"
#include "report/hist.h"

/* How a column is summed up. */
enum op_kind {
	OP_SUM,	  /* struct op_sum */
	OP_MEAN,  /* struct op_mean: weighted by another column */
	OP_MIN,	  /* double, INFINITY: none yet */
	OP_MAX,	  /* double, -INFINITY: none yet */
	OP_RANGE, /* struct op_range */
	OP_HIST	  /* struct hist *, NULL: empty */
};

struct op {
	enum op_kind kind;
	unsigned column;
	int weight; /* column; -1: none. Rows where it is 0 say nothing of minimum, maximum and mean */
	uint32_t offset; /* in the record */
};

struct op_sum {
	long double sum;
};

struct op_mean {
	long double weighted, weight;
};

struct op_range {
	double low, high;
};

struct layout {
	struct op *ops;
	unsigned n_ops;
	size_t size; /* of a record, a multiple of 16 */
	int main_op; /* the sum by which groups are ranked; -1: their rows */
	bool has_hists;
};

struct record {
	uint64_t rows;
	uint64_t unused; /* what follows is aligned to 16 */
};

/* One row as numbers, by column. */
struct row {
	const struct field *fields;
	long double *numbers;
	bool *known;	    /* is there a number? */
	struct hist *hists; /* of the columns with histograms, by op; emptied for each row */
	int64_t time;	    /* only if has_time */
	bool has_time;
};

void record_init(const struct layout *layout, struct record *record);
struct record *record_new(const struct layout *layout);
/* Frees the histograms, not the record. */
void record_fini(const struct layout *layout, struct record *record, struct account *account);
void record_add(const struct layout *layout, struct record *record, const struct row *row,
		struct account *account);
void record_merge(const struct layout *layout, struct record *into, const struct record *from,
		  struct account *account);
/* What groups are ranked by. */
long double record_main(const struct layout *layout, const struct record *record);

static inline void *record_at(const struct record *record, const struct op *op)
{
	return (char *)record + op->offset;
}

#endif
