/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "build/build-private.h"
#include "tree/tree.h"

#define DISK_TICK_MS 500
#define TERM_TO_KILL_S 3

/* Process 1 of the sandbox. It waits for the command and so takes up orphans; the command itself
 * is not 1, which would make it deaf to signals. */
#define SANDBOXED "/bin/sh -c \"$1\"; exit \"$?\""

/* Without a sandbox: at the end all of the process group is killed, this shell with it, hence the
 * exit status goes to a file. SIGTERM (time is up) is for the command; this shell stays to see the
 * rest of the group killed. */
#define UNCONFINED \
	"trap '' TERM; (trap - TERM; exec /bin/sh -c \"$1\"); echo \"$?\" >\"$2\"; kill -KILL 0"

typedef struct {
	int fd;
	guint64 min_free;
} Disk;

static gboolean disk_ok(gpointer data)
{
	const Disk *disk = data;
	guint64 free_bytes;

	/* a file system that cannot be asked is not a full one */
	return !util_fs_free_bytes(disk->fd, &free_bytes, NULL) || free_bytes >= disk->min_free;
}

static gboolean no_space(Disk *disk, GError **error)
{
	guint64 free_bytes = 0;
	g_autofree char *have = NULL;
	g_autofree char *need = util_text_bytes(disk->min_free);

	(void)util_fs_free_bytes(disk->fd, &free_bytes, NULL); /* only for the text */
	have = util_text_bytes(free_bytes);
	return util_error_set(error, TS_ERROR_NO_SPACE,
			      "the disk is too full to build: %s free, %s must stay free "
			      "(min_free_mb); make room, then retry",
			      have, need);
}

static void say(const BuildSpec *spec, const char *format, ...) G_GNUC_PRINTF(2, 3);

static void say(const BuildSpec *spec, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list list;

	if (spec->log_fd <= 0)
		return;
	va_start(list, format);
	text = g_strdup_vprintf(format, list);
	va_end(list);
	(void)util_fs_write_all(spec->log_fd, text, strlen(text),
				NULL); /* a full disk has its own error */
}

static char **make_env(const BuildSpec *spec, const char *home)
{
	g_autoptr(GPtrArray) env = g_ptr_array_new();

	g_ptr_array_add(env, g_strdup(UTIL_CHILD_PATH));
	g_ptr_array_add(env, g_strdup_printf("HOME=%s", home));
	g_ptr_array_add(env, g_strdup("LANG=C.UTF-8"));
	g_ptr_array_add(env, g_strdup("TZ=UTC"));
	g_ptr_array_add(env,
			g_strdup_printf("SOURCE_DATE_EPOCH=%" G_GINT64_FORMAT, spec->commit_utc));
	g_ptr_array_add(env, g_strdup_printf("TAGSHIP_APP=%s", spec->app->name));
	g_ptr_array_add(env, g_strdup_printf("TAGSHIP_VERSION=%s", spec->version));
	g_ptr_array_add(env, g_strdup_printf("TAGSHIP_COMMIT=%s", spec->commit));
	g_ptr_array_add(env, NULL);
	return (char **)g_ptr_array_steal(env, NULL);
}

static gboolean run_child(const BuildSpec *spec, const char *const *argv, const char *home,
			  const char *cwd, Disk *disk, UtilChildResult *ret_result, GError **error)
{
	g_auto(GStrv) env = make_env(spec, home);
	gboolean confined = g_str_equal(spec->app->sandbox, "bwrap");
	UtilChildSpec child = {.argv = argv,
			       .env = (const char *const *)env,
			       .cwd = cwd,
			       .output_fd = spec->log_fd,
			       .deadline_s = spec->app->build_time_s,
			       /* bwrap ends at once and takes all with it */
			       .kill_after_s = confined ? 0 : TERM_TO_KILL_S,
			       .max_memory_bytes = (guint64)spec->app->build_memory_mb * 1000000,
			       .tick = disk_ok,
			       .user_data = disk,
			       .tick_ms = DISK_TICK_MS};

	return util_child_run(&child, ret_result, error);
}

static gboolean run_sandboxed(const BuildSpec *spec, const BuildWorkspace *workspace, Disk *disk,
			      UtilChildResult *ret_result, GError **error)
{
	const char *hide[] = {spec->state_path, spec->work_path, spec->source_repo, NULL};
	BuildSandbox sandbox = {.bwrap = spec->bwrap_path ? spec->bwrap_path : "bwrap",
				.workspace = workspace->path,
				.tmp = workspace->tmp_path,
				.hide = hide,
				.network = spec->app->network};
	g_autoptr(GPtrArray) args = build_sandbox_args(&sandbox, error);

	if (!args)
		return FALSE;
	g_ptr_array_add(args, g_strdup("/bin/sh"));
	g_ptr_array_add(args, g_strdup("-c"));
	g_ptr_array_add(args, g_strdup(SANDBOXED));
	g_ptr_array_add(args, g_strdup("build"));
	g_ptr_array_add(args, g_strdup(workspace->command));
	g_ptr_array_add(args, NULL);
	return run_child(spec, (const char *const *)args->pdata, "/build/" BUILD_HOME, "/", disk,
			 ret_result, error);
}

/* The command's exit status as the shell wrote it; without the file, as it is. */
static void read_status(const BuildWorkspace *workspace, const char *file, UtilChildResult *result)
{
	g_autofree char *text = NULL;
	guint64 status;

	if (util_fs_read_file(workspace->app_dirfd, file, 16, &text, NULL, NULL) &&
	    g_ascii_string_to_unsigned(g_strchomp(text), 10, 0, 255, &status, NULL))
		result->exit_status = (int)status;
}

static gboolean run_unconfined(const BuildSpec *spec, const BuildWorkspace *workspace, Disk *disk,
			       UtilChildResult *ret_result, GError **error)
{
	g_autofree char *file = g_strdup_printf("%s.status", workspace->name);
	g_autofree char *path = g_build_filename(workspace->app_path, file, NULL);
	g_autofree char *home = g_build_filename(workspace->path, BUILD_HOME, NULL);
	const char *argv[] = {"/bin/sh", "-c", UNCONFINED, "build", workspace->command, path, NULL};

	if (!util_fs_unlink(workspace->app_dirfd, file, error) ||
	    !run_child(spec, argv, home, workspace->path, disk, ret_result, error))
		return FALSE;
	read_status(workspace, file, ret_result);
	return util_fs_unlink(workspace->app_dirfd, file, error);
}

static gboolean judge(const BuildSpec *spec, const UtilChildResult *result, Disk *disk,
		      GError **error)
{
	if (result->timed_out)
		return util_error_set(error, TS_ERROR_FAILED,
				      "the build took longer than %" G_GINT64_FORMAT
				      " s (build_time) and was ended",
				      spec->app->build_time_s);
	if (result->stopped || (result->exit_status != 0 && !disk_ok(disk)))
		return no_space(disk, error);
	if (result->exit_status > 128)
		return util_error_set(
		    error, TS_ERROR_FAILED, "the build command was ended by signal %d (%s)%s",
		    result->exit_status - 128, g_strsignal(result->exit_status - 128),
		    result->exit_status == 137 ? "; was there too little memory?" : "");
	if (result->exit_status != 0)
		return util_error_set(error, TS_ERROR_FAILED,
				      "the build command failed with exit %d", result->exit_status);
	return TRUE;
}

static gboolean run_command(const BuildSpec *spec, const BuildWorkspace *workspace, Disk *disk,
			    gint64 *ret_wall_ms, GError **error)
{
	UtilChildResult result = {0};
	gboolean started;

	if (!*workspace->command) {
		say(spec, "no build command: the source tree is the web app\n");
		return TRUE;
	}
	say(spec, "$ %s\n", workspace->command);
	if (g_str_equal(spec->app->sandbox, "bwrap"))
		started = build_sandbox_try(spec->bwrap_path, error) &&
			  run_sandboxed(spec, workspace, disk, &result, error);
	else
		started = run_unconfined(spec, workspace, disk, &result, error);
	*ret_wall_ms = result.wall_ms;
	return started && judge(spec, &result, disk, error);
}

static Manifest *scan_output(const BuildSpec *spec, const BuildWorkspace *workspace, int dirfd,
			     GError **error)
{
	static const char *const own[] = {BUILD_HOME, NULL};
	TreeScan scan = {.max_bytes = (guint64)spec->app->build_output_mb * 1000000,
			 .normalize = TRUE,
			 .skip = g_str_equal(workspace->output, ".") ? own : NULL};
	g_autoptr(GError) problem = NULL;
	Manifest *manifest = tree_scan(dirfd, &scan, &problem);

	if (!manifest) {
		/* a damaged tree here is one that may not be released */
		if (g_error_matches(problem, TS_ERROR, TS_ERROR_CORRUPT))
			problem->code = TS_ERROR_REFUSED;
		g_propagate_prefixed_error(
		    error, g_steal_pointer(&problem),
		    "the built tree (%s) may not be released: ", workspace->output);
		return NULL;
	}
	if (manifest_files(manifest) == 0) {
		util_error_set(error, TS_ERROR_FAILED,
			       "the output folder \"%s\" is empty; "
			       "does the build write somewhere else?",
			       workspace->output);
		manifest_free(manifest);
		return NULL;
	}
	return manifest;
}

static BuildResult *read_output(const BuildSpec *spec, const BuildWorkspace *workspace,
				gint64 wall_ms, GError **error)
{
	g_autoptr(BuildResult) result = g_new0(BuildResult, 1);
	g_autoptr(GError) problem = NULL;

	result->wall_ms = wall_ms;
	result->output_path = g_str_equal(workspace->output, ".")
				  ? g_strdup(workspace->path)
				  : g_build_filename(workspace->path, workspace->output, NULL);
	result->output_dirfd = util_fs_open_beneath(workspace->dirfd, workspace->output,
						    O_RDONLY | O_DIRECTORY, 0, &problem);
	if (result->output_dirfd < 0) {
		gboolean missing = g_error_matches(problem, TS_ERROR, TS_ERROR_NOT_FOUND);

		util_error_set(error, missing ? TS_ERROR_FAILED : TS_ERROR_REFUSED,
			       missing
				   ? "there is no output folder \"%s\" after the build; does it "
				     "write somewhere else?"
				   : "the output \"%s\" is not a folder of the workspace itself; "
				     "links are not followed",
			       workspace->output);
		return NULL;
	}
	result->manifest = scan_output(spec, workspace, result->output_dirfd, error);
	return result->manifest ? g_steal_pointer(&result) : NULL;
}

static BuildResult *build(const BuildSpec *spec, Disk *disk, GError **error)
{
	g_autoptr(BuildWorkspace) workspace = NULL;
	gint64 wall_ms = 0;

	if (!disk_ok(disk)) {
		no_space(disk, error);
		return NULL;
	}
	workspace = build_workspace_open(spec, error);
	if (workspace && workspace->renewed)
		say(spec, "the workspace could not be used again (%s): made new\n",
		    workspace->renewed);
	if (!workspace || !run_command(spec, workspace, disk, &wall_ms, error))
		return NULL;
	return read_output(spec, workspace, wall_ms, error);
}

void build_result_free(BuildResult *result)
{
	if (!result)
		return;
	util_closep(&result->output_dirfd);
	manifest_free(result->manifest);
	g_free(result->output_path);
	g_free(result);
}

gboolean build_run(const BuildSpec *spec, BuildResult **ret_result, GError **error)
{
	g_autoptr(GError) problem = NULL;
	g_autoptr(BuildResult) result = NULL;
	g_autofree char *version = NULL;
	g_autofree char *size = NULL;
	util_autofd int work = -1;
	Disk disk = {.min_free = spec->min_free_bytes};

	if (!util_fs_mkdir_parents(AT_FDCWD, spec->work_path, 0700, error))
		return FALSE;
	work = disk.fd = util_fs_open_dir(AT_FDCWD, spec->work_path, error);
	if (work < 0)
		return FALSE;
	version = util_text_printable(spec->version, -1);
	say(spec, "building %s %s at %.12s\n", spec->app->name, version, spec->commit);
	result = build(spec, &disk, &problem);
	if (!result) {
		say(spec, "failed: %s\n", problem->message);
		g_propagate_error(error, g_steal_pointer(&problem));
		return FALSE;
	}
	size = util_text_bytes(manifest_bytes(result->manifest));
	say(spec, "built: %u files, %s, %.1f s\n", manifest_files(result->manifest), size,
	    (double)result->wall_ms / 1000);
	*ret_result = g_steal_pointer(&result);
	return TRUE;
}
