#ifndef JB_RUN_RING_H
#define JB_RUN_RING_H
/*
 * Reader of one BPF ring buffer. Reading and giving room back are apart: the kernel wakes the reader only for a
 * record that stands where the published position is, so a reader that lags one record behind is never woken and
 * costs the traced programs nothing; see loop.c.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ring {
	uint64_t *consumer;	  /* shared with the kernel: everything before it is free */
	const uint64_t *producer; /* shared with the kernel: reservations end here */
	const uint8_t *data;	  /* the ring, mapped twice in a row, so that no record wraps */
	uint64_t mask;
	uint64_t at;   /* next record to read */
	uint64_t last; /* start of the record read before it; == at when none was */
	void *map[2];
	size_t map_len[2];
};

/* 0 or -errno. `size` is the map's max_entries. */
int ring_open(struct ring *ring, int map_fd, uint64_t size);
/* Fine on a ring that is all zero. */
void ring_close(struct ring *ring);

static inline bool ring_is_open(const struct ring *ring)
{
	return ring->data != NULL;
}

/* Position up to which records are reserved; 0 for a ring that is not open. */
uint64_t ring_produced(const struct ring *ring);
/* The next record before `limit`, discarded ones skipped. False: none, or the next is still being written. */
bool ring_peek(struct ring *ring, uint64_t limit, const void **bytes, uint32_t *len);
/* Step over the record that ring_peek returned. */
void ring_next(struct ring *ring, uint32_t len);
/* Give back everything read except the last record: the kernel will not wake us. */
void ring_release(struct ring *ring);
/* Give back everything read: the next record wakes us. Look again afterwards, one may just have come. */
void ring_release_all(struct ring *ring);
/* Forget what has not been read. */
void ring_skip(struct ring *ring);

#endif
