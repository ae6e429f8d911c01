/*
 * Expressions. Scalars become i64 values (cg_expr); everything else is written where the caller wants it
 * (cg_expr_into), so that strings go straight into keys, map values and ring buffer records without copies.
 */
#include "codegen/internal.h"

#include <assert.h>
#include <string.h>

static bool is_place(const struct node *node)
{
	return node->kind == NODE_DEREF || node->kind == NODE_FIELD || node->kind == NODE_INDEX ||
	       node->kind == NODE_TUPLE_INDEX;
}

/* Bring a register to what a type of fewer bytes would hold. */
static LLVMValueRef narrow(struct cg *cg, LLVMValueRef value, const struct type *type)
{
	const struct type *plain = type_plain(type);

	if (plain->kind == TYPE_BOOL)
		return cg_extend(cg, cg_truth(cg, value), false);
	if (plain->size >= 8)
		return value;
	return cg_extend(cg, LLVMBuildTrunc(cg->b, value, cg_int_type(cg, plain->size), ""),
			 type_is_signed(plain));
}

static LLVMValueRef variable_load(struct cg *cg, const struct variable *variable)
{
	return cg_slot_load(cg, FRAME_VARS + variable->index, cg->i64);
}

LLVMValueRef cg_variable_ptr(struct cg *cg, const struct variable *variable)
{
	return cg_slot_load(cg, FRAME_VARS + variable->index, cg->ptr);
}

/* --- calls of builtins --- */

static LLVMValueRef call_rt(struct cg *cg, const struct node *node, LLVMValueRef dst)
{
	const struct builtin *row = node->builtin;
	LLVMValueRef argv[16];
	unsigned argc = 0;

	if (row->flags & BUILTIN_CTX)
		argv[argc++] = cg_ctx(cg);
	if (dst) {
		argv[argc++] = dst;
		argv[argc++] = cg_int(cg, node->type->size);
	}
	for (const struct node *arg = node->args; arg && argc < 14; arg = arg->next) {
		if (type_is_scalar(arg->type)) {
			argv[argc++] = cg_expr(cg, arg);
			continue;
		}
		argv[argc++] = cg_expr_ptr(cg, arg);
		argv[argc++] = cg_int(cg, arg->type->size);
	}
	cg_debug_at(cg, node->span);
	LLVMValueRef value = cg_rt(cg, row->rt, argv, argc);
	return value && !dst && node->type->kind != TYPE_NONE
		       ? narrow(cg, cg_extend(cg, value, false), node->type)
		       : value;
}

static LLVMValueRef call(struct cg *cg, const struct node *node, LLVMValueRef dst)
{
	const struct builtin *row = node->builtin;

	assert(row && "resolve leaves no call without a row");
	if (row->gen)
		return row->gen(cg, node, dst);
	if (row->rt)
		return call_rt(cg, node, dst);
	cg_event(cg, node);
	return NULL;
}

/* --- operators --- */

static bool compare_signed(const struct node *node)
{
	const struct node *a = node->a, *b = node->b;

	if (a->is_literal && !b->is_literal)
		return type_is_signed(b->type);
	if (b->is_literal && !a->is_literal)
		return type_is_signed(a->type);
	return type_is_signed(a->type) || type_is_signed(b->type);
}

static LLVMIntPredicate predicate(enum op op, bool is_signed)
{
	switch (op) {
	case OP_LT:
		return is_signed ? LLVMIntSLT : LLVMIntULT;
	case OP_LE:
		return is_signed ? LLVMIntSLE : LLVMIntULE;
	case OP_GT:
		return is_signed ? LLVMIntSGT : LLVMIntUGT;
	case OP_GE:
		return is_signed ? LLVMIntSGE : LLVMIntUGE;
	case OP_NE:
		return LLVMIntNE;
	default:
		return LLVMIntEQ;
	}
}

/* `probe == "..."`: the literal stands for the targets of that name. */
static LLVMValueRef named_equal(struct cg *cg, const struct node *named, const struct node *literal)
{
	LLVMValueRef id = cg_expr(cg, named), any = LLVMConstInt(cg->i1, 0, 0);
	bool by_func = strcmp(named->type->named->name, "func_t") == 0;
	struct target **t;

	vec_each (t, &cg->plan->targets) {
		const char *name = by_func ? (*t)->func : (*t)->name;
		if (!name || strcmp(name, literal->text) != 0)
			continue;
		LLVMValueRef same = LLVMBuildICmp(cg->b, LLVMIntEQ, id, cg_int(cg, (*t)->id), "");
		any = LLVMBuildOr(cg->b, any, same, "");
	}
	return cg_extend(cg, any, false);
}

static LLVMValueRef memory_equal(struct cg *cg, const struct node *a, const struct node *b)
{
	LLVMValueRef x = cg_expr_ptr(cg, a), y = cg_expr_ptr(cg, b);

	if (a->type->kind == TYPE_STR && b->type->kind == TYPE_STR)
		return cg_rt(cg, "jb_str_equal",
			     (LLVMValueRef[]){ x, cg_int(cg, a->type->size), y,
					       cg_int(cg, b->type->size) },
			     4);
	uint32_t size = a->type->size < b->type->size ? a->type->size : b->type->size;
	return cg_rt(cg, "jb_bytes_equal", (LLVMValueRef[]){ x, y, cg_int(cg, size) }, 3);
}

static LLVMValueRef compare(struct cg *cg, const struct node *node)
{
	const struct node *a = node->a, *b = node->b;
	LLVMValueRef equal;

	if (type_is_scalar(a->type) && type_is_scalar(b->type)) {
		LLVMValueRef x = cg_expr(cg, a), y = cg_expr(cg, b);
		return cg_extend(
			cg,
			LLVMBuildICmp(cg->b, predicate(node->op, compare_signed(node)), x, y, ""),
			false);
	}
	if (type_is_scalar(a->type))
		equal = named_equal(cg, a, b);
	else if (type_is_scalar(b->type))
		equal = named_equal(cg, b, a);
	else
		equal = memory_equal(cg, a, b);
	return node->op == OP_EQ ? equal : LLVMBuildXor(cg->b, equal, cg_int(cg, 1), "");
}

static LLVMValueRef logical(struct cg *cg, const struct node *node)
{
	LLVMBasicBlockRef second = cg_block(cg, "second"), done = cg_block(cg, "done");
	LLVMValueRef result = cg_alloca(cg, cg->i64, "logical");
	LLVMValueRef first = cg_truth(cg, cg_expr(cg, node->a));

	LLVMBuildStore(cg->b, cg_extend(cg, first, false), result);
	if (node->op == OP_LAND)
		LLVMBuildCondBr(cg->b, first, second, done);
	else
		LLVMBuildCondBr(cg->b, first, done, second);
	cg_enter(cg, second);
	LLVMBuildStore(cg->b, cg_extend(cg, cg_truth(cg, cg_expr(cg, node->b)), false), result);
	cg_jump(cg, done);
	cg_enter(cg, done);
	return LLVMBuildLoad2(cg->b, cg->i64, result, "");
}

/* x / y and x % y; a divisor of 0 is counted and gives 1. */
static LLVMValueRef divide(struct cg *cg, const struct node *node, enum op op, LLVMValueRef x,
			   LLVMValueRef y, bool is_signed)
{
	LLVMValueRef result = cg_alloca(cg, cg->i64, "quotient");
	LLVMBasicBlockRef zero = cg_block(cg, "by_zero"), fine = cg_block(cg, "divide"),
			  done = cg_block(cg, "done");

	if (LLVMIsAConstantInt(y) && !LLVMIsNull(y)) {
		LLVMBuildBr(cg->b, fine);
	} else {
		cg_branch(cg, y, fine, zero);
	}
	cg_enter(cg, zero);
	cg_count(cg, node->counter);
	LLVMBuildStore(cg->b, cg_int(cg, 1), result);
	LLVMBuildBr(cg->b, done);
	cg_enter(cg, fine);
	LLVMValueRef value;
	if (is_signed)
		value = cg_rt(cg, op == OP_DIV ? "jb_sdiv" : "jb_smod", (LLVMValueRef[]){ x, y },
			      2);
	else
		value = op == OP_DIV ? LLVMBuildUDiv(cg->b, x, y, "")
				     : LLVMBuildURem(cg->b, x, y, "");
	LLVMBuildStore(cg->b, value, result);
	LLVMBuildBr(cg->b, done);
	cg_enter(cg, done);
	return LLVMBuildLoad2(cg->b, cg->i64, result, "");
}

static LLVMValueRef scale(struct cg *cg, LLVMValueRef n, const struct type *pointer)
{
	uint32_t size = type_plain(pointer)->base->size;

	return LLVMBuildMul(cg->b, n, cg_int(cg, size ? size : 1), "");
}

LLVMValueRef cg_binary_op(struct cg *cg, const struct node *node, enum op op, LLVMValueRef x,
			  LLVMValueRef y, const struct type *xt, const struct type *yt,
			  const struct type *result)
{
	bool is_signed = type_is_signed(result);

	if (type_plain(xt)->kind == TYPE_PTR && type_is_int_like(type_plain(yt)))
		y = scale(cg, y, xt);
	else if (type_plain(yt)->kind == TYPE_PTR && type_is_int_like(type_plain(xt)))
		x = scale(cg, x, yt);
	switch (op) {
	case OP_ADD:
		return LLVMBuildAdd(cg->b, x, y, "");
	case OP_SUB:
		return LLVMBuildSub(cg->b, x, y, "");
	case OP_MUL:
		return LLVMBuildMul(cg->b, x, y, "");
	case OP_DIV:
	case OP_MOD:
		return divide(cg, node, op, x, y, is_signed);
	case OP_AND:
		return LLVMBuildAnd(cg->b, x, y, "");
	case OP_OR:
		return LLVMBuildOr(cg->b, x, y, "");
	case OP_XOR:
		return LLVMBuildXor(cg->b, x, y, "");
	case OP_SHL:
		return LLVMBuildShl(cg->b, x, LLVMBuildAnd(cg->b, y, cg_int(cg, 63), ""), "");
	case OP_SHR:
		y = LLVMBuildAnd(cg->b, y, cg_int(cg, 63), "");
		return type_is_signed(xt) ? LLVMBuildAShr(cg->b, x, y, "")
					  : LLVMBuildLShr(cg->b, x, y, "");
	default:
		assert(!"comparisons and logic are handled by their own functions");
		return x;
	}
}

static LLVMValueRef binary(struct cg *cg, const struct node *node)
{
	if (node->op == OP_LAND || node->op == OP_LOR)
		return logical(cg, node);
	if (node->op >= OP_LT && node->op <= OP_NE)
		return compare(cg, node);
	LLVMValueRef x = cg_expr(cg, node->a), y = cg_expr(cg, node->b);
	cg_debug_at(cg, node->span);
	return cg_binary_op(cg, node, node->op, x, y, node->a->type, node->b->type, node->type);
}

static LLVMValueRef unary(struct cg *cg, const struct node *node)
{
	LLVMValueRef x = cg_expr(cg, node->a);

	if (node->op == OP_NEG)
		return LLVMBuildNeg(cg->b, x, "");
	if (node->op == OP_BITNOT)
		return narrow(cg, LLVMBuildNot(cg->b, x, ""), node->type);
	return LLVMBuildXor(cg->b, cg_extend(cg, cg_truth(cg, x), false), cg_int(cg, 1), "");
}

LLVMValueRef cg_incdec(struct cg *cg, const struct node *node)
{
	if (node->a->kind == NODE_MAP)
		return cg_map_incdec(cg, node);
	const struct variable *variable = node->a->variable;
	LLVMValueRef old = variable_load(cg, variable),
		     one = cg_int(cg, node->op == OP_INC ? 1 : -1);

	if (type_plain(node->a->type)->kind == TYPE_PTR)
		one = scale(cg, one, node->a->type);
	LLVMValueRef fresh = LLVMBuildAdd(cg->b, old, one, "");
	LLVMBuildStore(cg->b, fresh, cg_slot(cg, FRAME_VARS + variable->index));
	return node->is_prefix ? fresh : old;
}

/* --- choices: ?:, if as an expression, blocks with a value --- */

/* One branch's value, into dst (memory) or the slot (scalar). */
static void branch_value(struct cg *cg, const struct node *node, const struct type *type,
			 LLVMValueRef slot)
{
	if (type->kind == TYPE_NONE) {
		cg_expr(cg, node);
		return;
	}
	if (type_is_scalar(type))
		LLVMBuildStore(cg->b, cg_expr(cg, node), slot);
	else
		cg_into(cg, node, type, slot);
}

static void choose(struct cg *cg, const struct node *node, LLVMValueRef slot)
{
	LLVMBasicBlockRef yes = cg_block(cg, "yes"), no = cg_block(cg, "no"),
			  done = cg_block(cg, "done");
	const struct node *when = node->b ? node->b : node->a; /* c ?: b */

	cg_branch(cg, cg_expr(cg, node->a), yes, no);
	cg_enter(cg, yes);
	branch_value(cg, when, node->type, slot);
	cg_jump(cg, done);
	cg_enter(cg, no);
	if (node->c)
		branch_value(cg, node->c, node->type, slot);
	cg_jump(cg, done);
	cg_enter(cg, done);
}

static LLVMValueRef choose_scalar(struct cg *cg, const struct node *node)
{
	LLVMValueRef slot = cg_alloca(cg, cg->i64, "choice");

	LLVMBuildStore(cg->b, cg_int(cg, 0), slot);
	choose(cg, node, slot);
	return LLVMBuildLoad2(cg->b, cg->i64, slot, "");
}

static LLVMValueRef cast(struct cg *cg, const struct node *node)
{
	if (!type_is_scalar(node->a->type)) {
		/* A string or an array to an integer of its size: the bytes as they are. */
		struct place place = cg_place(cg, node->a);
		place.type = node->type;
		return cg_place_load(cg, place);
	}
	return narrow(cg, cg_expr(cg, node->a), node->type);
}

LLVMValueRef cg_expr(struct cg *cg, const struct node *node)
{
	cg_debug_at(cg, node->span);
	if (node->is_literal && type_is_int_like(type_plain(node->type)))
		return cg_int(cg, (int64_t)node->value);
	switch (node->kind) {
	case NODE_INT:
	case NODE_BOOL:
		return cg_int(cg, (int64_t)node->value);
	case NODE_VAR:
		return variable_load(cg, node->variable);
	case NODE_MAP:
		return cg_map_read(cg, node, NULL);
	case NODE_CALL:
		return call(cg, node, NULL);
	case NODE_UNARY:
		return unary(cg, node);
	case NODE_BINARY:
		return binary(cg, node);
	case NODE_INCDEC:
		return cg_incdec(cg, node);
	case NODE_COND:
	case NODE_IF:
		return choose_scalar(cg, node);
	case NODE_CAST:
		return cast(cg, node);
	case NODE_NAMED:
		return cg_expr(cg, node->a);
	case NODE_BLOCK:
		cg_stmts(cg, node->args);
		return node->b ? cg_expr(cg, node->b) : cg_int(cg, 0);
	default:
		break;
	}
	assert(is_place(node));
	return cg_place_load(cg, cg_place(cg, node));
}

/* --- memory --- */

static void literal_string(struct cg *cg, const struct node *node, LLVMValueRef dst)
{
	char *bytes = arena_alloc(cg->arena, node->type->size + 1);

	memcpy(bytes, node->text, node->len < node->type->size ? node->len : node->type->size - 1);
	cg_copy(cg, dst, cg_const_bytes(cg, bytes, node->type->size), node->type->size);
}

static void members_into(struct cg *cg, const struct node *node, const struct type *type,
			 LLVMValueRef dst)
{
	const struct node *item = node->args;

	cg_zero(cg, dst, type->size);
	for (unsigned i = 0; i < type->n_fields && item; i++, item = item->next)
		cg_into(cg, item->kind == NODE_NAMED ? item->a : item, type->fields[i].type,
			cg_offset(cg, dst, type->fields[i].offset));
}

/* A char array read as a string: bytes after the terminating NUL are not part of it. */
static void string_of_place(struct cg *cg, const struct node *node, LLVMValueRef dst)
{
	struct place place = cg_place(cg, node);
	bool user = place.space == SPACE_USER;
	LLVMValueRef address = place.addr;

	if (LLVMGetTypeKind(LLVMTypeOf(address)) == LLVMPointerTypeKind)
		address = LLVMBuildPtrToInt(cg->b, address, cg->i64, "");
	LLVMValueRef size = cg_int(cg, node->type->size);
	cg_rt(cg, user ? "jb_str_user" : "jb_str_kernel",
	      (LLVMValueRef[]){ dst, size, address, size }, 4);
}

void cg_expr_into(struct cg *cg, const struct node *node, LLVMValueRef dst)
{
	cg_debug_at(cg, node->span);
	switch (node->kind) {
	case NODE_STR:
		literal_string(cg, node, dst);
		return;
	case NODE_VAR:
		cg_copy(cg, dst, cg_variable_ptr(cg, node->variable), node->type->size);
		return;
	case NODE_MAP:
		cg_map_read(cg, node, dst);
		return;
	case NODE_CALL:
		call(cg, node, dst);
		return;
	case NODE_TUPLE:
	case NODE_RECORD:
		members_into(cg, node, node->type, dst);
		return;
	case NODE_COND:
	case NODE_IF:
		cg_zero(cg, dst, node->type->size);
		choose(cg, node, dst);
		return;
	case NODE_CAST:
		cg_into(cg, node->a, node->type, dst);
		return;
	case NODE_NAMED:
		cg_expr_into(cg, node->a, dst);
		return;
	case NODE_BLOCK:
		cg_stmts(cg, node->args);
		cg_into(cg, node->b, node->type, dst);
		return;
	default:
		break;
	}
	if (node->is_literal && node->type->kind == TYPE_STR) {
		literal_string(cg, node, dst);
		return;
	}
	assert(is_place(node));
	if (node->type->kind == TYPE_STR)
		string_of_place(cg, node, dst);
	else
		cg_place_copy(cg, cg_place(cg, node), dst, node->type->size);
}

LLVMValueRef cg_expr_ptr(struct cg *cg, const struct node *node)
{
	if (node->kind == NODE_VAR)
		return cg_variable_ptr(cg, node->variable);
	if (node->kind == NODE_STR) {
		char *bytes = arena_alloc(cg->arena, node->type->size + 1);
		memcpy(bytes, node->text,
		       node->len < node->type->size ? node->len : node->type->size - 1);
		return cg_const_bytes(cg, bytes, node->type->size);
	}
	LLVMValueRef memory = cg_memory(cg, node->type->size);
	cg_expr_into(cg, node, memory);
	return memory;
}

/* Bytes of one tuple or record type as another: member by member. */
static void convert(struct cg *cg, LLVMValueRef src, const struct type *from, const struct type *to,
		    LLVMValueRef dst)
{
	if (type_is_scalar(to)) {
		cg_store(cg, dst, to, cg_load(cg, src, from));
	} else if ((to->kind == TYPE_TUPLE || to->kind == TYPE_RECORD) && from != to) {
		cg_zero(cg, dst, to->size);
		for (unsigned i = 0; i < to->n_fields && i < from->n_fields; i++)
			convert(cg, cg_offset(cg, src, from->fields[i].offset),
				from->fields[i].type, to->fields[i].type,
				cg_offset(cg, dst, to->fields[i].offset));
	} else {
		uint32_t size = from->size < to->size ? from->size : to->size;
		cg_copy(cg, dst, src, size);
		cg_zero(cg, cg_offset(cg, dst, size), to->size - size);
	}
}

void cg_into(struct cg *cg, const struct node *node, const struct type *type, LLVMValueRef dst)
{
	const struct type *from = node->type;

	if (type_is_scalar(type)) {
		cg_store(cg, dst, type, cg_expr(cg, node));
	} else if (from == type || from->size == type->size) {
		if (node->kind == NODE_TUPLE || node->kind == NODE_RECORD)
			members_into(cg, node, type, dst);
		else if (from != type && (type->kind == TYPE_TUPLE || type->kind == TYPE_RECORD))
			convert(cg, cg_expr_ptr(cg, node), from, type, dst);
		else
			cg_expr_into(cg, node, dst);
	} else if (node->kind == NODE_TUPLE || node->kind == NODE_RECORD) {
		members_into(cg, node, type, dst);
	} else if (from->kind == TYPE_STR && type->kind == TYPE_STR && from->size < type->size) {
		cg_expr_into(cg, node, dst);
		cg_zero(cg, cg_offset(cg, dst, from->size), type->size - from->size);
	} else {
		convert(cg, cg_expr_ptr(cg, node), from, type, dst);
	}
}
