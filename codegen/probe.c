/*
 * One BPF program per instance: prologue (which target, is the task selected, which half of a span, scratch memory),
 * predicate, body, and the single way out that gives scratch back.
 */
#include "codegen/internal.h"

#include <string.h>

#include "bpf-runtime/abi.h"
#include "probes/modes.h"

#define HELPER_GET_ATTACH_COOKIE 174
#define NODES_MAX		 16000u
#define LOOP_VARIABLES_MAX	 32u
#define SYSCALLS_MAX		 1024u

static bool count_loop(struct node *node, void *arg)
{
	unsigned *n = arg;

	if (node->kind == NODE_FOR_RANGE || node->kind == NODE_WHILE || node->kind == NODE_FOR_MAP)
		*n += 2;
	return true;
}

static void walk_list(struct node *list, bool (*visit)(struct node *, void *), void *arg)
{
	for (struct node *n = list; n; n = n->next)
		ast_walk(n, visit, arg);
}

/* The LLVM function with its entry block, frame and way out; the builder stands in "start". */
static void open_function(struct cg *cg, struct cg_fn *fn, const char *name)
{
	const struct instance *instance = cg->instance;

	*fn = (struct cg_fn){ 0 };
	fn->fn = LLVMAddFunction(cg->module, name, LLVMFunctionType(cg->i64, &cg->ptr, 1, 0));
	LLVMSetSection(fn->fn, instance->section);
	unsigned nounwind = LLVMGetEnumAttributeKindForName("nounwind", 8);
	LLVMAddAttributeAtIndex(fn->fn, LLVMAttributeFunctionIndex,
				LLVMCreateEnumAttribute(cg->llvm, nounwind, 0));
	cg->fn = fn;
	cg_debug_function(cg, fn, name, instance->span, 1);
	fn->entry = cg_block(cg, "entry");
	fn->leave = cg_block(cg, "leave");
	LLVMBasicBlockRef start = cg_block(cg, "start");
	cg_enter(cg, start);
	cg_debug_at(cg, instance->span);
	fn->frame = cg_alloca(cg, LLVMArrayType2(cg->i64, cg->n_slots), "frame");
	cg_enter(cg, start);
	LLVMBuildStore(cg->b, LLVMGetParam(fn->fn, 0), cg_slot(cg, FRAME_CTX));
	LLVMBuildStore(cg->b, cg_int(cg, 0), cg_slot(cg, FRAME_FLOW));
}

/* `entry` ends: scratch memory is taken if the body turned out to need some, and `leave` gives it back. */
static void close_function(struct cg *cg, struct cg_fn *fn)
{
	LLVMBasicBlockRef start = LLVMGetNextBasicBlock(fn->leave), out = cg_block(cg, "out");
	LLVMValueRef number = NULL;

	if (cg->scratch_used)
		number = cg_alloca(cg, cg->i32, "scratch_slot");
	cg_enter(cg, fn->entry);
	cg_debug_at(cg, cg->instance->span);
	if (!cg->scratch_used) {
		LLVMBuildBr(cg->b, start);
	} else {
		LLVMBasicBlockRef have = cg_block(cg, "scratch"), busy = cg_block(cg, "busy");
		LLVMBuildStore(cg->b, LLVMConstNull(cg->i32), number);
		LLVMValueRef memory = cg_rt(cg, "jb_scratch_take", &number, 1);
		cg_branch(cg, memory, have, busy);
		cg_enter(cg, busy);
		cg_count(cg, plan_add_counter(cg->plan, COUNTER_RUNTIME, cg->instance->span,
					      "probe runs skipped: its scratch memory was in use "
					      "by probes it interrupted"));
		LLVMBuildBr(cg->b, out);
		cg_enter(cg, have);
		LLVMBuildStore(cg->b, memory, cg_slot(cg, FRAME_SCRATCH));
		LLVMBuildBr(cg->b, start);
	}
	cg_enter(cg, fn->leave);
	cg_debug_at(cg, cg->instance->span);
	if (cg->scratch_used)
		cg_rt(cg, "jb_scratch_give",
		      (LLVMValueRef[]){ LLVMBuildLoad2(cg->b, cg->i32, number, "") }, 1);
	LLVMBuildBr(cg->b, out);
	cg_enter(cg, out);
	cg_debug_at(cg, cg->instance->span);
	LLVMBuildRet(cg->b, cg_int(cg, 0));
	if (cg->scratch_used > cg->plan->scratch_size)
		cg->plan->scratch_size = cg->scratch_used;
}

/* Go on only where `condition` holds. */
static void require(struct cg *cg, LLVMValueRef condition)
{
	LLVMBasicBlockRef yes = cg_block(cg, "go");

	cg_branch(cg, condition, yes, cg->fn->leave);
	cg_enter(cg, yes);
}

/* The number of the system call a raw sys_enter or sys_exit program runs for. */
static LLVMValueRef syscall_number(struct cg *cg, bool at_exit)
{
	struct ctx_item item = { .kind = CTX_RAW_ARG, .index = 1 };

	if (at_exit)
		item = (struct ctx_item){ .kind = CTX_SYS_REGS,
					  .offset = 120,
					  .size = 8 }; /* orig_ax */
	return cg_ctx_item(cg, item);
}

/* {number -> target id + 1}, in .rodata. */
static LLVMValueRef syscall_table(struct cg *cg)
{
	uint32_t *table = arena_alloc(cg->arena, SYSCALLS_MAX * sizeof(*table));
	struct target **t;

	vec_each (t, &cg->instance->targets)
		if ((*t)->number >= 0 && (*t)->number < SYSCALLS_MAX)
			table[(*t)->number] = (*t)->id + 1;
	return cg_const_bytes(cg, table, SYSCALLS_MAX * sizeof(*table));
}

static void filter_syscall(struct cg *cg, bool at_exit)
{
	const struct instance *instance = cg->instance;
	LLVMValueRef number = syscall_number(cg, at_exit);

	if (instance->targets.n == 1) {
		require(cg, LLVMBuildICmp(cg->b, LLVMIntEQ, number,
					  cg_int(cg, instance->targets.data[0]->number), ""));
		return;
	}
	require(cg, LLVMBuildICmp(cg->b, LLVMIntULT, number, cg_int(cg, SYSCALLS_MAX), ""));
	LLVMValueRef id = LLVMBuildLoad2(
		cg->b, cg->i32, LLVMBuildGEP2(cg->b, cg->i32, syscall_table(cg), &number, 1, ""),
		"");
	require(cg, id);
	id = LLVMBuildSub(cg->b, cg_extend(cg, id, false), cg_int(cg, 1), "");
	LLVMBuildStore(cg->b, id, cg_slot(cg, FRAME_TARGET));
}

LLVMValueRef cg_target_id(struct cg *cg)
{
	const struct instance *instance = cg->instance;

	if (instance->targets.n <= 1)
		return cg_int(cg, instance->targets.n ? instance->targets.data[0]->id : 0);
	if (instance->mode == PROBE_MODE_RAW_SYSCALL)
		return cg_slot_load(cg, FRAME_TARGET, cg->i64);
	return cg_helper(cg, HELPER_GET_ATTACH_COOKIE, (LLVMValueRef[]){ cg_ctx(cg) }, 1);
}

/* The first target of all with this function name. */
static uint32_t canonical_func(const struct plan *plan, const struct target *target)
{
	struct target *const *t;

	for (t = plan->targets.data; target->func && t < plan->targets.data + plan->targets.n; t++)
		if ((*t)->func && strcmp((*t)->func, target->func) == 0)
			return (*t)->id;
	return target->id;
}

/* What the table has for the target that fired. The cookie is ours, but the verifier does not know its range. */
static LLVMValueRef translated_id(struct cg *cg, const uint32_t *table)
{
	const struct instance *instance = cg->instance;
	size_t n = cg->plan->targets.n;

	if (instance->targets.n == 1)
		return cg_int(cg, table[instance->targets.data[0]->id]);
	LLVMValueRef id = cg_target_id(cg);
	LLVMValueRef known = LLVMBuildICmp(cg->b, LLVMIntULT, id, cg_int(cg, (int64_t)n), "");
	id = LLVMBuildSelect(cg->b, known, id, cg_int(cg, 0), "");
	LLVMValueRef bytes = cg_const_bytes(cg, table, n * sizeof(*table));
	return cg_extend(cg,
			 LLVMBuildLoad2(cg->b, cg->i32,
					LLVMBuildGEP2(cg->b, cg->i32, bytes, &id, 1, ""), ""),
			 false);
}

LLVMValueRef cg_func_id(struct cg *cg)
{
	const struct instance *instance = cg->instance;
	uint32_t *table = arena_alloc(cg->arena, (cg->plan->targets.n + 1) * sizeof(*table));
	bool same = true;
	struct target **t;

	vec_each (t, &instance->targets) {
		table[(*t)->id] = canonical_func(cg->plan, *t);
		same &= table[(*t)->id] == (*t)->id;
	}
	return same ? cg_target_id(cg) : translated_id(cg, table);
}

LLVMValueRef cg_probe_id(struct cg *cg)
{
	uint32_t *table = arena_alloc(cg->arena, (cg->plan->targets.n + 1) * sizeof(*table));
	bool same = true;
	struct target **t;

	vec_each (t, &cg->instance->targets) {
		table[(*t)->id] = (*t)->place_of ? (*t)->place_of->id : (*t)->id;
		same &= !(*t)->place_of;
	}
	return same ? cg_target_id(cg) : translated_id(cg, table);
}

static void count_unpaired(struct cg *cg)
{
	struct plan_counter *counter;

	vec_each (counter, &cg->plan->counters)
		if (counter->kind == COUNTER_UNPAIRED &&
		    counter->span.begin == cg->instance->span.begin) {
			cg_count(cg, counter - cg->plan->counters.data);
			return;
		}
}

/* After the call of a *_take function: go on with the span in the frame, or count and leave. */
static void require_span(struct cg *cg, LLVMValueRef taken, LLVMValueRef span)
{
	LLVMBasicBlockRef yes = cg_block(cg, "paired"), no = cg_block(cg, "unpaired");

	cg_branch(cg, taken, yes, no);
	cg_enter(cg, no);
	count_unpaired(cg);
	LLVMBuildBr(cg->b, cg->fn->leave);
	cg_enter(cg, yes);
	LLVMBuildStore(cg->b, span, cg_slot(cg, FRAME_SPAN));
}

/* One program at both ends: at the entry it remembers and leaves, at the return it goes on. */
static void span_session(struct cg *cg)
{
	const struct instance *instance = cg->instance;
	LLVMBasicBlockRef at_entry = cg_block(cg, "at_entry"),
			  at_return = cg_block(cg, "at_return");
	LLVMValueRef salt = cg_int(cg, cg->instance_index);

	cg_branch(cg, cg_rt(cg, "jb_session_is_return", NULL, 0), at_return, at_entry);
	cg_enter(cg, at_entry);
	if (instance->saved_args)
		cg_rt(cg, "jb_span_session_enter", (LLVMValueRef[]){ cg_ctx(cg), salt }, 2);
	else if (instance->uses_duration)
		cg_rt(cg, "jb_session_start", NULL, 0);
	LLVMBuildBr(cg->b, cg->fn->leave);
	cg_enter(cg, at_return);
	if (instance->saved_args) {
		LLVMValueRef span = cg_memory(cg, 56);
		cg_zero(cg, span, 56);
		require_span(cg, cg_rt(cg, "jb_span_session_take", &span, 1), span);
	} else if (instance->uses_duration) {
		LLVMValueRef span = cg_memory(cg, 8);
		LLVMBuildStore(cg->b, cg_rt(cg, "jb_session_started", NULL, 0), span);
		LLVMBuildStore(cg->b, span, cg_slot(cg, FRAME_SPAN));
	}
}

static void span_return(struct cg *cg)
{
	const struct instance *instance = cg->instance;
	LLVMValueRef salt = cg_int(cg, cg->instance_index), span, taken;

	if (instance->span_mode == SPAN_NONE)
		return;
	if (instance->span_mode == SPAN_SESSION) {
		span_session(cg);
		return;
	}
	if (!instance_has_entry(instance))
		return;
	span = cg_memory(cg, 56);
	cg_zero(cg, span, 56);
	if (instance->span_mode == SPAN_SYSCALL)
		taken = cg_rt(cg, "jb_span_syscall_take", (LLVMValueRef[]){ salt, span }, 2);
	else
		taken = cg_rt(cg,
			      instance->span_mode == SPAN_FEXIT ? "jb_span_words_take"
								: "jb_span_regs_take",
			      (LLVMValueRef[]){ cg_ctx(cg), salt, span }, 3);
	require_span(cg, taken, span);
}

static void entry_program(struct cg *cg)
{
	const struct instance *instance = cg->instance;
	LLVMValueRef salt = cg_int(cg, cg->instance_index);
	struct cg_fn fn;

	open_function(cg, &fn, arena_printf(cg->arena, "%s_in", instance->program));
	if (instance->span_mode == SPAN_SYSCALL) {
		filter_syscall(cg, false);
		cg_filter(cg);
		cg_rt(cg, "jb_span_syscall_enter", &salt, 1);
	} else {
		cg_filter(cg);
		cg_rt(cg,
		      instance->span_mode == SPAN_FEXIT ? "jb_span_words_enter"
							: "jb_span_regs_enter",
		      (LLVMValueRef[]){ cg_ctx(cg), salt }, 2);
	}
	LLVMBuildBr(cg->b, fn.leave);
	close_function(cg, &fn);
}

/* Variables that are not scalars get their memory up front, so that loop bodies find it through the frame. */
static void prepare_variables(struct cg *cg)
{
	struct variable **v;

	vec_each (v, &cg->instance->variables) {
		const struct variable *variable = *v;
		if (!variable->type || variable->type->kind == TYPE_NONE)
			continue;
		if (type_is_scalar(variable->type)) {
			LLVMBuildStore(cg->b, cg_int(cg, 0),
				       cg_slot(cg, FRAME_VARS + variable->index));
			continue;
		}
		LLVMValueRef memory = cg_temp(cg, variable->type);
		LLVMBuildStore(cg->b, memory, cg_slot(cg, FRAME_VARS + variable->index));
	}
}

static void reset_program(struct cg *cg, struct instance *instance, unsigned index)
{
	unsigned loop_slots = 0;

	walk_list(instance->predicate, count_loop, &loop_slots);
	walk_list(instance->body, count_loop, &loop_slots);
	cg->instance = instance;
	cg->instance_index = index;
	cg->n_loop_slots = loop_slots;
	cg->next_loop_slot = FRAME_VARS + instance->variables.n;
	cg->n_slots = FRAME_VARS + instance->variables.n + loop_slots;
	cg->stack_used = 8 * cg->n_slots;
	cg->scratch_used = 0;
	cg->temps.n = cg->busy.n = 0;
	cg->span = instance->span;
}

static bool count_node(struct node *node, void *arg)
{
	unsigned *n = arg;

	(void)node;
	*n += 1;
	return *n <= NODES_MAX;
}

/* The back end's time grows with the square of a block's length, and the kernel takes a million instructions at most. */
static bool is_too_long(struct cg *cg, const struct instance *instance)
{
	unsigned n = 0;

	walk_list(instance->body, count_node, &n);
	if (n <= NODES_MAX)
		return false;
	diag_error(cg->diags, instance->span,
		   "this probe is too long for a BPF program: it has more than %u operations",
		   NODES_MAX);
	diag_hint(cg->diags, "use a loop (for ($i : 0..N) { ... }), or several probes");
	return true;
}

/* Where there is a loop, all variables are on the stack at once. */
static bool has_too_many_variables(struct cg *cg, const struct instance *instance)
{
	if (!instance->has_loop || instance->variables.n <= LOOP_VARIABLES_MAX)
		return false;
	diag_error(cg->diags, instance->span,
		   "this probe has a loop and %zu variables: more than %u do not fit on BPF's "
		   "stack of 512 bytes",
		   instance->variables.n, LOOP_VARIABLES_MAX);
	diag_hint(cg->diags, "split it into several probes, or keep some of them in a map");
	return true;
}

bool cg_instance_program(struct cg *cg, struct instance *instance, unsigned index)
{
	struct cg_fn fn;

	if (is_too_long(cg, instance) || has_too_many_variables(cg, instance))
		return false;

	if (instance_has_entry(instance)) {
		reset_program(cg, instance, index);
		cg->n_slots = FRAME_VARS;
		entry_program(cg);
	}
	reset_program(cg, instance, index);
	open_function(cg, &fn, instance->program);
	if (instance->mode == PROBE_MODE_RAW_SYSCALL)
		filter_syscall(cg, instance->span_mode == SPAN_SYSCALL ||
					   !instance->targets.data[0]->is_enter);
	if (instance->provider->present.kind != CTX_NONE)
		require(cg, cg_ctx_item(cg, instance->provider->present));
	cg_filter(cg);
	span_return(cg);
	if (cg->plan->count_hits)
		cg_count(cg, instance->hits_counter);
	prepare_variables(cg);
	if (instance->predicate)
		require(cg, cg_expr(cg, instance->predicate));
	cg_stmt(cg, instance->body);
	cg_jump(cg, fn.leave);
	close_function(cg, &fn);
	return true;
}
