#ifndef JB_OUT_CLOCK_H
#define JB_OUT_CLOCK_H
/* Local time as text. Many rows are made within a second: the calendar is asked once for each. */
#include <stdbool.h>
#include <stdint.h>

struct clock {
	bool dated;	/* "2025-11-21 14:30:00", else "14:30:00" */
	int64_t second; /* the one in `text`; begins with CLOCK_UNSET */
	char text[32];
};

#define CLOCK_UNSET INT64_MIN

/* The second of wall_ns, which is CLOCK_REALTIME. */
const char *clock_text(struct clock *clock, int64_t wall_ns);

static inline unsigned clock_ms(int64_t wall_ns)
{
	return (unsigned)(wall_ns / 1000000 % 1000);
}

#endif
