#ifndef JB_REPORT_WORDS_H
#define JB_REPORT_WORDS_H
/* What the name of a column says about its numbers. */
#include "report/table.h"

#define WORDS_MAX 8

/* A column's name taken apart: "avg_latency_us" is avg, latency, us. Lower case. */
struct words {
	char word[WORDS_MAX][24];
	unsigned n;
};

void words_split(struct words *words, const char *name);
/* Is one of the words in the set? A set is words with a blank before and behind each. */
bool words_any(const struct words *words, const char *set);
/* Is the last one? */
bool words_last(const struct words *words, const char *set);

enum unit words_unit(const struct words *words);
bool words_quantile(const struct words *words);
/* What a column of numbers of this name is taken for. `integers`: it has no others. */
enum role words_role(const struct words *words, bool integers);
/* How well it counts what a table is about: 0, not at all, to 100, "count". */
int words_count_score(const struct words *words);

#define WORDS_ERROR  " error errors err errs failed failures fail drops dropped lost "
#define WORDS_RESULT " ret retval result rc error err res "
#define WORDS_CPU    " cpu core processor node numa "

#endif
