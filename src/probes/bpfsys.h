#ifndef JB_PROBES_BPFSYS_H
#define JB_PROBES_BPFSYS_H
/*
 * Thin wrappers over bpf(2) and perf_event_open(2), for what libbpf 1.1 cannot do: links with cookies over many
 * functions, sessions. All return a file descriptor (close-on-exec) that detaches when it is closed, or -errno.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Attach types that installed headers may lack; also the expected attach types of the programs. */
#define JB_TRACE_FENTRY		24
#define JB_TRACE_FEXIT		25
#define JB_TRACE_ITER		28
#define JB_PERF_EVENT		41
#define JB_TRACE_KPROBE_MULTI	42 /* Linux 5.18 */
#define JB_TRACE_UPROBE_MULTI	48 /* Linux 6.6 */
#define JB_TRACE_KPROBE_SESSION 56 /* Linux 6.10 */
#define JB_TRACE_UPROBE_SESSION 57 /* Linux 6.13 */

#define JB_ENOTSUPP 524 /* the kernel's own "not supported", which has no name in user space */

enum uprobe_flags {
	UPROBE_RETURN = 1, /* at the return of the function instead of its entry */
};

/* The functions of one file, for one link. */
struct uprobe_multi {
	const char *path;
	const uint64_t *offsets; /* in the file */
	const uint64_t *cookies;
	const uint64_t *
		semaphores; /* offsets of counters to be raised, 0 where there is none; NULL: nowhere */
	uint32_t n;
	uint32_t attach_type; /* JB_TRACE_UPROBE_MULTI or JB_TRACE_UPROBE_SESSION */
	unsigned flags;	      /* enum uprobe_flags */
	pid_t pid;	      /* 0: all processes */
};

/* Functions of the kernel, for one link: by address, or by name where `addresses` is NULL. */
struct kprobe_multi {
	const uint64_t *addresses;
	const char *const *names;
	const uint64_t *cookies;
	uint32_t n;
	uint32_t attach_type; /* JB_TRACE_KPROBE_MULTI or JB_TRACE_KPROBE_SESSION */
	bool at_return;
};

int bpfsys_kprobe_multi(int prog_fd, const struct kprobe_multi *multi);
/* A fentry or fexit program to the function it was loaded for. */
int bpfsys_trampoline(int prog_fd, uint32_t attach_type, uint64_t cookie);
int bpfsys_uprobe_multi(int prog_fd, const struct uprobe_multi *multi);
int bpfsys_raw_tracepoint(int prog_fd, const char *name, uint64_t cookie);

/* An iterator over kernel objects. pid: of a task's objects only, 0: of all. */
int bpfsys_iter_link(int prog_fd, pid_t pid);
/* Keep it as a file in a BPF file system, whatever becomes of this process. 0 or -errno. */
int bpfsys_pin(int link_fd, const char *path);
/* Read it to its end: that runs the program once for each object. */
int bpfsys_iter_create(int link_fd);

/* Perf events, not yet enabled. */
int bpfsys_event_tracepoint(int id);
int bpfsys_event_clock(uint64_t period_ns, int cpu);
/* semaphore: offset of a counter in the file, 0: none. -ERANGE: too far into the file for the kernel. */
int bpfsys_event_uprobe(const char *path, uint64_t offset, uint64_t semaphore, pid_t pid,
			unsigned flags);
/* A kernel function: `name` and a distance from its start, or (NULL) an address. */
int bpfsys_event_kprobe(const char *name, uint64_t place, bool at_return);
/* Anything else that the kernel counts. */
struct perf_point {
	uint32_t type;	       /* PERF_TYPE_* */
	uint64_t config;       /* PERF_COUNT_* of that type */
	uint64_t period;       /* how many make the program run once */
	uint64_t address, len; /* PERF_TYPE_BREAKPOINT */
	uint32_t access;       /* HW_BREAKPOINT_* */
};
/* Of one thread and those that it will start, on any CPU (cpu -1), or of one CPU (thread -1). */
int bpfsys_event_point(const struct perf_point *point, pid_t thread, int cpu);
/* Run the program on the event and enable it. The event belongs to this function, whatever happens. */
int bpfsys_link_event(int prog_fd, int event_fd, uint64_t cookie);

/* Raise the limit of open files, where one may, so that n more fit. */
void bpfsys_make_room(unsigned n);
/* The n-th online CPU, -1: there are not so many. CPU numbers can have holes. */
int bpfsys_online_cpu(unsigned n);
/* Does the link of uprobe multi compare a whole process with its pid? See the comment at its definition. */
bool bpfsys_multi_pid_works(void);

#endif
