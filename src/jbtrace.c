/*
 * The public interface over the layers, and the one place where all families of rows are named. No logic of its
 * own: it hands each layer's result to the next.
 */
#include "jbtrace.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "api.h"
#include "base/strmap.h"
#include "builtins/builtins.h"
#include "codegen/cg.h"
#include "lookup/filter.h"
#include "parser/check.h"
#include "parser/lower.h"
#include "parser/parse.h"
#include "parser/resolve.h"
#include "probes/probes.h"
#include "registry.h"
#include "report/report.h"
#include "run/run.h"
#include "scripts.h"

static const struct builtin *const builtin_families[] = {
	builtins_context, builtins_task,   builtins_time,   builtins_string, builtins_symbol,
	builtins_errno,	  builtins_action, builtins_mapops, builtins_stack,  NULL,
};
static const struct aggregate *const aggregate_families[] = {
	aggregates_basic, aggregates_histogram, aggregates_quantiles,
	aggregates_rtp,	  aggregates_row,	NULL,
};
static const struct provider *const provider_families[] = {
	providers_special,    providers_self,
	providers_iter,	      providers_timer,
	providers_tracepoint, providers_rawtracepoint,
	providers_uprobe,     providers_usdt,
	providers_kprobe,     providers_fentry,
	providers_span,	      providers_perfevent,
	providers_watchpoint, NULL,
};
static const struct named_type *const named_type_families[] = {
	named_types_context, named_types_task,	named_types_time,  named_types_string,
	named_types_symbol,  named_types_stack, named_types_errno, NULL,
};
static const struct printer *const printer_families[] = { printers_text, printers_json,
							  printers_csv, printers_prom, NULL };

const struct registry jb_registry = {
	.builtins = builtin_families,
	.aggregates = aggregate_families,
	.providers = provider_families,
	.named_types = named_type_families,
	.printers = printer_families,
};

/* The inode of the initial pid namespace (PROC_PID_INIT_INO of the kernel). */
#define INITIAL_PIDNS 0xEFFFFFFCu

struct jb_program {
	struct arena *arena;
	struct diags *diags;
	struct lookup *lookup;
	struct plan *plan;
	struct node *tree;
	struct blob elf;
	char *ir;
	size_t ir_len;
	struct jb_options options;
};

const char *jb_version(void)
{
	return JB_VERSION;
}

void copy_options(void *to, size_t size, const void *from)
{
	size_t given = 0;

	memset(to, 0, size);
	if (!from)
		return;
	memcpy(&given, from, sizeof(given));
	memcpy(to, from, given < size ? given : size);
}

static void note_pid_namespace(struct plan *plan)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == INITIAL_PIDNS)
		return;
	plan->pidns_dev = st.st_dev;
	plan->pidns_ino = st.st_ino;
}

/* --- filters --- */

_Static_assert((int)JB_FILTER_PID == (int)FILTER_PID && (int)JB_FILTER_COMM == (int)FILTER_COMM &&
		       (int)JB_FILTER_UID == (int)FILTER_UID &&
		       (int)JB_FILTER_CGROUP == (int)FILTER_CGROUP &&
		       (int)JB_FILTER_PIDNS == (int)FILTER_PIDNS &&
		       (int)JB_FILTER_PGID == (int)FILTER_PGID,
	       "enum jb_filter_kind and enum filter_kind name the same kinds in the same order");

int jb_filter_check(const struct jb_filter *filter, char *why, size_t room)
{
	struct arena *arena = arena_new();
	struct plan_filter read;
	int err =
		filter_read(arena, (enum filter_kind)filter->kind, filter->value, &read, why, room);

	arena_free(arena);
	return err;
}

static bool has_filter(const struct plan *plan, const struct plan_filter *filter)
{
	const struct plan_filter *have;

	vec_each (have, &plan->filters)
		if (have->kind == filter->kind && have->negated == filter->negated &&
		    (filter->kind == FILTER_COMM ? !strcmp(have->text, filter->text)
						 : have->number == filter->number))
			return true;
	return false;
}

static void add_filter(struct plan *plan, const struct plan_filter *filter)
{
	if (!has_filter(plan, filter))
		vec_push(plan->arena, &plan->filters, *filter);
}

/* The kernel's data about tasks is found by its BTF, except for the numbers that helpers give. */
static bool filters_need_btf(const struct plan *plan)
{
	const struct plan_filter *filter;

	vec_each (filter, &plan->filters)
		if (filter->kind != FILTER_PID && filter->kind != FILTER_UID &&
		    filter->kind != FILTER_CGROUP)
			return true;
	return plan->follow;
}

static bool check_filters(const struct jb_program *program, const struct plan *plan)
{
	struct span nowhere = { 0, 0 };

	if (plan->follow && !plan_first_pid(plan) && !plan->child) {
		diag_error(program->diags, nowhere,
			   "following children needs a process to begin with: -p or -c");
		return false;
	}
	if (filters_need_btf(plan) && !lookup_has_btf(program->lookup)) {
		diag_error(program->diags, nowhere, "%s needs the kernel's BTF: %s",
			   plan->follow ? "--follow" : "a filter", lookup_error(program->lookup));
		return false;
	}
	return true;
}

static bool read_filters(struct jb_program *program, struct plan *plan)
{
	const struct jb_options *options = &program->options;
	struct plan_filter filter = { .kind = FILTER_PID, .number = (uint64_t)options->pid };
	char why[512];

	plan->follow = options->follow;
	plan->count_hits = options->count_hits;
	if (options->pid)
		add_filter(plan, &filter);
	for (unsigned i = 0; i < options->n_filters; i++) {
		const struct jb_filter *given = &options->filters[i];

		if (filter_read(plan->arena, (enum filter_kind)given->kind, given->value, &filter,
				why, sizeof(why))) {
			diag_error(program->diags, (struct span){ 0, 0 }, "%s", why);
			return false;
		}
		filter.negated = given->negated;
		add_filter(plan, &filter);
	}
	return check_filters(program, plan);
}

/* Whose files are meant: that process's when there is one. */
static int files_pid(const struct plan *plan)
{
	const struct plan_filter *filter;
	unsigned n = 0;

	if (plan->pid)
		return plan->pid;
	vec_each (filter, &plan->filters)
		n += filter->kind == FILTER_PID && !filter->negated;
	return n == 1 ? plan_first_pid(plan) : 0;
}

/* --- compiling --- */

static struct plan *make_plan(struct jb_program *program)
{
	struct plan *plan = plan_new(program->arena, program->diags);
	int cpus = libbpf_num_possible_cpus();
	struct timespec now;

	plan->pid = program->options.pid;
	plan->child = program->options.child;
	clock_gettime(CLOCK_BOOTTIME, &now);
	plan->start_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	plan->n_cpus = cpus > 0 ? (unsigned)cpus : 1;
	note_pid_namespace(plan);
	return plan;
}

static bool until(const struct jb_program *program, enum jb_stage stage)
{
	return program->options.partial && program->options.until == stage;
}

static bool front(struct jb_program *program, struct resolve *resolve)
{
	struct check check = {
		.arena = program->arena,
		.diags = program->diags,
		.registry = &jb_registry,
		.types = resolve->types,
		.plan = program->plan,
		.lookup = program->lookup,
		.resolve = resolve,
		.unsafe = program->options.unsafe,
	};

	/* Types are looked at in spite of unknown names, so that all mistakes are told at once. */
	bool good = resolve_program(resolve);

	return check_program(&check) && good && lower_program(resolve) &&
	       !diag_errors(program->diags);
}

static bool generate(struct jb_program *program, struct resolve *resolve)
{
	struct codegen_input input = {
		.arena = program->arena,
		.diags = program->diags,
		.registry = &jb_registry,
		.plan = program->plan,
		.instances = resolve->instances.data,
		.n_instances = resolve->instances.n,
		.optimise = 2,
	};
	FILE *ir =
		until(program, JB_STAGE_IR) ? open_memstream(&program->ir, &program->ir_len) : NULL;
	int err = codegen(&input, &program->elf, ir);

	if (ir)
		fclose(ir);
	return err == 0 && !diag_errors(program->diags);
}

/* `-- --help`: what the script declares with getopt(). */
static bool asks_help(const struct jb_options *options)
{
	for (unsigned i = 0; i < options->n_named; i++)
		if (strcmp(options->named[i], "help") == 0)
			return true;
	return false;
}

static void print_params(const struct plan *plan, FILE *out)
{
	const struct plan_param *param;

	fputs(plan->params.n ? "HINT: expected program options:\n"
			     : "HINT: this script declares no options\n",
	      out);
	vec_each (param, &plan->params) {
		fprintf(out, "  --%-20s %s", param->name, param->help ? param->help : "");
		if (param->fallback)
			fprintf(out, "%s(default %s)", param->help && *param->help ? " " : "",
				param->fallback);
		fputc('\n', out);
	}
}

static bool compile(struct jb_program *program, const struct jb_source *given, FILE *messages)
{
	const struct jb_options *options = &program->options;
	struct front_options front_options = {
		.params = options->params,
		.n_params = options->n_params,
		.named = options->named,
		.n_named = options->n_named,
		.child = options->child,
		.unsafe = options->unsafe,
	};
	struct types *types = types_new(program->arena);
	struct resolve resolve = {
		.arena = program->arena,
		.diags = program->diags,
		.registry = &jb_registry,
		.options = &front_options,
		.types = types,
	};
	const struct source *source = diag_add_source(
		program->diags, given->name ? given->name : "stdin", given->text, given->len);

	program->tree = source ? parse_script(program->arena, program->diags, source) : NULL;
	if (!program->tree || until(program, JB_STAGE_AST))
		return program->tree != NULL;
	resolve.lookup = program->lookup = lookup_new(types);
	resolve.plan = program->plan = make_plan(program);
	resolve.program = program->tree;
	if (!read_filters(program, program->plan))
		return false;
	front_options.pid = files_pid(program->plan);
	if (!front(program, &resolve))
		return false;
	if (asks_help(options)) {
		print_params(program->plan, messages);
		return false;
	}
	return until(program, JB_STAGE_PLAN) || generate(program, &resolve);
}

struct jb_program *jb_compile(const struct jb_source *source, const struct jb_options *options,
			      FILE *diagnostics)
{
	struct arena *arena = arena_new();
	struct jb_program *program = arena_new_of(arena, struct jb_program);
	bool good;

	program->arena = arena;
	program->diags = diag_new(arena);
	copy_options(&program->options, sizeof(program->options), options);
	good = compile(program, source, diagnostics);
	if (program->lookup)
		lookup_settle(program->lookup);
	if (!good || !program->options.no_warnings)
		diag_print(program->diags, diagnostics);
	diag_clear(program->diags);
	if (good)
		return program;
	jb_program_free(program);
	return NULL;
}

int jb_dump(const struct jb_program *program, enum jb_stage stage, FILE *out)
{
	switch (stage) {
	case JB_STAGE_AST:
		ast_dump(program->tree, out);
		return 0;
	case JB_STAGE_PLAN:
		if (!program->plan)
			return -ENODATA;
		plan_dump(program->plan, out);
		return 0;
	case JB_STAGE_IR:
		if (!program->ir)
			return -ENODATA;
		fwrite(program->ir, 1, program->ir_len, out);
		return 0;
	case JB_STAGE_ELF:
		if (!program->elf.data)
			return -ENODATA;
		fwrite(program->elf.data, 1, program->elf.len, out);
		return 0;
	}
	return -EINVAL;
}

void jb_list_targets(const struct jb_program *program, FILE *out)
{
	const struct plan_probe *probe;

	if (!program->plan)
		return;
	vec_each (probe, &program->plan->probes)
		for (unsigned i = 0; probe->role == 0 && i < probe->n_targets; i++)
			fprintf(out, "%s\n", probe->targets[i]->name);
}

const char *jb_option_name(const struct jb_program *program, unsigned i)
{
	return program->plan && i < program->plan->params.n ? program->plan->params.data[i].name
							    : NULL;
}

void jb_program_free(struct jb_program *program)
{
	if (!program)
		return;
	if (program->lookup)
		lookup_free(program->lookup);
	free(program->elf.data);
	free(program->ir);
	arena_free(program->arena);
}

/* --- running --- */

static const struct printer *find_printer(const char *name)
{
	const struct printer *const *family, *row;

	for (family = jb_registry.printers; *family; family++)
		row_each (row, *family)
			if (strcmp(row->name, name ? name : "text") == 0)
				return row;
	return NULL;
}

bool jb_has_format(const char *name)
{
	return find_printer(name) != NULL;
}

static struct out_options out_options_of(const struct jb_run_options *options)
{
	const struct jb_files *files = &options->files;

	return (struct out_options){
		.fd = options->out_fd ? options->out_fd : STDOUT_FILENO,
		.printer = find_printer(options->format),
		.script = options->name,
		.folder = options->check_only ? NULL : options->folder,
		.files = { .daily = files->daily,
			   .gzip = files->gzip,
			   .max_bytes = files->max_bytes,
			   .max_age_ns = files->max_age_ns,
			   .max_total_bytes = files->max_total_bytes },
		.delimiter = files->delimiter,
		.no_header = files->no_header,
		.with_script = options->with_script,
	};
}

static void tell_output(void *arg, enum diag_level level, const char *text)
{
	fprintf(arg, "jbtrace: %s: %s\n", level == DIAG_ERROR ? "error" : "warning", text);
	fflush(arg);
}

int jb_check_output(const struct jb_run_options *given, FILE *messages)
{
	struct jb_run_options options;
	struct out_options out_options;
	struct out out;
	int err;

	copy_options(&options, sizeof(options), given);
	out_options = out_options_of(&options);
	out_options.tell = tell_output;
	out_options.tell_arg = messages;
	err = out_options.printer ? out_open(&out, &out_options) : -EINVAL;
	if (!err)
		out_fini(&out);
	return err;
}

static struct jb_run *start_failed(struct run *run, int err, int *error)
{
	if (run)
		run_close(run);
	if (error)
		*error = err;
	return NULL;
}

struct jb_run *jb_start(struct jb_program *program, const struct jb_run_options *given, int *error)
{
	struct jb_run_options options;
	struct run_options run_options;
	struct jb_run *made;
	struct run *run = NULL;
	int err;

	copy_options(&options, sizeof(options), given);
	run_options = (struct run_options){
		.child = program->options.child,
		.child_go_fd = options.child_go_fd,
		.quiet = options.quiet,
		.verbose = options.verbose,
		.unsafe = program->options.unsafe,
		.warnings = !options.no_warnings,
		.check_only = options.check_only,
		.dry_run = options.dry_run,
		.duration_ns = options.duration_ns,
		.name = options.name,
		.file = options.file,
		.max_series = options.max_series,
		.expire_ns = options.expire_ns,
		.out = out_options_of(&options),
		.messages = options.messages ? options.messages : stderr,
		.interrupt = options.interrupt,
		.signals = options.signals,
	};
	if (!run_options.out.printer || !program->elf.data)
		return start_failed(NULL, -EINVAL, error);
	err = run_open(&run, program->plan, program->elf.data, program->elf.len, program->lookup,
		       &run_options);
	if (!err && !options.check_only)
		err = run_begin(run);
	if (err)
		return start_failed(run, err, error);
	made = mem_alloc(sizeof(*made));
	made->run = run;
	return made;
}

int jb_fd(const struct jb_run *run)
{
	return run_fd(run->run);
}

int jb_step(struct jb_run *run, int timeout_ms)
{
	return run_step(run->run, timeout_ms);
}

int jb_stop(struct jb_run *run)
{
	int code = run_close(run->run);

	free(run);
	return code;
}

int jb_check_privileges(FILE *messages)
{
	return run_check_privileges(messages);
}

/* --- what there is --- */

const char *jb_bundled(const char *name, size_t *len, const char **nearest)
{
	const struct jb_script *script;
	struct nearest near;

	nearest_init(&near, name);
	row_each (script, jb_scripts) {
		if (strcmp(script->name, name) == 0) {
			*len = script->len;
			return script->text;
		}
		nearest_try(&near, script->name);
	}
	*nearest = near.best;
	return NULL;
}

int jb_report(int argc, char **argv)
{
	return report_main(argc, argv);
}
