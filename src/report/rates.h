#ifndef JB_REPORT_RATES_H
#define JB_REPORT_RATES_H
/* Which columns a rate was calculated from, and the bucket of a row that is one. */
#include "report/table.h"

/* Columns of ROLE_RATE: finds their parts in the sample, else makes them ROLE_RANGE. `fields` has room for a row. */
void rates_find(struct table *table, struct field *fields);
/* The rate of these sums; NAN: there is nothing to divide by. */
long double rate_value(const struct table *table, const struct column *column,
		       const struct record *record);
/* infer.c: the bucket of the closed interval in these fields, an empty one being an open end. False: it is none. */
bool bucket_of(const struct field *low, const struct field *high, struct hist_bucket *bucket);

#endif
