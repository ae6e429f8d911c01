/*
 * The user-space half of the filters: the sets that programs look up, the processes with whose end the run ends, and for
 * --follow the programs that keep the set of descendants, which are attached before any probe.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf-runtime/abi.h"
#include "run/internal.h"

/* A pass over all tasks misses those whose parent it has not reached when they begin; the next one finds them. */
#define SCANS_MAX 16

/* --- sets --- */

/* The maps exist only when a program looks something up in them. */
void filter_size_maps(struct run *run)
{
	struct bpf_map *numbers = bpf_object__find_map_by_name(run->object, "jb_filters");
	struct bpf_map *roots = bpf_object__find_map_by_name(run->object, "jb_follow_roots");
	uint32_t n = (uint32_t)run->plan->filters.n + 1;

	if (numbers)
		bpf_map__set_max_entries(numbers, n);
	if (roots)
		bpf_map__set_max_entries(roots, n);
}

/* A number may be wanted and unwanted, and then is in vain. */
static int add_number(int fd, const struct plan_filter *filter)
{
	struct jb_filter_key key = { .kind = filter->kind, .number = filter->number };
	uint32_t flags = 0;

	bpf_map_lookup_elem(fd, &key, &flags);
	flags |= filter->negated ? JB_FILTER_UNWANTED : JB_FILTER_WANTED;
	return bpf_map_update_elem(fd, &key, &flags, BPF_ANY);
}

static int add_root(int fd, uint32_t pid)
{
	return fd < 0 ? 0 : bpf_map_update_elem(fd, &pid, &pid, BPF_ANY);
}

static int fill_sets(struct run *run)
{
	int numbers = run_map_fd(run, "jb_filters"), roots = run_map_fd(run, "jb_follow_roots");
	const struct plan_filter *filter;
	int err = run->options.child ? add_root(roots, (uint32_t)run->options.child) : 0;

	vec_each (filter, &run->plan->filters) {
		if (!err && numbers >= 0 && filter->kind != FILTER_COMM)
			err = add_number(numbers, filter);
		if (!err && filter->kind == FILTER_PID && !filter->negated)
			err = add_root(roots, (uint32_t)filter->number);
	}
	if (err)
		report_plain(run, "cannot fill the set of filters: %s", strerror(-err));
	return err;
}

/* --- whose end is the end of the run --- */

static int watch_process(struct run *run, int pid, int *fd)
{
	struct epoll_event event = { .events = EPOLLIN };
	int err;

	*fd = (int)syscall(SYS_pidfd_open, pid, 0);
	event.data.fd = *fd;
	if (*fd >= 0 && epoll_ctl(run->poll_fd, EPOLL_CTL_ADD, *fd, &event) == 0) {
		vec_push(run->arena, &run->watched, *fd);
		return 0;
	}
	err = -errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	return err;
}

static int watch_given(struct run *run, int pid, int *fd)
{
	int err = watch_process(run, pid, fd);

	if (err == -ESRCH)
		report_plain(run, "there is no process %d", pid);
	else if (err)
		report_plain(run, "cannot watch process %d: %s", pid, strerror(-err));
	return err;
}

int filter_open(struct run *run)
{
	const struct plan_filter *filter;
	int err = fill_sets(run), fd;

	vec_each (filter, &run->plan->filters)
		if (!err && filter->kind == FILTER_PID && !filter->negated)
			err = watch_given(run, (int)filter->number, &fd);
	if (!err && run->options.child)
		err = watch_given(run, run->options.child, &run->child_fd);
	return err;
}

void filter_close(struct run *run)
{
	int *fd;

	vec_each (fd, &run->watched)
		if (*fd != run->child_fd)
			close(*fd);
	if (run->child_fd >= 0)
		close(run->child_fd);
}

/* The child's descriptor is kept: it may still be sent a signal. */
static bool forget(struct run *run, int ended)
{
	int *fd;

	vec_each (fd, &run->watched) {
		if (*fd != ended)
			continue;
		*fd = run->watched.data[--run->watched.n];
		epoll_ctl(run->poll_fd, EPOLL_CTL_DEL, ended, NULL);
		if (ended != run->child_fd)
			close(ended);
		return true;
	}
	return false;
}

/* A process that has ended keeps its number until its parent has asked for it; its descriptor tells. */
static bool watch_if_alive(struct run *run, int pid)
{
	struct pollfd state = { .events = POLLIN };
	int fd;

	if (watch_process(run, pid, &fd))
		return false;
	state.fd = fd;
	if (poll(&state, 1, 0) == 0)
		return true;
	forget(run, fd);
	return false;
}

static uint64_t follow_count(struct run *run, uint32_t which)
{
	uint64_t n = 0;

	bpf_map_lookup_elem(run_map_fd(run, "jb_follow_counts"), &which, &n);
	return n;
}

/* The first of the set that lives is watched. When nobody was added meanwhile, the set was seen as a whole. */
static bool watch_follower(struct run *run)
{
	int fd = run_map_fd(run, "jb_follow");
	uint64_t forks;

	do {
		uint32_t key, pid, *last = NULL;

		forks = follow_count(run, JB_FOLLOW_FORKED);
		for (int i = 0; i < 2 * JB_FOLLOW_MAX && !bpf_map_get_next_key(fd, last, &key);
		     i++, last = &key)
			if (!bpf_map_lookup_elem(fd, &key, &pid) && watch_if_alive(run, (int)pid))
				return true;
	} while (forks != follow_count(run, JB_FOLLOW_FORKED));
	return false;
}

bool filter_ended(struct run *run, int fd)
{
	if (!forget(run, fd) || run->watched.n)
		return false;
	return !run->plan->follow || !watch_follower(run);
}

/* --- --follow --- */

static int attach_raw(struct run *run, const char *program, const char *event)
{
	int fd = bpf_raw_tracepoint_open(event, run_program_fd(run, program));

	if (fd < 0) {
		report_plain(run, "cannot follow children: no events %s: %s", event, strerror(-fd));
		return fd;
	}
	run_add_link(run, fd);
	return 0;
}

/* Reading the iterator to its end runs the program once for each task. */
static int scan_once(int link)
{
	int fd = bpf_iter_create(link);
	char bytes[64];
	ssize_t n;

	if (fd < 0)
		return fd;
	do
		n = read(fd, bytes, sizeof(bytes));
	while (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)));
	n = n < 0 ? -errno : 0;
	close(fd);
	return (int)n;
}

static int scan_tasks(struct run *run)
{
	int link = bpf_link_create(run_program_fd(run, "jb_follow_scan"), 0, BPF_TRACE_ITER, NULL);
	int err = link < 0 ? link : 0;
	uint64_t found = 0, before;

	for (int i = 0; !err && i < SCANS_MAX; i++) {
		before = found;
		err = scan_once(link);
		found = follow_count(run, JB_FOLLOW_FOUND);
		if (found == before)
			break;
	}
	if (link >= 0)
		close(link);
	if (err)
		report_plain(run, "cannot find the children that there are: %s", strerror(-err));
	else if (run->options.verbose)
		fprintf(run->options.messages, "following %llu processes\n",
			(unsigned long long)found);
	return err;
}

int filter_attach(struct run *run)
{
	int err;

	if (!run->plan->follow)
		return 0;
	err = attach_raw(run, "jb_follow_free", "sched_process_free");
	if (!err)
		err = attach_raw(run, "jb_follow_fork", "sched_process_fork");
	return err ? err : scan_tasks(run);
}
