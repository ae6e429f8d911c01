#ifndef JB_RUN_RUN_H
#define JB_RUN_RUN_H
/*
 * The running half: plan and ELF bytes to records. What provider and builtin rows may use is here; the structs
 * inside are run/'s own (run/internal.h).
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "lookup/lookup.h"
#include "model/feature.h"
#include "model/plan.h"
#include "out/out.h"

struct run;

struct run_options {
	int child;	 /* -c: held on a pipe, released when armed (child_go_fd) */
	int child_go_fd; /* -1: the caller does that, and ends it */
	bool quiet, verbose, unsafe, warnings;
	bool check_only;	/* load, attach nothing */
	uint64_t duration_ns;	/* 0 = none */
	struct out_options out; /* but for whom it tells, which is `messages` */
	const char *name;	/* the script's; NULL: "stdin" */
	const char *file;	/* an exposition is written to it instead of out.fd; NULL: none */
	unsigned max_series;	/* of each of its metrics; 0: the usual */
	uint64_t expire_ns;	/* of processes that are gone; 0: the usual */
	FILE *messages;		/* "Attached N probes", losses, warnings: stderr */
	bool dry_run;		/* attach, then stop: no begin, no end, no output */
	const volatile int
		*interrupt; /* set by the caller's signal handler: stop attaching; may be NULL */
	const volatile int *signals; /* counted by it: run the self probes; may be NULL */
};

/* May this process trace? 0, or -EPERM with a sentence. run_open asks too; this is for asking before compiling. */
int run_check_privileges(FILE *messages);
/* 0 or -errno, with one sentence (and the script line, when there is one) on options->messages. */
int run_open(struct run **run, const struct plan *plan, const void *elf, size_t elf_len,
	     struct lookup *lookup, const struct run_options *options);
int run_begin(struct run *run);	   /* begin probes, attach, "Attached N probes" */
int run_fd(const struct run *run); /* readable when run_step has work */
/* Handle what is there; waits up to timeout_ms. 1 go on, 0 done. */
int run_step(struct run *run, int timeout_ms);
/*
 * The same for several at once, RUNS_MAX at most. Returns early when `wake_fd` (-1: none) is readable. 0: at least one is
 * done.
 */
#define RUNS_MAX 64
int run_step_all(struct run *const *runs, size_t n, int wake_fd, int timeout_ms);
/* Two runs that write metrics to the same place make one exposition of them. false: they do not. */
bool run_share_exposition(struct run *run, struct run *with);
bool run_is_done(const struct run *run);
/* Write into the same output as `other` when that goes to the same place (out_join). */
bool run_share_output(struct run *run, const struct run *other);
/* Ask it to end: the next run_step returns 0. Safe in a signal handler's deferred path, not in the handler. */
void run_ask_exit(struct run *run, int code);
/* What can be said of a run without asking the kernel. */
struct run_status {
	unsigned
		probes; /* attached ones; a glob counts as often as it matches, without what the kernel cannot probe */
	unsigned missing; /* could not be attached */
	uint64_t events;  /* handled */
	uint64_t lost;	  /* found no room, as counted a second ago at most */
};
void run_status(const struct run *run, struct run_status *status);
/* Be told of maps that the script prints (not of those at the end). One listener; NULL: none any more. */
typedef void run_print_fn(void *arg, const struct plan_map *map, const struct value *value);
void run_watch_prints(struct run *run, run_print_fn *fn, void *arg);
/* Detach side by side, end probes, drain, lost events, maps. Frees run. Returns the exit code: 1 when output was lost. */
int run_close(struct run *run);

/* --- for provider rows --- */
const struct run_options *run_options_of(const struct run *run);
const struct plan *run_plan(const struct run *run);
/* Own a link or perf event: its fd is closed side by side with the others when the run ends. */
void run_add_link(struct run *run, int fd);
/* Say why attaching failed, with the attach point's place in the script. */
void run_error(struct run *run, struct span span, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* One of many targets is left out. Those of a probe are told together when it is attached. */
void run_skip(struct run *run, const struct plan_probe *probe, const struct target *target,
	      const char *why);
/* fd of a loaded program by its BPF function name, -ENOENT. */
int run_program_fd(struct run *run, const char *program);
/*
 * Load a program of this name once more, for another function of the kernel: fentry and fexit programs belong to one.
 * `btf_id` is the function's; `btf_fd` the BTF of its module, 0: the kernel's own. The caller owns the descriptor. -errno.
 */
int run_clone_program(struct run *run, const char *program, uint32_t btf_id, int btf_fd);
/*
 * A message of the script's own or about one of its calls: "FILE:LINE:COL-COL: LEVEL: TEXT", or a record of type `source`
 * where the output takes messages. An empty span: no place.
 */
void run_message(struct run *run, struct span span, const char *source, const char *level,
		 const char *text);
/* SIGINT arrived during attach: providers with many targets stop early with -EINTR. */
bool run_interrupted(const struct run *run);

/* --- for builtin rows (act) --- */
struct out *run_out(struct run *run);
struct arena *run_scratch(struct run *run); /* reset after each event */
int64_t run_wall_ns(struct run *run);	    /* now */
/* Read a whole map from the kernel (merged over CPUs, sorted) into scratch; VALUE_MAP, or the value of a scalar. */
int run_read_map(struct run *run, const struct plan_map *map, struct value *value);
/* Print it as print(@m, top, div) does. */
int run_print_map(struct run *run, const struct plan_map *map, int64_t top, int64_t div);
/*
 * What a map has counted since the run began, whatever was cleared since: the sum of what run_keep_past() remembers and
 * what the map holds. As run_read_map otherwise.
 */
int run_read_total(struct run *run, const struct plan_map *map, struct value *value);
/* From now on remember what clear and zero remove (aggregations only: a plain value has no past). */
void run_keep_past(struct run *run);
/* Remove the keys for which dead() says so, from the map and from its past. Number of keys removed, or -errno. */
long run_forget(struct run *run, const struct plan_map *map,
		bool (*dead)(void *arg, const struct value *key), void *arg);
int run_clear_map(struct run *run, const struct plan_map *map); /* remove every key */
int run_zero_map(struct run *run, const struct plan_map *map);	/* every value to zero */
/* The same three for the sites of a step (plan_site.in_step). */
int run_print_step(struct run *run, const struct plan_site *site);
int run_clear_step(struct run *run, const struct plan_site *site);
int run_zero_step(struct run *run, const struct plan_site *site);
/* Write a value into a map of the runtime by its name in the ELF. For rows that fill tables. */
int run_map_fd(struct run *run, const char *symbol);

#endif
