/*
 * The kernel's BTF as types of the language. The file is read on the first question; a struct is
 * converted when it is first completed, so a script that looks at one member of task_struct pays
 * for the structs on its way and no others. Raw tracepoints (typedefs btf_trace_*) are here too.
 */
#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lookup/internal.h"

struct btf_facts {
	struct btf *btf;   /* NULL: cannot be read */
	const char *error; /* then this says why */
	uint32_t n;
	const struct type **by_id;  /* what has been converted; heap */
	struct strmap *enumerators; /* name -> struct enumerator_place; NULL until asked for */
	struct strmap *tracepoints; /* event -> struct trace_place; NULL until asked for */
	unsigned depth;		    /* of convert(): a damaged file may hold cycles */
};

struct enumerator_place {
	uint32_t id, index;
};

struct trace_place {
	uint32_t proto; /* FUNC_PROTO of the probe: void (void *data, arguments) */
	uint32_t named; /* FUNC_PROTO with the same parameters and their names, 0: none */
	const struct type *args;
};

enum { MAX_DEPTH = 64 };

static const struct type *convert(struct lookup *lookup, uint32_t id);
static void complete(struct lookup *lookup, struct type *type);

void btf_facts_free(struct btf_facts *btf)
{
	if (!btf)
		return;
	btf__free(btf->btf);
	free(btf->by_id);
}

static const char *btf_path(void)
{
	const char *path = getenv("JB_BTF");

	if (!path || !*path)
		path = getenv("BPFTRACE_BTF");
	return path && *path ? path : "/sys/kernel/btf/vmlinux";
}

/*
 * From Linux 6.16 on the file in sysfs can be mapped, which saves libbpf one copy of five
 * megabytes; before (ENODEV), and for ELF files, libbpf reads it.
 */
static struct btf *btf_load(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct btf *btf = NULL;
	struct stat st;
	uint16_t *data;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size >= (off_t)sizeof(struct btf_header)) {
		data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (data != MAP_FAILED) {
			if (data[0] == BTF_MAGIC)
				btf = btf__new(data, (uint32_t)st.st_size);
			munmap(data, (size_t)st.st_size);
		}
	}
	close(fd);
	return btf ? btf : btf__parse(path, NULL);
}

static struct btf_facts *facts(struct lookup *lookup)
{
	struct btf_facts *btf = lookup->btf;
	const char *path = btf_path();

	if (!btf) {
		btf = lookup->btf = arena_new_of(lookup->arena, struct btf_facts);
		btf->btf = btf_load(path);
		if (btf->btf) {
			btf->n = btf__type_cnt(btf->btf);
			btf->by_id = calloc(btf->n, sizeof(*btf->by_id));
		} else {
			btf->error = arena_printf(lookup->arena,
						  "kernel types cannot be read from %s: %s", path,
						  strerror(errno));
		}
	}
	if (!btf->btf)
		lookup->error = btf->error;
	return btf;
}

bool lookup_has_btf(struct lookup *lookup)
{
	return facts(lookup)->btf;
}

static const char *name_of(const struct btf_facts *facts, uint32_t offset)
{
	const char *name = btf__name_by_offset(facts->btf, offset);

	return name && *name ? name : NULL;
}

/* --- BTF to types --- */

/* What has no integer of its size (__int128, long double) is shown as an array of smaller ones. */
static const struct type *convert_number(struct lookup *lookup, uint32_t size, bool is_signed)
{
	if (size == 1 || size == 2 || size == 4 || size == 8)
		return type_int(size, is_signed);
	if (size % 8 == 0)
		return type_array(lookup->types, type_u64(), size / 8);
	return type_array(lookup->types, type_int(1, false), size);
}

static const struct type *convert_int(struct lookup *lookup, const struct btf_type *t)
{
	uint8_t encoding = btf_int_encoding(t);
	const char *name = name_of(lookup->btf, t->name_off);

	if (encoding & BTF_INT_BOOL && t->size == 1)
		return type_bool();
	/*
	 * The sign of a plain char depends on how the kernel was built; here it is what text is
	 * made of.
	 */
	if (name && !strcmp(name, "char"))
		return type_int(1, true);
	return convert_number(lookup, t->size, encoding & BTF_INT_SIGNED);
}

static const struct type *convert_ptr(struct lookup *lookup, const struct btf_type *t)
{
	const struct btf_facts *btf = lookup->btf;
	enum space space = SPACE_KERNEL;
	const struct btf_type *to = btf__type_by_id(btf->btf, t->type);

	while (to && btf_is_type_tag(to)) {
		const char *tag = name_of(btf, to->name_off);

		if (tag && !strcmp(tag, "user"))
			space = SPACE_USER;
		to = btf__type_by_id(btf->btf, to->type);
	}
	return type_ptr(lookup->types, convert(lookup, t->type), space);
}

static void fill_enum(struct lookup *lookup, struct type *type, const struct btf_type *t)
{
	unsigned n = btf_vlen(t);
	bool is_signed = btf_kflag(t);
	struct enumerator *values = arena_alloc(lookup->arena, (n ? n : 1) * sizeof(*values));

	for (unsigned i = 0; i < n; i++) {
		uint32_t name;

		if (btf_is_enum64(t)) {
			name = btf_enum64(t)[i].name_off;
			values[i].value = (int64_t)btf_enum64_value(&btf_enum64(t)[i]);
		} else {
			int32_t v = btf_enum(t)[i].val;

			name = btf_enum(t)[i].name_off;
			values[i].value = is_signed ? v : (int64_t)(uint32_t)v;
		}
		values[i].name = name_of(lookup->btf, name);
		if (!values[i].name)
			values[i].name = "?";
	}
	type->values = values;
	type->n_values = n;
	type->is_complete = true;
}

static const struct type *convert_enum(struct lookup *lookup, const struct btf_type *t)
{
	struct type *type =
		type_enum(lookup->types, name_of(lookup->btf, t->name_off), t->size, btf_kflag(t));

	fill_enum(lookup, type, t);
	return type;
}

/*
 * The struct without its fields. One that is known by name already is taken: a shell that waited
 * for its definition, or what the script itself defines, when it has the same size.
 */
static const struct type *convert_struct(struct lookup *lookup, uint32_t id,
					 const struct btf_type *t)
{
	const char *name = name_of(lookup->btf, t->name_off);
	const char *keyword = btf_is_union(t) ? "union" : "struct";
	struct type *type = NULL;

	if (name)
		type = (struct type *)type_find(
			lookup->types, arena_printf(lookup->arena, "%s %s", keyword, name));
	if (type && type->source != lookup && type->is_complete && type->size == t->size)
		return type;
	if (!type || type->source != lookup || type->source_id)
		type = type_struct(lookup->types, name, btf_is_union(t));
	type->source = lookup;
	type->source_id = id;
	type->size = t->size;
	return type;
}

/* Anonymous structs take the typedef's name, so that messages can name them. */
static const struct type *convert_typedef(struct lookup *lookup, const struct btf_type *t)
{
	const struct type *type = convert(lookup, t->type);

	if ((type->kind == TYPE_STRUCT || type->kind == TYPE_ENUM) && !type->name)
		((struct type *)type)->name = name_of(lookup->btf, t->name_off);
	return type;
}

static const struct type *convert_kind(struct lookup *lookup, uint32_t id, const struct btf_type *t)
{
	const char *name = name_of(lookup->btf, t->name_off);

	switch (btf_kind(t)) {
	case BTF_KIND_INT:
		return convert_int(lookup, t);
	case BTF_KIND_FLOAT:
		return convert_number(lookup, t->size, false);
	case BTF_KIND_PTR:
		return convert_ptr(lookup, t);
	case BTF_KIND_ARRAY:
		return type_array(lookup->types, convert(lookup, btf_array(t)->type),
				  btf_array(t)->nelems);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return convert_struct(lookup, id, t);
	case BTF_KIND_ENUM:
	case BTF_KIND_ENUM64:
		return convert_enum(lookup, t);
	case BTF_KIND_FWD:
		return kernel_shell(lookup,
				    arena_printf(lookup->arena, "%s %s",
						 btf_kflag(t) ? "union" : "struct",
						 name ? name : "?"),
				    0, false);
	case BTF_KIND_TYPEDEF:
		return convert_typedef(lookup, t);
	case BTF_KIND_CONST:
	case BTF_KIND_VOLATILE:
	case BTF_KIND_RESTRICT:
	case BTF_KIND_TYPE_TAG:
		return convert(lookup, t->type);
	default: /* void, functions, and kinds younger than this program */
		return type_none();
	}
}

static const struct type *convert(struct lookup *lookup, uint32_t id)
{
	struct btf_facts *btf = lookup->btf;
	const struct btf_type *t = btf__type_by_id(btf->btf, id);

	if (!t || id == 0 || id >= btf->n || btf->depth >= MAX_DEPTH)
		return type_none();
	if (!btf->by_id[id]) {
		btf->depth++;
		btf->by_id[id] = convert_kind(lookup, id, t);
		btf->depth--;
	}
	return btf->by_id[id];
}

/* --- completing structs --- */

void field_place_bits(struct field *field, uint32_t bits, uint32_t bit_size, uint32_t struct_size)
{
	uint32_t unit = field->type->size;

	if (type_is_int_like(field->type) && unit && unit <= 8) {
		uint32_t offset = bits / 8 / unit * unit;

		if (bits - offset * 8 + bit_size <= unit * 8 && offset + unit <= struct_size) {
			field->offset = offset;
			field->bit_offset = (uint8_t)(bits - offset * 8);
			field->bit_size = (uint8_t)bit_size;
			return;
		}
	}
	for (unit = 1; unit < 8 && bits % 8 + bit_size > unit * 8;)
		unit *= 2;
	field->type = type_int(unit, type_is_signed(field->type));
	field->offset = bits / 8;
	field->bit_offset = (uint8_t)(bits % 8);
	field->bit_size = (uint8_t)bit_size;
}

static void fill_field(struct lookup *lookup, struct field *field, const struct btf_type *t,
		       unsigned i)
{
	uint32_t bits = btf_member_bit_offset(t, i);
	uint32_t bit_size = btf_member_bitfield_size(t, i);
	const struct type *inner;

	field->name = name_of(lookup->btf, btf_members(t)[i].name_off);
	field->type = convert(lookup, btf_members(t)[i].type);
	field->offset = bits / 8;
	if (bit_size && bit_size <= 64)
		field_place_bits(field, bits, bit_size, t->size);
	for (inner = field->type; inner->kind == TYPE_ARRAY;)
		inner = inner->base;
	if (inner->kind == TYPE_STRUCT)
		complete(lookup, (struct type *)inner);
}

/*
 * Members held by value are completed too, so that the whole can be decoded; members behind
 * pointers are not.
 */
static void fill_struct(struct lookup *lookup, struct type *type, const struct btf_type *t)
{
	unsigned n = btf_vlen(t);
	struct field *fields = arena_alloc(lookup->arena, (n ? n : 1) * sizeof(*fields));
	uint32_t align = 1;
	bool is_packed = false;

	type->is_complete = true;
	lookup->btf->depth++;
	for (unsigned i = 0; i < n; i++) {
		const struct type *inner;

		fill_field(lookup, &fields[i], t, i);
		for (inner = fields[i].type; inner->kind == TYPE_ARRAY;)
			inner = inner->base;
		if (inner->align > align)
			align = inner->align;
		is_packed |= inner->align && fields[i].offset % inner->align;
	}
	lookup->btf->depth--;
	type->align = is_packed || t->size % align ? 1 : align;
	type->fields = fields;
	type->n_fields = n;
}

static uint32_t find_kind(struct lookup *lookup, const char *name, uint32_t kind)
{
	int id = btf__find_by_name_kind(lookup->btf->btf, name, kind);

	return id > 0 ? (uint32_t)id : 0;
}

static uint32_t find_spelling(struct lookup *lookup, const char *spelling)
{
	uint32_t id;

	if (!strncmp(spelling, "struct ", 7))
		return find_kind(lookup, spelling + 7, BTF_KIND_STRUCT);
	if (!strncmp(spelling, "union ", 6))
		return find_kind(lookup, spelling + 6, BTF_KIND_UNION);
	if (!strncmp(spelling, "enum ", 5)) {
		id = find_kind(lookup, spelling + 5, BTF_KIND_ENUM);
		return id ? id : find_kind(lookup, spelling + 5, BTF_KIND_ENUM64);
	}
	id = find_kind(lookup, spelling, BTF_KIND_TYPEDEF);
	return id ? id : find_kind(lookup, spelling, BTF_KIND_INT);
}

/* The id of a shell made by kernel_shell, 0: this kernel has no such type. */
static uint32_t shell_id(struct lookup *lookup, const struct type *type)
{
	const char *keyword = type->kind == TYPE_ENUM ? "enum"
			      : type->is_union	      ? "union"
						      : "struct";
	const char *spelling = arena_printf(lookup->arena, "%s %s", keyword, type->name);
	uint32_t id = find_spelling(lookup, spelling);

	if (!id)
		lookup_fail(lookup, ENOENT, "this kernel has no type '%s'", spelling);
	return id;
}

static void complete(struct lookup *lookup, struct type *type)
{
	const struct btf_type *t;

	if (type->source != lookup || type->is_complete || !facts(lookup)->btf ||
	    lookup->btf->depth >= MAX_DEPTH)
		return;
	if (!type->source_id)
		type->source_id = shell_id(lookup, type);
	t = btf__type_by_id(lookup->btf->btf, type->source_id);
	if (!type->source_id || !t)
		return;
	if (type->kind == TYPE_ENUM) {
		fill_enum(lookup, type, t);
		return;
	}
	if (!lookup->btf->by_id[type->source_id])
		lookup->btf->by_id[type->source_id] = type;
	if (!type->size)
		type->size = t->size;
	fill_struct(lookup, type, t);
}

void lookup_complete(struct lookup *lookup, const struct type *type)
{
	while (type && (type->kind == TYPE_PTR || type->kind == TYPE_ARRAY))
		type = type->base;
	if (!type || (type->kind != TYPE_STRUCT && type->kind != TYPE_ENUM))
		return;
	if (type->source && type->source != lookup)
		dwarf_complete((struct type *)type);
	else
		complete(lookup, (struct type *)type);
}

const struct type *kernel_shell(struct lookup *lookup, const char *spelling, uint32_t size,
				bool is_signed)
{
	const struct type *known = type_find(lookup->types, spelling);
	struct type *type;

	if (known)
		return known;
	if (!strncmp(spelling, "enum ", 5)) {
		type = type_enum(lookup->types, NULL, size, is_signed);
		type->name = arena_strdup(lookup->arena, spelling + 5);
	} else {
		bool is_union = !strncmp(spelling, "union ", 6);

		type = type_struct(lookup->types, spelling + (is_union ? 6 : 7), is_union);
	}
	type->source = lookup;
	return type;
}

const struct type *lookup_kernel_type(struct lookup *lookup, const char *spelling)
{
	const struct type *type;
	uint32_t id;

	if (!facts(lookup)->btf)
		return NULL;
	id = find_spelling(lookup, spelling);
	if (!id) {
		lookup_fail(lookup, ENOENT, "this kernel has no type '%s'", spelling);
		return NULL;
	}
	type = convert(lookup, id);
	lookup_complete(lookup, type);
	if (!type_find(lookup->types, spelling))
		type_define(lookup->types, spelling, type);
	return type;
}

void lookup_each_type(struct lookup *lookup, void (*each)(void *, const char *spelling), void *arg)
{
	static const char *const keywords[] = {
		[BTF_KIND_STRUCT] = "struct ",
		[BTF_KIND_UNION] = "union ",
		[BTF_KIND_ENUM] = "enum ",
		[BTF_KIND_ENUM64] = "enum ",
	};
	struct btf_facts *btf = facts(lookup);
	struct buf spelling = { 0 };

	for (uint32_t id = 1; btf->btf && id < btf->n; id++) {
		const struct btf_type *t = btf__type_by_id(btf->btf, id);
		const char *name = name_of(btf, t->name_off);
		unsigned kind = btf_kind(t);

		if (!name || kind >= sizeof(keywords) / sizeof(*keywords) || !keywords[kind])
			continue;
		buf_reset(&spelling);
		buf_puts(&spelling, keywords[kind]);
		buf_puts(&spelling, name);
		each(arg, spelling.data);
	}
	buf_fini(&spelling);
}

struct btf *kernel_btf(struct lookup *lookup)
{
	return facts(lookup)->btf;
}

const struct type *kernel_type_by_id(struct lookup *lookup, uint32_t id)
{
	return convert(lookup, id);
}

uint32_t kernel_function_id(struct lookup *lookup, const char *name)
{
	return facts(lookup)->btf ? find_kind(lookup, name, BTF_KIND_FUNC) : 0;
}

/* --- enumerators --- */

static void index_enum(struct lookup *lookup, uint32_t id, const struct btf_type *t)
{
	struct btf_facts *btf = lookup->btf;
	unsigned n = btf_vlen(t);
	struct enumerator_place *places = arena_alloc(lookup->arena, (n ? n : 1) * sizeof(*places));

	for (unsigned i = 0; i < n; i++) {
		uint32_t offset =
			btf_is_enum64(t) ? btf_enum64(t)[i].name_off : btf_enum(t)[i].name_off;
		const char *name = name_of(btf, offset);

		if (!name)
			continue;
		places[i] = (struct enumerator_place){ id, i };
		if (!strmap_get(btf->enumerators, name))
			strmap_put(btf->enumerators, name, &places[i]);
	}
}

bool lookup_enumerator(struct lookup *lookup, const char *name, int64_t *value,
		       const struct type **type)
{
	struct btf_facts *btf = facts(lookup);
	const struct enumerator_place *place;
	const struct type *of;

	if (!btf->btf)
		return false;
	if (!btf->enumerators) {
		btf->enumerators = strmap_new(lookup->arena);
		for (uint32_t id = 1; id < btf->n; id++) {
			const struct btf_type *t = btf__type_by_id(btf->btf, id);

			if (btf_is_any_enum(t))
				index_enum(lookup, id, t);
		}
	}
	place = strmap_get(btf->enumerators, name);
	if (!place) {
		lookup_fail(lookup, ENOENT, "this kernel has no enumerator '%s'", name);
		return false;
	}
	of = convert(lookup, place->id);
	if (value)
		*value = of->values[place->index].value;
	if (type)
		*type = of;
	return true;
}

/* --- raw tracepoints --- */

/*
 * btf_trace_X is a pointer to X's prototype, without names; __traceiter_X is a function with them.
 */
static void index_trace(struct lookup *lookup, const struct btf_type *t, const char *name)
{
	struct btf_facts *btf = lookup->btf;
	const struct btf_type *to = btf__type_by_id(btf->btf, t->type);
	const char *event =
		btf_is_typedef(t) ? name + strlen("btf_trace_") : name + strlen("__traceiter_");
	struct trace_place *place = strmap_get(btf->tracepoints, event);

	if (!place) {
		place = arena_new_of(lookup->arena, struct trace_place);
		strmap_put(btf->tracepoints, event, place);
	}
	if (btf_is_func(t))
		place->named = t->type;
	else if (to && btf_is_ptr(to))
		place->proto = to->type;
}

static void index_traces(struct lookup *lookup)
{
	struct btf_facts *btf = lookup->btf;

	btf->tracepoints = strmap_new(lookup->arena);
	for (uint32_t id = 1; id < btf->n; id++) {
		const struct btf_type *t = btf__type_by_id(btf->btf, id);
		const char *name;

		if (!btf_is_typedef(t) && !btf_is_func(t))
			continue;
		name = name_of(btf, t->name_off);
		if (name &&
		    !strncmp(name, btf_is_func(t) ? "__traceiter_" : "btf_trace_",
			     btf_is_func(t) ? strlen("__traceiter_") : strlen("btf_trace_")))
			index_trace(lookup, t, name);
	}
}

static const struct btf_type *proto_by_id(const struct btf_facts *btf, uint32_t id)
{
	const struct btf_type *t = id ? btf__type_by_id(btf->btf, id) : NULL;

	return t && btf_is_func_proto(t) && btf_vlen(t) > 0 ? t : NULL;
}

static const struct type *trace_args(struct lookup *lookup, const struct trace_place *place,
				     const char *event)
{
	const struct btf_facts *btf = lookup->btf;
	const struct btf_type *proto = proto_by_id(btf, place->proto);
	const struct btf_type *named = proto_by_id(btf, place->named);
	unsigned n = proto ? btf_vlen(proto) - 1 : 0;
	struct type *args = type_struct(
		lookup->types, arena_printf(lookup->arena, "_rawtracepoint_%s", event), false);
	struct field *fields = arena_alloc(lookup->arena, (n + 1) * sizeof(*fields));

	for (unsigned i = 0; i < n; i++) {
		const char *name = NULL;

		if (named && btf_vlen(named) == n + 1)
			name = name_of(btf, btf_params(named)[i + 1].name_off);
		fields[i].name = name ? name : arena_printf(lookup->arena, "arg%u", i);
		fields[i].type = convert(lookup, btf_params(proto)[i + 1].type);
		fields[i].offset = 8 * i;
	}
	args->fields = fields;
	args->n_fields = n;
	args->size = 8 * n;
	args->align = 8;
	args->is_complete = true;
	return args;
}

const struct type *lookup_raw_tracepoint(struct lookup *lookup, const char *event)
{
	struct btf_facts *btf = facts(lookup);
	struct trace_place *place;

	if (!btf->btf)
		return NULL;
	if (!btf->tracepoints)
		index_traces(lookup);
	place = strmap_get(btf->tracepoints, event);
	if (!place || !place->proto) {
		lookup_fail(lookup, ENOENT, "this kernel has no raw tracepoint '%s'", event);
		return NULL;
	}
	if (!place->args)
		place->args = trace_args(lookup, place, event);
	return place->args;
}

void lookup_each_raw_tracepoint(struct lookup *lookup, void (*each)(void *, const char *name),
				void *arg)
{
	struct btf_facts *btf = facts(lookup);

	if (!btf->btf)
		return;
	if (!btf->tracepoints)
		index_traces(lookup);
	for (size_t i = 0; i < strmap_len(btf->tracepoints); i++) {
		void *place;
		const char *name = strmap_at(btf->tracepoints, i, &place);

		if (((struct trace_place *)place)->proto)
			each(arg, name);
	}
}
