/*
 * bpf(2) and perf_event_open(2) as providers need them. Only system calls and their argument blocks: which
 * functions, which mode and what to say about a failure is the caller's business.
 */
#include "probes/bpfsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/bpf.h>
#include <linux/perf_event.h>

/* BPF_LINK_CREATE for a perf event, as union bpf_attr lays it out. */
struct perf_link_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t cookie;
};

/* BPF_LINK_CREATE for many functions of one file. */
struct uprobe_multi_attr {
	uint32_t prog_fd, target_fd, attach_type, link_flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t n, flags;
	uint32_t pid, pad;
};

/* BPF_LINK_CREATE for many functions of the kernel. */
struct kprobe_multi_attr {
	uint32_t prog_fd, target_fd, attach_type, link_flags;
	uint32_t flags, n;
	uint64_t names, addresses, cookies;
};

/* BPF_LINK_CREATE for fentry and fexit. */
struct trampoline_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint32_t target_btf_id, pad;
	uint64_t cookie; /* Linux 5.19 */
};

/* BPF_LINK_CREATE for an iterator. */
struct iter_link_attr {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t info;
	uint32_t info_len, pad;
};

struct raw_tracepoint_attr {
	uint64_t name;
	uint32_t prog_fd, pad;
	uint64_t cookie; /* Linux 6.10; before it must be zero */
};

static uint64_t address_of(const void *pointer)
{
	return (uint64_t)(uintptr_t)pointer;
}

static int bpf_call(int command, const void *attr, size_t size)
{
	long fd;

	do /* a signal that does not end the run must not look like a refusal */
		fd = syscall(SYS_bpf, command, attr, size);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : (int)fd;
}

int bpfsys_uprobe_multi(int prog_fd, const struct uprobe_multi *multi)
{
	struct uprobe_multi_attr attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = multi->attach_type,
		.path = address_of(multi->path),
		.offsets = address_of(multi->offsets),
		.ref_ctr_offsets = address_of(multi->semaphores),
		.cookies = address_of(multi->cookies),
		.n = multi->n,
		.flags = multi->flags & UPROBE_RETURN ? 1 : 0,
		.pid = (uint32_t)multi->pid,
	};

	return bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
}

int bpfsys_raw_tracepoint(int prog_fd, const char *name, uint64_t cookie)
{
	struct raw_tracepoint_attr attr = {
		.name = address_of(name),
		.prog_fd = (uint32_t)prog_fd,
		.cookie = cookie,
	};
	int fd = bpf_call(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));

	/* Before Linux 6.10 a cookie is EINVAL, but a program that reads it would not have loaded there. */
	if (cookie && fd == -EINVAL) {
		attr.cookie = 0;
		fd = bpf_call(BPF_RAW_TRACEPOINT_OPEN, &attr, sizeof(attr));
	}
	return fd;
}

int bpfsys_kprobe_multi(int prog_fd, const struct kprobe_multi *multi)
{
	struct kprobe_multi_attr attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = multi->attach_type,
		.flags = multi->at_return ? 1 : 0,
		.n = multi->n,
		.names = multi->addresses ? 0 : address_of(multi->names),
		.addresses = address_of(multi->addresses),
		.cookies = address_of(multi->cookies),
	};

	return bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
}

int bpfsys_trampoline(int prog_fd, uint32_t attach_type, uint64_t cookie)
{
	struct trampoline_attr attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = attach_type,
		.cookie = cookie,
	};
	int fd = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));

	/* Before Linux 5.19 there is an older call for it, without a cookie. */
	return fd == -EINVAL ? bpfsys_raw_tracepoint(prog_fd, NULL, 0) : fd;
}

int bpfsys_iter_link(int prog_fd, pid_t pid)
{
	uint32_t info[4] = { 0, (uint32_t)pid }; /* union bpf_iter_link_info: task.tid, task.pid */
	struct iter_link_attr attr = {
		.prog_fd = (uint32_t)prog_fd,
		.attach_type = JB_TRACE_ITER,
		.info = pid ? address_of(info) : 0,
		.info_len = pid ? sizeof(info) : 0,
	};

	return bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
}

int bpfsys_pin(int link_fd, const char *path)
{
	struct {
		uint64_t path;
		uint32_t fd, flags;
	} attr = { .path = address_of(path), .fd = (uint32_t)link_fd };

	return bpf_call(BPF_OBJ_PIN, &attr, sizeof(attr));
}

int bpfsys_iter_create(int link_fd)
{
	uint32_t attr[2] = { (uint32_t)link_fd };

	return bpf_call(BPF_ITER_CREATE, attr, sizeof(attr));
}

static int event_open(struct perf_event_attr *attr, pid_t pid, int cpu)
{
	long fd;

	attr->size = sizeof(*attr);
	do
		fd = syscall(SYS_perf_event_open, attr, pid, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : (int)fd;
}

int bpfsys_event_tracepoint(int id)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.config = (uint64_t)id,
		.sample_period = 1,
	};

	/* The program runs on every CPU whichever one the event itself is for. */
	return event_open(&attr, -1, bpfsys_online_cpu(0));
}

int bpfsys_event_clock(uint64_t period_ns, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = period_ns,
		.disabled = 1,
	};

	return event_open(&attr, -1, cpu);
}

int bpfsys_event_point(const struct perf_point *point, pid_t thread, int cpu)
{
	struct perf_event_attr attr = {
		.type = point->type,
		.config = point->config,
		.sample_period = point->period,
		.disabled = 1,
		.inherit = thread > 0,
	};

	if (point->type == PERF_TYPE_BREAKPOINT) {
		attr.bp_type = point->access;
		attr.bp_addr = point->address;
		attr.bp_len = point->len;
	}
	return event_open(&attr, thread, cpu);
}

/* The number that a file under a PMU's folder holds, after `prefix`. */
static int pmu_number(const char *pmu, const char *file, const char *prefix)
{
	char path[96], text[32] = "";
	size_t skip = strlen(prefix);
	FILE *in;

	snprintf(path, sizeof(path), "/sys/bus/event_source/devices/%s/%s", pmu, file);
	in = fopen(path, "re");
	if (!in)
		return -errno;
	if (!fgets(text, sizeof(text), in) || strncmp(text, prefix, skip)) {
		fclose(in);
		return -EINVAL;
	}
	fclose(in);
	return atoi(text + skip);
}

int bpfsys_event_uprobe(const char *path, uint64_t offset, uint64_t semaphore, pid_t pid,
			unsigned flags)
{
	struct perf_event_attr attr = { .sample_period = 1 };
	int type = pmu_number("uprobe", "type", "");
	int bit = flags & UPROBE_RETURN ? pmu_number("uprobe", "format/retprobe", "config:") : 0;
	int shift = semaphore ? pmu_number("uprobe", "format/ref_ctr_offset", "config:") : 0;

	if (type < 0)
		return type;
	if (bit < 0)
		return bit;
	if (shift < 0) /* before Linux 4.20 */
		return shift;
	if (shift && semaphore >> (64 - shift))
		return -ERANGE;
	attr.type = (uint32_t)type;
	attr.config = (flags & UPROBE_RETURN ? 1ULL << bit : 0) | semaphore << shift;
	attr.uprobe_path = address_of(path);
	attr.probe_offset = offset;
	return pid > 0 ? event_open(&attr, pid, -1) : event_open(&attr, -1, bpfsys_online_cpu(0));
}

int bpfsys_event_kprobe(const char *name, uint64_t place, bool at_return)
{
	struct perf_event_attr attr = { .sample_period = 1 };
	int type = pmu_number("kprobe", "type", "");
	int bit = at_return ? pmu_number("kprobe", "format/retprobe", "config:") : 0;

	if (type < 0)
		return type;
	if (bit < 0)
		return bit;
	attr.type = (uint32_t)type;
	attr.config = at_return ? 1ULL << bit : 0;
	attr.kprobe_func = address_of(name);
	attr.probe_offset = place; /* the same bytes as kprobe_addr */
	return event_open(&attr, -1, bpfsys_online_cpu(0));
}

/* The link holds the event, so the event's own descriptor is not needed once there is a link. */
int bpfsys_link_event(int prog_fd, int event_fd, uint64_t cookie)
{
	struct perf_link_attr attr = {
		.prog_fd = (uint32_t)prog_fd,
		.target_fd = (uint32_t)event_fd,
		.attach_type = JB_PERF_EVENT,
		.cookie = cookie,
	};
	int link = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
	int owner = link;

	if (link ==
	    -EINVAL) /* no links for perf events before Linux 5.15: then the event owns the program */
		owner = ioctl(event_fd, PERF_EVENT_IOC_SET_BPF, prog_fd) ? -errno : event_fd;
	if (owner >= 0 && ioctl(event_fd, PERF_EVENT_IOC_ENABLE, 0)) {
		int err = -errno;

		if (owner != event_fd)
			close(owner);
		owner = err;
	}
	if (owner != event_fd)
		close(event_fd);
	return owner;
}

int bpfsys_online_cpu(unsigned n)
{
	FILE *in = fopen("/sys/devices/system/cpu/online", "re");
	int first, last, cpu = -1;

	if (!in) /* no sysfs: the CPU that runs this is certainly online */
		return n == 0 ? 0 : -1;
	while (cpu < 0 && fscanf(in, "%d", &first) == 1) {
		unsigned count;

		if (fscanf(in, "-%d", &last) != 1)
			last = first;
		count = (unsigned)(last - first) + 1;
		if (n < count)
			cpu = first + (int)n;
		else
			n -= count;
		if (fgetc(in) != ',')
			break;
	}
	fclose(in);
	return cpu;
}

/*
 * Up to Linux 6.9 the kernel compared the running thread with the process's first thread, so that hits in other
 * threads were lost. There the program's own test of the process id has to do.
 */
bool bpfsys_multi_pid_works(void)
{
	struct utsname name;
	int major = 0, minor = 0;

	if (uname(&name) || sscanf(name.release, "%d.%d", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 10);
}

/*
 * The soft limit is 1024 for the sake of select(2), which is not used here. Root may raise the hard one, too. A limit
 * that stays too low is an error where the next file is opened.
 */
void bpfsys_make_room(unsigned n)
{
	const rlim_t spare = 64;
	struct rlimit limit;
	rlim_t wanted;
	int used = open("/dev/null", O_RDONLY | O_CLOEXEC); /* the lowest free number */

	if (used < 0)
		return;
	close(used);
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	wanted = (rlim_t)used + n + spare;
	if (wanted <= limit.rlim_cur)
		return;
	if (wanted > limit.rlim_max) {
		struct rlimit higher = { wanted, wanted };

		if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
			return;
		wanted = limit.rlim_max;
	}
	limit.rlim_cur = wanted;
	setrlimit(RLIMIT_NOFILE, &limit);
}
