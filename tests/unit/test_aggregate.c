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
	const struct aggregate *row = find(aggregates_basic, "hist");
	struct type type =
		type_of(row, (struct agg_args){ .n = { bits }, .n_count = 1, .is_signed = true });
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
	const struct aggregate *row = find(aggregates_basic, "hist");
	struct type type = type_of(row, (struct agg_args){ .n_count = 1 });
	uint64_t hist[JB_HIST_BUCKETS(0)] = { 0 }, other[JB_HIST_BUCKETS(0)] = { 0 };
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
	arena_free(arena);
}

static struct bucket lhist_bucket(int64_t n, int64_t min, int64_t max, int64_t step)
{
	const struct aggregate *row = find(aggregates_basic, "lhist");
	struct type type = type_of(row, (struct agg_args){ .n = { min, max, step }, .n_count = 3 });
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

/* --- quantiles --- */

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
	struct type type = type_of(row, (struct agg_args){ .n_count = 6 });
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
	struct type type = type_of(row, (struct agg_args){ .n = { 250 }, .n_count = 6 });
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
		type.args.n[0] = 500;
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
	struct type type = type_of(row, (struct agg_args){ .n = { 500 }, .n_count = 6 });
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
				   (struct agg_args){ .n = { 100, 950 }, .n_count = 6 });
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
		cmocka_unit_test(test_quantiles_error),
		cmocka_unit_test(test_quantiles_every_size),
		cmocka_unit_test(test_quantiles_outside),
		cmocka_unit_test(test_quantiles_empty),
		cmocka_unit_test(test_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
