/*
 * Sends RTP packets with consecutive sequence numbers to a UDP port on loopback, through each way a program can send:
 * sendto, sendmsg, sendmmsg, write (connected socket). In between it sends RTCP and garbage, which no RTP
 * reader may count. Usage: rtp_send PORT N [way] [interval_us]; way "all" (default) takes turns. Prints what it sent.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define PAYLOAD 160
#define SSRC	0x1234abcdu

enum way { WAY_SENDTO, WAY_SENDMSG, WAY_SENDMMSG, WAY_WRITE, N_WAYS };

static const char *const way_names[N_WAYS] = { "sendto", "sendmsg", "sendmmsg", "write" };

struct sender {
	int fd;	       /* not connected */
	int connected; /* the same destination, for write(2) */
	struct sockaddr_in to;
	long sent[N_WAYS], rtcp, garbage;
};

static void make_rtp(uint8_t *packet, unsigned n)
{
	uint16_t seq = htons((uint16_t)(65530 + n)); /* wraps after a few packets */
	uint32_t ts = htonl(n * PAYLOAD), ssrc = htonl(SSRC);

	memset(packet, 0x55, 12 + PAYLOAD);
	packet[0] = 0x80;
	packet[1] = 0; /* PCMU: 8000 Hz */
	memcpy(packet + 2, &seq, 2);
	memcpy(packet + 4, &ts, 4);
	memcpy(packet + 8, &ssrc, 4);
}

static ssize_t send_one(struct sender *sender, enum way way, uint8_t *packet, size_t len)
{
	struct iovec iov = { packet, len };
	struct mmsghdr batch = { .msg_hdr = { .msg_name = &sender->to,
					      .msg_namelen = sizeof(sender->to),
					      .msg_iov = &iov,
					      .msg_iovlen = 1 } };

	switch (way) {
	case WAY_SENDTO:
		return sendto(sender->fd, packet, len, 0, (struct sockaddr *)&sender->to,
			      sizeof(sender->to));
	case WAY_SENDMSG:
		return sendmsg(sender->fd, &batch.msg_hdr, 0);
	case WAY_SENDMMSG:
		return sendmmsg(sender->fd, &batch, 1, 0);
	case WAY_WRITE:
		return write(sender->connected, packet, len);
	case N_WAYS:
		break;
	}
	return -1;
}

static void send_noise(struct sender *sender)
{
	uint8_t rtcp[8] = { 0x80, 201, 0, 1, 0x12, 0x34, 0xab, 0xcd };
	uint8_t garbage[5] = { 0, 1, 2, 3, 4 };

	sender->rtcp += send_one(sender, WAY_SENDTO, rtcp, sizeof(rtcp)) > 0;
	sender->garbage += send_one(sender, WAY_SENDTO, garbage, sizeof(garbage)) > 0;
}

static int sender_open(struct sender *sender, int port)
{
	*sender = (struct sender){ .to = { .sin_family = AF_INET,
					   .sin_port = htons((uint16_t)port),
					   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) } };
	sender->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	sender->connected = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sender->fd < 0 || sender->connected < 0)
		return -1;
	return connect(sender->connected, (struct sockaddr *)&sender->to, sizeof(sender->to));
}

static int way_find(const char *name)
{
	for (int i = 0; i < N_WAYS; i++)
		if (!strcmp(way_names[i], name))
			return i;
	return -1;
}

int main(int argc, char **argv)
{
	uint8_t packet[12 + PAYLOAD];
	struct sender sender;

	if (argc < 3) {
		fprintf(stderr, "usage: rtp_send PORT N [sendto|sendmsg|sendmmsg|write|all] "
				"[interval_us]\n");
		return 2;
	}
	int only = argc > 3 ? way_find(argv[3]) : -1;
	long interval_us = argc > 4 ? atol(argv[4]) : 1000;
	struct timespec pause = { interval_us / 1000000, (interval_us % 1000000) * 1000 };
	if (sender_open(&sender, atoi(argv[1])) < 0) {
		perror("rtp_send");
		return 1;
	}
	printf("pid %d\n", getpid());
	for (long i = 0; i < atol(argv[2]); i++) {
		enum way way = only >= 0 ? (enum way)only : (enum way)(i % N_WAYS);
		make_rtp(packet, (unsigned)i);
		sender.sent[way] += send_one(&sender, way, packet, sizeof(packet)) > 0;
		if (i % 10 == 9)
			send_noise(&sender);
		nanosleep(&pause, NULL);
	}
	for (int i = 0; i < N_WAYS; i++)
		printf("%s %ld\n", way_names[i], sender.sent[i]);
	printf("rtcp %ld\ngarbage %ld\n", sender.rtcp, sender.garbage);
	return 0;
}
