/* SPDX-License-Identifier: ISC */
/*
 * Reports that central confirmed. A central that was restored from a backup has lost what came
 * after it, and cannot know: so they are kept for a while, and hello tells the commits that central
 * gave.
 *
 *   ROOT/reported/KEY       the report, unsigned
 *   ROOT/reported/commits   a line each: central's head of reports when it last had all, and what
 * it confirmed since
 */
#include <fcntl.h>
#include <sys/stat.h>

#include "mirror/mirror-private.h"

#define COMMITS "reported/commits"
#define COMMITS_MAX ((gsize)WIRE_HELLO_REPORTED_MAX * REPO_OID)
#define KEEP_S (35 * 24 * 60 * 60) /* monthly backups, and some days to notice */

char **mirror_reported_commits(const MirrorSpec *spec)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	g_autoptr(GPtrArray) commits = g_ptr_array_new();
	/* missing or damaged: what was lost is not noticed */
	if (util_fs_read_file(spec->root_dirfd, COMMITS, COMMITS_MAX, &text, &len, NULL)) {
		g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
		for (guint i = 0; lines[i]; i++)
			if (util_oid_hex_ok(lines[i]))
				g_ptr_array_add(commits, g_strdup(lines[i]));
	}
	g_ptr_array_add(commits, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&commits), FALSE);
}

static gboolean write_commits(const MirrorSpec *spec, const char *text, GError **error)
{
	return util_fs_file_says(spec->root_dirfd, COMMITS, text) ||
	       util_fs_write_file(spec->root_dirfd, COMMITS, text, strlen(text), 0644, error);
}

gboolean mirror_reported_seen(const MirrorSpec *spec, const char *reports_head, GError **error)
{
	g_autofree char *text = g_strconcat(reports_head, "\n", NULL);
	return write_commits(spec, strcmp(reports_head, "-") == 0 ? "" : text, error);
}

static gboolean add_commit(const MirrorSpec *spec, const char *commit, GError **error)
{
	g_auto(GStrv) commits = mirror_reported_commits(spec);
	guint n = g_strv_length(commits);
	if (g_strv_contains((const char *const *)commits, commit))
		return TRUE;
	/* the newest count; each connection begins with a look at all of them */
	char **from = commits + (n < WIRE_HELLO_REPORTED_MAX ? 0 : n + 1 - WIRE_HELLO_REPORTED_MAX);
	g_autofree char *joined = g_strjoinv("\n", from);
	g_autofree char *text = g_strconcat(joined, *from ? "\n" : "", commit, "\n", NULL);
	return write_commits(spec, text, error);
}

gboolean mirror_reported_keep(const MirrorSpec *spec, int pending_dirfd, const char *key,
			      const char *commit, GError **error)
{
	g_autofree char *kept = g_strconcat("reported/", key, NULL);
	if (spec->conf->node) /* the base that it reports to keeps nothing for central */
		return util_fs_unlink(pending_dirfd, key, error);
	if (!add_commit(spec, commit, error) ||
	    !util_fs_rename(pending_dirfd, key, spec->root_dirfd, kept, error))
		return FALSE;
	/* kept from now on, whenever it was written; if not, for less long */
	(void)utimensat(spec->root_dirfd, kept, NULL, 0);
	return TRUE;
}

/* Central takes nothing of hardware that was replaced. */
static gboolean is_of_now(const MirrorSpec *spec, int dirfd, const char *key)
{
	gsize len = 0;
	g_autofree char *text = NULL;
	if (!util_fs_read_file(dirfd, key, WIRE_REPORT_MAX, &text, &len, NULL))
		return TRUE; /* for who sends it to say */
	g_autoptr(Report) report = report_parse(text, len, NULL);
	return !report || report->incarnation == spec->incarnation;
}

gboolean mirror_reported_again(const MirrorSpec *spec, guint *ret_count, GError **error)
{
	*ret_count = 0;
	util_autofd int from = util_fs_open_dir(spec->root_dirfd, "reported", error);
	g_autoptr(GPtrArray) names = from < 0 ? NULL : util_fs_list(from, ".", error);
	if (!names)
		return FALSE;
	util_autofd int to = util_fs_open_dir(spec->root_dirfd, "pending", error);
	if (to < 0)
		return FALSE;
	for (guint i = 0; i < names->len; i++) {
		const char *key = names->pdata[i];
		if (strcmp(key, "commits") == 0 || !is_of_now(spec, from, key))
			continue;
		if (!util_fs_rename(from, key, to, key, error))
			return FALSE;
		(*ret_count)++;
	}
	return util_fs_fsync(to, error) && util_fs_fsync(from, error);
}

void mirror_reported_sweep(const MirrorSpec *spec)
{
	gint64 before = util_clock_now_utc(spec->clock) - KEEP_S;
	util_autofd int dirfd = util_fs_open_dir(spec->root_dirfd, "reported", NULL);
	g_autoptr(GPtrArray) names = dirfd < 0 ? NULL : util_fs_list(dirfd, ".", NULL);
	for (guint i = 0; names && i < names->len; i++) {
		const char *key = names->pdata[i];
		struct stat st;
		if (strcmp(key, "commits") != 0 && fstatat(dirfd, key, &st, 0) == 0 &&
		    st.st_mtime < before)
			(void)util_fs_unlink(dirfd, key, NULL); /* else the next time */
	}
}
