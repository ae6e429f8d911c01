/*
 * Links and perf events of a run. Closing one waits until no processor can still be in its program (an RCU grace
 * period, milliseconds); so they are closed side by side by a few threads, and all of them wait once.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <unistd.h>

#include "run/internal.h"

#define CLOSERS_MAX  64
#define MANY	     32 /* links; for fewer the whole system is left as it is */
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

/*
 * Without multi links the kernel takes probes away one after the other, and waits for a grace period or three each time,
 * whatever the number of threads: tens of milliseconds for each function. Expedited grace periods take a fraction of
 * that. The switch is the whole system's, so it is put back; where it cannot be written, closing takes its time.
 */
static bool expedite(bool on)
{
	int fd = open("/sys/kernel/rcu_expedited", O_RDWR | O_CLOEXEC);
	char now = '1';
	bool done;

	if (fd < 0)
		return false;
	done = pread(fd, &now, 1, 0) == 1 && now == (on ? '0' : '1') &&
	       pwrite(fd, on ? "1" : "0", 1, 0) == 1;
	close(fd);
	return done;
}

void links_close(struct run *run)
{
	struct closing closing = { .fds = run->links.data, .n = run->links.n };
	pthread_t thread[CLOSERS_MAX];
	unsigned n = 0, want = closing.n > CLOSERS_MAX ? CLOSERS_MAX : (unsigned)closing.n;
	pthread_attr_t attr;
	bool expedited = closing.n >= MANY && expedite(true);

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, CLOSER_STACK);
	/* This thread closes too; when no thread can be had it closes them all. */
	while (n + 1 < want && pthread_create(&thread[n], &attr, close_some, &closing) == 0)
		n++;
	close_some(&closing);
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	pthread_attr_destroy(&attr);
	if (expedited)
		expedite(false);
	run->links.n = 0;
}
