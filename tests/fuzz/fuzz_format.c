/* The text of a tracepoint's `format` file. */
#include "fuzz.h"
#include "lookup/internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *arena = arena_new();
	struct lookup *lookup = lookup_new(types_new(arena));
	char *text = arena_strndup(arena, (const char *)data, size);
	int id = 0;
	const struct type *type = tracefs_format_parse(lookup, "fuzz", "event", text, &id);

	if (type)
		lookup_complete(lookup, type);
	lookup_free(lookup);
	arena_free(arena);
	return 0;
}
