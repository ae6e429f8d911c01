/*
 * span: one firing per completed call, of a user function or of a system call; functions of the kernel are handed on. User functions are hooked at both
 * ends, by a session where the kernel has it; system calls by the raw tracepoints that see all of them. How an entry
 * finds its return is codegen's and the runtime's business.
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lookup/lookup.h"
#include "parser/resolve.h"
#include "probes/bpfsys.h"
#include "probes/kernfunc.h"
#include "probes/modes.h"
#include "probes/probes.h"
#include "probes/regs.h"
#include "probes/point.h"
#include "probes/rawsys.h"
#include "probes/userargs.h"
#include "probes/userfunc.h"

#define PREFIX	     "span:syscall:"
#define SYSCALLS_END 1024 /* above every number of the tables that exist */
#define ROLE_ENTRY   1

/* A user function has a file; a system call has none. */
static bool is_syscall(const struct target *target)
{
	return !target->path;
}

/* --- attach points --- */

/* These do not come back, or not with their own number, so nothing would ever fire. */
static bool never_returns(const char *name)
{
	return !strcmp(name, "exit") || !strcmp(name, "exit_group") ||
	       !strcmp(name, "rt_sigreturn");
}

static void syscall_add(struct resolve *resolve, const char *name, int number)
{
	const char *full = arena_printf(resolve->arena, PREFIX "%s", name);

	point_target(resolve, full, full + strlen(PREFIX))->number = number;
}

static bool syscall_unknown(struct resolve *resolve, const char *name)
{
	struct nearest nearest;

	nearest_init(&nearest, name);
	for (int i = 0; i < SYSCALLS_END; i++) {
		const char *known = lookup_syscall_name(resolve->lookup, i);

		if (known)
			nearest_try(&nearest, known);
	}
	resolve_error(resolve, 1, "no system call %s '%s'", glob_is(name) ? "matches" : "is called",
		      name);
	if (glob_is(name) || !nearest.best)
		resolve_hint(resolve, "jbtrace -l '" PREFIX "*' lists them");
	else
		point_hint(resolve, &nearest, PREFIX);
	return false;
}

/* A call may have two names, its own and its tracepoint's ("fstat", "newfstat"): the one that is written is kept. */
static bool syscall_one(struct resolve *resolve, const char *name)
{
	int number = lookup_syscall_number(resolve->lookup, name);

	if (number < 0)
		return syscall_unknown(resolve, name);
	if (never_returns(name)) {
		resolve_error(resolve, 1, "%s does not return, so it has no span", name);
		return false;
	}
	syscall_add(resolve, name, number);
	return true;
}

static bool syscall_expand(struct resolve *resolve, const struct spec *spec)
{
	const char *pattern = spec->part[1];
	size_t n = 0;

	if (!glob_is(pattern))
		return syscall_one(resolve, pattern);
	for (int i = 0; i < SYSCALLS_END; i++) {
		const char *name = lookup_syscall_name(resolve->lookup, i);

		if (!name || !glob_match(pattern, name) || never_returns(name))
			continue;
		syscall_add(resolve, name, i);
		n++;
	}
	return n || syscall_unknown(resolve, pattern);
}

/* FUNCTION alone, unless it is one of the process that -p gives; vmlinux or a loaded module in the place of a file. */
static bool names_kernel(const struct spec *spec)
{
	char path[128];

	if (spec->n_parts == 1)
		return !spec->pid;
	if (spec->n_parts != 2 || strchr(spec->part[0], '/') || !*spec->part[0])
		return false;
	if (kernfunc_is_vmlinux(spec->part[0]))
		return true;
	snprintf(path, sizeof(path), "/sys/module/%s/initstate", spec->part[0]);
	return access(path, F_OK) == 0;
}

static bool span_expand(struct resolve *resolve, const struct spec *spec)
{
	if (spec->n_parts == 2 && !strcmp(spec->part[0], "syscall"))
		return syscall_expand(resolve, spec);
	if (names_kernel(spec))
		return kernspan_expand(resolve, spec);
	return userfunc_expand(resolve, spec, USERFUNC_RETURN);
}

/* --- what a program can read --- */

static const struct type *span_args(struct resolve *resolve, const struct target *target)
{
	const struct tracepoint *tracepoint;
	const char *event;

	if (!is_syscall(target))
		return userargs_type(resolve, target);
	event = arena_printf(resolve->arena, "sys_enter_%s",
			     lookup_syscall_name(resolve->lookup, (int)target->number));
	tracepoint = lookup_tracepoint(resolve->lookup, "syscalls", event);
	return tracepoint ? tracepoint->args : NULL;
}

static struct ctx_item span_arg(const struct target *target, int n, const struct type **type)
{
	*type = NULL;
	if (is_syscall(target)) {
		if (n >= 0)
			return regs_syscall_arg((unsigned)n);
		*type = type_i64();
		return (struct ctx_item){
			.kind = CTX_RAW_ARG, .size = 8, .index = 1, .is_signed = true
		};
	}
	if (n < 0)
		return regs_result();
	if (n >= REGS_ARGS)
		return (struct ctx_item){ .kind = CTX_NONE };
	return (struct ctx_item){ .kind = CTX_SAVED, .size = 8, .index = (unsigned)n };
}

/* The record of sys_enter_NAME: the number of the call, then its arguments, each in 8 bytes. */
static struct ctx_item span_args_field(const struct target *target, const struct type *args,
				       const struct field *field)
{
	uint32_t first = args->n_fields ? args->fields[0].offset : 0;
	struct ctx_item item;

	if (!is_syscall(target))
		return userargs_saved_field(target, args, field);
	if (field->offset <= first)
		item = (struct ctx_item){ .kind = CTX_SYS_REGS,
					  .offset = regs_host()->syscall_number };
	else
		item = regs_syscall_arg((field->offset - first) / 8 - 1);
	item.size = field->type->size < 8 ? field->type->size : 8;
	item.is_signed = type_is_signed(field->type);
	return item;
}

/* --- strategy --- */

static void plan_syscall(struct instance *instance)
{
	instance->section = "raw_tp";
	instance->mode = PROBE_MODE_RAW_SYSCALL;
	instance->span_mode = SPAN_SYSCALL;
}

static void plan_user(struct resolve *resolve, struct instance *instance)
{
	bool multi = lookup_feature(resolve->lookup, FEATURE_UPROBE_MULTI);

	if (lookup_feature(resolve->lookup, FEATURE_UPROBE_SESSION)) {
		instance->section = "uprobe";
		instance->mode = PROBE_MODE_UPROBE_MULTI;
		instance->attach_type = JB_TRACE_UPROBE_SESSION;
		instance->span_mode = SPAN_SESSION;
		return;
	}
	instance->section = "uretprobe";
	instance->mode = multi ? PROBE_MODE_UPROBE_MULTI : PROBE_MODE_UPROBE_PERF;
	instance->attach_type = multi ? JB_TRACE_UPROBE_MULTI : 0;
	instance->span_mode = SPAN_PAIR;
}

static bool span_plan(struct resolve *resolve, struct instance *instance)
{
	if (is_syscall(instance->targets.data[0])) {
		plan_syscall(instance);
		return true;
	}
	plan_user(resolve, instance);
	return true;
}

static int span_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	struct userlink how = { .mode = probe->mode, .attach_type = probe->attach_type };
	bool entry = probe->role == ROLE_ENTRY;

	if (probe->mode == PROBE_MODE_RAW_SYSCALL)
		return rawsys_attach(run, probe, prog_fd, entry ? "sys_enter" : "sys_exit");
	if (!entry && probe->attach_type != JB_TRACE_UPROBE_SESSION)
		how.flags = UPROBE_RETURN;
	return userlink_attach(run, probe, prog_fd, &how);
}

/* --- listing --- */

static void list_syscalls(struct lookup *lookup, const char *pattern,
			  void (*emit)(void *, const char *, const struct type *), void *arg)
{
	struct buf line = { 0 };

	for (int i = 0; i < SYSCALLS_END; i++) {
		const char *name = lookup_syscall_name(lookup, i);
		const struct tracepoint *tracepoint;

		if (!name || never_returns(name))
			continue;
		buf_reset(&line);
		buf_printf(&line, PREFIX "%s", name);
		if (!glob_match(pattern, line.data + strlen("span:")))
			continue;
		tracepoint =
			lookup_tracepoint(lookup, "syscalls",
					  arena_printf(lookup_arena(lookup), "sys_enter_%s", name));
		emit(arg, line.data, tracepoint ? tracepoint->args : NULL);
	}
	buf_fini(&line);
}

static void span_list(struct lookup *lookup, const char *pattern,
		      void (*emit)(void *, const char *, const struct type *), void *arg)
{
	list_syscalls(lookup, pattern, emit, arg);
	if (strncmp(pattern, "syscall:", strlen("syscall:")))
		userfunc_list(lookup, "span", pattern, emit, arg);
}

/* clang-format off */
const struct provider providers_span[] = {
	{ .name = "span", .syntax = "span:FILE:FUNCTION, span:[MODULE:]FUNCTION or span:syscall:NAME",
	  .doc = "completed call: arguments at its entry, retval and duration (ns) at its return",
	  .flags = PROVIDER_USER | PROVIDER_FILTERED | PROVIDER_FUNCTION | PROVIDER_SPAN,
	  .expand = span_expand, .args = span_args, .arg = span_arg, .args_field = span_args_field,
	  .plan = span_plan, .attach = span_attach, .list = span_list },
	{ 0 },
};
/* clang-format on */
