/* sd_notify(3) without its library: one datagram each. */
#include "cli/notify.h"

#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A path, or a name in the abstract namespace, which `@` stands for. false: neither. */
static bool set_address(struct notify *notify, const char *path)
{
	size_t len = strlen(path);

	if ((*path != '/' && *path != '@') || len < 2 || len >= sizeof(notify->address.sun_path))
		return false;
	notify->address.sun_family = AF_UNIX;
	memcpy(notify->address.sun_path, path, len);
	notify->address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (*path == '@')
		notify->address.sun_path[0] = '\0';
	else
		notify->address_len++; /* a path ends with its NUL, a name does not */
	return true;
}

static uint64_t read_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	unsigned long long n;

	if (!text || *text < '0' || *text > '9')
		return 0;
	errno = 0;
	n = strtoull(text, &end, 10);
	return errno || *end ? 0 : n;
}

void notify_open(struct notify *notify)
{
	const char *path = getenv("NOTIFY_SOCKET");
	uint64_t pid = read_number("WATCHDOG_PID");

	*notify = (struct notify){ .fd = -1 };
	if (path && set_address(notify, path))
		notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (notify->fd >= 0 && (!getenv("WATCHDOG_PID") || pid == (uint64_t)getpid()))
		notify->watchdog_ns = read_number("WATCHDOG_USEC") * 1000;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static int send_text(const struct notify *notify, const char *text, size_t len)
{
	ssize_t n;

	if (notify->fd < 0)
		return 0;
	do
		n = sendto(notify->fd, text, len, MSG_NOSIGNAL | MSG_DONTWAIT,
			   (const struct sockaddr *)&notify->address, notify->address_len);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

int notify_send(const struct notify *notify, const char *fmt, ...)
{
	char text[2048];
	va_list ap;
	int len;

	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (len < 0)
		return -EINVAL;
	return send_text(notify, text, (size_t)len < sizeof(text) ? (size_t)len : sizeof(text) - 1);
}

int notify_reloading(const struct notify *notify)
{
	return notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%llu",
			   (unsigned long long)(monotonic_ns() / 1000));
}

void notify_alive(struct notify *notify)
{
	uint64_t now;

	if (!notify->watchdog_ns)
		return;
	now = monotonic_ns();
	if (now < notify->next_ns)
		return;
	notify->next_ns = now + notify->watchdog_ns / 2;
	notify_send(notify, "WATCHDOG=1");
}

void notify_close(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}
