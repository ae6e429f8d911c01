/*
 * Stacks and symbols. The kernel side records addresses; names are found when a record is decoded, through lookup/sym.h.
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

/* --- stacks --- */

static const char *const stack_modes[] = { "bpftrace", "perf", "raw", "folded" };

static const char *find_stack_mode(const char *word)
{
	for (size_t i = 0; word && i < sizeof(stack_modes) / sizeof(*stack_modes); i++)
		if (!strcmp(word, stack_modes[i]))
			return stack_modes[i];
	return NULL;
}

/* kstack, kstack(mode), kstack(frames), kstack(mode, frames): the mode is the type's parameter. */
static bool check_stack(struct check *check, struct node *node)
{
	const struct named_type *named = &named_types_symbol[node->builtin->name[0] == 'u'];
	const char *mode = check->plan->stack_mode, *word;
	int64_t frames = JB_STACK_FRAMES;
	struct node *arg;

	node_each (arg, node->args) {
		word = builtin_word(arg);
		if (word) {
			mode = !strcmp(word, "build_id") ? word : find_stack_mode(word);
			if (!mode)
				return check_error(
					check, arg,
					"'%s' is not a stack mode: bpftrace, perf, raw or folded",
					word);
		} else if (!check_const_int(check, arg, &frames)) {
			return false;
		} else if (frames < 1 || frames > JB_STACK_FRAMES) {
			return check_error(check, arg, "a stack has between 1 and %d frames",
					   JB_STACK_FRAMES);
		}
	}
	if (!strcmp(mode, "build_id"))
		return check_error(check, node, "not supported yet: stack mode build_id");
	if (!strcmp(mode, "bpftrace"))
		mode = NULL;
	node->type = type_named(check->types, named,
				type_array(check->types, type_u64(), 1 + frames), frames, mode);
	return true;
}

static const char *stack_function(struct cg *cg, const struct node *node)
{
	const struct instance *instance = cg_instance(cg);
	const char *syscall_event = "tracepoint:syscalls:";

	if (node->builtin->name[0] == 'u')
		return "jb_stack_user";
	return !strcmp(instance->section, "tp") && !strncmp(instance->targets.data[0]->name,
							    syscall_event, strlen(syscall_event))
		       ? "jb_stack_kernel_syscall"
		       : "jb_stack_kernel";
}

static void *gen_stack(struct cg *cg, const struct node *node, void *dst)
{
	LLVMValueRef argv[] = { cg_ctx(cg), dst, cg_int(cg, node->type->count) };

	cg_rt(cg, stack_function(cg, node), argv, 3);
	return NULL;
}

static struct symbol find_symbol(struct decode *decode, uint32_t pid, bool user, uint64_t ip)
{
	if (!decode->sym)
		return (struct symbol){ 0 };
	return user ? sym_user(decode->sym, pid, ip, 0) : sym_kernel(decode->sym, ip, 0);
}

static const char *frame_perf(struct arena *arena, struct symbol symbol, bool user, uint64_t ip)
{
	const char *name = symbol.name ? symbol.name : "[unknown]";

	if (!user)
		return symbol.name ? arena_printf(arena, "%" PRIx64 " %s+%" PRIu64, ip, name,
						  symbol.offset)
				   : arena_printf(arena, "%" PRIx64 " %s", ip, name);
	if (!symbol.name)
		return arena_printf(arena, "%" PRIx64 " %s (%s)", ip, name,
				    symbol.module ? symbol.module : "[unknown]");
	return arena_printf(arena, "%" PRIx64 " %s+%" PRIu64 " (%s)", ip, name, symbol.offset,
			    symbol.module ? symbol.module : "[unknown]");
}

static const char *frame_text(struct decode *decode, const char *mode, uint32_t pid, bool user,
			      uint64_t ip)
{
	struct arena *arena = decode->arena;
	struct symbol symbol;

	if (mode && !strcmp(mode, "raw"))
		return arena_printf(arena, "%" PRIx64, ip);
	symbol = find_symbol(decode, pid, user, ip);
	if (mode && !strcmp(mode, "perf"))
		return frame_perf(arena, symbol, user, ip);
	if (!symbol.name)
		return arena_printf(arena, "0x%" PRIx64, ip);
	if (mode && !strcmp(mode, "folded"))
		return arena_strdup(arena, symbol.name);
	return arena_printf(arena, "%s+%" PRIu64, symbol.name, symbol.offset);
}

/* "main;read;vfs_read": outermost first, as flame graphs want it. */
static struct value fold(struct arena *arena, const struct value *frames, uint32_t n)
{
	size_t len = 0;
	char *text, *p;

	for (uint32_t i = 0; i < n; i++)
		len += frames[i].len + 1;
	p = text = arena_alloc(arena, len + 1);
	for (uint32_t i = n; i-- > 0;) {
		memcpy(p, frames[i].text, frames[i].len);
		p += frames[i].len;
		if (i)
			*p++ = ';';
	}
	return value_str(text, p - text);
}

static struct value decode_stack(struct decode *decode, const struct type *type, const void *bytes,
				 bool user)
{
	struct value stack = { .kind = VALUE_STACK };
	struct value *frames;
	uint32_t head[2], n;
	uint64_t ip;

	memcpy(head, bytes, sizeof(head));
	n = head[0] < type->count ? head[0] : type->count;
	frames = arena_alloc(decode->arena, (n + 1) * sizeof(*frames));
	for (uint32_t i = 0; i < n; i++) {
		memcpy(&ip, (const char *)bytes + sizeof(head) + i * sizeof(ip), sizeof(ip));
		frames[i] = value_symbol(frame_text(decode, type->param, head[1], user, ip), ip);
		frames[i].len = strlen(frames[i].text);
	}
	if (type->param && !strcmp(type->param, "folded"))
		return fold(decode->arena, frames, n);
	if (type->param)
		stack.text = !strcmp(type->param, "perf") ? "\t" : "";
	stack.items = frames;
	stack.len = n;
	return stack;
}

static struct value decode_kstack(struct decode *decode, const struct type *type, const void *bytes)
{
	return decode_stack(decode, type, bytes, false);
}

static struct value decode_ustack(struct decode *decode, const struct type *type, const void *bytes)
{
	return decode_stack(decode, type, bytes, true);
}

/* --- single addresses --- */

static bool check_ksym(struct check *check, struct node *node)
{
	node->type = type_named(check->types, &named_types_symbol[2], type_u64(), 0, NULL);
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
	node->type = type_named(check->types, &named_types_symbol[3],
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
	uint64_t address;

	(void)type;
	memcpy(&address, bytes, sizeof(address));
	return symbol_value(decode, find_symbol(decode, 0, false, address), address);
}

static struct value decode_usym(struct decode *decode, const struct type *type, const void *bytes)
{
	uint64_t word[2];

	(void)type;
	memcpy(word, bytes, sizeof(word));
	return symbol_value(decode, find_symbol(decode, word[1], true, word[0]), word[0]);
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
	node->type = type_named(check->types, &named_types_symbol[4], type_u64(), 0, filter);
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
	{ "kstack_t", decode_kstack },
	{ "ustack_t", decode_ustack },
	{ "ksym_t", decode_ksym },
	{ "usym_t", decode_usym },
	{ "cgroup_path_t", decode_cgroup_path },
	{ 0 },
};

const struct builtin builtins_symbol[] = {
	{ .name = "kstack", .proto = "kstack_t kstack([const any mode], [const any frames])", .check = check_stack, .gen = gen_stack,
	  .doc = "The kernel's stack; mode: bpftrace, perf, raw or folded." },
	{ .name = "ustack", .proto = "ustack_t ustack([const any mode], [const any frames])", .check = check_stack, .gen = gen_stack,
	  .doc = "The user stack of the current thread; mode: bpftrace, perf, raw or folded." },
	{ .name = "ksym", .proto = "ksym_t ksym(any address)", .check = check_ksym, .gen = gen_first,
	  .doc = "The kernel symbol that holds an address." },
	{ .name = "usym", .proto = "usym_t usym(any address)", .check = check_usym, .gen = gen_usym,
	  .doc = "The symbol of the current process that holds an address." },
	{ .name = "kaddr", .proto = "u64 kaddr(const string name)", .check = check_kaddr, .gen = gen_constant,
	  .doc = "Address of a kernel symbol." },
	{ .name = "cgroupid", .proto = "u64 cgroupid(const string path)", .check = check_cgroupid, .gen = gen_constant,
	  .doc = "Id of the cgroup with this folder." },
	{ .name = "cgroup_path", .proto = "cgroup_path_t cgroup_path(int id, [const string filter])",
	  .check = check_cgroup_path, .gen = gen_first,
	  .doc = "Path of the cgroup with this id." },
	{ 0 },
};
/* clang-format on */
