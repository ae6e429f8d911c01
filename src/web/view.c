/* The query of /state.json. A stranger wrote it. */
#include "web/view.h"

#include <string.h>

/* Digits up to `end`, which is taken too; at most `most`. */
static bool take_number(const char **text, char end, uint64_t most, uint64_t *number)
{
	const char *at = *text;
	uint64_t n = 0;

	if (*at < '0' || *at > '9')
		return false;
	for (; *at >= '0' && *at <= '9'; at++) {
		uint64_t digit = (uint64_t)(*at - '0');

		if (n > (most - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	if (*at != end)
		return false;
	*text = end ? at + 1 : at;
	*number = n;
	return true;
}

static bool take_sort(struct view *view, const char *value)
{
	uint64_t script, map, column;
	struct view_sort *sort = &view->sorts[view->n_sorts];

	if (view->n_sorts == VIEW_SORTS_MAX || !take_number(&value, '.', UINT32_MAX, &script) ||
	    !take_number(&value, '.', UINT32_MAX, &map) ||
	    !take_number(&value, '.', UINT32_MAX, &column) ||
	    (strcmp(value, "a") && strcmp(value, "d")))
		return false;
	sort->script = (unsigned)script;
	sort->map = (unsigned)map;
	sort->column = (unsigned)column;
	sort->descending = *value == 'd';
	view->n_sorts++;
	return true;
}

bool view_take(struct view *view, const char *name, const char *value)
{
	size_t len;

	if (!value)
		return false;
	if (strcmp(name, "since") == 0)
		return take_number(&value, '\0', UINT64_MAX, &view->since);
	if (strcmp(name, "sort") == 0)
		return take_sort(view, value);
	if (strcmp(name, "find"))
		return false;
	len = strlen(value);
	if (len >= sizeof(view->find))
		return false;
	memset(view->find, 0, sizeof(view->find));
	memcpy(view->find, value, len);
	return true;
}

bool view_sort_equal(const struct view_sort *a, const struct view_sort *b)
{
	return a->script == b->script && a->map == b->map && a->column == b->column &&
	       a->descending == b->descending;
}

bool view_equal(const struct view *a, const struct view *b)
{
	if (a->since != b->since || a->n_sorts != b->n_sorts || strcmp(a->find, b->find))
		return false;
	for (unsigned i = 0; i < a->n_sorts; i++)
		if (!view_sort_equal(&a->sorts[i], &b->sorts[i]))
			return false;
	return true;
}
