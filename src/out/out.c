/*
 * The destination of records: characters are gathered in one buffer and written in big blocks.
 * What a record looks like is the printer's business; when to flush between blocks is the run
 * loop's.
 */
#include "out/out.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#define BLOCK (64u << 10)

void out_init(struct out *out, int fd, const struct printer *printer)
{
	*out = (struct out){ .fd = fd, .printer = printer, .scratch = arena_new() };
	buf_room(&out->buf, 2 * BLOCK);
}

/* A pipe or terminal may be non-blocking because someone else who shares it made it so. */
static int wait_writable(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLOUT };

	return poll(&poll_fd, 1, -1) < 0 && errno != EINTR ? -errno : 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n >= 0) {
			data += n;
			len -= (size_t)n;
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno != EAGAIN)
			return -errno;

		int error = wait_writable(fd);

		if (error)
			return error;
	}
	return 0;
}

static void out_write(struct out *out)
{
	int error = out->failed ? 0 : write_all(out->fd, out->buf.data, out->buf.len);

	if (error) {
		out->failed = true;
		out->error = -error;
	}
	buf_reset(&out->buf);
}

int out_flush(struct out *out)
{
	if (out->buf.len)
		out_write(out);
	return out->failed ? -out->error : 0;
}

void out_record(struct out *out, const struct record *record)
{
	if (out->failed)
		return;
	out->printer->print(out, record);
	arena_reset(out->scratch);
	if (out->buf.len >= BLOCK)
		out_write(out);
}

void out_fini(struct out *out)
{
	if (out->printer->end)
		out->printer->end(out);
	out_flush(out);
	buf_fini(&out->buf);
	arena_free(out->scratch);
	out->scratch = NULL;
}
