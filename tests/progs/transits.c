/*
 * Calls transit_sample() with N pseudo-random numbers and says what a histogram and a jitter of them are: the counts up
 * to 1000, 10000 and 100000 and above, the sum, and the interarrival jitter as the code of RFC 3550, appendix A.8,
 * computes it. Usage: transits N. Waits for a line on stdin; prints lines "name number".
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void transit_sample(long transit);

__attribute__((noipa)) void transit_sample(long transit)
{
	(void)transit;
}

/* Of all magnitudes up to 2^18. */
static long next_transit(uint64_t *seed)
{
	uint64_t n, shift;

	*seed = *seed * 6364136223846793005u + 1442695040888963407u;
	n = *seed >> 46;
	shift = *seed >> 40 & 15;
	return (long)(n >> shift);
}

int main(int argc, char **argv)
{
	static const long bounds[] = { 1000, 10000, 100000 };
	long n = argc > 1 ? atol(argv[1]) : 0, counts[4] = { 0 }, sum = 0;
	int jitter = 0, before = 0;
	uint64_t seed = 42;
	char line[16];

	if (n < 1) {
		fprintf(stderr, "usage: transits N\n");
		return 2;
	}
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return 1;
	for (long i = 0; i < n; i++) {
		int transit = (int)next_transit(&seed), d = transit - before, bucket = 0;

		transit_sample(transit);
		while (bucket < 3 && transit > bounds[bucket])
			bucket++;
		counts[bucket]++;
		sum += transit;
		before = transit;
		if (i)
			jitter += (d < 0 ? -d : d) - ((jitter + 8) >> 4);
	}
	printf("le_1000 %ld\nle_10000 %ld\nle_100000 %ld\nabove %ld\n", counts[0], counts[1],
	       counts[2], counts[3]);
	printf("sum %ld\njitter %d\n", sum, jitter >> 4);
	return 0;
}
