/*
 * software and hardware: what the kernel and the processor count, a program run for every so many of them. Without -p they
 * are counted on every CPU; with it in each thread of the process, so that the number is about nobody else.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include <linux/perf_event.h>

#include "lookup/lookup.h"
#include "probes/perflink.h"
#include "probes/point.h"
#include "probes/probes.h"

#define NS_PER_S	 UINT64_C(1000000000)
#define DEFAULT_MAX_RATE 10000

struct event {
	const char *name, *alias;
	uint64_t config;
	uint64_t count; /* unless the script says another */
	bool is_clock;	/* counts nanoseconds: its rate can be told */
};

/* clang-format off */
static const struct event software[] = {
	{ "alignment-faults", NULL, PERF_COUNT_SW_ALIGNMENT_FAULTS, 1, false },
	{ "bpf-output", NULL, PERF_COUNT_SW_BPF_OUTPUT, 1, false },
	{ "context-switches", "cs", PERF_COUNT_SW_CONTEXT_SWITCHES, 1000, false },
	{ "cpu-clock", "cpu", PERF_COUNT_SW_CPU_CLOCK, 1000000, true },
	{ "cpu-migrations", NULL, PERF_COUNT_SW_CPU_MIGRATIONS, 1, false },
	{ "dummy", NULL, PERF_COUNT_SW_DUMMY, 1, false },
	{ "emulation-faults", NULL, PERF_COUNT_SW_EMULATION_FAULTS, 1, false },
	{ "major-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MAJ, 1, false },
	{ "minor-faults", NULL, PERF_COUNT_SW_PAGE_FAULTS_MIN, 100, false },
	{ "page-faults", "faults", PERF_COUNT_SW_PAGE_FAULTS, 100, false },
	{ "task-clock", NULL, PERF_COUNT_SW_TASK_CLOCK, 1000000, true },
	{ 0 },
};
static const struct event hardware[] = {
	{ "backend-stalls", NULL, PERF_COUNT_HW_STALLED_CYCLES_BACKEND, 1000000, false },
	{ "branch-instructions", "branches", PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 100000, false },
	{ "branch-misses", NULL, PERF_COUNT_HW_BRANCH_MISSES, 100000, false },
	{ "bus-cycles", NULL, PERF_COUNT_HW_BUS_CYCLES, 100000, false },
	{ "cache-misses", NULL, PERF_COUNT_HW_CACHE_MISSES, 1000000, false },
	{ "cache-references", NULL, PERF_COUNT_HW_CACHE_REFERENCES, 1000000, false },
	{ "cpu-cycles", "cycles", PERF_COUNT_HW_CPU_CYCLES, 1000000, false },
	{ "frontend-stalls", NULL, PERF_COUNT_HW_STALLED_CYCLES_FRONTEND, 1000000, false },
	{ "instructions", NULL, PERF_COUNT_HW_INSTRUCTIONS, 1000000, false },
	{ "ref-cycles", NULL, PERF_COUNT_HW_REF_CPU_CYCLES, 1000000, false },
	{ 0 },
};
/* clang-format on */

#define event_each(event, table) for ((event) = (table); (event)->name; (event)++)

static bool is_called(const struct event *event, const char *pattern)
{
	return glob_match(pattern, event->name) || (event->alias && !strcmp(pattern, event->alias));
}

/* --- the attach point --- */

static bool read_count(struct resolve *resolve, const struct spec *spec, uint64_t *count)
{
	const char *rest;

	*count = 0;
	if (spec->n_parts < 2 || !*spec->part[1])
		return true;
	rest = point_number(spec->part[1], count);
	if (rest && !*rest && *count)
		return true;
	resolve_error(resolve, 1, "'%s' is not a count of events", spec->part[1]);
	return false;
}

static bool no_event(struct resolve *resolve, const struct spec *spec, const struct event *table)
{
	const char *names = table->name;
	struct nearest nearest;
	const struct event *event;

	nearest_init(&nearest, spec->part[0]);
	event_each(event, table)
	{
		nearest_try(&nearest, event->name);
		if (event != table)
			names = arena_printf(resolve->arena, "%s, %s", names, event->name);
	}
	resolve_error(resolve, 0, "there is no %s event '%s'", spec->provider->name, spec->part[0]);
	if (nearest.best)
		point_hint(resolve, &nearest, "");
	else
		resolve_hint(resolve, "there are %s", names);
	return false;
}

/* As for timers: what is too fast can lock up a small machine. */
static bool check_rate(struct resolve *resolve, const struct spec *spec, const struct event *event,
		       uint64_t count)
{
	uint64_t known = lookup_max_sample_rate(), limit = known ? known : DEFAULT_MAX_RATE;

	if (!event->is_clock || spec->unsafe || NS_PER_S / count <= limit)
		return true;
	resolve_error(resolve, spec->n_parts > 1 ? 1 : 0,
		      "%s counts nanoseconds: every %" PRIu64 " would be %" PRIu64
		      " times a second, more than %" PRIu64,
		      event->name, count, NS_PER_S / count, limit);
	resolve_hint(resolve, "choose a higher count, or allow it with --unsafe");
	return false;
}

/* Only what the machine certainly lacks; who may not ask is told so when the probe is attached. */
static bool is_missing(const struct perf_point *point)
{
	int fd = bpfsys_event_point(point, -1, bpfsys_online_cpu(0));

	if (fd >= 0)
		close(fd);
	return fd == -ENOENT || fd == -EOPNOTSUPP || fd == -ENODEV;
}

static bool add_event(struct resolve *resolve, const struct spec *spec, const struct event *event,
		      uint64_t count, uint32_t type)
{
	struct perf_point *point = arena_new_of(resolve->arena, struct perf_point);
	bool many = glob_is(spec->part[0]);
	struct target *target;

	point->type = type;
	point->config = event->config;
	point->period = count ? count : event->count;
	if (!check_rate(resolve, spec, event, point->period))
		return false;
	if (type == PERF_TYPE_HARDWARE && is_missing(point)) {
		if (many)
			return true;
		resolve_error(resolve, 0, "this machine's processor does not count %s",
			      event->name);
		resolve_hint(resolve,
			     "virtual machines often have no hardware counters; software:cpu-clock "
			     "samples by time");
		return false;
	}
	target = point_target(resolve,
			      arena_printf(resolve->arena, "%s:%s:%" PRIu64, spec->provider->name,
					   event->name, point->period),
			      NULL);
	target->own = point;
	return true;
}

static bool expand(struct resolve *resolve, const struct spec *spec, const struct event *table,
		   uint32_t type)
{
	const struct event *event;
	bool found = false;
	uint64_t count;

	if (spec->n_parts < 1 || spec->n_parts > 2 || !*spec->part[0]) {
		resolve_error(resolve, -1, "%s takes an event and how many of them make it fire",
			      spec->provider->name);
		resolve_hint(resolve, "for example software:page-faults:100");
		return false;
	}
	if (!read_count(resolve, spec, &count))
		return false;
	event_each(event, table)
	{
		if (!is_called(event, spec->part[0]))
			continue;
		found = true;
		if (!add_event(resolve, spec, event, count, type))
			return false;
	}
	return found || no_event(resolve, spec, table);
}

static bool software_expand(struct resolve *resolve, const struct spec *spec)
{
	return expand(resolve, spec, software, PERF_TYPE_SOFTWARE);
}

static bool hardware_expand(struct resolve *resolve, const struct spec *spec)
{
	return expand(resolve, spec, hardware, PERF_TYPE_HARDWARE);
}

static int perfevent_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	const struct plan *plan = run_plan(run);

	if (plan->pid && !plan->follow && !probe->unfiltered)
		return perflink_attach_process(run, probe, prog_fd, plan->pid);
	return perflink_attach_cpus(run, probe, prog_fd);
}

/* --- listing --- */

/* The count is left to the user: "software:cpu-clock:". */
static void list(const char *kind, const struct event *table, const char *pattern,
		 void (*emit)(void *, const char *, const struct type *), void *arg)
{
	const struct event *event;
	char line[64];

	event_each(event, table)
	{
		snprintf(line, sizeof(line), "%s:%s:", kind, event->name);
		if (is_called(event, pattern) || glob_match(pattern, line + strlen(kind) + 1))
			emit(arg, line, NULL);
	}
}

static void software_list(struct lookup *lookup, const char *pattern,
			  void (*emit)(void *, const char *, const struct type *), void *arg)
{
	(void)lookup;
	list("software", software, pattern, emit, arg);
}

static void hardware_list(struct lookup *lookup, const char *pattern,
			  void (*emit)(void *, const char *, const struct type *), void *arg)
{
	(void)lookup;
	list("hardware", hardware, pattern, emit, arg);
}

/* clang-format off */
const struct provider providers_perfevent[] = {
	{ .name = "software", .alias = "s", .syntax = "software:EVENT[:COUNT]",
	  .doc = "every COUNT page faults, context switches, ...", .flags = PROVIDER_FILTERED | PROVIDER_REGS,
	  .expand = software_expand, .plan = perflink_plan, .attach = perfevent_attach, .list = software_list },
	{ .name = "hardware", .alias = "h", .syntax = "hardware:EVENT[:COUNT]",
	  .doc = "every COUNT cycles, cache misses, ... of the processor", .flags = PROVIDER_FILTERED | PROVIDER_REGS,
	  .expand = hardware_expand, .plan = perflink_plan, .attach = perfevent_attach, .list = hardware_list },
	{ 0 },
};
/* clang-format on */
