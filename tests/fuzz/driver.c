/*
 * Runs a fuzz target without a fuzzer: on every file that is named or lies in a folder that is named, and on ROUNDS
 * broken copies of each (cut short, bytes changed, bytes put in). The copies follow from the file alone, so that a
 * failure comes again. Usage: fuzz_NAME [-n ROUNDS] FILE|FOLDER... Each file is named before it is tried.
 */
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

struct corpus {
	unsigned rounds, n;
	uint64_t random;
};

/* nftw hands nothing through. */
static struct corpus corpus;

static uint32_t random_below(uint32_t limit)
{
	corpus.random = corpus.random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(corpus.random >> 33) % limit;
}

/* In a block of exactly its size, so that the sanitizer sees a read behind the end. */
static void try_bytes(const uint8_t *bytes, size_t size)
{
	uint8_t *own = malloc(size ? size : 1);

	if (!own)
		abort();
	memcpy(own, bytes, size);
	LLVMFuzzerTestOneInput(own, size);
	free(own);
}

static void try_broken(const uint8_t *bytes, size_t size)
{
	uint8_t *copy = malloc(size + 1);

	if (!copy || !size)
		abort();
	memcpy(copy, bytes, size);
	if (random_below(4) == 0)
		size = random_below((uint32_t)size);
	for (unsigned n = random_below(4) + 1; size && n; n--) {
		static const uint8_t edges[] = { 0, 1, 0x7f, 0x80, 0xff, '"', '{', ';' };
		size_t at = random_below((uint32_t)size);

		if (random_below(2))
			copy[at] = edges[random_below(sizeof(edges))];
		else
			copy[at] ^= (uint8_t)(1u << random_below(8));
	}
	try_bytes(copy, size);
	free(copy);
}

static int try_file(const char *path, const struct stat *st, int kind, struct FTW *place)
{
	FILE *file = kind == FTW_F ? fopen(path, "re") : NULL;
	uint8_t *bytes = malloc((size_t)st->st_size + 1);
	size_t size;

	(void)place;
	if (kind == FTW_NS || (kind == FTW_F && (!file || !bytes))) {
		perror(path);
		exit(2);
	}
	if (file) {
		fprintf(stderr, "%s\n", path);
		size = fread(bytes, 1, (size_t)st->st_size, file);
		fclose(file);
		try_bytes(bytes, size);
		corpus.random = size;
		for (unsigned i = 0; size && i < corpus.rounds; i++)
			try_broken(bytes, size);
		corpus.n++;
	}
	free(bytes);
	return 0;
}

int main(int argc, char **argv)
{
	int first = 1;

	if (argc > 2 && strcmp(argv[1], "-n") == 0) {
		corpus.rounds = (unsigned)atoi(argv[2]);
		first = 3;
	}
	for (int i = first; i < argc; i++)
		if (nftw(argv[i], try_file, 16, FTW_PHYS)) {
			perror(argv[i]);
			return 2;
		}
	fprintf(stderr, "%u files, %u broken copies of each\n", corpus.n, corpus.rounds);
	return corpus.n ? 0 : 2;
}
