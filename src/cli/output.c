/*
 * Where a script's output goes, and how files of it are kept: -o, --rotate, --keep. Files themselves are the library's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

struct unit {
	const char *name;
	double factor;
};

/* A number over 0 and a unit. `most`: of the result. */
static bool parse_amount(const char *text, const struct unit *units, double most, uint64_t *amount)
{
	char *end = NULL;
	double n = strtod(text, &end);

	if (*text < '0' || *text > '9' || !(n > 0))
		return false;
	for (; units->name; units++) {
		if (strcmp(end, units->name))
			continue;
		n *= units->factor;
		if (n < 1 || n > most)
			return false;
		*amount = (uint64_t)n;
		return true;
	}
	return false;
}

bool parse_time(const char *text, uint64_t *ns)
{
	static const struct unit units[] = {
		{ "", 1e9 },	      { "s", 1e9 },    { "ms", 1e6 },	{ "us", 1e3 },
		{ "m", 60e9 },	      { "min", 60e9 }, { "h", 3600e9 }, { "d", 86400e9 },
		{ "w", 7 * 86400e9 }, { 0 },
	};

	return parse_amount(text, units, 9e18, ns);
}

/* A kilobyte is 1024 bytes, as for ls -h, du -h and logrotate. */
bool parse_size(const char *text, uint64_t *bytes)
{
	static const double k = 1024;
	const struct unit units[] = {
		{ "", 1 },
		{ "B", 1 },
		{ "K", k },
		{ "KB", k },
		{ "KiB", k },
		{ "M", k * k },
		{ "MB", k * k },
		{ "MiB", k * k },
		{ "G", k * k * k },
		{ "GB", k * k * k },
		{ "GiB", k * k * k },
		{ "T", k * k * k * k },
		{ "TB", k * k * k * k },
		{ "TiB", k * k * k * k },
		{ 0 },
	};

	return parse_amount(text, units, 9e18, bytes);
}

int set_rotate(struct cli *cli, const char *value)
{
	if (strcmp(value, "day") == 0) {
		cli->run.files.daily = true;
		return 0;
	}
	if (parse_size(value, &cli->run.files.max_bytes))
		return 0;
	return complain("--rotate wants `day` or a size such as 100MB, not '%s'", value);
}

/* What counts is the unit: 7d is an age, 2GB is a size. A number alone could be either. */
int set_keep(struct cli *cli, const char *value)
{
	bool has_unit = value[strspn(value, "0123456789.")];

	if (has_unit && (parse_time(value, &cli->run.files.max_age_ns) ||
			 parse_size(value, &cli->run.files.max_total_bytes)))
		return 0;
	return complain("--keep wants an age such as 7d or 12h, or a size such as 2GB, not '%s'",
			value);
}

bool is_folder(const char *path)
{
	size_t len = strlen(path);
	struct stat st;

	return (len && path[len - 1] == '/') || (stat(path, &st) == 0 && S_ISDIR(st.st_mode));
}

bool is_replaced(const char *path, const char *format)
{
	struct stat st;

	return format && strcmp(format, "prom") == 0 && (stat(path, &st) || S_ISREG(st.st_mode));
}

/* Never descriptor 0, which stands for standard output and is free in a process without standard input. */
static int open_file(struct cli *cli)
{
	int fd = open(cli->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd == 0)
		fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	cli->run.out_fd = fd;
	return fd < 0 ? complain("cannot write '%s': %s", cli->output, strerror(errno)) : 0;
}

int open_output(struct cli *cli)
{
	const struct jb_files *files = &cli->run.files;

	if (cli->output && is_folder(cli->output)) {
		cli->run.folder = cli->output;
		return jb_check_output(&cli->run, stderr) ? EXIT_USAGE : 0;
	}
	if (files->daily || files->gzip || files->max_bytes || files->max_age_ns ||
	    files->max_total_bytes)
		return complain(
			"--rotate, --keep and --gzip are for files in a folder: -o FOLDER/");
	if (cli->output && is_replaced(cli->output, cli->run.format)) {
		cli->run.file = cli->output;
		return 0;
	}
	return cli->output ? open_file(cli) : 0;
}
