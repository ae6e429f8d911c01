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

struct job {
	char *name; /* for messages, files and metrics; heap */
	struct text text;
	const char *
		*named; /* options of the script; the array is heap, the words are the caller's */
	struct jb_options compile;
	struct jb_run_options run;
	FILE *messages;		    /* NULL: stderr */
	struct jb_program *program; /* from job_compile to job_fini */
};

struct jobs {
	struct job list[JOBS_MAX];
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
char *text_short_name(const struct text *text);
void text_fini(struct text *text);
/* -m list: the bundled scripts, each with the line that its first comment begins with. */
void scripts_list(FILE *out);
/* Their names only, on one line. */
void scripts_print_names(FILE *out);

/* job.c */
/* The next job of the list, with what the command line says for all of them. NULL: there are too many. */
struct job *jobs_add(struct jobs *jobs, const struct cli *cli);
/* The job of -e, or of the first word, which is then taken away from the parameters. 0, or the exit code. */
int jobs_add_single(struct jobs *jobs, struct cli *cli, int *argc, char ***argv);
/* The jobs of -m a,b,c and the options behind `--`, which are shared out among them. 0, or the exit code. */
int jobs_add_named(struct jobs *jobs, struct cli *cli);
void jobs_fini(struct jobs *jobs);

/* run.c */
/* Everything between the texts and the exit code: compile, show what was asked for, or trace until the end. */
int jobs_run(struct cli *cli, struct jobs *jobs);

/* prefix.c */
/* A stream that writes whole lines to `to`, each behind "NAME: " unless it begins with the name. NULL: no memory. */
FILE *prefix_open(const char *name, FILE *to);

#endif
