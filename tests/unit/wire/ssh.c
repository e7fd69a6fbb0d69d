/* SPDX-License-Identifier: ISC */
/* Bad servers, bad keys and bad lines: each ends in the right error within its deadline. */
#include <poll.h>

#include "line.h"

static Place place;

static WirePeer peer_for(const char *url, const char *const *host_keys)
{
	return (WirePeer){.url = url,
			  .base_name = BASE,
			  .host_keys = host_keys,
			  .key_file = place.key_file,
			  .serve_command = place.self,
			  .connect_timeout_s = 1,
			  .progress_timeout_s = 1};
}

static char *url_for_port(guint16 port)
{
	return g_strdup_printf("ssh://%s@127.0.0.1:%u", g_get_user_name(), port);
}

static void expect(const WirePeer *peer, int code, const char *says, double within_s)
{
	g_autoptr(GError) error = NULL;
	gint64 began = g_get_monotonic_time();
	WireSession *session = wire_connect(peer, &error);
	g_assert_null(session);
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	g_assert_error(error, TS_ERROR, code);
	g_assert_true(g_str_has_prefix(error->message, peer->url));
	g_assert_cmpfloat(since(began), <, within_s);
}

/* ---- servers that are none ---- */

/* A child that takes connections, says `greeting` to each and then does nothing, or closes. */
static GPid bad_server(const char *greeting, gboolean hang_up, guint16 *ret_port)
{
	int listener = -1;
	*ret_port = free_port(&listener);
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid > 0) {
		close(listener);
		return pid;
	}
	die_with_parent(NULL);
	for (;;) {
		int fd = accept(listener, NULL, NULL);
		if (fd < 0 || write(fd, greeting, strlen(greeting)) < 0)
			_exit(1);
		if (hang_up)
			close(fd);
	}
}

static void end_child(GPid pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void check_bad_server(const char *greeting, gboolean hang_up, const char *says)
{
	guint16 port = 0;
	GPid pid = bad_server(greeting, hang_up, &port);
	g_autofree char *url = url_for_port(port);
	const char *host_keys[] = {place.other_key, NULL};
	WirePeer peer = peer_for(url, host_keys);
	expect(&peer, TS_ERROR_AGAIN, says, 3.5);
	end_child(pid);
}

static void test_silent_server(void)
{
	check_bad_server("", FALSE, "no ssh banner came for 1 s");
}

static void test_banner_and_no_more(void)
{
	check_bad_server("SSH-2.0-OpenSSH_9.2\r\n", FALSE,
			 "the ssh handshake took longer than 1 s");
}

static void test_hangs_up(void)
{
	check_bad_server("", TRUE, "before its ssh banner");
	check_bad_server("SSH-2.0-OpenSSH_9.2\r\n", TRUE, "handshake");
}

static void test_no_ssh_at_all(void)
{
	g_autofree char *noise = g_strnfill(100000, 'A');
	check_bad_server(noise, FALSE, "");
}

static void test_nobody_listens(void)
{
	g_autofree char *url = url_for_port(free_port(NULL));
	const char *host_keys[] = {place.other_key, NULL};
	WirePeer peer = peer_for(url, host_keys);
	expect(&peer, TS_ERROR_AGAIN, "cannot connect", 2);
	/* both addresses of the name are tried */
	g_autofree char *name = g_strdup_printf("ssh://git@localhost:%u", free_port(NULL));
	peer.url = name;
	expect(&peer, TS_ERROR_AGAIN, "cannot connect", 2);
	peer.url = "ssh://git@no-such-host.invalid";
	expect(&peer, TS_ERROR_AGAIN, "c", 3);
}

/* ---- wrong settings: nothing is connected to ---- */

static void test_settings(void)
{
	g_autofree char *url = url_for_port(1);
	const char *none[] = {NULL};
	const char *good[] = {place.other_key, NULL};
	WirePeer peer = peer_for(url, none);
	expect(&peer, TS_ERROR_NOT_AUTHENTIC, "no host key is pinned", 1);
	peer.host_keys = NULL;
	expect(&peer, TS_ERROR_NOT_AUTHENTIC, "no host key is pinned", 1);
	peer.host_keys = good;
	g_autofree char *missing = g_build_filename(place.dir, "none", NULL);
	peer.key_file = missing;
	expect(&peer, TS_ERROR_NOT_FOUND, "key file", 1);
	g_autofree char *open_key = place_make_key(&place, "open", NULL);
	g_assert_cmpint(chmod(open_key, 0644), ==, 0);
	peer.key_file = open_key;
	expect(&peer, TS_ERROR_NOT_AUTHENTIC, "others can read it", 1);
	peer.key_file = place.key_file;
	peer.url = "http://git@central";
	expect(&peer, TS_ERROR_USAGE, "ssh://", 1);
	peer.url = "relative/state";
	expect(&peer, TS_ERROR_USAGE, "absolute path", 1);
	peer.url = "/no/such/folder";
	expect(&peer, TS_ERROR_AGAIN, "no such folder", 1);
	peer.url = place.state;
	peer.base_name = "../x";
	expect(&peer, TS_ERROR_USAGE, "base", 1);
	peer.base_name = BASE;
	peer.serve_command = "";
	expect(&peer, TS_ERROR_USAGE, "serve_command", 1);
}

static void test_no_serve_command(void)
{
	g_autoptr(GError) error = NULL;
	WirePeer peer = peer_for(place.state, NULL);
	peer.serve_command = "/no/such/program";
	WireSession *session = wire_connect(&peer, &error);
	g_assert_no_error(error);
	g_assert_null(wire_call(session, "hello", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_FAILED);
	g_assert_nonnull(strstr(error->message, "/no/such/program"));
	wire_disconnect(session);
}

/* ---- a real sshd ---- */

static gboolean need_sshd(void)
{
	if (!place.sshd)
		g_test_skip("no sshd here");
	return place.sshd > 0;
}

static void test_wrong_host_key(void)
{
	if (!need_sshd())
		return;
	g_autofree char *url = url_for_port(place.port);
	const char *host_keys[] = {place.other_key, NULL};
	WirePeer peer = peer_for(url, host_keys);
	peer.connect_timeout_s = 15;
	expect(&peer, TS_ERROR_NOT_AUTHENTIC, "none of those pinned", 15);
	const char *garbage[] = {"ssh-ed25519 AAAA", NULL};
	peer.host_keys = garbage;
	expect(&peer, TS_ERROR_USAGE, "host_keys", 15);
}

static void test_wrong_user_key(void)
{
	if (!need_sshd())
		return;
	g_autofree char *url = url_for_port(place.port);
	const char *host_keys[] = {place.host_key, NULL};
	WirePeer peer = peer_for(url, host_keys);
	peer.connect_timeout_s = 15;
	peer.key_file = place.other_key_file;
	expect(&peer, TS_ERROR_NOT_AUTHENTIC, "was refused with the key", 15);
	g_autofree char *nameless = g_strdup_printf("ssh://127.0.0.1:%u", place.port);
	peer.url = nameless;
	expect(&peer, TS_ERROR_USAGE, "names no user", 15);
	g_autofree char *text_file = g_build_filename(place.dir, "text", NULL);
	g_assert_true(util_fs_write_file(AT_FDCWD, text_file, "no key\n", 7, 0600, NULL));
	peer.url = url;
	peer.key_file = text_file;
	expect(&peer, TS_ERROR_FAILED, "must be an ed25519 key", 15);
}

static void test_scan_silent(void)
{
	g_autoptr(GError) error = NULL;
	guint16 port = 0;
	GPid pid = bad_server("", FALSE, &port);
	g_autofree char *url = url_for_port(port);
	g_assert_null(wire_scan_host_key(url, 1, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	end_child(pid);
}

static void test_scan(void)
{
	g_autoptr(GError) error = NULL;
	if (!need_sshd())
		return;
	g_autofree char *url = url_for_port(place.port);
	g_autofree char *key = wire_scan_host_key(url, 15, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(key, ==, place.host_key);
	g_assert_true(util_sshsig_key_ok(key));
}

static void test_server_without_ed25519(void)
{
	Place rsa;
	place_open(&rsa);
	if (place_start_sshd(&rsa, "ecdsa")) {
		g_autofree char *url = url_for_port(rsa.port);
		const char *host_keys[] = {place.other_key, NULL};
		WirePeer peer = peer_for(url, host_keys);
		peer.connect_timeout_s = 15;
		expect(&peer, TS_ERROR_FAILED, "does the server have an ed25519 host key?", 15);
	} else {
		g_test_skip("no sshd here");
	}
	place_close(&rsa);
}

/* ---- a bad line in front of a good server ---- */

/* A child that joins one connection to sshd; after `limit` bytes of central's it goes silent (both
 * sockets stay open) or cuts. */
static GPid relay(guint16 to_port, gsize limit, gboolean cut, guint16 *ret_port)
{
	int listener = -1;
	*ret_port = free_port(&listener);
	pid_t pid = fork();
	g_assert_cmpint(pid, >=, 0);
	if (pid > 0) {
		close(listener);
		return pid;
	}
	die_with_parent(NULL);
	struct pollfd fds[2] = {{accept(listener, NULL, NULL), POLLIN, 0},
				{connect_loopback(to_port), POLLIN, 0}};
	gsize passed = 0;
	char block[4096];
	while (passed < limit && poll(fds, 2, -1) > 0) {
		for (guint i = 0; i < 2; i++) {
			if (!fds[i].revents)
				continue;
			ssize_t n = read(fds[i].fd, block, sizeof block);
			if (n <= 0 || write(fds[1 - i].fd, block, (gsize)n) != n)
				_exit(0);
			passed += i == 1 ? (gsize)n : 0;
		}
	}
	if (!cut)
		pause();
	_exit(0);
}

static void check_bad_line(gboolean cut, gint64 progress_s, const char *says)
{
	g_autoptr(GError) error = NULL;
	guint16 port = 0;
	if (!need_sshd())
		return;
	GPid pid = relay(place.port, 500 * 1000, cut, &port);
	g_autofree char *url = url_for_port(port);
	const char *host_keys[] = {place.host_key, NULL};
	WirePeer peer = peer_for(url, host_keys);
	peer.connect_timeout_s = 15;
	peer.progress_timeout_s = progress_s;
	place_mode(&place, "big");
	WireSession *session = wire_connect(&peer, &error);
	g_assert_no_error(error);
	WireCall *call = wire_call(session, "report", &error);
	g_assert_true(wire_reply_read(wire_call_stream(call), NULL, &error));
	gint64 began = g_get_monotonic_time();
	g_autofree char *all = g_malloc(BIG_BYTES);
	g_assert_false(util_stream_read_full(wire_call_stream(call), all, BIG_BYTES, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	if (!strstr(error->message, says))
		g_error("not said: \"%s\" but: %s", says, error->message);
	guint64 in = 0, out = 0;
	wire_session_bytes(session, &in, &out);
	/* libssh2 reports the cut before it hands out what it has queued, at most one window */
	g_assert_cmpuint(in, >, 500 * 1000 - 256 * 1024 - 32 * 1024);
	g_assert_cmpuint(in, <, 500 * 1000);
	wire_call_abort(call);
	wire_disconnect(session);
	g_assert_cmpfloat(since(began), <, 10);
	end_child(pid);
}

static void test_cut(void)
{
	check_bad_line(TRUE, 15, "the connection was cut");
}

/* A call that central works on for longer than it takes to find a line dead. */
static gpointer wait_for_slow(gpointer data)
{
	WireCall *call = data;
	g_autoptr(GError) error = NULL;
	gint64 length = 0;
	g_assert_true(wire_reply_read(wire_call_stream(call), &length, &error));
	g_assert_cmpint(length, ==, 7);
	g_assert_true(wire_call_finish(call, &error));
	g_assert_no_error(error);
	return NULL;
}

/* Keepalives tell a dead line from a slow central. */
static void test_dead_or_slow(void)
{
	g_autoptr(GError) error = NULL;
	if (!need_sshd())
		return;
	g_autofree char *url = url_for_port(place.port);
	const char *host_keys[] = {place.host_key, NULL};
	WirePeer peer = peer_for(url, host_keys);
	peer.connect_timeout_s = 15;
	peer.progress_timeout_s = 8;
	place_mode(&place, "slow");
	WireSession *session = wire_connect(&peer, &error);
	g_assert_no_error(error);
	WireCall *call = wire_call(session, "report", &error);
	g_usleep(G_USEC_PER_SEC / 2); /* it has read its mode by then */
	GThread *thread = g_thread_new("slow", wait_for_slow, call);
	check_bad_line(FALSE, 8, "unanswered: the line is dead");
	g_thread_join(thread);
	wire_disconnect(session);
}

int main(int argc, char **argv)
{
	fake_serve_if_asked(argc, argv);
	g_test_init(&argc, &argv, NULL);
	place_open(&place);
	(void)place_start_sshd(&place, "ed25519"); /* its tests skip without */
	g_test_add_func("/wire/server/silent", test_silent_server);
	g_test_add_func("/wire/server/banner-only", test_banner_and_no_more);
	g_test_add_func("/wire/server/hangs-up", test_hangs_up);
	g_test_add_func("/wire/server/no-ssh", test_no_ssh_at_all);
	g_test_add_func("/wire/server/nobody", test_nobody_listens);
	g_test_add_func("/wire/settings", test_settings);
	g_test_add_func("/wire/no-serve-command", test_no_serve_command);
	g_test_add_func("/wire/keys/wrong-host-key", test_wrong_host_key);
	g_test_add_func("/wire/keys/wrong-user-key", test_wrong_user_key);
	g_test_add_func("/wire/keys/scan", test_scan);
	g_test_add_func("/wire/keys/scan-silent", test_scan_silent);
	g_test_add_func("/wire/keys/no-ed25519", test_server_without_ed25519);
	g_test_add_func("/wire/bad-line/cut", test_cut);
	g_test_add_func("/wire/bad-line/dead-or-slow", test_dead_or_slow);
	int status = g_test_run();
	place_close(&place);
	return status;
}
