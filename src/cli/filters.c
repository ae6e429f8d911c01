/*
 * The options that say which processes are meant: -p, --comm, ... and their negations. They are collected here and
 * checked when they are read; what they mean together is settled when all have been read.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static struct jb_filter *grow_filters(struct cli *cli)
{
	struct jb_filter *more = cli->filters;

	if (cli->n_filters % 16 == 0)
		more = realloc(more, (cli->n_filters + 16) * sizeof(*more));
	if (!more)
		return NULL;
	cli->filters = more;
	return &more[cli->n_filters++];
}

int add_filter(struct cli *cli, const char *option, const struct jb_filter *filter)
{
	struct jb_filter *place;
	char why[512];

	if (jb_filter_check(filter, why, sizeof(why)))
		return complain("%s: %s", option, why);
	place = grow_filters(cli);
	if (!place)
		return complain("out of memory");
	*place = *filter;
	return 0;
}

/* The one process that is meant; 0: none, -1: several. */
static int only_pid(const struct cli *cli)
{
	int pid = 0;

	for (unsigned i = 0; i < cli->n_filters; i++) {
		const struct jb_filter *filter = &cli->filters[i];
		int one = atoi(filter->value);

		if (filter->kind != JB_FILTER_PID || filter->negated)
			continue;
		if (pid && pid != one)
			return -1;
		pid = one;
	}
	return pid;
}

int settle_filters(struct cli *cli)
{
	int pid = only_pid(cli);

	if (pid && cli->command)
		return complain("-p and -c exclude each other");
	if (cli->compile.follow && !pid && !cli->command)
		return complain("--follow needs a process whose children are meant: -p or -c");
	if (pid > 0 && !cli->compile.follow)
		cli->compile.pid = pid;
	cli->compile.filters = cli->filters;
	cli->compile.n_filters = cli->n_filters;
	return 0;
}
