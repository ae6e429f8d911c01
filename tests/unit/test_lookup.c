/*
 * Facts about the kernel: types, tracepoints, system calls, features. BTF and formats are made up
 * here where that can be; the rest is asked of the kernel that runs, and skipped with a reason
 * where it has none.
 */
#include "lookup_fixture.h"

#include <bpf/btf.h>

static const char *spell(struct fixture *f, const struct type *type)
{
	return type_spell(f->arena, type);
}

/* --- formats of tracepoints --- */

static const struct type *parse(struct fixture *f, const char *category, const char *text, int *id)
{
	return tracefs_format_parse(f->lookup, category, "event", arena_strdup(f->arena, text), id);
}

static const struct field *field(const struct type *type, const char *name)
{
	const struct field *found = type_field(type, name, NULL);

	if (!found)
		fail_msg("no field %s", name);
	return found;
}

static void test_format_plain(void **state)
{
	struct fixture *f = *state;
	static const char text[] =
		"name: event\nID: 310\nformat:\n"
		"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"
		"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
		"\tfield:char prev_comm[16];\toffset:8;\tsize:16;\tsigned:0;\n"
		"\tfield:pid_t prev_pid;\toffset:24;\tsize:4;\tsigned:1;\n"
		"\tfield:dev_t dev;\toffset:28;\tsize:4;\tsigned:0;\n"
		"\tfield:__data_loc char[] name;\toffset:32;\tsize:4;\tsigned:0;\n"
		"\tfield:bool yes;\toffset:36;\tsize:1;\tsigned:0;\n"
		"\tfield:const struct foo_bar * p;\toffset:40;\tsize:8;\tsigned:0;\n"
		"\tfield:__u8 saddr[4];\toffset:48;\tsize:4;\tsigned:0;\n"
		"\tfield:char comm[TASK_COMM_LEN];\toffset:52;\tsize:16;\tsigned:0;\n"
		"\tfield:unsigned long bits[2];\toffset:72;\tsize:16;\tsigned:0;\n"
		"\tfield:enum no_such_enum e;\toffset:88;\tsize:4;\tsigned:0;\n"
		"\tfield:__rel_loc char[] late;\toffset:92;\tsize:4;\tsigned:0;\n"
		"\nprint fmt: \"field:int no;\toffset:1;\", REC->x\n";
	int id;
	const struct type *t = parse(f, "sched", text, &id);

	assert_non_null(t);
	assert_int_equal(id, 310);
	assert_int_equal(t->n_fields, 11);
	assert_null(type_field(t, "common_pid", NULL));
	assert_string_equal(spell(f, field(t, "prev_comm")->type), "int8[16]");
	assert_string_equal(spell(f, field(t, "prev_pid")->type), "int32");
	assert_string_equal(spell(f, field(t, "dev")->type), "uint32");
	assert_true(field(t, "name")->data_loc);
	assert_string_equal(spell(f, field(t, "name")->type), "int8 *");
	assert_int_equal(field(t, "yes")->type->kind, TYPE_BOOL);
	assert_string_equal(spell(f, field(t, "p")->type), "struct foo_bar *");
	assert_int_equal(field(t, "p")->type->space, SPACE_KERNEL);
	assert_false(field(t, "p")->type->base->is_complete);
	assert_string_equal(spell(f, field(t, "saddr")->type), "uint8[4]");
	assert_string_equal(spell(f, field(t, "comm")->type), "int8[16]");
	assert_string_equal(spell(f, field(t, "bits")->type), "uint64[2]");
	assert_int_equal(field(t, "e")->type->size, 4);
	assert_int_equal(field(t, "late")->type->size, 4);
	assert_int_equal(t->size, 96);
}

static void test_format_syscall(void **state)
{
	struct fixture *f = *state;
	static const char text[] =
		"name: sys_enter_x\nID: 7\nformat:\n"
		"\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n"
		"\tfield:int fd;\toffset:16;\tsize:8;\tsigned:0;\n"
		"\tfield:unsigned int vlen;\toffset:24;\tsize:8;\tsigned:0;\n"
		"\tfield:umode_t mode;\toffset:32;\tsize:8;\tsigned:0;\n"
		"\tfield:const char *const * argv;\toffset:40;\tsize:8;\tsigned:0;\n"
		"\tfield:some_new_t flags;\toffset:48;\tsize:8;\tsigned:0;\n";
	int id;
	const struct type *t = parse(f, "syscalls", text, &id);

	assert_non_null(t);
	assert_string_equal(spell(f, field(t, "fd")->type), "int32");
	assert_int_equal(field(t, "fd")->offset, 16);
	assert_string_equal(spell(f, field(t, "vlen")->type), "uint32");
	assert_string_equal(spell(f, field(t, "mode")->type), "uint16");
	assert_string_equal(spell(f, field(t, "argv")->type), "int8 **");
	assert_int_equal(field(t, "argv")->type->space, SPACE_USER);
	assert_int_equal(field(t, "argv")->type->base->space, SPACE_USER);
	assert_string_equal(spell(f, field(t, "flags")->type), "uint64");
}

static void test_format_damaged(void **state)
{
	struct fixture *f = *state;
	/* clang-format off */
	static const char *const texts[] = {
		"",
		"ID: ",
		"garbage\nfield:\nfield:;\nfield:int;\nfield:int ];offset:1;size:9999999999;",
		"field:int x[;\toffset:8;\tsize:4;",
		"\tfield:[];\toffset:8;\tsize:4;\tsigned:0;\n\tfield: x;\toffset:8;\tsize:0;\tsigned:0;\n",
	};
	/* clang-format on */
	int id;

	for (unsigned i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_null(parse(f, "syscalls", texts[i], &id));
}

/* --- BTF --- */

struct made_btf {
	struct btf *btf;
	int u32, s32, u8, chr;
};

static struct made_btf btf_begin(void)
{
	struct made_btf made = { .btf = btf__new_empty() };

	made.u32 = btf__add_int(made.btf, "unsigned int", 4, 0);
	made.s32 = btf__add_int(made.btf, "int", 4, BTF_INT_SIGNED);
	made.u8 = btf__add_int(made.btf, "unsigned char", 1, 0);
	made.chr = btf__add_int(made.btf, "char", 1, 0);
	return made;
}

static void btf_use(struct fixture *f, struct made_btf *made)
{
	char *path = arena_printf(f->arena, "%s/btf", f->folder);
	uint32_t size;
	const void *data = btf__raw_data(made->btf, &size);
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(data, 1, size, file), size);
	fclose(file);
	btf__free(made->btf);
	setenv("JB_BTF", path, 1);
}

static void test_btf_struct(void **state)
{
	struct fixture *f = *state;
	struct made_btf m = btf_begin();
	int array = btf__add_array(m.btf, m.u32, m.chr, 16);
	int inner = btf__add_struct(m.btf, NULL, 8), inner_typedef, other, other_ptr, user_ptr,
	    fwd_ptr, fn_ptr;
	const struct type *t, *o;
	uint32_t offset;

	btf__add_field(m.btf, "lo", m.u32, 0, 0);
	btf__add_field(m.btf, "hi", m.u32, 32, 0);
	inner_typedef = btf__add_typedef(m.btf, "pair_t", inner);
	other = btf__add_struct(m.btf, "other", 12);
	btf__add_field(m.btf, "name", array, 0,
		       0); /* larger than the struct says: shown as it is */
	other_ptr = btf__add_ptr(m.btf, other);
	user_ptr =
		btf__add_ptr(m.btf, btf__add_type_tag(m.btf, "user", btf__add_const(m.btf, m.chr)));
	fwd_ptr = btf__add_ptr(m.btf, btf__add_fwd(m.btf, "unknown", BTF_FWD_STRUCT));
	fn_ptr = btf__add_ptr(m.btf, btf__add_func_proto(m.btf, 0));
	btf__add_struct(m.btf, "thing", 64);
	btf__add_field(m.btf, "a", m.u32, 0, 5);
	btf__add_field(m.btf, "b", m.u32, 5, 20);
	btf__add_field(m.btf, NULL, inner, 64, 0);
	btf__add_field(m.btf, "pair", inner_typedef, 128, 0);
	btf__add_field(m.btf, "other", other_ptr, 192, 0);
	btf__add_field(m.btf, "buf", user_ptr, 256, 0);
	btf__add_field(m.btf, "gone", fwd_ptr, 320, 0);
	btf__add_field(m.btf, "fn", fn_ptr, 384, 0);
	btf__add_struct(m.btf, "packed", 5);
	btf__add_field(m.btf, "c", m.u8, 0, 0);
	btf__add_field(m.btf, "x", m.u32, 8 + 3, 7);
	btf_use(f, &m);

	t = lookup_kernel_type(f->lookup, "struct thing");
	assert_non_null(t);
	assert_ptr_equal(t, lookup_kernel_type(f->lookup, "struct thing"));
	assert_true(t->is_complete);
	assert_int_equal(t->size, 64);
	assert_int_equal(t->align, 8);
	assert_int_equal(field(t, "b")->bit_offset, 5);
	assert_int_equal(field(t, "b")->bit_size, 20);
	assert_int_equal(field(t, "a")->bit_size, 5);
	assert_non_null(type_field(t, "hi", &offset));
	assert_int_equal(offset, 12);
	assert_true(field(t, "pair")->type->is_complete);
	o = field(t, "other")->type->base;
	assert_false(o->is_complete);
	lookup_complete(f->lookup, field(t, "other")->type);
	assert_true(o->is_complete);
	assert_ptr_equal(o, lookup_kernel_type(f->lookup, "struct other"));
	assert_string_equal(spell(f, field(o, "name")->type), "int8[16]");
	assert_int_equal(field(t, "buf")->type->space, SPACE_USER);
	assert_int_equal(field(t, "other")->type->space, SPACE_KERNEL);
	lookup_complete(f->lookup, field(t, "gone")->type);
	assert_false(field(t, "gone")->type->base->is_complete);
	assert_int_equal(field(t, "fn")->type->base->kind, TYPE_NONE);
	t = lookup_kernel_type(f->lookup, "struct packed");
	assert_int_equal(field(t, "x")->offset, 0);
	assert_int_equal(field(t, "x")->bit_offset, 11);
	assert_null(lookup_kernel_type(f->lookup, "struct nothing"));
	assert_string_equal(lookup_error(f->lookup), "this kernel has no type 'struct nothing'");
}

static void test_btf_script_wins(void **state)
{
	struct fixture *f = *state;
	struct made_btf m = btf_begin();
	int id = btf__add_struct(m.btf, "mine", 4), ptr;
	struct type *mine = type_struct(f->types, "mine", false);
	const struct type *t;

	btf__add_field(m.btf, "x", m.u32, 0, 0);
	ptr = btf__add_ptr(m.btf, id);
	btf__add_struct(m.btf, "user", 8);
	btf__add_field(m.btf, "p", ptr, 0, 0);
	btf_use(f, &m);
	mine->size = 4;
	mine->is_complete = true;
	t = lookup_kernel_type(f->lookup, "struct user");
	assert_ptr_equal(field(t, "p")->type->base, mine);
	assert_int_equal(mine->n_fields, 0);
}

static void test_btf_shell_is_adopted(void **state)
{
	struct fixture *f = *state;
	struct made_btf m = btf_begin();
	const struct type *shell = kernel_shell(f->lookup, "struct late", 0, false);
	const struct type *color = kernel_shell(f->lookup, "enum color", 4, false);

	btf__add_struct(m.btf, "late", 4);
	btf__add_field(m.btf, "x", m.u32, 0, 0);
	btf__add_enum(m.btf, "color", 4);
	btf__add_enum_value(m.btf, "RED", 3);
	btf_use(f, &m);
	lookup_complete(f->lookup, shell);
	assert_true(shell->is_complete);
	assert_int_equal(shell->size, 4);
	assert_ptr_equal(lookup_kernel_type(f->lookup, "struct late"), shell);
	lookup_complete(f->lookup, color);
	assert_int_equal(color->n_values, 1);
	assert_string_equal(color->values[0].name, "RED");
}

static void test_btf_enums(void **state)
{
	struct fixture *f = *state;
	struct made_btf m = btf_begin();
	const struct type *type;
	int64_t value;

	btf__add_enum64(m.btf, "wide", 8, false);
	btf__add_enum64_value(m.btf, "WIDE_TOP", 1ull << 40);
	btf__add_enum(m.btf, "narrow", 4);
	btf__add_enum_value(m.btf, "NARROW_ONE", 1);
	btf__add_enum_value(m.btf, "NARROW_TWO", 2);
	btf__add_typedef(m.btf, "loop_a", 8); /* 7 and 8: two typedefs of each other */
	btf__add_typedef(m.btf, "loop_b", 7);
	btf__add_struct(m.btf, "ring", 8); /* 9: holds itself */
	btf__add_field(m.btf, "again", 9, 0, 0);
	btf__add_field(m.btf, "loop", 7, 0, 0);
	btf_use(f, &m);
	assert_true(lookup_enumerator(f->lookup, "WIDE_TOP", &value, &type));
	assert_int_equal(value, 1ll << 40);
	assert_int_equal(type->size, 8);
	assert_true(lookup_enumerator(f->lookup, "NARROW_TWO", &value, &type));
	assert_int_equal(value, 2);
	assert_string_equal(spell(f, type), "enum narrow");
	assert_false(lookup_enumerator(f->lookup, "NARROW", &value, &type));
	assert_non_null(lookup_kernel_type(f->lookup, "loop_a"));
	assert_non_null(lookup_kernel_type(f->lookup, "loop_b"));
	assert_non_null(lookup_kernel_type(f->lookup, "struct ring"));
}

static void count_name(void *arg, const char *name)
{
	(void)name;
	(*(unsigned *)arg)++;
}

static void test_btf_raw_tracepoints(void **state)
{
	struct fixture *f = *state;
	struct made_btf m = btf_begin();
	int void_ptr = btf__add_ptr(m.btf, 0), proto, named;
	const struct type *args;
	unsigned n = 0;

	proto = btf__add_func_proto(m.btf, 0);
	btf__add_func_param(m.btf, "", void_ptr);
	btf__add_func_param(m.btf, "", m.s32);
	btf__add_func_param(m.btf, "", void_ptr);
	btf__add_typedef(m.btf, "btf_trace_one", btf__add_ptr(m.btf, proto));
	btf__add_typedef(m.btf, "btf_trace_two", btf__add_ptr(m.btf, proto));
	named = btf__add_func_proto(m.btf, 0);
	btf__add_func_param(m.btf, "__data", void_ptr);
	btf__add_func_param(m.btf, "count", m.s32);
	btf__add_func_param(m.btf, "where", void_ptr);
	btf__add_func(m.btf, "__traceiter_two", BTF_FUNC_STATIC, named);
	btf__add_func(m.btf, "__traceiter_three", BTF_FUNC_STATIC, named);
	btf_use(f, &m);
	args = lookup_raw_tracepoint(f->lookup, "one");
	assert_non_null(args);
	assert_int_equal(args->n_fields, 2);
	assert_string_equal(args->fields[0].name, "arg0");
	assert_int_equal(args->fields[1].offset, 8);
	args = lookup_raw_tracepoint(f->lookup, "two");
	assert_string_equal(args->fields[0].name, "count");
	assert_string_equal(spell(f, args->fields[0].type), "int32");
	assert_string_equal(args->fields[1].name, "where");
	assert_null(lookup_raw_tracepoint(f->lookup, "three"));
	lookup_each_raw_tracepoint(f->lookup, count_name, &n);
	assert_int_equal(n, 2);
}

static void test_btf_missing(void **state)
{
	struct fixture *f = *state;

	setenv("JB_BTF", "/nonexistent/btf", 1);
	assert_false(lookup_has_btf(f->lookup));
	assert_null(lookup_kernel_type(f->lookup, "struct task_struct"));
	assert_non_null(strstr(lookup_error(f->lookup), "/nonexistent/btf"));
	assert_null(lookup_raw_tracepoint(f->lookup, "sched_switch"));
	assert_false(lookup_enumerator(f->lookup, "X", NULL, NULL));
}

static void test_btf_kernel(void **state)
{
	struct fixture *f = *state;
	const struct type *task;
	int64_t value;

	if (!lookup_has_btf(f->lookup)) {
		skip_because(lookup_error(f->lookup));
	}
	task = lookup_kernel_type(f->lookup, "struct task_struct");
	assert_non_null(task);
	assert_string_equal(spell(f, field(task, "comm")->type), "int8[16]");
	assert_string_equal(spell(f, field(task, "pid")->type), "int32");
	assert_true(lookup_enumerator(f->lookup, "TCP_ESTABLISHED", &value, NULL));
	assert_int_equal(value, 1);
	assert_string_equal(spell(f, lookup_kernel_type(f->lookup, "pid_t")), "int32");
}

/* --- system calls and tracepoints --- */

static void test_syscalls(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(
		lookup_syscall_name(f->lookup, lookup_syscall_number(f->lookup, "read")), "read");
	assert_string_equal(
		lookup_syscall_name(f->lookup, lookup_syscall_number(f->lookup, "fstat")),
		"newfstat");
	assert_int_equal(lookup_syscall_number(f->lookup, "newfstat"),
			 lookup_syscall_number(f->lookup, "fstat"));
	assert_int_equal(lookup_syscall_number(f->lookup, "mseal"), 462);
	assert_int_equal(lookup_syscall_number(f->lookup, "no_such_call"), -1);
	assert_null(lookup_syscall_name(f->lookup, -1));
	assert_null(lookup_syscall_name(f->lookup, 100000));
}

static void check_syscall(void *arg, const char *category, const char *name)
{
	struct fixture *f = arg;
	int number = lookup_syscall_number(f->lookup, name + strlen("sys_enter_"));
	const char *back = number >= 0 ? lookup_syscall_name(f->lookup, number) : NULL;

	assert_string_equal(category, "syscalls");
	/* A kernel may be newer than the table; what the table knows must agree. */
	if (back)
		assert_string_equal(back, name + strlen("sys_enter_"));
}

static void test_tracepoints(void **state)
{
	struct fixture *f = *state;
	const struct tracepoint *tracepoint;

	if (!lookup_tracefs(f->lookup)) {
		skip_because(lookup_error(f->lookup));
	}
	tracepoint = lookup_tracepoint(f->lookup, "syscalls", "sys_enter_openat");
	assert_non_null(tracepoint);
	assert_true(tracepoint->id > 0);
	assert_string_equal(spell(f, field(tracepoint->args, "dfd")->type), "int32");
	assert_ptr_equal(tracepoint, lookup_tracepoint(f->lookup, "syscalls", "sys_enter_openat"));
	assert_null(lookup_tracepoint(f->lookup, "syscalls", "../../events"));
	assert_null(lookup_tracepoint(f->lookup, "syscalls", "sys_enter_nothing"));
	assert_non_null(strstr(lookup_error(f->lookup), "syscalls:sys_enter_nothing"));
	lookup_each_tracepoint(f->lookup, "syscalls", "sys_enter_*", check_syscall, f);
}

/* --- addresses and features --- */

static void test_sym_kernel(void **state)
{
	struct fixture *f = *state;
	uint64_t address = lookup_kernel_address(f->lookup, "vfs_read");
	struct sym *sym = sym_new();

	if (!address) {
		sym_free(sym);
		skip_because(lookup_error(f->lookup));
	}
	assert_string_equal(sym_kernel(sym, address + 3, 0).name, "vfs_read");
	assert_int_equal(sym_kernel(sym, address + 3, 0).offset, 3);
	assert_null(sym_kernel(sym, 0, 0).name);
	assert_null(sym_kernel(sym, 0x400000000000, 0).name);
	assert_int_equal(lookup_kernel_address(f->lookup, "no_such_function"), 0);
	sym_free(sym);
}

static void test_features(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < FEATURE_COUNT; i++) {
		bool has = lookup_feature(f->lookup, i);

		assert_int_equal(lookup_feature(f->lookup, i), has);
		assert_non_null(lookup_feature_name(i));
		assert_non_null(lookup_feature_instead(i));
	}
	/* A session is a multi link with one flag more. */
	if (lookup_feature(f->lookup, FEATURE_UPROBE_SESSION))
		assert_true(lookup_feature(f->lookup, FEATURE_UPROBE_MULTI));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_format_plain),    TEST(test_format_syscall),
		TEST(test_format_damaged),  TEST(test_btf_struct),
		TEST(test_btf_script_wins), TEST(test_btf_shell_is_adopted),
		TEST(test_btf_enums),	    TEST(test_btf_raw_tracepoints),
		TEST(test_btf_missing),	    TEST(test_btf_kernel),
		TEST(test_syscalls),	    TEST(test_tracepoints),
		TEST(test_sym_kernel),	    TEST(test_features),
	};

	return cmocka_run_group_tests_name("lookup", tests, NULL, NULL);
}
