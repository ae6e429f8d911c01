/*
 * Prototypes of rows: "string[16] str(ptr p, [int n])" to struct proto. A hand-written reader of that one line;
 * it has nothing to do with the grammar of scripts. What the types mean is check.c's business.
 */
#include "parser/parse.h"

#include <ctype.h>
#include <string.h>

struct reader {
	struct arena *arena;
	const char *at;
};

static void skip_space(struct reader *r)
{
	while (isspace((unsigned char)*r->at))
		r->at++;
}

static bool accept(struct reader *r, const char *token)
{
	size_t len = strlen(token);

	skip_space(r);
	if (strncmp(r->at, token, len))
		return false;
	r->at += len;
	return true;
}

static bool is_word_byte(char c)
{
	return isalnum((unsigned char)c) || c == '_';
}

/* The next identifier, or NULL. */
static const char *read_word(struct reader *r)
{
	skip_space(r);

	const char *begin = r->at;

	if (isdigit((unsigned char)*begin))
		return NULL;
	while (is_word_byte(*r->at))
		r->at++;
	return r->at > begin ? arena_strndup(r->arena, begin, (size_t)(r->at - begin)) : NULL;
}

/* "[16]" directly behind string or buffer; without it the size stays 0. */
static bool read_size(struct reader *r, uint32_t *size)
{
	if (*r->at != '[')
		return true;
	r->at++;
	if (!isdigit((unsigned char)*r->at))
		return false;
	while (isdigit((unsigned char)*r->at)) {
		*size = *size * 10 + (uint32_t)(*r->at++ - '0');
		if (*size > 1u << 20)
			return false;
	}
	return *size && *r->at++ == ']';
}

static const struct type_word {
	const char *word;
	enum proto_type type;
	uint32_t size;
	bool is_signed;
} type_words[] = {
	{ "void", PROTO_VOID, 0, false },     { "bool", PROTO_BOOL, 1, false },
	{ "int", PROTO_INT, 0, true },	      { "u8", PROTO_INT, 1, false },
	{ "u16", PROTO_INT, 2, false },	      { "u32", PROTO_INT, 4, false },
	{ "u64", PROTO_INT, 8, false },	      { "i8", PROTO_INT, 1, true },
	{ "i16", PROTO_INT, 2, true },	      { "i32", PROTO_INT, 4, true },
	{ "i64", PROTO_INT, 8, true },	      { "string", PROTO_STRING, 0, false },
	{ "buffer", PROTO_BUFFER, 0, false }, { "ptr", PROTO_PTR, 8, false },
	{ "any", PROTO_ANY, 0, false },	      { "map", PROTO_MAP, 0, false },
	{ "key", PROTO_KEY, 0, false },	      { 0 },
};

static bool read_type(struct reader *r, struct proto_param *param)
{
	const char *word = read_word(r);

	if (word && !strcmp(word, "const")) {
		param->is_const = true;
		word = read_word(r);
	}
	if (!word)
		return false;
	param->name = "";
	for (const struct type_word *known = type_words; known->word; known++) {
		if (strcmp(word, known->word))
			continue;
		param->type = known->type;
		param->size = known->size;
		param->is_signed = known->is_signed;
		if (known->type == PROTO_STRING || known->type == PROTO_BUFFER)
			return read_size(r, &param->size);
		return true;
	}
	param->type = PROTO_NAMED;
	param->type_name = word;
	return true;
}

/* One parameter, or one in brackets; a required one may not follow an optional one. */
static bool read_param(struct reader *r, struct proto *proto)
{
	if (proto->n_params == sizeof(proto->param) / sizeof(proto->param[0]))
		return false;

	struct proto_param *param = &proto->param[proto->n_params++];

	param->is_optional = accept(r, "[");
	if (!read_type(r, param) || param->type == PROTO_VOID)
		return false;

	const char *name = read_word(r);

	if (name)
		param->name = name;
	if (param->is_optional)
		return accept(r, "]");
	proto->n_required++;
	return proto->n_required == proto->n_params;
}

static bool read_params(struct reader *r, struct proto *proto)
{
	if (accept(r, ")"))
		return true;
	do {
		if (accept(r, "...")) {
			proto->varargs = true;
			break;
		}
		if (!read_param(r, proto))
			return false;
	} while (accept(r, ","));
	return accept(r, ")");
}

bool proto_parse(struct arena *arena, const char *text, struct proto *proto)
{
	struct reader r = { arena, text };

	*proto = (struct proto){ 0 };
	if (!text || !read_type(&r, &proto->result) || proto->result.is_const)
		return false;
	proto->result.name = read_word(&r);
	if (!proto->result.name)
		return false;
	proto->is_value = !accept(&r, "(");
	if (!proto->is_value && !read_params(&r, proto))
		return false;
	skip_space(&r);
	return !*r.at;
}
