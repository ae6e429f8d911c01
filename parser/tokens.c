/*
 * Between scanner and grammar: hands the tokens to bison one by one, and settles by look-ahead over the array what
 * one token of look-ahead cannot: casts, records, keyed maps, block and if expressions, C type names of several words.
 * After a syntax error it leads the grammar's `error` rules to the place where parsing can go on.
 */
#include "parser/parse_internal.h"

#include <stdlib.h>
#include <string.h>

#include "base/strmap.h"
#include "grammar.h"

static const struct token *token_at(const struct parser *p, size_t i)
{
	return &p->tokens.data[i < p->tokens.n ? i : p->tokens.n - 1];
}

/* Is the kind one of these? A list ends with 0. */
static bool is_any(int kind, const int *kinds)
{
	for (; *kinds; kinds++)
		if (kind == *kinds)
			return true;
	return false;
}

static bool is_one_of(const char *word, const char *const *words)
{
	for (; *words; words++)
		if (!strcmp(word, *words))
			return true;
	return false;
}

/* Words that make up the names of C's integers. */
static bool is_type_part(const struct token *token)
{
	static const char *const words[] = { "unsigned", "signed", "long",   "short",
					     "int",	 "char",   "double", NULL };

	return token->kind == T_IDENT && is_one_of(token->text, words);
}

static bool is_qualifier(const struct token *token)
{
	static const char *const words[] = { "const", "volatile", "restrict", "__restrict", NULL };

	return token->kind == T_IDENT && is_one_of(token->text, words);
}

/* Names that are values in parentheses, not types: `(pid) - 1`. */
static bool is_value_name(const struct parser *p, const struct token *token)
{
	static const char *const words[] = {
		"args",	   "ctx",   "kstack",	 "ustack",   "nsecs", "pid",
		"tid",	   "comm",  "uid",	 "gid",	     "cpu",   "elapsed",
		"retval",  "func",  "probe",	 "curtask",  "rand",  "cgroup",
		"ppid",	   "pcomm", "username",	 "usermode", "ncpus", "numaid",
		"jiffies", "cpid",  "probetype", "duration", NULL
	};
	const char *text = token->text;

	if (!strncmp(text, "arg", 3) && text[3] &&
	    strspn(text + 3, "0123456789") == strlen(text + 3))
		return true;
	return is_one_of(text, words) || strmap_get(p->defines, text);
}

static bool begins_type(const struct token *token)
{
	return token->kind == T_STRUCT || token->kind == T_UNION || token->kind == T_ENUM ||
	       token->kind == T_TYPEOF;
}

static size_t skip_qualifiers(const struct parser *p, size_t i)
{
	while (is_qualifier(token_at(p, i)))
		i++;
	return i;
}

/* The token behind `name [*|[N]]...` that begins at i, or 0 when that is not what stands there. */
static size_t type_end(const struct parser *p, size_t i)
{
	if (token_at(p, i)->kind != T_IDENT)
		return 0;
	for (i++; is_type_part(token_at(p, i)); i++)
		;
	for (;; i++) {
		if (token_at(p, i)->kind == '[') {
			i += token_at(p, i + 1)->kind == T_INT ||
			     token_at(p, i + 1)->kind == T_IDENT;
			if (token_at(p, ++i)->kind != ']')
				return 0;
		} else if (token_at(p, i)->kind != '*' && !is_qualifier(token_at(p, i))) {
			return i;
		}
	}
}

static bool begins_operand(int kind)
{
	static const int kinds[] = { T_INT,   T_STR,	T_VAR,	    T_MAP, T_PARAM, T_IDENT, T_TRUE,
				     T_FALSE, T_SIZEOF, T_OFFSETOF, '(',   '-',	    '!',     '~',
				     '*',     '&',	T_INC,	    T_DEC, 0 };

	return is_any(kind, kinds);
}

/* `(` at i: does a cast begin here? */
static bool begins_cast(const struct parser *p, size_t i)
{
	size_t first = skip_qualifiers(p, i + 1), end = type_end(p, first);

	if (begins_type(token_at(p, first)))
		return true;
	if (!end || token_at(p, end)->kind != ')' || !begins_operand(token_at(p, end + 1)->kind))
		return false;
	return !is_value_name(p, token_at(p, first));
}

/* `(` at i behind sizeof, offsetof or typeof: a type, not an expression? */
static bool holds_type(const struct parser *p, size_t i)
{
	size_t first = skip_qualifiers(p, i + 1), end = type_end(p, first);

	if (begins_type(token_at(p, first)))
		return true;
	return end && (token_at(p, end)->kind == ')' || token_at(p, end)->kind == ',') &&
	       !is_value_name(p, token_at(p, first));
}

static int kind_of_paren(const struct parser *p, size_t i)
{
	int before = p->last.kind;

	if (p->in_definition)
		return '(';
	if (before == T_SIZEOF || before == T_OFFSETOF || before == T_TYPEOF)
		return holds_type(p, i) ? T_TYPE_OPEN : '(';
	if (before == T_IDENT)
		return '('; /* a call */
	if (token_at(p, i + 1)->kind == T_IDENT && token_at(p, i + 2)->kind == '=' &&
	    before != T_IF && before != T_IF_VALUE && before != T_WHILE)
		return T_RECORD_OPEN;
	return begins_cast(p, i) ? T_TYPE_OPEN : '(';
}

/* A `{` where an operand is wanted is a block expression. */
static int kind_of_brace(const struct parser *p)
{
	static const int before[] = { '(',
				      '?',
				      ':',
				      '[',
				      '+',
				      '-',
				      '*',
				      '/',
				      '%',
				      '&',
				      '|',
				      '^',
				      '!',
				      '~',
				      '<',
				      '>',
				      T_RETURN,
				      T_IF,
				      T_IF_VALUE,
				      T_AND,
				      T_OR,
				      T_EQ,
				      T_NE,
				      T_LE,
				      T_GE,
				      T_SHL,
				      T_SHR,
				      T_ELVIS,
				      T_ADD_ASSIGN,
				      T_SUB_ASSIGN,
				      T_MUL_ASSIGN,
				      T_DIV_ASSIGN,
				      T_MOD_ASSIGN,
				      T_AND_ASSIGN,
				      T_OR_ASSIGN,
				      T_XOR_ASSIGN,
				      T_SHL_ASSIGN,
				      T_SHR_ASSIGN,
				      T_PREDICATE_OPEN,
				      0 };

	if (p->last.kind == ',') /* outside of brackets the list of attach points ends */
		return p->n_open ? T_BLOCK_OPEN : '{';
	if (p->last.kind == '=')
		return p->before_last == T_TOP_CONFIG ? '{' : T_BLOCK_OPEN;
	return is_any(p->last.kind, before) ? T_BLOCK_OPEN : '{';
}

/* An `if` at the beginning of a statement is a statement, anywhere else it has a value. */
static int kind_of_if(const struct parser *p)
{
	static const int before[] = { '{', T_BLOCK_OPEN, '}', ';', T_ELSE, 0 };

	return is_any(p->last.kind, before) ? T_IF : T_IF_VALUE;
}

/* Words are names behind `.`, and before `=` as the name of an argument. */
static bool is_name_here(const struct parser *p, size_t i)
{
	int next = token_at(p, i + 1)->kind;

	if (p->last.kind == '.' || p->last.kind == T_ARROW)
		return true;
	return next == '=' &&
	       (p->last.kind == '(' || p->last.kind == T_RECORD_OPEN || p->last.kind == ',');
}

static bool is_word(int kind)
{
	static const int kinds[] = { T_IF,	 T_ELSE,   T_FOR,  T_WHILE,  T_UNROLL,	 T_BREAK,
				     T_CONTINUE, T_RETURN, T_LET,  T_SIZEOF, T_OFFSETOF, T_TYPEOF,
				     T_STRUCT,	 T_UNION,  T_ENUM, T_TRUE,   T_FALSE,	 0 };

	return is_any(kind, kinds);
}

/* Join `unsigned long long` to one name; p->pos moves behind it. */
static void join_type_words(struct parser *p, struct token *token)
{
	while (is_type_part(token_at(p, p->pos))) {
		const struct token *next = token_at(p, p->pos++);

		token->text = arena_printf(p->arena, "%s %s", token->text, next->text);
		token->span.end = next->span.end;
	}
	token->len = (uint32_t)strlen(token->text);
}

static void report_lexical(struct parser *p, const struct token *token)
{
	diag_error(p->diags, token->span, "%s", token->text);
	if (token->hint)
		diag_hint(p->diags, "%s", token->hint);
}

/* `comptime e` is told and read as `e`. With a parenthesis behind it, it looks like a call. */
static bool is_comptime(const struct token *token, const struct token *next)
{
	static const int kinds[] = { T_INT,   T_STR,	T_VAR,	    T_MAP, T_PARAM, T_IDENT, T_TRUE,
				     T_FALSE, T_SIZEOF, T_OFFSETOF, T_IF,  '!',	    '~',     0 };

	return token->kind == T_IDENT && !strcmp(token->text, "comptime") &&
	       is_any(next->kind, kinds);
}

/* Report and pass lexical errors, drop qualifiers of types. */
static void skip_unseen(struct parser *p)
{
	for (;; p->pos++) {
		const struct token *token = token_at(p, p->pos), *next = token_at(p, p->pos + 1);
		bool is_name = p->last.kind == '.' || p->last.kind == T_ARROW;

		if (token->kind == TOKEN_DIAG)
			report_lexical(p, token);
		else if (!is_name && is_comptime(token, next))
			diag_error(p->diags, token->span, "not supported yet: comptime");
		else if (is_name || !is_qualifier(token) ||
			 !(next->kind == T_IDENT || next->kind == '*' || begins_type(next)))
			return;
	}
}

static void push_open(struct parser *p, int kind)
{
	if (p->n_open == p->cap_open) {
		p->cap_open = p->cap_open ? p->cap_open * 2 : 64;
		p->open = mem_realloc(p->open, p->cap_open);
	}
	p->open[p->n_open++] = (unsigned char)kind;
}

static bool is_opener(int kind)
{
	return kind == '(' || kind == T_TYPE_OPEN || kind == T_RECORD_OPEN || kind == '[' ||
	       kind == '{' || kind == T_BLOCK_OPEN;
}

/* Keep the stack of brackets that bison has seen and not closed: the closer of each is on it. */
static void track_brackets(struct parser *p, int kind)
{
	p->popped = false;
	if (is_opener(kind)) {
		push_open(p, kind == '[' ? ']' : kind == '{' || kind == T_BLOCK_OPEN ? '}' : ')');
	} else if (p->n_open && p->open[p->n_open - 1] == kind) {
		p->n_open--;
		p->popped = true;
	}
}

/* Is this token the first of an item at top level? */
static bool begins_item(int kind)
{
	return kind == T_SPEC || (kind >= T_TOP_CONFIG && kind <= T_TOP_DEFINITION);
}

static void decide_kind(struct parser *p, size_t i, struct token *token)
{
	if (is_word(token->kind) && is_name_here(p, i))
		token->kind = T_IDENT;
	else if (token->kind == T_IF)
		token->kind = kind_of_if(p);
	else if (token->kind == '(')
		token->kind = kind_of_paren(p, i);
	else if (token->kind == '{')
		token->kind = kind_of_brace(p);
	else if (token->kind == T_MAP && token_at(p, i + 1)->kind == '[')
		token->kind = T_MAP_KEYED;
	else if (is_type_part(token) && p->last.kind != '.' && p->last.kind != T_ARROW)
		join_type_words(p, token);
	if (begins_item(token->kind))
		p->in_definition = token->kind == T_TOP_DEFINITION;
}

static struct token next_token(struct parser *p)
{
	if (p->n_inserted) {
		struct token token = *token_at(p, p->pos);

		token.kind = p->inserted[--p->n_inserted];
		token.span.end = token.span.begin;
		return token;
	}
	skip_unseen(p);

	size_t i = p->pos;
	struct token token = *token_at(p, i);

	if (diag_full(p->diags))
		token.kind = 0;
	if (p->pos < p->tokens.n)
		p->pos++;
	decide_kind(p, i, &token);
	return token;
}

int script_lex(SCRIPT_STYPE *value, struct span *span, struct parser *p)
{
	struct token token = next_token(p);

	track_brackets(p, token.kind);
	p->before_last = p->last.kind;
	p->before_end = p->last.span.end;
	p->last = token;
	value->token = token;
	*span = token.span;
	return token.kind;
}

static void insert(struct parser *p, int kind)
{
	if (p->n_inserted < sizeof(p->inserted))
		p->inserted[p->n_inserted++] = (unsigned char)kind;
}

/* Go on at token i; errors of the scanner on the way are told. */
static void go_to(struct parser *p, size_t i)
{
	for (; p->pos < i; p->pos++)
		if (token_at(p, p->pos)->kind == TOKEN_DIAG)
			report_lexical(p, token_at(p, p->pos));
	p->pos = i;
}

static bool ends_everything(int kind)
{
	return !kind || begins_item(kind) || kind == T_PREDICATE_CLOSE || kind == T_DEFINE_END;
}

/*
 * In parentheses or brackets: go to the closing one; when `;` or a brace comes first it is missing, and is
 * handed out before that token. `at` is the offending token.
 */
static void recover_in_brackets(struct parser *p, size_t at)
{
	size_t depth = 0, i = at, n = p->n_open;

	for (;; i++) {
		int kind = token_at(p, i)->kind;

		if (kind == '(' || kind == '[')
			depth++;
		else if ((kind == ')' || kind == ']') && depth)
			depth--;
		else if (kind == p->open[p->n_open - 1])
			break;
		else if (kind == ';' || kind == '{' || kind == '}' || ends_everything(kind))
			break;
	}
	go_to(p, i);
	if (token_at(p, i)->kind == p->open[p->n_open - 1])
		return;
	/* The last inserted is handed out first: it must be the innermost. */
	while (n && p->open[n - 1] != '}')
		n--;
	for (; n < p->n_open; n++)
		insert(p, p->open[n]);
}

/* The token behind the block that opens at i. */
static size_t skip_block(const struct parser *p, size_t i)
{
	size_t depth = 0;

	for (;; i++) {
		int kind = token_at(p, i)->kind;

		if (kind == '{')
			depth++;
		else if (kind == '}' && !--depth)
			return i + 1;
		else if (ends_everything(kind))
			return i;
	}
}

/* Behind a block: does this token still belong to the statement that went wrong? */
static bool continues_statement(int kind)
{
	return kind == T_ELSE || kind == ';' ||
	       (kind != '}' && kind != '{' && !is_word(kind) && !begins_operand(kind) &&
		!ends_everything(kind));
}

/* In a statement: go to its `;`, behind its block, or to the end of the enclosing block. */
static void recover_in_block(struct parser *p, size_t at)
{
	size_t i = at;

	for (;;) {
		int kind = token_at(p, i)->kind;

		if (kind == ';' && token_at(p, i + 1)->kind == T_ELSE) {
			i++; /* `if (x) f(); else` without braces */
		} else if (kind == ';') {
			if (i > at)
				go_to(p, i);
			return;
		} else if (kind == '{') {
			i = skip_block(p, i);
			if (!continues_statement(token_at(p, i)->kind))
				break;
		} else if (kind == '}' || ends_everything(kind)) {
			break;
		} else {
			i++;
		}
	}
	go_to(p, i);
	insert(p, ';');
}

void tokens_recover(struct parser *p)
{
	if (!p->pos || p->n_inserted || !p->last.kind)
		return;

	size_t at = p->pos - 1; /* the offending token */

	if (token_at(p, at)->span.end != p->last.span.end)
		return; /* it was an inserted one */
	if (is_opener(p->last.kind))
		p->n_open--;
	else if (p->popped && p->last.kind == '}')
		push_open(p, '}');
	else if (p->popped)
		return; /* `(a + )`: bison holds the bracket, and takes it next */
	if (!p->n_open)
		return;
	p->pos = at;
	if (p->open[p->n_open - 1] == '}')
		recover_in_block(p, at);
	else
		recover_in_brackets(p, at);
	if (p->pos == at && !p->n_inserted)
		p->pos = at + 1; /* bison holds it, and takes it next */
}

void tokens_fini(struct parser *p)
{
	free(p->open);
	free(p->tokens.data);
}
