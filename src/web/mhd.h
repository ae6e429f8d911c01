#ifndef JB_WEB_MHD_H
#define JB_WEB_MHD_H
/*
 * libmicrohttpd, loaded when a port is to be served and not before: it brings a TLS library along, which would cost every
 * start. Its functions are reached through this struct.
 */
#include <microhttpd.h>
#include <stdio.h>

/* clang-format off */
#define MHD_FUNCTIONS(F)         \
	F(start_daemon)          \
	F(stop_daemon)           \
	F(add_connection)        \
	F(run)                   \
	F(get_timeout)           \
	F(get_daemon_info)       \
	F(get_connection_info)   \
	F(get_connection_values) \
	F(lookup_connection_value) \
	F(suspend_connection)    \
	F(resume_connection)     \
	F(create_response_from_buffer) \
	F(create_response_from_buffer_with_free_callback_cls) \
	F(add_response_header)   \
	F(queue_response)        \
	F(destroy_response)      \
	F(is_feature_supported)
/* clang-format on */

struct mhd {
#define MHD_MEMBER(name) __typeof__(MHD_##name)(*(name));
	MHD_FUNCTIONS(MHD_MEMBER)
#undef MHD_MEMBER
};

/* 0, or -ENOENT after a sentence to `messages`. It stays loaded: the TLS library below it keeps state of its own. */
int mhd_load(struct mhd *mhd, FILE *messages);

#endif
