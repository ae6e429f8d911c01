/*
 * Maps as metrics, on the real kernel: scripts trace system calls that this program makes, and what is exported is
 * compared with what it made. lseek() of file descriptors that do not exist carries the numbers: the descriptor is a key,
 * the offset a value, `whence` says what the script shall do.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "api.h"
#include "run/export.h"
#include "run/internal.h"

#define FD	  4000 /* no such descriptor */
#define HOUR_NS	  (3600ull * 1000000000ull)
#define STEPS_MAX 200
#define N(array)  (sizeof(array) / sizeof((array)[0]))

enum { COUNT, DELETE, CLEAR, EMIT };

struct traced {
	struct jb_program *program;
	struct jb_run *made;
	struct run *run;
	FILE *messages;
};

static struct traced start(const char *text)
{
	struct jb_source source = {
		.sz = sizeof(source), .name = "lseek.jt", .text = text, .len = strlen(text)
	};
	static char self[16];
	static const char *const params[] = { self };
	struct jb_options options = { .sz = sizeof(options), .params = params, .n_params = 1 };
	struct jb_run_options run_options = { .sz = sizeof(run_options), .quiet = true };
	struct traced traced = { .messages = tmpfile() };
	int err = 0;

	snprintf(self, sizeof(self), "%d", getpid());
	run_options.out_fd = open("/dev/null", O_WRONLY);
	run_options.messages = traced.messages;
	traced.program = jb_compile(&source, &options, stderr);
	assert_non_null(traced.program);
	traced.made = jb_start(traced.program, &run_options, &err);
	if (!traced.made)
		fail_msg("cannot start: %s", strerror(-err));
	traced.run = traced.made->run;
	return traced;
}

static void stop(struct traced *traced)
{
	jb_stop(traced->made);
	jb_program_free(traced->program);
	fclose(traced->messages);
}

static void seek(int fd, int64_t offset, int what)
{
	syscall(SYS_lseek, fd, offset, what);
}

/* Until this many records were handled. */
static void handle(struct traced *traced, uint64_t want)
{
	for (int i = 0; i < STEPS_MAX; i++) {
		uint64_t n = 0;

		for (size_t s = 0; s < traced->run->plan->sites.n; s++)
			n += traced->run->site_events[s];
		if (n >= want)
			return;
		jb_step(traced->made, 20);
	}
	fail_msg("%s", "the script's records did not come");
}

/* --- looking at what is exported --- */

static struct exporter *exporter(unsigned max_series, uint64_t expire_ns)
{
	const struct export_options options = { .max_series = max_series, .expire_ns = expire_ns };

	return exporter_new(&options);
}

static struct metrics collect(struct exporter *exporter)
{
	struct metrics set = { .arena = arena_new() };

	assert_int_equal(exporter_collect(exporter, &set), 0);
	return set;
}

static const struct metric_family *family_of(const struct metrics *set, const char *name)
{
	struct metric_family *const *family;

	vec_each (family, &set->families)
		if (strcmp((*family)->name, name) == 0 && (*family)->series.n)
			return *family;
	return NULL;
}

/* The series whose labels are these, joined with commas. */
static const struct metric_series *series_of(const struct metrics *set, const char *name,
					     const char *labels)
{
	const struct metric_family *family = family_of(set, name);
	const struct metric_series *series, *found = NULL;

	if (!family)
		return NULL;
	vec_each (series, &family->series) {
		char joined[4096] = "";

		for (unsigned i = 0; i < family->n_labels; i++) {
			strcat(joined, i ? "," : "");
			strcat(joined, series->labels[i]);
		}
		if (strcmp(joined, labels) != 0)
			continue;
		assert_null(found); /* a series is there once */
		found = series;
	}
	return found;
}

static double value_of(const struct metrics *set, const char *name, const char *labels)
{
	const struct metric_series *series = series_of(set, name, labels);

	if (!series)
		fail_msg("there is no %s{%s}", name, labels);
	return series->value;
}

static double value_now(struct exporter *exporter, const char *name, const char *labels)
{
	struct metrics set = collect(exporter);
	double value = value_of(&set, name, labels);

	arena_free(set.arena);
	return value;
}

static bool is_there(struct exporter *exporter, const char *name, const char *labels)
{
	struct metrics set = collect(exporter);
	bool there = series_of(&set, name, labels) != NULL;

	arena_free(set.arena);
	return there;
}

#define assert_value(exporter, name, labels, want) \
	assert_float_equal(value_now(exporter, name, labels), want, 0)

/* --- tests --- */

#define PROBE "tracepoint:syscalls:sys_enter_lseek /pid == $1 && args.fd >= 4000/ "
static const char counting[] =
	PROBE "{ if (args.whence == 1) { delete(@n, args.fd); delete(@h, args.fd); }"
	      "  else if (args.whence == 2) { clear(@n); clear(@h); }"
	      "  else if (args.whence == 3) { emit(\"seek\", args.fd); }"
	      "  else { @n[args.fd] = count(); @h[args.fd] = hist(args.offset); } }";

static const struct metric_series *histogram(const struct metrics *set, const char *name,
					     const char *labels)
{
	const struct metric_series *series = series_of(set, name, labels);

	assert_non_null(series);
	return series;
}

/* Whatever the script clears or deletes and however often it is started anew, the numbers only grow, and are right. */
static void test_monotonic(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(counting);
	const char *n = "jbtrace_n_total", *label = "4000";
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int i = 0; i < 10; i++)
		seek(FD, 1 << i, COUNT);
	assert_value(e, n, label, 10);
	seek(FD, 0, CLEAR);
	handle(&traced, 2);
	assert_value(e, n, label, 10);
	seek(FD, 100, COUNT);
	assert_value(e, n, label, 11);
	seek(FD, 0, DELETE);
	assert_value(e, n, label, 11); /* seen as gone */
	seek(FD, 100, COUNT);
	seek(FD, 100, COUNT);
	seek(FD, 100, COUNT);
	assert_value(e, n, label, 14);

	seek(FD, 100, COUNT);
	seek(FD, 100, COUNT); /* after the last look, before the end */
	exporter_remove(e, traced.run);
	stop(&traced);
	assert_false(is_there(e, n, label));
	assert_value(e, "jbtrace_script_up", "lseek", 0);
	exporter_forget(e, "lseek.jt");
	assert_false(is_there(e, "jbtrace_script_up", "lseek"));
	traced = start(counting);
	exporter_add(e, "lseek.jt", traced.run);
	assert_value(e, n, label, 16);
	assert_value(e, "jbtrace_script_up", "lseek", 1);
	seek(FD, 3, COUNT);
	set = collect(e);
	assert_float_equal(value_of(&set, n, label), 17, 0);
	assert_int_equal(histogram(&set, "jbtrace_h", label)->count, 17);
	assert_float_equal(histogram(&set, "jbtrace_h", label)->sum, 1023 + 6 * 100 + 3, 0);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* A key that was deleted and came back between two looks. */
static void test_deleted_unseen(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced =
		start(PROBE "{ if (args.whence == 1) { delete(@n, args.fd); delete(@h, args.fd); }"
			    "  else { @n[args.fd] = count(); @h[args.fd] = hist(args.offset); } }");
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int i = 0; i < 5; i++)
		seek(FD, 100, COUNT);
	assert_value(e, "jbtrace_n_total", "4000", 5);
	seek(FD, 0, DELETE);
	seek(FD, 1, COUNT);
	seek(FD, 1, COUNT);
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_n_total", "4000"), 7, 0);
	assert_int_equal(histogram(&set, "jbtrace_h", "4000")->count, 7);
	assert_float_equal(histogram(&set, "jbtrace_h", "4000")->sum, 502, 0);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

static int64_t numbers[3000];

/* So many of the first n numbers are at most this. */
static uint64_t at_most(double bound, size_t n)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += (double)numbers[i] <= bound;
	return count;
}

static void make_numbers(void)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < N(numbers); i++) {
		seed = seed * 1664525u + 1013904223u;
		numbers[i] = i < 40 ? (int64_t)i : (int64_t)((seed >> 8) >> (seed % 22));
	}
}

/* Every bucket holds what its bound says; `scale`: of the metric. */
static void check_buckets(const struct metrics *set, const char *name, const char *labels, size_t n,
			  double scale, unsigned least)
{
	const struct metric_series *series = histogram(set, name, labels);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)numbers[i];
	assert_int_equal(series->count, n);
	assert_float_equal(series->sum, sum * scale, sum * scale * 1e-12);
	assert_in_range(series->n_buckets, least, 1100);
	for (unsigned i = 0; i < series->n_buckets; i++) {
		double bound = rint(series->buckets[i].le / scale);

		if (i)
			assert_true(series->buckets[i].le > series->buckets[i - 1].le);
		assert_int_equal(series->buckets[i].count, at_most(bound, n));
	}
}

static void check_same_bounds(const struct metrics *set, const char *name)
{
	const struct metric_family *family = family_of(set, name);

	for (size_t i = 1; i < family->series.n; i++) {
		const struct metric_series *a = &family->series.data[0];
		const struct metric_series *b = &family->series.data[i];

		assert_int_equal(a->n_buckets, b->n_buckets);
		for (unsigned k = 0; k < a->n_buckets; k++)
			assert_float_equal(a->buckets[k].le, b->buckets[k].le, 0);
	}
}

static const char *const histograms[] = { "jbtrace_log", "jbtrace_fine", "jbtrace_lin_seconds",
					  "jbtrace_q_seconds", "jbtrace_b" };
static const char measuring[] =
	PROBE "{ @log[args.fd] = hist(args.offset); @fine[args.fd] = hist(args.offset, 3);"
	      "  @lin_us[args.fd] = lhist(args.offset, 0, 1000, 10);"
	      "  @q_ns[args.fd] = quantiles(args.offset); @b[args.fd] = bhist(args.offset, 5, 100, "
	      "5000); }";

static void test_histograms(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(measuring);
	unsigned n_bounds[N(histograms)];
	struct metrics set;

	(void)state;
	make_numbers();
	exporter_add(e, "lseek.jt", traced.run);
	for (size_t i = 0; i < N(numbers); i++)
		seek(FD, numbers[i], COUNT);
	seek(FD + 1, numbers[0], COUNT);
	set = collect(e);
	check_buckets(&set, histograms[0], "4000", N(numbers), 1, 20);
	check_buckets(&set, histograms[1], "4000", N(numbers), 1, 100);
	check_buckets(&set, histograms[2], "4000", N(numbers), 1e-6, 90);
	check_buckets(&set, histograms[3], "4000", N(numbers), 1e-9, 60);
	check_buckets(&set, histograms[4], "4000", N(numbers), 1, 3);
	assert_int_equal(histogram(&set, histograms[4], "4000")->n_buckets, 3);
	for (size_t i = 0; i < N(histograms); i++) {
		check_buckets(&set, histograms[i], "4001", 1, i == 2 ? 1e-6 : i == 3 ? 1e-9 : 1, 3);
		check_same_bounds(&set, histograms[i]);
		n_bounds[i] = histogram(&set, histograms[i], "4001")->n_buckets;
	}
	arena_free(set.arena);

	/* Started anew with one small number: no bound is missed, nothing is forgotten. */
	exporter_remove(e, traced.run);
	stop(&traced);
	traced = start(measuring);
	exporter_add(e, "lseek.jt", traced.run);
	seek(FD + 2, numbers[0], COUNT);
	set = collect(e);
	for (size_t i = 0; i < N(histograms); i++) {
		check_buckets(&set, histograms[i], "4000", N(numbers),
			      i == 2   ? 1e-6
			      : i == 3 ? 1e-9
				       : 1,
			      3);
		check_buckets(&set, histograms[i], "4002", 1, i == 2 ? 1e-6 : i == 3 ? 1e-9 : 1, 3);
		assert_int_equal(histogram(&set, histograms[i], "4002")->n_buckets, n_bounds[i]);
	}
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* Between the buckets of two far numbers lie all others, so that a later one brings no new bound. */
static void test_no_gaps(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(measuring);
	unsigned n_bounds[N(histograms)];
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	seek(FD, 3, COUNT);
	seek(FD + 1, 900, COUNT);
	set = collect(e);
	for (size_t i = 0; i < N(histograms); i++)
		n_bounds[i] = histogram(&set, histograms[i], "4000")->n_buckets;
	arena_free(set.arena);
	for (int i = 4; i < 900; i++)
		seek(FD + 2, i, COUNT);
	set = collect(e);
	for (size_t i = 0; i < N(histograms); i++)
		assert_int_equal(histogram(&set, histograms[i], "4000")->n_buckets, n_bounds[i]);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

static const char many[] = PROBE
	"{ if (args.whence == 1) { delete(@n, args.fd); } else {"
	"  @n[args.fd] = count(); @h[args.fd] = hist(args.offset); @g[args.fd] = args.offset; } }";

/* At most so many series; the rest in one, of which nothing is lost, and who is in stays in. */
static void test_limit(void **state)
{
	struct exporter *e = exporter(5, HOUR_NS);
	struct traced traced = start(many);
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int fd = 0; fd < 5; fd++)
		seek(FD + fd, 1, COUNT);
	assert_false(is_there(e, "jbtrace_n_total", "_other"));
	for (int fd = 0; fd < 20; fd++)
		for (int i = 0; i <= fd; i++)
			seek(FD + fd, fd, COUNT);
	set = collect(e);
	assert_int_equal(family_of(&set, "jbtrace_n_total")->series.n, 6);
	for (int fd = 0; fd < 5; fd++) {
		char label[8];

		snprintf(label, sizeof(label), "%d", FD + fd);
		assert_float_equal(value_of(&set, "jbtrace_n_total", label), fd + 2, 0);
	}
	assert_float_equal(value_of(&set, "jbtrace_n_total", "_other"), 20 * 21 / 2 - 15, 0);
	assert_int_equal(histogram(&set, "jbtrace_h", "_other")->count, 20 * 21 / 2 - 15);
	assert_int_equal(family_of(&set, "jbtrace_g")->series.n, 5);
	assert_null(series_of(&set, "jbtrace_g", "_other"));
	assert_float_equal(value_of(&set, "jbtrace_series_dropped", "jbtrace_g"), 15, 0);
	assert_float_equal(value_of(&set, "jbtrace_series_dropped", "jbtrace_n_total"), 15, 0);
	assert_float_equal(value_of(&set, "jbtrace_series", "jbtrace_n_total"), 6, 0);
	arena_free(set.arena);

	/* What is deleted stays in the sum, and so does what is forgotten because many keys went. */
	for (int fd = 0; fd < 20; fd++)
		seek(FD + fd, 0, DELETE);
	assert_value(e, "jbtrace_n_total", "_other", 20 * 21 / 2 - 15);
	for (int round = 1; round < 4; round++) {
		double total = 0;

		for (int fd = 0; fd < 10; fd++) {
			seek(FD + round * 100 + fd, 1, COUNT);
			seek(FD + round * 100 + fd, 1, DELETE);
			seek(FD + round * 100 + fd, 1, COUNT);
		}
		set = collect(e);
		for (size_t i = 0; i < family_of(&set, "jbtrace_n_total")->series.n; i++)
			total += family_of(&set, "jbtrace_n_total")->series.data[i].value;
		assert_float_equal(total, 20 * 21 / 2 + 5 + round * 10, 0);
		arena_free(set.arena);
		for (int fd = 0; fd < 10; fd++)
			seek(FD + round * 100 + fd, 0, DELETE);
	}
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* A child whose calls are counted under its pid. */
static pid_t spawn(int n)
{
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < n; i++)
			seek(FD, 1, COUNT);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static size_t count_keys(struct traced *traced)
{
	struct value value;
	size_t n;

	assert_int_equal(run_read_map(traced->run, traced->run->plan->maps.data[0], &value), 0);
	n = value.len;
	arena_reset(run_scratch(traced->run));
	return n;
}

static void test_expiry(void **state)
{
	struct exporter *soon = exporter(100, 1), *late = exporter(100, HOUR_NS);
	struct traced traced = start("tracepoint:syscalls:sys_enter_lseek /args.fd >= 4000/ { "
				     "@n[pid, comm] = count(); }");
	char label[64], own[64];
	pid_t pid;

	(void)state;
	exporter_add(late, "lseek.jt", traced.run);
	seek(FD, 1, COUNT);
	pid = spawn(7);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	snprintf(label, sizeof(label), "%d,test_export", pid);
	snprintf(own, sizeof(own), "%d,test_export", getpid());
	assert_value(late, "jbtrace_n_total", label, 7);
	assert_value(late, "jbtrace_n_total", own, 1);
	assert_int_equal(count_keys(&traced), 2);

	/* The other one drops it: from its export, and from the map. */
	exporter_add(soon, "lseek.jt", traced.run);
	assert_true(is_there(soon, "jbtrace_n_total", own));
	assert_false(is_there(soon, "jbtrace_n_total", label));
	assert_value(soon, "jbtrace_n_total", own, 1);
	assert_int_equal(count_keys(&traced), 1);
	assert_value(late, "jbtrace_n_total", label, 7); /* it has not expired here */
	exporter_free(soon);
	exporter_remove(late, traced.run);
	exporter_free(late);
	stop(&traced);
}

static const char *messages_of(struct traced *traced, char *text, size_t room)
{
	size_t n;

	rewind(traced->messages);
	n = fread(text, 1, room - 1, traced->messages);
	text[n] = '\0';
	return text;
}

/* The later of two with one name gets its script's; declared ones become one. */
static void test_two_scripts(void **state)
{
	static const char declared[] =
		"metric \"seeks_total\" = @a { labels = (what) } metric \"size\" = @g { labels = "
		"(fd) }" PROBE "{ @a[args.whence] = count(); @g[args.fd] = args.offset; }";
	static const char other[] = "metric \"seeks_total\" = @b { labels = (what) } metric "
				    "\"size\" = @b { labels = (what), type = gauge }" PROBE
				    "{ @b[args.whence + 10 * (args.offset == 5)] = count(); }";
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced a = start(counting), b = start(counting), c = start(declared),
		      d = start(other);
	char text[512];

	(void)state;
	exporter_add(e, "a.jt", a.run);
	exporter_add(e, "dir/b.jt", b.run);
	exporter_add(e, "c", c.run);
	exporter_add(e, "d", d.run);
	seek(FD, 5, COUNT);
	seek(FD, 6, COUNT);
	assert_value(e, "jbtrace_n_total", "4000", 2);
	assert_value(e, "jbtrace_b_n_total", "4000", 2);
	assert_value(e, "seeks_total", "0", 3); /* 2 here, 1 there */
	assert_value(e, "seeks_total", "10", 1);
	assert_value(e, "size", "4000", 6);
	assert_false(is_there(e, "size", "0"));
	assert_non_null(
		strstr(messages_of(&d, text, sizeof(text)), "another metric is called size"));
	exporter_remove(e, c.run); /* its part of the sum goes with it */
	assert_value(e, "seeks_total", "0", 1);
	exporter_remove(e, a.run);
	exporter_remove(e, b.run);
	exporter_remove(e, d.run);
	stop(&a);
	stop(&b);
	stop(&c);
	stop(&d);
	exporter_free(e);
}

/* Sums that shrink because something negative is added stay at what they had reached. */
static void test_negative_sum(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(
		PROBE "{ @s = sum((int64)args.offset); @k[args.fd] = sum((int64)args.offset); }");

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	seek(FD, 100, COUNT);
	assert_value(e, "jbtrace_s_total", "", 100);
	seek(FD, -40, COUNT);
	assert_value(e, "jbtrace_s_total", "", 100);
	assert_value(e, "jbtrace_k_total", "4000", 100);
	seek(FD, 50, COUNT);
	assert_value(e, "jbtrace_s_total", "", 110);
	assert_value(e, "jbtrace_k_total", "4000", 110);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

static void test_values(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(
		PROBE "{ if (args.whence == 3) { emit(\"seek\", args.fd); emit(\"seek\", args.fd); "
		      "} else {"
		      "  @name[args.fd] = comm; @avg = avg(args.offset); @size_kb = args.offset;"
		      "  @io[args.fd] = agg(n = count(), lat_us = stats(args.offset), half = n / "
		      "2, _h = count());"
		      "  @_own[args.fd] = 1; @t = (1, 2); @min[args.fd] = min(args.offset); "
		      "@never[args.fd] = @size_kb;"
		      "  if (args.whence == 5) { @unset = max(1); } } }");
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	set = collect(e);
	assert_null(family_of(&set, "jbtrace_avg")); /* of nothing */
	assert_null(family_of(&set, "jbtrace_unset"));
	assert_float_equal(value_of(&set, "jbtrace_seek_rows_total", ""), 0, 0);
	arena_free(set.arena);
	seek(FD, 10, COUNT);
	seek(FD, 30, COUNT);
	seek(FD, 0, EMIT);
	handle(&traced, 2);
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_name_info", "4000,test_export"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_avg", ""), 20, 0);
	assert_float_equal(value_of(&set, "jbtrace_size_bytes", ""), 30 * 1024, 0);
	assert_float_equal(value_of(&set, "jbtrace_io_n_total", "4000"), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_io_half", "4000"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_min", "4000"), 10, 0);
	assert_int_equal(histogram(&set, "jbtrace_io_lat_seconds", "4000")->count, 2);
	assert_float_equal(histogram(&set, "jbtrace_io_lat_seconds", "4000")->sum, 40e-6, 1e-18);
	assert_float_equal(value_of(&set, "jbtrace_seek_rows_total", ""), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_events_total", "lseek"), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_entries", "lseek,@_own"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_max_entries", "lseek,@_own"), 4096, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_full_total", "lseek,@_own"), 0, 0);
	assert_float_equal(value_of(&set, "jbtrace_lost_events_total", "lseek,lseek.jt:1 emit"), 0,
			   0);
	assert_float_equal(value_of(&set, "jbtrace_attached_probes", "lseek"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_probe_attached",
				    "lseek,tracepoint:syscalls:sys_enter_lseek"),
			   1, 0);
	assert_null(family_of(&set, "jbtrace__own"));
	assert_null(family_of(&set, "jbtrace_io__h_total"));
	assert_null(family_of(&set, "jbtrace_t"));
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* Keys from the traced program may be anything; two that are written alike are one series. */
static void test_odd_labels(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start("tracepoint:syscalls:sys_enter_chdir /pid == $1/ "
				     "{ @paths[str(args.filename)] = count(); }");
	char longer[1100];
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	memset(longer, 'x', sizeof(longer));
	longer[1023] = '\0'; /* as long as a string of the script can be */
	assert_int_not_equal(chdir("/no/\"such\"\n\\ folder"), 0);
	assert_int_not_equal(chdir("/no/\xff\xfe"), 0);
	assert_int_not_equal(chdir("/no/\xfd\xfc"), 0);
	assert_int_not_equal(chdir(longer), 0);
	assert_int_not_equal(chdir("/no/\xff\xfe"), 0);
	arena_free(collect(e).arena);
	arena_free(collect(e).arena);
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_paths_total", "/no/\"such\"\n\\ folder"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_paths_total", "/no/\xef\xbf\xbd\xef\xbf\xbd"), 3,
			   0);
	assert_float_equal(value_of(&set, "jbtrace_paths_total", longer), 1, 0);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* What the kernel counted: keys that a full map had no room for, divisions by zero. */
static void test_counters_of_the_kernel(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start("let @n = percpuhash(2); " PROBE
				     "{ @n[args.fd] = count(); @x = 1 / args.offset; }");
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int i = 0; i < 10; i++)
		seek(FD + i / 2, i % 3, COUNT); /* 5 keys, and 0 four times */
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_map_full_total", "lseek,@n"), 6, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_entries", "lseek,@n"), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_max_entries", "lseek,@n"), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_warnings_total", "lseek"), 4, 0);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

__attribute__((noipa)) int called(int n);
__attribute__((noipa)) int called(int n)
{
	return n + 1;
}

static bool set_kernel_stats(char value)
{
	int fd = open("/proc/sys/kernel/bpf_stats_enabled", O_WRONLY);
	bool good = fd >= 0 && write(fd, &value, 1) == 1;

	if (fd >= 0)
		close(fd);
	return good;
}

/* Hits are there as long as the kernel counts, which is not for us to switch on. */
static void test_hits(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	char self[256], script[512], label[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct traced traced;

	(void)state;
	self[n > 0 ? n : 0] = '\0';
	snprintf(script, sizeof(script), "uprobe:%s:called { @n = count(); }", self);
	snprintf(label, sizeof(label), "stdin,uprobe:%s:called", self);
	traced = start(script);
	exporter_add(e, "stdin", traced.run);
	called(0);
	assert_false(is_there(e, "jbtrace_probe_hits_total", label));
	if (!set_kernel_stats('1')) {
		print_message("skipped: kernel.bpf_stats_enabled cannot be set\n");
	} else {
		for (int i = 0; i < 7; i++)
			called(i);
		n = (ssize_t)value_now(e, "jbtrace_probe_hits_total", label);
		set_kernel_stats('0');
		assert_int_equal(n, 7);
	}
	assert_value(e, "jbtrace_n_total", "", n == 7 ? 8 : 1);
	assert_value(e, "jbtrace_missed_events_total", label, 0);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

static void write_file(const struct metrics *set, bool openmetrics, const char *path)
{
	struct buf text = { 0 };
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	prom_write(&text, set, openmetrics);
	fwrite(text.data, 1, text.len, file);
	fclose(file);
	buf_fini(&text);
}

static const char everything[] =
	"metric \"odd_total\" = @g { type = counter, labels = (fd), help = \"a \\\"quoted\\\" \\\\ "
	"help\\nline\" }"
	"metric \"used_bytes\" = @g { labels = (fd), help = \"Bytes.\" }" PROBE
	"{ @n[args.fd] = count(); @h_us[args.fd] = hist(args.offset); @q_ns[args.fd] = "
	"quantiles(args.offset);"
	"  @b = bhist(args.offset, 1us, 10us, 1s); @l[args.fd] = lhist(args.offset, 0, 100, 10);"
	"  @g[args.fd] = args.offset; @name[args.fd] = comm; @s = stats(args.offset);"
	"  @io[args.fd] = agg(n = count(), lat = quantiles(args.offset), half = n / 2);"
	"  @rtp[args.fd] = rtp(args.offset, args.offset * 90, 90000); emit(\"x\", args.fd); }"
	"tracepoint:syscalls:sys_enter_chdir /pid == $1/ { @paths[str(args.filename)] = count(); }";

/* Both formats as an independent reader sees them. */
static int read_back(const struct metrics *set)
{
	char folder[] = "/tmp/jbtrace-export-XXXXXX", text[64], strict[64], command[1024];
	int status;

	assert_non_null(mkdtemp(folder));
	snprintf(text, sizeof(text), "%s/text", folder);
	snprintf(strict, sizeof(strict), "%s/openmetrics", folder);
	write_file(set, false, text);
	write_file(set, true, strict);
	snprintf(command, sizeof(command),
		 "tests/e2e/exposition.py %s %s jbtrace_n_total 4000 9 jbtrace_n_total _other 24 "
		 "jbtrace_paths_total '/no/\"such\"\\n\\\\ \\xef\\xbf\\xbd folder \\xc3\\xbc' 1 "
		 "used_bytes 4000 110592 jbtrace_script_up 'a \"broken\" one\\n' 0",
		 text, strict);
	status = system(command);
	unlink(text);
	unlink(strict);
	rmdir(folder);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Both formats as an independent reader sees them. */
static void test_parsers(void **state)
{
	struct exporter *e = exporter(3, HOUR_NS);
	struct traced traced;
	struct metrics set;
	int status;

	(void)state;
	if (access("tests/e2e/exposition.py", X_OK)) {
		print_message("skipped: tests/e2e/exposition.py is not here\n");
		exporter_free(e);
		skip();
	}
	traced = start(everything);
	exporter_add(e, "lseek.jt", traced.run);
	exporter_add_failed(e, "a \"broken\" one\n");
	for (int i = 0; i < 50; i++)
		seek(FD + i % 6, i * i * i, COUNT);
	assert_int_not_equal(chdir("/no/\"such\"\n\\ \xff folder \xc3\xbc"), 0);
	set = collect(e);
	status = read_back(&set);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
	if (status == 77) {
		print_message("skipped: python3-prometheus-client is not installed\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void test_failed_script(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct metrics set;

	(void)state;
	exporter_add_failed(e, "scripts/broken.jt");
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_script_up", "broken"), 0, 0);
	assert_float_equal(value_of(&set, "jbtrace_build_info", jb_version()), 1, 0);
	assert_true(value_of(&set, "process_resident_memory_bytes", "") > 1e6);
	assert_true(value_of(&set, "process_open_fds", "") >= 3);
	arena_free(set.arena);
	assert_value(e, "jbtrace_scrapes_total", "", 2);
	exporter_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monotonic),   cmocka_unit_test(test_deleted_unseen),
		cmocka_unit_test(test_histograms),  cmocka_unit_test(test_no_gaps),
		cmocka_unit_test(test_limit),	    cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_two_scripts), cmocka_unit_test(test_negative_sum),
		cmocka_unit_test(test_values),	    cmocka_unit_test(test_odd_labels),
		cmocka_unit_test(test_parsers),	    cmocka_unit_test(test_counters_of_the_kernel),
		cmocka_unit_test(test_hits),	    cmocka_unit_test(test_failed_script),
	};

	if (jb_check_privileges(stderr)) {
		puts("skipped: tracing needs root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
