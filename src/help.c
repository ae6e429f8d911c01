/*
 * The rows as a reference: --help-builtins for a terminal, and the same tables in the language of man pages, which
 * the build puts into jbtrace.1. Nothing here knows a row by name.
 */
#include <string.h>

#include "jbtrace.h"
#include "registry.h"

#define LEFT_COLUMN 42

struct reference {
	FILE *out;
	bool roff;
};

/* Text of a man page: no request at the start of a line, no escapes, a hyphen that can be copied. */
static void put_roff(const char *text, FILE *out)
{
	if (*text == '.' || *text == '\'')
		fputs("\\&", out);
	for (; *text; text++) {
		if (*text == '\\')
			fputs("\\e", out);
		else if (*text == '-')
			fputs("\\-", out);
		else
			fputc(*text, out);
	}
}

static void put_title(const struct reference *reference, const char *title)
{
	fprintf(reference->out, reference->roff ? ".SS %s\n" : "%s\n", title);
}

/* `alias`: another spelling, or NULL. */
static void put_row(const struct reference *reference, const char *left, const char *doc,
		    const char *alias)
{
	FILE *out = reference->out;

	if (reference->roff) {
		fputs(".TP\n\\fB", out);
		put_roff(left, out);
		fputs("\\fR\n", out);
		put_roff(doc, out);
	} else {
		fprintf(out, "  %-*s", LEFT_COLUMN, left);
		if (strlen(left) > LEFT_COLUMN)
			fprintf(out, "\n  %*s", LEFT_COLUMN, "");
		fprintf(out, " %s", doc);
	}
	if (alias)
		fprintf(out, "; short: %s", alias);
	fputc('\n', out);
}

static void put_gap(const struct reference *reference)
{
	if (!reference->roff)
		fputc('\n', reference->out);
}

static void put_tables(const struct reference *reference)
{
	const struct builtin *const *builtins, *builtin;
	const struct aggregate *const *aggregates, *aggregate;
	const struct provider *const *providers, *provider;

	put_title(reference, "PROBES");
	for (providers = jb_registry.providers; *providers; providers++)
		row_each (provider, *providers)
			put_row(reference, provider->syntax, provider->doc, provider->alias);
	put_gap(reference);
	put_title(reference, "VALUES AND FUNCTIONS");
	for (builtins = jb_registry.builtins; *builtins; builtins++)
		row_each (builtin, *builtins)
			put_row(reference, builtin->proto, builtin->doc, NULL);
	put_gap(reference);
	put_title(reference, "AGGREGATIONS");
	for (aggregates = jb_registry.aggregates; *aggregates; aggregates++)
		row_each (aggregate, *aggregates)
			put_row(reference, aggregate->proto, aggregate->doc, NULL);
}

void jb_help_builtins(FILE *out)
{
	put_tables(&(struct reference){ .out = out });
}

void jb_help_roff(FILE *out)
{
	put_tables(&(struct reference){ .out = out, .roff = true });
}
