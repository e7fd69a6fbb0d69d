/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define LIST_MAX_BYTES (1024 * 1024)
#define ZONE_FILE_MAX_BYTES (256 * 1024)
/* UTC is at most 14 h off a clock; Pacific/Apia once left out 24 h; one to spare each way. */
#define WINDOW_S (26 * 3600)

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

/* The two forms of a POSIX zone rule with an explicit offset in summer. */
#define RULE_NAME "(?:<[^>]*>|[A-Za-z]+)"
#define RULE_OFFSET "([-+]?)([0-9]{1,3})(?::([0-9]{2}))?"

static gint64 rule_offset_s(GMatchInfo *match, int group)
{
	g_autofree char *sign = g_match_info_fetch(match, group);
	g_autofree char *hours = g_match_info_fetch(match, group + 1);
	g_autofree char *minutes = g_match_info_fetch(match, group + 2);
	gint64 s = g_ascii_strtoll(hours, NULL, 10) * 3600 +
		   (minutes ? g_ascii_strtoll(minutes, NULL, 10) * 60 : 0);
	return sign && sign[0] == '-' ? -s : s;
}

/* TRUE for a rule like Dublin's "IST-1GMT0,M10.5.0,M3.5.0/1", whose "summer" is behind its
 * standard time: GLib 2.74 is an hour off with those. */
static gboolean rule_is_negative(const char *rule)
{
	g_autoptr(GRegex) regex =
	    g_regex_new("^" RULE_NAME RULE_OFFSET RULE_NAME RULE_OFFSET ",", 0, 0, NULL);
	g_autoptr(GMatchInfo) match = NULL;
	g_assert(regex != NULL);
	if (!g_regex_match(regex, rule, 0, &match))
		return FALSE;
	/* POSIX counts west of Greenwich as positive */
	return rule_offset_s(match, 4) > rule_offset_s(match, 1);
}

static guint64 be_at(const guint8 *data, gsize bytes)
{
	guint64 value = 0;
	for (gsize i = 0; i < bytes; i++)
		value = value << 8 | data[i];
	return value;
}

/* Bytes of one block of a TZif file (RFC 8536) behind its 44-byte header. */
static guint64 tzif_block_bytes(const guint8 *header, guint time_bytes)
{
	guint64 isut = be_at(header + 20, 4), isstd = be_at(header + 24, 4);
	guint64 leap = be_at(header + 28, 4), times = be_at(header + 32, 4);
	guint64 types = be_at(header + 36, 4), chars = be_at(header + 40, 4);
	return times * (time_bytes + 1) + types * 6 + chars + leap * (time_bytes + 4) + isstd +
	       isut;
}

/* From when on GLib would follow a rule of the file's footer that it misreads. A file that is not
 * TZif 2 or later has no footer. */
static gint64 find_misread(const char *data, gsize len)
{
	enum { HEADER = 44 };
	const guint8 *bytes = (const guint8 *)data;
	if (len < HEADER || memcmp(data, "TZif", 4) != 0 || data[4] < '2')
		return G_MAXINT64;
	guint64 second = HEADER + tzif_block_bytes(bytes, 4);
	if (second + HEADER > len)
		return G_MAXINT64;
	guint64 footer = second + HEADER + tzif_block_bytes(bytes + second, 8);
	guint64 times = be_at(bytes + second + 32, 4);
	if (footer + 2 > len || data[footer] != '\n')
		return G_MAXINT64;
	if (!rule_is_negative(data + footer + 1))
		return G_MAXINT64;
	if (times == 0)
		return G_MININT64;
	return (gint64)be_at(bytes + second + HEADER + (times - 1) * 8, 8);
}

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
	g_autoptr(GTimeZone) tz = g_time_zone_new_identifier(path);
	g_autofree char *data = NULL;
	gsize len = 0;
	if (!tz || !g_file_get_contents(path, &data, &len, NULL) || len > ZONE_FILE_MAX_BYTES) {
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
	zone->misread_from_utc = find_misread(data, len);
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
		char *copy = g_strndup(name, len);
		if (len == 0)
			g_free(copy);
		else if (g_hash_table_add(zones->names, copy))
			g_ptr_array_add(zones->list, copy);
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
	gint64 start = local_s - WINDOW_S, end = local_s + WINDOW_S;
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
	if (local_s + WINDOW_S >= zone->misread_from_utc)
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
