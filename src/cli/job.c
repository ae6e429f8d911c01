/*
 * The jobs that the command line asks for: which scripts, under which names, with which parameters.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/job.h"

struct job *jobs_add(struct jobs *jobs, const struct cli *cli)
{
	struct job *job = &jobs->list[jobs->n];

	if (jobs->n == JOBS_MAX)
		return NULL;
	*job = (struct job){ .compile = cli->compile, .run = cli->run };
	job->compile.sz = sizeof(job->compile);
	job->compile.no_warnings = cli->no_warnings;
	job->run.sz = sizeof(job->run);
	job->run.no_warnings = cli->no_warnings;
	jobs->n++;
	return job;
}

static void job_fini(struct job *job)
{
	jb_program_free(job->program);
	if (job->messages)
		fclose(job->messages);
	text_fini(&job->text);
	free(job->named);
	free(job->name);
}

void jobs_fini(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->n; i++)
		job_fini(&jobs->list[i]);
	jobs->n = 0;
}

static int name_job(struct job *job)
{
	if (strspn(job->text.bytes, " \t\r\n") == job->text.len)
		return complain("the script is empty");
	job->name = text_short_name(&job->text);
	job->run.name = job->name;
	return job->name ? 0 : complain("out of memory");
}

int jobs_add_single(struct jobs *jobs, struct cli *cli, int *argc, char ***argv)
{
	struct job *job = jobs_add(jobs, cli);
	const char *word;
	int err;

	if (cli->program) {
		err = text_copy(&job->text, "stdin", cli->program, strlen(cli->program));
	} else if (!*argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	} else {
		word = *(*argv)++;
		(*argc)--;
		err = strcmp(word, "-") == 0 ? text_read_stdin(&job->text, stderr)
					     : text_find_near(&job->text, word, stderr);
	}
	if (err)
		return err;
	if (*argc > PARAMS_MAX)
		return complain("more than %d parameters", PARAMS_MAX);
	job->compile.params = (const char *const *)*argv;
	job->compile.n_params = (unsigned)*argc;
	job->compile.named = cli->named;
	job->compile.n_named = cli->n_named;
	return name_job(job);
}

/* --- -m --- */

static struct job *find_job(struct jobs *jobs, const char *name, size_t len)
{
	for (size_t i = 0; i < jobs->n; i++)
		if (strlen(jobs->list[i].name) == len &&
		    strncmp(jobs->list[i].name, name, len) == 0)
			return &jobs->list[i];
	return NULL;
}

static int add_by_name(struct jobs *jobs, const struct cli *cli, const char *word)
{
	struct job *job = jobs_add(jobs, cli), *same;
	char *name;

	if (!job)
		return complain("-m: more than %d scripts", JOBS_MAX);
	if (text_find(&job->text, word, stderr)) {
		jobs->n--;
		text_fini(&job->text);
		scripts_print_names(stderr);
		return EXIT_USAGE;
	}
	name = text_short_name(&job->text);
	jobs->n--;
	same = name ? find_job(jobs, name, strlen(name)) : NULL;
	jobs->n++;
	free(name);
	if (same)
		return complain("-m: two scripts are called '%s'", same->name);
	return name_job(job);
}

/* What the script declares with getopt(); one that does not compile has nothing, and is told about when it is run. */
static bool declares(struct job *job, const char *name, size_t len)
{
	struct jb_source source = { .sz = sizeof(source),
				    .name = job->text.name,
				    .text = job->text.bytes,
				    .len = job->text.len };
	struct jb_options options = job->compile;
	FILE *nowhere = fopen("/dev/null", "we");
	struct jb_program *program;
	const char *option;
	bool found = false;

	options.partial = true;
	options.until = JB_STAGE_PLAN;
	program = nowhere ? jb_compile(&source, &options, nowhere) : NULL;
	for (unsigned i = 0; program && (option = jb_option_name(program, i)); i++)
		found |= strlen(option) == len && strncmp(option, name, len) == 0;
	jb_program_free(program);
	if (nowhere)
		fclose(nowhere);
	return found;
}

static int give_option(struct job *job, const char *word)
{
	unsigned n = job->compile.n_named;
	const char **more = realloc(job->named, (n + 1) * sizeof(*more));

	if (!more)
		return complain("out of memory");
	more[n] = word;
	job->named = more;
	job->compile.named = more;
	job->compile.n_named = n + 1;
	return 0;
}

/* "script.name=value", or "name=value" when only one of the scripts declares it. */
static int share_option(struct jobs *jobs, const char *word)
{
	size_t len = strcspn(word, "="), dot = strcspn(word, ".");
	struct job *owner = dot < len ? find_job(jobs, word, dot) : NULL;

	if (owner)
		return give_option(owner, word + dot + 1);
	for (size_t i = 0; i < jobs->n; i++) {
		if (!declares(&jobs->list[i], word, len))
			continue;
		if (owner)
			return complain("both '%s' and '%s' have an option '%.*s'; write --%s.%s "
					"or --%s.%s",
					owner->name, jobs->list[i].name, (int)len, word,
					owner->name, word, jobs->list[i].name, word);
		owner = &jobs->list[i];
	}
	if (!owner)
		return complain("none of the scripts has an option '%.*s'", (int)len, word);
	return give_option(owner, word);
}

int jobs_add_named(struct jobs *jobs, struct cli *cli)
{
	char *names = strdup(cli->scripts), *rest = names, *name;
	int err = names ? 0 : complain("out of memory");

	while (!err && (name = strsep(&rest, ",")))
		err = *name ? add_by_name(jobs, cli, name)
			    : complain("-m wants names with commas between them, not '%s'",
				       cli->scripts);
	for (unsigned i = 0; !err && i < cli->n_named; i++)
		err = share_option(jobs, cli->named[i]);
	for (size_t i = 0; !err && jobs->n > 1 && i < jobs->n; i++) {
		struct job *job = &jobs->list[i];

		job->messages = prefix_open(job->name, stderr);
		job->run.messages = job->messages;
		err = job->messages ? 0 : complain("out of memory");
	}
	free(names);
	return err;
}
