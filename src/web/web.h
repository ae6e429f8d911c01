#ifndef JB_WEB_WEB_H
#define JB_WEB_WEB_H
/*
 * /metrics, /health and the page, served over HTTP. Two threads: the run thread, which calls everything in this header and
 * alone touches runs and maps, and an own thread without privileges, which reads what strangers send. Between them lie
 * finished bytes: src/web/content.c.
 */
#include <stdio.h>

#include "run/export.h"
#include "run/run.h"

struct web;

struct web_options {
	const char *address;		  /* a number; NULL: loopback */
	unsigned port;			  /* 0: any */
	const char *user, *password;	  /* NULL: everyone may read */
	const char *cert_file, *key_file; /* PEM; NULL: no TLS */
	struct export_options export;
	FILE *messages;
};

/* Serve. 0, or -errno after a sentence to options->messages. */
int web_open(struct web **made, const struct web_options *options);
void web_close(struct web *web);
unsigned web_port(const struct web *web);
/* Readable when a request waits for the run thread. */
int web_fd(const struct web *web);
/* Answer what waits, take samples, show that the loop is alive. To be called each second at least. */
void web_turn(struct web *web);

/* A script that runs from now on. One of the same name that has ended or failed is forgotten. */
void web_add(struct web *web, const char *name, struct run *run);
void web_add_failed(struct web *web, const char *name, const char *why);
/* The run is about to be closed: it is not touched any more. */
void web_release(struct web *web, struct run *run);
/* The exit code of a script that was released; it shows as ended. */
void web_ended(struct web *web, const char *name, int code);
/* A script that was released and whose end was wanted: it does not show any more. */
void web_forget(struct web *web, const char *name);

#endif
