/*
 * The questions of lookup.h about programs and libraries with debug information: the parameters of a function, and types
 * by their names. A file is opened, and libdw loaded, when the first question about it is asked.
 */
#include "lookup/dwarf.h"

#include <errno.h>

enum { WORDS_MAX = 6, VECTORS_MAX = 8, PARAMS_MAX = 255, NAMESPACES_MAX = 16 };

struct dwarf_facts {
	struct strmap *files; /* path -> struct dwarf_file */
};

void dwarf_facts_free(struct dwarf_facts *facts)
{
	for (size_t i = 0; facts && i < strmap_len(facts->files); i++) {
		struct dwarf_file *file;
		void *found;

		strmap_at(facts->files, i, &found);
		file = found;
		source_close(file->source);
		file->source = NULL;
		file->dies.n = 0; /* nothing can be completed any more */
	}
}

void lookup_settle(struct lookup *lookup)
{
	dwarf_facts_free(lookup->dwarf);
	lookup->dwarf = NULL;
}

/* --- files --- */

static void open_file(struct dwarf_file *file)
{
	struct arena *arena = file->lookup->arena;
	const char *why = NULL;

	file->source = source_open_or(file->path, &why);
	if (!file->source) {
		file->error = arena_printf(arena, "%s %s", file->path, why);
		return;
	}
	file->dw = source_libdw(file->source);
	file->by_die = strmap_new(arena);
	file->same = strmap_new(arena);
	file->spellings = strmap_new(arena);
	file->protos = strmap_new(arena);
}

/* NULL with lookup_error when there is no debug information. */
static struct dwarf_file *file_of(struct lookup *lookup, const char *path)
{
	struct dwarf_file *file;

	if (!lookup->dwarf) {
		lookup->dwarf = arena_new_of(lookup->arena, struct dwarf_facts);
		lookup->dwarf->files = strmap_new(lookup->arena);
	}
	file = strmap_get(lookup->dwarf->files, path);
	if (!file) {
		file = arena_new_of(lookup->arena, struct dwarf_file);
		file->lookup = lookup;
		file->path = arena_strdup(lookup->arena, path);
		strmap_put(lookup->dwarf->files, path, file);
		open_file(file);
	}
	if (!file->error)
		return file;
	lookup->error = file->error;
	return NULL;
}

static bool find_address(struct lookup *lookup, const char *path, uint64_t offset,
			 uint64_t *address)
{
	const struct elf_file *elf = (const struct elf_file *)lookup_elf(lookup, path);
	const struct elf_segment *segment;

	if (!elf)
		return false;
	vec_each (segment, &elf->segments)
		if (offset >= segment->offset && offset - segment->offset < segment->size) {
			*address = segment->address + (offset - segment->offset);
			return true;
		}
	return false;
}

/* --- parameters --- */

/* What is taken of the registers and of the stack so far. */
struct used {
	unsigned words, vectors;
	uint64_t stack;
};

static uint32_t place_on_stack(struct used *used, const struct passing *passing, uint64_t size)
{
	uint32_t place;

	if (passing->is_wide)
		used->stack = (used->stack + 15) / 16 * 16;
	place = USER_ARG_STACK + (uint32_t)used->stack;
	if (used->stack + size >= USER_ARG_STACK)
		return USER_ARG_STRUCT;
	used->stack += (size + 7) / 8 * 8;
	return passing->is_aggregate ? USER_ARG_STRUCT : place;
}

/* Registers are taken by the whole of a value or not at all. */
static uint32_t place_param(struct used *used, const struct passing *passing, uint64_t size)
{
	uint32_t place = 8 * used->words;

	if (passing->memory || used->words + passing->words > WORDS_MAX ||
	    used->vectors + passing->vectors > VECTORS_MAX) {
		place = place_on_stack(used, passing, size);
		return passing->memory ? USER_ARG_STRUCT : place;
	}
	used->words += passing->words;
	used->vectors += passing->vectors;
	if (passing->is_aggregate && !passing->reference)
		return USER_ARG_STRUCT;
	if (passing->vectors || !passing->words)
		return USER_ARG_VECTOR;
	return passing->words == 1 ? place : USER_ARG_STRUCT;
}

static void add_param(struct dwarf_file *file, Dwarf_Die *die, unsigned number, struct used *used,
		      struct field *field)
{
	struct types *types = file->lookup->types;
	const char *name = file->dw->dwarf_diename(die);
	struct passing passing;
	Dwarf_Die type;

	field->name = name ? arena_strdup(file->lookup->arena, name)
			   : arena_printf(file->lookup->arena, "arg%u", number);
	field->type = type_u64();
	field->offset = USER_ARG_STRUCT;
	if (!dwarf_type_of(file, die, &type))
		return;
	if (file->lookup->is_verbose)
		field->spelled = dwarf_spell(file, &type);
	passing = dwarf_passing(file, &type);
	field->type = dwarf_type(file, &type);
	if (field->type->kind == TYPE_ARRAY && passing.words == 1 && !passing.is_aggregate)
		field->type = type_ptr(types, field->type->base, SPACE_USER);
	if (passing.reference)
		field->type = type_ptr(types, field->type, SPACE_USER);
	field->offset = place_param(used, &passing, field->type->size);
	if (field->offset < USER_ARG_STRUCT && !type_is_scalar(field->type))
		field->offset = USER_ARG_STRUCT;
}

/* Functions with the same parameters get the same type, so that they can share a program. */
static const struct type *share_shape(struct dwarf_file *file, const struct field *fields,
				      unsigned n)
{
	struct buf key = { 0 };
	struct type *type;

	buf_puts(&key, "args ");
	for (unsigned i = 0; i < n; i++)
		buf_printf(&key, "%s %p %u;", fields[i].name, (const void *)fields[i].type,
			   fields[i].offset);
	type = strmap_get(file->same, key.data);
	if (!type) {
		type = type_registers(file->lookup->types, NULL, fields, n, n);
		type->name = "args";
		strmap_put(file->same, key.data, type);
	}
	buf_fini(&key);
	return type;
}

/* Of constructors GCC also lists an argument that exists in its own mind only. */
static bool is_param(const struct dwarf_file *file, Dwarf_Die *die)
{
	const char *name;

	if (file->dw->dwarf_tag(die) != DW_TAG_formal_parameter)
		return false;
	name = file->dw->dwarf_diename(die);
	return !name || strcmp(name, "__in_chrg") != 0;
}

static void add_params(struct dwarf_file *file, Dwarf_Die *function, struct used used,
		       struct user_proto *proto)
{
	VEC(struct field) fields = { 0 };
	struct field *field;
	Dwarf_Die child;

	if (file->dw->dwarf_child(function, &child) == 0)
		do {
			if (!is_param(file, &child))
				continue;
			field = vec_grow(file->lookup->arena, &fields);
			add_param(file, &child, (unsigned)fields.n - 1, &used, field);
		} while (fields.n < PARAMS_MAX && file->dw->dwarf_siblingof(&child, &child) == 0);
	proto->args = share_shape(file, fields.data, (unsigned)fields.n);
}

/* A result that does not fit into registers is written to where a hidden first argument points. */
static void read_result(struct dwarf_file *file, Dwarf_Die *function, struct used *used,
			struct user_proto *proto)
{
	struct passing passing;
	Dwarf_Die type;

	if (!dwarf_type_of(file, function, &type))
		return;
	passing = dwarf_passing(file, &type);
	if ((passing.memory && passing.is_aggregate) || passing.reference)
		used->words = 1;
	if (passing.is_aggregate)
		return;
	if (file->lookup->is_verbose)
		proto->spelled_result = dwarf_spell(file, &type);
	proto->result = dwarf_type(file, &type);
	if (!type_is_scalar(proto->result) || passing.vectors || passing.memory)
		proto->result = NULL;
}

/* A function's own DIE may say all by referring to what it is an instance of. */
static struct user_proto *read_function(struct dwarf_file *file, Dwarf_Die *function)
{
	struct user_proto *proto = arena_new_of(file->lookup->arena, struct user_proto);
	struct used used = { 0 };
	Dwarf_Attribute attr;
	Dwarf_Die origin;

	read_result(file, function, &used, proto);
	add_params(file, function, used, proto);
	if (!proto->args->n_fields &&
	    file->dw->dwarf_attr(function, DW_AT_abstract_origin, &attr) &&
	    file->dw->dwarf_formref_die(&attr, &origin))
		add_params(file, &origin, used, proto);
	return proto;
}

/* Copies for some callers may have fewer arguments, in other registers. */
static bool is_copy(const char *name)
{
	return name && (strstr(name, ".isra.") || strstr(name, ".constprop.") ||
			strstr(name, ".part.") || strstr(name, ".cold"));
}

/* Go passes arguments in registers of its own choice. */
static const char *refuse(const struct dwarf_file *file, Dwarf_Die *unit, const char *name)
{
	if (is_copy(name))
		return "is a copy that the compiler made for some callers, with arguments of its "
		       "own";
	if (dwarf_number(file, unit, DW_AT_language, 0) == DW_LANG_Go)
		return "is a function of Go, whose arguments lie elsewhere";
	return NULL;
}

static bool find_function(struct dwarf_file *file, uint64_t offset, const char *name,
			  Dwarf_Die *function)
{
	struct lookup *lookup = file->lookup;
	const char *shown = name ? name : "the function", *why;
	uint64_t address;
	Dwarf_Addr entry;
	Dwarf_Die unit;

	if (!find_address(lookup, file->path, offset, &address) ||
	    !source_function(file->source, address, &unit, function)) {
		lookup_fail(lookup, ENOENT, "the debug information of %s says nothing about %s",
			    file->path, shown);
		return false;
	}
	if (file->dw->dwarf_entrypc(function, &entry) != 0 || entry != address) {
		lookup_fail(lookup, EINVAL,
			    "this place is inside %s, and arguments are known at its entry only",
			    shown);
		return false;
	}
	why = refuse(file, &unit, name);
	if (why)
		lookup_fail(lookup, EINVAL, "%s %s", shown, why);
	return !why;
}

const struct user_proto *lookup_user_proto(struct lookup *lookup, const char *path, uint64_t offset,
					   const char *name)
{
	struct dwarf_file *file = file_of(lookup, path);
	struct user_proto *proto;
	Dwarf_Die function;
	char key[32];

	if (!file || !find_function(file, offset, name, &function))
		return NULL;
	snprintf(key, sizeof(key), "%p", function.addr);
	proto = strmap_get(file->protos, key);
	if (!proto) {
		proto = read_function(file, &function);
		strmap_put(file->protos, key, proto);
	}
	return proto;
}

/* --- types by name --- */

struct search {
	struct dwarf_file *file;
	const char *keyword; /* NULL: a typedef, or a type of the language */
	const char *name;
	Dwarf_Die found;
};

static bool tag_fits(const struct search *search, int tag)
{
	if (!search->keyword)
		return tag == DW_TAG_typedef || tag == DW_TAG_base_type || tag == DW_TAG_class_type;
	if (*search->keyword == 's')
		return tag == DW_TAG_structure_type || tag == DW_TAG_class_type;
	return tag == (*search->keyword == 'u' ? DW_TAG_union_type : DW_TAG_enumeration_type);
}

static bool search_in(struct search *search, Dwarf_Die *parent, unsigned depth)
{
	const struct libdw *dw = search->file->dw;
	Dwarf_Attribute attr;
	Dwarf_Die die;

	if (depth > NAMESPACES_MAX || dw->dwarf_child(parent, &die) != 0)
		return false;
	do {
		int tag = dw->dwarf_tag(&die);
		const char *name = tag_fits(search, tag) ? dw->dwarf_diename(&die) : NULL;

		if (name && !strcmp(name, search->name) &&
		    !dw->dwarf_attr(&die, DW_AT_declaration, &attr)) {
			search->found = die;
			return true;
		}
		if (tag == DW_TAG_namespace && search_in(search, &die, depth + 1))
			return true;
	} while (dw->dwarf_siblingof(&die, &die) == 0);
	return false;
}

static bool search_units(struct search *search)
{
	const struct libdw *dw = search->file->dw;
	Dwarf *dwarf = source_dwarf(search->file->source);
	Dwarf_Off at = 0, next;
	Dwarf_Die unit;
	size_t head;

	for (; dw->dwarf_nextcu(dwarf, at, &next, &head, NULL, NULL, NULL) == 0 && next > at;
	     at = next)
		if (dw->dwarf_offdie(dwarf, at + head, &unit) && search_in(search, &unit, 0))
			return true;
	return false;
}

static struct search search_for(struct dwarf_file *file, const char *spelling)
{
	static const char *const keywords[] = { "struct ", "union ", "enum " };
	struct search search = { .file = file, .name = spelling };

	for (int i = 0; i < 3; i++)
		if (!strncmp(spelling, keywords[i], strlen(keywords[i]))) {
			search.keyword = keywords[i];
			search.name = spelling + strlen(keywords[i]);
		}
	return search;
}

const struct type *lookup_user_type(struct lookup *lookup, const char *path, const char *spelling)
{
	struct dwarf_file *file = file_of(lookup, path);
	const struct type *type;
	struct search search;

	if (!file)
		return NULL;
	type = strmap_get(file->spellings, spelling);
	if (!type) {
		search = search_for(file, spelling);
		type = search_units(&search) ? dwarf_type(file, &search.found) : type_error();
		strmap_put(file->spellings, spelling, (void *)type);
	}
	if (type->kind == TYPE_ERROR) {
		lookup_fail(lookup, ENOENT, "%s has no type '%s'", path, spelling);
		return NULL;
	}
	lookup_complete(lookup, type);
	return type;
}
