/*
 * Numbers that have names: errors of system calls and of FFmpeg's libraries, system calls, flags. They stay numbers in
 * the kernel and in map keys; decoding gives the name.
 */
#include "builtins/builtins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "codegen/cg.h"
#include "lookup/lookup.h"

/* FFmpeg's own error codes are the negated tags of four characters, little endian. */
#define TAG(a, b, c, d) \
	(-(int32_t)((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24))

/* clang-format off */
static const struct tag_name {
	int32_t code;
	const char *name;
} averrors[] = {
	{ TAG(0xF8, 'B', 'S', 'F'), "BSF_NOT_FOUND" },
	{ TAG('B', 'U', 'G', '!'), "BUG" },
	{ TAG('B', 'U', 'G', ' '), "BUG2" },
	{ TAG('B', 'U', 'F', 'S'), "BUFFER_TOO_SMALL" },
	{ TAG(0xF8, 'D', 'E', 'C'), "DECODER_NOT_FOUND" },
	{ TAG(0xF8, 'D', 'E', 'M'), "DEMUXER_NOT_FOUND" },
	{ TAG(0xF8, 'E', 'N', 'C'), "ENCODER_NOT_FOUND" },
	{ TAG('E', 'O', 'F', ' '), "EOF" },
	{ TAG('E', 'X', 'I', 'T'), "EXIT" },
	{ TAG('E', 'X', 'T', ' '), "EXTERNAL" },
	{ TAG(0xF8, 'F', 'I', 'L'), "FILTER_NOT_FOUND" },
	{ TAG('I', 'N', 'D', 'A'), "INVALIDDATA" },
	{ TAG(0xF8, 'M', 'U', 'X'), "MUXER_NOT_FOUND" },
	{ TAG(0xF8, 'O', 'P', 'T'), "OPTION_NOT_FOUND" },
	{ TAG('P', 'A', 'W', 'E'), "PATCHWELCOME" },
	{ TAG(0xF8, 'P', 'R', 'O'), "PROTOCOL_NOT_FOUND" },
	{ TAG(0xF8, 'S', 'T', 'R'), "STREAM_NOT_FOUND" },
	{ TAG('U', 'N', 'K', 'N'), "UNKNOWN" },
	{ TAG(0xF8, '4', '0', '0'), "HTTP_BAD_REQUEST" },
	{ TAG(0xF8, '4', '0', '1'), "HTTP_UNAUTHORIZED" },
	{ TAG(0xF8, '4', '0', '3'), "HTTP_FORBIDDEN" },
	{ TAG(0xF8, '4', '0', '4'), "HTTP_NOT_FOUND" },
	{ TAG(0xF8, '4', '2', '9'), "HTTP_TOO_MANY_REQUESTS" },
	{ TAG(0xF8, '4', 'X', 'X'), "HTTP_OTHER_4XX" },
	{ TAG(0xF8, '5', 'X', 'X'), "HTTP_SERVER_ERROR" },
	{ -0x2bb2afa8, "EXPERIMENTAL" },
	{ -0x636e6701, "INPUT_CHANGED" },
	{ -0x636e6702, "OUTPUT_CHANGED" },
	{ 0, NULL },
};
/* clang-format on */

/* All four rows: a number, kept in 32 bits with its sign, and the type that names it. */
static bool check_code(struct check *check, struct node *node)
{
	const struct named_type *named = named_types_errno;

	while (named->name &&
	       strncmp(named->name, node->builtin->name, strlen(node->builtin->name)))
		named++;
	node->type = type_named(check->types, named, type_int(4, true), 0, NULL);
	return builtin_check_scalar(check, node, node->args);
}

static void *gen_code(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_expr(cg, node->args);
}

/* The table is part of the type; what is asked for first is a word that is none. */
static bool check_flags(struct check *check, struct node *node)
{
	const char *table, *known;
	struct buf all = { 0 };
	struct nearest nearest;

	if (!check_const_str(check, node->args, &table))
		return false;
	nearest_init(&nearest, table);
	for (size_t i = 0; (known = lookup_flags_table(i)); i++) {
		if (strcmp(known, table) == 0)
			break;
		buf_printf(&all, "%s%s", i ? " " : "", known);
		nearest_try(&nearest, known);
	}
	if (!known) {
		check_error(check, node->args, "there is no table of flags '%s'; there are: %s",
			    table, all.data);
		diag_hint_nearest(check->diags, nearest.best);
	}
	buf_fini(&all);
	node->type = type_named(check->types, &named_types_errno[4], type_u64(), 0, table);
	return known && builtin_check_scalar(check, node, ast_nth(node->args, 1));
}

static void *gen_flags(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_expr(cg, ast_nth(node->args, 1));
}

static int32_t code_of(const void *bytes)
{
	int32_t code;

	memcpy(&code, bytes, sizeof(code));
	return code;
}

/* System calls return errors negated; both signs are understood. */
static int positive(int32_t code)
{
	return code < 0 && code != INT32_MIN ? -code : code;
}

static struct value named_or_number(struct decode *decode, const char *name, int32_t code)
{
	return value_symbol(name ? name : arena_printf(decode->arena, "%d", code),
			    (uint64_t)(int64_t)code);
}

static struct value decode_strerror(struct decode *decode, const struct type *type,
				    const void *bytes)
{
	int32_t code = code_of(bytes);
	const char *text = strerrordesc_np(positive(code));

	(void)type;
	if (!text)
		text = arena_printf(decode->arena, "Unknown error %d", code);
	return value_str(text, strlen(text));
}

static struct value decode_errno_name(struct decode *decode, const struct type *type,
				      const void *bytes)
{
	int32_t code = code_of(bytes);

	(void)type;
	return named_or_number(decode, code ? strerrorname_np(positive(code)) : NULL, code);
}

static struct value decode_averror(struct decode *decode, const struct type *type,
				   const void *bytes)
{
	const struct tag_name *tag = averrors;
	int32_t code = code_of(bytes);

	(void)type;
	while (tag->name && tag->code != code)
		tag++;
	if (tag->name)
		return named_or_number(decode, tag->name, code);
	return named_or_number(decode, code < 0 ? strerrorname_np(positive(code)) : NULL, code);
}

static struct value decode_syscall_name(struct decode *decode, const struct type *type,
					const void *bytes)
{
	int32_t number = code_of(bytes);

	(void)type;
	return named_or_number(decode, lookup_syscall_call(number), number);
}

static struct value decode_flags(struct decode *decode, const struct type *type, const void *bytes)
{
	struct buf text = { 0 };
	struct value value;
	uint64_t number;

	memcpy(&number, bytes, sizeof(number));
	lookup_flags_put(type->param, number, &text);
	value = value_symbol(arena_strndup(decode->arena, text.data, text.len), number);
	buf_fini(&text);
	return value;
}

/* clang-format off */
const struct named_type named_types_errno[] = {
	{ .name = "strerror_t", .decode = decode_strerror },
	{ .name = "errno_name_t", .decode = decode_errno_name },
	{ .name = "averror_t", .decode = decode_averror },
	{ .name = "syscall_name_t", .decode = decode_syscall_name },
	{ .name = "flags_t", .decode = decode_flags },
	{ 0 },
};

const struct builtin builtins_errno[] = {
	{ .name = "strerror", .proto = "strerror_t strerror(int code)", .check = check_code, .gen = gen_code,
	  .doc = "The text for an error number, of either sign." },
	{ .name = "errno_name", .proto = "errno_name_t errno_name(int code)", .check = check_code, .gen = gen_code,
	  .doc = "The name of an error number, of either sign: ENOENT." },
	{ .name = "averror", .proto = "averror_t averror(int code)", .check = check_code, .gen = gen_code,
	  .doc = "The name of an error of FFmpeg's libraries: EAGAIN, EOF, INVALIDDATA." },
	{ .name = "syscall_name", .proto = "syscall_name_t syscall_name(int number)", .check = check_code, .gen = gen_code,
	  .doc = "The name of a system call." },
	{ .name = "flags", .proto = "flags_t flags(const string table, int n)", .check = check_flags, .gen = gen_flags,
	  .doc = "The names of flags: flags(\"open\", n) is O_RDWR|O_CLOEXEC; also mmap_prot, mmap, clone, poll, signal ..." },
	{ 0 },
};
/* clang-format on */
