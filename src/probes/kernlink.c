/*
 * Attaching a program to functions of the kernel: one link for all of them where the kernel has kprobe multi, else one perf
 * event per function; for fentry a copy of the program and a trampoline per function. A function that the kernel
 * refuses is an error when it was named, and left out when a pattern found it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "probes/bpfsys.h"
#include "probes/kernfunc.h"
#include "probes/modes.h"

static const char *reason(int err)
{
	switch (err) {
	case -EINVAL:
	case -EOPNOTSUPP:
	case -JB_ENOTSUPP:
	case -ESRCH:
		return "the kernel lets nobody trace this function (it is marked notrace, or runs "
		       "where tracing cannot)";
	case -EILSEQ:
		return "no instruction begins at this offset";
	case -ENOENT:
	case -EADDRNOTAVAIL:
		return "the kernel does not find this function";
	case -ERANGE:
		return "the offset is beyond the function's end";
	case -EBUSY:
		return "its code does not begin as tracing needs it (written in assembly, or "
		       "changed by something else)";
	case -E2BIG:
		return "too many programs are attached to this function";
	case -EMFILE:
		return "too many open files (see ulimit -n)";
	default:
		return strerror(-err);
	}
}

/* Is one function the cause, and not what all of them share? */
static bool is_about_one(int err)
{
	return err != -EMFILE && err != -ENFILE && err != -EPERM && err != -ENOMEM &&
	       err != -EINTR && err != -EACCES;
}

/* 0: the target may be left out, and is. */
static int refused(struct run *run, const struct plan_probe *probe, const struct target *target,
		   int err)
{
	if (run_interrupted(run))
		return -EINTR;
	if (kernfunc_of(target)->any && is_about_one(err)) {
		run_skip(run, probe, target, reason(err));
		return 0;
	}
	run_error(run, target->span, "cannot attach %s: %s", target->name, reason(err));
	return err;
}

/* --- one link for all --- */

struct group {
	struct run *run;
	const struct plan_probe *probe;
	int prog_fd;
	struct kprobe_multi multi;
	uint64_t *addresses, *cookies;
	const char **names;
};

static int try_range(const struct group *group, uint32_t from, uint32_t n)
{
	struct kprobe_multi multi = group->multi;

	if (multi.addresses)
		multi.addresses += from;
	multi.names = group->names + from;
	multi.cookies = group->cookies + from;
	multi.n = n;
	return bpfsys_kprobe_multi(group->prog_fd, &multi);
}

/* A range that fails is halved until the function that causes it stands alone; what was attached on the way stays. */
static int attach_range(struct group *group, uint32_t from, uint32_t n)
{
	int fd = run_interrupted(group->run) ? -EINTR : try_range(group, from, n), err;

	if (fd >= 0) {
		run_add_link(group->run, fd);
		return 0;
	}
	if (n == 1 || !is_about_one(fd))
		return refused(group->run, group->probe, group->probe->targets[from], fd);
	err = attach_range(group, from, n / 2);
	return err ? err : attach_range(group, from + n / 2, n - n / 2);
}

static int attach_multi(struct run *run, const struct plan_probe *probe, int prog_fd,
			const struct kernlink *how)
{
	struct group group = {
		.run = run,
		.probe = probe,
		.prog_fd = prog_fd,
		.multi = { .attach_type = how->attach_type, .at_return = how->at_return },
	};
	bool addressed = true;
	int err;

	group.addresses = mem_alloc(probe->n_targets * sizeof(*group.addresses));
	group.cookies = mem_alloc(probe->n_targets * sizeof(*group.cookies));
	group.names = mem_alloc(probe->n_targets * sizeof(*group.names));
	for (unsigned i = 0; i < probe->n_targets; i++) {
		const struct kernfunc *func = kernfunc_of(probe->targets[i]);

		group.addresses[i] = func->address;
		group.names[i] = func->name;
		group.cookies[i] = probe->targets[i]->id;
		addressed &= func->address != 0;
	}
	if (addressed)
		group.multi.addresses = group.addresses;
	err = attach_range(&group, 0, probe->n_targets);
	free(group.names);
	free(group.cookies);
	free(group.addresses);
	return err;
}

/* --- a perf event for each --- */

static int open_event(const struct kernfunc *func, bool at_return)
{
	/* An address also finds the right one of several functions with one name. */
	if (func->address)
		return bpfsys_event_kprobe(NULL, func->address, at_return);
	return bpfsys_event_kprobe(func->name, func->distance, at_return);
}

static int attach_event(const struct target *target, int prog_fd, const struct kernlink *how)
{
	int fd = open_event(kernfunc_of(target), how->at_return);

	return fd < 0 ? fd : bpfsys_link_event(prog_fd, fd, target->id);
}

/* --- a program for each --- */

/* The descriptor of a module's BTF, kept from one function to the next. */
struct module_btf {
	const char *module;
	int fd; /* -1: none open */
};

static int module_btf_fd(struct module_btf *btf, const char *module)
{
	if (!module)
		return 0;
	if (btf->fd >= 0 && !strcmp(btf->module, module))
		return btf->fd;
	if (btf->fd >= 0)
		close(btf->fd);
	btf->module = module;
	btf->fd = lookup_module_btf(module);
	return btf->fd;
}

/* The program that libbpf loaded is the first function's own, unless that one is in a module. */
static int attach_trampoline(struct run *run, const struct plan_probe *probe, unsigned i,
			     int prog_fd, struct module_btf *btf)
{
	const struct target *target = probe->targets[i];
	const struct kernfunc *func = kernfunc_of(target);
	int btf_fd, fd, link;

	if (i == 0 && !func->module)
		return bpfsys_trampoline(prog_fd, probe->attach_type, target->id);
	btf_fd = module_btf_fd(btf, func->module);
	if (btf_fd < 0)
		return btf_fd;
	fd = run_clone_program(run, probe->program, func->proto->btf_id, btf_fd);
	if (fd < 0)
		return fd;
	link = bpfsys_trampoline(fd, probe->attach_type, target->id);
	close(fd); /* the link holds it */
	return link;
}

int kernlink_attach(struct run *run, const struct plan_probe *probe, int prog_fd,
		    const struct kernlink *how)
{
	struct module_btf btf = { .fd = -1 };
	int fd = 0;

	if (how->mode == PROBE_MODE_KPROBE_MULTI)
		return attach_multi(run, probe, prog_fd, how);
	for (unsigned i = 0; i < probe->n_targets && fd >= 0; i++) {
		if (run_interrupted(run))
			fd = -EINTR;
		else if (how->mode == PROBE_MODE_FENTRY)
			fd = attach_trampoline(run, probe, i, prog_fd, &btf);
		else
			fd = attach_event(probe->targets[i], prog_fd, how);
		if (fd >= 0)
			run_add_link(run, fd);
		else if (fd != -EINTR)
			fd = refused(run, probe, probe->targets[i], fd);
	}
	if (btf.fd >= 0)
		close(btf.fd);
	return fd < 0 ? fd : 0;
}
