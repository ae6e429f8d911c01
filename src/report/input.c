/*
 * Bytes of recordings. Files are read in blocks of a megabyte; gzip, several members after one another as well, is told by
 * its first two bytes, not by the name.
 */
#include "report/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <zlib.h>

#include "base/mem.h"

#define WINDOW_FIRST ((size_t)1 << 20)
#define GZIP_BLOCK   ((size_t)256 << 10)

struct input_file {
	int fd;
	bool gzip, failed;
	bool in_member; /* gzip: inside one, where the file must not end */
	z_stream z;
	unsigned char *packed; /* gzip: what zlib reads from */
};

static size_t read_plain(struct input *input, char *to, size_t room)
{
	ssize_t n;

	do
		n = read(input->file->fd, to, room);
	while (n < 0 && errno == EINTR);
	if (n < 0) {
		input->problem = strerror(errno);
		return 0;
	}
	return (size_t)n;
}

/* False at the end of the file. */
static bool refill_packed(struct input *input)
{
	struct input_file *file = input->file;

	if (file->z.avail_in)
		return true;
	file->z.next_in = file->packed;
	file->z.avail_in = (unsigned)read_plain(input, (char *)file->packed, GZIP_BLOCK);
	if (!file->z.avail_in && file->in_member && !input->problem)
		input->problem = "the compressed data ends too early";
	return file->z.avail_in;
}

/* Bytes after the last member that are not one are left alone, as gzip(1) does. */
static bool begin_member(struct input *input)
{
	struct input_file *file = input->file;

	if (!refill_packed(input) || *file->z.next_in != 0x1f)
		return false;
	file->in_member = true;
	return inflateReset(&file->z) == Z_OK;
}

static size_t read_gzip(struct input *input, char *to, size_t room)
{
	struct input_file *file = input->file;
	int status;

	file->z.next_out = (unsigned char *)to;
	file->z.avail_out = (unsigned)room;
	while (file->z.avail_out == room && !input->problem) {
		if (!file->in_member && !begin_member(input))
			break;
		if (!refill_packed(input))
			break;
		status = inflate(&file->z, Z_NO_FLUSH);
		if (status == Z_STREAM_END)
			file->in_member = false;
		else if (status != Z_OK && status != Z_BUF_ERROR)
			input->problem = "the compressed data is damaged";
	}
	return room - file->z.avail_out;
}

/* The window's first bytes tell. */
static void begin_gzip(struct input *input)
{
	struct input_file *file = input->file;

	if (inflateInit2(&file->z, 15 + 16) != Z_OK) {
		input->problem = "zlib does not start";
		return;
	}
	file->packed = mem_alloc(GZIP_BLOCK > input->end ? GZIP_BLOCK : input->end);
	memcpy(file->packed, input->data, input->end);
	file->z.next_in = file->packed;
	file->z.avail_in = (unsigned)input->end;
	file->gzip = file->in_member = true;
	input->end = 0;
	input->taken = 0;
}

static size_t read_some(struct input *input)
{
	char *to = input->data + input->end;
	size_t room = input->cap - input->end;

	if (input->problem)
		return 0;
	return input->file->gzip ? read_gzip(input, to, room) : read_plain(input, to, room);
}

static bool make_room(struct input *input)
{
	if (input->begin) {
		memmove(input->data, input->data + input->begin, input->end - input->begin);
		input->end -= input->begin;
		input->begin = 0;
	}
	if (input->end < input->cap)
		return true;
	if (input->cap >= INPUT_RECORD_MAX)
		return false;
	input->cap *= 2;
	input->data = mem_realloc(input->data, input->cap + 1);
	return true;
}

/* Filled to the brim, so that a long record is not looked through again for each piece that a pipe gives. */
bool input_more(struct input *input)
{
	size_t before = input->taken;

	if (input->at_end || !make_room(input))
		return false;
	while (input->end < input->cap) {
		size_t n = read_some(input);

		if (!n) {
			input->at_end = true;
			break;
		}
		input->end += n;
		input->taken += n;
	}
	return input->taken > before;
}

static int open_file(const char *path)
{
	struct stat st;
	int fd = strcmp(path, "-") == 0 ? dup(STDIN_FILENO) : open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
		close(fd);
		errno = EISDIR;
		return -1;
	}
	return fd;
}

struct input *input_open(const char *path)
{
	int fd = open_file(path);
	struct input *input;

	if (fd < 0)
		return NULL;
	input = mem_alloc(sizeof(*input));
	*input = (struct input){ .cap = WINDOW_FIRST };
	input->file = mem_alloc(sizeof(*input->file));
	*input->file = (struct input_file){ .fd = fd };
	input->data = mem_alloc(input->cap + 1);
	while (input->end < 2) {
		size_t n = read_plain(input, input->data + input->end, GZIP_BLOCK);

		if (!n)
			break;
		input->end += n;
		input->taken += n;
	}
	if (input->end >= 2 && input->data[0] == 0x1f && (unsigned char)input->data[1] == 0x8b)
		begin_gzip(input);
	return input;
}

void input_close(struct input *input)
{
	if (!input)
		return;
	if (input->file->gzip)
		inflateEnd(&input->file->z);
	close(input->file->fd);
	free(input->file->packed);
	free(input->file);
	free(input->data);
	free(input);
}
