#ifndef JB_LOOKUP_SOURCE_H
#define JB_LOOKUP_SOURCE_H
/* Addresses in an ELF file to source lines and inlined functions, by its debug information. Part of sym.c. */
#include <stdint.h>

#include "lookup/sym.h"

struct source;

/* The debug information of the file, in it or in the separate file that belongs to it. NULL: there is none. */
struct source *source_open(const char *path);
void source_close(struct source *source);
/* Does it keep so much of several units that it had better be closed, and opened again when it is needed? */
bool source_is_heavy(const struct source *source);
/*
 * Which functions an address belongs to, into the arena: the innermost inlined one first, the one that was compiled
 * last. Number of them; 0: not known.
 */
unsigned source_find(struct source *source, struct arena *arena, uint64_t address,
		     struct symbol_line **lines);

#endif
