#ifndef JB_CLI_JOB_H
#define JB_CLI_JOB_H
/*
 * A job: one script with everything that it is run with. The command line makes one, -m several; what happens to them
 * is in run.c.
 */
#include <stdio.h>

#include "cli/cli.h"

#define JOBS_MAX 64 /* as many as a session takes */

struct text {
	char *name;  /* for messages: the path, the bundled name, "stdin"; heap */
	char *bytes; /* NUL after len bytes; heap */
	size_t len;
};

enum job_state {
	JOB_NEW,
	JOB_RUNNING,
	JOB_FAILED, /* its text could not be read, it does not compile, load or attach */
	JOB_ENDED   /* by itself */
};

struct log_stream;

struct job {
	char *name; /* for messages, files and metrics; heap */
	struct text text;
	const char **named;	   /* options of the script; the array is heap */
	struct jb_filter *filters; /* the array is heap */
	const char *output; /* a file that is appended to; NULL: the command line said where */
	struct jb_options compile;
	struct jb_run_options run;
	FILE *messages;		    /* NULL: stderr; closed with the job */
	struct log_stream *stream;  /* of a service: the same */
	struct jb_program *program; /* from job_compile to job_free */
	enum job_state state;
	int code;	 /* its exit code, when it has failed or ended */
	char *why;	 /* of a service: why it has failed; NULL: not known */
	char *signature; /* of a service: everything that it is run with, in one text */
	char **kept;	 /* texts that live as long as the job; heap */
	size_t n_kept;
};

struct jobs {
	struct job *list[JOBS_MAX];
	size_t n;
};

/* scripts.c */
/* A script by what a user calls it: a path (it has a / or a .) or a bundled name. 0, or EXIT_USAGE after a sentence. */
int text_find(struct text *text, const char *word, FILE *messages);
/* The same, but a file of that name in the current folder comes before a bundled script. */
int text_find_near(struct text *text, const char *word, FILE *messages);
int text_read(struct text *text, const char *path, FILE *messages);
int text_read_stdin(struct text *text, FILE *messages);
int text_copy(struct text *text, const char *name, const char *from, size_t len);
/* What a script is called in files and metrics: without folder and suffix. Heap. */
char *text_short_name(const char *name);
void text_fini(struct text *text);
/* -m list: the bundled scripts, each with the line that its first comment begins with. */
void scripts_list(FILE *out);
/* Their names only, on one line. */
void scripts_print_names(FILE *out);

/* job.c */
/* A job with what the command line says for all of them; not yet in a list. */
struct job *job_new(const struct cli *cli);
/* Is its output an exposition of its maps? */
bool job_is_prom(const struct job *job);
void job_free(struct job *job);
/* A copy that lives as long as the job; NULL of NULL. */
const char *job_keep(struct job *job, const char *text);
/* One more option of the script: "name=value". */
void job_give_option(struct job *job, const char *word);
/* Does the script declare it with getopt()? One that does not compile declares nothing. */
bool job_declares(const struct job *job, const char *name, size_t len);
/*
 * The options that the script declares with getopt(), in an array on the heap, their texts as long as the job. NULL: it does
 * not compile.
 */
const char **job_options(struct job *job, size_t *n);
/* Look at the text: the job's name is made from that of the text unless it has one. 0, or EXIT_USAGE. */
int job_check_text(struct job *job, FILE *messages);
/* NULL: no job has the name, whose length is `len`. */
struct job *jobs_find(const struct jobs *jobs, const char *name, size_t len);
/* Into the list, which owns it then. EXIT_USAGE: there are too many, or two of one name, and the job is gone. */
int jobs_add(struct jobs *jobs, struct job *job, FILE *messages);
/* The jobs of the command line: -e, the words, -m. 0, or the exit code. */
int jobs_from_words(struct jobs *jobs, const struct cli *cli, FILE *messages);
/* Jobs that write to the same place say so in what they write: when it is known where each of them writes. */
void jobs_tell_apart(struct jobs *jobs);
/* The options behind `--` to the jobs that they are for. 0, or the exit code. */
int jobs_share_options(struct jobs *jobs, const struct cli *cli, FILE *messages);
void jobs_fini(struct jobs *jobs);

/* start.c */
/* 0, or the exit code after messages. */
int job_compile(struct job *job);
/* NULL after messages; then *code is the exit code. */
struct jb_run *job_begin(struct job *job, int *code);
FILE *job_messages(const struct job *job);

/* run.c */
/* Everything between the texts and the exit code: compile, show what was asked for, or trace until the end. */
int jobs_run(struct cli *cli, struct jobs *jobs);
/* --check of several: compile and load each, and say how it does, a line each. 0, or the exit code of the first failure. */
int jobs_check(struct jobs *jobs);
/*
 * Several jobs are armed when the last one is: takes the wish to be told away from each of them. true: somebody wants to
 * be told, by jobs_notify.
 */
bool jobs_take_notify(void);
void jobs_notify(void);

/* signals.c */
/* How many requests to stop have come; a second one ends the process at once. */
const volatile int *signals_stops(void);
/* How often SIGUSR1 has come: self probes run then. */
const volatile int *signals_users(void);
/* Not before the run starts: until then there is nothing to take down, and a signal simply ends the process. */
void signals_catch(void);
/* SIGHUP, too. */
void signals_catch_reload(void);
/* Has one come since the last question? */
bool signals_take_reload(void);

/* prefix.c */
/* A stream that writes whole lines to `to`, each behind "NAME: " unless it begins with the name. NULL: no memory. */
FILE *prefix_open(const char *name, FILE *to);

#endif
