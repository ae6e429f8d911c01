#ifndef JB_PARSER_SPELLED_H
#define JB_PARSER_SPELLED_H
/*
 * A type as it is written in a script, to a type. The names of C and of the language are known here; what is not
 * is asked of the script's own definitions, of the rows, of the kernel's BTF, and of the traced file, in this order.
 */
#include "lookup/lookup.h"
#include "parser/ast.h"

struct spelling {
	struct arena *arena;
	struct diags *diags;
	struct types *types;
	struct lookup *lookup; /* may be NULL: no kernel types */
	const char *path; /* of the file whose debug information may define types; NULL: none */
	const struct registry *registry;
	uint32_t max_strlen; /* size of `string` */
	enum space space;    /* what pointers that are written here point into */
	bool forward; /* in a definition: an unknown tag behind a pointer is declared, not an error */
	const struct type *(*type_of)(void *arg,
				      struct node *expr); /* for typeof; NULL: it is an error */
	void *arg;
};

/* type_error() after a diagnostic at spelled->span. */
const struct type *spelled_type(const struct spelling *spelling, const struct spelled *spelled);
/* The declarator alone: `type` with the pointers and dimensions that stand around it. */
const struct type *spelled_declarator(const struct spelling *spelling,
				      const struct spelled *spelled, const struct type *type);

#endif
