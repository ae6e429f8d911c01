/*
 * The tree as a data structure: making, listing, copying, walking and dumping nodes. What a node means is known to
 * resolve, check and lower; how text becomes a node, to the grammar.
 */
#include "parser/ast.h"

#include <inttypes.h>
#include <string.h>

/* clang-format off */
static const char *const kind_names[] = {
	[NODE_INT] = "int", [NODE_REAL] = "real", [NODE_STR] = "string", [NODE_BOOL] = "bool", [NODE_PARAM] = "param",
	[NODE_IDENT] = "identifier", [NODE_VAR] = "variable", [NODE_MAP] = "map", [NODE_CALL] = "call",
	[NODE_UNARY] = "unary", [NODE_BINARY] = "binary", [NODE_DEREF] = "dereference", [NODE_ADDR] = "address",
	[NODE_INCDEC] = "step", [NODE_COND] = "conditional", [NODE_FIELD] = "field",
	[NODE_TUPLE_INDEX] = "element", [NODE_INDEX] = "index", [NODE_CAST] = "cast",
	[NODE_SIZEOF] = "sizeof", [NODE_OFFSETOF] = "offsetof", [NODE_TUPLE] = "tuple",
	[NODE_RECORD] = "record", [NODE_NAMED] = "named", [NODE_TYPE] = "type", [NODE_IF] = "if",
	[NODE_BLOCK] = "block", [NODE_EXPR] = "expression", [NODE_ASSIGN] = "assign", [NODE_LET] = "let",
	[NODE_FOR_RANGE] = "for-range", [NODE_FOR_MAP] = "for-map", [NODE_WHILE] = "while",
	[NODE_UNROLL] = "unroll", [NODE_BREAK] = "break", [NODE_CONTINUE] = "continue",
	[NODE_RETURN] = "return", [NODE_PROBE] = "probe", [NODE_SPEC] = "spec", [NODE_MACRO] = "macro",
	[NODE_FN] = "fn", [NODE_MAP_DECL] = "map-declaration", [NODE_CONFIG] = "config",
	[NODE_STRUCT_DEF] = "definition", [NODE_MEMBER] = "member", [NODE_IMPORT] = "import",
	[NODE_METRIC] = "metric", [NODE_DEFINE] = "define", [NODE_PROGRAM] = "program",
};

static const char *const op_texts[] = {
	[OP_NONE] = "", [OP_ADD] = "+", [OP_SUB] = "-", [OP_MUL] = "*", [OP_DIV] = "/", [OP_MOD] = "%",
	[OP_AND] = "&", [OP_OR] = "|", [OP_XOR] = "^", [OP_SHL] = "<<", [OP_SHR] = ">>", [OP_LT] = "<",
	[OP_LE] = "<=", [OP_GT] = ">", [OP_GE] = ">=", [OP_EQ] = "==", [OP_NE] = "!=", [OP_LAND] = "&&",
	[OP_LOR] = "||", [OP_NEG] = "-", [OP_NOT] = "!", [OP_BITNOT] = "~", [OP_INC] = "++", [OP_DEC] = "--",
};
/* clang-format on */

const char *ast_op_text(enum op op)
{
	return op_texts[op];
}

const char *ast_kind_name(enum node_kind kind)
{
	return kind_names[kind];
}

struct node *ast_new(struct arena *arena, enum node_kind kind, struct span span)
{
	struct node *node = arena_new_of(arena, struct node);

	node->kind = kind;
	node->span = span;
	return node;
}

struct node *ast_unary(struct arena *arena, enum node_kind kind, enum op op, struct span span,
		       struct node *a)
{
	struct node *node = ast_new(arena, kind, span);

	node->op = op;
	node->a = a;
	return node;
}

struct node *ast_binary(struct arena *arena, enum op op, struct span span, struct node *a,
			struct node *b)
{
	struct node *node = ast_unary(arena, NODE_BINARY, op, span, a);

	node->b = b;
	return node;
}

struct node *ast_append(struct node *list, struct node *item)
{
	struct node *last = list;

	if (!list)
		return item;
	while (last->next)
		last = last->next;
	last->next = item;
	return list;
}

unsigned ast_count(const struct node *list)
{
	unsigned n = 0;

	for (; list; list = list->next)
		n++;
	return n;
}

struct node *ast_nth(const struct node *list, unsigned n)
{
	while (list && n--)
		list = list->next;
	return (struct node *)list;
}

struct node *ast_clone(struct arena *arena, const struct node *node)
{
	if (!node)
		return NULL;

	struct node *copy = arena_new_of(arena, struct node);

	*copy = *node;
	copy->next = NULL;
	copy->a = ast_clone(arena, node->a);
	copy->b = ast_clone(arena, node->b);
	copy->c = ast_clone(arena, node->c);
	copy->args = ast_clone_list(arena, node->args);
	copy->key = ast_clone_list(arena, node->key);
	if (node->spelled) {
		copy->spelled = arena_new_of(arena, struct spelled);
		*copy->spelled = *node->spelled;
		copy->spelled->of = ast_clone(arena, node->spelled->of);
	}
	return copy;
}

struct node *ast_clone_list(struct arena *arena, const struct node *list)
{
	struct node *first = NULL, **end = &first;

	for (; list; list = list->next) {
		*end = ast_clone(arena, list);
		end = &(*end)->next;
	}
	return first;
}

static bool walk_list(struct node *list, bool (*visit)(struct node *, void *), void *arg)
{
	for (struct node *next; list; list = next) {
		next = list->next; /* the visitor may move the node */
		if (!ast_walk(list, visit, arg))
			return false;
	}
	return true;
}

bool ast_walk(struct node *node, bool (*visit)(struct node *, void *), void *arg)
{
	if (!node)
		return true;
	if (!visit(node, arg))
		return false;
	if (node->spelled && !ast_walk(node->spelled->of, visit, arg))
		return false;
	return walk_list(node->key, visit, arg) && ast_walk(node->a, visit, arg) &&
	       ast_walk(node->b, visit, arg) && ast_walk(node->c, visit, arg) &&
	       walk_list(node->args, visit, arg);
}

struct dump {
	FILE *out;
	struct arena *arena; /* for type_spell */
	unsigned indent;
};

static void dump_node(struct dump *d, const struct node *node);

static void dump_list(struct dump *d, const struct node *list)
{
	d->indent++;
	for (; list; list = list->next)
		dump_node(d, list);
	d->indent--;
}

static void dump_indent(const struct dump *d)
{
	for (unsigned i = 0; i < d->indent; i++)
		fputs("  ", d->out);
}

/* A child (or list) under a word that says which one it is; nothing when there is none. */
static void dump_labelled(struct dump *d, const char *label, const struct node *list)
{
	if (!list)
		return;
	d->indent++;
	dump_indent(d);
	fprintf(d->out, "%s\n", label);
	dump_list(d, list);
	d->indent--;
}

static void dump_child(struct dump *d, const struct node *child)
{
	d->indent++;
	if (child)
		dump_node(d, child);
	d->indent--;
}

static void dump_quoted(const struct dump *d, const char *text, size_t len)
{
	fputc('"', d->out);
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)text[i];

		if (c == '"' || c == '\\')
			fprintf(d->out, "\\%c", c);
		else if (c == '\n')
			fputs("\\n", d->out);
		else if (c < 0x20 || c == 0x7f)
			fprintf(d->out, "\\x%02x", c);
		else
			fputc(c, d->out);
	}
	fputc('"', d->out);
}

static void dump_spelled(const struct dump *d, const struct spelled *spelled)
{
	static const char *const prefixes[] = {
		[SPELLED_NAME] = "",	 [SPELLED_STRUCT] = "struct", [SPELLED_UNION] = "union",
		[SPELLED_ENUM] = "enum", [SPELLED_TYPEOF] = "typeof",
	};

	fputs(prefixes[spelled->kind], d->out);
	if (spelled->name)
		fprintf(d->out, "%s%s", spelled->kind == SPELLED_NAME ? "" : " ", spelled->name);
	for (unsigned i = 0; i < spelled->pointers; i++)
		fputs(i ? "*" : " *", d->out);
	for (unsigned i = 0; i < spelled->dims; i++) {
		if (spelled->dim[i] == UINT32_MAX)
			fputs("[]", d->out);
		else
			fprintf(d->out, "[%" PRIu32 "]", spelled->dim[i]);
	}
}

static void dump_number(const struct dump *d, const struct node *node)
{
	if (node->is_unsigned)
		fprintf(d->out, " %" PRIu64, node->value);
	else
		fprintf(d->out, " %" PRId64, (int64_t)node->value);
}

static bool names_variable(enum node_kind kind)
{
	return kind == NODE_VAR || kind == NODE_LET || kind == NODE_FOR_RANGE ||
	       kind == NODE_FOR_MAP;
}

/* What stands behind the kind on a node's own line. */
static void dump_details(struct dump *d, const struct node *node)
{
	bool is_number = node->kind == NODE_INT || node->kind == NODE_TUPLE_INDEX ||
			 node->kind == NODE_MAP_DECL || (node->kind == NODE_PARAM && !node->name);

	if (node->op)
		fprintf(d->out, " %s%s", ast_op_text(node->op), node->is_prefix ? " prefix" : "");
	if (node->kind == NODE_ASSIGN && node->op)
		fputc('=', d->out);
	if (node->arrow)
		fputs(" ->", d->out);
	if (node->name)
		fprintf(d->out, " %s%s", names_variable(node->kind) ? "$" : "", node->name);
	if (node->spelled) {
		fputs(node->kind == NODE_LET || node->kind == NODE_MEMBER ? ": " : " ", d->out);
		dump_spelled(d, node->spelled);
	}
	if (node->kind == NODE_STR) {
		fputc(' ', d->out);
		dump_quoted(d, node->text, node->len);
	} else if (node->text) {
		fprintf(d->out, " %s", node->text);
	}
	if (is_number)
		dump_number(d, node);
	else if (node->kind == NODE_BOOL)
		fputs(node->value ? " true" : " false", d->out);
	else if (node->kind == NODE_MEMBER && node->value)
		fprintf(d->out, " bits %" PRIu64, node->value);
	if (node->type)
		fprintf(d->out, " : %s", type_spell(d->arena, node->type));
	fputc('\n', d->out);
}

/* Children that may be absent are labelled, so that the text stays unambiguous. */
static void dump_children(struct dump *d, const struct node *node)
{
	bool is_loop = node->kind == NODE_FOR_RANGE || node->kind == NODE_FOR_MAP ||
		       node->kind == NODE_WHILE || node->kind == NODE_UNROLL;

	dump_list(d, node->key);
	if (node->kind == NODE_PROBE) {
		dump_list(d, node->args);
		dump_labelled(d, "predicate", node->a);
		dump_child(d, node->b);
		return;
	}
	if (node->spelled && node->spelled->of)
		dump_labelled(d, "typeof", node->spelled->of);
	if (node->kind == NODE_ASSIGN && !node->a)
		dump_labelled(d, "discard", node->b);
	dump_child(d, node->a);
	if (node->kind == NODE_BLOCK) {
		dump_list(d, node->args);
		dump_labelled(d, "value", node->b);
		return;
	}
	if (node->kind == NODE_ASSIGN && !node->a)
		return;
	if (node->kind == NODE_MACRO || node->kind == NODE_FN)
		dump_list(d, node->args);
	dump_child(d, node->b);
	if (node->kind == NODE_IF)
		dump_labelled(d, "else", node->c);
	else if (is_loop || node->b)
		dump_child(d, node->c);
	else
		dump_labelled(d, "or", node->c); /* c of `a ?: c` */
	if (node->kind != NODE_MACRO && node->kind != NODE_FN)
		dump_list(d, node->args);
}

static void dump_node(struct dump *d, const struct node *node)
{
	dump_indent(d);
	fputs(ast_kind_name(node->kind), d->out);
	dump_details(d, node);
	dump_children(d, node);
}

void ast_dump(const struct node *node, FILE *out)
{
	struct dump d = { .out = out, .arena = arena_new() };

	if (node)
		dump_node(&d, node);
	arena_free(d.arena);
}
