/*
 * Makes a known number of openat, read, write and getpid system calls on paths of its own, then says how many.
 * It waits for a line on stdin first unless "now" is given. Usage: syscalls N DIRECTORY [now]. Everything between "go"
 * and the report goes through syscall(2), so that libc adds no call of the counted kinds.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

struct counts {
	long openat, openat_failed, read, read_bytes, write, write_bytes, getpid;
};

static void one_round(const char *path, const char *missing, struct counts *counts)
{
	char data[100];

	memset(data, 'x', sizeof(data));
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	counts->openat++;
	if (fd < 0) {
		perror(path);
		exit(1);
	}
	counts->write_bytes += syscall(SYS_write, fd, data, sizeof(data));
	counts->write++;
	lseek(fd, 0, SEEK_SET);
	counts->read_bytes += syscall(SYS_read, fd, data, sizeof(data));
	counts->read++;
	close(fd);
	if (syscall(SYS_openat, AT_FDCWD, missing, O_RDONLY) < 0)
		counts->openat_failed++;
	counts->openat++;
	syscall(SYS_getpid);
	counts->getpid++;
}

int main(int argc, char **argv)
{
	char path[4096], missing[4096], line[16];
	struct counts counts = { 0 };

	if (argc < 3) {
		fprintf(stderr, "usage: syscalls N DIRECTORY [now]\n");
		return 2;
	}
	long n = atol(argv[1]);
	snprintf(path, sizeof(path), "%s/jb-known-file", argv[2]);
	snprintf(missing, sizeof(missing), "%s/jb-no-such-file", argv[2]);
	printf("pid %d\n", getpid());
	fflush(stdout);
	if (argc < 4 && !fgets(line, sizeof(line), stdin))
		return 1;
	for (long i = 0; i < n; i++)
		one_round(path, missing, &counts);
	unlink(path);
	printf("openat %ld\nopenat_failed %ld\nread %ld\nread_bytes %ld\n", counts.openat,
	       counts.openat_failed, counts.read, counts.read_bytes);
	printf("write %ld\nwrite_bytes %ld\ngetpid %ld\n", counts.write, counts.write_bytes,
	       counts.getpid);
	return 0;
}
