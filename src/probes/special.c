/*
 * begin and end: programs that run once, before the others are attached and after they are detached. The run
 * half starts them itself, so nothing is attached here.
 */
#include "parser/resolve.h"
#include "probes/modes.h"
#include "probes/probes.h"
#include "probes/point.h"

static bool special_expand(struct resolve *resolve, const struct spec *spec)
{
	if (spec->n_parts) {
		resolve_error(resolve, 0, "nothing may follow '%s'", spec->provider->name);
		return false;
	}
	point_target(resolve, spec->provider->name, NULL);
	return true;
}

static bool special_plan(struct resolve *resolve, struct instance *instance)
{
	(void)resolve;
	instance->section = "raw_tp";
	instance->mode = PROBE_MODE_DEFAULT;
	return true;
}

static int special_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	(void)run;
	(void)probe;
	(void)prog_fd;
	return 0;
}

static void list_one(const char *name, const char *pattern,
		     void (*emit)(void *, const char *, const struct type *), void *arg)
{
	if (glob_match(pattern, ""))
		emit(arg, name, NULL);
}

static void begin_list(struct lookup *lookup, const char *pattern,
		       void (*emit)(void *, const char *, const struct type *), void *arg)
{
	(void)lookup;
	list_one("begin", pattern, emit, arg);
}

static void end_list(struct lookup *lookup, const char *pattern,
		     void (*emit)(void *, const char *, const struct type *), void *arg)
{
	(void)lookup;
	list_one("end", pattern, emit, arg);
}

/* clang-format off */
const struct provider providers_special[] = {
	{ .name = "begin", .syntax = "begin", .doc = "once, before the other probes are attached",
	  .flags = PROVIDER_SPECIAL, .expand = special_expand, .plan = special_plan,
	  .attach = special_attach, .list = begin_list },
	{ .name = "end", .syntax = "end", .doc = "once, after the other probes are detached",
	  .flags = PROVIDER_SPECIAL, .expand = special_expand, .plan = special_plan,
	  .attach = special_attach, .list = end_list },
	{ 0 },
};
/* clang-format on */
