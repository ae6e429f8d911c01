/*
 * The aggregations of one number to another: count, sum, avg, min, max and stats. How a state is updated is in
 * bpf-runtime/agg.bpf.c; here CPUs are merged and states become values. Histograms are in histogram.c.
 */
#include "builtins/builtins.h"

#include "bpf-runtime/abi.h"

static struct value value_of(const struct type *type, int64_t n)
{
	return type->args.is_signed ? value_int(n) : value_uint(n);
}

/* --- count, sum --- */

static uint32_t count_size(const struct agg_args *args)
{
	(void)args;
	return sizeof(struct jb_count);
}

static void merge_count(const struct agg_args *args, void *into, const void *cpu)
{
	(void)args;
	((struct jb_count *)into)->n += ((const struct jb_count *)cpu)->n;
}

static uint32_t sum_size(const struct agg_args *args)
{
	(void)args;
	return sizeof(struct jb_sum);
}

static void merge_sum(const struct agg_args *args, void *into, const void *cpu)
{
	struct jb_sum *sum = into;
	const struct jb_sum *other = cpu;

	(void)args;
	sum->total = (int64_t)((uint64_t)sum->total + (uint64_t)other->total);
	sum->set |= other->set;
}

static struct value count_value(struct decode *decode, const struct type *type, const void *state)
{
	const struct jb_count *count = state;

	(void)decode;
	(void)type;
	return value_uint(count->n);
}

static struct value sum_value(struct decode *decode, const struct type *type, const void *state)
{
	const struct jb_sum *sum = state;

	(void)decode;
	return value_of(type, sum->total);
}

/* --- min, max --- */

static uint32_t extreme_size(const struct agg_args *args)
{
	(void)args;
	return sizeof(struct jb_extreme);
}

static bool is_less(const struct agg_args *args, int64_t a, int64_t b)
{
	return args->is_signed ? a < b : (uint64_t)a < (uint64_t)b;
}

static void merge_min(const struct agg_args *args, void *into, const void *cpu)
{
	struct jb_extreme *min = into;
	const struct jb_extreme *other = cpu;

	if (other->set && (!min->set || is_less(args, other->value, min->value)))
		*min = *other;
}

static void merge_max(const struct agg_args *args, void *into, const void *cpu)
{
	struct jb_extreme *max = into;
	const struct jb_extreme *other = cpu;

	if (other->set && (!max->set || is_less(args, max->value, other->value)))
		*max = *other;
}

static struct value extreme_value(struct decode *decode, const struct type *type, const void *state)
{
	const struct jb_extreme *extreme = state;

	(void)decode;
	return value_of(type, extreme->set ? extreme->value : 0);
}

/* --- avg, stats --- */

static uint32_t stats_size(const struct agg_args *args)
{
	(void)args;
	return sizeof(struct jb_stats);
}

static void merge_stats(const struct agg_args *args, void *into, const void *cpu)
{
	struct jb_stats *stats = into;
	const struct jb_stats *other = cpu;

	(void)args;
	stats->count += other->count;
	stats->total = (int64_t)((uint64_t)stats->total + (uint64_t)other->total);
}

static struct value avg_value(struct decode *decode, const struct type *type, const void *state)
{
	const struct jb_stats *stats = state;

	(void)decode;
	if (!stats->count)
		return value_of(type, 0);
	if (type->args.is_signed)
		return value_int(stats->total / (int64_t)stats->count);
	return value_uint((uint64_t)stats->total / stats->count);
}

static struct value stats_value(struct decode *decode, const struct type *type, const void *state)
{
	static const char *const names[] = { "count", "average", "total" };
	const struct jb_stats *stats = state;
	struct value *items = arena_alloc(decode->arena, 3 * sizeof(*items));

	items[0] = value_uint(stats->count);
	items[1] = avg_value(decode, type, state);
	items[2] = value_of(type, stats->total);
	return (struct value){ .kind = VALUE_RECORD, .items = items, .names = names, .len = 3 };
}

/* clang-format off */
const struct aggregate aggregates_basic[] = {
	{ .name = "count", .proto = "void count()", .rt = "jb_count_add", .rt_read = "jb_count_read",
	  .state_size = count_size, .merge = merge_count, .value = count_value, .metric = METRIC_COUNTER,
	  .doc = "How often this was reached." },
	{ .name = "sum", .proto = "void sum(int n)", .rt = "jb_sum_add", .rt_read = "jb_sum_read",
	  .state_size = sum_size, .merge = merge_sum, .value = sum_value, .metric = METRIC_COUNTER,
	  .doc = "The sum of a number." },
	{ .name = "avg", .proto = "void avg(int n)", .rt = "jb_stats_add", .family = "stats",
	  .state_size = stats_size, .merge = merge_stats, .value = avg_value,
	  .doc = "The average of a number." },
	{ .name = "min", .proto = "void min(int n)", .rt = "jb_min_add", .rt_unsigned = "jb_umin_add",
	  .state_size = extreme_size, .merge = merge_min, .value = extreme_value,
	  .doc = "The smallest number." },
	{ .name = "max", .proto = "void max(int n)", .rt = "jb_max_add", .rt_unsigned = "jb_umax_add",
	  .state_size = extreme_size, .merge = merge_max, .value = extreme_value,
	  .doc = "The largest number." },
	{ .name = "stats", .proto = "void stats(int n)", .rt = "jb_stats_add", .family = "stats",
	  .state_size = stats_size, .merge = merge_stats, .value = stats_value,
	  .metric = METRIC_SUMMARY, .counters = "count total",
	  .doc = "Count, average and total of a number." },
	{ 0 },
};
/* clang-format on */
