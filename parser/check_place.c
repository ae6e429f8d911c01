/*
 * Types of what lies in memory: fields, elements, what pointers point at; casts, sizeof and offsetof. Where a pointer
 * leads (user, kernel) follows from where it was read.
 */
#include <string.h>

#include "parser/check_internal.h"

/* --- address spaces --- */

static bool is_args(const struct node *node)
{
	return node->kind == NODE_CALL && node->builtin && node->builtin->flags & BUILTIN_ARGS;
}

/* The memory that an expression names. */
static enum space space_of(const struct node *node)
{
	const struct type *type;

	switch (node->kind) {
	case NODE_DEREF:
		type = type_plain(node->a->type);
		return type->kind == TYPE_PTR ? type->space : SPACE_UNKNOWN;
	case NODE_FIELD:
	case NODE_TUPLE_INDEX:
		return space_of(node->a);
	case NODE_INDEX:
		type = type_plain(node->a->type);
		return type->kind == TYPE_PTR ? type->space : space_of(node->a);
	case NODE_CALL:
		return is_args(node) ? SPACE_CTX : SPACE_BPF;
	default:
		return SPACE_BPF;
	}
}

/* A pointer found in user memory points into user memory; one found in a context says so or follows the probe. */
static enum space pointee_space(struct checker *c, const struct type *pointer, enum space found_in)
{
	if (found_in == SPACE_USER)
		return SPACE_USER;
	if (pointer->space != SPACE_UNKNOWN)
		return pointer->space;
	return found_in == SPACE_KERNEL ? SPACE_KERNEL : check_space(&c->pub, NULL);
}

static bool is_char(const struct type *type)
{
	return type->kind == TYPE_INT && type->size == 1 &&
	       (type->is_signed || (type->name && !strcmp(type->name, "char")));
}

/* The type a value has once it is read from memory of this type. */
static const struct type *read_type(struct checker *c, const struct type *type, enum space found_in)
{
	if (type->kind == TYPE_ARRAY && is_char(type->base) && type->count)
		return type_str(c->pub.types, type->count);
	if (type->kind == TYPE_PTR) {
		enum space space = pointee_space(c, type, found_in);

		return space == type->space ? type : type_ptr(c->pub.types, type->base, space);
	}
	return type;
}

/* --- structs --- */

static void complete(struct checker *c, const struct type *type)
{
	if (type->kind != TYPE_STRUCT || !c->pub.lookup)
		return;
	if (!type->is_complete)
		lookup_complete(c->pub.lookup, type);
	for (unsigned i = 0; i < type->n_fields; i++)
		if (!type->fields[i].name)
			complete(c, type->fields[i].type);
}

static void try_fields(struct nearest *nearest, const struct type *type)
{
	for (unsigned i = 0; i < type->n_fields; i++) {
		if (type->fields[i].name)
			nearest_try(nearest, type->fields[i].name);
		else if (type->fields[i].type->kind == TYPE_STRUCT)
			try_fields(nearest, type->fields[i].type);
	}
}

static const struct type *no_field(struct checker *c, struct node *node, const struct type *type)
{
	struct nearest nearest;
	const char *of = is_args(node->a) ? "args" : check_shown(c, type);

	diag_error(c->pub.diags, node->name_span.end ? node->name_span : node->span,
		   "%s has no field '%s'", of, node->name);
	node->type = type_error();
	nearest_init(&nearest, node->name);
	try_fields(&nearest, type);
	if (nearest.best) {
		diag_hint_nearest(c->pub.diags, nearest.best);
	} else if (type->n_fields && type->n_fields <= 16) {
		const char *list = "";

		for (unsigned i = 0; i < type->n_fields; i++)
			if (type->fields[i].name)
				list = arena_printf(c->pub.arena, "%s%s%s", list, *list ? ", " : "",
						    type->fields[i].name);
		diag_hint(c->pub.diags, "its fields are %s", list);
	}
	return node->type;
}

/* curtask and its like: of a type that the kernel defines. */
static bool is_kernel_value(const struct node *node)
{
	return node->kind == NODE_CALL && node->builtin && !node->args &&
	       type_plain(node->type)->space == SPACE_KERNEL;
}

static const struct type *pointee(struct checker *c, struct node *node, const struct type *pointer)
{
	const struct type *base = pointer->base;

	if (base->kind == TYPE_NONE && is_kernel_value(node->a) &&
	    check_unknown_kernel_type(&c->pub, node, node->a->name))
		return type_error();
	if (base->kind == TYPE_NONE) {
		check_error(&c->pub, node, "'%s' does not say what it points at",
			    check_shown(c, pointer));
		diag_hint(c->pub.diags, "cast it first: (struct NAME *)...");
		return type_error();
	}
	complete(c, base);
	if (base->kind == TYPE_STRUCT && !base->is_complete) {
		check_error(&c->pub, node, "the members of '%s' are not known",
			    check_shown(c, base));
		diag_hint(c->pub.diags, "define it in the script, before the first probe");
		return type_error();
	}
	return base;
}

/* `p.x` and `p->x` are `(*p).x`. */
static const struct type *insert_deref(struct checker *c, struct node *node)
{
	const struct type *pointer = type_plain(node->a->type);
	const struct type *base = pointee(c, node, pointer);
	struct node *deref;

	if (is_unknown(base))
		return base;
	deref = ast_unary(c->pub.arena, NODE_DEREF, OP_NONE, node->a->span, node->a);
	deref->type = base;
	node->a = deref;
	return base;
}

/* A member of args: can it be read, and must a span's entry keep it for the return? */
static bool check_context_field(struct checker *c, struct node *node)
{
	struct instance *instance = c->pub.instance;
	const struct provider *provider = instance->provider;
	struct ctx_item item;

	if (!provider->args_field || !instance->targets.n)
		return true;
	item = provider->args_field(instance->targets.data[0], instance->args, node->field);
	if (item.kind == CTX_SAVED && item.index < 32)
		instance->saved_args |= 1u << item.index;
	if (item.kind != CTX_NONE || !item.why)
		return true;
	diag_error(c->pub.diags, node->name_span.end ? node->name_span : node->span, "args.%s %s",
		   node->name, item.why);
	return false;
}

static const struct type *data_loc_type(struct checker *c, const struct type *type)
{
	if (type->kind == TYPE_PTR)
		return read_type(c, type, SPACE_KERNEL);
	if (type->kind == TYPE_ARRAY)
		type = type->base;
	return type_ptr(c->pub.types, type, SPACE_KERNEL);
}

static const struct type *field_type(struct checker *c, struct node *node)
{
	if (node->field->data_loc)
		return data_loc_type(c, node->field->type);
	complete(c, node->field->type);
	return read_type(c, node->field->type, space_of(node->a));
}

const struct type *check_field(struct checker *c, struct node *node)
{
	const struct type *type, *plain;

	node->a->is_holder = true;
	type = check_value(c, node->a);
	if (is_unknown(type))
		return type;
	plain = type_plain(type);
	if (plain->kind == TYPE_PTR)
		plain = insert_deref(c, node);
	if (is_unknown(plain))
		return plain;
	complete(c, plain);
	if (plain->kind != TYPE_STRUCT && plain->kind != TYPE_RECORD) {
		check_error(&c->pub, node, "'%s' has no fields", check_shown(c, plain));
		if (plain->kind == TYPE_INT)
			diag_hint(c->pub.diags,
				  "cast it to a pointer first: ((struct NAME *)...).%s",
				  node->name);
		else if (plain->kind == TYPE_TUPLE)
			diag_hint(c->pub.diags, "members of a tuple have numbers: .0, .1, ...");
		return node->type;
	}
	node->field = type_field(plain, node->name, &node->offset);
	if (!node->field)
		return no_field(c, node, plain);
	if (is_args(node->a) && !check_context_field(c, node))
		return node->type = type_error();
	return field_type(c, node);
}

const struct type *check_deref(struct checker *c, struct node *node)
{
	const struct type *type = check_value(c, node->a), *base;

	if (is_unknown(type))
		return type;
	if (type_plain(type)->kind != TYPE_PTR) {
		check_error(&c->pub, node, "'%s' is not a pointer", check_shown(c, type));
		if (type_plain(type)->kind == TYPE_INT)
			diag_hint(c->pub.diags, "say what it points at: *(uint64 *)...");
		return node->type;
	}
	base = pointee(c, node, type_plain(type));
	return is_unknown(base) ? base : read_type(c, base, type_plain(type)->space);
}

/* --- elements --- */

static const struct type *tuple_member(struct checker *c, struct node *node,
				       const struct type *tuple, uint64_t n)
{
	if (n < tuple->n_fields) {
		node->field = &tuple->fields[n];
		node->offset = tuple->fields[n].offset;
		return tuple->fields[n].type;
	}
	check_error(&c->pub, node, "'%s' has %u members, and .%llu would be one more",
		    check_shown(c, tuple), tuple->n_fields, (unsigned long long)n);
	return node->type;
}

const struct type *check_tuple_index(struct checker *c, struct node *node)
{
	const struct type *type = check_value(c, node->a);

	if (is_unknown(type))
		return type;
	if (type->kind == TYPE_TUPLE || type->kind == TYPE_RECORD)
		return tuple_member(c, node, type, node->value);
	check_error(&c->pub, node, "'%s' is not a tuple", check_shown(c, type));
	return node->type;
}

static const struct type *index_tuple(struct checker *c, struct node *node,
				      const struct type *tuple)
{
	int64_t n;

	if (!node->b->is_literal || !fold_int(node->b, &n) || n < 0) {
		check_error(&c->pub, node->b, "the index of a tuple must be a literal number");
		return type_error();
	}
	node->kind = NODE_TUPLE_INDEX;
	node->value = (uint64_t)n;
	return tuple_member(c, node, tuple, node->value);
}

static bool out_of_bounds(struct checker *c, struct node *node, uint32_t count)
{
	int64_t n;

	if (!node->b->is_literal || !fold_int(node->b, &n) || (n >= 0 && n < count))
		return false;
	check_error(&c->pub, node->b, "index %lld is outside of '%s'", (long long)n,
		    check_shown(c, node->a->type));
	return true;
}

const struct type *check_index(struct checker *c, struct node *node)
{
	const struct type *type = check_value(c, node->a), *index = check_value(c, node->b), *plain;

	if (is_unknown(type) || is_unknown(index))
		return type_error();
	plain = type_plain(type);
	if (!type_is_int_like(type_plain(index))) {
		check_error(&c->pub, node->b, "an index is an integer, not '%s'",
			    check_shown(c, index));
		return type_error();
	}
	switch (plain->kind) {
	case TYPE_TUPLE:
		return index_tuple(c, node, plain);
	case TYPE_STR:
		return out_of_bounds(c, node, plain->size) ? type_error() : type_int(1, true);
	case TYPE_ARRAY:
		if (out_of_bounds(c, node, plain->count))
			return type_error();
		complete(c, plain->base);
		return read_type(c, plain->base, space_of(node->a));
	case TYPE_PTR:
		plain = pointee(c, node, plain);
		return is_unknown(plain) ? plain : read_type(c, plain, type_plain(type)->space);
	default:
		check_error(&c->pub, node, "'%s' has no elements", check_shown(c, type));
		return node->type;
	}
}

/* --- casts --- */

static bool cast_scalar(const struct type *from, const struct type *to)
{
	const struct type *plain = type_plain(from);

	if (type_is_scalar(plain))
		return true;
	return plain->kind == TYPE_ARRAY && to->kind == TYPE_INT && plain->size == to->size;
}

static bool cast_memory(const struct type *from, const struct type *to)
{
	if (to->kind == TYPE_STR || to->kind == TYPE_BUF)
		return from->kind == to->kind;
	return type_equal(from, to);
}

static void fold_cast(struct node *node, const struct type *to)
{
	uint64_t value = node->a->value;
	unsigned shift = to->size < 8 ? 64 - to->size * 8 : 0;

	if (to->kind == TYPE_BOOL)
		value = value != 0;
	else if (to->is_signed)
		value = (uint64_t)((int64_t)(value << shift) >> shift);
	else
		value = value << shift >> shift;
	node->is_literal = true;
	node->value = value;
	node->is_unsigned = !to->is_signed && (int64_t)value < 0;
}

const struct type *check_cast(struct checker *c, struct node *node)
{
	const struct type *from = check_value(c, node->a), *to;

	to = check_spelled(c, node->spelled, check_space(&c->pub, node->a));
	if (is_unknown(from) || is_unknown(to))
		return is_unknown(from) && !is_unknown(to) && type_is_scalar(to) ? to
										 : type_error();
	if (to->kind == TYPE_STR && check_param_string(node->a))
		from = check_expr(c, node->a);
	if (type_is_scalar(to) ? cast_scalar(from, to) : cast_memory(from, to)) {
		if (node->a->is_literal && type_is_int_like(from) && type_is_int_like(to))
			fold_cast(node, to);
		return to;
	}
	if (to->kind == TYPE_ARRAY || from->kind == TYPE_ARRAY) {
		check_error(&c->pub, node, "not supported yet: a cast from '%s' to '%s'",
			    check_shown(c, from), check_shown(c, to));
		return node->type;
	}
	check_error(&c->pub, node, "cannot cast '%s' to '%s'", check_shown(c, from),
		    check_shown(c, to));
	if (to->kind == TYPE_STRUCT)
		diag_hint(c->pub.diags, "cast to a pointer: (%s *)...", check_shown(c, to));
	else if (to->kind == TYPE_STR && type_is_scalar(from))
		diag_hint(c->pub.diags, "read the string behind a pointer with str()");
	return node->type;
}

/* --- sizeof, offsetof --- */

static const struct type *spelled_or_value(struct checker *c, struct node *node)
{
	const struct type *type;

	c->unread++;
	type = node->spelled ? check_spelled(c, node->spelled, SPACE_UNKNOWN)
			     : check_value(c, node->a);
	c->unread--;
	if (!is_unknown(type))
		complete(c, type);
	return type;
}

/* The number takes the node's place once all types are final. */
static const struct type *constant(struct checker *c, struct node *node, uint32_t value)
{
	node->is_literal = true;
	node->value = value;
	if (c->pub.final) {
		node->kind = NODE_INT;
		node->a = node->args = NULL;
		node->spelled = NULL;
		node->text = node->name = NULL;
	}
	return type_i64();
}

const struct type *check_sizeof(struct checker *c, struct node *node)
{
	const struct type *type = spelled_or_value(c, node);

	if (is_unknown(type))
		return type;
	if (type->kind == TYPE_STRUCT && !type->is_complete) {
		check_error(&c->pub, node, "the size of '%s' is not known", check_shown(c, type));
		return node->type;
	}
	return constant(c, node, type->size);
}

const struct type *check_offsetof(struct checker *c, struct node *node)
{
	const struct type *type = spelled_or_value(c, node);
	const struct node *name;
	uint32_t sum = 0;

	if (!is_unknown(type) && type->kind == TYPE_PTR)
		type = type->base;
	node_each (name, node->args) {
		const struct field *field = NULL;
		uint32_t offset = 0;

		if (is_unknown(type))
			return type;
		complete(c, type);
		if (type->kind == TYPE_STRUCT || type->kind == TYPE_RECORD)
			field = type_field(type, name->name, &offset);
		if (!field) {
			struct nearest nearest;

			diag_error(c->pub.diags, name->span, "'%s' has no field '%s'",
				   check_shown(c, type), name->name);
			nearest_init(&nearest, name->name);
			try_fields(&nearest, type);
			diag_hint_nearest(c->pub.diags, nearest.best);
			return type_error();
		}
		sum += offset;
		type = field->type;
	}
	return constant(c, node, sum);
}
