#ifndef JBTRACE_H
#define JBTRACE_H
/*
 * The public interface of jbtrace: compile a script, look at what became of it, run it. The command line uses
 * nothing else. Structs that callers fill in begin with their own size, so that they can grow.
 *
 *     struct jb_source source = { .sz = sizeof(source), .name = "x.jt", .text = text, .len = strlen(text) };
 *     struct jb_program *program = jb_compile(&source, NULL, stderr);
 *     struct jb_run *run = program ? jb_start(program, NULL) : NULL;
 *     while (run && jb_step(run, 100) == 1)
 *             ;
 *     int code = run ? jb_stop(run) : 1;
 *     jb_program_free(program);
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define JB_API __attribute__((visibility("default")))

struct jb_program;
struct jb_run;
struct jb_session;

struct jb_source {
	size_t sz;
	const char *name; /* for messages; "stdin" when it has none */
	const char *text;
	size_t len;
};

enum jb_stage { JB_STAGE_AST, JB_STAGE_PLAN, JB_STAGE_IR, JB_STAGE_ELF };

enum jb_filter_kind {
	JB_FILTER_PID,
	JB_FILTER_COMM,
	JB_FILTER_UID,
	JB_FILTER_CGROUP,
	JB_FILTER_PIDNS,
	JB_FILTER_PGID
};
/* --pid 12, --comm 'ffm*', --not-uid 0, ... Of one kind one must match; no negated one may match. */
struct jb_filter {
	enum jb_filter_kind kind;
	bool negated;
	const char *value; /* as it was written */
};

struct jb_options {
	size_t sz;
	const char *const *params; /* $1, $2, ... */
	unsigned n_params;
	const char *const *named; /* script options: "name=value" or "name" */
	unsigned n_named;
	/*
	 * Trace this process only: its files are meant, user probes are attached to it alone, the run ends with it; 0:
	 * all. It is a filter, too, which need not be among `filters`.
	 */
	int pid;
	int child;   /* pid of a child that waits to be traced; 0: none */
	bool unsafe; /* allow what changes the system: system(), signal(), ... */
	bool no_warnings;
	bool partial; /* stop after `until`; such a program cannot be started */
	enum jb_stage until;
	const struct jb_filter *filters;
	unsigned n_filters;
	bool follow; /* with a pid filter or a child: their children, too, and the children of these */
	bool count_hits; /* how often each probe fires, for jbtrace_probe_hits_total of exports; about 3 ns each time */
};

/* How files of records are kept, in a folder of them. All 0: one file per table and run, never removed. */
struct jb_files {
	bool daily;		  /* a new file at midnight, local time */
	uint64_t max_bytes;	  /* a new file beyond this size; 0: none */
	uint64_t max_age_ns;	  /* older files of the same tables are removed; 0: never */
	uint64_t max_total_bytes; /* of all files of a table, the oldest are removed; 0: no limit */
	bool gzip;		  /* files that are complete are compressed */
	char delimiter;		  /* csv, also without a folder: between cells; 0: comma */
	bool no_header;		  /* csv, also without a folder */
};

struct jb_run_options {
	size_t sz;
	const char *name;   /* the script's, for files and messages; NULL: "stdin" */
	const char *format; /* "text" (NULL), "json", "csv", "prom" */
	int out_fd;	    /* the script's output; 0 means standard output */
	const char *
		folder; /* instead of out_fd: a file per table in this folder (csv, json); NULL: none */
	struct jb_files files;
	const char *
		file; /* prom: instead of out_fd, a regular file that is replaced as a whole; NULL: none */
	FILE *messages;	     /* "Attached 3 probes", losses, warnings; NULL: stderr */
	unsigned max_series; /* prom: as struct jb_listen has them */
	uint64_t expire_ns;
	/* One byte is written here once everything is attached; -1: the caller lets the child go and ends it himself. */
	int child_go_fd;
	uint64_t duration_ns; /* end by itself; 0: never */
	bool quiet, verbose, no_warnings;
	bool with_script; /* others write to the same place: its output bears its name */
	bool check_only;  /* pass the kernel's verifier, attach nothing */
	bool dry_run;	  /* attach, then stop */
	const volatile int *interrupt; /* not 0: stop attaching; may be set by a signal handler */
	const volatile int *signals; /* how often SIGUSR1 has come, for self probes; NULL: never */
};

struct jb_listen {
	size_t sz;
	const char *address;		  /* "0.0.0.0", "::1", ...; NULL: loopback */
	unsigned port;			  /* 0: any */
	const char *user, *password;	  /* basic authentication; NULL: none */
	const char *cert_file, *key_file; /* TLS, PEM; NULL: none */
	unsigned max_series;		  /* per metric; 0: 10000 */
	uint64_t expire_ns;		  /* series of processes that are gone; 0: 5 minutes */
};

JB_API const char *jb_version(void);

/*
 * Does a filter's value mean something on this machine now: a process that lives, a user that exists? 0, or -errno with
 * one sentence in `why`, which has `room` bytes. jb_compile asks too; this is for asking where the value was read.
 */
JB_API int jb_filter_check(const struct jb_filter *filter, char *why, size_t room);

/* Diagnostics go to `diagnostics`. NULL after an error. The texts may be freed afterwards. */
JB_API struct jb_program *jb_compile(const struct jb_source *source,
				     const struct jb_options *options, FILE *diagnostics);
/* 0, or -ENODATA when the program was not compiled that far. */
JB_API int jb_dump(const struct jb_program *program, enum jb_stage stage, FILE *out);
/* The attach points of a program, one per line. */
JB_API void jb_list_targets(const struct jb_program *program, FILE *out);
/* The i-th option that the script declares with getopt(), without dashes; NULL: there are no more. */
JB_API const char *jb_option_name(const struct jb_program *program, unsigned i);
JB_API void jb_program_free(struct jb_program *program);

/* Can output be written as these options say? A folder is made. 0, or -errno after a sentence to `messages`. */
JB_API int jb_check_output(const struct jb_run_options *options, FILE *messages);
/* Load, run begin probes, attach. On failure NULL, and *error is -errno; -EINTR: interrupted. `error` may be NULL. */
JB_API struct jb_run *jb_start(struct jb_program *program, const struct jb_run_options *options,
			       int *error);
/* Readable when jb_step has something to do. */
JB_API int jb_fd(const struct jb_run *run);
/* Handle what is there, waiting up to timeout_ms. 1: go on, 0: the script has ended. */
JB_API int jb_step(struct jb_run *run, int timeout_ms);
/* Detach, run end probes, print maps, free. Returns what the script gave to exit(), else 0, or 1: output was lost. */
JB_API int jb_stop(struct jb_run *run);

/*
 * Several scripts in one process: stepped together, each ending alone. A session owns the runs that were added to it;
 * names are for messages, metrics and jb_session_remove.
 */
JB_API struct jb_session *jb_session_new(FILE *messages);
/*
 * Scripts whose output goes to the same place (one descriptor, or one file, pipe or terminal behind several) share it from
 * here on; the descriptor of the first must stay open as long as any of them runs. 0, or -E2BIG; then the caller keeps
 * the run.
 */
JB_API int jb_session_add(struct jb_session *session, const char *name, struct jb_run *run);
/* A script that could not be started: it shows in /health and in the metrics. */
JB_API void jb_session_add_failed(struct jb_session *session, const char *name, const char *why);
/* Serve /metrics, /health and the page. 0, or -errno after a sentence to the session's messages. */
JB_API int jb_session_listen(struct jb_session *session, const struct jb_listen *listen);
/* The port that is served; 0: none. */
JB_API unsigned jb_session_port(const struct jb_session *session);
/*
 * Stop one script (jb_stop) and give back its exit code; -ENOENT: no such script runs. One that has failed or ended is
 * not shown any more either.
 */
JB_API int jb_session_remove(struct jb_session *session, const char *name);
/*
 * A run in the place of another one of that name, which is stopped when the new one is in: no moment is without either.
 * The old one's exit code; -ENOENT: there was none; -E2BIG: then the caller keeps the run.
 */
JB_API int jb_session_replace(struct jb_session *session, const char *name, struct jb_run *run);
/* `ended` is called for each script that ends by itself, after it was stopped, from within jb_session_step. */
JB_API void jb_session_on_end(struct jb_session *session,
			      void (*ended)(void *arg, const char *name, int code), void *arg);
/* Handle what is there, waiting up to timeout_ms; scripts that are done are stopped. 1: go on, 0: none is left. */
JB_API int jb_session_step(struct jb_session *session, int timeout_ms);
/* Stop what still runs, free. The exit code of the first script that ended with another one than 0. */
JB_API int jb_session_close(struct jb_session *session);

/* May this process trace? 0, or -EPERM after a sentence to `messages`. */
JB_API int jb_check_privileges(FILE *messages);
/*
 * "provider:glob", or a glob over all providers, or "struct x". pid: files are named as with -p; 0: none. verbose: with
 * arguments. Number of lines, or -errno.
 */
JB_API long jb_list(const char *pattern, int pid, bool verbose, FILE *out, FILE *messages);
/* What this machine supports, and what is used instead of what is missing. */
JB_API void jb_info(bool json, FILE *out);
JB_API void jb_help_builtins(FILE *out);
/* The same tables as subsections of a man page. */
JB_API void jb_help_roff(FILE *out);
/*
 * The command `report`: what recordings of the formats csv and json add up to. argv[0] is "report", the rest is as in
 * `jbtrace report --help`; the report goes to standard output, messages to stderr. An exit code.
 */
JB_API int jb_report(int argc, char **argv);
/* Is there such an output format? */
JB_API bool jb_has_format(const char *name);

/*
 * A mistake in a text that is no script, in the form of those in scripts: name:line:column, the line, a mark under the
 * bytes from begin to end. `hint` may be NULL.
 */
JB_API void jb_tell_mistake(const struct jb_source *source, size_t begin, size_t end, FILE *out,
			    const char *hint, const char *text);
/* Which of the words is meant by one that is none of them; NULL: none is near. */
JB_API const char *jb_nearest(const char *word, const char *const *words, size_t n);

/* The scripts inside the program. NULL: no such name; then *nearest is one that resembles it, or NULL. */
JB_API const char *jb_bundled(const char *name, size_t *len, const char **nearest);

#ifdef __cplusplus
}
#endif

#endif
