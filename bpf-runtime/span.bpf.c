/*
 * Pairing of entries and returns for `span`. The key is the thread and the stack pointer as it is after the return, so
 * recursive and nested calls pair by themselves and nothing is counted up or down. An entry whose return never comes
 * (longjmp, exit) stays until the map is full; the map is an LRU, which drops the oldest first.
 */
#define JB_SPAN_ARGS 6

struct jb_span_key {
	jb_u64 tid;
	jb_u64 sp; /* 0 for a system call: a thread is in one at most */
};

struct jb_span {
	jb_u64 start_ns;
	jb_u64 arg[JB_SPAN_ARGS];
};

const struct jb_span jb_abi_span;

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(key_size, sizeof(struct jb_span_key));
	__uint(value_size, sizeof(struct jb_span));
	__uint(max_entries, 16384);
} jb_spans SEC(".maps");

extern bool bpf_session_is_return(void) __ksym __weak;
extern __u64 *bpf_session_cookie(void) __ksym __weak;

/* The arguments of a function that is being entered, and the time. */
jb_inline void jb_span_fill(struct jb_span *span, struct pt_regs *ctx)
{
	*span = (struct jb_span){
		bpf_ktime_get_ns(),
		{ PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx),
		  PT_REGS_PARM5(ctx), ctx->r9 },
	};
}

jb_inline jb_u32 jb_span_take(struct jb_span_key *key, struct jb_span *out)
{
	struct jb_span *span = bpf_map_lookup_elem(&jb_spans, key);

	if (!span)
		return 0;
	*out = *span;
	bpf_map_delete_elem(&jb_spans, key);
	return 1;
}

/*
 * Two programs, each with the function's registers. `salt` keeps the spans of several probes on one function or system
 * call apart; the upper 16 bits of an address are all alike, whether it is user space's or the kernel's.
 */
jb_inline void jb_span_regs_enter(struct pt_regs *ctx, jb_u64 salt)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid(), (PT_REGS_SP(ctx) + 8) ^ salt << 48 };
	struct jb_span span;

	jb_span_fill(&span, ctx);
	bpf_map_update_elem(&jb_spans, &key, &span, BPF_ANY);
}

/* Take the entry that belongs to this return; 0: there is none. */
jb_inline jb_u32 jb_span_regs_take(struct pt_regs *ctx, jb_u64 salt, struct jb_span *out)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid(), PT_REGS_SP(ctx) ^ salt << 48 };

	return jb_span_take(&key, out);
}

/*
 * fentry and fexit of a call run from one trampoline, so they have the same context on the stack. Its address is a
 * pointer to the verifier, and cannot be calculated with; so the salt goes to the upper bits of the process id.
 */
jb_inline void jb_span_words_enter(void *ctx, jb_u64 salt)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid() ^ salt << 54, (jb_u64)ctx };
	struct jb_span span = { bpf_ktime_get_ns() };

	bpf_map_update_elem(&jb_spans, &key, &span, BPF_ANY);
}

jb_inline jb_u32 jb_span_words_take(void *ctx, jb_u64 salt, struct jb_span *out)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid() ^ salt << 54, (jb_u64)ctx };

	return jb_span_take(&key, out);
}

/*
 * fentry and fexit (helpers since Linux 5.17). Loading a word from the context would make it a pointer to the verifier
 * where the argument is one, and then it could not be calculated with.
 */
jb_inline jb_u64 jb_function_word(void *ctx, jb_u32 n)
{
	jb_u64 word = 0;

	bpf_get_func_arg(ctx, n, &word);
	return word;
}

jb_inline jb_u64 jb_function_result(void *ctx)
{
	jb_u64 result = 0;

	bpf_get_func_ret(ctx, &result);
	return result;
}

jb_inline void jb_span_syscall_enter(jb_u64 salt)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid(), salt };
	struct jb_span span = { bpf_ktime_get_ns() };

	bpf_map_update_elem(&jb_spans, &key, &span, BPF_ANY);
}

jb_inline jb_u32 jb_span_syscall_take(jb_u64 salt, struct jb_span *out)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid(), salt };
	struct jb_span *span = bpf_map_lookup_elem(&jb_spans, &key);

	if (!span)
		return 0;
	out->start_ns = span->start_ns;
	bpf_map_delete_elem(&jb_spans, &key);
	return 1;
}

/*
 * Sessions (kprobe: Linux 6.10, uprobe: 6.13): one program at both ends, with 8 bytes of its own per call. At the return
 * of a kernel function the registers may be incomplete (Linux 6.14), so the key of what the entry kept is in the 8 bytes.
 */
jb_inline jb_u32 jb_session_is_return(void)
{
	return bpf_session_is_return();
}

jb_inline void jb_session_start(void)
{
	__u64 *cookie = bpf_session_cookie();

	*cookie = bpf_ktime_get_ns();
}

jb_inline jb_u64 jb_session_started(void)
{
	__u64 *cookie = bpf_session_cookie();

	return *cookie;
}

jb_inline void jb_span_session_enter(struct pt_regs *ctx, jb_u64 salt)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid(), (PT_REGS_SP(ctx) + 8) ^ salt << 48 };
	__u64 *cookie = bpf_session_cookie();
	struct jb_span span;

	jb_span_fill(&span, ctx);
	*cookie = key.sp;
	bpf_map_update_elem(&jb_spans, &key, &span, BPF_ANY);
}

jb_inline jb_u32 jb_span_session_take(struct jb_span *out)
{
	__u64 *cookie = bpf_session_cookie();
	struct jb_span_key key = { bpf_get_current_pid_tgid(), *cookie };

	return jb_span_take(&key, out);
}

jb_inline jb_u64 jb_now_ns(void)
{
	return bpf_ktime_get_ns();
}
