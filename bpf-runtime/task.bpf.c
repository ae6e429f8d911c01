/*
 * The current task, the clocks, stacks: what builtins/task.c and builtins/time.c name, and the stacks of
 * builtins/symbol.c. Constants that only the run knows are set in .rodata by name, before load.
 */

/* The pid namespace jbtrace runs in; 0 when it is the initial one, so that no translation is needed. */
const volatile jb_u64 jb_pidns_dev = 0;
const volatile jb_u64 jb_pidns_ino = 0;
/* CLOCK_BOOTTIME when the run started, in ns. */
const volatile jb_u64 jb_start_ns = 0;

/* Words of x86-64's struct pt_regs. */
#define JB_REGS_CS 17
#define JB_REGS_SP 19

/* The few members of the kernel's struct that are used here; libbpf moves them to where they really are. */
struct task_struct {
	struct task_struct *real_parent;
	struct task_struct *group_leader;
	int pid, tgid;
	char comm[16];
	struct signal_struct *signal;
	struct pid *thread_pid;
	struct cred *cred;
	struct css_set *cgroups;
} __attribute__((preserve_access_index));

/* tgid in the upper half, thread id in the lower one, as the initial namespace numbers them. */
jb_inline jb_u64 jb_pid_tgid_init(void)
{
	return bpf_get_current_pid_tgid();
}

/* The same in jbtrace's own namespace; 0 for a task that is not visible there. */
jb_inline jb_u64 jb_pid_tgid(void)
{
	struct bpf_pidns_info ns = { 0 };

	if (!jb_pidns_ino)
		return bpf_get_current_pid_tgid();
	if (bpf_get_ns_current_pid_tgid(jb_pidns_dev, jb_pidns_ino, &ns, sizeof(ns)))
		return 0;
	return (jb_u64)ns.tgid << 32 | ns.pid;
}

jb_inline jb_u32 jb_pid(void)
{
	return jb_pid_tgid() >> 32;
}

jb_inline jb_u32 jb_tid(void)
{
	return jb_pid_tgid();
}

jb_inline jb_u32 jb_pid_init(void)
{
	return jb_pid_tgid_init() >> 32;
}

jb_inline jb_u32 jb_tid_init(void)
{
	return jb_pid_tgid_init();
}

jb_inline jb_u64 jb_uid(void)
{
	return (jb_u32)bpf_get_current_uid_gid();
}

jb_inline jb_u64 jb_gid(void)
{
	return bpf_get_current_uid_gid() >> 32;
}

jb_inline jb_u32 jb_cpu(void)
{
	return bpf_get_smp_processor_id();
}

jb_inline jb_u32 jb_numaid(void)
{
	return bpf_get_numa_node_id();
}

jb_inline jb_u32 jb_rand(void)
{
	return bpf_get_prandom_u32();
}

jb_inline jb_u64 jb_cgroup(void)
{
	return bpf_get_current_cgroup_id();
}

jb_inline jb_u64 jb_curtask(void)
{
	return bpf_get_current_task();
}

/* Older kernels (6.1) leave what follows the final zero as it was, and as a key that counts. */
jb_inline void jb_comm(void *dst, jb_u32 size)
{
	jb_zero(dst, size);
	bpf_get_current_comm(dst, size);
}

jb_inline jb_u32 jb_ppid(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, real_parent, tgid);
}

jb_inline void jb_pcomm(void *dst, jb_u32 size)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *parent = BPF_CORE_READ(task, real_parent);

	bpf_probe_read_kernel(dst, size < 16 ? size : 16, parent->comm);
}

jb_inline jb_u32 jb_leader_tid(void)
{
	struct task_struct *task = (void *)bpf_get_current_task();

	return BPF_CORE_READ(task, group_leader, pid);
}

jb_inline void jb_leader_comm(void *dst, jb_u32 size)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *leader = BPF_CORE_READ(task, group_leader);

	bpf_probe_read_kernel(dst, size < 16 ? size : 16, leader->comm);
}

jb_inline jb_u64 jb_nsecs_boot(void)
{
	return bpf_ktime_get_boot_ns();
}

jb_inline jb_u64 jb_nsecs_monotonic(void)
{
	return bpf_ktime_get_ns();
}

jb_inline jb_u64 jb_nsecs_tai(void)
{
	return bpf_ktime_get_tai_ns();
}

jb_inline jb_u64 jb_jiffies(void)
{
	return bpf_jiffies64();
}

jb_inline jb_u64 jb_elapsed(void)
{
	return bpf_ktime_get_boot_ns() - jb_start_ns;
}

/* `count` addresses at most; the helper clears what it does not fill. */
jb_inline void jb_stack_kernel(void *ctx, struct jb_stack *dst, jb_u32 count)
{
	long bytes = bpf_get_stack(ctx, dst->ip, count * 8, 0);

	dst->n = bytes > 0 ? bytes / 8 : 0;
	dst->pid = 0;
}

/*
 * At the perf event of a system call older kernels (6.1) pass the registers of user space, from
 * which no kernel stack can be walked. Take the task's own stack then, without the frames that are
 * the tracer's: the helper, the function it calls, the program, the program's caller.
 */
jb_inline void jb_stack_kernel_syscall(void *ctx, struct jb_stack *dst, jb_u32 count)
{
	const jb_u64 tracer_frames = 4;
	long bytes;

	jb_stack_kernel(ctx, dst, count);
	if (dst->n)
		return;
	bytes = bpf_get_task_stack(bpf_get_current_task_btf(), dst->ip, count * 8, tracer_frames);
	dst->n = bytes > 0 ? bytes / 8 : 0;
}

jb_inline void jb_stack_user(void *ctx, struct jb_stack *dst, jb_u32 count)
{
	long bytes = bpf_get_stack(ctx, dst->ip, count * 8, BPF_F_USER_STACK);

	dst->n = bytes > 0 ? bytes / 8 : 0;
	dst->pid = jb_pid();
}

/* With the build id of each frame's file; the helper clears what it does not fill. */
jb_inline void jb_stack_build_id(void *ctx, struct jb_stack *dst, jb_u32 count)
{
	long bytes = bpf_get_stack(ctx, dst->ip, count * sizeof(struct jb_build_id),
				   BPF_F_USER_STACK | BPF_F_USER_BUILD_ID);

	dst->n = bytes > 0 ? bytes / sizeof(struct jb_build_id) : 0;
	dst->pid = 0;
}

/*
 * The registers with which the thread came into the kernel, and `size` bytes of its stack. The copy begins at a multiple
 * of a step, so that no step reads over the end of a page: the page behind may be missing.
 */
jb_inline void jb_stack_copy(struct jb_stack_copy *dst, jb_u32 size)
{
	struct task_struct *task = bpf_get_current_task_btf();

	dst->len = 0;
	dst->pid = 0;
	if (bpf_probe_read_kernel(dst->registers, sizeof(dst->registers),
				  (void *)bpf_task_pt_regs(task)) ||
	    (dst->registers[JB_REGS_CS] & 3) != 3)
		return;
	dst->pid = jb_pid();
	dst->base = dst->registers[JB_REGS_SP] & ~(jb_u64)(JB_STACK_STEP - 1);
	for (jb_u32 at = 0; at < size && at < JB_STACK_COPY_MAX; at += JB_STACK_STEP) {
		if (bpf_probe_read_user(dst->bytes + at, JB_STACK_STEP,
					(const void *)(dst->base + at)))
			break;
		dst->len = at + JB_STACK_STEP;
	}
}

/* usym_t: an address and whose it is. */
jb_inline void jb_usym(jb_u64 *dst, jb_u64 address)
{
	dst[0] = address;
	dst[1] = jb_pid();
}
