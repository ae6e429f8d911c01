#ifndef JB_CLI_LOG_H
#define JB_CLI_LOG_H
/*
 * The log of a service: lines with time, level and the script's name, to stderr, to a file that is rotated, or for the
 * journal. Nothing that goes wrong here stops anything: lines that cannot be written are counted, and told when there
 * is room again. Safe in several threads.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };
enum log_target {
	LOG_TO_AUTO, /* the journal if stderr is connected to it, else stderr */
	LOG_TO_STDERR,
	LOG_TO_FILE,
	LOG_TO_JOURNAL
};

struct log_options {
	enum log_level level; /* what is less important is left out */
	enum log_target target;
	const char *path;   /* of LOG_TO_FILE */
	bool daily;	    /* a new file at midnight, local time */
	uint64_t max_bytes; /* a new file beyond this size; 0: none */
	unsigned keep;	    /* so many old files; 0: all */
};

struct log;

/* Never NULL. When the file cannot be opened, that is said on stderr, and the log goes there. */
struct log *log_open(const struct log_options *options);
/* What changes takes effect with the next line; a new file that cannot be opened leaves the old one. */
void log_change(struct log *log, const struct log_options *options);
/* The file was moved away by somebody else: begin a new one. */
void log_reopen(struct log *log);
void log_close(struct log *log);
/* While this is on, warnings and errors are shown on stderr, too, as they are: for a daemon that is starting. */
void log_set_echo(struct log *log, bool on);

/* One or more lines; `name` is the script's, NULL: the program's own. */
void log_text(struct log *log, enum log_level level, const char *name, const char *text,
	      size_t len);
void log_say(struct log *log, enum log_level level, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
/*
 * A stream for the messages of a script (NULL: of the program). The level of a line is read from its words; lines that
 * continue another one, which are indented, have its level. Closing the file closes the stream; the log comes later.
 */
struct log_stream;
/* Never NULL. */
struct log_stream *log_stream_open(struct log *log, const char *name);
FILE *log_stream_file(struct log_stream *stream);
/* From now on lines are kept back. */
void log_stream_hold(struct log_stream *stream);
/* The first error among those that are kept back, without what stands before it; NULL: there is none. The caller frees. */
char *log_stream_error(struct log_stream *stream);
/* Write them; with `if_new` only if they are others than those of the last release. */
void log_stream_release(struct log_stream *stream, bool if_new);
/* The level by its name; -1: there is none. */
int log_find_level(const char *name);
/* Is stderr the stream that JOURNAL_STREAM names (sd-daemon(3))? */
bool log_stderr_is_journal(void);

#endif
