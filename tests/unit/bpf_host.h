#ifndef JB_TESTS_BPF_HOST_H
#define JB_TESTS_BPF_HOST_H
/*
 * What the runtime's plain C (bpf-runtime/agg.bpf.c, rtp.bpf.c) needs in order to be compiled into a test: these files
 * call no helpers, so that their arithmetic can be held against independent computations.
 */
#pragma GCC diagnostic ignored "-Wunknown-pragmas" /* unroll is clang's */

#include <stdbool.h>

#include "bpf-runtime/abi.h"

#define jb_inline   static inline __attribute__((unused))
#define jb_noinline static __attribute__((noinline, unused))
#define jb_unroll
#define jb_opaque(x) __asm__ volatile("" : "+r"(x))

#endif
