/*
 * A target with known memory accesses. It prints its pid, waits for a line on stdin, then touches PAGES new pages, writes
 * WRITES times and reads READS times a long at 0x10000000, gives up the CPU SWITCHES times by sleeping, computes for BURN ms, calls code at 0x10002000
 * CALLS times, and prints what the
 * kernel says it did, one "name number" per line.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define WATCHED 0x10000000ul
#define CODE	0x10002000ul /* a return */

static long number(char **argv, int argc, int i)
{
	return i < argc ? atol(argv[i]) : 0;
}

static void touch(long pages)
{
	volatile char *memory = mmap(NULL, (size_t)(pages + 1) << 12, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise((void *)memory, (size_t)(pages + 1) << 12, MADV_NOHUGEPAGE);
	for (long i = 0; i < pages; i++)
		memory[i << 12] = 1;
}

static void switches(long n)
{
	struct timespec nap = { 0, 200 * 1000 };

	while (n-- > 0)
		nanosleep(&nap, NULL);
}

static long cpu_us(void)
{
	struct rusage now;

	getrusage(RUSAGE_SELF, &now);
	return (now.ru_utime.tv_sec + now.ru_stime.tv_sec) * 1000000 + now.ru_utime.tv_usec +
	       now.ru_stime.tv_usec;
}

__attribute__((noipa)) static void work(int argc, char **argv)
{
	volatile uint64_t *watched = (volatile uint64_t *)WATCHED;
	uint64_t sum = 0;

	for (long i = 1; i <= number(argv, argc, 2); i++)
		*watched = (uint64_t)i;
	for (long i = 0; i < number(argv, argc, 3); i++)
		sum += *watched;
	printf("sum %llu\n", (unsigned long long)sum);
	touch(number(argv, argc, 1));
	switches(number(argv, argc, 4));
	for (long end = cpu_us() + 1000 * number(argv, argc, 5); cpu_us() < end;)
		continue;
	for (long i = 0; i < number(argv, argc, 6); i++)
		((void (*)(void))CODE)();
}

int main(int argc, char **argv)
{
	struct rusage before, after;
	long us;
	char go;

	mmap((void *)WATCHED, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
	     -1, 0);
	*(volatile uint64_t *)(WATCHED + 64) = 1;
	mmap((void *)CODE, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,
	     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	*(volatile uint8_t *)CODE = 0xc3;
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (read(0, &go, 1) < 0)
		return 1;
	us = cpu_us();
	getrusage(RUSAGE_SELF, &before);
	work(argc, argv);
	getrusage(RUSAGE_SELF, &after);
	printf("writes %ld\nreads %ld\nfaults %ld\nswitches %ld\ncpu_ms %ld\n",
	       number(argv, argc, 2), number(argv, argc, 3),
	       after.ru_minflt - before.ru_minflt + after.ru_majflt - before.ru_majflt,
	       after.ru_nvcsw - before.ru_nvcsw + after.ru_nivcsw - before.ru_nivcsw,
	       (cpu_us() - us) / 1000);
	return 0;
}
