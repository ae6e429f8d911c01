/*
 * What processes map, as it is told: children that share their parent's mappings until either maps something, new programs,
 * mappings over others, ends; the kernel's own stream, compared with what a child says of itself; copied stacks of nonsense.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lookup/places.h"
#include "lookup/spaces.h"
#include "lookup/stream.h"

enum { NOBODY = 0x7ff00000 }; /* above what the kernel gives as a number */

struct told {
	struct modules *modules;
	struct spaces *spaces;
};

static int setup(void **state)
{
	struct told *told = mem_alloc(sizeof(*told));

	told->modules = modules_new();
	told->spaces = spaces_new(told->modules);
	spaces_are_told(told->spaces);
	*state = told;
	return 0;
}

static int teardown(void **state)
{
	struct told *told = *state;

	spaces_free(told->spaces);
	modules_free(told->modules);
	free(told);
	return 0;
}

static void map(struct told *told, int pid, uint64_t start, uint64_t end, uint64_t offset,
		const char *path)
{
	struct mapping mapping = { .start = start,
				   .end = end,
				   .offset = offset,
				   .ino = 1,
				   .path = path,
				   .path_len = strlen(path) };

	spaces_mapped(told->spaces, pid, &mapping);
}

/* "PATH+OFFSET" of an address; "-": nothing is mapped there. */
static const char *where(struct told *told, int pid, uint64_t address)
{
	static char text[100];
	const struct range *range = spaces_locate(told->spaces, pid, address);

	if (!range)
		return "-";
	snprintf(text, sizeof(text), "%s+%llx", range->module ? range->module->path : "anon",
		 (unsigned long long)(address - range->start + range->offset));
	return text;
}

static void test_told(void **state)
{
	struct told *told = *state;

	spaces_executed(told->spaces, NOBODY);
	map(told, NOBODY, 0x1000, 0x9000, 0x100000, "/a");
	map(told, NOBODY, 0xa000, 0xb000, 0, "/b");
	assert_string_equal(where(told, NOBODY, 0x1000), "/a+100000");
	assert_string_equal(where(told, NOBODY, 0x8fff), "/a+107fff");
	assert_string_equal(where(told, NOBODY, 0x9000), "-");
	assert_string_equal(where(told, NOBODY, 0xa010), "/b+10");
	assert_string_equal(where(told, NOBODY + 1, 0xa010), "-");
	spaces_ended(told->spaces, NOBODY);
	assert_string_equal(where(told, NOBODY, 0xa010), "/b+10");
	spaces_executed(told->spaces, NOBODY);
	assert_string_equal(where(told, NOBODY, 0xa010), "-");
}

static void test_over_others(void **state)
{
	struct told *told = *state;

	spaces_executed(told->spaces, NOBODY);
	map(told, NOBODY, 0x1000, 0x9000, 0, "/a");
	map(told, NOBODY, 0x3000, 0x4000, 0x50, "/b"); /* in the middle */
	assert_string_equal(where(told, NOBODY, 0x2fff), "/a+1fff");
	assert_string_equal(where(told, NOBODY, 0x3000), "/b+50");
	assert_string_equal(where(told, NOBODY, 0x4000), "/a+3000");
	map(told, NOBODY, 0x2000, 0x5000, 0, ""); /* over parts of three */
	assert_string_equal(where(told, NOBODY, 0x1fff), "/a+fff");
	assert_string_equal(where(told, NOBODY, 0x2000), "anon+0");
	assert_string_equal(where(told, NOBODY, 0x4fff), "anon+2fff");
	assert_string_equal(where(told, NOBODY, 0x5000), "/a+4000");
	map(told, NOBODY, 0x1000, 0x9000, 0, "/c"); /* over all */
	assert_string_equal(where(told, NOBODY, 0x8000), "/c+7000");
	map(told, NOBODY, 0x5000, 0x5000, 0, "/d"); /* nothing */
	map(told, NOBODY, 0x6000, 0x5000, 0, "/d");
	assert_string_equal(where(told, NOBODY, 0x5000), "/c+4000");
}

static void test_children(void **state)
{
	struct told *told = *state;
	size_t n;

	spaces_executed(told->spaces, NOBODY);
	map(told, NOBODY, 0x1000, 0x9000, 0, "/a");
	spaces_forked(told->spaces, NOBODY + 1, NOBODY);
	spaces_forked(told->spaces, NOBODY, NOBODY); /* a thread */
	assert_string_equal(where(told, NOBODY + 1, 0x1000), "/a+0");
	map(told, NOBODY + 1, 0x1000, 0x2000, 0, "/child");
	map(told, NOBODY, 0xa000, 0xb000, 0, "/parent");
	assert_string_equal(where(told, NOBODY, 0x1000), "/a+0");
	assert_string_equal(where(told, NOBODY + 1, 0x1000), "/child+0");
	assert_string_equal(where(told, NOBODY + 1, 0x2000), "/a+1000");
	assert_string_equal(where(told, NOBODY + 1, 0xa000), "-");
	spaces_ended(told->spaces, NOBODY);
	spaces_executed(told->spaces, NOBODY);
	assert_string_equal(where(told, NOBODY + 1, 0x2000), "/a+1000");
	spaces_ranges(told->spaces, NOBODY + 1, &n);
	assert_int_equal(n, 2);
}

static void test_late_news(void **state)
{
	struct told *told = *state;

	/* This process is read at its first look; what was told before that is in what was read. */
	spaces_told_at(told->spaces, 1);
	assert_non_null(spaces_locate(told->spaces, getpid(), (uint64_t)(uintptr_t)test_late_news));
	spaces_executed(told->spaces, getpid());
	assert_non_null(spaces_locate(told->spaces, getpid(), (uint64_t)(uintptr_t)test_late_news));
	spaces_told_at(told->spaces, UINT64_MAX);
	spaces_executed(told->spaces, getpid());
	map(told, getpid(), 0x1000, 0x2000, 0, "/new");
	assert_string_equal(where(told, getpid(), 0x1800), "/new+800");
}

static void test_many(void **state)
{
	struct told *told = *state;
	char path[32];

	for (int i = 0; i < 100000; i++) {
		snprintf(path, sizeof(path), "/program%d", i);
		spaces_executed(told->spaces, NOBODY + i);
		map(told, NOBODY + i, 0x1000, 0x2000, 0, path);
		map(told, NOBODY + i, 0x3000, 0x4000, 0, "/shared");
	}
	assert_string_equal(where(told, NOBODY + 99999, 0x1000), "/program99999+0");
	assert_string_equal(where(told, NOBODY + 90000, 0x3000), "/shared+0");
	assert_string_equal(where(told, NOBODY, 0x1000), "-"); /* forgotten */
}

/* --- the kernel's own stream --- */

/* A child maps this program's file once more, says where, and ends. */
static int child_maps(uint64_t *address)
{
	int pipe_fds[2], status, pid;
	void *memory;

	assert_int_equal(pipe(pipe_fds), 0);
	pid = fork();
	if (pid == 0) {
		int fd = open("/proc/self/exe", O_RDONLY);

		memory = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 4096);
		_exit(write(pipe_fds[1], &memory, sizeof(memory)) != sizeof(memory));
	}
	assert_int_equal(read(pipe_fds[0], &memory, sizeof(memory)), sizeof(memory));
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	*address = (uint64_t)(uintptr_t)memory;
	return pid;
}

static void test_stream(void **state)
{
	struct told *told = *state;
	char self[4096] = "", want[4200];
	struct stream *stream;
	uint64_t address;
	int pid;

	if (stream_open(&stream, told->spaces) < 0) {
		print_message("skip: the kernel does not tell mappings to this user\n");
		skip();
	}
	assert_true(readlink("/proc/self/exe", self, sizeof(self) - 1) > 0);
	spaces_look_around(told->spaces, 1000);
	for (int i = 0; i < 20; i++) {
		pid = child_maps(&address);
		stream_read(stream);
		snprintf(want, sizeof(want), "%s+1008", self);
		assert_string_equal(where(told, pid, address + 8), strlen(want) < 100 ? want : "");
		/* What it had from its parent. */
		assert_non_null(spaces_locate(told->spaces, pid, (uint64_t)(uintptr_t)test_stream));
	}
	stream_close(stream);
}

/* --- files --- */

/* Functions of libc, found by what the loader says of them. */
static void test_places(void **state)
{
	static const char *const names[] = { "malloc", "qsort", "fopen", "getpid", "strtoul" };
	void *libc = dlopen("libc.so.6", RTLD_NOW | RTLD_NOLOAD);
	struct places *places;
	Dl_info info;

	(void)state;
	assert_non_null(libc);
	assert_true(dladdr(dlsym(libc, "malloc"), &info));
	places = places_read(info.dli_fname);
	assert_non_null(places);
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		void *function = dlsym(libc, names[i]);
		uint64_t address, delta = 0;
		struct place place;

		assert_true(dladdr(function, &info));
		address = (uint64_t)((char *)function - (char *)info.dli_fbase);
		/* In libc, addresses are places in the file for all that is code. */
		place = places_find(places, address + 2);
		assert_int_equal(place.offset, 2);
		assert_ptr_equal(dlsym(libc, place.name), function);
		assert_int_equal(places_address(places, address), address);
		assert_true(places_delta(info.dli_fname, address & ~4095ull, &delta));
		assert_int_equal(delta, address & ~4095ull);
	}
	assert_null(places_find(places, 1ull << 50).name);
	assert_int_equal(places_address(places, 1ull << 50), 0);
	places_free(places);
	dlclose(libc);
	assert_null(places_read("/nowhere/at/all"));
	assert_null(places_read("/etc/passwd"));
	assert_null(places_read("/"));
}

/* --- unwinding --- */

static void test_unwind_nonsense(void **state)
{
	struct sym *sym = sym_new();
	const char *package;
	uint64_t registers[17], addresses[8];
	uint8_t bytes[512];
	unsigned seed = 1;

	(void)state;
	if (!sym_can_unwind(&package)) {
		print_message("skip: no libdw\n");
		skip();
	}
	for (int round = 0; round < 3000; round++) {
		struct stack_copy copy = { registers, 0x7fff00000000, bytes,
					   (size_t)rand_r(&seed) % (sizeof(bytes) + 1) };
		unsigned n;

		for (size_t i = 0; i < 17; i++)
			registers[i] = (uint64_t)rand_r(&seed) << 32 | (unsigned)rand_r(&seed);
		for (size_t i = 0; i < sizeof(bytes); i++)
			bytes[i] = (uint8_t)rand_r(&seed);
		registers[7] = copy.base + (unsigned)rand_r(&seed) % 512;
		if (round % 2) /* a real place, so that real tables are followed */
			registers[16] = (uint64_t)(uintptr_t)printf + (unsigned)round % 200;
		n = sym_unwind(sym, round % 3 ? getpid() : NOBODY, &copy, addresses, 8);
		assert_in_range(n, 1, 8);
		assert_int_equal(addresses[0], registers[16]);
	}
	sym_free(sym);
}

#define TOLD(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TOLD(test_told),
		TOLD(test_over_others),
		TOLD(test_children),
		TOLD(test_late_news),
		TOLD(test_many),
		TOLD(test_stream),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_unwind_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
