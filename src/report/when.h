#ifndef JB_REPORT_WHEN_H
#define JB_REPORT_WHEN_H
/* Points in time: as a user writes them, as recordings hold them, as a report shows them. Nanoseconds since the epoch. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mem.h"

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

/* No recording is from before 2000 or from after 2200: such a number is not a time. */
#define WHEN_FIRST (INT64_C(946684800) * NS_PER_S)
#define WHEN_LAST  (INT64_C(7258118400) * NS_PER_S)

/*
 * What a user writes: seconds since the epoch; "2026-11-21", "20261121", "2026-11-21 14:00[:05[.250]]", with T for the
 * blank and Z or +01:00 behind it if it is not local time; "14:00" of today; "-2h", "-1h30m" before now; "now", "today",
 * "yesterday", "tomorrow", which stand for the day's beginning. False: not understood.
 */
bool when_parse(const char *text, int64_t now_ns, int64_t *ns);
/*
 * What a recording holds: a number of seconds, milliseconds, microseconds or nanoseconds since the epoch, told apart by
 * size, or a date and time, in brackets or not. False: neither, or not within WHEN_FIRST and WHEN_LAST.
 */
bool when_stamp(const char *text, size_t len, int64_t *ns);

/* "2026-11-21 14:00:05.250", local time; the milliseconds only if asked for. */
void when_put(struct buf *out, int64_t ns, bool ms);
/* "14:00:05", with milliseconds when `step` is below a second; with the date before it when step is a day or more. */
void when_put_short(struct buf *out, int64_t ns, int64_t step);
/* "59 min 58 s". */
void when_put_length(struct buf *out, int64_t ns);
/* The local day that holds ns: its beginning and its end. */
void when_day(int64_t ns, int64_t *begin, int64_t *end);
/* Seconds that local time is ahead of UTC at ns. */
int64_t when_offset(int64_t ns);

#endif
