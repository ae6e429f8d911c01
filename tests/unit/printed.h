#ifndef JB_TESTS_PRINTED_H
#define JB_TESTS_PRINTED_H
/* What diag_print says, as a string that the caller frees. */
#include <stdio.h>

#include "base/diag.h"

static inline char *printed(const struct diags *diags)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	diag_print(diags, out);
	fclose(out);
	return text;
}

#endif
