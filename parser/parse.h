#ifndef JB_PARSER_PARSE_H
#define JB_PARSER_PARSE_H
/* Text to tree: the only door to flex and bison. */
#include "parser/ast.h"

/*
 * Parse one source into NODE_PROGRAM. Syntax errors are diagnostics (several per run); returns NULL when there
 * was one. `#define`s become NODE_DEFINE, other preprocessor lines are handled by the lexer
 * (BPFTRACE_HAVE_BTF is defined; #include gives a NODE_IMPORT with text "<x.h>").
 */
struct node *parse_script(struct arena *arena, struct diags *diags, const struct source *source);

/* A prototype of a builtin or aggregate row (model/feature.h). */
enum proto_type {
	PROTO_VOID,
	PROTO_BOOL,
	PROTO_INT,
	PROTO_STRING,
	PROTO_BUFFER,
	PROTO_PTR,
	PROTO_ANY,
	PROTO_MAP,
	PROTO_KEY,
	PROTO_NAMED
};
struct proto_param {
	enum proto_type type;
	uint32_t size; /* int: bytes, 0 = any; string: bytes with the NUL, 0 = max_strlen */
	bool is_signed;
	bool is_const, is_optional;
	const char *name; /* parameter name or "" ; for PROTO_NAMED see type_name */
	const char *type_name;
};
struct proto {
	struct proto_param result;
	struct proto_param param[10];
	unsigned n_params, n_required;
	bool varargs;
	bool is_value; /* no parameter list: written with or without () */
};
/* false when the text is malformed (a unit test walks all rows). Strings are made in the arena. */
bool proto_parse(struct arena *arena, const char *text, struct proto *proto);

#endif
