/*
 * Attaching programs to perf events: on every CPU, or in every thread of a process. Which events, and what their
 * refusal means, is the providers' business.
 */
#include "probes/perflink.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "probes/modes.h"
#include "probes/point.h"

bool perflink_plan(struct resolve *resolve, struct instance *instance)
{
	instance->section = "perf_event";
	instance->mode = PROBE_MODE_DEFAULT;
	while (instance->targets.n > 1)
		instance = instance_split(resolve, instance, 1);
	return true;
}

static const char *reason(int err)
{
	switch (err) {
	case -ENOENT:
	case -EOPNOTSUPP:
	case -ENODEV:
		return "this machine does not count that";
	case -ENOSPC:
		return "the processor's registers for it are all in use";
	case -ESRCH:
		return "the process is gone";
	case -EMFILE:
		return "too many open files (see ulimit -n)";
	default:
		return strerror(-err);
	}
}

static int attach_one(struct run *run, const struct target *target, int prog_fd, pid_t thread,
		      int cpu)
{
	int fd = bpfsys_event_point(target->own, thread, cpu);

	if (fd >= 0)
		fd = bpfsys_link_event(prog_fd, fd, target->id);
	if (fd < 0)
		return fd;
	run_add_link(run, fd);
	return 0;
}

static int report(struct run *run, const struct target *target, int err)
{
	run_error(run, target->span, "cannot attach %s: %s", target->name, reason(err));
	return err;
}

int perflink_attach_cpus(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	int cpu;

	for (unsigned n = 0; (cpu = bpfsys_online_cpu(n)) >= 0; n++) {
		for (unsigned i = 0; i < probe->n_targets; i++) {
			int err = attach_one(run, probe->targets[i], prog_fd, -1, cpu);

			if (err)
				return report(run, probe->targets[i], err);
		}
	}
	return 0;
}

/* A thread that has ended meanwhile is no mistake, as long as there is another one. */
static int attach_threads(struct run *run, const struct target *target, int prog_fd, DIR *tasks)
{
	struct dirent *entry;
	unsigned n = 0;

	while ((entry = readdir(tasks))) {
		pid_t thread = atoi(entry->d_name);
		int err = thread > 0 ? attach_one(run, target, prog_fd, thread, -1) : -ESRCH;

		if (err && err != -ESRCH)
			return report(run, target, err);
		n += !err;
	}
	return n ? 0 : report(run, target, -ESRCH);
}

int perflink_attach_process(struct run *run, const struct plan_probe *probe, int prog_fd, pid_t pid)
{
	char path[32];
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	for (unsigned i = 0; i < probe->n_targets && !err; i++) {
		DIR *tasks = opendir(path);

		if (!tasks)
			return report(run, probe->targets[i], -ESRCH);
		err = attach_threads(run, probe->targets[i], prog_fd, tasks);
		closedir(tasks);
	}
	return err;
}
