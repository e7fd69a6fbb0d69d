/* SPDX-License-Identifier: ISC */
#include <errno.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hook.h"

#define INPUT_MAX ((gsize)64 * 1024 * 1024)
#define OUTPUT_TOTAL_US (20 * G_USEC_PER_SEC)

static void update_free(gpointer data)
{
	HookUpdate *update = data;
	g_free(update->old_oid);
	g_free(update->new_oid);
	g_free(update->ref);
	g_free(update);
}

static GBytes *read_input(void)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	guint8 buffer[65536];
	ssize_t n = 0;
	while ((n = read(STDIN_FILENO, buffer, sizeof buffer)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || bytes->len + (gsize)n > INPUT_MAX)
			break;
		g_byte_array_append(bytes, buffer, (guint)n);
	}
	return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}

static void parse_updates(Hook *hook)
{
	gsize len = 0;
	const char *data = g_bytes_get_data(hook->input, &len);
	g_autofree char *text = g_strndup(data ? data : "", len);
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		g_auto(GStrv) words = g_strsplit(lines[i], " ", 3);
		if (g_strv_length(words) != 3)
			continue;
		HookUpdate *update = g_new0(HookUpdate, 1);
		update->old_oid = g_strdup(words[0]);
		update->new_oid = g_strdup(words[1]);
		update->ref = g_strdup(words[2]);
		g_ptr_array_add(hook->updates, update);
	}
}

Hook *hook_new(const char *name, char **argv)
{
	Hook *hook = g_new0(Hook, 1);
	/* a pusher that went away must not kill the judgement half-way: what the refs do counts */
	(void)signal(SIGPIPE, SIG_IGN);
	hook->name = name;
	hook->argv = argv;
	hook->state_dirfd = hook->queue_dirfd = -1;
	hook->updates = g_ptr_array_new_with_free_func(update_free);
	hook->confs = g_ptr_array_new_with_free_func((GDestroyNotify)conf_app_free);
	hook->apps = g_new0(char *, 1);
	hook->input = read_input();
	const char *git_dir = g_getenv("GIT_DIR");
	hook->git_dir = g_canonicalize_filename(git_dir ? git_dir : ".", NULL);
	parse_updates(hook);
	return hook;
}

void hook_free(Hook *hook)
{
	if (!hook)
		return;
	g_bytes_unref(hook->input);
	g_ptr_array_unref(hook->updates);
	g_ptr_array_unref(hook->confs);
	g_clear_pointer(&hook->conf, conf_central_free);
	g_free(hook->git_dir);
	g_free(hook->state);
	g_strfreev(hook->apps);
	util_closep(&hook->state_dirfd);
	util_closep(&hook->queue_dirfd);
	g_free(hook);
}

/* ---- output ---- */

/* A pipe with room for PIPE_BUF takes that much without blocking. */
static gboolean write_patiently(Hook *hook, const char *text, gsize len)
{
	if (hook->output_deadline_us == 0)
		hook->output_deadline_us = g_get_monotonic_time() + OUTPUT_TOTAL_US;
	while (len > 0) {
		gint64 left_ms = (hook->output_deadline_us - g_get_monotonic_time()) / 1000;
		struct pollfd pfd = {STDERR_FILENO, POLLOUT, 0};
		if (left_ms <= 0 || poll(&pfd, 1, (int)left_ms) <= 0 || !(pfd.revents & POLLOUT))
			return FALSE;
		ssize_t n = write(STDERR_FILENO, text, MIN(len, 4096));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return FALSE;
		text += n;
		len -= (gsize)n;
		/* somebody reads: the clock starts again */
		hook->output_deadline_us = g_get_monotonic_time() + OUTPUT_TOTAL_US;
	}
	return TRUE;
}

void hook_say_text(Hook *hook, const char *text)
{
	if (hook->output_deadline_us < 0)
		return;
	if (!write_patiently(hook, text, strlen(text)))
		hook->output_deadline_us = -1; /* nobody listens any more */
}

void hook_say(Hook *hook, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *line = g_strconcat(text, "\n", NULL);
	hook_say_text(hook, line);
}

/* ---- hooks of others ---- */

int hook_run_chained(const Hook *hook)
{
	g_autofree char *here = g_path_get_dirname(hook->argv[0]);
	g_autofree char *path = g_build_filename(here, CONF_HOOKS_OURS, hook->name, NULL);
	g_autofree char *absolute = g_canonicalize_filename(path, NULL);
	if (!g_file_test(absolute, G_FILE_TEST_IS_EXECUTABLE))
		return 0;
	util_autofd int in = memfd_create("hook-input", MFD_CLOEXEC);
	gsize len = 0;
	const void *data = g_bytes_get_data(hook->input, &len);
	g_autoptr(GError) error = NULL;
	if (in < 0 || !util_fs_write_all(in, data, len, &error) || lseek(in, 0, SEEK_SET) != 0)
		return 1;
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_ptr_array_add(argv, absolute);
	for (guint i = 1; hook->argv[i]; i++)
		g_ptr_array_add(argv, hook->argv[i]);
	g_ptr_array_add(argv, NULL);
	g_auto(GStrv) env = g_get_environ();
	UtilChildSpec spec = {.argv = (const char *const *)argv->pdata,
			      .env = (const char *const *)env,
			      .cwd = ".",
			      .input_fd = in,
			      .output_fd = STDOUT_FILENO,
			      .error_fd = STDERR_FILENO};
	UtilChildResult result;
	if (!util_child_run(&spec, &result, &error)) {
		g_printerr("tagship: %s\n", error->message);
		return 1;
	}
	return result.exit_status;
}

/* ---- settings ---- */

/* `git config` reads the repository's file for us: hooks but pre-receive do not link libgit2. */
static gboolean read_settings(Hook *hook, GError **error)
{
	const char *argv[] = {"git",    "config",       "--file",      NULL,
			      "--null", "--get-regexp", "^tagship\\.", NULL};
	g_autofree char *file = g_build_filename(hook->git_dir, "config", NULL);
	argv[3] = file;
	g_autoptr(GBytes) output = NULL;
	g_autofree char *errors = NULL;
	int status = 0;
	if (!util_child_capture(argv, NULL, NULL, 20, 65536, &output, &errors, &status, error))
		return FALSE;
	gsize len = 0;
	const char *data = g_bytes_get_data(output, &len);
	g_autoptr(GPtrArray) apps = g_ptr_array_new_with_free_func(g_free);
	for (gsize at = 0; status == 0 && at < len;) {
		gsize size = strnlen(data + at, len - at);
		g_autofree char *item = g_strndup(data + at, size);
		g_auto(GStrv) pair = g_strsplit(item, "\n", 2);
		if (pair[0] && pair[1] && strcmp(pair[0], "tagship.state") == 0) {
			g_free(hook->state);
			hook->state = g_strdup(pair[1]);
		} else if (pair[0] && pair[1] && strcmp(pair[0], "tagship.app") == 0) {
			g_ptr_array_add(apps, g_strdup(pair[1]));
		}
		at += size + 1;
	}
	g_ptr_array_add(apps, NULL);
	g_strfreev(hook->apps);
	hook->apps = (char **)g_ptr_array_free(g_steal_pointer(&apps), FALSE);
	return TRUE;
}

/* What `hook install` noted beside the hooks, if it is this repository's (a shared core.hooksPath
 * has room for one): saves starting git for every push. */
static gboolean read_note(Hook *hook)
{
	g_autofree char *here = g_path_get_dirname(hook->argv[0]);
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, here, NULL);
	g_autoptr(ConfNote) note = dirfd >= 0 ? conf_note_read(dirfd, NULL) : NULL;
	if (!note || strcmp(note->repo, hook->git_dir) != 0)
		return FALSE;
	hook->state = g_steal_pointer(&note->state);
	g_strfreev(hook->apps);
	hook->apps = g_steal_pointer(&note->apps);
	return TRUE;
}

void hook_renew_note(const Hook *hook)
{
	g_autofree char *here = g_path_get_dirname(hook->argv[0]);
	util_autofd int dirfd = util_fs_open_dir(AT_FDCWD, here, NULL);
	g_autoptr(ConfNote) note = dirfd >= 0 ? conf_note_read(dirfd, NULL) : NULL;
	if (!note || strcmp(note->repo, hook->git_dir) != 0 || conf_note_is_current(dirfd, note))
		return;
	/* a pusher who may not write there pays a few milliseconds more; `hook check` tells */
	(void)conf_note_write(dirfd, note->repo, note->state, (const char *const *)note->apps,
			      NULL);
}

gboolean hook_load(Hook *hook, GError **error)
{
	if (!read_note(hook) && !read_settings(hook, error))
		return FALSE;
	if (!hook->state || !hook->apps[0])
		return TRUE;
	hook->state_dirfd = store_open_state(hook->state, error);
	if (hook->state_dirfd < 0)
		return FALSE;
	hook->queue_dirfd = util_fs_open_dir(hook->state_dirfd, "queue", error);
	if (hook->queue_dirfd < 0)
		return FALSE;
	hook->conf = conf_central_load(hook->state_dirfd, error);
	if (!hook->conf)
		return FALSE;
	for (guint i = 0; hook->apps[i]; i++) {
		g_autoptr(GError) failed = NULL;
		ConfApp *app = conf_app_load(hook->state_dirfd, hook->apps[i], &failed);
		if (!app && g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
			continue; /* removed: nothing of ours any more */
		if (!app) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
		g_ptr_array_add(hook->confs, app);
	}
	return TRUE;
}

gboolean hook_is_relevant(const Hook *hook, const char *ref)
{
	if (hook->confs->len > 0 && g_str_has_prefix(ref, "refs/tags/"))
		return TRUE;
	if (!g_str_has_prefix(ref, "refs/heads/"))
		return FALSE;
	for (guint i = 0; i < hook->confs->len; i++) {
		const ConfApp *app = g_ptr_array_index(hook->confs, i);
		for (guint b = 0; app->branches[b]; b++)
			if (g_pattern_match_simple(app->branches[b], ref + strlen("refs/heads/")))
				return TRUE;
	}
	return FALSE;
}

/* ---- the hint ---- */

gboolean hook_worker_running(const Hook *hook)
{
	return util_fs_locked(hook->state_dirfd, "worker.lock");
}

char *hook_program(const char *name)
{
	g_autofree char *exe = g_file_read_link("/proc/self/exe", NULL);
	g_autofree char *dir = g_path_get_dirname(exe ? exe : "/");
	g_autofree char *up = g_path_get_dirname(dir);
	char *beside = g_build_filename(up, name, NULL);
	if (g_file_test(beside, G_FILE_TEST_IS_EXECUTABLE) &&
	    !g_file_test(beside, G_FILE_TEST_IS_DIR))
		return beside;
	g_free(beside);
	return g_build_filename(TAGSHIP_BINDIR, name, NULL);
}

gboolean hook_announce_deletions(Hook *hook, GError **error)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	g_autofree char *pusher = hook_pusher();
	gboolean any = FALSE;
	util_trailers_add(hint, "Repo", hook->git_dir);
	util_trailers_add(hint, "Pusher", pusher);
	util_trailers_add_time(hint, "Time", util_clock_now_utc(util_clock_system()));
	for (guint i = 0; i < hook->updates->len; i++) {
		const HookUpdate *update = g_ptr_array_index(hook->updates, i);
		if (strcmp(update->new_oid, HOOK_ZERO) != 0 ||
		    strcmp(update->old_oid, HOOK_ZERO) == 0 ||
		    !g_str_has_prefix(update->ref, "refs/tags/"))
			continue;
		g_autofree char *line =
		    g_strdup_printf("%s %s %s", update->old_oid, update->new_oid, update->ref);
		util_trailers_add(hint, "Update", line);
		any = TRUE;
	}
	return !any || store_hint_put(hook->queue_dirfd, "deletion", hint, error);
}

gboolean hook_enqueue(Hook *hook, char **ret_hint, GError **error)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	g_autofree char *pusher = hook_pusher();
	util_trailers_add(hint, "Repo", hook->git_dir);
	util_trailers_add(hint, "Pusher", pusher);
	for (guint i = 0; i < hook->updates->len; i++) {
		const HookUpdate *update = g_ptr_array_index(hook->updates, i);
		if (!hook_is_relevant(hook, update->ref))
			continue;
		g_autofree char *line =
		    g_strdup_printf("%s %s %s", update->old_oid, update->new_oid, update->ref);
		util_trailers_add(hint, "Update", line);
	}
	if (!store_hint_put(hook->queue_dirfd, "push", hint, error))
		return FALSE;
	if (ret_hint)
		*ret_hint = g_strdup(util_trailers_get(hint, "Name"));
	if (strcmp(hook->conf->worker, "hook") != 0 || hook_worker_running(hook))
		return TRUE;
	g_autofree char *program = hook_program("tagship");
	const char *argv[] = {program, "-C", hook->state, "worker", "--once", NULL};
	return util_child_detach(argv, error);
}

char *hook_pusher(void)
{
	static const char *const names[] = {"TAGSHIP_USER", "GL_USER", "REMOTE_USER", "LOGNAME",
					    "USER"};
	for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
		const char *value = g_getenv(names[i]);
		if (value && *value)
			return util_text_printable(value, -1);
	}
	const struct passwd *pw = getpwuid(getuid());
	return g_strdup(pw ? pw->pw_name : "unknown");
}

char **hook_push_options(void)
{
	const char *count_text = g_getenv("GIT_PUSH_OPTION_COUNT");
	guint64 count = 0;
	GPtrArray *options = g_ptr_array_new();
	if (count_text)
		(void)g_ascii_string_to_unsigned(count_text, 10, 0, 1000, &count, NULL); /* 0 */
	for (guint64 i = 0; i < count; i++) {
		g_autofree char *name = g_strdup_printf("GIT_PUSH_OPTION_%" G_GUINT64_FORMAT, i);
		const char *value = g_getenv(name);
		if (value)
			g_ptr_array_add(options, g_strdup(value));
	}
	g_ptr_array_add(options, NULL);
	return (char **)g_ptr_array_free(options, FALSE);
}
