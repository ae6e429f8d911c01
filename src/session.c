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

struct script {
	char *name;
	struct jb_run *run;
};

struct jb_session {
	FILE *messages;
	struct script scripts[RUNS_MAX];
	size_t n;
	int code; /* the first that was not 0 of those that ended */
};

struct jb_session *jb_session_new(FILE *messages)
{
	struct jb_session *session = mem_alloc(sizeof(*session));

	*session = (struct jb_session){ .messages = messages ? messages : stderr };
	return session;
}

int jb_session_add(struct jb_session *session, const char *name, struct jb_run *run)
{
	struct script *script = &session->scripts[session->n];
	bool shared = false;

	if (session->n == RUNS_MAX)
		return -E2BIG;
	for (size_t i = 0; i < session->n && !shared; i++)
		shared = run_share_output(run->run, session->scripts[i].run->run);
	*script = (struct script){ .name = strdup(name), .run = run };
	if (!script->name)
		return -ENOMEM;
	for (size_t i = 0; i < session->n; i++)
		if (run_share_exposition(run->run, session->scripts[i].run->run))
			break;
	session->n++;
	return 0;
}

void jb_session_add_failed(struct jb_session *session, const char *name, const char *why)
{
	(void)session;
	(void)name;
	(void)why;
}

int jb_session_listen(struct jb_session *session, const struct jb_listen *listen)
{
	(void)listen;
	fprintf(session->messages, "jbtrace: error: not supported yet: --listen\n");
	return -ENOTSUP;
}

unsigned jb_session_port(const struct jb_session *session)
{
	(void)session;
	return 0;
}

static int end_script(struct jb_session *session, size_t index)
{
	struct script *script = &session->scripts[index];
	int code = jb_stop(script->run);

	if (!session->code)
		session->code = code;
	free(script->name);
	session->n--;
	memmove(script, script + 1, (session->n - index) * sizeof(*script));
	return code;
}

int jb_session_remove(struct jb_session *session, const char *name)
{
	for (size_t i = 0; i < session->n; i++)
		if (strcmp(session->scripts[i].name, name) == 0)
			return end_script(session, i);
	return -ENOENT;
}

int jb_session_step(struct jb_session *session, int timeout_ms)
{
	struct run *runs[RUNS_MAX];

	for (size_t i = 0; i < session->n; i++)
		runs[i] = session->scripts[i].run->run;
	if (!run_step_all(runs, session->n, -1, timeout_ms))
		for (size_t i = session->n; i-- > 0;)
			if (run_is_done(session->scripts[i].run->run))
				end_script(session, i);
	return session->n > 0;
}

int jb_session_close(struct jb_session *session)
{
	int code;

	while (session->n)
		end_script(session, 0);
	code = session->code;
	free(session);
	return code;
}
