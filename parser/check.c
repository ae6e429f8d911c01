/*
 * Types: the driver of the pass, slots, statements, and what builtin rows may call. Expressions are in
 * check_expr.c and its neighbours; maps in check_map.c.
 */
#include "parser/check.h"

#include <string.h>

#include "parser/check_internal.h"

#define MAX_ROUNDS 64 /* types only widen, so a script needs two or three */

/* --- for rows --- */

bool check_error(struct check *check, struct node *node, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag_error(check->diags, node->span, "%s", arena_vprintf(check->arena, fmt, ap));
	va_end(ap);
	node->type = type_error();
	return false;
}

bool check_const_int(struct check *check, struct node *arg, int64_t *value)
{
	/* A row may ask about a node that it made itself, and that has no type yet. */
	if ((!arg->type || type_is_int_like(arg->type)) && fold_int(arg, value))
		return true;
	if (arg->type && is_unknown(arg->type))
		return false;
	return check_error(check, arg,
			   "this must be a constant: a number, $1, or an expression of these");
}

bool check_const_str(struct check *check, struct node *arg, const char **text)
{
	if (is_param(arg))
		check_param_string(arg);
	if (arg->kind == NODE_STR) {
		*text = arg->text;
		return true;
	}
	return check_error(check, arg, "this must be a string literal");
}

bool check_unknown_kernel_type(struct check *check, struct node *node, const char *what)
{
	if (!check->lookup || lookup_has_btf(check->lookup))
		return false;
	check_error(check, node, "the type of %s is not known: %s", what,
		    lookup_error(check->lookup));
	diag_hint(check->diags, "the kernel needs CONFIG_DEBUG_INFO_BTF; BPFTRACE_BTF=FILE names "
				"another file with its BTF");
	return true;
}

enum space check_space(const struct check *check, const struct node *arg)
{
	const struct type *type = arg && arg->type ? type_plain(arg->type) : NULL;

	if (type && (type->kind == TYPE_PTR || type->kind == TYPE_INT) &&
	    type->space != SPACE_UNKNOWN)
		return type->space;
	return check->instance && check->instance->provider->flags & PROVIDER_USER ? SPACE_USER
										   : SPACE_KERNEL;
}

const char *check_name_of(const struct node *expr)
{
	if (expr->shown)
		return expr->shown;
	switch (expr->kind) {
	case NODE_VAR:
		return expr->name;
	case NODE_MAP:
		return expr->name[1] ? expr->name + 1 : NULL;
	case NODE_FIELD:
	case NODE_NAMED:
		return expr->name;
	case NODE_CALL:
		return expr->builtin && !expr->args ? expr->builtin->name : NULL;
	case NODE_CAST:
	case NODE_DEREF:
		return check_name_of(expr->a);
	default:
		return NULL;
	}
}

/* --- small things --- */

const char *check_shown(struct checker *c, const struct type *type)
{
	return type_spell(c->pub.arena, type);
}

const char *check_variable_name(struct checker *c, const char *name)
{
	return arena_strndup(c->pub.arena, name, strcspn(name, "#"));
}

static const struct type *typeof_expr(void *arg, struct node *expr)
{
	struct checker *c = arg;
	const struct type *type;

	c->unread++;
	type = check_expr(c, expr);
	c->unread--;
	return type;
}

const struct type *check_spelled(struct checker *c, const struct spelled *spelled, enum space space)
{
	struct spelling spelling = front_spelling(c->pub.resolve);

	spelling.diags = c->pub.diags;
	spelling.space = space;
	spelling.type_of = typeof_expr;
	spelling.arg = c;
	if (c->pub.instance && c->pub.instance->targets.n)
		spelling.path = c->pub.instance->targets.data[0]->path;
	return spelled_type(&spelling, spelled);
}

/* --- slots --- */

static bool fits(const struct node *literal, const struct type *type)
{
	int64_t value = (int64_t)literal->value;
	unsigned bits = type->size * 8;

	if (bits >= 64)
		return true;
	if (literal->is_unsigned)
		return false;
	if (!type->is_signed)
		return value >= 0 && value >> bits == 0;
	return value >= -(1ll << (bits - 1)) && value < 1ll << (bits - 1);
}

static bool is_int_literal(const struct node *node)
{
	return node->is_literal && node->type && node->type->kind == TYPE_INT;
}

static bool change(struct checker *c, struct slot *slot, const struct type *type)
{
	if (!slot->type || !type_equal(slot->type, type)) {
		slot->type = type;
		c->pub.changed = true;
	}
	return true;
}

static bool merge_fixed(struct checker *c, struct slot *slot, const struct node *node,
			const struct type *type)
{
	const struct type *want = slot->type, *both;

	if (want->kind == TYPE_INT && is_int_literal(node))
		return fits(node, want);
	if (type_is_int_like(want) && type_is_int_like(type))
		return want->kind != TYPE_ENUM && type->size <= want->size;
	if (want->kind == TYPE_PTR &&
	    (is_plain_literal(node) || type->kind == TYPE_INT || type->kind == TYPE_PTR))
		return true;
	both = type_unify(c->pub.types, want, type);
	return both && both->size <= want->size;
}

/* A literal takes the type that is there, and makes room when it needs more. */
static bool merge_literal(struct checker *c, struct slot *slot, const struct node *node)
{
	if (node->value)
		slot->is_zero = false;
	if (slot->type->kind == TYPE_PTR)
		return node->value == 0;
	if (slot->type->kind != TYPE_INT)
		return false;
	if (node->is_unsigned && slot->is_literal)
		return change(c, slot, type_u64());
	if (fits(node, slot->type))
		return true;
	return change(c, slot, type_int(8, slot->type->is_signed && !node->is_unsigned));
}

/* The first use that is no literal, where only literals were seen. */
static const struct type *settle(const struct slot *slot, const struct type *type)
{
	if (type->kind == TYPE_PTR && slot->is_zero)
		return type;
	if (type->kind == TYPE_INT)
		return type_int(8, type->is_signed);
	return NULL;
}

bool slot_merge(struct checker *c, struct slot *slot, const struct node *node,
		const struct type *type)
{
	const struct type *both = NULL;

	if (is_unknown(type))
		return true;
	if (!slot->type) {
		slot->is_literal = is_plain_literal(node) && type->kind == TYPE_INT;
		slot->is_zero = slot->is_literal && node->value == 0;
		return change(c, slot, type);
	}
	if (is_unknown(slot->type))
		return true;
	if (slot->is_fixed)
		return merge_fixed(c, slot, node, type);
	if (is_plain_literal(node) && type->kind == TYPE_INT && merge_literal(c, slot, node))
		return true;
	if (slot->is_literal && !is_plain_literal(node)) {
		both = settle(slot, type);
		if (both)
			slot->is_literal = slot->is_zero = false;
	}
	if (!both)
		both = type_unify(c->pub.types, slot->type, type);
	return both && change(c, slot, both);
}

/* --- variables --- */

static struct slot *slot_of(struct checker *c, const struct variable *variable)
{
	return &c->vars[variable->index];
}

static void publish(struct checker *c, struct variable *variable)
{
	if (!variable->type || !is_unknown(variable->type))
		variable->type = slot_of(c, variable)->type;
}

static bool is_storable(const struct type *type)
{
	return type->kind != TYPE_AGG && type->kind != TYPE_NONE;
}

static void assign_variable(struct checker *c, struct node *at, struct variable *variable,
			    struct node *value, const struct type *type)
{
	struct slot *slot = slot_of(c, variable);

	slot->is_empty = false;
	if (is_unknown(type) || !is_storable(type))
		return;
	if (!slot_merge(c, slot, value, type)) {
		check_error(&c->pub, at, "cannot assign '%s' to $%s, which is '%s'",
			    check_shown(c, type), check_variable_name(c, variable->name),
			    check_shown(c, slot->type));
		if (slot->is_fixed && type_is_int_like(type) && type_is_int_like(slot->type))
			diag_hint(c->pub.diags, "cut it to size with a cast: (%s)...",
				  check_shown(c, slot->type));
		else
			diag_note(c->pub.diags, variable->span, "$%s got its type here",
				  check_variable_name(c, variable->name));
	}
	publish(c, variable);
}

void check_first_value(struct checker *c, struct variable *variable, struct node *value)
{
	struct slot *slot = slot_of(c, variable);

	slot->is_empty = false;
	if (slot->type || variable->type || is_unknown(value->type))
		return;
	slot_merge(c, slot, value, value->type);
	publish(c, variable);
}

static void compound_variable(struct checker *c, struct node *node)
{
	struct node *target = node->a;
	const struct type *type = check_value(c, node->b);

	if (is_unknown(type))
		return;
	check_first_value(c, target->variable, node->b);
	if (is_unknown(check_expr(c, target)))
		return;
	type = check_arithmetic(c, node, node->op, target, node->b);
	if (is_unknown(type))
		return;
	if (!slot_of(c, target->variable)->is_fixed)
		assign_variable(c, node, target->variable, target, type);
	target->type = target->variable->type;
}

static void check_assign(struct checker *c, struct node *node)
{
	if (!node->a) {
		check_expr(c, node->b);
		return;
	}
	if (node->a->kind == NODE_MAP) {
		check_map_assign(c, node);
		return;
	}
	if (node->op != OP_NONE) {
		compound_variable(c, node);
		return;
	}
	assign_variable(c, node, node->a->variable, node->b, check_value(c, node->b));
	node->a->type = node->a->variable->type;
}

static void check_let(struct checker *c, struct node *node)
{
	struct slot *slot = slot_of(c, node->variable);
	const struct type *type;

	if (node->spelled && !slot->is_fixed) {
		type = check_spelled(c, node->spelled, check_space(&c->pub, NULL));
		if (!is_unknown(type)) {
			change(c, slot, type);
			slot->is_fixed = true;
		}
	} else if (node->spelled && c->pub.final) {
		check_spelled(c, node->spelled, check_space(&c->pub, NULL));
	}
	if (node->b)
		assign_variable(c, node, node->variable, node->b, check_value(c, node->b));
	slot->is_empty = c->pub.final && !node->b;
	publish(c, node->variable);
	/* Nothing was ever assigned: it is the integer 0. */
	if (c->pub.final && !node->variable->type && !node->variable->is_written)
		node->variable->type = slot->type = type_i64();
}

/* --- statements --- */

static void check_if(struct checker *c, struct node *node)
{
	check_condition(c, node->a);
	check_statements(c, node->b);
	check_statements(c, node->c);
}

static void check_range(struct checker *c, struct node *node)
{
	struct node *bounds[2] = { node->a, node->b };

	for (int i = 0; i < 2; i++) {
		const struct type *type = check_value(c, bounds[i]);

		if (!is_unknown(type) && !type_is_int_like(type_plain(type)))
			check_error(&c->pub, bounds[i],
				    "the bounds of a loop are integers, not '%s'",
				    check_shown(c, type));
	}
	change(c, slot_of(c, node->variable), type_i64());
	publish(c, node->variable);
	c->pub.loop_depth++;
	check_statements(c, node->c);
	c->pub.loop_depth--;
}

/* for ($x : 10): what should stand there is not guessed. */
static bool check_is_map(struct checker *c, struct node *over)
{
	if (over->kind == NODE_MAP)
		return true;
	if (!is_unknown(check_value(c, over))) {
		check_error(&c->pub, over, "a loop goes over a range or a map");
		diag_hint(c->pub.diags, "for ($i : 0..10) { ... }, for ($kv : @map) { ... }");
	}
	return false;
}

static void check_each(struct checker *c, struct node *node)
{
	const struct type *type = check_is_map(c, node->a) ? check_map_element(c, node->a) : NULL;

	if (!type || is_unknown(type) || type->kind == TYPE_NONE)
		type = type_error();
	if (type->kind == TYPE_TUPLE)
		change(c, slot_of(c, node->variable), type);
	publish(c, node->variable);
	c->pub.loop_depth++;
	check_statements(c, node->c);
	c->pub.loop_depth--;
}

static void check_while(struct checker *c, struct node *node)
{
	check_condition(c, node->a);
	c->pub.loop_depth++;
	check_statements(c, node->c);
	c->pub.loop_depth--;
}

static void check_return(struct checker *c, struct node *node)
{
	const struct type *type = node->a ? check_value(c, node->a) : type_i64();

	if (!is_unknown(type) && !type_is_int_like(type_plain(type)))
		check_error(&c->pub, node->a, "return takes an integer, not '%s'",
			    check_shown(c, type));
}

static void check_statement(struct checker *c, struct node *node)
{
	switch (node->kind) {
	case NODE_EXPR:
		check_expr(c, node->a);
		break;
	case NODE_ASSIGN:
		check_assign(c, node);
		break;
	case NODE_LET:
		check_let(c, node);
		break;
	case NODE_IF:
		check_if(c, node);
		break;
	case NODE_BLOCK:
		check_statements(c, node->args);
		if (node->b)
			check_expr(c, node->b);
		break;
	case NODE_FOR_RANGE:
		check_range(c, node);
		break;
	case NODE_WHILE:
		check_while(c, node);
		break;
	case NODE_FOR_MAP:
		check_each(c, node);
		break;
	case NODE_BREAK:
	case NODE_CONTINUE:
		if (!c->pub.loop_depth)
			check_error(&c->pub, node, "%s is only possible inside a loop",
				    node->kind == NODE_BREAK ? "break" : "continue");
		break;
	case NODE_RETURN:
		check_return(c, node);
		break;
	default:
		check_expr(c, node);
		break;
	}
}

/* The word after which nothing of a block is reached; NULL: it goes on. */
static const char *ends_block(struct checker *c, const struct node *node)
{
	switch (node->kind) {
	case NODE_RETURN:
		return "return";
	case NODE_BREAK:
		return "break";
	case NODE_CONTINUE:
		return "continue";
	case NODE_EXPR:
		if (node->a->kind == NODE_CALL && node->a->builtin &&
		    node->a->builtin->flags & BUILTIN_EXITS)
			return arena_printf(c->pub.arena, "%s()", node->a->name);
		return NULL;
	default:
		return NULL;
	}
}

void check_statements(struct checker *c, struct node *list)
{
	struct node *node;
	bool told = !check_warns(c);

	node_each (node, list) {
		const char *word = told || !node->next ? NULL : ends_block(c, node);

		check_statement(c, node);
		if (word)
			diag_warn(c->pub.diags, node->next->span, "nothing after %s is reached",
				  word);
		told |= word != NULL;
	}
}

/* --- the pass --- */

static void check_instance(struct checker *c, size_t i)
{
	struct instance *instance = c->pub.resolve->instances.data[i];

	if (!c->slots[i])
		c->slots[i] = arena_alloc(c->pub.arena,
					  (instance->variables.n + 1) * sizeof(struct slot));
	c->vars = c->slots[i];
	c->pub.instance = instance;
	c->pub.loop_depth = 0;
	if (instance->predicate)
		check_condition(c, instance->predicate);
	check_statements(c, instance->body);
}

static void check_round(struct checker *c)
{
	size_t n = c->pub.resolve->instances.n;

	c->pub.changed = false;
	c->pub.diags = diag_new(c->pub.arena); /* nobody reads it */
	for (size_t i = 0; i < n; i++)
		check_instance(c, i);
}

static void check_variables(struct checker *c, struct instance *instance)
{
	struct variable **variable;

	vec_each (variable, &instance->variables)
		if (!(*variable)->type)
			diag_error(c->pub.diags, (*variable)->span, "cannot tell the type of $%s",
				   check_variable_name(c, (*variable)->name));
}

/* Copies of one probe have the same mistakes: only the first copy that has some tells them. */
static bool was_told(const struct resolve *resolve, const bool *failed, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (failed[k] &&
		    resolve->instances.data[k]->probe == resolve->instances.data[i]->probe)
			return true;
	return false;
}

static bool is_copy(const struct resolve *resolve, size_t i)
{
	for (size_t k = 0; k < i; k++)
		if (resolve->instances.data[k]->probe == resolve->instances.data[i]->probe)
			return true;
	return false;
}

static bool check_final(struct checker *c, struct diags *diags)
{
	struct resolve *resolve = c->pub.resolve;
	bool *failed = arena_alloc(c->pub.arena, resolve->instances.n + 1), ok = !c->unresolved;

	c->pub.final = true;
	for (size_t i = 0; i < resolve->instances.n; i++) {
		unsigned before;

		c->pub.diags = was_told(resolve, failed, i) ? diag_new(c->pub.arena) : diags;
		c->is_copy = is_copy(resolve, i);
		before = diag_errors(c->pub.diags);
		check_instance(c, i);
		if (diag_errors(c->pub.diags) == before && ok)
			check_variables(c, resolve->instances.data[i]);
		failed[i] = diag_errors(c->pub.diags) != before;
		ok &= !failed[i];
	}
	c->pub.diags = diags;
	if (ok)
		check_maps_done(c);
	return ok && !diag_errors(diags);
}

bool check_program(struct check *check)
{
	struct checker *c = arena_new_of(check->arena, struct checker);
	size_t n = check->resolve->instances.n;
	bool ok;

	c->pub = *check;
	c->unresolved = diag_errors(check->diags) > 0;
	c->maps = strmap_new(check->arena);
	c->slots = arena_alloc(check->arena, (n + 1) * sizeof(*c->slots));
	c->pub.final = false;
	for (int i = 0; i < MAX_ROUNDS; i++) {
		check_round(c);
		if (!c->pub.changed)
			break;
	}
	ok = check_final(c, check->diags);
	check->changed = c->pub.changed;
	check->final = true;
	return ok;
}
