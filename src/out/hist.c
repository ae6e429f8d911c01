/*
 * Histograms as text: a label, a count and a bar per bucket, byte for byte as users of this field
 * know them. Three shapes occur: buckets of powers of two (and their equal parts), equal steps,
 * and bounds that the script chose; the last are written as the script has them: "(1us, 5us]".
 */
#include "out/hist.h"

#define LABEL_WIDTH 16
#define COUNT_WIDTH 8
#define BAR_WIDTH   52

static void put_int(struct buf *out, int64_t number)
{
	struct value value = value_int(number);

	value_text(out, &value);
}

static bool is_power(uint64_t n)
{
	return n && !(n & (n - 1));
}

/*
 * The upper bound as unsigned: INT64_MAX stands for 2^63 where that makes a bucket of powers of
 * two.
 */
static uint64_t upper(const struct bucket *bucket)
{
	uint64_t high = (uint64_t)bucket->high;

	if (bucket->high == INT64_MAX && bucket->low >= INT64_C(1) << 62 &&
	    is_power(high + 1 - (uint64_t)bucket->low))
		high++;
	return high;
}

/*
 * A bucket of hist(): its width is a power of two that divides its lower bound, and no more than
 * it.
 */
static bool is_log_bucket(const struct bucket *bucket)
{
	if (bucket->low == INT64_MIN)
		return bucket->high == 0;
	if (bucket->low < 0)
		return false;

	uint64_t low = (uint64_t)bucket->low, width = upper(bucket) - low;

	return is_power(width) && low % width == 0 && (width <= low || width == 1);
}

static bool is_log(const struct value *hist)
{
	if (hist->linear || hist->bounded)
		return false;
	for (uint32_t i = 0; i < hist->len; i++)
		if (!is_log_bucket(&hist->buckets[i]))
			return false;
	return true;
}

/*
 * The suffix follows the width of the bucket that begins at this bound, not the bound itself: with
 * several buckets per power of two, 1024 is written out until the buckets are 1024 wide.
 */
static void put_log_bound(struct buf *out, uint64_t bound, uint64_t width)
{
	unsigned decade = (unsigned)__builtin_ctzll(width) / 10;
	struct value value = value_uint(bound >> (10 * decade));

	value_text(out, &value);
	if (decade)
		buf_putc(out, "KMGTPE"[decade - 1]);
}

static void log_label(struct buf *out, const struct bucket *bucket)
{
	uint64_t low = (uint64_t)bucket->low, high = upper(bucket), width = high - low;

	buf_putc(out, '[');
	put_log_bound(out, low, width);
	if (width > 1) {
		buf_puts(out, ", ");
		put_log_bound(out, high, is_power(high) ? 2 * width : width);
		buf_putc(out, ')');
	} else {
		buf_putc(out, ']');
	}
}

static void put_bound(struct buf *out, const struct value *hist, int64_t bound)
{
	const int64_t kilo = 1024, mega = kilo * kilo;

	if (!hist->linear || hist->step % kilo || bound % kilo || bound == 0) {
		put_int(out, bound);
	} else if (bound % mega == 0) {
		put_int(out, bound / mega);
		buf_putc(out, 'M');
	} else {
		put_int(out, bound / kilo);
		buf_putc(out, 'K');
	}
}

/* A bucket reaches from above one bound of the script up to the next, which it includes. */
static void put_script_bound(struct buf *out, const struct value *hist, int64_t bound)
{
	if (hist->time)
		value_duration(out, bound);
	else
		put_int(out, bound);
}

static void bounded_label(struct buf *out, const struct value *hist, const struct bucket *bucket)
{
	buf_putc(out, '(');
	if (bucket->low == INT64_MIN)
		buf_puts(out, "...");
	else
		put_script_bound(out, hist, bucket->low - 1);
	buf_puts(out, ", ");
	if (bucket->high == INT64_MAX) {
		buf_puts(out, "...)");
		return;
	}
	put_script_bound(out, hist, bucket->high - 1);
	buf_putc(out, ']');
}

static void label(struct buf *out, const struct value *hist, const struct bucket *bucket, bool log)
{
	if (hist->bounded) {
		bounded_label(out, hist, bucket);
		return;
	}
	if (log && bucket->low >= 0) {
		log_label(out, bucket);
		return;
	}
	if (bucket->low == INT64_MIN) {
		buf_puts(out, "(..., ");
	} else {
		buf_putc(out, '[');
		put_bound(out, hist, bucket->low);
	}
	if (bucket->low != INT64_MIN && bucket->high - 1 == bucket->low) {
		buf_putc(out, ']');
		return;
	}
	if (bucket->low != INT64_MIN)
		buf_puts(out, ", ");
	if (bucket->high == INT64_MAX)
		buf_puts(out, "...");
	else
		put_bound(out, hist, bucket->high);
	buf_putc(out, ')');
}

void hist_label(struct buf *out, const struct value *hist, const struct bucket *bucket)
{
	label(out, hist, bucket, is_log(hist));
}

static void put_count(struct buf *out, uint64_t count)
{
	char digits[20], *end = digits + sizeof(digits);
	char *begin = value_digits(end, count);
	size_t len = (size_t)(end - begin);

	if (len < COUNT_WIDTH)
		buf_fill(out, ' ', COUNT_WIDTH - len);
	buf_add(out, begin, len);
}

static void put_bar(struct buf *out, uint64_t count, uint64_t max)
{
	size_t width = max ? (size_t)((float)count / (float)max * BAR_WIDTH) : 0;

	buf_puts(out, " |");
	buf_fill(out, '@', width);
	buf_fill(out, ' ', BAR_WIDTH - width);
	buf_puts(out, "|\n");
}

void hist_print(struct buf *out, const struct value *hist, int64_t div)
{
	uint64_t by = div > 1 && !hist->linear ? (uint64_t)div : 1;
	uint64_t max = 0;
	uint32_t first = 0, end = hist->len;
	bool log = is_log(hist);

	while (first < end && !hist->buckets[first].count)
		first++;
	while (end > first && !hist->buckets[end - 1].count)
		end--;
	for (uint32_t i = first; i < end; i++)
		if (hist->buckets[i].count / by > max)
			max = hist->buckets[i].count / by;
	for (uint32_t i = first; i < end; i++) {
		const struct bucket *bucket = &hist->buckets[i];
		size_t start = out->len;

		label(out, hist, bucket, log);
		if (out->len - start < LABEL_WIDTH)
			buf_fill(out, ' ', LABEL_WIDTH - (out->len - start));
		put_count(out, bucket->count / by);
		put_bar(out, bucket->count / by, max);
	}
}
