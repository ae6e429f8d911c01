/*
 * A load for maps that are cleared while they are updated: T threads, one on each processor, all at once, each doing one
 * thing N times as fast as it can, but for no longer than LIMIT_NS, however busy the machine is. Usage: hammer T N
 * [getppid|hit|rename] [wait]. "getppid" makes system calls, "hit" calls hammer_hit(key, weight, thread, number) with
 * keys from 0 to KEYS - 1 in turn, "rename" names the thread (one tracepoint task:task_rename each). Prints how often in
 * all and for each thread, and the sum of the weights.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 64
#define KEYS	    100
#define LIMIT_NS    1500000000ll
#define LOOK_EVERY  64

long hammer_hit(long key, long weight, long thread, long seq);

__attribute__((noipa)) long hammer_hit(long key, long weight, long thread, long seq)
{
	return key * weight + thread + seq;
}

struct job {
	pthread_t thread;
	int cpu;
	long number, n, calls, weight;
	void (*call)(struct job *);
};

static void call_hit(struct job *job)
{
	hammer_hit(job->calls % KEYS, job->calls % 7, job->number, job->calls);
	job->weight += job->calls % 7;
}

static void call_rename(struct job *job)
{
	(void)job;
	prctl(PR_SET_NAME, "hammer");
}

static void call_getppid(struct job *job)
{
	(void)job;
	syscall(SYS_getppid);
}

static long long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static void *job_run(void *arg)
{
	struct job *job = arg;
	long long end = now_ns() + LIMIT_NS;
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(job->cpu, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	while (job->calls < job->n && (job->calls % LOOK_EVERY || now_ns() < end)) {
		job->call(job);
		job->calls++;
	}
	return NULL;
}

static void (*find_call(const char *name))(struct job *)
{
	if (!strcmp(name, "hit"))
		return call_hit;
	return strcmp(name, "rename") ? call_getppid : call_rename;
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
					.call = find_call(argc > 3 ? argv[3] : "getppid") };
		if (pthread_create(&jobs[i].thread, NULL, job_run, &jobs[i]))
			return 1;
	}
	for (int i = 0; i < n_threads; i++) {
		pthread_join(jobs[i].thread, NULL);
		printf("calls%d %ld\n", i, jobs[i].calls);
		calls += jobs[i].calls;
		weight += jobs[i].weight;
	}
	printf("calls %ld\nweight %ld\n", calls, weight);
	return 0;
}
