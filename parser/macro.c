/*
 * Macros, #define and unroll: text-like reuse, done on the tree before names mean anything. A macro's own variables
 * get names that no script can spell, so it cannot capture the caller's.
 */
#include <string.h>

#include "base/strmap.h"
#include "parser/front.h"

#define UNROLL_MAX     100
#define MAX_EXPANSIONS 20000 /* a script that needs more is a mistake of its author */

/* One use of a macro. */
struct expansion {
	struct resolve *resolve;
	const struct macro *macro;
	const struct node *args;
	unsigned id;
};

void macro_collect(struct resolve *resolve, const struct node *node)
{
	struct macro *macro = vec_grow(resolve->arena, &resolve->front->macros);

	macro->name = node->name;
	macro->node = node;
	macro->n_params = ast_count(node->args);
}

bool macro_named(const struct resolve *resolve, const char *name)
{
	const struct macro *macro;

	vec_each (macro, &resolve->front->macros)
		if (!strcmp(macro->name, name))
			return true;
	return false;
}

/* How many parameters want this kind of argument and get it; -1: they do not fit. */
static int match(const struct macro *macro, const struct node *args)
{
	const struct node *param, *arg = args;
	int exact = 0;

	node_each (param, macro->node->args) {
		if (!arg)
			return -1;
		if (param->kind == NODE_VAR && arg->kind != NODE_VAR)
			return -1;
		if (param->kind == NODE_MAP && arg->kind != NODE_MAP)
			return -1;
		exact += param->kind != NODE_IDENT;
		arg = arg->next;
	}
	return arg ? -1 : exact;
}

const struct macro *macro_find(struct resolve *resolve, const struct node *call)
{
	const struct macro *macro, *best = NULL;
	int best_exact = -1;

	vec_each (macro, &resolve->front->macros) {
		int exact = strcmp(macro->name, call->name) ? -1 : match(macro, call->args);

		if (exact > best_exact) {
			best = macro;
			best_exact = exact;
		}
	}
	return best;
}

/* --- substitution --- */

static const struct node *argument_of(const struct expansion *x, enum node_kind kind,
				      const char *name)
{
	const struct node *param, *arg = x->args;

	node_each (param, x->macro->node->args) {
		if (param->kind == kind && !strcmp(param->name, name))
			return arg;
		arg = arg->next;
	}
	return NULL;
}

static const char *private_name(const struct expansion *x, const char *name)
{
	return arena_printf(x->resolve->arena, "%s#%u", name, x->id);
}

static void substitute_variable(const struct expansion *x, struct node *node)
{
	const struct node *arg = argument_of(x, NODE_VAR, node->name);

	if (!node->shown)
		node->shown = arg ? arg->shown : node->name;
	node->name = arg ? arg->name : private_name(x, node->name);
}

static void substitute_declared(const struct expansion *x, struct node *node)
{
	if (argument_of(x, NODE_VAR, node->name))
		diag_error(x->resolve->diags, node->span,
			   "$%s is a parameter of macro %s: it cannot be declared again",
			   node->name, x->macro->name);
	node->name = private_name(x, node->name);
}

static void substitute_map(const struct expansion *x, struct node *node)
{
	const struct node *arg = argument_of(x, NODE_MAP, node->name);

	if (!arg)
		return; /* maps are global: this one is what its name says */
	node->name = arg->name;
	if (arg->key && node->key)
		diag_error(x->resolve->diags, node->span,
			   "%s has a key already where macro %s is called", arg->name,
			   x->macro->name);
	else if (arg->key)
		node->key = ast_clone_list(x->resolve->arena, arg->key);
}

static void substitute(const struct expansion *x, struct node *node);

static void substitute_list(const struct expansion *x, struct node *list)
{
	struct node *item;

	node_each (item, list)
		substitute(x, item);
}

/* typeof(expr), and a type parameter: `macro m(T) { sizeof(T) }` called as m(typeof(x)). */
static void substitute_spelled(const struct expansion *x, struct node *node)
{
	const struct node *arg;

	if (node->spelled->of)
		substitute(x, node->spelled->of);
	if (node->spelled->kind != SPELLED_NAME || !node->spelled->name)
		return;
	arg = argument_of(x, NODE_IDENT, node->spelled->name);
	if (arg && arg->kind == NODE_TYPE && arg->spelled)
		node->spelled = arg->spelled;
}

/* A literal has no name of its own: as a key it goes by the parameter's. */
static void substitute_argument(const struct expansion *x, struct node *node,
				const struct node *arg)
{
	struct node *copy = ast_clone(x->resolve->arena, arg);

	if (!copy->shown && (copy->kind == NODE_INT || copy->kind == NODE_STR))
		copy->shown = node->name;
	node_replace(node, copy);
}

static void substitute(const struct expansion *x, struct node *node)
{
	const struct node *arg;

	if (!node)
		return;
	if (node->kind == NODE_IDENT) {
		arg = argument_of(x, NODE_IDENT, node->name);
		if (arg)
			substitute_argument(x, node, arg);
		return; /* the argument belongs to the caller */
	}
	if (node->kind == NODE_VAR)
		substitute_variable(x, node);
	else if (node->kind == NODE_LET || node->kind == NODE_FOR_RANGE ||
		 node->kind == NODE_FOR_MAP)
		substitute_declared(x, node);
	substitute_list(x, node->key);
	if (node->kind == NODE_MAP)
		substitute_map(x, node);
	substitute(x, node->a);
	substitute(x, node->b);
	substitute(x, node->c);
	if (node->kind != NODE_OFFSETOF)
		substitute_list(x, node->args);
	if (node->spelled)
		substitute_spelled(x, node);
}

/* --- expansion --- */

static bool is_active(const struct resolve *resolve, const struct node *definition)
{
	for (size_t i = 0; i < resolve->front->active.n; i++)
		if (resolve->front->active.data[i] == definition)
			return true;
	return false;
}

static bool too_many(struct resolve *resolve, struct node *node)
{
	if (++resolve->front->n_expansions < MAX_EXPANSIONS)
		return false;
	if (resolve->front->n_expansions == MAX_EXPANSIONS)
		diag_error(resolve->diags, node->span, "this script expands to more than %d macros",
			   MAX_EXPANSIONS);
	return true;
}

/* Replace a node by nothing of interest after an error. */
static void give_up(struct node *node)
{
	node->kind = NODE_INT;
	node->args = node->a = node->b = node->c = NULL;
	node->name = node->text = NULL;
	node->value = 0;
}

void macro_expand(struct resolve *resolve, struct node *call, const struct macro *macro)
{
	struct expansion x = { resolve, macro, call->args, resolve->front->n_expansions };
	struct node *body;

	if (is_active(resolve, macro->node)) {
		diag_error(resolve->diags, call->span, "macro %s uses itself", macro->name);
		diag_hint(
			resolve->diags,
			"macros are replaced by their bodies, so they cannot recurse; use a loop");
		give_up(call);
		return;
	}
	if (too_many(resolve, call)) {
		give_up(call);
		return;
	}
	body = ast_clone(resolve->arena, macro->node->b);
	substitute(&x, body);
	vec_push(resolve->arena, &resolve->front->active, macro->node);
	resolve_tree(resolve, body);
	resolve->front->active.n--;
	node_replace(call, !body->args && body->b ? body->b : body);
}

void define_expand(struct resolve *resolve, struct node *ident, const struct node *define)
{
	struct node *value;
	struct span span = ident->span;

	if (is_active(resolve, define) || too_many(resolve, ident)) {
		diag_error(resolve->diags, define->span, "#define %s uses itself", define->name);
		give_up(ident);
		return;
	}
	if (!define->a) {
		diag_error(resolve->diags, span, "#define %s has no value", define->name);
		give_up(ident);
		return;
	}
	value = ast_clone(resolve->arena, define->a);
	vec_push(resolve->arena, &resolve->front->active, define);
	resolve_tree(resolve, value);
	resolve->front->active.n--;
	value->span = span; /* a mistake is shown where the name is used */
	node_replace(ident, value);
}

/* --- unroll --- */

/* `break` and `continue` would mean the loop around the unroll. */
static bool leaves_loop(const struct node *node)
{
	const struct node *item;

	if (!node || node->kind == NODE_FOR_RANGE || node->kind == NODE_FOR_MAP ||
	    node->kind == NODE_WHILE)
		return false;
	if (node->kind == NODE_BREAK || node->kind == NODE_CONTINUE)
		return true;
	node_each (item, node->args)
		if (leaves_loop(item))
			return true;
	return leaves_loop(node->a) || leaves_loop(node->b) || leaves_loop(node->c);
}

void unroll_expand(struct resolve *resolve, struct node *unroll)
{
	struct node *list = NULL;
	int64_t n = 0;

	resolve_tree(resolve, unroll->a);
	if (!fold_int(unroll->a, &n)) {
		diag_error(resolve->diags, unroll->a->span,
			   "unroll needs a constant number of rounds");
		diag_hint(resolve->diags,
			  "for a number that is known only at run time: for ($i : 0..N) { ... }");
	} else if (n < 1 || n > UNROLL_MAX) {
		diag_error(resolve->diags, unroll->a->span, "unroll takes 1 to %d rounds, not %lld",
			   UNROLL_MAX, (long long)n);
		n = 0;
	}
	if (leaves_loop(unroll->c)) {
		diag_error(resolve->diags, unroll->span,
			   "not supported yet: break or continue inside unroll");
		n = 0;
	}
	for (int64_t i = 0; i < n; i++) {
		struct node *round = ast_clone(resolve->arena, unroll->c);

		resolve_tree(resolve, round);
		list = ast_append(list, round);
	}
	unroll->kind = NODE_BLOCK;
	unroll->a = unroll->c = NULL;
	unroll->args = list;
}

/* --- statements --- */

static void block_without_value(struct resolve *resolve, struct node *block)
{
	struct node *statement;

	if (!block->b)
		return;
	statement = ast_new(resolve->arena, NODE_EXPR, block->b->span);
	statement->a = block->b;
	block->b = NULL;
	block->args = ast_append(block->args, statement);
	statement_normalise(resolve, statement);
}

void statement_normalise(struct resolve *resolve, struct node *statement)
{
	if (!statement)
		return;
	if (statement->kind == NODE_EXPR &&
	    (statement->a->kind == NODE_BLOCK || statement->a->kind == NODE_IF))
		node_replace(statement, statement->a);
	if (statement->kind == NODE_BLOCK) {
		block_without_value(resolve, statement);
	} else if (statement->kind == NODE_IF) {
		statement_normalise(resolve, statement->b);
		statement_normalise(resolve, statement->c);
	} else if (statement->kind == NODE_FOR_RANGE || statement->kind == NODE_FOR_MAP ||
		   statement->kind == NODE_WHILE) {
		statement_normalise(resolve, statement->c);
	}
}
