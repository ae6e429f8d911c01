/* Types as the source of a traced program writes them, for lists: types of the language do not keep typedefs and const. */
#include "lookup/dwarf.h"

static const char *spell(const struct dwarf_file *file, Dwarf_Die *die, unsigned depth);

static const char *spell_target(const struct dwarf_file *file, Dwarf_Die *die, unsigned depth)
{
	Dwarf_Die of;

	return dwarf_type_of(file, die, &of) ? spell(file, &of, depth + 1) : "void";
}

static bool is_function(const struct dwarf_file *file, Dwarf_Die *pointer)
{
	Dwarf_Die of;

	return dwarf_type_of(file, pointer, &of) &&
	       file->dw->dwarf_tag(&of) == DW_TAG_subroutine_type;
}

static const char *spell_pointer(const struct dwarf_file *file, Dwarf_Die *die, const char *sign,
				 unsigned depth)
{
	const char *to = spell_target(file, die, depth);
	size_t len = strlen(to);

	if (is_function(file, die))
		return to;
	return arena_printf(file->lookup->arena, "%s%s%s", to, len && to[len - 1] == '*' ? "" : " ",
			    sign);
}

/* Behind a pointer, which is what it is about then; else before the type. */
static const char *spell_qualified(const struct dwarf_file *file, Dwarf_Die *die, const char *word,
				   unsigned depth)
{
	const char *of = spell_target(file, die, depth);
	size_t len = strlen(of);

	if (len && of[len - 1] == '*')
		return arena_printf(file->lookup->arena, "%s %s", of, word);
	return arena_printf(file->lookup->arena, "%s %s", word, of);
}

static const char *spell_tag(const struct dwarf_file *file, Dwarf_Die *die, const char *keyword)
{
	const char *name = file->dw->dwarf_diename(die);

	return arena_printf(file->lookup->arena, "%s %s", keyword, name ? name : "{...}");
}

static const char *spell(const struct dwarf_file *file, Dwarf_Die *die, unsigned depth)
{
	struct arena *arena = file->lookup->arena;
	const char *name = file->dw->dwarf_diename(die);

	if (depth > DWARF_DEPTH_MAX)
		return "...";
	switch (file->dw->dwarf_tag(die)) {
	case DW_TAG_structure_type:
		return spell_tag(file, die, "struct");
	case DW_TAG_class_type:
		return spell_tag(file, die, "class");
	case DW_TAG_union_type:
		return spell_tag(file, die, "union");
	case DW_TAG_enumeration_type:
		return spell_tag(file, die, "enum");
	case DW_TAG_pointer_type:
		return spell_pointer(file, die, "*", depth);
	case DW_TAG_reference_type:
		return spell_pointer(file, die, "&", depth);
	case DW_TAG_rvalue_reference_type:
		return spell_pointer(file, die, "&&", depth);
	case DW_TAG_const_type:
		return spell_qualified(file, die, "const", depth);
	case DW_TAG_volatile_type:
		return spell_qualified(file, die, "volatile", depth);
	case DW_TAG_restrict_type:
		return spell_qualified(file, die, "restrict", depth);
	case DW_TAG_atomic_type:
		return spell_qualified(file, die, "_Atomic", depth);
	case DW_TAG_array_type:
		return arena_printf(arena, "%s[]", spell_target(file, die, depth));
	case DW_TAG_subroutine_type:
		return arena_printf(arena, "%s (*)()", spell_target(file, die, depth));
	default:
		return name ? arena_strdup(arena, name) : "?";
	}
}

const char *dwarf_spell(const struct dwarf_file *file, Dwarf_Die *type)
{
	return spell(file, type, 0);
}
