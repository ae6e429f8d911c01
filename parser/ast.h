#ifndef JB_PARSER_AST_H
#define JB_PARSER_AST_H
/*
 * The syntax tree. One node struct; which members mean something is said beside each kind. Lists (statements,
 * arguments, specs) are chained through `next`. The grammar makes nodes only through ast_new and the
 * helpers below; resolve, check and lower annotate them in place.
 *
 * Sugar that is gone before codegen: macros, $1, #define, predicates, unroll, compound assignment and ++ stay (they
 * are atomic on maps), `a.b` on pointers is NODE_FIELD over NODE_DEREF, `->` too.
 */
#include <stdbool.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/mem.h"
#include "base/vec.h"
#include "model/feature.h"
#include "model/plan.h"
#include "model/type.h"

enum node_kind {
	/* expressions */
	NODE_INT,  /* value; is_unsigned: does not fit int64 */
	NODE_REAL, /* 99.9: text. Only where reals are taken: derived columns, points of quantiles */
	NODE_STR,  /* text, len (escapes replaced, may not hold NUL) */
	NODE_BOOL,  /* value */
	NODE_PARAM, /* $1: value = number; `$#`: value = 0 with name "#". Gone after resolve */
	NODE_IDENT, /* name: builtin without (), enumerator, macro, #define. Gone after resolve */
	NODE_VAR,   /* $x: name without `$`; sym after resolve */
	NODE_MAP, /* @x or @x[k]: name with `@`; key = list of key expressions or NULL; map after resolve */
	NODE_CALL,   /* name(args): name, args list. After resolve: builtin row, or aggregate row */
	NODE_UNARY,  /* op: '-' '!' '~' ; a */
	NODE_BINARY, /* op; a, b */
	NODE_DEREF,  /* *a */
	NODE_ADDR,   /* &a (variable or map) */
	NODE_INCDEC, /* op: OP_INC or OP_DEC; a; is_prefix */
	NODE_COND,   /* a ? b : c; b NULL for ?: */
	NODE_FIELD,  /* a.name; arrow: written as -> (needs a pointer) */
	NODE_TUPLE_INDEX, /* a.N: value = N */
	NODE_INDEX,	  /* a[b] */
	NODE_CAST,	  /* (type)a: spelled, a */
	NODE_SIZEOF,	  /* spelled or a */
	NODE_OFFSETOF,	  /* spelled or a; args: list of NODE_IDENT, the path */
	NODE_TUPLE,	  /* args: list */
	NODE_RECORD,	  /* args: list of NODE_NAMED */
	NODE_NAMED,	  /* name = a, as an argument (emit, agg) or a record's member */
	NODE_TYPE,	  /* a type as an argument, e.g. typeof(x): spelled */
	NODE_IF, /* a: condition, b: block, c: block, NODE_IF or NULL. Statement and expression */
	NODE_BLOCK, /* args: list of statements; b: its value when used as an expression, or NULL */
	/* statements */
	NODE_EXPR,	/* a; */
	NODE_ASSIGN,	/* a op= b; op 0 for plain `=`. a: NODE_VAR, NODE_MAP; NULL a: `_ = b` */
	NODE_LET,	/* let name [: spelled] [= b] ; sym after resolve */
	NODE_FOR_RANGE, /* for (name : a..b) body c */
	NODE_FOR_MAP,	/* for (name : a) body c */
	NODE_WHILE,	/* while (a) body c */
	NODE_UNROLL,	/* unroll (a) body c. Gone after resolve */
	NODE_BREAK,
	NODE_CONTINUE,
	NODE_RETURN, /* a or NULL */
	/* top level */
	NODE_PROBE, /* args: list of NODE_SPEC; a: predicate or NULL; b: block */
	NODE_SPEC, /* one attach point: text = raw source, `next` the following one; alternatives (a || b) in `args` */
	NODE_MACRO, /* name; args: parameters (NODE_VAR, NODE_MAP, NODE_IDENT); b: block */
	NODE_FN,    /* fn name(...): parsed, not supported */
	NODE_MAP_DECL, /* let @m = name(value): name = map, text = kind ("hash", ...), value = entries */
	NODE_CONFIG, /* args: list of NODE_NAMED (a: NODE_INT, NODE_STR, NODE_BOOL or NODE_IDENT) */
	NODE_STRUCT_DEF, /* spelled->kind says struct, union or enum; args: NODE_MEMBERs or NODE_NAMED (enum; a may be NULL) */
	NODE_MEMBER,	 /* name, spelled; value = bit size or 0; nested definition in b */
	NODE_IMPORT,	 /* text */
	NODE_METRIC,	 /* metric "text" = a { args: list of NODE_NAMED } */
	NODE_DEFINE,	 /* #define name a */
	NODE_PROGRAM,	 /* args: list of everything above, in order */
};

enum op {
	OP_NONE,
	OP_ADD,
	OP_SUB,
	OP_MUL,
	OP_DIV,
	OP_MOD,
	OP_AND,
	OP_OR,
	OP_XOR,
	OP_SHL,
	OP_SHR,
	OP_LT,
	OP_LE,
	OP_GT,
	OP_GE,
	OP_EQ,
	OP_NE,
	OP_LAND,
	OP_LOR,
	OP_NEG,
	OP_NOT,
	OP_BITNOT,
	OP_INC,
	OP_DEC,
};

/* A type as it was written. */
struct spelled {
	enum { SPELLED_NAME, SPELLED_STRUCT, SPELLED_UNION, SPELLED_ENUM, SPELLED_TYPEOF } kind;
	const char
		*name; /* "uint64", "string", or a tag; NULL for an anonymous struct definition */
	unsigned pointers; /* number of * */
	unsigned dims;	   /* array dimensions, outermost first; */
	uint32_t dim[4];   /* UINT32_MAX: [] without a size */
	struct node *of;   /* typeof(expr) */
	struct span span;
};

/* A variable ($x), one per declaration, per instance of a probe. */
struct variable {
	const char *name;
	const struct type *type; /* NULL until check has seen its first assignment */
	struct span span;
	unsigned index; /* slot in the probe's frame, dense from 0 */
	bool is_loop;	/* for's: not assignable */
	bool is_read, is_written;
};

/* A map while the compiler works on it; lower.c makes the plan_map. */
struct map {
	const char *name;
	struct span span;	/* first use */
	const struct type *key; /* NULL: scalar or not known yet */
	const struct type *value;
	bool has_key_use, has_scalar_use;
	bool is_emptied;  /* lower: cleared or zeroed where other probes may run at the same time */
	bool is_assigned; /* lower: with something else than ++, --, += and -= */
	const struct aggregate *aggregate;
	const struct node *decl; /* NODE_MAP_DECL or NULL */
	const char *const *key_names;
	unsigned n_keys;
	struct plan_map *plan;		   /* made by lower */
	const struct node *aggregate_call; /* the first @x = agg(...): whose const args count */
};

struct node {
	enum node_kind kind;
	enum op op;
	struct span span;
	struct node *next;
	const struct type *type; /* set by check: of expressions */
	struct node *a, *b, *c;
	struct node *args; /* list */
	struct node *key;  /* map key: list */
	const char *name;
	const char *text;
	uint32_t len;
	uint64_t value;
	const char *shown;     /* the name users know it by, when a macro gave it another */
	struct span name_span; /* of `name` alone: field, call, map */
	bool is_unsigned, is_prefix, is_paren, arrow;
	bool is_holder;	 /* args: one of its fields is taken, not the whole */
	bool is_time;	 /* an int that was written as a duration: 10us */
	bool is_bad;	 /* an error about it was told: its type stays unknown */
	bool is_literal; /* check: the value is known: ints in `value`, strings in text/len */
	struct spelled *spelled;
	/* annotations */
	const struct builtin *builtin;
	const struct aggregate *aggregate; /* NODE_CALL on the right of @x = count() */
	struct variable *variable;
	struct map *map;
	uint32_t site; /* asynchronous call: index into plan->sites */
	uint32_t
		counter; /* runtime warnings of this node (division by zero): index into plan->counters */
	const struct field
		*field; /* NODE_FIELD: the member; offset is the sum over anonymous parents */
	uint32_t offset;
};

/* One program to generate: a probe's body (its own copy) for targets that share one context. */
struct instance {
	struct node *probe;	/* NODE_PROBE the body comes from */
	struct node *predicate; /* own copies */
	struct node *body;
	const struct provider *provider;
	VEC(struct target *) targets;
	const struct type *args; /* type of `args`, NULL when it has none */
	VEC(struct variable *) variables;
	bool uses_args; /* args, argN or retval occur */
	bool uses_duration;
	bool uses_probe;       /* probe or func: the target's id must be known at run time */
	bool unfiltered;       /* selected() occurs: the filters are not asked on its behalf */
	uint32_t hits_counter; /* if the plan counts hits */
	bool absent; /* the probe has no place here: checked, so that maps have their types, and then dropped */
	bool has_loop;	     /* variables must live in a frame that callbacks can reach */
	uint32_t saved_args; /* span: bit n set: argN is used after the return */
	/* filled by provider->plan: */
	const char *section;
	uint32_t attach_type;
	uint32_t mode;
	enum span_mode span_mode;
	struct span span;
	const char *program; /* "p3_uprobe": name of the BPF function; entry hooks append "_in" */
	uint32_t entry_type; /* attach_type of the entry program, 0: as the main one's */
	const char *attach_function, *why; /* see plan_probe */
};

/*
 * Does this instance come with a second program, "<program>_in", that runs at the entry (plan_probe role 1)? The
 * main program then runs at the return. A session runs one program at both; a system call's exit alone knows
 * arguments and result, so only `duration` needs its entry.
 */
static inline bool instance_has_entry(const struct instance *instance)
{
	switch (instance->span_mode) {
	case SPAN_PAIR:
		return instance->saved_args || instance->uses_duration;
	case SPAN_FEXIT:
	case SPAN_SYSCALL:
		return instance->uses_duration;
	case SPAN_NONE:
	case SPAN_SESSION:
		break;
	}
	return false;
}

struct node *ast_new(struct arena *arena, enum node_kind kind, struct span span);
struct node *ast_unary(struct arena *arena, enum node_kind kind, enum op op, struct span span,
		       struct node *a);
struct node *ast_binary(struct arena *arena, enum op op, struct span span, struct node *a,
			struct node *b);
/* Append to a list through its head pointer; returns the head. NULL heads and NULL items are fine. */
struct node *ast_append(struct node *list, struct node *item);
unsigned ast_count(const struct node *list);
/* The n-th of a list, NULL past its end. */
struct node *ast_nth(const struct node *list, unsigned n);
/* Deep copy without `next`; annotations are copied as they are. */
struct node *ast_clone(struct arena *arena, const struct node *node);
struct node *ast_clone_list(struct arena *arena, const struct node *list);
/* Every node below (and including) node, parents first; stops early when visit returns false. */
bool ast_walk(struct node *node, bool (*visit)(struct node *, void *), void *arg);
const char *ast_op_text(enum op op);
const char *ast_kind_name(enum node_kind kind);
/* --dump ast: an indented tree, stable text for golden tests; types are shown once check has set them. */
void ast_dump(const struct node *node, FILE *out);

#define node_each(n, list) for ((n) = (list); (n); (n) = (n)->next)

#endif
