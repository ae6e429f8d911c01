/*
 * The register table of each architecture and the context items made from it. Offsets are those of the kernel's
 * struct pt_regs, which is what uprobes get as their context and what the raw tracepoints sys_enter and sys_exit
 * point to.
 */
#include "probes/regs.h"

#ifndef __x86_64__
#error "not supported yet: architectures other than x86_64; add a table here"
#endif

enum x86_64_offset {
	X86_R10 = 56,
	X86_R9 = 64,
	X86_R8 = 72,
	X86_AX = 80,
	X86_CX = 88,
	X86_DX = 96,
	X86_SI = 104,
	X86_DI = 112,
	X86_ORIG_AX = 120,
	X86_SP = 152,
};

static const struct regs x86_64 = {
	.arch = "x86_64",
	.arg = { X86_DI, X86_SI, X86_DX, X86_CX, X86_R8, X86_R9 },
	.syscall_arg = { X86_DI, X86_SI, X86_DX, X86_R10, X86_R8, X86_R9 },
	.result = X86_AX,
	.syscall_number = X86_ORIG_AX,
	.stack_pointer = X86_SP,
};

const struct regs *regs_host(void)
{
	return &x86_64;
}

static struct ctx_item item_none(void)
{
	return (struct ctx_item){ .kind = CTX_NONE };
}

struct ctx_item regs_arg(unsigned n)
{
	if (n >= REGS_ARGS)
		return item_none();
	return (struct ctx_item){ .kind = CTX_REG, .offset = x86_64.arg[n], .size = 8, .index = n };
}

struct ctx_item regs_result(void)
{
	return (struct ctx_item){ .kind = CTX_REG, .offset = x86_64.result, .size = 8 };
}

struct ctx_item regs_syscall_arg(unsigned n)
{
	if (n >= REGS_ARGS)
		return item_none();
	return (struct ctx_item){
		.kind = CTX_SYS_REGS, .offset = x86_64.syscall_arg[n], .size = 8, .index = n
	};
}
