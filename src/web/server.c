/*
 * The HTTP thread: accepts, lets the library read and write, wakes requests whose content is there, and cuts clients that
 * are slow. It has no privileges and opens nothing.
 */
#include <errno.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "web/headers.h"
#include "web/internal.h"

#define CLIENT_MEMORY (16 * 1024) /* headers of a request and of its response */
#define IDLE_SECONDS  10u
#define REQUEST_NS    (30 * NS_PER_S) /* from a request's first byte to its response's last */
#define NEWCOMER_NS   NS_PER_S	      /* a client without a request gives way after this */
#define LOOK_MS	      250
#define PEM_BYTES_MAX (1 << 20)
#define POLL_EVENTS   8

/* --- clients --- */

void server_cut(struct client *client)
{
	shutdown(client->fd, SHUT_RDWR);
}

static void on_connection(void *cls, struct MHD_Connection *connection, void **context,
			  enum MHD_ConnectionNotificationCode code)
{
	struct server *server = &((struct web *)cls)->server;
	struct client *client = *context;

	if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
		if (client) {
			*client = (struct client){ 0 };
			server->n_clients--;
		}
		return;
	}
	for (client = server->clients; client->connection; client++)
		;
	*client = (struct client){
		.connection = connection,
		.since_ns = web_now_ns(),
		.fd = server->mhd
			      .get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
			      ->connect_fd,
	};
	*context = client;
	server->n_clients++;
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **state,
			 enum MHD_RequestTerminationCode code)
{
	struct client *client = *state;

	(void)cls;
	(void)connection;
	(void)code;
	if (!client)
		return;
	if (client->content)
		content_drop(client->content);
	client->content = client->sending = NULL;
	client->late = false;
	client->since_ns = web_now_ns();
	*state = NULL;
}

static void resume(struct server *server, struct client *client)
{
	client->suspended = false;
	server->mhd.resume_connection(client->connection);
}

/* Requests whose content is there, or too late. */
static void wake_clients(struct web *web, int64_t now, bool all)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &web->server.clients[i];

		if (!client->suspended)
			continue;
		client->late = all || now - client->content->since_ns > ANSWER_NS;
		if (client->late || content_is_ready(client->content))
			resume(&web->server, client);
	}
}

static void cut_slow(struct web *web, int64_t now)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &web->server.clients[i];

		if (client->connection && !client->suspended && now - client->since_ns > REQUEST_NS)
			server_cut(client);
	}
}

/* Others wait for a place: those that have one and do not ask for anything give way. */
static void cut_silent(struct web *web, int64_t now)
{
	for (unsigned i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &web->server.clients[i];

		if (client->connection && !client->content && !client->sending &&
		    now - client->since_ns > NEWCOMER_NS)
			server_cut(client);
	}
}

/* --- accepting --- */

/* With all places taken the sockets are left alone, or they would wake us for nothing. */
static void set_accepting(struct server *server, bool accepting)
{
	struct epoll_event event = { .events = accepting ? EPOLLIN : 0 };

	if (server->accepting == accepting)
		return;
	server->accepting = accepting;
	for (unsigned i = 0; i < server->sockets.n; i++)
		epoll_ctl(server->poll_fd, EPOLL_CTL_MOD, server->sockets.fds[i], &event);
}

static bool someone_waits(const struct server *server)
{
	struct pollfd fds[SOCKETS_MAX];

	for (unsigned i = 0; i < server->sockets.n; i++)
		fds[i] = (struct pollfd){ .fd = server->sockets.fds[i], .events = POLLIN };
	return poll(fds, server->sockets.n, 0) > 0;
}

static void accept_from(struct server *server, int listen_fd)
{
	while (server->n_clients < CLIENTS_MAX) {
		struct sockaddr_storage address = { 0 };
		socklen_t len = sizeof(address);
		int fd = accept4(listen_fd, (struct sockaddr *)&address, &len,
				 SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		/* On failure the library has closed it. */
		server->mhd.add_connection(server->daemon, fd, (struct sockaddr *)&address, len);
	}
}

static void accept_all(struct web *web, int64_t now)
{
	struct server *server = &web->server;

	for (unsigned i = 0; i < server->sockets.n; i++)
		accept_from(server, server->sockets.fds[i]);
	if (server->n_clients == CLIENTS_MAX && someone_waits(server))
		cut_silent(web, now);
}

/* --- the thread --- */

static int wait_ms(const struct server *server)
{
	MHD_UNSIGNED_LONG_LONG ms;

	if (server->mhd.get_timeout(server->daemon, &ms) == MHD_YES && ms < LOOK_MS)
		return (int)ms;
	return server->n_clients ? LOOK_MS : -1;
}

/* Capabilities are a thread's own (capabilities(7)), and so is the promise not to gain any. */
static bool drop_privileges(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = { { 0 } };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_capset, &header, none) == 0;
}

static void turn(struct web *web)
{
	struct epoll_event events[POLL_EVENTS];
	eventfd_t n;
	int64_t now;

	epoll_wait(web->server.poll_fd, events, POLL_EVENTS, wait_ms(&web->server));
	eventfd_read(web->http_fd, &n);
	now = web_now_ns();
	wake_clients(web, now, false);
	cut_slow(web, now);
	accept_all(web, now);
	web->server.mhd.run(web->server.daemon);
	set_accepting(&web->server, web->server.n_clients < CLIENTS_MAX);
}

static void *serve(void *arg)
{
	struct web *web = arg;

	prctl(PR_SET_NAME, "jbtrace-http");
	if (!drop_privileges()) {
		fprintf(web->messages,
			"jbtrace: error: --listen: cannot give up privileges, nothing is served\n");
		return NULL;
	}
	while (!__atomic_load_n(&web->stop, __ATOMIC_ACQUIRE))
		turn(web);
	/* The library wants no request suspended when it ends. */
	wake_clients(web, web_now_ns(), true);
	web->server.mhd.run(web->server.daemon);
	return NULL;
}

/* --- opening --- */

/* The whole file on the heap, or NULL after a sentence. */
static char *read_pem(const char *what, const char *path, const char *mark, FILE *messages)
{
	FILE *file = fopen(path, "re");
	char *text;
	size_t n;

	if (!file) {
		fprintf(messages, "jbtrace: error: cannot read the %s '%s': %s\n", what, path,
			strerror(errno));
		return NULL;
	}
	text = mem_alloc(PEM_BYTES_MAX + 1);
	n = fread(text, 1, PEM_BYTES_MAX, file);
	text[n] = '\0';
	if (ferror(file))
		fprintf(messages, "jbtrace: error: cannot read the %s '%s': %s\n", what, path,
			strerror(errno));
	else if (!strstr(text, mark))
		fprintf(messages,
			"jbtrace: error: the %s '%s' is not in PEM form: it has no line with "
			"'%s'\n",
			what, path, mark);
	else
		file = (fclose(file), NULL);
	if (!file)
		return text;
	fclose(file);
	free(text);
	return NULL;
}

static int read_tls(struct server *server, const struct web_options *options)
{
	if (!options->cert_file && !options->key_file)
		return 0;
	if (!options->cert_file || !options->key_file) {
		fprintf(options->messages,
			"jbtrace: error: --tls-cert and --tls-key are given together\n");
		return -EINVAL;
	}
	if (server->mhd.is_feature_supported(MHD_FEATURE_TLS) != MHD_YES) {
		fprintf(options->messages,
			"jbtrace: error: --tls-cert: libmicrohttpd is built without TLS here\n");
		return -ENOTSUP;
	}
	server->cert = read_pem("certificate", options->cert_file, "-----BEGIN CERTIFICATE-----",
				options->messages);
	if (!server->cert)
		return -EINVAL;
	server->key = read_pem("key", options->key_file, "PRIVATE KEY-----", options->messages);
	return server->key ? 0 : -EINVAL;
}

/* What strangers send is no news; what goes wrong at the start is told in our words. */
__attribute__((format(printf, 2, 0))) static void on_log(void *cls, const char *fmt, va_list ap)
{
	(void)cls;
	(void)fmt;
	(void)ap;
}

static int start_daemon(struct web *web, const struct web_options *options)
{
	struct server *server = &web->server;
	unsigned flags = MHD_USE_EPOLL | MHD_USE_SUSPEND_RESUME | MHD_USE_NO_LISTEN_SOCKET |
			 MHD_USE_ERROR_LOG | (server->cert ? MHD_USE_TLS : 0);
	struct MHD_OptionItem tls[] = {
		{ server->cert ? MHD_OPTION_HTTPS_MEM_CERT : MHD_OPTION_END, 0, server->cert },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, server->key },
		{ MHD_OPTION_END, 0, NULL },
	};

	server->daemon = server->mhd.start_daemon(
		flags, 0, NULL, NULL, request_handle, web, MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
		IDLE_SECONDS, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CLIENT_MEMORY,
		MHD_OPTION_NOTIFY_CONNECTION, on_connection, web, MHD_OPTION_NOTIFY_COMPLETED,
		on_completed, web, MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
	if (server->daemon)
		return 0;
	if (server->cert)
		fprintf(options->messages,
			"jbtrace: error: the certificate '%s' and the key '%s' do not belong "
			"together, or one of them is damaged\n",
			options->cert_file, options->key_file);
	else
		fprintf(options->messages,
			"jbtrace: error: --listen: libmicrohttpd cannot start\n");
	return -EINVAL;
}

static int watch(const struct server *server, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	return epoll_ctl(server->poll_fd, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

static int open_polling(struct web *web)
{
	struct server *server = &web->server;
	int err, fd = server->mhd.get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD)
			      ->epoll_fd;

	server->poll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (server->poll_fd < 0)
		return -errno;
	err = watch(server, fd);
	if (!err)
		err = watch(server, web->http_fd);
	for (unsigned i = 0; !err && i < server->sockets.n; i++)
		err = watch(server, server->sockets.fds[i]);
	server->accepting = true;
	return err;
}

static int start_thread(struct web *web)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&web->thread, NULL, serve, web);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	web->threaded = !err;
	return -err;
}

int server_start(struct web *web, const struct web_options *options)
{
	struct server *server = &web->server;
	int err;

	server->poll_fd = -1;
	server->local = !options->address;
	if (options->user)
		server->token = basic_token(options->user, options->password);
	err = mhd_load(&server->mhd, options->messages);
	if (!err)
		err = read_tls(server, options);
	if (!err)
		err = sockets_open(&server->sockets, options->address, options->port,
				   options->messages);
	if (!err)
		err = start_daemon(web, options);
	if (err)
		return err;
	err = open_polling(web);
	if (!err)
		err = start_thread(web);
	if (err)
		fprintf(options->messages, "jbtrace: error: --listen: %s\n", strerror(-err));
	else
		fprintf(options->messages, "Listening on %s://%s:%u/\n",
			server->cert ? "https" : "http", server->sockets.host,
			server->sockets.port);
	fflush(options->messages);
	return err;
}

static void forget(char *secret)
{
	if (secret)
		explicit_bzero(secret, strlen(secret));
	free(secret);
}

void server_stop(struct web *web)
{
	struct server *server = &web->server;

	if (web->threaded) {
		__atomic_store_n(&web->stop, true, __ATOMIC_RELEASE);
		eventfd_write(web->http_fd, 1);
		pthread_join(web->thread, NULL);
	}
	if (server->daemon)
		server->mhd.stop_daemon(server->daemon);
	if (server->poll_fd >= 0)
		close(server->poll_fd);
	sockets_close(&server->sockets);
	forget(server->token);
	forget(server->cert);
	forget(server->key);
}
