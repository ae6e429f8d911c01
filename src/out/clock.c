/* One second's text is kept. */
#include "out/clock.h"

#include <time.h>

static size_t format(struct clock *clock, const struct tm *tm)
{
	if (clock->dated)
		return strftime(clock->text, sizeof(clock->text), "%Y-%m-%d %H:%M:%S", tm);
	return strftime(clock->text, sizeof(clock->text), "%H:%M:%S", tm);
}

const char *clock_text(struct clock *clock, int64_t wall_ns)
{
	int64_t second = wall_ns / 1000000000;
	time_t when = (time_t)second;
	struct tm tm;

	if (second == clock->second)
		return clock->text;
	clock->second = second;
	if (!localtime_r(&when, &tm) || !format(clock, &tm))
		clock->text[0] = '\0';
	return clock->text;
}
