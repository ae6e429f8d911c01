#ifndef JB_OUT_TABLES_H
#define JB_OUT_TABLES_H
/* The tables that a printer has met so far: records of one kind and name, with the same columns. */
#include "out/columns.h"

struct table;

struct tables {
	struct table *list;
	size_t n;
};

/*
 * The table of a record, made at its first row. columns NULL: records of one name are one table, whatever they hold.
 * put_header (NULL: none) writes its header, and may rename the columns.
 */
const struct out_table *tables_find(struct tables *tables, struct out *out,
				    const struct record *record, struct columns *columns,
				    void (*put_header)(struct buf *, const struct out *,
						       struct columns *));
void tables_fini(struct tables *tables);

#endif
