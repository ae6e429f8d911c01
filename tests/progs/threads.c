/*
 * T threads call thread_work(i) N times each, at the same time and recursively nested once, so that entry and
 * return pairs of many threads interleave. Usage: threads T N [wait]. Prints the calls made in all.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MAX_THREADS 64

int thread_work(int n);

/* An even argument calls once more with the odd one below, so two calls are made for it. */
__attribute__((noipa)) int thread_work(int n)
{
	volatile int below = n; /* volatile: the compiler may not make the call a jump */

	if (n > 0 && n % 2 == 0)
		below = thread_work(n - 1) + 1;
	return below;
}

struct job {
	long n;
	long calls;
};

static void *job_run(void *arg)
{
	struct job *job = arg;

	for (long i = 1; i <= job->n; i++) {
		thread_work((int)i);
		job->calls += i % 2 == 0 ? 2 : 1;
	}
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[MAX_THREADS];
	struct job jobs[MAX_THREADS];
	char line[16];
	long calls = 0;

	if (argc < 3 || atol(argv[1]) < 1 || atol(argv[1]) > MAX_THREADS) {
		fprintf(stderr, "usage: threads T(1..%d) N [wait]\n", MAX_THREADS);
		return 2;
	}
	int n_threads = atoi(argv[1]);
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (argc > 3 && !fgets(line, sizeof(line), stdin))
		return 1;
	for (int i = 0; i < n_threads; i++) {
		jobs[i] = (struct job){ .n = atol(argv[2]) };
		if (pthread_create(&threads[i], NULL, job_run, &jobs[i]))
			return 1;
	}
	for (int i = 0; i < n_threads; i++) {
		pthread_join(threads[i], NULL);
		calls += jobs[i].calls;
	}
	printf("threads %d\ncalls %ld\n", n_threads, calls);
	return 0;
}
