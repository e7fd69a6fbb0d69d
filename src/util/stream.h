/* SPDX-License-Identifier: ISC */
/*
 * A byte stream with deadlines: what the repo room fetches over, and what the wire room provides.
 * Neither knows the other; mirror joins them, tests use a socket pair.
 * Every call returns within the stream's own progress deadline, else TS_ERROR_AGAIN.
 */
#pragma once

#include <glib.h>

typedef struct UtilStream UtilStream;

struct UtilStream {
	/* Bytes read, 0 at end of stream, -1 with error. */
	gssize (*read)(UtilStream *stream, void *buffer, gsize len, GError **error);
	/* All of it, or FALSE. */
	gboolean (*write)(UtilStream *stream, const void *data, gsize len, GError **error);
	/* No more will be written. */
	gboolean (*shut)(UtilStream *stream, GError **error);
	void (*free)(UtilStream *stream);
};

static inline void util_stream_free(UtilStream *stream)
{
	if (stream)
		stream->free(stream);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(UtilStream, util_stream_free)

/* One line without its newline, at most max_len bytes; at end of stream NULL without error.
 * Reads byte by byte only as far as the newline, so that what follows stays in the stream. */
char *util_stream_read_line(UtilStream *stream, gsize max_len, GError **error);
/* Exactly len bytes; an earlier end is CORRUPT. */
gboolean util_stream_read_full(UtilStream *stream, void *buffer, gsize len, GError **error);
gboolean util_stream_puts(UtilStream *stream, const char *text, GError **error);

/* A part is "SIZE\n" and as many bytes; read: at most max_bytes (more is CORRUPT), with a NUL
 * behind that the length does not count. */
gboolean util_stream_write_part(UtilStream *stream, const void *data, gsize len, GError **error);
char *util_stream_read_part(UtilStream *stream, gsize max_bytes, gsize *ret_len, GError **error);

/* A stream over two descriptors (which may be the same socket), closed with the stream.
 * timeout_ms: longest wait for one byte of progress; 0 waits for ever. */
UtilStream *util_stream_from_fds(int read_fd, int write_fd, int timeout_ms);

/* A stream that reads these bytes, and appends what is written to `written` (NULL: an error); both
 * must outlive it. */
UtilStream *util_stream_over_memory(const void *data, gsize len, GByteArray *written);
