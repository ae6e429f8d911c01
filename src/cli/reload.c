/*
 * SIGHUP: the configuration and the scripts are read again. What has not changed runs on and keeps its counts. A script
 * that has changed is armed before its predecessor is stopped, and when that does not work, the predecessor stays. While
 * scripts are compiled, another thread reads the events of those that run.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "cli/service_state.h"

#define PUMP_MS 20

/* --- reading events meanwhile --- */

struct pump {
	struct service *service;
	pthread_t thread;
	bool running;
	atomic_bool stop;
};

static void *read_events(void *arg)
{
	struct pump *state = arg;

	while (!atomic_load(&state->stop)) {
		jb_session_step(state->service->session, PUMP_MS);
		if (state->service->watchdog)
			notify_alive(&state->service->notify);
	}
	return NULL;
}

static void pump_start(struct pump *state, struct service *service)
{
	state->service = service;
	atomic_init(&state->stop, false);
	state->running = pthread_create(&state->thread, NULL, read_events, state) == 0;
}

static void pump_stop(struct pump *state)
{
	atomic_store(&state->stop, true);
	if (state->running)
		pthread_join(state->thread, NULL);
}

/* --- what a job is run with --- */

static void sign_list(FILE *out, const char *const *words, unsigned n)
{
	fprintf(out, "%u\n", n);
	for (unsigned i = 0; i < n; i++)
		fprintf(out, "%zu:%s\n", strlen(words[i]), words[i]);
}

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

static void sign_output(FILE *out, const struct job *job)
{
	const struct jb_files *files = &job->run.files;

	fprintf(out, "%s\n%s\n%s\n", or_empty(job->run.format), or_empty(job->run.folder),
		or_empty(job->output));
	fprintf(out, "%d %llu %llu %llu %d %d %d\n", files->daily,
		(unsigned long long)files->max_bytes, (unsigned long long)files->max_age_ns,
		(unsigned long long)files->max_total_bytes, files->gzip, files->delimiter,
		files->no_header);
}

static char *sign(const struct job *job)
{
	const struct jb_options *compile = &job->compile;
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		abort();
	fprintf(out, "%zu\n%s\n", job->text.len, or_empty(job->text.bytes));
	sign_list(out, compile->params, compile->n_params);
	sign_list(out, compile->named, compile->n_named);
	for (unsigned i = 0; i < compile->n_filters; i++)
		fprintf(out, "%d %d %s\n", compile->filters[i].kind, compile->filters[i].negated,
			compile->filters[i].value);
	fprintf(out, "%d %d %d %d %d %llu\n", compile->pid, compile->follow, compile->unsafe,
		compile->no_warnings, job->run.verbose, (unsigned long long)job->run.duration_ns);
	sign_output(out, job);
	fclose(out);
	return text;
}

void service_sign_jobs(struct jobs *jobs)
{
	for (size_t i = 0; i < jobs->n; i++)
		jobs->list[i]->signature = sign(jobs->list[i]);
}

/* --- from old to new --- */

static size_t index_of(const struct service *service, const struct job *job)
{
	size_t i = 0;

	while (service->jobs.list[i] != job)
		i++;
	return i;
}

static void remove_job(struct service *service, struct job *job)
{
	size_t i = index_of(service, job);

	jb_session_remove(service->session, job->name);
	log_say(service->log, LOG_INFO, job->name,
		"it is not in the configuration any more: stopped");
	service_release_job(service, job);
	job_free(job);
	service->jobs.list[i] = service->jobs.list[--service->jobs.n];
}

static void remove_missing(struct service *service, const struct jobs *fresh)
{
	for (size_t i = service->jobs.n; i-- > 0;) {
		struct job *job = service->jobs.list[i];

		if (!jobs_find(fresh, job->name, strlen(job->name)))
			remove_job(service, job);
	}
}

/* In the place of `old`, or at the end of the list. */
static void put_job(struct service *service, struct job *old, struct job *job)
{
	if (!old) {
		service->jobs.list[service->jobs.n++] = job;
		return;
	}
	service->jobs.list[index_of(service, old)] = job;
	service_release_job(service, old);
	job_free(old);
}

/* Both are armed for a moment, and none is missing in between. */
static int join_session(struct service *service, const struct job *old, const struct job *job,
			struct jb_run *run)
{
	if (old && old->state == JOB_RUNNING)
		return jb_session_replace(service->session, job->name, run);
	return jb_session_add(service->session, job->name, run);
}

static void start_new(struct service *service, struct job *old, struct job *job)
{
	struct jb_run *run = NULL;
	struct pump pumping;

	service_open_stream(service, job);
	if (job->state == JOB_NEW) {
		pump_start(&pumping, service);
		service_start_job(service, job, &run);
		pump_stop(&pumping);
	}
	if (run) {
		join_session(service, old, job, run);
		log_say(service->log, LOG_INFO, job->name,
			old ? "it has changed: started anew" : "it is new: started");
		put_job(service, old, job);
		return;
	}
	if (old && old->state == JOB_RUNNING) {
		log_say(service->log, LOG_ERROR, job->name,
			"it has changed, but could not be started: it runs on as it was");
		job_free(job);
		return;
	}
	service_tell_failed(service, job);
	put_job(service, old, job);
}

/* Ended by itself and well: that is not undone by a reload. */
static bool is_settled(const struct job *job)
{
	return job->state == JOB_RUNNING || (job->state == JOB_ENDED && !job->code);
}

static void take_jobs(struct service *service, struct jobs *fresh)
{
	remove_missing(service, fresh);
	for (size_t i = 0; i < fresh->n && !*signals_stops(); i++) {
		struct job *job = fresh->list[i];
		struct job *old = jobs_find(&service->jobs, job->name, strlen(job->name));

		fresh->list[i] = NULL;
		notify_alive(&service->notify);
		if (old && is_settled(old) && strcmp(old->signature, job->signature) == 0) {
			log_say(service->log, LOG_DEBUG, job->name, "it has not changed");
			job_free(job);
			continue;
		}
		start_new(service, old, job);
	}
	for (size_t i = 0; i < fresh->n; i++)
		if (fresh->list[i])
			job_free(fresh->list[i]);
}

/* --- reloading --- */

static void check_fixed(struct service *service, const struct config_values *config)
{
	char *listen = setup_listen_signature(service->cli, config);

	if (strcmp(listen, service->listen))
		log_say(service->log, LOG_WARNING, service->name,
			"what is said about 'listen' has changed: that takes effect with a "
			"restart");
	free(listen);
	if (config && config->service->pid_file && !service->cli->pid_file &&
	    (!service->pidfile.path || strcmp(config->service->pid_file, service->pidfile.path)))
		log_say(service->log, LOG_WARNING, service->name,
			"the pid file has changed: that takes effect with a restart");
}

static bool reads_stdin(const struct cli *cli)
{
	return !cli->config && !cli->scripts && cli->n_words && strcmp(*cli->words, "-") == 0;
}

/* false, after a message: everything is as it was. */
static bool reload(struct service *service)
{
	const struct config_values *values = NULL;
	struct config *config = NULL;
	struct jobs fresh = { 0 };
	int err;

	if (service->cli->config) {
		config = config_load(service->cli->config, service->messages);
		if (!config)
			return false;
		values = config_values(config);
	}
	err = reads_stdin(service->cli)
		      ? 0
		      : setup_jobs(&fresh, service->cli, values, service->messages);
	fflush(service->messages);
	if (!err) {
		service_configure(service, values);
		sinks_reopen(&service->sinks, service->messages);
		check_fixed(service, values);
		service_sign_jobs(&fresh);
		if (fresh.n)
			take_jobs(service, &fresh);
	} else {
		jobs_fini(&fresh);
	}
	config_free(config);
	return !err;
}

void service_reload(struct service *service)
{
	notify_reloading(&service->notify);
	log_reopen(service->log);
	log_say(service->log, LOG_INFO, service->name, "reading the configuration again");
	if (!reload(service))
		log_say(service->log, LOG_ERROR, service->name,
			"the configuration cannot be used: everything runs on as it was");
	fflush(service->messages);
	service_tell_ready(service);
}

void service_try_again(struct service *service, struct job *job)
{
	struct pump pumping;
	struct jb_run *run;

	pump_start(&pumping, service);
	service_start_job(service, job, &run);
	pump_stop(&pumping);
	if (!run) {
		service_tell_failed(service, job);
		return;
	}
	jb_session_add(service->session, job->name, run);
	log_say(service->log, LOG_INFO, job->name, "it runs now");
	service_tell_ready(service);
}
