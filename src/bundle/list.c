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

static void append_line(GString *text, const char *verb, guint64 bytes, const char *cost,
			const char *path, const char *how)
{
	g_autofree char *name = util_text_printable(path, -1);
	g_string_append_printf(text, "%-8s %12" G_GUINT64_FORMAT " %10s  %s", verb, bytes, cost,
			       name);
	if (how && *how)
		g_string_append_printf(text, "  (%s)", how);
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
	if (item->source == DELTA_NEW || item->source == DELTA_TOGETHER)
		return was_there ? "changed" : "added";
	if (was_there && item->source == DELTA_COPIED && item->from == item->basis)
		return "meta";
	return "copied";
}

/* What is told of each item. */
typedef struct {
	GString *text;
	const DeltaChanges *changes;
	const DeltaTree *old_list;
	const guint64 *costs;
	const guint8 *codecs;
} Listing;

static const char *codec_name(guint8 codec)
{
	return codec == DELTA_CODEC_PATCH ? "patch" : codec == DELTA_CODEC_LZMA2 ? "lzma2" : "";
}

static void add_how(GString *how, const char *what, const char *path)
{
	g_autofree char *name = util_text_printable(path, -1);
	g_string_append_printf(how, "%s%s %s", how->len ? ", " : "", what, name);
}

static const char *kind_name(DeltaArchiveKind kind)
{
	switch (kind) {
	case DELTA_ARCHIVE_ZIP:
		return "zip";
	case DELTA_ARCHIVE_GZIP:
		return "gzip";
	case DELTA_ARCHIVE_TAR:
		return "tar";
	}
	g_assert_not_reached();
}

/* Where the content comes from. */
static void describe(const Listing *listing, const DeltaItem *item, guint index, GString *how)
{
	const DeltaTree *old_list = listing->old_list;
	const char *basis = item->basis == DELTA_NONE ? NULL : old_list->entries[item->basis].path;
	const DeltaTogether *together = NULL;
	switch (item->source) {
	case DELTA_KEPT:
		return;
	case DELTA_COPIED:
	case DELTA_PACKED_COPY:
		if (strcmp(old_list->entries[item->from].path, item->entry.path) != 0)
			add_how(how, "from", old_list->entries[item->from].path);
		return;
	case DELTA_TWIN:
		add_how(how, "from", delta_changes_item(listing->changes, item->from)->entry.path);
		return;
	case DELTA_NEW:
		g_string_append(how, codec_name(listing->codecs[index]));
		break;
	case DELTA_TOGETHER:
		together = &g_array_index(listing->changes->archives, DeltaTogether, item->from);
		g_string_append_printf(how, "%s of %u parts", kind_name(together->archive->kind),
				       together->count);
		break;
	}
	if (basis && strcmp(basis, item->entry.path) != 0)
		add_how(how, "like", basis);
}

static guint64 together_cost(const Listing *listing, const DeltaItem *item)
{
	const DeltaTogether *together =
	    &g_array_index(listing->changes->archives, DeltaTogether, item->from);
	guint64 cost = 0;
	for (guint i = together->first; i < together->first + together->count; i++) {
		const DeltaItem *part = delta_changes_item(listing->changes, i);
		cost += part->source == DELTA_TOGETHER ? together_cost(listing, part)
						       : listing->costs[i];
	}
	return cost;
}

static void append_item(const Listing *listing, guint index, const char *path, const char *verb)
{
	const DeltaItem *item = delta_changes_item(listing->changes, index);
	g_autoptr(GString) how = g_string_new(NULL);
	guint64 cost =
	    item->source == DELTA_TOGETHER ? together_cost(listing, item) : listing->costs[index];
	g_autofree char *cost_text = g_strdup_printf("%" G_GUINT64_FORMAT, cost);
	describe(listing, item, index, how);
	append_line(listing->text, verb, item->entry.size, cost_text, path, how->str);
}

/* The parts that travel, or are packed anew, under the archive they are in. */
static void append_parts(const Listing *listing, const DeltaItem *item, const char *path)
{
	const DeltaTogether *together =
	    &g_array_index(listing->changes->archives, DeltaTogether, item->from);
	for (guint i = 0; i < together->count; i++) {
		const DeltaItem *part = delta_changes_item(listing->changes, together->first + i);
		const char *name = g_array_index(together->archive->members, DeltaMember, i).name;
		if (part->source == DELTA_PACKED_COPY)
			continue;
		g_autofree char *full = g_strconcat(path, "/", name ? name : "", NULL);
		append_item(listing, together->first + i, full, " part");
		if (part->source == DELTA_TOGETHER)
			append_parts(listing, part, full);
	}
}

static void append_changes(const Listing *listing)
{
	const DeltaChanges *changes = listing->changes;
	const DeltaTree *old_list = listing->old_list;
	for (guint i = 0; i < changes->deleted->len; i++) {
		const DeltaEntry *entry =
		    &old_list->entries[g_array_index(changes->deleted, guint, i)];
		append_line(listing->text, "deleted", entry->size, "0", entry->path, NULL);
	}
	for (guint i = 0; i < changes->count; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		gboolean was_there =
		    item->basis != DELTA_NONE &&
		    strcmp(old_list->entries[item->basis].path, item->entry.path) == 0;
		const char *verb = verb_for(item, was_there);
		if (!verb)
			continue;
		append_item(listing, i, item->entry.path, verb);
		if (item->source == DELTA_TOGETHER)
			append_parts(listing, item, item->entry.path);
	}
}

static gboolean list_delta(GString *text, BundleReader *reader, const BundleInfo *info,
			   const BundleTree *old_tree, GError **error)
{
	g_auto(BundleList) old_list = {0};
	bundle_list_init(&old_list, old_tree);
	old_list.scratch_dirfd = AT_FDCWD;
	g_autoptr(DeltaChanges) changes =
	    bundle_read_changes(reader, info, &old_list, BUNDLE_MEMORY_BYTES, error);
	if (!changes)
		return FALSE;
	g_autofree guint64 *costs = g_new0(guint64, (gsize)changes->items->len + 1);
	g_autofree guint8 *codecs = bundle_codecs(changes);
	if (!bundle_costs(reader, changes, &old_list, costs, error))
		return FALSE;
	Listing listing = {text, changes, &old_list.tree, costs, codecs};
	append_changes(&listing);
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
			    entry.size, "", entry.path, entry.target);
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
