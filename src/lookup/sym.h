#ifndef JB_LOOKUP_SYM_H
#define JB_LOOKUP_SYM_H
/*
 * Addresses to names, when a record is decoded: kallsyms, and the mappings of processes with the symbols and debug
 * information of their files. Everything is cached, and memory is bounded.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

struct sym;

struct sym *sym_new(void);
void sym_free(struct sym *sym);

/* A line of source and the function it is in. */
struct symbol_line {
	const char *function; /* NULL: not known */
	const char *file;     /* NULL: not known */
	uint32_t line;
};

/* What is pointed to is valid until the next call. */
struct symbol {
	const char *name;   /* NULL: unknown */
	uint64_t offset;    /* from the symbol's start */
	const char *module; /* file, or kernel module; may be NULL */
	/*
	 * With SYM_LINES, where there is debug information: the innermost inlined function first, the
	 * one that was compiled last.
	 */
	const struct symbol_line *lines;
	unsigned n_lines;
};

enum {
	SYM_CALLER = 1, /* the address is where a call returns to: the call itself is meant */
	SYM_LINES = 2,
};

struct symbol sym_kernel(struct sym *sym, uint64_t address, unsigned flags);
/* A process that is gone, or a mapping that came later than the first look, is looked up again once. */
struct symbol sym_user(struct sym *sym, int pid, uint64_t address, unsigned flags);

/* How many frames have no source lines because reading them had taken too much of the time. */
unsigned long sym_lines_left_out(const struct sym *sym);

/*
 * From now on remember what processes map as they map it, so that those that have ended are known as well. Returns a
 * file descriptor that is readable when sym_catch_up should be called soon, -errno when the kernel does not let us; then
 * processes are known from the first look at them.
 */
int sym_watch(struct sym *sym);
void sym_catch_up(struct sym *sym);
/* Look at the processes that there are, for `ms` milliseconds at most; true: call it again for the rest. */
bool sym_look_around(struct sym *sym, int ms);

/* A thread's registers and a piece of its stack, as they were when a probe fired. */
struct stack_copy {
	const uint64_t *
		registers; /* 17, in DWARF's order for x86-64: rax rdx rcx rbx rsi rdi rbp rsp r8-r15 rip */
	uint64_t base; /* address of the first byte */
	const uint8_t *bytes;
	size_t len;
};
/*
 * The return addresses on it, by the call-frame information of the files that the process maps; the first is the place
 * itself. Number of them, `max` at most.
 */
unsigned sym_unwind(struct sym *sym, int pid, const struct stack_copy *copy, uint64_t *addresses,
		    unsigned max);
/* Is there what sym_unwind needs? false: the library is missing, its package's name is in *package. */
bool sym_can_unwind(const char **package);

#endif
