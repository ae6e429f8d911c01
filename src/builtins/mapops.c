/*
 * Operations on maps other than assigning to them: delete and has_key happen in the kernel; clear and zero
 * in user space, in their order among the printed maps.
 */
#include "builtins/builtins.h"

#include <errno.h>

#include "codegen/cg.h"
#include "run/run.h"

/* The key in both spellings: delete(@m, k) and delete(@m[k]). */
static const struct node *key_of(const struct node *node)
{
	const struct node *map = node->args;

	return map->key ? map->key : map->next;
}

static bool check_map(struct check *check, struct node *node)
{
	struct node *map = node->args;

	if (map->kind != NODE_MAP || !map->map)
		return check_error(check, map, "%s() expects a map", node->builtin->name);
	if (map->key && map->next)
		return check_error(check, map->next, "%s() got two keys", node->builtin->name);
	return true;
}

static bool check_whole_map(struct check *check, struct node *node)
{
	struct node *map = node->args;

	if (map->kind != NODE_MAP || !map->map)
		return check_error(check, map, "%s() expects a map", node->builtin->name);
	if (map->key)
		return check_error(check, map, "%s() expects a whole map, without a key",
				   node->builtin->name);
	return true;
}

static bool check_delete(struct check *check, struct node *node)
{
	if (!check_map(check, node))
		return false;
	node->type = type_bool();
	if (key_of(node) || !check->final || !node->args->map->has_key_use)
		return true;
	check_error(check, node, "delete() of a map with keys needs a key");
	diag_hint(check->diags, "clear(%s) removes everything", node->args->name);
	return false;
}

/* A map without a key has one entry that cannot be removed, so it is set to zero. */
struct scalar_delete {
	LLVMValueRef value;
	uint32_t size;
};

static void zero_scalar(struct cg *cg, void *arg)
{
	struct scalar_delete *scalar = arg;
	LLVMValueRef argv[] = { scalar->value, cg_int(cg, scalar->size) };

	cg_rt(cg, "jb_zero", argv, 2);
}

static LLVMValueRef is_not_null(struct cg *cg, LLVMValueRef pointer)
{
	return LLVMBuildIsNotNull(cg_builder(cg), pointer, "");
}

static LLVMValueRef as_number(struct cg *cg, LLVMValueRef truth)
{
	return LLVMBuildZExt(cg_builder(cg), truth, LLVMInt64TypeInContext(cg_llvm(cg)), "");
}

static void *gen_delete(struct cg *cg, const struct node *node, void *dst)
{
	const struct map *map = node->args->map;
	LLVMValueRef result;

	(void)dst;
	if (key_of(node)) {
		result = cg_map_delete(cg, map, key_of(node));
		return as_number(
			cg, LLVMBuildICmp(cg_builder(cg), LLVMIntEQ, result, cg_int(cg, 0), ""));
	}
	struct scalar_delete scalar = { cg_map_lookup_key(cg, map, NULL), map->plan->value_size };
	cg_if(cg, is_not_null(cg, scalar.value), zero_scalar, &scalar);
	return cg_int(cg, 1);
}

static bool check_has_key(struct check *check, struct node *node)
{
	if (!check_map(check, node))
		return false;
	node->type = type_bool();
	if (key_of(node))
		return true;
	return check_error(check, node, "has_key() needs a key");
}

static void *gen_has_key(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return as_number(cg, is_not_null(cg, cg_map_lookup_key(cg, node->args->map, key_of(node))));
}

static bool check_len(struct check *check, struct node *node)
{
	if (!check_whole_map(check, node))
		return false;
	node->type = type_u64();
	if (node->args->map->has_key_use || !check->final)
		return true;
	return check_error(check, node, "len() counts the keys of a map, and %s has none",
			   node->args->name);
}

static void *gen_len(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_map_len(cg, node->args->map);
}

static int act_clear(struct run *run, const struct plan_site *site, const struct value *argv,
		     unsigned argc)
{
	(void)argv;
	(void)argc;
	if (!site->map)
		return -EINVAL;
	return site->in_step ? run_clear_step(run, site) : run_clear_map(run, site->map);
}

static int act_zero(struct run *run, const struct plan_site *site, const struct value *argv,
		    unsigned argc)
{
	(void)argv;
	(void)argc;
	if (!site->map)
		return -EINVAL;
	return site->in_step ? run_zero_step(run, site) : run_zero_map(run, site->map);
}

/* clang-format off */
const struct builtin builtins_mapops[] = {
	{ .name = "delete", .proto = "bool delete(map m, [key k], ...)", .flags = BUILTIN_LVALUE_MAP | BUILTIN_DELETES,
	  .check = check_delete, .gen = gen_delete,
	  .doc = "Remove a key from a map: delete(@m, k); true when it was there." },
	{ .name = "has_key", .proto = "bool has_key(map m, [key k], ...)", .flags = BUILTIN_LVALUE_MAP,
	  .check = check_has_key, .gen = gen_has_key,
	  .doc = "Is this key in the map?" },
	{ .name = "len", .proto = "u64 len(map m)", .flags = BUILTIN_LVALUE_MAP,
	  .check = check_len, .gen = gen_len,
	  .doc = "How many keys a map has." },
	{ .name = "clear", .proto = "void clear(map m)", .check = check_whole_map,
	  .flags = BUILTIN_LVALUE_MAP | BUILTIN_CONTROL | BUILTIN_EMPTIES_MAP, .act = act_clear,
	  .doc = "Remove all entries of a map." },
	{ .name = "zero", .proto = "void zero(map m)", .check = check_whole_map,
	  .flags = BUILTIN_LVALUE_MAP | BUILTIN_CONTROL | BUILTIN_EMPTIES_MAP, .act = act_zero,
	  .doc = "Set all values of a map to zero." },
	{ 0 },
};
/* clang-format on */
