#ifndef JB_RUN_INTERNAL_H
#define JB_RUN_INTERNAL_H
/* What the files of run/ share: the struct behind `struct run`. Rows see run/run.h only. */
#include "run/ring.h"
#include "run/rows.h"
#include "run/run.h"

struct bpf_object;
struct bpf_map;
struct exposition;
struct sym;

/* A map of the script, as the kernel made it. */
struct run_map {
	const struct plan_map *plan;
	int fd;
	uint32_t key_size;   /* bytes in the kernel, generation included; 4 for a scalar */
	uint32_t value_size; /* bytes in the kernel, of one CPU, lock included */
	uint32_t row_size;   /* bytes a lookup returns: all CPUs, each rounded up to 8 */
	bool is_array;	     /* ARRAY or PERCPU_ARRAY: its one element always exists */
	bool cleared;	     /* an array was cleared: all zero means that it is not set */
	unsigned current;    /* the generation that programs write */
	bool swapped;	     /* the other one is quiet, and its rows have not been taken yet */
	uint64_t served;     /* events before this place of the control ring came before the swap */
	bool met;	     /* for a look ahead in the control ring */
	struct rows past;    /* run_keep_past: what was removed from the map, by key */
	uint64_t past_left_out; /* keys for which the past had no room */
};

/* A step of the script, see plan_site.in_step: the rows that its print took out of the map. */
struct run_step {
	struct rows rows;
	bool held; /* taken, and not dropped yet */
};

/* Where rows go by the generation they are of; NULL: they are not wanted. */
struct sieve {
	struct rows *of[2];
};

/* A counter of the plan, as last read. */
struct run_counter {
	uint64_t n;
	uint64_t told; /* how many the user has heard of */
};

struct run {
	const struct plan *plan;
	struct run_options options;
	struct arena *arena;   /* as long as the run */
	struct arena *scratch; /* reset after every event */
	struct lookup *lookup; /* borrowed */
	struct decode decode;
	struct out out;

	struct bpf_object *object;
	char *log; /* verifier's words, mapped lazily */
	size_t log_len;
	struct run_map *maps;	    /* one per plan map, same order */
	struct run_step *steps;	    /* by plan_site.step */
	uint32_t *generations;	    /* what jb_generation holds */
	int generations_fd;	    /* its map; -1: no map has generations */
	int wait_fd, wait_inner_fd; /* a map of maps and what is in it; -1: not made yet */
	bool keep_past;
	int counters_fd; /* -1: none */
	struct run_counter *counters;
	uint64_t *per_cpu; /* room for one counter of every CPU */
	unsigned n_cpus;   /* possible ones */

	struct ring data, control;
	struct value *argv;    /* room for the fields of the widest record */
	bool *site_failed;     /* per site: its failure was reported */
	uint64_t *site_events; /* per site: how many were handled */
	uint64_t bad_records;  /* records that fit no site */

	VEC(int) links;
	unsigned n_attached;	/* targets, begin and end included */
	unsigned n_skipped;	/* targets of the probe being attached that the kernel refused */
	bool *left_out;		/* per target: it is not attached */
	run_print_fn *on_print; /* run_watch_prints */
	void *on_print_arg;
	int poll_fd, timer_fd, child_fd;
	int mappings_fd;     /* sym_watch; -1: not watching */
	bool looking_around; /* not all processes that there are have been looked at */
	VEC(int)
	watched;     /* processes that live, child_fd among them; with the last one the run ends */
	int signals; /* how many of options.signals have been acted on */
	bool armed;  /* everything is attached: end probes and the maps belong to closing */
	bool acting; /* an event is being handled */
	bool done;   /* asked to end */
	bool done_by_script; /* by exit(): what came after it does not count */
	int exit_code;
	int64_t next_look_ns;	       /* when counters are read again */
	struct exposition *exposition; /* NULL: the format is not one */
};

/* load.c */
int load_open(struct run *run, const void *elf, size_t len);
int load_run_once(struct run *run, const struct plan_probe *probe); /* begin, end */

/* events.c */
/* Handle one record of a ring, head included. false: it fits no site. */
bool events_dispatch(struct run *run, const void *bytes, uint32_t len);
bool events_dispatch_control(struct run *run, const void *bytes, uint32_t len);
/* Handle what both rings hold now, in the order in which it was written. true: there was something. */
bool events_pump(struct run *run);

/* maps.c */
int maps_open(struct run *run);
void maps_close(struct run *run);
void maps_print_all(struct run *run); /* at exit: in name order, without the empty ones */
struct run_map *maps_find(struct run *run, const struct plan_map *plan);
void maps_rows_init(struct rows *rows, const struct run_map *map);
/* What the kernel holds, into rows that maps_rows_init() made. 0 or -errno. */
int maps_read(struct run *run, const struct run_map *map, const struct sieve *sieve);
/* The same, whatever the generation: one row for a key. */
int maps_read_all(struct run *run, const struct run_map *map, struct rows *rows);
/* The key as the kernel has it; map->key_size bytes. */
void maps_kernel_key(const struct run_map *map, unsigned generation, const uint8_t *key,
		     uint8_t *kernel_key);
/* Remove these keys, as far as they are there. Not for arrays. */
void maps_delete(struct run *run, const struct run_map *map, unsigned generation,
		 const struct rows *rows);
/* Into scratch. false: the map holds nothing, as far as that can be known. */
bool maps_decode(struct run *run, const struct run_map *map, const struct rows *rows,
		 struct value *value);
void maps_print(struct run *run, const struct plan_map *map, const struct value *value, int64_t top,
		int64_t div);

/* generation.c */
int generation_open(struct run *run);
void generation_close(struct run *run);

/* past.c */
/* These rows were removed from the map: remember them, if that was asked for. */
void past_add(struct run *run, struct run_map *map, const struct rows *rows);

/* exposition.c */
int exposition_open(struct run *run); /* 0, or -errno after a sentence */
void exposition_ask(struct run *run); /* a map was printed */
void exposition_turn(struct run *run,
		     int64_t now_ns);	 /* write what was asked for, at most once a second */
void exposition_finish(struct run *run); /* all of it, for the last time */
void exposition_close(struct run *run);

/* report.c */
void report_read(struct run *run);     /* the kernel's counters into run->counters */
void report_counters(struct run *run); /* while running: news only */
void report_totals(struct run *run);   /* at exit */
void report_attached(struct run *run);
void report_choice(struct run *run, const struct plan_probe *probe); /* its `why` */
void report_error(struct run *run, struct span span, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void report_warning(struct run *run, struct span span, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void report_plain(struct run *run, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* filter.c */
void filter_size_maps(struct run *run);
int filter_open(struct run *run);   /* 0, or -errno after a message */
int filter_attach(struct run *run); /* before any probe; 0, or -errno after a message */
/* This descriptor became readable: does the run end with it? */
bool filter_ended(struct run *run, int fd);
void filter_close(struct run *run);

/* links.c */
void links_close(struct run *run);

int64_t run_monotonic_ns(void);

#endif
