#ifndef JB_OUT_FOLDER_H
#define JB_OUT_FOLDER_H
/*
 * A folder with a file for each table: `{table}_{YYYYmmdd_HHMMSS}.csv`, where the time, local, is that of its first row.
 * Of two files that begin in the same second the later one is called `..._HHMMSS-1.csv`. Files are opened at their first
 * row, locked (flock) while they are written, and whole rows are all they ever hold (sink.h). Completed files are
 * tidy.c's.
 */
#include "out/sink.h"

struct table_file;
struct tidy;

struct folder {
	char *path;
	int fd;
	struct buf row; /* the row being made */
	struct sink_guard guard;
	struct table_file *files; /* by the table's id, from 1 */
	size_t n_files;
	struct tidy *tidy;  /* NULL: nothing is removed or compressed */
	int64_t checked_ns; /* when files were last looked at by time */
	int64_t second;	    /* the one whose day is known */
	int day;
};

/* 0, or -errno after a sentence to out's tell. The folder is made, with those above it, when its path ends with a slash. */
int folder_open(struct folder **made, struct out *out);
/* Completes all files; waits until what is to be compressed is. */
void folder_close(struct folder *folder, struct out *out);
/* The row in folder->row. */
void folder_add_row(struct folder *folder, struct out *out, const struct out_table *table,
		    int64_t wall_ns);
/* Write what is buffered. `force`: also when there was no room a moment ago. */
void folder_flush(struct folder *folder, struct out *out, bool force);

#endif
