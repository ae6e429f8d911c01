/*
 * What a type is worth in an export of metrics. Aggregations say it in their row (model/feature.h); which members their
 * records have is seen by decoding a state that is all zero.
 */
#include "model/measure.h"

#include <string.h>

#include "model/feature.h"

static struct value sample_of(struct arena *scratch, const struct type *type)
{
	struct decode decode = { .arena = scratch };
	void *zeros = arena_alloc(scratch, type->size + 8);

	return type->aggregate->value(&decode, type, zeros);
}

static enum measure measure_value(const struct value *value)
{
	switch (value->kind) {
	case VALUE_BOOL:
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_REAL:
		return MEASURE_NUMBER;
	case VALUE_HIST:
		return MEASURE_HISTOGRAM;
	case VALUE_RECORD:
		return value_member(value, "_hist") ? MEASURE_HISTOGRAM : MEASURE_ROW;
	case VALUE_STR:
	case VALUE_SYMBOL:
		return MEASURE_TEXT;
	default:
		return MEASURE_NONE;
	}
}

static enum measure measure_aggregate(struct arena *scratch, const struct type *type)
{
	struct value sample;

	switch (type->aggregate->metric) {
	case METRIC_COUNTER:
		return MEASURE_COUNT;
	case METRIC_GAUGE:
		return MEASURE_NUMBER;
	case METRIC_HISTOGRAM:
		return MEASURE_HISTOGRAM;
	case METRIC_SUMMARY:
		return MEASURE_SUMMARY;
	case METRIC_AUTO:
		break;
	}
	sample = sample_of(scratch, type);
	return measure_value(&sample);
}

enum measure measure_type(struct arena *scratch, const struct type *type)
{
	switch (type->kind) {
	case TYPE_BOOL:
	case TYPE_INT:
		return MEASURE_NUMBER;
	case TYPE_ENUM:
	case TYPE_STR:
	case TYPE_NAMED:
		return MEASURE_TEXT;
	case TYPE_RECORD:
	case TYPE_STRUCT:
		return MEASURE_ROW;
	case TYPE_AGG:
		return measure_aggregate(scratch, type);
	case TYPE_ERROR:
	case TYPE_NONE:
	case TYPE_PTR:
	case TYPE_BUF:
	case TYPE_ARRAY:
	case TYPE_TUPLE:
		break;
	}
	return MEASURE_NONE;
}

/* --- columns --- */

static bool is_row(const struct type *type)
{
	return type->kind == TYPE_AGG && (type->aggregate->flags & AGG_ROW);
}

/* Is it among words separated by blanks? */
static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = words; at && *at; at += strspn(at, " ")) {
		size_t n = strcspn(at, " ");

		if (n == len && memcmp(at, word, n) == 0)
			return true;
		at += n;
	}
	return false;
}

static enum measure measure_member(struct arena *scratch, const struct type *type, const char *name,
				   bool *known)
{
	struct value sample;
	const struct value *member;

	if (type->kind == TYPE_RECORD || type->kind == TYPE_STRUCT) {
		const struct field *field = type_field(type, name, &(uint32_t){ 0 });

		*known = field != NULL;
		return field ? measure_type(scratch, field->type) : MEASURE_NONE;
	}
	*known = false;
	if (type->kind != TYPE_AGG)
		return MEASURE_NONE;
	sample = sample_of(scratch, type);
	member = value_member(&sample, name);
	*known = member != NULL;
	if (!member)
		return MEASURE_NONE;
	return has_word(type->aggregate->counters, name) ? MEASURE_COUNT : measure_value(member);
}

static const struct agg_field *find_field(const struct type *type, const char *name, size_t len)
{
	for (unsigned i = 0; i < type->args.n_fields; i++) {
		const struct agg_field *field = &type->args.fields[i];

		if (strlen(field->name) == len && memcmp(field->name, name, len) == 0)
			return field;
	}
	return NULL;
}

enum measure measure_column(struct arena *scratch, const struct type *type, const char *path,
			    bool *known)
{
	size_t len = strcspn(path, ".");
	const struct agg_field *field;

	if (!is_row(type))
		return measure_member(scratch, type, path, known);
	field = find_field(type, path, len);
	*known = field != NULL;
	if (!field)
		return MEASURE_NONE;
	if (field->type && path[len])
		return measure_member(scratch, field->type, path + len + 1, known);
	*known = !path[len];
	if (path[len])
		return MEASURE_NONE;
	return field->type ? measure_type(scratch, field->type) : MEASURE_NUMBER;
}

static unsigned all_columns(struct arena *arena, const struct type *type, const char ***names)
{
	unsigned n = is_row(type) ? type->args.n_fields : type->n_fields;
	const char **list;
	struct value sample;

	if (type->kind == TYPE_AGG && !is_row(type)) {
		sample = sample_of(arena, type);
		*names = (const char **)sample.names;
		return sample.kind == VALUE_RECORD ? sample.len : 0;
	}
	*names = list = arena_alloc(arena, (n + 1) * sizeof(*list));
	for (unsigned i = 0; i < n; i++)
		list[i] = is_row(type) ? type->args.fields[i].name : type->fields[i].name;
	return n;
}

unsigned measure_columns(struct arena *arena, const struct type *type, const char *const **names)
{
	const char **all = NULL, **kept;
	unsigned n = all_columns(arena, type, &all), n_kept = 0;

	*names = kept = arena_alloc(arena, (n + 1) * sizeof(*kept));
	for (int hidden = 0; hidden < 2; hidden++)
		for (unsigned i = 0; i < n; i++) {
			bool known;

			if (!all[i] || (all[i][0] == '_') != hidden)
				continue;
			if (measure_column(arena, type, all[i], &known) != MEASURE_NONE)
				kept[n_kept++] = all[i];
		}
	return n_kept;
}

const struct value *measure_find(const struct value *value, const char *path)
{
	const struct value *found = value_member(value, path);
	size_t len = strcspn(path, ".");

	if (found || !path[len] || value->kind != VALUE_RECORD)
		return found;
	for (uint32_t i = 0; i < value->len; i++)
		if (strncmp(value->names[i], path, len) == 0 && !value->names[i][len])
			return value_member(&value->items[i], path + len + 1);
	return NULL;
}
