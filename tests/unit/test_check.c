/*
 * The semantic middle on real script text with a registry of a dozen rows: what resolve, check and lower make of it,
 * and what they say about mistakes. No kernel, no BTF.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "parser/check.h"
#include "parser/lower.h"
#include "parser/parse.h"
#include "parser/resolve.h"

/* --- rows --- */

static bool expand_one(struct resolve *resolve, const struct spec *spec)
{
	resolve_add_target(resolve, spec->text);
	return true;
}

/* event:NAME; "missing" does not exist; "a*" is two events with different arguments. */
static bool expand_event(struct resolve *resolve, const struct spec *spec)
{
	if (spec->n_parts != 1) {
		resolve_error(resolve, -1, "event takes a name");
		return false;
	}
	if (!strcmp(spec->part[0], "missing")) {
		resolve_error(resolve, 0, "no event is called '%s'", spec->part[0]);
		resolve_hint(resolve, "try another");
		return false;
	}
	if (!strcmp(spec->part[0], "a*"))
		resolve_add_target(resolve, "event:a1");
	resolve_add_target(resolve, !strcmp(spec->part[0], "a*") ? "event:a2" : spec->text);
	return true;
}

static const struct type *event_args(struct resolve *resolve, const struct target *target)
{
	const char *spelling = arena_printf(resolve->arena, "struct %s", target->name);
	const struct type *known = type_find(resolve->types, spelling);
	struct field *fields;
	struct type *type;

	if (known)
		return known;
	type = type_struct(resolve->types, target->name, false);
	fields = arena_alloc(resolve->arena, 3 * sizeof(*fields));
	fields[0] = (struct field){ .name = "fd", .type = type_int(4, true), .offset = 16 };
	fields[1] = (struct field){ .name = "name",
				    .type = type_ptr(resolve->types, type_int(1, true), SPACE_USER),
				    .offset = 24 };
	fields[2] = (struct field){ .name = "comm",
				    .type = type_array(resolve->types, type_int(1, true), 16),
				    .offset = 32 };
	type->fields = fields;
	type->n_fields = 3;
	type->size = 48;
	type->is_complete = true;
	return type;
}

static int act_nothing(struct run *run, const struct plan_site *site, const struct value *argv,
		       unsigned argc)
{
	(void)run;
	(void)site;
	(void)argv;
	(void)argc;
	return 0;
}

static uint32_t eight(const struct agg_args *args)
{
	(void)args;
	return 8;
}

/* clang-format off */
static const struct provider providers[] = {
	{ .name = "begin", .flags = PROVIDER_SPECIAL, .expand = expand_one },
	{ .name = "end", .flags = PROVIDER_SPECIAL, .expand = expand_one },
	{ .name = "interval", .alias = "i", .flags = PROVIDER_TIMER, .expand = expand_one },
	{ .name = "event", .alias = "e", .expand = expand_event, .args = event_args },
	{ 0 },
};
static const struct builtin builtins[] = {
	{ .name = "pid", .proto = "u32 pid", .rt = "x" },
	{ .name = "nsecs", .proto = "u64 nsecs", .rt = "x" },
	{ .name = "comm", .proto = "string[16] comm", .rt = "x" },
	{ .name = "args", .proto = "any args", .flags = BUILTIN_ARGS },
	{ .name = "str", .proto = "string str(ptr p, [int n])", .rt = "x" },
	{ .name = "strlen", .proto = "u32 strlen(string s)", .rt = "x" },
	{ .name = "signal", .proto = "void signal(int n)", .rt = "x", .flags = BUILTIN_UNSAFE },
	{ .name = "printf", .proto = "void printf(const string fmt, ...)", .flags = BUILTIN_LITERAL_FMT, .act = act_nothing },
	{ .name = "print", .proto = "void print(any v, [const int top], [const int div])", .act = act_nothing },
	{ .name = "exit", .proto = "void exit([int code])", .flags = BUILTIN_CONTROL | BUILTIN_EXITS, .act = act_nothing },
	{ .name = "clear", .proto = "void clear(map m)", .flags = BUILTIN_LVALUE_MAP | BUILTIN_CONTROL, .act = act_nothing },
	{ .name = "delete", .proto = "bool delete(map m, [key k], ...)", .flags = BUILTIN_LVALUE_MAP, .rt = "x" },
	{ 0 },
};
static const struct aggregate aggregates[] = {
	{ .name = "count", .proto = "void count()", .rt = "x", .rt_read = "y", .state_size = eight },
	{ .name = "sum", .proto = "void sum(int n)", .rt = "x", .rt_read = "y", .state_size = eight },
	{ .name = "lhist", .proto = "void lhist(int n, const int min, const int max, const int step)", .rt = "x",
	  .state_size = eight },
	{ .name = "agg", .proto = "void agg(...)", .flags = AGG_ROW },
	{ 0 },
};
/* clang-format on */
static const struct builtin *const builtin_families[] = { builtins, NULL };
static const struct aggregate *const aggregate_families[] = { aggregates, NULL };
static const struct provider *const provider_families[] = { providers, NULL };
static const struct registry registry = {
	.builtins = builtin_families,
	.aggregates = aggregate_families,
	.providers = provider_families,
};

/* --- compiling --- */

struct fixture {
	struct arena *arena;
	struct diags *diags;
	struct front_options options;
	struct resolve resolve;
	struct check check;
	char *text;
	size_t text_len;
};

static int set_up(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->arena = arena_new();
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	free(f->text);
	arena_free(f->arena);
	test_free(f);
	return 0;
}

static bool compile(struct fixture *f, const char *script)
{
	const struct source *source;
	struct node *program;
	struct types *types = types_new(f->arena);
	struct plan *plan;

	f->diags = diag_new(f->arena);
	source = diag_add_source(f->diags, "t", script, strlen(script));
	program = parse_script(f->arena, f->diags, source);
	if (!program)
		return false;
	plan = plan_new(f->arena, f->diags);
	f->resolve = (struct resolve){ .arena = f->arena,
				       .diags = f->diags,
				       .registry = &registry,
				       .types = types,
				       .options = &f->options,
				       .program = program,
				       .plan = plan };
	f->check = (struct check){ .arena = f->arena,
				   .diags = f->diags,
				   .registry = &registry,
				   .types = types,
				   .plan = plan,
				   .resolve = &f->resolve,
				   .unsafe = f->options.unsafe };
	return resolve_program(&f->resolve) && check_program(&f->check) &&
	       lower_program(&f->resolve);
}

static const char *messages(struct fixture *f)
{
	FILE *out;

	free(f->text);
	out = open_memstream(&f->text, &f->text_len);
	diag_print(f->diags, out);
	fclose(out);
	return f->text;
}

static void assert_fine(struct fixture *f, const char *script)
{
	if (!compile(f, script))
		fail_msg("%s\n%s", script, messages(f));
}

/* The script must fail, and say this (a part of the text). */
static void assert_fails(struct fixture *f, const char *script, const char *expected)
{
	if (compile(f, script))
		fail_msg("compiled: %s", script);
	if (!strstr(messages(f), expected))
		fail_msg("%s\nexpected: %s\ngot: %s", script, expected, f->text);
}

static const char *dump(struct fixture *f)
{
	FILE *out;

	free(f->text);
	out = open_memstream(&f->text, &f->text_len);
	plan_dump(f->resolve.plan, out);
	fclose(out);
	return f->text;
}

static void assert_plan(struct fixture *f, const char *script, const char *expected)
{
	assert_fine(f, script);
	if (!strstr(dump(f), expected))
		fail_msg("%s\nexpected: %s\ngot: %s", script, expected, f->text);
}

/* The type of $NAME in the first instance. */
static void assert_variable(struct fixture *f, const char *script, const char *name,
			    const char *expected)
{
	struct variable **variable;

	assert_fine(f, script);
	vec_each (variable, &f->resolve.instances.data[0]->variables) {
		if (strcmp((*variable)->name, name))
			continue;
		assert_string_equal(type_spell(f->arena, (*variable)->type), expected);
		return;
	}
	fail_msg("no variable %s", name);
}

/* --- tests --- */

static void integer_types(void **state)
{
	struct fixture *f = *state;

	assert_variable(f, "begin { $x = 1; }", "x", "int64");
	assert_variable(f, "begin { $x = pid; }", "x", "uint32");
	assert_variable(f, "begin { $x = pid + 1; }", "x", "uint64");
	assert_variable(f, "begin { $x = pid - 1; }", "x", "int64");
	assert_variable(f, "begin { $x = pid * -1; }", "x", "int64");
	assert_variable(f, "begin { $x = 0; $x = nsecs; }", "x", "uint64");
	assert_variable(f, "begin { $x = pid; $x = nsecs; }", "x", "uint64");
	assert_variable(f, "begin { $x = (int32)pid; $x = pid; }", "x", "int64");
	assert_variable(f, "begin { $x = pid > 3; }", "x", "bool");
	assert_variable(f, "begin { let $x : uint8 = 5; }", "x", "uint8");
	assert_variable(f, "begin { $x = 0xffffffffffffffff; }", "x", "uint64");
	assert_variable(f, "begin { $x = pid > 3 ? pid : 0; }", "x", "uint64");
}

static void other_types(void **state)
{
	struct fixture *f = *state;

	assert_variable(f, "begin { $x = \"ab\"; $x = comm; }", "x", "string[16]");
	assert_variable(f, "begin { $x = (pid, \"a\"); }", "x", "(uint32,string[2])");
	assert_variable(f, "begin { $t = (pid, \"a\"); $x = $t.1; }", "x", "string[2]");
	assert_variable(f, "begin { $x = if pid { 1 } else { 2 }; }", "x", "int64");
	assert_variable(f,
			"struct s { int a; struct s *next; }; begin { $p = (struct s *)pid; $x = "
			"$p->next.a; }",
			"x", "int32");
	assert_variable(f, "struct s { char a[8]; }; begin { $p = (struct s *)pid; $x = $p.a; }",
			"x", "string[8]");
	assert_variable(f, "begin { $x = \"abc\"[0]; }", "x", "int8");
	assert_variable(f, "enum e { A, B }; begin { $x = B; }", "x", "enum e");
}

static void type_mistakes(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "begin { $x = 1; $x = \"a\"; }",
		     "cannot assign 'string[2]' to $x, which is 'int64'");
	assert_fails(f, "begin { if (comm == pid) { } }",
		     "cannot compare 'string[16]' with 'uint32'");
	assert_fails(f, "begin { $x = 4 / 0; }", "division by zero");
	assert_fails(f, "begin { let $x : uint8 = 300; }", "cannot assign");
	assert_fails(f, "begin { $x = *pid; }", "is not a pointer");
	assert_fails(f, "begin { $x = (1, 2); $y = $x.5; }", "has 2 members");
	assert_fails(f, "begin { break; }", "inside a loop");
	assert_fails(f, "begin { $x = count(); }", "must be assigned to a map");
	assert_fails(f, "struct s { int abc; }; begin { $p = (struct s *)1; $x = $p.abd; }",
		     "did you mean 'abc'?");
	assert_fails(f, "begin { $x = strlen(pid); }", "expects a string here, not 'uint32'");
	assert_fails(f, "begin { strlen(); }", "needs 1 argument");
	assert_fails(f, "begin { signal(1); }", "--unsafe");
	assert_fails(f, "begin { $x = (struct nosuch *)1; }", "unknown type 'struct nosuch'");
}

static void names(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "begin { prinft(\"x\"); }", "did you mean 'printf'?");
	assert_fails(f, "begin { $x = pod; }", "did you mean 'pid'?");
	assert_fails(f, "begin { $counter = 1; $x = $countr; }", "did you mean '$counter'?");
	assert_fails(f, "begin { if (1) { $x = 1; } $y = $x; }", "declare it outside");
	assert_fails(f, "begin { $x = 1; let $x = 2; }", "already declared");
	assert_fails(f, "begin { for ($i : 0..3) { $i = 1; } }", "belongs to the loop");
	assert_fails(f, "begn { }", "did you mean 'begin'?");
	assert_fails(f, "config = { max_strln = 5 } begin { }", "did you mean 'max_strlen'?");
	assert_fails(f, "bench:f { }", "not supported yet: bench");
	assert_fails(f, "begin { @x = tseries(1, 1, 1); }", "not supported yet: tseries");
	assert_fine(f, "BEGIN { } i:s:1 { } Interval:s:1 { }");
	assert_fails(f, "I:s:1 { }", "unknown probe type 'I'");
}

static void maps_over_all_probes(void **state)
{
	struct fixture *f = *state;

	assert_plan(f, "begin { @x[1] = 1; } end { @x[pid] = nsecs; }", "key=uint64 value=uint64");
	assert_plan(f, "begin { $y = @x[comm]; } end { @x[\"a\"] = 1; }",
		    "key=string[16] value=int64");
	assert_plan(f, "begin { @x[pid, comm] = count(); }",
		    "key=(uint32,string[16]) value=count() size=8");
	assert_plan(f, "begin { @x[(pid, comm)] = count(); }", "names=pid,comm");
	assert_plan(f, "begin { @x++; } end { print(@x); }", "map @x m0_x array entries=1");
	assert_plan(f, "begin { @x = count(); }", "percpu_array");
	assert_plan(
		f,
		"begin { @x[1, 2] = 1; delete(@x[1, 2]); delete(@x, (1, 2)); delete(@x, 3, 4); }",
		"key=(int64,int64)");
	assert_plan(f, "begin { $t = (pid, comm); @x[$t] = 1; @x[1, \"a\"] = 2; }",
		    "key=(uint32,string[16])");
	assert_plan(f, "let @x = lruhash(7); begin { @x[1] = 2; }", "lru_hash entries=7");
	assert_plan(f, "config = { max_map_keys = 100 } begin { @x[1] = 2; }", "entries=100");
	assert_plan(f, "begin { @a_very_long_name_of_a_map = 1; }", " m0_a_very_long_ ");
}

static void map_mistakes(void **state)
{
	struct fixture *f = *state;

	assert_fails(f, "begin { @x = 1; @x[1] = 2; }", "without a key elsewhere");
	assert_fails(f, "begin { @x[1] = 2; @x[1, 2] = 2; }", "1 key part elsewhere, and 2 here");
	assert_fails(f, "begin { @x[1] = 2; @x[comm] = 2; }", "as its key elsewhere");
	assert_fails(f, "begin { @x = 2; @x = \"a\"; }", "holds 'int64' elsewhere");
	assert_fails(f, "begin { @x = count(); @x = sum(1); }", "@x is count() elsewhere");
	assert_fails(f, "begin { @x = lhist(1, 0, 10, 1); @x = lhist(1, 0, 20, 1); }",
		     "other constants");
	assert_fails(f, "begin { @x = count(); @x = 5; }", "holds count() elsewhere");
	assert_fails(f, "begin { @counter = 5; print(@countr); }", "did you mean '@counter'?");
	assert_fails(f, "begin { $n = 4; @x = lhist(1, 0, $n, 1); }", "must be a constant");
	assert_fails(f, "let @x = hash(5); begin { @x[1] = count(); }",
		     "declare it as percpuhash(5)");
	assert_fails(f, "begin { @x[1] = 1; $y = @x; }", "needs a key here");
}

static void rows_of_aggregations(void **state)
{
	struct fixture *f = *state;
	const struct agg_args *args;

	assert_fine(f, "begin { @x[pid] = agg(n = count(), b = sum(pid), pct = b * 100 / n); }");
	args = &f->resolve.plan->maps.data[0]->value->args;
	assert_int_equal(args->n_fields, 3);
	assert_int_equal(args->fields[1].offset, 8);
	assert_null(args->fields[2].type);
	assert_int_equal(args->fields[2].derived->op, EXPR_DIV);
	assert_string_equal(args->fields[2].derived->a->a->column, "b");
	assert_int_equal(f->resolve.plan->counters.n, 1); /* no division is counted in the kernel */
	assert_fine(f, "begin { @x = agg(n = count(), s = sum(pid)); @x = agg(n = count(), s = "
		       "sum(-1)); }");
	assert_true(f->resolve.plan->maps.data[0]->value->args.fields[1].type->is_signed);
	assert_fails(f, "begin { @x = agg(n = count()); @x = agg(m = count()); }",
		     "with other columns elsewhere");
	assert_fails(f, "begin { @x = agg(hits = count(), p = hist * 2); }",
		     "did you mean 'hits'?");
	assert_fails(f, "begin { @x = agg(count()); }", "a column needs a name");
	assert_fails(f, "begin { @x = agg(n = count(), m = pid); }", "pid is not a column");
}

static void macros(void **state)
{
	struct fixture *f = *state;

	assert_variable(f,
			"macro add($v, n) { $t = n; $v += $t; } begin { $t = \"keep\"; $x = 1; "
			"add($x, 2); }",
			"t", "string[5]");
	assert_plan(f, "macro hit(@m, k) { @m[k] = count(); } begin { hit(@seen, comm); }",
		    "map @seen");
	assert_variable(f,
			"macro two() { 2 } macro f(a) { a + 1 } macro f(a, b) { a + b } begin { $x "
			"= f(f(1), two); }",
			"x", "int64");
	assert_variable(f, "#define LIMIT 10\nbegin { $x = LIMIT + pid; }", "x", "uint64");
	assert_variable(f, "macro pid() { \"mine\" } begin { $x = pid; }", "x", "string[5]");
	assert_fails(f, "macro m(a) { m(a) } begin { m(1); }", "uses itself");
	assert_fails(f, "macro m() { $outer } begin { $outer = 1; $x = m(); }", "passed to it");
	assert_fails(f, "macro m($v) { $v } begin { $x = m(1); }", "no macro m fits");
	assert_fails(f, "begin { unroll(0) { } }", "1 to 100 rounds");
}

static void parameters(void **state)
{
	struct fixture *f = *state;
	const char *params[] = { "12", "word" }, *named[] = { "--limit=7", "on" },
		   *wrong[] = { "--other" };

	f->options.params = params;
	f->options.n_params = 2;
	assert_variable(f, "begin { $x = $1; }", "x", "int64");
	assert_variable(f, "begin { $x = str($1); }", "x", "string[3]");
	assert_variable(f, "begin { $x = $2; }", "x", "string[5]");
	assert_variable(f, "begin { $x = $#; }", "x", "int64");
	assert_fine(f,
		    "begin { if (comm == $1) { } if (pid == $1) { } @x = lhist(pid, 0, $1, 1); }");
	assert_plan(f, "interval:s:$1 { }", "target 0 interval:s:12");
	assert_fine(f, "begin { $x = $3; }");
	assert_non_null(strstr(messages(f), "$3 is not set"));
	f->options.named = named;
	f->options.n_named = 2;
	assert_variable(f, "begin { $x = getopt(\"limit\", 5, \"most\"); $y = getopt(\"on\"); }",
			"y", "bool");
	assert_non_null(strstr(dump(f), "param limit default=5"));
	f->options.named = wrong;
	f->options.n_named = 1;
	assert_fails(f, "begin { $x = getopt(\"limit\", 5); }",
		     "unexpected program command line options: --other");
}

static void attach_points(void **state)
{
	struct fixture *f = *state;

	assert_plan(f, "event:missing || event:b || event:c { }", "target 0 event:b\n");
	assert_fails(f, "event:missing { }", "no event is called 'missing'");
	assert_fine(f, "config = { missing_probes = warn } event:missing, event:b { }");
	assert_non_null(strstr(messages(f), "warning: no event is called 'missing'"));
	assert_fine(f, "event:a* { @[pid] = count(); }");
	assert_int_equal(f->resolve.instances.n, 1);
	assert_fine(f, "event:a* { @[args.fd] = count(); }");
	assert_int_equal(f->resolve.instances.n, 2);
	assert_int_equal(f->resolve.instances.data[1]->targets.data[0]->id, 1);
	assert_plan(f, "end { } interval:s:1 { } begin { }", "probe 0 p2_begin");
	assert_fails(f, "event:a* { $x = args.fdd; }", "did you mean 'fd'?");
	assert_fails(f, "interval:s:1 { $x = args.fd; }",
		     "args is not available in 'interval' probes");
}

/* A wildcard makes several copies of a body; its mistakes are told once. */
static void mistakes_are_told_once(void **state)
{
	struct fixture *f = *state;
	const char *first;

	assert_fails(f, "event:a* { $x = args.nothing + 1; $y = $x . 3; }", "");
	assert_fails(f, "event:a* { $x = args.fdd; }", "has no field 'fdd'");
	first = strstr(f->text, "has no field");
	assert_null(strstr(first + 1, "has no field"));
	assert_fails(f, "event:a* { $x = args.fd; $y = $z; }", "$z is used");
	first = strstr(f->text, "$z is used");
	assert_null(strstr(first + 1, "$z is used"));
}

static void events(void **state)
{
	struct fixture *f = *state;

	assert_plan(f, "event:b { printf(\"%s %d\", str(args.name), pid); }",
		    "record=(string[1024],uint32) fmt=\"%s %d\"");
	assert_plan(f, "event:b { printf(\"%s\", args.comm); }", "names=comm");
	assert_plan(f, "event:b { printf(\"x\"); }", "ring bytes=16777216 hot");
	assert_plan(f, "interval:s:1 { printf(\"x\"); }", "ring bytes=262144");
	assert_plan(f, "begin { exit(); }", "ring bytes=0 only_begin_end");
	assert_plan(f, "begin { @x[1] = count(); print(@x, 5, 10); }",
		    "record=- control map=@x literals=0:5,1:10");
	assert_plan(f, "begin { @x = count(); clear(@x); }", "clear record=- control map=@x");
	assert_plan(f, "begin { $x = 4; @y = 5 / $x; }",
		    "runtime \"division by zero: the result is 1\"");
	assert_plan(f, "begin { @x[1] = 1; }", "map_full map=@x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(integer_types, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_types, set_up, tear_down),
		cmocka_unit_test_setup_teardown(type_mistakes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(names, set_up, tear_down),
		cmocka_unit_test_setup_teardown(maps_over_all_probes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(map_mistakes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rows_of_aggregations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(macros, set_up, tear_down),
		cmocka_unit_test_setup_teardown(parameters, set_up, tear_down),
		cmocka_unit_test_setup_teardown(attach_points, set_up, tear_down),
		cmocka_unit_test_setup_teardown(mistakes_are_told_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(events, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
