/* A configuration file. What the rows allow, libcyaml has to take too: anything else is a mistake in the schema. */
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *messages = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&messages, &len);
	struct config *config = config_parse("/fuzz/x.yaml", (const char *)data, size, out);

	config_free(config);
	fclose(out);
	if (strstr(messages, "cannot load '"))
		abort();
	free(messages);
	return 0;
}
