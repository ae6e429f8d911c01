/* Several scripts compiled in one process, as a session does: each must come out as if it were alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "jbtrace.h"

static char *ir_of(const char *text)
{
	struct jb_source source = {
		.sz = sizeof(source), .name = "x", .text = text, .len = strlen(text)
	};
	struct jb_options options = { .sz = sizeof(options),
				      .partial = true,
				      .until = JB_STAGE_IR };
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

/* LLVM's pass for accesses to kernel structs remembers the first module, and ran into it when it was gone. */
static void kernel_structs_again(void **state)
{
	static const char *const scripts[] = {
		"profile:hz:99 { @[pcomm, ppid] = count(); }",
		"profile:hz:99 { @[leader_comm, ppid] = count(); }",
	};
	char *first[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		first[i] = ir_of(scripts[i]);
	for (int i = 0; i < 2; i++) {
		char *again = ir_of(scripts[i]);

		assert_string_equal(first[i], again);
		free(first[i]);
		free(again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(kernel_structs_again) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
