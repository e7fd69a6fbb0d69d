/* SPDX-License-Identifier: ISC */
/*
 * Zone data: the list of names (the first byte is 'l'), or the file of one zone. Whatever stands in
 * it, each local time is one instant, or none, or two, and that can be said.
 */
#include "files.h"
#include "plan/plan-private.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static const PlanLocal locals[] = {
    {.year = 1970, .month = 1, .day = 1},
    {.year = 2026, .month = 3, .day = 29, .hour = 2, .minute = 30},
    {.year = 2026, .month = 10, .day = 25, .hour = 2, .minute = 30},
    {.year = 2026, .month = 12, .day = 1, .hour = 2},
    {.year = 2037, .month = 12, .day = 31, .hour = 23, .minute = 59, .second = 59},
    {.year = 2090, .month = 6, .day = 15, .hour = 12, .minute = 34, .second = 56},
};

static void try_local(PlanZones *zones, const char *zone, const PlanLocal *local)
{
	PlanInstants found = {0};
	g_autoptr(GError) error = NULL;
	gboolean ok = plan_zones_instants(zones, zone, local, &found, &error);
	g_assert(ok == (error == NULL));
	if (!ok)
		return;
	g_assert(found.n <= 2);
	for (guint i = 0; i < found.n; i++) {
		g_autofree char *shown = plan_zones_format(zones, zone, found.utc[i]);
		g_assert(*shown && ABS(found.off[i]) <= PLAN_WINDOW_S);
	}
	g_autofree char *why = found.n == 1 ? NULL : plan_zones_explain(zone, "", local, &found);
	g_assert(found.n == 1 || *why);
}

static void try_zones(const char *dir)
{
	g_autoptr(GError) error = NULL;
	g_autoptr(PlanZones) zones = plan_zones_load(dir, &error);
	g_assert((zones != NULL) == (error == NULL));
	if (!zones)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(locals); i++)
		try_local(zones, "Here", &locals[i]);
	(void)plan_zones_check(zones, "Europe/Berlim", NULL); /* looks for the nearest */
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	static const char list[] = "# version fuzz\nZ Here 0 - U\n";
	const FuzzWorld *world = fuzz_world();
	if (size == 0)
		return 0;
	if (data[0] == 'l')
		fuzz_put(world, "tzdata.zi", data + 1, size - 1);
	else
		fuzz_put(world, "tzdata.zi", (const guint8 *)list, sizeof list - 1);
	fuzz_put(world, "Here", data + 1, size - 1);
	try_zones(world->path);
	return 0;
}
