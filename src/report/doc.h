#ifndef JB_REPORT_DOC_H
#define JB_REPORT_DOC_H
/*
 * A report as a document: parts (one per table) of blocks (grids, courses over time, histograms) of cells. The views
 * (view_*.c) make it, the printers (text.c, outjson.c, html.c) show it; neither knows the other. Everything lives in the
 * document's arena; texts may be borrowed from tables, which live as long.
 */
#include "base/vec.h"
#include "report/hist.h"
#include "report/number.h"

enum cell_kind {
	CELL_EMPTY,
	CELL_TEXT,
	CELL_NUMBER,
	CELL_SHARE,  /* 0..1 */
	CELL_CHANGE, /* relative: 0.5 is half as much again */
	CELL_TIME,   /* number: ns since the epoch */
	CELL_LENGTH  /* number: ns */
};

struct cell {
	enum cell_kind kind;
	enum unit unit;
	char bound; /* '>': at least; '<': at most; 0 */
	bool sign;  /* a difference: shown with + */
	const char *text;
	size_t len;
	long double number;
};

struct doc_column {
	const char *id, *title;
	bool left;     /* text */
	bool bar;      /* a bar as long as its number's share of the largest */
	bool optional; /* left out where there is no room */
	bool name;     /* titled by something of the recording: shown as it is */
};

enum block_kind { BLOCK_FACTS, BLOCK_GRID, BLOCK_SERIES, BLOCK_CDF, BLOCK_HEAT };

struct fact {
	const char *id, *title, *note; /* note: may be NULL */
	struct cell cell;
};

/* One course over time. NAN: nothing was there. */
struct series {
	const char *id, *title;
	double *values; /* n of the block */
};

struct block {
	enum block_kind kind;
	const char *id, *title, *note; /* note: a sentence below, or NULL */
	VEC(struct fact) facts;
	/* Grid. n_keys: how many columns from the left name the row. */
	struct doc_column *columns;
	unsigned n_columns, n_keys;
	VEC(struct cell *) rows;
	/* Series and heat: n spans. */
	int64_t begin, step;
	unsigned n;
	VEC(struct series) series;
	bool is_level; /* not sums: not to be drawn from 0 */
	/* Distribution; heat has one per span, NULL: empty. */
	const struct hist *hist;
	const struct hist **hists;
};

struct part {
	const char *name, *from; /* the table, and where it was */
	VEC(struct block *) blocks;
};

struct doc {
	struct arena *arena;
	const char *title, *summary;
	VEC(struct part *) parts;
	VEC(const char *) notes;
};

struct part *doc_part(struct doc *doc, const char *name, const char *from);
struct block *doc_block(struct doc *doc, struct part *part, enum block_kind kind, const char *id,
			const char *title);
/* A grid with room for so many columns; each is then described by grid_column. */
struct block *doc_grid(struct doc *doc, struct part *part, const char *id, const char *title,
		       unsigned n_columns);
struct doc_column *grid_column(struct block *grid, const char *id, const char *title);
/* A row of empty cells. */
struct cell *grid_row(struct doc *doc, struct block *grid);
struct fact *doc_fact(struct doc *doc, struct block *facts, const char *id, const char *title,
		      struct cell cell);

struct cell cell_text(const char *text);
struct cell cell_bytes(const char *text, size_t len);
/* NAN and infinities are empty cells. */
struct cell cell_number(long double number, enum unit unit);
struct cell cell_share(long double share);
struct cell cell_change(long double change);
struct cell cell_time(int64_t ns);
struct cell cell_length(int64_t ns);

/* What a cell shows in text and HTML, without alignment. Bytes that are not printable are written as \xHH. */
void cell_put(struct buf *out, const struct cell *cell);
/* Text from a recording, safe for a terminal: control characters and broken UTF-8 as \xHH. */
void text_put_safe(struct buf *out, const char *text, size_t len);
/* The length of the UTF-8 character at text, 0 when it is none. */
unsigned utf8_len(const char *text, size_t len);

/* Printers. `width`: of the terminal; unicode: it shows UTF-8. */
struct text_style {
	unsigned width;
	bool unicode, color;
};
void doc_print_text(const struct doc *doc, const struct text_style *style, struct buf *out);
void doc_print_json(const struct doc *doc, struct buf *out);
void doc_print_html(const struct doc *doc, struct buf *out);

#endif
