/*
 * What web/ reads of a request: lines "name value"; a name that is no header's is a parameter of the query. What it makes of
 * text must be JSON again.
 */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "fuzz.h"
#include "out/json.h"
#include "web/headers.h"
#include "web/view.h"

/* Quotes at both ends, no control characters, no quote or backslash that is not escaped. */
static void expect_string(const struct buf *json)
{
	if (json->len < 2 || json->data[0] != '"' || json->data[json->len - 1] != '"')
		abort();
	for (size_t i = 1; i + 1 < json->len; i++) {
		if ((unsigned char)json->data[i] < ' ' || json->data[i] == '"')
			abort();
		i += json->data[i] == '\\';
	}
}

static void take_line(struct view *view, char *line)
{
	char *value = strchr(line, ' '), *token = basic_token(line, value ? value : "");
	struct buf json = { 0 };

	if (value)
		*value++ = '\0';
	accepts_openmetrics(value);
	accepts_gzip(value);
	host_is_local(value);
	if (basic_matches(value, token) != (value && strncasecmp(value, "Basic ", 6) == 0 &&
					    strcmp(value + 6 + strspn(value + 6, " "), token) == 0))
		abort();
	view_take(view, line, value);
	if (strlen(view->find) >= sizeof(view->find) || view->n_sorts > VIEW_SORTS_MAX)
		abort();
	json_string(&json, line, strlen(line));
	expect_string(&json);
	buf_fini(&json);
	free(token);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	char *text = arena_strndup(arena, (const char *)data, size), *line, *rest = text;
	struct view view = { 0 };

	while ((line = strsep(&rest, "\n")))
		take_line(&view, line);
	arena_free(arena);
	return 0;
}
