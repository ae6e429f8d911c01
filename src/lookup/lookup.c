/*
 * The frame of lookup: its life, its error sentence, and small facts that need no file of their
 * own. The facts themselves are in the other files of this folder, each read when the first
 * question about it is asked.
 */
#include "lookup/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lookup/internal.h"

struct lookup *lookup_new(struct types *types)
{
	struct arena *arena = arena_new();
	struct lookup *lookup = arena_new_of(arena, struct lookup);

	lookup->arena = arena;
	lookup->types = types;
	lookup->error = "";
	return lookup;
}

void lookup_free(struct lookup *lookup)
{
	if (!lookup)
		return;
	dwarf_facts_free(lookup->dwarf);
	func_facts_free(lookup->funcs); /* built on the kernel's BTF */
	btf_facts_free(lookup->btf);
	tracefs_facts_free(lookup->tracefs);
	arena_free(lookup->arena);
}

const char *lookup_error(const struct lookup *lookup)
{
	return lookup->error;
}

struct arena *lookup_arena(struct lookup *lookup)
{
	return lookup->arena;
}

int lookup_fail(struct lookup *lookup, int error, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	lookup->error = arena_vprintf(lookup->arena, fmt, ap);
	va_end(ap);
	return -error;
}

void lookup_set_pid(struct lookup *lookup, int pid)
{
	lookup->pid = pid;
}

int lookup_pid(const struct lookup *lookup)
{
	return lookup->pid;
}

void lookup_set_verbose(struct lookup *lookup, bool verbose)
{
	lookup->is_verbose = verbose;
}

bool lookup_is_verbose(const struct lookup *lookup)
{
	return lookup->is_verbose;
}

/* Files of /proc and tracefs have no size, and end at the first empty read. */
int file_read(const char *path, struct buf *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	buf_reset(text);
	if (fd < 0)
		return -errno;
	do {
		char *room = buf_room(text, 65536);

		n = read(fd, room, 65536);
		if (n > 0)
			text->len += (size_t)n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0)
		n = -errno;
	close(fd);
	buf_add(text, "", 1);
	text->len--;
	return (int)n;
}

uint64_t lookup_max_sample_rate(void)
{
	struct buf text = { 0 };
	uint64_t rate = 0;

	if (file_read("/proc/sys/kernel/perf_event_max_sample_rate", &text) == 0)
		rate = strtoull(text.data, NULL, 10);
	buf_fini(&text);
	return rate;
}
