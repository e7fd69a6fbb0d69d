/* SPDX-License-Identifier: ISC */
#include "trust/keys.h"

#include <string.h>

#define STATEMENT "Tagship-Keys"
#define STATE "Tagship-Trusted"

struct TrustKeys {
	char **pinned, **recovery; /* as configured */
	char **trusted;
	char **revoked;
	guint64 number;
};

static char **copy_list(const char *const *list)
{
	static const char *const none[] = {NULL};
	return g_strdupv((char **)(gsize)(list ? list : none));
}

static gboolean has(char **list, const char *key)
{
	return g_strv_contains((const char *const *)list, key);
}

static void add(char ***list, const char *key)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	if (has(*list, key))
		return;
	for (char **at = *list; *at; at++)
		g_strv_builder_add(builder, *at);
	g_strv_builder_add(builder, key);
	g_strfreev(*list);
	*list = g_strv_builder_end(builder);
}

static void drop(char ***list, const char *key)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	for (char **at = *list; *at; at++)
		if (strcmp(*at, key) != 0)
			g_strv_builder_add(builder, *at);
	g_strfreev(*list);
	*list = g_strv_builder_end(builder);
}

/* ---- statements ---- */

void trust_statement_free(TrustStatement *statement)
{
	if (!statement)
		return;
	g_free(statement->key);
	g_free(statement->replaces);
	g_strfreev(statement->revokes);
	g_free(statement);
}

char *trust_statement_format(const TrustStatement *statement)
{
	g_autoptr(UtilTrailers) t = util_trailers_new();
	util_trailers_add(t, STATEMENT, "1");
	util_trailers_add_int(t, "Number", (gint64)statement->number);
	util_trailers_add_time(t, "Written", statement->written_utc);
	util_trailers_add(t, "Key", statement->key);
	util_trailers_add(t, "Replaces", statement->replaces);
	for (char **at = statement->revokes; at && *at; at++)
		util_trailers_add(t, "Revokes", *at);
	return util_trailers_format(t);
}

static gboolean need_key(const UtilTrailers *t, const char *name, char **ret_key, GError **error)
{
	const char *value = NULL;
	if (!util_trailers_need(t, name, &value, error))
		return FALSE;
	*ret_key = g_strdup(value);
	return util_sshsig_key_ok(value) ||
	       util_error_set(error, TS_ERROR_CORRUPT, "%s is no ed25519 key", name);
}

static gboolean read_revokes(const UtilTrailers *t, TrustStatement *statement, GError **error)
{
	g_autoptr(GStrvBuilder) revokes = g_strv_builder_new();
	guint n = 0;
	for (guint i = 0; i < util_trailers_count(t); i++) {
		const char *value = util_trailers_value(t, i);
		if (strcmp(util_trailers_key(t, i), "Revokes") != 0)
			continue;
		if (!util_sshsig_key_ok(value) || ++n > TRUST_KEYS_MAX)
			return util_error_set(error, TS_ERROR_CORRUPT,
					      "Revokes is no ed25519 key, or one too many");
		g_strv_builder_add(revokes, value);
	}
	statement->revokes = g_strv_builder_end(revokes);
	return TRUE;
}

static TrustStatement *parse_statement(const char *text, gsize len, GError **error)
{
	g_autoptr(TrustStatement) statement = g_new0(TrustStatement, 1);
	g_autoptr(UtilTrailers) t = util_trailers_parse(text, len, error);
	gint64 format = 0, number = 0;
	if (!t || !util_trailers_need_int(t, STATEMENT, 1, G_MAXINT32, &format, error))
		return NULL;
	if (format > 1) {
		util_error_set(error, TS_ERROR_UNSUPPORTED, "of a newer format; update tagship");
		return NULL;
	}
	if (!util_trailers_need_int(t, "Number", 1, G_MAXINT64, &number, error) ||
	    !util_trailers_need_time(t, "Written", &statement->written_utc, error) ||
	    !need_key(t, "Key", &statement->key, error) ||
	    (util_trailers_get(t, "Replaces") &&
	     !need_key(t, "Replaces", &statement->replaces, error)) ||
	    !read_revokes(t, statement, error))
		return NULL;
	statement->number = (guint64)number;
	/* one form alone, so that nothing hides in it: either a rotation or a revocation */
	g_autofree char *again = trust_statement_format(statement);
	if (strlen(again) == len && memcmp(again, text, len) == 0 &&
	    (statement->replaces == NULL) == (statement->revokes[0] != NULL))
		return g_steal_pointer(&statement);
	util_error_set(error, TS_ERROR_CORRUPT, "not as it would be written");
	return NULL;
}

TrustStatement *trust_statement_parse(const char *text, gsize len, GError **error)
{
	TrustStatement *statement = parse_statement(text, len, error);
	if (!statement)
		g_prefix_error(error, "statement of keys: ");
	return statement;
}

/* ---- what is believed ---- */

TrustKeys *trust_keys_new(const char *const *pinned, const char *const *recovery)
{
	TrustKeys *keys = g_new0(TrustKeys, 1);
	keys->pinned = copy_list(pinned);
	keys->recovery = copy_list(recovery);
	keys->trusted = copy_list(pinned);
	keys->revoked = copy_list(NULL);
	return keys;
}

TrustKeys *trust_keys_copy(const TrustKeys *keys)
{
	TrustKeys *copy = g_new0(TrustKeys, 1);
	copy->pinned = g_strdupv(keys->pinned);
	copy->recovery = g_strdupv(keys->recovery);
	copy->trusted = g_strdupv(keys->trusted);
	copy->revoked = g_strdupv(keys->revoked);
	copy->number = keys->number;
	return copy;
}

void trust_keys_free(TrustKeys *keys)
{
	if (!keys)
		return;
	g_strfreev(keys->pinned);
	g_strfreev(keys->recovery);
	g_strfreev(keys->trusted);
	g_strfreev(keys->revoked);
	g_free(keys);
}

const char *const *trust_keys_list(const TrustKeys *keys)
{
	return (const char *const *)keys->trusted;
}

guint64 trust_keys_number(const TrustKeys *keys)
{
	return keys->number;
}

static gboolean check_signature(const char *const *keys, const char *text, const char *signature,
				GError **error)
{
	if (util_sshsig_verify(keys, TRUST_KEYS_NS, text, strlen(text), signature, error))
		return TRUE;
	g_prefix_error(error, "statement of keys: ");
	return FALSE;
}

static gboolean apply_rotation(TrustKeys *keys, const TrustStatement *statement, const char *text,
			       const char *signature, TrustKeysChange *ret_change, GError **error)
{
	const char *const old[] = {statement->replaces, NULL};
	if (!has(keys->trusted, statement->replaces) || has(keys->revoked, statement->key))
		return TRUE;
	if (!check_signature(old, text, signature, error))
		return FALSE;
	drop(&keys->trusted, statement->replaces);
	add(&keys->trusted, statement->key);
	*ret_change = TRUST_KEYS_ROTATED;
	return TRUE;
}

static gboolean apply_revocation(TrustKeys *keys, const TrustStatement *statement, const char *text,
				 const char *signature, TrustKeysChange *ret_change, GError **error)
{
	if (!*keys->recovery || statement->number <= keys->number)
		return TRUE;
	if (!check_signature((const char *const *)keys->recovery, text, signature, error))
		return FALSE;
	for (char **at = statement->revokes; *at; at++)
		add(&keys->revoked, *at);
	g_strfreev(keys->trusted);
	keys->trusted = copy_list(NULL);
	add(&keys->trusted, statement->key);
	keys->number = statement->number;
	*ret_change = TRUST_KEYS_REVOKED;
	return TRUE;
}

gboolean trust_keys_apply(TrustKeys *keys, const char *statement, const char *signature,
			  TrustKeysChange *ret_change, GError **error)
{
	*ret_change = TRUST_KEYS_IGNORED;
	g_autoptr(TrustStatement) parsed =
	    trust_statement_parse(statement, strlen(statement), error);
	if (!parsed)
		return FALSE;
	return parsed->replaces
		   ? apply_rotation(keys, parsed, statement, signature, ret_change, error)
		   : apply_revocation(keys, parsed, statement, signature, ret_change, error);
}

gboolean trust_keys_is_revocation(const TrustKeys *keys, const char *statement,
				  const char *signature)
{
	g_autoptr(TrustStatement) parsed =
	    trust_statement_parse(statement, strlen(statement), NULL);
	return parsed && !parsed->replaces && *keys->recovery && parsed->number >= keys->number &&
	       check_signature((const char *const *)keys->recovery, statement, signature, NULL);
}

/* ---- kept ---- */

static void add_all(UtilTrailers *t, const char *name, char **list)
{
	for (; *list; list++)
		util_trailers_add(t, name, *list);
}

char *trust_keys_format(const TrustKeys *keys)
{
	g_autoptr(UtilTrailers) t = util_trailers_new();
	util_trailers_add(t, STATE, "1");
	util_trailers_add_int(t, "Number", (gint64)keys->number);
	add_all(t, "Pinned", keys->pinned);
	add_all(t, "Trusted", keys->trusted);
	add_all(t, "Revoked", keys->revoked);
	return util_trailers_format(t);
}

static char **take_all(const UtilTrailers *t, const char *name)
{
	g_autoptr(GStrvBuilder) list = g_strv_builder_new();
	for (guint i = 0; i < util_trailers_count(t); i++)
		if (strcmp(util_trailers_key(t, i), name) == 0)
			g_strv_builder_add(list, util_trailers_value(t, i));
	return g_strv_builder_end(list);
}

/* What was revoked stays so, whatever is pinned. */
static void pin_anew(TrustKeys *keys, const UtilTrailers *t)
{
	g_auto(GStrv) revoked = take_all(t, "Revoked");
	for (char **at = revoked; *at; at++) {
		add(&keys->revoked, *at);
		drop(&keys->trusted, *at);
	}
}

TrustKeys *trust_keys_parse(const char *text, gsize len, const char *const *pinned,
			    const char *const *recovery, GError **error)
{
	g_autoptr(TrustKeys) keys = trust_keys_new(pinned, recovery);
	gint64 format = 0, number = 0;
	if (!text)
		return g_steal_pointer(&keys);
	g_autoptr(UtilTrailers) t = util_trailers_parse(text, len, error);
	if (!t || !util_trailers_need_int(t, STATE, 1, 1, &format, error) ||
	    !util_trailers_need_int(t, "Number", 0, G_MAXINT64, &number, error))
		return NULL;
	g_auto(GStrv) before = take_all(t, "Pinned");
	keys->number = (guint64)number;
	pin_anew(keys, t);
	if (g_strv_equal((const char *const *)before, (const char *const *)keys->pinned)) {
		g_strfreev(keys->trusted);
		keys->trusted = take_all(t, "Trusted");
	}
	return g_steal_pointer(&keys);
}
