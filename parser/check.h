#ifndef JB_PARSER_CHECK_H
#define JB_PARSER_CHECK_H
/* Types: every expression gets one, maps and variables are unified until nothing changes. For builtin rows too. */
#include "parser/ast.h"
#include "parser/parse.h"

struct resolve;

struct check {
	struct arena *arena;
	struct diags *diags;
	const struct registry *registry;
	struct types *types;
	struct plan *plan;
	struct lookup *lookup;
	struct resolve *resolve;
	struct instance *instance; /* being checked */
	bool changed;		   /* something was widened: go round again */
	bool final;		   /* the last round: complain about what is still unknown */
	bool unsafe;
	unsigned loop_depth;
};

/* The whole pass, over all instances. false when there were errors. */
bool check_program(struct check *check);

/* For rows. Reports at the node, sets its type to type_error, returns false. */
bool check_error(struct check *check, struct node *node, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The constant value of an argument (literal, $1, constant expression); false after a diagnostic. */
bool check_const_int(struct check *check, struct node *arg, int64_t *value);
bool check_const_str(struct check *check, struct node *arg, const char **text);
/* Default address space of the probe being checked, for integers used as pointers. */
enum space check_space(const struct check *check, const struct node *arg);
/*
 * When the kernel's types cannot be read: says that `what` is not known for that reason, and what helps. false, and
 * nothing said, when they can.
 */
bool check_unknown_kernel_type(struct check *check, struct node *node, const char *what);
/* The name under which an expression is known to users: variable, builtin, field, map; else NULL. */
const char *check_name_of(const struct node *expr);

#endif
