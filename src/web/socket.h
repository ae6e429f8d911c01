#ifndef JB_WEB_SOCKET_H
#define JB_WEB_SOCKET_H
/* The sockets that are listened on. */
#include <stdbool.h>
#include <stdio.h>

#define SOCKETS_MAX 2

struct sockets {
	int fds[SOCKETS_MAX];
	unsigned n;
	unsigned port;
	char host[64]; /* of the first one, as it stands in a URL: 127.0.0.1, [::1] */
};

/*
 * Open and bind. address: a number such as 0.0.0.0 or ::1; NULL: loopback, 127.0.0.1 and, where there is one, ::1.
 * port 0: any. 0, or -errno after a sentence to `messages`.
 */
int sockets_open(struct sockets *sockets, const char *address, unsigned port, FILE *messages);
void sockets_close(struct sockets *sockets);
/* Who listens on this TCP port, as "NAME (process PID)". false: it cannot be known. */
bool socket_owner(unsigned port, char *text, size_t room);

#endif
