/* SPDX-License-Identifier: ISC */
/* From a commit to a version in the library. */
#include <unistd.h>

#include "publish/publish-private.h"

static gboolean run_build(JobRun *run, const char *repo_path, const char *commit, const char *name,
			  gint64 commit_utc, gboolean is_release, BuildResult **ret_result,
			  GError **error)
{
	g_autofree char *work = g_build_filename(run->central->path, "work", NULL);
	BuildSpec spec = {.app = run->app,
			  .source_repo = repo_path,
			  .commit = commit,
			  .version = name,
			  .commit_utc = commit_utc,
			  .is_release = is_release,
			  .state_path = run->central->path,
			  .work_path = work,
			  .min_free_bytes = (guint64)run->central->conf->min_free_mb * 1000000,
			  .log_fd = run->log_fd};
	return build_run(&spec, ret_result, error);
}

/* What bases keep from version to version becomes links in the tree. */
static gboolean mount_shared(const JobRun *run, BuildResult *built, GError **error)
{
	Manifest *with =
	    manifest_with_shared(built->manifest, (const char *const *)run->app->shared, error);
	if (!with)
		return FALSE;
	manifest_free(built->manifest);
	built->manifest = with;
	return TRUE;
}

/* The newest version's manifest: what mtimes are assigned against. NULL if there is none. */
static Manifest *previous_manifest(JobRun *run, const char *version, GError **error)
{
	g_autoptr(GPtrArray) versions =
	    library_versions(run->central->library, run->app->name, error);
	for (guint i = 0; versions && i < versions->len; i++) {
		const LibraryVersion *candidate = g_ptr_array_index(versions, i);
		if (strcmp(candidate->version, version) != 0)
			return library_manifest(run->central->library, run->app->name,
						candidate->version, error);
	}
	return NULL;
}

gboolean publish_build(JobRun *run, const char *repo_path, const char *commit, const char *version,
		       gint64 tag_utc, LibraryVersion **ret_version, GError **error)
{
	g_autoptr(BuildResult) built = NULL;
	if (!job_phase(run, "build", error) ||
	    !run_build(run, repo_path, commit, version, tag_utc, TRUE, &built, error) ||
	    !mount_shared(run, built, error))
		return FALSE;
	g_autoptr(GError) failed = NULL;
	g_autoptr(Manifest) previous = previous_manifest(run, version, &failed);
	if (failed) {
		g_propagate_error(error, g_steal_pointer(&failed));
		return FALSE;
	}
	g_autoptr(LibraryVersion) stored = library_version_new();
	stored->app = g_strdup(run->app->name);
	stored->version = g_strdup(version);
	stored->commit = g_strdup(commit);
	stored->job = g_strdup(run->job->id);
	stored->built_utc = util_clock_now_utc(run->central->clock);
	if (!library_store(run->central->library, built->output_dirfd, built->manifest, previous,
			   tag_utc, stored, error))
		return FALSE;
	g_autofree char *size = util_text_bytes(stored->bytes);
	g_autofree char *took = util_text_duration(built->wall_ms / 1000);
	job_say(run, "built %s in %s: %" G_GUINT64_FORMAT " files, %s, root %.12s", version, took,
		stored->files, size, stored->root);
	*ret_version = g_steal_pointer(&stored);
	return TRUE;
}

gboolean publish_job_branch(JobRun *run, GError **error)
{
	g_autoptr(Repo) repo = repo_open(run->app->repo, error);
	g_autoptr(RepoCommit) commit = repo ? repo_commit_read(repo, run->job->oid, error) : NULL;
	if (!commit)
		return FALSE;
	const char *name = run->job->ref + strlen("refs/heads/");
	job_say(run, "checking branch %s at %.12s", name, run->job->oid);
	g_autoptr(BuildResult) built = NULL;
	if (!job_phase(run, "build", error) ||
	    !run_build(run, repo_path(repo), run->job->oid, name, commit->time_utc, FALSE, &built,
		       error) ||
	    !mount_shared(run, built, error))
		return FALSE;
	job_say(run, "branch %s builds: %u files; nothing is stored for branches", name,
		manifest_files(built->manifest));
	return TRUE;
}
