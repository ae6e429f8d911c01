/* The options of `jbtrace report`: one table, from which its --help is made too. */
#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/strmap.h"
#include "base/vec.h"
#include "report/number.h"
#include "report/table.h"
#include "report/when.h"

/* The options being read: lists grow in the arena. */
struct reading {
	struct report_options options;
	struct arena *arena;
	VEC(struct report_names) by;
	VEC(struct report_where) where;
	bool help;
};

struct option_row {
	const char *name;
	int letter; /* 0: long form only */
	const char *arg;
	const char *help;
	int (*set)(struct reading *reading, const char *value);
};

static int complain(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static int complain(const char *fmt, ...)
{
	va_list ap;

	fputs("jbtrace: error: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return 1;
}

static int take_names(struct reading *reading, const char *value, struct report_names *names)
{
	char *copy = arena_strdup(reading->arena, value), *word, *rest = copy;

	names->names =
		arena_alloc(reading->arena, (strlen(value) / 2 + 1 + names->n) * sizeof(char *));
	while ((word = strsep(&rest, ",")))
		if (*word)
			names->names[names->n++] = word;
	return names->n ? 0 : complain("'%s' names no column", value);
}

static int set_by(struct reading *reading, const char *value)
{
	struct report_names names = { 0 };
	int err = take_names(reading, value, &names);

	if (!err && names.n > DIM_COLUMNS_MAX)
		return complain("--by takes at most 4 columns at once, not '%s'", value);
	if (!err)
		vec_push(reading->arena, &reading->by, names);
	return err;
}

static int set_sum(struct reading *reading, const char *value)
{
	reading->options.sums.n = 0;
	return take_names(reading, value, &reading->options.sums);
}

static int set_no_sum(struct reading *reading, const char *value)
{
	reading->options.no_sums.n = 0;
	return take_names(reading, value, &reading->options.no_sums);
}

static int set_key(struct reading *reading, const char *value)
{
	reading->options.keys.n = 0;
	return take_names(reading, value, &reading->options.keys);
}

/* Whole numbers from `least`. */
static int take_number(const char *value, double least, double most, double *number)
{
	char *end;

	*number = strtod(value, &end);
	return !*value || *end || !(*number >= least && *number <= most);
}

static int set_top(struct reading *reading, const char *value)
{
	double number;

	if (take_number(value, 1, 1e6, &number))
		return complain("--top wants a number from 1, not '%s'", value);
	reading->options.top = (unsigned)number;
	return 0;
}

static int set_groups(struct reading *reading, const char *value)
{
	double number;

	if (take_number(value, 10, 1e8, &number))
		return complain("--groups wants a number from 10, not '%s'", value);
	reading->options.groups = (unsigned)number;
	return 0;
}

static int set_min_count(struct reading *reading, const char *value)
{
	if (take_number(value, 0, 1e18, &reading->options.min_count))
		return complain("--min-count wants a number, not '%s'", value);
	return 0;
}

static int set_sort(struct reading *reading, const char *value)
{
	reading->options.sort = value;
	return 0;
}

static int set_type(struct reading *reading, const char *value)
{
	reading->options.type = value;
	return 0;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * NS_PER_S + now.tv_nsec;
}

#define TIME_FORMS                                                                               \
	"a time such as 2026-11-21, '2026-11-21 14:00', 14:00, -2h, yesterday or seconds since " \
	"1970"

static int set_since(struct reading *reading, const char *value)
{
	if (when_parse(value, now_ns(), &reading->options.since))
		return 0;
	return complain("--since wants " TIME_FORMS ", not '%s'", value);
}

static int set_until(struct reading *reading, const char *value)
{
	if (when_parse(value, now_ns(), &reading->options.until))
		return 0;
	return complain("--until wants " TIME_FORMS ", not '%s'", value);
}

static int set_date(struct reading *reading, const char *value)
{
	int64_t ns;

	if (!when_parse(value, now_ns(), &ns))
		return complain("--date wants a day such as 2026-11-21 or yesterday, not '%s'",
				value);
	when_day(ns, &reading->options.since, &reading->options.until);
	return 0;
}

static int set_where(struct reading *reading, const char *value)
{
	/* clang-format off */
	static const struct { const char *text; enum where_op op; } ops[] = {
		{ "!=", WHERE_IS_NOT }, { "<=", WHERE_AT_MOST }, { ">=", WHERE_AT_LEAST },
		{ "=", WHERE_IS }, { "<", WHERE_LESS }, { ">", WHERE_MORE },
	};
	/* clang-format on */
	size_t len = strcspn(value, "=<>!");
	struct report_where where = { 0 };
	const char *at = value + len;
	size_t i = 0;

	while (i < 6 && strncmp(at, ops[i].text, strlen(ops[i].text)))
		i++;
	if (!len || i == 6)
		return complain("--where wants COLUMN=VALUE, or with != < > <= >=, not '%s'",
				value);
	where.column = arena_strndup(reading->arena, value, len);
	where.op = ops[i].op;
	where.value = at + strlen(ops[i].text);
	where.numeric = number_parse(where.value, strlen(where.value), &where.number);
	if (where.op > WHERE_IS_NOT && !where.numeric)
		return complain("--where: '%s' compares with something that is not a number",
				value);
	vec_push(reading->arena, &reading->where, where);
	return 0;
}

static int set_format(struct reading *reading, const char *value)
{
	reading->options.json = strcmp(value, "json") == 0;
	if (!reading->options.json && strcmp(value, "text"))
		return complain("--format is text or json, not '%s'", value);
	return 0;
}

static int set_html(struct reading *reading, const char *value)
{
	reading->options.html = value;
	return 0;
}

static int set_compare(struct reading *reading, const char *value)
{
	(void)value;
	reading->options.compare = true;
	return 0;
}

static int set_by_day(struct reading *reading, const char *value)
{
	(void)value;
	reading->options.by_day = true;
	return 0;
}

static int set_running(struct reading *reading, const char *value)
{
	(void)value;
	reading->options.running = true;
	return 0;
}

static int set_help(struct reading *reading, const char *value)
{
	(void)value;
	reading->help = true;
	return 0;
}

/* clang-format off */
static const struct option_row rows[] = {
	{ "by", 'b', "COLUMNS", "rank by these columns together; may be given again for another ranking", set_by },
	{ "top", 'n', "N", "rows of a ranking (10)", set_top },
	{ "sort", 0, "COLUMN", "rank by this number instead of the main one", set_sort },
	{ "min-count", 0, "N", "leave groups of less than that out of rankings by rates (10)", set_min_count },
	{ "type", 't', "NAME", "this table only; may have *", set_type },
	{ "where", 'w', "CONDITION", "rows where COLUMN=VALUE (with *), also != < > <= >=; may be given again", set_where },
	{ "since", 0, "TIME", "rows from then on: '2026-11-21 14:00', 14:00, -2h, yesterday, ...", set_since },
	{ "until", 0, "TIME", "rows before then", set_until },
	{ "date", 0, "DAY", "rows of that day", set_date },
	{ "compare", 0, NULL, "put the files or folders side by side instead of together", set_compare },
	{ "by-day", 0, NULL, "put the days side by side", set_by_day },
	{ "format", 'f', "FORMAT", "text or json", set_format },
	{ "html", 0, "FILE", "write a page with charts instead", set_html },
	{ "sum", 0, "COLUMNS", "numbers of these columns add up", set_sum },
	{ "no-sum", 0, "COLUMNS", "numbers of these columns do not", set_no_sum },
	{ "key", 0, "COLUMNS", "numbers of these columns are names: they tell rows apart", set_key },
	{ "running", 0, NULL, "numbers are running totals: report what they grew by", set_running },
	{ "groups", 0, "N", "groups of a ranking that are kept exactly (100000)", set_groups },
	{ "help", 'h', NULL, "this text", set_help },
};
/* clang-format on */
#define N_ROWS	  (sizeof(rows) / sizeof(*rows))
#define LONG_BASE 256

static void print_help(void)
{
	printf("usage: jbtrace report [OPTIONS] FILE|FOLDER|- ...\n\n"
	       "What recordings of -f csv and -f json add up to, compressed with gzip or not.\n\n");
	for (size_t i = 0; i < N_ROWS; i++) {
		char left[64];

		snprintf(left, sizeof(left), "%c%c%s--%s%s%s", rows[i].letter ? '-' : ' ',
			 rows[i].letter ? rows[i].letter : ' ', rows[i].letter ? ", " : "  ",
			 rows[i].name, rows[i].arg ? " " : "", rows[i].arg ? rows[i].arg : "");
		printf("  %-26s %s\n", left, rows[i].help);
	}
}

static void fill_getopt(char *letters, struct option *longs)
{
	*letters++ = ':'; /* a missing argument is reported by us */
	for (size_t i = 0; i < N_ROWS; i++) {
		if (rows[i].letter) {
			*letters++ = (char)rows[i].letter;
			if (rows[i].arg)
				*letters++ = ':';
		}
		*longs++ = (struct option){ rows[i].name,
					    rows[i].arg ? required_argument : no_argument, NULL,
					    LONG_BASE + (int)i };
	}
	*letters = '\0';
	*longs = (struct option){ 0 };
}

static const struct option_row *find_row(int code)
{
	for (size_t i = 0; i < N_ROWS; i++)
		if (code == LONG_BASE + (int)i || (code < LONG_BASE && code == rows[i].letter))
			return &rows[i];
	return NULL;
}

/* "--byy": the nearest option. */
static int unknown_option(const char *word)
{
	struct nearest nearest;

	nearest_init(&nearest, word + strspn(word, "-"));
	for (size_t i = 0; i < N_ROWS; i++)
		nearest_try(&nearest, rows[i].name);
	if (!nearest.best)
		return complain("there is no option %s; see jbtrace report --help", word);
	return complain("there is no option %s; did you mean --%s?", word, nearest.best);
}

static int read_options(struct reading *reading, int argc, char **argv)
{
	struct option longs[N_ROWS + 1];
	char letters[2 * N_ROWS + 2];
	int code, err = 0;

	fill_getopt(letters, longs);
	opterr = 0;
	optind = 1;
	while (!err && (code = getopt_long(argc, argv, letters, longs, NULL)) != -1) {
		const char *word = argv[optind > 1 ? optind - 1 : 1];

		if (code == ':')
			err = complain("%s needs a value", word);
		else if (code == '?')
			err = unknown_option(word);
		else
			err = find_row(code)->set(reading, optarg);
	}
	return err;
}

static int check_options(const struct report_options *options)
{
	if (options->since >= options->until)
		return complain("--since is not before --until");
	if (options->html && options->json)
		return complain("--html and --format json exclude each other");
	if (!options->n_files)
		return complain("report wants files: jbtrace report FILE...");
	return 0;
}

int report_main(int argc, char **argv)
{
	struct reading reading = { .arena = arena_new() };
	struct report_options *options = &reading.options;
	int err;

	*options = (struct report_options){
		.since = INT64_MIN, .until = INT64_MAX, .top = 10, .groups = 100000, .min_count = 10
	};
	err = read_options(&reading, argc, argv);
	options->files = (const char *const *)argv + optind;
	options->n_files = err ? 0 : (unsigned)(argc - optind);
	options->by = reading.by.data;
	options->n_by = (unsigned)reading.by.n;
	options->where = reading.where.data;
	options->n_where = (unsigned)reading.where.n;
	options->compare &= !options->by_day;
	if (!err && reading.help)
		print_help();
	else if (!err)
		err = check_options(options);
	if (!err && !reading.help)
		err = report_run(options, stdout, stderr);
	arena_free(reading.arena);
	return err;
}
