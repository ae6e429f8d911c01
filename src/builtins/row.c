/*
 * agg(name = aggregation, ...): several aggregations under one key, side by side in one map value. Each column is merged
 * and read by its own row; columns that are computed from others are evaluated when the row is read.
 */
#include "builtins/builtins.h"

static uint32_t row_size(const struct agg_args *args)
{
	uint32_t size = 0;

	for (unsigned i = 0; i < args->n_fields; i++) {
		const struct agg_field *field = &args->fields[i];
		if (field->type && field->offset + field->type->size > size)
			size = field->offset + field->type->size;
	}
	return (size + 7) & ~7u;
}

static void merge_row(const struct agg_args *args, void *into, const void *cpu)
{
	for (unsigned i = 0; i < args->n_fields; i++) {
		const struct agg_field *field = &args->fields[i];
		if (field->type && field->type->aggregate->merge)
			field->type->aggregate->merge(&field->type->args,
						      (char *)into + field->offset,
						      (const char *)cpu + field->offset);
	}
}

static void carry_row(const struct agg_args *args, void *into, const void *later)
{
	for (unsigned i = 0; i < args->n_fields; i++) {
		const struct agg_field *field = &args->fields[i];
		if (field->type)
			aggregate_carry(field->type, (char *)into + field->offset,
					(const char *)later + field->offset);
	}
}

/* Plain columns first: a derived one may stand before those it is computed from. */
static struct value row_value(struct decode *decode, const struct type *type, const void *state)
{
	unsigned n = type->args.n_fields;
	const struct agg_field *fields = type->args.fields;
	struct value *items = arena_alloc(decode->arena, (n + 1) * sizeof(*items));
	const char **names = arena_alloc(decode->arena, (n + 1) * sizeof(*names));
	struct value row = {
		.kind = VALUE_RECORD, .items = items, .names = names, .len = n, .row = true
	};

	for (unsigned i = 0; i < n; i++) {
		names[i] = fields[i].name;
		if (fields[i].type)
			items[i] = fields[i].type->aggregate->value(
				decode, fields[i].type, (const char *)state + fields[i].offset);
	}
	for (unsigned i = 0; i < n; i++)
		if (fields[i].derived)
			items[i] = value_real(plan_expr_eval(fields[i].derived, &row));
	for (unsigned i = 0; i < n; i++)
		items[i].hidden = names[i][0] == '_';
	return row;
}

/* clang-format off */
const struct aggregate aggregates_row[] = {
	{ .name = "agg", .proto = "void agg(...)", .flags = AGG_ROW, .state_size = row_size, .merge = merge_row,
	  .carry = carry_row, .value = row_value,
	  .doc = "Several aggregations under one key: agg(n = count(), bytes = sum($b), mean = bytes / n)." },
	{ 0 },
};
/* clang-format on */
