/* Messages about texts that are no scripts, in the form of those about scripts. */
#include "jbtrace.h"

#include "base/diag.h"
#include "base/strmap.h"

void jb_tell_mistake(const struct jb_source *given, size_t begin, size_t end, FILE *out,
		     const char *hint, const char *text)
{
	struct arena *arena = arena_new();
	struct diags *diags = diag_new(arena);
	const struct source *source = diag_add_source(diags, given->name, given->text, given->len);

	if (source) {
		struct span span = { source->base + (uint32_t)begin, source->base + (uint32_t)end };

		diag_error(diags, span, "%s", text);
		if (hint)
			diag_hint(diags, "%s", hint);
	}
	diag_print(diags, out);
	arena_free(arena);
}

const char *jb_nearest(const char *word, const char *const *words, size_t n)
{
	struct nearest near;

	nearest_init(&near, word);
	for (size_t i = 0; i < n; i++)
		nearest_try(&near, words[i]);
	return near.best;
}
