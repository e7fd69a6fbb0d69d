/* SPDX-License-Identifier: ISC */
/* Ledgers in which central's key changes: what a mirror goes on accepting, and what a thief gets.
 */
#include <glib.h>

#include "../repo/git-run.h"
#include "ledger/ledger.h"

enum { FIRST, SECOND, THIEF, RECOVERY, KEYS };

typedef struct {
	TmpDir dir;
	Repo *repo;
	char *file[KEYS], *public[KEYS];
	TrustKeys *trusted; /* of a mirror that pins the first and the recovery key */
} Fixture;

static void setup(Fixture *f, gconstpointer data)
{
	static const char *const names[] = {"first", "second", "thief", "recovery"};
	g_autoptr(GError) error = NULL;
	(void)data;
	f->dir = tmp_dir();
	f->repo = ledger_create(f->dir.path, "haikou", &error);
	g_assert_no_error(error);
	for (guint i = 0; i < KEYS; i++) {
		f->file[i] = tmp_path(&f->dir, names[i]);
		g_assert_true(util_sshsig_keygen(f->file[i], names[i], &error));
		f->public[i] = util_sshsig_public_key(f->file[i], &error);
	}
	const char *const pinned[] = {f->public[FIRST], NULL};
	const char *const recovery[] = {f->public[RECOVERY], NULL};
	f->trusted = trust_keys_new(pinned, recovery);
}

static void teardown(Fixture *f, gconstpointer data)
{
	(void)data;
	repo_free(f->repo);
	for (guint i = 0; i < KEYS; i++) {
		g_free(f->file[i]);
		g_free(f->public[i]);
	}
	trust_keys_free(f->trusted);
	tmp_dir_clear(&f->dir);
}

static void append(Fixture *f, Order *order, guint signer, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	order->base = g_strdup("haikou");
	order->written_utc = 1700000000;
	(void)ledger_append(f->repo, order, NULL, f->file[signer], ret_oid, &error);
	g_assert_no_error(error);
}

static void heartbeat(Fixture *f, guint signer, char ret_oid[REPO_OID])
{
	g_autoptr(Order) order = order_new(ORDER_KIND_HEARTBEAT);
	append(f, order, signer, ret_oid);
}

/* A statement for `to`: in place of `from`, or (number > 0) revoking it by the recovery key. */
static void change(Fixture *f, guint from, guint to, guint64 number, guint by, guint signer,
		   char ret_oid[REPO_OID])
{
	char *revokes[] = {f->public[from], NULL};
	const TrustStatement statement = {.number = number ? number : 1,
					  .written_utc = 1700000000,
					  .key = f->public[to],
					  .replaces = number ? NULL : f->public[from],
					  .revokes = number ? revokes : NULL};
	g_autoptr(Order) order = order_new(ORDER_KIND_KEYS);
	g_autofree char *text = trust_statement_format(&statement);
	order->signature = util_sshsig_sign(f->file[by], TRUST_KEYS_NS, text, strlen(text), NULL);
	order->statement = g_strchomp(g_steal_pointer(&text));
	g_strchomp(order->signature);
	append(f, order, signer, ret_oid);
}

static void accept(Fixture *f, const char *head, const char *accepted)
{
	g_autoptr(GError) error = NULL;
	(void)ledger_verify(f->repo, head, accepted, "haikou", &f->trusted, &error);
	g_assert_no_error(error);
}

static void refuse(Fixture *f, const char *head, const char *accepted, const char *why)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *before = trust_keys_format(f->trusted);
	g_assert_false(ledger_verify(f->repo, head, accepted, "haikou", &f->trusted, &error));
	g_autofree char *after = trust_keys_format(f->trusted);
	g_assert_cmpstr(before, ==, after);
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	if (!strstr(error->message, why))
		g_error("\"%s\" is not in: %s", why, error->message);
}

/* The head goes back to `oid`, as another copy of the ledger would have it. */
static void restore(Fixture *f, const char *oid)
{
	char now[REPO_OID];
	g_assert_true(repo_ref_get(f->repo, LEDGER_ORDERS, now, NULL));
	g_assert_true(repo_ref_set(f->repo, LEDGER_ORDERS, oid, now, NULL));
}

static void test_rotation(Fixture *f, gconstpointer data)
{
	char one[REPO_OID], two[REPO_OID], three[REPO_OID], late[REPO_OID];
	(void)data;
	heartbeat(f, FIRST, one);
	accept(f, one, "");
	change(f, FIRST, SECOND, 0, FIRST, SECOND, two);
	heartbeat(f, SECOND, three);
	accept(f, three, one);
	g_assert_cmpstr(trust_keys_list(f->trusted)[0], ==, f->public[SECOND]);
	/* whoever has the old key signs nothing any more: not on top, not beside */
	heartbeat(f, FIRST, late);
	refuse(f, late, three, "not made by a trusted key");
	restore(f, two);
	heartbeat(f, FIRST, late);
	refuse(f, late, three, "not made by a trusted key");
}

/* A mirror that never heard of it reads the whole history; one that pins the new key, too. */
static void test_first_contact(Fixture *f, gconstpointer data)
{
	char one[REPO_OID], two[REPO_OID];
	(void)data;
	heartbeat(f, FIRST, one);
	change(f, FIRST, SECOND, 0, FIRST, SECOND, two);
	accept(f, two, "");
	const char *const pinned[] = {f->public[SECOND], NULL};
	trust_keys_free(f->trusted);
	f->trusted = trust_keys_new(pinned, NULL);
	accept(f, two, "");
}

static void test_forged_rotation(Fixture *f, gconstpointer data)
{
	char one[REPO_OID], two[REPO_OID];
	(void)data;
	heartbeat(f, FIRST, one);
	accept(f, one, "");
	change(f, FIRST, THIEF, 0, THIEF, THIEF, two);
	refuse(f, two, one, "not made by a trusted key");
	restore(f, one);
	change(f, THIEF, THIEF, 0, THIEF, THIEF, two);
	refuse(f, two, one, "not made by a trusted key");
	/* what central's own key cannot do: revoke */
	restore(f, one);
	change(f, FIRST, THIEF, 7, FIRST, THIEF, two);
	refuse(f, two, one, "not made by a trusted key");
}

/* The first key was stolen; the thief led this mirror astray, with a key of his own. Central goes
 * on from what it has, with the recovery key's word. */
static void test_revocation(Fixture *f, gconstpointer data)
{
	char one[REPO_OID], astray[REPO_OID], ours[REPO_OID], back[REPO_OID], again[REPO_OID];
	(void)data;
	heartbeat(f, FIRST, one);
	accept(f, one, "");
	change(f, FIRST, THIEF, 0, FIRST, THIEF, astray);
	heartbeat(f, THIEF, astray);
	accept(f, astray, one);
	restore(f, one);
	heartbeat(f, FIRST, ours);
	refuse(f, ours, astray, "not made by a trusted key");
	change(f, FIRST, SECOND, 1, RECOVERY, SECOND, back);
	accept(f, back, astray);
	g_assert_cmpstr(trust_keys_list(f->trusted)[0], ==, f->public[SECOND]);
	/* a crash after the keys were kept, before the head was: the same once more */
	accept(f, back, astray);
	/* but no other fork, with the same word in it, once it was accepted */
	restore(f, one);
	change(f, FIRST, SECOND, 1, RECOVERY, SECOND, again);
	heartbeat(f, SECOND, again);
	refuse(f, again, back, "forked");
	/* nor anything by the thief */
	restore(f, astray);
	heartbeat(f, THIEF, again);
	refuse(f, again, back, "not made by a trusted key");
}

/* Without a recovery key, a base does not follow. */
static void test_no_recovery_key(Fixture *f, gconstpointer data)
{
	const char *const pinned[] = {f->public[FIRST], NULL};
	char one[REPO_OID], two[REPO_OID];
	(void)data;
	trust_keys_free(f->trusted);
	f->trusted = trust_keys_new(pinned, NULL);
	heartbeat(f, FIRST, one);
	accept(f, one, "");
	change(f, FIRST, SECOND, 1, RECOVERY, SECOND, two);
	refuse(f, two, one, "not made by a trusted key");
}

#define ADD(path, test) g_test_add("/ledger/keys/" path, Fixture, NULL, setup, test, teardown)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("rotation", test_rotation);
	ADD("first-contact", test_first_contact);
	ADD("forged-rotation", test_forged_rotation);
	ADD("revocation", test_revocation);
	ADD("no-recovery-key", test_no_recovery_key);
	return g_test_run();
}
