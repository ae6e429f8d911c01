/*
 * Parameters and results of user functions: from where the debug information and the calling convention say that they
 * are to what codegen loads. Nothing is read for scripts that use neither args nor retval of such functions.
 */
#include "probes/userargs.h"

#include <string.h>

#include "probes/point.h"
#include "probes/regs.h"
#include "probes/userfunc.h"

#define RETURN_ADDRESS 8 /* bytes; arguments on the stack lie above it */

/* --- parameters --- */

const struct type *userargs_type(struct resolve *resolve, const struct target *target)
{
	const struct user_proto *proto;

	if (!target->path)
		return NULL;
	proto = lookup_user_proto(resolve->lookup, target->path, target->offset, target->func);
	return proto ? proto->args : NULL;
}

static struct ctx_item unreadable(const struct field *field, const char *on_stack)
{
	const char *why = on_stack;

	if (field->offset >= USER_ARG_VECTOR)
		why = "is passed in a vector register, as float and double are, and programs "
		      "cannot read those";
	else if (field->offset >= USER_ARG_STRUCT)
		why = "is a struct passed by value: its words are in arg0 to arg5, or on the stack";
	return (struct ctx_item){ .kind = CTX_NONE, .why = why };
}

static struct ctx_item sized(struct ctx_item item, const struct field *field)
{
	item.size = field->type->size;
	item.is_signed = type_is_signed(field->type);
	return item;
}

struct ctx_item userargs_entry_field(const struct target *target, const struct type *args,
				     const struct field *field)
{
	struct ctx_item item = { .kind = CTX_USER, .offset = regs_host()->stack_pointer };

	(void)target;
	(void)args;
	if (field->offset < USER_ARG_STACK)
		return sized(regs_arg(field->offset / 8), field);
	if (field->offset >= USER_ARG_STRUCT)
		return unreadable(field, NULL);
	item.value = RETURN_ADDRESS + field->offset - USER_ARG_STACK;
	return sized(item, field);
}

struct ctx_item userargs_saved_field(const struct target *target, const struct type *args,
				     const struct field *field)
{
	struct ctx_item item = { .kind = CTX_SAVED, .index = field->offset / 8 };

	(void)target;
	(void)args;
	if (field->offset < USER_ARG_STACK)
		return sized(item, field);
	return unreadable(
		field, "is passed on the stack, which a span does not keep; a uprobe can read it");
}

/* --- results --- */

static bool find_retval(struct node *node, void *found)
{
	if (node->kind == NODE_CALL && node->builtin && node->builtin->flags & BUILTIN_VALUE &&
	    !strcmp(node->builtin->name, "retval"))
		*(bool *)found = true;
	return true;
}

static bool uses_retval(struct instance *instance)
{
	bool found = false;

	if (instance->predicate)
		ast_walk(instance->predicate, find_retval, &found);
	ast_walk(instance->body, find_retval, &found);
	return found;
}

static const struct user_proto *proto_of(const struct target *target)
{
	return target->own;
}

static bool same_result(const struct target *a, const struct target *b)
{
	const struct user_proto *x = proto_of(a), *y = proto_of(b);

	return (x ? x->result : NULL) == (y ? y->result : NULL);
}

/* What agrees with the first target stays, in its order; the rest goes behind it. Returns how many stay. */
static size_t bring_forward(struct resolve *resolve, struct instance *instance)
{
	struct target *first = instance->targets.data[0], **target;
	VEC(struct target *) rest = { 0 };
	size_t n = 0;

	vec_each (target, &instance->targets) {
		if (same_result(first, *target))
			instance->targets.data[n++] = *target;
		else
			vec_push(resolve->arena, &rest, *target);
	}
	for (size_t i = 0; i < rest.n; i++)
		instance->targets.data[n + i] = rest.data[i];
	return n;
}

void userargs_plan_results(struct resolve *resolve, struct instance *instance)
{
	struct target **target;

	if (!instance->uses_args || !uses_retval(instance))
		return;
	vec_each (target, &instance->targets)
		(*target)->own = lookup_user_proto(resolve->lookup, (*target)->path,
						   (*target)->offset, (*target)->func);
	for (size_t n; (n = bring_forward(resolve, instance)) < instance->targets.n;)
		instance = instance_split(resolve, instance, n);
}

struct ctx_item userargs_result(const struct target *target, const struct type **type)
{
	const struct user_proto *proto = proto_of(target);
	struct ctx_item item = regs_result();

	*type = NULL;
	if (proto && proto->is_vector_result && target->number != USERFUNC_ANY)
		return (struct ctx_item){
			.kind = CTX_NONE,
			.why = "the function returns a float or double, in a register that "
			       "programs cannot read",
		};
	if (!proto || !proto->result)
		return item;
	*type = proto->result;
	item.size = proto->result->size;
	item.is_signed = type_is_signed(proto->result);
	return item;
}

/* --- listing --- */

static const struct type *list_result(struct lookup *lookup, const struct user_proto *proto)
{
	struct type *type;
	struct field *field;

	if (!proto->result)
		return NULL;
	type = arena_new_of(lookup_arena(lookup), struct type);
	field = arena_new_of(lookup_arena(lookup), struct field);
	*field = (struct field){ .name = "retval",
				 .type = proto->result,
				 .spelled = proto->spelled_result };
	*type = (struct type){
		.kind = TYPE_STRUCT, .is_complete = true, .fields = field, .n_fields = 1
	};
	return type;
}

const struct type *userargs_list(struct lookup *lookup, const char *provider,
				 const struct binary *binary, const struct elf_symbol *symbol)
{
	const struct user_proto *proto;

	if (!lookup_is_verbose(lookup))
		return NULL;
	proto = lookup_user_proto(lookup, binary->path, symbol->offset, symbol->name);
	if (!proto)
		return NULL;
	return strcmp(provider, "uretprobe") ? proto->args : list_result(lookup, proto);
}
