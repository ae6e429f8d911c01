/*
 * The plan: making it, adding to it, printing it for golden tests, and the arithmetic of derived columns. What
 * goes into it is decided by the parser; what is done with it, by run/.
 */
#include "model/plan.h"

#include <inttypes.h>

#include "model/feature.h"

struct plan *plan_new(struct arena *arena, struct diags *diags)
{
	struct plan *plan = arena_new_of(arena, struct plan);

	plan->arena = arena;
	plan->diags = diags;
	plan->license = "GPL";
	plan->print_maps_on_exit = true;
	plan->max_strlen = 1024;
	plan->max_cat_bytes = 10240;
	plan->max_map_keys = 4096;
	plan->on_stack_limit = 32;
	plan->stack_mode = "bpftrace";
	plan->dwarf_stack_size = 8192;
	plan->show_debug_info = true;
	plan->trunc_trailer = "..";
	return plan;
}

uint32_t plan_add_counter(struct plan *plan, enum counter_kind kind, struct span span,
			  const char *text)
{
	struct plan_counter *counter = vec_grow(plan->arena, &plan->counters);

	counter->kind = kind;
	counter->span = span;
	counter->text = text;
	return (uint32_t)(plan->counters.n - 1);
}

int plan_first_pid(const struct plan *plan)
{
	const struct plan_filter *filter;

	vec_each (filter, &plan->filters)
		if (filter->kind == FILTER_PID && !filter->negated)
			return (int)filter->number;
	return 0;
}

static bool has_user_addresses(const struct type *type)
{
	if (!type)
		return false;
	if (type->kind == TYPE_NAMED)
		return type->named && type->named->user_addresses;
	if (type->kind == TYPE_ARRAY)
		return has_user_addresses(type->base);
	if (type->kind != TYPE_TUPLE && type->kind != TYPE_RECORD && type->kind != TYPE_STRUCT)
		return false;
	for (unsigned i = 0; i < type->n_fields; i++)
		if (has_user_addresses(type->fields[i].type))
			return true;
	return false;
}

bool plan_has_user_addresses(const struct plan *plan)
{
	struct plan_map *const *map;
	const struct plan_site *site;

	vec_each (map, &plan->maps)
		if (has_user_addresses((*map)->key) || has_user_addresses((*map)->value))
			return true;
	vec_each (site, &plan->sites)
		if (has_user_addresses(site->record))
			return true;
	return false;
}

/* --- dump --- */

static void dump_quoted(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text; text++) {
		if (*text == '\n')
			fputs("\\n", out);
		else if (*text == '\t')
			fputs("\\t", out);
		else if (*text == '"' || *text == '\\')
			fprintf(out, "\\%c", *text);
		else if ((unsigned char)*text < ' ')
			fprintf(out, "\\x%02x", (unsigned char)*text);
		else
			fputc(*text, out);
	}
	fputc('"', out);
}

static const char *spelled(const struct plan *plan, const struct type *type)
{
	return type ? type_spell(plan->arena, type) : "-";
}

static void dump_config(const struct plan *plan, FILE *out)
{
	static const char *const missing[] = { "error", "warn", "ignore" };

	fprintf(out,
		"config license=%s max_strlen=%u max_map_keys=%u max_cat_bytes=%u "
		"missing_probes=%s print_maps_on_exit=%d\n",
		plan->license, plan->max_strlen, plan->max_map_keys, plan->max_cat_bytes,
		missing[plan->missing_probes], plan->print_maps_on_exit);
	fprintf(out, "ring bytes=%" PRIu64 "%s%s%s\n", plan->ring_bytes,
		plan->hot_events ? " hot" : "", plan->needs_kernel_btf ? " kernel_btf" : "",
		plan->only_begin_end ? " only_begin_end" : "");
}

static void dump_filters(const struct plan *plan, FILE *out)
{
	static const char *const kinds[] = {
		[FILTER_PID] = "pid",	    [FILTER_COMM] = "comm",   [FILTER_UID] = "uid",
		[FILTER_CGROUP] = "cgroup", [FILTER_PIDNS] = "pidns", [FILTER_PGID] = "pgid",
	};
	const struct plan_filter *filter;

	vec_each (filter, &plan->filters) {
		fprintf(out, "filter %s%s ", filter->negated ? "not-" : "", kinds[filter->kind]);
		if (filter->text)
			dump_quoted(filter->text, out);
		else
			fprintf(out, "%" PRIu64, filter->number);
		fputc('\n', out);
	}
	if (plan->follow)
		fputs("follow\n", out);
}

static void dump_probe(const struct plan_probe *probe, size_t i, FILE *out)
{
	fprintf(out,
		"probe %zu %s provider=%s section=%s role=%u mode=%u attach_type=%u targets=", i,
		probe->program, probe->provider->name, probe->section ? probe->section : "-",
		probe->role, probe->mode, probe->attach_type);
	for (unsigned t = 0; t < probe->n_targets; t++)
		fprintf(out, "%s%u", t ? "," : "", probe->targets[t]->id);
	if (probe->unfiltered)
		fputs(" unfiltered", out);
	fputc('\n', out);
}

static void dump_target(const struct target *target, FILE *out)
{
	fprintf(out, "target %u %s", target->id, target->name);
	if (target->func)
		fprintf(out, " func=%s", target->func);
	if (target->path)
		fprintf(out, " path=%s", target->path);
	if (target->period_ns)
		fprintf(out, " period_ns=%" PRIu64, target->period_ns);
	if (target->freq_hz)
		fprintf(out, " freq_hz=%" PRIu64, target->freq_hz);
	fputc('\n', out);
}

static void dump_agg_fields(const struct plan *plan, const struct type *type, FILE *out)
{
	const struct agg_args *args = &type->args;

	for (unsigned i = 0; i < args->n_fields; i++) {
		const struct agg_field *field = &args->fields[i];

		if (field->type)
			fprintf(out, "  column %s %s offset=%u\n", field->name,
				spelled(plan, field->type), field->offset);
		else
			fprintf(out, "  column %s derived\n", field->name);
	}
}

static const char *bpf_type_name(uint32_t type)
{
	switch (type) {
	case 1:
		return "hash";
	case 2:
		return "array";
	case 5:
		return "percpu_hash";
	case 6:
		return "percpu_array";
	case 9:
		return "lru_hash";
	case 10:
		return "lru_percpu_hash";
	default:
		return "other";
	}
}

static void dump_map(const struct plan *plan, const struct plan_map *map, FILE *out)
{
	fprintf(out, "map %s %s %s entries=%u flags=%u key=%s value=%s size=%u", map->name,
		map->symbol, bpf_type_name(map->bpf_type), map->max_entries, map->flags,
		spelled(plan, map->key), spelled(plan, map->value), map->value_size);
	if (map->shared)
		fputs(" shared", out);
	if (map->generations)
		fprintf(out, " generations=%u@%u", map->generation_index, map->generation_offset);
	if (map->shape == MAP_KEYED)
		fprintf(out, " full_counter=%u", map->full_counter);
	for (unsigned i = 0; i < map->n_keys; i++)
		fprintf(out, "%s%s", i ? "," : " names=", map->key_names[i]);
	fputc('\n', out);
	if (map->value->kind == TYPE_AGG)
		dump_agg_fields(plan, map->value, out);
}

static void dump_literals(const struct plan_site *site, FILE *out)
{
	const char *separator = " literals=";

	for (unsigned i = 0; i < sizeof(site->literal) / sizeof(site->literal[0]); i++)
		if (site->literal[i]) {
			fprintf(out, "%s%u:%" PRId64, separator, i, site->literal[i]);
			separator = ",";
		}
}

static void dump_site(const struct plan *plan, const struct plan_site *site, size_t i, FILE *out)
{
	fprintf(out, "site %zu %s record=%s", i, site->fn->name, spelled(plan, site->record));
	if (site->control)
		fputs(" control", out);
	if (site->map)
		fprintf(out, " map=%s", site->map->name);
	if (site->in_step)
		fprintf(out, " step=%u%s", site->step, site->begins_step ? " begins" : "");
	if (site->fmt) {
		fputs(" fmt=", out);
		dump_quoted(site->fmt, out);
	}
	dump_literals(site, out);
	for (unsigned n = 0; site->names && site->record && n < site->record->n_fields; n++)
		fprintf(out, "%s%s", n ? "," : " names=", site->names[n]);
	fprintf(out, " lost_counter=%u\n", site->lost_counter);
}

static void dump_counter(const struct plan_counter *counter, size_t i, FILE *out)
{
	static const char *const kinds[] = { "lost", "map_full", "runtime", "unpaired" };

	fprintf(out, "counter %zu %s", i, kinds[counter->kind]);
	if (counter->kind == COUNTER_LOST)
		fprintf(out, " site=%u", counter->site);
	if (counter->map)
		fprintf(out, " map=%s", counter->map->name);
	if (counter->text) {
		fputc(' ', out);
		dump_quoted(counter->text, out);
	}
	fputc('\n', out);
}

static void dump_metric(const struct plan_metric *metric, FILE *out)
{
	static const char *const types[] = { "auto", "counter", "gauge", "histogram", "summary" };

	fprintf(out, "metric %s map=%s", metric->name, metric->map->name);
	if (metric->column)
		fprintf(out, " column=%s", metric->column);
	fprintf(out, " type=%s scale=%.15g", types[metric->type], metric->scale);
	for (unsigned i = 0; i < metric->n_labels; i++)
		fprintf(out, "%s%s", i ? "," : " labels=", metric->labels[i]);
	if (metric->help) {
		fputs(" help=", out);
		dump_quoted(metric->help, out);
	}
	fputc('\n', out);
}

void plan_dump(const struct plan *plan, FILE *out)
{
	dump_config(plan, out);
	for (size_t i = 0; i < plan->params.n; i++)
		fprintf(out, "param %s default=%s\n", plan->params.data[i].name,
			plan->params.data[i].fallback ? plan->params.data[i].fallback : "-");
	dump_filters(plan, out);
	for (size_t i = 0; i < plan->probes.n; i++)
		dump_probe(&plan->probes.data[i], i, out);
	for (size_t i = 0; i < plan->targets.n; i++)
		dump_target(plan->targets.data[i], out);
	for (size_t i = 0; i < plan->maps.n; i++)
		dump_map(plan, plan->maps.data[i], out);
	for (size_t i = 0; i < plan->sites.n; i++)
		dump_site(plan, &plan->sites.data[i], i, out);
	for (size_t i = 0; i < plan->counters.n; i++)
		dump_counter(&plan->counters.data[i], i, out);
	for (size_t i = 0; i < plan->metrics.n; i++)
		dump_metric(&plan->metrics.data[i], out);
}

/* --- derived columns --- */

static double column_number(const struct plan_expr *expr, const struct value *row)
{
	const struct value *value = value_member(row, expr->column);

	if (value && expr->member)
		value = value_member(value, expr->member);
	return value ? value_number(value) : 0;
}

/* A share of nothing is shown as 0: a row whose divisor is still 0 has nothing to tell. */
static double divide(double a, double b)
{
	return b == 0 ? 0 : a / b;
}

static double modulo(double a, double b)
{
	return b == 0 ? 0 : a - b * (double)(int64_t)(a / b);
}

double plan_expr_eval(const struct plan_expr *expr, const struct value *row)
{
	double a = 0, b = 0;

	if (expr->op == EXPR_COND)
		return plan_expr_eval(plan_expr_eval(expr->a, row) != 0 ? expr->b : expr->c, row);
	if (expr->a)
		a = plan_expr_eval(expr->a, row);
	if (expr->b)
		b = plan_expr_eval(expr->b, row);
	switch (expr->op) {
	case EXPR_CONST:
		return expr->constant;
	case EXPR_FIELD:
		return column_number(expr, row);
	case EXPR_ADD:
		return a + b;
	case EXPR_SUB:
		return a - b;
	case EXPR_MUL:
		return a * b;
	case EXPR_DIV:
		return divide(a, b);
	case EXPR_MOD:
		return modulo(a, b);
	case EXPR_NEG:
		return -a;
	case EXPR_LT:
		return a < b;
	case EXPR_LE:
		return a <= b;
	case EXPR_GT:
		return a > b;
	case EXPR_GE:
		return a >= b;
	case EXPR_EQ:
		return a == b;
	case EXPR_NE:
		return a != b;
	case EXPR_AND:
		return a != 0 && b != 0;
	case EXPR_OR:
		return a != 0 || b != 0;
	case EXPR_NOT:
		return a == 0;
	case EXPR_COND:
		break;
	}
	return 0;
}
