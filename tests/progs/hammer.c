/*
 * A load for maps that are cleared while they are updated: one thread on each processor (T of them), all at once, each
 * doing one thing N times as fast as it can. Usage: hammer T N [getppid|hit|rename] [wait]. "getppid" makes system
 * calls, "hit" calls hammer_hit(key, weight) with the numbers of 0 to KEYS - 1 as keys in turn, "rename" names the thread
 * (one tracepoint task:task_rename each). Prints how often in all, and the sum of the weights.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MAX_THREADS 64
#define KEYS	    100

long hammer_hit(long key, long weight, long thread, long seq);

__attribute__((noipa)) long hammer_hit(long key, long weight, long thread, long seq)
{
	return key * weight + thread + seq;
}

struct job {
	pthread_t thread;
	int cpu;
	long number, n, weight;
	const char *what;
};

static void run_hits(struct job *job)
{
	for (long i = 0; i < job->n; i++) {
		hammer_hit(i % KEYS, i % 7, job->number, i);
		job->weight += i % 7;
	}
}

static void *job_run(void *arg)
{
	struct job *job = arg;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(job->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	if (!strcmp(job->what, "hit"))
		run_hits(job);
	else if (!strcmp(job->what, "rename"))
		for (long i = 0; i < job->n; i++)
			prctl(PR_SET_NAME, "hammer");
	else
		for (long i = 0; i < job->n; i++)
			syscall(SYS_getppid);
	return NULL;
}

int main(int argc, char **argv)
{
	struct job jobs[MAX_THREADS];
	long calls = 0, weight = 0;
	char line[16];

	if (argc < 3 || atol(argv[1]) < 1 || atol(argv[1]) > MAX_THREADS) {
		fprintf(stderr, "usage: hammer T(1..%d) N [getppid|hit|rename] [wait]\n",
			MAX_THREADS);
		return 2;
	}
	int n_threads = atoi(argv[1]), n_cpus = (int)sysconf(_SC_NPROCESSORS_ONLN);
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (argc > 4 && !fgets(line, sizeof(line), stdin))
		return 1;
	for (int i = 0; i < n_threads; i++) {
		jobs[i] = (struct job){ .cpu = i % n_cpus,
					.number = i,
					.n = atol(argv[2]),
					.what = argc > 3 ? argv[3] : "getppid" };
		if (pthread_create(&jobs[i].thread, NULL, job_run, &jobs[i]))
			return 1;
	}
	for (int i = 0; i < n_threads; i++) {
		pthread_join(jobs[i].thread, NULL);
		calls += jobs[i].n;
		weight += jobs[i].weight;
	}
	printf("calls %ld\nweight %ld\n", calls, weight);
	return 0;
}
