/* SPDX-License-Identifier: ISC */
/* Objects, packs, commits, signatures that real git accepts. */
#include <glib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "git-run.h"
#include "repo/repo.h"

typedef struct {
	TmpDir dir;
	char *path;
	Repo *repo;
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	f->dir = tmp_dir();
	f->path = tmp_path(&f->dir, "repo.git");
	f->repo = repo_create(f->path, &error);
	g_assert_no_error(error);
}

static void teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	repo_free(f->repo);
	assert_fsck(f->path);
	g_free(f->path);
	tmp_dir_clear(&f->dir);
}

static void blob(Fixture *f, const char *text, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;

	(void)repo_blob_write(f->repo, text, strlen(text), ret_oid, &error);
	g_assert_no_error(error);
}

static void commit(Fixture *f, const char *message, const char *parent, const char *tree,
		   char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	RepoCommitSpec spec = {.parent = parent,
			       .tree = tree,
			       .message = message,
			       .author = "test",
			       .time_utc = 1700000000};

	(void)repo_commit_write(f->repo, &spec, ret_oid, &error);
	g_assert_no_error(error);
}

static void test_blob(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GBytes) bytes = NULL;
	char oid[REPO_OID];
	RepoType type = REPO_TAG;

	(void)data;
	blob(f, "hello\n", oid);
	g_assert_cmpstr(oid, ==, "ce013625030ba8dba906f756967f9e9ca394464a");
	g_assert_true(repo_object_exists(f->repo, oid));
	g_assert_false(repo_object_exists(f->repo, REPO_ZERO));
	g_assert_false(repo_object_exists(f->repo, "nonsense"));
	bytes = repo_object_read(f->repo, oid, 6, &type, &error);
	g_assert_no_error(error);
	g_assert_cmpint(type, ==, REPO_BLOB);
	g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "hello\n", 6);
	g_assert_null(repo_object_read(f->repo, oid, 5, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	g_assert_null(repo_object_read(f->repo, REPO_ZERO, 5, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_assert_true(repo_blob_write(f->repo, NULL, 0, oid, NULL));
	g_assert_cmpstr(oid, ==, "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
}

/* Damaged objects are an error, never other content. */
static void test_damaged(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *other = NULL;
	g_autofree char *file = NULL;
	g_autofree char *bytes = NULL;
	char one[REPO_OID], two[REPO_OID];
	gsize len = 0;

	(void)data;
	blob(f, "one\n", one);
	blob(f, "two\n", two);
	file = g_strdup_printf("%s/objects/%.2s/%s", f->path, one, one + 2);
	other = g_strdup_printf("%s/objects/%.2s/%s", f->path, two, two + 2);
	g_assert_true(g_file_get_contents(other, &bytes, &len, NULL));
	g_assert_cmpint(unlink(file), ==, 0);
	g_assert_true(g_file_set_contents(file, bytes, (gssize)len, NULL));
	g_assert_null(repo_object_read(f->repo, one, 100, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	g_assert_true(g_file_set_contents(file, "garbage", -1, NULL));
	g_assert_null(repo_object_read(f->repo, one, 100, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_assert_cmpint(unlink(file), ==, 0);
}

static int temp_file(Fixture *f, const void *data, gsize len)
{
	g_autofree char *path = tmp_path(&f->dir, "file");
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	g_assert_cmpint(fd, >=, 0);
	g_assert_true(util_fs_write_all(fd, data, len, NULL));
	return fd;
}

/* Loose blobs are streamed, packed ones are not: both give the same bytes. */
static void assert_blob(Fixture *f, const char *oid, const guint8 *content, gsize size)
{
	g_autoptr(GError) error = NULL;
	guint8 expected[UTIL_SHA256_BYTES], sha[UTIL_SHA256_BYTES], on_disk[UTIL_SHA256_BYTES];
	util_autofd int copy = temp_file(f, "", 0);
	guint64 len = 0;

	util_sha256_data(content, size, expected);
	g_assert_true(repo_blob_read_fd(f->repo, oid, copy, sha, &len, &error));
	g_assert_no_error(error);
	g_assert_cmpuint(len, ==, size);
	g_assert_cmpmem(sha, sizeof sha, expected, sizeof expected);
	g_assert_true(util_sha256_fd(copy, on_disk, &len, NULL));
	g_assert_cmpmem(on_disk, sizeof on_disk, expected, sizeof expected);
}

static void test_blob_fd(Fixture *f, gconstpointer data)
{
	static const gsize sizes[] = {0, 1, 256 * 1024, 1000001};
	g_autoptr(GError) error = NULL;
	g_autofree guint8 *content = g_malloc(1000001);
	RepoTreeEntry entries[4] = {{.name = "a", .mode = 0100644},
				    {.name = "b", .mode = 0100644},
				    {.name = "c", .mode = 0100644},
				    {.name = "d", .mode = 0100644}};
	char tree[REPO_OID], head[REPO_OID];

	(void)data;
	for (gsize k = 0; k < 1000001; k++)
		content[k] = (guint8)(k * 7 + k / 251);
	for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
		util_autofd int fd = temp_file(f, content, sizes[i]);
		g_autofree char *expected = git(f->path, "hash-object", "../file", NULL);

		g_assert_true(repo_blob_write(f->repo, content, sizes[i], entries[i].oid, &error));
		g_assert_no_error(error);
		g_assert_cmpstr(entries[i].oid, ==, expected);
		assert_blob(f, entries[i].oid, content, sizes[i]);
	}
	g_assert_true(repo_tree_write(f->repo, entries, 4, tree, &error));
	commit(f, "all\n", NULL, tree, head);
	g_assert_true(repo_ref_set(f->repo, "refs/heads/main", head, REPO_ZERO, &error));
	g_free(git(f->path, "repack", "-adq", NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
		assert_blob(f, entries[i].oid, content, sizes[i]);
}

static void test_tree(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *listed = NULL;
	RepoTreeEntry sub = {.name = "app.css", .mode = 0100644};
	RepoTreeEntry entries[4] = {{.name = "b", .mode = 0100755},
				    {.name = "css", .mode = 0040000},
				    {.name = "css-x", .mode = 0100644},
				    {.name = "a", .mode = 0120000}};
	static const char *const bad[] = {".git", ".GIT", "git~1", "..", ".", "", "a/b"};
	char tree[REPO_OID], again[REPO_OID], head[REPO_OID], found[REPO_OID];

	(void)data;
	blob(f, "x\n", sub.oid);
	g_assert_true(repo_tree_write(f->repo, &sub, 1, entries[1].oid, &error));
	for (int i = 0; i < 4; i++)
		if (i != 1)
			blob(f, "y", entries[i].oid);
	g_assert_true(repo_tree_write(f->repo, entries, 4, tree, &error));
	g_assert_no_error(error);
	listed = git(f->path, "ls-tree", "--name-only", tree, NULL);
	g_assert_cmpstr(listed, ==, "a\nb\ncss-x\ncss");
	commit(f, "c\n", NULL, tree, head);
	g_assert_true(repo_tree_lookup(f->repo, head, "css/app.css", found, &error));
	g_assert_cmpstr(found, ==, sub.oid);
	g_assert_true(repo_tree_lookup(f->repo, head, "", found, &error));
	g_assert_cmpstr(found, ==, tree);
	g_assert_false(repo_tree_lookup(f->repo, head, "css/none", found, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
		sub.name = bad[i];
		g_assert_false(repo_tree_write(f->repo, &sub, 1, again, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
		g_clear_error(&error);
	}
	/* the same tree, by adding one entry after the other */
	{
		RepoTreeEntry deep = {.name = "css/app.css", .mode = 0100644};
		RepoTreeEntry link = {.name = "keys/ab/k", .mode = 0160000};

		(void)g_strlcpy(deep.oid, sub.oid, sizeof deep.oid);
		g_assert_true(repo_tree_add(f->repo, NULL, &deep, 1, again, &error));
		g_assert_no_error(error);
		for (int i = 0; i < 4; i++)
			if (i != 1)
				g_assert_true(
				    repo_tree_add(f->repo, again, &entries[i], 1, again, &error));
		g_assert_cmpstr(again, ==, tree);
		/* a commit by its id alone */
		(void)g_strlcpy(link.oid, head, sizeof link.oid);
		g_assert_true(repo_tree_add(f->repo, tree, &link, 1, again, &error));
		g_assert_no_error(error);
	}
	commit(f, "c\n", head, again, head);
	g_assert_true(repo_tree_lookup(f->repo, head, "keys/ab/k", found, &error));
}

static void test_pack(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(RepoPack) pack = NULL;
	g_autofree char *big = g_strnfill(700000, 'z');
	g_autofree char *counted = NULL;
	RepoTreeEntry entries[3] = {{.name = "one", .mode = 0100644},
				    {.name = "one.d", .mode = 0100755},
				    {.name = "big", .mode = 0100644}};
	RepoTreeEntry top[2] = {{.name = "one", .mode = 0040000},
				{.name = "one-x", .mode = 0100644}};
	guint8 sha[UTIL_SHA256_BYTES], expected[UTIL_SHA256_BYTES];
	util_autofd int fd = temp_file(f, big, 700000);
	char tree[REPO_OID], head[REPO_OID], loose[REPO_OID];
	guint64 len = 0;

	(void)data;
	blob(f, "is there already", loose);
	pack = repo_pack_begin(f->repo, &error);
	g_assert_no_error(error);
	g_assert_true(repo_pack_add(pack, REPO_BLOB, "one", 3, entries[0].oid, &error));
	g_assert_true(
	    repo_pack_add(pack, REPO_BLOB, "is there already", 16, entries[1].oid, &error));
	g_assert_cmpstr(entries[1].oid, ==, loose);
	g_assert_true(repo_pack_add_fd(pack, fd, sha, &len, entries[2].oid, &error));
	g_assert_cmpuint(len, ==, 700000);
	util_sha256_data(big, 700000, expected);
	g_assert_cmpmem(sha, sizeof sha, expected, sizeof expected);
	/* twice is once; empty too */
	g_assert_true(repo_pack_add(pack, REPO_BLOB, "one", 3, entries[0].oid, &error));
	g_assert_true(repo_pack_add(pack, REPO_BLOB, "", 0, top[1].oid, &error));
	g_assert_true(repo_pack_add_tree(pack, entries, 3, top[0].oid, &error));
	g_assert_true(repo_pack_add_tree(pack, top, 2, tree, &error));
	g_assert_no_error(error);
	/* nothing is there before the end */
	g_assert_false(repo_object_exists(f->repo, entries[2].oid));
	g_assert_true(repo_pack_finish(pack, &error));
	g_assert_no_error(error);
	g_assert_true(repo_object_exists(f->repo, entries[2].oid));
	commit(f, "packed\n", NULL, tree, head);
	g_assert_true(repo_ref_set(f->repo, "refs/heads/main", head, REPO_ZERO, &error));
	counted = git(f->path, "ls-tree", "-r", "--name-only", "main", NULL);
	g_assert_cmpstr(counted, ==, "one-x\none/big\none/one\none/one.d");
}

/* What libgit2 sees only together with the end of the pack. */
static void test_pack_tiny_last(Fixture *f, gconstpointer data)
{
	static const gsize lens[] = {0, 1, 10, 100};
	char oid[REPO_OID];

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(lens); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(RepoPack) pack = repo_pack_begin(f->repo, &error);
		g_autofree char *text = g_strnfill(lens[i], 'a');

		g_assert_true(repo_pack_add(pack, REPO_BLOB, "first", i, oid, &error));
		g_assert_true(repo_pack_add(pack, REPO_TREE, "", 0, oid, &error));
		g_assert_true(repo_pack_add(pack, REPO_BLOB, text, lens[i], oid, &error));
		(void)repo_pack_finish(pack, &error); /* the error tells */
		g_assert_no_error(error);
		g_assert_true(repo_object_exists(f->repo, oid));
	}
}

/* A pack that was begun and given up, or has nothing in it, leaves nothing behind. */
static void test_pack_nothing(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) names = NULL;
	g_autofree char *folder = g_build_filename(f->path, "objects/pack", NULL);
	RepoPack *pack = repo_pack_begin(f->repo, &error);
	RepoTreeEntry bad = {.name = ".git", .mode = 0100644};
	char oid[REPO_OID];

	(void)data;
	g_assert_true(repo_pack_add(pack, REPO_BLOB, "given up", 8, oid, &error));
	g_assert_false(repo_pack_add_tree(pack, &bad, 1, oid, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	repo_pack_free(pack);
	pack = repo_pack_begin(f->repo, &error);
	g_assert_true(repo_pack_finish(pack, &error));
	g_assert_no_error(error);
	repo_pack_free(pack);
	names = util_fs_list(AT_FDCWD, folder, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(names->len, ==, 0);
}

/* Objects that git pruned behind our back are written again, not taken for granted. */
static void test_pack_pruned(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	RepoTreeEntry entry = {.name = "x", .mode = 0100644};
	char tree[REPO_OID], head[REPO_OID];

	(void)data;
	for (int round = 0; round < 2; round++) {
		g_autoptr(RepoPack) pack = repo_pack_begin(f->repo, &error);

		g_assert_true(repo_pack_add(pack, REPO_BLOB, "pruned", 6, entry.oid, &error));
		g_assert_true(repo_pack_add_tree(pack, &entry, 1, tree, &error));
		g_assert_true(repo_pack_finish(pack, &error));
		g_assert_no_error(error);
		g_assert_true(repo_object_exists(f->repo, entry.oid));
		if (round == 0)
			g_free(git(f->path, "gc", "-q", "--prune=now", NULL));
	}
	commit(f, "c\n", NULL, tree, head);
	g_assert_true(repo_ref_set(f->repo, "refs/heads/main", head, REPO_ZERO, &error));
	g_assert_no_error(error);
}

static char *sign_with(const char *payload, gsize len, gpointer user_data, GError **error)
{
	return util_sshsig_sign(user_data, UTIL_SSHSIG_NS_GIT, payload, len, error);
}

/* What we sign is what git verifies, and what git signs is what we verify. */
static void test_signed(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *key = tmp_path(&f->dir, "key");
	g_autofree char *signers = tmp_path(&f->dir, "signers");
	g_autofree char *option = g_strconcat("gpg.ssh.allowedSignersFile=", signers, NULL);
	g_autofree char *public = NULL;
	g_autofree char *line = NULL;
	g_autofree char *theirs = NULL;
	g_autofree char *key_option = g_strconcat("-S", key, NULL);
	g_autoptr(RepoCommit) ours = NULL;
	g_autoptr(RepoCommit) git_signed = NULL;
	char oid[REPO_OID], parent[REPO_OID];
	RepoCommitSpec spec = {.message = "order 1: shop v1\n\nTagship-Order: 1\nApp: shop\n",
			       .author = "tagship",
			       .time_utc = 1700000000,
			       .sign = sign_with,
			       .sign_data = key};

	(void)data;
	g_assert_true(util_sshsig_keygen(key, "central", &error));
	g_assert_no_error(error);
	public = util_sshsig_public_key(key, &error);
	g_assert_no_error(error);
	line = g_strdup_printf("* %s\n", public);
	write_text(signers, line);
	commit(f, "parent\n", NULL, NULL, parent);
	spec.parent = parent;
	g_assert_true(repo_commit_write(f->repo, &spec, oid, &error));
	g_assert_no_error(error);
	g_free(git(f->path, "-c", option, "verify-commit", oid, NULL));
	ours = repo_commit_read(f->repo, oid, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(ours->message, ==, spec.message);
	g_assert_cmpstr(ours->parent, ==, parent);
	g_assert_cmpint(ours->time_utc, ==, 1700000000);
	{
		const char *const keys[] = {public, NULL};

		g_assert_true(util_sshsig_verify(keys, UTIL_SSHSIG_NS_GIT, ours->payload,
						 ours->payload_len, ours->signature, &error));
		g_assert_no_error(error);
		theirs = git(f->path, "-c", "gpg.format=ssh", "commit-tree", key_option, "-p", oid,
			     "-m", "by git", "4b825dc642cb6eb9a060e54bf8d69288fbee4904", NULL);
		git_signed = repo_commit_read(f->repo, theirs, &error);
		g_assert_no_error(error);
		g_assert_true(util_sshsig_verify(keys, UTIL_SSHSIG_NS_GIT, git_signed->payload,
						 git_signed->payload_len, git_signed->signature,
						 &error));
		g_assert_no_error(error);
		/* one byte more is another text */
		g_assert_false(util_sshsig_verify(keys, UTIL_SSHSIG_NS_GIT, ours->payload,
						  ours->payload_len - 1, ours->signature, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	}
}

static char *sign_never(const char *payload, gsize len, gpointer user_data, GError **error)
{
	(void)payload;
	(void)len;
	(void)user_data;
	(void)util_error_set(error, TS_ERROR_NO_SPACE, "no key today");
	return NULL;
}

static void test_commit(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(RepoCommit) read = NULL;
	char root[REPO_OID], next[REPO_OID], fork_oid[REPO_OID], oid[REPO_OID];
	RepoCommitSpec spec = {.message = "x", .author = "test", .sign = sign_never};
	gboolean is = FALSE;

	(void)data;
	/* blank lines and spaces stay as they are */
	commit(f, "\n\n  a\n\n\nb \n", NULL, NULL, root);
	commit(f, "next\n", root, NULL, next);
	commit(f, "fork\n", root, NULL, fork_oid);
	read = repo_commit_read(f->repo, root, &error);
	g_assert_no_error(error);
	g_assert_cmpstr(read->message, ==, "\n\n  a\n\n\nb \n");
	g_assert_cmpstr(read->parent, ==, "");
	g_assert_null(read->signature);
	g_assert_true(repo_is_ancestor(f->repo, root, next, &is, &error) && is);
	g_assert_true(repo_is_ancestor(f->repo, next, next, &is, &error) && is);
	g_assert_true(repo_is_ancestor(f->repo, next, root, &is, &error) && !is);
	g_assert_true(repo_is_ancestor(f->repo, fork_oid, next, &is, &error) && !is);
	g_assert_false(repo_is_ancestor(f->repo, REPO_ZERO, next, &is, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	g_assert_false(repo_commit_write(f->repo, &spec, oid, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NO_SPACE);
}

/* Objects that only another writer makes: two parents, a NUL byte, no commit at all. */
static void test_commit_strange(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *merge = NULL;
	g_autofree char *nul = NULL;
	g_autofree char *path = tmp_path(&f->dir, "raw");
	g_autofree char *text = NULL;
	char one[REPO_OID], two[REPO_OID], oid[REPO_OID];
	const char *empty = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

	(void)data;
	commit(f, "one\n", NULL, NULL, one);
	commit(f, "two\n", NULL, NULL, two);
	merge = git(f->path, "commit-tree", "-p", one, "-p", two, "-m", "merge", empty, NULL);
	g_assert_null(repo_commit_read(f->repo, merge, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	text = g_strdup_printf(
	    "tree %s\nauthor a <a@b> 1 +0000\ncommitter a <a@b> 1 +0000\n\nx\n%cy\n", empty, '@');
	*strrchr(text, '@') = '\0';
	g_assert_true(g_file_set_contents(path, text, (gssize)strlen(text) + 3, NULL));
	nul = git(f->path, "hash-object", "-t", "commit", "--literally", "-w", "../raw", NULL);
	g_assert_null(repo_commit_read(f->repo, nul, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_assert_nonnull(strstr(error->message, "NUL"));
	g_clear_error(&error);
	{
		g_autofree char *file =
		    g_strdup_printf("%s/objects/%.2s/%s", f->path, nul, nul + 2);

		g_assert_cmpint(unlink(file), ==, 0); /* fsck would not like it either */
	}
	blob(f, "blob", oid);
	g_assert_null(repo_commit_read(f->repo, oid, &error));
	g_assert_nonnull(error);
}

static void test_tag(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *outer = NULL;
	g_autofree char *blob_tag = NULL;
	g_autofree char *shown = NULL;
	char head[REPO_OID], tag[REPO_OID], oid[REPO_OID], peeled[REPO_OID];

	(void)data;
	commit(f, "c\n", NULL, NULL, head);
	g_assert_true(repo_tag_write(f->repo, head, "rollback/1", "Back\n\nRelease-At: now\n",
				     "operator", "op@localhost", 1700000000, tag, &error));
	g_assert_no_error(error);
	shown = git(f->path, "cat-file", "tag", tag, NULL);
	g_assert_true(g_str_has_prefix(shown, "object "));
	g_assert_nonnull(strstr(shown, "\ntag rollback/1\ntagger operator <op@localhost> "
				       "1700000000 +0000\n\nBack\n\nRelease-At: now"));
	g_assert_true(repo_peel_commit(f->repo, tag, peeled, &error));
	g_assert_cmpstr(peeled, ==, head);
	g_assert_true(repo_peel_commit(f->repo, head, peeled, &error));
	g_assert_cmpstr(peeled, ==, head);
	g_free(git(f->path, "tag", "-a", "-m", "outer", "outer", tag, NULL));
	outer = git(f->path, "rev-parse", "refs/tags/outer", NULL);
	g_assert_true(repo_peel_commit(f->repo, outer, peeled, &error));
	g_assert_cmpstr(peeled, ==, head);
	blob(f, "no commit", oid);
	g_free(git(f->path, "tag", "-a", "-m", "blob", "blob", oid, NULL));
	blob_tag = git(f->path, "rev-parse", "refs/tags/blob", NULL);
	g_assert_false(repo_peel_commit(f->repo, blob_tag, peeled, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_false(repo_peel_commit(f->repo, oid, peeled, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_clear_error(&error);
	g_assert_false(repo_tag_write(f->repo, oid, "x", "x\n", "a", "a@b", 1, tag, &error));
	g_assert_nonnull(error);
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/object/blob", test_blob);
	ADD("/object/damaged", test_damaged);
	ADD("/object/blob-fd", test_blob_fd);
	ADD("/object/tree", test_tree);
	ADD("/object/tag", test_tag);
	ADD("/pack/all", test_pack);
	ADD("/pack/tiny-last", test_pack_tiny_last);
	ADD("/pack/nothing", test_pack_nothing);
	ADD("/pack/pruned", test_pack_pruned);
	ADD("/commit/plain", test_commit);
	ADD("/commit/signed", test_signed);
	ADD("/commit/strange", test_commit_strange);
	return g_test_run();
}
