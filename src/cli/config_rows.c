/*
 * What a configuration file may say: one row for each key, with the sentence that --help-config shows. Where a value goes
 * is the row's offset, so that a new key is a row, a member, and a line in examples/config/monitors.yaml.
 */
#include "cli/config_rows.h"

#include <ctype.h>
#include <string.h>

#include "cli/job.h"

/* --- a closer look at texts --- */

static const char *want_format(const char *text)
{
	return jb_has_format(text) ? NULL : "the name of an output format (see -f in --help)";
}

static const char *want_name(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("_.-", text[i]))
			n = 0;
	return n && n < 64 ? NULL : "a name of letters, digits, _, . and -, at most 63 of them";
}

static const char *want_not_empty(const char *text)
{
	return *text ? NULL : "a text that is not empty";
}

/* --- the tables --- */

#define AT(type, member)     .offset = offsetof(struct type, member)
#define SECTION(type, table) .kind = CONFIG_SECTION, .rows = (table), .size = sizeof(struct type)
#define FILTER(key_, kind_, not_, help_)                                                           \
	{                                                                                          \
		.key = #key_, .kind = CONFIG_TEXTS, AT(config_filters, key_), .max = 1000,         \
		.help = (help_), .filter = 1 + (kind_), .negated = (not_), .wants = want_not_empty \
	}

/* clang-format off */
static const struct config_row filter_rows[] = {
	FILTER(pid, JB_FILTER_PID, false, "these processes"),
	{ .key = "follow", .kind = CONFIG_SWITCH, AT(config_filters, follow), .help = "with pid: the children of these processes, too" },
	FILTER(comm, JB_FILTER_COMM, false, "processes with these names; * stands for anything"),
	FILTER(uid, JB_FILTER_UID, false, "processes of these users, by number or name"),
	FILTER(cgroup, JB_FILTER_CGROUP, false, "processes in these control groups and those below, by path"),
	FILTER(pidns, JB_FILTER_PIDNS, false, "processes in these pid namespaces, by inode"),
	FILTER(pgid, JB_FILTER_PGID, false, "processes of these process groups"),
	FILTER(not_pid, JB_FILTER_PID, true, "all but these processes"),
	FILTER(not_comm, JB_FILTER_COMM, true, "all but processes with these names"),
	FILTER(not_uid, JB_FILTER_UID, true, "all but processes of these users"),
	FILTER(not_cgroup, JB_FILTER_CGROUP, true, "all but processes in these control groups"),
	FILTER(not_pidns, JB_FILTER_PIDNS, true, "all but processes in these pid namespaces"),
	FILTER(not_pgid, JB_FILTER_PGID, true, "all but processes of these groups"),
	{ 0 },
};

static const struct config_row rotation_rows[] = {
	{ .key = "daily", .kind = CONFIG_SWITCH, AT(config_rotation, daily), .help = "a new file at midnight, local time" },
	{ .key = "size", .kind = CONFIG_SIZE, AT(config_rotation, size), .help = "a new file beyond this size" },
	{ 0 },
};

static const struct config_row retention_rows[] = {
	{ .key = "age", .kind = CONFIG_TIME, AT(config_retention, age), .help = "older files are removed" },
	{ .key = "size", .kind = CONFIG_SIZE, AT(config_retention, size), .help = "of more than this in all files of a table the oldest are removed" },
	{ 0 },
};

static const struct config_row output_rows[] = {
	{ .key = "format", .kind = CONFIG_TEXT, AT(config_output, format), .help = "text, json, csv, prom, as with -f", .wants = want_format },
	{ .key = "file", .kind = CONFIG_PATH, AT(config_output, file), .help = "append to this file; SIGHUP opens it anew", .wants = want_not_empty },
	{ .key = "folder", .kind = CONFIG_PATH, AT(config_output, folder), .help = "a file per table in this folder (csv, json)", .wants = want_not_empty },
	{ .key = "rotation", SECTION(config_rotation, rotation_rows), AT(config_output, rotation), .help = "when new files are begun in the folder" },
	{ .key = "retention", SECTION(config_retention, retention_rows), AT(config_output, retention), .help = "when old files of the folder are removed" },
	{ .key = "gzip", .kind = CONFIG_SWITCH, AT(config_output, gzip), .help = "compress files of the folder that are complete" },
	{ .key = "delimiter", .kind = CONFIG_LETTER, AT(config_output, delimiter), .help = "what stands between the cells of csv" },
	{ .key = "header", .kind = CONFIG_SWITCH, AT(config_output, header), .help = "csv begins with the names of the columns" },
	{ 0 },
};

static const struct config_row auth_rows[] = {
	{ .key = "user", .kind = CONFIG_TEXT, AT(config_auth, user), .help = "basic authentication: this user", .wants = want_not_empty },
	{ .key = "password_file", .kind = CONFIG_PATH, AT(config_auth, password_file), .help = "the first line of this file is the password", .wants = want_not_empty },
	{ 0 },
};

static const struct config_row tls_rows[] = {
	{ .key = "certificate", .kind = CONFIG_PATH, AT(config_tls, certificate), .help = "serve https with this certificate (PEM)", .wants = want_not_empty },
	{ .key = "key", .kind = CONFIG_PATH, AT(config_tls, key), .help = "and this private key (PEM)", .wants = want_not_empty },
	{ 0 },
};

static const struct config_row listen_rows[] = {
	{ .key = "address", .kind = CONFIG_TEXT, AT(config_listen, address), .help = "listen here; without it on loopback only", .wants = want_not_empty },
	{ .key = "port", .kind = CONFIG_COUNT, AT(config_listen, port), .max = 65535, .help = "serve /metrics, /health and a page on this port; 0: any" },
	{ .key = "auth", SECTION(config_auth, auth_rows), AT(config_listen, auth), .help = "who may look" },
	{ .key = "tls", SECTION(config_tls, tls_rows), AT(config_listen, tls), .help = "encryption" },
	{ .key = "max_series", .kind = CONFIG_COUNT, AT(config_listen, max_series), .min = 1, .max = 10000000, .fallback = 10000, .help = "so many series per metric; the rest is counted in one" },
	{ .key = "expire", .kind = CONFIG_TIME, AT(config_listen, expire), .help = "series of processes that are gone disappear after this time" },
	{ 0 },
};

static const char *const levels[] = { "debug", "info", "warning", "error", NULL };
static const char *const targets[] = { "auto", "stderr", "file", "journal", NULL };

static const struct config_row log_rows[] = {
	{ .key = "level", .kind = CONFIG_CHOICE, AT(config_log, level), .choices = levels, .help = "what is less important is left out" },
	{ .key = "target", .kind = CONFIG_CHOICE, AT(config_log, target), .choices = targets, .help = "auto: the journal when stderr leads there, else stderr" },
	{ .key = "file", .kind = CONFIG_PATH, AT(config_log, file), .help = "append to this file; SIGHUP opens it anew", .wants = want_not_empty },
	{ .key = "rotation", SECTION(config_rotation, rotation_rows), AT(config_log, rotation), .help = "when a new log file is begun" },
	{ .key = "keep", .kind = CONFIG_COUNT, AT(config_log, keep), .max = 4000, .help = "so many old log files are kept; 0: all" },
	{ 0 },
};

static const struct config_row service_rows[] = {
	{ .key = "name", .kind = CONFIG_TEXT, AT(config_service, name), .help = "how the service is called in its messages", .wants = want_name },
	{ .key = "pid_file", .kind = CONFIG_PATH, AT(config_service, pid_file), .help = "locked while the service runs, so that there is one", .wants = want_not_empty },
	{ .key = "watchdog", .kind = CONFIG_SWITCH, AT(config_service, watchdog), .help = "tell systemd's watchdog that events are read (WatchdogSec=)" },
	{ .key = "retry", .kind = CONFIG_TIME, AT(config_service, retry), .help = "try scripts that could not be started again after this time" },
	{ .key = "keep_running", .kind = CONFIG_SWITCH, AT(config_service, keep_running), .help = "with listen: go on when all scripts have ended or failed" },
	{ 0 },
};

#define SETTINGS(outer)                                                                                                     \
	{ .key = "params", .kind = CONFIG_NAMED, .offset = (outer) + offsetof(struct config_settings, params), .max = PARAMS_MAX, \
	  .help = "options that the script declares with getopt()" },                                                         \
	{ .key = "unsafe", .kind = CONFIG_SWITCH, .offset = (outer) + offsetof(struct config_settings, unsafe),                  \
	  .help = "allow what can harm the system" },                                                                          \
	{ .key = "warnings", .kind = CONFIG_SWITCH, .offset = (outer) + offsetof(struct config_settings, warnings),              \
	  .help = "warn about what goes wrong while tracing" },                                                                \
	{ .key = "verbose", .kind = CONFIG_SWITCH, .offset = (outer) + offsetof(struct config_settings, verbose),                \
	  .help = "say more while loading and attaching" },                                                                    \
	{ .key = "duration", .kind = CONFIG_TIME, .offset = (outer) + offsetof(struct config_settings, duration),                \
	  .help = "end by itself after this time" }

static const struct config_row default_rows[] = { SETTINGS(0), { 0 } };

static const struct config_row script_rows[] = {
	{ .key = "enabled", .kind = CONFIG_SWITCH, AT(config_script, enabled), .help = "false: it is not run" },
	{ .key = "script", .kind = CONFIG_SCRIPT, AT(config_script, script), .help = "a path, or a bundled script; without it the one of that name", .wants = want_not_empty },
	{ .key = "program", .kind = CONFIG_TEXT, AT(config_script, program), .help = "the text of the script itself", .wants = want_not_empty },
	{ .key = "args", .kind = CONFIG_TEXTS, AT(config_script, args), .max = PARAMS_MAX, .help = "$1, $2, ... of the script" },
	SETTINGS(offsetof(struct config_script, settings)),
	{ .key = "filters", SECTION(config_filters, filter_rows), AT(config_script, filters), .help = "as `filters` below, instead of these" },
	{ .key = "output", SECTION(config_output, output_rows), AT(config_script, output), .help = "as `output` below, instead of that" },
	{ 0 },
};

const struct config_row config_rows[] = {
	{ .key = "scripts", .kind = CONFIG_NAMED, AT(config_values, scripts), .rows = script_rows, .size = sizeof(struct config_script), .max = JOBS_MAX,
	  .list_offset = offsetof(struct config_values, script_names), .wants = want_name, .help = "what is run: a name each, with its settings; or a list of names" },
	{ .key = "defaults", SECTION(config_settings, default_rows), AT(config_values, defaults), .help = "settings of scripts that do not say otherwise" },
	{ .key = "filters", SECTION(config_filters, filter_rows), AT(config_values, filters), .help = "which processes are meant, for all scripts" },
	{ .key = "output", SECTION(config_output, output_rows), AT(config_values, output), .help = "what becomes of the records, for all scripts" },
	{ .key = "listen", SECTION(config_listen, listen_rows), AT(config_values, listen), .help = "serve metrics and a page" },
	{ .key = "log", SECTION(config_log, log_rows), AT(config_values, log), .help = "what the service says about itself and its scripts" },
	{ .key = "service", SECTION(config_service, service_rows), AT(config_values, service), .help = "the service as a process" },
	{ 0 },
};
/* clang-format on */

/* --- help --- */

static const char *kind_words(const struct config_row *row)
{
	static const char *const words[] = {
		[CONFIG_TEXT] = "text",		 [CONFIG_PATH] = "path",
		[CONFIG_SCRIPT] = "path, name",	 [CONFIG_TIME] = "time: 5m",
		[CONFIG_SIZE] = "size: 100MB",	 [CONFIG_LETTER] = "character",
		[CONFIG_SWITCH] = "true, false", [CONFIG_COUNT] = "number",
		[CONFIG_TEXTS] = "list",	 [CONFIG_SECTION] = "",
		[CONFIG_NAMED] = "mapping",	 [CONFIG_CHOICE] = "word",
	};

	return words[row->kind];
}

/* A section that stands at the top, too, is explained there. */
static bool is_explained(const struct config_row *row)
{
	for (const struct config_row *top = config_rows; top->key; top++)
		if (row != top && row->rows == top->rows)
			return true;
	return false;
}

static void print_rows(const struct config_row *rows, int depth, FILE *out)
{
	for (const struct config_row *row = rows; row->key; row++) {
		fprintf(out, "%*s%s:%*s%-12s %s", depth * 2, "", row->key,
			22 - depth * 2 - (int)strlen(row->key), "", kind_words(row), row->help);
		for (const char *const *word = row->choices; word && *word; word++)
			fprintf(out, "%s%s", word == row->choices ? " (" : ", ", *word);
		fputs(row->choices ? ")\n" : "\n", out);
		if (!row->rows || is_explained(row))
			continue;
		if (row->kind == CONFIG_NAMED)
			fprintf(out, "%*sNAME:\n", depth * 2 + 2, "");
		print_rows(row->rows, depth + 1 + (row->kind == CONFIG_NAMED), out);
	}
}

void config_help(FILE *out)
{
	print_rows(config_rows, 0, out);
}
