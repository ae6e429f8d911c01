/* What no row can say by itself: keys that exclude or need each other. */
#include <string.h>

#include "cli/config_check.h"

/* Something is there, and it is no switch that says no. */
static bool is_wanted(const yaml_node_t *node)
{
	static const char *const words[] = { "false", "no", "off" };

	if (!node || config_is_null(node))
		return false;
	for (size_t i = 0; node->type == YAML_SCALAR_NODE && i < sizeof(words) / sizeof(*words);
	     i++)
		if (strcasecmp(config_scalar(node), words[i]) == 0)
			return false;
	return true;
}

/* `key` is there, and `other`, which it needs, is not. */
static void check_needs(struct config *config, const yaml_node_t *section, const char *name,
			const char *key, const char *other)
{
	const yaml_node_t *node = config_find(config, section, key);

	if (is_wanted(node) && !config_find(config, section, other))
		config_mistake(config, node, NULL, "%s: '%s' needs '%s' beside it", name, key,
			       other);
}

static void check_exclude(struct config *config, const yaml_node_t *section, const char *name,
			  const char *key, const char *other)
{
	const yaml_node_t *node = config_find(config, section, other);

	if (node && config_find(config, section, key))
		config_mistake(config, node, NULL, "%s: '%s' and '%s' exclude each other", name,
			       key, other);
}

/* `outer` is the output for all scripts, whose folder counts too. */
static void check_output(struct config *config, const yaml_node_t *output, const yaml_node_t *outer)
{
	static const char *const keys[] = { "rotation", "retention", "gzip" };
	bool has_folder =
		config_find(config, output, "folder") ||
		(config_find(config, outer, "folder") && !config_find(config, output, "file"));

	check_exclude(config, output, "output", "file", "folder");
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++) {
		const yaml_node_t *node = config_find(config, output, keys[i]);

		if (is_wanted(node) && !has_folder)
			config_mistake(
				config, node, NULL,
				"output: '%s' is for the files of a folder, and none is given",
				keys[i]);
	}
}

static void check_follow(struct config *config, const yaml_node_t *filters,
			 const yaml_node_t *outer)
{
	const yaml_node_t *follow = config_find(config, filters, "follow");

	if (is_wanted(follow) && !config_find(config, filters, "pid") &&
	    !config_find(config, outer, "pid"))
		config_mistake(config, follow, NULL,
			       "filters: 'follow' needs processes to begin with: 'pid'");
}

static void check_scripts(struct config *config, const yaml_node_t *root)
{
	const yaml_node_t *scripts = config_find(config, root, "scripts");
	yaml_node_pair_t *pair;

	if (!scripts || config_is_null(scripts) ||
	    (scripts->type == YAML_MAPPING_NODE &&
	     scripts->data.mapping.pairs.start == scripts->data.mapping.pairs.top) ||
	    (scripts->type == YAML_SEQUENCE_NODE &&
	     scripts->data.sequence.items.start == scripts->data.sequence.items.top)) {
		config_mistake(config, scripts ? scripts : root,
			       "`jbtrace -m list` has the bundled ones",
			       "'scripts' names no script, so there is nothing to run");
		return;
	}
	if (scripts->type != YAML_MAPPING_NODE)
		return;
	for (pair = scripts->data.mapping.pairs.start; pair < scripts->data.mapping.pairs.top;
	     pair++) {
		const yaml_node_t *script = config_node(config, pair->value);
		const char *name = config_scalar(config_node(config, pair->key));

		check_exclude(config, script, name, "script", "program");
		check_output(config, config_find(config, script, "output"),
			     config_find(config, root, "output"));
		check_follow(config, config_find(config, script, "filters"),
			     config_find(config, root, "filters"));
	}
}

static void check_listen(struct config *config, const yaml_node_t *root)
{
	const yaml_node_t *listen = config_find(config, root, "listen");
	const yaml_node_t *keep =
		config_find(config, config_find(config, root, "service"), "keep_running");

	if (is_wanted(keep) && !config_find(config, root, "listen"))
		config_mistake(config, keep, NULL,
			       "service: 'keep_running' needs the section 'listen'");
	if (!listen || listen->type != YAML_MAPPING_NODE)
		return;
	if (!config_find(config, listen, "port"))
		config_mistake(config, listen, "for example port: 9310",
			       "listen: 'port' is missing");
	check_needs(config, config_find(config, listen, "auth"), "auth", "user", "password_file");
	check_needs(config, config_find(config, listen, "auth"), "auth", "password_file", "user");
	check_needs(config, config_find(config, listen, "tls"), "tls", "certificate", "key");
	check_needs(config, config_find(config, listen, "tls"), "tls", "key", "certificate");
}

static void check_log(struct config *config, const yaml_node_t *root)
{
	const yaml_node_t *log = config_find(config, root, "log");
	const yaml_node_t *target = config_find(config, log, "target");
	const yaml_node_t *file = config_find(config, log, "file");
	bool to_file = target && strcmp(config_scalar(target), "file") == 0;

	if (to_file && !file)
		config_mistake(config, target, NULL,
			       "log: the target is a file, but 'file' is missing");
	if (file && target && !to_file)
		config_mistake(config, file, NULL, "log: a file is named, but the target is '%s'",
			       config_scalar(target));
	check_needs(config, log, "log", "rotation", "file");
	check_needs(config, log, "log", "keep", "file");
}

void config_check_rules(struct config *config, const yaml_node_t *root)
{
	check_scripts(config, root);
	check_output(config, config_find(config, root, "output"), NULL);
	check_follow(config, config_find(config, root, "filters"), NULL);
	check_listen(config, root);
	check_log(config, root);
}
