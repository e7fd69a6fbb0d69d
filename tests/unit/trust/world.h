/* SPDX-License-Identifier: ISC */
/* Keys and signed tag objects for the tests of this room. */
#pragma once

#include <glib/gstdio.h>

#include "trust/trust.h"

#define COMMIT "1111111111111111111111111111111111111111"
#define TAGGED 1796090000 /* 2026-12-01T01:53:20Z */

typedef struct {
	char *dir;
	char *ana, *eve; /* key files */
	char *ana_key, *eve_key;
} World;

static inline char *make_key(const World *w, const char *name, char **ret_file)
{
	g_autoptr(GError) error = NULL;
	*ret_file = g_build_filename(w->dir, name, NULL);
	g_assert_true(util_sshsig_keygen(*ret_file, name, &error));
	char *key = util_sshsig_public_key(*ret_file, &error);
	g_assert_no_error(error);
	return key;
}

static inline void world_set_up(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	w->dir = g_dir_make_tmp("tagship-trust-XXXXXX", NULL);
	w->ana_key = make_key(w, "ana", &w->ana);
	w->eve_key = make_key(w, "eve", &w->eve);
}

static inline void world_tear_down(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	const char *const files[] = {w->ana, w->eve};
	for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
		g_autofree char *pub = g_strconcat(files[i], ".pub", NULL);
		g_assert_cmpint(g_unlink(files[i]), ==, 0);
		g_assert_cmpint(g_unlink(pub), ==, 0);
	}
	g_assert_cmpint(g_rmdir(w->dir), ==, 0);
	g_free(w->dir);
	g_free(w->ana);
	g_free(w->eve);
	g_free(w->ana_key);
	g_free(w->eve_key);
}

/* A tag object as git writes it; key NULL: not signed. */
static inline char *make_tag(const char *key, const char *name_space, const char *name,
			     const char *message)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *payload = g_strdup_printf("object " COMMIT "\ntype commit\ntag %s\n"
						   "tagger Ana <ana@example.com> %d +0000\n\n%s",
						   name, TAGGED, message);
	if (!key)
		return g_steal_pointer(&payload);
	g_autofree char *signature =
	    util_sshsig_sign(key, name_space, payload, strlen(payload), &error);
	g_assert_no_error(error);
	return g_strconcat(payload, signature, NULL);
}
