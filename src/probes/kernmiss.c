/*
 * Why a function of the kernel cannot be traced, in one sentence each: absent, inlined, gone since boot, a variable, in
 * another module, in several, blacklisted; or the kernel has no way to trace functions at all.
 */
#include <string.h>

#include "probes/kernfunc.h"
#include "probes/point.h"

struct search {
	struct kernwant *want;
	struct nearest function, module;
	const char *cold;
	bool has_module;
};

static bool in_module(const struct kernwant *want, const struct kernel_symbol *symbol)
{
	if (!want->module)
		return true;
	if (kernfunc_is_vmlinux(want->module))
		return !symbol->module;
	return symbol->module && glob_match(want->module, symbol->module);
}

static void search_symbol(void *arg, const struct kernel_symbol *symbol)
{
	struct search *search = arg;
	size_t len = strlen(search->want->func);

	if (symbol->module)
		nearest_try(&search->module, symbol->module);
	if (!in_module(search->want, symbol))
		return;
	search->has_module = true;
	if (!symbol->is_function || symbol->is_init)
		return;
	nearest_try(&search->function, symbol->name);
	if (!strncmp(symbol->name, search->want->func, len) && symbol->name[len] == '.')
		search->cold = symbol->name;
}

static void no_module(struct kernwant *want, const struct nearest *nearest)
{
	resolve_error(want->resolve, 0, "no module '%s' is loaded", want->module);
	if (nearest->best)
		point_hint(want->resolve, nearest, "");
	else
		resolve_hint(want->resolve,
			     "lsmod lists those that are; the kernel itself is vmlinux");
}

/* A function that is built into all of its callers leaves no symbol: it cannot be told from one that never was. */
static void absent(struct kernwant *want, const struct search *search)
{
	struct resolve *resolve = want->resolve;
	const char *where = !want->module || kernfunc_is_vmlinux(want->module)
				    ? "this kernel"
				    : arena_printf(resolve->arena, "module %s", want->module);

	if (search->cold || lookup_kernel_proto(resolve->lookup, NULL, want->func)) {
		resolve_error(resolve, want->func_part,
			      "'%s' was inlined: the compiler built it into the functions that "
			      "call it",
			      want->func);
		resolve_hint(resolve, "trace one of its callers");
		return;
	}
	resolve_error(resolve, want->func_part, "%s has no function '%s', or it was inlined", where,
		      want->func);
	if (search->function.best)
		point_hint(resolve, &search->function, "");
	else
		resolve_hint(resolve,
			     "jbtrace -l '%s:*WORD*' lists functions by a part of their name",
			     want->spec->provider->name);
}

static void no_match(struct kernwant *want)
{
	resolve_error(want->resolve, want->func_part, "no function of the kernel matches '%s'%s",
		      want->func, want->flags & KERNFUNC_BTF ? ", or none that BTF has" : "");
	resolve_hint(want->resolve, "jbtrace -l '%s:*' lists them", want->spec->provider->name);
}

bool kernmiss_function(struct kernwant *want)
{
	struct resolve *resolve = want->resolve;
	struct search search = { .want = want };

	nearest_init(&search.function, want->func);
	nearest_init(&search.module, want->module ? want->module : "");
	lookup_each_kernel_symbol(resolve->lookup, search_symbol, &search);
	if (want->module && !search.has_module) {
		no_module(want, &search.module);
	} else if (glob_is(want->func)) {
		no_match(want);
	} else if (want->gone) {
		resolve_error(resolve, want->func_part,
			      "'%s' ran while the kernel started and is gone since", want->func);
	} else if (want->elsewhere) {
		resolve_error(resolve, want->func_part, "'%s' is not in %s", want->func,
			      want->module);
		resolve_hint(resolve, "it is in %s: %s:%s:%s", want->elsewhere,
			     want->spec->provider->name, want->elsewhere, want->func);
	} else if (want->is_data) {
		resolve_error(resolve, want->func_part,
			      "'%s' is a variable of the kernel, not a function", want->func);
	} else {
		absent(want, &search);
	}
	return false;
}

static const char *module_name(const struct kernel_symbol *symbol)
{
	return symbol->module ? symbol->module : "vmlinux";
}

/* "vmlinux, xfs and ext4", each once. */
static const char *module_names(struct kernwant *want, unsigned *n)
{
	struct arena *arena = want->resolve->arena;
	const char *text = "", *last = NULL;

	*n = 0;
	for (size_t i = 0; i < want->found.n; i++) {
		const char *name = module_name(&want->found.data[i]);
		bool seen = false;

		for (size_t j = 0; j < i; j++)
			seen |= !strcmp(name, module_name(&want->found.data[j]));
		if (seen)
			continue;
		if (last)
			text = arena_printf(arena, "%s%s%s", text, *text ? ", " : "", last);
		last = name;
		++*n;
	}
	return *text ? arena_printf(arena, "%s and %s", text, last) : last;
}

bool kernmiss_ambiguous(struct kernwant *want)
{
	struct resolve *resolve = want->resolve;
	const char *kind = want->spec->provider->name;
	unsigned n;
	const char *modules = module_names(want, &n);

	if (n > 1) {
		resolve_error(resolve, want->func_part, "'%s' is in several modules: %s",
			      want->func, modules);
		resolve_hint(resolve, "say which one: %s:%s:%s", kind,
			     module_name(&want->found.data[0]), want->func);
		return false;
	}
	resolve_error(resolve, want->func_part, "%s has %zu functions called '%s'", modules,
		      want->found.n, want->func);
	if (want->has_distance)
		resolve_hint(resolve, "kprobe:%s without an offset traces all of them", want->func);
	else
		resolve_hint(resolve, "%s cannot tell them apart; kprobe:%s traces all of them",
			     kind, want->func);
	return false;
}

bool kernmiss_blacklisted(struct kernwant *want, const char *name)
{
	resolve_error(want->resolve, want->func_part,
		      "'%s' is on the kernel's list of functions that take no kprobe", name);
	resolve_hint(want->resolve, "see /sys/kernel/debug/kprobes/blacklist; tracing it could "
				    "make the kernel trace itself without end");
	return false;
}

bool kernmiss_kernel(struct resolve *resolve, const struct spec *spec)
{
	(void)spec;
	resolve_error(resolve, -1,
		      "this kernel cannot trace its functions: it has no kprobes "
		      "(CONFIG_KPROBES), and no fentry: %s",
		      lookup_fentry_obstacle(resolve->lookup));
	resolve_hint(resolve, "tracepoints and system calls can be traced: tracepoint:, "
			      "rawtracepoint:, span:syscall:NAME");
	return false;
}
