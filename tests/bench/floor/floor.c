/*
 * Loads one program of floor.bpf.o, attaches it, says "armed", and ends on a line on stdin: the hand-written
 * counterpart of a jbtrace script, for the benchmark. Usage: floor OBJECT MODE [ARGUMENT...]:
 *
 *     begin                          load and run once
 *     tracepoint PROGRAM             empty, count, count_keyed or hist on sys_enter_getppid
 *     arm BINARY OFFSET              one uprobe and one tracepoint
 *     pair BINARY OFFSET             uprobe and uretprobe
 *     multi BINARY < OFFSETS         uprobe multi with a cookie each; ends at once
 *     syscalls                       every system call; ends at once
 *     events PID OUTPUT              a line per event
 *     dump PID OUTPUT                a line per key of a big map, when told to end
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ATTACH_UPROBE_MULTI 48 /* BPF_TRACE_UPROBE_MULTI, absent from 6.1's headers */
#define MAX_OFFSETS	    4096

/* The part of union bpf_attr for BPF_LINK_CREATE with uprobe multi, Linux 6.6. */
struct uprobe_multi_attr {
	__u32 prog_fd, target_fd, attach_type, flags;
	__u64 path, offsets, ref_ctr_offsets, cookies;
	__u32 cnt, multi_flags, pid, pad;
};

static int quiet(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return level == LIBBPF_WARN ? vfprintf(stderr, fmt, args) : 0;
}

static void die(const char *what)
{
	fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
	exit(1);
}

static int wanted(const char *name, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(*list, name))
			return 1;
	return 0;
}

/* Open with only these programs loaded, and only the maps they are named with. */
static struct bpf_object *load(const char *path, const char *const *programs,
			       const char *const *maps, __u32 pid)
{
	struct bpf_object *object = bpf_object__open_file(path, NULL);
	struct bpf_program *program;
	struct bpf_map *map;

	if (!object)
		die(path);
	bpf_object__for_each_program(program, object)
		bpf_program__set_autoload(program, wanted(bpf_program__name(program), programs));
	bpf_object__for_each_map(map, object)
	{
		const char *name = bpf_map__name(map);
		if (strstr(name, ".rodata")) {
			__u32 value = pid;
			bpf_map__set_initial_value(map, &value, sizeof(value));
		} else if (!strstr(name, ".bss")) {
			bpf_map__set_autocreate(map, wanted(name, maps));
		}
	}
	program = bpf_object__find_program_by_name(object, "multi");
	bpf_program__set_expected_attach_type(program, ATTACH_UPROBE_MULTI);
	if (bpf_object__load(object))
		die("load");
	return object;
}

static struct bpf_program *find(struct bpf_object *object, const char *name)
{
	return bpf_object__find_program_by_name(object, name);
}

static void armed_until_told(void)
{
	char line[16];

	printf("armed\n");
	fflush(stdout);
	if (!fgets(line, sizeof(line), stdin))
		return;
}

static void mode_begin(const char *object_path)
{
	struct bpf_object *object = load(object_path, (const char *const[]){ "begin", NULL },
					 (const char *const[]){ NULL }, 0);
	LIBBPF_OPTS(bpf_test_run_opts, options);

	if (bpf_prog_test_run_opts(bpf_program__fd(find(object, "begin")), &options))
		die("run");
	bpf_object__close(object);
}

static void mode_tracepoint(const char *object_path, const char *name)
{
	struct bpf_object *object =
		load(object_path, (const char *const[]){ name, NULL },
		     (const char *const[]){ "counter", "keyed", "histogram", NULL }, 0);
	struct bpf_link *link =
		bpf_program__attach_tracepoint(find(object, name), "syscalls", "sys_enter_getppid");

	if (!link)
		die("attach");
	armed_until_told();
	bpf_link__destroy(link);
	bpf_object__close(object);
}

static void mode_uprobes(const char *object_path, const char *binary, size_t offset,
			 int with_return)
{
	const char *second = with_return ? "pair_out" : "count";
	struct bpf_object *object =
		load(object_path, (const char *const[]){ "pair_in", second, NULL },
		     (const char *const[]){ "starts", "latency", "counter", NULL }, 0);
	struct bpf_link *in =
		bpf_program__attach_uprobe(find(object, "pair_in"), false, -1, binary, offset);
	struct bpf_link *out =
		with_return
			? bpf_program__attach_uprobe(find(object, second), true, -1, binary, offset)
			: bpf_program__attach_tracepoint(find(object, second), "syscalls",
							 "sys_enter_getppid");

	if (!in || !out)
		die("attach");
	armed_until_told();
	bpf_link__destroy(in);
	bpf_link__destroy(out);
	bpf_object__close(object);
}

static void mode_multi(const char *object_path, const char *binary)
{
	static unsigned long offsets[MAX_OFFSETS], cookies[MAX_OFFSETS];
	struct bpf_object *object = load(object_path, (const char *const[]){ "multi", NULL },
					 (const char *const[]){ "by_cookie", NULL }, 0);
	union {
		struct uprobe_multi_attr create;
		char room[128];
	} attr = { .room = { 0 } };
	unsigned n = 0;

	while (n < MAX_OFFSETS && scanf("%lu", &offsets[n]) == 1) {
		cookies[n] = n;
		n++;
	}
	attr.create.prog_fd = (__u32)bpf_program__fd(find(object, "multi"));
	attr.create.attach_type = ATTACH_UPROBE_MULTI;
	attr.create.path = (__u64)(unsigned long)binary;
	attr.create.offsets = (__u64)(unsigned long)offsets;
	attr.create.cookies = (__u64)(unsigned long)cookies;
	attr.create.cnt = n;
	long fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		die("uprobe multi");
	printf("armed\n");
	close((int)fd);
	bpf_object__close(object);
}

static void mode_syscalls(const char *object_path)
{
	struct bpf_object *object = load(object_path, (const char *const[]){ "syscalls", NULL },
					 (const char *const[]){ "by_cookie", NULL }, 0);
	struct bpf_link *link = bpf_program__attach(find(object, "syscalls"));

	if (!link)
		die("attach");
	printf("armed\n");
	bpf_link__destroy(link);
	bpf_object__close(object);
}

static int write_event(void *file, void *data, size_t len)
{
	const __u32 *event = data;

	if (len < 8)
		return 0;
	fprintf(file, "e %u\n", event[1]);
	return 0;
}

static void mode_events(const char *object_path, __u32 pid, const char *output)
{
	struct bpf_object *object = load(object_path, (const char *const[]){ "event", NULL },
					 (const char *const[]){ "ring", NULL }, pid);
	FILE *file = fopen(output, "w");
	struct bpf_link *link = bpf_program__attach_tracepoint(find(object, "event"), "syscalls",
							       "sys_enter_getppid");
	struct ring_buffer *ring = ring_buffer__new(bpf_object__find_map_fd_by_name(object, "ring"),
						    write_event, file, NULL);
	struct pollfd told = { .fd = 0, .events = POLLIN };

	if (!file || !link || !ring)
		die("attach");
	printf("armed\n");
	fflush(stdout);
	while (poll(&told, 1, 1) == 0)
		ring_buffer__consume(ring);
	bpf_link__destroy(link);
	ring_buffer__consume(ring);
	fclose(file);
	ring_buffer__free(ring);
	bpf_object__close(object);
}

static void write_keys(int fd, FILE *file)
{
	enum { BATCH = 65536 };
	__u64 *keys = calloc(BATCH, 8), *values = calloc(BATCH, 8);
	__u32 token[2] = { 0 }, n = BATCH;
	void *in = NULL;
	int err;

	do {
		n = BATCH;
		err = bpf_map_lookup_batch(fd, in, token, keys, values, &n, NULL);
		for (__u32 i = 0; i < n && (!err || errno == ENOENT); i++)
			fprintf(file, "@[%llu]: %llu\n", keys[i], values[i]);
		in = token;
	} while (!err);
	free(keys);
	free(values);
}

static void mode_dump(const char *object_path, __u32 pid, const char *output)
{
	struct bpf_object *object = load(object_path, (const char *const[]){ "fill", NULL },
					 (const char *const[]){ "million", NULL }, pid);
	FILE *file = fopen(output, "w");
	struct bpf_link *link = bpf_program__attach_tracepoint(find(object, "fill"), "syscalls",
							       "sys_enter_getppid");

	if (!file || !link)
		die("attach");
	armed_until_told();
	bpf_link__destroy(link);
	write_keys(bpf_object__find_map_fd_by_name(object, "million"), file);
	fclose(file);
	bpf_object__close(object);
}

int main(int argc, char **argv)
{
	const char *object = argv[1], *mode = argc > 2 ? argv[2] : "";

	libbpf_set_print(quiet);
	libbpf_set_strict_mode(LIBBPF_STRICT_ALL);
	if (!strcmp(mode, "begin"))
		mode_begin(object);
	else if (!strcmp(mode, "tracepoint") && argc == 4)
		mode_tracepoint(object, argv[3]);
	else if ((!strcmp(mode, "arm") || !strcmp(mode, "pair")) && argc == 5)
		mode_uprobes(object, argv[3], strtoul(argv[4], NULL, 0), mode[0] == 'p');
	else if (!strcmp(mode, "multi") && argc == 4)
		mode_multi(object, argv[3]);
	else if (!strcmp(mode, "syscalls"))
		mode_syscalls(object);
	else if (!strcmp(mode, "events") && argc == 5)
		mode_events(object, (__u32)atoi(argv[3]), argv[4]);
	else if (!strcmp(mode, "dump") && argc == 5)
		mode_dump(object, (__u32)atoi(argv[3]), argv[4]);
	else
		return fprintf(stderr, "usage: floor OBJECT MODE [ARGUMENT...], see floor.c\n"), 2;
	return 0;
}
