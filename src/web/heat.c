/* Sums of histograms. All of one map have the same bounds, so a bucket is known by its lower one. */
#include "web/heat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ROOM_FIRST 64u

static bool is_power(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* A bucket of powers of two that is finer than a quarter of one becomes that quarter. */
static void widen(struct bucket *bucket)
{
	uint64_t low = (uint64_t)bucket->low, width = (uint64_t)bucket->high - low, quarter;

	if (bucket->low < 4 || bucket->high == INT64_MAX || !is_power(width) || low % width)
		return;
	quarter = UINT64_C(1) << (63 - __builtin_clzll(low)) >> 2;
	if (width >= quarter)
		return;
	bucket->low = (int64_t)(low - low % quarter);
	bucket->high = (int64_t)((uint64_t)bucket->low + quarter);
}

static bool is_taken(const struct bucket *slot)
{
	return slot->low != slot->high;
}

static struct bucket *find_slot(struct bucket *slots, uint32_t room, int64_t low)
{
	uint64_t at = (uint64_t)low * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	while (is_taken(&slots[at & (room - 1)]) && slots[at & (room - 1)].low != low)
		at++;
	return &slots[at & (room - 1)];
}

static void grow(struct heat *heat)
{
	uint32_t room = heat->room ? heat->room * 2 : ROOM_FIRST;
	struct bucket *slots = arena_alloc(heat->arena, room * sizeof(*slots));

	for (uint32_t i = 0; i < heat->room; i++)
		if (is_taken(&heat->slots[i]))
			*find_slot(slots, room, heat->slots[i].low) = heat->slots[i];
	heat->slots = slots;
	heat->room = room;
}

void heat_add(struct heat *heat, const struct value *hist, bool coarse)
{
	for (uint32_t i = 0; hist && hist->kind == VALUE_HIST && i < hist->len; i++) {
		struct bucket bucket = hist->buckets[i], *slot;

		if (coarse && !bucket.count)
			continue;
		if (coarse && !hist->linear && !hist->bounded)
			widen(&bucket);
		if (heat->n * 2 >= heat->room)
			grow(heat);
		slot = find_slot(heat->slots, heat->room, bucket.low);
		heat->n += !is_taken(slot);
		bucket.count += slot->count;
		*slot = bucket;
	}
}

static int by_low(const void *a, const void *b)
{
	const struct bucket *x = a, *y = b;

	return (x->low > y->low) - (x->low < y->low);
}

uint32_t heat_buckets(const struct heat *heat, struct bucket **buckets)
{
	struct bucket *out = arena_alloc(heat->arena, ((size_t)heat->n + 1) * sizeof(*out));
	uint32_t n = 0;

	for (uint32_t i = 0; i < heat->room; i++)
		if (is_taken(&heat->slots[i]))
			out[n++] = heat->slots[i];
	if (n)
		qsort(out, n, sizeof(*out), by_low);
	*buckets = out;
	return n;
}

uint32_t heat_since(struct arena *arena, const struct bucket *before, uint32_t n_before,
		    const struct bucket *now, uint32_t n_now, struct bucket **buckets)
{
	struct bucket *out = arena_alloc(arena, ((size_t)n_now + 1) * sizeof(*out));
	uint32_t n = 0, at = 0;

	for (uint32_t i = 0; i < n_now; i++) {
		uint64_t had;

		while (at < n_before && before[at].low < now[i].low)
			at++;
		had = at < n_before && before[at].low == now[i].low ? before[at].count : 0;
		if (now[i].count <= had)
			continue;
		out[n] = now[i];
		out[n++].count = now[i].count - had;
	}
	*buckets = out;
	return n;
}

static double middle(const struct bucket *bucket)
{
	if (bucket->low == INT64_MIN)
		return (double)bucket->high;
	if (bucket->high == INT64_MAX)
		return (double)bucket->low;
	return ((double)bucket->low + (double)(bucket->high - 1)) / 2;
}

double heat_quantile(const struct bucket *buckets, uint32_t n, double share)
{
	uint64_t total = 0, seen = 0;
	double rank;

	for (uint32_t i = 0; i < n; i++)
		total += buckets[i].count;
	if (!total)
		return NAN;
	rank = ceil(share * (double)total);
	for (uint32_t i = 0; i + 1 < n; i++) {
		seen += buckets[i].count;
		if ((double)seen >= rank)
			return middle(&buckets[i]);
	}
	return middle(&buckets[n - 1]);
}

uint32_t heat_thin(struct bucket *buckets, uint32_t n, uint32_t most)
{
	uint32_t group = (n + most - 1) / most, kept = 0;

	if (n <= most)
		return n;
	for (uint32_t i = 0; i < n; i += group) {
		struct bucket sum = buckets[i];

		for (uint32_t j = i + 1; j < n && j < i + group; j++) {
			sum.high = buckets[j].high;
			sum.count += buckets[j].count;
		}
		buckets[kept++] = sum;
	}
	return kept;
}
