/* Finding libyaml and libcyaml when they are not linked. */
#include "cli/yaml_api.h"

#include "cli/cli.h"

#ifdef JB_YAML_DLOPEN
#include <dlfcn.h>

#define LOAD(name) good = good && (api->name##_ = (__typeof__(&name))dlsym(library, #name)) != NULL;

bool yaml_api_open(struct yaml_api *api, FILE *messages)
{
	void *library = dlopen("libyaml-0.so.2", RTLD_NOW);
	bool good = library != NULL;

	YAML_FUNCTIONS(LOAD)
	library = good ? dlopen("libcyaml.so.1", RTLD_NOW) : NULL;
	good = library != NULL;
	CYAML_FUNCTIONS(LOAD)
	if (!good)
		complain_to(messages, "a configuration file needs libyaml and libcyaml: %s",
			    dlerror());
	return good;
}
#else

bool yaml_api_open(struct yaml_api *api, FILE *messages)
{
	(void)api;
	(void)messages;
	return true;
}
#endif
