/*
 * Histograms for exports: the bounds that all series of a metric share, and sums of buckets. Bounds are kept as the
 * exclusive upper ends of buckets of integers; export turns them into Prometheus' inclusive ones.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "run/series.h"

#define FILL_MAX  4096u
#define FINE_BITS 2u /* quantiles are exported with 2^FINE_BITS buckets per power of two */

/* --- bounds --- */

static unsigned log2_floor(uint64_t n)
{
	return 63 - (unsigned)__builtin_clzll(n);
}

/* Where the bucket that begins at `low` ends, with 2^bits buckets per power of two. */
static int64_t log_end(int64_t low, unsigned bits)
{
	unsigned log = low > 0 ? log2_floor((uint64_t)low) : 0;
	unsigned shift = log > bits ? log - bits : 0;
	uint64_t end = (uint64_t)low + (1ull << shift);

	return end > INT64_MAX ? INT64_MAX : (int64_t)end;
}

/* The bits of a grid of which these two are neighbours; where all buckets are single numbers any do. */
static unsigned log_bits(int64_t low, int64_t high)
{
	uint64_t width = (uint64_t)high - (uint64_t)low;

	return low > 0 && width > 1 ? log2_floor((uint64_t)low) - log2_floor(width) : 62;
}

static void push(struct bounds *bounds, int64_t bound)
{
	if (bounds->n == bounds->cap) {
		bounds->cap = bounds->cap ? bounds->cap * 2 : 16;
		bounds->data =
			mem_realloc(bounds->data, (size_t)bounds->cap * sizeof(*bounds->data));
	}
	bounds->data[bounds->n++] = bound;
}

/* The bounds of one histogram: the end of each bucket, and where the first begins, unless that is 0. */
static void bounds_of(struct bounds *bounds, const struct tally *tally)
{
	for (uint32_t i = 0; i < tally->n; i++) {
		const struct bucket *bucket = &tally->buckets[i];

		if (i == 0 && bucket->low != INT64_MIN && bucket->low != 0)
			push(bounds, bucket->low);
		if (bucket->high != INT64_MAX)
			push(bounds, bucket->high);
	}
}

static bool contains_all(const struct bounds *bounds, const struct bounds *more)
{
	uint32_t at = 0;

	for (uint32_t i = 0; i < more->n; i++) {
		while (at < bounds->n && bounds->data[at] < more->data[i])
			at++;
		if (at == bounds->n || bounds->data[at] != more->data[i])
			return false;
	}
	return true;
}

/* The bits of the grid of two sets of bounds, of which `high` begins behind the end of `low`; -1: not to be known. */
static int grid_bits(const struct bounds *low, const struct bounds *high)
{
	if (high->n > 1)
		return (int)log_bits(high->data[0], high->data[1]);
	return low->n > 1 ? (int)log_bits(low->data[low->n - 2], low->data[low->n - 1]) : -1;
}

/* Bounds between the end of `low` and the begin of `high`, so that later values between them bring no new ones. */
static void fill(struct bounds *to, const struct bounds *low, const struct bounds *high,
		 const struct tally *tally)
{
	int64_t at = low->data[low->n - 1], end = high->data[0], step = tally->step;
	int bits = grid_bits(low, high);

	if (tally->bounded || (!step && bits < 0))
		return;
	for (unsigned i = 0; i < FILL_MAX; i++) {
		if (!step)
			at = log_end(at, (unsigned)bits);
		else if (__builtin_add_overflow(at, step, &at))
			return;
		if (at >= end)
			return;
		push(to, at);
	}
}

static void merge(struct bounds *to, const struct bounds *a, const struct bounds *b)
{
	uint32_t i = 0, j = 0;

	while (i < a->n || j < b->n) {
		int64_t next = j == b->n || (i < a->n && a->data[i] <= b->data[j]) ? a->data[i]
										   : b->data[j];

		i += i < a->n && a->data[i] == next;
		j += j < b->n && b->data[j] == next;
		push(to, next);
	}
}

void bounds_add(struct bounds *bounds, const struct tally *tally)
{
	struct bounds more = { 0 }, between = { 0 }, both = { 0 };

	bounds_of(&more, tally);
	if (more.n && !contains_all(bounds, &more)) {
		if (bounds->n && bounds->data[bounds->n - 1] < more.data[0])
			fill(&between, bounds, &more, tally);
		else if (bounds->n && more.data[more.n - 1] < bounds->data[0])
			fill(&between, &more, bounds, tally);
		merge(&both, bounds, &more);
		bounds->n = 0;
		merge(bounds, &both, &between);
	}
	free(more.data);
	free(between.data);
	free(both.data);
}

/* --- tallies --- */

static struct tally *tally_new(uint32_t n)
{
	struct tally *tally = mem_alloc(sizeof(*tally) + n * sizeof(*tally->buckets));

	*tally = (struct tally){ .n = n };
	return tally;
}

/* The bucket of the coarser grid that holds this one. */
static struct bucket coarser(struct bucket bucket)
{
	unsigned log, shift;

	if (bucket.low < 1 || bucket.high == INT64_MAX)
		return bucket;
	log = log2_floor((uint64_t)bucket.low);
	shift = log > FINE_BITS ? log - FINE_BITS : 0;
	bucket.low = bucket.low >> shift << shift;
	bucket.high = log_end(bucket.low, FINE_BITS);
	return bucket;
}

/* With `coarse`, neighbours that fall into one bucket of the coarser grid are added. */
static struct tally *tally_buckets(const struct value *hist, bool coarse)
{
	struct tally *tally = tally_new(hist->len);
	uint32_t n = 0;

	for (uint32_t i = 0; i < hist->len; i++) {
		struct bucket bucket = coarse ? coarser(hist->buckets[i]) : hist->buckets[i];

		tally->count += bucket.count;
		if (n && tally->buckets[n - 1].low == bucket.low &&
		    tally->buckets[n - 1].high == bucket.high)
			tally->buckets[n - 1].count += bucket.count;
		else
			tally->buckets[n++] = bucket;
	}
	tally->n = n;
	tally->sum = (double)hist->sum;
	tally->step = hist->linear ? hist->step : 0;
	tally->bounded = hist->bounded;
	return tally;
}

static double number_of(const struct value *record, const char *name)
{
	const struct value *member = value_member(record, name);

	return member ? value_number(member) : NAN;
}

struct tally *buckets_of(const struct value *value)
{
	const struct value *hist = value->kind == VALUE_HIST ? value : value_member(value, "_hist");
	struct tally *tally;

	if (!hist) { /* a summary: stats */
		tally = tally_new(0);
		tally->count = (uint64_t)number_of(value, "count");
		tally->sum = number_of(value, "total");
		return tally;
	}
	return tally_buckets(hist, value->kind == VALUE_RECORD);
}

/* Buckets of both, in the order of their ends. */
static struct tally *joined(const struct tally *a, const struct tally *b)
{
	struct tally *sum = tally_new(a->n + b->n);
	uint32_t i = 0, j = 0, n = 0;

	while (i < a->n || j < b->n) {
		const struct bucket *x = i < a->n ? &a->buckets[i] : NULL;
		const struct bucket *y = j < b->n ? &b->buckets[j] : NULL;
		bool same = x && y && x->low == y->low && x->high == y->high;

		if (x && (!y || x->high <= y->high)) {
			sum->buckets[n] = *x;
			i++;
		} else {
			sum->buckets[n] = *y;
			j++;
		}
		if (same) {
			sum->buckets[n].count = x->count + y->count;
			j++;
		}
		n++;
	}
	sum->n = n;
	sum->count = a->count + b->count;
	sum->sum = a->sum + b->sum;
	return sum;
}

static struct tally *tally_copy(const struct tally *tally)
{
	size_t size = sizeof(*tally) + tally->n * sizeof(*tally->buckets);

	return memcpy(mem_alloc(size), tally, size);
}

void buckets_add(struct tally **into, const struct tally *from)
{
	struct tally *sum;

	if (!from)
		return;
	sum = *into ? joined(*into, from) : tally_copy(from);
	free(*into);
	*into = sum;
}

void buckets_subtract(struct tally **from, const struct tally *what)
{
	struct tally *negative;

	if (!what)
		return;
	negative = tally_copy(what);
	negative->count = -negative->count;
	negative->sum = -negative->sum;
	for (uint32_t i = 0; i < negative->n; i++)
		negative->buckets[i].count = -negative->buckets[i].count;
	buckets_add(from, negative);
	free(negative);
}
