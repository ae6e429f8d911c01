#ifndef JB_REPORT_NUMBER_H
#define JB_REPORT_NUMBER_H
/*
 * Numbers as recordings write them, and as a report shows them. Sums are kept in long double: on x86_64 it holds every
 * integer of 64 bits, so that counts and bytes add up exactly.
 */
#include <stdbool.h>
#include <stddef.h>

#include "base/mem.h"

/* What a number counts, as the end of its column's name tells. */
enum unit {
	UNIT_NONE,
	UNIT_NS,
	UNIT_US,
	UNIT_MS,
	UNIT_S,
	UNIT_BYTES,
};

/* The whole text as a decimal number, exponent allowed; text[len] must be readable and 0. false: it is none. */
bool number_parse(const char *text, size_t len, long double *number);
/* Empty, "nan", "null", ...: a place where a number would stand, not garbage. */
bool number_missing(const char *text, size_t len);

/* For reading: thousands apart, about four digits that count. */
void number_put(struct buf *out, long double number);
/* Bytes as KiB, MiB, ...; other units stand in the column's name and are left to it. */
void number_put_unit(struct buf *out, long double number, enum unit unit);
/* For programs: integers exactly, others with 15 digits. */
void number_put_exact(struct buf *out, long double number);
/* 0.1234 as "12.3%"; small ones are not shown as nothing. */
void number_put_share(struct buf *out, long double share);
/* 0.5 as "+50.0%", 12 as "x13". */
void number_put_change(struct buf *out, long double change);

#endif
