/*
 * Clearing maps without losing what is counted meanwhile. A map that the script clears has two generations of keys
 * (plan_map.generations). To swap them is to tell programs to write the other one and to wait until none runs that may
 * still write the old one; then the old one is quiet: it is read and removed at leisure, and each update is in it or in
 * the new one.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bpf-runtime/abi.h"
#include "run/internal.h"

#define GENERATION_MAP ".data.generation" /* the section of jb_generation */

int generation_open(struct run *run)
{
	struct bpf_map *map = bpf_object__find_map_by_name(run->object, GENERATION_MAP);

	run->steps = arena_alloc(run->arena, (run->plan->n_steps + 1) * sizeof(*run->steps));
	if (!map) /* no program touches a map that has generations */
		return 0;
	run->generations_fd = bpf_map__fd(map);
	run->generations = arena_alloc(run->arena, bpf_map__value_size(map));
	return 0;
}

void generation_close(struct run *run)
{
	for (uint32_t i = 0; run->steps && i < run->plan->n_steps; i++)
		rows_fini(&run->steps[i].rows);
	if (run->wait_fd >= 0)
		close(run->wait_fd);
	if (run->wait_inner_fd >= 0)
		close(run->wait_inner_fd);
}

/* --- swapping --- */

static int open_wait_map(struct run *run)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts);

	if (run->wait_fd >= 0)
		return 0;
	if (run->wait_inner_fd < 0)
		run->wait_inner_fd =
			bpf_map_create(BPF_MAP_TYPE_ARRAY, "jb_wait_in", 4, 4, 1, NULL);
	opts.inner_map_fd = (uint32_t)run->wait_inner_fd;
	if (run->wait_inner_fd >= 0)
		run->wait_fd =
			bpf_map_create(BPF_MAP_TYPE_ARRAY_OF_MAPS, "jb_wait", 4, 4, 1, &opts);
	return run->wait_fd < 0 ? -errno : 0;
}

/*
 * Until each program that runs now has ended. Tracepoints, raw tracepoints, perf events and uprobes (none of ours may
 * sleep) run their programs inside of an RCU read-side section from the first to the last instruction, so one grace
 * period is enough, also for a program that was preempted. bpf(2) waits for one when an element of a map of maps is
 * replaced (Linux 4.20: maybe_wait_bpf_programs()), just so that user space may know that the old value is not used any
 * more. membarrier(2) does as well, except where there is one processor only.
 */
static int wait_for_programs(struct run *run)
{
	uint32_t zero = 0;
	int err = open_wait_map(run);

	if (!err)
		err = bpf_map_update_elem(run->wait_fd, &zero, &run->wait_inner_fd, BPF_ANY);
	if (err && syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0) == 0)
		err = 0;
	return err;
}

static void flip(struct run *run, struct run_map *map)
{
	map->current = !map->current;
	map->swapped = true;
	map->served = ring_produced(&run->control);
	run->generations[map->plan->generation_index] = map->current;
}

/*
 * Does this site's event take out what was counted until then? An end of a step without a snapshot does when the step may
 * have had no print, and a print unless it shows a snapshot again.
 */
static bool takes(const struct run *run, const struct plan_site *site)
{
	bool reads = site->fn->flags & BUILTIN_READS_MAP;

	if (!site->map->generations)
		return false;
	if (!site->in_step)
		return !reads;
	if (run->steps[site->step].held)
		return reads && site->begins_step;
	return reads || site->begins_step;
}

/*
 * Other maps that the next event in the control ring for them takes from: they will be swapped in a moment, so that one
 * wait may serve all of them.
 */
static void flip_due(struct run *run)
{
	struct ring ahead = run->control;
	uint64_t end = ring_produced(&ahead);
	const void *bytes;
	uint32_t len;

	for (size_t i = 0; i < run->plan->maps.n; i++)
		run->maps[i].met = false;
	for (; ring_peek(&ahead, end, &bytes, &len); ring_next(&ahead, len)) {
		const struct jb_control *control = bytes;
		const struct plan_site *site;
		struct run_map *map;

		if (len < sizeof(*control) || control->site >= run->plan->sites.n)
			continue;
		site = &run->plan->sites.data[control->site];
		map = site->map ? maps_find(run, site->map) : NULL;
		if (!map || map->met)
			continue;
		map->met = true;
		if (!map->swapped && takes(run, site))
			flip(run, map);
	}
}

/*
 * What was counted before the event that is being handled will be in the generation that is not current, and quiet. When
 * events come faster than they are handled, one swap serves all that had come before it: the first of them has it all,
 * the others find nothing, which is as if they had come right after each other.
 */
static int swap(struct run *run, struct run_map *map)
{
	uint32_t zero = 0;
	int err;

	if (map->swapped || run->generations_fd < 0 || run->control.at < map->served)
		return 0;
	flip(run, map);
	flip_due(run);
	err = bpf_map_update_elem(run->generations_fd, &zero, run->generations, BPF_ANY);
	return err ? err : wait_for_programs(run);
}

static int zero_element(const struct run_map *map, unsigned generation)
{
	uint8_t *zeros = mem_alloc(map->row_size);
	uint32_t key = generation;
	int err;

	memset(zeros, 0, map->row_size);
	err = bpf_map_update_elem(map->fd, &key, zeros, BPF_EXIST);
	free(zeros);
	return err;
}

/*
 * What was counted until now, out of the kernel. Should a row be left behind, nothing is lost: it is there again after the
 * next swap. A map that is only cleared while no other probe runs has no generations, and is quiet as it is.
 */
static int take(struct run *run, struct run_map *map, struct rows *rows)
{
	struct sieve sieve = { 0 };
	unsigned old = 0;
	int err = 0;

	if (map->fd < 0)
		return 0;
	if (map->plan->generations) {
		err = swap(run, map);
		old = !map->current;
	}
	sieve.of[old] = rows;
	if (!err)
		err = maps_read(run, map, &sieve);
	if (err)
		return err;
	map->swapped = false;
	if (map->is_array)
		err = zero_element(map, old);
	else
		maps_delete(run, map, old, rows);
	past_add(run, map, rows);
	return err;
}

/* --- steps --- */

static int take_step(struct run *run, const struct plan_site *site, struct run_map *map)
{
	struct run_step *step = &run->steps[site->step];
	int err;

	rows_fini(&step->rows);
	maps_rows_init(&step->rows, map);
	err = take(run, map, &step->rows);
	step->held = !err;
	return err;
}

int run_print_step(struct run *run, const struct plan_site *site)
{
	struct run_map *map = maps_find(run, site->map);
	struct run_step *step = &run->steps[site->step];
	struct value value;
	int err = 0;

	if (!map)
		return -ENOENT;
	if (!step->held || site->begins_step)
		err = take_step(run, site, map);
	if (err)
		return err;
	if (run->exposition) { /* what was taken is in the totals */
		exposition_ask(run);
		return 0;
	}
	maps_decode(run, map, &step->rows, &value);
	maps_print(run, site->map, &value, site->literal[0], site->literal[1]);
	return 0;
}

/* Give the keys back, with nothing counted, except where programs have made them again. */
static void make_zeros(const struct run_map *map, const struct rows *rows)
{
	uint8_t *zeros = mem_alloc(map->row_size), *key = mem_alloc(map->key_size);

	memset(zeros, 0, map->row_size);
	for (size_t i = 0; !map->is_array && i < rows->n; i++) {
		maps_kernel_key(map, map->current, rows_key(rows, i), key);
		bpf_map_update_elem(map->fd, key, zeros, BPF_NOEXIST);
	}
	free(zeros);
	free(key);
}

/* Without a snapshot there is something to do only where the step may have had no print. */
static int end_step(struct run *run, const struct plan_site *site, bool keep_keys)
{
	struct run_map *map = maps_find(run, site->map);
	struct run_step *step = &run->steps[site->step];
	int err = 0;

	if (!map)
		return -ENOENT;
	if (!step->held && !site->begins_step)
		return 0;
	if (!step->held) {
		maps_rows_init(&step->rows, map);
		err = take(run, map, &step->rows);
	}
	if (keep_keys)
		make_zeros(map, &step->rows);
	else
		map->cleared = true;
	rows_fini(&step->rows);
	step->held = false;
	return err;
}

int run_clear_step(struct run *run, const struct plan_site *site)
{
	return end_step(run, site, false);
}

int run_zero_step(struct run *run, const struct plan_site *site)
{
	return end_step(run, site, true);
}

/* --- clear and zero by themselves --- */

static int empty(struct run *run, const struct plan_map *plan, bool keep_keys)
{
	struct run_map *map = maps_find(run, plan);
	struct rows rows;
	int err;

	if (!map)
		return -ENOENT;
	maps_rows_init(&rows, map);
	err = take(run, map, &rows);
	if (keep_keys)
		make_zeros(map, &rows);
	else
		map->cleared = true;
	rows_fini(&rows);
	return err;
}

int run_clear_map(struct run *run, const struct plan_map *map)
{
	return empty(run, map, false);
}

int run_zero_map(struct run *run, const struct plan_map *map)
{
	return empty(run, map, true);
}
