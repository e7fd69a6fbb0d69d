/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <gio/gio.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "wire/wire-private.h"

/* A silent line is found dead after two and a half minutes; a day of it costs 95 KB. */
#define KEEPALIVE_IDLE_S 120
#define KEEPALIVE_EVERY_S 30
#define KEEPALIVE_COUNT 3

/* GIO tries all addresses, both families, side by side, and its resolver does not block us. */
struct WireTcp {
	GSocketConnection *connection;
};

typedef struct {
	GSocketConnection *connection;
	GError *error;
	GCancellable *cancellable;
	gboolean done, late;
} Attempt;

static void attempt_done(GObject *client, GAsyncResult *result, gpointer user_data)
{
	Attempt *attempt = user_data;
	attempt->connection = g_socket_client_connect_to_host_finish(G_SOCKET_CLIENT(client),
								     result, &attempt->error);
	attempt->done = TRUE;
}

static gboolean attempt_late(gpointer user_data)
{
	Attempt *attempt = user_data;
	attempt->late = TRUE;
	g_cancellable_cancel(attempt->cancellable);
	return G_SOURCE_REMOVE;
}

static void attempt_run(Attempt *attempt, const char *host, guint16 port, gint64 connect_us)
{
	g_autoptr(GMainContext) context = g_main_context_new();
	g_main_context_push_thread_default(context);
	{
		g_autoptr(GSocketClient) client = g_socket_client_new();
		g_autoptr(GSource) timer = g_timeout_source_new((guint)(connect_us / 1000));
		g_source_set_callback(timer, attempt_late, attempt, NULL);
		g_source_attach(timer, context);
		g_socket_client_set_enable_proxy(client, FALSE);
		/* to_host takes "name:port": an IPv6 address needs its brackets */
		g_autofree char *where =
		    g_strdup_printf(strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
		g_socket_client_connect_to_host_async(client, where, port, attempt->cancellable,
						      attempt_done, attempt);
		while (!attempt->done)
			g_main_context_iteration(context, TRUE);
		g_source_destroy(timer);
	}
	g_main_context_pop_thread_default(context);
}

static gboolean set_option(int fd, int level, int option, int value, GError **error)
{
	if (setsockopt(fd, level, option, &value, sizeof value) == 0)
		return TRUE;
	return util_error_errno(error, errno, "setsockopt %d", option);
}

/* Small requests leave at once; a dead peer is noticed by the kernel, idle or not. */
static gboolean set_options(int fd, gint64 progress_us, GError **error)
{
	return set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1, error) &&
	       set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1, error) &&
	       set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, KEEPALIVE_IDLE_S, error) &&
	       set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, KEEPALIVE_EVERY_S, error) &&
	       set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, KEEPALIVE_COUNT, error) &&
	       set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)(progress_us / 1000), error);
}

WireTcp *wire_tcp_connect(const char *host, guint16 port, gint64 connect_us, gint64 progress_us,
			  GError **error)
{
	Attempt attempt = {.cancellable = g_cancellable_new()};
	attempt_run(&attempt, host, port, connect_us);
	g_object_unref(attempt.cancellable);
	if (!attempt.connection) {
		if (attempt.late)
			util_error_set(error, TS_ERROR_AGAIN,
				       "connecting took longer than %d s; is the line up?",
				       (int)(connect_us / G_USEC_PER_SEC));
		else
			util_error_set(error, TS_ERROR_AGAIN, "cannot connect: %s",
				       attempt.error->message);
		g_clear_error(&attempt.error);
		return NULL;
	}
	WireTcp *tcp = g_new0(WireTcp, 1);
	tcp->connection = attempt.connection;
	if (!set_options(wire_tcp_fd(tcp), progress_us, error)) {
		wire_tcp_free(tcp);
		return NULL;
	}
	return tcp;
}

int wire_tcp_fd(const WireTcp *tcp)
{
	return g_socket_get_fd(g_socket_connection_get_socket(tcp->connection));
}

void wire_tcp_free(WireTcp *tcp)
{
	if (!tcp)
		return;
	g_object_unref(tcp->connection);
	g_free(tcp);
}
