/*
 * Snapshots, clearing and totals of maps on the real kernel, one call after the other: a script counts the lseek()s that
 * this program makes, of file descriptors that do not exist. Its print and clear sites are acted on here, so that an event
 * can be left out as if it had been lost. Under load: tests/live/intervals.test.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "api.h"
#include "run/internal.h"

#define FD 4000 /* no such descriptor */

struct traced {
	struct jb_program *program;
	struct jb_run *made;
	struct run *run;
	FILE *messages, *output;
	char text[4096];
};

/* `count` is what an lseek() of this process with SEEK_SET does; one that would `report` never happens. */
static struct traced *start(const char *count, const char *declared, const char *report)
{
	struct traced *traced = calloc(1, sizeof(*traced));
	struct jb_run_options run_options = { .sz = sizeof(run_options), .quiet = true };
	struct jb_options options = { .sz = sizeof(options) };
	struct jb_source source = { .sz = sizeof(source), .name = "lseek.jt" };
	int err = 0;

	snprintf(traced->text, sizeof(traced->text),
		 "%s tracepoint:syscalls:sys_enter_lseek /pid == %d && args.fd >= 4000/ { if "
		 "(args.whence == 0) { %s } "
		 "else { %s } }",
		 declared, getpid(), count, report);
	source.text = traced->text;
	source.len = strlen(traced->text);
	traced->messages = tmpfile();
	traced->output = tmpfile();
	run_options.out_fd = fileno(traced->output);
	run_options.messages = traced->messages;
	traced->program = jb_compile(&source, &options, stderr);
	assert_non_null(traced->program);
	traced->made = jb_start(traced->program, &run_options, &err);
	if (!traced->made)
		fail_msg("cannot start: %s", strerror(-err));
	traced->run = traced->made->run;
	return traced;
}

static void stop(struct traced *traced)
{
	jb_stop(traced->made);
	jb_program_free(traced->program);
	fclose(traced->messages);
	fclose(traced->output);
	free(traced);
}

static void seek(int fd, int64_t offset, int n)
{
	for (int i = 0; i < n; i++)
		syscall(SYS_lseek, fd, offset, SEEK_SET);
}

/* What the site's record would do; returns what it prints. */
static const char *act(struct traced *traced, unsigned number)
{
	const struct plan_site *site = &traced->run->plan->sites.data[number];
	size_t len;

	assert_int_equal(ftruncate(fileno(traced->output), 0), 0);
	rewind(traced->output);
	assert_int_equal(site->fn->act(traced->run, site, NULL, 0), 0);
	out_flush(&traced->run->out);
	rewind(traced->output);
	len = fread(traced->text, 1, sizeof(traced->text) - 1, traced->output);
	traced->text[len] = '\0';
	rewind(traced->output);
	return traced->text;
}

static const struct plan_map *map_of(const struct traced *traced, const char *name)
{
	struct plan_map **map;

	vec_each (map, &traced->run->plan->maps)
		if (!strcmp((*map)->name, name))
			return *map;
	fail_msg("no map %s", name);
	return NULL;
}

static struct value total_of(struct traced *traced, const char *name)
{
	struct value value;

	assert_int_equal(run_read_total(traced->run, map_of(traced, name), &value), 0);
	return value;
}

/* UINT64_MAX: there is no such key. */
static uint64_t number_at(const struct value *map, uint64_t key)
{
	for (uint32_t i = 0; i < map->len; i++)
		if (map->keys[i].u == key)
			return map->items[i].u;
	return UINT64_MAX;
}

/* --- steps --- */

enum { FIRST, AGAIN, END_OF_STEP };

static void test_step(void **state)
{
	struct traced *t = start("@n[args.fd] = count();", "", "print(@n); print(@n); clear(@n);");

	(void)state;
	seek(FD, 0, 3);
	assert_string_equal(act(t, FIRST), "@n[4000]: 3\n");
	seek(FD, 0, 2);
	assert_string_equal(act(t, AGAIN), "@n[4000]: 3\n");
	assert_string_equal(act(t, END_OF_STEP), "");
	assert_string_equal(act(t, FIRST), "@n[4000]: 2\n");
	act(t, END_OF_STEP);
	assert_string_equal(act(t, FIRST), "");
	stop(t);
}

static void test_lost_clear(void **state)
{
	struct traced *t = start("@n[args.fd] = count();", "", "print(@n); print(@n); clear(@n);");

	(void)state;
	seek(FD, 0, 3);
	act(t, FIRST);
	seek(FD, 0, 4);
	assert_string_equal(act(t, FIRST), "@n[4000]: 4\n");
	stop(t);
}

static void test_lost_print(void **state)
{
	struct traced *t = start("@n[args.fd] = count();", "", "print(@n); print(@n); clear(@n);");

	(void)state;
	seek(FD, 0, 3);
	act(t, END_OF_STEP);
	seek(FD, 0, 4);
	assert_string_equal(act(t, AGAIN), "@n[4000]: 7\n");
	act(t, END_OF_STEP);
	seek(FD, 0, 1);
	assert_string_equal(act(t, FIRST), "@n[4000]: 1\n");
	stop(t);
}

/* The clear of a print that may not be reached has to do its work without it. */
static void test_optional_print(void **state)
{
	struct traced *t =
		start("@n[args.fd] = count();", "", "if (pid) { print(@n); } clear(@n);");

	(void)state;
	seek(FD, 0, 3);
	act(t, 1);
	seek(FD, 0, 2);
	assert_string_equal(act(t, 0), "@n[4000]: 2\n");
	act(t, 1);
	seek(FD, 0, 1);
	assert_string_equal(act(t, 0), "@n[4000]: 1\n");
	stop(t);
}

static void test_zero(void **state)
{
	struct traced *t =
		start("@n[args.fd] = count(); @p[args.fd] += args.offset; @s++;", "",
		      "print(@n); zero(@n); print(@p); zero(@p); print(@s); zero(@s); zero(@n);");

	(void)state;
	seek(FD, 10, 3);
	seek(FD + 1, 5, 2);
	assert_string_equal(act(t, 0), "@n[4001]: 2\n@n[4000]: 3\n");
	seek(FD, 10, 1);
	act(t, 1);
	assert_string_equal(act(t, 0), "@n[4001]: 0\n@n[4000]: 1\n");
	assert_string_equal(act(t, 2), "@p[4001]: 10\n@p[4000]: 40\n");
	act(t, 3);
	assert_string_equal(act(t, 2), "@p[4000]: 0\n@p[4001]: 0\n");
	assert_string_equal(act(t, 4), "@s: 6\n");
	act(t, 5);
	assert_string_equal(act(t, 4), "@s: 0\n");
	seek(FD + 2, 0, 1);
	act(t, 6); /* by itself */
	act(t, 1);
	assert_string_equal(act(t, 0), "@n[4000]: 0\n@n[4001]: 0\n@n[4002]: 0\n");
	stop(t);
}

/* Keys of any size, a state that all processors share, a value of several members. */
static void test_keys(void **state)
{
	struct traced *t = start(
		"@a[\"abcdefg\", args.fd] = sum(args.offset); @b[(uint8)args.fd] = "
		"max(args.offset); "
		"@c[\"xyz\"] = rtp(args.offset, args.offset * 160, 8000); @d = (args.fd, \"end\");",
		"",
		"print(@a); clear(@a); print(@b); clear(@b); print(@c); clear(@c); print(@d); "
		"clear(@d);");

	(void)state;
	for (int i = 0; i < 3; i++) {
		seek(FD, 7, 2);
		seek(FD, 8, 1);
		assert_string_equal(act(t, 0), "@a[abcdefg, 4000]: 22\n");
		assert_string_equal(act(t, 2), "@b[160]: 8\n");
		act(t, 4);
		assert_non_null(strstr(t->text, "xyz         3         2     0"));
		assert_string_equal(act(t, 6), "@d: (4000, end)\n");
		for (unsigned clear = 1; clear < 8; clear += 2)
			act(t, clear);
		assert_string_equal(act(t, 0), "");
		act(t, 1);
	}
	stop(t);
}

/* --- totals --- */

static void test_totals(void **state)
{
	struct traced *t = start(
		"@n[args.fd] = count(); @s = stats(args.offset); @m[args.fd] = min(args.offset);",
		"", "print(@n); clear(@n); zero(@s); clear(@m); print(@m);");
	struct value value;

	(void)state;
	seek(FD, 100, 1);
	act(t, 0);
	act(t, 1);
	seek(FD, 1, 1);
	value = total_of(t, "@n"); /* what was cleared before is not known */
	assert_int_equal(number_at(&value, FD), 1);
	run_keep_past(t->run);
	for (int i = 0; i < 4; i++) {
		seek(FD, 20 - i, 5);
		seek(FD + 1 + i, 3, 2);
		act(t, 0);
		act(t, 1);
		act(t, 2);
		act(t, 3);
	}
	seek(FD, 30, 1);
	value = total_of(t, "@n");
	assert_int_equal(value.len, 5);
	assert_int_equal(number_at(&value, FD), 1 + 4 * 5 + 1);
	assert_int_equal(number_at(&value, FD + 4), 2);
	value = total_of(t, "@m");
	assert_int_equal(number_at(&value, FD), 1);
	value = total_of(t, "@s");
	assert_int_equal(value_member(&value, "count")->u, 2 + 4 * 7 + 1);
	assert_int_equal(value_member(&value, "total")->i,
			 101 + 5 * (20 + 19 + 18 + 17) + 4 * 6 + 30);
	assert_string_equal(act(t, 0), "@n[4000]: 1\n");
	stop(t);
}

static bool is_odd(void *arg, const struct value *key)
{
	++*(unsigned *)arg;
	return key->u % 2;
}

static void test_forget(void **state)
{
	struct traced *t = start("@n[args.fd] = count(); @s = count();", "",
				 "print(@n); clear(@n); clear(@s);");
	unsigned asked = 0;
	struct value value;

	(void)state;
	run_keep_past(t->run);
	for (int i = 0; i < 10; i++)
		seek(FD + i, 0, 1);
	act(t, 0);
	act(t, 1);
	for (int i = 5; i < 15; i++)
		seek(FD + i, 0, 1);
	assert_int_equal(run_forget(t->run, map_of(t, "@n"), is_odd, &asked), 7);
	assert_true(asked >= 15);
	value = total_of(t, "@n");
	assert_int_equal(value.len, 8);
	assert_int_equal(number_at(&value, FD + 6), 2);
	assert_int_equal(number_at(&value, FD + 7), UINT64_MAX);
	assert_int_equal(run_forget(t->run, map_of(t, "@n"), is_odd, &asked), 0);
	assert_int_equal(run_forget(t->run, map_of(t, "@s"), is_odd, &asked), 0);
	stop(t);
}

/* Keys that come and go: the past of a map ends somewhere, and that is told, once. */
static void test_past_ends(void **state)
{
	struct traced *t =
		start("@n[args.fd] = count();", "let @n = percpuhash(4);", "print(@n); clear(@n);");
	struct value value;
	char line[512] = "";

	(void)state;
	run_keep_past(t->run);
	for (int i = 0; i < 40; i += 4) {
		for (int k = 0; k < 4; k++)
			seek(FD + i + k, 0, 1);
		seek(FD, 0, 1);
		act(t, 0);
		act(t, 1);
	}
	value = total_of(t, "@n");
	assert_int_equal(value.len, 16);
	assert_int_equal(number_at(&value, FD), 11);
	assert_true(maps_find(t->run, map_of(t, "@n"))->past_left_out >= 24);
	rewind(t->messages);
	assert_non_null(fgets(line, sizeof(line), t->messages));
	assert_non_null(strstr(line, "more than 16 keys"));
	stop(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_step),	   cmocka_unit_test(test_lost_clear),
		cmocka_unit_test(test_lost_print), cmocka_unit_test(test_optional_print),
		cmocka_unit_test(test_zero),	   cmocka_unit_test(test_keys),
		cmocka_unit_test(test_totals),	   cmocka_unit_test(test_forget),
		cmocka_unit_test(test_past_ends),
	};

	if (jb_check_privileges(stderr)) {
		puts("skipped: tracing needs root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
