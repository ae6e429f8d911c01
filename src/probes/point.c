/*
 * Small common ground of the providers: numbers and joined parts of attach points, hints, and the splitting of an
 * instance whose targets cannot share one program.
 */
#include "probes/point.h"

#include <ctype.h>
#include <string.h>

static int digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (isxdigit((unsigned char)c))
		return tolower((unsigned char)c) - 'a' + 10;
	return 99;
}

static const char *point_digits(const char *text, unsigned base, uint64_t *number)
{
	const char *start = text;

	for (*number = 0; digit_value(*text) < (int)base || (*text == '_' && text > start);
	     text++) {
		if (*text == '_')
			continue;
		if (__builtin_mul_overflow(*number, base, number) ||
		    __builtin_add_overflow(*number, (uint64_t)digit_value(*text), number))
			return NULL;
	}
	return text > start ? text : NULL;
}

const char *point_number(const char *text, uint64_t *number)
{
	uint64_t exponent;
	const char *end;

	if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
		return point_digits(text + 2, 16, number);
	text = point_digits(text, 10, number);
	if (!text || (*text != 'e' && *text != 'E'))
		return text;
	end = point_digits(text + 1, 10, &exponent);
	if (!end)
		return text;
	for (; exponent && *number; exponent--)
		if (__builtin_mul_overflow(*number, 10, number))
			return NULL;
	return end;
}

const char *point_join(struct arena *arena, const struct spec *spec, unsigned from)
{
	const char *joined = from < spec->n_parts ? spec->part[from] : "";

	for (unsigned i = from + 1; i < spec->n_parts; i++)
		joined = arena_printf(arena, "%s:%s", joined, spec->part[i]);
	return joined;
}

void point_hint(struct resolve *resolve, const struct nearest *nearest, const char *prefix)
{
	if (nearest->best)
		resolve_hint(resolve, "did you mean '%s%s'?", prefix, nearest->best);
}

struct target *point_target(struct resolve *resolve, const char *name, const char *func)
{
	struct target *target = resolve_add_target(resolve, name);

	target->func = func;
	target->number = -1;
	target->span = resolve->spec->span;
	return target;
}

/*
 * The copies share their variables: the bodies are the same text, so every variable gets the same type and slot in
 * both programs.
 */
struct instance *instance_split(struct resolve *resolve, struct instance *instance, size_t from)
{
	struct instance *other = arena_new_of(resolve->arena, struct instance);

	*other = *instance;
	other->predicate = ast_clone(resolve->arena, instance->predicate);
	other->body = ast_clone(resolve->arena, instance->body);
	memset(&other->targets, 0, sizeof(other->targets));
	for (size_t i = from; i < instance->targets.n; i++)
		vec_push(resolve->arena, &other->targets, instance->targets.data[i]);
	instance->targets.n = from;
	if (instance->program)
		other->program = arena_printf(resolve->arena, "s%zu_%.9s", resolve->instances.n,
					      instance->provider->name);
	vec_push(resolve->arena, &resolve->instances, other);
	return other;
}
