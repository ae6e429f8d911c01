/*
 * Strings, buffers, byte order: the kernel side of builtins/string.c. A string is `size` bytes that are zero from
 * its end on, because strings are map keys and are compared as wholes.
 */
#define JB_JOIN_ARGS 16
#define JB_JOIN_SIZE 1024

/* Keeps the compiler from moving a bounds check to a register other than the one that is used as an index. */
#define jb_opaque(x) asm volatile("" : "+r"(x))

/*
 * A string of at most n - 1 bytes (and the NUL) from elsewhere; an address that cannot be read gives "". Returns how
 * many bytes were written, with the NUL.
 */
jb_inline jb_i64 jb_str_user(void *dst, jb_u32 size, jb_u64 address, jb_u64 n)
{
	jb_zero(dst, size);
	if (n > size)
		n = size;
	return bpf_probe_read_user_str(dst, n, (const void *)address);
}

jb_inline jb_i64 jb_str_kernel(void *dst, jb_u32 size, jb_u64 address, jb_u64 n)
{
	jb_zero(dst, size);
	if (n > size)
		n = size;
	return bpf_probe_read_kernel_str(dst, n, (const void *)address);
}

/* The same for max_strlen bytes: a string that is longer has JB_STR_CUT where its NUL would be. */
jb_inline void jb_str_user_max(void *dst, jb_u32 size, jb_u64 address, jb_u64 n)
{
	jb_u8 next = 0;

	if (jb_str_user(dst, size, address, n) != size)
		return;
	bpf_probe_read_user(&next, 1, (const void *)(address + size - 1));
	if (next)
		((jb_u8 *)dst)[size - 1] = JB_STR_CUT;
}

jb_inline void jb_str_kernel_max(void *dst, jb_u32 size, jb_u64 address, jb_u64 n)
{
	jb_u8 next = 0;

	if (jb_str_kernel(dst, size, address, n) != size)
		return;
	bpf_probe_read_kernel(&next, 1, (const void *)(address + size - 1));
	if (next)
		((jb_u8 *)dst)[size - 1] = JB_STR_CUT;
}

/* struct jb_buf with room for `room` bytes, `size` bytes in all, head and padding included. */
jb_inline void jb_buf_user(void *dst, jb_u32 size, jb_u64 address, jb_u64 n, jb_u32 room)
{
	struct jb_buf *buf = dst;

	jb_zero(dst, size);
	if (n > room)
		n = room;
	buf->len = n;
	bpf_probe_read_user(buf->data, n, (const void *)address);
}

jb_inline void jb_buf_kernel(void *dst, jb_u32 size, jb_u64 address, jb_u64 n, jb_u32 room)
{
	struct jb_buf *buf = dst;

	jb_zero(dst, size);
	if (n > room)
		n = room;
	buf->len = n;
	bpf_probe_read_kernel(buf->data, n, (const void *)address);
}

/* Bytes before the NUL, or before the mark of a string that was cut. */
jb_noinline jb_u32 jb_strlen(const void *text, jb_u32 size)
{
	const jb_u8 *bytes = text;
	jb_u32 i;

	for (i = 0; i < size; i++)
		if (!bytes[i] || (bytes[i] == JB_STR_CUT && i == size - 1))
			break;
	return i;
}

/* 0 when the first n bytes are the same, or both end before. */
jb_noinline jb_i64 jb_strncmp(const void *a, jb_u32 a_size, const void *b, jb_u32 b_size, jb_u64 n)
{
	const jb_u8 *x = a, *y = b;

	for (jb_u32 i = 0; i < n; i++) {
		jb_u32 cx = i < a_size ? x[i] : 0;
		jb_u32 cy = i < b_size ? y[i] : 0;

		if (cx != cy)
			return (jb_i64)cx - (jb_i64)cy;
		if (!cx)
			return 0;
	}
	return 0;
}

/* Sizes take whole slots of the stack: Linux 6.1 forgets the value of half a slot. */
struct jb_search {
	const jb_u8 *text, *needle;
	jb_u64 text_size, needle_size;
	jb_i64 found;
};

/* Is the needle at this place? A step of bpf_loop, so that the verifier looks at it once for all places. */
static long jb_search_at(jb_u64 at, void *arg)
{
	struct jb_search *search = arg;

	for (jb_u64 i = 0; i < search->needle_size; i++) {
		jb_u64 place = at + i;
		jb_u32 c = search->needle[i], t = 0;

		if (!c)
			break;
		jb_opaque(place);
		if (place < search->text_size)
			t = search->text[place];
		if (t != c)
			return !t && !i;
	}
	search->found = at;
	return 1;
}

/* Place of the first occurrence, -1: none. The empty needle is at 0. */
jb_noinline jb_i64 jb_strstr(const void *text, jb_u32 text_size, const void *needle,
			     jb_u32 needle_size)
{
	struct jb_search search = { text, needle, text_size, needle_size, -1 };

	bpf_loop(text_size, jb_search_at, &search, 0);
	return search.found;
}

jb_inline bool jb_strcontains(const void *text, jb_u32 text_size, const void *needle,
			      jb_u32 needle_size)
{
	return jb_strstr(text, text_size, needle, needle_size) >= 0;
}

jb_inline jb_u16 jb_bswap16(jb_u16 n)
{
	return __builtin_bswap16(n);
}

jb_inline jb_u32 jb_bswap32(jb_u32 n)
{
	return __builtin_bswap32(n);
}

jb_inline jb_u64 jb_bswap64(jb_u64 n)
{
	return __builtin_bswap64(n);
}

/* inet: the family, then 4 or 16 bytes of address in network order, then zeros. */
struct jb_inet {
	jb_u32 family;
	jb_u8 address[16];
};

jb_inline void jb_inet_int(void *dst, jb_u32 address)
{
	struct jb_inet *inet = dst;

	__builtin_memset(inet, 0, sizeof(*inet));
	inet->family = 2;
	__builtin_memcpy(inet->address, &address, 4);
}

/* `size`, 4 or 16, is what can be read at src; AF_INET (2) uses four bytes, AF_INET6 (10) all. */
jb_inline void jb_inet_bytes(void *dst, const void *src, jb_u32 size, jb_u32 family)
{
	struct jb_inet *inet = dst;

	__builtin_memset(inet, 0, sizeof(*inet));
	inet->family = family;
	if (size == 16 && family != 2)
		__builtin_memcpy(inet->address, src, 16);
	else
		__builtin_memcpy(inet->address, src, 4);
}

/* join(): up to 16 strings of a NULL-terminated array of pointers, each in 1024 bytes of its own. */
struct jb_argv {
	jb_u64 n;
	char arg[JB_JOIN_ARGS][JB_JOIN_SIZE];
};

jb_noinline void jb_argv_user(struct jb_argv *dst, jb_u64 argv)
{
	jb_u64 n = 0;

	for (jb_u32 i = 0; i < JB_JOIN_ARGS; i++) {
		jb_u64 p = 0;

		bpf_probe_read_user(&p, sizeof(p), (const void *)(argv + i * 8));
		if (!p)
			break;
		bpf_probe_read_user_str(dst->arg[i], JB_JOIN_SIZE, (const void *)p);
		n++;
	}
	dst->n = n;
}

jb_noinline void jb_argv_kernel(struct jb_argv *dst, jb_u64 argv)
{
	jb_u64 n = 0;

	for (jb_u32 i = 0; i < JB_JOIN_ARGS; i++) {
		jb_u64 p = 0;

		bpf_probe_read_kernel(&p, sizeof(p), (const void *)(argv + i * 8));
		if (!p)
			break;
		bpf_probe_read_kernel_str(dst->arg[i], JB_JOIN_SIZE, (const void *)p);
		n++;
	}
	dst->n = n;
}

/* For constants of a few bytes. */
jb_inline void jb_copy_bytes(void *dst, const void *src, jb_u32 size)
{
	jb_u8 *to = dst;
	const jb_u8 *from = src;

	for (jb_u32 i = 0; i < size; i++)
		to[i] = from[i];
}
