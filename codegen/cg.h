#ifndef JB_CODEGEN_CG_H
#define JB_CODEGEN_CG_H
/*
 * What builtin rows may use to generate code. Scalars are i64 values, extended by their type's sign; everything
 * else is bytes in BPF memory behind a pointer. The builder's position and debug location are cg's business.
 */
#include <llvm-c/Core.h>

#include "parser/ast.h"

struct cg;

/* The value of a scalar expression, as i64. */
LLVMValueRef cg_expr(struct cg *cg, const struct node *node);
/* The bytes of a memory-typed expression into dst, which has node->type->size bytes (zero to the end). */
void cg_expr_into(struct cg *cg, const struct node *node, LLVMValueRef dst);
/* A pointer to the bytes of a memory-typed expression: in place when it already lies in BPF memory, else a temporary. */
LLVMValueRef cg_expr_ptr(struct cg *cg, const struct node *node);
/*
 * Call a runtime function by name; argument types are adjusted to its prototype (trunc/extend, pointers as they
 * are). Result as i64 extended by the C return type's width (zero-extended), a pointer, or NULL for void.
 */
LLVMValueRef cg_rt(struct cg *cg, const char *function, LLVMValueRef *argv, unsigned argc);
LLVMValueRef cg_int(struct cg *cg, int64_t value); /* an i64 constant */
LLVMValueRef cg_ctx(struct cg *cg);		   /* the program's context pointer */
/* A zeroed temporary for a memory type: on the stack when small, else in per-CPU scratch. */
LLVMValueRef cg_temp(struct cg *cg, const struct type *type);
/* A read-only global with these bytes; returns its pointer. */
LLVMValueRef cg_const_bytes(struct cg *cg, const void *bytes, size_t len);
/* A pointer `offset` bytes further. */
LLVMValueRef cg_offset(struct cg *cg, LLVMValueRef ptr, int64_t offset);
/*
 * The place at an offset in the program's context, for a load. The verifier wants constant offsets there, so the optimiser
 * must not make one load of two that differ in their place (LLVM 18: llvm.preserve.static.offset).
 */
LLVMValueRef cg_ctx_offset(struct cg *cg, int64_t offset);
LLVMValueRef cg_load(struct cg *cg, LLVMValueRef ptr,
		     const struct type *type); /* scalar from BPF memory, as i64 */
void cg_store(struct cg *cg, LLVMValueRef ptr, const struct type *type, LLVMValueRef value);
LLVMBuilderRef cg_builder(struct cg *cg);
LLVMContextRef cg_llvm(struct cg *cg);
struct plan *cg_plan(struct cg *cg);
const struct instance *cg_instance(struct cg *cg);
/* A context item as the provider describes it (args.x, argN, retval, duration), as i64. */
LLVMValueRef cg_ctx_item(struct cg *cg, struct ctx_item item);
/* The id of the target that fired (index into plan->targets). */
LLVMValueRef cg_target_id(struct cg *cg);
/* The same for `probe`: places of one probe are one. */
LLVMValueRef cg_probe_id(struct cg *cg);
/* The same for `func`: targets that share a function's name (the same library in two containers) are one. */
LLVMValueRef cg_func_id(struct cg *cg);
/* Do the filters select this task (a task_struct's address; NULL: the current one)? 0 or 1 as i64. */
LLVMValueRef cg_selected(struct cg *cg, LLVMValueRef task);

/* --- maps, for has_key, delete, print(@m[k]), ... --- */
/* The map itself, as helpers take it. */
LLVMValueRef cg_map_ptr(struct cg *cg, const struct map *map);
/* How many keys it has. */
LLVMValueRef cg_map_len(struct cg *cg, const struct map *map);
/* bpf_map_delete_elem; result of the helper as i64. */
LLVMValueRef cg_map_delete(struct cg *cg, const struct map *map, const struct node *key);
/* Pointer to the map's value for this key, or null (to be tested): map lookup, no insertion. */
LLVMValueRef cg_map_lookup_key(struct cg *cg, const struct map *map, const struct node *key);
/* `if (cond != 0) { then(arg) }`, cond an i64 or i1. */
void cg_if(struct cg *cg, LLVMValueRef cond, void (*then)(struct cg *, void *), void *arg);
/* Count one in plan->counters[index]. */
void cg_count(struct cg *cg, uint32_t counter);

/* --- the whole pass --- */
struct blob {
	void *data;
	size_t len;
};
struct codegen_input {
	struct arena *arena;
	struct diags *diags;
	const struct registry *registry;
	struct plan *plan;
	struct instance **instances;
	size_t n_instances;
	int optimise; /* 2 normally; 0 for tests */
};
/* Makes the ELF (heap, caller frees blob->data). With ir != NULL also prints the optimised IR there. -errno or 0. */
int codegen(const struct codegen_input *input, struct blob *elf, FILE *ir);

#endif
