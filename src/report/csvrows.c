/*
 * Rows in CSV recordings: a header line, rows, and after an empty line, or where a header comes again, the next table. Tables
 * of a stream have no names: what tells them apart is their columns.
 */
#include <stdlib.h>
#include <string.h>

#include "report/source.h"
#include "report/when.h"

/*
 * Maps of one script may have the same columns. Where a header follows its like, or the like of it comes again at once, the
 * script has printed two of them; what it prints again at its next interval is later than this.
 */
#define AT_ONCE (20 * NS_PER_MS)

enum { HEADERS_MAX = 64 };

/* A header that this file has had. */
struct header {
	struct field *written; /* n names as they stand there, and made into names of columns */
	struct field *names;
	unsigned n;
	int64_t last; /* time of the last row under it; 0: it had none */
	unsigned nth; /* of the tables under it, from 0 */
	bool named;   /* its rows say whose and of what they are */
};

struct csv_reader {
	struct source *source;
	struct csv csv;
	struct header headers[HEADERS_MAX];
	unsigned n_headers;
	struct header *header; /* of the rows that come; NULL: there was none, or too many */
	uint64_t header_line;
	bool undecided;	     /* a header was read, no row yet */
	bool follows_like;   /* it came right after one of its like */
	struct table *table; /* NULL: not wanted */
	unsigned n_columns;  /* of the header; 0: there was none yet */
	bool after_gap;	     /* an empty line came: the next line may be a header */
	char name[300];	     /* of the table, where rows say it */
};

/* Names, not data: at least one letter each, and no two the same. */
static bool is_header(const struct field *fields, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		long double number;
		int64_t ns;

		if (!fields[i].len || fields[i].len > 256 ||
		    number_parse(fields[i].text, fields[i].len, &number) ||
		    when_stamp(fields[i].text, fields[i].len, &ns))
			return false;
		for (const char *at = fields[i].text; *at; at++)
			if ((unsigned char)*at < ' ')
				return false;
	}
	for (unsigned i = 0; i < n; i++)
		for (unsigned j = 0; j < i; j++)
			if (strcmp(fields[i].text, fields[j].text) == 0)
				return false;
	return true;
}

/* Every column needs a name of its own. */
static void fix_names(struct arena *arena, struct field *names, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *name = names[i].text;

		if (!names[i].len)
			name = arena_printf(arena, "column%u", i + 1);
		for (unsigned j = 0; j < i; j++)
			if (strcmp(names[j].text, name) == 0)
				name = arena_printf(arena, "%s#%u", names[i].text, i + 1);
		names[i] = (struct field){ name, (uint32_t)strlen(name) };
	}
}

/* What print() of a map without rows of agg() writes. */
static bool is_map(const struct field *names, unsigned n)
{
	static const char *const ends[][3] = { { "min", "max", "count" },
					       { "count", "average", "total" } };

	if (n && strcmp(names[n - 1].text, "value") == 0)
		return true;
	for (size_t i = 0; n >= 3 && i < sizeof(ends) / sizeof(*ends); i++)
		if (strcmp(names[n - 3].text, ends[i][0]) == 0 &&
		    strcmp(names[n - 2].text, ends[i][1]) == 0 &&
		    strcmp(names[n - 1].text, ends[i][2]) == 0)
			return true;
	return false;
}

static bool same_names(const struct header *header, const struct csv *csv)
{
	if (header->n != csv->n_fields)
		return false;
	for (unsigned i = 0; i < header->n; i++)
		if (strcmp(header->written[i].text, csv->fields[i].text))
			return false;
	return true;
}

/* With several scripts in one stream the rows say whose and of what they are. */
static bool has_table_names(const struct header *header)
{
	return header->n > 4 && strcmp(header->written[1].text, "time_str") == 0 &&
	       strcmp(header->written[2].text, "script") == 0 &&
	       strcmp(header->written[3].text, "table") == 0;
}

/* Made when it is new: a stream of days has few headers, but each of them many times. NULL: too many. */
static struct header *find_header(struct csv_reader *reader)
{
	struct arena *arena = reader->source->run->arena;
	const struct csv *csv = &reader->csv;
	struct header *header = reader->headers;

	for (; header < reader->headers + reader->n_headers; header++)
		if (same_names(header, csv))
			return header;
	if (reader->n_headers == HEADERS_MAX)
		return NULL;
	reader->n_headers++;
	header->n = csv->n_fields;
	header->written = arena_alloc(arena, header->n * sizeof(*header->written));
	header->names = arena_alloc(arena, header->n * sizeof(*header->names));
	for (unsigned i = 0; i < header->n; i++)
		header->names[i] = header->written[i] =
			(struct field){ arena_strdup(arena, csv->fields[i].text),
					csv->fields[i].len };
	fix_names(arena, header->names, header->n);
	header->named = has_table_names(header);
	return header;
}

/* Which table it is, a row has to tell. */
static void take_header(struct csv_reader *reader)
{
	struct csv *csv = &reader->csv;
	struct header *before = reader->header;

	reader->header = find_header(reader);
	reader->follows_like = reader->after_gap && before && reader->header == before;
	reader->n_columns = csv->expected = csv->n_fields;
	reader->header_line = csv->line;
	reader->undecided = true;
}

/* At the first row under a header. */
static struct table *choose_table(struct csv_reader *reader, int64_t time)
{
	struct source *source = reader->source;
	struct header *header = reader->header;
	bool at_once;
	char name[300];

	if (!header) {
		source_problem(source, PROBLEM_TABLES, reader->header_line, NULL);
		return NULL;
	}
	if (header->named)
		return source_table(source, reader->name, header->names, header->n,
				    reader->header_line);
	at_once = header->last && time && time - header->last < AT_ONCE &&
		  is_map(header->names, header->n);
	header->nth = reader->follows_like || at_once ? header->nth + 1 : 0;
	if (!header->nth)
		return source_table(source, source->stem, header->names, header->n,
				    reader->header_line);
	source_problem(source, PROBLEM_ALIKE, reader->header_line, NULL);
	snprintf(name, sizeof(name), "%s#%u", source->stem, header->nth + 1);
	return source_table(source, name, header->names, header->n, reader->header_line);
}

/* Is the row of another table than the one before, as it says itself? */
static bool changes_table(struct csv_reader *reader)
{
	char name[sizeof(reader->name)];

	if (!reader->header || !reader->header->named)
		return false;
	snprintf(name, sizeof(name), "%s: %s", reader->csv.fields[2].text,
		 reader->csv.fields[3].text);
	if (strcmp(name, reader->name) == 0)
		return false;
	memcpy(reader->name, name, sizeof(name));
	return true;
}

static void take_row(struct csv_reader *reader)
{
	struct source *source = reader->source;
	struct csv *csv = &reader->csv;
	struct place place = { source->path, csv->line };
	int64_t time = 0;

	if (!when_stamp(csv->fields[0].text, csv->fields[0].len, &time))
		time = 0;
	if (changes_table(reader) || reader->undecided)
		reader->table = choose_table(reader, time);
	reader->undecided = false;
	if (reader->header)
		reader->header->last = time;
	if (reader->table) {
		source->rows++;
		table_row(reader->table, csv->fields, place, source->side);
	}
}

/* A header in the middle, without an empty line before it: a recorder was started again on the same file. */
static bool begins_table(const struct csv *csv)
{
	return strcmp(csv->fields[0].text, "timestamp") == 0 &&
	       is_header(csv->fields, csv->n_fields);
}

static void take_record(struct csv_reader *reader)
{
	struct source *source = reader->source;
	struct csv *csv = &reader->csv;

	if (csv->has_nul)
		source_problem(source, PROBLEM_NUL, csv->line, NULL);
	else if (!reader->n_columns || (reader->after_gap && is_header(csv->fields, csv->n_fields)))
		take_header(reader);
	else if (reader->header && same_names(reader->header, csv))
		return; /* appended to by another run */
	else if (begins_table(csv))
		take_header(reader);
	else if (csv->n_fields != reader->n_columns)
		source_problem(source, PROBLEM_COLUMNS, csv->line, csv->fields[0].text);
	else
		take_row(reader);
	reader->after_gap = false;
}

/* The delimiter of the header line. */
static char delimiter_of(const struct input *input)
{
	const char *line = input->data + input->begin;
	size_t len = strcspn(line, "\r\n"), counts[4] = { 0 };
	const char *const candidates = ",;\t|";
	int best = 0;

	for (size_t i = 0; i < len; i++)
		for (int c = 0; c < 4; c++)
			counts[c] += line[i] == candidates[c];
	for (int c = 1; c < 4 && !counts[0]; c++)
		best = counts[c] > counts[best] ? c : best;
	return candidates[best];
}

void source_read_csv(struct source *source)
{
	struct field *fields = mem_alloc(CSV_FIELDS_MAX * sizeof(*fields));
	struct csv_reader *reader = mem_alloc(sizeof(*reader));
	struct csv *csv = &reader->csv;
	enum csv_status status;

	*reader = (struct csv_reader){ .source = source };
	csv_init(csv, source->input, delimiter_of(source->input), fields);
	while ((status = csv_next(csv)) != CSV_END) {
		switch (status) {
		case CSV_RECORD:
			take_record(reader);
			break;
		case CSV_EMPTY:
			reader->after_gap = true;
			break;
		case CSV_TORN:
			source_problem(source, PROBLEM_TORN, csv->line,
				       csv->n_fields ? csv->fields[0].text : NULL);
			break;
		case CSV_UNCLOSED:
			source_problem(source, PROBLEM_UNCLOSED, csv->line, NULL);
			break;
		case CSV_TOO_LONG:
			source_problem(source, PROBLEM_TOO_LONG, csv->line, NULL);
			break;
		case CSV_END:
			break;
		}
	}
	free(reader);
	free(fields);
}
