/* SPDX-License-Identifier: ISC */
/* A bundle told to people. */
#include <unistd.h>

#include "bundle/bundle-private.h"

BundleInfo *bundle_show(int bundle_fd, GError **error)
{
	g_autoptr(BundleInfo) info = NULL;
	g_autoptr(BundleReader) reader = bundle_open(bundle_fd, 0, &info, error);
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	if (!reader || !util_sha256_fd(bundle_fd, digest, &info->bytes, error))
		return NULL;
	util_hex_encode(digest, sizeof digest, hex);
	info->sha256 = g_strdup(hex);
	return g_steal_pointer(&info);
}

static void append_line(GString *text, const char *verb, guint64 bytes, const char *path,
			const char *from)
{
	g_autofree char *name = util_text_printable(path, -1);
	g_autofree char *other = from ? util_text_printable(from, -1) : NULL;
	g_string_append_printf(text, "%-8s %12" G_GUINT64_FORMAT "  %s", verb, bytes, name);
	if (other)
		g_string_append_printf(text, "  (from %s)", other);
	g_string_append_c(text, '\n');
}

/* What happened to an item, in a word; NULL for what stays. */
static const char *verb_for(const DeltaItem *item, gboolean was_there)
{
	if (item->source == DELTA_KEPT)
		return NULL;
	switch (item->entry.type) {
	case DELTA_DIR:
		return was_there ? "meta" : "folder";
	case DELTA_LINK:
		return was_there ? "relinked" : "link";
	case DELTA_FILE:
		break;
	}
	if (item->source == DELTA_NEW)
		return was_there ? "changed" : "added";
	if (was_there && item->source == DELTA_COPIED && item->from == item->basis)
		return "meta";
	return "copied";
}

static void append_changes(GString *text, const DeltaChanges *changes, const DeltaTree *old_list)
{
	for (guint i = 0; i < changes->deleted->len; i++) {
		const DeltaEntry *entry =
		    &old_list->entries[g_array_index(changes->deleted, guint, i)];
		append_line(text, "deleted", entry->size, entry->path, NULL);
	}
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		const char *basis =
		    item->basis == DELTA_NONE ? NULL : old_list->entries[item->basis].path;
		gboolean was_there = basis && strcmp(basis, item->entry.path) == 0;
		const char *verb = verb_for(item, was_there);
		const char *from = was_there ? NULL : basis;
		if (item->source == DELTA_COPIED)
			from = old_list->entries[item->from].path;
		else if (item->source == DELTA_TWIN)
			from = delta_changes_item(changes, item->from)->entry.path;
		if (from && strcmp(from, item->entry.path) == 0)
			from = NULL;
		if (verb)
			append_line(text, verb, item->entry.size, item->entry.path, from);
	}
}

static gboolean list_delta(GString *text, BundleReader *reader, const BundleInfo *info,
			   const BundleTree *old_tree, GError **error)
{
	g_auto(BundleList) old_list = {0};
	bundle_list_init(&old_list, old_tree->manifest);
	g_autoptr(DeltaChanges) changes =
	    bundle_read_changes(reader, info, old_tree, &old_list, BUNDLE_MEMORY_BYTES, error);
	if (!changes)
		return FALSE;
	append_changes(text, changes, &old_list.tree);
	return TRUE;
}

static gboolean list_plain(GString *text, BundleReader *reader, GError **error)
{
	for (;;) {
		ManifestEntry entry = {0};
		gboolean end = FALSE;
		if (!bundle_reader_next(reader, &entry, &end, error))
			return FALSE;
		if (end)
			return TRUE;
		append_line(text,
			    entry.type == MANIFEST_DIR    ? "folder"
			    : entry.type == MANIFEST_FILE ? "added"
							  : "link",
			    entry.size, entry.path, entry.target);
	}
}

char *bundle_list(int bundle_fd, const BundleTree *old_tree, GError **error)
{
	g_autoptr(BundleInfo) info = NULL;
	g_autoptr(BundleReader) reader = bundle_open(bundle_fd, 0, &info, error);
	if (!reader)
		return NULL;
	g_autofree char *header = bundle_header_format(info);
	g_autoptr(GString) text = g_string_new(header);
	gboolean plain = strcmp(info->codec, "plain") == 0;
	gboolean ok = plain ? list_plain(text, reader, error)
			    : !old_tree || list_delta(text, reader, info, old_tree, error);
	return ok ? g_string_free(g_steal_pointer(&text), FALSE) : NULL;
}
