#ifndef JB_TESTS_RECORDS_H
#define JB_TESTS_RECORDS_H
/* Values made by hand, and what a printer makes of a record of them. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "out/out.h"
#include "out/sink.h"

#define N(array) (sizeof(array) / sizeof((array)[0]))
/* 2025-11-21 14:30:00.123 UTC */
#define A_TIME INT64_C(1763735400123000000)

static inline struct value text(const char *s)
{
	return value_str(s, (uint32_t)strlen(s));
}

static inline struct value record_of(const char *const *names, const struct value *items,
				     uint32_t n)
{
	return (struct value){ .kind = VALUE_RECORD, .names = names, .items = items, .len = n };
}

static inline struct value row_of(const char *const *names, const struct value *items, uint32_t n)
{
	struct value row = record_of(names, items, n);

	row.row = true;
	return row;
}

static inline struct value tuple_of(const struct value *items, uint32_t n)
{
	return (struct value){ .kind = VALUE_TUPLE, .items = items, .len = n };
}

static inline struct value hist_of(const struct bucket *buckets, uint32_t n)
{
	return (struct value){ .kind = VALUE_HIST, .buckets = buckets, .len = n };
}

static inline struct value map_of(const struct value *keys, const struct value *items, uint32_t n)
{
	return (struct value){ .kind = VALUE_MAP, .keys = keys, .items = items, .len = n };
}

static inline struct value stack_of(const struct value *frames, uint32_t n)
{
	return (struct value){ .kind = VALUE_STACK, .items = frames, .len = n };
}

static inline void use_utc(void)
{
	setenv("TZ", "UTC0", 1);
	tzset();
}

/* What the record adds to the output; valid until the next call. */
static inline const char *printed(struct out *out, struct record record)
{
	buf_reset(out->buf);
	buf_puts(out->buf, "");
	out->sink->row_begin = 0;
	if (!record.wall_ns)
		record.wall_ns = A_TIME;
	out_record(out, &record);
	return out->buf->data;
}

#endif
