/*
 * What becomes of a configuration: jobs, log, port. What the command line says comes before what the file says; what a
 * script says for itself before what is said for all.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/config_rows.h"
#include "cli/service.h"

static const char *pick(const char *first, const char *second)
{
	return first ? first : second;
}

static bool pick_switch(config_switch first, config_switch second, bool fallback)
{
	return first >= 0 ? first : second >= 0 ? second : fallback;
}

/* Times and sizes were checked when they were read; NULL is 0. */
static uint64_t time_of(const char *text)
{
	uint64_t ns = 0;

	return text && parse_time(text, &ns) ? ns : 0;
}

static uint64_t size_of(const char *text)
{
	uint64_t bytes = 0;

	return text && parse_size(text, &bytes) ? bytes : 0;
}

/* --- output --- */

static void set_files(struct jb_files *files, const struct config_output *own,
		      const struct config_output *all)
{
	files->delimiter = *pick(pick(own->delimiter, all->delimiter), "");
	files->no_header = !pick_switch(own->header, all->header, true);
	files->daily = pick_switch(own->rotation->daily, all->rotation->daily, false);
	files->max_bytes = size_of(pick(own->rotation->size, all->rotation->size));
	files->max_age_ns = time_of(pick(own->retention->age, all->retention->age));
	files->max_total_bytes = size_of(pick(own->retention->size, all->retention->size));
	files->gzip = pick_switch(own->gzip, all->gzip, false);
}

/* A file or a folder, as the words of the job say. */
static void set_place(struct job *job, const char *file, const char *folder)
{
	if (file && is_folder(file)) {
		folder = file;
		file = NULL;
	}
	if (folder) {
		/* With a slash at its end it is made when it is not there. */
		char *made;

		if (asprintf(&made, "%s/", folder) < 0)
			abort();
		job->run.folder = job_keep(job, made);
		free(made);
	}
	job->output = job_keep(job, file);
	if (job->output && is_replaced(job->output, job->run.format))
		job->run.file = job->output;
}

static void set_output(struct job *job, const struct cli *cli, const struct config_output *own,
		       const struct config_output *all)
{
	const struct config_output *place = own->file || own->folder ? own : all;

	if (!cli->run.format)
		job->run.format = job_keep(job, pick(own->format, all->format));
	set_files(&job->run.files, own, all);
	if (cli->output)
		set_place(job, cli->output, NULL);
	else
		set_place(job, place->file, place->folder);
	if (!job->run.folder) {
		struct jb_files none = { .delimiter = job->run.files.delimiter,
					 .no_header = job->run.files.no_header };

		job->run.files = none;
	}
	if (cli->output && job->run.folder)
		job->run.files = cli->run.files;
}

/* --- filters --- */

static const struct config_row *filter_rows(void)
{
	const struct config_row *row = config_rows;

	while (strcmp(row->key, "filters"))
		row++;
	return row->rows;
}

/* The command line has filters of this kind: those of the file do not count. */
static bool is_overridden(const struct cli *cli, const struct config_row *row)
{
	for (unsigned i = 0; i < cli->compile.n_filters; i++)
		if (cli->compile.filters[i].kind == (enum jb_filter_kind)(row->filter - 1) &&
		    cli->compile.filters[i].negated == row->negated)
			return true;
	return row->filter == 1 + JB_FILTER_PID && !row->negated && cli->compile.pid;
}

static void give_filter(struct job *job, struct jb_filter filter)
{
	unsigned n = job->compile.n_filters;

	job->filters = realloc(job->filters, (n + 1) * sizeof(*job->filters));
	if (!job->filters)
		abort();
	job->filters[n] = filter;
	job->compile.filters = job->filters;
	job->compile.n_filters = n + 1;
}

static const struct config_texts *texts_of(const struct config_filters *filters,
					   const struct config_row *row)
{
	return (const struct config_texts *)(const void *)((const char *)filters + row->offset);
}

static void set_filters(struct job *job, const struct cli *cli, const struct config_filters *own,
			const struct config_filters *all)
{
	job->compile.filters = NULL;
	job->compile.n_filters = 0;
	for (unsigned i = 0; i < cli->compile.n_filters; i++)
		give_filter(job, cli->compile.filters[i]);
	for (const struct config_row *row = filter_rows(); row->key; row++) {
		const struct config_texts *texts;

		if (!row->filter || is_overridden(cli, row))
			continue;
		texts = texts_of(own, row)->given ? texts_of(own, row) : texts_of(all, row);
		for (unsigned i = 0; i < texts->n; i++)
			give_filter(job, (struct jb_filter){
						 .kind = (enum jb_filter_kind)(row->filter - 1),
						 .negated = row->negated,
						 .value = job_keep(job, texts->list[i]) });
	}
	if (!cli->compile.follow)
		job->compile.follow = pick_switch(own->follow, all->follow, false);
}

/* --- scripts --- */

static void give_params(struct job *job, const struct config_map *params, bool if_declared)
{
	for (unsigned i = 0; i < params->n; i++) {
		const char *name = params->names[i], *value = params->values[i];
		char *word;

		if (!value) /* a mistake stands there */
			continue;
		if (if_declared && !job_declares(job, name, strlen(name)))
			continue;
		if (asprintf(&word, "%s=%s", name, value) < 0)
			abort();
		job_give_option(job, job_keep(job, word));
		free(word);
	}
}

static bool is_among(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* The job has failed when the script does not know one of its own parameters. */
static void check_params(struct job *job, const struct config_values *config,
			 const struct config_map *params, FILE *messages)
{
	size_t n;
	const char **options = params->n ? job_options(job, &n) : NULL;

	for (unsigned i = 0; options && i < params->n; i++) {
		if (is_among(params->names[i], options, n))
			continue;
		config_tell_param(config->origin, job->name, params->names[i], options, n,
				  messages);
		job->state = JOB_FAILED;
		job->code = EXIT_USAGE;
		if (!job->why &&
		    asprintf(&job->why, "it has no parameter '%s'", params->names[i]) < 0)
			abort();
	}
	free(options);
}

static void give_args(struct job *job, const struct config_texts *args)
{
	const char **list;

	if (!args->n)
		return;
	/* An array of pointers as a kept text: it goes with the job. */
	list = calloc(args->n, sizeof(*list));
	job->kept = realloc(job->kept, (job->n_kept + 1) * sizeof(*job->kept));
	if (!list || !job->kept)
		abort();
	job->kept[job->n_kept++] = (char *)list;
	for (unsigned i = 0; i < args->n; i++)
		list[i] = job_keep(job, args->list[i]);
	job->compile.params = list;
	job->compile.n_params = args->n;
}

static void set_settings(struct job *job, const struct cli *cli, const struct config_settings *own,
			 const struct config_settings *all)
{
	give_params(job, &all->params, true);
	give_params(job, &own->params, false);
	if (!cli->compile.unsafe)
		job->compile.unsafe = pick_switch(own->unsafe, all->unsafe, false);
	if (!cli->no_warnings && !cli->warnings)
		job->compile.no_warnings = job->run.no_warnings =
			!pick_switch(own->warnings, all->warnings, true);
	if (!cli->run.verbose)
		job->run.verbose = pick_switch(own->verbose, all->verbose, false);
	if (!cli->run.duration_ns)
		job->run.duration_ns = time_of(pick(own->duration, all->duration));
}

static int read_text(struct job *job, const struct config_script *script, FILE *messages)
{
	FILE *out = prefix_open(job->name, messages);
	int err;

	if (!out)
		abort();
	if (script->program)
		err = text_copy(&job->text, job->name, script->program, strlen(script->program));
	else
		err = text_find(&job->text, script->script ? script->script : job->name, out);
	if (!err)
		err = job_check_text(job, out);
	fclose(out);
	return err;
}

static int add_script(struct jobs *jobs, const struct cli *cli, const struct config_values *config,
		      unsigned i, FILE *messages)
{
	const struct config_script *script = config->scripts.values[i];
	struct job *job = job_new(cli);

	job->name = strdup(config->scripts.names[i]);
	if (!job->name)
		abort();
	job->run.name = job->name;
	if (read_text(job, script, messages)) {
		job->state = JOB_FAILED;
		job->code = EXIT_USAGE;
	} else {
		give_args(job, &script->args);
		set_settings(job, cli, &script->settings, config->defaults);
		set_filters(job, cli, script->filters, config->filters);
		set_output(job, cli, script->output, config->output);
		job->compile.count_hits |= config->has_listen || job_is_prom(job);
		check_params(job, config, &script->settings.params, messages);
	}
	return jobs_add(jobs, job, messages);
}

/* Is it one of -m's? Without -m all are that are enabled. */
static bool is_selected(const struct cli *cli, const struct config_values *config, unsigned i)
{
	const struct config_script *script = config->scripts.values[i];
	const char *name = config->scripts.names[i], *at = cli->scripts;
	size_t len = strlen(name);

	if (!at)
		return script->enabled != 0;
	for (; at; at = strchr(at, ','), at += at != NULL)
		if (strcspn(at, ",") == len && strncmp(at, name, len) == 0)
			return true;
	return false;
}

/* Every name of -m is to be one of the file's. */
static int check_selection(const struct cli *cli, const struct config_values *config,
			   FILE *messages)
{
	const char *near;

	for (const char *at = cli->scripts; at; at = strchr(at, ','), at += at != NULL) {
		size_t len = strcspn(at, ",");
		char name[256];
		bool known = false;

		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		for (unsigned i = 0; i < config->scripts.n; i++)
			known |= strcmp(config->scripts.names[i], name) == 0;
		if (known)
			continue;
		near = jb_nearest(name, config->scripts.names, config->scripts.n);
		complain_to(messages, "-m: the configuration has no script '%s'%s%s%s", name,
			    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
		fputs("its scripts:", messages);
		for (unsigned i = 0; i < config->scripts.n; i++)
			fprintf(messages, "%s %s", i ? "," : "", config->scripts.names[i]);
		fputc('\n', messages);
		return EXIT_USAGE;
	}
	return 0;
}

/* Without a configuration, but as a service: files are appended to, and opened anew after SIGHUP. */
static int setup_words(struct jobs *jobs, const struct cli *cli, FILE *messages)
{
	int err = jobs_from_words(jobs, cli, messages);

	for (size_t i = 0; i < jobs->n && !err; i++)
		set_place(jobs->list[i], cli->output, NULL);
	return err;
}

int setup_jobs(struct jobs *jobs, const struct cli *cli, const struct config_values *config,
	       FILE *messages)
{
	int err;

	if (!config)
		return setup_words(jobs, cli, messages);
	if (cli->program || cli->n_words)
		return complain_to(messages,
				   "--config says which scripts are run, so '%s' is too much",
				   cli->program ? "-e" : *cli->words);
	err = check_selection(cli, config, messages);
	for (unsigned i = 0; !err && i < config->scripts.n; i++)
		if (is_selected(cli, config, i))
			err = add_script(jobs, cli, config, i, messages);
	if (!err && !jobs->n)
		err = complain_to(messages, "all scripts of the configuration are disabled");
	jobs_tell_apart(jobs);
	return err ? err : jobs_share_options(jobs, cli, messages);
}

/* --- the log --- */

struct log_options setup_log(const struct cli *cli, const struct config_values *config)
{
	struct log_options options = { .level = LOG_INFO };

	if (config) {
		const struct config_log *log = config->log;

		if (log->level)
			options.level = (enum log_level)log_find_level(log->level);
		if (log->file)
			options.target = LOG_TO_FILE;
		else if (log->target && strcmp(log->target, "journal") == 0)
			options.target = LOG_TO_JOURNAL;
		else if (log->target && strcmp(log->target, "stderr") == 0)
			options.target = LOG_TO_STDERR;
		options.path = log->file;
		options.daily = log->rotation->daily == 1;
		options.max_bytes = size_of(log->rotation->size);
		options.keep = (unsigned)log->keep;
	}
	if (cli->log_level)
		options.level = (enum log_level)(cli->log_level - 1);
	if (cli->log_file) {
		options.target = LOG_TO_FILE;
		options.path = cli->log_file;
	}
	return options;
}

/* --- the port --- */

int setup_listen(struct cli *cli, const struct config_values *config, struct jb_session *session,
		 FILE *messages)
{
	const struct config_listen *said = config && config->has_listen ? config->listen : NULL;
	struct jb_listen listen = { .sz = sizeof(listen) };
	char password[256] = "";
	int err = 0;

	if (!said || cli->listens)
		return open_listen(cli, session);
	listen.address = said->address;
	listen.port = (unsigned)said->port;
	listen.user = said->auth->user;
	listen.cert_file = said->tls->certificate;
	listen.key_file = said->tls->key;
	listen.max_series = (unsigned)said->max_series;
	listen.expire_ns = time_of(said->expire);
	if (listen.user) {
		err = read_password("listen", said->auth->password_file, password, sizeof(password),
				    messages);
		listen.password = password;
	}
	if (!err && jb_session_listen(session, &listen))
		err = EXIT_USAGE;
	explicit_bzero(password, sizeof(password));
	return err;
}

char *setup_listen_signature(const struct cli *cli, const struct config_values *config)
{
	const struct config_listen *said = config && config->has_listen ? config->listen : NULL;
	char *text;
	int len;

	if (!said || cli->listens)
		len = asprintf(&text, "none");
	else
		len = asprintf(&text, "%s %llu %llu %s %s %s %s %s", pick(said->address, ""),
			       (unsigned long long)said->port, (unsigned long long)said->max_series,
			       pick(said->expire, ""), pick(said->auth->user, ""),
			       pick(said->auth->password_file, ""),
			       pick(said->tls->certificate, ""), pick(said->tls->key, ""));
	if (len < 0)
		abort();
	return text;
}

/* --- --check --- */

static int check_readable(const char *what, const char *path, FILE *messages)
{
	return path && access(path, R_OK)
		       ? complain_to(messages, "%s: cannot read '%s': %m", what, path)
		       : 0;
}

/* The folder that has to be there for a path to be made. */
static int check_folder(const char *what, const char *path, FILE *messages)
{
	const char *slash = path ? strrchr(path, '/') : NULL;
	char folder[4096] = ".";

	if (!path || access(path, W_OK) == 0)
		return 0;
	if (slash)
		snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path),
			 path);
	return access(folder, W_OK)
		       ? complain_to(messages, "%s: cannot write into '%s': %m", what, folder)
		       : 0;
}

static int check_output(const char *what, const struct config_output *output, FILE *messages)
{
	return check_folder(what, output->file, messages) |
	       check_folder(what, output->folder, messages);
}

int setup_check(const struct config_values *config, FILE *messages)
{
	int err = check_output("output", config->output, messages);

	for (unsigned i = 0; i < config->scripts.n; i++) {
		const struct config_script *script = config->scripts.values[i];

		err |= check_output(config->scripts.names[i], script->output, messages);
	}
	err |= check_folder("log", config->log->file, messages);
	err |= check_folder("service", config->service->pid_file, messages);
	err |= check_readable("listen", config->listen->auth->password_file, messages);
	err |= check_readable("listen", config->listen->tls->certificate, messages);
	return err | check_readable("listen", config->listen->tls->key, messages);
}
