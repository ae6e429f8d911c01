#ifndef JB_OUT_OUT_H
#define JB_OUT_OUT_H
/*
 * Records to characters. `struct out` owns the destination: stdout or the file of -o; text is gathered in a big
 * block and written when it is full, when asked (out_flush), or at the end.
 */
#include <stdbool.h>

#include "model/feature.h"
#include "model/value.h"

enum record_kind {
	RECORD_TEXT,  /* printf, time, cat, join, system: ready-made text */
	RECORD_VALUE, /* print(value) */
	RECORD_MAP, /* print(@m), and the maps at exit: value is VALUE_MAP or a single value for a scalar map */
	RECORD_EMIT, /* emit: value is a record; name the event's */
};

struct record {
	enum record_kind kind;
	const char *source; /* "printf", "time", "cat", "join", "system" for text */
	const char *name;   /* map "@x", event "exec" */
	const char *text;   /* RECORD_TEXT */
	uint32_t len;
	const struct value *value;
	const char *const *key_names; /* map: column headers for its key */
	unsigned n_keys;
	bool scalar;	  /* map without a key */
	int64_t top, div; /* print(@m, top, div); 0 = none */
	int64_t wall_ns;  /* CLOCK_REALTIME when it was handled (emit's TIME column) */
};

struct out {
	struct buf buf;
	int fd;
	bool failed; /* a write failed: reported once, errno in error */
	int error;
	const struct printer *printer;
	void *state; /* the printer's, e.g. the layout of the last emit table; freed by printer->end */
	struct arena *scratch;
};

/* fd is borrowed. */
void out_init(struct out *out, int fd, const struct printer *printer);
void out_fini(struct out *out); /* end of the format, flush */
void out_record(struct out *out, const struct record *record);
/*
 * Write what is buffered; 0 or -errno. Called when idle, and by itself over 64 KiB. After the first failure output is
 * dropped and every call returns that failure: the caller tells the user once, at the end.
 */
int out_flush(struct out *out);

extern const struct printer printers_text[]; /* text.c */
extern const struct printer printers_prom[]; /* metrics.c */

#endif
