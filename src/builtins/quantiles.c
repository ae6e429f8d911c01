/*
 * quantiles(n): count, extremes and quantiles of a number from a log-linear histogram, with a relative error of at most
 * 1/64. The histogram itself and the sum travel along as hidden members, for exports that want them.
 */
#include "builtins/builtins.h"

#include "bpf-runtime/abi.h"

/* Points are kept in tenths of a percent; 0: not given. */
enum { MAX_POINTS = 6 };
static const unsigned default_points[] = { 500, 900, 990, 999 };

static uint32_t quantiles_size(const struct agg_args *args)
{
	(void)args;
	return sizeof(struct jb_quantiles);
}

static void merge_quantiles(const struct agg_args *args, void *into, const void *cpu)
{
	struct jb_quantiles *q = into;
	const struct jb_quantiles *other = cpu;

	(void)args;
	if (!other->count)
		return;
	if (!q->count || other->min < q->min)
		q->min = other->min;
	if (!q->count || other->max > q->max)
		q->max = other->max;
	q->count += other->count;
	q->sum = (int64_t)((uint64_t)q->sum + (uint64_t)other->sum);
	for (uint32_t i = 0; i < JB_Q_BUCKETS; i++)
		q->bucket[i] += other->bucket[i];
}

/*
 * The middle of the bucket that holds the number of this rank (from 1), but nothing outside of what was seen. Of
 * numbers that no bucket is for only the extremes are known.
 */
static int64_t number_at(const struct jb_quantiles *q, uint64_t rank)
{
	uint64_t seen = 0;
	int64_t middle;
	struct bucket bounds;
	uint32_t i = 0;

	while (i < JB_Q_BUCKETS - 1 && (seen += q->bucket[i]) < rank)
		i++;
	if (i == 0 && q->min < 0)
		return q->min;
	if (i == JB_Q_BUCKETS - 1 && q->max >> JB_Q_MAX_LOG)
		return q->max;
	bounds = log_bucket_bounds(i, JB_Q_BITS);
	middle = bounds.low + (bounds.high - bounds.low) / 2;
	if (middle < q->min)
		return q->min;
	return middle > q->max ? q->max : middle;
}

/* The smallest number that is not exceeded by this share (in tenths of a percent) of all. */
static int64_t quantile(const struct jb_quantiles *q, unsigned point)
{
	uint64_t rank = q->count / 1000 * point + (q->count % 1000 * point + 999) / 1000;

	if (!q->count)
		return 0;
	return number_at(q, rank ? rank : 1);
}

static unsigned points_of(const struct agg_args *args, unsigned *points)
{
	unsigned n = 0;

	for (unsigned i = 0; i < args->n_count && i < MAX_POINTS; i++)
		if (args->n[i] > 0)
			points[n++] = args->n[i];
	if (n)
		return n;
	memcpy(points, default_points, sizeof(default_points));
	return sizeof(default_points) / sizeof(*default_points);
}

static const char *point_name(struct arena *arena, unsigned point)
{
	if (point % 10)
		return arena_printf(arena, "p%u.%u", point / 10, point % 10);
	return arena_printf(arena, "p%u", point / 10);
}

static struct value hidden(struct value value)
{
	value.hidden = true;
	return value;
}

static struct value hist_of(struct arena *arena, const struct jb_quantiles *q)
{
	struct value hist = { .kind = VALUE_HIST, .sum = q->sum };
	uint32_t first = 0, end = JB_Q_BUCKETS;
	struct bucket *buckets;

	while (first < end && !q->bucket[first])
		first++;
	while (end > first && !q->bucket[end - 1])
		end--;
	buckets = arena_alloc(arena, (end - first + 1) * sizeof(*buckets));
	for (uint32_t i = first; i < end; i++) {
		buckets[i - first] = log_bucket_bounds(i, JB_Q_BITS);
		buckets[i - first].count = q->bucket[i];
		if (i == JB_Q_BUCKETS - 1) /* what no bucket is for, too */
			buckets[i - first].high = INT64_MAX;
	}
	hist.buckets = buckets;
	hist.len = end - first;
	return hist;
}

static struct value quantiles_value(struct decode *decode, const struct type *type,
				    const void *state)
{
	const struct jb_quantiles *q = state;
	unsigned points[MAX_POINTS], n_points = points_of(&type->args, points), n = 0;
	struct value *items = arena_alloc(decode->arena, (n_points + 5) * sizeof(*items));
	const char **names = arena_alloc(decode->arena, (n_points + 5) * sizeof(*names));

	names[n] = "count";
	items[n++] = value_uint(q->count);
	names[n] = "min";
	items[n++] = value_int(q->min);
	for (unsigned i = 0; i < n_points; i++) {
		names[n] = point_name(decode->arena, points[i]);
		items[n++] = value_int(quantile(q, points[i]));
	}
	names[n] = "max";
	items[n++] = value_int(q->max);
	names[n] = "_sum";
	items[n++] = hidden(value_int(q->sum));
	names[n] = "_hist";
	items[n++] = hidden(hist_of(decode->arena, q));
	return (struct value){ .kind = VALUE_RECORD, .items = items, .names = names, .len = n };
}

static bool check_quantiles(struct check *check, struct node *node)
{
	const struct agg_args *args = &node->type->args;

	for (unsigned i = 0; i < args->n_count; i++)
		if (args->n[i] < 0 || args->n[i] > 1000)
			return check_error(check, ast_nth(node->args, 1 + i),
					   "a quantile is between 0.1 and 100");
	return true;
}

/* clang-format off */
const struct aggregate aggregates_quantiles[] = {
	{ .name = "quantiles", .family = "quantiles", .flags = AGG_TENTHS, .rt = "jb_quantiles_add",
	  .proto = "void quantiles(int n, [const int p1], [const int p2], [const int p3], [const int p4], [const int p5], "
		   "[const int p6])",
	  .check = check_quantiles, .state_size = quantiles_size, .merge = merge_quantiles, .value = quantiles_value,
	  .metric = METRIC_HISTOGRAM, .counters = "count _sum",
	  .doc = "Count, smallest, quantiles (50, 90, 99 and 99.9 unless given) and largest of a number." },
	{ 0 },
};
/* clang-format on */
