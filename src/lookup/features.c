/*
 * What this kernel can do, found out by trying: the smallest program, map or link that needs the
 * feature. Each is tried once, when it is first asked for, through bpf(2) itself, because the
 * kernel's headers may be older than the kernel.
 */
#include <errno.h>
#include <linux/bpf.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lookup/internal.h"

/* Younger than Linux 6.1's headers. */
enum {
	ATTACH_KPROBE_MULTI = 42,
	ATTACH_UPROBE_MULTI = 48,
	ATTACH_KPROBE_SESSION = 56,
	ATTACH_UPROBE_SESSION = 57
};
enum { HELPER_GET_ATTACH_COOKIE = 174, HELPER_LOOP = 181, HELPER_GET_FUNC_ARG = 183 };

/* bpf_attr of BPF_LINK_CREATE as Linux 6.6 and later read it for uprobe multi links. */
struct link_uprobe_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

/* The same of BPF_LINK_CREATE for kprobe multi links. */
struct link_kprobe_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint32_t multi_flags, cnt;
	uint64_t syms, addrs, cookies;
};

static int bpf_call(int command, void *attr, unsigned size)
{
	long result = syscall(SYS_bpf, command, attr, size);

	return result < 0 ? -errno : (int)result;
}

static bool close_if_open(int fd)
{
	if (fd < 0)
		return false;
	close(fd);
	return true;
}

/* r0 = 0; exit */
static int load_empty(uint32_t type, uint32_t attach_type, uint32_t btf_id)
{
	static const char license[] = "GPL";
	const struct bpf_insn insns[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr attr = {
		.prog_type = type,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.license = (uintptr_t)license,
		.expected_attach_type = attach_type,
		.attach_btf_id = btf_id,
	};

	return bpf_call(BPF_PROG_LOAD, &attr, sizeof(attr));
}

/*
 * Call a helper with whatever registers hold. Where the kernel has it for this kind of program, the
 * verifier accepts the call or complains about its arguments; else it says that the function is not
 * known.
 */
static bool has_helper(uint32_t type, int helper, uint32_t btf_id)
{
	static const char license[] = "GPL";
	const struct bpf_insn insns[] = {
		{ .code = BPF_JMP | BPF_CALL, .imm = helper },
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	char log[4096] = "";
	union bpf_attr attr = {
		.prog_type = type,
		.insns = (uintptr_t)insns,
		.insn_cnt = sizeof(insns) / sizeof(*insns),
		.license = (uintptr_t)license,
		.log_buf = (uintptr_t)log,
		.log_size = sizeof(log),
		.log_level = 1,
		.expected_attach_type = btf_id ? BPF_TRACE_FENTRY : 0,
		.attach_btf_id = btf_id,
	};
	int fd = bpf_call(BPF_PROG_LOAD, &attr, sizeof(attr));

	if (close_if_open(fd))
		return true;
	return *log && !strstr(log, "invalid func") && !strstr(log, "unknown func") &&
	       !strstr(log, "cannot use helper");
}

/*
 * The root folder cannot hold uprobes: a kernel that knows such links says EBADF, another one
 * EINVAL.
 */
static bool has_uprobe_link(uint32_t attach_type)
{
	int prog = load_empty(BPF_PROG_TYPE_KPROBE, attach_type, 0), link;
	uint64_t offset = 0;
	struct link_uprobe_multi attr = {
		.prog_fd = (uint32_t)prog,
		.attach_type = attach_type,
		.path = (uintptr_t) "/",
		.offsets = (uintptr_t)&offset,
		.cnt = 1,
	};

	if (prog < 0)
		return false;
	link = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
	close_if_open(link);
	close(prog);
	return link == -EBADF || link >= 0;
}

static bool try_uprobe_multi(struct lookup *lookup)
{
	(void)lookup;
	return has_uprobe_link(ATTACH_UPROBE_MULTI);
}

static bool try_uprobe_session(struct lookup *lookup)
{
	(void)lookup;
	return has_uprobe_link(ATTACH_UPROBE_SESSION);
}

/*
 * A kernel with kprobes looks for the function and does not find it; which error that is depends on
 * the version.
 */
static bool try_kprobe(struct lookup *lookup)
{
	struct perf_event_attr attr = { .size = sizeof(attr) };
	struct buf text = { 0 };
	int fd;

	(void)lookup;
	if (file_read("/sys/bus/event_source/devices/kprobe/type", &text) < 0)
		return false;
	attr.type = (uint32_t)strtoul(text.data, NULL, 10);
	attr.kprobe_func = (uintptr_t) "jb_there_is_no_such_function";
	buf_fini(&text);
	fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	return close_if_open(fd) || errno == ENOENT || errno == EINVAL || errno == EADDRNOTAVAIL;
}

/*
 * A function that is not there: a kernel that knows such links has looked for it. EOPNOTSUPP says that it was built
 * without CONFIG_FPROBE, EINVAL that it does not know the attach type.
 */
static bool has_kprobe_link(uint32_t attach_type)
{
	int prog = load_empty(BPF_PROG_TYPE_KPROBE, attach_type, 0), link;
	const char *name = "jb_there_is_no_such_function";
	struct link_kprobe_multi attr = {
		.prog_fd = (uint32_t)prog,
		.attach_type = attach_type,
		.cnt = 1,
		.syms = (uintptr_t)&name,
	};

	if (prog < 0)
		return false;
	link = bpf_call(BPF_LINK_CREATE, &attr, sizeof(attr));
	close_if_open(link);
	close(prog);
	return link == -ESRCH || link == -ENOENT || link >= 0;
}

static bool try_kprobe_multi(struct lookup *lookup)
{
	(void)lookup;
	return has_kprobe_link(ATTACH_KPROBE_MULTI);
}

static bool try_kprobe_session(struct lookup *lookup)
{
	(void)lookup;
	return has_kprobe_link(ATTACH_KPROBE_SESSION);
}

/* Needs the number of a kernel function, so these read BTF. */
static uint32_t some_function(struct lookup *lookup)
{
	uint32_t id = kernel_function_id(lookup, "bpf_fentry_test1");

	return id ? id : kernel_function_id(lookup, "vfs_read");
}

/* Arguments are read by a helper that came with Linux 5.17. */
static bool try_fentry(struct lookup *lookup)
{
	uint32_t id = some_function(lookup);
	int fd = id ? load_empty(BPF_PROG_TYPE_TRACING, BPF_TRACE_FENTRY, id) : -ENOENT;

	lookup->fentry_error = fd < 0 ? fd : -ENOSYS;
	return close_if_open(fd) && has_helper(BPF_PROG_TYPE_TRACING, HELPER_GET_FUNC_ARG, id);
}

static bool try_fentry_cookie(struct lookup *lookup)
{
	return lookup_feature(lookup, FEATURE_FENTRY) &&
	       has_helper(BPF_PROG_TYPE_TRACING, HELPER_GET_ATTACH_COOKIE, some_function(lookup));
}

const char *lookup_fentry_obstacle(struct lookup *lookup)
{
	switch (lookup->fentry_error) {
	case -ENOENT:
		return "its types are not there (CONFIG_DEBUG_INFO_BTF)";
	case -ENOSYS:
		return "it takes Linux 5.17";
	case 0:
		return "it is switched off";
	default:
		return arena_printf(lookup->arena,
				    "it refuses such programs (%s), as without "
				    "CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS",
				    strerror(-lookup->fentry_error));
	}
}

static int make_map(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t max_entries)
{
	union bpf_attr attr = {
		.map_type = type,
		.key_size = key_size,
		.value_size = value_size,
		.max_entries = max_entries,
	};

	return bpf_call(BPF_MAP_CREATE, &attr, sizeof(attr));
}

static bool try_ringbuf(struct lookup *lookup)
{
	(void)lookup;
	return close_if_open(make_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)sysconf(_SC_PAGESIZE)));
}

static bool try_cookie(struct lookup *lookup)
{
	(void)lookup;
	return has_helper(BPF_PROG_TYPE_PERF_EVENT, HELPER_GET_ATTACH_COOKIE, 0);
}

static bool try_raw_tp_cookie(struct lookup *lookup)
{
	(void)lookup;
	return has_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, HELPER_GET_ATTACH_COOKIE, 0);
}

/* Hashes are read so (Linux 5.6). A batch of none is always fine where the command is known. */
static bool try_map_batch(struct lookup *lookup)
{
	int map = make_map(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 1), err;
	union bpf_attr attr = { .batch = { .count = 0 } };

	(void)lookup;
	if (map < 0)
		return false;
	attr.batch.map_fd = (uint32_t)map;
	err = bpf_call(BPF_MAP_LOOKUP_BATCH, &attr, sizeof(attr));
	close(map);
	return err == 0;
}

static bool try_loop(struct lookup *lookup)
{
	(void)lookup;
	return has_helper(BPF_PROG_TYPE_RAW_TRACEPOINT, HELPER_LOOP, 0);
}

struct feature {
	const char *name, *instead;
	bool (*try)(struct lookup *);
};

static const struct feature features[] = {
	[FEATURE_UPROBE_MULTI] = { "uprobe multi", "one perf event per function",
				   try_uprobe_multi },
	[FEATURE_UPROBE_SESSION] = { "uprobe session",
				     "a uprobe and a uretprobe with a map between them",
				     try_uprobe_session },
	[FEATURE_KPROBE] = { "kprobe", "fentry, if there is that; but no offsets and addresses",
			     try_kprobe },
	[FEATURE_KPROBE_MULTI] = { "kprobe multi", "one perf event per function",
				   try_kprobe_multi },
	[FEATURE_KPROBE_SESSION] = { "kprobe session",
				     "fexit, or a kprobe and a kretprobe with a map between them",
				     try_kprobe_session },
	[FEATURE_FENTRY] = { "fentry", "kprobes, if there are those", try_fentry },
	[FEATURE_FENTRY_COOKIE] = { "fentry cookie", "one generated program per function",
				    try_fentry_cookie },
	[FEATURE_RINGBUF] = { "ring buffer", "nothing: Linux 5.8 or later is needed", try_ringbuf },
	[FEATURE_BPF_COOKIE] = { "attach cookie", "one program per target", try_cookie },
	[FEATURE_RAW_TP_COOKIE] = { "raw tracepoint cookie", "one program per raw tracepoint",
				    try_raw_tp_cookie },
	[FEATURE_MAP_BATCH] = { "map batch", "maps are read key by key", try_map_batch },
	[FEATURE_BPF_LOOP] = { "bpf_loop", "nothing: loops need Linux 5.17 or later", try_loop },
};

/*
 * JBTRACE_NO_FEATURE names features not to use, as "uprobe_multi,uprobe_session": so the other ways can be tried.
 * JBTRACE_ASSUME_FEATURE names those to take for granted: so plans for another kernel can be looked at.
 */
static bool is_listed(const char *variable, const char *name)
{
	const char *list = getenv(variable);
	size_t len = strlen(name);

	for (; list && *list; list += strcspn(list, ","), list += *list == ',') {
		size_t i = 0;

		while (i < len && (list[i] == name[i] || (list[i] == '_' && name[i] == ' ')))
			i++;
		if (i == len && (!list[i] || list[i] == ','))
			return true;
	}
	return false;
}

bool lookup_feature(struct lookup *lookup, enum kernel_feature feature)
{
	signed char *known = &lookup->features[feature];

	const char *name = features[feature].name;

	if (!*known && is_listed("JBTRACE_NO_FEATURE", name))
		*known = -1;
	else if (!*known && is_listed("JBTRACE_ASSUME_FEATURE", name))
		*known = 1;
	else if (!*known)
		*known = features[feature].try(lookup) ? 1 : -1;
	return *known > 0;
}

const char *lookup_feature_name(enum kernel_feature feature)
{
	return features[feature].name;
}

const char *lookup_feature_instead(enum kernel_feature feature)
{
	return features[feature].instead;
}
