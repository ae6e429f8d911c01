#ifndef JB_PROBES_USERARGS_H
#define JB_PROBES_USERARGS_H
/* Parameters and results of user functions as their debug information has them. */
#include "parser/resolve.h"

/* provider->args: NULL when nothing is known; no_args of builtins/context.c asks lookup for the reason. */
const struct type *userargs_type(struct resolve *resolve, const struct target *target);
/* provider->args_field at the entry, and after a span's return, where the registers of the entry were kept. */
struct ctx_item userargs_entry_field(const struct target *target, const struct type *args,
				     const struct field *field);
struct ctx_item userargs_saved_field(const struct target *target, const struct type *args,
				     const struct field *field);

/* For plan: when the body reads retval, its type is looked up, and targets of other types get programs of their own. */
void userargs_plan_results(struct resolve *resolve, struct instance *instance);
/* retval, after that. */
struct ctx_item userargs_result(const struct target *target, const struct type **type);

/* What -lv shows of a function: its parameters; of a uretprobe its result, under the name retval. NULL: nothing. */
const struct type *userargs_list(struct lookup *lookup, const char *provider,
				 const struct binary *binary, const struct elf_symbol *symbol);

#endif
