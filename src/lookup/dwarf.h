#ifndef JB_LOOKUP_DWARF_H
#define JB_LOOKUP_DWARF_H
/*
 * Types of programs and libraries, from DWARF to the language's: what dwarf_type.c (types), dwarf_abi.c (how values of
 * them are passed) and dwarf_func.c (functions; the questions of lookup.h) share. Files are untrusted: every number that
 * decoding will rely on is checked against the size of what holds it. Not for other folders.
 */
#include "lookup/internal.h"
#include "lookup/libdw.h"
#include "lookup/source.h"

/* One file. Types of different files are different, whatever they are called. */
struct dwarf_file {
	struct lookup *lookup;
	const char *path;
	const char *error;     /* not NULL: it cannot answer, and this sentence says why */
	struct source *source; /* NULL: `error` */
	const struct libdw *dw;
	VEC(Dwarf_Die) dies;   /* of structs, by type->source_id - 1 */
	struct strmap *by_die; /* address of a DIE -> type */
	struct strmap *same; /* "struct foo 24 @7": units that include one header agree on a type */
	struct strmap *spellings;	  /* "struct foo" -> type, or the mark that there is none */
	struct strmap *protos;		  /* address of a function -> struct user_proto */
	VEC(const struct type *) filling; /* structs whose members are being read */
	const char *typedef_name; /* for the struct or enum without a name that comes next */
	unsigned depth;		  /* of dwarf_type(): a damaged file may hold cycles */
};

enum { DWARF_DEPTH_MAX = 64 };

/* --- source.c --- */
/* As source_open; on NULL *why gets what is wrong, to be put behind the file's name. */
struct source *source_open_or(const char *path, const char **why);
const struct libdw *source_libdw(const struct source *source);
Dwarf *source_dwarf(const struct source *source);
/* The unit and the compiled function (not an inlined one) that hold the address. */
bool source_function(struct source *source, uint64_t address, Dwarf_Die *unit, Dwarf_Die *function);

/* --- dwarf_type.c --- */
/* The type of a DIE that describes one; NULL die: void. */
const struct type *dwarf_type(struct dwarf_file *file, Dwarf_Die *die);
/* What DW_AT_type of the DIE says; false: nothing, which is void. */
bool dwarf_type_of(const struct dwarf_file *file, Dwarf_Die *die, Dwarf_Die *type);
/* Without typedef, const, volatile and their like; false: void. */
bool dwarf_strip(const struct dwarf_file *file, Dwarf_Die *type);
/* An unsigned attribute; `missing` when the DIE has none. */
uint64_t dwarf_number(const struct dwarf_file *file, Dwarf_Die *die, unsigned name,
		      uint64_t missing);
/* Has the DIE itself the attribute? */
bool dwarf_has(const struct dwarf_file *file, Dwarf_Die *die, unsigned name);
/* Where a member lies, in bits from the start of what holds it; *bits: its width, 0: no bit field. */
bool dwarf_place(const struct dwarf_file *file, Dwarf_Die *member, uint64_t *at, uint32_t *bits);
/* Is the DIE a member that lies in the struct, or a base class? */
bool dwarf_is_member(const struct dwarf_file *file, Dwarf_Die *die);
/* Elements of an array, 0: not known. */
uint64_t dwarf_count(const struct dwarf_file *file, Dwarf_Die *array);

/* --- dwarf_spell.c --- */
/* As the source writes it: "const struct foo *". May be in the arena. */
const char *dwarf_spell(const struct dwarf_file *file, Dwarf_Die *type);

/* --- dwarf_abi.c --- */
/* How values of a type travel through a call on x86-64 (System V ABI, 3.2.3). */
struct passing {
	unsigned words, vectors; /* registers of class INTEGER and of class SSE; both 0: none */
	bool memory;		 /* by a copy on the stack */
	bool reference;		 /* by its address, in one word: C++ classes that are not trivial */
	bool is_wide;		 /* on the stack, at a multiple of 16 bytes */
	bool is_aggregate;
};
struct passing dwarf_passing(const struct dwarf_file *file, Dwarf_Die *type);

#endif
