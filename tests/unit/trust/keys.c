/* SPDX-License-Identifier: ISC */
/* Central's keys as they change: who may name another one, and what stays revoked. */
#include "trust/keys.h"
#include "world.h"

/* w->ana: central's first key; w->eve: whoever stole it; third and recovery beside them. */
typedef struct {
	World w;
	char *third, *third_key;
	char *recovery, *recovery_key;
} Keys;

static void keys_set_up(Keys *k, gconstpointer data)
{
	world_set_up(&k->w, data);
	k->third_key = make_key(&k->w, "third", &k->third);
	k->recovery_key = make_key(&k->w, "recovery", &k->recovery);
}

static void remove_key(char *file)
{
	g_autofree char *pub = g_strconcat(file, ".pub", NULL);
	g_assert_cmpint(g_unlink(file), ==, 0);
	g_assert_cmpint(g_unlink(pub), ==, 0);
	g_free(file);
}

static void keys_tear_down(Keys *k, gconstpointer data)
{
	remove_key(k->third);
	remove_key(k->recovery);
	g_free(k->third_key);
	g_free(k->recovery_key);
	world_tear_down(&k->w, data);
}

static TrustKeys *pinned(const Keys *k, gboolean with_recovery)
{
	const char *const keys[] = {k->w.ana_key, NULL};
	const char *const recovery[] = {k->recovery_key, NULL};
	return trust_keys_new(keys, with_recovery ? recovery : NULL);
}

static char *rotation(const char *from, const char *to)
{
	const TrustStatement statement = {.number = 1,
					  .written_utc = TAGGED,
					  .key = (char *)(gsize)to,
					  .replaces = (char *)(gsize)from};
	return trust_statement_format(&statement);
}

static char *revocation(guint64 number, const char *stolen, const char *to)
{
	char *revokes[] = {(char *)(gsize)stolen, NULL};
	const TrustStatement statement = {
	    .number = number, .written_utc = TAGGED, .key = (char *)(gsize)to, .revokes = revokes};
	return trust_statement_format(&statement);
}

static TrustKeysChange apply(TrustKeys *keys, const char *statement, const char *signer,
			     GError **error)
{
	TrustKeysChange change = TRUST_KEYS_IGNORED;
	g_autofree char *signature =
	    util_sshsig_sign(signer, TRUST_KEYS_NS, statement, strlen(statement), NULL);
	(void)trust_keys_apply(keys, statement, signature, &change, error); /* *error says it */
	return change;
}

static void expect(const TrustKeys *keys, const char *key)
{
	const char *const *list = trust_keys_list(keys);
	g_assert_cmpstr(list[0], ==, key);
	g_assert_null(key ? list[1] : NULL);
}

static void test_rotation(Keys *k, gconstpointer data)
{
	(void)data; /* none is used */
	g_autoptr(GError) error = NULL;
	g_autoptr(TrustKeys) keys = pinned(k, TRUE);
	g_autofree char *first = rotation(k->w.ana_key, k->third_key);
	g_autofree char *foreign = rotation(k->w.eve_key, k->w.eve_key);
	g_assert_cmpint(apply(keys, foreign, k->w.eve, &error), ==, TRUST_KEYS_IGNORED);
	g_assert_no_error(error);
	expect(keys, k->w.ana_key);
	g_assert_cmpint(apply(keys, first, k->w.ana, &error), ==, TRUST_KEYS_ROTATED);
	expect(keys, k->third_key);
	/* again, and back, changes nothing: the old key counts no more */
	g_autofree char *back = rotation(k->w.ana_key, k->w.eve_key);
	g_assert_cmpint(apply(keys, first, k->w.ana, &error), ==, TRUST_KEYS_IGNORED);
	g_assert_cmpint(apply(keys, back, k->w.ana, &error), ==, TRUST_KEYS_IGNORED);
	g_assert_no_error(error);
	expect(keys, k->third_key);
}

static void test_forged(Keys *k, gconstpointer data)
{
	(void)data; /* none is used */
	g_autoptr(GError) error = NULL;
	g_autoptr(TrustKeys) keys = pinned(k, TRUE);
	g_autofree char *forged = rotation(k->w.ana_key, k->w.eve_key);
	g_autofree char *revoked = revocation(1, k->w.ana_key, k->w.eve_key);
	g_assert_cmpint(apply(keys, forged, k->w.eve, &error), ==, TRUST_KEYS_IGNORED);
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	g_clear_error(&error);
	/* central's own key revokes nothing */
	g_assert_cmpint(apply(keys, revoked, k->w.ana, &error), ==, TRUST_KEYS_IGNORED);
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_AUTHENTIC);
	expect(keys, k->w.ana_key);
}

static void test_revocation(Keys *k, gconstpointer data)
{
	(void)data; /* none is used */
	g_autoptr(GError) error = NULL;
	g_autoptr(TrustKeys) keys = pinned(k, TRUE);
	g_autoptr(TrustKeys) without = pinned(k, FALSE);
	g_autofree char *stolen = rotation(k->w.ana_key, k->w.eve_key);
	g_autofree char *revoked = revocation(2, k->w.ana_key, k->third_key);
	g_autofree char *signature =
	    util_sshsig_sign(k->recovery, TRUST_KEYS_NS, revoked, strlen(revoked), NULL);
	/* a thief has named his own key; who has the recovery key ends that */
	g_assert_cmpint(apply(keys, stolen, k->w.ana, &error), ==, TRUST_KEYS_ROTATED);
	g_assert_true(trust_keys_is_revocation(keys, revoked, signature));
	g_assert_cmpint(apply(keys, revoked, k->recovery, &error), ==, TRUST_KEYS_REVOKED);
	g_assert_no_error(error);
	expect(keys, k->third_key);
	g_assert_cmpuint(trust_keys_number(keys), ==, 2);
	g_assert_cmpint(apply(keys, stolen, k->w.ana, &error), ==, TRUST_KEYS_IGNORED);
	/* where no recovery key is pinned, none counts */
	g_assert_cmpint(apply(without, revoked, k->recovery, &error), ==, TRUST_KEYS_IGNORED);
	g_assert_false(trust_keys_is_revocation(without, revoked, signature));
	expect(without, k->w.ana_key);
	/* one of before is never applied again, and nobody returns what was revoked */
	g_autofree char *older = revocation(1, k->third_key, k->w.ana_key);
	g_autofree char *to_revoked = rotation(k->third_key, k->w.ana_key);
	g_assert_cmpint(apply(keys, older, k->recovery, &error), ==, TRUST_KEYS_IGNORED);
	g_assert_cmpint(apply(keys, to_revoked, k->third, &error), ==, TRUST_KEYS_IGNORED);
	g_assert_no_error(error);
	expect(keys, k->third_key);
}

static void test_kept(Keys *k, gconstpointer data)
{
	(void)data; /* none is used */
	g_autoptr(GError) error = NULL;
	const char *const pins[] = {k->w.ana_key, NULL};
	const char *const both[] = {k->w.ana_key, k->w.eve_key, NULL};
	const char *const recovery[] = {k->recovery_key, NULL};
	g_autoptr(TrustKeys) keys = pinned(k, TRUE);
	g_autofree char *revoked = revocation(1, k->w.ana_key, k->third_key);
	g_assert_cmpint(apply(keys, revoked, k->recovery, &error), ==, TRUST_KEYS_REVOKED);
	g_autofree char *text = trust_keys_format(keys);
	g_autoptr(TrustKeys) again = trust_keys_parse(text, strlen(text), pins, recovery, &error);
	g_assert_no_error(error);
	expect(again, k->third_key);
	g_assert_cmpuint(trust_keys_number(again), ==, 1);
	g_autofree char *same = trust_keys_format(again);
	g_assert_cmpstr(same, ==, text);
	/* an operator pins others: those count, but what was revoked does not come back */
	g_autoptr(TrustKeys) anew = trust_keys_parse(text, strlen(text), both, recovery, &error);
	expect(anew, k->w.eve_key);
	g_autoptr(TrustKeys) none = trust_keys_parse(NULL, 0, pins, recovery, &error);
	expect(none, k->w.ana_key);
	g_assert_null(trust_keys_parse("Tagship-Trusted: 2\nNumber: 0\n", 30, pins, NULL, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
}

static void test_golden(void)
{
	g_autofree char *path =
	    g_test_build_filename(G_TEST_DIST, "data", "formats", "keys-statement-1.txt", NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	g_assert_true(g_file_get_contents(path, &text, &len, NULL));
	g_autoptr(TrustStatement) statement = trust_statement_parse(text, len, NULL);
	g_assert_cmpuint(statement->number, ==, 1);
	g_assert_nonnull(statement->replaces);
	g_autofree char *again = trust_statement_format(statement);
	g_assert_cmpstr(again, ==, text);
	/* cut, or with anything more, it is none */
	for (gsize at = 0; at < len; at++) {
		g_autofree char *cut = g_strndup(text, at);
		g_assert_null(trust_statement_parse(cut, at, NULL));
	}
	static const char *const more[] = {"X: 1\n", "Revokes: ", "Number: 1\n", "\n", "Key: x\n"};
	for (guint i = 0; i < G_N_ELEMENTS(more); i++) {
		g_autoptr(GError) error = NULL;
		g_autofree char *longer = g_strconcat(text, more[i], NULL);
		g_assert_null(trust_statement_parse(longer, strlen(longer), &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);
	}
	g_autoptr(GError) error = NULL;
	strstr(text, ": 1")[2] = '2';
	g_assert_null(trust_statement_parse(text, len, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_UNSUPPORTED);
}

#define ADD(path, test) \
	g_test_add("/trust/keys/" path, Keys, NULL, keys_set_up, test, keys_tear_down)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("rotation", test_rotation);
	ADD("forged", test_forged);
	ADD("revocation", test_revocation);
	ADD("kept", test_kept);
	g_test_add_func("/trust/keys/golden", test_golden);
	return g_test_run();
}
