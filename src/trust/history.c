/* SPDX-License-Identifier: ISC */
#include <string.h>

#include "trust/keys.h"

void trust_change_free(TrustChange *change)
{
	if (!change)
		return;
	g_clear_pointer(&change->statement, trust_statement_free);
	g_free(change->text);
	g_free(change->signature);
	g_free(change);
}

TrustChange *trust_change_new(const char *text, const char *signature, GError **error)
{
	g_autoptr(TrustChange) change = g_new0(TrustChange, 1);
	change->statement = trust_statement_parse(text, strlen(text), error);
	if (!change->statement)
		return NULL;
	change->text = g_strdup(text);
	change->signature = g_strdup(signature);
	return g_steal_pointer(&change);
}

/* A value has no last newline; what is kept of it has. */
static char *with_newline(const char *value)
{
	return g_strconcat(value, "\n", NULL);
}

static TrustChange *take_change(const UtilTrailers *t, guint at, GError **error)
{
	if (at + 1 >= util_trailers_count(t) ||
	    strcmp(util_trailers_key(t, at), "Statement") != 0 ||
	    strcmp(util_trailers_key(t, at + 1), "Signature") != 0) {
		util_error_set(error, TS_ERROR_CORRUPT,
			       "a Statement and its Signature must follow each other");
		return NULL;
	}
	g_autofree char *text = with_newline(util_trailers_value(t, at));
	g_autofree char *signature = with_newline(util_trailers_value(t, at + 1));
	return trust_change_new(text, signature, error);
}

GPtrArray *trust_history_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(GPtrArray) history =
	    g_ptr_array_new_with_free_func((GDestroyNotify)trust_change_free);
	g_autoptr(UtilTrailers) t = text ? util_trailers_parse(text, len, error) : NULL;
	if (!t)
		return text ? NULL : g_steal_pointer(&history);
	for (guint i = 0; i < util_trailers_count(t); i += 2) {
		TrustChange *change = take_change(t, i, error);
		if (!change)
			return NULL;
		g_ptr_array_add(history, change);
	}
	return g_steal_pointer(&history);
}

char *trust_history_format(const GPtrArray *history)
{
	g_autoptr(UtilTrailers) t = util_trailers_new();
	for (guint i = 0; i < history->len; i++) {
		const TrustChange *change = history->pdata[i];
		g_autofree char *text = g_strchomp(g_strdup(change->text));
		g_autofree char *signature = g_strchomp(g_strdup(change->signature));
		util_trailers_add(t, "Statement", text);
		util_trailers_add(t, "Signature", signature);
	}
	return util_trailers_format(t);
}

static gboolean is_revoked(const GPtrArray *history, const char *key)
{
	for (guint i = 0; i < history->len; i++) {
		const TrustChange *change = history->pdata[i];
		if (g_strv_contains((const char *const *)change->statement->revokes, key))
			return TRUE;
	}
	return FALSE;
}

TrustKeys *trust_history_own(const GPtrArray *history, const char *current, const char *recovery)
{
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	const char *const recoveries[] = {recovery, NULL};
	g_strv_builder_add(builder, current);
	for (guint i = 0; i < history->len; i++) {
		const TrustStatement *statement =
		    ((const TrustChange *)history->pdata[i])->statement;
		const char *const keys[] = {statement->replaces, statement->key};
		for (guint k = 0; k < G_N_ELEMENTS(keys); k++)
			if (keys[k] && strcmp(keys[k], current) != 0 &&
			    !is_revoked(history, keys[k]))
				g_strv_builder_add(builder, keys[k]);
	}
	g_auto(GStrv) keys = g_strv_builder_end(builder);
	return trust_keys_new((const char *const *)keys, recoveries);
}
