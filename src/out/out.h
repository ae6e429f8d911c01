#ifndef JB_OUT_OUT_H
#define JB_OUT_OUT_H
/*
 * Records to characters. `struct out` is one script's output: a printer, which says what a record looks like, and
 * where that goes: a sink (standard output, a file), which several scripts may have in common, or a folder with
 * a file for each table.
 */
#include <stdbool.h>

#include "base/diag.h"
#include "model/feature.h"
#include "model/value.h"

enum record_kind {
	RECORD_TEXT,  /* printf, time, cat, join, system: ready-made text */
	RECORD_VALUE, /* print(value) */
	RECORD_MAP, /* print(@m), and the maps at exit: value is VALUE_MAP or a single value for a scalar map */
	RECORD_EMIT,	 /* emit: value is a record; name the event's */
	RECORD_ATTACHED, /* tracing begins: count is the number of probes */
	RECORD_LOST,	 /* count events found no room in the ring */
	RECORD_MESSAGE	 /* jbtrace or the script has something to say: text, and its place */
};

/* A place in a script, for messages. `file` NULL: none. */
struct record_place {
	const char *file;
	unsigned line, column;
};

struct record {
	enum record_kind kind;
	/* "printf", "time", "cat", "join", "system"; of a message "errorf", "warnf", "runtime_error", ... */
	const char *source;
	const char *name; /* map "@x", event "exec" */
	const char *text; /* RECORD_TEXT, RECORD_MESSAGE; len bytes */
	uint32_t len;
	uint64_t count; /* RECORD_ATTACHED, RECORD_LOST */
	struct record_place place;
	const struct value *value;
	const char *family; /* map: what its aggregation calls such records; may be NULL */
	const char *const *key_names; /* map: column headers for its key */
	unsigned n_keys;
	bool scalar;	  /* map without a key */
	int64_t top, div; /* print(@m, top, div); 0 = none */
	int64_t wall_ns;  /* CLOCK_REALTIME when it was handled; 0: now */
};

/* The first row of a map to print: print(@m, top) leaves out those before. */
uint32_t record_first_row(const struct record *record);
/* A number of a map divided by print's third argument; everything else as it is. */
struct value record_divided(const struct record *record, const struct value *value);
/* A count of a histogram, divided likewise; equal steps (lhist) never are. */
uint64_t record_divided_count(const struct record *record, const struct value *hist,
			      const struct bucket *bucket);

/* How files of a folder are kept (jb_files of jbtrace.h says what each means). */
struct out_files {
	bool daily, gzip;
	uint64_t max_bytes, max_age_ns, max_total_bytes;
};

/* To the user, not into the output: "output: no space left on x: rows are being dropped". Called by out_* only. */
typedef void out_tell(void *arg, enum diag_level level, const char *text);

struct out_options {
	int fd; /* borrowed */
	const struct printer *printer;
	const char
		*script; /* the script's name or path, for names of files; NULL: "stdin"; copied */
	const char *folder; /* instead of fd; NULL: none; copied */
	struct out_files files;
	char delimiter; /* between cells; 0: comma */
	bool no_header;
	bool with_script; /* others write there, too: what belongs to this script bears its name */
	out_tell *tell;	  /* may be NULL */
	void *tell_arg;
	int64_t (*wall_ns)(void); /* NULL: CLOCK_REALTIME */
};

struct sink;
struct folder;

struct out {
	struct buf *buf; /* where the printer adds characters */
	const struct printer *printer;
	void *state; /* the printer's, e.g. the layout of the last emit table; freed by printer->end */
	struct arena *scratch; /* reset after each record */
	struct out_options options;
	char *script; /* without its folder and ".jt" */
	struct sink *sink;
	struct folder *folder; /* NULL: none */
	uint64_t n_tables;     /* ids given out by out_table_id */
	uint64_t table;	       /* of the record being printed, when the printer has headers */
	uint64_t dropped;      /* rows that could not be written */
	int dropped_error;     /* why: errno of the last one */
	bool ended;	       /* out_end has told what was lost */
};

/*
 * 0, or -errno after a sentence to options->tell: the folder cannot be made or written, or the format has no tables.
 * Then there is nothing to close.
 */
int out_open(struct out *out, const struct out_options *options);
/* The same for a printer on fd, which cannot fail. */
void out_init(struct out *out, int fd, const struct printer *printer);
/*
 * Share the destination with `other` when it is the same file, pipe or terminal: what both write then stays whole
 * and in order, and each knows when the other has written. false: it is another one.
 */
bool out_join(struct out *out, const struct out *other);
/*
 * The end of the format; what is left is written, and what could not be is told, once. true: something could not, so that
 * the exit code must not be 0.
 */
bool out_end(struct out *out);
void out_fini(struct out *out); /* out_end, free */
void out_record(struct out *out, const struct record *record);
/* Before the maps that are printed when the script ends. */
void out_before_maps(struct out *out);
/* Are messages part of this output, as records? */
bool out_takes_messages(const struct out *out);
/*
 * Write what is buffered; 0 or -errno. Called when idle, and by itself over 64 KiB. On a pipe or terminal the first
 * failure is the last: output is dropped from then on and every call returns that failure. Rows that a file has no room
 * for are dropped, counted, and writing goes on when there is room again; that is no failure of this call.
 */
int out_flush(struct out *out);
/* errno of what ended all output, e.g. EPIPE; 0: none. */
int out_error(const struct out *out);

/* --- for printers --- */

/* Rows of one shape: a file of a folder; in a stream its header comes again after rows of another one. */
struct out_table {
	uint64_t id;	    /* out_table_id */
	const char *name;   /* of its files, without the time */
	const char *header; /* ends with a newline; NULL: none */
	uint32_t header_len;
};

uint64_t out_table_id(struct out *out);
/* Time of the record, CLOCK_REALTIME. */
int64_t out_wall_ns(const struct out *out, const struct record *record);
/* A row of the table is complete in out->buf: since the last one, or since the record began. */
void out_row_end(struct out *out, const struct out_table *table, int64_t wall_ns);
/* Has nobody else written since this table's last row? */
bool out_continues(const struct out *out, uint64_t table);
/* Text was added to out->buf that belongs to no table. Only without a folder. */
void out_text_end(struct out *out);
/* What a record is of: "@x" of a map, "exec" of an event, "value", "text". */
const char *out_record_name(const struct record *record);
/* The name of a record's table: "exec" of an event, "script", "script_io", "script_text". In `arena`. */
const char *out_table_name(struct arena *arena, const struct out *out, const struct record *record);

extern const struct printer printers_text[]; /* text.c */
extern const struct printer printers_json[]; /* json.c */
extern const struct printer printers_csv[];  /* csv.c */
extern const struct printer printers_prom[]; /* metrics.c */

#endif
