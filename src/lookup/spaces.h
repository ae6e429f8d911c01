#ifndef JB_LOOKUP_SPACES_H
#define JB_LOOKUP_SPACES_H
/*
 * What each process maps, remembered beyond its end. Two sources: /proc/PID/maps, read when a process is first asked
 * for, and what the kernel tells of every mapping (stream.c), where it does. Part of sym.c.
 */
#include "lookup/modules.h"

/* An executable mapping. */
struct range {
	uint64_t start, end, offset;
	struct module *module; /* NULL: anonymous memory */
};

struct spaces;

struct spaces *spaces_new(struct modules *modules);
void spaces_free(struct spaces *spaces);

/*
 * The mapping that holds an address; NULL: none. Valid until the next call. What is known is looked at again when it may
 * be out of date: after a while, unless everything is told.
 */
const struct range *spaces_locate(struct spaces *spaces, int pid, uint64_t address);
/* All mappings known, in order of address. */
const struct range *spaces_ranges(struct spaces *spaces, int pid, size_t *n);
/* Changes whenever what is known of the process does; 0: nothing is known. */
uint64_t spaces_version(struct spaces *spaces, int pid);

/* --- what the kernel tells --- */
/* From now on everything is told, so that what is read of a process stays true. */
void spaces_are_told(struct spaces *spaces);
/* When what the following calls tell happened, in ns of CLOCK_MONOTONIC. */
void spaces_told_at(struct spaces *spaces, uint64_t ns);
void spaces_forked(struct spaces *spaces, int pid, int parent);
void spaces_executed(struct spaces *spaces, int pid);
void spaces_mapped(struct spaces *spaces, int pid, const struct mapping *mapping);
void spaces_ended(struct spaces *spaces, int pid);
/* Something was not told: look at all of them again. */
void spaces_missed(struct spaces *spaces);
/* Read all that there are, for `ms` milliseconds at most; true: call it again for the rest. */
bool spaces_look_around(struct spaces *spaces, int ms);

#endif
