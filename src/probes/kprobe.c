/*
 * kprobe and kretprobe: entry and return of functions of the kernel, with registers as their context. The same programs
 * also serve fentry, fexit and span where kprobes are what the kernel has.
 */
#include "lookup/lookup.h"
#include "parser/resolve.h"
#include "probes/bpfsys.h"
#include "probes/kernfunc.h"
#include "probes/modes.h"
#include "probes/probes.h"
#include "probes/regs.h"

#define ROLE_ENTRY 1

/* --- attach points --- */

static unsigned few(struct resolve *resolve)
{
	return lookup_feature(resolve->lookup, FEATURE_KPROBE_MULTI) ? 0 : KERNFUNC_FEW;
}

/* A kernel without kprobes serves them by fentry, if it has that. */
static bool expand(struct resolve *resolve, const struct spec *spec, unsigned flags,
		   const struct provider *by_fentry)
{
	if (lookup_feature(resolve->lookup, FEATURE_KPROBE))
		return kernfunc_expand(resolve, spec, flags | few(resolve), NULL);
	if (!lookup_feature(resolve->lookup, FEATURE_FENTRY))
		return kernmiss_kernel(resolve, spec);
	resolve_serve(resolve, by_fentry,
		      flags & KERNFUNC_RETURN
			      ? "served by fexit: this kernel has no kprobes (CONFIG_KPROBES)"
			      : "served by fentry: this kernel has no kprobes (CONFIG_KPROBES)");
	return kernfunc_expand(resolve, spec, flags | KERNFUNC_BTF | KERNFUNC_FEW, NULL);
}

static bool kprobe_expand(struct resolve *resolve, const struct spec *spec)
{
	return expand(resolve, spec, 0, &fentry_serves_kprobe);
}

static bool kretprobe_expand(struct resolve *resolve, const struct spec *spec)
{
	return expand(resolve, spec, KERNFUNC_RETURN, &fexit_serves_kretprobe);
}

/* --- what a program can read --- */

static bool in_registers(const struct field *field, bool saved)
{
	if (field->offset / 8 >= REGS_ARGS || field->type->size > 8)
		return false;
	return !saved || type_is_scalar(field->type);
}

/* The arguments that registers hold, under their names. Struct values are left out where only words were kept. */
static const struct type *args_in_registers(struct resolve *resolve, const struct target *target,
					    bool saved)
{
	const struct type *all = kernfunc_args(resolve, target);
	struct field *fields;
	struct type *type;
	unsigned n = 0;

	if (!all)
		return NULL;
	for (unsigned i = 0; i < all->n_fields; i++)
		n += in_registers(&all->fields[i], saved);
	if (n == all->n_fields)
		return all;
	fields = arena_alloc(resolve->arena, (n + 1) * sizeof(*fields));
	type = type_struct(resolve->types,
			   arena_printf(resolve->arena, "_registers_%u", target->id), false);
	*type = (struct type){ .kind = TYPE_STRUCT,
			       .name = type->name,
			       .size = all->size,
			       .align = 8,
			       .is_complete = true,
			       .fields = fields };
	for (unsigned i = 0; i < all->n_fields; i++)
		if (in_registers(&all->fields[i], saved))
			fields[type->n_fields++] = all->fields[i];
	return type;
}

static const struct type *kprobe_args(struct resolve *resolve, const struct target *target)
{
	return args_in_registers(resolve, target, false);
}

static const struct type *saved_args(struct resolve *resolve, const struct target *target)
{
	return args_in_registers(resolve, target, true);
}

static struct ctx_item kprobe_arg(const struct target *target, int n, const struct type **type)
{
	(void)target;
	*type = NULL;
	return n < 0 ? (struct ctx_item){ .kind = CTX_NONE } : regs_arg((unsigned)n);
}

static struct ctx_item kretprobe_arg(const struct target *target, int n, const struct type **type)
{
	(void)target;
	*type = NULL;
	return n < 0 ? regs_result() : (struct ctx_item){ .kind = CTX_NONE };
}

static struct ctx_item field_item(struct ctx_item item, const struct field *field)
{
	if (!type_is_scalar(field->type))
		return (struct ctx_item){ .kind = CTX_MEMORY, .offset = item.offset };
	item.size = field->type->size;
	item.is_signed = type_is_signed(field->type);
	return item;
}

static struct ctx_item kprobe_args_field(const struct target *target, const struct type *args,
					 const struct field *field)
{
	(void)target;
	(void)args;
	return field_item(regs_arg(field->offset / 8), field);
}

static struct ctx_item saved_arg(const struct target *target, int n, const struct type **type)
{
	*type = NULL;
	if (n < 0)
		return kernfunc_result(target, regs_result(), type);
	if (n >= REGS_ARGS)
		return (struct ctx_item){ .kind = CTX_NONE };
	return (struct ctx_item){ .kind = CTX_SAVED, .size = 8, .index = (unsigned)n };
}

static struct ctx_item saved_args_field(const struct target *target, const struct type *args,
					const struct field *field)
{
	struct ctx_item item = { .kind = CTX_SAVED, .index = field->offset / 8 };

	(void)target;
	(void)args;
	return field_item(item, field);
}

/* --- strategy --- */

/* A link over many functions takes whole ones; an offset needs an event of its own. */
static bool takes_multi(struct resolve *resolve, const struct instance *instance)
{
	const struct kernfunc *first = kernfunc_of(instance->targets.data[0]);

	return lookup_feature(resolve->lookup, FEATURE_KPROBE_MULTI) && first->name &&
	       !first->distance;
}

static void plan_kprobe(struct resolve *resolve, struct instance *instance, const char *section)
{
	bool multi = takes_multi(resolve, instance);

	instance->section = section;
	instance->mode = multi ? PROBE_MODE_KPROBE_MULTI : PROBE_MODE_KPROBE_PERF;
	instance->attach_type = multi ? JB_TRACE_KPROBE_MULTI : 0;
}

static bool kprobe_plan(struct resolve *resolve, struct instance *instance)
{
	plan_kprobe(resolve, instance, "kprobe");
	return true;
}

static bool kretprobe_plan(struct resolve *resolve, struct instance *instance)
{
	plan_kprobe(resolve, instance, "kretprobe");
	return true;
}

static bool span_plan(struct resolve *resolve, struct instance *instance)
{
	if (!takes_multi(resolve, instance) ||
	    !lookup_feature(resolve->lookup, FEATURE_KPROBE_SESSION)) {
		plan_kprobe(resolve, instance, "kretprobe");
		instance->span_mode = SPAN_PAIR;
		return true;
	}
	instance->section = "kprobe";
	instance->mode = PROBE_MODE_KPROBE_MULTI;
	instance->attach_type = JB_TRACE_KPROBE_SESSION;
	instance->span_mode = SPAN_SESSION;
	return true;
}

/* Targets whose result has another type need a program of their own. */
static bool fexit_plan(struct resolve *resolve, struct instance *instance)
{
	bool ok = span_plan(resolve, instance);

	kernfunc_split_results(resolve, instance);
	return ok;
}

static int attach(struct run *run, const struct plan_probe *probe, int prog_fd, bool at_return)
{
	struct kernlink how = { .mode = probe->mode,
				.attach_type = probe->attach_type,
				.at_return = at_return };

	return kernlink_attach(run, probe, prog_fd, &how);
}

static int kprobe_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	return attach(run, probe, prog_fd, false);
}

static int kretprobe_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	return attach(run, probe, prog_fd, true);
}

static int span_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	return attach(run, probe, prog_fd,
		      probe->role != ROLE_ENTRY && probe->attach_type != JB_TRACE_KPROBE_SESSION);
}

static void kprobe_list(struct lookup *lookup, const char *pattern,
			void (*emit)(void *, const char *, const struct type *), void *arg)
{
	kernfunc_list(lookup, "kprobe", pattern, false, emit, arg);
}

static void kretprobe_list(struct lookup *lookup, const char *pattern,
			   void (*emit)(void *, const char *, const struct type *), void *arg)
{
	kernfunc_list(lookup, "kretprobe", pattern, false, emit, arg);
}

/* clang-format off */
const struct provider providers_kprobe[] = {
	{ .name = "kprobe", .alias = "k",
	  .syntax = "kprobe:[MODULE:]FUNCTION[+OFFSET], kprobe:ADDRESS with --unsafe",
	  .doc = "entry of a kernel function: argN, args.NAME", .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION,
	  .expand = kprobe_expand, .args = kprobe_args, .arg = kprobe_arg, .args_field = kprobe_args_field,
	  .plan = kprobe_plan, .attach = kprobe_attach, .list = kprobe_list },
	{ .name = "kretprobe", .alias = "kr", .syntax = "kretprobe:[MODULE:]FUNCTION",
	  .doc = "return of a kernel function: retval", .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION,
	  .expand = kretprobe_expand, .arg = kretprobe_arg,
	  .plan = kretprobe_plan, .attach = kretprobe_attach, .list = kretprobe_list },
	{ 0 },
};

const struct provider kprobe_serves_fentry = {
	.name = "fentry", .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION,
	.args = kprobe_args, .arg = kprobe_arg, .args_field = kprobe_args_field,
	.plan = kprobe_plan, .attach = kprobe_attach,
};
const struct provider kprobe_serves_fexit = {
	.name = "fexit", .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION,
	.args = saved_args, .arg = saved_arg, .args_field = saved_args_field,
	.plan = fexit_plan, .attach = span_attach,
};
const struct provider kprobe_serves_span = {
	.name = "span", .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION | PROVIDER_SPAN,
	.args = saved_args, .arg = saved_arg, .args_field = saved_args_field,
	.plan = fexit_plan, .attach = span_attach,
};
/* clang-format on */
