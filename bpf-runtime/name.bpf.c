/*
 * Names of threads, 16 bytes that end in zeros, against patterns: by whole words where the pattern is a text, perhaps
 * with a `*` at its end, else by the bit masks of base/globset.h. Plain C, which the unit tests compile, too.
 */
#define JB_NAME_MAX 15 /* bytes before the final zero */

/* The two words of a name under masks: the text's bytes, and its final zero when no `*` follows. */
jb_inline jb_u32 jb_name_equal(const void *name, jb_u64 low, jb_u64 low_mask, jb_u64 high,
			       jb_u64 high_mask)
{
	const jb_u64 *word = name;

	return (word[0] & low_mask) == low && (word[1] & high_mask) == high;
}

/* The accept bits of what the whole name matches, among others. */
jb_inline jb_u64 jb_name_match(const void *name, const jb_u64 *may, jb_u64 start, jb_u64 stay)
{
	const jb_u8 *byte = name;
	jb_u64 state = start;

	jb_unroll for (jb_u32 i = 0; i < JB_NAME_MAX; i++)
	{
		if (!byte[i])
			break;
		state = (state & may[byte[i]]) << 1 | (state & stay);
	}
	return state;
}
