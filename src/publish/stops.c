/* SPDX-License-Identifier: ISC */
/*
 * Stops: nothing of an app (or of all) activates at a base (or at all) until a resume. What was
 * asked stands in STATE/stops, written first; the ledgers are its fan-out, which compares it with
 * what each ledger says, so that it may be interrupted anywhere and run again. A stop in a ledger
 * ends only by a resume that stands there and is not older: a central restored from a backup of
 * before starts no fleet.
 *
 *   Stop|Resume: APP BASE UTC WHO REASON    "-" for all apps or bases; WHO has no blanks
 */
#include "publish/publish-private.h"

#define FILE_NAME "stops"
#define FILE_MAX (1024 * 1024)

static const char all_apps[] = "-";

static void stop_free(gpointer data)
{
	PublishStop *stop = data;
	g_free(stop->app);
	g_free(stop->base);
	g_free(stop->who);
	g_free(stop->reason);
	g_free(stop);
}

static PublishStop *parse(const char *key, const char *line)
{
	g_auto(GStrv) words = g_strsplit(line, " ", 5);
	gint64 since = 0;
	if (g_strv_length(words) != 5 || !util_time_parse_utc(words[2], &since, NULL))
		return NULL;
	PublishStop *stop = g_new0(PublishStop, 1);
	stop->resumed = strcmp(key, "Resume") == 0;
	stop->app = strcmp(words[0], "-") == 0 ? NULL : g_strdup(words[0]);
	stop->base = strcmp(words[1], "-") == 0 ? NULL : g_strdup(words[1]);
	stop->since_utc = since;
	stop->who = g_strdup(words[3]);
	stop->reason = g_strdup(words[4]);
	return stop;
}

static char *format(const PublishStop *stop)
{
	g_autofree char *when = util_time_format_utc(stop->since_utc);
	g_autofree char *who = g_strdelimit(g_strdup(stop->who), " \n\t", '_');
	return g_strdup_printf("%s %s %s %s %s", stop->app ? stop->app : "-",
			       stop->base ? stop->base : "-", when, who, stop->reason);
}

/* All lines. */
static GPtrArray *read_lines(Central *central, GError **error)
{
	g_autoptr(GError) failed = NULL;
	g_autofree char *text = NULL;
	gsize len = 0;
	g_autoptr(GPtrArray) stops = g_ptr_array_new_with_free_func(stop_free);
	if (!util_fs_read_file(central->dirfd, FILE_NAME, FILE_MAX, &text, &len, &failed)) {
		if (g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
			return g_steal_pointer(&stops);
		g_propagate_error(error, g_steal_pointer(&failed));
		return NULL;
	}
	g_autoptr(UtilTrailers) lines = util_trailers_parse(text, len, error);
	for (guint i = 0; lines && i < util_trailers_count(lines); i++) {
		PublishStop *stop =
		    parse(util_trailers_key(lines, i), util_trailers_value(lines, i));
		if (!stop) {
			util_error_set(error, TS_ERROR_CORRUPT, "%s/" FILE_NAME ": line %u",
				       central->path, i + 1);
			return NULL;
		}
		g_ptr_array_add(stops, stop);
	}
	return lines ? g_steal_pointer(&stops) : NULL;
}

static gboolean write_stops(Central *central, const GPtrArray *stops, GError **error)
{
	g_autoptr(UtilTrailers) lines = util_trailers_new();
	for (guint i = 0; i < stops->len; i++) {
		const PublishStop *stop = stops->pdata[i];
		g_autofree char *line = format(stop);
		util_trailers_add(lines, stop->resumed ? "Resume" : "Stop", line);
	}
	g_autofree char *text = util_trailers_format(lines);
	return util_fs_write_file(central->dirfd, FILE_NAME, text, strlen(text), 0644, error);
}

/* ---- fan-out ---- */

static gboolean covers(const PublishStop *stop, const ConfPeer *peer)
{
	return (!stop->base || strcmp(stop->base, peer->name) == 0) &&
	       (!stop->app || g_strv_contains((const char *const *)peer->apps, stop->app));
}

/* Scope ("-" or app) -> reason, as it is to be at this base. */
static GHashTable *wanted_at(const GPtrArray *stops, const ConfPeer *peer)
{
	GHashTable *wanted = g_hash_table_new(g_str_hash, g_str_equal);
	for (guint i = 0; i < stops->len; i++) {
		PublishStop *stop = stops->pdata[i];
		if (!stop->resumed && covers(stop, peer))
			g_hash_table_insert(wanted,
					    stop->app ? stop->app : (gpointer)(gsize)all_apps,
					    stop->reason);
	}
	return wanted;
}

/* Somebody ended the stop that a ledger has. */
static gboolean was_resumed(const GPtrArray *stops, const ConfPeer *peer, const char *scope,
			    const LedgerStop *had)
{
	for (guint i = 0; i < stops->len; i++) {
		const PublishStop *stop = stops->pdata[i];
		if (stop->resumed && covers(stop, peer) && stop->since_utc >= had->since_utc &&
		    strcmp(stop->app ? stop->app : all_apps, scope) == 0)
			return TRUE;
	}
	return FALSE;
}

/* Those that a ledger has, and of which STATE/stops knows nothing: it was restored from a backup of
 * before. They stand until somebody resumes them. */
static void add_from_ledgers(Central *central, const GPtrArray *stops, GPtrArray *ret)
{
	g_auto(GStrv) names = conf_peer_names(central->dirfd, NULL);
	for (guint i = 0; names && names[i]; i++) {
		/* what cannot be read is told by status itself */
		g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, names[i], NULL);
		g_autoptr(Repo) ledger = ledger_open(central->path, names[i], NULL);
		g_autoptr(GPtrArray) entries =
		    ledger ? ledger_entries(ledger, LEDGER_ORDERS, NULL, NULL) : NULL;
		g_autoptr(GHashTable) have = entries ? ledger_stops(entries) : NULL;
		g_autoptr(GHashTable) wanted = peer ? wanted_at(stops, peer) : NULL;
		GHashTableIter iter;
		gpointer scope = NULL, value = NULL;
		if (!have || !wanted)
			continue;
		g_hash_table_iter_init(&iter, have);
		while (g_hash_table_iter_next(&iter, &scope, &value)) {
			const LedgerStop *had = value;
			if (g_hash_table_contains(wanted, scope) ||
			    was_resumed(stops, peer, scope, had))
				continue;
			PublishStop *stop = g_new0(PublishStop, 1);
			stop->app = strcmp(scope, all_apps) == 0 ? NULL : g_strdup(scope);
			stop->base = g_strdup(names[i]);
			stop->who = g_strdup("somebody (only its ledger knows)");
			stop->reason = g_strdup(had->reason ? had->reason : "");
			stop->since_utc = had->since_utc;
			g_ptr_array_add(ret, stop);
		}
	}
}

GPtrArray *publish_stops(Central *central, GError **error)
{
	g_autoptr(GPtrArray) lines = read_lines(central, error);
	GPtrArray *stops = lines ? g_ptr_array_new_with_free_func(stop_free) : NULL;
	if (stops)
		add_from_ledgers(central, lines, stops);
	for (guint i = lines ? lines->len : 0; i > 0; i--)
		if (!((const PublishStop *)lines->pdata[i - 1])->resumed)
			g_ptr_array_insert(stops, 0, g_ptr_array_steal_index(lines, i - 1));
	return stops;
}

static gboolean append(Central *central, Repo *ledger, const ConfPeer *peer, OrderKind kind,
		       const char *scope, const char *reason, GError **error)
{
	g_autoptr(Order) order = order_new(kind);
	order->base = g_strdup(peer->name);
	order->app = strcmp(scope, "-") == 0 ? NULL : g_strdup(scope);
	order->reason = g_strdup(reason);
	order->written_utc = util_clock_now_utc(central->clock);
	return publish_append(central, ledger, order, NULL, error);
}

static gboolean fan_out_base(Central *central, const GPtrArray *stops, const ConfPeer *peer,
			     GError **error)
{
	g_auto(PublishReader) reader = {0};
	GHashTableIter iter;
	gpointer scope = NULL, reason = NULL, had = NULL;
	publish_reader(central, peer->name, &reader);
	g_autoptr(GHashTable) wanted = wanted_at(stops, peer);
	g_autoptr(Repo) ledger = ledger_create(central->path, peer->name, error);
	g_autoptr(GPtrArray) entries =
	    ledger ? ledger_entries(ledger, LEDGER_ORDERS, NULL, error) : NULL;
	if (!entries || reader.old_orders)
		return entries != NULL;
	g_autoptr(GHashTable) have = ledger_stops(entries);
	g_hash_table_iter_init(&iter, wanted);
	while (g_hash_table_iter_next(&iter, &scope, &reason))
		if (!g_hash_table_contains(have, scope) &&
		    !append(central, ledger, peer, ORDER_KIND_STOP, scope, reason, error))
			return FALSE;
	g_hash_table_iter_init(&iter, have);
	while (g_hash_table_iter_next(&iter, &scope, &had))
		if (!g_hash_table_contains(wanted, scope) && was_resumed(stops, peer, scope, had) &&
		    !append(central, ledger, peer, ORDER_KIND_RESUME, scope, NULL, error))
			return FALSE;
	return TRUE;
}

gboolean publish_stops_complete(Central *central, GHashTable *deaf, GError **error)
{
	g_autoptr(GPtrArray) stops = read_lines(central, error);
	g_auto(GStrv) names = stops ? conf_peer_names(central->dirfd, error) : NULL;
	for (guint i = 0; names && names[i]; i++) {
		g_autoptr(GError) why = NULL;
		g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, names[i], &why);
		if (peer && fan_out_base(central, stops, peer, &why))
			continue;
		g_autofree char *what = g_strconcat("stops at ", names[i], NULL);
		if (!publish_owe(central, what, why, error))
			return FALSE;
		if (deaf)
			(void)g_hash_table_add(deaf, g_strdup(names[i])); /* a set */
	}
	return names != NULL;
}

gboolean publish_stops_fan_out(Central *central, GError **error)
{
	util_autofd int lock = publish_lock(central, error);
	return lock >= 0 && publish_stops_complete(central, NULL, error);
}

/* ---- by hand ---- */

/* Is there a ledger that has this stop, and no stop of STATE/stops that it would be of? */
static gboolean is_in_a_ledger(Central *central, const GPtrArray *stops, const char *app,
			       const char *base)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(stop_free);
	add_from_ledgers(central, stops, found);
	for (guint i = 0; i < found->len; i++) {
		const PublishStop *stop = found->pdata[i];
		if (g_strcmp0(stop->app, app) == 0 && (!base || strcmp(base, stop->base) == 0))
			return TRUE;
	}
	return FALSE;
}

gboolean publish_stop_touches(const PublishStop *stop, const char *app, const char *base)
{
	return (!app || !stop->app || strcmp(app, stop->app) == 0) &&
	       (!base || !stop->base || strcmp(base, stop->base) == 0);
}

char *publish_stop_text(const PublishStop *stop)
{
	g_autofree char *when = util_time_format_utc(stop->since_utc);
	return g_strdup_printf("%s%s%s, stopped by %s at %s: %s",
			       stop->app ? stop->app : "all apps", stop->base ? " at " : "",
			       stop->base ? stop->base : "", stop->who, when, stop->reason);
}

/* Nothing was stopped so; what stands is named, because it may be what was meant. */
static gboolean refuse_resume(const GPtrArray *stops, const char *app, const char *base,
			      GError **error)
{
	g_autoptr(GString) standing = g_string_new(NULL);
	for (guint i = 0; i < stops->len; i++) {
		const PublishStop *stop = stops->pdata[i];
		if (stop->resumed || !publish_stop_touches(stop, app, base))
			continue;
		g_autofree char *text = publish_stop_text(stop);
		g_string_append_printf(standing, "\n  %s (tagship resume%s%s%s%s)", text,
				       stop->app ? " " : "", stop->app ? stop->app : "",
				       stop->base ? " --base " : "", stop->base ? stop->base : "");
	}
	if (standing->len > 0)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "a stop ends as it was made, and %s%s%s was not stopped so. "
				      "What stands:%s",
				      app ? app : "everything", base ? " at " : "",
				      base ? base : "", standing->str);
	return util_error_set(error, TS_ERROR_NOT_FOUND,
			      "%s is not stopped%s%s; what is stopped, \"tagship status\" shows",
			      app ? app : "everything", base ? " at " : "", base ? base : "");
}

static PublishStop *stop_new(Central *central, const char *app, const char *base, const char *who,
			     const char *reason)
{
	PublishStop *stop = g_new0(PublishStop, 1);
	stop->app = g_strdup(app);
	stop->base = g_strdup(base);
	stop->who = g_strdup(who);
	stop->reason = g_strdup(reason);
	stop->since_utc = util_clock_now_utc(central->clock);
	return stop;
}

/* In the place of what was said of this app and base before; *ret_stopped: that was a stop. */
static void put(GPtrArray *stops, PublishStop *stop, gboolean *ret_stopped)
{
	for (guint i = stops->len; i > 0; i--) {
		const PublishStop *old = stops->pdata[i - 1];
		if (g_strcmp0(old->app, stop->app) != 0 || g_strcmp0(old->base, stop->base) != 0)
			continue;
		*ret_stopped |= !old->resumed;
		g_ptr_array_remove_index(stops, i - 1);
	}
	g_ptr_array_add(stops, stop);
}

gboolean publish_stop(Central *central, const char *app, const char *base, const char *who,
		      const char *reason, GError **error)
{
	gboolean stopped = FALSE;
	util_autofd int lock = publish_lock(central, error);
	g_autoptr(GPtrArray) stops = lock < 0 ? NULL : read_lines(central, error);
	if (!stops)
		return FALSE;
	put(stops, stop_new(central, app, base, who, reason), &stopped);
	return write_stops(central, stops, error) && publish_stops_complete(central, NULL, error);
}

gboolean publish_resume(Central *central, const char *app, const char *base, const char *who,
			GError **error)
{
	gboolean stopped = FALSE;
	util_autofd int lock = publish_lock(central, error);
	g_autoptr(GPtrArray) stops = lock < 0 ? NULL : read_lines(central, error);
	if (!stops)
		return FALSE;
	gboolean in_a_ledger = is_in_a_ledger(central, stops, app, base);
	PublishStop *resume = stop_new(central, app, base, who, "-");
	resume->resumed = TRUE;
	put(stops, resume, &stopped);
	if (!stopped && !in_a_ledger)
		return refuse_resume(stops, app, base, error);
	return write_stops(central, stops, error) && publish_stops_complete(central, NULL, error);
}

/* ---- who heard ---- */

/* Has this base read its ledger as far as entry `oid`? */
static gboolean has_read(Central *central, Repo *ledger, const char *base, const char *oid)
{
	gboolean read = FALSE;
	g_autoptr(UtilTrailers) contact = publish_contact(central, base);
	const char *head = contact ? util_trailers_get(contact, "Head") : NULL;
	return head && util_oid_hex_ok(head) && repo_is_ancestor(ledger, oid, head, &read, NULL) &&
	       read;
}

PublishHeard publish_stop_heard(Central *central, const char *base, GError **error)
{
	g_auto(PublishReader) reader = {0};
	publish_reader(central, base, &reader);
	if (reader.old_orders)
		return PUBLISH_HEARD_NEVER;
	g_autoptr(Repo) ledger = ledger_open(central->path, base, error);
	g_autoptr(GPtrArray) entries =
	    ledger ? ledger_entries(ledger, LEDGER_ORDERS, NULL, error) : NULL;
	for (guint i = entries ? entries->len : 0; i > 0; i--) {
		const LedgerEntry *entry = entries->pdata[i - 1];
		if (entry->order->kind == ORDER_KIND_STOP ||
		    entry->order->kind == ORDER_KIND_RESUME)
			return has_read(central, ledger, base, entry->oid) ? PUBLISH_HEARD_YES
									   : PUBLISH_HEARD_NOT_YET;
	}
	return PUBLISH_HEARD_NOT_YET;
}
