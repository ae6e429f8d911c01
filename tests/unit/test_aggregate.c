/*
 * Aggregations from the kernel's update functions, compiled for the host, to the values a printer sees: bounds of
 * histogram buckets, the error of quantiles, merging over CPUs, rows of columns.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf_host.h"
#include "bpf-runtime/agg.bpf.c"

#include "builtins/builtins.h"

static const struct aggregate *find(const struct aggregate *family, const char *name)
{
	const struct aggregate *row;

	row_each (row, family)
		if (!strcmp(row->name, name))
			return row;
	fail_msg("no aggregate %s", name);
	return NULL;
}

static struct type type_of(const struct aggregate *row, struct agg_args args)
{
	return (struct type){ .kind = TYPE_AGG,
			      .aggregate = row,
			      .args = args,
			      .size = row->state_size(&args),
			      .align = 8 };
}

static uint64_t random_next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 1 ^ *seed >> 33;
}

/* --- one number --- */

static void test_numbers(void **state)
{
	static const int64_t numbers[] = { 3, -7, 12, 0 };
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct agg_args args = { .is_signed = true };
	struct jb_count count = { 0 };
	struct jb_sum sum = { 0 };
	struct jb_stats stats = { 0 };
	struct jb_extreme min = { 0 }, max = { 0 };
	struct type type;
	struct value value;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		jb_count_add(&count);
		jb_sum_add(&sum, numbers[i]);
		jb_stats_add(&stats, numbers[i]);
		jb_min_add(&min, numbers[i]);
		jb_max_add(&max, numbers[i]);
	}
	type = type_of(find(aggregates_basic, "count"), args);
	assert_int_equal(type.aggregate->value(&decode, &type, &count).u, 4);
	type = type_of(find(aggregates_basic, "sum"), args);
	assert_int_equal(type.aggregate->value(&decode, &type, &sum).i, 8);
	type = type_of(find(aggregates_basic, "min"), args);
	assert_int_equal(type.aggregate->value(&decode, &type, &min).i, -7);
	type = type_of(find(aggregates_basic, "max"), args);
	assert_int_equal(type.aggregate->value(&decode, &type, &max).i, 12);
	type = type_of(find(aggregates_basic, "avg"), args);
	assert_int_equal(type.aggregate->value(&decode, &type, &stats).i, 2);
	type = type_of(find(aggregates_basic, "stats"), args);
	value = type.aggregate->value(&decode, &type, &stats);
	assert_int_equal(value_member(&value, "count")->u, 4);
	assert_int_equal(value_member(&value, "average")->i, 2);
	assert_int_equal(value_member(&value, "total")->i, 8);
	arena_free(arena);
}

/* A CPU that saw nothing must not turn a minimum into 0. */
static void test_merge_extremes(void **state)
{
	const struct aggregate *min = find(aggregates_basic, "min"),
			       *max = find(aggregates_basic, "max");
	struct agg_args args = { .is_signed = true };
	struct jb_extreme none = { 0 }, low = { 5, 1 }, high = { 9, 1 }, into = { 0 };

	(void)state;
	min->merge(&args, &into, &none);
	min->merge(&args, &into, &high);
	min->merge(&args, &into, &none);
	min->merge(&args, &into, &low);
	assert_int_equal(into.value, 5);
	into = (struct jb_extreme){ 0 };
	max->merge(&args, &into, &(struct jb_extreme){ -3, 1 });
	max->merge(&args, &into, &none);
	assert_int_equal(into.value, -3);
}

/* --- histograms --- */

static void test_log2(void **state)
{
	(void)state;
	for (unsigned bit = 0; bit < 64; bit++) {
		assert_int_equal(jb_log2(1ull << bit), bit);
		assert_int_equal(jb_log2((1ull << bit) | ((1ull << bit) - 1)), bit);
	}
}

/* 2^bits buckets of equal width for each power of two; below 2^bits every number has its own. */
static struct bucket reference_bounds(int64_t n, unsigned bits)
{
	unsigned log = 0;
	int64_t width;

	if (n < 0)
		return (struct bucket){ INT64_MIN, 0, 1 };
	while (log < 62 && n >> (log + 1))
		log++;
	width = log > bits ? (int64_t)1 << (log - bits) : 1;
	n -= n % width;
	return (struct bucket){ n, n > INT64_MAX - width ? INT64_MAX : n + width, 1 };
}

static void assert_one_bucket(int64_t n, unsigned bits)
{
	const struct aggregate *row = find(aggregates_histogram, "hist");
	int64_t n_bits = bits;
	struct type type =
		type_of(row, (struct agg_args){ .n = &n_bits, .n_count = 1, .is_signed = true });
	struct jb_hist *hist = calloc(1, type.size);
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct bucket want = reference_bounds(n, bits);
	struct value value;

	jb_hist_add(hist, n, bits);
	value = row->value(&decode, &type, hist);
	assert_int_equal(value.kind, VALUE_HIST);
	assert_int_equal(value.len, 1);
	assert_int_equal(value.buckets[0].low, want.low);
	assert_int_equal(value.buckets[0].high, want.high);
	assert_int_equal(value.buckets[0].count, 1);
	arena_free(arena);
	free(hist);
}

static void test_hist_bounds(void **state)
{
	uint64_t seed = 7;

	(void)state;
	for (unsigned bits = 0; bits <= 5; bits++) {
		for (int64_t n = -3; n < 300; n++)
			assert_one_bucket(n, bits);
		for (unsigned log = 0; log < 63; log++) {
			assert_one_bucket((int64_t)1 << log, bits);
			assert_one_bucket(((int64_t)1 << log) - 1, bits);
			assert_one_bucket(((int64_t)1 << log) +
						  (int64_t)(random_next(&seed) % (1ull << log)),
					  bits);
		}
		assert_one_bucket(INT64_MAX, bits);
		assert_one_bucket(INT64_MIN, bits);
	}
}

/* Zeros between, none outside. */
static void test_hist_range(void **state)
{
	const struct aggregate *row = find(aggregates_histogram, "hist");
	struct type type = type_of(row, (struct agg_args){ .n = (int64_t[]){ 0 }, .n_count = 1 });
	uint64_t hist[JB_HIST_BUCKETS(0) + 1] = { 0 }, other[JB_HIST_BUCKETS(0) + 1] = { 0 };
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct value value;

	(void)state;
	value = row->value(&decode, &type, hist);
	assert_int_equal(value.len, 0);
	jb_hist_add((struct jb_hist *)hist, 5, 0);
	jb_hist_add((struct jb_hist *)other, 1, 0);
	jb_hist_add((struct jb_hist *)other, 4, 0);
	row->merge(&type.args, hist, other);
	value = row->value(&decode, &type, hist);
	assert_int_equal(value.len, 3);
	assert_int_equal(value.buckets[0].low, 1);
	assert_int_equal(value.buckets[1].count, 0);
	assert_int_equal(value.buckets[2].count, 2);
	assert_int_equal(value_hist_total(&value), 3);
	assert_int_equal(value.sum, 10);
	arena_free(arena);
}

static struct bucket lhist_bucket(int64_t n, int64_t min, int64_t max, int64_t step)
{
	const struct aggregate *row = find(aggregates_histogram, "lhist");
	int64_t args[] = { min, max, step };
	struct type type = type_of(row, (struct agg_args){ .n = args, .n_count = 3 });
	struct jb_lhist *hist = calloc(1, type.size);
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct bucket bucket;
	struct value value;

	jb_lhist_add(hist, n, min, max, step);
	value = row->value(&decode, &type, hist);
	assert_int_equal(value.len, 1);
	assert_true(value.linear);
	assert_int_equal(value.step, step);
	bucket = value.buckets[0];
	arena_free(arena);
	free(hist);
	return bucket;
}

static void test_lhist(void **state)
{
	(void)state;
	for (int64_t n = -25; n < 130; n++) {
		struct bucket bucket = lhist_bucket(n, -20, 100, 10);
		assert_true(bucket.low <= n && n < bucket.high);
		if (n >= -20 && n < 100)
			assert_int_equal(bucket.high - bucket.low, 10);
	}
	assert_int_equal(lhist_bucket(-21, -20, 100, 10).low, INT64_MIN);
	assert_int_equal(lhist_bucket(100, -20, 100, 10).low, 100);
	assert_int_equal(lhist_bucket(INT64_MAX, 0, 1000, 1).low, 1000);
	assert_int_equal(lhist_bucket(INT64_MIN, 0, 1000, 1).high, 0);
	assert_int_equal(lhist_bucket(9, 0, 10, 4).low,
			 10); /* the rest of a range that is not divided evenly */
}

/* --- bounds of the script's choice --- */

enum { BHIST_CPUS = 3 };

struct bhist {
	int64_t bounds[JB_BHIST_MAX_BOUNDS], numbers[500];
	uint64_t want[JB_BHIST_MAX_BOUNDS + 1], sum;
	unsigned n_bounds;
	struct jb_bhist *cpu[BHIST_CPUS];
	struct type type;
};

/* Of all sizes and signs, each about as often. */
static int64_t random_number(uint64_t *seed)
{
	uint64_t n = (random_next(seed) << 1 ^ random_next(seed)) >> random_next(seed) % 64;

	return random_next(seed) & 1 ? (int64_t)n : -(int64_t)(n >> 1);
}

static int compare_i64(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* n different bounds in order; INT64_MAX is none. */
static void random_bounds(struct bhist *t, unsigned n, uint64_t *seed)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < n; i++)
		t->bounds[i] = random_number(seed);
	qsort(t->bounds, n, sizeof(t->bounds[0]), compare_i64);
	for (unsigned i = 0; i < n; i++)
		if (t->bounds[i] != INT64_MAX && (!kept || t->bounds[i] != t->bounds[kept - 1]))
			t->bounds[kept++] = t->bounds[i];
	t->n_bounds = kept ? kept : 1;
}

static void bhist_open(struct bhist *t, bool is_signed)
{
	const struct aggregate *row = find(aggregates_histogram, "bhist");

	t->type = type_of(row, (struct agg_args){ .n = t->bounds,
						  .n_count = t->n_bounds,
						  .is_signed = is_signed });
	for (unsigned i = 0; i < BHIST_CPUS; i++)
		t->cpu[i] = calloc(1, t->type.size);
}

/* The first bound that is not exceeded, found by looking at one after the other. */
static void bhist_expect(struct bhist *t, int64_t n, bool is_signed)
{
	unsigned i = 0;

	while (i < t->n_bounds && (is_signed || n >= 0 ? n > t->bounds[i] : true))
		i++;
	t->want[i]++;
	t->sum += (uint64_t)n;
}

static void bhist_assert(struct bhist *t)
{
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	const struct aggregate *row = t->type.aggregate;
	struct value value;

	for (unsigned i = 1; i < BHIST_CPUS; i++)
		row->merge(&t->type.args, t->cpu[0], t->cpu[i]);
	value = row->value(&decode, &t->type, t->cpu[0]);
	assert_int_equal(value.kind, VALUE_HIST);
	assert_true(value.bounded);
	assert_int_equal(value.len, t->n_bounds + 1);
	assert_int_equal((uint64_t)value.sum, t->sum);
	for (unsigned i = 0; i <= t->n_bounds; i++) {
		const struct bucket *bucket = &value.buckets[i];

		assert_int_equal(bucket->count, t->want[i]);
		assert_int_equal(bucket->low, i ? t->bounds[i - 1] + 1 : INT64_MIN);
		assert_int_equal(bucket->high, i < t->n_bounds ? t->bounds[i] + 1 : INT64_MAX);
	}
	for (unsigned i = 0; i < BHIST_CPUS; i++)
		free(t->cpu[i]);
	arena_free(arena);
}

/* Random bounds, and numbers at, next to and between them, spread over CPUs. */
static void bhist_round(unsigned n_bounds, bool is_signed, uint64_t *seed)
{
	struct bhist t = { 0 };

	random_bounds(&t, n_bounds, seed);
	bhist_open(&t, is_signed);
	for (unsigned i = 0; i < 500; i++) {
		uint64_t near = (uint64_t)t.bounds[i % t.n_bounds] + i % 3 - 1;
		int64_t n = i < 200 ? (int64_t)near : random_number(seed);
		struct jb_bhist *cpu = t.cpu[i % BHIST_CPUS];

		if (is_signed)
			jb_bhist_add(cpu, n, t.bounds, t.n_bounds);
		else
			jb_ubhist_add(cpu, n, t.bounds, t.n_bounds);
		bhist_expect(&t, n, is_signed);
	}
	bhist_assert(&t);
}

static void test_bhist(void **state)
{
	uint64_t seed = 11;

	(void)state;
	for (unsigned n = 1; n <= JB_BHIST_MAX_BOUNDS; n++) {
		bhist_round(n, true, &seed);
		bhist_round(n, false, &seed);
	}
}

/* --- sums of histograms --- */

/* The sum is that of the numbers, over CPUs, and wraps around as the sum of uint64 does. */
static void test_hist_sums(void **state)
{
	static const int64_t n_args[] = { 0 }, l_args[] = { -50, 50, 10 }, far = INT64_MAX;
	const struct aggregate *hist = find(aggregates_histogram, "hist"),
			       *lhist = find(aggregates_histogram, "lhist");
	struct type h = type_of(hist, (struct agg_args){ .n = n_args, .n_count = 1 });
	struct type l = type_of(lhist, (struct agg_args){ .n = l_args, .n_count = 3 });
	void *of_hist[2] = { calloc(1, h.size), calloc(1, h.size) };
	void *of_lhist[2] = { calloc(1, l.size), calloc(1, l.size) };
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	uint64_t sum = 0, seed = 5;

	(void)state;
	for (unsigned i = 0; i < 1000; i++) {
		int64_t n = i == 999 ? far : random_number(&seed);

		jb_hist_add(of_hist[i % 2], n, 0);
		jb_lhist_add(of_lhist[i % 2], n, -50, 50, 10);
		sum += (uint64_t)n;
	}
	hist->merge(&h.args, of_hist[0], of_hist[1]);
	lhist->merge(&l.args, of_lhist[0], of_lhist[1]);
	assert_int_equal((uint64_t)hist->value(&decode, &h, of_hist[0]).sum, sum);
	assert_int_equal((uint64_t)lhist->value(&decode, &l, of_lhist[0]).sum, sum);
	for (unsigned i = 0; i < 2; i++) {
		free(of_hist[i]);
		free(of_lhist[i]);
	}
	arena_free(arena);
}

/* --- quantiles --- */

static const int64_t no_points[6], median[] = { 500 };

static int compare_u64(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

static void assert_near(const struct value *record, const char *name, uint64_t exact)
{
	const struct value *value = value_member(record, name);
	uint64_t difference;

	assert_non_null(value);
	difference = value->u > exact ? value->u - exact : exact - value->u;
	assert_true(difference * 64 <= exact);
}

/* Numbers of all magnitudes, spread over three CPUs. */
static void test_quantiles_error(void **state)
{
	enum { N = 30000 };
	const struct aggregate *row = &aggregates_quantiles[0];
	struct type type = type_of(row, (struct agg_args){ .n = no_points, .n_count = 6 });
	struct jb_quantiles *cpu = calloc(4, sizeof(*cpu));
	uint64_t *sorted = calloc(N, sizeof(*sorted)), seed = 99, sum = 0;
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct value value;

	(void)state;
	for (unsigned i = 0; i < N; i++) {
		sorted[i] = (random_next(&seed) & 0xffffffffffff) >> random_next(&seed) % 48;
		sum += sorted[i];
		jb_quantiles_add(&cpu[1 + i % 3], sorted[i]);
	}
	for (unsigned i = 1; i < 4; i++)
		row->merge(&type.args, &cpu[0], &cpu[i]);
	qsort(sorted, N, sizeof(*sorted), compare_u64);
	value = row->value(&decode, &type, &cpu[0]);
	assert_int_equal(value_member(&value, "count")->u, N);
	assert_int_equal(value_member(&value, "min")->u, sorted[0]);
	assert_int_equal(value_member(&value, "max")->u, sorted[N - 1]);
	assert_int_equal(value_member(&value, "_sum")->u, sum);
	assert_true(value_member(&value, "_hist")->hidden);
	assert_int_equal(value_hist_total(value_member(&value, "_hist")), N);
	assert_int_equal(value_member(&value, "_hist")->sum, sum);
	assert_near(&value, "p50", sorted[N / 2 - 1]);
	assert_near(&value, "p90", sorted[N / 10 * 9 - 1]);
	assert_near(&value, "p99", sorted[N / 100 * 99 - 1]);
	assert_near(&value, "p99.9", sorted[N / 1000 * 999 - 1]);
	arena_free(arena);
	free(sorted);
	free(cpu);
}

/* Every single number comes back within 1/64. */
static void test_quantiles_every_size(void **state)
{
	const struct aggregate *row = &aggregates_quantiles[0];
	struct type type = type_of(row, (struct agg_args){ .n = median, .n_count = 1 });
	uint64_t seed = 3;
	struct jb_quantiles *q = malloc(sizeof(*q));
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };

	(void)state;
	for (unsigned i = 0; i < 2000; i++) {
		uint64_t n = i < 200 ? i : (random_next(&seed) & 0xffffffffffff) >> i % 48;
		struct value value;
		memset(q, 0, sizeof(*q));
		jb_quantiles_add(q, 0);
		jb_quantiles_add(q, n);
		jb_quantiles_add(q, INT64_MAX);
		value = row->value(&decode, &type, q);
		assert_near(&value, "p50", n);
		arena_reset(arena);
	}
	arena_free(arena);
	free(q);
}

/* Numbers below 0 and from 2^48 on have no buckets of their own: extremes and sum are exact all the same. */
static void test_quantiles_outside(void **state)
{
	const struct aggregate *row = &aggregates_quantiles[0];
	struct type type = type_of(row, (struct agg_args){ .n = median, .n_count = 1 });
	struct jb_quantiles *cpu = calloc(3, sizeof(*cpu));
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct value value;

	(void)state;
	jb_quantiles_add(&cpu[1], -5);
	jb_quantiles_add(&cpu[2], -7);
	jb_quantiles_add(&cpu[2], -6);
	row->merge(&type.args, &cpu[0], &cpu[1]);
	row->merge(&type.args, &cpu[0], &cpu[2]);
	value = row->value(&decode, &type, &cpu[0]);
	assert_int_equal(value_member(&value, "count")->u, 3);
	assert_int_equal(value_member(&value, "min")->i, -7);
	assert_int_equal(value_member(&value, "p50")->i, -7);
	assert_int_equal(value_member(&value, "max")->i, -5);
	assert_int_equal(value_member(&value, "_sum")->i, -18);
	memset(&cpu[0], 0, sizeof(cpu[0]));
	jb_quantiles_add(&cpu[0], INT64_MAX);
	value = row->value(&decode, &type, &cpu[0]);
	assert_int_equal(value_member(&value, "p50")->i, INT64_MAX);
	assert_int_equal(value_member(&value, "max")->i, INT64_MAX);
	arena_free(arena);
	free(cpu);
}

static void test_quantiles_empty(void **state)
{
	struct type type = type_of(&aggregates_quantiles[0],
				   (struct agg_args){ .n = (int64_t[]){ 100, 950 }, .n_count = 2 });
	struct jb_quantiles *q = calloc(1, sizeof(*q));
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct value value = aggregates_quantiles[0].value(&decode, &type, q);

	(void)state;
	assert_int_equal(value_member(&value, "p10")->u, 0);
	assert_int_equal(value_member(&value, "p95")->u, 0);
	assert_null(value_member(&value, "p50"));
	arena_free(arena);
	free(q);
}

/* --- rows --- */

static void test_row(void **state)
{
	static const struct plan_expr n = { .op = EXPR_FIELD, .column = "n" };
	static const struct plan_expr bytes = { .op = EXPR_FIELD, .column = "bytes" };
	static const struct plan_expr mean = { .op = EXPR_DIV, .a = &bytes, .b = &n };
	struct type count = type_of(find(aggregates_basic, "count"), (struct agg_args){ 0 });
	struct type sum = type_of(find(aggregates_basic, "sum"), (struct agg_args){ 0 });
	struct agg_field fields[] = {
		{ .name = "mean", .derived = &mean },
		{ .name = "n", .type = &count, .offset = 0 },
		{ .name = "bytes", .type = &sum, .offset = 8 },
	};
	struct agg_args args = { .fields = fields, .n_fields = 3 };
	struct type type = type_of(&aggregates_row[0], args);
	uint64_t one[3] = { 3, 10, 1 }, two[3] = { 1, 20, 1 };
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct value value;

	(void)state;
	assert_int_equal(type.size, 24);
	type.aggregate->merge(&args, one, two);
	value = type.aggregate->value(&decode, &type, one);
	assert_int_equal(value_member(&value, "n")->u, 4);
	assert_int_equal(value_member(&value, "bytes")->u, 30);
	assert_true(value_member(&value, "mean")->real == 7.5);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_merge_extremes),
		cmocka_unit_test(test_log2),
		cmocka_unit_test(test_hist_bounds),
		cmocka_unit_test(test_hist_range),
		cmocka_unit_test(test_lhist),
		cmocka_unit_test(test_bhist),
		cmocka_unit_test(test_hist_sums),
		cmocka_unit_test(test_quantiles_error),
		cmocka_unit_test(test_quantiles_every_size),
		cmocka_unit_test(test_quantiles_outside),
		cmocka_unit_test(test_quantiles_empty),
		cmocka_unit_test(test_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
