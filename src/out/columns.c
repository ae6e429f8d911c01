/* Rows to named cells. How a cell looks is its printer's. */
#include "out/columns.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool columns_shown(const struct value *row, uint32_t i)
{
	return !row->items[i].hidden && row->names[i][0] != '_';
}

static bool is_row(const struct value *value)
{
	return value->kind == VALUE_RECORD && value->row;
}

bool columns_are_rows(const struct value *map)
{
	return is_row(map) || (map->kind == VALUE_MAP && map->len && is_row(&map->items[0]));
}

static void add(struct columns *columns, const char *name, const struct value *value)
{
	struct column *column = vec_grow(columns->arena, &columns->list);

	*column = (struct column){ name, value };
}

void columns_add_key(struct columns *columns, const struct record *record, const struct value *key)
{
	if (key->kind != VALUE_TUPLE || key->len != record->n_keys) {
		add(columns, record->n_keys == 1 ? record->key_names[0] : "key", key);
		return;
	}
	for (uint32_t i = 0; i < key->len; i++)
		add(columns, record->key_names[i], &key->items[i]);
}

void columns_add(struct columns *columns, const char *name, const struct value *value)
{
	if (value->kind != VALUE_RECORD) {
		add(columns, name ? name : "value", value);
		return;
	}
	for (uint32_t i = 0; i < value->len; i++) {
		const char *member = value->names[i];

		if (!columns_shown(value, i))
			continue;
		if (name)
			member = arena_printf(columns->arena, "%s_%s", name, member);
		columns_add(columns, member, &value->items[i]);
	}
}

static bool is_used(const struct columns *columns, size_t i, const char *const *taken, size_t n,
		    const char *name)
{
	for (size_t k = 0; k < n; k++)
		if (strcmp(taken[k], name) == 0)
			return true;
	for (size_t k = 0; k < i; k++)
		if (strcmp(columns->list.data[k].name, name) == 0)
			return true;
	return false;
}

void columns_rename(struct columns *columns, const char *const *taken, size_t n)
{
	for (size_t i = 0; i < columns->list.n; i++) {
		const char *own = columns->list.data[i].name, *name = own;

		for (unsigned k = 2; is_used(columns, i, taken, n, name); k++)
			name = arena_printf(columns->arena, "%s_%u", own, k);
		columns->list.data[i].name = name;
	}
}

bool columns_missing(const struct value *value)
{
	return value->kind == VALUE_NONE || (value->kind == VALUE_REAL && isnan(value->real));
}

void columns_real(struct buf *out, double real)
{
	char text[32];

	if (real == 0)
		real = 0; /* not -0 */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real)
			break;
	}
	buf_puts(out, text);
}
