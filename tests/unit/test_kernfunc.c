/*
 * Functions of the kernel as targets: what attach points mean on a kernel that is made up (probes_fake_kernel.h), what is
 * said when they mean nothing, and who serves them on kernels that lack this or that.
 */
#include "probes_fakes.h"

#include "probes/kernfunc.h"

#define ALL		 ~0u
#define WITHOUT(feature) (ALL & ~(1u << (feature)))
#define OLD		 (1u << FEATURE_KPROBE | 1u << FEATURE_FENTRY | 1u << FEATURE_FENTRY_COOKIE)

static int setup(void **state)
{
	struct arena *arena = arena_new();
	struct fixture *fixture = arena_new_of(arena, struct fixture);

	fixture->arena = arena;
	fixture->lookup.arena = arena;
	fixture->lookup.features = OLD;
	fixture->resolve.arena = arena;
	fixture->resolve.types = types_new(arena);
	fixture->resolve.lookup = &fixture->lookup;
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	arena_free(fixture->arena);
	return 0;
}

static const struct provider *find(const char *name)
{
	const struct provider *const families[] = { providers_kprobe, providers_fentry,
						    providers_span };
	const struct provider *row;

	for (size_t i = 0; i < 3; i++)
		row_each (row, families[i])
			if (!strcmp(row->name, name))
				return row;
	fail_msg("no provider %s", name);
	return NULL;
}

/* Expands "PROVIDER:PART[:PART]"; returns the row that serves it, NULL when it is an error. */
static const struct provider *expand(struct fixture *fixture, const char *text)
{
	static const struct span part_span[4];
	const char *part[4];
	struct spec spec = { .text = text, .part = part, .part_span = part_span };
	char *words = arena_strdup(fixture->arena, text), *word;

	spec.provider = find(strtok(words, ":"));
	while ((word = strtok(NULL, ":")))
		part[spec.n_parts++] = word;
	spec.unsafe = fixture->unsafe;
	fixture->targets.n = 0;
	fixture->error = fixture->hint = NULL;
	fixture->resolve.plan = plan_new(fixture->arena, NULL);
	fixture->resolve.served_by = NULL;
	fixture->resolve.why = NULL;
	fixture->resolve.spec = &spec;
	bool ok = spec.provider->expand(&fixture->resolve, &spec);
	fixture->resolve.spec = NULL;
	assert_int_equal(ok, fixture->error == NULL);
	if (!ok)
		return NULL;
	return fixture->resolve.served_by ? fixture->resolve.served_by : spec.provider;
}

/* The names of its targets, in order, separated by blanks. */
static void expect(struct fixture *fixture, const char *text, const char *names)
{
	const char *found = "";

	if (!expand(fixture, text))
		fail_msg("%s: %s", text, fixture->error);
	for (size_t i = 0; i < fixture->targets.n; i++)
		found = arena_printf(fixture->arena, "%s%s%s", found, i ? " " : "",
				     fixture->targets.data[i]->name);
	assert_string_equal(found, names);
}

static void expect_error(struct fixture *fixture, const char *text, int part, const char *error,
			 const char *hint)
{
	if (expand(fixture, text))
		fail_msg("%s is accepted", text);
	assert_error(fixture, text, part, error, hint);
}

static struct instance *plan(struct fixture *fixture, const char *text)
{
	struct instance *instance = arena_new_of(fixture->arena, struct instance);
	struct target **target;

	instance->provider = expand(fixture, text);
	if (!instance->provider)
		fail_msg("%s: %s", text, fixture->error);
	fixture->resolve.instances.n = 0;
	instance->uses_args = true;
	vec_each (target, &fixture->targets)
		vec_push(fixture->arena, &instance->targets, *target);
	vec_push(fixture->arena, &fixture->resolve.instances, instance);
	assert_true(instance->provider->plan(&fixture->resolve, instance));
	return instance;
}

/* --- names --- */

static void test_names(void **state)
{
	struct fixture *fixture = *state;

	expect(fixture, "kprobe:vfs_read", "kprobe:vfs_read");
	assert_string_equal(fixture->targets.data[0]->func, "vfs_read");
	assert_int_equal(kernfunc_of(fixture->targets.data[0])->address, 0x2000);
	expect(fixture, "kprobe:vmlinux:vfs_read", "kprobe:vmlinux:vfs_read");
	expect(fixture, "kprobe:neta:net_open", "kprobe:neta:net_open");
	expect(fixture, "kprobe:net_only", "kprobe:net_only");
	expect(fixture, "kprobe:net*:net_open", "kprobe:neta:net_open kprobe:netb:net_open");
	expect(fixture, "kprobe:vfs_read+16", "kprobe:vfs_read+16");
	assert_int_equal(kernfunc_of(fixture->targets.data[0])->address, 0x2010);
	expect(fixture, "kprobe:show_type", "kprobe:show_type kprobe:show_type");
	assert_int_equal(kernfunc_of(fixture->targets.data[1])->address, 0x4100);
}

/* Copies of a function are calls of it; pieces of it are not, unless they are all that is left. */
static void test_copies(void **state)
{
	struct fixture *fixture = *state;

	expect(fixture, "kprobe:do_copied", "kprobe:do_copied kprobe:do_copied.constprop.0");
	expect(fixture, "kprobe:do_changed", "kprobe:do_changed.constprop.12.isra.0");
	expect(fixture, "kprobe:do_changed.constprop.12.isra.0",
	       "kprobe:do_changed.constprop.12.isra.0");
	expect(fixture, "kprobe:do_split", "kprobe:do_split.part.0");
	expect(fixture, "kprobe:do_*",
	       "kprobe:do_copied kprobe:do_copied.constprop.0 "
	       "kprobe:do_changed.constprop.12.isra.0");
	expect(fixture, "kprobe:do_copied+4", "kprobe:do_copied+4");
}

/* Not the list of forbidden ones, not padding, not BPF programs, not what is gone. */
static void test_patterns(void **state)
{
	struct fixture *fixture = *state;

	expect(fixture, "kprobe:*vfs_*", "kprobe:vfs_read kprobe:vfs_write kprobe:vfs_void");
	assert_true(kernfunc_of(fixture->targets.data[0])->any);
	expect(fixture, "fentry:*vfs_*", "fentry:vfs_read fentry:vfs_write fentry:vfs_void");
	expect(fixture, "fentry:do_*", "fentry:do_copied fentry:do_forbidden");
	expect_error(fixture, "kprobe:xyz_*", 0, "no function of the kernel matches 'xyz_*'",
		     "jbtrace -l 'kprobe:*'");
	expect_error(fixture, "fentry:show_t*", 0, "or none that BTF has", NULL);
}

static void test_mistakes(void **state)
{
	struct fixture *fixture = *state;

	expect_error(fixture, "kprobe:vfs_raed", 0, "this kernel has no function 'vfs_raed'",
		     "did you mean 'vfs_read'?");
	expect_error(fixture, "kprobe:do_inlined", 0, "'do_inlined' was inlined", "callers");
	expect_error(fixture, "kprobe:btf_inlined", 0, "'btf_inlined' was inlined", "callers");
	expect_error(fixture, "kprobe:start_kernel", 0, "is gone since", NULL);
	expect_error(fixture, "kprobe:jiffies", 0, "is a variable", NULL);
	expect_error(fixture, "kprobe:do_forbidden", 0, "that take no kprobe", "blacklist");
	expect_error(fixture, "kprobe:net_open", 0, "several modules: neta and netb",
		     "kprobe:neta:net_open");
	expect_error(fixture, "kprobe:netb:net_only", 1, "'net_only' is not in netb",
		     "kprobe:neta:net_only");
	expect_error(fixture, "kprobe:neto:net_only", 0, "no module 'neto' is loaded",
		     "did you mean 'neta'?");
	expect_error(fixture, "kprobe:vfs_read+x", 0, "'x' is not an offset", NULL);
	expect_error(fixture, "kprobe:vfs_*+4", 0, "an offset needs one function", NULL);
	expect_error(fixture, "kprobe:show_type+4", 0, "vmlinux has 2 functions called",
		     "without an offset");
	expect_error(fixture, "kretprobe:vfs_read+4", 0, "needs the name of a function", NULL);
	expect_error(fixture, "kprobe:a:b:c", -1, "takes a kernel function", "kprobe:vfs_read");
	expect_error(fixture, "kprobe:0x2000", 0, "needs --unsafe", NULL);
	expect_error(fixture, "fentry:vfs_read+4", 0, "takes whole functions", NULL);
	expect_error(fixture, "fentry:show_type", 0, "2 functions called 'show_type'",
		     "kprobe:show_type traces all of them");
	fixture->unsafe = true;
	expect(fixture, "kprobe:0x2000", "kprobe:0x2000");
	assert_int_equal(kernfunc_of(fixture->targets.data[0])->address, 0x2000);
	fixture->lookup.no_kallsyms = true;
	expect(fixture, "kprobe:vfs_read", "kprobe:vfs_read");
	expect_error(fixture, "kprobe:vfs_*", 0, "/proc/kallsyms", NULL);
}

/* --- who serves --- */

static void test_serving(void **state)
{
	struct fixture *fixture = *state;

	assert_ptr_equal(expand(fixture, "kprobe:vfs_read"), find("kprobe"));
	assert_null(fixture->resolve.why);
	assert_ptr_equal(expand(fixture, "fentry:vfs_read"), find("fentry"));
	assert_ptr_equal(expand(fixture, "fentry:do_changed"), &kprobe_serves_fentry);
	assert_non_null(strstr(fixture->resolve.why, "has no type information"));
	assert_ptr_equal(expand(fixture, "fexit:memcpy_asm"), &kprobe_serves_fexit);
	assert_ptr_equal(expand(fixture, "span:vfs_read"), &fexit_serves_span);
	assert_ptr_equal(expand(fixture, "span:do_changed"), &kprobe_serves_span);
	fixture->lookup.features = OLD & ~(1u << FEATURE_KPROBE);
	assert_ptr_equal(expand(fixture, "kprobe:vfs_read"), &fentry_serves_kprobe);
	assert_non_null(strstr(fixture->resolve.why, "no kprobes (CONFIG_KPROBES)"));
	assert_ptr_equal(expand(fixture, "kretprobe:vfs_read"), &fexit_serves_kretprobe);
	assert_ptr_equal(expand(fixture, "span:vfs_read"), &fexit_serves_span);
	expect_error(fixture, "kprobe:memcpy_asm", 0, "has no type information", NULL);
	expect_error(fixture, "kprobe:vfs_read+4", 0, "which this kernel does not have", NULL);
	fixture->lookup.features = OLD & ~(1u << FEATURE_FENTRY);
	assert_ptr_equal(expand(fixture, "fentry:vfs_read"), &kprobe_serves_fentry);
	assert_non_null(strstr(fixture->resolve.why, "CONFIG_DEBUG_INFO_BTF"));
	assert_ptr_equal(expand(fixture, "fexit:vfs_read"), &kprobe_serves_fexit);
	assert_ptr_equal(expand(fixture, "span:vfs_read"), &kprobe_serves_span);
	fixture->lookup.features = 0;
	expect_error(fixture, "kprobe:vfs_read", -1, "it has no kprobes (CONFIG_KPROBES)",
		     "span:syscall:NAME");
	expect_error(fixture, "fentry:vfs_read", -1, "no fentry: its types are not there", NULL);
	expect_error(fixture, "span:vfs_read", -1, "cannot trace its functions", NULL);
}

static void test_plans(void **state)
{
	struct fixture *fixture = *state;
	struct instance *instance = plan(fixture, "kprobe:vfs_read");

	assert_string_equal(instance->section, "kprobe");
	assert_int_equal(instance->mode, PROBE_MODE_KPROBE_PERF);
	instance = plan(fixture, "span:do_changed");
	assert_int_equal(instance->span_mode, SPAN_PAIR);
	assert_string_equal(instance->section, "kretprobe");
	instance = plan(fixture, "span:vfs_read");
	assert_int_equal(instance->span_mode, SPAN_FEXIT);
	assert_int_equal(instance->attach_type, 25);
	assert_int_equal(instance->entry_type, 24);
	assert_string_equal(instance->attach_function, "vfs_read");
	fixture->lookup.features = ALL;
	instance = plan(fixture, "kprobe:vfs_read");
	assert_int_equal(instance->mode, PROBE_MODE_KPROBE_MULTI);
	assert_int_equal(instance->attach_type, 42);
	instance = plan(fixture, "kprobe:vfs_read+4");
	assert_int_equal(instance->mode, PROBE_MODE_KPROBE_PERF);
	assert_int_equal(instance->attach_type, 0);
	instance = plan(fixture, "span:vfs_read");
	assert_int_equal(instance->span_mode, SPAN_SESSION);
	assert_int_equal(instance->attach_type, 56);
	fixture->lookup.features = WITHOUT(FEATURE_KPROBE_SESSION) & ~(1u << FEATURE_FENTRY);
	instance = plan(fixture, "span:vfs_read");
	assert_int_equal(instance->span_mode, SPAN_PAIR);
	assert_int_equal(instance->attach_type, 42);
}

/* Programs of functions that return different things are apart; without cookies every function has its own. */
static void test_splits(void **state)
{
	struct fixture *fixture = *state;

	plan(fixture, "fexit:vfs_*");
	assert_int_equal(fixture->resolve.instances.n, 3);
	assert_string_equal(fixture->resolve.instances.data[2]->attach_function, "vfs_void");
	plan(fixture, "fentry:vfs_*");
	assert_int_equal(fixture->resolve.instances.n, 1);
	fixture->lookup.features &= ~(1u << FEATURE_FENTRY_COOKIE);
	plan(fixture, "fentry:vfs_*");
	assert_int_equal(fixture->resolve.instances.n, 1); /* nobody asks which one it is */
	plan(fixture, "fentry:neta:net_only");
	assert_string_equal(fixture->resolve.instances.data[0]->attach_function, "vfs_read");
}

/* --- what a program can read --- */

static void test_words(void **state)
{
	struct fixture *fixture = *state;
	const struct provider *row = expand(fixture, "fexit:vfs_read");
	const struct target *target = fixture->targets.data[0];
	const struct type *type, *args = row->args(&fixture->resolve, target);
	struct ctx_item item;

	assert_int_equal(row->arg(target, 1, &type).kind, CTX_WORD);
	assert_int_equal(row->arg(target, 2, &type).kind, CTX_NONE);
	item = row->arg(target, -1, &type);
	assert_int_equal(item.kind, CTX_RESULT);
	assert_int_equal(item.size, 4);
	assert_true(item.is_signed);
	assert_ptr_equal(type, &kernel_int);
	item = row->args_field(target, args, &args->fields[1]);
	assert_int_equal(item.kind, CTX_WORD);
	assert_int_equal(item.index, 1);
	assert_int_equal(item.size, 4);
	row = expand(fixture, "fexit:vfs_void");
	assert_int_equal(row->arg(fixture->targets.data[0], -1, &type).kind, CTX_NONE);
	row = expand(fixture, "fexit:vfs_*");
	assert_int_equal(row->arg(fixture->targets.data[2], -1, &type).kind, CTX_ZERO);
	row = expand(fixture, "fentry:do_copied");
	item = row->args_field(fixture->targets.data[0], &pair_args, &pair_fields[1]);
	assert_int_equal(item.kind, CTX_MEMORY);
	assert_int_equal(item.offset, 16);
}

static void test_registers(void **state)
{
	struct fixture *fixture = *state;
	const struct provider *row = expand(fixture, "kprobe:vfs_read");
	const struct target *target = fixture->targets.data[0];
	const struct type *type, *args = row->args(&fixture->resolve, target);

	assert_ptr_equal(args, &read_args);
	assert_int_equal(row->args_field(target, args, &args->fields[1]).offset,
			 regs_host()->arg[1]);
	assert_int_equal(row->arg(target, 5, &type).kind, CTX_REG);
	assert_int_equal(row->arg(target, 6, &type).kind, CTX_NONE);
	assert_int_equal(row->arg(target, -1, &type).kind, CTX_NONE);
	row = expand(fixture, "kprobe:do_copied"); /* the pair of two words has no register */
	args = row->args(&fixture->resolve, fixture->targets.data[0]);
	assert_int_equal(args->n_fields, 2);
	assert_string_equal(args->fields[0].name, "uid");
	assert_int_equal(row->args_field(target, args, &args->fields[0]).kind, CTX_MEMORY);
	assert_int_equal(row->args_field(target, args, &args->fields[1]).offset,
			 regs_host()->arg[3]);
	assert_null(row->args(&fixture->resolve, fixture->targets.data[1])); /* a copy */
	fixture->lookup.features = ALL & ~(1u << FEATURE_FENTRY);
	row = expand(fixture, "span:do_copied");
	args = row->args(&fixture->resolve, fixture->targets.data[0]);
	assert_int_equal(args->n_fields, 1); /* nor are structs kept until the return */
	assert_int_equal(row->args_field(target, args, &args->fields[0]).kind, CTX_SAVED);
	assert_int_equal(row->args_field(target, args, &args->fields[0]).index, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(test_copies, setup, teardown),
		cmocka_unit_test_setup_teardown(test_patterns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mistakes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_serving, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plans, setup, teardown),
		cmocka_unit_test_setup_teardown(test_splits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_words, setup, teardown),
		cmocka_unit_test_setup_teardown(test_registers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
