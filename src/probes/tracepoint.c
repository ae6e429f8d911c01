/*
 * tracepoint: events with a format in tracefs. Each target is one perf event. Many in one probe become raw
 * tracepoints instead where they can: all system calls one, other events one each, since perf events are detached one
 * after the other, each taking tens of milliseconds.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lookup/lookup.h"
#include "parser/resolve.h"
#include "probes/bpfsys.h"
#include "probes/modes.h"
#include "probes/probes.h"
#include "probes/point.h"
#include "probes/rawsys.h"
#include "probes/regs.h"
#include "run/run.h"

#define PREFIX		   "tracepoint:"
#define ENTER		   "sys_enter_"
#define EXIT		   "sys_exit_"
#define RAW_MIN		   5 /* targets of a kind in one probe from which raw tracepoints are cheaper */
#define RAW_SYSCALL_TARGET 1 /* target->offset: the program runs at a raw tracepoint */

static bool has_prefix(const char *text, const char *prefix)
{
	return !strncmp(text, prefix, strlen(prefix));
}

/* --- attach points to targets --- */

static void tracepoint_add(struct resolve *resolve, const char *category, const char *event)
{
	const char *name = arena_printf(resolve->arena, PREFIX "%s:%s", category, event);
	struct target *target = point_target(resolve, name, strrchr(name, ':') + 1);

	target->is_enter = !strcmp(category, "syscalls") && has_prefix(event, ENTER);
}

/* The category is not kept by itself: it stands in the name. */
static const char *category_of(struct arena *arena, const struct target *target)
{
	const char *category = target->name + strlen(PREFIX);

	return arena_strndup(arena, category, (size_t)(target->func - 1 - category));
}

static const struct tracepoint *tracepoint_of(struct resolve *resolve, const struct target *target)
{
	return lookup_tracepoint(resolve->lookup, category_of(resolve->arena, target),
				 target->func);
}

struct walk {
	struct resolve *resolve;
	const struct spec *spec;
	size_t n;
	struct nearest category, event;
	const char *elsewhere; /* category of an event of exactly that name */
};

/* The events of category "ftrace" describe records of ftrace itself and cannot be attached to. */
static void walk_add(void *arg, const char *category, const char *event)
{
	struct walk *walk = arg;

	if (glob_is(walk->spec->part[0]) && !strcmp(category, "ftrace"))
		return;
	tracepoint_add(walk->resolve, category, event);
	walk->n++;
}

/* Candidates are borrowed for this call only, so they are copied. */
static void walk_near(void *arg, const char *category, const char *event)
{
	struct walk *walk = arg;
	struct arena *arena = walk->resolve->arena;

	if (!strcmp(event, walk->spec->part[1]))
		walk->elsewhere = arena_strdup(arena, category);
	if (!strcmp(category, walk->spec->part[0])) {
		walk->n++;
		nearest_try(&walk->event, arena_strdup(arena, event));
	}
	nearest_try(&walk->category, arena_strdup(arena, category));
}

static bool tracepoint_unknown(struct resolve *resolve, const struct spec *spec)
{
	const char *category = spec->part[0], *event = spec->part[1];
	struct walk walk = { .resolve = resolve, .spec = spec };

	nearest_init(&walk.category, category);
	nearest_init(&walk.event, event);
	lookup_each_tracepoint(resolve->lookup, "*", "*", walk_near, &walk);
	if (glob_is(category) || glob_is(event))
		resolve_error(resolve, -1, "no tracepoint matches %s:%s", category, event);
	else if (!walk.n)
		resolve_error(resolve, 0, "this kernel has no tracepoint category '%s'", category);
	else
		resolve_error(resolve, 1, "this kernel has no tracepoint %s:%s", category, event);
	if (walk.n && walk.event.best)
		point_hint(resolve, &walk.event,
			   arena_printf(resolve->arena, PREFIX "%s:", category));
	else if (walk.elsewhere)
		resolve_hint(resolve, "did you mean '" PREFIX "%s:%s'?", walk.elsewhere, event);
	else if (!walk.n && walk.category.best)
		point_hint(resolve, &walk.category, PREFIX);
	else
		resolve_hint(resolve, "jbtrace -l '" PREFIX "%s:*' lists them",
			     walk.n ? category : "*");
	return false;
}

static bool tracepoint_expand(struct resolve *resolve, const struct spec *spec)
{
	struct walk walk = { .resolve = resolve, .spec = spec };

	if (spec->n_parts != 2 || !*spec->part[0] || !*spec->part[1]) {
		resolve_error(resolve, -1, "tracepoint takes a category and an event");
		resolve_hint(resolve, "for example tracepoint:sched:sched_switch");
		return false;
	}
	if (!lookup_tracefs(resolve->lookup)) {
		resolve_error(resolve, -1, "%s", lookup_error(resolve->lookup));
		return false;
	}
	lookup_each_tracepoint(resolve->lookup, spec->part[0], spec->part[1], walk_add, &walk);
	return walk.n || tracepoint_unknown(resolve, spec);
}

static bool is_sys_exit(const struct target *target)
{
	return has_prefix(target->name, PREFIX "syscalls:" EXIT);
}

/* All sys_exit events have one shape, number and result. Under one type they can share one program. */
static const struct type *tracepoint_args(struct resolve *resolve, const struct target *target)
{
	const struct tracepoint *tracepoint = NULL;

	if (is_sys_exit(target))
		tracepoint = lookup_tracepoint(resolve->lookup, "syscalls", EXIT "read");
	if (!tracepoint)
		tracepoint = tracepoint_of(resolve, target);
	return tracepoint ? tracepoint->args : NULL;
}

/* At the raw tracepoint sys_exit the result is argument 1 and the number is in the registers. */
static struct ctx_item tracepoint_field(const struct target *target, const struct type *args,
					const struct field *field)
{
	struct ctx_item item = {
		.kind = CTX_LOAD,
		.offset = field->offset,
		.size = field->type->size,
		.is_signed = type_is_signed(field->type),
	};

	(void)args;
	if (target->offset != RAW_SYSCALL_TARGET)
		return item;
	if (!strcmp(field->name, "ret"))
		return (struct ctx_item){
			.kind = CTX_RAW_ARG, .size = 8, .index = 1, .is_signed = true
		};
	item.kind = CTX_SYS_REGS;
	item.offset = regs_host()->syscall_number;
	return item;
}

/* --- targets to programs --- */

enum group { GROUP_PERF, GROUP_ENTER, GROUP_EXIT, GROUP_EVENT, GROUPS };

static bool is_not_kstack(struct node *node, void *arg)
{
	(void)arg;
	return !node->builtin || strcmp(node->builtin->name, "kstack");
}

/*
 * May the events' raw tracepoints be used? Not for what is in the record; not for kernel stacks, which would begin with
 * frames of the tracer there; and `probe` takes cookies (Linux 6.10).
 */
static bool may_be_raw(struct resolve *resolve, const struct instance *instance)
{
	if (instance->uses_args || !ast_walk(instance->body, is_not_kstack, NULL) ||
	    (instance->predicate && !ast_walk(instance->predicate, is_not_kstack, NULL)))
		return false;
	return !instance->uses_probe || lookup_feature(resolve->lookup, FEATURE_RAW_TP_COOKIE);
}

/* Modules' events are not in the kernel's BTF, and stay perf events. */
static bool has_raw_event(struct resolve *resolve, const struct target *target)
{
	return !has_prefix(target->name, PREFIX "syscalls:") &&
	       lookup_raw_tracepoint(resolve->lookup, target->func);
}

static enum group group_of(struct resolve *resolve, const struct instance *instance,
			   struct target *target, bool raw)
{
	const char *prefix = target->is_enter ? ENTER : EXIT;

	if (raw && has_raw_event(resolve, target))
		return GROUP_EVENT;
	if (target->is_enter ? instance->uses_args : !is_sys_exit(target))
		return GROUP_PERF;
	target->number = lookup_syscall_number(resolve->lookup, target->func + strlen(prefix));
	if (target->number < 0)
		return GROUP_PERF;
	return target->is_enter ? GROUP_ENTER : GROUP_EXIT;
}

static bool plan_perf(struct resolve *resolve, struct instance *instance)
{
	struct target **t;

	instance->section = "tp";
	instance->mode = PROBE_MODE_DEFAULT;
	vec_each (t, &instance->targets) {
		const struct tracepoint *tracepoint = tracepoint_of(resolve, *t);

		if (!tracepoint) {
			diag_error(resolve->diags, (*t)->span, "%s", lookup_error(resolve->lookup));
			return false;
		}
		(*t)->number = tracepoint->id;
	}
	return true;
}

static bool plan_group(struct resolve *resolve, struct instance *instance, enum group group)
{
	struct target **t;

	if (group == GROUP_PERF)
		return plan_perf(resolve, instance);
	instance->section = "raw_tp";
	instance->mode = PROBE_MODE_RAW_EVENTS;
	if (group == GROUP_EVENT)
		return true;
	instance->mode = PROBE_MODE_RAW_SYSCALL;
	vec_each (t, &instance->targets)
		(*t)->offset = RAW_SYSCALL_TARGET;
	return true;
}

/*
 * Targets that need programs of different kinds (sys_enter, sys_exit, raw, perf events) are sorted, the first
 * kind stays here and each other one gets an instance of its own.
 */
static bool tracepoint_plan(struct resolve *resolve, struct instance *instance)
{
	VEC(struct target *) list[GROUPS] = { 0 };
	struct target **t, **next = instance->targets.data;
	size_t bound[GROUPS];
	bool raw;

	if (instance->targets.n < RAW_MIN)
		return plan_perf(resolve, instance);
	raw = may_be_raw(resolve, instance);
	vec_each (t, &instance->targets) {
		enum group g = group_of(resolve, instance, *t, raw);

		vec_push(resolve->arena, &list[g], *t);
	}
	for (enum group g = GROUP_ENTER; g < GROUPS; g++) {
		if (list[g].n >= RAW_MIN)
			continue;
		vec_each (t, &list[g])
			vec_push(resolve->arena, &list[GROUP_PERF], *t);
		list[g].n = 0;
	}
	for (enum group g = 0; g < GROUPS; g++) {
		vec_each (t, &list[g])
			*next++ = *t;
		bound[g] = (size_t)(next - instance->targets.data);
	}
	for (int g = GROUPS - 1; g >= 0; g--) {
		size_t from = bound[g] - list[g].n;
		struct instance *own = instance;

		if (!list[g].n)
			continue;
		if (from)
			own = instance_split(resolve, instance, from);
		if (!plan_group(resolve, own, (enum group)g))
			return false;
	}
	return true;
}

/* --- attaching --- */

static int attach_event(const struct target *target, int prog_fd)
{
	int fd = bpfsys_event_tracepoint((int)target->number);

	return fd < 0 ? fd : bpfsys_link_event(prog_fd, fd, target->id);
}

static int attach_one(struct run *run, const struct plan_probe *probe, const struct target *target,
		      int prog_fd)
{
	int fd = probe->mode == PROBE_MODE_RAW_EVENTS
			 ? bpfsys_raw_tracepoint(prog_fd, target->func, target->id)
			 : attach_event(target, prog_fd);

	if (fd < 0) {
		run_error(run, target->span, "cannot attach %s: %s", target->name,
			  fd == -EMFILE ? "too many open files (see ulimit -n)" : strerror(-fd));
		return fd;
	}
	run_add_link(run, fd);
	return 0;
}

static int tracepoint_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	int err = 0;

	if (probe->mode == PROBE_MODE_RAW_SYSCALL)
		return rawsys_attach(run, probe, prog_fd,
				     probe->targets[0]->is_enter ? "sys_enter" : "sys_exit");
	bpfsys_make_room(probe->n_targets);
	for (unsigned i = 0; i < probe->n_targets && !err; i++)
		err = run_interrupted(run) ? -EINTR
					   : attach_one(run, probe, probe->targets[i], prog_fd);
	return err;
}

/* --- listing --- */

struct listing {
	struct lookup *lookup;
	const char *pattern;
	void (*emit)(void *, const char *, const struct type *);
	void *arg;
	struct buf line;
};

static void list_one(void *arg, const char *category, const char *event)
{
	struct listing *listing = arg;
	const struct tracepoint *tracepoint;

	buf_reset(&listing->line);
	buf_printf(&listing->line, PREFIX "%s:%s", category, event);
	if (!glob_match(listing->pattern, listing->line.data + strlen(PREFIX)))
		return;
	tracepoint = lookup_tracepoint(listing->lookup, category, event);
	listing->emit(listing->arg, listing->line.data, tracepoint ? tracepoint->args : NULL);
}

static void tracepoint_list(struct lookup *lookup, const char *pattern,
			    void (*emit)(void *, const char *, const struct type *), void *arg)
{
	struct listing listing = { .lookup = lookup, .pattern = pattern, .emit = emit, .arg = arg };
	const char *colon = strchr(pattern, ':');
	char *category = colon ? strndup(pattern, (size_t)(colon - pattern)) : NULL;

	lookup_each_tracepoint(lookup, category ? category : "*", "*", list_one, &listing);
	free(category);
	buf_fini(&listing.line);
}

/* clang-format off */
const struct provider providers_tracepoint[] = {
	{ .name = "tracepoint", .alias = "t", .syntax = "tracepoint:CATEGORY:EVENT",
	  .doc = "kernel event with named arguments: args.NAME", .flags = PROVIDER_FILTERED,
	  .expand = tracepoint_expand, .args = tracepoint_args, .args_field = tracepoint_field,
	  .plan = tracepoint_plan, .attach = tracepoint_attach,
	  .list = tracepoint_list },
	{ 0 },
};
/* clang-format on */
