/*
 * self: what is done to jbtrace itself. The one form there is runs its body when the signal SIGUSR1 comes; the run half
 * starts it then, so nothing is attached here.
 */
#include <string.h>

#include "probes/modes.h"
#include "probes/point.h"
#include "probes/probes.h"

static bool self_expand(struct resolve *resolve, const struct spec *spec)
{
	int part = spec->n_parts && !strcmp(spec->part[0], "signal") ? 1 : 0;

	if (spec->n_parts == 2 && part == 1 && !strcmp(spec->part[1], "SIGUSR1")) {
		point_target(resolve, arena_strdup(resolve->arena, spec->text), NULL);
		return true;
	}
	if (spec->n_parts == 2 && part == 1)
		resolve_error(resolve, 1, "a self probe cannot run at '%s', only at SIGUSR1",
			      spec->part[1]);
	else
		resolve_error(resolve, spec->n_parts ? part : -1,
			      "the only self probe is self:signal:SIGUSR1");
	return false;
}

static bool self_plan(struct resolve *resolve, struct instance *instance)
{
	(void)resolve;
	instance->section = "raw_tp";
	instance->mode = PROBE_MODE_DEFAULT;
	return true;
}

static int self_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	(void)run;
	(void)probe;
	(void)prog_fd;
	return 0;
}

static void self_list(struct lookup *lookup, const char *pattern,
		      void (*emit)(void *, const char *, const struct type *), void *arg)
{
	(void)lookup;
	if (glob_match(pattern, "signal:SIGUSR1"))
		emit(arg, "self:signal:SIGUSR1", NULL);
}

/* clang-format off */
const struct provider providers_self[] = {
	{ .name = "self", .syntax = "self:signal:SIGUSR1", .doc = "whenever jbtrace gets the signal",
	  .flags = PROVIDER_SIGNAL, .expand = self_expand, .plan = self_plan, .attach = self_attach,
	  .list = self_list },
	{ 0 },
};
/* clang-format on */
