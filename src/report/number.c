/*
 * Numbers: reading them quickly, showing them shortly. The quick way covers what jbtrace writes, digits with a point
 * among them; the rest goes to strtold(3).
 */
#include "report/number.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Powers of ten that a long double holds exactly. */
static const long double tens[] = { 1e0L,  1e1L,  1e2L,	 1e3L,	1e4L,  1e5L,  1e6L,
				    1e7L,  1e8L,  1e9L,	 1e10L, 1e11L, 1e12L, 1e13L,
				    1e14L, 1e15L, 1e16L, 1e17L, 1e18L };

/* Only what a recording means by a number: strtold() takes hexadecimal, infinity and blanks, too. */
static bool parse_slowly(const char *text, size_t len, long double *number)
{
	char *end;

	if (!len || len > 400 || strspn(text, "0123456789.+-eE") != len)
		return false;
	*number = strtold(text, &end);
	return end == text + len && isfinite(*number);
}

bool number_parse(const char *text, size_t len, long double *number)
{
	const char *at = text, *end = text + len, *point = NULL;
	uint64_t digits = 0;
	unsigned n = 0, fraction;

	if (at < end && *at == '-')
		at++;
	for (; at < end; at++) {
		unsigned digit = (unsigned char)*at - '0';

		if (digit < 10 && n < 18) {
			digits = digits * 10 + digit;
			n++;
		} else if (*at == '.' && !point) {
			point = at;
		} else {
			return parse_slowly(text, len, number);
		}
	}
	if (!n)
		return false;
	fraction = point ? (unsigned)(end - point - 1) : 0;
	*number = fraction ? (long double)digits / tens[fraction] : (long double)digits;
	if (*text == '-')
		*number = -*number;
	return true;
}

bool number_missing(const char *text, size_t len)
{
	static const char *const words[] = { "", "-", "nan", "-nan", "null", "inf", "-inf", "n/a" };

	if (len > 4)
		return false;
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i]) == len && strncasecmp(text, words[i], len) == 0)
			return true;
	return false;
}

/* `digits` has only digits, perhaps a sign before and a point behind them. */
static void put_grouped(struct buf *out, const char *digits)
{
	size_t n;

	if (*digits == '-')
		buf_putc(out, *digits++);
	n = strspn(digits, "0123456789");
	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf_putc(out, ',');
		buf_putc(out, digits[i]);
	}
	buf_puts(out, digits + n);
}

void number_put(struct buf *out, long double number)
{
	long double size = fabsl(number);
	char text[64];

	if (!isfinite(number)) {
		buf_putc(out, '-');
		return;
	}
	if (size >= 1e21L)
		snprintf(text, sizeof(text), "%.4Lg", number);
	else if (number == truncl(number) || size >= 999.95L)
		snprintf(text, sizeof(text), "%.0Lf", number);
	else if (size >= 99.995L)
		snprintf(text, sizeof(text), "%.1Lf", number);
	else if (size >= 0.9995L)
		snprintf(text, sizeof(text), "%.2Lf", number);
	else
		snprintf(text, sizeof(text), "%.3Lg", number);
	put_grouped(out, text);
}

void number_put_unit(struct buf *out, long double number, enum unit unit)
{
	static const char *const names[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB" };
	size_t i = 0;

	if (unit == UNIT_BYTES) {
		for (; fabsl(number) >= 1024 && i + 1 < sizeof(names) / sizeof(*names); i++)
			number /= 1024;
	}
	number_put(out, number);
	if (unit == UNIT_BYTES)
		buf_printf(out, " %s", names[i]);
}

void number_put_exact(struct buf *out, long double number)
{
	if (!isfinite(number))
		buf_puts(out, "null");
	else if (number == truncl(number) && fabsl(number) < 1e21L)
		buf_printf(out, "%.0Lf", number == 0 ? 0 : number);
	else
		buf_printf(out, "%.15Lg", number);
}

void number_put_share(struct buf *out, long double share)
{
	long double percent = share * 100;

	if (!isfinite(share))
		buf_putc(out, '-');
	else if (percent > 0 && percent < 0.01L)
		buf_puts(out, "<0.01%");
	else if (percent && percent < 0.995L)
		buf_printf(out, "%.2Lf%%", percent);
	else
		buf_printf(out, "%.1Lf%%", percent);
}

void number_put_change(struct buf *out, long double change)
{
	if (!isfinite(change)) {
		buf_putc(out, '-');
	} else if (change >= 9) {
		buf_putc(out, 'x');
		number_put(out, roundl(change + 1));
	} else {
		change = roundl(change * 1000) / 10;
		if (change == 0)
			buf_puts(out, "0.0%");
		else
			buf_printf(out, "%+.1Lf%%", change);
	}
}
