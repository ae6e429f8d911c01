/* Few tables, many rows: a list that is walked from its newest end. */
#include "out/tables.h"

#include <stdlib.h>
#include <string.h>

struct table {
	struct out_table *table; /* heap: its address is handed out */
	enum record_kind kind;
	char *name; /* of the event or map; "" when the kind has none */
	char **columns;
	size_t n_columns;
};

static bool has_columns(const struct table *table, const struct columns *columns)
{
	size_t n = columns ? columns->list.n : 0;

	if (table->n_columns != n)
		return false;
	for (size_t i = 0; i < n; i++)
		if (strcmp(table->columns[i], columns->list.data[i].name))
			return false;
	return true;
}

static struct table *add(struct tables *tables, struct out *out, const struct record *record,
			 const char *name, const struct columns *columns)
{
	const char *own = out_table_name(out->scratch, out, record);
	struct table *table;

	tables->list = mem_realloc(tables->list, (tables->n + 1) * sizeof(*tables->list));
	table = &tables->list[tables->n++];
	*table = (struct table){ .kind = record->kind, .name = mem_strdup(name) };
	table->table = mem_alloc(sizeof(*table->table));
	*table->table = (struct out_table){ .name = mem_strdup(own) };
	table->n_columns = columns ? columns->list.n : 0;
	table->columns = mem_alloc((table->n_columns + 1) * sizeof(*table->columns));
	for (size_t i = 0; i < table->n_columns; i++)
		table->columns[i] = mem_strdup(columns->list.data[i].name);
	return table;
}

const struct out_table *tables_find(struct tables *tables, struct out *out,
				    const struct record *record, struct columns *columns,
				    void (*put_header)(struct buf *, const struct out *,
						       struct columns *))
{
	const char *name = record->name ? record->name : "";
	struct buf header = { 0 };
	struct table *table;

	for (size_t i = tables->n; i-- > 0;) {
		table = &tables->list[i];
		if (table->kind == record->kind && strcmp(table->name, name) == 0 &&
		    has_columns(table, columns))
			return table->table;
	}
	table = add(tables, out, record, name, columns);
	table->table->id = out_table_id(out);
	if (put_header)
		put_header(&header, out, columns);
	table->table->header = header.data;
	table->table->header_len = (uint32_t)header.len;
	return table->table;
}

void tables_fini(struct tables *tables)
{
	for (size_t i = 0; i < tables->n; i++) {
		struct table *table = &tables->list[i];

		for (size_t k = 0; k < table->n_columns; k++)
			free(table->columns[k]);
		free(table->columns);
		free(table->name);
		free((char *)table->table->name);
		free((char *)table->table->header);
		free(table->table);
	}
	free(tables->list);
	*tables = (struct tables){ 0 };
}
