/* Request headers, as RFC 9110 and RFC 7617 define them; no library, no state. */
#include "web/headers.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/mem.h"

#define BLANKS " \t"

/* --- lists: "a;q=0.5, b;version=1" --- */

/* A part of a header, not terminated. */
struct piece {
	const char *at;
	size_t len;
};

static struct piece trim(const char *at, size_t len)
{
	while (len && strchr(BLANKS, *at))
		at++, len--;
	while (len && strchr(BLANKS, at[len - 1]))
		len--;
	return (struct piece){ at, len };
}

/* The next part of *rest up to `end`, which is taken away with it. false: there is none. */
static bool next_piece(const char **rest, char end, struct piece *piece)
{
	const char *stop;

	if (!*rest)
		return false;
	stop = strchr(*rest, end);
	*piece = trim(*rest, stop ? (size_t)(stop - *rest) : strlen(*rest));
	*rest = stop ? stop + 1 : NULL;
	return true;
}

static bool is_word(struct piece piece, const char *word)
{
	return piece.len == strlen(word) && strncasecmp(piece.at, word, piece.len) == 0;
}

/* The value of a parameter "name=value" or "name=\"value\"" of an element; len 0: it has none. */
static struct piece parameter(struct piece element, const char *name)
{
	size_t want = strlen(name);
	const char *end = element.at + element.len;

	for (const char *at = memchr(element.at, ';', element.len); at;
	     at = memchr(at, ';', (size_t)(end - at))) {
		const char *stop = memchr(at + 1, ';', (size_t)(end - at - 1));
		struct piece found = trim(at + 1, (size_t)((stop ? stop : end) - at - 1));

		at++;
		if (found.len <= want || strncasecmp(found.at, name, want) || found.at[want] != '=')
			continue;
		found = (struct piece){ found.at + want + 1, found.len - want - 1 };
		if (found.len >= 2 && *found.at == '"' && found.at[found.len - 1] == '"')
			found = (struct piece){ found.at + 1, found.len - 2 };
		return found;
	}
	return (struct piece){ "", 0 };
}

static double quality(struct piece element)
{
	struct piece q = parameter(element, "q");
	char text[8] = "1";

	if (q.len && q.len < sizeof(text)) {
		memcpy(text, q.at, q.len);
		text[q.len] = '\0';
	}
	return strtod(text, NULL);
}

static struct piece name_of(struct piece element)
{
	const char *end = memchr(element.at, ';', element.len);

	return trim(element.at, end ? (size_t)(end - element.at) : element.len);
}

bool accepts_openmetrics(const char *accept)
{
	double openmetrics = 0, text = 0;
	struct piece element;

	while (next_piece(&accept, ',', &element)) {
		struct piece name = name_of(element), version = parameter(element, "version");
		double q = quality(element);

		if (is_word(name, "application/openmetrics-text") &&
		    (!version.len || is_word(version, "1.0.0")) && q > openmetrics)
			openmetrics = q;
		else if (is_word(name, "text/plain") && q > text)
			text = q;
	}
	return openmetrics > 0 && openmetrics >= text;
}

bool accepts_gzip(const char *encodings)
{
	double gzip = -1, any = 0;
	struct piece element;

	while (next_piece(&encodings, ',', &element)) {
		if (is_word(name_of(element), "gzip"))
			gzip = quality(element);
		else if (is_word(name_of(element), "*"))
			any = quality(element);
	}
	return gzip >= 0 ? gzip > 0 : any > 0;
}

/* --- who asks --- */

bool host_is_local(const char *host)
{
	char name[64], *end;
	struct in6_addr address;
	size_t len;

	if (!host)
		return true;
	len = strnlen(host, sizeof(name));
	if (len == sizeof(name))
		return false;
	memcpy(name, host, len + 1);
	if (*name == '[') {
		end = strchr(name, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
		*end = '\0';
		return inet_pton(AF_INET6, name + 1, &address) == 1;
	}
	name[strcspn(name, ":")] = '\0';
	return strcasecmp(name, "localhost") == 0 || inet_pton(AF_INET, name, &address) == 1;
}

/* RFC 4648, section 4. */
static char *base64(const char *text, size_t len)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char *out = mem_alloc((len + 2) / 3 * 4 + 1), *to = out;

	for (size_t i = 0; i < len; i += 3) {
		size_t have = len - i;
		uint32_t bits = (uint32_t)(unsigned char)text[i] << 16;

		if (have > 1)
			bits |= (uint32_t)(unsigned char)text[i + 1] << 8;
		if (have > 2)
			bits |= (unsigned char)text[i + 2];
		*to++ = letters[bits >> 18];
		*to++ = letters[bits >> 12 & 63];
		*to++ = have > 1 ? letters[bits >> 6 & 63] : '=';
		*to++ = have > 2 ? letters[bits & 63] : '=';
	}
	*to = '\0';
	return out;
}

char *basic_token(const char *user, const char *password)
{
	struct buf text = { 0 };
	char *token;

	buf_printf(&text, "%s:%s", user, password);
	token = base64(text.data, text.len);
	explicit_bzero(text.data, text.len);
	buf_fini(&text);
	return token;
}

bool basic_matches(const char *authorization, const char *token)
{
	static const char scheme[] = "Basic ";
	size_t want = strlen(token), have;
	unsigned char differ;

	if (!authorization || strncasecmp(authorization, scheme, sizeof(scheme) - 1))
		return false;
	authorization += sizeof(scheme) - 1;
	authorization += strspn(authorization, " ");
	have = strlen(authorization);
	differ = have != want;
	/* As many steps as the stranger's token is long; it knows that already. */
	for (size_t i = 0; i < have; i++)
		differ |= (unsigned char)(authorization[i] ^ token[i % want]);
	return !differ;
}
