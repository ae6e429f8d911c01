/*
 * Runs whose format is an exposition of metrics: all of it is written when the last script ends, and to a file also while
 * they run, when a script prints a map. A file is replaced as a whole, so that who reads it (node_exporter's textfile
 * collector) never sees half of one. Nothing but a regular file is replaced: links lead to what they name, and pipes and
 * devices are written to through a descriptor that the caller has opened.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run/export.h"
#include "run/internal.h"

#define EVERY_NS   1000000000ll
#define MAX_SERIES 10000u
#define EXPIRE_NS  (300ull * 1000000000ull)
#define MAX_LINKS  40 /* as the kernel follows */

struct exposition {
	struct arena *arena;
	unsigned n_runs; /* that share it */
	struct exporter *exporter;
	int fd;
	char *path; /* of the file, as it was given; NULL: fd */
	bool asked;
	bool failed; /* the last time, and it was told */
	int64_t next_ns;
};

/* Where the link at `path` leads, into `path`. */
static int follow_link(char path[PATH_MAX])
{
	char to[PATH_MAX], folder[PATH_MAX];
	ssize_t len = readlink(path, to, sizeof(to) - 1);
	int n;

	if (len < 0)
		return -errno;
	to[len] = '\0';
	snprintf(folder, sizeof(folder), "%s", path);
	if (*to == '/')
		n = snprintf(path, PATH_MAX, "%s", to);
	else
		n = snprintf(path, PATH_MAX, "%s/%s", dirname(folder), to);
	return n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* The file that `path` means: a regular one, or one that is not there yet; or why it cannot be replaced. */
static int find_file(const char *path, char found[PATH_MAX])
{
	struct stat st;
	int err = 0;

	if (snprintf(found, PATH_MAX, "%s", path) >= PATH_MAX)
		return -ENAMETOOLONG;
	for (int i = 0; i < MAX_LINKS && !err; i++) {
		if (lstat(found, &st))
			return errno == ENOENT ? 0 : -errno;
		if (S_ISREG(st.st_mode))
			return 0;
		if (S_ISDIR(st.st_mode))
			return -EISDIR;
		err = S_ISLNK(st.st_mode) ? follow_link(found) : -EEXIST;
	}
	return err ? err : -ELOOP;
}

static const char *why_not(int err)
{
	return err == -EEXIST ? "it is not a regular file" : strerror(-err);
}

static int check_place(struct run *run, const char *path)
{
	char file[PATH_MAX];
	int err = find_file(path, file);

	if (!err && access(dirname(file), W_OK))
		err = -errno;
	if (err)
		report_plain(run, "cannot write '%s': %s", path, why_not(err));
	return err;
}

static struct exposition *exposition_new(const struct run_options *said)
{
	const struct export_options options = {
		.max_series = said->max_series ? said->max_series : MAX_SERIES,
		.expire_ns = said->expire_ns ? said->expire_ns : EXPIRE_NS,
	};
	struct arena *arena = arena_new();
	struct exposition *e = arena_new_of(arena, struct exposition);

	e->arena = arena;
	e->exporter = exporter_new(&options);
	e->fd = said->out.fd;
	e->path = said->file ? arena_strdup(arena, said->file) : NULL;
	return e;
}

static void join(struct run *run, struct exposition *e)
{
	run->exposition = e;
	e->n_runs++;
	exporter_add(e->exporter, run->options.name ? run->options.name : "stdin", run);
}

/* Before anything is cleared: an exporter knows of what it has seen begin. */
int exposition_open(struct run *run)
{
	const char *path = run->options.file;
	int err;

	if (!run->options.out.printer || !run->options.out.printer->exposition)
		return 0;
	err = path ? check_place(run, path) : 0;
	if (!err)
		join(run, exposition_new(&run->options));
	return err;
}

void exposition_close(struct run *run)
{
	struct exposition *e = run->exposition;

	run->exposition = NULL;
	if (!e)
		return;
	if (--e->n_runs) {
		exporter_remove(e->exporter, run);
		return;
	}
	exporter_free(e->exporter);
	arena_free(e->arena);
}

static bool same_place(const struct exposition *a, const struct exposition *b)
{
	char file_a[PATH_MAX], file_b[PATH_MAX];

	if (!a->path || !b->path)
		return !a->path && !b->path && a->fd == b->fd;
	return !find_file(a->path, file_a) && !find_file(b->path, file_b) &&
	       strcmp(file_a, file_b) == 0;
}

bool run_share_exposition(struct run *run, struct run *with)
{
	struct exposition *theirs = with->exposition;

	if (!run->exposition || !theirs || !same_place(run->exposition, theirs))
		return false;
	exposition_close(run);
	join(run, theirs);
	return true;
}

void exposition_ask(struct run *run)
{
	run->exposition->asked = true;
}

/* A full disk may have room again: the next one is tried, and only the first failure of several is told. */
static void tell_failed(struct run *run, struct exposition *e, int err)
{
	if (!e->failed)
		report_plain(run, "cannot write '%s': %s", e->path, why_not(err));
	e->failed = true;
}

/* One that was left behind is in the way; what else may stand there is not followed. */
static int open_part(const char *part)
{
	unlink(part);
	return open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

static int write_part(const char *part, const struct buf *text)
{
	int fd = open_part(part), err = 0;

	if (fd < 0)
		return -errno;
	for (size_t at = 0; at < text->len && !err;) {
		ssize_t n = write(fd, text->data + at, text->len - at);

		if (n < 0 && errno != EINTR)
			err = -errno;
		at += n > 0 ? (size_t)n : 0;
	}
	if (close(fd) && !err)
		err = -errno;
	return err;
}

/* The part is written beside the file, where a rename is possible. */
static int replace_file(const struct exposition *e, const struct buf *text)
{
	char file[PATH_MAX], part[PATH_MAX + 8];
	int err = find_file(e->path, file);

	if (err)
		return err;
	snprintf(part, sizeof(part), "%s.tmp", file);
	err = write_part(part, text);
	if (!err && rename(part, file))
		err = -errno;
	if (err)
		unlink(part);
	return err;
}

static void collect(struct run *run, struct buf *text)
{
	struct metrics set = { .arena = arena_new() };
	int err = exporter_collect(run->exposition->exporter, &set);

	if (err)
		report_plain(run, "not every map could be read: %s", strerror(-err));
	prom_write(text, &set, false);
	arena_free(set.arena);
}

static void write_file(struct run *run, struct exposition *e)
{
	struct buf text = { 0 };
	int err;

	collect(run, &text);
	err = replace_file(e, &text);
	if (err)
		tell_failed(run, e, err);
	else
		e->failed = false;
	buf_fini(&text);
}

void exposition_turn(struct run *run, int64_t now_ns)
{
	struct exposition *e = run->exposition;

	if (!e || !e->asked || !e->path || now_ns < e->next_ns)
		return;
	e->asked = false;
	e->next_ns = now_ns + EVERY_NS;
	write_file(run, e);
}

/* The last of several runs writes what all of them had. */
void exposition_finish(struct run *run)
{
	struct exposition *e = run->exposition;

	exporter_end(e->exporter, run);
	if (e->path) {
		write_file(run, e);
	} else if (e->n_runs == 1) {
		collect(run, run->out.buf);
		out_text_end(&run->out);
	}
	if (e->failed && !run->exit_code)
		run->exit_code = 1;
}
