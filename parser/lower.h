#ifndef JB_PARSER_LOWER_H
#define JB_PARSER_LOWER_H
/* Typed tree to plan: maps, sites, counters, strings. Codegen then needs the instances and the plan only. */
#include "parser/resolve.h"

/* false after a diagnostic ("not supported yet: X"). */
bool lower_program(struct resolve *resolve);

#endif
