#ifndef JB_PROBES_RAWSYS_H
#define JB_PROBES_RAWSYS_H
/*
 * System calls through the two raw tracepoints that see all of them, sys_enter and sys_exit: one program and one link for
 * any number of targets (PROBE_MODE_RAW_SYSCALL). The program itself looks the number up.
 */
#include "model/plan.h"
#include "run/run.h"

int rawsys_attach(struct run *run, const struct plan_probe *probe, int prog_fd,
		  const char *raw_tracepoint);

#endif
