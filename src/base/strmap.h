#ifndef JB_BASE_STRMAP_H
#define JB_BASE_STRMAP_H
/* A hash from string to pointer, in an arena; insertion order is kept for walking. */
#include "base/mem.h"

struct strmap;

struct strmap *strmap_new(struct arena *arena);
void *strmap_get(const struct strmap *map, const char *key);
/* Keys are copied into the arena; an existing key gets the new value. */
void strmap_put(struct strmap *map, const char *key, void *value);
size_t strmap_len(const struct strmap *map);
/* The i-th entry in insertion order. */
const char *strmap_at(const struct strmap *map, size_t i, void **value);

/*
 * The nearest of many words, for "did you mean": feed every candidate, then ask. A candidate counts when
 * its edit distance (Damerau-Levenshtein, case ignored) is at most a third of the word's length.
 */
struct nearest {
	const char *word;
	const char *best; /* borrowed from the caller of nearest_try */
	unsigned distance;
};

void nearest_init(struct nearest *nearest, const char *word);
void nearest_try(struct nearest *nearest, const char *candidate);

/* Shell-like match where only `*` is special; a pattern without `*` is compared as it is. */
int glob_match(const char *pattern, const char *text);
int glob_is(const char *pattern);

#endif
