/*
 * Calls key_hit(key, weight) with N different keys, each `repeat` times, so that a keyed map gets exactly N entries
 * whose counts and sums are known. Usage: manykeys N [repeat] [wait]. The sum of all keys is printed too.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

long key_hit(long key, long weight);

__attribute__((noipa)) long key_hit(long key, long weight)
{
	return key * weight;
}

int main(int argc, char **argv)
{
	char line[16];
	long sum = 0;

	if (argc < 2) {
		fprintf(stderr, "usage: manykeys N [repeat] [wait]\n");
		return 2;
	}
	long n = atol(argv[1]), repeat = argc > 2 ? atol(argv[2]) : 1;
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (argc > 3 && !fgets(line, sizeof(line), stdin))
		return 1;
	for (long r = 0; r < repeat; r++)
		for (long key = 0; key < n; key++)
			sum += key_hit(key, 2) / 2;
	printf("keys %ld\nhits %ld\nsum %ld\n", n, n * repeat, sum);
	return 0;
}
