/* SPDX-License-Identifier: ISC */
/*
 * A freeze of central.cfg or of a base's file. What is taken says when it holds: at the minute from
 * which on it begins it is an alarm, and not before.
 */
#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

#define NOW_UTC G_GINT64_CONSTANT(1795504800) /* 2026-11-24T07:20:00Z */
#define WEEK_S ((gint64)7 * 86400)

static void check_line(const char *text)
{
	g_assert(g_utf8_validate(text, -1, NULL));
	for (const char *p = text; *p; p++)
		g_assert((guchar)*p >= ' ' && *p != 0x7f);
}

static void try_times(PlanFreeze *freeze)
{
	g_autoptr(GPtrArray) freezes = g_ptr_array_new();
	const PlanBase base = {"haikou", "Asia/Shanghai", NULL, TRUE, NULL};
	PlanFacts facts = {.bases = &base,
			   .n_bases = 1,
			   .zone_dir = "/usr/share/zoneinfo",
			   .freezes = freezes,
			   .now_utc = NOW_UTC};
	g_ptr_array_add(freezes, freeze);
	gint64 begins = plan_freeze_begins(&facts, "haikou", NOW_UTC, NOW_UTC + WEEK_S);
	g_assert(begins == 0 || (begins >= NOW_UTC && begins <= NOW_UTC + WEEK_S));
	g_autofree char *now = plan_freeze_alarm(&facts, "haikou", NOW_UTC);
	g_assert((now != NULL) == (begins == NOW_UTC));
	g_autofree char *then = begins ? plan_freeze_alarm(&facts, "haikou", begins) : NULL;
	g_assert((then != NULL) == (begins != 0));
	if (then)
		check_line(then);
	/* one that comes round does so within a week */
	g_assert(begins || freeze->kind == PLAN_FREEZE_DATES);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	g_autofree char *text = g_strndup((const char *)data, size);
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanFreeze) freeze = plan_freeze_parse(text, &error);
	g_assert((freeze != NULL) == (error == NULL));
	if (!freeze) {
		check_line(error->message);
		return 0;
	}
	g_assert_cmpstr(freeze->text, ==, text);
	g_assert(freeze->reason && *freeze->reason);
	try_times(freeze);
	return 0;
}
