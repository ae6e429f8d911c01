/* Unit tests of the log of a service: what lines look like, which level they have, rotation, a disk that is full. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/log.h"
#include "cli/log_file.h"

struct folder {
	char path[64];
	char log[96];
};

static int remove_entry(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	(void)st;
	(void)kind;
	(void)place;
	return remove(path);
}

static int set_up(void **state)
{
	struct folder *folder = calloc(1, sizeof(*folder));

	strcpy(folder->path, "/tmp/jbtrace-log-XXXXXX");
	if (!mkdtemp(folder->path))
		return -1;
	snprintf(folder->log, sizeof(folder->log), "%s/x.log", folder->path);
	*state = folder;
	return 0;
}

static int tear_down(void **state)
{
	struct folder *folder = *state;

	nftw(folder->path, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
	free(folder);
	return 0;
}

/* The whole file; the caller frees. */
static char *slurp(const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	assert_non_null(file);
	assert_true(fread(text, 1, (1 << 20) - 1, file) < (1 << 20) - 1);
	fclose(file);
	return text;
}

/* How many files of the folder begin with this; `last` gets the greatest of their names. */
static int count_files(const char *folder, const char *begin, char *last)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int n = 0;

	*last = '\0';
	while ((entry = readdir(dir))) {
		if (strncmp(entry->d_name, begin, strlen(begin)))
			continue;
		n++;
		if (strverscmp(entry->d_name, last) > 0)
			strcpy(last, entry->d_name);
	}
	closedir(dir);
	return n;
}

/* Every digit becomes a 0: the time is another one each time. */
static void blank_digits(char *text)
{
	for (; *text; text++)
		if (*text >= '0' && *text <= '9')
			*text = '0';
}

static void expect_file(const char *path, const char *want)
{
	char *text = slurp(path);

	blank_digits(text);
	assert_string_equal(text, want);
	free(text);
}

static void lines_have_time_level_and_name(void **state)
{
	struct folder *folder = *state;
	struct log_options options = { .level = LOG_INFO,
				       .target = LOG_TO_FILE,
				       .path = folder->log };
	struct log *log = log_open(&options);

	log_say(log, LOG_INFO, NULL, "begun");
	log_say(log, LOG_DEBUG, NULL, "too much");
	log_say(log, LOG_ERROR, "opens", "two\nlines\x1b[2J");
	log_close(log);
	expect_file(folder->log, "0000-00-00 00:00:00.000 [info] begun\n"
				 "0000-00-00 00:00:00.000 [error] opens: two\n"
				 "0000-00-00 00:00:00.000 [error] opens: lines?[0J\n");
}

/* What the runs of scripts write to their stream. */
static void streams_know_the_level(void **state)
{
	struct folder *folder = *state;
	struct log_options options = { .level = LOG_INFO,
				       .target = LOG_TO_FILE,
				       .path = folder->log };
	struct log *log = log_open(&options);
	FILE *stream = log_stream_file(log_stream_open(log, "x"));

	fputs("Attached 3 probes\n", stream);
	fflush(stream);
	fputs("x:1:2: error: no such error: thing\n    1 | foo\n      | ^\n", stream);
	fputs("x:1:2: warning: is odd\n      hint: error: no\n", stream);
	fputs("Lost ", stream);
	fflush(stream);
	fputs("4 events\nno newline", stream);
	fclose(stream);
	log_close(log);
	expect_file(folder->log,
		    "0000-00-00 00:00:00.000 [info] x: Attached 0 probes\n"
		    "0000-00-00 00:00:00.000 [error] x:0:0: error: no such error: thing\n"
		    "0000-00-00 00:00:00.000 [error] x:     0 | foo\n"
		    "0000-00-00 00:00:00.000 [error] x:       | ^\n"
		    "0000-00-00 00:00:00.000 [warning] x:0:0: warning: is odd\n"
		    "0000-00-00 00:00:00.000 [warning] x:       hint: error: no\n"
		    "0000-00-00 00:00:00.000 [warning] x: Lost 0 events\n"
		    "0000-00-00 00:00:00.000 [info] x: no newline\n");
}

/* What is said while a script is tried again is said once. */
static void streams_hold_back(void **state)
{
	struct folder *folder = *state;
	struct log_options options = { .level = LOG_INFO,
				       .target = LOG_TO_FILE,
				       .path = folder->log };
	struct log *log = log_open(&options);
	struct log_stream *stream = log_stream_open(log, "x");
	FILE *file = log_stream_file(stream);
	char *why;

	for (int i = 0; i < 4; i++) {
		log_stream_hold(stream);
		fputs(i < 3 ? "x:1:1: warning: odd\nx:1:2: error: no\n    1 | a\n" : "fine\n",
		      file);
		why = log_stream_error(stream);
		assert_string_equal(why, i < 3 ? "no" : "fine");
		free(why);
		log_stream_release(stream, true);
	}
	fputs("open again\n", file);
	log_stream_hold(stream);
	assert_null(log_stream_error(stream));
	log_stream_release(stream, true);
	fclose(file);
	log_close(log);
	expect_file(folder->log, "0000-00-00 00:00:00.000 [warning] x:0:0: warning: odd\n"
				 "0000-00-00 00:00:00.000 [error] x:0:0: error: no\n"
				 "0000-00-00 00:00:00.000 [error] x:     0 | a\n"
				 "0000-00-00 00:00:00.000 [info] x: fine\n"
				 "0000-00-00 00:00:00.000 [info] x: open again\n");
}

/* stderr is a pipe here; its number is what JOURNAL_STREAM has. */
static void the_journal_gets_priorities(void **state)
{
	struct log_options options = { .level = LOG_DEBUG, .target = LOG_TO_AUTO };
	int fds[2], saved = dup(STDERR_FILENO);
	char stream[64], text[256] = "";
	struct stat st;
	struct log *log;

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	fstat(STDERR_FILENO, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", stream, 1);
	log = log_open(&options);
	log_say(log, LOG_ERROR, "a", "1");
	log_say(log, LOG_WARNING, "a", "2");
	log_say(log, LOG_INFO, NULL, "3");
	log_say(log, LOG_DEBUG, NULL, "4");
	log_close(log);
	setenv("JOURNAL_STREAM", "1:2", 1);
	log = log_open(&options);
	log_say(log, LOG_INFO, NULL, "x");
	log_close(log);
	unsetenv("JOURNAL_STREAM");
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	assert_non_null(strstr(text, "<3>a: 1\n<4>a: 2\n<6>3\n<7>4\n"));
	assert_non_null(strstr(text, " [info] x\n"));
}

static void levels_have_names(void **state)
{
	(void)state;
	assert_int_equal(log_find_level("error"), LOG_ERROR);
	assert_int_equal(log_find_level("warning"), LOG_WARNING);
	assert_int_equal(log_find_level("info"), LOG_INFO);
	assert_int_equal(log_find_level("debug"), LOG_DEBUG);
	assert_int_equal(log_find_level("loud"), -1);
}

/* Nothing is lost, no file is larger than it may be, and only as many are kept as were asked for. */
static void a_large_file_is_rotated(void **state)
{
	struct folder *folder = *state;
	struct log_file_options options = { .path = folder->log, .max_bytes = 100, .keep = 3 };
	struct log_file file;
	char last[256], path[512], line[16], *text;

	assert_int_equal(log_file_open(&file, &options), 0);
	for (int i = 0; i < 95; i++) {
		int len = snprintf(line, sizeof(line), "line %04d\n", i);

		log_file_write(&file, line, (size_t)len);
	}
	log_file_close(&file);
	assert_int_equal(count_files(folder->path, "x.log.", last), 3);
	text = slurp(folder->log);
	assert_string_equal(text, "line 0090\nline 0091\nline 0092\nline 0093\nline 0094\n");
	free(text);
	snprintf(path, sizeof(path), "%s/%s", folder->path, last);
	text = slurp(path);
	assert_int_equal(strlen(text), 100);
	assert_int_equal(strncmp(text, "line 0080\n", 10), 0);
	free(text);
}

static void all_old_files_are_kept(void **state)
{
	struct folder *folder = *state;
	struct log_file_options options = { .path = folder->log, .max_bytes = 10 };
	struct log_file file;
	char last[256];

	assert_int_equal(log_file_open(&file, &options), 0);
	for (int i = 0; i < 20; i++)
		log_file_write(&file, "123456789\n", 10);
	log_file_close(&file);
	assert_int_equal(count_files(folder->path, "x.log.", last), 19);
}

static void set_age(const char *path, time_t seconds)
{
	struct timespec times[2] = { { .tv_sec = time(NULL) - seconds },
				     { .tv_sec = time(NULL) - seconds } };

	assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* A file of the day before yesterday is put away under its own date, when it is opened. */
static void a_file_of_another_day_is_rotated(void **state)
{
	struct folder *folder = *state;
	struct log_file_options options = { .path = folder->log, .daily = true };
	time_t then = time(NULL) - 2 * 86400;
	struct log_file file;
	char last[256], want[64];
	struct tm local;

	assert_int_equal(log_file_open(&file, &options), 0);
	log_file_write(&file, "old\n", 4);
	log_file_close(&file);
	set_age(folder->log, 2 * 86400);
	assert_int_equal(log_file_open(&file, &options), 0);
	log_file_write(&file, "new\n", 4);
	expect_file(folder->log, "new\n");
	assert_int_equal(count_files(folder->path, "x.log.", last), 1);
	localtime_r(&then, &local);
	strftime(want, sizeof(want), "x.log.%Y%m%d_", &local);
	assert_memory_equal(last, want, strlen(want));
	/* The same while it is open. */
	set_age(folder->log, 86400);
	file.day--;
	log_file_write(&file, "newer\n", 6);
	log_file_close(&file);
	expect_file(folder->log, "newer\n");
	assert_int_equal(count_files(folder->path, "x.log.", last), 2);
}

/* logrotate(8) moves the file and sends SIGHUP. */
static void a_file_that_was_moved_is_begun_anew(void **state)
{
	struct folder *folder = *state;
	struct log_options options = { .level = LOG_INFO,
				       .target = LOG_TO_FILE,
				       .path = folder->log };
	struct log *log = log_open(&options);
	char moved[128];

	log_say(log, LOG_INFO, NULL, "a");
	snprintf(moved, sizeof(moved), "%s.moved", folder->log);
	rename(folder->log, moved);
	log_say(log, LOG_INFO, NULL, "b");
	log_reopen(log);
	log_say(log, LOG_INFO, NULL, "c");
	log_close(log);
	expect_file(moved, "0000-00-00 00:00:00.000 [info] a\n0000-00-00 00:00:00.000 [info] b\n");
	expect_file(folder->log, "0000-00-00 00:00:00.000 [info] c\n");
}

static void other_files_stay(void **state)
{
	struct folder *folder = *state;
	struct log_file_options options = { .path = folder->log, .max_bytes = 10, .keep = 1 };
	static const char *const others[] = { "x.log.txt", "x.log.20260101",
					      "x.log.20260101-000000", "y.log.20260101_000000" };
	char path[128], last[256];
	struct log_file file;

	for (size_t i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s/%s", folder->path, others[i]);
		close(open(path, O_CREAT | O_WRONLY, 0600));
	}
	assert_int_equal(log_file_open(&file, &options), 0);
	for (int i = 0; i < 5; i++)
		log_file_write(&file, "123456789\n", 10);
	log_file_close(&file);
	assert_int_equal(count_files(folder->path, "x.log.", last), 3 + 1);
	assert_int_equal(count_files(folder->path, "y.log.", last), 1);
}

/* A limit on the size of files does what a full disk does, without mounting one: part of a line is written. */
static void a_full_disk_tears_no_line(void **state)
{
	struct folder *folder = *state;
	struct log_file_options options = { .path = folder->log };
	struct rlimit before, small = { .rlim_cur = 25 };
	struct log_file file;

	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	small.rlim_max = before.rlim_max;
	assert_int_equal(log_file_open(&file, &options), 0);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
	for (int i = 0; i < 5; i++)
		log_file_write(&file, "ten bytes\n", 10);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	assert_int_equal(file.n_lost, 3);
	log_file_write(&file, "there is room\n", 14);
	assert_int_equal(file.n_lost, 0);
	log_file_close(&file);
	signal(SIGXFSZ, SIG_DFL);
	char *text = slurp(folder->log);
	const char *begin = "ten bytes\nten bytes\n(3 log lines were lost: ";

	assert_int_equal(strncmp(text, begin, strlen(begin)), 0);
	assert_string_equal(strchr(text + strlen(begin), '\n'), "\nthere is room\n");
	free(text);
}

static void a_device_that_is_always_full(void **state)
{
	struct log_options options = { .level = LOG_INFO,
				       .target = LOG_TO_FILE,
				       .path = "/dev/full" };
	struct log *log = log_open(&options);

	(void)state;
	for (int i = 0; i < 100; i++)
		log_say(log, LOG_INFO, NULL, "x");
	log_close(log);
}

/* Said once on stderr; the lines go there, too. */
static void a_folder_that_does_not_exist(void **state)
{
	struct folder *folder = *state;
	struct log_options options = { .level = LOG_INFO,
				       .target = LOG_TO_FILE,
				       .path = "/nowhere/x.log" };
	char text[512] = "";
	int fds[2], saved = dup(STDERR_FILENO);
	struct log *log;

	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log = log_open(&options);
	log_say(log, LOG_INFO, NULL, "still here");
	options.path = folder->log;
	log_change(log, &options);
	log_say(log, LOG_INFO, NULL, "in the file");
	options.path = "/nowhere/y.log";
	log_change(log, &options);
	log_say(log, LOG_INFO, NULL, "still in the file");
	log_close(log);
	dup2(saved, STDERR_FILENO);
	close(saved);
	close(fds[1]);
	assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
	close(fds[0]);
	assert_non_null(strstr(text, "cannot write the log '/nowhere/x.log': No such file"));
	assert_non_null(strstr(text, "[info] still here\n"));
	assert_null(strstr(text, "in the file"));
	expect_file(folder->log, "0000-00-00 00:00:00.000 [info] in the file\n"
				 "0000-00-00 00:00:00.000 [info] still in the file\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_have_time_level_and_name),
		TEST(streams_know_the_level),
		TEST(streams_hold_back),
		TEST(the_journal_gets_priorities),
		TEST(levels_have_names),
		TEST(a_large_file_is_rotated),
		TEST(all_old_files_are_kept),
		TEST(a_file_of_another_day_is_rotated),
		TEST(a_file_that_was_moved_is_begun_anew),
		TEST(other_files_stay),
		TEST(a_full_disk_tears_no_line),
		TEST(a_device_that_is_always_full),
		TEST(a_folder_that_does_not_exist),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
