/*
 * Runs whose format is an exposition of metrics: all of it is written when the last script ends, and to a file also while
 * they run, when a script prints a map. A file is replaced as a whole, so that who reads it (node_exporter's textfile
 * collector) never sees half of one.
 */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/export.h"
#include "run/internal.h"

#define EVERY_NS   1000000000ll
#define MAX_SERIES 10000u
#define EXPIRE_NS  (300ull * 1000000000ull)

struct exposition {
	struct arena *arena;
	unsigned n_runs; /* that share it */
	struct exporter *exporter;
	int fd;
	char *path, *part; /* the file, and what it is written to before; NULL: fd */
	bool asked;
	bool failed; /* the last time, and it was told */
	int64_t next_ns;
};

static int check_folder(struct run *run, const char *path)
{
	char *copy = arena_strdup(run->arena, path);
	int err = access(dirname(copy), W_OK) ? -errno : 0;

	if (err)
		report_plain(run, "cannot write '%s': %s", path, strerror(-err));
	return err;
}

static struct exposition *exposition_new(const char *path, int fd)
{
	const struct export_options options = { .max_series = MAX_SERIES, .expire_ns = EXPIRE_NS };
	struct arena *arena = arena_new();
	struct exposition *e = arena_new_of(arena, struct exposition);

	e->arena = arena;
	e->exporter = exporter_new(&options);
	e->fd = fd;
	if (path) {
		e->path = arena_strdup(arena, path);
		e->part = arena_printf(arena, "%s.tmp", path);
	}
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
	err = path ? check_folder(run, path) : 0;
	if (!err)
		join(run, exposition_new(path, run->options.out.fd));
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
	return a->path && b->path ? strcmp(a->path, b->path) == 0
				  : !a->path && !b->path && a->fd == b->fd;
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
		report_plain(run, "cannot write '%s': %s", e->path, strerror(-err));
	e->failed = true;
}

static int write_part(const struct exposition *e, const struct buf *text)
{
	int fd = open(e->part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644), err = 0;

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

static int replace_file(const struct exposition *e, const struct buf *text)
{
	int err = write_part(e, text);

	if (!err && rename(e->part, e->path))
		err = -errno;
	if (err)
		unlink(e->part);
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
