/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "cmd/tagship-base/base.h"

Base *base_open(const Cmd *cmd, GError **error)
{
	g_autoptr(Base) base = g_new0(Base, 1);
	base->root = g_strdup(cmd->dir);
	base->clock = util_clock_system();
	base->incarnation = 1;
	base->dirfd = store_open_root(cmd->dir, error);
	if (base->dirfd < 0) {
		if (error && g_error_matches(*error, TS_ERROR, TS_ERROR_NOT_FOUND))
			g_prefix_error(error,
				       "no base here (tagship-base init makes one, -C names it): ");
		return NULL;
	}
	base->conf = conf_base_load(base->dirfd, base->root, error);
	if (!base->conf)
		return NULL;
	g_autofree char *text = NULL;
	if (util_fs_read_file(base->dirfd, "incarnation", 64, &text, NULL, NULL) &&
	    !g_ascii_string_to_signed(g_strstrip(text), 10, 1, G_MAXINT32, &base->incarnation,
				      error))
		return NULL;
	return g_steal_pointer(&base);
}

void base_close(Base *base)
{
	if (!base)
		return;
	util_closep(&base->dirfd);
	g_clear_pointer(&base->conf, conf_base_free);
	g_free(base->root);
	g_free(base);
}

static void say_line(const char *line, gpointer user_data)
{
	(void)user_data; /* nothing to know */
	g_print("%s\n", line);
}

ActivateSpec base_activate_spec(const Base *base, const ConfBaseApp *app)
{
	return (ActivateSpec){.root_path = base->root,
			      .root_dirfd = base->dirfd,
			      .conf = base->conf,
			      .app = app,
			      .clock = base->clock,
			      .incarnation = base->incarnation,
			      .say = say_line};
}

const ConfBaseApp *base_find_app(const Base *base, const char *name, GError **error)
{
	const ConfBaseApp *app = conf_base_app(base->conf, name);
	if (app)
		return app;
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	for (guint i = 0; i < base->conf->apps->len; i++)
		g_ptr_array_add(names,
				((ConfBaseApp *)g_ptr_array_index(base->conf->apps, i))->name);
	g_ptr_array_add(names, NULL);
	const char *near = util_text_nearest(name, (const char *const *)names->pdata);
	util_error_set(error, TS_ERROR_USAGE, "no app \"%s\" in %s/base.cfg%s%s%s", name,
		       base->root, near ? "; did you mean \"" : "", near ? near : "",
		       near ? "\"?" : "");
	return NULL;
}

UtilTrailers *base_last_contact(const Base *base)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(base->dirfd, "contact", 64 * 1024, &text, &len, NULL))
		return NULL;
	return util_trailers_parse(text, len, NULL);
}

int base_run_helper(const Base *base, const char *program, const char *const *args, GError **error)
{
	g_autofree char *path = cmd_sibling(program, TAGSHIP_LIBEXEC);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_ptr_array_add(argv, path);
	g_ptr_array_add(argv, base->root);
	for (guint i = 0; args && args[i]; i++)
		g_ptr_array_add(argv, (gpointer)(gsize)args[i]);
	g_ptr_array_add(argv, NULL);
	const char *zones = g_getenv("TZDIR");
	g_autofree char *zone_dir = zones ? g_strconcat("TZDIR=", zones, NULL) : NULL;
	const char *const env[] = {UTIL_CHILD_PATH, "LANG=C.UTF-8", zone_dir, NULL};
	UtilChildSpec spec = {.argv = (const char *const *)argv->pdata,
			      .env = env,
			      .output_fd = STDOUT_FILENO,
			      .error_fd = STDERR_FILENO};
	UtilChildResult result;
	if (!util_child_run(&spec, &result, error))
		return -1;
	return result.exit_status;
}

int base_stage(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base || (cmd->argc > 1 && !base_find_app(base, cmd->argv[1], error)))
		return 1;
	const char *args[] = {cmd->argc > 1 ? cmd->argv[1] : NULL, NULL};
	int status = base_run_helper(base, "tagship-stage", args, error);
	base_deliver_quietly(cmd, base);
	return status < 0 ? 1 : status;
}

int base_activate(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 2, error))
		return 2;
	if (cmd->argc > 1)
		return base_activate_by_hand(cmd, error);
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	const char *args[] = {"--once", NULL};
	int status = base_run_helper(base, "tagship-activate", args, error);
	base_deliver_quietly(cmd, base);
	return status < 0 ? 1 : status;
}
