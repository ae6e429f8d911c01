#ifndef JB_CLI_LOG_FILE_H
#define JB_CLI_LOG_FILE_H
/*
 * A file that grows by whole lines and is rotated: the old one gets the time of its last line as a suffix
 * (PATH.YYYYmmdd_HHMMSS), the oldest of those are removed. A line that does not fit on the disk is left out as a whole
 * and counted.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct log_file_options {
	const char *path;
	bool daily; /* rotate when the local date is another one than that of the last line */
	uint64_t max_bytes; /* rotate when a line would make it larger; 0: never */
	unsigned keep;	    /* so many old files; 0: all */
};

struct log_file {
	struct log_file_options options; /* path is copied */
	int fd;				 /* -1: not open */
	uint64_t size;
	int day;	      /* of the last line: days since 1900, about */
	unsigned long n_lost; /* lines */
	int lost_because;     /* errno */
	char stamp[32];	      /* of the file that was put away last, */
	unsigned n_stamped;   /* and how many have it */
};

/* 0, or -errno. A file of another day is rotated at once. */
int log_file_open(struct log_file *file, const struct log_file_options *options);
/* `line` ends with a newline. */
void log_file_write(struct log_file *file, const char *line, size_t len);
/* For a file that was moved or removed. When it cannot be opened, the old one stays. */
void log_file_reopen(struct log_file *file);
void log_file_close(struct log_file *file);

#endif
