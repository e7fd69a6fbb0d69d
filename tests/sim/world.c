/* SPDX-License-Identifier: ISC */
/* Time, chance and the line. */
#include <glib/gstdio.h>
#include <stdio.h>
#include <unistd.h>

#include "sim.h"

#define EVENTS_MAX 2000000 /* more would be a mistake, not a long history */

typedef struct {
	gint64 utc;
	guint64 number;
	SimFunc func;
	gpointer who, data;
	GDestroyNotify free_data;
} Event;

/* ---- chance ---- */

guint64 sim_random(Sim *sim)
{
	/* splitmix64 */
	guint64 z = (sim->state += G_GUINT64_CONSTANT(0x9e3779b97f4a7c15));
	z = (z ^ (z >> 30)) * G_GUINT64_CONSTANT(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * G_GUINT64_CONSTANT(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

guint sim_below(Sim *sim, guint n)
{
	return (guint)(sim_random(sim) % n);
}

gboolean sim_chance(Sim *sim, guint per_mille)
{
	return sim_below(sim, 1000) < per_mille;
}

gint64 sim_between(Sim *sim, gint64 from, gint64 to)
{
	return from + (gint64)(sim_random(sim) % (guint64)(to - from + 1));
}

void sim_hex(Sim *sim, char *ret, guint digits)
{
	for (guint i = 0; i < digits; i++)
		ret[i] = "0123456789abcdef"[sim_below(sim, 16)];
	ret[digits] = '\0';
}

gboolean sim_killed(Sim *sim, guint per_mille)
{
	if (sim->calm || sim->options.growth || !sim_chance(sim, per_mille))
		return FALSE;
	sim->counts.kills++;
	return TRUE;
}

/* ---- said ---- */

void sim_say(Sim *sim, const char *who, const char *format, ...)
{
	if (!sim->options.verbose)
		return;
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	g_autofree char *when = util_time_format_utc(sim->now_utc);
	g_print("%s %-8s %s\n", when, who, text);
}

void sim_broken(Sim *sim, SimLaw law, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	g_autofree char *text = g_strdup_vprintf(format, args);
	va_end(args);
	sim_say(sim, "LAW", "%s: %s", sim_law_name(law), text);
	if (sim->broken)
		return;
	sim->broken = law;
	sim->why = g_steal_pointer(&text);
	sim->broken_utc = sim->now_utc;
}

/* ---- time ---- */

static gboolean is_before(const Event *a, const Event *b)
{
	return a->utc != b->utc ? a->utc < b->utc : a->number < b->number;
}

static void swap(GArray *heap, guint a, guint b)
{
	Event event = g_array_index(heap, Event, a);
	g_array_index(heap, Event, a) = g_array_index(heap, Event, b);
	g_array_index(heap, Event, b) = event;
}

void sim_at(Sim *sim, gint64 utc, SimFunc func, gpointer who, gpointer data,
	    GDestroyNotify free_data)
{
	const Event event = {MAX(utc, sim->now_utc), sim->scheduled++, func, who, data, free_data};
	g_array_append_val(sim->heap, event);
	for (guint i = sim->heap->len - 1; i > 0;) {
		guint above = (i - 1) / 2;
		if (!is_before(&g_array_index(sim->heap, Event, i),
			       &g_array_index(sim->heap, Event, above)))
			break;
		swap(sim->heap, i, above);
		i = above;
	}
}

static Event take_event(GArray *heap)
{
	Event first = g_array_index(heap, Event, 0);
	swap(heap, 0, heap->len - 1);
	g_array_set_size(heap, heap->len - 1);
	for (guint i = 0;;) {
		guint least = i;
		for (guint below = 2 * i + 1; below <= 2 * i + 2 && below < heap->len; below++)
			if (is_before(&g_array_index(heap, Event, below),
				      &g_array_index(heap, Event, least)))
				least = below;
		if (least == i)
			return first;
		swap(heap, i, least);
		i = least;
	}
}

static void event_free_data(const Event *event)
{
	if (event->free_data)
		event->free_data(event->data);
}

static void run_until(Sim *sim, gint64 until_utc)
{
	while (!sim->broken && sim->heap->len > 0 &&
	       g_array_index(sim->heap, Event, 0).utc <= until_utc) {
		Event event = take_event(sim->heap);
		sim->now_utc = event.utc;
		event.func(sim, event.who, event.data);
		event_free_data(&event);
		if (++sim->counts.events > EVENTS_MAX && !sim->options.growth)
			sim_broken(sim, LAW_ENDS, "there is no end of events");
	}
	if (!sim->broken)
		sim->now_utc = until_utc;
}

/* ---- the line ---- */

gboolean sim_line_is_up(const SimBase *base)
{
	return base->up && base->sim->now_utc >= base->line_down_until;
}

void sim_send(Sim *sim, SimBase *base, SimFunc func, gpointer who, gpointer data,
	      gpointer (*copy)(gconstpointer data), GDestroyNotify free_data)
{
	gboolean stormy = !sim->calm && !sim->options.growth;
	sim->counts.messages++;
	if (!sim_line_is_up(base) || (stormy && sim_chance(sim, 40))) {
		if (free_data)
			free_data(data);
		return;
	}
	gint64 late = stormy && sim_chance(sim, 50) ? sim_between(sim, 10, 600) : 0;
	if (stormy && sim_chance(sim, 50))
		sim_at(sim, sim->now_utc + sim_between(sim, 0, 900), func, who,
		       copy ? copy(data) : data, free_data);
	sim_at(sim, sim->now_utc + late + sim_between(sim, 0, 2), func, who, data, free_data);
}

/* ---- a history ---- */

static char *zone_dir;
static GPtrArray *held_zones; /* GLib reads a zone again that nobody holds */

void sim_zones_begin(void)
{
	static const char list[] = "# version 2026a\nZ Asia/Shanghai 8 - CST\n"
				   "Z Europe/Berlin 1 E CE%sT\nZ America/Sao_Paulo -3 - -03\n"
				   "Z Etc/UTC 0 - UTC\n";
	static const char *const zones[] = {"Asia/Shanghai", "Europe/Berlin", "America/Sao_Paulo",
					    "Etc/UTC"};
	static const char *const areas[] = {"Asia", "Europe", "America", "Etc"};
	g_autofree char *path = NULL;
	zone_dir = g_dir_make_tmp("tagship-sim-XXXXXX", NULL);
	g_assert_nonnull(zone_dir);
	path = g_build_filename(zone_dir, "tzdata.zi", NULL);
	g_assert_true(g_file_set_contents(path, list, -1, NULL));
	for (guint i = 0; i < G_N_ELEMENTS(areas); i++) {
		g_autofree char *from = g_build_filename("/usr/share/zoneinfo", areas[i], NULL);
		g_autofree char *to = g_build_filename(zone_dir, areas[i], NULL);
		g_assert_cmpint(symlink(from, to), ==, 0);
	}
	held_zones = g_ptr_array_new_with_free_func((GDestroyNotify)g_time_zone_unref);
	for (guint i = 0; i < G_N_ELEMENTS(zones); i++) {
		g_autofree char *file = g_build_filename(zone_dir, zones[i], NULL);
		g_ptr_array_add(held_zones, g_time_zone_new_identifier(file));
	}
}

void sim_zones_end(void)
{
	(void)util_fs_remove_tree(AT_FDCWD, zone_dir, NULL); /* it is in TMPDIR */
	g_clear_pointer(&held_zones, g_ptr_array_unref);
	g_clear_pointer(&zone_dir, g_free);
}

const char *sim_zone_dir(void)
{
	return zone_dir;
}

static void tag_free(gpointer data)
{
	SimTag *tag = data;
	g_free(tag->oid);
	g_free(tag->app);
	g_free(tag->name);
	g_free(tag->message);
	g_free(tag->commit);
	g_free(tag->who);
	g_free(tag);
}

static void entry_free(gpointer data)
{
	SimEntry *entry = data;
	order_free(entry->entry.order);
	g_free(entry);
}

static void decision_free(gpointer data)
{
	SimDecision *decision = data;
	util_trailers_free(decision->text);
	g_free(decision->decision);
	g_free(decision);
}

static void report_entry_free(gpointer data)
{
	SimReport *report = data;
	report_free(report->report);
	g_free(report->key);
	g_free(report);
}

Sim *sim_new(guint64 seed, const SimOptions *options)
{
	Sim *sim = g_new0(Sim, 1);
	sim->seed = sim->state = seed;
	sim->options = *options;
	sim->heap = g_array_new(FALSE, FALSE, sizeof(Event));
	sim->bases = g_ptr_array_new_with_free_func(base_free);
	sim->app_names = g_ptr_array_new_with_free_func(g_free);
	sim->freezes = g_ptr_array_new_with_free_func((GDestroyNotify)plan_freeze_free);
	sim->refs = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	sim->deleted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	sim->resumed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	sim->sick = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	sim->tags = g_ptr_array_new_with_free_func(tag_free);
	sim->entries = g_ptr_array_new_with_free_func(entry_free);
	sim->decisions = g_ptr_array_new_with_free_func(decision_free);
	sim->reports = g_ptr_array_new_with_free_func(report_entry_free);
	sim->releases = g_ptr_array_new();
	gen_world(sim);
	central_begin(sim);
	return sim;
}

void sim_run(Sim *sim)
{
	gen_storm(sim);
	run_until(sim, sim->began_utc + sim->options.storm_s);
	if (sim->broken)
		return;
	sim->calm = TRUE;
	sim_say(sim, "sim", "---- calm ----");
	gen_calm(sim);
	/* `now` stands for a day, a grace and a gate for hours, after the last time of a plan */
	run_until(sim, sim->now_utc + 4 * DAY);
	if (!sim->broken)
		laws_end(sim);
}

void sim_free(Sim *sim)
{
	for (guint i = 0; i < sim->heap->len; i++)
		event_free_data(&g_array_index(sim->heap, Event, i));
	g_array_unref(sim->heap);
	sim_state_clear(&sim->central.disk);
	if (sim->central.has_backup)
		sim_state_clear(&sim->central.backup);
	for (guint i = 0; i < sim->bases->len; i++)
		sim_view_clear(&sim->central.views[i]);
	g_free(sim->central.views);
	g_hash_table_unref(sim->central.waiting);
	g_ptr_array_unref(sim->bases);
	g_ptr_array_unref(sim->app_names);
	g_ptr_array_unref(sim->freezes);
	g_free(sim->plan_bases);
	g_hash_table_unref(sim->refs);
	g_hash_table_unref(sim->deleted);
	g_hash_table_unref(sim->resumed);
	g_hash_table_unref(sim->sick);
	g_ptr_array_unref(sim->tags);
	g_ptr_array_unref(sim->entries);
	g_ptr_array_unref(sim->decisions);
	g_ptr_array_unref(sim->reports);
	g_ptr_array_unref(sim->releases);
	g_free(sim->why);
	g_free(sim);
}
