/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util/util.h"

char *util_stream_read_line(UtilStream *stream, gsize max_len, GError **error)
{
	g_autoptr(GString) line = g_string_new(NULL);
	for (;;) {
		char c = 0;
		gssize n = stream->read(stream, &c, 1, error);
		if (n < 0)
			return NULL;
		if (n == 0 && line->len == 0)
			return NULL;
		if (n == 0) {
			util_error_set(error, TS_ERROR_CORRUPT,
				       "the stream ended in the middle of a line");
			return NULL;
		}
		if (c == '\n')
			return g_string_free(g_steal_pointer(&line), FALSE);
		if (line->len >= max_len || c == '\0') {
			util_error_set(error, TS_ERROR_CORRUPT,
				       c ? "a line longer than %" G_GSIZE_FORMAT " bytes"
					 : "a NUL byte in a line of at most %" G_GSIZE_FORMAT
					   " bytes",
				       max_len);
			return NULL;
		}
		g_string_append_c(line, c);
	}
}

gboolean util_stream_read_full(UtilStream *stream, void *buffer, gsize len, GError **error)
{
	gsize done = 0;
	while (done < len) {
		gssize n = stream->read(stream, (char *)buffer + done, len - done, error);
		if (n < 0)
			return FALSE;
		if (n == 0)
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "the stream ended %" G_GSIZE_FORMAT " bytes early",
					      len - done);
		done += (gsize)n;
	}
	return TRUE;
}

gboolean util_stream_puts(UtilStream *stream, const char *text, GError **error)
{
	return stream->write(stream, text, strlen(text), error);
}

gboolean util_stream_write_part(UtilStream *stream, const void *data, gsize len, GError **error)
{
	g_autofree char *head = g_strdup_printf("%" G_GSIZE_FORMAT "\n", len);
	return util_stream_puts(stream, head, error) && stream->write(stream, data, len, error);
}

char *util_stream_read_part(UtilStream *stream, gsize max_bytes, gsize *ret_len, GError **error)
{
	g_autoptr(GError) local = NULL;
	g_autofree char *line = util_stream_read_line(stream, 20, &local);
	if (local) {
		g_propagate_error(error, g_steal_pointer(&local));
		return NULL;
	}
	guint64 len = 0;
	if (!line || !util_text_parse_count(line, max_bytes, &len)) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       "a size from 0 to %" G_GSIZE_FORMAT " was expected", max_bytes);
		return NULL;
	}
	g_autofree char *data = g_malloc(len + 1);
	if (!util_stream_read_full(stream, data, len, error))
		return NULL;
	data[len] = '\0';
	*ret_len = len;
	return g_steal_pointer(&data);
}

typedef struct {
	UtilStream stream;
	int read_fd, write_fd, timeout_ms;
} FdStream;

/* Waits for readiness; FALSE with AGAIN at the deadline. */
static gboolean fd_wait(int fd, short events, int timeout_ms, GError **error)
{
	struct pollfd pfd = {fd, events, 0};
	for (;;) {
		int n = poll(&pfd, 1, timeout_ms > 0 ? timeout_ms : -1);
		if (n > 0)
			return TRUE;
		if (n == 0)
			return util_error_set(error, TS_ERROR_AGAIN, "no progress for %d s",
					      timeout_ms / 1000);
		if (errno != EINTR)
			return util_error_errno(error, errno, "poll");
	}
}

static gssize fd_read(UtilStream *stream, void *buffer, gsize len, GError **error)
{
	FdStream *self = (FdStream *)stream;
	for (;;) {
		if (!fd_wait(self->read_fd, POLLIN, self->timeout_ms, error))
			return -1;
		ssize_t n = read(self->read_fd, buffer, len);
		if (n >= 0)
			return n;
		if (errno != EINTR && errno != EAGAIN) {
			util_error_errno(error, errno, "read");
			return -1;
		}
	}
}

static ssize_t fd_send(int fd, const void *data, gsize len)
{
	ssize_t n = send(fd, data, len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0 && errno == ENOTSOCK)
		n = write(fd, data, len);
	return n;
}

static gboolean fd_write(UtilStream *stream, const void *data, gsize len, GError **error)
{
	FdStream *self = (FdStream *)stream;
	gsize done = 0;
	while (done < len) {
		if (!fd_wait(self->write_fd, POLLOUT, self->timeout_ms, error))
			return FALSE;
		ssize_t n = fd_send(self->write_fd, (const char *)data + done, len - done);
		if (n >= 0)
			done += (gsize)n;
		else if (errno != EINTR && errno != EAGAIN)
			return util_error_errno(error, errno, "write");
	}
	return TRUE;
}

static gboolean fd_shut(UtilStream *stream, GError **error)
{
	FdStream *self = (FdStream *)stream;
	if (self->write_fd < 0)
		return TRUE;
	if (shutdown(self->write_fd, SHUT_WR) == 0 || errno == ENOTCONN)
		return TRUE;
	if (errno != ENOTSOCK)
		return util_error_errno(error, errno, "shutdown");
	if (self->write_fd != self->read_fd && close(self->write_fd) != 0)
		return util_error_errno(error, errno, "close");
	self->write_fd = -1;
	return TRUE;
}

static void fd_free(UtilStream *stream)
{
	FdStream *self = (FdStream *)stream;
	if (self->write_fd >= 0 && self->write_fd != self->read_fd)
		(void)close(self->write_fd); /* nothing buffered */
	if (self->read_fd >= 0)
		(void)close(self->read_fd); /* as above */
	g_free(self);
}

UtilStream *util_stream_from_fds(int read_fd, int write_fd, int timeout_ms)
{
	FdStream *self = g_new0(FdStream, 1);
	self->stream = (UtilStream){fd_read, fd_write, fd_shut, fd_free};
	self->read_fd = read_fd;
	self->write_fd = write_fd;
	self->timeout_ms = timeout_ms;
	return &self->stream;
}

typedef struct {
	UtilStream stream;
	GByteArray *written; /* not ours; NULL: only reads */
	const guint8 *at;
	gsize left;
} MemoryStream;

static gssize memory_read(UtilStream *stream, void *buffer, gsize len, GError **error)
{
	(void)error; /* never fails */
	MemoryStream *self = (MemoryStream *)stream;
	gsize n = MIN(len, self->left);
	if (n > 0)
		memcpy(buffer, self->at, n);
	self->at += n;
	self->left -= n;
	return (gssize)n;
}

static gboolean memory_write(UtilStream *stream, const void *data, gsize len, GError **error)
{
	MemoryStream *self = (MemoryStream *)stream;
	if (!self->written || len > G_MAXUINT - self->written->len)
		return util_error_set(error, TS_ERROR_FAILED, "this stream takes no more bytes");
	g_byte_array_append(self->written, data, (guint)len);
	return TRUE;
}

static gboolean memory_shut(UtilStream *stream, GError **error)
{
	(void)stream; /* what was written is there already */
	(void)error;
	return TRUE;
}

static void memory_free(UtilStream *stream)
{
	g_free(stream);
}

UtilStream *util_stream_over_memory(const void *data, gsize len, GByteArray *written)
{
	MemoryStream *self = g_new0(MemoryStream, 1);
	self->stream = (UtilStream){memory_read, memory_write, memory_shut, memory_free};
	self->written = written;
	self->at = data;
	self->left = len;
	return &self->stream;
}
