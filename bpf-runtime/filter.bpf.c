/*
 * What the filters ask about a task (codegen/filter.c): numbers as jbtrace's own pid namespace has them, users,
 * cgroups, names. For the current task there are helpers; any other one is read through its task_struct. And the set of
 * processes that --follow keeps, with the programs that keep it.
 */
#define JB_PIDNS_LEVELS	 33 /* MAX_PID_NS_LEVEL of the kernel, and the initial one */
#define JB_CGROUP_LEVELS 64
#define JB_ANCESTORS	 64
#define JB_PIDTYPE_PGID	 2 /* enum pid_type since Linux 4.19 */

/* As in task.bpf.c: only what is used, found by BTF. */
struct ns_common {
	unsigned int inum;
} __attribute__((preserve_access_index));

struct pid_namespace {
	struct ns_common ns;
} __attribute__((preserve_access_index));

struct upid {
	int nr;
	struct pid_namespace *ns;
} __attribute__((preserve_access_index));

struct pid {
	unsigned int level;
	struct upid numbers[1];
} __attribute__((preserve_access_index));

struct signal_struct {
	struct pid *pids[4];
} __attribute__((preserve_access_index));

struct jb_kuid {
	unsigned int val;
};

struct cred {
	struct jb_kuid uid;
} __attribute__((preserve_access_index));

struct kernfs_node {
	jb_u64 id;
} __attribute__((preserve_access_index));

struct cgroup {
	int level;
	struct kernfs_node *kn;
	struct cgroup *ancestors[1];
} __attribute__((preserve_access_index));

/* Before Linux 6.1 a cgroup had its ancestors' ids instead. */
struct cgroup___before_6_1 {
	jb_u64 ancestor_ids[1];
} __attribute__((preserve_access_index));

struct css_set {
	struct cgroup *dfl_cgrp;
} __attribute__((preserve_access_index));

/* --- numbers --- */

struct jb_upid {
	jb_u32 nr;
	jb_u64 inode; /* of the namespace in which it has this number */
};

/* A process has a number in its own pid namespace and in each one above; level 0 is the initial one. */
jb_inline void jb_pid_at_level(struct pid *pid, jb_u32 level, struct jb_upid *out)
{
	struct upid *upid = (void *)pid + bpf_core_field_offset(struct pid, numbers) +
			    level * bpf_core_type_size(struct upid);

	out->nr = BPF_CORE_READ(upid, nr);
	out->inode = BPF_CORE_READ(upid, ns, ns.inum);
}

/* Its number in jbtrace's own namespace, 0: it has none there. */
jb_noinline jb_u32 jb_pid_number(struct pid *pid)
{
	jb_u32 level = BPF_CORE_READ(pid, level);
	struct jb_upid upid;

	for (jb_u32 i = 0; i < JB_PIDNS_LEVELS; i++) {
		if (i > level)
			break;
		jb_pid_at_level(pid, i, &upid);
		if (!jb_pidns_ino || upid.inode == jb_pidns_ino)
			return upid.nr;
	}
	return 0;
}

jb_inline struct task_struct *jb_task(jb_u64 task)
{
	return (void *)task;
}

/* The process's number, of which jb_pid() knows the current task's. */
jb_inline jb_u32 jb_task_pid(jb_u64 task)
{
	if (!jb_pidns_ino)
		return BPF_CORE_READ(jb_task(task), tgid);
	return jb_pid_number(BPF_CORE_READ(jb_task(task), group_leader, thread_pid));
}

jb_inline jb_u32 jb_task_pgid(jb_u64 task)
{
	return jb_pid_number(BPF_CORE_READ(jb_task(task), signal, pids[JB_PIDTYPE_PGID]));
}

jb_inline jb_u32 jb_task_uid(jb_u64 task)
{
	return BPF_CORE_READ(jb_task(task), cred, uid.val);
}

/* --- long lists --- */

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(key_size, sizeof(struct jb_filter_key));
	__uint(value_size, 4);
	__uint(max_entries, 1);
} jb_filters SEC(".maps");

/* JB_FILTER_WANTED, JB_FILTER_UNWANTED. */
jb_inline jb_u32 jb_filter_flags(jb_u32 kind, jb_u64 number)
{
	struct jb_filter_key key = { kind, 0, number };
	jb_u32 *flags = bpf_map_lookup_elem(&jb_filters, &key);

	return flags ? *flags : 0;
}

/* --- pid namespaces: a process is in its own one and in all above --- */

jb_noinline jb_u32 jb_task_in_pidns(jb_u64 task, jb_u64 inode)
{
	struct pid *pid = BPF_CORE_READ(jb_task(task), thread_pid);
	jb_u32 level = BPF_CORE_READ(pid, level);
	struct jb_upid upid;

	for (jb_u32 i = 0; i < JB_PIDNS_LEVELS; i++) {
		if (i > level)
			break;
		jb_pid_at_level(pid, i, &upid);
		if (upid.inode == inode)
			return 1;
	}
	return 0;
}

jb_noinline jb_u32 jb_task_pidns_flags(jb_u64 task, jb_u32 kind)
{
	struct pid *pid = BPF_CORE_READ(jb_task(task), thread_pid);
	jb_u32 level = BPF_CORE_READ(pid, level), flags = 0;
	struct jb_upid upid;

	for (jb_u32 i = 0; i < JB_PIDNS_LEVELS; i++) {
		if (i > level)
			break;
		jb_pid_at_level(pid, i, &upid);
		flags |= jb_filter_flags(kind, upid.inode);
	}
	return flags;
}

/* --- cgroups (version 2): a process is in its own one and in all above --- */

/* The id of the current task's cgroup or of the one above it at this level, 0: its own one is not that deep. */
jb_inline jb_u64 jb_cgroup_at(jb_u32 level)
{
	return bpf_get_current_ancestor_cgroup_id(level);
}

jb_inline jb_u64 jb_task_cgroup_at(jb_u64 task, jb_u32 level)
{
	struct cgroup *cgroup = BPF_CORE_READ(jb_task(task), cgroups, dfl_cgrp);
	struct cgroup *above = 0;
	void *place;
	jb_u64 id = 0;

	if (!cgroup || level > (jb_u32)BPF_CORE_READ(cgroup, level))
		return 0;
	if (bpf_core_field_exists(struct cgroup, ancestors)) {
		place = (void *)cgroup + bpf_core_field_offset(struct cgroup, ancestors);
		bpf_probe_read_kernel(&above, sizeof(above), place + level * sizeof(above));
		return BPF_CORE_READ(above, kn, id);
	}
	place = (void *)cgroup + bpf_core_field_offset(struct cgroup___before_6_1, ancestor_ids);
	bpf_probe_read_kernel(&id, sizeof(id), place + level * sizeof(id));
	return id;
}

/* When the level is not known: at any. */
jb_noinline jb_u32 jb_in_cgroup(jb_u64 wanted)
{
	for (jb_u32 i = 0; i < JB_CGROUP_LEVELS; i++) {
		jb_u64 id = bpf_get_current_ancestor_cgroup_id(i);

		if (!id)
			break;
		if (id == wanted)
			return 1;
	}
	return 0;
}

jb_noinline jb_u32 jb_task_in_cgroup(jb_u64 task, jb_u64 wanted)
{
	for (jb_u32 i = 0; i < JB_CGROUP_LEVELS; i++) {
		jb_u64 id = jb_task_cgroup_at(task, i);

		if (!id)
			break;
		if (id == wanted)
			return 1;
	}
	return 0;
}

/* --- names --- */

/* Is it another thread than its process's first one, whose name is the process's? */
jb_inline jb_u32 jb_is_thread(void)
{
	jb_u64 id = bpf_get_current_pid_tgid();

	return (jb_u32)id != id >> 32;
}

jb_inline jb_u32 jb_task_is_thread(jb_u64 task)
{
	return BPF_CORE_READ(jb_task(task), pid) != BPF_CORE_READ(jb_task(task), tgid);
}

jb_inline void jb_name(void *dst)
{
	bpf_get_current_comm(dst, 16);
}

jb_inline void jb_task_name(void *dst, jb_u64 task)
{
	bpf_probe_read_kernel(dst, 16, jb_task(task)->comm);
}

jb_inline void jb_task_leader_name(void *dst, jb_u64 task)
{
	struct task_struct *leader = BPF_CORE_READ(jb_task(task), group_leader);

	bpf_probe_read_kernel(dst, 16, leader->comm);
}

/* --- following --- */

/* The plan's counter of processes that found no room. */
const volatile jb_u32 jb_follow_full = 0;

/* The processes, by their number in the initial namespace, which a task has until it is freed; value: in ours. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__uint(max_entries, JB_FOLLOW_MAX);
} jb_follow SEC(".maps");

/* Those that were given, by their number in our namespace. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(key_size, 4);
	__uint(value_size, 4);
	__uint(max_entries, 1);
} jb_follow_roots SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, JB_FOLLOW_COUNTS);
} jb_follow_counts SEC(".maps");

jb_inline jb_u32 jb_followed(void)
{
	jb_u32 tgid = bpf_get_current_pid_tgid() >> 32;

	return bpf_map_lookup_elem(&jb_follow, &tgid) != 0;
}

jb_inline jb_u32 jb_task_followed(jb_u64 task)
{
	jb_u32 tgid = BPF_CORE_READ(jb_task(task), tgid);

	return bpf_map_lookup_elem(&jb_follow, &tgid) != 0;
}

jb_inline void jb_follow_add(struct task_struct *task, jb_u32 count)
{
	jb_u32 tgid = BPF_CORE_READ(task, tgid), own = jb_task_pid((jb_u64)task);
	jb_u64 *n;

	if (bpf_map_lookup_elem(&jb_follow, &tgid))
		return;
	n = bpf_map_lookup_elem(&jb_follow_counts, &count);
	if (bpf_map_update_elem(&jb_follow, &tgid, &own, BPF_ANY))
		jb_count(jb_follow_full);
	else if (n)
		__sync_fetch_and_add(n, 1);
}

/* Raw tracepoint sched_process_fork (parent, child), in the parent, before the child runs. */
jb_inline jb_u64 jb_follow_fork(struct bpf_raw_tracepoint_args *ctx)
{
	if (jb_followed())
		jb_follow_add((void *)ctx->args[1], JB_FOLLOW_FORKED);
	return 0;
}

/*
 * Raw tracepoint sched_process_free (task): nothing of this task runs any more, and its parent has been told of its end.
 * At sched_process_exit it would be too early: the probes of that event, and of all that a process does after it, are
 * the user's.
 */
jb_inline jb_u64 jb_follow_free(struct bpf_raw_tracepoint_args *ctx)
{
	struct task_struct *task = (void *)ctx->args[0];
	jb_u32 tgid = BPF_CORE_READ(task, tgid);

	if (BPF_CORE_READ(task, pid) == tgid)
		bpf_map_delete_elem(&jb_follow, &tgid);
	return 0;
}

/* Iterator over the tasks there are: those that are among the roots or descend from them. */
jb_inline jb_u64 jb_follow_scan(void **ctx)
{
	struct task_struct *task = ctx[1], *at = task; /* struct bpf_iter__task */

	if (!task || jb_task_is_thread((jb_u64)task))
		return 0;
	for (jb_u32 i = 0; i < JB_ANCESTORS; i++) {
		jb_u32 own = jb_task_pid((jb_u64)at);

		if (bpf_map_lookup_elem(&jb_follow_roots, &own)) {
			jb_follow_add(task, JB_FOLLOW_FOUND);
			return 0;
		}
		if (!BPF_CORE_READ(at, pid))
			return 0;
		at = BPF_CORE_READ(at, real_parent, group_leader);
	}
	return 0;
}
