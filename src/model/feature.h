#ifndef JB_MODEL_FEATURE_H
#define JB_MODEL_FEATURE_H
/*
 * The rows. A builtin, an aggregation, a probe provider, a named type, an output format is one const struct in
 * the file that implements it; the core calls hooks and never names one. NULL hook = the default.
 */
#include <stdbool.h>
#include <stdint.h>

#include "model/plan.h"
#include "model/type.h"
#include "model/value.h"

struct check;
struct cg;
struct lookup;
struct node;
struct instance;
struct record;
struct resolve;
struct run;
struct spec;

struct bpf_object;

/*
 * Prototypes are text, parsed by parser/proto.c:
 *
 *     RETURN NAME                           a value, written with or without ()
 *     RETURN NAME(TYPE [NAME], ...)         a call; `[` and `]` around a parameter: optional, `...`: any more
 *
 * TYPE is one of: void bool int (any integer) u8 u16 u32 u64 i8 i16 i32 i64 string string[N] buffer ptr any map
 * key (anything that may be a key), the name of a named_type row; `const` before it: a literal (or $1, or a
 * constant expression). A returned `string` has max_strlen bytes.
 */
struct builtin {
	const char *name;
	const char *proto;
	const char *rt;	 /* runtime function that computes it; see BUILTIN_CTX; NULL: gen or act */
	const char *doc; /* one line, shown by --help-builtins and in the man page */
	unsigned flags;
	/* Beyond the prototype: refine node->type, constrain arguments. false after a diagnostic. */
	bool (*check)(struct check *, struct node *);
	/*
	 * Instead of rt. Scalars: return the value as i64. Memory types: write to `dst` (a pointer to
	 * node->type->size bytes) and return NULL. `void` calls: return NULL.
	 */
	void *(*gen)(struct cg *, const struct node *, void *dst); /* LLVMValueRef */
	/* In user space, when the site's record arrives. argv: the decoded fields of the record. <0: -errno. */
	int (*act)(struct run *, const struct plan_site *, const struct value *argv, unsigned argc);
};

enum builtin_flags {
	BUILTIN_CTX = 1,	  /* rt takes the program's context as its first argument */
	BUILTIN_CONTROL = 2,	  /* its events travel in the control ring */
	BUILTIN_UNSAFE = 4,	  /* needs --unsafe */
	BUILTIN_EXITS = 16,	  /* the probe returns after it: exit() */
	BUILTIN_LITERAL_FMT = 32, /* the first argument is a format string and does not travel */
	BUILTIN_ARGS =
		64, /* `args`: the context struct; codegen reads its fields through the provider */
	BUILTIN_LVALUE_MAP =
		128, /* the first argument is a map itself (delete, clear), not its value */
	BUILTIN_VALUE =
		256, /* argN, retval: a value of the context, at one place for all targets */
	BUILTIN_DURATION = 512, /* needs the time of a span's entry */
	BUILTIN_TARGET = 1024,	/* probe, func: which target fired must be known */
	BUILTIN_DELETES = 2048, /* takes a key out of its map */
	BUILTIN_ROWS = 4096,	/* its format names an event, of which it makes a row */
	BUILTIN_READS_MAP =
		1
		<< 16, /* of a whole map shows what it holds: begins a step, see plan_site.in_step */
	BUILTIN_EMPTIES_MAP = 1 << 17, /* leaves nothing counted in a whole map: ends a step */
	BUILTIN_FILE_TEXT = 1 << 19,   /* may make the text of a pinned iterator's file */
	BUILTIN_SELECTS = 1 << 18,     /* asks the filters itself, so its probe is not filtered */
};

/*
 * rt convention. Scalars are passed as the C parameter's width. A memory argument (string, buffer, tuple) is
 * passed as two: const void *, u32 size. A memory result is written through two leading parameters (after ctx):
 * void *dst, u32 size; the C function then returns void.
 */

struct aggregate {
	const char *name;
	const char *
		proto; /* "void hist(int n, [const int bits])": the first arguments are given to rt, const ones are not */
	const char *rt; /* "jb_hist_add": void (state *, i64 values..., u64 consts...) */
	const char *
		rt_unsigned; /* instead of rt when the aggregated value is unsigned; NULL: the same */
	const char *doc;
	const char *
		family; /* JSON's type of maps of it: "stats"; NULL: by the shape of their values */
	unsigned flags;
	uint32_t (*state_size)(const struct agg_args *); /* bytes, multiple of 8 */
	bool (*check)(
		struct check *,
		struct node *); /* validate const arguments; they are in type->args afterwards */
	void (*merge)(const struct agg_args *, void *into,
		      const void *cpu); /* not for AGG_SHARED */
	/*
	 * Add to `into` what was counted later, after the map had been cleared. NULL: as merge does; without that the
	 * later state counts. Through aggregate_carry().
	 */
	void (*carry)(const struct agg_args *, void *into, const void *later);
	struct value (*value)(struct decode *, const struct type *, const void *state);
	/* Reading it inside an expression: gives i64 from the CPUs' states summed by codegen; NULL: not readable. */
	const char *rt_read; /* "jb_stats_avg": i64 (const state *) */
	/* Exports: what its value is; METRIC_AUTO: as the kind of value says, where a number is a gauge. */
	enum metric_type metric;
	const char *counters; /* members of its record that only grow, separated by blanks */
};

enum aggregate_flags {
	AGG_SHARED = 1, /* one state for all CPUs, updated under its lock */
	AGG_ROW = 2,	/* agg(): arguments are named columns */
	AGG_TENTHS =
		8, /* constant arguments may have a decimal and are kept in tenths: 99.9 is 999 */
	AGG_TIMED = 4, /* rt gets the current ktime (ns) as its last argument */
	AGG_TABLE =
		16, /* rt gets the constants as two arguments: const i64 * (read-only data), u64 how many */
};

/* Two states of one key that were counted one after the other become one, in `into`. `type` is TYPE_AGG. */
void aggregate_carry(const struct type *type, void *into, const void *later);

/* An attach point as written: "uprobe:libc:malloc". Quotes are removed, $N replaced. */
struct spec {
	const struct provider *provider;
	struct span span;
	const char *text;	 /* the whole of it */
	const char *const *part; /* what stands between the colons, after the provider */
	const struct span *part_span;
	unsigned n_parts;
	int pid; /* -p, 0 = none */
	bool unsafe;
};

/*
 * What a provider tells codegen about the value of a context item. Codegen turns it into loads; so providers
 * need no LLVM for the common cases.
 */
enum ctx_kind {
	CTX_NONE,    /* not available in this probe */
	CTX_REG,     /* a field of struct pt_regs at byte `offset`; ctx is struct pt_regs */
	CTX_LOAD,    /* `size` bytes at ctx + offset */
	CTX_RAW_ARG, /* u64 number `index` of a raw tracepoint's arguments */
	CTX_SYS_REGS, /* ctx->args[0] is struct pt_regs *: register at byte `offset`, by probe_read_kernel */
	CTX_SAVED,    /* word `index` of what the span's entry saved */
	CTX_DURATION, /* span: ns between entry and return */
	CTX_WORD,     /* fentry, fexit: word `index` of the function's arguments */
	CTX_RESULT,   /* fexit: what the function returned */
	CTX_ZERO,     /* nothing: one function of a pattern does not have what others have */
	CTX_MEMORY,   /* no scalar: its bytes lie at ctx + offset and are read from there */
	CTX_CONST,    /* `value` itself */
	CTX_USER, /* `size` bytes of user memory at register `offset` + register `index` * scale + value */
};
struct ctx_item {
	enum ctx_kind kind;
	uint32_t offset, size;
	unsigned index;
	bool is_signed;
	int64_t value;
	unsigned
		scale; /* CTX_USER: 0: there is no register `index`; its `offset` may be CTX_NO_REG */
	const char
		*why; /* CTX_NONE: the reason, when it is not just the kind of probe; else NULL */
};
#define CTX_NO_REG 0xffffffffu

enum provider_flags {
	PROVIDER_TIMER = 1,	/* fires by itself at a bounded rate: interval, profile */
	PROVIDER_SPECIAL = 2,	/* begin, end: run once, not attached */
	PROVIDER_USER = 4,	/* pointers of unknown space point into user memory */
	PROVIDER_FILTERED = 8,	/* it fires in the task it is about: programs ask the filters */
	PROVIDER_SPAN = 16,	/* has `duration` and `retval`: two hooks */
	PROVIDER_FUNCTION = 32, /* its targets are functions: has `func` */
	PROVIDER_ONCE =
		256, /* its `once` is called when everything is attached; a script with nothing else ends then */
	PROVIDER_SIGNAL = 128, /* not attached: run once whenever SIGUSR1 comes */
	PROVIDER_REGS = 64,    /* its context begins with struct pt_regs: has reg() */
};

enum span_mode {
	SPAN_NONE,
	SPAN_SESSION, /* one program at both ends of a function */
	SPAN_PAIR,    /* a program at each end of a function, with its registers as context */
	SPAN_FEXIT,   /* fexit has arguments and result; fentry only gives the time */
	SPAN_SYSCALL,
};

struct target_vec; /* VEC of struct target *, see parser/resolve.h */

struct provider {
	const char *name, *alias, *syntax, *doc;
	unsigned flags;
	/*
	 * Parse the parts, expand wildcards, append targets with resolve_add_target(). Mistakes are diagnostics on
	 * part_span with "did you mean". Returns false after a diagnostic. resolve_serve() hands the targets to another row.
	 */
	bool (*expand)(struct resolve *, const struct spec *);
	/* Type of `args` for this target: a TYPE_STRUCT whose fields are found by ctx_item; NULL: no args. */
	const struct type *(*args)(struct resolve *, const struct target *);
	/* argN; n = -1 is retval. Also the type of the value through *type (NULL = uint64). */
	struct ctx_item (*arg)(const struct target *, int n, const struct type **type);
	/* A field of `args`: where it is. NULL hook: CTX_LOAD at the field's offset. */
	struct ctx_item (*args_field)(const struct target *, const struct type *args,
				      const struct field *);
	/*
	 * Choose how to attach one probe with these targets (all of one spec, all with the same args type) and fill
	 * section, attach_type, mode; may split targets over several plan_probes, may add helper programs (role).
	 * `uses_args`: the body reads args, argN or retval, so that targets of different shape need own programs.
	 */
	bool (*plan)(struct resolve *, struct instance *);
	/* What `ctx` points at, in kernel memory; NULL: nothing that has a type. */
	const struct type *(*ctx)(struct lookup *, const struct target *);
	/* A value of the context that is 0 where there is nothing to look at: the program leaves then. CTX_NONE: none. */
	struct ctx_item present;
	/* PROVIDER_ONCE: run the program over what there is. On error -errno, which the caller tells. */
	int (*once)(struct run *, const struct plan_probe *, int prog_fd);
	/* Attach. On error -errno after run_error(). Links are handed to run_add_link(). */
	int (*attach)(struct run *, const struct plan_probe *, int prog_fd);
	/* -l: one line per probe that matches the glob; `pattern` is what follows the provider's name. */
	void (*list)(struct lookup *, const char *pattern,
		     void (*emit)(void *, const char *line, const struct type *args), void *arg);
};

struct out;

/* An output format. */
struct printer {
	const char *name; /* also what its files are called: "x.csv" */
	unsigned flags;
	void (*print)(struct out *, const struct record *);
	/* What stands between the script's output and the maps that are printed when it ends. NULL: nothing. */
	void (*before_maps)(struct out *);
	void (*end)(struct out *);
	/* Maps are not printed one by one: all that is exported is written as a whole (run/exposition.c). */
	bool exposition;
};

enum printer_flags {
	PRINTER_RAW = 1, /* printf's text is written as it is, into out->buf */
	PRINTER_MESSAGES =
		2,	    /* what jbtrace says while it runs is part of the output, as records */
	PRINTER_TABLES = 4, /* rows are parted by tables (out_row_end): may go to a folder */
	PRINTER_HEADINGS = 8, /* no record of it says whose it is: a line before them has to */
};

/* All rows there are: lists of families, each ended by a row with name NULL; the lists end with NULL. */
struct registry {
	const struct builtin *const *builtins;
	const struct aggregate *const *aggregates;
	const struct provider *const *providers;
	const struct named_type *const *named_types;
	const struct printer *const *printers;
};

const struct builtin *registry_builtin(const struct registry *registry, const char *name);
const struct aggregate *registry_aggregate(const struct registry *registry, const char *name);
const struct provider *registry_provider(const struct registry *registry, const char *name);
const struct named_type *registry_named_type(const struct registry *registry, const char *name);
#define row_each(row, family) for ((row) = (family); (row)->name; (row)++)

#endif
