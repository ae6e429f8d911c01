/*
 * The rtp() aggregation against RFC 3550 as its appendix A writes it, with a set of all packets ever seen to tell
 * duplicates: streams with loss, reordering, duplicates, wrap-around and restarts.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bpf_host.h"
#include "bpf-runtime/rtp.bpf.c"

#include "builtins/builtins.h"

/* --- an independent receiver: RFC 3550 A.1 (no probation), A.3, A.8 in floating point --- */

enum { MAX_EXT = 1 << 20 };

struct receiver {
	uint16_t max_seq;
	uint32_t cycles, base_seq, bad_seq, received;
	bool *seen; /* by extended sequence number, for this run */
	uint32_t distinct, late, duplicates, restarts;
	uint64_t expected_before, lost_before, packets;
	double jitter, last_arrival, last_ts, max_gap;
	bool started;
};

static void receiver_init(struct receiver *r, uint16_t seq)
{
	r->base_seq = seq;
	r->max_seq = seq;
	r->bad_seq = (1 << 16) + 1;
	r->cycles = 0;
	r->received = 0;
	r->distinct = 0;
	memset(r->seen, 0, MAX_EXT * sizeof(*r->seen));
}

static uint32_t receiver_expected(const struct receiver *r)
{
	return r->cycles + r->max_seq - r->base_seq + 1;
}

static void receiver_timing(struct receiver *r, double ts, double arrival, bool first)
{
	if (!first) {
		double d = (arrival - r->last_arrival) - (ts - r->last_ts);
		r->jitter += ((d < 0 ? -d : d) - r->jitter) / 16;
	}
	if (r->started && arrival - r->last_arrival > r->max_gap)
		r->max_gap = arrival - r->last_arrival;
	r->last_arrival = arrival;
	r->last_ts = ts;
}

/* The packet's extended number, or -1 when A.1 ignores the packet; *restart: the stream began anew. */
static int64_t receiver_sequence(struct receiver *r, uint16_t seq, bool *restart)
{
	uint16_t delta = (uint16_t)(seq - r->max_seq);

	if (delta < 3000) {
		if (seq < r->max_seq)
			r->cycles += 1 << 16;
		r->max_seq = seq;
		return r->cycles + seq;
	}
	if (delta <= (1 << 16) - 100) {
		if (seq != r->bad_seq) {
			r->bad_seq = (seq + 1) & 0xffff;
			return -1;
		}
		r->expected_before += receiver_expected(r);
		r->lost_before += receiver_expected(r) - r->distinct;
		r->restarts++;
		*restart = true;
		receiver_init(r, seq);
		return seq;
	}
	return (int64_t)r->cycles + seq - (seq > r->max_seq ? 1 << 16 : 0);
}

static void receiver_packet(struct receiver *r, uint16_t seq, double ts, double arrival)
{
	bool first = !r->started, restart = false;
	uint32_t highest;
	int64_t ext;

	if (first)
		receiver_init(r, seq);
	highest = r->cycles + r->max_seq;
	ext = receiver_sequence(r, seq, &restart);
	if (ext < 0)
		return;
	r->packets++;
	if (r->seen[ext]) {
		r->duplicates++;
		receiver_timing(r, ts, arrival, false);
		return;
	}
	r->seen[ext] = true;
	if (!first && !restart && ext < highest)
		r->late++;
	if (ext >= r->base_seq)
		r->distinct++;
	receiver_timing(r, ts, arrival, first || restart);
	r->started = true;
}

/* --- the two side by side --- */

struct both {
	struct jb_rtp rtp;
	struct receiver receiver;
	uint32_t clock_hz;
	struct arena *arena;
};

static void both_init(struct both *both, uint32_t clock_hz)
{
	memset(both, 0, sizeof(*both));
	both->clock_hz = clock_hz;
	both->receiver.seen = calloc(MAX_EXT, sizeof(bool));
	both->arena = arena_new();
}

static void both_fini(struct both *both)
{
	free(both->receiver.seen);
	arena_free(both->arena);
}

static void both_packet(struct both *both, uint16_t seq, uint32_t ts, uint64_t arrival_ns)
{
	receiver_packet(&both->receiver, seq, ts * 1e9 / both->clock_hz, (double)arrival_ns);
	jb_rtp_add(&both->rtp, seq, ts, both->clock_hz, arrival_ns);
}

static uint64_t member(const struct both *both, const char *name)
{
	struct decode decode = { .arena = both->arena };
	struct type type = { .kind = TYPE_AGG };
	struct value record = aggregates_rtp[0].value(&decode, &type, &both->rtp);
	const struct value *value = value_member(&record, name);

	assert_non_null(value);
	return value->u;
}

static void assert_same(const struct both *both)
{
	const struct receiver *r = &both->receiver;
	uint32_t expected = receiver_expected(r);
	double jitter = (double)member(both, "jitter_ns"), slack = 32 + r->jitter / 1000;

	assert_int_equal(member(both, "packets"), r->packets);
	assert_int_equal(member(both, "expected"), r->expected_before + expected);
	assert_int_equal(member(both, "lost"), r->lost_before + expected - r->distinct);
	assert_int_equal(member(both, "duplicates"), r->duplicates);
	assert_int_equal(member(both, "reordered"), r->late);
	assert_int_equal(member(both, "restarts"), r->restarts);
	assert_true(jitter > r->jitter - slack && jitter < r->jitter + slack);
	assert_int_equal(member(both, "max_gap_ns"), (uint64_t)r->max_gap);
}

static void test_clean_stream(void **state)
{
	struct both both;

	(void)state;
	both_init(&both, 90000);
	for (unsigned i = 0; i < 1000; i++)
		both_packet(&both, 100 + i, 3000 * i, 1000000000ull * i / 30 + 5);
	assert_same(&both);
	assert_int_equal(member(&both, "packets"), 1000);
	assert_int_equal(member(&both, "expected"), 1000);
	assert_int_equal(member(&both, "lost"), 0);
	assert_true(member(&both, "jitter_ns") < 32);
	both_fini(&both);
}

static void test_wrap_around(void **state)
{
	struct both both;

	(void)state;
	both_init(&both, 48000);
	for (unsigned i = 0; i < 200000; i++)
		both_packet(&both, (uint16_t)(65000 + i), 960 * i, 20000000ull * i);
	assert_same(&both);
	assert_int_equal(member(&both, "expected"), 200000);
	assert_int_equal(member(&both, "lost"), 0);
	both_fini(&both);
}

/* The media timestamp has 32 bits and wraps in the middle of the stream. */
static void test_timestamp_wrap(void **state)
{
	struct jb_rtp rtp = { 0 };

	(void)state;
	for (unsigned i = 0; i < 100; i++)
		jb_rtp_add(&rtp, i, (uint32_t)(0xffffff00u + 900 * i), 90000, 10000000ull * i);
	assert_int_equal(rtp.jitter_ns16 >> 4, 0);
}

static void test_loss_and_duplicates(void **state)
{
	struct both both;

	(void)state;
	both_init(&both, 90000);
	for (unsigned i = 0; i < 5000; i++) {
		if (i % 10 == 7)
			continue;
		both_packet(&both, (uint16_t)(64000 + i), 1500 * i,
			    16666666ull * i + i % 7 * 100000);
		if (i % 100 == 0)
			both_packet(&both, (uint16_t)(64000 + i), 1500 * i,
				    16666666ull * i + 900000);
	}
	assert_same(&both);
	assert_int_equal(member(&both, "lost"), 500);
	assert_int_equal(member(&both, "duplicates"), 50);
	both_fini(&both);
}

static void test_late_is_not_duplicate(void **state)
{
	static const uint16_t seqs[] = { 10, 12, 11, 11, 14, 13, 12, 15 };
	struct both both;

	(void)state;
	both_init(&both, 8000);
	for (unsigned i = 0; i < 8; i++)
		both_packet(&both, seqs[i], seqs[i] * 160, 20000000ull * i);
	assert_same(&both);
	assert_int_equal(member(&both, "reordered"), 2);
	assert_int_equal(member(&both, "duplicates"), 2);
	assert_int_equal(member(&both, "lost"), 0);
	both_fini(&both);
}

/* What comes before the first packet was never expected. */
static void test_before_the_first(void **state)
{
	struct jb_rtp rtp = { 0 };
	static const uint16_t seqs[] = { 2, 1, 0xffff, 3, 0xffff };

	(void)state;
	for (unsigned i = 0; i < 5; i++)
		jb_rtp_add(&rtp, seqs[i], 0, 90000, i);
	assert_int_equal(rtp.packets, 5);
	assert_int_equal(rtp.unique, 2);
	assert_int_equal(rtp.max_seq - rtp.base_seq + 1, 2);
	assert_int_equal(rtp.reordered, 2);
	assert_int_equal(rtp.duplicates, 1);
}

static void test_restart(void **state)
{
	struct both both;

	(void)state;
	both_init(&both, 90000);
	for (unsigned i = 0; i < 300; i++)
		if (i != 50)
			both_packet(&both, 1000 + i, 3000 * i, 33333333ull * i);
	both_packet(&both, 30000, 77, 33333333ull * 300); /* alone: ignored */
	for (unsigned i = 301; i < 600; i++)
		both_packet(&both, 1000 + i, 3000 * i, 33333333ull * i);
	for (unsigned i = 600; i < 900; i++)
		both_packet(&both, 40000 + i, 123456 + 3000 * i, 33333333ull * i);
	assert_same(&both);
	assert_int_equal(member(&both, "restarts"), 1);
	assert_int_equal(member(&both, "lost"), 2);
	assert_int_equal(member(&both, "expected"), 600 + 299);
	both_fini(&both);
}

/* A gap that is just permitted clears exactly the window's numbers in between. */
static void test_long_gaps(void **state)
{
	struct both both;
	uint16_t seq = 65000;

	(void)state;
	both_init(&both, 90000);
	for (unsigned i = 0; i < 300; i++) {
		seq += 1 + i * 37 % 2999;
		both_packet(&both, seq, 3000 * i, 10000000ull * i);
		both_packet(&both, seq - 1, 3000 * i, 10000000ull * i + 1000);
		both_packet(&both, seq - 64, 3000 * i, 10000000ull * i + 2000);
		both_packet(&both, seq - 99, 3000 * i, 10000000ull * i + 3000);
	}
	assert_int_equal(member(&both, "packets"), 1200);
	assert_int_equal(member(&both, "expected"),
			 both.receiver.cycles + both.receiver.max_seq - 65000 - 1 + 1);
	assert_true(member(&both, "lost") == member(&both, "expected") - both.rtp.unique);
	both_fini(&both);
}

static uint32_t random_next(uint64_t *seed)
{
	*seed = *seed * 6364136223846793005ull + 1442695040888963407ull;
	return *seed >> 33;
}

/* Everything at once, with packets delayed by up to 60 places. */
static void test_random_streams(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		uint64_t random = seed, now = 1000000;
		uint16_t first = random_next(&random);
		struct {
			uint16_t seq;
			uint32_t ts;
			unsigned due;
		} held[8] = { 0 };
		struct both both;

		both_init(&both, 90000);
		for (unsigned i = 1; i < 20000; i++) {
			uint32_t r = random_next(&random) % 1000;
			unsigned slot = i % 8;
			now += 5000000 + random_next(&random) % 3000000;
			if (i % 7000 == 0)
				first += 20000;
			if (held[slot].due && held[slot].due <= i) {
				both_packet(&both, held[slot].seq, held[slot].ts, now);
				held[slot].due = 0;
			}
			if (r < 20)
				continue;
			if (r < 40 && !held[slot].due && i % 7000 > 200 && i % 7000 < 6900) {
				held[slot].seq = first + i;
				held[slot].ts = 450 * i;
				held[slot].due = i + 1 + r % 60;
				continue;
			}
			both_packet(&both, first + i, 450 * i, now);
			if (r < 60)
				both_packet(&both, first + i, 450 * i, now + 1000);
		}
		assert_same(&both);
		both_fini(&both);
	}
}

/* Without a clock rate there is no jitter, and everything else works. */
static void test_no_clock(void **state)
{
	struct jb_rtp rtp = { 0 };

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		jb_rtp_add(&rtp, i, 17 * i * i, 0, 1000 * i);
	assert_int_equal(rtp.jitter_ns16, 0);
	assert_int_equal(rtp.unique, 10);
	assert_int_equal(rtp.max_gap_ns, 1000);
}

/* --- jitter() --- */

/* RFC 3550 A.8 as its text has it, in real numbers: J(i) = J(i-1) + (|D(i-1,i)| - J(i-1)) / 16. */
static double real_jitter(double j, double d)
{
	return j + ((d < 0 ? -d : d) - j) / 16;
}

/* A.8 as its code has it: int arithmetic on an estimate scaled by 16. */
static unsigned int_jitter(unsigned scaled, int d)
{
	if (d < 0)
		d = -d;
	return scaled + (unsigned)d - ((scaled + 8) >> 4);
}

static uint64_t jitter_of(const struct jb_jitter *s)
{
	const struct aggregate *row = &aggregates_rtp[1];
	struct arena *arena = arena_new();
	struct decode decode = { .arena = arena };
	struct type type = { .kind = TYPE_AGG, .aggregate = row, .size = sizeof(*s) };
	struct value value = row->value(&decode, &type, s);

	arena_free(arena);
	assert_string_equal(row->name, "jitter");
	assert_int_equal(value.kind, VALUE_UINT);
	return value.u;
}

/* The first sample is only what the second is compared with, wherever the clock begins. */
static void test_jitter_first(void **state)
{
	struct jb_jitter s = { 0 };

	(void)state;
	jb_jitter_add(&s, 1000000);
	assert_int_equal(jitter_of(&s), 0);
	jb_jitter_add(&s, 1000000);
	assert_int_equal(jitter_of(&s), 0);
	jb_jitter_add(&s, 1000160);
	assert_int_equal(jitter_of(&s), 10);
	jb_jitter_add(&s, 1000000);
	assert_int_equal(jitter_of(&s), 19); /* 10 + (160 - 10) / 16 = 19.4 */
}

/* Exactly the RFC's code, and within its rounding of the RFC's formula. */
static void test_jitter_random(void **state)
{
	uint64_t random = 17;

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct jb_jitter s = { 0 };
		uint32_t spread = 1u << (1 + round % 28);
		int64_t last = 0, base = (int64_t)random_next(&random) << (round % 20);
		unsigned scaled = 0;
		double real = 0;

		for (unsigned i = 0; i < 2000; i++) {
			int64_t transit = base + random_next(&random) % spread - spread / 2;

			jb_jitter_add(&s, transit);
			if (i) {
				scaled = int_jitter(scaled, (int)(transit - last));
				real = real_jitter(real, (double)(transit - last));
			}
			last = transit;
			assert_int_equal(jitter_of(&s), scaled >> 4);
			assert_true((double)jitter_of(&s) > real - 2);
			assert_true((double)jitter_of(&s) < real + 2);
		}
	}
}

/* The worst there is neither overflows nor sticks: it dies away like any other jitter. */
static void test_jitter_extremes(void **state)
{
	struct jb_jitter s = { 0 };
	uint64_t before = 0;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		jb_jitter_add(&s, i % 2 ? INT64_MAX / 2 : INT64_MIN / 2);
		assert_true(jitter_of(&s) >= before && jitter_of(&s) <= 1ull << 59);
		before = jitter_of(&s);
	}
	assert_true(before > (1ull << 59) - 16);
	jb_jitter_add(&s, INT64_MIN);
	jb_jitter_add(&s, INT64_MAX); /* one step apart, modulo 2^64 */
	for (unsigned i = 0; i < 1000; i++)
		jb_jitter_add(&s, INT64_MAX);
	assert_true(jitter_of(&s) < 1);
}

/* A map that is cleared in the midst of a stream: what both states have counted is what one would have. */
static void test_carry(void **state)
{
	const struct aggregate *row = &aggregates_rtp[0];
	struct agg_args args = { 0 };
	struct jb_rtp whole = { 0 }, first = { 0 }, second = { 0 };

	(void)state;
	for (unsigned i = 0; i < 5000; i++) {
		unsigned seq = 65000 + i;

		if (i % 97 == 5) /* lost */
			continue;
		for (unsigned n = i % 89 == 7 ? 2 : 1; n; n--) {
			jb_rtp_add(&whole, seq, i * 160, 8000, i * 20000000ull);
			jb_rtp_add(i < 2000 ? &first : &second, seq, i * 160, 8000,
				   i * 20000000ull);
		}
	}
	row->carry(&args, &first, &second);
	assert_int_equal(first.packets, whole.packets);
	assert_int_equal(first.duplicates, whole.duplicates);
	assert_int_equal(first.jitter_ns16 >> 4, whole.jitter_ns16 >> 4);
	assert_int_equal(first.max_gap_ns, whole.max_gap_ns);
	assert_int_equal(first.lost_before + first.max_seq - first.base_seq + 1 - first.unique,
			 whole.max_seq - whole.base_seq + 1 - whole.unique);
	assert_int_equal(first.expected_before + first.max_seq - first.base_seq + 1,
			 whole.max_seq - whole.base_seq + 1);
	second = (struct jb_rtp){ 0 };
	whole = first;
	row->carry(&args, &first, &second);
	assert_memory_equal(&first, &whole, sizeof(first));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean_stream),
		cmocka_unit_test(test_wrap_around),
		cmocka_unit_test(test_timestamp_wrap),
		cmocka_unit_test(test_loss_and_duplicates),
		cmocka_unit_test(test_late_is_not_duplicate),
		cmocka_unit_test(test_before_the_first),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_long_gaps),
		cmocka_unit_test(test_random_streams),
		cmocka_unit_test(test_no_clock),
		cmocka_unit_test(test_carry),
		cmocka_unit_test(test_jitter_first),
		cmocka_unit_test(test_jitter_random),
		cmocka_unit_test(test_jitter_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
