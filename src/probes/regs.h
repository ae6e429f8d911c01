#ifndef JB_PROBES_REGS_H
#define JB_PROBES_REGS_H
/*
 * Where the calling conventions of this machine keep arguments and results: byte offsets in struct pt_regs.
 * One table per architecture; nothing else in probes/ knows a register.
 */
#include <stddef.h>

#include "model/feature.h"

#define REGS_ARGS 6

struct regs {
	const char *arch;
	uint32_t arg[REGS_ARGS];	 /* integer and pointer arguments of a function */
	uint32_t syscall_arg[REGS_ARGS]; /* of a system call */
	uint32_t result;		 /* of a function or a system call */
	uint32_t syscall_number;
	uint32_t stack_pointer;
};

/* The table of the machine this was compiled for. */
const struct regs *regs_host(void);
/* The context's struct pt_regs: argument n of a function, CTX_NONE beyond the registers. */
struct ctx_item regs_arg(unsigned n);
/* The result of a function, at its return. */
struct ctx_item regs_result(void);
/* A register as assemblers write it ("rax", "eax", "ax", "al", "ah", "r8d", "rip"): its bytes in struct pt_regs. */
bool regs_find(const char *name, size_t len, uint32_t *offset, uint32_t *size);
/* Raw tracepoints sys_enter and sys_exit: argument n of the system call, CTX_NONE beyond the sixth. */
struct ctx_item regs_syscall_arg(unsigned n);

#endif
