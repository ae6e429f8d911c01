/*
 * Scripts that run together: stepped in one loop, each ending alone. What they share besides the loop, the metrics and
 * the page, hangs on the session too.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "base/mem.h"
#include "run/run.h"
#include "web/web.h"

#define MAX_SERIES 10000
#define EXPIRE_NS  (300 * UINT64_C(1000000000))

struct script {
	char *name;
	struct jb_run *run;
};

struct jb_session {
	FILE *messages;
	struct script scripts[RUNS_MAX + 1]; /* one more while a script is replaced */
	size_t n;
	int code;	 /* the first that was not 0 of those that ended */
	struct web *web; /* NULL: no port is served */
	void (*ended)(void *arg, const char *name, int code); /* NULL: nobody wants to know */
	void *ended_arg;
};

struct jb_session *jb_session_new(FILE *messages)
{
	struct jb_session *session = mem_alloc(sizeof(*session));

	*session = (struct jb_session){ .messages = messages ? messages : stderr };
	return session;
}

static int add_script(struct jb_session *session, const char *name, struct jb_run *run)
{
	struct script *script = &session->scripts[session->n];
	bool shared = false;

	for (size_t i = 0; i < session->n && !shared; i++)
		shared = run_share_output(run->run, session->scripts[i].run->run);
	*script = (struct script){ .name = strdup(name), .run = run };
	if (!script->name)
		return -ENOMEM;
	for (size_t i = 0; i < session->n; i++)
		if (run_share_exposition(run->run, session->scripts[i].run->run))
			break;
	session->n++;
	if (session->web)
		web_add(session->web, name, run->run);
	return 0;
}

int jb_session_add(struct jb_session *session, const char *name, struct jb_run *run)
{
	return session->n < RUNS_MAX ? add_script(session, name, run) : -E2BIG;
}

void jb_session_add_failed(struct jb_session *session, const char *name, const char *why)
{
	if (session->web)
		web_add_failed(session->web, name, why);
}

int jb_session_listen(struct jb_session *session, const struct jb_listen *given)
{
	struct jb_listen listen;
	struct web_options options;
	int err;

	copy_options(&listen, sizeof(listen), given);
	options = (struct web_options){
		.address = listen.address,
		.port = listen.port,
		.user = listen.user,
		.password = listen.password,
		.cert_file = listen.cert_file,
		.key_file = listen.key_file,
		.export = { .max_series = listen.max_series ? listen.max_series : MAX_SERIES,
			    .expire_ns = listen.expire_ns ? listen.expire_ns : EXPIRE_NS },
		.messages = session->messages,
	};
	if (session->web)
		return -EALREADY;
	err = web_open(&session->web, &options);
	for (size_t i = 0; !err && i < session->n; i++)
		web_add(session->web, session->scripts[i].name, session->scripts[i].run->run);
	return err;
}

unsigned jb_session_port(const struct jb_session *session)
{
	return session->web ? web_port(session->web) : 0;
}

/* `wanted`: the user took it out, so that its end is no news. */
static int end_script(struct jb_session *session, size_t index, bool wanted)
{
	struct script *script = &session->scripts[index];
	int code;

	if (session->web)
		web_release(session->web, script->run->run);
	code = jb_stop(script->run);
	if (session->web && wanted)
		web_forget(session->web, script->name);
	else if (session->web)
		web_ended(session->web, script->name, code);
	if (!session->code)
		session->code = code;
	free(script->name);
	session->n--;
	memmove(script, script + 1, (session->n - index) * sizeof(*script));
	return code;
}

/* Where it is; session->n: nowhere. */
static size_t find_script(const struct jb_session *session, const char *name)
{
	size_t i = 0;

	while (i < session->n && strcmp(session->scripts[i].name, name))
		i++;
	return i;
}

int jb_session_remove(struct jb_session *session, const char *name)
{
	size_t i = find_script(session, name);

	if (i < session->n)
		return end_script(session, i, true);
	if (session->web)
		web_forget(session->web, name);
	return -ENOENT;
}

int jb_session_replace(struct jb_session *session, const char *name, struct jb_run *run)
{
	size_t i = find_script(session, name);
	int err = i < session->n ? add_script(session, name, run) : -ENOENT;

	return err ? err : end_script(session, i, true);
}

void jb_session_on_end(struct jb_session *session,
		       void (*ended)(void *arg, const char *name, int code), void *arg)
{
	session->ended = ended;
	session->ended_arg = arg;
}

/* Those that have ended by themselves. */
static void end_done(struct jb_session *session)
{
	for (size_t i = session->n; i-- > 0;) {
		char *name;
		int code;

		if (!run_is_done(session->scripts[i].run->run))
			continue;
		name = mem_strdup(session->scripts[i].name);
		code = end_script(session, i, false);
		if (session->ended)
			session->ended(session->ended_arg, name, code);
		free(name);
	}
}

int jb_session_step(struct jb_session *session, int timeout_ms)
{
	struct run *runs[RUNS_MAX];

	if (session->web)
		web_turn(session->web);
	for (size_t i = 0; i < session->n; i++)
		runs[i] = session->scripts[i].run->run;
	if (!run_step_all(runs, session->n, session->web ? web_fd(session->web) : -1, timeout_ms))
		end_done(session);
	return session->n > 0;
}

int jb_session_close(struct jb_session *session)
{
	int code;

	web_close(session->web);
	session->web = NULL;
	while (session->n)
		end_script(session, 0, true);
	code = session->code;
	free(session);
	return code;
}
