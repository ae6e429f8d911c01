/*
 * The command line: where the script comes from, the child of -c, signals, exit codes. Everything else is
 * behind jbtrace.h.
 *
 * Exit codes: 0 or what the script gave to exit(); 1 for mistakes in usage or script; 255 when loading or attaching
 * fails.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

#define STEP_MS 100
/* Above every process number: what `cpid` is while the command of -c is not started. */
#define NO_CHILD 4194304

/* The only state that a signal handler can reach: how many requests to stop have come. */
static volatile int stop_requests;

static void on_stop(int number)
{
	(void)number;
	if (stop_requests++)
		_exit(128 + SIGINT);
}

/* The words after `--` are options of the script: "--name=value". */
static int take_named(struct cli *cli, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		if (cli->compile.n_named == PARAMS_MAX)
			return complain("more than %d script options", PARAMS_MAX);
		cli->named[cli->compile.n_named++] = argv[i] + strspn(argv[i], "-");
	}
	cli->compile.named = cli->named;
	return 0;
}

static int take_params(struct cli *cli, int argc, char **argv)
{
	if (argc > PARAMS_MAX)
		return complain("more than %d parameters", PARAMS_MAX);
	for (int i = 0; i < argc; i++)
		cli->params[i] = argv[i];
	cli->compile.params = cli->params;
	cli->compile.n_params = (unsigned)argc;
	return 0;
}

/* --- the script's text --- */

struct text {
	const char *name;
	char *bytes; /* heap */
	size_t len;
};

static int read_all(FILE *file, struct text *text)
{
	size_t room = 0, n;

	do {
		if (room - text->len < 4096) {
			char *more = realloc(text->bytes, room = room ? room * 2 : 16384);

			if (!more)
				return complain("out of memory");
			text->bytes = more;
		}
		n = fread(text->bytes + text->len, 1, room - text->len - 1, file);
		text->len += n;
	} while (n);
	text->bytes[text->len] = '\0';
	return ferror(file) ? complain("cannot read '%s': %s", text->name, strerror(errno)) : 0;
}

static int read_path(const char *path, struct text *text)
{
	struct stat st;
	FILE *file = fopen(path, "re");
	int err;

	text->name = path;
	if (!file)
		return complain("cannot open '%s': %s", path, strerror(errno));
	if (fstat(fileno(file), &st) == 0 && S_ISDIR(st.st_mode))
		err = complain("'%s' is a directory", path);
	else
		err = read_all(file, text);
	fclose(file);
	return err;
}

static int copy_text(struct text *text, const char *name, const char *from, size_t len)
{
	text->name = name;
	text->bytes = malloc(len + 1);
	if (!text->bytes)
		return complain("out of memory");
	memcpy(text->bytes, from, len);
	text->bytes[len] = '\0';
	text->len = len;
	return 0;
}

/* Where the script lies when the program stands in its build folder inside the source tree; false: it does not. */
static bool path_in_tree(const char *name, char *path, size_t room)
{
	char exe[4096];
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	char *slash;

	if (n <= 0)
		return false;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return false;
	*slash = '\0';
	if ((size_t)snprintf(path, room, "%s/../src/jbtrace.h", exe) >= room || access(path, R_OK))
		return false;
	return (size_t)snprintf(path, room, "%s/../scripts/%s.jt", exe, name) < room &&
	       access(path, R_OK) == 0;
}

static int read_bundled(const char *name, struct text *text)
{
	char path[4200];
	const char *inside, *nearest = NULL;
	size_t len;
	int err;

	if (path_in_tree(name, path, sizeof(path)) ||
	    ((size_t)snprintf(path, sizeof(path), "%s/scripts/%s.jt", JB_DATADIR, name) <
		     sizeof(path) &&
	     access(path, R_OK) == 0)) {
		err = read_path(path, text);
		text->name = name;
		return err;
	}
	inside = jb_bundled(name, &len, &nearest);
	if (inside)
		return copy_text(text, name, inside, len);
	if (nearest)
		return complain("there is no file and no bundled script '%s'; did you mean '%s'?",
				name, nearest);
	return complain("there is no file and no bundled script '%s'", name);
}

/* From -e, or from the first word, which is then taken away from the parameters. */
static int read_script(struct cli *cli, int *argc, char ***argv, struct text *text)
{
	const char *word;
	int err;

	if (cli->program) {
		err = copy_text(text, "stdin", cli->program, strlen(cli->program));
	} else if (!*argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	} else {
		word = *(*argv)++;
		(*argc)--;
		if (strcmp(word, "-") == 0) {
			text->name = "stdin";
			err = read_all(stdin, text);
		} else if (strpbrk(word, "/.") || access(word, F_OK) == 0) {
			err = read_path(word, text);
		} else {
			err = read_bundled(word, text);
		}
	}
	if (!err && text->bytes && strspn(text->bytes, " \t\r\n") == text->len)
		err = complain("the script is empty");
	return err;
}

/* --- the child of -c --- */

/* Split like a shell does without expansions: blanks, '...', "...", backslash. Words lie in `room`. */
static int split_words(const char *command, char *room, char **words, int max)
{
	int n = 0;
	char quote;

	for (;;) {
		command += strspn(command, " \t\n");
		if (!*command)
			return words[n] = NULL, n;
		if (n == max - 1)
			return complain("-c: too many words"), -1;
		words[n++] = room;
		for (quote = 0; *command && (quote || !strchr(" \t\n", *command)); command++) {
			if (quote ? *command == quote : *command == '\'' || *command == '"') {
				quote = quote ? 0 : *command;
				continue;
			}
			if (*command == '\\' && quote != '\'' && command[1])
				command++;
			*room++ = *command;
		}
		*room++ = '\0';
		if (quote)
			return complain("-c: a %c is missing", quote), -1;
	}
}

static bool is_program(const char *word)
{
	const char *path = getenv("PATH");
	char full[4096];

	if (strchr(word, '/'))
		return access(word, X_OK) == 0;
	for (path = path ? path : "/usr/local/bin:/usr/bin:/bin"; *path; path += *path == ':') {
		int len = (int)strcspn(path, ":");

		if (snprintf(full, sizeof(full), "%.*s/%s", len, path, word) < (int)sizeof(full) &&
		    access(full, X_OK) == 0)
			return true;
		path += len;
	}
	return false;
}

/* In the child: wait until everything is attached; nothing to do when the tracer gives up before that. */
static void run_child(int go, char **words)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGUSR1, SIG_DFL);
	if (read(go, &byte, 1) != 1)
		_exit(0);
	execvp(words[0], words);
	fprintf(stderr, "jbtrace: error: cannot run '%s': %s\n", words[0], strerror(errno));
	_exit(127);
}

static int start_child(struct cli *cli)
{
	char room[4096], *words[256];
	int go[2];

	if (strlen(cli->command) + 256 >= sizeof(room))
		return complain("-c: the command is too long");
	switch (split_words(cli->command, room, words, 256)) {
	case -1:
		return EXIT_USAGE;
	case 0:
		return complain("-c: the command is empty");
	}
	if (!is_program(words[0]))
		return complain("-c: there is no program '%s'", words[0]);
	if (pipe2(go, O_CLOEXEC) || (cli->child = fork()) < 0)
		return complain("-c: cannot start a process: %s", strerror(errno));
	if (!cli->child) {
		close(go[1]);
		run_child(go[0], words);
	}
	close(go[0]);
	cli->compile.child = cli->child;
	cli->run.child_go_fd = go[1];
	return 0;
}

/* Closing the pipe ends a child that was never released. */
static void end_child(struct cli *cli)
{
	if (!cli->child)
		return;
	close(cli->run.child_go_fd);
	waitpid(cli->child, NULL, WNOHANG);
}

/* --- running --- */

/* Not before the run starts: until then there is nothing to take down, and a signal simply ends the process. */
static void catch_signals(void)
{
	struct sigaction stop = { .sa_handler = on_stop };

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int open_output(struct cli *cli)
{
	if (!cli->output)
		return 0;
	cli->run.out_fd = open(cli->output, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	return cli->run.out_fd < 0 ? complain("cannot write '%s': %s", cli->output, strerror(errno))
				   : 0;
}

/* The exit code. A process that has ended since -p was read is the same mistake as one that never was. */
static int start_failed(const struct cli *cli, int err)
{
	if (err == -EINTR) {
		fputs("jbtrace: interrupted before all probes were attached\n", stderr);
		return 0;
	}
	return err == -ESRCH && cli->compile.pid ? EXIT_USAGE : EXIT_RUN;
}

static int trace(struct cli *cli, struct jb_program *program, const char *name)
{
	struct jb_session *session;
	struct jb_run *run;
	int err = cli->run.check_only ? 0 : open_output(cli);

	if (err)
		return err;
	catch_signals();
	cli->run.sz = sizeof(cli->run);
	cli->run.no_warnings = cli->no_warnings;
	cli->run.interrupt = &stop_requests;
	run = jb_start(program, &cli->run, &err);
	if (!run)
		return start_failed(cli, err);
	session = jb_session_new(stderr);
	jb_session_add(session, name, run);
	while (!cli->run.check_only && !stop_requests && jb_session_step(session, STEP_MS))
		;
	return jb_session_close(session) & 0xff;
}

static int run_script(struct cli *cli, const struct text *text)
{
	struct jb_source source = {
		.sz = sizeof(source), .name = text->name, .text = text->bytes, .len = text->len
	};
	struct jb_program *program;
	int code = 0;

	cli->compile.sz = sizeof(cli->compile);
	cli->compile.no_warnings = cli->no_warnings;
	program = jb_compile(&source, &cli->compile, stderr);
	if (!program)
		return EXIT_USAGE;
	if (cli->mode == MODE_LIST)
		jb_list_targets(program, stdout);
	else if (cli->compile.partial)
		jb_dump(program, cli->compile.until, stdout);
	else
		code = trace(cli, program, text->name);
	jb_program_free(program);
	return code;
}

static int mode_run(struct cli *cli, int argc, char **argv)
{
	bool traces = !cli->compile.partial;
	struct text text = { 0 };
	int err;

	/* It is for self probes, and a script without one is not to end by it. */
	signal(SIGUSR1, SIG_IGN);
	err = read_script(cli, &argc, &argv, &text);
	if (!err && cli->warnings && cli->no_warnings)
		err = complain("-k and --no-warnings exclude each other");
	if (!err)
		err = take_params(cli, argc, argv);
	if (!err && traces && jb_check_privileges(stderr))
		err = EXIT_USAGE;
	if (!err && cli->command && cli->compile.pid)
		err = complain("-p and -c exclude each other");
	if (!err && cli->command)
		err = traces ? start_child(cli) : (cli->compile.child = NO_CHILD, 0);
	if (!err)
		err = run_script(cli, &text);
	end_child(cli);
	free(text.bytes);
	return err;
}

/* -l: a script's probes when there is one, else the probes that match. */
static int mode_list(struct cli *cli, int argc, char **argv)
{
	struct stat st;
	bool is_file = argc && stat(argv[0], &st) == 0 && S_ISREG(st.st_mode);
	long n;

	if (cli->program || is_file) {
		cli->compile.partial = true;
		cli->compile.until = JB_STAGE_PLAN;
		return mode_run(cli, argc, argv);
	}
	n = jb_list(argc ? argv[0] : "*", cli->compile.pid, cli->run.verbose, stdout, stderr);
	return n > 0 ? 0 : EXIT_USAGE;
}

static int act(struct cli *cli, int argc, char **argv)
{
	switch (cli->mode) {
	case MODE_RUN:
		return mode_run(cli, argc, argv);
	case MODE_LIST:
		return mode_list(cli, argc, argv);
	case MODE_INFO:
		jb_info(argc && strcmp(argv[0], "json") == 0, stdout);
		return 0;
	case MODE_HELP:
		print_usage(stdout);
		return 0;
	case MODE_HELP_BUILTINS:
		jb_help_builtins(stdout);
		return 0;
	case MODE_HELP_ROFF:
		jb_help_roff(stdout);
		return 0;
	case MODE_VERSION:
		printf("jbtrace v%s\n", jb_version());
		return 0;
	}
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct cli cli = { 0 };
	int end = 1, err;

	while (end < argc && strcmp(argv[end], "--"))
		end++;
	err = parse_options(&cli, end, argv);
	if (!err && end < argc)
		err = take_named(&cli, argc - end - 1, argv + end + 1);
	if (err)
		return err;
	err = act(&cli, end - optind, argv + optind);
	if ((fflush(stdout) || ferror(stdout)) && errno != EPIPE && !err)
		err = complain("cannot write the output: %s", strerror(errno));
	return err;
}
