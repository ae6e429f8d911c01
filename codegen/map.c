/*
 * Maps: keys, reading, writing, aggregations, atomic updates. The fast paths are what one would write by hand: one
 * lookup, and an insertion only for a key that is not there yet.
 */
#include "codegen/internal.h"

#include <assert.h>
#include <linux/bpf.h>
#include <string.h>

#include "bpf-runtime/abi.h"

enum { HELPER_LOOKUP = 1, HELPER_UPDATE = 2, HELPER_DELETE = 3, HELPER_LOOKUP_PERCPU = 195 };

_Static_assert(JB_GENERATIONS == PLAN_GENERATIONS_MAX, "words of jb_generation");

/* --- keys --- */

/* The generation that updates of a map go to, as i32: read anew for each access. */
static LLVMValueRef generation_now(struct cg *cg, const struct plan_map *plan)
{
	LLVMValueRef index = cg_int(cg, plan->generation_index);

	return LLVMBuildTrunc(cg->b, cg_rt(cg, "jb_generation_now", &index, 1), cg->i32, "");
}

static LLVMValueRef scalar_key(struct cg *cg, const struct plan_map *plan)
{
	LLVMValueRef bytes = cg_memory(cg, 4);

	LLVMBuildStore(cg->b, plan->generations ? generation_now(cg, plan) : LLVMConstNull(cg->i32),
		       bytes);
	return bytes;
}

static void key_parts(struct cg *cg, const struct plan_map *plan, const struct node *key,
		      LLVMValueRef bytes)
{
	if (!key->next) {
		cg_into(cg, key, plan->key, bytes);
		return;
	}
	cg_zero(cg, bytes, plan->key->size);
	for (unsigned i = 0; key && i < plan->key->n_fields; i++, key = key->next)
		cg_into(cg, key, plan->key->fields[i].type,
			cg_offset(cg, bytes, plan->key->fields[i].offset));
}

/* A pointer to the key's bytes. */
static LLVMValueRef map_key(struct cg *cg, const struct map *map, const struct node *key)
{
	const struct plan_map *plan = map->plan;

	if (plan->shape == MAP_SCALAR)
		return scalar_key(cg, plan);
	LLVMValueRef bytes = cg_memory(cg, plan_key_size(plan));
	key_parts(cg, plan, key, bytes);
	if (!plan->generations)
		return bytes;
	cg_zero(cg, cg_offset(cg, bytes, plan->key->size),
		plan->generation_offset - plan->key->size);
	LLVMBuildStore(cg->b, generation_now(cg, plan),
		       cg_offset(cg, bytes, plan->generation_offset));
	return bytes;
}

static LLVMValueRef lookup(struct cg *cg, const struct map *map, LLVMValueRef key)
{
	return cg_helper_ptr(cg, HELPER_LOOKUP,
			     (LLVMValueRef[]){ cg_map_global(cg, map->plan), key }, 2);
}

static LLVMValueRef update(struct cg *cg, const struct map *map, LLVMValueRef key,
			   LLVMValueRef value, uint64_t flags)
{
	return cg_helper(cg, HELPER_UPDATE,
			 (LLVMValueRef[]){ cg_map_global(cg, map->plan), key, value,
					   cg_int(cg, (int64_t)flags) },
			 4);
}

LLVMValueRef cg_map_lookup_key(struct cg *cg, const struct map *map, const struct node *key)
{
	return lookup(cg, map, map_key(cg, map, key));
}

LLVMValueRef cg_map_delete(struct cg *cg, const struct map *map, const struct node *key)
{
	LLVMValueRef bytes = map_key(cg, map, key);

	return cg_helper(cg, HELPER_DELETE, (LLVMValueRef[]){ cg_map_global(cg, map->plan), bytes },
			 2);
}

static void full_if(struct cg *cg, const struct map *map, LLVMValueRef failed)
{
	LLVMBasicBlockRef full = cg_block(cg, "full"), done = cg_block(cg, "done");

	cg_branch(cg, failed, full, done);
	cg_enter(cg, full);
	cg_count(cg, map->plan->full_counter);
	LLVMBuildBr(cg->b, done);
	cg_enter(cg, done);
}

/* As many zero bytes as the biggest value of any map has. */
static LLVMValueRef zeros(struct cg *cg)
{
	struct plan_map **map;
	uint32_t size = 8;

	if (cg->zeros)
		return cg->zeros;
	vec_each (map, &cg->plan->maps)
		if ((*map)->value_size > size)
			size = (*map)->value_size;
	return cg->zeros = cg_const_bytes(cg, arena_alloc(cg->arena, size), size);
}

/*
 * The state or value of a key, made (all zero) when it is not there. Leaves the builder in a block where it is not
 * null; when there is no room it is counted and control goes to `fail`.
 */
static LLVMValueRef slot(struct cg *cg, const struct map *map, LLVMValueRef key,
			 LLVMBasicBlockRef fail)
{
	LLVMBasicBlockRef absent = cg_block(cg, "absent"), full = cg_block(cg, "full"),
			  have = cg_block(cg, "have");
	bool keyed = map->plan->bpf_type != BPF_MAP_TYPE_ARRAY &&
		     map->plan->bpf_type != BPF_MAP_TYPE_PERCPU_ARRAY;
	LLVMValueRef first = lookup(cg, map, key), second = NULL;
	LLVMBasicBlockRef from_first = LLVMGetInsertBlock(cg->b), from_second = NULL;

	cg_branch(cg, first, have, absent);
	cg_enter(cg, absent);
	if (keyed) {
		update(cg, map, key, zeros(cg), BPF_NOEXIST);
		second = lookup(cg, map, key);
		from_second = LLVMGetInsertBlock(cg->b);
		cg_branch(cg, second, have, full);
	} else {
		LLVMBuildBr(cg->b, full);
	}
	cg_enter(cg, full);
	cg_count(cg, map->plan->full_counter);
	LLVMBuildBr(cg->b, fail);
	cg_enter(cg, have);
	LLVMValueRef both = LLVMBuildPhi(cg->b, cg->ptr, "");
	LLVMAddIncoming(both, &first, &from_first, 1);
	if (second)
		LLVMAddIncoming(both, &second, &from_second, 1);
	return both;
}

/* --- reading --- */

static const struct aggregate *aggregate_of(const struct map *map)
{
	return map->plan->value->kind == TYPE_AGG ? map->plan->value->aggregate : NULL;
}

/* The number an aggregation stands for on this CPU's lookups: summed over all CPUs by the row's read function. */
static LLVMValueRef read_aggregate(struct cg *cg, const struct map *map, LLVMValueRef key)
{
	LLVMValueRef sum = cg_alloca(cg, cg->i64, "sum");

	LLVMBuildStore(cg->b, cg_int(cg, 0), sum);
	for (unsigned cpu = 0; cpu < cg->plan->n_cpus; cpu++) {
		LLVMBasicBlockRef some = cg_block(cg, "some"), next = cg_block(cg, "next");
		LLVMValueRef state = cg_helper_ptr(
			cg, HELPER_LOOKUP_PERCPU,
			(LLVMValueRef[]){ cg_map_global(cg, map->plan), key, cg_int(cg, cpu) }, 3);
		cg_branch(cg, state, some, next);
		cg_enter(cg, some);
		LLVMValueRef one = cg_rt(cg, aggregate_of(map)->rt_read, &state, 1);
		LLVMBuildStore(
			cg->b,
			LLVMBuildAdd(cg->b, LLVMBuildLoad2(cg->b, cg->i64, sum, ""), one, ""), sum);
		LLVMBuildBr(cg->b, next);
		cg_enter(cg, next);
	}
	return LLVMBuildLoad2(cg->b, cg->i64, sum, "");
}

/* A missing key reads as zero, or as empty bytes. */
LLVMValueRef cg_map_read(struct cg *cg, const struct node *node, LLVMValueRef dst)
{
	const struct map *map = node->map;
	LLVMValueRef key = map_key(cg, map, node->key), scalar = NULL;

	if (aggregate_of(map))
		return read_aggregate(cg, map, key);
	LLVMBasicBlockRef have = cg_block(cg, "have"), absent = cg_block(cg, "absent"),
			  done = cg_block(cg, "done");
	LLVMValueRef value = lookup(cg, map, key);
	if (!dst)
		scalar = cg_alloca(cg, cg->i64, "value");
	cg_branch(cg, value, have, absent);
	cg_enter(cg, have);
	if (dst)
		cg_copy(cg, dst, value, node->type->size);
	else
		LLVMBuildStore(cg->b, cg_load(cg, value, map->plan->value), scalar);
	LLVMBuildBr(cg->b, done);
	cg_enter(cg, absent);
	if (dst)
		cg_zero(cg, dst, node->type->size);
	else
		LLVMBuildStore(cg->b, cg_int(cg, 0), scalar);
	LLVMBuildBr(cg->b, done);
	cg_enter(cg, done);
	return dst ? NULL : LLVMBuildLoad2(cg->b, cg->i64, scalar, "");
}

void cg_map_element(struct cg *cg, const struct map *map, LLVMValueRef key, LLVMValueRef value,
		    const struct type *type, LLVMValueRef dst)
{
	const struct field *to = type->fields;
	LLVMValueRef into = cg_offset(cg, dst, to[1].offset);

	cg_copy(cg, cg_offset(cg, dst, to[0].offset), key, to[0].type->size);
	if (aggregate_of(map))
		cg_store(cg, into, to[1].type, read_aggregate(cg, map, key));
	else
		cg_copy(cg, into, value, to[1].type->size);
}

LLVMValueRef cg_map_ptr(struct cg *cg, const struct map *map)
{
	return cg_map_global(cg, map->plan);
}

LLVMValueRef cg_map_generation(struct cg *cg, const struct map *map)
{
	return map->plan->generations ? cg_extend(cg, generation_now(cg, map->plan), false) : NULL;
}

void cg_map_only(struct cg *cg, const struct map *map, LLVMValueRef key, LLVMValueRef generation)
{
	LLVMBasicBlockRef same = cg_block(cg, "same");
	LLVMValueRef have = LLVMBuildLoad2(cg->b, cg->i32,
					   cg_offset(cg, key, map->plan->generation_offset), "");

	cg_branch(cg, LLVMBuildICmp(cg->b, LLVMIntEQ, cg_extend(cg, have, false), generation, ""),
		  same, cg->fn->next);
	cg_enter(cg, same);
}

/* A callback that counts the elements of one generation: the frame it is given is {count, generation}. */
static LLVMValueRef count_elements(struct cg *cg, const struct map *map)
{
	LLVMBasicBlockRef here = LLVMGetInsertBlock(cg->b);
	LLVMTypeRef params[] = { cg->ptr, cg->ptr, cg->ptr, cg->ptr };
	struct cg_fn fn;

	cg_open_callback(cg, &fn, cg->span, params, 4);
	LLVMValueRef count = LLVMGetParam(fn.fn, 3);
	LLVMValueRef wanted = LLVMBuildLoad2(cg->b, cg->i64, cg_offset(cg, count, 8), "");
	cg_map_only(cg, map, LLVMGetParam(fn.fn, 1), wanted);
	LLVMValueRef n = LLVMBuildLoad2(cg->b, cg->i64, count, "");
	LLVMValueRef more = LLVMBuildAdd(cg->b, n, cg_int(cg, 1), "");
	/* Not a number that the verifier knows: it would be another one in each round. */
	more = LLVMBuildAdd(cg->b, more, cg_rt(cg, "jb_unknown_zero", NULL, 0), "");
	LLVMBuildStore(cg->b, more, count);
	cg_close_callback(cg, &fn);
	cg_enter(cg, here);
	return fn.fn;
}

LLVMValueRef cg_map_len(struct cg *cg, const struct map *map)
{
	LLVMValueRef whole = cg_map_ptr(cg, map);

	if (!map->plan->generations)
		return cg_rt(cg, "jb_map_len", &whole, 1);
	LLVMValueRef frame = cg_alloca(cg, LLVMArrayType2(cg->i64, 2), "count");
	LLVMBuildStore(cg->b, cg_int(cg, 0), frame);
	LLVMBuildStore(cg->b, cg_map_generation(cg, map), cg_offset(cg, frame, 8));
	struct span span = cg->span;
	LLVMValueRef callback = count_elements(cg, map);
	cg_debug_at(cg, span);
	cg_helper(cg, HELPER_FOR_EACH, (LLVMValueRef[]){ whole, callback, frame, cg_int(cg, 0) },
		  4);
	return LLVMBuildLoad2(cg->b, cg->i64, frame, "");
}

/* --- aggregations --- */

/*
 * The constants as arguments: in a table, or one by one when the function takes them (the points of quantiles() matter
 * to the reader only). Returns their number.
 */
static unsigned constants(struct cg *cg, const struct type *type, unsigned wanted,
			  LLVMValueRef *argv)
{
	const struct agg_args *args = &type->args;

	if (type->aggregate->flags & AGG_TABLE) {
		argv[0] = cg_const_bytes(cg, args->n, args->n_count * sizeof(*args->n));
		argv[1] = cg_int(cg, args->n_count);
		return 2;
	}
	for (unsigned i = 0; i < wanted; i++)
		argv[i] = cg_int(cg, args->n[i]);
	return wanted;
}

/* Call the row's update with the state, the travelling arguments, the constants and the time. */
static void update_state(struct cg *cg, const struct node *call, const struct type *type,
			 LLVMValueRef state)
{
	const struct aggregate *row = type->aggregate;
	const struct agg_args *args = &type->args;
	const char *rt = row->rt_unsigned && !args->is_signed ? row->rt_unsigned : row->rt;
	bool timed = row->flags & AGG_TIMED;
	unsigned n_consts =
		LLVMCountParams(LLVMGetNamedFunction(cg->module, rt)) - 1 - args->n_values - timed;
	const struct node *arg = call->args;
	LLVMValueRef argv[16];
	unsigned argc = 0;

	argv[argc++] = state;
	for (unsigned i = 0; i < args->n_values; i++, arg = arg->next)
		argv[argc++] = cg_expr(cg, arg);
	argc += constants(cg, type, n_consts, argv + argc);
	if (timed)
		argv[argc++] = cg_rt(cg, "jb_now_ns", NULL, 0);
	cg_debug_at(cg, call->span);
	cg_rt(cg, rt, argv, argc);
}

/* Plain columns of agg() in their order; derived ones are computed when the row is read. */
static void update_row(struct cg *cg, const struct node *call, const struct type *type,
		       LLVMValueRef state)
{
	const struct node *arg = call->args;

	for (unsigned i = 0; i < type->args.n_fields && arg; i++, arg = arg->next) {
		const struct agg_field *field = &type->args.fields[i];
		if (field->type)
			update_state(cg, arg->a, field->type, cg_offset(cg, state, field->offset));
	}
}

static void update_any(struct cg *cg, const struct node *call, const struct type *type,
		       LLVMValueRef state)
{
	if (type->aggregate->flags & AGG_ROW)
		update_row(cg, call, type, state);
	else
		update_state(cg, call, type, state);
}

static void aggregate_assign(struct cg *cg, const struct node *assign)
{
	const struct map *map = assign->a->map;
	const struct type *type = map->plan->value;
	LLVMBasicBlockRef done = cg_block(cg, "done");
	LLVMValueRef key = map_key(cg, map, assign->a->key);
	LLVMValueRef state = slot(cg, map, key, done);

	if (map->plan->shared) {
		LLVMBasicBlockRef held = cg_block(cg, "held");
		cg_branch(cg, cg_rt(cg, "jb_lock_take", &state, 1), held, done);
		cg_enter(cg, held);
		update_any(cg, assign->b, type, cg_offset(cg, state, sizeof(struct jb_lock)));
		cg_rt(cg, "jb_lock_give", &state, 1);
	} else {
		update_any(cg, assign->b, type, state);
	}
	cg_jump(cg, done);
	cg_enter(cg, done);
}

/* --- plain values --- */

/* Add to an 8-byte value in place, atomically: counters shared by CPUs lose nothing. Returns the old value. */
static LLVMValueRef add_in_place(struct cg *cg, const struct map *map, const struct node *key_list,
				 LLVMValueRef amount)
{
	LLVMBasicBlockRef done = cg_block(cg, "added");
	LLVMValueRef old = cg_alloca(cg, cg->i64, "old");

	LLVMBuildStore(cg->b, cg_int(cg, 0), old);
	LLVMValueRef key = map_key(cg, map, key_list);
	LLVMValueRef value = slot(cg, map, key, done);
	LLVMBuildStore(cg->b,
		       LLVMBuildAtomicRMW(cg->b, LLVMAtomicRMWBinOpAdd, value, amount,
					  LLVMAtomicOrderingSequentiallyConsistent, 0),
		       old);
	LLVMBuildBr(cg->b, done);
	cg_enter(cg, done);
	return LLVMBuildLoad2(cg->b, cg->i64, old, "");
}

LLVMValueRef cg_map_incdec(struct cg *cg, const struct node *node)
{
	LLVMValueRef one = cg_int(cg, node->op == OP_INC ? 1 : -1);
	LLVMValueRef old = add_in_place(cg, node->a->map, node->a->key, one);

	return node->is_prefix ? LLVMBuildAdd(cg->b, old, one, "") : old;
}

static void store_value(struct cg *cg, const struct map *map, LLVMValueRef key, LLVMValueRef bytes)
{
	LLVMValueRef result = update(cg, map, key, bytes, BPF_ANY);

	if (map->plan->bpf_type != BPF_MAP_TYPE_ARRAY)
		full_if(cg, map, result);
}

static void plain_assign(struct cg *cg, const struct node *assign)
{
	const struct map *map = assign->a->map;
	const struct type *type = map->plan->value;
	LLVMValueRef bytes;

	/* The value first: reading it may use the same key. */
	if (type_is_scalar(type)) {
		LLVMValueRef value = cg_expr(cg, assign->b);
		bytes = cg_memory(cg, 8);
		LLVMBuildStore(cg->b, value, bytes);
	} else {
		bytes = cg_memory(cg, type->size);
		cg_into(cg, assign->b, type, bytes);
	}
	store_value(cg, map, map_key(cg, map, assign->a->key), bytes);
}

static void compound_assign(struct cg *cg, const struct node *assign)
{
	const struct node *target = assign->a;
	const struct map *map = target->map;
	LLVMValueRef amount = cg_expr(cg, assign->b);

	if (assign->op == OP_ADD || assign->op == OP_SUB) {
		if (assign->op == OP_SUB)
			amount = LLVMBuildNeg(cg->b, amount, "");
		add_in_place(cg, map, target->key, amount);
		return;
	}
	LLVMValueRef old = cg_map_read(cg, target, NULL), bytes = cg_memory(cg, 8);
	LLVMBuildStore(cg->b,
		       cg_binary_op(cg, assign, assign->op, old, amount, target->type,
				    assign->b->type, target->type),
		       bytes);
	store_value(cg, map, map_key(cg, map, target->key), bytes);
}

void cg_map_assign(struct cg *cg, const struct node *assign)
{
	if (assign->b->kind == NODE_CALL && assign->b->aggregate)
		aggregate_assign(cg, assign);
	else if (assign->op == OP_NONE)
		plain_assign(cg, assign);
	else
		compound_assign(cg, assign);
}
