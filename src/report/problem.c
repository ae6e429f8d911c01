/* Problems: a short list, looked through from the one that came last, since they come in runs. */
#include "report/problem.h"

#include <stdbool.h>
#include <string.h>

enum { PROBLEMS_MAX = 1000, PROBLEMS_SHOWN = 20, DETAIL_MAX = 40 };

/* %s: the column. Said of one row and of several. */
static const struct {
	const char *one, *many;
} words[] = {
	[PROBLEM_FILE] = { "", "" },
	[PROBLEM_COLUMNS] = { "a row does not have the columns of its header",
			      "rows do not have the columns of their header" },
	[PROBLEM_TORN] = { "the last line is not complete", "last lines are not complete" },
	[PROBLEM_UNCLOSED] = { "a quote is not closed", "lines with a quote that is not closed" },
	[PROBLEM_TOO_LONG] = { "a record is longer than 32 MiB, or of too many columns",
			       "records are longer than 32 MiB, or of too many columns" },
	[PROBLEM_NUL] = { "a row has NUL bytes, as a crash leaves them",
			  "rows have NUL bytes, as a crash leaves them" },
	[PROBLEM_JSON] = { "a line is not a JSON object", "lines are not JSON objects" },
	[PROBLEM_RECORD] = { "a JSON record has no table in it",
			     "JSON records have no table in them" },
	[PROBLEM_TIME] = { "a row has no time in column", "rows have no time in column" },
	[PROBLEM_NUMBER] = { "a row has no number in column", "rows have no number in column" },
	[PROBLEM_HIST] = { "a row has no histogram in column", "rows have no histogram in column" },
	[PROBLEM_LATE] = { "a row has a column that its table did not begin with:",
			   "rows have a column that their table did not begin with:" },
	[PROBLEM_ALIKE] = { "a table follows another one with the same columns",
			    "times a table follows another one with the same columns" },
	[PROBLEM_TABLES] = { "a table is one too many for a report",
			     "tables are too many for a report" },
	[PROBLEM_LOST] = { "an event was lost while recording",
			   "events were lost while recording" },
	[PROBLEM_RUNNING] = { "a row is of a group that is one too many for --running",
			      "rows are of more groups than --running can tell apart" },
};

/* What is done about it. */
static const char *consequence(enum problem_kind kind)
{
	switch (kind) {
	case PROBLEM_FILE:
	case PROBLEM_LOST:
		return "";
	case PROBLEM_TIME:
		return "; left out of what goes by time";
	case PROBLEM_NUMBER:
	case PROBLEM_HIST:
	case PROBLEM_LATE:
		return "; that column of them is left out";
	case PROBLEM_ALIKE:
		return "; told apart by their order only, so record with -o FOLDER/ or -f json";
	default:
		return "; left out";
	}
}

void problems_init(struct problems *problems, struct arena *arena)
{
	*problems = (struct problems){ .arena = arena };
	problems->end = &problems->list;
}

static bool same(const struct problem *problem, enum problem_kind kind, struct place place,
		 const char *column)
{
	return problem->kind == kind && problem->first.file == place.file &&
	       (problem->column == column ||
		(column && problem->column && strcmp(problem->column, column) == 0));
}

/* Printable, and not too long. */
static char *excerpt(struct arena *arena, const char *detail)
{
	struct buf out = { 0 };
	char *copy;

	for (; *detail && out.len < DETAIL_MAX; detail++) {
		if ((unsigned char)*detail < ' ' || *detail == 0x7f)
			buf_printf(&out, "\\x%02x", (unsigned char)*detail);
		else
			buf_putc(&out, *detail);
	}
	/* No half of a character at the end. */
	while (*detail && out.len && ((unsigned char)*detail & 0xc0) == 0x80 &&
	       ((unsigned char)out.data[out.len - 1] & 0x80)) {
		bool begins = ((unsigned char)out.data[out.len - 1] & 0xc0) == 0xc0;

		out.len--;
		if (begins)
			break;
	}
	if (*detail)
		buf_puts(&out, "...");
	copy = arena_strndup(arena, out.data ? out.data : "", out.len);
	buf_fini(&out);
	return copy;
}

void problem_count(struct problems *problems, enum problem_kind kind, struct place place,
		   const char *column, const char *detail, uint64_t times)
{
	struct problem *problem = problems->last;

	if (!problem || !same(problem, kind, place, column))
		for (problem = problems->list; problem; problem = problem->next)
			if (same(problem, kind, place, column))
				break;
	if (!problem) {
		if (problems->n++ >= PROBLEMS_MAX)
			return;
		problem = arena_new_of(problems->arena, struct problem);
		problem->kind = kind;
		problem->first = place;
		problem->column = column;
		if (detail)
			problem->detail = excerpt(problems->arena, detail);
		*problems->end = problem;
		problems->end = &problem->next;
	}
	problems->last = problem;
	problem->count += times;
}

void problem_put(struct buf *out, const struct problem *problem)
{
	buf_puts(out, problem->first.file);
	if (problem->first.line)
		buf_printf(out, ":%llu", (unsigned long long)problem->first.line);
	buf_puts(out, ": ");
	if (problem->kind == PROBLEM_FILE) {
		buf_puts(out, problem->detail);
		return;
	}
	if (problem->count == 1)
		buf_puts(out, words[problem->kind].one);
	else
		buf_printf(out, "%llu %s", (unsigned long long)problem->count,
			   words[problem->kind].many);
	if (problem->column)
		buf_printf(out, " %s", problem->column);
	if (problem->detail)
		buf_printf(out, " (%s'%s')",
			   problem->count == 1 ? "" : "the first: ", problem->detail);
	buf_puts(out, consequence(problem->kind));
}

void problems_print(const struct problems *problems, FILE *messages)
{
	struct buf out = { 0 };
	unsigned n = 0;

	for (const struct problem *problem = problems->list; problem; problem = problem->next) {
		if (n++ == PROBLEMS_SHOWN)
			break;
		buf_reset(&out);
		problem_put(&out, problem);
		fprintf(messages, "jbtrace: warning: %s\n", out.data);
	}
	if (problems->n > PROBLEMS_SHOWN)
		fprintf(messages, "jbtrace: warning: %u more kinds of problems are not shown\n",
			problems->n - PROBLEMS_SHOWN);
	buf_fini(&out);
}
