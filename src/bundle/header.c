/* SPDX-License-Identifier: ISC */
#include "bundle/bundle-private.h"

#define OLD_ROOT_DIGITS 8 /* enough to tell trees apart: what is trusted is the new root */
#define ZLIB_DIGITS 8
#define ZLIB_NAME "zlib"
#define ZLIB_NAME_MAX 256

void bundle_info_free(BundleInfo *info)
{
	if (!info)
		return;
	g_free(info->codec);
	g_free(info->old_root);
	g_free(info->new_root);
	g_free(info->sha256);
	g_free(info->zlib);
	g_free(info);
}

/* Every byte of a delta's header travels with the smallest release: one line, no keys. */
static char *delta_line(const BundleInfo *info)
{
	g_autoptr(GString) line = g_string_new(NULL);
	g_string_append_printf(
	    line, "delta %d %.*s %s %u %u %u %u %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT,
	    BUNDLE_FORMAT_DELTA, OLD_ROOT_DIGITS, info->old_root, info->new_root,
	    info->files_changed, info->files_copied, info->files_kept, info->files_deleted,
	    info->decoded_bytes, info->memory_bytes);
	if (info->zlib)
		g_string_append_printf(line, " %" G_GUINT64_FORMAT " %s", info->scratch_bytes,
				       info->zlib);
	g_string_append_c(line, '\n');
	return g_string_free(g_steal_pointer(&line), FALSE);
}

char *bundle_header_format(const BundleInfo *info)
{
	if (strcmp(info->codec, "delta") == 0)
		return delta_line(info);
	g_autoptr(UtilTrailers) trailers = util_trailers_new();
	g_autofree char *files =
	    g_strdup_printf("%u %u %u %u", info->files_changed, info->files_copied,
			    info->files_kept, info->files_deleted);
	util_trailers_add_int(trailers, "Format", BUNDLE_FORMAT_PLAIN);
	util_trailers_add(trailers, "Codec", info->codec);
	util_trailers_add(trailers, "Old-Root", info->old_root);
	util_trailers_add(trailers, "New-Root", info->new_root);
	util_trailers_add(trailers, "Files", files);
	util_trailers_add_int(trailers, "Decoded-Bytes", (gint64)info->decoded_bytes);
	util_trailers_add_int(trailers, "Memory-Bytes", (gint64)info->memory_bytes);
	return util_trailers_format(trailers);
}

/* Four counts of files. */
static gboolean parse_files(char **words, BundleInfo *info)
{
	guint *counts[] = {&info->files_changed, &info->files_copied, &info->files_kept,
			   &info->files_deleted};
	for (guint i = 0; i < G_N_ELEMENTS(counts); i++) {
		guint64 value = 0;
		if (!words[i] || !g_ascii_string_to_unsigned(words[i], 10, 0, MANIFEST_ENTRIES_MAX,
							     &value, NULL))
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
	if (strcmp(codec, "plain") != 0)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "codec \"%s\": another tagship made this bundle", codec);
	g_auto(GStrv) words = g_strsplit(files, " ", 5);
	if (!util_sha256_hex_ok(new_root) ||
	    (strcmp(old_root, "-") != 0 && !util_sha256_hex_ok(old_root)) ||
	    g_strv_length(words) != 4 || !parse_files(words, info))
		return util_error_set(error, TS_ERROR_CORRUPT, "a root or \"Files\" is malformed");
	info->codec = g_strdup(codec);
	info->old_root = g_strdup(old_root);
	info->new_root = g_strdup(new_root);
	info->decoded_bytes = (guint64)decoded;
	info->memory_bytes = (guint64)memory;
	return TRUE;
}

static gboolean parse_trailers(const char *text, gsize len, BundleInfo *info, GError **error)
{
	g_autoptr(UtilTrailers) trailers = util_trailers_parse(text, len, error);
	gint64 format = 0;
	if (!trailers || !util_trailers_need_int(trailers, "Format", 1, G_MAXINT64, &format, error))
		return FALSE;
	if (format != BUNDLE_FORMAT_PLAIN)
		return util_error_set(
		    error, TS_ERROR_UNSUPPORTED,
		    "format %" G_GINT64_FORMAT ": a newer tagship made this bundle", format);
	return parse_fields(trailers, info, error);
}

static gboolean is_hex(const char *word, gsize min_digits, gsize max_digits)
{
	gsize len = strlen(word);
	return len >= min_digits && len <= max_digits && strspn(word, "0123456789abcdef") == len;
}

static gboolean parse_number(const char *word, guint64 max, guint64 *ret_value)
{
	return g_ascii_string_to_unsigned(word, 10, 0, max, ret_value, NULL);
}

static gboolean parse_words(char **words, BundleInfo *info)
{
	guint n = g_strv_length(words);
	if ((n != 10 && n != 12) ||
	    (strcmp(words[2], "-") != 0 &&
	     !is_hex(words[2], OLD_ROOT_DIGITS, UTIL_SHA256_HEX - 1)) ||
	    !util_sha256_hex_ok(words[3]) || !parse_files(words + 4, info) ||
	    !parse_number(words[8], MANIFEST_SIZE_MAX, &info->decoded_bytes) ||
	    !parse_number(words[9], G_MAXINT64, &info->memory_bytes))
		return FALSE;
	info->codec = g_strdup("delta");
	info->old_root = g_strdup(words[2]);
	info->new_root = g_strdup(words[3]);
	if (n == 10)
		return TRUE;
	info->zlib = g_strdup(words[11]);
	return parse_number(words[10], G_MAXINT64, &info->scratch_bytes) &&
	       is_hex(words[11], ZLIB_DIGITS, ZLIB_DIGITS);
}

static gboolean parse_delta(const char *text, gsize len, BundleInfo *info, GError **error)
{
	guint64 format = 0;
	if (memchr(text, 0, len) || text[len - 1] != '\n')
		return util_error_set(error, TS_ERROR_CORRUPT, "it is no line of text");
	g_autofree char *line = g_strndup(text, len - 1);
	g_auto(GStrv) words = g_strsplit(line, " ", 13);
	if (words[1] && parse_number(words[1], G_MAXUINT64, &format) &&
	    format != BUNDLE_FORMAT_DELTA)
		return util_error_set(error, TS_ERROR_UNSUPPORTED,
				      "format %" G_GUINT64_FORMAT
				      " of deltas: another tagship made this bundle",
				      format);
	return (format == BUNDLE_FORMAT_DELTA && parse_words(words, info)) ||
	       util_error_set(error, TS_ERROR_CORRUPT, "a root or number is malformed");
}

BundleInfo *bundle_header_parse(const char *text, gsize len, GError **error)
{
	g_autoptr(BundleInfo) info = g_new0(BundleInfo, 1);
	gboolean delta = len > 6 && memcmp(text, "delta ", 6) == 0;
	if (delta ? parse_delta(text, len, info, error) : parse_trailers(text, len, info, error))
		return g_steal_pointer(&info);
	g_prefix_error(error, "bundle header: ");
	return NULL;
}

static gpointer zlib_digest(gpointer data)
{
	guint8 digest[UTIL_SHA256_BYTES];
	char hex[UTIL_SHA256_HEX];
	(void)data; /* there is none */
	delta_zlib_digest(digest);
	util_hex_encode(digest, sizeof digest, hex);
	return g_strndup(hex, ZLIB_DIGITS);
}

char *bundle_zlib_digest(void)
{
	static GOnce once = G_ONCE_INIT;
	return g_strdup(g_once(&once, zlib_digest, NULL));
}

/* "BOOT VERSION DIGEST": what was found out since the machine was started. */
char *bundle_zlib_digest_kept(int dirfd, const char *boot)
{
	gsize len = 0;
	g_autofree char *text = NULL;
	g_autofree char *known = g_strdup_printf("%s %s ", boot, delta_zlib_version());
	/* missing or damaged: it is found out again */
	if (util_fs_read_file(dirfd, ZLIB_NAME, ZLIB_NAME_MAX, &text, &len, NULL) &&
	    g_str_has_prefix(text, known) && len == strlen(known) + ZLIB_DIGITS + 1)
		return g_strndup(text + strlen(known), ZLIB_DIGITS);
	char *digest = bundle_zlib_digest();
	g_autofree char *line = g_strconcat(known, digest, "\n", NULL);
	(void)util_fs_write_file(dirfd, ZLIB_NAME, line, strlen(line), 0644, NULL);
	return digest;
}

/* Archives come back bit for bit only from a zlib that packs like the one they were tried with. */
static gboolean zlib_fits(const BundleInfo *info, GError **error)
{
	g_autofree char *own = info->zlib ? bundle_zlib_digest() : NULL;
	return !own || strcmp(own, info->zlib) == 0 ||
	       util_error_set(error, TS_ERROR_UNSUPPORTED,
			      "the zlib here packs archives otherwise than central's; ask for a "
			      "plain bundle, or install the same zlib");
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
	guint64 scratch = limits->scratch_bytes ? limits->scratch_bytes : BUNDLE_SCRATCH_BYTES_MAX;
	if (info->scratch_bytes > scratch) {
		g_autofree char *wanted = util_text_bytes(info->scratch_bytes);
		g_autofree char *allowed = util_text_bytes(scratch);
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "unpacking the bundle needs %s of scratch disk, more than the "
		    "%s allowed",
		    wanted, allowed);
	}
	if (!zlib_fits(info, error))
		return FALSE;
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
