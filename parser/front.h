#ifndef JB_PARSER_FRONT_H
#define JB_PARSER_FRONT_H
/*
 * What the files of the semantic middle share with each other and with nobody else: the state behind `struct
 * resolve`, and the entry points of its parts. resolve.c drives them in the order in which they stand here.
 */
#include "parser/parse.h"
#include "parser/resolve.h"
#include "parser/spelled.h"

/* A macro; several of one name differ in arity or in the kinds of their parameters. */
struct macro {
	const char *name;
	const struct node *node; /* NODE_MACRO */
	unsigned n_params;
};

/* A constant of a script's enum. */
struct constant {
	int64_t value;
	const struct type *type;
};

/* A mistake that an attach point's provider reported: whether it is an error is known only afterwards. */
struct mistake {
	struct span span;
	const char *text;
	const char *hint;
	bool is_typo; /* an error whatever `missing_probes` says */
};

/* A metric declaration. Names and entries are checked at once, the map when the types are known. */
struct metric {
	const struct node *node;
	const struct node *labels, *type, *scale; /* entries; NULL: not given */
	struct plan_metric plan;
	struct span *label_spans;
};

struct front {
	VEC(struct macro) macros;
	struct strmap *constants; /* enumerators of the script -> struct constant */
	struct strmap *tags;	  /* "struct x" defined by the script -> its NODE_STRUCT_DEF */
	struct strmap *protos;	  /* text of a prototype -> struct proto */
	struct strmap *options;	  /* getopt names -> plan_param */
	VEC(struct metric) metrics;
	VEC(const struct node *) active; /* macros and #defines being expanded: to find recursion */
	VEC(struct mistake) mistakes;
	VEC(struct target *) targets; /* of the spec being expanded */
	bool gathering;		      /* resolve_error goes to `mistakes` */
	unsigned n_expansions;
	struct span first_getopt;
};

/* config.c */
void config_apply(struct resolve *resolve, const struct node *config);

/* cdef.c: a script's struct, union and enum definitions. */
void cdef_define(struct resolve *resolve, struct node *def);
struct spelling front_spelling(struct resolve *resolve);

/* macro.c */
void macro_collect(struct resolve *resolve, const struct node *node);
/* The macro that this call (or bare identifier) means; NULL when there is none. */
const struct macro *macro_find(struct resolve *resolve, const struct node *call);
bool macro_named(const struct resolve *resolve, const char *name);
void macro_expand(struct resolve *resolve, struct node *call, const struct macro *macro);
void define_expand(struct resolve *resolve, struct node *ident, const struct node *define);
void unroll_expand(struct resolve *resolve, struct node *unroll);
/* Blocks and ifs that stand as statements lose their value. */
void statement_normalise(struct resolve *resolve, struct node *statement);

/* params.c: $1, $#, getopt */
void param_replace(struct resolve *resolve, struct node *param);
/* The text of $n; NULL when it is not set. */
const char *param_text(const struct resolve *resolve, uint64_t n);
/* `str($1)`: true when the call was one and is now a string literal. */
bool param_string_call(struct resolve *resolve, struct node *call);
void getopt_replace(struct resolve *resolve, struct node *call);
void getopt_check_unknown(struct resolve *resolve);

/* metric.c */
void metric_collect(struct resolve *resolve, const struct node *node);
/* All metrics into the plan; maps are there already. */
void metric_lower(struct resolve *resolve);

/* resolve.c: names in one tree, in place */
void resolve_tree(struct resolve *resolve, struct node *node);
/* Overwrite a node but leave it where it is in its list. */
void node_replace(struct node *node, const struct node *with);
const struct proto *front_proto(struct resolve *resolve, const char *text);
struct map *front_map(struct resolve *resolve, const char *name, struct span span);

/* spec.c: attach points to targets to instances */
void spec_expand_probe(struct resolve *resolve, struct node *probe);

/* scope.c: variables of one instance */
void scope_instance(struct resolve *resolve, struct instance *instance);

/* steps.c: prints and the clears that go with them, in a lowered instance */
void steps_find(struct plan *plan, struct instance *instance);

/* fold.c: the value of a constant integer expression, before and after types are known */
bool fold_int(const struct node *node, int64_t *value);
bool fold_binary(enum op op, int64_t a, int64_t b, bool is_unsigned, int64_t *value);
/* $N that may still become a string: an integer that remembers its text. */
static inline bool is_param(const struct node *node)
{
	return node->kind == NODE_INT && node->text && node->name && node->name[0] == '$';
}

#endif
