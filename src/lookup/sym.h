#ifndef JB_LOOKUP_SYM_H
#define JB_LOOKUP_SYM_H
/* Addresses to names, when a record is decoded: kallsyms, and /proc/PID/maps with ELF symbols. Everything is cached. */
#include <stdint.h>

#include "base/mem.h"

struct sym;

struct sym *sym_new(void);
void sym_free(struct sym *sym);

struct symbol {
	const char *name;   /* NULL: unknown */
	uint64_t offset;    /* from the symbol's start */
	const char *module; /* file, or kernel module; may be NULL */
};
struct symbol sym_kernel(struct sym *sym, uint64_t address);
/* A process that is gone, or a mapping that came later than the first look, is looked up again once. */
struct symbol sym_user(struct sym *sym, int pid, uint64_t address);

#endif
