#ifndef JB_TESTS_EXPORT_FIXTURE_H
#define JB_TESTS_EXPORT_FIXTURE_H
/*
 * Maps as metrics, on the real kernel: scripts trace system calls that the test makes, and what is exported is compared
 * with what it made. lseek() of file descriptors that do not exist carries the numbers: the descriptor is a key, the
 * offset a value, `whence` says what the script shall do.
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
	int out_fd;
};

static inline struct traced start_with(const char *text, struct jb_options options)
{
	struct jb_source source = {
		.sz = sizeof(source), .name = "lseek.jt", .text = text, .len = strlen(text)
	};
	static char self[16];
	static const char *const params[] = { self };
	struct jb_run_options run_options = { .sz = sizeof(run_options), .quiet = true };
	struct traced traced = { .messages = tmpfile() };
	int err = 0;

	snprintf(self, sizeof(self), "%d", getpid());
	options.sz = sizeof(options);
	options.params = params;
	options.n_params = 1;
	run_options.out_fd = traced.out_fd = open("/dev/null", O_WRONLY);
	run_options.messages = traced.messages;
	traced.program = jb_compile(&source, &options, stderr);
	assert_non_null(traced.program);
	traced.made = jb_start(traced.program, &run_options, &err);
	if (!traced.made)
		fail_msg("cannot start: %s", strerror(-err));
	traced.run = traced.made->run;
	return traced;
}

static inline struct traced start(const char *text)
{
	return start_with(text, (struct jb_options){ 0 });
}

static inline void stop(struct traced *traced)
{
	jb_stop(traced->made);
	jb_program_free(traced->program);
	fclose(traced->messages);
	close(traced->out_fd);
}

static inline void seek(int fd, int64_t offset, int what)
{
	syscall(SYS_lseek, fd, offset, what);
}

/* Until this many records were handled. */
static inline void handle(struct traced *traced, uint64_t want)
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

static inline struct exporter *exporter(unsigned max_series, uint64_t expire_ns)
{
	const struct export_options options = { .max_series = max_series, .expire_ns = expire_ns };

	return exporter_new(&options);
}

static inline struct metrics collect(struct exporter *exporter)
{
	struct metrics set = { .arena = arena_new() };

	assert_int_equal(exporter_collect(exporter, &set), 0);
	return set;
}

static inline const struct metric_family *family_of(const struct metrics *set, const char *name)
{
	struct metric_family *const *family;

	vec_each (family, &set->families)
		if (strcmp((*family)->name, name) == 0 && (*family)->series.n)
			return *family;
	return NULL;
}

/* The series whose labels are these, joined with commas. */
static inline const struct metric_series *series_of(const struct metrics *set, const char *name,
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

static inline double value_of(const struct metrics *set, const char *name, const char *labels)
{
	const struct metric_series *series = series_of(set, name, labels);

	if (!series)
		fail_msg("there is no %s{%s}", name, labels);
	return series->value;
}

static inline double value_now(struct exporter *exporter, const char *name, const char *labels)
{
	struct metrics set = collect(exporter);
	double value = value_of(&set, name, labels);

	arena_free(set.arena);
	return value;
}

static inline bool is_there(struct exporter *exporter, const char *name, const char *labels)
{
	struct metrics set = collect(exporter);
	bool there = series_of(&set, name, labels) != NULL;

	arena_free(set.arena);
	return there;
}

#define assert_value(exporter, name, labels, want) \
	assert_float_equal(value_now(exporter, name, labels), want, 0)

/* --- scripts --- */

#define PROBE "tracepoint:syscalls:sys_enter_lseek /pid == $1 && args.fd >= 4000/ "
static const char counting[] =
	PROBE "{ if (args.whence == 1) { delete(@n, args.fd); delete(@h, args.fd); }"
	      "  else if (args.whence == 2) { clear(@n); clear(@h); }"
	      "  else if (args.whence == 3) { emit(\"seek\", args.fd); }"
	      "  else { @n[args.fd] = count(); @h[args.fd] = hist(args.offset); } }";

static inline const struct metric_series *histogram(const struct metrics *set, const char *name,
						    const char *labels)
{
	const struct metric_series *series = series_of(set, name, labels);

	assert_non_null(series);
	return series;
}

#endif
