#ifndef JB_BASE_GLOBSET_H
#define JB_BASE_GLOBSET_H
/*
 * Shell patterns over short names as bits of a word, so that a program without loops can match several at once: `*`,
 * `?`, `[a-z]`, `[!a-z]`, `\x` for x itself, as in fnmatch(3) without flags. A pattern of n elements other than `*`
 * takes n + 1 neighbouring bits: bit i is set while the first i elements have matched what was read. To read byte c:
 *
 *     state = (state & set->may[c]) << 1 | (state & set->stay);
 *
 * and after the last byte pattern p has matched when state & p's accept bit is set.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct glob_set {
	uint64_t may[256]; /* bit i: the element after i others matches this byte */
	uint64_t start;	   /* before the first byte */
	uint64_t stay;	   /* bit i: a `*` stands after i elements */
	unsigned used;	   /* bits */
};

/* How many bytes a text must have to match; *open: a `*` lets it have more. */
size_t glob_length(const char *pattern, bool *open);
/* Its accept bit; 0: the set has no room for it left, or (set->used == 0) it is too long for any. */
uint64_t glob_set_add(struct glob_set *set, const char *pattern);

#endif
