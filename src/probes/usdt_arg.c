/*
 * Where the arguments of static probes are, in the words of the assembler: SIZE@OPERAND, separated by spaces. SIZE is in
 * bytes, negative when signed; OPERAND is a constant ($3), a register (%eax) or memory (-16(%rbp,%rcx,8), x+4(%rip)).
 */
#include "probes/usdt.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "probes/regs.h"

struct reader {
	struct arena *arena;
	const char *at, *end; /* of this argument */
	struct usdt_arg *arg;
};

static bool fail(struct reader *reader, const char *why)
{
	reader->arg->item = (struct ctx_item){
		.kind = CTX_NONE,
		.why = arena_printf(reader->arena, "this argument cannot be read: %s ('%.*s')", why,
				    (int)reader->arg->len, reader->arg->text),
	};
	return false;
}

static bool take(struct reader *reader, char c)
{
	if (reader->at >= reader->end || *reader->at != c)
		return false;
	reader->at++;
	return true;
}

static void skip_blanks(struct reader *reader)
{
	while (reader->at < reader->end && *reader->at == ' ')
		reader->at++;
}

/* --- pieces --- */

static bool take_number(struct reader *reader, int64_t *number)
{
	char *rest;

	if (reader->at >= reader->end || !isdigit((unsigned char)*reader->at))
		return false;
	*number = (int64_t)strtoull(reader->at, &rest, 0);
	reader->at = rest;
	return true;
}

static bool is_name_char(char c)
{
	return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '$';
}

static bool take_register(struct reader *reader, uint32_t *offset, uint32_t *size)
{
	const char *begin;

	if (!take(reader, '%'))
		return false;
	begin = reader->at;
	while (reader->at < reader->end && isalnum((unsigned char)*reader->at))
		reader->at++;
	return regs_find(begin, (size_t)(reader->at - begin), offset, size);
}

/* Numbers and at most one symbol, with signs between them: "-16+x". */
static bool take_sum(struct reader *reader, int64_t *sum)
{
	struct usdt_arg *arg = reader->arg;

	*sum = 0;
	while (reader->at < reader->end && *reader->at != '(') {
		bool minus = take(reader, '-');
		const char *begin;
		int64_t number;

		if (!minus)
			take(reader, '+');
		if (take_number(reader, &number)) {
			*sum = (int64_t)((uint64_t)*sum +
					 (minus ? -(uint64_t)number : (uint64_t)number));
			continue;
		}
		begin = reader->at;
		while (reader->at < reader->end && is_name_char(*reader->at))
			reader->at++;
		if (reader->at == begin || arg->symbol || minus)
			return false;
		arg->symbol = begin;
		arg->symbol_len = (size_t)(reader->at - begin);
	}
	return true;
}

/* --- operands --- */

static bool read_constant(struct reader *reader)
{
	struct ctx_item *item = &reader->arg->item;
	bool minus = take(reader, '-');
	int64_t number;

	if (!take_number(reader, &number) || reader->at != reader->end)
		return fail(reader, "only constants that are numbers can");
	number = minus ? (int64_t) - (uint64_t)number : number;
	item->kind = CTX_CONST;
	item->value = number;
	if (item->size == 8)
		return true;
	item->value = (int64_t)((uint64_t)number << (64 - 8 * item->size));
	item->value = item->is_signed ? item->value >> (64 - 8 * item->size)
				      : (int64_t)((uint64_t)item->value >> (64 - 8 * item->size));
	return true;
}

/* The high halves ("ah") lie at odd bytes, where only a load of one byte may go. */
static bool read_register(struct reader *reader)
{
	struct ctx_item *item = &reader->arg->item;
	uint32_t size;

	if (!take_register(reader, &item->offset, &size) || reader->at != reader->end)
		return fail(reader, "it is in a register that BPF does not see");
	if (size < item->size)
		item->size = size;
	item->kind = item->offset % 8 ? CTX_LOAD : CTX_REG;
	return true;
}

/* "(%base,%index,scale)": each may be missing. */
static bool read_base(struct reader *reader)
{
	struct ctx_item *item = &reader->arg->item;
	uint32_t offset, size, ip = 0;
	int64_t scale = 1;

	if (!take(reader, '('))
		return true;
	skip_blanks(reader);
	if (reader->at < reader->end && *reader->at == '%' &&
	    !take_register(reader, &item->offset, &size))
		return false;
	skip_blanks(reader);
	if (take(reader, ',')) {
		skip_blanks(reader);
		if (!take_register(reader, &offset, &size))
			return false;
		item->index = offset;
		skip_blanks(reader);
		if (take(reader, ',')) {
			skip_blanks(reader);
			if (!take_number(reader, &scale) || scale < 1 || scale > 8)
				return false;
		}
		item->scale = (unsigned)scale;
	}
	skip_blanks(reader);
	regs_find("rip", 3, &ip, &size);
	reader->arg->relative = item->offset == ip && reader->arg->symbol;
	return take(reader, ')');
}

static bool read_memory(struct reader *reader)
{
	struct ctx_item *item = &reader->arg->item;

	item->kind = CTX_USER;
	item->offset = CTX_NO_REG;
	if (!take_sum(reader, &item->value) || !read_base(reader) || reader->at != reader->end)
		return fail(reader, "its place is written in a way that is not known");
	if (reader->arg->symbol && !reader->arg->relative)
		return fail(reader, "it is at a fixed address that the loader may move");
	return true;
}

/* "-4@": without it, a word. */
static bool read_size(struct reader *reader)
{
	struct ctx_item *item = &reader->arg->item;
	const char *at = memchr(reader->at, '@', (size_t)(reader->end - reader->at));
	int64_t size = 8;

	item->is_signed = at && take(reader, '-');
	if (at && (!take_number(reader, &size) || (reader->at != at && *reader->at != 'f')))
		return fail(reader, "its size is not a number");
	if (at && reader->at != at)
		return fail(reader, "it is a floating-point number");
	if (size != 1 && size != 2 && size != 4 && size != 8)
		return fail(reader, "it has neither 1, 2, 4 nor 8 bytes");
	reader->at = at ? at + 1 : reader->at;
	item->size = (uint32_t)size;
	return true;
}

static void read_arg(struct arena *arena, struct usdt_arg *arg)
{
	struct reader reader = { arena, arg->text, arg->text + arg->len, arg };
	bool ok;

	arg->type = type_u64();
	if (!read_size(&reader))
		return;
	arg->type = type_int(arg->item.size, arg->item.is_signed);
	if (take(&reader, '$'))
		ok = read_constant(&reader);
	else if (reader.at < reader.end && *reader.at == '%' &&
		 !memchr(reader.at, ':', (size_t)(reader.end - reader.at)))
		ok = read_register(&reader);
	else
		ok = read_memory(&reader);
	if (!ok)
		arg->symbol = NULL;
}

/* Where an argument ends: at a space outside of parentheses. */
static size_t arg_length(const char *text)
{
	const char *at = text;
	int depth = 0;

	for (; *at && (*at != ' ' || depth); at++)
		depth += *at == '(' ? 1 : *at == ')' && depth ? -1 : 0;
	return (size_t)(at - text);
}

unsigned usdt_args_parse(struct arena *arena, const char *text, struct usdt_arg *args)
{
	unsigned n = 0;

	for (text += strspn(text, " "); *text && n < USDT_ARGS; text += strspn(text, " ")) {
		args[n] = (struct usdt_arg){ .text = text, .len = arg_length(text) };
		text += args[n].len;
		read_arg(arena, &args[n++]);
	}
	return n;
}
