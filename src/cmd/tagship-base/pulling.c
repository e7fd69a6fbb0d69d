/* SPDX-License-Identifier: ISC */
/* The work of a contact. Staging is a program of its own. */
#include "cmd/tagship-base/contact.h"
#include "cmd/tagship-base/nodes.h"
#include "cmd/tagship-base/pulling.h"

#define LOCK_WAIT_MS 500 /* the other apps have their orders already; this is between two looks */
#define STAGE_CORRUPT 4  /* exit statuses of tagship-stage */
#define STAGE_WAITS 5
#define ROUNDS 4 /* stage may find an old tree altered and need another bundle */
#define WANT_US (20 * G_USEC_PER_SEC) /* central makes a bundle: so long it is waited for */
#define WANT_POLL_US (2 * G_USEC_PER_SEC)
/* without news (from a base to its nodes) a watch looks again then, later each time */
#define WANT_AGAIN_S 20
#define WANT_AGAIN_MOST_S 300

struct BasePull {
	const Cmd *cmd;
	const Base *base;
	BaseContact contact;
	Mirror *mirror;
	UtilProgress *progress;
	guint wanted;
	gint64 look_utc; /* what was put off may be had from then on; 0: nothing was */
	gint64 again_s;
	char *refused;        /* what was said of a report that cannot be delivered */
	GError *failed;       /* the first that kept an order of this contact from being staged */
	int stage_status;     /* of the last staging */
	GHashTable *given_up; /* releases that are not tried again in this contact */
};

static gboolean want(BasePull *pull, const BaseTodo *todo, const StageNeed *need, GError **error)
{
	g_autoptr(GError) failed = NULL;
	cmd_say(pull->cmd, "%s %s: %s; asking central for a bundle", todo->app->name,
		todo->order->version, need->why ? need->why : "no bundle fits what is here");
	if (mirror_want(pull->mirror, need->old_root, todo->order->root, &failed))
		return TRUE;
	if (mirror_being_made(pull->mirror)) {
		pull->wanted++;
		return TRUE;
	}
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

/* Bundles wait for their hours, unless the release would be late. */
static gboolean may_wait(BasePull *pull, const BaseTodo *todo)
{
	gint64 now = util_clock_now_utc(pull->base->clock);
	gint64 wait_s = conf_hours_opens_s(pull->base->conf->pull_hours, now);
	if (wait_s == 0 || todo->order->is_now || todo->order->at_utc <= now + wait_s)
		return FALSE;
	pull->look_utc = now + wait_s;
	return TRUE;
}

/* Central lost the file and makes it again: that is no error of the line. */
static gboolean being_made(BasePull *pull, GError **error)
{
	if (!mirror_being_made(pull->mirror))
		return FALSE;
	g_clear_error(error);
	pull->wanted++;
	return TRUE;
}

static gboolean download(BasePull *pull, const BaseTodo *todo, const StageNeed *need,
			 gboolean *ret_came, GError **error)
{
	if (may_wait(pull, todo))
		return TRUE;
	g_autofree char *size = util_text_bytes(need->bundle->bytes);
	cmd_say(pull->cmd, "%s %s: fetching %s (%s)%s%s", todo->app->name, todo->order->version,
		size, need->bundle->codec, need->why ? "; " : "", need->why ? need->why : "");
	*ret_came = mirror_download(pull->mirror, need->bundle->sha256, need->bundle->bytes, error);
	return *ret_came || being_made(pull, error);
}

/* Another tree of the app comes first: what is asked for then is a difference. */
static gboolean comes_after(const BaseTodo *todo, const GPtrArray *todos)
{
	for (guint i = 0; todos->pdata[i] != todo; i++)
		if (((const BaseTodo *)todos->pdata[i])->app == todo->app)
			return TRUE;
	return FALSE;
}

static gboolean fetch_one(BasePull *pull, const BaseTodo *todo, const GPtrArray *todos,
			  gboolean *ret_came, GError **error)
{
	StageSpec spec = base_stage_spec(pull->base, todo);
	StageNeed need = {0};
	gboolean ok = stage_need(&spec, &need, error);
	*ret_came = ok && need.kind != STAGE_NEED_BUNDLE && need.kind != STAGE_NEED_WANT;
	if (ok && need.kind == STAGE_NEED_BUNDLE)
		ok = download(pull, todo, &need, ret_came, error);
	else if (ok && need.kind == STAGE_NEED_WANT &&
		 !(strcmp(need.old_root, "-") == 0 && comes_after(todo, todos)))
		ok = want(pull, todo, &need, error);
	stage_need_clear(&need);
	return ok;
}

/* Said at once, and what the contact ends with. */
static void fail_order(BasePull *pull, const BaseTodo *todo, GError *why)
{
	g_prefix_error(&why, "%s %s: ", todo->app->name, todo->order->version);
	(void)g_hash_table_add(pull->given_up, g_strdup(todo->order->release)); /* a set */
	if (pull->failed) {
		g_printerr("%s\n", why->message);
		g_error_free(why);
	} else {
		pull->failed = why;
	}
}

/* What has come is staged before the next is fetched: it may be due by then. It tells itself what
 * goes wrong, and another bundle may do. */
static gboolean stage(BasePull *pull, GError **error)
{
	pull->stage_status = base_run_helper(pull->base, "tagship-stage", NULL, error);
	return pull->stage_status >= 0;
}

static GPtrArray *todos_left(const BasePull *pull, GError **error)
{
	GPtrArray *todos = base_todos(pull->base, error);
	for (guint i = todos ? todos->len : 0; i > 0; i--) {
		const BaseTodo *todo = todos->pdata[i - 1];
		if (g_hash_table_contains(pull->given_up, todo->order->release))
			g_ptr_array_remove_index(todos, i - 1);
	}
	return todos;
}

/* FALSE only for the line, or because of news: one order that cannot be had must not hold up the
 * others. *ret_open: how many orders are not staged. */
static gboolean fetch_all(BasePull *pull, guint *ret_open, GError **error)
{
	g_autoptr(GPtrArray) todos = todos_left(pull, error);
	if (!todos)
		return FALSE;
	*ret_open = todos->len;
	pull->wanted = 0;
	for (guint i = 0; i < todos->len; i++) {
		const BaseTodo *todo = g_ptr_array_index(todos, i);
		g_autoptr(GError) failed = NULL;
		gboolean came = FALSE;
		if (fetch_one(pull, todo, todos, &came, &failed)) {
			if (came && !stage(pull, error))
				return FALSE;
			continue;
		}
		if (g_error_matches(failed, TS_ERROR, TS_ERROR_AGAIN)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
		fail_order(pull, todo, g_steal_pointer(&failed));
	}
	return TRUE;
}

/* Where central tells by itself, nothing is asked meanwhile. */
static gboolean wait_a_little(BasePull *pull, gint64 until_us, GError **error)
{
	MirrorEvent event = MIRROR_TIME;
	g_autoptr(GError) local = NULL;
	if (mirror_watch(pull->mirror, -1, until_us, &event, &local))
		return TRUE;
	if (!g_error_matches(local, TS_ERROR, TS_ERROR_UNSUPPORTED) && pull->contact.spec.watch) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	g_usleep(WANT_POLL_US);
	return TRUE;
}

/* TRUE with *ret_moved FALSE: a watch goes on, and looks again later. */
static gboolean wait_for_bundle(BasePull *pull, gboolean *ret_moved, GError **error)
{
	gint64 until_us = g_get_monotonic_time() + WANT_US;
	while (g_get_monotonic_time() < until_us) {
		if (!wait_a_little(pull, until_us, error) ||
		    !mirror_update(pull->mirror, ret_moved, error))
			return FALSE;
		if (*ret_moved)
			return TRUE;
	}
	if (!pull->contact.spec.watch)
		return util_error_set(error, TS_ERROR_AGAIN,
				      "central is still making the bundle; the next pull gets it");
	pull->again_s = CLAMP(2 * pull->again_s, WANT_AGAIN_S, WANT_AGAIN_MOST_S);
	pull->look_utc = util_clock_now_utc(pull->base->clock) + pull->again_s;
	return TRUE;
}

/* Where nobody stays to try again, the contact has failed if an order could not be had. */
static gboolean all_is_well(BasePull *pull, GError **error)
{
	if (!pull->failed && !pull->contact.spec.watch && pull->stage_status > 0 &&
	    pull->stage_status != STAGE_WAITS)
		util_error_set(&pull->failed,
			       pull->stage_status == STAGE_CORRUPT ? TS_ERROR_CORRUPT
								   : TS_ERROR_FAILED,
			       "not everything could be staged");
	if (!pull->failed)
		return TRUE;
	if (pull->contact.spec.watch) {
		g_printerr("%s\n", pull->failed->message);
		g_clear_error(&pull->failed);
		return TRUE;
	}
	g_propagate_error(error, g_steal_pointer(&pull->failed));
	return FALSE;
}

/* Fetches and stages what the accepted orders need. */
static gboolean rounds(BasePull *pull, GError **error)
{
	for (guint i = 0; i < ROUNDS; i++) {
		guint open = 0;
		gboolean moved = FALSE;
		pull->look_utc = 0;
		if (!fetch_all(pull, &open, error))
			return FALSE;
		if (open == 0)
			return TRUE;
		if (pull->wanted > 0 && !wait_for_bundle(pull, &moved, error))
			return FALSE;
		if (pull->wanted == 0 || moved)
			pull->again_s = 0;
		if (moved && !fetch_all(pull, &open, error))
			return FALSE;
		g_autoptr(GPtrArray) left = todos_left(pull, error);
		if (!left)
			return FALSE;
		if (left->len == 0 || pull->look_utc > 0)
			return TRUE;
	}
	return TRUE;
}

/* One that central has to make first comes with a later contact. */
static gboolean fetch_for_node(BasePull *pull, const BaseNodeNeed *need, GError **error)
{
	BaseTodo todo = {.order = need->order};
	if (!need->bundle)
		return mirror_want(pull->mirror, need->old_root, need->order->root, error) ||
		       being_made(pull, error);
	if (may_wait(pull, &todo))
		return TRUE;
	g_autofree char *size = util_text_bytes(need->bundle->bytes);
	cmd_say(pull->cmd, "%s %s: fetching %s (%s) for nodes", need->order->app,
		need->order->version, size, need->bundle->codec);
	return mirror_download(pull->mirror, need->bundle->sha256, need->bundle->bytes, error) ||
	       being_made(pull, error);
}

/* FALSE only for the line, as above. */
static gboolean fetch_for_nodes(BasePull *pull, GError **error)
{
	g_autoptr(GPtrArray) needs = base_nodes_needs(pull->base, error);
	for (guint i = 0; needs && i < needs->len; i++) {
		const BaseNodeNeed *need = g_ptr_array_index(needs, i);
		g_autoptr(GError) failed = NULL;
		if (fetch_for_node(pull, need, &failed))
			continue;
		if (g_error_matches(failed, TS_ERROR, TS_ERROR_AGAIN)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return FALSE;
		}
		g_printerr("%s %s, for nodes: %s\n", need->order->app, need->order->version,
			   failed->message);
	}
	return needs != NULL;
}

/* News in the middle of a download: what is new is looked at first. */
static gboolean fetch_and_stage(BasePull *pull, GError **error)
{
	for (;;) {
		g_autoptr(GError) local = NULL;
		gboolean moved = FALSE;
		if (rounds(pull, &local) && fetch_for_nodes(pull, &local))
			return TRUE;
		if (!mirror_has_news(pull->mirror)) {
			g_propagate_error(error, g_steal_pointer(&local));
			return FALSE;
		}
		cmd_say(pull->cmd, "%s", local->message);
		if (!mirror_update(pull->mirror, &moved, error))
			return FALSE;
	}
}

gboolean base_pull_deliver(BasePull *pull, GError **error)
{
	guint sent = 0;
	return base_nodes_tell(pull->base, error) && mirror_deliver(pull->mirror, &sent, error);
}

/* A report that central refuses (being older than it), or that is damaged here, must not keep
 * orders back: it is said once, and tried with each contact. Without a watch the contact fails at
 * its end. */
static gboolean deliver(BasePull *pull, gboolean at_end, GError **error)
{
	g_autoptr(GError) local = NULL;
	if (base_pull_deliver(pull, &local))
		return TRUE;
	if (!mirror_is_usable(pull->mirror) || (at_end && !pull->contact.spec.watch)) {
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
	if (at_end && g_strcmp0(pull->refused, local->message) != 0) {
		g_printerr("tagship-base: %s; it stays, and is tried again\n", local->message);
		g_free(pull->refused);
		pull->refused = g_strdup(local->message);
	}
	return TRUE;
}

static void say_again(BasePull *pull)
{
	guint again = mirror_reports_again(pull->mirror);
	if (again > 0)
		cmd_say(pull->cmd,
			"central lost reports that it had confirmed (was it restored from a "
			"backup?): %u go there again",
			again);
}

/* Each contact tries all orders anew. */
static void begin(BasePull *pull)
{
	g_hash_table_remove_all(pull->given_up);
	g_clear_error(&pull->failed);
	pull->stage_status = 0;
}

gboolean base_pull_poked(BasePull *pull, GError **error)
{
	begin(pull);
	gboolean ok = deliver(pull, FALSE, error) && fetch_and_stage(pull, error) &&
		      deliver(pull, TRUE, error) && all_is_well(pull, error);
	base_gc_quietly(pull->cmd, pull->base);
	return ok;
}

gboolean base_pull_contact(BasePull *pull, GError **error)
{
	gboolean moved = FALSE;
	begin(pull);
	gboolean ok = base_contact_gather(pull->base, &pull->contact, error) &&
		      deliver(pull, FALSE, error) && mirror_update(pull->mirror, &moved, error) &&
		      fetch_and_stage(pull, error) && deliver(pull, TRUE, error) &&
		      all_is_well(pull, error);
	say_again(pull);
	base_gc_quietly(pull->cmd, pull->base);
	return ok;
}

gboolean base_pull_busy(const BasePull *pull)
{
	return mirror_busy(pull->mirror) != NULL;
}

gboolean base_pull_take_in(BasePull *pull, gint64 wait_us, GError **error)
{
	gint64 until_us = g_get_monotonic_time() + wait_us;
	for (;;) {
		g_autoptr(GError) busy = NULL;
		if (mirror_take_in(pull->mirror, &busy))
			return base_pull_poked(pull, error);
		if (!g_error_matches(busy, TS_ERROR, TS_ERROR_AGAIN) ||
		    g_get_monotonic_time() >= until_us) {
			g_propagate_error(error, g_steal_pointer(&busy));
			return FALSE;
		}
	}
}

gboolean base_pull_wait(BasePull *pull, int fd, gint64 until_us, MirrorEvent *ret_event,
			GError **error)
{
	return mirror_watch(pull->mirror, fd, until_us, ret_event, error);
}

gint64 base_pull_look_utc(const BasePull *pull)
{
	return pull->look_utc;
}

BasePull *base_pull_open(const Cmd *cmd, const Base *base, gboolean watch, GError **error)
{
	g_autoptr(BasePull) pull = g_new0(BasePull, 1);
	pull->cmd = cmd;
	pull->base = base;
	pull->progress = cmd_progress_new(cmd);
	pull->given_up = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	base_contact_init(base, &pull->contact);
	pull->contact.spec.progress = pull->progress;
	pull->contact.spec.watch = watch;
	pull->contact.spec.lock_wait_ms = LOCK_WAIT_MS;
	if (!base_contact_gather(base, &pull->contact, error))
		return NULL;
	pull->mirror = mirror_open(&pull->contact.spec, error);
	return pull->mirror ? g_steal_pointer(&pull) : NULL;
}

void base_pull_close(BasePull *pull)
{
	if (!pull)
		return;
	mirror_close(pull->mirror);
	cmd_progress_free(pull->progress);
	base_contact_clear(&pull->contact);
	g_free(pull->refused);
	g_clear_error(&pull->failed);
	g_hash_table_unref(pull->given_up);
	g_free(pull);
}
