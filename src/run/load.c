/*
 * ELF bytes into the kernel through libbpf: sizes of the runtime's maps, program types, the verifier's verdict in
 * the script's terms; begin and end probes, which are run rather than attached.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "run/internal.h"

#define PER_CPU_MAX   (32u << 10) /* the largest value of a per-CPU map (PCPU_MIN_UNIT_SIZE) */
#define CONTROL_BYTES (256u * 1024)
#define SCRATCH_DEPTH \
	4u /* programs that can interrupt each other on one CPU: task, softirq, irq, nmi */
#define LOG_BYTES (64u * 1024 * 1024) /* address space only; pages come when the verifier writes */
#define LOG_STEP  16u

/* CAP_PERFMON and CAP_BPF are newer than some headers. */
#define CAP_BIT_SYS_ADMIN 21
#define CAP_BIT_PERFMON	  38
#define CAP_BIT_BPF	  39

static bool may_trace(void)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	uint64_t effective;

	if (syscall(SYS_capget, &head, data))
		return true; /* cannot tell: the kernel will */
	effective = data[0].effective | (uint64_t)data[1].effective << 32;
	if (effective >> CAP_BIT_SYS_ADMIN & 1)
		return true;
	return (effective >> CAP_BIT_BPF & 1) && (effective >> CAP_BIT_PERFMON & 1);
}

int run_check_privileges(FILE *messages)
{
	if (may_trace())
		return 0;
	fprintf(messages, "jbtrace: error: tracing needs root, or the capabilities CAP_BPF and "
			  "CAP_PERFMON\n");
	return -EPERM;
}

static int print_libbpf(enum libbpf_print_level level, const char *fmt, va_list ap)
{
	return level == LIBBPF_DEBUG ? 0 : vfprintf(stderr, fmt, ap);
}

/* --- the verifier's log --- */

/*
 * All programs share one buffer, each beginning LOG_STEP bytes after the one before. Only the program that is
 * rejected gets a log, so where the text begins tells which one it was; libbpf itself would only print that.
 */
static const char *rejected_log(const struct run *run, unsigned *index)
{
	size_t i = 0;

	if (!run->log)
		return NULL;
	while (i < run->log_len && !run->log[i])
		i += LOG_STEP;
	if (i >= run->log_len)
		return NULL;
	*index = (unsigned)(i / LOG_STEP);
	return run->log + i;
}

static const struct plan_probe *probe_of_program(const struct run *run, const char *name)
{
	const struct plan_probe *probe;

	vec_each (probe, &run->plan->probes)
		if (strcmp(probe->program, name) == 0)
			return probe;
	return NULL;
}

static const struct plan_probe *probe_at(const struct run *run, unsigned index, const char **name)
{
	struct bpf_program *program;
	unsigned i = 0;

	*name = "?";
	bpf_object__for_each_program(program, run->object)
	{
		if (i++ != index)
			continue;
		*name = bpf_program__name(program);
		return probe_of_program(run, *name);
	}
	return NULL;
}

/* The verdict: the last line that is neither empty nor a statistic. Cut into `line`. */
static void last_words(const char *log, char *line, size_t room)
{
	const char *at = log;

	snprintf(line, room, "no reason given");
	while (*at) {
		size_t len = strcspn(at, "\n");

		if (len && strncmp(at, "processed ", 10) && strncmp(at, "verification time ", 18) &&
		    strncmp(at, "stack depth ", 12) && strncmp(at, "; ", 2))
			snprintf(line, room, "%.*s", (int)len, at);
		at += len + (at[len] == '\n');
	}
}

/* The span of line `number` of a source, without its indentation. */
static struct span span_of_line(const struct source *source, unsigned number)
{
	const char *at = source->text, *end = source->text + source->len;
	size_t len;

	while (--number && at < end) {
		const char *next = memchr(at, '\n', (size_t)(end - at));

		at = next ? next + 1 : end;
	}
	at += strspn(at, " \t");
	len = strcspn(at, "\n");
	return (struct span){ source->base + (uint32_t)(at - source->text),
			      source->base + (uint32_t)(at - source->text + (ptrdiff_t)len) };
}

/*
 * The last "; text @ file:line" of the log. Kernels before 6.9 leave out the place, but not the text: then the
 * first line of the script with this text is taken.
 */
static struct span last_place(const struct run *run, const char *log,
			      const struct plan_probe *probe)
{
	const struct source *source = diag_locate(run->plan->diags, probe->span.begin).source;
	const char *found = NULL, *at;
	struct span none = { 0, 0 };
	unsigned line = 0;
	char text[256];

	for (at = log; *at; at += strcspn(at, "\n"), at += *at == '\n')
		if (strncmp(at, "; ", 2) == 0)
			found = at + 2;
	if (!found || !source)
		return none;
	snprintf(text, sizeof(text), "%.*s", (int)strcspn(found, "\n"), found);
	at = strrchr(text, '@');
	if (at && (at = strrchr(at, ':')) && sscanf(at, ":%u", &line) == 1 && line)
		return span_of_line(source, line);
	at = *text ? strstr(source->text, text) : NULL;
	if (!at)
		return none;
	return (struct span){ source->base + (uint32_t)(at - source->text),
			      source->base + (uint32_t)(at - source->text) +
				      (uint32_t)strlen(text) };
}

static void say_rejected(struct run *run, int err)
{
	const struct plan_probe *probe;
	const char *log, *name;
	struct span span = { 0, 0 };
	unsigned index;
	char words[256];

	log = rejected_log(run, &index);
	if (!log && err == -E2BIG && run->plan->scratch_size > PER_CPU_MAX) {
		report_plain(run,
			     "a probe keeps %u bytes of strings and stacks at once, and the kernel "
			     "gives %u per CPU: lower max_strlen or dwarf_stack_size, or print "
			     "what is kept in a map or variable",
			     run->plan->scratch_size, PER_CPU_MAX);
		return;
	}
	if (!log) {
		report_plain(run, "the kernel does not take the compiled script: %s",
			     strerror(-err));
		return;
	}
	probe = probe_at(run, index, &name);
	last_words(log, words, sizeof(words));
	if (probe) {
		span = last_place(run, log, probe);
		if (span.end <= span.begin)
			span = probe->span;
	}
	if (run->options.verbose)
		fprintf(run->options.messages, "--- verifier log of %s ---\n%s---\n", name, log);
	report_error(run, span, "the kernel's verifier rejects this code: %s%s", words,
		     run->options.verbose ? "" : " (-v shows its whole log)");
}

/* --- preparing the object --- */

static uint32_t ring_size(uint64_t bytes)
{
	uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);

	while (size < bytes && size < 1u << 30)
		size *= 2;
	return (uint32_t)size;
}

/* A runtime map that the script does not need is not made. Absent maps are fine: codegen drops what is unused. */
static void size_map(struct run *run, const char *name, uint32_t entries, uint32_t value_size)
{
	struct bpf_map *map = bpf_object__find_map_by_name(run->object, name);

	if (!map)
		return;
	if (!entries) {
		bpf_map__set_autocreate(map, false);
		return;
	}
	bpf_map__set_max_entries(map, entries);
	if (value_size)
		bpf_map__set_value_size(map, value_size);
}

static void size_maps(struct run *run)
{
	const struct plan *plan = run->plan;
	bool scratch = plan->scratch_size > 0;

	size_map(run, "jb_ring", plan->ring_bytes ? ring_size(plan->ring_bytes) : 0, 0);
	size_map(run, "jb_ctl", CONTROL_BYTES, 0);
	size_map(run, "jb_counters", plan->counters.n ? (uint32_t)plan->counters.n : 1, 0);
	size_map(run, "jb_scratch", scratch ? SCRATCH_DEPTH : 0, (plan->scratch_size + 7) & ~7u);
	filter_size_maps(run);
}

static int prepare_programs(struct run *run)
{
	struct bpf_program *program;
	unsigned i = 0;

	run->log_len = LOG_BYTES;
	run->log = mmap(NULL, run->log_len, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (run->log == MAP_FAILED) {
		run->log = NULL;
		return -errno;
	}
	bpf_object__for_each_program(program, run->object)
	{
		const struct plan_probe *probe = probe_of_program(run, bpf_program__name(program));
		size_t skip = (size_t)i++ * LOG_STEP;

		bpf_program__set_log_buf(program, run->log + skip, run->log_len - skip);
		if (probe && probe->attach_type)
			bpf_program__set_expected_attach_type(
				program, (enum bpf_attach_type)probe->attach_type);
		if (probe && probe->attach_function) {
			int err =
				bpf_program__set_attach_target(program, 0, probe->attach_function);

			if (err) {
				report_error(run, probe->span,
					     "the kernel's BTF does not have %s: %s",
					     probe->attach_function, strerror(-err));
				return err;
			}
		}
	}
	return 0;
}

static int open_rings(struct run *run)
{
	int fd = run_map_fd(run, "jb_ctl"), err = 0;

	if (fd >= 0)
		err = ring_open(&run->control, fd, CONTROL_BYTES);
	fd = run_map_fd(run, "jb_ring");
	if (!err && fd >= 0)
		err = ring_open(&run->data, fd, ring_size(run->plan->ring_bytes));
	if (err)
		report_plain(run, "cannot map the event ring: %s", strerror(-err));
	return err;
}

int load_open(struct run *run, const void *elf, size_t len)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "jbtrace");
	int err = run_check_privileges(run->options.messages);

	if (err)
		return err;
	libbpf_set_print(run->options.verbose ? print_libbpf : NULL);
	run->object = bpf_object__open_mem(elf, len, &opts);
	if (!run->object) {
		err = -errno;
		report_plain(run, "cannot read the compiled script: %s", strerror(-err));
		return err;
	}
	size_maps(run);
	err = prepare_programs(run);
	if (err)
		return err;
	err = bpf_object__load(run->object);
	if (err) {
		say_rejected(run, err);
		return err;
	}
	run->counters_fd = run_map_fd(run, "jb_counters");
	return open_rings(run);
}

/* --- for rows and the rest of run/ --- */

int run_map_fd(struct run *run, const char *symbol)
{
	struct bpf_map *map = bpf_object__find_map_by_name(run->object, symbol);
	int fd = map ? bpf_map__fd(map) : -ENOENT;

	return fd < 0 ? -ENOENT : fd;
}

int run_program_fd(struct run *run, const char *program)
{
	struct bpf_program *found = bpf_object__find_program_by_name(run->object, program);
	int fd = found ? bpf_program__fd(found) : -ENOENT;

	return fd < 0 ? -ENOENT : fd;
}

int load_run_once(struct run *run, const struct plan_probe *probe)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int fd = run_program_fd(run, probe->program);

	return fd < 0 ? fd : bpf_prog_test_run_opts(fd, &opts);
}
