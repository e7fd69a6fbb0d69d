/* SPDX-License-Identifier: ISC */
/* Does the tag object give the order what it says? */
#include "trust/trust-private.h"

#define CLOCKS_APART_S 300

/* One order being held against its tag. */
typedef struct {
	const TrustSelf *self;
	const Order *order;
	const PlanTag *tag;
	const Plan *plan;
	gint64 seen_utc;
} Check;

static gboolean refuse(GError **error, const char *what, const char *tag_says,
		       const char *order_says)
{
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s: the signed tag says %s, central's order %s; central may be in "
			      "wrong hands: ask its admin",
			      what, tag_says, order_says);
}

static gboolean check_same(GError **error, const char *what, const char *tag_says,
			   const char *order_says)
{
	return g_strcmp0(tag_says, order_says) == 0 ||
	       refuse(error, what, tag_says ? tag_says : "nothing",
		      order_says ? order_says : "nothing");
}

/* The tag object is the release's, under its own name. */
static gboolean check_identity(const Check *check, const char *raw, gsize len, GError **error)
{
	g_autofree char *head = g_strdup_printf("tag %" G_GSIZE_FORMAT, len);
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	g_checksum_update(sum, (const guchar *)head, (gssize)strlen(head) + 1);
	g_checksum_update(sum, (const guchar *)raw, (gssize)len);
	return check_same(error, "release", g_checksum_get_string(sum), check->order->release) &&
	       check_same(error, "tag name", check->tag->name, check->order->tag);
}

/* A tag names its app, unless there is but one that it can mean. */
static gboolean check_app(const Check *check, GError **error)
{
	if (check->plan->app)
		return check_same(error, "app", check->plan->app, check->order->app);
	return check->self->apps == 1 ||
	       util_error_set(error, TS_ERROR_REFUSED,
			      "the signed tag names no app, and this base runs several; tag anew "
			      "with \"Release-App: %s\"",
			      check->order->app);
}

static gboolean check_version(const Check *check, GError **error)
{
	const char *named = check->plan->version ? check->plan->version : check->tag->name;
	gboolean own = strcmp(named, check->tag->name) == 0;
	return check_same(error, "version", named, check->order->version) &&
	       (!own || check_same(error, "commit", check->tag->object, check->order->commit)) &&
	       (!check->plan->root ||
		check_same(error, "Release-Root", check->plan->root, check->order->root));
}

static gboolean check_now(const Check *check, GError **error)
{
	const Order *order = check->order;
	gint64 tagged_utc = check->tag->tagged_utc;
	g_autofree char *tagged = util_time_format_utc(tagged_utc);
	g_autofree char *at = util_time_format_utc(order->at_utc);
	if (check->seen_utc > tagged_utc + PLAN_NOW_VALID_S)
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "\"now\" was tagged at %s, and is not good for more than 24 h; "
		    "tag anew",
		    tagged);
	if (tagged_utc > check->seen_utc + CLOCKS_APART_S)
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "\"now\" was tagged at %s, which is not yet; is a clock wrong?", tagged);
	return (order->at_utc >= tagged_utc - CLOCKS_APART_S &&
		order->at_utc <= tagged_utc + PLAN_NOW_VALID_S) ||
	       refuse(error, "time", tagged, at);
}

static gboolean check_time(const Check *check, GError **error)
{
	const Order *order = check->order;
	const PlanBase self = {.name = check->self->name,
			       .zone = check->self->zone,
			       .groups = check->self->groups,
			       .runs_app = TRUE};
	guint wave = 0;
	gint64 at_utc = 0;
	if (!plan_own(check->plan, &self, check->self->zone_dir, &wave, &at_utc, error))
		return FALSE;
	if (wave != order->wave || order->is_now != (check->plan->at == PLAN_AT_NOW)) {
		g_autofree char *own = g_strdup_printf("%u of its waves", wave);
		g_autofree char *ordered =
		    g_strdup_printf("%u%s", order->wave, order->is_now ? ", now" : "");
		return refuse(error, "wave", own, ordered);
	}
	if (order->is_now)
		return check_now(check, error);
	g_autofree char *own = util_time_format_utc(at_utc);
	g_autofree char *ordered = util_time_format_utc(order->at_utc);
	return check_same(error, "time", own, ordered);
}

/* What the order may be stricter in, and no laxer. */
static gboolean check_policy(const Check *check, GError **error)
{
	const Order *order = check->order;
	const Plan *plan = check->plan;
	gboolean hold = plan_cut_off_hold(plan->cut_off, plan->gate, order->wave);
	if (order->grace_s > plan->grace_s)
		return refuse(error, "Release-Grace", "less", "more");
	if (plan->max_outage_s > 0 &&
	    (order->max_outage_s == 0 || order->max_outage_s > plan->max_outage_s))
		return refuse(error, "Release-Max-Outage", "less", "more");
	if (hold && !order->cut_off_hold)
		return refuse(error, "Release-If-Cut-Off", "hold", "go");
	if (plan_is_gated(plan->gate, order->wave) && !order->gated)
		return refuse(error, "Release-Gate", "to wait", "not to");
	/* later, everybody would be cut off at its time, and go */
	return order->gate_at_utc <= order->at_utc ||
	       refuse(error, "Release-Gate", "to wait", "not to");
}

static gboolean check_signer(const Check *check, const char *raw, gsize len, char **ret_signer,
			     GError **error)
{
	const TrustBase base = {.name = check->self->name, .groups = check->self->groups};
	const TrustAsked asked = {.tag = check->tag,
				  .raw = raw,
				  .len = len,
				  .app = check->order->app,
				  .bases = &base,
				  .n_bases = 1,
				  .at_utc = check->seen_utc};
	*ret_signer = trust_tag_signer(check->self->signers, &asked, error);
	return *ret_signer != NULL;
}

gboolean trust_order_check(const TrustSelf *self, const Order *order, const char *raw, gsize len,
			   gint64 seen_utc, char **ret_signer, GError **error)
{
	g_autoptr(PlanTag) tag = NULL;
	g_autoptr(Plan) plan = NULL;
	g_autofree char *signer = NULL;
	if (!raw)
		return util_error_set(error, TS_ERROR_REFUSED, "no signed tag came with it");
	tag = plan_tag_parse(raw, len, error);
	if (!tag || !plan_parse(tag->message, tag->message_len, &plan, error))
		return FALSE;
	if (!plan)
		return util_error_set(error, TS_ERROR_REFUSED, "its tag %s has no plan", tag->name);
	const Check check = {
	    .self = self, .order = order, .tag = tag, .plan = plan, .seen_utc = seen_utc};
	/* who signed it first: nothing that is not signed is looked at any further */
	if (!check_identity(&check, raw, len, error) ||
	    !check_signer(&check, raw, len, &signer, error) || !check_app(&check, error) ||
	    !check_version(&check, error) || !check_time(&check, error) ||
	    !check_policy(&check, error))
		return FALSE;
	*ret_signer = g_steal_pointer(&signer);
	return TRUE;
}
