/*
 * Going to the background the classic way: two forks and a session of its own, so that no terminal reaches it. The one
 * who called waits until everything is attached, so that mistakes are seen where they were made.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/service.h"

/* The daemon's exit code; a pipe that ends without one means that it was killed. */
static int wait_for_report(int fd)
{
	unsigned char code;
	ssize_t n;

	do
		n = read(fd, &code, 1);
	while (n < 0 && errno == EINTR);
	if (n == 1)
		return code;
	complain("the daemon ended before everything was attached");
	return EXIT_RUN;
}

int daemon_fork(int *report)
{
	int fds[2];
	pid_t pid;

	fflush(NULL);
	if (pipe2(fds, O_CLOEXEC) || (pid = fork()) < 0)
		return complain("cannot go to the background");
	if (pid) {
		close(fds[1]);
		waitpid(pid, NULL, 0);
		return wait_for_report(fds[0]);
	}
	close(fds[0]);
	setsid();
	pid = fork();
	if (pid)
		_exit(pid < 0);
	*report = fds[1];
	return -1;
}

/* A file that output was sent to on purpose is kept; a terminal or a pipe would wait for us. */
static bool is_kept(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void let_go(int fd, int nowhere)
{
	if (!is_kept(fd))
		dup2(nowhere, fd);
}

bool daemon_keeps_output(int report)
{
	return report < 0 || is_kept(STDOUT_FILENO);
}

void daemon_report(int report, int code)
{
	unsigned char byte = (unsigned char)code;
	int nowhere;

	if (report < 0)
		return;
	fflush(NULL);
	nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (nowhere >= 0) {
		dup2(nowhere, STDIN_FILENO);
		let_go(STDOUT_FILENO, nowhere);
		let_go(STDERR_FILENO, nowhere);
		close(nowhere);
	}
	if (write(report, &byte, 1) < 0)
		byte = 0; /* the caller is gone; nobody waits */
	close(report);
}
