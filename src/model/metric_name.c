#include "model/metric_name.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>

static const char *const abbreviations[] = { "s",  "ms", "us", "ns", "sec", "b", "kb", "mb",
					     "gb", "tb", "pb", "m",  "h",   "d", NULL };
static const char *const types[] = { "counter", "gauge", "histogram", "summary", "untyped", NULL };
/* Those that are no base units, and those that are not with a prefix. */
static const char *const others[] = { "minutes", "hours",    "days",	   "weeks",   "kelvins",
				      "bits",	 "calories", "pounds",	   "inches",  "yards",
				      "miles",	 "ounces",   "fahrenheit", "rankine", NULL };
static const char *const bases[] = { "amperes", "bytes",  "celsius", "grams",	"joules", "kelvin",
				     "meters",	"metres", "moles",   "seconds", "volts",  NULL };
static const char *const prefixes[] = { "pico",	 "nano", "micro", "milli", "centi", "deci", "deca",
					"hecto", "kilo", "kibi",  "mega",  "mibi",  "mebi", "giga",
					"gibi",	 "tera", "tebi",  "peta",  "pebi",  NULL };

static bool is_among(const char *part, size_t len, const char *const *words)
{
	for (; *words; words++)
		if (strlen(*words) == len && strncasecmp(part, *words, len) == 0)
			return true;
	return false;
}

static bool has_prefix(const char *part, size_t len)
{
	for (const char *const *prefix = prefixes; *prefix; prefix++) {
		size_t n = strlen(*prefix);

		if (len > n && strncasecmp(part, *prefix, n) == 0 &&
		    (is_among(part + n, len - n, bases) || is_among(part + n, len - n, others)))
			return true;
	}
	return false;
}

const char *metric_part_problem(const char *part, size_t len)
{
	if (is_among(part, len, abbreviations))
		return "abbreviates a unit";
	if (is_among(part, len, types))
		return "is a type of metric";
	if (is_among(part, len, others) || has_prefix(part, len))
		return "is not a base unit";
	return NULL;
}

void metric_snake_case(char *out, const char *name)
{
	bool lower = false; /* within capitals that were the beginning of a word */

	for (const char *c = name; *c; c++) {
		bool capital = isupper((unsigned char)*c);

		if (capital && c > name && islower((unsigned char)c[-1])) {
			*out++ = '_';
			lower = true;
		}
		lower = lower && capital;
		*out++ = (char)(lower ? tolower((unsigned char)*c) : *c);
	}
	*out = '\0';
}
