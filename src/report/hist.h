#ifndef JB_REPORT_HIST_H
#define JB_REPORT_HIST_H
/*
 * Histograms of a report: counts per interval, merged exactly whatever intervals come, since equal intervals are the same
 * bucket and others lie side by side. A bucket holds low <= v < high; the ends may be -INFINITY and INFINITY.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

/* A recording has at most some hundred different buckets; more than this is not a histogram. */
#define HIST_BUCKETS_MAX 8192

struct hist_bucket {
	double low, high;
	uint64_t count;
};

struct hist {
	struct hist_bucket *buckets; /* heap, by low, then by high */
	uint32_t n, cap;
	uint32_t hint;	   /* where the last one was added */
	uint64_t total;	   /* of all counts */
	uint64_t left_out; /* counts for which there was no bucket left */
	uint64_t
		observed; /* of all counts: by hist_observe; the numbers were from least to greatest */
	double least, greatest;
};

/* `{0}` is an empty histogram. */
void hist_fini(struct hist *hist);
void hist_add(struct hist *hist, double low, double high, uint64_t count);
/* One observed number, into a bucket of a 64th of its power of two: the error is at most 1.6 %. */
void hist_observe(struct hist *hist, double value);
void hist_merge(struct hist *into, const struct hist *from);
/*
 * Two readings of a histogram that is never cleared. Has it begun anew between them? If not, advance leaves in `now` what came
 * on top, in `last` what `now` was.
 */
bool hist_shrank(const struct hist *last, const struct hist *now);
void hist_advance(struct hist *last, struct hist *now);
/* The bucket of the integers first to last, either of which may be infinite. False: there is none between them. */
bool hist_closed(long double first, long double last, struct hist_bucket *bucket);
/* Bytes it holds, for those who keep many. */
size_t hist_size(const struct hist *hist);

/* A quantile is exact, or all that is known is that it is at most, or at least, so much. */
enum hist_bound { HIST_EXACT, HIST_AT_MOST, HIST_AT_LEAST };

/*
 * The value below which the share q (0..1) of the counts lies, counts being spread evenly within their bucket. A bucket that
 * holds one integer only gives that integer; numbers that were all observed bound it. NAN when the histogram is empty.
 */
double hist_quantile(const struct hist *hist, double q, enum hist_bound *bound);
/* How many of the counts lie below x, spread evenly within their bucket. */
double hist_below(const struct hist *hist, double x);
/* Ends of what the non-empty buckets cover, open ends left out: the nearest closed bound. */
void hist_range(const struct hist *hist, double *low, double *high);

/*
 * Buckets as jbtrace writes them into one cell: "0..0:3 1..1:5 2..3:8 4..:1", closed intervals of integers, open ends empty.
 * False: this text is not one; then nothing is added. `into` may be NULL: look only.
 */
bool hist_parse(const char *text, size_t len, struct hist *into);

#endif
