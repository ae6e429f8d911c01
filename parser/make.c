/*
 * What the grammar's actions call to make nodes: everything that is more than ast_new. Here the tree gets the shape
 * that ast.h promises, and slips that are easier to explain than to forbid in the grammar get their message.
 */
#include "parser/parse_internal.h"

#include <string.h>

#include "base/strmap.h"

#define MAX_CONST_DEPTH 100

struct node *make_int(struct parser *p, const struct token *token)
{
	struct node *node = ast_new(p->arena, NODE_INT, token->span);

	if (token->is_real)
		return make_text(p, NODE_REAL, token);
	node->value = token->value;
	node->is_unsigned = token->is_unsigned;
	node->is_time = token->is_time;
	return node;
}

struct node *make_text(struct parser *p, enum node_kind kind, const struct token *token)
{
	struct node *node = ast_new(p->arena, kind, token->span);

	node->text = token->text;
	node->len = token->len;
	return node;
}

struct node *make_named(struct parser *p, enum node_kind kind, const struct token *token)
{
	struct node *node = ast_new(p->arena, kind, token->span);

	node->name = token->text;
	node->name_span = token->span;
	return node;
}

struct node *make_list(struct parser *p, enum node_kind kind, struct span span,
		       struct node_list args)
{
	struct node *node = ast_new(p->arena, kind, span);

	node->args = args.head;
	return node;
}

struct node *make_param(struct parser *p, const struct token *token)
{
	struct node *node = ast_new(p->arena, NODE_PARAM, token->span);

	node->value = token->value;
	if (!token->len)
		node->name = "#";
	return node;
}

/* The sign belongs to a literal, so that -9223372036854775808 is one number. */
struct node *make_negative(struct parser *p, struct span span, struct node *a)
{
	bool is_negated = !a->is_unsigned && (int64_t)a->value < 0;

	if (a->kind != NODE_INT || a->is_paren || is_negated)
		return ast_unary(p->arena, NODE_UNARY, OP_NEG, span, a);
	if (a->value > (uint64_t)INT64_MAX + 1)
		diag_error(p->diags, span,
			   "number out of range: the least is -9223372036854775808");
	a->value = 0 - a->value;
	a->is_unsigned = false;
	a->span = span;
	return a;
}

static bool is_place(const struct node *node)
{
	return node->kind == NODE_VAR || node->kind == NODE_MAP;
}

struct node *make_step(struct parser *p, enum op op, struct span span, struct node *a,
		       bool is_prefix)
{
	struct node *node = ast_unary(p->arena, NODE_INCDEC, op, span, a);

	if (!is_place(a))
		diag_error(p->diags, span, "'%s' needs a variable ($x) or a map (@x)",
			   ast_op_text(op));
	node->is_prefix = is_prefix;
	return node;
}

struct node *make_address(struct parser *p, struct span span, struct node *a)
{
	if (!is_place(a))
		diag_error(p->diags, span, "'&' needs a variable ($x) or a map (@x)");
	return ast_unary(p->arena, NODE_ADDR, OP_NONE, span, a);
}

struct node *make_field(struct parser *p, struct span span, struct node *a,
			const struct token *name, bool arrow)
{
	struct node *node = make_named(p, NODE_FIELD, name);

	node->span = span;
	node->a = a;
	node->arrow = arrow;
	return node;
}

struct node *make_element(struct parser *p, struct span span, struct node *a,
			  const struct token *index)
{
	struct node *node = ast_unary(p->arena, NODE_TUPLE_INDEX, OP_NONE, span, a);

	if (strspn(index->text, "0123456789") != index->len)
		diag_error(p->diags, index->span,
			   "an element of a tuple is given by a plain number");
	node->value = index->value;
	node->name_span = index->span;
	return node;
}

struct node *make_equals_slip(struct parser *p, struct span at, struct node *a, struct node *b)
{
	diag_error(p->diags, at, "unexpected '=', expected '=='");
	diag_hint(p->diags, "'=' assigns in a statement of its own, '==' compares");
	return ast_binary(p->arena, OP_EQ, span_join(a->span, b->span), a, b);
}

struct node *make_assign(struct parser *p, enum op op, struct span span, struct node *a,
			 struct node *b)
{
	struct node *node = ast_new(p->arena, NODE_ASSIGN, span);
	bool is_discard = a->kind == NODE_IDENT && !strcmp(a->name, "_") && op == OP_NONE;

	node->op = op;
	node->a = is_discard ? NULL : a;
	node->b = b;
	if (is_discard || is_place(a))
		return node;
	diag_error(p->diags, a->span, "only a variable ($x) or a map (@x) can be assigned to");
	if (a->kind == NODE_IDENT)
		diag_hint(p->diags, "names of variables begin with '$': $%s", a->name);
	return node;
}

/* Was this written without `;`? Then its span ends with the expression. */
static bool is_value(const struct node *statement)
{
	return statement->kind == NODE_EXPR && statement->span.end == statement->a->span.end;
}

struct node *make_value_block(struct node *block)
{
	struct node **last = &block->args;

	if (!*last)
		return block;
	while ((*last)->next)
		last = &(*last)->next;
	if ((*last)->kind == NODE_IF)
		block->b = make_value_if(*last);
	else if ((*last)->kind == NODE_BLOCK)
		block->b = make_value_block(*last);
	else if (is_value(*last))
		block->b = (*last)->a;
	if (block->b)
		*last = NULL;
	return block;
}

struct node *make_value_if(struct node *node)
{
	for (struct node *branch = node; branch; branch = branch->c) {
		if (branch->kind == NODE_BLOCK) {
			make_value_block(branch);
			break;
		}
		make_value_block(branch->b);
	}
	return node;
}

struct node *make_for(struct parser *p, struct span span, const struct token *name,
		      struct node *from, struct node *to, struct node *body)
{
	struct node *node = make_named(p, to ? NODE_FOR_RANGE : NODE_FOR_MAP, name);

	node->span = span;
	node->a = from;
	node->b = to;
	node->c = body;
	return node;
}

struct node *make_let(struct parser *p, struct span span, const struct token *name,
		      struct spelled *spelled, struct node *value)
{
	struct node *node = make_named(p, NODE_LET, name);

	node->span = span;
	node->spelled = spelled;
	node->b = value;
	return node;
}

struct node *make_spec(struct parser *p, const struct token *token)
{
	return make_text(p, NODE_SPEC, token);
}

struct node *make_alternative(struct parser *p, struct node *first, struct node *second)
{
	if (!first->args)
		first->args = ast_clone(p->arena, first);
	first->args = ast_append(first->args, second);
	first->span.end = second->span.end;
	return first;
}

struct node *make_config(struct parser *p, struct span span, struct node_list entries)
{
	struct node *node = make_list(p, NODE_CONFIG, span, entries);

	if (p->config) {
		diag_error(p->diags, (struct span){ span.begin, span.begin + 6 },
			   "there is a second config block");
		diag_note(p->diags,
			  (struct span){ p->config->span.begin, p->config->span.begin + 6 },
			  "the first one is here");
	}
	p->config = node;
	return node;
}

struct node *make_import(struct parser *p, const struct token *token)
{
	return make_text(p, NODE_IMPORT, token);
}

struct node *make_define(struct parser *p, const struct token *name, struct node *value)
{
	struct node *node = make_named(p, NODE_DEFINE, name);

	node->a = value;
	strmap_put(p->defines, node->name, node);
	return node;
}

struct node *make_map_decl(struct parser *p, struct span span, const struct token *map,
			   const struct token *type, struct node *entries)
{
	struct node *node = make_named(p, NODE_MAP_DECL, map);
	int64_t value = 0;

	node->span = span;
	node->text = type->text;
	node->len = type->len;
	if (!make_const(p, entries, &value))
		return node;
	if (value <= 0 || value > INT32_MAX)
		diag_error(p->diags, entries->span, "a map has from 1 to 2147483647 entries");
	node->value = (uint64_t)value;
	return node;
}

static bool const_binary(const struct node *expr, int64_t a, int64_t b, int64_t *value)
{
	bool is_shift_ok = b >= 0 && b < 64;

	switch ((int)expr->op) {
	case OP_ADD:
		return !__builtin_add_overflow(a, b, value);
	case OP_SUB:
		return !__builtin_sub_overflow(a, b, value);
	case OP_MUL:
		return !__builtin_mul_overflow(a, b, value);
	case OP_DIV:
		*value = b > 0 ? a / b : 0;
		return b > 0;
	case OP_MOD:
		*value = b > 0 ? a % b : 0;
		return b > 0;
	case OP_AND:
		*value = a & b;
		return true;
	case OP_OR:
		*value = a | b;
		return true;
	case OP_SHL:
		*value = is_shift_ok ? (int64_t)((uint64_t)a << b) : 0;
		return is_shift_ok;
	case OP_SHR:
		*value = is_shift_ok ? a >> b : 0;
		return is_shift_ok;
	}
	return false;
}

static bool const_value(struct parser *p, const struct node *expr, int64_t *value, unsigned depth)
{
	const struct node *define;
	int64_t a, b;

	if (!expr || depth > MAX_CONST_DEPTH)
		return false;
	switch ((int)expr->kind) {
	case NODE_INT:
		*value = (int64_t)expr->value;
		return true;
	case NODE_IDENT:
		define = strmap_get(p->defines, expr->name);
		return define && const_value(p, define->a, value, depth + 1);
	case NODE_UNARY:
		if (expr->op != OP_NEG || !const_value(p, expr->a, &a, depth + 1))
			return false;
		*value = (int64_t)(0 - (uint64_t)a);
		return true;
	case NODE_BINARY:
		return const_value(p, expr->a, &a, depth + 1) &&
		       const_value(p, expr->b, &b, depth + 1) && const_binary(expr, a, b, value);
	}
	return false;
}

bool make_const(struct parser *p, const struct node *expr, int64_t *value)
{
	if (const_value(p, expr, value, 0))
		return true;
	diag_error(p->diags, expr->span, "expected a constant number");
	return false;
}

/* C's integers by the names of this language; other names stay what they are. */
static const char *canonical_name(const char *name)
{
	static const char *const names[2][4] = {
		{ "int8", "int16", "int32", "int64" },
		{ "uint8", "uint16", "uint32", "uint64" },
	};
	bool is_unsigned = false, is_integer = false;
	unsigned size = 2;

	for (const char *word = name; *word;) {
		size_t len = strcspn(word, " ");
		const char *rest = word + len + strspn(word + len, " ");

		if (len == 8 && !strncmp(word, "unsigned", len))
			is_unsigned = true;
		else if (len == 4 && !strncmp(word, "char", len))
			size = 0;
		else if (len == 5 && !strncmp(word, "short", len))
			size = 1;
		else if (len == 4 && !strncmp(word, "long", len))
			size = 3;
		else if (!(len == 3 && !strncmp(word, "int", len)) &&
			 !(len == 6 && !strncmp(word, "signed", len)))
			return name;
		is_integer = true;
		word = rest;
	}
	return is_integer ? names[is_unsigned][size] : name;
}

struct spelled *make_spelled(struct parser *p, int kind, struct span span, const struct token *name)
{
	struct spelled *spelled = arena_new_of(p->arena, struct spelled);

	spelled->kind = kind;
	spelled->span = span;
	if (name && name->text)
		spelled->name = kind == SPELLED_NAME ? canonical_name(name->text) : name->text;
	return spelled;
}

struct spelled *make_spelled_pointer(struct parser *p, struct spelled *spelled, struct span span)
{
	if (spelled->dims)
		diag_error(p->diags, span, "not supported yet: a pointer to an array");
	spelled->pointers++;
	spelled->span = span;
	return spelled;
}

struct spelled *make_spelled_array(struct parser *p, struct spelled *spelled, struct span span,
				   struct node *size)
{
	int64_t value = 0;

	spelled->span = span;
	if (spelled->dims == sizeof(spelled->dim) / sizeof(spelled->dim[0])) {
		diag_error(p->diags, span, "an array has at most 4 dimensions");
		return spelled;
	}
	if (size && make_const(p, size, &value) && (value < 0 || value >= UINT32_MAX))
		diag_error(p->diags, size->span, "%lld cannot be the size of an array",
			   (long long)value);
	spelled->dim[spelled->dims++] = size ? (uint32_t)value : UINT32_MAX;
	return spelled;
}

struct node *make_definition(struct parser *p, int kind, struct span span, const struct token *name,
			     struct node_list members, const struct token *attribute)
{
	struct node *node = make_list(p, NODE_STRUCT_DEF, span, members);

	node->spelled = make_spelled(p, kind, name->text ? name->span : span, name);
	node->name_span = node->spelled->span;
	node->text = attribute->text;
	node->len = attribute->len;
	return node;
}

struct node *make_declarator(struct parser *p, struct span span, unsigned pointers,
			     const struct token *name)
{
	struct node *node = ast_new(p->arena, NODE_MEMBER, span);

	if (name) {
		node->name = name->text;
		node->name_span = name->span;
	}
	node->spelled = make_spelled(p, SPELLED_NAME, span, NULL);
	node->spelled->pointers = pointers;
	return node;
}

void make_declarator_bits(struct parser *p, struct node *declarator, struct node *bits)
{
	int64_t value = 1;

	if (make_const(p, bits, &value) && (value < 1 || value > 64))
		diag_error(p->diags, bits->span,
			   value ? "a bit field has from 1 to 64 bits"
				 : "not supported yet: a bit field of no bits");
	declarator->value = (uint64_t)value;
}

struct node_list make_members(struct parser *p, struct spelled *base, struct node *definition,
			      struct node_list declarators, struct span span)
{
	struct node *member;

	if (!declarators
		     .head) { /* an anonymous struct or union: its members are found through it */
		struct node *anonymous = make_declarator(p, span, 0, NULL);

		declarators = (struct node_list){ anonymous, anonymous };
	}
	node_each (member, declarators.head) {
		struct spelled *spelled = member->spelled;

		member->b = definition;
		if (spelled->name)
			continue; /* a pointer to a function */
		spelled->kind = base->kind;
		spelled->name = base->name;
		spelled->of = base->of;
		spelled->pointers += base->pointers;
		spelled->span = base->span;
	}
	return declarators;
}
