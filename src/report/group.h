#ifndef JB_REPORT_GROUP_H
#define JB_REPORT_GROUP_H
/*
 * Groups: one record per key, for at most `limit` keys. When there are more, the smaller half is put together in `other`,
 * and a key that comes (again) after that may lack what had been put there: at most `floor` of the sum that groups are
 * ranked by, which is kept with it. So memory is bounded, the large groups are found wherever they begin in the recording,
 * sums over all groups stay exact, and each group tells whether its own is.
 */
#include "report/record.h"

/* Longer keys are cut and get a hash of the rest, so that different keys stay different. */
#define GROUP_KEY_MAX 4096

struct group {
	char *key; /* heap; the texts of its columns, a 0 between them */
	uint32_t key_len;
	uint32_t hash;
	double may_lack;
	uint64_t unused;
	struct record record; /* and what the layout puts behind it */
};

struct groups {
	struct account account; /* first: shrinking is asked of it */
	const struct layout *layout;
	uint32_t limit;
	char *items; /* n groups of item_size bytes */
	size_t item_size;
	uint32_t n, cap;
	uint32_t *slots; /* index of a group + 1; 0: free */
	uint32_t n_slots;
	struct record *other; /* NULL until it is needed */
	double floor;	      /* what a group that was put into other had at most */
	uint8_t *
		ranks; /* of hashes, to estimate how many keys there were; NULL until it is needed */
};

void groups_init(struct groups *groups, const struct layout *layout, struct budget *budget,
		 uint32_t limit);
void groups_fini(struct groups *groups);
/* The group of this key, made if there is none. Valid until the next call. */
struct group *groups_take(struct groups *groups, const char *key, size_t len);
/* NULL: it is not there. */
struct group *groups_find(const struct groups *groups, const char *key, size_t len);
/* How many different keys there were; *exact: counted, not estimated (within about 2 %). */
uint64_t groups_distinct(const struct groups *groups, bool *exact);

static inline struct group *groups_at(const struct groups *groups, uint32_t i)
{
	return (struct group *)(void *)(groups->items + i * groups->item_size);
}

#endif
