#ifndef JB_MODEL_VALUE_H
#define JB_MODEL_VALUE_H
/*
 * Values: what bytes from the kernel become, and all that a printer ever sees. Everything a value points to
 * lives in the arena it was decoded into.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/mem.h"
#include "model/type.h"

enum value_kind {
	VALUE_NONE,
	VALUE_BOOL,
	VALUE_INT,    /* i */
	VALUE_UINT,   /* u */
	VALUE_PTR,    /* u */
	VALUE_REAL,   /* real: results of derived columns */
	VALUE_STR,    /* text, len; truncated: it filled its buffer */
	VALUE_BYTES,  /* text, len */
	VALUE_SYMBOL, /* text, and u the number behind it: enum, ksym, probe name, errno name */
	VALUE_STACK, /* items: one VALUE_SYMBOL per frame, innermost first; text: before each, NULL: 8 spaces */
	VALUE_ARRAY,  /* items */
	VALUE_TUPLE,  /* items */
	VALUE_RECORD, /* items with names */
	VALUE_HIST,   /* hist */
	VALUE_MAP,    /* items are values, keys beside them */
};

struct bucket {
	int64_t low, high; /* values v with low <= v < high; INT64_MIN / INT64_MAX are open ends */
	uint64_t count;
};

struct value {
	enum value_kind kind;
	bool truncated;
	bool hidden; /* a record's member that tables and text leave out (its name begins with _) */
	bool row;    /* a record of agg() or rtp(): printed as a row of a table, sorted by key */
	bool enumerated; /* a symbol that is an enumerator: programs want its number */
	bool aggregated; /* decoded from an aggregation's state: maps of these are sorted by value */
	union {
		int64_t i;
		uint64_t u;
		double real;
	};
	const char *text;
	const char *trailer; /* truncated string: printed after it, NULL: ".." */
	uint32_t len;	     /* text bytes, or number of items, or of buckets */
	const struct value *items;
	const char *const *names; /* record: one per item */
	const struct value *keys; /* map */
	/* hist: from the first that is not empty to the last; all of them when bounded. */
	const struct bucket *buckets;
	bool linear;  /* hist: equal steps (lhist) */
	bool bounded; /* hist: bounds of the script's choice, inclusive (bhist) */
	bool time;    /* hist: bounds are durations in ns and shown so */
	int64_t step; /* lhist: width of a bucket */
	int64_t sum;  /* hist: of all numbers in it; wraps around as int64 does */
};

struct plan;
struct sym;

/* What decoding may need beyond the bytes. */
struct decode {
	struct arena *arena;
	const struct plan *plan; /* target names, formats */
	struct sym *sym;	 /* addresses to names (lookup/sym.h), may be NULL */
	int64_t boot_to_wall_ns; /* CLOCK_REALTIME - CLOCK_BOOTTIME when the run started */
};

/* A type that displays in its own way; a row beside the builtin that returns it. */
struct named_type {
	const char *name; /* as in prototypes: "ksym_t" */
	struct value (*decode)(struct decode *, const struct type *, const void *bytes);
	const char *not_key; /* why it cannot be a map's key, as one sentence; NULL: it can */
	bool user_addresses; /* decoding asks what processes mapped, which may have ended by then */
};

struct value value_decode(struct decode *decode, const struct type *type, const void *bytes);
struct value value_int(int64_t i);
struct value value_uint(uint64_t u);
struct value value_str(const char *text, uint32_t len);
struct value value_real(double real);
struct value value_symbol(const char *text, uint64_t number);
/* A member of a record by name ("p99"), NULL when it has none. */
const struct value *value_member(const struct value *record, const char *name);
/* The number a value stands for in arithmetic; records and strings are 0. */
double value_number(const struct value *value);
/* Total order: numbers by value, strings bytewise, tuples member by member; hist by total count,
 * records that have `.average` by it, other records member by member. */
int value_compare(const struct value *a, const struct value *b);
uint64_t value_hist_total(const struct value *hist);
/* Sort a map's rows ascending: by value for ints and aggregates, by key for the rest (reference behaviour). */
void value_sort_map(struct arena *arena, struct value *map);

/* Decimal digits (20 at most) that end right before `end`; returns where they begin. */
char *value_digits(char *end, uint64_t number);
/* A duration in the largest unit that leaves no rest: 1500us, 2s, -5ns, 0. */
void value_duration(struct buf *out, int64_t ns);
/* Default text of any value (LANGUAGE: section 15.1); histograms and maps are out/text.c's. */
void value_text(struct buf *out, const struct value *value);

#endif
