#ifndef JB_TESTS_PROBES_FAKES_H
#define JB_TESTS_PROBES_FAKES_H
/*
 * Stand-ins for lookup, resolve and run, for the test of the provider rows: a machine whose facts are in this file, so
 * the numbers are the same everywhere. Included once by each of these tests.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lookup/lookup.h"
#include "parser/resolve.h"
#include "probes/insn.h"
#include "probes/modes.h"
#include "probes/point.h"
#include "probes/probes.h"
#include "probes/regs.h"
#include "run/run.h"

struct lookup {
	struct arena *arena;
	uint32_t features; /* bits of enum kernel_feature */
	bool no_tracefs, no_kallsyms;
	const char *error;
	struct buf listed;
};

struct fixture {
	struct arena *arena;
	struct resolve resolve;
	struct lookup lookup;
	VEC(struct target *) targets;
	int part;
	const char *error, *hint;
	bool unsafe;
	int pid;
};

/* What was told of the attach point `text`: these words, about this part of it, with this hint (NULL: any). */
static inline void assert_error(const struct fixture *fixture, const char *text, int part,
				const char *error, const char *hint)
{
	if (!strstr(fixture->error, error))
		fail_msg("%s: \"%s\" does not say \"%s\"", text, fixture->error, error);
	assert_int_equal(fixture->part, part);
	if (hint && (!fixture->hint || !strstr(fixture->hint, hint)))
		fail_msg("%s: hint \"%s\" does not say \"%s\"", text,
			 fixture->hint ? fixture->hint : "", hint);
}

/* resolve is the first thing a hook gets; the fixture lies around it. */
static struct fixture *fixture_of(struct resolve *resolve)
{
	return (struct fixture *)((char *)resolve - offsetof(struct fixture, resolve));
}

struct target *resolve_add_target(struct resolve *resolve, const char *name)
{
	struct fixture *fixture = fixture_of(resolve);
	struct target *target = arena_new_of(fixture->arena, struct target);

	target->id = (uint32_t)fixture->targets.n;
	target->name = name;
	vec_push(fixture->arena, &fixture->targets, target);
	if (resolve->plan)
		vec_push(fixture->arena, &resolve->plan->targets, target);
	return target;
}

void resolve_serve(struct resolve *resolve, const struct provider *provider, const char *why)
{
	resolve->served_by = provider;
	resolve->why = why;
}

void resolve_error(struct resolve *resolve, int part, const char *fmt, ...)
{
	struct fixture *fixture = fixture_of(resolve);
	va_list ap;

	va_start(ap, fmt);
	fixture->part = part;
	fixture->error = arena_vprintf(fixture->arena, fmt, ap);
	va_end(ap);
}

void resolve_hint(struct resolve *resolve, const char *fmt, ...)
{
	struct fixture *fixture = fixture_of(resolve);
	va_list ap;

	va_start(ap, fmt);
	fixture->hint = arena_vprintf(fixture->arena, fmt, ap);
	va_end(ap);
}

uint64_t lookup_max_sample_rate(void)
{
	return 20000;
}

#include "probes_fake_kernel.h"

bool lookup_feature(struct lookup *lookup, enum kernel_feature feature)
{
	return lookup->features >> feature & 1;
}

void elf_demangle(struct lookup *lookup, const struct elf *elf)
{
	(void)lookup;
	(void)elf;
}

bool lookup_is_verbose(const struct lookup *lookup)
{
	(void)lookup;
	return false;
}

int lookup_pid(const struct lookup *lookup)
{
	(void)lookup;
	return 0;
}

const char *lookup_error(const struct lookup *lookup)
{
	return lookup->error;
}

struct arena *lookup_arena(struct lookup *lookup)
{
	return lookup->arena;
}

const char *lookup_tracefs(struct lookup *lookup)
{
	lookup->error = "tracefs is not mounted";
	return lookup->no_tracefs ? NULL : "/fake";
}

static const char *const tracepoints[][2] = {
	{ "block", "block_rq_issue" },	      { "ftrace", "function" },
	{ "sched", "sched_switch" },	      { "sched", "sched_wakeup" },
	{ "syscalls", "sys_enter_close" },    { "syscalls", "sys_enter_new_one" },
	{ "syscalls", "sys_enter_newfstat" }, { "syscalls", "sys_enter_openat" },
	{ "syscalls", "sys_enter_read" },     { "syscalls", "sys_enter_write" },
	{ "syscalls", "sys_exit_close" },     { "syscalls", "sys_exit_newfstat" },
	{ "syscalls", "sys_exit_openat" },    { "syscalls", "sys_exit_read" },
	{ "syscalls", "sys_exit_write" },
};
#define N_TRACEPOINTS (sizeof(tracepoints) / sizeof(tracepoints[0]))

static const struct field open_fields[] = {
	{ .name = "__syscall_nr", .offset = 8 },
	{ .name = "dfd", .offset = 16 },
	{ .name = "filename", .offset = 24 },
};
static const struct type open_args = {
	.kind = TYPE_STRUCT,
	.fields = open_fields,
	.n_fields = 3,
	.size = 48,
	.is_complete = true,
};

const struct tracepoint *lookup_tracepoint(struct lookup *lookup, const char *category,
					   const char *name)
{
	struct tracepoint *tracepoint;

	for (size_t i = 0; i < N_TRACEPOINTS; i++) {
		if (strcmp(tracepoints[i][0], category) || strcmp(tracepoints[i][1], name))
			continue;
		tracepoint = arena_new_of(lookup->arena, struct tracepoint);
		tracepoint->category = tracepoints[i][0];
		tracepoint->name = tracepoints[i][1];
		tracepoint->id = 100 + (int)i;
		tracepoint->args = &open_args;
		return tracepoint;
	}
	lookup->error = "no such tracepoint";
	return NULL;
}

void lookup_each_tracepoint(struct lookup *lookup, const char *category_glob, const char *name_glob,
			    void (*each)(void *, const char *, const char *), void *arg)
{
	(void)lookup;
	for (size_t i = 0; i < N_TRACEPOINTS; i++)
		if (glob_match(category_glob, tracepoints[i][0]) &&
		    glob_match(name_glob, tracepoints[i][1]))
			each(arg, tracepoints[i][0], tracepoints[i][1]);
}

static const char *const calls[] = { "read", "write", "openat", "close", "newfstat", "exit" };
#define N_CALLS (sizeof(calls) / sizeof(calls[0]))

int lookup_syscall_number(struct lookup *lookup, const char *name)
{
	(void)lookup;
	for (size_t i = 0; i < N_CALLS; i++)
		if (!strcmp(calls[i], name) ||
		    (!strcmp(name, "fstat") && !strcmp(calls[i], "newfstat")))
			return (int)i;
	return -1;
}

const char *lookup_syscall_name(struct lookup *lookup, int number)
{
	(void)lookup;
	return number >= 0 && number < (int)N_CALLS ? calls[number] : NULL;
}

const struct type *lookup_raw_tracepoint(struct lookup *lookup, const char *event)
{
	(void)lookup;
	return !strcmp(event, "sched_switch") || !strcmp(event, "sched_wakeup") ? &open_args : NULL;
}

void lookup_each_raw_tracepoint(struct lookup *lookup, void (*each)(void *, const char *),
				void *arg)
{
	(void)lookup;
	each(arg, "sched_switch");
	each(arg, "sched_wakeup");
}

bool lookup_has_btf(struct lookup *lookup)
{
	(void)lookup;
	return true;
}

/* Two files: a C library in two versions of one symbol and with aliases, and a C++ program. */
static struct elf_symbol c_symbols[] = {
	{ .name = "__libc_malloc", .address = 0x1100, .size = 16, .offset = 0x100 },
	{ .name = "calloc", .address = 0x1200, .size = 16, .offset = 0x200 },
	{ .name = "malloc", .address = 0x1100, .size = 16, .offset = 0x100 },
	{ .name = "realpath", .address = 0x1300, .size = 16, .offset = 0x300 },
	{ .name = "realpath", .address = 0x1400, .size = 16, .offset = 0x400 },
};
static struct elf_symbol cpp_symbols[] = {
	{ .name = "_ZN1A1bEi",
	  .demangled = "A::b(int)",
	  .address = 0x10,
	  .size = 8,
	  .offset = 0x10 },
	{ .name = "_ZN1A1bEi.cold",
	  .demangled = "A::b(int) [clone .cold]",
	  .address = 0x90,
	  .offset = 0x90 },
	{ .name = "_ZN1A1bEv", .demangled = "A::b()", .address = 0x20, .size = 8, .offset = 0x20 },
	{ .name = "_ZN1A1cEv", .demangled = "A::c()", .address = 0x30, .size = 8, .offset = 0x30 },
};
static struct elf c_elf = { .path = "/lib/libfake.so", .functions = { c_symbols, 5, 5 } };
static struct elf cpp_elf = { .path = "/bin/prog", .functions = { cpp_symbols, 4, 4 } };
static struct elf go_elf = { .path = "/bin/gone", .functions = { cpp_symbols, 4, 4 } };
static struct elf stripped_elf = { .path = "/bin/bare" };

/* The fake files have no debug information. */
const struct user_proto *lookup_user_proto(struct lookup *lookup, const char *path, uint64_t offset,
					   const char *name)
{
	(void)path;
	(void)offset;
	(void)name;
	lookup->error = "it has no debug information";
	return NULL;
}

const struct elf *lookup_elf(struct lookup *lookup, const char *path)
{
	struct elf *const all[] = { &c_elf, &cpp_elf, &go_elf, &stripped_elf };

	for (size_t i = 0; i < 4; i++)
		if (!strcmp(all[i]->path, path))
			return all[i];
	lookup->error = "not an ELF file";
	return NULL;
}

const struct elf_symbol *elf_find(const struct elf *elf, const char *name)
{
	return elf == &go_elf && !strcmp(name, "runtime.goexit") ? &cpp_symbols[0] : NULL;
}

int64_t elf_file_offset(struct lookup *lookup, const char *path, uint64_t address)
{
	(void)lookup;
	(void)path;
	return address >= 0x1000 && address < 0x2000 ? (int64_t)address - 0x1000 : -ENOENT;
}

const char *elf_plain_cpp_name(struct arena *arena, const char *demangled)
{
	return arena_strndup(arena, demangled, strcspn(demangled, "("));
}

int lookup_binaries(struct lookup *lookup, const char *word, int pid, binary_vec *found,
		    const char **nearest)
{
	static const char *const words[][2] = {
		{ "libfake", "/lib/libfake.so" }, { "/bin/prog", "/bin/prog" },
		{ "/bin/gone", "/bin/gone" },	  { "/bin/bare", "/bin/bare" },
		{ "/bin/text", "/bin/text" },
	};
	const char *path = !*word && pid ? "/bin/prog" : NULL;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (!strcmp(words[i][0], word))
			path = words[i][1];
	if (!path) {
		lookup->error = "libfale is not mapped by any process";
		*nearest = "libfake";
		return -ENOENT;
	}
	*vec_grow(lookup->arena, found) = (struct binary){ .path = path, .shown = path };
	return 0;
}

/* Attaching is proved on a live kernel; here the rows only have to link. */
void run_add_link(struct run *run, int fd)
{
	(void)run;
	(void)fd;
}

const struct run_options *run_options_of(const struct run *run)
{
	(void)run;
	return NULL;
}

void run_skip(struct run *run, const struct plan_probe *probe, const struct target *target,
	      const char *why)
{
	(void)run;
	(void)probe;
	(void)target;
	(void)why;
}

void run_error(struct run *run, struct span span, const char *fmt, ...)
{
	(void)run;
	(void)span;
	(void)fmt;
}

bool run_interrupted(const struct run *run)
{
	(void)run;
	return false;
}

const struct plan *run_plan(const struct run *run)
{
	(void)run;
	return NULL;
}

#endif
