/* SPDX-License-Identifier: ISC */
#include <signal.h>
#include <unistd.h>

#include "activate/activate-private.h"

#define START_TRIES 3
#define START_PAUSE_US (200 * 1000)
#define TAIL_READ_BYTES ((guint64)8 * 1024)

void phase_result_clear(PhaseResult *result)
{
	g_clear_pointer(&result->reason, g_free);
	g_clear_pointer(&result->log_end, g_free);
}

gboolean phase_has(const ActivateSpec *spec, ConfPhase phase)
{
	char **argv = spec->app->commands[phase].argv;
	return argv && argv[0];
}

static char **phase_environment(const PhaseEnv *env, ConfPhase phase)
{
	const struct {
		const char *name, *value;
	} values[] = {{"APP", env->spec->app->name},
		      {"PHASE", conf_phase_name(phase)},
		      {"VERSION", env->version},
		      {"TREE", env->tree},
		      {"PREVIOUS_TREE", env->previous},
		      {"OUTCOME", env->outcome},
		      {"MAINTENANCE", activate_in_maintenance(env->spec) ? "on" : NULL}};
	g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
	g_strv_builder_add(builder, UTIL_CHILD_PATH);
	g_strv_builder_add(builder, "LANG=C.UTF-8");
	g_strv_builder_add(builder, "HOME=/");
	for (guint i = 0; i < G_N_ELEMENTS(values); i++) {
		g_autofree char *entry = g_strdup_printf("TAGSHIP_%s=%s", values[i].name,
							 values[i].value ? values[i].value : "");
		g_strv_builder_add(builder, entry);
	}
	return g_strv_builder_end(builder);
}

static gboolean make_log_folder(const ActivateSpec *spec, GError **error)
{
	g_autofree char *folder = g_strconcat("log/", spec->app->name, NULL);
	return util_fs_mkdir(spec->root_dirfd, "log", 0755, error) &&
	       util_fs_mkdir(spec->root_dirfd, folder, 0755, error);
}

/* A new file for the output; -1, said, if there is none: output must not stop an undo. */
static int open_log(const PhaseEnv *env, ConfPhase phase)
{
	const ActivateSpec *spec = env->spec;
	g_autoptr(GDateTime) now = g_date_time_new_from_unix_utc(util_clock_now_utc(spec->clock));
	g_autofree char *utc = g_date_time_format(now, "%Y%m%dT%H%M%SZ");
	g_autofree char *version = g_strdelimit(g_strdup(env->version), "/", '-');
	g_autoptr(GError) failed = NULL;
	gboolean ok = make_log_folder(spec, &failed);
	for (guint i = 1; ok && i < 1000; i++) {
		g_autofree char *again = i > 1 ? g_strdup_printf("-%u", i) : g_strdup("");
		g_autofree char *path =
		    g_strdup_printf("log/%s/%s-%s-%s%s.log", spec->app->name, utc, version,
				    conf_phase_name(phase), again);
		g_clear_error(&failed);
		int fd = util_fs_open_beneath(spec->root_dirfd, path,
					      O_RDWR | O_CREAT | O_EXCL | O_APPEND, 0644, &failed);
		if (fd >= 0)
			return fd;
		if (!g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS))
			break;
	}
	activate_say(spec, env->version, "%s: its output is lost: %s", conf_phase_name(phase),
		     failed ? failed->message : "no free name");
	return -1;
}

/* The last lines of a log, safe to print. */
static char *log_tail(int fd)
{
	struct stat st;
	if (fd < 0 || fstat(fd, &st) != 0 || st.st_size <= 0)
		return NULL;
	guint64 size = (guint64)st.st_size, len = MIN(size, TAIL_READ_BYTES);
	g_autofree char *text = g_malloc(len + 1);
	/* a server that start left running may still write: what is there is what is told */
	if (!util_fs_pread_full(fd, text, len, size - len, NULL))
		return NULL;
	text[len] = '\0';
	const char *tail = util_text_tail(text, len, ACTIVATE_LOG_LINES, ACTIVATE_LOG_BYTES);
	g_autofree char *copy = g_strndup(tail, (gsize)(text + len - tail));
	g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		g_autofree char *raw = lines[i];
		lines[i] = util_text_printable(raw, -1);
	}
	char *joined = g_strjoinv("\n", lines);
	g_strchomp(joined);
	return joined;
}

static char *how_killed(const ConfBaseApp *app, const char *name, gint64 deadline_s,
			int exit_status)
{
	if (exit_status != 128 + SIGKILL || app->kill_after_s == 0)
		return g_strdup_printf("%s: not done after %" G_GINT64_FORMAT " s, killed", name,
				       deadline_s);
	return g_strdup_printf("%s: not done after %" G_GINT64_FORMAT " s, nor %" G_GINT64_FORMAT
			       " s after SIGTERM, killed",
			       name, deadline_s, app->kill_after_s);
}

/* A machine that has no process to spare for a moment is no reason to take an app down. */
static gboolean start_and_wait(const UtilChildSpec *child, UtilChildResult *ret_result,
			       GError **error)
{
	for (guint tries = 1;; tries++) {
		g_autoptr(GError) failed = NULL;
		if (util_child_run(child, ret_result, &failed))
			return TRUE;
		if (tries == START_TRIES || g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
		g_usleep(START_PAUSE_US);
	}
}

/* One run of a phase's command; the reason if it did not end well, else NULL. */
static char *run_once(const PhaseEnv *env, ConfPhase phase, int log_fd, gint64 limit_ms,
		      gint64 *ret_wall_ms)
{
	const ConfCommand *command = &env->spec->app->commands[phase];
	g_auto(GStrv) environment = phase_environment(env, phase);
	g_autoptr(GError) failed = NULL;
	UtilChildResult result = {0};
	gint64 deadline_s = command->deadline_s;
	if (limit_ms > 0)
		deadline_s = CLAMP((limit_ms + 999) / 1000, 1, deadline_s);
	UtilChildSpec child = {.argv = (const char *const *)command->argv,
			       .env = (const char *const *)environment,
			       .cwd = env->spec->app->dir,
			       .output_fd = log_fd,
			       .deadline_s = deadline_s,
			       .kill_after_s = env->spec->app->kill_after_s};
	const char *name = conf_phase_name(phase);
	if (!start_and_wait(&child, &result, &failed))
		return g_strdup_printf("%s: %s", name, failed->message);
	*ret_wall_ms += result.wall_ms;
	if (result.timed_out)
		return how_killed(env->spec->app, name, deadline_s, result.exit_status);
	if (result.exit_status > 128)
		return g_strdup_printf("%s: ended by signal %d", name, result.exit_status - 128);
	if (result.exit_status != 0)
		return g_strdup_printf("%s: exit status %d", name, result.exit_status);
	return NULL;
}

gboolean phase_run(const PhaseEnv *env, ConfPhase phase, gint64 limit_ms, PhaseResult *ret_result)
{
	memset(ret_result, 0, sizeof *ret_result);
	if (!phase_has(env->spec, phase))
		return TRUE;
	activate_say(env->spec, env->version, "%s", conf_phase_name(phase));
	util_autofd int log_fd = open_log(env, phase);
	ret_result->reason = run_once(env, phase, log_fd, limit_ms, &ret_result->wall_ms);
	if (!ret_result->reason)
		return TRUE;
	ret_result->log_end = log_tail(log_fd);
	activate_say(env->spec, env->version, "%s", ret_result->reason);
	return FALSE;
}

gboolean phase_health(const PhaseEnv *env, gint64 until_us, PhaseResult *ret_result)
{
	memset(ret_result, 0, sizeof *ret_result);
	if (!phase_has(env->spec, CONF_PHASE_HEALTH))
		return TRUE;
	activate_say(env->spec, env->version, "health");
	gint64 begun_us = g_get_monotonic_time(), pause_us = env->spec->app->health_every_ms * 1000;
	guint tries = 0;
	util_autofd int log_fd = open_log(env, CONF_PHASE_HEALTH);
	for (;;) {
		gint64 left_ms = (until_us - g_get_monotonic_time()) / 1000;
		g_autofree char *reason =
		    run_once(env, CONF_PHASE_HEALTH, log_fd, MAX(left_ms, 1), &ret_result->wall_ms);
		tries++;
		if (!reason)
			return TRUE;
		if (g_get_monotonic_time() + pause_us >= until_us) {
			double took = (double)(g_get_monotonic_time() - begun_us) / G_USEC_PER_SEC;
			ret_result->reason =
			    g_strdup_printf("not healthy after %u %s in %.1f s (%s)", tries,
					    tries == 1 ? "try" : "tries", took, reason);
			break;
		}
		g_usleep((gulong)pause_us);
	}
	ret_result->log_end = log_tail(log_fd);
	activate_say(env->spec, env->version, "%s", ret_result->reason);
	return FALSE;
}
