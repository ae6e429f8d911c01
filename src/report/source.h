#ifndef JB_REPORT_SOURCE_H
#define JB_REPORT_SOURCE_H
/* What the readers of CSV and JSON share: one file on its way into tables. */
#include "report/table.h"

struct source {
	struct report_run *run;
	struct input *input;
	const char *path; /* as shown; lives as long as the report */
	char *stem;	  /* what tables without a name of their own are called */
	unsigned side;
	uint64_t rows;	 /* taken from it */
	uint64_t others; /* records of JSON that hold none: texts, warnings, ... */
};

/* csvrows.c, jsonrows.c: all rows up to the end. */
void source_read_csv(struct source *source);
void source_read_json(struct source *source);
/* A problem of this file, at this line (0: the file as a whole). */
void source_problem(struct source *source, enum problem_kind kind, uint64_t line,
		    const char *detail);
/* The table of this name and these columns in this file; NULL: it is not wanted, or there are too many. */
struct table *source_table(struct source *source, const char *name, const struct field *names,
			   unsigned n_names, uint64_t line);

#endif
