/*
 * Attaching one program to functions of user files: one link per file where the kernel has uprobe multi, else
 * one perf event per function. A refusal is followed up until the one function that causes it is known.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "probes/bpfsys.h"
#include "probes/modes.h"
#include "probes/userfunc.h"

#define JB_ENOTSUPP 524 /* the kernel's own "not supported", which has no name in user space */

static const char *reason(int err)
{
	switch (err) {
	case -EINVAL:
	case -EOPNOTSUPP:
	case -JB_ENOTSUPP:
	case -ENOEXEC:
	case -EIO:
		return "the kernel cannot put a probe on this instruction";
	case -ESRCH:
		return "the process is gone";
	case -EMFILE:
		return "too many open files (see ulimit -n)";
	default:
		return strerror(-err);
	}
}

static int report(struct run *run, const struct target *target, int err)
{
	run_error(run, target->span, "cannot attach %s: %s", target->name, reason(err));
	return err;
}

/* -p at attach time spares other processes the trap; where the kernel gets it wrong the program's own test has to do. */
static pid_t link_pid(struct run *run)
{
	return bpfsys_multi_pid_works() ? run_plan(run)->pid : 0;
}

/* --- one link for all functions of a file --- */

struct file_group {
	struct run *run;
	int prog_fd;
	struct uprobe_multi multi;
	uint64_t *offsets, *cookies;
	const struct target **targets;
};

static int try_range(const struct file_group *group, uint32_t from, uint32_t n)
{
	struct uprobe_multi multi = group->multi;

	multi.offsets = group->offsets + from;
	multi.cookies = group->cookies + from;
	multi.n = n;
	return bpfsys_uprobe_multi(group->prog_fd, &multi);
}

/* Is one function the cause, and not what all of them share (file, process, permission)? */
static bool is_about_one(int err)
{
	return err == -EINVAL || err == -EOPNOTSUPP || err == -JB_ENOTSUPP || err == -ENOEXEC ||
	       err == -EIO;
}

/* Halve the range that fails until one function is left. */
static const struct target *find_culprit(const struct file_group *group)
{
	uint32_t from = 0, n = group->multi.n;

	while (n > 1 && !run_interrupted(group->run)) {
		int fd = try_range(group, from, n / 2);

		if (fd >= 0) {
			close(fd);
			from += n / 2;
			n -= n / 2;
		} else {
			n /= 2;
		}
	}
	return group->targets[from];
}

static int attach_file(const struct file_group *group)
{
	int fd = try_range(group, 0, group->multi.n);

	if (fd >= 0) {
		run_add_link(group->run, fd);
		return 0;
	}
	return report(group->run, is_about_one(fd) ? find_culprit(group) : group->targets[0], fd);
}

/* Collect from `first` on what lies in its file and is not done yet. */
static void collect_file(struct file_group *group, const struct plan_probe *probe, unsigned first,
			 bool *done)
{
	const char *path = probe->targets[first]->path;

	group->multi.path = path;
	group->multi.n = 0;
	for (unsigned i = first; i < probe->n_targets; i++) {
		const struct target *target = probe->targets[i];
		uint32_t n = group->multi.n;

		if (done[i] || strcmp(target->path, path))
			continue;
		done[i] = true;
		group->offsets[n] = target->offset;
		group->cookies[n] = target->id;
		group->targets[n] = target;
		group->multi.n = n + 1;
	}
}

static int attach_multi(struct run *run, const struct plan_probe *probe, int prog_fd,
			const struct userlink *how)
{
	struct file_group group = {
		.run = run,
		.prog_fd = prog_fd,
		.multi = { .attach_type = how->attach_type,
			   .flags = how->flags,
			   .pid = link_pid(run) },
	};
	bool *done = mem_alloc(probe->n_targets * sizeof(*done));
	int err = 0;

	memset(done, 0, probe->n_targets * sizeof(*done));
	group.offsets = mem_alloc(probe->n_targets * sizeof(*group.offsets));
	group.cookies = mem_alloc(probe->n_targets * sizeof(*group.cookies));
	group.targets = mem_alloc(probe->n_targets * sizeof(*group.targets));
	for (unsigned i = 0; i < probe->n_targets && !err; i++) {
		if (done[i])
			continue;
		collect_file(&group, probe, i, done);
		err = run_interrupted(run) ? -EINTR : attach_file(&group);
	}
	free(group.targets);
	free(group.cookies);
	free(group.offsets);
	free(done);
	return err;
}

/* --- a perf event for each function --- */

static int attach_perf(struct run *run, const struct plan_probe *probe, int prog_fd, unsigned flags)
{
	for (unsigned i = 0; i < probe->n_targets; i++) {
		const struct target *target = probe->targets[i];
		int fd;

		if (run_interrupted(run))
			return -EINTR;
		fd = bpfsys_event_uprobe(target->path, target->offset, run_plan(run)->pid, flags);
		if (fd >= 0)
			fd = bpfsys_link_event(prog_fd, fd, target->id);
		if (fd < 0)
			return report(run, target, fd);
		run_add_link(run, fd);
	}
	return 0;
}

int userlink_attach(struct run *run, const struct plan_probe *probe, int prog_fd,
		    const struct userlink *how)
{
	if (how->mode == PROBE_MODE_UPROBE_PERF)
		return attach_perf(run, probe, prog_fd, how->flags);
	return attach_multi(run, probe, prog_fd, how);
}
