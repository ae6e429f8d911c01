#ifndef JB_LOOKUP_STREAM_H
#define JB_LOOKUP_STREAM_H
/*
 * What the kernel tells of every process on the machine: new ones, new programs, executable mappings, ends. So the
 * mappings of one that lived for a millisecond are known afterwards. Part of sym.c.
 */
#include "lookup/spaces.h"

struct stream;

/* -errno: the kernel does not let us. */
int stream_open(struct stream **stream, struct spaces *spaces);
void stream_close(struct stream *stream);
/* Readable when the stream should be read before it is full. */
int stream_fd(const struct stream *stream);
/* Hand on all that was told so far, in order of time. */
void stream_read(struct stream *stream);

#endif
