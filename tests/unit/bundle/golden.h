/* SPDX-License-Identifier: ISC */
/* The trees between which the bundles in tests/data/formats were made. */
#pragma once

#include "pair.h"

static inline char *golden_text(guint from, guint to)
{
	GString *text = g_string_new(NULL);
	for (guint i = from; i < to; i++)
		g_string_append_printf(text, "%u squared is %u\n", i, i * i);
	return g_string_free(text, FALSE);
}

static inline void golden_fill(Pair *pair)
{
	const Folder *old = &pair->old_folder;
	const Folder *now = &pair->new_folder;
	g_autofree char *text = golden_text(0, 200);
	g_autofree char *text_now = golden_text(3, 210);
	g_autofree char *other = golden_text(1000, 1040);
	put_dir(old, "js");
	put_file(old, "js/app.0a1b2c3d.js", text);
	put_file(old, "index.html", "<script src=js/app.0a1b2c3d.js></script>\n");
	put_file(old, "licence", other);
	put_file(old, "gone", "gone");
	set_time(old, "js", MTIME);
	put_dir(now, "js");
	put_file(now, "js/app.4e5f6071.js", text_now);
	put_file(now, "index.html", "<script src=js/app.4e5f6071.js></script>\n");
	put_file(now, "licence", other);
	put_file(now, "licence copy", other);
	put_bytes(now, "\xc3\xa4 \xff", "odd", 3, 0755);
	put_link(now, "current", "js");
	put_dir(now, "void");
	set_time(now, "void", MTIME + 100);
	set_time(now, "js", MTIME + 200);
	set_time(now, "index.html", MTIME + 200);
	set_time(now, "js/app.4e5f6071.js", MTIME + 200);
	pair_scan(pair);
}

static inline void golden_jar(const Folder *folder, const char *name, const char *data)
{
	g_autofree char *path = g_test_build_filename(G_TEST_DIST, "data", "formats", data, NULL);
	g_autofree char *bytes = NULL;
	gsize len = 0;
	g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
	put_bytes(folder, name, bytes, len, 0644);
}

/* For deltas of format 2, more: an archive, and a file of which a few bytes change. */
static inline void golden_fill_2(Pair *pair)
{
	g_autofree char *long_text = golden_text(5000, 9000);
	golden_jar(&pair->old_folder, "app-1.jar", "app-1.jar");
	golden_jar(&pair->new_folder, "app-2.jar", "app-2.jar");
	put_file(&pair->old_folder, "table", long_text);
	long_text[strlen(long_text) / 2] = '!';
	put_file(&pair->new_folder, "table", long_text);
	golden_fill(pair);
}
