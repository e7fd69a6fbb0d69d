/* SPDX-License-Identifier: ISC */
/* What runs, what comes when, what went wrong: three lines an app, all of it from this disk. */
#include <sys/stat.h>

#include "cmd/tagship-base/clock.h"
#include "cmd/tagship-base/contact.h"
#include "cmd/tagship-base/nodes.h"

/* NULL unless `tagship-base watch` has its connection now. */
static char *watching_since(const Base *base)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_locked(base->dirfd, "lock/watch") ||
	    !util_fs_read_file(base->dirfd, "watching", 4096, &text, &len, NULL))
		return NULL;
	g_autoptr(UtilTrailers) note = util_trailers_parse(text, len, NULL);
	return note ? g_strdup(util_trailers_get(note, "Since")) : NULL;
}

static const DecideOrder *next_open(const DecideApp *state)
{
	const GPtrArray *orders = decide_app_orders(state);
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = g_ptr_array_index(orders, i);
		if (!order_state_ended(order->state) && !decide_app_outranked(state, order))
			return order;
	}
	return NULL;
}

/* The order that ended last, of those that were to serve: what was withdrawn says nothing of what
 * is wrong. */
static const DecideOrder *last_ended(const DecideApp *state)
{
	const GPtrArray *orders = decide_app_orders(state);
	const DecideOrder *last = NULL;
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = g_ptr_array_index(orders, i);
		if (order_state_ended(order->state) && order->state != ORDER_SUPERSEDED &&
		    order->state != ORDER_CANCELLED &&
		    (!last || order->ended_utc >= last->ended_utc))
			last = order;
	}
	return last;
}

static char *when_text(const DecideOrder *order, gint64 now)
{
	if (order->order->is_now)
		return g_strdup("as soon as staged");
	g_autofree char *left = util_text_duration(order->order->at_utc - now);
	return g_strdup_printf("%s (in %s)",
			       order->order->local_text ? order->order->local_text : "", left);
}

/* The bytes of a bundle that are here, and of how many; 0: none is on its way. */
static guint64 came_bytes(const Base *base, const DecideOrder *order, guint64 *ret_bytes)
{
	for (guint i = 0; i < order->order->bundles->len; i++) {
		const OrderBundle *bundle = g_ptr_array_index(order->order->bundles, i);
		struct stat st = {0};
		g_autofree char *part = g_strconcat("partial/", bundle->sha256, ".part", NULL);
		*ret_bytes = bundle->bytes;
		if (fstatat(base->dirfd, part, &st, 0) == 0)
			return (guint64)st.st_size;
	}
	return 0;
}

static void print_fetching(const Base *base, const DecideOrder *order)
{
	guint64 bytes = 0, came = came_bytes(base, order, &bytes);
	gint64 kbit = 0;
	if (came == 0 || came > bytes)
		return;
	g_autoptr(UtilTrailers) contact = base_last_contact(base);
	g_autofree char *have = util_text_bytes(came);
	g_autofree char *all = util_text_bytes(bytes);
	g_print("  comes %s of %s", have, all);
	if (contact &&
	    util_trailers_need_int(contact, "Line-Kbit", 1, CONF_RATE_MAX, &kbit, NULL)) {
		gint64 limit = conf_base_rate_kbit(base->conf, util_clock_now_utc(base->clock));
		kbit = limit > 0 ? MIN(kbit, limit) : kbit;
		g_autofree char *left =
		    util_text_duration((gint64)((bytes - came) * 8 / 1000) / kbit);
		g_print(", %s left at %" G_GINT64_FORMAT " kbit/s", left, kbit);
	}
	g_print("\n");
}

/* What it waits for beside its time. */
static void print_gate(const Base *base, const DecideOrder *next)
{
	const Order *order = next->order;
	DecideFacts facts;
	if (!order->gated || order_state_ended(next->state))
		return;
	g_autofree char *gate = plan_gate_format(order->gate, order->quorum_percent);
	const ActivateSpec spec = {
	    .root_path = base->root, .root_dirfd = base->dirfd, .clock = base->clock};
	facts.now_utc = util_clock_now_utc(base->clock);
	facts.heard_utc = activate_heard_utc(&spec);
	g_print("  gate  wave %u of %u, %s: ", order->wave, order->waves, gate);
	if (!next->gate_decided && facts.now_utc < order->gate_at_utc) {
		g_autofree char *at = util_time_format_utc(order->gate_at_utc);
		g_print("decided at %s; cut off then, it %s\n", at,
			order->cut_off_hold ? "holds" : "goes");
		return;
	}
	switch (decide_gate(next, &facts)) {
	case GATE_GO:
		g_print("%s\n", next->gate_decided ? "open" : "goes when cut off, as now");
		break;
	case GATE_WAIT:
		g_print("waits for central's word\n");
		break;
	case GATE_CUT_OFF:
		g_print("holds when cut off, as now\n");
		break;
	}
}

/* 0: there is none. */
static gint64 bridge_until(const DecideApp *state)
{
	const GPtrArray *bridge = decide_app_bridge(state);
	gint64 until_utc = 0;
	for (guint i = 0; i < bridge->len; i++)
		until_utc = MAX(until_utc, ((const DecideBridge *)bridge->pdata[i])->until_utc);
	return until_utc;
}

/* What an operator has put there, and the bridge; nothing is printed where there is nothing. */
static void print_marks(const char *name, const DecideApp *state)
{
	const char *reason = NULL;
	gint64 since_utc = decide_app_maintenance(state, &reason);
	const GPtrArray *pins = decide_app_pins(state);
	if (since_utc) {
		g_autofree char *since = util_time_format_utc(since_utc);
		g_print("  MAINTENANCE since %s%s%s (tagship-base maintenance %s off)\n", since,
			reason ? ": " : "", reason ? reason : "", name);
	}
	for (guint i = 0; i < pins->len; i++)
		g_print("%s%s", i == 0 ? "  pins  " : ", ", ((DecidePin *)pins->pdata[i])->version);
	if (pins->len > 0)
		g_print("\n");
	if (bridge_until(state)) {
		g_autofree char *until = util_time_format_utc(bridge_until(state));
		g_print("  bridge to %u earlier %s until %s\n", decide_app_bridge(state)->len,
			decide_app_bridge(state)->len == 1 ? "version" : "versions", until);
	}
}

static void print_wrong(const DecideOrder *order)
{
	g_print("  wrong %s %s%s%s\n", order->order->version, order_state_name(order->state),
		order->reason ? ": " : "", order->reason ? order->reason : "");
}

/* The worst of it, and whatever else keeps the app from going on. */
static void print_what_is_wrong(const char *name, const DecideApp *state, const DecideOrder *next)
{
	const char *hold = NULL;
	const char *release = decide_app_last_release(state, NULL);
	const DecideOrder *last = last_ended(state);
	const DecideOrder *down = release ? decide_app_find(state, release) : NULL;
	if (decide_app_stopped(state, &hold))
		g_print("  STOPPED by central: %s\n", hold);
	if (decide_app_held(state, &hold))
		g_print("  HELD  %s (tagship-base unhold %s)\n", hold ? hold : "", name);
	if (decide_app_is_down(state) && down)
		print_wrong(down);
	if (next && next->reason && *next->reason)
		g_print("  wrong %s: %s\n", next->order->version, next->reason);
	else if (!decide_app_is_down(state) && last && last->state != ORDER_LIVE)
		print_wrong(last);
	else if (!decide_app_is_down(state))
		g_print("  wrong nothing\n");
}

static void print_runs(const char *name, const DecideApp *state)
{
	const char *version = decide_app_live_version(state);
	g_autofree char *since = decide_app_live_since(state)
				     ? util_time_format_utc(decide_app_live_since(state))
				     : NULL;
	if (decide_app_is_down(state))
		g_print("%s is DOWN: nothing healthy serves (tagship-base activate, rollback, "
			"log)\n",
			name);
	else
		g_print("%s runs  %s%s%s\n", name, version ? version : "nothing yet",
			since ? " since " : "", since ? since : "");
}

static void print_app(const Base *base, const ConfBaseApp *app, const DecideApp *state)
{
	const char *name = app->name;
	const DecideOrder *next = next_open(state);
	print_runs(name, state);
	if (next) {
		g_autofree char *when = when_text(next, util_clock_now_utc(base->clock));
		g_autofree char *alarm = plan_zone_alarm(g_getenv("TZDIR"), next->order->at_utc,
							 next->order->local_text);
		g_print("  next  %s %s, %s\n", next->order->version, when,
			order_state_name(next->state));
		if (next->state == ORDER_ORDERED || next->state == ORDER_FETCHING)
			print_fetching(base, next);
		print_gate(base, next);
		if (alarm && !next->order->is_now)
			g_print("  ALARM %s\n", alarm);
	} else {
		g_print("  next  nothing\n");
	}
	if (!g_file_test(app->dir, G_FILE_TEST_IS_DIR))
		g_print("  wrong there is no folder %s; make it, for this account\n", app->dir);
	else
		print_what_is_wrong(name, state, next);
	print_marks(name, state);
}

static void json_text(JsonBuilder *json, const char *name, const char *value)
{
	g_autofree char *safe = value ? util_text_printable(value, -1) : NULL;
	json_builder_set_member_name(json, name);
	if (safe)
		json_builder_add_string_value(json, safe);
	else
		json_builder_add_null_value(json);
}

static void json_marks(JsonBuilder *json, const DecideApp *state)
{
	const char *reason = NULL;
	gint64 since_utc = decide_app_maintenance(state, &reason);
	const GPtrArray *pins = decide_app_pins(state);
	g_autofree char *since = since_utc ? util_time_format_utc(since_utc) : NULL;
	json_text(json, "maintenance", since_utc ? (reason ? reason : "") : NULL);
	json_text(json, "maintenance_since", since);
	g_autofree char *until =
	    bridge_until(state) ? util_time_format_utc(bridge_until(state)) : NULL;
	json_text(json, "bridge_until", until);
	json_builder_set_member_name(json, "pinned");
	json_builder_begin_array(json);
	for (guint i = 0; i < pins->len; i++)
		json_builder_add_string_value(json, ((DecidePin *)pins->pdata[i])->version);
	json_builder_end_array(json);
}

static void json_app(JsonBuilder *json, const char *name, const DecideApp *state)
{
	const char *hold = NULL;
	gboolean held = decide_app_held(state, &hold);
	g_autofree char *since = decide_app_live_since(state)
				     ? util_time_format_utc(decide_app_live_since(state))
				     : NULL;
	json_builder_begin_object(json);
	json_text(json, "app", name);
	json_text(json, "live_version", decide_app_live_version(state));
	json_text(json, "live_root", decide_app_live_root(state));
	json_text(json, "live_since", since);
	json_text(json, "held", held ? (hold ? hold : "") : NULL);
	gboolean stopped = decide_app_stopped(state, &hold);
	json_text(json, "stopped", stopped ? (hold ? hold : "") : NULL);
	json_builder_set_member_name(json, "down");
	json_builder_add_boolean_value(json, decide_app_is_down(state));
	json_marks(json, state);
	json_builder_set_member_name(json, "orders");
	json_builder_begin_array(json);
	const GPtrArray *orders = decide_app_orders(state);
	for (guint i = 0; i < orders->len; i++) {
		const DecideOrder *order = g_ptr_array_index(orders, i);
		g_autofree char *at = util_time_format_utc(order->order->at_utc);
		json_builder_begin_object(json);
		json_text(json, "release", order->order->release);
		json_text(json, "version", order->order->version);
		json_text(json, "state", order_state_name(order->state));
		json_text(json, "at", at);
		json_text(json, "reason", order->reason);
		json_builder_set_member_name(json, "outage_ms");
		json_builder_add_int_value(json, order->outage_ms);
		json_builder_end_object(json);
	}
	json_builder_end_array(json);
	json_builder_end_object(json);
}

static void print_contact(const Base *base)
{
	g_autoptr(UtilTrailers) contact = base_last_contact(base);
	if (!contact) {
		g_print("central was never reached (tagship-base pull)\n");
		return;
	}
	const char *failed = util_trailers_get(contact, "Error");
	const char *time = util_trailers_get(contact, "Time");
	g_autofree char *watching = watching_since(base);
	if (watching)
		g_print("central: watching since %s, reached %s\n", watching, time ? time : "");
	else if (failed && *failed)
		g_print("central: last try %s failed: %s\n", time ? time : "", failed);
	else if (time && util_trailers_get(contact, "By-File"))
		g_print("central: a file of %s, taken in %s\n",
			util_trailers_get(contact, "By-File"), time);
	else if (time)
		g_print("central: reached %s\n", time);
}

int base_status(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 0, 1, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base || (cmd->argc > 1 && !base_find_app(base, cmd->argv[1], error)))
		return 1;
	g_autoptr(JsonBuilder) json = json_builder_new();
	json_builder_begin_array(json);
	for (guint i = 0; i < base->conf->apps->len; i++) {
		const ConfBaseApp *app = g_ptr_array_index(base->conf->apps, i);
		if (cmd->argc > 1 && strcmp(cmd->argv[1], app->name) != 0)
			continue;
		ActivateSpec spec = base_activate_spec(base, app);
		g_autoptr(DecideApp) state = activate_read(&spec, error);
		if (!state)
			return 1;
		if (cmd->json)
			json_app(json, app->name, state);
		else
			print_app(base, app, state);
	}
	json_builder_end_array(json);
	if (cmd->json) {
		cmd_print_json(json);
		return 0;
	}
	print_contact(base);
	g_autofree char *stale = base_head_alarm(base);
	if (stale)
		g_print("! %s\n", stale);
	base_clock_print(base);
	g_autoptr(GPtrArray) nodes = site_nodes(base->dirfd, error);
	if (nodes && nodes->len > 0)
		base_nodes_print(base, nodes);
	return nodes ? 0 : 1;
}
