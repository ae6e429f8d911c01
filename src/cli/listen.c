/* The options of --listen: where, for whom, with which certificate. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/cli.h"

#define PASSWORD_ENV "JBTRACE_LISTEN_PASSWORD"
#define PORT_MAX     65535
#define SERIES_MAX   10000000

static int parse_port(struct cli *cli, const char *text, const char *whole)
{
	char *end;
	unsigned long port = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || port > PORT_MAX)
		return complain(
			"--listen wants [ADDRESS:]PORT, such as 9310 or [::]:9310, not '%s'",
			whole);
	cli->listen.port = (unsigned)port;
	cli->listens = true;
	return 0;
}

/* The name that everyone has for the loopback is taken, too; others would have to be asked for. */
static int take_address(struct cli *cli, const char *begin, size_t len, const char *whole)
{
	if (!len || len >= sizeof(cli->listen_address))
		return complain(
			"--listen wants [ADDRESS:]PORT, such as 9310 or 0.0.0.0:9310, not '%s'",
			whole);
	memcpy(cli->listen_address, begin, len);
	cli->listen_address[len] = '\0';
	cli->listen.address =
		strcmp(cli->listen_address, "localhost") == 0 ? NULL : cli->listen_address;
	return 0;
}

int set_listen(struct cli *cli, const char *value)
{
	const char *end = *value == '[' ? strchr(value, ']') : strchr(value, ':');
	int err;

	if (*value == '[' && end && end[1] == ':') {
		err = take_address(cli, value + 1, (size_t)(end - value - 1), value);
		return err ? err : parse_port(cli, end + 2, value);
	}
	if (*value == '[' || !end)
		return parse_port(cli, value, value);
	if (strchr(end + 1, ':'))
		return complain(
			"--listen: an IPv6 address stands in brackets: [::1]:9310, not '%s'",
			value);
	err = take_address(cli, value, (size_t)(end - value), value);
	return err ? err : parse_port(cli, end + 1, value);
}

int read_password(const char *option, const char *path, char *password, int room, FILE *messages)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	bool read;

	if (!file)
		return complain_to(messages, "%s: cannot read the password from '%s': %s", option,
				   path, strerror(errno));
	if (fstat(fileno(file), &st) == 0 && S_ISREG(st.st_mode) && (st.st_mode & S_IROTH))
		fprintf(messages, "jbtrace: warning: everyone can read the password in '%s'\n",
			path);
	setbuf(file, NULL);
	read = fgets(password, room, file) != NULL;
	fclose(file);
	if (read)
		password[strcspn(password, "\r\n")] = '\0';
	if (!read || !*password)
		return complain_to(
			messages,
			"%s: the first line of '%s' is to be the password, but it is empty", option,
			path);
	return 0;
}

static int take_password(struct cli *cli)
{
	const char *password = getenv(PASSWORD_ENV);

	if (!password || !*password)
		return complain("--listen-user wants USER:PASSWORD-FILE, or USER and the password "
				"in the environment as " PASSWORD_ENV);
	if (strlen(password) >= sizeof(cli->listen_password))
		return complain("--listen-user: the password has more than %zu characters",
				sizeof(cli->listen_password) - 1);
	memcpy(cli->listen_password, password, strlen(password) + 1);
	return 0;
}

int set_listen_user(struct cli *cli, const char *value)
{
	const char *colon = strchr(value, ':');
	size_t len = colon ? (size_t)(colon - value) : strlen(value);
	int err;

	if (!len || len >= sizeof(cli->listen_user))
		return complain("--listen-user wants USER:PASSWORD-FILE, not '%s'", value);
	memcpy(cli->listen_user, value, len);
	cli->listen_user[len] = '\0';
	err = colon ? read_password("--listen-user", colon + 1, cli->listen_password,
				    sizeof(cli->listen_password), stderr)
		    : take_password(cli);
	cli->listen.user = cli->listen_user;
	cli->listen.password = cli->listen_password;
	return err;
}

int set_series(struct cli *cli, const char *value)
{
	char *end;
	unsigned long n = strtoul(value, &end, 10);

	if (*value < '0' || *value > '9' || *end || !n || n > SERIES_MAX)
		return complain("--series wants a number from 1 to %d, not '%s'", SERIES_MAX,
				value);
	cli->listen.max_series = cli->run.max_series = (unsigned)n;
	return 0;
}

int set_expire(struct cli *cli, const char *value)
{
	if (parse_time(value, &cli->listen.expire_ns)) {
		cli->run.expire_ns = cli->listen.expire_ns;
		return 0;
	}
	return complain("--expire wants a time such as 30s or 5m, not '%s'", value);
}

/* What was said in vain: only the first of it. */
static int check_needed(const struct cli *cli)
{
	const struct jb_listen *listen = &cli->listen;
	const char *option = listen->user	 ? "--listen-user"
			     : listen->cert_file ? "--tls-cert"
			     : listen->key_file	 ? "--tls-key"
						 : NULL;
	bool is_prom = cli->run.format && strcmp(cli->run.format, "prom") == 0;

	if (cli->listens)
		return 0;
	if (option)
		return complain("%s is for --listen", option);
	if (is_prom || (!listen->max_series && !listen->expire_ns))
		return 0;
	return complain("%s is for --listen and -f prom",
			listen->max_series ? "--series" : "--expire");
}

int open_listen(struct cli *cli, struct jb_session *session)
{
	int err = check_needed(cli);

	if (err)
		return err;
	if (!cli->listens || cli->run.check_only || cli->run.dry_run)
		return 0;
	cli->listen.sz = sizeof(cli->listen);
	err = jb_session_listen(session, &cli->listen);
	explicit_bzero(cli->listen_password, sizeof(cli->listen_password));
	return err ? EXIT_USAGE : 0;
}
