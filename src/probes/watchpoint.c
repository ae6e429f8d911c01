/*
 * watchpoint: the processor's debug registers, a program run whenever some bytes of memory are written, accessed or
 * executed. The address is meant in every process, and the filters choose; only the child of -c is watched by itself.
 */
#include <inttypes.h>
#include <string.h>

#include <linux/hw_breakpoint.h>
#include <linux/perf_event.h>

#include "probes/perflink.h"
#include "probes/point.h"
#include "probes/probes.h"

/* Execution is watched at an address, whose length must be that of a long. */
#define EXECUTE_LEN sizeof(long)

static bool takes(struct resolve *resolve, int part, const char *text)
{
	resolve_error(resolve, part, "%s", text);
	resolve_hint(resolve, "for example watchpoint:0x10000000:8:w");
	return false;
}

static bool read_address(struct resolve *resolve, const struct spec *spec, uint64_t *address)
{
	const char *text = spec->part[0], *rest = point_number(text, address);

	if (rest && !*rest)
		return true;
	if (strstr(text, "+arg"))
		return takes(resolve, 0,
			     "a watchpoint on a function's argument is not supported: only on an "
			     "address");
	resolve_error(resolve, 0, "'%s' is not an address", text);
	resolve_hint(resolve, "it is a decimal number, or a hexadecimal one after 0x");
	return false;
}

static bool read_mode(struct resolve *resolve, const char *text, uint32_t *access)
{
	*access = 0;
	for (const char *c = text; *c; c++) {
		uint32_t bit = *c == 'r'   ? HW_BREAKPOINT_R
			       : *c == 'w' ? HW_BREAKPOINT_W
			       : *c == 'x' ? HW_BREAKPOINT_X
					   : 0;

		if (!bit || *access & bit)
			return takes(resolve, 2,
				     "a mode is one of the letters r, w and x, or several of them");
		*access |= bit;
	}
	if (!*access)
		return takes(resolve, 2, "a watchpoint needs a mode: w, rw or x");
	if (*access == HW_BREAKPOINT_R)
		return takes(resolve, 2,
			     "x86_64 cannot watch reads alone: rw watches reads and writes");
	if (*access & HW_BREAKPOINT_X && *access != HW_BREAKPOINT_X)
		return takes(resolve, 2,
			     "x86_64 cannot watch execution together with reads or writes");
	return true;
}

static bool read_len(struct resolve *resolve, const struct spec *spec, struct perf_point *point)
{
	const char *rest = point_number(spec->part[1], &point->len);
	uint64_t len = point->len;

	if (!rest || *rest || (len != 1 && len != 2 && len != 4 && len != 8))
		return takes(resolve, 1, "a watchpoint is 1, 2, 4 or 8 bytes long");
	if (point->access == HW_BREAKPOINT_X && len != EXECUTE_LEN)
		return takes(resolve, 1, "to watch execution, the length must be 8");
	if (point->access != HW_BREAKPOINT_X && point->address % len) {
		resolve_error(resolve, 0, "the address must be a multiple of the length, %" PRIu64,
			      len);
		return false;
	}
	return true;
}

static bool watchpoint_expand(struct resolve *resolve, const struct spec *spec)
{
	struct perf_point *point = arena_new_of(resolve->arena, struct perf_point);
	struct target *target;

	point->type = PERF_TYPE_BREAKPOINT;
	point->period = 1;
	if (spec->n_parts != 3)
		return takes(resolve, -1, "watchpoint takes an address, a length and a mode");
	if (!read_address(resolve, spec, &point->address) ||
	    !read_mode(resolve, spec->part[2], &point->access) || !read_len(resolve, spec, point))
		return false;
	target = point_target(resolve, arena_strdup(resolve->arena, spec->text), NULL);
	target->own = point;
	return true;
}

static int watchpoint_attach(struct run *run, const struct plan_probe *probe, int prog_fd)
{
	int child = run_plan(run)->child;

	if (child)
		return perflink_attach_process(run, probe, prog_fd, child);
	return perflink_attach_cpus(run, probe, prog_fd);
}

static void watchpoint_list(struct lookup *lookup, const char *pattern,
			    void (*emit)(void *, const char *, const struct type *), void *arg)
{
	(void)lookup;
	if (glob_match(pattern, ""))
		emit(arg, "watchpoint:", NULL);
}

/* clang-format off */
const struct provider providers_watchpoint[] = {
	{ .name = "watchpoint", .alias = "w", .syntax = "watchpoint:ADDRESS:LENGTH:MODE",
	  .doc = "memory that is written (w), accessed (rw) or executed (x)",
	  .flags = PROVIDER_USER | PROVIDER_FILTERED | PROVIDER_REGS,
	  .expand = watchpoint_expand, .plan = perflink_plan, .attach = watchpoint_attach,
	  .list = watchpoint_list },
	{ 0 },
};
/* clang-format on */
