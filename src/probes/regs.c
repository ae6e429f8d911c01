/*
 * The register table of each architecture and the context items made from it. Offsets are those of the kernel's
 * struct pt_regs, which is what uprobes get as their context and what the raw tracepoints sys_enter and sys_exit
 * point to.
 */
#include "probes/regs.h"

#include <stdio.h>
#include <string.h>

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

/* The old registers by their 16-bit names, in the order of struct pt_regs from its end. */
static const struct x86_name {
	char name[3];
	uint8_t offset;
} x86_names[] = {
	{ "ax", 80 },  { "bx", 40 }, { "cx", 88 },  { "dx", 96 },  { "si", 104 },
	{ "di", 112 }, { "bp", 32 }, { "sp", 152 }, { "ip", 128 },
};

static bool x86_old_register(const char *name, uint32_t *offset, uint32_t *size)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(x86_names) / sizeof(x86_names[0]); i++) {
		const char *old = x86_names[i].name;
		bool has_high = old[1] == 'x';

		*offset = x86_names[i].offset;
		*size = name[0] == 'r' ? 8 : 4;
		if (len == 3 && (name[0] == 'r' || name[0] == 'e') && !strcmp(name + 1, old))
			return true;
		*size = 2;
		if (!strcmp(name, old))
			return true;
		*size = 1;
		if (has_high ? len == 2 && name[0] == old[0] && name[1] == 'l'
			     : len == 3 && !strncmp(name, old, 2) && name[2] == 'l')
			return true;
		*offset += 1;
		if (has_high && len == 2 && name[0] == old[0] && name[1] == 'h')
			return true;
	}
	return false;
}

/* r8 to r15, with a letter for the lower parts. */
static bool x86_new_register(const char *name, uint32_t *offset, uint32_t *size)
{
	static const uint8_t offsets[] = { 72, 64, 56, 48, 24, 16, 8, 0 };
	unsigned number;
	char part = 0, rest = 0;

	if (sscanf(name, "r%2u%c%c", &number, &part, &rest) < 1 || rest || number < 8 ||
	    number > 15)
		return false;
	*offset = offsets[number - 8];
	*size = !part ? 8 : part == 'd' ? 4 : part == 'w' ? 2 : part == 'b' ? 1 : 0;
	return *size != 0;
}

bool regs_find(const char *name, size_t len, uint32_t *offset, uint32_t *size)
{
	char text[8];

	if (!len || len >= sizeof(text))
		return false;
	memcpy(text, name, len);
	text[len] = '\0';
	return x86_old_register(text, offset, size) || x86_new_register(text, offset, size);
}

struct ctx_item regs_syscall_arg(unsigned n)
{
	if (n >= REGS_ARGS)
		return item_none();
	return (struct ctx_item){
		.kind = CTX_SYS_REGS, .offset = x86_64.syscall_arg[n], .size = 8, .index = n
	};
}
