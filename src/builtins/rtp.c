/*
 * After RFC 3550: rtp(seq, ts, clock_hz), a stream's receiver statistics, and jitter(transit), appendix A.8 alone. The
 * state machines are in bpf-runtime/rtp.bpf.c; here states become values.
 */
#include "builtins/builtins.h"

#include "bpf-runtime/abi.h"

static uint32_t rtp_size(const struct agg_args *args)
{
	(void)args;
	return sizeof(struct jb_rtp);
}

static uint64_t expected_now(const struct jb_rtp *s)
{
	return s->started ? (uint32_t)(s->max_seq - s->base_seq + 1) : 0;
}

static uint64_t lost_now(const struct jb_rtp *s)
{
	return expected_now(s) > s->unique ? expected_now(s) - s->unique : 0;
}

/*
 * A map that is cleared begins anew with its next packet, as after a restart: what the runs before had counted is kept,
 * the estimate of the jitter is the latest one. What was lost between the two is not known.
 */
static void carry_rtp(const struct agg_args *args, void *into, const void *later)
{
	struct jb_rtp *before = into, sum = *(const struct jb_rtp *)later;

	(void)args;
	if (!sum.started)
		return;
	sum.packets += before->packets;
	sum.reordered += before->reordered;
	sum.duplicates += before->duplicates;
	sum.restarts += before->restarts;
	sum.expected_before += before->expected_before + expected_now(before);
	sum.lost_before += before->lost_before + lost_now(before);
	if (before->max_gap_ns > sum.max_gap_ns)
		sum.max_gap_ns = before->max_gap_ns;
	*before = sum;
}

/* Appendix A.3: expected are all numbers from the first to the highest; lost those of them that did not come. */
static struct value rtp_value(struct decode *decode, const struct type *type, const void *state)
{
	static const char *const names[] = { "packets",	   "expected", "lost",	    "reordered",
					     "duplicates", "restarts", "jitter_ns", "max_gap_ns" };
	const struct jb_rtp *s = state;
	struct value *items = arena_alloc(decode->arena, 8 * sizeof(*items));

	(void)type;
	items[0] = value_uint(s->packets);
	items[1] = value_uint(s->expected_before + expected_now(s));
	items[2] = value_uint(s->lost_before + lost_now(s));
	items[3] = value_uint(s->reordered);
	items[4] = value_uint(s->duplicates);
	items[5] = value_uint(s->restarts);
	items[6] = value_uint(s->jitter_ns16 >> 4);
	items[7] = value_uint(s->max_gap_ns);
	return (struct value){
		.kind = VALUE_RECORD, .items = items, .names = names, .len = 8, .row = true
	};
}

static uint32_t jitter_size(const struct agg_args *args)
{
	(void)args;
	return sizeof(struct jb_jitter);
}

static struct value jitter_value(struct decode *decode, const struct type *type, const void *state)
{
	const struct jb_jitter *s = state;

	(void)decode;
	(void)type;
	return value_uint(s->jitter16 >> 4);
}

/* clang-format off */
const struct aggregate aggregates_rtp[] = {
	{ .name = "rtp", .proto = "void rtp(int seq, int ts, int clock_hz)", .rt = "jb_rtp_add",
	  .flags = AGG_SHARED | AGG_TIMED, .state_size = rtp_size, .carry = carry_rtp, .value = rtp_value,
	  .counters = "packets expected reordered duplicates restarts",
	  .doc = "RFC 3550 statistics of an RTP stream from sequence number, media timestamp and the time of the probe." },
	{ .name = "jitter", .proto = "void jitter(int transit)", .rt = "jb_jitter_add", .flags = AGG_SHARED,
	  .state_size = jitter_size, .value = jitter_value,
	  .doc = "RFC 3550 interarrival jitter of transit times, in their unit." },
	{ 0 },
};
/* clang-format on */
