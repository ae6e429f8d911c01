/*
 * Points in time. Reading is by hand, since strptime(3) takes what nobody meant; the calendar is the C library's, which
 * knows the time zone.
 */
#include "report/when.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Exactly n digits. */
static bool take_digits(const char **at, int n, int *number)
{
	*number = 0;
	for (int i = 0; i < n; i++, (*at)++) {
		if (!isdigit((unsigned char)**at))
			return false;
		*number = *number * 10 + (**at - '0');
	}
	return true;
}

static bool take_char(const char **at, char c)
{
	if (**at != c)
		return false;
	(*at)++;
	return true;
}

/* A number of units of unit_ns and a rest. False: beyond what nanoseconds in 64 bits hold (from the epoch, 1677 to 2262). */
static bool to_ns(int64_t units, int64_t unit_ns, int64_t rest_ns, int64_t *ns)
{
	return !__builtin_mul_overflow(units, unit_ns, ns) &&
	       !__builtin_add_overflow(*ns, rest_ns, ns);
}

/* ".250" as nanoseconds; digits beyond the ninth are left out. */
static int64_t take_fraction(const char **at)
{
	int64_t ns = 0, unit = NS_PER_S / 10;

	if (**at != '.' || !isdigit((unsigned char)(*at)[1]))
		return 0;
	for ((*at)++; isdigit((unsigned char)**at); (*at)++, unit /= 10)
		ns += unit * (**at - '0');
	return ns;
}

/* HH:MM[:SS[.fraction]] into tm and ns. */
static bool take_clock(const char **at, struct tm *tm, int64_t *ns)
{
	if (!take_digits(at, 2, &tm->tm_hour) || !take_char(at, ':') ||
	    !take_digits(at, 2, &tm->tm_min))
		return false;
	tm->tm_sec = 0;
	*ns = 0;
	if (take_char(at, ':')) {
		if (!take_digits(at, 2, &tm->tm_sec))
			return false;
		*ns = take_fraction(at);
	}
	return tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 61;
}

/* YYYY-mm-dd or YYYYmmdd. */
static bool take_date(const char **at, struct tm *tm)
{
	bool dashes;

	if (!take_digits(at, 4, &tm->tm_year))
		return false;
	dashes = take_char(at, '-');
	if (!take_digits(at, 2, &tm->tm_mon) || (dashes && !take_char(at, '-')) ||
	    !take_digits(at, 2, &tm->tm_mday))
		return false;
	tm->tm_year -= 1900;
	tm->tm_mon -= 1;
	return tm->tm_year >= 70 && tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
	       tm->tm_mday <= 31;
}

/* Z, +HH:MM, -HH:MM, +HHMM: seconds ahead of UTC. */
static bool take_zone(const char **at, int64_t *offset)
{
	int sign = **at == '-' ? -1 : 1, hours, minutes;

	*offset = 0;
	if (take_char(at, 'Z'))
		return true;
	if (**at != '+' && **at != '-')
		return false;
	(*at)++;
	if (!take_digits(at, 2, &hours))
		return false;
	take_char(at, ':');
	if (!take_digits(at, 2, &minutes))
		return false;
	*offset = sign * (hours * 3600 + minutes * 60);
	return true;
}

/* A calendar date that does not exist (30 February) is refused, not moved. */
static bool from_local(struct tm tm, int64_t *ns)
{
	struct tm asked = tm;
	time_t seconds;

	tm.tm_isdst = -1;
	seconds = mktime(&tm);
	if (seconds == (time_t)-1 || tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon)
		return false;
	return to_ns(seconds, NS_PER_S, *ns, ns);
}

static bool from_zone(struct tm tm, int64_t offset, int64_t *ns)
{
	struct tm asked = tm;
	time_t seconds = timegm(&tm);

	if (tm.tm_mday != asked.tm_mday || tm.tm_mon != asked.tm_mon)
		return false;
	return to_ns((int64_t)seconds - offset, NS_PER_S, *ns, ns);
}

static bool parse_calendar(const char *text, int64_t *ns)
{
	const char *at = text + (*text == '[');
	struct tm tm = { 0 };
	int64_t offset;

	*ns = 0;
	if (!take_date(&at, &tm))
		return false;
	if (*at == ' ' || *at == 'T') {
		at++;
		if (!take_clock(&at, &tm, ns))
			return false;
		if (take_zone(&at, &offset))
			return !*at && from_zone(tm, offset, ns);
	}
	if (*text == '[' && !take_char(&at, ']'))
		return false;
	return !*at && from_local(tm, ns);
}

static int64_t unit_of(const char **at)
{
	/* clang-format off */
	static const struct { const char *name; int64_t seconds; } units[] = {
		{ "min", 60 }, { "s", 1 }, { "m", 60 }, { "h", 3600 }, { "d", 86400 }, { "w", 604800 },
	};
	/* clang-format on */
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		size_t len = strlen(units[i].name);

		if (strncmp(*at, units[i].name, len) == 0 && !isalpha((unsigned char)(*at)[len])) {
			*at += len;
			return units[i].seconds;
		}
	}
	return 0;
}

/* "-1h30m" before now. */
static bool parse_relative(const char *text, int64_t now_ns, int64_t *ns)
{
	const char *at = text + 1;

	*ns = now_ns;
	if (!*at)
		return false;
	while (*at) {
		char *end;
		long number;
		int64_t unit, length;

		if (!isdigit((unsigned char)*at))
			return false;
		number = strtol(at, &end, 10);
		at = end;
		unit = unit_of(&at);
		if (!unit || number > 1000000 || !to_ns(number * unit, NS_PER_S, 0, &length) ||
		    __builtin_sub_overflow(*ns, length, ns))
			return false;
	}
	return true;
}

/* Digits with an optional fraction; `digits` counts those before the point. */
static bool parse_plain(const char *text, size_t len, int64_t *whole, int64_t *fraction_ns,
			unsigned *digits)
{
	const char *at = text;

	*whole = 0;
	while (at < text + len && isdigit((unsigned char)*at)) {
		if (__builtin_mul_overflow(*whole, INT64_C(10), whole) ||
		    __builtin_add_overflow(*whole, *at++ - '0', whole))
			return false;
	}
	*digits = (unsigned)(at - text);
	*fraction_ns = take_fraction(&at);
	return *digits && at == text + len;
}

/* The same time of day, or the beginning, of a day near today. */
static bool day_begin(int64_t now_ns, int days, int64_t *ns)
{
	time_t now = (time_t)(now_ns / NS_PER_S);
	struct tm tm;

	if (!localtime_r(&now, &tm))
		return false;
	tm.tm_mday += days;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	tm.tm_isdst = -1;
	return to_ns(mktime(&tm), NS_PER_S, 0, ns);
}

static bool parse_clock(const char *text, int64_t now_ns, int64_t *ns)
{
	time_t now = (time_t)(now_ns / NS_PER_S);
	struct tm tm;

	if (!localtime_r(&now, &tm) || !take_clock(&text, &tm, ns) || *text)
		return false;
	return from_local(tm, ns);
}

bool when_parse(const char *text, int64_t now_ns, int64_t *ns)
{
	static const char *const days[] = { "yesterday", "today", "tomorrow" };
	int64_t fraction;
	unsigned digits;

	for (int i = 0; i < 3; i++)
		if (strcmp(text, days[i]) == 0)
			return day_begin(now_ns, i - 1, ns);
	if (strcmp(text, "now") == 0)
		return *ns = now_ns, true;
	if (*text == '-')
		return parse_relative(text, now_ns, ns);
	if (parse_calendar(text, ns) || parse_clock(text, now_ns, ns))
		return true;
	if (!parse_plain(text, strlen(text), ns, &fraction, &digits) || digits > 11)
		return false;
	return to_ns(*ns, NS_PER_S, fraction, ns);
}

bool when_stamp(const char *text, size_t len, int64_t *ns)
{
	int64_t fraction, unit;
	unsigned digits;

	if (parse_plain(text, len, ns, &fraction, &digits)) {
		unit = digits <= 11 ? NS_PER_S : digits <= 14 ? NS_PER_MS : digits <= 17 ? 1000 : 1;
		if (!to_ns(*ns, unit, fraction / (NS_PER_S / unit), ns))
			return false;
	} else if (len > 40 || !parse_calendar(text, ns)) {
		return false;
	}
	return *ns >= WHEN_FIRST && *ns < WHEN_LAST;
}

static struct tm local_of(int64_t ns)
{
	time_t seconds = (time_t)(ns / NS_PER_S);
	struct tm tm = { 0 };

	localtime_r(&seconds, &tm);
	return tm;
}

void when_put(struct buf *out, int64_t ns, bool ms)
{
	struct tm tm = local_of(ns);
	char text[64];

	strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	buf_puts(out, text);
	if (ms)
		buf_printf(out, ".%03d", (int)(ns % NS_PER_S / NS_PER_MS));
}

void when_put_short(struct buf *out, int64_t ns, int64_t step)
{
	struct tm tm = local_of(ns);
	char text[64];

	if (step >= 86400 * NS_PER_S)
		strftime(text, sizeof(text), "%Y-%m-%d", &tm);
	else if (step >= 60 * NS_PER_S)
		strftime(text, sizeof(text), "%H:%M", &tm);
	else
		strftime(text, sizeof(text), "%H:%M:%S", &tm);
	buf_puts(out, text);
	if (step < NS_PER_S)
		buf_printf(out, ".%03d", (int)(ns % NS_PER_S / NS_PER_MS));
}

void when_put_length(struct buf *out, int64_t ns)
{
	/* clang-format off */
	static const struct { const char *name; int64_t seconds; } units[] = {
		{ "d", 86400 }, { "h", 3600 }, { "min", 60 }, { "s", 1 },
	};
	/* clang-format on */
	int64_t seconds = ns / NS_PER_S;
	unsigned shown = 0;

	if (ns < 10 * NS_PER_S) {
		buf_printf(out, "%.3g s", (double)ns / 1e9);
		return;
	}
	for (size_t i = 0; i < sizeof(units) / sizeof(*units) && shown < 2; i++) {
		if (seconds < units[i].seconds)
			continue;
		buf_printf(out, "%s%lld %s", shown ? " " : "",
			   (long long)(seconds / units[i].seconds), units[i].name);
		seconds %= units[i].seconds;
		shown++;
	}
}

void when_day(int64_t ns, int64_t *begin, int64_t *end)
{
	day_begin(ns, 0, begin);
	day_begin(ns, 1, end);
}

int64_t when_offset(int64_t ns)
{
	return local_of(ns).tm_gmtoff;
}
