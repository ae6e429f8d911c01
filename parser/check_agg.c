/*
 * Aggregations: the call on the right of `@x = count()`. Its constants become part of the map's type; its other
 * arguments are integers.
 */
#include <stdlib.h>
#include <string.h>

#include "parser/check_internal.h"

static bool wrong_count(struct checker *c, struct node *call, const struct proto *proto)
{
	unsigned n = ast_count(call->args);

	if (n >= proto->n_required && (n <= proto->n_params || proto->varargs))
		return false;
	check_error(&c->pub, call,
		    n < proto->n_required ? "%s() needs more arguments"
					  : "%s() takes fewer arguments",
		    call->name);
	diag_hint(c->pub.diags, "%s", call->aggregate->proto);
	return true;
}

static bool value_argument(struct checker *c, struct node *call, struct node *arg, bool is_first,
			   struct agg_args *args)
{
	const struct type *type = check_value(c, arg);

	if (is_unknown(type))
		return false;
	if (!type_is_scalar(type)) {
		check_error(&c->pub, arg, "%s() expects an integer here, not '%s'", call->name,
			    check_shown(c, type));
		return false;
	}
	if (is_first)
		args->is_signed = type_is_signed(type);
	args->n_values++;
	return true;
}

/* 10us, and what is computed from it. */
static bool is_time(const struct node *node)
{
	return node && (node->is_time || is_time(node->a) || is_time(node->b));
}

static bool const_argument(struct checker *c, struct node *call, struct node *arg, int64_t *n,
			   struct agg_args *args)
{
	int64_t value;

	if (call->aggregate->flags & AGG_TENTHS && arg->kind == NODE_REAL) {
		arg->type = type_i64();
		value = (int64_t)(strtod(arg->text, NULL) * 10 + 0.5);
	} else if (is_unknown(check_value(c, arg)) || !check_const_int(&c->pub, arg, &value)) {
		return false;
	} else if (call->aggregate->flags & AGG_TENTHS) {
		value = value > 1000000 || value < -1000000 ? value : value * 10;
	}
	args->is_time |= is_time(arg);
	n[args->n_count++] = value;
	return true;
}

/* Varargs are more of the last parameter. */
static bool collect(struct checker *c, struct node *call, const struct proto *proto,
		    struct agg_args *args)
{
	int64_t *n = arena_alloc(c->pub.arena, (ast_count(call->args) + 1) * sizeof(*n));
	struct node *arg;
	unsigned i = 0;
	bool ok = true;

	*args = (struct agg_args){ .n = n };
	node_each (arg, call->args) {
		unsigned p = i < proto->n_params ? i : proto->n_params - 1;
		bool is_const = proto->n_params ? proto->param[p].is_const : true;

		if (arg->kind == NODE_NAMED) {
			check_error(&c->pub, arg, "%s() has no named arguments", call->name);
			return false;
		}
		if (is_const)
			ok &= const_argument(c, call, arg, n, args);
		else
			ok &= value_argument(c, call, arg, i == 0, args);
		i++;
	}
	return ok;
}

/* The row validates its constants before it computes a size from them. */
static bool row_accepts(struct checker *c, struct node *call, const struct agg_args *args)
{
	struct type *draft = arena_new_of(c->pub.arena, struct type);

	draft->kind = TYPE_AGG;
	draft->align = 8;
	draft->is_signed = args->is_signed;
	draft->aggregate = call->aggregate;
	draft->args = *args;
	call->type = draft;
	return !call->aggregate->check || call->aggregate->check(&c->pub, call);
}

const struct type *check_aggregate(struct checker *c, struct node *call)
{
	const struct aggregate *row = call->aggregate;
	struct agg_args args = { 0 };
	const struct proto *proto;
	uint32_t size = 0;
	unsigned n;

	if (row->flags & AGG_ROW) {
		if (!check_row(c, call, &args, &size))
			return call->type = type_error();
		return call->type = type_agg(c->pub.types, row, size, &args);
	}
	proto = front_proto(c->pub.resolve, row->proto);
	n = ast_count(call->args);
	if (!proto || wrong_count(c, call, proto) || !collect(c, call, proto, &args) ||
	    !row_accepts(c, call, &args))
		return call->type = type_error();
	if (ast_count(call->args) != n) /* the row wrote its defaults into the call */
		collect(c, call, proto, &args);
	return call->type = type_agg(c->pub.types, row, row->state_size(&args), &args);
}

/* --- one aggregation for two uses --- */

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

static bool same_expr(const struct plan_expr *a, const struct plan_expr *b)
{
	if (!a || !b)
		return a == b;
	return a->op == b->op && a->constant == b->constant && same_text(a->column, b->column) &&
	       same_text(a->member, b->member) && same_expr(a->a, b->a) && same_expr(a->b, b->b) &&
	       same_expr(a->c, b->c);
}

static bool same_columns(struct checker *c, const struct agg_args *a, const struct agg_args *b,
			 struct agg_field *both)
{
	for (unsigned i = 0; i < a->n_fields; i++) {
		const struct agg_field *x = &a->fields[i], *y = &b->fields[i];

		both[i] = *x;
		if (strcmp(x->name, y->name) || !x->type != !y->type ||
		    !same_expr(x->derived, y->derived))
			return false;
		if (x->type)
			both[i].type = check_same_aggregate(c, x->type, y->type);
		if (x->type && !both[i].type)
			return false;
	}
	return true;
}

static bool same_constants(const struct agg_args *a, const struct agg_args *b)
{
	return a->n_count == b->n_count &&
	       (!a->n_count || !memcmp(a->n, b->n, a->n_count * sizeof(*a->n)));
}

const struct type *check_same_aggregate(struct checker *c, const struct type *a,
					const struct type *b)
{
	struct agg_args args = a->args;
	struct agg_field *fields;

	if (a == b)
		return a;
	if (a->aggregate != b->aggregate || a->size != b->size ||
	    !same_constants(&a->args, &b->args) || a->args.n_fields != b->args.n_fields)
		return NULL;
	fields = arena_alloc(c->pub.arena, (args.n_fields + 1) * sizeof(*fields));
	if (!same_columns(c, &a->args, &b->args, fields))
		return NULL;
	args.fields = fields;
	args.is_signed |= b->args.is_signed;
	args.is_time |= b->args.is_time;
	return type_agg(c->pub.types, a->aggregate, a->size, &args);
}
