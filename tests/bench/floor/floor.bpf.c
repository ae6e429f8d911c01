/*
 * The floor of the benchmark: what a person writes by hand in C for the kernel when nothing but speed counts. One program
 * per measured script; floor.c loads only the ones it is asked for. Not part of jbtrace.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "GPL";

struct stats {
	__u64 count, total;
};
struct histogram {
	__u64 bucket[66];
};
struct event {
	__u32 site, pid;
};

/* Sizes of the two big maps are set by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} counter SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} keyed SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct histogram);
} histogram SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} starts SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct stats);
} latency SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 4096);
	__type(key, __u64);
	__type(value, __u64);
} by_cookie SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 64 << 20);
} ring SEC(".maps");
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 20);
	__type(key, __u64);
	__type(value, __u64);
} million SEC(".maps");

volatile const __u32 only_pid;
__u64 next_key;
__u64 lost;

static void count_in(void *map, __u64 key)
{
	__u64 one = 1, *n = bpf_map_lookup_elem(map, &key);

	if (n)
		++*n;
	else
		bpf_map_update_elem(map, &key, &one, BPF_NOEXIST);
}

SEC("raw_tp")
int begin(void *ctx)
{
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int empty(void *ctx)
{
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int count(void *ctx)
{
	__u32 zero = 0;
	__u64 *n = bpf_map_lookup_elem(&counter, &zero);

	if (n)
		++*n;
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int count_keyed(void *ctx)
{
	count_in(&keyed, (__u32)bpf_get_current_pid_tgid());
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int hist(void *ctx)
{
	__u64 n = (__u32)bpf_get_current_pid_tgid(), at = n ? 1 : 0;
	__u32 zero = 0;
	struct histogram *h = bpf_map_lookup_elem(&histogram, &zero);

	for (int step = 32; step; step >>= 1)
		if (n >> step) {
			n >>= step;
			at += step;
		}
	if (h && at < 66)
		h->bucket[at]++;
	return 0;
}

SEC("uprobe")
int pair_in(void *ctx)
{
	__u64 key = (__u32)bpf_get_current_pid_tgid(), now = bpf_ktime_get_ns();

	bpf_map_update_elem(&starts, &key, &now, BPF_ANY);
	return 0;
}

SEC("uretprobe")
int pair_out(void *ctx)
{
	__u64 key = (__u32)bpf_get_current_pid_tgid(), *start = bpf_map_lookup_elem(&starts, &key);
	__u32 zero = 0;
	struct stats *stats = bpf_map_lookup_elem(&latency, &zero);

	if (start && stats) {
		stats->count++;
		stats->total += bpf_ktime_get_ns() - *start;
		bpf_map_delete_elem(&starts, &key);
	}
	return 0;
}

SEC("uprobe")
int multi(void *ctx)
{
	count_in(&by_cookie, bpf_get_attach_cookie(ctx));
	return 0;
}

SEC("raw_tp/sys_enter")
int syscalls(struct bpf_raw_tracepoint_args *ctx)
{
	count_in(&by_cookie, ctx->args[1]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int event(void *ctx)
{
	__u32 pid = bpf_get_current_pid_tgid() >> 32;

	if (pid != only_pid)
		return 0;
	struct event *e = bpf_ringbuf_reserve(&ring, sizeof(*e), 0);
	if (!e) {
		lost++;
		return 0;
	}
	e->site = 0;
	e->pid = pid;
	bpf_ringbuf_submit(e, BPF_RB_NO_WAKEUP);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_getppid")
int fill(void *ctx)
{
	__u64 key = next_key, value = key;

	if (bpf_get_current_pid_tgid() >> 32 != only_pid)
		return 0;
	next_key++;
	bpf_map_update_elem(&million, &key, &value, BPF_ANY);
	return 0;
}
