#ifndef JB_MODEL_PLAN_H
#define JB_MODEL_PLAN_H
/*
 * The plan: everything the running half must know about a compiled script besides its ELF bytes. Written by
 * parser/lower.c (and, for what only codegen knows, by codegen), read by run/ and probes/.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/diag.h"
#include "base/vec.h"
#include "model/type.h"
#include "model/value.h"

struct builtin;
struct provider;
struct aggregate;

/* One place in the system a probe is attached to. Its id is the attach cookie and what `probe` holds. */
struct target {
	uint32_t id;
	const char *
		name; /* as `probe` prints it: "uprobe:/lib/x.so:f", "tracepoint:a:b", "interval:s:1" */
	const char
		*func; /* function or event name, as `func` prints it in user space; may be NULL */
	const char *path;   /* user probes: the ELF file to attach to */
	uint64_t offset;    /* user probes: file offset. kernel: symbol offset */
	uint64_t period_ns; /* interval, profile; 0 when freq is given */
	uint64_t freq_hz;
	int64_t number; /* syscall number; perf tracepoint id; whatever the provider wants to remember */
	uint64_t
		semaphore; /* user probes: file offset of a counter that is raised while attached; 0: none */
	bool is_enter;	 /* syscalls: entry or exit */
	const void *own; /* what else its provider knows of it, in the plan's arena */
	const struct target
		*place_of; /* the first place of a probe that has several; NULL: it is no other's */
	struct span span;  /* the attach point in the script */
};

/* How a program is fed. The provider chooses; run/load.c hands it back to provider->attach. */
struct plan_probe {
	const struct provider *provider;
	const char *program; /* name of the BPF function, e.g. "p3_uprobe" */
	const char *
		section; /* libbpf section, decides the program type: "uprobe", "tp", "raw_tp", "perf_event" */
	unsigned
		role; /* 0 the probe itself; provider-private for helper programs (span: 1 = entry hook) */
	struct target *const *targets;
	unsigned n_targets;
	struct span span;
	uint32_t hits_counter; /* if the plan counts hits and role is 0 */
	bool unfiltered;       /* it calls selected(), so the filters are not asked on its behalf */
	uint32_t attach_type;  /* expected_attach_type to set before load, 0 = leave */
	uint32_t mode;	       /* provider-private strategy (multi, session, raw syscalls, ...) */
	const char *
		attach_function; /* fentry, fexit: the kernel function that the program is loaded for; else NULL */
	const char *
		why; /* something else than what the script says was chosen: a sentence that tells; else NULL */
};

enum map_shape {
	MAP_SCALAR, /* no key */
	MAP_KEYED,
};

#define PLAN_STACK_STEP	     512   /* dwarf_stack_size is a multiple of it, */
#define PLAN_STACK_MAX	     65536 /* and at most this */
#define PLAN_GENERATIONS_MAX 256   /* maps that may be cleared: words of jb_generation */

/* How the kernel stores a map; decided by lower.c from the value's type and `let @m = ...`. */
struct plan_map {
	const char *name;   /* "@x"; "@" for the anonymous one */
	const char *symbol; /* its name in the ELF: "m0_x" (15 characters at most) */
	enum map_shape shape;
	uint32_t bpf_type; /* BPF_MAP_TYPE_* */
	uint32_t flags;	   /* BPF_F_NO_PREALLOC */
	uint32_t max_entries;
	const struct type *key;	  /* NULL for a scalar; a tuple for several key parts */
	const struct type *value; /* TYPE_AGG for aggregations */
	bool per_cpu;
	bool shared; /* aggregation with one state for all CPUs: value begins with struct jb_lock */
	uint32_t value_size; /* bytes in the kernel, lock included */
	const char *const
		*key_names; /* how the script wrote each key part, for headers and labels */
	unsigned n_keys;
	bool print_at_exit;
	uint32_t full_counter; /* counter that counts updates lost because the map was full */
	bool deletes; /* single keys go: by delete(), or because the kernel makes room (LRU) */
	/*
	 * The script clears (or zeroes) this map while other probes may run. Then each key carries a generation, 0 or 1, as
	 * a u32 behind its bytes in the kernel (a scalar has two elements): updates go to the current one, which
	 * jb_generation tells, and what is read and cleared is the other one, which no program writes any more. So nothing
	 * is lost between reading and clearing. max_entries is twice what one generation holds.
	 */
	bool generations;
	uint32_t
		generation_offset; /* of the u32 in the key; 0 for a scalar, whose key is the generation */
	uint32_t generation_index; /* which word of jb_generation is the map's */
	bool additive; /* no aggregation, but all that is ever done is adding: ++, --, += and -= */
	struct span span; /* first use */
};

/* An asynchronous call: what its record holds and who acts on it. Its index is the site number in events. */
struct plan_site {
	const struct builtin *fn;
	struct span span;
	const char *fmt;	    /* first argument, when it is a format string */
	struct format *format;	    /* compiled form, made by run on first use (out/format.h) */
	const struct type *record;  /* struct of the arguments that travel; NULL when none do */
	const char *const *names;   /* a column name for each field of record (emit) */
	bool control;		    /* travels in the control ring: exit, print(@m), clear, zero */
	const struct plan_map *map; /* print(@m), clear(@m), zero(@m) */
	int64_t literal
		[4]; /* constant arguments that do not travel: print's top and div; exit's absence */
	/*
	 * print(@m) that is followed by clear(@m) or zero(@m) in the same block, and that clear or zero: one step, `step` is
	 * its number. The first print takes a snapshot of the map's generation and leaves the map empty, others show the
	 * snapshot again, the clear drops it.
	 */
	bool in_step;
	/*
	 * Of a print: no other one of the step can come before it, so what snapshot there is, is an old one. Of a clear: it
	 * may be that no print comes before it; then it takes a snapshot itself, while one without a snapshot has nothing
	 * to do else (the event of its print was lost: what there is belongs to the next interval).
	 */
	bool begins_step;
	uint32_t step;
	uint32_t lost_counter;
};

enum counter_kind {
	COUNTER_LOST,	  /* events that found no room in the ring; `site` */
	COUNTER_MAP_FULL, /* updates that found the map full; `map` */
	COUNTER_RUNTIME, /* a runtime warning with text: division by zero, lock not had, scratch busy */
	COUNTER_UNPAIRED, /* returns without an entry (span) */
	COUNTER_HITS, /* a probe fired for a task that the filters select, before its predicate is asked */
};

/* Counted in the kernel in the per-CPU array jb_counters; the index is the counter's number. */
struct plan_counter {
	enum counter_kind kind;
	struct span span;
	const char *text; /* one sentence for the user */
	uint32_t site;
	const struct plan_map *map;
};

/* agg() columns. A plain column is a state at an offset; a derived one is an expression over the others. */
enum expr_op {
	EXPR_CONST,
	EXPR_FIELD,
	EXPR_ADD,
	EXPR_SUB,
	EXPR_MUL,
	EXPR_DIV,
	EXPR_MOD,
	EXPR_NEG,
	EXPR_LT,
	EXPR_LE,
	EXPR_GT,
	EXPR_GE,
	EXPR_EQ,
	EXPR_NE,
	EXPR_AND,
	EXPR_OR,
	EXPR_NOT,
	EXPR_COND
};
struct plan_expr {
	enum expr_op op;
	double constant;
	const char *column; /* EXPR_FIELD: which column of the row, */
	const char *member; /* and which member of its record ("p99"), or NULL */
	const struct plan_expr *a, *b, *c;
};
struct agg_field {
	const char *name;
	const struct type *type; /* TYPE_AGG for a plain column, NULL for a derived one */
	uint32_t offset; /* plain: bytes from the row's start (after the lock, when shared) */
	const struct plan_expr *derived;
};

enum metric_type { METRIC_AUTO, METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY };

/* metric "name" = @map { ... }: how a map, or one column of its rows, is exported. */
struct plan_metric {
	const char *name;
	const char *help; /* NULL: none */
	const struct plan_map *map;
	const char *
		column; /* metric "x" = @io.lat: of an agg row or a record; NULL: the value itself */
	enum metric_type type; /* METRIC_AUTO: from the aggregation */
	double scale;	       /* values are multiplied by it: ns gives 1e-9, ms 1e-3; 1 */
	const char *const
		*labels; /* one for each part of the key; NULL: as the script wrote them */
	unsigned n_labels;
	struct span span;
};

/* The standard filters. Of one kind several may be given: one that matches is enough, and no negated one may match. */
enum filter_kind { FILTER_PID, FILTER_COMM, FILTER_UID, FILTER_CGROUP, FILTER_PIDNS, FILTER_PGID };
struct plan_filter {
	enum filter_kind kind;
	bool negated;
	uint64_t number;  /* pid, uid, inode of the namespace, group; cgroup: its id */
	const char *text; /* comm: the glob; cgroup: its path */
	unsigned level;	  /* cgroup: its depth, 0 is the root; FILTER_ANY_LEVEL: not known */
};
#define FILTER_ANY_LEVEL 0xffffffffu

/* A script parameter (getopt), for `-- --help`. */
struct plan_param {
	const char *name, *help, *fallback;
};

struct plan {
	struct arena *arena;
	struct diags *diags;	       /* sources of spans, for messages while running */
	VEC(struct plan_probe) probes; /* in order of attachment; begin and end are among them */
	VEC(struct target *) targets;  /* by id */
	VEC(struct plan_map *) maps;   /* in order of first use */
	VEC(struct plan_site) sites;
	uint32_t n_steps; /* see plan_site.step */
	VEC(struct plan_counter) counters;
	VEC(struct plan_param) params;
	VEC(struct plan_metric) metrics;
	VEC(struct plan_filter) filters;
	VEC(const char *)
	missing;	 /* probes without a place, as written, that missing_probes lets pass */
	bool count_hits; /* every probe has a counter of how often it fired */
	bool follow;	 /* children of the processes of the pid filters are traced, too */
	const char *license;
	uint32_t
		scratch_size; /* bytes of per-CPU scratch a program may need, 0 = none; set by codegen */
	uint64_t ring_bytes;   /* data ring, power of two; 0 = the script has no data events */
	bool hot_events;       /* some data event is in a probe that is not a timer or begin/end */
	bool needs_kernel_btf; /* kfuncs are called */
	bool only_begin_end;   /* nothing to wait for */
	bool print_maps_on_exit;
	uint32_t max_strlen;
	uint32_t max_cat_bytes;
	uint32_t max_map_keys;	   /* entries of a map without a declaration */
	uint32_t on_stack_limit;   /* bytes: bigger temporaries live in scratch memory */
	const char *stack_mode;	   /* "bpftrace", "perf", "raw", "folded", "build_id" */
	uint32_t dwarf_stack_size; /* bytes of the stack that ustack(dwarf) copies */
	bool show_debug_info;	   /* stacks have source lines and inlined functions */
	const char *trunc_trailer; /* ".." */
	int missing_probes;	   /* 0 error, 1 warn, 2 ignore */
	int child;		   /* pid of -c's held child, 0 = none */
	unsigned n_cpus;	   /* possible CPUs: per-CPU values are summed over them */
	uint64_t start_ns; /* CLOCK_BOOTTIME when the compile began: elapsed counts from here */
	int pid;	   /* the one process that user probes are attached to, 0 = all */
	uint64_t pidns_dev, pidns_ino; /* our pid namespace; 0 when it is the initial one */
};

/* Bytes of a map's key in the kernel. */
static inline uint32_t plan_key_size(const struct plan_map *map)
{
	if (map->shape == MAP_SCALAR)
		return sizeof(uint32_t);
	return map->generations ? map->generation_offset + (uint32_t)sizeof(uint32_t)
				: map->key->size;
}

/* How many keys a map has room for, as its declaration says. */
static inline uint32_t plan_max_keys(const struct plan_map *map)
{
	return map->generations ? map->max_entries / 2 : map->max_entries;
}

struct plan *plan_new(struct arena *arena, struct diags *diags);
/* --dump plan: one line per probe, target, map, site, counter; stable text for golden tests. */
void plan_dump(const struct plan *plan, FILE *out);
uint32_t plan_add_counter(struct plan *plan, enum counter_kind kind, struct span span,
			  const char *text);
/* Does something that is printed need to know what processes mapped? */
bool plan_has_user_addresses(const struct plan *plan);
/* The first process that was given; 0: none. */
int plan_first_pid(const struct plan *plan);
/* Evaluate a derived column. `row` is the record decoded so far. */
double plan_expr_eval(const struct plan_expr *expr, const struct value *row);

#endif
