/*
 * Raw rows of maps: gathering them, finding one by its key, joining those of two times. Knows layouts from the plan and
 * nothing of the kernel.
 */
#include "run/rows.h"

#include <stdlib.h>
#include <string.h>

#include "model/feature.h"

#define SLOTS_MIN 64u

static uint32_t round_up(uint32_t size)
{
	return (size + 7) & ~7u;
}

void rows_init(struct rows *rows, uint32_t key_size, uint32_t state_size)
{
	*rows = (struct rows){ .key_size = round_up(key_size), .state_size = round_up(state_size) };
}

void rows_fini(struct rows *rows)
{
	buf_fini(&rows->bytes);
	free(rows->slots);
	rows->slots = NULL;
	rows->n = rows->n_slots = rows->n_indexed = 0;
}

void rows_reset(struct rows *rows)
{
	buf_reset(&rows->bytes);
	rows->n = rows->n_indexed = 0;
	if (rows->slots)
		memset(rows->slots, 0, rows->n_slots * sizeof(*rows->slots));
}

static size_t row_size(const struct rows *rows)
{
	return (size_t)rows->key_size + rows->state_size;
}

uint8_t *rows_grow(struct rows *rows)
{
	uint8_t *row = (uint8_t *)buf_room(&rows->bytes, row_size(rows));

	memset(row, 0, row_size(rows));
	rows->bytes.len += row_size(rows);
	rows->n++;
	return row;
}

uint8_t *rows_key(const struct rows *rows, size_t i)
{
	return (uint8_t *)rows->bytes.data + i * row_size(rows);
}

uint8_t *rows_state(const struct rows *rows, size_t i)
{
	return rows_key(rows, i) + rows->key_size;
}

/* --- finding --- */

/* Word by word: keys are padded to whole ones. */
static uint64_t hash(const void *key, uint32_t size)
{
	uint64_t h = 0x9e3779b97f4a7c15ull, word;

	for (uint32_t i = 0; i < size; i += (uint32_t)sizeof(word)) {
		memcpy(&word, (const uint8_t *)key + i, sizeof(word));
		h = (h ^ word) * 0xff51afd7ed558ccdull;
		h ^= h >> 32;
	}
	return h;
}

/* Where the key is, or would be. */
static uint32_t *slot_of(const struct rows *rows, const void *key)
{
	size_t mask = rows->n_slots - 1, i = hash(key, rows->key_size) & mask;

	while (rows->slots[i] && memcmp(rows_key(rows, rows->slots[i] - 1), key, rows->key_size))
		i = (i + 1) & mask;
	return &rows->slots[i];
}

static void make_room(struct rows *rows)
{
	size_t want = rows->n_slots ? rows->n_slots : SLOTS_MIN;

	while (want < 2 * rows->n + 2)
		want *= 2;
	if (want == rows->n_slots)
		return;
	free(rows->slots);
	rows->slots = mem_alloc(want * sizeof(*rows->slots));
	memset(rows->slots, 0, want * sizeof(*rows->slots));
	rows->n_slots = want;
	rows->n_indexed = 0;
}

size_t rows_find(struct rows *rows, const void *key)
{
	uint32_t found;

	make_room(rows);
	for (; rows->n_indexed < rows->n; rows->n_indexed++) {
		uint32_t *slot = slot_of(rows, rows_key(rows, rows->n_indexed));

		if (!*slot)
			*slot = (uint32_t)rows->n_indexed + 1;
	}
	found = *slot_of(rows, key);
	return found ? found - 1 : rows->n;
}

void rows_copy(struct rows *copy, const struct rows *rows)
{
	rows_init(copy, rows->key_size, rows->state_size);
	buf_add(&copy->bytes, rows->bytes.data, rows->bytes.len);
	copy->n = rows->n;
}

void rows_remove(struct rows *rows, const bool *marked)
{
	size_t n = 0;

	for (size_t i = 0; i < rows->n; i++) {
		if (marked[i])
			continue;
		if (n != i)
			memcpy(rows_key(rows, n), rows_key(rows, i), row_size(rows));
		n++;
	}
	rows->n = n;
	rows->bytes.len = n * row_size(rows);
	rows->n_indexed = 0;
	if (rows->slots)
		memset(rows->slots, 0, rows->n_slots * sizeof(*rows->slots));
}

/* --- joining --- */

bool rows_all_zero(const void *bytes, size_t n)
{
	const uint8_t *at = bytes;

	return !n || (!at[0] && !memcmp(at, at + 1, n - 1));
}

static void join_state(const struct plan_map *plan, void *into, const void *later)
{
	bool aggregated = plan->value->kind == TYPE_AGG;
	uint64_t a, b;

	/* The element of an array always exists, and zero() leaves states of nothing: they add nothing. */
	if ((plan->shape == MAP_SCALAR || aggregated) && rows_all_zero(later, plan->value->size))
		return;
	if (aggregated) {
		aggregate_carry(plan->value, into, later);
	} else if (plan->additive) {
		memcpy(&a, into, sizeof(a));
		memcpy(&b, later, sizeof(b));
		a += b;
		memcpy(into, &a, sizeof(a));
	} else {
		memcpy(into, later, plan->value->size);
	}
}

size_t rows_join(const struct plan_map *plan, struct rows *into, const struct rows *later,
		 size_t most)
{
	size_t left_out = 0;

	for (size_t i = 0; i < later->n; i++) {
		size_t at = rows_find(into, rows_key(later, i));

		if (at < into->n)
			join_state(plan, rows_state(into, at), rows_state(later, i));
		else if (into->n >= most)
			left_out++;
		else
			memcpy(rows_grow(into), rows_key(later, i), row_size(later));
	}
	return left_out;
}
