/*
 * A recording, through a whole report: as text with rankings of two columns, as JSON of running totals, as a page that
 * compares days. Few groups are kept, so that they are thinned out.
 */
#include <string.h>

#include "fuzz.h"
#include "report/report.h"

static void report(const struct report_options *options, FILE *nowhere)
{
	report_run(options, nowhere, nowhere);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct memory_file file = memory_file(data, size);
	const char *files[] = { file.path, file.path }, *names[] = { "comm", "filename" };
	struct report_names by[] = { { names, 2 }, { names, 1 } };
	struct report_where where = { .column = "comm", .value = "*", .op = WHERE_IS };
	struct report_options options = { .files = files,
					  .n_files = 1,
					  .since = INT64_MIN,
					  .until = INT64_MAX,
					  .top = 3,
					  .groups = 10 };
	FILE *nowhere = fopen("/dev/null", "we");

	if (file.fd < 0 || !nowhere)
		return 0;
	report(&options, nowhere);
	options.by = by;
	options.n_by = 2;
	report(&options, nowhere);
	options.n_by = 0;
	options.json = options.running = true;
	options.where = &where;
	options.n_where = 1;
	report(&options, nowhere);
	options = (struct report_options){ .files = files,
					   .n_files = 2,
					   .since = INT64_MIN,
					   .until = INT64_MAX,
					   .top = 3,
					   .groups = 10,
					   .compare = true,
					   .html = "-" };
	report(&options, nowhere);
	options.compare = false;
	options.by_day = true;
	report(&options, nowhere);
	fclose(nowhere);
	close(file.fd);
	return 0;
}
