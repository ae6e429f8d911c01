/* A recording: what it is called, whether it is CSV or JSON, and which tables of the report its own ones are. */
#include "report/source.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "report/when.h"

enum { TABLES_MAX = 256, HEAD_BYTES = 4096 };

void source_problem(struct source *source, enum problem_kind kind, uint64_t line,
		    const char *detail)
{
	problem_count(&source->run->problems, kind, (struct place){ source->path, line }, NULL,
		      detail, 1);
}

/* --- names --- */

static size_t without_end(const char *text, size_t len, const char *end)
{
	size_t n = strlen(end);

	return len > n && strncmp(text + len - n, end, n) == 0 ? len - n : len;
}

/* The length of a name without n digits and the `_`, `-` or `.` before them; 0: it does not end so. */
static size_t without_digits(const char *name, size_t len, size_t n)
{
	if (len < n + 2 || !strchr("_-.", name[len - n - 1]))
		return 0;
	for (size_t i = len - n; i < len; i++)
		if (!isdigit((unsigned char)name[i]))
			return 0;
	return len - n - 1;
}

/* Without _YYYYmmdd, _YYYYmmdd_HHMMSS or that and the number of a second file of the same second. */
static size_t without_date(const char *name, size_t len)
{
	for (size_t n = 0; n <= 4; n++) {
		size_t clock = n ? without_digits(name, len, n) : len;
		size_t date = clock ? without_digits(name, clock, 6) : 0;
		size_t rest = date ? without_digits(name, date, 8) : 0;

		if (rest)
			return rest;
	}
	return without_digits(name, len, 8) ? without_digits(name, len, 8) : len;
}

/* "out/bio_20261121_140000.csv.gz" is of the table bio. */
static char *stem_of(struct arena *arena, const char *path)
{
	static const char *const ends[] = { ".gz", ".csv", ".json", ".jsonl", ".ndjson" };
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t len = strlen(name);

	if (strcmp(path, "-") == 0)
		return arena_strdup(arena, "stdin");
	for (size_t i = 0; i < sizeof(ends) / sizeof(*ends); i++)
		len = without_end(name, len, ends[i]);
	return arena_strndup(arena, name, without_date(name, len));
}

static bool same_columns(const struct table *table, const struct field *names, unsigned n_names)
{
	if (table->n_real != n_names)
		return false;
	for (unsigned i = 0; i < n_names; i++)
		if (strcmp(table->columns[i].name, names[i].text))
			return false;
	return true;
}

/* `--type io` means the map @io, too. */
static bool is_wanted(const struct report_options *options, const char *name)
{
	return !options->type || glob_match(options->type, name) ||
	       (*name == '@' && glob_match(options->type, name + 1));
}

struct table *source_table(struct source *source, const char *name, const struct field *names,
			   unsigned n_names, uint64_t line)
{
	struct report_run *run = source->run;
	struct table *table;

	if (!is_wanted(run->options, name))
		return NULL;
	for (table = run->tables; table; table = table->next) {
		/* Two files that are compared need not be called the same. */
		bool same_name = strcmp(table->name, name) == 0 ||
				 (run->sides_are_files && table->file != source->path);

		if (same_name && same_columns(table, names, n_names))
			break;
	}
	if (table) {
		table->n_files += table->file != source->path;
		return table;
	}
	if (run->n_tables == TABLES_MAX) {
		source_problem(source, PROBLEM_TABLES, line, name);
		return NULL;
	}
	table = table_new(run, name, names, n_names, source->path);
	table->n_files = 1;
	*run->tables_end = table;
	run->tables_end = &table->next;
	run->n_tables++;
	return table;
}

/* --- what is it? --- */

enum shape { SHAPE_EMPTY, SHAPE_CSV, SHAPE_JSON, SHAPE_NO_HEADER, SHAPE_OTHER };

/* Text of several columns; or of one that is called as a column of ours. */
static enum shape shape_of_line(const char *line, size_t len)
{
	size_t n = strcspn(line, ",;\t|\r\n\"");
	bool one_column = n == strcspn(line, "\r\n");
	struct field first = { NULL, 0 };
	int64_t ns;
	char text[64];

	for (size_t i = 0; i < len; i++)
		if (!line[i] || ((unsigned char)line[i] < ' ' && !strchr("\t\r\n", line[i])))
			return SHAPE_OTHER;
	if (n < sizeof(text)) {
		memcpy(text, line, n);
		text[n] = '\0';
		first = (struct field){ text, (uint32_t)n };
	}
	if (first.text && when_stamp(first.text, first.len, &ns))
		return SHAPE_NO_HEADER;
	return one_column && !(first.text && strcmp(first.text, "timestamp") == 0) ? SHAPE_OTHER
										   : SHAPE_CSV;
}

static enum shape shape_of(struct input *input)
{
	static const char bom[] = "\xef\xbb\xbf";
	const char *line, *end;

	while (input->end - input->begin < HEAD_BYTES && input_more(input))
		;
	if (input->end - input->begin >= 3 && memcmp(input->data + input->begin, bom, 3) == 0)
		input->begin += 3;
	end = input->data + input->end;
	input->data[input->end] = '\0'; /* the window has room for it */
	line = input->data + input->begin;
	line += strspn(line, " \t\r\n");
	if (line == end)
		return SHAPE_EMPTY;
	if (*line == '{')
		return SHAPE_JSON;
	if (end - line > HEAD_BYTES)
		end = line + HEAD_BYTES;
	/* A NUL ends the line, too, and is seen then. */
	return shape_of_line(line, strcspn(line, "\r\n") < (size_t)(end - line)
					   ? strcspn(line, "\r\n") + 1
					   : (size_t)(end - line));
}

static bool read_by_shape(struct source *source)
{
	switch (shape_of(source->input)) {
	case SHAPE_CSV:
		source_read_csv(source);
		return true;
	case SHAPE_JSON:
		source_read_json(source);
		return true;
	case SHAPE_EMPTY:
		if (!source->input->problem)
			source_problem(source, PROBLEM_FILE, 0, "empty");
		return true;
	case SHAPE_NO_HEADER:
		report_complain(source->run->messages,
				"%s:1: the first line is data; it should name the columns "
				"(timestamp,time_str,...)",
				source->path);
		return false;
	case SHAPE_OTHER:
		report_complain(source->run->messages, "%s: not a CSV or JSON recording",
				source->path);
		return false;
	}
	return false;
}

bool source_read(struct report_run *run, const char *path, unsigned side)
{
	bool is_stdin = strcmp(path, "-") == 0, read;
	struct source source = { .run = run, .side = side };

	source.path = arena_strdup(run->arena, is_stdin ? "stdin" : path);
	source.input = input_open(path);
	if (!source.input)
		return report_complain(run->messages, "cannot read '%s': %s", source.path,
				       strerror(errno)),
		       false;
	source.stem = stem_of(run->arena, path);
	read = read_by_shape(&source);
	if (source.input->problem)
		source_problem(&source, PROBLEM_FILE, 0, source.input->problem);
	else if (read && !source.rows && !source.others && source.input->taken &&
		 !run->options->type)
		source_problem(&source, PROBLEM_FILE, 0, "no rows");
	run->bytes += source.input->taken;
	run->rows += source.rows;
	run->n_files++;
	input_close(source.input);
	return read;
}
