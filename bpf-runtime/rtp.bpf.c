/*
 * rtp(): statistics of one RTP stream as its receiver sees it, after RFC 3550: sequence validation (A.1, without
 * probation: the first packet counts), expected and lost packets (A.3), interarrival jitter (A.8, of every packet
 * that arrives). The caller holds the state's lock.
 *
 * What goes beyond the RFC: a window of bits tells duplicates from late packets, so that `lost` counts distinct
 * packets and never goes negative.
 */
#define JB_RTP_MAX_DROPOUT  3000
#define JB_RTP_MAX_MISORDER 100
#define JB_RTP_NO_BAD_SEQ   (1u << 16 | 1)

jb_inline jb_u32 jb_rtp_seen(const struct jb_rtp *s, jb_u32 ext)
{
	return s->seen[(ext / 64) & (JB_RTP_WINDOW / 64 - 1)] >> (ext & 63) & 1;
}

jb_inline void jb_rtp_mark(struct jb_rtp *s, jb_u32 ext)
{
	s->seen[(ext / 64) & (JB_RTP_WINDOW / 64 - 1)] |= 1ull << (ext & 63);
}

/* Forget the n sequence numbers from `ext` on: they are new and have not been seen in this turn of the window. */
jb_inline void jb_rtp_forget(struct jb_rtp *s, jb_u32 ext, jb_u32 n)
{
	if (n > JB_RTP_WINDOW)
		n = JB_RTP_WINDOW;
	for (int i = 0; i < JB_RTP_WINDOW / 64 + 1; i++) {
		jb_u32 bit = ext & 63, take = 64 - bit;
		jb_u64 mask = ~0ull << bit;

		if (!n)
			return;
		if (n < take) {
			take = n;
			mask &= (1ull << ((bit + n) & 63)) - 1;
		}
		s->seen[(ext / 64) & (JB_RTP_WINDOW / 64 - 1)] &= ~mask;
		ext += take;
		n -= take;
	}
}

/* Add the run that ends here to what was before, and begin a new one at `ext`, nothing of it received yet. */
jb_inline void jb_rtp_new_run(struct jb_rtp *s, jb_u32 ext)
{
	jb_u64 expected = (jb_u32)(s->max_seq - s->base_seq + 1);

	s->expected_before += expected;
	s->lost_before += expected > s->unique ? expected - s->unique : 0;
	s->unique = 0;
	s->base_seq = ext;
}

jb_inline void jb_rtp_start(struct jb_rtp *s, jb_u32 seq)
{
	jb_rtp_forget(s, 0, JB_RTP_WINDOW);
	s->base_seq = seq;
	s->max_seq = seq;
	s->bad_seq = JB_RTP_NO_BAD_SEQ;
	s->unique = 1;
	jb_rtp_mark(s, seq);
}

/* A sequence number ahead of all others, with nothing, or a permissible gap, between. */
jb_inline void jb_rtp_advance(struct jb_rtp *s, jb_u32 delta)
{
	jb_u32 ext = s->max_seq + delta;

	/* Extended numbers have 32 bits: long before they run out the run is closed without a trace. */
	if (s->max_seq - s->base_seq >= 1u << 31)
		jb_rtp_new_run(s, s->max_seq + 1);
	jb_rtp_forget(s, s->max_seq + 1, delta);
	s->max_seq = ext;
	s->unique += 1;
	jb_rtp_mark(s, ext);
}

/* A late packet; one from before the first packet of the run is outside of what was expected. */
jb_inline void jb_rtp_late(struct jb_rtp *s, jb_u32 ext)
{
	s->reordered += 1;
	if ((jb_i32)(ext - s->base_seq) >= 0)
		s->unique += 1;
	jb_rtp_mark(s, ext);
}

/* A.8, in ns instead of clock ticks: D = (difference of arrivals) - (difference of timestamps). */
jb_inline void jb_rtp_jitter(struct jb_rtp *s, jb_u32 ts, jb_u64 gap_ns)
{
	jb_i32 ticks = ts - s->last_ts;
	jb_u64 media_ns =
		(jb_u64)(ticks < 0 ? -(jb_i64)ticks : ticks) * 1000000000ull / s->clock_hz;
	jb_i64 d = gap_ns - (ticks < 0 ? -media_ns : media_ns);

	s->jitter_ns16 += (d < 0 ? -d : d) - ((s->jitter_ns16 + 8) >> 4);
}

/* `restarted`: timestamps have a new origin, so the difference to the last one says nothing. */
jb_inline void jb_rtp_arrival(struct jb_rtp *s, jb_u32 ts, jb_u64 now_ns, bool restarted)
{
	jb_u64 gap_ns = now_ns - s->last_arrival_ns;

	/* Two CPUs may read the clock in one order and take the lock in the other. */
	if ((jb_i64)gap_ns < 0) {
		gap_ns = 0;
		now_ns = s->last_arrival_ns;
	}
	if (gap_ns > s->max_gap_ns)
		s->max_gap_ns = gap_ns;
	if (s->clock_hz && !restarted)
		jb_rtp_jitter(s, ts, gap_ns);
	s->last_arrival_ns = now_ns;
	s->last_ts = ts;
}

/* A.1: far from the last number. Two such packets in sequence are a restart; one alone is ignored. */
jb_inline bool jb_rtp_jump(struct jb_rtp *s, jb_u32 seq)
{
	if (seq != s->bad_seq) {
		s->bad_seq = (seq + 1) & 0xffff;
		return false;
	}
	jb_rtp_new_run(s, seq);
	jb_rtp_start(s, seq);
	s->restarts += 1;
	return true;
}

jb_inline void jb_rtp_first(struct jb_rtp *s, jb_u32 seq, jb_u32 ts, jb_u64 now_ns)
{
	jb_rtp_start(s, seq);
	s->started = 1;
	s->packets = 1;
	s->last_arrival_ns = now_ns;
	s->last_ts = ts;
}

/*
 * A.8 over any transit times: J += (|D| - J) / 16, rounded, in integers as the RFC's code has it. The first sample has
 * nothing to be compared with. Differences are taken modulo 2^64, and those beyond 2^59 count as 2^59, so that the
 * scaled estimate stays within 64 bits.
 */
jb_inline void jb_jitter_add(struct jb_jitter *s, jb_i64 transit)
{
	jb_i64 d = (jb_u64)transit - (jb_u64)s->transit;
	jb_u64 size = d < 0 ? -(jb_u64)d : (jb_u64)d;

	if (size > 1ull << 59)
		size = 1ull << 59;
	s->transit = transit;
	if (s->started)
		s->jitter16 += size - ((s->jitter16 + 8) >> 4);
	s->started = 1;
}

jb_noinline void jb_rtp_add(struct jb_rtp *s, jb_u64 seq, jb_u64 ts, jb_u64 clock_hz, jb_u64 now_ns)
{
	jb_u32 seq16 = seq & 0xffff;
	jb_u32 ahead = (seq16 - s->max_seq) & 0xffff;
	jb_u32 late = s->max_seq - (0x10000 - ahead);
	bool restarted = false;

	s->clock_hz = clock_hz;
	if (!s->started) {
		jb_rtp_first(s, seq16, ts, now_ns);
		return;
	}
	if (ahead && ahead < JB_RTP_MAX_DROPOUT) {
		jb_rtp_advance(s, ahead);
	} else if (ahead && ahead <= 0x10000 - JB_RTP_MAX_MISORDER) {
		restarted = jb_rtp_jump(s, seq16);
		if (!restarted)
			return;
	} else if (!ahead || jb_rtp_seen(s, late)) {
		s->duplicates += 1;
	} else {
		jb_rtp_late(s, late);
	}
	s->packets += 1;
	jb_rtp_arrival(s, ts, now_ns, restarted);
}
