/*
 * The jobs that the command line asks for: which scripts, under which names, with which parameters.
 */
#include <stdlib.h>
#include <string.h>

#include "cli/job.h"

static void *or_abort(void *memory)
{
	if (!memory)
		abort();
	return memory;
}

bool job_is_prom(const struct job *job)
{
	return job->run.format && strcmp(job->run.format, "prom") == 0;
}

struct job *job_new(const struct cli *cli)
{
	struct job *job = or_abort(calloc(1, sizeof(*job)));

	job->compile = cli->compile;
	job->run = cli->run;
	job->compile.sz = sizeof(job->compile);
	job->compile.no_warnings = cli->no_warnings;
	job->compile.count_hits = cli->listens || job_is_prom(job);
	job->run.sz = sizeof(job->run);
	job->run.no_warnings = cli->no_warnings;
	return job;
}

void job_free(struct job *job)
{
	jb_program_free(job->program);
	if (job->messages)
		fclose(job->messages);
	text_fini(&job->text);
	for (size_t i = 0; i < job->n_kept; i++)
		free(job->kept[i]);
	free(job->kept);
	free(job->signature);
	free(job->why);
	free(job->filters);
	free(job->named);
	free(job->name);
	free(job);
}

const char *job_keep(struct job *job, const char *text)
{
	char *copy;

	if (!text)
		return NULL;
	copy = or_abort(strdup(text));
	job->kept = or_abort(realloc(job->kept, (job->n_kept + 1) * sizeof(*job->kept)));
	job->kept[job->n_kept++] = copy;
	return copy;
}

void job_give_option(struct job *job, const char *word)
{
	unsigned n = job->compile.n_named;

	job->named = or_abort(realloc(job->named, (n + 1) * sizeof(*job->named)));
	job->named[n] = word;
	job->compile.named = job->named;
	job->compile.n_named = n + 1;
}

int job_check_text(struct job *job, FILE *messages)
{
	if (strspn(job->text.bytes, " \t\r\n") == job->text.len)
		return complain_to(messages, "the script is empty");
	if (!job->name)
		job->name = or_abort(text_short_name(job->text.name));
	job->run.name = job->name;
	return 0;
}

/* As far as its options are known; NULL: it does not compile, which is not told. */
static struct jb_program *compile_quietly(const struct job *job)
{
	struct jb_source source = { .sz = sizeof(source),
				    .name = job->text.name,
				    .text = job->text.bytes,
				    .len = job->text.len };
	struct jb_options options = job->compile;
	FILE *nowhere = fopen("/dev/null", "we");
	struct jb_program *program;

	options.partial = true;
	options.until = JB_STAGE_PLAN;
	options.n_named = 0;
	program = nowhere ? jb_compile(&source, &options, nowhere) : NULL;
	if (nowhere)
		fclose(nowhere);
	return program;
}

bool job_declares(const struct job *job, const char *name, size_t len)
{
	struct jb_program *program = compile_quietly(job);
	const char *option;
	bool found = false;

	for (unsigned i = 0; program && (option = jb_option_name(program, i)); i++)
		found |= strlen(option) == len && strncmp(option, name, len) == 0;
	jb_program_free(program);
	return found;
}

const char **job_options(struct job *job, size_t *n)
{
	struct jb_program *program = compile_quietly(job);
	const char **options = NULL, *option;

	*n = 0;
	if (!program)
		return NULL;
	options = or_abort(calloc(1, sizeof(*options)));
	for (; (option = jb_option_name(program, (unsigned)*n)); ++*n) {
		options = or_abort(realloc(options, (*n + 1) * sizeof(*options)));
		options[*n] = job_keep(job, option);
	}
	jb_program_free(program);
	return options;
}

/* --- lists --- */

struct job *jobs_find(const struct jobs *jobs, const char *name, size_t len)
{
	for (size_t i = 0; i < jobs->n; i++)
		if (strlen(jobs->list[i]->name) == len &&
		    strncmp(jobs->list[i]->name, name, len) == 0)
			return jobs->list[i];
	return NULL;
}

int jobs_add(struct jobs *jobs, struct job *job, FILE *messages)
{
	int err = 0;

	if (jobs->n == JOBS_MAX)
		err = complain_to(messages, "there are more than %d scripts", JOBS_MAX);
	else if (jobs_find(jobs, job->name, strlen(job->name)))
		err = complain_to(messages, "two scripts are called '%s'", job->name);
	if (err)
		job_free(job);
	else
		jobs->list[jobs->n++] = job;
	return err;
}

void jobs_fini(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->n; i++)
		job_free(jobs->list[i]);
	jobs->n = 0;
}

static bool same_text(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

void jobs_tell_apart(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->n; i++)
		for (size_t j = 0; j < jobs->n; j++) {
			const struct job *a = jobs->list[i], *b = jobs->list[j];

			jobs->list[i]->run.with_script |= a != b &&
							  same_text(a->output, b->output) &&
							  same_text(a->run.folder, b->run.folder);
		}
}

/* --- one script --- */

static int read_single(struct job *job, const struct cli *cli, FILE *messages)
{
	const char *word = cli->n_words ? *cli->words : NULL;

	if (cli->program)
		return text_copy(&job->text, "stdin", cli->program, strlen(cli->program));
	if (strcmp(word, "-"))
		return text_find_near(&job->text, word, messages);
	return text_read_stdin(&job->text, messages);
}

static int add_single(struct jobs *jobs, const struct cli *cli, FILE *messages)
{
	unsigned first = !cli->program, n;
	struct job *job;
	int err;

	if (!cli->program && !cli->n_words) {
		print_usage(messages);
		return EXIT_USAGE;
	}
	n = cli->n_words - first;
	if (n > PARAMS_MAX)
		return complain_to(messages, "more than %d parameters", PARAMS_MAX);
	job = job_new(cli);
	err = read_single(job, cli, messages);
	if (!err)
		err = job_check_text(job, messages);
	if (err) {
		job_free(job);
		return err;
	}
	job->compile.params = (const char *const *)cli->words + first;
	job->compile.n_params = n;
	job->compile.named = cli->named;
	job->compile.n_named = cli->n_named;
	return jobs_add(jobs, job, messages);
}

/* --- -m --- */

static int add_by_name(struct jobs *jobs, const struct cli *cli, const char *word, FILE *messages)
{
	struct job *job = job_new(cli);
	int err = text_find(&job->text, word, messages);

	if (err)
		scripts_print_names(messages);
	else
		err = job_check_text(job, messages);
	if (!err)
		return jobs_add(jobs, job, messages);
	job_free(job);
	return err;
}

/* "script.name=value", or "name=value" when only one of the scripts declares it. */
static int share_option(struct jobs *jobs, const char *word, FILE *messages)
{
	size_t len = strcspn(word, "="), dot = strcspn(word, ".");
	struct job *owner = dot < len ? jobs_find(jobs, word, dot) : NULL;

	if (owner) {
		job_give_option(owner, word + dot + 1);
		return 0;
	}
	for (size_t i = 0; i < jobs->n; i++) {
		struct job *job = jobs->list[i];

		if (!job_declares(job, word, len))
			continue;
		if (owner)
			return complain_to(messages,
					   "both '%s' and '%s' have an option '%.*s'; write "
					   "--%s.%s or --%s.%s",
					   owner->name, job->name, (int)len, word, owner->name,
					   word, job->name, word);
		owner = job;
	}
	if (!owner)
		return complain_to(messages, "none of the scripts has an option '%.*s'", (int)len,
				   word);
	job_give_option(owner, word);
	return 0;
}

int jobs_share_options(struct jobs *jobs, const struct cli *cli, FILE *messages)
{
	int err = 0;

	for (unsigned i = 0; !err && i < cli->n_named; i++)
		err = share_option(jobs, cli->named[i], messages);
	return err;
}

static int add_named(struct jobs *jobs, const struct cli *cli, FILE *messages)
{
	char *names = or_abort(strdup(cli->scripts)), *rest = names, *name;
	int err = 0;

	while (!err && (name = strsep(&rest, ",")))
		err = *name ? add_by_name(jobs, cli, name, messages)
			    : complain_to(messages,
					  "-m wants names with commas between them, not '%s'",
					  cli->scripts);
	free(names);
	return err ? err : jobs_share_options(jobs, cli, messages);
}

int jobs_from_words(struct jobs *jobs, const struct cli *cli, FILE *messages)
{
	if (!cli->scripts)
		return add_single(jobs, cli, messages);
	if (cli->program)
		return complain_to(messages, "-m and -e exclude each other");
	if (cli->n_words)
		return complain_to(
			messages,
			"-m names the scripts, so '%s' is too much; their options follow --",
			*cli->words);
	return add_named(jobs, cli, messages);
}
