/*
 * The aggregations of one number: count, sum, avg, min, max, stats and the two histograms. How a state is updated
 * is in bpf-runtime/agg.bpf.c; here CPUs are merged and states become values.
 */
#include "builtins/builtins.h"

#include "bpf-runtime/abi.h"

enum { LHIST_MAX_BUCKETS = 1000, HIST_MAX_BITS = 5 };

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

/* --- histograms --- */

struct bucket log_bucket_bounds(uint64_t position, unsigned bits)
{
	unsigned shift = position >> bits ? (position >> bits) - 1 : 0;
	uint64_t low = (position - ((uint64_t)shift << bits)) << shift,
		 high = low + (1ull << shift);

	return (struct bucket){ .low = low, .high = high > INT64_MAX ? INT64_MAX : (int64_t)high };
}

static void merge_buckets(uint64_t *into, const uint64_t *cpu, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		into[i] += cpu[i];
}

/* Buckets from the first to the last that is not empty. */
static struct value buckets_value(struct decode *decode, const struct type *type,
				  const uint64_t *counts, uint32_t n,
				  struct bucket (*bounds)(const struct agg_args *, uint32_t))
{
	struct value hist = { .kind = VALUE_HIST };
	struct bucket *buckets;
	uint32_t first = 0, end = n;

	while (first < n && !counts[first])
		first++;
	while (end > first && !counts[end - 1])
		end--;
	buckets = arena_alloc(decode->arena, (end - first + 1) * sizeof(*buckets));
	for (uint32_t i = first; i < end; i++) {
		buckets[i - first] = bounds(&type->args, i);
		buckets[i - first].count = counts[i];
	}
	hist.buckets = buckets;
	hist.len = end - first;
	return hist;
}

static unsigned hist_bits(const struct agg_args *args)
{
	return args->n_count ? args->n[0] : 0;
}

static uint32_t hist_size(const struct agg_args *args)
{
	return JB_HIST_BUCKETS(hist_bits(args)) * sizeof(uint64_t);
}

static void merge_hist(const struct agg_args *args, void *into, const void *cpu)
{
	merge_buckets(into, cpu, JB_HIST_BUCKETS(hist_bits(args)));
}

static struct bucket hist_bounds(const struct agg_args *args, uint32_t i)
{
	if (i == 0)
		return (struct bucket){ .low = INT64_MIN, .high = 0 };
	return log_bucket_bounds(i - 1, hist_bits(args));
}

static struct value hist_value(struct decode *decode, const struct type *type, const void *state)
{
	return buckets_value(decode, type, state, JB_HIST_BUCKETS(hist_bits(&type->args)),
			     hist_bounds);
}

/* The resolution is always an argument of the runtime function, so an absent one becomes 0. */
static bool check_hist(struct check *check, struct node *node)
{
	struct node *bits = ast_nth(node->args, 1);
	int64_t n;

	if (!bits) {
		bits = ast_new(check->arena, NODE_INT, node->span);
		bits->is_literal = true;
		bits->type = type_int(1, true);
		node->args = ast_append(node->args, bits);
		return true;
	}
	if (!check_const_int(check, bits, &n))
		return false;
	if (n < 0 || n > HIST_MAX_BITS)
		return check_error(check, bits, "hist() resolution is between 0 and %d, got %lld",
				   HIST_MAX_BITS, (long long)n);
	return true;
}

enum { LHIST_MIN, LHIST_MAX, LHIST_STEP };

static uint32_t lhist_buckets(const struct agg_args *args)
{
	uint64_t range = (uint64_t)args->n[LHIST_MAX] - (uint64_t)args->n[LHIST_MIN];

	return args->n[LHIST_STEP] > 0 ? range / args->n[LHIST_STEP] + 2 : 2;
}

static uint32_t lhist_size(const struct agg_args *args)
{
	return lhist_buckets(args) * sizeof(uint64_t);
}

static void merge_lhist(const struct agg_args *args, void *into, const void *cpu)
{
	merge_buckets(into, cpu, lhist_buckets(args));
}

static struct bucket lhist_bounds(const struct agg_args *args, uint32_t i)
{
	int64_t min = args->n[LHIST_MIN], step = args->n[LHIST_STEP];

	if (i == 0)
		return (struct bucket){ .low = INT64_MIN, .high = min };
	if (i == lhist_buckets(args) - 1)
		return (struct bucket){ .low = args->n[LHIST_MAX], .high = INT64_MAX };
	return (struct bucket){ .low = min + (i - 1) * step, .high = min + i * step };
}

static struct value lhist_value(struct decode *decode, const struct type *type, const void *state)
{
	struct value hist =
		buckets_value(decode, type, state, lhist_buckets(&type->args), lhist_bounds);

	hist.linear = true;
	hist.step = type->args.n[LHIST_STEP];
	return hist;
}

static bool check_lhist(struct check *check, struct node *node)
{
	struct node *min = ast_nth(node->args, 1), *max = ast_nth(node->args, 2),
		    *step = ast_nth(node->args, 3);
	int64_t low, high, width;
	uint64_t buckets;

	if (!check_const_int(check, min, &low) || !check_const_int(check, max, &high) ||
	    !check_const_int(check, step, &width))
		return false;
	if (width < 1)
		return check_error(check, step, "lhist() step must be at least 1, got %lld",
				   (long long)width);
	if (low >= high)
		return check_error(check, max, "lhist() max (%lld) must be greater than min (%lld)",
				   (long long)high, (long long)low);
	if ((uint64_t)high - (uint64_t)low < (uint64_t)width)
		return check_error(check, step, "lhist() step (%lld) is wider than the whole range",
				   (long long)width);
	buckets = ((uint64_t)high - (uint64_t)low) / width;
	if (buckets > LHIST_MAX_BUCKETS)
		return check_error(check, node,
				   "lhist() would need %llu buckets, at most %d are possible",
				   (unsigned long long)buckets, LHIST_MAX_BUCKETS);
	return true;
}

/* clang-format off */
const struct aggregate aggregates_basic[] = {
	{ .name = "count", .proto = "void count()", .rt = "jb_count_add", .rt_read = "jb_count_read",
	  .state_size = count_size, .merge = merge_count, .value = count_value,
	  .doc = "How often this was reached." },
	{ .name = "sum", .proto = "void sum(int n)", .rt = "jb_sum_add", .rt_read = "jb_sum_read",
	  .state_size = sum_size, .merge = merge_sum, .value = sum_value,
	  .doc = "The sum of a number." },
	{ .name = "avg", .proto = "void avg(int n)", .rt = "jb_stats_add",
	  .state_size = stats_size, .merge = merge_stats, .value = avg_value,
	  .doc = "The average of a number." },
	{ .name = "min", .proto = "void min(int n)", .rt = "jb_min_add", .rt_unsigned = "jb_umin_add",
	  .state_size = extreme_size, .merge = merge_min, .value = extreme_value,
	  .doc = "The smallest number." },
	{ .name = "max", .proto = "void max(int n)", .rt = "jb_max_add", .rt_unsigned = "jb_umax_add",
	  .state_size = extreme_size, .merge = merge_max, .value = extreme_value,
	  .doc = "The largest number." },
	{ .name = "stats", .proto = "void stats(int n)", .rt = "jb_stats_add",
	  .state_size = stats_size, .merge = merge_stats, .value = stats_value,
	  .doc = "Count, average and total of a number." },
	{ .name = "hist", .proto = "void hist(int n, [const int bits])", .rt = "jb_hist_add", .check = check_hist,
	  .state_size = hist_size, .merge = merge_hist, .value = hist_value,
	  .doc = "A histogram with 2^bits buckets for each power of two; bits is 0 unless given." },
	{ .name = "lhist", .proto = "void lhist(int n, const int min, const int max, const int step)", .rt = "jb_lhist_add",
	  .check = check_lhist, .state_size = lhist_size, .merge = merge_lhist, .value = lhist_value,
	  .doc = "A histogram with buckets of equal width between min and max." },
	{ 0 },
};
/* clang-format on */
