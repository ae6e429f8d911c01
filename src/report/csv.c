/*
 * The scanner looks at every byte once. Nothing in the window is changed until the record's end has been found, since the
 * record is looked at again from its beginning when the window has to grow; then quotes are taken out in place and each field
 * gets a 0 behind it, where its delimiter was.
 */
#include "report/csv.h"

#include <string.h>

/* One record on its way: `at` runs, `stop` is the end of the window, where a line feed stands as a sentinel. */
struct scan {
	struct csv *csv;
	char *at, *stop;
	uint64_t lines; /* line ends within quotes */
	bool closed;	/* its line end was seen */
	bool too_many;
	bool junk; /* something between a closing quote and the delimiter */
};

static bool is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

/* A quoted field's text still has its quotes doubled; the length's place keeps that for later. */
#define NEEDS_UNDOUBLING 0x80000000u

static void field_add(struct scan *scan, const char *begin, const char *end, bool doubled)
{
	struct csv *csv = scan->csv;

	if (csv->n_fields == CSV_FIELDS_MAX) {
		scan->too_many = true;
		return;
	}
	csv->fields[csv->n_fields++] =
		(struct field){ begin, (uint32_t)(end - begin) | (doubled ? NEEDS_UNDOUBLING : 0) };
}

/* After the opening quote, up to the delimiter or line end behind the closing one. False: the window ends before. */
static bool scan_quoted(struct scan *scan)
{
	char *begin = ++scan->at, *end;
	bool doubled = false;

	for (;; scan->at++) {
		if (scan->at == scan->stop)
			return false;
		if (*scan->at == '"') {
			if (scan->at + 1 == scan->stop && !scan->csv->input->at_end)
				return false;
			if (scan->at[1] != '"' || scan->at + 1 == scan->stop)
				break;
			doubled = true;
			scan->at++;
		} else if (*scan->at == '\n') {
			scan->lines++;
		} else if (*scan->at == '\0') {
			scan->csv->has_nul = true;
		}
	}
	end = scan->at++;
	/* What stands between the closing quote and the delimiter belongs to nothing. */
	while (scan->at < scan->stop && *scan->at != scan->csv->delimiter &&
	       !is_line_end(*scan->at)) {
		scan->at++;
		scan->junk = true;
	}
	if (scan->at == scan->stop && !scan->csv->input->at_end)
		return false;
	field_add(scan, begin, end, doubled);
	return true;
}

static void scan_plain(struct scan *scan)
{
	const bool *stops = scan->csv->stops;
	char *begin = scan->at, *at = begin;

	for (;; at++) {
		while (!stops[(unsigned char)*at])
			at++;
		if (*at)
			break;
		scan->csv->has_nul = true;
	}
	scan->at = at;
	field_add(scan, begin, at, false);
}

/* True: the record is complete, or all there is. `at` is behind its line end. */
static bool scan_record(struct scan *scan)
{
	struct input *input = scan->csv->input;

	for (;;) {
		if (*scan->at == '"' && scan->at < scan->stop) {
			if (!scan_quoted(scan))
				return input->at_end;
		} else {
			scan_plain(scan);
		}
		if (scan->at == scan->stop)
			return input->at_end;
		if (*scan->at == scan->csv->delimiter) {
			scan->at++;
			continue;
		}
		if (*scan->at == '\r' && scan->at + 1 == scan->stop && !input->at_end)
			return false; /* is it followed by a line feed? */
		scan->at += *scan->at == '\r' && scan->at + 1 < scan->stop && scan->at[1] == '\n';
		scan->at++;
		scan->closed = true;
		return true;
	}
}

static uint32_t undouble(char *text, uint32_t len)
{
	uint32_t to = 0;

	for (uint32_t from = 0; from < len; from++) {
		text[to++] = text[from];
		from += text[from] == '"';
	}
	return to;
}

static void finish_fields(struct csv *csv)
{
	for (unsigned i = 0; i < csv->n_fields; i++) {
		struct field *field = &csv->fields[i];
		char *text = csv->input->data + (field->text - csv->input->data);

		if (field->len & NEEDS_UNDOUBLING)
			field->len = undouble(text, field->len & ~NEEDS_UNDOUBLING);
		text[field->len] = '\0';
	}
}

/* Leave out what there is up to the next line end. */
static void drop_line(struct csv *csv)
{
	struct input *input = csv->input;

	for (;;) {
		char *begin = input->data + input->begin;
		char *end = memchr(begin, '\n', input->end - input->begin);

		if (end) {
			input->begin += (size_t)(end + 1 - begin);
			csv->lines++;
			return;
		}
		input->begin = input->end;
		if (!input_more(input))
			return;
	}
}

/* False: there is nothing left. */
static bool scan_next(struct csv *csv, struct scan *scan, bool *full)
{
	struct input *input = csv->input;

	for (;;) {
		*scan = (struct scan){ .csv = csv,
				       .at = input->data + input->begin,
				       .stop = input->data + input->end };
		csv->n_fields = 0;
		csv->has_nul = false;
		*scan->stop = '\n';
		if (input->begin == input->end) {
			if (!input_more(input))
				return false;
			continue;
		}
		if (scan_record(scan))
			return true;
		*full = !input_more(input) && !input->at_end;
		if (*full)
			return true;
	}
}

void csv_init(struct csv *csv, struct input *input, char delimiter, struct field *fields)
{
	*csv = (struct csv){ .input = input, .delimiter = delimiter, .fields = fields };
	csv->stops[(unsigned char)delimiter] = true;
	csv->stops['\n'] = csv->stops['\r'] = csv->stops['\0'] = true;
}

enum csv_status csv_next(struct csv *csv)
{
	struct scan scan;
	bool full = false;

	csv->line = csv->lines + 1;
	if (!scan_next(csv, &scan, &full))
		return CSV_END;
	/* A record over several lines that is not quite one: more likely a torn one and its successors. */
	if (scan.lines && (full || !scan.closed || scan.junk ||
			   (csv->expected && csv->n_fields != csv->expected))) {
		drop_line(csv);
		return CSV_UNCLOSED;
	}
	if (full) {
		drop_line(csv);
		return CSV_TOO_LONG;
	}
	csv->lines += scan.lines + scan.closed;
	csv->input->begin = (size_t)(scan.at - csv->input->data);
	if (scan.too_many)
		return CSV_TOO_LONG;
	if (csv->n_fields == 1 && !csv->fields[0].len && scan.closed)
		return CSV_EMPTY;
	finish_fields(csv);
	return scan.closed ? CSV_RECORD : CSV_TORN;
}
