/*
 * Arena, growable buffer and the allocation functions that never return NULL. Layer 0: knows nothing of
 * tracing. The out-of-memory handler is the one piece of process-wide state of the program; it must work
 * where no context pointer can be passed along.
 */
#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN	  16u
#define ARENA_FIRST_BLOCK (32u << 10)
#define ARENA_MAX_BLOCK	  (1u << 20)

struct block {
	struct block *next; /* the one used before this one */
	size_t size;	    /* bytes of data */
	size_t used;
	_Alignas(ARENA_ALIGN) unsigned char data[];
};

struct arena {
	struct block *first; /* kept by arena_reset */
	struct block *last;  /* where allocation goes on */
	size_t grow;	     /* size of the next block */
};

static void oom_exit(size_t size)
{
	fprintf(stderr, "jbtrace: out of memory (%zu bytes wanted)\n", size);
	exit(1);
}

static void (*oom_handler)(size_t size) = oom_exit;

void mem_set_oom_handler(void (*handler)(size_t size))
{
	oom_handler = handler ? handler : oom_exit;
}

static void oom(size_t size)
{
	oom_handler(size);
	abort(); /* a handler that returns breaks its contract */
}

void *mem_alloc(size_t size)
{
	void *p = malloc(size ? size : 1);

	if (!p)
		oom(size);
	return p;
}

void *mem_realloc(void *old, size_t size)
{
	void *p = realloc(old, size ? size : 1);

	if (!p)
		oom(size);
	return p;
}

char *mem_strdup(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(mem_alloc(size), text, size);
}

static struct block *block_new(size_t size, struct block *next)
{
	if (size > SIZE_MAX - sizeof(struct block))
		oom(size);

	struct block *block = mem_alloc(sizeof(*block) + size);

	block->next = next;
	block->size = size;
	block->used = 0;
	return block;
}

struct arena *arena_new(void)
{
	struct arena *arena = mem_alloc(sizeof(*arena));

	arena->first = arena->last = block_new(ARENA_FIRST_BLOCK, NULL);
	arena->grow = 2 * ARENA_FIRST_BLOCK;
	return arena;
}

/* Release the blocks that were added after `keep`; NULL releases all. */
static void blocks_free(struct arena *arena, struct block *keep)
{
	struct block *block = arena->last;

	while (block != keep) {
		struct block *next = block->next;

		free(block);
		block = next;
	}
}

void arena_free(struct arena *arena)
{
	if (!arena)
		return;
	blocks_free(arena, NULL);
	free(arena);
}

void arena_reset(struct arena *arena)
{
	blocks_free(arena, arena->first);
	arena->last = arena->first;
	arena->first->used = 0;
	arena->grow = 2 * ARENA_FIRST_BLOCK;
}

/* A block with room for `size`: big requests get their own, so that they do not blow up `grow`. */
static struct block *arena_grow(struct arena *arena, size_t size)
{
	size_t want = size > arena->grow ? size : arena->grow;

	if (arena->grow < ARENA_MAX_BLOCK)
		arena->grow *= 2;
	arena->last = block_new(want, arena->last);
	return arena->last;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	if (size > SIZE_MAX - ARENA_ALIGN)
		oom(size);

	size_t rounded = (size + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	struct block *block = arena->last;

	if (!rounded)
		rounded = ARENA_ALIGN;
	if (block->size - block->used < rounded)
		block = arena_grow(arena, rounded);

	void *p = block->data + block->used;

	block->used += rounded;
	return memset(p, 0, rounded);
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (len)
		memcpy(copy, text, len);
	return copy;
}

char *arena_strdup(struct arena *arena, const char *text)
{
	return arena_strndup(arena, text, strlen(text));
}

char *arena_vprintf(struct arena *arena, const char *fmt, va_list ap)
{
	va_list again;

	va_copy(again, ap);

	int len = vsnprintf(NULL, 0, fmt, again);

	va_end(again);
	if (len < 0)
		return arena_strdup(arena, "");

	char *text = arena_alloc(arena, (size_t)len + 1);

	vsnprintf(text, (size_t)len + 1, fmt, ap);
	return text;
}

char *arena_printf(struct arena *arena, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	char *text = arena_vprintf(arena, fmt, ap);

	va_end(ap);
	return text;
}

void buf_fini(struct buf *buf)
{
	free(buf->data);
	*buf = (struct buf){ 0 };
}

void buf_reset(struct buf *buf)
{
	buf->len = 0;
	if (buf->data)
		buf->data[0] = '\0';
}

char *buf_room(struct buf *buf, size_t more)
{
	if (more > SIZE_MAX / 2 - buf->len - 1)
		oom(more);

	size_t need = buf->len + more + 1;

	if (need > buf->cap) {
		size_t cap = buf->cap ? buf->cap : 64;

		while (cap < need)
			cap *= 2;
		buf->data = mem_realloc(buf->data, cap);
		buf->cap = cap;
	}
	return buf->data + buf->len;
}

void buf_add(struct buf *buf, const void *bytes, size_t len)
{
	char *to = buf_room(buf, len);

	if (len)
		memcpy(to, bytes, len);
	buf->len += len;
	buf->data[buf->len] = '\0';
}

void buf_puts(struct buf *buf, const char *text)
{
	buf_add(buf, text, strlen(text));
}

void buf_putc(struct buf *buf, char c)
{
	buf_add(buf, &c, 1);
}

void buf_fill(struct buf *buf, char c, size_t n)
{
	memset(buf_room(buf, n), c, n);
	buf->len += n;
	buf->data[buf->len] = '\0';
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);

	int len = vsnprintf(NULL, 0, fmt, ap);

	va_end(ap);
	if (len < 0)
		return;

	char *to = buf_room(buf, (size_t)len);

	va_start(ap, fmt);
	vsnprintf(to, (size_t)len + 1, fmt, ap);
	va_end(ap);
	buf->len += (size_t)len;
}
