/*
 * Symbols and cgroups. The kernel side records addresses; names are found when a record is decoded, through lookup/sym.h.
 * Stacks are stack.c's.
 */
#include "builtins/builtins.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <mntent.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf-runtime/abi.h"
#include "codegen/cg.h"
#include "lookup/lookup.h"
#include "lookup/sym.h"

/* --- single addresses --- */

static bool check_ksym(struct check *check, struct node *node)
{
	node->type = type_named(check->types, &named_types_symbol[0], type_u64(), 0, NULL);
	return builtin_check_scalar(check, node, node->args);
}

static void *gen_first(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_expr(cg, node->args);
}

/* An address in user memory means something only together with its process. */
static bool check_usym(struct check *check, struct node *node)
{
	node->type = type_named(check->types, &named_types_symbol[1],
				type_array(check->types, type_u64(), 2), 0, NULL);
	return builtin_check_scalar(check, node, node->args);
}

static void *gen_usym(struct cg *cg, const struct node *node, void *dst)
{
	LLVMValueRef argv[] = { dst, cg_expr(cg, node->args) };

	cg_rt(cg, "jb_usym", argv, 2);
	return NULL;
}

static struct value symbol_value(struct decode *decode, struct symbol symbol, uint64_t address)
{
	if (!symbol.name)
		return value_symbol(arena_printf(decode->arena, "0x%" PRIx64, address), address);
	return value_symbol(arena_strdup(decode->arena, symbol.name), address);
}

static struct value decode_ksym(struct decode *decode, const struct type *type, const void *bytes)
{
	struct symbol symbol = { 0 };
	uint64_t address;

	(void)type;
	memcpy(&address, bytes, sizeof(address));
	if (decode->sym)
		symbol = sym_kernel(decode->sym, address, 0);
	return symbol_value(decode, symbol, address);
}

static struct value decode_usym(struct decode *decode, const struct type *type, const void *bytes)
{
	struct symbol symbol = { 0 };
	uint64_t word[2];

	(void)type;
	memcpy(word, bytes, sizeof(word));
	if (decode->sym)
		symbol = sym_user(decode->sym, (int)word[1], word[0], 0);
	return symbol_value(decode, symbol, word[0]);
}

static bool check_kaddr(struct check *check, struct node *node)
{
	const char *name;

	if (!check_const_str(check, node->args, &name))
		return false;
	node->type = type_u64();
	node->value = lookup_kernel_address(check->lookup, name);
	if (!node->value)
		return check_error(check, node->args,
				   "the kernel has no symbol '%s', or its address is hidden", name);
	return true;
}

static bool check_kfunc_exist(struct check *check, struct node *node)
{
	const char *name;

	if (!check_const_str(check, node->args, &name))
		return false;
	node->type = type_bool();
	node->value = lookup_kernel_proto(check->lookup, NULL, name) != NULL;
	return true;
}

static void *gen_constant(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_int(cg, node->value);
}

/* --- cgroups --- */

/* The inode number of a cgroup's folder is its id. */
static bool check_cgroupid(struct check *check, struct node *node)
{
	struct stat st;
	const char *path;

	if (!check_const_str(check, node->args, &path))
		return false;
	if (stat(path, &st))
		return check_error(check, node->args, "cannot find cgroup '%s': %s", path,
				   strerror(errno));
	node->type = type_u64();
	node->value = st.st_ino;
	return true;
}

static bool check_cgroup_path(struct check *check, struct node *node)
{
	const char *filter = NULL;

	if (node->args->next && !check_const_str(check, node->args->next, &filter))
		return false;
	node->type = type_named(check->types, &named_types_symbol[2], type_u64(), 0, filter);
	return builtin_check_scalar(check, node, node->args);
}

/* Path of a cgroup below its mount point, by the kernel's own index: the id is a file handle of the file system. */
static const char *cgroup_path_at(struct arena *arena, const char *mount, uint64_t id)
{
	struct {
		struct file_handle head;
		uint64_t id;
	} handle = { { .handle_bytes = sizeof(id), .handle_type = 0xfe /* FILEID_KERNFS */ }, id };
	char link[64], path[4096];
	int dir = open(mount, O_RDONLY | O_DIRECTORY | O_CLOEXEC), fd = -1;
	const char *result = NULL;
	ssize_t len;
	size_t skip = strlen(mount);

	if (dir < 0)
		return NULL;
	fd = open_by_handle_at(dir, &handle.head, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		goto out;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof(path) - 1);
	if (len < (ssize_t)skip || strncmp(path, mount, skip))
		goto out;
	path[len] = 0;
	result = arena_strdup(arena, path[skip] ? path + skip : "/");
out:
	if (fd >= 0)
		close(fd);
	close(dir);
	return result;
}

/* "unified:/path" for every mount of the version 2 hierarchy that matches the filter. */
static struct value decode_cgroup_path(struct decode *decode, const struct type *type,
				       const void *bytes)
{
	FILE *mounts = setmntent("/proc/self/mounts", "r");
	const char *text = "", *path;
	struct mntent *mount;
	uint64_t id;

	memcpy(&id, bytes, sizeof(id));
	while (mounts && (mount = getmntent(mounts))) {
		if (strcmp(mount->mnt_type, "cgroup2") ||
		    (type->param && strcmp(type->param, "unified")))
			continue;
		path = cgroup_path_at(decode->arena, mount->mnt_dir, id);
		if (path)
			text = arena_printf(decode->arena, "%s%sunified:%s", text, *text ? "," : "",
					    path);
	}
	if (mounts)
		endmntent(mounts);
	return value_str(text, strlen(text));
}

/* clang-format off */
const struct named_type named_types_symbol[] = {
	{ .name = "ksym_t", .decode = decode_ksym },
	{ .name = "usym_t", .decode = decode_usym, .user_addresses = true },
	{ .name = "cgroup_path_t", .decode = decode_cgroup_path },
	{ 0 },
};

const struct builtin builtins_symbol[] = {
	{ .name = "ksym", .proto = "ksym_t ksym(any address)", .check = check_ksym, .gen = gen_first,
	  .doc = "The kernel symbol that holds an address." },
	{ .name = "usym", .proto = "usym_t usym(any address)", .check = check_usym, .gen = gen_usym,
	  .doc = "The symbol of the current process that holds an address." },
	{ .name = "kaddr", .proto = "u64 kaddr(const string name)", .check = check_kaddr, .gen = gen_constant,
	  .doc = "Address of a kernel symbol." },
	{ .name = "kfunc_exist", .proto = "bool kfunc_exist(const string name)", .check = check_kfunc_exist, .gen = gen_constant,
	  .doc = "Does this kernel's BTF have a function of this name? Known when the script is compiled." },
	{ .name = "cgroupid", .proto = "u64 cgroupid(const string path)", .check = check_cgroupid, .gen = gen_constant,
	  .doc = "Id of the cgroup with this folder." },
	{ .name = "cgroup_path", .proto = "cgroup_path_t cgroup_path(int id, [const string filter])",
	  .check = check_cgroup_path, .gen = gen_first,
	  .doc = "Path of the cgroup with this id." },
	{ 0 },
};
/* clang-format on */
