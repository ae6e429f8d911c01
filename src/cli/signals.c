/* The signals that mean something to the program. What a handler can reach are these numbers and nothing else. */
#include <signal.h>
#include <unistd.h>

#include "cli/job.h"

static volatile int stops;
static volatile int reloads;
static volatile int users;

static void on_stop(int number)
{
	(void)number;
	if (stops++)
		_exit(128 + SIGINT);
}

static void on_reload(int number)
{
	(void)number;
	reloads = 1;
}

static void on_user(int number)
{
	(void)number;
	users++;
}

const volatile int *signals_users(void)
{
	return &users;
}

const volatile int *signals_stops(void)
{
	return &stops;
}

void signals_catch(void)
{
	struct sigaction stop = { .sa_handler = on_stop }, user = { .sa_handler = on_user };

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGUSR1, &user, NULL); /* without a self probe it only wakes the loop */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file at its limit is as a full disk */
}

void signals_catch_reload(void)
{
	struct sigaction reload = { .sa_handler = on_reload };

	sigaction(SIGHUP, &reload, NULL);
}

bool signals_take_reload(void)
{
	bool asked = reloads;

	reloads = 0;
	return asked;
}
