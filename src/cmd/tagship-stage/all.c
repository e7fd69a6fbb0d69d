/* SPDX-License-Identifier: ISC */
#include "cmd/tagship-stage/all.h"

#include "cmd/tagship-stage/unpack.h"

#define LOCK_WAIT_MS (120 * 1000)

typedef struct {
	const char *root_path;
	int root_dirfd;
	const ConfBase *conf;
	gint64 incarnation;
	gboolean note_told;
	int status;
} Run;

/* TZDIR as the C library has it. */
static char *zone_alarm(const Order *order)
{
	return order->is_now ? NULL
			     : plan_zone_alarm(g_getenv("TZDIR"), order->at_utc, order->local_text);
}

static void say(const char *line, gpointer user_data)
{
	(void)user_data; /* nothing to know */
	g_print("%s\n", line);
}

static ActivateSpec activate_spec(const Run *run, const ConfBaseApp *app)
{
	return (ActivateSpec){.root_path = run->root_path,
			      .root_dirfd = run->root_dirfd,
			      .conf = run->conf,
			      .app = app,
			      .clock = util_clock_system(),
			      .incarnation = run->incarnation,
			      .say = say};
}

static gboolean waits(const DecideOrder *order)
{
	return (order->state == ORDER_ORDERED || order->state == ORDER_FETCHING) &&
	       !order->cancel_asked;
}

/* Journals `event`, if the order is still as it was when we began. */
static gboolean journal(const Run *run, const ConfBaseApp *app, const Order *order,
			const char *event, const char *tree, const char *reason, GError **error)
{
	ActivateSpec spec = activate_spec(run, app);
	g_autoptr(ActivateApp) opened = activate_open(&spec, LOCK_WAIT_MS, error);
	if (!opened)
		return FALSE;
	const DecideOrder *now = decide_app_find(activate_state(opened), order->release);
	if (!now || !waits(now) || strcmp(now->order->root, order->root) != 0)
		return TRUE; /* cancelled, replanned or over meanwhile */
	/* tried every minute, said once */
	if (strcmp(event, "stage-failed") == 0 && g_strcmp0(now->reason, reason) == 0)
		return TRUE;
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", event);
	util_trailers_add(record, "Release", order->release);
	util_trailers_add(record, "Root", tree ? order->root : NULL);
	util_trailers_add(record, "Tree", tree);
	util_trailers_add(record, "Reason", reason);
	g_autofree char *alarm = tree ? zone_alarm(order) : NULL;
	util_trailers_add(record, "Detail", alarm);
	return activate_record(opened, record, error);
}

static void failed(Run *run, const ConfBaseApp *app, const Order *order, const GError *why)
{
	g_autoptr(GError) error = NULL;
	gboolean never = g_error_matches(why, TS_ERROR, TS_ERROR_UNSUPPORTED);
	run->status = util_error_exit_status(why);
	g_printerr("%s %s: not staged%s: %s\n", app->name, order->version,
		   never ? ", and never can be here" : "", why->message);
	if (!journal(run, app, order, never ? "refused" : "stage-failed", NULL, why->message,
		     &error))
		g_printerr("%s %s: %s\n", app->name, order->version, error->message);
}

/* TRUE if what it needs is on disk. */
static gboolean is_ready(Run *run, const ConfBaseApp *app, const Order *order)
{
	g_autoptr(GError) error = NULL;
	StageSpec spec = {.root_path = run->root_path,
			  .root_dirfd = run->root_dirfd,
			  .app = app,
			  .order = order,
			  .memory_bytes = (guint64)run->conf->memory_mb * 1024 * 1024,
			  .min_free_bytes = (guint64)run->conf->min_free_mb * 1000000};
	StageNeed need = {0};
	if (!stage_need(&spec, &need, &error)) {
		failed(run, app, order, error);
		return FALSE;
	}
	gboolean ready = need.kind == STAGE_NEED_NOTHING;
	if (!ready) {
		g_print("%s %s: waits for its bundle (the next pull gets it)%s%s\n", app->name,
			order->version, need.why ? ": " : "", need.why ? need.why : "");
		run->status = run->status ? run->status : 5;
	}
	stage_need_clear(&need);
	return ready;
}

static void tell_result(Run *run, const ConfBaseApp *app, const Order *order, const Unpacked *done)
{
	if (done->note && !run->note_told)
		g_printerr("tagship-stage: %s\n", done->note);
	run->note_told |= done->note != NULL;
	for (guint i = 0; i < done->altered->len; i++)
		g_print("%s %s: altered by hand: %s\n", app->name, order->version,
			(const char *)done->altered->pdata[i]);
}

/* Said before the time, not after; the report of `staged` says it to central. */
static void check_zone(const ConfBaseApp *app, const Order *order)
{
	g_autofree char *alarm = zone_alarm(order);
	if (alarm)
		g_printerr("%s %s: %s\n", app->name, order->version, alarm);
}

static void stage_order(Run *run, const ConfBaseApp *app, const Order *order)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Unpacked) done = NULL;
	ActivateSpec spec = activate_spec(run, app);
	if (!is_ready(run, app, order))
		return;
	gboolean ok = unpack_run(run->root_path, app->name, order->release, &done, &error);
	if (done)
		tell_result(run, app, order, done);
	if (g_error_matches(error, TS_ERROR, TS_ERROR_REFUSED)) {
		/* an old tree turned out to be altered: the next pull gets another bundle */
		g_print("%s %s: %s\n", app->name, order->version, error->message);
		run->status = run->status ? run->status : 5;
		return;
	}
	if (!ok) {
		failed(run, app, order, error);
		return;
	}
	g_assert(done);
	if (!activate_prepare(&spec, order, done->tree, &error)) {
		failed(run, app, order, error);
		return;
	}
	if (!activate_bridge_ahead(&spec, done->tree, order->root, &error)) {
		g_printerr("%s %s: the bridge is made at activation: %s\n", app->name,
			   order->version, error->message);
		g_clear_error(&error);
	}
	g_print("%s %s: staged (%s)\n", app->name, order->version, done->how);
	check_zone(app, order);
	if (!journal(run, app, order, "staged", done->tree, NULL, &error)) {
		g_printerr("%s %s: %s\n", app->name, order->version, error->message);
		run->status = util_error_exit_status(error);
	}
}

static gboolean stage_app(Run *run, const ConfBaseApp *app, GError **error)
{
	ActivateSpec spec = activate_spec(run, app);
	g_autoptr(GPtrArray) todo = g_ptr_array_new_with_free_func((GDestroyNotify)order_free);
	g_autoptr(DecideApp) state = activate_read(&spec, error);
	if (!state)
		return FALSE;
	const GPtrArray *orders = decide_app_orders(state);
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = orders->pdata[i];
		if (decide_app_wants(state, order))
			g_ptr_array_add(todo, order_copy(order->order));
	}
	for (guint i = 0; i < todo->len; i++)
		stage_order(run, app, todo->pdata[i]);
	return TRUE;
}

int stage_all(const char *root_path, int root_dirfd, const ConfBase *conf, const char *only,
	      GError **error)
{
	Run run = {.root_path = root_path, .root_dirfd = root_dirfd, .conf = conf};
	if (!activate_incarnation(root_dirfd, &run.incarnation, error))
		return 1;
	if (only && !conf_base_app(conf, only)) {
		util_error_set(error, TS_ERROR_USAGE, "no app \"%s\" in %s/base.cfg", only,
			       root_path);
		return 2;
	}
	if (!util_fs_mkdir(root_dirfd, "lock", 0755, error))
		return 1;
	util_autofd int lock = util_fs_lock(root_dirfd, "lock/stage", 0, error);
	for (guint i = 0; lock >= 0 && i < conf->apps->len; i++) {
		const ConfBaseApp *app = conf->apps->pdata[i];
		g_autoptr(GError) why = NULL;
		if ((only && strcmp(only, app->name) != 0) || stage_app(&run, app, &why))
			continue;
		/* one app must not hold up the others */
		g_printerr("%s: %s\n", app->name, why->message);
		run.status = util_error_exit_status(why);
	}
	return lock < 0 ? 1 : run.status;
}
