/* SPDX-License-Identifier: ISC */
/*
 * One contact with central: deliver reports, fetch and accept orders, download what they need (the
 * soonest go-live first), stage, deliver again. Staging is a program of its own.
 */
#include "cmd/tagship-base/base.h"
#include "mirror/mirror.h"
#include "stage/stage.h"

#define ROUNDS 4      /* stage may find an old tree altered and need another bundle */
#define WANT_POLLS 20 /* central makes a bundle: asked again this often */
#define WANT_POLL_US (1 * G_USEC_PER_SEC)

typedef struct {
	const Cmd *cmd;
	const Base *base;
	MirrorSpec spec;
	GPtrArray *live, *held; /* char *, NULL-terminated */
	Mirror *mirror;
	UtilProgress *progress;
	guint wanted;
} Pull;

/* "APP ROOT VERSION" and "APP REASON" for hello. */
static gboolean gather(Pull *pull, GError **error)
{
	for (guint i = 0; i < pull->base->conf->apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(pull->base->conf->apps, i);
		ActivateSpec spec = base_activate_spec(pull->base, app);
		g_autoptr(DecideApp) state = activate_read(&spec, error);
		if (!state)
			return FALSE;
		const char *reason = NULL;
		if (decide_app_live_root(state))
			g_ptr_array_add(pull->live,
					g_strdup_printf("%s %s %s", app->name,
							decide_app_live_root(state),
							decide_app_live_version(state)));
		if (decide_app_held(state, &reason))
			g_ptr_array_add(pull->held,
					g_strdup_printf("%s %s", app->name, reason ? reason : "-"));
	}
	g_ptr_array_add(pull->live, NULL);
	g_ptr_array_add(pull->held, NULL);
	pull->spec = (MirrorSpec){.root_path = pull->base->root,
				  .root_dirfd = pull->base->dirfd,
				  .conf = pull->base->conf,
				  .clock = pull->base->clock,
				  .progress = pull->progress,
				  .live = (const char *const *)pull->live->pdata,
				  .held = (const char *const *)pull->held->pdata,
				  .incarnation = pull->base->incarnation};
	return TRUE;
}

/* ---- what is to be staged, soonest go-live first ---- */

typedef struct {
	const ConfBaseApp *app;
	Order *order;
} Todo;

static void todo_free(gpointer data)
{
	Todo *todo = data;
	order_free(todo->order);
	g_free(todo);
}

static gint soonest_first(gconstpointer a, gconstpointer b)
{
	const Todo *left = *(Todo *const *)a;
	const Todo *right = *(Todo *const *)b;
	if (left->order->is_now != right->order->is_now)
		return left->order->is_now ? -1 : 1;
	if (left->order->at_utc != right->order->at_utc)
		return left->order->at_utc < right->order->at_utc ? -1 : 1;
	return left->order->seq < right->order->seq ? -1 : 1;
}

static gboolean list_todo(const Pull *pull, GPtrArray *todos, GError **error)
{
	for (guint i = 0; i < pull->base->conf->apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(pull->base->conf->apps, i);
		ActivateSpec spec = base_activate_spec(pull->base, app);
		g_autoptr(DecideApp) state = activate_read(&spec, error);
		if (!state)
			return FALSE;
		const GPtrArray *orders = decide_app_orders(state);
		for (guint o = 0; o < orders->len; o++) {
			const DecideOrder *order = g_ptr_array_index(orders, o);
			if ((order->state != ORDER_ORDERED && order->state != ORDER_FETCHING) ||
			    order->cancel_asked)
				continue;
			Todo *todo = g_new0(Todo, 1);
			todo->app = app;
			todo->order = order_copy(order->order);
			g_ptr_array_add(todos, todo);
		}
	}
	g_ptr_array_sort(todos, soonest_first);
	return TRUE;
}

static gboolean want(Pull *pull, const Todo *todo, const StageNeed *need, GError **error)
{
	g_autoptr(GError) failed = NULL;
	cmd_say(pull->cmd, "%s %s: %s; asking central for a bundle", todo->app->name,
		todo->order->version, need->why ? need->why : "no bundle fits what is here");
	if (mirror_want(pull->mirror, need->old_root, todo->order->root, &failed))
		return TRUE;
	if (g_error_matches(failed, TS_ERROR, TS_ERROR_AGAIN)) {
		pull->wanted++;
		return TRUE;
	}
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

static gboolean fetch_one(Pull *pull, const Todo *todo, GError **error)
{
	StageSpec spec = {.root_path = pull->base->root,
			  .root_dirfd = pull->base->dirfd,
			  .app = todo->app,
			  .order = todo->order,
			  .memory_bytes = (guint64)pull->base->conf->memory_mb * 1024 * 1024,
			  .min_free_bytes = (guint64)pull->base->conf->min_free_mb * 1000000};
	StageNeed need = {0};
	gboolean ok = stage_need(&spec, &need, error);
	if (ok && need.kind == STAGE_NEED_BUNDLE) {
		g_autofree char *size = util_text_bytes(need.bundle->bytes);
		cmd_say(pull->cmd, "%s %s: fetching %s (%s)%s%s", todo->app->name,
			todo->order->version, size, need.bundle->codec, need.why ? "; " : "",
			need.why ? need.why : "");
		ok = mirror_download(pull->mirror, need.bundle->sha256, need.bundle->bytes, error);
		if (!ok && error && g_error_matches(*error, TS_ERROR, TS_ERROR_AGAIN) &&
		    strstr((*error)->message, "central: ")) {
			/* central lost the file and makes it again */
			g_clear_error(error);
			pull->wanted++;
			ok = TRUE;
		}
	} else if (ok && need.kind == STAGE_NEED_WANT) {
		ok = want(pull, todo, &need, error);
	}
	stage_need_clear(&need);
	return ok;
}

/* FALSE only for the line: one order that cannot be had must not hold up the others. */
static gboolean fetch_all(Pull *pull, guint *ret_open, GError **error)
{
	g_autoptr(GPtrArray) todos = g_ptr_array_new_with_free_func(todo_free);
	if (!list_todo(pull, todos, error))
		return FALSE;
	*ret_open = todos->len;
	pull->wanted = 0;
	for (guint i = 0; i < todos->len; i++) {
		const Todo *todo = g_ptr_array_index(todos, i);
		g_autoptr(GError) failed = NULL;
		if (fetch_one(pull, todo, &failed))
			continue;
		g_printerr("%s %s: %s\n", todo->app->name, todo->order->version, failed->message);
		if (g_error_matches(failed, TS_ERROR, TS_ERROR_AGAIN)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
	}
	return TRUE;
}

static gboolean wait_for_bundle(Pull *pull, GError **error)
{
	for (guint i = 0; i < WANT_POLLS; i++) {
		gboolean moved = FALSE;
		g_usleep(WANT_POLL_US);
		if (!mirror_update(pull->mirror, &moved, error))
			return FALSE;
		if (moved)
			return TRUE;
	}
	return util_error_set(error, TS_ERROR_AGAIN,
			      "central is still making the bundle; the next pull gets it");
}

static gboolean rounds(Pull *pull, GError **error)
{
	for (guint i = 0; i < ROUNDS; i++) {
		guint before = 0, after = 0;
		if (!fetch_all(pull, &before, error))
			return FALSE;
		if (before == 0)
			return TRUE;
		if (pull->wanted > 0 && !wait_for_bundle(pull, error))
			return FALSE;
		if (pull->wanted > 0 && !fetch_all(pull, &after, error))
			return FALSE;
		if (base_run_helper(pull->base, "tagship-stage", NULL, error) < 0)
			return FALSE;
		g_autoptr(GPtrArray) left = g_ptr_array_new_with_free_func(todo_free);
		if (!list_todo(pull, left, error))
			return FALSE;
		if (left->len == 0)
			return TRUE;
	}
	return TRUE;
}

static gboolean work(Pull *pull, gboolean deliver_only, GError **error)
{
	guint sent = 0;
	gboolean moved = FALSE;
	if (!gather(pull, error))
		return FALSE;
	pull->mirror = mirror_open(&pull->spec, error);
	if (!pull->mirror || !mirror_deliver(pull->mirror, &sent, error))
		return FALSE;
	if (deliver_only)
		return TRUE;
	if (!mirror_update(pull->mirror, &moved, error) || !rounds(pull, error))
		return FALSE;
	return mirror_deliver(pull->mirror, &sent, error);
}

static gboolean pull_once(const Cmd *cmd, const Base *base, gboolean deliver_only, int wait_ms,
			  GError **error)
{
	util_autofd int lock = util_fs_lock(base->dirfd, "lock/pull", wait_ms, error);
	if (lock < 0)
		return FALSE;
	Pull pull = {.cmd = cmd,
		     .base = base,
		     .live = g_ptr_array_new_with_free_func(g_free),
		     .held = g_ptr_array_new_with_free_func(g_free),
		     .progress = cmd_progress_new(cmd)};
	gboolean ok = work(&pull, deliver_only, error);
	if (pull.mirror)
		mirror_close(pull.mirror);
	cmd_progress_free(pull.progress);
	g_ptr_array_unref(pull.live);
	g_ptr_array_unref(pull.held);
	return ok;
}

void base_deliver_quietly(const Cmd *cmd, const Base *base)
{
	g_autoptr(GError) error = NULL;
	if (!pull_once(cmd, base, TRUE, 0, &error) && cmd->verbose)
		g_printerr("reports stay pending: %s\n", error->message);
}

/* After a plain `git fetch` (or when the line is down) what is in the mirror already still counts.
 */
static void accept_offline(const Base *base)
{
	static const char *const none[] = {NULL};
	MirrorSpec spec = {.root_path = base->root,
			   .root_dirfd = base->dirfd,
			   .conf = base->conf,
			   .clock = base->clock,
			   .live = none,
			   .held = none,
			   .incarnation = base->incarnation};
	g_autoptr(GError) error = NULL;
	gboolean moved = FALSE;
	if (!mirror_accept(&spec, &moved, &error) &&
	    !g_error_matches(error, TS_ERROR, TS_ERROR_NOT_FOUND))
		g_printerr("orders in the mirror are not accepted: %s\n", error->message);
	if (moved && base_run_helper(base, "tagship-stage", NULL, &error) < 0)
		g_printerr("%s\n", error->message);
}

int base_pull(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 0, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	if (pull_once(cmd, base, FALSE, 0, error))
		return 0;
	accept_offline(base);
	return 1;
}
