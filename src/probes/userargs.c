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
