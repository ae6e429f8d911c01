/*
 * What a probe is given: its arguments, its return value, which probe it is. The provider's row knows where
 * these lie; the rows here only ask it.
 */
#include "builtins/builtins.h"

#include <stdlib.h>

#include "codegen/cg.h"
#include "lookup/lookup.h"

/* What user functions get in registers; what does not fit there lies on the stack. */
#define REGISTER_ARGS 6

const char *builtin_word(const struct node *arg)
{
	if (arg && (arg->kind == NODE_IDENT || (arg->kind == NODE_CALL && !arg->args)))
		return arg->name;
	if (arg && arg->kind == NODE_STR)
		return arg->text;
	return NULL;
}

const struct type *builtin_arg_type(const struct node *arg)
{
	if (!arg || !arg->type || arg->type->kind == TYPE_ERROR || arg->type->kind == TYPE_NONE)
		return NULL;
	return type_plain(arg->type);
}

bool builtin_check_scalar(struct check *check, struct node *node, const struct node *arg)
{
	const struct type *type = builtin_arg_type(arg);

	if (!type || type_is_scalar(type) || !check->final)
		return true;
	return check_error(check, node, "%s() expects an integer or a pointer, got %s", node->name,
			   type_spell(check->arena, arg->type));
}

static const struct target *first_target(const struct instance *instance)
{
	return instance->targets.n ? instance->targets.data[0] : NULL;
}

/* -1 for retval, N for argN. */
static int arg_number(const struct node *node)
{
	return node->builtin->name[0] == 'r' ? -1 : atoi(node->builtin->name + 3);
}

static struct ctx_item find_arg(const struct instance *instance, int n, const struct type **type)
{
	const struct target *target = first_target(instance);

	if (!target || !instance->provider->arg)
		return (struct ctx_item){ .kind = CTX_NONE };
	return instance->provider->arg(target, n, type);
}

static bool check_arg(struct check *check, struct node *node)
{
	const struct type *type = NULL;
	int n = arg_number(node);
	struct ctx_item item = find_arg(check->instance, n, &type);

	if (item.kind == CTX_NONE && item.why)
		return check_error(check, node, "%s", item.why);
	if (item.kind == CTX_NONE && n >= REGISTER_ARGS &&
	    find_arg(check->instance, 0, &type).kind != CTX_NONE)
		return check_error(check, node,
				   "x86_64 passes six arguments in registers: arg0 to arg5");
	if (item.kind == CTX_NONE)
		return check_error(check, node, "%s is not available in '%s' probes",
				   node->builtin->name, check->instance->provider->name);
	if (item.kind == CTX_SAVED)
		check->instance->saved_args |= 1u << item.index;
	node->type = type ? type : type_u64();
	return true;
}

static void *gen_arg(struct cg *cg, const struct node *node, void *dst)
{
	const struct type *type = NULL;

	(void)dst;
	return cg_ctx_item(cg, find_arg(cg_instance(cg), arg_number(node), &type));
}

/* The registers of the arguments may hold anything at a return. */
static bool no_user_args(struct check *check, struct node *node, const struct target *target)
{
	const struct type *type = NULL;

	if (find_arg(check->instance, 0, &type).kind == CTX_NONE) {
		check_error(check, node, "args is not available in '%s' probes",
			    check->instance->provider->name);
		diag_hint(check->diags,
			  "a span has args and arg0, arg1, ... at the return: span:FILE:FUNCTION");
		return false;
	}
	lookup_user_proto(check->lookup, target->path, target->offset, target->func);
	check_error(check, node, "the arguments have no names here: %s",
		    lookup_error(check->lookup));
	diag_hint(check->diags, "use arg0 for the first parameter, arg1 for the second, ..., and a "
				"cast: ((struct NAME *)arg0)->MEMBER");
	return false;
}

/* User functions need debug information, kernel functions and events the kernel's. */
static bool no_args(struct check *check, struct node *node)
{
	const struct instance *instance = check->instance;
	const struct target *target = first_target(instance);
	const struct type *type = NULL;

	if (target && target->path && (target->func || instance->provider->args) && check->lookup)
		return no_user_args(check, node, target);
	if (instance->provider->args && check_unknown_kernel_type(check, node, "args"))
		return false;
	check_error(check, node, "args is not available in '%s' probes", instance->provider->name);
	if (find_arg(instance, 0, &type).kind != CTX_NONE)
		diag_hint(check->diags, "use arg0, arg1, ...");
	return false;
}

static bool check_args(struct check *check, struct node *node)
{
	const struct target *target = first_target(check->instance);

	if (!check->instance->args)
		return no_args(check, node);
	if (target && target->path && !node->is_holder) {
		check_error(check, node, "arguments lie in registers, so that args is no whole");
		diag_hint(check->diags, "take its fields: args.NAME");
		return false;
	}
	node->type = check->instance->args;
	return true;
}

static bool check_duration(struct check *check, struct node *node)
{
	if (!(check->instance->provider->flags & PROVIDER_SPAN)) {
		check_error(check, node, "duration is not available in '%s' probes",
			    check->instance->provider->name);
		diag_hint(check->diags,
			  "only a span has a duration: span:LIBRARY:FUNCTION, span:syscall:NAME");
		return false;
	}
	node->type = type_u64();
	return true;
}

static void *gen_duration(struct cg *cg, const struct node *node, void *dst)
{
	struct ctx_item item = { .kind = CTX_DURATION, .size = 8 };

	(void)node;
	(void)dst;
	return cg_ctx_item(cg, item);
}

static bool check_probe(struct check *check, struct node *node)
{
	node->type = type_named(check->types, &named_types_context[0], type_u32(), 0, NULL);
	return true;
}

static bool check_func(struct check *check, struct node *node)
{
	const struct target *target = first_target(check->instance);
	bool is_function = target && target->func &&
			   (target->path ||
			    check->instance->provider->flags & (PROVIDER_SPAN | PROVIDER_FUNCTION));

	if (target && !is_function) {
		check_error(check, node, "func is not available in '%s' probes",
			    check->instance->provider->name);
		diag_hint(check->diags, "probe is the name of the whole probe");
		return false;
	}
	node->type = type_named(check->types, &named_types_context[1], type_u32(), 0, NULL);
	return true;
}

static void *gen_func(struct cg *cg, const struct node *node, void *dst)
{
	(void)node;
	(void)dst;
	return cg_func_id(cg);
}

static void *gen_target(struct cg *cg, const struct node *node, void *dst)
{
	(void)node;
	(void)dst;
	return cg_probe_id(cg);
}

/* A probe whose arguments have names has nothing else in its context. */
static bool check_ctx(struct check *check, struct node *node)
{
	const struct provider *provider = check->instance->provider;
	const struct target *target = first_target(check->instance);
	const struct type *type = NULL;

	if (provider->ctx && target && check->lookup)
		type = provider->ctx(check->lookup, target);
	if (type) {
		node->type = type_ptr(check->types, type, SPACE_KERNEL);
		return true;
	}
	if (provider->args && !provider->arg) {
		check_error(check, node, "ctx is not available in '%s' probes", provider->name);
		diag_hint(check->diags, "use args.NAME; probe tells which probe it is");
		return false;
	}
	node->type = type_ptr(check->types, type_none(), SPACE_CTX);
	return true;
}

static void *gen_ctx(struct cg *cg, const struct node *node, void *dst)
{
	(void)node;
	(void)dst;
	return LLVMBuildPtrToInt(cg_builder(cg), cg_ctx(cg), LLVMInt64TypeInContext(cg_llvm(cg)),
				 "");
}

static const struct type *pointer_in(struct check *check, const struct node *arg, enum space space)
{
	const struct type *type = builtin_arg_type(arg);

	if (type && type->kind == TYPE_PTR)
		return type_ptr(check->types, type->base, space);
	return type_ptr(check->types, type_none(), space);
}

static bool check_kptr(struct check *check, struct node *node)
{
	node->type = pointer_in(check, node->args, SPACE_KERNEL);
	return builtin_check_scalar(check, node, node->args);
}

static bool check_uptr(struct check *check, struct node *node)
{
	node->type = pointer_in(check, node->args, SPACE_USER);
	return builtin_check_scalar(check, node, node->args);
}

static void *gen_pointer(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_expr(cg, node->args);
}

static const struct register_name {
	const char *name;
	uint32_t offset; /* in struct pt_regs */
} registers[] = {
	{ "r15", 0 },	    { "r14", 8 },	 { "r13", 16 }, { "r12", 24 }, { "bp", 32 },
	{ "bx", 40 },	    { "r11", 48 },	 { "r10", 56 }, { "r9", 64 },  { "r8", 72 },
	{ "ax", 80 },	    { "cx", 88 },	 { "dx", 96 },	{ "si", 104 }, { "di", 112 },
	{ "orig_ax", 120 }, { "orig_rax", 120 }, { "ip", 128 }, { "pc", 128 }, { "cs", 136 },
	{ "flags", 144 },   { "sp", 152 },	 { "ss", 160 }, { NULL, 0 },
};

/* Registers can be read where arguments are registers. */
static bool check_reg(struct check *check, struct node *node)
{
	const struct type *type = NULL;
	const struct register_name *reg = registers;
	const char *name;

	if (!check_const_str(check, node->args, &name))
		return false;
	while (reg->name && strcmp(reg->name, name))
		reg++;
	if (!reg->name)
		return check_error(check, node->args, "there is no register '%s' on x86_64", name);
	if (!(check->instance->provider->flags & PROVIDER_REGS) &&
	    find_arg(check->instance, 0, &type).kind != CTX_REG &&
	    find_arg(check->instance, -1, &type).kind != CTX_REG)
		return check_error(check, node, "reg() is not available in '%s' probes",
				   check->instance->provider->name);
	node->value = reg->offset;
	node->type = type_u64();
	return true;
}

static void *gen_reg(struct cg *cg, const struct node *node, void *dst)
{
	struct ctx_item item = { .kind = CTX_REG, .offset = node->value, .size = 8 };

	(void)dst;
	return cg_ctx_item(cg, item);
}

static const struct target *decode_target(struct decode *decode, const void *bytes, uint32_t *id)
{
	memcpy(id, bytes, sizeof(*id));
	if (!decode->plan || *id >= decode->plan->targets.n)
		return NULL;
	return decode->plan->targets.data[*id];
}

static struct value decode_probe(struct decode *decode, const struct type *type, const void *bytes)
{
	uint32_t id;
	const struct target *target = decode_target(decode, bytes, &id);

	(void)type;
	return value_symbol(target ? target->name : "", id);
}

static struct value decode_func(struct decode *decode, const struct type *type, const void *bytes)
{
	uint32_t id;
	const struct target *target = decode_target(decode, bytes, &id);

	(void)type;
	return value_symbol(target && target->func ? target->func : "", id);
}

/* clang-format off */
const struct named_type named_types_context[] = {
	{ .name = "probe_t", .decode = decode_probe },
	{ .name = "func_t", .decode = decode_func },
	{ 0 },
};

#define ARG(n)                                                                                     \
	{ .name = "arg" #n, .proto = "u64 arg" #n, .flags = BUILTIN_VALUE, .check = check_arg, .gen = gen_arg,             \
	  .doc = "Argument number " #n " of the traced function, counted from 0." }

const struct builtin builtins_context[] = {
	{ .name = "args", .proto = "any args", .flags = BUILTIN_ARGS, .check = check_args,
	  .doc = "The probe's arguments by name: args.filename." },
	ARG(0), ARG(1), ARG(2), ARG(3), ARG(4), ARG(5), ARG(6), ARG(7), ARG(8), ARG(9), ARG(10), ARG(11),
	{ .name = "retval", .proto = "u64 retval", .flags = BUILTIN_VALUE, .check = check_arg, .gen = gen_arg,
	  .doc = "What the traced function returned." },
	{ .name = "duration", .proto = "u64 duration", .flags = BUILTIN_DURATION, .check = check_duration, .gen = gen_duration,
	  .doc = "Nanoseconds between the entry and the return of a span." },
	{ .name = "probe", .proto = "probe_t probe", .flags = BUILTIN_TARGET, .check = check_probe, .gen = gen_target,
	  .doc = "Full name of the probe that fired." },
	{ .name = "func", .proto = "func_t func", .flags = BUILTIN_TARGET, .check = check_func, .gen = gen_func,
	  .doc = "Name of the traced function." },
	{ .name = "ctx", .proto = "ptr ctx", .check = check_ctx, .gen = gen_ctx,
	  .doc = "The context of the BPF program." },
	{ .name = "kptr", .proto = "ptr kptr(any p)", .check = check_kptr, .gen = gen_pointer,
	  .doc = "The same address, in kernel memory." },
	{ .name = "uptr", .proto = "ptr uptr(any p)", .check = check_uptr, .gen = gen_pointer,
	  .doc = "The same address, in user memory." },
	{ .name = "reg", .proto = "u64 reg(const string name)", .check = check_reg, .gen = gen_reg,
	  .doc = "A register of the probed place by name: reg(\"sp\")." },
	{ 0 },
};
/* clang-format on */
