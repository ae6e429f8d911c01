/*
 * printf formats: parsed once into directives with the literal text before each, checked against
 * argument types when the script is compiled, applied to values for every event. Printing is the
 * hot path of a tracer, so integers and strings are written straight into the buffer; the C
 * library's printf is used for reals only.
 */
#include "out/format.h"

#include <stdio.h>
#include <string.h>

#include "base/vec.h"
#include "model/feature.h"

#define MAX_WIDTH 65535
#define MAX_ARGS  127

enum conversion {
	CONV_END, /* only the literal text after the last directive */
	CONV_SIGNED,
	CONV_UNSIGNED,
	CONV_HEX,
	CONV_HEX_UPPER,
	CONV_OCTAL,
	CONV_POINTER,
	CONV_CHAR,
	CONV_STRING,
	CONV_BUFFER,	    /* %r */
	CONV_BUFFER_HEX,    /* %rx */
	CONV_BUFFER_SPACED, /* %rh */
	CONV_REAL,
};

struct directive {
	const char *literal; /* printed before the argument */
	uint32_t literal_len;
	enum conversion conversion;
	bool left, plus, space, alternate, zero;
	bool plain;   /* nothing but the conversion and its length: no width, flags, precision */
	uint8_t bits; /* integers are cut to this many */
	uint32_t width;
	int32_t precision;   /* -1: none */
	const char *spelled; /* "%-5d", for messages and for snprintf */
	char letter;
};

struct format {
	VEC(struct directive) directives;
};

/* --- parsing --- */

struct parser {
	struct arena *arena;
	const char *at;
	const char *problem;
};

static bool parse_flag(struct directive *directive, char c)
{
	switch (c) {
	case '-':
		return directive->left = true;
	case '+':
		return directive->plus = true;
	case ' ':
		return directive->space = true;
	case '#':
		return directive->alternate = true;
	case '0':
		return directive->zero = true;
	default:
		return false;
	}
}

/*
 * A width or a precision. `*` is accepted and means nothing: it takes no argument (as users'
 * scripts expect).
 */
static uint32_t parse_number(struct parser *parser)
{
	uint32_t number = 0;

	if (*parser->at == '*') {
		parser->at++;
		return 0;
	}
	for (; *parser->at >= '0' && *parser->at <= '9'; parser->at++) {
		number = number * 10 + (uint32_t)(*parser->at - '0');
		if (number > MAX_WIDTH) {
			parser->problem = arena_printf(
				parser->arena, "a width or precision is at most %d", MAX_WIDTH);
			return 0;
		}
	}
	return number;
}

static uint8_t parse_length(struct parser *parser)
{
	char c = *parser->at;

	if (c == 'h' || c == 'l') {
		parser->at++;
		if (*parser->at == c) {
			parser->at++;
			return c == 'h' ? 8 : 64;
		}
		return c == 'h' ? 16 : 64;
	}
	if (c == 'j' || c == 'z' || c == 't') {
		parser->at++;
		return 64;
	}
	return 32;
}

static enum conversion parse_buffer(struct parser *parser)
{
	if (*parser->at == 'x') {
		parser->at++;
		return CONV_BUFFER_HEX;
	}
	if (*parser->at == 'h') {
		parser->at++;
		return CONV_BUFFER_SPACED;
	}
	return CONV_BUFFER;
}

static enum conversion parse_conversion(struct parser *parser)
{
	const char *letter = parser->at;

	if (*letter == '\0') {
		parser->problem = "the format ends in the middle of a conversion; write %% for a "
				  "percent sign";
		return CONV_END;
	}
	parser->at++;
	switch (*letter) {
	case 'd':
	case 'i':
		return CONV_SIGNED;
	case 'u':
		return CONV_UNSIGNED;
	case 'x':
		return CONV_HEX;
	case 'X':
		return CONV_HEX_UPPER;
	case 'o':
		return CONV_OCTAL;
	case 'p':
		return CONV_POINTER;
	case 'c':
		return CONV_CHAR;
	case 's':
		return CONV_STRING;
	case 'r':
		return parse_buffer(parser);
	case 'g':
		if (*parser->at == 'r') {
			parser->problem = "not supported yet: %gr";
			return CONV_END;
		}
		return CONV_REAL;
	case 'f':
	case 'F':
	case 'e':
	case 'E':
	case 'G':
	case 'a':
	case 'A':
		return CONV_REAL;
	default:
		parser->problem =
			*letter > ' ' && *letter <= '~'
				? arena_printf(parser->arena,
					       "there is no conversion %%%c; write %%%% for a "
					       "percent sign",
					       *letter)
				: "a conversion letter must follow %; write %% for a percent sign";
		return CONV_END;
	}
}

/* parser->at stands after the `%`. */
static void parse_directive(struct parser *parser, struct directive *directive)
{
	const char *percent = parser->at - 1;

	while (parse_flag(directive, *parser->at))
		parser->at++;
	directive->width = parse_number(parser);
	directive->precision = -1;
	if (*parser->at == '.') {
		bool ignored = *++parser->at == '*';
		uint32_t precision = parse_number(parser);

		directive->precision = ignored ? -1 : (int32_t)precision;
	}
	if (parser->problem)
		return;

	const char *length = parser->at;

	directive->bits = parse_length(parser);

	const char *letter = parser->at;

	directive->conversion = parse_conversion(parser);
	if (parser->problem)
		return;
	directive->letter = *letter;
	directive->plain = percent + 1 == length;
	directive->spelled = arena_strndup(parser->arena, percent, (size_t)(parser->at - percent));
	if (directive->conversion == CONV_POINTER)
		directive->bits = 64;
}

/*
 * Copy literal text, `%%` as `%`, up to the next directive, where the reader is left behind its
 * `%`. False when the text has ended.
 */
static bool parse_literal(struct parser *parser, char **to)
{
	for (; *parser->at; parser->at++) {
		if (*parser->at == '%' && *++parser->at != '%')
			return true;
		*(*to)++ = *parser->at;
	}
	return false;
}

struct format *format_parse(struct arena *arena, const char *text, const char **problem,
			    uint32_t *at)
{
	struct parser parser = { .arena = arena, .at = text };
	struct format *format = arena_new_of(arena, struct format);
	char *to = arena_alloc(arena, strlen(text) + 1);

	for (;;) {
		struct directive *directive = vec_grow(arena, &format->directives);

		directive->literal = to;
		bool more = parse_literal(&parser, &to);

		directive->literal_len = (uint32_t)(to - directive->literal);
		if (!more)
			return format;

		*at = (uint32_t)(parser.at - 1 - text);
		if (format->directives.n > MAX_ARGS)
			parser.problem = "a format has at most 127 conversions";
		else
			parse_directive(&parser, directive);
		if (parser.problem) {
			*problem = parser.problem;
			return NULL;
		}
	}
}

/* --- checking --- */

unsigned format_arg_count(const struct format *format)
{
	return (unsigned)format->directives.n - 1; /* the last one is the rest of the text */
}

static bool is_number(const struct type *type)
{
	switch (type->kind) {
	case TYPE_BOOL:
	case TYPE_INT:
	case TYPE_ENUM:
	case TYPE_PTR:
		return true;
	case TYPE_AGG:
		return type->aggregate && type->aggregate->rt_read;
	default:
		return false;
	}
}

/* What a conversion expects, when it does not accept the type. */
static const char *expected(enum conversion conversion, const struct type *type)
{
	switch (conversion) {
	case CONV_SIGNED:
	case CONV_UNSIGNED:
	case CONV_HEX:
	case CONV_HEX_UPPER:
	case CONV_OCTAL:
	case CONV_POINTER:
	case CONV_CHAR:
		return is_number(type) ? NULL : "an integer";
	case CONV_BUFFER:
	case CONV_BUFFER_HEX:
	case CONV_BUFFER_SPACED:
		return type->kind == TYPE_BUF ? NULL : "a buffer";
	case CONV_STRING:
		return type->kind == TYPE_NONE ? "a value" : NULL;
	case CONV_REAL:
		return type->kind == TYPE_AGG
			       ? NULL
			       : "a floating-point number, which only an aggregation has";
	case CONV_END:
		return "no argument";
	}
	return NULL;
}

const char *format_check_arg(struct arena *arena, const struct format *format, unsigned i,
			     const struct type *type)
{
	if (type->kind == TYPE_ERROR || i >= format_arg_count(format))
		return NULL;

	const struct directive *directive = &format->directives.data[i];
	const char *what = expected(directive->conversion, type);

	return what ? arena_printf(arena, "%s expects %s, got %s", directive->spelled, what,
				   type_spell(arena, type))
		    : NULL;
}

/* --- printing --- */

/* Bring what was printed since `start` to the directive's width. */
static void pad(struct buf *out, size_t start, const struct directive *directive)
{
	size_t len = out->len - start;

	if (len >= directive->width)
		return;

	size_t n = directive->width - len;

	buf_fill(out, ' ', n);
	if (directive->left)
		return;
	memmove(out->data + start + n, out->data + start, len);
	memset(out->data + start, ' ', n);
}

struct number {
	const char *sign; /* "", "-", "+" or " " */
	const char *prefix;
	const char *digits;
	size_t len;
	size_t zeros; /* before the digits */
};

static void print_number(struct buf *out, const struct directive *directive, struct number number)
{
	size_t start = out->len;
	size_t len = strlen(number.sign) + strlen(number.prefix) + number.zeros + number.len;

	if (directive->zero && !directive->left && len < directive->width)
		number.zeros += directive->width - len;
	buf_puts(out, number.sign);
	buf_puts(out, number.prefix);
	buf_fill(out, '0', number.zeros);
	buf_add(out, number.digits, number.len);
	pad(out, start, directive);
}

static uint64_t cut(uint64_t raw, uint8_t bits, bool is_signed)
{
	unsigned shift = 64u - bits;

	return is_signed ? (uint64_t)((int64_t)(raw << shift) >> shift) : raw << shift >> shift;
}

static char *power_digits(char *end, uint64_t number, unsigned shift, const char *letters)
{
	do
		*--end = letters[number & ((1u << shift) - 1)];
	while (number >>= shift);
	return end;
}

static char *integer_digits(const struct directive *directive, char *end, uint64_t number)
{
	switch (directive->conversion) {
	case CONV_HEX:
	case CONV_POINTER:
		return power_digits(end, number, 4, "0123456789abcdef");
	case CONV_HEX_UPPER:
		return power_digits(end, number, 4, "0123456789ABCDEF");
	case CONV_OCTAL:
		return power_digits(end, number, 3, "01234567");
	default:
		return value_digits(end, number);
	}
}

static const char *sign_of(const struct directive *directive, bool negative)
{
	return negative ? "-" : directive->plus ? "+" : directive->space ? " " : "";
}

static const char *prefix_of(const struct directive *directive, uint64_t number)
{
	if (directive->conversion == CONV_POINTER)
		return "0x";
	if (!directive->alternate || !number)
		return "";
	return directive->conversion == CONV_HEX	 ? "0x"
	       : directive->conversion == CONV_HEX_UPPER ? "0X"
							 : "";
}

/* C's rules: a precision is the least number of digits and turns the `0` flag off. */
static void print_integer(struct buf *out, const struct directive *given, uint64_t raw)
{
	struct directive directive = *given;
	bool is_signed = directive.conversion == CONV_SIGNED;
	uint64_t bits = cut(raw, directive.bits, is_signed);
	bool negative = is_signed && (int64_t)bits < 0;
	uint64_t magnitude = negative ? -bits : bits;
	char text[24], *end = text + sizeof(text);
	char *digits = integer_digits(&directive, end, magnitude);
	struct number number = { .sign = is_signed ? sign_of(&directive, negative) : "",
				 .prefix = prefix_of(&directive, magnitude),
				 .digits = digits,
				 .len = (size_t)(end - digits) };

	if (directive.precision >= 0) {
		directive.zero = false;
		if (directive.precision == 0 && magnitude == 0)
			number.len = 0;
		if ((size_t)directive.precision > number.len)
			number.zeros = (size_t)directive.precision - number.len;
	}
	if (directive.conversion == CONV_OCTAL && directive.alternate && !number.zeros &&
	    (number.len == 0 || *digits != '0'))
		number.zeros = 1;
	print_number(out, &directive, number);
}

/* The common case: %d, %u, %lld, %llu. */
static void print_decimal(struct buf *out, const struct directive *directive, uint64_t raw)
{
	char text[24], *end = text + sizeof(text);
	bool is_signed = directive->conversion == CONV_SIGNED;
	uint64_t bits = cut(raw, directive->bits, is_signed);
	bool negative = is_signed && (int64_t)bits < 0;
	char *digits = value_digits(end, negative ? -bits : bits);

	if (negative)
		*--digits = '-';
	buf_add(out, digits, (size_t)(end - digits));
}

static void print_real(struct buf *out, const struct directive *directive, double real)
{
	char text[512];
	int precision = directive->precision < 0    ? 6
			: directive->precision > 64 ? 64
						    : directive->precision;
	double magnitude = real < 0 ? -real : real;

	switch (directive->letter) {
	case 'e':
	case 'E':
		snprintf(text, sizeof(text), "%.*e", precision, magnitude);
		break;
	case 'g':
	case 'G':
		snprintf(text, sizeof(text), "%.*g", precision, magnitude);
		break;
	case 'a':
	case 'A':
		snprintf(text, sizeof(text), "%a", magnitude);
		break;
	default:
		snprintf(text, sizeof(text), "%.*f", precision, magnitude);
	}
	print_number(out, directive,
		     (struct number){ .sign = sign_of(directive, real < 0),
				      .prefix = "",
				      .digits = text,
				      .len = strlen(text) });
}

static void print_text(struct buf *out, const struct directive *directive,
		       const struct value *value)
{
	if (directive->plain && value->kind == VALUE_STR && !value->truncated) {
		buf_add(out, value->text, value->len);
		return;
	}

	size_t start = out->len;

	value_text(out, value);
	if (directive->precision >= 0 && out->len - start > (size_t)directive->precision) {
		out->len = start + (size_t)directive->precision;
		out->data[out->len] = '\0';
	}
	pad(out, start, directive);
}

static void print_buffer(struct buf *out, const struct directive *directive,
			 const struct value *value)
{
	static const char hex[] = "0123456789abcdef";
	bool spaced = directive->conversion == CONV_BUFFER_SPACED;
	size_t start = out->len;

	for (uint32_t i = 0; i < value->len; i++) {
		unsigned char c = (unsigned char)value->text[i];
		char digits[2] = { hex[c >> 4], hex[c & 15] };

		if (!spaced)
			buf_add(out, "\\x", 2);
		else if (i)
			buf_putc(out, ' ');
		buf_add(out, digits, 2);
	}
	pad(out, start, directive);
}

static bool is_numeric(const struct value *value)
{
	switch (value->kind) {
	case VALUE_BOOL:
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_PTR:
	case VALUE_SYMBOL:
	case VALUE_REAL:
		return true;
	default:
		return false;
	}
}

/* The 64 bits an integer conversion works on; a real that does not fit gives 0. */
static uint64_t raw_bits(const struct value *value)
{
	if (value->kind != VALUE_REAL)
		return value->u;
	return value->real > -9.2e18 && value->real < 9.2e18 ? (uint64_t)(int64_t)value->real : 0;
}

static void print_char(struct buf *out, const struct directive *directive,
		       const struct value *value)
{
	size_t start = out->len;

	buf_putc(out, (char)raw_bits(value));
	pad(out, start, directive);
}

/* What is not of the kind that a conversion wants is printed as %s does. */
static void print_argument(struct buf *out, const struct directive *directive,
			   const struct value *value)
{
	switch (directive->conversion) {
	case CONV_SIGNED:
	case CONV_UNSIGNED:
		if (directive->plain && is_numeric(value)) {
			print_decimal(out, directive, raw_bits(value));
			return;
		}
		/* fall through */
	case CONV_HEX:
	case CONV_HEX_UPPER:
	case CONV_OCTAL:
	case CONV_POINTER:
		if (is_numeric(value)) {
			print_integer(out, directive, raw_bits(value));
			return;
		}
		break;
	case CONV_CHAR:
		if (is_numeric(value)) {
			print_char(out, directive, value);
			return;
		}
		break;
	case CONV_BUFFER_HEX:
	case CONV_BUFFER_SPACED:
		if (value->kind == VALUE_BYTES || value->kind == VALUE_STR) {
			print_buffer(out, directive, value);
			return;
		}
		break;
	case CONV_REAL:
		if (is_numeric(value)) {
			print_real(out, directive, value_number(value));
			return;
		}
		break;
	case CONV_END:
		return;
	case CONV_STRING:
	case CONV_BUFFER:
		break;
	}
	print_text(out, directive, value);
}

void format_print(struct buf *out, const struct format *format, const struct value *argv,
		  unsigned argc)
{
	const struct directive *directive;
	unsigned i = 0;

	vec_each (directive, &format->directives) {
		if (directive->literal_len)
			buf_add(out, directive->literal, directive->literal_len);
		if (directive->conversion != CONV_END && i < argc)
			print_argument(out, directive, &argv[i++]);
	}
}
