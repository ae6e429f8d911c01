/*
 * Functions in BTF: their arguments and results as types of the language, and the numbers by which the kernel knows them.
 * Modules have BTF of their own that goes on where the kernel's ends.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <unistd.h>

#include "lookup/internal.h"

enum {
	INDEX_AFTER = 3, /* questions: a walk over all types costs a tenth of what an index does */
	WORDS_MAX = 12,	 /* the kernel's own limit for what fentry hands over */
};

/* The functions of the kernel itself or of one module. */
struct func_table {
	struct btf *btf;       /* NULL: it has none */
	uint32_t first;	       /* id of the first type of its own */
	unsigned asked;	       /* questions so far */
	struct strmap *ids;    /* name -> id as a pointer; NULL until it pays */
	struct strmap *protos; /* name -> struct kernel_proto */
};

struct func_facts {
	struct func_table *kernel;
	struct strmap *modules; /* name -> struct func_table */
	struct strmap *shapes;	/* what arguments there are -> struct type */
};

static void table_free(struct func_table *table)
{
	if (table->first > 1) /* the kernel's own is btf.c's */
		btf__free(table->btf);
}

void func_facts_free(struct func_facts *funcs)
{
	if (!funcs)
		return;
	for (size_t i = 0; i < strmap_len(funcs->modules); i++) {
		void *table;

		strmap_at(funcs->modules, i, &table);
		table_free(table);
	}
}

static struct func_table *table_new(struct lookup *lookup, struct btf *btf, uint32_t first)
{
	struct func_table *table = arena_new_of(lookup->arena, struct func_table);

	table->btf = btf;
	table->first = first;
	table->protos = strmap_new(lookup->arena);
	return table;
}

static struct func_facts *funcs(struct lookup *lookup)
{
	struct func_facts *facts = lookup->funcs;

	if (facts)
		return facts;
	facts = lookup->funcs = arena_new_of(lookup->arena, struct func_facts);
	facts->kernel = table_new(lookup, kernel_btf(lookup), 1);
	facts->modules = strmap_new(lookup->arena);
	facts->shapes = strmap_new(lookup->arena);
	return facts;
}

static struct func_table *table_of(struct lookup *lookup, const char *module)
{
	struct func_facts *facts = funcs(lookup);
	struct func_table *table;
	struct btf *btf = NULL;

	if (!module)
		return facts->kernel;
	table = strmap_get(facts->modules, module);
	if (table)
		return table;
	if (facts->kernel->btf && !strchr(module, '/'))
		btf = btf__parse_split(arena_printf(lookup->arena, "/sys/kernel/btf/%s", module),
				       facts->kernel->btf);
	table = table_new(lookup, btf, facts->kernel->btf ? btf__type_cnt(facts->kernel->btf) : 1);
	strmap_put(facts->modules, module, table);
	return table;
}

/* --- finding --- */

static const char *func_name(const struct func_table *table, uint32_t id)
{
	const struct btf_type *t = btf__type_by_id(table->btf, id);

	return t && btf_is_func(t) ? btf__name_by_offset(table->btf, t->name_off) : NULL;
}

static void index_table(struct lookup *lookup, struct func_table *table)
{
	uint32_t n = btf__type_cnt(table->btf) - table->first;
	uint32_t *ids = arena_alloc(lookup->arena, (n + 1) * sizeof(*ids));

	table->ids = strmap_new(lookup->arena);
	for (uint32_t id = table->first; id < btf__type_cnt(table->btf); id++) {
		const char *name = func_name(table, id);

		if (!name || strmap_get(table->ids, name))
			continue;
		*ids = id;
		strmap_put(table->ids, name, ids++);
	}
}

static uint32_t find_id(struct lookup *lookup, struct func_table *table, const char *name)
{
	if (!table->btf)
		return 0;
	if (table->asked++ == INDEX_AFTER)
		index_table(lookup, table);
	if (table->ids) {
		const uint32_t *id = strmap_get(table->ids, name);

		return id ? *id : 0;
	}
	for (uint32_t id = table->first; id < btf__type_cnt(table->btf); id++) {
		const char *found = func_name(table, id);

		if (found && !strcmp(found, name))
			return id;
	}
	return 0;
}

/* --- types --- */

static const struct btf_type *skip_modifiers(const struct btf *btf, uint32_t *id)
{
	const struct btf_type *t = btf__type_by_id(btf, *id);

	while (t && (btf_is_mod(t) || btf_is_typedef(t))) {
		*id = t->type;
		t = btf__type_by_id(btf, *id);
	}
	return t;
}

/*
 * A type of a module's own, as far as numbers and pointers go: structs behind pointers are known by their names, to be
 * completed when they are looked into.
 */
static const struct type *module_type(struct lookup *lookup, const struct func_table *table,
				      uint32_t id)
{
	const struct btf_type *t = skip_modifiers(table->btf, &id), *to;
	const char *name;

	if (!t)
		return type_none();
	if (id < table->first)
		return kernel_type_by_id(lookup, id);
	if (btf_is_int(t) && (t->size == 1 || t->size == 2 || t->size == 4 || t->size == 8))
		return type_int(t->size, btf_int_encoding(t) & BTF_INT_SIGNED);
	if (btf_is_any_enum(t))
		return type_int(t->size, btf_kflag(t));
	if (!btf_is_ptr(t))
		return NULL;
	id = t->type;
	to = skip_modifiers(table->btf, &id);
	name = to ? btf__name_by_offset(table->btf, to->name_off) : NULL;
	if (to && id < table->first)
		return type_ptr(lookup->types, kernel_type_by_id(lookup, id), SPACE_KERNEL);
	if (to && name && *name && btf_is_composite(to))
		return type_ptr(
			lookup->types,
			kernel_shell(lookup,
				     arena_printf(lookup->arena, "%s %s",
						  btf_is_union(to) ? "union" : "struct", name),
				     0, false),
			SPACE_KERNEL);
	return type_ptr(lookup->types, type_none(), SPACE_KERNEL);
}

static const struct type *type_in(struct lookup *lookup, const struct func_table *table,
				  uint32_t id)
{
	return table->first > 1 ? module_type(lookup, table, id) : kernel_type_by_id(lookup, id);
}

/* --- prototypes --- */

/* Functions with the same arguments get the same type, so that they can share a program. */
static const struct type *share_shape(struct lookup *lookup, const struct field *fields, unsigned n,
				      unsigned n_words)
{
	struct func_facts *facts = funcs(lookup);
	struct buf key = { 0 };
	struct type *type;

	for (unsigned i = 0; i < n; i++)
		buf_printf(&key, "%s %p %u;", fields[i].name, (const void *)fields[i].type,
			   fields[i].offset);
	buf_putc(&key, '\0');
	type = strmap_get(facts->shapes, key.data);
	if (!type) {
		type = type_registers(
			lookup->types,
			arena_printf(lookup->arena, "_arguments_%zu", strmap_len(facts->shapes)),
			fields, n, n_words);
		strmap_put(facts->shapes, key.data, type);
	}
	buf_fini(&key);
	return type;
}

static const char *param_name(struct lookup *lookup, const struct func_table *table,
			      const struct btf_param *param, unsigned i)
{
	const char *name = btf__name_by_offset(table->btf, param->name_off);

	return name && *name ? name : arena_printf(lookup->arena, "arg%u", i);
}

static void fill_args(struct lookup *lookup, const struct func_table *table,
		      const struct btf_type *t, struct kernel_proto *proto)
{
	unsigned n = btf_vlen(t);
	const struct btf_param *params = btf_params(t);
	struct field *fields = arena_alloc(lookup->arena, (n + 1) * sizeof(*fields));

	for (unsigned i = 0; i < n; i++) {
		const struct type *type =
			params[i].type ? type_in(lookup, table, params[i].type) : NULL;

		if (!type || !type->size || type->size > 16 || proto->n_words >= WORDS_MAX)
			return; /* `...`, or what registers do not hold */
		lookup_complete(lookup, type->kind == TYPE_STRUCT ? type : NULL);
		fields[i].name = param_name(lookup, table, &params[i], i);
		fields[i].type = type;
		fields[i].offset = 8 * proto->n_words;
		proto->n_words += type->size > 8 ? 2 : 1;
	}
	proto->args = share_shape(lookup, fields, n, proto->n_words);
}

static struct kernel_proto *read_proto(struct lookup *lookup, const struct func_table *table,
				       uint32_t id)
{
	const struct btf_type *func = btf__type_by_id(table->btf, id);
	const struct btf_type *t = btf__type_by_id(table->btf, func->type);
	struct kernel_proto *proto;
	uint32_t result;

	if (!t || !btf_is_func_proto(t))
		return NULL;
	proto = arena_new_of(lookup->arena, struct kernel_proto);
	proto->btf_id = id;
	fill_args(lookup, table, t, proto);
	result = t->type;
	if (skip_modifiers(table->btf, &result) && result)
		proto->result = type_in(lookup, table, t->type);
	return proto;
}

const struct kernel_proto *lookup_kernel_proto(struct lookup *lookup, const char *module,
					       const char *name)
{
	struct func_table *table = table_of(lookup, module);
	struct kernel_proto *proto = strmap_get(table->protos, name);
	uint32_t id;

	if (proto)
		return proto;
	id = find_id(lookup, table, name);
	proto = id ? read_proto(lookup, table, id) : NULL;
	if (proto)
		strmap_put(table->protos, name, proto);
	else
		lookup_fail(lookup, ENOENT, "the kernel's BTF has no function '%s'", name);
	return proto;
}

/* --- the kernel's own copy --- */

int lookup_module_btf(const char *module)
{
	uint32_t id = 0;

	while (!bpf_btf_get_next_id(id, &id)) {
		char name[64] = "";
		struct bpf_btf_info info = { .name = (uintptr_t)name, .name_len = sizeof(name) };
		uint32_t len = sizeof(info);
		int fd = bpf_btf_get_fd_by_id(id);

		if (fd < 0)
			continue;
		if (!bpf_obj_get_info_by_fd(fd, &info, &len) && info.kernel_btf &&
		    !strcmp(name, module))
			return fd;
		close(fd);
	}
	return -ENOENT;
}
