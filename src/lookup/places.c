/* Offsets in a file to functions: see places.h. */
#include "lookup/places.h"

#include <fcntl.h>
#include <unistd.h>

#include "lookup/internal.h"

enum {
	NESTED = 16,	   /* how many functions back may still hold an address */
	SEGMENTS_MAX = 64, /* no linker makes that many */
	PAGE = 4096,
};

struct entry {
	uint64_t offset;
	uint32_t size;
	uint32_t name : 31; /* where in `names` */
	uint32_t is_local : 1;
};

struct places {
	struct entry *entries; /* by offset; one for each */
	size_t n, cap;
	struct buf names;
	struct elf_segment segments[SEGMENTS_MAX];
	unsigned n_segments;
};

/* --- reading --- */

static void add_segment(void *arg, const struct elf_segment *segment)
{
	struct places *places = arg;

	if (places->n_segments < SEGMENTS_MAX)
		places->segments[places->n_segments++] = *segment;
}

static void add_function(void *arg, const struct elf_function *function)
{
	struct places *places = arg;
	const struct elf_segment *segment = places->segments;
	const struct elf_segment *end = segment + places->n_segments;
	struct entry *entry;

	while (segment < end && function->address - segment->address >= segment->size)
		segment++;
	if (segment == end || places->names.len >= INT32_MAX)
		return;
	if (places->n == places->cap) {
		places->cap = places->cap ? 2 * places->cap : 256;
		places->entries = mem_realloc(places->entries, places->cap * sizeof(*entry));
	}
	entry = &places->entries[places->n++];
	entry->offset = function->address - segment->address + segment->offset;
	entry->size = function->size < UINT32_MAX ? (uint32_t)function->size : UINT32_MAX;
	entry->name = places->names.len & INT32_MAX;
	entry->is_local = function->is_local;
	buf_add(&places->names, function->name, strcspn(function->name, "@"));
	buf_putc(&places->names, '\0');
}

static int compare_entries(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

/* Of several names for one place: the exported one, with the fewest leading underscores. */
static bool is_better(const struct places *places, const struct entry *a, const struct entry *b)
{
	const char *x = places->names.data + a->name, *y = places->names.data + b->name;
	size_t x_bars = strspn(x, "_"), y_bars = strspn(y, "_");

	if (a->is_local != b->is_local)
		return b->is_local;
	if (!a->size != !b->size)
		return a->size;
	return x_bars != y_bars ? x_bars < y_bars : strcmp(x, y) < 0;
}

static void sort_entries(struct places *places)
{
	struct entry *entries = places->entries;
	size_t kept = 0;

	if (!places->n)
		return;
	qsort(entries, places->n, sizeof(*entries), compare_entries);
	for (size_t i = 1; i < places->n; i++)
		if (entries[i].offset != entries[kept].offset)
			entries[++kept] = entries[i];
		else if (is_better(places, &entries[i], &entries[kept]))
			entries[kept] = entries[i];
	places->n = places->cap = kept + 1;
	places->entries = mem_realloc(entries, places->n * sizeof(*entries));
}

static struct places *read_file(const char *path, bool with_functions)
{
	struct places *places = mem_alloc(sizeof(*places));
	struct elf_scan scan = { .arg = places,
				 .segment = add_segment,
				 .function = with_functions ? add_function : NULL };
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *error;

	*places = (struct places){ 0 };
	error = fd >= 0 ? elf_scan(&scan, fd, path) : "cannot be read";
	if (fd >= 0)
		close(fd);
	if (error) {
		places_free(places);
		return NULL;
	}
	sort_entries(places);
	return places;
}

struct places *places_read(const char *path)
{
	return read_file(path, true);
}

void places_free(struct places *places)
{
	if (!places)
		return;
	free(places->entries);
	buf_fini(&places->names);
	free(places);
}

size_t places_bytes(const struct places *places)
{
	return sizeof(*places) + places->cap * sizeof(struct entry) + places->names.cap;
}

/* --- finding --- */

/* A function without size (written in assembler) reaches to the next one. */
static bool holds(const struct places *places, size_t i, uint64_t offset)
{
	const struct entry *entry = &places->entries[i];

	if (entry->size)
		return offset - entry->offset < entry->size;
	return i + 1 == places->n || offset < entry[1].offset;
}

struct place places_find(const struct places *places, uint64_t offset)
{
	size_t low = 0, high = places->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (places->entries[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	for (unsigned back = 0; low > 0 && back < NESTED; back++) {
		low--;
		if (holds(places, low, offset))
			return (struct place){ places->names.data + places->entries[low].name,
					       offset - places->entries[low].offset };
	}
	return (struct place){ 0 };
}

uint64_t places_address(const struct places *places, uint64_t offset)
{
	for (unsigned i = 0; i < places->n_segments; i++) {
		const struct elf_segment *segment = &places->segments[i];

		if (offset - segment->offset < segment->size)
			return offset - segment->offset + segment->address;
	}
	return 0;
}

bool places_delta(const char *path, uint64_t offset, uint64_t *delta)
{
	struct places *places = read_file(path, false);
	uint64_t base = UINT64_MAX;
	bool found = false;

	for (unsigned i = 0; places && i < places->n_segments; i++) {
		const struct elf_segment *segment = &places->segments[i];
		uint64_t page = segment->offset & ~(uint64_t)(PAGE - 1);

		if (segment->address < base)
			base = segment->address & ~(uint64_t)(PAGE - 1);
		if (found || offset < page || offset - page >= segment->size + PAGE)
			continue;
		*delta = segment->address - segment->offset + offset;
		found = offset < segment->offset + segment->size;
	}
	if (found)
		*delta -= base;
	places_free(places);
	return found;
}
