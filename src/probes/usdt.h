#ifndef JB_PROBES_USDT_H
#define JB_PROBES_USDT_H
/* Arguments of static probes: from the text of a note to what codegen loads. */
#include <stddef.h>
#include <stdint.h>

#include "model/feature.h"

#define USDT_ARGS 12 /* as many as <sys/sdt.h> can write */

struct usdt_arg {
	struct ctx_item item;	 /* CTX_NONE: cannot be read, and `why` says why */
	const struct type *type; /* an integer */
	const char *text;	 /* as the note has it, not ended; NULL: it was not there */
	size_t len;
	const char *
		symbol; /* an address that stands for itself must be added to item.value; not ended; NULL: none */
	size_t symbol_len;
	bool relative; /* to the place of the probe, in %rip: that must be subtracted from item.value */
};

/* Read the arguments of a note ("-4@%edi 8@-16(%rbp)") into args; how many there are, at most USDT_ARGS. */
unsigned usdt_args_parse(struct arena *arena, const char *text, struct usdt_arg *args);

#endif
