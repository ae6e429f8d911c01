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

/* `salt` keeps the spans of several probes on one function or system call apart; user addresses have 47 bits. */
jb_inline void jb_span_user_enter(struct pt_regs *ctx, jb_u64 salt)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid(), (PT_REGS_SP(ctx) + 8) ^ salt << 48 };
	struct jb_span span = {
		bpf_ktime_get_ns(),
		{ PT_REGS_PARM1(ctx), PT_REGS_PARM2(ctx), PT_REGS_PARM3(ctx), PT_REGS_PARM4(ctx),
		  PT_REGS_PARM5(ctx), ctx->r9 },
	};

	bpf_map_update_elem(&jb_spans, &key, &span, BPF_ANY);
}

/* Take the entry that belongs to this return; 0: there is none. */
jb_inline jb_u32 jb_span_user_take(struct pt_regs *ctx, jb_u64 salt, struct jb_span *out)
{
	struct jb_span_key key = { bpf_get_current_pid_tgid(), PT_REGS_SP(ctx) ^ salt << 48 };
	struct jb_span *span = bpf_map_lookup_elem(&jb_spans, &key);

	if (!span)
		return 0;
	*out = *span;
	bpf_map_delete_elem(&jb_spans, &key);
	return 1;
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

/* Uprobe sessions (Linux 6.13): one program at both ends, with 8 bytes of its own per call. */
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

jb_inline jb_u64 jb_now_ns(void)
{
	return bpf_ktime_get_ns();
}
