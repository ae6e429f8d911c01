/*
 * Strings, buffers, byte order and network addresses. The kernel's part is bpf-runtime/string.bpf.c; what an address
 * looks like is decided here, when it is decoded.
 */
#include "builtins/builtins.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "bpf-runtime/abi.h"
#include "codegen/cg.h"
#include "run/run.h"

enum { JOIN_ARGS = 16, JOIN_SIZE = 1024 };

static bool is_byte_array(const struct type *type)
{
	return type->kind == TYPE_ARRAY && type->base && type_plain(type->base)->size == 1;
}

/* The optional length, clamped to max_strlen; `fallback` when it is absent or known only at run time. */
static bool check_length(struct check *check, struct node *node, uint32_t fallback,
			 uint32_t *length)
{
	struct node *arg = ast_nth(node->args, 1);
	uint32_t max = check->plan->max_strlen;

	*length = fallback < max ? fallback : max;
	if (!arg)
		return true;
	if (!builtin_check_scalar(check, node, arg))
		return false;
	if (!arg->is_literal)
		return true;
	if ((int64_t)arg->value <= 0)
		return check_error(check, arg, "%s() needs a length of at least 1",
				   node->builtin->name);
	if (arg->value > max && check->final) {
		diag_warn(check->diags, arg->span, "%s() is limited to %u bytes",
			  node->builtin->name, max);
		diag_hint(check->diags, "config = { max_strlen = N } allows more");
	}
	if (arg->value < *length || fallback >= max)
		*length = arg->value < max ? arg->value : max;
	return true;
}

/* Leaves in node->value the address space that the bytes are read from. */
static bool check_str(struct check *check, struct node *node)
{
	const struct type *type = builtin_arg_type(node->args);
	uint32_t size = check->plan->max_strlen;

	if (!type)
		return true;
	if (type->kind == TYPE_STR || is_byte_array(type)) {
		node->value = SPACE_BPF;
		size = type->size;
	} else if (builtin_check_scalar(check, node, node->args)) {
		node->value = check_space(check, node->args);
	} else {
		return false;
	}
	if (!check_length(check, node, size, &size))
		return false;
	node->type = type_str(check->types, size ? size : 1);
	return true;
}

/* The address and whether user memory is read, for arguments that are bytes here or a pointer to elsewhere. */
static LLVMValueRef source_address(struct cg *cg, const struct node *arg, bool in_bpf)
{
	if (!in_bpf)
		return cg_expr(cg, arg);
	return LLVMBuildPtrToInt(cg_builder(cg), cg_expr_ptr(cg, arg),
				 LLVMInt64TypeInContext(cg_llvm(cg)), "");
}

static LLVMValueRef source_length(struct cg *cg, const struct node *node, uint32_t most)
{
	const struct node *arg = ast_nth(node->args, 1);

	if (!arg || arg->is_literal)
		return cg_int(cg, most);
	return cg_expr(cg, arg);
}

static void *gen_str(struct cg *cg, const struct node *node, void *dst)
{
	LLVMValueRef address = source_address(cg, node->args, node->value == SPACE_BPF);
	LLVMValueRef argv[] = { dst, cg_int(cg, node->type->size), address,
				source_length(cg, node, node->type->size) };

	if (node->type->size == cg_plan(cg)->max_strlen)
		cg_rt(cg, node->value == SPACE_USER ? "jb_str_user_max" : "jb_str_kernel_max", argv,
		      4);
	else
		cg_rt(cg, node->value == SPACE_USER ? "jb_str_user" : "jb_str_kernel", argv, 4);
	return NULL;
}

static bool check_buf(struct check *check, struct node *node)
{
	const struct type *type = builtin_arg_type(node->args);
	uint32_t room = check->plan->max_strlen;

	if (!type)
		return true;
	if (type->kind == TYPE_STR || type->kind == TYPE_ARRAY) {
		node->value = SPACE_BPF;
		room = type->size;
	} else if (builtin_check_scalar(check, node, node->args)) {
		node->value = check_space(check, node->args);
	} else {
		return false;
	}
	if (!check_length(check, node, room, &room))
		return false;
	node->type = type_buf(check->types, room);
	return true;
}

static void *gen_buf(struct cg *cg, const struct node *node, void *dst)
{
	LLVMValueRef address = source_address(cg, node->args, node->value == SPACE_BPF);
	LLVMValueRef argv[] = { dst, cg_int(cg, node->type->size), address,
				source_length(cg, node, node->type->count),
				cg_int(cg, node->type->count) };

	cg_rt(cg, node->value == SPACE_USER ? "jb_buf_user" : "jb_buf_kernel", argv, 5);
	return NULL;
}

/* strncmp's length is part of the program: the verifier then sees a bounded loop. */
static bool check_strncmp(struct check *check, struct node *node)
{
	struct node *length = ast_nth(node->args, 2);
	int64_t n;

	if (!check_const_int(check, length, &n))
		return false;
	if (n < 0)
		return check_error(check, length, "strncmp() needs a length of at least 0");
	return true;
}

static bool check_bswap(struct check *check, struct node *node)
{
	const struct type *type = builtin_arg_type(node->args);

	if (!type)
		return true;
	if (!type_is_int_like(type) && check->final)
		return check_error(check, node, "bswap() expects an integer, got %s",
				   type_spell(check->arena, node->args->type));
	node->type = type_int(type->size <= 8 ? type->size : 8, false);
	return true;
}

static void *gen_bswap(struct cg *cg, const struct node *node, void *dst)
{
	LLVMValueRef n = cg_expr(cg, node->args);

	(void)dst;
	switch (node->type->size) {
	case 2:
		return cg_rt(cg, "jb_bswap16", &n, 1);
	case 4:
		return cg_rt(cg, "jb_bswap32", &n, 1);
	case 8:
		return cg_rt(cg, "jb_bswap64", &n, 1);
	default:
		return n;
	}
}

/* --- addresses --- */

static bool is_address(const struct type *type)
{
	return (type->kind == TYPE_ARRAY || type->kind == TYPE_STRUCT) &&
	       (type->size == 4 || type->size == 16);
}

/* AF_INET and AF_INET6 are understood without a header that defines them. 0: another word. */
static int family_word(const char *word)
{
	if (!strcmp(word, "AF_INET"))
		return AF_INET;
	return strcmp(word, "AF_INET6") ? 0 : AF_INET6;
}

/* ntop(address) or ntop(family, address). Five words: the family and 16 bytes. node->value: a family given as a word. */
static bool check_ntop(struct check *check, struct node *node)
{
	struct node *family = node->args->next ? node->args : NULL;
	struct node *arg = family ? family->next : node->args;
	const struct type *type = builtin_arg_type(arg);
	const struct type *base = type_array(check->types, type_u32(), 5);

	node->type = type_named(check->types, &named_types_string[0], base, 0, NULL);
	node->value = family && family->kind == NODE_STR ? family_word(family->text) : 0;
	if (family && family->kind == NODE_STR && !node->value)
		return check_error(check, family,
				   "'%s' is not an address family: AF_INET or AF_INET6",
				   family->text);
	if (family && !node->value && !builtin_check_scalar(check, node, family))
		return false;
	if (!type || !check->final || type_is_int_like(type) || is_address(type))
		return true;
	return check_error(check, arg,
			   "ntop() expects an integer or an array of 4 or 16 bytes, got %s",
			   type_spell(check->arena, arg->type));
}

static void *gen_ntop(struct cg *cg, const struct node *node, void *dst)
{
	const struct node *family = node->args->next ? node->args : NULL;
	const struct node *arg = family ? family->next : node->args;
	const struct type *type = type_plain(arg->type);

	if (type_is_int_like(type)) {
		LLVMValueRef argv[] = { dst, cg_expr(cg, arg) };
		cg_rt(cg, "jb_inet_int", argv, 2);
	} else {
		LLVMValueRef af = cg_int(cg, type->size == 4 ? AF_INET : AF_INET6);
		if (family)
			af = node->value ? cg_int(cg, node->value) : cg_expr(cg, family);
		LLVMValueRef argv[] = { dst, cg_expr_ptr(cg, arg), cg_int(cg, type->size), af };
		cg_rt(cg, "jb_inet_bytes", argv, 4);
	}
	return NULL;
}

static struct value decode_inet(struct decode *decode, const struct type *type, const void *bytes)
{
	char text[INET6_ADDRSTRLEN];
	uint32_t family;

	(void)type;
	memcpy(&family, bytes, sizeof(family));
	if (!inet_ntop(family == AF_INET6 ? AF_INET6 : AF_INET, (const char *)bytes + 4, text,
		       sizeof(text)))
		return value_str("", 0);
	return value_str(arena_strdup(decode->arena, text), strlen(text));
}

/* The address as bytes, known when the script is compiled. */
static bool check_pton(struct check *check, struct node *node)
{
	unsigned char address[16];
	const char *text;
	uint32_t size;

	if (!check_const_str(check, node->args, &text))
		return false;
	size = strchr(text, ':') ? 16 : 4;
	if (inet_pton(size == 16 ? AF_INET6 : AF_INET, text, address) != 1)
		return check_error(check, node->args, "'%s' is not an IP address", text);
	node->type = type_array(check->types, type_int(1, false), size);
	return true;
}

static void *gen_pton(struct cg *cg, const struct node *node, void *dst)
{
	unsigned char address[16] = { 0 };
	uint32_t size = node->type->size;
	LLVMValueRef argv[3] = { dst, NULL, cg_int(cg, size) };

	inet_pton(size == 16 ? AF_INET6 : AF_INET, node->args->text, address);
	argv[1] = cg_const_bytes(cg, address, size);
	cg_rt(cg, "jb_copy_bytes", argv, 3);
	return NULL;
}

static bool check_macaddr(struct check *check, struct node *node)
{
	const struct type *type = builtin_arg_type(node->args);
	const struct type *base = type_array(check->types, type_int(1, false), 6);

	node->type = type_named(check->types, &named_types_string[1], base, 0, NULL);
	if (!type)
		return true;
	node->value = SPACE_BPF;
	if (type->kind == TYPE_ARRAY && type->size >= 6)
		return true;
	node->value = check_space(check, node->args);
	return builtin_check_scalar(check, node, node->args);
}

static void *gen_macaddr(struct cg *cg, const struct node *node, void *dst)
{
	LLVMValueRef address = source_address(cg, node->args, node->value == SPACE_BPF);
	LLVMValueRef argv[] = { dst, cg_int(cg, 6), address };

	cg_rt(cg, node->value == SPACE_USER ? "jb_read_user" : "jb_read_kernel", argv, 3);
	return NULL;
}

static struct value decode_macaddr(struct decode *decode, const struct type *type,
				   const void *bytes)
{
	const uint8_t *b = bytes;
	char *text = arena_printf(decode->arena, "%02X:%02X:%02X:%02X:%02X:%02X", b[0], b[1], b[2],
				  b[3], b[4], b[5]);

	(void)type;
	return value_str(text, strlen(text));
}

/* --- join --- */

/* struct jb_argv of bpf-runtime/string.bpf.c: a count, then slots of JOIN_SIZE. The type's parameter separates. */
static struct value decode_argv(struct decode *decode, const struct type *type, const void *bytes)
{
	const char *slots = (const char *)bytes + 8;
	struct buf text = { 0 };
	struct value value;
	uint64_t n;

	memcpy(&n, bytes, sizeof(n));
	for (uint64_t i = 0; i < n && i < JOIN_ARGS; i++) {
		const char *slot = slots + i * JOIN_SIZE;
		if (i)
			buf_puts(&text, type->param);
		buf_add(&text, slot, strnlen(slot, JOIN_SIZE));
	}
	value = value_str(arena_strndup(decode->arena, text.data ? text.data : "", text.len),
			  text.len);
	buf_fini(&text);
	return value;
}

/* node->value: the address space; the type is given by join's own check. */
static void *gen_argv(struct cg *cg, const struct node *node, void *dst)
{
	LLVMValueRef argv[] = { dst, cg_expr(cg, node->args) };

	cg_rt(cg, node->value == SPACE_USER ? "jb_argv_user" : "jb_argv_kernel", argv, 2);
	return NULL;
}

static bool keep_type(struct check *check, struct node *node)
{
	(void)check;
	return node->type != NULL;
}

/* What travels in join's record: the strings, read in the kernel. Not a name that scripts can use. */
static const struct builtin argv_row = {
	.name = "join's arguments",
	.proto = "argv_t argv(any p)",
	.check = keep_type,
	.gen = gen_argv,
	.doc = "The strings of an array of pointers.",
};

/* join(p, sep) becomes join(argv(p)), where the type of argv(p) remembers the separator. */
static bool check_join(struct check *check, struct node *node)
{
	struct node *pointer = node->args, *argv;
	const char *separator = " ";
	const struct type *base =
		type_array(check->types, type_u64(), 1 + JOIN_ARGS * JOIN_SIZE / 8);

	if (pointer->builtin == &argv_row)
		return true;
	if (!builtin_check_scalar(check, node, pointer))
		return false;
	if (pointer->next && !check_const_str(check, pointer->next, &separator))
		return false;
	if (!check->final)
		return true;
	argv = ast_new(check->arena, NODE_CALL, pointer->span);
	argv->name = argv_row.name;
	argv->builtin = &argv_row;
	argv->value = check_space(check, pointer);
	argv->type = type_named(check->types, &named_types_string[2], base, 0, separator);
	argv->args = pointer;
	pointer->next = NULL;
	node->args = argv;
	return true;
}

static int act_join(struct run *run, const struct plan_site *site, const struct value *argv,
		    unsigned argc)
{
	struct record record = { .kind = RECORD_TEXT, .source = "join" };

	(void)site;
	if (argc < 1)
		return -EINVAL;
	record.text = arena_printf(run_scratch(run), "%s\n", argv[0].text);
	record.len = argv[0].len + 1;
	out_record(run_out(run), &record);
	return 0;
}

/* clang-format off */
const struct named_type named_types_string[] = {
	{ .name = "inet", .decode = decode_inet },
	{ .name = "macaddr_t", .decode = decode_macaddr },
	{ .name = "argv_t", .decode = decode_argv },
	{ 0 },
};

const struct builtin builtins_string[] = {
	{ .name = "str", .proto = "string str(any p, [int n])", .check = check_str, .gen = gen_str,
	  .doc = "The NUL-terminated string at an address, n - 1 bytes of it at most." },
	{ .name = "buf", .proto = "buffer buf(any p, [int n])", .check = check_buf, .gen = gen_buf,
	  .doc = "n bytes from an address, or the bytes of an array; printed by %r." },
	{ .name = "strlen", .proto = "u32 strlen(string s)", .rt = "jb_strlen",
	  .doc = "How many bytes a string has." },
	{ .name = "strcontains", .proto = "bool strcontains(string haystack, string needle)", .rt = "jb_strcontains",
	  .doc = "Does the first string contain the second one?" },
	{ .name = "strstr", .proto = "i64 strstr(string haystack, string needle)", .rt = "jb_strstr",
	  .doc = "Where the second string begins in the first one; -1 when it is not there." },
	{ .name = "strncmp", .proto = "i64 strncmp(string a, string b, const int n)", .rt = "jb_strncmp", .check = check_strncmp,
	  .doc = "0 when the first n bytes of two strings are equal." },
	{ .name = "bswap", .proto = "u64 bswap(any n)", .check = check_bswap, .gen = gen_bswap,
	  .doc = "An integer with its bytes in reverse order." },
	{ .name = "ntop", .proto = "inet ntop(any address, [any address])", .check = check_ntop, .gen = gen_ntop,
	  .doc = "An IP address as text; ntop(family, address) says which kind it is." },
	{ .name = "pton", .proto = "any pton(const string address)", .check = check_pton, .gen = gen_pton,
	  .doc = "The bytes of an IP address given as text." },
	{ .name = "macaddr", .proto = "macaddr_t macaddr(any p)", .check = check_macaddr, .gen = gen_macaddr,
	  .doc = "A hardware address as text." },
	{ .name = "join", .proto = "void join(any argv, [const string separator])", .check = check_join, .act = act_join,
	  .doc = "Print an array of strings in one line: join(args.argv)." },
	{ 0 },
};
/* clang-format on */
