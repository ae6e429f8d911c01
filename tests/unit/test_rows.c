/*
 * The rows of the registry, all of them: names unique, documented, prototypes that parse, runtime functions that exist
 * in the bitcode with the arity codegen will call them with. And the layouts of abi.h, as both compilers see them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>

#include "bpf-runtime/abi.h"
#include "parser/parse.h"
#include "registry.h"

extern const unsigned char jb_runtime_bitcode[];
extern const unsigned int jb_runtime_bitcode_len;

struct runtime {
	struct arena *arena;
	LLVMContextRef llvm;
	LLVMModuleRef module;
};

static int open_runtime(void **state)
{
	struct runtime *runtime = mem_alloc(sizeof(*runtime));
	LLVMMemoryBufferRef bytes = LLVMCreateMemoryBufferWithMemoryRange(
		(const char *)jb_runtime_bitcode, jb_runtime_bitcode_len, "runtime", 0);
	int failed;

	runtime->arena = arena_new();
	runtime->llvm = LLVMContextCreate();
	failed = LLVMParseBitcodeInContext2(runtime->llvm, bytes, &runtime->module);
	LLVMDisposeMemoryBuffer(bytes);
	*state = runtime;
	return failed;
}

static int close_runtime(void **state)
{
	struct runtime *runtime = *state;

	LLVMDisposeModule(runtime->module);
	LLVMContextDispose(runtime->llvm);
	arena_free(runtime->arena);
	free(runtime);
	return 0;
}

static struct proto proto_of(const struct runtime *runtime, const char *name, const char *text)
{
	struct proto proto;

	if (!proto_parse(runtime->arena, text, &proto))
		fail_msg("%s: the prototype does not parse: %s", name, text);
	if (strcmp(proto.result.name, name))
		fail_msg("%s: its prototype is one of %s", name, proto.result.name);
	return proto;
}

static bool is_memory(enum proto_type type)
{
	return type == PROTO_STRING || type == PROTO_BUFFER;
}

/* The number of its parameters; fails when there is no such function. */
static unsigned arity_of(const struct runtime *runtime, const char *row, const char *function)
{
	LLVMValueRef fn = LLVMGetNamedFunction(runtime->module, function);

	if (!fn)
		fail_msg("%s: the runtime has no function %s", row, function);
	if (LLVMIsDeclaration(fn))
		fail_msg("%s: %s is declared but not defined", row, function);
	return LLVMCountParams(fn);
}

static bool returns_void(const struct runtime *runtime, const char *function)
{
	LLVMValueRef fn = LLVMGetNamedFunction(runtime->module, function);
	LLVMTypeRef type = LLVMGetReturnType(LLVMGlobalGetValueType(fn));

	return LLVMGetTypeKind(type) == LLVMVoidTypeKind;
}

static void check_doc(const char *name, const char *doc)
{
	if (!doc || !*doc)
		fail_msg("%s has no doc line", name);
	if (strchr(doc, '\n'))
		fail_msg("%s: a doc line is one line", name);
}

/* --- builtins --- */

/* feature.h: context, then the result's memory, then each argument; memory is a pointer and a size. */
static void check_runtime_function(const struct runtime *runtime, const struct builtin *row,
				   const struct proto *proto)
{
	bool memory_result = is_memory(proto->result.type);
	unsigned want = (row->flags & BUILTIN_CTX ? 1 : 0) + (memory_result ? 2 : 0);
	unsigned have = arity_of(runtime, row->name, row->rt);

	for (unsigned i = 0; i < proto->n_params; i++) {
		if (proto->param[i].type == PROTO_ANY || proto->param[i].is_optional)
			fail_msg("%s: parameter %u has no fixed form, so it needs gen, not rt",
				 row->name, i);
		want += is_memory(proto->param[i].type) ? 2 : 1;
	}
	if (have != want)
		fail_msg("%s: %s takes %u arguments, the prototype gives %u", row->name, row->rt,
			 have, want);
	assert_int_equal(returns_void(runtime, row->rt),
			 memory_result || proto->result.type == PROTO_VOID);
}

static void test_builtins(void **state)
{
	const struct runtime *runtime = *state;
	const struct builtin *const *family, *row;

	for (family = jb_registry.builtins; *family; family++)
		row_each (row, *family) {
			struct proto proto = proto_of(runtime, row->name, row->proto);

			check_doc(row->name, row->doc);
			if (row->rt)
				check_runtime_function(runtime, row, &proto);
			if (registry_builtin(&jb_registry, row->name) != row)
				fail_msg("there are two builtins %s", row->name);
			if (registry_aggregate(&jb_registry, row->name))
				fail_msg("%s is an aggregation, too", row->name);
			if (!!row->rt + !!row->gen + !!row->act != 1 &&
			    !(row->flags & BUILTIN_ARGS))
				fail_msg("%s needs one of rt, gen and act", row->name);
		}
}

static void test_named_results(void **state)
{
	const struct runtime *runtime = *state;
	const struct builtin *const *family, *row;

	for (family = jb_registry.builtins; *family; family++)
		row_each (row, *family) {
			struct proto proto = proto_of(runtime, row->name, row->proto);

			if (proto.result.type == PROTO_NAMED &&
			    !registry_named_type(&jb_registry, proto.result.type_name))
				fail_msg("%s: there is no named type %s", row->name,
					 proto.result.type_name);
		}
}

/* --- aggregations --- */

/* The state, the values, the constants (all or none of them), the time. */
static void check_update(const struct runtime *runtime, const struct aggregate *row,
			 const struct proto *proto, const char *function)
{
	unsigned values = 1 + (row->flags & AGG_TIMED ? 1 : 0), constants = 0;
	unsigned have = arity_of(runtime, row->name, function);

	for (unsigned i = 0; i < proto->n_params; i++) {
		constants += proto->param[i].is_const;
		values += !proto->param[i].is_const;
	}
	if (row->flags & AGG_TABLE)
		constants = 2; /* the table and its length */
	if (have != values && have != values + constants)
		fail_msg("%s: %s takes %u arguments, the prototype gives %u and %u constants",
			 row->name, function, have, values, constants);
	assert_true(returns_void(runtime, function));
}

static void test_aggregates(void **state)
{
	const struct runtime *runtime = *state;
	const struct aggregate *const *family, *row;

	for (family = jb_registry.aggregates; *family; family++)
		row_each (row, *family) {
			struct proto proto = proto_of(runtime, row->name, row->proto);

			check_doc(row->name, row->doc);
			assert_ptr_equal(registry_aggregate(&jb_registry, row->name), row);
			assert_non_null(row->state_size);
			assert_non_null(row->value);
			assert_true(row->merge || row->flags & AGG_SHARED);
			assert_true(row->rt || row->flags & AGG_ROW);
			if (row->rt)
				check_update(runtime, row, &proto, row->rt);
			if (row->rt_unsigned)
				check_update(runtime, row, &proto, row->rt_unsigned);
			if (row->rt_read)
				assert_int_equal(arity_of(runtime, row->name, row->rt_read), 1);
		}
}

/* --- the other families --- */

static void test_providers(void **state)
{
	const struct provider *const *family, *row;

	(void)state;
	for (family = jb_registry.providers; *family; family++)
		row_each (row, *family) {
			check_doc(row->name, row->doc);
			check_doc(row->name, row->syntax);
			assert_ptr_equal(registry_provider(&jb_registry, row->name), row);
			if (row->alias)
				assert_ptr_equal(registry_provider(&jb_registry, row->alias), row);
			assert_non_null(row->expand);
			assert_non_null(row->plan);
			assert_true(row->attach || row->flags & PROVIDER_SPECIAL);
		}
}

static void test_types_and_printers(void **state)
{
	const struct named_type *const *types, *type;
	const struct printer *const *printers, *printer;

	(void)state;
	for (types = jb_registry.named_types; *types; types++)
		row_each (type, *types)
			assert_ptr_equal(registry_named_type(&jb_registry, type->name), type);
	for (printers = jb_registry.printers; *printers; printers++)
		row_each (printer, *printers)
			assert_non_null(printer->print);
}

/* --- abi.h --- */

static const struct {
	const char *name;
	size_t size;
} abi[] = {
	{ "struct.jb_event", sizeof(struct jb_event) },
	{ "struct.jb_control", sizeof(struct jb_control) },
	{ "struct.jb_buf", sizeof(struct jb_buf) },
	{ "struct.jb_stack", sizeof(struct jb_stack) },
	{ "struct.jb_stack_copy", sizeof(struct jb_stack_copy) },
	{ "struct.jb_build_id", sizeof(struct jb_build_id) },
	{ "struct.jb_lock", sizeof(struct jb_lock) },
	{ "struct.jb_count", sizeof(struct jb_count) },
	{ "struct.jb_sum", sizeof(struct jb_sum) },
	{ "struct.jb_extreme", sizeof(struct jb_extreme) },
	{ "struct.jb_stats", sizeof(struct jb_stats) },
	{ "struct.jb_hist", sizeof(struct jb_hist) },
	{ "struct.jb_lhist", sizeof(struct jb_lhist) },
	{ "struct.jb_bhist", sizeof(struct jb_bhist) },
	{ "struct.jb_quantiles", sizeof(struct jb_quantiles) },
	{ "struct.jb_jitter", sizeof(struct jb_jitter) },
	{ "struct.jb_rtp", sizeof(struct jb_rtp) },
};

static void test_abi(void **state)
{
	const struct runtime *runtime = *state;
	LLVMTargetDataRef layout = LLVMCreateTargetData(LLVMGetDataLayoutStr(runtime->module));

	for (size_t i = 0; i < sizeof(abi) / sizeof(abi[0]); i++) {
		LLVMTypeRef type = LLVMGetTypeByName2(runtime->llvm, abi[i].name);

		if (!type)
			fail_msg("the bitcode does not know %s", abi[i].name);
		if (LLVMABISizeOfType(layout, type) != abi[i].size)
			fail_msg("%s has %llu bytes in BPF and %zu here", abi[i].name,
				 LLVMABISizeOfType(layout, type), abi[i].size);
	}
	LLVMDisposeTargetData(layout);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_builtins),	   cmocka_unit_test(test_named_results),
		cmocka_unit_test(test_aggregates),	   cmocka_unit_test(test_providers),
		cmocka_unit_test(test_types_and_printers), cmocka_unit_test(test_abi),
	};

	return cmocka_run_group_tests(tests, open_runtime, close_runtime);
}
