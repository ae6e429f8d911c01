#ifndef JB_CLI_PIDFILE_H
#define JB_CLI_PIDFILE_H
/*
 * One daemon for one pid file. What counts is the lock (flock) that a daemon holds on it for life; the number in it
 * only says who holds it, so that a file left behind by a crash, or a number that another process has by now, is no
 * daemon.
 */
#include <sys/types.h>

struct pidfile {
	char *path;
	int fd; /* -1: not held */
};

/*
 * Create the file and lock it. 0; -EBUSY: a daemon holds it, and *holder is its number (0: not known yet); else -errno.
 * A lock is inherited by fork(), so that the parent may take it and the child keep it.
 */
int pidfile_take(struct pidfile *file, const char *path, pid_t *holder);
/* Write the number of this process into it. 0, or -errno. */
int pidfile_write(const struct pidfile *file);
/* Remove the file and let the lock go. */
void pidfile_drop(struct pidfile *file);

/* The daemon that holds the lock; 0: nobody does, or there is no file; -errno: it cannot be told. */
pid_t pidfile_holder(const char *path);
/*
 * Ask the holder to end (SIGTERM) and wait until the lock is free. Its number; 0: nobody held it; -ETIMEDOUT: it has not
 * ended in time, and *holder is its number; else -errno.
 */
pid_t pidfile_stop(const char *path, int timeout_ms, pid_t *holder);

#endif
