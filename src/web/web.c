/* What serves, as the run thread sees it: which scripts there are, and its turn of the work. */
#include "web/web.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "web/history.h"
#include "web/internal.h"
#include "web/state.h"

int64_t web_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

/* --- opening --- */

int web_open(struct web **made, const struct web_options *options)
{
	struct web *web = mem_alloc(sizeof(*web));
	int err = 0;

	memset(web, 0, sizeof(*web));
	web->start_ns = web_now_ns();
	web->messages = options->messages;
	web->arena = arena_new();
	web->server.poll_fd = -1;
	pthread_mutex_init(&web->lock, NULL);
	web->run_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	web->http_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	web->exporter = exporter_new(&options->export);
	if (web->run_fd < 0 || web->http_fd < 0) {
		err = -errno;
		fprintf(options->messages, "jbtrace: error: --listen: %s\n", strerror(-err));
	} else {
		err = server_start(web, options);
	}
	if (err) {
		web_close(web);
		web = NULL;
	}
	*made = web;
	return err;
}

static void script_free(struct web *web, struct web_script *script)
{
	for (size_t i = 0; i < script->n_maps; i++) {
		history_free(web, script->maps[i].history);
		state_map_fini(&script->maps[i]);
	}
	free(script->maps);
	free(script->name);
	free(script);
}

void web_close(struct web *web)
{
	if (!web)
		return;
	server_stop(web);
	for (unsigned i = 0; i < web->n_scripts; i++) {
		if (web->scripts[i]->run) {
			run_watch_prints(web->scripts[i]->run, NULL, NULL);
			exporter_remove(web->exporter, web->scripts[i]->run);
		}
		script_free(web, web->scripts[i]);
	}
	for (unsigned kind = 0; kind < CONTENT_KINDS; kind++)
		for (unsigned i = 0; i < CONTENTS_MAX; i++) {
			buf_fini(&web->contents[kind][i].text);
			buf_fini(&web->contents[kind][i].gzip);
		}
	exporter_free(web->exporter);
	arena_free(web->arena);
	pthread_mutex_destroy(&web->lock);
	if (web->run_fd >= 0)
		close(web->run_fd);
	if (web->http_fd >= 0)
		close(web->http_fd);
	free(web);
}

unsigned web_port(const struct web *web)
{
	return web->server.sockets.port;
}

int web_fd(const struct web *web)
{
	return web->run_fd;
}

/* --- scripts --- */

static void take_out(struct web *web, unsigned index)
{
	script_free(web, web->scripts[index]);
	web->n_scripts--;
	memmove(&web->scripts[index], &web->scripts[index + 1],
		(web->n_scripts - index) * sizeof(*web->scripts));
}

/* Those that do not run any more: the one of this name; with NULL the oldest. */
static void forget_ended(struct web *web, const char *name)
{
	for (unsigned i = 0; i < web->n_scripts; i++) {
		if (web->scripts[i]->run || (name && strcmp(web->scripts[i]->name, name)))
			continue;
		take_out(web, i);
		return;
	}
}

static struct web_script *new_script(struct web *web, const char *name)
{
	struct web_script *script = mem_alloc(sizeof(*script));

	forget_ended(web, name);
	if (web->n_scripts == SCRIPTS_SHOWN)
		forget_ended(web, NULL); /* there is one: RUNS_MAX run at most */
	memset(script, 0, sizeof(*script));
	script->id = ++web->next_id;
	script->name = mem_strdup(name);
	snprintf(script->health.name, sizeof(script->health.name), "%s", name);
	web->scripts[web->n_scripts++] = script;
	return script;
}

void web_add(struct web *web, const char *name, struct run *run)
{
	const struct plan *plan = run_plan(run);
	struct web_script *script = new_script(web, name);

	script->run = run;
	script->health.state = SCRIPT_RUNNING;
	script->n_maps = plan->maps.n;
	script->maps = mem_alloc((plan->maps.n + 1) * sizeof(*script->maps));
	memset(script->maps, 0, (plan->maps.n + 1) * sizeof(*script->maps));
	for (size_t i = 0; i < plan->maps.n; i++)
		script->maps[i].plan = plan->maps.data[i];
	exporter_add(web->exporter, name, run);
	state_watch(web, script);
}

void web_add_failed(struct web *web, const char *name, const char *why)
{
	struct web_script *script = new_script(web, name);

	script->health.state = SCRIPT_FAILED;
	snprintf(script->health.why, sizeof(script->health.why), "%s", why);
	exporter_add_failed(web->exporter, name);
}

void web_release(struct web *web, struct run *run)
{
	for (unsigned i = 0; i < web->n_scripts; i++) {
		struct web_script *script = web->scripts[i];

		if (script->run != run)
			continue;
		state_freeze(web, script);
		exporter_remove(web->exporter, run);
		run_status(run, &script->health.status);
		script->run = NULL;
		script->health.state = SCRIPT_ENDED;
	}
}

static struct web_script *find_ended(struct web *web, const char *name)
{
	for (unsigned i = 0; i < web->n_scripts; i++)
		if (!web->scripts[i]->run && strcmp(web->scripts[i]->name, name) == 0)
			return web->scripts[i];
	return NULL;
}

void web_ended(struct web *web, const char *name, int code)
{
	struct web_script *script = find_ended(web, name);

	if (script && code)
		snprintf(script->health.why, sizeof(script->health.why), "it ended with code %d",
			 code);
}

void web_forget(struct web *web, const char *name)
{
	forget_ended(web, name);
	exporter_forget(web->exporter, name);
}

/* --- the turn --- */

static void publish(struct web *web)
{
	for (unsigned i = 0; i < web->n_scripts; i++)
		if (web->scripts[i]->run)
			run_status(web->scripts[i]->run, &web->scripts[i]->health.status);
	pthread_mutex_lock(&web->lock);
	for (unsigned i = 0; i < web->n_scripts; i++)
		web->shown[i] = web->scripts[i]->health;
	web->n_shown = web->n_scripts;
	pthread_mutex_unlock(&web->lock);
	__atomic_store_n(&web->turn_ns, web_now_ns(), __ATOMIC_RELEASE);
}

void web_turn(struct web *web)
{
	publish(web);
	content_answer(web);
	history_tick(web);
}
