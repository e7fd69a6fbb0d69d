/* SPDX-License-Identifier: ISC */
#include <time.h>

#include "plan/plan.h"

#define ZONES "/usr/share/zoneinfo"

static PlanLocal local_from(const char *text)
{
	PlanLocal l = {0};
	int n = sscanf(text, "%d-%d-%d %d:%d:%d", &l.year, &l.month, &l.day, &l.hour, &l.minute,
		       &l.second);
	g_assert_cmpint(n, >=, 5);
	return l;
}

typedef struct {
	const char *zone;
	const char *local;
	const char *utc; /* NULL: refused, with all of: */
	const char *expect[3];
} ZoneRow;

/* Expected values: zdump and the zones' published rules, not this code. */
static const ZoneRow rows[] = {
    {"Asia/Shanghai", "2026-12-01 02:00", "2026-11-30T18:00:00Z", {NULL}},
    {"Asia/Shanghai", "2090-06-15 12:34:56", "2090-06-15T04:34:56Z", {NULL}},
    {"UTC", "2026-12-01 02:00", "2026-12-01T02:00:00Z", {NULL}},
    {"Etc/GMT+8", "2026-12-01 02:00", "2026-12-01T10:00:00Z", {NULL}},
    {"Asia/Kathmandu", "2026-12-01 02:00", "2026-11-30T20:15:00Z", {NULL}},

    {"Europe/Berlin", "2026-12-01 02:00", "2026-12-01T01:00:00Z", {NULL}},
    {"Europe/Berlin", "2026-07-01 02:00", "2026-07-01T00:00:00Z", {NULL}},
    {"Europe/Berlin", "2026-03-29 01:59:59", "2026-03-29T00:59:59Z", {NULL}},
    {"Europe/Berlin", "2026-03-29 03:00", "2026-03-29T01:00:00Z", {NULL}},
    {"Europe/Berlin",
     "2026-03-29 02:30",
     NULL,
     {"does not exist in Europe/Berlin: clocks go from 02:00 to 03:00",
      "Use 2026-03-29T00:30:00Z (01:30 local) or 2026-03-29T01:30:00Z (03:30 local)"}},
    {"Europe/Berlin", "2026-03-29 02:00", NULL, {"does not exist"}},
    {"Europe/Berlin", "2026-03-29 02:59:59", NULL, {"does not exist"}},
    {"Europe/Berlin",
     "2026-10-25 02:30",
     NULL,
     {"exists twice in Europe/Berlin: clocks go back from 03:00 to 02:00",
      "2026-10-25T00:30:00Z (the first, +02:00)", "2026-10-25T01:30:00Z (the second, +01:00)"}},
    {"Europe/Berlin", "2026-10-25 01:59:59", "2026-10-24T23:59:59Z", {NULL}},
    {"Europe/Berlin", "2026-10-25 02:00", NULL, {"exists twice"}},
    {"Europe/Berlin", "2026-10-25 02:59:59", NULL, {"exists twice"}},
    {"Europe/Berlin", "2026-10-25 03:00", "2026-10-25T02:00:00Z", {NULL}},
    /* last Sundays of March and October 2090 */
    {"Europe/Berlin", "2090-07-01 02:00", "2090-07-01T00:00:00Z", {NULL}},
    {"Europe/Berlin", "2090-12-01 02:00", "2090-12-01T01:00:00Z", {NULL}},
    {"Europe/Berlin", "2090-03-26 02:30", NULL, {"does not exist", "2090-03-26T00:30:00Z"}},
    {"Europe/Berlin", "2090-10-29 02:30", NULL, {"exists twice", "2090-10-29T00:30:00Z"}},

    {"America/New_York", "2026-12-01 02:00", "2026-12-01T07:00:00Z", {NULL}},
    {"America/New_York",
     "2026-03-08 02:30",
     NULL,
     {"clocks go from 02:00 to 03:00", "2026-03-08T06:30:00Z (01:30 local)",
      "2026-03-08T07:30:00Z (03:30 local)"}},
    {"America/New_York",
     "2026-11-01 01:30",
     NULL,
     {"exists twice", "2026-11-01T05:30:00Z (the first, -04:00)",
      "2026-11-01T06:30:00Z (the second, -05:00)"}},
    {"America/New_York", "2090-07-01 00:00", "2090-07-01T04:00:00Z", {NULL}},
    {"America/New_York", "2090-03-12 02:30", NULL, {"does not exist"}},

    /* summer time until February 2019: the gap is at midnight, the fold crosses the date */
    {"America/Sao_Paulo", "2026-12-01 02:00", "2026-12-01T05:00:00Z", {NULL}},
    {"America/Sao_Paulo",
     "2018-11-04 00:30",
     NULL,
     {"clocks go from 00:00 to 01:00", "2018-11-04T02:30:00Z (2018-11-03 23:30 local)",
      "2018-11-04T03:30:00Z (01:30 local)"}},
    {"America/Sao_Paulo",
     "2019-02-16 23:30",
     NULL,
     {"clocks go back from 2019-02-17 00:00 to 23:00", "2019-02-17T01:30:00Z",
      "2019-02-17T02:30:00Z"}},
    {"America/Sao_Paulo", "2090-01-15 12:00", "2090-01-15T15:00:00Z", {NULL}},

    /* half an hour of summer time; summer is at the turn of the year */
    {"Australia/Lord_Howe", "2026-07-01 12:00", "2026-07-01T01:30:00Z", {NULL}},
    {"Australia/Lord_Howe", "2026-12-01 12:00", "2026-12-01T01:00:00Z", {NULL}},
    {"Australia/Lord_Howe",
     "2026-10-04 02:15",
     NULL,
     {"clocks go from 02:00 to 02:30", "2026-10-03T15:15:00Z (01:45 local)",
      "2026-10-03T15:45:00Z (02:45 local)"}},
    {"Australia/Lord_Howe", "2026-10-04 02:30", "2026-10-03T15:30:00Z", {NULL}},
    {"Australia/Lord_Howe",
     "2026-04-05 01:45",
     NULL,
     {"clocks go back from 02:00 to 01:30", "2026-04-04T14:45:00Z (the first, +11:00)",
      "2026-04-04T15:15:00Z (the second, +10:30)"}},
    {"Australia/Lord_Howe", "2090-12-01 12:00", "2090-12-01T01:00:00Z", {NULL}},

    /* a whole day left out, and the earliest clock of all */
    {"Pacific/Apia",
     "2011-12-30 12:00",
     NULL,
     {"clocks go from 00:00 to 2011-12-31 00:00", "2011-12-29T22:00:00Z (2011-12-29 12:00 local)",
      "2011-12-30T22:00:00Z (2011-12-31 12:00 local)"}},
    {"Pacific/Apia", "2011-12-30 00:00", NULL, {"does not exist"}},
    {"Pacific/Apia", "2011-12-29 23:59:59", "2011-12-30T09:59:59Z", {NULL}},
    {"Pacific/Apia", "2011-12-31 00:00", "2011-12-30T10:00:00Z", {NULL}},
    {"Pacific/Apia", "2026-12-01 02:00", "2026-11-30T13:00:00Z", {NULL}},
    {"Pacific/Kiritimati", "2026-12-01 02:00", "2026-11-30T12:00:00Z", {NULL}},
    {"Etc/GMT+12", "2026-12-01 02:00", "2026-12-01T14:00:00Z", {NULL}},

    /* GLib misreads Dublin's rule from 2038 on: refused, never an hour off */
    {"Europe/Dublin", "2026-07-01 02:00", "2026-07-01T01:00:00Z", {NULL}},
    {"Europe/Dublin", "2026-12-01 02:00", "2026-12-01T02:00:00Z", {NULL}},
    {"Europe/Dublin", "2040-12-01 02:00", NULL, {"cannot be told", "in UTC"}},
    {"Eire", "2090-12-01 02:00", NULL, {"cannot be told"}},

    {"Europe/Berlin", "2026-02-30 02:00", NULL, {"no such date"}},
    {"Europe/Berlin", "2026-12-01 25:00", NULL, {"no such date"}},
};

static void check_row(const ZoneRow *row)
{
	PlanLocal local = local_from(row->local);
	gint64 utc = -1;
	g_autoptr(GError) error = NULL;
	gboolean ok = plan_zone_to_utc(ZONES, row->zone, &local, &utc, &error);
	if (row->utc) {
		g_assert_no_error(error);
		g_assert_true(ok);
		g_autofree char *text = util_time_format_utc(utc);
		if (strcmp(text, row->utc) != 0)
			g_error("%s %s: %s, not %s", row->zone, row->local, text, row->utc);
		return;
	}
	if (ok)
		g_error("%s %s: accepted", row->zone, row->local);
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_cmpint(utc, ==, -1);
	for (guint i = 0; i < G_N_ELEMENTS(row->expect) && row->expect[i]; i++)
		if (!strstr(error->message, row->expect[i]))
			g_error("%s %s: \"%s\" lacks \"%s\"", row->zone, row->local, error->message,
				row->expect[i]);
}

static void test_to_utc(void)
{
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		check_row(&rows[i]);
}

/* Every half hour of the days of some changes is either refused or shown again as itself. */
static void test_round_trip(void)
{
	static const struct {
		const char *zone, *day;
		guint gone, twice; /* minutes */
	} days[] = {
	    {"Europe/Berlin", "2026-03-29", 60, 0},
	    {"Europe/Berlin", "2026-10-25", 0, 60},
	    {"Australia/Lord_Howe", "2026-10-04", 30, 0},
	    {"Australia/Lord_Howe", "2026-04-05", 0, 30},
	    {"Pacific/Apia", "2011-12-30", 1440, 0},
	};
	for (guint i = 0; i < G_N_ELEMENTS(days); i++) {
		guint gone = 0, twice = 0;
		for (int minute = 0; minute < 1440; minute += 30) {
			g_autofree char *text = g_strdup_printf("%s %02d:%02d:00", days[i].day,
								minute / 60, minute % 60);
			PlanLocal local = local_from(text);
			gint64 utc = 0;
			g_autoptr(GError) error = NULL;
			if (plan_zone_to_utc(ZONES, days[i].zone, &local, &utc, &error)) {
				g_autofree char *again = plan_zone_format(ZONES, days[i].zone, utc);
				g_assert_true(g_str_has_prefix(again, text));
				continue;
			}
			gone += strstr(error->message, "does not exist") ? 30 : 0;
			twice += strstr(error->message, "exists twice") ? 30 : 0;
		}
		g_assert_cmpuint(gone, ==, days[i].gone);
		g_assert_cmpuint(twice, ==, days[i].twice);
	}
}

static void test_format(void)
{
	static const struct {
		const char *zone, *utc, *text;
	} shown[] = {
	    {"Asia/Shanghai", "2026-11-30T18:00:00Z", "2026-12-01 02:00:00 +08:00"},
	    {"Europe/Berlin", "2026-07-01T00:00:00Z", "2026-07-01 02:00:00 +02:00"},
	    {"America/St_Johns", "2026-12-01T00:00:00Z", "2026-11-30 20:30:00 -03:30"},
	    {"No/Such", "2026-12-01T00:00:00Z", "2026-12-01 00:00:00 +00:00"},
	    {"Europe/Dublin", "2050-07-01T00:00:00Z", "2050-07-01 00:00:00 +00:00"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(shown); i++) {
		gint64 utc = 0;
		g_assert_true(util_time_parse_utc(shown[i].utc, &utc, NULL));
		g_autofree char *text = plan_zone_format(ZONES, shown[i].zone, utc);
		g_assert_cmpstr(text, ==, shown[i].text);
	}
	g_autofree char *none = plan_zone_format("/nonexistent", "UTC", 0);
	g_assert_cmpstr(none, ==, "1970-01-01 00:00:00 +00:00");
}

static void test_names(void)
{
	static const char *const good[] = {"Europe/Berlin", "UTC", "Asia/Calcutta", "EST5EDT",
					   "America/Argentina/ComodRivadavia"};
	static const struct {
		const char *zone, *expect;
	} bad[] = {
	    {"/etc/passwd", "/etc/passwd is no time zone"},
	    {"../x", "is no time zone"},
	    {"../../../etc/passwd", "is no time zone"},
	    {"/usr/share/zoneinfo/Europe/Berlin", "is no time zone"},
	    {"Europe/../Europe/Berlin", "is no time zone"},
	    {"Europe/", "is no time zone"},
	    {"", "is no time zone"},
	    {":Europe/Berlin", "is no time zone"},
	    {"localtime", "is no time zone"},
	    {"posix/Europe/Berlin", "is no time zone"},
	    {"tzdata.zi", "is no time zone"},
	    {"CET-1CEST", "is no time zone"},
	    {"+08:00", "is no time zone"},
	    {"Europe/Berln", "did you mean Europe/Berlin?"},
	    {"europe/berlin", "did you mean Europe/Berlin?"},
	    {"Shanghai", "did you mean Asia/Shanghai?"},
	    {"new york", "did you mean America/New_York?"},
	    {"\x1b[31mEurope", "\\x1b"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
		g_autoptr(GError) error = NULL;
		g_assert_true(plan_zone_check(ZONES, good[i], &error));
		g_assert_no_error(error);
	}
	for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
		g_autoptr(GError) error = NULL;
		PlanLocal local = {2026, 12, 1, 2, 0, 0};
		gint64 utc = 0;
		g_assert_false(plan_zone_check(ZONES, bad[i].zone, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
		if (!strstr(error->message, bad[i].expect))
			g_error("%s: \"%s\" lacks \"%s\"", bad[i].zone, error->message,
				bad[i].expect);
		g_assert_false(plan_zone_to_utc(ZONES, bad[i].zone, &local, &utc, NULL));
	}
}

static void write_file(const char *dir, const char *name, const char *text)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* A folder that is damaged, incomplete, or named in a relative way. */
static void test_folder(void)
{
	g_autoptr(GError) error = NULL;
	g_autofree char *dir = g_dir_make_tmp("tagship-zone-XXXXXX", NULL);
	g_autofree char *list = g_build_filename(dir, "tzdata.zi", NULL);
	g_autofree char *file = g_build_filename(dir, "Mars", NULL);
	PlanLocal local = {2026, 12, 1, 2, 0, 0};
	gint64 utc = 0;

	g_assert_false(plan_zone_check(dir, "Mars", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_NOT_FOUND);
	g_assert_nonnull(strstr(error->message, "install tzdata"));
	g_clear_error(&error);

	write_file(
	    dir, "tzdata.zi",
	    "# x\nR Z Hidden 1 -\nZ Mars 0 - M\nL Mars Phobos\nZ\nL x\nLx y\nL Mars Phobos\n");
	g_assert_true(plan_zone_check(dir, "Mars", NULL));
	g_assert_true(plan_zone_check(dir, "Phobos", NULL));
	g_assert_false(plan_zone_check(dir, "Hidden", NULL));
	g_assert_false(plan_zone_check(dir, "x", NULL));
	/* named twice in the list */
	g_assert_false(plan_zone_check(dir, "Phobus", &error));
	g_assert_nonnull(strstr(error->message, "did you mean Phobos?"));
	g_clear_error(&error);
	g_assert_false(plan_zone_to_utc(dir, "Mars", &local, &utc, &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
	g_assert_nonnull(strstr(error->message, "missing or damaged"));
	g_clear_error(&error);

	g_autofree char *shanghai = NULL;
	gsize len = 0;
	g_assert_true(g_file_get_contents(ZONES "/Asia/Shanghai", &shanghai, &len, NULL));
	g_assert_true(g_file_set_contents(file, shanghai, (gssize)len, NULL));
	g_autofree char *cwd = g_get_current_dir();
	g_autofree char *parent = g_path_get_dirname(dir);
	g_autofree char *name = g_path_get_basename(dir);
	g_assert_cmpint(g_chdir(parent), ==, 0);
	g_assert_true(plan_zone_to_utc(name, "Mars", &local, &utc, &error));
	g_assert_no_error(error);
	g_assert_cmpint(g_chdir(cwd), ==, 0);
	g_autofree char *text = util_time_format_utc(utc);
	g_assert_cmpstr(text, ==, "2026-11-30T18:00:00Z");

	g_autofree char *big = g_strnfill(1024 * 1024 + 1, 'Z');
	write_file(dir, "tzdata.zi", big);
	g_assert_false(plan_zone_check(dir, "Mars", &error));
	g_assert_error(error, TS_ERROR, TS_ERROR_CORRUPT);

	g_assert_cmpint(g_unlink(file), ==, 0);
	g_assert_cmpint(g_unlink(list), ==, 0);
	g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* GLib would end the program, or read what is not there. */
static void test_damaged(void)
{
	static const struct {
		gsize at; /* of the byte that is changed; 0: the file is cut there instead */
		guint8 byte;
		gsize cut;
	} damages[] = {{0, 0, 0},     {0, 0, 3},   {0, 0, 43},   {0, 0, 44},
		       {0, 0, 600},   {0, 0, 900}, {0, 0, 2297}, {1, 'z', 0},
		       {36, 0xff, 0}, {39, 99, 0}, {35, 0, 0},   {32, 0x7f, 0}};
	g_autofree char *dir = g_dir_make_tmp("tagship-zone-XXXXXX", NULL);
	g_autofree char *file = g_build_filename(dir, "Here", NULL);
	g_autofree char *sound = NULL;
	PlanLocal local = {2026, 12, 1, 2, 0, 0};
	gint64 utc = 0;
	gsize len = 0;
	write_file(dir, "tzdata.zi", "Z Here 0 - H\n");
	g_assert_true(g_file_get_contents(ZONES "/Europe/Berlin", &sound, &len, NULL));
	for (guint i = 0; i < G_N_ELEMENTS(damages); i++) {
		g_autofree char *data = g_memdup2(sound, len);
		g_autoptr(GError) error = NULL;
		gsize size = damages[i].at > 0 ? len : MIN(damages[i].cut, len - 1);
		if (damages[i].at > 0)
			data[damages[i].at] = (char)damages[i].byte;
		g_assert_true(g_file_set_contents(file, data, (gssize)size, NULL));
		g_test_message("row %u", i);
		g_assert_false(plan_zone_to_utc(dir, "Here", &local, &utc, &error));
		g_assert_error(error, TS_ERROR, TS_ERROR_REFUSED);
		g_assert_nonnull(strstr(error->message, "missing or damaged"));
	}
	g_assert_true(util_fs_remove_tree(AT_FDCWD, dir, NULL));
}

static void test_alarm(void)
{
	static const struct {
		const char *text;
		gboolean alarm;
	} alarms[] = {{"2026-12-01 02:00:00 +08:00 Asia/Shanghai", FALSE},
		      {"2026-12-01 03:00:00 +09:00 Asia/Tokyo", FALSE},
		      {"2026-12-01 03:00:00 +08:00 Asia/Shanghai", TRUE},
		      {"2026-12-01 02:00:00 +09:00 Asia/Shanghai", TRUE},
		      {"2026-12-01 02:00:00 +08:00 Asia/Haikou", TRUE}, /* not known here */
		      {"2026-12-01 02:00:00 +08:00", FALSE},
		      {"whenever", FALSE},
		      {NULL, FALSE}};
	gint64 utc = 0;
	g_assert_true(util_time_parse_utc("2026-11-30T18:00:00Z", &utc, NULL));
	for (guint i = 0; i < G_N_ELEMENTS(alarms); i++) {
		g_autofree char *alarm = plan_zone_alarm(NULL, utc, alarms[i].text);
		g_assert_true((alarm != NULL) == alarms[i].alarm);
	}
}

/* How many instants the C library shows as this local time in $TZ, found by looking at the hours
 * around; *ret_utc is the last. */
static guint instants_by_libc(const PlanLocal *local, gint64 *ret_utc)
{
	struct tm as_utc = {.tm_year = local->year - 1900,
			    .tm_mon = local->month - 1,
			    .tm_mday = local->day,
			    .tm_hour = local->hour,
			    .tm_min = local->minute,
			    .tm_sec = local->second};
	gint64 middle = timegm(&as_utc);
	guint found = 0;
	for (gint64 utc = middle - 16 * 3600; utc <= middle + 16 * 3600; utc += 900) {
		time_t when = (time_t)utc;
		struct tm tm;
		g_assert_nonnull(localtime_r(&when, &tm));
		if (tm.tm_year + 1900 != local->year || tm.tm_mon + 1 != local->month ||
		    tm.tm_mday != local->day || tm.tm_hour != local->hour ||
		    tm.tm_min != local->minute || tm.tm_sec != local->second)
			continue;
		found++;
		*ret_utc = utc;
	}
	return found;
}

/* Another reader of the same zone data agrees: every quarter of an hour around changes in both
 * directions, and on leap days. */
static void test_as_libc(void)
{
	static const struct {
		const char *zone, *day;
	} days[] = {
	    {"Europe/Berlin", "2027-03-28"},    {"Europe/Berlin", "2027-10-31"},
	    {"America/New_York", "2027-03-14"}, {"America/New_York", "2027-11-07"},
	    {"Australia/Sydney", "2027-10-03"}, {"Australia/Sydney", "2027-04-04"},
	    {"Europe/Berlin", "2028-02-29"},    {"America/New_York", "2028-02-29"},
	    {"Asia/Shanghai", "2028-02-29"},    {"Australia/Lord_Howe", "2028-04-02"},
	};
	for (guint i = 0; i < G_N_ELEMENTS(days); i++) {
		guint refused = 0;
		g_setenv("TZ", days[i].zone, TRUE);
		tzset();
		for (int minute = 0; minute < 1440; minute += 15) {
			g_autofree char *text = g_strdup_printf("%s %02d:%02d:00", days[i].day,
								minute / 60, minute % 60);
			PlanLocal local = local_from(text);
			gint64 utc = 0, expected = 0;
			g_autoptr(GError) error = NULL;
			guint found = instants_by_libc(&local, &expected);
			gboolean ok = plan_zone_to_utc(ZONES, days[i].zone, &local, &utc, &error);
			g_test_message("%s %s", days[i].zone, text);
			g_assert_cmpint(ok, ==, found == 1);
			g_assert_cmpint(utc, ==, found == 1 ? expected : 0);
			refused += !ok;
		}
		/* half an hour on Lord Howe, none on a leap day */
		gboolean leap = g_str_has_suffix(days[i].day, "02-29");
		g_assert_cmpuint(refused, ==, leap ? 0 : i == G_N_ELEMENTS(days) - 1 ? 2 : 4);
	}
	g_unsetenv("TZ");
	tzset();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/plan/zone/to-utc", test_to_utc);
	g_test_add_func("/plan/zone/round-trip", test_round_trip);
	g_test_add_func("/plan/zone/as-libc", test_as_libc);
	g_test_add_func("/plan/zone/format", test_format);
	g_test_add_func("/plan/zone/names", test_names);
	g_test_add_func("/plan/zone/folder", test_folder);
	g_test_add_func("/plan/zone/damaged", test_damaged);
	g_test_add_func("/plan/zone/alarm", test_alarm);
	return g_test_run();
}
