#ifndef JB_LOOKUP_INTERNAL_H
#define JB_LOOKUP_INTERNAL_H
/*
 * What the files of lookup/ share: the parts of struct lookup, each made by the file that owns it
 * on first need, and the readers of ELF files, process mappings and kallsyms that sym.c uses as
 * well. Not for other folders.
 */
#include <libelf.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/strmap.h"
#include "lookup/lookup.h"
#include "lookup/sym.h"

struct btf_facts;     /* btf.c */
struct tracefs_facts; /* tracefs.c */
struct ksyms;	      /* ksyms.c */
struct func_facts;    /* btf_func.c */
struct blacklist;     /* kernfuncs.c */
struct dwarf_facts;   /* dwarf_func.c */

struct lookup {
	struct arena *arena;
	struct types *types;
	const char *error;
	struct btf_facts *btf;	       /* NULL until the first question about kernel types */
	struct tracefs_facts *tracefs; /* NULL until the first question about tracepoints */
	struct strmap *elves;	       /* "dev:ino" -> struct elf_file */
	struct strmap *usdt;	       /* path -> usdt_vec */
	struct strmap *binaries;       /* "pid word" -> binary_vec, of lookup_binaries */
	struct ksyms *ksyms;
	struct func_facts
		*funcs; /* NULL until the first question about a kernel function's arguments */
	struct blacklist *blacklist; /* NULL until the first question about it */
	struct dwarf_facts *dwarf;   /* NULL until the first question about debug information */
	int pid;		     /* of a listing */
	bool is_verbose;	     /* of a listing */
	int fentry_error;	     /* -errno of its trial */
	signed char features[FEATURE_COUNT]; /* 0 not tried, 1 there, -1 missing */
};

/* Set the sentence for lookup_error and return -error, for `return lookup_fail(...)`. */
int lookup_fail(struct lookup *lookup, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

void btf_facts_free(struct btf_facts *btf);
void dwarf_facts_free(struct dwarf_facts *dwarf);
void func_facts_free(struct func_facts *funcs);
void tracefs_facts_free(struct tracefs_facts *tracefs);

/* --- btf.c for btf_func.c --- */
struct btf;
struct btf_type;
struct btf *kernel_btf(struct lookup *lookup); /* NULL: cannot be read */
const struct type *kernel_type_by_id(struct lookup *lookup, uint32_t id);

/* --- dwarf_type.c for btf.c --- */
/* Fills a struct that it made: type->source is a file's then, where BTF's have the lookup. */
void dwarf_complete(struct type *type);

/* --- btf.c for dwarf_type.c --- */
/*
 * Make field->type a bit field of `bit_size` bits, `bits` after the start of a struct of `struct_size` bytes: read in the
 * naturally aligned unit of its declared type; when that reaches over the end of a packed struct, in the smallest integer
 * that holds them from their first byte on.
 */
void field_place_bits(struct field *field, uint32_t bits, uint32_t bit_size, uint32_t struct_size);

/* --- btf.c for tracefs.c and features.c --- */
/* The number of a kernel function in BTF, 0: none, or no BTF. */
uint32_t kernel_function_id(struct lookup *lookup, const char *name);
/*
 * A struct, union or enum known by name alone ("struct sockaddr"), to be filled by lookup_complete.
 * The kernel's BTF is not read for it. An enum gets the size and sign that are given.
 */
const struct type *kernel_shell(struct lookup *lookup, const char *spelling, uint32_t size,
				bool is_signed);

/* --- tracefs_format.c for tracefs.c --- */
/* The text of a `format` file to a struct; *id gets the number. NULL: it is not such a text. */
const struct type *tracefs_format_parse(struct lookup *lookup, const char *category,
					const char *name, char *text, int *id);

/* --- elf.c --- */
struct elf_segment {
	uint64_t address, offset, size; /* size: bytes in the file */
};
struct elf_file {
	struct elf elf; /* first: lookup hands out a pointer to it */
	VEC(struct elf_segment) segments;
	bool is_demangled;
};
/* Read symbols and segments into the arena. On error -errno, with one sentence in *error. */
int elf_read(struct arena *arena, const char *path, struct elf_file **file, const char **error);
/* The demangled form with parameters, in the arena; NULL when the name is not mangled. */
const char *elf_demangle_name(struct arena *arena, const char *name);

/* --- elf_scan.c for elf.c and places.c --- */
struct elf_function {
	const char *name; /* of the file: may have a version behind an @ */
	uint64_t address, size;
	bool is_dynamic, is_local;
};
/* What a walk through a file calls. */
struct elf_scan {
	void *arg;
	bool wants_exports; /* .dynsym is read even where a full table repeats it */
	void (*segment)(void *arg, const struct elf_segment *segment); /* all of them come first */
	void (*function)(void *arg, const struct elf_function *function); /* NULL: segments alone */
	void (*table_end)(void *arg); /* names given so far end with this call; may be NULL */
	uint64_t entry;		      /* filled in */
};
/* For reading; to be ended by elf_end before fd is closed. NULL: no regular file, or none that can be read. */
Elf *elf_open_fd(int fd);
/* NULL, or what is wrong with the file, to be put behind its name: "is not an ELF file". */
const char *elf_scan(struct elf_scan *scan, int fd, const char *path);

/* --- elf_debug.c --- */
/* A section by name and type; NULL: there is none. */
Elf_Scn *elf_section(Elf *elf, const char *name, uint32_t type);
Elf_Data *elf_section_data(Elf *elf, const char *name, uint32_t type);
/*
 * Path of the separate file with the symbol table of the file at `path`, in the arena; NULL: there
 * is none.
 */
const char *elf_debug_file(struct arena *arena, Elf *elf, const char *path);

/* --- procmaps.c --- */
struct mapping {
	uint64_t start, end, offset;
	dev_t dev;
	ino_t ino;
	const char *path; /* "" for anonymous memory; may end in " (deleted)" */
	size_t path_len;
};
/*
 * Walk the executable mappings of a process; path points into `text`, which holds the whole file
 * afterwards. Stops when each returns false. -errno when the process cannot be read.
 */
int mappings_each(int pid, struct buf *text, bool (*each)(void *, const struct mapping *),
		  void *arg);
/*
 * Where a mapped file can be opened from here: the plain path, else through the process's root
 * folder, else (deleted or replaced files) its entry in map_files. NULL: nowhere.
 */
const char *mapping_openable(struct arena *arena, int pid, const struct mapping *mapping);
/* /proc/PID/... as a whole; -errno. The buffer is reset first. */
int file_read(const char *path, struct buf *text);

/* --- ldcache.c --- */
/*
 * Does this file name belong to the library that the word names ("libx", "libx.so", "libx.so.5")?
 */
bool library_matches(const char *word, const char *base, size_t base_len);
/*
 * The file that the loader would take, NULL: none. The nearest name is tried on *nearest when not
 * NULL.
 */
const char *ldcache_find(struct lookup *lookup, const char *word, const char **nearest);

/* --- ksyms.c --- */
struct ksym {
	uint64_t address;
	const char *name;
	const char *module; /* NULL: the kernel itself */
	char kind;	    /* as nm(1) has it: t and T are text */
};
struct ksyms {
	struct ksym *data; /* sorted by address */
	size_t n;
};
/* All of /proc/kallsyms, in the arena. NULL: cannot be read, or addresses are hidden. */
struct ksyms *ksyms_read(struct arena *arena);

#endif
