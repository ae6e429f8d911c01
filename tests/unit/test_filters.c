/*
 * Filters: what their words mean (against /proc, the user database and the kernel's file handles), and that a script
 * without any becomes the same program as if there were no such thing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "jbtrace.h"
#include "lookup/filter.h"

static char why[512];

static struct plan_filter read_good(struct arena *arena, enum filter_kind kind, const char *value)
{
	struct plan_filter filter;

	if (filter_read(arena, kind, value, &filter, why, sizeof(why)))
		fail_msg("'%s': %s", value, why);
	assert_int_equal(filter.kind, kind);
	assert_false(filter.negated);
	return filter;
}

static void read_bad(struct arena *arena, enum filter_kind kind, const char *value, int err)
{
	struct plan_filter filter;

	why[0] = '\0';
	if (filter_read(arena, kind, value, &filter, why, sizeof(why)) != err)
		fail_msg("'%s' is not refused with %d", value, err);
	assert_true(*why);
	assert_null(strchr(why, '\n'));
}

static void numbers(void **state)
{
	struct arena *arena = arena_new();
	char text[32];

	(void)state;
	snprintf(text, sizeof(text), "%d", getpid());
	assert_int_equal(read_good(arena, FILTER_PID, text).number, getpid());
	assert_int_equal(read_good(arena, FILTER_UID, "root").number, 0);
	assert_int_equal(read_good(arena, FILTER_UID, "4294967294").number, 4294967294u);
	snprintf(text, sizeof(text), "%d", getpgrp());
	assert_int_equal(read_good(arena, FILTER_PGID, text).number, getpgrp());
	assert_int_equal(read_good(arena, FILTER_PGID, "0").number, 0);
	assert_string_equal(read_good(arena, FILTER_COMM, "ff*").text, "ff*");
	arena_free(arena);
}

static void mistakes(void **state)
{
	static const struct {
		enum filter_kind kind;
		const char *value;
		int err;
	} cases[] = {
		{ FILTER_PID, "", -EINVAL },
		{ FILTER_PID, "0", -EINVAL },
		{ FILTER_PID, "-1", -EINVAL },
		{ FILTER_PID, "1 ", -EINVAL },
		{ FILTER_PID, "2147483647", -ESRCH },
		{ FILTER_PID, "99999999999", -ESRCH },
		{ FILTER_PID, "99999999999999999999999", -EINVAL },
		{ FILTER_UID, "4294967295", -ENOENT },
		{ FILTER_UID, "no such user", -ENOENT },
		{ FILTER_PGID, "x", -EINVAL },
		{ FILTER_PGID, "2147483647", -ESRCH },
		{ FILTER_PGID, "99999999999", -ESRCH },
		{ FILTER_COMM, "sixteen-bytes-xx", -EINVAL },
		{ FILTER_COMM, "????????????????", -EINVAL },
		{ FILTER_COMM, "*[[:alpha:]]", -EINVAL },
		{ FILTER_COMM, "", -EINVAL },
		{ FILTER_PIDNS, "0", -EINVAL },
		{ FILTER_PIDNS, "pid:[1", -EINVAL },
		{ FILTER_PIDNS, "pid:[4026531836]x", -EINVAL },
		{ FILTER_PIDNS, "2147483647", -ESRCH },
		{ FILTER_PIDNS, "4294967294", -ENOENT },
		{ FILTER_PIDNS, "/no/such/file", -ENOENT },
		{ FILTER_PIDNS, "/proc/self/ns/net", -EINVAL },
		{ FILTER_PIDNS, "/dev/null", -EINVAL },
		{ FILTER_PIDNS, "/proc/self/exe", -EINVAL },
	};
	struct arena *arena = arena_new();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		read_bad(arena, cases[i].kind, cases[i].value, cases[i].err);
	arena_free(arena);
}

static void pid_namespaces(void **state)
{
	struct arena *arena = arena_new();
	char link[64], pid[32];
	uint64_t inode;
	ssize_t n = readlink("/proc/self/ns/pid", link, sizeof(link) - 1);

	(void)state;
	assert_true(n > 0);
	link[n] = '\0';
	inode = strtoull(link + strlen("pid:["), NULL, 10);
	snprintf(pid, sizeof(pid), "%d", getpid());
	assert_true(read_good(arena, FILTER_PIDNS, link).number == inode);
	assert_true(read_good(arena, FILTER_PIDNS, pid).number == inode);
	assert_true(read_good(arena, FILTER_PIDNS, "/proc/self/ns/pid").number == inode);
	link[strlen(link) - 1] = '\0';
	assert_true(read_good(arena, FILTER_PIDNS, link + strlen("pid:[")).number == inode);
	arena_free(arena);
}

/* The kernel's own id of a cgroup is the file handle of its folder (cgroup_id(), since Linux 5.5). */
static uint64_t cgroup_id(const char *path)
{
	struct {
		struct file_handle head;
		uint64_t id;
	} handle = { .head.handle_bytes = 8 };
	int mount;

	return name_to_handle_at(AT_FDCWD, path, &handle.head, &mount, 0) ? 0 : handle.id;
}

static void cgroups(void **state)
{
	struct arena *arena = arena_new();
	struct plan_filter filter;
	char point[256] = "";
	FILE *in = popen("findmnt -n -t cgroup2 -o TARGET | head -n 1", "r");

	(void)state;
	if (in) {
		if (!fgets(point, sizeof(point), in))
			point[0] = '\0';
		pclose(in);
	}
	point[strcspn(point, "\n")] = '\0';
	if (!*point) {
		read_bad(arena, FILTER_CGROUP, "/", -ENOTSUP);
		arena_free(arena);
		return;
	}
	filter = read_good(arena, FILTER_CGROUP, "/");
	assert_true(filter.number == cgroup_id(point));
	assert_true(filter.level == 0 || filter.level == FILTER_ANY_LEVEL);
	assert_true(read_good(arena, FILTER_CGROUP, point).number == filter.number);
	read_bad(arena, FILTER_CGROUP, "no such cgroup", -ENOENT);
	read_bad(arena, FILTER_CGROUP, "cgroup.procs", -ENOENT);
	read_bad(arena, FILTER_CGROUP, "../..", -ENOENT);
	read_bad(arena, FILTER_CGROUP, "/tmp", -ENOENT);
	arena_free(arena);
}

/* --- no filter costs nothing --- */

static const char *const scripts[] = {
	"profile:hz:99 /selected()/ { @[comm, pcomm] = count(); }",
	"profile:hz:99 { if (selected()) { @ = hist(pid); } }",
	"BEGIN { printf(\"%d\\n\", selected()); }",
	"interval:s:1 { @x[selected()] = sum(nsecs); }",
};

/* Instructions without names of debug records, which differ with a script's length. */
static char *strip_debug(char *ir)
{
	char *to = ir;

	for (char *line = ir; *line;) {
		size_t n = strcspn(line, "\n");
		const char *debug = memmem(line, n, ", !", 3);
		size_t keep = debug ? (size_t)(debug - line) : n;

		if (*line != '!') {
			memmove(to, line, keep);
			to += keep;
			*to++ = '\n';
		}
		line += n + (line[n] == '\n');
	}
	*to = '\0';
	return ir;
}

static char *ir_of(const char *text, const struct jb_filter *filters, unsigned n, bool follow)
{
	struct jb_source source = {
		.sz = sizeof(source), .name = "x", .text = text, .len = strlen(text)
	};
	struct jb_options options = { .sz = sizeof(options),
				      .partial = true,
				      .until = JB_STAGE_IR,
				      .filters = filters,
				      .n_filters = n,
				      .follow = follow };
	struct jb_program *program = jb_compile(&source, &options, stderr);
	char *ir = NULL;
	size_t len;
	FILE *out = open_memstream(&ir, &len);

	assert_non_null(program);
	assert_int_equal(jb_dump(program, JB_STAGE_IR, out), 0);
	fclose(out);
	jb_program_free(program);
	return ir;
}

/* The same script with what selected() is without filters, written in as many characters. */
static char *with_constant(const char *text)
{
	char *copy = strdup(text), *at = strstr(copy, "selected()");

	memcpy(at, "(bool)(11)", strlen("selected()"));
	return copy;
}

/* It also compiles scripts that read kernel structs again and again in one process, which LLVM must bear. */
static void no_filter_costs_nothing(void **state)
{
	static const struct jb_filter filter = { .kind = JB_FILTER_UID, .value = "0" };

	(void)state;
	for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
		char *constant = with_constant(scripts[i]);
		char *none = strip_debug(ir_of(scripts[i], NULL, 0, false));
		char *empty = strip_debug(ir_of(scripts[i], &filter, 0, false));
		char *plain = strip_debug(ir_of(constant, NULL, 0, false));
		char *one = strip_debug(ir_of(scripts[i], &filter, 1, false));

		assert_string_equal(none, empty);
		assert_string_equal(none, plain);
		assert_null(strstr(none, "jb_follow"));
		assert_null(strstr(none, "jb_filters"));
		if (!strcmp(none, one))
			fail_msg("a filter makes no difference: %s", scripts[i]);
		free(constant);
		free(none);
		free(empty);
		free(plain);
		free(one);
	}
}

static void check_asks_as_compile(void **state)
{
	struct jb_filter good = { .kind = JB_FILTER_UID, .value = "root" };
	struct jb_filter bad = { .kind = JB_FILTER_UID, .value = "no such user" };
	struct jb_source source = {
		.sz = sizeof(source), .name = "x", .text = "BEGIN { }", .len = 9
	};
	struct jb_options options = { .sz = sizeof(options), .filters = &bad, .n_filters = 1 };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_int_equal(jb_filter_check(&good, why, sizeof(why)), 0);
	assert_int_equal(jb_filter_check(&bad, why, sizeof(why)), -ENOENT);
	assert_null(jb_compile(&source, &options, out));
	fclose(out);
	assert_string_equal(text, "error: there is no user 'no such user'\n");
	free(text);
	options.n_filters = 0;
	options.follow = true;
	out = open_memstream(&text, &len);
	assert_null(jb_compile(&source, &options, out));
	fclose(out);
	assert_non_null(strstr(text, "needs a process"));
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(mistakes),
		cmocka_unit_test(pid_namespaces),
		cmocka_unit_test(cgroups),
		cmocka_unit_test(no_filter_costs_nothing),
		cmocka_unit_test(check_asks_as_compile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
