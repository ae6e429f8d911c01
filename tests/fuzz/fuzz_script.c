/* Script text through the front half: lexer, parser, resolve, check, lower. Nothing is generated, nothing runs. */
#include "fuzz.h"
#include "jbtrace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const params[] = { "1", "two" };
	struct jb_source source = {
		.sz = sizeof(source), .name = "fuzz", .text = (const char *)data, .len = size
	};
	struct jb_options options = { .sz = sizeof(options),
				      .params = params,
				      .n_params = 2,
				      .unsafe = true,
				      .partial = true,
				      .until = JB_STAGE_PLAN };
	FILE *nowhere = fopen("/dev/null", "we");
	struct jb_program *program = nowhere ? jb_compile(&source, &options, nowhere) : NULL;

	if (program)
		jb_dump(program, JB_STAGE_PLAN, nowhere);
	jb_program_free(program);
	if (nowhere)
		fclose(nowhere);
	return 0;
}
