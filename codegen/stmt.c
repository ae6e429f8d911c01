/*
 * Statements. Loops are callbacks of the bpf_loop helper (Linux 5.17): the verifier looks at a body once, whatever
 * the number of rounds. `break` ends the loop, `return` inside one leaves a note in the frame and ends it too.
 */
#include "codegen/internal.h"

#include <assert.h>

#define HELPER_LOOP 181
#define LOOP_MAX    (1u << 23) /* BPF_MAX_LOOPS */

void cg_stmts(struct cg *cg, const struct node *list)
{
	const struct node *node;

	node_each (node, list)
		cg_stmt(cg, node);
}

/* What follows an unconditional jump is unreachable, but still has to stand somewhere. */
static void leave_to(struct cg *cg, LLVMBasicBlockRef block)
{
	LLVMBuildBr(cg->b, block);
	cg_enter(cg, cg_block(cg, "unreachable"));
}

static void do_return(struct cg *cg)
{
	if (cg->fn->outer)
		LLVMBuildStore(cg->b, cg_int(cg, 1), cg_slot(cg, FRAME_FLOW));
	leave_to(cg, cg->fn->leave);
}

static void expression(struct cg *cg, const struct node *node)
{
	if (node->kind == NODE_IF) {
		cg_stmt(cg, node);
		return;
	}
	if (node->kind == NODE_BLOCK) {
		cg_stmts(cg, node->args);
		if (node->b)
			expression(cg, node->b);
		return;
	}
	if (node->type->kind == TYPE_NONE || type_is_scalar(node->type))
		cg_expr(cg, node);
	else
		cg_expr_ptr(cg, node);
	if (node->kind == NODE_CALL && node->builtin && node->builtin->flags & BUILTIN_EXITS)
		do_return(cg);
}

static void store_variable(struct cg *cg, const struct variable *variable, const struct node *value)
{
	if (type_is_scalar(variable->type))
		LLVMBuildStore(cg->b, cg_expr(cg, value),
			       cg_slot(cg, FRAME_VARS + variable->index));
	else
		cg_into(cg, value, variable->type, cg_variable_ptr(cg, variable));
}

static void assign(struct cg *cg, const struct node *node)
{
	const struct variable *variable;

	if (!node->a) {
		expression(cg, node->b);
		return;
	}
	if (node->a->kind == NODE_MAP) {
		cg_map_assign(cg, node);
		return;
	}
	variable = node->a->variable;
	if (node->op == OP_NONE) {
		store_variable(cg, variable, node->b);
		return;
	}
	LLVMValueRef old = cg_expr(cg, node->a), amount = cg_expr(cg, node->b);
	LLVMValueRef value = cg_binary_op(cg, node, node->op, old, amount, node->a->type,
					  node->b->type, node->a->type);
	LLVMBuildStore(cg->b, value, cg_slot(cg, FRAME_VARS + variable->index));
}

static void let(struct cg *cg, const struct node *node)
{
	const struct variable *variable = node->variable;

	if (!variable->type || variable->type->kind == TYPE_NONE)
		return;
	if (node->b)
		store_variable(cg, variable, node->b);
	else if (type_is_scalar(variable->type))
		LLVMBuildStore(cg->b, cg_int(cg, 0), cg_slot(cg, FRAME_VARS + variable->index));
	else
		cg_zero(cg, cg_variable_ptr(cg, variable), variable->type->size);
}

/* The value of a condition is in a register: what it took to find it is free again. */
static LLVMValueRef condition(struct cg *cg, const struct node *node)
{
	size_t mark = cg_mark(cg);
	LLVMValueRef value = cg_expr(cg, node);

	cg_release(cg, mark);
	return value;
}

static void branch(struct cg *cg, const struct node *node)
{
	LLVMBasicBlockRef yes = cg_block(cg, "then"), no = cg_block(cg, "else"),
			  done = cg_block(cg, "endif");

	cg_branch(cg, condition(cg, node->a), yes, no);
	cg_enter(cg, yes);
	cg_stmt(cg, node->b);
	cg_jump(cg, done);
	cg_enter(cg, no);
	if (node->c)
		cg_stmt(cg, node->c);
	cg_jump(cg, done);
	cg_enter(cg, done);
}

void cg_open_callback(struct cg *cg, struct cg_fn *fn, struct span span, LLVMTypeRef *params,
		      unsigned n_params)
{
	const char *name =
		arena_printf(cg->arena, "%s_loop%u", cg->instance->program, cg->n_callbacks++);
	unsigned noinline_kind = LLVMGetEnumAttributeKindForName("noinline", 8);

	*fn = (struct cg_fn){ .outer = cg->fn };
	fn->fn = LLVMAddFunction(cg->module, name, LLVMFunctionType(cg->i64, params, n_params, 0));
	LLVMSetLinkage(fn->fn, LLVMInternalLinkage);
	LLVMAddAttributeAtIndex(fn->fn, LLVMAttributeFunctionIndex,
				LLVMCreateEnumAttribute(cg->llvm, noinline_kind, 0));
	cg->fn = fn;
	cg_debug_function(cg, fn, name, span, n_params);
	fn->entry = cg_block(cg, "entry");
	fn->frame = LLVMGetParam(fn->fn, n_params - 1);
	fn->next = cg_block(cg, "next");
	fn->stop = fn->leave = cg_block(cg, "stop");
	cg_enter(cg, cg_block(cg, "body"));
	cg_debug_at(cg, span);
}

/* bpf_loop: long (u64 index, void *frame). */
static void open_round(struct cg *cg, struct cg_fn *fn, const struct node *node)
{
	cg_open_callback(cg, fn, node->span, (LLVMTypeRef[]){ cg->i64, cg->ptr }, 2);
}

void cg_close_callback(struct cg *cg, struct cg_fn *fn)
{
	cg_jump(cg, fn->next);
	cg_enter(cg, fn->next);
	LLVMBuildRet(cg->b, cg_int(cg, 0));
	cg_enter(cg, fn->stop);
	LLVMBuildRet(cg->b, cg_int(cg, 1));
	cg_enter(cg, fn->entry);
	LLVMBuildBr(cg->b, LLVMGetNextBasicBlock(fn->stop));
	cg->fn = fn->outer;
}

/* The loop has ended; go on with a `return` that happened inside. */
static void after_loop(struct cg *cg)
{
	LLVMBasicBlockRef returned = cg_block(cg, "returned"), done = cg_block(cg, "looped");

	cg_branch(cg, cg_slot_load(cg, FRAME_FLOW, cg->i64), returned, done);
	cg_enter(cg, returned);
	LLVMBuildBr(cg->b, cg->fn->leave);
	cg_enter(cg, done);
}

/* Call bpf_loop from `here`. */
static void call_loop(struct cg *cg, LLVMBasicBlockRef here, LLVMValueRef callback,
		      LLVMValueRef rounds, const struct node *node)
{
	cg_enter(cg, here);
	cg_debug_at(cg, node->span);
	cg_helper(cg, HELPER_LOOP,
		  (LLVMValueRef[]){ rounds, callback, cg->fn->frame, cg_int(cg, 0) }, 4);
	after_loop(cg);
}

/*
 * At the beginning of a round: let the verifier forget the values of all variables. As long as it knows the $i of
 * `$i = 0; while ($i < 100000) { $i++; }`, no round is like another one, and it follows them until it gives up (Linux
 * 6.18: after 8192 rounds, or a million instructions).
 */
static void forget_values(struct cg *cg)
{
	LLVMValueRef zero = cg_rt(cg, "jb_unknown_zero", NULL, 0);
	struct variable **v;

	vec_each (v, &cg->instance->variables) {
		unsigned slot = FRAME_VARS + (*v)->index;
		if (!(*v)->type || !type_is_scalar((*v)->type))
			continue;
		LLVMValueRef value = cg_slot_load(cg, slot, cg->i64);
		LLVMBuildStore(cg->b, LLVMBuildAdd(cg->b, value, zero, ""), cg_slot(cg, slot));
	}
}

/* The callback gets pointers to an element's key and value: both are copied into the loop's variable. */
static void for_map(struct cg *cg, const struct node *node)
{
	LLVMBasicBlockRef here = LLVMGetInsertBlock(cg->b);
	const struct map *map = node->a->map;
	LLVMValueRef generation = cg_map_generation(cg, map);
	unsigned slot = generation ? cg->next_loop_slot++ : 0;
	struct cg_fn fn;

	if (generation)
		LLVMBuildStore(cg->b, generation, cg_slot(cg, slot));
	cg_open_callback(cg, &fn, node->span, (LLVMTypeRef[]){ cg->ptr, cg->ptr, cg->ptr, cg->ptr },
			 4);
	forget_values(cg);
	if (generation)
		cg_map_only(cg, map, LLVMGetParam(fn.fn, 1), cg_slot_load(cg, slot, cg->i64));
	cg_map_element(cg, map, LLVMGetParam(fn.fn, 1), LLVMGetParam(fn.fn, 2),
		       node->variable->type, cg_variable_ptr(cg, node->variable));
	cg_stmt(cg, node->c);
	cg_close_callback(cg, &fn);
	cg_enter(cg, here);
	cg_debug_at(cg, node->span);
	cg_helper(cg, HELPER_FOR_EACH,
		  (LLVMValueRef[]){ cg_map_ptr(cg, map), fn.fn, cg->fn->frame, cg_int(cg, 0) }, 4);
	after_loop(cg);
}

static void for_range(struct cg *cg, const struct node *node)
{
	unsigned start_slot = cg->next_loop_slot++;
	LLVMValueRef from = condition(cg, node->a), to = condition(cg, node->b);
	LLVMValueRef some = LLVMBuildICmp(cg->b, LLVMIntSGT, to, from, "");
	LLVMValueRef rounds =
		LLVMBuildSelect(cg->b, some, LLVMBuildSub(cg->b, to, from, ""), cg_int(cg, 0), "");
	struct cg_fn fn;

	LLVMBuildStore(cg->b, from, cg_slot(cg, start_slot));
	LLVMBasicBlockRef here = LLVMGetInsertBlock(cg->b);
	open_round(cg, &fn, node);
	forget_values(cg);
	LLVMValueRef index = LLVMBuildAdd(cg->b, cg_slot_load(cg, start_slot, cg->i64),
					  LLVMGetParam(fn.fn, 0), "");
	LLVMBuildStore(cg->b, index, cg_slot(cg, FRAME_VARS + node->variable->index));
	cg_stmt(cg, node->c);
	cg_close_callback(cg, &fn);
	call_loop(cg, here, fn.fn, rounds, node);
}

static void do_while(struct cg *cg, const struct node *node)
{
	LLVMBasicBlockRef here = LLVMGetInsertBlock(cg->b);
	struct cg_fn fn;

	open_round(cg, &fn, node);
	LLVMBasicBlockRef body = cg_block(cg, "round");
	forget_values(cg);
	cg_branch(cg, condition(cg, node->a), body, fn.stop);
	cg_enter(cg, body);
	cg_stmt(cg, node->c);
	cg_close_callback(cg, &fn);
	call_loop(cg, here, fn.fn, cg_int(cg, LOOP_MAX), node);
}

static void statement(struct cg *cg, const struct node *node)
{
	switch (node->kind) {
	case NODE_EXPR:
		expression(cg, node->a);
		return;
	case NODE_ASSIGN:
		assign(cg, node);
		return;
	case NODE_LET:
		let(cg, node);
		return;
	case NODE_IF:
		branch(cg, node);
		return;
	case NODE_BLOCK:
		cg_stmts(cg, node->args);
		if (node->b)
			expression(cg, node->b);
		return;
	case NODE_FOR_RANGE:
		for_range(cg, node);
		return;
	case NODE_FOR_MAP:
		for_map(cg, node);
		return;
	case NODE_WHILE:
		do_while(cg, node);
		return;
	case NODE_BREAK:
		leave_to(cg, cg->fn->stop);
		return;
	case NODE_CONTINUE:
		leave_to(cg, cg->fn->next);
		return;
	case NODE_RETURN:
		do_return(cg);
		return;
	default:
		expression(cg, node);
	}
}

void cg_stmt(struct cg *cg, const struct node *node)
{
	size_t mark = cg_mark(cg);

	cg_debug_at(cg, node->span);
	statement(cg, node);
	cg_release(cg, mark);
}
