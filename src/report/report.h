#ifndef JB_REPORT_REPORT_H
#define JB_REPORT_REPORT_H
/*
 * `jbtrace report`: what recordings of `-f csv` and `-f json` add up to. This layer knows nothing of tracing; it reads files
 * and writes a report. The way of a row: input.c (bytes) -> csv.c, json.c (records) -> source.c, jsonrows.c (rows of tables)
 * -> table.c, tally.c (sums). What is summed up becomes a document (view_*.c -> doc.c), which text.c, outjson.c and html.c
 * print.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "report/problem.h"
#include "report/budget.h"

/* Days, or files and folders, that are compared at once. */
#define REPORT_SIDES_MAX 64

enum where_op { WHERE_IS, WHERE_IS_NOT, WHERE_LESS, WHERE_MORE, WHERE_AT_MOST, WHERE_AT_LEAST };

/* --where comm=ffmpeg */
struct report_where {
	const char *column, *value;
	/* Days, or files and folders, that are compared at once. */
#define REPORT_SIDES_MAX 64

	enum where_op op;
	bool numeric;
	long double number;
};

struct report_names {
	const char **names;
	unsigned n;
};

struct report_options {
	const char *const *files;
	unsigned n_files;
	struct report_names *by; /* each a list of columns */
	unsigned n_by;
	struct report_where *where;
	unsigned n_where;
	struct report_names sums, no_sums, keys; /* columns that are to be taken so */
	const char *type;			 /* glob over names of tables; NULL: all */
	const char *sort;			 /* column; NULL: the main one */
	int64_t since, until;			 /* ns; INT64_MIN, INT64_MAX: none */
	unsigned top;				 /* rows of a ranking */
	unsigned groups;			 /* per ranking, kept exactly */
	double min_count;			 /* for rankings by rates */
	bool running;				 /* numbers are running totals */
	bool compare, by_day;
	bool json;
	const char *html; /* file; NULL: none */
};

/* A side of a comparison; without one there is a single side. */
struct side {
	const char *name;
	int64_t day; /* by_day: when it begins */
};

struct table;

/* One report in the making. */
struct report_run {
	const struct report_options *options;
	struct arena *arena;
	struct problems problems;
	struct budget budget;
	struct side *sides;   /* REPORT_SIDES_MAX of them */
	bool sides_are_files; /* not folders: their tables are matched by their columns */
	unsigned n_sides;
	struct table *tables, **tables_end;
	unsigned n_tables;
	uint64_t bytes, rows; /* read */
	unsigned n_files, n_failed;
	int64_t day_begin, day_end; /* the day of the row before */
	unsigned day_side;
	int64_t seen_first, seen_last; /* times of all rows, before --since and --until */
	uint64_t untimed;	       /* rows left out by these, for want of a time */
	FILE *messages;
};

/* The subcommand: argv[0] is "report". An exit code. */
int report_main(int argc, char **argv);
/* Read, sum up, print. An exit code: 0, or 1 after a message when a file cannot be read, or nothing is left to report. */
int report_run(const struct report_options *options, FILE *out, FILE *messages);
/* One sentence, "jbtrace: error: ...". Returns 1. */
int report_complain(FILE *messages, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* source.c: all tables of a file, each row on this side. False after a message: it cannot be used. */
bool source_read(struct report_run *run, const char *path, unsigned side);

#endif
