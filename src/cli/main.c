/*
 * The command line: what is asked for, and in which order it is done. Everything that traces is behind jbtrace.h.
 *
 * Exit codes: 0 or what the script gave to exit(); 1 for mistakes in usage or script; 255 when loading or attaching
 * fails. Of several scripts the first code that is not 0.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/config.h"
#include "cli/job.h"
#include "cli/service.h"

/* Above every process number: what `cpid` is while the command of -c is not started. */
#define NO_CHILD 4194304

/* The words after `--` are options of the script: "--name=value". */
static int take_named(struct cli *cli, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (cli->n_named == PARAMS_MAX)
			return complain("more than %d script options", PARAMS_MAX);
		cli->named[cli->n_named++] = argv[i] + strspn(argv[i], "-");
	}
	return 0;
}

/* Before anything is compiled: the process number is a constant of the scripts. */
static int start_command(struct cli *cli, struct jobs *jobs)
{
	int err = 0;

	if (!cli->command)
		return 0;
	cli->compile.child = NO_CHILD;
	if (!cli->compile.partial)
		err = child_start(cli);
	for (size_t i = 0; i < jobs->n; i++) {
		jobs->list[i]->compile.child = cli->compile.child;
		jobs->list[i]->run.child_go_fd = jobs->n == 1 ? cli->run.child_go_fd : -1;
	}
	return err;
}

static int mode_run(struct cli *cli)
{
	struct jobs jobs = { 0 };
	int err;

	if (cli->scripts && strcmp(cli->scripts, "list") == 0)
		return scripts_list(stdout), 0;
	/* It is for self probes, and nothing is to end by it before there are any. */
	signal(SIGUSR1, SIG_IGN);
	if (cli->warnings && cli->no_warnings)
		return complain("-k and --no-warnings exclude each other");
	if (cli->config || cli->daemonize)
		return service_run(cli);
	err = jobs_from_words(&jobs, cli, stderr);
	if (!err && !cli->compile.partial && jb_check_privileges(stderr))
		err = EXIT_USAGE;
	if (!err)
		err = start_command(cli, &jobs);
	if (!err)
		err = jobs_run(cli, &jobs);
	child_end(cli);
	jobs_fini(&jobs);
	return err;
}

/* -l: a script's probes when there is one, else the probes that match. */
static int mode_list(struct cli *cli)
{
	const char *word = cli->n_words ? *cli->words : NULL;
	struct stat st;
	bool is_file = word && stat(word, &st) == 0 && S_ISREG(st.st_mode);
	long n;

	if (cli->program || cli->scripts || is_file) {
		cli->compile.partial = true;
		cli->compile.until = JB_STAGE_PLAN;
		return mode_run(cli);
	}
	n = jb_list(word ? word : "*", cli->compile.pid, cli->run.verbose, stdout, stderr);
	return n > 0 ? 0 : EXIT_USAGE;
}

static int act(struct cli *cli)
{
	switch (cli->mode) {
	case MODE_RUN:
		return mode_run(cli);
	case MODE_LIST:
		return mode_list(cli);
	case MODE_INFO:
		jb_info(cli->n_words && strcmp(*cli->words, "json") == 0, stdout);
		return 0;
	case MODE_HELP:
		print_usage(stdout);
		return 0;
	case MODE_HELP_BUILTINS:
		jb_help_builtins(stdout);
		return 0;
	case MODE_HELP_ROFF:
		jb_help_roff(stdout);
		return 0;
	case MODE_HELP_CONFIG:
		config_help(stdout);
		return 0;
	case MODE_DAEMON_STATUS:
	case MODE_DAEMON_STOP:
		return service_ask(cli);
	case MODE_VERSION:
		printf("jbtrace v%s\n", jb_version());
		return 0;
	}
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int end = 1, err;

	if (argc > 1 && strcmp(argv[1], "report") == 0)
		return jb_report(argc - 1, argv + 1);
	while (end < argc && strcmp(argv[end], "--"))
		end++;
	err = parse_options(&cli, end, argv);
	if (!err && end < argc)
		err = take_named(&cli, argc - end - 1, argv + end + 1);
	if (!err)
		err = settle_filters(&cli);
	cli.words = argv + optind;
	cli.n_words = (unsigned)(end - optind);
	if (!err)
		err = act(&cli);
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE && !err)
		err = complain("cannot write the output: %s", strerror(errno));
	free(cli.filters);
	return err;
}
