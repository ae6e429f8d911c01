/* Pid files whose lock tells whether the daemon lives. */
#include "cli/pidfile.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TRIES	30
#define NAP_MS	10
#define POLL_MS 20

static void nap_ms(int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000l };

	nanosleep(&time, NULL);
}

static pid_t read_number(int fd)
{
	char text[32];
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	char *end;
	long pid;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	pid = strtol(text, &end, 10);
	return end != text && (*end == '\n' || !*end) && pid > 0 && pid <= INT32_MAX ? (pid_t)pid
										     : 0;
}

/* Is the file still the one of that name? Another daemon may have removed it since it was opened. */
static bool is_current(int fd, const char *path)
{
	struct stat ours, theirs;

	return fstat(fd, &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino == theirs.st_ino &&
	       ours.st_dev == theirs.st_dev;
}

/*
 * An open file with the lock, or -errno. Whoever only asks takes it for a moment, too, and a daemon that is just
 * starting has not written its number yet: so several tries.
 */
static int open_locked(const char *path, pid_t *holder)
{
	*holder = 0;
	for (int i = 0; i < TRIES; i++) {
		int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0644);
		int err;

		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			/* The number of a daemon that crashed is not to be taken for ours. */
			if (is_current(fd, path) && ftruncate(fd, 0) == 0)
				return fd;
			close(fd);
			continue;
		}
		err = -errno;
		*holder = read_number(fd);
		close(fd);
		if (err != -EWOULDBLOCK)
			return err;
		nap_ms(NAP_MS);
	}
	return -EBUSY;
}

int pidfile_take(struct pidfile *file, const char *path, pid_t *holder)
{
	*file = (struct pidfile){ .path = strdup(path), .fd = -1 };
	if (!file->path)
		return -ENOMEM;
	file->fd = open_locked(path, holder);
	if (file->fd >= 0)
		return 0;
	free(file->path);
	file->path = NULL;
	return file->fd;
}

int pidfile_write(const struct pidfile *file)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%ld\n", (long)getpid());

	errno = 0;
	return pwrite(file->fd, text, (size_t)len, 0) == len ? 0 : errno ? -errno : -ENOSPC;
}

void pidfile_drop(struct pidfile *file)
{
	if (file->fd < 0)
		return;
	/* While the lock is held, so that it is not the next one's file that goes. */
	if (is_current(file->fd, file->path))
		unlink(file->path);
	close(file->fd);
	free(file->path);
	*file = (struct pidfile){ .fd = -1 };
}

/* Does somebody hold the lock? 1, 0, or -errno. */
static int is_held(int fd)
{
	if (flock(fd, LOCK_SH | LOCK_NB))
		return errno == EWOULDBLOCK ? 1 : -errno;
	flock(fd, LOCK_UN);
	return 0;
}

pid_t pidfile_holder(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	pid_t pid = 0;
	int held;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	held = is_held(fd);
	for (int i = 0; held > 0 && !pid && i < TRIES; i++) {
		pid = read_number(fd);
		if (!pid)
			nap_ms(NAP_MS);
		held = is_held(fd);
	}
	close(fd);
	return held < 0 ? held : !held ? 0 : pid ? pid : -EBUSY;
}

static int ms_since(const struct timespec *begin)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int)((now.tv_sec - begin->tv_sec) * 1000 +
		     (now.tv_nsec - begin->tv_nsec) / 1000000);
}

/* Until the process is gone and the lock is free, or another one's. */
static int wait_for_end(const char *path, pid_t pid, int pid_fd, int timeout_ms)
{
	struct pollfd fds = { .fd = pid_fd, .events = POLLIN };
	struct timespec begin;

	clock_gettime(CLOCK_MONOTONIC, &begin);
	for (;;) {
		int left = timeout_ms - ms_since(&begin);
		bool gone = poll(&fds, 1, left < 0 ? 0 : left < POLL_MS ? left : POLL_MS) > 0;
		pid_t holder = gone ? pidfile_holder(path) : pid;

		if (holder == 0 || (holder > 0 && holder != pid))
			return 0;
		if (holder < 0 && holder != -EBUSY)
			return (int)holder;
		if (left <= 0)
			return -ETIMEDOUT;
		if (gone)
			nap_ms(NAP_MS); /* its lock goes with its last file descriptor */
	}
}

pid_t pidfile_stop(const char *path, int timeout_ms, pid_t *holder)
{
	pid_t pid = pidfile_holder(path);
	int fd, err = 0;

	*holder = pid;
	if (pid <= 0)
		return pid;
	/* A handle on the process, and only then the question again: the number cannot have passed to another one. */
	fd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (fd < 0)
		return errno == ESRCH ? 0 : -errno;
	if (pidfile_holder(path) != pid)
		err = -EAGAIN;
	else if (syscall(SYS_pidfd_send_signal, fd, SIGTERM, NULL, 0))
		err = -errno;
	else
		err = wait_for_end(path, pid, fd, timeout_ms);
	close(fd);
	return err ? err : pid;
}
