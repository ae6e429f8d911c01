#ifndef JB_PROBES_INSN_H
#define JB_PROBES_INSN_H
/* Where instructions begin: enough of a decoder to know their lengths, not what they do. */
#include <stddef.h>
#include <stdint.h>

#define INSN_MAX 15 /* bytes of the longest instruction */

/* Length of the instruction at code[0], 0: unknown, or longer than len. */
size_t insn_length(const uint8_t *code, size_t len);
/* Walk from an instruction's start: 1 when one begins at `distance`, 0 when not, -EILSEQ: met an unknown one. */
int insn_begins_at(const uint8_t *code, size_t len, size_t distance);
/* Read code from a file; bytes read (fewer at its end), or -errno. */
int insn_read(const char *path, uint64_t offset, uint8_t *code, size_t len);

#endif
