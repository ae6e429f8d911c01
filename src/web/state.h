#ifndef JB_WEB_STATE_H
#define JB_WEB_STATE_H
/* /state.json: what the page shows. Run thread only. */
#include "web/internal.h"

/* A map of a script, as the page sees it. */
struct web_map {
	const struct plan_map *plan;
	/* What the script printed last, of a map that it clears: a whole interval, where the map itself is at some part of one. */
	struct arena *printed_arena;
	const struct value *printed; /* NULL: nothing yet */
	uint32_t printed_rows;	     /* before rows were left out */
	int64_t printed_ns;
	/* A map that is slow to read is read less often; meanwhile this is shown. */
	struct buf kept;
	char kept_find[VIEW_FIND_MAX];
	struct view_sort kept_sort; /* that it was made for; column UINT_MAX: none */
	int64_t kept_ns, kept_cost_ns;
	struct history *history;
};

/* Scripts, their maps as they stand, and the history after view->since. */
void state_write(struct web *web, struct buf *out, const struct view *view);
/* Begin to listen to what a script prints. */
void state_watch(struct web *web, struct web_script *script);
/* The script ends: keep what its maps hold. */
void state_freeze(struct web *web, struct web_script *script);
void state_map_fini(struct web_map *map);

#endif
