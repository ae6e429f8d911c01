/*
 * Links and perf events of a run. Closing one waits until no processor can still be in its program (an RCU grace
 * period, milliseconds); so they are closed side by side by a few threads, and all of them wait once.
 */
#include <pthread.h>
#include <unistd.h>

#include "run/internal.h"

#define CLOSERS_MAX  64
#define CLOSER_STACK (64 * 1024)

struct closing {
	const int *fds;
	size_t n;
	size_t next; /* taken atomically by the threads */
};

void run_add_link(struct run *run, int fd)
{
	vec_push(run->arena, &run->links, fd);
}

static void *close_some(void *arg)
{
	struct closing *closing = arg;

	for (;;) {
		size_t i = __atomic_fetch_add(&closing->next, 1, __ATOMIC_RELAXED);

		if (i >= closing->n)
			return NULL;
		close(closing->fds[i]);
	}
}

void links_close(struct run *run)
{
	struct closing closing = { .fds = run->links.data, .n = run->links.n };
	pthread_t thread[CLOSERS_MAX];
	unsigned n = 0, want = closing.n > CLOSERS_MAX ? CLOSERS_MAX : (unsigned)closing.n;
	pthread_attr_t attr;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, CLOSER_STACK);
	/* This thread closes too; when no thread can be had it closes them all. */
	while (n + 1 < want && pthread_create(&thread[n], &attr, close_some, &closing) == 0)
		n++;
	close_some(&closing);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	pthread_attr_destroy(&attr);
	run->links.n = 0;
}
