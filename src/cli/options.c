/*
 * The options of the command line: one table, from which the text of --help is made too. What they ask for is
 * done in main.c and the files beside it.
 */
#include <getopt.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/log.h"

static int complain_list(FILE *out, const char *fmt, va_list ap)
{
	fputs("jbtrace: error: ", out);
	vfprintf(out, fmt, ap);
	fputc('\n', out);
	fflush(out);
	return EXIT_USAGE;
}

int complain(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_list(stderr, fmt, ap);
	va_end(ap);
	return EXIT_USAGE;
}

int complain_to(FILE *out, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain_list(out, fmt, ap);
	va_end(ap);
	return EXIT_USAGE;
}

struct option_row {
	const char *name;
	int letter; /* 0: long form only */
	const char *arg;
	const char *help; /* NULL: not shown */
	bool unsupported; /* known, for it is the reference's or to come, but refused */
	int (*set)(struct cli *cli, const char *value);
	/* Without a setter: what to set in struct cli. */
	size_t flag; /* offset of a bool */
	size_t text; /* offset of a const char * */
	enum mode mode;
	const struct jb_filter *filter; /* of this kind; its value is the option's */
};

#define FLAG(member) .flag = offsetof(struct cli, member)
#define TEXT(member) .text = offsetof(struct cli, member)
#define UNSUPPORTED  .unsupported = true
#define FILTER(k)                           \
	.filter = &(const struct jb_filter) \
	{                                   \
		.kind = JB_FILTER_##k       \
	}
#define FILTER_NOT(k)                                  \
	.filter = &(const struct jb_filter)            \
	{                                              \
		.kind = JB_FILTER_##k, .negated = true \
	}

static int set_program(struct cli *cli, const char *value)
{
	if (cli->program)
		return complain("-e may be given once: write all probes into one program text");
	cli->program = value;
	return 0;
}

static int set_format(struct cli *cli, const char *value)
{
	cli->run.format = value;
	if (jb_has_format(value))
		return 0;
	return complain("there is no output format '%s', but text, json, csv and prom", value);
}

static int set_duration(struct cli *cli, const char *value)
{
	if (parse_time(value, &cli->run.duration_ns))
		return 0;
	return complain("--duration wants a time such as 10s, 500ms or 5m, not '%s'", value);
}

static int set_log_level(struct cli *cli, const char *value)
{
	int level = log_find_level(value);

	cli->log_level = level + 1;
	return level >= 0 ? 0
			  : complain("--log-level knows debug, info, warning and error, not '%s'",
				     value);
}

static int set_dump(struct cli *cli, const char *value)
{
	static const char *const stages[] = { [JB_STAGE_AST] = "ast",
					      [JB_STAGE_PLAN] = "plan",
					      [JB_STAGE_IR] = "ir",
					      [JB_STAGE_ELF] = "elf" };

	for (size_t i = 0; i < sizeof(stages) / sizeof(*stages); i++) {
		if (strcmp(value, stages[i]))
			continue;
		cli->compile.partial = true;
		cli->compile.until = (enum jb_stage)i;
		return 0;
	}
	return complain("--dump knows ast, plan, ir and elf, not '%s'", value);
}

/* clang-format off */
static const struct option_row options[] = {
	{ "expr", 'e', "PROGRAM", "run this program text", .set = set_program },
	{ "scripts", 'm', "NAMES", "run several bundled scripts: a,b,c; `-m list` lists them", TEXT(scripts) },
	{ "list", 'l', NULL, "list probes that match the pattern (or the probes of a script); with -v their arguments", .mode = MODE_LIST },
	{ "cmd", 'c', "COMMAND", "run this command when everything is attached, end when it ends", TEXT(command) },
	{ "pid", 'p', "PID", "trace this process only, end when it ends; may be repeated, as all filters", FILTER(PID) },
	{ "follow", 0, NULL, "trace the children of -p or -c, too, and their children", FLAG(compile.follow) },
	{ "comm", 0, "GLOB", "trace threads and processes of this name only", FILTER(COMM) },
	{ "uid", 0, "USER", "trace processes of this user only", FILTER(UID) },
	{ "cgroup", 0, "PATH", "trace processes in this cgroup only, or in one below", FILTER(CGROUP) },
	{ "pidns", 0, "INODE", "trace processes in this pid namespace only, or in one below", FILTER(PIDNS) },
	{ "pgid", 0, "GROUP", "trace processes of this process group only", FILTER(PGID) },
	{ "not-pid", 0, "PID", "do not trace this process", FILTER_NOT(PID) },
	{ "not-comm", 0, "GLOB", "do not trace threads and processes of this name", FILTER_NOT(COMM) },
	{ "not-uid", 0, "USER", "do not trace processes of this user", FILTER_NOT(UID) },
	{ "not-cgroup", 0, "PATH", "do not trace processes in this cgroup or below", FILTER_NOT(CGROUP) },
	{ "not-pidns", 0, "INODE", "do not trace processes in this pid namespace or below", FILTER_NOT(PIDNS) },
	{ "not-pgid", 0, "GROUP", "do not trace processes of this process group", FILTER_NOT(PGID) },
	{ "format", 'f', "FORMAT", "output format: text, json, csv, prom", .set = set_format },
	{ "output", 'o', "PATH", "write the output to this file, or, with -f json or csv, to a file per table in this folder", TEXT(output) },
	{ "rotate", 0, "WHEN", "in a folder: begin new files every `day`, or at a size such as 100MB (may be given twice)", .set = set_rotate },
	{ "keep", 0, "MOST", "in a folder: remove files older than 7d, or the oldest of more than 2GB (may be given twice)", .set = set_keep },
	{ "gzip", 0, NULL, "in a folder: compress files that are complete", FLAG(run.files.gzip) },
	{ "config", 0, "FILE", "run as a service what this file says (YAML); with --check only look at it", TEXT(config) },
	{ "daemon", 0, NULL, "go to the background when everything is attached", FLAG(daemonize) },
	{ "daemon-status", 0, NULL, "does the daemon of the pid file run? exit status 0: yes", .mode = MODE_DAEMON_STATUS },
	{ "daemon-stop", 0, NULL, "end it, and wait until it has ended", .mode = MODE_DAEMON_STOP },
	{ "pid-file", 0, "FILE", "the daemon's pid file and lock (/run/jbtrace.pid)", TEXT(pid_file) },
	{ "log", 0, "FILE", "append the messages of a service to this file", TEXT(log_file) },
	{ "log-level", 0, "LEVEL", "of these what is as important as debug, info, warning, error", .set = set_log_level },
	{ "duration", 0, "TIME", "end by itself after this time: 10s, 500ms, 5m", .set = set_duration },
	{ "listen", 0, "[ADDR:]PORT", "serve /metrics, /health and a page; on the loopback unless ADDR is given", .set = set_listen },
	{ "listen-user", 0, "USER:FILE", "ask for this user and the password in the first line of FILE", .set = set_listen_user },
	{ "tls-cert", 0, "FILE", "certificate for --listen, PEM", TEXT(listen.cert_file) },
	{ "tls-key", 0, "FILE", "its key, PEM", TEXT(listen.key_file) },
	{ "series", 0, "N", "at most so many series per metric (10000); what is beyond is summed up", .set = set_series },
	{ "expire", 0, "TIME", "drop the series of a process this long after its end (5m)", .set = set_expire },
	{ "unsafe", 0, NULL, "allow what can harm the system: system(), very fast timers", FLAG(compile.unsafe) },
	{ "quiet", 'q', NULL, "no 'Attached N probes'", FLAG(run.quiet) },
	{ "verbose", 'v', NULL, "say more while loading and attaching", FLAG(run.verbose) },
	{ "warnings", 'k', NULL, "warn about what goes wrong while tracing (the default)", FLAG(warnings) },
	{ "no-warnings", 0, NULL, "no warnings", FLAG(no_warnings) },
	{ "check", 0, NULL, "compile and pass the kernel's verifier, attach nothing", FLAG(run.check_only) },
	{ "dry-run", 0, NULL, "attach, then stop", FLAG(run.dry_run) },
	{ "dump", 0, "STAGE", "print what the script becomes: ast, plan, ir, elf", .set = set_dump },
	{ "info", 0, NULL, "what this machine supports; `--info json` for programs", .mode = MODE_INFO },
	{ "help-builtins", 0, NULL, "all probe types, values, functions and aggregations", .mode = MODE_HELP_BUILTINS },
	{ "help-config", 0, NULL, "all keys of a configuration file", .mode = MODE_HELP_CONFIG },
	{ "help-roff", 0, NULL, NULL, .mode = MODE_HELP_ROFF },
	{ "help", 'h', NULL, "this text", .mode = MODE_HELP },
	{ "version", 'V', NULL, "the version", .mode = MODE_VERSION },
	{ "btf", 'b', NULL, NULL, FLAG(ignored) }, /* the reference takes it too, without a meaning */
	{ "debug", 'd', "STAGE", UNSUPPORTED },
	{ NULL, 'B', "MODE", UNSUPPORTED },
	{ NULL, 'I', "FOLDER", UNSUPPORTED },
	{ "include", 0, "FILE", UNSUPPORTED },
	{ "fmt", 0, NULL, UNSUPPORTED },
	{ "no-feature", 0, "FEATURES", UNSUPPORTED },
	{ "probe-filter", 0, "REGEX", UNSUPPORTED },
	{ "traceable-functions", 0, "FILE", UNSUPPORTED },
	{ "debuginfo", 0, "FOLDERS", UNSUPPORTED },
	{ "usdt-file-activation", 0, NULL, UNSUPPORTED },
	{ "mode", 0, "MODE", UNSUPPORTED },
	{ "test", 0, NULL, UNSUPPORTED },
	{ "bench", 0, NULL, UNSUPPORTED },
	{ "verify-llvm-ir", 0, NULL, UNSUPPORTED },
	{ "aot", 0, "FILE", UNSUPPORTED },
	{ "dwarf-pid", 0, "PID", UNSUPPORTED },
	{ "emit-elf", 0, "FILE", UNSUPPORTED },
	{ "emit-llvm", 0, "FILE", UNSUPPORTED },
	{ "wait", 0, NULL, UNSUPPORTED },
};
/* clang-format on */
#define N_OPTIONS (sizeof(options) / sizeof(*options))
#define LONG_BASE 256

void print_usage(FILE *out)
{
	fprintf(out,
		"usage: jbtrace [OPTIONS] FILE | NAME | - | -e PROGRAM | -m NAMES  [PARAMETERS]  "
		"[-- --NAME=VALUE ...]\n\n");
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option_row *row = &options[i];
		char left[64];

		if (!row->help)
			continue;
		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", row->letter ? '-' : ' ',
			 row->letter ? row->letter : ' ', row->letter ? ", " : "  ", row->name,
			 row->arg ? " " : "", row->arg ? row->arg : "");
		fprintf(out, "  %-26s %s\n", left, row->help);
	}
	fprintf(out, "\nexamples:\n"
		     "  jbtrace -e 'begin { printf(\"hello\\n\"); }'\n"
		     "  jbtrace -e 'tracepoint:syscalls:sys_enter_openat { @[comm] = count(); }'\n"
		     "  jbtrace -l 'tracepoint:sched:*'\n");
}

static void fill_getopt(char *letters, struct option *longs)
{
	*letters++ = ':'; /* a missing argument is reported by us */
	for (size_t i = 0; i < N_OPTIONS; i++) {
		const struct option_row *row = &options[i];

		if (row->letter) {
			*letters++ = (char)row->letter;
			if (row->arg)
				*letters++ = ':';
		}
		if (row->name)
			*longs++ = (struct option){ row->name,
						    row->arg ? required_argument : no_argument,
						    NULL, LONG_BASE + (int)i };
	}
	*letters = '\0';
	*longs = (struct option){ 0 };
}

static const struct option_row *find_row(int code)
{
	if (code >= LONG_BASE)
		return &options[code - LONG_BASE];
	for (size_t i = 0; i < N_OPTIONS; i++)
		if (options[i].letter == code)
			return &options[i];
	return NULL;
}

static int apply_filter(struct cli *cli, const struct option_row *row, const char *value)
{
	struct jb_filter filter = *row->filter;
	char option[32];

	filter.value = value;
	if (row->letter)
		snprintf(option, sizeof(option), "-%c", row->letter);
	else
		snprintf(option, sizeof(option), "--%s", row->name);
	return add_filter(cli, option, &filter);
}

static int apply(struct cli *cli, const struct option_row *row, const char *value)
{
	if (row->unsupported)
		return row->name ? complain("not supported yet: --%s", row->name)
				 : complain("not supported yet: -%c", row->letter);
	if (row->set)
		return row->set(cli, value);
	if (row->filter)
		return apply_filter(cli, row, value);
	if (row->flag)
		*(bool *)((char *)cli + row->flag) = true;
	else if (row->text)
		*(const char **)(void *)((char *)cli + row->text) = value;
	else
		cli->mode = row->mode;
	return 0;
}

int parse_options(struct cli *cli, int argc, char **argv)
{
	struct option longs[N_OPTIONS + 1];
	char letters[2 * N_OPTIONS + 2];
	int code;

	fill_getopt(letters, longs);
	opterr = 0;
	while ((code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const char *word = argv[optind > 1 ? optind - 1 : 1];
		int err;

		if (code == ':')
			return complain("%s needs a value", word);
		if (code == '?' && optopt && optopt < LONG_BASE)
			return complain("there is no option -%c; see --help", optopt);
		if (code == '?')
			return complain("there is no option %s; see --help", word);
		err = apply(cli, find_row(code), optarg);
		if (err)
			return err;
	}
	return 0;
}
