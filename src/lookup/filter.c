/*
 * Process filters as the user writes them to numbers. It reads /proc, the user database and the cgroup file system, and
 * knows nothing of what is done with the result.
 */
#include "lookup/filter.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/globset.h"

#define NAME_MAX_BYTES 15	   /* the kernel's TASK_COMM_LEN without the final zero */
#define FIRST_NS_INODE 0xEFFFFFF8u /* numbers of namespaces begin here (PROC_*_INIT_INO) */
#define INIT_CGROUP_NS 0xEFFFFFFBu
#define CGROUP2_MAGIC  0x63677270

struct reading {
	struct arena *arena;
	struct plan_filter *filter;
	char *why;
	size_t room;
};

static int refuse(struct reading *reading, int err, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int refuse(struct reading *reading, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(reading->why, reading->room, fmt, ap);
	va_end(ap);
	return err;
}

/* A decimal number and nothing else. */
static bool read_number(const char *text, uint64_t max, uint64_t *number)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !*end && !errno && *number <= max;
}

static int read_pid(struct reading *reading, const char *value)
{
	uint64_t pid;
	int fd;

	if (!read_number(value, UINT64_MAX, &pid) || !pid)
		return refuse(reading, -EINVAL, "'%s' is not the number of a process", value);
	fd = pid > INT_MAX ? -1 : (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
	if (fd < 0 && (pid > INT_MAX || errno == ESRCH))
		return refuse(reading, -ESRCH, "there is no process %" PRIu64, pid);
	if (fd < 0 && (errno == EINVAL || errno == ENOENT))
		return refuse(reading, -EINVAL, "%" PRIu64 " is a thread, not a process", pid);
	if (fd >= 0)
		close(fd);
	reading->filter->number = pid;
	return 0;
}

static int read_comm(struct reading *reading, const char *value)
{
	bool open;
	size_t n = glob_length(value, &open);

	if (strstr(value, "[[:"))
		return refuse(reading, -EINVAL,
			      "classes such as [[:alpha:]] are not known in '%s': write [a-zA-Z]",
			      value);
	if (n > NAME_MAX_BYTES && (open || strpbrk(value, "?[\\")))
		return refuse(reading, -EINVAL,
			      "nothing can be called '%s': the kernel keeps %d bytes of a name",
			      value, NAME_MAX_BYTES);
	if (n > NAME_MAX_BYTES)
		return refuse(
			reading, -EINVAL,
			"nothing can be called '%s': the kernel keeps %d bytes of a name (%.*s)",
			value, NAME_MAX_BYTES, NAME_MAX_BYTES, value);
	reading->filter->text = arena_strdup(reading->arena, value);
	return 0;
}

static int read_uid(struct reading *reading, const char *value)
{
	struct passwd entry, *found = NULL;
	char text[4096];

	if (read_number(value, UINT32_MAX - 1, &reading->filter->number))
		return 0;
	if (getpwnam_r(value, &entry, text, sizeof(text), &found) || !found)
		return refuse(reading, -ENOENT, "there is no user '%s'", value);
	reading->filter->number = found->pw_uid;
	return 0;
}

/* Group 0 is that of the kernel's own threads. kill(-1) would ask for everybody. */
static bool group_exists(uint64_t group)
{
	if (group <= 1)
		return group == 0 || getpgid(1) == 1;
	return kill(-(pid_t)group, 0) == 0 || errno == EPERM;
}

static int read_pgid(struct reading *reading, const char *value)
{
	uint64_t group;

	if (!read_number(value, UINT64_MAX, &group))
		return refuse(reading, -EINVAL, "'%s' is not the number of a process group", value);
	if (group > INT_MAX || !group_exists(group))
		return refuse(reading, -ESRCH, "there is no process group %" PRIu64, group);
	reading->filter->number = group;
	return 0;
}

/* --- pid namespaces --- */

static uint64_t inode_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : st.st_ino;
}

/* A namespace that exists has a process, its first one. */
static bool pidns_has_process(uint64_t inode)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	bool found = false;

	while (folder && !found && (entry = readdir(folder))) {
		char path[300];

		if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/ns/pid", entry->d_name);
		found = inode_of(path) == inode;
	}
	if (folder)
		closedir(folder);
	return found;
}

static int pidns_of_process(struct reading *reading, uint64_t pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%" PRIu64 "/ns/pid", pid);
	reading->filter->number = inode_of(path);
	if (!reading->filter->number)
		return refuse(reading, -ESRCH,
			      "%" PRIu64
			      " is neither the inode of a pid namespace nor the number of a "
			      "process in one",
			      pid);
	return 0;
}

static int pidns_of_file(struct reading *reading, const char *path)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	reading->filter->number = inode_of(path);
	if (!reading->filter->number)
		return refuse(reading, -ENOENT, "cannot open '%s': %s", path, strerror(errno));
	target[n > 0 ? n : 0] = '\0';
	/* A file that a namespace is mounted on is no link: then its number must do. */
	if ((n > 0 && strncmp(target, "pid:[", 5)) || reading->filter->number < FIRST_NS_INODE)
		return refuse(reading, -EINVAL, "'%s' is not a pid namespace", path);
	return 0;
}

/* Namespaces have numbers that no process reaches, so that both may be written. */
static int read_pidns(struct reading *reading, const char *value)
{
	uint64_t number;
	int n = 0;

	if (strchr(value, '/'))
		return pidns_of_file(reading, value);
	if (sscanf(value, "pid:[%" SCNu64 "]%n", &number, &n) != 1 || !n || value[n]) {
		if (!read_number(value, UINT32_MAX, &number) || !number)
			return refuse(reading, -EINVAL,
				      "'%s' is neither the inode of a pid namespace nor the "
				      "number of a process in one",
				      value);
		if (number < FIRST_NS_INODE)
			return pidns_of_process(reading, number);
	}
	if (!pidns_has_process(number))
		return refuse(reading, -ENOENT, "there is no pid namespace %" PRIu64, number);
	reading->filter->number = number;
	return 0;
}

/* --- cgroups --- */

struct cgroup_mount {
	char point[PATH_MAX];
	char root[PATH_MAX]; /* which cgroup is mounted there, as our cgroup namespace sees it */
};

/* mountinfo writes blanks and backslashes as \OOO. */
static void unescape(char *text)
{
	char *to = text;

	for (; *text; text++) {
		unsigned byte;

		if (*text == '\\' && sscanf(text + 1, "%3o", &byte) == 1) {
			*to++ = (char)byte;
			text += 3;
		} else {
			*to++ = *text;
		}
	}
	*to = '\0';
}

static bool find_mount(struct cgroup_mount *mount)
{
	FILE *in = fopen("/proc/self/mountinfo", "re");
	size_t room = 0;
	char *line = NULL;
	bool found = false;

	while (in && !found && getline(&line, &room, in) > 0) {
		const char *rest = strstr(line, " - ");

		found = rest && !strncmp(rest, " - cgroup2 ", 11) &&
			sscanf(line, "%*s %*s %*s %4095s %4095s", mount->root, mount->point) == 2;
	}
	if (in)
		fclose(in);
	free(line);
	unescape(mount->root);
	unescape(mount->point);
	return found;
}

static unsigned depth_of(const char *path)
{
	unsigned n = 0;

	for (; *path; path++)
		n += *path == '/' && path[1] && path[1] != '/';
	return n;
}

/* "/sys/fs/cgroup/a/b", "/a/b" and "a/b" are the same, and "/" and "" are the root. */
static bool find_cgroup(const struct cgroup_mount *mount, const char *value, char *real)
{
	size_t len = strlen(mount->point);
	char *path = NULL;
	bool found;

	if (!strncmp(value, mount->point, len) && (!value[len] || value[len] == '/'))
		value += len;
	if (asprintf(&path, "%s/%s", mount->point, value) < 0)
		return false;
	found = realpath(path, real) && !strncmp(real, mount->point, len) &&
		(!real[len] || real[len] == '/');
	free(path);
	return found;
}

static bool is_cgroup(const char *path, struct stat *st)
{
	struct statfs fs;

	return stat(path, st) == 0 && S_ISDIR(st->st_mode) && statfs(path, &fs) == 0 &&
	       fs.f_type == CGROUP2_MAGIC;
}

static int read_cgroup(struct reading *reading, const char *value)
{
	struct cgroup_mount mount = { "", "" };
	struct plan_filter *filter = reading->filter;
	char real[PATH_MAX];
	struct stat st;

	if (!find_mount(&mount))
		return refuse(reading, -ENOTSUP,
			      "cgroup version 2 is not mounted on this machine (mount -t cgroup2)");
	if (!find_cgroup(&mount, value, real) || !is_cgroup(real, &st))
		return refuse(reading, -ENOENT,
			      "there is no cgroup '%s' (version 2, which is mounted on %s)", value,
			      mount.point);
	filter->number = st.st_ino;
	filter->text = arena_strdup(reading->arena, real + strlen(mount.point));
	filter->level = depth_of(mount.root) + depth_of(filter->text);
	/* Inside a cgroup namespace nothing tells how deep that lies. */
	if (inode_of("/proc/self/ns/cgroup") != INIT_CGROUP_NS)
		filter->level = FILTER_ANY_LEVEL;
	return 0;
}

int filter_read(struct arena *arena, enum filter_kind kind, const char *value,
		struct plan_filter *filter, char *why, size_t room)
{
	static int (*const readers[])(struct reading *, const char *) = {
		[FILTER_PID] = read_pid,     [FILTER_COMM] = read_comm,
		[FILTER_UID] = read_uid,     [FILTER_CGROUP] = read_cgroup,
		[FILTER_PIDNS] = read_pidns, [FILTER_PGID] = read_pgid,
	};
	struct reading reading = { .arena = arena, .filter = filter, .room = room };

	reading.why = why;
	*filter = (struct plan_filter){ .kind = kind };
	if (!*value)
		return refuse(&reading, -EINVAL, "the value is empty");
	return readers[kind](&reading, value);
}
