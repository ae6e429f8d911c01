#ifndef JB_REPORT_INPUT_H
#define JB_REPORT_INPUT_H
/*
 * The bytes of a recording: a file, standard input, compressed with gzip or not, and a window over them for those who take
 * records out of it.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The longest record. A script's string is at most some megabytes; a quote that is never closed would take all memory. */
#define INPUT_RECORD_MAX ((size_t)32 << 20)

struct input {
	char *data;	   /* the window; data[end] may be written to */
	size_t begin, end; /* what of it has not been taken yet */
	size_t cap;
	uint64_t taken;	     /* bytes that have left the file (decompressed) */
	bool at_end;	     /* nothing comes after `end` */
	const char *problem; /* why it ended before its time; NULL: it did not */
	struct input_file *file;
};

/* "-" is standard input. NULL: errno says why. */
struct input *input_open(const char *path);
void input_close(struct input *input);
/*
 * Read on; what lies between begin and end is moved to the front. False when there is nothing more to read, or the window
 * is full and as large as it may become.
 */
bool input_more(struct input *input);

#endif
