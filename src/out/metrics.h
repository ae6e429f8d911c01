#ifndef JB_OUT_METRICS_H
#define JB_OUT_METRICS_H
/*
 * Metrics as Prometheus has them: families of series. Made by run/export.c from the maps of scripts (and from what jbtrace
 * knows of itself), written as text by out/prom.c. Everything lives in the arena of the set.
 *
 * Sources: Prometheus exposition formats, text version 0.0.4; OpenMetrics 1.0.0.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/vec.h"
#include "model/plan.h"

struct metric_bucket {
	double le; /* upper bound, inclusive, in the unit of the metric; INFINITY is added by the writer */
	uint64_t count; /* cumulative */
};

struct metric_series {
	const char *const
		*labels; /* values, one per label name of the family; any bytes, NUL-terminated */
	double value;	 /* counter, gauge */
	uint64_t count;	 /* histogram, summary */
	double sum;	 /* histogram, summary; NAN: not known, `_sum` is left out */
	const struct metric_bucket *buckets; /* ascending */
	unsigned n_buckets;
};

struct metric_family {
	const char *name;      /* as in the text format, `_total` included */
	const char *help;      /* NULL: none */
	enum metric_type type; /* not METRIC_AUTO */
	const char *const *label_names;
	unsigned n_labels;
	VEC(struct metric_series) series;
};

struct metrics {
	struct arena *arena;
	VEC(struct metric_family *) families;
};

/* The family of this name, made when there is none. NULL: there is one with another type or other label names. */
struct metric_family *metrics_family(struct metrics *set, const char *name, enum metric_type type,
				     const char *help, const char *const *label_names,
				     unsigned n_labels);
void metrics_add(struct metrics *set, struct metric_family *family,
		 const struct metric_series *series);
/* A name as the format wants it: what may not stand in it becomes `_`. A label's name has no `:`. In the arena. */
const char *metrics_name(struct arena *arena, const char *text);
const char *metrics_label_name(struct arena *arena, const char *text);
/* A label's value as it will be written, before escaping: valid UTF-8, METRICS_VALUE_MAX bytes at most. */
#define METRICS_VALUE_MAX 1024u
void metrics_label_value(struct buf *out, const char *bytes, size_t len);
/*
 * The whole exposition. Names are sanitized ([a-zA-Z_:][a-zA-Z0-9_:]*), label values escaped, cut at 1 KiB (on a
 * character's border) and made valid UTF-8: a byte that is none becomes a text such as \xff.
 */
void prom_write(struct buf *out, const struct metrics *set, bool openmetrics);

#endif
