#ifndef JB_PARSER_CHECK_INTERNAL_H
#define JB_PARSER_CHECK_INTERNAL_H
/*
 * Shared by the files of the type checker only. The pass runs over all instances until no variable and no map
 * changes its type (quietly: diagnostics of these rounds go nowhere), and then once more, aloud. A node whose
 * type is not known yet has type_error, which agrees with everything.
 */
#include "base/strmap.h"
#include "parser/check.h"
#include "parser/front.h"

/* The type of something that is written to at several places: a variable, a map's value, a part of its key. */
struct slot {
	const struct type *type; /* NULL: nothing known yet */
	bool is_literal; /* only non-negative integer literals so far: the first real integer decides */
	bool is_zero;  /* only the literal 0 so far: may become a pointer */
	bool is_fixed; /* declared with a type */
	bool is_empty; /* last round: a variable declared without a value, and nothing assigned yet */
};

struct map_state {
	struct map *map;
	struct slot *keys; /* n_keys of them, NULL as long as no key was seen */
	unsigned n_keys;
	struct slot value;
	const struct type *aggregate; /* TYPE_AGG */
	bool is_written;	      /* what was written may have had an error of its own */
};

struct checker {
	struct check pub;    /* what rows see; first, so that it can be found from it */
	struct strmap *maps; /* name -> struct map_state */
	struct slot **slots; /* per instance, by the variable's index */
	struct slot *vars;   /* of the instance being checked */
	bool unresolved;     /* names have errors: parts of the tree have no meaning */
	bool is_copy;	     /* the instance is a copy of one that was checked already */
	unsigned unread;     /* inside of sizeof or typeof, where nothing is computed */
};

/* Warnings belong to the last round, and are told once for all copies of a probe. */
static inline bool check_warns(const struct checker *c)
{
	return c->pub.final && !c->is_copy && !c->unread;
}

static inline struct checker *checker_of(struct check *check)
{
	return (struct checker *)check;
}

/* check.c */
/* Bring the type of one more use into a slot. false when there is none for all uses. */
bool slot_merge(struct checker *c, struct slot *slot, const struct node *node,
		const struct type *type);
void check_statements(struct checker *c, struct node *list);
/* `let $x; $x += value`: nothing but its use says what $x is. */
void check_first_value(struct checker *c, struct variable *variable, struct node *value);
/* What the type of a written-out type is here; `space`: of the pointers in it. */
const struct type *check_spelled(struct checker *c, const struct spelled *spelled,
				 enum space space);
const char *check_shown(struct checker *c, const struct type *type);
/* A `$name` as the user wrote it. */
const char *check_variable_name(struct checker *c, const char *name);

/* check_expr.c */
const struct type *check_expr(struct checker *c, struct node *node);
/* As check_expr, and there must be a value. */
const struct type *check_value(struct checker *c, struct node *node);
bool check_condition(struct checker *c, struct node *node);
/* One type for two expressions; NULL after a diagnostic at `at`. */
const struct type *check_branches(struct checker *c, struct node *at, struct node *a,
				  struct node *b);
/* The type of `a op b` for integers and pointers. */
const struct type *check_arithmetic(struct checker *c, struct node *node, enum op op,
				    struct node *a, struct node *b);
/* A literal (or folded) integer that is not negative, which adapts to what it is used with. */
bool is_plain_literal(const struct node *node);
/* $1 where a string is needed. */
bool check_param_string(struct node *node);
static inline bool is_unknown(const struct type *type)
{
	return type->kind == TYPE_ERROR;
}

/* check_place.c: fields, elements, pointers, casts, sizeof */
const struct type *check_field(struct checker *c, struct node *node);
const struct type *check_deref(struct checker *c, struct node *node);
const struct type *check_index(struct checker *c, struct node *node);
const struct type *check_tuple_index(struct checker *c, struct node *node);
const struct type *check_cast(struct checker *c, struct node *node);
const struct type *check_sizeof(struct checker *c, struct node *node);
const struct type *check_offsetof(struct checker *c, struct node *node);

/* check_call.c */
const struct type *check_call(struct checker *c, struct node *node);

/* check_map.c */
struct map_state *check_map_state(struct checker *c, struct node *node);
const struct type *check_map_read(struct checker *c, struct node *node);
/* for over a map: the tuple of key and value, NULL as long as it is not known; type_error() after a diagnostic. */
const struct type *check_map_element(struct checker *c, struct node *node);
/* The map itself as an argument: known, but not read. */
bool check_map_reference(struct checker *c, struct node *node);
void check_map_keys(struct checker *c, struct node *map, struct node *keys);
void check_map_assign(struct checker *c, struct node *assign);
const struct type *check_map_step(struct checker *c, struct node *node);
void check_maps_done(struct checker *c);

/* check_agg.c */
/* The type of an aggregation's state; type_error() after a diagnostic. */
const struct type *check_aggregate(struct checker *c, struct node *call);
/*
 * The same aggregation in two places: one kind, the same constants and columns; signed when one of them is. NULL when
 * they differ.
 */
const struct type *check_same_aggregate(struct checker *c, const struct type *a,
					const struct type *b);
/* check_row.c: the columns of agg() into `args`; false after a diagnostic. */
bool check_row(struct checker *c, struct node *call, struct agg_args *args, uint32_t *size);

#endif
