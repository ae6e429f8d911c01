/*
 * One request: who may ask, what is asked for, the response. Runs in the HTTP thread; what it needs of the scripts it waits
 * for (content.c) or finds published (health.c).
 */
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "web/gzip.h"
#include "web/headers.h"
#include "web/internal.h"

#define TYPE_TEXT	 "text/plain; charset=utf-8"
#define TYPE_JSON	 "application/json"
#define TYPE_HTML	 "text/html; charset=utf-8"
#define TYPE_PROMETHEUS	 "text/plain; version=0.0.4; charset=utf-8"
#define TYPE_OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define NONCE_MARK	 "@NONCE@"
#define NONCE_BYTES	 16
#define GZIP_MIN	 512 /* smaller texts do not gain */

extern const unsigned char jb_web_page[];
extern const unsigned int jb_web_page_len;

/* A request on its way to the response. */
struct request {
	struct web *web;
	const struct mhd *mhd;
	struct MHD_Connection *connection;
	struct client *client;
	const char *path;
	bool trusted; /* no password is wanted, or it was given */
};

static const char *header(const struct request *request, const char *name)
{
	return request->mhd->lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* --- responses --- */

struct http_field {
	const char *name, *value;
};

/* Takes the response over. `fields` ends with {0}; may be NULL. */
static enum MHD_Result queue(const struct request *request, unsigned status, const char *type,
			     struct MHD_Response *response, const struct http_field *fields)
{
	static const struct http_field always[] = {
		{ "Cache-Control", "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Referrer-Policy", "no-referrer" },
		{ 0 },
	};
	const struct mhd *mhd = request->mhd;
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	mhd->add_response_header(response, "Content-Type", type);
	for (const struct http_field *field = always; field->name; field++)
		mhd->add_response_header(response, field->name, field->value);
	for (const struct http_field *field = fields; field && field->name; field++)
		mhd->add_response_header(response, field->name, field->value);
	result = mhd->queue_response(request->connection, status, response);
	mhd->destroy_response(response);
	return result;
}

static struct MHD_Response *copy_of(const struct request *request, const void *bytes, size_t len)
{
	/* The library copies; its prototype has no const. */
	return request->mhd->create_response_from_buffer(len, (void *)bytes, MHD_RESPMEM_MUST_COPY);
}

static enum MHD_Result answer_text(const struct request *request, unsigned status, const char *text,
				   const struct http_field *fields)
{
	return queue(request, status, TYPE_TEXT, copy_of(request, text, strlen(text)), fields);
}

/* --- / --- */

static void write_nonce(struct buf *out)
{
	unsigned char bytes[NONCE_BYTES] = { 0 };

	/* No blocking: at worst the page's own script is not run by this one browser. */
	if (getrandom(bytes, sizeof(bytes), GRND_NONBLOCK) != sizeof(bytes))
		return;
	for (size_t i = 0; i < sizeof(bytes); i++)
		buf_printf(out, "%02x", bytes[i]);
}

static void write_page(struct buf *out, const char *nonce)
{
	const char *at = (const char *)jb_web_page, *end = at + jb_web_page_len, *mark;

	while ((mark = memmem(at, (size_t)(end - at), NONCE_MARK, strlen(NONCE_MARK)))) {
		buf_add(out, at, (size_t)(mark - at));
		buf_puts(out, nonce);
		at = mark + strlen(NONCE_MARK);
	}
	buf_add(out, at, (size_t)(end - at));
}

static enum MHD_Result answer_page(const struct request *request)
{
	struct buf nonce = { 0 }, policy = { 0 }, page = { 0 }, gzip = { 0 };
	struct http_field fields[] = {
		{ "Content-Security-Policy", NULL }, { "Vary", "Accept-Encoding" }, { 0 }, { 0 }
	};
	const struct buf *sent = &page;
	enum MHD_Result result;

	buf_puts(&nonce, "");
	write_nonce(&nonce);
	buf_printf(&policy,
		   "default-src 'none'; script-src 'nonce-%s'; style-src 'nonce-%s'; connect-src "
		   "'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors "
		   "'none'",
		   nonce.data, nonce.data);
	fields[0].value = policy.data;
	write_page(&page, nonce.data);
	if (accepts_gzip(header(request, "Accept-Encoding")) &&
	    gzip_add(&gzip, page.data, page.len)) {
		sent = &gzip;
		fields[2] = (struct http_field){ "Content-Encoding", "gzip" };
	}
	result = queue(request, MHD_HTTP_OK, TYPE_HTML, copy_of(request, sent->data, sent->len),
		       fields);
	buf_fini(&nonce);
	buf_fini(&policy);
	buf_fini(&page);
	buf_fini(&gzip);
	return result;
}

/* --- /health --- */

static enum MHD_Result answer_health(const struct request *request)
{
	struct buf text = { 0 };
	bool healthy = health_write(request->web, &text, request->trusted);
	enum MHD_Result result =
		queue(request, healthy ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE, TYPE_JSON,
		      copy_of(request, text.data, text.len), NULL);

	buf_fini(&text);
	return result;
}

/* --- /metrics, /state.json --- */

static void on_sent(void *content)
{
	content_drop(content);
}

static enum MHD_Result send_content(const struct request *request, struct content *content)
{
	static const struct http_field plain[] = { { "Vary", "Accept, Accept-Encoding" }, { 0 } };
	static const struct http_field zipped[] = { { "Vary", "Accept, Accept-Encoding" },
						    { "Content-Encoding", "gzip" },
						    { 0 } };
	const char *type = content->kind == CONTENT_STATE ? TYPE_JSON
			   : content->openmetrics	  ? TYPE_OPENMETRICS
							  : TYPE_PROMETHEUS;
	bool gzip =
		content->text.len >= GZIP_MIN && accepts_gzip(header(request, "Accept-Encoding"));
	struct buf *sent = &content->text;

	buf_puts(sent, "");
	if (gzip && !content->gzip.len)
		gzip = gzip_add(&content->gzip, sent->data, sent->len);
	if (gzip)
		sent = &content->gzip;
	request->client->content = NULL;
	request->client->sending = content;
	return queue(request, MHD_HTTP_OK, type,
		     request->mhd->create_response_from_buffer_with_free_callback_cls(
			     sent->len, sent->data, on_sent, content),
		     gzip ? zipped : plain);
}

static enum MHD_Result answer_unavailable(const struct request *request, const char *why)
{
	static const struct http_field fields[] = { { "Retry-After", "1" }, { 0 } };

	return answer_text(request, MHD_HTTP_SERVICE_UNAVAILABLE, why, fields);
}

/* First time: ask and sleep. Then: it is there, or did not come in time. Nobody is sent to sleep any more when the server
 * stops: a client may have sent many requests at once, and the next one comes as soon as one is answered. */
static enum MHD_Result answer_content(const struct request *request, const struct content *want)
{
	struct client *client = request->client;

	if (!client->content) {
		client->content = content_ask(request->web, want);
		if (!client->content)
			return answer_unavailable(request,
						  "too many requests are being answered\n");
	}
	if (content_is_ready(client->content))
		return send_content(request, client->content);
	if (client->late || __atomic_load_n(&request->web->stop, __ATOMIC_ACQUIRE)) {
		content_drop(client->content);
		client->content = NULL;
		return answer_unavailable(request, "the event loop does not answer\n");
	}
	client->suspended = true;
	request->mhd->suspend_connection(request->connection);
	return MHD_YES;
}

static enum MHD_Result answer_metrics(const struct request *request)
{
	struct content want = { .kind = CONTENT_METRICS,
				.openmetrics = accepts_openmetrics(header(request, "Accept")) };

	return answer_content(request, &want);
}

/* The query while it is read. */
struct query {
	struct view view;
	bool bad;
};

static enum MHD_Result take_parameter(void *cls, enum MHD_ValueKind kind, const char *name,
				      const char *value)
{
	struct query *query = cls;

	(void)kind;
	query->bad |= !view_take(&query->view, name, value);
	return query->bad ? MHD_NO : MHD_YES;
}

static enum MHD_Result answer_state(const struct request *request)
{
	struct content want = { .kind = CONTENT_STATE };
	struct query query = { 0 };

	request->mhd->get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND,
					    take_parameter, &query);
	want.view = query.view;
	if (query.bad)
		return answer_text(request, MHD_HTTP_BAD_REQUEST,
				   "parameters: since=NUMBER, sort=SCRIPT.MAP.COLUMN.a or .d, "
				   "find=TEXT\n",
				   NULL);
	return answer_content(request, &want);
}

/* --- which --- */

static const struct route {
	const char *path;
	enum MHD_Result (*answer)(const struct request *);
	bool open; /* without a password, too */
} routes[] = {
	{ "/", answer_page, false },
	{ "/metrics", answer_metrics, false },
	{ "/health", answer_health, true },
	{ "/state.json", answer_state, false },
};

static const struct route *find_route(const char *path)
{
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		if (strcmp(routes[i].path, path) == 0)
			return &routes[i];
	return NULL;
}

static bool has_body(const struct request *request)
{
	const char *length = header(request, "Content-Length");

	return header(request, "Transfer-Encoding") || (length && strcmp(length, "0"));
}

/* Does the request end with its headers, as it should? */
static bool is_plain(const struct request *request, const char *method)
{
	return (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0) && !has_body(request);
}

static enum MHD_Result answer(struct request *request, const char *method)
{
	static const struct http_field allow[] = { { "Allow", "GET, HEAD" }, { 0 } };
	static const struct http_field ask[] = {
		{ "WWW-Authenticate", "Basic realm=\"jbtrace\", charset=\"UTF-8\"" }, { 0 }
	};
	const struct server *server = &request->web->server;
	const struct route *route = find_route(request->path);

	if (server->local && !host_is_local(header(request, "Host")))
		return answer_text(request, 421, /* Misdirected Request */
				   "only names of the loopback are served; with --listen ADDR:PORT "
				   "any name is\n",
				   NULL);
	request->trusted =
		!server->token || basic_matches(header(request, "Authorization"), server->token);
	if (!request->trusted && !(route && route->open))
		return answer_text(request, MHD_HTTP_UNAUTHORIZED, "a password is needed\n", ask);
	if (strcmp(method, "GET") && strcmp(method, "HEAD"))
		return answer_text(request, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n",
				   allow);
	if (has_body(request))
		return answer_text(request, 413, "a request has no content here\n", NULL);
	if (!route)
		return answer_text(request, MHD_HTTP_NOT_FOUND,
				   "there are /, /metrics, /health and /state.json\n", NULL);
	return route->answer(request);
}

enum MHD_Result request_handle(void *cls, struct MHD_Connection *connection, const char *url,
			       const char *method, const char *version, const char *upload,
			       size_t *upload_size, void **state)
{
	struct web *web = cls;
	struct request request = {
		.web = web, .mhd = &web->server.mhd, .connection = connection, .path = url
	};
	bool first;

	(void)version;
	(void)upload;
	*upload_size = 0; /* requests have no content here: of any that comes nothing is kept */
	/* Answers that come before the library has seen the end of the request close the connection. */
	first = !*state;
	request.client =
		request.mhd->get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
			->socket_context;
	*state = request.client;
	if (first && is_plain(&request, method))
		return MHD_YES;
	return answer(&request, method);
}
