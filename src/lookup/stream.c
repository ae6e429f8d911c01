/*
 * The kernel's own record of mappings: one software event per CPU that counts nothing, with the side records that
 * perf_event_open(2) describes. It costs the machine a few hundred bytes per program started and nothing otherwise.
 */
#include "lookup/stream.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

enum {
	RING_BYTES = 256 << 10, /* per CPU at most; the kernel lets us have 512 KiB */
	RINGS_BYTES = 4 << 20,	/* of all CPUs */
	RING_PAGES_MIN = 4,
	CPUS_MAX = 4096,
};

struct ring {
	int fd;
	struct perf_event_mmap_page *page;
	uint64_t at; /* read so far */
	uint64_t end;
};

struct stream {
	struct spaces *spaces;
	struct ring *rings;
	size_t n;
	size_t data_bytes, page_bytes;
	int poll_fd;
	uint8_t record[1 << 16]; /* one that lies across the end of its ring */
};

/* --- opening --- */

static void close_ring(struct stream *stream, struct ring *ring)
{
	if (ring->page)
		munmap(ring->page, stream->page_bytes + stream->data_bytes);
	if (ring->fd >= 0)
		close(ring->fd);
}

static int open_ring(struct stream *stream, int cpu)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.size = sizeof(attr),
		.sample_type = PERF_SAMPLE_TIME,
		.sample_id_all = 1,
		.mmap = 1,
		.mmap2 = 1,
		.comm = 1,
		.comm_exec = 1,
		.task = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
		.watermark = 1,
		.wakeup_watermark = (uint32_t)stream->data_bytes / 2,
	};
	struct epoll_event event = { .events = EPOLLIN };
	struct ring *ring = &stream->rings[stream->n];
	void *memory;

	ring->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
	if (ring->fd < 0)
		return errno == ENODEV || errno == EINVAL ? 0 : -errno; /* the CPU is off */
	stream->n++;
	memory = mmap(NULL, stream->page_bytes + stream->data_bytes, PROT_READ | PROT_WRITE,
		      MAP_SHARED, ring->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	ring->page = memory;
	return epoll_ctl(stream->poll_fd, EPOLL_CTL_ADD, ring->fd, &event) ? -errno : 0;
}

static size_t ring_bytes(long cpus, size_t page)
{
	size_t bytes = RING_BYTES;

	while (bytes > RING_PAGES_MIN * page && bytes * (size_t)cpus > RINGS_BYTES)
		bytes /= 2;
	return bytes;
}

int stream_open(struct stream **made, struct spaces *spaces)
{
	struct stream *stream = mem_alloc(sizeof(*stream));
	long cpus = sysconf(_SC_NPROCESSORS_CONF), page = sysconf(_SC_PAGESIZE);
	int err;

	if (cpus < 1 || cpus > CPUS_MAX)
		cpus = 1;
	stream->spaces = spaces;
	stream->n = 0;
	stream->page_bytes = (size_t)page;
	stream->data_bytes = ring_bytes(cpus, (size_t)page);
	stream->rings = mem_alloc((size_t)cpus * sizeof(*stream->rings));
	memset(stream->rings, 0, (size_t)cpus * sizeof(*stream->rings));
	stream->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	err = stream->poll_fd < 0 ? -errno : 0;
	for (int cpu = 0; !err && cpu < cpus; cpu++)
		err = open_ring(stream, cpu);
	if (!err && !stream->n)
		err = -ENODEV;
	if (err) {
		stream_close(stream);
		return err;
	}
	spaces_are_told(spaces);
	*made = stream;
	return 0;
}

void stream_close(struct stream *stream)
{
	if (!stream)
		return;
	for (size_t i = 0; i < stream->n; i++)
		close_ring(stream, &stream->rings[i]);
	if (stream->poll_fd >= 0)
		close(stream->poll_fd);
	free(stream->rings);
	free(stream);
}

int stream_fd(const struct stream *stream)
{
	return stream->poll_fd;
}

/* --- records --- */

/* What follows the header of each kind; struct perf_event_header's size tells where the record ends. */
struct task_record {
	struct perf_event_header header;
	uint32_t pid, parent, tid, parent_tid;
	uint64_t time;
};
struct comm_record {
	struct perf_event_header header;
	uint32_t pid, tid;
};
struct mmap_record {
	struct perf_event_header header;
	uint32_t pid, tid;
	uint64_t start, len, offset;
	uint32_t major, minor;
	uint64_t inode, generation;
	uint32_t protection, flags;
	char path[];
};

static void take_mmap(struct stream *stream, const struct mmap_record *record, size_t size)
{
	struct mapping mapping = {
		.start = record->start,
		.end = record->start + record->len,
		.offset = record->offset,
		.dev = makedev(record->major, record->minor),
		.ino = record->inode,
		.path = record->path,
	};

	mapping.path_len = strnlen(record->path, size - offsetof(struct mmap_record, path));
	if (!strncmp(record->path, "//anon", mapping.path_len)) /* as /proc/PID/maps has it */
		mapping.path_len = 0;
	spaces_mapped(stream->spaces, (int)record->pid, &mapping);
}

/* `size` is without the time at the end. */
static void take_record(struct stream *stream, const struct perf_event_header *header, size_t size)
{
	const struct task_record *task = (const void *)header;
	const struct comm_record *comm = (const void *)header;

	switch (header->type) {
	case PERF_RECORD_MMAP2:
		if (size > sizeof(struct mmap_record))
			take_mmap(stream, (const void *)header, size);
		break;
	case PERF_RECORD_COMM:
		if (header->misc & PERF_RECORD_MISC_COMM_EXEC)
			spaces_executed(stream->spaces, (int)comm->pid);
		break;
	case PERF_RECORD_FORK:
		spaces_forked(stream->spaces, (int)task->pid, (int)task->parent);
		break;
	case PERF_RECORD_EXIT:
		if (task->pid == task->tid)
			spaces_ended(stream->spaces, (int)task->pid);
		break;
	case PERF_RECORD_LOST:
		spaces_missed(stream->spaces);
		break;
	default:
		break;
	}
}

/* --- rings --- */

static const uint8_t *ring_data(const struct stream *stream, const struct ring *ring, uint64_t at)
{
	return (const uint8_t *)ring->page + stream->page_bytes + at % stream->data_bytes;
}

/* The next record in one piece; NULL: there is none. Records are multiples of 8 bytes, so a header never lies across. */
static const struct perf_event_header *peek(struct stream *stream, const struct ring *ring)
{
	const struct perf_event_header *header;
	uint64_t room;

	if (ring->at >= ring->end)
		return NULL;
	header = (const void *)ring_data(stream, ring, ring->at);
	room = stream->data_bytes - ring->at % stream->data_bytes;
	if (header->size <= room)
		return header;
	memcpy(stream->record, header, room);
	memcpy(stream->record + room, ring_data(stream, ring, 0), header->size - room);
	return (const void *)stream->record;
}

/* When the next record was made, the last word of each; UINT64_MAX: there is none. */
static uint64_t time_of_next(struct stream *stream, const struct ring *ring)
{
	const struct perf_event_header *header =
		ring->at < ring->end ? (const void *)ring_data(stream, ring, ring->at) : NULL;
	uint64_t ns;

	if (!header)
		return UINT64_MAX;
	memcpy(&ns, ring_data(stream, ring, ring->at + header->size - sizeof(ns)), sizeof(ns));
	return ns;
}

static bool has_news(struct stream *stream)
{
	bool found = false;

	for (size_t i = 0; i < stream->n; i++) {
		struct ring *ring = &stream->rings[i];

		ring->end = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE);
		found |= ring->at < ring->end;
	}
	return found;
}

void stream_read(struct stream *stream)
{
	if (!has_news(stream))
		return;
	for (;;) {
		struct ring *ring = &stream->rings[0];
		const struct perf_event_header *header;
		uint64_t first = time_of_next(stream, ring), ns;

		for (size_t i = 1; i < stream->n; i++) {
			ns = time_of_next(stream, &stream->rings[i]);
			if (ns < first) {
				first = ns;
				ring = &stream->rings[i];
			}
		}
		header = peek(stream, ring);
		if (!header || header->size < sizeof(*header) + sizeof(ns))
			break;
		spaces_told_at(stream->spaces, first);
		take_record(stream, header, header->size - sizeof(ns));
		ring->at += header->size;
		__atomic_store_n(&ring->page->data_tail, ring->at, __ATOMIC_RELEASE);
	}
}
