#ifndef JB_LOOKUP_FILTER_H
#define JB_LOOKUP_FILTER_H
/*
 * The words of process filters to what the kernel compares: a user's name to its number, a path to the id of a cgroup,
 * a process to its pid namespace. What does not exist now is an error, so that a slip is not a silent empty result.
 */
#include "model/plan.h"

/*
 * What `value` means for a filter of this kind, into `filter` (text in the arena). 0, or -EINVAL (it cannot be such a
 * value), -ESRCH, -ENOENT (there is none), -ENOTSUP (not on this machine) with one sentence in `why`.
 */
int filter_read(struct arena *arena, enum filter_kind kind, const char *value,
		struct plan_filter *filter, char *why, size_t room);

#endif
