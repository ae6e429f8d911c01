/*
 * From FUNCTION or MODULE:FUNCTION to targets: which of the kernel's symbols an attach point means. A plain name also
 * means the copies that the compiler made of the function for some of its callers (f.isra.0, f.constprop.0).
 */
#include "probes/kernfunc.h"

#include <inttypes.h>
#include <string.h>

#include "probes/point.h"

#define FEW 1024 /* programs or events of their own, as many as `max_probes` has been */

bool kernfunc_is_vmlinux(const char *module)
{
	return module && (!strcmp(module, "vmlinux") || !strcmp(module, "kernel"));
}

const struct kernfunc *kernfunc_of(const struct target *target)
{
	return target->own;
}

/* --- reading the attach point --- */

static bool want_address(struct kernwant *want)
{
	const char *rest = point_number(want->func, &want->address);

	if (!rest || *rest) {
		resolve_error(want->resolve, want->func_part, "'%s' is not an address", want->func);
		return false;
	}
	if (!want->spec->unsafe) {
		resolve_error(want->resolve, want->func_part,
			      "a probe at an address of the kernel needs --unsafe");
		resolve_hint(want->resolve,
			     "FUNCTION+OFFSET is checked by the kernel and needs no such option");
		return false;
	}
	want->func = NULL;
	return true;
}

static bool want_distance(struct kernwant *want)
{
	const char *plus = strchr(want->func, '+'), *rest;

	if (!plus)
		return true;
	rest = point_number(plus + 1, &want->distance);
	if (!rest || *rest) {
		resolve_error(want->resolve, want->func_part, "'%s' is not an offset", plus + 1);
		return false;
	}
	want->has_distance = true;
	want->func = arena_strndup(want->resolve->arena, want->func, (size_t)(plus - want->func));
	if (!glob_is(want->func))
		return true;
	resolve_error(want->resolve, want->func_part,
		      "an offset needs one function, not a pattern");
	return false;
}

static bool want_parse(struct kernwant *want)
{
	const struct spec *spec = want->spec;
	const char *kind = spec->provider->name;

	if (spec->n_parts < 1 || spec->n_parts > 2 || !*spec->part[spec->n_parts - 1]) {
		resolve_error(want->resolve, -1, "%s takes a kernel function, or a module and one",
			      kind);
		resolve_hint(want->resolve, "for example %s:vfs_read or %s:xfs:xfs_file_open", kind,
			     kind);
		return false;
	}
	want->func_part = (int)spec->n_parts - 1;
	want->func = spec->part[want->func_part];
	want->module = spec->n_parts == 2 ? spec->part[0] : NULL;
	if (*want->func >= '0' && *want->func <= '9') {
		if (!want_address(want))
			return false;
	} else if (!want_distance(want)) {
		return false;
	}
	if (want->func && !want->has_distance)
		return true;
	if (want->flags & KERNFUNC_BTF) {
		resolve_error(want->resolve, want->func_part,
			      "%s takes whole functions: an offset or an address needs kprobes%s",
			      kind,
			      lookup_feature(want->resolve->lookup, FEATURE_KPROBE)
				      ? ""
				      : ", which this kernel does not have (CONFIG_KPROBES)");
		return false;
	}
	if (!(want->flags & KERNFUNC_RETURN) || (want->func && !want->distance))
		return true;
	resolve_error(want->resolve, want->func_part,
		      "%s needs the name of a function: it fires at the function's return", kind);
	return false;
}

/* --- matching symbols --- */

static bool module_matches(const struct kernwant *want, const char *module)
{
	if (!want->module)
		return true;
	if (kernfunc_is_vmlinux(want->module))
		return !module;
	return module && glob_match(want->module, module);
}

/* BPF programs, trampolines, and padding before functions look like functions of the kernel. */
static bool is_artefact(const struct kernel_symbol *symbol)
{
	return (symbol->module &&
		(!strcmp(symbol->module, "bpf") || !strncmp(symbol->module, "__builtin", 9))) ||
	       !strncmp(symbol->name, "__pfx_", 6) || !strncmp(symbol->name, "__cfi_", 6);
}

/* The whole function for some callers: ".isra.0", ".constprop.3.isra.0"; "part" and "cold" are pieces of it. */
static bool is_clone_suffix(const char *suffix)
{
	static const char *const words[] = { ".isra.", ".constprop.", ".lto_priv.", ".llvm." };

	while (*suffix) {
		size_t i = 0, len;

		while (i < 4 && strncmp(suffix, words[i], strlen(words[i])))
			i++;
		if (i == 4)
			return false;
		suffix += strlen(words[i]);
		len = strspn(suffix, "0123456789");
		if (!len)
			return false;
		suffix += len;
	}
	return true;
}

static bool is_piece(const char *name)
{
	return strstr(name, ".part.") || strstr(name, ".cold");
}

static void match_pattern(struct kernwant *want, const struct kernel_symbol *symbol)
{
	if (!symbol->is_function || symbol->is_init || !module_matches(want, symbol->module) ||
	    !glob_match(want->func, symbol->name) || is_artefact(symbol))
		return;
	if (is_piece(symbol->name) && !strchr(want->func, '.'))
		return;
	if (lookup_is_blacklisted(want->resolve->lookup, symbol->address) &&
	    !(want->flags & KERNFUNC_BTF))
		return;
	vec_push(want->resolve->arena, &want->found, *symbol);
}

static void match_name(struct kernwant *want, const struct kernel_symbol *symbol)
{
	size_t len = strlen(want->func);
	const char *suffix = symbol->name + len;
	struct arena *arena = want->resolve->arena;

	if (strncmp(symbol->name, want->func, len) || (*suffix && *suffix != '.') ||
	    is_artefact(symbol))
		return;
	if (!symbol->is_function) {
		want->is_data |= !*suffix;
	} else if (!module_matches(want, symbol->module)) {
		if (!*suffix)
			want->elsewhere = symbol->module ? symbol->module : "vmlinux";
	} else if (symbol->is_init) {
		want->gone = symbol->name;
	} else if (!*suffix) {
		vec_push(arena, &want->found, *symbol);
	} else if (is_clone_suffix(suffix)) {
		vec_push(arena, &want->clones, *symbol);
	} else if (strstr(suffix, ".part.") && !strstr(suffix, ".cold")) {
		vec_push(arena, &want->parts, *symbol);
	}
}

static void match(void *arg, const struct kernel_symbol *symbol)
{
	struct kernwant *want = arg;

	if (glob_is(want->func))
		match_pattern(want, symbol);
	else
		match_name(want, symbol);
}

static bool same_module(const char *a, const char *b)
{
	return a == b || (a && b && !strcmp(a, b));
}

/* Several functions of one name are told apart by their modules only. */
static bool is_ambiguous(const struct kernwant *want)
{
	const struct kernel_symbol *symbol, *first = want->found.data;

	if (glob_is(want->func) || want->found.n < 2 || (want->module && glob_is(want->module)))
		return false;
	if (want->flags & KERNFUNC_BTF || want->has_distance)
		return true;
	vec_each (symbol, &want->found)
		if (!same_module(symbol->module, first->module))
			return true;
	return false;
}

/* --- targets --- */

static const char *target_name(const struct kernwant *want, const struct kernel_symbol *symbol)
{
	struct arena *arena = want->resolve->arena;
	const char *module = want->module ? symbol->module : NULL;
	const char *distance =
		want->has_distance ? arena_printf(arena, "+%" PRIu64, want->distance) : "";

	if (want->module && !module)
		module = "vmlinux";
	return arena_printf(arena, "%s:%s%s%s%s", want->spec->provider->name, module ? module : "",
			    module ? ":" : "", symbol->name, distance);
}

static struct kernfunc *add_target(struct kernwant *want, const struct kernel_symbol *symbol)
{
	struct arena *arena = want->resolve->arena;
	struct target *target = point_target(want->resolve, target_name(want, symbol),
					     arena_strdup(arena, symbol->name));
	struct kernfunc *func = arena_new_of(arena, struct kernfunc);

	func->name = target->func;
	func->module = symbol->module ? arena_strdup(arena, symbol->module) : NULL;
	func->address = symbol->address ? symbol->address + want->distance : 0;
	func->distance = want->distance;
	func->any = (want->func && glob_is(want->func)) || (want->module && glob_is(want->module));
	target->own = func;
	target->offset = want->distance;
	return func;
}

static void find_proto(struct resolve *resolve, struct kernfunc *func)
{
	if (!func->proto_known && func->name)
		func->proto = lookup_kernel_proto(resolve->lookup, func->module, func->name);
	func->proto_known = true;
}

const struct kernel_proto *kernfunc_proto(struct resolve *resolve, const struct target *target)
{
	struct kernfunc *func = (struct kernfunc *)target->own;

	find_proto(resolve, func);
	return func->proto;
}

static void add_all(struct kernwant *want, const struct kernel_symbol *symbols, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct kernfunc *func = add_target(want, &symbols[i]);

		if (want->flags & (KERNFUNC_PROTO | KERNFUNC_BTF))
			find_proto(want->resolve, func);
	}
}

static void add_address(struct kernwant *want)
{
	struct kernel_symbol symbol = { .name = want->spec->part[want->func_part],
					.address = want->address };

	add_target(want, &symbol)->name = NULL;
}

/* For fentry: what BTF has. Of several functions with one name the kernel would take the first, whichever is meant. */
static void keep_known(struct kernwant *want)
{
	size_t n = 0;

	for (size_t i = 0; i < want->found.n; i++) {
		struct kernel_symbol *symbol = &want->found.data[i];
		bool unique = true;

		for (size_t j = 0; j < want->found.n && unique; j++)
			unique = j == i || strcmp(symbol->name, want->found.data[j].name) ||
				 !same_module(symbol->module, want->found.data[j].module);
		if (unique &&
		    lookup_kernel_proto(want->resolve->lookup, symbol->module, symbol->name))
			want->found.data[n++] = *symbol;
	}
	want->found.n = n;
}

static bool too_many(const struct kernwant *want)
{
	resolve_error(want->resolve, want->func_part,
		      "'%s' matches %zu functions, and this kernel is told of each by itself: %d "
		      "are too many",
		      want->func, want->found.n, FEW);
	resolve_hint(want->resolve, "narrow the pattern, or name a module: %s:MODULE:%s",
		     want->spec->provider->name, want->func);
	return false;
}

static bool expand_pattern(struct kernwant *want)
{
	if (want->flags & KERNFUNC_BTF)
		keep_known(want);
	if (!want->found.n)
		return kernmiss_function(want);
	if (want->flags & KERNFUNC_FEW && want->found.n > FEW)
		return too_many(want);
	add_all(want, want->found.data, want->found.n);
	return true;
}

/* fentry of what BTF does not have under this name: a kprobe does it, without names for the arguments. */
static bool serve_otherwise(struct kernwant *want, const struct provider *otherwise)
{
	struct resolve *resolve = want->resolve;
	const char *name = want->found.n    ? want->found.data[0].name
			   : want->clones.n ? want->clones.data[0].name
					    : want->parts.data[0].name;

	if (!otherwise || !lookup_feature(resolve->lookup, FEATURE_KPROBE)) {
		resolve_error(resolve, want->func_part,
			      "%s has no type information (BTF), so that fentry cannot trace it",
			      name);
		return false;
	}
	resolve_serve(resolve, otherwise,
		      arena_printf(resolve->arena,
				   "served by kprobes: %s has no type information (BTF)", name));
	want->flags &= ~(unsigned)KERNFUNC_BTF;
	return true;
}

static bool expand_name(struct kernwant *want, const struct provider *otherwise)
{
	const struct kernel_symbol *symbol;

	if (!want->found.n && !want->clones.n && !want->parts.n)
		return kernmiss_function(want);
	if (is_ambiguous(want))
		return kernmiss_ambiguous(want);
	if (want->flags & KERNFUNC_BTF &&
	    (!want->found.n ||
	     !lookup_kernel_proto(want->resolve->lookup, want->found.data[0].module,
				  want->found.data[0].name)) &&
	    !serve_otherwise(want, otherwise))
		return false;
	vec_each (symbol, &want->found)
		if (!(want->flags & KERNFUNC_BTF) &&
		    lookup_is_blacklisted(want->resolve->lookup, symbol->address))
			return kernmiss_blacklisted(want, symbol->name);
	add_all(want, want->found.data, want->found.n);
	if (want->flags & KERNFUNC_BTF || (want->has_distance && want->found.n))
		return true;
	add_all(want, want->clones.data, want->clones.n);
	if (!want->found.n && !want->clones.n)
		add_all(want, want->parts.data, want->parts.n);
	return true;
}

/* Addresses are hidden from this process: what BTF has is there, and the kernel finds it by its name. */
static bool expand_unseen(struct kernwant *want)
{
	struct kernel_symbol symbol = { .name = want->func, .module = want->module };

	if (kernfunc_is_vmlinux(want->module))
		symbol.module = NULL;
	if (glob_is(want->func) ||
	    !lookup_kernel_proto(want->resolve->lookup, symbol.module, want->func)) {
		resolve_error(want->resolve, want->func_part, "%s",
			      lookup_error(want->resolve->lookup));
		return false;
	}
	add_all(want, &symbol, 1);
	return true;
}

bool kernfunc_expand(struct resolve *resolve, const struct spec *spec, unsigned flags,
		     const struct provider *otherwise)
{
	struct kernwant want = { .resolve = resolve, .spec = spec, .flags = flags };

	if (!want_parse(&want))
		return false;
	if (!want.func) {
		add_address(&want);
		return true;
	}
	if (lookup_each_kernel_symbol(resolve->lookup, match, &want) < 0)
		return expand_unseen(&want);
	return glob_is(want.func) ? expand_pattern(&want) : expand_name(&want, otherwise);
}

/* --- what a program can read --- */

/* Arguments of a copy may be fewer and lie elsewhere, so those have no names. */
const struct type *kernfunc_args(struct resolve *resolve, const struct target *target)
{
	const struct kernel_proto *proto = kernfunc_proto(resolve, target);

	return proto && !kernfunc_of(target)->distance ? proto->args : NULL;
}

/* The functions of a pattern return this and that: what is no number is taken as one, so that they agree. */
static const struct type *common_result(const struct type *result)
{
	if (type_plain(result)->kind == TYPE_INT)
		return result;
	return type_int(result->size, result->kind != TYPE_BOOL);
}

struct ctx_item kernfunc_result(const struct target *target, struct ctx_item item,
				const struct type **type)
{
	const struct kernfunc *func = kernfunc_of(target);
	const struct type *result = func->proto ? func->proto->result : NULL;

	if (func->proto && !result)
		return (struct ctx_item){ .kind = func->any ? CTX_ZERO : CTX_NONE };
	if (!result || !type_is_scalar(result))
		return item;
	*type = func->any ? common_result(result) : result;
	item.size = result->size;
	item.is_signed = type_is_signed(*type);
	return item;
}

/* --- listing --- */

struct listing {
	struct lookup *lookup;
	const char *provider, *module, *func;
	bool btf_only;
	void (*emit)(void *, const char *, const struct type *);
	void *arg;
	struct buf line;
};

static void list_symbol(void *arg, const struct kernel_symbol *symbol)
{
	struct listing *listing = arg;
	const struct kernel_proto *proto;

	if (!symbol->is_function || symbol->is_init || is_artefact(symbol) ||
	    is_piece(symbol->name) || !glob_match(listing->func, symbol->name))
		return;
	if (listing->module &&
	    !(kernfunc_is_vmlinux(listing->module)
		      ? !symbol->module
		      : symbol->module && glob_match(listing->module, symbol->module)))
		return;
	if (!listing->btf_only && lookup_is_blacklisted(listing->lookup, symbol->address))
		return;
	proto = lookup_kernel_proto(listing->lookup, symbol->module, symbol->name);
	if (listing->btf_only && !proto)
		return;
	buf_reset(&listing->line);
	buf_printf(&listing->line, "%s:%s%s%s", listing->provider,
		   symbol->module ? symbol->module : "", symbol->module ? ":" : "", symbol->name);
	listing->emit(listing->arg, listing->line.data, proto ? proto->args : NULL);
}

void kernfunc_list(struct lookup *lookup, const char *provider, const char *pattern, bool btf_only,
		   void (*emit)(void *, const char *, const struct type *), void *arg)
{
	struct listing listing = { .lookup = lookup,
				   .provider = provider,
				   .func = pattern,
				   .btf_only = btf_only,
				   .emit = emit,
				   .arg = arg };
	const char *colon = strchr(pattern, ':');

	if (!lookup_feature(lookup, FEATURE_KPROBE) && !lookup_feature(lookup, FEATURE_FENTRY))
		return;
	if (colon) {
		listing.module =
			arena_strndup(lookup_arena(lookup), pattern, (size_t)(colon - pattern));
		listing.func = colon + 1;
	}
	lookup_each_kernel_symbol(lookup, list_symbol, &listing);
	buf_fini(&listing.line);
}
