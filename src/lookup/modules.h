#ifndef JB_LOOKUP_MODULES_H
#define JB_LOOKUP_MODULES_H
/*
 * The files that processes map, what was read of them, and what was found there. A file is read when the first address
 * in it is asked for; what is read is kept within a budget. Part of sym.c.
 */
#include <sys/types.h>

#include "lookup/internal.h"

struct modules;

/* A mapped file. Those that map it hold it; one that nobody holds may go. */
struct module {
	char *path; /* as in /proc/PID/maps */
	dev_t dev;
	ino_t ino;
	unsigned refs;
	bool was_tried; /* `places` is what there is */
	bool source_was_tried;
	bool has_delta;
	uint64_t delta_offset, delta; /* of the mapping at that offset */
	int64_t tried_ms;	      /* when opening it failed */
	struct places *places;	      /* NULL: not read, or not readable */
	struct source *source;	      /* NULL: not open */
	struct found **found;	      /* hash of what was looked up */
	size_t n_found, n_buckets;
	size_t bytes;  /* of places and found */
	uint64_t used; /* higher: later */
	struct module *next;
};

struct modules *modules_new(void);
void modules_free(struct modules *modules);
/* The module of a mapping, held once more. Its path need not end with a NUL. */
struct module *modules_hold(struct modules *modules, const struct mapping *mapping);
void modules_drop(struct modules *modules, struct module *module);

/*
 * The function at an offset in the file. `where` is the mapping through which `pid` has it, for finding the file.
 * Flags are sym.h's.
 */
struct symbol modules_find(struct modules *modules, struct module *module, int pid,
			   const struct mapping *where, uint64_t offset, unsigned flags);
/* How many times lines were asked for and left out, since reading them had taken too long. */
unsigned long modules_lines_left_out(const struct modules *modules);
/* The module's functions and segments, read now if they were not; NULL: not readable. */
const struct places *modules_places(struct modules *modules, struct module *module, int pid,
				    const struct mapping *where);
/* A path by which the file can be opened, in the arena; NULL: none. */
const char *modules_openable(const struct module *module, struct arena *arena, int pid,
			     const struct mapping *where);
/* How far behind the beginning of the file's memory a mapping of it lies. */
bool modules_delta(struct module *module, int pid, const struct mapping *where, uint64_t *delta);
int64_t modules_now_ms(void);

#endif
