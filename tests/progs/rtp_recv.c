/*
 * Receives UDP datagrams on a loopback port through each way a program can receive: recvfrom, recvmsg, recvmmsg,
 * read; prints how many RTP, RTCP and other datagrams came. Usage: rtp_recv PORT N [way]: ends after N RTP
 * packets, or after two seconds without any datagram. It prints its pid once the port is bound, so a sender may start then.
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

enum way { WAY_RECVFROM, WAY_RECVMSG, WAY_RECVMMSG, WAY_READ, N_WAYS };

static const char *const way_names[N_WAYS] = { "recvfrom", "recvmsg", "recvmmsg", "read" };

/* How long the sender may take to begin, which waits for jbtrace; how long a stream may be silent. */
enum { FIRST_S = 15, NEXT_S = 2 };

struct receiver {
	int fd;
	long calls[N_WAYS], rtp, rtcp, other;
};

static ssize_t receive(struct receiver *receiver, enum way way, uint8_t *packet, size_t room)
{
	struct sockaddr_in from;
	socklen_t from_len = sizeof(from);
	struct iovec iov = { packet, room };
	struct mmsghdr batch = { .msg_hdr = { .msg_name = &from,
					      .msg_namelen = sizeof(from),
					      .msg_iov = &iov,
					      .msg_iovlen = 1 } };

	switch (way) {
	case WAY_RECVFROM:
		return recvfrom(receiver->fd, packet, room, 0, (struct sockaddr *)&from, &from_len);
	case WAY_RECVMSG:
		return recvmsg(receiver->fd, &batch.msg_hdr, 0);
	case WAY_RECVMMSG:
		return recvmmsg(receiver->fd, &batch, 1, 0, NULL) == 1 ? (ssize_t)batch.msg_len
								       : -1;
	case WAY_READ:
		return read(receiver->fd, packet, room);
	case N_WAYS:
		break;
	}
	return -1;
}

static void classify(struct receiver *receiver, const uint8_t *packet, ssize_t len)
{
	if (len < 4 || packet[0] >> 6 != 2)
		receiver->other++;
	else if (packet[1] >= 192 && packet[1] <= 223)
		receiver->rtcp++;
	else
		receiver->rtp += len >= 12;
}

static int receiver_wait(struct receiver *receiver, int seconds)
{
	struct timeval patience = { .tv_sec = seconds };

	return setsockopt(receiver->fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
}

static int receiver_open(struct receiver *receiver, int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	*receiver = (struct receiver){ .fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0) };
	if (receiver->fd < 0 || bind(receiver->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		return -1;
	return receiver_wait(receiver, FIRST_S);
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
	uint8_t packet[2048];
	struct receiver receiver;

	if (argc < 3) {
		fprintf(stderr, "usage: rtp_recv PORT N [recvfrom|recvmsg|recvmmsg|read|all]\n");
		return 2;
	}
	int only = argc > 3 ? way_find(argv[3]) : -1;
	if (receiver_open(&receiver, atoi(argv[1])) < 0) {
		perror("rtp_recv");
		return 1;
	}
	printf("pid %d\n", getpid());
	fflush(stdout);
	for (long i = 0; receiver.rtp < atol(argv[2]); i++) {
		enum way way = only >= 0 ? (enum way)only : (enum way)(i % N_WAYS);
		ssize_t len = receive(&receiver, way, packet, sizeof(packet));
		if (len < 0)
			break;
		if (!i)
			receiver_wait(&receiver, NEXT_S);
		receiver.calls[way]++;
		classify(&receiver, packet, len);
	}
	for (int i = 0; i < N_WAYS; i++)
		printf("%s %ld\n", way_names[i], receiver.calls[i]);
	printf("rtp %ld\nrtcp %ld\nother %ld\n", receiver.rtp, receiver.rtcp, receiver.other);
	return 0;
}
