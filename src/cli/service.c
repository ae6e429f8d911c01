/*
 * The life of a service: configuration, log, pid file, scripts; then reading events until a signal, with a reload for
 * each SIGHUP (reload.c).
 */
#include "cli/service.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/service_state.h"

#define STEP_MS	 100
#define STOP_MS	 60000
#define NS_PER_S 1000000000ull

/* --- what is said --- */

static size_t count_state(const struct service *service, enum job_state state)
{
	size_t n = 0;

	for (size_t i = 0; i < service->jobs.n; i++)
		n += service->jobs.list[i]->state == state;
	return n;
}

void service_tell_ready(const struct service *service)
{
	size_t n = count_state(service, JOB_RUNNING);

	if (n == service->jobs.n)
		notify_send(&service->notify, "READY=1\nSTATUS=%s: %zu script%s run%s",
			    service->name, n, n == 1 ? "" : "s", n == 1 ? "s" : "");
	else
		notify_send(&service->notify, "READY=1\nSTATUS=%s: %zu of %zu scripts run",
			    service->name, n, service->jobs.n);
}

/* --- starting --- */

static void set_service(struct service *service, const struct config_values *config)
{
	const struct config_service *said = config ? config->service : NULL;
	uint64_t ns = 0;

	free(service->name);
	service->name = strdup(said && said->name ? said->name : "jbtrace");
	if (!service->name)
		abort();
	if (said && said->retry)
		parse_time(said->retry, &ns);
	service->retry_ns = ns;
	service->keep_running = said && said->keep_running == 1;
	service->watchdog = !said || said->watchdog != 0;
}

void service_configure(struct service *service, const struct config_values *config)
{
	struct log_options options = setup_log(service->cli, config);

	set_service(service, config);
	if (service->log)
		log_change(service->log, &options);
	else
		service->log = log_open(&options);
}

/* Before the log is opened, which is the other daemon's if there is one. */
static int take_pidfile(struct service *service, const struct config_values *config)
{
	const struct cli *cli = service->cli;
	const char *path = cli->pid_file;
	pid_t holder = 0;
	int err;

	if (!path && config)
		path = config->service->pid_file;
	if (!path && cli->daemonize)
		path = PID_FILE;
	if (!path)
		return 0;
	err = pidfile_take(&service->pidfile, path, &holder);
	if (!err)
		err = pidfile_write(&service->pidfile);
	if (!err)
		return 0;
	if (err == -EBUSY && holder)
		return complain(
			"process %ld runs with the pid file '%s' already; --daemon-stop ends it",
			(long)holder, path);
	if (err == -EBUSY)
		return complain("the pid file '%s' is locked already", path);
	return complain("cannot make the pid file '%s': %s", path, strerror(-err));
}

/* Within jb_session_step, maybe in another thread (reload.c): the job's own fields and the log, nothing else. */
static void on_end(void *arg, const char *name, int code)
{
	struct service *service = arg;
	struct job *job = jobs_find(&service->jobs, name, strlen(name));

	log_say(service->log, code ? LOG_WARNING : LOG_INFO, name, "it has ended, with code %d",
		code);
	if (!job)
		return;
	job->state = JOB_ENDED;
	job->code = code;
}

void service_release_job(struct service *service, struct job *job)
{
	sink_close(&service->sinks, job);
	job->run.out_fd = 0;
	jb_program_free(job->program);
	job->program = NULL;
}

static void release_ended(struct service *service)
{
	for (size_t i = 0; i < service->jobs.n; i++)
		if (service->jobs.list[i]->state == JOB_ENDED && service->jobs.list[i]->program)
			service_release_job(service, service->jobs.list[i]);
}

int service_start_job(struct service *service, struct job *job, struct jb_run **run)
{
	int code = 0;

	*run = NULL;
	log_stream_hold(job->stream);
	code = job_compile(job);
	if (!code)
		code = sink_open(&service->sinks, job);
	if (!code)
		*run = job_begin(job, &code);
	job->code = code;
	job->state = *run ? JOB_RUNNING : JOB_FAILED;
	if (!*run) {
		service_release_job(service, job);
		free(job->why);
		job->why = log_stream_error(job->stream);
	}
	log_stream_release(job->stream, !*run);
	return code;
}

void service_open_stream(struct service *service, struct job *job)
{
	job->stream = log_stream_open(service->log, job->name);
	job->messages = log_stream_file(job->stream);
	job->run.messages = job->messages;
	job->run.child_go_fd = -1;
}

/* A failure that is nothing but an interruption is none. */
void service_tell_failed(struct service *service, struct job *job)
{
	if (*signals_stops())
		return;
	jb_session_add_failed(service->session, job->name,
			      job->why ? job->why : "it could not be started");
}

static void start_jobs(struct service *service)
{
	for (size_t i = 0; i < service->jobs.n && !*signals_stops(); i++) {
		struct job *job = service->jobs.list[i];
		struct jb_run *run = NULL;

		notify_alive(&service->notify);
		service_open_stream(service, job);
		if (job->state == JOB_NEW)
			service_start_job(service, job, &run);
		if (job->state != JOB_RUNNING)
			service_tell_failed(service, job);
		else if (jb_session_add(service->session, job->name, run))
			job->state = JOB_FAILED;
	}
}

/* --- the loop --- */

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

/* Scripts that could not be started are tried again; what is said is new or not said. */
static void retry_failed(struct service *service)
{
	uint64_t now = service->retry_ns ? now_ns() : 0;

	if (!service->retry_ns || now < service->next_retry_ns)
		return;
	service->next_retry_ns = now + service->retry_ns;
	for (size_t i = 0; i < service->jobs.n; i++) {
		struct job *job = service->jobs.list[i];

		if (job->state == JOB_FAILED && job->text.bytes)
			service_try_again(service, job);
	}
}

/* The exit code, or -1: go on. */
static int all_over(struct service *service)
{
	int code = 0;

	if (count_state(service, JOB_RUNNING) ||
	    (service->keep_running && jb_session_port(service->session)) ||
	    (service->retry_ns && count_state(service, JOB_FAILED)))
		return -1;
	for (size_t i = 0; i < service->jobs.n && !code; i++)
		code = service->jobs.list[i]->code;
	log_say(service->log, code ? LOG_ERROR : LOG_INFO, service->name,
		"no script runs any more");
	return code & 0xff;
}

static int loop(struct service *service)
{
	while (!*signals_stops()) {
		int code = all_over(service);

		if (code >= 0)
			return code;
		jb_session_step(service->session, STEP_MS);
		release_ended(service);
		if (service->watchdog)
			notify_alive(&service->notify);
		if (signals_take_reload())
			service_reload(service);
		retry_failed(service);
	}
	log_say(service->log, LOG_INFO, service->name, "ending");
	return 0;
}

/* --- from begin to end --- */

/* A daemon has no terminal: records without a place are told once, while the one who started it still listens. */
static void tell_unseen(struct service *service)
{
	if (daemon_keeps_output(service->report) || jb_session_port(service->session))
		return;
	for (size_t i = 0; i < service->jobs.n; i++) {
		const struct job *job = service->jobs.list[i];

		if (job->state == JOB_RUNNING && !job->run.folder && !job->output)
			log_say(service->log, LOG_WARNING, job->name,
				"what it prints goes nowhere: give -o FILE, -o FOLDER/ or "
				"--listen");
	}
}

static void armed(struct service *service, bool notify)
{
	size_t n = count_state(service, JOB_RUNNING);

	child_release(service->cli);
	log_say(service->log, LOG_INFO, service->name, "started: %zu of %zu script%s run%s", n,
		service->jobs.n, service->jobs.n == 1 ? "" : "s", n == 1 ? "s" : "");
	service_tell_ready(service);
	if (notify)
		jobs_notify();
	tell_unseen(service);
	log_set_echo(service->log, false);
	daemon_report(service->report, 0);
	service->report = -1;
}

static int start_command(struct service *service)
{
	struct cli *cli = service->cli;
	int err = cli->command ? child_start(cli) : 0;

	for (size_t i = 0; i < service->jobs.n && cli->command; i++)
		service->jobs.list[i]->compile.child = cli->compile.child;
	return err;
}

/* Everything up to the first event. 0, or the exit code. */
static int start(struct service *service, const struct config_values *config)
{
	int err = setup_jobs(&service->jobs, service->cli, config, service->messages);

	if (!err)
		err = start_command(service);
	if (err)
		return err;
	signals_catch();
	signals_catch_reload();
	service->session = jb_session_new(service->messages);
	jb_session_on_end(service->session, on_end, service);
	err = setup_listen(service->cli, config, service->session, service->messages);
	if (err)
		return err;
	service->listen = setup_listen_signature(service->cli, config);
	service_sign_jobs(&service->jobs);
	start_jobs(service);
	return 0;
}

static void finish(struct service *service)
{
	notify_send(&service->notify, "STOPPING=1");
	if (service->session)
		jb_session_close(service->session);
	child_end(service->cli);
	jobs_fini(&service->jobs);
	sinks_close(&service->sinks);
	pidfile_drop(&service->pidfile);
	notify_close(&service->notify);
	fclose(service->messages);
	log_close(service->log);
	free(service->listen);
	free(service->name);
}

static int run(struct service *service, struct config *config)
{
	const struct config_values *values = config ? config_values(config) : NULL;
	bool notify = jobs_take_notify();
	int code = take_pidfile(service, values);

	if (code) {
		config_free(config);
		daemon_report(service->report, code);
		return code;
	}
	service_configure(service, values);
	service->messages = log_stream_file(log_stream_open(service->log, NULL));
	log_set_echo(service->log, service->report >= 0);
	notify_open(&service->notify);
	code = start(service, values);
	config_free(config);
	if (!code && !*signals_stops()) {
		code = all_over(service);
		if (code < 0) {
			armed(service, notify);
			code = loop(service);
		}
	}
	finish(service);
	daemon_report(service->report, code);
	return code;
}

/* --check: one line for each script. */
static int check_scripts(struct cli *cli, const struct config_values *config)
{
	struct jobs jobs = { 0 };
	int err = setup_jobs(&jobs, cli, config, stderr), missing = 0;

	if (!err && config) {
		missing = setup_check(config, stderr);
		for (unsigned i = 0; i < config->scripts.n && !cli->scripts; i++)
			if (!jobs_find(&jobs, config->scripts.names[i],
				       strlen(config->scripts.names[i])))
				printf("%s: disabled\n", config->scripts.names[i]);
	}
	if (!err)
		err = jobs_check(&jobs);
	jobs_fini(&jobs);
	return err ? err : missing;
}

/* Mistakes in the configuration do not hide those in scripts. */
static int check(struct cli *cli)
{
	unsigned n_mistakes = 0;
	struct config *config =
		cli->config ? config_load_all(cli->config, stderr, &n_mistakes) : NULL;
	const struct config_values *values = config ? config_values(config) : NULL;
	int err = 0;

	if ((values && (values->scripts.n || !n_mistakes)) || !cli->config)
		err = check_scripts(cli, values);
	config_free(config);
	return err ? err : n_mistakes ? EXIT_USAGE : 0;
}

int service_run(struct cli *cli)
{
	struct service service = { .cli = cli, .report = -1, .pidfile.fd = -1, .notify.fd = -1 };
	struct config *config = NULL;
	char full[PATH_MAX];
	int code;

	if (cli->config && realpath(cli->config, full))
		cli->config = full;
	if (cli->config && !cli->run.check_only && !(config = config_load(cli->config, stderr)))
		return EXIT_USAGE;
	if (cli->compile.partial || cli->run.dry_run)
		code = complain("--config and --daemon run scripts; they take neither --dump, -l "
				"nor --dry-run");
	else if (jb_check_privileges(stderr))
		code = EXIT_USAGE;
	else if (cli->run.check_only)
		code = check(cli);
	else if (!cli->daemonize || (code = daemon_fork(&service.report)) < 0)
		return run(&service, config);
	config_free(config);
	return code;
}

/* --- --daemon-status, --daemon-stop --- */

static const char *asked_pidfile(const struct cli *cli, struct config **config)
{
	*config = NULL;
	if (cli->pid_file)
		return cli->pid_file;
	if (!cli->config)
		return PID_FILE;
	*config = config_load(cli->config, stderr);
	if (!*config)
		return NULL;
	return config_values(*config)->service->pid_file ? config_values(*config)->service->pid_file
							 : PID_FILE;
}

static int ask_status(const char *path)
{
	pid_t pid = pidfile_holder(path);

	if (pid > 0)
		printf("running (PID: %ld)\n", (long)pid);
	else if (pid == -EBUSY)
		printf("starting (the pid file '%s' has no number yet)\n", path);
	else if (!pid)
		printf("not running\n");
	else
		return complain("cannot read the pid file '%s': %s", path, strerror(-(int)pid));
	return pid > 0 ? 0 : EXIT_USAGE;
}

static int ask_stop(const char *path)
{
	pid_t holder, pid = pidfile_stop(path, STOP_MS, &holder);

	if (pid > 0)
		printf("stopped (PID: %ld)\n", (long)pid);
	else if (!pid)
		printf("not running\n");
	else if (pid == -ETIMEDOUT)
		return complain("process %ld was asked to end, and has not within %d seconds",
				(long)holder, STOP_MS / 1000);
	else
		return complain("cannot stop the daemon of the pid file '%s': %s", path,
				strerror(-(int)pid));
	return pid > 0 ? 0 : EXIT_USAGE;
}

int service_ask(const struct cli *cli)
{
	struct config *config;
	const char *path = asked_pidfile(cli, &config);
	int code;

	if (!path)
		return EXIT_USAGE;
	code = cli->mode == MODE_DAEMON_STATUS ? ask_status(path) : ask_stop(path);
	config_free(config);
	return code;
}
