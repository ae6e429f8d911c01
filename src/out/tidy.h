#ifndef JB_OUT_TIDY_H
#define JB_OUT_TIDY_H
/*
 * Completed files of the tables in a folder: compressed, and removed when they are too old or too many. A thread does
 * it, so that no event waits for it.
 */
#include "out/out.h"

struct tidy;

/* `folder` (a descriptor) and `extension` ("csv") are borrowed. */
struct tidy *tidy_new(int folder, const char *extension, const struct out_files *options);
/* Look after the files of a table: "exec" of exec_20251121_143000.csv. Returns at once. */
void tidy_ask(struct tidy *tidy, const char *table);
/* What went wrong since the last call, on the heap, or NULL. */
char *tidy_problem(struct tidy *tidy);
void tidy_wait(struct tidy *tidy); /* until all that was asked for is done */
void tidy_free(struct tidy *tidy); /* waits, too */

/*
 * The work itself, without a thread: the files of one table, at the time now_ns. Touched are files whose name is exactly
 * `{table}_{8 digits}_{6 digits}[-{digits}].{extension}[.gz]` and that nobody has locked: a file that is being written
 * is, by whatever process. So files that were left uncompressed when a run was killed are compressed, too. Of an
 * interrupted compression only a `.gz.tmp` is left; it is removed. Age is the time since the last change. 0, or the
 * first -errno; the rest is done nevertheless.
 */
int tidy_table(int folder, const char *table, const char *extension,
	       const struct out_files *options, int64_t now_ns);

#endif
