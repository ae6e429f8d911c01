#ifndef JB_MODEL_TYPE_H
#define JB_MODEL_TYPE_H
/*
 * Types of the language. They are interned in `struct types`: equal types are the same pointer (structs are
 * equal by identity). A type says how bytes lie; how they become a value is model/value.h.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"

enum type_kind {
	TYPE_ERROR, /* something was wrong; agrees with everything, so one mistake gives one message */
	TYPE_NONE, /* no value */
	TYPE_BOOL, /* 1 byte, 0 or 1 */
	TYPE_INT,  /* 1, 2, 4, 8 bytes */
	TYPE_ENUM, /* as an int, with names */
	TYPE_PTR,  /* 8 bytes */
	TYPE_STR,  /* `size` bytes with a terminating NUL, zero to the end */
	TYPE_BUF, /* struct jb_buf: u32 length, then `count` bytes of room; size = 4 + count rounded to 8 */
	TYPE_ARRAY,  /* count elements */
	TYPE_STRUCT, /* struct or union, from the script, BTF, or a tracepoint's format */
	TYPE_TUPLE,  /* fields named "0", "1", ... laid out as a C struct */
	TYPE_RECORD, /* fields with names, laid out as a C struct */
	TYPE_NAMED, /* `base` bytes that display in their own way: ksym, kstack, inet, timestamp, ... */
	TYPE_AGG, /* the state of an aggregation: only as a map's value */
};

/* Where memory behind a pointer (or a struct that is not copied yet) lies. */
enum space {
	SPACE_UNKNOWN, /* an integer: the probe's default decides */
	SPACE_BPF,     /* stack, map value, ring buffer: plain loads */
	SPACE_CTX,     /* the program's context: plain loads at constant offsets */
	SPACE_KERNEL,  /* bpf_probe_read_kernel */
	SPACE_USER,    /* bpf_probe_read_user */
};

struct type;
struct named_type;
struct aggregate;

struct field {
	const char *name; /* NULL: anonymous struct or union, its fields are found through it */
	const struct type *type;
	uint32_t offset; /* bytes */
	uint8_t bit_offset,
		bit_size; /* bit field when bit_size > 0; bit_offset from `offset`, LSB first */
	bool data_loc; /* tracepoint __data_loc: u32 at offset, low half is the offset in the record */
	const char *spelled; /* the type as its source writes it, for lists; may be NULL */
};

struct enumerator {
	const char *name;
	int64_t value;
};

/* The parameters of an aggregation, all known at compile time: lhist's bounds, quantiles' points, agg's fields. */
struct agg_field;
struct agg_args {
	const int64_t *n; /* constant arguments, in order: n_count of them */
	unsigned n_count;
	unsigned
		n_values; /* arguments that the update function is given: all that are not constant */
	const struct agg_field *fields; /* agg(): the columns */
	unsigned n_fields;
	bool is_signed; /* signedness of the aggregated value */
	bool is_time;	/* a constant was written as a duration (10us): bounds are shown so, too */
};

struct type {
	enum type_kind kind;
	uint32_t size; /* bytes as stored */
	uint32_t align;
	bool is_signed;	  /* int, enum */
	bool is_union;	  /* struct */
	bool is_complete; /* struct: fields are known (BTF structs are completed on first use) */
	enum space space; /* ptr: what it points into. int: set when it is known to be an address */
	const char *
		name; /* struct, enum, named: its tag; int: how it is spelled in output of -lv, or NULL */
	const struct type *
		base; /* ptr: pointee (TYPE_NONE for void *); array: element; named: underlying bytes */
	uint32_t count;		    /* array: elements; buf: bytes of room; named stack: frames */
	const struct field *fields; /* struct, tuple, record */
	unsigned n_fields;
	const struct enumerator *values; /* enum */
	unsigned n_values;
	const struct named_type *named;	   /* named: how to decode */
	const char *param;		   /* named: its format string, e.g. strftime's */
	const struct aggregate *aggregate; /* agg */
	struct agg_args args;		   /* agg */
	void *source;			   /* who completes it (lookup) */
	uint32_t source_id;		   /* its id there */
};

struct types;

struct types *types_new(struct arena *arena);

const struct type *type_error(void);
const struct type *type_none(void);
const struct type *type_bool(void);
/* size in bytes 1, 2, 4, 8. */
const struct type *type_int(uint32_t size, bool is_signed);
#define type_u64() type_int(8, false)
#define type_i64() type_int(8, true)
#define type_u32() type_int(4, false)

const struct type *type_ptr(struct types *types, const struct type *pointee, enum space space);
const struct type *type_str(struct types *types, uint32_t size);
const struct type *type_buf(struct types *types, uint32_t room);
const struct type *type_array(struct types *types, const struct type *element, uint32_t count);
/* Field offsets are computed (C rules); names may be NULL for a tuple. */
const struct type *type_tuple(struct types *types, const struct type *const *elements, unsigned n);
const struct type *type_record(struct types *types, const char *const *names,
			       const struct type *const *elements, unsigned n);
const struct type *type_named(struct types *types, const struct named_type *named,
			      const struct type *base, uint32_t count, const char *param);
const struct type *type_agg(struct types *types, const struct aggregate *aggregate,
			    uint32_t state_size, const struct agg_args *args);
/* A new struct, empty; the maker fills it in (fields, size, align, is_complete). Found again by type_find. */
struct type *type_struct(struct types *types, const char *name, bool is_union);
/* A new struct of n fields (kept, not copied) in so many words of 8 bytes: arguments that lie in registers. */
struct type *type_registers(struct types *types, const char *name, const struct field *fields,
			    unsigned n, unsigned n_words);
struct type *type_enum(struct types *types, const char *name, uint32_t size, bool is_signed);
/* "struct X", "union X", "enum X", or a typedef's name; NULL when this table does not have it. */
const struct type *type_find(struct types *types, const char *spelling);
void type_define(struct types *types, const char *spelling, const struct type *type);

/* A field by name, also through anonymous members; *offset gets the sum of offsets. NULL when absent. */
const struct field *type_field(const struct type *type, const char *name, uint32_t *offset);

/* Kept in a register as 64 bits (bool, int, enum, ptr, and named types over them)? Else bytes in memory. */
bool type_is_scalar(const struct type *type);
bool type_is_int_like(const struct type *type); /* int, bool, enum */
bool type_is_signed(const struct type *type);
/* The type underneath named ones. */
const struct type *type_plain(const struct type *type);
bool type_equal(const struct type *a, const struct type *b);
/*
 * One type for two uses (map keys, map values, branches): wider int (mixed sign: int64), longer string,
 * tuples member by member. NULL when there is none.
 */
const struct type *type_unify(struct types *types, const struct type *a, const struct type *b);
/* As a user writes it: "uint32", "string[16]", "struct task_struct *", "(uint32,string[16])". In arena. */
const char *type_spell(struct arena *arena, const struct type *type);

#endif
