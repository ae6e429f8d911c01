/*
 * Buffers to file descriptors. How a full disk is survived: every row in the buffer has a mark; when write(2) stops
 * short, the file is cut back to the last whole row, the rest is counted and dropped, and the marks say which row (of
 * which script and table) the file ends with, so that headers come again where they are needed.
 */
#include "out/sink.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RETRY_NS 1000000000ll

void sink_init(struct sink *sink, int fd, struct sink_guard *guard)
{
	struct stat st;

	*sink = (struct sink){ .users = 1, .fd = fd, .guard = guard };
	if (!guard && fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		sink->guard = &sink->own_guard;
}

void sink_fini(struct sink *sink)
{
	buf_fini(&sink->buf);
	free(sink->marks);
	sink->marks = NULL;
}

static void add_mark(struct sink *sink)
{
	if (sink->n_marks == sink->cap_marks) {
		sink->cap_marks = sink->cap_marks ? 2 * sink->cap_marks : 256;
		sink->marks = mem_realloc(sink->marks, sink->cap_marks * sizeof(*sink->marks));
	}
	sink->marks[sink->n_marks++] = (struct sink_mark){ sink->buf.len, sink->last };
}

void sink_row_end(struct sink *sink, struct out *owner, uint64_t table)
{
	sink->last = (struct sink_row){ .owner = owner, .table = table, .any = true };
	if (sink->buf.len > sink->row_begin)
		sink->in_line = sink->buf.data[sink->buf.len - 1] != '\n';
	sink->row_begin = sink->buf.len;
	if (sink->guard)
		add_mark(sink);
}

void sink_forget(struct sink *sink, const struct out *owner)
{
	if (sink->last.owner == owner)
		sink->last.owner = NULL;
	if (sink->written.owner == owner)
		sink->written.owner = NULL;
}

/* --- writing --- */

/* A pipe or terminal may be non-blocking because someone else who shares it made it so. */
static int wait_writable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

	return poll(&poll_fd, 1, -1) < 0 && errno != EINTR ? errno : 0;
}

/* How many bytes were written; when not all, *error is why. */
static size_t write_all(int fd, const char *data, size_t len, int *error)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = write(fd, data + done, len - done);

		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		*error = n == 0 ? EIO : errno;
		if (*error == EINTR || (*error == EAGAIN && !(*error = wait_writable(fd))))
			continue;
		break;
	}
	return done;
}

/* --- guards --- */

bool guard_waits(const struct sink_guard *guard, const struct out *out)
{
	int64_t ago = out_wall_ns(out, NULL) - guard->failed_ns;

	return guard->full && ago >= 0 && ago < RETRY_NS;
}

void guard_problem(struct buf *text, const struct sink_guard *guard, int fd, int error)
{
	const char *place = guard ? guard->place : NULL;
	char link[32], path[4096];
	ssize_t n;

	if (!place) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		n = readlink(link, path, sizeof(path) - 1);
		path[n > 0 ? n : 0] = '\0';
		place = n > 0 && path[0] == '/' ? path : "the output";
	}
	if (error == ENOSPC || error == EDQUOT)
		buf_printf(text, "no space left on %s", place);
	else
		buf_printf(text, "cannot write to %s: %s", place, strerror(error));
}

static void tell(struct out *out, enum diag_level level, struct buf *text)
{
	if (out->options.tell)
		out->options.tell(out->options.tell_arg, level, text->data);
	buf_fini(text);
}

void guard_fail(struct sink_guard *guard, struct out *out, int fd, int error)
{
	struct buf text = { 0 };

	guard->failed_ns = out_wall_ns(out, NULL);
	guard->error = error;
	if (guard->full)
		return;
	guard->full = true;
	guard->dropped = 0;
	buf_puts(&text, "output: ");
	guard_problem(&text, guard, fd, error);
	buf_puts(&text, ": rows are being dropped");
	tell(out, DIAG_WARNING, &text);
}

void guard_drop(struct sink_guard *guard, struct out *owner)
{
	guard->dropped++;
	owner->dropped++;
	owner->dropped_error = guard->error;
}

static void guard_resume(struct sink_guard *guard, struct out *out)
{
	struct buf text = { 0 };

	if (!guard->full)
		return;
	guard->full = false;
	buf_printf(&text, "output: resumed, %" PRIu64 " row%s dropped", guard->dropped,
		   guard->dropped == 1 ? " was" : "s were");
	tell(out, DIAG_WARNING, &text);
}

/*
 * Take back the last `n` bytes, which are part of a row. A file that somebody else has added to meanwhile is left as it
 * is. false: half a row stays, so that nothing may follow it.
 */
static bool take_back(struct sink *sink, size_t n)
{
	off_t end = lseek(sink->fd, 0, SEEK_CUR);
	struct stat st;

	if (end < (off_t)n || fstat(sink->fd, &st) || st.st_size != end)
		return false;
	return ftruncate(sink->fd, end - (off_t)n) == 0 &&
	       lseek(sink->fd, end - (off_t)n, SEEK_SET) >= 0;
}

/* `n` bytes of the buffer are in the file: keep whole rows of it. Returns how many rows. */
static size_t keep_rows(struct sink *sink, size_t n)
{
	size_t kept = 0, end = 0;

	while (kept < sink->n_marks && sink->marks[kept].end <= n)
		end = sink->marks[kept++].end;
	if (kept)
		sink->written = sink->marks[kept - 1].row;
	if (n > end && !take_back(sink, n - end)) {
		sink->error = sink->guard->error;
		end = n;
	}
	sink->size += end;
	return kept;
}

static void write_guarded(struct sink *sink, struct out *out)
{
	struct sink_guard *guard = sink->guard;
	size_t n = 0, kept = 0;
	int error = 0;

	if (!guard_waits(guard, out)) {
		n = write_all(sink->fd, sink->buf.data, sink->buf.len, &error);
		if (n == sink->buf.len) {
			sink->size += n;
			sink->written = sink->last;
			guard_resume(guard, out);
			return;
		}
		guard_fail(guard, out, sink->fd, error);
		kept = keep_rows(sink, n);
	}
	for (; kept < sink->n_marks; kept++)
		guard_drop(guard, sink->marks[kept].row.owner);
	sink->last = sink->written;
}

void sink_flush(struct sink *sink, struct out *out)
{
	int error = 0;

	if (!sink->buf.len)
		return;
	if (sink->error) {
		for (size_t i = 0; i < sink->n_marks; i++)
			guard_drop(sink->guard, sink->marks[i].row.owner);
	} else if (sink->guard) {
		write_guarded(sink, out);
	} else if (write_all(sink->fd, sink->buf.data, sink->buf.len, &error) < sink->buf.len) {
		sink->error = error;
	}
	buf_reset(&sink->buf);
	sink->row_begin = 0;
	sink->n_marks = 0;
}
