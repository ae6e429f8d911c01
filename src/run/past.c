/*
 * What maps have counted since the run began, whatever the script has cleared since: the rows that were removed are kept
 * here, joined by key, and added to what the map holds when the totals are asked for. Only aggregations have a past.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "run/internal.h"

/* The past of a map whose keys change all the time ends at this many times the keys that the map itself has room for. */
#define PAST_FACTOR 4u

static bool has_past(const struct run_map *map)
{
	return map->plan->value->kind == TYPE_AGG;
}

void run_keep_past(struct run *run)
{
	run->keep_past = true;
}

/* A key without room is in no total: it counts from its last clear only, and is told once. */
void past_add(struct run *run, struct run_map *map, const struct rows *rows)
{
	size_t most = PAST_FACTOR * (size_t)plan_max_keys(map->plan), left_out;

	if (!run->keep_past || !has_past(map))
		return;
	left_out = rows_join(map->plan, &map->past, rows, most);
	if (left_out && !map->past_left_out)
		report_warning(
			run, map->plan->span,
			"%s had more than %zu keys in the course of time: what is cleared of "
			"further ones is missing in its totals",
			map->plan->name, most);
	map->past_left_out += left_out;
}

int run_read_total(struct run *run, const struct plan_map *plan, struct value *value)
{
	struct run_map *map = maps_find(run, plan);
	struct rows rows, total;
	int err;

	if (!map || !map->past.n)
		return run_read_map(run, plan, value);
	maps_rows_init(&rows, map);
	err = maps_read_all(run, map, &rows);
	if (!err) {
		rows_copy(&total, &map->past);
		rows_join(plan, &total, &rows, SIZE_MAX);
		maps_decode(run, map, &total, value);
		rows_fini(&total);
	}
	rows_fini(&rows);
	return err;
}

/* --- forgetting keys --- */

struct forgetting {
	struct run *run;
	const struct plan_map *plan;
	bool (*dead)(void *arg, const struct value *key);
	void *arg;
	struct rows keys; /* those that are dead, without states */
};

static bool is_dead(struct forgetting *f, const uint8_t *key)
{
	struct value value;

	if (rows_find(&f->keys, key) < f->keys.n)
		return true;
	value = value_decode(&f->run->decode, f->plan->key, key);
	if (!f->dead(f->arg, &value))
		return false;
	memcpy(rows_grow(&f->keys), key, f->keys.key_size);
	return true;
}

static int forget_in_kernel(struct forgetting *f, const struct run_map *map)
{
	struct rows rows;
	int err;

	maps_rows_init(&rows, map);
	err = maps_read_all(f->run, map, &rows);
	for (size_t i = 0; !err && i < rows.n; i++)
		is_dead(f, rows_key(&rows, i));
	rows_fini(&rows);
	if (err || !f->keys.n)
		return err;
	for (unsigned g = 0; g < (map->plan->generations ? 2 : 1); g++)
		maps_delete(f->run, map, g, &f->keys);
	return 0;
}

static void forget_in_past(struct forgetting *f, struct run_map *map)
{
	bool *marked = mem_alloc(map->past.n * sizeof(*marked));

	for (size_t i = 0; i < map->past.n; i++)
		marked[i] = is_dead(f, rows_key(&map->past, i));
	rows_remove(&map->past, marked);
	free(marked);
}

long run_forget(struct run *run, const struct plan_map *plan,
		bool (*dead)(void *arg, const struct value *key), void *arg)
{
	struct forgetting f = { .run = run, .plan = plan, .dead = dead, .arg = arg };
	struct run_map *map = maps_find(run, plan);
	long n;
	int err;

	if (!map)
		return -ENOENT;
	if (plan->shape == MAP_SCALAR)
		return 0;
	rows_init(&f.keys, plan->key->size, 0);
	err = forget_in_kernel(&f, map);
	if (!err)
		forget_in_past(&f, map);
	n = (long)f.keys.n;
	rows_fini(&f.keys);
	return err ? err : n;
}
