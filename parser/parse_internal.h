#ifndef JB_PARSER_PARSE_INTERNAL_H
#define JB_PARSER_PARSE_INTERNAL_H
/*
 * What the files behind parse.h share. Text becomes tokens in one go (lexer.l, preproc.c), tokens.c hands them to
 * bison and settles what needs look-ahead (casts, records, block expressions), grammar.y calls the makers of
 * make.c. Tokens are kept in an array, so look-ahead is indexing.
 */
#include "parser/parse.h"

struct strmap;

struct token {
	int kind; /* a bison token, or one of enum token_extra */
	struct span span;
	const char
		*text; /* names without sigil `$`, strings with escapes replaced, specs trimmed */
	uint32_t len;  /* of text */
	bool is_real;  /* a number with a decimal point: `text` is its value */
	bool is_unsigned; /* integer that does not fit int64 */
	bool is_time;	  /* a number with a unit of time */
	uint64_t value;	  /* integers, $N */
	const char *hint; /* of TOKEN_DIAG, may be NULL */
};

/* Entries of the array that bison never sees. */
enum token_extra {
	TOKEN_DIAG = -1, /* an error found by the lexer, reported in its turn: text, hint */
};

struct token_vec {
	struct token *data;
	size_t n, cap;
};

/* A list under construction, with its end: appending is O(1). */
struct node_list {
	struct node *head, *tail;
};

struct parser {
	struct arena *arena;
	struct diags *diags;
	const struct source *source;
	struct token_vec
		tokens; /* `#define`s and `#include`s first, then the rest in order; ends with kind 0 */
	size_t pos;	/* next token to hand out */
	struct token last;   /* handed out last */
	int before_last;     /* kind of the one before */
	uint32_t before_end; /* where the one before ends */
	unsigned char
		*open; /* closers of the brackets handed out and not closed yet, innermost last */
	bool popped;   /* the last token closed one of them */
	size_t n_open, cap_open;
	size_t n_inserted; /* closers to hand out before tokens[pos]: recovery from an error */
	unsigned char inserted[64];
	bool in_definition; /* between struct/union/enum at top level and its end: no casts there */
	struct strmap *defines; /* name -> NODE_DEFINE */
	const struct node *config;
	struct node_list items;
};

/* lexer.l */
/* All tokens of a source; never fails: mistakes are TOKEN_DIAGs. Braces of the result are balanced. */
void lex_source(struct parser *p);

/* literal.c */
/* NULL, or what is wrong with the number; value is set in any case. */
const char *literal_number(const char *text, uint64_t *value);
/* Does this number, which has no mistake, have a unit of time? */
bool literal_is_time(const char *text);
/* What stands between the quotes, with escapes replaced. */
struct literal_string {
	const char *at, *end; /* what is still to be read */
	char *bytes;	      /* room for as many as there are */
	uint32_t len;
	const char *escape; /* begin of the escape that is wrong */
	bool is_nul;	    /* it means the byte 0 */
};
/* False: an escape is wrong; call again to go on behind it. */
bool literal_string_read(struct literal_string *string);

/* preproc.c */
enum directive_kind { DIRECTIVE_NONE, DIRECTIVE_DEFINE, DIRECTIVE_INCLUDE, DIRECTIVE_ERROR };
struct directive {
	enum directive_kind kind;
	const char *text; /* define: the name; include: the header; error: the message */
	const char *hint;
	size_t body; /* define: offset in the line where the replacement begins */
};
struct preproc;
struct preproc *preproc_new(struct arena *arena);
/* One logical line that begins with `#`, `\` newlines included. */
struct directive preproc_line(struct preproc *pp, const char *line, size_t len);
/* Is the text here left out by an #if? */
bool preproc_skips(const struct preproc *pp);
/* Is an #if still open? */
bool preproc_is_open(const struct preproc *pp);

/* tokens.c */
union SCRIPT_STYPE;
int script_lex(union SCRIPT_STYPE *value, struct span *span, struct parser *p);
/* After a syntax error at the token handed out last: go on where the grammar can. */
void tokens_recover(struct parser *p);
void tokens_fini(struct parser *p);

/* syntax.c */
/* Symbols are given by their names in the grammar; the names of plain tokens are quoted. */
void report_syntax(struct parser *p, struct span span, const char *found,
		   const char *const *expected, int n);

/* make.c: what the grammar's actions call */
struct node *make_int(struct parser *p, const struct token *token);
struct node *make_text(struct parser *p, enum node_kind kind, const struct token *token);
struct node *make_named(struct parser *p, enum node_kind kind, const struct token *token);
struct node *make_list(struct parser *p, enum node_kind kind, struct span span,
		       struct node_list args);
struct node *make_param(struct parser *p, const struct token *token);
struct node *make_negative(struct parser *p, struct span span, struct node *a);
struct node *make_step(struct parser *p, enum op op, struct span span, struct node *a,
		       bool is_prefix);
struct node *make_address(struct parser *p, struct span span, struct node *a);
struct node *make_field(struct parser *p, struct span span, struct node *a,
			const struct token *name, bool arrow);
struct node *make_element(struct parser *p, struct span span, struct node *a,
			  const struct token *index);
/* `a = b` where a value is needed: reported, and understood as a == b. */
struct node *make_equals_slip(struct parser *p, struct span at, struct node *a, struct node *b);
struct node *make_assign(struct parser *p, enum op op, struct span span, struct node *a,
			 struct node *b);
/* The last expression without `;` becomes the value of a block. */
struct node *make_value_block(struct node *block);
struct node *make_value_if(struct node *node);
struct node *make_for(struct parser *p, struct span span, const struct token *name,
		      struct node *from, struct node *to, struct node *body);
struct node *make_let(struct parser *p, struct span span, const struct token *name,
		      struct spelled *spelled, struct node *value);
struct node *make_spec(struct parser *p, const struct token *token);
/* `first || second`: first becomes the list of alternatives. */
struct node *make_alternative(struct parser *p, struct node *first, struct node *second);
struct node *make_config(struct parser *p, struct span span, struct node_list entries);
struct node *make_import(struct parser *p, const struct token *token);
struct node *make_define(struct parser *p, const struct token *name, struct node *value);
struct node *make_map_decl(struct parser *p, struct span span, const struct token *map,
			   const struct token *type, struct node *entries);
struct spelled *make_spelled(struct parser *p, int kind, struct span span,
			     const struct token *name);
struct spelled *make_spelled_pointer(struct parser *p, struct spelled *spelled, struct span span);
struct spelled *make_spelled_array(struct parser *p, struct spelled *spelled, struct span span,
				   struct node *size);
struct node *make_definition(struct parser *p, int kind, struct span span, const struct token *name,
			     struct node_list members, const struct token *attribute);
struct node *make_declarator(struct parser *p, struct span span, unsigned pointers,
			     const struct token *name);
void make_declarator_bits(struct parser *p, struct node *declarator, struct node *bits);
/* Give every declarator its base type; `definition`: the nested struct, or NULL. */
struct node_list make_members(struct parser *p, struct spelled *base, struct node *definition,
			      struct node_list declarators, struct span span);
/* A number known while parsing: literals and #defines; false after a diagnostic. */
bool make_const(struct parser *p, const struct node *expr, int64_t *value);

static inline void list_add(struct node_list *list, struct node *item)
{
	if (!item)
		return;
	if (list->tail)
		list->tail->next = item;
	else
		list->head = item;
	for (list->tail = item; list->tail->next;)
		list->tail = list->tail->next;
}

#endif
