#ifndef JB_PARSER_RESOLVE_H
#define JB_PARSER_RESOLVE_H
/*
 * Names to things: macros are expanded, parameters replaced, identifiers become builtins, constants or symbols,
 * attach points become targets, probes become instances. What provider rows may use is here.
 */
#include "lookup/lookup.h"
#include "parser/ast.h"

struct strmap;

/* What the user asked for besides the script. */
struct front_options {
	const char *const *params; /* $1, $2, ... */
	unsigned n_params;
	const char *const *named; /* after `--`: "name=value" or "name" */
	unsigned n_named;
	int pid;   /* whose files are meant; 0: anybody's */
	int child; /* -c: pid of the held child */
	bool unsafe;
};

struct resolve {
	struct arena *arena;
	struct diags *diags;
	const struct registry *registry;
	const struct front_options *options;
	struct types *types;
	struct lookup *lookup; /* facts about this machine: symbols, BTF, tracepoint formats */
	struct node *program;
	struct plan *plan; /* targets are added to it as they are found; config goes into it */
	VEC(struct instance *) instances;
	VEC(struct map *) maps;
	struct strmap *macros, *defines, *map_names;
	const struct spec *spec; /* being expanded */
	const struct provider
		*served_by; /* of its targets, when not its own provider; see resolve_serve() */
	const char *why;
	struct instance *instance; /* being filled */
	struct front *front;	   /* private to the parser: parser/front.h */
};

/* For provider rows: a new target of the spec being expanded; the provider fills in the rest. */
struct target *resolve_add_target(struct resolve *resolve, const char *name);
/*
 * For expand: the spec's targets are served by another row (a kernel without kprobes serves them by fentry), `why` being
 * the sentence that tells the user so; NULL: nothing worth telling.
 */
void resolve_serve(struct resolve *resolve, const struct provider *provider, const char *why);
/* An error about part i of the spec (i < 0: the whole of it); shows the caret under that part. */
void resolve_error(struct resolve *resolve, int part, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* "did you mean" for the error just reported. */
void resolve_hint(struct resolve *resolve, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* The whole pass. false when there were errors. */
bool resolve_program(struct resolve *resolve);

#endif
