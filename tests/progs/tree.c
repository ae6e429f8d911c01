/*
 * A process and its descendants for --follow, and strangers who do the same beside them. Every call is the system call
 * getpriority with a `which` that nobody else uses, so that they can be told from everybody's. Usage:
 *
 *     tree            prints "root PID", waits for a line on stdin, and at the end how many calls, programs started
 *                     ("execs") and tasks ended ("exits") there were among the root and its descendants
 *     tree now        the same as the root itself, at once
 *     tree leaf N     N calls, late when N is LATE
 *     tree switches N M    prints "pid PID", waits; then N naps of a millisecond and M ms of work between two marks,
 *                     calls with another `which`, and bounds of how often it was switched out ("least", "most") and
 *                     woken ("wakes": a nap may be over before the task has left its processor) between them
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WHICH	   0x6a62
#define WHICH_MARK 0x6a63
#define LATE	   23

struct counts {
	long calls, execs, exits;
};

static struct counts *counts; /* shared by all who are followed */
static int go[2], ready[2];
static int is_root_tree = 1;

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void call(long n)
{
	for (long i = 0; i < n; i++)
		syscall(SYS_getpriority, WHICH, 0);
	if (is_root_tree)
		__atomic_fetch_add(&counts->calls, n, __ATOMIC_RELAXED);
}

static void count(long *what)
{
	if (is_root_tree)
		__atomic_fetch_add(what, 1, __ATOMIC_RELAXED);
}

static void end(void)
{
	count(&counts->exits);
	_exit(0);
}

/* As a process, all of whose calls are made while it lives. */
static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	return pid;
}

static void until_closed(int fd)
{
	char byte;

	while (read(fd, &byte, 1) > 0)
		;
}

static void tell_ready(void)
{
	if (write(ready[1], "r", 1) != 1)
		die("ready");
}

static void start_leaf(long n)
{
	char number[32];

	snprintf(number, sizeof(number), "%ld", n);
	count(&counts->execs);
	count(&counts->exits);
	if (is_root_tree)
		__atomic_fetch_add(&counts->calls, n, __ATOMIC_RELAXED);
	execl("/proc/self/exe", "tree", "leaf", number, NULL);
	die("exec");
}

/* A child whose own child becomes another program and ends at once. */
static void short_lives(int n)
{
	for (int i = 1; i <= n; i++) {
		if (!start()) {
			call(2);
			if (!start())
				start_leaf(i);
			wait(NULL);
			call(1);
			end();
		}
		wait(NULL);
	}
}

static void *call_in_thread(void *unused)
{
	call(11);
	if (!start()) { /* the child of a thread that is not the first */
		call(13);
		end();
	}
	count(&counts->exits);
	return unused;
}

static void with_threads(void)
{
	pthread_t thread[3];

	for (int i = 0; i < 3; i++)
		if (pthread_create(&thread[i], NULL, call_in_thread, NULL))
			die("pthread_create");
	for (int i = 0; i < 3; i++)
		pthread_join(thread[i], NULL);
	while (wait(NULL) > 0)
		;
}

static void *exec_in_thread(void *unused)
{
	start_leaf(LATE);
	return unused;
}

/* Another thread than the first becomes a program: it takes the place of the first, which ends. */
static void exec_from_thread(void)
{
	pthread_t thread;

	if (!start()) {
		count(&counts->exits);
		if (pthread_create(&thread, NULL, exec_in_thread, NULL))
			die("pthread_create");
		for (;;)
			pause();
	}
	wait(NULL);
}

/* Its parent is gone at once, and it works on after everybody else has ended. */
static void leave_daemon(const int *alive)
{
	if (start()) {
		wait(NULL);
		return;
	}
	if (start())
		end();
	setsid();
	close(alive[1]);
	until_closed(alive[0]);
	call(101);
	short_lives(3);
	end();
}

/* What a tree does after it was told to go: its root's part. */
static void grow(const int *alive)
{
	call(7);
	short_lives(20);
	with_threads();
	exec_from_thread();
	leave_daemon(alive);
	call(5);
}

/* Those that there are before the tracer comes: a child that waits, with a child of its own. */
static void plant(void)
{
	int alive[2];

	if (start())
		return;
	if (pipe(alive))
		die("pipe");
	if (!start()) {
		if (!start()) {
			tell_ready();
			until_closed(go[0]);
			call(17);
			short_lives(2);
			end();
		}
		until_closed(go[0]);
		call(19);
		wait(NULL);
		end();
	}
	until_closed(go[0]);
	grow(alive);
	close(alive[1]);
	wait(NULL);
	end();
}

/* A root: everything in it ends with `done` closed. */
static pid_t start_tree(int is_root, const int *done)
{
	pid_t pid = start();
	int alive[2];

	if (pid)
		return pid;
	is_root_tree = is_root;
	if (!is_root)
		prctl(PR_SET_NAME, "stranger");
	close(go[1]);
	close(done[0]);
	if (pipe(alive))
		die("pipe");
	plant();
	tell_ready();
	until_closed(go[0]);
	grow(alive);
	wait(NULL);
	end();
	return 0;
}

static void print_counts(void)
{
	printf("calls %ld\nexecs %ld\nexits %ld\n", counts->calls, counts->execs, counts->exits);
	fflush(stdout);
}

static int two_trees(void)
{
	int done[2], n_ready = 4;
	char line[16];
	pid_t root;

	if (pipe(done))
		die("pipe");
	root = start_tree(1, done);
	start_tree(0, done);
	close(done[1]);
	while (n_ready-- > 0)
		if (read(ready[0], line, 1) != 1)
			die("a process did not come");
	printf("root %d\n", root);
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		fprintf(stderr, "tree: no line\n");
	close(go[1]);
	while (wait(NULL) > 0)
		;
	until_closed(done[0]);
	print_counts();
	return 0;
}

/* The root itself: its own end is among the exits. The daemon ends after it, so the numbers are those of two_trees. */
static int now(void)
{
	int alive[2];

	if (pipe(alive))
		die("pipe");
	grow(alive);
	return 0;
}

/* --- switches --- */

static long switched(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_nvcsw + usage.ru_nivcsw;
}

static void work_ms(long ms)
{
	struct timespec begin, at;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	do
		clock_gettime(CLOCK_MONOTONIC, &at);
	while ((at.tv_sec - begin.tv_sec) * 1000 + (at.tv_nsec - begin.tv_nsec) / 1000000 < ms);
}

static int switches(long naps, long ms)
{
	struct timespec nap = { 0, 1000000 };
	long before, first, last, after;
	char line[16];

	printf("pid %d\n", getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	before = switched();
	syscall(SYS_getpriority, WHICH_MARK, 0);
	first = switched();
	for (long i = 0; i < naps; i++)
		nanosleep(&nap, NULL);
	work_ms(ms);
	last = switched();
	syscall(SYS_getpriority, WHICH_MARK, 0);
	after = switched();
	printf("least %ld\nmost %ld\nnaps %ld\n", last - first, after - before, naps);
	printf("wakes %ld\n", after - before > naps ? after - before : naps);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "switches"))
		return switches(atol(argv[2]), atol(argv[3]));
	counts = mmap(NULL, sizeof(*counts), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (counts == MAP_FAILED || pipe(go) || pipe(ready))
		die("tree");
	if (argc == 3 && !strcmp(argv[1], "leaf")) {
		/* What was replaced by this program is freed after a grace period, which nothing tells. */
		if (atol(argv[2]) == LATE)
			nanosleep(&(struct timespec){ 0, 200000000 }, NULL);
		call(atol(argv[2]));
		return 0;
	}
	if (argc == 2 && !strcmp(argv[1], "now"))
		return now();
	return two_trees();
}
