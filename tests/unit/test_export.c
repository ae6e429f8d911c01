/*
 * Series over time: what is cleared, deleted, started anew; buckets and their bounds; the limit; processes that have gone.
 */
#include "export_fixture.h"

/* Whatever the script clears or deletes and however often it is started anew, the numbers only grow, and are right. */
static void test_monotonic(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(counting);
	const char *n = "jbtrace_n_total", *label = "4000";
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int i = 0; i < 10; i++)
		seek(FD, 1 << i, COUNT);
	assert_value(e, n, label, 10);
	seek(FD, 0, CLEAR);
	handle(&traced, 2);
	assert_value(e, n, label, 10);
	seek(FD, 100, COUNT);
	assert_value(e, n, label, 11);
	seek(FD, 0, DELETE);
	assert_value(e, n, label, 11); /* seen as gone */
	seek(FD, 100, COUNT);
	seek(FD, 100, COUNT);
	seek(FD, 100, COUNT);
	assert_value(e, n, label, 14);

	seek(FD, 100, COUNT);
	seek(FD, 100, COUNT); /* after the last look, before the end */
	exporter_remove(e, traced.run);
	stop(&traced);
	assert_false(is_there(e, n, label));
	assert_value(e, "jbtrace_script_up", "lseek", 0);
	exporter_forget(e, "lseek.jt");
	assert_false(is_there(e, "jbtrace_script_up", "lseek"));
	traced = start(counting);
	exporter_add(e, "lseek.jt", traced.run);
	assert_value(e, n, label, 16);
	assert_value(e, "jbtrace_script_up", "lseek", 1);
	seek(FD, 3, COUNT);
	set = collect(e);
	assert_float_equal(value_of(&set, n, label), 17, 0);
	assert_int_equal(histogram(&set, "jbtrace_hval", label)->count, 17);
	assert_float_equal(histogram(&set, "jbtrace_hval", label)->sum, 1023 + 6 * 100 + 3, 0);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* A key that was deleted and came back between two looks. */
static void test_deleted_unseen(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced =
		start(PROBE "{ if (args.whence == 1) { delete(@n, args.fd); delete(@h, args.fd); }"
			    "  else { @n[args.fd] = count(); @h[args.fd] = hist(args.offset); } }");
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int i = 0; i < 5; i++)
		seek(FD, 100, COUNT);
	assert_value(e, "jbtrace_n_total", "4000", 5);
	seek(FD, 0, DELETE);
	seek(FD, 1, COUNT);
	seek(FD, 1, COUNT);
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_n_total", "4000"), 7, 0);
	assert_int_equal(histogram(&set, "jbtrace_hval", "4000")->count, 7);
	assert_float_equal(histogram(&set, "jbtrace_hval", "4000")->sum, 502, 0);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

static int64_t numbers[3000];

/* So many of the first n numbers are at most this. */
static uint64_t at_most(double bound, size_t n)
{
	uint64_t count = 0;

	for (size_t i = 0; i < n; i++)
		count += (double)numbers[i] <= bound;
	return count;
}

static void make_numbers(void)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < N(numbers); i++) {
		seed = seed * 1664525u + 1013904223u;
		numbers[i] = i < 40 ? (int64_t)i : (int64_t)((seed >> 8) >> (seed % 22));
	}
}

/* Every bucket holds what its bound says; `scale`: of the metric. */
static void check_buckets(const struct metrics *set, const char *name, const char *labels, size_t n,
			  double scale, unsigned least)
{
	const struct metric_series *series = histogram(set, name, labels);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += (double)numbers[i];
	assert_int_equal(series->count, n);
	assert_float_equal(series->sum, sum * scale, sum * scale * 1e-12);
	assert_in_range(series->n_buckets, least, 1100);
	for (unsigned i = 0; i < series->n_buckets; i++) {
		double bound = rint(series->buckets[i].le / scale);

		if (i)
			assert_true(series->buckets[i].le > series->buckets[i - 1].le);
		assert_int_equal(series->buckets[i].count, at_most(bound, n));
	}
}

static void check_same_bounds(const struct metrics *set, const char *name)
{
	const struct metric_family *family = family_of(set, name);

	for (size_t i = 1; i < family->series.n; i++) {
		const struct metric_series *a = &family->series.data[0];
		const struct metric_series *b = &family->series.data[i];

		assert_int_equal(a->n_buckets, b->n_buckets);
		for (unsigned k = 0; k < a->n_buckets; k++)
			assert_float_equal(a->buckets[k].le, b->buckets[k].le, 0);
	}
}

static const char *const histograms[] = { "jbtrace_log", "jbtrace_fine", "jbtrace_lin_seconds",
					  "jbtrace_q_seconds", "jbtrace_bval" };
static const char measuring[] =
	PROBE "{ @log[args.fd] = hist(args.offset); @fine[args.fd] = hist(args.offset, 3);"
	      "  @lin_us[args.fd] = lhist(args.offset, 0, 1000, 10);"
	      "  @q_ns[args.fd] = quantiles(args.offset); @b[args.fd] = bhist(args.offset, 5, 100, "
	      "5000); }";

static void test_histograms(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(measuring);
	unsigned n_bounds[N(histograms)];
	struct metrics set;

	(void)state;
	make_numbers();
	exporter_add(e, "lseek.jt", traced.run);
	for (size_t i = 0; i < N(numbers); i++)
		seek(FD, numbers[i], COUNT);
	seek(FD + 1, numbers[0], COUNT);
	set = collect(e);
	check_buckets(&set, histograms[0], "4000", N(numbers), 1, 20);
	check_buckets(&set, histograms[1], "4000", N(numbers), 1, 100);
	check_buckets(&set, histograms[2], "4000", N(numbers), 1e-6, 90);
	check_buckets(&set, histograms[3], "4000", N(numbers), 1e-9, 60);
	check_buckets(&set, histograms[4], "4000", N(numbers), 1, 3);
	assert_int_equal(histogram(&set, histograms[4], "4000")->n_buckets, 3);
	for (size_t i = 0; i < N(histograms); i++) {
		check_buckets(&set, histograms[i], "4001", 1, i == 2 ? 1e-6 : i == 3 ? 1e-9 : 1, 3);
		check_same_bounds(&set, histograms[i]);
		n_bounds[i] = histogram(&set, histograms[i], "4001")->n_buckets;
	}
	arena_free(set.arena);

	/* Started anew with one small number: no bound is missed, nothing is forgotten. */
	exporter_remove(e, traced.run);
	stop(&traced);
	traced = start(measuring);
	exporter_add(e, "lseek.jt", traced.run);
	seek(FD + 2, numbers[0], COUNT);
	set = collect(e);
	for (size_t i = 0; i < N(histograms); i++) {
		check_buckets(&set, histograms[i], "4000", N(numbers),
			      i == 2   ? 1e-6
			      : i == 3 ? 1e-9
				       : 1,
			      3);
		check_buckets(&set, histograms[i], "4002", 1, i == 2 ? 1e-6 : i == 3 ? 1e-9 : 1, 3);
		assert_int_equal(histogram(&set, histograms[i], "4002")->n_buckets, n_bounds[i]);
	}
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* Between the buckets of two far numbers lie all others, so that a later one brings no new bound. */
static void test_no_gaps(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(measuring);
	unsigned n_bounds[N(histograms)];
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	seek(FD, 3, COUNT);
	seek(FD + 1, 900, COUNT);
	set = collect(e);
	for (size_t i = 0; i < N(histograms); i++)
		n_bounds[i] = histogram(&set, histograms[i], "4000")->n_buckets;
	arena_free(set.arena);
	for (int i = 4; i < 900; i++)
		seek(FD + 2, i, COUNT);
	set = collect(e);
	for (size_t i = 0; i < N(histograms); i++)
		assert_int_equal(histogram(&set, histograms[i], "4000")->n_buckets, n_bounds[i]);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

static const char many[] = PROBE
	"{ if (args.whence == 1) { delete(@n, args.fd); } else {"
	"  @n[args.fd] = count(); @h[args.fd] = hist(args.offset); @g[args.fd] = args.offset; } }";

/* At most so many series; the rest in one, of which nothing is lost, and who is in stays in. */
static void test_limit(void **state)
{
	struct exporter *e = exporter(5, HOUR_NS);
	struct traced traced = start(many);
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int fd = 0; fd < 5; fd++)
		seek(FD + fd, 1, COUNT);
	assert_false(is_there(e, "jbtrace_n_total", "_other"));
	for (int fd = 0; fd < 20; fd++)
		for (int i = 0; i <= fd; i++)
			seek(FD + fd, fd, COUNT);
	set = collect(e);
	assert_int_equal(family_of(&set, "jbtrace_n_total")->series.n, 6);
	for (int fd = 0; fd < 5; fd++) {
		char label[8];

		snprintf(label, sizeof(label), "%d", FD + fd);
		assert_float_equal(value_of(&set, "jbtrace_n_total", label), fd + 2, 0);
	}
	assert_float_equal(value_of(&set, "jbtrace_n_total", "_other"), 20 * 21 / 2 - 15, 0);
	assert_int_equal(histogram(&set, "jbtrace_hval", "_other")->count, 20 * 21 / 2 - 15);
	assert_int_equal(family_of(&set, "jbtrace_g")->series.n, 5);
	assert_null(series_of(&set, "jbtrace_g", "_other"));
	assert_float_equal(value_of(&set, "jbtrace_series_dropped", "jbtrace_g"), 15, 0);
	assert_float_equal(value_of(&set, "jbtrace_series_dropped", "jbtrace_n_total"), 15, 0);
	assert_float_equal(value_of(&set, "jbtrace_series", "jbtrace_n_total"), 6, 0);
	arena_free(set.arena);

	/* What is deleted stays in the sum, and so does what is forgotten because many keys went. */
	for (int fd = 0; fd < 20; fd++)
		seek(FD + fd, 0, DELETE);
	assert_value(e, "jbtrace_n_total", "_other", 20 * 21 / 2 - 15);
	for (int round = 1; round < 4; round++) {
		double total = 0;

		for (int fd = 0; fd < 10; fd++) {
			seek(FD + round * 100 + fd, 1, COUNT);
			seek(FD + round * 100 + fd, 1, DELETE);
			seek(FD + round * 100 + fd, 1, COUNT);
		}
		set = collect(e);
		for (size_t i = 0; i < family_of(&set, "jbtrace_n_total")->series.n; i++)
			total += family_of(&set, "jbtrace_n_total")->series.data[i].value;
		assert_float_equal(total, 20 * 21 / 2 + 5 + round * 10, 0);
		arena_free(set.arena);
		for (int fd = 0; fd < 10; fd++)
			seek(FD + round * 100 + fd, 0, DELETE);
	}
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* A key that is called as the overflow is: both are one series, whichever was there first, and it never falls. */
static void test_key_other(void **state)
{
	static const char script[] =
		PROBE "{ if (args.whence == 1) { delete(@n, \"_other\"); } else {"
		      "  $k = args.fd == 4000 ? \"_other\" : args.fd == 4001 ? \"a\" : args.fd == "
		      "4002 ? \"b\" : \"c\";"
		      "  @n[$k] = count(); @h[$k] = hist(args.offset); @g[$k] = args.offset; } }";
	struct exporter *e = exporter(2, HOUR_NS);
	struct traced traced = start(script);
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int i = 0; i < 3; i++)
		seek(FD, 7, COUNT);
	assert_value(e, "jbtrace_n_total", "_other", 3);
	assert_value(e, "jbtrace_g", "_other", 7);
	assert_value(e, "jbtrace_series_dropped", "jbtrace_n_total", 0);
	for (int fd = 1; fd < 4; fd++)
		for (int i = 0; i < 10 * fd; i++)
			seek(FD + fd, 1, COUNT);
	set = collect(e);
	/* Two of a, b and c have places, and the third one is with the real _other. */
	assert_int_equal(family_of(&set, "jbtrace_n_total")->series.n, 3);
	assert_float_equal(value_of(&set, "jbtrace_n_total", "_other"), 13, 0);
	assert_int_equal(histogram(&set, "jbtrace_hval", "_other")->count, 13);
	assert_float_equal(value_of(&set, "jbtrace_series_dropped", "jbtrace_n_total"), 1, 0);
	arena_free(set.arena);
	seek(FD, 0, DELETE);
	assert_value(e, "jbtrace_n_total", "_other", 13);
	seek(FD, 7, COUNT);
	assert_value(e, "jbtrace_n_total", "_other", 14);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* A child whose calls are counted under its pid. */
static pid_t spawn(int n)
{
	pid_t pid = fork();

	if (!pid) {
		for (int i = 0; i < n; i++)
			seek(FD, 1, COUNT);
		_exit(0);
	}
	assert_true(pid > 0);
	return pid;
}

static size_t count_keys(struct traced *traced)
{
	struct value value;
	size_t n;

	assert_int_equal(run_read_map(traced->run, traced->run->plan->maps.data[0], &value), 0);
	n = value.len;
	arena_reset(run_scratch(traced->run));
	return n;
}

static void test_expiry(void **state)
{
	struct exporter *soon = exporter(100, 1), *late = exporter(100, HOUR_NS);
	struct traced traced = start("tracepoint:syscalls:sys_enter_lseek /args.fd >= 4000/ { "
				     "@n[pid, comm] = count(); }");
	char label[64], own[64];
	pid_t pid;

	(void)state;
	exporter_add(late, "lseek.jt", traced.run);
	seek(FD, 1, COUNT);
	pid = spawn(7);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	snprintf(label, sizeof(label), "%d,test_export", pid);
	snprintf(own, sizeof(own), "%d,test_export", getpid());
	assert_value(late, "jbtrace_n_total", label, 7);
	assert_value(late, "jbtrace_n_total", own, 1);
	assert_int_equal(count_keys(&traced), 2);

	/* The other one drops it: from its export, and from the map. */
	exporter_add(soon, "lseek.jt", traced.run);
	assert_true(is_there(soon, "jbtrace_n_total", own));
	assert_false(is_there(soon, "jbtrace_n_total", label));
	assert_value(soon, "jbtrace_n_total", own, 1);
	assert_int_equal(count_keys(&traced), 1);
	assert_value(late, "jbtrace_n_total", label, 7); /* it has not expired here */
	exporter_free(soon);
	exporter_remove(late, traced.run);
	exporter_free(late);
	stop(&traced);
}

/* Sums that shrink because something negative is added stay at what they had reached. */
static void test_negative_sum(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(
		PROBE "{ @s = sum((int64)args.offset); @k[args.fd] = sum((int64)args.offset); }");

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	seek(FD, 100, COUNT);
	assert_value(e, "jbtrace_sval_total", "", 100);
	seek(FD, -40, COUNT);
	assert_value(e, "jbtrace_sval_total", "", 100);
	assert_value(e, "jbtrace_k_total", "4000", 100);
	seek(FD, 50, COUNT);
	assert_value(e, "jbtrace_sval_total", "", 110);
	assert_value(e, "jbtrace_k_total", "4000", 110);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_monotonic),  cmocka_unit_test(test_deleted_unseen),
		cmocka_unit_test(test_histograms), cmocka_unit_test(test_no_gaps),
		cmocka_unit_test(test_limit),	   cmocka_unit_test(test_key_other),
		cmocka_unit_test(test_expiry),	   cmocka_unit_test(test_negative_sum),
	};

	if (jb_check_privileges(stderr)) {
		puts("skipped: tracing needs root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
