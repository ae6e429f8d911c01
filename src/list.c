/*
 * -l and -lv: which probes there are, from the providers' own list hooks, with the types of their arguments; and
 * the members of a kernel type.
 */
#include <errno.h>
#include <string.h>

#include "base/strmap.h"
#include "jbtrace.h"
#include "lookup/lookup.h"
#include "registry.h"

struct listing {
	FILE *out;
	struct arena *arena;
	struct lookup *lookup;
	int pid; /* -p, 0: none */
	bool verbose;
	long n;
};

/* C's name of a type, for kernel types, whose authors did not write int32. */
static const char *c_name(struct listing *listing, const struct type *type)
{
	static const char *const ints[][2] = {
		[1] = { "unsigned char", "char" },
		[2] = { "unsigned short", "short" },
		[4] = { "unsigned int", "int" },
		[8] = { "unsigned long", "long" },
	};

	if (type->kind == TYPE_INT && type->size <= 8)
		return ints[type->size][type->is_signed];
	if (type->kind == TYPE_PTR && type->base->kind == TYPE_NONE)
		return "void *";
	if (type->kind == TYPE_PTR)
		return arena_printf(listing->arena, "%s *", c_name(listing, type->base));
	return type_spell(listing->arena, type);
}

/* "    int fd": as C would write it, so an array's size stands after the name. */
static void print_field(struct listing *listing, const struct field *field)
{
	const struct type *type = field->type, *element = type;
	const char *spelled = field->spelled;
	size_t len;

	while (element->kind == TYPE_ARRAY)
		element = element->base;
	if (!spelled)
		spelled = c_name(listing, element);
	len = strlen(spelled);
	while (len && spelled[len - 1] == ' ')
		len--;
	fprintf(listing->out, "    %.*s", (int)len, spelled);
	if (field->name)
		fprintf(listing->out, " %s%s", field->name, field->data_loc ? "[]" : "");
	for (; type->kind == TYPE_ARRAY && !strchr(spelled, '['); type = type->base)
		fprintf(listing->out, "[%u]", type->count);
	if (field->bit_size)
		fprintf(listing->out, " : %u", field->bit_size);
}

static void print_probe(void *arg, const char *line, const struct type *args)
{
	struct listing *listing = arg;

	listing->n++;
	fprintf(listing->out, "%s\n", line);
	if (!listing->verbose || !args)
		return;
	lookup_complete(listing->lookup, args);
	for (unsigned i = 0; i < args->n_fields; i++) {
		print_field(listing, &args->fields[i]);
		fputc('\n', listing->out);
	}
}

static void print_enum(struct listing *listing, const struct type *type)
{
	for (unsigned i = 0; i < type->n_values; i++)
		fprintf(listing->out, "    %s = %lld,\n", type->values[i].name,
			(long long)type->values[i].value);
}

static long list_type(struct listing *listing, const char *spelling)
{
	const struct type *type = lookup_kernel_type(listing->lookup, spelling);

	if (!type)
		return 0;
	lookup_complete(listing->lookup, type);
	fprintf(listing->out, "vmlinux: %s {\n", spelling);
	if (type->kind == TYPE_ENUM)
		print_enum(listing, type);
	for (unsigned i = 0; i < type->n_fields; i++) {
		print_field(listing, &type->fields[i]);
		fputs(";\n", listing->out);
	}
	fprintf(listing->out, "};\n");
	return ++listing->n;
}

static bool names_provider(const struct provider *provider, const char *word, size_t len)
{
	char text[64];

	if (len >= sizeof(text))
		return false;
	memcpy(text, word, len);
	text[len] = '\0';
	return (provider->alias && strcmp(provider->alias, text) == 0) ||
	       strcasecmp(provider->name, text) == 0 ||
	       (glob_is(text) && glob_match(text, provider->name));
}

/* What follows the provider's name; a pattern without a provider fits a part of any name. */
static long list_probes(struct listing *listing, const char *pattern)
{
	const char *colon = strchr(pattern, ':');
	const struct provider *const *family, *row;
	bool known = false;

	for (family = jb_registry.providers; *family; family++)
		row_each (row, *family) {
			if (colon && !names_provider(row, pattern, (size_t)(colon - pattern)))
				continue;
			if (!colon && (row->flags & PROVIDER_SPECIAL) &&
			    !names_provider(row, pattern, strlen(pattern)))
				continue;
			known = true;
			if (row->list)
				row->list(listing->lookup, colon ? colon + 1 : pattern, print_probe,
					  listing);
		}
	return known ? listing->n : -ENOENT;
}

static void nothing_found(const struct listing *listing, const char *pattern, FILE *messages)
{
	const char *why = strchr(pattern, ':') ? lookup_error(listing->lookup) : "";

	fprintf(messages, "jbtrace: warning: nothing matches '%s'%s%s\n", pattern, *why ? ": " : "",
		why);
}

/* Every pattern has a lookup of its own, so that what it leaves as its error is about this pattern. */
static long list_one(struct listing *listing, const char *pattern, FILE *messages)
{
	long before = listing->n, n;

	listing->lookup = lookup_new(types_new(listing->arena));
	lookup_set_pid(listing->lookup, listing->pid);
	lookup_set_verbose(listing->lookup, listing->verbose);
	if (strncmp(pattern, "struct ", 7) == 0 || strncmp(pattern, "union ", 6) == 0 ||
	    strncmp(pattern, "enum ", 5) == 0)
		n = list_type(listing, pattern);
	else
		n = list_probes(listing, pattern);
	if (n == -ENOENT)
		fprintf(messages, "jbtrace: error: there is no probe type '%.*s'\n",
			(int)strcspn(pattern, ":"), pattern);
	else if (n == before || !n)
		nothing_found(listing, pattern, messages);
	lookup_free(listing->lookup);
	return n;
}

/* Patterns may be separated by commas. */
long jb_list(const char *pattern, int pid, bool verbose, FILE *out, FILE *messages)
{
	struct arena *arena = arena_new();
	struct listing listing = { .out = out, .arena = arena, .pid = pid, .verbose = verbose };
	char *patterns = arena_strdup(arena, pattern && *pattern ? pattern : "*"), *at;
	long err = 0;

	for (at = strtok(patterns, ","); at && err >= 0; at = strtok(NULL, ","))
		err = list_one(&listing, at, messages);
	arena_free(arena);
	return err < 0 ? err : listing.n;
}
