#ifndef JB_LOOKUP_LOOKUP_H
#define JB_LOOKUP_LOOKUP_H
/*
 * Facts about this machine, each read on first need and kept until lookup_free: kernel BTF, tracefs formats,
 * ELF symbols, mapped libraries, kallsyms, kernel features. Every function that can fail returns -errno or NULL
 * and leaves one sentence in lookup_error().
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/mem.h"
#include "base/vec.h"
#include "model/type.h"

struct lookup;

struct lookup *lookup_new(struct types *types);
void lookup_free(struct lookup *lookup);
/* One sentence about the last failure, e.g. "libavcodec is not mapped by any process and not in the loader's cache". */
const char *lookup_error(const struct lookup *lookup);
struct arena *lookup_arena(struct lookup *lookup);
/* For listing: the process whose files are meant, 0: none. */
void lookup_set_pid(struct lookup *lookup, int pid);
int lookup_pid(const struct lookup *lookup);
/* For listing: arguments will be shown, so those that cost much to find are wanted, too. */
void lookup_set_verbose(struct lookup *lookup, bool verbose);
bool lookup_is_verbose(const struct lookup *lookup);

/* --- kernel BTF (btf.c) --- */
/* "struct task_struct", "enum x", or a typedef; completed. NULL: not there. */
const struct type *lookup_kernel_type(struct lookup *lookup, const char *spelling);
/* Structs reached through pointers are completed on first use. Idempotent. */
void lookup_complete(struct lookup *lookup, const struct type *type);
bool lookup_enumerator(struct lookup *lookup, const char *name, int64_t *value,
		       const struct type **type);
/* Arguments of a raw tracepoint as a struct: one field per argument, 8 bytes each. NULL: no such event or no BTF. */
const struct type *lookup_raw_tracepoint(struct lookup *lookup, const char *event);
void lookup_each_raw_tracepoint(struct lookup *lookup, void (*each)(void *, const char *name),
				void *arg);
void lookup_each_type(struct lookup *lookup, void (*each)(void *, const char *spelling), void *arg);
bool lookup_has_btf(struct lookup *lookup);

/* --- tracepoints (tracefs.c) --- */
struct tracepoint {
	const char *category, *name;
	int id;			 /* for perf_event_open */
	const struct type *args; /* struct of its fields, without the common_ ones */
};
/* Finds tracefs (mounted, under debugfs, or mounted privately by us). NULL: see lookup_error. */
const char *lookup_tracefs(struct lookup *lookup);
const struct tracepoint *lookup_tracepoint(struct lookup *lookup, const char *category,
					   const char *name);
void lookup_each_tracepoint(struct lookup *lookup, const char *category_glob, const char *name_glob,
			    void (*each)(void *, const char *category, const char *name),
			    void *arg);
/* System calls of this machine's architecture, by the names of their tracepoints; -1 / NULL: none. */
/* The i-th table of flags.c: "open", "mmap_prot", ...; NULL: there are no more. */
const char *lookup_flags_table(size_t i);
/* "O_RDWR|O_CLOEXEC"; bits without a name as a hexadecimal number at the end. */
void lookup_flags_put(const char *table, uint64_t value, struct buf *out);
int lookup_syscall_number(struct lookup *lookup, const char *name);
const char *lookup_syscall_name(struct lookup *lookup, int number);
/* The name in the manual ("fstat", where the tracepoint says "newfstat"); NULL: unknown. From tables alone. */
const char *lookup_syscall_call(int number);

/* --- ELF files (elf.c) --- */
struct elf_symbol {
	const char *name;      /* without @VERSION */
	const char *demangled; /* C++: with parameter list; NULL when the name is not mangled */
	uint64_t address, size;
	uint64_t offset; /* in the file: what a uprobe wants */
	bool is_dynamic; /* exported (.dynsym) */
};
struct elf {
	const char *path;
	VEC(struct elf_symbol)
	functions; /* STT_FUNC and IFUNC excluded, defined, sorted by name, one per offset and name */
	uint64_t entry;
};
/* .dynsym, .symtab, debug file by build id or debug link. NULL: not an ELF file, ...; cached by device and inode. */
const struct elf *lookup_elf(struct lookup *lookup, const char *path);
/* Fill `demangled` of all functions; needed before names are matched or listed as C++. Idempotent. */
void elf_demangle(struct lookup *lookup, const struct elf *elf);
/* First function of that name, NULL: none. cpp: match demangled names without parameter lists. */
const struct elf_symbol *elf_find(const struct elf *elf, const char *name);
/* File offset of an address, -ENOENT when no loadable segment holds it. */
int64_t elf_file_offset(struct lookup *lookup, const char *path, uint64_t address);
/* The demangled name without its parameter list ("A::b(int)" -> "A::b"), in the arena. */
const char *elf_plain_cpp_name(struct arena *arena, const char *demangled);

/* --- debug information of programs and libraries (dwarf_func.c): opened, and libdw loaded, by the first question --- */
/*
 * Where a parameter lies at the entry of its function: the offset of its field is 8 * the number of the argument register
 * that holds it, or says that none does.
 */
enum user_arg {
	USER_ARG_STACK = 1 << 16, /* a scalar at offset - USER_ARG_STACK above the return address */
	USER_ARG_STRUCT = 2 << 16, /* a struct, or what else is larger than a register */
	USER_ARG_VECTOR =
		3 << 16, /* float, double, vectors: in a register that programs cannot read */
};
struct user_proto {
	const struct type
		*args; /* a struct with a field for each; functions with the same share it */
	const struct type *result; /* NULL: none, or none that the result's register holds whole */
	const char
		*spelled_result; /* as the source writes it; only for lists (lookup_set_verbose) */
};
/* Of the function that begins at `offset` of the file. NULL: not known, and lookup_error says why. */
const struct user_proto *lookup_user_proto(struct lookup *lookup, const char *path, uint64_t offset,
					   const char *name);
/* Compiling is over: types stay what they are, and files that only it needs are closed. */
void lookup_settle(struct lookup *lookup);
/* "struct foo", "enum x", or a typedef of the file; completed. NULL: not there, or no debug information. */
const struct type *lookup_user_type(struct lookup *lookup, const char *path, const char *spelling);

/* --- static probes of programs and libraries (usdt.c) --- */
/* A note of type stapsdt, as <sys/sdt.h> writes it for each place of a probe. */
struct usdt_note {
	const char *provider, *name;
	const char *args;   /* where the arguments are: "-4@%edi 8@-16(%rbp)" */
	uint64_t address;   /* of the place, as symbols have it */
	uint64_t offset;    /* in the file */
	uint64_t semaphore; /* file offset of the 16-bit counter that the program tests, 0: none */
};
typedef VEC(struct usdt_note) usdt_vec;
/* In the order of the file, one per place and name; cached. NULL: not an ELF file, ...; empty: it has none. */
const usdt_vec *lookup_usdt(struct lookup *lookup, const char *path);
/* The address of any defined symbol, also of data; -ENOENT. */
int lookup_symbol_address(struct lookup *lookup, const char *path, const char *name,
			  uint64_t *address);

/* --- files that processes map (procmaps.c) --- */
struct binary {
	const char *path;  /* openable from here (may go through /proc/PID/root) */
	const char *shown; /* as the process names it: for `probe` */
	dev_t dev;
	ino_t ino;
};
typedef VEC(struct binary) binary_vec;
/*
 * The files that a target word names: a path; a program in $PATH; a library without path ("libavcodec",
 * "libavcodec.so.59"): with pid the file that process maps, else every distinct file of that soname which a running
 * process maps, else the one in the loader's cache (ldconfig -p's file /etc/ld.so.cache read directly);
 * a glob over paths; with pid and word "" the process's own executable. -ENOENT with lookup_error, and a
 * nearest library name in *nearest.
 */
int lookup_binaries(struct lookup *lookup, const char *word, int pid, binary_vec *found,
		    const char **nearest);

/* --- kernel symbols (ksyms.c) --- */
uint64_t lookup_kernel_address(struct lookup *lookup, const char *name); /* 0: unknown */
/* --- functions of the kernel (kernfuncs.c, btf_func.c) --- */
struct kernel_symbol {
	const char *name;   /* as the kernel has it: "f", "f.isra.0" */
	const char *module; /* NULL: the kernel itself */
	uint64_t address;
	bool is_function; /* text, as opposed to data */
	bool is_init;	  /* ran at boot, and its memory is used for something else now */
};
/* Every symbol, in the order of addresses. -errno when /proc/kallsyms cannot be read or hides the addresses. */
int lookup_each_kernel_symbol(struct lookup *lookup,
			      void (*each)(void *, const struct kernel_symbol *), void *arg);
/* On the kernel's list of places that take no kprobe? Also false when debugfs cannot be read. */
bool lookup_is_blacklisted(struct lookup *lookup, uint64_t address);

/* What BTF says of a function. */
struct kernel_proto {
	/*
	 * A complete struct with a field for each argument, at 8 bytes for each word that it takes. Functions with the same
	 * arguments share it. NULL when the function has a variable number of them, or unusual ones.
	 */
	const struct type *args;
	unsigned n_words;
	const struct type *result; /* NULL: void */
	uint32_t btf_id;	   /* of the function: attach_btf_id of fentry */
};
/* `module` NULL: the kernel itself. NULL: BTF does not have it. */
const struct kernel_proto *lookup_kernel_proto(struct lookup *lookup, const char *module,
					       const char *name);
/* A descriptor of a module's BTF in the kernel, for attach_btf_obj_fd; the caller closes it. -errno. */
int lookup_module_btf(const char *module);

/* --- what this kernel can do (features.c): tried with tiny programs, once, on demand --- */
enum kernel_feature {
	FEATURE_UPROBE_MULTI,
	FEATURE_UPROBE_SESSION,
	FEATURE_KPROBE,
	FEATURE_KPROBE_MULTI,
	FEATURE_KPROBE_SESSION,
	FEATURE_FENTRY,
	FEATURE_FENTRY_COOKIE,
	FEATURE_RINGBUF,
	FEATURE_BPF_COOKIE,
	FEATURE_RAW_TP_COOKIE,
	FEATURE_MAP_BATCH,
	FEATURE_BPF_LOOP,
	FEATURE_COUNT
};
bool lookup_feature(struct lookup *lookup, enum kernel_feature feature);
const char *lookup_feature_name(enum kernel_feature feature);	 /* "uprobe multi" */
const char *lookup_feature_instead(enum kernel_feature feature); /* what jbtrace does without it */
/* Why this kernel has no fentry, after a question for FEATURE_FENTRY said so. */
const char *lookup_fentry_obstacle(struct lookup *lookup);
/* kernel.perf_event_max_sample_rate in Hz, 0: cannot be read. */
uint64_t lookup_max_sample_rate(void);

#endif
