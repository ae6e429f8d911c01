/*
 * struct, union and enum definitions of a script to types, laid out as the C compiler of this machine would. A
 * definition wins over the kernel's type of the same name.
 */
#include <string.h>

#include "base/strmap.h"
#include "parser/front.h"

/* Where the next member goes, in bits. */
struct layout {
	uint64_t at, size; /* size: of the widest member of a union */
	uint32_t align;
	bool is_union, is_packed;
};

struct spelling front_spelling(struct resolve *resolve)
{
	return (struct spelling){
		.arena = resolve->arena,
		.diags = resolve->diags,
		.types = resolve->types,
		.lookup = resolve->lookup,
		.registry = resolve->registry,
		.max_strlen = resolve->plan->max_strlen,
	};
}

static const struct type *define(struct resolve *resolve, struct node *def);

static const struct type *member_type(struct resolve *resolve, struct node *member)
{
	struct spelling spelling = front_spelling(resolve);

	spelling.forward = true;
	if (!member->b)
		return spelled_type(&spelling, member->spelled);

	/* `struct { ... } a, b;` are two members of one definition. */
	const struct type *type = member->b->type;

	if (!type)
		type = member->b->type = define(resolve, member->b);
	return member->spelled ? spelled_declarator(&spelling, member->spelled, type) : type;
}

static uint64_t round_up(uint64_t n, uint64_t align)
{
	return align > 1 ? (n + align - 1) / align * align : n;
}

/* A bit field must not cross a border of its type's size. */
static void place_bits(struct layout *layout, struct field *field, uint32_t bits)
{
	uint64_t unit = (uint64_t)field->type->size * 8;

	if (bits && layout->at % unit + bits > unit)
		layout->at = round_up(layout->at, unit);
	if (!bits)
		layout->at = round_up(layout->at, unit);
	field->offset = (uint32_t)(layout->at / unit * field->type->size);
	field->bit_offset = (uint8_t)(layout->at % unit);
	field->bit_size = (uint8_t)bits;
	layout->at += bits;
}

static void place(struct layout *layout, struct field *field, const struct node *member)
{
	uint32_t bits = (uint32_t)member->value;
	bool is_bit_field = bits || (!member->name && field->type->kind != TYPE_STRUCT);
	uint32_t align = layout->is_packed || !field->type->align ? 1 : field->type->align;

	if (layout->is_union)
		layout->at = 0;
	if (is_bit_field) {
		place_bits(layout, field, bits);
	} else {
		layout->at = round_up(layout->at, (uint64_t)align * 8);
		field->offset = (uint32_t)(layout->at / 8);
		layout->at += (uint64_t)field->type->size * 8;
	}
	if (align > layout->align)
		layout->align = align;
	if (layout->at > layout->size)
		layout->size = layout->at;
}

static bool check_member(struct resolve *resolve, const struct node *member,
			 const struct type *type)
{
	if (type->kind == TYPE_ERROR)
		return false;
	if (type->kind == TYPE_NONE || (type->kind == TYPE_STRUCT && !type->is_complete)) {
		diag_error(resolve->diags, member->span, "a member cannot have the type '%s'",
			   type_spell(resolve->arena, type));
		return false;
	}
	if (member->value && (!type_is_int_like(type) || member->value > type->size * 8)) {
		diag_error(resolve->diags, member->span,
			   "a bit field of %llu bits does not fit in '%s'",
			   (unsigned long long)member->value, type_spell(resolve->arena, type));
		return false;
	}
	return true;
}

static bool is_repeated(const struct field *fields, unsigned n, const char *name)
{
	for (unsigned i = 0; name && i < n; i++)
		if (fields[i].name && !strcmp(fields[i].name, name))
			return true;
	return false;
}

static void fill_struct(struct resolve *resolve, struct node *def, struct type *type)
{
	struct layout layout = { .align = 1, .is_union = type->is_union };
	struct field *fields =
		arena_alloc(resolve->arena, (ast_count(def->args) + 1) * sizeof(*fields));
	struct node *member;
	unsigned n = 0;

	layout.is_packed = def->text && strstr(def->text, "packed");
	node_each (member, def->args) {
		struct field *field = &fields[n];

		if (member->kind != NODE_MEMBER)
			continue;
		field->name = member->name;
		field->type = member_type(resolve, member);
		if (field->type->kind == TYPE_STRUCT && field->type->source && resolve->lookup)
			lookup_complete(resolve->lookup, field->type);
		if (!check_member(resolve, member, field->type))
			continue;
		if (is_repeated(fields, n, member->name))
			diag_error(resolve->diags, member->span, "there are two members '%s'",
				   member->name);
		place(&layout, field, member);
		if (member->name || field->type->kind == TYPE_STRUCT)
			n++; /* unnamed bits are room and nothing else */
		else
			*field = (struct field){ 0 };
	}
	type->fields = fields;
	type->n_fields = n;
	type->align = layout.align;
	type->size = (uint32_t)(round_up(layout.size, (uint64_t)layout.align * 8) / 8);
	type->is_complete = true;
}

static void fill_enum(struct resolve *resolve, struct node *def, struct type *type)
{
	struct enumerator *values =
		arena_alloc(resolve->arena, (ast_count(def->args) + 1) * sizeof(*values));
	struct node *item;
	int64_t next = 0;
	unsigned n = 0;

	node_each (item, def->args) {
		struct constant *constant = arena_new_of(resolve->arena, struct constant);

		if (item->a) {
			resolve_tree(resolve, item->a);
			if (!fold_int(item->a, &next))
				diag_error(resolve->diags, item->a->span,
					   "the value of %s must be a constant", item->name);
		}
		if (strmap_get(resolve->front->constants, item->name))
			diag_error(resolve->diags, item->span, "%s is already defined", item->name);
		values[n++] = (struct enumerator){ item->name, next };
		if (next < 0)
			type->is_signed = true;
		if (next > UINT32_MAX || next < INT32_MIN)
			type->size = type->align = 8;
		*constant = (struct constant){ next++, type };
		strmap_put(resolve->front->constants, item->name, constant);
	}
	type->values = values;
	type->n_values = n;
	type->is_complete = true;
}

/* The type object of a tag: the one that earlier members point to, when there is one. */
static struct type *tag(struct resolve *resolve, struct node *def, const char *keyword)
{
	bool is_enum = def->spelled->kind == SPELLED_ENUM;
	const char *name = def->spelled->name;
	const char *spelling = name ? arena_printf(resolve->arena, "%s %s", keyword, name) : NULL;
	const struct type *known = spelling ? type_find(resolve->types, spelling) : NULL;
	struct type *type;

	if (spelling && strmap_get(resolve->front->tags, spelling)) {
		diag_error(resolve->diags, def->span, "%s is already defined", spelling);
		return NULL;
	}
	if (known && !known->is_complete && !known->source && !is_enum) {
		type = (struct type *)
			known; /* made here, by a pointer to it: nobody else has filled it in */
	} else {
		type = is_enum ? type_enum(resolve->types, name, 4, false)
			       : type_struct(resolve->types, name,
					     def->spelled->kind == SPELLED_UNION);
		if (spelling)
			type_define(resolve->types, spelling, type);
	}
	if (spelling)
		strmap_put(resolve->front->tags, spelling, def);
	return type;
}

static const struct type *define(struct resolve *resolve, struct node *def)
{
	const char *keyword = def->spelled->kind == SPELLED_ENUM    ? "enum"
			      : def->spelled->kind == SPELLED_UNION ? "union"
								    : "struct";
	struct type *type = tag(resolve, def, keyword);

	if (!type)
		return type_error();
	if (def->spelled->kind == SPELLED_ENUM)
		fill_enum(resolve, def, type);
	else
		fill_struct(resolve, def, type);
	return type;
}

void cdef_define(struct resolve *resolve, struct node *def)
{
	define(resolve, def);
}
