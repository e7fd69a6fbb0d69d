/* SPDX-License-Identifier: ISC */
#include "bundle/bundle-private.h"

void bundle_info_free(BundleInfo *info)
{
	if (!info)
		return;
	g_free(info->codec);
	g_free(info->old_root);
	g_free(info->new_root);
	g_free(info->sha256);
	g_free(info);
}

char *bundle_header_format(const BundleInfo *info)
{
	g_autoptr(UtilTrailers) trailers = util_trailers_new();
	g_autofree char *files =
	    g_strdup_printf("%u %u %u %u", info->files_changed, info->files_copied,
			    info->files_kept, info->files_deleted);
	util_trailers_add_int(trailers, "Format", 1);
	util_trailers_add(trailers, "Codec", info->codec);
	util_trailers_add(trailers, "Old-Root", info->old_root);
	util_trailers_add(trailers, "New-Root", info->new_root);
	util_trailers_add(trailers, "Files", files);
	util_trailers_add_int(trailers, "Decoded-Bytes", (gint64)info->decoded_bytes);
	util_trailers_add_int(trailers, "Memory-Bytes", (gint64)info->memory_bytes);
	return util_trailers_format(trailers);
}

static gboolean parse_files(const char *text, BundleInfo *info)
{
	guint *counts[] = {&info->files_changed, &info->files_copied, &info->files_kept,
			   &info->files_deleted};
	g_auto(GStrv) parts = g_strsplit(text, " ", 5);
	if (g_strv_length(parts) != G_N_ELEMENTS(counts))
		return FALSE;
	for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
		guint64 value = 0;
		if (!g_ascii_string_to_unsigned(parts[i], 10, 0, MANIFEST_ENTRIES_MAX, &value,
						NULL))
			return FALSE;
		*counts[i] = (guint)value;
	}
	return TRUE;
}

static gboolean parse_fields(const UtilTrailers *trailers, BundleInfo *info, GError **error)
{
	const char *codec = NULL;
	const char *old_root = NULL;
	const char *new_root = NULL;
	const char *files = NULL;
	gint64 decoded = 0;
	gint64 memory = 0;
	if (!util_trailers_need(trailers, "Codec", &codec, error) ||
	    !util_trailers_need(trailers, "Old-Root", &old_root, error) ||
	    !util_trailers_need(trailers, "New-Root", &new_root, error) ||
	    !util_trailers_need(trailers, "Files", &files, error) ||
	    !util_trailers_need_int(trailers, "Decoded-Bytes", 0, (gint64)MANIFEST_SIZE_MAX,
				    &decoded, error) ||
	    !util_trailers_need_int(trailers, "Memory-Bytes", 0, G_MAXINT64, &memory, error))
		return FALSE;
	if (strcmp(codec, "plain") != 0 && strcmp(codec, "delta") != 0)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "codec \"%s\": a newer tagship made this bundle", codec);
	if (!util_sha256_hex_ok(new_root) ||
	    (strcmp(old_root, "-") != 0 && !util_sha256_hex_ok(old_root)) ||
	    !parse_files(files, info))
		return util_error_set(error, TS_ERROR_CORRUPT, "a root or \"Files\" is malformed");
	info->codec = g_strdup(codec);
	info->old_root = g_strdup(old_root);
	info->new_root = g_strdup(new_root);
	info->decoded_bytes = (guint64)decoded;
	info->memory_bytes = (guint64)memory;
	return TRUE;
}

BundleInfo *bundle_header_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(UtilTrailers) trailers = util_trailers_parse(text, len, error);
	g_autoptr(BundleInfo) info = g_new0(BundleInfo, 1);
	gint64 format = 0;
	gboolean ok =
	    trailers && util_trailers_need_int(trailers, "Format", 1, G_MAXINT64, &format, error);
	if (ok && format != 1)
		ok = util_error_set(error, TS_ERROR_UNSUPPORTED,
				    "format %" G_GINT64_FORMAT ": a newer tagship made this bundle",
				    format);
	if (!ok || !parse_fields(trailers, info, error)) {
		g_prefix_error(error, "bundle header: ");
		return NULL;
	}
	return g_steal_pointer(&info);
}

gboolean bundle_header_check(const BundleInfo *info, const BundleLimits *limits, GError **error)
{
	guint64 bytes = limits->decoded_bytes ? limits->decoded_bytes : BUNDLE_DECODED_BYTES_MAX;
	guint64 memory = limits->memory_bytes ? limits->memory_bytes : BUNDLE_MEMORY_BYTES;
	if (limits->expect_new_root && strcmp(limits->expect_new_root, info->new_root) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "the bundle leads to root %s, not to %s", info->new_root,
				      limits->expect_new_root);
	if (info->decoded_bytes > bytes) {
		g_autofree char *wanted = util_text_bytes(info->decoded_bytes);
		g_autofree char *allowed = util_text_bytes(bytes);
		return util_error_set(error, TS_ERROR_REFUSED,
				      "the bundle unpacks to %s, more than the %s allowed", wanted,
				      allowed);
	}
	if (info->memory_bytes > memory) {
		g_autofree char *wanted = util_text_bytes(info->memory_bytes);
		g_autofree char *allowed = util_text_bytes(memory);
		return util_error_set(error, TS_ERROR_REFUSED,
				      "unpacking the bundle needs %s of memory, more than the %s "
				      "allowed",
				      wanted, allowed);
	}
	return TRUE;
}

gboolean bundle_check_root(const BundleInfo *info, const Manifest *manifest, GError **error)
{
	char root[UTIL_SHA256_HEX];
	manifest_root(manifest, root);
	return strcmp(root, info->new_root) == 0 ||
	       util_error_set(error, TS_ERROR_CORRUPT, "bundle: what it made has root %s, not %s",
			      root, info->new_root);
}

guint64 bundle_manifest_memory(const Manifest *manifest)
{
	guint64 bytes = 0;
	if (!manifest)
		return 0;
	for (guint i = 0; i < manifest_count(manifest); i++) {
		const ManifestEntry *entry = manifest_entry(manifest, i);
		/* arrays grow by doubling */
		bytes += 2 * sizeof *entry + sizeof(DeltaEntry) + strlen(entry->path) + 1 +
			 (entry->target ? strlen(entry->target) + 1 : 0);
	}
	return bytes;
}
