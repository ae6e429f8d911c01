/*
 * Places: memory behind an expression, before it is read. A place knows its address space, so that one load function
 * serves struct members in the kernel, in user memory, in the context and in map values.
 */
#include "codegen/internal.h"

#include <assert.h>

#define REGS_ARG 0 /* raw tracepoints of system calls: the first argument is struct pt_regs * */

static enum space space_of(struct cg *cg, const struct type *pointer)
{
	if (pointer->space != SPACE_UNKNOWN)
		return pointer->space;
	return cg->instance->provider->flags & PROVIDER_USER ? SPACE_USER : SPACE_KERNEL;
}

static bool is_direct(enum space space)
{
	return space == SPACE_BPF || space == SPACE_CTX;
}

static void move(struct cg *cg, struct place *place, LLVMValueRef bytes)
{
	place->addr = is_direct(place->space)
			      ? LLVMBuildGEP2(cg->b, cg->i8, place->addr, &bytes, 1, "")
			      : LLVMBuildAdd(cg->b, place->addr, bytes, "");
}

static void read_remote(struct cg *cg, struct place place, LLVMValueRef dst, uint32_t size)
{
	cg_rt(cg, place.space == SPACE_USER ? "jb_read_user" : "jb_read_kernel",
	      (LLVMValueRef[]){ dst, cg_int(cg, size), place.addr }, 3);
}

/* What is narrower than a word may have anything above it in a register. */
static LLVMValueRef narrow(struct cg *cg, LLVMValueRef word, struct ctx_item item)
{
	if (!item.size || item.size >= 8)
		return word;
	return cg_extend(cg, LLVMBuildTrunc(cg->b, word, cg_int_type(cg, item.size), ""),
			 item.is_signed);
}

/* Registers are those of the program's context. */
static LLVMValueRef register_value(struct cg *cg, uint32_t offset)
{
	return LLVMBuildLoad2(cg->b, cg->i64, cg_ctx_offset(cg, offset), "");
}

static LLVMValueRef user_operand(struct cg *cg, struct ctx_item item)
{
	LLVMValueRef address = cg_int(cg, item.value);

	if (item.offset != CTX_NO_REG)
		address = LLVMBuildAdd(cg->b, address, register_value(cg, item.offset), "");
	if (item.scale)
		address = LLVMBuildAdd(cg->b, address,
				       LLVMBuildMul(cg->b, register_value(cg, item.index),
						    cg_int(cg, item.scale), ""),
				       "");
	return cg_place_load(cg, (struct place){ address, SPACE_USER,
						 type_int(item.size, item.is_signed), 0, 0 });
}

LLVMValueRef cg_ctx_item(struct cg *cg, struct ctx_item item)
{
	LLVMValueRef ctx = cg_ctx(cg), value;

	switch (item.kind) {
	case CTX_NONE:
		break;
	case CTX_REG:
		value = register_value(cg, item.offset);
		return narrow(cg, value, item);
	case CTX_LOAD:
		value = LLVMBuildLoad2(cg->b, cg_int_type(cg, item.size),
				       cg_ctx_offset(cg, item.offset), "");
		return cg_extend(cg, value, item.is_signed);
	case CTX_RAW_ARG:
		return LLVMBuildLoad2(cg->b, cg->i64, cg_ctx_offset(cg, 8 * item.index), "");
	case CTX_SYS_REGS: {
		LLVMValueRef regs =
			LLVMBuildLoad2(cg->b, cg->i64, cg_ctx_offset(cg, 8 * REGS_ARG), "");
		struct place place = { LLVMBuildAdd(cg->b, regs, cg_int(cg, item.offset), ""),
				       SPACE_KERNEL, type_u64(), 0, 0 };
		return cg_place_load(cg, place);
	}
	case CTX_SAVED: {
		LLVMValueRef span = cg_slot_load(cg, FRAME_SPAN, cg->ptr);
		value = LLVMBuildLoad2(cg->b, cg->i64, cg_offset(cg, span, 8 + 8 * item.index), "");
		return narrow(cg, value, item);
	}
	case CTX_DURATION: {
		LLVMValueRef span = cg_slot_load(cg, FRAME_SPAN, cg->ptr);
		LLVMValueRef start = LLVMBuildLoad2(cg->b, cg->i64, span, "");
		return LLVMBuildSub(cg->b, cg_rt(cg, "jb_now_ns", NULL, 0), start, "");
	}
	case CTX_WORD:
		value = cg_rt(cg, "jb_function_word",
			      (LLVMValueRef[]){ ctx, cg_int(cg, item.index) }, 2);
		return narrow(cg, value, item);
	case CTX_RESULT:
		return narrow(cg, cg_rt(cg, "jb_function_result", &ctx, 1), item);
	case CTX_ZERO:
		return cg_int(cg, 0);
	case CTX_MEMORY:
		break;
	case CTX_CONST:
		return cg_int(cg, item.value);
	case CTX_USER:
		return user_operand(cg, item);
	}
	assert(!"check lets no missing context item through");
	return cg_int(cg, 0);
}

static bool is_args(const struct node *node)
{
	return node->kind == NODE_CALL && node->builtin && node->builtin->flags & BUILTIN_ARGS;
}

/* A scalar that is already in a register, given a home so that it can be a place. */
static struct place place_of_value(struct cg *cg, LLVMValueRef value, const struct type *type)
{
	LLVMValueRef home = cg_alloca(cg, cg->i64, "home");

	LLVMBuildStore(cg->b, value, home);
	return (struct place){ home, SPACE_BPF, type, 0, 0 };
}

/* args.x: where the provider says. */
static struct place args_field(struct cg *cg, const struct node *node)
{
	const struct instance *instance = cg->instance;
	const struct field *field = node->field;
	const struct target *target = instance->targets.n ? instance->targets.data[0] : NULL;
	struct ctx_item item = { .kind = CTX_LOAD,
				 .offset = field->offset,
				 .size = field->type->size };

	if (instance->provider->args_field)
		item = instance->provider->args_field(target, instance->args, field);
	if (item.kind == CTX_MEMORY) {
		LLVMValueRef base = LLVMBuildPtrToInt(cg->b, cg_offset(cg, cg_ctx(cg), item.offset),
						      cg->i64, "");
		return (struct place){ base, SPACE_KERNEL, node->type, 0, 0 };
	}
	if (item.kind != CTX_LOAD)
		return place_of_value(cg, cg_ctx_item(cg, item), node->type);
	if (field->data_loc) {
		LLVMValueRef loc = cg_ctx_item(
			cg,
			(struct ctx_item){ .kind = CTX_LOAD, .offset = field->offset, .size = 4 });
		LLVMValueRef at = LLVMBuildAnd(cg->b, loc, cg_int(cg, 0xffff), "");
		LLVMValueRef base = LLVMBuildPtrToInt(cg->b, cg_ctx(cg), cg->i64, "");
		return place_of_value(cg, LLVMBuildAdd(cg->b, base, at, ""), node->type);
	}
	/* What is more than a number is given away by its address, which may be anywhere. */
	return (struct place){ type_is_scalar(node->type) ? cg_ctx_offset(cg, item.offset)
							  : cg_offset(cg, cg_ctx(cg), item.offset),
			       SPACE_CTX, node->type, field->bit_offset, field->bit_size };
}

static struct place member(struct cg *cg, const struct node *node)
{
	if (is_args(node->a))
		return args_field(cg, node);
	struct place place = cg_place(cg, node->a);

	move(cg, &place, cg_int(cg, node->offset));
	place.type = node->type;
	if (node->field) {
		place.bit_offset = node->field->bit_offset;
		place.bit_size = node->field->bit_size;
	}
	return place;
}

static struct place element(struct cg *cg, const struct node *node)
{
	const struct type *base = type_plain(node->a->type);
	LLVMValueRef index = cg_expr(cg, node->b);
	struct place place;

	if (base->kind == TYPE_PTR) {
		place = (struct place){ cg_expr(cg, node->a), space_of(cg, base), node->type, 0,
					0 };
	} else {
		place = cg_place(cg, node->a);
		/* An index past the end reads the last element's neighbour nowhere: it is pulled back to the end. */
		uint32_t count = base->kind == TYPE_STR ? base->size : base->count;
		if (!(node->b->kind == NODE_INT && node->b->value < count)) {
			LLVMValueRef ok =
				LLVMBuildICmp(cg->b, LLVMIntULT, index, cg_int(cg, count), "");
			index = LLVMBuildSelect(cg->b, ok, index, cg_int(cg, count ? count - 1 : 0),
						"");
		}
	}
	uint32_t size = base->kind == TYPE_STR ? 1 : base->base->size;
	move(cg, &place, LLVMBuildMul(cg->b, index, cg_int(cg, size), ""));
	place.type = node->type;
	return place;
}

struct place cg_place(struct cg *cg, const struct node *node)
{
	switch (node->kind) {
	case NODE_DEREF:
		return (struct place){ cg_expr(cg, node->a),
				       space_of(cg, type_plain(node->a->type)), node->type, 0, 0 };
	case NODE_FIELD:
		return member(cg, node);
	case NODE_INDEX:
		return element(cg, node);
	case NODE_TUPLE_INDEX: {
		struct place place = cg_place(cg, node->a);
		move(cg, &place, cg_int(cg, type_plain(node->a->type)->fields[node->value].offset));
		place.type = node->type;
		return place;
	}
	default:
		break;
	}
	if (type_is_scalar(node->type))
		return place_of_value(cg, cg_expr(cg, node), node->type);
	return (struct place){ cg_expr_ptr(cg, node), SPACE_BPF, node->type, 0, 0 };
}

static LLVMValueRef bits(struct cg *cg, struct place place, LLVMValueRef word)
{
	LLVMValueRef up = cg_int(cg, 64 - place.bit_size - place.bit_offset),
		     down = cg_int(cg, 64 - place.bit_size);

	word = LLVMBuildShl(cg->b, word, up, "");
	return type_is_signed(place.type) ? LLVMBuildAShr(cg->b, word, down, "")
					  : LLVMBuildLShr(cg->b, word, down, "");
}

LLVMValueRef cg_place_load(struct cg *cg, struct place place)
{
	LLVMValueRef value;

	if (is_direct(place.space)) {
		value = LLVMBuildLoad2(cg->b, cg_int_type(cg, place.type->size), place.addr, "");
		LLVMSetAlignment(value, place.space == SPACE_CTX ? place.type->size : 1);
		if (place.space == SPACE_BPF)
			LLVMSetAlignment(value, place.type->size);
	} else {
		LLVMValueRef home = cg_memory(cg, 8);
		LLVMBuildStore(cg->b, cg_int(cg, 0), home);
		read_remote(cg, place, home, place.type->size);
		value = LLVMBuildLoad2(cg->b, cg_int_type(cg, place.type->size), home, "");
	}
	if (place.bit_size)
		return bits(cg, place, cg_extend(cg, value, false));
	return cg_extend(cg, value, type_is_signed(place.type));
}

void cg_place_copy(struct cg *cg, struct place place, LLVMValueRef dst, uint32_t size)
{
	if (place.space == SPACE_BPF)
		cg_copy(cg, dst, place.addr, size);
	else if (place.space == SPACE_CTX)
		cg_rt(cg, "jb_read_kernel",
		      (LLVMValueRef[]){ dst, cg_int(cg, size),
					LLVMBuildPtrToInt(cg->b, place.addr, cg->i64, "") },
		      3);
	else
		read_remote(cg, place, dst, size);
}
