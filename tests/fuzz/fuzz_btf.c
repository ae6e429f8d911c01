/* Type information of a kernel: every type it names is converted and completed. */
#include <bpf/libbpf.h>
#include <stdlib.h>

#include "fuzz.h"
#include "lookup/internal.h"

static void complete(void *arg, const char *spelling)
{
	struct lookup *lookup = arg;
	const struct type *type = lookup_kernel_type(lookup, spelling);

	if (type)
		lookup_complete(lookup, type);
}

static void arguments(void *arg, const char *event)
{
	struct lookup *lookup = arg;

	lookup_raw_tracepoint(lookup, event);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_file file = memory_file(data, size);
	struct arena *arena = arena_new();
	struct lookup *lookup = lookup_new(types_new(arena));
	const struct type *type;
	int64_t value;

	libbpf_set_print(NULL); /* it complains of each */
	setenv("JB_BTF", file.path, 1);
	if (lookup_has_btf(lookup)) {
		lookup_each_type(lookup, complete, lookup);
		lookup_each_raw_tracepoint(lookup, arguments, lookup);
		lookup_enumerator(lookup, "SEED_B", &value, &type);
	}
	if (file.fd >= 0)
		close(file.fd);
	lookup_free(lookup);
	arena_free(arena);
	return 0;
}
