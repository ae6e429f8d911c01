#ifndef JB_PROBES_PERFLINK_H
#define JB_PROBES_PERFLINK_H
/* Programs on perf events that are described by target->own, a struct perf_point. Used by what the kernel counts. */
#include "parser/resolve.h"
#include "probes/bpfsys.h"
#include "run/run.h"

/* A program for each target: an event that a new thread inherits does not know the target's number. */
bool perflink_plan(struct resolve *resolve, struct instance *instance);
/* One event for each CPU. */
int perflink_attach_cpus(struct run *run, const struct plan_probe *probe, int prog_fd);
/* One for each thread of a process; those that it starts from now on inherit it. */
int perflink_attach_process(struct run *run, const struct plan_probe *probe, int prog_fd,
			    pid_t pid);

#endif
