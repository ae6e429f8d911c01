#ifndef JB_CLI_SERVICE_STATE_H
#define JB_CLI_SERVICE_STATE_H
/* What the files of the service share: service.c, reload.c. */
#include "cli/notify.h"
#include "cli/pidfile.h"
#include "cli/service.h"

struct service {
	struct cli *cli;
	char *name; /* in messages */
	struct log *log;
	FILE *messages; /* what is about no script */
	struct notify notify;
	struct pidfile pidfile;
	int report; /* where the caller of --daemon waits; -1: nowhere */
	struct jb_session *session;
	struct jobs jobs;
	struct sinks sinks;
	char *listen; /* signature of what is served */
	uint64_t retry_ns, next_retry_ns;
	bool keep_running, watchdog;
};

/* Log and settings, at the start and when they have changed. */
void service_configure(struct service *service, const struct config_values *config);
/* The job's messages go to the log. */
void service_open_stream(struct service *service, struct job *job);
/* Compile, open, attach. The run, which is nobody's yet, or NULL; the job knows why. Returns its exit code. */
int service_start_job(struct service *service, struct job *job, struct jb_run **run);
/* What a job that does not run any more has open. */
void service_release_job(struct service *service, struct job *job);
void service_tell_failed(struct service *service, struct job *job);
/* READY= and STATUS= for the service manager. */
void service_tell_ready(const struct service *service);

/* reload.c */
/* Remember what each job is run with, so that a reload can tell which has changed. */
void service_sign_jobs(struct jobs *jobs);
void service_reload(struct service *service);
/* A job that has failed. */
void service_try_again(struct service *service, struct job *job);

#endif
