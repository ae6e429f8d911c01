#ifndef JB_LOOKUP_UNWIND_H
#define JB_LOOKUP_UNWIND_H
/* Return addresses of a copied stack, by the call-frame information of the files a process maps. Part of sym.c. */
#include "lookup/spaces.h"

struct unwind;

struct unwind *unwind_new(struct modules *modules, struct spaces *spaces);
void unwind_free(struct unwind *unwind);
/* sym_unwind and sym_can_unwind. */
unsigned unwind_stack(struct unwind *unwind, int pid, const struct stack_copy *copy,
		      uint64_t *addresses, unsigned max);
bool unwind_is_possible(const char **package);

#endif
