#ifndef JB_CLI_CONFIG_ROWS_H
#define JB_CLI_CONFIG_ROWS_H
/* The schema of the configuration file: a row for each key. The schema that libcyaml gets is made from these. */
#include "cli/config.h"

enum config_kind {
	CONFIG_TEXT,
	CONFIG_PATH,   /* a text: relative to the folder of the configuration file */
	CONFIG_SCRIPT, /* a text: a path when it has a / or a ., else a bundled script's name */
	CONFIG_CHOICE, /* a text: one of `choices` */
	CONFIG_TIME,   /* a text: "5m" */
	CONFIG_SIZE,   /* a text: "100MB" */
	CONFIG_LETTER, /* a text of one byte */
	CONFIG_SWITCH,
	CONFIG_COUNT,	/* uint64_t, min to max */
	CONFIG_TEXTS,	/* a list of texts, or one text */
	CONFIG_SECTION, /* a mapping with `rows`, a struct of `size` bytes */
	CONFIG_NAMED, /* a mapping with names of the user's; each has `rows`, or is a text if there are none */
};

struct config_row {
	const char *key; /* NULL ends a table */
	enum config_kind kind;
	size_t offset; /* in the struct of its table */
	const char *help;
	uint64_t min, max; /* of a count; of CONFIG_NAMED and CONFIG_TEXTS how many there may be */
	uint64_t fallback; /* of a count */
	const char *const *choices;    /* NULL ends them */
	const struct config_row *rows; /* of sections */
	size_t size;		       /* of the struct that `rows` describe */
	size_t list_offset; /* CONFIG_NAMED: where a list of names goes instead; 0: nowhere */
	/* A closer look at a text: NULL, or what it wants instead. */
	const char *(*wants)(const char *text);
	int filter; /* of CONFIG_TEXTS: 1 + jb_filter_kind; 0: it is no filter */
	bool negated;
};

extern const struct config_row config_rows[];

#endif
