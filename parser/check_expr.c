/*
 * Types of expressions: literals, operators, choices, tuples. Integers are 64 bits wide while they are computed
 * with; a literal that is not negative takes the signedness of what it meets. Folded values are left in the node.
 */
#include <string.h>

#include "parser/check_internal.h"

static const struct type *failed(struct node *node)
{
	return node->type = type_error();
}

bool is_plain_literal(const struct node *node)
{
	if (!node->is_literal || !node->type || !type_is_int_like(node->type))
		return false;
	return node->is_unsigned || (int64_t)node->value >= 0;
}

bool check_param_string(struct node *node)
{
	if (!is_param(node))
		return false;
	node->kind = NODE_STR;
	node->name = NULL;
	node->value = 0;
	node->is_unsigned = false;
	node->len = (uint32_t)strlen(node->text);
	node->type = NULL;
	return true;
}

const struct type *check_value(struct checker *c, struct node *node)
{
	const struct type *type = check_expr(c, node);

	if (type->kind != TYPE_NONE)
		return type;
	check_error(&c->pub, node, "this has no value");
	return node->type;
}

bool check_condition(struct checker *c, struct node *node)
{
	const struct type *type = check_value(c, node);

	if (is_unknown(type) || type_is_scalar(type))
		return true;
	check_error(&c->pub, node, "a condition cannot be '%s'", check_shown(c, type));
	if (type->kind == TYPE_STR)
		diag_hint(c->pub.diags, "compare it: ... != \"\"");
	return false;
}

/* --- literals --- */

static const struct type *int_literal(struct node *node)
{
	if (node->is_bad)
		return type_error();
	node->is_literal = true;
	if (node->type &&
	    node->type->kind == TYPE_ENUM) /* resolve found it among the enumerators */
		return node->type;
	return node->is_unsigned ? type_u64() : type_i64();
}

static const struct type *str_literal(struct checker *c, struct node *node)
{
	uint32_t max = c->pub.plan->max_strlen;

	node->is_literal = true;
	if (node->len < max)
		return type_str(c->pub.types, node->len + 1);
	check_error(&c->pub, node, "this string has %u bytes, and strings have at most %u",
		    node->len, max - 1);
	diag_hint(c->pub.diags, "allow longer ones with config = { max_strlen = %u }",
		  node->len + 1);
	return type_error();
}

static void set_folded(struct node *node, int64_t value, const struct type *type)
{
	node->is_literal = true;
	node->value = (uint64_t)value;
	node->is_unsigned = type->kind == TYPE_INT && !type->is_signed && value < 0;
}

static bool both_literal(const struct node *a, const struct node *b, int64_t *x, int64_t *y)
{
	if (!a->is_literal || !b->is_literal || !type_is_int_like(a->type) ||
	    !type_is_int_like(b->type))
		return false;
	return fold_int(a, x) && fold_int(b, y);
}

/* --- arithmetic --- */

static bool is_number(const struct type *type)
{
	return type_is_int_like(type_plain(type));
}

static bool result_is_signed(const struct node *a, const struct node *b)
{
	if (is_plain_literal(a) && is_plain_literal(b))
		return !a->is_unsigned && !b->is_unsigned;
	if (is_plain_literal(a))
		return type_is_signed(b->type);
	if (is_plain_literal(b))
		return type_is_signed(a->type);
	return type_is_signed(a->type) || type_is_signed(b->type);
}

static const struct type *pointer_arithmetic(struct checker *c, struct node *node, enum op op,
					     struct node *a, struct node *b)
{
	const struct type *x = type_plain(a->type), *y = type_plain(b->type);

	if (x->kind == TYPE_PTR && is_number(y) && (op == OP_ADD || op == OP_SUB))
		return a->type;
	if (y->kind == TYPE_PTR && is_number(x) && op == OP_ADD)
		return b->type;
	if (x->kind == TYPE_PTR && y->kind == TYPE_PTR && op == OP_SUB)
		check_error(&c->pub, node, "not supported yet: the difference of two pointers");
	else
		check_error(&c->pub, node, "'%s' is not possible with pointers ('%s' and '%s')",
			    ast_op_text(op), check_shown(c, a->type), check_shown(c, b->type));
	diag_hint(c->pub.diags, "cast to an integer first: (uint64)...");
	return type_error();
}

static bool zero_divisor(struct checker *c, enum op op, struct node *b)
{
	int64_t value;

	if ((op != OP_DIV && op != OP_MOD) || !b->is_literal || !fold_int(b, &value) || value)
		return false;
	check_error(&c->pub, b, "division by zero");
	return true;
}

const struct type *check_arithmetic(struct checker *c, struct node *node, enum op op,
				    struct node *a, struct node *b)
{
	const struct type *x = a->type, *y = b->type;

	if (is_unknown(x) || is_unknown(y))
		return type_error();
	if (!type_is_scalar(x) || !type_is_scalar(y)) {
		check_error(&c->pub, node, "'%s' is not possible with '%s' and '%s'",
			    ast_op_text(op), check_shown(c, x), check_shown(c, y));
		return type_error();
	}
	if (type_plain(x)->kind == TYPE_PTR || type_plain(y)->kind == TYPE_PTR)
		return pointer_arithmetic(c, node, op, a, b);
	if (zero_divisor(c, op, b))
		return type_error();
	if (op == OP_SUB)
		return type_i64();
	if (op == OP_SHL || op == OP_SHR)
		return type_int(8, is_plain_literal(a) ? !a->is_unsigned : type_is_signed(x));
	return type_int(8, result_is_signed(a, b));
}

/* --- comparisons --- */

static bool is_probe_name(const struct type *type)
{
	return type->kind == TYPE_NAMED &&
	       (!strcmp(type->name, "probe_t") || !strcmp(type->name, "func_t"));
}

static void promote_params(struct checker *c, struct node *a, struct node *b)
{
	if ((b->type->kind == TYPE_STR || is_probe_name(b->type)) && check_param_string(a))
		check_expr(c, a);
	else if ((a->type->kind == TYPE_STR || is_probe_name(a->type)) && check_param_string(b))
		check_expr(c, b);
}

static bool is_comparable(struct node *node)
{
	const struct type *x = node->a->type, *y = node->b->type;
	bool equality = node->op == OP_EQ || node->op == OP_NE;

	if (is_unknown(x) || is_unknown(y))
		return true;
	if (type_is_scalar(x) && type_is_scalar(y))
		return true;
	if (!equality)
		return false;
	if (x->kind == TYPE_STR && y->kind == TYPE_STR)
		return true;
	if (is_probe_name(x) || is_probe_name(y))
		return (is_probe_name(x) ? node->b : node->a)->kind == NODE_STR;
	return type_equal(x, y) && x->kind != TYPE_AGG && x->kind != TYPE_NONE;
}

static const struct type *comparison(struct checker *c, struct node *node)
{
	int64_t x, y, value;

	promote_params(c, node->a, node->b);
	if (!is_comparable(node)) {
		const struct type *a = node->a->type, *b = node->b->type;

		check_error(&c->pub, node, "cannot compare '%s' with '%s'", check_shown(c, a),
			    check_shown(c, b));
		if ((a->kind == TYPE_STR) != (b->kind == TYPE_STR) &&
		    (type_plain(a)->kind == TYPE_PTR || type_plain(b)->kind == TYPE_PTR))
			diag_hint(c->pub.diags, "read the string behind the pointer with str()");
		else if (a->kind == TYPE_STR && b->kind == TYPE_STR)
			diag_hint(c->pub.diags, "strings can be compared with == and != only");
		return node->type;
	}
	if (both_literal(node->a, node->b, &x, &y) &&
	    fold_binary(node->op, x, y, !result_is_signed(node->a, node->b), &value))
		set_folded(node, value, type_bool());
	return type_bool();
}

static const struct type *logic(struct checker *c, struct node *node)
{
	bool ok = check_condition(c, node->a);

	ok = check_condition(c, node->b) && ok;
	return ok ? type_bool() : type_error();
}

static const struct type *check_binary(struct checker *c, struct node *node)
{
	const struct type *type;
	int64_t x, y, value;

	if (node->op == OP_LAND || node->op == OP_LOR)
		return logic(c, node);
	check_value(c, node->a);
	check_value(c, node->b);
	if (node->op >= OP_LT && node->op <= OP_NE)
		return comparison(c, node);
	type = check_arithmetic(c, node, node->op, node->a, node->b);
	if (!is_unknown(type) && both_literal(node->a, node->b, &x, &y) &&
	    fold_binary(node->op, x, y, !type_is_signed(type), &value))
		set_folded(node, value, type);
	return type;
}

static const struct type *check_unary(struct checker *c, struct node *node)
{
	const struct type *type, *a;
	int64_t value;

	if (node->op == OP_NOT)
		return check_condition(c, node->a) ? type_bool() : type_error();
	a = check_value(c, node->a);
	if (is_unknown(a))
		return a;
	if (!is_number(a)) {
		check_error(&c->pub, node, "'%s' is not possible with '%s'", ast_op_text(node->op),
			    check_shown(c, a));
		return node->type;
	}
	type = node->op == OP_NEG ? type_i64()
				  : type_int(8, type_is_signed(a) && !is_plain_literal(node->a));
	if (node->op == OP_BITNOT && is_plain_literal(node->a))
		type = type_i64();
	if (node->a->is_literal && fold_int(node, &value))
		set_folded(node, value, type);
	return type;
}

static const struct type *check_step(struct checker *c, struct node *node)
{
	struct node *target = node->a, one = { .kind = NODE_INT, .value = 1, .is_literal = true };
	const struct type *type;

	if (target->kind == NODE_MAP)
		return check_map_step(c, node);
	if (target->kind != NODE_VAR) {
		check_error(&c->pub, node, "'%s' needs a variable or a map", ast_op_text(node->op));
		return node->type;
	}
	one.type = type_i64();
	check_first_value(c, target->variable, &one);
	type = check_expr(c, target);
	if (is_unknown(type))
		return type;
	if (type->kind != TYPE_INT && type->kind != TYPE_PTR) {
		check_error(&c->pub, node, "'%s' is not possible with '%s'", ast_op_text(node->op),
			    check_shown(c, type));
		return node->type;
	}
	return type;
}

/* --- choices --- */

const struct type *check_branches(struct checker *c, struct node *at, struct node *a,
				  struct node *b)
{
	const struct type *x = a->type, *y = b->type, *both;

	if (x->kind == TYPE_STR && check_param_string(b))
		y = check_expr(c, b);
	if (y->kind == TYPE_STR && check_param_string(a))
		x = check_expr(c, a);
	if (is_unknown(x) || is_unknown(y))
		return is_unknown(x) ? y : x;
	if (type_equal(x, y))
		return x;
	if (x->kind == TYPE_PTR && is_plain_literal(b) && b->value == 0)
		return x;
	if (y->kind == TYPE_PTR && is_plain_literal(a) && a->value == 0)
		return y;
	if (type_is_int_like(x) && type_is_int_like(y))
		return type_int(8, result_is_signed(a, b));
	both = type_unify(c->pub.types, x, y);
	if (both)
		return both;
	check_error(&c->pub, at, "both branches must have one type, not '%s' and '%s'",
		    check_shown(c, x), check_shown(c, y));
	return type_error();
}

static const struct type *check_cond(struct checker *c, struct node *node)
{
	struct node *yes = node->b ? node->b : node->a;

	check_condition(c, node->a);
	if (node->b)
		check_expr(c, node->b);
	check_expr(c, node->c);
	return check_branches(c, node, yes, node->c);
}

/* A block whose value is used. */
static const struct type *check_block(struct checker *c, struct node *node)
{
	check_statements(c, node->args);
	return node->b ? check_expr(c, node->b) : type_none();
}

static const struct type *check_if_value(struct checker *c, struct node *node)
{
	check_condition(c, node->a);
	check_expr(c, node->b);
	if (!node->c) {
		if (node->b->type->kind == TYPE_NONE)
			return type_none();
		check_error(&c->pub, node, "an if that is used as a value needs an else");
		return node->type;
	}
	check_expr(c, node->c);
	return check_branches(c, node, node->b, node->c);
}

/* --- tuples and records --- */

static const struct type *check_members(struct checker *c, struct node *node)
{
	unsigned n = ast_count(node->args), i = 0;
	const struct type **types = arena_alloc(c->pub.arena, (n + 1) * sizeof(*types));
	const char **names = arena_alloc(c->pub.arena, (n + 1) * sizeof(*names));
	struct node *item;
	bool known = true;

	node_each (item, node->args) {
		types[i] = check_value(c, item);
		names[i] = item->name;
		known &= !is_unknown(types[i]);
		for (unsigned k = 0; node->kind == NODE_RECORD && k < i; k++)
			if (!strcmp(names[k], names[i])) {
				check_error(&c->pub, item, "there are two members '%s'",
					    item->name);
				return type_error();
			}
		i++;
	}
	if (!known)
		return type_error();
	if (node->kind == NODE_RECORD)
		return type_record(c->pub.types, names, types, n);
	return type_tuple(c->pub.types, types, n);
}

static const struct type *check_variable(struct checker *c, struct node *node)
{
	struct slot *slot = node->variable ? &c->vars[node->variable->index] : NULL;

	if (slot && slot->is_empty && check_warns(c)) {
		diag_warn(c->pub.diags, node->span,
			  "%s is used before anything is assigned to it: it is 0",
			  arena_printf(c->pub.arena, "$%s", check_variable_name(c, node->name)));
		slot->is_empty = false;
	}
	return node->variable && node->variable->type ? node->variable->type : type_error();
}

static const struct type *unsupported(struct checker *c, struct node *node, const char *what)
{
	if (c->unresolved)
		return type_error();
	check_error(&c->pub, node, "not supported yet: %s", what);
	return node->type;
}

static const struct type *type_of(struct checker *c, struct node *node)
{
	switch (node->kind) {
	case NODE_REAL:
		check_error(&c->pub, node, "floating-point numbers are not supported here");
		diag_hint(c->pub.diags,
			  "BPF has none: scale the numbers (1500 / 1000), or compute in a derived "
			  "column of agg(), which is done in user space");
		return node->type;
	case NODE_INT:
		return int_literal(node);
	case NODE_STR:
		return str_literal(c, node);
	case NODE_BOOL:
		node->is_literal = true;
		return type_bool();
	case NODE_VAR:
		return check_variable(c, node);
	case NODE_MAP:
		return check_map_read(c, node);
	case NODE_CALL:
		return check_call(c, node);
	case NODE_UNARY:
		return check_unary(c, node);
	case NODE_BINARY:
		return check_binary(c, node);
	case NODE_DEREF:
		return check_deref(c, node);
	case NODE_ADDR:
		check_error(&c->pub, node, "not supported yet: the address of a variable or a map");
		return node->type;
	case NODE_INCDEC:
		return check_step(c, node);
	case NODE_COND:
		return check_cond(c, node);
	case NODE_FIELD:
		return check_field(c, node);
	case NODE_TUPLE_INDEX:
		return check_tuple_index(c, node);
	case NODE_INDEX:
		return check_index(c, node);
	case NODE_CAST:
		return check_cast(c, node);
	case NODE_SIZEOF:
		return check_sizeof(c, node);
	case NODE_OFFSETOF:
		return check_offsetof(c, node);
	case NODE_TUPLE:
	case NODE_RECORD:
		return check_members(c, node);
	case NODE_NAMED:
		return check_value(c, node->a);
	case NODE_TYPE:
		return check_spelled(c, node->spelled, check_space(&c->pub, NULL));
	case NODE_IF:
		return check_if_value(c, node);
	case NODE_BLOCK:
		return check_block(c, node);
	default:
		return unsupported(c, node, ast_kind_name(node->kind));
	}
}

const struct type *check_expr(struct checker *c, struct node *node)
{
	const struct type *type = type_of(c, node);

	node->type = type;
	return type ? type : failed(node);
}
