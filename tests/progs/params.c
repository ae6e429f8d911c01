/*
 * Functions with parameters of all kinds, for args by debug information: it tells its pid, waits for a line on stdin, makes
 * each call as often as told and prints what it passed, one "name number" per line. The functions are never inlined or
 * cloned.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TARGET __attribute__((noipa))

enum color { COLOR_RED, COLOR_GREEN, COLOR_BLUE = 7 };
enum depth { DEPTH_BELOW = -3, DEPTH_ZERO, DEPTH_ABOVE = 5 };

struct inner {
	long weight;
	const char *label;
};

struct packet {
	uint16_t kind;
	unsigned flag : 1, level : 5;
	struct inner *inner;
	struct inner held;
	union {
		uint64_t word;
		uint8_t byte[8];
	};
	char tag[8];
	struct packet *next;
	enum color color;
};

typedef struct {
	int16_t x, y;
} point_t;
typedef int16_t sample_t;

struct wide {
	long a, b, c;
};
struct pair {
	int a, b;
};
struct mixed {
	double d;
	long n;
};

long params_scalars(signed char small, unsigned short port, bool on, enum color color,
		    sample_t sample, const volatile unsigned char byte);
long params_packet(const struct packet *packet, const char *name, point_t *point);
long params_more(int a, int b, int c, int d, int e, int f, short seventh, unsigned char eighth);
long params_float(int before, double ratio, long after);
long params_pair(struct pair pair, long after);
long params_mixed(struct mixed mixed, long after);
long params_wide(struct wide wide, long after);
struct wide params_hidden(long first, long second);
double params_double(long n);
enum depth params_depth(enum depth depth);
struct packet *params_next(struct packet *packet);
void params_void(long n);
short params_recursive(short depth, signed char sign);
long params_glob_a(int common, char own);
long params_glob_b(int common, long *own);
unsigned long params_glob_c(int common);

#define KEEP(value) __asm__ volatile("" ::"g"(value))

TARGET long params_scalars(signed char small, unsigned short port, bool on, enum color color,
			   sample_t sample, const volatile unsigned char byte)
{
	return small + port + on + (long)color + sample + byte;
}

TARGET long params_packet(const struct packet *packet, const char *name, point_t *point)
{
	return packet->kind + name[0] + point->x;
}

TARGET long params_more(int a, int b, int c, int d, int e, int f, short seventh,
			unsigned char eighth)
{
	return a + b + c + d + e + f + seventh + eighth;
}

TARGET long params_float(int before, double ratio, long after)
{
	return before + (long)ratio + after;
}

TARGET long params_pair(struct pair pair, long after)
{
	return pair.a + pair.b + after;
}

TARGET long params_mixed(struct mixed mixed, long after)
{
	return (long)mixed.d + mixed.n + after;
}

TARGET long params_wide(struct wide wide, long after)
{
	return wide.a + after;
}

TARGET struct wide params_hidden(long first, long second)
{
	return (struct wide){ first, second, first + second };
}

TARGET double params_double(long n)
{
	return (double)n / 2;
}

TARGET enum depth params_depth(enum depth depth)
{
	return depth;
}

TARGET struct packet *params_next(struct packet *packet)
{
	return packet->next;
}

TARGET void params_void(long n)
{
	KEEP(n);
}

/* Calls itself until depth is 0; returns minus how deep it is from there. */
TARGET short params_recursive(short depth, signed char sign)
{
	volatile short below = 0;

	if (depth > 0)
		below = params_recursive((short)(depth - 1), sign);
	return (short)(below + sign);
}

TARGET long params_glob_a(int common, char own)
{
	return common + own;
}

TARGET long params_glob_b(int common, long *own)
{
	return common + *own;
}

TARGET unsigned long params_glob_c(int common)
{
	return (unsigned long)common;
}

static void call(long i)
{
	static struct inner inner = { -1234567890123, "the label" };
	static struct packet last = { .kind = 9 };
	static struct packet packet = {
		.kind = 65000,
		.flag = 1,
		.level = 21,
		.inner = &inner,
		.held = { 77, "held" },
		.word = 0x1122334455667788,
		.tag = "tag",
		.next = &last,
		.color = COLOR_BLUE,
	};
	point_t point = { -5, 6 };
	long own = i;

	params_scalars((signed char)-i, (unsigned short)(65535 - i), i % 2, COLOR_GREEN,
		       (sample_t)(-1000 - i), 200);
	params_packet(&packet, "the name", &point);
	params_more(1, 2, 3, 4, 5, 6, (short)-i, 255);
	params_float(-1, 2.5, -3);
	params_pair((struct pair){ 1, 2 }, -4);
	params_mixed((struct mixed){ 1.5, 2 }, -5);
	params_wide((struct wide){ 1, 2, 3 }, -6);
	KEEP(params_hidden(-7, -8).c);
	params_double(i);
	params_depth(i % 2 ? DEPTH_BELOW : DEPTH_ABOVE);
	params_next(&packet);
	params_void(-i);
	params_glob_a((int)-i, 1);
	params_glob_b((int)-i, &own);
	params_glob_c((int)-i);
}

int main(int argc, char **argv)
{
	long n = argc > 1 ? atol(argv[1]) : 1, sum = 0, odd = 0, ports = 0;

	printf("pid %d\n", getpid());
	fflush(stdout);
	if (getchar() == EOF)
		return 1;
	for (long i = 1; i <= n; i++) {
		call(i);
		sum += i;
		odd += i % 2;
		ports += 65535 - i;
	}
	params_recursive(3, -1);
	printf("calls %ld\nsum %ld\nminus %ld\nodd %ld\nports %ld\nsamples %ld\n", n, sum, -sum,
	       odd, ports, -1000 * n - sum);
	printf("thrice_minus %ld\n", -3 * sum);
	return 0;
}
