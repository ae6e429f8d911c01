#ifndef JB_PROBES_MODES_H
#define JB_PROBES_MODES_H
/*
 * How a probe is attached: the values of instance->mode and plan_probe->mode. Providers choose one in plan(),
 * their attach() acts on it; codegen only asks whether it is
 * PROBE_MODE_RAW_SYSCALL or PROBE_MODE_ITER_FILE.
 */
enum probe_mode {
	PROBE_MODE_DEFAULT = 0, /* the provider has one way only */
	PROBE_MODE_RAW_SYSCALL =
		1, /* one raw tracepoint sys_enter or sys_exit for all targets; target->number */
	PROBE_MODE_UPROBE_MULTI = 2, /* one link for all functions of a file (Linux 6.6) */
	PROBE_MODE_UPROBE_PERF = 3,  /* one perf event per function */
	PROBE_MODE_KPROBE_MULTI = 5, /* one link for all functions (Linux 5.18, CONFIG_FPROBE) */
	PROBE_MODE_KPROBE_PERF = 6,  /* one perf event per function */
	PROBE_MODE_FENTRY = 7,	     /* one program and one trampoline per function */
	PROBE_MODE_RAW_EVENTS = 4, /* the raw tracepoint of each event, whose record is not read */
	PROBE_MODE_ITER_FILE = 5,  /* a pinned iterator: printf writes the text of its file */
};

#endif
