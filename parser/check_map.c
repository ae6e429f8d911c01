/*
 * Maps: one type for all keys and one for all values of a map, over all probes. Integers are stored in 8 bytes.
 */
#include <string.h>

#include "parser/check_internal.h"

struct map_state *check_map_state(struct checker *c, struct node *node)
{
	struct map_state *state = strmap_get(c->maps, node->map->name);

	if (state)
		return state;
	state = arena_new_of(c->pub.arena, struct map_state);
	state->map = node->map;
	strmap_put(c->maps, node->map->name, state);
	return state;
}

static void tell_other_use(struct checker *c, const struct map_state *state)
{
	diag_note(c->pub.diags, state->map->span, "%s is used differently here", state->map->name);
}

/* --- keys --- */

static bool may_be_key(const struct type *type)
{
	switch (type->kind) {
	case TYPE_NONE:
	case TYPE_AGG:
		return false;
	case TYPE_STRUCT:
		return type->is_complete;
	default:
		return true;
	}
}

/* The type of the whole key from those of its parts; NULL as long as a part is not known. */
static void publish_key(struct checker *c, struct map_state *state)
{
	const struct type **types = arena_alloc(c->pub.arena, state->n_keys * sizeof(*types));

	for (unsigned i = 0; i < state->n_keys; i++) {
		types[i] = state->keys[i].type;
		if (!types[i])
			return;
	}
	state->map->key =
		state->n_keys == 1 ? types[0] : type_tuple(c->pub.types, types, state->n_keys);
}

/* A tuple in one piece gives no names to its parts. */
static void name_keys(struct checker *c, struct map_state *state, const struct node *keys)
{
	const char **names = arena_alloc(c->pub.arena, state->n_keys * sizeof(*names));
	const struct node *key = ast_count(keys) == state->n_keys ? keys : NULL;

	for (unsigned i = 0; i < state->n_keys; i++, key = key ? key->next : NULL) {
		names[i] = key ? check_name_of(key) : NULL;
		if (!names[i])
			names[i] = arena_printf(c->pub.arena, "key%u", i);
	}
	state->map->key_names = names;
	state->map->n_keys = state->n_keys;
}

static void merge_key(struct checker *c, struct map_state *state, unsigned i, struct node *key,
		      const struct type *type)
{
	struct slot *slot = &state->keys[i];

	if (!may_be_key(type)) {
		check_error(&c->pub, key, "'%s' cannot be a key", check_shown(c, type));
		return;
	}
	if (type->kind == TYPE_NAMED && type->named->not_key) {
		check_error(&c->pub, key, "%s", type->named->not_key);
		return;
	}
	if (slot_merge(c, slot, key, type))
		return;
	check_error(&c->pub, key, "%s has '%s' as its key elsewhere, not '%s'", state->map->name,
		    check_shown(c, slot->type), check_shown(c, type));
	tell_other_use(c, state);
}

/* `@x[$t]` with a tuple is the same as `@x[a, b]` with its members. */
static bool is_whole_key(const struct node *keys)
{
	return !keys->next && keys->type->kind == TYPE_TUPLE && keys->type->n_fields > 1;
}

static bool first_keys(struct checker *c, struct map_state *state, const struct node *keys,
		       unsigned n)
{
	if (state->map->has_scalar_use)
		return false;
	if (state->keys)
		return true;
	state->n_keys = n;
	state->keys = arena_alloc(c->pub.arena, state->n_keys * sizeof(*state->keys));
	state->map->has_key_use = true;
	name_keys(c, state, keys);
	return true;
}

static void check_scalar_use(struct checker *c, struct node *node, struct map_state *state)
{
	if (!state->map->has_key_use) {
		state->map->has_scalar_use = true;
		return;
	}
	check_error(&c->pub, node, "%s needs a key here", state->map->name);
	diag_hint(c->pub.diags, "a map is used with a key everywhere or nowhere: %s[...]",
		  state->map->name);
	tell_other_use(c, state);
}

static void merge_keys(struct checker *c, struct map_state *state, struct node *keys)
{
	struct node *key;
	unsigned i = 0;

	if (is_whole_key(keys)) {
		for (; i < state->n_keys; i++)
			merge_key(c, state, i, keys, keys->type->fields[i].type);
		return;
	}
	node_each (key, keys) {
		const struct slot *slot = &state->keys[i];

		if (slot->type && slot->type->kind == TYPE_STR && check_param_string(key))
			check_expr(c, key);
		merge_key(c, state, i++, key, key->type);
	}
}

void check_map_keys(struct checker *c, struct node *node, struct node *keys)
{
	struct map_state *state = check_map_state(c, node);
	struct node *key;
	unsigned n;

	node_each (key, keys)
		check_value(c, key);
	if (!keys) {
		check_scalar_use(c, node, state);
		return;
	}
	if (!keys->next && is_unknown(keys->type) && !state->keys) {
		state->map->has_key_use = !state->map->has_scalar_use;
		return; /* it may turn out to be a tuple */
	}
	n = is_whole_key(keys) ? keys->type->n_fields : ast_count(keys);
	if (!first_keys(c, state, keys, n)) {
		check_error(&c->pub, node, "%s is used without a key elsewhere", state->map->name);
		tell_other_use(c, state);
		return;
	}
	if (n != state->n_keys) {
		if (!keys->next && is_unknown(keys->type))
			return;
		check_error(&c->pub, node, "%s has %u key part%s elsewhere, and %u here",
			    state->map->name, state->n_keys, state->n_keys == 1 ? "" : "s", n);
		tell_other_use(c, state);
		return;
	}
	merge_keys(c, state, keys);
	publish_key(c, state);
}

/* --- reading --- */

/* Nothing is said about a map that is written to somewhere: the error is there. */
static const struct type *undefined(struct checker *c, struct node *node)
{
	const struct map_state *state = check_map_state(c, node);
	struct nearest nearest;

	if (!c->pub.final || state->is_written)
		return type_error();
	check_error(&c->pub, node, "undefined map: %s", node->name);
	nearest_init(&nearest, node->name);
	for (size_t i = 0; i < strmap_len(c->maps); i++) {
		void *value;
		const char *name = strmap_at(c->maps, i, &value);
		const struct map_state *other = value;

		if (other->value.type || other->aggregate)
			nearest_try(&nearest, name);
	}
	if (nearest.best)
		diag_hint_nearest(c->pub.diags, nearest.best);
	else
		diag_hint(c->pub.diags, "nothing is ever stored in it");
	return node->type;
}

/* The number that an aggregation stands for, where it is used in an expression. */
static const struct type *aggregate_number(struct checker *c, struct node *node,
					   const struct type *aggregate)
{
	if (aggregate->aggregate->rt_read && !(aggregate->aggregate->flags & AGG_SHARED))
		return type_int(8, true);
	check_error(&c->pub, node,
		    "not supported yet: the value of %s(), which %s holds, in an expression",
		    aggregate->aggregate->name, node->name);
	diag_hint(c->pub.diags, "print(%s) prints all of the map", node->name);
	return node->type;
}

const struct type *check_map_read(struct checker *c, struct node *node)
{
	struct map_state *state = check_map_state(c, node);

	check_map_keys(c, node, node->key);
	if (state->aggregate)
		return aggregate_number(c, node, state->aggregate);
	return state->value.type ? state->value.type : undefined(c, node);
}

const struct type *check_map_element(struct checker *c, struct node *node)
{
	struct map_state *state = check_map_state(c, node);
	const struct type *part[2] = { state->map->key, state->value.type };

	node->type = type_none();
	if (node->key) {
		check_error(&c->pub, node, "a loop goes over a whole map, without a key");
		return node->type;
	}
	if (state->aggregate)
		part[1] = aggregate_number(c, node, state->aggregate);
	if (!part[1])
		return undefined(c, node);
	if (!part[0] && c->pub.final) {
		check_error(&c->pub, node, "%s has no keys: a loop goes over a map with keys",
			    node->name);
		return node->type;
	}
	return part[0] ? type_tuple(c->pub.types, part, 2) : NULL;
}

bool check_map_reference(struct checker *c, struct node *node)
{
	struct map_state *state = check_map_state(c, node);

	node->type = type_none();
	if (state->aggregate || state->value.type || !c->pub.final)
		return true;
	undefined(c, node);
	return false;
}

/* --- writing --- */

static const struct type *stored(const struct type *type)
{
	return type->kind == TYPE_INT ? type_int(8, type->is_signed) : type;
}

static void publish_value(struct map_state *state)
{
	state->map->value = state->aggregate ? state->aggregate : state->value.type;
	state->map->aggregate = state->aggregate ? state->aggregate->aggregate : NULL;
}

static bool is_aggregated(struct checker *c, struct node *node, const struct map_state *state)
{
	if (!state->aggregate)
		return false;
	check_error(&c->pub, node, "%s holds %s() elsewhere: it cannot be assigned a value",
		    state->map->name, state->aggregate->aggregate->name);
	diag_hint(c->pub.diags, "clear(%s) removes all of it, zero(%s) sets it to zero",
		  state->map->name, state->map->name);
	tell_other_use(c, state);
	return true;
}

static void merge_value(struct checker *c, struct node *at, struct map_state *state,
			struct node *value, const struct type *type)
{
	if (is_unknown(type) || is_aggregated(c, at, state))
		return;
	if (state->value.type && state->value.type->kind == TYPE_STR && check_param_string(value))
		type = check_expr(c, value);
	if (type->kind == TYPE_NONE || (type->kind == TYPE_STRUCT && !type->is_complete)) {
		check_error(&c->pub, at, "'%s' cannot be stored in a map", check_shown(c, type));
		return;
	}
	if (!slot_merge(c, &state->value, value, stored(type))) {
		check_error(&c->pub, at, "%s holds '%s' elsewhere, not '%s'", state->map->name,
			    check_shown(c, state->value.type), check_shown(c, type));
		tell_other_use(c, state);
	}
	publish_value(state);
}

static void merge_aggregate(struct checker *c, struct node *assign, struct map_state *state,
			    const struct type *type)
{
	const struct type *old = state->aggregate, *both;

	if (state->value.type) {
		check_error(&c->pub, assign, "%s holds '%s' elsewhere, not %s()", state->map->name,
			    check_shown(c, state->value.type), type->aggregate->name);
		tell_other_use(c, state);
		return;
	}
	both = old ? check_same_aggregate(c, old, type) : type;
	if (!both) {
		check_error(&c->pub, assign, "%s is %s() %selsewhere", state->map->name,
			    old->aggregate->name,
			    old->aggregate != type->aggregate ? ""
			    : old->aggregate->flags & AGG_ROW ? "with other columns "
							      : "with other constants ");
		tell_other_use(c, state);
		return;
	}
	if (old != both)
		c->pub.changed = true;
	state->aggregate = both;
	if (!state->map->aggregate_call)
		state->map->aggregate_call = assign->b;
	publish_value(state);
}

static void assign_aggregate(struct checker *c, struct node *assign, struct map_state *state)
{
	const struct type *type;

	if (assign->op != OP_NONE) {
		check_error(&c->pub, assign,
			    "%s() is assigned with =, not with %s=", assign->b->name,
			    ast_op_text(assign->op));
		return;
	}
	type = check_aggregate(c, assign->b);
	assign->b->type = type;
	if (!is_unknown(type))
		merge_aggregate(c, assign, state, type);
}

static void compound(struct checker *c, struct node *assign, struct map_state *state)
{
	struct node *target = assign->a;
	const struct type *type = check_value(c, assign->b);

	if (is_unknown(type) || is_aggregated(c, assign, state))
		return;
	target->type = state->value.type ? state->value.type : stored(type);
	if (target->type->kind == TYPE_ERROR)
		return;
	type = check_arithmetic(c, assign, assign->op, target, assign->b);
	if (!is_unknown(type)) {
		/* `@x += 1` alone says no more about the sign than a literal does. */
		bool literal = is_plain_literal(assign->b) && assign->op != OP_SUB;

		merge_value(c, assign, state, literal ? assign->b : target, type);
	}
	if (state->value.type)
		target->type = state->value.type;
}

void check_map_assign(struct checker *c, struct node *assign)
{
	struct node *target = assign->a;
	struct map_state *state = check_map_state(c, target);

	state->is_written = true;
	check_map_keys(c, target, target->key);
	target->type = type_none();
	if (assign->b->kind == NODE_CALL && assign->b->aggregate)
		assign_aggregate(c, assign, state);
	else if (assign->op != OP_NONE)
		compound(c, assign, state);
	else
		merge_value(c, assign, state, assign->b, check_value(c, assign->b));
	if (state->value.type)
		target->type = state->value.type;
}

const struct type *check_map_step(struct checker *c, struct node *node)
{
	struct node *target = node->a, one = { .kind = NODE_INT, .value = 1, .is_literal = true };
	struct map_state *state = check_map_state(c, target);

	one.type = type_i64();
	one.is_literal = node->op == OP_INC;
	check_map_keys(c, target, target->key);
	merge_value(c, node, state, &one, type_i64());
	target->type = state->value.type ? state->value.type : type_error();
	if (is_unknown(target->type) || target->type->kind == TYPE_INT)
		return target->type;
	check_error(&c->pub, node, "'%s' is not possible with '%s'", ast_op_text(node->op),
		    check_shown(c, target->type));
	return node->type;
}

/* --- the end --- */

/* Where every use was fine by itself and still no type came out: `@x = @y; @y = @x`. */
void check_maps_done(struct checker *c)
{
	for (size_t i = 0; i < strmap_len(c->maps); i++) {
		void *value;
		const struct map_state *state;

		strmap_at(c->maps, i, &value);
		state = value;
		if (!state->map->value)
			diag_error(c->pub.diags, state->map->span, "undefined map: %s",
				   state->map->name);
		else if (state->map->has_key_use && !state->map->key)
			diag_error(c->pub.diags, state->map->span,
				   "cannot tell the type of the key of %s", state->map->name);
	}
}
