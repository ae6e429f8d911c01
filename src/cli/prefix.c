/*
 * A stream that puts a script's name before each line of its messages: with several scripts in one process one must see
 * who speaks. Lines that begin with the name already, as mistakes in a script do, and their continuations, which are
 * indented, are left as they are.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "cli/job.h"

struct prefix {
	FILE *to;
	size_t len;
	bool in_line; /* the last write ended inside a line */
	char name[];
};

static bool wants_name(const struct prefix *prefix, const char *line, size_t len)
{
	if (*line == ' ' || *line == '\n')
		return false;
	return len <= prefix->len || strncmp(line, prefix->name, prefix->len) != 0 ||
	       line[prefix->len] != ':';
}

static ssize_t prefix_write(void *cookie, const char *bytes, size_t size)
{
	struct prefix *prefix = cookie;
	const char *end = bytes + size;

	for (const char *line = bytes; line < end;) {
		const char *stop = memchr(line, '\n', (size_t)(end - line));
		size_t len = stop ? (size_t)(stop - line) + 1 : (size_t)(end - line);

		if (!prefix->in_line && wants_name(prefix, line, len))
			fprintf(prefix->to, "%s: ", prefix->name);
		fwrite(line, 1, len, prefix->to);
		prefix->in_line = !stop;
		line += len;
	}
	fflush(prefix->to);
	return (ssize_t)size;
}

static int prefix_close(void *cookie)
{
	free(cookie);
	return 0;
}

FILE *prefix_open(const char *name, FILE *to)
{
	size_t len = strlen(name);
	struct prefix *prefix = calloc(1, sizeof(*prefix) + len + 1);
	FILE *file;

	if (!prefix)
		return NULL;
	prefix->to = to;
	prefix->len = len;
	memcpy(prefix->name, name, len + 1);
	file = fopencookie(prefix, "w",
			   (cookie_io_functions_t){ .write = prefix_write, .close = prefix_close });
	if (!file)
		free(prefix);
	return file;
}
