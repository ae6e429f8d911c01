#ifndef JB_PROBES_PROBES_H
#define JB_PROBES_PROBES_H
/* The provider rows, one array per family, each ended by a row whose name is NULL. For the registry. */
#include "model/feature.h"

extern const struct provider providers_special[];
extern const struct provider providers_timer[];
extern const struct provider providers_tracepoint[];
extern const struct provider providers_rawtracepoint[];
extern const struct provider providers_uprobe[];
extern const struct provider providers_usdt[];
extern const struct provider providers_kprobe[];
extern const struct provider providers_fentry[];
extern const struct provider providers_perfevent[];
extern const struct provider providers_watchpoint[];
extern const struct provider providers_self[];
extern const struct provider providers_iter[];
extern const struct provider providers_span[];

#endif
