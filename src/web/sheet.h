#ifndef JB_WEB_SHEET_H
#define JB_WEB_SHEET_H
/*
 * A map as a table: named columns, a cell for each row and column. It points into the map's value and lives in an arena, no
 * longer than the value.
 */
#include "model/plan.h"
#include "model/value.h"
#include "web/view.h"

enum column_kind {
	COLUMN_KEY,
	COLUMN_TEXT,
	COLUMN_NUMBER,	 /* may rise and fall */
	COLUMN_COUNT,	 /* only grows: shown over time as a rate */
	COLUMN_QUANTILE, /* a quantile of the histogram `hist_path` beside it */
	COLUMN_HIST,
};

struct sheet_column {
	const char *name; /* as tables of text have it: lat_p99 */
	const char *path; /* measure_find's: lat.p99; NULL: the value itself, or a key */
	enum column_kind kind;
	const char *unit;      /* "ns", "us", "ms", "s", "B"; NULL: none */
	const char *hist_path; /* of a quantile */
	double quantile;       /* its share: 0.99 */
	bool bounded;	       /* a histogram with inclusive upper bounds */
};

struct sheet {
	const struct sheet_column *columns; /* keys first */
	unsigned n_columns, n_keys;
	uint32_t n_rows;
	const struct value **cells; /* by row, n_columns each; NULL: none */
	const struct value *items;  /* by row: the value that its cells are of */
	bool scalar;
};

/* `value` is what run_read_map gave. Units come from the plan's metrics, or from names such as delay_ns. */
struct sheet sheet_of(struct arena *arena, const struct plan *plan, const struct plan_map *map,
		      const struct value *value);
static inline const struct value *sheet_cell(const struct sheet *sheet, uint32_t row,
					     unsigned column)
{
	return sheet->cells[(size_t)row * sheet->n_columns + column];
}
/* What a person reads in a cell that is no number. */
void sheet_text(struct buf *out, const struct value *cell);
bool sheet_is_number(const struct value *cell);
/*
 * The rows to show, best first: those that have `find` in a cell ("": all), in the order of `sort` (NULL: by the first number,
 * biggest first; without one as they are), `most` at most. Returns how many; *found is how many there would be.
 */
uint32_t sheet_select(struct arena *arena, const struct sheet *sheet, const char *find,
		      const struct view_sort *sort, uint32_t most, const uint32_t **rows,
		      uint32_t *found);
/* The column that says how much a row matters: the first count, else the first number. -1: none. */
int sheet_weight(const struct sheet *sheet);

#endif
