#ifndef JB_CLI_YAML_API_H
#define JB_CLI_YAML_API_H
/*
 * libyaml and libcyaml. Their archives are linked when there are any; else (JB_YAML_DLOPEN) the shared libraries are
 * loaded when a configuration file is read, so that no other start pays for them.
 */
#include <stdbool.h>
#include <stdio.h>

#include <cyaml/cyaml.h>
#include <yaml.h>

#ifdef JB_YAML_DLOPEN

#define YAML_FUNCTIONS(X)               \
	X(yaml_parser_initialize)       \
	X(yaml_parser_delete)           \
	X(yaml_parser_set_input_string) \
	X(yaml_parser_set_encoding)     \
	X(yaml_parser_load)             \
	X(yaml_document_delete)         \
	X(yaml_document_get_node)       \
	X(yaml_document_get_root_node)
#define CYAML_FUNCTIONS(X) \
	X(cyaml_mem)       \
	X(cyaml_load_data) \
	X(cyaml_free)      \
	X(cyaml_strerror)
#define MEMBER(name) __typeof__(&name) name##_;

struct yaml_api {
	YAML_FUNCTIONS(MEMBER)
	CYAML_FUNCTIONS(MEMBER)
};

#define YAML(name) (api->name##_)
#else

struct yaml_api {
	char unused;
};

#define YAML(name) ((void)api, name)
#endif

/* false, after a sentence, when the libraries are not there. */
bool yaml_api_open(struct yaml_api *api, FILE *messages);

#endif
