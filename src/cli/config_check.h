#ifndef JB_CLI_CONFIG_CHECK_H
#define JB_CLI_CONFIG_CHECK_H
/* What the files of the configuration share. */
#include "cli/config_rows.h"
#include "cli/yaml_api.h"
#include "jbtrace.h"

#define CONFIG_ERRORS_MAX 20 /* then no more are looked for */

struct config {
	struct yaml_api api;
	char *name, *folder, *text;
	struct jb_source source;
	yaml_document_t document;
	bool has_document;
	FILE *messages;
	unsigned n_errors;
	bool wants_all; /* what is said well is wanted in spite of mistakes */
	bool is_broken; /* not possible: it is not clear what is said */
	void **kept;	/* freed with the configuration */
	size_t n_kept;
	cyaml_config_t cyaml;
	cyaml_schema_value_t schema; /* of this very document */
	struct config_values *values;
};

/* Memory that lives as long as the configuration: zeroed. */
void *config_keep(struct config *config, size_t size);
/* The node of a mapping's key; NULL: it has none. */
yaml_node_t *config_find(struct config *config, const yaml_node_t *mapping, const char *key);
yaml_node_t *config_node(struct config *config, int index);
bool config_is_null(const yaml_node_t *node);
const char *config_scalar(const yaml_node_t *node);
/* A mistake at a node. `hint` may be NULL. */
void config_mistake(struct config *config, const yaml_node_t *node, const char *hint,
		    const char *fmt, ...) __attribute__((format(printf, 4, 5)));

/* Text to document. false: it is not YAML, which was told. */
bool config_read_yaml(struct config *config);
/* Compare the document with the rows and make the schema for libcyaml from both. false: there were mistakes. */
bool config_check(struct config *config);
/* What several keys mean together. */
void config_check_rules(struct config *config, const yaml_node_t *root);

#endif
