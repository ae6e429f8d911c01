#ifndef JB_RUN_SERIES_H
#define JB_RUN_SERIES_H
/*
 * Series that outlive what they are read from. A table is fed with the rows of a map (or with what a run counts of
 * itself) at every collect and remembers, per row and column, what makes a counter monotonic: what it had reached
 * before it was deleted or its script was started anew. export.c owns the tables; this is run/'s own.
 */
#include "model/measure.h"
#include "out/metrics.h"

struct processes;
struct table;

/* Count, sum and buckets of a histogram or summary as they were read. Heap. */
struct tally {
	uint64_t count;
	double sum;   /* NAN: not known */
	int64_t step; /* equal steps; 0: logarithmic */
	bool bounded; /* bounds of the script's choice: between them there are no others */
	uint32_t n;
	struct bucket buckets[];
};

/* What a number that should grow and is smaller than before tells. */
enum fall {
	FALL_NEGATIVE, /* something was taken away: it stays at what it had reached */
	FALL_ZERO,     /* it was deleted, and counting began anew */
	FALL_PAST,     /* the same, but what was cleared before is still in it */
};

/* One round of reading. */
struct collect {
	uint64_t tick; /* its number */
	int64_t now_ns;
	uint64_t limit; /* series per family */
	uint64_t expire_ns;
};

struct cell {
	bool admitted; /* it is a series of its own; else a part of _other */
	bool present;  /* gauges: it had a value in this collect */
	bool fed;      /* it was read in this collect: next is what will be last */
	double base, last, next;
	struct tally *tally_base, *tally_last, *tally_next; /* NULL: nothing */
	char *text;					    /* a string's */
};

/* Bounds of buckets, ascending: every value v with v < bound is below it. They never become fewer. Heap. */
struct bounds {
	int64_t *data;
	uint32_t n, cap;
};

/* A metric of the exposition. Several columns feed it when scripts declare the same one. */
struct family {
	struct family *next;
	const char *name, *help;
	enum metric_type type;
	const char *const *labels;
	unsigned n_labels;
	bool own; /* one of jbtrace's own */
	bool declared;
	struct column **columns;
	unsigned n_columns;
	uint64_t n_admitted;
	/* While a set is made: */
	struct metric_family *out;
	struct strmap *seen; /* of several columns: which series there are */
	double *bounds;	     /* in the metric's unit, in the set's arena */
	unsigned n_bounds;
};

struct column {
	struct table *table;
	struct family *family;
	const char *path;  /* measure_find's; NULL: the value itself */
	const char *event; /* emit's, whose rows are counted */
	enum measure measure;
	double scale;
	enum fall fall;
	struct bounds bounds;
	struct cell other; /* what rows without a place had reached when they were forgotten */
	bool has_other;
	uint64_t n_over;      /* rows without a place in this collect */
	unsigned *bound_at;   /* while a set is made: which bound of the family each one is */
	struct cell sum_over; /* while a set is made: what is in rows without a place */
};

struct row {
	char *key; /* label values, each followed by KEY_END */
	uint64_t hash;
	uint64_t seen;	 /* the collect that found it last, */
	int64_t seen_ns; /* and its time */
	int pid;	 /* the process (or thread) it is about; 0: none */
	bool expired;
	bool is_other; /* all its labels are "_other": what only grows is a part of that series */
	struct cell *cells; /* one per column */
};

#define KEY_END '\xff' /* in no UTF-8 */

struct table {
	struct table *next;
	struct arena *arena;
	const char *signature; /* tables that are equal here continue each other */
	unsigned n_labels;     /* of a row; a string's value is one more */
	int pid_part;	       /* which part of the key is a process; -1: none */
	const struct plan_map *map;
	struct column *columns;
	unsigned n_columns;
	struct row **rows;
	size_t n_rows, cap_rows;
	uint32_t *slots; /* index of a row + 1; 0: free */
	size_t n_slots;	 /* a power of two */
	bool live;	 /* its run is there */
	uint64_t n_read; /* rows that the map had */
};

void series_table_free(struct table *table);
/* The row of these labels, made when it is new. */
struct row *series_table_row(struct table *table, const char *key, const struct collect *collect);
/* After all rows of a collect were seen: those that are gone or whose process is are forgotten, as far as that may be. */
void series_table_sweep(struct table *table, const struct collect *collect);
/* Has it columns that only grow? */
bool series_table_remembers(const struct table *table);
/* The run is gone: what was counted stays as the base of what comes. */
void series_table_retire(struct table *table);

/* A value as a label has it: one line, valid UTF-8. */
void series_label(struct buf *out, const struct value *value);
/*
 * `value` is scaled by the column. Keys that differ and are written alike are one row: what only grows is added up, of
 * other things the last one counts. It becomes the series' value in series_table_sweep.
 */
void cell_feed(struct column *column, struct cell *cell, const struct value *value);

/* Families into the set, jbtrace's own last; then the series of one table into them. */
void series_begin(struct family *families, struct metrics *set);
void series_write(struct table *table, struct metrics *set);

/* buckets.c */
void bounds_add(struct bounds *bounds, const struct tally *tally);
/* A copy with at most four buckets per power of two, with count and sum. Heap. */
struct tally *buckets_of(const struct value *value);
void buckets_add(struct tally **into, const struct tally *from);
/* Counts may wrap around, so that they are right again when what is too much was added. */
void buckets_subtract(struct tally **from, const struct tally *what);

/* processes.c: which processes have gone, and since when. */
struct processes *processes_new(uint64_t expire_ns);
void processes_free(struct processes *processes);
void processes_begin(struct processes *processes, int64_t now_ns); /* a new collect */
/* Has this process been gone for expire_ns? */
bool processes_expired(struct processes *processes, int pid);
void processes_end(struct processes *processes); /* forget those that nobody asked for */

#endif
