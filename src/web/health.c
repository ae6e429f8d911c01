/*
 * /health: is every script running with every probe attached, and are events being read? The HTTP thread answers from what
 * the run thread published at its last turn, so that a loop that hangs is told rather than waited for.
 */
#include <string.h>

#include "out/json.h"
#include "web/internal.h"

static const char *const state_names[] = {
	[SCRIPT_RUNNING] = "running",
	[SCRIPT_FAILED] = "failed",
	[SCRIPT_ENDED] = "ended",
};

static bool script_is_healthy(const struct script_health *health)
{
	return health->state == SCRIPT_RUNNING && !health->status.missing;
}

/* Why nothing is read at all, or NULL. */
static const char *loop_problem(const struct web *web, struct buf *text)
{
	int64_t turn = __atomic_load_n(&web->turn_ns, __ATOMIC_ACQUIRE), age = web_now_ns() - turn;

	if (!turn)
		return "no script has started yet";
	if (age <= ANSWER_NS)
		return NULL;
	buf_printf(text, "the event loop has not answered for %lld s", (long long)(age / NS_PER_S));
	return text->data;
}

static const char *script_problem(const struct script_health *health, struct buf *text)
{
	if (*health->why)
		return health->why;
	if (health->state != SCRIPT_RUNNING || !health->status.missing)
		return NULL;
	buf_reset(text);
	buf_printf(text, "%u of %u probes could not be attached", health->status.missing,
		   health->status.missing + health->status.probes);
	return text->data;
}

void script_health_write(struct buf *out, const struct script_health *health)
{
	const struct run_status *status = &health->status;
	struct buf text = { 0 };
	const char *why = script_problem(health, &text);

	buf_puts(out, "\"name\": ");
	json_string(out, health->name, strlen(health->name));
	buf_printf(out, ", \"state\": \"%s\", \"probes\": %u, \"missing\": %u, ",
		   state_names[health->state], status->probes, status->missing);
	buf_printf(out, "\"events\": %llu, \"lost\": %llu, \"why\": ",
		   (unsigned long long)status->events, (unsigned long long)status->lost);
	if (why)
		json_string(out, why, strlen(why));
	else
		buf_puts(out, "null");
	buf_fini(&text);
}

static void write_scripts(struct buf *out, const struct script_health *shown, unsigned n)
{
	buf_puts(out, ", \"scripts\": [");
	for (unsigned i = 0; i < n; i++) {
		buf_puts(out, i ? ", {" : "{");
		script_health_write(out, &shown[i]);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

bool health_write(struct web *web, struct buf *out, bool full)
{
	struct buf text = { 0 };
	const char *why = loop_problem(web, &text);
	struct script_health shown[SCRIPTS_SHOWN];
	bool healthy = !why;
	unsigned n;

	pthread_mutex_lock(&web->lock);
	n = web->n_shown;
	memcpy(shown, web->shown, n * sizeof(*shown));
	pthread_mutex_unlock(&web->lock);
	for (unsigned i = 0; i < n; i++)
		healthy &= script_is_healthy(&shown[i]);
	buf_printf(out, "{\"status\": \"%s\"", healthy ? "healthy" : "unhealthy");
	if (full) {
		buf_printf(out,
			   ", \"version\": \"%s\", \"uptime_seconds\": %.3f, \"why\": ", JB_VERSION,
			   (double)(web_now_ns() - web->start_ns) / NS_PER_S);
		if (why)
			json_string(out, why, strlen(why));
		else
			buf_puts(out, "null");
		write_scripts(out, shown, n);
	}
	buf_puts(out, "}\n");
	buf_fini(&text);
	return healthy;
}
