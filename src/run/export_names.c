/*
 * Names of metrics: what a map is called when nobody said, its unit, and who gets a name that two want. OpenMetrics
 * forbids that one metric's name is another's with a suffix that its samples have; so such names are taken, too.
 *
 * Sources: Prometheus, "Metric and label naming"; OpenMetrics 1.0.0, "Suffixes".
 */
#include <string.h>

#include "model/metric_name.h"
#include "run/export_internal.h"

static const struct {
	const char *suffix, *base;
	double scale;
} units[] = {
	{ "_ns", "_seconds", 1e-9 },
	{ "_us", "_seconds", 1e-6 },
	{ "_ms", "_seconds", 1e-3 },
	{ "_kb", "_bytes", 1024 },
	{ "_kib", "_bytes", 1024 },
	{ "_mb", "_bytes", 1024.0 * 1024 },
	{ "_mib", "_bytes", 1024.0 * 1024 },
	{ "_gb", "_bytes", 1024.0 * 1024 * 1024 },
	{ "_gib", "_bytes", 1024.0 * 1024 * 1024 },
};
#define N_UNITS (sizeof(units) / sizeof(units[0]))

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);

	return len > n && strcmp(text + len - n, end) == 0;
}

static const char *without(struct arena *arena, const char *text, const char *end)
{
	return ends_with(text, end) ? arena_strndup(arena, text, strlen(text) - strlen(end)) : text;
}

const char *names_script(struct arena *arena, const char *name)
{
	const char *slash = strrchr(name, '/');

	return without(arena, slash ? slash + 1 : name, ".jt");
}

/* In base units; where a scale is given, the name is as the script wanted it. */
static const char *in_base_unit(struct arena *arena, const char *name, bool is_time, double *scale)
{
	for (size_t i = 0; i < N_UNITS && *scale == 0; i++)
		if (ends_with(name, units[i].suffix)) {
			const char *rest = without(arena, name, units[i].suffix);

			*scale = units[i].scale;
			return ends_with(rest, units[i].base)
				       ? rest
				       : arena_printf(arena, "%s%s", rest, units[i].base);
		}
	if (*scale != 0 || !is_time)
		return name;
	*scale = 1e-9;
	return ends_with(name, "_seconds") ? name : arena_printf(arena, "%s_seconds", name);
}

const char *names_snake(struct arena *arena, const char *name)
{
	char *snake = arena_alloc(arena, 2 * strlen(name) + 1);

	metric_snake_case(snake, name);
	return snake;
}

/* With "val" behind each part that Prometheus takes for something else: "jbtrace_hval" for "jbtrace_h". */
static const char *without_words(struct arena *arena, const char *name)
{
	struct buf good = { 0 };
	const char *made;

	for (const char *part = name;; part++) {
		size_t len = strcspn(part, "_");

		buf_add(&good, part, len);
		if (metric_part_problem(part, len))
			buf_puts(&good, "val");
		part += len;
		if (!*part)
			break;
		buf_putc(&good, '_');
	}
	made = arena_strdup(arena, good.data);
	buf_fini(&good);
	return made;
}

/* Does it end as the samples or names of other types of metrics do? */
static bool has_foreign_end(const char *name, enum metric_type type)
{
	bool has_sum = type == METRIC_HISTOGRAM || type == METRIC_SUMMARY;

	return (type != METRIC_COUNTER && ends_with(name, "_total")) ||
	       (type != METRIC_HISTOGRAM && ends_with(name, "_bucket")) ||
	       (!has_sum && (ends_with(name, "_sum") || ends_with(name, "_count")));
}

/* "jbtrace_io_bytes_total" from "io" and "bytes". */
static const char *default_name(struct arena *arena, const char *script, bool prefix,
				const struct wanted *wanted, double *scale)
{
	const char *base = *wanted->base ? wanted->base : script, *end = "";
	const char *name =
		arena_printf(arena, "jbtrace_%s%s%s%s%s", prefix ? script : "", prefix ? "_" : "",
			     base, wanted->path ? "_" : "", wanted->path ? wanted->path : "");

	name = names_snake(arena, metrics_label_name(arena, name));
	name = without_words(arena, in_base_unit(arena, name, wanted->is_time, scale));
	if (wanted->type == METRIC_COUNTER && !ends_with(name, "_total"))
		end = "_total";
	else if (wanted->measure == MEASURE_TEXT && !ends_with(name, "_info"))
		end = "_info";
	else if (has_foreign_end(name, wanted->type))
		end = "val";
	return arena_printf(arena, "%s%s", name, end);
}

/* --- who has a name --- */

/* The names that a family uses, in both formats; at most 5. */
static unsigned used_names(struct arena *arena, const char *name, enum metric_type type,
			   const char *used[5])
{
	static const char *const suffixes[][4] = {
		[METRIC_HISTOGRAM] = { "_bucket", "_sum", "_count", "_created" },
		[METRIC_SUMMARY] = { "_sum", "_count", "_created" },
		[METRIC_COUNTER] = { "_total", "_created" },
		[METRIC_GAUGE] = { NULL },
	};
	unsigned n = 0;

	used[n++] = type == METRIC_COUNTER ? without(arena, name, "_total") : name;
	for (unsigned i = 0; i < 4 && suffixes[type][i]; i++, n++)
		used[n] = arena_printf(arena, "%s%s", used[0], suffixes[type][i]);
	return n;
}

static bool share_names(const struct family *family, const char *name, enum metric_type type)
{
	struct arena *arena = arena_new();
	const char *a[5], *b[5];
	unsigned n_a = used_names(arena, family->name, family->type, a);
	unsigned n_b = used_names(arena, name, type, b);
	bool share = false;

	for (unsigned i = 0; i < n_a; i++)
		for (unsigned j = 0; j < n_b; j++)
			share |= strcmp(a[i], b[j]) == 0;
	arena_free(arena);
	return share;
}

static bool same_labels(const struct family *family, const struct wanted *wanted)
{
	if (family->n_labels != wanted->n_labels)
		return false;
	for (unsigned i = 0; i < wanted->n_labels; i++)
		if (strcmp(family->labels[i], wanted->labels[i]) != 0)
			return false;
	return true;
}

static bool in_use(const struct family *family)
{
	return family->own || family->n_columns;
}

/* May it be fed by one more? Only when it was declared so in each script. */
static bool may_join(const struct family *family, const char *name, const struct wanted *wanted)
{
	return wanted->name && family->declared && !family->own &&
	       strcmp(family->name, name) == 0 && family->type == wanted->type &&
	       same_labels(family, wanted);
}

static bool is_taken(const struct exporter *exporter, const char *name, const struct wanted *wanted,
		     struct family **join)
{
	struct family *family;

	*join = NULL;
	for (family = exporter->families; family; family = family->next) {
		if (!in_use(family))
			continue;
		if (may_join(family, name, wanted)) {
			*join = family;
			return false;
		}
		if (share_names(family, name, wanted->type))
			return true;
	}
	return false;
}

static const char *const *copy_labels(struct arena *arena, const char *const *labels, unsigned n)
{
	const char **copy = arena_alloc(arena, (n + 1) * sizeof(*copy));

	for (unsigned i = 0; i < n; i++)
		copy[i] = arena_strdup(arena, labels[i]);
	return copy;
}

/* A family that nobody uses any more is taken up again under its name, so that their number stays bounded. */
static struct family *family_make(struct exporter *exporter, const char *name,
				  const struct wanted *wanted)
{
	struct family *family = exporter->families;

	while (family && (in_use(family) || strcmp(family->name, name) != 0))
		family = family->next;
	if (!family) {
		family = arena_new_of(exporter->arena, struct family);
		family->name = arena_strdup(exporter->arena, name);
		*exporter->last_family = family;
		exporter->last_family = &family->next;
	}
	family->type = wanted->type;
	family->declared = wanted->name != NULL;
	if (!family->labels || !same_labels(family, wanted))
		family->labels = copy_labels(exporter->arena, wanted->labels, wanted->n_labels);
	family->n_labels = wanted->n_labels;
	if (wanted->help && (!family->help || strcmp(family->help, wanted->help) != 0))
		family->help = arena_strdup(exporter->arena, wanted->help);
	return family;
}

static void tell_taken(const struct script *script, const char *by, const struct wanted *wanted,
		       const char *name)
{
	fprintf(run_options_of(script->run)->messages,
		"jbtrace: warning: %s: %s%s%s is not exported: another metric is called %s, or "
		"has a name that goes with it\n",
		by, wanted->base, wanted->path ? "." : "", wanted->path ? wanted->path : "", name);
}

/* First without the script's name, and with it when another one was quicker. */
struct family *names_claim(struct exporter *exporter, const struct script *script,
			   struct wanted *wanted)
{
	struct arena *arena = arena_new();
	const char *by = names_script(arena, script->name), *name = wanted->name;
	struct family *family = NULL, *join;
	double given = wanted->scale;

	for (int i = 0; i < 2 && !family; i++) {
		wanted->scale = given;
		if (!wanted->name)
			name = default_name(arena, by, i > 0, wanted, &wanted->scale);
		if (is_taken(exporter, name, wanted, &join))
			continue;
		family = join ? join : family_make(exporter, name, wanted);
	}
	if (wanted->scale == 0)
		wanted->scale = 1;
	if (!family)
		tell_taken(script, by, wanted, name);
	arena_free(arena);
	return family;
}

struct family *names_own(struct exporter *exporter, const char *name, enum metric_type type,
			 const char *help, const char *const *labels, unsigned n_labels)
{
	struct wanted wanted = {
		.help = help, .type = type, .labels = labels, .n_labels = n_labels
	};
	struct family *family = family_make(exporter, name, &wanted);

	family->own = true;
	return family;
}
