/*
 * DWARF's descriptions of types as types of the language. A struct is filled when it is first completed, so a script
 * pays for the structs on its way and no others. One that a unit only declares is looked for in the other units then.
 */
#include "lookup/dwarf.h"

enum {
	MEMBERS_MAX = 1 << 16,
	VALUES_MAX = 1 << 16,
	ARRAY_BYTES_MAX = 1 << 28,
};

/* --- reading DIEs --- */

uint64_t dwarf_number(const struct dwarf_file *file, Dwarf_Die *die, unsigned name,
		      uint64_t missing)
{
	Dwarf_Attribute attr;
	Dwarf_Word value;

	if (!file->dw->dwarf_attr_integrate(die, name, &attr) ||
	    file->dw->dwarf_formudata(&attr, &value) != 0)
		return missing;
	return value;
}

bool dwarf_has(const struct dwarf_file *file, Dwarf_Die *die, unsigned name)
{
	Dwarf_Attribute attr;

	return file->dw->dwarf_attr(die, name, &attr) != NULL;
}

bool dwarf_type_of(const struct dwarf_file *file, Dwarf_Die *die, Dwarf_Die *type)
{
	Dwarf_Attribute attr;

	return file->dw->dwarf_attr_integrate(die, DW_AT_type, &attr) &&
	       file->dw->dwarf_formref_die(&attr, type);
}

static bool is_modifier(int tag)
{
	return tag == DW_TAG_const_type || tag == DW_TAG_volatile_type ||
	       tag == DW_TAG_restrict_type || tag == DW_TAG_atomic_type ||
	       tag == DW_TAG_packed_type || tag == DW_TAG_shared_type ||
	       tag == DW_TAG_immutable_type;
}

bool dwarf_strip(const struct dwarf_file *file, Dwarf_Die *type)
{
	for (unsigned i = 0; i < DWARF_DEPTH_MAX; i++) {
		int tag = file->dw->dwarf_tag(type);

		if (!is_modifier(tag) && tag != DW_TAG_typedef)
			return true;
		if (!dwarf_type_of(file, type, type))
			return false;
	}
	return false;
}

bool dwarf_is_member(const struct dwarf_file *file, Dwarf_Die *die)
{
	int tag = file->dw->dwarf_tag(die);

	if (tag == DW_TAG_inheritance)
		return !dwarf_number(file, die, DW_AT_virtuality, 0);
	/* Static members of C++ lie elsewhere. */
	return tag == DW_TAG_member && !dwarf_has(file, die, DW_AT_external) &&
	       !dwarf_has(file, die, DW_AT_declaration);
}

/* DWARF 2 and 3 write the offset as an expression: DW_OP_plus_uconst and a number. */
static bool byte_offset(const struct dwarf_file *file, Dwarf_Die *member, uint64_t *bytes)
{
	Dwarf_Attribute attr;
	Dwarf_Op *ops;
	size_t n;

	*bytes = 0;
	if (!file->dw->dwarf_attr(member, DW_AT_data_member_location, &attr))
		return true; /* of a union */
	if (file->dw->dwarf_formudata(&attr, bytes) == 0)
		return true;
	if (file->dw->dwarf_getlocation(&attr, &ops, &n) != 0 || n != 1 ||
	    ops[0].atom != DW_OP_plus_uconst)
		return false;
	*bytes = ops[0].number;
	return true;
}

bool dwarf_place(const struct dwarf_file *file, Dwarf_Die *member, uint64_t *at, uint32_t *bits)
{
	uint64_t bytes, width = dwarf_number(file, member, DW_AT_bit_size, 0), unit, from_top;

	*bits = width <= 64 ? (uint32_t)width : 0;
	if (!byte_offset(file, member, &bytes) || bytes > UINT32_MAX)
		return false;
	*at = 8 * bytes;
	if (!*bits)
		return true;
	if (dwarf_has(file, member, DW_AT_data_bit_offset)) {
		*at += dwarf_number(file, member, DW_AT_data_bit_offset, 0);
	} else if (dwarf_has(file, member,
			     DW_AT_bit_offset)) { /* before DWARF 4: from the other end */
		unit = 8 * dwarf_number(file, member, DW_AT_byte_size, 4);
		from_top = dwarf_number(file, member, DW_AT_bit_offset, 0);
		if (from_top + *bits > unit)
			return false;
		*at += unit - from_top - *bits;
	}
	return *at / 8 <= UINT32_MAX;
}

static uint64_t subrange_count(const struct dwarf_file *file, Dwarf_Die *range)
{
	uint64_t last;

	if (dwarf_has(file, range, DW_AT_count))
		return dwarf_number(file, range, DW_AT_count, 0);
	last = dwarf_number(file, range, DW_AT_upper_bound, UINT64_MAX);
	return last >= INT32_MAX ? 0 : last + 1; /* also -1, of arrays without elements */
}

uint64_t dwarf_count(const struct dwarf_file *file, Dwarf_Die *array)
{
	uint64_t count = 1;
	Dwarf_Die range;

	if (file->dw->dwarf_child(array, &range) != 0)
		return 0;
	do {
		if (file->dw->dwarf_tag(&range) != DW_TAG_subrange_type)
			continue;
		count *= subrange_count(file, &range);
		if (count > ARRAY_BYTES_MAX)
			return 0;
	} while (file->dw->dwarf_siblingof(&range, &range) == 0);
	return count;
}

/* --- scalars --- */

/* What has no integer of its size is shown as an array of smaller ones; so are the bytes of float and double. */
static const struct type *convert_number(struct dwarf_file *file, uint64_t size, bool is_signed)
{
	if (size == 1 || size == 2 || size == 4 || size == 8)
		return type_int((uint32_t)size, is_signed);
	if (!size || size > 64)
		return type_none();
	if (size % 8 == 0)
		return type_array(file->lookup->types, type_u64(), (uint32_t)size / 8);
	return type_array(file->lookup->types, type_int(1, false), (uint32_t)size);
}

static const struct type *convert_base(struct dwarf_file *file, Dwarf_Die *die)
{
	uint64_t size = dwarf_number(file, die, DW_AT_byte_size, 0);
	uint64_t encoding = dwarf_number(file, die, DW_AT_encoding, 0);

	if (encoding == DW_ATE_boolean && size == 1)
		return type_bool();
	return convert_number(file, size,
			      encoding == DW_ATE_signed || encoding == DW_ATE_signed_char);
}

/* Its own, or that of the typedef through which one without a name was reached. In the arena; NULL: none. */
static const char *tag_name(struct dwarf_file *file, Dwarf_Die *die)
{
	const char *name = file->dw->dwarf_diename(die);

	if (!name)
		name = file->typedef_name;
	file->typedef_name = NULL;
	return name ? arena_strdup(file->lookup->arena, name) : NULL;
}

/* Headers give units the same type again and again: name, size and line tell it. NULL: it has no name. */
static const char *tag_key(struct dwarf_file *file, Dwarf_Die *die, const char *name)
{
	uint64_t size = dwarf_number(file, die, DW_AT_byte_size, 0);
	uint64_t line = dwarf_number(file, die, DW_AT_decl_line, 0);

	if (!name)
		return NULL;
	return arena_printf(file->lookup->arena, "%x %s %llu @%llu",
			    (unsigned)file->dw->dwarf_tag(die), name, (unsigned long long)size,
			    (unsigned long long)line);
}

/* Negative numbers have a form that says so; the others are not extended. */
static bool enumerator_value(struct dwarf_file *file, Dwarf_Die *die, int64_t *value)
{
	Dwarf_Attribute attr;
	Dwarf_Word word = 0;
	Dwarf_Sword sword = 0;
	unsigned form;

	if (!file->dw->dwarf_attr(die, DW_AT_const_value, &attr))
		return false;
	form = file->dw->dwarf_whatform(&attr);
	if (form == DW_FORM_sdata || form == DW_FORM_implicit_const) {
		*value = file->dw->dwarf_formsdata(&attr, &sword) == 0 ? (int64_t)sword : 0;
		return sword < 0;
	}
	*value = file->dw->dwarf_formudata(&attr, &word) == 0 ? (int64_t)word : 0;
	return false;
}

static const struct type *convert_enum(struct dwarf_file *file, Dwarf_Die *die)
{
	const struct libdw *dw = file->dw;
	struct arena *arena = file->lookup->arena;
	uint64_t size = dwarf_number(file, die, DW_AT_byte_size, 4);
	const char *name = tag_name(file, die), *key = tag_key(file, die, name);
	VEC(struct enumerator) values = { 0 };
	Dwarf_Die child, base;
	struct type *type;
	bool is_signed = false;

	if (key && strmap_get(file->same, key))
		return strmap_get(file->same, key);
	if (size != 1 && size != 2 && size != 8)
		size = 4;
	if (dw->dwarf_child(die, &child) == 0)
		do {
			struct enumerator value = { .name = dw->dwarf_diename(&child) };

			if (dw->dwarf_tag(&child) != DW_TAG_enumerator || !value.name)
				continue;
			value.name = arena_strdup(arena, value.name);
			is_signed |= enumerator_value(file, &child, &value.value);
			vec_push(arena, &values, value);
		} while (values.n < VALUES_MAX && dw->dwarf_siblingof(&child, &child) == 0);
	if (dwarf_type_of(file, die, &base) && dwarf_strip(file, &base))
		is_signed |= dwarf_number(file, &base, DW_AT_encoding, 0) == DW_ATE_signed;
	type = type_enum(file->lookup->types, NULL, (uint32_t)size, is_signed);
	type->name = name;
	type->values = values.data;
	type->n_values = (unsigned)values.n;
	type->is_complete = true;
	if (key)
		strmap_put(file->same, key, type);
	return type;
}

/* --- structs, pointers, arrays --- */

/* The struct without its fields. */
static const struct type *convert_struct(struct dwarf_file *file, Dwarf_Die *die)
{
	const char *name = tag_name(file, die), *key = tag_key(file, die, name);
	bool is_union = file->dw->dwarf_tag(die) == DW_TAG_union_type;
	uint64_t size = dwarf_number(file, die, DW_AT_byte_size, 0);
	struct type *type = key ? strmap_get(file->same, key) : NULL;

	if (type)
		return type;
	type = type_struct(file->lookup->types, NULL, is_union);
	type->name = name;
	type->size = size <= ARRAY_BYTES_MAX ? (uint32_t)size : 0;
	type->source = file;
	vec_push(file->lookup->arena, &file->dies, *die);
	type->source_id = (uint32_t)file->dies.n;
	if (key)
		strmap_put(file->same, key, type);
	return type;
}

static const struct type *convert_ptr(struct dwarf_file *file, Dwarf_Die *die)
{
	const struct type *to = type_none();
	Dwarf_Die pointee;

	if (dwarf_type_of(file, die, &pointee))
		to = dwarf_type(file, &pointee);
	return type_ptr(file->lookup->types, to, SPACE_USER);
}

/* The dimensions stand in the order of the source, so the last is the innermost. */
static const struct type *convert_array(struct dwarf_file *file, Dwarf_Die *die)
{
	uint64_t dim[8];
	const struct type *type = type_none();
	Dwarf_Die element, range;
	unsigned n = 0;

	if (dwarf_type_of(file, die, &element))
		type = dwarf_type(file, &element);
	if (file->dw->dwarf_child(die, &range) == 0)
		do
			if (file->dw->dwarf_tag(&range) == DW_TAG_subrange_type)
				dim[n++] = subrange_count(file, &range);
		while (n < 8 && file->dw->dwarf_siblingof(&range, &range) == 0);
	for (unsigned i = n; i-- > 0;) {
		uint64_t count = type->size ? dim[i] : 0;

		if (count > ARRAY_BYTES_MAX || count * type->size > ARRAY_BYTES_MAX)
			count = 0;
		type = type_array(file->lookup->types, type, (uint32_t)count);
	}
	return type;
}

/* Structs without a name take the typedef's, so that messages can name them. */
static const struct type *convert_typedef(struct dwarf_file *file, Dwarf_Die *die)
{
	const struct type *type = type_none();
	Dwarf_Die of;
	int tag;

	if (!dwarf_type_of(file, die, &of))
		return type;
	tag = file->dw->dwarf_tag(&of);
	if ((tag == DW_TAG_structure_type || tag == DW_TAG_union_type || tag == DW_TAG_class_type ||
	     tag == DW_TAG_enumeration_type) &&
	    !file->dw->dwarf_diename(&of))
		file->typedef_name = file->dw->dwarf_diename(die);
	type = dwarf_type(file, &of);
	file->typedef_name = NULL;
	return type;
}

static const struct type *convert_kind(struct dwarf_file *file, Dwarf_Die *die)
{
	Dwarf_Die of;

	switch (file->dw->dwarf_tag(die)) {
	case DW_TAG_base_type:
		return convert_base(file, die);
	case DW_TAG_enumeration_type:
		return convert_enum(file, die);
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
		return convert_struct(file, die);
	case DW_TAG_pointer_type:
	case DW_TAG_reference_type:
	case DW_TAG_rvalue_reference_type:
		return convert_ptr(file, die);
	case DW_TAG_array_type:
		return convert_array(file, die);
	case DW_TAG_typedef:
		return convert_typedef(file, die);
	case DW_TAG_unspecified_type: /* nullptr_t */
	case DW_TAG_ptr_to_member_type:
		return type_u64();
	case DW_TAG_subrange_type:
		return convert_number(file, dwarf_number(file, die, DW_AT_byte_size, 8), false);
	default:
		if (is_modifier(file->dw->dwarf_tag(die)) && dwarf_type_of(file, die, &of))
			return dwarf_type(file, &of);
		return type_none(); /* functions, and what is younger than this program */
	}
}

const struct type *dwarf_type(struct dwarf_file *file, Dwarf_Die *die)
{
	const struct type *type;
	char key[32];

	if (!die || file->depth >= DWARF_DEPTH_MAX)
		return type_none();
	snprintf(key, sizeof(key), "%p", die->addr);
	type = strmap_get(file->by_die, key);
	if (type)
		return type;
	file->depth++;
	type = convert_kind(file, die);
	file->depth--;
	strmap_put(file->by_die, key, (void *)type);
	return type;
}

/* --- completing structs --- */

static bool is_filling(const struct dwarf_file *file, const struct type *type)
{
	for (size_t i = 0; i < file->filling.n; i++)
		if (file->filling.data[i] == type)
			return true;
	return false;
}

/* Members by value are completed, so that the whole can be decoded. false: it cannot be. */
static bool complete_member(struct dwarf_file *file, const struct type *type)
{
	while (type->kind == TYPE_ARRAY)
		type = type->base;
	if (type->kind != TYPE_STRUCT)
		return true;
	if (is_filling(file, type) || file->filling.n >= DWARF_DEPTH_MAX || !type->size)
		return type->size == 0 && type->is_complete;
	dwarf_complete((struct type *)type);
	return type->is_complete;
}

static bool fill_field(struct dwarf_file *file, const struct type *of, Dwarf_Die *member,
		       struct field *field)
{
	const char *name = file->dw->dwarf_diename(member);
	uint32_t bits;
	uint64_t at;
	Dwarf_Die type;

	if (!dwarf_is_member(file, member) || !dwarf_place(file, member, &at, &bits) ||
	    !dwarf_type_of(file, member, &type))
		return false;
	*field = (struct field){ .type = dwarf_type(file, &type), .offset = (uint32_t)(at / 8) };
	if (name && file->dw->dwarf_tag(member) == DW_TAG_member)
		field->name = arena_strdup(file->lookup->arena, name);
	if (field->type->kind == TYPE_NONE || !complete_member(file, field->type))
		return false;
	if (bits && at <= UINT32_MAX)
		field_place_bits(field, (uint32_t)at, bits, of->size);
	if (!field->name && field->type->kind != TYPE_STRUCT)
		return false;
	return (uint64_t)field->offset + field->type->size <= of->size;
}

static void fill_struct(struct dwarf_file *file, struct type *type, Dwarf_Die *die)
{
	struct arena *arena = file->lookup->arena;
	VEC(struct field) fields = { 0 };
	uint32_t align = 1;
	Dwarf_Die member;

	vec_push(arena, &file->filling, type);
	if (file->dw->dwarf_child(die, &member) == 0)
		do {
			const struct type *inner;
			struct field field;

			if (!fill_field(file, type, &member, &field))
				continue;
			vec_push(arena, &fields, field);
			for (inner = field.type; inner->kind == TYPE_ARRAY;)
				inner = inner->base;
			if (inner->align > align && field.offset % inner->align == 0)
				align = inner->align;
		} while (fields.n < MEMBERS_MAX &&
			 file->dw->dwarf_siblingof(&member, &member) == 0);
	file->filling.n--;
	type->fields = fields.data;
	type->n_fields = (unsigned)fields.n;
	type->align = type->size % align ? 1 : align;
	type->is_complete = true;
}

void dwarf_complete(struct type *type)
{
	struct dwarf_file *file = type->source;
	const struct type *found;
	Dwarf_Die *die, own;

	if (type->is_complete || !type->source_id || type->source_id > file->dies.n)
		return;
	die = &file->dies.data[type->source_id - 1];
	if (dwarf_has(file, die, DW_AT_declaration)) {
		found = type->name
				? lookup_user_type(file->lookup, file->path,
						   arena_printf(file->lookup->arena, "%s %s",
								type->is_union ? "union" : "struct",
								type->name))
				: NULL;
		if (!found || found == type || !found->is_complete)
			return;
		type->size = found->size;
		type->align = found->align;
		type->fields = found->fields;
		type->n_fields = found->n_fields;
		type->is_complete = true;
		return;
	}
	own = *die; /* the list of them may move */
	fill_struct(file, type, &own);
}
