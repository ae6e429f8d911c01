#ifndef JB_OUT_SINK_H
#define JB_OUT_SINK_H
/*
 * Where rows go: a buffer and a file descriptor. On a pipe, a terminal or a device the first failure is the last. A
 * regular file is guarded: what is written there is always whole rows, also when the disk is full; the rows that found
 * no room are counted, and writing goes on when there is room. A row is a record of text, a line of JSON, a line of CSV
 * with the header that belongs before it.
 */
#include "out/out.h"

/* Beyond this much a buffer is written. */
#define SINK_BLOCK (64u << 10)

/* Who added a row, and of which table. */
struct sink_row {
	struct out *owner; /* NULL: nobody, or one who is gone */
	uint64_t table;	   /* out_table_id; 0: none */
	bool any;	   /* there is a row */
};

struct sink_mark {
	size_t end; /* of a row, in the buffer */
	struct sink_row row;
};

/* A place that may be full for a while: one file, or a folder with all of its files. */
struct sink_guard {
	const char *place; /* for messages; NULL: found by the file descriptor */
	bool full;
	int error;	   /* errno of the last attempt */
	int64_t failed_ns; /* when that was; not tried again within a second */
	uint64_t dropped;  /* rows since it is full */
};

struct sink {
	unsigned users; /* outs that share it */
	int fd;		/* borrowed */
	int error; /* without a guard: errno of the first failure, after which all is dropped */
	bool told; /* the user knows of `error` */
	struct buf buf;
	size_t row_begin; /* of the row being made, in the buffer */
	uint64_t size;	  /* bytes written */
	struct sink_guard *guard, own_guard;
	struct sink_mark *marks; /* with a guard: the rows in the buffer */
	size_t n_marks, cap_marks;
	bool in_line;		 /* the last row did not end its line */
	struct sink_row last;	 /* the row added last */
	struct sink_row written; /* the last row that is in the file */
};

/* guard NULL: its own when fd is a regular file, else none. */
void sink_init(struct sink *sink, int fd, struct sink_guard *guard);
void sink_fini(struct sink *sink);
/* What was added to the buffer since row_begin is a row. */
void sink_row_end(struct sink *sink, struct out *owner, uint64_t table);
/* Write the buffer. `out` is the one that asks: it has the clock, and tells the user. */
void sink_flush(struct sink *sink, struct out *out);
/* Rows of `owner` may not be asked about any more. */
void sink_forget(struct sink *sink, const struct out *owner);

/* An attempt failed: told when it is the first. The caller counts what is dropped. */
void guard_fail(struct sink_guard *guard, struct out *out, int fd, int error);
/* Is it too early to try again? */
bool guard_waits(const struct sink_guard *guard, const struct out *out);
/* One row of `owner` is lost. */
void guard_drop(struct sink_guard *guard, struct out *owner);
/* "no space left on /x", for `error` of a guard or a sink. */
void guard_problem(struct buf *text, const struct sink_guard *guard, int fd, int error);

#endif
