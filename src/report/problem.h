#ifndef JB_REPORT_PROBLEM_H
#define JB_REPORT_PROBLEM_H
/*
 * What is wrong with the recordings: counted by kind, file and column, with the place of the first, and told at the end in
 * one line each. None of it ends a report.
 */
#include <stdint.h>
#include <stdio.h>

#include "base/mem.h"

enum problem_kind {
	PROBLEM_FILE,	  /* the file ends early, is empty, ...: detail says it */
	PROBLEM_COLUMNS,  /* a row has other columns than its header */
	PROBLEM_TORN,	  /* the last line is not complete */
	PROBLEM_UNCLOSED, /* a quote is not closed */
	PROBLEM_TOO_LONG,
	PROBLEM_NUL,
	PROBLEM_JSON,	/* a line that is no JSON object */
	PROBLEM_RECORD, /* JSON, but not as jbtrace writes it */
	PROBLEM_TIME,	/* no time where one should be */
	PROBLEM_NUMBER, /* no number where one should be */
	PROBLEM_HIST,	/* no histogram where one should be */
	PROBLEM_LATE,	/* a column that the first rows of the table did not have */
	PROBLEM_ALIKE,	/* a table follows another with the same columns */
	PROBLEM_TABLES, /* more tables than a report holds */
	PROBLEM_LOST,	/* the recorder said that it lost events */
	PROBLEM_RUNNING /* more rows than can be told apart */
};

struct place {
	const char *file;
	uint64_t line;
};

struct problem {
	enum problem_kind kind;
	struct place first;
	const char *column; /* or NULL */
	char *detail;	    /* of the first one: what was there */
	uint64_t count;
	struct problem *next;
};

struct problems {
	struct arena *arena;
	struct problem *list, **end, *last; /* last: the one that was counted last */
	unsigned n;
};

void problems_init(struct problems *problems, struct arena *arena);
/* Count `times` of it. `detail` (may be NULL) is kept of the first: at most 40 characters of it. */
void problem_count(struct problems *problems, enum problem_kind kind, struct place place,
		   const char *column, const char *detail, uint64_t times);
/* Problems of all files, in the order in which they came, each as a sentence without its end. */
void problem_put(struct buf *out, const struct problem *problem);
void problems_print(const struct problems *problems, FILE *messages);

#endif
