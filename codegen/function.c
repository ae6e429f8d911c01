/*
 * LLVM functions from the inside: blocks, frame slots, temporaries, calls of runtime functions and BPF helpers. The
 * vocabulary in which the rest of codegen speaks; it knows no syntax.
 */
#include "codegen/internal.h"

#include <assert.h>
#include <string.h>

#include "base/strmap.h"

/* Temporaries above this go to scratch memory, and so does everything once the stack holds STACK_BUDGET bytes. */
#define STACK_OBJECT 72
#define STACK_BUDGET 224

LLVMValueRef cg_int(struct cg *cg, int64_t value)
{
	return LLVMConstInt(cg->i64, (unsigned long long)value, 1);
}

LLVMTypeRef cg_int_type(struct cg *cg, uint32_t size)
{
	return size == 1 ? cg->i8 : size == 2 ? cg->i16 : size == 4 ? cg->i32 : cg->i64;
}

LLVMBuilderRef cg_builder(struct cg *cg)
{
	return cg->b;
}

LLVMContextRef cg_llvm(struct cg *cg)
{
	return cg->llvm;
}

struct plan *cg_plan(struct cg *cg)
{
	return cg->plan;
}

const struct instance *cg_instance(struct cg *cg)
{
	return cg->instance;
}

/* Allocas stand in the entry block: BPF has no dynamic stack. */
LLVMValueRef cg_alloca(struct cg *cg, LLVMTypeRef type, const char *name)
{
	LLVMBasicBlockRef here = LLVMGetInsertBlock(cg->b);
	LLVMValueRef first = LLVMGetFirstInstruction(cg->fn->entry);

	if (first)
		LLVMPositionBuilderBefore(cg->b, first);
	else
		LLVMPositionBuilderAtEnd(cg->b, cg->fn->entry);
	LLVMValueRef slot = LLVMBuildAlloca(cg->b, type, name);
	LLVMSetAlignment(slot, 8);
	LLVMPositionBuilderAtEnd(cg->b, here);
	return slot;
}

LLVMBasicBlockRef cg_block(struct cg *cg, const char *name)
{
	return LLVMAppendBasicBlockInContext(cg->llvm, cg->fn->fn, name);
}

void cg_enter(struct cg *cg, LLVMBasicBlockRef block)
{
	LLVMPositionBuilderAtEnd(cg->b, block);
}

static bool block_ended(struct cg *cg)
{
	return LLVMGetBasicBlockTerminator(LLVMGetInsertBlock(cg->b)) != NULL;
}

void cg_jump(struct cg *cg, LLVMBasicBlockRef block)
{
	if (!block_ended(cg))
		LLVMBuildBr(cg->b, block);
}

LLVMValueRef cg_truth(struct cg *cg, LLVMValueRef value)
{
	LLVMTypeRef type = LLVMTypeOf(value);

	if (type == cg->i1)
		return value;
	return LLVMBuildICmp(cg->b, LLVMIntNE, value, LLVMConstNull(type), "");
}

void cg_branch(struct cg *cg, LLVMValueRef condition, LLVMBasicBlockRef yes, LLVMBasicBlockRef no)
{
	LLVMBuildCondBr(cg->b, cg_truth(cg, condition), yes, no);
}

void cg_if(struct cg *cg, LLVMValueRef cond, void (*then)(struct cg *, void *), void *arg)
{
	LLVMBasicBlockRef yes = cg_block(cg, "then"), after = cg_block(cg, "after");

	cg_branch(cg, cond, yes, after);
	cg_enter(cg, yes);
	then(cg, arg);
	cg_jump(cg, after);
	cg_enter(cg, after);
}

LLVMValueRef cg_offset(struct cg *cg, LLVMValueRef ptr, int64_t offset)
{
	LLVMValueRef index = cg_int(cg, offset);

	return offset ? LLVMBuildGEP2(cg->b, cg->i8, ptr, &index, 1, "") : ptr;
}

LLVMValueRef cg_slot(struct cg *cg, unsigned slot)
{
	LLVMValueRef index = cg_int(cg, slot);

	return LLVMBuildGEP2(cg->b, cg->i64, cg->fn->frame, &index, 1, "");
}

LLVMValueRef cg_slot_load(struct cg *cg, unsigned slot, LLVMTypeRef type)
{
	return LLVMBuildLoad2(cg->b, type, cg_slot(cg, slot), "");
}

LLVMValueRef cg_ctx(struct cg *cg)
{
	return cg->fn->outer ? cg_slot_load(cg, FRAME_CTX, cg->ptr) : LLVMGetParam(cg->fn->fn, 0);
}

LLVMValueRef cg_ctx_offset(struct cg *cg, int64_t offset)
{
	static const char name[] = "llvm.preserve.static.offset";
	unsigned id = LLVMLookupIntrinsicID(name, sizeof(name) - 1);
	LLVMValueRef marker = LLVMGetIntrinsicDeclaration(cg->module, id, NULL, 0),
		     ctx = cg_ctx(cg);
	LLVMTypeRef type = LLVMIntrinsicGetType(cg->llvm, id, NULL, 0);

	ctx = LLVMBuildCall2(cg->b, type, marker, &ctx, 1, "");
	return LLVMBuildInBoundsGEP2(cg->b, cg->i8, ctx, (LLVMValueRef[]){ cg_int(cg, offset) }, 1,
				     "");
}

LLVMValueRef cg_extend(struct cg *cg, LLVMValueRef value, bool is_signed)
{
	LLVMTypeRef type = LLVMTypeOf(value);

	if (LLVMGetTypeKind(type) == LLVMPointerTypeKind)
		return LLVMBuildPtrToInt(cg->b, value, cg->i64, "");
	if (type == cg->i64)
		return value;
	return is_signed && type != cg->i1 ? LLVMBuildSExt(cg->b, value, cg->i64, "")
					   : LLVMBuildZExt(cg->b, value, cg->i64, "");
}

/* Fit a value to a C parameter. */
static LLVMValueRef fit(struct cg *cg, LLVMValueRef value, LLVMTypeRef want)
{
	LLVMTypeRef have = LLVMTypeOf(value);
	LLVMTypeKind want_kind = LLVMGetTypeKind(want), have_kind = LLVMGetTypeKind(have);

	if (have == want)
		return value;
	if (want_kind == LLVMPointerTypeKind)
		return LLVMBuildIntToPtr(cg->b, value, want, "");
	if (have_kind == LLVMPointerTypeKind)
		return LLVMBuildPtrToInt(cg->b, value, want, "");
	if (want == cg->i1)
		return cg_truth(cg, value);
	if (LLVMGetIntTypeWidth(have) > LLVMGetIntTypeWidth(want))
		return LLVMBuildTrunc(cg->b, value, want, "");
	return LLVMBuildZExt(cg->b, value, want, "");
}

LLVMValueRef cg_rt(struct cg *cg, const char *function, LLVMValueRef *argv, unsigned argc)
{
	LLVMValueRef fn = LLVMGetNamedFunction(cg->module, function);

	assert(fn && "runtime function of a row must exist");
	LLVMTypeRef type = LLVMGlobalGetValueType(fn), params[16];
	LLVMValueRef args[16];
	assert(LLVMCountParamTypes(type) == argc && argc <= 16);
	LLVMGetParamTypes(type, params);
	for (unsigned i = 0; i < argc; i++)
		args[i] = fit(cg, argv[i], params[i]);
	LLVMTypeRef result = LLVMGetReturnType(type);
	LLVMValueRef value = LLVMBuildCall2(cg->b, type, fn, args, argc, "");

	switch (LLVMGetTypeKind(result)) {
	case LLVMVoidTypeKind:
		return NULL;
	case LLVMPointerTypeKind:
		return value;
	default:
		return cg_extend(cg, value, false);
	}
}

static LLVMValueRef call_helper(struct cg *cg, LLVMTypeRef result, unsigned id, LLVMValueRef *argv,
				unsigned argc)
{
	LLVMTypeRef params[5];

	for (unsigned i = 0; i < argc; i++)
		params[i] = LLVMTypeOf(argv[i]);
	LLVMTypeRef type = LLVMFunctionType(result, params, argc, 0);
	return LLVMBuildCall2(cg->b, type, LLVMConstIntToPtr(cg_int(cg, id), cg->ptr), argv, argc,
			      "");
}

LLVMValueRef cg_helper(struct cg *cg, unsigned id, LLVMValueRef *argv, unsigned argc)
{
	return call_helper(cg, cg->i64, id, argv, argc);
}

LLVMValueRef cg_helper_ptr(struct cg *cg, unsigned id, LLVMValueRef *argv, unsigned argc)
{
	return call_helper(cg, cg->ptr, id, argv, argc);
}

void cg_count(struct cg *cg, uint32_t counter)
{
	cg_rt(cg, "jb_count", (LLVMValueRef[]){ cg_int(cg, counter) }, 1);
}

static LLVMValueRef temp_address(struct cg *cg, const struct cg_temp_slot *slot)
{
	return slot->stack ? slot->stack
			   : cg_offset(cg, cg_slot_load(cg, FRAME_SCRATCH, cg->ptr), slot->offset);
}

/* One that an earlier statement has finished with. Stack memory is of use in its own function only. */
static struct cg_temp_slot *free_slot(struct cg *cg, uint32_t room)
{
	struct cg_temp_slot **slot;

	vec_each (slot, &cg->temps)
		if (!(*slot)->busy && (*slot)->room == room &&
		    (!(*slot)->stack || (*slot)->fn == cg->fn->fn))
			return *slot;
	return NULL;
}

static struct cg_temp_slot *new_slot(struct cg *cg, uint32_t room)
{
	struct cg_temp_slot *slot = arena_new_of(cg->arena, struct cg_temp_slot);

	slot->room = room;
	slot->fn = cg->fn->fn;
	if (room <= STACK_OBJECT && cg->stack_used + room <= STACK_BUDGET) {
		cg->stack_used += room;
		slot->stack = cg_alloca(cg, LLVMArrayType2(cg->i8, room), "tmp");
	} else {
		slot->offset = cg->scratch_used;
		cg->scratch_used += room;
	}
	vec_push(cg->arena, &cg->temps, slot);
	return slot;
}

LLVMValueRef cg_memory(struct cg *cg, uint32_t size)
{
	uint32_t room = (size + 7) & ~7u;
	struct cg_temp_slot *slot = free_slot(cg, room);

	if (!slot)
		slot = new_slot(cg, room);
	slot->busy = true;
	vec_push(cg->arena, &cg->busy, slot);
	return temp_address(cg, slot);
}

size_t cg_mark(const struct cg *cg)
{
	return cg->busy.n;
}

void cg_release(struct cg *cg, size_t mark)
{
	while (cg->busy.n > mark)
		cg->busy.data[--cg->busy.n]->busy = false;
}

void cg_zero(struct cg *cg, LLVMValueRef dst, uint32_t size)
{
	if (size)
		cg_rt(cg, "jb_zero", (LLVMValueRef[]){ dst, cg_int(cg, size) }, 2);
}

void cg_copy(struct cg *cg, LLVMValueRef dst, LLVMValueRef src, uint32_t size)
{
	if (size && dst != src)
		cg_rt(cg, "jb_copy", (LLVMValueRef[]){ dst, src, cg_int(cg, size) }, 3);
}

LLVMValueRef cg_temp(struct cg *cg, const struct type *type)
{
	LLVMValueRef memory = cg_memory(cg, type->size);

	cg_zero(cg, memory, type->size);
	return memory;
}

LLVMValueRef cg_const_bytes(struct cg *cg, const void *bytes, size_t len)
{
	LLVMValueRef init = LLVMConstStringInContext2(cg->llvm, bytes, len, 1);
	LLVMValueRef global = LLVMAddGlobal(cg->module, LLVMTypeOf(init), "const");

	LLVMSetInitializer(global, init);
	LLVMSetLinkage(global, LLVMInternalLinkage);
	LLVMSetGlobalConstant(global, 1);
	LLVMSetAlignment(global, 8);
	LLVMSetSection(global,
		       ".rodata"); /* one map for all of them, instead of one per .rodata.strN */
	return global;
}

LLVMValueRef cg_load(struct cg *cg, LLVMValueRef ptr, const struct type *type)
{
	LLVMValueRef value = LLVMBuildLoad2(cg->b, cg_int_type(cg, type->size), ptr, "");

	LLVMSetAlignment(value, type->size);
	return cg_extend(cg, value, type_is_signed(type));
}

void cg_store(struct cg *cg, LLVMValueRef ptr, const struct type *type, LLVMValueRef value)
{
	LLVMTypeRef want = cg_int_type(cg, type->size);
	LLVMValueRef wide = cg_extend(cg, value, false);
	LLVMValueRef store = LLVMBuildStore(
		cg->b, want == cg->i64 ? wide : LLVMBuildTrunc(cg->b, wide, want, ""), ptr);

	LLVMSetAlignment(store, type->size);
}
