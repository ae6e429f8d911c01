/*
 * What happens in user space when a record arrives: printing, running commands, ending. The check hooks hold formats
 * against their arguments when the script is compiled; the act hooks run once per event and must stay cheap.
 */
#include "builtins/builtins.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "out/format.h"
#include "run/run.h"

enum { FLUSH_BYTES = 64 * 1024 };

/* --- formats --- */

/* A directive that does not fit is shown under the argument, a malformed format under the format. */
static bool check_directives(struct check *check, struct node *node, const struct format *format)
{
	struct node *arg = node->args->next;
	unsigned want = format_arg_count(format), have = ast_count(arg);

	if (want != have)
		return check_error(check, node,
				   "%s() format has %u directive%s, but %u argument%s given",
				   node->builtin->name, want, want == 1 ? "" : "s", have,
				   have == 1 ? " is" : "s are");
	for (unsigned i = 0; arg; i++, arg = arg->next) {
		const char *problem;
		if (!arg->type || arg->type->kind == TYPE_ERROR)
			continue;
		problem = format_check_arg(check->arena, format, i, arg->type);
		if (problem)
			return check_error(check, arg, "%s", problem);
	}
	return true;
}

static bool check_format(struct check *check, struct node *node)
{
	struct format *format;
	const char *text, *problem = NULL;
	uint32_t at = 0;

	if (!check_const_str(check, node->args, &text))
		return false;
	if (!check->final)
		return true;
	format = format_parse(check->arena, text, &problem, &at);
	if (!format)
		return check_error(check, node->args, "%s", problem);
	return check_directives(check, node, format);
}

/* The format is compiled at the site's first event and lives as long as the plan. */
static const struct format *site_format(struct run *run, const struct plan_site *site)
{
	struct plan_site *own = (struct plan_site *)site;
	const char *problem;
	uint32_t at;

	if (!own->format)
		own->format = format_parse(run_plan(run)->arena, site->fmt, &problem, &at);
	return own->format;
}

/* The formatted text, in the run's scratch arena. */
static const char *format_text(struct run *run, const struct plan_site *site,
			       const struct value *argv, unsigned argc, uint32_t *len)
{
	const struct format *format = site_format(run, site);
	struct buf text = { 0 };
	char *copy;

	if (format)
		format_print(&text, format, argv, argc);
	copy = arena_strndup(run_scratch(run), text.data ? text.data : "", text.len);
	*len = text.len;
	buf_fini(&text);
	return copy;
}

static void print_text(struct run *run, const char *source, const char *text, uint32_t len)
{
	struct record record = { .kind = RECORD_TEXT, .source = source, .text = text, .len = len };

	out_record(run_out(run), &record);
}

/* Millions of times per second: plain text goes straight to the end of the output block. */
static int act_printf(struct run *run, const struct plan_site *site, const struct value *argv,
		      unsigned argc)
{
	struct out *out = run_out(run);
	const struct format *format = site_format(run, site);
	const char *text;
	uint32_t len;

	if (!format)
		return -EINVAL;
	if (out_error(out))
		return 0;
	if (out->printer->flags & PRINTER_RAW) {
		format_print(out->buf, format, argv, argc);
		out_text_end(out);
		return out->buf->len > FLUSH_BYTES ? out_flush(out) : 0;
	}
	text = format_text(run, site, argv, argc, &len);
	print_text(run, "printf", text, len);
	return 0;
}

/* --- files and commands --- */

static int act_cat(struct run *run, const struct plan_site *site, const struct value *argv,
		   unsigned argc)
{
	uint32_t max = run_plan(run)->max_cat_bytes, len;
	const char *path = format_text(run, site, argv, argc, &len);
	char *text = arena_alloc(run_scratch(run), max + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	ssize_t n = 0;

	if (fd < 0) {
		run_message(run, (struct span){ 0, 0 }, "error", "ERROR",
			    arena_printf(run_scratch(run), "cat: cannot open '%s': %s", path,
					 strerror(errno)));
		return 0;
	}
	while (have < max && (n = read(fd, text + have, max - have)) > 0)
		have += n;
	close(fd);
	print_text(run, "cat", text, have);
	return 0;
}

/* The command's output is gathered and printed in its place among the other records. */
static int act_system(struct run *run, const struct plan_site *site, const struct value *argv,
		      unsigned argc)
{
	uint32_t len;
	const char *command = format_text(run, site, argv, argc, &len);
	struct buf text = { 0 };
	FILE *pipe;
	size_t n;

	out_flush(run_out(run));
	pipe = popen(command, "re");
	if (!pipe)
		return -errno;
	while ((n = fread(buf_room(&text, 4096), 1, 4096, pipe)) > 0)
		text.len += n;
	pclose(pipe);
	if (text.len)
		print_text(run, "system", text.data, text.len);
	buf_fini(&text);
	return 0;
}

static int act_errorf(struct run *run, const struct plan_site *site, const struct value *argv,
		      unsigned argc)
{
	uint32_t len;

	run_message(run, site->span, "errorf", "ERROR", format_text(run, site, argv, argc, &len));
	return 0;
}

static int act_warnf(struct run *run, const struct plan_site *site, const struct value *argv,
		     unsigned argc)
{
	uint32_t len;

	run_message(run, site->span, "warnf", "WARNING", format_text(run, site, argv, argc, &len));
	return 0;
}

/* --- values, maps, events --- */

static int act_print(struct run *run, const struct plan_site *site, const struct value *argv,
		     unsigned argc)
{
	struct record record = { .kind = RECORD_VALUE, .value = argv };

	if (site->map && site->in_step)
		return run_print_step(run, site);
	if (site->map)
		return run_print_map(run, site->map, site->literal[0], site->literal[1]);
	if (argc < 1)
		return -EINVAL;
	out_record(run_out(run), &record);
	return 0;
}

/* Two more arguments make sense for a whole map only; they are part of the program. */
static bool check_print(struct check *check, struct node *node)
{
	const struct node *arg = node->args;
	struct node *more;
	bool whole = arg->kind == NODE_MAP && !arg->key;

	node_each (more, node->args->next) {
		int64_t n;
		if (!whole)
			return check_error(check, more,
					   "print() of a single value takes no more arguments");
		if (!check_const_int(check, more, &n))
			return false;
		if (n < 0)
			return check_error(
				check, more,
				"print() expects a number of rows and a divisor, at least 0");
	}
	return true;
}

/* A column's name: the one that was given, or the one its expression is known by. */
static const char *column_name(const struct node *arg)
{
	return arg->kind == NODE_NAMED ? arg->name : check_name_of(arg);
}

static bool check_emit(struct check *check, struct node *node)
{
	const char *event;
	struct node *arg, *other;

	if (!check_const_str(check, node->args, &event))
		return false;
	if (!*event)
		return check_error(check, node->args, "emit() needs a name for the event");
	node_each (arg, node->args->next) {
		const char *name = column_name(arg);
		if (!name) {
			check_error(check, arg, "this column of emit() has no name");
			diag_hint(check->diags, "write NAME = EXPRESSION");
			return false;
		}
		node_each (other, arg->next)
			if (column_name(other) && !strcmp(column_name(other), name))
				return check_error(check, other,
						   "emit() has two columns named '%s'", name);
	}
	return true;
}

static int act_emit(struct run *run, const struct plan_site *site, const struct value *argv,
		    unsigned argc)
{
	struct value row = {
		.kind = VALUE_RECORD, .items = argv, .len = argc, .names = site->names
	};
	struct record record = { .kind = RECORD_EMIT, .name = site->fmt, .value = &row };

	record.wall_ns = run_wall_ns(run);
	out_record(run_out(run), &record);
	return 0;
}

static int act_exit(struct run *run, const struct plan_site *site, const struct value *argv,
		    unsigned argc)
{
	(void)site;
	run_ask_exit(run, argc ? (int)argv[0].i : 0);
	return 0;
}

/* clang-format off */
const struct builtin builtins_action[] = {
	{ .name = "printf", .proto = "void printf(const string fmt, ...)", .flags = BUILTIN_LITERAL_FMT | BUILTIN_FILE_TEXT,
	  .check = check_format, .act = act_printf,
	  .doc = "Print a formatted line." },
	{ .name = "print", .proto = "void print(any value, [const int top], [const int div])", .flags = BUILTIN_READS_MAP,
	  .check = check_print, .act = act_print,
	  .doc = "Print a value or a whole map; of a map the last `top` rows, divided by `div`." },
	{ .name = "cat", .proto = "void cat(const string fmt, ...)", .flags = BUILTIN_LITERAL_FMT,
	  .check = check_format, .act = act_cat,
	  .doc = "Print the file whose path this makes." },
	{ .name = "system", .proto = "void system(const string fmt, ...)", .flags = BUILTIN_LITERAL_FMT | BUILTIN_UNSAFE,
	  .check = check_format, .act = act_system,
	  .doc = "Run a shell command and print its output; needs --unsafe." },
	{ .name = "errorf", .proto = "void errorf(const string fmt, ...)", .flags = BUILTIN_LITERAL_FMT,
	  .check = check_format, .act = act_errorf,
	  .doc = "Print a message and its place in the script to stderr, as an error." },
	{ .name = "warnf", .proto = "void warnf(const string fmt, ...)", .flags = BUILTIN_LITERAL_FMT,
	  .check = check_format, .act = act_warnf,
	  .doc = "Print a message and its place in the script to stderr, as a warning." },
	{ .name = "emit", .proto = "void emit(const string event, ...)", .flags = BUILTIN_LITERAL_FMT | BUILTIN_ROWS,
	  .check = check_emit, .act = act_emit,
	  .doc = "Output a structured event with named columns: emit(\"exec\", pid, file = str(args.filename))." },
	{ .name = "exit", .proto = "void exit([int code])", .flags = BUILTIN_CONTROL | BUILTIN_EXITS, .act = act_exit,
	  .doc = "End jbtrace, with this exit code." },
	{ 0 },
};
/* clang-format on */
