/*
 * agg(): several aggregations in one row. Plain columns are states one after the other in the map's value; derived
 * columns become expressions that are evaluated in user space when a row is read.
 */
#include <stdlib.h>
#include <string.h>

#include "parser/check_internal.h"

struct row {
	struct checker *c;
	struct node *call;
	unsigned n_fields; /* done so far */
};

static const struct plan_expr *derive(struct row *row, struct node *node);

static struct plan_expr *new_expr(struct row *row, enum expr_op op)
{
	struct plan_expr *expr = arena_new_of(row->c->pub.arena, struct plan_expr);

	expr->op = op;
	return expr;
}

static const struct plan_expr *constant(struct row *row, double value)
{
	struct plan_expr *expr = new_expr(row, EXPR_CONST);

	expr->constant = value;
	return expr;
}

static const struct plan_expr *unknown_column(struct row *row, struct node *node)
{
	struct checker *c = row->c;
	const struct node *arg;
	struct nearest nearest;
	const char *list = "";

	check_error(&c->pub, node, "%s is not a column of this row", node->name);
	nearest_init(&nearest, node->name);
	node_each (arg, row->call->args) {
		nearest_try(&nearest, arg->name);
		list = arena_printf(c->pub.arena, "%s%s%s", list, *list ? ", " : "", arg->name);
	}
	if (nearest.best)
		diag_hint_nearest(c->pub.diags, nearest.best);
	else
		diag_hint(c->pub.diags,
			  "its columns are %s; variables and builtins are not known when the row "
			  "is read",
			  list);
	return NULL;
}

static bool is_plain_column(const struct node *arg)
{
	return arg->a->kind == NODE_CALL && arg->a->aggregate;
}

/* Plain columns are read first, then derived ones from left to right. */
static const struct plan_expr *column(struct row *row, struct node *node, const char *name,
				      const char *member)
{
	unsigned i = 0;

	for (const struct node *arg = row->call->args; arg; arg = arg->next, i++) {
		struct plan_expr *expr;

		if (strcmp(arg->name, name))
			continue;
		if (!is_plain_column(arg) && i >= row->n_fields) {
			check_error(&row->c->pub, node,
				    "column %s must stand before the columns that use it", name);
			return NULL;
		}
		expr = new_expr(row, EXPR_FIELD);
		expr->column = name;
		expr->member = member;
		return expr;
	}
	return unknown_column(row, node);
}

static enum expr_op expr_op(enum op op)
{
	switch (op) {
	case OP_ADD:
		return EXPR_ADD;
	case OP_SUB:
		return EXPR_SUB;
	case OP_MUL:
		return EXPR_MUL;
	case OP_DIV:
		return EXPR_DIV;
	case OP_MOD:
		return EXPR_MOD;
	case OP_NEG:
		return EXPR_NEG;
	case OP_NOT:
		return EXPR_NOT;
	case OP_LT:
		return EXPR_LT;
	case OP_LE:
		return EXPR_LE;
	case OP_GT:
		return EXPR_GT;
	case OP_GE:
		return EXPR_GE;
	case OP_EQ:
		return EXPR_EQ;
	case OP_NE:
		return EXPR_NE;
	case OP_LAND:
		return EXPR_AND;
	case OP_LOR:
		return EXPR_OR;
	default:
		return EXPR_CONST; /* none */
	}
}

static const struct plan_expr *operation(struct row *row, struct node *node)
{
	enum expr_op op = expr_op(node->op);
	const struct plan_expr *a, *b = NULL;
	struct plan_expr *expr;

	if (op == EXPR_CONST) {
		check_error(&row->c->pub, node, "'%s' is not possible in a derived column",
			    ast_op_text(node->op));
		return NULL;
	}
	a = derive(row, node->a);
	if (node->b)
		b = derive(row, node->b);
	if (!a || (node->b && !b))
		return NULL;
	expr = new_expr(row, op);
	expr->a = a;
	expr->b = b;
	return expr;
}

static const struct plan_expr *choice(struct row *row, struct node *node)
{
	const struct plan_expr *a = derive(row, node->a);
	const struct plan_expr *b = node->b ? derive(row, node->b) : a;
	const struct plan_expr *other = derive(row, node->c);
	struct plan_expr *expr;

	if (!a || !b || !other)
		return NULL;
	expr = new_expr(row, EXPR_COND);
	expr->a = a;
	expr->b = b;
	expr->c = other;
	return expr;
}

static const struct plan_expr *derive(struct row *row, struct node *node)
{
	switch (node->kind) {
	case NODE_INT:
		return constant(row, node->is_unsigned ? (double)node->value
						       : (double)(int64_t)node->value);
	case NODE_REAL:
		return constant(row, strtod(node->text, NULL));
	case NODE_BOOL:
		return constant(row, (double)node->value);
	case NODE_IDENT:
		return column(row, node, node->name, NULL);
	case NODE_FIELD:
		if (node->a->kind == NODE_IDENT)
			return column(row, node->a, node->a->name, node->name);
		break;
	case NODE_UNARY:
	case NODE_BINARY:
		return operation(row, node);
	case NODE_COND:
		return choice(row, node);
	default:
		break;
	}
	check_error(&row->c->pub, node,
		    "a derived column is computed from other columns and numbers only");
	diag_hint(row->c->pub.diags, "put it into an aggregation: sum(...), max(...)");
	return NULL;
}

static bool check_names(struct checker *c, struct node *call)
{
	struct node *arg, *other;

	if (!call->args) {
		check_error(&c->pub, call, "%s() needs columns: %s(n = count(), ...)", call->name,
			    call->name);
		return false;
	}
	node_each (arg, call->args) {
		if (arg->kind != NODE_NAMED) {
			check_error(&c->pub, arg, "a column needs a name: NAME = ...");
			return false;
		}
		for (other = call->args; other != arg; other = other->next)
			if (!strcmp(other->name, arg->name)) {
				check_error(&c->pub, arg, "there are two columns '%s'", arg->name);
				return false;
			}
	}
	return true;
}

static bool plain_column(struct checker *c, struct node *arg, struct agg_field *field,
			 uint32_t *size)
{
	const struct type *type;

	if (arg->a->aggregate->flags & AGG_ROW) {
		check_error(&c->pub, arg->a, "a row cannot be a column of a row");
		return false;
	}
	type = check_aggregate(c, arg->a);
	arg->type = type;
	if (is_unknown(type))
		return false;
	field->type = type;
	field->offset = *size;
	*size += (type->size + 7) & ~7u;
	return true;
}

bool check_row(struct checker *c, struct node *call, struct agg_args *args, uint32_t *size)
{
	struct agg_field *fields =
		arena_alloc(c->pub.arena, (ast_count(call->args) + 1) * sizeof(*fields));
	struct row row = { .c = c, .call = call };
	struct node *arg;
	bool ok = true;

	if (!check_names(c, call))
		return false;
	*size = 0;
	node_each (arg, call->args) {
		struct agg_field *field = &fields[row.n_fields];

		field->name = arg->name;
		if (is_plain_column(arg)) {
			ok &= plain_column(c, arg, field, size);
		} else {
			field->derived = derive(&row, arg->a);
			arg->type = type_none();
			ok &= field->derived != NULL;
		}
		row.n_fields++;
	}
	args->fields = fields;
	args->n_fields = row.n_fields;
	if (ok && !*size) {
		check_error(&c->pub, call, "%s() needs at least one aggregation among its columns",
			    call->name);
		return false;
	}
	return ok;
}
