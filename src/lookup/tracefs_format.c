/*
 * A tracepoint's `format` text as a struct type. Sizes, offsets and signs are the kernel's; the C
 * type in the text says what a pointer points to and how wide a system call's argument really is.
 * Structs are named only, and completed from BTF when a script looks into one.
 */
#include <ctype.h>

#include "lookup/internal.h"

struct format_field {
	char *type, *name; /* of the declaration: what stands before the last word, and that word */
	const char *count; /* of `name[count]`, NULL: not an array; "" for [] */
	unsigned long offset, size;
	bool is_signed;
	bool is_data_loc, is_rel_loc;
};

struct c_int {
	const char *name;
	uint8_t size;
	bool is_signed;
};

/* Names for integers, as tracepoints and system calls spell them. LP64. */
static const struct c_int c_ints[] = {
	{ "u8", 1, false },
	{ "__u8", 1, false },
	{ "uint8_t", 1, false },
	{ "s8", 1, true },
	{ "__s8", 1, true },
	{ "int8_t", 1, true },
	{ "u16", 2, false },
	{ "__u16", 2, false },
	{ "uint16_t", 2, false },
	{ "s16", 2, true },
	{ "__s16", 2, true },
	{ "int16_t", 2, true },
	{ "__be16", 2, false },
	{ "__le16", 2, false },
	{ "umode_t", 2, false },
	{ "u32", 4, false },
	{ "__u32", 4, false },
	{ "uint32_t", 4, false },
	{ "s32", 4, true },
	{ "__s32", 4, true },
	{ "int32_t", 4, true },
	{ "__be32", 4, false },
	{ "__le32", 4, false },
	{ "gfp_t", 4, false },
	{ "pid_t", 4, true },
	{ "uid_t", 4, false },
	{ "gid_t", 4, false },
	{ "qid_t", 4, false },
	{ "dev_t", 4, false },
	{ "clockid_t", 4, true },
	{ "timer_t", 4, true },
	{ "mqd_t", 4, true },
	{ "rwf_t", 4, true },
	{ "key_t", 4, true },
	{ "key_serial_t", 4, true },
	{ "__kernel_timer_t", 4, true },
	{ "u64", 8, false },
	{ "__u64", 8, false },
	{ "uint64_t", 8, false },
	{ "s64", 8, true },
	{ "__s64", 8, true },
	{ "int64_t", 8, true },
	{ "size_t", 8, false },
	{ "ssize_t", 8, true },
	{ "loff_t", 8, true },
	{ "off_t", 8, true },
	{ "ino_t", 8, false },
	{ "sector_t", 8, false },
	{ "uintptr_t", 8, false },
	{ "ktime_t", 8, true },
	{ "aio_context_t", 8, false },
	{ 0 },
};

/* --- C type names --- */

/* The next word of *at, NUL-terminated in place; NULL at the end. */
static char *next_word(char **at)
{
	char *word = *at + strspn(*at, " \t");

	if (!*word)
		return NULL;
	*at = word + strcspn(word, " \t");
	if (**at)
		*(*at)++ = '\0';
	return word;
}

struct c_words {
	bool is_unsigned, is_signed, is_char, is_short, is_int, is_bool;
	unsigned n_long;
	const char *tag;   /* "struct", "union", "enum" */
	const char *other; /* any other name */
};

static void add_word(struct c_words *words, const char *word)
{
	if (!strcmp(word, "unsigned"))
		words->is_unsigned = true;
	else if (!strcmp(word, "signed"))
		words->is_signed = true;
	else if (!strcmp(word, "char"))
		words->is_char = true;
	else if (!strcmp(word, "short"))
		words->is_short = true;
	else if (!strcmp(word, "int"))
		words->is_int = true;
	else if (!strcmp(word, "long"))
		words->n_long++;
	else if (!strcmp(word, "bool") || !strcmp(word, "_Bool"))
		words->is_bool = true;
	else if (!strcmp(word, "struct") || !strcmp(word, "union") || !strcmp(word, "enum"))
		words->tag = word;
	else if (strcmp(word, "const") != 0 && strcmp(word, "volatile") != 0 &&
		 strcmp(word, "__user") != 0)
		words->other = word;
}

/*
 * The type of a C name without `*` and `[]`. `size` and `is_signed` hold for enums, and for structs
 * held by value; size 0 means that they stand behind a pointer. NULL: the name says nothing here.
 */
static const struct type *c_type(struct lookup *lookup, const char *spelling, uint32_t size,
				 bool is_signed)
{
	char *at = arena_strdup(lookup->arena, spelling), *word;
	struct c_words words = { 0 };

	while ((word = next_word(&at)))
		add_word(&words, word);
	if (words.tag && words.other)
		return kernel_shell(lookup,
				    arena_printf(lookup->arena, "%s %s", words.tag, words.other),
				    size ? size : 4, is_signed);
	if (words.is_bool)
		return type_bool();
	if (words.is_char)
		return type_int(1, !words.is_unsigned);
	if (words.is_short)
		return type_int(2, !words.is_unsigned);
	if (words.n_long)
		return type_int(8, !words.is_unsigned);
	if (words.is_int || words.is_unsigned || words.is_signed)
		return type_int(4, !words.is_unsigned);
	for (const struct c_int *c = c_ints; words.other && c->name; c++)
		if (!strcmp(c->name, words.other))
			return type_int(c->size, c->is_signed);
	return NULL;
}

/* "const char *const *" and the like. Unknown names point to nothing known, as void does. */
static const struct type *pointer_type(struct lookup *lookup, const char *spelling,
				       enum space space)
{
	char *text = arena_strdup(lookup->arena, spelling), *star;
	const struct type *type;
	unsigned depth = 0;

	for (star = text; *star; star++)
		if (*star == '*') {
			*star = ' ';
			depth++;
		}
	type = c_type(lookup, text, 0, false);
	if (!type)
		type = type_none();
	while (depth--)
		type = type_ptr(lookup->types, type, space);
	return type;
}

/* --- fields --- */

static bool is_plain_int(const struct type *type)
{
	return type && (type->kind == TYPE_INT || type->kind == TYPE_BOOL);
}

static const struct type *array_type(struct lookup *lookup, const struct format_field *f)
{
	const struct type *element = c_type(lookup, f->type, 0, f->is_signed);
	unsigned long count = strtoul(f->count, NULL, 0);

	if (strchr(f->type, '*'))
		element = pointer_type(lookup, f->type, SPACE_KERNEL);
	if (element && element->kind != TYPE_STRUCT && element->size &&
	    f->size % element->size == 0)
		return type_array(lookup->types, element, (uint32_t)(f->size / element->size));
	if (count && f->size % count == 0) { /* [TASK_COMM_LEN] is not a number, [16] is */
		unsigned long size = f->size / count;

		if (size == 1 || size == 2 || size == 4 || size == 8)
			return type_array(lookup->types, type_int((uint32_t)size, f->is_signed),
					  (uint32_t)count);
	}
	return type_array(lookup->types, type_int(1, false), (uint32_t)f->size);
}

/*
 * Arguments of system calls lie in slots of 8 bytes, and the text calls them unsigned; as the C
 * type says, an int is the low 4 bytes of its slot.
 */
static const struct type *scalar_type(struct lookup *lookup, const struct format_field *f,
				      bool in_slot)
{
	uint32_t size = (uint32_t)f->size;
	const struct type *type = c_type(lookup, f->type, size, f->is_signed);

	if (type && type->kind == TYPE_STRUCT) {
		if (!type->is_complete && !type->size)
			((struct type *)type)->size = size;
		if (type->size == size)
			return type;
		type = NULL;
	}
	if (type && type->kind == TYPE_ENUM && type->size == size)
		return type;
	if (type && type->kind == TYPE_BOOL && size == 1)
		return type;
	if (in_slot && is_plain_int(type) && type->size <= size)
		return type;
	if (size == 1 || size == 2 || size == 4 || size == 8)
		return type_int(size, f->is_signed);
	return type_array(lookup->types, type_int(1, false), size);
}

static const struct type *field_type(struct lookup *lookup, const struct format_field *f,
				     bool is_syscall)
{
	const struct type *element;

	if (f->is_data_loc && f->size == 4) {
		element = c_type(lookup, f->type, 0, false);
		return type_ptr(lookup->types, element ? element : type_int(1, false),
				SPACE_KERNEL);
	}
	if (f->is_rel_loc) /* counts from the field's own end; shown as the number it is */
		return type_u32();
	if (f->count)
		return array_type(lookup, f);
	if (strchr(f->type, '*') && f->size == 8)
		return pointer_type(lookup, f->type, is_syscall ? SPACE_USER : SPACE_KERNEL);
	return scalar_type(lookup, f, is_syscall);
}

/* --- text --- */

static char *trim_end(const char *begin, char *end)
{
	while (end > begin && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return end;
}

/*
 * Cut "const char * filename", "char comm[16]", "__data_loc char[] name" into type, name and count.
 */
static bool split_declaration(char *text, struct format_field *f)
{
	char *end = trim_end(text, text + strlen(text)), *bracket;

	if (end > text && end[-1] == ']') {
		bracket = strrchr(text, '[');
		if (!bracket)
			return false;
		end[-1] = '\0';
		f->count = bracket + 1;
		end = trim_end(text, bracket);
	}
	while (end > text && (isalnum((unsigned char)end[-1]) || end[-1] == '_'))
		end--;
	f->name = end;
	if (!*f->name || end == text)
		return false;
	f->name = end;
	return true;
}

static void strip_location(struct lookup *lookup, struct format_field *f)
{
	char *bracket;

	f->is_data_loc = !strncmp(f->type, "__data_loc ", 11);
	f->is_rel_loc = !strncmp(f->type, "__rel_loc ", 10);
	if (!f->is_data_loc && !f->is_rel_loc)
		return;
	f->type = arena_strdup(lookup->arena, strchr(f->type, ' ') + 1);
	bracket = strchr(f->type, '[');
	if (bracket)
		*bracket = '\0';
}

static unsigned long number_after(const char *line, const char *key)
{
	const char *at = strstr(line, key);

	return at ? strtoul(at + strlen(key), NULL, 10) : 0;
}

/* One line "\tfield:TYPE NAME;\toffset:8;\tsize:4;\tsigned:1;". */
static bool parse_field(struct lookup *lookup, char *line, struct format_field *f)
{
	char *text = strstr(line, "field:"), *end, *name;

	end = text ? strchr(text, ';') : NULL;
	if (!end)
		return false;
	f->offset = number_after(end, "offset:");
	f->size = number_after(end, "size:");
	f->is_signed = number_after(end, "signed:");
	if (f->size > 1u << 20 || f->offset > 1u << 20)
		return false;
	*end = '\0';
	text += strlen("field:");
	if (!split_declaration(text, f))
		return false;
	name = arena_strdup(lookup->arena, f->name);
	f->type = arena_strndup(lookup->arena, text, (size_t)(f->name - text));
	f->name = name;
	strip_location(lookup, f);
	return true;
}

const struct type *tracefs_format_parse(struct lookup *lookup, const char *category,
					const char *name, char *text, int *id)
{
	VEC(struct field) fields = { 0 };
	bool is_syscall = !strcmp(category, "syscalls");
	struct type *args;
	uint32_t size = 0;
	char *save = NULL;

	*id = (int)number_after(text, "ID: ");
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct format_field f = { 0 };
		struct field *field;

		if (!strncmp(line, "print fmt:", 10))
			break;
		if (!parse_field(lookup, line, &f) || !strncmp(f.name, "common_", 7))
			continue;
		field = vec_grow(lookup->arena, &fields);
		field->name = f.name;
		field->spelled = arena_strdup(lookup->arena, f.type);
		field->type = field_type(lookup, &f, is_syscall);
		field->offset = (uint32_t)f.offset;
		field->data_loc = f.is_data_loc && f.size == 4;
		if (f.offset + f.size > size)
			size = (uint32_t)(f.offset + f.size);
	}
	if (*id <= 0)
		return NULL;
	args = type_struct(lookup->types,
			   arena_printf(lookup->arena, "_tracepoint_%s_%s", category, name), false);
	args->fields = fields.data;
	args->n_fields = (unsigned)fields.n;
	args->size = size;
	args->align = 8;
	args->is_complete = true;
	return args;
}
