/*
 * JSON by yajl, a line at a time: a line that is not JSON costs that line only. Strings without escapes stay where they
 * are, in the input's window.
 */
#include "report/json.h"

#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_parse.h>

enum { DEPTH_MAX = 32 };

struct json_parser {
	struct json *json;
	yajl_handle handle;
	struct arena *arena; /* strings that had escapes */
	const char *line, *stop;
	uint32_t open[DEPTH_MAX]; /* indexes of the arrays and objects around */
	unsigned depth;
	uint32_t cap;
};

static bool node_add(struct json_parser *parser, enum json_kind kind, const char *text, size_t len)
{
	struct json *json = parser->json;

	if (json->n_nodes == JSON_NODES_MAX)
		return false;
	if (json->n_nodes == parser->cap) {
		parser->cap = parser->cap ? parser->cap * 2 : 256;
		json->nodes = mem_realloc(json->nodes, parser->cap * sizeof(*json->nodes));
	}
	json->nodes[json->n_nodes] = (struct json_node){ .text = text,
							 .kind = kind,
							 .len = (uint32_t)len & 0x1fffffff,
							 .next = json->n_nodes + 1 };
	json->n_nodes++;
	return true;
}

/* A 0 inside a string would cut it short wherever it goes later. */
static const char *copied(struct json_parser *parser, const char *text, size_t len)
{
	char *copy = arena_alloc(parser->arena, len + 1);

	for (size_t i = 0; i < len; i++)
		copy[i] = (char)(text[i] ? text[i] : ' ');
	return copy;
}

static int add_text(struct json_parser *parser, enum json_kind kind, const char *text, size_t len)
{
	if (text < parser->line || text >= parser->stop)
		text = copied(parser, text, len);
	return node_add(parser, kind, text, len);
}

static int on_null(void *ctx)
{
	return node_add(ctx, JSON_NULL, "", 0);
}

static int on_bool(void *ctx, int value)
{
	return node_add(ctx, JSON_BOOL, value ? "true" : "false", value ? 4 : 5);
}

static int on_number(void *ctx, const char *text, size_t len)
{
	return add_text(ctx, JSON_NUMBER, text, len);
}

static int on_string(void *ctx, const unsigned char *text, size_t len)
{
	return add_text(ctx, JSON_STRING, (const char *)text, len);
}

static int on_key(void *ctx, const unsigned char *text, size_t len)
{
	return add_text(ctx, JSON_KEY, (const char *)text, len);
}

static int on_open(struct json_parser *parser, enum json_kind kind)
{
	if (parser->depth == DEPTH_MAX)
		return 0;
	parser->open[parser->depth++] = parser->json->n_nodes;
	return node_add(parser, kind, NULL, 0);
}

static int on_open_object(void *ctx)
{
	return on_open(ctx, JSON_OBJECT);
}

static int on_open_array(void *ctx)
{
	return on_open(ctx, JSON_ARRAY);
}

static int on_close(void *ctx)
{
	struct json_parser *parser = ctx;

	if (!parser->depth)
		return 0;
	parser->json->nodes[parser->open[--parser->depth]].next = parser->json->n_nodes;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_bool,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_open_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_close,
	.yajl_start_array = on_open_array,
	.yajl_end_array = on_close,
};

static void restart(struct json_parser *parser)
{
	if (parser->handle)
		yajl_free(parser->handle);
	parser->handle = yajl_alloc(&callbacks, NULL, parser);
	if (!parser->handle)
		abort(); /* out of memory: it takes a few hundred bytes */
	yajl_config(parser->handle, yajl_allow_multiple_values, 1);
	/* Names of processes need not be UTF-8; printing cares for that. */
	yajl_config(parser->handle, yajl_dont_validate_strings, 1);
}

void json_init(struct json *json, struct input *input)
{
	*json = (struct json){ .input = input };
	json->parser = mem_alloc(sizeof(*json->parser));
	*json->parser = (struct json_parser){ .json = json, .arena = arena_new() };
	restart(json->parser);
}

void json_fini(struct json *json)
{
	yajl_free(json->parser->handle);
	arena_free(json->parser->arena);
	free(json->parser);
	free(json->nodes);
}

/* From begin to its line end, or to the end of the input. False: there is nothing left. */
static bool find_line(struct input *input, size_t *len, bool *closed)
{
	size_t seen = 0;

	for (;;) {
		char *begin = input->data + input->begin;
		char *end = memchr(begin + seen, '\n', input->end - input->begin - seen);

		*closed = end;
		*len = end ? (size_t)(end - begin) : input->end - input->begin;
		if (end)
			return true;
		seen = *len;
		if (!input_more(input))
			return *len;
	}
}

/* Texts get a 0 behind them, in the place of a quote or a comma. */
static void end_texts(struct json *json)
{
	struct json_parser *parser = json->parser;

	for (uint32_t i = 0; i < json->n_nodes; i++) {
		const char *text = json->nodes[i].text;

		if (text && text >= parser->line && text < parser->stop)
			json->input->data[text + json->nodes[i].len - json->input->data] = '\0';
	}
}

static bool parse_line(struct json *json, size_t len)
{
	struct json_parser *parser = json->parser;
	struct input *input = json->input;
	char *line = input->data + input->begin;
	yajl_status status;

	json->n_nodes = 0;
	parser->depth = 0;
	arena_reset(parser->arena);
	parser->line = line;
	parser->stop = line + len;
	line[len] = '\n'; /* ends a number; the window has room for it */
	status = yajl_parse(parser->handle, (const unsigned char *)line, len + 1);
	if (status != yajl_status_ok || parser->depth) {
		restart(parser);
		return false;
	}
	if (!json->n_nodes || json->nodes[0].next != json->n_nodes ||
	    json->nodes[0].kind != JSON_OBJECT)
		return false;
	end_texts(json);
	return true;
}

static bool is_blank(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!strchr(" \t\r", text[i]) || !text[i])
			return false;
	return true;
}

enum json_status json_next(struct json *json)
{
	struct input *input = json->input;
	enum json_status status;
	bool closed;
	size_t len;

	if (!find_line(input, &len, &closed))
		return JSON_END;
	json->line++;
	if (!closed && !input->at_end) { /* the window is full */
		do
			input->begin = input->end;
		while (find_line(input, &len, &closed) && !closed);
		status = JSON_TOO_LONG;
	} else if (is_blank(input->data + input->begin, len)) {
		status = JSON_EMPTY;
	} else if (parse_line(json, len)) {
		status = JSON_LINE;
	} else {
		status = closed ? JSON_BAD : JSON_TORN;
	}
	input->begin += len + closed;
	return status;
}

const struct json_node *json_member(const struct json *json, const struct json_node *object,
				    const char *name)
{
	uint32_t at = (uint32_t)(object - json->nodes) + 1;

	while (at < object->next) {
		const struct json_node *key = &json->nodes[at], *value = key + 1;

		if (strcmp(key->text, name) == 0)
			return value;
		at = value->next;
	}
	return NULL;
}

bool json_is(const struct json_node *node, const char *text)
{
	return node && node->kind == JSON_STRING && strcmp(node->text, text) == 0;
}
