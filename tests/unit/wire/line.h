/* SPDX-License-Identifier: ISC */
/*
 * What the tests of the line share: a scripted central (this program itself, run as serve_command
 * or as sshd's forced command; STATE/mode says how it misbehaves), and a real sshd on a loopback
 * port with keys of its own.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <glib.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/wire.h"

#define FLOOD_BYTES (4 * 1024 * 1024)
#define BIG_BYTES (4 * 1024 * 1024)
#define BASE "haikou"
#define SSHD "/usr/sbin/sshd"

/* ---- the scripted central ---- */

static void fake_fill(int fd, gsize bytes, char c)
{
	char block[8192];
	memset(block, c, sizeof block);
	while (bytes > 0) {
		ssize_t n = write(fd, block, MIN(bytes, sizeof block));
		if (n <= 0)
			_exit(9);
		bytes -= (gsize)n;
	}
}

static void fake_echo(UtilStream *stream)
{
	gsize len = 0;
	g_autoptr(GError) error = NULL;
	g_autofree char *all = wire_read_all(stream, 16 * 1024 * 1024, &len, &error);
	if (!all || !wire_reply_ok(stream, (gint64)len, NULL) ||
	    !stream->write(stream, all, len, NULL))
		_exit(8);
}

static int fake_run(const char *mode, UtilStream *stream)
{
	const char *verb = g_getenv("SSH_ORIGINAL_COMMAND");
	if (g_str_equal(mode, "echo")) {
		fake_echo(stream);
	} else if (g_str_equal(mode, "verb")) {
		util_stream_puts(stream, verb ? verb : "none", NULL);
		util_stream_puts(stream, "\n", NULL);
	} else if (g_str_equal(mode, "env")) {
		g_auto(GStrv) env = g_get_environ();
		for (guint i = 0; env[i]; i++)
			g_print("%s\n", env[i]);
	} else if (g_str_equal(mode, "hang")) {
		sleep(60);
	} else if (g_str_equal(mode, "slow")) {
		sleep(7);
		wire_reply_ok(stream, 7, NULL);
	} else if (g_str_equal(mode, "stall")) {
		util_stream_puts(stream, "ok 100000\n", NULL);
		fake_fill(1, 1000, 'x');
		sleep(60);
	} else if (g_str_equal(mode, "big")) {
		wire_reply_ok(stream, BIG_BYTES, NULL);
		fake_fill(1, BIG_BYTES, 'y');
	} else if (g_str_equal(mode, "flood-ok")) {
		fake_fill(2, FLOOD_BYTES, 'f');
		wire_reply_ok(stream, -1, NULL);
	} else if (g_str_equal(mode, "flood-fail")) {
		fake_fill(2, FLOOD_BYTES, 'f');
		fake_fill(2, 1, '\n');
		if (write(2, "the last words\n", 15) != 15)
			return 9;
		return 1;
	} else if (g_str_equal(mode, "flood-for-ever")) {
		for (;;)
			fake_fill(2, FLOOD_BYTES, 'f');
	} else if (g_str_equal(mode, "no-disk")) {
		if (write(2, "no disk\x1b[31m\n", 13) != 13)
			return 9;
		return 5;
	} else if (g_str_equal(mode, "early")) {
		util_stream_puts(stream, "ok 100000\n0123456789", NULL);
	} else if (g_str_equal(mode, "killed")) {
		kill(getpid(), SIGKILL);
	} else if (g_str_equal(mode, "refused")) {
		g_autoptr(GError) no = g_error_new(TS_ERROR, TS_ERROR_REFUSED, "not today");
		wire_reply_error(stream, no, NULL);
		return 3;
	} else if (g_str_equal(mode, "deaf")) {
		close(0);
		return 7;
	} else if (g_str_equal(mode, "more")) {
		util_stream_puts(stream, "ok\n", NULL);
		fake_fill(1, BIG_BYTES, 'z');
	} else if (g_str_equal(mode, "orphan")) {
		util_stream_puts(stream, "ok\n", NULL);
		if (fork() == 0) {
			sleep(4);
			_exit(0);
		}
	} else {
		return 99;
	}
	return 0;
}

/* TEST -C STATE serve BASE; does not return if that is what argv says. */
static void fake_serve_if_asked(int argc, char **argv)
{
	if (argc != 5 || !g_str_equal(argv[1], "-C") || !g_str_equal(argv[3], "serve"))
		return;
	g_autofree char *path = g_build_filename(argv[2], "mode", NULL);
	g_autofree char *mode = NULL;
	if (!g_str_equal(argv[4], BASE) || !g_file_get_contents(path, &mode, NULL, NULL))
		_exit(98);
	UtilStream *stream = util_stream_from_fds(0, 1, 60000);
	_exit(fake_run(mode, stream));
}

/* ---- a real sshd ---- */

typedef struct {
	char *dir, *state, *self;
	char *key_file, *other_key_file, *host_key, *other_key;
	guint16 port;
	GPid sshd; /* 0: none runs */
} Place;

static guint16 free_port(int *ret_listener)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof addr;
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&addr, len), ==, 0);
	g_assert_cmpint(listen(fd, 8), ==, 0);
	g_assert_cmpint(getsockname(fd, (struct sockaddr *)&addr, &len), ==, 0);
	if (ret_listener)
		*ret_listener = fd;
	else
		close(fd);
	return ntohs(addr.sin_port);
}

static int connect_loopback(guint16 port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_port = htons(port)};
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(fd, (struct sockaddr *)&addr, sizeof addr) == 0)
		return fd;
	close(fd);
	return -1;
}

static void die_with_parent(gpointer data)
{
	(void)data;
	prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static char *place_make_key(const Place *place, const char *name, char **ret_public)
{
	g_autoptr(GError) error = NULL;
	char *path = g_build_filename(place->dir, name, NULL);
	g_assert_true(util_sshsig_keygen(path, "test", &error));
	if (ret_public)
		*ret_public = util_sshsig_public_key(path, &error);
	g_assert_no_error(error);
	return path;
}

static void place_open(Place *place)
{
	g_autoptr(GError) error = NULL;
	*place = (Place){0};
	place->dir = g_dir_make_tmp("tagship-wire-XXXXXX", &error);
	place->state = g_build_filename(place->dir, "state", NULL);
	g_assert_cmpint(g_mkdir(place->state, 0700), ==, 0);
	place->self = g_file_read_link("/proc/self/exe", &error);
	place->key_file = place_make_key(place, "key", NULL);
	place->other_key_file = place_make_key(place, "other", &place->other_key);
}

/* FALSE where there is no sshd. */
static gboolean place_start_sshd(Place *place, const char *host_key_type)
{
	g_autoptr(GError) error = NULL;
	if (!g_file_test(SSHD, G_FILE_TEST_IS_EXECUTABLE))
		return FALSE;
	if (geteuid() == 0)
		g_mkdir_with_parents("/run/sshd", 0755);
	g_autofree char *host = g_build_filename(place->dir, host_key_type, NULL);
	if (g_str_equal(host_key_type, "ed25519")) {
		g_free(place_make_key(place, host_key_type, &place->host_key));
	} else {
		const char *argv[] = {"ssh-keygen", "-q", "-t", host_key_type, "-N",
				      "",           "-f", host, NULL};
		int status = -1;
		g_assert_true(
		    util_child_capture(argv, NULL, NULL, 20, 4096, NULL, NULL, &status, &error));
		g_assert_cmpint(status, ==, 0);
	}
	g_autofree char *key = util_sshsig_public_key(place->key_file, &error);
	g_autofree char *line = g_strdup_printf("restrict,command=\"%s -C %s serve " BASE "\" %s\n",
						place->self, place->state, key);
	g_autofree char *keys = g_build_filename(place->dir, "authorized_keys", NULL);
	g_assert_true(g_file_set_contents(keys, line, -1, &error));
	place->port = free_port(NULL);
	g_autofree char *config = g_strdup_printf(
	    "Port %u\nListenAddress 127.0.0.1\nHostKey %s\nPidFile none\nUsePAM no\n"
	    "StrictModes no\nAuthorizedKeysFile %s\nPasswordAuthentication no\n"
	    "KbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nUseDNS no\n"
	    "SetEnv SHLVL=2\n", /* so that bash, as a user's shell, does not read .bashrc */
	    place->port, host, keys);
	g_autofree char *config_path = g_build_filename(place->dir, "sshd_config", NULL);
	g_assert_true(g_file_set_contents(config_path, config, -1, &error));
	char *argv[] = {(char[]){SSHD}, (char[]){"-D"}, (char[]){"-f"}, config_path, NULL};
	g_assert_true(g_spawn_async("/", argv, NULL,
				    G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
				    die_with_parent, NULL, &place->sshd, &error));
	for (guint i = 0; i < 250; i++) {
		int fd = connect_loopback(place->port);
		if (fd >= 0) {
			close(fd);
			return TRUE;
		}
		g_usleep(20 * 1000);
	}
	g_error("sshd did not start");
}

static void place_stop_sshd(Place *place)
{
	if (place->sshd > 0) {
		kill(place->sshd, SIGTERM);
		waitpid(place->sshd, NULL, 0);
	}
	place->sshd = 0;
	g_clear_pointer(&place->host_key, g_free);
}

static void place_close(Place *place)
{
	place_stop_sshd(place);
	g_assert_true(util_fs_remove_tree(AT_FDCWD, place->dir, NULL));
	g_free(place->dir);
	g_free(place->state);
	g_free(place->self);
	g_free(place->key_file);
	g_free(place->other_key_file);
	g_free(place->other_key);
}

static void place_mode(const Place *place, const char *mode)
{
	g_autofree char *path = g_build_filename(place->state, "mode", NULL);
	g_assert_true(g_file_set_contents(path, mode, -1, NULL));
}

/* Seconds it took since. */
static double since(gint64 began_us)
{
	return (double)(g_get_monotonic_time() - began_us) / G_USEC_PER_SEC;
}
