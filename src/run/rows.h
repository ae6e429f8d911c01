#ifndef JB_RUN_ROWS_H
#define JB_RUN_ROWS_H
/*
 * What was read of a map, as raw bytes: for each row its key and one state, merged over the CPUs. A map of a million keys
 * costs one pass and exact allocations; values are made of it later, or never.
 */
#include <stdbool.h>

#include "base/mem.h"
#include "model/plan.h"

struct rows {
	struct buf bytes;
	size_t n;
	uint32_t key_size,
		state_size; /* as they lie in `bytes`: multiples of 8, padded with zeros */
	uint32_t *
		slots; /* where rows_find looks: row number + 1, 0 is free; NULL until it is asked */
	size_t n_slots, n_indexed;
};

void rows_init(struct rows *rows, uint32_t key_size, uint32_t state_size);
void rows_fini(struct rows *rows);
/* Forget the rows, keep the memory. */
void rows_reset(struct rows *rows);
/* A new row at the end, all zero: its key, with the state behind it. Pointers into other rows become invalid. */
uint8_t *rows_grow(struct rows *rows);
uint8_t *rows_key(const struct rows *rows, size_t i);
uint8_t *rows_state(const struct rows *rows, size_t i);
/* Number of the row with this key (rows->key_size bytes), or rows->n. Keys that were found may not be changed afterwards. */
size_t rows_find(struct rows *rows, const void *key);
/* `copy` is not initialised before. */
void rows_copy(struct rows *copy, const struct rows *rows);
/* Remove the rows that are marked. */
void rows_remove(struct rows *rows, const bool *marked);

/*
 * Join what was counted later to `into`, key by key: aggregations carry on, numbers that are only ever added to are
 * added, of other values the later one counts. A key that would be more than `most` rows is left out; returns how many.
 */
size_t rows_join(const struct plan_map *plan, struct rows *into, const struct rows *later,
		 size_t most);
bool rows_all_zero(const void *bytes, size_t n);

#endif
