/*
 * Steps: print(@m) and the clear(@m) or zero(@m) that follows it in the same block are one step, see plan_site.in_step.
 * They are when nothing between them can keep the clear from being reached once the print was, and nothing else empties
 * the map. Works on the lowered body of one instance: sites and plan maps are there.
 */
#include <stddef.h>

#include "parser/front.h"

struct steps {
	struct plan *plan;
	VEC(struct node *) list; /* statements that are executed one after the other, all or none */
};

/* What is looked for in one statement. */
struct finding {
	struct plan *plan;
	const struct plan_map *map;
	bool jumps;    /* what follows may not be reached */
	bool empties;  /* the map, by a step of its own or alone */
	uint32_t step; /* the prints that are found become part of it */
	bool marks;
	bool any; /* a print was found */
};

static struct plan_site *site_of(struct plan *plan, const struct node *call, unsigned flag,
				 const struct plan_map *map)
{
	struct plan_site *site;

	if (call->kind != NODE_CALL || !call->builtin || !(call->builtin->flags & flag) ||
	    call->site >= plan->sites.n)
		return NULL;
	site = &plan->sites.data[call->site];
	return site->fn == call->builtin && site->map && (!map || site->map == map) ? site : NULL;
}

static bool find(struct node *node, void *arg)
{
	struct finding *f = arg;
	struct plan_site *site;

	f->jumps |=
		node->kind == NODE_RETURN || node->kind == NODE_BREAK ||
		node->kind == NODE_CONTINUE ||
		(node->kind == NODE_CALL && node->builtin && node->builtin->flags & BUILTIN_EXITS);
	f->empties |= site_of(f->plan, node, BUILTIN_EMPTIES_MAP, f->map) != NULL;
	site = site_of(f->plan, node, BUILTIN_READS_MAP, f->map);
	if (!site)
		return true;
	f->any = true;
	if (f->marks) {
		site->in_step = true;
		site->step = f->step;
	}
	return true;
}

/* The call that a statement is, if it is one. */
static struct node *call_of(struct node *statement)
{
	struct node *node = statement->kind == NODE_EXPR ? statement->a : statement;

	return node->kind == NODE_CALL ? node : NULL;
}

/* The statements before list[end], back to `begin`, become one step with it if one of them prints. */
static void mark(struct steps *steps, size_t begin, size_t end, struct plan_site *clear)
{
	struct finding f = { .plan = steps->plan, .map = clear->map, .step = steps->plan->n_steps };
	struct plan_site *first = NULL;
	bool always = false;

	f.marks = true;
	for (size_t i = begin; i < end; i++) {
		struct node *call = call_of(steps->list.data[i]);
		struct plan_site *print =
			call ? site_of(f.plan, call, BUILTIN_READS_MAP, f.map) : NULL;

		if (print && !f.any)
			first = print;
		always |= print != NULL;
		ast_walk(steps->list.data[i], find, &f);
	}
	if (!f.any)
		return;
	if (first)
		first->begins_step = true;
	clear->in_step = true;
	clear->begins_step = !always;
	clear->step = steps->plan->n_steps++;
}

/* A step ends at statement `end`; how far back does it reach? */
static void step_at(struct steps *steps, size_t end)
{
	struct node *call = call_of(steps->list.data[end]);
	struct plan_site *clear =
		call ? site_of(steps->plan, call, BUILTIN_EMPTIES_MAP, NULL) : NULL;
	size_t begin = end;

	if (!clear || !clear->map->generations)
		return;
	while (begin > 0) {
		struct finding f = { .plan = steps->plan, .map = clear->map };

		ast_walk(steps->list.data[begin - 1], find, &f);
		if (f.jumps || f.empties)
			break;
		begin--;
	}
	mark(steps, begin, end, clear);
}

/* Blocks that stand as statements (macros leave them) belong to the list around them. */
static void flatten(struct steps *steps, struct node *list)
{
	struct node *node;

	node_each (node, list) {
		if (node->kind == NODE_BLOCK) {
			flatten(steps, node->args);
			flatten(steps, node->b);
		} else if (node->kind == NODE_EXPR && node->a->kind == NODE_BLOCK) {
			flatten(steps, node->a);
		} else {
			vec_push(steps->plan->arena, &steps->list, node);
		}
	}
}

static void steps_of(struct plan *plan, struct node *block)
{
	struct steps steps = { .plan = plan };

	if (!block || block->kind != NODE_BLOCK)
		return;
	flatten(&steps, block->args);
	flatten(&steps, block->b);
	for (size_t i = 0; i < steps.list.n; i++)
		step_at(&steps, i);
}

static bool visit(struct node *node, void *arg)
{
	switch (node->kind) {
	case NODE_IF:
		steps_of(arg, node->b);
		steps_of(arg, node->c);
		return true;
	case NODE_FOR_RANGE:
	case NODE_FOR_MAP:
	case NODE_WHILE:
		steps_of(arg, node->c);
		return true;
	default:
		return true;
	}
}

void steps_find(struct plan *plan, struct instance *instance)
{
	steps_of(plan, instance->body);
	ast_walk(instance->body, visit, plan);
}
