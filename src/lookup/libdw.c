/* Loads libdw. The names of its functions stand in one table, LIBDW_FUNCTIONS. */
#include "lookup/libdw.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/* What a process has loaded is the process's: the one piece of state that no caller owns. */
static struct libdw functions;
static bool is_loaded;

static void load(void)
{
	static const char *const names[] = {
#define LIBDW_NAME(name) #name,
		LIBDW_FUNCTIONS(LIBDW_NAME)
#undef LIBDW_NAME
	};
	/* In the order of `names`. Object pointers: what dlsym gives is written into them. */
	void **const places[] = {
#define LIBDW_PLACE(name) (void **)(void *)&functions.name,
		LIBDW_FUNCTIONS(LIBDW_PLACE)
#undef LIBDW_PLACE
	};
	void *library = dlopen(LIBDW_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!library)
		return;
	is_loaded = true;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		*places[i] = dlsym(library, names[i]);
		is_loaded &= *places[i] != NULL;
	}
	dlclose(library);
}

const struct libdw *libdw_load(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, load);
	return is_loaded ? &functions : NULL;
}
