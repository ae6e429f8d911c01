/* Types: interning, layout, unification, fields through anonymous members, spelling. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/feature.h"
#include "model/type.h"

struct fixture {
	struct arena *arena;
	struct types *types;
};

static int set_up(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->arena = arena_new();
	f->types = types_new(f->arena);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	arena_free(f->arena);
	test_free(f);
	return 0;
}

static void assert_spelled(struct fixture *f, const struct type *type, const char *expected)
{
	assert_string_equal(type_spell(f->arena, type), expected);
}

static void equal_types_are_one_object(void **state)
{
	struct fixture *f = *state;
	const struct type *pair[] = { type_u32(), type_str(f->types, 16) };

	assert_ptr_equal(type_str(f->types, 16), type_str(f->types, 16));
	assert_ptr_not_equal(type_str(f->types, 16), type_str(f->types, 17));
	assert_ptr_equal(type_tuple(f->types, pair, 2), type_tuple(f->types, pair, 2));
	assert_ptr_equal(type_ptr(f->types, type_int(1, true), SPACE_USER),
			 type_ptr(f->types, type_int(1, true), SPACE_USER));
	assert_ptr_not_equal(type_ptr(f->types, type_none(), SPACE_USER),
			     type_ptr(f->types, type_none(), SPACE_KERNEL));
	assert_ptr_equal(type_int(4, false), type_u32());
	assert_ptr_equal(type_array(f->types, type_u32(), 3), type_array(f->types, type_u32(), 3));
}

static void tuples_are_laid_out_as_c_structs(void **state)
{
	struct fixture *f = *state;
	const struct type *parts[] = { type_bool(), type_u64(), type_int(2, true),
				       type_str(f->types, 3) };
	const struct type *tuple = type_tuple(f->types, parts, 4);

	assert_int_equal(tuple->fields[1].offset, 8);
	assert_int_equal(tuple->fields[2].offset, 16);
	assert_int_equal(tuple->fields[3].offset, 18);
	assert_int_equal(tuple->size, 24);
	assert_int_equal(tuple->align, 8);
	assert_string_equal(tuple->fields[3].name, "3");
	assert_int_equal(type_buf(f->types, 5)->size, 16);
}

static void integers_unify_to_the_wider(void **state)
{
	struct fixture *f = *state;

	assert_ptr_equal(type_unify(f->types, type_u32(), type_u64()), type_u64());
	assert_ptr_equal(type_unify(f->types, type_int(1, true), type_int(4, true)),
			 type_int(4, true));
	assert_ptr_equal(type_unify(f->types, type_u32(), type_int(4, true)), type_i64());
	assert_ptr_equal(type_unify(f->types, type_error(), type_u32()), type_u32());
	assert_null(type_unify(f->types, type_u32(), type_str(f->types, 4)));
}

static void other_types_unify_member_by_member(void **state)
{
	struct fixture *f = *state;
	const struct type *a[] = { type_u32(), type_str(f->types, 4) },
			  *b[] = { type_u64(), type_str(f->types, 9) };
	const struct type *both =
		type_unify(f->types, type_tuple(f->types, a, 2), type_tuple(f->types, b, 2));

	assert_spelled(f, both, "(uint64,string[9])");
	assert_null(type_unify(f->types, type_tuple(f->types, a, 2), type_tuple(f->types, b, 1)));
	assert_spelled(f, type_unify(f->types, type_str(f->types, 4), type_str(f->types, 16)),
		       "string[16]");
	const struct type *known = type_ptr(f->types, type_u32(), SPACE_USER);
	assert_ptr_equal(
		type_unify(f->types, type_ptr(f->types, type_none(), SPACE_UNKNOWN), known), known);
	assert_null(type_unify(f->types, type_ptr(f->types, type_u32(), SPACE_KERNEL), known));
}

static void fields_are_found_through_anonymous_members(void **state)
{
	struct fixture *f = *state;
	struct type *inner = type_struct(f->types, NULL, true),
		    *outer = type_struct(f->types, "outer", false);
	struct field in[] = { { .name = "a", .type = type_u32() },
			      { .name = "b", .type = type_u64() } };
	struct field out[] = { { .name = "x", .type = type_u64() },
			       { .type = inner, .offset = 8 } };
	uint32_t offset = 0;

	inner->fields = in;
	inner->n_fields = 2;
	outer->fields = out;
	outer->n_fields = 2;
	assert_ptr_equal(type_field(outer, "b", &offset), &in[1]);
	assert_int_equal(offset, 8);
	assert_null(type_field(outer, "c", &offset));
	assert_ptr_equal(type_find(f->types, "struct outer"), outer);
	assert_null(type_find(f->types, "struct other"));
}

static void first_definition_of_a_tag_stays(void **state)
{
	struct fixture *f = *state;
	struct type *first = type_struct(f->types, "s", false),
		    *second = type_struct(f->types, "s", false);

	assert_ptr_equal(type_find(f->types, "struct s"), first);
	type_define(f->types, "struct s", second);
	assert_ptr_equal(type_find(f->types, "struct s"), second);
}

static void types_are_spelled_as_users_write_them(void **state)
{
	struct fixture *f = *state;
	const struct type *members[] = { type_i64(), type_bool() };
	const char *names[] = { "a", "b" };
	struct type *task = type_struct(f->types, "task_struct", false);
	const struct type *pointer = type_ptr(f->types, task, SPACE_KERNEL);

	assert_spelled(f, pointer, "struct task_struct *");
	assert_spelled(f, type_ptr(f->types, pointer, SPACE_KERNEL), "struct task_struct **");
	assert_spelled(f, type_ptr(f->types, type_none(), SPACE_UNKNOWN), "void *");
	assert_spelled(f, type_array(f->types, type_int(1, true), 8), "int8[8]");
	assert_spelled(f, type_record(f->types, names, members, 2), "(a=int64,b=bool)");
	assert_spelled(f, type_enum(f->types, "e", 4, false), "enum e");
}

static void registers_and_memory(void **state)
{
	struct fixture *f = *state;
	static const struct named_type row = { .name = "thing_t" };
	const struct type *named = type_named(f->types, &row, type_u32(), 0, "x");

	assert_true(type_is_scalar(named));
	assert_ptr_equal(type_plain(named), type_u32());
	assert_true(type_is_scalar(type_bool()));
	assert_false(type_is_scalar(type_str(f->types, 8)));
	assert_false(type_is_int_like(named));
	assert_ptr_equal(named, type_named(f->types, &row, type_u32(), 0, "x"));
	assert_ptr_not_equal(named, type_named(f->types, &row, type_u32(), 0, "y"));
	assert_null(type_unify(f->types, named, type_named(f->types, &row, type_u32(), 0, "y")));
}

/* By what they hold, not by where they lie. */
static void constants_of_aggregations_are_compared(void **state)
{
	static const struct aggregate row = { .name = "bhist" };
	struct fixture *f = *state;
	int64_t a[40], b[40];
	struct agg_args of_a = { .n = a, .n_count = 40 }, of_b = { .n = b, .n_count = 40 };

	for (int i = 0; i < 40; i++)
		a[i] = b[i] = i;
	assert_ptr_equal(type_agg(f->types, &row, 8, &of_a), type_agg(f->types, &row, 8, &of_b));
	b[39] = 100;
	assert_ptr_not_equal(type_agg(f->types, &row, 8, &of_a),
			     type_agg(f->types, &row, 8, &of_b));
	of_b.n_count = 39;
	assert_ptr_not_equal(type_agg(f->types, &row, 8, &of_a),
			     type_agg(f->types, &row, 8, &of_b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(constants_of_aggregations_are_compared, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(equal_types_are_one_object, set_up, tear_down),
		cmocka_unit_test_setup_teardown(tuples_are_laid_out_as_c_structs, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(integers_unify_to_the_wider, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_types_unify_member_by_member, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(fields_are_found_through_anonymous_members, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(first_definition_of_a_tag_stays, set_up, tear_down),
		cmocka_unit_test_setup_teardown(types_are_spelled_as_users_write_them, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(registers_and_memory, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
