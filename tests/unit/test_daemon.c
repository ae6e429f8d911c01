/* Unit tests of what makes a program a service: sd_notify against a real socket, pid files and their locks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "cli/notify.h"
#include "cli/pidfile.h"

/* --- sd_notify --- */

/* A socket as the service manager has it; `name` begins with / or @. */
static int listen_on(const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	size_t len = strlen(name);

	memcpy(address.sun_path, name, len);
	if (*name == '@')
		address.sun_path[0] = '\0';
	len += offsetof(struct sockaddr_un, sun_path) + (*name == '/');
	assert_int_equal(bind(fd, (struct sockaddr *)&address, (socklen_t)len), 0);
	return fd;
}

static void expect_message(int fd, const char *want)
{
	char text[4096];
	ssize_t n = recv(fd, text, sizeof(text) - 1, 0);

	if (!want) {
		assert_int_equal(n, -1);
		return;
	}
	assert_true(n >= 0);
	text[n] = '\0';
	assert_string_equal(text, want);
}

static void try_socket(const char *name)
{
	struct notify notify;
	struct timespec now;
	unsigned long long us;
	char text[256];
	int fd = listen_on(name);
	ssize_t n;

	setenv("NOTIFY_SOCKET", name, 1);
	notify_open(&notify);
	assert_null(getenv("NOTIFY_SOCKET"));
	assert_true(notify.fd >= 0);
	assert_int_equal(notify_send(&notify, "READY=1\nSTATUS=%d scripts", 3), 0);
	expect_message(fd, "READY=1\nSTATUS=3 scripts");
	assert_int_equal(notify_reloading(&notify), 0);
	n = recv(fd, text, sizeof(text) - 1, 0);
	assert_true(n > 0);
	text[n] = '\0';
	assert_int_equal(sscanf(text, "RELOADING=1\nMONOTONIC_USEC=%llu", &us), 1);
	clock_gettime(CLOCK_MONOTONIC, &now);
	assert_true(us <= (unsigned long long)now.tv_sec * 1000000 +
				  (unsigned long long)now.tv_nsec / 1000);
	assert_true(us + 5000000 > (unsigned long long)now.tv_sec * 1000000);
	/* There is no watchdog. */
	notify_alive(&notify);
	expect_message(fd, NULL);
	notify_close(&notify);
	close(fd);
}

static void states_go_to_the_socket(void **state)
{
	char folder[] = "/tmp/jbtrace-notify-XXXXXX", path[64], name[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/socket", folder);
	try_socket(path);
	unlink(path);
	rmdir(folder);
	snprintf(name, sizeof(name), "@jbtrace-test-%d", getpid());
	try_socket(name);
}

static void nobody_wants_to_know(void **state)
{
	static const char *const names[] = { "", "relative", "@", "/", "vsock:2:1234" };
	struct notify notify;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	notify_open(&notify);
	assert_int_equal(notify.fd, -1);
	assert_int_equal(notify_send(&notify, "READY=1"), 0);
	notify_close(&notify);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		setenv("NOTIFY_SOCKET", names[i], 1);
		notify_open(&notify);
		assert_int_equal(notify.fd, -1);
	}
	setenv("NOTIFY_SOCKET", "/nowhere/socket", 1);
	notify_open(&notify);
	assert_int_equal(notify_send(&notify, "READY=1"), -ENOENT);
	notify_close(&notify);
}

static void the_watchdog_hears_half_as_late_as_it_may(void **state)
{
	struct notify notify;
	char name[64], pid[32];
	int fd;

	(void)state;
	snprintf(name, sizeof(name), "@jbtrace-watchdog-%d", getpid());
	snprintf(pid, sizeof(pid), "%d", getpid());
	fd = listen_on(name);
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "20000000", 1);
	setenv("WATCHDOG_PID", pid, 1);
	notify_open(&notify);
	assert_null(getenv("WATCHDOG_USEC"));
	assert_null(getenv("WATCHDOG_PID"));
	assert_int_equal(notify.watchdog_ns, 20000000000ull);
	notify_alive(&notify);
	expect_message(fd, "WATCHDOG=1");
	notify_alive(&notify);
	expect_message(fd, NULL);
	notify.next_ns -= 9900000000ull;
	notify_alive(&notify);
	expect_message(fd, NULL);
	notify.next_ns -= 200000000ull;
	notify_alive(&notify);
	expect_message(fd, "WATCHDOG=1");
	notify_close(&notify);
	/* Meant for another process. */
	setenv("NOTIFY_SOCKET", name, 1);
	setenv("WATCHDOG_USEC", "20000000", 1);
	setenv("WATCHDOG_PID", "1", 1);
	notify_open(&notify);
	assert_int_equal(notify.watchdog_ns, 0);
	notify_close(&notify);
	close(fd);
}

/* --- pid files --- */

struct folder {
	char path[64];
	char file[96];
};

static int set_up(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	strcpy(folder->path, "/tmp/jbtrace-pid-XXXXXX");
	if (!mkdtemp(folder->path))
		return -1;
	snprintf(folder->file, sizeof(folder->file), "%s/x.pid", folder->path);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *folder = *state;

	unlink(folder->file);
	rmdir(folder->path);
	free(folder);
	return 0;
}

/* A process that holds the lock. With `stubborn` it does not hear SIGTERM. It is ready when this returns. */
static pid_t start_holder(const char *path, bool stubborn)
{
	int fds[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (pid == 0) {
		struct pidfile file;
		pid_t holder;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		signal(SIGTERM, stubborn ? SIG_IGN : SIG_DFL);
		if (pidfile_take(&file, path, &holder) || pidfile_write(&file) ||
		    write(fds[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(fds[1]);
	assert_int_equal(read(fds[0], &byte, 1), 1);
	close(fds[0]);
	return pid;
}

static void end_holder(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void a_lock_has_one_holder(void **state)
{
	struct folder *folder = *state;
	struct pidfile file;
	pid_t pid = start_holder(folder->file, false), holder;

	assert_int_equal(pidfile_take(&file, folder->file, &holder), -EBUSY);
	assert_int_equal(holder, pid);
	assert_int_equal(pidfile_holder(folder->file), pid);
	end_holder(pid);
	/* What it left behind is no daemon, and no obstacle. */
	assert_int_equal(access(folder->file, F_OK), 0);
	assert_int_equal(pidfile_holder(folder->file), 0);
	assert_int_equal(pidfile_take(&file, folder->file, &holder), 0);
	assert_int_equal(pidfile_write(&file), 0);
	pidfile_drop(&file);
	assert_int_equal(access(folder->file, F_OK), -1);
	assert_int_equal(pidfile_holder(folder->file), 0);
}

/* The number in the file is that of a process that lives, this one: it counts for nothing. */
static void a_number_is_no_daemon(void **state)
{
	struct folder *folder = *state;
	FILE *out = fopen(folder->file, "we");
	pid_t holder;

	fprintf(out, "%d\n", getpid());
	fclose(out);
	assert_int_equal(pidfile_holder(folder->file), 0);
	assert_int_equal(pidfile_stop(folder->file, 1000, &holder), 0);
}

static void garbage_in_a_file_that_is_held(void **state)
{
	static const char *const texts[] = { "", "x", "-1\n", "99999999999999999999\n",
					     "12 monkeys" };
	struct folder *folder = *state;
	int fd = open(folder->file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_int_equal(flock(fd, LOCK_EX), 0);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		assert_int_equal(ftruncate(fd, 0), 0);
		assert_true(pwrite(fd, texts[i], strlen(texts[i]), 0) >= 0);
		assert_int_equal(pidfile_holder(folder->file), -EBUSY);
	}
	close(fd);
}

static void a_folder_that_does_not_exist(void **state)
{
	struct pidfile file;
	pid_t holder;

	(void)state;
	assert_int_equal(pidfile_take(&file, "/nowhere/x.pid", &holder), -ENOENT);
	assert_int_equal(pidfile_holder("/nowhere/x.pid"), 0);
	assert_int_equal(pidfile_stop("/nowhere/x.pid", 10, &holder), 0);
}

/* Somebody else's file is not written through a link. */
static void a_link_is_not_followed(void **state)
{
	struct folder *folder = *state;
	struct pidfile file;
	pid_t holder;

	assert_int_equal(symlink("/tmp/jbtrace-should-not-be-here", folder->file), 0);
	assert_int_equal(pidfile_take(&file, folder->file, &holder), -ELOOP);
}

static void stopping_waits_for_the_end(void **state)
{
	struct folder *folder = *state;
	pid_t pid = start_holder(folder->file, false), holder;
	int status;

	assert_int_equal(pidfile_stop(folder->file, 10000, &holder), pid);
	assert_int_equal(waitpid(pid, &status, WNOHANG), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
}

static void stopping_has_a_bound(void **state)
{
	struct folder *folder = *state;
	pid_t pid = start_holder(folder->file, true), holder;

	assert_int_equal(pidfile_stop(folder->file, 100, &holder), -ETIMEDOUT);
	assert_int_equal(holder, pid);
	end_holder(pid);
}

/* Many at once want to be the daemon: exactly one gets it. */
static void of_many_one_wins(void **state)
{
	struct folder *folder = *state;
	pid_t children[8];
	int fds[2], winners = 0;

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	for (int i = 0; i < 8; i++) {
		children[i] = fork();
		if (children[i] == 0) {
			struct pidfile file;
			pid_t holder;
			char byte;

			close(fds[1]);
			if (pidfile_take(&file, folder->file, &holder) || pidfile_write(&file))
				_exit(1);
			if (read(fds[0], &byte, 1)) /* until all others have given up */
				_exit(2);
			_exit(0);
		}
	}
	close(fds[0]);
	for (int n = 0; n < 7; n++) {
		int status;

		assert_true(wait(&status) > 0);
		assert_true(WIFEXITED(status));
		winners += WEXITSTATUS(status) == 0;
	}
	assert_int_equal(winners, 0);
	close(fds[1]);
	assert_true(wait(&winners) > 0);
	assert_int_equal(winners, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(states_go_to_the_socket),
		cmocka_unit_test(nobody_wants_to_know),
		cmocka_unit_test(the_watchdog_hears_half_as_late_as_it_may),
		TEST(a_lock_has_one_holder),
		TEST(a_number_is_no_daemon),
		TEST(garbage_in_a_file_that_is_held),
		cmocka_unit_test(a_folder_that_does_not_exist),
		TEST(a_link_is_not_followed),
		TEST(stopping_waits_for_the_end),
		TEST(stopping_has_a_bound),
		TEST(of_many_one_wins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
