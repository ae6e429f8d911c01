/*
 * A bad network in one process: takes UDP datagrams on a loopback port and passes them on to another, dropping,
 * doubling, holding back and delaying RTP packets on purpose, and writes down what it sent and when. Every decision comes
 * from a seeded generator, so the same packets get the same fate. RTCP (the port above, or mixed in) and anything
 * else pass untouched and uncounted. The truth file is what tests compare jbtrace's RTP numbers with.
 *
 *     rtp_relay -l 5004 -d 6004 -t truth.txt -s 1 -D 20 -U 10 -R 10 -k 3 -J 8
 *
 * Ends on SIGTERM or SIGINT, or after -n RTP packets; what is still held back is sent first.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_STREAMS 16
#define UNTOUCHED   20 /* the first packets of every stream pass as they are */

struct packet {
	struct packet *next;
	uint64_t due_ns; /* when to send */
	unsigned hold;	 /* packets that must be queued before this one may be */
	size_t len;
	uint8_t data[];
};

struct queue {
	struct packet *head, **tail;
};

/* What the receiver of one stream has seen so far. */
struct stream {
	uint32_t ssrc;
	uint64_t arrived;      /* at the relay */
	uint64_t sent, unique; /* by the relay */
	uint64_t base, max;    /* extended sequence numbers sent */
	uint64_t dups, late;
	uint64_t seen[65536 / 64]; /* sequence numbers of the last 65536 below max */
};

struct relay {
	int rtp_in, rtcp_in, out, signals;
	struct sockaddr_in to, rtcp_to;
	FILE *truth;
	uint64_t random, last_due_ns;
	unsigned drop, dup, reorder, hold, jitter_ms, noise; /* chances in 1000 */
	uint64_t limit, received, forwarded, dropped, noise_sent, passed;
	struct queue due; /* in order of sending; due times never decrease */
	struct packet *held;
	struct stream streams[MAX_STREAMS];
	unsigned n_streams;
};

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
static uint64_t next_random(struct relay *relay)
{
	uint64_t z = relay->random += 0x9e3779b97f4a7c15u;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

static uint32_t be32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint16_t be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* RFC 5761: packet types 192 to 223 are RTCP. */
static bool is_rtp(const uint8_t *data, size_t len)
{
	return len >= 12 && data[0] >> 6 == 2 && !(data[1] >= 192 && data[1] <= 223);
}

static struct stream *stream_find(struct relay *relay, uint32_t ssrc)
{
	for (unsigned i = 0; i < relay->n_streams; i++)
		if (relay->streams[i].ssrc == ssrc)
			return &relay->streams[i];
	if (relay->n_streams == MAX_STREAMS)
		return NULL;
	struct stream *stream = &relay->streams[relay->n_streams++];
	*stream = (struct stream){ .ssrc = ssrc };
	return stream;
}

static bool seen_test_and_set(struct stream *stream, uint64_t ext)
{
	uint64_t bit = 1ull << (ext & 63), *word = &stream->seen[(ext & 65535) / 64];
	bool was = *word & bit;

	*word |= bit;
	return was;
}

/* Numbers that max has moved past come round again 65536 later: forget them. */
static void seen_forget(struct stream *stream, uint64_t from, uint64_t to)
{
	for (uint64_t ext = from; ext <= to && ext - from < 65536; ext++)
		stream->seen[(ext & 65535) / 64] &= ~(1ull << (ext & 63));
}

/* Account a packet that is being sent; says what it is for the receiver. */
static const char *stream_account(struct stream *stream, uint16_t seq)
{
	if (!stream->sent++) {
		stream->base = stream->max = 65536u + seq;
		stream->unique = 1;
		seen_test_and_set(stream, stream->base);
		return "first";
	}
	int16_t step = (int16_t)(seq - (uint16_t)stream->max);
	uint64_t ext = stream->max + (uint64_t)(int64_t)step;
	if (step > 0) {
		seen_forget(stream, stream->max + 1, ext);
		stream->max = ext;
	}
	if (seen_test_and_set(stream, ext)) {
		stream->dups++;
		return "dup";
	}
	stream->unique++;
	if (step > 0)
		return "first";
	stream->late++;
	if (ext < stream->base)
		stream->base = ext;
	return "late";
}

static void forward(struct relay *relay, const struct sockaddr_in *to, const uint8_t *data,
		    size_t len)
{
	if (sendto(relay->out, data, len, 0, (const struct sockaddr *)to, sizeof(*to)) < 0 &&
	    errno != ECONNREFUSED)
		perror("rtp_relay: sendto");
}

static void send_noise(struct relay *relay)
{
	static const uint8_t rtcp[8] = { 0x80, 201, 0, 1, 0, 0, 0, 1 };
	static const uint8_t garbage[6] = { 0x00, 0x01, 0x00, 0x00, 0x21, 0x12 };
	bool odd = relay->noise_sent++ & 1;

	forward(relay, &relay->to, odd ? garbage : rtcp, odd ? sizeof(garbage) : sizeof(rtcp));
}

static void send_packet(struct relay *relay, const struct packet *packet)
{
	const uint8_t *data = packet->data;
	struct stream *stream = stream_find(relay, be32(data + 8));
	uint64_t t = now_ns();

	forward(relay, &relay->to, data, packet->len);
	relay->forwarded++;
	const char *kind = stream ? stream_account(stream, be16(data + 2)) : "first";
	fprintf(relay->truth, "%llu %u %u %u %u %zu %s\n", (unsigned long long)t, be16(data + 2),
		be32(data + 4), be32(data + 8), data[1] & 0x7fu, packet->len, kind);
	if (relay->noise && next_random(relay) % 1000 < relay->noise)
		send_noise(relay);
}

static struct packet *packet_new(const uint8_t *data, size_t len)
{
	struct packet *packet = malloc(sizeof(*packet) + len);

	if (!packet)
		abort();
	*packet = (struct packet){ .len = len };
	memcpy(packet->data, data, len);
	return packet;
}

static void queue_append(struct relay *relay, struct packet *packet, uint64_t delay_ns)
{
	uint64_t due = now_ns() + delay_ns;

	packet->due_ns = due > relay->last_due_ns ? due : relay->last_due_ns;
	relay->last_due_ns = packet->due_ns;
	packet->next = NULL;
	*relay->due.tail = packet;
	relay->due.tail = &packet->next;
}

static uint64_t jitter_delay(struct relay *relay)
{
	uint64_t r = next_random(relay);

	return relay->jitter_ms ? r % (relay->jitter_ms * 1000000ull + 1) : 0;
}

/* One more packet was queued: those held back for it come one nearer, the ripe ones follow it. */
static void release_held(struct relay *relay, bool all)
{
	struct packet **at = &relay->held;

	while (*at) {
		struct packet *packet = *at;
		if (packet->hold > 0)
			packet->hold--;
		if (packet->hold > 0 && !all) {
			at = &packet->next;
			continue;
		}
		*at = packet->next;
		queue_append(relay, packet, 0);
	}
}

static void hold_back(struct relay *relay, struct packet *packet)
{
	struct packet **at = &relay->held;

	while (*at)
		at = &(*at)->next;
	packet->hold = relay->hold;
	packet->next = NULL;
	*at = packet;
}

/* Decide the fate of one RTP packet. Two random numbers are drawn for each, whatever happens to it. */
static void take_rtp(struct relay *relay, const uint8_t *data, size_t len)
{
	struct stream *stream = stream_find(relay, be32(data + 8));
	unsigned fate = (unsigned)(next_random(relay) % 1000);
	uint64_t delay = jitter_delay(relay);

	relay->received++;
	if (!stream || stream->arrived++ < UNTOUCHED) {
		queue_append(relay, packet_new(data, len), 0);
		return;
	}
	if (fate < relay->drop) {
		relay->dropped++;
		return;
	}
	fate -= relay->drop;
	if (fate >= relay->dup && fate - relay->dup < relay->reorder) {
		hold_back(relay, packet_new(data, len));
		return;
	}
	queue_append(relay, packet_new(data, len), delay);
	if (fate < relay->dup)
		queue_append(relay, packet_new(data, len), 0);
	release_held(relay, false);
}

static void receive(struct relay *relay, int fd)
{
	uint8_t data[65536];
	ssize_t len;

	while ((len = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0) {
		if (fd == relay->rtp_in && is_rtp(data, (size_t)len)) {
			take_rtp(relay, data, (size_t)len);
			if (relay->limit && relay->received >= relay->limit)
				return;
			continue;
		}
		relay->passed++;
		forward(relay, fd == relay->rtp_in ? &relay->to : &relay->rtcp_to, data,
			(size_t)len);
	}
}

static void send_due(struct relay *relay, bool all)
{
	while (relay->due.head && (all || relay->due.head->due_ns <= now_ns())) {
		struct packet *packet = relay->due.head;
		relay->due.head = packet->next;
		if (!relay->due.head)
			relay->due.tail = &relay->due.head;
		send_packet(relay, packet);
		free(packet);
	}
}

/* How long until the next packet is due, as ppoll wants it; NULL: for ever. */
static struct timespec *until_due(const struct relay *relay, struct timespec *wait)
{
	if (!relay->due.head)
		return NULL;
	uint64_t now = now_ns(), due = relay->due.head->due_ns;
	uint64_t ns = due > now ? due - now : 0;
	*wait = (struct timespec){ (time_t)(ns / 1000000000u), (long)(ns % 1000000000u) };
	return wait;
}

static void loop(struct relay *relay)
{
	struct pollfd set[3] = { { .fd = relay->rtp_in, .events = POLLIN },
				 { .fd = relay->rtcp_in, .events = POLLIN },
				 { .fd = relay->signals, .events = POLLIN } };
	struct timespec wait;

	while (!(relay->limit && relay->received >= relay->limit)) {
		if (ppoll(set, 3, until_due(relay, &wait), NULL) < 0 && errno != EINTR)
			break;
		if (set[2].revents)
			break;
		for (int i = 0; i < 2; i++)
			if (set[i].revents)
				receive(relay, set[i].fd);
		send_due(relay, false);
	}
	release_held(relay, true);
	send_due(relay, true);
}

static void write_summary(const struct relay *relay)
{
	uint64_t expected = 0, unique = 0, dups = 0, late = 0;

	for (unsigned i = 0; i < relay->n_streams; i++) {
		const struct stream *stream = &relay->streams[i];
		if (stream->sent)
			expected += stream->max - stream->base + 1;
		unique += stream->unique;
		dups += stream->dups;
		late += stream->late;
	}
	const struct {
		const char *name;
		uint64_t n;
	} rows[] = {
		{ "received", relay->received },
		{ "forwarded", relay->forwarded },
		{ "dropped", relay->dropped },
		{ "duplicated", dups },
		{ "reordered", late },
		{ "expected", expected },
		{ "unique", unique },
		{ "lost", expected - unique },
		{ "streams", relay->n_streams },
		{ "other", relay->passed },
		{ "noise", relay->noise_sent },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		fprintf(relay->truth, "summary %s %llu\n", rows[i].name,
			(unsigned long long)rows[i].n);
}

static int bind_loopback(int port)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int room = 4 << 20, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int open_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

static int relay_open(struct relay *relay, int from, int to, const char *truth)
{
	relay->to = (struct sockaddr_in){ .sin_family = AF_INET,
					  .sin_port = htons((uint16_t)to),
					  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	relay->rtcp_to = relay->to;
	relay->rtcp_to.sin_port = htons((uint16_t)(to + 1));
	relay->due.tail = &relay->due.head;
	relay->rtp_in = bind_loopback(from);
	relay->rtcp_in = bind_loopback(from + 1);
	relay->out = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	relay->signals = open_signals();
	relay->truth = truth ? fopen(truth, "w") : stdout;
	if (relay->rtp_in < 0 || relay->rtcp_in < 0 || relay->out < 0 || relay->signals < 0 ||
	    !relay->truth)
		return -1;
	fprintf(relay->truth, "# t_ns seq ts ssrc pt size kind\n");
	return 0;
}

static void usage(void)
{
	fprintf(stderr,
		"usage: rtp_relay -l PORT -d PORT [-t TRUTH] [-s SEED] [-n PACKETS] [-J "
		"JITTER_MS]\n"
		"    chances in 1000: [-D DROP] [-U DUPLICATE] [-R REORDER -k BY] [-x NOISE]\n");
	exit(2);
}

int main(int argc, char **argv)
{
	struct relay relay = { .random = 1, .hold = 3 };
	const char *truth = NULL;
	int from = 0, to = 0, c;

	while ((c = getopt(argc, argv, "l:d:t:s:n:D:U:R:k:J:x:")) != -1) {
		unsigned n = optarg ? (unsigned)strtoul(optarg, NULL, 0) : 0;
		switch (c) {
		case 'l':
			from = (int)n;
			break;
		case 'd':
			to = (int)n;
			break;
		case 't':
			truth = optarg;
			break;
		case 's':
			relay.random = n;
			break;
		case 'n':
			relay.limit = n;
			break;
		case 'D':
			relay.drop = n;
			break;
		case 'U':
			relay.dup = n;
			break;
		case 'R':
			relay.reorder = n;
			break;
		case 'k':
			relay.hold = n ? n : 1;
			break;
		case 'J':
			relay.jitter_ms = n;
			break;
		case 'x':
			relay.noise = n;
			break;
		default:
			usage();
		}
	}
	if (!from || !to)
		usage();
	if (relay_open(&relay, from, to, truth) < 0) {
		perror("rtp_relay");
		return 1;
	}
	printf("pid %d\n", getpid());
	fflush(stdout);
	loop(&relay);
	write_summary(&relay);
	return fclose(relay.truth) ? 1 : 0;
}
