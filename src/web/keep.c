/* Deep copies of values. */
#include "web/keep.h"

#include <string.h>

static void copy_into(struct arena *arena, struct value *to, const struct value *from);

static const struct value *copy_items(struct arena *arena, const struct value *from, uint32_t n)
{
	struct value *items = arena_alloc(arena, ((size_t)n + 1) * sizeof(*items));

	for (uint32_t i = 0; i < n; i++)
		copy_into(arena, &items[i], &from[i]);
	return items;
}

static void copy_record(struct arena *arena, struct value *to, const struct value *from)
{
	struct value *items = arena_alloc(arena, ((size_t)from->len + 1) * sizeof(*items));
	const char **names = arena_alloc(arena, ((size_t)from->len + 1) * sizeof(*names));
	uint32_t n = 0;

	for (uint32_t i = 0; i < from->len; i++) {
		if (from->items[i].hidden)
			continue;
		names[n] = arena_strdup(arena, from->names[i]);
		copy_into(arena, &items[n++], &from->items[i]);
	}
	to->items = items;
	to->names = names;
	to->len = n;
}

static void copy_hist(struct arena *arena, struct value *to, const struct value *from)
{
	struct bucket *buckets = arena_alloc(arena, ((size_t)from->len + 1) * sizeof(*buckets));

	memcpy(buckets, from->buckets, from->len * sizeof(*buckets));
	to->buckets = buckets;
}

static void copy_into(struct arena *arena, struct value *to, const struct value *from)
{
	*to = *from;
	if (from->trailer)
		to->trailer = arena_strdup(arena, from->trailer);
	if (from->text && (from->kind == VALUE_STR || from->kind == VALUE_BYTES))
		to->text = arena_strndup(arena, from->text, from->len);
	else if (from->text)
		to->text = arena_strdup(arena, from->text);
	if (from->kind == VALUE_RECORD)
		copy_record(arena, to, from);
	else if (from->kind == VALUE_HIST)
		copy_hist(arena, to, from);
	else if (from->kind == VALUE_TUPLE || from->kind == VALUE_ARRAY ||
		 from->kind == VALUE_STACK)
		to->items = copy_items(arena, from->items, from->len);
}

const struct value *keep_value(struct arena *arena, const struct value *value, uint32_t most)
{
	struct value *kept = arena_new_of(arena, struct value);
	uint32_t first;

	if (value->kind != VALUE_MAP) {
		copy_into(arena, kept, value);
		return kept;
	}
	*kept = *value;
	first = value->len > most ? value->len - most : 0;
	kept->len = value->len - first;
	kept->items = copy_items(arena, value->items + first, kept->len);
	kept->keys = copy_items(arena, value->keys + first, kept->len);
	return kept;
}
