/*
 * Files of rows: what is in them when there is no room (a limit of file sizes, which stops write(2) short as a full disk
 * does), their names, when new ones begin by a clock of the test's own, and what becomes of completed ones.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

#include "out/tidy.h"
#include "records.h"

#define SECOND INT64_C(1000000000)
#define DAY    (86400 * SECOND)
#define TIMES  "1763735400.123,[2025-11-21 14:30:00.123],"
#define HEAD   "timestamp,time_str,"

static int64_t now;
static char told[4096];

static int64_t test_clock(void)
{
	return now;
}

static void tell(void *arg, enum diag_level level, const char *line)
{
	(void)arg;
	(void)level;
	strncat(told, line, sizeof(told) - strlen(told) - 2);
	strcat(told, "\n");
}

struct place {
	char path[64];
	int fd;
};

static int set_up(void **state)
{
	struct place *place = test_calloc(1, sizeof(*place));

	use_utc();
	now = A_TIME;
	told[0] = '\0';
	signal(SIGXFSZ, SIG_IGN);
	strcpy(place->path, "/tmp/jbtrace-test-XXXXXX");
	if (!mkdtemp(place->path))
		return -1;
	place->fd = open(place->path, O_RDONLY | O_DIRECTORY);
	*state = place;
	return 0;
}

static void limit_files(rlim_t bytes)
{
	struct rlimit limit;

	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static int tear_down(void **state)
{
	struct place *place = *state;
	DIR *dir = opendir(place->path);
	const struct dirent *entry;

	limit_files(RLIM_INFINITY);
	while (dir && (entry = readdir(dir)))
		unlinkat(place->fd, entry->d_name, entry->d_type == DT_DIR ? AT_REMOVEDIR : 0);
	closedir(dir);
	close(place->fd);
	rmdir(place->path);
	test_free(place);
	return 0;
}

/* --- looking at the folder --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All names, sorted, each followed by a blank. */
static const char *names(const struct place *place)
{
	static char line[16384];
	char *all[256];
	size_t n = 0;
	DIR *dir = opendir(place->path);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && n < N(all))
			all[n++] = strdup(entry->d_name);
	closedir(dir);
	qsort(all, n, sizeof(*all), by_name);
	line[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		strcat(line, all[i]);
		strcat(line, " ");
		free(all[i]);
	}
	return line;
}

static const char *content(const struct place *place, const char *name)
{
	static char bytes[65536];
	int fd = openat(place->fd, name, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, bytes, sizeof(bytes) - 1);

	if (n < 0)
		fail_msg("cannot read %s", name);
	close(fd);
	bytes[n] = '\0';
	return bytes;
}

static void make_file(const struct place *place, const char *name, const char *bytes, int64_t age)
{
	int fd = openat(place->fd, name, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	int64_t when = now - age;
	struct timespec times[2] = { { when / SECOND, when % SECOND },
				     { when / SECOND, when % SECOND } };

	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, strlen(bytes)), strlen(bytes));
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

/* --- a single file without room --- */

static void open_out(struct out *out, int fd, const struct printer *printer)
{
	assert_int_equal(out_open(out, &(struct out_options){ .fd = fd,
							      .printer = printer,
							      .tell = tell,
							      .wall_ns = test_clock }),
			 0);
}

static void add(struct out *out, const char *event, const char *text_value)
{
	static const char *const columns[] = { "x" };
	const struct value item = text(text_value), row = record_of(columns, &item, 1);

	out_record(out,
		   &(struct record){
			   .kind = RECORD_EMIT, .name = event, .value = &row, .wall_ns = now });
}

static void test_full_file(void **state)
{
	struct place *place = *state;
	int fd = openat(place->fd, "f", O_RDWR | O_CREAT, 0600);
	struct out out;

	open_out(&out, fd, printers_csv);
	/* Room for header, three rows, and a part of the fourth. */
	limit_files(strlen(HEAD "x\n") + 3 * strlen(TIMES "r1\n") + 7);
	for (int i = 0; i < 6; i++)
		add(&out, "e", (const char *[]){ "r1", "r2", "r3", "r4", "r5", "r6" }[i]);
	assert_int_equal(out_flush(&out), 0);
	assert_string_equal(content(place, "f"), HEAD "x\n" TIMES "r1\n" TIMES "r2\n" TIMES "r3\n");
	assert_int_equal(out.dropped, 3);
	assert_non_null(strstr(told, "File too large: rows are being dropped\n"));
	told[0] = '\0';

	/* There is room, but it has been tried less than a second ago. */
	limit_files(RLIM_INFINITY);
	now += SECOND - 1;
	add(&out, "e", "r7");
	out_flush(&out);
	assert_int_equal(out.dropped, 4);
	assert_string_equal(told, "");
	now = A_TIME + SECOND;
	add(&out, "e", "r8");
	out_flush(&out);
	assert_string_equal(told, "output: resumed, 4 rows were dropped\n");
	told[0] = '\0';
	assert_true(out_end(&out));
	assert_non_null(strstr(told, "output: 4 rows were dropped: cannot write to "));
	out_fini(&out);
	/* The table goes on without a second header. */
	assert_string_equal(content(place, "f"),
			    HEAD "x\n" TIMES "r1\n" TIMES "r2\n" TIMES "r3\n"
				 "1763735401.123,[2025-11-21 14:30:01.123],r8\n");
	close(fd);
}

/* A header that was dropped together with its row is needed again, one that is in the file is not. */
static void test_full_file_headers(void **state)
{
	struct place *place = *state;
	int fd = openat(place->fd, "f", O_RDWR | O_CREAT, 0600);
	struct out out;

	open_out(&out, fd, printers_csv);
	limit_files(strlen(HEAD "x\n") + strlen(TIMES "1\n") + 5);
	add(&out, "a", "1");
	add(&out, "b", "2");
	out_flush(&out);
	assert_string_equal(content(place, "f"), HEAD "x\n" TIMES "1\n");
	limit_files(RLIM_INFINITY);
	now -= SECOND; /* the clock was set back: that is no reason to wait for ever */
	add(&out, "b", "3");
	out_flush(&out);
	now = A_TIME;
	add(&out, "a", "4");
	out_fini(&out);
	assert_string_equal(content(place, "f"),
			    HEAD "x\n" TIMES "1\n\n" HEAD
				 "x\n1763735399.123,[2025-11-21 14:29:59.123],3\n\n" HEAD
				 "x\n" TIMES "4\n");
	close(fd);
}

/* Nothing fits at all; then text comes, and JSON lines. */
static void test_full_file_formats(void **state)
{
	const struct printer *const printers[] = { printers_text, printers_json };
	static const char *const whole[] = {
		"TIME          X       \n14:30:00.123  two     \n",
		"{\"type\": \"event\", \"name\": \"e\", \"timestamp\": 1763735400.123, \"data\": "
		"{\"x\": \"two\"}}\n"
	};
	struct place *place = *state;
	struct out out;

	for (size_t i = 0; i < N(printers); i++) {
		int fd = openat(place->fd, "f", O_RDWR | O_CREAT | O_TRUNC, 0600);

		open_out(&out, fd, printers[i]);
		limit_files(9);
		add(&out, "e", "one");
		out_flush(&out);
		assert_string_equal(content(place, "f"), "");
		limit_files(RLIM_INFINITY);
		out.sink->own_guard.failed_ns = 0;
		add(&out, "e", "two");
		out_fini(&out);
		if (i)
			assert_string_equal(content(place, "f"), whole[i]);
		else
			assert_non_null(strstr(content(place, "f"), "TIME"));
		assert_null(strstr(content(place, "f"), "one"));
		close(fd);
	}
}

/* --- a folder --- */

static void open_folder(struct out *out, const struct place *place, struct out_files files)
{
	const struct out_options options = { .printer = printers_csv,
					     .script = "scripts/io.jt",
					     .folder = place->path,
					     .files = files,
					     .tell = tell,
					     .wall_ns = test_clock };

	assert_int_equal(out_open(out, &options), 0);
}

static void test_names(void **state)
{
	static const char *const members[] = { "a" };
	struct place *place = *state;
	const struct value one = value_int(1), pair = record_of(members, &one, 1);
	const struct record records[] = {
		{ .kind = RECORD_MAP, .name = "@", .value = &one, .scalar = true },
		{ .kind = RECORD_MAP, .name = "@lat", .value = &one, .scalar = true },
		{ .kind = RECORD_TEXT, .text = "hello\n", .len = 6 },
		{ .kind = RECORD_VALUE, .value = &one },
		{ .kind = RECORD_VALUE, .value = &pair }, /* another shape */
		{ .kind = RECORD_EMIT, .name = "exec", .value = &pair },
		{ .kind = RECORD_EMIT, .name = "a/../b c", .value = &pair },
		{ .kind = RECORD_EMIT, .name = "a/../b/c", .value = &pair },
		{ .kind = RECORD_EMIT, .name = ".hidden", .value = &pair },
		{ .kind = RECORD_EMIT, .name = "-rf", .value = &pair },
	};
	struct out out;

	open_folder(&out, place, (struct out_files){ 0 });
	assert_string_equal(names(place), "");
	for (size_t i = 0; i < N(records); i++)
		out_record(&out, &records[i]);
	out_fini(&out);
	assert_string_equal(names(place), "_hidden_20251121_143000.csv "
					  "_rf_20251121_143000.csv "
					  "a_.._b_c_20251121_143000.csv "
					  "a_.._b_c_2_20251121_143000.csv "
					  "exec_20251121_143000.csv "
					  "io_20251121_143000.csv "
					  "io_lat_20251121_143000.csv "
					  "io_text_20251121_143000.csv "
					  "io_value_20251121_143000.csv "
					  "io_value_2_20251121_143000.csv ");
	assert_string_equal(content(place, "io_text_20251121_143000.csv"),
			    HEAD "text\n" TIMES "hello\n");
	assert_string_equal(content(place, "io_value_2_20251121_143000.csv"),
			    HEAD "a\n" TIMES "1\n");
	assert_string_equal(told, "");
}

static void test_json_folder(void **state)
{
	struct place *place = *state;
	struct out out;

	assert_int_equal(out_open(&out, &(struct out_options){ .printer = printers_json,
							       .folder = place->path,
							       .wall_ns = test_clock }),
			 0);
	assert_false(out_takes_messages(&out));
	add(&out, "a", "1");
	add(&out, "b", "2");
	add(&out, "a", "3");
	out_fini(&out);
	assert_string_equal(names(place), "a_20251121_143000.json b_20251121_143000.json ");
	assert_string_equal(content(place, "a_20251121_143000.json"),
			    "{\"type\": \"event\", \"name\": \"a\", \"timestamp\": "
			    "1763735400.123, \"data\": {\"x\": \"1\"}}\n"
			    "{\"type\": \"event\", \"name\": \"a\", \"timestamp\": "
			    "1763735400.123, \"data\": {\"x\": \"3\"}}\n");
}

/* A file never grows beyond the limit, and none is written over. */
static void test_rotate_by_size(void **state)
{
	const size_t row = strlen(TIMES "1\n");
	struct place *place = *state;
	struct out out;

	make_file(place, "e_20251121_143000-1.csv", "mine", 0);
	make_file(place, "e_20251121_143000-2.csv.gz", "mine", 0);
	open_folder(&out, place, (struct out_files){ .max_bytes = strlen(HEAD "x\n") + 2 * row });
	for (const char *c = "12345"; *c; c++)
		add(&out, "e", (char[]){ *c, '\0' });
	out_fini(&out);
	assert_string_equal(names(place), "e_20251121_143000-1.csv e_20251121_143000-2.csv.gz "
					  "e_20251121_143000-3.csv e_20251121_143000-4.csv "
					  "e_20251121_143000.csv ");
	assert_string_equal(content(place, "e_20251121_143000.csv"),
			    HEAD "x\n" TIMES "1\n" TIMES "2\n");
	assert_string_equal(content(place, "e_20251121_143000-3.csv"),
			    HEAD "x\n" TIMES "3\n" TIMES "4\n");
	assert_string_equal(content(place, "e_20251121_143000-4.csv"), HEAD "x\n" TIMES "5\n");
	assert_string_equal(content(place, "e_20251121_143000-1.csv"), "mine");
}

static void test_rotate_by_day(void **state)
{
	struct place *place = *state;
	struct out out;
	int fd;

	setenv("TZ", "UTC-2", 1); /* two hours east: midnight is at 22:00 UTC */
	tzset();
	open_folder(&out, place, (struct out_files){ .daily = true });
	now = INT64_C(1763758799) * SECOND; /* 20:59:59 UTC, 22:59:59 here */
	add(&out, "e", "1");
	now += 3600 * SECOND; /* a second before midnight */
	add(&out, "e", "2");
	now += SECOND;
	add(&out, "e", "3");
	now += 5 * SECOND;
	add(&out, "e", "4");
	out_flush(&out);
	assert_string_equal(names(place), "e_20251121_225959.csv e_20251122_000000.csv ");
	now += DAY; /* no row comes: the file is completed all the same */
	out_flush(&out);
	fd = openat(place->fd, "e_20251122_000000.csv", O_RDONLY);
	assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
	close(fd);
	out_fini(&out);
	assert_string_equal(content(place, "e_20251122_000000.csv"),
			    HEAD "x\n1763762400.000,[2025-11-22 00:00:00.000],3\n"
				 "1763762405.000,[2025-11-22 00:00:05.000],4\n");
}

/* What a file lacks room for is counted; an empty file does not stay. */
static void test_full_folder(void **state)
{
	struct place *place = *state;
	struct out out;

	open_folder(&out, place, (struct out_files){ 0 });
	limit_files(strlen(HEAD "x\n") + strlen(TIMES "1\n") + 3);
	add(&out, "a", "1");
	add(&out, "a", "2");
	add(&out, "b", "a row that has no room next to its header");
	out_flush(&out);
	assert_int_equal(out.dropped, 2);
	assert_non_null(strstr(told, "rows are being dropped\n"));
	assert_non_null(strstr(told, place->path));
	assert_null(strstr(strstr(told, "dropped") + 7, "dropped")); /* once for the folder */
	told[0] = '\0';
	limit_files(RLIM_INFINITY);
	now += SECOND;
	add(&out, "a", "4");
	out_flush(&out);
	assert_string_equal(told, "output: resumed, 2 rows were dropped\n");
	out_fini(&out);
	assert_string_equal(names(place), "a_20251121_143000.csv ");
	assert_string_equal(content(place, "a_20251121_143000.csv"),
			    HEAD "x\n" TIMES "1\n1763735401.123,[2025-11-21 14:30:01.123],4\n");
	assert_non_null(strstr(told, "output: 2 rows were dropped"));
}

/* Somebody removed the file: a new one is begun, at the latest when files are looked at. */
static void test_removed_file(void **state)
{
	struct place *place = *state;
	struct out out;

	open_folder(&out, place, (struct out_files){ 0 });
	add(&out, "e", "1");
	out_flush(&out);
	unlinkat(place->fd, "e_20251121_143000.csv", 0);
	now += 61 * SECOND;
	out_flush(&out);
	add(&out, "e", "2");
	out_fini(&out);
	assert_string_equal(names(place), "e_20251121_143101.csv ");
}

static void test_bad_folders(void **state)
{
	struct place *place = *state;
	char path[128];
	struct out_options options = {
		.printer = printers_csv, .folder = path, .tell = tell, .wall_ns = test_clock
	};
	struct out out;
	struct stat st;

	snprintf(path, sizeof(path), "%s/none", place->path);
	assert_int_equal(out_open(&out, &options), -ENOENT);
	assert_non_null(strstr(told, "output: cannot write into folder '/tmp/jbtrace-test-"));
	make_file(place, "file", "", 0);
	snprintf(path, sizeof(path), "%s/file/", place->path);
	assert_int_equal(out_open(&out, &options), -ENOTDIR);
	told[0] = '\0';
	options.printer = printers_text;
	snprintf(path, sizeof(path), "%s", place->path);
	assert_int_equal(out_open(&out, &options), -EINVAL);
	assert_non_null(strstr(told, "format text has no tables"));
	options.printer = printers_csv;
	snprintf(path, sizeof(path), "%s/new/", place->path);
	assert_int_equal(out_open(&out, &options), 0);
	out_fini(&out);
	assert_true(stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

/* --- completed files --- */

static int tidied(const struct place *place, struct out_files files)
{
	return tidy_table(place->fd, "e", "csv", &files, now);
}

static void test_keep_by_age(void **state)
{
	static const char *const others[] = {
		"e_20200101_000000.json",  "e_20200101_000000.csv.bak", "ee_20200101_000000.csv",
		"e_2_20200101_000000.csv", "e_20200101_0000000.csv",	"e_2020010a_000000.csv",
		"e_20200101_000000-.csv",  "e_20200101_000000-x.csv",	"xe_20200101_000000.csv",
	};
	struct place *place = *state;
	struct stat st;
	int locked;

	for (size_t i = 0; i < N(others); i++)
		make_file(place, others[i], "x", 100 * DAY);
	make_file(place, "e_20200101_000000.csv", "x", 8 * DAY);
	make_file(place, "e_20200101_000000-12.csv.gz", "x", 8 * DAY);
	make_file(place, "e_20200102_000000.csv", "x", 8 * DAY);
	make_file(place, "e_20200103_000000.csv", "x", 7 * DAY - SECOND);
	mkdirat(place->fd, "e_20200104_000000.csv", 0700);
	locked = openat(place->fd, "e_20200102_000000.csv", O_RDONLY);
	assert_int_equal(flock(locked, LOCK_SH), 0); /* as one that is being written */
	assert_int_equal(tidied(place, (struct out_files){ .max_age_ns = 7 * DAY }), 0);
	assert_int_not_equal(fstatat(place->fd, "e_20200101_000000.csv", &st, 0), 0);
	assert_int_not_equal(fstatat(place->fd, "e_20200101_000000-12.csv.gz", &st, 0), 0);
	assert_int_equal(fstatat(place->fd, "e_20200102_000000.csv", &st, 0), 0);
	assert_int_equal(fstatat(place->fd, "e_20200103_000000.csv", &st, 0), 0);
	assert_int_equal(fstatat(place->fd, "e_20200104_000000.csv", &st, 0), 0);
	for (size_t i = 0; i < N(others); i++)
		assert_int_equal(fstatat(place->fd, others[i], &st, 0), 0);
	close(locked);
}

/* The oldest by name, whatever was changed when; in one second by number. */
static void test_keep_by_size(void **state)
{
	struct place *place = *state;
	int locked;

	make_file(place, "e_20250101_000000.csv", "12345", 1 * DAY);
	make_file(place, "e_20250101_000000-2.csv.gz", "12345", 9 * DAY);
	make_file(place, "e_20250101_000000-10.csv", "12345", 5 * DAY);
	make_file(place, "e_20250103_000000.csv", "12345", 3 * DAY);
	make_file(place, "f_20250101_000000.csv", "12345", 3 * DAY);
	locked = openat(place->fd, "e_20250101_000000.csv", O_RDONLY);
	flock(locked, LOCK_EX);
	assert_int_equal(tidied(place, (struct out_files){ .max_total_bytes = 15 }), 0);
	assert_string_equal(names(place), "e_20250101_000000-10.csv e_20250101_000000.csv "
					  "e_20250103_000000.csv f_20250101_000000.csv ");
	close(locked);
	assert_int_equal(tidied(place, (struct out_files){ .max_total_bytes = 14 }), 0);
	assert_string_equal(names(place), "e_20250101_000000-10.csv e_20250103_000000.csv "
					  "f_20250101_000000.csv ");
	assert_int_equal(tidied(place, (struct out_files){ .max_total_bytes = 1 }), 0);
	assert_string_equal(names(place), "f_20250101_000000.csv ");
}

static const char *unpacked(const struct place *place, const char *name)
{
	static char bytes[4096];
	gzFile gz = gzdopen(openat(place->fd, name, O_RDONLY), "rb");
	int n = gz ? gzread(gz, bytes, sizeof(bytes) - 1) : -1;

	if (n < 0)
		fail_msg("cannot unpack %s", name);
	gzclose(gz);
	bytes[n] = '\0';
	return bytes;
}

/* Left by a run that was killed: a file that is complete, one half compressed, one compressed and not removed. */
static void test_gzip(void **state)
{
	struct place *place = *state;
	struct stat st;
	int locked;

	make_file(place, "e_20250101_000000.csv", "one\n", 5 * DAY);
	make_file(place, "e_20250101_000000.csv.gz.tmp", "rubbish", DAY);
	make_file(place, "e_20250102_000000.csv", "two\n", DAY);
	make_file(place, "e_20250102_000000.csv.gz", "rubbish", DAY);
	make_file(place, "e_20250103_000000.csv", "", 0);
	make_file(place, "e_20250103_000000-1.csv", "", 2 * 60 * SECOND);
	make_file(place, "e_20250104_000000.csv", "busy\n", 0);
	make_file(place, "e_20250104_000000.csv.gz.tmp", "being made", 0);
	make_file(place, "e_20250105_000000.csv.gz.tmp", "rubbish", DAY);
	locked = openat(place->fd, "e_20250104_000000.csv", O_RDONLY);
	flock(locked, LOCK_EX);
	assert_int_equal(tidied(place, (struct out_files){ .gzip = true }), 0);
	assert_string_equal(names(place), "e_20250101_000000.csv.gz e_20250102_000000.csv.gz "
					  "e_20250103_000000.csv e_20250104_000000.csv "
					  "e_20250104_000000.csv.gz.tmp ");
	assert_string_equal(unpacked(place, "e_20250101_000000.csv.gz"), "one\n");
	assert_string_equal(unpacked(place, "e_20250102_000000.csv.gz"), "two\n");
	/* It is as old as what it was made of. */
	assert_int_equal(fstatat(place->fd, "e_20250101_000000.csv.gz", &st, 0), 0);
	assert_int_equal(st.st_mtim.tv_sec, (now - 5 * DAY) / SECOND);
	close(locked);
}

/* No room for the compressed file: the one that there is stays, and it is told once. */
static void test_gzip_without_room(void **state)
{
	struct place *place = *state;

	make_file(place, "e_20250101_000000.csv", "one\n", DAY);
	limit_files(3);
	assert_int_equal(tidied(place, (struct out_files){ .gzip = true }), -EFBIG);
	limit_files(RLIM_INFINITY);
	assert_string_equal(names(place), "e_20250101_000000.csv ");
	assert_string_equal(content(place, "e_20250101_000000.csv"), "one\n");
}

/* Through the whole: many files by size, compressed behind the writer's back, together what was written. */
static void test_gzip_while_writing(void **state)
{
	struct place *place = *state;
	char want[16], name[64], *found;
	struct out out;
	unsigned n = 0;

	make_file(place, "e_20200101_000000.csv", "left by a run that was killed\n", 0);
	open_folder(&out, place, (struct out_files){ .gzip = true, .max_bytes = 500 });
	for (unsigned i = 0; i < 1000; i++) {
		snprintf(want, sizeof(want), "<%u>", i);
		add(&out, "e", want);
	}
	out_fini(&out);
	assert_string_equal(told, "");
	assert_string_equal(unpacked(place, "e_20200101_000000.csv.gz"),
			    "left by a run that was killed\n");
	assert_null(strstr(strstr(names(place), "csv.gz "), "csv "));
	for (unsigned file = 0; n < 1000 && file < 1000; file++) {
		if (file)
			snprintf(name, sizeof(name), "e_20251121_143000-%u.csv.gz", file);
		else
			snprintf(name, sizeof(name), "e_20251121_143000.csv.gz");
		found = (char *)unpacked(place, name);
		assert_true(strlen(found) <= 500);
		for (;; n++) {
			snprintf(want, sizeof(want), "<%u>\n", n);
			if (!strstr(found, want))
				break;
			found = strstr(found, want);
		}
	}
	assert_int_equal(n, 1000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_full_file),
		TEST(test_full_file_headers),
		TEST(test_full_file_formats),
		TEST(test_names),
		TEST(test_json_folder),
		TEST(test_rotate_by_size),
		TEST(test_rotate_by_day),
		TEST(test_full_folder),
		TEST(test_removed_file),
		TEST(test_bad_folders),
		TEST(test_keep_by_age),
		TEST(test_keep_by_size),
		TEST(test_gzip),
		TEST(test_gzip_without_room),
		TEST(test_gzip_while_writing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
