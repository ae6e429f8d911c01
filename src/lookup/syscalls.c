/*
 * System calls: numbers and names, by the names that tracepoints use. Tables only, no question to
 * the kernel: the build makes the first from the kernel's headers, and what is newer than those is
 * added here.
 */
#include <errno.h>

#include "lookup/internal.h"

static const char *const names[] = {
#include "lookup/syscall_names.inc"
};

enum { NAMES = sizeof(names) / sizeof(*names) };

struct number {
	int number;
	const char *name;
};

/* Since 5.1 new calls have one number on all architectures; older headers lack the last of them. */
static const struct number newer[] = {
	{ 450, "set_mempolicy_home_node" },
	{ 451, "cachestat" },
	{ 452, "fchmodat2" },
	{ 453, "map_shadow_stack" },
	{ 454, "futex_wake" },
	{ 455, "futex_wait" },
	{ 456, "futex_requeue" },
	{ 457, "statmount" },
	{ 458, "listmount" },
	{ 459, "lsm_get_self_attr" },
	{ 460, "lsm_set_self_attr" },
	{ 461, "lsm_list_modules" },
	{ 462, "mseal" },
	{ 463, "setxattrat" },
	{ 464, "getxattrat" },
	{ 465, "listxattrat" },
	{ 466, "removexattrat" },
	{ 467, "open_tree_attr" },
	{ 468, "file_getattr" },
	{ 469, "file_setattr" },
#ifdef __x86_64__
	{ 335, "uretprobe" },
	{ 336, "uprobe" },
#endif
	{ 0 },
};

/*
 * Tracepoints are called after the kernel's function, which for some calls is not named as the call
 * is.
 */
struct alias {
	const char *call, *tracepoint;
};
static const struct alias aliases[] = {
	{ "stat", "newstat" },
	{ "fstat", "newfstat" },
	{ "lstat", "newlstat" },
	{ "uname", "newuname" },
	{ "sendfile", "sendfile64" },
	{ "umount2", "umount" },
#ifdef __aarch64__
	{ "fstatat", "newfstatat" },
	{ "fadvise64", "fadvise64_64" },
	{ "sync_file_range2", "sync_file_range" },
#endif
	{ 0 },
};

static const char *to_tracepoint(const char *call)
{
	for (const struct alias *alias = aliases; alias->call; alias++)
		if (!strcmp(alias->call, call))
			return alias->tracepoint;
	return call;
}

static const char *to_call(const char *tracepoint)
{
	for (const struct alias *alias = aliases; alias->call; alias++)
		if (!strcmp(alias->tracepoint, tracepoint))
			return alias->call;
	return tracepoint;
}

/* Both names of a call are understood: "newfstat" and "fstat". */
int lookup_syscall_number(struct lookup *lookup, const char *name)
{
	const char *call = to_call(name);

	for (int i = 0; i < NAMES; i++)
		if (names[i] && !strcmp(names[i], call))
			return i;
	for (const struct number *n = newer; n->name; n++)
		if (!strcmp(n->name, call))
			return n->number;
	lookup_fail(lookup, ENOENT, "there is no system call '%s'", name);
	return -1;
}

const char *lookup_syscall_call(int number)
{
	if (number >= 0 && number < NAMES && names[number])
		return names[number];
	for (const struct number *n = newer; n->name; n++)
		if (n->number == number)
			return n->name;
	return NULL;
}

const char *lookup_syscall_name(struct lookup *lookup, int number)
{
	const char *call = lookup_syscall_call(number);

	if (call)
		return to_tracepoint(call);
	lookup_fail(lookup, ENOENT, "there is no system call number %d", number);
	return NULL;
}
