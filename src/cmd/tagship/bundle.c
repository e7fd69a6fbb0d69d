/* SPDX-License-Identifier: ISC */
/*
 * Bundles by hand. OLD and NEW are folders, app@version (from central's library), or "-" for
 * nothing; folders need no central state.
 */
#include <unistd.h>

#include "cmd/tagship/tagship.h"
#include "tree/tree.h"

typedef struct {
	int dirfd;
	Manifest *manifest;
	char *scratch; /* an exported version, removed at the end */
} Side;

static void side_clear(Side *side)
{
	util_closep(&side->dirfd);
	if (side->manifest)
		manifest_free(side->manifest);
	if (side->scratch)
		(void)util_fs_remove_tree(AT_FDCWD, side->scratch, NULL); /* a temporary folder */
	g_free(side->scratch);
}

static gboolean open_version(Cmd *cmd, const char *name, Side *side, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(name, "@", 2);
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central)
		return FALSE;
	side->scratch = g_build_filename(g_get_tmp_dir(), "tagship-XXXXXX", NULL);
	if (!g_mkdtemp(side->scratch))
		return util_error_errno(error, errno, "%s", side->scratch);
	if (!library_export(central->library, parts[0], parts[1], side->scratch, &side->manifest,
			    error))
		return FALSE;
	side->dirfd = util_fs_open_dir(AT_FDCWD, side->scratch, error);
	return side->dirfd >= 0;
}

static gboolean open_side(Cmd *cmd, const char *name, const UtilProgress *progress, Side *side,
			  GError **error)
{
	side->dirfd = -1;
	if (strcmp(name, "-") == 0)
		return TRUE;
	if (strchr(name, '@') && !g_file_test(name, G_FILE_TEST_IS_DIR))
		return open_version(cmd, name, side, error);
	side->dirfd = util_fs_open_dir(AT_FDCWD, name, error);
	TreeScan scan = {.progress = progress, .normalize = TRUE};
	side->manifest = side->dirfd < 0 ? NULL : tree_scan(side->dirfd, &scan, error);
	if (!side->manifest)
		g_prefix_error(error, "%s: ", name);
	return side->manifest != NULL;
}

static void print_info(const Cmd *cmd, const BundleInfo *info)
{
	if (!cmd->json) {
		g_autofree char *decoded = util_text_bytes(info->decoded_bytes);
		g_print("codec %s\nfrom  %s\nto    %s\nsize  %" G_GUINT64_FORMAT
			" bytes (%s decoded)\nfiles %u changed, %u moved or copied, %u kept, %u "
			"deleted\n",
			info->codec, info->old_root, info->new_root, info->bytes, decoded,
			info->files_changed, info->files_copied, info->files_kept,
			info->files_deleted);
		return;
	}
	g_autoptr(JsonBuilder) json = json_builder_new();
	const char *const texts[][2] = {{"codec", info->codec},
					{"old_root", info->old_root},
					{"new_root", info->new_root},
					{"sha256", info->sha256}};
	const struct {
		const char *name;
		guint64 value;
	} numbers[] = {{"bytes", info->bytes},
		       {"codec_bytes", info->coded_bytes},
		       {"effort", info->effort},
		       {"decoded_bytes", info->decoded_bytes},
		       {"memory_bytes", info->memory_bytes},
		       {"scratch_bytes", info->scratch_bytes},
		       {"files_changed", info->files_changed},
		       {"files_copied", info->files_copied},
		       {"files_kept", info->files_kept},
		       {"files_deleted", info->files_deleted}};
	json_builder_begin_object(json);
	for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
		json_builder_set_member_name(json, texts[i][0]);
		json_builder_add_string_value(json, texts[i][1] ? texts[i][1] : "");
	}
	for (guint i = 0; i < G_N_ELEMENTS(numbers); i++) {
		json_builder_set_member_name(json, numbers[i].name);
		json_builder_add_int_value(json, (gint64)numbers[i].value);
	}
	json_builder_end_object(json);
	cmd_print_json(json);
}

static gboolean write_bundle(const BundleTree *old_tree, const BundleTree *new_tree,
			     const char *path, const BundleMakeOptions *options,
			     BundleInfo **ret_info, GError **error)
{
	g_autofree char *tmp = g_strconcat(path, ".part", NULL);
	util_autofd int fd = open(tmp, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return util_error_errno(error, errno, "%s", tmp);
	if (bundle_make(old_tree, new_tree, fd, options, ret_info, error) &&
	    util_fs_fsync(fd, error) && util_fs_rename(AT_FDCWD, tmp, AT_FDCWD, path, error))
		return TRUE;
	(void)util_fs_unlink(AT_FDCWD, tmp, NULL); /* the first error is the one to tell */
	return FALSE;
}

static gboolean read_effort(const char *text, gint64 kbit, guint *ret_effort, GError **error)
{
	guint64 value = 0;
	if (kbit < 0 || (kbit > 0 && text))
		return util_error_set(
		    error, TS_ERROR_USAGE,
		    "--line-kbit chooses the effort: give a positive rate, and no "
		    "--effort beside it");
	if (!text)
		return TRUE;
	if (strcmp(text, "max") == 0)
		value = BUNDLE_EFFORT_MAX;
	else if (!g_ascii_string_to_unsigned(text, 10, 1, BUNDLE_EFFORT_MAX, &value, NULL))
		return util_error_set(error, TS_ERROR_USAGE, "--effort: 1 to %d or max, not \"%s\"",
				      BUNDLE_EFFORT_MAX, text);
	*ret_effort = (guint)value;
	return TRUE;
}

static int bundle_cmd_make(Cmd *cmd, GError **error)
{
	g_autofree char *codec = NULL, *effort_text = NULL;
	guint effort = 0;
	gint64 kbit = 0;
	const GOptionEntry own[] = {{"codec", 0, 0, G_OPTION_ARG_STRING, &codec,
				     "plain or delta (default: by OLD)", "NAME"},
				    {"effort", 0, 0, G_OPTION_ARG_STRING, &effort_text,
				     "1 (fast) to 9, or max (smallest); default 7", "N"},
				    {"line-kbit", 0, 0, G_OPTION_ARG_INT64, &kbit,
				     "The effort by which it arrives first over such a line",
				     "KBIT"},
				    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 3, 3, error) || !read_effort(effort_text, kbit, &effort, error))
		return 2;
	if (codec && strcmp(codec, "plain") != 0 && strcmp(codec, "delta") != 0) {
		util_error_set(error, TS_ERROR_USAGE, "--codec: plain or delta, not \"%s\"", codec);
		return 2;
	}
	g_autoptr(UtilProgress) progress = cmd_progress_new(cmd);
	Side old_side = {.dirfd = -1}, new_side = {.dirfd = -1};
	g_autoptr(BundleInfo) info = NULL;
	gboolean ok = open_side(cmd, cmd->argv[1], progress, &old_side, error) &&
		      open_side(cmd, cmd->argv[2], progress, &new_side, error);
	if (ok && !new_side.manifest)
		ok = util_error_set(error, TS_ERROR_USAGE, "NEW cannot be \"-\"");
	util_autofd int scratch_dirfd =
	    ok ? util_fs_open_dir(AT_FDCWD, g_get_tmp_dir(), error) : -1;
	ok = ok && scratch_dirfd >= 0;
	if (ok) {
		BundleTree old_tree = {old_side.dirfd, old_side.manifest};
		BundleTree new_tree = {new_side.dirfd, new_side.manifest};
		BundleMakeOptions options = {.codec = !codec          ? BUNDLE_CODEC_AUTO
						      : *codec == 'p' ? BUNDLE_CODEC_PLAIN
								      : BUNDLE_CODEC_DELTA,
					     .effort = effort,
					     .arrive_kbit = (guint64)kbit,
					     .scratch_dirfd = scratch_dirfd,
					     .progress = progress};
		ok = write_bundle(&old_tree, &new_tree, cmd->argv[3], &options, &info, error);
	}
	side_clear(&old_side);
	side_clear(&new_side);
	g_clear_pointer(&progress, cmd_progress_free);
	if (ok && (cmd->json || !cmd->quiet))
		print_info(cmd, info);
	return ok ? 0 : 1;
}

static int bundle_cmd_show(Cmd *cmd, GError **error)
{
	g_autofree char *old_name = NULL;
	const GOptionEntry own[] = {{"old", 0, 0, G_OPTION_ARG_STRING, &old_name,
				     "The old tree, to list a delta's changes", "OLD"},
				    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 1, error))
		return 2;
	util_autofd int fd = open(cmd->argv[1], O_RDONLY | O_CLOEXEC);
	if (fd < 0) {
		util_error_errno(error, errno, "%s", cmd->argv[1]);
		return 1;
	}
	g_autoptr(BundleInfo) info = bundle_show(fd, error);
	if (!info)
		return 1;
	print_info(cmd, info);
	if (cmd->json)
		return 0;
	Side side = {.dirfd = -1};
	gboolean ok = !old_name || open_side(cmd, old_name, NULL, &side, error);
	BundleTree old_tree = {side.dirfd, side.manifest};
	g_autofree char *list = NULL;
	if (ok && lseek(fd, 0, SEEK_SET) == 0)
		list = bundle_list(fd, side.manifest ? &old_tree : NULL, error);
	if (list)
		g_print("%s", list);
	side_clear(&side);
	return list ? 0 : 1;
}

static int bundle_cmd_apply(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 3, 3, error))
		return 2;
	g_autoptr(UtilProgress) progress = cmd_progress_new(cmd);
	util_autofd int fd = open(cmd->argv[2], O_RDONLY | O_CLOEXEC);
	if (fd < 0 || mkdir(cmd->argv[3], 0755) != 0) {
		util_error_errno(error, errno, "%s", fd < 0 ? cmd->argv[2] : cmd->argv[3]);
		return 1;
	}
	util_autofd int new_dirfd = util_fs_open_dir(AT_FDCWD, cmd->argv[3], error);
	Side side = {.dirfd = -1};
	g_autoptr(Manifest) manifest = NULL;
	gboolean ok = new_dirfd >= 0 && open_side(cmd, cmd->argv[1], progress, &side, error);
	if (ok) {
		BundleTree old_tree = {side.dirfd, side.manifest};
		BundleLimits limits = {.progress = progress};
		ok = bundle_apply(fd, &old_tree, new_dirfd, &limits, &manifest, error);
	}
	side_clear(&side);
	if (!ok) {
		(void)util_fs_remove_tree(AT_FDCWD, cmd->argv[3], NULL); /* made by us above */
		return 1;
	}
	char root[UTIL_SHA256_HEX];
	manifest_root(manifest, root);
	g_clear_pointer(&progress, cmd_progress_free);
	cmd_say(cmd, "%s: root %s", cmd->argv[3], root);
	return 0;
}

int cmd_bundle(Cmd *cmd, GError **error)
{
	static const CmdVerb verbs[] = {{"make", bundle_cmd_make},
					{"show", bundle_cmd_show},
					{"apply", bundle_cmd_apply},
					{NULL, NULL}};
	return cmd_verb(cmd, verbs, error);
}
