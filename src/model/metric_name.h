#ifndef JB_MODEL_METRIC_NAME_H
#define JB_MODEL_METRIC_NAME_H
/*
 * What Prometheus' naming rules object to in the parts of a metric's name, those between underscores, as `promtool check
 * metrics` does. The exporter makes names that pass; a script that declares others is warned.
 *
 * Source: Prometheus client_golang, prometheus/testutil/promlint.
 */
#include <stddef.h>

/* A sentence about a part, without the part: "abbreviates a unit". NULL: nothing is to be said. */
const char *metric_part_problem(const char *part, size_t len);
/* What begins with a capital in the middle begins after an underscore: read_bytes for readBytes. Into `out`, of 2 * strlen + 1. */
void metric_snake_case(char *out, const char *name);

#endif
