/*
 * Preprocessor lines of a script: conditionals, the names that are defined, and what #define and #include say.
 * Only object-like definitions exist. This is no C preprocessor: nothing is replaced in the text; resolve
 * gives the names their meaning.
 */
#include "parser/parse_internal.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"

#define MAX_NESTED 64 /* #if in #if; also parentheses in a condition */

struct preproc {
	struct arena *arena;
	struct strmap *names; /* name -> its replacement text; NULL after #undef */
	unsigned depth;	      /* open #ifs */
	struct {
		bool taken;  /* a branch was taken already */
		bool active; /* the text of the current branch counts */
		bool has_else;
	} level[MAX_NESTED];
};

struct preproc *preproc_new(struct arena *arena)
{
	struct preproc *pp = arena_new_of(arena, struct preproc);

	pp->arena = arena;
	pp->names = strmap_new(arena);
	strmap_put(pp->names, "BPFTRACE_HAVE_BTF", arena_strdup(arena, "1"));
	return pp;
}

bool preproc_skips(const struct preproc *pp)
{
	for (unsigned i = 0; i < pp->depth; i++)
		if (!pp->level[i].active)
			return true;
	return false;
}

bool preproc_is_open(const struct preproc *pp)
{
	return pp->depth > 0;
}

/* A condition being read. Numbers are C's intmax_t; a name that is not defined counts as 0. */
struct condition {
	struct preproc *pp;
	const char *at;
	unsigned depth;
	bool bad;
};

static int64_t read_condition(struct condition *c, int level);

static bool accept(struct condition *c, const char *op)
{
	size_t len = strlen(op);

	while (isspace((unsigned char)*c->at) || *c->at == '\\')
		c->at++;
	if (strncmp(c->at, op, len))
		return false;
	if (len == 1 && strchr("<>!", *op) && c->at[1] == '=')
		return false; /* the first half of a longer operator */
	c->at += len;
	return true;
}

static const char *read_name(struct condition *c)
{
	const char *begin = c->at;

	if (!isalpha((unsigned char)*begin) && *begin != '_')
		return NULL;
	while (isalnum((unsigned char)*c->at) || *c->at == '_')
		c->at++;
	return arena_strndup(c->pp->arena, begin, (size_t)(c->at - begin));
}

static int64_t read_defined(struct condition *c)
{
	bool parens = accept(c, "(");

	accept(c, "");

	const char *name = read_name(c);

	if (!name || (parens && !accept(c, ")")))
		c->bad = true;
	return name && strmap_get(c->pp->names, name);
}

static int64_t value_of_name(struct condition *c, const char *name)
{
	const char *text = strmap_get(c->pp->names, name);
	struct condition inner = { c->pp, text, c->depth + 1, false };

	if (!text || !*text || c->depth >= MAX_NESTED)
		return 0;

	int64_t value = read_condition(&inner, 0);

	c->bad |= inner.bad;
	return value;
}

static int64_t read_operand(struct condition *c)
{
	if (++c->depth > MAX_NESTED)
		c->bad = true;
	if (c->bad)
		return 0;
	if (accept(c, "!"))
		return !read_operand(c);
	if (accept(c, "-"))
		return (int64_t)(0 - (uint64_t)read_operand(c));
	if (accept(c, "(")) {
		int64_t value = read_condition(c, 0);

		c->bad |= !accept(c, ")");
		return value;
	}
	if (isdigit((unsigned char)*c->at)) {
		char *end;
		int64_t value = (int64_t)strtoull(c->at, &end, 0);

		c->at = end + strspn(end, "uUlL");
		return value;
	}

	const char *name = read_name(c);

	if (!name)
		c->bad = true;
	else if (!strcmp(name, "defined"))
		return read_defined(c);
	return name ? value_of_name(c, name) : 0;
}

static const struct condition_op {
	const char *text;
	int level;
} condition_ops[] = {
	{ "||", 0 }, { "&&", 1 }, { "==", 2 }, { "!=", 2 }, { "<=", 3 }, { ">=", 3 },
	{ "<", 3 },  { ">", 3 },  { "+", 4 },  { "-", 4 },  { "*", 5 },	 { 0 },
};

static int64_t apply(const char *op, int64_t a, int64_t b)
{
	switch (op[0]) {
	case '|':
		return a || b;
	case '&':
		return a && b;
	case '=':
		return a == b;
	case '!':
		return a != b;
	case '<':
		return op[1] ? a <= b : a < b;
	case '>':
		return op[1] ? a >= b : a > b;
	case '+':
		return (int64_t)((uint64_t)a + (uint64_t)b);
	case '-':
		return (int64_t)((uint64_t)a - (uint64_t)b);
	}
	return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* Precedence climbing: operators of at least this level. */
static int64_t read_condition(struct condition *c, int level)
{
	unsigned depth = c->depth;
	int64_t a = read_operand(c);
	const struct condition_op *op = condition_ops;

	c->depth = depth;
	while (!c->bad && op->text) {
		if (op->level < level || !accept(c, op->text)) {
			op++;
			continue;
		}
		a = apply(op->text, a, read_condition(c, op->level + 1));
		op = condition_ops;
	}
	return a;
}

/* Comments become spaces, so that everybody after this sees plain text. */
static char *copy_without_comments(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_strndup(arena, text, len);
	char quote = 0;

	for (char *c = copy; *c; c++) {
		if (*c == '\\' && c[1]) {
			if (c[1] == '\n' || (c[1] == '\r' && c[2] == '\n'))
				*c = c[1] = ' ';
			c++;
		} else if (quote || *c == '"') {
			quote = !quote ? '"' : *c == '"' ? 0 : quote;
		} else if (c[0] == '/' && c[1] == '/') {
			*c = '\0';
			break;
		} else if (c[0] == '/' && c[1] == '*') {
			char *end = strstr(c + 2, "*/");
			size_t n = end ? (size_t)(end + 2 - c) : strlen(c);

			memset(c, ' ', n);
			c += n - 1;
		}
	}
	for (size_t n = strlen(copy); n && isspace((unsigned char)copy[n - 1]); n--)
		copy[n - 1] = '\0';
	return copy;
}

static struct directive directive_error(const char *text, const char *hint)
{
	return (struct directive){ .kind = DIRECTIVE_ERROR, .text = text, .hint = hint };
}

static struct directive open_level(struct preproc *pp, bool active)
{
	if (pp->depth == MAX_NESTED)
		return directive_error("too many #if inside each other", NULL);
	pp->level[pp->depth].active = pp->level[pp->depth].taken = active;
	pp->level[pp->depth].has_else = false;
	pp->depth++;
	return (struct directive){ 0 };
}

/* #if and #elif; in text that is left out anyway the condition is not looked at. */
static struct directive evaluate(struct preproc *pp, const char *text, bool *value)
{
	struct condition c = { pp, text, 0, false };

	*value = read_condition(&c, 0) != 0;
	accept(&c, "");
	if (c.bad || *c.at)
		return directive_error(
			"cannot evaluate this #if",
			"numbers, defined(NAME), !, &&, || and comparisons are understood");
	return (struct directive){ 0 };
}

static struct directive do_if(struct preproc *pp, const char *rest)
{
	bool value = false;
	struct directive result = { 0 }, opened;

	if (!preproc_skips(pp))
		result = evaluate(pp, rest, &value);
	opened = open_level(pp, value);
	return result.kind == DIRECTIVE_NONE ? opened : result;
}

static struct directive do_ifdef(struct preproc *pp, const char *rest, bool wanted)
{
	struct condition c = { pp, rest, 0, false };
	const char *name = read_name(&c);
	bool is_defined = name && strmap_get(pp->names, name);
	struct directive result = open_level(pp, is_defined == wanted);

	if (!name)
		return directive_error("a name is missing here", NULL);
	return result;
}

static struct directive do_else(struct preproc *pp, const char *word, const char *rest)
{
	if (!pp->depth)
		return directive_error(arena_printf(pp->arena, "#%s without #if", word), NULL);

	bool is_elif = !strcmp(word, "elif"), value = true;
	struct directive result = { 0 };
	unsigned top = pp->depth - 1;

	if (pp->level[top].has_else)
		return directive_error(arena_printf(pp->arena, "#%s after #else", word), NULL);
	pp->level[top].active = false;
	pp->depth--; /* whether the lines around this #if count */
	if (is_elif && !pp->level[top].taken && !preproc_skips(pp))
		result = evaluate(pp, rest, &value);
	pp->depth++;
	pp->level[top].active = value && !pp->level[top].taken;
	pp->level[top].taken |= value;
	pp->level[top].has_else = !is_elif;
	return result;
}

static struct directive do_define(struct preproc *pp, const char *line, const char *rest)
{
	struct condition c = { pp, rest, 0, false };
	const char *name = read_name(&c);

	if (!name)
		return directive_error("#define needs a name", NULL);
	if (*c.at == '(')
		return directive_error("not supported yet: function-like #define",
				       "use a macro: macro name(x) { x + 1 }");

	struct directive result = { DIRECTIVE_DEFINE, name, NULL, (size_t)(c.at - line) };

	while (isspace((unsigned char)*c.at))
		c.at++;
	strmap_put(pp->names, name, arena_strdup(pp->arena, c.at));
	return result;
}

static struct directive do_include(struct preproc *pp, const char *rest)
{
	char close = *rest == '<' ? '>' : '"';
	const char *end = (*rest == '<' || *rest == '"') ? strchr(rest + 1, close) : NULL;

	if (!end)
		return directive_error("#include needs <header.h> or \"header.h\"", NULL);

	/* A quoted header is what `import "x.h"` is; the brackets of <x.h> stay. */
	size_t from = *rest == '"';
	size_t len = (size_t)(end - rest) + !from - from;

	return (struct directive){ DIRECTIVE_INCLUDE, arena_strndup(pp->arena, rest + from, len),
				   NULL, 0 };
}

static struct directive do_word(struct preproc *pp, const char *line, const char *word,
				const char *rest)
{
	if (!strcmp(word, "if"))
		return do_if(pp, rest);
	if (!strcmp(word, "ifdef") || !strcmp(word, "ifndef"))
		return do_ifdef(pp, rest, !strcmp(word, "ifdef"));
	if (!strcmp(word, "elif") || !strcmp(word, "else"))
		return do_else(pp, word, rest);
	if (!strcmp(word, "endif")) {
		if (!pp->depth)
			return directive_error("#endif without #if", NULL);
		pp->depth--;
		return (struct directive){ 0 };
	}
	if (preproc_skips(pp) || !strcmp(word, "pragma"))
		return (struct directive){ 0 };
	if (!strcmp(word, "define"))
		return do_define(pp, line, rest);
	if (!strcmp(word, "include"))
		return do_include(pp, rest);
	if (!strcmp(word, "undef")) {
		strmap_put(pp->names, rest, NULL);
		return (struct directive){ 0 };
	}
	if (!strcmp(word, "error"))
		return directive_error(arena_printf(pp->arena, "#error %s", rest), NULL);
	return directive_error(arena_printf(pp->arena, "unknown preprocessor line '#%s'", word),
			       NULL);
}

struct directive preproc_line(struct preproc *pp, const char *line, size_t len)
{
	const char *text = copy_without_comments(pp->arena, line, len);
	struct condition c = { pp, text, 0, false };

	accept(&c, "#");
	accept(&c, "");

	const char *word = read_name(&c);

	accept(&c, "");
	if (!word)
		return (struct directive){ 0 }; /* a lone # is allowed in C */
	return do_word(pp, text, word, c.at);
}
