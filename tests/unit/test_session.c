/*
 * Several scripts in one process on the real kernel, writing to one file: records stay whole, and no row stands under the
 * header of another script. Each script says in every row whose it is, and counts what it wrote.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "jbtrace.h"

#define ROWS 30

static struct jb_program *start(struct jb_session *session, const char *name, const char *script,
				const char *format, int fd)
{
	struct jb_source source = {
		.sz = sizeof(source), .name = name, .text = script, .len = strlen(script)
	};
	struct jb_run_options options = {
		.sz = sizeof(options), .name = name, .format = format, .out_fd = fd, .quiet = true
	};
	struct jb_program *program = jb_compile(&source, NULL, stderr);
	struct jb_run *run = program ? jb_start(program, &options, NULL) : NULL;

	assert_non_null(run);
	assert_int_equal(jb_session_add(session, name, run), 0);
	return program;
}

static FILE *run_both(const char *const scripts[2], const char *const formats[2])
{
	struct jb_program *programs[2];
	struct jb_session *session;
	FILE *file = tmpfile();

	if (jb_check_privileges(stderr)) {
		fclose(file);
		print_message("skipped: tracing needs root\n");
		skip();
	}
	session = jb_session_new(stderr);
	programs[0] = start(session, "a", scripts[0], formats[0], fileno(file));
	programs[1] = start(session, "b", scripts[1], formats[1], fileno(file));
	for (int i = 0; i < 200 && jb_session_step(session, 100); i++)
		;
	assert_int_equal(jb_session_close(session), 0);
	jb_program_free(programs[0]);
	jb_program_free(programs[1]);
	rewind(file);
	return file;
}

/* Scripts of one shape: both begin with a row, go on side by side, end with one. */
static const char *emitter(char *text, size_t room, const char *who)
{
	snprintf(text, room,
		 "config = { print_maps_on_exit = 0 } begin { emit(\"x\", whose_%s = \"begin of "
		 "%s\"); } "
		 "interval:ms:5 { emit(\"x\", whose_%s = \"row of %s\"); @n++; "
		 "if (@n == %d) { exit(); } } "
		 "end { emit(\"x\", whose_%s = \"end of %s\"); }",
		 who, who, who, who, ROWS, who, who);
	return text;
}

static void check_tables(const char *format, const char *header_mark)
{
	const char *const formats[2] = { format, format };
	char scripts[2][512], line[512], who = 0;
	const char *const both[2] = { emitter(scripts[0], sizeof(scripts[0]), "a"),
				      emitter(scripts[1], sizeof(scripts[1]), "b") };
	unsigned rows[2] = { 0 }, headers = 0;
	FILE *file = run_both(both, formats);

	while (fgets(line, sizeof(line), file)) {
		const char *of = strstr(line, " of ");

		if (strstr(line, header_mark)) {
			who = strstr(line, "whose_b") || strstr(line, "WHOSE_B") ? 'b' : 'a';
			headers++;
		} else if (of) {
			assert_int_equal(of[4], who);
			rows[who == 'b']++;
		} else {
			assert_string_equal(line, "\n");
		}
	}
	fclose(file);
	assert_int_equal(rows[0], ROWS + 2);
	assert_int_equal(rows[1], ROWS + 2);
	assert_true(headers >= 2);
	assert_true(headers < 2 * ROWS + 4);
}

static void test_text_tables(void **state)
{
	(void)state;
	check_tables("text", "TIME ");
}

static void test_csv_tables(void **state)
{
	(void)state;
	check_tables("csv", "timestamp,");
}

/* Text of one script, JSON of the other: every JSON line is whole, and the table of text has its header again. */
static void test_mixed(void **state)
{
	static const char *const formats[2] = { "text", "json" };
	char script[512], line[4096], who = 0;
	const char *const both[2] = {
		emitter(script, sizeof(script), "a"),
		"config = { print_maps_on_exit = 0 } "
		"interval:ms:3 { print((1, \"b\")); @n++; if (@n == 30) { exit(); } }"
	};
	unsigned rows[2] = { 0 };
	FILE *file = run_both(both, formats);

	(void)state;
	while (fgets(line, sizeof(line), file)) {
		if (*line == '{') {
			if (strcmp(line, "{\"type\": \"value\", \"data\": [1,\"b\"]}\n") == 0)
				rows[1]++;
			assert_int_equal(line[strlen(line) - 2], '}');
			who = 'b';
		} else if (strncmp(line, "TIME ", 5) == 0) {
			who = 'a';
		} else if (strstr(line, " of a")) {
			assert_int_equal(who, 'a');
			rows[0]++;
		}
	}
	fclose(file);
	assert_int_equal(rows[0], ROWS + 2);
	assert_int_equal(rows[1], 30);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text_tables),
		cmocka_unit_test(test_csv_tables),
		cmocka_unit_test(test_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
