/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define LIST_MAX_BYTES (1024 * 1024)
#define ZONE_FILE_MAX_BYTES (256 * 1024)

struct PlanZones {
	char *dir; /* absolute: GLib takes a relative name for one of its own folder */
	GHashTable *names;
	GPtrArray *list;  /* borrows from names; NULL-terminated */
	GHashTable *open; /* name → Zone */
};

typedef struct {
	GTimeZone *tz;
	gint64 misread_from_utc; /* G_MAXINT64: never */
} Zone;

static void zone_free(gpointer data)
{
	Zone *zone = data;
	g_time_zone_unref(zone->tz);
	g_free(zone);
}

/* `name` has been found in the list. */
static Zone *zone_open(PlanZones *zones, const char *name, GError **error)
{
	Zone *zone = g_hash_table_lookup(zones->open, name);
	if (zone)
		return zone;
	g_autofree char *path = g_build_filename(zones->dir, name, NULL);
	g_autofree char *data = NULL;
	gsize len = 0;
	gint64 misread_from_utc = 0;
	gboolean sound = g_file_get_contents(path, &data, &len, NULL) &&
			 len <= ZONE_FILE_MAX_BYTES &&
			 plan_tzif_check(data, len, &misread_from_utc);
	g_autoptr(GTimeZone) tz = sound ? g_time_zone_new_identifier(path) : NULL;
	if (!tz) {
		util_error_set(
		    error, TS_ERROR_REFUSED,
		    "the time zone %s is listed in %s/tzdata.zi, but its file there is "
		    "missing or damaged; install the whole of tzdata (on newer Debian old "
		    "names are in tzdata-legacy)",
		    name, zones->dir);
		return NULL;
	}
	zone = g_new0(Zone, 1);
	zone->tz = g_steal_pointer(&tz);
	zone->misread_from_utc = misread_from_utc;
	g_hash_table_insert(zones->open, g_strdup(name), zone);
	return zone;
}

/* "Z NAME rules…" and "L TARGET NAME"; all other lines belong to rules. */
static void take_list(PlanZones *zones, const char *text)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		const char *name = line[0] == 'Z' || line[0] == 'L' ? line + 1 : NULL;
		if (name && line[0] == 'L' && *name == ' ')
			name += 1 + strcspn(name + 1, " \n");
		if (!name || *name != ' ')
			continue;
		gsize len = strcspn(++name, " \n");
		g_autofree char *copy = g_strndup(name, len);
		/* once: adding it again would free the name that the list has */
		if (len == 0 || g_hash_table_contains(zones->names, copy))
			continue;
		g_ptr_array_add(zones->list, copy);
		g_hash_table_add(zones->names, g_steal_pointer(&copy));
	}
	g_ptr_array_add(zones->list, NULL);
}

PlanZones *plan_zones_load(const char *zone_dir, GError **error)
{
	g_autofree char *path = g_build_filename(zone_dir, "tzdata.zi", NULL);
	g_autofree char *text = NULL;
	if (!util_fs_read_file(AT_FDCWD, path, LIST_MAX_BYTES, &text, NULL, error)) {
		g_prefix_error(error, "cannot read the list of time zones (install tzdata, or set "
				      "zone_dir to the folder that has it): ");
		return NULL;
	}
	PlanZones *zones = g_new0(PlanZones, 1);
	zones->dir = g_canonicalize_filename(zone_dir, NULL);
	zones->names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	zones->open = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, zone_free);
	zones->list = g_ptr_array_new();
	take_list(zones, text);
	return zones;
}

void plan_zones_free(PlanZones *zones)
{
	if (!zones)
		return;
	g_hash_table_unref(zones->open);
	g_ptr_array_unref(zones->list);
	g_hash_table_unref(zones->names);
	g_free(zones->dir);
	g_free(zones);
}

/* The nearest name, by the whole or by the city alone; NULL for none. Nothing is guessed from an
 * abbreviation: CST is one in Shanghai, Chicago and Havana, and none of them is CET. */
static const char *nearest_zone(const PlanZones *zones, const char *zone)
{
	const char *const *names = (const char *const *)zones->list->pdata;
	const char *city = strrchr(zone, '/');
	const char *nearest = city || strlen(zone) > 5 ? util_text_nearest(zone, names) : NULL;
	g_autofree char *word = g_strdelimit(g_strdup(city ? city + 1 : zone), " ", '_');
	for (guint i = 0; !nearest && names[i]; i++) {
		const char *slash = strrchr(names[i], '/');
		if (slash && g_ascii_strcasecmp(slash + 1, word) == 0)
			nearest = names[i];
	}
	return nearest;
}

gboolean plan_zones_check(const PlanZones *zones, const char *zone, GError **error)
{
	if (g_hash_table_contains(zones->names, zone))
		return TRUE;
	g_autofree char *shown = plan_show(zone);
	const char *nearest = nearest_zone(zones, zone);
	g_autofree char *hint = nearest ? g_strdup_printf("did you mean %s?", nearest)
					: g_strdup("name one like Asia/Shanghai");
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s is no time zone listed in %s/tzdata.zi; %s", shown, zones->dir,
			      hint);
}

/* The first second in (from, to] that lies in a later interval than `interval`. */
static gint64 interval_end(GTimeZone *tz, int interval, gint64 from, gint64 to)
{
	while (to - from > 1) {
		gint64 middle = from + (to - from) / 2;
		if (g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, middle) > interval)
			to = middle;
		else
			from = middle;
	}
	return to;
}

/* Walks the intervals around the time: it exists once in each whose own offset places it there. */
static void find_instants(GTimeZone *tz, gint64 local_s, PlanInstants *ret_instants)
{
	gint64 start = local_s - PLAN_WINDOW_S, end = local_s + PLAN_WINDOW_S;
	int interval = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, start);
	int last = g_time_zone_find_interval(tz, G_TIME_TYPE_UNIVERSAL, end);
	PlanInstants found = {0};
	gint64 before = 0; /* the time by the offset of the interval before */
	for (gint64 from = start; interval <= last; interval++) {
		gint32 off = g_time_zone_get_offset(tz, interval);
		gint64 to = interval == last ? end + 1 : interval_end(tz, interval, from, end);
		gint64 utc = local_s - off;
		if (from != start && found.n == 0 && before >= from && utc < from) {
			/* neither side has it: a gap, unless a later interval has */
			found =
			    (PlanInstants){.utc = {utc, before}, .at_utc = from, .new_off = off};
			found.old_off = (gint32)(local_s - before);
			found.off[0] = found.old_off;
			found.off[1] = off;
		} else if (utc >= from && utc < to && found.n < 2) {
			found.utc[found.n] = utc;
			found.off[found.n++] = off;
			if (found.n == 2) {
				found.at_utc = from;
				found.old_off = found.off[0];
				found.new_off = off;
			}
		}
		before = utc;
		from = to;
	}
	*ret_instants = found;
}

static gboolean local_seconds(const PlanLocal *local, gint64 *ret_s)
{
	g_autoptr(GDateTime) time = g_date_time_new_utc(local->year, local->month, local->day,
							local->hour, local->minute, local->second);
	if (time)
		*ret_s = g_date_time_to_unix(time);
	return time != NULL;
}

gboolean plan_zones_instants(PlanZones *zones, const char *name, const PlanLocal *local,
			     PlanInstants *ret_instants, GError **error)
{
	gint64 local_s = 0;
	if (!plan_zones_check(zones, name, error))
		return FALSE;
	Zone *zone = zone_open(zones, name, error);
	if (!zone)
		return FALSE;
	if (!local_seconds(local, &local_s))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "there is no such date or time in any zone");
	if (local_s + PLAN_WINDOW_S >= zone->misread_from_utc)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "the clocks of %s cannot be told safely that far ahead; give "
				      "the time in UTC, as 2040-01-01T02:00Z",
				      name);
	find_instants(zone->tz, local_s, ret_instants);
	return TRUE;
}

/* NULL only for a time that no clock shows. */
static GDateTime *time_in(PlanZones *zones, const char *name, gint64 utc)
{
	Zone *zone = plan_zones_check(zones, name, NULL) ? zone_open(zones, name, NULL) : NULL;
	g_autoptr(GTimeZone) fallback = g_time_zone_new_utc();
	gboolean known = zone && utc < zone->misread_from_utc;
	g_autoptr(GDateTime) at_utc = g_date_time_new_from_unix_utc(utc);
	return at_utc ? g_date_time_to_timezone(at_utc, known ? zone->tz : fallback) : NULL;
}

gint32 plan_zones_offset(PlanZones *zones, const char *name, gint64 utc)
{
	g_autoptr(GDateTime) time = time_in(zones, name, utc);
	return time ? (gint32)(g_date_time_get_utc_offset(time) / G_USEC_PER_SEC) : 0;
}

char *plan_zones_format(PlanZones *zones, const char *name, gint64 utc)
{
	g_autoptr(GDateTime) time = time_in(zones, name, utc);
	return time ? g_date_time_format(time, "%Y-%m-%d %H:%M:%S %:z") : g_strdup("-");
}
