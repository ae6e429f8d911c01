/*
 * Mappings of processes: see spaces.h. Children share those of their parent until either maps something. Memory is
 * bounded for runs over days: what was used longest ago is forgotten.
 */
#include "lookup/spaces.h"

#include <assert.h>
#include <dirent.h>
#include <time.h>

enum {
	BUCKETS = 4096,
	BYTES_MAX = 12 << 20, /* of all processes and mappings */
	FRESH_MS = 1000, /* a process is looked at again after this when not everything is told, */
	MISS_MS = 50,	 /* or after this when an address is in none of its mappings */
};

/* The mappings of one process, or of several that have the same. */
struct ranges {
	unsigned refs;
	size_t n, cap;
	struct range data[];
};

struct process {
	int pid;
	bool is_told; /* all its mappings were told or read since everything is */
	bool has_ended;
	int64_t read_ms;
	uint64_t read_ns; /* what is told of earlier times is in what was read */
	uint64_t version;
	struct ranges *ranges; /* NULL: none known */
	struct process *next;  /* in its bucket */
	struct process *newer, *older;
};

struct spaces {
	struct modules *modules;
	struct process *buckets[BUCKETS];
	struct process *newest, *oldest;
	struct buf text;
	size_t bytes;
	uint64_t version;
	DIR *folder; /* /proc, while it is being looked through */
	bool are_told;
	uint64_t told_ns; /* when what is being told happened */
};

struct spaces *spaces_new(struct modules *modules)
{
	struct spaces *spaces = mem_alloc(sizeof(*spaces));

	*spaces = (struct spaces){ .modules = modules };
	return spaces;
}

/* --- mappings --- */

static size_t ranges_bytes(size_t cap)
{
	return sizeof(struct ranges) + cap * sizeof(struct range);
}

static struct ranges *ranges_new(struct spaces *spaces, size_t cap)
{
	struct ranges *ranges = mem_alloc(ranges_bytes(cap));

	ranges->refs = 1;
	ranges->n = 0;
	ranges->cap = cap;
	spaces->bytes += ranges_bytes(cap);
	return ranges;
}

static void ranges_drop(struct spaces *spaces, struct ranges *ranges)
{
	if (!ranges || --ranges->refs)
		return;
	for (size_t i = 0; i < ranges->n; i++)
		modules_drop(spaces->modules, ranges->data[i].module);
	spaces->bytes -= ranges_bytes(ranges->cap);
	free(ranges);
}

/* A copy of its own, with room for `more`. */
static void make_own(struct spaces *spaces, struct process *process, size_t more)
{
	struct ranges *old = process->ranges, *own;
	size_t n = old ? old->n : 0;

	if (old && old->refs == 1 && old->cap - old->n >= more)
		return;
	own = ranges_new(spaces, n + more + n / 2 + 4);
	own->n = n;
	if (n)
		memcpy(own->data, old->data, n * sizeof(*own->data));
	for (size_t i = 0; i < n; i++)
		if (own->data[i].module)
			own->data[i].module->refs++;
	ranges_drop(spaces, old);
	process->ranges = own;
}

/* Index of the first mapping that ends above the address. */
static size_t first_above(const struct ranges *ranges, uint64_t address)
{
	size_t low = 0, high = ranges->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (ranges->data[middle].end <= address)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* A new mapping takes the place of what it covers. */
static void put_range(struct spaces *spaces, struct process *process, struct range range)
{
	struct range pieces[3];
	struct ranges *ranges;
	size_t from, to, n = 0;

	make_own(spaces, process, 2);
	ranges = process->ranges;
	from = to = first_above(ranges, range.start);
	while (to < ranges->n && ranges->data[to].start < range.end)
		to++;
	if (from < to && ranges->data[from].start < range.start) {
		pieces[n] = ranges->data[from];
		pieces[n++].end = range.start;
	}
	pieces[n++] = range;
	if (from < to && ranges->data[to - 1].end > range.end) {
		pieces[n] = ranges->data[to - 1];
		pieces[n].offset += range.end - pieces[n].start;
		pieces[n++].start = range.end;
	}
	for (size_t i = 0; i < n; i++) /* the new one is held already */
		if (pieces[i].module && pieces[i].start != range.start)
			pieces[i].module->refs++;
	for (size_t i = from; i < to; i++)
		modules_drop(spaces->modules, ranges->data[i].module);
	memmove(&ranges->data[from + n], &ranges->data[to], (ranges->n - to) * sizeof(range));
	memcpy(&ranges->data[from], pieces, n * sizeof(range));
	ranges->n += n - (to - from);
	process->version = ++spaces->version;
}

/* --- the table --- */

static struct process **bucket_of(struct spaces *spaces, int pid)
{
	return &spaces->buckets[(unsigned)pid % BUCKETS];
}

static void unlink_age(struct spaces *spaces, struct process *process)
{
	struct process *newer = process->newer, *older = process->older;

	if (newer)
		newer->older = older;
	else
		spaces->newest = older;
	if (older)
		older->newer = newer;
	else
		spaces->oldest = newer;
	process->newer = process->older = NULL;
}

static void make_newest(struct spaces *spaces, struct process *process)
{
	process->older = spaces->newest;
	*(spaces->newest ? &spaces->newest->newer : &spaces->oldest) = process;
	spaces->newest = process;
}

static void free_process(struct spaces *spaces, struct process *process)
{
	struct process **at = bucket_of(spaces, process->pid);

	while (*at != process)
		at = &(*at)->next;
	*at = process->next;
	unlink_age(spaces, process);
	assert(process != spaces->oldest);
	ranges_drop(spaces, process->ranges);
	spaces->bytes -= sizeof(*process);
	free(process);
}

void spaces_free(struct spaces *spaces)
{
	if (!spaces)
		return;
	while (spaces->oldest)
		free_process(spaces, spaces->oldest);
	if (spaces->folder)
		closedir(spaces->folder);
	buf_fini(&spaces->text);
	free(spaces);
}

static struct process *find(struct spaces *spaces, int pid)
{
	struct process *process = *bucket_of(spaces, pid);

	while (process && process->pid != pid)
		process = process->next;
	if (process && process != spaces->newest) {
		unlink_age(spaces, process);
		make_newest(spaces, process);
	}
	return process;
}

static struct process *add(struct spaces *spaces, int pid)
{
	struct process **bucket = bucket_of(spaces, pid), *process = mem_alloc(sizeof(*process));

	while (spaces->bytes > BYTES_MAX && spaces->oldest)
		free_process(spaces, spaces->oldest);
	*process = (struct process){ .pid = pid, .next = *bucket };
	*bucket = process;
	make_newest(spaces, process);
	spaces->bytes += sizeof(*process);
	return process;
}

/* --- reading --- */

struct reading {
	struct spaces *spaces;
	struct process *process;
};

static bool read_mapping(void *arg, const struct mapping *mapping)
{
	struct reading *reading = arg;
	struct ranges *ranges;

	make_own(reading->spaces, reading->process, 1);
	ranges = reading->process->ranges;
	ranges->data[ranges->n++] = (struct range){
		.start = mapping->start,
		.end = mapping->end,
		.offset = mapping->offset,
		.module =
			mapping->path_len ? modules_hold(reading->spaces->modules, mapping) : NULL,
	};
	return true;
}

/* What was known about a process that is gone now stays. */
static void read_process(struct spaces *spaces, struct process *process)
{
	struct process fresh = { .pid = process->pid };
	struct reading reading = { spaces, &fresh };

	struct timespec now;

	process->read_ms = modules_now_ms();
	if (process->has_ended)
		return;
	clock_gettime(CLOCK_MONOTONIC, &now);
	mappings_each(process->pid, &spaces->text, read_mapping, &reading);
	if (!fresh.ranges)
		return;
	ranges_drop(spaces, process->ranges);
	process->ranges = fresh.ranges;
	process->is_told = spaces->are_told;
	process->read_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	process->version = ++spaces->version;
}

static const struct range *find_range(const struct process *process, uint64_t address)
{
	const struct ranges *ranges = process->ranges;
	size_t at = ranges ? first_above(ranges, address) : 0;

	if (ranges && at < ranges->n && ranges->data[at].start <= address)
		return &ranges->data[at];
	return NULL;
}

static struct process *known(struct spaces *spaces, int pid)
{
	struct process *process = find(spaces, pid);

	if (!process) {
		process = add(spaces, pid);
		read_process(spaces, process);
	} else if (!process->is_told && modules_now_ms() - process->read_ms >= FRESH_MS) {
		read_process(spaces, process);
	}
	return process;
}

const struct range *spaces_locate(struct spaces *spaces, int pid, uint64_t address)
{
	struct process *process = known(spaces, pid);
	const struct range *range = find_range(process, address);

	if (range || modules_now_ms() - process->read_ms < MISS_MS)
		return range;
	read_process(spaces, process);
	return find_range(process, address);
}

const struct range *spaces_ranges(struct spaces *spaces, int pid, size_t *n)
{
	struct process *process = known(spaces, pid);

	*n = process->ranges ? process->ranges->n : 0;
	return process->ranges ? process->ranges->data : NULL;
}

uint64_t spaces_version(struct spaces *spaces, int pid)
{
	return known(spaces, pid)->version;
}

/* --- what the kernel tells --- */

void spaces_are_told(struct spaces *spaces)
{
	spaces->are_told = true;
}

void spaces_told_at(struct spaces *spaces, uint64_t ns)
{
	spaces->told_ns = ns;
}

/* The process, unless it has been read since. */
static struct process *find_told(struct spaces *spaces, int pid, bool *is_old)
{
	struct process *process = find(spaces, pid);

	*is_old = process && process->read_ns > spaces->told_ns;
	return process;
}

/* A new program; NULL: that was before the process was read. */
static struct process *begin(struct spaces *spaces, int pid)
{
	bool is_old;
	struct process *process = find_told(spaces, pid, &is_old);

	if (is_old)
		return NULL;
	if (!process)
		process = add(spaces, pid);
	ranges_drop(spaces, process->ranges);
	process->ranges = NULL;
	process->has_ended = false;
	process->is_told = true;
	process->read_ms = modules_now_ms();
	process->version = ++spaces->version;
	return process;
}

void spaces_forked(struct spaces *spaces, int pid, int parent)
{
	struct process *child, *from;

	if (pid == parent) /* a thread */
		return;
	child = begin(spaces, pid);
	if (!child)
		return;
	from = find(spaces, parent);
	if (from && from->is_told && from->ranges) {
		child->ranges = from->ranges;
		child->ranges->refs++;
	} else {
		child->is_told = false; /* it is read when it is asked for */
		child->read_ms -= FRESH_MS;
	}
}

void spaces_executed(struct spaces *spaces, int pid)
{
	begin(spaces, pid);
}

void spaces_mapped(struct spaces *spaces, int pid, const struct mapping *mapping)
{
	bool is_old;
	struct process *process = find_told(spaces, pid, &is_old);
	struct range range = { mapping->start, mapping->end, mapping->offset, NULL };

	/* One that is not known yet is read as a whole when it is asked for. */
	if (!process || is_old || !process->is_told || mapping->start >= mapping->end)
		return;
	if (mapping->path_len)
		range.module = modules_hold(spaces->modules, mapping);
	put_range(spaces, process, range);
}

void spaces_ended(struct spaces *spaces, int pid)
{
	bool is_old;
	struct process *process = find_told(spaces, pid, &is_old);

	if (process && !is_old)
		process->has_ended = true;
}

void spaces_missed(struct spaces *spaces)
{
	for (struct process *process = spaces->newest; process; process = process->older) {
		process->is_told = false;
		process->has_ended = false; /* and its number may be another's */
	}
}

bool spaces_look_around(struct spaces *spaces, int ms)
{
	int64_t until = modules_now_ms() + ms;
	struct dirent *entry;

	if (!spaces->folder)
		spaces->folder = opendir("/proc");
	while (spaces->folder && (entry = readdir(spaces->folder))) {
		int pid = atoi(entry->d_name);

		if (pid > 0)
			known(spaces, pid);
		if (modules_now_ms() > until)
			return true;
	}
	if (spaces->folder)
		closedir(spaces->folder);
	spaces->folder = NULL;
	return false;
}
