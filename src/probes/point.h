#ifndef JB_PROBES_POINT_H
#define JB_PROBES_POINT_H
/* What several providers need to read attach points and to lay out their instances. */
#include "base/strmap.h"
#include "parser/resolve.h"

/*
 * An unsigned number at the start of text: decimal (also 1e6 and 1_000) or 0x hexadecimal. Returns what follows it,
 * NULL when there is no number or it does not fit.
 */
const char *point_number(const char *text, uint64_t *number);
/* Parts from..n_parts-1 with the colons that stood between them, in the arena. */
const char *point_join(struct arena *arena, const struct spec *spec, unsigned from);
/* "did you mean" with what `nearest` found, if anything; `prefix` is put before it. */
void point_hint(struct resolve *resolve, const struct nearest *nearest, const char *prefix);
/* A new target of the spec being expanded; name, func and path are kept as they are: give arena strings. */
struct target *point_target(struct resolve *resolve, const char *name, const char *func);

/*
 * Move targets[from..] to a new instance with its own copy of predicate and body, appended to resolve->instances.
 * plan() uses it when the targets need programs of different kinds.
 */
struct instance *instance_split(struct resolve *resolve, struct instance *instance, size_t from);

#endif
