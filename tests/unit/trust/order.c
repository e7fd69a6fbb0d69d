/* SPDX-License-Identifier: ISC */
/* What a base with signers of its own makes of an order: a central that lies gets nowhere. */
#include "world.h"

#define PLAN(at, more) "Shop 1.4\n\nRelease-At: " at "\nRelease-To: all\n" more
#define AT_LOCAL PLAN("2026-12-02 02:00 base-local", "")
#define ROOT64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ROOT_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

/* git's id of a tag object */
static char *oid_of(const char *raw)
{
	g_autofree char *head = g_strdup_printf("tag %zu", strlen(raw));
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	g_checksum_update(sum, (const guchar *)head, (gssize)strlen(head) + 1);
	g_checksum_update(sum, (const guchar *)raw, (gssize)strlen(raw));
	return g_strdup(g_checksum_get_string(sum));
}

/* As an honest central orders it: haikou, 02:00 there is 18:00 UTC the day before. */
static Order *honest(const char *raw)
{
	Order *order = order_new(ORDER_KIND_ORDER);
	order->seq = 1;
	order->base = g_strdup("haikou");
	order->release = oid_of(raw);
	order->app = g_strdup("shop");
	order->tag = g_strdup("v1.4");
	order->version = g_strdup("v1.4");
	order->root = g_strdup(ROOT64);
	order->commit = g_strdup(COMMIT);
	order->grace_s = 1800;
	order->wave = order->waves = 1;
	g_assert_true(util_time_parse_utc("2026-12-01T18:00:00Z", &order->at_utc, NULL));
	return order;
}

static gboolean check(const World *w, const Order *order, const char *raw, guint apps,
		      gint64 seen_utc, GError **error)
{
	static const char *const groups[] = {"asia", NULL};
	g_autofree char *file = g_strconcat("ana bases=\"@asia\" ", w->ana_key, "\n", NULL);
	g_autoptr(TrustSigners) signers = trust_signers_parse(file, strlen(file), "signers", NULL);
	const TrustSelf self = {.signers = signers,
				.name = "haikou",
				.zone = "Asia/Shanghai",
				.groups = groups,
				.apps = apps};
	g_autofree char *signer = NULL;
	gboolean ok =
	    trust_order_check(&self, order, raw, raw ? strlen(raw) : 0, seen_utc, &signer, error);
	g_assert_true(ok == (signer != NULL));
	return ok;
}

static void expect(const World *w, const Order *order, const char *raw, guint apps, gint64 seen_utc,
		   const char *why)
{
	g_autoptr(GError) error = NULL;
	gboolean ok = check(w, order, raw, apps, seen_utc, &error);
	if (!why) {
		g_assert_no_error(error);
		return;
	}
	g_assert_false(ok);
	if (!strstr(error->message, why))
		g_error("\"%s\" is not in: %s", why, error->message);
}

typedef enum {
	LIE_NONE,
	LIE_APP,
	LIE_TAG,
	LIE_VERSION,
	LIE_COMMIT,
	LIE_ROOT,
	LIE_TIME,
	LIE_NOW,
	LIE_WAVE,
	LIE_GRACE,
	LIE_OUTAGE,
	LIE_CUT_OFF,
	LIE_GATE,
	LIE_GATE_AT,
	LIE_RELEASE,
	STRICTER
} Lie;

static void tell(Order *order, Lie lie)
{
	char **const texts[] = {[LIE_APP] = &order->app,         [LIE_TAG] = &order->tag,
				[LIE_VERSION] = &order->version, [LIE_COMMIT] = &order->commit,
				[LIE_ROOT] = &order->root,       [LIE_RELEASE] = &order->release};
	static const char *const others[] = {
	    [LIE_APP] = "blog",     [LIE_TAG] = "v1.5",
	    [LIE_VERSION] = "v1.3", [LIE_COMMIT] = "2222222222222222222222222222222222222222",
	    [LIE_ROOT] = ROOT_B,    [LIE_RELEASE] = "3333333333333333333333333333333333333333"};
	if (lie < G_N_ELEMENTS(texts) && texts[lie]) {
		g_free(*texts[lie]);
		*texts[lie] = g_strdup(others[lie]);
	}
	order->at_utc += lie == LIE_TIME ? 60 : 0;
	order->is_now = order->is_now != (lie == LIE_NOW);
	order->wave += lie == LIE_WAVE;
	order->grace_s += lie == LIE_GRACE ? 1 : lie == STRICTER ? -60 : 0;
	if (lie == LIE_OUTAGE)
		order->max_outage_s = 0;
	if (lie == LIE_CUT_OFF)
		order->cut_off_hold = FALSE;
	if (lie == STRICTER)
		order->cut_off_hold = TRUE;
	if (lie == LIE_GATE)
		order->gated = FALSE;
	if (lie == LIE_GATE_AT)
		order->gate_at_utc = order->at_utc + 1;
}

static void test_lies(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	static const struct {
		Lie lie;
		const char *why;
	} lies[] = {
	    {LIE_NONE, NULL},           {STRICTER, NULL},           {LIE_APP, "app: "},
	    {LIE_TAG, "tag name: "},    {LIE_VERSION, "version: "}, {LIE_COMMIT, "commit: "},
	    {LIE_ROOT, "Release-Root"}, {LIE_TIME, "time: "},       {LIE_NOW, "wave: "},
	    {LIE_WAVE, "wave: "},       {LIE_GRACE, "Grace"},       {LIE_OUTAGE, "Max-Outage"},
	    {LIE_CUT_OFF, "Cut-Off"},   {LIE_GATE, "Gate"},         {LIE_GATE_AT, "Gate"},
	    {LIE_RELEASE, "release: "},
	};
	g_autofree char *raw =
	    make_tag(w->ana, "git", "v1.4",
		     PLAN("2026-12-02 02:00 base-local",
			  "Release-App: shop\nRelease-Root: " ROOT64
			  "\nRelease-Max-Outage: 60s\nRelease-Gate: all-staged\n"));
	for (guint i = 0; i < G_N_ELEMENTS(lies); i++) {
		g_autoptr(Order) order = honest(raw);
		order->max_outage_s = 60;
		order->gated = order->cut_off_hold = TRUE;
		order->gate_at_utc = order->at_utc - 600;
		tell(order, lies[i].lie);
		expect(w, order, raw, 2, TAGGED, lies[i].why);
	}
}

static void test_signatures(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *good = make_tag(w->ana, "git", "v1.4", AT_LOCAL);
	g_autofree char *plain = make_tag(NULL, NULL, "v1.4", AT_LOCAL);
	g_autofree char *foreign = make_tag(w->eve, "git", "v1.4", AT_LOCAL);
	g_autofree char *other = make_tag(w->ana, "git", "v1.5", AT_LOCAL);
	g_autofree char *no_plan = make_tag(w->ana, "git", "v1.4", "Shop 1.4\n");
	const char *const tags[] = {good, plain, foreign, other, no_plan, NULL};
	const char *const whys[] = {NULL,         "not signed",  "which no line",
				    "tag name: ", "has no plan", "no signed tag"};
	for (guint i = 0; i < G_N_ELEMENTS(tags); i++) {
		g_autoptr(Order) order = honest(tags[i] ? tags[i] : good);
		expect(w, order, tags[i], 1, TAGGED, whys[i]);
	}
	/* of several apps, the tag must name its own */
	g_autoptr(Order) order = honest(good);
	expect(w, order, good, 2, TAGGED, "names no app");
}

static void test_targets(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	static const struct {
		const char *to, *why;
	} plans[] = {
	    {"@asia", NULL},
	    {"berlin, haikou", NULL},
	    {"all, -berlin", NULL},
	    {"berlin", "no target of this plan"},
	    {"@europe", "no target of this plan"},
	    {"all, -haikou", "no target of this plan"},
	    {"all, -@asia", "no target of this plan"},
	    {"all\nRelease-Waves: berlin; all +2h", "wave: "},
	    {"all\nRelease-Waves: haikou; berlin +2h", NULL},
	    {"all\nRelease-Waves: berlin; @europe +2h", "no wave has it"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(plans); i++) {
		g_autofree char *message = g_strdup_printf(
		    "Shop\n\nRelease-At: 2026-12-01T18:00Z\nRelease-To: %s\n", plans[i].to);
		g_autofree char *raw = make_tag(w->ana, "git", "v1.4", message);
		g_autoptr(Order) order = honest(raw);
		expect(w, order, raw, 1, TAGGED, plans[i].why);
	}
}

static void test_now(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *raw = make_tag(w->ana, "git", "v1.4", PLAN("now", ""));
	static const struct {
		gint64 pushed, seen;
		const char *why;
	} times[] = {
	    {60, 120, NULL},          {86000, 86400, NULL},  {60, 86401, "24 h"},
	    {86401, 80000, "time: "}, {-400, 120, "time: "}, {60, -301, "not yet"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(times); i++) {
		g_autoptr(Order) order = honest(raw);
		order->is_now = TRUE;
		order->at_utc = TAGGED + times[i].pushed;
		expect(w, order, raw, 1, TAGGED + times[i].seen, times[i].why);
	}
}

static void test_plan_only(World *w, gconstpointer data)
{
	(void)data; /* none is used */
	g_autofree char *raw = make_tag(w->ana, "git", "plan/friday",
					PLAN("2026-12-01 18:00 UTC", "Release-Version: v1.3\n"));
	g_autoptr(Order) order = honest(raw);
	tell(order, LIE_VERSION);
	g_free(order->tag);
	order->tag = g_strdup("plan/friday");
	expect(w, order, raw, 1, TAGGED, NULL);
	/* whose commit that is, the tag does not say */
	tell(order, LIE_COMMIT);
	expect(w, order, raw, 1, TAGGED, NULL);
}

#define ADD(path, test) \
	g_test_add("/trust/order/" path, World, NULL, world_set_up, test, world_tear_down)

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	ADD("lies", test_lies);
	ADD("signatures", test_signatures);
	ADD("targets", test_targets);
	ADD("now", test_now);
	ADD("plan-only", test_plan_only);
	return g_test_run();
}
