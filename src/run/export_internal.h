#ifndef JB_RUN_EXPORT_INTERNAL_H
#define JB_RUN_EXPORT_INTERNAL_H
/* What the files of the exporter share. */
#include "run/export.h"
#include "run/internal.h"
#include "run/series.h"

/* What jbtrace counts of a run itself: tables with labels of their own. */
enum own_table { OWN_SCRIPT, OWN_SITE, OWN_MAP, OWN_TARGET, OWN_PROGRAM, OWN_COUNTED, OWN_TABLES };
#define OWN_MAX 24 /* metrics of its own */

struct script {
	struct script *next;
	char *name;
	struct run *run;      /* NULL: it does not run (any more) */
	bool shown;	      /* it ought to run */
	struct table *tables; /* one per exported map, and one for emit */
	struct table *rows;   /* that one; NULL: it emits nothing */
	struct table *own[OWN_TABLES];
};

struct exporter {
	struct arena *arena; /* as long as the exporter: names, families */
	struct script *scripts;
	struct family *families, **last_family; /* in order of appearance */
	struct processes *processes;
	struct collect collect; /* that is under way, or was last */
	struct family *own[OWN_MAX];
	uint64_t n_scrapes;
	double scrape_seconds, start_seconds;
};

/* How a column is to be exported, before it has a family. */
struct wanted {
	const char *name; /* declared; NULL: made from these two: */
	const char *base; /* of the map, or of emit's event; "": the script's */
	const char *help;
	const char *path;
	const char *event; /* of emit; NULL: a map */
	enum metric_type type;
	enum measure measure;
	double scale; /* 0: from the name */
	bool is_time; /* durations in ns, whatever the name says */
	const char *const *labels;
	unsigned n_labels;
	enum fall fall;
};

/* export_names.c */
/* The family of a wanted column, made when there is none; its scale is decided. NULL, and told: its name is taken. */
struct family *names_claim(struct exporter *exporter, const struct script *script,
			   struct wanted *wanted);
/* One of jbtrace's own. */
struct family *names_own(struct exporter *exporter, const char *name, enum metric_type type,
			 const char *help, const char *const *labels, unsigned n_labels);
/* A name that nobody declared, without capitals within it. In the arena. */
const char *names_snake(struct arena *arena, const char *name);
/* The part of a script's name that names it: "x" of "scripts/x.jt". */
const char *names_script(struct arena *arena, const char *name);

/* export_bind.c */
/* Tables for all that a run exports, in the order of its maps; those that the script had before go on. */
void bind_run(struct exporter *exporter, struct script *script);
void family_attach(struct family *family, struct column *column);
void tables_free(struct table *tables);

/* export_own.c */
void own_families(struct exporter *exporter);
void own_bind(struct exporter *exporter, struct script *script);
void own_feed(struct exporter *exporter, struct script *script);
/* What belongs to no script. */
void own_write(struct exporter *exporter, struct metrics *set);

#endif
