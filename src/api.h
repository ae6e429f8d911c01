#ifndef JB_API_H
#define JB_API_H
/* The structs behind the pointers of jbtrace.h, for the files that implement it. */
#include "jbtrace.h"

struct run;

struct jb_run {
	struct run *run;
};

/* Copy an options struct of an older or newer caller; what it does not have is 0. `from` may be NULL. */
void copy_options(void *to, size_t size, const void *from);

#endif
