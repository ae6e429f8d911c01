/*
 * Maps of the script: read whole ones in batches, merge the CPUs' states, decode, sort, print. What clears them is in
 * generation.c, what remembers them in past.c.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bpf-runtime/abi.h"
#include "run/internal.h"

#define BATCH_BYTES (4u << 20)
#define BATCH_MIN   64u
#define BATCH_MAX   16384u
#define WALK_SPARE  1024u
#define ENOTSUPP_KERNEL \
	524 /* ENOTSUPP: what a map type without batches says; not in user space's errno.h */

static uint32_t round_up(uint32_t size)
{
	return (size + 7) & ~7u;
}

static uint32_t state_offset(const struct run_map *map)
{
	return map->plan->shared ? (uint32_t)sizeof(struct jb_lock) : 0;
}

/* --- opening --- */

static bool layout_fits(const struct run_map *map)
{
	const struct plan_map *plan = map->plan;

	return map->value_size >= plan->value->size + state_offset(map) &&
	       map->key_size >= plan_key_size(plan);
}

int maps_open(struct run *run)
{
	size_t n = run->plan->maps.n;

	run->maps = arena_alloc(run->arena, (n ? n : 1) * sizeof(*run->maps));
	for (size_t i = 0; i < n; i++) {
		const struct plan_map *plan = run->plan->maps.data[i];
		struct run_map *map = &run->maps[i];
		struct bpf_map *made = bpf_object__find_map_by_name(run->object, plan->symbol);
		enum bpf_map_type type;

		map->plan = plan;
		map->fd = -1;
		maps_rows_init(&map->past, map);
		if (!made) /* only ever mentioned in code that the optimiser removed */
			continue;
		type = bpf_map__type(made);
		map->fd = bpf_map__fd(made);
		map->key_size = bpf_map__key_size(made);
		map->value_size = bpf_map__value_size(made);
		map->row_size =
			plan->per_cpu ? run->n_cpus * round_up(map->value_size) : map->value_size;
		map->is_array = type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
		if (!layout_fits(map)) {
			report_error(run, plan->span, "map %s has another layout in the kernel",
				     plan->name);
			return -EINVAL;
		}
	}
	return generation_open(run);
}

void maps_close(struct run *run)
{
	for (size_t i = 0; run->maps && i < run->plan->maps.n; i++)
		rows_fini(&run->maps[i].past);
	generation_close(run);
}

struct run_map *maps_find(struct run *run, const struct plan_map *plan)
{
	for (size_t i = 0; i < run->plan->maps.n; i++)
		if (run->maps[i].plan == plan)
			return &run->maps[i];
	return NULL;
}

/* --- rows of the kernel --- */

void maps_rows_init(struct rows *rows, const struct run_map *map)
{
	rows_init(rows, map->plan->key ? map->plan->key->size : 0, map->plan->value->size);
}

/* One state out of a row as the kernel returns it. */
static void merge_row(const struct run *run, const struct run_map *map, const uint8_t *row,
		      uint8_t *state)
{
	const struct type *type = map->plan->value;
	uint32_t stride = round_up(map->value_size);

	memcpy(state, row + state_offset(map), type->size);
	if (!map->plan->per_cpu || type->kind != TYPE_AGG || !type->aggregate->merge)
		return;
	for (unsigned cpu = 1; cpu < run->n_cpus; cpu++)
		type->aggregate->merge(&type->args, state, row + (size_t)cpu * stride);
}

static unsigned generation_of(const struct run_map *map, const uint8_t *key)
{
	uint32_t generation = 0;

	if (map->plan->generations)
		memcpy(&generation, key + map->plan->generation_offset, sizeof(generation));
	return generation & 1;
}

void maps_kernel_key(const struct run_map *map, unsigned generation, const uint8_t *key,
		     uint8_t *kernel_key)
{
	uint32_t number = generation;

	memset(kernel_key, 0, map->key_size);
	if (map->plan->key)
		memcpy(kernel_key, key, map->plan->key->size);
	if (map->plan->generations)
		memcpy(kernel_key + map->plan->generation_offset, &number, sizeof(number));
}

static struct rows *rows_for(const struct sieve *sieve, const struct run_map *map,
			     const uint8_t *key)
{
	return sieve->of[generation_of(map, key)];
}

static void add_row(const struct run *run, const struct sieve *sieve, const struct run_map *map,
		    const uint8_t *key, const uint8_t *row)
{
	struct rows *rows = rows_for(sieve, map, key);
	uint8_t *at;

	if (!rows)
		return;
	at = rows_grow(rows);
	if (map->plan->key)
		memcpy(at, key, map->plan->key->size);
	merge_row(run, map, row, at + rows->key_size);
}

struct batch {
	uint8_t *keys, *values;
	uint32_t room; /* rows */
	uint8_t *mark; /* where the kernel goes on; as big as a key, at least 4 bytes */
};

static uint32_t batch_room(const struct run_map *map)
{
	uint32_t room = BATCH_BYTES / (map->row_size + map->key_size);

	return room < BATCH_MIN ? BATCH_MIN : room > BATCH_MAX ? BATCH_MAX : room;
}

static void batch_init(struct batch *batch, const struct run_map *map, uint32_t room)
{
	batch->room = room;
	batch->keys = mem_alloc((size_t)room * map->key_size);
	batch->values = mem_alloc((size_t)room * map->row_size);
	batch->mark = mem_alloc(map->key_size + sizeof(uint32_t));
}

static void batch_fini(struct batch *batch)
{
	free(batch->keys);
	free(batch->values);
	free(batch->mark);
}

/* One sweep in batches of `room` rows. -ENOSPC: a bucket of the hash holds more rows than that. */
static int sweep(struct run *run, const struct run_map *map, const struct sieve *sieve,
		 uint32_t room)
{
	struct batch batch;
	bool first = true;
	int err;

	for (unsigned g = 0; g < 2; g++)
		if (sieve->of[g])
			rows_reset(sieve->of[g]);
	batch_init(&batch, map, room);
	do {
		uint32_t n = room;

		err = bpf_map_lookup_batch(map->fd, first ? NULL : batch.mark, batch.mark,
					   batch.keys, batch.values, &n, NULL);
		if (err && err != -ENOENT) /* -ENOENT comes with the last batch */
			break;
		for (uint32_t i = 0; i < n; i++)
			add_row(run, sieve, map, batch.keys + (size_t)i * map->key_size,
				batch.values + (size_t)i * map->row_size);
		first = false;
	} while (!err);
	batch_fini(&batch);
	return err == -ENOENT ? 0 : err;
}

static bool has_batches(const struct run *run)
{
	return run->lookup && lookup_feature(run->lookup, FEATURE_MAP_BATCH);
}

/* All rows by batches; -EINVAL or -ENOTSUPP when this kernel or map type has none. */
static int read_batches(struct run *run, const struct run_map *map, const struct sieve *sieve)
{
	uint32_t room = batch_room(map);
	int err;

	if (!has_batches(run))
		return -EOPNOTSUPP;
	while ((err = sweep(run, map, sieve, room)) == -ENOSPC)
		room *= 2;
	return err;
}

/*
 * When the key where it stands is deleted meanwhile, the kernel begins again from the start; so rows that were seen are
 * passed over, and the walk is bounded.
 */
static int read_one_by_one(struct run *run, const struct run_map *map, const struct sieve *sieve)
{
	uint8_t *key = mem_alloc(map->key_size), *next = mem_alloc(map->key_size);
	uint8_t *value = mem_alloc(map->row_size);
	uint8_t *padded = mem_alloc(round_up(map->key_size) + sizeof(uint64_t));
	size_t most = 2 * (size_t)map->plan->max_entries + WALK_SPARE;
	bool first = true;

	memset(padded, 0, round_up(map->key_size) + sizeof(uint64_t));
	for (size_t i = 0; i < most && bpf_map_get_next_key(map->fd, first ? NULL : key, next) == 0;
	     i++) {
		struct rows *rows = rows_for(sieve, map, next);

		memcpy(key, next, map->key_size);
		first = false;
		if (!rows)
			continue;
		memcpy(padded, key, map->plan->key->size);
		if (rows_find(rows, padded) == rows->n &&
		    bpf_map_lookup_elem(map->fd, key, value) == 0)
			add_row(run, sieve, map, key, value);
	}
	free(key);
	free(next);
	free(value);
	free(padded);
	return 0;
}

static void read_array(struct run *run, const struct run_map *map, const struct sieve *sieve)
{
	uint8_t *row = arena_alloc(run->scratch, map->row_size);

	for (uint32_t g = 0; g < (map->plan->generations ? 2 : 1); g++)
		if (sieve->of[g] && bpf_map_lookup_elem(map->fd, &g, row) == 0)
			add_row(run, sieve, map, (const uint8_t *)&g, row);
}

int maps_read(struct run *run, const struct run_map *map, const struct sieve *sieve)
{
	int err;

	if (map->fd < 0)
		return 0;
	if (map->is_array) {
		read_array(run, map, sieve);
		return 0;
	}
	err = read_batches(run, map, sieve);
	if (err != -EINVAL && err != -ENOTSUPP_KERNEL && err != -EOPNOTSUPP)
		return err;
	return read_one_by_one(run, map, sieve);
}

/* Normally the generation that is not current holds nothing; what is there was counted before the rest. */
int maps_read_all(struct run *run, const struct run_map *map, struct rows *rows)
{
	struct sieve sieve = { 0 };
	struct rows later;
	int err;

	sieve.of[map->current] = rows;
	if (!map->plan->generations)
		return maps_read(run, map, &sieve);
	maps_rows_init(&later, map);
	sieve.of[map->current] = &later;
	sieve.of[!map->current] = rows;
	err = maps_read(run, map, &sieve);
	if (!err && rows->n) {
		rows_join(map->plan, rows, &later, SIZE_MAX);
	} else {
		struct rows none = *rows;

		*rows = later;
		later = none;
	}
	rows_fini(&later);
	return err;
}

void maps_delete(struct run *run, const struct run_map *map, unsigned generation,
		 const struct rows *rows)
{
	uint32_t room = has_batches(run) ? BATCH_MAX : 1;
	uint8_t *keys = mem_alloc((size_t)room * map->key_size);

	for (size_t i = 0; i < rows->n;) {
		uint32_t n = 0, done;

		for (; n < room && i < rows->n; n++, i++)
			maps_kernel_key(map, generation, rows_key(rows, i),
					keys + (size_t)n * map->key_size);
		done = n;
		/* A batch ends at the first key that is not there any more: the rest one by one. */
		if (n > 1 && !bpf_map_delete_batch(map->fd, keys, &done, NULL))
			continue;
		for (uint32_t k = 0; k < n; k++)
			bpf_map_delete_elem(map->fd, keys + (size_t)k * map->key_size);
	}
	free(keys);
}

/* --- values --- */

/* `set`: was a map without a key ever assigned (as far as that can be known), and not cleared since? */
static void decode_scalar(struct run *run, const struct run_map *map, const struct rows *rows,
			  struct value *value, bool *set)
{
	const struct type *type = map->plan->value;
	const void *state = rows->n ? rows_state(rows, 0) : arena_alloc(run->scratch, type->size);

	/* Elements of arrays always exist: an aggregation that is all zero has not been updated. */
	*set = rows->n > 0 && !(map->is_array && (map->cleared || type->kind == TYPE_AGG) &&
				rows_all_zero(state, type->size));
	*value = value_decode(&run->decode, type, state);
}

static void decode_keyed(struct run *run, const struct run_map *map, const struct rows *rows,
			 struct value *value)
{
	struct value *keys = arena_alloc(run->scratch, (rows->n ? rows->n : 1) * sizeof(*keys));
	struct value *items = arena_alloc(run->scratch, (rows->n ? rows->n : 1) * sizeof(*items));

	for (size_t i = 0; i < rows->n; i++) {
		keys[i] = value_decode(&run->decode, map->plan->key, rows_key(rows, i));
		items[i] = value_decode(&run->decode, map->plan->value, rows_state(rows, i));
	}
	*value = (struct value){
		.kind = VALUE_MAP, .len = (uint32_t)rows->n, .items = items, .keys = keys
	};
	value_sort_map(run->scratch, value);
}

bool maps_decode(struct run *run, const struct run_map *map, const struct rows *rows,
		 struct value *value)
{
	bool set = rows->n > 0;

	if (map->plan->shape == MAP_SCALAR)
		decode_scalar(run, map, rows, value, &set);
	else
		decode_keyed(run, map, rows, value);
	return set;
}

static int read_value(struct run *run, const struct run_map *map, struct value *value, bool *set)
{
	struct rows rows;
	int err;

	maps_rows_init(&rows, map);
	err = maps_read_all(run, map, &rows);
	*set = !err && maps_decode(run, map, &rows, value);
	rows_fini(&rows);
	return err;
}

int run_read_map(struct run *run, const struct plan_map *plan, struct value *value)
{
	struct run_map *map = maps_find(run, plan);
	bool set;

	return map ? read_value(run, map, value, &set) : -ENOENT;
}

/* --- printing --- */

void maps_print(struct run *run, const struct plan_map *map, const struct value *value, int64_t top,
		int64_t div)
{
	struct record record = {
		.kind = RECORD_MAP,
		.name = map->name,
		.value = value,
		.family = map->value->kind == TYPE_AGG ? map->value->aggregate->family : NULL,
		.key_names = map->key_names,
		.n_keys = map->n_keys,
		.scalar = map->shape == MAP_SCALAR,
		.top = top,
		.div = div,
		.wall_ns = run_wall_ns(run),
	};

	if (run->on_print)
		run->on_print(run->on_print_arg, map, value);
	out_record(&run->out, &record);
}

void run_watch_prints(struct run *run, run_print_fn *fn, void *arg)
{
	run->on_print = fn;
	run->on_print_arg = arg;
}

int run_print_map(struct run *run, const struct plan_map *plan, int64_t top, int64_t div)
{
	struct value value;
	int err;

	if (run->exposition) {
		exposition_ask(run);
		return 0;
	}
	err = run_read_map(run, plan, &value);
	if (!err)
		maps_print(run, plan, &value, top, div);
	return err;
}

static int by_name(const void *a, const void *b)
{
	const struct run_map *const *x = a, *const *y = b;

	return strcmp((*x)->plan->name, (*y)->plan->name);
}

void maps_print_all(struct run *run)
{
	size_t n = run->plan->maps.n;
	const struct run_map **sorted = arena_alloc(run->arena, (n ? n : 1) * sizeof(*sorted));

	for (size_t i = 0; i < n; i++)
		sorted[i] = &run->maps[i];
	qsort(sorted, n, sizeof(*sorted), by_name);
	for (size_t i = 0; i < n; i++) {
		struct value value;
		bool set;
		int err;

		if (!sorted[i]->plan->print_at_exit)
			continue;
		err = read_value(run, sorted[i], &value, &set);
		if (err)
			report_warning(run, sorted[i]->plan->span, "cannot read map %s: %s",
				       sorted[i]->plan->name, strerror(-err));
		else if (set)
			maps_print(run, sorted[i]->plan, &value, 0, 0);
		arena_reset(run->scratch);
	}
}
