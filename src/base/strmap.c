/*
 * Strings: a hash from string to pointer that remembers insertion order, the nearest of many words, and the
 * glob match that attach points use. Layer 0; nothing here knows what the strings mean.
 */
#include "base/strmap.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "base/vec.h"

struct entry {
	const char *key;
	void *value;
	uint32_t hash;
};

struct strmap {
	struct arena *arena;
	VEC(struct entry) entries; /* in insertion order */
	uint32_t *slots;	   /* open addressing: index into entries + 1, 0 = free */
	size_t n_slots;		   /* a power of two, at least twice the entries; 0 at first */
};

static uint32_t hash_of(const char *key)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (; *key; key++)
		hash = (hash ^ (unsigned char)*key) * 16777619u;
	return hash;
}

struct strmap *strmap_new(struct arena *arena)
{
	struct strmap *map = arena_new_of(arena, struct strmap);

	map->arena = arena;
	return map;
}

/* The slot that holds the key, or the free one where it belongs. There must be a free slot. */
static uint32_t *slot_find(const struct strmap *map, const char *key, uint32_t hash)
{
	size_t i = hash & (map->n_slots - 1);

	while (map->slots[i]) {
		const struct entry *entry = &map->entries.data[map->slots[i] - 1];

		if (entry->hash == hash && !strcmp(entry->key, key))
			break;
		i = (i + 1) & (map->n_slots - 1);
	}
	return &map->slots[i];
}

static void slots_grow(struct strmap *map)
{
	map->n_slots = map->n_slots ? map->n_slots * 2 : 16;
	map->slots = arena_alloc(map->arena, map->n_slots * sizeof(*map->slots));
	for (size_t i = 0; i < map->entries.n; i++) {
		const struct entry *entry = &map->entries.data[i];

		*slot_find(map, entry->key, entry->hash) = (uint32_t)i + 1;
	}
}

void *strmap_get(const struct strmap *map, const char *key)
{
	if (!map->n_slots)
		return NULL;

	uint32_t slot = *slot_find(map, key, hash_of(key));

	return slot ? map->entries.data[slot - 1].value : NULL;
}

void strmap_put(struct strmap *map, const char *key, void *value)
{
	if (map->entries.n * 2 >= map->n_slots)
		slots_grow(map);

	uint32_t hash = hash_of(key);
	uint32_t *slot = slot_find(map, key, hash);

	if (*slot) {
		map->entries.data[*slot - 1].value = value;
		return;
	}
	vec_push(map->arena, &map->entries,
		 ((struct entry){ arena_strdup(map->arena, key), value, hash }));
	*slot = (uint32_t)map->entries.n;
}

size_t strmap_len(const struct strmap *map)
{
	return map->entries.n;
}

const char *strmap_at(const struct strmap *map, size_t i, void **value)
{
	if (i >= map->entries.n)
		return NULL;
	if (value)
		*value = map->entries.data[i].value;
	return map->entries.data[i].key;
}

#define NEAREST_MAX 63 /* longer words are never compared */

void nearest_init(struct nearest *nearest, const char *word)
{
	*nearest = (struct nearest){ .word = word };
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = a < b ? a : b;

	return m < c ? m : c;
}

static int lower(char c)
{
	return tolower((unsigned char)c);
}

/* Optimal string alignment: insert, delete, replace, and swap of two neighbours cost one each. */
static unsigned edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	unsigned rows[3][NEAREST_MAX + 1];
	unsigned *before = rows[0], *last = rows[1], *row = rows[2];

	for (unsigned j = 0; j <= n_b; j++)
		last[j] = j;
	for (unsigned i = 1; i <= n_a; i++) {
		row[0] = i;
		for (unsigned j = 1; j <= n_b; j++) {
			bool same = lower(a[i - 1]) == lower(b[j - 1]);

			row[j] = min3(last[j] + 1, row[j - 1] + 1, last[j - 1] + !same);
			if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) &&
			    lower(a[i - 2]) == lower(b[j - 1]) && before[j - 2] + 1 < row[j])
				row[j] = before[j - 2] + 1;
		}

		unsigned *free_row = before;

		before = last;
		last = row;
		row = free_row;
	}
	return last[n_b];
}

void nearest_try(struct nearest *nearest, const char *candidate)
{
	size_t n_word = strlen(nearest->word), n_candidate = strlen(candidate);
	size_t gap = n_word > n_candidate ? n_word - n_candidate : n_candidate - n_word;

	if (n_word > NEAREST_MAX || n_candidate > NEAREST_MAX || gap > n_word / 3)
		return;

	unsigned distance = edit_distance(nearest->word, n_word, candidate, n_candidate);

	if (distance > n_word / 3 || (nearest->best && distance >= nearest->distance))
		return;
	nearest->best = candidate;
	nearest->distance = distance;
}

int glob_is(const char *pattern)
{
	return strchr(pattern, '*') != NULL;
}

int glob_match(const char *pattern, const char *text)
{
	const char *star = NULL, *resume = NULL; /* the last `*`, and where its match may grow to */

	while (*text) {
		if (*pattern == '*') {
			star = pattern++;
			resume = text;
		} else if (*pattern == *text) {
			pattern++;
			text++;
		} else if (star) {
			pattern = star + 1;
			text = ++resume;
		} else {
			return 0;
		}
	}
	while (*pattern == '*')
		pattern++;
	return !*pattern;
}
