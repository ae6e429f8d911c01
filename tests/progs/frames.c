/*
 * A chain of calls whose every frame is known: main, leg_one, leg_two (with two functions inlined into it), leg_three,
 * frames_target. Built several times, with and without frame pointers, and stripped in several ways; the tests compare
 * what jbtrace prints with addr2line, nm and the backtrace(3) that the program takes of itself.
 *
 * Usage: frames [ROUNDS [COPIES]]. Says its pid; goes when a line is read or SIGUSR1 arrives. COPIES: children that do the same one
 * after the other, and end at once.
 */
#include <execinfo.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __clang__
#define TARGET __attribute__((noinline))
#else
#define TARGET __attribute__((noipa))
#endif
#define INLINE static inline __attribute__((always_inline))

int frames_target(int n);
int leg_three(int n);
int leg_two(int n);
int leg_one(int n);

extern const char __ehdr_start[]; /* of the linker: where the file begins in memory */
static volatile int sink;
static int traced;

TARGET int frames_target(int n)
{
	void *addresses[32];

	if (!traced) { /* its own view, for the tests */
		int found = backtrace(addresses, 32);

		traced = 1;
		printf("base %lu\n", (unsigned long)__ehdr_start);
		for (int i = 1; i < found; i++)
			printf("return%d %lu\n", i, (unsigned long)addresses[i]);
	}
	sink = n;
	return n + 1;
}

TARGET int leg_three(int n)
{
	char room[200];

	memset(room, n, sizeof(room));
	sink = room[n % 200];
	return frames_target(n) + 1;
}

INLINE int inner_inline(int n)
{
	int got = leg_three(n + 1);

	sink = got;
	return got * 2;
}

INLINE int outer_inline(int n)
{
	int got = inner_inline(n + 2);

	sink = got;
	return got * 3;
}

TARGET int leg_two(int n)
{
	int got = outer_inline(n);

	sink = got;
	return got - 1;
}

TARGET int leg_one(int n)
{
	volatile char room[n + 16]; /* the frame's size is known at run time only */

	room[n] = (char)n;
	int got = leg_two(room[n]);

	sink = got;
	return got + room[0];
}

static void run_copy(char *self, char *rounds)
{
	char *argv[] = { self, rounds, NULL };
	int pid = fork(), status;

	if (pid == 0) {
		unsetenv("FRAMES_WAIT"); /* it is told to go by its parent */
		execv(self, argv);
		_exit(127);
	}
	waitpid(pid, &status, 0);
}

static void ignore(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1, copies = argc > 2 ? atoi(argv[2]) : 0;
	char line[8];

	printf("pid %d\n", getpid());
	fflush(stdout);
	if (getenv("FRAMES_WAIT") || copies) {
		struct sigaction action = { .sa_handler = ignore };

		sigaction(SIGUSR1, &action, NULL);
		(void)!read(0, line, sizeof(line));
	}
	for (int i = 0; i < copies; i++)
		run_copy(argv[0], argv[1]);
	for (int i = 0; !copies && i < rounds; i++)
		sink = leg_one(i % 50);
	printf("copies %d\n", copies);
	return 0;
}
