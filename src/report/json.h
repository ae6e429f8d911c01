#ifndef JB_REPORT_JSON_H
#define JB_REPORT_JSON_H
/*
 * Lines of JSON, taken from an input one after another, each as a flat list of nodes in the order of the text. What the
 * records mean is jsonrows.c's.
 */
#include "base/mem.h"
#include "report/input.h"

/* A map of a million keys is one line with two million nodes. */
#define JSON_NODES_MAX (3u << 20)

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_KEY,
	JSON_ARRAY,
	JSON_OBJECT
};

struct json_node {
	const char *text; /* all but array and object; text[len] is 0 */
	uint32_t kind : 3;
	uint32_t len : 29;
	uint32_t next; /* index of the node behind this one and all it holds */
};

enum json_status {
	JSON_LINE,  /* one object, in nodes[0] */
	JSON_EMPTY, /* a line of blanks */
	JSON_BAD,   /* not JSON, or not one object, or too many values */
	JSON_TORN,  /* the same, and the input ends without a line end */
	JSON_TOO_LONG,
	JSON_END
};

struct json_parser;

struct json {
	struct input *input;
	struct json_node *nodes;
	uint32_t n_nodes;
	uint64_t line; /* from 1 */
	struct json_parser *parser;
};

void json_init(struct json *json, struct input *input);
void json_fini(struct json *json);
/* Nodes and texts are valid until the next call. */
enum json_status json_next(struct json *json);

/* The value of a member of the object at index `object`; NULL: it has none of this name. */
const struct json_node *json_member(const struct json *json, const struct json_node *object,
				    const char *name);
bool json_is(const struct json_node *node, const char *text);

#endif
