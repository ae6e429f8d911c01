/*
 * What jbtrace says of itself: which scripts and probes are up, what they lost, what the export holds, what the process
 * uses. Names as Prometheus' client libraries have them where there is such a name (process_*).
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <stdlib.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <time.h>

#include "base/strmap.h"
#include "run/export_internal.h"

enum own_label {
	LABEL_NONE,
	LABEL_SCRIPT,
	LABEL_SITE,
	LABEL_MAP,
	LABEL_PROBE,
	LABEL_METRIC,
	LABEL_VERSION
};

static const char *const label_names[][2] = {
	[LABEL_NONE] = { NULL, NULL },	       [LABEL_SCRIPT] = { "script", NULL },
	[LABEL_SITE] = { "script", "site" },   [LABEL_MAP] = { "script", "map" },
	[LABEL_PROBE] = { "script", "probe" }, [LABEL_METRIC] = { "metric", NULL },
	[LABEL_VERSION] = { "version", NULL },
};

/* In the order of the exposition. */
enum own {
	OWN_BUILD_INFO,
	OWN_UP,
	OWN_ATTACHED,
	OWN_PROBE_ATTACHED,
	OWN_HITS,
	OWN_MISSED,
	OWN_EVENTS,
	OWN_LOST,
	OWN_WARNINGS,
	OWN_UNWRITTEN,
	OWN_MAP_FULL,
	OWN_MAP_ENTRIES,
	OWN_MAP_MAX,
	OWN_SERIES,
	OWN_DROPPED,
	OWN_SCRAPE_SECONDS,
	OWN_SCRAPES,
	OWN_RSS,
	OWN_CPU,
	OWN_START,
	OWN_FDS,
	OWN_METRICS
};

/* clang-format off */
static const struct {
	const char *name, *help;
	enum metric_type type;
	enum own_label labels;
} metrics[OWN_METRICS] = {
	[OWN_BUILD_INFO] = { "jbtrace_build_info", "Version of jbtrace.", METRIC_GAUGE, LABEL_VERSION },
	[OWN_UP] = { "jbtrace_script_up", "1: the script runs. 0: it could not be started, or has ended.",
		     METRIC_GAUGE, LABEL_SCRIPT },
	[OWN_ATTACHED] = { "jbtrace_attached_probes", "Places at which probes are attached, begin and end included.",
			   METRIC_GAUGE, LABEL_SCRIPT },
	[OWN_PROBE_ATTACHED] = { "jbtrace_probe_attached", "1: a probe is attached here. 0: it could not be.",
				 METRIC_GAUGE, LABEL_PROBE },
	[OWN_HITS] = { "jbtrace_probe_hits_total",
		       "How often a probe fired in the tasks that the filters select, before its predicate was asked.",
		       METRIC_COUNTER, LABEL_PROBE },
	[OWN_MISSED] = { "jbtrace_missed_events_total",
			 "Events left out by the kernel because another probe ran on the same processor.",
			 METRIC_COUNTER, LABEL_PROBE },
	[OWN_EVENTS] = { "jbtrace_events_total", "Records handled: of printf, print, emit and the like.",
			 METRIC_COUNTER, LABEL_SCRIPT },
	[OWN_LOST] = { "jbtrace_lost_events_total", "Records lost because the ring buffer was full, by the call they are of.",
		       METRIC_COUNTER, LABEL_SITE },
	[OWN_WARNINGS] = { "jbtrace_warnings_total", "Runtime warnings: divisions by zero and the like.",
			   METRIC_COUNTER, LABEL_SCRIPT },
	[OWN_UNWRITTEN] = { "jbtrace_dropped_rows_total", "Rows of output that a file had no room for.", METRIC_COUNTER,
			    LABEL_SCRIPT },
	[OWN_MAP_FULL] = { "jbtrace_map_full_total", "Updates of new keys lost because the map was full.",
			   METRIC_COUNTER, LABEL_MAP },
	[OWN_MAP_ENTRIES] = { "jbtrace_map_entries", "Keys in the map.", METRIC_GAUGE, LABEL_MAP },
	[OWN_MAP_MAX] = { "jbtrace_map_max_entries", "Keys that the map has room for.", METRIC_GAUGE, LABEL_MAP },
	[OWN_SERIES] = { "jbtrace_series", "Series of a metric.", METRIC_GAUGE, LABEL_METRIC },
	[OWN_DROPPED] = { "jbtrace_series_dropped",
			  "Series beyond the limit: summed up under the label _other, or left out of gauges.",
			  METRIC_GAUGE, LABEL_METRIC },
	[OWN_SCRAPE_SECONDS] = { "jbtrace_scrape_duration_seconds", "Time it took to read all of this.",
				 METRIC_GAUGE, LABEL_NONE },
	[OWN_SCRAPES] = { "jbtrace_scrapes_total", "How often this was read.", METRIC_COUNTER, LABEL_NONE },
	[OWN_RSS] = { "process_resident_memory_bytes", "Resident memory.", METRIC_GAUGE, LABEL_NONE },
	[OWN_CPU] = { "process_cpu_seconds_total", "User and system time.", METRIC_COUNTER, LABEL_NONE },
	[OWN_START] = { "process_start_time_seconds", "Start, since the epoch.", METRIC_GAUGE, LABEL_NONE },
	[OWN_FDS] = { "process_open_fds", "Open file descriptors.", METRIC_GAUGE, LABEL_NONE },
};
/* clang-format on */

#define OWN_COLUMNS 4 /* at most, in one table */

/* Which of them are columns of which table. */
static const struct {
	enum own_label labels;
	enum own columns[OWN_COLUMNS];
	unsigned n;
} tables[OWN_TABLES] = {
	[OWN_SCRIPT] = { LABEL_SCRIPT,
			 { OWN_ATTACHED, OWN_EVENTS, OWN_WARNINGS, OWN_UNWRITTEN },
			 4 },
	[OWN_SITE] = { LABEL_SITE, { OWN_LOST }, 1 },
	[OWN_MAP] = { LABEL_MAP, { OWN_MAP_FULL, OWN_MAP_ENTRIES, OWN_MAP_MAX }, 3 },
	[OWN_TARGET] = { LABEL_PROBE, { OWN_PROBE_ATTACHED }, 1 },
	[OWN_PROGRAM] = { LABEL_PROBE, { OWN_MISSED }, 1 },
	[OWN_COUNTED] = { LABEL_PROBE, { OWN_HITS }, 1 },
};

static unsigned count_labels(enum own_label labels)
{
	return (label_names[labels][0] != NULL) + (label_names[labels][1] != NULL);
}

void own_families(struct exporter *exporter)
{
	for (int i = 0; i < OWN_METRICS; i++)
		exporter->own[i] =
			names_own(exporter, metrics[i].name, metrics[i].type, metrics[i].help,
				  label_names[metrics[i].labels], count_labels(metrics[i].labels));
}

static struct table *own_table(struct exporter *exporter, int kind)
{
	struct arena *arena = arena_new();
	struct table *table = arena_new_of(arena, struct table);

	table->arena = arena;
	table->signature = "";
	table->n_labels = count_labels(tables[kind].labels);
	table->pid_part = -1;
	table->columns = arena_alloc(arena, tables[kind].n * sizeof(*table->columns));
	table->n_columns = tables[kind].n;
	for (unsigned i = 0; i < table->n_columns; i++) {
		table->columns[i] = (struct column){
			.table = table, .measure = MEASURE_NUMBER, .scale = 1, .fall = FALL_ZERO
		};
		family_attach(exporter->own[tables[kind].columns[i]], &table->columns[i]);
	}
	return table;
}

void own_bind(struct exporter *exporter, struct script *script)
{
	for (int i = 0; i < OWN_TABLES; i++) {
		if (!script->own[i])
			script->own[i] = own_table(exporter, i);
		script->own[i]->live = true;
	}
}

/* --- numbers by label: what has the same label is added up --- */

struct sum {
	const char *label;
	uint64_t n[OWN_COLUMNS];
};

struct sums {
	struct arena *arena;
	struct strmap *index;
	VEC(struct sum *) list;
};

static struct sum *sum_of(struct sums *sums, const char *label)
{
	struct sum *sum;

	if (!sums->index)
		sums->index = strmap_new(sums->arena);
	sum = strmap_get(sums->index, label);
	if (sum)
		return sum;
	sum = arena_new_of(sums->arena, struct sum);
	sum->label = label;
	vec_push(sums->arena, &sums->list, sum);
	strmap_put(sums->index, label, sum);
	return sum;
}

static void feed_row(struct exporter *exporter, const struct script *script, int kind,
		     const char *label, const uint64_t *numbers)
{
	struct table *table = script->own[kind];
	struct buf key = { 0 };
	struct row *row;

	metrics_label_value(&key, script->name, strlen(script->name));
	buf_putc(&key, KEY_END);
	if (label) {
		metrics_label_value(&key, label, strlen(label));
		buf_putc(&key, KEY_END);
	}
	row = series_table_row(table, key.data, &exporter->collect);
	for (unsigned i = 0; i < table->n_columns; i++) {
		struct value n = value_uint(numbers[i]);

		cell_feed(&table->columns[i], &row->cells[i], &n);
	}
	buf_fini(&key);
}

static void feed_sums(struct exporter *exporter, const struct script *script, int kind,
		      const struct sums *sums)
{
	struct sum *const *sum;

	vec_each (sum, &sums->list)
		feed_row(exporter, script, kind, (*sum)->label, (*sum)->n);
	series_table_sweep(script->own[kind], &exporter->collect);
}

/* --- what a run counts --- */

static void feed_script(struct exporter *exporter, const struct script *script)
{
	const struct run *run = script->run;
	uint64_t n[OWN_COLUMNS] = { run->n_attached, 0, 0, run->out.dropped };

	for (size_t i = 0; i < run->plan->sites.n; i++)
		n[1] += run->site_events[i];
	for (size_t i = 0; i < run->plan->counters.n; i++)
		if (run->plan->counters.data[i].kind == COUNTER_RUNTIME)
			n[2] += run->counters[i].n;
	feed_row(exporter, script, OWN_SCRIPT, NULL, n);
	series_table_sweep(script->own[OWN_SCRIPT], &exporter->collect);
}

/* "exec.jt:7 printf": a place that stays when the script is changed elsewhere on the line. */
static const char *site_label(const struct run *run, const struct plan_site *site,
			      struct arena *arena)
{
	struct location at = { 0 };
	const char *file = NULL;

	if (run->plan->diags)
		at = diag_locate(run->plan->diags, site->span.begin);
	if (at.source)
		file = strrchr(at.source->name, '/');
	return arena_printf(arena, "%s:%u %s",
			    file	? file + 1
			    : at.source ? at.source->name
					: "script",
			    at.line, site->fn->name);
}

static void feed_sites(struct exporter *exporter, const struct script *script, struct arena *arena)
{
	const struct run *run = script->run;
	struct sums sums = { .arena = arena };

	for (size_t i = 0; i < run->plan->sites.n; i++) {
		const struct plan_site *site = &run->plan->sites.data[i];

		sum_of(&sums, site_label(run, site, arena))->n[0] +=
			run->counters[site->lost_counter].n;
	}
	feed_sums(exporter, script, OWN_SITE, &sums);
}

/* Keys in a map: as read for its series, else counted. */
static uint64_t count_entries(const struct script *script, const struct plan_map *plan)
{
	const struct run_map *map = maps_find(script->run, plan);
	struct rows rows;
	uint64_t n;

	for (const struct table *table = script->tables; table && !plan->generations;
	     table = table->next)
		if (table->map == plan)
			return table->n_read;
	maps_rows_init(&rows, map);
	n = maps_read_all(script->run, map, &rows) ? 0 : rows.n;
	rows_fini(&rows);
	return n;
}

static void feed_maps(struct exporter *exporter, const struct script *script)
{
	const struct run *run = script->run;

	for (size_t i = 0; i < run->plan->maps.n; i++) {
		const struct plan_map *map = run->plan->maps.data[i];
		uint64_t n[OWN_COLUMNS] = { 0 };

		if (map->shape != MAP_KEYED)
			continue;
		n[0] = run->counters[map->full_counter].n;
		n[1] = count_entries(script, map);
		n[2] = plan_max_keys(map);
		feed_row(exporter, script, OWN_MAP, map->name, n);
	}
	series_table_sweep(script->own[OWN_MAP], &exporter->collect);
}

static void feed_targets(struct exporter *exporter, const struct script *script,
			 struct arena *arena)
{
	const struct run *run = script->run;
	struct sums sums = { .arena = arena };

	for (size_t i = 0; i < run->plan->targets.n; i++) {
		const struct target *target = run->plan->targets.data[i];

		sum_of(&sums, target->name)->n[0] |= !run->left_out[target->id];
	}
	for (size_t i = 0; i < run->plan->missing.n; i++)
		sum_of(&sums, run->plan->missing.data[i]);
	feed_sums(exporter, script, OWN_TARGET, &sums);
}

/* A program with one target is called by it, one with many as the script wrote it. */
static const char *program_label(const struct run *run, const struct plan_probe *probe,
				 struct arena *arena)
{
	const char *written;

	if (probe->n_targets == 1)
		return probe->targets[0]->name;
	written = run->plan->diags ? diag_text(run->plan->diags, arena, probe->span) : NULL;
	return written ? written : probe->program;
}

static void feed_programs(struct exporter *exporter, const struct script *script,
			  struct arena *arena)
{
	struct sums missed = { .arena = arena }, hits = { .arena = arena };
	struct run *run = script->run;
	const struct plan_probe *probe;

	vec_each (probe, &run->plan->probes) {
		int fd = run_program_fd(run, probe->program);
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);
		const char *label;

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len))
			continue;
		label = program_label(run, probe, arena);
		sum_of(&missed, label)->n[0] += info.recursion_misses;
		if (run->plan->count_hits && probe->role == 0)
			sum_of(&hits, label)->n[0] += run->counters[probe->hits_counter].n;
	}
	feed_sums(exporter, script, OWN_PROGRAM, &missed);
	feed_sums(exporter, script, OWN_COUNTED, &hits);
}

void own_feed(struct exporter *exporter, struct script *script)
{
	struct arena *arena = arena_new();

	report_read(script->run);
	feed_script(exporter, script);
	feed_sites(exporter, script, arena);
	feed_maps(exporter, script);
	feed_targets(exporter, script, arena);
	feed_programs(exporter, script, arena);
	arena_free(arena);
}

/* --- what belongs to no script --- */

static void put(struct exporter *exporter, struct metrics *set, enum own which, const char *label,
		double value)
{
	const char **labels = arena_alloc(set->arena, sizeof(*labels));
	struct metric_series series = { .labels = labels, .value = value };

	labels[0] = label;
	metrics_add(set, exporter->own[which]->out, &series);
}

/* The fields of /proc/self/stat behind the name, from the third on. 0: it cannot be read. */
static bool read_stat(long long *user, long long *system, long long *start, long long *pages)
{
	char text[1024], *at;
	ssize_t n;
	int fd = open("/proc/self/stat", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	text[n > 0 ? n : 0] = '\0';
	at = strrchr(text, ')');
	return at && sscanf(at + 1,
			    " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %lld %lld %*s %*s %*s "
			    "%*s %*s %*s %lld %*s %lld",
			    user, system, start, pages) == 4;
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	unsigned n = 0;

	if (!dir)
		return 0;
	while ((entry = readdir(dir)))
		n += entry->d_name[0] != '.';
	closedir(dir);
	return n - 1; /* without the one that reads them */
}

static double boot_seconds(void)
{
	struct timespec boot, wall;

	clock_gettime(CLOCK_BOOTTIME, &boot);
	clock_gettime(CLOCK_REALTIME, &wall);
	return (double)(wall.tv_sec - boot.tv_sec) + (double)(wall.tv_nsec - boot.tv_nsec) / 1e9;
}

static void put_process(struct exporter *exporter, struct metrics *set)
{
	double hz = (double)sysconf(_SC_CLK_TCK);
	long long user, system, start, pages;

	if (!read_stat(&user, &system, &start, &pages))
		return;
	if (!exporter->start_seconds) /* once: the clock may be set meanwhile */
		exporter->start_seconds = boot_seconds() + (double)start / hz;
	put(exporter, set, OWN_RSS, NULL, (double)pages * (double)sysconf(_SC_PAGESIZE));
	put(exporter, set, OWN_CPU, NULL, (double)(user + system) / hz);
	put(exporter, set, OWN_START, NULL, exporter->start_seconds);
	put(exporter, set, OWN_FDS, NULL, count_fds());
}

static void put_series(struct exporter *exporter, struct metrics *set)
{
	for (const struct family *family = exporter->families; family; family = family->next) {
		uint64_t over = 0;

		if (family->own || !family->n_columns)
			continue;
		for (unsigned i = 0; i < family->n_columns; i++)
			over += family->columns[i]->n_over;
		put(exporter, set, OWN_SERIES, family->name, (double)family->out->series.n);
		put(exporter, set, OWN_DROPPED, family->name, (double)over);
	}
}

void own_write(struct exporter *exporter, struct metrics *set)
{
	const struct script *script;

	put(exporter, set, OWN_BUILD_INFO, JB_VERSION, 1);
	for (script = exporter->scripts; script; script = script->next)
		if (script->shown)
			put(exporter, set, OWN_UP, arena_strdup(set->arena, script->name),
			    script->run != NULL);
	put_series(exporter, set);
	put(exporter, set, OWN_SCRAPE_SECONDS, NULL, exporter->scrape_seconds);
	put(exporter, set, OWN_SCRAPES, NULL, (double)++exporter->n_scrapes);
	put_process(exporter, set);
}
