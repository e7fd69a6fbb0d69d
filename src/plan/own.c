/* SPDX-License-Identifier: ISC */
/* A plan as one base reads it that knows only itself. */
#include "plan/plan-private.h"

#define ZONE_DIR "/usr/share/zoneinfo"

static gboolean names_self(const char *item, const PlanBase *self)
{
	if (item[0] == '@')
		return self->groups && g_strv_contains(self->groups, item + 1);
	return strcmp(item, "all") == 0 || strcmp(item, self->name) == 0;
}

/* As plan_targets_resolve has it: what is left out stays out, wherever in the list it stands. */
static gboolean is_target(const Plan *plan, const PlanBase *self)
{
	gboolean in = FALSE;
	for (guint i = 0; plan->to[i]; i++) {
		if (plan->to[i][0] == '-' && names_self(plan->to[i] + 1, self))
			return FALSE;
		in = in || names_self(plan->to[i], self);
	}
	return in;
}

static gboolean own_local(const Plan *plan, const char *zone, const char *zone_dir, gint64 *ret_utc,
			  GError **error)
{
	PlanInstants instants;
	g_autoptr(PlanZones) zones = plan_zones_load(zone_dir, error);
	if (!zones || !plan_zones_instants(zones, zone, &plan->local, &instants, error))
		return FALSE;
	*ret_utc = instants.utc[0];
	if (instants.n == 1)
		return TRUE;
	g_autofree char *why = plan_zones_explain(zone, "", &plan->local, &instants);
	return plan_refuse(error, "Release-At", plan->at_text, "%s", why);
}

static gboolean own_time(const Plan *plan, const PlanBase *self, const char *zone_dir,
			 gint64 *ret_utc, GError **error)
{
	switch (plan->at) {
	case PLAN_AT_BASE_LOCAL:
		return own_local(plan, self->zone, zone_dir, ret_utc, error);
	case PLAN_AT_ZONE:
		return own_local(plan, plan->zone, zone_dir, ret_utc, error);
	case PLAN_AT_INSTANT:
		*ret_utc = plan->utc;
		return TRUE;
	case PLAN_AT_NOW:
		*ret_utc = 0;
		return TRUE;
	}
	return FALSE;
}

gboolean plan_own(const Plan *plan, const PlanBase *self, const char *zone_dir, guint *ret_wave,
		  gint64 *ret_at_utc, GError **error)
{
	guint wave = plan_wave_of(plan, self);
	gint64 utc = 0;
	if (!is_target(plan, self) || wave == 0) {
		g_autofree char *to = g_strjoinv(", ", plan->to);
		return plan_refuse(error, "Release-To", to, "base %s is no target of this plan%s",
				   self->name, wave == 0 ? ": no wave has it" : "");
	}
	if (!own_time(plan, self, zone_dir ? zone_dir : ZONE_DIR, &utc, error))
		return FALSE;
	*ret_wave = wave;
	*ret_at_utc =
	    utc + (plan->waves ? ((const PlanWave *)plan->waves->pdata[wave - 1])->offset_s : 0);
	return TRUE;
}
