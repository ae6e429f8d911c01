/* Which processes have gone, and bounds of buckets: what the exporter is made of, without a kernel to trace. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "run/series.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
#define SECOND	 1000000000ll

/* --- processes --- */

/* One that stays until its end of the pipe is closed. */
static pid_t spawn(int *hold)
{
	int ends[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (!pid) {
		close(ends[1]);
		_exit(read(ends[0], &byte, 1) ? 1 : 0);
	}
	close(ends[0]);
	*hold = ends[1];
	return pid;
}

static void end(pid_t pid, int hold)
{
	close(hold);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static bool expired_at(struct processes *processes, int64_t now_ns, int pid)
{
	bool expired;

	processes_begin(processes, now_ns);
	expired = processes_expired(processes, pid);
	processes_end(processes);
	return expired;
}

static void test_gone(void **state)
{
	struct processes *processes = processes_new(10 * SECOND);
	int hold;
	pid_t pid = spawn(&hold);

	(void)state;
	assert_false(expired_at(processes, 1 * SECOND, pid));
	assert_false(expired_at(processes, 100 * SECOND, pid));
	end(pid, hold);
	assert_false(expired_at(processes, 101 * SECOND, pid)); /* seen to be gone */
	assert_false(expired_at(processes, 110 * SECOND, pid));
	assert_true(expired_at(processes, 111 * SECOND, pid));
	assert_false(expired_at(processes, 112 * SECOND, getpid())); /* nobody asks for the other */
	assert_false(expired_at(processes, 113 * SECOND, pid));	     /* so it was forgotten */
	assert_false(expired_at(processes, 114 * SECOND, 0));
	assert_false(expired_at(processes, 115 * SECOND, -1)); /* kill(-1) would be all there are */
	processes_free(processes);
}

static void test_many(void **state)
{
	struct processes *processes = processes_new(0);

	(void)state;
	processes_begin(processes, SECOND);
	for (int pid = 4200000; pid < 4230000; pid++) /* above the kernel's greatest */
		assert_true(processes_expired(processes, pid));
	for (int pid = 4200000; pid < 4230000; pid += 7)
		assert_true(processes_expired(processes, pid));
	assert_false(processes_expired(processes, getpid()));
	processes_end(processes);
	processes_free(processes);
}

static bool next_pid(pid_t pid)
{
	char text[16];
	int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY), n;

	n = snprintf(text, sizeof(text), "%d", pid - 1);
	if (fd < 0)
		return false;
	n = write(fd, text, (size_t)n) == n;
	close(fd);
	return n;
}

/* The number of a process that has gone was given to another one, which has not. */
static void test_reused(void **state)
{
	struct processes *processes = processes_new(10 * SECOND);
	struct timespec tick = { 0, 20000000 }; /* starts are told in hundredths of a second */
	pid_t pid, other = 0;
	int hold;

	(void)state;
	pid = spawn(&hold);
	assert_false(expired_at(processes, 1 * SECOND, pid));
	end(pid, hold);
	nanosleep(&tick, NULL);
	for (int i = 0; i < 50 && other != pid; i++) { /* others take numbers, too */
		if (!next_pid(pid))
			break;
		other = spawn(&hold);
		if (other != pid)
			end(other, hold);
	}
	if (other != pid) {
		processes_free(processes);
		print_message("skipped: the next process number cannot be chosen here\n");
		skip();
	}
	for (int i = 2; i < 5; i++)
		assert_false(expired_at(processes, i * SECOND, pid));
	assert_true(expired_at(processes, 20 * SECOND, pid)); /* although kill() finds it */
	assert_false(expired_at(processes, 21 * SECOND, getpid()));
	for (int i = 22; i < 60; i += 5)
		assert_false(expired_at(processes, i * SECOND, pid)); /* the new one */
	end(pid, hold);
	processes_free(processes);
}

/* --- bounds --- */

static struct value hist_of(const struct bucket *buckets, uint32_t n)
{
	return (struct value){ .kind = VALUE_HIST, .buckets = buckets, .len = n };
}

static void add(struct bounds *bounds, const struct value *hist)
{
	struct tally *tally = buckets_of(hist);

	bounds_add(bounds, tally);
	free(tally);
}

static void check(struct bounds *bounds, const int64_t *want, uint32_t n)
{
	assert_int_equal(bounds->n, n);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(bounds->data[i], want[i]);
}

/* hist(): powers of two, two ways to the same bounds. */
static void test_log_bounds(void **state)
{
	static const struct bucket low[] = { { INT64_MIN, 0, 1 }, { 0, 1, 2 } };
	static const struct bucket high[] = { { 32, 64, 1 }, { 64, 128, 0 } };
	static const int64_t want[] = { 0, 1, 2, 4, 8, 16, 32, 64, 128 };
	const struct value a = hist_of(low, 2), b = hist_of(high, 2);
	struct bounds up = { 0 }, down = { 0 };

	(void)state;
	add(&up, &a);
	check(&up, (const int64_t[]){ 0, 1 }, 2);
	add(&up, &b);
	check(&up, want, N(want));
	add(&up, &a);
	add(&up, &b);
	check(&up, want, N(want));
	add(&down, &b);
	add(&down, &a);
	check(&down, want, N(want));
	free(up.data);
	free(down.data);
}

/* hist(n, 2): four buckets for each power of two; single numbers where they are closer than that. */
static void test_fine_bounds(void **state)
{
	static const struct bucket low[] = { { 2, 3, 1 } }, high[] = { { 16, 20, 1 } };
	static const int64_t want[] = { 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20 };
	const struct value a = hist_of(low, 1), b = hist_of(high, 1);
	struct bounds bounds = { 0 };

	(void)state;
	add(&bounds, &a);
	add(&bounds, &b);
	check(&bounds, want, N(want));
	free(bounds.data);
}

static void test_linear_bounds(void **state)
{
	static const struct bucket low[] = { { INT64_MIN, -20, 1 } };
	static const struct bucket high[] = { { 20, INT64_MAX, 1 } };
	static const int64_t want[] = { -20, -10, 0, 10, 20 };
	struct value a = hist_of(low, 1), b = hist_of(high, 1);
	struct bounds bounds = { 0 };

	(void)state;
	a.linear = b.linear = true;
	a.step = b.step = 10;
	add(&bounds, &b);
	add(&bounds, &a);
	check(&bounds, want, N(want));
	free(bounds.data);
}

/* Bounds that the script chose get no others between them, and the last bucket of a grid is no reason to guess. */
static void test_no_guesses(void **state)
{
	static const struct bucket chosen[] = { { INT64_MIN, 6, 0 },
						{ 6, 101, 0 },
						{ 101, INT64_MAX, 1 } };
	static const struct bucket one[] = { { 0, 1, 1 } },
				   last[] = { { 1ll << 40, INT64_MAX, 1 } };
	struct value a = hist_of(chosen, 3), b = hist_of(one, 1), c = hist_of(last, 1);
	struct bounds bounds = { 0 };

	(void)state;
	a.bounded = true;
	add(&bounds, &a);
	check(&bounds, (const int64_t[]){ 6, 101 }, 2);
	free(bounds.data);
	bounds = (struct bounds){ 0 };
	add(&bounds, &b);
	add(&bounds, &c);
	check(&bounds, (const int64_t[]){ 1, 1ll << 40 }, 2);
	free(bounds.data);
}

/* --- tallies --- */

static void test_sums(void **state)
{
	static const struct bucket a[] = { { 0, 1, 5 }, { 1, 2, 0 }, { 2, 4, 7 } };
	static const struct bucket b[] = { { 2, 4, 3 }, { 4, 8, 1 } };
	struct value x = hist_of(a, 3), y = hist_of(b, 2);
	struct tally *tx, *ty, *sum = NULL;

	(void)state;
	x.sum = 20;
	y.sum = 12;
	tx = buckets_of(&x);
	ty = buckets_of(&y);
	buckets_add(&sum, tx);
	buckets_add(&sum, ty);
	buckets_add(&sum, NULL);
	assert_int_equal(sum->count, 16);
	assert_float_equal(sum->sum, 32, 0);
	assert_int_equal(sum->n, 4);
	assert_int_equal(sum->buckets[2].count, 10);
	buckets_subtract(&sum, ty);
	buckets_subtract(&sum, ty); /* below nothing, and up again */
	buckets_add(&sum, ty);
	assert_int_equal(sum->count, 12);
	assert_int_equal(sum->buckets[2].count, 7);
	assert_int_equal(sum->buckets[3].count, 0);
	free(tx);
	free(ty);
	free(sum);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gone),	    cmocka_unit_test(test_many),
		cmocka_unit_test(test_reused),	    cmocka_unit_test(test_log_bounds),
		cmocka_unit_test(test_fine_bounds), cmocka_unit_test(test_linear_bounds),
		cmocka_unit_test(test_no_guesses),  cmocka_unit_test(test_sums),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
