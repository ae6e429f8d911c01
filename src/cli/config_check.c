/*
 * Whether a document says what the rows allow, and the schema with which libcyaml then loads it. That schema is made for
 * the document at hand: it has the keys that are there, which is how names of the user's and lists with a short form get
 * into tables that know neither.
 */
#include "cli/config_check.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

static bool check_mapping(struct config *config, const yaml_node_t *node,
			  const struct config_row *rows, bool is_top, cyaml_schema_value_t *value);

/* --- what libcyaml is told --- */

static void make_text(cyaml_schema_value_t *value)
{
	*value = (cyaml_schema_value_t){ CYAML_VALUE_STRING(
		CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, char, 0, CYAML_UNLIMITED) };
}

static void make_mapping(cyaml_schema_value_t *value, const cyaml_schema_field_t *fields,
			 size_t size)
{
	*value = (cyaml_schema_value_t){ .type = CYAML_MAPPING,
					 .flags = (enum cyaml_flag)(CYAML_FLAG_POINTER |
								    CYAML_FLAG_OPTIONAL),
					 .data_size = (uint32_t)size,
					 .mapping.fields = fields };
}

/* --- texts and numbers --- */

/* "a, b or c" */
static void list_choices(const char *const *choices, char *text, size_t room)
{
	*text = '\0';
	for (; *choices; choices++)
		snprintf(text + strlen(text), room - strlen(text), "%s%s", *choices,
			 !choices[1]  ? ""
			 : choices[2] ? ", "
				      : " or ");
}

static size_t count_words(const char *const *words)
{
	size_t n = 0;

	while (words[n])
		n++;
	return n;
}

/* What a text of this row is to be; NULL: it is. `room` bytes of `text` may be used. */
static const char *wanted_text(const struct config_row *row, const char *value, char *text,
			       size_t room)
{
	uint64_t amount;

	switch (row->kind) {
	case CONFIG_CHOICE:
		for (const char *const *choice = row->choices; *choice; choice++)
			if (strcmp(*choice, value) == 0)
				return NULL;
		list_choices(row->choices, text, room);
		return text;
	case CONFIG_TIME:
		return parse_time(value, &amount) ? NULL : "a time such as 10s, 5m or 7d";
	case CONFIG_SIZE:
		return parse_size(value, &amount) ? NULL : "a size such as 500KB, 100MB or 2GB";
	case CONFIG_LETTER:
		return strlen(value) == 1 && *value != '\n' && *value != '"'
			       ? NULL
			       : "one character (for a tab write \"\\t\")";
	default:
		return row->wants ? row->wants(value) : NULL;
	}
}

static void tell_kind(struct config *config, const yaml_node_t *node, const char *key,
		      const char *wanted)
{
	static const char *const kinds[] = {
		[YAML_SEQUENCE_NODE] = "a list", [YAML_MAPPING_NODE] = "a mapping"
	};

	if (config_is_null(node))
		config_mistake(config, node, NULL, "'%s' wants %s, but nothing stands there", key,
			       wanted);
	else if (node->type == YAML_SCALAR_NODE)
		config_mistake(config, node, NULL, "'%s' wants %s, not '%.100s'", key, wanted,
			       config_scalar(node));
	else
		config_mistake(config, node, NULL, "'%s' wants %s, not %s", key, wanted,
			       kinds[node->type]);
}

/* What a filter asks for must be there, as on the command line. */
static bool check_filter(struct config *config, const yaml_node_t *node,
			 const struct config_row *row, const char *key)
{
	struct jb_filter filter = { .kind = (enum jb_filter_kind)(row->filter - 1),
				    .negated = row->negated,
				    .value = config_scalar(node) };
	char why[512];

	if (!row->filter || jb_filter_check(&filter, why, sizeof(why)) == 0)
		return true;
	config_mistake(config, node, NULL, "'%s': %s", key, why);
	return false;
}

static bool check_text(struct config *config, const yaml_node_t *node, const struct config_row *row,
		       const char *key)
{
	char room[128], hint[160];
	const char *wanted, *near;

	if (node->type != YAML_SCALAR_NODE || config_is_null(node)) {
		tell_kind(config, node, key, row->kind == CONFIG_TEXTS ? "texts" : "a text");
		return false;
	}
	wanted = wanted_text(row, config_scalar(node), room, sizeof(room));
	if (!wanted)
		return check_filter(config, node, row, key);
	near = row->choices
		       ? jb_nearest(config_scalar(node), row->choices, count_words(row->choices))
		       : NULL;
	if (near) {
		snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
		config_mistake(config, node, hint, "'%s' wants %s, not '%.100s'", key, wanted,
			       config_scalar(node));
	} else {
		tell_kind(config, node, key, wanted);
	}
	return false;
}

static bool check_switch(struct config *config, const yaml_node_t *node, const char *key)
{
	static const char *const words[] = { "true", "false", "yes", "no", "on", "off" };

	for (size_t i = 0; node->type == YAML_SCALAR_NODE && i < sizeof(words) / sizeof(*words);
	     i++)
		if (strcasecmp(config_scalar(node), words[i]) == 0)
			return true;
	tell_kind(config, node, key, "true or false");
	return false;
}

/* Decimal digits: YAML would take 010 for eight. */
static bool read_count(const char *text, uint64_t *count)
{
	if (!*text || text[strspn(text, "0123456789")] || (*text == '0' && text[1]) ||
	    strlen(text) > 18)
		return false;
	*count = strtoull(text, NULL, 10);
	return true;
}

static bool check_count(struct config *config, const yaml_node_t *node,
			const struct config_row *row)
{
	char wanted[80];
	uint64_t count;

	if (node->type == YAML_SCALAR_NODE && read_count(config_scalar(node), &count) &&
	    count >= row->min && count <= row->max)
		return true;
	snprintf(wanted, sizeof(wanted), "a whole number from %llu to %llu",
		 (unsigned long long)row->min, (unsigned long long)row->max);
	tell_kind(config, node, row->key, wanted);
	return false;
}

/* --- lists --- */

static bool check_list(struct config *config, const yaml_node_t *node, const struct config_row *row)
{
	size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
	bool good = true;

	if (n > row->max) {
		config_mistake(config, node, NULL, "'%s' may have %llu entries, and this are %zu",
			       row->key, (unsigned long long)row->max, n);
		return false;
	}
	for (size_t i = 0; i < n; i++)
		good &= check_text(config, config_node(config, node->data.sequence.items.start[i]),
				   row, row->key);
	return good;
}

/* Into a struct config_texts at `offset`. */
static bool check_texts(struct config *config, const yaml_node_t *node,
			const struct config_row *row, size_t offset, cyaml_schema_field_t *field)
{
	cyaml_schema_value_t *entry;

	if (node->type != YAML_SEQUENCE_NODE) {
		field->data_offset = (uint32_t)(offset + offsetof(struct config_texts, one));
		make_text(&field->value);
		return check_text(config, node, row, row->key);
	}
	if (!check_list(config, node, row))
		return false;
	entry = config_keep(config, sizeof(*entry));
	make_text(entry);
	field->data_offset = (uint32_t)(offset + offsetof(struct config_texts, list));
	field->count_offset = (uint32_t)(offset + offsetof(struct config_texts, n));
	field->count_size = sizeof(unsigned);
	field->value = (cyaml_schema_value_t){ .type = CYAML_SEQUENCE,
					       .flags = (enum cyaml_flag)(CYAML_FLAG_POINTER |
									  CYAML_FLAG_OPTIONAL),
					       .data_size = sizeof(char *),
					       .sequence = { entry, 0, CYAML_UNLIMITED } };
	return true;
}

/* --- mappings --- */

/* Was the key there before? Told once for each that comes again. */
static bool is_first(struct config *config, const yaml_node_t *mapping,
		     const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = config_node(config, pair->key);
	char hint[64];

	for (yaml_node_pair_t *other = mapping->data.mapping.pairs.start; other < pair; other++) {
		const yaml_node_t *node = config_node(config, other->key);

		if (node->type != YAML_SCALAR_NODE ||
		    strcmp(config_scalar(node), config_scalar(key)))
			continue;
		snprintf(hint, sizeof(hint), "it stands in line %zu already",
			 node->start_mark.line + 1);
		config_mistake(config, key, hint, "'%.100s' is said twice", config_scalar(key));
		return false;
	}
	return true;
}

static bool check_key(struct config *config, const yaml_node_t *mapping,
		      const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = config_node(config, pair->key);

	if (key->type == YAML_SCALAR_NODE && is_first(config, mapping, pair))
		return true;
	if (key->type != YAML_SCALAR_NODE)
		config_mistake(config, key, NULL, "a key is to be a word");
	config->is_broken = true;
	return false;
}

/* The section that a key belongs to, "listen" for "port"; NULL: there is none. */
static const char *home_of(const struct config_row *rows, const char *key)
{
	for (; rows->key; rows++)
		if (rows->kind == CONFIG_SECTION)
			for (const struct config_row *row = rows->rows; row->key; row++)
				if (strcmp(row->key, key) == 0)
					return rows->key;
	return NULL;
}

static void tell_unknown(struct config *config, const yaml_node_t *key,
			 const struct config_row *rows)
{
	const char *words[64], *near, *home = NULL;
	char hint[512] = "known here: ";
	size_t n = 0;

	for (const struct config_row *row = rows; row->key && n < 64; row++)
		words[n++] = row->key;
	near = jb_nearest(config_scalar(key), words, n);
	if (!near)
		home = home_of(rows == config_rows ? rows : config_rows, config_scalar(key));
	for (size_t i = 0; i < n; i++)
		snprintf(hint + strlen(hint), sizeof(hint) - strlen(hint), "%s%s", i ? ", " : "",
			 words[i]);
	if (near)
		snprintf(hint, sizeof(hint), "did you mean '%s'?", near);
	else if (home)
		snprintf(hint, sizeof(hint), "it belongs into the section '%s'", home);
	config_mistake(config, key, hint, "there is no key '%.100s' here", config_scalar(key));
}

/* One of the user's names and what stands behind it: a section, which may be empty, or a text. */
static bool check_entry(struct config *config, const yaml_node_t *key, const yaml_node_t *node,
			const struct config_row *row, cyaml_schema_field_t *field)
{
	const char *name = config_scalar(key), *wanted = row->wants ? row->wants(name) : NULL;
	struct config_row text = { .key = name, .kind = CONFIG_TEXT };
	bool good;

	if (wanted)
		return tell_kind(config, key, row->key, wanted), false;
	field->key = name;
	if (!row->rows) {
		make_text(&field->value);
		return check_text(config, node, &text, name);
	}
	if (config_is_null(node)) {
		field->key = NULL;
		return true;
	}
	if (node->type != YAML_MAPPING_NODE)
		return tell_kind(config, node, name, "a mapping with its settings"), false;
	good = check_mapping(config, node, row->rows, false, &field->value);
	field->value.data_size = (uint32_t)row->size;
	return good;
}

/* A field with a mistake says nothing, unless it is a mapping: then the mistake has been left out of that. */
static void leave_out(cyaml_schema_field_t *field)
{
	if (field->value.type != CYAML_MAPPING)
		*field = (cyaml_schema_field_t){ 0 };
}

static bool check_named(struct config *config, const yaml_node_t *node,
			const struct config_row *row, cyaml_schema_field_t *field)
{
	yaml_node_pair_t *pairs = node->data.mapping.pairs.start;
	size_t n = (size_t)(node->data.mapping.pairs.top - pairs), n_fields = 0;
	cyaml_schema_field_t *fields = config_keep(config, (n + 1) * sizeof(*fields));
	bool good = true;

	if (n > row->max) {
		config_mistake(config, node, NULL, "'%s' may have %llu entries, and this are %zu",
			       row->key, (unsigned long long)row->max, n);
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		cyaml_schema_field_t *entry = &fields[n_fields];

		if (!check_key(config, node, &pairs[i]) ||
		    !check_entry(config, config_node(config, pairs[i].key),
				 config_node(config, pairs[i].value), row, entry)) {
			leave_out(entry);
			good = false;
		}
		entry->data_offset = (uint32_t)(i * sizeof(void *));
		n_fields += entry->key != NULL;
	}
	field->data_offset = (uint32_t)(row->offset + offsetof(struct config_map, loaded));
	make_mapping(&field->value, fields, (n ? n : 1) * sizeof(void *));
	return good;
}

/* false: a mistake. A field without a key is left out: it says nothing. */
static bool check_value(struct config *config, const yaml_node_t *node,
			const struct config_row *row, cyaml_schema_field_t *field)
{
	bool good;

	field->key = row->key;
	field->data_offset = (uint32_t)row->offset;
	if (row->kind >= CONFIG_TEXTS && config_is_null(node)) {
		field->key = NULL;
		return true;
	}
	switch (row->kind) {
	case CONFIG_SWITCH:
		field->value = (cyaml_schema_value_t){ CYAML_VALUE_BOOL(CYAML_FLAG_OPTIONAL,
									config_switch) };
		return check_switch(config, node, row->key);
	case CONFIG_COUNT:
		field->value =
			(cyaml_schema_value_t){ CYAML_VALUE_UINT(CYAML_FLAG_OPTIONAL, uint64_t) };
		return check_count(config, node, row);
	case CONFIG_TEXTS:
		return check_texts(config, node, row, row->offset, field);
	case CONFIG_SECTION:
		if (node->type != YAML_MAPPING_NODE)
			return tell_kind(config, node, row->key, "a mapping"), false;
		good = check_mapping(config, node, row->rows, false, &field->value);
		field->value.data_size = (uint32_t)row->size;
		return good;
	case CONFIG_NAMED:
		if (row->list_offset && node->type == YAML_SEQUENCE_NODE) {
			struct config_row names = *row;

			names.wants = NULL;
			return check_texts(config, node, &names, row->list_offset, field);
		}
		if (node->type != YAML_MAPPING_NODE)
			return tell_kind(config, node, row->key,
					 row->list_offset ? "a mapping or a list" : "a mapping"),
			       false;
		return check_named(config, node, row, field);
	default:
		make_text(&field->value);
		return check_text(config, node, row, row->key);
	}
}

static const struct config_row *find_row(const struct config_row *rows, const char *key)
{
	for (; rows->key; rows++)
		if (strcmp(rows->key, key) == 0)
			return rows;
	return NULL;
}

/* Keys that begin with x- are the user's own, for anchors. */
static bool check_mapping(struct config *config, const yaml_node_t *node,
			  const struct config_row *rows, bool is_top, cyaml_schema_value_t *value)
{
	yaml_node_pair_t *pairs = node->data.mapping.pairs.start;
	size_t n = (size_t)(node->data.mapping.pairs.top - pairs), n_fields = 0;
	cyaml_schema_field_t *fields = config_keep(config, (n + 1) * sizeof(*fields));
	bool good = true;

	for (size_t i = 0; i < n && config->n_errors < CONFIG_ERRORS_MAX; i++) {
		const yaml_node_t *key = config_node(config, pairs[i].key);
		const struct config_row *row;

		if (key->type == YAML_SCALAR_NODE && is_top &&
		    strncmp(config_scalar(key), "x-", 2) == 0)
			continue;
		if (!check_key(config, node, &pairs[i])) {
			good = false;
			continue;
		}
		row = find_row(rows, config_scalar(key));
		if (!row) {
			tell_unknown(config, key, rows);
			good = false;
			continue;
		}
		if (!check_value(config, config_node(config, pairs[i].value), row,
				 &fields[n_fields])) {
			leave_out(&fields[n_fields]);
			good = false;
		}
		n_fields += fields[n_fields].key != NULL;
	}
	make_mapping(value, fields, 0);
	return good;
}

bool config_check(struct config *config)
{
	const struct yaml_api *api = &config->api;
	yaml_node_t *root = YAML(yaml_document_get_root_node)(&config->document);

	if (!root || config_is_null(root)) {
		complain_to(config->messages,
			    "%s says nothing: it needs at least `scripts:` and a name",
			    config->name);
		config->n_errors++;
		config->is_broken = true;
		return false;
	}
	if (root->type != YAML_MAPPING_NODE) {
		config_mistake(config, root,
			       "such as `scripts:` and, indented, the names of scripts",
			       "a configuration is a mapping of keys to values");
		config->is_broken = true;
		return false;
	}
	check_mapping(config, root, config_rows, true, &config->schema);
	config->schema.data_size = sizeof(struct config_values);
	if (!config->n_errors)
		config_check_rules(config, root);
	return !config->n_errors;
}
