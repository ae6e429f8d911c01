/*
 * A traced program's file: symbols, segments, C++ names, the place of its debug file, source lines, static probes,
 * parameters and types.
 */
#include <assert.h>

#include "fuzz.h"
#include "lookup/internal.h"
#include "lookup/places.h"
#include "lookup/source.h"
#include "probes/usdt.h"

/* Static probes: their notes, and the arguments that these describe. */
static void read_notes(struct arena *arena, struct lookup *lookup, const char *path)
{
	const usdt_vec *notes = lookup_usdt(lookup, path);
	struct usdt_arg arg[USDT_ARGS];
	uint64_t address;

	for (size_t i = 0; notes && i < notes->n; i++)
		usdt_args_parse(arena, notes->data[i].args, arg);
	lookup_symbol_address(lookup, path, "jb_seed", &address);
}

/* What decoding asks of a file: its functions by place, and the lines of some of them. */
static void symbolise(struct arena *arena, const struct elf *elf, const char *path)
{
	struct places *places = places_read(path);
	struct source *source = source_open(path);
	struct symbol_line *lines;
	uint64_t delta;

	for (size_t i = 0; elf && i < elf->functions.n && i < 32; i++) {
		const struct elf_symbol *symbol = &elf->functions.data[i];

		if (places) {
			places_find(places, symbol->offset);
			places_address(places, symbol->offset);
		}
		places_delta(path, symbol->offset & ~(uint64_t)4095, &delta);
		if (source)
			source_find(source, arena, symbol->address + symbol->size / 2, &lines);
	}
	source_close(source);
	places_free(places);
}

/* Parameters of its functions by debug information, with all structs behind them, as casts and args reach them. */
static void read_types(struct lookup *lookup, const struct type *type, unsigned depth)
{
	while (type->kind == TYPE_PTR || type->kind == TYPE_ARRAY)
		type = type->base;
	lookup_complete(lookup, type);
	for (unsigned i = 0; depth < 3 && i < type->n_fields && i < 16; i++) {
		const struct field *field = &type->fields[i];

		if (type->name && !strcmp(type->name, "args"))
			assert(depth == 0);
		else
			assert((uint64_t)field->offset + field->type->size <= type->size);
		read_types(lookup, field->type, depth + 1);
	}
}

static void read_params(struct lookup *lookup, const struct elf *elf, const char *path)
{
	for (size_t i = 0; i < elf->functions.n && i < 32; i++) {
		const struct elf_symbol *symbol = &elf->functions.data[i];
		const struct user_proto *proto =
			lookup_user_proto(lookup, path, symbol->offset, symbol->name);

		if (proto)
			read_types(lookup, proto->args, 0);
		if (proto && proto->result)
			read_types(lookup, proto->result, 1);
	}
	lookup_user_type(lookup, path, "struct packet");
	lookup_user_type(lookup, path, "enum color");
	lookup_user_type(lookup, path, "point_t");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_file file = memory_file(data, size);
	struct arena *arena = arena_new();
	struct lookup *lookup = lookup_new(types_new(arena));
	const struct elf *elf = file.fd >= 0 ? lookup_elf(lookup, file.path) : NULL;

	lookup_set_verbose(lookup, true);
	if (elf) {
		read_params(lookup, elf, file.path);
		elf_demangle(lookup, elf);
		elf_find(elf, "jb_seed");
		elf_file_offset(lookup, file.path, elf->entry);
		for (size_t i = 0; i < elf->functions.n; i++)
			if (elf->functions.data[i].demangled)
				elf_plain_cpp_name(arena, elf->functions.data[i].demangled);
	}
	if (file.fd >= 0)
		read_notes(arena, lookup, file.path);
	if (file.fd >= 0)
		symbolise(arena, elf, file.path);
	if (file.fd >= 0)
		close(file.fd);
	lookup_free(lookup);
	arena_free(arena);
	return 0;
}
