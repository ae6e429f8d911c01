/* The sockets that are listened on: addresses, and one clear sentence when one cannot be had. */
#include "web/socket.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG	  256
#define PORT_MAX  65535
#define ANY_TRIES 16
/* What the kernel keeps for a client that does not read; accepted connections inherit it. */
#define SEND_BYTES (256 * 1024)

struct address {
	struct sockaddr_storage storage;
	socklen_t len;
	char host[64]; /* for messages and URLs */
};

static bool is_ipv6(const struct address *address)
{
	return address->storage.ss_family == AF_INET6;
}

static void set_port(struct address *address, unsigned port)
{
	if (is_ipv6(address))
		((struct sockaddr_in6 *)(void *)&address->storage)->sin6_port =
			htons((uint16_t)port);
	else
		((struct sockaddr_in *)(void *)&address->storage)->sin_port = htons((uint16_t)port);
}

static int parse_address(struct address *address, const char *text)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (getaddrinfo(text, NULL, &hints, &found))
		return -EINVAL;
	memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
	address->len = found->ai_addrlen;
	freeaddrinfo(found);
	snprintf(address->host, sizeof(address->host), is_ipv6(address) ? "[%s]" : "%s", text);
	return 0;
}

/* The socket, or -errno. */
static int open_socket(const struct address *address)
{
	const int on = 1, bytes = SEND_BYTES;
	const struct sockaddr_in6 *six = (const void *)&address->storage;
	int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err;

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	if (is_ipv6(address)) {
		/* [::] is every address of the machine, of the older kind too. */
		int only = !IN6_IS_ADDR_UNSPECIFIED(&six->sin6_addr);

		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	}
	if (bind(fd, (const struct sockaddr *)&address->storage, address->len) == 0 &&
	    listen(fd, BACKLOG) == 0)
		return fd;
	err = -errno;
	close(fd);
	return err;
}

static unsigned bound_port(int fd)
{
	union {
		struct sockaddr any;
		struct sockaddr_in v4;
		struct sockaddr_in6 v6;
	} address = { .v6 = { .sin6_family = AF_UNSPEC } };
	socklen_t len = sizeof(address);

	if (getsockname(fd, &address.any, &len))
		return 0;
	return ntohs(address.any.sa_family == AF_INET6 ? address.v6.sin6_port
						       : address.v4.sin_port);
}

static int complain(FILE *messages, const struct address *address, unsigned port, int err)
{
	char owner[128];

	if (err == -EADDRINUSE && socket_owner(port, owner, sizeof(owner)))
		fprintf(messages, "jbtrace: error: --listen: port %u on %s is in use by %s\n", port,
			address->host, owner);
	else if (err == -EADDRINUSE)
		fprintf(messages, "jbtrace: error: --listen: port %u on %s is in use\n", port,
			address->host);
	else if (err == -EADDRNOTAVAIL)
		fprintf(messages, "jbtrace: error: --listen: this machine has no address %s\n",
			address->host);
	else if (err == -EACCES)
		fprintf(messages,
			"jbtrace: error: --listen: port %u on %s is not permitted; below 1024 "
			"CAP_NET_BIND_SERVICE is needed\n",
			port, address->host);
	else
		fprintf(messages, "jbtrace: error: --listen: cannot listen on %s, port %u: %s\n",
			address->host, port, strerror(-err));
	return err;
}

static int add_socket(struct sockets *sockets, struct address *address, unsigned port)
{
	int fd;

	set_port(address, port);
	fd = open_socket(address);
	if (fd < 0)
		return fd;
	sockets->fds[sockets->n++] = fd;
	if (sockets->n == 1) {
		sockets->port = bound_port(fd);
		snprintf(sockets->host, sizeof(sockets->host), "%s", address->host);
	}
	return 0;
}

static int open_one(struct sockets *sockets, const char *text, unsigned port, FILE *messages)
{
	struct address address;
	int err = parse_address(&address, text);

	if (err) {
		fprintf(messages,
			"jbtrace: error: --listen: '%s' is not an address; a number is wanted, "
			"such as "
			"0.0.0.0 or [::1]\n",
			text);
		return err;
	}
	err = add_socket(sockets, &address, port);
	return err ? complain(messages, &address, port, err) : 0;
}

/* Both loopbacks on one port. A machine without IPv6 has one of them. */
static int open_loopback(struct sockets *sockets, unsigned port, FILE *messages)
{
	struct address six;
	int err = 0;

	for (unsigned i = 0; i < (port ? 1 : ANY_TRIES); i++) {
		err = open_one(sockets, "127.0.0.1", port, messages);
		if (err || parse_address(&six, "::1"))
			return err;
		err = add_socket(sockets, &six, sockets->port);
		if (err != -EADDRINUSE)
			return 0;
		/* The port that the kernel chose is taken on the other one. */
		sockets_close(sockets);
	}
	return complain(messages, &six, port, err);
}

int sockets_open(struct sockets *sockets, const char *address, unsigned port, FILE *messages)
{
	*sockets = (struct sockets){ 0 };
	if (port > PORT_MAX) {
		fprintf(messages, "jbtrace: error: --listen: ports end at %d, not %u\n", PORT_MAX,
			port);
		return -EINVAL;
	}
	return address ? open_one(sockets, address, port, messages)
		       : open_loopback(sockets, port, messages);
}

void sockets_close(struct sockets *sockets)
{
	for (unsigned i = 0; i < sockets->n; i++)
		close(sockets->fds[i]);
	*sockets = (struct sockets){ 0 };
}
