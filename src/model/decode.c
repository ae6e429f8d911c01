/*
 * Bytes to values, by their type. What a type cannot say by itself (symbols, aggregations) is
 * decoded by the hooks of its row. Bytes come from the kernel and are not trusted: no function
 * reads more than type->size of them, and what would lie outside becomes VALUE_NONE. Order and
 * text of values are value.c's.
 */
#include "model/value.h"

#include <stddef.h>
#include <string.h>

#include "bpf-runtime/abi.h"
#include "model/feature.h"
#include "model/plan.h"

static struct value decode_at(struct decode *decode, const struct type *type, const uint8_t *bytes,
			      size_t room);

static uint64_t sign_extend(uint64_t raw, unsigned bits)
{
	unsigned shift = 64 - bits;

	return (uint64_t)((int64_t)(raw << shift) >> shift);
}

/* Little-endian, as BPF and x86 store it; `size` is at most 8. */
static uint64_t load_unsigned(const uint8_t *bytes, uint32_t size)
{
	uint64_t raw = 0;

	memcpy(&raw, bytes, size);
	return raw;
}

/* Enumerators of one bit each, at least three: a mask, whose values are sums of them. */
static bool is_mask(const struct type *type)
{
	unsigned n = 0;

	for (unsigned i = 0; i < type->n_values; i++) {
		uint64_t bits = (uint64_t)type->values[i].value;

		if (bits & (bits - 1))
			return false;
		n += bits != 0;
	}
	return n >= 3;
}

/* "A|B", with the bits that have no name as a number at the end. */
static struct value mask_value(struct decode *decode, const struct type *type, uint64_t raw)
{
	const char *text = NULL;
	uint64_t rest = raw;
	struct value value;

	for (unsigned i = 0; i < type->n_values; i++) {
		uint64_t bit = (uint64_t)type->values[i].value;

		if (!(rest & bit))
			continue;
		text = text ? arena_printf(decode->arena, "%s|%s", text, type->values[i].name)
			    : type->values[i].name;
		rest &= ~bit;
	}
	if (!text)
		return type->is_signed ? value_int((int64_t)raw) : value_uint(raw);
	if (rest)
		text = arena_printf(decode->arena, "%s|0x%llx", text, (unsigned long long)rest);
	value = value_symbol(text, raw);
	value.enumerated = true;
	return value;
}

static struct value enum_value(struct decode *decode, const struct type *type, uint64_t raw)
{
	for (unsigned i = 0; i < type->n_values; i++) {
		if ((uint64_t)type->values[i].value != raw)
			continue;

		struct value value = value_symbol(type->values[i].name, raw);

		value.enumerated = true;
		return value;
	}
	if (is_mask(type))
		return mask_value(decode, type, raw);
	return type->is_signed ? value_int((int64_t)raw) : value_uint(raw);
}

/* A scalar from its bits, already extended by the type's sign. */
static struct value scalar_value(struct decode *decode, const struct type *type, uint64_t raw)
{
	switch (type->kind) {
	case TYPE_BOOL:
		return (struct value){ .kind = VALUE_BOOL, .u = raw != 0 };
	case TYPE_ENUM:
		return enum_value(decode, type, raw);
	case TYPE_PTR:
		return (struct value){ .kind = VALUE_PTR, .u = raw };
	case TYPE_INT:
		return type->is_signed ? value_int((int64_t)raw) : value_uint(raw);
	case TYPE_ERROR:
	case TYPE_NONE:
	case TYPE_STR:
	case TYPE_BUF:
	case TYPE_ARRAY:
	case TYPE_STRUCT:
	case TYPE_TUPLE:
	case TYPE_RECORD:
	case TYPE_NAMED:
	case TYPE_AGG:
		break;
	}
	return (struct value){ .kind = VALUE_NONE };
}

static struct value decode_scalar(struct decode *decode, const struct type *type,
				  const uint8_t *bytes)
{
	if (type->size == 0 || type->size > 8)
		return (struct value){ .kind = VALUE_NONE };

	uint64_t raw = load_unsigned(bytes, type->size);

	if (type->is_signed && (type->kind == TYPE_INT || type->kind == TYPE_ENUM))
		raw = sign_extend(raw, type->size * 8);
	return scalar_value(decode, type, raw);
}

/* Strings that were read with max_strlen bytes of room end with a mark when that was too little. */
static bool is_cut(const struct decode *decode, const uint8_t *bytes, size_t len)
{
	return decode->plan && len == decode->plan->max_strlen && bytes[len - 1] == JB_STR_CUT;
}

static struct value decode_text(struct decode *decode, const uint8_t *bytes, size_t size)
{
	size_t len = strnlen((const char *)bytes, size);
	bool cut = len && is_cut(decode, bytes, len);
	struct value value = value_str(arena_strndup(decode->arena, (const char *)bytes, len - cut),
				       (uint32_t)(len - cut));

	value.truncated = cut || (len == size && size > 0);
	if (value.truncated && decode->plan)
		value.trailer = decode->plan->trunc_trailer;
	return value;
}

static struct value decode_buf(struct decode *decode, const struct type *type, const uint8_t *bytes)
{
	const uint32_t head = offsetof(struct jb_buf, data);
	uint32_t room = type->size > head ? type->size - head : 0;
	uint32_t len = type->size >= head ? (uint32_t)load_unsigned(bytes, head) : 0;

	if (room > type->count)
		room = type->count;
	if (len > room)
		len = room;
	return (struct value){ .kind = VALUE_BYTES,
			       .text = arena_strndup(decode->arena,
						     (const char *)bytes + (len ? head : 0), len),
			       .len = len };
}

/* C's plain char; int8 and uint8 are numbers. */
static bool is_char(const struct type *type)
{
	return type->kind == TYPE_INT && type->size == 1 && type->is_signed &&
	       (!type->name || strcmp(type->name, "char") == 0);
}

static struct value decode_array(struct decode *decode, const struct type *type,
				 const uint8_t *bytes)
{
	const struct type *element = type->base;

	if (is_char(element))
		return decode_text(decode, bytes,
				   type->size < type->count ? type->size : type->count);

	struct value *items = arena_alloc(decode->arena, (size_t)type->count * sizeof(*items));

	for (uint32_t i = 0; i < type->count; i++) {
		size_t offset = (size_t)i * element->size;

		if (offset + element->size <= type->size)
			items[i] = decode_at(decode, element, bytes + offset, element->size);
	}
	return (struct value){ .kind = VALUE_ARRAY, .items = items, .len = type->count };
}

static struct value decode_bit_field(struct decode *decode, const struct field *field,
				     const uint8_t *bytes, size_t room)
{
	unsigned __int128 raw = 0;
	unsigned n_bytes = (field->bit_offset + field->bit_size + 7u) / 8;

	if (field->bit_size > 64 || n_bytes > room)
		return (struct value){ .kind = VALUE_NONE };
	memcpy(&raw, bytes, n_bytes);

	uint64_t bits = (uint64_t)(raw >> field->bit_offset);

	if (field->bit_size < 64)
		bits &= (1ULL << field->bit_size) - 1;

	const struct type *type = type_plain(field->type);

	if (type->is_signed)
		bits = sign_extend(bits, field->bit_size);
	return scalar_value(decode, type, bits);
}

/*
 * A tracepoint's string: `size` is of the whole record, which the low half of the field's u32
 * points into.
 */
static struct value decode_data_loc(struct decode *decode, const uint8_t *record, uint32_t offset,
				    size_t size)
{
	if (offset + 4 > size)
		return (struct value){ .kind = VALUE_NONE };

	uint32_t loc = (uint32_t)load_unsigned(record + offset, 4);
	uint32_t at = loc & 0xffff, len = loc >> 16;

	if (at + len > size)
		return (struct value){ .kind = VALUE_NONE };

	struct value value = decode_text(decode, record + at, len);

	value.truncated = false;
	return value;
}

static struct value decode_field(struct decode *decode, const struct field *field,
				 const uint8_t *record, uint32_t base, size_t size)
{
	size_t offset = (size_t)base + field->offset;

	if (field->data_loc)
		return decode_data_loc(decode, record, (uint32_t)offset, size);
	if (offset > size)
		return (struct value){ .kind = VALUE_NONE };
	if (field->bit_size)
		return decode_bit_field(decode, field, record + offset, size - offset);
	return decode_at(decode, field->type, record + offset, size - offset);
}

static bool is_anonymous(const struct field *field)
{
	return !field->name && !field->bit_size && field->type->kind == TYPE_STRUCT;
}

static uint32_t count_fields(const struct type *type, bool named)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < type->n_fields; i++) {
		const struct field *field = &type->fields[i];

		if (named && is_anonymous(field))
			n += count_fields(field->type, named);
		else if (!named || field->name)
			n++;
	}
	return n;
}

struct members {
	struct value *items;
	const char **names; /* NULL: a tuple */
	uint32_t n;
};

/* Members of anonymous structs and unions stand among those of the struct around them, as in C. */
static void decode_members(struct decode *decode, struct members *members, const struct type *type,
			   const uint8_t *record, uint32_t base, size_t size)
{
	for (unsigned i = 0; i < type->n_fields; i++) {
		const struct field *field = &type->fields[i];

		if (members->names && is_anonymous(field)) {
			decode_members(decode, members, field->type, record, base + field->offset,
				       size);
			continue;
		}
		if (members->names && !field->name)
			continue;
		members->items[members->n] = decode_field(decode, field, record, base, size);
		if (members->names)
			members->names[members->n] = field->name;
		members->n++;
	}
}

static struct value decode_struct(struct decode *decode, const struct type *type,
				  const uint8_t *bytes)
{
	bool named = type->kind != TYPE_TUPLE;
	uint32_t n = count_fields(type, named);
	struct members members = { .items =
					   arena_alloc(decode->arena, n * sizeof(*members.items)) };

	if (named)
		members.names = arena_alloc(decode->arena, n * sizeof(*members.names));
	decode_members(decode, &members, type, bytes, 0, type->size);
	return (struct value){ .kind = named ? VALUE_RECORD : VALUE_TUPLE,
			       .items = members.items,
			       .names = members.names,
			       .len = members.n };
}

static struct value decode_aggregate(struct decode *decode, const struct type *type,
				     const void *state)
{
	struct value value = { .kind = VALUE_NONE };

	if (type->aggregate && type->aggregate->value)
		value = type->aggregate->value(decode, type, state);
	value.aggregated = true;
	return value;
}

static struct value decode_at(struct decode *decode, const struct type *type, const uint8_t *bytes,
			      size_t room)
{
	if (type->size > room)
		return (struct value){ .kind = VALUE_NONE };
	switch (type->kind) {
	case TYPE_ERROR:
	case TYPE_NONE:
		break;
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_ENUM:
	case TYPE_PTR:
		return decode_scalar(decode, type, bytes);
	case TYPE_STR:
		return decode_text(decode, bytes, type->size);
	case TYPE_BUF:
		return decode_buf(decode, type, bytes);
	case TYPE_ARRAY:
		return decode_array(decode, type, bytes);
	case TYPE_STRUCT:
	case TYPE_TUPLE:
	case TYPE_RECORD:
		return decode_struct(decode, type, bytes);
	case TYPE_NAMED:
		if (type->named && type->named->decode)
			return type->named->decode(decode, type, bytes);
		return type->base ? decode_at(decode, type->base, bytes, room)
				  : (struct value){ .kind = VALUE_NONE };
	case TYPE_AGG:
		return decode_aggregate(decode, type, bytes);
	}
	return (struct value){ .kind = VALUE_NONE };
}

struct value value_decode(struct decode *decode, const struct type *type, const void *bytes)
{
	return decode_at(decode, type, bytes, type->size);
}
