/*
 * The command of -c: split into words as a shell does, started, held on a pipe until everything is attached.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"

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

int child_start(struct cli *cli)
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

void child_release(struct cli *cli)
{
	ssize_t n;

	if (!cli->child)
		return;
	do
		n = write(cli->run.child_go_fd, "g", 1);
	while (n < 0 && errno == EINTR);
	cli->child_released = n == 1;
}

/* Closing the pipe ends a child that was never released. */
void child_end(struct cli *cli)
{
	if (!cli->child)
		return;
	if (cli->child_released)
		kill(cli->child, SIGTERM);
	close(cli->run.child_go_fd);
	waitpid(cli->child, NULL, WNOHANG);
}
