/*
 * /etc/ld.so.cache, the loader's own list of libraries ("ldconfig -p"), read directly; and what it
 * means for a file to belong to a library that is named without version.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/internal.h"

/*
 * The format since glibc 2.2; older caches put another one before it. Offsets count from the
 * header's start.
 */
struct cache_header {
	char magic[20]; /* "glibc-ld.so.cache1.1" */
	uint32_t n, strings_len, flags, extensions, unused[3];
};
struct cache_entry {
	int32_t flags;
	uint32_t key, value, os_version;
	uint64_t hwcap;
};

static const char magic[] = "glibc-ld.so.cache1.1";

#if defined(__x86_64__)
enum { ENTRY_FLAGS = 0x0303 }; /* ELF, glibc; 64-bit x86 */
#elif defined(__aarch64__)
enum { ENTRY_FLAGS = 0x0a03 };
#else
enum { ENTRY_FLAGS = 0x0003 };
#endif

struct cache {
	const char *data; /* from the header on */
	size_t len;
	const struct cache_entry *entries;
	size_t n;
};

bool library_matches(const char *word, const char *base, size_t base_len)
{
	size_t len = strlen(word);
	const char *rest = base + len;

	if (base_len < len || memcmp(word, base, len) != 0)
		return false;
	if (base_len == len)
		return true;
	if (strstr(word, ".so"))
		return *rest == '.';
	if (!strncmp(rest, ".so", 3))
		return rest[3] == '\0' || rest[3] == '.';
	return rest[0] == '-' && isdigit((unsigned char)rest[1]) && strstr(rest, ".so");
}

/* --- the cache --- */

static bool cache_parse(struct cache *cache, const char *data, size_t len)
{
	const char *at = memmem(data, len, magic, sizeof(magic) - 1);
	const struct cache_header *header = (const void *)at;

	if (!at || (size_t)(at - data) % 4 || len - (size_t)(at - data) < sizeof(*header))
		return false;
	cache->data = at;
	cache->len = len - (size_t)(at - data);
	cache->entries = (const void *)(header + 1);
	cache->n = header->n;
	return cache->n <= (cache->len - sizeof(*header)) / sizeof(*cache->entries);
}

/* A string of the cache; "" when the offset or the end is outside of it. */
static const char *cache_string(const struct cache *cache, uint32_t offset)
{
	if (offset >= cache->len || !memchr(cache->data + offset, '\0', cache->len - offset))
		return "";
	return cache->data + offset;
}

/*
 * Names are sorted so that higher versions come first. Files for particular processors (hwcap) are
 * second choice: the loader may not take them.
 */
static const char *cache_search(const struct cache *cache, const char *word)
{
	const char *second = NULL;

	for (size_t i = 0; i < cache->n; i++) {
		const struct cache_entry *entry = &cache->entries[i];
		const char *key = cache_string(cache, entry->key);
		const char *path = cache_string(cache, entry->value);

		if (entry->flags != ENTRY_FLAGS || !library_matches(word, key, strlen(key)) ||
		    access(path, R_OK) != 0)
			continue;
		if (!entry->hwcap)
			return path;
		if (!second)
			second = path;
	}
	return second;
}

/* Suggest "libx" for a word without version, "libx.so.5" for one with it. */
static const char *cache_nearest(struct lookup *lookup, const struct cache *cache, const char *word)
{
	bool has_version = strstr(word, ".so");
	struct nearest nearest;
	struct buf stem = { 0 };

	nearest_init(&nearest, word);
	for (size_t i = 0; i < cache->n; i++) {
		const char *key = cache_string(cache, cache->entries[i].key);
		const char *dot = has_version ? NULL : strstr(key, ".so");

		buf_reset(&stem);
		buf_add(&stem, key, dot ? (size_t)(dot - key) : strlen(key));
		nearest_try(&nearest, stem.data);
		if (nearest.best == stem.data)
			nearest.best = arena_strdup(lookup->arena, stem.data);
	}
	buf_fini(&stem);
	return nearest.best;
}

const char *ldcache_find(struct lookup *lookup, const char *word, const char **nearest)
{
	int fd = open("/etc/ld.so.cache", O_RDONLY | O_CLOEXEC);
	const char *found = NULL;
	struct cache cache;
	struct stat st;
	void *data;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data != MAP_FAILED) {
			if (cache_parse(&cache, data, (size_t)st.st_size)) {
				found = cache_search(&cache, word);
				if (found)
					found = arena_strdup(lookup->arena, found);
				else if (nearest)
					*nearest = cache_nearest(lookup, &cache, word);
			}
			munmap(data, (size_t)st.st_size);
		}
	}
	close(fd);
	return found;
}
