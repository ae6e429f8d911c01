/*
 * rawtracepoint: a kernel event's own arguments, before the trace record is made from them. Their types come from
 * kernel BTF. Names are those of the events in the source, which are not always those of tracefs.
 */
#include <errno.h>
#include <string.h>

#include "lookup/lookup.h"
#include "parser/resolve.h"
#include "probes/bpfsys.h"
#include "probes/modes.h"
#include "probes/probes.h"
#include "probes/point.h"
#include "run/run.h"

#define PREFIX	 "rawtracepoint:"
#define MAX_ARGS 12 /* the kernel's own limit for a raw tracepoint */

static void raw_add(struct resolve *resolve, const char *event)
{
	const char *name = arena_printf(resolve->arena, PREFIX "%s", event);

	point_target(resolve, name, name + strlen(PREFIX));
}

struct walk {
	struct resolve *resolve;
	const char *pattern;
	size_t n;
	struct nearest nearest;
};

static void walk_event(void *arg, const char *event)
{
	struct walk *walk = arg;

	if (glob_match(walk->pattern, event)) {
		raw_add(walk->resolve, event);
		walk->n++;
	} else if (!walk->n) {
		nearest_try(&walk->nearest, arena_strdup(walk->resolve->arena, event));
	}
}

/* The module, if one is named, only documents where the event is from: names are unique. */
static bool raw_expand(struct resolve *resolve, const struct spec *spec)
{
	int part = (int)spec->n_parts - 1;
	struct walk walk = { .resolve = resolve };

	if (part < 0 || part > 1 || !*spec->part[part]) {
		resolve_error(resolve, -1, "rawtracepoint takes the name of an event");
		resolve_hint(resolve, "for example rawtracepoint:sched_switch");
		return false;
	}
	walk.pattern = spec->part[part];
	if (!glob_is(walk.pattern) && lookup_raw_tracepoint(resolve->lookup, walk.pattern)) {
		raw_add(resolve, walk.pattern);
		return true;
	}
	if (!lookup_has_btf(resolve->lookup) && !glob_is(walk.pattern)) {
		raw_add(resolve, walk.pattern); /* nothing to compare with: attaching will tell */
		return true;
	}
	nearest_init(&walk.nearest, walk.pattern);
	lookup_each_raw_tracepoint(resolve->lookup, walk_event, &walk);
	if (walk.n)
		return true;
	resolve_error(resolve, part, "this kernel has no raw tracepoint '%s'", walk.pattern);
	if (walk.nearest.best)
		point_hint(resolve, &walk.nearest, PREFIX);
	else
		resolve_hint(resolve, "jbtrace -l '" PREFIX "*' lists them");
	return false;
}

static const struct type *raw_args(struct resolve *resolve, const struct target *target)
{
	return lookup_raw_tracepoint(resolve->lookup, target->func);
}

static struct ctx_item raw_arg(const struct target *target, int n, const struct type **type)
{
	(void)target;
	*type = NULL;
	if (n < 0 || n >= MAX_ARGS)
		return (struct ctx_item){ .kind = CTX_NONE };
	return (struct ctx_item){ .kind = CTX_RAW_ARG, .size = 8, .index = (unsigned)n };
}

static struct ctx_item raw_args_field(const struct target *target, const struct type *args,
				      const struct field *field)
{
	(void)target;
	(void)args;
	return (struct ctx_item){
		.kind = CTX_RAW_ARG,
		.size = field->type->size < 8 ? field->type->size : 8,
		.index = field->offset / 8,
		.is_signed = type_is_signed(field->type),
	};
}

/* Without cookies for raw tracepoints (before Linux 6.10) a program can tell its target only if it has one. */
static bool raw_plan(struct resolve *resolve, struct instance *instance)
{
	instance->section = "raw_tp";
	instance->mode = PROBE_MODE_DEFAULT;
	if (instance->targets.n < 2 || !instance->uses_probe ||
	    lookup_feature(resolve->lookup, FEATURE_RAW_TP_COOKIE))
		return true;
	for (size_t i = instance->targets.n - 1; i > 0; i--)
		instance_split(resolve, instance, i);
	return true;
}

static int raw_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	for (unsigned i = 0; i < probe->n_targets; i++) {
		const struct target *target = probe->targets[i];
		int fd = run_interrupted(run)
				 ? -EINTR
				 : bpfsys_raw_tracepoint(prog_fd, target->func, target->id);

		if (fd == -EINTR)
			return fd;
		if (fd < 0) {
			run_error(run, target->span, "cannot attach %s: %s", target->name,
				  fd == -ENOENT ? "this kernel has no such event" : strerror(-fd));
			return fd;
		}
		run_add_link(run, fd);
	}
	return 0;
}

struct listing {
	struct lookup *lookup;
	const char *pattern;
	void (*emit)(void *, const char *, const struct type *);
	void *arg;
	struct buf line;
};

static void list_one(void *arg, const char *event)
{
	struct listing *listing = arg;

	if (!glob_match(listing->pattern, event))
		return;
	buf_reset(&listing->line);
	buf_printf(&listing->line, PREFIX "%s", event);
	listing->emit(listing->arg, listing->line.data,
		      lookup_raw_tracepoint(listing->lookup, event));
}

static void raw_list(struct lookup *lookup, const char *pattern,
		     void (*emit)(void *, const char *, const struct type *), void *arg)
{
	struct listing listing = { .lookup = lookup, .pattern = pattern, .emit = emit, .arg = arg };

	lookup_each_raw_tracepoint(lookup, list_one, &listing);
	buf_fini(&listing.line);
}

/* clang-format off */
const struct provider providers_rawtracepoint[] = {
	{ .name = "rawtracepoint", .alias = "rt", .syntax = "rawtracepoint:EVENT",
	  .doc = "kernel event with its raw arguments: args.NAME, argN", .flags = PROVIDER_FILTERED,
	  .expand = raw_expand, .args = raw_args, .arg = raw_arg, .args_field = raw_args_field,
	  .plan = raw_plan, .attach = raw_attach, .list = raw_list },
	{ 0 },
};
/* clang-format on */
