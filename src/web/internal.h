#ifndef JB_WEB_INTERNAL_H
#define JB_WEB_INTERNAL_H
/*
 * What the files of web/ share. The members of struct web are grouped by the thread that may touch them; what both touch is
 * under the lock.
 */
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "base/vec.h"
#include "web/mhd.h"
#include "web/socket.h"
#include "web/view.h"
#include "web/web.h"

#define NS_PER_S      1000000000ll
#define NS_PER_MS     1000000ll
#define CLIENTS_MAX   64
#define CONTENTS_MAX  4		     /* of a kind: scrapes in flight */
#define ANSWER_NS     (5 * NS_PER_S) /* a loop that takes longer is not healthy */
#define SCRIPTS_SHOWN (2 * RUNS_MAX) /* running ones, and some that have ended */

/* --- what the run thread tells of scripts --- */

enum script_state { SCRIPT_RUNNING, SCRIPT_FAILED, SCRIPT_ENDED };

struct script_health {
	char name[128];
	enum script_state state;
	char why[256]; /* "": nothing to tell */
	struct run_status status;
};

struct web_map;

/* A script, as the run thread knows it. */
struct web_script {
	unsigned id; /* never used again */
	char *name;
	struct run *run; /* NULL: it has ended or failed */
	struct script_health health;
	struct web_map *maps; /* one per map of the plan */
	size_t n_maps;
};

/* --- content: bytes that the run thread makes for the other one --- */

enum content_kind { CONTENT_METRICS, CONTENT_STATE, CONTENT_KINDS };

enum content_stage {
	CONTENT_FREE,
	CONTENT_WAITING, /* for the run thread */
	CONTENT_MAKING,	 /* it belongs to the run thread */
	CONTENT_READY,	 /* it belongs to the HTTP thread */
};

struct content {
	struct web *web;
	enum content_kind kind;
	enum content_stage stage; /* under the lock */
	bool openmetrics;
	struct view view; /* of CONTENT_STATE */
	struct buf text, gzip;
	unsigned users;	  /* HTTP thread: requests that wait for it or send it */
	int64_t since_ns; /* HTTP thread: when it was asked for */
};

/* --- the HTTP thread's own --- */

/* A connection. */
struct client {
	struct MHD_Connection *connection; /* NULL: unused */
	int fd;
	int64_t since_ns;	 /* when it came, or its last request was answered */
	struct content *content; /* what its request waits for: one use of it is ours */
	struct content *sending; /* what is being sent: the response owns the use */
	bool suspended;
	bool late; /* the run thread did not answer in time */
};

struct server {
	struct mhd mhd;
	struct MHD_Daemon *daemon;
	struct sockets sockets;
	int poll_fd;
	bool accepting; /* the sockets are in poll_fd */
	struct client clients[CLIENTS_MAX];
	unsigned n_clients;
	char *token; /* of basic authentication; NULL: everyone may read */
	bool local; /* loopback was not asked for by address: hosts of other names are turned away */
	struct buf page_gzip;
	char *cert, *key; /* PEM */
};

struct web {
	struct server server; /* HTTP thread, once it runs */
	pthread_t thread;
	bool threaded;
	int64_t start_ns;
	FILE *messages;

	int run_fd, http_fd; /* eventfds: who has work */
	bool stop;	     /* atomic */
	int64_t turn_ns;     /* atomic: when the run thread was last here; 0: not yet */

	pthread_mutex_t lock;
	struct content contents[CONTENT_KINDS][CONTENTS_MAX];
	struct script_health shown[SCRIPTS_SHOWN];
	unsigned n_shown;

	/* the run thread's own */
	struct web_script *scripts[SCRIPTS_SHOWN];
	unsigned n_scripts, next_id;
	struct exporter *exporter;
	struct arena *arena; /* of one answer */
	uint64_t tick;	     /* number of the last sample */
	int64_t next_tick_ns;
	unsigned n_lines, n_heats; /* of all histories */
};

/* server.c */
int server_start(struct web *web, const struct web_options *options);
void server_stop(struct web *web);
/* End its connection; the library notices by itself. */
void server_cut(struct client *client);

/* request.c: the answer to one request, called by the library. */
enum MHD_Result request_handle(void *web, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload,
			       size_t *upload_size, void **state);

/* content.c, HTTP thread */
/* The content to wait for or to send; NULL: too many are in flight. It is used once more. */
struct content *content_ask(struct web *web, const struct content *want);
bool content_is_ready(struct content *content);
void content_drop(struct content *content);
/* content.c, run thread */
void content_answer(struct web *web);

/* health.c, HTTP thread: the text of /health. `full`: scripts and their names, too. true: healthy. */
bool health_write(struct web *web, struct buf *out, bool full);
/* health.c, both threads: the members of an object that tell a script's health. */
void script_health_write(struct buf *out, const struct script_health *health);

int64_t web_now_ns(void);

#endif
