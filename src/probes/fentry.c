/*
 * fentry and fexit: entry and return of kernel functions that BTF knows, by trampolines, which cost least when they fire
 * and most to attach. The same programs serve kprobe, kretprobe and span where that is better or the only way.
 */
#include <errno.h>

#include "lookup/lookup.h"
#include "parser/resolve.h"
#include "probes/bpfsys.h"
#include "probes/kernfunc.h"
#include "probes/modes.h"
#include "probes/point.h"
#include "probes/probes.h"

#define TRAMPOLINES_MAX 64
#define SPANS_MAX	16 /* spans of more functions than this are attached quicker by kprobes */

/* --- attach points --- */

/* Trampolines are made one by one; a link over many functions is made at once, and costs little more when it fires. */
static bool many_by_link(struct resolve *resolve, const struct spec *spec, unsigned flags,
			 const struct provider *by_kprobe)
{
	enum kernel_feature feature =
		flags & KERNFUNC_RETURN ? FEATURE_KPROBE_SESSION : FEATURE_KPROBE_MULTI;
	size_t before = resolve->plan ? resolve->plan->targets.n : 0;

	if (!kernfunc_expand(resolve, spec, flags | KERNFUNC_BTF | KERNFUNC_FEW, by_kprobe))
		return false;
	if (!resolve->served_by && resolve->plan &&
	    resolve->plan->targets.n - before > TRAMPOLINES_MAX &&
	    lookup_feature(resolve->lookup, FEATURE_KPROBE) &&
	    lookup_feature(resolve->lookup, feature))
		resolve_serve(resolve, by_kprobe,
			      "served by kprobes: one link attaches all these functions at once");
	return true;
}

static bool expand(struct resolve *resolve, const struct spec *spec, unsigned flags,
		   const struct provider *by_kprobe)
{
	if (lookup_feature(resolve->lookup, FEATURE_FENTRY))
		return many_by_link(resolve, spec, flags, by_kprobe);
	if (!lookup_feature(resolve->lookup, FEATURE_KPROBE))
		return kernmiss_kernel(resolve, spec);
	resolve_serve(resolve, by_kprobe,
		      arena_printf(resolve->arena,
				   "served by kprobes: this kernel has no fentry: %s",
				   lookup_fentry_obstacle(resolve->lookup)));
	if (!lookup_feature(resolve->lookup, FEATURE_KPROBE_MULTI))
		flags |= KERNFUNC_FEW;
	return kernfunc_expand(resolve, spec, flags | KERNFUNC_PROTO, NULL);
}

static bool fentry_expand(struct resolve *resolve, const struct spec *spec)
{
	return expand(resolve, spec, 0, &kprobe_serves_fentry);
}

static bool fexit_expand(struct resolve *resolve, const struct spec *spec)
{
	return expand(resolve, spec, KERNFUNC_RETURN, &kprobe_serves_fexit);
}

/* Are all targets known to BTF, each the only function of its name? */
static bool fexit_can(const struct resolve *resolve)
{
	const struct plan *plan = resolve->plan;
	unsigned n = 0;

	for (size_t i = plan->targets.n; i-- > 0 && plan->targets.data[i]->own;) {
		const struct kernfunc *func = kernfunc_of(plan->targets.data[i]);

		if (plan->targets.data[i]->span.begin != resolve->spec->span.begin)
			break;
		if (!func->proto || !func->proto->args || ++n > SPANS_MAX)
			return false;
	}
	return n > 0;
}

/*
 * A session costs least to attach, and one program does it. Without it a few functions are traced by fexit, which is
 * much cheaper when it fires than a kprobe and a kretprobe.
 */
bool kernspan_expand(struct resolve *resolve, const struct spec *spec)
{
	bool kprobe = lookup_feature(resolve->lookup, FEATURE_KPROBE);
	bool multi = lookup_feature(resolve->lookup, FEATURE_KPROBE_MULTI);
	bool session = kprobe && multi && lookup_feature(resolve->lookup, FEATURE_KPROBE_SESSION);
	bool fentry = !session && lookup_feature(resolve->lookup, FEATURE_FENTRY);
	unsigned flags = KERNFUNC_RETURN | KERNFUNC_PROTO | (multi ? 0 : KERNFUNC_FEW);

	if (!kprobe && !fentry)
		return kernmiss_kernel(resolve, spec);
	if (!kprobe) {
		resolve_serve(resolve, &fexit_serves_span, NULL);
		return kernfunc_expand(resolve, spec, flags | KERNFUNC_BTF | KERNFUNC_FEW, NULL);
	}
	if (!kernfunc_expand(resolve, spec, flags, NULL))
		return false;
	resolve_serve(resolve,
		      fentry && fexit_can(resolve) ? &fexit_serves_span : &kprobe_serves_span,
		      NULL);
	return true;
}

/* --- what a program can read --- */

static struct ctx_item no_item(void)
{
	return (struct ctx_item){ .kind = CTX_NONE };
}

/* A word that this function does not have reads as 0; that is for patterns, whose functions differ. */
static struct ctx_item word_item(const struct target *target, int n)
{
	const struct kernfunc *func = kernfunc_of(target);

	if (n < 0 || (!func->any && (!func->proto || n >= (int)func->proto->n_words)))
		return no_item();
	return (struct ctx_item){ .kind = CTX_WORD, .size = 8, .index = (unsigned)n };
}

static struct ctx_item fentry_arg(const struct target *target, int n, const struct type **type)
{
	*type = NULL;
	return word_item(target, n);
}

static struct ctx_item fexit_arg(const struct target *target, int n, const struct type **type)
{
	*type = NULL;
	if (n >= 0)
		return word_item(target, n);
	return kernfunc_result(target, (struct ctx_item){ .kind = CTX_RESULT, .size = 8 }, type);
}

/* As a kretprobe has it: the whole register. */
static struct ctx_item kretprobe_arg(const struct target *target, int n, const struct type **type)
{
	(void)target;
	*type = NULL;
	return n < 0 ? (struct ctx_item){ .kind = CTX_RESULT, .size = 8 } : no_item();
}

static struct ctx_item args_field(const struct target *target, const struct type *args,
				  const struct field *field)
{
	(void)target;
	(void)args;
	if (!type_is_scalar(field->type))
		return (struct ctx_item){ .kind = CTX_MEMORY, .offset = field->offset };
	return (struct ctx_item){ .kind = CTX_WORD,
				  .size = field->type->size,
				  .index = field->offset / 8,
				  .is_signed = type_is_signed(field->type) };
}

/* --- strategy --- */

static const struct type *result_of(const struct target *target)
{
	const struct kernel_proto *proto = kernfunc_of(target)->proto;

	return proto ? proto->result : NULL;
}

/* For the verifier, libbpf loads each program once, for a function of the kernel itself: modules' come as copies of it. */
static const char *load_for(const struct resolve *resolve, const struct instance *instance)
{
	const struct kernfunc *first = kernfunc_of(instance->targets.data[0]);

	if (!first->module)
		return first->name;
	return lookup_kernel_proto(resolve->lookup, NULL, "bpf_fentry_test1") ? "bpf_fentry_test1"
									      : "vfs_read";
}

/* To be called when the instance is planned: the parts that are split off are copies of it. */
static void split_off(struct resolve *resolve, struct instance *instance, size_t from)
{
	struct instance *other = instance_split(resolve, instance, from);

	if (other->attach_function)
		other->attach_function = load_for(resolve, other);
	kernfunc_split_results(resolve, other);
}

void kernfunc_split_results(struct resolve *resolve, struct instance *instance)
{
	const struct type *first = result_of(instance->targets.data[0]);
	size_t n = instance->targets.n, kept = 0;
	struct target **sorted;

	if (!instance->uses_args || n < 2)
		return;
	sorted = arena_alloc(resolve->arena, n * sizeof(*sorted));
	for (int same = 1; same >= 0; same--)
		for (size_t i = 0; i < n; i++)
			if ((result_of(instance->targets.data[i]) == first) == same)
				sorted[kept++] = instance->targets.data[i];
	for (kept = 0; kept < n && result_of(sorted[kept]) == first;)
		kept++;
	for (size_t i = 0; i < n; i++)
		instance->targets.data[i] = sorted[i];
	if (kept < n)
		split_off(resolve, instance, kept);
}

static void plan_trampoline(struct resolve *resolve, struct instance *instance, bool at_return)
{
	instance->section = at_return ? "fexit" : "fentry";
	instance->mode = PROBE_MODE_FENTRY;
	instance->attach_type = at_return ? JB_TRACE_FEXIT : JB_TRACE_FENTRY;
	instance->attach_function = load_for(resolve, instance);
}

/* Without cookies a program can tell its function only if it has one. */
static void split_all(struct resolve *resolve, struct instance *instance)
{
	if (!instance->uses_probe || lookup_feature(resolve->lookup, FEATURE_FENTRY_COOKIE))
		return;
	for (size_t i = instance->targets.n - 1; i > 0; i--) {
		struct instance *other = instance_split(resolve, instance, i);

		other->attach_function = load_for(resolve, other);
	}
}

static bool fentry_plan(struct resolve *resolve, struct instance *instance)
{
	plan_trampoline(resolve, instance, false);
	split_all(resolve, instance);
	return true;
}

static bool fexit_plan(struct resolve *resolve, struct instance *instance)
{
	size_t first = resolve->instances.n;

	plan_trampoline(resolve, instance, true);
	kernfunc_split_results(resolve, instance);
	for (size_t i = first, n = resolve->instances.n; i < n; i++)
		split_all(resolve, resolve->instances.data[i]);
	split_all(resolve, instance);
	return true;
}

static bool span_plan(struct resolve *resolve, struct instance *instance)
{
	instance->span_mode = SPAN_FEXIT;
	instance->entry_type = JB_TRACE_FENTRY;
	return fexit_plan(resolve, instance);
}

static int trampoline_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	struct kernlink how = { .mode = PROBE_MODE_FENTRY };

	return kernlink_attach(run, probe, prog_fd, &how);
}

static void fentry_list(struct lookup *lookup, const char *pattern,
			void (*emit)(void *, const char *, const struct type *), void *arg)
{
	kernfunc_list(lookup, "fentry", pattern, true, emit, arg);
}

static void fexit_list(struct lookup *lookup, const char *pattern,
		       void (*emit)(void *, const char *, const struct type *), void *arg)
{
	kernfunc_list(lookup, "fexit", pattern, true, emit, arg);
}

/* clang-format off */
#define FENTRY .args = kernfunc_args, .arg = fentry_arg, .args_field = args_field, .plan = fentry_plan, \
	       .attach = trampoline_attach
#define FEXIT .args = kernfunc_args, .arg = fexit_arg, .args_field = args_field, .plan = fexit_plan, \
	      .attach = trampoline_attach

const struct provider providers_fentry[] = {
	{ .name = "fentry", .alias = "f", .syntax = "fentry:[MODULE:]FUNCTION",
	  .doc = "entry of a kernel function that BTF knows: args.NAME, argN",
	  .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION, .expand = fentry_expand, FENTRY, .list = fentry_list },
	{ .name = "fexit", .alias = "fr", .syntax = "fexit:[MODULE:]FUNCTION",
	  .doc = "return of a kernel function that BTF knows: args.NAME, argN, retval",
	  .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION, .expand = fexit_expand, FEXIT, .list = fexit_list },
	{ .name = "kfunc", .syntax = "kfunc:[MODULE:]FUNCTION", .doc = "older name of fentry",
	  .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION, .expand = fentry_expand, FENTRY },
	{ .name = "kretfunc", .syntax = "kretfunc:[MODULE:]FUNCTION", .doc = "older name of fexit",
	  .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION, .expand = fexit_expand, FEXIT },
	{ 0 },
};

const struct provider fentry_serves_kprobe = {
	.name = "kprobe", .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION, FENTRY,
};
const struct provider fexit_serves_kretprobe = {
	.name = "kretprobe", .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION,
	.arg = kretprobe_arg, .plan = fexit_plan, .attach = trampoline_attach,
};
const struct provider fexit_serves_span = {
	.name = "span", .flags = PROVIDER_FILTERED | PROVIDER_FUNCTION | PROVIDER_SPAN,
	.args = kernfunc_args, .arg = fexit_arg, .args_field = args_field, .plan = span_plan,
	.attach = trampoline_attach,
};
/* clang-format on */
