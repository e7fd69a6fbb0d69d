/* SPDX-License-Identifier: ISC */
#include <sys/xattr.h>

#include "tree/tree-private.h"

static gboolean refuse(const TreeNode *node, const char *why, GError **error)
{
	g_autofree char *name = tree_name(node->path);
	return util_error_set(error, TS_ERROR_REFUSED, "%s: %s", name, why);
}

static const char *special_kind(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFIFO:
		return "a FIFO cannot be released";
	case S_IFSOCK:
		return "a socket cannot be released";
	case S_IFCHR:
	case S_IFBLK:
		return "a device cannot be released";
	default:
		return "this kind of file cannot be released";
	}
}

static gboolean entry_from_node(const TreeNode *node, gboolean normalize, ManifestEntry *ret_entry,
				GError **error)
{
	mode_t bits = node->st.st_mode & 07777;
	ManifestEntry entry = {
	    .path = node->path, .target = node->target, .mtime_s = node->st.st_mtim.tv_sec};
	if (normalize)
		entry.mtime_s = CLAMP(entry.mtime_s, MANIFEST_MTIME_MIN, MANIFEST_MTIME_MAX);
	if (S_ISLNK(node->st.st_mode)) {
		entry.type = MANIFEST_LINK;
		entry.mode = 0777;
	} else if (S_ISDIR(node->st.st_mode)) {
		entry.type = MANIFEST_DIR;
		entry.mode = normalize ? 0755 : (guint16)bits;
	} else if (S_ISREG(node->st.st_mode)) {
		if (bits & (S_ISUID | S_ISGID))
			return refuse(node, "set-uid and set-gid files cannot be released", error);
		entry.type = MANIFEST_FILE;
		entry.size = (guint64)node->st.st_size;
		entry.mode = !normalize ? (guint16)bits : bits & 0111 ? 0755 : 0644;
	} else {
		return refuse(node, special_kind(node->st.st_mode), error);
	}
	*ret_entry = entry;
	return TRUE;
}

/* The walked nodes as an unsealed manifest without hashes. */
static Manifest *manifest_from_nodes(const GArray *nodes, const TreeScan *options, GError **error)
{
	g_autoptr(Manifest) manifest = manifest_new();
	guint64 bytes = 0;
	for (guint i = 0; i < nodes->len; i++) {
		const TreeNode *node = &g_array_index(nodes, TreeNode, i);
		ManifestEntry entry;
		if (!entry_from_node(node, options->normalize, &entry, error))
			return NULL;
		bytes += entry.size;
		if (options->max_bytes && bytes > options->max_bytes) {
			g_autofree char *limit = util_text_bytes(options->max_bytes);
			util_error_set(error, TS_ERROR_REFUSED, "the tree is larger than %s",
				       limit);
			return NULL;
		}
		manifest_add(manifest, &entry);
	}
	return manifest_seal(manifest, error) ? g_steal_pointer(&manifest) : NULL;
}

static gboolean hash_manifest(int dirfd, Manifest *manifest, const UtilProgress *progress,
			      GError **error)
{
	g_autoptr(GArray) jobs = g_array_new(FALSE, TRUE, sizeof(TreeHash));
	g_autoptr(GArray) indexes = g_array_new(FALSE, FALSE, sizeof(guint));
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		TreeHash job = {.path = entry->path, .size = entry->size};
		if (entry->type != MANIFEST_FILE)
			continue;
		g_array_append_val(jobs, job);
		g_array_append_val(indexes, i);
	}
	if (!tree_hash_files(dirfd, jobs, progress, error))
		return FALSE;
	for (guint i = 0; i < jobs->len; i++) {
		const TreeHash *job = &g_array_index(jobs, TreeHash, i);
		if (job->changed) {
			g_autofree char *name = tree_name(job->path);
			return util_error_set(error, TS_ERROR_AGAIN, "%s changed while it was read",
					      name);
		}
		manifest_set_sha256(manifest, g_array_index(indexes, guint, i), job->sha256);
	}
	return TRUE;
}

/* A release carries none: the file would come without what somebody gave it on purpose. */
static gboolean check_capabilities(int dirfd, const GArray *nodes, GError **error)
{
	for (guint i = 0; i < nodes->len; i++) {
		const TreeNode *node = &g_array_index(nodes, TreeNode, i);
		if (!S_ISREG(node->st.st_mode))
			continue;
		/* there is no lgetxattrat in the C libraries we build with */
		g_autofree char *path = g_strdup_printf("/proc/self/fd/%d/%s", dirfd, node->path);
		if (lgetxattr(path, "security.capability", NULL, 0) > 0)
			return refuse(node, "files with capabilities cannot be released", error);
	}
	return TRUE;
}

Manifest *tree_scan(int dirfd, const TreeScan *options, GError **error)
{
	static const TreeScan strict = {0};
	if (!options)
		options = &strict;
	g_autoptr(GArray) nodes = tree_walk(dirfd, options->skip, TRUE, error);
	g_autoptr(Manifest) manifest = nodes ? manifest_from_nodes(nodes, options, error) : NULL;
	if (!manifest || !check_capabilities(dirfd, nodes, error) ||
	    !hash_manifest(dirfd, manifest, options->progress, error))
		return NULL;
	return g_steal_pointer(&manifest);
}
