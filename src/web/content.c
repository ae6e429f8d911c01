/*
 * What passes between the two threads: a request takes a slot and waits; the run thread fills the slots that wait; requests
 * of the same content that wait at the same time share one. A slot whose request was given up is freed once it is filled.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "out/metrics.h"
#include "web/internal.h"
#include "web/state.h"

/* A client that takes longer than this gives way when others want a slot. */
#define SLOW_NS (2 * NS_PER_S)

static bool same_content(const struct content *a, const struct content *b)
{
	return a->openmetrics == b->openmetrics && view_equal(&a->view, &b->view);
}

static void empty(struct content *content)
{
	buf_fini(&content->text);
	buf_fini(&content->gzip);
	content->stage = CONTENT_FREE;
}

/* --- HTTP thread --- */

static struct content *find_slot(struct web *web, const struct content *want)
{
	struct content *slots = web->contents[want->kind], *found = NULL;

	for (unsigned i = 0; i < CONTENTS_MAX; i++) {
		if (slots[i].stage == CONTENT_READY && !slots[i].users)
			empty(&slots[i]);
		if (slots[i].stage == CONTENT_WAITING && same_content(&slots[i], want))
			return &slots[i];
		if (slots[i].stage == CONTENT_FREE)
			found = &slots[i];
	}
	return found;
}

/* Their connections are shut, so that the next one who asks finds room. */
static void cut_slow(struct web *web, enum content_kind kind)
{
	int64_t now = web_now_ns();

	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &web->server.clients[i];

		if (client->connection && client->sending && client->sending->kind == kind &&
		    now - client->sending->since_ns > SLOW_NS)
			server_cut(client);
	}
}

struct content *content_ask(struct web *web, const struct content *want)
{
	struct content *slot;
	bool fresh = false;

	pthread_mutex_lock(&web->lock);
	slot = find_slot(web, want);
	if (slot && slot->stage == CONTENT_FREE) {
		*slot = *want;
		slot->web = web;
		slot->since_ns = web_now_ns();
		slot->stage = CONTENT_WAITING;
		fresh = true;
	}
	if (slot)
		slot->users++;
	pthread_mutex_unlock(&web->lock);
	if (fresh)
		eventfd_write(web->run_fd, 1);
	else if (!slot)
		cut_slow(web, want->kind);
	return slot;
}

bool content_is_ready(struct content *content)
{
	bool ready;

	pthread_mutex_lock(&content->web->lock);
	ready = content->stage == CONTENT_READY;
	pthread_mutex_unlock(&content->web->lock);
	return ready;
}

void content_drop(struct content *content)
{
	struct web *web = content->web;

	pthread_mutex_lock(&web->lock);
	if (--content->users == 0 && content->stage != CONTENT_MAKING)
		empty(content);
	pthread_mutex_unlock(&web->lock);
}

/* --- run thread --- */

static void make_metrics(struct web *web, struct content *content)
{
	struct metrics set = { .arena = web->arena };

	exporter_collect(web->exporter, &set);
	prom_write(&content->text, &set, content->openmetrics);
}

static bool take(struct web *web, struct content *content)
{
	bool waits;

	pthread_mutex_lock(&web->lock);
	waits = content->stage == CONTENT_WAITING;
	if (waits)
		content->stage = CONTENT_MAKING;
	pthread_mutex_unlock(&web->lock);
	return waits;
}

static void give(struct web *web, struct content *content)
{
	pthread_mutex_lock(&web->lock);
	content->stage = CONTENT_READY;
	pthread_mutex_unlock(&web->lock);
	eventfd_write(web->http_fd, 1);
}

void content_answer(struct web *web)
{
	struct content *slots = &web->contents[0][0];
	eventfd_t n;

	if (eventfd_read(web->run_fd, &n))
		return;
	for (unsigned i = 0; i < CONTENT_KINDS * CONTENTS_MAX; i++) {
		if (!take(web, &slots[i]))
			continue;
		if (slots[i].kind == CONTENT_METRICS)
			make_metrics(web, &slots[i]);
		else
			state_write(web, &slots[i].text, &slots[i].view);
		arena_reset(web->arena);
		give(web, &slots[i]);
	}
}
