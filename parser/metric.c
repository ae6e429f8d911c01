/*
 * metric "name" = @map { ... }: declarations of how maps are exported. What stands in them is checked when they are
 * collected; whether it suits the map, after the checker has given it its types.
 *
 * Source: Prometheus, "Data model" and "Metric and label naming".
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "model/measure.h"
#include "model/metric_name.h"
#include "parser/front.h"

static const struct {
	const char *name;
	double scale;
} units[] = {
	{ "ns", 1e-9 },
	{ "us", 1e-6 },
	{ "ms", 1e-3 },
	{ "s", 1 },
	{ "percent", 1e-2 },
	{ "kB", 1e3 },
	{ "MB", 1e6 },
	{ "GB", 1e9 },
	{ "KiB", 1024 },
	{ "MiB", 1024.0 * 1024 },
	{ "GiB", 1024.0 * 1024 * 1024 },
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

/* By enum metric_type. */
static const char *const types[] = { "auto", "counter", "gauge", "histogram", "summary" };
#define N_TYPES (sizeof(types) / sizeof(types[0]))

/* --- names --- */

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name(const char *text, bool colons)
{
	for (const char *c = text; *c; c++)
		if (!is_letter(*c) && !(colons && *c == ':') && (c == text || *c < '0' || *c > '9'))
			return false;
	return *text;
}

static const char *closest_name(struct resolve *resolve, const char *text, bool colons)
{
	bool prefix = !*text || (*text >= '0' && *text <= '9');
	char *name = arena_printf(resolve->arena, "%s%s", prefix ? "_" : "", text);

	for (char *c = name; *c; c++)
		if (!is_letter(*c) && !(colons && *c == ':') && (*c < '0' || *c > '9'))
			*c = '_';
	return name;
}

static bool check_name(struct resolve *resolve, struct span span, const char *text, bool is_label)
{
	const char *what = is_label ? "label" : "metric";

	if (!is_name(text, !is_label)) {
		diag_error(resolve->diags, span, "'%s' cannot be the name of a %s", text, what);
		if (*text)
			diag_hint(resolve->diags,
				  "letters, digits and _ can, and no digit begins it: %s",
				  closest_name(resolve, text, !is_label));
		return false;
	}
	if (strncmp(text, "__", 2) == 0) {
		diag_error(resolve->diags, span,
			   "'%s' cannot be the name of a %s: Prometheus keeps what begins with __ "
			   "for itself",
			   text, what);
		return false;
	}
	return true;
}

static void check_metric_name(struct resolve *resolve, const struct node *node)
{
	const struct metric *other;

	if (!check_name(resolve, node->name_span, node->text, false))
		return;
	vec_each (other, &resolve->front->metrics) {
		if (strcmp(other->node->text, node->text) != 0)
			continue;
		diag_error(resolve->diags, node->name_span, "there are two metrics '%s'",
			   node->text);
		diag_note(resolve->diags, other->node->name_span, "the other one is here");
		return;
	}
}

/* --- entries --- */

static bool take_help(struct resolve *resolve, struct metric *metric, const struct node *value)
{
	metric->plan.help = value->text;
	if (value->kind == NODE_STR)
		return true;
	diag_error(resolve->diags, value->span, "help is a string");
	return false;
}

static bool unknown_unit(struct resolve *resolve, const struct node *value)
{
	struct nearest nearest;

	diag_error(resolve->diags, value->span, "unknown scale '%s'", value->name);
	nearest_init(&nearest, value->name);
	for (size_t i = 0; i < N_UNITS; i++)
		nearest_try(&nearest, units[i].name);
	if (nearest.best)
		diag_hint_nearest(resolve->diags, nearest.best);
	else
		diag_hint(resolve->diags,
			  "the unit of the numbers: ns, us, ms, s, kB, MB, GB, KiB, MiB, GiB, "
			  "percent; or a factor: 0.001");
	return false;
}

static bool take_scale(struct resolve *resolve, struct metric *metric, const struct node *value)
{
	double scale = 0;

	metric->scale = value;
	for (size_t i = 0; value->kind == NODE_IDENT && i < N_UNITS; i++)
		if (strcmp(units[i].name, value->name) == 0)
			scale = units[i].scale;
	if (value->kind == NODE_IDENT && scale == 0)
		return unknown_unit(resolve, value);
	if (value->kind == NODE_REAL)
		scale = strtod(value->text, NULL);
	else if (value->kind == NODE_INT && !value->is_time)
		scale = value->is_unsigned ? (double)value->value : (double)(int64_t)value->value;
	metric->plan.scale = scale;
	if (scale > 0 && isfinite(scale))
		return true;
	diag_error(resolve->diags, value->span, "a scale is a unit or a number above 0");
	diag_hint(resolve->diags, "the metric is the map's number times the scale: ns is 1e-9");
	return false;
}

/* One of (pid, "function"). */
static const char *label_text(const struct node *label)
{
	return label->kind == NODE_IDENT ? label->name
	       : label->kind == NODE_STR ? label->text
					 : NULL;
}

static bool take_label(struct resolve *resolve, struct metric *metric, const char **names,
		       const struct node *label)
{
	const char *name = label_text(label);
	unsigned n = metric->plan.n_labels;

	if (!name) {
		diag_error(resolve->diags, label->span, "a label is a name: labels = (pid, comm)");
		return false;
	}
	if (!check_name(resolve, label->span, name, true))
		return false;
	for (unsigned i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0) {
			diag_error(resolve->diags, label->span, "there are two labels '%s'", name);
			return false;
		}
	names[n] = name;
	metric->label_spans[n] = label->span;
	metric->plan.n_labels++;
	return true;
}

static bool take_labels(struct resolve *resolve, struct metric *metric, const struct node *value)
{
	const struct node *list = value->kind == NODE_TUPLE ? value->args : value;
	unsigned n = ast_count(list) + 1;
	const char **names = arena_alloc(resolve->arena, n * sizeof(*names));
	const struct node *label;

	metric->labels = value;
	metric->plan.labels = names;
	metric->label_spans = arena_alloc(resolve->arena, n * sizeof(*metric->label_spans));
	node_each (label, list) {
		if (!take_label(resolve, metric, names, label))
			return false;
		if (list == value) /* a single name; what follows it is another entry */
			break;
	}
	return true;
}

static bool take_type(struct resolve *resolve, struct metric *metric, const struct node *value)
{
	const char *text = label_text(value);
	struct nearest nearest;

	metric->type = value;
	nearest_init(&nearest, text ? text : "");
	for (size_t i = METRIC_COUNTER; i < N_TYPES; i++) {
		nearest_try(&nearest, types[i]);
		if (!text || strcmp(types[i], text) != 0)
			continue;
		metric->plan.type = (enum metric_type)i;
		return true;
	}
	diag_error(resolve->diags, value->span, "unknown type of a metric");
	if (text && nearest.best)
		diag_hint_nearest(resolve->diags, nearest.best);
	else
		diag_hint(resolve->diags, "types are counter, gauge, histogram and summary");
	return false;
}

static const struct {
	const char *name;
	bool (*take)(struct resolve *resolve, struct metric *metric, const struct node *value);
} entries[] = {
	{ "help", take_help },
	{ "scale", take_scale },
	{ "labels", take_labels },
	{ "type", take_type },
};
#define N_ENTRIES (sizeof(entries) / sizeof(entries[0]))

static void take_entry(struct resolve *resolve, struct metric *metric, const struct node *entry)
{
	const struct node *other;
	struct nearest nearest;

	for (other = metric->node->args; other != entry; other = other->next)
		if (other->name && strcmp(other->name, entry->name) == 0) {
			diag_error(resolve->diags, entry->name_span, "%s is given twice",
				   entry->name);
			return;
		}
	nearest_init(&nearest, entry->name);
	for (size_t i = 0; i < N_ENTRIES; i++) {
		if (strcmp(entries[i].name, entry->name) == 0) {
			entries[i].take(resolve, metric, entry->a);
			return;
		}
		nearest_try(&nearest, entries[i].name);
	}
	diag_error(resolve->diags, entry->name_span, "a metric has no '%s'", entry->name);
	if (nearest.best)
		diag_hint_nearest(resolve->diags, nearest.best);
	else
		diag_hint(resolve->diags, "it has help, scale, labels and type");
}

void metric_collect(struct resolve *resolve, const struct node *node)
{
	struct metric metric = { .node = node, .plan = { .name = node->text, .span = node->span } };
	const struct node *entry;

	check_metric_name(resolve, node);
	node_each (entry, node->args)
		if (entry->name && entry->a)
			take_entry(resolve, &metric, entry);
	vec_push(resolve->arena, &resolve->front->metrics, metric);
}

/* --- what it is of --- */

/* @io, @io.lat, @io.lat.p99: the map's node, and the path behind it (NULL: none). NULL after a diagnostic. */
static const struct node *split(struct resolve *resolve, const struct node *node, const char **path)
{
	const char *rest = NULL, *name;
	const struct node *at = node;

	for (; at->kind == NODE_FIELD || at->kind == NODE_TUPLE_INDEX; at = at->a) {
		name = at->kind == NODE_FIELD ? at->name
					      : arena_printf(resolve->arena, "%llu",
							     (unsigned long long)at->value);
		rest = rest ? arena_printf(resolve->arena, "%s.%s", name, rest) : name;
	}
	*path = rest;
	if (at->kind == NODE_MAP && !at->key)
		return at;
	if (at->kind == NODE_MAP)
		diag_error(resolve->diags, node->span,
			   "a metric is made of a whole map, one series for each key: %s",
			   at->name);
	else
		diag_error(resolve->diags, node->span,
			   "a metric is made of a map, or of a column of one: @io, @io.bytes");
	return NULL;
}

static const struct map *find_map(struct resolve *resolve, const struct node *node)
{
	const struct map *map = strmap_get(resolve->map_names, node->name);
	struct nearest nearest;
	struct map **other;

	if (map && map->plan)
		return map;
	diag_error(resolve->diags, node->span, "no probe stores anything in %s", node->name);
	nearest_init(&nearest, node->name);
	vec_each (other, &resolve->maps)
		if ((*other)->plan)
			nearest_try(&nearest, (*other)->name);
	diag_hint_nearest(resolve->diags, nearest.best);
	return NULL;
}

/* What a map holds, as in "count()" or "string[16]". */
static const char *holds(struct resolve *resolve, const struct map *map)
{
	return map->aggregate ? arena_printf(resolve->arena, "%s()", map->aggregate->name)
			      : type_spell(resolve->arena, map->value);
}

static void hint_columns(struct resolve *resolve, const struct map *map, const char *word)
{
	const char *const *names, *list = "";
	unsigned n = measure_columns(resolve->arena, map->value, &names);
	struct nearest nearest;

	nearest_init(&nearest, word);
	for (unsigned i = 0; i < n; i++) {
		nearest_try(&nearest, names[i]);
		list = arena_printf(resolve->arena, "%s%s%s", list, i ? ", " : "", names[i]);
	}
	if (nearest.best)
		diag_hint_nearest(resolve->diags, nearest.best);
	else if (n)
		diag_hint(resolve->diags, "its columns are %s", list);
	else
		diag_hint(resolve->diags, "it holds %s, which has no columns", holds(resolve, map));
}

/* MEASURE_NONE after a diagnostic. */
static enum measure measured(struct resolve *resolve, struct metric *metric, const struct map *map)
{
	const char *path = metric->plan.column;
	struct span span = metric->node->a->span;
	bool known = true;
	enum measure measure = path ? measure_column(resolve->arena, map->value, path, &known)
				    : measure_type(resolve->arena, map->value);

	if (!known) {
		diag_error(resolve->diags, span, "%s has no column '%s'", map->name, path);
		hint_columns(resolve, map, path);
	} else if (measure == MEASURE_ROW) {
		diag_error(resolve->diags, span, "%s%s%s has several numbers, and a metric is one",
			   map->name, path ? "." : "", path ? path : "");
		if (path)
			diag_hint(resolve->diags, "write which: %s.%s.NAME", map->name, path);
		else
			hint_columns(resolve, map, "");
		measure = MEASURE_NONE;
	} else if (measure == MEASURE_NONE) {
		diag_error(resolve->diags, span, "what %s holds cannot be a metric: '%s'",
			   map->name, holds(resolve, map));
	}
	return known ? measure : MEASURE_NONE;
}

/* --- does it suit --- */

static bool may_be(enum measure measure, enum metric_type type)
{
	switch (measure) {
	case MEASURE_NUMBER:
	case MEASURE_COUNT:
		return type == METRIC_COUNTER || type == METRIC_GAUGE;
	case MEASURE_HISTOGRAM:
		return type == METRIC_HISTOGRAM;
	case MEASURE_SUMMARY:
		return type == METRIC_SUMMARY;
	case MEASURE_TEXT:
		return type == METRIC_GAUGE;
	case MEASURE_NONE:
	case MEASURE_ROW:
		break;
	}
	return false;
}

static enum metric_type effective_type(enum measure measure, enum metric_type type)
{
	if (type != METRIC_AUTO)
		return type;
	return measure == MEASURE_COUNT	      ? METRIC_COUNTER
	       : measure == MEASURE_HISTOGRAM ? METRIC_HISTOGRAM
	       : measure == MEASURE_SUMMARY   ? METRIC_SUMMARY
					      : METRIC_GAUGE;
}

static bool check_type(struct resolve *resolve, const struct metric *metric, const struct map *map,
		       enum measure measure)
{
	enum metric_type type = metric->plan.type;
	const char *dot = metric->plan.column ? "." : "", *possible = "";

	if (type == METRIC_AUTO || may_be(measure, type))
		return true;
	diag_error(resolve->diags, metric->type->span, "%s%s%s cannot be a %s", map->name, dot,
		   metric->plan.column ? metric->plan.column : "", types[type]);
	for (size_t i = METRIC_COUNTER; i < N_TYPES; i++)
		if (may_be(measure, (enum metric_type)i))
			possible = arena_printf(resolve->arena, "%s%s%s", possible,
						*possible ? " or " : "", types[i]);
	if (type == METRIC_HISTOGRAM)
		diag_hint(resolve->diags,
			  "it can be a %s; hist(), lhist(), bhist() and "
			  "quantiles() make histograms",
			  possible);
	else
		diag_hint(resolve->diags, "it can be a %s", possible);
	return false;
}

static const char *key_parts(struct resolve *resolve, const struct map *map)
{
	const char *list = "";

	for (unsigned i = 0; i < map->plan->n_keys; i++)
		list = arena_printf(resolve->arena, "%s%s%s", list, i ? ", " : "",
				    map->plan->key_names[i]);
	return list;
}

static void check_labels(struct resolve *resolve, const struct metric *metric,
			 const struct map *map, enum metric_type type)
{
	unsigned n = metric->plan.n_labels, n_keys = map->plan->n_keys;
	const char *taken = type == METRIC_HISTOGRAM ? "le"
			    : type == METRIC_SUMMARY ? "quantile"
						     : NULL;

	if (!metric->labels)
		return;
	if (n != n_keys && !n_keys) {
		diag_error(resolve->diags, metric->labels->span,
			   "%s has no key, so that its metric has no labels", map->name);
		return;
	}
	if (n != n_keys) {
		diag_error(resolve->diags, metric->labels->span,
			   "the key of %s has %u part%s, and here %s %u label%s", map->name, n_keys,
			   n_keys == 1 ? "" : "s", n == 1 ? "is" : "are", n, n == 1 ? "" : "s");
		diag_hint(resolve->diags, "one label for each part: labels = (%s)",
			  key_parts(resolve, map));
		return;
	}
	for (unsigned i = 0; taken && i < n; i++)
		if (strcmp(metric->plan.labels[i], taken) == 0)
			diag_error(resolve->diags, metric->label_spans[i],
				   "a %s has a label '%s' of its own", types[type], taken);
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && strcmp(text + len - n, end) == 0;
}

/* Tools check for these suffixes; OpenMetrics has no counter without one. */
static void check_suffix(struct resolve *resolve, const struct metric *metric,
			 enum metric_type type)
{
	const char *name = metric->plan.name;
	bool is_total = ends_with(name, "_total");

	if (type == METRIC_COUNTER && !is_total) {
		diag_warn(resolve->diags, metric->node->name_span,
			  "the name of a counter ends with _total: %s_total", name);
		diag_hint(resolve->diags, "what may fall is declared with type = gauge");
	} else if (type != METRIC_COUNTER && is_total) {
		diag_warn(resolve->diags, metric->node->name_span,
			  "_total is for counters, and %s is a %s", name, types[type]);
	}
}

static void check_words(struct resolve *resolve, const struct metric *metric)
{
	const char *part = metric->plan.name + strcspn(metric->plan.name, "_");

	while (*part++) {
		size_t len = strcspn(part, "_");
		const char *problem = metric_part_problem(part, len);

		if (problem) {
			diag_warn(resolve->diags, metric->node->name_span,
				  "'%.*s' in the name of a metric %s", (int)len, part, problem);
			diag_hint(resolve->diags,
				  "Prometheus' tools want base units in full, such as _seconds and "
				  "_bytes");
			return;
		}
		part += len;
	}
}

static double unit_of_name(const char *name)
{
	static const struct {
		const char *suffix;
		double scale;
	} suffixes[] = { { "_ns", 1e-9 }, { "_us", 1e-6 }, { "_ms", 1e-3 } };

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
		if (ends_with(name, suffixes[i].suffix))
			return suffixes[i].scale;
	return 1;
}

/* The unit that the name of the column says (of lat_us.p99 that of lat_us), else of the map, or its bounds; 1: none. */
static double unit_of(struct resolve *resolve, const struct map *map, const char *path)
{
	const struct type *type = map->value;
	const char *name =
		path ? arena_strndup(resolve->arena, path, strcspn(path, ".")) : map->name;
	double unit = unit_of_name(path ? path : name);

	if (unit == 1)
		unit = unit_of_name(name);
	for (unsigned i = 0; path && type->kind == TYPE_AGG && i < type->args.n_fields; i++)
		if (strcmp(type->args.fields[i].name, path) == 0 && type->args.fields[i].type)
			type = type->args.fields[i].type;
	return unit == 1 && type->kind == TYPE_AGG && type->args.is_time ? 1e-9 : unit;
}

/* A metric in seconds, of a map whose name or bounds say that it has another unit. */
static void choose_scale(struct resolve *resolve, struct metric *metric, const struct map *map)
{
	const char *name = metric->plan.name;

	if (metric->scale)
		return;
	metric->plan.scale = ends_with(name, "_seconds") || ends_with(name, "_seconds_total")
				     ? unit_of(resolve, map, metric->plan.column)
				     : 1;
}

static void lower_metric(struct resolve *resolve, struct metric *metric)
{
	const struct node *node = split(resolve, metric->node->a, &metric->plan.column);
	const struct map *map = node ? find_map(resolve, node) : NULL;
	enum measure measure = map ? measured(resolve, metric, map) : MEASURE_NONE;
	enum metric_type type = effective_type(measure, metric->plan.type);

	if (measure == MEASURE_NONE)
		return;
	metric->plan.map = map->plan;
	if (check_type(resolve, metric, map, measure)) {
		check_suffix(resolve, metric, type);
		check_words(resolve, metric);
	}
	check_labels(resolve, metric, map, type);
	if (measure == MEASURE_TEXT && metric->scale)
		diag_error(resolve->diags, metric->scale->span,
			   "the metric of a string is always 1: it has no scale");
	choose_scale(resolve, metric, map);
	vec_push(resolve->plan->arena, &resolve->plan->metrics, metric->plan);
}

void metric_lower(struct resolve *resolve)
{
	struct metric *metric;

	vec_each (metric, &resolve->front->metrics)
		lower_metric(resolve, metric);
}
