/* SPDX-License-Identifier: ISC */
/* A base's machine, and its contacts with central: as mirror, serve and cmd/tagship-base. */
#include "sim.h"

#define ANSWER_S 60
#define PULL_EVERY_S (2 * HOUR)

/* ---- its clock ---- */

static SimBase *base_of(UtilClock *clock)
{
	return (SimBase *)(gpointer)((char *)clock - G_STRUCT_OFFSET(SimBase, clock));
}

static gint64 clock_now_us(UtilClock *clock)
{
	const SimBase *base = base_of(clock);
	return base->sim->now_utc * G_USEC_PER_SEC + base->off_us;
}

static gint64 clock_boot_us(UtilClock *clock)
{
	const SimBase *base = base_of(clock);
	return (base->sim->now_utc - base->booted_utc) * G_USEC_PER_SEC;
}

static guint32 clock_random(UtilClock *clock)
{
	return (guint32)sim_random(base_of(clock)->sim);
}

static char *clock_boot_id(UtilClock *clock)
{
	return g_strdup_printf("%u", base_of(clock)->boots);
}

gint64 base_wall_utc(const SimBase *base)
{
	return base->sim->now_utc + base->off_us / G_USEC_PER_SEC;
}

static void take_note(SimBase *base, StoreClockNote *note)
{
	store_clock_note_clear(&base->note);
	base->note = *note;
	base->noted_clock = TRUE;
}

static const StoreClockNote *note_of(const SimBase *base)
{
	return base->noted_clock ? &base->note : NULL;
}

void base_confirm_clock(SimBase *base)
{
	StoreClockNote note;
	store_clock_agreed(&base->clock, base_orders_utc(base), &note);
	take_note(base, &note);
}

gint64 base_orders_utc(const SimBase *base)
{
	gint64 utc = 0;
	for (guint i = 0; i < base->apps->len; i++)
		utc = MAX(utc, ((const SimApp *)base->apps->pdata[i])->orders_utc);
	return utc;
}

/* ---- life ---- */

SimApp *base_app(const SimBase *base, const char *name)
{
	for (guint i = 0; i < base->apps->len; i++)
		if (strcmp(((SimApp *)base->apps->pdata[i])->name, name) == 0)
			return base->apps->pdata[i];
	return NULL;
}

static void tree_free(gpointer data)
{
	SimTree *tree = data;
	g_free(tree->name);
	g_free(tree->root);
	g_free(tree->version);
	g_free(tree);
}

static void app_empty(SimApp *app)
{
	app->journal = g_ptr_array_new_with_free_func((GDestroyNotify)util_trailers_free);
	app->trees = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, tree_free);
	app->knows = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	app->home = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	app->lived = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	app->staged = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	app->overtaken = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	app->was_good = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	app->noted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
}

static void app_clear(SimApp *app)
{
	app_close(app);
	g_ptr_array_unref(app->journal);
	g_clear_pointer(&app->accepted_text, g_free);
	g_hash_table_unref(app->trees);
	g_clear_pointer(&app->current, g_free);
	g_clear_pointer(&app->running, g_free);
	g_hash_table_unref(app->home);
	g_hash_table_unref(app->knows);
	g_hash_table_unref(app->lived);
	g_hash_table_unref(app->staged);
	g_hash_table_unref(app->overtaken);
	g_hash_table_unref(app->was_good);
	g_hash_table_unref(app->noted);
}

static void app_free(gpointer app)
{
	app_clear(app);
	g_free(app);
}

static void give_commands(Sim *sim, SimApp *app)
{
	app->has.stop = TRUE;
	app->has.health = TRUE;
	app->has.migrate = sim_chance(sim, 500);
	app->has.unmigrate = app->has.migrate && sim_chance(sim, 500);
	app->has.before = sim_chance(sim, 300);
	app->has.lead_s = app->has.before ? sim_between(sim, 0, 600) : 0;
}

SimBase *base_new(Sim *sim, guint index)
{
	SimBase *base = g_new0(SimBase, 1);
	base->sim = sim;
	base->index = index;
	base->name = g_strdup_printf("base%u", index);
	base->incarnation = 1;
	base->clock = (UtilClock){clock_now_us, clock_boot_us, clock_random, clock_boot_id};
	base->booted_utc = sim->now_utc;
	base->up = TRUE;
	base->line_kbit = 1000;
	base->pending = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	base->reported = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	base->confirmed = g_ptr_array_new_with_free_func(g_free);
	base->asked = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	base->apps = g_ptr_array_new_with_free_func(app_free);
	for (guint i = 0; i < sim->app_names->len; i++) {
		if (!sim->options.growth && i > 0 && sim_chance(sim, 300))
			continue;
		if (sim->options.growth && (index + i) % 10 != 0)
			continue;
		SimApp *app = g_new0(SimApp, 1);
		app->base = base;
		app->name = sim->app_names->pdata[i];
		app_empty(app);
		give_commands(sim, app);
		g_ptr_array_add(base->apps, app);
	}
	return base;
}

void base_free(gpointer data)
{
	SimBase *base = data;
	g_ptr_array_unref(base->apps);
	g_hash_table_unref(base->pending);
	g_hash_table_unref(base->reported);
	g_ptr_array_unref(base->confirmed);
	g_hash_table_unref(base->asked);
	store_clock_note_clear(&base->note);
	g_free(base->name);
	g_free(base);
}

void base_boot(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	if (base->up || GPOINTER_TO_UINT(data) != base->run)
		return;
	base->up = TRUE;
	base->next_pull_utc = 0;
	g_hash_table_remove_all(base->asked);
	for (guint i = 0; i < base->apps->len; i++) {
		SimApp *app = base->apps->pdata[i];
		app_close(app);
		app->busy_until = app->spent_s = 0;
		app_look_in(app, sim_between(sim, 0, 5));
	}
	base_pull_in(base, sim_between(sim, 0, 30));
}

/* What is known in memory goes when it starts again: those who are asked to return may look. */
void base_kill(SimBase *base)
{
	Sim *sim = base->sim;
	gint64 spent = 0;
	if (!base->up)
		return;
	sim_say(sim, base->name, "killed");
	for (guint i = 0; i < base->apps->len; i++)
		spent = MAX(spent, ((SimApp *)base->apps->pdata[i])->spent_s);
	base->up = FALSE;
	base->run++;
	sim_at(sim, sim->now_utc + spent + sim_between(sim, 1, sim_chance(sim, 100) ? HOUR : 60),
	       base_boot, base, GUINT_TO_POINTER(base->run), NULL);
}

gboolean base_lives(SimBase *base)
{
	if (!base->up)
		return FALSE;
	if (!sim_killed(base->sim, base->sim->kill_per_mille))
		return TRUE;
	base_kill(base);
	return FALSE;
}

/* The machine: its clock may come back wrong. */
void base_reboot(SimBase *base, gint64 off_us, gint64 asleep_s)
{
	Sim *sim = base->sim;
	if (!base->up)
		return;
	base_kill(base);
	base->run++; /* the boot that was scheduled is void */
	base->boots++;
	base->booted_utc = sim->now_utc + asleep_s;
	base->off_us = off_us;
	sim_say(sim, base->name,
		"off for %" G_GINT64_FORMAT " s, its clock is then %+" G_GINT64_FORMAT " s off",
		asleep_s, off_us / G_USEC_PER_SEC);
	sim_at(sim, sim->now_utc + asleep_s, base_boot, base, GUINT_TO_POINTER(base->run), NULL);
}

/* New hardware: nothing is left but its name. */
void base_replace(SimBase *base)
{
	Sim *sim = base->sim;
	if (!sim->central.up)
		return;
	base_kill(base);
	sim_say(sim, base->name, "is replaced");
	sim->counts.replaced++;
	base->incarnation++;
	base->boots++;
	base->booted_utc = sim->now_utc;
	base->off_us = 0;
	base->was_replaced = TRUE;
	base->accepted = base->written = NULL;
	base->noted_clock = base->line_failed = FALSE;
	store_clock_note_clear(&base->note);
	base->good_utc = 0;
	g_hash_table_remove_all(base->pending);
	g_hash_table_remove_all(base->reported);
	g_ptr_array_set_size(base->confirmed, 0);
	for (guint i = 0; i < base->apps->len; i++) {
		SimApp *app = base->apps->pdata[i];
		const SimCommands has = app->has;
		const char *name = app->name;
		guint look = app->look;
		app_clear(app);
		*app = (SimApp){.base = base, .name = name, .has = has, .look = look + 1};
		app_empty(app);
		central_settle(sim, app->name, base->index);
	}
}

/* ---- contact ---- */

typedef struct {
	const SimEntry *head;
	guint token;
	gint64 incarnation, central_utc;
	const SimReport *reports_head;
	guint looked_for; /* reports */
	gboolean reports_lost;
} Hello;

static gpointer copy_hello(gconstpointer hello)
{
	return g_memdup2(hello, sizeof(Hello));
}

typedef struct {
	char *key, *text;
	gint64 incarnation;
} Said;

static void said_free(gpointer data)
{
	Said *said = data;
	g_free(said->key);
	g_free(said->text);
	g_free(said);
}

static gpointer copy_said(gconstpointer data)
{
	const Said *said = data;
	Said *copy = g_new(Said, 1);
	*copy = (Said){g_strdup(said->key), g_strdup(said->text), said->incarnation};
	return copy;
}

void base_pull_in(SimBase *base, gint64 in_s)
{
	gint64 utc = base->sim->now_utc + in_s;
	if (!base->up || (base->next_pull_utc > 0 && base->next_pull_utc <= utc))
		return;
	base->next_pull_utc = utc;
	sim_at(base->sim, utc, base_pull, base, GUINT_TO_POINTER(base->run), NULL);
}

/* The watch tells, if it is there. */
void base_news(SimBase *base)
{
	if (sim_line_is_up(base) && (base->sim->calm || !sim_chance(base->sim, 40)))
		base_pull_in(base, sim_between(base->sim, 0, 5));
}

static void look_at_all(SimBase *base)
{
	for (guint i = 0; i < base->apps->len; i++)
		app_look_in(base->apps->pdata[i], 0);
}

static void contact_failed(SimBase *base)
{
	if (!base->line_failed)
		look_at_all(base);
	base->line_failed = TRUE;
}

static void no_answer(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	if (!base->up || base->answered || GPOINTER_TO_UINT(data) != base->hello)
		return;
	contact_failed(base);
	base_pull_in(base, sim_between(sim, 30, 300));
}

static void central_gets_hello(Sim *sim, gpointer who, gpointer data);

/* When it wants to have heard of central, beside every now and then: a base without a watch asks
 * often enough. */
static gint64 next_pull_s(SimBase *base)
{
	gint64 next = PULL_EVERY_S;
	for (guint i = 0; i < base->apps->len; i++) {
		const SimApp *app = base->apps->pdata[i];
		const GPtrArray *orders = app->state ? decide_app_orders(app->state) : NULL;
		for (guint n = 0; orders && n < orders->len; n++) {
			const DecideOrder *order = orders->pdata[n];
			gint64 in_s = order->order->gate_at_utc - base->sim->now_utc;
			if (!order_state_ended(order->state) && in_s > 0)
				next = MIN(next, in_s + sim_between(base->sim, 1, 120));
		}
	}
	return next;
}

void base_pull(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	StoreClockNote note;
	if (!base->up || GPOINTER_TO_UINT(data) != base->run ||
	    base->next_pull_utc > sim->now_utc || base->next_pull_utc == 0)
		return;
	base->next_pull_utc = 0;
	if (store_clock_kept(note_of(base), &base->clock, FALSE, &note))
		take_note(base, &note);
	if (!sim_line_is_up(base)) {
		contact_failed(base);
		base_pull_in(base, MIN(base->line_down_until - sim->now_utc,
				       sim_between(sim, 60, PULL_EVERY_S)));
		return;
	}
	Hello *hello = g_new0(Hello, 1);
	*hello = (Hello){
	    .head = base->accepted, .token = ++base->hello, .incarnation = base->incarnation};
	base->answered = FALSE;
	sim_at(sim, sim->now_utc + ANSWER_S, no_answer, base, GUINT_TO_POINTER(base->hello), NULL);
	sim_send(sim, base, central_gets_hello, base, hello, copy_hello, g_free);
	base_pull_in(base, next_pull_s(base));
}

/* ---- accepting ---- */

/* The text of its file; NULL: it has no orders. */
static char *text_for(GHashTable *folded, GHashTable *stops, SimApp *app)
{
	g_autoptr(GPtrArray) orders =
	    g_ptr_array_new_with_free_func((GDestroyNotify)accepted_order_free);
	GHashTableIter iter;
	gpointer value = NULL;
	app->orders_utc = 0;
	g_hash_table_iter_init(&iter, folded);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const LedgerOrder *from = value;
		if (strcmp(from->order->app, app->name) != 0)
			continue;
		g_ptr_array_add(orders, ledger_order_accepted(from));
		app->orders_utc = MAX(app->orders_utc, from->order->written_utc);
	}
	if (orders->len == 0)
		return NULL;
	const LedgerStop *stopped = ledger_stop_of(stops, app->name);
	AcceptedStop stop = {stopped ? stopped->seq : 0, stopped ? stopped->reason : NULL};
	g_ptr_array_sort(orders, accepted_compare_seq);
	return accepted_format(orders, &stop);
}

/* FALSE: killed. Who is busy gets it later. */
static gboolean write_files(SimBase *base)
{
	gboolean all = TRUE;
	if (base->written == base->accepted)
		return TRUE;
	g_autoptr(GPtrArray) entries = sim_entries(base->accepted);
	g_autoptr(GHashTable) folded = ledger_fold(entries);
	g_autoptr(GHashTable) stops = ledger_stops(entries);
	for (guint i = 0; i < base->apps->len; i++) {
		SimApp *app = base->apps->pdata[i];
		gint64 orders_utc = app->orders_utc;
		g_autofree char *text = text_for(folded, stops, app);
		if (!text || g_strcmp0(text, app->accepted_text) == 0)
			continue;
		if (app->busy_until > base->sim->now_utc) {
			app->orders_utc = orders_utc;
			all = FALSE;
			base_pull_in(base, app->busy_until - base->sim->now_utc);
			continue;
		}
		if (!base_lives(base))
			return FALSE;
		g_free(app->accepted_text);
		app->accepted_text = g_steal_pointer(&text);
		app_close(app);
		app_look_in(app, 0);
	}
	if (all)
		base->written = base->accepted;
	return TRUE;
}

static gboolean accept_head(SimBase *base, const SimEntry *head)
{
	if (head && head != base->accepted && sim_entry_has(head, base->accepted)) {
		laws_accept(base, head);
		if (!base_lives(base))
			return FALSE;
		base->accepted = head;
	}
	return write_files(base);
}

/* ---- reports ---- */

static gint oldest_first(gconstpointer a, gconstpointer b)
{
	const SimReport *x = *(SimReport *const *)a, *y = *(SimReport *const *)b;
	const Report *one = x->report, *two = y->report;
	if (one->event_utc != two->event_utc)
		return one->event_utc < two->event_utc ? -1 : 1;
	if (one->seq != two->seq)
		return one->seq < two->seq ? -1 : 1;
	if (one->round != two->round)
		return one->round < two->round ? -1 : 1;
	if (report_event_ends(one->event) != report_event_ends(two->event))
		return report_event_ends(one->event) ? 1 : -1;
	return strcmp(x->key, y->key);
}

static void pending_free(gpointer data)
{
	SimReport *pending = data;
	report_free(pending->report);
	g_free(pending->key);
	g_free(pending);
}

static GPtrArray *pending_list(SimBase *base)
{
	GPtrArray *all = g_ptr_array_new_with_free_func(pending_free);
	GHashTableIter iter;
	gpointer key = NULL, text = NULL;
	g_hash_table_iter_init(&iter, base->pending);
	while (g_hash_table_iter_next(&iter, &key, &text)) {
		SimReport *pending = g_new0(SimReport, 1);
		pending->key = g_strdup(key);
		pending->report = report_parse(text, strlen(text), NULL);
		g_ptr_array_add(all, pending);
	}
	g_ptr_array_sort(all, oldest_first);
	return all;
}

static void central_gets_report(Sim *sim, gpointer who, gpointer data);

/* One after the other: the next goes when central has the one before. */
static void deliver(SimBase *base)
{
	if (g_hash_table_size(base->pending) == 0 || !sim_line_is_up(base))
		return;
	g_autoptr(GPtrArray) all = pending_list(base);
	for (guint i = 0; i < all->len; i++) {
		const SimReport *pending = all->pdata[i];
		const SimApp *app = base_app(base, pending->report->app);
		if (!app || app->busy_until > base->sim->now_utc)
			continue;
		Said *said = g_new0(Said, 1);
		*said = (Said){g_strdup(pending->key),
			       g_strdup(g_hash_table_lookup(base->pending, pending->key)),
			       base->incarnation};
		sim_send(base->sim, base, central_gets_report, base, said, copy_said, said_free);
		return;
	}
}

static void base_gets_receipt(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	const Said *said = data;
	(void)sim;
	const char *text = g_hash_table_lookup(base->pending, said->key);
	if (!base->up || said->incarnation != base->incarnation || !text)
		return;
	g_autoptr(Report) report = report_parse(text, strlen(text), NULL);
	SimApp *app = base_app(base, report->app);
	if (!app || app->busy_until > base->sim->now_utc) {
		base_pull_in(base, 30);
		return;
	}
	g_autoptr(UtilTrailers) record = app_event("reported", NULL, NULL);
	util_trailers_add(record, "Key", said->key);
	util_trailers_add(record, "Commit", "0");
	if (!app_open(app) || !app_record(app, record))
		return;
	g_ptr_array_add(base->confirmed, g_strdup(said->key));
	g_hash_table_replace(base->reported, g_strdup(said->key), g_strdup(text));
	(void)g_hash_table_remove(base->pending, said->key);
	deliver(base);
}

static void central_gets_report(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	const Said *said = data;
	SimState *disk = &sim->central.disk;
	if (!sim->central.up || said->incarnation != base->incarnation)
		return; /* the key of an earlier one is not known any more */
	const SimReport *there = sim_report_find(disk->reports[base->index], said->key);
	if (!there) {
		disk->reports[base->index] =
		    sim_report_new(sim, disk->reports[base->index], said->text);
		sim->counts.reports++;
		sim_say(sim, "central", "report of %s: %s", base->name, said->key);
		central_add_hint(sim, sim_hint_new(HINT_REPORT));
	}
	g_autofree char *before = there ? report_format(there->report) : NULL;
	if (before && strcmp(before, said->text) != 0)
		sim_broken(sim, LAW_REPORT, "%s of %s has two texts", said->key, base->name);
	Said *receipt = copy_said(said);
	sim_send(sim, base, base_gets_receipt, base, receipt, copy_said, said_free);
}

/* ---- what was lost ---- */

static void central_gets_ledger(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	const Hello *given = data;
	const SimEntry **orders = &sim->central.disk.orders[base->index];
	if (!sim->central.up || given->incarnation != base->incarnation)
		return;
	if (!sim_entry_has(*orders, given->head))
		*orders = given->head;
	sim_say(sim, "central", "is given the ledger of %s", base->name);
	sim->counts.give++;
	central_add_hint(sim, sim_hint_new(HINT_GIVEN));
	base_news(base);
}

static void give(SimBase *base)
{
	Hello *given = g_new0(Hello, 1);
	*given =
	    (Hello){.head = base->accepted, .token = base->hello, .incarnation = base->incarnation};
	sim_send(base->sim, base, central_gets_ledger, base, given, copy_hello, g_free);
	base_pull_in(base, 30);
}

/* ---- the answer ---- */

static void tell_clock(SimBase *base, const Hello *answer)
{
	StoreClockNote note;
	gint64 offset_ms = (base_wall_utc(base) - answer->central_utc) * 1000;
	if (store_clock_told(note_of(base), &base->clock, offset_ms, base_orders_utc(base), &note))
		take_note(base, &note);
}

static void send_again(SimBase *base)
{
	GHashTableIter iter;
	gpointer key = NULL, text = NULL;
	sim_say(base->sim, base->name, "sends %u reports again", g_hash_table_size(base->reported));
	g_hash_table_iter_init(&iter, base->reported);
	while (g_hash_table_iter_next(&iter, &key, &text)) {
		g_hash_table_iter_steal(&iter);
		g_hash_table_replace(base->pending, key, text);
	}
}

static void look_at_reports(SimBase *base, const Hello *answer)
{
	if (answer->reports_lost)
		send_again(base);
	g_ptr_array_remove_range(base->confirmed, 0, answer->looked_for);
	if (answer->reports_head)
		g_ptr_array_insert(base->confirmed, 0, g_strdup(answer->reports_head->key));
}

static void base_gets_answer(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	const Hello *answer = data;
	(void)sim;
	if (!base->up || base->answered || answer->token != base->hello ||
	    answer->incarnation != base->incarnation)
		return;
	base->answered = TRUE;
	look_at_reports(base, answer);
	gboolean lost = base->accepted && !sim_entry_has(answer->head, base->accepted);
	if (lost)
		give(base);
	if (!accept_head(base, lost ? NULL : answer->head))
		return;
	base->line_failed = FALSE;
	base->good_utc = base_wall_utc(base);
	tell_clock(base, answer);
	look_at_all(base);
	for (guint i = 0; i < base->apps->len && base->up; i++)
		stage_app(base->apps->pdata[i]);
	if (base->up)
		deliver(base);
}

static void central_gets_hello(Sim *sim, gpointer who, gpointer data)
{
	SimBase *base = who;
	const Hello *hello = data;
	if (!sim->central.up || hello->incarnation != base->incarnation)
		return;
	Hello *answer = copy_hello(hello);
	answer->head = sim->central.disk.orders[base->index];
	answer->central_utc = sim->now_utc;
	answer->reports_head = sim->central.disk.reports[base->index];
	answer->looked_for = base->confirmed->len;
	for (guint i = 0; i < base->confirmed->len; i++)
		answer->reports_lost |=
		    !sim_report_find(answer->reports_head, base->confirmed->pdata[i]);
	sim_send(sim, base, base_gets_answer, base, answer, copy_hello, g_free);
}
