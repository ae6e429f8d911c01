/*
 * How values of a type are passed: the classification of the x86-64 System V ABI, 3.2.3. Only the first two eightbytes
 * of a value can lie in registers; what is larger, or not aligned, lies in memory.
 */
#include "lookup/dwarf.h"

enum word_class {
	CLASS_NONE, /* padding, or no members */
	CLASS_SSE,
	CLASS_INTEGER,
	CLASS_MEMORY, /* also X87: passed in memory as well */
};

enum { WORDS = 2, ELEMENTS_MAX = 16, MEMBERS_MAX = 256 };

struct classes {
	enum word_class word[WORDS];
	bool is_wide;	 /* an element needs an alignment of 16 bytes */
	unsigned budget; /* types that may still be looked at: a damaged file may hold cycles */
};

static void classify(const struct dwarf_file *file, Dwarf_Die *type, uint64_t at,
		     struct classes *classes, unsigned depth);

/* One scalar of `size` bytes at `at`. */
static void merge(struct classes *classes, uint64_t at, uint64_t size, enum word_class with)
{
	uint64_t align = size > 8 ? 8 : size;

	if (!size)
		return;
	if (at + size > 8 * WORDS || (align && at % align))
		with = CLASS_MEMORY;
	if (with == CLASS_MEMORY) {
		classes->word[0] = CLASS_MEMORY;
		return;
	}
	for (uint64_t i = at / 8; i <= (at + size - 1) / 8; i++)
		if (with > classes->word[i])
			classes->word[i] = with;
}

static void classify_base(const struct dwarf_file *file, Dwarf_Die *type, uint64_t at,
			  struct classes *classes)
{
	uint64_t size = dwarf_number(file, type, DW_AT_byte_size, 8);
	uint64_t encoding = dwarf_number(file, type, DW_AT_encoding, DW_ATE_signed);

	classes->is_wide |= size >= 16 && encoding != DW_ATE_complex_float;
	if (encoding == DW_ATE_complex_float && size <= 16) {
		merge(classes, at, size / 2, CLASS_SSE);
		merge(classes, at + size / 2, size / 2, CLASS_SSE);
	} else if (encoding == DW_ATE_complex_float) {
		merge(classes, at, size, CLASS_MEMORY);
	} else if (encoding == DW_ATE_float || encoding == DW_ATE_decimal_float) {
		const char *name = file->dw->dwarf_diename(type);
		bool is_x87 = size > 8 && name && strstr(name, "long double");

		merge(classes, at, size, is_x87 ? CLASS_MEMORY : CLASS_SSE);
	} else {
		merge(classes, at, size, CLASS_INTEGER);
	}
}

static void classify_members(const struct dwarf_file *file, Dwarf_Die *type, uint64_t at,
			     struct classes *classes, unsigned depth)
{
	Dwarf_Die member, of;

	if (file->dw->dwarf_child(type, &member) != 0)
		return;
	do {
		uint64_t place;
		uint32_t bits;

		if (!dwarf_is_member(file, &member) || !dwarf_place(file, &member, &place, &bits) ||
		    !dwarf_type_of(file, &member, &of))
			continue;
		if (bits)
			merge(classes, at + place / 8, 1, CLASS_INTEGER);
		else
			classify(file, &of, at + place / 8, classes, depth + 1);
	} while (file->dw->dwarf_siblingof(&member, &member) == 0);
}

static void classify_array(const struct dwarf_file *file, Dwarf_Die *type, uint64_t at,
			   struct classes *classes, unsigned depth)
{
	uint64_t n = dwarf_count(file, type);
	const struct type *its;
	Dwarf_Attribute attr;
	Dwarf_Die element;

	if (!dwarf_type_of(file, type, &element))
		return;
	if (file->dw->dwarf_attr(type, DW_AT_GNU_vector, &attr)) {
		merge(classes, at, 8, CLASS_SSE);
		return;
	}
	its = dwarf_type((struct dwarf_file *)file, &element);
	for (uint64_t i = 0; i < n && i <= ELEMENTS_MAX; i++)
		classify(file, &element, at + i * its->size, classes, depth + 1);
}

static void classify(const struct dwarf_file *file, Dwarf_Die *type, uint64_t at,
		     struct classes *classes, unsigned depth)
{
	Dwarf_Die plain = *type;

	if (depth > DWARF_DEPTH_MAX || classes->word[0] == CLASS_MEMORY || !classes->budget ||
	    !dwarf_strip(file, &plain))
		return;
	classes->budget--;
	switch (file->dw->dwarf_tag(&plain)) {
	case DW_TAG_base_type:
		classify_base(file, &plain, at, classes);
		break;
	case DW_TAG_structure_type:
	case DW_TAG_class_type:
	case DW_TAG_union_type:
		if (dwarf_number(file, &plain, DW_AT_byte_size, 0) > 8 * WORDS)
			classes->word[0] = CLASS_MEMORY;
		else
			classify_members(file, &plain, at, classes, depth);
		break;
	case DW_TAG_array_type:
		classify_array(file, &plain, at, classes, depth);
		break;
	case DW_TAG_enumeration_type:
		merge(classes, at, dwarf_number(file, &plain, DW_AT_byte_size, 4), CLASS_INTEGER);
		break;
	default: /* pointers and references */
		merge(classes, at, 8, CLASS_INTEGER);
	}
}

/* --- classes of C++ --- */

static bool is_aggregate(int tag)
{
	return tag == DW_TAG_structure_type || tag == DW_TAG_class_type || tag == DW_TAG_union_type;
}

/* "vector" for the class "vector<int>": so are its constructors called. */
static bool is_constructor_name(const char *name, const char *class)
{
	size_t len = strcspn(class, "<");

	return strlen(name) == strcspn(name, "<") ? !strncmp(name, class, len) && !name[len]
						  : !strcmp(name, class);
}

/* Does the function take (a reference to) the class, besides `this`? */
static bool copies(const struct dwarf_file *file, Dwarf_Die *function, const Dwarf_Die *class)
{
	Dwarf_Die param, type;

	if (file->dw->dwarf_child(function, &param) != 0)
		return false;
	do {
		if (file->dw->dwarf_tag(&param) != DW_TAG_formal_parameter ||
		    dwarf_has(file, &param, DW_AT_artificial))
			continue;
		if (!dwarf_type_of(file, &param, &type))
			return false;
		if (file->dw->dwarf_tag(&type) == DW_TAG_reference_type ||
		    file->dw->dwarf_tag(&type) == DW_TAG_rvalue_reference_type)
			return dwarf_type_of(file, &type, &type) && dwarf_strip(file, &type) &&
			       type.addr == class->addr;
		return false;
	} while (file->dw->dwarf_siblingof(&param, &param) == 0);
	return false;
}

/* A destructor, copy or move constructor that the source defines. */
static bool is_special(const struct dwarf_file *file, Dwarf_Die *function, Dwarf_Die *class)
{
	const char *name = file->dw->dwarf_diename(function);
	const char *of = file->dw->dwarf_diename(class);

	if (!name || dwarf_has(file, function, DW_AT_artificial) ||
	    dwarf_number(file, function, DW_AT_defaulted, 0) == DW_DEFAULTED_in_class)
		return false;
	return *name == '~' ||
	       (of && is_constructor_name(name, of) && copies(file, function, class));
}

static bool is_by_reference(const struct dwarf_file *file, Dwarf_Die *class, unsigned *budget);

static bool makes_reference(const struct dwarf_file *file, Dwarf_Die *child, Dwarf_Die *class,
			    unsigned *budget)
{
	const char *name = file->dw->dwarf_diename(child);
	Dwarf_Die type;

	if (file->dw->dwarf_tag(child) == DW_TAG_subprogram)
		return is_special(file, child, class);
	if (!dwarf_is_member(file, child))
		return file->dw->dwarf_tag(child) == DW_TAG_inheritance;
	if (name && !strncmp(name, "_vptr", 5))
		return true;
	return dwarf_type_of(file, child, &type) && dwarf_strip(file, &type) &&
	       is_aggregate(file->dw->dwarf_tag(&type)) && is_by_reference(file, &type, budget);
}

/*
 * Is it not trivial for the purposes of calls (Itanium C++ ABI, 1.1)? Some compilers say so; else it is what the source
 * defines of it, of its members and of its bases.
 */
static bool is_by_reference(const struct dwarf_file *file, Dwarf_Die *class, unsigned *budget)
{
	uint64_t told = dwarf_number(file, class, DW_AT_calling_convention, 0);
	Dwarf_Die child;

	if (told == DW_CC_pass_by_reference || told == DW_CC_pass_by_value)
		return told == DW_CC_pass_by_reference;
	if (file->dw->dwarf_child(class, &child) != 0)
		return false;
	do {
		if (!*budget)
			return false;
		--*budget;
		if (makes_reference(file, &child, class, budget))
			return true;
	} while (file->dw->dwarf_siblingof(&child, &child) == 0);
	return false;
}

struct passing dwarf_passing(const struct dwarf_file *file, Dwarf_Die *type)
{
	struct classes classes = { .budget = MEMBERS_MAX };
	struct passing passing = { 0 };
	Dwarf_Die plain = *type;
	unsigned budget = 4 * MEMBERS_MAX;

	if (!dwarf_strip(file, &plain))
		return passing;
	passing.is_aggregate = is_aggregate(file->dw->dwarf_tag(&plain));
	if (passing.is_aggregate && is_by_reference(file, &plain, &budget)) {
		passing.reference = true;
		passing.words = 1;
		return passing;
	}
	classify(file, &plain, 0, &classes, 0);
	passing.memory = classes.word[0] == CLASS_MEMORY;
	passing.is_wide = classes.is_wide;
	for (int i = 0; i < WORDS && !passing.memory; i++) {
		passing.words += classes.word[i] == CLASS_INTEGER;
		passing.vectors += classes.word[i] == CLASS_SSE;
	}
	return passing;
}
