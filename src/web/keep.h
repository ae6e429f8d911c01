#ifndef JB_WEB_KEEP_H
#define JB_WEB_KEEP_H
/* Values that outlive the event they came with. */
#include "model/value.h"

/*
 * A copy in `arena`. Of a map the last `most` rows (maps of numbers are sorted ascending); hidden members are left out,
 * histograms behind quantiles among them.
 */
const struct value *keep_value(struct arena *arena, const struct value *value, uint32_t most);

#endif
