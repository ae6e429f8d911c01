#ifndef JB_BUILTINS_BUILTINS_H
#define JB_BUILTINS_BUILTINS_H
/*
 * The families of rows in this folder, for the registry in jbtrace.c, and the few helpers they share. Every array
 * ends with a row whose name is NULL.
 *
 * A check hook may leave a private number for its gen hook in node->value (node kind NODE_CALL has no other use for
 * it): an address space, a clock, a constant found at compile time.
 */
#include "model/feature.h"
#include "parser/check.h"

extern const struct builtin
	builtins_context[]; /* context.c: args argN retval duration probe func ctx */
extern const struct builtin builtins_task[]; /* task.c: pid tid comm uid cpu cgroup ... */
extern const struct builtin builtins_time[]; /* time.c: nsecs elapsed strftime time */
extern const struct builtin
	builtins_string[]; /* string.c: str buf strcontains ntop bswap join ... */
extern const struct builtin builtins_symbol[]; /* symbol.c: ksym usym kaddr cgroup_path ... */
extern const struct builtin builtins_stack[];  /* stack.c: kstack ustack */
extern const struct builtin
	builtins_errno[]; /* errno.c: strerror errno_name averror syscall_name flags */
extern const struct builtin builtins_action[]; /* action.c: printf print cat system emit exit ... */
extern const struct builtin builtins_mapops[]; /* mapops.c: delete has_key clear zero */

extern const struct aggregate aggregates_basic[];     /* aggregate.c: count sum avg min max stats */
extern const struct aggregate aggregates_histogram[]; /* histogram.c: hist lhist bhist */
extern const struct aggregate aggregates_quantiles[]; /* quantiles.c */
extern const struct aggregate aggregates_rtp[];	      /* rtp.c: rtp jitter */
extern const struct aggregate aggregates_row[];	      /* row.c: agg */

extern const struct named_type named_types_context[]; /* probe_t func_t */
extern const struct named_type named_types_task[];    /* username_t */
extern const struct named_type named_types_time[];    /* timestamp */
extern const struct named_type named_types_string[];  /* inet macaddr_t argv_t */
extern const struct named_type named_types_symbol[];  /* ksym_t usym_t cgroup_path_t */
extern const struct named_type named_types_stack[];   /* kstack_t ustack_t ... */
extern const struct named_type
	named_types_errno[]; /* strerror_t errno_name_t averror_t syscall_name_t flags_t */

/* The text of an argument that is a bare word, as in nsecs(boot); resolve makes strings of them. Else NULL. */
const char *builtin_word(const struct node *arg);
/* The type of an argument without named types around it; NULL as long as it is not known. */
const struct type *builtin_arg_type(const struct node *arg);
/* For arguments that must be a number or a pointer. */
bool builtin_check_scalar(struct check *check, struct node *node, const struct node *arg);

/* The numbers [low, high) at a position of jb_log_bucket() (bpf-runtime/agg.bpf.c); for hist and quantiles. */
struct bucket log_bucket_bounds(uint64_t position, unsigned bits);

#endif
