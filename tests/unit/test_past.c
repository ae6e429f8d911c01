/*
 * Raw rows of maps: found by their key among many, removed, joined with those of a later time by the rules of what they
 * hold.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf-runtime/abi.h"
#include "builtins/builtins.h"
#include "run/rows.h"

static const struct type number = { .kind = TYPE_INT, .size = 8, .align = 8, .is_signed = true };
static const struct type text = { .kind = TYPE_STR, .size = 5, .align = 1 };

static void put(struct rows *rows, uint64_t key, uint64_t state)
{
	memcpy(rows_grow(rows), &key, sizeof(key));
	memcpy(rows_state(rows, rows->n - 1), &state, sizeof(state));
}

static uint64_t get(struct rows *rows, uint64_t key)
{
	size_t i = rows_find(rows, &key);
	uint64_t state;

	assert_true(i < rows->n);
	memcpy(&state, rows_state(rows, i), sizeof(state));
	return state;
}

static bool has(struct rows *rows, uint64_t key)
{
	return rows_find(rows, &key) < rows->n;
}

/* Keys are added between searches, so that the index has to follow. */
static void test_find(void **state)
{
	struct rows rows;

	(void)state;
	rows_init(&rows, 8, 8);
	assert_false(has(&rows, 0));
	for (uint64_t i = 0; i < 20000; i++) {
		put(&rows, i * 7919, i);
		assert_false(has(&rows, i * 7919 + 1));
		assert_int_equal(get(&rows, i / 2 * 7919), i / 2);
	}
	rows_reset(&rows);
	assert_false(has(&rows, 7919));
	put(&rows, 5, 6);
	assert_int_equal(get(&rows, 5), 6);
	rows_fini(&rows);
}

static void test_remove(void **state)
{
	bool marked[1000];
	struct rows rows;

	(void)state;
	rows_init(&rows, 8, 8);
	for (uint64_t i = 0; i < 1000; i++) {
		put(&rows, i, i + 1);
		marked[i] = i % 3 == 0;
	}
	assert_true(has(&rows, 0));
	rows_remove(&rows, marked);
	assert_int_equal(rows.n, 666);
	for (uint64_t i = 0; i < 1000; i++)
		if (i % 3)
			assert_int_equal(get(&rows, i), i + 1);
		else
			assert_false(has(&rows, i));
	rows_fini(&rows);
}

/* Keys that are no multiple of 8 are padded, and a map without keys has one row. */
static void test_sizes(void **state)
{
	struct rows rows;
	uint8_t key[8] = "abcde";

	(void)state;
	rows_init(&rows, text.size, 4);
	assert_int_equal(rows.key_size, 8);
	assert_int_equal(rows.state_size, 8);
	memcpy(rows_grow(&rows), key, text.size);
	assert_int_equal(rows_find(&rows, key), 0);
	key[4] = 'f';
	assert_int_equal(rows_find(&rows, key), 1);
	rows_fini(&rows);
	rows_init(&rows, 0, 8);
	assert_int_equal(rows_find(&rows, key), 0);
	rows_grow(&rows);
	assert_int_equal(rows.n, 1);
	assert_int_equal(rows_find(&rows, key), 0);
	rows_fini(&rows);
}

static void join_and_check(const struct plan_map *plan, uint64_t both)
{
	struct rows into, later;

	rows_init(&into, 8, 8);
	rows_init(&later, 8, 8);
	put(&into, 1, 10);
	put(&into, 2, 20);
	put(&later, 2, 5);
	put(&later, 3, 30);
	assert_int_equal(rows_join(plan, &into, &later, SIZE_MAX), 0);
	assert_int_equal(into.n, 3);
	assert_int_equal(get(&into, 1), 10);
	assert_int_equal(get(&into, 2), both);
	assert_int_equal(get(&into, 3), 30);
	rows_reset(&later);
	put(&later, 3, 1);
	put(&later, 4, 1);
	put(&later, 5, 1);
	assert_int_equal(rows_join(plan, &into, &later, 4), 1);
	assert_int_equal(into.n, 4);
	assert_true(has(&into, 4));
	assert_false(has(&into, 5));
	rows_fini(&into);
	rows_fini(&later);
}

static void test_join(void **state)
{
	struct type count = { .kind = TYPE_AGG, .size = 8, .aggregate = &aggregates_basic[0] };
	struct plan_map plan = { .shape = MAP_KEYED, .key = &number, .value = &count };

	(void)state;
	assert_string_equal(count.aggregate->name, "count");
	join_and_check(&plan, 25);
	plan.value = &number;
	join_and_check(&plan, 5);
	plan.additive = true;
	join_and_check(&plan, 25);
}

/* The element of an array that nobody wrote to must not hide what was there before. */
static void test_join_scalar(void **state)
{
	struct plan_map plan = { .shape = MAP_SCALAR, .value = &number };
	struct rows into, later;
	uint64_t n = 7;

	(void)state;
	rows_init(&into, 0, 8);
	rows_init(&later, 0, 8);
	memcpy(rows_grow(&into), &n, sizeof(n));
	rows_grow(&later);
	rows_join(&plan, &into, &later, SIZE_MAX);
	assert_int_equal(into.n, 1);
	assert_memory_equal(rows_state(&into, 0), &n, sizeof(n));
	n = 9;
	memcpy(rows_state(&later, 0), &n, sizeof(n));
	rows_join(&plan, &into, &later, SIZE_MAX);
	assert_memory_equal(rows_state(&into, 0), &n, sizeof(n));
	rows_fini(&into);
	rows_fini(&later);
}

/* States of the row's columns follow each other by their own rules, those without one are replaced. */
static void test_carry(void **state)
{
	struct type max = { .kind = TYPE_AGG,
			    .size = sizeof(struct jb_extreme),
			    .aggregate = &aggregates_basic[4],
			    .args = { .is_signed = true } };
	struct type jitter = { .kind = TYPE_AGG,
			       .size = sizeof(struct jb_jitter),
			       .aggregate = &aggregates_rtp[1] };
	struct agg_field fields[] = { { .name = "max", .type = &max },
				      { .name = "j", .type = &jitter, .offset = max.size },
				      { .name = "derived" } };
	struct type row = { .kind = TYPE_AGG,
			    .aggregate = aggregates_row,
			    .size = max.size + jitter.size,
			    .args = { .fields = fields, .n_fields = 3 } };
	struct {
		struct jb_extreme max;
		struct jb_jitter jitter;
	} into = { .max = { 9, 1 } }, later = { .max = { 4, 1 } };

	(void)state;
	assert_string_equal(max.aggregate->name, "max");
	assert_string_equal(jitter.aggregate->name, "jitter");
	memset(&into.jitter, 1, sizeof(into.jitter));
	memset(&later.jitter, 2, sizeof(later.jitter));
	aggregate_carry(&row, &into, &later);
	assert_int_equal(into.max.value, 9);
	assert_memory_equal(&into.jitter, &later.jitter, sizeof(into.jitter));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_find),	    cmocka_unit_test(test_remove),
		cmocka_unit_test(test_sizes),	    cmocka_unit_test(test_join),
		cmocka_unit_test(test_join_scalar), cmocka_unit_test(test_carry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
