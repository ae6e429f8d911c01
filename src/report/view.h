#ifndef JB_REPORT_VIEW_H
#define JB_REPORT_VIEW_H
/* From sums to a document: what is shown of a table, and how two sides of it are compared. */
#include "report/doc.h"
#include "report/table.h"

struct view {
	struct report_run *run;
	struct doc *doc;
	unsigned spans; /* of a course over time, at most */
};

/* One table on one side, whole. */
void view_table(struct view *view, struct table *table, struct tally *tally);
/* All sides of a table next to each other. */
void view_compare(struct view *view, struct table *table);

/* --- blocks of view_table, each in a file of its family --- */
void view_overview(struct view *view, struct part *part, const struct table *table,
		   const struct tally *tally);
void view_rankings(struct view *view, struct part *part, const struct table *table,
		   const struct tally *tally);
void view_errors(struct view *view, struct part *part, const struct table *table,
		 const struct tally *tally);
void view_latency(struct view *view, struct part *part, const struct table *table,
		  const struct tally *tally);
void view_activity(struct view *view, struct part *part, const struct table *table,
		   struct tally *tally);
void view_sizes(struct view *view, struct part *part, const struct table *table,
		const struct tally *tally);

/* --- what they share --- */

/* What a column comes to in a record; NAN: nothing. Column -1: the number of rows. */
long double column_value(const struct table *table, int column, const struct record *record);
/* The histogram that belongs to a column; NULL: it is empty. */
const struct hist *column_hist(const struct table *table, int column, const struct record *record);
/* "count", or "rows" for -1. */
const char *column_name(const struct table *table, int column);
enum unit column_unit(const struct table *table, int column);
/* "bio (count)" and such. */
char *view_text(struct view *view, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* What is below 0 in no column counts as nothing: shares of a sum make sense then. */
long double share_of(long double part, long double whole);

/* Groups in the order of a column, largest first, equal ones by key. */
struct ranked {
	struct group **groups; /* heap; n of them */
	uint32_t n;
};
struct ranked ranked_by(const struct table *table, const struct groups *groups, int column,
			double min_count);
/* The column that rankings go by: --sort, else the main one. */
int sort_column(const struct table *table);
/* The first cells of a row: what the group is called. `columns` of the grid were described by key_columns. */
void key_columns(struct block *grid, const struct table *table, const struct dim *dim);
void key_cells(struct cell *row, const struct dim *dim, const struct group *group);
/* A cell with this column's number of a record; `group` (or NULL) tells whether it may lack something. */
struct cell value_cell(const struct table *table, int column, const struct record *record,
		       const struct group *group);
/* All records of the groups that are not among the first `top`, and of those not kept; NULL: there are none. */
struct record *rest_of(struct view *view, const struct table *table, const struct groups *groups,
		       const struct ranked *ranked, uint32_t top, struct account *account);
void rest_free(const struct table *table, struct record *rest, struct account *account);
/* How often rows come, when they come in steps: ns, else 0. */
int64_t interval_of(const struct table *table, const struct tally *tally);
/* The time that the rows speak of: from first to last, and the interval before the first. 0: unknown. */
int64_t covered_ns(const struct table *table, const struct tally *tally);
/* "p99" of a histogram as a cell. */
struct cell quantile_cell(const struct table *table, int column, const struct hist *hist, double q);

#define N_QUANTILES 4
extern const struct view_quantile {
	double q;
	const char *id;
} view_quantiles[N_QUANTILES];

#endif
