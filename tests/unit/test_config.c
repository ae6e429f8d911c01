/* Unit tests of the configuration file: what is read from it, and what is said about mistakes, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cli/cli.h"
#include "cli/config.h"
#include "cli/config_rows.h"

/* What is said about a text; the caller frees. *good: it was taken. */
static char *told(const char *text, size_t len, bool *good)
{
	char *messages = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&messages, &size);
	struct config *config = config_parse("/etc/x.yaml", text, len, out);

	*good = config != NULL;
	config_free(config);
	fclose(out);
	return messages;
}

static void expect(const char *text, const char *want)
{
	bool good;
	char *messages = told(text, strlen(text), &good);

	assert_string_equal(messages, want);
	assert_int_equal(good, !*want);
	free(messages);
}

/* It is refused, and this is part of why. */
static void expect_part(const char *text, const char *want)
{
	bool good;
	char *messages = told(text, strlen(text), &good);

	assert_false(good);
	if (!strstr(messages, want))
		assert_string_equal(messages, want);
	free(messages);
}

static const struct config_script *script_of(const struct config_values *values, const char *name)
{
	for (unsigned i = 0; i < values->scripts.n; i++)
		if (strcmp(values->scripts.names[i], name) == 0)
			return values->scripts.values[i];
	fail();
	return NULL;
}

static void everything_is_read(void **state)
{
	static const char text[] =
		"x-mine: &names [a, \"b c\"]\n"
		"scripts:\n"
		"  plain:\n"
		"  full:\n"
		"    enabled: no\n"
		"    script: sub/x.jt\n"
		"    args: [1, two]\n"
		"    params: {clock: 90000, text: 'a b', empty: \"\"}\n"
		"    unsafe: on\n"
		"    duration: 5m\n"
		"    filters: {comm: *names, not_uid: 0}\n"
		"    output: {folder: out, gzip: true, header: false, delimiter: \";\"}\n"
		"  inside:\n"
		"    program: |\n"
		"      begin {\n"
		"      }\n"
		"defaults: {verbose: true, params: {interval: 2}}\n"
		"filters: {comm: [], follow: false}\n"
		"output: {format: text, file: /var/x.txt}\n"
		"listen: {address: 0.0.0.0, port: 9310, max_series: 5, expire: 1h, auth: {user: u, "
		"password_file: p}, tls: {certificate: c, key: /k}}\n"
		"log: {level: debug, file: ../x.log, rotation: {daily: true, size: 10MB}, keep: "
		"365}\n"
		"service: {name: mon, pid_file: /run/x.pid, watchdog: false, retry: 30s, "
		"keep_running: true}\n";
	struct config *config = config_parse("/etc/jb/x.yaml", text, strlen(text), stderr);
	const struct config_values *values;
	const struct config_script *script;

	(void)state;
	assert_non_null(config);
	values = config_values(config);
	assert_int_equal(values->scripts.n, 3);
	script = script_of(values, "plain");
	assert_null(script->script);
	assert_null(script->program);
	assert_int_equal(script->enabled, -1);
	assert_int_equal(script->settings.unsafe, -1);
	assert_int_equal(script->output->gzip, -1);
	assert_false(script->filters->comm.given);
	script = script_of(values, "full");
	assert_int_equal(script->enabled, 0);
	assert_string_equal(script->script, "/etc/jb/sub/x.jt");
	assert_int_equal(script->args.n, 2);
	assert_string_equal(script->args.list[1], "two");
	assert_int_equal(script->settings.params.n, 3);
	assert_string_equal(script->settings.params.names[1], "text");
	assert_string_equal(script->settings.params.values[0], "90000");
	assert_string_equal(script->settings.params.values[1], "a b");
	assert_string_equal(script->settings.params.values[2], "");
	assert_int_equal(script->settings.unsafe, 1);
	assert_string_equal(script->settings.duration, "5m");
	assert_int_equal(script->filters->comm.n, 2);
	assert_string_equal(script->filters->comm.list[1], "b c");
	assert_int_equal(script->filters->not_uid.n, 1);
	assert_string_equal(script->filters->not_uid.list[0], "0");
	assert_string_equal(script->output->folder, "/etc/jb/out");
	assert_string_equal(script->output->delimiter, ";");
	assert_int_equal(script->output->gzip, 1);
	assert_int_equal(script->output->header, 0);
	assert_string_equal(script_of(values, "inside")->program, "begin {\n}\n");
	assert_int_equal(values->defaults->verbose, 1);
	assert_string_equal(values->defaults->params.values[0], "2");
	assert_true(values->filters->comm.given);
	assert_int_equal(values->filters->comm.n, 0);
	assert_int_equal(values->filters->follow, 0);
	assert_string_equal(values->output->file, "/var/x.txt");
	assert_true(values->has_listen);
	assert_int_equal(values->listen->port, 9310);
	assert_int_equal(values->listen->max_series, 5);
	assert_string_equal(values->listen->auth->password_file, "/etc/jb/p");
	assert_string_equal(values->listen->tls->key, "/k");
	assert_string_equal(values->log->file, "/etc/jb/../x.log");
	assert_int_equal(values->log->rotation->daily, 1);
	assert_int_equal(values->log->keep, 365);
	assert_string_equal(values->service->name, "mon");
	assert_int_equal(values->service->watchdog, 0);
	assert_int_equal(values->service->keep_running, 1);
	config_free(config);
}

static void what_is_not_said_has_a_value(void **state)
{
	static const char text[] = "scripts: [opens, ./b/c.jt]\noutput:\nlog: ~\n";
	struct config *config = config_parse("x.yaml", text, strlen(text), stderr);
	const struct config_values *values;

	(void)state;
	assert_non_null(config);
	values = config_values(config);
	assert_int_equal(values->scripts.n, 2);
	assert_string_equal(script_of(values, "opens")->script, "opens");
	assert_string_equal(script_of(values, "c")->script, "./b/c.jt");
	assert_int_equal(script_of(values, "c")->enabled, -1);
	assert_false(values->has_listen);
	assert_int_equal(values->listen->max_series, 10000);
	assert_null(values->log->level);
	assert_int_equal(values->output->rotation->daily, -1);
	assert_int_equal(values->service->watchdog, -1);
	config_free(config);
}

static void unknown_keys_are_refused(void **state)
{
	(void)state;
	expect("scripts: [a]\noutput:\n  formt: csv\n",
	       "/etc/x.yaml:3:3: error: there is no key 'formt' here\n"
	       "    3 |   formt: csv\n"
	       "      |   ^~~~~\n"
	       "      hint: did you mean 'format'?\n");
	expect("scripts: [a]\nport: 5\n", "/etc/x.yaml:2:1: error: there is no key 'port' here\n"
					  "    2 | port: 5\n"
					  "      | ^~~~\n"
					  "      hint: it belongs into the section 'listen'\n");
	expect("scripts: [a]\nlog: {colour: red}\n",
	       "/etc/x.yaml:2:7: error: there is no key 'colour' here\n"
	       "    2 | log: {colour: red}\n"
	       "      |       ^~~~~~\n"
	       "      hint: known here: level, target, file, rotation, keep\n");
	expect("scripts: {a: {filters: {comn: x}}}\n",
	       "/etc/x.yaml:1:25: error: there is no key 'comn' here\n"
	       "    1 | scripts: {a: {filters: {comn: x}}}\n"
	       "      |                         ^~~~\n"
	       "      hint: did you mean 'comm'?\n");
}

static void wrong_values_are_refused(void **state)
{
	(void)state;
	expect("scripts: [a]\nlisten: {port: 70000}\n",
	       "/etc/x.yaml:2:16: error: 'port' wants a whole number from 0 to 65535, not '70000'\n"
	       "    2 | listen: {port: 70000}\n"
	       "      |                ^~~~~\n");
	expect_part("scripts: [a]\nlisten: {port: -1}\n", "not '-1'");
	expect_part("scripts: [a]\nlisten: {port: 010}\n", "not '010'");
	expect_part("scripts: [a]\nlisten: {port: 9e3}\n", "not '9e3'");
	expect_part("scripts: [a]\nlisten: {port: 99999999999999999999999}\n", "not '999999");
	expect_part("scripts: [a]\nlisten: {port: 1, max_series: 0}\n",
		    "a whole number from 1 to 10000000, not '0'");
	expect("scripts: {a: {enabled: maybe}}\n",
	       "/etc/x.yaml:1:24: error: 'enabled' wants true or false, not 'maybe'\n"
	       "    1 | scripts: {a: {enabled: maybe}}\n"
	       "      |                        ^~~~~\n");
	expect("scripts: [a]\nlog: {level: warnin}\n",
	       "/etc/x.yaml:2:14: error: 'level' wants debug, info, warning or error, not "
	       "'warnin'\n"
	       "    2 | log: {level: warnin}\n"
	       "      |              ^~~~~~\n"
	       "      hint: did you mean 'warning'?\n");
	expect_part("scripts: [a]\nlisten: {port: 1, expire: soon}\n",
		    "'expire' wants a time such as 10s, 5m or 7d, not 'soon'");
	expect_part("scripts: [a]\nlog: {file: x, rotation: {size: 5 parsecs}}\n",
		    "'size' wants a size such as 500KB, 100MB or 2GB, not '5 parsecs'");
	expect_part("scripts: [a]\noutput: {delimiter: ';;'}\n", "'delimiter' wants one character");
	expect_part("scripts: [a]\noutput: {format: yaml}\n",
		    "'format' wants the name of an output");
	expect_part("scripts: {a b: {}}\n", "'scripts' wants a name of letters, digits");
	expect_part("scripts: [a]\nservice: {name: ''}\n", "'name' wants a name of letters");
	expect_part("scripts: {a: {script: ''}}\n", "'script' wants a text that is not empty");
}

static void wrong_kinds_are_refused(void **state)
{
	(void)state;
	expect("scripts: [a]\nfilters: 5\n",
	       "/etc/x.yaml:2:10: error: 'filters' wants a mapping, not '5'\n"
	       "    2 | filters: 5\n"
	       "      |          ^\n");
	expect_part("scripts: [a]\noutput: {folder: [x]}\n", "'folder' wants a text, not a list");
	expect_part("scripts: [a]\noutput: {folder: {x: y}}\n",
		    "'folder' wants a text, not a mapping");
	expect_part("scripts: [a]\noutput: {folder: }\n",
		    "'folder' wants a text, but nothing stands there");
	expect_part("scripts: [a]\nfilters: {comm: {a: b}}\n", "'comm' wants texts, not a mapping");
	expect_part("scripts: [a]\nfilters: {comm: [[a]]}\n", "'comm' wants texts, not a list");
	expect_part("scripts: {a: {params: [x]}}\n", "'params' wants a mapping, not a list");
	expect_part("scripts: {a: {params: {x: [1]}}}\n", "'x' wants a text, not a list");
	expect_part("scripts: {a: 5}\n", "'a' wants a mapping with its settings, not '5'");
	expect_part("scripts: x\n", "'scripts' wants a mapping or a list, not 'x'");
	expect_part("- a\n", "a configuration is a mapping of keys to values");
	expect_part("scripts: [a]\n? [x]\n: y\n", "a key is to be a word");
}

static void keys_that_go_together(void **state)
{
	(void)state;
	expect("log: {}\n",
	       "/etc/x.yaml:1:1: error: 'scripts' names no script, so there is nothing to run\n"
	       "    1 | log: {}\n"
	       "      | ^\n"
	       "      hint: `jbtrace -m list` has the bundled ones\n");
	expect_part("scripts: []\n", "names no script");
	expect_part("scripts:\n", "names no script");
	expect_part("scripts: {}\n", "names no script");
	expect_part("scripts: {a: {script: b, program: c}}\n",
		    "'script' and 'program' exclude each other");
	expect_part("scripts: [a]\noutput: {file: x, folder: y}\n", "'file' and 'folder' exclude");
	expect_part("scripts: [a]\noutput: {gzip: true}\n", "'gzip' is for the files of a folder");
	expect_part("scripts: {a: {output: {rotation: {daily: true}}}}\n",
		    "'rotation' is for the files");
	expect("scripts: {a: {output: {gzip: true}}}\noutput: {folder: x}\n", "");
	expect_part("scripts: {a: {output: {gzip: true, file: y}}}\noutput: {folder: x}\n",
		    "'gzip' is for the files of a folder");
	expect_part("scripts: [a]\nlisten: {address: '::1'}\n", "listen: 'port' is missing");
	expect_part("scripts: [a]\nlisten: {port: 1, auth: {user: a}}\n",
		    "'user' needs 'password_file'");
	expect_part("scripts: [a]\nlisten: {port: 1, tls: {key: a}}\n",
		    "'key' needs 'certificate'");
	expect_part("scripts: [a]\nlog: {target: file}\n", "'file' is missing");
	expect_part("scripts: [a]\nlog: {target: journal, file: x}\n",
		    "but the target is 'journal'");
	expect_part("scripts: [a]\nlog: {keep: 5}\n", "'keep' needs 'file' beside it");
	expect_part("scripts: [a]\nservice: {keep_running: true}\n", "needs the section 'listen'");
	expect_part("scripts: [a]\nfilters: {follow: true}\n", "needs processes to begin with");
	expect_part("scripts: [a/b.jt, ./b.jt]\n", "two scripts are called 'b'");
}

static void said_twice(void **state)
{
	(void)state;
	expect("scripts: [a]\nlog: {}\nlog: {}\n", "/etc/x.yaml:3:1: error: 'log' is said twice\n"
						   "    3 | log: {}\n"
						   "      | ^~~\n"
						   "      hint: it stands in line 2 already\n");
	expect_part("scripts:\n  a: {}\n  a: {}\n", "'a' is said twice");
	expect_part("scripts: {a: {params: {x: 1, x: 2}}}\n", "'x' is said twice");
}

static void what_is_no_yaml(void **state)
{
	(void)state;
	expect("scripts:\n\ta: b\n",
	       "/etc/x.yaml:2:1: error: this is not YAML: found character that cannot start any "
	       "token\n"
	       "    2 |     a: b\n"
	       "      | ^\n"
	       "      hint: YAML is indented with blanks; tabs are not allowed there\n");
	expect("scripts: {a: [}\n",
	       "/etc/x.yaml:1:15: error: this is not YAML: did not find expected node content\n"
	       "    1 | scripts: {a: [}\n"
	       "      |               ^\n"
	       "      hint: while parsing a flow node that begins in line 1\n");
	expect("scripts: [a]\n---\nscripts: [b]\n",
	       "/etc/x.yaml:2:1: error: a second document begins here; a configuration is one\n"
	       "    2 | ---\n"
	       "      | ^\n");
	expect("", "jbtrace: error: /etc/x.yaml says nothing: it needs at least `scripts:` and a "
		   "name\n");
	expect_part("# only a comment\n", "says nothing");
	expect_part("scripts: *nobody\n", "found undefined alias");
	expect_part("a: \"no end\n", "this is not YAML: found unexpected end of stream");
	expect_part("\xff\xfes\0c\0", "the file is to be text in UTF-8");
	expect_part("scripts: [a]\nx-\xc3: 5\n", "the file is to be text in UTF-8");
}

/* Marks are counted in bytes, libyaml counts characters. */
static void places_behind_wide_characters(void **state)
{
	(void)state;
	expect("scripts: [a] # \xe2\x82\xac\xe2\x82\xac\noutput: {format: \"\xc3\xa4\", formt: "
	       "b}\n",
	       "/etc/x.yaml:2:18: error: 'format' wants the name of an output format (see -f in "
	       "--help), not '\xc3\xa4'\n"
	       "    2 | output: {format: \"\xc3\xa4\", formt: b}\n"
	       "      |                  ^~~\n"
	       "/etc/x.yaml:2:24: error: there is no key 'formt' here\n"
	       "    2 | output: {format: \"\xc3\xa4\", formt: b}\n"
	       "      |                       ^~~~~\n"
	       "      hint: did you mean 'format'?\n");
	expect("\xef\xbb\xbfscripts: [a]\n", "");
	expect("\xef\xbb\xbfscripts: [a]\nx: 5\n",
	       "/etc/x.yaml:2:1: error: there is no key 'x' here\n"
	       "    2 | x: 5\n"
	       "      | ^\n"
	       "      hint: known here: scripts, defaults, filters, output, listen, log, "
	       "service\n");
}

static void zero_bytes(void **state)
{
	bool good;
	char *messages = told("scripts: [a]\n\0", 14, &good);

	(void)state;
	assert_false(good);
	assert_string_equal(
		messages,
		"jbtrace: error: /etc/x.yaml is not a configuration: byte 14 of it is zero\n");
	free(messages);
}

/* Ten letters that stand for ten thousand million. */
static void aliases_that_explode(void **state)
{
	char text[2048] = "scripts: [a]\nx-a: &a [x,x,x,x,x,x,x,x,x,x]\n";

	(void)state;
	for (char c = 'b'; c < 'k'; c++)
		sprintf(text + strlen(text),
			"x-%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c - 1, c - 1,
			c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1, c - 1);
	expect_part(text, "there is too much in it");
	expect_part("scripts: [a]\nx-a: &a {b: *a}\n", "there is too much in it");
	expect_part("scripts: &a\n  x: {filters: *a}\n", "there is too much in it");
}

static void large_texts(void **state)
{
	size_t len = 1 << 20;
	char *text = malloc(len + 64), *messages;
	bool good;

	(void)state;
	/* Comments, then a key that is there. */
	memset(text, '#', len);
	for (size_t i = 80; i < len; i += 80)
		text[i - 1] = '\n';
	text[len - 1] = '\n';
	strcpy(text + len, "scripts: [a]\n");
	messages = told(text, strlen(text), &good);
	assert_string_equal(messages, "");
	assert_true(good);
	free(messages);
	/* A million brackets. */
	memset(text, '[', len);
	text[len] = '\0';
	messages = told(text, len, &good);
	assert_false(good);
	assert_non_null(strstr(messages, "more than 10000 brackets"));
	free(messages);
	/* Two hundred thousand unknown keys: the first twenty are told. */
	*text = '\0';
	for (size_t i = 0, at = 0; at + 16 < len; i++)
		at += (size_t)sprintf(text + at, "k%zu:\n", i);
	messages = told(text, strlen(text), &good);
	assert_false(good);
	assert_true(strlen(messages) < 4096);
	free(messages);
	free(text);
}

static void only_so_many_mistakes_are_told(void **state)
{
	char text[4096] = "scripts: [a]\n";
	bool good;
	char *messages;
	int n = 0;

	(void)state;
	for (int i = 0; i < 100; i++)
		sprintf(text + strlen(text), "qqq%d: 1\n", i);
	messages = told(text, strlen(text), &good);
	for (const char *at = messages; (at = strstr(at, "there is no key")); at++)
		n++;
	assert_int_equal(n, 20);
	assert_non_null(strstr(messages, "error: stopped after 20 errors\n"));
	free(messages);
}

static void more_entries_than_there_may_be(void **state)
{
	char text[8192] = "scripts: {";

	(void)state;
	for (int i = 0; i < 65; i++)
		sprintf(text + strlen(text), "s%d: {}, ", i);
	strcat(text, "}\n");
	expect_part(text, "'scripts' may have 64 entries, and this are 65");
	strcpy(text, "scripts: {a: {params: {");
	for (int i = 0; i < 257; i++)
		sprintf(text + strlen(text), "p%d: 1, ", i);
	strcat(text, "}}}\n");
	expect_part(text, "'params' may have 256 entries, and this are 257");
}

static void units(void **state)
{
	static const struct {
		const char *text;
		uint64_t value;
	} times[] = { { "5", 5000000000 },	{ "5s", 5000000000 },	   { "500ms", 500000000 },
		      { "1.5s", 1500000000 },	{ "2m", 120000000000 },	   { "1h", 3600000000000 },
		      { "1d", 86400000000000 }, { "1w", 604800000000000 }, { "7us", 7000 } },
	  sizes[] = { { "5", 5 },
		      { "1K", 1024 },
		      { "1.5KB", 1536 },
		      { "2MB", 2097152 },
		      { "1GiB", 1073741824 } };
	static const char *const bad[] = { "",	  "s",	 "-5s",	   "0",	    "5 s", "5x",
					   "nan", "inf", "1e400s", "1e30s", "0x10" };
	uint64_t value;

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(*times); i++) {
		assert_true(parse_time(times[i].text, &value));
		assert_int_equal(value, times[i].value);
	}
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		assert_true(parse_size(sizes[i].text, &value));
		assert_int_equal(value, sizes[i].value);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		if (strcmp(bad[i], "0x10"))
			assert_false(parse_time(bad[i], &value));
		assert_false(parse_size(bad[i], &value) && strcmp(bad[i], "0x10"));
	}
}

/* The help has every key, and nothing in the schema is without a sentence. */
static void rows_are_complete(const struct config_row *rows)
{
	for (const struct config_row *row = rows; row->key; row++) {
		assert_non_null(row->help);
		assert_true(row->kind != CONFIG_COUNT || row->max > row->min);
		assert_true((row->kind != CONFIG_TEXTS && row->kind != CONFIG_NAMED) || row->max);
		assert_int_equal(row->kind == CONFIG_CHOICE, row->choices != NULL);
		assert_true(!row->rows || row->size);
		for (const struct config_row *other = rows; other < row; other++)
			assert_string_not_equal(other->key, row->key);
		if (row->rows)
			rows_are_complete(row->rows);
	}
}

static void every_key_has_help(void **state)
{
	(void)state;
	rows_are_complete(config_rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_read),
		cmocka_unit_test(what_is_not_said_has_a_value),
		cmocka_unit_test(unknown_keys_are_refused),
		cmocka_unit_test(wrong_values_are_refused),
		cmocka_unit_test(wrong_kinds_are_refused),
		cmocka_unit_test(keys_that_go_together),
		cmocka_unit_test(said_twice),
		cmocka_unit_test(what_is_no_yaml),
		cmocka_unit_test(places_behind_wide_characters),
		cmocka_unit_test(zero_bytes),
		cmocka_unit_test(aliases_that_explode),
		cmocka_unit_test(large_texts),
		cmocka_unit_test(only_so_many_mistakes_are_told),
		cmocka_unit_test(more_entries_than_there_may_be),
		cmocka_unit_test(units),
		cmocka_unit_test(every_key_has_help),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
