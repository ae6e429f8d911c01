#ifndef JB_RUN_EXPORT_H
#define JB_RUN_EXPORT_H
/*
 * Maps of running scripts as metrics. An exporter lives as long as the session and remembers what makes counters
 * monotonic: what scripts have cleared or deleted, what scripts that were restarted had counted.
 */
#include "out/metrics.h"
#include "run/run.h"

struct exporter;

struct export_options {
	unsigned
		max_series; /* per family; what is beyond is summed up in one series whose labels are all "_other" */
	uint64_t
		expire_ns; /* a series with the label pid or tid of a process that is gone is dropped after this time */
};

struct exporter *exporter_new(const struct export_options *options);
void exporter_free(struct exporter *exporter);
/*
 * `name` is the script's. The run must be removed before it is closed. Then its series are gone, jbtrace_script_up is 0,
 * and what it had counted waits for a script of this name to be added again.
 */
void exporter_add(struct exporter *exporter, const char *name, struct run *run);
void exporter_remove(struct exporter *exporter, struct run *run);
/* As exporter_remove, but what was read last stays in the export, until a script of this name is added again. */
void exporter_end(struct exporter *exporter, struct run *run);
/* It was removed and is not missed: no jbtrace_script_up any more. */
void exporter_forget(struct exporter *exporter, const char *name);
/* A script that does not run: jbtrace_script_up{script} 0. */
void exporter_add_failed(struct exporter *exporter, const char *name);
/*
 * All families into `set`: those of the scripts, then jbtrace's own. 0 or -errno when a map could not be read (the rest is
 * there nevertheless).
 */
int exporter_collect(struct exporter *exporter, struct metrics *set);

#endif
