/*
 * From jobs to an exit code: compile, start, step until the end. With several jobs each fails alone; the exit code is
 * then that of the first failure, after the others have ended.
 */
#include <stdlib.h>

#include "cli/job.h"

#define STEP_MS 100
#define NOTIFY	"__BPFTRACE_NOTIFY_PROBES_ATTACHED"

/* Where -o leads, all jobs write. */
static int open_outputs(struct cli *cli, struct jobs *jobs)
{
	int err;

	cli->run.sz = sizeof(cli->run);
	err = cli->run.check_only ? 0 : open_output(cli);

	for (size_t i = 0; i < jobs->n && !err; i++) {
		struct jb_run_options *run = &jobs->list[i]->run;

		run->out_fd = cli->run.out_fd;
		run->file = cli->run.file;
		run->folder = cli->run.folder;
		run->files = cli->run.files;
	}
	jobs_tell_apart(jobs);
	return err;
}

/* 0, or the exit code; what a session has of a job is its run. */
static int start_job(struct job *job, struct jb_session *session)
{
	int code;
	struct jb_run *run = job_begin(job, &code);

	if (run)
		return jb_session_add(session, job->name, run) ? EXIT_RUN : 0;
	return code;
}

/* The exit code of the first job that could not be started; *n is how many could. */
static int start_jobs(struct jobs *jobs, struct jb_session *session, size_t *n)
{
	int code = 0;

	for (size_t i = 0; i < jobs->n && !*signals_stops(); i++) {
		struct job *job = jobs->list[i];
		int err = job->program ? start_job(job, session) : EXIT_USAGE;

		if (err)
			jb_session_add_failed(session, job->name,
					      job->program ? "it could not be started"
							   : "it does not compile");
		*n += job->program && !err;
		code = code ? code : err;
	}
	return code;
}

bool jobs_take_notify(void)
{
	bool wanted = getenv(NOTIFY);

	unsetenv(NOTIFY);
	return wanted;
}

void jobs_notify(void)
{
	puts(NOTIFY);
	fflush(stdout);
}

static int trace(struct cli *cli, struct jobs *jobs)
{
	struct jb_session *session;
	int code = open_outputs(cli, jobs), ended;
	bool notify = jobs->n > 1 && jobs_take_notify();
	size_t n = 0;

	if (code)
		return code;
	signals_catch();
	session = jb_session_new(stderr);
	code = open_listen(cli, session);
	if (code)
		return jb_session_close(session), code;
	code = start_jobs(jobs, session, &n);
	if (notify && n)
		jobs_notify();
	if (!cli->run.check_only && n) {
		if (jobs->n > 1 && !cli->run.dry_run)
			child_release(cli);
		while (!*signals_stops() && jb_session_step(session, STEP_MS))
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

static int name_messages(struct jobs *jobs)
{
	for (size_t i = 0; jobs->n > 1 && i < jobs->n; i++) {
		struct job *job = jobs->list[i];

		job->messages = prefix_open(job->name, stderr);
		job->run.messages = job->messages;
		if (!job->messages)
			return complain("out of memory");
	}
	return 0;
}

/* The exit code. One that could not be read has failed already. */
static int check_job(struct job *job)
{
	int code = job->state == JOB_FAILED ? job->code : job_compile(job);
	struct jb_run *run;

	if (code)
		return code;
	job->run.check_only = true;
	run = job_begin(job, &code);
	return run ? jb_stop(run) : code;
}

int jobs_check(struct jobs *jobs)
{
	int code = name_messages(jobs);

	for (size_t i = 0; i < jobs->n; i++) {
		int err = check_job(jobs->list[i]);

		printf("%s: %s\n", jobs->list[i]->name, err ? "failed" : "good");
		fflush(stdout);
		code = code ? code : err;
	}
	return code;
}

int jobs_run(struct cli *cli, struct jobs *jobs)
{
	int code;
	bool good = false;

	if (jobs->n > 1 && cli->run.check_only && !cli->compile.partial)
		return jobs_check(jobs);
	code = name_messages(jobs);

	for (size_t i = 0; i < jobs->n; i++) {
		struct job *job = jobs->list[i];
		int err = job_compile(job);

		code = code ? code : err;
		good |= !err;
		if (!err && cli->compile.partial)
			show(cli, job);
	}
	if (cli->compile.partial || (!good && jobs->n == 1))
		return code;
	return trace(cli, jobs);
}
