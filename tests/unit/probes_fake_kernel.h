#ifndef JB_TESTS_PROBES_FAKE_KERNEL_H
#define JB_TESTS_PROBES_FAKE_KERNEL_H
/*
 * A kernel for the tests of the provider rows: symbols of every sort that an attach point may meet, and what BTF says of
 * them. Included by probes_fakes.h.
 */
#include "lookup/lookup.h"

#define KERNEL_TEXT(n, a, ...)                                            \
	{                                                                 \
		.name = n, .address = a, .is_function = true, __VA_ARGS__ \
	}
static const struct kernel_symbol kernel_symbols[] = {
	KERNEL_TEXT("start_kernel", 0x1000, .is_init = true),
	KERNEL_TEXT("vfs_read", 0x2000),
	KERNEL_TEXT("__pfx_vfs_read", 0x1ff0),
	KERNEL_TEXT("vfs_write", 0x2100),
	KERNEL_TEXT("vfs_write.cold", 0x2180),
	KERNEL_TEXT("vfs_void", 0x2200),
	KERNEL_TEXT("do_copied", 0x3000),
	KERNEL_TEXT("do_copied.constprop.0", 0x3100),
	KERNEL_TEXT("do_copied.isra.0.cold", 0x3180),
	KERNEL_TEXT("do_changed.constprop.12.isra.0", 0x3200),
	KERNEL_TEXT("do_split.part.0", 0x3300),
	KERNEL_TEXT("do_split.part.0.cold", 0x3380),
	KERNEL_TEXT("do_inlined.cold", 0x3390),
	KERNEL_TEXT("memcpy_asm", 0x3400),
	KERNEL_TEXT("show_type", 0x4000),
	KERNEL_TEXT("show_type", 0x4100),
	KERNEL_TEXT("do_forbidden", 0x5000),
	KERNEL_TEXT("vfs_forbidden", 0x5010),
	{ .name = "jiffies", .address = 0x6000 },
	KERNEL_TEXT("net_open", 0x7000, .module = "neta"),
	KERNEL_TEXT("net_only", 0x7100, .module = "neta"),
	KERNEL_TEXT("net_open", 0x8000, .module = "netb"),
	KERNEL_TEXT("bpf_prog_1_vfs_x", 0x9000, .module = "bpf"),
};
#define N_KERNEL_SYMBOLS (sizeof(kernel_symbols) / sizeof(kernel_symbols[0]))

int lookup_each_kernel_symbol(struct lookup *lookup,
			      void (*each)(void *, const struct kernel_symbol *), void *arg)
{
	if (lookup->no_kallsyms) {
		lookup->error = "kernel addresses cannot be read from /proc/kallsyms";
		return -EPERM;
	}
	for (size_t i = 0; i < N_KERNEL_SYMBOLS; i++)
		each(arg, &kernel_symbols[i]);
	return 0;
}

bool lookup_is_blacklisted(struct lookup *lookup, uint64_t address)
{
	(void)lookup;
	return address >= 0x5000 && address < 0x5100;
}

static const struct type kernel_int = {
	.kind = TYPE_INT, .size = 4, .align = 4, .is_signed = true
};
static const struct type kernel_long = {
	.kind = TYPE_INT, .size = 8, .align = 8, .is_signed = true
};
static const struct type kernel_pair = {
	.kind = TYPE_STRUCT, .size = 16, .align = 8, .is_complete = true
};
static const struct type kernel_uid = {
	.kind = TYPE_STRUCT, .size = 4, .align = 4, .is_complete = true
};
static const struct field read_fields[] = {
	{ .name = "file", .type = &kernel_long },
	{ .name = "flags", .type = &kernel_int, .offset = 8 },
};
static const struct field pair_fields[] = {
	{ .name = "pair", .type = &kernel_pair },
	{ .name = "uid", .type = &kernel_uid, .offset = 16 },
	{ .name = "n", .type = &kernel_int, .offset = 24 },
};
static const struct type read_args = {
	.kind = TYPE_STRUCT, .fields = read_fields, .n_fields = 2, .size = 16, .is_complete = true
};
static const struct type pair_args = {
	.kind = TYPE_STRUCT, .fields = pair_fields, .n_fields = 3, .size = 32, .is_complete = true
};
static const struct kernel_proto read_proto = { &read_args, 2, &kernel_int, 10 };
static const struct kernel_proto write_proto = { &read_args, 2, &kernel_long, 11 };
static const struct kernel_proto pair_proto = { &pair_args, 4, &kernel_int, 12 };
static const struct kernel_proto void_proto = { &read_args, 2, NULL, 13 };

static const struct {
	const char *name;
	const struct kernel_proto *proto;
} kernel_protos[] = {
	{ "vfs_read", &read_proto },	{ "vfs_write", &write_proto },
	{ "vfs_void", &void_proto },	{ "do_copied", &pair_proto },
	{ "show_type", &read_proto },	{ "do_forbidden", &read_proto },
	{ "btf_inlined", &read_proto }, { "net_open", &read_proto },
	{ "net_only", &read_proto },
};

const struct kernel_proto *lookup_kernel_proto(struct lookup *lookup, const char *module,
					       const char *name)
{
	for (size_t i = 0; i < sizeof(kernel_protos) / sizeof(kernel_protos[0]); i++)
		if (!strcmp(kernel_protos[i].name, name) &&
		    (module != NULL) == !strncmp(name, "net_", 4))
			return kernel_protos[i].proto;
	lookup->error = "BTF does not have it";
	return NULL;
}

int lookup_module_btf(const char *module)
{
	(void)module;
	return -ENOENT;
}

const char *lookup_fentry_obstacle(struct lookup *lookup)
{
	(void)lookup;
	return "its types are not there (CONFIG_DEBUG_INFO_BTF)";
}

int run_clone_program(struct run *run, const char *program, uint32_t btf_id, int btf_fd)
{
	(void)run;
	(void)program;
	(void)btf_id;
	(void)btf_fd;
	return -ENOENT;
}

#endif
