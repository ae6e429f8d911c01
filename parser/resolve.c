/*
 * Names to things, for a whole program: the order of work, and what a name in an expression means. Macros
 * (macro.c), parameters (params.c), C definitions (cdef.c), attach points (spec.c) and variables (scope.c) are
 * done by their own files. After this pass a tree holds rows, maps, variables and literals, and no bare names.
 */
#include "parser/resolve.h"

#include <string.h>

#include "base/strmap.h"
#include "parser/front.h"

void node_replace(struct node *node, const struct node *with)
{
	struct node *next = node->next;

	*node = *with;
	node->next = next;
}

const struct proto *front_proto(struct resolve *resolve, const char *text)
{
	struct proto *proto = strmap_get(resolve->front->protos, text);

	if (proto)
		return proto;
	proto = arena_new_of(resolve->arena, struct proto);
	if (!proto_parse(resolve->arena, text, proto))
		return NULL;
	strmap_put(resolve->front->protos, text, proto);
	return proto;
}

struct map *front_map(struct resolve *resolve, const char *name, struct span span)
{
	struct map *map = strmap_get(resolve->map_names, name);

	if (map) {
		if (!map->span.end)
			map->span = span;
		return map;
	}
	map = arena_new_of(resolve->arena, struct map);
	map->name = name;
	map->span = span;
	strmap_put(resolve->map_names, name, map);
	vec_push(resolve->arena, &resolve->maps, map);
	return map;
}

/* --- names --- */

/* Known to users of the language this one is compatible with, and not here. */
static bool is_known_elsewhere(const char *name)
{
	/* clang-format off */
	static const char *const names[] = {
		"assert", "assert_str", "comptime", "config", "container_of",
		"debugf", "default_str_length", "dw_ustack", "fail", "find",
		"flags", "has_cpid", "is_array", "is_err", "is_integer",
		"is_literal", "is_ptr", "is_str", "is_unsigned_integer", "kfunc_allowed",
		"memcmp", "override", "path", "percpu_kaddr",
		"probetype", "sarg0", "sarg1", "sarg2", "sarg3",
		"sarg4", "sarg5", "signal", "signal_name", "signal_thread",
		"skboutput", "socket_cookie", "static_assert", "str_concat", "strcap",
		"tseries", "typeinfo", "uaddr", "unwatch", "usermode",
		"write_user",
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcmp(names[i], name))
			return true;
	return false;
}

/* arg10 and beyond: a name that no row has. */
static bool is_register_arg(const char *name)
{
	return !strncmp(name, "arg", 3) && name[3] && !name[3 + strspn(name + 3, "0123456789")];
}

static void try_rows(const struct resolve *resolve, struct nearest *nearest)
{
	const struct registry *registry = resolve->registry;

	for (const struct builtin *const *family = registry->builtins; family && *family;
	     family++) {
		const struct builtin *row;

		row_each (row, *family)
			nearest_try(nearest, row->name);
	}
	for (const struct aggregate *const *family = registry->aggregates; family && *family;
	     family++) {
		const struct aggregate *row;

		row_each (row, *family)
			nearest_try(nearest, row->name);
	}
}

static void unknown_name(struct resolve *resolve, const struct node *node, const char *what)
{
	struct span span = node->name_span.end ? node->name_span : node->span;
	const struct macro *macro;
	struct nearest nearest;

	if (is_known_elsewhere(node->name)) {
		diag_error(resolve->diags, span, "not supported yet: %s", node->name);
		return;
	}
	if (is_register_arg(node->name)) {
		diag_error(resolve->diags, span,
			   "x86_64 passes six arguments in registers: arg0 to arg5");
		return;
	}
	diag_error(resolve->diags, span, "unknown %s '%s'", what, node->name);
	nearest_init(&nearest, node->name);
	try_rows(resolve, &nearest);
	vec_each (macro, &resolve->front->macros)
		nearest_try(&nearest, macro->name);
	for (size_t i = 0; i < strmap_len(resolve->front->constants); i++)
		nearest_try(&nearest, strmap_at(resolve->front->constants, i, NULL));
	for (size_t i = 0; i < strmap_len(resolve->defines); i++)
		nearest_try(&nearest, strmap_at(resolve->defines, i, NULL));
	if (nearest.best)
		diag_hint_nearest(resolve->diags, nearest.best);
	else if (!strcmp(what, "identifier"))
		diag_hint(resolve->diags,
			  "variables begin with $, maps with @, strings stand in double quotes");
}

static void make_constant(struct node *node, int64_t value, const struct type *type)
{
	node->kind = NODE_INT;
	node->value = (uint64_t)value;
	node->is_unsigned = type && !type->is_signed && value < 0;
	node->type = type && type->kind == TYPE_ENUM ? type : NULL;
}

/* A builtin without parentheses is a call without arguments. */
static bool ident_builtin(struct resolve *resolve, struct node *node)
{
	const struct builtin *row = registry_builtin(resolve->registry, node->name);
	const struct proto *proto = row ? front_proto(resolve, row->proto) : NULL;

	if (!row)
		return false;
	if (proto && !proto->is_value && proto->n_required) {
		diag_error(resolve->diags, node->span, "%s is a function: it needs arguments",
			   node->name);
		diag_hint(resolve->diags, "%s", row->proto);
	}
	node->kind = NODE_CALL;
	node->builtin = row;
	if (!node->name_span.end)
		node->name_span = node->span;
	return true;
}

/* What the script itself says about a name: macros, #defines, its enums. */
static bool ident_of_script(struct resolve *resolve, struct node *node)
{
	const struct macro *macro = macro_find(resolve, node);
	const struct node *define = strmap_get(resolve->defines, node->name);
	const struct constant *constant = strmap_get(resolve->front->constants, node->name);

	if (macro)
		macro_expand(resolve, node, macro);
	else if (define)
		define_expand(resolve, node, define);
	else if (constant)
		make_constant(node, constant->value, constant->type);
	else
		return false;
	return true;
}

static void resolve_ident(struct resolve *resolve, struct node *node)
{
	const struct type *type = NULL;
	int64_t value;

	if (ident_of_script(resolve, node) || ident_builtin(resolve, node))
		return;
	if (resolve->lookup && lookup_enumerator(resolve->lookup, node->name, &value, &type)) {
		make_constant(node, value, type);
		return;
	}
	if (registry_aggregate(resolve->registry, node->name)) {
		diag_error(resolve->diags, node->span, "%s is a function: write %s(...)",
			   node->name, node->name);
	} else {
		unknown_name(resolve, node, "identifier");
	}
	node->kind = NODE_INT; /* a value that disturbs nobody: the error is told */
	node->name = NULL;
	node->is_bad = true;
}

/* --- calls --- */

/* Bare words are arguments of rows that look at them when they are checked: nsecs(boot), kstack(perf, 3). */
static bool takes_word(const struct builtin *row, const struct proto_param *param)
{
	if (param->type == PROTO_STRING && param->is_const)
		return true;
	return param->type == PROTO_ANY && row->check && !row->act;
}

static void resolve_builtin_args(struct resolve *resolve, struct node *call,
				 const struct proto *proto)
{
	struct node *arg;
	unsigned i = 0;

	node_each (arg, call->args) {
		const struct proto_param *param = i < proto->n_params ? &proto->param[i] : NULL;
		bool word = arg->kind == NODE_IDENT && param && takes_word(call->builtin, param);

		i++;
		if (word && ident_of_script(resolve, arg))
			continue;
		if (word && !registry_builtin(resolve->registry, arg->name)) {
			arg->kind = NODE_STR;
			arg->text = arg->name;
			arg->len = (uint32_t)strlen(arg->name);
			continue;
		}
		resolve_tree(resolve, arg);
	}
}

static void wrong_macro(struct resolve *resolve, const struct node *call)
{
	const struct macro *macro;
	const char *kinds = NULL;

	vec_each (macro, &resolve->front->macros)
		if (!strcmp(macro->name, call->name))
			kinds = arena_printf(resolve->arena, "%s%s%u", kinds ? kinds : "",
					     kinds ? " or " : "", macro->n_params);
	diag_error(resolve->diags, call->span, "no macro %s fits these %u arguments", call->name,
		   ast_count(call->args));
	diag_hint(resolve->diags,
		  "it takes %s; where a parameter is $v or @m, the argument must be a variable or "
		  "a map",
		  kinds);
}

static void resolve_list(struct resolve *resolve, struct node *list)
{
	struct node *item;

	node_each (item, list)
		resolve_tree(resolve, item);
}

/* A derived column: names of columns stay for check_row.c, all other names are replaced as everywhere. */
static void resolve_derived(struct resolve *resolve, struct node *node, const struct node *row)
{
	const struct node *column;
	struct node *item;

	if (!node)
		return;
	if (node->kind == NODE_IDENT) {
		node_each (column, row->args)
			if (column->kind == NODE_NAMED && !strcmp(column->name, node->name))
				return;
		ident_of_script(resolve, node);
	} else if (node->kind == NODE_PARAM) {
		param_replace(resolve, node);
	} else {
		resolve_derived(resolve, node->a, row);
		resolve_derived(resolve, node->b, row);
		resolve_derived(resolve, node->c, row);
		node_each (item, node->args)
			resolve_derived(resolve, item, row);
	}
}

/* agg(n = count(), share = hits * 100 / n) */
static void resolve_row(struct resolve *resolve, struct node *call)
{
	struct node *arg;

	node_each (arg, call->args) {
		struct node *value = arg->kind == NODE_NAMED ? arg->a : arg;

		if (value->kind == NODE_CALL)
			resolve_tree(resolve, value);
		else
			resolve_derived(resolve, value, call);
	}
}

static void resolve_call(struct resolve *resolve, struct node *call)
{
	const struct macro *macro;

	if (call->aggregate && call->aggregate->flags & AGG_ROW) {
		resolve_row(resolve, call);
		return;
	}
	if (call->builtin ||
	    call->aggregate) { /* part of an argument that was resolved where it was written */
		resolve_list(resolve, call->args);
		return;
	}
	macro = macro_find(resolve, call);
	if (macro) {
		resolve_list(resolve, call->args);
		macro_expand(resolve, call, macro);
		return;
	}
	if (param_string_call(resolve, call))
		return;
	call->builtin = registry_builtin(resolve->registry, call->name);
	call->aggregate = call->builtin ? NULL : registry_aggregate(resolve->registry, call->name);
	if (call->builtin) {
		const struct proto *proto = front_proto(resolve, call->builtin->proto);

		if (proto)
			resolve_builtin_args(resolve, call, proto);
		return;
	}
	if (call->aggregate && call->aggregate->flags & AGG_ROW) {
		resolve_row(resolve, call);
		return;
	}
	resolve_list(resolve, call->args);
	if (call->aggregate)
		return;
	if (!strcmp(call->name, "getopt"))
		getopt_replace(resolve, call);
	else if (macro_named(resolve, call->name))
		wrong_macro(resolve, call);
	else
		unknown_name(resolve, call, "function");
}

/* --- everything else --- */

/* `@x[(a, b)]` is `@x[a, b]`. */
static void resolve_map(struct resolve *resolve, struct node *node)
{
	if (node->key && !node->key->next && node->key->kind == NODE_TUPLE && node->key->args)
		node->key = node->key->args;
	resolve_list(resolve, node->key);
	node->map = front_map(resolve, node->name, node->span);
}

static void resolve_block(struct resolve *resolve, struct node *block)
{
	struct node *statement;

	node_each (statement, block->args) {
		resolve_tree(resolve, statement);
		statement_normalise(resolve, statement);
	}
	if (block->b)
		resolve_tree(resolve, block->b);
}

static void resolve_children(struct resolve *resolve, struct node *node)
{
	if (node->a)
		resolve_tree(resolve, node->a);
	if (node->b)
		resolve_tree(resolve, node->b);
	if (node->c)
		resolve_tree(resolve, node->c);
	if (node->kind != NODE_OFFSETOF)
		resolve_list(resolve, node->args);
	if (node->spelled && node->spelled->of)
		resolve_tree(resolve, node->spelled->of);
}

void resolve_tree(struct resolve *resolve, struct node *node)
{
	switch (node->kind) {
	case NODE_PARAM:
		param_replace(resolve, node);
		break;
	case NODE_IDENT:
		resolve_ident(resolve, node);
		break;
	case NODE_CALL:
		resolve_call(resolve, node);
		break;
	case NODE_MAP:
		resolve_map(resolve, node);
		break;
	case NODE_BLOCK:
		resolve_block(resolve, node);
		break;
	case NODE_UNROLL:
		unroll_expand(resolve, node);
		break;
	default:
		resolve_children(resolve, node);
		break;
	}
}

/* --- the program --- */

/* What is in these headers is in BTF as well, constants of the preprocessor excepted. */
static bool is_kernel_header(const struct node *import)
{
	static const char *const folders[] = { "<linux/", "<net/", "<asm/", "<asm-generic/",
					       "<uapi/" };

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		if (!strncmp(import->text, folders[i], strlen(folders[i])))
			return true;
	return false;
}

static bool is_header(const struct node *import)
{
	size_t len = strlen(import->text);

	return import->text[0] == '<' || (len > 2 && !strcmp(import->text + len - 2, ".h"));
}

static void import(struct resolve *resolve, const struct node *item)
{
	if (is_kernel_header(item) && resolve->lookup && lookup_has_btf(resolve->lookup))
		diag_warn(resolve->diags, item->span,
			  "%s is not needed: kernel types come from BTF", item->text);
	else if (is_header(item))
		diag_error(resolve->diags, item->span,
			   "not supported yet: #include (kernel types come from BTF; define user "
			   "types in the script)");
	else
		diag_error(resolve->diags, item->span, "not supported yet: import");
}

static void declare_map(struct resolve *resolve, const struct node *decl)
{
	static const char *const kinds[] = { "hash", "lruhash", "percpuhash", "percpulruhash" };
	struct map *map = front_map(resolve, decl->name, (struct span){ 0, 0 });
	struct nearest nearest;

	if (map->decl) {
		diag_error(resolve->diags, decl->span, "%s is declared twice", decl->name);
		return;
	}
	map->decl = decl;
	if (decl->value < 1 || decl->value > UINT32_MAX)
		diag_error(resolve->diags, decl->span, "%s needs room for 1 to %u entries",
			   decl->name, UINT32_MAX);
	nearest_init(&nearest, decl->text);
	for (int i = 0; i < 4; i++) {
		if (!strcmp(kinds[i], decl->text))
			return;
		nearest_try(&nearest, kinds[i]);
	}
	diag_error(resolve->diags, decl->span, "unknown kind of map '%s'", decl->text);
	if (nearest.best)
		diag_hint_nearest(resolve->diags, nearest.best);
	else
		diag_hint(resolve->diags, "kinds are hash, lruhash, percpuhash and percpulruhash");
}

static void collect_item(struct resolve *resolve, struct node *item)
{
	switch (item->kind) {
	case NODE_DEFINE:
		strmap_put(resolve->defines, item->name, item);
		break;
	case NODE_MACRO:
		macro_collect(resolve, item);
		break;
	case NODE_STRUCT_DEF:
		cdef_define(resolve, item);
		break;
	case NODE_MAP_DECL:
		declare_map(resolve, item);
		break;
	case NODE_FN:
		diag_error(resolve->diags, item->span, "not supported yet: fn");
		diag_hint(resolve->diags, "a macro can do most of it: macro %s(...) { ... }",
			  item->name);
		break;
	case NODE_METRIC:
		metric_collect(resolve, item);
		break;
	case NODE_IMPORT:
		import(resolve, item);
		break;
	default:
		break;
	}
}

/* The parser saw to it that there is at most one. */
static const struct node *find_config(const struct resolve *resolve)
{
	const struct node *item;

	node_each (item, resolve->program->args)
		if (item->kind == NODE_CONFIG)
			return item;
	return NULL;
}

static void front_init(struct resolve *resolve)
{
	resolve->front = arena_new_of(resolve->arena, struct front);
	resolve->front->constants = strmap_new(resolve->arena);
	resolve->front->tags = strmap_new(resolve->arena);
	resolve->front->protos = strmap_new(resolve->arena);
	resolve->front->options = strmap_new(resolve->arena);
	resolve->macros = strmap_new(resolve->arena);
	resolve->defines = strmap_new(resolve->arena);
	resolve->map_names = strmap_new(resolve->arena);
}

static void resolve_probe(struct resolve *resolve, struct node *probe)
{
	if (probe->a)
		resolve_tree(resolve, probe->a);
	resolve_tree(resolve, probe->b);
	statement_normalise(resolve, probe->b);
	spec_expand_probe(resolve, probe);
}

/* What is there to run: nothing, or nothing that has to be waited for? */
static void look_at_instances(struct resolve *resolve)
{
	struct instance **instance;
	bool none = true;

	resolve->plan->only_begin_end = true;
	vec_each (instance, &resolve->instances) {
		if ((*instance)->absent)
			continue;
		none = false;
		if (!((*instance)->provider->flags & (PROVIDER_SPECIAL | PROVIDER_ONCE)))
			resolve->plan->only_begin_end = false;
	}
	if (none && !diag_errors(resolve->diags))
		diag_error(resolve->diags, resolve->program->span,
			   "none of the probes of this script can be attached");
}

bool resolve_program(struct resolve *resolve)
{
	struct node *item;
	unsigned n_probes = 0;

	front_init(resolve);
	config_apply(resolve, find_config(resolve));
	node_each (item, resolve->program->args)
		collect_item(resolve, item);
	node_each (item, resolve->program->args) {
		if (item->kind != NODE_PROBE || diag_full(resolve->diags))
			continue;
		n_probes++;
		resolve_probe(resolve, item);
	}
	getopt_check_unknown(resolve);
	if (!n_probes)
		diag_error(resolve->diags, resolve->program->span, "this script has no probe");
	look_at_instances(resolve);
	return !diag_errors(resolve->diags);
}
