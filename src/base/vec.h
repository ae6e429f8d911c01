#ifndef JB_BASE_VEC_H
#define JB_BASE_VEC_H
/* Typed growable arrays that live in an arena: struct { T *data; size_t n, cap; }. `{0}` is empty. */
#include <string.h>

#include "base/mem.h"

#define VEC(T)                 \
	struct {               \
		T *data;       \
		size_t n, cap; \
	}

/* Returns a pointer to one new zeroed element at the end. */
#define vec_grow(arena, vec)                                                               \
	((vec)->n == (vec)->cap                                                            \
		 ? ((vec)->data = vec_realloc_((arena), (vec)->data, sizeof(*(vec)->data), \
					       (vec)->n, &(vec)->cap),                     \
		    &(vec)->data[(vec)->n++])                                              \
		 : &(vec)->data[(vec)->n++])
#define vec_push(arena, vec, item) (*vec_grow((arena), (vec)) = (item))
#define vec_each(p, vec)	   for ((p) = (vec)->data; (p) < (vec)->data + (vec)->n; (p)++)

static inline void *vec_realloc_(struct arena *arena, void *old, size_t size, size_t n, size_t *cap)
{
	size_t want = *cap ? *cap * 2 : 8;
	void *fresh = arena_alloc(arena, want * size);

	if (n)
		memcpy(fresh, old, n * size);
	*cap = want;
	return fresh;
}

#endif
