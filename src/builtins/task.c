/*
 * The current task and the machine: builtins that are one runtime function each (bpf-runtime/task.bpf.c), and a few
 * that are known when the script is compiled.
 */
#include "builtins/builtins.h"

#include <pwd.h>
#include <unistd.h>

#include "codegen/cg.h"
#include "lookup/lookup.h"

enum pid_namespace { PIDNS_OWN, PIDNS_INIT };

/* pid(init): the number in the initial namespace; pid(curr_ns), as pid: in jbtrace's own. */
static bool check_pid(struct check *check, struct node *node)
{
	const char *word = builtin_word(node->args);

	node->type = type_u32();
	node->value = PIDNS_OWN;
	if (!node->args || (word && !strcmp(word, "curr_ns")))
		return true;
	if (!word || strcmp(word, "init"))
		return check_error(check, node->args, "%s() expects 'init' or 'curr_ns'",
				   node->builtin->name);
	node->value = PIDNS_INIT;
	return true;
}

static void *gen_pid(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_rt(cg, node->value == PIDNS_INIT ? "jb_pid_init" : "jb_pid", NULL, 0);
}

static void *gen_tid(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_rt(cg, node->value == PIDNS_INIT ? "jb_tid_init" : "jb_tid", NULL, 0);
}

static bool check_curtask(struct check *check, struct node *node)
{
	const struct type *task =
		check->lookup ? lookup_kernel_type(check->lookup, "struct task_struct") : NULL;

	node->type = type_ptr(check->types, task ? task : type_none(), SPACE_KERNEL);
	return true;
}

static bool check_username(struct check *check, struct node *node)
{
	node->type = type_named(check->types, &named_types_task[0], type_u32(), 0, NULL);
	return true;
}

static bool check_ncpus(struct check *check, struct node *node)
{
	(void)check;
	node->value = sysconf(_SC_NPROCESSORS_CONF);
	node->type = type_u64();
	return true;
}

static bool check_cpid(struct check *check, struct node *node)
{
	int child = check->plan->child;

	if (!child)
		return check_error(check, node, "cpid needs a command to run: use -c");
	node->value = child;
	node->type = type_u32();
	return true;
}

static bool check_target(struct check *check, struct node *node)
{
	int pid = plan_first_pid(check->plan);

	node->value = pid ? pid : check->plan->child;
	node->type = type_u32();
	return true;
}

static void *gen_constant(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_int(cg, node->value);
}

/* arg0 and other plain numbers are taken for what the script says they are. */
static bool check_selected(struct check *check, struct node *node)
{
	const struct type *type = node->args ? builtin_arg_type(node->args) : NULL;
	bool filtered = check->plan->filters.n || check->plan->follow;

	node->type = type_bool();
	if (!type)
		return true;
	if (type->kind == TYPE_PTR && type->base->kind == TYPE_STRUCT &&
	    strcmp(type->base->name, "task_struct")) {
		check_error(check, node->args, "selected() asks about a task, not about '%s'",
			    type_spell(check->arena, type->base));
		diag_hint(check->diags,
			  "it takes a pointer to a struct task_struct: selected(curtask)");
		return false;
	}
	if (filtered && check->lookup && !lookup_has_btf(check->lookup))
		return check_error(check, node, "selected() needs the kernel's BTF: %s",
				   lookup_error(check->lookup));
	return true;
}

static void *gen_selected(struct cg *cg, const struct node *node, void *dst)
{
	(void)dst;
	return cg_selected(cg, node->args ? cg_expr(cg, node->args) : NULL);
}

/* A uid as its name in the user database, or as a number when it has none. */
static struct value decode_username(struct decode *decode, const struct type *type,
				    const void *bytes)
{
	char text[1024];
	struct passwd entry, *found = NULL;
	uint32_t uid;

	(void)type;
	memcpy(&uid, bytes, sizeof(uid));
	if (getpwuid_r(uid, &entry, text, sizeof(text), &found) || !found)
		return value_symbol(arena_printf(decode->arena, "%u", uid), uid);
	return value_symbol(arena_strdup(decode->arena, found->pw_name), uid);
}

/* clang-format off */
const struct named_type named_types_task[] = {
	{ .name = "username_t", .decode = decode_username },
	{ 0 },
};

const struct builtin builtins_task[] = {
	{ .name = "pid", .proto = "u32 pid([const any namespace])", .check = check_pid, .gen = gen_pid,
	  .doc = "Process id, in jbtrace's own pid namespace; pid(init) in the initial one." },
	{ .name = "tid", .proto = "u32 tid([const any namespace])", .check = check_pid, .gen = gen_tid,
	  .doc = "Thread id, in jbtrace's own pid namespace; tid(init) in the initial one." },
	{ .name = "comm", .proto = "string[16] comm", .rt = "jb_comm",
	  .doc = "Name of the current thread." },
	{ .name = "uid", .proto = "u64 uid", .rt = "jb_uid",
	  .doc = "User id of the current process." },
	{ .name = "gid", .proto = "u64 gid", .rt = "jb_gid",
	  .doc = "Group id of the current process." },
	{ .name = "username", .proto = "username_t username", .rt = "jb_uid", .check = check_username,
	  .doc = "Name of the user the current process belongs to." },
	{ .name = "ppid", .proto = "u32 ppid", .rt = "jb_ppid",
	  .doc = "Process id of the parent process." },
	{ .name = "pcomm", .proto = "string[16] pcomm", .rt = "jb_pcomm",
	  .doc = "Name of the parent process." },
	{ .name = "leader_tid", .proto = "u32 leader_tid", .rt = "jb_leader_tid",
	  .doc = "Thread id of the first thread of the current process." },
	{ .name = "leader_comm", .proto = "string[16] leader_comm", .rt = "jb_leader_comm",
	  .doc = "Name of the first thread of the current process." },
	{ .name = "curtask", .proto = "ptr curtask", .rt = "jb_curtask", .check = check_curtask,
	  .doc = "The kernel's struct task_struct of the current thread." },
	{ .name = "cpu", .proto = "u32 cpu", .rt = "jb_cpu",
	  .doc = "Number of the CPU that runs the probe." },
	{ .name = "numaid", .proto = "u32 numaid", .rt = "jb_numaid",
	  .doc = "Number of the NUMA node that runs the probe." },
	{ .name = "ncpus", .proto = "u64 ncpus", .check = check_ncpus, .gen = gen_constant,
	  .doc = "How many CPUs the machine is configured for." },
	{ .name = "cgroup", .proto = "u64 cgroup", .rt = "jb_cgroup",
	  .doc = "Id of the current process's cgroup (version 2)." },
	{ .name = "rand", .proto = "u32 rand", .rt = "jb_rand",
	  .doc = "A pseudo-random number." },
	{ .name = "target", .proto = "u32 target", .check = check_target, .gen = gen_constant,
	  .doc = "The first process given with -p, or started by -c; 0: neither." },
	{ .name = "selected", .proto = "bool selected([ptr task])", .check = check_selected, .gen = gen_selected,
	  .flags = BUILTIN_SELECTS,
	  .doc = "Do the process filters select this task (none given: the current one)? Its probe is not filtered by itself." },
	{ .name = "cpid", .proto = "u32 cpid", .check = check_cpid, .gen = gen_constant,
	  .doc = "Process id of the command started with -c." },
	{ 0 },
};
/* clang-format on */
