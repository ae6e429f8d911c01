/*
 * A report from beginning to end: which files, which sides, reading, then the document and its printer. What goes wrong with a
 * file does not end it; the exit code tells.
 */
#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/strmap.h"
#include "report/view.h"
#include "report/when.h"

/* For groups, histograms and courses over time; the rest of a report takes some 20 MiB. */
#define MEMORY_MAX ((size_t)128 << 20)

enum { SPANS_TEXT = 80, SPANS_PAGE = 240, WIDTH_DEFAULT = 100, WIDTH_MIN = 60, WIDTH_MAX = 200 };

int report_complain(FILE *messages, const char *fmt, ...)
{
	va_list ap;

	fputs("jbtrace: error: ", messages);
	va_start(ap, fmt);
	vfprintf(messages, fmt, ap);
	va_end(ap);
	fputc('\n', messages);
	return 1;
}

/* --- files --- */

static bool is_folder(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

static int is_recording(const struct dirent *entry)
{
	static const char *const ends[] = { ".csv", ".csv.gz", ".json", ".json.gz" };
	size_t len = strlen(entry->d_name);

	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++) {
		size_t n = strlen(ends[i]);

		if (len > n && strcmp(entry->d_name + len - n, ends[i]) == 0)
			return 1;
	}
	return 0;
}

static void read_folder(struct report_run *run, const char *folder, unsigned side)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_recording, alphasort);
	size_t len = strlen(folder);

	if (n <= 0) {
		run->n_failed++;
		if (n < 0)
			report_complain(run->messages, "cannot read '%s': %s", folder,
					strerror(errno));
		else
			report_complain(run->messages,
					"%s: there is no *.csv, *.csv.gz, *.json or *.json.gz in "
					"this folder",
					folder);
	}
	for (int i = 0; i < n; i++) {
		const char *slash = len && folder[len - 1] == '/' ? "" : "/";
		const char *path =
			arena_printf(run->arena, "%s%s%s", folder, slash, entries[i]->d_name);

		run->n_failed += !source_read(run, path, side);
		free(entries[i]);
	}
	free(entries);
}

static void read_argument(struct report_run *run, const char *path, unsigned side)
{
	if (strcmp(path, "-") && is_folder(path))
		read_folder(run, path, side);
	else
		run->n_failed += !source_read(run, path, side);
}

/* --- sides --- */

/* The last part of a path when that tells them apart, else all of it. */
static const char *short_name(struct arena *arena, const struct report_options *options, unsigned i)
{
	const char *path = options->files[i];
	size_t len = strlen(path), begin;

	while (len > 1 && path[len - 1] == '/')
		len--;
	for (begin = len; begin > 0 && path[begin - 1] != '/'; begin--)
		;
	for (unsigned j = 0; j < options->n_files; j++) {
		const char *other = options->files[j];
		size_t n = strlen(other);

		while (n > 1 && other[n - 1] == '/')
			n--;
		if (j != i && n >= len - begin &&
		    strncmp(other + n - (len - begin), path + begin, len - begin) == 0)
			return arena_strndup(arena, path, len);
	}
	return arena_strndup(arena, path + begin, len - begin);
}

static int make_sides(struct report_run *run)
{
	const struct report_options *options = run->options;

	run->sides = arena_alloc(run->arena, REPORT_SIDES_MAX * sizeof(*run->sides));
	if (options->by_day)
		return 0; /* as the days come */
	run->n_sides = options->compare ? options->n_files : 1;
	if (options->compare && run->n_sides < 2)
		return report_complain(run->messages,
				       "--compare needs two files or folders, or --by-day");
	if (run->n_sides > REPORT_SIDES_MAX)
		return report_complain(run->messages, "--compare takes at most %d files or folders",
				       REPORT_SIDES_MAX);
	run->sides_are_files = options->compare;
	for (unsigned i = 0; options->compare && i < run->n_sides; i++) {
		run->sides[i].name = short_name(run->arena, options, i);
		run->sides_are_files &= !is_folder(options->files[i]);
	}
	return 0;
}

/* --- what was asked for and is not there --- */

static bool has_column(const struct report_run *run, const char *name, struct nearest *nearest)
{
	nearest_init(nearest, name);
	for (const struct table *table = run->tables; table; table = table->next) {
		if (table_column(table, name) >= 0)
			return true;
		for (unsigned i = 0; i < table->n_columns; i++)
			nearest_try(nearest, table->columns[i].name);
	}
	return false;
}

/* Names of all columns, each once: "comm, pid and count". */
static const char *list_columns(const struct report_run *run)
{
	struct strmap *names = strmap_new(run->arena);
	const char *list = "";
	size_t n;

	for (const struct table *table = run->tables; table; table = table->next)
		for (unsigned i = 0; i < table->n_columns; i++)
			strmap_put(names, table->columns[i].name, names);
	n = strmap_len(names);
	for (size_t i = 0; i < n; i++)
		list = arena_printf(run->arena, "%s%s'%s'", list,
				    !i		? ""
				    : i + 1 < n ? ", "
						: " and ",
				    strmap_at(names, i, NULL));
	return list;
}

static int check_column(const struct report_run *run, const char *option, const char *name)
{
	struct nearest nearest;

	if (!run->tables || has_column(run, name, &nearest))
		return 0;
	if (nearest.best)
		return report_complain(run->messages,
				       "%s: no table has a column '%s'; did you mean '%s'?", option,
				       name, nearest.best);
	return report_complain(run->messages, "%s: no table has a column '%s', but %s", option,
			       name, list_columns(run));
}

static int check_names(const struct report_run *run, const char *option,
		       const struct report_names *names)
{
	int err = 0;

	for (unsigned i = 0; i < names->n && !err; i++)
		err = check_column(run, option, names->names[i]);
	return err;
}

static int check_columns(const struct report_run *run)
{
	const struct report_options *options = run->options;
	int err = options->sort ? check_column(run, "--sort", options->sort) : 0;

	for (unsigned i = 0; i < options->n_by && !err; i++)
		err = check_names(run, "--by", &options->by[i]);
	for (unsigned i = 0; i < options->n_where && !err; i++)
		err = check_column(run, "--where", options->where[i].column);
	if (!err)
		err = check_names(run, "--sum", &options->sums);
	if (!err)
		err = check_names(run, "--no-sum", &options->no_sums);
	if (!err)
		err = check_names(run, "--key", &options->keys);
	return err;
}

static void complain_of_nothing(const struct report_run *run)
{
	const struct report_options *options = run->options;
	struct buf out = { 0 };

	if (!run->tables && options->type && run->rows + run->bytes) {
		report_complain(run->messages, "--type: there is no table '%s'", options->type);
	} else if (run->seen_first <= run->seen_last &&
		   (options->since != INT64_MIN || options->until != INT64_MAX)) {
		when_put(&out, run->seen_first, false);
		buf_puts(&out, " to ");
		when_put(&out, run->seen_last, false);
		report_complain(
			run->messages,
			"no row is left after --since, --until and --where; the recording has %s",
			out.data);
	} else if (run->rows) {
		report_complain(run->messages, "no row is left after --where, --since and --until");
	} else if (!run->n_failed) {
		report_complain(run->messages, "there are no rows to report");
	}
	buf_fini(&out);
}

/* --- the document --- */

static void put_tables(struct view *view)
{
	struct report_run *run = view->run;

	for (struct table *table = run->tables; table; table = table->next) {
		if (!table->n_matched)
			continue;
		if (run->options->compare || run->options->by_day)
			view_compare(view, table);
		else
			view_table(view, table, table->tallies[0]);
	}
}

/* The first columns, for tables of one name. */
static const char *name_by_columns(struct report_run *run, const struct table *table)
{
	struct buf out = { 0 };
	const char *name;

	buf_printf(&out, "%s (", table->name);
	for (unsigned i = 0, n = 0; i < table->n_real && n < 3; i++)
		if ((int)i != table->time && strcmp(table->columns[i].name, "time_str"))
			buf_printf(&out, "%s%s", n++ ? ", " : "", table->columns[i].name);
	buf_puts(&out, ", ...)");
	name = arena_strdup(run->arena, out.data);
	buf_fini(&out);
	return name;
}

static void name_tables(struct report_run *run)
{
	struct table *table, *other;

	for (table = run->tables; table; table = table->next)
		for (other = run->tables; other; other = other->next)
			table->ambiguous |= other != table && other->n_matched &&
					    strcmp(other->name, table->name) == 0;
	for (table = run->tables; table; table = table->next)
		if (table->ambiguous)
			table->name = name_by_columns(run, table);
}

static void put_notes(struct view *view)
{
	struct report_run *run = view->run;
	struct doc *doc = view->doc;

	for (struct table *table = run->tables; table; table = table->next)
		if (table->hidden && table->n_seen)
			vec_push(doc->arena, &doc->notes,
				 view_text(view,
					   "%s: left out, it does not have the columns of --where.",
					   table->name));
	for (struct table *table = run->tables; table; table = table->next)
		if (table->n_matched && run->options->n_by && !table->n_dims)
			vec_push(doc->arena, &doc->notes,
				 view_text(view,
					   "%s: no ranking, it does not have the columns of --by.",
					   table->name));
	if (run->untimed)
		vec_push(doc->arena, &doc->notes,
			 view_text(view, "%llu rows without a time are left out.",
				   (unsigned long long)run->untimed));
	for (const struct problem *problem = run->problems.list; problem; problem = problem->next) {
		struct buf out = { 0 };

		problem_put(&out, problem);
		vec_push(doc->arena, &doc->notes, view_text(view, "%s.", out.data));
		buf_fini(&out);
	}
}

static const char *summary_of(struct view *view)
{
	const struct report_run *run = view->run;
	struct buf out = { 0 };
	char *text;

	number_put(&out, (long double)run->rows);
	buf_puts(&out, " rows from ");
	if (run->n_files == 1)
		buf_puts(&out, "1 file");
	else
		buf_printf(&out, "%u files", run->n_files);
	buf_puts(&out, ", ");
	number_put_unit(&out, (long double)run->bytes, UNIT_BYTES);
	text = arena_strdup(view->doc->arena, out.data);
	buf_fini(&out);
	return text;
}

static struct text_style style_of(FILE *out)
{
	const char *columns = getenv("COLUMNS"), *names[] = { "LC_ALL", "LC_CTYPE", "LANG" };
	struct text_style style = { .width = WIDTH_DEFAULT };
	int fd = fileno(out);
	struct winsize size;

	if (columns && atoi(columns) > 0)
		style.width = (unsigned)atoi(columns);
	else if (fd >= 0 && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col)
		style.width = size.ws_col;
	style.width = style.width < WIDTH_MIN	? WIDTH_MIN
		      : style.width > WIDTH_MAX ? WIDTH_MAX
						: style.width;
	style.color = fd >= 0 && isatty(fd) && !getenv("NO_COLOR");
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		const char *value = getenv(names[i]);

		if (!value || !*value)
			continue;
		style.unicode = strcasestr(value, "utf-8") || strcasestr(value, "utf8");
		break;
	}
	return style;
}

static int write_all(const struct report_run *run, FILE *out, const char *name,
		     const struct buf *text)
{
	if (fwrite(text->data, 1, text->len, out) == text->len && fflush(out) == 0)
		return 0;
	if (errno == EPIPE)
		return 0;
	return report_complain(run->messages, "cannot write %s: %s", name, strerror(errno));
}

static int write_page(const struct report_run *run, const struct doc *doc, FILE *out)
{
	const char *path = run->options->html;
	struct buf text = { 0 };
	FILE *file = strcmp(path, "-") ? fopen(path, "we") : out;
	int err;

	if (!file)
		return report_complain(run->messages, "cannot write '%s': %s", path,
				       strerror(errno));
	doc_print_html(doc, &text);
	err = write_all(run, file, path, &text);
	if (file != out && fclose(file) && !err)
		err = report_complain(run->messages, "cannot write '%s': %s", path,
				      strerror(errno));
	buf_fini(&text);
	return err;
}

static int print(struct report_run *run, FILE *out)
{
	const struct report_options *options = run->options;
	struct text_style style = style_of(out);
	struct doc doc = { .arena = arena_new(), .title = "jbtrace report" };
	struct view view = { .run = run, .doc = &doc, .spans = SPANS_PAGE };
	struct buf text = { 0 };
	int err;

	if (!options->html && !options->json)
		view.spans = style.width - 4 < SPANS_TEXT ? style.width - 4 : SPANS_TEXT;
	name_tables(run);
	put_tables(&view);
	put_notes(&view);
	doc.summary = summary_of(&view);
	if (options->html) {
		err = write_page(run, &doc, out);
	} else {
		if (options->json)
			doc_print_json(&doc, &text);
		else
			doc_print_text(&doc, &style, &text);
		err = write_all(run, out, "the report", &text);
	}
	buf_fini(&text);
	arena_free(doc.arena);
	return err;
}

/* --- the whole --- */

static void read_all(struct report_run *run)
{
	const struct report_options *options = run->options;

	for (unsigned i = 0; i < options->n_files; i++)
		read_argument(run, options->files[i], options->compare ? i : 0);
	for (struct table *table = run->tables; table; table = table->next)
		table_finish(table);
}

static bool has_rows(const struct report_run *run)
{
	for (const struct table *table = run->tables; table; table = table->next)
		if (table->n_matched)
			return true;
	return false;
}

int report_run(const struct report_options *options, FILE *out, FILE *messages)
{
	struct report_run run = { .options = options, .messages = messages };
	int err;

	run.arena = arena_new();
	run.budget.max = MEMORY_MAX;
	run.tables_end = &run.tables;
	run.seen_first = INT64_MAX;
	run.seen_last = INT64_MIN;
	problems_init(&run.problems, run.arena);
	err = make_sides(&run);
	if (!err) {
		read_all(&run);
		problems_print(&run.problems, messages);
		err = check_columns(&run);
	}
	if (!err && !has_rows(&run)) {
		complain_of_nothing(&run);
		err = 1;
	} else if (!err && options->by_day && run.n_sides < 2) {
		err = report_complain(messages, "--by-day: the recording has one day only, %s",
				      run.n_sides ? run.sides[0].name : "without times");
	}
	if (!err)
		err = print(&run, out);
	for (struct table *table = run.tables; table; table = table->next)
		table_free(table);
	arena_free(run.arena);
	return err ? err : run.n_failed > 0;
}
