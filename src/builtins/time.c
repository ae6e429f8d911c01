/*
 * Clocks, and times as text. Clocks are read in the kernel; text is made when the record is handled, so strftime
 * is a type that remembers its format.
 */
#include "builtins/builtins.h"

#include <stdio.h>
#include <time.h>

#include "codegen/cg.h"
#include "run/run.h"

static const struct clock_name {
	const char *name;
	const char *rt;
} clocks[] = {
	{ "boot", "jb_nsecs_boot" },
	{ "monotonic", "jb_nsecs_monotonic" },
	{ "tai", "jb_nsecs_tai" },
	{ "sw_tai", "jb_nsecs_boot" },
	{ NULL, NULL },
};

static bool check_nsecs(struct check *check, struct node *node)
{
	const char *word = builtin_word(node->args);
	size_t i = 0;

	node->type = type_u64();
	node->value = 0;
	if (!node->args)
		return true;
	while (word && clocks[i].name && strcmp(clocks[i].name, word))
		i++;
	if (!word || !clocks[i].name)
		return check_error(check, node->args,
				   "nsecs() expects boot, monotonic, tai or sw_tai");
	node->value = i;
	return true;
}

static int64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* sw_tai is for kernels without the helper for TAI: the boot clock plus what lies between them now. */
static void *gen_nsecs(struct cg *cg, const struct node *node, void *dst)
{
	const struct clock_name *clock = &clocks[node->value];
	LLVMValueRef ns = cg_rt(cg, clock->rt, NULL, 0);

	(void)dst;
	if (strcmp(clock->name, "sw_tai"))
		return ns;
	return LLVMBuildAdd(cg_builder(cg), ns,
			    cg_int(cg, clock_ns(CLOCK_TAI) - clock_ns(CLOCK_BOOTTIME)), "");
}

/*
 * strftime(3) plus three of our own: %f microseconds, %l milliseconds, %k nanoseconds within the second. They are
 * replaced first, the rest is the C library's.
 */
static void expand_fraction(struct buf *out, const char *fmt, unsigned ns)
{
	for (const char *p = fmt; *p; p++) {
		if (p[0] != '%' || !p[1]) {
			buf_putc(out, *p);
			continue;
		}
		p++;
		if (*p == 'f')
			buf_printf(out, "%06u", ns / 1000);
		else if (*p == 'l')
			buf_printf(out, "%03u", ns / 1000000);
		else if (*p == 'k')
			buf_printf(out, "%09u", ns);
		else
			buf_printf(out, "%%%c", *p);
	}
}

static size_t format_time(char *text, size_t size, const char *fmt, int64_t wall_ns)
{
	time_t seconds = wall_ns / 1000000000;
	struct buf expanded = { 0 };
	struct tm tm;
	size_t len;

	if (!*fmt || !localtime_r(&seconds, &tm))
		return 0;
	expand_fraction(&expanded, fmt, wall_ns % 1000000000);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	len = strftime(text, size, expanded.data, &tm);
#pragma GCC diagnostic pop
	buf_fini(&expanded);
	return len;
}

static bool check_strftime(struct check *check, struct node *node)
{
	const char *fmt;

	if (!check_const_str(check, node->args, &fmt))
		return false;
	node->type = type_named(check->types, &named_types_time[0], type_u64(), 0, fmt);
	return true;
}

static void *gen_strftime(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_expr(cg, ast_nth(node->args, 1));
}

/* Time since boot to wall-clock time, as text. */
static struct value decode_timestamp(struct decode *decode, const struct type *type,
				     const void *bytes)
{
	char text[512];
	uint64_t ns;
	size_t len;

	memcpy(&ns, bytes, sizeof(ns));
	len = format_time(text, sizeof(text), type->param ? type->param : "%H:%M:%S",
			  ns + decode->boot_to_wall_ns);
	return value_str(arena_strndup(decode->arena, text, len), len);
}

static int act_time(struct run *run, const struct plan_site *site, const struct value *argv,
		    unsigned argc)
{
	char text[64];
	const char *fmt = site->fmt ? site->fmt : "%H:%M:%S\n";
	struct record record = { .kind = RECORD_TEXT, .source = "time", .text = text };

	(void)argv;
	(void)argc;
	record.wall_ns = run_wall_ns(run);
	record.len = format_time(text, sizeof(text), fmt, record.wall_ns);
	out_record(run_out(run), &record);
	return 0;
}

/* clang-format off */
const struct named_type named_types_time[] = {
	{ .name = "timestamp", .decode = decode_timestamp },
	{ 0 },
};

const struct builtin builtins_time[] = {
	{ .name = "nsecs", .proto = "u64 nsecs([const any clock])", .check = check_nsecs, .gen = gen_nsecs,
	  .doc = "Nanoseconds since boot; nsecs(monotonic), nsecs(tai), nsecs(sw_tai): of another clock." },
	{ .name = "elapsed", .proto = "u64 elapsed", .rt = "jb_elapsed",
	  .doc = "Nanoseconds since jbtrace started." },
	{ .name = "jiffies", .proto = "u64 jiffies", .rt = "jb_jiffies",
	  .doc = "The kernel's tick counter." },
	{ .name = "strftime", .proto = "timestamp strftime(const string fmt, int nsecs)", .check = check_strftime,
	  .gen = gen_strftime,
	  .doc = "A value of nsecs as wall-clock time, formatted as strftime(3) does; %f: microseconds." },
	{ .name = "time", .proto = "void time([const string fmt])", .flags = BUILTIN_LITERAL_FMT, .act = act_time,
	  .doc = "Print the wall-clock time; the default format is \"%H:%M:%S\\n\"." },
	{ 0 },
};
/* clang-format on */
