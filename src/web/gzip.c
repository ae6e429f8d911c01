/* Compression of responses by zlib. */
#include "web/gzip.h"

#include <zlib.h>

#define GZIP_LEVEL    3
#define GZIP_WINDOW   (15 + 16) /* 16: the gzip format */
#define GZIP_MEMORY   8
#define ZLIB_UINT_MAX 0xffffffffu

bool gzip_add(struct buf *out, const void *bytes, size_t len)
{
	z_stream stream = { 0 };
	uLong bound;
	int status;

	if (len > ZLIB_UINT_MAX / 2 || deflateInit2(&stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW,
						    GZIP_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
		return false;
	bound = deflateBound(&stream, len);
	stream.next_in = (Bytef *)bytes;
	stream.avail_in = (uInt)len;
	stream.next_out = (Bytef *)buf_room(out, bound + 1);
	stream.avail_out = (uInt)bound;
	status = deflate(&stream, Z_FINISH);
	if (status == Z_STREAM_END) {
		out->len += stream.total_out;
		out->data[out->len] = '\0';
	}
	deflateEnd(&stream);
	return status == Z_STREAM_END;
}
