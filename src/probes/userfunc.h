#ifndef JB_PROBES_USERFUNC_H
#define JB_PROBES_USERFUNC_H
/* Functions of programs and libraries as targets: found in userfunc.c, attached to in userlink.c. */
#include "parser/resolve.h"
#include "run/run.h"

enum userfunc_flags {
	USERFUNC_RETURN = 1, /* the return is traced: only whole functions will do */
};

/* target->number of one of those that a pattern found: it may be left out where the kernel refuses it. */
#define USERFUNC_ANY 1

/*
 * Expand FILE:FUNCTION, FILE:FUNCTION+OFFSET, FILE:ADDRESS, FILE:cpp:"NAME" (globs in file and name), or FUNCTION
 * alone with -p. false after a diagnostic.
 */
bool userfunc_expand(struct resolve *resolve, const struct spec *spec, unsigned flags);
/* -l: functions of the files that `FILE:FUNCTION` names; nothing when the file is not given. */
void userfunc_list(struct lookup *lookup, const char *provider, const char *pattern,
		   void (*emit)(void *, const char *, const struct type *), void *arg);

/* How a program is attached to functions: the attach type of a multi link, or a perf event for each. */
struct userlink {
	uint32_t mode;	      /* PROBE_MODE_UPROBE_MULTI or PROBE_MODE_UPROBE_PERF */
	uint32_t attach_type; /* multi only */
	unsigned flags;	      /* enum uprobe_flags */
};
int userlink_attach(struct run *run, const struct plan_probe *probe, int prog_fd,
		    const struct userlink *how);

/*
 * Does an instruction begin `distance` bytes after the function's start at `offset` in the file? 1 yes, 0 no,
 * -errno when that cannot be told.
 */
int userfunc_boundary(const char *path, uint64_t offset, uint64_t distance);

#endif
