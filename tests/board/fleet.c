/* SPDX-License-Identifier: ISC */
/*
 * fleet STATE BASES APPS RELEASES: a central with so many bases, each of which runs all apps, and
 * so many releases of each app, an hour apart from now on. What bases say of them is made up: most
 * are live, some rolled back, one down; of the last release but one a base says nothing, the last
 * is only staged. As of a day later (faketime) it is a fleet with a past.
 */
#include <stdlib.h>

#include "publish/publish.h"

#define HOUR_S 3600
#define DAY_S (24 * HOUR_S)

static const char *const zones[] = {"Asia/Shanghai",       "Europe/Berlin",   "America/Sao_Paulo",
				    "Africa/Johannesburg", "Asia/Kolkata",    "Australia/Sydney",
				    "America/New_York",    "Pacific/Auckland"};
static const char *const towns[] = {"haikou", "berlin", "lima",   "durban",
				    "pune",   "perth",  "boston", "napier"};
static const char *const names[] = {"shop", "docs", "stock", "intranet", "tickets"};
static const char *const titles[] = {"New checkout", "Faster search", "Corrections",
				     "Texts in Portuguese", "Invoices by mail"};

typedef struct {
	char *state, *key;
	Central *central;
	gint64 now_utc;
	guint bases, apps, releases;
} Fleet;

static void must(gboolean done, const GError *error)
{
	if (done)
		return;
	g_printerr("fleet: %s\n", error ? error->message : "failed");
	exit(1);
}

static char *base_name(guint b)
{
	const char *town = towns[b % G_N_ELEMENTS(towns)];
	guint round = b / G_N_ELEMENTS(towns);
	return round == 0 ? g_strdup(town) : g_strdup_printf("%s-%u", town, round + 1);
}

static char *app_name(guint a)
{
	guint round = a / G_N_ELEMENTS(names);
	return round == 0 ? g_strdup(names[a % G_N_ELEMENTS(names)])
			  : g_strdup_printf("%s-%u", names[a % G_N_ELEMENTS(names)], round + 1);
}

/* ---- central, its bases and apps ---- */

static void add_base(const Fleet *fleet, guint b, char **apps)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *name = base_name(b);
	g_autofree char *zone = g_strdup(zones[b % G_N_ELEMENTS(zones)]);
	char *groups[] = {(char[]){"all-lines"}, NULL};
	ConfPeer peer = {.name = name,
			 .zone = zone,
			 .groups = groups,
			 .apps = apps,
			 .key = fleet->key,
			 .incarnation = 1};
	g_autoptr(Repo) ledger = ledger_create(fleet->state, name, &error);
	must(ledger && conf_peer_create(fleet->central->dirfd, &peer, &error), error);
}

static void add_app(const Fleet *fleet, const char *name)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_strdup_printf("%s/../%s.git", fleet->state, name);
	g_autofree char *repo_path = g_canonicalize_filename(path, NULL);
	g_autoptr(Repo) repo = repo_create(repo_path, &error);
	g_autoptr(ConfApp) app = conf_app_new(name, repo_path);
	g_free(app->sandbox);
	app->sandbox = g_strdup("none");
	must(repo && conf_app_create(fleet->central->dirfd, app, &error) &&
		 publish_look(fleet->central, name, &error),
	     error);
}

static void make_central(Fleet *fleet)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *key = g_strconcat(fleet->state, ".key", NULL);
	must(util_sshsig_keygen(key, "base", &error) &&
		 central_create(fleet->state, NULL, NULL, &error),
	     error);
	fleet->key = util_sshsig_public_key(key, &error);
	fleet->central = central_open(fleet->state, &error);
	must(fleet->key && fleet->central, error);
	fleet->now_utc = util_clock_now_utc(fleet->central->clock);
	g_autoptr(GPtrArray) apps = g_ptr_array_new_with_free_func(g_free);
	for (guint a = 0; a < fleet->apps; a++) {
		g_ptr_array_add(apps, app_name(a));
		add_app(fleet, apps->pdata[a]);
	}
	g_ptr_array_add(apps, NULL);
	for (guint b = 0; b < fleet->bases; b++)
		add_base(fleet, b, (char **)apps->pdata);
}

/* ---- releases ---- */

static void commit(Repo *repo, guint n, char ret_oid[REPO_OID])
{
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) text = g_string_new(NULL);
	RepoTreeEntry entry = {.name = "index.html", .mode = 0100644};
	char tree[REPO_OID], parent[REPO_OID] = "";
	for (guint line = 0; line < 2000; line++)
		g_string_append_printf(text, "line %u of version %u\n", line,
				       line % 10 == 0 ? n : 0);
	gboolean child = repo_ref_get(repo, "refs/heads/main", parent, NULL);
	must(repo_blob_write(repo, text->str, text->len, entry.oid, &error) &&
		 repo_tree_write(repo, &entry, 1, tree, &error),
	     error);
	RepoCommitSpec spec = {.parent = child ? parent : NULL,
			       .tree = tree,
			       .message = "work",
			       .author = "dev",
			       .time_utc = 1700000000 + n};
	must(repo_commit_write(repo, &spec, ret_oid, &error) &&
		 repo_ref_set(repo, "refs/heads/main", ret_oid, NULL, &error),
	     error);
}

static gint64 go_live(const Fleet *fleet, guint n)
{
	gboolean last = n + 1 == fleet->releases;
	return fleet->now_utc + (last ? DAY_S + 9 * HOUR_S : (n + 1) * HOUR_S);
}

static char *push(const Fleet *fleet, const char *app, guint n)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *path = g_strdup_printf("%s/../%s.git", fleet->state, app);
	g_autoptr(Repo) repo = repo_open(path, &error);
	g_autofree char *name = g_strdup_printf("v1.%u", n);
	g_autofree char *ref = g_strconcat("refs/tags/", name, NULL);
	g_autofree char *at = util_time_format_utc(go_live(fleet, n));
	g_autofree char *message =
	    g_strdup_printf("%s\n\nWhat is new: see the ticket.\n\nRelease-At: %s\nRelease-To: "
			    "all\nRelease-App: %s\n",
			    titles[n % G_N_ELEMENTS(titles)], at, app);
	char oid[REPO_OID], tag[REPO_OID];
	must(repo != NULL, error);
	commit(repo, n, oid);
	must(repo_tag_write(repo, oid, name, message, "Dev Eloper", "dev@example.com",
			    1700000001 + n, tag, &error) &&
		 repo_ref_set(repo, ref, tag, NULL, &error),
	     error);
	return g_strdup(tag);
}

/* ---- what bases say ---- */

static ReportEvent end_of(const Fleet *fleet, guint b, guint n)
{
	guint luck = b * 7 + n * 3;
	if (n + 3 == fleet->releases && b == 1)
		return REPORT_DOWN;
	return luck % 11 == 10 ? REPORT_ROLLED_BACK : REPORT_LIVE;
}

static void say(Repo *ledger, const char *base, const Order *order, ReportEvent event,
		gint64 event_utc)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(Report) report = report_new();
	gboolean bad = event == REPORT_ROLLED_BACK || event == REPORT_DOWN;
	report->base = g_strdup(base);
	report->incarnation = 1;
	report->release = g_strdup(order->release);
	report->seq = order->seq;
	report->round = 1;
	report->app = g_strdup(order->app);
	report->version = g_strdup(order->version);
	report->root = g_strdup(order->root);
	report->serves_root = g_strdup(event == REPORT_LIVE ? order->root : "-");
	report->event = event;
	report->event_utc = event_utc;
	report->outage_ms = event == REPORT_STAGED ? -1 : 300 + event_utc % 1700;
	report->detail = g_strdup(bad ? "not healthy after 12 tries (health: exit status 22)" : "");
	report->log_end = g_strdup(
	    bad ? "GET /healthz\nHTTP/1.1 503 Service Unavailable\ncannot reach the database" : "");
	g_autofree char *text = report_format(report);
	char oid[REPO_OID];
	must(ledger_report_append(ledger, report, text, "signature", event_utc, oid, &error),
	     error);
}

/* All that base `b` says of the release that was ordered last there, for each app. */
static void report_all(const Fleet *fleet, guint b, guint n)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *base = base_name(b);
	g_autoptr(Repo) ledger = ledger_open(fleet->state, base, &error);
	g_autoptr(GPtrArray) orders =
	    ledger ? ledger_entries(ledger, LEDGER_ORDERS, NULL, &error) : NULL;
	must(orders && orders->len >= fleet->apps, error);
	gboolean silent = n + 2 == fleet->releases && b == 2, last = n + 1 == fleet->releases;
	if (silent)
		return;
	for (guint a = orders->len - fleet->apps; a < orders->len; a++) {
		const Order *order = ((const LedgerEntry *)orders->pdata[a])->order;
		gint64 took_s = 60 + 40 * (b % 9) + 13 * (n % 7);
		if (last && b % 4 == 3)
			continue; /* still on its way */
		say(ledger, base, order, REPORT_STAGED, fleet->now_utc + took_s);
		if (!last)
			say(ledger, base, order, end_of(fleet, b, n), order->at_utc + 2 + b % 3);
	}
}

static void release_all(const Fleet *fleet, guint n)
{
	g_autoptr(GError) error = NULL;
	for (guint a = 0; a < fleet->apps; a++) {
		g_autofree char *app = app_name(a);
		g_free(push(fleet, app, n));
	}
	must(publish_worker(fleet->central, TRUE, NULL, &error), error);
	for (guint b = 0; b < fleet->bases; b++)
		report_all(fleet, b, n);
}

/* As `serve` notes the last contact; a silent base was not heard for most of the day. */
static void contact(const Fleet *fleet, guint b)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *base = base_name(b);
	g_autofree char *path = g_strconcat("contacts/", base, NULL);
	g_autoptr(UtilTrailers) text = util_trailers_new();
	util_trailers_add_time(text, "Time",
			       fleet->now_utc + (b == 2 ? 2 * HOUR_S : DAY_S + HOUR_S - b % 50));
	util_trailers_add(text, "Software", TAGSHIP_SOFTWARE);
	util_trailers_add(text, "Features", "landlock=4 openat2 reflink");
	util_trailers_add_int(text, "Disk-Free-Bytes", 7000000000 + (gint64)b * 123456789);
	util_trailers_add_int(text, "Line-Kbit", 900 + b % 90);
	util_trailers_add_int(text, "Line-Rtt-Ms", 20 + b % 200);
	util_trailers_add_int(text, "Clock-Offset-S", 0);
	util_trailers_add_int(text, "Clock-Offset-Ms", b == 3 ? -4200 : (gint64)(b % 40) - 20);
	if (b == 4)
		util_trailers_add(text, "Held", "shop the database moves tonight");
	g_autofree char *formatted = util_trailers_format(text);
	must(util_fs_write_file(fleet->central->dirfd, path, formatted, strlen(formatted), 0644,
				&error),
	     error);
}

static guint count_of(const char *word)
{
	guint64 count = 0;
	must(util_text_parse_count(word, 100000, &count) && count > 0, NULL);
	return (guint)count;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		g_printerr("usage: fleet STATE BASES APPS RELEASES\n");
		return 2;
	}
	Fleet fleet = {.state = argv[1],
		       .bases = count_of(argv[2]),
		       .apps = count_of(argv[3]),
		       .releases = count_of(argv[4])};
	make_central(&fleet);
	for (guint n = 0; n < fleet.releases; n++)
		release_all(&fleet, n);
	for (guint b = 0; b < fleet.bases; b++)
		contact(&fleet, b);
	central_close(fleet.central);
	g_free(fleet.key);
	return 0;
}
