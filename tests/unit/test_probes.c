/*
 * Probe provider rows without a kernel: attach points to targets, messages, plans, context items. Facts about the
 * machine and the services of resolve and run are stand-ins (probes_fakes.h).
 */
#include "probes_fakes.h"

/* --- helpers --- */

static int setup(void **state)
{
	struct arena *arena = arena_new();
	struct fixture *fixture = arena_new_of(arena, struct fixture);

	fixture->arena = arena;
	fixture->lookup.arena = arena;
	fixture->lookup.features = ~0u;
	fixture->resolve.arena = arena;
	fixture->resolve.lookup = &fixture->lookup;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	buf_fini(&fixture->lookup.listed);
	arena_free(fixture->arena);
	return 0;
}

static const struct provider *const families[] = {
	providers_special,	 providers_timer,  providers_tracepoint,
	providers_rawtracepoint, providers_uprobe, providers_span,
};
#define N_FAMILIES (sizeof(families) / sizeof(families[0]))

static const struct provider *find(const char *name)
{
	const struct provider *row;

	for (size_t i = 0; i < N_FAMILIES; i++)
		row_each (row, families[i])
			if (!strcmp(row->name, name))
				return row;
	fail_msg("no provider %s", name);
	return NULL;
}

/* Split at colons outside quotes and expand; targets and messages of an earlier call are forgotten. */
static bool expand(struct fixture *fixture, const char *text)
{
	static const struct span part_span[8];
	const char *part[8];
	struct spec spec = { .text = text, .part = part, .part_span = part_span };
	char *copy = arena_strdup(fixture->arena, text), *to = copy;
	bool quoted = false;
	char *word = copy;

	fixture->targets.n = 0;
	fixture->error = fixture->hint = NULL;
	for (const char *from = text;; from++) {
		bool ends = !*from || (*from == ':' && !quoted);

		if (*from == '"')
			quoted = !quoted;
		else if (!ends)
			*to++ = *from;
		if (!ends)
			continue;
		*to++ = '\0';
		if (!spec.provider)
			spec.provider = find(word);
		else
			part[spec.n_parts++] = word;
		word = to;
		if (!*from)
			break;
	}
	spec.pid = fixture->pid;
	spec.unsafe = fixture->unsafe;
	fixture->resolve.spec = &spec;
	bool ok = spec.provider->expand(&fixture->resolve, &spec);
	fixture->resolve.spec = NULL;
	assert_int_equal(ok, fixture->error == NULL);
	return ok;
}

static const struct target *only(struct fixture *fixture, const char *text)
{
	if (!expand(fixture, text))
		fail_msg("%s: %s", text, fixture->error);
	assert_int_equal(fixture->targets.n, 1);
	return fixture->targets.data[0];
}

static void expect_error(struct fixture *fixture, const char *text, int part, const char *error,
			 const char *hint)
{
	if (expand(fixture, text))
		fail_msg("%s is accepted", text);
	assert_error(fixture, text, part, error, hint);
}

static struct instance *plan(struct fixture *fixture, const char *text, const struct instance *uses)
{
	struct instance *instance = arena_new_of(fixture->arena, struct instance);

	if (!expand(fixture, text))
		fail_msg("%s: %s", text, fixture->error);
	*instance = *uses;
	instance->provider = find(arena_strndup(fixture->arena, text, strcspn(text, ":")));
	instance->program = "p0_x";
	instance->targets.n = 0;
	for (size_t i = 0; i < fixture->targets.n; i++)
		vec_push(fixture->arena, &instance->targets, fixture->targets.data[i]);
	fixture->resolve.instances.n = 0;
	vec_push(fixture->arena, &fixture->resolve.instances, instance);
	assert_true(instance->provider->plan(&fixture->resolve, instance));
	return instance;
}

static const struct instance *planned(struct fixture *fixture, size_t i)
{
	assert_true(i < fixture->resolve.instances.n);
	return fixture->resolve.instances.data[i];
}

/* --- tests --- */

static void test_rows(void **state)
{
	const struct provider *row, *other;

	(void)state;
	for (size_t i = 0; i < N_FAMILIES; i++) {
		row_each (row, families[i]) {
			assert_non_null(row->doc);
			assert_non_null(row->syntax);
			assert_int_equal(strncmp(row->syntax, row->name, strlen(row->name)), 0);
			assert_non_null(row->expand);
			assert_non_null(row->plan);
			assert_non_null(row->attach);
			assert_non_null(row->list);
			for (size_t j = 0; j < N_FAMILIES; j++)
				row_each (other, families[j])
					assert_true(row == other || !row->alias || !other->alias ||
						    strcmp(row->alias, other->alias));
		}
	}
}

static void test_special(void **state)
{
	struct fixture *fixture = *state;
	const struct instance uses = { 0 };

	assert_string_equal(only(fixture, "begin")->name, "begin");
	assert_string_equal(plan(fixture, "end", &uses)->section, "raw_tp");
	expect_error(fixture, "begin:x", 0, "nothing may follow 'begin'", NULL);
}

static void test_timer_forms(void **state)
{
	struct fixture *fixture = *state;
	const struct target *target = only(fixture, "interval:s:1");

	assert_string_equal(target->name, "interval:s:1");
	assert_int_equal(target->period_ns, 1000000000);
	target = only(fixture, "profile:hz:99");
	assert_string_equal(target->name, "profile:hz:99");
	assert_int_equal(target->freq_hz, 99);
	assert_int_equal(target->period_ns, 0);
	assert_int_equal(only(fixture, "interval:ms:20")->period_ns, 20000000);
	assert_int_equal(only(fixture, "interval:us:50")->period_ns, 50000);
	assert_int_equal(only(fixture, "interval:250ms")->period_ns, 250000000);
	assert_int_equal(only(fixture, "interval:1s")->period_ns, 1000000000);
	assert_int_equal(only(fixture, "interval:100000")->period_ns, 100000);
	assert_int_equal(only(fixture, "interval:1e6")->period_ns, 1000000);
	assert_int_equal(only(fixture, "interval:ms:1_000")->period_ns, 1000000000);
}

static void test_timer_mistakes(void **state)
{
	struct fixture *fixture = *state;

	expect_error(fixture, "interval", -1, "takes a unit and a number", "interval:ms:100");
	expect_error(fixture, "interval:s:1:2", -1, "takes a unit and a number", NULL);
	expect_error(fixture, "interval:min:1", 0, "'min' is not a unit", "s, ms, us, ns and hz");
	expect_error(fixture, "interval:5min", 0, "'min' is not a unit", NULL);
	expect_error(fixture, "interval:s:x", 1, "'x' is not a number", NULL);
	expect_error(fixture, "interval:s:1x", 1, "'1x' is not a number", NULL);
	expect_error(fixture, "interval:s:0", 1, "never fires", NULL);
	expect_error(fixture, "interval:s:99999999999999", 1, "292 years", NULL);
	expect_error(fixture, "interval:s:99999999999999999999999", 1, "is not a number", NULL);
	expect_error(fixture, "interval:999", 0, "the shortest period is 1000 ns", NULL);
	expect_error(fixture, "profile:hz:1000001", 1, "the shortest period is 1000 ns", NULL);
}

static void test_rate_guard(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(only(fixture, "profile:us:50")->period_ns, 50000);
	assert_int_equal(only(fixture, "profile:hz:20000")->freq_hz, 20000);
	expect_error(fixture, "profile:us:49", 1, "20408 times a second", "--unsafe");
	expect_error(fixture, "profile:us:1", 1, "kernel.perf_event_max_sample_rate (20000)",
		     "--unsafe");
	expect_error(fixture, "interval:hz:20001", 1, "can lock up a small machine", "--unsafe");
	fixture->unsafe = true;
	assert_int_equal(only(fixture, "profile:us:1")->period_ns, 1000);
	expect_error(fixture, "profile:ns:1", 1, "the shortest period", NULL);
}

static void test_tracepoint(void **state)
{
	struct fixture *fixture = *state;
	const struct target *target = only(fixture, "tracepoint:sched:sched_switch");
	const struct instance uses = { .uses_args = true };

	assert_string_equal(target->name, "tracepoint:sched:sched_switch");
	assert_string_equal(target->func, "sched_switch");
	assert_false(target->is_enter);
	assert_ptr_equal(find("tracepoint")->args(&fixture->resolve, target), &open_args);
	assert_true(only(fixture, "tracepoint:syscalls:sys_enter_read")->is_enter);
	assert_true(expand(fixture, "tracepoint:*:sched*"));
	assert_int_equal(fixture->targets.n, 2);
	assert_true(expand(fixture, "tracepoint:*:*")); /* all but ftrace's own */
	assert_int_equal(fixture->targets.n, N_TRACEPOINTS - 1);
	assert_string_equal(plan(fixture, "tracepoint:sched:*", &uses)->section, "tp");
	assert_int_equal(fixture->targets.data[0]->number, 102);
}

static void test_tracepoint_mistakes(void **state)
{
	struct fixture *fixture = *state;

	expect_error(fixture, "tracepoint:sched_switch", -1, "takes a category and an event", NULL);
	expect_error(fixture, "tracepoint:shced:sched_switch", 0, "no tracepoint category 'shced'",
		     "tracepoint:sched:sched_switch");
	expect_error(fixture, "tracepoint:shced:x", 0, "no tracepoint category 'shced'",
		     "tracepoint:sched'");
	expect_error(fixture, "tracepoint:sched:sched_swich", 1, "no tracepoint sched:sched_swich",
		     "tracepoint:sched:sched_switch");
	expect_error(fixture, "tracepoint:sched:zzzzzzzzzz", 1, "no tracepoint",
		     "jbtrace -l 'tracepoint:sched:*'");
	expect_error(fixture, "tracepoint:sched:q*", -1, "no tracepoint matches sched:q*",
		     "jbtrace -l");
	fixture->lookup.no_tracefs = true;
	expect_error(fixture, "tracepoint:sched:sched_switch", -1, "tracefs is not mounted", NULL);
}

static void test_tracepoint_raw_syscalls(void **state)
{
	struct fixture *fixture = *state;
	const struct instance none = { 0 }, args = { .uses_args = true };
	const struct instance *instance = plan(fixture, "tracepoint:syscalls:sys_exit_*", &none);
	const struct field dfd = { .name = "dfd", .type = type_int(4, true), .offset = 16 };
	const struct field ret = { .name = "ret", .type = type_int(8, true), .offset = 16 };
	const struct provider *row = find("tracepoint");

	assert_int_equal(instance->mode, PROBE_MODE_RAW_SYSCALL);
	assert_string_equal(instance->section, "raw_tp");
	assert_int_equal(instance->targets.data[0]->number, 3); /* close */
	assert_false(instance->targets.data[0]->is_enter);
	instance = plan(fixture, "tracepoint:syscalls:sys_enter_*",
			&args); /* arguments are read from the record */
	assert_int_equal(instance->mode, PROBE_MODE_DEFAULT);
	assert_int_equal(row->args_field(instance->targets.data[0], &open_args, &dfd).kind,
			 CTX_LOAD);
	instance = plan(fixture, "tracepoint:syscalls:sys_exit_*",
			&args); /* the result is there in both */
	assert_int_equal(instance->mode, PROBE_MODE_RAW_SYSCALL);
	assert_int_equal(row->args_field(instance->targets.data[0], &open_args, &ret).kind,
			 CTX_RAW_ARG);
	assert_int_equal(row->args_field(instance->targets.data[0], &open_args, &ret).index, 1);
	instance = plan(fixture, "tracepoint:syscalls:sys_enter_*e", &none); /* few: perf events */
	assert_int_equal(instance->mode, PROBE_MODE_DEFAULT);
}

/* One spec, three kinds of programs: a call without a known number keeps its perf event. */
static void test_tracepoint_split(void **state)
{
	struct fixture *fixture = *state;
	const struct instance none = { 0 };
	const struct instance *perf = plan(fixture, "tracepoint:syscalls:sys_*", &none), *enter,
			      *exit;

	assert_int_equal(fixture->resolve.instances.n, 3);
	exit = planned(fixture, 1);
	enter = planned(fixture, 2);
	assert_int_equal(perf->targets.n, 1);
	assert_string_equal(perf->section, "tp");
	assert_string_equal(perf->targets.data[0]->func, "sys_enter_new_one");
	assert_int_equal(enter->targets.n, 5);
	assert_true(enter->targets.data[0]->is_enter);
	assert_int_equal(enter->mode, PROBE_MODE_RAW_SYSCALL);
	assert_int_equal(exit->targets.n, 5);
	assert_false(exit->targets.data[0]->is_enter);
	assert_int_equal(exit->mode, PROBE_MODE_RAW_SYSCALL);
	assert_string_not_equal(enter->program, exit->program);
	assert_string_not_equal(enter->program, perf->program);
}

static void test_rawtracepoint(void **state)
{
	struct fixture *fixture = *state;
	const struct instance uses = { .uses_probe = true };
	const struct provider *row = find("rawtracepoint");
	const struct field second = { .name = "b", .type = type_int(4, true), .offset = 8 };
	const struct type *type;
	const struct target *target = only(fixture, "rawtracepoint:sched_switch");

	assert_string_equal(target->name, "rawtracepoint:sched_switch");
	assert_int_equal(row->arg(target, 2, &type).kind, CTX_RAW_ARG);
	assert_int_equal(row->arg(target, 2, &type).index, 2);
	assert_int_equal(row->arg(target, -1, &type).kind, CTX_NONE);
	assert_int_equal(row->args_field(target, &open_args, &second).index, 1);
	assert_int_equal(row->args_field(target, &open_args, &second).size, 4);
	assert_string_equal(only(fixture, "rawtracepoint:vmlinux:sched_switch")->func,
			    "sched_switch");
	expect_error(fixture, "rawtracepoint:sched_swich", 0, "no raw tracepoint 'sched_swich'",
		     "rawtracepoint:sched_switch");
	plan(fixture, "rawtracepoint:sched_*", &uses);
	assert_int_equal(fixture->resolve.instances.n, 1);
	fixture->lookup.features = 0; /* no cookies: a program for each */
	plan(fixture, "rawtracepoint:sched_*", &uses);
	assert_int_equal(fixture->resolve.instances.n, 2);
	assert_int_equal(planned(fixture, 1)->targets.n, 1);
}

static void test_uprobe_forms(void **state)
{
	struct fixture *fixture = *state;
	const struct target *target = only(fixture, "uprobe:libfake:calloc");

	assert_string_equal(target->name, "uprobe:/lib/libfake.so:calloc");
	assert_string_equal(target->func, "calloc");
	assert_string_equal(target->path, "/lib/libfake.so");
	assert_int_equal(target->offset, 0x200);
	assert_true(fixture->targets.data[0] == target && fixture->targets.n == 1);
}

static void test_uprobe_globs(void **state)
{
	struct fixture *fixture = *state;

	assert_true(expand(fixture, "uretprobe:libfake:*alloc"));
	assert_int_equal(fixture->targets.n, 2); /* __libc_malloc is malloc */
	assert_string_equal(fixture->targets.data[0]->name, "uretprobe:/lib/libfake.so:calloc");
	assert_string_equal(fixture->targets.data[1]->func, "malloc");
	assert_true(expand(fixture, "uprobe:libfake:realpath")); /* two versions */
	assert_int_equal(fixture->targets.n, 2);
	assert_int_equal(fixture->targets.data[0]->offset, 0x300);
	assert_int_equal(fixture->targets.data[1]->offset, 0x400);
}

static void test_uprobe_cpp(void **state)
{
	struct fixture *fixture = *state;
	const struct target *target = only(fixture, "uprobe:/bin/prog:cpp:\"A::b(int)\"");

	assert_string_equal(target->name, "uprobe:/bin/prog:cpp:\"A::b(int)\"");
	assert_string_equal(target->func, "A::b");
	assert_int_equal(target->offset, 0x10);
	assert_true(
		expand(fixture, "uprobe:/bin/prog:cpp:\"A::b\"")); /* all overloads, no cold part */
	assert_int_equal(fixture->targets.n, 2);
	assert_true(expand(fixture, "uprobe:/bin/prog:cpp:A::*")); /* without quotes */
	assert_int_equal(fixture->targets.n, 3);
	expect_error(fixture, "uprobe:/bin/prog:cpp:A::d", 2, "no function is called 'A::d'",
		     "did you mean 'A::");
}

static void test_uprobe_places(void **state)
{
	struct fixture *fixture = *state;
	const struct target *target = only(fixture, "uprobe:libfake:0x1100");

	assert_string_equal(target->name, "uprobe:/lib/libfake.so:0x1100");
	assert_int_equal(target->offset, 0x100);
	assert_int_equal(only(fixture, "uprobe:libfake:malloc+0")->offset, 0x100);
	expect_error(fixture, "uprobe:libfake:0x1104", 1, "cannot be told",
		     "--unsafe"); /* no such file to read */
	expect_error(fixture, "uprobe:libfake:malloc+4", 1, "cannot be told", "--unsafe");
	fixture->unsafe = true;
	target = only(fixture, "uprobe:libfake:malloc+0x4");
	assert_int_equal(target->offset, 0x104);
	assert_string_equal(target->name, "uprobe:/lib/libfake.so:malloc+4");
	assert_string_equal(target->func, "malloc");
	expect_error(fixture, "uprobe:libfake:malloc+16", 1, "malloc has only 16 bytes", NULL);
	expect_error(fixture, "uprobe:libfake:malloc+x", 1, "'x' is not an offset", NULL);
	expect_error(fixture, "uprobe:libfake:m*+4", 1, "needs one function", NULL);
	expect_error(fixture, "uprobe:libfake:0x9999", 1,
		     "address 0x9999 is not in /lib/libfake.so", NULL);
	expect_error(fixture, "uretprobe:libfake:malloc+4", 1, "needs the name of a function",
		     NULL);
	expect_error(fixture, "uretprobe:libfake:0x1100", 1, "needs the name of a function", NULL);
}

static void test_uprobe_mistakes(void **state)
{
	struct fixture *fixture = *state;

	expect_error(fixture, "uprobe", -1, "takes a file and a function", "uprobe:libc:malloc");
	expect_error(fixture, "uprobe:malloc", -1, "takes a file and a function", NULL);
	expect_error(fixture, "uprobe:libfake:", -1, "needs the name of a function", NULL);
	expect_error(fixture, "uprobe::malloc", -1, "needs a file", NULL);
	expect_error(fixture, "uprobe:libfale:malloc", 0, "libfale is not mapped",
		     "did you mean 'libfake'?");
	expect_error(fixture, "uprobe:libfake:mallac", 1,
		     "no function is called 'mallac' in /lib/libfake.so", "did you mean 'malloc'?");
	expect_error(fixture, "uprobe:libfake:zz*", 1, "no function matches 'zz*'",
		     "jbtrace -l 'uprobe:/lib/libfake.so:*'");
	expect_error(fixture, "uprobe:/bin/bare:f", 0, "/bin/bare has no symbols", NULL);
	expect_error(fixture, "uprobe:/bin/text:f", 0, "not an ELF file", NULL);
	expect_error(fixture, "uprobe:/bin/prog@main.c:12", 0,
		     "not supported yet: uprobe at a line of source", NULL);
	expect_error(fixture, "uretprobe:/bin/gone:_ZN1A1cEv", 0, "Go program", "--unsafe");
	only(fixture, "uprobe:/bin/gone:_ZN1A1cEv");
	fixture->pid = 1;
	assert_string_equal(only(fixture, "uprobe:_ZN1A1cEv")->path, "/bin/prog");
	assert_string_equal(only(fixture, "uprobe::_ZN1A1cEv")->path, "/bin/prog");
}

static void test_uprobe_context(void **state)
{
	struct fixture *fixture = *state;
	const struct target *target = only(fixture, "uprobe:libfake:malloc");
	const struct provider *entry = find("uprobe"), *at_return = find("uretprobe");
	const struct type *type;

	assert_int_equal(entry->arg(target, 0, &type).kind, CTX_REG);
	assert_int_equal(entry->arg(target, 0, &type).offset, 112);
	assert_int_equal(entry->arg(target, 3, &type).offset, 88);
	assert_int_equal(entry->arg(target, 6, &type).kind, CTX_NONE);
	assert_int_equal(entry->arg(target, -1, &type).kind, CTX_NONE);
	assert_int_equal(at_return->arg(target, -1, &type).offset, 80);
	assert_int_equal(at_return->arg(target, 0, &type).kind, CTX_NONE);
}

static void test_uprobe_plan(void **state)
{
	struct fixture *fixture = *state;
	const struct instance none = { 0 };
	const struct instance *instance = plan(fixture, "uprobe:libfake:malloc", &none);

	assert_string_equal(instance->section, "uprobe");
	assert_int_equal(instance->mode, PROBE_MODE_UPROBE_MULTI);
	assert_int_equal(instance->attach_type, 48);
	fixture->lookup.features = 0;
	instance = plan(fixture, "uretprobe:libfake:malloc", &none);
	assert_string_equal(instance->section, "uretprobe");
	assert_int_equal(instance->mode, PROBE_MODE_UPROBE_PERF);
	assert_int_equal(instance->attach_type, 0);
}

static void test_span_user(void **state)
{
	struct fixture *fixture = *state;
	const struct target *target = only(fixture, "span:libfake:malloc");
	const struct provider *row = find("span");
	const struct instance none = { 0 };
	const struct instance *instance;
	const struct type *type;

	assert_string_equal(target->name, "span:/lib/libfake.so:malloc");
	assert_int_equal(row->arg(target, 5, &type).kind, CTX_SAVED);
	assert_int_equal(row->arg(target, 5, &type).index, 5);
	assert_int_equal(row->arg(target, 6, &type).kind, CTX_NONE);
	assert_int_equal(row->arg(target, -1, &type).offset, 80);
	assert_null(type);
	assert_null(row->args(&fixture->resolve, target));
	instance = plan(fixture, "span:libfake:malloc", &none);
	assert_int_equal(instance->span_mode, SPAN_SESSION);
	assert_string_equal(instance->section, "uprobe");
	assert_int_equal(instance->attach_type, 57);
	fixture->lookup.features = 1u << FEATURE_UPROBE_MULTI;
	instance = plan(fixture, "span:libfake:malloc", &none);
	assert_int_equal(instance->span_mode, SPAN_PAIR);
	assert_string_equal(instance->section, "uretprobe");
	assert_int_equal(instance->attach_type, 48);
	fixture->lookup.features = 0;
	instance = plan(fixture, "span:libfake:malloc", &none);
	assert_int_equal(instance->mode, PROBE_MODE_UPROBE_PERF);
	expect_error(fixture, "span:libfake:malloc+4", 1, "needs the name of a function", NULL);
	expect_error(fixture, "span:vfs_read", -1, "it has no kprobes", NULL);
}

static void test_span_syscall(void **state)
{
	struct fixture *fixture = *state;
	const struct target *target = only(fixture, "span:syscall:openat");
	const struct provider *row = find("span");
	const struct field number = { .name = "__syscall_nr",
				      .type = type_int(4, true),
				      .offset = 8 };
	const struct field fourth = { .name = "mode", .type = type_int(8, false), .offset = 40 };
	const struct instance none = { 0 };
	const struct type *type;

	assert_string_equal(target->name, "span:syscall:openat");
	assert_string_equal(target->func, "openat");
	assert_int_equal(target->number, 2);
	assert_int_equal(row->arg(target, -1, &type).kind, CTX_RAW_ARG);
	assert_int_equal(row->arg(target, -1, &type).index, 1);
	assert_true(type_is_signed(type));
	assert_int_equal(row->arg(target, 3, &type).kind, CTX_SYS_REGS);
	assert_int_equal(row->arg(target, 3, &type).offset, 56); /* r10 */
	assert_ptr_equal(row->args(&fixture->resolve, target), &open_args);
	assert_int_equal(row->args_field(target, &open_args, &number).offset, 120); /* orig_ax */
	assert_int_equal(row->args_field(target, &open_args, &fourth).offset, 56);
	assert_int_equal(plan(fixture, "span:syscall:*", &none)->span_mode, SPAN_SYSCALL);
	assert_int_equal(fixture->targets.n, 5); /* all but exit */
	assert_int_equal(planned(fixture, 0)->mode, PROBE_MODE_RAW_SYSCALL);
	target = only(fixture, "span:syscall:fstat"); /* the tracepoint has another name */
	assert_string_equal(target->name, "span:syscall:fstat");
	assert_ptr_equal(row->args(&fixture->resolve, target), &open_args);
	expect_error(fixture, "span:syscall:opennat", 1, "no system call is called 'opennat'",
		     "span:syscall:openat");
	expect_error(fixture, "span:syscall:exit", 1, "exit does not return", NULL);
}

static void list_line(void *arg, const char *line, const struct type *args)
{
	struct fixture *fixture = arg;

	buf_printf(&fixture->lookup.listed, "%s%s\n", line, args ? " args" : "");
}

static const char *listed(struct fixture *fixture, const char *provider, const char *pattern)
{
	buf_reset(&fixture->lookup.listed);
	buf_puts(&fixture->lookup.listed, "");
	find(provider)->list(&fixture->lookup, pattern, list_line, fixture);
	return fixture->lookup.listed.data;
}

static void test_list(void **state)
{
	struct fixture *fixture = *state;

	assert_string_equal(listed(fixture, "begin", "*"), "begin\n");
	assert_string_equal(listed(fixture, "interval", "*s:*"),
			    "interval:s:\ninterval:ms:\ninterval:us:\ninterval:ns:\n");
	assert_string_equal(listed(fixture, "tracepoint", "sched:*switch"),
			    "tracepoint:sched:sched_switch args\n");
	assert_string_equal(listed(fixture, "rawtracepoint", "*wakeup"),
			    "rawtracepoint:sched_wakeup args\n");
	assert_string_equal(listed(fixture, "uprobe", "libfake:re*"),
			    "uprobe:/lib/libfake.so:realpath\n");
	assert_string_equal(listed(fixture, "uprobe", "/bin/prog:cpp:\"A::c*\""),
			    "uprobe:/bin/prog:cpp:\"A::c()\"\n");
	assert_string_equal(listed(fixture, "uprobe", "*"), "");
	assert_string_equal(listed(fixture, "span", "syscall:open*"), "span:syscall:openat args\n");
}

static void test_instructions(void **state)
{
	/* push rbp; mov rbp,rsp; sub rsp,0x10; movabs rax,imm64; call rel32; vmovdqu ymm0,[rdi+rax*8+0x100]; ret */
	static const uint8_t code[] = {
		0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xec, 0x10, 0x48, 0xb8, 1,
		2,    3,    4,	  5,	6,    7,    8,	  0xe8, 0,    0,    0,
		0,    0xc5, 0xfe, 0x6f, 0x84, 0xc7, 0,	  1,	0,    0,    0xc3,
	};
	static const size_t starts[] = { 0, 1, 4, 8, 18, 23, 32 };
	size_t next = 0;

	(void)state;
	for (size_t at = 0; at < sizeof(code); at++) {
		bool start = next < 7 && starts[next] == at;

		next += start;
		assert_int_equal(insn_begins_at(code, sizeof(code), at), start);
	}
	assert_int_equal(insn_length(code + 18, 4), 0); /* cut off */
	assert_int_equal(insn_begins_at((const uint8_t[]){ 0x06, 0x90 }, 2, 1), -EILSEQ);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_rows),
		TEST(test_special),
		TEST(test_timer_forms),
		TEST(test_timer_mistakes),
		TEST(test_rate_guard),
		TEST(test_tracepoint),
		TEST(test_tracepoint_mistakes),
		TEST(test_tracepoint_raw_syscalls),
		TEST(test_tracepoint_split),
		TEST(test_rawtracepoint),
		TEST(test_uprobe_forms),
		TEST(test_uprobe_globs),
		TEST(test_uprobe_cpp),
		TEST(test_uprobe_places),
		TEST(test_uprobe_mistakes),
		TEST(test_uprobe_context),
		TEST(test_uprobe_plan),
		TEST(test_span_user),
		TEST(test_span_syscall),
		TEST(test_list),
		TEST(test_instructions),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
