/*
 * Maps of the script: read whole ones in batches, merge the CPUs' states, decode, sort; clear and zero. Rows are
 * gathered as raw bytes first, so that a map of a million keys costs one pass and exact allocations.
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
#define ENOTSUPP_KERNEL \
	524 /* ENOTSUPP: what a map type without batches says; not in user space's errno.h */

/* Raw rows: key and one merged state each. */
struct rows {
	struct buf bytes;
	size_t n;
	uint32_t key_size, state_size;
};

static uint32_t round_up(uint32_t size)
{
	return (size + 7) & ~7u;
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
		if (!made) /* only ever mentioned in code that the optimiser removed */
			continue;
		type = bpf_map__type(made);
		map->fd = bpf_map__fd(made);
		map->key_size = bpf_map__key_size(made);
		map->value_size = bpf_map__value_size(made);
		map->row_size =
			plan->per_cpu ? run->n_cpus * round_up(map->value_size) : map->value_size;
		map->is_array = type == BPF_MAP_TYPE_ARRAY || type == BPF_MAP_TYPE_PERCPU_ARRAY;
		if (map->value_size <
			    plan->value->size + (plan->shared ? sizeof(struct jb_lock) : 0) ||
		    (plan->key && map->key_size < plan->key->size)) {
			report_error(run, plan->span, "map %s has another layout in the kernel",
				     plan->name);
			return -EINVAL;
		}
	}
	return 0;
}

static struct run_map *find_map(struct run *run, const struct plan_map *plan)
{
	for (size_t i = 0; i < run->plan->maps.n; i++)
		if (run->maps[i].plan == plan)
			return &run->maps[i];
	return NULL;
}

static uint32_t state_offset(const struct run_map *map)
{
	return map->plan->shared ? (uint32_t)sizeof(struct jb_lock) : 0;
}

/* One state out of a row as the kernel returns it. */
static void merge_row(const struct run *run, const struct run_map *map, const uint8_t *row,
		      uint8_t *state)
{
	const struct type *type = map->plan->value;
	uint32_t stride = round_up(map->value_size);

	memcpy(state, row + state_offset(map), map->value_size - state_offset(map));
	if (!map->plan->per_cpu || type->kind != TYPE_AGG || !type->aggregate->merge)
		return;
	for (unsigned cpu = 1; cpu < run->n_cpus; cpu++)
		type->aggregate->merge(&type->args, state, row + (size_t)cpu * stride);
}

static void rows_init(struct rows *rows, const struct run_map *map)
{
	*rows = (struct rows){ .key_size = round_up(map->key_size),
			       .state_size = round_up(map->value_size) };
}

static void rows_add(const struct run *run, struct rows *rows, const struct run_map *map,
		     const uint8_t *key, const uint8_t *row)
{
	uint8_t *at = (uint8_t *)buf_room(&rows->bytes, rows->key_size + rows->state_size);

	memcpy(at, key, map->key_size);
	merge_row(run, map, row, at + rows->key_size);
	rows->bytes.len += rows->key_size + rows->state_size;
	rows->n++;
}

/* --- walking a hash --- */

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
static int sweep(struct run *run, const struct run_map *map, struct rows *rows, uint32_t room)
{
	struct batch batch;
	bool first = true;
	int err;

	buf_reset(&rows->bytes);
	rows->n = 0;
	batch_init(&batch, map, room);
	do {
		uint32_t n = room;

		err = bpf_map_lookup_batch(map->fd, first ? NULL : batch.mark, batch.mark,
					   batch.keys, batch.values, &n, NULL);
		if (err && err != -ENOENT) /* -ENOENT comes with the last batch */
			break;
		for (uint32_t i = 0; i < n; i++)
			rows_add(run, rows, map, batch.keys + (size_t)i * map->key_size,
				 batch.values + (size_t)i * map->row_size);
		first = false;
	} while (!err);
	batch_fini(&batch);
	return err == -ENOENT ? 0 : err;
}

/* All rows by batches; -EINVAL or -ENOTSUPP when this kernel or map type has none. */
static int read_batches(struct run *run, const struct run_map *map, struct rows *rows)
{
	uint32_t room = batch_room(map);
	int err;

	while ((err = sweep(run, map, rows, room)) == -ENOSPC)
		room *= 2;
	return err;
}

static int read_one_by_one(struct run *run, const struct run_map *map, struct rows *rows)
{
	uint8_t *key = mem_alloc(map->key_size), *next = mem_alloc(map->key_size);
	uint8_t *value = mem_alloc(map->row_size);
	size_t most = map->plan->max_entries ? map->plan->max_entries : SIZE_MAX;
	bool first = true;

	/* Bounded: under deletions the kernel may begin again from the start. */
	for (size_t i = 0; i < most && bpf_map_get_next_key(map->fd, first ? NULL : key, next) == 0;
	     i++) {
		memcpy(key, next, map->key_size);
		first = false;
		if (bpf_map_lookup_elem(map->fd, key, value) == 0)
			rows_add(run, rows, map, key, value);
	}
	free(key);
	free(next);
	free(value);
	return 0;
}

static int read_rows(struct run *run, const struct run_map *map, struct rows *rows)
{
	int err = read_batches(run, map, rows);

	if (err != -EINVAL && err != -ENOTSUPP_KERNEL && err != -EOPNOTSUPP)
		return err;
	return read_one_by_one(run, map, rows);
}

/* --- values --- */

static bool all_zero(const uint8_t *bytes, size_t n)
{
	return !n || (!bytes[0] && !memcmp(bytes, bytes + 1, n - 1));
}

/* A map without a key. `set`: was it ever assigned (as far as that can be known), and not cleared since? */
static int read_scalar(struct run *run, const struct run_map *map, struct value *value, bool *set)
{
	uint8_t *row = arena_alloc(run->scratch, map->row_size);
	uint8_t *state = arena_alloc(run->scratch, map->value_size);
	uint8_t *key = arena_alloc(run->scratch, map->key_size);
	bool zero;

	*set = map->fd >= 0 && bpf_map_lookup_elem(map->fd, key, row) == 0;
	zero = all_zero(row, map->row_size);
	merge_row(run, map, row, state);
	/* Elements of arrays always exist: an aggregation that is all zero has not been updated. */
	if (map->is_array && zero && (map->cleared || map->plan->value->kind == TYPE_AGG))
		*set = false;
	*value = value_decode(&run->decode, map->plan->value, state);
	return 0;
}

static void decode_rows(struct run *run, const struct run_map *map, const struct rows *rows,
			struct value *value)
{
	struct value *keys = arena_alloc(run->scratch, (rows->n ? rows->n : 1) * sizeof(*keys));
	struct value *items = arena_alloc(run->scratch, (rows->n ? rows->n : 1) * sizeof(*items));
	const char *at = rows->bytes.data;

	for (size_t i = 0; i < rows->n; i++, at += rows->key_size + rows->state_size) {
		keys[i] = value_decode(&run->decode, map->plan->key, at);
		items[i] = value_decode(&run->decode, map->plan->value, at + rows->key_size);
	}
	*value = (struct value){
		.kind = VALUE_MAP, .len = (uint32_t)rows->n, .items = items, .keys = keys
	};
	value_sort_map(run->scratch, value);
}

static int read_map(struct run *run, const struct run_map *map, struct value *value, bool *set)
{
	struct rows rows;
	int err = 0;

	if (map->plan->shape == MAP_SCALAR)
		return read_scalar(run, map, value, set);
	rows_init(&rows, map);
	if (map->fd >= 0)
		err = read_rows(run, map, &rows);
	if (!err)
		decode_rows(run, map, &rows, value);
	*set = !err && rows.n > 0;
	buf_fini(&rows.bytes);
	return err;
}

int run_read_map(struct run *run, const struct plan_map *plan, struct value *value)
{
	struct run_map *map = find_map(run, plan);
	bool set;

	return map ? read_map(run, map, value, &set) : -ENOENT;
}

static void print_value(struct run *run, const struct plan_map *map, const struct value *value,
			int64_t top, int64_t div)
{
	struct record record = {
		.kind = RECORD_MAP,
		.name = map->name,
		.value = value,
		.key_names = map->key_names,
		.n_keys = map->n_keys,
		.scalar = map->shape == MAP_SCALAR,
		.top = top,
		.div = div,
		.wall_ns = run_wall_ns(run),
	};

	out_record(&run->out, &record);
}

int run_print_map(struct run *run, const struct plan_map *plan, int64_t top, int64_t div)
{
	struct value value;
	int err = run_read_map(run, plan, &value);

	if (!err)
		print_value(run, plan, &value, top, div);
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
		err = read_map(run, sorted[i], &value, &set);
		if (err)
			report_warning(run, sorted[i]->plan->span, "cannot read map %s: %s",
				       sorted[i]->plan->name, strerror(-err));
		else if (set)
			print_value(run, sorted[i]->plan, &value, 0, 0);
		arena_reset(run->scratch);
	}
}

/* --- clear and zero --- */

static int write_zeros(const struct run_map *map, const uint8_t *key)
{
	uint8_t *zeros = mem_alloc(map->row_size);
	int err;

	memset(zeros, 0, map->row_size);
	err = bpf_map_update_elem(map->fd, key, zeros, BPF_EXIST);
	free(zeros);
	return err == -ENOENT ? 0 : err;
}

static int zero_array(struct run_map *map)
{
	uint32_t key = 0;

	return write_zeros(map, (const uint8_t *)&key);
}

static int delete_batches(const struct run_map *map)
{
	struct batch batch;
	bool first = true;
	int err;

	batch_init(&batch, map, batch_room(map));
	do {
		uint32_t n = batch.room;

		err = bpf_map_lookup_and_delete_batch(map->fd, first ? NULL : batch.mark,
						      batch.mark, batch.keys, batch.values, &n,
						      NULL);
		first = false;
	} while (!err);
	batch_fini(&batch);
	return err == -ENOENT ? 0 : err;
}

/* Delete every key that there is now, several at a time where the kernel can. */
static int clear_hash(const struct run_map *map)
{
	size_t most = map->plan->max_entries ? map->plan->max_entries : SIZE_MAX;
	uint8_t *key;
	int err = delete_batches(map);

	if (!err)
		return 0;
	key = mem_alloc(map->key_size);
	for (size_t i = 0; i <= most && bpf_map_get_next_key(map->fd, NULL, key) == 0; i++)
		bpf_map_delete_elem(map->fd, key);
	free(key);
	return 0;
}

int run_clear_map(struct run *run, const struct plan_map *plan)
{
	struct run_map *map = find_map(run, plan);

	if (!map)
		return -ENOENT;
	if (map->fd < 0)
		return 0;
	map->cleared = true;
	return map->is_array ? zero_array(map) : clear_hash(map);
}

int run_zero_map(struct run *run, const struct plan_map *plan)
{
	struct run_map *map = find_map(run, plan);
	struct rows rows;
	int err;

	if (!map)
		return -ENOENT;
	if (map->fd < 0)
		return 0;
	if (map->is_array)
		return zero_array(map);
	rows_init(&rows, map);
	err = read_rows(run, map, &rows);
	for (size_t i = 0; !err && i < rows.n; i++)
		err = write_zeros(map, (const uint8_t *)rows.bytes.data +
					       i * (rows.key_size + rows.state_size));
	buf_fini(&rows.bytes);
	return err;
}
