#ifndef JB_CLI_H
#define JB_CLI_H
/* What the files of the command line share: what the options say, and what else there is to know of a start. */
#include <stdbool.h>
#include <stdint.h>
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
	MODE_HELP_CONFIG,
	MODE_DAEMON_STATUS,
	MODE_DAEMON_STOP,
	MODE_VERSION
};

struct cli {
	enum mode mode;
	const char *program; /* -e */
	const char *command; /* -c */
	const char *output;  /* -o */
	const char *scripts; /* -m */
	char **words;	     /* what is no option: the script and its parameters */
	unsigned n_words;
	const char *named[PARAMS_MAX]; /* behind `--`: options of the scripts */
	unsigned n_named;
	struct jb_options compile;
	struct jb_run_options run;
	struct jb_listen listen; /* --listen and what goes with it */
	bool listens;
	char listen_address[64], listen_user[128], listen_password[256];
	const char *config;   /* --config */
	const char *pid_file; /* --pid-file */
	const char *log_file; /* --log */
	int log_level;	      /* --log-level: 1 + enum log_level; 0: not said */
	bool daemonize;
	struct jb_filter *filters; /* heap; values are borrowed */
	unsigned n_filters;
	bool warnings, no_warnings, ignored;
	pid_t child;
	bool child_released; /* by child_release: it is ours to end */
};

/* One sentence on stderr, or on another stream. Returns EXIT_USAGE. */
int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int complain_to(FILE *out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Options, in any order among the other words, which `optind` points to afterwards. 0, or the exit code. */
int parse_options(struct cli *cli, int argc, char **argv);
/* `option` is how messages call it. 0, or the exit code after a message. */
int add_filter(struct cli *cli, const char *option, const struct jb_filter *filter);
/* When all options are read: filters, pid and follow of cli->compile. 0, or the exit code. */
int settle_filters(struct cli *cli);
void print_usage(FILE *out);

/* listen.c */
int set_listen(struct cli *cli, const char *value);
int set_listen_user(struct cli *cli, const char *value);
int set_series(struct cli *cli, const char *value);
int set_expire(struct cli *cli, const char *value);
/* The first line of a file. `option` is for messages. 0, or EXIT_USAGE. */
int read_password(const char *option, const char *path, char *password, int room, FILE *messages);
/* Serve when that is asked for: before anything is attached, so that a mistake costs nothing. 0, or the exit code. */
int open_listen(struct cli *cli, struct jb_session *session);

/* child.c: the command of -c. */
/* Start it, held back until everything is attached. 0, or the exit code. */
int child_start(struct cli *cli);
/* Let it go. A single script does that itself, and ends it, too. */
void child_release(struct cli *cli);
void child_end(struct cli *cli);

/* output.c: where the script's output goes. Each returns 0, or the exit code after a sentence. */
int set_rotate(struct cli *cli, const char *value);
int set_keep(struct cli *cli, const char *value);
/* -o FILE is opened, -o FOLDER/ is made; where, is in cli->run. */
int open_output(struct cli *cli);
/* Metrics replace their file as a whole, so that it is not opened for them; pipes and devices are written to. */
bool is_replaced(const char *path, const char *format);
/* Is it a folder, or will it be one? */
bool is_folder(const char *path);
/* "10s", "5m", "7d" to nanoseconds; "10MB" to bytes. false: it is none. */
bool parse_time(const char *text, uint64_t *ns);
bool parse_size(const char *text, uint64_t *bytes);

#endif
