/*
 * uprobe and uretprobe: entry and return of functions in programs and libraries. The attach points are read in
 * userfunc.c, the links made in userlink.c; here is what the two rows say about context and strategy.
 */
#include "lookup/lookup.h"
#include "parser/resolve.h"
#include "probes/bpfsys.h"
#include "probes/modes.h"
#include "probes/probes.h"
#include "probes/regs.h"
#include "probes/userargs.h"
#include "probes/userfunc.h"

static bool uprobe_expand(struct resolve *resolve, const struct spec *spec)
{
	return userfunc_expand(resolve, spec, 0);
}

static bool uretprobe_expand(struct resolve *resolve, const struct spec *spec)
{
	return userfunc_expand(resolve, spec, USERFUNC_RETURN);
}

static struct ctx_item uprobe_arg(const struct target *target, int n, const struct type **type)
{
	(void)target;
	*type = NULL;
	return n < 0 ? (struct ctx_item){ .kind = CTX_NONE } : regs_arg((unsigned)n);
}

/* The argument registers may hold anything at the return. */
static struct ctx_item uretprobe_arg(const struct target *target, int n, const struct type **type)
{
	(void)target;
	*type = NULL;
	return n < 0 ? regs_result() : (struct ctx_item){ .kind = CTX_NONE };
}

static bool plan_section(struct resolve *resolve, struct instance *instance, const char *section)
{
	bool multi = lookup_feature(resolve->lookup, FEATURE_UPROBE_MULTI);

	instance->section = section;
	instance->mode = multi ? PROBE_MODE_UPROBE_MULTI : PROBE_MODE_UPROBE_PERF;
	instance->attach_type = multi ? JB_TRACE_UPROBE_MULTI : 0;
	return true;
}

static bool uprobe_plan(struct resolve *resolve, struct instance *instance)
{
	return plan_section(resolve, instance, "uprobe");
}

static bool uretprobe_plan(struct resolve *resolve, struct instance *instance)
{
	return plan_section(resolve, instance, "uretprobe");
}

static int uprobe_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	struct userlink how = { .mode = probe->mode, .attach_type = JB_TRACE_UPROBE_MULTI };

	return userlink_attach(run, probe, prog_fd, &how);
}

static int uretprobe_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	struct userlink how = {
		.mode = probe->mode,
		.attach_type = JB_TRACE_UPROBE_MULTI,
		.flags = UPROBE_RETURN,
	};

	return userlink_attach(run, probe, prog_fd, &how);
}

static void uprobe_list(struct lookup *lookup, const char *pattern,
			void (*emit)(void *, const char *, const struct type *), void *arg)
{
	userfunc_list(lookup, "uprobe", pattern, emit, arg);
}

static void uretprobe_list(struct lookup *lookup, const char *pattern,
			   void (*emit)(void *, const char *, const struct type *), void *arg)
{
	userfunc_list(lookup, "uretprobe", pattern, emit, arg);
}

/* clang-format off */
const struct provider providers_uprobe[] = {
	{ .name = "uprobe", .alias = "u",
	  .syntax = "uprobe:FILE:FUNCTION[+OFFSET], uprobe:FILE:ADDRESS, uprobe:FILE:cpp:\"NAME\"",
	  .doc = "entry of a function in a program or library: argN, args.NAME",
	  .flags = PROVIDER_USER | PROVIDER_FILTERED | PROVIDER_FUNCTION,
	  .expand = uprobe_expand, .args = userargs_type, .arg = uprobe_arg,
	  .args_field = userargs_entry_field, .plan = uprobe_plan, .attach = uprobe_attach,
	  .list = uprobe_list },
	{ .name = "uretprobe", .alias = "ur", .syntax = "uretprobe:FILE:FUNCTION, uretprobe:FILE:cpp:\"NAME\"",
	  .doc = "return of a function in a program or library: retval",
	  .flags = PROVIDER_USER | PROVIDER_FILTERED | PROVIDER_FUNCTION,
	  .expand = uretprobe_expand, .arg = uretprobe_arg, .plan = uretprobe_plan, .attach = uretprobe_attach,
	  .list = uretprobe_list },
	{ 0 },
};
/* clang-format on */
