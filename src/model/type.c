/*
 * Types: constructors, layout, unification, spelling. Equal types are the same object where that can be had
 * cheaply: each constructor describes its result as a short text and looks that up. Structs and enums are equal
 * by identity, because two definitions with the same members are still two things to a user.
 */
#include "model/type.h"

#include <stdio.h>
#include <string.h>

#include "base/strmap.h"
#include "base/vec.h"
#include "model/feature.h"

struct types {
	struct arena *arena;
	struct strmap *interned; /* description -> type */
	struct strmap *spelled;	 /* "struct X" -> type */
};

struct types *types_new(struct arena *arena)
{
	struct types *types = arena_new_of(arena, struct types);

	types->arena = arena;
	types->interned = strmap_new(arena);
	types->spelled = strmap_new(arena);
	return types;
}

static uint32_t round_up(uint32_t n, uint32_t align)
{
	return align > 1 ? (n + align - 1) / align * align : n;
}

/* --- types without parameters --- */

const struct type *type_error(void)
{
	static const struct type type = { .kind = TYPE_ERROR, .size = 8, .align = 8 };

	return &type;
}

const struct type *type_none(void)
{
	static const struct type type = { .kind = TYPE_NONE, .align = 1 };

	return &type;
}

const struct type *type_bool(void)
{
	static const struct type type = { .kind = TYPE_BOOL, .size = 1, .align = 1 };

	return &type;
}

const struct type *type_int(uint32_t size, bool is_signed)
{
#define INT(n, s)                                                             \
	{                                                                     \
		.kind = TYPE_INT, .size = (n), .align = (n), .is_signed = (s) \
	}
	static const struct type ints[2][4] = {
		{ INT(1, false), INT(2, false), INT(4, false), INT(8, false) },
		{ INT(1, true), INT(2, true), INT(4, true), INT(8, true) },
	};
#undef INT
	unsigned i = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : 3;

	return &ints[is_signed][i];
}

/* --- interned types --- */

/* The type of that description, or a new one that is made from `proto`. The buffer is released. */
static const struct type *intern(struct types *types, struct buf *key, const struct type *proto)
{
	struct type *type = strmap_get(types->interned, key->data);

	if (!type) {
		type = arena_new_of(types->arena, struct type);
		*type = *proto;
		strmap_put(types->interned, key->data, type);
	}
	buf_fini(key);
	return type;
}

/* Ints come from several makers (a BTF int has a name); what they mean is size and sign, and space when known. */
static void describe(struct buf *key, const struct type *type)
{
	if (type->kind == TYPE_INT && !type->name)
		buf_printf(key, "i%u%c%d,", type->size, type->is_signed ? 's' : 'u', type->space);
	else
		buf_printf(key, "%p,", (const void *)type);
}

const struct type *type_ptr(struct types *types, const struct type *pointee, enum space space)
{
	struct type proto = {
		.kind = TYPE_PTR, .size = 8, .align = 8, .base = pointee, .space = space
	};
	struct buf key = { 0 };

	buf_printf(&key, "ptr %d ", space);
	describe(&key, pointee);
	return intern(types, &key, &proto);
}

const struct type *type_str(struct types *types, uint32_t size)
{
	struct type proto = { .kind = TYPE_STR, .size = size ? size : 1, .align = 1 };
	struct buf key = { 0 };

	buf_printf(&key, "str %u", proto.size);
	return intern(types, &key, &proto);
}

const struct type *type_buf(struct types *types, uint32_t room)
{
	struct type proto = {
		.kind = TYPE_BUF, .size = round_up(4 + room, 8), .align = 4, .count = room
	};
	struct buf key = { 0 };

	buf_printf(&key, "buf %u", room);
	return intern(types, &key, &proto);
}

const struct type *type_array(struct types *types, const struct type *element, uint32_t count)
{
	struct type proto = {
		.kind = TYPE_ARRAY,
		.size = element->size * count,
		.align = element->align,
		.base = element,
		.count = count,
	};
	struct buf key = { 0 };

	buf_printf(&key, "array %u ", count);
	describe(&key, element);
	return intern(types, &key, &proto);
}

/* Members one after the other, each at its alignment. Returns the alignment of the whole; *size gets its size. */
static uint32_t layout(struct field *fields, unsigned n, uint32_t *size)
{
	uint32_t offset = 0, align = 1;

	for (unsigned i = 0; i < n; i++) {
		uint32_t need = fields[i].type->align ? fields[i].type->align : 1;

		offset = round_up(offset, need);
		fields[i].offset = offset;
		offset += fields[i].type->size;
		if (need > align)
			align = need;
	}
	*size = round_up(offset, align);
	return align;
}

static const struct type *aggregate_of(struct types *types, enum type_kind kind,
				       const char *const *names, const struct type *const *elements,
				       unsigned n)
{
	struct type proto = { .kind = kind, .n_fields = n, .is_complete = true };
	struct buf key = { 0 };
	struct field *fields = arena_alloc(types->arena, (n ? n : 1) * sizeof(*fields));

	buf_puts(&key, kind == TYPE_TUPLE ? "tuple " : "record ");
	for (unsigned i = 0; i < n; i++) {
		fields[i].type = elements[i];
		fields[i].name = names && names[i] ? names[i] : arena_printf(types->arena, "%u", i);
		if (names && names[i])
			buf_printf(&key, "%s=", names[i]);
		describe(&key, elements[i]);
	}
	proto.align = layout(fields, n, &proto.size);
	proto.fields = fields;
	return intern(types, &key, &proto);
}

const struct type *type_tuple(struct types *types, const struct type *const *elements, unsigned n)
{
	return aggregate_of(types, TYPE_TUPLE, NULL, elements, n);
}

const struct type *type_record(struct types *types, const char *const *names,
			       const struct type *const *elements, unsigned n)
{
	return aggregate_of(types, TYPE_RECORD, names, elements, n);
}

const struct type *type_named(struct types *types, const struct named_type *named,
			      const struct type *base, uint32_t count, const char *param)
{
	struct type proto = {
		.kind = TYPE_NAMED,
		.size = base->size,
		.align = base->align,
		.is_signed = base->is_signed,
		.name = named->name,
		.base = base,
		.count = count,
		.named = named,
		.param = param ? arena_strdup(types->arena, param) : NULL,
	};
	struct buf key = { 0 };

	buf_printf(&key, "named %p %u ", (const void *)named, count);
	describe(&key, base);
	buf_puts(&key, param ? param : "\x01");
	return intern(types, &key, &proto);
}

static void describe_expr(struct buf *key, const struct plan_expr *expr)
{
	if (!expr)
		return;
	buf_printf(key, "(%d %a %s.%s ", expr->op, expr->constant, expr->column ? expr->column : "",
		   expr->member ? expr->member : "");
	describe_expr(key, expr->a);
	describe_expr(key, expr->b);
	describe_expr(key, expr->c);
	buf_putc(key, ')');
}

const struct type *type_agg(struct types *types, const struct aggregate *aggregate,
			    uint32_t state_size, const struct agg_args *args)
{
	struct type proto = {
		.kind = TYPE_AGG,
		.size = state_size,
		.align = 8,
		.is_signed = args->is_signed,
		.aggregate = aggregate,
		.args = *args,
	};
	struct buf key = { 0 };

	buf_printf(&key, "agg %p %u %d%d", (const void *)aggregate, state_size, args->is_signed,
		   args->is_time);
	for (unsigned i = 0; i < args->n_count; i++)
		buf_printf(&key, " %lld", (long long)args->n[i]);
	for (unsigned i = 0; i < args->n_fields; i++) {
		const struct agg_field *field = &args->fields[i];

		buf_printf(&key, " %s:%p@%u", field->name, (const void *)field->type,
			   field->offset);
		describe_expr(&key, field->derived);
	}
	return intern(types, &key, &proto);
}

/* --- structs and enums --- */

static void define_new(struct types *types, const char *keyword, const char *name,
		       struct type *type)
{
	char *spelling;

	if (!name)
		return;
	spelling = arena_printf(types->arena, "%s %s", keyword, name);
	if (!strmap_get(types->spelled, spelling))
		strmap_put(types->spelled, spelling, type);
}

/* A tag that is known already keeps its meaning: what the script defines wins over what BTF has. */
struct type *type_struct(struct types *types, const char *name, bool is_union)
{
	struct type *type = arena_new_of(types->arena, struct type);

	type->kind = TYPE_STRUCT;
	type->align = 1;
	type->is_union = is_union;
	type->name = name ? arena_strdup(types->arena, name) : NULL;
	define_new(types, is_union ? "union" : "struct", type->name, type);
	return type;
}

struct type *type_registers(struct types *types, const char *name, const struct field *fields,
			    unsigned n, unsigned n_words)
{
	struct type *type = type_struct(types, name, false);

	type->fields = fields;
	type->n_fields = n;
	type->size = 8 * n_words;
	type->align = 8;
	type->is_complete = true;
	return type;
}

struct type *type_enum(struct types *types, const char *name, uint32_t size, bool is_signed)
{
	struct type *type = arena_new_of(types->arena, struct type);

	type->kind = TYPE_ENUM;
	type->size = size;
	type->align = size;
	type->is_signed = is_signed;
	type->name = name ? arena_strdup(types->arena, name) : NULL;
	define_new(types, "enum", type->name, type);
	return type;
}

const struct type *type_find(struct types *types, const char *spelling)
{
	return strmap_get(types->spelled, spelling);
}

void type_define(struct types *types, const char *spelling, const struct type *type)
{
	strmap_put(types->spelled, spelling, (void *)type);
}

const struct field *type_field(const struct type *type, const char *name, uint32_t *offset)
{
	for (unsigned i = 0; i < type->n_fields; i++) {
		const struct field *field = &type->fields[i], *inner;
		uint32_t below = 0;

		if (field->name && !strcmp(field->name, name)) {
			if (offset)
				*offset = field->offset;
			return field;
		}
		if (field->name || field->type->kind != TYPE_STRUCT)
			continue;
		inner = type_field(field->type, name, &below);
		if (inner) {
			if (offset)
				*offset = field->offset + below;
			return inner;
		}
	}
	return NULL;
}

/* --- questions --- */

const struct type *type_plain(const struct type *type)
{
	while (type->kind == TYPE_NAMED)
		type = type->base;
	return type;
}

bool type_is_int_like(const struct type *type)
{
	return type->kind == TYPE_INT || type->kind == TYPE_BOOL || type->kind == TYPE_ENUM;
}

bool type_is_scalar(const struct type *type)
{
	const struct type *plain = type_plain(type);

	return type_is_int_like(plain) || plain->kind == TYPE_PTR;
}

bool type_is_signed(const struct type *type)
{
	const struct type *plain = type_plain(type);

	return (plain->kind == TYPE_INT || plain->kind == TYPE_ENUM) && plain->is_signed;
}

static bool fields_equal(const struct type *a, const struct type *b)
{
	if (a->n_fields != b->n_fields)
		return false;
	for (unsigned i = 0; i < a->n_fields; i++)
		if (strcmp(a->fields[i].name, b->fields[i].name) ||
		    !type_equal(a->fields[i].type, b->fields[i].type))
			return false;
	return true;
}

static bool text_equal(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

bool type_equal(const struct type *a, const struct type *b)
{
	if (a == b)
		return true;
	if (a->kind != b->kind)
		return false;
	switch (a->kind) {
	case TYPE_ERROR:
	case TYPE_NONE:
	case TYPE_BOOL:
		return true;
	case TYPE_INT:
		return a->size == b->size && a->is_signed == b->is_signed;
	case TYPE_PTR:
		return a->space == b->space && type_equal(a->base, b->base);
	case TYPE_STR:
		return a->size == b->size;
	case TYPE_BUF:
		return a->count == b->count;
	case TYPE_ARRAY:
		return a->count == b->count && type_equal(a->base, b->base);
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return fields_equal(a, b);
	case TYPE_NAMED:
		return a->named == b->named && a->count == b->count &&
		       type_equal(a->base, b->base) && text_equal(a->param, b->param);
	case TYPE_ENUM:
	case TYPE_STRUCT:
	case TYPE_AGG:
		return false;
	}
	return false;
}

/* --- one type for two uses --- */

static const struct type *unify_ints(const struct type *a, const struct type *b)
{
	uint32_t size = a->size > b->size ? a->size : b->size;

	if (type_is_signed(a) != type_is_signed(b))
		return type_i64();
	return type_int(size, type_is_signed(a));
}

static const struct type *unify_ptrs(struct types *types, const struct type *a,
				     const struct type *b)
{
	enum space space = a->space == SPACE_UNKNOWN ? b->space : a->space;

	if (b->space != SPACE_UNKNOWN && b->space != space)
		return NULL;
	if (a->base->kind == TYPE_NONE || b->base->kind == TYPE_NONE)
		return type_ptr(types, a->base->kind == TYPE_NONE ? b->base : a->base, space);
	return type_equal(a->base, b->base) ? type_ptr(types, a->base, space) : NULL;
}

static const struct type *unify_fields(struct types *types, const struct type *a,
				       const struct type *b)
{
	const struct type *element[64];
	const char *name[64];

	if (a->n_fields != b->n_fields || a->n_fields > 64)
		return NULL;
	for (unsigned i = 0; i < a->n_fields; i++) {
		if (strcmp(a->fields[i].name, b->fields[i].name))
			return NULL;
		name[i] = a->fields[i].name;
		element[i] = type_unify(types, a->fields[i].type, b->fields[i].type);
		if (!element[i])
			return NULL;
	}
	return a->kind == TYPE_TUPLE ? type_tuple(types, element, a->n_fields)
				     : type_record(types, name, element, a->n_fields);
}

static const struct type *unify_named(struct types *types, const struct type *a,
				      const struct type *b)
{
	const struct type *base;

	if (a->named != b->named || !text_equal(a->param, b->param))
		return NULL;
	if (type_equal(a->base, b->base))
		return a->count >= b->count ? a : b;
	if (a->base->kind != b->base->kind)
		return NULL;
	base = a->base->size >= b->base->size ? a->base : b->base;
	return type_named(types, a->named, base, a->count > b->count ? a->count : b->count,
			  a->param);
}

const struct type *type_unify(struct types *types, const struct type *a, const struct type *b)
{
	if (a == b || b->kind == TYPE_ERROR)
		return a;
	if (a->kind == TYPE_ERROR)
		return b;
	if (type_equal(a, b))
		return a;
	if (type_is_int_like(a) && type_is_int_like(b))
		return unify_ints(a, b);
	if (a->kind != b->kind)
		return NULL;
	switch (a->kind) {
	case TYPE_PTR:
		return unify_ptrs(types, a, b);
	case TYPE_STR:
	case TYPE_BUF:
		return a->size >= b->size ? a : b;
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return unify_fields(types, a, b);
	case TYPE_NAMED:
		return unify_named(types, a, b);
	case TYPE_ERROR:
	case TYPE_NONE:
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_ENUM:
	case TYPE_ARRAY:
	case TYPE_STRUCT:
	case TYPE_AGG:
		return NULL;
	}
	return NULL;
}

/* --- spelling --- */

static void spell(struct buf *out, const struct type *type);

static void spell_fields(struct buf *out, const struct type *type)
{
	buf_putc(out, '(');
	for (unsigned i = 0; i < type->n_fields; i++) {
		if (i)
			buf_putc(out, ',');
		if (type->kind == TYPE_RECORD)
			buf_printf(out, "%s=", type->fields[i].name);
		spell(out, type->fields[i].type);
	}
	buf_putc(out, ')');
}

static void spell_ptr(struct buf *out, const struct type *type)
{
	spell(out, type->base);
	buf_puts(out, type->base->kind == TYPE_PTR ? "*" : " *");
}

static void spell(struct buf *out, const struct type *type)
{
	switch (type->kind) {
	case TYPE_ERROR:
		buf_puts(out, "unknown type");
		break;
	case TYPE_NONE:
		buf_puts(out, "void");
		break;
	case TYPE_BOOL:
		buf_puts(out, "bool");
		break;
	case TYPE_INT:
		buf_printf(out, "%sint%u", type->is_signed ? "" : "u", type->size * 8);
		break;
	case TYPE_ENUM:
		buf_printf(out, "enum %s", type->name ? type->name : "{...}");
		break;
	case TYPE_PTR:
		spell_ptr(out, type);
		break;
	case TYPE_STR:
		buf_printf(out, "string[%u]", type->size);
		break;
	case TYPE_BUF:
		buf_printf(out, "buffer[%u]", type->count);
		break;
	case TYPE_ARRAY:
		spell(out, type->base);
		buf_printf(out, "[%u]", type->count);
		break;
	case TYPE_STRUCT:
		buf_printf(out, "%s %s", type->is_union ? "union" : "struct",
			   type->name ? type->name : "{...}");
		break;
	case TYPE_TUPLE:
	case TYPE_RECORD:
		spell_fields(out, type);
		break;
	case TYPE_NAMED:
		buf_puts(out, type->name);
		break;
	case TYPE_AGG:
		buf_printf(out, "%s()", type->aggregate->name);
		break;
	}
}

const char *type_spell(struct arena *arena, const struct type *type)
{
	struct buf out = { 0 };
	char *text;

	spell(&out, type);
	text = arena_strdup(arena, out.data);
	buf_fini(&out);
	return text;
}
