/*
 * usdt: the static probes that programs and libraries bring with them. A probe may have several places, and each says for
 * itself where its arguments are; places that agree on the arguments that are used share a program. The kernel raises the
 * counter by which a program knows that it is traced (uprobe's reference counter), so nothing is written into processes.
 */
#include "probes/usdt.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lookup/lookup.h"
#include "probes/bpfsys.h"
#include "probes/modes.h"
#include "probes/point.h"
#include "probes/probes.h"
#include "probes/userfunc.h"

/* target->own: the arguments of one place. */
struct place_args {
	unsigned n;
	struct usdt_arg arg[];
};

struct want {
	struct resolve *resolve;
	const struct spec *spec;
	const char *file, *provider, *name; /* the last two may be globs */
	int file_part, name_part;	    /* which parts of the attach point they are; -1: none */
	size_t notes;			    /* seen in all files */
	size_t found;
	struct nearest nearest;
	struct strmap *first; /* name of a probe -> target of its first place */
};

/* --- the attach point --- */

static bool want_parse(struct want *want)
{
	const struct spec *spec = want->spec;
	unsigned n = spec->n_parts;

	want->provider = "*";
	want->file_part = n > 1 ? 0 : -1;
	want->name_part = (int)n - 1;
	want->file = n > 1 ? spec->part[0] : "";
	want->name = n ? spec->part[n - 1] : "";
	if (n == 3 && *spec->part[1])
		want->provider = spec->part[1];
	if (n < 1 || n > 3 || !*want->name) {
		resolve_error(want->resolve, -1, "usdt takes a file and the name of a probe");
		resolve_hint(want->resolve, "for example usdt:libstdc++:libstdcxx:throw; "
					    "jbtrace -l 'usdt:FILE:*' lists them");
		return false;
	}
	if (*want->file || spec->pid) {
		want->file = *want->file ? want->file : "*";
		return true;
	}
	resolve_error(want->resolve, want->file_part,
		      "usdt needs a file, or -p and it is any file of the process");
	return false;
}

/* --- places to targets --- */

/* Addresses of variables are known in the file; what is added at run time is where the program was loaded. */
static void place_symbol(struct want *want, const struct binary *binary,
			 const struct usdt_note *note, struct usdt_arg *arg)
{
	const char *name = arena_strndup(want->resolve->arena, arg->symbol, arg->symbol_len);
	uint64_t address;

	if (lookup_symbol_address(want->resolve->lookup, binary->path, name, &address) < 0)
		arg->item = (struct ctx_item){
			.kind = CTX_NONE,
			.why = arena_printf(want->resolve->arena,
					    "this argument is the variable '%s', of which %s has "
					    "no symbol",
					    name, binary->shown),
		};
	else
		arg->item.value += (int64_t)(address - note->address);
}

static const struct place_args *read_args(struct want *want, const struct binary *binary,
					  const struct usdt_note *note)
{
	struct usdt_arg arg[USDT_ARGS];
	struct place_args *args;
	unsigned n = usdt_args_parse(want->resolve->arena, note->args, arg);

	args = arena_alloc(want->resolve->arena, sizeof(*args) + n * sizeof(arg[0]));
	args->n = n;
	for (unsigned i = 0; i < n; i++) {
		if (arg[i].symbol)
			place_symbol(want, binary, note, &arg[i]);
		args->arg[i] = arg[i];
	}
	return args;
}

static void add_place(struct want *want, const struct binary *binary, const struct usdt_note *note)
{
	struct arena *arena = want->resolve->arena;
	struct target *target = point_target(
		want->resolve,
		arena_printf(arena, "usdt:%s:%s:%s", binary->shown, note->provider, note->name),
		NULL);

	target->place_of = strmap_get(want->first, target->name);
	if (!target->place_of)
		strmap_put(want->first, target->name, target);
	target->path = arena_strdup(arena, binary->path);
	target->offset = note->offset;
	target->semaphore = note->semaphore;
	target->own = read_args(want, binary, note);
	if (glob_is(want->name) || glob_is(want->provider) || glob_is(want->file))
		target->number = USERFUNC_ANY;
	want->found++;
}

static bool is_wanted(const struct want *want, const struct usdt_note *note)
{
	return glob_match(want->provider, note->provider) && glob_match(want->name, note->name);
}

/* --- nothing found --- */

static bool no_probe(struct want *want, const binary_vec *binaries)
{
	struct resolve *resolve = want->resolve;
	const char *where = binaries->data[0].shown;
	const struct usdt_note *note;

	if (binaries->n > 1)
		where = arena_printf(resolve->arena, "any of the %zu files '%s' names", binaries->n,
				     want->file);
	if (!want->notes) {
		resolve_error(resolve, want->file_part, "there are no static probes in %s", where);
		resolve_hint(resolve, "a program has them when it was built with <sys/sdt.h>");
		return false;
	}
	for (size_t i = 0; i < binaries->n; i++) {
		const usdt_vec *notes = lookup_usdt(resolve->lookup, binaries->data[i].path);

		if (!notes)
			continue;
		vec_each (note, notes)
			nearest_try(&want->nearest, note->name);
	}
	resolve_error(resolve, want->name_part, "no static probe %s '%s%s%s' in %s",
		      glob_is(want->name) || glob_is(want->provider) ? "matches" : "is called",
		      strcmp(want->provider, "*") ? want->provider : "",
		      strcmp(want->provider, "*") ? ":" : "", want->name, where);
	if (!glob_is(want->name) && want->nearest.best && strcmp(want->nearest.best, want->name))
		point_hint(resolve, &want->nearest, "");
	else
		resolve_hint(resolve, "jbtrace -l 'usdt:%s:*' lists them",
			     binaries->n > 1 ? want->file : binaries->data[0].shown);
	return false;
}

static bool no_binary(struct want *want, const char *nearest)
{
	resolve_error(want->resolve, want->file_part, "%s", lookup_error(want->resolve->lookup));
	if (nearest)
		resolve_hint(want->resolve, "did you mean '%s'?", nearest);
	return false;
}

static bool usdt_expand(struct resolve *resolve, const struct spec *spec)
{
	struct want want = { .resolve = resolve, .spec = spec };
	binary_vec binaries = { 0 };
	const char *nearest = NULL;
	const struct binary *binary;
	size_t readable = 0;
	int err;

	if (!want_parse(&want))
		return false;
	err = lookup_binaries(resolve->lookup, want.file, spec->pid, &binaries, &nearest);
	if (err == -ENOENT && spec->pid && spec->n_parts == 2 && !strchr(want.file, '/')) {
		want.provider = want.file; /* PROVIDER:NAME of the process */
		want.file = "*";
		err = lookup_binaries(resolve->lookup, want.file, spec->pid, &binaries, &nearest);
	}
	if (err < 0 || !binaries.n)
		return no_binary(&want, nearest);
	nearest_init(&want.nearest, want.name);
	want.first = strmap_new(resolve->arena);
	vec_each (binary, &binaries) {
		const usdt_vec *notes = lookup_usdt(resolve->lookup, binary->path);
		const struct usdt_note *note;

		if (!notes)
			continue;
		readable++;
		want.notes += notes->n;
		vec_each (note, notes)
			if (is_wanted(&want, note))
				add_place(&want, binary, note);
	}
	if (!readable)
		return no_binary(&want, NULL);
	return want.found || no_probe(&want, &binaries);
}

/* --- arguments --- */

static struct ctx_item usdt_arg(const struct target *target, int n, const struct type **type)
{
	const struct place_args *args = target->own;
	static const char *const counts[USDT_ARGS + 1] = {
		"this probe has no arguments",
		"this probe has one argument: arg0",
		"this probe has two arguments: arg0 and arg1",
		"this probe has 3 arguments: arg0 to arg2",
		"this probe has 4 arguments: arg0 to arg3",
		"this probe has 5 arguments: arg0 to arg4",
		"this probe has 6 arguments: arg0 to arg5",
		"this probe has 7 arguments: arg0 to arg6",
		"this probe has 8 arguments: arg0 to arg7",
		"this probe has 9 arguments: arg0 to arg8",
		"this probe has 10 arguments: arg0 to arg9",
		"this probe has 11 arguments: arg0 to arg10",
		"this probe has 12 arguments: arg0 to arg11",
	};

	*type = NULL;
	if (n < 0)
		return (struct ctx_item){ .kind = CTX_NONE };
	if ((unsigned)n >= args->n)
		return (struct ctx_item){ .kind = CTX_NONE, .why = counts[args->n] };
	*type = args->arg[n].type;
	return args->arg[n].item;
}

static bool note_used(struct node *node, void *used)
{
	if (node->kind == NODE_CALL && node->builtin && node->builtin->flags & BUILTIN_VALUE &&
	    !strncmp(node->builtin->name, "arg", 3))
		*(uint32_t *)used |= 1u << (atoi(node->builtin->name + 3) & 31);
	return true;
}

static uint32_t used_args(struct instance *instance)
{
	uint32_t used = 0;

	if (instance->predicate)
		ast_walk(instance->predicate, note_used, &used);
	ast_walk(instance->body, note_used, &used);
	return used;
}

/* Do both places load the same, for the arguments in `used`? */
static bool same_args(const struct target *a, const struct target *b, uint32_t used)
{
	const struct place_args *x = a->own, *y = b->own;

	for (unsigned i = 0; i < USDT_ARGS; i++) {
		const struct usdt_arg *p = &x->arg[i], *q = &y->arg[i];

		if (!(used >> i & 1) || (i >= x->n && i >= y->n))
			continue;
		if (i >= x->n || i >= y->n || p->len != q->len ||
		    memcmp(p->text, q->text, p->len) || p->item.value != q->item.value ||
		    p->item.kind != q->item.kind)
			return false;
	}
	return true;
}

/* What agrees with the first place stays, in its order; the rest goes behind it. Returns how many stay. */
static size_t bring_forward(struct resolve *resolve, struct instance *instance, uint32_t used)
{
	struct target *first = instance->targets.data[0], **target;
	VEC(struct target *) rest = { 0 };
	size_t n = 0;

	vec_each (target, &instance->targets) {
		if (same_args(first, *target, used))
			instance->targets.data[n++] = *target;
		else
			vec_push(resolve->arena, &rest, *target);
	}
	for (size_t i = 0; i < rest.n; i++)
		instance->targets.data[n + i] = rest.data[i];
	return n;
}

static bool usdt_plan(struct resolve *resolve, struct instance *instance)
{
	bool multi = lookup_feature(resolve->lookup, FEATURE_UPROBE_MULTI);
	uint32_t used = used_args(instance);

	instance->section = "uprobe";
	instance->mode = multi ? PROBE_MODE_UPROBE_MULTI : PROBE_MODE_UPROBE_PERF;
	instance->attach_type = multi ? JB_TRACE_UPROBE_MULTI : 0;
	for (;;) {
		size_t n = bring_forward(resolve, instance, used);

		if (n == instance->targets.n)
			return true;
		instance = instance_split(resolve, instance, n);
	}
}

static int usdt_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	struct userlink how = { .mode = probe->mode, .attach_type = JB_TRACE_UPROBE_MULTI };

	return userlink_attach(run, probe, prog_fd, &how);
}

/* --- listing --- */

/* What -lv shows: the types of the first place's arguments. */
static const struct type *list_args(struct arena *arena, const struct usdt_note *note)
{
	struct type *type = arena_new_of(arena, struct type);
	struct usdt_arg arg[USDT_ARGS];
	struct field *fields;

	*type = (struct type){ .kind = TYPE_STRUCT, .is_complete = true };
	type->n_fields = usdt_args_parse(arena, note->args, arg);
	fields = arena_alloc(arena, (type->n_fields + 1) * sizeof(*fields));
	for (unsigned i = 0; i < type->n_fields; i++)
		fields[i] = (struct field){ .name = arena_printf(arena, "arg%u", i),
					    .type = arg[i].type };
	type->fields = fields;
	return type;
}

/* FILE:NAME or FILE:PROVIDER:NAME; with -p the file may be left out. */
static void usdt_list(struct lookup *lookup, const char *pattern,
		      void (*emit)(void *, const char *, const struct type *), void *arg)
{
	struct arena *arena = lookup_arena(lookup);
	const char *colon = strchr(pattern, ':');
	const char *file = colon ? arena_strndup(arena, pattern, (size_t)(colon - pattern)) : "";
	const char *name = colon ? colon + 1 : pattern;
	const struct binary *binary;
	const struct usdt_note *note;
	binary_vec binaries = { 0 };
	int pid = lookup_pid(lookup);
	const char *before = "", *line;

	if (!colon && strchr(pattern, '/')) {
		file = pattern;
		name = "*";
	}
	if ((!*file && !pid) || (!pid && !strcmp(file, "*")))
		return;
	if (lookup_binaries(lookup, *file ? file : "*", pid, &binaries, NULL) < 0)
		return;
	if (!strchr(name, ':'))
		name = arena_printf(arena, "*:%s", *name ? name : "*");
	vec_each (binary, &binaries) {
		const usdt_vec *notes = lookup_usdt(lookup, binary->path);

		if (!notes)
			continue;
		vec_each (note, notes) {
			if (!glob_match(name,
					arena_printf(arena, "%s:%s", note->provider, note->name)))
				continue;
			line = arena_printf(arena, "usdt:%s:%s:%s", binary->shown, note->provider,
					    note->name);
			if (strcmp(line, before))
				emit(arg, line, list_args(arena, note));
			before = line;
		}
	}
}

/* clang-format off */
const struct provider providers_usdt[] = {
	{ .name = "usdt", .alias = "U", .syntax = "usdt:FILE:NAME, usdt:FILE:PROVIDER:NAME",
	  .doc = "static probe of a program or library: argN",
	  .flags = PROVIDER_USER | PROVIDER_FILTERED | PROVIDER_REGS,
	  .expand = usdt_expand, .arg = usdt_arg, .plan = usdt_plan, .attach = usdt_attach,
	  .list = usdt_list },
	{ 0 },
};
/* clang-format on */
