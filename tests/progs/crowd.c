/*
 * Processes that differ in what filters ask about, all at work at the same time. Each makes as many calls as its bit
 * says (1, 2, 4, ...), so that a count tells which of them were seen: the system call getpriority with a `which` that
 * nobody else uses, and crowd_step(). Usage: crowd, or crowd many N FILE KIND: N processes that make 1, 2, ... N calls,
 * each with its own process, group, pid namespace or cgroup (KIND pid, pgid, pidns, cgroup); all but the last 5 are
 * written to FILE, one per line. crowd check cgroup|pidns: can they be made? Pids are printed as "pid_NAME number"; the
 * work begins with a line on stdin.
 */
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define WHICH	   0x6a62
#define OTHER_USER 65534
#define MANY_MAX   200

int crowd_step(int n);

__attribute__((noipa)) int crowd_step(int n)
{
	return n;
}

static int ready[2], go[2];   /* everybody is ready, everybody may go */
static volatile long *n_done; /* shared by all */

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void wait_for_go(void)
{
	char byte = 'r';

	if (write(ready[1], &byte, 1) != 1)
		die("ready");
	close(go[1]);
	while (read(go[0], &byte, 1) > 0)
		;
}

static void work(long n)
{
	for (long i = 0; i < n; i++) {
		syscall(SYS_getpriority, WHICH, 0);
		crowd_step((int)i);
	}
	__atomic_fetch_add(n_done, n, __ATOMIC_RELAXED);
}

/* In the child: wait, work, end. */
static void be(long calls)
{
	wait_for_go();
	work(calls);
	_exit(0);
}

/* --- cgroups --- */

static char mount_point[2048], cgroup[4096];

static int find_mount(void)
{
	FILE *in = fopen("/proc/self/mountinfo", "r");
	char line[8192];

	while (in && fgets(line, sizeof(line), in))
		if (strstr(line, " - cgroup2 ") &&
		    sscanf(line, "%*s %*s %*s %*s %2047s", mount_point) == 1) {
			fclose(in);
			return 1;
		}
	return 0;
}

static int make_cgroup(const char *path)
{
	return mkdir(path, 0755) == 0;
}

static void enter_cgroup(const char *path)
{
	char file[4200];
	FILE *out;

	snprintf(file, sizeof(file), "%s/cgroup.procs", path);
	out = fopen(file, "w");
	if (!out || fprintf(out, "0\n") < 0 || fclose(out))
		die(file);
}

/* Its own folder and those below; a run that was killed may have left some, whose number is no process any more. */
static void remove_cgroups(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char below[8192];

	while (folder && (entry = readdir(folder)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
			snprintf(below, sizeof(below), "%s/%s", path, entry->d_name);
			rmdir(below);
		}
	if (folder)
		closedir(folder);
	rmdir(path);
}

static void remove_old_cgroups(void)
{
	DIR *folder = opendir(mount_point);
	struct dirent *entry;
	char path[8192];
	int pid;

	while (folder && (entry = readdir(folder)))
		if (sscanf(entry->d_name, "jb-crowd-%d", &pid) == 1 && kill(pid, 0)) {
			snprintf(path, sizeof(path), "%s/%s", mount_point, entry->d_name);
			remove_cgroups(path);
		}
	if (folder)
		closedir(folder);
}

static void prepare_cgroups(void)
{
	if (!find_mount())
		return;
	remove_old_cgroups();
	snprintf(cgroup, sizeof(cgroup), "%s/jb-crowd-%d", mount_point, getpid());
	if (!make_cgroup(cgroup))
		cgroup[0] = '\0';
}

/* --- the members --- */

static pid_t start(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	return pid;
}

static pid_t start_plain(long calls)
{
	pid_t pid = start();

	if (!pid)
		be(calls);
	return pid;
}

static pid_t start_user(long calls)
{
	pid_t pid = start();

	if (pid)
		return pid;
	if (setresgid(OTHER_USER, OTHER_USER, OTHER_USER) ||
	    setresuid(OTHER_USER, OTHER_USER, OTHER_USER))
		die("setresuid");
	be(calls);
	return 0;
}

static pid_t start_in_cgroup(long calls, const char *path)
{
	pid_t pid = start();

	if (pid)
		return pid;
	if (*cgroup)
		enter_cgroup(path);
	be(calls);
	return 0;
}

/* A process in a new pid namespace; with calls_below another one in a namespace below that. */
static pid_t start_in_pidns(long calls, long calls_below)
{
	pid_t pid = start();

	if (pid) /* of the process that makes the other one and stays outside */
		return pid;
	if (unshare(CLONE_NEWPID))
		perror("crowd: no pid namespace");
	pid = start();
	if (pid) {
		close(go[1]);
		_exit(waitpid(pid, NULL, 0) < 0);
	}
	if (calls_below && unshare(CLONE_NEWPID))
		perror("crowd: no pid namespace");
	if (calls_below && !start())
		be(calls_below);
	wait_for_go();
	work(calls);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

static pid_t start_group(long calls, long calls_child)
{
	pid_t pid = start();

	if (pid)
		return pid;
	if (setsid() < 0)
		die("setsid");
	if (!start())
		be(calls_child);
	wait_for_go();
	work(calls);
	while (wait(NULL) > 0)
		;
	_exit(0);
}

static pid_t start_named(long calls, const char *name)
{
	pid_t pid = start();

	if (pid)
		return pid;
	prctl(PR_SET_NAME, name);
	be(calls);
	return 0;
}

static long worker_calls;

static void *work_in_thread(void *unused)
{
	prctl(PR_SET_NAME, "jb-worker");
	wait_for_go();
	work(worker_calls);
	return unused;
}

static pid_t start_threads(long calls, long calls_worker)
{
	pid_t pid = start();
	pthread_t thread;

	if (pid)
		return pid;
	worker_calls = calls_worker;
	prctl(PR_SET_NAME, "jb-leader");
	if (pthread_create(&thread, NULL, work_in_thread, NULL))
		die("pthread_create");
	wait_for_go();
	work(calls);
	pthread_join(thread, NULL);
	_exit(0);
}

/* --- */

static pid_t child_of(pid_t parent)
{
	DIR *folder = opendir("/proc");
	struct dirent *entry;
	pid_t found = 0;

	while (folder && !found && (entry = readdir(folder))) {
		char path[300];
		int pid = atoi(entry->d_name), ppid;
		FILE *in;

		snprintf(path, sizeof(path), "/proc/%d/stat", pid);
		in = pid ? fopen(path, "r") : NULL;
		if (in && fscanf(in, "%*d (%*[^)]) %*c %d", &ppid) == 1 && ppid == parent)
			found = pid;
		if (in)
			fclose(in);
	}
	if (folder)
		closedir(folder);
	return found;
}

static void wait_until_ready(int n)
{
	char byte;

	while (n-- > 0)
		if (read(ready[0], &byte, 1) != 1)
			die("a member did not come");
}

static void let_go_and_wait(void)
{
	char line[16];

	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		fprintf(stderr, "crowd: no line\n");
	close(go[1]);
	while (wait(NULL) > 0)
		;
	if (*cgroup)
		remove_cgroups(cgroup);
	printf("calls %ld\n", *n_done);
}

static int members(void)
{
	char below[4200];
	pid_t pid;

	snprintf(below, sizeof(below), "%s/below", cgroup);
	if (*cgroup)
		make_cgroup(below);
	printf("main %d\n", getpid());
	printf("pid_plain %d\n", start_plain(1));
	printf("pid_user %d\n", start_user(2));
	printf("pid_cgroup %d\n", start_in_cgroup(4, cgroup));
	printf("pid_cgroup_below %d\n", start_in_cgroup(8, below));
	pid = start_in_pidns(16, 32);
	printf("pid_group %d\n", start_group(64, 128));
	printf("pid_named %d\n", start_named(256, "jb-named"));
	printf("pid_leader %d\n", start_threads(512, 1024));
	wait_until_ready(11);
	printf("pid_pidns %d\n", child_of(pid));
	printf("pid_pidns_below %d\n", child_of(child_of(pid)));
	let_go_and_wait();
	return 0;
}

static pid_t start_of_kind(const char *kind, int i, char *name, size_t room)
{
	char path[4200] = "";
	pid_t pid;

	if (!strcmp(kind, "pidns"))
		return start_in_pidns(i, 0);
	if (!strcmp(kind, "cgroup")) {
		snprintf(path, sizeof(path), "%s/%d", cgroup, i);
		make_cgroup(path);
		snprintf(name, room, "%s", path + strlen(mount_point));
	}
	pid = start();
	if (!pid && !strcmp(kind, "pgid"))
		setsid();
	if (!pid && *path)
		enter_cgroup(path);
	if (!pid)
		be(i);
	return pid;
}

static int many(int n, const char *file, const char *kind)
{
	FILE *out = fopen(file, "w");
	pid_t pids[MANY_MAX + 1];
	char name[4200] = "";

	if (!out || n < 6 || n > MANY_MAX)
		die(file);
	for (int i = 1; i <= n; i++) {
		pids[i] = start_of_kind(kind, i, name, sizeof(name));
		if (i <= n - 5 && *name)
			fprintf(out, "%s\n", name);
	}
	wait_until_ready(n);
	for (int i = 1; i <= n - 5 && !*name; i++)
		fprintf(out, "%d\n", strcmp(kind, "pidns") ? pids[i] : child_of(pids[i]));
	fclose(out);
	printf("main %d\n", getpid());
	let_go_and_wait();
	return 0;
}

static int check(const char *what)
{
	if (!strcmp(what, "pidns"))
		return unshare(CLONE_NEWPID) != 0;
	prepare_cgroups();
	if (!*cgroup)
		return 1;
	enter_cgroup(cgroup);
	enter_cgroup(mount_point);
	remove_cgroups(cgroup);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "check"))
		return check(argv[2]);
	n_done = mmap(NULL, sizeof(*n_done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (n_done == MAP_FAILED || pipe(ready) || pipe(go))
		die("crowd");
	prepare_cgroups();
	if (argc == 5 && !strcmp(argv[1], "many"))
		return many(atoi(argv[2]), argv[3], argv[4]);
	return members();
}
