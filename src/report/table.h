#ifndef JB_REPORT_TABLE_H
#define JB_REPORT_TABLE_H
/*
 * Tables of recordings: their columns, what each column is taken for, and what their rows sum up to, for each side of a
 * comparison on its own. A table looks at its first rows before it decides about its columns (infer.c); then these rows
 * and all that follow are summed up as they come, and forgotten.
 */
#include "report/group.h"
#include "report/number.h"
#include "report/problem.h"
#include "report/report.h"
#include "report/timeline.h"

#define DIM_COLUMNS_MAX 4
#define DIMS_MAX	16
#define DECADES		32
#define SIZE_CLASSES	10

enum role {
	ROLE_NONE,
	ROLE_TIME,
	ROLE_KEY,   /* tells rows apart: names, numbers of processes */
	ROLE_SUM,   /* adds up: counts, bytes */
	ROLE_MEAN,  /* a mean of as many as another column says */
	ROLE_MIN,   /* a least value */
	ROLE_MAX,   /* a greatest value */
	ROLE_RATE,  /* a sum divided by others: calculated again from these */
	ROLE_RANGE, /* a number that cannot be summed up: quantiles, levels */
	ROLE_HIST   /* a histogram */
};

/* part / (whole + whole2) * scale; columns. */
struct rate {
	int part, whole, whole2; /* whole2 -1: none */
	long double scale;
};

struct column {
	const char *name;
	enum role role;
	enum unit unit;
	bool numeric;	 /* its fields are read as numbers */
	bool is_virtual; /* no field of the rows: made from others */
	bool quantile;	 /* a range that is never to be averaged */
	int weight;	 /* column that says of how many a mean, minimum, maximum is; -1: none */
	int sign_of;	 /* virtual: 1 where this column is negative; -1: no */
	int total_of;	 /* virtual: how much is in the histogram of this column; -1: no */
	int op;		 /* in the layout; -1: none */
	int hist_op;	 /* of the histogram that its values make; -1: none */
	struct rate rate;
};

/* Requests up to so many bytes; the last class is open. */
extern const double size_limits[SIZE_CLASSES - 1];

/* What a ranking goes by: one column or a combination. */
struct dim {
	int columns[DIM_COLUMNS_MAX];
	unsigned n;
	bool balance; /* processors: how evenly, not who most */
};

/* --where, for one table. */
struct condition {
	const struct report_where *where;
	int column;
};

/* A side's rows of a table, summed up. */
struct tally {
	struct record *total;
	struct account account;	  /* of total */
	double *least, *greatest; /* by column, of single rows */
	int64_t first, last;	  /* time; only if n_timed */
	int64_t recent;		  /* of the row before */
	uint64_t n_timed;
	uint64_t steps;	       /* how often the time changed from row to row, and 1 */
	struct groups *groups; /* by dim */
	struct timeline timeline;
	uint64_t decades
		[DECADES]; /* rows by size of the main number: [0] below 0, [1] 0, [2] between 0 and 1, then 1-9, 10-99, ... */
	uint64_t size_rows[SIZE_CLASSES]; /* requests by their size */
	long double size_bytes[SIZE_CLASSES];
};

struct table {
	const char *name;
	struct report_run *run;
	struct table *next;
	struct column *columns;
	unsigned n_columns; /* virtual ones behind the real ones */
	unsigned n_real;
	unsigned n_files;
	const char *file; /* the first one it was in */
	bool ready;	  /* its columns have been decided about */
	bool hidden;	  /* a --where names a column it has not */
	bool ambiguous;	  /* another table has its name */
	/* Rows that came before that, each its place, side and fields. */
	struct buf sample;
	unsigned n_sample;
	/* Columns; -1: there is none. */
	int time, main, count, errors, bytes;
	int bucket_low, bucket_high, bucket_count; /* a histogram of one bucket per row */
	struct layout layout;
	struct dim dims[DIMS_MAX];
	unsigned n_dims;
	struct condition *conditions;
	unsigned n_conditions;
	struct tally **tallies; /* by side; NULL: no row */
	unsigned n_tallies;
	struct groups *running; /* --running: what each row's columns were last */
	/* Room for the row at hand. */
	struct row row;
	struct hist *row_hists;
	struct buf key;
	uint64_t n_seen, n_matched;
	bool maybe_running; /* repeated rows that never go down: running totals? */
};

struct table *table_new(struct report_run *run, const char *name, const struct field *names,
			unsigned n_names, const char *file);
void table_free(struct table *table);
/* A row; `fields` has one per column of table_new. */
void table_row(struct table *table, const struct field *fields, struct place place, unsigned side);
/* No more rows: decide about the columns, if that is still to be done. */
void table_finish(struct table *table);
int table_column(const struct table *table, const char *name);
/* The name of a dim, "comm, filename"; in the run's arena. */
const char *dim_title(const struct table *table, const struct dim *dim);

/* infer.c: fills in all but name of the columns, layout, dims. */
void table_infer(struct table *table);
/* tally.c */
struct tally *tally_of(struct table *table, unsigned side);
void tally_add(struct table *table, struct tally *tally);
void tally_free(const struct table *table, struct tally *tally);

/* The sample, row by row: fields of the columns from 0, as table_row got them. `at` begins with 0. */
struct sample_row {
	struct place place;
	unsigned side;
	struct field *fields; /* n_real, the caller's */
};
bool sample_next(const struct table *table, size_t *at, struct sample_row *row);

#endif
