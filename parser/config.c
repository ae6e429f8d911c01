/*
 * The config block and its twins in the environment (BPFTRACE_<KEY>, which win): settings into the plan. Keys that
 * exist elsewhere but mean nothing here are named in a warning, so that a script which uses them still runs.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/strmap.h"
#include "parser/front.h"

/* A value as it was given: always as text, and as a number when it is one. */
struct setting {
	struct span span;
	const char *where; /* "config" or the environment variable's name */
	const char *key;
	const char *text;
	uint64_t number;
	bool is_number;
};

struct config_key {
	const char *name;
	bool (*set)(struct resolve *resolve, const struct setting *setting);
};

static bool bad_value(struct resolve *resolve, const struct setting *s, const char *expected)
{
	diag_error(resolve->diags, s->span, "%s: '%s' is not a value of %s", s->where, s->text,
		   s->key);
	diag_hint(resolve->diags, "expected %s", expected);
	return false;
}

static bool number_between(struct resolve *resolve, const struct setting *s, uint64_t low,
			   uint64_t high, uint64_t *number)
{
	*number = s->number;
	if (s->is_number && s->number >= low && s->number <= high)
		return true;
	return bad_value(resolve, s,
			 arena_printf(resolve->arena, "a number from %llu to %llu",
				      (unsigned long long)low, (unsigned long long)high));
}

static bool set_missing_probes(struct resolve *resolve, const struct setting *s)
{
	static const char *const values[] = { "error", "warn", "ignore" };

	for (int i = 0; i < 3; i++)
		if (!strcasecmp(s->text, values[i])) {
			resolve->plan->missing_probes = i;
			return true;
		}
	return bad_value(resolve, s, "error, warn or ignore");
}

static bool set_u32(struct resolve *resolve, const struct setting *s, uint32_t low, uint32_t high,
		    uint32_t *field)
{
	uint64_t number;

	if (!number_between(resolve, s, low, high, &number))
		return false;
	*field = (uint32_t)number;
	return true;
}

static bool set_max_strlen(struct resolve *resolve, const struct setting *s)
{
	return set_u32(resolve, s, 2, 65536, &resolve->plan->max_strlen);
}

static bool set_max_cat_bytes(struct resolve *resolve, const struct setting *s)
{
	return set_u32(resolve, s, 1, 1u << 30, &resolve->plan->max_cat_bytes);
}

static bool set_max_map_keys(struct resolve *resolve, const struct setting *s)
{
	return set_u32(resolve, s, 1, 1u << 28, &resolve->plan->max_map_keys);
}

static bool set_on_stack_limit(struct resolve *resolve, const struct setting *s)
{
	return set_u32(resolve, s, 0, 512, &resolve->plan->on_stack_limit);
}

static bool set_perf_rb_pages(struct resolve *resolve, const struct setting *s)
{
	uint64_t pages, bytes = 4096;

	if (!number_between(resolve, s, 1, 1u << 18, &pages))
		return false;
	while (bytes < pages * 4096)
		bytes *= 2;
	resolve->plan->ring_bytes = bytes;
	return true;
}

static bool set_bool(struct resolve *resolve, const struct setting *s, bool *field)
{
	if (!strcasecmp(s->text, "true") || (s->is_number && s->number == 1))
		*field = true;
	else if (!strcasecmp(s->text, "false") || (s->is_number && s->number == 0))
		*field = false;
	else
		return bad_value(resolve, s, "true or false");
	return true;
}

static bool set_print_maps(struct resolve *resolve, const struct setting *s)
{
	return set_bool(resolve, s, &resolve->plan->print_maps_on_exit);
}

/* Only what the kernel takes as compatible with the GPL: the helpers a tracer needs are for those alone. */
static bool set_license(struct resolve *resolve, const struct setting *s)
{
	static const char *const licenses[] = {
		"GPL",		"GPL v2",	"GPL and additional rights",
		"Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL"
	};

	for (size_t i = 0; i < sizeof(licenses) / sizeof(licenses[0]); i++)
		if (!strcmp(s->text, licenses[i])) {
			resolve->plan->license = licenses[i];
			return true;
		}
	return bad_value(resolve, s,
			 "\"GPL\", \"GPL v2\", \"GPL and additional rights\", \"Dual BSD/GPL\", "
			 "\"Dual MIT/GPL\" or \"Dual MPL/GPL\"");
}

static bool set_trunc_trailer(struct resolve *resolve, const struct setting *s)
{
	resolve->plan->trunc_trailer = arena_strdup(resolve->arena, s->text);
	return true;
}

static bool set_show_debug_info(struct resolve *resolve, const struct setting *s)
{
	return set_bool(resolve, s, &resolve->plan->show_debug_info);
}

/* In steps of what the kernel side copies at once. */
static bool set_dwarf_stack_size(struct resolve *resolve, const struct setting *s)
{
	uint32_t *size = &resolve->plan->dwarf_stack_size;

	if (!set_u32(resolve, s, PLAN_STACK_STEP, PLAN_STACK_MAX, size))
		return false;
	*size = (*size + PLAN_STACK_STEP - 1) / PLAN_STACK_STEP * PLAN_STACK_STEP;
	return true;
}

static bool set_stack_mode(struct resolve *resolve, const struct setting *s)
{
	static const char *const modes[] = { "bpftrace", "perf", "raw", "folded", "build_id" };

	for (int i = 0; i < 5; i++)
		if (!strcasecmp(s->text, modes[i])) {
			resolve->plan->stack_mode = modes[i];
			return true;
		}
	return bad_value(resolve, s, "bpftrace, perf, raw, folded or build_id");
}

static const struct config_key keys[] = {
	{ "missing_probes", set_missing_probes },
	{ "max_strlen", set_max_strlen },
	{ "max_map_keys", set_max_map_keys },
	{ "print_maps_on_exit", set_print_maps },
	{ "license", set_license },
	{ "max_cat_bytes", set_max_cat_bytes },
	{ "str_trunc_trailer", set_trunc_trailer },
	{ "on_stack_limit", set_on_stack_limit },
	{ "stack_mode", set_stack_mode },
	{ "show_debug_info", set_show_debug_info },
	{ "dwarf_stack_size", set_dwarf_stack_size },
	{ "perf_rb_pages", set_perf_rb_pages },
};
#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

static const struct {
	const char *old, *new;
} renamed[] = {
	{ "strlen", "max_strlen" },
	{ "cat_bytes_max", "max_cat_bytes" },
	{ "map_keys_max", "max_map_keys" },
};

static const char *const ignored[] = {
	"cache_user_symbols", "log_size",	   "max_probes",
	"max_bpf_progs",      "cpp_demangle",	   "no_cpp_demangle",
	"lazy_symbolication", "use_blazesym",	   "unstable_tseries",
	"unstable_dw_ustack", "unstable_typeinfo", "unstable_macro",
	"unstable_map_decl",  "unstable_import",   "unstable_import_statement",
	"unstable_addr",      "symbol_source",	   "max_type_res_iterations",
	"late_attach",
};

static const struct config_key *find_key(const char *name)
{
	for (size_t i = 0; i < N_KEYS; i++)
		if (!strcasecmp(keys[i].name, name))
			return &keys[i];
	return NULL;
}

static bool is_ignored(const char *name)
{
	for (size_t i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		if (!strcasecmp(ignored[i], name))
			return true;
	return false;
}

static void unknown_key(struct resolve *resolve, struct span span, const char *name)
{
	struct nearest nearest;

	diag_error(resolve->diags, span, "unknown config variable '%s'", name);
	nearest_init(&nearest, name);
	for (size_t i = 0; i < N_KEYS; i++)
		nearest_try(&nearest, keys[i].name);
	diag_hint_nearest(resolve->diags, nearest.best);
}

static const struct config_key *known_key(struct resolve *resolve, struct span span,
					  const char *name)
{
	const struct config_key *key;

	if (!strncasecmp(name, "BPFTRACE_", 9))
		name += 9;
	for (size_t i = 0; i < sizeof(renamed) / sizeof(renamed[0]); i++)
		if (!strcasecmp(renamed[i].old, name)) {
			diag_warn(resolve->diags, span, "'%s' is an old name of '%s'", name,
				  renamed[i].new);
			name = renamed[i].new;
		}
	key = find_key(name);
	if (!key && is_ignored(name))
		diag_warn(resolve->diags, span,
			  "not supported yet: config variable '%s'; it has no effect", name);
	else if (!key)
		unknown_key(resolve, span, name);
	return key;
}

static void apply_entry(struct resolve *resolve, const struct node *entry)
{
	struct span span = entry->name_span.end ? entry->name_span : entry->span;
	const struct config_key *key = known_key(resolve, span, entry->name);
	const struct node *value = entry->a;
	struct setting s = { .where = "config" };

	if (!key || !value)
		return;
	s.key = key->name;
	s.span = value->span;
	if (value->kind == NODE_INT) {
		s.is_number = true;
		s.number = value->value;
		s.text = arena_printf(resolve->arena, "%lld", (long long)value->value);
	} else if (value->kind == NODE_BOOL) {
		s.text = value->value ? "true" : "false";
	} else {
		s.text = value->kind == NODE_STR ? value->text : value->name;
	}
	if (s.text)
		key->set(resolve, &s);
}

static void apply_environment(struct resolve *resolve)
{
	for (size_t i = 0; i < N_KEYS; i++) {
		char *name = arena_printf(resolve->arena, "BPFTRACE_%s", keys[i].name), *end;
		struct setting s = { .where = name, .key = keys[i].name };

		for (char *c = name; *c; c++)
			*c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
		s.text = getenv(name);
		if (!s.text)
			continue;
		errno = 0;
		s.number = strtoull(s.text, &end, 0);
		s.is_number = *s.text && *s.text != '-' && !*end && !errno;
		keys[i].set(resolve, &s);
	}
}

void config_apply(struct resolve *resolve, const struct node *config)
{
	const struct node *entry;

	if (config)
		node_each (entry, config->args)
			apply_entry(resolve, entry);
	apply_environment(resolve);
}
