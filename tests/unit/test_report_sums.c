/*
 * Unit tests of what src/report sums up: groups in bounded memory, spans of time, what names of columns say. How recordings are
 * read is tests/unit/test_report.c's.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/table.h"
#include "report/when.h"
#include "report/words.h"

/* --- groups --- */

static const struct layout rows_only = { .size = sizeof(struct record), .main_op = -1 };

static void group_count(struct groups *groups, const char *key, uint64_t *total)
{
	groups_take(groups, key, strlen(key))->record.rows++;
	(*total)++;
}

/* A thousand kept of a hundred thousand: nothing is lost from the sum, large ones are there, their bounds hold. */
static void groups_bounded(void **state)
{
	enum { KEYS = 100000, HEAVY = 50, LIMIT = 1000 };
	struct budget budget = { .max = (size_t)64 << 20 };
	uint64_t total = 0, sum = 0, distinct;
	struct groups groups;
	char key[32];
	bool exact;

	(void)state;
	groups_init(&groups, &rows_only, &budget, LIMIT);
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "once-%d", i);
		group_count(&groups, key, &total);
		/* The heavy ones begin in the middle, when groups have been thinned out already. */
		if (i >= KEYS / 2) {
			snprintf(key, sizeof(key), "heavy-%d", i % HEAVY);
			group_count(&groups, key, &total);
		}
	}
	assert_true(groups.n <= LIMIT);
	for (uint32_t i = 0; i < groups.n; i++)
		sum += groups_at(&groups, i)->record.rows;
	assert_int_equal(sum + groups.other->rows, total);
	for (int i = 0; i < HEAVY; i++) {
		const struct group *group;

		snprintf(key, sizeof(key), "heavy-%d", i);
		group = groups_find(&groups, key, strlen(key));
		assert_non_null(group);
		assert_true(group->record.rows <= KEYS / 2 / HEAVY);
		assert_true((double)group->record.rows + group->may_lack >= KEYS / 2 / HEAVY);
	}
	distinct = groups_distinct(&groups, &exact);
	assert_false(exact);
	assert_true(fabs((double)distinct / (KEYS + HEAVY) - 1) < 0.06);
	groups_fini(&groups);
	assert_int_equal(budget.used, 0);
}

static void groups_exact(void **state)
{
	struct budget budget = { .max = (size_t)64 << 20 };
	uint64_t total = 0;
	struct groups groups;
	char key[32], *longer = malloc(20001);
	bool exact;

	(void)state;
	groups_init(&groups, &rows_only, &budget, 100000);
	for (int i = 0; i < 30000; i++) {
		snprintf(key, sizeof(key), "%d", i % 10000);
		group_count(&groups, key, &total);
	}
	assert_int_equal(groups_distinct(&groups, &exact), 10000);
	assert_true(exact);
	for (int i = 0; i < 10000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		assert_int_equal(groups_find(&groups, key, strlen(key))->record.rows, 3);
	}
	/* Keys that differ behind their limit stay different. */
	memset(longer, 'x', 20000);
	longer[20000] = '\0';
	group_count(&groups, longer, &total);
	longer[19999] = 'y';
	group_count(&groups, longer, &total);
	assert_int_equal(groups.n, 10002);
	groups_fini(&groups);
	free(longer);
}

/* The one that takes most has to give, down to the limit. */
static void groups_relieved(void **state)
{
	struct budget budget = { .max = 400000 };
	struct groups large, small;
	uint64_t total = 0;
	char key[32];

	(void)state;
	groups_init(&large, &rows_only, &budget, UINT32_MAX);
	groups_init(&small, &rows_only, &budget, UINT32_MAX);
	for (int i = 0; i < 20000; i++) {
		snprintf(key, sizeof(key), "%d", i);
		group_count(&large, key, &total);
		snprintf(key, sizeof(key), "%d", i % 100);
		group_count(&small, key, &total);
		if (budget.used > budget.max)
			budget_relieve(&budget);
	}
	assert_true(budget.used <= 400000);
	assert_int_equal(small.n, 100);
	assert_null(small.other);
	assert_non_null(large.other);
	groups_fini(&large);
	groups_fini(&small);
	assert_int_equal(budget.used, 0);
}

/* --- spans of time --- */

static void timeline_any_order(void **state)
{
	struct budget budget = { .max = (size_t)64 << 20 };
	struct row row = { .has_time = true };
	const int64_t begin = 1763733600 * NS_PER_S;
	uint64_t rows = 0, random = 1;
	struct timeline timeline;

	(void)state;
	setenv("TZ", "UTC", 1);
	tzset();
	timeline_init(&timeline, &rows_only, &budget);
	for (int i = 0; i < 50000; i++) {
		random = random * 6364136223846793005u + 1442695040888963407u;
		/* Two hours, before and after the first row. */
		timeline_add(&timeline,
			     begin + (int64_t)(random >> 33) % 7200000 * NS_PER_MS -
				     3600 * NS_PER_S,
			     &row);
	}
	assert_true(timeline.n <= TIMELINE_SPANS);
	for (uint32_t i = 0; i < timeline.n; i++)
		rows += timeline.spans[i] ? timeline.spans[i]->rows : 0;
	assert_int_equal(rows, 50000);
	assert_true(timeline_begin(&timeline, 0) <= begin - 3590 * NS_PER_S);
	timeline_coarsen(&timeline, 30);
	assert_true(timeline.n <= 30);
	assert_int_equal(timeline_begin(&timeline, 0) % timeline_step(&timeline), 0);
	for (uint32_t i = rows = 0; i < timeline.n; i++)
		rows += timeline.spans[i] ? timeline.spans[i]->rows : 0;
	assert_int_equal(rows, 50000);
	timeline_fini(&timeline);
	assert_int_equal(budget.used, 0);
}

/* --- names of columns --- */

static void names_tell(void **state)
{
	static const struct {
		const char *name;
		enum role role;
	} cases[] = {
		{ "count", ROLE_SUM },
		{ "n", ROLE_SUM },
		{ "error_count", ROLE_SUM },
		{ "errors", ROLE_SUM },
		{ "total_bytes", ROLE_SUM },
		{ "total_ns", ROLE_SUM },
		{ "size_mb", ROLE_SUM },
		{ "switch_in", ROLE_SUM },
		{ "total_switches", ROLE_SUM },
		{ "avg_latency_us", ROLE_MEAN },
		{ "lat.avg", ROLE_MEAN },
		{ "min_lat_us", ROLE_MIN },
		{ "max_latency_us", ROLE_MAX },
		{ "error_rate", ROLE_RATE },
		{ "err_pct", ROLE_RATE },
		{ "per_read", ROLE_RATE },
		{ "throughput_mbps", ROLE_RATE },
		{ "p99_us", ROLE_RANGE },
		{ "lat_p50", ROLE_RANGE },
		{ "p99.9", ROLE_RANGE },
		{ "buffer_size", ROLE_RANGE },
		{ "duration_us", ROLE_RANGE },
		{ "jitter_ms", ROLE_RANGE },
		{ "pid", ROLE_KEY },
		{ "uid", ROLE_KEY },
		{ "cpu", ROLE_KEY },
		{ "syscall_nr", ROLE_KEY },
		{ "numa_node", ROLE_KEY },
		{ "irq_type", ROLE_KEY },
		{ "packetCount", ROLE_SUM },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct words words;

		words_split(&words, cases[i].name);
		if (words_role(&words, true) != cases[i].role)
			fail_msg("%s is taken for role %d", cases[i].name,
				 words_role(&words, true));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(groups_bounded),  cmocka_unit_test(groups_exact),
		cmocka_unit_test(groups_relieved), cmocka_unit_test(timeline_any_order),
		cmocka_unit_test(names_tell),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
