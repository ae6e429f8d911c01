#ifndef JB_MODEL_MEASURE_H
#define JB_MODEL_MEASURE_H
/*
 * What a map's value can be in an export of metrics: said by its type alone, so that the compiler can check declarations
 * and the running half can name its families before there is data.
 */
#include "base/mem.h"
#include "model/type.h"
#include "model/value.h"

enum measure {
	MEASURE_NONE,	   /* nothing that a metric could be: a tuple, bytes, an address */
	MEASURE_NUMBER,	   /* may rise and fall */
	MEASURE_COUNT,	   /* a number that only grows */
	MEASURE_HISTOGRAM, /* buckets, with a sum or without */
	MEASURE_SUMMARY,   /* count and total */
	MEASURE_TEXT,	   /* a string */
	MEASURE_ROW,	   /* has columns, each with a measure of its own */
};

enum measure measure_type(struct arena *scratch, const struct type *type);
/*
 * One column of a row: "n", or a member of a column's record: "lat.p99". MEASURE_NONE with *known false: there is no such
 * column.
 */
enum measure measure_column(struct arena *scratch, const struct type *type, const char *path,
			    bool *known);
/* The columns that have a measure, in their order; 0: the type has none. Hidden ones (their name begins with _) are last. */
unsigned measure_columns(struct arena *arena, const struct type *type, const char *const **names);
/* The same column of a value. NULL: it has none. */
const struct value *measure_find(const struct value *value, const char *path);

#endif
