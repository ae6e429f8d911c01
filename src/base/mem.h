#ifndef JB_BASE_MEM_H
#define JB_BASE_MEM_H
/*
 * Memory: an arena for everything that lives as long as one compile or one event, and a growable byte
 * buffer for text. Neither ever returns NULL: out of memory calls the handler, which does not return.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

struct arena *arena_new(void);
void arena_free(struct arena *arena);
/* Forget everything allocated, keep the first block: for the per-event scratch arena. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned to 16 bytes. */
void *arena_alloc(struct arena *arena, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t len);
char *arena_printf(struct arena *arena, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *fmt, va_list ap);
#define arena_new_of(arena, type) ((type *)arena_alloc((arena), sizeof(type)))

/* Growable bytes; always NUL-terminated once something was added. `{0}` is a valid empty buffer. */
struct buf {
	char *data;
	size_t len;
	size_t cap;
};

void buf_fini(struct buf *buf);
void buf_reset(struct buf *buf);
/* Make room for `more` bytes after len; returns the place to write to. The caller then adds to len. */
char *buf_room(struct buf *buf, size_t more);
void buf_add(struct buf *buf, const void *bytes, size_t len);
void buf_puts(struct buf *buf, const char *text);
void buf_putc(struct buf *buf, char c);
void buf_fill(struct buf *buf, char c, size_t n);
void buf_printf(struct buf *buf, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Heap allocation that never returns NULL; free() releases. */
void *mem_alloc(size_t size);
void *mem_realloc(void *old, size_t size);
char *mem_strdup(const char *text);

/* Called with the size that could not be had; must not return. Default: one line to stderr, exit 1. */
void mem_set_oom_handler(void (*handler)(size_t size));

#endif
