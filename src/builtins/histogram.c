/*
 * The histograms: hist (powers of two), lhist (equal steps) and bhist (bounds of the script's choice). A state is the sum
 * of all numbers and one counter per bucket, updated in bpf-runtime/agg.bpf.c; here CPUs are merged and states become
 * values.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "builtins/builtins.h"

#include "bpf-runtime/abi.h"

enum { LHIST_MAX_BUCKETS = 1000, HIST_MAX_BITS = 5 };

struct bucket log_bucket_bounds(uint64_t position, unsigned bits)
{
	unsigned shift = position >> bits ? (position >> bits) - 1 : 0;
	uint64_t low = (position - ((uint64_t)shift << bits)) << shift,
		 high = low + (1ull << shift);

	return (struct bucket){ .low = low, .high = high > INT64_MAX ? INT64_MAX : (int64_t)high };
}

/* Every state is a sum and n buckets. */
struct state {
	int64_t sum;
	uint64_t bucket[];
};
_Static_assert(offsetof(struct jb_hist, bucket) == offsetof(struct state, bucket), "jb_hist");
_Static_assert(offsetof(struct jb_lhist, bucket) == offsetof(struct state, bucket), "jb_lhist");
_Static_assert(offsetof(struct jb_bhist, bucket) == offsetof(struct state, bucket), "jb_bhist");

static uint32_t state_size(uint32_t n)
{
	return sizeof(struct state) + n * sizeof(uint64_t);
}

static void merge(struct state *into, const struct state *cpu, uint32_t n)
{
	into->sum = (int64_t)((uint64_t)into->sum + (uint64_t)cpu->sum);
	for (uint32_t i = 0; i < n; i++)
		into->bucket[i] += cpu->bucket[i];
}

/* The buckets from `first` up to `end`. */
static struct value range_value(struct decode *decode, const struct type *type,
				const struct state *state, uint32_t first, uint32_t end,
				struct bucket (*bounds)(const struct agg_args *, uint32_t))
{
	struct value hist = { .kind = VALUE_HIST, .sum = state->sum };
	struct bucket *buckets;

	buckets = arena_alloc(decode->arena, (end - first + 1) * sizeof(*buckets));
	for (uint32_t i = first; i < end; i++) {
		buckets[i - first] = bounds(&type->args, i);
		buckets[i - first].count = state->bucket[i];
	}
	hist.buckets = buckets;
	hist.len = end - first;
	return hist;
}

/* Of n buckets those from the first to the last that is not empty. */
static struct value buckets_value(struct decode *decode, const struct type *type,
				  const struct state *state, uint32_t n,
				  struct bucket (*bounds)(const struct agg_args *, uint32_t))
{
	uint32_t first = 0, end = n;

	while (first < n && !state->bucket[first])
		first++;
	while (end > first && !state->bucket[end - 1])
		end--;
	return range_value(decode, type, state, first, end, bounds);
}

/* --- hist --- */

static unsigned hist_bits(const struct agg_args *args)
{
	return args->n_count ? args->n[0] : 0;
}

static uint32_t hist_size(const struct agg_args *args)
{
	return state_size(JB_HIST_BUCKETS(hist_bits(args)));
}

static void merge_hist(const struct agg_args *args, void *into, const void *cpu)
{
	merge(into, cpu, JB_HIST_BUCKETS(hist_bits(args)));
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

/* --- lhist --- */

enum { LHIST_MIN, LHIST_MAX, LHIST_STEP };

static uint32_t lhist_buckets(const struct agg_args *args)
{
	uint64_t range = (uint64_t)args->n[LHIST_MAX] - (uint64_t)args->n[LHIST_MIN];

	return args->n[LHIST_STEP] > 0 ? range / args->n[LHIST_STEP] + 2 : 2;
}

static uint32_t lhist_size(const struct agg_args *args)
{
	return state_size(lhist_buckets(args));
}

static void merge_lhist(const struct agg_args *args, void *into, const void *cpu)
{
	merge(into, cpu, lhist_buckets(args));
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

/* --- bhist --- */

/* One for each bound, which it includes, and one for what is above the last. */
static uint32_t bhist_buckets(const struct agg_args *args)
{
	return args->n_count + 1;
}

static uint32_t bhist_size(const struct agg_args *args)
{
	return state_size(bhist_buckets(args));
}

static void merge_bhist(const struct agg_args *args, void *into, const void *cpu)
{
	merge(into, cpu, bhist_buckets(args));
}

static struct bucket bhist_bounds(const struct agg_args *args, uint32_t i)
{
	return (struct bucket){ .low = i ? args->n[i - 1] + 1 : INT64_MIN,
				.high = i < args->n_count ? args->n[i] + 1 : INT64_MAX };
}

/* All buckets, empty ones too: an export has the same series from its first day on. */
static struct value bhist_value(struct decode *decode, const struct type *type, const void *state)
{
	struct value hist =
		range_value(decode, type, state, 0, bhist_buckets(&type->args), bhist_bounds);

	hist.bounded = true;
	hist.time = type->args.is_time;
	return hist;
}

static const char *bound_text(struct check *check, const struct agg_args *args, int64_t bound)
{
	struct buf text = { 0 };
	const char *copy;

	if (args->is_time) {
		value_duration(&text, bound);
	} else {
		struct value number = value_int(bound);
		value_text(&text, &number);
	}
	copy = arena_strdup(check->arena, text.data);
	buf_fini(&text);
	return copy;
}

static int compare_bounds(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The same bounds in ascending order, each once. */
static void hint_sorted(struct check *check, const struct agg_args *args)
{
	int64_t *sorted = arena_alloc(check->arena, args->n_count * sizeof(*sorted));
	const char *list = "";

	memcpy(sorted, args->n, args->n_count * sizeof(*sorted));
	qsort(sorted, args->n_count, sizeof(*sorted), compare_bounds);
	for (unsigned i = 0; i < args->n_count; i++)
		if (!i || sorted[i] != sorted[i - 1])
			list = arena_printf(check->arena, "%s, %s", list,
					    bound_text(check, args, sorted[i]));
	diag_hint(check->diags, "in order: bhist(n%s)", list);
}

static bool check_bhist(struct check *check, struct node *node)
{
	const struct agg_args *args = &node->type->args;

	if (args->n_count > JB_BHIST_MAX_BOUNDS) {
		check_error(check, ast_nth(node->args, 1 + JB_BHIST_MAX_BOUNDS),
			    "bhist() takes at most %d bounds, this is one more",
			    JB_BHIST_MAX_BOUNDS);
		diag_hint(
			check->diags,
			"hist(n, 3) divides each power of two into 8 buckets without naming them");
		return false;
	}
	for (unsigned i = 0; i < args->n_count; i++) {
		struct node *bound = ast_nth(node->args, 1 + i);

		if (bound->is_unsigned || args->n[i] == INT64_MAX)
			return check_error(check, bound,
					   "a bound is below 2^63 - 1; what is above the last "
					   "bound is counted in a bucket of its own");
		if (!i || args->n[i] > args->n[i - 1])
			continue;
		check_error(check, bound, "bhist() bounds must ascend: %s is not above %s",
			    bound_text(check, args, args->n[i]),
			    bound_text(check, args, args->n[i - 1]));
		hint_sorted(check, args);
		return false;
	}
	return true;
}

/* clang-format off */
const struct aggregate aggregates_histogram[] = {
	{ .name = "hist", .proto = "void hist(int n, [const int bits])", .rt = "jb_hist_add", .check = check_hist,
	  .state_size = hist_size, .merge = merge_hist, .value = hist_value,
	  .doc = "A histogram with 2^bits buckets for each power of two; bits is 0 unless given." },
	{ .name = "lhist", .proto = "void lhist(int n, const int min, const int max, const int step)", .rt = "jb_lhist_add",
	  .check = check_lhist, .state_size = lhist_size, .merge = merge_lhist, .value = lhist_value,
	  .doc = "A histogram with buckets of equal width between min and max." },
	{ .name = "bhist", .proto = "void bhist(int n, const int bound, ...)", .flags = AGG_TABLE, .rt = "jb_bhist_add",
	  .rt_unsigned = "jb_ubhist_add", .check = check_bhist, .state_size = bhist_size, .merge = merge_bhist,
	  .value = bhist_value,
	  .doc = "A histogram with buckets up to the given bounds, each included, and one for what is above." },
	{ 0 },
};
/* clang-format on */
