/*
 * Log lines: what they look like, their level, their stream. Where they go when it is a file is in log_file.c.
 */
#include "cli/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/log_file.h"

#define NAME_MAX_LEN 64

struct log {
	pthread_mutex_t lock;
	struct log_options options; /* without the path, which the file has */
	struct log_file file;
	bool echo;
};

static const char *const level_names[] = { "error", "warning", "info", "debug" };
/* Of syslog(3), as sd-daemon(3) has them before lines on stderr. */
static const int priorities[] = { 3, 4, 6, 7 };

int log_find_level(const char *name)
{
	for (int i = 0; i < 4; i++)
		if (strcmp(level_names[i], name) == 0)
			return i;
	return -1;
}

bool log_stderr_is_journal(void)
{
	const char *named = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return named && sscanf(named, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

static void choose_target(struct log_options *options)
{
	if (options->target == LOG_TO_AUTO)
		options->target = log_stderr_is_journal() ? LOG_TO_JOURNAL : LOG_TO_STDERR;
}

static struct log_file_options file_options(const struct log_options *options)
{
	return (struct log_file_options){
		.path = options->path,
		.daily = options->daily,
		.max_bytes = options->max_bytes,
		.keep = options->keep,
	};
}

static bool open_file(struct log *log, const struct log_options *options)
{
	struct log_file_options wanted = file_options(options);
	struct log_file file;
	int err = log_file_open(&file, &wanted);

	if (err) {
		fprintf(stderr, "jbtrace: warning: cannot write the log '%s': %s\n", options->path,
			strerror(-err));
		return false;
	}
	log_file_close(&log->file);
	log->file = file;
	return true;
}

struct log *log_open(const struct log_options *options)
{
	struct log *log = calloc(1, sizeof(*log));

	if (!log)
		abort();
	pthread_mutex_init(&log->lock, NULL);
	log->options = *options;
	log->file.fd = -1;
	choose_target(&log->options);
	if (log->options.target == LOG_TO_FILE && !open_file(log, options))
		log->options.target = log_stderr_is_journal() ? LOG_TO_JOURNAL : LOG_TO_STDERR;
	log->options.path = NULL; /* the file has its own */
	return log;
}

void log_change(struct log *log, const struct log_options *options)
{
	struct log_options wanted = *options;

	choose_target(&wanted);
	pthread_mutex_lock(&log->lock);
	if (wanted.target == LOG_TO_FILE && !open_file(log, options))
		wanted.target = log->options.target;
	if (wanted.target != LOG_TO_FILE)
		log_file_close(&log->file);
	wanted.path = NULL;
	log->options = wanted;
	pthread_mutex_unlock(&log->lock);
}

void log_reopen(struct log *log)
{
	pthread_mutex_lock(&log->lock);
	log_file_reopen(&log->file);
	pthread_mutex_unlock(&log->lock);
}

void log_set_echo(struct log *log, bool on)
{
	pthread_mutex_lock(&log->lock);
	log->echo = on;
	pthread_mutex_unlock(&log->lock);
}

void log_close(struct log *log)
{
	if (!log)
		return;
	log_file_close(&log->file);
	pthread_mutex_destroy(&log->lock);
	free(log);
}

/* --- lines --- */

static void put_time(FILE *out)
{
	struct timespec now;
	struct tm local;
	char text[32];

	clock_gettime(CLOCK_REALTIME, &now);
	localtime_r(&now.tv_sec, &local);
	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local);
	fprintf(out, "%s.%03ld ", text, now.tv_nsec / 1000000);
}

/* Bytes that would make two lines of one, or move a terminal's cursor, are shown as `?`. */
static void put_clean(FILE *out, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		putc((unsigned char)text[i] < ' ' && text[i] != '\t' ? '?' : text[i], out);
}

static void write_line(struct log *log, enum log_level level, const char *name, const char *text,
		       size_t len)
{
	char *line = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&line, &size);

	if (!out)
		return;
	if (log->options.target == LOG_TO_JOURNAL) {
		fprintf(out, "<%d>", priorities[level]);
	} else {
		put_time(out);
		fprintf(out, "[%s] ", level_names[level]);
	}
	if (name)
		fprintf(out, "%s: ", name);
	put_clean(out, text, len);
	putc('\n', out);
	fclose(out);
	if (log->options.target == LOG_TO_FILE)
		log_file_write(&log->file, line, size);
	else if (write(STDERR_FILENO, line, size) < 0)
		size = 0; /* nobody is left who could be told */
	free(line);
	if (log->echo && level <= LOG_WARNING && log->options.target != LOG_TO_STDERR)
		fprintf(stderr, "%s%s%.*s\n", name && *text != ' ' ? name : "",
			name && *text != ' ' ? ": " : "", (int)len, text);
}

/* A message that names the script already, as a mistake in it does, needs no second name. */
static const char *name_before(const char *name, const char *line, size_t len)
{
	size_t n = name ? strlen(name) : 0;

	return n && n < len && strncmp(line, name, n) == 0 && line[n] == ':' ? NULL : name;
}

void log_text(struct log *log, enum log_level level, const char *name, const char *text, size_t len)
{
	if (level > log->options.level)
		return;
	pthread_mutex_lock(&log->lock);
	for (const char *end = text + len; text < end;) {
		size_t n = (size_t)(end - text);
		const char *stop = memchr(text, '\n', n);

		n = stop ? (size_t)(stop - text) : n;
		if (n)
			write_line(log, level, name_before(name, text, n), text, n);
		text += n + 1;
	}
	pthread_mutex_unlock(&log->lock);
}

void log_say(struct log *log, enum log_level level, const char *name, const char *fmt, ...)
{
	va_list ap;
	char *text;
	int len;

	va_start(ap, fmt);
	len = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (len < 0)
		return;
	log_text(log, level, name, text, (size_t)len);
	free(text);
}

/* --- streams --- */

struct text {
	char *data;
	size_t len;
};

struct log_stream {
	FILE *file;
	struct log *log;
	enum log_level level; /* of the line before */
	struct text rest;     /* a line whose end has not come yet */
	bool holding;
	struct text held, last; /* kept back now, and the time before */
	char name[NAME_MAX_LEN];
};

static void text_add(struct text *text, const char *bytes, size_t len)
{
	char *more = realloc(text->data, text->len + len + 1);

	if (!more)
		return;
	memcpy(more + text->len, bytes, len);
	text->data = more;
	text->len += len;
	more[text->len] = '\0';
}

static void text_clear(struct text *text)
{
	free(text->data);
	*text = (struct text){ 0 };
}

static const struct {
	const char *word;
	enum log_level level;
} level_words[] = {
	{ "error: ", LOG_ERROR },     { "ERROR: ", LOG_ERROR }, { "warning: ", LOG_WARNING },
	{ "WARNING: ", LOG_WARNING }, { "Lost ", LOG_WARNING },
};

/* What programs say before a mistake: "x: error: ...", "WARNING: ...", "Lost 3 events". The first word counts. */
static enum log_level level_of(const char *line, size_t len)
{
	enum log_level level = LOG_INFO;
	const char *first = line + len;

	for (size_t i = 0; i < sizeof(level_words) / sizeof(*level_words); i++) {
		const char *word = level_words[i].word;
		const char *at = memmem(line, len, word, strlen(word));

		if (at && at < first) {
			first = at;
			level = level_words[i].level;
		}
	}
	return level;
}

static void stream_line(struct log_stream *stream, const char *line, size_t len)
{
	if (stream->holding) {
		text_add(&stream->held, line, len);
		text_add(&stream->held, "\n", 1);
		return;
	}
	if (*line != ' ')
		stream->level = level_of(line, len);
	log_text(stream->log, stream->level, *stream->name ? stream->name : NULL, line, len);
}

/* All lines that are complete; the number of bytes they have. */
static size_t stream_lines(struct log_stream *stream, const char *text, size_t len)
{
	size_t from = 0;

	for (const char *stop; (stop = memchr(text + from, '\n', len - from));) {
		size_t n = (size_t)(stop - text) - from;

		if (n)
			stream_line(stream, text + from, n);
		from += n + 1;
	}
	return from;
}

static ssize_t stream_write(void *cookie, const char *bytes, size_t size)
{
	struct log_stream *stream = cookie;
	struct text *rest = &stream->rest;
	size_t from;

	text_add(rest, bytes, size);
	if (!rest->data)
		return (ssize_t)size;
	from = stream_lines(stream, rest->data, rest->len);
	rest->len -= from;
	memmove(rest->data, rest->data + from, rest->len);
	return (ssize_t)size;
}

static int stream_close(void *cookie)
{
	struct log_stream *stream = cookie;

	stream->holding = false;
	if (stream->rest.len)
		stream_line(stream, stream->rest.data, stream->rest.len);
	text_clear(&stream->rest);
	text_clear(&stream->held);
	text_clear(&stream->last);
	free(stream);
	return 0;
}

struct log_stream *log_stream_open(struct log *log, const char *name)
{
	struct log_stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		abort();
	stream->log = log;
	stream->level = LOG_INFO;
	if (name)
		snprintf(stream->name, sizeof(stream->name), "%s", name);
	stream->file = fopencookie(
		stream, "w",
		(cookie_io_functions_t){ .write = stream_write, .close = stream_close });
	if (!stream->file)
		abort();
	return stream;
}

FILE *log_stream_file(struct log_stream *stream)
{
	return stream->file;
}

void log_stream_hold(struct log_stream *stream)
{
	fflush(stream->file);
	stream->holding = true;
}

char *log_stream_error(struct log_stream *stream)
{
	const char *at;
	size_t len;

	fflush(stream->file);
	if (!stream->held.data)
		return NULL;
	at = strstr(stream->held.data, level_words[0].word);
	at = at ? at + strlen(level_words[0].word) : stream->held.data;
	len = strcspn(at, "\n");
	return strndup(at, len);
}

void log_stream_release(struct log_stream *stream, bool if_new)
{
	struct text held;
	bool same;

	fflush(stream->file);
	held = stream->held;
	same = held.len == stream->last.len &&
	       (!held.len || memcmp(held.data, stream->last.data, held.len) == 0);
	stream->holding = false;
	stream->held = (struct text){ 0 };
	if (held.len && !(if_new && same))
		stream_lines(stream, held.data, held.len);
	text_clear(&stream->last);
	stream->last = held;
}
