/*
 * A target with known behaviour: it tells its pid, waits until it is told to go (a line on stdin, or SIGUSR1), then
 * makes exactly the calls asked for and prints how many it made, one "name number" per line. Live tests
 * compare what jbtrace counted with these lines. The target_* functions are what user probes attach to; they
 * are never inlined, cloned or optimised across.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TARGET __attribute__((noipa))

int target_add(int a, int b);
int target_recursive(int depth);
int target_fail(int n);
long target_sleep(unsigned us);
int target_string(const char *text, size_t len);

TARGET int target_add(int a, int b)
{
	return a + b;
}

/* Calls itself `depth` times more; returns how deep it went. */
TARGET int target_recursive(int depth)
{
	if (depth <= 0)
		return 0;
	volatile int below =
		target_recursive(depth - 1); /* volatile: the compiler may not make it a loop */
	return 1 + below;
}

/* A negative int, which the ABI returns zero-extended: -n. */
TARGET int target_fail(int n)
{
	return -n;
}

/* Sleeps at least `us` microseconds and returns how many nanoseconds it slept. */
TARGET long target_sleep(unsigned us)
{
	struct timespec begin, end, want = { us / 1000000, (long)(us % 1000000) * 1000 };

	clock_gettime(CLOCK_MONOTONIC, &begin);
	while (nanosleep(&want, &want) < 0 && errno == EINTR)
		;
	clock_gettime(CLOCK_MONOTONIC, &end);
	return (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec;
}

TARGET int target_string(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n])
		n++;
	return (int)n;
}

struct plan {
	long getppid, openat, add, fail, sleep_us, sleeps, depth, recursions, strings;
	int wait, linger;
};

static void usage(void)
{
	fprintf(stderr,
		"usage: selfcount [--no-wait] [--getppid N] [--openat N] [--add N] [--fail N]\n"
		"                 [--sleep-us US --sleeps N] [--depth D --recursions N] [--strings "
		"N]\n"
		"                 [--linger]\n");
	exit(2);
}

static void parse_options(struct plan *plan, int argc, char **argv)
{
	static const struct option options[] = {
		{ "getppid", 1, 0, 'g' }, { "openat", 1, 0, 'o' },     { "add", 1, 0, 'a' },
		{ "fail", 1, 0, 'f' },	  { "sleep-us", 1, 0, 'u' },   { "sleeps", 1, 0, 's' },
		{ "depth", 1, 0, 'd' },	  { "recursions", 1, 0, 'r' }, { "strings", 1, 0, 't' },
		{ "no-wait", 0, 0, 'n' }, { "linger", 0, 0, 'l' },     { 0, 0, 0, 0 },
	};
	int c;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'g':
			plan->getppid = atol(optarg);
			break;
		case 'o':
			plan->openat = atol(optarg);
			break;
		case 'a':
			plan->add = atol(optarg);
			break;
		case 'f':
			plan->fail = atol(optarg);
			break;
		case 'u':
			plan->sleep_us = atol(optarg);
			break;
		case 's':
			plan->sleeps = atol(optarg);
			break;
		case 'd':
			plan->depth = atol(optarg);
			break;
		case 'r':
			plan->recursions = atol(optarg);
			break;
		case 't':
			plan->strings = atol(optarg);
			break;
		case 'n':
			plan->wait = 0;
			break;
		case 'l':
			plan->linger = 1;
			break;
		default:
			usage();
		}
	}
}

/* Until a line or end of file on stdin, or SIGUSR1, which stays blocked otherwise. */
static void wait_for_go(void)
{
	sigset_t set;
	char byte;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int fd = signalfd(-1, &set, SFD_CLOEXEC);

	printf("pid %d\n", getpid());
	fflush(stdout);
	struct pollfd poll_set[2] = { { .fd = 0, .events = POLLIN },
				      { .fd = fd, .events = POLLIN } };
	while (poll(poll_set, 2, -1) < 0 && errno == EINTR)
		;
	if (poll_set[0].revents && read(0, &byte, 1) < 0)
		perror("selfcount: stdin");
	close(fd);
}

static void call_system(const struct plan *plan)
{
	for (long i = 0; i < plan->getppid; i++)
		syscall(SYS_getppid);
	for (long i = 0; i < plan->openat; i++) {
		int fd = (int)syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC);
		if (fd >= 0)
			close(fd);
	}
}

static void call_targets(const struct plan *plan, long *add_total, long *fail_total, long *slept_ns)
{
	for (long i = 1; i <= plan->add; i++)
		*add_total += target_add((int)i, 1000);
	for (long i = 1; i <= plan->fail; i++)
		*fail_total += target_fail((int)i);
	for (long i = 0; i < plan->sleeps; i++)
		*slept_ns += target_sleep((unsigned)plan->sleep_us);
	for (long i = 0; i < plan->recursions; i++)
		target_recursive((int)plan->depth);
	for (long i = 0; i < plan->strings; i++)
		target_string("hello, target", 64);
}

int main(int argc, char **argv)
{
	struct plan plan = { .wait = 1 };
	long add_total = 0, fail_total = 0, slept_ns = 0;

	parse_options(&plan, argc, argv);
	if (plan.wait)
		wait_for_go();
	else
		printf("pid %d\n", getpid());
	call_system(&plan);
	call_targets(&plan, &add_total, &fail_total, &slept_ns);
	printf("getppid %ld\nopenat %ld\nadd %ld\nadd_total %ld\nfail %ld\nfail_total %ld\n",
	       plan.getppid, plan.openat, plan.add, add_total, plan.fail, fail_total);
	printf("sleeps %ld\nslept_ns %ld\nrecursions %ld\nrecursive_calls %ld\nstrings %ld\n",
	       plan.sleeps, slept_ns, plan.recursions, plan.recursions * (plan.depth + 1),
	       plan.strings);
	fflush(stdout);
	while (plan.linger)
		pause();
	return 0;
}
