#ifndef JB_OUT_COLUMNS_H
#define JB_OUT_COLUMNS_H
/*
 * A row's cells with the names of their columns: what tables of text, JSON and CSV have in common. Records become columns
 * of their members, "lat" with a member "p99" becomes "lat_p99". Lives in the scratch arena of a record.
 */
#include "base/vec.h"
#include "out/out.h"

struct column {
	const char *name;
	const struct value *value;
};

struct columns {
	struct arena *arena;
	VEC(struct column) list;
};

/* Is this member of a row shown? Names that begin with _ are for other columns. */
bool columns_shown(const struct value *row, uint32_t i);
/* Is this map (or the single value of a scalar one) made of rows: agg, rtp? */
bool columns_are_rows(const struct value *map);
/* The parts of a key, by the names with which the script wrote them. */
void columns_add_key(struct columns *columns, const struct record *record, const struct value *key);
/* name NULL: the members of a record are columns by their own names. */
void columns_add(struct columns *columns, const char *name, const struct value *value);
/*
 * Readers go by name: a name that a column before it has, or that is among the n in `taken`, gets "_2", "_3", ... behind it.
 */
void columns_rename(struct columns *columns, const char *const *taken, size_t n);
/* NaN and VALUE_NONE: nothing to show. */
bool columns_missing(const struct value *value);
/* The shortest decimal that reads back as this number. Finite. */
void columns_real(struct buf *out, double real);

#endif
