/* Spans of time on a ladder of lengths, each of which is a multiple of the one before, so that spans merge whole. */
#include "report/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "report/when.h"

enum { SPANS_MIN = 32 };

static const int64_t ladder[] = {
	NS_PER_MS,
	5 * NS_PER_MS,
	10 * NS_PER_MS,
	50 * NS_PER_MS,
	100 * NS_PER_MS,
	500 * NS_PER_MS,
	NS_PER_S,
	5 * NS_PER_S,
	10 * NS_PER_S,
	30 * NS_PER_S,
	60 * NS_PER_S,
	300 * NS_PER_S,
	600 * NS_PER_S,
	1800 * NS_PER_S,
	3600 * NS_PER_S,
	7200 * NS_PER_S,
	21600 * NS_PER_S,
	43200 * NS_PER_S,
	86400 * NS_PER_S,
	5 * 86400 * NS_PER_S,
	30 * 86400 * NS_PER_S,
	360 * 86400 * NS_PER_S,
};
#define RUNGS (sizeof(ladder) / sizeof(*ladder))

/* Rounded down, before the epoch as well. */
static int64_t divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t timeline_step(const struct timeline *timeline)
{
	return ladder[timeline->rung];
}

int64_t timeline_begin(const struct timeline *timeline, uint32_t i)
{
	return (timeline->first + i) * ladder[timeline->rung] - timeline->offset_ns;
}

static void span_free(struct timeline *timeline, struct record *record)
{
	if (!record)
		return;
	record_fini(timeline->layout, record, &timeline->account);
	account_sub(&timeline->account, timeline->layout->size);
	free(record);
}

void timeline_fini(struct timeline *timeline)
{
	for (uint32_t i = 0; i < timeline->n; i++)
		span_free(timeline, timeline->spans[i]);
	free(timeline->spans);
	account_close(&timeline->account);
}

/* One rung up. */
static void climb(struct timeline *timeline)
{
	int64_t times = ladder[timeline->rung + 1] / ladder[timeline->rung];
	int64_t first = divide(timeline->first, times);
	uint32_t n = 0;

	for (uint32_t i = 0; i < timeline->n; i++) {
		struct record *record = timeline->spans[i];
		uint32_t to = (uint32_t)(divide(timeline->first + i, times) - first);

		timeline->spans[i] = NULL;
		n = to + 1;
		if (!record || !timeline->spans[to]) {
			timeline->spans[to] = record ? record : timeline->spans[to];
			continue;
		}
		record_merge(timeline->layout, timeline->spans[to], record, &timeline->account);
		span_free(timeline, record);
	}
	timeline->n = n;
	timeline->first = first;
	timeline->rung++;
}

bool timeline_lengthen(struct timeline *timeline)
{
	if (timeline->rung + 1 == RUNGS)
		return false;
	climb(timeline);
	return true;
}

void timeline_coarsen(struct timeline *timeline, uint32_t spans)
{
	while (timeline->n > spans && timeline_lengthen(timeline))
		;
}

static bool timeline_shrink(struct account *account)
{
	struct timeline *timeline = (struct timeline *)(void *)account;

	if (timeline->limit <= SPANS_MIN)
		return false;
	timeline->limit /= 2;
	timeline_coarsen(timeline, timeline->limit);
	return true;
}

void timeline_init(struct timeline *timeline, const struct layout *layout, struct budget *budget)
{
	*timeline = (struct timeline){ .layout = layout };
	timeline->limit = layout->has_hists ? TIMELINE_SPANS / 2 : TIMELINE_SPANS;
	account_open(&timeline->account, budget, timeline_shrink);
}

/* Room for spans before the first, or behind the last. */
static void spans_insert(struct timeline *timeline, uint32_t at, uint32_t more)
{
	if (timeline->n + more > timeline->cap) {
		timeline->cap = (timeline->n + more) * 2;
		timeline->spans =
			mem_realloc(timeline->spans, timeline->cap * sizeof(struct record *));
	}
	memmove(timeline->spans + at + more, timeline->spans + at,
		(timeline->n - at) * sizeof(struct record *));
	memset(timeline->spans + at, 0, more * sizeof(struct record *));
	timeline->n += more;
}

/* The span that holds ns, after as many rungs as it takes; NULL: not within any length. */
static struct record **span_of(struct timeline *timeline, int64_t ns)
{
	for (;;) {
		int64_t index = divide(ns + timeline->offset_ns, ladder[timeline->rung]);
		int64_t at = index - timeline->first;

		if (!timeline->n) {
			timeline->first = index;
			at = 0;
		}
		if (at >= 0 && at < timeline->n)
			return &timeline->spans[at];
		if (at >= 0 && at < timeline->limit) {
			spans_insert(timeline, timeline->n, (uint32_t)(at + 1 - timeline->n));
			return &timeline->spans[at];
		}
		if (at < 0 && -at + timeline->n <= timeline->limit) {
			spans_insert(timeline, 0, (uint32_t)-at);
			timeline->first = index;
			return &timeline->spans[0];
		}
		if (!timeline_lengthen(timeline))
			return NULL;
	}
}

void timeline_add(struct timeline *timeline, int64_t ns, const struct row *row)
{
	struct record **span;

	if (!timeline->n)
		timeline->offset_ns = when_offset(ns) * NS_PER_S;
	span = span_of(timeline, ns);
	if (!span)
		return;
	if (!*span) {
		*span = record_new(timeline->layout);
		account_add(&timeline->account, timeline->layout->size);
	}
	record_add(timeline->layout, *span, row, &timeline->account);
}
