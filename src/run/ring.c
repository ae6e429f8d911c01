/*
 * Reader of one BPF ring buffer (linux/kernel/bpf/ringbuf.c): a page with the reader's position, a page with the
 * writers' position, then the data mapped twice. Every record has an 8 byte head, whose first word is the length
 * and two flags. Not libbpf's ring_buffer, since that cannot stop in front of a record; the order of control and
 * data events needs that.
 */
#include "run/ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <unistd.h>

#define RING_HEAD 8u

static uint64_t record_span(uint32_t len)
{
	return RING_HEAD + (((uint64_t)len + 7) & ~7ull);
}

int ring_open(struct ring *ring, int map_fd, uint64_t size)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	*ring = (struct ring){ .mask = size - 1 };
	ring->map_len[0] = page;
	ring->map[0] = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (ring->map[0] == MAP_FAILED) {
		ring->map[0] = NULL;
		return -errno;
	}
	ring->map_len[1] = page + 2 * size;
	ring->map[1] = mmap(NULL, ring->map_len[1], PROT_READ, MAP_SHARED, map_fd, (off_t)page);
	if (ring->map[1] == MAP_FAILED) {
		int err = -errno;

		ring->map[1] = NULL;
		ring_close(ring);
		return err;
	}
	ring->consumer = ring->map[0];
	ring->producer = ring->map[1];
	ring->data = (const uint8_t *)ring->map[1] + page;
	ring->at = ring->last = __atomic_load_n(ring->consumer, __ATOMIC_ACQUIRE);
	return 0;
}

void ring_close(struct ring *ring)
{
	for (int i = 0; i < 2; i++)
		if (ring->map[i])
			munmap(ring->map[i], ring->map_len[i]);
	*ring = (struct ring){ 0 };
}

uint64_t ring_produced(const struct ring *ring)
{
	return ring_is_open(ring) ? __atomic_load_n(ring->producer, __ATOMIC_ACQUIRE) : 0;
}

bool ring_peek(struct ring *ring, uint64_t limit, const void **bytes, uint32_t *len)
{
	while (ring->at < limit) {
		const uint8_t *head = ring->data + (ring->at & ring->mask);
		uint32_t word =
			__atomic_load_n((const uint32_t *)(const void *)head, __ATOMIC_ACQUIRE);
		uint32_t n = word & ~(BPF_RINGBUF_BUSY_BIT | BPF_RINGBUF_DISCARD_BIT);

		if (word & BPF_RINGBUF_BUSY_BIT)
			return false;
		if (!(word & BPF_RINGBUF_DISCARD_BIT)) {
			*bytes = head + RING_HEAD;
			*len = n;
			return true;
		}
		ring_next(ring, n);
	}
	return false;
}

void ring_next(struct ring *ring, uint32_t len)
{
	ring->last = ring->at;
	ring->at += record_span(len);
}

void ring_release(struct ring *ring)
{
	if (ring_is_open(ring))
		__atomic_store_n(ring->consumer, ring->last, __ATOMIC_RELEASE);
}

void ring_release_all(struct ring *ring)
{
	if (!ring_is_open(ring))
		return;
	ring->last = ring->at;
	/* Sequentially consistent: the caller's next look at the record must come after the kernel can see this. */
	__atomic_store_n(ring->consumer, ring->at, __ATOMIC_SEQ_CST);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

void ring_skip(struct ring *ring)
{
	if (!ring_is_open(ring))
		return;
	ring->at = ring_produced(ring);
	ring_release_all(ring);
}
