/* SPDX-License-Identifier: ISC */
#include "bundle/bundle.h"
#include "cmd/tagship-base/contact.h"

/* "APP ROOT VERSION" and "APP REASON" for hello. */
static void add_app(BaseContact *contact, const char *app, const DecideApp *state)
{
	const char *reason = NULL;
	if (decide_app_live_root(state))
		g_ptr_array_add(contact->live,
				g_strdup_printf("%s %s %s", app, decide_app_live_root(state),
						decide_app_live_version(state)));
	if (decide_app_held(state, &reason))
		g_ptr_array_add(contact->held,
				g_strdup_printf("%s %s", app, reason ? reason : "-"));
}

void base_contact_init(const Base *base, BaseContact *contact)
{
	contact->live = g_ptr_array_new_with_free_func(g_free);
	contact->held = g_ptr_array_new_with_free_func(g_free);
	g_autofree char *boot = base->clock->boot_id(base->clock);
	contact->zlib = bundle_zlib_digest_kept(base->dirfd, boot);
	contact->features = base_features(base);
	contact->spec = (MirrorSpec){.root_path = base->root,
				     .root_dirfd = base->dirfd,
				     .conf = base->conf,
				     .clock = base->clock,
				     .zlib = contact->zlib,
				     .features = contact->features,
				     .incarnation = base->incarnation};
}

gboolean base_contact_gather(const Base *base, BaseContact *contact, GError **error)
{
	g_ptr_array_set_size(contact->live, 0);
	g_ptr_array_set_size(contact->held, 0);
	for (guint i = 0; i < base->conf->apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(base->conf->apps, i);
		ActivateSpec spec = base_activate_spec(base, app);
		g_autoptr(DecideApp) state = activate_read(&spec, error);
		if (!state)
			return FALSE;
		add_app(contact, app->name, state);
	}
	g_ptr_array_add(contact->live, NULL);
	g_ptr_array_add(contact->held, NULL);
	contact->spec.live = (const char *const *)contact->live->pdata;
	contact->spec.held = (const char *const *)contact->held->pdata;
	return TRUE;
}

void base_contact_clear(BaseContact *contact)
{
	g_clear_pointer(&contact->live, g_ptr_array_unref);
	g_clear_pointer(&contact->held, g_ptr_array_unref);
	g_clear_pointer(&contact->zlib, g_free);
	g_clear_pointer(&contact->features, g_free);
}

char *base_head_alarm(const Base *base)
{
	gint64 written = 0;
	g_autoptr(UtilTrailers) contact = base_last_contact(base);
	/* nothing was ever ordered here, or no contact since an update of tagship */
	if (!contact || !util_trailers_need_time(contact, "Head-Written", &written, NULL))
		return NULL;
	gint64 age = util_clock_now_utc(base->clock) - written;
	if (age < LEDGER_STALE_S)
		return NULL;
	g_autofree char *text = util_text_duration(age);
	return g_strdup_printf("the newest word that central signed is %s old, and one comes every "
			       "day: its worker does not run, the line is down, or somebody on the "
			       "way keeps news from here",
			       text);
}

static void todo_free(gpointer data)
{
	BaseTodo *todo = data;
	order_free(todo->order);
	g_free(todo);
}

static gint soonest_first(gconstpointer a, gconstpointer b)
{
	return order_compare_due((*(BaseTodo *const *)a)->order, (*(BaseTodo *const *)b)->order);
}

static void add_todos(GPtrArray *todos, const ConfBaseApp *app, const DecideApp *state)
{
	const GPtrArray *orders = decide_app_orders(state);
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = g_ptr_array_index(orders, i);
		if (!decide_app_wants(state, order))
			continue;
		BaseTodo *todo = g_new0(BaseTodo, 1);
		todo->app = app;
		todo->order = order_copy(order->order);
		g_ptr_array_add(todos, todo);
	}
}

GPtrArray *base_todos(const Base *base, GError **error)
{
	g_autoptr(GPtrArray) todos = g_ptr_array_new_with_free_func(todo_free);
	for (guint i = 0; i < base->conf->apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(base->conf->apps, i);
		ActivateSpec spec = base_activate_spec(base, app);
		g_autoptr(DecideApp) state = activate_read(&spec, error);
		if (!state)
			return NULL;
		add_todos(todos, app, state);
	}
	g_ptr_array_sort(todos, soonest_first);
	return g_steal_pointer(&todos);
}

gint64 base_next_gate_utc(const Base *base)
{
	gint64 now = util_clock_now_utc(base->clock), next = 0;
	for (guint i = 0; i < base->conf->apps->len; i++) {
		ActivateSpec spec = base_activate_spec(base, base->conf->apps->pdata[i]);
		g_autoptr(DecideApp) state = activate_read(&spec, NULL); /* stage tells of errors */
		const GPtrArray *orders = state ? decide_app_orders(state) : NULL;
		for (guint n = 0; orders && n < orders->len; n++) {
			const DecideOrder *order = orders->pdata[n];
			gint64 at = order->order->gate_at_utc;
			if (!order_state_ended(order->state) && at >= now &&
			    (next == 0 || at < next))
				next = at;
		}
	}
	return next;
}

StageSpec base_stage_spec(const Base *base, const BaseTodo *todo)
{
	return (StageSpec){.root_path = base->root,
			   .root_dirfd = base->dirfd,
			   .app = todo->app,
			   .order = todo->order,
			   .memory_bytes = (guint64)base->conf->memory_mb * 1024 * 1024,
			   .min_free_bytes = (guint64)base->conf->min_free_mb * 1000000};
}
