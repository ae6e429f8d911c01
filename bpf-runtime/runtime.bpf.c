// SPDX-License-Identifier: GPL-2.0-only OR Apache-2.0
/*
 * The BPF runtime as one compile unit. It is compiled to bitcode when jbtrace is built, embedded, and used as the
 * seed module of every script: generated code calls these functions, the optimiser removes what is not called.
 * Compiled without optimisation passes, so that everything is optimised once, together with the script.
 */
#include <linux/bpf.h>
#include <linux/ptrace.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#include "abi.h"

/*
 * Static, because the verifier looks at a global function by itself and lets no pointers into it or out of it; used,
 * so that the compiler keeps what only generated code will call. codegen/module.c makes `inline` mean always: said
 * here, it would be done at build time, and every start would read the copies.
 */
#define jb_inline   static inline __attribute__((used))
#define jb_unroll   _Pragma("unroll")
#define jb_noinline static __attribute__((noinline, used))

#include "core.bpf.c"
#include "span.bpf.c"
#include "task.bpf.c"
#ifdef JB_FILTERS
#include "name.bpf.c"
#include "filter.bpf.c"
#endif
#include "string.bpf.c"
#include "agg.bpf.c"
#include "rtp.bpf.c"

char _license[] SEC("license") = "GPL";
