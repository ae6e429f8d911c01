/* One job from text to a run that is attached. */
#include <errno.h>

#include "cli/job.h"

FILE *job_messages(const struct job *job)
{
	return job->messages ? job->messages : stderr;
}

int job_compile(struct job *job)
{
	struct jb_source source = { .sz = sizeof(source),
				    .name = job->text.name,
				    .text = job->text.bytes,
				    .len = job->text.len };

	job->program = jb_compile(&source, &job->compile, job_messages(job));
	fflush(job_messages(job));
	return job->program ? 0 : EXIT_USAGE;
}

/* The exit code. A process that has ended since -p was read is the same mistake as one that never was. */
static int start_failed(const struct job *job, int err)
{
	if (err == -EINTR) {
		fputs("jbtrace: interrupted before all probes were attached\n", job_messages(job));
		return 0;
	}
	return err == -ESRCH && job->compile.n_filters ? EXIT_USAGE : EXIT_RUN;
}

struct jb_run *job_begin(struct job *job, int *code)
{
	struct jb_run *run;
	int err = 0;

	job->run.interrupt = signals_stops();
	job->run.signals = signals_users();
	run = jb_start(job->program, &job->run, &err);
	*code = run ? 0 : start_failed(job, err);
	fflush(job_messages(job));
	return run;
}
