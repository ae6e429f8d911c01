#ifndef JB_REPORT_CSV_H
#define JB_REPORT_CSV_H
/*
 * Records of RFC 4180, taken from an input one after another. Line ends are CR LF, LF or CR. A record's fields lie in the
 * input's window, unquoted and ended by a 0, until the next one is taken.
 */
#include "report/input.h"

/* More columns than any table has; a line of so many commas is not a record of ours. */
#define CSV_FIELDS_MAX 512

struct field {
	const char *text; /* text[len] is 0 */
	uint32_t len;
};

enum csv_status {
	CSV_RECORD,
	CSV_EMPTY, /* an empty line */
	CSV_TORN,  /* the input ends inside this record, or it has no line end */
	CSV_UNCLOSED, /* a quote is opened and not closed in any sensible place; that line is left out */
	CSV_TOO_LONG, /* of more than INPUT_RECORD_MAX bytes, or CSV_FIELDS_MAX fields; left out */
	CSV_END
};

struct csv {
	struct input *input;
	char delimiter;
	bool stops[256];      /* where a field without quotes ends; 0, too, to be noticed */
	struct field *fields; /* CSV_FIELDS_MAX of them, the caller's */
	unsigned n_fields;
	unsigned
		expected; /* columns of the header; 0: not known yet. It tells a long record from an open quote */
	uint64_t line;	/* where the record begins, from 1 */
	uint64_t lines; /* line ends taken so far */
	bool has_nul;	/* a byte of 0 in the record */
};

void csv_init(struct csv *csv, struct input *input, char delimiter, struct field *fields);
enum csv_status csv_next(struct csv *csv);

#endif
