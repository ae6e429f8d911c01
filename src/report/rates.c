/*
 * Rates. The mean of rates is not the rate of the sums, so a rate column is calculated again from what it was calculated
 * from: the sums that give its number in the first rows, whatever they are called. Names decide between several that do, and
 * when all rates of the sample are 0.
 */
#include "report/rates.h"

#include <math.h>
#include <string.h>

#include "report/words.h"

/* All pairs are tried: a table of hundreds of columns would take its time. */
enum { COLUMNS_TRIED = 40, RATES_TRIED = 8 };

static const long double scales[] = { 1, 100, 1000 };
#define N_SCALES (sizeof(scales) / sizeof(*scales))

/* What speaks for a candidate. */
struct evidence {
	unsigned fits, fails, informative;
};

/* Half a unit of the last digit that is written. */
static long double rounding_of(const struct field *field)
{
	const char *point = strchr(field->text, '.');
	long double unit = 0.5L;

	for (const char *at = point ? point + 1 : ""; *at >= '0' && *at <= '9'; at++)
		unit /= 10;
	return unit;
}

static bool number_at(const struct field *fields, int column, long double *number)
{
	*number = 0;
	return column < 0 || number_parse(fields[column].text, fields[column].len, number);
}

static void weigh(struct evidence *evidence, const struct rate *rate, const struct field *fields,
		  unsigned column)
{
	long double value, part, whole, whole2, expected;

	if (!number_at(fields, (int)column, &value) || !number_at(fields, rate->part, &part) ||
	    !number_at(fields, rate->whole, &whole) || !number_at(fields, rate->whole2, &whole2))
		return;
	if (whole + whole2 <= 0)
		return;
	expected = part / (whole + whole2) * rate->scale;
	if (fabsl(value - expected) <=
	    rounding_of(&fields[column]) * 1.01L + 1e-6L * fabsl(expected)) {
		evidence->fits++;
		evidence->informative += value != 0 && part != whole + whole2;
	} else {
		evidence->fails++;
	}
}

static struct evidence examine(const struct table *table, const struct rate *rate, unsigned column,
			       struct field *fields)
{
	struct evidence evidence = { 0 };
	struct sample_row row = { .fields = fields };
	size_t at = 0;

	while (sample_next(table, &at, &row)) {
		weigh(&evidence, rate, fields, column);
		if (evidence.fails > 2 && evidence.fails * 20 > evidence.fits)
			break;
	}
	return evidence;
}

/* Do two names have a word in common, or one that the other's begins with ("error", "errors")? */
static bool related(const char *a, const char *b)
{
	struct words x, y;

	words_split(&x, a);
	words_split(&y, b);
	for (unsigned i = 0; i < x.n; i++)
		for (unsigned j = 0; j < y.n; j++) {
			size_t n = strlen(x.word[i]), m = strlen(y.word[j]);
			size_t len = n < m ? n : m;

			if (len >= 3 && strncmp(x.word[i], y.word[j], len) == 0)
				return true;
		}
	return false;
}

static int name_score(const struct table *table, const struct rate *rate, const char *name)
{
	return 4 * related(table->columns[rate->part].name, name) +
	       2 * (rate->whole == table->count) + (rate->whole2 < 0);
}

struct best {
	struct rate rate;
	int score;
};

static void try_candidate(const struct table *table, unsigned column, struct rate rate,
			  struct field *fields, struct best *best)
{
	int names = name_score(table, &rate, table->columns[column].name);

	for (unsigned s = 0; s < N_SCALES; s++) {
		struct evidence evidence;
		int score;

		rate.scale = scales[s];
		evidence = examine(table, &rate, column, fields);
		if (!evidence.fits || evidence.fails * 20 > evidence.fits)
			continue;
		/* Without a row that tells, a name has to. */
		if (!evidence.informative && names < 6)
			continue;
		score = names + (evidence.informative ? 100 : 0);
		if (!evidence.informative)
			score += s == 1; /* rates are mostly written in percent */
		if (score > best->score)
			*best = (struct best){ rate, score };
	}
}

static void find_parts(struct table *table, unsigned column, struct field *fields)
{
	struct best best = { .score = -1 };
	struct column *columns = table->columns;
	int n = table->n_real < COLUMNS_TRIED ? (int)table->n_real : COLUMNS_TRIED;

	for (int part = 0; part < n; part++) {
		if (columns[part].role != ROLE_SUM)
			continue;
		for (int whole = 0; whole < n; whole++) {
			struct rate rate = { .part = part, .whole = whole, .whole2 = -1 };

			if (whole == part || columns[whole].role != ROLE_SUM)
				continue;
			try_candidate(table, column, rate, fields, &best);
			rate.whole2 = part; /* part of a sum of both */
			try_candidate(table, column, rate, fields, &best);
		}
	}
	if (best.score >= 0)
		columns[column].rate = best.rate;
	else
		columns[column].role = ROLE_RANGE;
}

void rates_find(struct table *table, struct field *fields)
{
	unsigned tried = 0;

	for (unsigned i = 0; i < table->n_real; i++) {
		if (table->columns[i].role != ROLE_RATE)
			continue;
		if (tried++ < RATES_TRIED)
			find_parts(table, i, fields);
		else
			table->columns[i].role = ROLE_RANGE;
	}
}

static long double sum_at(const struct table *table, const struct record *record, int column)
{
	const struct op_sum *sum;

	if (column < 0)
		return 0;
	sum = record_at(record, &table->layout.ops[table->columns[column].op]);
	return sum->sum;
}

long double rate_value(const struct table *table, const struct column *column,
		       const struct record *record)
{
	long double whole = sum_at(table, record, column->rate.whole) +
			    sum_at(table, record, column->rate.whole2);

	if (whole == 0)
		return NAN;
	return sum_at(table, record, column->rate.part) / whole * column->rate.scale;
}
