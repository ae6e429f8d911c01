/*
 * A load at a known rate that takes its own times. RATE times a second, until SECONDS are over or SIGTERM comes, it calls
 * paced_hit(key, weight) with KEYS keys in turn, paced_take(us), which sleeps for one of a few times, and getppid(2). It
 * tells its pid, waits for a line on stdin, and in the end prints how often it did what. A slow moment is made up for:
 * after T seconds there were RATE * T rounds, if at all possible.
 *
 * A probe's time of paced_take() lies between two that are taken here: from its first to its last line (inner), and
 * around the call with the probes in it (outer). Both are counted as bhist() counts, up to bounds of 1, 2 and 5.
 *
 * Usage: paced RATE SECONDS [KEYS]. With "linger" behind that it stays until it is ended.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TARGET	__attribute__((noipa))
#define BILLION 1000000000L

static const long bounds[] = {
	1000,	 2000,	  5000,	   10000,    20000,    50000,	 100000,    200000,    500000,
	1000000, 2000000, 5000000, 10000000, 20000000, 50000000, 100000000, 200000000,
};
#define N_BOUNDS (sizeof(bounds) / sizeof(*bounds))

struct times {
	long le[N_BOUNDS]; /* not cumulative */
	long sum, max;
};

/* Twenty rounds: two long, four of middle length, fourteen short, so that no common quantile lies between two of them. */
static const unsigned sleeps_us[] = {
	120, 120, 120,	1300, 120, 120, 120,  1300, 120, 7000,
	120, 120, 1300, 120,  120, 120, 1300, 120,  120, 7000,
};

static volatile sig_atomic_t ended;

long paced_hit(long key, long weight);
long paced_take(unsigned us);

static void on_signal(int number)
{
	(void)number;
	ended = 1;
}

static long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * BILLION + now.tv_nsec;
}

TARGET long paced_hit(long key, long weight)
{
	return key * weight;
}

/* How many nanoseconds it took, seen from inside. */
TARGET long paced_take(unsigned us)
{
	long begin = now_ns();
	struct timespec want = { 0, (long)us * 1000 };

	nanosleep(&want, NULL);
	return now_ns() - begin;
}

static void times_add(struct times *times, long ns)
{
	for (size_t i = 0; i < N_BOUNDS; i++)
		if (ns <= bounds[i]) {
			times->le[i]++;
			break;
		}
	times->sum += ns;
	if (ns > times->max)
		times->max = ns;
}

/* Lines "NAME_le_NS count", cumulative. */
static void times_print(const struct times *times, const char *name)
{
	long n = 0;

	for (size_t i = 0; i < N_BOUNDS; i++) {
		n += times->le[i];
		printf("%s_le_%ld %ld\n", name, bounds[i], n);
	}
	printf("%s_sum %ld\n%s_max %ld\n", name, times->sum, name, times->max);
}

static void wait_for(long at)
{
	struct timespec until = { at / BILLION, at % BILLION };

	while (!ended && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
}

int main(int argc, char **argv)
{
	long rate = argc > 2 ? atol(argv[1]) : 0, seconds = argc > 2 ? atol(argv[2]) : 0;
	long keys = argc > 3 ? atol(argv[3]) : 10, rounds, weight = 0;
	struct times inner = { 0 }, outer = { 0 };
	struct sigaction action = { .sa_handler = on_signal };
	char line[16];

	if (rate < 1 || rate > 1000 || seconds < 1 || keys < 1) {
		fprintf(stderr, "usage: paced RATE(1..1000) SECONDS [KEYS [linger]]\n");
		return 2;
	}
	sigaction(SIGTERM, &action, NULL);
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	long start = now_ns();
	for (rounds = 0; rounds < rate * seconds && !ended; rounds++) {
		wait_for(start + rounds * (BILLION / rate));
		paced_hit(rounds % keys, rounds % 7);
		weight += rounds % 7;
		syscall(SYS_getppid);
		long begin = now_ns();
		times_add(&inner, paced_take(sleeps_us[rounds % (long)(sizeof(sleeps_us) /
								       sizeof(*sleeps_us))]));
		times_add(&outer, now_ns() - begin);
	}
	printf("ns %ld\n", now_ns() - start);
	times_print(&inner, "inner");
	times_print(&outer, "outer");
	printf("weight %ld\nrounds %ld\n", weight, rounds);
	fflush(stdout);
	while (argc > 4 && !strcmp(argv[4], "linger") && !ended)
		pause();
	return 0;
}
