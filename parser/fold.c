/*
 * Constant integer expressions: enum values, unroll counts, array bounds, constant arguments of rows. Arithmetic is
 * that of the kernel side: 64 bits, wrapping.
 */
#include "parser/front.h"

static bool fold_divide(enum op op, int64_t a, int64_t b, bool is_unsigned, int64_t *value)
{
	if (b == 0)
		return false;
	if (is_unsigned)
		*value = op == OP_DIV ? (int64_t)((uint64_t)a / (uint64_t)b)
				      : (int64_t)((uint64_t)a % (uint64_t)b);
	else if (b == -1)
		*value = op == OP_DIV ? (int64_t)(0 - (uint64_t)a) : 0;
	else
		*value = op == OP_DIV ? a / b : a % b;
	return true;
}

static bool fold_compare(enum op op, int64_t a, int64_t b, bool is_unsigned, int64_t *value)
{
	int order = is_unsigned ? ((uint64_t)a > (uint64_t)b) - ((uint64_t)a < (uint64_t)b)
				: (a > b) - (a < b);

	switch (op) {
	case OP_LT:
		*value = order < 0;
		return true;
	case OP_LE:
		*value = order <= 0;
		return true;
	case OP_GT:
		*value = order > 0;
		return true;
	case OP_GE:
		*value = order >= 0;
		return true;
	case OP_EQ:
		*value = order == 0;
		return true;
	case OP_NE:
		*value = order != 0;
		return true;
	case OP_LAND:
		*value = a && b;
		return true;
	case OP_LOR:
		*value = a || b;
		return true;
	default:
		return false;
	}
}

bool fold_binary(enum op op, int64_t a, int64_t b, bool is_unsigned, int64_t *value)
{
	uint64_t x = (uint64_t)a, y = (uint64_t)b;

	switch (op) {
	case OP_ADD:
		*value = (int64_t)(x + y);
		return true;
	case OP_SUB:
		*value = (int64_t)(x - y);
		return true;
	case OP_MUL:
		*value = (int64_t)(x * y);
		return true;
	case OP_DIV:
	case OP_MOD:
		return fold_divide(op, a, b, is_unsigned, value);
	case OP_AND:
		*value = (int64_t)(x & y);
		return true;
	case OP_OR:
		*value = (int64_t)(x | y);
		return true;
	case OP_XOR:
		*value = (int64_t)(x ^ y);
		return true;
	case OP_SHL:
		*value = (int64_t)(x << (y & 63));
		return true;
	case OP_SHR:
		*value = is_unsigned ? (int64_t)(x >> (y & 63)) : a >> (y & 63);
		return true;
	default:
		return fold_compare(op, a, b, is_unsigned, value);
	}
}

static bool fold_unary(const struct node *node, int64_t *value)
{
	int64_t a;

	if (!fold_int(node->a, &a))
		return false;
	switch (node->op) {
	case OP_NEG:
		*value = (int64_t)(0 - (uint64_t)a);
		return true;
	case OP_BITNOT:
		*value = ~a;
		return true;
	case OP_NOT:
		*value = !a;
		return true;
	default:
		return false;
	}
}

bool fold_int(const struct node *node, int64_t *value)
{
	int64_t a, b;

	switch (node->kind) {
	case NODE_INT:
	case NODE_BOOL:
		*value = (int64_t)node->value;
		return true;
	case NODE_UNARY:
		return fold_unary(node, value);
	case NODE_BINARY:
		return fold_int(node->a, &a) && fold_int(node->b, &b) &&
		       fold_binary(node->op, a, b, node->a->is_unsigned || node->b->is_unsigned,
				   value);
	case NODE_COND:
		return node->b && fold_int(node->a, &a) && fold_int(a ? node->b : node->c, value);
	default:
		break;
	}
	if (!node->is_literal || !node->type || !type_is_int_like(node->type))
		return false;
	*value = (int64_t)node->value;
	return true;
}
