#ifndef JB_CLI_H
#define JB_CLI_H
/* What the two files of the command line share: main.c, which acts, and options.c, which reads options. */
#include <stdio.h>
#include <sys/types.h>

#include "jbtrace.h"

#define EXIT_USAGE 1
#define EXIT_RUN   255
#define PARAMS_MAX 256

enum mode {
	MODE_RUN,
	MODE_LIST,
	MODE_INFO,
	MODE_HELP,
	MODE_HELP_BUILTINS,
	MODE_HELP_ROFF,
	MODE_VERSION
};

struct cli {
	enum mode mode;
	const char *program; /* -e */
	const char *command; /* -c */
	const char *output;  /* -o */
	const char *params[PARAMS_MAX];
	const char *named[PARAMS_MAX];
	struct jb_options compile;
	struct jb_run_options run;
	bool warnings, no_warnings, ignored;
	pid_t child;
};

/* One sentence on stderr. Returns EXIT_USAGE. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Options, in any order among the other words, which `optind` points to afterwards. 0, or the exit code. */
int parse_options(struct cli *cli, int argc, char **argv);
void print_usage(FILE *out);

#endif
