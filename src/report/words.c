/*
 * Rules by name, in one place. They follow the names that the bundled scripts use and that people give to columns; --sum,
 * --no-sum and --key overrule them.
 */
#include "report/words.h"

#include <ctype.h>
#include <string.h>

#define MEAN_WORDS " avg mean average "
#define MIN_WORDS  " min minimum least lowest "
#define MAX_WORDS  " max maximum greatest highest peak "
#define RATE_WORDS                                                                              \
	" rate ratio pct percent percentage share fraction throughput bps kbps mbps gbps iops " \
	"per util utilization load "
#define LEVEL_WORDS                                                                                \
	" buffer limit capacity depth level current available backlog inflight gauge jitter skew " \
	"drift offset score points weight temperature "
#define SUM_WORDS                                                                                 \
	" count counts n total sum bytes byte packets pkts errors errs failures failed drops "    \
	"dropped lost duplicates reordered expected hits misses calls events ops requests reads " \
	"writes switches faults retries retransmits samples rows in out voluntary involuntary "   \
	"allocs frees opens pages times value mb kb gb mib kib gib size len "
#define TIME_WORDS                                                                              \
	" ns nsec nsecs us usec usecs ms msec msecs s sec secs seconds latency duration delay " \
	"elapsed lat age wait time "
#define ID_WORDS                                                                                   \
	" pid tid tgid ppid uid gid euid cpu core processor node numa nr id fd port ssrc irq vec " \
	"dev "                                                                                     \
	"inode ino type code errno signal sig addr seq vlan prio priority nice cgroup pgid sid "   \
	"num "                                                                                     \
	"version pt ttl state flags mask key mode op "

static bool in_set(const char *word, const char *set)
{
	size_t len = strlen(word);

	for (const char *at = strstr(set, word); at; at = strstr(at + 1, word))
		if (at[-1] == ' ' && at[len] == ' ')
			return true;
	return false;
}

void words_split(struct words *words, const char *name)
{
	size_t len = 0;

	*words = (struct words){ 0 };
	for (; *name && words->n < WORDS_MAX; name++) {
		bool separator = !isalnum((unsigned char)*name);
		bool hump =
			isupper((unsigned char)*name) && len && islower((unsigned char)name[-1]);

		if ((separator || hump) && len) {
			words->n++;
			len = 0;
		}
		if (!separator && words->n < WORDS_MAX && len + 1 < sizeof(words->word[0]))
			words->word[words->n][len++] = (char)tolower((unsigned char)*name);
	}
	words->n += len && words->n < WORDS_MAX;
}

bool words_any(const struct words *words, const char *set)
{
	for (unsigned i = 0; i < words->n; i++)
		if (in_set(words->word[i], set))
			return true;
	return false;
}

bool words_last(const struct words *words, const char *set)
{
	return words->n && in_set(words->word[words->n - 1], set);
}

enum unit words_unit(const struct words *words)
{
	if (words_last(words, " ns nsec nsecs nanoseconds "))
		return UNIT_NS;
	if (words_last(words, " us usec usecs microseconds "))
		return UNIT_US;
	if (words_last(words, " ms msec msecs milliseconds "))
		return UNIT_MS;
	if (words_last(words, " s sec secs seconds "))
		return UNIT_S;
	if (words_last(words, " bytes byte size len "))
		return UNIT_BYTES;
	return UNIT_NONE;
}

/* p50, p999, median. */
bool words_quantile(const struct words *words)
{
	for (unsigned i = 0; i < words->n; i++) {
		const char *word = words->word[i];

		if (*word == 'p' && word[1] && strspn(word + 1, "0123456789") == strlen(word + 1))
			return true;
	}
	return words_any(words, " median quantile percentile ");
}

/* key0, key1: parts of a key that have no name. */
static bool is_key_number(const struct words *words)
{
	const char *word = words->n == 1 ? words->word[0] : "";

	return strncmp(word, "key", 3) == 0 && strspn(word + 3, "0123456789") == strlen(word + 3);
}

enum role words_role(const struct words *words, bool integers)
{
	if (words_quantile(words))
		return ROLE_RANGE;
	if (words_any(words, MEAN_WORDS))
		return ROLE_MEAN;
	if (words_any(words, MIN_WORDS))
		return ROLE_MIN;
	if (words_any(words, MAX_WORDS))
		return ROLE_MAX;
	if (words_any(words, RATE_WORDS))
		return ROLE_RATE;
	if (words_any(words, LEVEL_WORDS))
		return ROLE_RANGE;
	if (words_any(words, " count total sum ") || words_last(words, SUM_WORDS) ||
	    words_any(words, WORDS_ERROR))
		return ROLE_SUM;
	if (integers && (words_last(words, ID_WORDS) || is_key_number(words)))
		return ROLE_KEY;
	return ROLE_RANGE;
}

int words_count_score(const struct words *words)
{
	bool time = words_any(words, TIME_WORDS), bytes = words_unit(words) == UNIT_BYTES;

	if (words->n == 1 && in_set(words->word[0], " count n "))
		return 100;
	if (words_any(words, WORDS_ERROR))
		return 10;
	if (words_last(words, " calls packets requests ops hits events "))
		return 80;
	if (words_last(words, " count "))
		return 70;
	if (words_last(words, " mb kb gb mib kib gib "))
		return 0;
	if (words_any(words, " total sum ") && !time && !bytes)
		return 60;
	if (words_last(words, " value "))
		return 50;
	if (bytes)
		return 30;
	return time ? 20 : 40;
}
