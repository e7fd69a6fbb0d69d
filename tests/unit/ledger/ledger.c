/* SPDX-License-Identifier: ISC */
/* Orders and reports in a ledger; what a mirror accepts and what it does not. */
#include <glib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../repo/git-run.h"
#include "ledger/ledger.h"

#define RELEASE "1111111111111111111111111111111111111111"
#define OTHER "2222222222222222222222222222222222222222"
#define ROOT "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

typedef struct {
	TmpDir dir;
	Repo *repo;
	char *key;
	char *public;
	char *foreign_key;
	char *foreign_public;
} Fixture;

static char *make_key(Fixture *f, const char *name, char **ret_public)
{
	g_autoptr(GError) error = NULL;
	char *path = tmp_path(&f->dir, name);

	(void)util_sshsig_keygen(path, name, &error);
	g_assert_no_error(error);
	*ret_public = util_sshsig_public_key(path, &error);
	g_assert_no_error(error);
	return path;
}

static void setup(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;

	(void)data;
	f->dir = tmp_dir();
	f->repo = ledger_create(f->dir.path, "haikou", &error);
	g_assert_no_error(error);
	f->key = make_key(f, "key", &f->public);
	f->foreign_key = make_key(f, "foreign", &f->foreign_public);
}

static void teardown(Fixture *f, gconstpointer data)
{
	g_autofree char *path = g_strdup(repo_path(f->repo));

	(void)data;
	repo_free(f->repo);
	assert_fsck(path);
	g_free(f->key);
	g_free(f->public);
	g_free(f->foreign_key);
	g_free(f->foreign_public);
	tmp_dir_clear(&f->dir);
}

static Order *make_order(OrderKind kind, const char *release)
{
	Order *order = order_new(kind);

	order->written_utc = 1700000000;
	order->base = g_strdup("haikou");
	if (kind == ORDER_KIND_HEARTBEAT)
		return order;
	order->release = g_strdup(release);
	order->app = g_strdup("shop");
	order->reason = g_strdup(kind == ORDER_KIND_CANCEL ? "not today" : "");
	if (kind == ORDER_KIND_CANCEL)
		return order;
	order->tag = g_strdup("v1.4.0");
	order->version = g_strdup("v1.4.0");
	order->root = g_strdup(ROOT);
	order->commit = g_strdup(OTHER);
	order->files = 3;
	order->bytes = 3000;
	order->at_utc = 1700100000;
	order->grace_s = 1800;
	order->local_text = g_strdup("2023-11-16 10:00 CST");
	order_add_bundle(order, "-", ROOT, 1000, "plain", 3000, 4096);
	return order;
}

static void append_signed(Fixture *f, OrderKind kind, const char *release, const char *tag,
			  const char *key, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Order) order = make_order(kind, release);
	g_autoptr(GBytes) bytes = tag ? g_bytes_new(tag, strlen(tag)) : NULL;

	(void)ledger_append(f->repo, order, bytes, key, ret_oid, &error);
	g_assert_no_error(error);
}

static void append(Fixture *f, OrderKind kind, const char *release, char ret_oid[REPO_OID])
{
	append_signed(f, kind, release, NULL, f->key, ret_oid);
}

static gboolean verify(Fixture *f, const char *head, const char *accepted, GError **error)
{
	const char *const keys[] = {f->public, NULL};

	return ledger_verify_by(f->repo, head, accepted, "haikou", keys, error);
}

static char *sign_with(const char *payload, gsize len, gpointer user_data, GError **error)
{
	return util_sshsig_sign(user_data, UTIL_SSHSIG_NS_GIT, payload, len, error);
}

/* A commit as only a faulty or hostile central makes it: signed, with any content. */
static void raw_commit(Fixture *f, const char *parent, const char *tree, const char *message,
		       const char *key, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	g_autofree char *key_copy = g_strdup(key);
	RepoCommitSpec spec = {.parent = parent,
			       .tree = tree,
			       .message = message,
			       .author = "tagship",
			       .time_utc = 1700000000,
			       .sign = key ? sign_with : NULL,
			       .sign_data = key_copy};

	(void)repo_commit_write(f->repo, &spec, ret_oid, &error);
	g_assert_no_error(error);
}

static char *message_of(const Order *order)
{
	g_autofree char *summary = order_summary(order);
	g_autofree char *text = order_format(order);

	return g_strconcat(summary, "\n\n", text, NULL);
}

static char *beat_message(const char *base, guint64 seq)
{
	g_autoptr(Order) beat = make_order(ORDER_KIND_HEARTBEAT, NULL);

	g_free(beat->base);
	beat->base = g_strdup(base);
	beat->seq = seq;
	return message_of(beat);
}

static void test_append(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) entries = ledger_entries(f->repo, LEDGER_ORDERS, NULL, &error);
	g_autoptr(GBytes) tag = NULL;
	g_autofree char *log = NULL;
	const LedgerEntry *entry;
	char one[REPO_OID], two[REPO_OID], three[REPO_OID];

	(void)data;
	g_assert_no_error(error);
	g_assert_cmpuint(entries->len, ==, 0);
	g_ptr_array_unref(entries);
	append_signed(f, ORDER_KIND_ORDER, RELEASE, "object x\ntag v1\n", f->key, one);
	append(f, ORDER_KIND_CANCEL, RELEASE, two);
	append(f, ORDER_KIND_HEARTBEAT, NULL, three);
	entries = ledger_entries(f->repo, LEDGER_ORDERS, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(entries->len, ==, 3);
	entry = entries->pdata[0];
	g_assert_cmpstr(entry->oid, ==, one);
	g_assert_cmpuint(entry->order->seq, ==, 1);
	g_assert_cmpstr(entry->order->root, ==, ROOT);
	g_assert_cmpuint(entry->order->bundles->len, ==, 1);
	tag = ledger_entry_tag(f->repo, entry, &error);
	g_assert_cmpmem(g_bytes_get_data(tag, NULL), g_bytes_get_size(tag), "object x\ntag v1\n",
			16);
	entry = entries->pdata[2];
	g_assert_cmpuint(entry->order->seq, ==, 3);
	g_assert_null(ledger_entry_tag(f->repo, entry, &error));
	g_assert_no_error(error);
	g_ptr_array_unref(entries);
	entries = ledger_entries(f->repo, LEDGER_ORDERS, one, &error);
	g_assert_cmpuint(entries->len, ==, 2);
	g_assert_cmpstr(((LedgerEntry *)entries->pdata[0])->oid, ==, two);
	g_ptr_array_unref(entries);
	entries = ledger_entries(f->repo, LEDGER_ORDERS, three, &error);
	g_assert_cmpuint(entries->len, ==, 0);
	g_ptr_array_unref(entries);
	entries = ledger_entries(f->repo, LEDGER_ORDERS, OTHER, &error);
	g_assert_null(entries);
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	/* HEAD leads there */
	log = git(repo_path(f->repo), "log", "--format=%s", NULL);
	g_test_message("%s", log);
	g_assert_nonnull(strstr(log, "shop v1.4.0"));
}

/* git itself agrees with the signature. */
static void test_git_agrees(Fixture *f, gconstpointer data)
{
	g_autofree char *signers = tmp_path(&f->dir, "signers");
	g_autofree char *option = g_strconcat("gpg.ssh.allowedSignersFile=", signers, NULL);
	g_autofree char *line = g_strdup_printf("* %s\n", f->public);
	char one[REPO_OID], two[REPO_OID];

	(void)data;
	write_text(signers, line);
	append_signed(f, ORDER_KIND_ORDER, RELEASE, "object x\n", f->key, one);
	append(f, ORDER_KIND_HEARTBEAT, NULL, two);
	g_free(git(repo_path(f->repo), "-c", option, "verify-commit", one, two, NULL));
}

static void test_append_refused(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Order) order = make_order(ORDER_KIND_ORDER, RELEASE);
	g_autoptr(GBytes) big = g_bytes_new_take(g_malloc0(2 * 1024 * 1024), 2 * 1024 * 1024);
	g_autoptr(GPtrArray) entries = NULL;
	char oid[REPO_OID];

	(void)data;
	append(f, ORDER_KIND_HEARTBEAT, NULL, oid);
	/* another base's order, a key that is not there, a tag without end, an order without root
	 */
	g_free(order->base);
	order->base = g_strdup("oslo");
	g_assert_false(ledger_append(f->repo, order, NULL, f->key, oid, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_free(order->base);
	order->base = g_strdup("haikou");
	g_assert_false(ledger_append(f->repo, order, NULL, "/nonexistent/key", oid, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	g_assert_false(ledger_append(f->repo, order, big, f->key, oid, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_clear_error(&error);
	g_free(order->root);
	order->root = g_strdup("none");
	g_assert_false(ledger_append(f->repo, order, NULL, f->key, oid, &error));
	g_assert_nonnull(error);
	g_clear_error(&error);
	entries = ledger_entries(f->repo, LEDGER_ORDERS, NULL, &error);
	g_assert_cmpuint(entries->len, ==, 1);
	g_assert_null(ledger_create(f->dir.path, "../x", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_assert_null(ledger_open(f->dir.path, "oslo", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void test_verify(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	const char *const two_keys[] = {f->foreign_public, f->public, NULL};
	const char *const wrong[] = {f->foreign_public, NULL};
	const char *const none[] = {NULL};
	char oids[4][REPO_OID];

	(void)data;
	append_signed(f, ORDER_KIND_ORDER, RELEASE, "object x\n", f->key, oids[0]);
	append(f, ORDER_KIND_HEARTBEAT, NULL, oids[1]);
	/* an older key signed this one: only the head's signature counts */
	append_signed(f, ORDER_KIND_ORDER, OTHER, NULL, f->foreign_key, oids[2]);
	append(f, ORDER_KIND_CANCEL, RELEASE, oids[3]);
	g_assert_true(verify(f, oids[3], "", &error));
	g_assert_no_error(error);
	g_assert_true(verify(f, oids[3], REPO_ZERO, &error));
	g_assert_true(verify(f, oids[3], NULL, &error));
	for (int i = 0; i < 4; i++) {
		g_assert_true(verify(f, oids[3], oids[i], &error));
		g_assert_no_error(error);
	}
	g_assert_true(ledger_verify_by(f->repo, oids[3], oids[0], "haikou", two_keys, &error));
	/* a foreign key; no key */
	g_assert_false(ledger_verify_by(f->repo, oids[3], oids[0], "haikou", wrong, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_clear_error(&error);
	g_assert_false(ledger_verify_by(f->repo, oids[3], "", "haikou", none, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_clear_error(&error);
	g_assert_false(verify(f, oids[2], "", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_clear_error(&error);
	/* another base's ledger */
	g_assert_false(ledger_verify_by(f->repo, oids[3], "", "oslo", two_keys, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	g_clear_error(&error);
	/* a head that went back */
	g_assert_false(verify(f, oids[1], oids[3], &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_assert_nonnull(strstr(error->message, "went back"));
	g_clear_error(&error);
	/* a head that is not there */
	g_assert_false(verify(f, OTHER, "", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
}

static void test_unsigned(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *message = beat_message("haikou", 2);
	char one[REPO_OID], head[REPO_OID];

	(void)data;
	append(f, ORDER_KIND_HEARTBEAT, NULL, one);
	raw_commit(f, one, NULL, message, NULL, head);
	g_assert_false(verify(f, head, one, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_assert_nonnull(strstr(error->message, "not signed"));
}

static void test_forked(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *message = beat_message("haikou", 2);
	g_autoptr(Order) first = make_order(ORDER_KIND_ORDER, OTHER);
	g_autofree char *root_message = NULL;
	char one[REPO_OID], two[REPO_OID], head[REPO_OID];

	(void)data;
	append(f, ORDER_KIND_HEARTBEAT, NULL, one);
	append(f, ORDER_KIND_ORDER, RELEASE, two);
	raw_commit(f, one, NULL, message, f->key, head);
	g_assert_false(verify(f, head, two, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_assert_nonnull(strstr(error->message, "forked"));
	g_clear_error(&error);
	/* a new ledger with nothing in common */
	first->seq = 1;
	root_message = message_of(first);
	raw_commit(f, NULL, NULL, root_message, f->key, head);
	g_assert_false(verify(f, head, two, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_assert_nonnull(strstr(error->message, "forked"));
}

/* Signed heads over entries that are wrong. */
static void test_wrong_entries(Fixture *f, gconstpointer data)
{
	g_autofree char *skipped = beat_message("haikou", 3);
	g_autofree char *same = beat_message("haikou", 1);
	g_autofree char *base = beat_message("oslo", 2);
	g_autofree char *good = beat_message("haikou", 2);
	g_autofree char *garbage = g_strconcat(good, "and more\n", NULL);
	g_autofree char *twice = g_strconcat(good, "\n", good, NULL);
	g_autofree char *cut = g_strndup(good, strlen(good) - 1);
	g_autofree char *no_summary = g_strconcat("\n", strstr(good, "\n\n"), NULL);
	const struct {
		const char *what;
		const char *message;
	} rows[] = {{"skipped seq", skipped},
		    {"repeated seq", same},
		    {"wrong base", base},
		    {"trailing garbage", garbage},
		    {"two texts", twice},
		    {"cut off", cut},
		    {"no summary", no_summary},
		    {"only a line", "order 2: nothing\n"},
		    {"empty", ""},
		    {"no text", "order 2\n\n"},
		    {"other text", "order 2\n\nHello: you\n"}};
	char one[REPO_OID], head[REPO_OID], after[REPO_OID];

	(void)data;
	append(f, ORDER_KIND_HEARTBEAT, NULL, one);
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *next = beat_message("haikou", 3);

		raw_commit(f, one, NULL, rows[i].message, f->key, head);
		g_assert_false(verify(f, head, one, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_test_message("%s: %s", rows[i].what, error->message);
		g_assert_nonnull(g_str_equal(rows[i].what, "skipped seq")
				     ? strstr(error->message, "3 after 1")
				     : error->message);
		g_clear_error(&error);
		/* below a good head as well */
		raw_commit(f, head, NULL, next, f->key, after);
		g_assert_false(verify(f, after, one, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
	{
		g_autoptr(GError) error = NULL;

		raw_commit(f, one, NULL, good, f->key, head);
		g_assert_true(verify(f, head, one, &error));
		g_assert_no_error(error);
		/* the first entry must be number 1 */
		raw_commit(f, NULL, NULL, good, f->key, head);
		g_assert_false(verify(f, head, "", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
}

static void test_wrong_tree(Fixture *f, gconstpointer data)
{
	g_autofree char *message = beat_message("haikou", 1);
	char blob[REPO_OID], sub[REPO_OID], tree[REPO_OID], head[REPO_OID];
	RepoTreeEntry file = {.name = "tag", .mode = 0100644};
	struct {
		const char *what;
		const char *name;
		guint mode;
		gboolean is_tree;
	} rows[] = {{"other name", "hook", 0100644, FALSE},
		    {"executable", "tag", 0100755, FALSE},
		    {"link", "tag", 0120000, FALSE},
		    {"folder", "tag", 0040000, TRUE},
		    {"longer name", "tagx", 0100644, FALSE}};

	(void)data;
	g_assert_true(repo_blob_write(f->repo, "x", 1, blob, NULL));
	(void)g_strlcpy(file.oid, blob, sizeof file.oid);
	g_assert_true(repo_tree_write(f->repo, &file, 1, sub, NULL));
	for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		RepoTreeEntry entry = {.name = rows[i].name, .mode = rows[i].mode};

		(void)g_strlcpy(entry.oid, rows[i].is_tree ? sub : blob, sizeof entry.oid);
		g_assert_true(repo_tree_write(f->repo, &entry, 1, tree, &error));
		g_assert_no_error(error);
		raw_commit(f, NULL, tree, message, f->key, head);
		g_assert_false(verify(f, head, "", &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		g_test_message("%s: %s", rows[i].what, error->message);
	}
	raw_commit(f, NULL, sub, message, f->key, head);
	g_assert_true(verify(f, head, "", NULL));
}

/* The same signature over an altered commit, and an object whose file was altered. */
static void test_tampered(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *raw = NULL;
	g_autofree char *file = tmp_path(&f->dir, "raw");
	g_autofree char *altered = NULL;
	g_autofree char *oid = NULL;
	g_autofree char *path = g_strdup(repo_path(f->repo));
	char one[REPO_OID], *at;

	(void)data;
	append(f, ORDER_KIND_ORDER, RELEASE, one);
	raw = git(path, "cat-file", "commit", one, NULL);
	altered = g_strconcat(raw, "\n", NULL);
	at = strstr(altered, "Version: v1.4.0");
	g_assert_nonnull(at);
	at[strlen("Version: v1.")] = '5';
	write_text(file, altered);
	oid = git(path, "hash-object", "-t", "commit", "-w", "../../raw", NULL);
	g_assert_false(verify(f, oid, "", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_clear_error(&error);
	/* the object file itself */
	{
		g_autofree char *from = g_strdup_printf("%s/objects/%.2s/%s", path, oid, oid + 2);
		g_autofree char *to = g_strdup_printf("%s/objects/%.2s/%s", path, one, one + 2);
		g_autofree char *good = NULL;
		g_autofree char *bytes = NULL;
		gsize len = 0, good_len = 0;
		g_autoptr(Repo) again = NULL;

		g_assert_true(g_file_get_contents(to, &good, &good_len, NULL));
		g_assert_true(g_file_get_contents(from, &bytes, &len, NULL));
		g_assert_cmpint(unlink(to), ==, 0);
		g_assert_true(g_file_set_contents(to, bytes, (gssize)len, NULL));
		again = ledger_open(f->dir.path, "haikou", &error);
		g_assert_no_error(error);
		{
			const char *const keys[] = {f->public, NULL};

			g_assert_false(ledger_verify_by(again, one, "", "haikou", keys, &error));
			g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
		}
		g_assert_true(g_file_set_contents(to, good, (gssize)good_len, NULL));
	}
}

/* The whole way of a mirror: fetched by git, verified, fetched again, verified from there. */
static void test_mirror(Fixture *f, gconstpointer data)
{
	const char *const keys[] = {f->public, NULL};
	g_autoptr(GError) error = NULL;
	g_autofree char *path = tmp_path(&f->dir, "mirror.git");
	g_autoptr(Repo) mirror = repo_create(path, &error);
	g_autoptr(GPtrArray) entries = NULL;
	char oid[REPO_OID], seen[REPO_OID], accepted[REPO_OID] = "";

	(void)data;
	g_assert_no_error(error);
	for (int i = 0; i < 3; i++) {
		append_signed(f, ORDER_KIND_ORDER, RELEASE, "object x\n", f->key, oid);
		append(f, ORDER_KIND_HEARTBEAT, NULL, oid);
		g_free(git(path, "fetch", "-q", repo_path(f->repo),
			   "+" LEDGER_ORDERS ":" LEDGER_SEEN, NULL));
		g_assert_true(repo_ref_get(mirror, LEDGER_SEEN, seen, &error));
		g_assert_cmpstr(seen, ==, oid);
		(void)ledger_verify_by(mirror, seen, accepted, "haikou", keys, &error);
		g_assert_no_error(error);
		g_assert_true(repo_ref_set(mirror, LEDGER_ACCEPTED, seen,
					   *accepted ? accepted : REPO_ZERO, &error));
		(void)g_strlcpy(accepted, seen, sizeof accepted);
	}
	entries = ledger_entries(mirror, LEDGER_ACCEPTED, NULL, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(entries->len, ==, 6);
	g_clear_pointer(&mirror, repo_free);
	assert_fsck(path);
}

static LedgerEntry *entry_of(OrderKind kind, const char *release, guint64 seq, const char *text)
{
	LedgerEntry *entry = g_new0(LedgerEntry, 1);

	entry->order = make_order(kind, release);
	entry->order->seq = seq;
	g_free(entry->order->reason);
	entry->order->reason = g_strdup(text);
	return entry;
}

static void free_entry(gpointer data)
{
	LedgerEntry *entry = data;

	order_free(entry->order);
	g_free(entry);
}

static void test_fold(void)
{
	g_autoptr(GPtrArray) entries = g_ptr_array_new_with_free_func(free_entry);
	g_autoptr(GHashTable) orders = ledger_fold(entries);
	const LedgerOrder *state;

	g_assert_cmpuint(g_hash_table_size(orders), ==, 0);
	g_hash_table_unref(orders);
	g_ptr_array_add(entries, entry_of(ORDER_KIND_ORDER, RELEASE, 1, "first"));
	g_ptr_array_add(entries, entry_of(ORDER_KIND_HEARTBEAT, NULL, 2, ""));
	g_ptr_array_add(entries, entry_of(ORDER_KIND_ORDER, OTHER, 3, "other"));
	g_ptr_array_add(entries, entry_of(ORDER_KIND_ORDER, RELEASE, 4, "revised"));
	g_ptr_array_add(entries, entry_of(ORDER_KIND_CANCEL, ROOT, 5, "of nothing"));
	orders = ledger_fold(entries);
	g_assert_cmpuint(g_hash_table_size(orders), ==, 2);
	state = g_hash_table_lookup(orders, RELEASE);
	g_assert_cmpuint(state->order->seq, ==, 4);
	g_assert_cmpstr(state->order->reason, ==, "revised");
	g_assert_false(state->cancelled);
	g_hash_table_unref(orders);
	g_ptr_array_add(entries, entry_of(ORDER_KIND_CANCEL, RELEASE, 6, "rain"));
	orders = ledger_fold(entries);
	state = g_hash_table_lookup(orders, RELEASE);
	g_assert_true(state->cancelled);
	g_assert_cmpuint(state->cancel_seq, ==, 6);
	g_assert_cmpstr(state->cancel_reason, ==, "rain");
	state = g_hash_table_lookup(orders, OTHER);
	g_assert_false(state->cancelled);
	g_hash_table_unref(orders);
	/* ordered again after the cancel */
	g_ptr_array_add(entries, entry_of(ORDER_KIND_ORDER, RELEASE, 7, "again"));
	orders = ledger_fold(entries);
	state = g_hash_table_lookup(orders, RELEASE);
	g_assert_cmpuint(state->order->seq, ==, 7);
	g_assert_false(state->cancelled);
}

static Report *make_report(guint64 seq, ReportEvent event)
{
	Report *report = report_new();

	report->base = g_strdup("haikou");
	report->incarnation = 1;
	report->release = g_strdup(RELEASE);
	report->seq = seq;
	report->app = g_strdup("shop");
	report->version = g_strdup("v1.4.0");
	report->root = g_strdup(ROOT);
	report->serves_root = g_strdup(ROOT);
	report->event = event;
	report->event_utc = 1700000100;
	report->outage_ms = 1200;
	report->detail = g_strdup("fine\nreally");
	report->log_end = g_strdup("");
	return report;
}

static void add_report(Repo *repo, guint64 seq, ReportEvent event, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = make_report(seq, event);
	g_autofree char *text = report_format(report);

	(void)ledger_report_append(repo, report, text, "SIGNATURE\n", 1700000200, ret_oid, &error);
	g_assert_no_error(error);
}

static void test_reports(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) reports = ledger_reports(f->repo, &error);
	g_autoptr(Report) mixed = make_report(9, REPORT_DOWN);
	g_autoptr(Report) other = make_report(8, REPORT_DOWN);
	g_autofree char *text = report_format(other);
	g_autofree char *signature = NULL;
	g_autofree char *count = NULL;
	char oids[5][REPO_OID], again[REPO_OID], head[REPO_OID];

	(void)data;
	g_assert_no_error(error);
	g_assert_cmpuint(reports->len, ==, 0);
	g_ptr_array_unref(reports);
	for (int i = 0; i < 5; i++)
		add_report(f->repo, (guint64)i / 2 + 1, i % 2 ? REPORT_LIVE : REPORT_STAGED,
			   oids[i]);
	/* each of them again, the newest and all others */
	for (int i = 0; i < 5; i++) {
		add_report(f->repo, (guint64)i / 2 + 1, i % 2 ? REPORT_LIVE : REPORT_STAGED, again);
		g_assert_cmpstr(again, ==, oids[i]);
	}
	g_assert_true(repo_ref_get(f->repo, LEDGER_REPORTS, head, &error));
	g_assert_cmpstr(head, ==, oids[4]);
	reports = ledger_reports(f->repo, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(reports->len, ==, 5);
	g_assert_cmpuint(((Report *)reports->pdata[0])->seq, ==, 1);
	g_assert_cmpuint(((Report *)reports->pdata[4])->seq, ==, 3);
	g_assert_cmpint(((Report *)reports->pdata[1])->event, ==, REPORT_LIVE);
	g_assert_cmpstr(((Report *)reports->pdata[1])->detail, ==, "fine\nreally");
	signature = git(repo_path(f->repo), "show", "refs/heads/reports:signature", NULL);
	g_assert_cmpstr(signature, ==, "SIGNATURE");
	/* a text that is not that report's, and none at all */
	g_assert_false(ledger_report_append(f->repo, mixed, text, "S\n", 1, again, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_USAGE);
	g_clear_error(&error);
	g_assert_false(ledger_report_append(f->repo, mixed, "rubbish", "S\n", 1, again, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	count = git(repo_path(f->repo), "rev-list", "--count", "refs/heads/reports", NULL);
	g_assert_cmpstr(count, ==, "5");
}

/* Several connections of one base at once: all reports arrive, each once. */
static void test_report_race(Fixture *f, gconstpointer data)
{
	enum { WRITERS = 3, EACH = 5 };
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) reports = NULL;
	pid_t pids[WRITERS];

	(void)data;
	for (int w = 0; w < WRITERS; w++) {
		pids[w] = fork();
		g_assert_cmpint(pids[w], >=, 0);
		if (pids[w] > 0)
			continue;
		for (int i = 0; i < EACH; i++) {
			g_autoptr(Repo) own = ledger_open(f->dir.path, "haikou", NULL);
			g_autoptr(Report) report = make_report((guint64)i + 1, REPORT_LIVE);
			g_autofree char *text = report_format(report);
			char oid[REPO_OID];

			/* every writer has the same reports; losing every race is legal */
			while (!own || !ledger_report_append(own, report, text, "S\n", 1700000200,
							     oid, NULL))
				;
		}
		_exit(0);
	}
	for (int w = 0; w < WRITERS; w++) {
		int status = 0;

		g_assert_cmpint(waitpid(pids[w], &status, 0), ==, pids[w]);
		g_assert_cmpint(status, ==, 0);
	}
	reports = ledger_reports(f->repo, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(reports->len, ==, EACH);
}

#define ADD(name, func) g_test_add(name, Fixture, NULL, setup, func, teardown)

/* A piece of it into another repository, with and without what is there already. */
static void test_send_and_take(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = tmp_path(&f->dir, "mirror.git");
	g_autoptr(Repo) mirror = repo_create(path, &error);
	const char *const keys[] = {f->public, NULL};
	char first[REPO_OID], head[REPO_OID], got[REPO_OID] = "";
	const char *have = "-";

	(void)data;
	append_signed(f, ORDER_KIND_ORDER, RELEASE, "object 1\n\ntag\n", f->key, first);
	append(f, ORDER_KIND_CANCEL, RELEASE, head);
	append(f, ORDER_KIND_HEARTBEAT, NULL, head);
	for (guint i = 0; i < 2; i++, have = head) {
		g_autoptr(GByteArray) piece = g_byte_array_new();
		g_autoptr(UtilStream) out = util_stream_over_memory(NULL, 0, piece);
		g_autoptr(UtilStream) in = NULL;

		if (i == 1)
			append(f, ORDER_KIND_ORDER, OTHER, got);
		g_assert_true(ledger_send(f->repo, i == 0 ? head : got, have, out, &error));
		in = util_stream_over_memory(piece->data, piece->len, NULL);
		g_assert_true(ledger_take(mirror, in, got, &error));
		g_assert_no_error(error);
		g_assert_true(
		    ledger_verify_by(mirror, got, i == 0 ? "" : head, "haikou", keys, &error));
		g_assert_no_error(error);
	}
	assert_fsck(path);
}

static void test_take_no(Fixture *f, gconstpointer data)
{
	static const char *const rows[] = {"",
					   "2\n--3\nend",
					   "40\n" RELEASE,
					   "40\n" RELEASE "3\ntag1\nx3\nend",
					   "40\n" RELEASE "4\nblob9999999\n",
					   "40\n" RELEASE "6\ncommit5\nab"};

	(void)data;
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autoptr(GError) error = NULL;
		g_autoptr(UtilStream) in = util_stream_over_memory(rows[i], strlen(rows[i]), NULL);
		char head[REPO_OID];

		g_assert_false(ledger_take(f->repo, in, head, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
}

static void test_reported(Fixture *f, gconstpointer data)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GPtrArray) none = ledger_reported(f->repo, 9, &error);
	g_autoptr(GPtrArray) two = NULL;
	char oids[3][REPO_OID];
	const LedgerReported *newest;

	(void)data;
	g_assert_cmpuint(none->len, ==, 0);
	for (guint i = 0; i < 3; i++)
		add_report(f->repo, i + 1, REPORT_STAGED, oids[i]);
	two = ledger_reported(f->repo, 2, &error);
	g_assert_no_error(error);
	g_assert_cmpuint(two->len, ==, 2);
	newest = two->pdata[0];
	g_assert_cmpstr(newest->oid, ==, oids[2]);
	g_assert_cmpstr(newest->key, ==, RELEASE ".3.staged");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("/ledger/append", test_append);
	ADD("/ledger/git-agrees", test_git_agrees);
	ADD("/ledger/append/refused", test_append_refused);
	ADD("/ledger/verify", test_verify);
	ADD("/ledger/verify/unsigned", test_unsigned);
	ADD("/ledger/verify/forked", test_forked);
	ADD("/ledger/verify/wrong-entries", test_wrong_entries);
	ADD("/ledger/verify/wrong-tree", test_wrong_tree);
	ADD("/ledger/verify/tampered", test_tampered);
	ADD("/ledger/mirror", test_mirror);
	g_test_add_func("/ledger/fold", test_fold);
	ADD("/ledger/send-and-take", test_send_and_take);
	ADD("/ledger/take-no", test_take_no);
	ADD("/ledger/reports", test_reports);
	ADD("/ledger/reported", test_reported);
	ADD("/ledger/reports/race", test_report_race);
	return g_test_run();
}
