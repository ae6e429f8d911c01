/*
 * Types as they are written in a script, in casts, `let` and C definitions. Nothing is defined here (cdef.c
 * does that) and no expression is looked into: typeof asks whoever knows types of expressions.
 */
#include "parser/spelled.h"

#include <string.h>

#include "base/strmap.h"

/* C names for the integer types, and the kernel's. `unsigned long` and its like are counted together below. */
static const struct int_name {
	const char *name;
	uint32_t size;
	bool is_signed;
} int_names[] = {
	{ "int8", 1, true },	  { "int16", 2, true },	     { "int32", 4, true },
	{ "int64", 8, true },	  { "uint8", 1, false },     { "uint16", 2, false },
	{ "uint32", 4, false },	  { "uint64", 8, false },    { "int8_t", 1, true },
	{ "int16_t", 2, true },	  { "int32_t", 4, true },    { "int64_t", 8, true },
	{ "uint8_t", 1, false },  { "uint16_t", 2, false },  { "uint32_t", 4, false },
	{ "uint64_t", 8, false }, { "s8", 1, true },	     { "s16", 2, true },
	{ "s32", 4, true },	  { "s64", 8, true },	     { "u8", 1, false },
	{ "u16", 2, false },	  { "u32", 4, false },	     { "u64", 8, false },
	{ "__s8", 1, true },	  { "__s16", 2, true },	     { "__s32", 4, true },
	{ "__s64", 8, true },	  { "__u8", 1, false },	     { "__u16", 2, false },
	{ "__u32", 4, false },	  { "__u64", 8, false },     { "__le16", 2, false },
	{ "__le32", 4, false },	  { "__le64", 8, false },    { "__be16", 2, false },
	{ "__be32", 4, false },	  { "__be64", 8, false },    { "size_t", 8, false },
	{ "ssize_t", 8, true },	  { "uintptr_t", 8, false }, { "intptr_t", 8, true },
	{ "pid_t", 4, true },	  { "uid_t", 4, false },     { "gid_t", 4, false },
	{ "off_t", 8, true },	  { "time_t", 8, true },     { "uint", 4, false },
	{ "ulong", 8, false },	  { "ushort", 2, false },    { "socklen_t", 4, false },
};

/* Words of a C integer type in any order: "unsigned long int". Floats keep their size as raw bits. */
static const struct type *c_words_type(const char *name)
{
	unsigned n_long = 0, n_short = 0, n_char = 0, n_other = 0, n_words = 0, n_float = 0,
		 n_double = 0;
	bool is_unsigned = false;

	while (*name) {
		size_t len = strcspn(name, " \t");

#define WORD(text) (len == sizeof(text) - 1 && !memcmp(name, text, len))
		if (WORD("unsigned"))
			is_unsigned = true;
		else if (WORD("long"))
			n_long++;
		else if (WORD("short"))
			n_short++;
		else if (WORD("char"))
			n_char++;
		else if (WORD("float"))
			n_float++;
		else if (WORD("double"))
			n_double++;
		else if (!WORD("int") && !WORD("signed") && !WORD("const") && !WORD("volatile"))
			n_other++;
#undef WORD
		n_words += len > 0;
		name += len;
		name += strspn(name, " \t");
	}
	if (n_other || !n_words)
		return NULL;
	if (n_float || n_double)
		return type_int(n_double ? 8 : 4, false);
	return type_int(n_char ? 1 : n_short ? 2 : n_long ? 8 : 4, !is_unsigned);
}

static const struct type *builtin_name(const struct spelling *s, const char *name)
{
	const struct named_type *named;

	if (!strcmp(name, "void"))
		return type_none();
	if (!strcmp(name, "bool") || !strcmp(name, "_Bool"))
		return type_bool();
	if (!strcmp(name, "string"))
		return type_str(s->types, s->max_strlen);
	if (!strcmp(name, "buffer"))
		return type_buf(s->types, s->max_strlen);
	for (size_t i = 0; i < sizeof(int_names) / sizeof(int_names[0]); i++)
		if (!strcmp(name, int_names[i].name))
			return type_int(int_names[i].size, int_names[i].is_signed);
	named = s->registry ? registry_named_type(s->registry, name) : NULL;
	return named ? type_named(s->types, named, type_u64(), 0, NULL) : c_words_type(name);
}

struct type_search {
	struct arena *arena;
	struct nearest nearest; /* of the name without its keyword */
	const char *keyword;	/* begins with "struct " and the like, */
	size_t skip;		/* this many bytes of it */
};

/* The spelling lives as long as this call: what is near enough is copied. */
static void try_candidate(void *arg, const char *spelling)
{
	struct type_search *search = arg;
	const char *name = spelling + search->skip;

	if (strncmp(spelling, search->keyword, search->skip) != 0)
		return;
	nearest_try(&search->nearest, name);
	if (search->nearest.best == name)
		search->nearest.best = arena_strdup(search->arena, name);
}

static const struct type *unknown(const struct spelling *s, const struct spelled *spelled,
				  const char *spelling)
{
	struct type_search search = { .arena = s->arena };
	bool has_btf = s->lookup && lookup_has_btf(s->lookup);

	diag_error(s->diags, spelled->span, "unknown type '%s'", spelling);
	search.skip = strlen(spelling) - strlen(spelled->name);
	search.keyword = spelling;
	nearest_init(&search.nearest, spelled->name);
	if (!search.skip) {
		for (size_t i = 0; i < sizeof(int_names) / sizeof(int_names[0]); i++)
			nearest_try(&search.nearest, int_names[i].name);
		nearest_try(&search.nearest, "string");
		nearest_try(&search.nearest, "buffer");
	}
	if (!search.nearest.best && has_btf)
		lookup_each_type(s->lookup, try_candidate, &search);
	if (s->lookup && s->path && !lookup_user_type(s->lookup, s->path, spelling))
		diag_hint(s->diags, "%s", lookup_error(s->lookup));
	if (search.nearest.best) {
		diag_hint_nearest(s->diags, arena_printf(s->arena, "%.*s%s", (int)search.skip,
							 spelling, search.nearest.best));
		return type_error();
	}
	if (s->lookup && !has_btf)
		diag_hint(s->diags, "%s", lookup_error(s->lookup));
	diag_hint(s->diags, "define it in the script, before the first probe: %s { ... };",
		  spelling);
	return type_error();
}

/* What somebody else than the script defines. */
static const struct type *found_type(const struct spelling *s, const char *spelling)
{
	const struct type *type = NULL;

	if (s->lookup)
		type = lookup_kernel_type(s->lookup, spelling);
	if (!type && s->lookup && s->path)
		type = lookup_user_type(s->lookup, s->path, spelling);
	return type;
}

static const struct type *tag_type(const struct spelling *s, const struct spelled *spelled,
				   const char *keyword)
{
	const char *spelling = arena_printf(s->arena, "%s %s", keyword, spelled->name);
	const struct type *type = type_find(s->types, spelling);

	if (!type)
		type = found_type(s, spelling);
	if (type)
		return type;
	if (s->forward && spelled->pointers && spelled->kind != SPELLED_ENUM)
		return type_struct(s->types, spelled->name, spelled->kind == SPELLED_UNION);
	return unknown(s, spelled, spelling);
}

static const struct type *name_type(const struct spelling *s, const struct spelled *spelled)
{
	const struct type *type = builtin_name(s, spelled->name);

	if (!type)
		type = type_find(s->types, spelled->name);
	if (!type)
		type = found_type(s, spelled->name);
	if (type)
		return type;
	for (int i = 0; i < 3; i++) {
		static const char *const keyword[] = { "struct", "union", "enum" };
		const char *spelling = arena_printf(s->arena, "%s %s", keyword[i], spelled->name);

		if (!type_find(s->types, spelling))
			continue;
		diag_error(s->diags, spelled->span, "unknown type '%s'", spelled->name);
		diag_hint(s->diags, "write '%s'", spelling);
		return type_error();
	}
	return unknown(s, spelled, spelled->name);
}

const struct type *spelled_declarator(const struct spelling *s, const struct spelled *spelled,
				      const struct type *type)
{
	for (unsigned i = 0; i < spelled->pointers; i++)
		type = type_ptr(s->types, type, s->space);
	for (unsigned i = spelled->dims; i > 0; i--) {
		uint32_t n = spelled->dim[i - 1];

		if (n == UINT32_MAX) {
			diag_error(s->diags, spelled->span,
				   "not supported yet: an array type without a size");
			return type_error();
		}
		if (type->kind == TYPE_NONE || (uint64_t)type->size * n > (1u << 20)) {
			diag_error(s->diags, spelled->span, "an array of %u '%s' is not possible",
				   n, type_spell(s->arena, type));
			return type_error();
		}
		type = type_array(s->types, type, n);
	}
	return type;
}

/* string[N] and buffer[N]: the dimension is the room, not a number of elements. */
static const struct type *sized_name(const struct spelling *s, const struct spelled *spelled)
{
	bool string;
	uint32_t n;

	if (spelled->kind != SPELLED_NAME || spelled->dims != 1 || spelled->pointers)
		return NULL;
	string = !strcmp(spelled->name, "string");
	if (!string && strcmp(spelled->name, "buffer"))
		return NULL;
	n = spelled->dim[0];
	if (n == UINT32_MAX)
		n = s->max_strlen;
	if (n == 0 || n > 65536) {
		diag_error(s->diags, spelled->span, "%s[%u]: the size must be between 1 and 65536",
			   spelled->name, n);
		return type_error();
	}
	return string ? type_str(s->types, n) : type_buf(s->types, n);
}

static const struct type *typeof_type(const struct spelling *s, const struct spelled *spelled)
{
	if (s->type_of && spelled->of)
		return s->type_of(s->arg, spelled->of);
	diag_error(s->diags, spelled->span, "typeof is not possible here");
	return type_error();
}

const struct type *spelled_type(const struct spelling *s, const struct spelled *spelled)
{
	const struct type *type = sized_name(s, spelled);

	if (type)
		return type;
	switch (spelled->kind) {
	case SPELLED_NAME:
		type = name_type(s, spelled);
		break;
	case SPELLED_STRUCT:
		type = tag_type(s, spelled, "struct");
		break;
	case SPELLED_UNION:
		type = tag_type(s, spelled, "union");
		break;
	case SPELLED_ENUM:
		type = tag_type(s, spelled, "enum");
		break;
	case SPELLED_TYPEOF:
		type = typeof_type(s, spelled);
		break;
	}
	return type->kind == TYPE_ERROR ? type : spelled_declarator(s, spelled, type);
}
