#ifndef JB_CLI_NOTIFY_H
#define JB_CLI_NOTIFY_H
/*
 * The service manager's side of things: states as datagrams to the socket that NOTIFY_SOCKET names, and its watchdog.
 * Source: sd_notify(3), sd_watchdog_enabled(3). Without such a socket everything here does nothing.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct notify {
	int fd; /* -1: nobody wants to know */
	struct sockaddr_un address;
	socklen_t address_len;
	uint64_t watchdog_ns; /* how long we may be silent; 0: there is no watchdog */
	uint64_t next_ns;     /* when to speak up next, CLOCK_MONOTONIC */
};

/* Reads the environment and takes these variables out of it, so that commands of scripts do not see them. */
void notify_open(struct notify *notify);
/* Lines such as "READY=1\nSTATUS=...". 0, or -errno. */
int notify_send(const struct notify *notify, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* RELOADING=1 with the time that systemd wants beside it; READY=1 ends it. */
int notify_reloading(const struct notify *notify);
/* To be called each time around the main loop: says WATCHDOG=1 at half of the time that is allowed. */
void notify_alive(struct notify *notify);
void notify_close(struct notify *notify);

#endif
