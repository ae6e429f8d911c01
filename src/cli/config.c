/*
 * A configuration from file to values: read, check, load by libcyaml, and fill in what was not said.
 */
#include "cli/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config_check.h"
#include "cli/job.h"

#define SIZE_MAX_TEXT	(4u << 20)
#define BYTE_ORDER_MARK "\xef\xbb\xbf"

void *config_keep(struct config *config, size_t size)
{
	void **more = realloc(config->kept, (config->n_kept + 1) * sizeof(*more));
	void *memory = calloc(1, size ? size : 1);

	if (!more || !memory)
		abort();
	config->kept = more;
	more[config->n_kept++] = memory;
	return memory;
}

/* --- after loading: what was not said, and where paths lead --- */

static void finish_rows(struct config *config, const yaml_node_t *node,
			const struct config_row *rows, void *values);

static char *text_or_abort(char *text)
{
	if (!text)
		abort();
	return text;
}

/* libcyaml frees what stands there with free(3), so the new text is from malloc(3). */
static void resolve_path(struct config *config, char **path)
{
	char *full;

	if (!*path || **path == '/' || !*config->folder)
		return;
	full = text_or_abort(malloc(strlen(config->folder) + strlen(*path) + 2));
	sprintf(full, "%s/%s", config->folder, *path);
	free(*path);
	*path = full;
}

static void finish_texts(struct config *config, const yaml_node_t *node, struct config_texts *texts)
{
	texts->given = node != NULL;
	if (!texts->one)
		return;
	texts->list = config_keep(config, sizeof(*texts->list));
	texts->list[0] = texts->one;
	texts->n = 1;
}

static void *finish_section(struct config *config, const yaml_node_t *node,
			    const struct config_row *row, void *values)
{
	if (!values)
		values = config_keep(config, row->size);
	if (row->rows)
		finish_rows(config, node, row->rows, values);
	return values;
}

/* The values are a copy, so that libcyaml frees what it made and nothing else. */
static void finish_map(struct config *config, const yaml_node_t *node, const struct config_row *row,
		       struct config_map *map)
{
	yaml_node_pair_t *pairs;
	if (!node || node->type != YAML_MAPPING_NODE)
		return;
	pairs = node->data.mapping.pairs.start;
	map->n = (unsigned)(node->data.mapping.pairs.top - pairs);
	map->names = config_keep(config, map->n * sizeof(*map->names));
	map->values = config_keep(config, map->n * sizeof(*map->values));
	for (unsigned i = 0; i < map->n; i++) {
		map->names[i] = config_scalar(config_node(config, pairs[i].key));
		map->values[i] = map->loaded ? map->loaded[i] : NULL;
		if (row->rows)
			map->values[i] = finish_section(config, config_node(config, pairs[i].value),
							row, map->values[i]);
	}
}

static void finish_row(struct config *config, const yaml_node_t *node, const struct config_row *row,
		       void *place)
{
	char **text = place;

	switch (row->kind) {
	case CONFIG_PATH:
		resolve_path(config, text);
		break;
	case CONFIG_SCRIPT:
		if (*text && strpbrk(*text, "/."))
			resolve_path(config, text);
		break;
	case CONFIG_SWITCH:
		if (!node)
			*(config_switch *)place = -1;
		break;
	case CONFIG_COUNT:
		if (!node)
			*(uint64_t *)place = row->fallback;
		break;
	case CONFIG_TEXTS:
		finish_texts(config, node, place);
		break;
	case CONFIG_SECTION:
		*(void **)place = finish_section(config, node, row, *(void **)place);
		break;
	case CONFIG_NAMED:
		finish_map(config, node, row, place);
		break;
	default:
		break;
	}
}

static void finish_rows(struct config *config, const yaml_node_t *node,
			const struct config_row *rows, void *values)
{
	for (const struct config_row *row = rows; row->key; row++) {
		const yaml_node_t *at = config_find(config, node, row->key);

		if (at && config_is_null(at) && row->kind >= CONFIG_TEXTS)
			at = NULL;
		finish_row(config, at, row, (char *)values + row->offset);
	}
}

/* --- the short form of scripts --- */

static const struct config_row *scripts_row(void)
{
	const struct config_row *row = config_rows;

	while (row->kind != CONFIG_NAMED)
		row++;
	return row;
}

static char *keep_text(struct config *config, const char *text)
{
	char *copy = config_keep(config, strlen(text) + 1);

	memcpy(copy, text, strlen(text) + 1);
	return copy;
}

static const char *keep_name(struct config *config, const char *path)
{
	char *name = text_or_abort(text_short_name(path));
	const char *kept = keep_text(config, name);

	free(name);
	return kept;
}

/* "scripts: [opens, ./x.jt]" is the same as a mapping with these names and nothing else. */
static bool name_scripts(struct config *config, const yaml_node_t *root)
{
	const struct config_texts *texts = &config->values->script_names;
	const yaml_node_t *list = config_find(config, root, "scripts");
	struct config_map *map = &config->values->scripts;

	if (!texts->n)
		return true;
	map->names = config_keep(config, texts->n * sizeof(*map->names));
	map->values = config_keep(config, texts->n * sizeof(*map->values));
	for (unsigned i = 0; i < texts->n; i++) {
		const yaml_node_t *node = config_node(config, list->data.sequence.items.start[i]);
		struct config_script *script = finish_section(config, NULL, scripts_row(), NULL);

		map->names[i] = keep_name(config, texts->list[i]);
		map->values[i] = script;
		script->script = texts->list[i];
		if (strpbrk(script->script, "/.") && *script->script != '/' && *config->folder) {
			script->script = config_keep(config, strlen(config->folder) +
								     strlen(texts->list[i]) + 2);
			sprintf(script->script, "%s/%s", config->folder, texts->list[i]);
		}
		if (scripts_row()->wants(map->names[i]))
			config_mistake(config, node, NULL, "'%s' wants %s, not '%s'", "scripts",
				       scripts_row()->wants(map->names[i]), map->names[i]);
		for (unsigned k = 0; k < i; k++)
			if (strcmp(map->names[k], map->names[i]) == 0)
				config_mistake(config, node, NULL, "two scripts are called '%s'",
					       map->names[i]);
	}
	map->n = texts->n;
	return true;
}

/* --- loading --- */

/*
 * What libcyaml has to say when it refuses what the rows allow, which would be a mistake of ours; still the user is to
 * see where.
 */
static void take_log(cyaml_log_t level, void *arg, const char *fmt, va_list ap)
{
	struct config *config = arg;

	(void)level;
	fprintf(config->messages, "%s: ", config->name);
	vfprintf(config->messages, fmt, ap);
}

static bool load_values(struct config *config)
{
	const struct yaml_api *api = &config->api;
	const yaml_node_t *root = YAML(yaml_document_get_root_node)(&config->document);
	void *values = NULL;
	cyaml_err_t err;

	config->cyaml = (cyaml_config_t){
		.log_fn = take_log,
		.log_ctx = config,
		.mem_fn = YAML(cyaml_mem),
		.log_level = CYAML_LOG_WARNING,
		.flags = CYAML_CFG_IGNORE_UNKNOWN_KEYS,
	};
	err = YAML(cyaml_load_data)((const uint8_t *)config->text, config->source.len,
				    &config->cyaml, &config->schema, &values, NULL);
	config->values = values;
	if (err || !values)
		return complain_to(config->messages, "cannot load '%s': %s", config->name,
				   YAML(cyaml_strerror)(err)),
		       false;
	config->values->has_listen = config_find(config, root, "listen") != NULL;
	config->values->origin = config;
	finish_rows(config, root, config_rows, config->values);
	return name_scripts(config, root);
}

static void set_folder(struct config *config, const char *path)
{
	const char *slash = strrchr(path, '/');

	config->name = keep_text(config, path);
	config->folder = keep_text(config, slash ? path : "");
	if (slash)
		config->folder[slash == path ? 1 : slash - path] = '\0';
}

/* Is what was found enough to go on? */
static bool may_load(const struct config *config)
{
	return !config->n_errors ||
	       (config->wants_all && !config->is_broken && config->n_errors < CONFIG_ERRORS_MAX);
}

static struct config *parse(const char *name, const char *text, size_t len, FILE *messages,
			    bool wants_all)
{
	struct config *config = calloc(1, sizeof(*config));

	if (!config)
		abort();
	config->messages = messages;
	config->wants_all = wants_all;
	set_folder(config, name);
	config->text = config_keep(config, len + 1);
	memcpy(config->text, text, len);
	if (len >= 3 && memcmp(text, BYTE_ORDER_MARK, 3) == 0) {
		config->text += 3;
		len -= 3;
	}
	config->source = (struct jb_source){
		.sz = sizeof(config->source), .name = config->name, .text = config->text, .len = len
	};
	if (yaml_api_open(&config->api, messages) && config_read_yaml(config) &&
	    (config_check(config) || may_load(config)) && load_values(config) && may_load(config))
		return config;
	fflush(messages);
	config_free(config);
	return NULL;
}

struct config *config_parse(const char *name, const char *text, size_t len, FILE *messages)
{
	return parse(name, text, len, messages, false);
}

static struct config *load(const char *path, FILE *messages, bool wants_all)
{
	struct text text = { 0 };
	struct config *config = NULL;

	if (text_read(&text, path, messages) == 0) {
		if (text.len > SIZE_MAX_TEXT)
			complain_to(messages, "'%s' is too large for a configuration: %zu bytes",
				    path, text.len);
		else
			config = parse(path, text.bytes, text.len, messages, wants_all);
	}
	text_fini(&text);
	return config;
}

struct config *config_load(const char *path, FILE *messages)
{
	return load(path, messages, false);
}

struct config *config_load_all(const char *path, FILE *messages, unsigned *n_mistakes)
{
	struct config *config = load(path, messages, true);

	*n_mistakes = config ? config->n_errors : 1;
	return config;
}

/* The key itself, where config_find gives its value. */
static const yaml_node_t *find_key(struct config *config, const yaml_node_t *mapping,
				   const char *key)
{
	yaml_node_pair_t *pair = mapping ? mapping->data.mapping.pairs.start : NULL;

	for (; mapping && pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *node = config_node(config, pair->key);

		if (node->type == YAML_SCALAR_NODE && strcmp(config_scalar(node), key) == 0)
			return node;
	}
	return NULL;
}

void config_tell_param(struct config *config, const char *script, const char *param,
		       const char *const *declared, size_t n, FILE *messages)
{
	const struct yaml_api *api = &config->api;
	const yaml_node_t *at = YAML(yaml_document_get_root_node)(&config->document), *key;
	const char *near = jb_nearest(param, declared, n);
	char hint[512] = "it declares: ";

	at = config_find(config, config_find(config, at, "scripts"), script);
	key = find_key(config, at ? config_find(config, at, "params") : NULL, param);
	for (size_t i = 0; i < n; i++)
		snprintf(hint + strlen(hint), sizeof(hint) - strlen(hint), "%s%s", i ? ", " : "",
			 declared[i]);
	if (near)
		snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
	config->messages = messages;
	config_mistake(config, key ? key : at, n ? hint : NULL,
		       "the script '%s' has no parameter '%.100s'", script, param);
}

const struct config_values *config_values(const struct config *config)
{
	return config->values;
}

void config_free(struct config *config)
{
	const struct yaml_api *api;

	if (!config)
		return;
	api = &config->api;
	if (config->values)
		YAML(cyaml_free)(&config->cyaml, &config->schema, config->values, 0);
	if (config->has_document)
		YAML(yaml_document_delete)(&config->document);
	for (size_t i = 0; i < config->n_kept; i++)
		free(config->kept[i]);
	free(config->kept);
	free(config);
}
