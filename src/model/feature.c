/*
 * Finding rows by name, and what a row's absent hooks stand for. The registry is a list of families and each family a
 * list of rows; all are small, so a walk is fast enough for a compiler that asks once per identifier.
 */
#include "model/feature.h"

#include <string.h>
#include <strings.h>

const struct builtin *registry_builtin(const struct registry *registry, const char *name)
{
	for (const struct builtin *const *family = registry->builtins; family && *family;
	     family++) {
		const struct builtin *row;

		row_each (row, *family)
			if (!strcmp(row->name, name))
				return row;
	}
	return NULL;
}

const struct aggregate *registry_aggregate(const struct registry *registry, const char *name)
{
	for (const struct aggregate *const *family = registry->aggregates; family && *family;
	     family++) {
		const struct aggregate *row;

		row_each (row, *family)
			if (!strcmp(row->name, name))
				return row;
	}
	return NULL;
}

/* Aliases are case-sensitive (`u` and `U` differ); a row may list several, with commas between them. */
static bool has_alias(const char *aliases, const char *name)
{
	size_t len = strlen(name);

	while (aliases && *aliases) {
		size_t n = strcspn(aliases, ", ");

		if (n == len && !memcmp(aliases, name, n))
			return true;
		aliases += n;
		aliases += strspn(aliases, ", ");
	}
	return false;
}

const struct provider *registry_provider(const struct registry *registry, const char *name)
{
	for (const struct provider *const *family = registry->providers; family && *family;
	     family++) {
		const struct provider *row;

		row_each (row, *family)
			if (!strcasecmp(row->name, name) || has_alias(row->alias, name))
				return row;
	}
	return NULL;
}

const struct named_type *registry_named_type(const struct registry *registry, const char *name)
{
	for (const struct named_type *const *family = registry->named_types; family && *family;
	     family++) {
		const struct named_type *row;

		row_each (row, *family)
			if (!strcmp(row->name, name))
				return row;
	}
	return NULL;
}

void aggregate_carry(const struct type *type, void *into, const void *later)
{
	const struct aggregate *row = type->aggregate;

	if (row->carry)
		row->carry(&type->args, into, later);
	else if (row->merge)
		row->merge(&type->args, into, later);
	else
		memcpy(into, later, type->size);
}
