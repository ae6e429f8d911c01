/*
 * interval and profile: the perf software event cpu-clock with a period, on one CPU or on all of them. A timer that
 * is faster than the kernel's own limit for sampling can stop a small machine, so it needs --unsafe.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "lookup/lookup.h"
#include "parser/resolve.h"
#include "probes/bpfsys.h"
#include "probes/modes.h"
#include "probes/probes.h"
#include "probes/point.h"
#include "run/run.h"

#define NS_PER_S	 1000000000ull
#define MIN_PERIOD_NS	 1000
#define DEFAULT_MAX_RATE 10000

struct unit {
	const char *name;
	uint64_t ns; /* 0: the number is a frequency in Hz */
};

static const struct unit units[] = {
	{ "s", NS_PER_S }, { "ms", 1000000 }, { "us", 1000 }, { "ns", 1 }, { "hz", 0 },
};

static const struct unit *unit_find(const char *name)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (!strcmp(units[i].name, name))
			return &units[i];
	return NULL;
}

/* `unit:number` or a duration such as 1s, 250ms, 1000 (ns). NULL after a diagnostic. */
static const struct unit *timer_parse(struct resolve *resolve, const struct spec *spec,
				      uint64_t *number)
{
	const char *kind = spec->provider->name;
	int part = (int)spec->n_parts - 1;
	const struct unit *unit;
	const char *rest;

	if (spec->n_parts < 1 || spec->n_parts > 2) {
		resolve_error(resolve, -1, "%s takes a unit and a number", kind);
		resolve_hint(resolve, "for example %s:ms:100", kind);
		return NULL;
	}
	rest = point_number(spec->part[part], number);
	if (!rest || (spec->n_parts == 2 && *rest)) {
		resolve_error(resolve, part, "'%s' is not a number that %s can use",
			      spec->part[part], kind);
		return NULL;
	}
	if (spec->n_parts == 1 && !*rest)
		return unit_find("ns");
	unit = unit_find(spec->n_parts == 2 ? spec->part[0] : rest);
	if (!unit) {
		resolve_error(resolve, 0, "'%s' is not a unit of time",
			      spec->n_parts == 2 ? spec->part[0] : rest);
		resolve_hint(resolve, "units are s, ms, us, ns and hz");
	}
	return unit;
}

static bool timer_period(struct resolve *resolve, int part, const struct unit *unit,
			 uint64_t number, struct target *target)
{
	if (!number) {
		resolve_error(resolve, part, "%s never fires", target->name);
		return false;
	}
	if (!unit->ns) {
		target->freq_hz = number;
		if (number <= NS_PER_S / MIN_PERIOD_NS)
			return true;
	} else if (__builtin_mul_overflow(number, unit->ns, &target->period_ns) ||
		   target->period_ns > INT64_MAX) {
		resolve_error(resolve, part, "%s is longer than 292 years", target->name);
		return false;
	} else if (target->period_ns >= MIN_PERIOD_NS) {
		return true;
	}
	resolve_error(resolve, part, "%s is too fast: the shortest period is %d ns", target->name,
		      MIN_PERIOD_NS);
	return false;
}

static bool timer_guard(struct resolve *resolve, int part, const struct spec *spec,
			const struct target *target)
{
	uint64_t known = lookup_max_sample_rate();
	uint64_t limit = known ? known : DEFAULT_MAX_RATE;
	uint64_t rate = target->freq_hz ? target->freq_hz : NS_PER_S / target->period_ns;

	if (spec->unsafe || rate <= limit)
		return true;
	resolve_error(resolve, part,
		      "%s would fire %" PRIu64 " times a second, more than %s (%" PRIu64
		      "): such a timer can lock up a small machine",
		      target->name, rate,
		      known ? "kernel.perf_event_max_sample_rate"
			    : "the limit when the kernel's is not known",
		      limit);
	resolve_hint(resolve, "choose a longer period, or allow it with --unsafe");
	return false;
}

static bool timer_expand(struct resolve *resolve, const struct spec *spec)
{
	uint64_t number;
	const struct unit *unit = timer_parse(resolve, spec, &number);
	int part = (int)spec->n_parts - 1;
	struct target *target;

	if (!unit)
		return false;
	target = point_target(resolve,
			      arena_printf(resolve->arena, "%s:%s", spec->provider->name,
					   point_join(resolve->arena, spec, 0)),
			      NULL);
	return timer_period(resolve, part, unit, number, target) &&
	       timer_guard(resolve, part, spec, target);
}

static bool timer_plan(struct resolve *resolve, struct instance *instance)
{
	(void)resolve;
	instance->section = "perf_event";
	instance->mode = PROBE_MODE_DEFAULT;
	return true;
}

static int timer_start(struct run *run, const struct target *target, int prog_fd, int cpu)
{
	uint64_t period = target->freq_hz ? NS_PER_S / target->freq_hz : target->period_ns;
	int fd = bpfsys_event_clock(period, cpu);

	if (fd >= 0)
		fd = bpfsys_link_event(prog_fd, fd, target->id);
	if (fd < 0) {
		run_error(run, target->span, "cannot start %s on CPU %d: %s", target->name, cpu,
			  strerror(-fd));
		return fd;
	}
	run_add_link(run, fd);
	return 0;
}

static int interval_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	int err = 0;

	for (unsigned i = 0; i < probe->n_targets && !err; i++)
		err = timer_start(run, probe->targets[i], prog_fd, bpfsys_online_cpu(0));
	return err;
}

static int profile_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	int cpu;

	for (unsigned n = 0; (cpu = bpfsys_online_cpu(n)) >= 0; n++) {
		for (unsigned i = 0; i < probe->n_targets; i++) {
			int err = timer_start(run, probe->targets[i], prog_fd, cpu);

			if (err)
				return err;
		}
	}
	return 0;
}

/* The number is left to the user: "interval:ms:". */
static void timer_list(const char *kind, const char *pattern,
		       void (*emit)(void *, const char *, const struct type *), void *arg)
{
	char line[32];

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		snprintf(line, sizeof(line), "%s:%s:", kind, units[i].name);
		if (glob_match(pattern, line + strlen(kind) + 1) ||
		    glob_match(pattern, units[i].name))
			emit(arg, line, NULL);
	}
}

static void interval_list(struct lookup *lookup, const char *pattern,
			  void (*emit)(void *, const char *, const struct type *), void *arg)
{
	(void)lookup;
	timer_list("interval", pattern, emit, arg);
}

static void profile_list(struct lookup *lookup, const char *pattern,
			 void (*emit)(void *, const char *, const struct type *), void *arg)
{
	(void)lookup;
	timer_list("profile", pattern, emit, arg);
}

/* clang-format off */
const struct provider providers_timer[] = {
	{ .name = "interval", .alias = "i", .syntax = "interval:s|ms|us|hz:N or interval:DURATION",
	  .doc = "at regular times, on one CPU", .flags = PROVIDER_TIMER,
	  .expand = timer_expand, .plan = timer_plan, .attach = interval_attach, .list = interval_list },
	{ .name = "profile", .alias = "p", .syntax = "profile:s|ms|us|hz:N or profile:DURATION",
	  .doc = "at regular times, on every CPU", .flags = PROVIDER_TIMER | PROVIDER_FILTERED,
	  .expand = timer_expand, .plan = timer_plan, .attach = profile_attach, .list = profile_list },
	{ 0 },
};
/* clang-format on */
