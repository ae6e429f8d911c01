/*
 * Aggregations: one update function per row of builtins/aggregate.c and builtins/quantiles.c. States are per CPU, so
 * plain loads and stores are enough; shared states (rtp.bpf.c) come with their lock held. Inlined: constant
 * arguments (bits, bounds) must fold, as they do in C written by hand.
 */

/* floor(log2(v)) of v > 0. One branch that is nearly always taken the same way, then shifts without branches. */
jb_inline jb_u32 jb_log2(jb_u64 v)
{
	jb_u32 base = 0, x = v, r, shift;

	if (v >> 32) {
		base = 32;
		x = v >> 32;
	}
	r = (x > 0xffff) << 4;
	x >>= r;
	shift = (x > 0xff) << 3;
	x >>= shift;
	r |= shift;
	shift = (x > 0xf) << 2;
	x >>= shift;
	r |= shift;
	shift = (x > 0x3) << 1;
	x >>= shift;
	r |= shift;
	return base + (r | x >> 1);
}

/*
 * Log-linear position of n >= 0 with 2^bits buckets per power of two: numbers below 2^(bits + 1) have a bucket of
 * their own, from there each power of two is divided evenly.
 */
jb_inline jb_u64 jb_log_bucket(jb_u64 n, jb_u32 bits)
{
	jb_u32 shift = jb_log2(n | 1ull << bits) - bits;

	return ((jb_u64)shift << bits) + (n >> shift);
}

jb_inline void jb_count_add(struct jb_count *state)
{
	state->n += 1;
}

jb_inline void jb_sum_add(struct jb_sum *state, jb_i64 n)
{
	state->total = (jb_u64)state->total + (jb_u64)n;
	state->set = 1;
}

jb_inline void jb_stats_add(struct jb_stats *state, jb_i64 n)
{
	state->count += 1;
	state->total = (jb_u64)state->total + (jb_u64)n;
}

/* Extremes are compared with their sign, also those of unsigned numbers: 2^63 and above count as negative. */
jb_inline void jb_min_add(struct jb_extreme *state, jb_i64 n)
{
	if (!state->set || n < state->value) {
		state->value = n;
		state->set = 1;
	}
}

jb_inline void jb_max_add(struct jb_extreme *state, jb_i64 n)
{
	if (!state->set || n > state->value) {
		state->value = n;
		state->set = 1;
	}
}

jb_inline void jb_umin_add(struct jb_extreme *state, jb_u64 n)
{
	if (!state->set || n < (jb_u64)state->value) {
		state->value = n;
		state->set = 1;
	}
}

jb_inline void jb_umax_add(struct jb_extreme *state, jb_u64 n)
{
	if (!state->set || n > (jb_u64)state->value) {
		state->value = n;
		state->set = 1;
	}
}

/* Bucket 0 is for negative numbers; bucket 1 + i for the log-linear position i. */
jb_inline void jb_hist_add(struct jb_hist *state, jb_i64 n, jb_u64 bits)
{
	jb_u64 i = 0;

	state->sum = (jb_u64)state->sum + (jb_u64)n;
	if (n > 0 && !bits)
		i = jb_log2(n) + 2;
	else if (n >= 0)
		i = jb_log_bucket(n, bits) + 1;
	jb_opaque(i);
	if (i < JB_HIST_BUCKETS(bits))
		state->bucket[i] += 1;
}

/* Bucket 0 is below min, the last one is max and above; steps that do not divide the range evenly end in the last. */
jb_inline void jb_lhist_add(struct jb_lhist *state, jb_i64 n, jb_i64 min, jb_i64 max, jb_i64 step)
{
	jb_u64 inner = (jb_u64)(max - min) / (jb_u64)step;
	jb_u64 i = 0;

	state->sum = (jb_u64)state->sum + (jb_u64)n;
	if (n >= max)
		i = inner + 1;
	else if (n >= min)
		i = ((jb_u64)n - (jb_u64)min) / (jb_u64)step + 1;
	jb_opaque(i);
	if (i > inner)
		i = inner + 1;
	state->bucket[i] += 1;
}

/*
 * How many of the ascending bounds are below n: the bucket of a number that belongs to the first bound which is not
 * below it. A binary search whose steps depend on the constant n_bounds only, so that they unroll.
 */
jb_inline jb_u64 jb_lower_bound(const jb_i64 *bounds, jb_u64 n_bounds, jb_i64 n)
{
	jb_u64 first = 0;

#pragma unroll
	while (n_bounds > 1) {
		jb_u64 half = n_bounds / 2;

		if (bounds[first + half - 1] < n)
			first += half;
		n_bounds -= half;
	}
	return first + (bounds[first] < n);
}

jb_inline void jb_bhist_count(struct jb_bhist *state, jb_i64 n, jb_u64 i, jb_u64 n_bounds)
{
	state->sum = (jb_u64)state->sum + (jb_u64)n;
	jb_opaque(i);
	if (i <= n_bounds)
		state->bucket[i] += 1;
}

jb_inline void jb_bhist_add(struct jb_bhist *state, jb_i64 n, const jb_i64 *bounds, jb_u64 n_bounds)
{
	jb_bhist_count(state, n, jb_lower_bound(bounds, n_bounds, n), n_bounds);
}

/* Bounds are below 2^63: an unsigned number from there on is above all of them. */
jb_inline void jb_ubhist_add(struct jb_bhist *state, jb_i64 n, const jb_i64 *bounds,
			     jb_u64 n_bounds)
{
	jb_u64 i = n < 0 ? n_bounds : jb_lower_bound(bounds, n_bounds, n);

	jb_bhist_count(state, n, i, n_bounds);
}

/* The histogram holds 0 to 2^48 - 1, and what lies outside at its ends; sum and extremes are exact. */
jb_noinline void jb_quantiles_add(struct jb_quantiles *state, jb_i64 n)
{
	jb_u64 v = n < 0 ? 0 : n, i;

	if (v >> JB_Q_MAX_LOG)
		v = (1ull << JB_Q_MAX_LOG) - 1;
	if (!state->count || n < state->min)
		state->min = n;
	if (!state->count || n > state->max)
		state->max = n;
	state->count += 1;
	state->sum = (jb_u64)state->sum + (jb_u64)n; /* wraps, as two's complement does */
	i = jb_log_bucket(v, JB_Q_BITS);
	jb_opaque(i);
	if (i < JB_Q_BUCKETS)
		state->bucket[i] += 1;
}

/* What a state is worth inside an expression; the caller adds the CPUs up. */
jb_inline jb_i64 jb_count_read(const struct jb_count *state)
{
	return state->n;
}

jb_inline jb_i64 jb_sum_read(const struct jb_sum *state)
{
	return state->total;
}
