#ifndef JB_PROBES_USERARGS_H
#define JB_PROBES_USERARGS_H
/*
 * Parameters of user functions as their debug information has them. retval stays the register that it always is: a script
 * means the same with debug information and without.
 */
#include "parser/resolve.h"

/* provider->args: NULL when nothing is known; no_args of builtins/context.c asks lookup for the reason. */
const struct type *userargs_type(struct resolve *resolve, const struct target *target);
/* provider->args_field at the entry, and after a span's return, where the registers of the entry were kept. */
struct ctx_item userargs_entry_field(const struct target *target, const struct type *args,
				     const struct field *field);
struct ctx_item userargs_saved_field(const struct target *target, const struct type *args,
				     const struct field *field);

/* What -lv shows of a function: its parameters; of a uretprobe its result, under the name retval. NULL: nothing. */
const struct type *userargs_list(struct lookup *lookup, const char *provider,
				 const struct binary *binary, const struct elf_symbol *symbol);

#endif
