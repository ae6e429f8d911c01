#ifndef JB_CODEGEN_INTERNAL_H
#define JB_CODEGEN_INTERNAL_H
/*
 * State of one code generation. Private to codegen/.
 *
 * All variables of a probe live in a frame: an array of 8-byte slots on the BPF stack. Loop bodies are callbacks of
 * bpf_loop and reach the variables through the frame's address; where there is no loop the optimiser dissolves it.
 */
#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/TargetMachine.h>

#include "codegen/cg.h"
#include "parser/ast.h"

struct strmap;

enum frame_slot {
	FRAME_CTX,     /* the program's context */
	FRAME_SCRATCH, /* this run's scratch memory, when it has any */
	FRAME_FLOW,    /* not 0: a `return` inside a loop is under way */
	FRAME_TARGET,  /* id of the target, when it is found out once (raw system calls) */
	FRAME_SPAN,    /* struct jb_span * */
	FRAME_VARS,    /* the first variable */
};

/* One LLVM function being filled: a program, or a loop body. */
struct cg_fn {
	LLVMValueRef fn;
	LLVMMetadataRef subprogram;
	LLVMBasicBlockRef entry; /* allocas, then a jump to the code */
	LLVMValueRef frame;
	LLVMBasicBlockRef leave;      /* where `return` goes */
	LLVMBasicBlockRef next, stop; /* loop body: continue, break */
	struct cg_fn *outer;
};

/* A temporary: on the BPF stack, or at an offset of the scratch memory. */
struct cg_temp_slot {
	LLVMValueRef stack; /* NULL: in scratch */
	LLVMValueRef fn;    /* whose stack */
	uint32_t offset, room;
	bool busy;
};

#define HELPER_FOR_EACH 164

struct cg {
	struct arena *arena;
	struct diags *diags;
	struct plan *plan;
	const struct registry *registry;
	LLVMContextRef llvm;
	LLVMModuleRef module;
	LLVMBuilderRef b;
	LLVMDIBuilderRef di;
	LLVMMetadataRef di_file, di_unit, di_int, di_long, di_void_ptr;
	struct strmap *di_files; /* by source name */
	LLVMTypeRef i1, i8, i16, i32, i64, ptr;
	LLVMTargetMachineRef machine;
	struct name_set *name_sets; /* filters by name; private to filter.c */
	LLVMValueRef zeros;	    /* what a new key of a map begins with */
	struct instance *instance;
	unsigned instance_index;
	struct cg_fn *fn;
	unsigned n_loop_slots, next_loop_slot;
	unsigned n_slots;
	unsigned stack_used;		  /* bytes of temporaries on the BPF stack of the program */
	uint32_t scratch_used;		  /* bytes of scratch this program needs */
	VEC(struct cg_temp_slot *) temps; /* of this program */
	VEC(struct cg_temp_slot *) busy;  /* in use by the statements under way, oldest first */
	unsigned n_callbacks;
	struct span span; /* of the node being generated */
};

/* Memory behind an expression. `addr`: a pointer in SPACE_BPF and SPACE_CTX, else an i64. */
struct place {
	LLVMValueRef addr;
	enum space space;
	const struct type *type;
	uint8_t bit_offset, bit_size;
};

/* debug.c */
void cg_debug_init(struct cg *cg);
void cg_debug_function(struct cg *cg, struct cg_fn *fn, const char *name, struct span span,
		       unsigned n_params);
void cg_debug_at(struct cg *cg, struct span span);
LLVMValueRef cg_map_global(struct cg *cg, const struct plan_map *map);

/* function.c: LLVM functions, blocks, frame, memory */
LLVMValueRef cg_alloca(struct cg *cg, LLVMTypeRef type, const char *name);
LLVMBasicBlockRef cg_block(struct cg *cg, const char *name);
void cg_enter(struct cg *cg, LLVMBasicBlockRef block);
void cg_jump(struct cg *cg, LLVMBasicBlockRef block); /* unless the block already ended */
void cg_branch(struct cg *cg, LLVMValueRef condition, LLVMBasicBlockRef yes, LLVMBasicBlockRef no);
LLVMValueRef cg_truth(struct cg *cg, LLVMValueRef value); /* i64 or i1 or ptr -> i1 */
LLVMValueRef cg_slot(struct cg *cg, unsigned slot);	  /* address of a frame slot */
LLVMValueRef cg_slot_load(struct cg *cg, unsigned slot, LLVMTypeRef type);
LLVMValueRef cg_extend(struct cg *cg, LLVMValueRef value, bool is_signed); /* any int -> i64 */
LLVMValueRef cg_helper(struct cg *cg, unsigned id, LLVMValueRef *argv, unsigned argc); /* i64 */
LLVMValueRef cg_helper_ptr(struct cg *cg, unsigned id, LLVMValueRef *argv, unsigned argc);
/* Temporaries made since the mark may be used again: their statement is over. */
size_t cg_mark(const struct cg *cg);
void cg_release(struct cg *cg, size_t mark);
LLVMValueRef cg_memory(struct cg *cg, uint32_t size); /* uninitialised temporary */
void cg_zero(struct cg *cg, LLVMValueRef dst, uint32_t size);
void cg_copy(struct cg *cg, LLVMValueRef dst, LLVMValueRef src, uint32_t size);
LLVMTypeRef cg_int_type(struct cg *cg, uint32_t size);

/* module.c: a constant of the runtime that this compile knows, `const volatile NAME` */
void cg_tunable(struct cg *cg, const char *name, uint64_t value);

/* seqfile.c: printf in a program that makes the text of a file, where there is no ring */
void cg_seq_print(struct cg *cg, const struct node *call);

/* filter.c */
bool cg_filter_needs_runtime(const struct codegen_input *input);
void cg_filter(struct cg *cg); /* go on only in selected tasks, else leave */
void cg_follow(struct cg *cg); /* the programs of --follow */

/* probe.c */
bool cg_instance_program(struct cg *cg, struct instance *instance, unsigned index);

/* expr.c, place.c, event.c, stmt.c, map.c */
struct place cg_place(struct cg *cg, const struct node *node);
LLVMValueRef cg_place_load(struct cg *cg, struct place place);
void cg_place_copy(struct cg *cg, struct place place, LLVMValueRef dst, uint32_t size);
/* Any expression, converted to `type`, into dst (type->size bytes). */
void cg_into(struct cg *cg, const struct node *node, const struct type *type, LLVMValueRef dst);
LLVMValueRef cg_variable_ptr(struct cg *cg, const struct variable *variable); /* memory-typed */
LLVMValueRef cg_incdec(struct cg *cg, const struct node *node);
LLVMValueRef cg_binary_op(struct cg *cg, const struct node *node, enum op op, LLVMValueRef x,
			  LLVMValueRef y, const struct type *xt, const struct type *yt,
			  const struct type *result);
void cg_event(struct cg *cg, const struct node *call);
void cg_stmt(struct cg *cg, const struct node *node);
void cg_stmts(struct cg *cg, const struct node *list);
/* A function `static long loop(..., void *frame)`; the builder stands in its body. */
void cg_open_callback(struct cg *cg, struct cg_fn *fn, struct span span, LLVMTypeRef *params,
		      unsigned n_params);
/* Ends it; the caller puts the builder back to where it was. */
void cg_close_callback(struct cg *cg, struct cg_fn *fn);
LLVMValueRef cg_map_read(struct cg *cg, const struct node *node, LLVMValueRef dst);
/* An element's key and value into the (key, value) tuple of a loop. */
void cg_map_element(struct cg *cg, const struct map *map, LLVMValueRef key, LLVMValueRef value,
		    const struct type *type, LLVMValueRef dst);
/* The current generation of a map's keys, as i64, for a loop over its elements; NULL: it has none. */
LLVMValueRef cg_map_generation(struct cg *cg, const struct map *map);
/* In a callback: go on with elements of this generation only. */
void cg_map_only(struct cg *cg, const struct map *map, LLVMValueRef key, LLVMValueRef generation);
void cg_map_assign(struct cg *cg, const struct node *assign);
LLVMValueRef cg_map_incdec(struct cg *cg, const struct node *node);

#endif
