/*
 * printf in a pinned iterator. Nobody reads a ring when jbtrace has ended, so the text is made by the kernel's own
 * bpf_seq_printf, which knows integers, characters and strings; the format is translated for it.
 */
#include "codegen/internal.h"

#include <ctype.h>
#include <string.h>

#define HELPER_SEQ_PRINTF 126
#define SEQ_ARGS_MAX	  12

/* One conversion of the script's format. */
struct conversion {
	const char *begin; /* its % */
	char flags[8];
	unsigned width;
	bool has_width, is_long, is_exact, is_hex_marked;
	char letter;
};

struct translation {
	struct cg *cg;
	const struct node *call;
	struct buf text;
	LLVMValueRef data;
	unsigned n;
};

static bool refuse(struct translation *t, struct span span, const char *what)
{
	diag_error(t->cg->diags, span, "%s cannot be printed by a pinned iterator", what);
	diag_hint(t->cg->diags, "the kernel makes its text: numbers, characters and strings");
	return false;
}

/* After the %. Returns what follows it, NULL: a conversion that the kernel does not have. */
static const char *read_conversion(const char *at, struct conversion *c)
{
	size_t n = 0;

	for (; *at && strchr("-+ 0#", *at); at++) {
		c->is_hex_marked |= *at == '#';
		if (*at != '#' && n + 1 < sizeof(c->flags))
			c->flags[n++] = *at;
	}
	c->flags[n] = '\0';
	c->has_width = isdigit((unsigned char)*at);
	for (; isdigit((unsigned char)*at); at++)
		c->width = (c->width * 10 + (unsigned)(*at - '0')) % 10000;
	for (; *at && strchr("hljzt", *at); at++)
		c->is_long |= *at != 'h';
	c->letter = *at;
	return *at && strchr("diuxXcsp", *at) ? at + 1 : NULL;
}

static void write_conversion(struct translation *t, const struct conversion *c, const char *letter)
{
	if (c->is_hex_marked || c->letter == 'p')
		buf_puts(&t->text, "0x");
	buf_printf(&t->text, "%%%s", c->flags);
	if (c->has_width)
		buf_printf(&t->text, "%u", c->width);
	buf_puts(&t->text, letter);
}

static void write_number(struct translation *t, const struct conversion *c, const struct type *type)
{
	char letters[4] = { 'l', 'l', c->letter, '\0' };

	if (c->letter == 'p')
		letters[2] = 'x';
	else if (c->letter == 's')
		letters[2] = type_is_signed(type) ? 'd' : 'u';
	else if (c->letter == 'c' || !c->is_long)
		memmove(letters, letters + 2, 2);
	write_conversion(t, c, letters);
}

static bool add_argument(struct translation *t, const struct conversion *c, const struct node *arg)
{
	struct cg *cg = t->cg;
	const struct type *type = type_plain(arg->type);
	LLVMValueRef value;

	if (t->n == SEQ_ARGS_MAX)
		return refuse(t, arg->span, "a 13th argument");
	if (type_is_scalar(type)) {
		write_number(t, c, type);
		value = cg_expr(cg, arg);
	} else if (type->kind == TYPE_STR && c->letter == 's') {
		write_conversion(t, c, "s");
		value = LLVMBuildPtrToInt(cg->b, cg_expr_ptr(cg, arg), cg->i64, "");
	} else {
		return refuse(t, arg->span, "this value");
	}
	LLVMBuildStore(cg->b, value, cg_offset(cg, t->data, 8 * t->n++));
	return true;
}

static bool translate(struct translation *t, const char *fmt, const struct node *arg)
{
	while (*fmt) {
		struct conversion c = { .begin = fmt };

		if ((unsigned char)*fmt >= 0x80 || (*fmt < ' ' && !isspace((unsigned char)*fmt)))
			return refuse(t, t->call->span, "text that is not plain ASCII");
		if (*fmt != '%' || fmt[1] == '%') {
			buf_puts(&t->text, *fmt == '%' ? "%%" : (char[]){ *fmt, '\0' });
			fmt += *fmt == '%' ? 2 : 1;
			continue;
		}
		fmt = read_conversion(fmt + 1, &c);
		if (!fmt || !arg)
			return refuse(t, t->call->span, "a conversion of this format");
		if (!add_argument(t, &c, arg))
			return false;
		arg = arg->next;
	}
	return true;
}

/* ctx->meta->seq, which the verifier follows as it is loaded. */
static LLVMValueRef seq_file(struct cg *cg)
{
	LLVMValueRef meta = LLVMBuildLoad2(cg->b, cg->ptr, cg_ctx(cg), "meta");

	return LLVMBuildLoad2(cg->b, cg->ptr, meta, "seq");
}

void cg_seq_print(struct cg *cg, const struct node *call)
{
	const struct plan_site *site = &cg->plan->sites.data[call->site];
	struct translation t = { .cg = cg, .call = call };

	if (!(site->fn->flags & BUILTIN_FILE_TEXT)) {
		diag_error(cg->diags, call->span,
			   "%s() does nothing in a pinned iterator, which runs without jbtrace",
			   site->fn->name);
		diag_hint(cg->diags, "printf() makes the text of its file");
		return;
	}
	t.data = cg_memory(cg, 8 * SEQ_ARGS_MAX);
	if (translate(&t, site->fmt, call->args->next)) {
		LLVMValueRef argv[] = {
			seq_file(cg),
			cg_const_bytes(cg, t.text.data ? t.text.data : "", t.text.len + 1),
			cg_int(cg, (int64_t)t.text.len + 1),
			t.data,
			cg_int(cg, 8 * (int64_t)t.n),
		};

		cg_helper(cg, HELPER_SEQ_PRINTF, argv, 5);
	}
	buf_fini(&t.text);
}
