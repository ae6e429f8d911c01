/*
 * What is exported under which name and labels, what jbtrace says of itself, and both formats as others read them.
 */
#include "export_fixture.h"

static const char *messages_of(struct traced *traced, char *text, size_t room)
{
	size_t n;

	rewind(traced->messages);
	n = fread(text, 1, room - 1, traced->messages);
	text[n] = '\0';
	return text;
}

/* The later of two with one name gets its script's; declared ones become one. */
static void test_two_scripts(void **state)
{
	static const char declared[] =
		"metric \"seeks_total\" = @a { labels = (what) } metric \"size\" = @g { labels = "
		"(fd) }" PROBE "{ @a[args.whence] = count(); @g[args.fd] = args.offset; }";
	static const char other[] = "metric \"seeks_total\" = @b { labels = (what) } metric "
				    "\"size\" = @b { labels = (what), type = gauge }" PROBE
				    "{ @b[args.whence + 10 * (args.offset == 5)] = count(); }";
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced a = start(counting), b = start(counting), c = start(declared),
		      d = start(other);
	char text[512];

	(void)state;
	exporter_add(e, "a.jt", a.run);
	exporter_add(e, "dir/b.jt", b.run);
	exporter_add(e, "c", c.run);
	exporter_add(e, "d", d.run);
	seek(FD, 5, COUNT);
	seek(FD, 6, COUNT);
	assert_value(e, "jbtrace_n_total", "4000", 2);
	assert_value(e, "jbtrace_bval_n_total", "4000", 2);
	assert_value(e, "seeks_total", "0", 3); /* 2 here, 1 there */
	assert_value(e, "seeks_total", "10", 1);
	assert_value(e, "size", "4000", 6);
	assert_false(is_there(e, "size", "0"));
	assert_non_null(
		strstr(messages_of(&d, text, sizeof(text)), "another metric is called size"));
	exporter_remove(e, c.run); /* its part of the sum goes with it */
	assert_value(e, "seeks_total", "0", 1);
	exporter_remove(e, a.run);
	exporter_remove(e, b.run);
	exporter_remove(e, d.run);
	stop(&a);
	stop(&b);
	stop(&c);
	stop(&d);
	exporter_free(e);
}

static void test_values(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start(
		PROBE "{ if (args.whence == 3) { emit(\"seek\", args.fd); emit(\"seek\", args.fd); "
		      "} else {"
		      "  @name[args.fd] = comm; @avg = avg(args.offset); @size_kb = args.offset;"
		      "  @io[args.fd] = agg(n = count(), lat_us = stats(args.offset), half = n / "
		      "2, _h = count());"
		      "  @_own[args.fd] = 1; @t = (1, 2); @min[args.fd] = min(args.offset); "
		      "@task = *curtask;"
		      "  if (args.whence == 5) { @unset = max(1); } } }");
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	set = collect(e);
	assert_null(family_of(&set, "jbtrace_avg")); /* of nothing */
	assert_null(family_of(&set, "jbtrace_unset"));
	assert_float_equal(value_of(&set, "jbtrace_seek_rows_total", ""), 0, 0);
	arena_free(set.arena);
	seek(FD, 10, COUNT);
	seek(FD, 30, COUNT);
	seek(FD, 0, EMIT);
	handle(&traced, 2);
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_name_info", "4000,test_export_nam"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_avg", ""), 20, 0);
	assert_float_equal(value_of(&set, "jbtrace_size_bytes", ""), 30 * 1024, 0);
	assert_float_equal(value_of(&set, "jbtrace_io_n_total", "4000"), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_io_half", "4000"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_min", "4000"), 10, 0);
	assert_int_equal(histogram(&set, "jbtrace_io_lat_seconds", "4000")->count, 2);
	assert_float_equal(histogram(&set, "jbtrace_io_lat_seconds", "4000")->sum, 40e-6, 1e-18);
	assert_float_equal(value_of(&set, "jbtrace_seek_rows_total", ""), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_events_total", "lseek"), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_entries", "lseek,@_own"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_max_entries", "lseek,@_own"), 4096, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_full_total", "lseek,@_own"), 0, 0);
	assert_float_equal(value_of(&set, "jbtrace_lost_events_total", "lseek,lseek.jt:1 emit"), 0,
			   0);
	assert_float_equal(value_of(&set, "jbtrace_attached_probes", "lseek"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_probe_attached",
				    "lseek,tracepoint:syscalls:sys_enter_lseek"),
			   1, 0);
	assert_null(family_of(&set, "jbtrace__own"));
	assert_null(family_of(&set, "jbtrace_io__h_total"));
	assert_null(family_of(&set, "jbtrace_t"));
	assert_null(family_of(&set, "jbtrace_task_prio")); /* nor any other member */
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* Keys from the traced program may be anything; two that are written alike are one series. */
static void test_odd_labels(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start("tracepoint:syscalls:sys_enter_chdir /pid == $1/ "
				     "{ @paths[str(args.filename)] = count(); }");
	char longer[1100];
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	memset(longer, 'x', sizeof(longer));
	longer[1023] = '\0'; /* as long as a string of the script can be */
	assert_int_not_equal(chdir("/no/\"such\"\n\\ folder"), 0);
	assert_int_not_equal(chdir("/no/\xff\xfe"), 0);
	assert_int_not_equal(chdir("/no/\xfd\xfc"), 0);
	assert_int_not_equal(chdir(longer), 0);
	assert_int_not_equal(chdir("/no/\xff\xfe"), 0);
	assert_int_not_equal(chdir("/no/\\xff\\xfe"), 0);
	arena_free(collect(e).arena);
	arena_free(collect(e).arena);
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_paths_total", "/no/\"such\"\n\\ folder"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_paths_total", "/no/\\xff\\xfe"), 3, 0);
	assert_float_equal(value_of(&set, "jbtrace_paths_total", "/no/\\xfd\\xfc"), 1, 0);
	assert_float_equal(value_of(&set, "jbtrace_paths_total", longer), 1, 0);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

/* What the kernel counted: keys that a full map had no room for, divisions by zero. */
static void test_counters_of_the_kernel(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct traced traced = start("let @n = percpuhash(2); " PROBE
				     "{ @n[args.fd] = count(); @x = 1 / args.offset; }");
	struct metrics set;

	(void)state;
	exporter_add(e, "lseek.jt", traced.run);
	for (int i = 0; i < 10; i++)
		seek(FD + i / 2, i % 3, COUNT); /* 5 keys, and 0 four times */
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_map_full_total", "lseek,@n"), 6, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_entries", "lseek,@n"), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_map_max_entries", "lseek,@n"), 2, 0);
	assert_float_equal(value_of(&set, "jbtrace_warnings_total", "lseek"), 4, 0);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
}

__attribute__((noipa)) int called(int n);
__attribute__((noipa)) int called(int n)
{
	return n + 1;
}

/* Every run of a probe is a hit, whatever its predicate says; nothing is counted for those who do not export. */
static void test_hits(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	char self[256], script[512], label[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	struct traced counted, plain;

	(void)state;
	self[n > 0 ? n : 0] = '\0';
	snprintf(script, sizeof(script), "uprobe:%s:called /arg0 < 3/ { @n = count(); }", self);
	counted = start_with(script, (struct jb_options){ .count_hits = true });
	plain = start(script);
	exporter_add(e, "counted", counted.run);
	exporter_add(e, "plain", plain.run);
	for (int i = 0; i < 7; i++)
		called(i);
	snprintf(label, sizeof(label), "counted,uprobe:%s:called", self);
	assert_value(e, "jbtrace_probe_hits_total", label, 7);
	assert_value(e, "jbtrace_missed_events_total", label, 0);
	snprintf(label, sizeof(label), "plain,uprobe:%s:called", self);
	assert_false(is_there(e, "jbtrace_probe_hits_total", label));
	exporter_remove(e, counted.run);
	exporter_remove(e, plain.run);
	stop(&counted);
	stop(&plain);
	exporter_free(e);
}

static void write_file(const struct metrics *set, bool openmetrics, const char *path)
{
	struct buf text = { 0 };
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	prom_write(&text, set, openmetrics);
	fwrite(text.data, 1, text.len, file);
	fclose(file);
	buf_fini(&text);
}

static const char everything[] =
	"metric \"odd_total\" = @g { type = counter, labels = (fd), help = \"a \\\"quoted\\\" \\\\ "
	"help\\nline\" }"
	"metric \"used_bytes\" = @g { labels = (fd), help = \"Bytes.\" }" PROBE
	"{ @n[args.fd] = count(); @h_us[args.fd] = hist(args.offset); @q_ns[args.fd] = "
	"quantiles(args.offset);"
	"  @b = bhist(args.offset, 1us, 10us, 1s); @l[args.fd] = lhist(args.offset, 0, 100, 10);"
	"  @g[args.fd] = args.offset; @name[args.fd] = comm; @s = stats(args.offset);"
	"  @io[args.fd] = agg(n = count(), lat = quantiles(args.offset), half = n / 2);"
	"  @rtp[args.fd] = rtp(args.offset, args.offset * 90, 90000); emit(\"x\", args.fd); }"
	"tracepoint:syscalls:sys_enter_chdir /pid == $1/ { @paths[str(args.filename)] = count(); }";

/* Both formats as an independent reader sees them. */
static int read_back(const struct metrics *set)
{
	char folder[] = "/tmp/jbtrace-export-XXXXXX", text[64], strict[64], command[1024];
	int status;

	assert_non_null(mkdtemp(folder));
	snprintf(text, sizeof(text), "%s/text", folder);
	snprintf(strict, sizeof(strict), "%s/openmetrics", folder);
	write_file(set, false, text);
	write_file(set, true, strict);
	snprintf(command, sizeof(command),
		 "tests/e2e/exposition.py %s %s jbtrace_n_total 4000 9 jbtrace_n_total _other 24 "
		 "jbtrace_paths_total '/no/\"such\"\\n\\\\ \\\\xff folder \\xc3\\xbc' 1 "
		 "used_bytes 4000 110592 jbtrace_script_up 'a \"broken\" one\\n' 0",
		 text, strict);
	status = system(command);
	unlink(text);
	unlink(strict);
	rmdir(folder);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* Both formats as an independent reader sees them. */
static void test_parsers(void **state)
{
	struct exporter *e = exporter(3, HOUR_NS);
	struct traced traced;
	struct metrics set;
	int status;

	(void)state;
	if (access("tests/e2e/exposition.py", X_OK)) {
		print_message("skipped: tests/e2e/exposition.py is not here\n");
		exporter_free(e);
		skip();
	}
	traced = start(everything);
	exporter_add(e, "lseek.jt", traced.run);
	exporter_add_failed(e, "a \"broken\" one\n");
	for (int i = 0; i < 50; i++)
		seek(FD + i % 6, i * i * i, COUNT);
	assert_int_not_equal(chdir("/no/\"such\"\n\\ \xff folder \xc3\xbc"), 0);
	set = collect(e);
	status = read_back(&set);
	arena_free(set.arena);
	exporter_remove(e, traced.run);
	stop(&traced);
	exporter_free(e);
	if (status == 77) {
		print_message("skipped: python3-prometheus-client is not installed\n");
		skip();
	}
	assert_int_equal(status, 0);
}

static void test_failed_script(void **state)
{
	struct exporter *e = exporter(100, HOUR_NS);
	struct metrics set;

	(void)state;
	exporter_add_failed(e, "scripts/broken.jt");
	set = collect(e);
	assert_float_equal(value_of(&set, "jbtrace_script_up", "broken"), 0, 0);
	assert_float_equal(value_of(&set, "jbtrace_build_info", jb_version()), 1, 0);
	assert_true(value_of(&set, "process_resident_memory_bytes", "") > 1e6);
	assert_true(value_of(&set, "process_open_fds", "") >= 3);
	arena_free(set.arena);
	assert_value(e, "jbtrace_scrapes_total", "", 2);
	exporter_free(e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_two_scripts),   cmocka_unit_test(test_values),
		cmocka_unit_test(test_odd_labels),    cmocka_unit_test(test_counters_of_the_kernel),
		cmocka_unit_test(test_hits),	      cmocka_unit_test(test_parsers),
		cmocka_unit_test(test_failed_script),
	};

	if (jb_check_privileges(stderr)) {
		puts("skipped: tracing needs root");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
