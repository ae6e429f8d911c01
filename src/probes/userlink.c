/*
 * Attaching one program to functions of user files: one link per file where the kernel has uprobe multi, else
 * one perf event per function. A function that the kernel refuses is an error when it was named, and left out when a pattern found it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "probes/bpfsys.h"
#include "probes/insn.h"
#include "probes/modes.h"
#include "probes/userfunc.h"

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
	if (run_interrupted(run))
		return -EINTR;
	run_error(run, target->span, "cannot attach %s: %s", target->name, reason(err));
	return err;
}

/* Is one function the cause, and not what all of them share (file, process, permission)? */
static bool is_about_one(int err)
{
	return err == -EINVAL || err == -EOPNOTSUPP || err == -JB_ENOTSUPP || err == -ENOEXEC ||
	       err == -EIO;
}

/* 0: the target may be left out, and is. */
static int refused(struct run *run, const struct plan_probe *probe, const struct target *target,
		   int err)
{
	if (target->number != USERFUNC_ANY || !is_about_one(err) || run_interrupted(run))
		return report(run, target, err);
	run_skip(run, probe, target, reason(err));
	return 0;
}

/* -p at attach time spares other processes the trap; where the kernel gets it wrong the program's own test has to do. */
static pid_t event_pid(struct run *run, const struct plan_probe *probe)
{
	return probe->unfiltered ? 0 : run_plan(run)->pid;
}

static pid_t link_pid(struct run *run, const struct plan_probe *probe)
{
	return bpfsys_multi_pid_works() ? event_pid(run, probe) : 0;
}

/*
 * The kernel (seen up to Linux 6.18) takes an instruction with a VEX or EVEX prefix for the one without it that has the
 * same opcode byte: it refuses some, and emulates others as the jump or push that they are not, which breaks the
 * program. Optimised string functions begin so. It always refuses `lock`; knowing that here saves the search.
 */
static bool is_bad_place(const struct target *target)
{
	uint8_t byte;

	return insn_read(target->path, target->offset, &byte, 1) == 1 &&
	       (byte == 0x62 || byte == 0xc4 || byte == 0xc5 || byte == 0xf0);
}

/* 1: attach it, 0: left out, <0: -errno after a message. */
static int check_target(struct run *run, const struct plan_probe *probe,
			const struct target *target)
{
	if (run_options_of(run)->unsafe || !is_bad_place(target))
		return 1;
	return refused(run, probe, target, -JB_ENOTSUPP);
}

/* --- one link for all functions of a file --- */

struct file_group {
	struct run *run;
	const struct plan_probe *probe;
	int prog_fd;
	struct uprobe_multi multi;
	uint64_t *offsets, *cookies, *semaphores;
	bool has_semaphores;
	const struct target **targets;
};

static int try_range(const struct file_group *group, uint32_t from, uint32_t n)
{
	struct uprobe_multi multi = group->multi;

	multi.offsets = group->offsets + from;
	multi.cookies = group->cookies + from;
	if (group->has_semaphores)
		multi.semaphores = group->semaphores + from;
	multi.n = n;
	return bpfsys_uprobe_multi(group->prog_fd, &multi);
}

/*
 * A range that fails is halved until the function that causes it stands alone. What was attached on the way stays, so
 * that a few refusals among thousands of functions cost a few dozen links more.
 */
static int attach_range(struct file_group *group, uint32_t from, uint32_t n)
{
	const struct target *target = group->targets[from];
	int fd = run_interrupted(group->run) ? -EINTR : try_range(group, from, n), err;

	if (fd >= 0) {
		run_add_link(group->run, fd);
		return 0;
	}
	if (n == 1 || !is_about_one(fd))
		return refused(group->run, group->probe, target, fd);
	err = attach_range(group, from, n / 2);
	return err ? err : attach_range(group, from + n / 2, n - n / 2);
}

/* Collect from `first` on what lies in its file, is not done yet and may be probed. */
static int collect_file(struct file_group *group, unsigned first, bool *done)
{
	const struct plan_probe *probe = group->probe;
	const char *path = probe->targets[first]->path;

	group->multi.path = path;
	group->multi.n = 0;
	group->has_semaphores = false;
	for (unsigned i = first; i < probe->n_targets; i++) {
		const struct target *target = probe->targets[i];
		uint32_t n = group->multi.n;
		int good;

		if (done[i] || strcmp(target->path, path))
			continue;
		done[i] = true;
		good = check_target(group->run, probe, target);
		if (good < 0)
			return good;
		if (!good)
			continue;
		group->offsets[n] = target->offset;
		group->cookies[n] = target->id;
		group->semaphores[n] = target->semaphore;
		group->has_semaphores |= target->semaphore != 0;
		group->targets[n] = target;
		group->multi.n = n + 1;
	}
	return 0;
}

static int attach_multi(struct run *run, const struct plan_probe *probe, int prog_fd,
			const struct userlink *how)
{
	struct file_group group = {
		.run = run,
		.probe = probe,
		.prog_fd = prog_fd,
		.multi = { .attach_type = how->attach_type,
			   .flags = how->flags,
			   .pid = link_pid(run, probe) },
	};
	bool *done = mem_alloc(probe->n_targets * sizeof(*done));
	int err = 0;

	memset(done, 0, probe->n_targets * sizeof(*done));
	group.offsets = mem_alloc(probe->n_targets * sizeof(*group.offsets));
	group.cookies = mem_alloc(probe->n_targets * sizeof(*group.cookies));
	group.semaphores = mem_alloc(probe->n_targets * sizeof(*group.semaphores));
	group.targets = mem_alloc(probe->n_targets * sizeof(*group.targets));
	for (unsigned i = 0; i < probe->n_targets && !err; i++) {
		if (done[i])
			continue;
		err = collect_file(&group, i, done);
		if (!err && group.multi.n)
			err = attach_range(&group, 0, group.multi.n);
	}
	free(group.targets);
	free(group.semaphores);
	free(group.cookies);
	free(group.offsets);
	free(done);
	return err;
}

/* --- a perf event for each function --- */

static int attach_perf(struct run *run, const struct plan_probe *probe, int prog_fd, unsigned flags)
{
	bpfsys_make_room(probe->n_targets);
	for (unsigned i = 0; i < probe->n_targets; i++) {
		const struct target *target = probe->targets[i];
		int fd;

		if (run_interrupted(run))
			return -EINTR;
		fd = check_target(run, probe, target);
		if (fd < 0)
			return fd;
		if (!fd)
			continue;
		fd = bpfsys_event_uprobe(target->path, target->offset, target->semaphore,
					 event_pid(run, probe), flags);
		if (fd >= 0)
			fd = bpfsys_link_event(prog_fd, fd, target->id);
		if (fd >= 0)
			run_add_link(run, fd);
		else if ((fd = refused(run, probe, target, fd)) < 0)
			return fd;
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
