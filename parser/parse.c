/*
 * The door to the parser: runs scanner and grammar over one source and hands back the tree, or nothing when there
 * was a mistake. Trees that are nested too deeply for the recursive passes after this one are turned away here.
 */
#include "parser/parse_internal.h"

#include "base/strmap.h"
#include "grammar.h"

#define MAX_DEPTH 1000 /* of the tree: the passes behind this one recurse */

/* The first node that lies too deep, or NULL. Recursion ends there, so this is safe on any tree. */
static const struct node *too_deep(const struct node *node, unsigned depth);

static const struct node *list_too_deep(const struct node *list, unsigned depth)
{
	const struct node *found = NULL;

	for (; list && !found; list = list->next)
		found = too_deep(list, depth);
	return found;
}

static const struct node *too_deep(const struct node *node, unsigned depth)
{
	if (!node || depth > MAX_DEPTH)
		return node;

	const struct node *children[] = { node->a, node->b, node->c,
					  node->spelled ? node->spelled->of : NULL };

	for (size_t i = 0; i < sizeof(children) / sizeof(children[0]); i++) {
		const struct node *found = too_deep(children[i], depth + 1);

		if (found)
			return found;
	}

	const struct node *found = list_too_deep(node->key, depth + 1);

	return found ? found : list_too_deep(node->args, depth + 1);
}

struct node *parse_script(struct arena *arena, struct diags *diags, const struct source *source)
{
	struct parser p = { .arena = arena, .diags = diags, .source = source };
	unsigned errors_before = diag_errors(diags);
	struct span all = { source->base, source->base + (uint32_t)source->len };

	if (diag_full(diags))
		return NULL;
	p.defines = strmap_new(arena);
	p.before_end = source->base;
	lex_source(&p);

	int failed = script_parse(&p);

	tokens_fini(&p);

	struct node *program = make_list(&p, NODE_PROGRAM, all, p.items);
	const struct node *deep = too_deep(program, 0);

	if (deep)
		diag_error(diags, deep->span, "this is nested too deeply");
	return failed || diag_errors(diags) > errors_before ? NULL : program;
}
