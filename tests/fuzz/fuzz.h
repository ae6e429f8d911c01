#ifndef JB_TESTS_FUZZ_FUZZ_H
#define JB_TESTS_FUZZ_FUZZ_H
/*
 * What the fuzz targets share. Each is one file with the entry point that libFuzzer and AFL++ call as well; driver.c
 * calls it on files. A target keeps nothing from one input to the next.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct memory_file {
	int fd;
	char path[40];
};

/* The bytes as a file that can be opened by path until its fd is closed. fd < 0: there is none. */
static inline struct memory_file memory_file(const uint8_t *data, size_t size)
{
	struct memory_file file = { .fd = memfd_create("fuzz", MFD_CLOEXEC) };

	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	if (file.fd >= 0 && write(file.fd, data, size) != (ssize_t)size) {
		close(file.fd);
		file.fd = -1;
	}
	return file;
}

#endif
