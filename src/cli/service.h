#ifndef JB_CLI_SERVICE_H
#define JB_CLI_SERVICE_H
/*
 * The program as a service: --config and --daemon. It logs, tells the service manager, reloads on SIGHUP, and ends on
 * SIGTERM with everything written.
 */
#include "cli/cli.h"
#include "cli/config.h"
#include "cli/job.h"
#include "cli/log.h"

#define PID_FILE "/run/jbtrace.pid"

/* From the command line to the exit code. */
int service_run(struct cli *cli);
/* --daemon-status and --daemon-stop. */
int service_ask(const struct cli *cli);

/* setup.c */
/*
 * The jobs that a configuration asks for (NULL: the command line alone). A script whose text cannot be read is in the
 * list, too, as failed, after a message. 0, or the exit code.
 */
int setup_jobs(struct jobs *jobs, const struct cli *cli, const struct config_values *config,
	       FILE *messages);
/* The texts are borrowed from both. */
struct log_options setup_log(const struct cli *cli, const struct config_values *config);
/* Serve what is asked for. 0, or the exit code after a message. */
int setup_listen(struct cli *cli, const struct config_values *config, struct jb_session *session,
		 FILE *messages);
/* All that setup_listen goes by in one text, to see whether it has changed. Heap. */
char *setup_listen_signature(const struct cli *cli, const struct config_values *config);
/* Is everything there that a configuration names? Nothing is changed. 0, or EXIT_USAGE after messages. */
int setup_check(const struct config_values *config, FILE *messages);

/* sinks.c: files that scripts append to. */
struct sink {
	char *path;
	int fd;
	unsigned users;
};

struct sinks {
	struct sink list[JOBS_MAX];
};

/* Open what the job writes to. Jobs of one path share it. 0, or EXIT_USAGE after a message. */
int sink_open(struct sinks *sinks, struct job *job);
void sink_close(struct sinks *sinks, const struct job *job);
void sinks_close(struct sinks *sinks);
/* For files that were moved away: begin new ones under the numbers that the runs have. */
void sinks_reopen(struct sinks *sinks, FILE *messages);

/* daemon.c */
/* -1 in the daemon, which then has *report; in the caller the exit code, once the daemon has reported or died. */
int daemon_fork(int *report);
/* Will standard output still lead somewhere when the terminal has been let go? */
bool daemon_keeps_output(int report);
/* Let the caller go with this exit code, and let the terminal go. */
void daemon_report(int report, int code);

#endif
