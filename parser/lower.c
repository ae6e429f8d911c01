/*
 * Typed tree to plan: how the kernel stores each map, which calls become events and what travels in them, what is
 * counted, which programs are attached in which order. Codegen then needs the instances and the plan only.
 */
#include "parser/lower.h"

#include <linux/bpf.h>
#include <string.h>
#include <unistd.h>

#include "parser/check.h"
#include "parser/front.h"

#define RING_TIMER	 (256u << 10) /* events at a bounded rate */
#define RING_HOT	 (16u << 20)  /* any probe may fire a million times per second */
#define DEFAULT_MAP_KEYS 4096
#define MIN_KEYS	 256
#define PER_CPU_MAX	 (1ull << 30) /* even when asked for */
#define PREALLOC_MAX	 (16u << 20)  /* a hash bigger than this is not allocated in advance */
#define LOCK_SIZE	 8	      /* struct jb_lock */

struct lowering {
	struct resolve *resolve;
	struct plan *plan;
	struct instance *instance; /* whose calls are visited */
	uint32_t n_generations;
	bool failed;
};

/* --- maps --- */

static const char *map_symbol(struct lowering *l, const char *name, size_t index)
{
	char *symbol = arena_printf(l->plan->arena, "m%zu_%s", index, name + 1);

	for (char *c = symbol; *c; c++)
		if (!(*c >= 'a' && *c <= 'z') && !(*c >= 'A' && *c <= 'Z') &&
		    !(*c >= '0' && *c <= '9'))
			*c = '_';
	if (strlen(symbol) > 15)
		symbol[15] = '\0';
	return symbol;
}

static bool is_shared(const struct type *value)
{
	if (value->aggregate->flags & AGG_SHARED)
		return true;
	for (unsigned i = 0; i < value->args.n_fields; i++)
		if (value->args.fields[i].type && is_shared(value->args.fields[i].type))
			return true;
	return false;
}

static void lower_value(struct plan_map *plan, const struct map *map)
{
	bool aggregated = map->value->kind == TYPE_AGG;

	plan->value = map->value;
	plan->shared = aggregated && is_shared(map->value);
	plan->per_cpu = aggregated && !plan->shared;
	plan->value_size = map->value->size + (plan->shared ? LOCK_SIZE : 0);
}

/* `let @m = lruhash(N)`: what was declared must suit what is stored. */
static void lower_declared(struct lowering *l, struct plan_map *plan, const struct map *map)
{
	bool per_cpu = strstr(map->decl->text, "percpu") != NULL;
	bool lru = strstr(map->decl->text, "lru") != NULL;
	const char *what = map->value->kind == TYPE_AGG ? map->value->aggregate->name : NULL;

	plan->max_entries = (uint32_t)map->decl->value;
	plan->deletes = lru;
	if (lru)
		plan->bpf_type = per_cpu ? BPF_MAP_TYPE_LRU_PERCPU_HASH : BPF_MAP_TYPE_LRU_HASH;
	if (per_cpu == plan->per_cpu)
		return;
	l->failed = true;
	if (per_cpu && what)
		diag_error(l->plan->diags, map->decl->span,
			   "%s is declared as %s, but %s() keeps one state for all CPUs", map->name,
			   map->decl->text, what);
	else if (per_cpu)
		diag_error(l->plan->diags, map->decl->span,
			   "%s is declared as %s, but it holds '%s' and no aggregation", map->name,
			   map->decl->text, type_spell(l->plan->arena, map->value));
	else
		diag_error(l->plan->diags, map->decl->span,
			   "%s is declared as %s, but %s() keeps one state per CPU", map->name,
			   map->decl->text, what);
	diag_hint(l->plan->diags, "declare it as %s(%llu)",
		  per_cpu ? (lru ? "lruhash" : "hash")
		  : lru	  ? "percpulruhash"
			  : "percpuhash",
		  (unsigned long long)map->decl->value);
}

/* One generation has room for max_entries keys, and there may be two. */
static uint64_t bytes_per_key(const struct plan_map *plan)
{
	return (uint64_t)plan->value_size * (plan->generations ? 2 : 1) *
	       (plan->per_cpu ? (uint64_t)sysconf(_SC_NPROCESSORS_CONF) : 1);
}

/*
 * Hashes are allocated in advance: then a new key never waits for memory. A plain one that is too big for that grows
 * as it is filled. A per-CPU one must not: the kernel (seen on 6.18) takes per-CPU memory from a small reserve in
 * atomic context, and a burst of new keys finds it empty (-ENOMEM). So it holds fewer keys, unless the script says how
 * many.
 */
static void size_hash(struct lowering *l, struct plan_map *plan, const struct map *map)
{
	bool lru = plan->bpf_type == BPF_MAP_TYPE_LRU_HASH ||
		   plan->bpf_type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	bool asked = map->decl || l->plan->max_map_keys != DEFAULT_MAP_KEYS;
	uint64_t fit = PREALLOC_MAX / bytes_per_key(plan);

	if (lru || fit >= plan->max_entries)
		return;
	if (plan->per_cpu && !asked)
		plan->max_entries = fit > MIN_KEYS ? (uint32_t)fit : MIN_KEYS;
	else if (!plan->per_cpu || bytes_per_key(plan) * plan->max_entries > PER_CPU_MAX)
		plan->flags = BPF_F_NO_PREALLOC;
}

static void lower_keyed(struct lowering *l, struct plan_map *plan, const struct map *map)
{
	plan->shape = MAP_KEYED;
	plan->key = map->key;
	plan->bpf_type = plan->per_cpu ? BPF_MAP_TYPE_PERCPU_HASH : BPF_MAP_TYPE_HASH;
	plan->max_entries = l->plan->max_map_keys;
	if (map->decl)
		lower_declared(l, plan, map);
	size_hash(l, plan, map);
	plan->key_names = map->key_names;
	plan->n_keys = map->n_keys;
}

static void lower_scalar(struct plan_map *plan)
{
	plan->shape = MAP_SCALAR;
	plan->bpf_type = plan->per_cpu ? BPF_MAP_TYPE_PERCPU_ARRAY : BPF_MAP_TYPE_ARRAY;
	plan->max_entries = 1;
}

/* See plan_map.generations; called when the size of one generation is known. */
static void lower_generations(struct lowering *l, struct plan_map *plan)
{
	plan->generation_offset = plan->key ? (plan->key->size + 3) & ~3u : 0;
	plan->generation_index = l->n_generations++;
	plan->max_entries = plan->max_entries > UINT32_MAX / 2 ? UINT32_MAX : 2 * plan->max_entries;
	if (plan->generation_index < PLAN_GENERATIONS_MAX)
		return;
	l->failed = true;
	diag_error(l->plan->diags, plan->span, "more than %u maps are cleared or zeroed",
		   PLAN_GENERATIONS_MAX);
}

static void count_full(struct lowering *l, struct plan_map *plan)
{
	const char *text = arena_printf(l->plan->arena,
					"%s is full (%u keys): updates of new keys were lost; make "
					"room with `let %s = %s(N);` or config max_map_keys",
					plan->name, plan->max_entries, plan->name,
					plan->per_cpu ? "percpuhash" : "hash");

	plan->full_counter = plan_add_counter(l->plan, COUNTER_MAP_FULL, plan->span, text);
	l->plan->counters.data[plan->full_counter].map = plan;
}

static void lower_map(struct lowering *l, struct map *map)
{
	struct plan_map *plan;

	if (!map->value) /* declared, and never used */
		return;
	plan = arena_new_of(l->plan->arena, struct plan_map);
	plan->name = map->name;
	plan->symbol = map_symbol(l, map->name, l->plan->maps.n);
	plan->span = map->span;
	plan->print_at_exit = l->plan->print_maps_on_exit;
	plan->generations = map->is_emptied;
	plan->additive = !map->is_assigned && map->value->kind == TYPE_INT;
	lower_value(plan, map);
	if (map->has_key_use)
		lower_keyed(l, plan, map);
	else
		lower_scalar(plan);
	if (plan->shape == MAP_KEYED)
		count_full(l, plan);
	if (plan->generations)
		lower_generations(l, plan);
	map->plan = plan;
	vec_push(l->plan->arena, &l->plan->maps, plan);
}

/* What maps are used for, over all probes. Nothing else runs beside begin and end probes. */
static bool note_use(struct node *node, void *arg)
{
	struct lowering *l = arg;

	if (node->kind == NODE_CALL && node->builtin &&
	    node->builtin->flags & BUILTIN_EMPTIES_MAP && node->args && node->args->map &&
	    !(l->instance->provider->flags & PROVIDER_SPECIAL))
		node->args->map->is_emptied = true;
	if (node->kind == NODE_ASSIGN && node->a && node->a->kind == NODE_MAP &&
	    node->op != OP_ADD && node->op != OP_SUB)
		node->a->map->is_assigned = true;
	return true;
}

static void note_uses(struct lowering *l)
{
	struct instance **instance;

	vec_each (instance, &l->resolve->instances) {
		l->instance = *instance;
		ast_walk((*instance)->body, note_use, l);
	}
}

/* --- sites --- */

static bool is_map_reference(const struct node *arg)
{
	return arg->kind == NODE_MAP && !arg->key && arg->type && arg->type->kind == TYPE_NONE;
}

static bool is_constant(const struct node *arg)
{
	return arg->is_literal && arg->type && type_is_int_like(arg->type);
}

/* A format whose first argument was no literal is refused by the row; so it is one here. */
static struct node *take_format(struct plan_site *site, struct node *args)
{
	if (!(site->fn->flags & BUILTIN_LITERAL_FMT) || !args)
		return args;
	site->fmt = args->text;
	return args->next;
}

/* Behind a map stand constants only: print(@m, 10, 1000), and the rest of the key that a row takes as nodes. */
static struct node *take_map(struct plan_site *site, struct node *args)
{
	unsigned n = 0;
	struct node *arg;

	if (!args || !is_map_reference(args))
		return args;
	site->map = args->map->plan;
	site->control = true;
	node_each (arg, args->next)
		if (is_constant(arg) && n < sizeof(site->literal) / sizeof(site->literal[0]))
			site->literal[n++] = (int64_t)arg->value;
	return NULL;
}

static const char *column_name(struct lowering *l, const struct node *arg, unsigned i)
{
	const char *name = check_name_of(arg);

	return name ? name : arena_printf(l->plan->arena, "arg%u", i);
}

static void lower_record(struct lowering *l, struct plan_site *site, struct node *args)
{
	unsigned n = ast_count(args), i = 0;
	const struct type **types = arena_alloc(l->plan->arena, (n + 1) * sizeof(*types));
	const char **names = arena_alloc(l->plan->arena, (n + 1) * sizeof(*names));
	struct node *arg;

	node_each (arg, args) {
		types[i] = arg->type;
		names[i] = column_name(l, arg, i);
		i++;
	}
	if (!n)
		return;
	site->record = type_tuple(l->resolve->types, types, n);
	site->names = names;
}

static bool is_timed(const struct provider *provider)
{
	return provider->flags & (PROVIDER_TIMER | PROVIDER_SPECIAL);
}

static void lower_site(struct lowering *l, struct node *call)
{
	struct plan *plan = l->plan;
	struct plan_site *site = vec_grow(plan->arena, &plan->sites);
	struct node *args;
	const char *text;

	call->site = (uint32_t)(plan->sites.n - 1);
	site->fn = call->builtin;
	site->span = call->span;
	site->control = call->builtin->flags & BUILTIN_CONTROL;
	args = take_format(site, call->args);
	args = take_map(site, args);
	lower_record(l, site, args);
	text = arena_printf(plan->arena, "events of %s() were lost: the ring buffer was full",
			    call->builtin->name);
	site->lost_counter = plan_add_counter(plan, COUNTER_LOST, call->span, text);
	plan->counters.data[site->lost_counter].site = call->site;
	/* A loop writes as fast as a busy tracepoint, wherever it stands. */
	if (!site->control && (!is_timed(l->instance->provider) || l->instance->has_loop))
		plan->hot_events = true;
}

/* --- the bodies --- */

static void lower_division(struct lowering *l, struct node *node)
{
	int64_t divisor;

	if (node->b->is_literal && fold_int(node->b, &divisor) && divisor)
		return;
	node->counter = plan_add_counter(l->plan, COUNTER_RUNTIME, node->span,
					 "division by zero: the result is 1");
}

static bool lower_node(struct node *node, void *arg)
{
	struct lowering *l = arg;

	/* A derived column of agg() has no types: it is computed in user space. */
	if ((node->kind == NODE_ASSIGN || (node->kind == NODE_BINARY && node->type)) &&
	    (node->op == OP_DIV || node->op == OP_MOD))
		lower_division(l, node);
	if (node->kind == NODE_CALL && node->builtin && node->builtin->act && !node->builtin->gen &&
	    !node->builtin->rt)
		lower_site(l, node);
	if (node->kind == NODE_CALL && node->builtin && (node->builtin->flags & BUILTIN_DELETES) &&
	    node->args && node->args->map)
		node->args->map->plan->deletes = true;
	if (node->kind == NODE_CALL && node->builtin && node->builtin->flags & BUILTIN_SELECTS)
		l->instance->unfiltered = true;
	return true;
}

static void lower_unpaired(struct lowering *l, const struct instance *instance)
{
	const struct plan_counter *counter;

	if (instance->span_mode == SPAN_NONE)
		return;
	vec_each (counter, &l->plan->counters)
		if (counter->kind == COUNTER_UNPAIRED &&
		    counter->span.begin == instance->span.begin)
			return;
	plan_add_counter(l->plan, COUNTER_UNPAIRED, instance->span,
			 "returns without a matching entry were left out");
}

static void lower_instance(struct lowering *l, struct instance *instance)
{
	l->instance = instance;
	if (instance->predicate)
		ast_walk(instance->predicate, lower_node, l);
	ast_walk(instance->body, lower_node, l);
	steps_find(l->plan, instance);
	lower_unpaired(l, instance);
	if (l->plan->count_hits)
		instance->hits_counter =
			plan_add_counter(l->plan, COUNTER_HITS, instance->span, "hits");
	if (instance->span_mode == SPAN_SESSION)
		l->plan->needs_kernel_btf = true;
}

/* --- probes --- */

static void add_probe(struct lowering *l, const struct instance *instance, unsigned role)
{
	struct plan_probe *probe = vec_grow(l->plan->arena, &l->plan->probes);

	probe->provider = instance->provider;
	probe->program =
		role ? arena_printf(l->plan->arena, "%s_in", instance->program) : instance->program;
	probe->section = instance->section;
	probe->role = role;
	probe->targets = instance->targets.data;
	probe->n_targets = (unsigned)instance->targets.n;
	probe->span = instance->span;
	probe->unfiltered = instance->unfiltered;
	probe->hits_counter = instance->hits_counter;
	probe->attach_type =
		role && instance->entry_type ? instance->entry_type : instance->attach_type;
	probe->attach_function = instance->attach_function;
	probe->mode = instance->mode;
	probe->why = role ? NULL : instance->why;
}

/* begin is 0, end is 2, all others are 1: the order of attaching. */
static int phase(const struct instance *instance)
{
	if (!(instance->provider->flags & PROVIDER_SPECIAL))
		return 1;
	return strcmp(instance->provider->name, "end") ? 0 : 2;
}

static void lower_probes(struct lowering *l)
{
	struct instance **instance;

	for (int p = 0; p < 3; p++)
		vec_each (instance, &l->resolve->instances) {
			if (phase(*instance) != p)
				continue;
			if (instance_has_entry(*instance))
				add_probe(l, *instance, 1);
			add_probe(l, *instance, 0);
		}
}

/* Config may have asked for a size; without events there is no ring at all. */
static void size_ring(struct plan *plan)
{
	const struct plan_site *site;
	bool data = false;

	vec_each (site, &plan->sites)
		data |= !site->control;
	if (!data)
		plan->ring_bytes = 0;
	else if (!plan->ring_bytes)
		plan->ring_bytes = plan->hot_events ? RING_HOT : RING_TIMER;
}

static void drop_absent(struct resolve *resolve)
{
	size_t n = 0;

	for (size_t i = 0; i < resolve->instances.n; i++)
		if (!resolve->instances.data[i]->absent)
			resolve->instances.data[n++] = resolve->instances.data[i];
	resolve->instances.n = n;
}

bool lower_program(struct resolve *resolve)
{
	struct lowering l = { .resolve = resolve, .plan = resolve->plan };
	struct instance **instance;
	struct map **map;

	drop_absent(resolve);
	note_uses(&l);
	vec_each (map, &resolve->maps)
		lower_map(&l, *map);
	vec_each (instance, &resolve->instances)
		lower_instance(&l, *instance);
	lower_probes(&l);
	metric_lower(resolve);
	size_ring(resolve->plan);
	return !l.failed && !diag_errors(resolve->diags);
}
