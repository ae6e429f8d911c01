#ifndef JB_OUT_TABLE_H
#define JB_OUT_TABLE_H
/* Aligned tables: maps whose values are rows (agg, rtp), and the running table of emit. */
#include "out/out.h"

/*
 * The map's name, a header, a line per row, a blank line. `first`: index of the first row to
 * print.
 */
void table_print_map(struct out *out, const struct record *record, uint32_t first);
/*
 * A line; before it a header when the event's columns differ from those of the line printed last.
 */
void table_print_emit(struct out *out, const struct record *record);
/* Frees what table_print_emit keeps in out->state. */
void table_end(struct out *out);

#endif
