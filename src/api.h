#ifndef JB_API_H
#define JB_API_H
/* The structs behind the pointers of jbtrace.h, for the files that implement it. */
#include "jbtrace.h"

struct run;

struct jb_run {
	struct run *run;
};

#endif
