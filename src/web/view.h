#ifndef JB_WEB_VIEW_H
#define JB_WEB_VIEW_H
/* Which part of the state a page asks for: the query of /state.json. */
#include <stdbool.h>
#include <stdint.h>

#define VIEW_SORTS_MAX 16
#define VIEW_FIND_MAX  64

/* Of a map with more rows than are sent, those come that are first in this order. */
struct view_sort {
	unsigned script, map; /* number of the script, index of the map */
	unsigned column;      /* keys first */
	bool descending;
};

struct view {
	uint64_t since; /* history after this sample only */
	struct view_sort sorts[VIEW_SORTS_MAX];
	unsigned n_sorts;
	char find[VIEW_FIND_MAX]; /* rows with this text in a cell; "": all */
};

/*
 * Take one parameter of the query: since=N, sort=SCRIPT.MAP.COLUMN.a or .d (repeated), find=TEXT. false: it is none of these,
 * or not as it should be. The view begins as {0}.
 */
bool view_take(struct view *view, const char *name, const char *value);
bool view_sort_equal(const struct view_sort *a, const struct view_sort *b);
bool view_equal(const struct view *a, const struct view *b);

#endif
