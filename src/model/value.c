/*
 * Values: made, put in order, and turned into their default text. How bytes become values is
 * decode.c's; histograms drawn with bars and whole maps are out/text.c's.
 */
#include "model/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STACK_INDENT "        "

/* --- making --- */

struct value value_int(int64_t i)
{
	return (struct value){ .kind = VALUE_INT, .i = i };
}

struct value value_uint(uint64_t u)
{
	return (struct value){ .kind = VALUE_UINT, .u = u };
}

struct value value_str(const char *text, uint32_t len)
{
	return (struct value){ .kind = VALUE_STR, .text = text, .len = len };
}

struct value value_real(double real)
{
	return (struct value){ .kind = VALUE_REAL, .real = real };
}

struct value value_symbol(const char *text, uint64_t number)
{
	return (struct value){ .kind = VALUE_SYMBOL,
			       .u = number,
			       .text = text,
			       .len = text ? (uint32_t)strlen(text) : 0 };
}

const struct value *value_member(const struct value *record, const char *name)
{
	if (record->kind != VALUE_RECORD)
		return NULL;
	for (uint32_t i = 0; i < record->len; i++)
		if (strcmp(record->names[i], name) == 0)
			return &record->items[i];
	return NULL;
}

double value_number(const struct value *value)
{
	switch (value->kind) {
	case VALUE_INT:
		return (double)value->i;
	case VALUE_BOOL:
	case VALUE_UINT:
	case VALUE_PTR:
	case VALUE_SYMBOL:
		return (double)value->u;
	case VALUE_REAL:
		return value->real;
	case VALUE_HIST:
		return (double)value_hist_total(value);
	case VALUE_NONE:
	case VALUE_STR:
	case VALUE_BYTES:
	case VALUE_STACK:
	case VALUE_ARRAY:
	case VALUE_TUPLE:
	case VALUE_RECORD:
	case VALUE_MAP:
		return 0;
	}
	return 0;
}

uint64_t value_hist_total(const struct value *hist)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < hist->len; i++)
		total += hist->buckets[i].count;
	return total;
}

/* --- order --- */

/* Kinds that compare with each other share a rank. */
static int rank(enum value_kind kind)
{
	switch (kind) {
	case VALUE_NONE:
		return 0;
	case VALUE_BOOL:
	case VALUE_INT:
	case VALUE_UINT:
	case VALUE_PTR:
	case VALUE_REAL:
	case VALUE_SYMBOL:
		return 1;
	case VALUE_STR:
		return 2;
	case VALUE_BYTES:
		return 3;
	case VALUE_STACK:
	case VALUE_ARRAY:
	case VALUE_TUPLE:
		return 4;
	case VALUE_RECORD:
		return 5;
	case VALUE_HIST:
		return 6;
	case VALUE_MAP:
		return 7;
	}
	return 8;
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* NaN comes first, so that the order is total. */
static int compare_real(const struct value *a, const struct value *b)
{
	bool a_nan = a->kind == VALUE_REAL && isnan(a->real);
	bool b_nan = b->kind == VALUE_REAL && isnan(b->real);

	if (a_nan || b_nan)
		return b_nan - a_nan;

	/* long double holds every 64-bit integer and every double. */
	long double x = a->kind == VALUE_REAL  ? a->real
			: a->kind == VALUE_INT ? a->i
					       : (long double)a->u;
	long double y = b->kind == VALUE_REAL  ? b->real
			: b->kind == VALUE_INT ? b->i
					       : (long double)b->u;

	return COMPARE(x, y);
}

static int compare_text(const struct value *a, const struct value *b)
{
	uint32_t shorter = a->len < b->len ? a->len : b->len;
	int order = shorter ? memcmp(a->text, b->text, shorter) : 0;

	return order ? order : COMPARE(a->len, b->len);
}

/* Symbols with one number (addresses in two processes) differ by their names. */
static int compare_numbers(const struct value *a, const struct value *b)
{
	int order;

	if (a->kind == VALUE_REAL || b->kind == VALUE_REAL) {
		order = compare_real(a, b);
	} else {
		bool a_negative = a->kind == VALUE_INT && a->i < 0;
		bool b_negative = b->kind == VALUE_INT && b->i < 0;

		order = a_negative != b_negative ? b_negative - a_negative : COMPARE(a->u, b->u);
	}
	if (order || (a->kind != VALUE_SYMBOL && b->kind != VALUE_SYMBOL))
		return order;
	if (a->kind != b->kind)
		return a->kind == VALUE_SYMBOL ? 1 : -1;
	return compare_text(a, b);
}

static int compare_items(const struct value *a, const struct value *b)
{
	for (uint32_t i = 0; i < a->len && i < b->len; i++) {
		int order = value_compare(&a->items[i], &b->items[i]);

		if (order)
			return order;
	}
	return COMPARE(a->len, b->len);
}

static int compare_records(const struct value *a, const struct value *b)
{
	const struct value *x = value_member(a, "average");
	const struct value *y = value_member(b, "average");

	if (x && y) {
		int order = value_compare(x, y);

		if (order)
			return order;
	} else if (x || y) {
		return x ? 1 : -1;
	}
	return compare_items(a, b);
}

int value_compare(const struct value *a, const struct value *b)
{
	int a_rank = rank(a->kind), b_rank = rank(b->kind);

	if (a_rank != b_rank)
		return COMPARE(a_rank, b_rank);
	switch (a_rank) {
	case 1:
		return compare_numbers(a, b);
	case 2:
	case 3:
		return compare_text(a, b);
	case 4:
	case 7:
		return compare_items(a, b);
	case 5:
		return compare_records(a, b);
	case 6: {
		uint64_t x = value_hist_total(a), y = value_hist_total(b);

		return COMPARE(x, y);
	}
	default:
		return 0;
	}
}

struct sort {
	const struct value *keys, *items;
	bool by_value;
};

static int compare_rows(const void *a, const void *b, void *arg)
{
	const struct sort *sort = arg;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = sort->by_value ? value_compare(&sort->items[x], &sort->items[y]) : 0;

	if (!order)
		order = value_compare(&sort->keys[x], &sort->keys[y]);
	return order ? order : COMPARE(x, y);
}

/*
 * Integers and aggregations are ordered by value; an enum is an integer of which some values have
 * names.
 */
static bool sorts_by_value(const struct value *map)
{
	for (uint32_t i = 0; i < map->len; i++) {
		const struct value *item = &map->items[i];

		if (item->kind == VALUE_INT || item->kind == VALUE_UINT ||
		    item->kind == VALUE_REAL || item->kind == VALUE_HIST)
			return true;
		if (item->kind == VALUE_RECORD)
			return !item->row && item->aggregated;
	}
	return false;
}

void value_sort_map(struct arena *arena, struct value *map)
{
	if (map->kind != VALUE_MAP || map->len < 2)
		return;

	struct sort sort = { .keys = map->keys,
			     .items = map->items,
			     .by_value = sorts_by_value(map) };
	uint32_t *order = arena_alloc(arena, map->len * sizeof(*order));
	struct value *keys = arena_alloc(arena, map->len * sizeof(*keys));
	struct value *items = arena_alloc(arena, map->len * sizeof(*items));

	for (uint32_t i = 0; i < map->len; i++)
		order[i] = i;
	qsort_r(order, map->len, sizeof(*order), compare_rows, &sort);
	for (uint32_t i = 0; i < map->len; i++) {
		keys[i] = map->keys[order[i]];
		items[i] = map->items[order[i]];
	}
	map->keys = keys;
	map->items = items;
}

/* --- text --- */

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324"
				  "25262728293031323334353637383940414243444546474849"
				  "50515253545556575859606162636465666768697071727374"
				  "75767778798081828384858687888990919293949596979899";

char *value_digits(char *end, uint64_t number)
{
	while (number >= 100) {
		end -= 2;
		memcpy(end, &digit_pairs[number % 100 * 2], 2);
		number /= 100;
	}
	if (number >= 10) {
		end -= 2;
		memcpy(end, &digit_pairs[number * 2], 2);
		return end;
	}
	*--end = (char)('0' + number);
	return end;
}

static void text_uint(struct buf *out, uint64_t u)
{
	char digits[20], *end = digits + sizeof(digits);
	char *begin = value_digits(end, u);

	buf_add(out, begin, (size_t)(end - begin));
}

static void text_int(struct buf *out, int64_t i)
{
	if (i < 0)
		buf_putc(out, '-');
	text_uint(out, i < 0 ? -(uint64_t)i : (uint64_t)i);
}

void value_duration(struct buf *out, int64_t ns)
{
	static const struct {
		const char *name;
		int64_t ns;
	} units[] = {
		{ "d", 86400000000000 },
		{ "h", 3600000000000 },
		{ "m", 60000000000 },
		{ "s", 1000000000 },
		{ "ms", 1000000 },
		{ "us", 1000 },
		{ "ns", 1 },
	};
	unsigned i = 0;

	while (ns % units[i].ns)
		i++;
	text_int(out, ns / units[i].ns);
	if (ns)
		buf_puts(out, units[i].name);
}

static void text_hex(struct buf *out, uint64_t u)
{
	char digits[16], *at = digits + sizeof(digits);

	do
		*--at = "0123456789abcdef"[u & 15];
	while (u >>= 4);
	buf_add(out, "0x", 2);
	buf_add(out, at, (size_t)(digits + sizeof(digits) - at));
}

/* Whole numbers keep all their digits: %g alone would turn a million into 1e+06. */
static void text_real(struct buf *out, double real)
{
	if (real == 0)
		buf_putc(out, '0');
	else if (fabs(real) >= 999999.5 && fabs(real) < 1e15)
		buf_printf(out, "%.0f", real);
	else
		buf_printf(out, "%.6g", real);
}

static void text_str(struct buf *out, const struct value *value)
{
	buf_add(out, value->text, value->len);
	if (value->truncated)
		buf_puts(out, value->trailer ? value->trailer : "..");
}

static void text_bytes(struct buf *out, const struct value *value)
{
	static const char hex[] = "0123456789abcdef";
	char *at = buf_room(out, (size_t)value->len * 4), *begin = at;

	for (uint32_t i = 0; i < value->len; i++) {
		unsigned char c = (unsigned char)value->text[i];

		if (c >= ' ' && c <= '~') {
			*at++ = (char)c;
			continue;
		}
		*at++ = '\\';
		*at++ = 'x';
		*at++ = hex[c >> 4];
		*at++ = hex[c & 15];
	}
	*at = '\0';
	out->len += (size_t)(at - begin);
}

/* A stack without frames, as that of an idle CPU in user mode, is no text at all. */
static void text_stack(struct buf *out, const struct value *value)
{
	if (value->len)
		buf_putc(out, '\n');
	for (uint32_t i = 0; i < value->len; i++) {
		buf_puts(out, value->text ? value->text : STACK_INDENT);
		value_text(out, &value->items[i]);
		buf_putc(out, '\n');
	}
}

static void text_items(struct buf *out, const struct value *value, const char *separator)
{
	for (uint32_t i = 0; i < value->len; i++) {
		if (i)
			buf_puts(out, separator);
		value_text(out, &value->items[i]);
	}
}

static void text_record(struct buf *out, const struct value *value)
{
	bool any = false;

	for (uint32_t i = 0; i < value->len; i++) {
		if (value->items[i].hidden)
			continue;
		buf_puts(out, any ? ", ." : "{ .");
		buf_puts(out, value->names[i]);
		buf_puts(out, " = ");
		value_text(out, &value->items[i]);
		any = true;
	}
	buf_puts(out, any ? " }" : "{}");
}

/* A bucket by one number: what the script wrote for it, or else its lower bound. */
static void text_bucket(struct buf *out, const struct value *hist, const struct bucket *bucket)
{
	int64_t open = hist->bounded ? INT64_MAX : INT64_MIN;
	int64_t bound = hist->bounded ? bucket->high : bucket->low;

	if (bound == open)
		buf_puts(out, "...");
	else if (hist->time)
		value_duration(out, bound - 1);
	else
		text_int(out, hist->bounded ? bound - 1 : bound);
}

/* Inside another value there is no room for bars: the buckets that are not empty. */
static void text_hist(struct buf *out, const struct value *value)
{
	bool any = false;

	for (uint32_t i = 0; i < value->len; i++) {
		const struct bucket *bucket = &value->buckets[i];

		if (!bucket->count)
			continue;
		buf_puts(out, any ? ", " : "{ ");
		text_bucket(out, value, bucket);
		buf_puts(out, ": ");
		text_uint(out, bucket->count);
		any = true;
	}
	buf_puts(out, any ? " }" : "{}");
}

static void text_map(struct buf *out, const struct value *value)
{
	for (uint32_t i = 0; i < value->len; i++) {
		buf_puts(out, i ? ", " : "{ ");
		value_text(out, &value->keys[i]);
		buf_puts(out, ": ");
		value_text(out, &value->items[i]);
	}
	buf_puts(out, value->len ? " }" : "{}");
}

void value_text(struct buf *out, const struct value *value)
{
	switch (value->kind) {
	case VALUE_NONE:
		buf_puts(out, "null");
		break;
	case VALUE_BOOL:
		buf_puts(out, value->u ? "true" : "false");
		break;
	case VALUE_INT:
		text_int(out, value->i);
		break;
	case VALUE_UINT:
		text_uint(out, value->u);
		break;
	case VALUE_PTR:
		text_hex(out, value->u);
		break;
	case VALUE_REAL:
		text_real(out, value->real);
		break;
	case VALUE_STR:
		text_str(out, value);
		break;
	case VALUE_BYTES:
		text_bytes(out, value);
		break;
	case VALUE_SYMBOL:
		if (value->text)
			buf_add(out, value->text, value->len);
		else
			text_hex(out, value->u);
		break;
	case VALUE_STACK:
		text_stack(out, value);
		break;
	case VALUE_ARRAY:
		buf_putc(out, '[');
		text_items(out, value, ",");
		buf_putc(out, ']');
		break;
	case VALUE_TUPLE:
		buf_putc(out, '(');
		text_items(out, value, ", ");
		buf_putc(out, ')');
		break;
	case VALUE_RECORD:
		text_record(out, value);
		break;
	case VALUE_HIST:
		text_hist(out, value);
		break;
	case VALUE_MAP:
		text_map(out, value);
		break;
	}
}
