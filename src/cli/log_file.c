/*
 * The file behind a log: appended to by whole lines, rotated by day or size, the oldest removed.
 */
#include "cli/log_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define STAMP	  "%Y%m%d_%H%M%S"
#define STAMP_LEN 15
#define OLD_MAX	  4096

static int day_of(time_t time)
{
	struct tm local;

	localtime_r(&time, &local);
	return local.tm_year * 366 + local.tm_yday;
}

/* Not blocking, because it may be a pipe that nobody reads. */
static int open_path(const char *path)
{
	int fd =
		open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);

	return fd < 0 ? -errno : fd;
}

/* --- old files --- */

/* "NAME.YYYYmmdd_HHMMSS", and "-1", "-2", ... behind it for several in one second. */
static bool is_old(const char *entry, const char *name)
{
	size_t len = strlen(name);
	const char *stamp = entry + len + 1;

	if (strncmp(entry, name, len) || entry[len] != '.' || strlen(stamp) < STAMP_LEN)
		return false;
	for (int i = 0; i < STAMP_LEN; i++)
		if (i == 8 ? stamp[i] != '_' : stamp[i] < '0' || stamp[i] > '9')
			return false;
	return stamp[STAMP_LEN] == '\0' || stamp[STAMP_LEN] == '-';
}

static int compare_old(const void *a, const void *b)
{
	return strverscmp(*(char *const *)a, *(char *const *)b);
}

static size_t list_old(const char *folder, const char *name, char **list)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t n = 0;

	while (dir && n < OLD_MAX && (entry = readdir(dir)))
		if (is_old(entry->d_name, name) && (list[n] = strdup(entry->d_name)))
			n++;
	if (dir)
		closedir(dir);
	qsort(list, n, sizeof(*list), compare_old);
	return n;
}

static void remove_old(const struct log_file *file)
{
	char folder[4096], path[8192], **list;
	const char *slash = strrchr(file->options.path, '/');
	const char *name = slash ? slash + 1 : file->options.path;
	size_t n;

	if (!file->options.keep)
		return;
	list = calloc(OLD_MAX, sizeof(*list));
	if (!list)
		return;
	snprintf(folder, sizeof(folder), "%.*s", slash ? (int)(slash - file->options.path) + 1 : 1,
		 slash ? file->options.path : ".");
	n = list_old(folder, name, list);
	for (size_t i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, list[i]);
		if (i + file->options.keep < n)
			unlink(path);
		free(list[i]);
	}
	free(list);
}

/*
 * A name that no file has. The time is that of the last line, so that a day's file has that day in its name. Numbers tell
 * files of one second apart; those that were used are not used again, so that the order of names is that of time.
 */
static bool old_name(struct log_file *file, char *path, size_t room)
{
	char stamp[sizeof(file->stamp)];
	struct stat st;
	struct tm local;

	if (fstat(file->fd, &st))
		return false;
	localtime_r(&st.st_mtime, &local);
	strftime(stamp, sizeof(stamp), STAMP, &local);
	if (strcmp(stamp, file->stamp))
		file->n_stamped = 0;
	memcpy(file->stamp, stamp, sizeof(file->stamp));
	do {
		unsigned n = file->n_stamped++;

		snprintf(path, room, n ? "%s.%s-%u" : "%s.%s", file->options.path, stamp, n);
	} while (access(path, F_OK) == 0 && file->n_stamped < OLD_MAX);
	return access(path, F_OK) != 0;
}

/* When something fails, the file simply grows on. */
static void rotate(struct log_file *file)
{
	char path[8192];
	int fd;

	if (!old_name(file, path, sizeof(path)) || rename(file->options.path, path))
		return;
	fd = open_path(file->options.path);
	if (fd < 0) {
		rename(path, file->options.path);
		return;
	}
	close(file->fd);
	file->fd = fd;
	file->size = 0;
	remove_old(file);
}

/* --- the file --- */

/* Size and day as the file has them. */
static void look(struct log_file *file)
{
	struct stat st;

	file->size = 0;
	file->day = day_of(time(NULL));
	if (fstat(file->fd, &st) || !S_ISREG(st.st_mode))
		return;
	file->size = (uint64_t)st.st_size;
	if (file->size)
		file->day = day_of(st.st_mtime);
}

static void rotate_if_due(struct log_file *file, size_t more)
{
	int today = day_of(time(NULL));
	bool due = file->options.daily && today != file->day;

	if (file->options.max_bytes && file->size + more > file->options.max_bytes)
		due = true;
	if (due && file->size)
		rotate(file);
	file->day = today;
}

int log_file_open(struct log_file *file, const struct log_file_options *options)
{
	*file = (struct log_file){ .options = *options, .fd = -1 };
	file->options.path = strdup(options->path);
	if (!file->options.path)
		return -ENOMEM;
	file->fd = open_path(options->path);
	if (file->fd < 0) {
		int err = file->fd;

		free((char *)file->options.path);
		return err;
	}
	look(file);
	rotate_if_due(file, 0);
	return 0;
}

void log_file_reopen(struct log_file *file)
{
	int fd = file->fd < 0 ? -1 : open_path(file->options.path);

	if (fd < 0)
		return;
	close(file->fd);
	file->fd = fd;
	look(file);
}

void log_file_close(struct log_file *file)
{
	if (file->fd < 0)
		return;
	close(file->fd);
	free((char *)file->options.path);
	file->fd = -1;
}

/* All of it, or, with what was written of it taken back, -errno. */
static int write_whole(struct log_file *file, const char *line, size_t len)
{
	ssize_t n;

	do
		n = write(file->fd, line, len);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len) {
		file->size += len;
		return 0;
	}
	if (n < 0)
		return -errno;
	return ftruncate(file->fd, (off_t)file->size) ? -errno : -ENOSPC;
}

static int tell_lost(struct log_file *file)
{
	char text[128];
	int len = snprintf(text, sizeof(text), "(%lu log lines were lost: %s)\n", file->n_lost,
			   strerror(file->lost_because));
	int err = write_whole(file, text, (size_t)len);

	if (!err)
		file->n_lost = 0;
	return err;
}

void log_file_write(struct log_file *file, const char *line, size_t len)
{
	int err = 0;

	rotate_if_due(file, len);
	if (file->n_lost)
		err = tell_lost(file);
	if (!err)
		err = write_whole(file, line, len);
	if (!err)
		return;
	file->n_lost++;
	file->lost_because = -err;
}
