/*
 * From jobs to an exit code: compile, start, step until the end. With several jobs each fails alone; the exit code is
 * then that of the first failure, after the others have ended.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "cli/job.h"

#define STEP_MS 100
#define NOTIFY	"__BPFTRACE_NOTIFY_PROBES_ATTACHED"

/* The only state that a signal handler can reach: how many requests to stop have come. */
static volatile int stop_requests;

static void on_stop(int number)
{
	(void)number;
	if (stop_requests++)
		_exit(128 + SIGINT);
}

/* Not before the run starts: until then there is nothing to take down, and a signal simply ends the process. */
static void catch_signals(void)
{
	struct sigaction stop = { .sa_handler = on_stop };

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a file at its limit is as a full disk */
}

static FILE *messages_of(const struct job *job)
{
	return job->messages ? job->messages : stderr;
}

/* Where -o leads, all jobs write. */
static int open_outputs(struct cli *cli, struct jobs *jobs)
{
	int err;

	cli->run.sz = sizeof(cli->run);
	err = cli->run.check_only ? 0 : open_output(cli);

	for (size_t i = 0; i < jobs->n && !err; i++) {
		struct jb_run_options *run = &jobs->list[i].run;

		run->out_fd = cli->run.out_fd;
		run->file = cli->run.file;
		run->folder = cli->run.folder;
		run->files = cli->run.files;
	}
	return err;
}

static int compile_job(struct job *job)
{
	struct jb_source source = { .sz = sizeof(source),
				    .name = job->text.name,
				    .text = job->text.bytes,
				    .len = job->text.len };

	job->program = jb_compile(&source, &job->compile, messages_of(job));
	fflush(messages_of(job));
	return job->program ? 0 : EXIT_USAGE;
}

/* The exit code. A process that has ended since -p was read is the same mistake as one that never was. */
static int start_failed(const struct job *job, int err)
{
	if (err == -EINTR) {
		fputs("jbtrace: interrupted before all probes were attached\n", messages_of(job));
		return 0;
	}
	return err == -ESRCH && job->compile.pid ? EXIT_USAGE : EXIT_RUN;
}

/* 0, or the exit code; what a session has of a job is its run. */
static int start_job(struct job *job, struct jb_session *session)
{
	struct jb_run *run;
	int err = 0;

	job->run.interrupt = &stop_requests;
	run = jb_start(job->program, &job->run, &err);
	fflush(messages_of(job));
	if (run)
		return jb_session_add(session, job->name, run) ? EXIT_RUN : 0;
	err = start_failed(job, err);
	return err;
}

/* The exit code of the first job that could not be started; *n is how many could. */
static int start_jobs(const struct cli *cli, struct jobs *jobs, struct jb_session *session,
		      size_t *n)
{
	int code = 0;

	for (size_t i = 0; i < jobs->n && !stop_requests; i++) {
		struct job *job = &jobs->list[i];
		int err = job->program ? start_job(job, session) : EXIT_USAGE;

		if (err)
			jb_session_add_failed(session, job->name,
					      job->program ? "it could not be started"
							   : "it does not compile");
		*n += job->program && !err;
		code = code ? code : err;
		if (jobs->n > 1 && cli->run.check_only)
			printf("%s: %s\n", job->name, err ? "failed" : "good");
	}
	return code;
}

/* Several jobs are armed when the last one is, so that each does not say so for itself. */
static bool take_notify(const struct jobs *jobs)
{
	bool wanted = jobs->n > 1 && getenv(NOTIFY);

	if (wanted)
		unsetenv(NOTIFY);
	return wanted;
}

static int trace(struct cli *cli, struct jobs *jobs)
{
	struct jb_session *session;
	int code = open_outputs(cli, jobs), ended;
	bool notify = take_notify(jobs);
	size_t n = 0;

	if (code)
		return code;
	catch_signals();
	session = jb_session_new(stderr);
	code = open_listen(cli, session);
	if (code)
		return jb_session_close(session), code;
	code = start_jobs(cli, jobs, session, &n);
	if (notify && n) {
		puts(NOTIFY);
		fflush(stdout);
	}
	if (!cli->run.check_only && n) {
		if (jobs->n > 1 && !cli->run.dry_run)
			child_release(cli);
		while (!stop_requests && jb_session_step(session, STEP_MS))
			;
	}
	ended = jb_session_close(session) & 0xff;
	return ended ? ended : code;
}

/* What is shown instead of tracing. */
static void show(const struct cli *cli, const struct job *job)
{
	if (cli->mode == MODE_LIST)
		jb_list_targets(job->program, stdout);
	else
		jb_dump(job->program, cli->compile.until, stdout);
}

int jobs_run(struct cli *cli, struct jobs *jobs)
{
	int code = 0;
	bool good = false;

	for (size_t i = 0; i < jobs->n; i++) {
		struct job *job = &jobs->list[i];
		int err = compile_job(job);

		code = code ? code : err;
		good |= !err;
		if (!err && cli->compile.partial)
			show(cli, job);
	}
	if (cli->compile.partial || (!good && jobs->n == 1))
		return code;
	return trace(cli, jobs);
}
