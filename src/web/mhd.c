/* Loads libmicrohttpd. The names of its functions stand in one table, MHD_FUNCTIONS. */
#include "web/mhd.h"

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

#define MHD_LIBRARY "libmicrohttpd.so.12"

int mhd_load(struct mhd *mhd, FILE *messages)
{
	static const char *const names[] = {
#define MHD_NAME(name) "MHD_" #name,
		MHD_FUNCTIONS(MHD_NAME)
#undef MHD_NAME
	};
	/* In the order of `names`. Object pointers: what dlsym gives is written into them. */
	void **const places[] = {
#define MHD_PLACE(name) (void **)(void *)&mhd->name,
		MHD_FUNCTIONS(MHD_PLACE)
#undef MHD_PLACE
	};

	void *library = dlopen(MHD_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

	if (!library) {
		fprintf(messages,
			"jbtrace: error: --listen needs the library " MHD_LIBRARY
			"; install the package libmicrohttpd12 (%s)\n",
			dlerror());
		return -ENOENT;
	}
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		*places[i] = dlsym(library, names[i]);
		if (*places[i])
			continue;
		fprintf(messages,
			"jbtrace: error: --listen: " MHD_LIBRARY
			" has no %s: it is older than 0.9.73\n",
			names[i]);
		dlclose(library);
		return -ENOENT;
	}
	dlclose(library);
	return 0;
}
