#ifndef JB_LOOKUP_PLACES_H
#define JB_LOOKUP_PLACES_H
/*
 * The functions of one ELF file by where they lie in it, for finding the one that holds an address. Made to be small
 * and quick to read: 16 bytes and the name for each function. Part of sym.c; not for other folders.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct places;

/* Heap; NULL: the file cannot be read, or is no ELF file. A file without symbols has places without functions. */
struct places *places_read(const char *path);
void places_free(struct places *places);
size_t places_bytes(const struct places *places);

struct place {
	const char *name; /* as in the symbol table; NULL: none holds the offset */
	uint64_t offset;  /* from the function's start */
};
struct place places_find(const struct places *places, uint64_t offset);
/* The address in the file's own address space; 0: no segment holds the offset. */
uint64_t places_address(const struct places *places, uint64_t offset);
/*
 * How far behind the beginning of the file's memory the page at an offset is mapped, by its segments alone. false: the
 * file cannot be read, or no segment holds the page.
 */
bool places_delta(const char *path, uint64_t offset, uint64_t *delta);

#endif
