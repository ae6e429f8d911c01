/* The text of a configuration as YAML, and where in the text something is. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/config_check.h"

#define ANCHORS_MAX  1000
#define BRACKETS_MAX 10000
#define NODES_MAX    100000
#define DEPTH_MAX    50

const char *config_scalar(const yaml_node_t *node)
{
	return (const char *)node->data.scalar.value;
}

yaml_node_t *config_node(struct config *config, int index)
{
	const struct yaml_api *api = &config->api;

	return YAML(yaml_document_get_node)(&config->document, index);
}

yaml_node_t *config_find(struct config *config, const yaml_node_t *mapping, const char *key)
{
	if (!mapping || mapping->type != YAML_MAPPING_NODE)
		return NULL;
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start;
	     pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *node = config_node(config, pair->key);

		if (node->type == YAML_SCALAR_NODE && strcmp(config_scalar(node), key) == 0)
			return config_node(config, pair->value);
	}
	return NULL;
}

/* Nothing behind a key, or one of the words for it, without quotes. */
bool config_is_null(const yaml_node_t *node)
{
	static const char *const words[] = { "", "~", "null", "Null", "NULL" };

	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strcmp(config_scalar(node), words[i]) == 0)
			return true;
	return false;
}

/* --- places --- */

/* libyaml counts characters; where character `index` of the text begins. */
static size_t byte_of(const struct config *config, size_t index)
{
	const char *text = config->source.text;
	size_t at = 0;

	while (index && at < config->source.len) {
		at++;
		while (at < config->source.len && ((unsigned char)text[at] & 0xc0) == 0x80)
			at++;
		index--;
	}
	return at;
}

static void tell(struct config *config, size_t begin, size_t end, const char *hint, const char *fmt,
		 va_list ap)
{
	char text[512];

	if (config->n_errors++ >= CONFIG_ERRORS_MAX)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	jb_tell_mistake(&config->source, begin, end, config->messages, hint, text);
	if (config->n_errors == CONFIG_ERRORS_MAX)
		fprintf(config->messages, "error: stopped after %d errors\n", CONFIG_ERRORS_MAX);
}

void config_mistake(struct config *config, const yaml_node_t *node, const char *hint,
		    const char *fmt, ...)
{
	size_t begin = byte_of(config, node->start_mark.index);
	size_t end = node->type == YAML_SCALAR_NODE ? byte_of(config, node->end_mark.index) : begin;
	va_list ap;

	va_start(ap, fmt);
	tell(config, begin, end, hint, fmt, ap);
	va_end(ap);
}

static void tell_at(struct config *config, size_t at, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static void tell_at(struct config *config, size_t at, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	tell(config, at, at, hint, fmt, ap);
	va_end(ap);
}

/* --- reading --- */

/* Is there a tab among the blanks that the line begins with? */
static bool is_indented_by_tab(const struct config *config, size_t at)
{
	const char *text = config->source.text, *line = text + at;

	while (line > text && line[-1] != '\n')
		line--;
	return line[strspn(line, " ")] == '\t' || text[at] == '\t';
}

static void tell_yaml(struct config *config, const yaml_parser_t *parser)
{
	const char *hint = NULL, *problem = parser->problem ? parser->problem : "it cannot be read";
	char context[160];
	size_t at;

	if (parser->error == YAML_READER_ERROR) {
		at = parser->problem_offset;
		if (at > config->source.len)
			at = config->source.len;
		tell_at(config, at, "the file is to be text in UTF-8", "this is not YAML: %s",
			problem);
		return;
	}
	at = byte_of(config, parser->problem_mark.index);
	if (is_indented_by_tab(config, at)) {
		hint = "YAML is indented with blanks; tabs are not allowed there";
	} else if (parser->context) {
		snprintf(context, sizeof(context), "%s that begins in line %zu", parser->context,
			 parser->context_mark.line + 1);
		hint = context;
	}
	tell_at(config, at, hint, "this is not YAML: %s", problem);
}

static bool is_only_document(struct config *config, yaml_parser_t *parser)
{
	const struct yaml_api *api = &config->api;
	yaml_document_t second;
	bool more;

	if (!YAML(yaml_parser_load)(parser, &second)) {
		tell_yaml(config, parser);
		return false;
	}
	more = YAML(yaml_document_get_root_node)(&second) != NULL;
	if (more)
		tell_at(config, byte_of(config, second.start_mark.index), NULL,
			"a second document begins here; a configuration is one");
	YAML(yaml_document_delete)(&second);
	return !more;
}

/* libyaml goes through all anchors at each alias, and through all open brackets at each word: many would take hours. */
static bool is_quick(struct config *config)
{
	size_t anchors = 0, brackets = 0;

	for (const char *at = config->source.text; *at; at++) {
		anchors += *at == '&';
		brackets += *at == '[' || *at == '{';
	}
	if (anchors > ANCHORS_MAX)
		tell_at(config, 0, NULL, "there are more than %d anchors (&)", ANCHORS_MAX);
	else if (brackets > BRACKETS_MAX)
		tell_at(config, 0, NULL, "there are more than %d brackets", BRACKETS_MAX);
	return anchors <= ANCHORS_MAX && brackets <= BRACKETS_MAX;
}

/*
 * How many nodes this one stands for once all aliases are written out, as libcyaml does; 0: too many, too deep, or an
 * alias inside of what it stands for. `sizes` remembers what is known.
 */
static size_t written_out(struct config *config, size_t *sizes, int index, int depth)
{
	const yaml_node_t *node = config_node(config, index);
	size_t size = 1, part = 1;

	if (depth > DEPTH_MAX)
		return 0;
	if (sizes[index])
		return sizes[index];
	if (node->type == YAML_SEQUENCE_NODE)
		for (int *item = node->data.sequence.items.start;
		     part && size < NODES_MAX && item < node->data.sequence.items.top; item++)
			size += part = written_out(config, sizes, *item, depth + 1);
	if (node->type == YAML_MAPPING_NODE)
		for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
		     part && size < NODES_MAX && pair < node->data.mapping.pairs.top; pair++) {
			part = written_out(config, sizes, pair->key, depth + 1);
			size += part;
			if (part)
				size += part = written_out(config, sizes, pair->value, depth + 1);
		}
	sizes[index] = part && size < NODES_MAX ? size : 0;
	return sizes[index];
}

static bool is_modest(struct config *config)
{
	size_t n = (size_t)(config->document.nodes.top - config->document.nodes.start);
	size_t *sizes = n ? calloc(n + 1, sizeof(*sizes)) : NULL;
	bool good = !n || (sizes && written_out(config, sizes, 1, 0));

	free(sizes);
	if (!good)
		tell_at(config, 0, NULL,
			"there is too much in it: more than %d values, or more than %d levels, be "
			"it by aliases",
			NODES_MAX, DEPTH_MAX);
	return good;
}

bool config_read_yaml(struct config *config)
{
	const struct yaml_api *api = &config->api;
	const char *nul = memchr(config->source.text, '\0', config->source.len);
	yaml_parser_t parser;
	bool good;

	if (nul)
		return complain_to(config->messages,
				   "%s is not a configuration: byte %zu of it is zero",
				   config->name, (size_t)(nul - config->source.text) + 1),
		       false;
	if (!is_quick(config) || !YAML(yaml_parser_initialize)(&parser))
		return false;
	YAML(yaml_parser_set_encoding)(&parser, YAML_UTF8_ENCODING);
	YAML(yaml_parser_set_input_string)
	(&parser, (const unsigned char *)config->source.text, config->source.len);
	good = YAML(yaml_parser_load)(&parser, &config->document) != 0;
	config->has_document = good;
	if (!good)
		tell_yaml(config, &parser);
	else
		good = is_only_document(config, &parser) && is_modest(config);
	YAML(yaml_parser_delete)(&parser);
	return good;
}
