/* Attaching a program to one of the raw tracepoints sys_enter and sys_exit, for tracepoint.c and span.c. */
#include "probes/rawsys.h"

#include <errno.h>
#include <string.h>

#include "probes/bpfsys.h"

int rawsys_attach(struct run *run, const struct plan_probe *probe, int prog_fd,
		  const char *raw_tracepoint)
{
	int fd = bpfsys_raw_tracepoint(prog_fd, raw_tracepoint, 0);

	if (fd == -ENOENT) {
		run_error(run, probe->span,
			  "this kernel has no raw tracepoint %s (CONFIG_HAVE_SYSCALL_TRACEPOINTS)",
			  raw_tracepoint);
		return fd;
	}
	if (fd < 0) {
		run_error(run, probe->span, "cannot attach %s to the raw tracepoint %s: %s",
			  probe->targets[0]->name, raw_tracepoint, strerror(-fd));
		return fd;
	}
	run_add_link(run, fd);
	return 0;
}
