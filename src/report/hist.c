/* Histograms: sorted arrays of buckets. Rows mostly repeat the buckets of the row before, in order: hence the hint. */
#include "report/hist.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void hist_fini(struct hist *hist)
{
	free(hist->buckets);
	*hist = (struct hist){ 0 };
}

size_t hist_size(const struct hist *hist)
{
	return hist->cap * sizeof(*hist->buckets);
}

static int bucket_order(const struct hist_bucket *bucket, double low, double high)
{
	if (bucket->low != low)
		return bucket->low < low ? -1 : 1;
	if (bucket->high != high)
		return bucket->high < high ? -1 : 1;
	return 0;
}

/* The index of this bucket, or where it would have to be put. */
static uint32_t bucket_find(const struct hist *hist, double low, double high)
{
	uint32_t from = 0, to = hist->n;

	while (from < to) {
		uint32_t middle = from + (to - from) / 2;

		if (bucket_order(&hist->buckets[middle], low, high) < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static void bucket_insert(struct hist *hist, uint32_t at, double low, double high)
{
	if (hist->n == hist->cap) {
		hist->cap = hist->cap ? hist->cap * 2 : 8;
		hist->buckets = mem_realloc(hist->buckets, hist->cap * sizeof(*hist->buckets));
	}
	memmove(hist->buckets + at + 1, hist->buckets + at,
		(hist->n - at) * sizeof(*hist->buckets));
	hist->buckets[at] = (struct hist_bucket){ .low = low, .high = high };
	hist->n++;
}

static bool bucket_is(const struct hist *hist, uint32_t at, double low, double high)
{
	return at < hist->n && bucket_order(&hist->buckets[at], low, high) == 0;
}

void hist_add(struct hist *hist, double low, double high, uint64_t count)
{
	uint32_t at = hist->hint + 1;

	if (!count)
		return;
	if (!bucket_is(hist, at, low, high) && !bucket_is(hist, --at, low, high)) {
		at = bucket_find(hist, low, high);
		if (!bucket_is(hist, at, low, high)) {
			if (hist->n == HIST_BUCKETS_MAX) {
				hist->left_out += count;
				return;
			}
			bucket_insert(hist, at, low, high);
		}
	}
	hist->buckets[at].count += count;
	hist->total += count;
	hist->hint = at;
}

static void note_extremes(struct hist *hist, double least, double greatest, uint64_t count)
{
	if (!count)
		return;
	hist->least = hist->observed ? fmin(hist->least, least) : least;
	hist->greatest = hist->observed ? fmax(hist->greatest, greatest) : greatest;
	hist->observed += count;
}

void hist_observe(struct hist *hist, double value)
{
	double size = fabs(value), low, high;
	int exponent;

	note_extremes(hist, value, value, 1);
	if (size < 1e-12) {
		hist_add(hist, 0, 1e-12, 1);
		return;
	}
	low = floor(frexp(size, &exponent) * 128);
	high = ldexp(low + 1, exponent - 7);
	low = ldexp(low, exponent - 7);
	if (value < 0)
		hist_add(hist, -high, -low, 1);
	else
		hist_add(hist, low, high, 1);
}

void hist_merge(struct hist *into, const struct hist *from)
{
	for (uint32_t i = 0; i < from->n; i++)
		hist_add(into, from->buckets[i].low, from->buckets[i].high, from->buckets[i].count);
	into->left_out += from->left_out;
	note_extremes(into, from->least, from->greatest, from->observed);
}

bool hist_shrank(const struct hist *last, const struct hist *now)
{
	for (uint32_t i = 0; i < last->n; i++) {
		const struct hist_bucket *bucket = &last->buckets[i];
		uint32_t at = bucket_find(now, bucket->low, bucket->high);

		if (!bucket_is(now, at, bucket->low, bucket->high) ||
		    now->buckets[at].count < bucket->count)
			return true;
	}
	return false;
}

void hist_advance(struct hist *last, struct hist *now)
{
	for (uint32_t i = 0; i < now->n; i++) {
		struct hist_bucket *bucket = &now->buckets[i];
		uint32_t at = bucket_find(last, bucket->low, bucket->high);
		uint64_t before = 0, count = bucket->count;

		if (bucket_is(last, at, bucket->low, bucket->high)) {
			before = last->buckets[at].count;
			last->buckets[at].count = count;
		} else {
			hist_add(last, bucket->low, bucket->high, count);
		}
		bucket->count -= before;
		now->total -= before;
	}
}

bool hist_closed(long double first, long double last, struct hist_bucket *bucket)
{
	if (last < first || (isinf(first) && isinf(last)))
		return false;
	bucket->low = (double)first;
	bucket->high = (double)(last + 1);
	if (bucket->high <= bucket->low) /* one integer beyond 2^53 */
		bucket->high = nextafter(bucket->low, INFINITY);
	return true;
}

/* A bucket of one integer: [7, 8). Quarters of it may be asked for, but there is nothing between. */
static bool is_single(const struct hist_bucket *bucket)
{
	return bucket->high == bucket->low + 1 && bucket->low == floor(bucket->low);
}

static bool is_overlapping(const struct hist *hist)
{
	for (uint32_t i = 1; i < hist->n; i++)
		if (hist->buckets[i].low < hist->buckets[i - 1].high)
			return true;
	return false;
}

static double inside(const struct hist_bucket *bucket, double part, enum hist_bound *bound)
{
	if (isinf(bucket->low)) {
		*bound = HIST_AT_MOST;
		return bucket->high - 1;
	}
	if (isinf(bucket->high)) {
		*bound = HIST_AT_LEAST;
		return bucket->low;
	}
	return is_single(bucket) ? bucket->low : bucket->low + (bucket->high - bucket->low) * part;
}

static double below(const struct hist_bucket *bucket, double x)
{
	if (x >= bucket->high)
		return (double)bucket->count;
	if (x <= bucket->low || isinf(bucket->high) || isinf(bucket->low))
		return 0;
	return (double)bucket->count * (x - bucket->low) / (bucket->high - bucket->low);
}

double hist_below(const struct hist *hist, double x)
{
	double sum = 0;

	for (uint32_t i = 0; i < hist->n; i++)
		sum += below(&hist->buckets[i], x);
	return sum;
}

/* Buckets of different grids: the sum of their even spreads grows steadily, so halving finds the place. */
static double quantile_overlapping(const struct hist *hist, double target, enum hist_bound *bound)
{
	double low, high, open_low = 0, open_high = 0;

	for (uint32_t i = 0; i < hist->n; i++) {
		if (isinf(hist->buckets[i].low))
			open_low += (double)hist->buckets[i].count;
		if (isinf(hist->buckets[i].high))
			open_high += (double)hist->buckets[i].count;
	}
	hist_range(hist, &low, &high);
	if (open_low && target <= open_low)
		return *bound = HIST_AT_MOST, low;
	if (open_high && target > (double)hist->total - open_high)
		return *bound = HIST_AT_LEAST, high;
	for (int i = 0; i < 200 && low < high; i++) {
		double middle = low + (high - low) / 2;

		if (middle == low || middle == high)
			break;
		if (hist_below(hist, middle) < target)
			low = middle;
		else
			high = middle;
	}
	return high;
}

static double quantile(const struct hist *hist, double q, enum hist_bound *bound)
{
	double target = q * (double)hist->total, before = 0;

	*bound = HIST_EXACT;
	if (!hist->total)
		return NAN;
	if (is_overlapping(hist))
		return quantile_overlapping(hist, target, bound);
	for (uint32_t i = 0; i < hist->n; i++) {
		const struct hist_bucket *bucket = &hist->buckets[i];

		if (before + (double)bucket->count >= target || i + 1 == hist->n)
			return inside(bucket, (target - before) / (double)bucket->count, bound);
		before += (double)bucket->count;
	}
	return NAN;
}

double hist_quantile(const struct hist *hist, double q, enum hist_bound *bound)
{
	double value = quantile(hist, q, bound);

	if (!hist->observed || hist->observed < hist->total)
		return value;
	return fmin(fmax(value, hist->least), hist->greatest);
}

void hist_range(const struct hist *hist, double *low, double *high)
{
	*low = INFINITY;
	*high = -INFINITY;
	for (uint32_t i = 0; i < hist->n; i++) {
		const struct hist_bucket *bucket = &hist->buckets[i];
		double from = isinf(bucket->low) ? bucket->high : bucket->low;
		double to = isinf(bucket->high) ? bucket->low : bucket->high;

		if (from < *low)
			*low = from;
		if (to > *high)
			*high = to;
	}
}

/* An integer; where there is none, `open` stays. At most 20 digits. */
static bool take_integer(const char **at, long double open, long double *number)
{
	bool negative = **at == '-';
	long double value = 0;
	unsigned n = 0;

	*at += negative;
	for (; isdigit((unsigned char)**at); (*at)++, n++)
		value = value * 10 + (**at - '0');
	*number = !n ? open : negative ? -value : value;
	return n <= 20 && (n || !negative);
}

/* Closed as it is written, open at its end as it is kept. */
static bool take_bucket(const char **at, struct hist_bucket *bucket)
{
	long double first, last;
	char *end;

	if (!take_integer(at, -INFINITY, &first) || (*at)[0] != '.' || (*at)[1] != '.')
		return false;
	*at += 2;
	if (!take_integer(at, INFINITY, &last) || *(*at)++ != ':' || !isdigit((unsigned char)**at))
		return false;
	errno = 0;
	bucket->count = strtoull(*at, &end, 10);
	*at = end;
	return !errno && hist_closed(first, last, bucket);
}

static bool parse_pass(const char *text, const char *stop, struct hist *into)
{
	struct hist_bucket bucket;

	for (const char *at = text; at < stop;) {
		if (!take_bucket(&at, &bucket) || (at < stop && *at != ' '))
			return false;
		at += strspn(at, " ");
		if (into)
			hist_add(into, bucket.low, bucket.high, bucket.count);
	}
	return true;
}

bool hist_parse(const char *text, size_t len, struct hist *into)
{
	return len && parse_pass(text, text + len, NULL) &&
	       (!into || parse_pass(text, text + len, into));
}
