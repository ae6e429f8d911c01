#ifndef JB_TESTS_UNIT_LOOKUP_FIXTURE_H
#define JB_TESTS_UNIT_LOOKUP_FIXTURE_H
/*
 * What the tests of lookup/ share: a lookup with its own types, and a folder for files that is
 * removed after each test.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "lookup/internal.h"

struct fixture {
	struct arena *arena;
	struct types *types;
	struct lookup *lookup;
	char folder[64]; /* for files of one test */
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	f->arena = arena_new();
	f->types = types_new(f->arena);
	f->lookup = lookup_new(f->types);
	strcpy(f->folder, "/tmp/jb-lookup-XXXXXX");
	assert_non_null(mkdtemp(f->folder));
	*state = f;
	return 0;
}

static int run(const char *fmt, const char *folder)
{
	char *command;
	int status;

	/* Every %1$s is the folder. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	assert_true(asprintf(&command, fmt, folder) > 0);
#pragma GCC diagnostic pop
	status = system(command);
	free(command);
	return status;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unsetenv("JB_BTF");
	run("rm -rf %1$s", f->folder);
	lookup_free(f->lookup);
	arena_free(f->arena);
	free(f);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

/* Not run, and why: tests/unit.sh shows it. */
static inline void skip_because(const char *why)
{
	print_message("skipped: %s\n", why);
	skip();
}

#endif
