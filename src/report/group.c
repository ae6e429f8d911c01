/*
 * Groups: an open-addressing table of indexes into an array of records. Thinning out follows the idea of lossy counting
 * (Manku and Motwani, 2002): what is dropped leaves a bound on what its key could have had. The number of different keys is
 * estimated from the leading zeros of their hashes (Flajolet and others, HyperLogLog, 2007).
 */
#include "report/group.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_FIRST = 64, THIN_MIN = 64, RANKS = 4096, RANK_BITS = 12 };

static uint64_t mix(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static uint64_t hash_bytes(const char *bytes, size_t len)
{
	const uint64_t one = 0x9e3779b97f4a7c15, two = 0xd6e8feb86659fd93;
	uint64_t hash = mix(len + one, two), word;

	for (; len >= 8; bytes += 8, len -= 8) {
		memcpy(&word, bytes, 8);
		hash = mix(hash ^ word, one);
	}
	word = 0;
	memcpy(&word, bytes, len);
	return mix(hash ^ word ^ two, one);
}

static size_t key_size(const struct group *group)
{
	return group->key_len + 32; /* malloc's own */
}

static void items_resize(struct groups *groups, uint32_t cap)
{
	groups->items = mem_realloc(groups->items, cap * groups->item_size);
	account_sub(&groups->account, groups->cap * groups->item_size);
	account_add(&groups->account, cap * groups->item_size);
	groups->cap = cap;
}

static void group_drop(struct groups *groups, struct group *group)
{
	account_sub(&groups->account, key_size(group));
	record_fini(groups->layout, &group->record, &groups->account);
	free(group->key);
}

void groups_fini(struct groups *groups)
{
	for (uint32_t i = 0; i < groups->n; i++)
		group_drop(groups, groups_at(groups, i));
	if (groups->other)
		record_fini(groups->layout, groups->other, &groups->account);
	free(groups->other);
	free(groups->items);
	free(groups->slots);
	free(groups->ranks);
	account_close(&groups->account);
}

static void slot_put(struct groups *groups, uint32_t index)
{
	uint32_t at = groups_at(groups, index)->hash;

	while (groups->slots[at &= groups->n_slots - 1])
		at++;
	groups->slots[at] = index + 1;
}

static void slots_rebuild(struct groups *groups)
{
	memset(groups->slots, 0, groups->n_slots * sizeof(*groups->slots));
	for (uint32_t i = 0; i < groups->n; i++)
		slot_put(groups, i);
}

static void slots_grow(struct groups *groups)
{
	groups->n_slots *= 2;
	groups->slots = mem_realloc(groups->slots, groups->n_slots * sizeof(*groups->slots));
	slots_rebuild(groups);
}

static void rank_note(struct groups *groups, const char *key, size_t len)
{
	/* Other bits than the table's. */
	uint64_t hash = mix(hash_bytes(key, len), 0xa0761d6478bd642f);
	uint8_t *rank = &groups->ranks[hash & (RANKS - 1)];
	uint8_t zeros = (uint8_t)__builtin_clzll(hash | (1u << RANK_BITS) | 1);

	if (zeros + 1 > *rank)
		*rank = (uint8_t)(zeros + 1);
}

/* The k-th smallest, by parting the array around one of its members again and again (Hoare, 1961). */
static double kth(double *all, uint32_t n, uint32_t k)
{
	uint32_t low = 0, high = n - 1;

	while (low < high) {
		double pivot = all[low + (high - low) / 2];
		uint32_t i = low, j = high;

		for (;; i++, j--) {
			double swapped;

			while (all[i] < pivot)
				i++;
			while (all[j] > pivot)
				j--;
			if (i >= j)
				break;
			swapped = all[i];
			all[i] = all[j];
			all[j] = swapped;
		}
		if (k <= j)
			high = j;
		else
			low = j + 1;
	}
	return all[k];
}

/* A value that about half of the groups do not exceed. */
static double median_main(const struct groups *groups)
{
	double *all = mem_alloc(groups->n * sizeof(*all)), median;

	for (uint32_t i = 0; i < groups->n; i++)
		all[i] = (double)record_main(groups->layout, &groups_at(groups, i)->record);
	median = kth(all, groups->n, groups->n / 2);
	free(all);
	return median;
}

static void begin_thinning(struct groups *groups)
{
	groups->other = record_new(groups->layout);
	groups->ranks = mem_alloc(RANKS);
	memset(groups->ranks, 0, RANKS);
	for (uint32_t i = 0; i < groups->n; i++)
		rank_note(groups, groups_at(groups, i)->key, groups_at(groups, i)->key_len);
}

/* The smaller half goes into `other`; of those that equal the median, the ones that came later. */
static void thin_out(struct groups *groups)
{
	double median = median_main(groups);
	uint32_t keep = groups->n / 2, n = 0, larger = 0;

	if (!groups->other)
		begin_thinning(groups);
	for (uint32_t i = 0; i < groups->n; i++)
		larger +=
			(double)record_main(groups->layout, &groups_at(groups, i)->record) > median;
	for (uint32_t i = 0; i < groups->n; i++) {
		struct group *group = groups_at(groups, i);
		double weight = (double)record_main(groups->layout, &group->record);

		if (weight > median || (weight == median && larger < keep && larger++ < keep)) {
			if (i != n)
				memcpy(groups_at(groups, n), group, groups->item_size);
			n++;
			continue;
		}
		groups->floor = fmax(groups->floor, weight + group->may_lack);
		record_merge(groups->layout, groups->other, &group->record, &groups->account);
		group_drop(groups, group);
	}
	groups->n = n;
	slots_rebuild(groups);
}

static bool groups_shrink(struct account *account)
{
	struct groups *groups = (struct groups *)(void *)account;

	if (groups->n <= THIN_MIN)
		return false;
	thin_out(groups);
	/* The array's room is not used again soon. */
	items_resize(groups, groups->n);
	return true;
}

void groups_init(struct groups *groups, const struct layout *layout, struct budget *budget,
		 uint32_t limit)
{
	*groups = (struct groups){ .layout = layout, .limit = limit };
	account_open(&groups->account, budget, groups_shrink);
	groups->item_size = offsetof(struct group, record) + layout->size;
	groups->n_slots = SLOTS_FIRST;
	groups->slots = mem_alloc(SLOTS_FIRST * sizeof(*groups->slots));
	memset(groups->slots, 0, SLOTS_FIRST * sizeof(*groups->slots));
}

static struct group *group_add(struct groups *groups, const char *key, size_t len, uint32_t hash)
{
	struct group *group;

	if (groups->n == groups->cap)
		items_resize(groups, groups->cap ? groups->cap + groups->cap / 2 : 16);
	group = groups_at(groups, groups->n);
	*group = (struct group){ .key_len = (uint32_t)len, .hash = hash };
	group->may_lack = groups->floor;
	group->key = mem_alloc(len + 1);
	memcpy(group->key, key, len);
	group->key[len] = '\0';
	record_init(groups->layout, &group->record);
	slot_put(groups, groups->n++);
	account_add(&groups->account, key_size(group));
	if (groups->ranks)
		rank_note(groups, key, len);
	return group;
}

static struct group *find(const struct groups *groups, const char *key, size_t len, uint32_t hash)
{
	for (uint32_t at = hash;; at++) {
		uint32_t index = groups->slots[at & (groups->n_slots - 1)];
		struct group *group;

		if (!index)
			return NULL;
		group = groups_at(groups, index - 1);
		if (group->hash == hash && group->key_len == len &&
		    memcmp(group->key, key, len) == 0)
			return group;
	}
}

/* A key over the limit: its beginning and a hash of all. `room` has GROUP_KEY_MAX bytes. */
static size_t shorten(char *room, const char *key, size_t len)
{
	char tail[24];
	int n = snprintf(tail, sizeof(tail), "...#%016llx",
			 (unsigned long long)hash_bytes(key, len));

	memcpy(room, key, GROUP_KEY_MAX - (size_t)n);
	memcpy(room + GROUP_KEY_MAX - n, tail, (size_t)n);
	return GROUP_KEY_MAX;
}

struct group *groups_take(struct groups *groups, const char *key, size_t len)
{
	char room[GROUP_KEY_MAX];
	struct group *group;
	uint32_t hash;

	if (len > GROUP_KEY_MAX) {
		len = shorten(room, key, len);
		key = room;
	}
	hash = (uint32_t)hash_bytes(key, len);
	group = find(groups, key, len, hash);
	if (group)
		return group;
	if (groups->n >= groups->limit)
		thin_out(groups);
	if ((groups->n + 1) * 4 > groups->n_slots * 3)
		slots_grow(groups);
	return group_add(groups, key, len, hash);
}

struct group *groups_find(const struct groups *groups, const char *key, size_t len)
{
	return find(groups, key, len, (uint32_t)hash_bytes(key, len));
}

uint64_t groups_distinct(const struct groups *groups, bool *exact)
{
	double sum = 0, empty = 0, estimate;

	*exact = !groups->ranks;
	if (*exact)
		return groups->n;
	for (unsigned i = 0; i < RANKS; i++) {
		sum += ldexp(1, -groups->ranks[i]);
		empty += !groups->ranks[i];
	}
	estimate = 0.7213 / (1 + 1.079 / RANKS) * RANKS * RANKS / sum;
	if (estimate < 2.5 * RANKS && empty)
		estimate = RANKS * log(RANKS / empty);
	return (uint64_t)llround(estimate);
}
