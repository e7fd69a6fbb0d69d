/* SPDX-License-Identifier: ISC */
/*
 * Bundles between two built trees. Each is made once, applied to a scratch copy as a base would,
 * and kept under its hash; STATE/bundles/by-roots/OLD-NEW… remembers which one it was (derived:
 * when it is lost, the same bundle is made again with the same bytes), with a suffix for readers
 * that cannot read all.
 */
#include <unistd.h>

#include "publish/publish-private.h"

static char *index_name(const char *old_root, const char *new_root, const PublishReader *reader)
{
	g_autofree char *memory =
	    reader->memory_bytes > 0
		? g_strdup_printf("-%" G_GUINT64_FORMAT "m", reader->memory_bytes / 1024 / 1024)
		: g_strdup("");
	return g_strdup_printf("by-roots/%s-%s%s%s", strcmp(old_root, "-") == 0 ? "none" : old_root,
			       new_root,
			       reader->plain            ? "-plain"
			       : reader->whole_archives ? "-whole"
							: "",
			       memory);
}

static OrderBundle *index_read(Central *central, const char *old_root, const char *new_root,
			       const PublishReader *reader)
{
	g_autofree char *name = index_name(old_root, new_root, reader);
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(central->bundles_dirfd, name, 4096, &text, &len, NULL))
		return NULL;
	g_autoptr(OrderBundle) bundle = order_bundle_parse(g_strchomp(text), NULL);
	if (!bundle || !store_blob_exists(central->bundles_dirfd, bundle->sha256))
		return NULL;
	return g_steal_pointer(&bundle);
}

OrderBundle *publish_bundle_made(Central *central, const char *old_root,
				 const LibraryVersion *version, const PublishReader *reader)
{
	return index_read(central, old_root, version->root, reader);
}

/* A scratch folder with the two trees and the proof. */
typedef struct {
	char *name; /* beneath STATE/tmp */
	char *path;
	int dirfd;
	Manifest *old_manifest, *new_manifest;
} Scratch;

static void scratch_clear(Central *central, Scratch *scratch)
{
	util_closep(&scratch->dirfd);
	if (scratch->name) {
		g_autofree char *path = g_build_filename("tmp", scratch->name, NULL);
		(void)util_fs_remove_tree(central->dirfd, path, NULL); /* swept by gc */
	}
	if (scratch->old_manifest)
		manifest_free(scratch->old_manifest);
	if (scratch->new_manifest)
		manifest_free(scratch->new_manifest);
	g_free(scratch->name);
	g_free(scratch->path);
}

static int scratch_sub(Scratch *scratch, const char *sub, GError **error)
{
	if (!util_fs_mkdir(scratch->dirfd, sub, 0700, error))
		return -1;
	return util_fs_open_dir(scratch->dirfd, sub, error);
}

static gboolean scratch_open(Central *central, Scratch *scratch, GError **error)
{
	util_autofd int tmp = util_fs_open_dir(central->dirfd, "tmp", error);
	if (tmp < 0)
		return FALSE;
	scratch->name = util_fs_mkdtemp(tmp, ".tmp-bundle", error);
	if (!scratch->name)
		return FALSE;
	scratch->path = g_build_filename(central->path, "tmp", scratch->name, NULL);
	scratch->dirfd = util_fs_open_dir(tmp, scratch->name, error);
	return scratch->dirfd >= 0;
}

static gboolean scratch_export(JobRun *run, Scratch *scratch, const char *sub, const char *version,
			       int *ret_dirfd, Manifest **ret_manifest, GError **error)
{
	*ret_dirfd = scratch_sub(scratch, sub, error);
	if (*ret_dirfd < 0)
		return FALSE;
	g_autofree char *dest = g_build_filename(scratch->path, sub, NULL);
	return library_export(run->central->library, run->app->name, version, dest, ret_manifest,
			      error);
}

/* What a base will do with it, done here first. */
static gboolean prove(Scratch *scratch, const BundleTree *old_tree, int fd, const BundleInfo *info,
		      GError **error)
{
	util_autofd int dirfd = scratch_sub(scratch, "proof", error);
	g_autoptr(Manifest) manifest = NULL;
	BundleLimits limits = {.decoded_bytes = info->decoded_bytes,
			       .expect_new_root = info->new_root};
	if (dirfd < 0 || lseek(fd, 0, SEEK_SET) != 0)
		return FALSE;
	if (bundle_apply(fd, old_tree, dirfd, &limits, &manifest, error))
		return TRUE;
	g_prefix_error(error, "the new bundle does not restore its tree: ");
	return FALSE;
}

static OrderBundle *keep(Central *central, const BundleInfo *info, const char *tmp_name, int fd,
			 const PublishReader *reader, GError **error)
{
	char sha256[UTIL_SHA256_HEX];
	guint64 bytes = 0;
	if (!store_blob_keep(central->bundles_dirfd, tmp_name, fd, sha256, &bytes, error))
		return NULL;
	g_autoptr(OrderBundle) bundle = g_new0(OrderBundle, 1);
	bundle->old_root = g_strdup(info->old_root);
	bundle->sha256 = g_strdup(sha256);
	bundle->bytes = bytes;
	bundle->codec = info->effort > 0 ? g_strdup_printf("%s-%u", info->codec, info->effort)
					 : g_strdup(info->codec);
	bundle->decoded_bytes = info->decoded_bytes;
	bundle->memory_bytes = info->memory_bytes;
	g_autofree char *text = order_bundle_format(bundle);
	g_autofree char *line = g_strconcat(text, "\n", NULL);
	g_autofree char *name = index_name(info->old_root, info->new_root, reader);
	if (!util_fs_write_file(central->bundles_dirfd, name, line, strlen(line), 0644, error))
		return NULL;
	return g_steal_pointer(&bundle);
}

guint publish_bundle_effort(const OrderBundle *bundle)
{
	guint64 effort = 0;
	const char *dash = strrchr(bundle->codec, '-');
	if (dash)
		(void)g_ascii_string_to_unsigned(dash + 1, 10, 1, BUNDLE_EFFORT_MAX, &effort,
						 NULL); /* 0 */
	return (guint)effort;
}

static OrderBundle *make_in(JobRun *run, Scratch *scratch, const LibraryVersion *old_version,
			    const LibraryVersion *version, BundleHaste haste,
			    const PublishReader *reader, GError **error)
{
	Central *central = run->central;
	util_autofd int old_fd = -1, new_fd = -1, out = -1;
	g_autofree char *tmp_name = NULL;
	if (!scratch_open(central, scratch, error) ||
	    (old_version && !scratch_export(run, scratch, "old", old_version->version, &old_fd,
					    &scratch->old_manifest, error)) ||
	    !scratch_export(run, scratch, "new", version->version, &new_fd, &scratch->new_manifest,
			    error))
		return NULL;
	out = store_blob_new(central->bundles_dirfd, &tmp_name, error);
	if (out < 0)
		return NULL;
	BundleTree old_tree = {old_fd, scratch->old_manifest};
	BundleTree new_tree = {new_fd, scratch->new_manifest};
	BundleMakeOptions options = {.effort = haste.effort,
				     .arrive_kbit = (guint64)haste.arrive_kbit,
				     .codec =
					 reader->plain ? BUNDLE_CODEC_PLAIN : BUNDLE_CODEC_AUTO,
				     .whole_archives = reader->whole_archives,
				     .base_memory_bytes = reader->memory_bytes,
				     .scratch_dirfd = scratch->dirfd};
	if (options.effort == 0 && options.arrive_kbit == 0)
		options.effort = BUNDLE_EFFORT_MAX;
	g_autoptr(BundleInfo) info = NULL;
	OrderBundle *bundle = NULL;
	if (bundle_make(&old_tree, &new_tree, out, &options, &info, error) &&
	    prove(scratch, &old_tree, out, info, error))
		bundle = keep(central, info, tmp_name, out, reader, error);
	if (!bundle)
		(void)util_fs_unlink(central->bundles_dirfd, tmp_name, NULL); /* swept by gc */
	return bundle;
}

static gboolean enough_disk(Central *central, const LibraryVersion *version, GError **error)
{
	guint64 free_bytes = 0;
	guint64 need = version->bytes * 4 + (guint64)central->conf->min_free_mb * 1000000;
	if (!util_fs_free_bytes(central->dirfd, &free_bytes, error))
		return FALSE;
	if (free_bytes >= need)
		return TRUE;
	g_autofree char *have_text = util_text_bytes(free_bytes);
	g_autofree char *need_text = util_text_bytes(need);
	return util_error_set(error, TS_ERROR_NO_SPACE,
			      "%s has %s free, making the bundle needs %s; free some (tagship gc)",
			      central->path, have_text, need_text);
}

OrderBundle *publish_bundle(JobRun *run, const char *old_root, const LibraryVersion *version,
			    BundleHaste haste, const PublishReader *reader, GError **error)
{
	g_autoptr(OrderBundle) known = index_read(run->central, old_root, version->root, reader);
	if (known && (haste.effort == 0 || publish_bundle_effort(known) == haste.effort))
		return g_steal_pointer(&known);
	g_autoptr(LibraryVersion) old_version = NULL;
	if (strcmp(old_root, "-") != 0) {
		old_version =
		    library_by_root(run->central->library, run->app->name, old_root, error);
		if (!old_version) {
			g_prefix_error(error,
				       "the tree %.12s that the base runs is not in the "
				       "library: ",
				       old_root);
			return NULL;
		}
	}
	if (!enough_disk(run->central, version, error))
		return NULL;
	Scratch scratch = {.dirfd = -1};
	gint64 start_us = g_get_monotonic_time();
	OrderBundle *bundle = make_in(run, &scratch, old_version, version, haste, reader, error);
	scratch_clear(run->central, &scratch);
	if (bundle) {
		g_autofree char *size = util_text_bytes(bundle->bytes);
		g_autofree char *whole = util_text_bytes(version->bytes);
		job_say(run, "bundle %s: %s (%s, of %s), made and proved in %.1f s",
			old_version ? old_version->version : "from nothing", size, bundle->codec,
			whole, (double)(g_get_monotonic_time() - start_us) / G_USEC_PER_SEC);
	}
	return bundle;
}
