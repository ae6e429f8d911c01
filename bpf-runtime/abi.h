#ifndef JB_ABI_H
#define JB_ABI_H
/*
 * Layouts shared by the kernel side (bpf-runtime, generated code) and the user side. Fixed widths only.
 * Included by BPF C and host C alike.
 */
#ifdef __BPF__
typedef unsigned char jb_u8;
typedef unsigned short jb_u16;
typedef unsigned int jb_u32;
typedef int jb_i32;
typedef unsigned long long jb_u64;
typedef long long jb_i64;
#else
#include <stdint.h>
typedef uint8_t jb_u8;
typedef uint16_t jb_u16;
typedef uint32_t jb_u32;
typedef int32_t jb_i32;
typedef uint64_t jb_u64;
typedef int64_t jb_i64;
#endif

/* Head of every record in the data ring; the site's record follows. */
struct jb_event {
	jb_u32 site;
	jb_u32 len; /* bytes that follow */
};

/* Head of every record in the control ring; the site's record follows. */
struct jb_control {
	jb_u32 site;
	jb_u32 len;
	jb_u64 data_pos; /* producer position of the data ring when this was written: handle it after those */
};

struct jb_buf {
	jb_u32 len;
	jb_u8 data[];
};

/* Long lists of filters (numbers of processes, users, ...) are looked up in one hash. */
struct jb_filter_key {
	jb_u32 kind; /* enum filter_kind */
	jb_u32 zero;
	jb_u64 number;
};
_Static_assert(sizeof(struct jb_filter_key) == 16, "jb_filter_key");
#define JB_FILTER_WANTED   1 /* it is among those of which one must match */
#define JB_FILTER_UNWANTED 2 /* it is among those of which none may match */

/* Processes alive at once that --follow keeps; more are counted, and not followed. */
#define JB_FOLLOW_MAX 32768
/* What is counted about them, indices of one array. */
enum { JB_FOLLOW_FORKED, JB_FOLLOW_FOUND, JB_FOLLOW_COUNTS };

/* The last byte of a string of max_strlen bytes whose source was longer: none of UTF-8's. */
#define JB_STR_CUT 0xff

#define JB_STACK_FRAMES 127
/* kstack_t, ustack_t: `n` addresses, innermost first; the rest is zero. */
struct jb_stack {
	jb_u32 n;
	jb_u32 pid;  /* tgid whose addresses these are; 0 for the kernel */
	jb_u64 ip[]; /* type->count of them */
};

/* A frame of ustack(build_id), as bpf_get_stack gives it; the status is enum bpf_stack_build_id_status. */
#define JB_BUILD_ID_EMPTY 0
#define JB_BUILD_ID_VALID 1
struct jb_build_id {
	jb_i32 status;
	jb_u8 id[20];
	jb_u64 offset; /* in the file; the address where the build id is not known */
};

/* ustack(dwarf): what is needed to unwind in user space. The stack is copied in steps, none of which may cross a page. */
#define JB_STACK_STEP	  512
#define JB_STACK_COPY_MAX 65536
struct jb_stack_copy {
	jb_u32 len;  /* bytes copied: fewer than asked for where the stack ends */
	jb_u32 pid;  /* tgid; 0: a kernel thread, which has no user stack */
	jb_u64 base; /* address of the first byte: the stack pointer, rounded down to a step */
	jb_u64 registers[20]; /* struct pt_regs but for its last word */
	jb_u8 bytes[];
};

/* Words of jb_generation: maps that are cleared. */
#define JB_GENERATIONS 256

/* --- states of aggregations, one per key and CPU unless `shared` --- */
struct jb_count {
	jb_u64 n;
};
struct jb_sum {
	jb_i64 total;
	jb_u64 set;
}; /* set: a sum of 0 is not an absent one */
struct jb_extreme {
	jb_i64 value;
	jb_u64 set;
}; /* min, max */
struct jb_stats {
	jb_u64 count;
	jb_i64 total;
}; /* avg, stats */

/*
 * Histograms: the sum of all numbers, modulo 2^64, and as many buckets as the type's parameters say. hist(n, k):
 * 2^k buckets per power of two. Bucket 0: negative; then as in jb_log_bucket().
 */
#define JB_HIST_BUCKETS(k) (2u + ((65u - (k)) << (k)))
struct jb_hist {
	jb_i64 sum;
	jb_u64 bucket[1];
};

/* lhist(n, min, max, step): (max - min) / step + 2 buckets. The first is below min, the last one is max and above. */
struct jb_lhist {
	jb_i64 sum;
	jb_u64 bucket[1];
};

/* bhist(n, bound...): a bucket for each bound, which it includes, and one for what is above the last. */
#define JB_BHIST_MAX_BOUNDS 64
struct jb_bhist {
	jb_i64 sum;
	jb_u64 bucket[1];
};

/*
 * quantiles(n): log-linear, 32 buckets per power of two up to 2^48, so the middle of a bucket is within 1/64. What
 * is below 0 is in the first bucket, what is beyond in the last.
 */
#define JB_Q_BITS    5
#define JB_Q_MAX_LOG 48
#define JB_Q_BUCKETS ((JB_Q_MAX_LOG - JB_Q_BITS + 1) << JB_Q_BITS)
struct jb_quantiles {
	jb_u64 count;
	jb_i64 min, max; /* exact; valid when count > 0 */
	jb_i64 sum;
	jb_u64 bucket[JB_Q_BUCKETS];
};

/* rtp(seq, ts, clock_hz): RFC 3550 appendix A.1, A.3, A.8. One state for all CPUs, under its lock. */
#define JB_RTP_WINDOW 1024 /* sequence numbers remembered to tell a duplicate from a late packet */
struct jb_rtp {
	jb_u32 clock_hz;
	jb_u32 base_seq; /* extended sequence number of the first packet */
	jb_u32 max_seq;	 /* highest extended sequence number seen */
	jb_u32 bad_seq; /* a restart is believed when two packets in sequence say so; 1<<16 | 1: none */
	jb_u64 packets;	  /* received, duplicates included */
	jb_u64 unique;	  /* distinct sequence numbers received since the last restart */
	jb_u64 reordered; /* arrived after a packet with a higher sequence number */
	jb_u64 duplicates;
	jb_u64 restarts;
	jb_u64 lost_before; /* lost in the runs before the last restart */
	jb_u64 expected_before;
	jb_u64 last_arrival_ns;
	jb_u64 max_gap_ns; /* longest time between two arrivals */
	jb_u32 last_ts;
	jb_u32 started;
	jb_u64 jitter_ns16; /* RFC 3550 A.8 estimate in ns, scaled by 16 */
	jb_u64 seen[JB_RTP_WINDOW / 64];
};

/* jitter(transit): RFC 3550 appendix A.8. One state for all CPUs, under its lock. */
struct jb_jitter {
	jb_i64 transit;	 /* the last one */
	jb_u64 jitter16; /* the estimate in the unit of the argument, scaled by 16 */
	jb_u64 started;
};

/* The lock at the head of every shared state. */
struct jb_lock {
	jb_u32 held;
	jb_u32 missed; /* updates dropped because the lock could not be had */
};

_Static_assert(sizeof(struct jb_event) == 8, "jb_event");
_Static_assert(sizeof(struct jb_control) == 16, "jb_control");
_Static_assert(sizeof(struct jb_lock) == 8, "jb_lock");

#endif
