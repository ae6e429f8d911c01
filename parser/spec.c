/*
 * Attach points: text to parts, parts to a provider, its targets to instances (one program each). What a provider
 * complains about is gathered first, because an alternative may still succeed and `missing_probes` may
 * turn it into a warning.
 */
#include <string.h>

#include "base/strmap.h"
#include "parser/front.h"

/* What the body of a probe needs, found by looking at its calls. */
struct needs {
	bool fields; /* of args: each shape of it needs its own program */
	bool args, duration, probe, loop;
	VEC(const char *) names; /* of the fields */
	int whole;		 /* how often args is used otherwise than for a field */
	struct arena *arena;
};

/* --- parts --- */

struct splitter {
	struct resolve *resolve;
	const struct node *node;
	VEC(const char *) parts;
	VEC(struct span) spans;
	struct buf part;
	size_t begin; /* byte in node->text where the current part begins */
};

static void end_part(struct splitter *s, size_t end)
{
	uint32_t base = s->node->span.begin;

	vec_push(s->resolve->arena, &s->parts,
		 arena_strdup(s->resolve->arena, s->part.data ? s->part.data : ""));
	vec_push(s->resolve->arena, &s->spans,
		 ((struct span){ base + (uint32_t)s->begin, base + (uint32_t)end }));
	buf_reset(&s->part);
	s->begin = end + 1;
}

/* `$N` in an attach point; returns the bytes it takes. */
static size_t add_param(struct splitter *s, const char *text)
{
	uint64_t n = 0;
	size_t len = 1;
	const char *value;

	while (text[len] >= '0' && text[len] <= '9')
		n = n * 10 + (uint64_t)(text[len++] - '0');
	value = param_text(s->resolve, n);
	if (!value) {
		diag_error(s->resolve->diags, s->node->span,
			   "$%llu is not set, and this attach point needs it",
			   (unsigned long long)n);
		diag_hint(s->resolve->diags,
			  "parameters follow the script's name on the command line");
	}
	buf_puts(&s->part, value ? value : "");
	return len;
}

static bool is_param_here(const char *text)
{
	return text[0] == '$' && text[1] >= '0' && text[1] <= '9';
}

static void split(struct splitter *s)
{
	const char *text = s->node->text;
	bool quoted = false;
	size_t i = 0;

	while (text[i]) {
		if (text[i] == '"') {
			quoted = !quoted;
			i++;
		} else if (quoted && text[i] == '\\' && text[i + 1]) {
			buf_putc(&s->part, text[i + 1]);
			i += 2;
		} else if (text[i] == ':' && !quoted && text[i + 1] == ':' && s->parts.n > 1) {
			buf_puts(&s->part, "::"); /* a C++ name without quotes */
			i += 2;
		} else if (text[i] == ':' && !quoted) {
			end_part(s, i++);
		} else if (is_param_here(text + i)) {
			i += add_param(s, text + i);
		} else {
			buf_putc(&s->part, text[i++]);
		}
	}
	end_part(s, i);
	buf_fini(&s->part);
}

/* --- providers --- */

static bool is_planned(const char *name)
{
	static const char *const names[] = {
		"test",
		"bench",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcasecmp(names[i], name) && (strlen(name) > 1 || !strcmp(names[i], name)))
			return true;
	return false;
}

static struct mistake *add_mistake(struct resolve *resolve, struct span span, const char *text)
{
	struct mistake *mistake = vec_grow(resolve->arena, &resolve->front->mistakes);

	mistake->span = span;
	mistake->text = text;
	return mistake;
}

static void unknown_provider(struct resolve *resolve, struct span span, const char *name)
{
	struct mistake *mistake;
	struct nearest nearest;

	if (strchr(name, '*')) {
		add_mistake(resolve, span, "not supported yet: a wildcard instead of a probe type");
		return;
	}
	if (strchr(name, '=')) {
		add_mistake(resolve, span, "not supported yet: named probes");
		return;
	}
	if (is_planned(name)) {
		add_mistake(resolve, span,
			    arena_printf(resolve->arena, "not supported yet: %s", name));
		return;
	}
	mistake = add_mistake(resolve, span,
			      arena_printf(resolve->arena, "unknown probe type '%s'", name));
	mistake->is_typo = true;
	nearest_init(&nearest, name);
	for (const struct provider *const *family = resolve->registry->providers; family && *family;
	     family++) {
		const struct provider *row;

		row_each (row, *family)
			nearest_try(&nearest, row->name);
	}
	if (nearest.best)
		mistake->hint = arena_printf(resolve->arena, "did you mean '%s'?", nearest.best);
}

/* --- reports of providers --- */

static struct span part_span(const struct spec *spec, int part)
{
	return spec && part >= 0 && (unsigned)part < spec->n_parts ? spec->part_span[part]
								   : spec->span;
}

void resolve_error(struct resolve *resolve, int part, const char *fmt, ...)
{
	struct span span = resolve->spec       ? part_span(resolve->spec, part)
			   : resolve->instance ? resolve->instance->span
					       : (struct span){ 0, 0 };
	struct front *front = resolve->front;
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(resolve->arena, fmt, ap);
	va_end(ap);
	if (front && front->gathering)
		add_mistake(resolve, span, text);
	else
		diag_error(resolve->diags, span, "%s", text);
}

void resolve_hint(struct resolve *resolve, const char *fmt, ...)
{
	struct front *front = resolve->front;
	const char *text;
	va_list ap;

	va_start(ap, fmt);
	text = arena_vprintf(resolve->arena, fmt, ap);
	va_end(ap);
	if (front && front->gathering && front->mistakes.n)
		front->mistakes.data[front->mistakes.n - 1].hint = text;
	else if (!front || !front->gathering)
		diag_hint(resolve->diags, "%s", text);
}

void resolve_serve(struct resolve *resolve, const struct provider *provider, const char *why)
{
	resolve->served_by = provider;
	resolve->why = why;
}

struct target *resolve_add_target(struct resolve *resolve, const char *name)
{
	struct target *target = arena_new_of(resolve->arena, struct target);

	target->id = (uint32_t)resolve->plan->targets.n;
	target->name = name;
	if (resolve->spec)
		target->span = resolve->spec->span;
	vec_push(resolve->arena, &resolve->plan->targets, target);
	if (resolve->front)
		vec_push(resolve->arena, &resolve->front->targets, target);
	return target;
}

/* A probe without a place is left out when the script allows that; a typo is none of these. */
static void report_mistakes(struct resolve *resolve, struct span span)
{
	const struct mistake *mistake;

	if (resolve->plan->missing_probes && resolve->front->mistakes.n &&
	    !resolve->front->mistakes.data[0].is_typo)
		vec_push(resolve->plan->arena, &resolve->plan->missing,
			 diag_text(resolve->diags, resolve->plan->arena, span));
	vec_each (mistake, &resolve->front->mistakes) {
		if (resolve->plan->missing_probes == 2 && !mistake->is_typo)
			continue;
		if (resolve->plan->missing_probes == 1 && !mistake->is_typo)
			diag_warn(resolve->diags, mistake->span, "%s", mistake->text);
		else
			diag_error(resolve->diags, mistake->span, "%s", mistake->text);
		if (mistake->hint)
			diag_hint(resolve->diags, "%s", mistake->hint);
	}
}

/* --- one attach point --- */

static struct spec *parse_spec(struct resolve *resolve, const struct node *node)
{
	struct splitter s = { .resolve = resolve, .node = node };
	struct spec *spec = arena_new_of(resolve->arena, struct spec);

	split(&s);
	spec->span = node->span;
	spec->provider = registry_provider(resolve->registry, s.parts.data[0]);
	if (!spec->provider) {
		unknown_provider(resolve, s.spans.data[0], s.parts.data[0]);
		return NULL;
	}
	spec->part = s.parts.data + 1;
	spec->part_span = s.spans.data + 1;
	spec->n_parts = (unsigned)s.parts.n - 1;
	spec->pid = resolve->options ? resolve->options->pid : 0;
	spec->unsafe = resolve->options && resolve->options->unsafe;
	spec->text = spec->provider->name;
	for (unsigned i = 0; i < spec->n_parts; i++)
		spec->text = arena_printf(resolve->arena, "%s:%s", spec->text, spec->part[i]);
	return spec;
}

/* Targets of a spec that failed are forgotten: ids stay dense. */
static bool expand_spec(struct resolve *resolve, struct spec *spec)
{
	struct front *front = resolve->front;
	size_t n_targets = resolve->plan->targets.n, n_mistakes = front->mistakes.n;
	bool ok;

	resolve->spec = spec;
	resolve->served_by = NULL;
	resolve->why = NULL;
	front->targets.n = 0;
	front->gathering = true;
	ok = spec->provider->expand(resolve, spec);
	if (ok && !front->targets.n) {
		resolve_error(resolve, -1, "nothing matches %s", spec->text);
		ok = false;
	}
	front->gathering = false;
	resolve->spec = NULL;
	if (ok)
		front->mistakes.n = n_mistakes;
	else
		resolve->plan->targets.n = n_targets;
	if (ok && resolve->served_by)
		spec->provider = resolve->served_by;
	return ok;
}

/* The first of the alternatives that this machine has; args of the node lists them when there are several. */
static const struct spec *expand_first(struct resolve *resolve, const struct node *node)
{
	const struct node *alternative = node->args ? node->args : node;

	resolve->front->mistakes.n = 0;
	for (; alternative; alternative = node->args ? alternative->next : NULL) {
		unsigned errors = diag_errors(resolve->diags);
		struct spec *spec = parse_spec(resolve, alternative);

		if (!spec || diag_errors(resolve->diags) != errors || !expand_spec(resolve, spec))
			continue;
		if (!resolve->why && resolve->front->mistakes.n)
			resolve->why = arena_printf(resolve->arena, "chosen: %s",
						    resolve->front->mistakes.data[0].text);
		return spec;
	}
	report_mistakes(resolve, node->span);
	return NULL;
}

/* --- instances --- */

static bool is_args(const struct node *node)
{
	return node->kind == NODE_CALL && node->builtin && node->builtin->flags & BUILTIN_ARGS;
}

static bool scan_node(struct node *node, void *arg)
{
	struct needs *needs = arg;
	unsigned flags;

	if (node->kind == NODE_FOR_RANGE || node->kind == NODE_WHILE || node->kind == NODE_FOR_MAP)
		needs->loop = true;
	if (node->kind == NODE_FIELD && is_args(node->a)) {
		vec_push(needs->arena, &needs->names, node->name);
		needs->whole--; /* its args is visited next */
	}
	if (node->kind != NODE_CALL || !node->builtin)
		return true;
	flags = node->builtin->flags;
	needs->whole += (flags & BUILTIN_ARGS) != 0;
	needs->fields |= (flags & BUILTIN_ARGS) != 0;
	needs->args |= (flags & (BUILTIN_ARGS | BUILTIN_VALUE)) != 0;
	needs->duration |= (flags & BUILTIN_DURATION) != 0;
	needs->probe |= (flags & BUILTIN_TARGET) != 0;
	return true;
}

static struct needs scan(struct arena *arena, struct node *probe)
{
	struct needs needs = { .arena = arena };

	if (probe->a)
		ast_walk(probe->a, scan_node, &needs);
	ast_walk(probe->b, scan_node, &needs);
	return needs;
}

static struct instance *add_instance(struct resolve *resolve, struct node *probe,
				     const struct spec *spec, const struct needs *needs)
{
	struct instance *instance = arena_new_of(resolve->arena, struct instance);

	instance->probe = probe;
	instance->predicate = probe->a ? ast_clone(resolve->arena, probe->a) : NULL;
	instance->body = ast_clone(resolve->arena, probe->b);
	instance->provider = spec->provider;
	instance->span = spec->span;
	instance->why = resolve->why;
	instance->uses_args = needs->args;
	instance->uses_duration = needs->duration;
	instance->uses_probe = needs->probe;
	instance->has_loop = needs->loop;
	instance->program = arena_printf(resolve->arena, "p%zu_%.9s", resolve->instances.n,
					 spec->provider->name);
	vec_push(resolve->arena, &resolve->instances, instance);
	return instance;
}

/* Can one program read what is used of both? Functions are told apart by what they take besides, which nobody asks for. */
static bool same_args(const struct type *a, const struct type *b, const struct needs *needs,
		      const struct target *target)
{
	const char *const *name;

	if (a == b || !a || !b || !target->path || needs->whole)
		return a == b;
	vec_each (name, &needs->names) {
		const struct field *x = type_field(a, *name, NULL), *y = type_field(b, *name, NULL);

		if (!x || !y || x->type != y->type || x->offset != y->offset)
			return false;
	}
	return true;
}

/* One instance for all targets, or one for each shape of `args` when the body looks at its fields. */
static void make_instances(struct resolve *resolve, struct node *probe, const struct spec *spec)
{
	struct needs needs = scan(resolve->arena, probe);
	size_t first = resolve->instances.n;
	struct target **target;

	resolve->spec = spec;
	vec_each (target, &resolve->front->targets) {
		const struct type *args = NULL;
		struct instance *instance = NULL;

		if (needs.fields && spec->provider->args)
			args = spec->provider->args(resolve, *target);
		for (size_t i = first; i < resolve->instances.n; i++)
			if (same_args(resolve->instances.data[i]->args, args, &needs, *target))
				instance = resolve->instances.data[i];
		if (!instance) {
			instance = add_instance(resolve, probe, spec, &needs);
			instance->args = args;
		}
		vec_push(resolve->arena, &instance->targets, *target);
	}
	resolve->spec = NULL;
}

/* Mistakes in the body are the same in every copy: they are told once. */
static void finish_instances(struct resolve *resolve, size_t first, bool *told)
{
	size_t n = resolve->instances.n; /* plan hooks may split instances, and append the rest */

	for (size_t i = first; i < n; i++) {
		struct instance *instance = resolve->instances.data[i];
		struct diags *diags = resolve->diags;
		unsigned errors = diag_errors(diags);

		if (*told)
			resolve->diags = diag_new(resolve->arena);
		scope_instance(resolve, instance);
		resolve->diags = diags;
		*told |= diag_errors(diags) != errors;
		resolve->instance = instance;
		if (instance->provider->plan)
			instance->provider->plan(resolve, instance);
		resolve->instance = NULL;
	}
}

/*
 * A user function that is not here, which the script allows: its body still says what its maps hold, as argN is the same
 * everywhere. What other probes have depends on their target.
 */
static void make_absent(struct resolve *resolve, struct node *probe, const struct node *node)
{
	const unsigned wanted = PROVIDER_USER | PROVIDER_FUNCTION;
	struct needs needs = scan(resolve->arena, probe);
	const struct spec *spec = parse_spec(resolve, node->args ? node->args : node);
	struct target *target = arena_new_of(resolve->arena, struct target);
	struct instance *instance;

	if (!spec || (spec->provider->flags & wanted) != wanted || needs.fields)
		return;
	target->name = target->path = spec->text;
	target->func = spec->text;
	target->number = -1;
	instance = add_instance(resolve, probe, spec, &needs);
	instance->absent = true;
	vec_push(resolve->arena, &instance->targets, target);
	scope_instance(resolve, instance);
}

void spec_expand_probe(struct resolve *resolve, struct node *probe)
{
	const struct node *node;
	bool told = false;

	node_each (node, probe->args) {
		const struct spec *spec = expand_first(resolve, node);
		size_t first = resolve->instances.n;

		if (!spec && resolve->plan->missing_probes && !diag_errors(resolve->diags))
			make_absent(resolve, probe, node);
		if (!spec)
			continue;
		make_instances(resolve, probe, spec);
		finish_instances(resolve, first, &told);
	}
}
