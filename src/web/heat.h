#ifndef JB_WEB_HEAT_H
#define JB_WEB_HEAT_H
/* Sums of histograms, over the rows of a map and over time. */
#include <stdbool.h>

#include "base/mem.h"
#include "model/value.h"

/* Buckets by their lower bound. Begins as { .arena = arena }. */
struct heat {
	struct arena *arena;
	struct bucket *slots; /* a hash; low == high: free */
	uint32_t n, room;
};

/*
 * Add a histogram (NULL: nothing). `coarse`: empty buckets are left out, and buckets of powers of two that are finer than a
 * quarter of one are put together, as many as a picture can show.
 */
void heat_add(struct heat *heat, const struct value *hist, bool coarse);
/* All buckets that were added, ascending, in the arena. Returns how many. */
uint32_t heat_buckets(const struct heat *heat, struct bucket **buckets);
/* What was counted between two sums, ascending; what became less counts as nothing. In `arena`. */
uint32_t heat_since(struct arena *arena, const struct bucket *before, uint32_t n_before,
		    const struct bucket *now, uint32_t n_now, struct bucket **buckets);
/* The middle of the bucket that holds the number which this share does not exceed; NAN: nothing was counted. */
double heat_quantile(const struct bucket *buckets, uint32_t n, double share);
/* Neighbours are put together, in place, until there are `most` at most. Returns how many there are. */
uint32_t heat_thin(struct bucket *buckets, uint32_t n, uint32_t most);

#endif
