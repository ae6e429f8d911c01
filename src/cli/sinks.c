/*
 * The files that scripts of a service append to. Several scripts may share one; after SIGHUP it is opened anew under the
 * same descriptor, so that the runs notice nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/service.h"

/* Never descriptor 0, which stands for standard output. */
static int open_path(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644), other;

	if (fd)
		return fd;
	other = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	close(fd);
	return other;
}

static struct sink *find_sink(struct sinks *sinks, const char *path)
{
	struct sink *free_one = NULL;

	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct sink *sink = &sinks->list[i];

		if (sink->users && strcmp(sink->path, path) == 0)
			return sink;
		if (!sink->users)
			free_one = sink;
	}
	return free_one;
}

static int open_file(struct sinks *sinks, struct job *job)
{
	struct sink *sink = find_sink(sinks, job->output);
	int fd;

	if (!sink)
		return complain_to(job_messages(job), "too many files");
	if (!sink->users) {
		fd = open_path(job->output);
		if (fd < 0)
			return complain_to(job_messages(job), "cannot write '%s': %s", job->output,
					   strerror(errno));
		*sink = (struct sink){ .path = strdup(job->output), .fd = fd };
		if (!sink->path)
			abort();
	}
	sink->users++;
	job->run.out_fd = sink->fd;
	return 0;
}

int sink_open(struct sinks *sinks, struct job *job)
{
	if (job->run.folder)
		return jb_check_output(&job->run, job_messages(job)) ? EXIT_USAGE : 0;
	if (!job->output || job->run.file)
		return 0;
	return open_file(sinks, job);
}

void sink_close(struct sinks *sinks, const struct job *job)
{
	struct sink *sink =
		job->output && job->run.out_fd > 0 ? find_sink(sinks, job->output) : NULL;

	if (!sink || !sink->users || --sink->users)
		return;
	close(sink->fd);
	free(sink->path);
}

void sinks_close(struct sinks *sinks)
{
	for (size_t i = 0; i < JOBS_MAX; i++) {
		if (!sinks->list[i].users)
			continue;
		close(sinks->list[i].fd);
		free(sinks->list[i].path);
		sinks->list[i].users = 0;
	}
}

void sinks_reopen(struct sinks *sinks, FILE *messages)
{
	for (size_t i = 0; i < JOBS_MAX; i++) {
		struct sink *sink = &sinks->list[i];
		int fd = sink->users ? open_path(sink->path) : -1;

		if (!sink->users)
			continue;
		if (fd < 0) {
			complain_to(messages, "cannot write '%s': %s; it is written to as before",
				    sink->path, strerror(errno));
			continue;
		}
		dup3(fd, sink->fd, O_CLOEXEC);
		close(fd);
	}
}
