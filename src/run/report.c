/*
 * What a run says to the user besides the script's own output: errors and warnings with their place in the script,
 * lost events, full maps. Counts come from the kernel's per-CPU array of counters.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

#include "run/internal.h"

static struct record_place place_of(const struct run *run, struct span span)
{
	struct location at = { 0 };

	if (span.end > span.begin && run->plan->diags)
		at = diag_locate(run->plan->diags, span.begin);
	return (struct record_place){ .file = at.source ? at.source->name : NULL,
				      .line = at.line,
				      .column = at.column };
}

static void record_message(struct run *run, struct span span, const char *source, const char *text)
{
	struct record record = { .kind = RECORD_MESSAGE,
				 .source = source,
				 .text = text,
				 .len = (uint32_t)strlen(text),
				 .place = place_of(run, span) };

	out_record(&run->out, &record);
}

/* The message as a diagnostic with its line of the script; without a span as a plain line. */
static void print_diag(struct run *run, enum diag_level level, struct span span, const char *text)
{
	struct diags *diags = run->plan->diags;

	if (span.end <= span.begin) {
		fprintf(run->options.messages, "jbtrace: %s: %s\n",
			level == DIAG_ERROR ? "error" : "warning", text);
	} else {
		diag_clear(diags);
		if (level == DIAG_ERROR)
			diag_error(diags, span, "%s", text);
		else
			diag_warn(diags, span, "%s", text);
		diag_print(diags, run->options.messages);
		diag_clear(diags);
	}
	fflush(run->options.messages);
}

/* Where messages are part of the output, errors are told in both ways: they end the run, and somebody looks for why. */
static void report(struct run *run, enum diag_level level, const char *source, struct span span,
		   const char *fmt, va_list ap)
{
	bool recorded = out_takes_messages(&run->out);
	struct buf text = { 0 };
	va_list copy;
	int n;

	va_copy(copy, ap);
	n = vsnprintf(NULL, 0, fmt, copy);
	va_end(copy);
	vsnprintf(buf_room(&text, (size_t)n + 1), (size_t)n + 1, fmt, ap);
	text.len = (size_t)n;
	if (recorded)
		record_message(run, span, source, text.data);
	if (!recorded || level == DIAG_ERROR)
		print_diag(run, level, span, text.data);
	buf_fini(&text);
}

void run_message(struct run *run, struct span span, const char *source, const char *level,
		 const char *text)
{
	const struct plan *plan = run->plan;
	FILE *messages = run->options.messages;
	struct location begin, end;

	if (out_takes_messages(&run->out)) {
		record_message(run, span, source, text);
		return;
	}
	if (!plan->diags || span.end <= span.begin) {
		fprintf(messages, "%s: %s\n", level, text);
		return;
	}
	begin = diag_locate(plan->diags, span.begin);
	end = diag_locate(plan->diags, span.end);
	fprintf(messages, "%s:%u:%u-%u: %s: %s\n", begin.source ? begin.source->name : "?",
		begin.line, begin.column, end.column, level, text);
}

void report_attached(struct run *run)
{
	struct record record = { .kind = RECORD_ATTACHED, .count = run->n_attached };

	if (run->options.quiet)
		return;
	if (out_takes_messages(&run->out)) {
		out_record(&run->out, &record);
		return;
	}
	fprintf(run->options.messages, "Attached %u probe%s\n", run->n_attached,
		run->n_attached == 1 ? "" : "s");
	fflush(run->options.messages);
}

void report_error(struct run *run, struct span span, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(run, DIAG_ERROR, "error", span, fmt, ap);
	va_end(ap);
}

void report_warning(struct run *run, struct span span, const char *fmt, ...)
{
	va_list ap;

	if (!run->options.warnings)
		return;
	va_start(ap, fmt);
	report(run, DIAG_WARNING, "warning", span, fmt, ap);
	va_end(ap);
}

/* What went wrong in the kernel while the script ran. */
static void __attribute__((format(printf, 3, 4)))
report_runtime(struct run *run, struct span span, const char *fmt, ...)
{
	va_list ap;

	if (!run->options.warnings)
		return;
	va_start(ap, fmt);
	report(run, DIAG_WARNING, "runtime_error", span, fmt, ap);
	va_end(ap);
}

void report_plain(struct run *run, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	report(run, DIAG_ERROR, "error", (struct span){ 0, 0 }, fmt, ap);
	va_end(ap);
}

void run_error(struct run *run, struct span span, const char *fmt, ...)
{
	va_list ap;

	/* missing_probes: 0 error, 1 warn, 2 ignore. */
	if (run->plan->missing_probes == 2 && !run->options.verbose)
		return;
	va_start(ap, fmt);
	if (run->plan->missing_probes)
		report(run, DIAG_WARNING, "warning", span, fmt, ap);
	else
		report(run, DIAG_ERROR, "error", span, fmt, ap);
	va_end(ap);
}

void report_read(struct run *run)
{
	const uint64_t *cpu = run->per_cpu;

	if (run->counters_fd < 0)
		return;
	for (uint32_t i = 0; i < run->plan->counters.n; i++) {
		if (bpf_map_lookup_elem(run->counters_fd, &i, run->per_cpu))
			continue;
		run->counters[i].n = 0;
		for (unsigned c = 0; c < run->n_cpus; c++)
			run->counters[i].n += cpu[c];
	}
}

static void tell_lost(struct run *run)
{
	uint64_t n = 0;

	for (size_t i = 0; i < run->plan->counters.n; i++) {
		if (run->plan->counters.data[i].kind != COUNTER_LOST)
			continue;
		n += run->counters[i].n - run->counters[i].told;
		run->counters[i].told = run->counters[i].n;
	}
	if (!n)
		return;
	if (out_takes_messages(&run->out)) {
		out_record(&run->out, &(struct record){ .kind = RECORD_LOST, .count = n });
		return;
	}
	fprintf(run->options.messages, "Lost %llu events\n", (unsigned long long)n);
	fflush(run->options.messages);
}

static bool is_warning(enum counter_kind kind)
{
	return kind == COUNTER_MAP_FULL || kind == COUNTER_RUNTIME;
}

void report_counters(struct run *run)
{
	report_read(run);
	tell_lost(run);
	for (size_t i = 0; i < run->plan->counters.n; i++) {
		const struct plan_counter *counter = &run->plan->counters.data[i];
		struct run_counter *seen = &run->counters[i];

		if (!is_warning(counter->kind) || seen->told || !seen->n)
			continue;
		seen->told = seen->n;
		report_runtime(run, counter->span, "%s", counter->text);
	}
}

static void total_lost_at(struct run *run, const struct plan_counter *counter, uint64_t n)
{
	const struct plan *plan = run->plan;
	const struct builtin *fn =
		counter->site < plan->sites.n ? plan->sites.data[counter->site].fn : NULL;
	const char *name = fn ? fn->name : "event";

	if (out_takes_messages(&run->out))
		report_warning(run, counter->span, "%s lost %llu", name, (unsigned long long)n);
	else
		fprintf(run->options.messages, "  %s: %s lost %llu\n",
			diag_where(plan->diags, counter->span), name, (unsigned long long)n);
}

/* Which calls lost how many. */
static void total_lost(struct run *run)
{
	const struct plan *plan = run->plan;
	uint64_t n = 0;

	for (size_t i = 0; i < plan->counters.n; i++)
		if (plan->counters.data[i].kind == COUNTER_LOST)
			n += run->counters[i].n;
	if (!n)
		return;
	if (!out_takes_messages(&run->out))
		fprintf(run->options.messages, "WARNING: Total lost event count: %llu\n",
			(unsigned long long)n);
	for (size_t i = 0; i < plan->counters.n; i++)
		if (plan->counters.data[i].kind == COUNTER_LOST && run->counters[i].n)
			total_lost_at(run, &plan->counters.data[i], run->counters[i].n);
}

/* The kernel runs no probe inside another one on the same processor, and counts what it leaves out (Linux 5.12). */
static void total_missed(struct run *run)
{
	const struct plan_probe *probe;

	vec_each (probe, &run->plan->probes) {
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);
		int fd = run_program_fd(run, probe->program);

		if (fd < 0 || bpf_obj_get_info_by_fd(fd, &info, &len) || !info.recursion_misses)
			continue;
		report_warning(run, probe->span,
			       "%llu events were missed: they came while another probe ran on the "
			       "same processor",
			       (unsigned long long)info.recursion_misses);
	}
}

/* A probe of which nothing is attached; that the kernel cannot probe some functions of a glob is another matter. */
static bool is_missing(const struct run *run, const struct plan_probe *probe)
{
	for (unsigned i = 0; i < probe->n_targets; i++)
		if (!run->left_out[probe->targets[i]->id])
			return false;
	return probe->n_targets > 0 && probe->role == 0;
}

void run_status(const struct run *run, struct run_status *status)
{
	const struct plan_probe *probe;

	*status = (struct run_status){ .probes = run->n_attached };
	for (size_t i = 0; i < run->plan->sites.n; i++)
		status->events += run->site_events[i];
	for (size_t i = 0; i < run->plan->counters.n; i++)
		if (run->plan->counters.data[i].kind == COUNTER_LOST)
			status->lost += run->counters[i].n;
	if (run->plan->missing_probes == 2)
		return;
	status->missing = (unsigned)run->plan->missing.n;
	vec_each (probe, &run->plan->probes)
		status->missing += is_missing(run, probe) ? probe->n_targets : 0;
}

/* "kprobe:f and 3 more: served by fentry: ..." */
void report_choice(struct run *run, const struct plan_probe *probe)
{
	FILE *messages = run->options.messages;

	if (run->options.quiet || out_takes_messages(&run->out) || !probe->n_targets)
		return;
	fprintf(messages, "%s", probe->targets[0]->name);
	if (probe->n_targets > 1)
		fprintf(messages, " and %u more", probe->n_targets - 1);
	fprintf(messages, ": %s\n", probe->why);
	fflush(messages);
}

static void report_choices(struct run *run)
{
	const struct plan_probe *probe;

	vec_each (probe, &run->plan->probes)
		if (probe->why && run->options.warnings)
			report_choice(run, probe);
}

void report_totals(struct run *run)
{
	report_choices(run);
	report_read(run);
	tell_lost(run);
	total_lost(run);
	total_missed(run);
	for (size_t i = 0; i < run->plan->counters.n; i++) {
		const struct plan_counter *counter = &run->plan->counters.data[i];
		const struct run_counter *seen = &run->counters[i];
		unsigned long long n = seen->n;

		if (counter->kind == COUNTER_UNPAIRED && n && run->options.verbose)
			report_warning(run, counter->span,
				       "%llu returns had no entry and were left out", n);
		if (!is_warning(counter->kind) || n == seen->told)
			continue;
		if (n == 1)
			report_runtime(run, counter->span, "%s", counter->text);
		else
			report_runtime(run, counter->span, "%s (%llu times)", counter->text, n);
	}
	if (run->bad_records)
		report_warning(run, (struct span){ 0, 0 },
			       "%llu event records were malformed and left out",
			       (unsigned long long)run->bad_records);
	fflush(run->options.messages);
}
