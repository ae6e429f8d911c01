/*
 * Words for syntax errors: what was found, what could stand there, and a hint for the slips that are seen often.
 * The grammar knows the symbols; here they are the texts by which grammar.y names them.
 */
#include <ctype.h>
#include <string.h>

#include "parser/parse_internal.h"
#include "grammar.h"

/* A set of symbols that could stand at the place of the error. */
struct expected {
	const char *const *names;
	int n;
};

static bool has(const struct expected *expected, const char *name)
{
	for (int i = 0; i < expected->n; i++)
		if (!strcmp(expected->names[i], name))
			return true;
	return false;
}

static bool is_one_of(const char *name, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(name, *words))
			return true;
	return false;
}

static bool begins_expression(const char *name)
{
	static const char *const names[] = {
		"a name",      "a variable", "a map",	 "a map with a key",
		"a parameter", "a number",   "a string", "true",
		"false",       "sizeof",     "offsetof", "'if'",
		"a block",     "a cast",     "a record", "++",
		"--",	       "'('",	     "'-'",	 "'!'",
		"'~'",	       "'*'",	     "'&'",	 NULL
	};

	return is_one_of(name, names);
}

static bool begins_statement(const char *name)
{
	static const char *const names[] = { "if",    "for",	  "while",  "unroll",
					     "break", "continue", "return", "let",
					     "';'",   "'{'",	  NULL };

	return is_one_of(name, names);
}

/* Tokens that end something; operators are named only when none of these would do. */
static bool ends_something(const char *name)
{
	static const char *const names[] = { "';'",
					     "')'",
					     "','",
					     "']'",
					     "'}'",
					     "'{'",
					     "':'",
					     "a name",
					     "an attach point",
					     "'/' before '{'",
					     "the end of the line",
					     NULL };

	return is_one_of(name, names);
}

/* A symbol as the user knows it: quoted, unless its name is a description. */
static void describe(struct buf *out, const char *name)
{
	bool is_quoted = *name == '\'' || strchr(name, ' ');

	buf_printf(out, is_quoted ? "%s" : "'%s'", name);
}

/* What may stand here, in a few words. */
static void describe_expected(struct buf *out, const struct expected *expected)
{
	bool value = has(expected, "a number") && has(expected, "a variable");
	bool statement = value && has(expected, "let");
	bool ends = value;
	int said = 0;

	for (int i = 0; i < expected->n; i++)
		ends |= ends_something(expected->names[i]);
	if (value) {
		buf_puts(out, statement ? "a statement" : "an expression");
		said++;
	}
	for (int i = 0; i < expected->n && said < 4; i++) {
		const char *name = expected->names[i];

		if ((!strcmp(name, "'}'") && has(expected, "';'")) ||
		    (ends && !ends_something(name)) || (value && begins_expression(name)) ||
		    (statement && begins_statement(name)))
			continue;
		buf_puts(out, said++ ? " or " : "");
		describe(out, name);
	}
}

/* The offending token as it stands in the text. */
static void describe_found(struct buf *out, const struct parser *p, struct span span,
			   const char *name)
{
	uint32_t len = span.end - span.begin;
	const char *text = p->source->text + (span.begin - p->source->base);

	if (!strcmp(name, "end of file"))
		buf_puts(out, "end of file");
	else if (!strcmp(name, "the end of the line"))
		buf_puts(out, "end of the line");
	else if (!strcmp(name, "a string"))
		buf_puts(out, "string");
	else if (!strcmp(name, "an attach point"))
		buf_puts(out, "attach point");
	else if (!len || len > 32 || memchr(text, '\n', len))
		describe(out, name);
	else
		buf_printf(out, "'%.*s'", (int)len, text);
}

static const char *hint_for_word(const char *word)
{
	static const struct {
		const char *word, *hint;
	} words[] = {
		{ "and", "use &&" },
		{ "or", "use ||" },
		{ "not", "use !" },
		{ "elif", "use else if" },
		{ "elsif", "use else if" },
		{ "elseif", "use else if" },
		{ "in", "a loop is written for ($i : 0..5) { ... }" },
		{ "then", "a body stands in braces: if (...) { ... }" },
		{ "do", "a body stands in braces: while (...) { ... }" },
		{ 0 },
	};

	for (size_t i = 0; words[i].word; i++)
		if (!strcmp(word, words[i].word))
			return words[i].hint;
	return NULL;
}

static bool is_operator(const struct parser *p, const struct token *token)
{
	return token->kind &&
	       ispunct((unsigned char)p->source->text[token->span.begin - p->source->base]) &&
	       !strchr(";)$@\"", p->source->text[token->span.begin - p->source->base]);
}

/* Slips that are seen often get a word of advice; NULL: none. */
static const char *hint_for(const struct parser *p, const struct expected *expected)
{
	const struct token *found = &p->last;
	const char *hint = found->kind == T_IDENT ? hint_for_word(found->text) : NULL;
	bool wants_block = has(expected, "'{'") && !has(expected, "let");

	if (hint)
		return hint;
	if (found->kind == '=' && !has(expected, "let"))
		return "'=' assigns in a statement of its own, '==' compares";
	if (found->kind == T_STR && p->before_last == T_STR)
		return "strings are not joined: write one string";
	if (found->kind == T_SPEC && wants_block)
		return "attach points are separated by ',', and a block { ... } follows the last";
	if (wants_block && has(expected, "'.'") && is_operator(p, found))
		return "a condition of more than one operand stands in parentheses: if ($a == 1) { "
		       "... }";
	if (wants_block && !has(expected, "an attach point"))
		return "a body stands in braces: { ... }";
	return NULL;
}

/*
 * `;` forgotten at the end of a line: the caret belongs there, not under the first word of the next line. When a
 * statement could begin here, it is another mistake.
 */
static bool report_missing_semicolon(struct parser *p, const struct expected *expected,
				     struct span span, const char *found)
{
	uint32_t end = p->before_end, base = p->source->base;

	if (!has(expected, "';'") || has(expected, "let") || span.begin <= end ||
	    !memchr(p->source->text + (end - base), '\n', span.begin - end))
		return false;
	diag_error(p->diags, (struct span){ end, end }, "expected ';' before %s", found);
	return true;
}

void report_syntax(struct parser *p, struct span span, const char *found, const char *const *names,
		   int n)
{
	const struct expected expected = { names, n };
	struct buf what = { 0 }, wanted = { 0 };
	const char *hint = hint_for(p, &expected);

	describe_found(&what, p, span, found);
	describe_expected(&wanted, &expected);
	if (report_missing_semicolon(p, &expected, span, what.data))
		hint = NULL;
	else if (wanted.len)
		diag_error(p->diags, span, "unexpected %s, expected %s", what.data, wanted.data);
	else
		diag_error(p->diags, span, "unexpected %s", what.data);
	if (hint)
		diag_hint(p->diags, "%s", hint);
	buf_fini(&what);
	buf_fini(&wanted);
}
