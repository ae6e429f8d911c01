#ifndef JB_WEB_HEADERS_H
#define JB_WEB_HEADERS_H
/*
 * What is read out of request headers. Pure functions over text that a stranger wrote; NULL stands for a header that was
 * not sent.
 */
#include <stdbool.h>

/* Does this Accept header prefer OpenMetrics 1.0.0 to the plain text format? (RFC 9110, 12.5.1.) */
bool accepts_openmetrics(const char *accept);
/* Does this Accept-Encoding header take gzip? (RFC 9110, 12.5.3.) */
bool accepts_gzip(const char *encodings);
/*
 * Is this Host header a name of the loopback: an IP address, localhost, or none at all? A page of another site that has its
 * name resolved to 127.0.0.1 sends its own name, and is turned away by this.
 */
bool host_is_local(const char *host);
/*
 * The token that `Authorization: Basic` carries for this user (RFC 7617), on the heap; and whether a header has it, in a time
 * that does not depend on where they differ.
 */
char *basic_token(const char *user, const char *password);
bool basic_matches(const char *authorization, const char *token);

#endif
