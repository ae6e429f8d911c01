#ifndef JB_REPORT_TIMELINE_H
#define JB_REPORT_TIMELINE_H
/*
 * The course of a table over time: one record per span of equal length. It begins with short spans and takes longer ones as
 * the recording turns out to be longer, so that any length fits into a bounded number of them; rows may come in any order.
 */
#include "report/record.h"

/* Spans kept at most; half as many when histograms are in them. */
#define TIMELINE_SPANS 1024

struct timeline {
	struct account account; /* first: shrinking is asked of it */
	const struct layout *layout;
	struct record **spans; /* n, NULL: no row */
	uint32_t n, cap, limit;
	int64_t first; /* number of the first span: (ns + offset) / step */
	unsigned rung; /* of the ladder of steps */
	int64_t offset_ns; /* of local time at the first row: spans of hours and days begin as the clock shows */
};

void timeline_init(struct timeline *timeline, const struct layout *layout, struct budget *budget);
void timeline_fini(struct timeline *timeline);
void timeline_add(struct timeline *timeline, int64_t ns, const struct row *row);
/* The length of a span. */
int64_t timeline_step(const struct timeline *timeline);
/* When span i begins. */
int64_t timeline_begin(const struct timeline *timeline, uint32_t i);
/* Longer spans, by one step of the ladder. False: there are none. */
bool timeline_lengthen(struct timeline *timeline);
/* Longer spans, until at most `spans` are left. */
void timeline_coarsen(struct timeline *timeline, uint32_t spans);

#endif
