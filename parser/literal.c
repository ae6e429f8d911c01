/*
 * Literals: numbers with their prefixes, separators and units, and the escapes of strings. Plain text in, values
 * out; where the text stands and how a mistake is told is the scanner's business.
 */
#include <ctype.h>
#include <string.h>

#include "parser/parse_internal.h"

/* Powers of ten and units of time behind a number; 0: no such suffix. */
static uint64_t suffix_scale(const char *suffix)
{
	static const struct {
		const char *text;
		uint64_t scale;
	} units[] = {
		{ "", 1 },
		{ "u", 1 },
		{ "l", 1 },
		{ "ul", 1 },
		{ "ll", 1 },
		{ "ull", 1 },
		{ "lu", 1 },
		{ "llu", 1 },
		{ "ns", 1 },
		{ "us", 1000 },
		{ "ms", 1000000 },
		{ "s", 1000000000 },
		{ "m", 60000000000 },
		{ "h", 3600000000000 },
		{ "d", 86400000000000 },
		{ 0 },
	};
	char low[4] = "";

	if (strlen(suffix) > 3)
		return 0;
	for (size_t i = 0; suffix[i]; i++)
		low[i] = strchr("uUlL", suffix[i]) ? (char)tolower((unsigned char)suffix[i])
						   : suffix[i];
	for (size_t i = 0; units[i].text; i++)
		if (!strcmp(low, units[i].text))
			return units[i].scale;
	return 0;
}

static int digit_value(char c)
{
	if (isdigit((unsigned char)c))
		return c - '0';
	return isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : 99;
}

/* Digits with `_` between them; *at moves behind them. False on overflow. */
static bool read_digits(const char **at, uint64_t base, uint64_t *value)
{
	bool fits = true;

	for (; **at == '_' || digit_value(**at) < (int)base; (*at)++) {
		if (**at == '_')
			continue;
		fits &= !__builtin_mul_overflow(*value, base, value);
		fits &= !__builtin_add_overflow(*value, (uint64_t)digit_value(**at), value);
	}
	return fits;
}

static bool read_exponent(const char **at, uint64_t *value)
{
	uint64_t exponent = 0;
	bool fits = true;

	if ((**at != 'e' && **at != 'E') || !isdigit((unsigned char)(*at)[1]))
		return true;
	++*at;
	fits = read_digits(at, 10, &exponent);
	if (*value && exponent > 19)
		return false;
	while (*value && exponent--)
		fits &= !__builtin_mul_overflow(*value, 10ull, value);
	return fits;
}

const char *literal_number(const char *text, uint64_t *value)
{
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	bool is_octal = !is_hex && text[0] == '0' && isdigit((unsigned char)text[1]);
	const char *at = text + (is_hex ? 2 : 0), *digits = at;

	*value = 0;

	bool fits = read_digits(&at, is_hex ? 16 : is_octal ? 8 : 10, value);
	bool has_digits = at > digits;

	if (!is_hex && !is_octal)
		fits &= read_exponent(&at, value);

	uint64_t scale = suffix_scale(at);

	if (!scale || !has_digits)
		return "invalid number";
	if (!fits || __builtin_mul_overflow(*value, scale, value))
		return "number out of range: 64 bits cannot hold";
	return NULL;
}

bool literal_is_time(const char *text)
{
	size_t len = strlen(text);
	bool is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');

	return len > 1 && !is_hex && strchr("smhd", text[len - 1]);
}

/* One escape, at points behind the backslash. Returns the byte, or -1. */
static int read_escape(const char **at)
{
	static const char from[] = "ntr\"\\", to[] = "\n\t\r\"\\";
	const char *simple = strchr(from, **at);
	unsigned value = 0, n = 0;

	if (simple) {
		++*at;
		return to[simple - from];
	}
	if (**at == 'x') {
		for (++*at; n < 2 && isxdigit((unsigned char)**at); n++)
			value = value * 16 + (unsigned)digit_value(*(*at)++);
		return n ? (int)value : -1;
	}
	for (; n < 3 && **at >= '0' && **at <= '7'; n++)
		value = value * 8 + (unsigned)(*(*at)++ - '0');
	if (!n)
		++*at;
	return n && value < 256 ? (int)value : -1;
}

bool literal_string_read(struct literal_string *string)
{
	while (string->at < string->end) {
		if (*string->at != '\\') {
			string->bytes[string->len++] = *string->at++;
			continue;
		}
		string->escape = string->at++;

		int byte = read_escape(&string->at);

		if (byte <= 0) {
			string->is_nul = !byte;
			return false;
		}
		string->bytes[string->len++] = (char)byte;
	}
	return true;
}
