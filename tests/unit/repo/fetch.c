/* SPDX-License-Identifier: ISC */
/* Fetch over a socket pair: real git upload-pack, and peers that stall, hang up or talk nonsense.
 */
#include <glib.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "git-run.h"
#include "repo/repo.h"

#define PACK_MAX ((guint64)64 * 1024 * 1024)

typedef struct {
	TmpDir dir;
	char *source;
	char *mirror;
	Repo *central;
	Repo *repo;
	const char *script; /* run by sh on the other end; NULL: git upload-pack */
	int timeout_ms;
	pid_t peer;
	guint connected;
	guint progress;
	guint shut;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	f->dir = tmp_dir();
	f->source = tmp_path(&f->dir, "source.git");
	f->mirror = tmp_path(&f->dir, "mirror.git");
	f->timeout_ms = 20000;
	f->central = repo_create(f->source, &error);
	g_assert_no_error(error);
	f->repo = repo_create(f->mirror, &error);
	g_assert_no_error(error);
}

static void reap(Fixture *f)
{
	int status = 0;

	if (f->peer <= 0)
		return;
	(void)kill(-f->peer, SIGKILL); /* and all it started */
	g_assert_cmpint(waitpid(f->peer, &status, 0), ==, f->peer);
	f->peer = 0;
}

static void teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	reap(f);
	repo_free(f->repo);
	repo_free(f->central);
	assert_fsck(f->mirror);
	g_free(f->source);
	g_free(f->mirror);
	tmp_dir_clear(&f->dir);
}

static UtilStream *connect_peer(const char *service, gpointer user_data, GError **error)
{
	Fixture *f = user_data;
	int pair[2];

	(void)error;
	g_assert_cmpstr(service, ==, "git-upload-pack");
	f->connected++;
	g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), ==, 0);
	f->peer = fork();
	g_assert_cmpint(f->peer, >=, 0);
	if (f->peer == 0) {
		(void)setpgid(0, 0);
		(void)dup2(pair[1], 0);
		(void)dup2(pair[1], 1);
		if (f->script)
			(void)execlp("sh", "sh", "-c", f->script, (char *)NULL);
		else
			(void)execlp("git", "git", "upload-pack", f->source, (char *)NULL);
		_exit(127);
	}
	(void)setpgid(f->peer, f->peer); /* as the child does: whoever is first */
	(void)close(pair[1]);
	return util_stream_from_fds(pair[0], pair[0], f->timeout_ms);
}

static void count_progress(gpointer user_data, const char *what, guint64 done, guint64 total)
{
	Fixture *f = user_data;

	(void)what;
	g_assert_cmpuint(done, <=, total);
	f->progress++;
}

static gboolean fetch(Fixture *f, const char *refspec, guint64 max_bytes, GError **error)
{
	UtilProgress progress = {.report = count_progress, .user_data = f};
	RepoFetchSpec spec = {.connect = connect_peer,
			      .user_data = f,
			      .refspec = refspec,
			      .max_pack_bytes = max_bytes,
			      .progress = &progress};
	gboolean ok = repo_fetch(f->repo, &spec, error);

	reap(f);
	return ok;
}

static void add_commit(Fixture *f, const char *ref, const char *message, const char *content,
		       char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	RepoTreeEntry entry = {.name = "tag", .mode = 0100644};
	char tree[REPO_OID], parent[REPO_OID];
	gboolean has_parent = repo_ref_get(f->central, ref, parent, NULL);
	RepoCommitSpec spec = {.parent = has_parent ? parent : NULL,
			       .tree = tree,
			       .message = message,
			       .author = "test",
			       .time_utc = 1700000000};

	g_assert_true(repo_blob_write(f->central, content, strlen(content), entry.oid, &error));
	g_assert_true(repo_tree_write(f->central, &entry, 1, tree, &error));
	g_assert_true(repo_commit_write(f->central, &spec, ret_oid, &error));
	g_assert_true(repo_ref_set(f->central, ref, ret_oid, NULL, &error));
	g_assert_no_error(error);
}

#define SPEC "+refs/heads/orders:refs/tagship/seen"

static void test_fetch(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) refs = NULL;
	g_autofree char *fetch_head = g_build_filename(f->mirror, "FETCH_HEAD", NULL);
	g_autofree char *count = NULL;
	char one[REPO_OID], two[REPO_OID], now[REPO_OID];

	(void)data;
	add_commit(f, "refs/heads/orders", "one\n", "1", one);
	add_commit(f, "refs/heads/reports", "not wanted\n", "r", two);
	g_free(git(f->source, "tag", "-a", "-m", "t", "sometag", one, NULL));
	g_assert_true(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(f->connected, ==, 1);
	g_assert_cmpuint(f->progress, >, 0);
	/* that ref and nothing else */
	refs = repo_ref_list(f->repo, "refs/", &error);
	g_assert_cmpuint(refs->len, ==, 1);
	g_assert_true(repo_ref_get(f->repo, "refs/tagship/seen", now, &error));
	g_assert_cmpstr(now, ==, one);
	g_assert_false(g_file_test(fetch_head, G_FILE_TEST_EXISTS));
	g_assert_false(repo_object_exists(f->repo, two));
	/* idle, then several more */
	g_assert_true(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_no_error(error);
	for (int i = 0; i < 5; i++) {
		add_commit(f, "refs/heads/orders", "more\n", i % 2 ? "odd" : "even", two);
		g_assert_true(fetch(f, SPEC, PACK_MAX, &error));
		g_assert_no_error(error);
	}
	g_assert_true(repo_ref_get(f->repo, "refs/tagship/seen", now, &error));
	g_assert_cmpstr(now, ==, two);
	count = git(f->mirror, "rev-list", "--count", "refs/tagship/seen", NULL);
	g_assert_cmpstr(count, ==, "6");
}

/* A new base: central's ledger has no ref yet. */
static void test_empty(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) refs = NULL;
	char oid[REPO_OID];

	(void)data;
	g_assert_true(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_no_error(error);
	add_commit(f, "refs/heads/reports", "other\n", "r", oid);
	g_assert_true(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_no_error(error);
	refs = repo_ref_list(f->repo, "refs/", &error);
	g_assert_cmpuint(refs->len, ==, 0);
}

static void test_wildcard(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) refs = NULL;
	char oid[REPO_OID];

	(void)data;
	add_commit(f, "refs/heads/a", "a\n", "a", oid);
	add_commit(f, "refs/heads/b/c", "b\n", "b", oid);
	g_free(git(f->source, "tag", "-a", "-m", "t", "v1", oid, NULL));
	g_assert_true(fetch(f, "+refs/*:refs/up/*", PACK_MAX, &error));
	g_assert_no_error(error);
	refs = repo_ref_list(f->repo, "refs/", &error);
	g_assert_cmpuint(refs->len, ==, 3);
	g_assert_cmpstr(((RepoRef *)refs->pdata[2])->name, ==, "refs/up/tags/v1");
}

/* Rewound and forked upstream: taken with "+" (the ledger room judges), refused without. */
static void test_forward(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	const char *plain = "refs/heads/orders:refs/tagship/seen";
	char one[REPO_OID], two[REPO_OID], now[REPO_OID];

	(void)data;
	add_commit(f, "refs/heads/orders", "one\n", "1", one);
	add_commit(f, "refs/heads/orders", "two\n", "2", two);
	g_assert_true(fetch(f, plain, PACK_MAX, &error));
	g_assert_no_error(error);
	g_assert_true(repo_ref_set(f->central, "refs/heads/orders", one, NULL, &error));
	g_assert_false(fetch(f, plain, PACK_MAX, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	g_assert_true(repo_ref_get(f->repo, "refs/tagship/seen", now, &error));
	g_assert_cmpstr(now, ==, two);
	g_assert_true(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_true(repo_ref_get(f->repo, "refs/tagship/seen", now, &error));
	g_assert_cmpstr(now, ==, one);
}

static char *noise(gsize len)
{
	g_autoptr(GRand) rand = g_rand_new_with_seed(7);
	char *text = g_malloc(len + 1);

	for (gsize i = 0; i < len; i++)
		text[i] = (char)g_rand_int_range(rand, 33, 126);
	text[len] = '\0';
	return text;
}

static void assert_nothing(Fixture *f)
{
	g_autoptr(GPtrArray) refs = repo_ref_list(f->repo, "refs/", NULL);
	g_autofree char *folder = g_build_filename(f->mirror, "objects/pack", NULL);
	g_autoptr(GPtrArray) names = util_fs_list(AT_FDCWD, folder, NULL);

	g_assert_cmpuint(refs->len, ==, 0);
	g_assert_cmpuint(names->len, ==, 0);
}

static void test_too_large(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *random = noise(3000000);
	char oid[REPO_OID];

	(void)data;
	add_commit(f, "refs/heads/orders", "big\n", random, oid);
	g_assert_false(fetch(f, SPEC, 1000000, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_test_message("%s", error->message);
	assert_nothing(f);
	g_clear_error(&error);
	/* the limits do not stick */
	g_assert_true(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_no_error(error);
}

/* A small pack whose objects swell: nobody who reads them takes more than he allowed. */
static void test_swell(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *zeros = g_strnfill(REPO_COMMIT_MAX, '0');
	char oid[REPO_OID], tag[REPO_OID];

	(void)data;
	add_commit(f, "refs/heads/orders", zeros, zeros + REPO_COMMIT_MAX - 100000, oid);
	g_assert_true(fetch(f, SPEC, 100000, &error));
	g_assert_no_error(error);
	g_assert_null(repo_commit_read(f->repo, oid, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	g_assert_true(repo_tree_lookup(f->repo, oid, "tag", tag, &error));
	g_assert_null(repo_object_read(f->repo, tag, 65536, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
}

static void test_bad_peers(Fixture *f, gconstpointer data)
{
	static const struct {
		const char *script;
		int code; /* -1: any */
	} peers[] = {
	    {"true", TS_ERROR_AGAIN},                             /* hangs up at once */
	    {"exit 1", TS_ERROR_AGAIN},                           /* fails at once */
	    {"printf 00", TS_ERROR_AGAIN},                        /* ends in a length */
	    {"printf '0040abc'", TS_ERROR_AGAIN},                 /* ends in a line */
	    {"exec sleep 600", TS_ERROR_AGAIN},                   /* silent */
	    {"printf '0040abc'; exec sleep 600", TS_ERROR_AGAIN}, /* stalls in a line */
	    {"printf 'hello, this is a shell\\n'; exec sleep 600", -1},
	    {"printf '0000'; exec sleep 600", -1},
	    {"printf '0012ERR go away ok'; exec sleep 600", -1},
	};

	(void)data;
	f->timeout_ms = 300;
	for (gsize i = 0; i < G_N_ELEMENTS(peers); i++) {
		g_autoptr(GError) error = NULL;
		gint64 start = g_get_monotonic_time();
		gboolean ok;

		f->script = peers[i].script;
		ok = fetch(f, SPEC, PACK_MAX, &error);
		g_test_message("%s: %s", f->script, ok ? "nothing" : error->message);
		if (peers[i].code >= 0) {
			g_assert_false(ok);
			g_assert_error(error, TS_ERROR, peers[i].code);
		}
		g_assert_cmpint(g_get_monotonic_time() - start, <, 5 * G_USEC_PER_SEC);
		assert_nothing(f);
	}
}

/* Real git, cut off or stopped in the middle of the pack. */
static void test_cut_pack(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *random = noise(400000);
	g_autofree char *cut = NULL;
	g_autofree char *stop = NULL;
	char oid[REPO_OID];

	(void)data;
	add_commit(f, "refs/heads/orders", "big\n", random, oid);
	f->timeout_ms = 1000;
	cut = g_strdup_printf("git upload-pack '%s' | dd bs=1 count=20000 status=none", f->source);
	stop = g_strdup_printf(
	    "git upload-pack '%s' | (dd bs=1 count=20000 status=none; exec sleep 600)", f->source);
	f->script = cut;
	g_assert_false(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_test_message("%s", error->message);
	assert_nothing(f);
	g_clear_error(&error);
	f->script = stop;
	g_assert_false(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_AGAIN);
	g_test_message("%s", error->message);
	assert_nothing(f);
	g_clear_error(&error);
	f->script = NULL;
	g_assert_true(fetch(f, SPEC, PACK_MAX, &error));
	g_assert_no_error(error);
}

static UtilStream *connect_never(const char *service, gpointer user_data, GError **error)
{
	(void)service;
	(void)user_data;
	(void)util_error_set(error, TS_ERROR_NOT_AUTHENTIC, "wrong host key");
	return NULL;
}

static void test_no_line(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	RepoFetchSpec spec = {.connect = connect_never, .refspec = SPEC, .max_pack_bytes = 1000};

	(void)data;
	g_assert_false(repo_fetch(f->repo, &spec, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_assert_nonnull(strstr(error->message, "wrong host key"));
	g_clear_error(&error);
	spec.refspec = "not a : good : spec";
	g_assert_false(repo_fetch(f->repo, &spec, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

int main(int argc, char **argv)
{
	(void)signal(SIGPIPE, SIG_IGN); /* as the programs do */
	g_test_init(&argc, &argv, NULL);
	ADD("/fetch/git", test_fetch);
	ADD("/fetch/empty", test_empty);
	ADD("/fetch/wildcard", test_wildcard);
	ADD("/fetch/forward", test_forward);
	ADD("/fetch/too-large", test_too_large);
	ADD("/fetch/swell", test_swell);
	ADD("/fetch/bad-peers", test_bad_peers);
	ADD("/fetch/cut-pack", test_cut_pack);
	ADD("/fetch/no-line", test_no_line);
	return g_test_run();
}
