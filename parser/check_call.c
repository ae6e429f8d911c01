/*
 * Calls of builtins against their prototypes. What a prototype cannot say is left to the row's own check.
 */
#include <string.h>

#include "parser/check_internal.h"

/* --- results --- */

static const struct type *named_result(struct checker *c, const struct proto_param *result)
{
	const struct named_type *named = registry_named_type(c->pub.registry, result->type_name);

	return named ? type_named(c->pub.types, named, type_u64(), 0, NULL) : type_error();
}

static const struct type *result_type(struct checker *c, const struct proto_param *result)
{
	switch (result->type) {
	case PROTO_VOID:
		return type_none();
	case PROTO_BOOL:
		return type_bool();
	case PROTO_INT:
		return type_int(result->size ? result->size : 8,
				result->size ? result->is_signed : true);
	case PROTO_STRING:
		return type_str(c->pub.types,
				result->size ? result->size : c->pub.plan->max_strlen);
	case PROTO_BUFFER:
		return type_buf(c->pub.types,
				result->size ? result->size : c->pub.plan->max_strlen);
	case PROTO_PTR:
		return type_ptr(c->pub.types, type_none(), check_space(&c->pub, NULL));
	case PROTO_NAMED:
		return named_result(c, result);
	case PROTO_ANY:
	case PROTO_MAP:
	case PROTO_KEY:
		break;
	}
	return type_error(); /* the row's check knows */
}

/* --- arguments --- */

static const char *expected(struct checker *c, const struct proto_param *param)
{
	switch (param->type) {
	case PROTO_BOOL:
		return "a boolean";
	case PROTO_INT:
		return "an integer";
	case PROTO_STRING:
		return "a string";
	case PROTO_BUFFER:
		return "a buffer";
	case PROTO_PTR:
		return "a pointer";
	case PROTO_MAP:
		return "a map";
	case PROTO_KEY:
		return "something that can be a key";
	case PROTO_NAMED:
		return arena_printf(c->pub.arena, "'%s'", param->type_name);
	case PROTO_VOID:
	case PROTO_ANY:
		break;
	}
	return "a value";
}

static bool accepts(const struct proto_param *param, const struct type *type)
{
	const struct type *plain = type_plain(type);

	switch (param->type) {
	case PROTO_BOOL:
		return type_is_int_like(plain);
	case PROTO_INT:
		return type_is_scalar(plain);
	case PROTO_STRING:
		return plain->kind == TYPE_STR;
	case PROTO_BUFFER:
		return plain->kind == TYPE_BUF;
	case PROTO_PTR:
		return plain->kind == TYPE_PTR || plain->kind == TYPE_INT ||
		       plain->kind == TYPE_ARRAY;
	case PROTO_NAMED:
		return type->kind == TYPE_NAMED && !strcmp(type->name, param->type_name);
	case PROTO_MAP:
		return false;
	case PROTO_VOID:
	case PROTO_ANY:
	case PROTO_KEY:
		return plain->kind != TYPE_NONE && plain->kind != TYPE_AGG;
	}
	return false;
}

static bool check_constant(struct checker *c, const struct proto_param *param, struct node *arg)
{
	const char *text;
	int64_t value;

	if (param->type == PROTO_STRING)
		return check_const_str(&c->pub, arg, &text);
	if (param->type == PROTO_INT || param->type == PROTO_BOOL)
		return check_const_int(&c->pub, arg, &value);
	return arg->is_literal || check_error(&c->pub, arg, "this must be a constant");
}

static void wrong_argument(struct checker *c, struct node *call, const struct proto_param *param,
			   struct node *arg)
{
	const char *shown = check_shown(c, arg->type);

	check_error(&c->pub, arg, "%s() expects %s here, not '%s'", call->name, expected(c, param),
		    shown);
	if (param->type == PROTO_STRING)
		diag_hint(c->pub.diags, "read the string behind a pointer with str()");
	else if (param->type == PROTO_PTR && strncmp(shown, "string", 6) == 0)
		diag_hint(c->pub.diags, "it is a string already");
}

/* print(@m), clear(@m): the map, not what is in it. */
static bool is_reference(const struct builtin *row, const struct proto *proto,
			 const struct proto_param *param, unsigned i, const struct node *arg)
{
	if (arg->kind != NODE_MAP || arg->key)
		return false;
	if (param->type == PROTO_MAP)
		return true;
	return i == 0 && param->type == PROTO_ANY && row->act && !proto->varargs;
}

static bool check_argument(struct checker *c, struct node *call, const struct proto *proto,
			   unsigned i, struct node *arg)
{
	const struct proto_param *param = &proto->param[i];
	const struct type *type;

	if (is_reference(call->builtin, proto, param, i, arg))
		return check_map_reference(c, arg);
	if (i == 0 && call->builtin->flags & BUILTIN_LITERAL_FMT && arg->kind == NODE_STR) {
		arg->is_literal = true; /* it does not travel: it may be of any length */
		arg->type = type_str(c->pub.types, arg->len + 1);
		return true;
	}
	type = check_value(c, arg);
	if (param->type == PROTO_STRING && check_param_string(arg))
		type = check_expr(c, arg);
	if (is_unknown(type))
		return false;
	if (param->type == PROTO_MAP) {
		check_error(&c->pub, arg, "%s() expects a map here, without a key", call->name);
		return false;
	}
	if (!accepts(param, type)) {
		wrong_argument(c, call, param, arg);
		return false;
	}
	return !param->is_const || check_constant(c, param, arg);
}

/* Calls that users know, where there is only the value without arguments here. */
static const char *known_form(const struct node *call)
{
	static const struct {
		const char *name, *form;
	} forms[] = {
		{ "comm", "comm(pid)" },
		{ "ppid", "ppid(task)" },
		{ "pcomm", "pcomm(task)" },
	};

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (!strcmp(call->name, forms[i].name))
			return forms[i].form;
	return NULL;
}

static bool check_count(struct checker *c, struct node *call, const struct proto *proto)
{
	unsigned n = ast_count(call->args);

	if (n >= proto->n_required && (n <= proto->n_params || proto->varargs))
		return true;
	if (n == 1 && !proto->n_params && known_form(call))
		return check_error(&c->pub, call, "not supported yet: %s", known_form(call));
	if (!proto->n_params)
		check_error(&c->pub, call, "%s takes no arguments", call->name);
	else if (n < proto->n_required)
		check_error(&c->pub, call, "%s() needs %s%u argument%s, and got %u", call->name,
			    proto->n_params > proto->n_required || proto->varargs ? "at least "
										  : "",
			    proto->n_required, proto->n_required == 1 ? "" : "s", n);
	else
		check_error(&c->pub, call, "%s() takes at most %u argument%s, and got %u",
			    call->name, proto->n_params, proto->n_params == 1 ? "" : "s", n);
	diag_hint(c->pub.diags, "%s", call->builtin->proto);
	return false;
}

static bool check_arguments(struct checker *c, struct node *call, const struct proto *proto)
{
	struct node *arg;
	unsigned i = 0;
	bool ok = true;

	node_each (arg, call->args) {
		if (i < proto->n_params)
			ok &= check_argument(c, call, proto, i, arg);
		else
			ok &= !is_unknown(check_value(c, arg));
		i++;
	}
	return ok;
}

/* --- maps as such: delete(@m, k), has_key(@m, k), clear(@m) --- */

static bool takes_keys(const struct proto *proto)
{
	return proto->n_params > 1 && proto->param[1].type == PROTO_KEY;
}

/* One form for delete(@x[k]), delete(@x, k) and delete(@x, (k, l)): the map, then the parts of the key. */
static bool normalise_keys(struct checker *c, struct node *call, const struct proto *proto)
{
	struct node *map = call->args;

	if (!map || map->kind != NODE_MAP) {
		check_error(&c->pub, map ? map : call, "%s() needs a map", call->name);
		return false;
	}
	if (map->key) {
		if (map->next || !takes_keys(proto)) {
			check_error(&c->pub, call, "%s() needs a map without a key here",
				    call->name);
			diag_hint(c->pub.diags,
				  takes_keys(proto) ? "one key at a time: %s(%s, key)" : "%s(%s)",
				  call->name, map->name);
			return false;
		}
		map->next = map->key;
		map->key = NULL;
	}
	if (map->next && !map->next->next && map->next->kind == NODE_TUPLE && map->next->args &&
	    takes_keys(proto))
		map->next = map->next->args;
	return true;
}

static bool check_map_call(struct checker *c, struct node *call, const struct proto *proto)
{
	struct node *map = call->args;

	if (!normalise_keys(c, call, proto))
		return false;
	if (!takes_keys(proto))
		return check_count(c, call, proto) && check_arguments(c, call, proto);
	check_map_keys(c, map, map->next);
	map->type = type_none();
	return check_map_reference(c, map);
}

/* --- the call --- */

static bool check_allowed(struct checker *c, struct node *call)
{
	if (!(call->builtin->flags & BUILTIN_UNSAFE) || c->pub.unsafe)
		return true;
	check_error(&c->pub, call, "%s() changes the system: it needs --unsafe", call->name);
	return false;
}

static const struct type *refine(struct checker *c, struct node *call)
{
	if (!call->builtin->check)
		return call->type;
	if (!call->builtin->check(&c->pub, call))
		return call->type = type_error();
	return call->type;
}

const struct type *check_call(struct checker *c, struct node *call)
{
	const struct proto *proto;
	bool ok;

	if (call->aggregate) {
		check_error(&c->pub, call, "%s() must be assigned to a map", call->name);
		diag_hint(c->pub.diags, "@%s = %s(...)", call->name, call->name);
		return call->type;
	}
	if (!call->builtin)
		return type_error();
	proto = front_proto(c->pub.resolve, call->builtin->proto);
	if (!proto)
		return type_error();
	if (!check_allowed(c, call))
		return call->type;
	if (call->builtin->flags & BUILTIN_LVALUE_MAP)
		ok = check_map_call(c, call, proto);
	else
		ok = check_count(c, call, proto) && check_arguments(c, call, proto);
	call->type = result_type(c, &proto->result);
	if (!ok)
		return call->builtin->check ? (call->type = type_error()) : call->type;
	if (call->builtin->flags & BUILTIN_ARGS && !call->builtin->check) {
		if (!c->pub.instance->args)
			check_error(&c->pub, call, "args is not available in '%s' probes",
				    c->pub.instance->provider->name);
		return c->pub.instance->args ? c->pub.instance->args : call->type;
	}
	return refine(c, call);
}
