/*
 * Core of the runtime: rings, counters, scratch memory, reading other memory, comparing and copying bytes. Generated
 * code is the only caller.
 */

/* Data events: printf and the like. Sized from the plan before load. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} jb_ring SEC(".maps");

/* Control events (exit, print(@m), clear): never crowded out by data. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 18);
} jb_ctl SEC(".maps");

/* One per plan->counters. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, 1);
} jb_counters SEC(".maps");

/*
 * Scratch memory for what does not fit on the 512-byte stack. A probe may interrupt or preempt another one on the
 * same CPU, so there are several slots, claimed by bits in jb_scratch_busy.
 */
#define JB_SCRATCH_SLOTS 4
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, JB_SCRATCH_SLOTS);
} jb_scratch SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(key_size, 4);
	__uint(value_size, 8);
	__uint(max_entries, 1);
} jb_scratch_busy SEC(".maps");

/*
 * By the number of a map that the script clears: the generation of its keys that updates go to, 0 or 1. User space flips
 * it, and then waits until no program runs that may have seen the old value. A section of its own, so that it begins
 * the section's map.
 */
volatile jb_u32 jb_generation[JB_GENERATIONS] SEC(".data.generation");

jb_inline jb_u32 jb_generation_now(jb_u32 index)
{
	return jb_generation[index];
}

/* Anchors: struct types keep their names in bitcode only when something uses them. */
const struct jb_event jb_abi_event;
const struct jb_control jb_abi_control;
const struct jb_build_id jb_abi_build_id;

jb_inline void jb_count(jb_u32 index)
{
	jb_u64 *n = bpf_map_lookup_elem(&jb_counters, &index);

	if (n)
		*n += 1;
}

/* Room for a data event of `len` bytes after its head; NULL, and counted, when the ring is full. */
jb_inline void *jb_reserve(jb_u32 site, jb_u32 len, jb_u32 lost_counter)
{
	struct jb_event *event = bpf_ringbuf_reserve(&jb_ring, sizeof(*event) + len, 0);

	if (!event) {
		jb_count(lost_counter);
		return 0;
	}
	event->site = site;
	event->len = len;
	return event;
}

jb_inline void jb_submit(void *event)
{
	bpf_ringbuf_submit(event, 0);
}

jb_inline void *jb_control_reserve(jb_u32 site, jb_u32 len, jb_u32 lost_counter)
{
	struct jb_control *control = bpf_ringbuf_reserve(&jb_ctl, sizeof(*control) + len, 0);

	if (!control) {
		jb_count(lost_counter);
		return 0;
	}
	control->site = site;
	control->len = len;
	control->data_pos = 0;
	return control;
}

/* After this control event come only data events that were reserved later; called when there is a data ring. */
jb_inline void jb_control_order(void *event)
{
	struct jb_control *control = event;

	control->data_pos = bpf_ringbuf_query(&jb_ring, BPF_RB_PROD_POS);
}

jb_inline void jb_control_submit(void *event)
{
	bpf_ringbuf_submit(event, BPF_RB_FORCE_WAKEUP);
}

/* A free scratch slot's memory, its number in *slot; NULL when all are taken. */
jb_noinline void *jb_scratch_take(jb_u32 *slot)
{
	jb_u32 zero = 0;
	jb_u64 *busy = bpf_map_lookup_elem(&jb_scratch_busy, &zero);

	if (!busy)
		return 0;
#pragma unroll
	for (jb_u32 i = 0; i < JB_SCRATCH_SLOTS; i++) {
		jb_u64 bit = 1ull << i;

		if (!(__sync_fetch_and_or(busy, bit) & bit)) {
			*slot = i;
			return bpf_map_lookup_elem(&jb_scratch, slot);
		}
	}
	return 0;
}

jb_noinline jb_u32 jb_scratch_give(jb_u32 slot)
{
	jb_u32 zero = 0;
	jb_u64 *busy = bpf_map_lookup_elem(&jb_scratch_busy, &zero);

	if (busy)
		__sync_fetch_and_and(busy, ~(1ull << slot));
	return 0;
}

/* Reads leave zeros behind when the address cannot be read. */
jb_inline void jb_read_kernel(void *dst, jb_u32 size, jb_u64 address)
{
	bpf_probe_read_kernel(dst, size, (const void *)address);
}

jb_inline void jb_read_user(void *dst, jb_u32 size, jb_u64 address)
{
	bpf_probe_read_user(dst, size, (const void *)address);
}

jb_inline void jb_zero(void *dst, jb_u32 size)
{
	if (size <= 128) {
		__builtin_memset(dst, 0, size);
		return;
	}
	/* A failing read of address 0 clears the destination: one helper call instead of hundreds of stores. */
	bpf_probe_read_kernel(dst, size, 0);
}

jb_inline void jb_copy(void *dst, const void *src, jb_u32 size)
{
	if (size <= 128) {
		__builtin_memcpy(dst, src, size);
		return;
	}
	bpf_probe_read_kernel(dst, size, src);
}

/*
 * Equal strings? Both are zero to the end of their buffers, so whole buffers may be compared: the shorter one by
 * bytes, and the longer one must end there.
 */
jb_inline jb_u32 jb_str_equal(const void *a, jb_u32 a_size, const void *b, jb_u32 b_size)
{
	const jb_u8 *x = a, *y = b;
	jb_u32 n = a_size < b_size ? a_size : b_size;

	for (jb_u32 i = 0; i < n; i++) {
		if (x[i] != y[i])
			return 0;
		if (!x[i])
			return 1;
	}
	return 1;
}

jb_inline jb_u32 jb_bytes_equal(const void *a, const void *b, jb_u32 size)
{
	const jb_u8 *x = a, *y = b;

	for (jb_u32 i = 0; i < size; i++)
		if (x[i] != y[i])
			return 0;
	return 1;
}

/* BPF divides unsigned only (before cpu v4, Linux 6.6): signs are put back by hand. The divisor is not 0. */
jb_inline jb_u64 jb_sdiv(jb_i64 a, jb_i64 b)
{
	jb_u64 x = a < 0 ? -(jb_u64)a : a;
	jb_u64 y = b < 0 ? -(jb_u64)b : b;
	jb_u64 q = x / y;

	return (a < 0) != (b < 0) ? -q : q;
}

jb_inline jb_u64 jb_smod(jb_i64 a, jb_i64 b)
{
	jb_u64 x = a < 0 ? -(jb_u64)a : a;
	jb_u64 y = b < 0 ? -(jb_u64)b : b;
	jb_u64 r = x % y;

	return a < 0 ? -r : r;
}

/*
 * The lock of a shared aggregation. Tracing programs may not use bpf_spin_lock (through Linux 6.18), so this is a
 * bounded test-and-set: when the holder was preempted on this CPU the update is dropped and counted in `missed`.
 */
jb_noinline jb_u32 jb_lock_take(struct jb_lock *lock)
{
	if (!lock)
		return 0;
	for (int i = 0; i < 512; i++)
		if (__sync_val_compare_and_swap(&lock->held, 0, 1) == 0)
			return 1;
	__sync_fetch_and_add(&lock->missed, 1);
	return 0;
}

jb_inline void jb_lock_give(struct jb_lock *lock)
{
	__sync_val_compare_and_swap(&lock->held, 1, 0);
}

static long jb_pass_element(void *map, const void *key, void *value, void *ctx)
{
	(void)map;
	(void)key;
	(void)value;
	(void)ctx;
	return 0;
}

/*
 * How many keys a map has, as the kernel counts them while it passes them one by one (Linux 5.13). A counter of our own
 * would be another known number for the verifier in each round, so that it never sees a round twice.
 */
jb_inline jb_u64 jb_map_len(void *map)
{
	return bpf_for_each_map_elem(map, jb_pass_element, (void *)0, 0);
}

/* Zero, but the verifier cannot know: it is in memory that user space might write. */
volatile jb_u64 jb_nothing;

jb_inline jb_u64 jb_unknown_zero(void)
{
	return jb_nothing;
}
