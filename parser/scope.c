/*
 * Variables: each $x of one instance to its declaration. Blocks are scopes, the first assignment declares, a name
 * that is visible cannot be declared again. Types are not looked at.
 */
#include <string.h>

#include "base/strmap.h"
#include "parser/front.h"

struct scope {
	struct resolve *resolve;
	struct instance *instance;
	VEC(struct variable *) visible;
};

/* Variables of macros have a suffix that the user did not write. */
static const char *shown(const struct scope *s, const char *name)
{
	return arena_strndup(s->resolve->arena, name, strcspn(name, "#"));
}

static struct variable *find(const struct scope *s, const char *name)
{
	for (size_t i = s->visible.n; i > 0; i--)
		if (!strcmp(s->visible.data[i - 1]->name, name))
			return s->visible.data[i - 1];
	return NULL;
}

static struct variable *declare(struct scope *s, const struct node *node)
{
	struct variable *variable = arena_new_of(s->resolve->arena, struct variable);

	variable->name = node->name;
	variable->span =
		node->kind == NODE_VAR || !node->name_span.end ? node->span : node->name_span;
	variable->index = (unsigned)s->instance->variables.n;
	vec_push(s->resolve->arena, &s->instance->variables, variable);
	vec_push(s->resolve->arena, &s->visible, variable);
	return variable;
}

static struct variable *declare_new(struct scope *s, const struct node *node)
{
	const struct variable *old = find(s, node->name);

	if (old) {
		diag_error(s->resolve->diags, node->name_span.end ? node->name_span : node->span,
			   "$%s is already declared", shown(s, node->name));
		diag_note(s->resolve->diags, old->span, "the declaration of $%s",
			  shown(s, node->name));
	}
	return declare(s, node);
}

static void undeclared(struct scope *s, const struct node *node)
{
	struct nearest nearest;
	struct variable **variable;

	diag_error(s->resolve->diags, node->span, "$%s is used before anything is assigned to it",
		   shown(s, node->name));
	nearest_init(&nearest, node->name);
	vec_each (variable, &s->visible) {
		if (!strcmp(shown(s, (*variable)->name), shown(s, node->name))) {
			diag_hint(s->resolve->diags,
				  "a macro sees the variables that are passed to it, and its own");
			return;
		}
		nearest_try(&nearest, (*variable)->name);
	}
	if (nearest.best) {
		diag_hint(s->resolve->diags, "did you mean '$%s'?", shown(s, nearest.best));
		return;
	}
	vec_each (variable, &s->instance->variables)
		if (!strcmp((*variable)->name, node->name)) {
			diag_hint(s->resolve->diags,
				  "$%s of the inner block ends with it: declare it outside, `let "
				  "$%s;`",
				  shown(s, node->name), shown(s, node->name));
			return;
		}
}

static void visit(struct scope *s, struct node *node);

static void visit_list(struct scope *s, struct node *list)
{
	struct node *item;

	node_each (item, list)
		visit(s, item);
}

static void use(struct scope *s, struct node *node)
{
	node->variable = find(s, node->name);
	if (node->variable) {
		node->variable->is_read = true;
		return;
	}
	undeclared(s, node);
	node->variable = declare(s, node); /* one message per name */
	node->variable->type = type_error();
}

static void assign(struct scope *s, struct node *node)
{
	struct node *target = node->a;

	visit(s, node->b);
	if (!target || target->kind != NODE_VAR) {
		visit(s, target);
		return;
	}
	target->variable = find(s, target->name);
	if (!target->variable && node->op != OP_NONE)
		use(s, target);
	else if (!target->variable)
		target->variable = declare(s, target);
	else if (target->variable->is_loop) {
		diag_error(s->resolve->diags, target->span,
			   "$%s belongs to the loop: it cannot be assigned to",
			   shown(s, target->name));
	}
	target->variable->is_written = true;
}

static void let(struct scope *s, struct node *node)
{
	visit(s, node->b);
	node->variable = declare_new(s, node);
	node->variable->is_written = node->b != NULL;
}

static void loop(struct scope *s, struct node *node)
{
	size_t mark = s->visible.n;

	visit(s, node->a);
	visit(s, node->b);
	node->variable = declare_new(s, node);
	node->variable->is_loop = node->variable->is_written = true;
	visit(s, node->c);
	s->visible.n = mark;
}

static void step(struct scope *s, struct node *node)
{
	visit(s, node->a);
	if (node->a->kind != NODE_VAR)
		return;
	node->a->variable->is_written = true;
	if (node->a->variable->is_loop)
		diag_error(s->resolve->diags, node->span,
			   "$%s belongs to the loop: it cannot be changed",
			   shown(s, node->a->name));
}

static void block(struct scope *s, struct node *node)
{
	size_t mark = s->visible.n;

	visit_list(s, node->args);
	visit(s, node->b);
	s->visible.n = mark;
}

static void visit(struct scope *s, struct node *node)
{
	if (!node)
		return;
	switch (node->kind) {
	case NODE_VAR:
		use(s, node);
		return;
	case NODE_ASSIGN:
		visit_list(s, node->a ? node->a->key : NULL);
		assign(s, node);
		return;
	case NODE_LET:
		let(s, node);
		break;
	case NODE_FOR_RANGE:
	case NODE_FOR_MAP:
		loop(s, node);
		return;
	case NODE_INCDEC:
		step(s, node);
		return;
	case NODE_BLOCK:
		block(s, node);
		return;
	case NODE_OFFSETOF:
		visit(s, node->a);
		break;
	default:
		visit(s, node->a);
		visit(s, node->b);
		visit(s, node->c);
		visit_list(s, node->args);
		visit_list(s, node->key);
		break;
	}
	if (node->spelled && node->spelled->of)
		visit(s, node->spelled->of);
}

void scope_instance(struct resolve *resolve, struct instance *instance)
{
	struct scope s = { .resolve = resolve, .instance = instance };

	visit(&s, instance->predicate);
	s.visible.n = 0;
	visit(&s, instance->body);
}
