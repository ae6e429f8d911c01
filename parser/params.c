/*
 * What is given to a script from outside: $1, $2, $# and getopt(). All of it is known before anything is compiled,
 * so each becomes a literal.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "parser/front.h"

/* The whole text as a number in decimal, hexadecimal or octal, with an optional sign. */
static bool parse_number(const char *text, uint64_t *value, bool *is_unsigned)
{
	bool negative = *text == '-';
	const char *digits = text + (*text == '-' || *text == '+');
	char *end;

	if (*digits < '0' || *digits > '9')
		return false;
	errno = 0;
	*value = strtoull(digits, &end, 0);
	if (*end || errno || (negative && *value > (uint64_t)INT64_MAX + 1))
		return false;
	*is_unsigned = !negative && *value > INT64_MAX;
	if (negative)
		*value = 0 - *value;
	return true;
}

const char *param_text(const struct resolve *resolve, uint64_t n)
{
	const struct front_options *options = resolve->options;

	return options && n >= 1 && n <= options->n_params ? options->params[n - 1] : NULL;
}

static void warn_unset(struct resolve *resolve, const struct node *param)
{
	diag_warn(resolve->diags, param->span,
		  "$%llu is not set: it is 0, or \"\" where a string is needed",
		  (unsigned long long)param->value);
	diag_hint(resolve->diags, "parameters follow the script's name on the command line");
}

static void make_string(struct node *node, const char *text)
{
	node->kind = NODE_STR;
	node->text = text;
	node->len = (uint32_t)strlen(text);
	node->name = NULL;
	node->value = 0;
	node->is_unsigned = false;
}

/* A number stays an integer that remembers its text: check.c makes it a string where one is needed. */
void param_replace(struct resolve *resolve, struct node *param)
{
	const char *text;
	uint64_t n = param->value;

	if (param->name && !strcmp(param->name, "#")) {
		param->kind = NODE_INT;
		param->value = resolve->options ? resolve->options->n_params : 0;
		param->name = NULL;
		return;
	}
	text = param_text(resolve, n);
	if (!text)
		warn_unset(resolve, param);
	param->kind = NODE_INT;
	param->name = arena_printf(resolve->arena, "$%llu", (unsigned long long)n);
	param->text = text ? text : "";
	param->len = (uint32_t)strlen(param->text);
	param->value = 0;
	if (text && !parse_number(text, &param->value, &param->is_unsigned))
		make_string(param, text);
}

bool param_string_call(struct resolve *resolve, struct node *call)
{
	struct node *arg = call->args;
	const char *text;
	int64_t room;

	if (strcmp(call->name, "str") || !arg ||
	    (arg->kind != NODE_PARAM && arg->kind != NODE_STR && !is_param(arg)))
		return false;
	if (arg->kind == NODE_PARAM && arg->name && !strcmp(arg->name, "#"))
		return false;
	if (arg->kind == NODE_PARAM) {
		text = param_text(resolve, arg->value);
		if (!text)
			warn_unset(resolve, arg);
	} else {
		text = arg->text;
	}
	text = text ? text : "";
	if (arg->next) {
		resolve_tree(resolve, arg->next);
		if (!fold_int(arg->next, &room) || room < 1) {
			diag_error(resolve->diags, arg->next->span,
				   "the length of str() of a literal must be a constant above 0");
			room = 1;
		}
		text = arena_strndup(resolve->arena, text, strnlen(text, (size_t)room - 1));
	}
	call->args = NULL;
	make_string(call, text);
	return true;
}

/* --- getopt --- */

/* What stands behind `--` for this name: NULL when it was not given, "" for a bare name. */
static const char *option_value(const struct resolve *resolve, const char *name, bool *bare)
{
	const struct front_options *options = resolve->options;
	size_t len = strlen(name);
	const char *found = NULL;

	for (unsigned i = 0; options && i < options->n_named; i++) {
		const char *item = options->named[i];

		item += strspn(item, "-");
		if (strncmp(item, name, len) || (item[len] && item[len] != '='))
			continue;
		*bare = !item[len];
		found = *bare ? "" : item + len + 1;
	}
	return found;
}

static void bad_option(struct resolve *resolve, const struct node *call, const char *name,
		       const char *kind, const char *value)
{
	diag_error(resolve->diags, call->span,
		   "program command line option --%s invalid %s (value: %s)", name, kind, value);
}

static void option_bool(struct resolve *resolve, struct node *call, const char *name,
			const char *value, bool bare, bool fallback)
{
	bool result = fallback;

	if (value && (bare || !strcmp(value, "true") || !strcmp(value, "1")))
		result = true;
	else if (value && (!strcmp(value, "false") || !strcmp(value, "0")))
		result = false;
	else if (value)
		bad_option(resolve, call, name, "bool", value);
	call->kind = NODE_BOOL;
	call->value = result;
}

static void option_int(struct resolve *resolve, struct node *call, const char *name,
		       const char *value, const struct node *fallback)
{
	int64_t number;

	if (fold_int(fallback, &number))
		call->value = (uint64_t)number;
	call->is_unsigned = fallback->is_unsigned;
	call->kind = NODE_INT;
	if (value && !parse_number(value, &call->value, &call->is_unsigned))
		bad_option(resolve, call, name, "integer", value);
}

static void record_param(struct resolve *resolve, const char *name, const char *fallback,
			 const char *help)
{
	struct plan_param *param;

	if (strmap_get(resolve->front->options, name))
		return;
	param = vec_grow(resolve->arena, &resolve->plan->params);
	param->name = name;
	param->fallback = fallback;
	param->help = help;
	strmap_put(resolve->front->options, name, (void *)name);
}

static const char *fallback_text(struct resolve *resolve, const struct node *fallback)
{
	int64_t number;

	if (!fallback)
		return "false";
	if (fallback->kind == NODE_STR)
		return fallback->text;
	if (fallback->kind == NODE_BOOL)
		return fallback->value ? "true" : "false";
	return fold_int(fallback, &number) ? arena_printf(resolve->arena, "%lld", (long long)number)
					   : NULL;
}

/* Name, default and help must be literals: the value is needed before anything runs. */
static bool getopt_arguments(struct resolve *resolve, const struct node *call)
{
	const struct node *name = call->args, *fallback = name ? name->next : NULL;
	const struct node *help = fallback ? fallback->next : NULL;
	int64_t number;

	if (!name || name->kind != NODE_STR || (help && (help->kind != NODE_STR || help->next))) {
		diag_error(resolve->diags, call->span,
			   "getopt takes a name, a default value and a description");
		diag_hint(resolve->diags,
			  "for example getopt(\"min_us\", 100, \"hide what is faster\")");
		return false;
	}
	if (fallback && fallback->kind != NODE_STR && !fold_int(fallback, &number)) {
		diag_error(resolve->diags, fallback->span,
			   "the default of a script parameter must be an integer, a string or a "
			   "boolean literal");
		return false;
	}
	return true;
}

void getopt_replace(struct resolve *resolve, struct node *call)
{
	const struct node *name = call->args, *fallback = name ? name->next : NULL;
	const char *value;
	bool bare = false;

	if (!resolve->front->first_getopt.end)
		resolve->front->first_getopt = call->span;
	if (!getopt_arguments(resolve, call)) {
		make_string(call, "");
		call->args = NULL;
		return;
	}
	record_param(resolve, name->text, fallback_text(resolve, fallback),
		     fallback && fallback->next ? fallback->next->text : NULL);
	value = option_value(resolve, name->text, &bare);
	call->args = NULL;
	call->name = NULL;
	if (!fallback || fallback->kind == NODE_BOOL)
		option_bool(resolve, call, name->text, value, bare, fallback && fallback->value);
	else if (fallback->kind == NODE_STR)
		make_string(call, value ? value : fallback->text);
	else
		option_int(resolve, call, name->text, value, fallback);
}

static const char *option_list(struct resolve *resolve)
{
	const char *list = "";

	for (size_t i = 0; i < resolve->plan->params.n; i++)
		list = arena_printf(resolve->arena, "%s%s--%s", list, i ? ", " : "",
				    resolve->plan->params.data[i].name);
	return list;
}

void getopt_check_unknown(struct resolve *resolve)
{
	const struct front_options *options = resolve->options;
	const char *list = "";

	for (unsigned i = 0; options && i < options->n_named; i++) {
		const char *item = options->named[i] + strspn(options->named[i], "-");
		const char *name = arena_strndup(resolve->arena, item, strcspn(item, "="));

		if (strcmp(name, "help") && !strmap_get(resolve->front->options, name))
			list = arena_printf(resolve->arena, "%s%s--%s", list, *list ? ", " : "",
					    name);
	}
	if (!*list)
		return;
	diag_error(resolve->diags, resolve->front->first_getopt,
		   "unexpected program command line options: %s", list);
	if (resolve->plan->params.n)
		diag_hint(resolve->diags, "expected program options: %s", option_list(resolve));
}
