/*
 * Loading a program again for another function of the kernel. libbpf has relocated and loaded it once; its final
 * instructions, with the same maps, are all that a copy needs. A program with callbacks also needs what BTF says of each
 * of its functions.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run/internal.h"

struct func_info {
	uint32_t insn_off, type_id;
};

struct layout {
	struct func_info *infos; /* heap */
	uint32_t n;
	int btf_fd; /* -1: the program has no BTF */
};

static int compare_numbers(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* Where functions begin: at 0, and wherever one is called or its address is taken. Returns how many. */
static size_t function_starts(const struct bpf_insn *insns, size_t n, uint32_t *starts)
{
	size_t found = 1, kept = 1;

	starts[0] = 0;
	for (size_t i = 0; i < n; i++) {
		bool call = insns[i].code == (BPF_JMP | BPF_CALL) &&
			    insns[i].src_reg == BPF_PSEUDO_CALL;
		bool address = insns[i].code == (BPF_LD | BPF_IMM | BPF_DW) &&
			       insns[i].src_reg == BPF_PSEUDO_FUNC;

		if (call || address)
			starts[found++] = (uint32_t)((int64_t)i + insns[i].imm + 1);
	}
	qsort(starts, found, sizeof(*starts), compare_numbers);
	for (size_t i = 1; i < found; i++)
		if (starts[i] != starts[kept - 1])
			starts[kept++] = starts[i];
	return kept;
}

/*
 * The kernel tells the functions' types in the order of the functions, but with their places after verification, which
 * are not those of the instructions at hand.
 */
static int read_layout(int prog_fd, const struct bpf_insn *insns, size_t n, struct layout *layout)
{
	struct bpf_prog_info info = { 0 };
	uint32_t len = sizeof(info), *starts;

	layout->btf_fd = -1;
	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return -errno;
	if (!info.btf_id || !info.nr_func_info)
		return 0;
	layout->infos = mem_alloc(info.nr_func_info * sizeof(*layout->infos));
	layout->n = info.nr_func_info;
	memset(&info, 0, sizeof(info));
	info.nr_func_info = layout->n;
	info.func_info_rec_size = sizeof(*layout->infos);
	info.func_info = (uintptr_t)layout->infos;
	if (bpf_obj_get_info_by_fd(prog_fd, &info, &len))
		return -errno;
	starts = mem_alloc((n + 1) * sizeof(*starts));
	if (function_starts(insns, n, starts) == layout->n)
		for (uint32_t i = 0; i < layout->n; i++)
			layout->infos[i].insn_off = starts[i];
	else
		layout->n = 0;
	free(starts);
	layout->btf_fd = layout->n ? bpf_btf_get_fd_by_id(info.btf_id) : -1;
	return 0;
}

int run_clone_program(struct run *run, const char *name, uint32_t btf_id, int btf_fd)
{
	struct bpf_program *program = bpf_object__find_program_by_name(run->object, name);
	struct layout layout = { 0 };
	int fd, err;

	if (!program)
		return -ENOENT;
	LIBBPF_OPTS(bpf_prog_load_opts, opts,
		    .expected_attach_type = bpf_program__expected_attach_type(program),
		    .attach_btf_id = btf_id, .attach_btf_obj_fd = (uint32_t)btf_fd);
	err = read_layout(bpf_program__fd(program), bpf_program__insns(program),
			  bpf_program__insn_cnt(program), &layout);
	if (err)
		goto out;
	if (layout.btf_fd >= 0) {
		opts.prog_btf_fd = (uint32_t)layout.btf_fd;
		opts.func_info = layout.infos;
		opts.func_info_cnt = layout.n;
		opts.func_info_rec_size = sizeof(*layout.infos);
	}
	fd = bpf_prog_load(bpf_program__type(program), name, run->plan->license,
			   bpf_program__insns(program), bpf_program__insn_cnt(program), &opts);
	err = fd < 0 ? -errno : fd;
	if (layout.btf_fd >= 0)
		close(layout.btf_fd);
out:
	free(layout.infos);
	return err;
}
