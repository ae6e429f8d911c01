/*
 * A load for benchmarks: one thread that does nothing but one cheap thing N times as fast as it can, and then
 * prints how many nanoseconds each took. Usage: flood N [getppid|call|pair] [wait]. "call" runs flood_call(), "pair"
 * flood_pair(), both for user probes; "wait" waits for a line on stdin first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int flood_call(int n);
int flood_pair(int n);

__attribute__((noipa)) int flood_call(int n)
{
	return n;
}

__attribute__((noipa)) int flood_pair(int n)
{
	return n + 1;
}

static void run(long n, const char *what)
{
	if (!strcmp(what, "call"))
		for (long i = 0; i < n; i++)
			flood_call((int)i);
	else if (!strcmp(what, "pair"))
		for (long i = 0; i < n; i++)
			flood_pair((int)i);
	else
		for (long i = 0; i < n; i++)
			syscall(SYS_getppid);
}

int main(int argc, char **argv)
{
	struct timespec begin, end;
	char line[16];

	if (argc < 2) {
		fprintf(stderr, "usage: flood N [getppid|call|pair] [wait]\n");
		return 2;
	}
	long n = atol(argv[1]);
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (argc > 3 && !fgets(line, sizeof(line), stdin))
		return 1;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	run(n, argc > 2 ? argv[2] : "getppid");
	clock_gettime(CLOCK_MONOTONIC, &end);
	double ns =
		(double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
	printf("calls %ld\nns_each %.1f\n", n, n > 0 ? ns / (double)n : 0);
	return 0;
}
