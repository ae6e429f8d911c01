#ifndef JB_WEB_HISTORY_H
#define JB_WEB_HISTORY_H
/*
 * The last ten minutes of each map, for a page that is opened later: the numbers of its biggest rows, and its histogram. Run
 * thread only; bounded in memory and in the time it takes.
 */
#include "web/internal.h"

#define HISTORY_STEP_S 5u
#define HISTORY_LEN    120u /* samples */

struct history;

/* Take samples of all maps when it is time. */
void history_tick(struct web *web);
/* What was sampled after `since`, as JSON; `tick` is the number of the last sample. history may be NULL. */
void history_write(struct buf *out, const struct history *history, uint64_t tick, uint64_t since);
void history_free(struct web *web, struct history *history); /* may be NULL */

#endif
