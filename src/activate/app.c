/* SPDX-License-Identifier: ISC */
#include <unistd.h>

#include "activate/activate-private.h"

#define ACCEPTED_MAX_BYTES ((gsize)64 * 1024 * 1024)
#define CONTACT_MAX_BYTES ((gsize)64 * 1024)

gboolean activate_incarnation(int root_dirfd, gint64 *ret_incarnation, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autofree char *text = NULL;
	gint64 number = 1;
	if (!util_fs_read_file(root_dirfd, "incarnation", 64, &text, NULL, &failed)) {
		if (!g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
	} else if (!g_ascii_string_to_signed(g_strstrip(text), 10, 1, G_MAXINT32, &number, NULL)) {
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "incarnation: not a number from 1 on; `tagship base list` at "
				      "central shows it");
	}
	*ret_incarnation = number;
	return TRUE;
}

void activate_say(const ActivateSpec *spec, const char *version, const char *format, ...)
{
	if (!spec->say)
		return;
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *line = g_strdup_printf("%s%s%s: %s", spec->app->name, version ? " " : "",
						version ? version : "", text);
	spec->say(line, spec->user_data);
}

gboolean activate_open_dir(ActivateApp *app, GError **error)
{
	if (app->app_dirfd >= 0)
		return TRUE;
	app->app_dirfd = util_fs_open_dir(AT_FDCWD, app->spec.app->dir, error);
	if (app->app_dirfd < 0)
		g_prefix_error(error, "%s: dir in base.cfg: ", app->spec.app->name);
	return app->app_dirfd >= 0;
}

static GPtrArray *read_accepted(int root_dirfd, const char *app, AcceptedStop *ret_stop,
				GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autofree char *path = g_strconcat("accepted/", app, NULL);
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(root_dirfd, path, ACCEPTED_MAX_BYTES, &text, &len, &failed)) {
		if (g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
			return g_ptr_array_new_with_free_func((GDestroyNotify)accepted_order_free);
		g_propagate_error(error, g_steal_pointer(&failed));
		return NULL;
	}
	GPtrArray *accepted = accepted_parse(text, len, ret_stop, error);
	if (!accepted)
		g_prefix_error(error, "%s (the next pull writes it again): ", path);
	return accepted;
}

static DecideApp *fold(const ActivateSpec *spec, const GPtrArray *records,
		       const GPtrArray *accepted, const AcceptedStop *stop, GError **error)
{
	g_autoptr(DecideApp) state = decide_app_new(spec->app->name);
	for (guint i = 0; i < records->len; i++) {
		if (!decide_app_record(state, records->pdata[i], error)) {
			g_prefix_error(error, "journal/%s, record %u: ", spec->app->name, i + 1);
			return NULL;
		}
	}
	for (guint i = 0; i < accepted->len; i++) {
		const AcceptedOrder *a = accepted->pdata[i];
		decide_app_order(state, a->order, a->cancelled, a->cancel_seq, a->cancel_reason);
		decide_app_trust(state, a->order->release, a->trust, a->trust_reason);
		if (a->gate_decided)
			decide_app_gate(state, a->order->release, a->gate_open, a->gate_reason);
	}
	if (stop->seq > 0)
		decide_app_stop(state, stop->reason);
	return g_steal_pointer(&state);
}

static gboolean make_folders(const ActivateSpec *spec, GError **error)
{
	static const char *const folders[] = {"journal", "lock", "pending"};
	for (guint i = 0; i < G_N_ELEMENTS(folders); i++)
		if (!util_fs_mkdir(spec->root_dirfd, folders[i], 0755, error))
			return FALSE;
	return TRUE;
}

ActivateApp *activate_open(const ActivateSpec *spec, int wait_ms, GError **error)
{
	g_autoptr(ActivateApp) app = g_new0(ActivateApp, 1);
	g_autofree char *lock = g_strconcat("lock/", spec->app->name, NULL);
	g_autofree char *journal = g_strconcat("journal/", spec->app->name, NULL);
	app->spec = *spec;
	app->lock_fd = app->app_dirfd = -1;
	if (!make_folders(spec, error))
		return NULL;
	app->lock_fd = util_fs_lock(spec->root_dirfd, lock, wait_ms, error);
	if (app->lock_fd < 0)
		return NULL;
	app->journal = store_journal_open(spec->root_dirfd, journal, error);
	app->accepted = app->journal
			    ? read_accepted(spec->root_dirfd, spec->app->name, &app->stop, error)
			    : NULL;
	if (!app->accepted)
		return NULL;
	app->state =
	    fold(spec, store_journal_records(app->journal), app->accepted, &app->stop, error);
	if (!app->state)
		return NULL;
	activate_missing_reports(app);
	return g_steal_pointer(&app);
}

void activate_close(ActivateApp *app)
{
	if (!app)
		return;
	g_clear_pointer(&app->state, decide_app_free);
	g_clear_pointer(&app->accepted, g_ptr_array_unref);
	accepted_stop_clear(&app->stop);
	g_clear_pointer(&app->journal, store_journal_close);
	util_closep(&app->app_dirfd);
	util_closep(&app->lock_fd);
	g_free(app);
}

const DecideApp *activate_state(const ActivateApp *app)
{
	return app->state;
}

/* State and records as they are on disk. */
static DecideApp *read_state(const ActivateSpec *spec, GPtrArray **ret_records, GError **error)
{
	g_autofree char *journal = g_strconcat("journal/", spec->app->name, NULL);
	g_autoptr(GPtrArray) records = store_journal_read(spec->root_dirfd, journal, error);
	g_auto(AcceptedStop) stop = {0};
	g_autoptr(GPtrArray) accepted =
	    records ? read_accepted(spec->root_dirfd, spec->app->name, &stop, error) : NULL;
	DecideApp *state = accepted ? fold(spec, records, accepted, &stop, error) : NULL;
	if (state)
		*ret_records = g_steal_pointer(&records);
	return state;
}

DecideApp *activate_read(const ActivateSpec *spec, GError **error)
{
	g_autoptr(GPtrArray) records = NULL;
	return read_state(spec, &records, error);
}

gboolean activate_look(const ActivateSpec *spec, ActivateNeed *ret_need, gint64 *ret_next_utc,
		       GError **error)
{
	g_autoptr(GPtrArray) records = NULL;
	g_autoptr(DecideApp) state = read_state(spec, &records, error);
	DecideFacts facts;
	DecideStep step;
	if (!state)
		return FALSE;
	activate_facts(spec, &facts);
	decide_app_next(state, &facts, FALSE, &step);
	*ret_next_utc = step.kind == STEP_NONE ? step.next_utc : 0;
	if (step.kind != STEP_NONE || decide_app_owes_after(state))
		*ret_need = ACTIVATE_DUE;
	else
		*ret_need =
		    activate_reports_missing(spec, records) ? ACTIVATE_REPORTS : ACTIVATE_IDLE;
	return TRUE;
}

/* The note that mirror keeps of its contacts; NULL: there was none. */
static UtilTrailers *read_contact(const ActivateSpec *spec)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(spec->root_dirfd, "contact", CONTACT_MAX_BYTES, &text, &len, NULL))
		return NULL;
	return util_trailers_parse(text, len, NULL);
}

/* A file that was carried here counts from when it was written. */
static gint64 heard_utc(const UtilTrailers *contact)
{
	static const char *const keys[] = {"By-File", "Good-Time"};
	gint64 utc = 0;
	for (guint i = 0; contact && i < G_N_ELEMENTS(keys); i++)
		if (util_trailers_get(contact, keys[i]) &&
		    util_trailers_need_time(contact, keys[i], &utc, NULL))
			return utc;
	return 0;
}

gint64 activate_heard_utc(const ActivateSpec *spec)
{
	g_autoptr(UtilTrailers) contact = read_contact(spec);
	return heard_utc(contact);
}

gint64 activate_orders_utc(int root_dirfd)
{
	/* what cannot be read says nothing here; whoever is to activate it tells */
	g_autoptr(GPtrArray) names = util_fs_list(root_dirfd, "accepted", NULL);
	gint64 newest_utc = 0;
	for (guint i = 0; names && i < names->len; i++) {
		g_auto(AcceptedStop) stop = {0};
		g_autoptr(GPtrArray) orders =
		    read_accepted(root_dirfd, names->pdata[i], &stop, NULL);
		for (guint n = 0; orders && n < orders->len; n++)
			newest_utc =
			    MAX(newest_utc,
				((const AcceptedOrder *)orders->pdata[n])->order->written_utc);
	}
	return newest_utc;
}

void activate_clock(int root_dirfd, UtilClock *clock, StoreClock *ret_clock)
{
	store_clock_read(root_dirfd, clock, activate_orders_utc(root_dirfd), ret_clock);
}

void activate_facts(const ActivateSpec *spec, DecideFacts *ret_facts)
{
	StoreClock clock;
	g_autoptr(UtilTrailers) contact = read_contact(spec);
	const char *failed = contact ? util_trailers_get(contact, "Error") : NULL;
	activate_clock(spec->root_dirfd, spec->clock, &clock);
	ret_facts->now_utc = clock.now_utc;
	ret_facts->clock_trusted = clock.trusted;
	ret_facts->projected_utc = clock.projected_utc;
	ret_facts->heard_utc = heard_utc(contact);
	ret_facts->line_failed = failed && *failed;
	ret_facts->lead_s = phase_has(spec, CONF_PHASE_BEFORE) ? spec->app->lead_s : 0;
}

/* Adds what a reader of the record alone needs to make its report. */
static void complete_record(ActivateApp *app, UtilTrailers *record)
{
	const char *release = util_trailers_get(record, "Release");
	const DecideOrder *order = release ? decide_app_find(app->state, release) : NULL;
	DecideOpen open;
	decide_app_open(app->state, &open);
	if (!order && open.order && g_strcmp0(open.order->order->release, release) == 0)
		order = open.order;
	if (!util_trailers_get(record, "Time"))
		util_trailers_add_time(record, "Time", util_clock_now_utc(app->spec.clock));
	if (!order)
		return;
	if (!util_trailers_get(record, "Seq"))
		util_trailers_add_int(record, "Seq", (gint64)order->order->seq);
	if (!util_trailers_get(record, "Version"))
		util_trailers_add(record, "Version", order->order->version);
	if (!activate_is_reportable(record))
		return;
	if (order->round > 1)
		util_trailers_add_int(record, "Round", order->round);
	const char *live = decide_app_live_root(app->state);
	util_trailers_add(record, "Order-Version", order->order->version);
	util_trailers_add(record, "Order-Root", order->order->root);
	if (!util_trailers_get(record, "Serves"))
		util_trailers_add(record, "Serves", live ? live : "-");
}

/* As the journal and the accepted orders have it, after a record that was not written. */
static void fold_again(ActivateApp *app)
{
	g_autoptr(GError) error = NULL;
	DecideApp *state = fold(&app->spec, store_journal_records(app->journal), app->accepted,
				&app->stop, &error);
	g_assert_no_error(error); /* it was folded when it was opened, and with each record since */
	decide_app_free(app->state);
	app->state = state;
}

gboolean activate_record(ActivateApp *app, UtilTrailers *record, GError **error)
{
	complete_record(app, record);
	/* folded first: a record that could not be read again is never written. Into the state that
	 * is there: between stop and start nothing may take longer because the journal is long. */
	if (!decide_app_record(app->state, record, error) ||
	    !store_journal_append(app->journal, record, error)) {
		fold_again(app);
		return FALSE;
	}
	if (activate_is_reportable(record))
		activate_missing_reports(app);
	return TRUE;
}
