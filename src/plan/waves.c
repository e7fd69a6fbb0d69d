/* SPDX-License-Identifier: ISC */
/* Release-Waves: "haikou; @asia +30m; all +2h". */
#include "plan/plan-private.h"

#define KEY "Release-Waves"

void plan_wave_free(PlanWave *wave)
{
	if (!wave)
		return;
	g_strfreev(wave->items);
	g_free(wave->text);
	g_free(wave);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanWave, plan_wave_free)

/* Cuts " +30m" off the end. */
static gboolean take_offset(const char *value, char *text, gint64 *ret_s, GError **error)
{
	char *plus = strrchr(text, '+');
	if (!plus)
		return TRUE;
	g_autoptr(GError) why = NULL;
	if (plus == text || !g_ascii_isspace(plus[-1]) ||
	    !plan_duration_parse(KEY, plus + 1, ret_s, &why))
		return plan_refuse(error, KEY, value,
				   "\"%s\": how long after Release-At this wave goes stands at its "
				   "end, as in \"@asia +30m\" or \"all +1h30m\", up to a week",
				   text);
	*plus = '\0';
	g_strchomp(text);
	return TRUE;
}

static PlanWave *parse_wave(const char *value, const char *part, GError **error)
{
	g_autoptr(PlanWave) wave = g_new0(PlanWave, 1);
	g_autofree char *text = g_strstrip(g_strdup(part));
	wave->text = g_strdup(text);
	if (!take_offset(value, text, &wave->offset_s, error))
		return NULL;
	wave->items = g_strsplit(text, ",", -1);
	for (guint i = 0; wave->items[i]; i++) {
		if (!plan_item_check(KEY, value, g_strstrip(wave->items[i]), error))
			return NULL;
		if (wave->items[i][0] != '-')
			continue;
		plan_refuse(error, KEY, value,
			    "\"%s\": leave bases out in Release-To; a base belongs to the first "
			    "wave that names it",
			    wave->items[i]);
		return NULL;
	}
	if (wave->items[0])
		return g_steal_pointer(&wave);
	plan_refuse(error, KEY, value, "an empty wave: a semicolon too many");
	return NULL;
}

gboolean plan_set_waves(Plan *plan, const char *value, GError **error)
{
	g_auto(GStrv) parts = g_strsplit(value, ";", -1);
	g_autoptr(GPtrArray) waves = g_ptr_array_new_with_free_func((GDestroyNotify)plan_wave_free);
	for (guint i = 0; parts[i]; i++) {
		PlanWave *wave = parse_wave(value, parts[i], error);
		if (!wave)
			return FALSE;
		g_ptr_array_add(waves, wave);
	}
	if (waves->len > PLAN_WAVES_MAX)
		return plan_refuse(error, KEY, value, "at most %d waves", PLAN_WAVES_MAX);
	plan->waves = g_steal_pointer(&waves);
	return TRUE;
}

static gboolean names(const PlanWave *wave, const PlanBase *base)
{
	for (guint i = 0; wave->items[i]; i++) {
		const char *item = wave->items[i];
		if (strcmp(item, "all") == 0 || strcmp(item, base->name) == 0 ||
		    (item[0] == '@' && base->groups && g_strv_contains(base->groups, item + 1)))
			return TRUE;
	}
	return FALSE;
}

guint plan_wave_of(const Plan *plan, const PlanBase *base)
{
	if (!plan->waves)
		return 1;
	for (guint i = 0; i < plan->waves->len; i++)
		if (names(plan->waves->pdata[i], base))
			return i + 1;
	return 0;
}

/* A name in a wave that no target has: a slip that would change who goes first. */
static gboolean check_items(const Plan *plan, const GPtrArray *bases, GError **error)
{
	for (guint w = 0; w < plan->waves->len; w++) {
		const PlanWave *wave = plan->waves->pdata[w];
		for (guint i = 0; wave->items[i]; i++) {
			const PlanWave one = {.items = (char *[]){wave->items[i], NULL}};
			guint n = 0;
			for (guint b = 0; b < bases->len; b++)
				n += names(&one, bases->pdata[b]);
			if (n == 0)
				return plan_refuse(error, KEY, wave->text,
						   "%s is no target of this release; take it out, "
						   "or add it to Release-To",
						   wave->items[i]);
		}
	}
	return TRUE;
}

static gboolean check_waves(const Plan *plan, const PlanTable *table, GError **error)
{
	g_autofree guint *sizes = g_new0(guint, plan->waves->len + 1);
	for (guint i = 0; i < table->targets->len; i++)
		sizes[((const PlanTarget *)table->targets->pdata[i])->wave]++;
	for (guint i = 0; i < plan->waves->len; i++)
		if (sizes[i + 1] == 0)
			return plan_refuse(error, KEY,
					   ((const PlanWave *)plan->waves->pdata[i])->text,
					   "all its bases are in waves before it; take it out");
	return TRUE;
}

gboolean plan_waves_assign(const Plan *plan, const GPtrArray *bases, PlanTable *table,
			   GError **error)
{
	g_autoptr(GPtrArray) left = g_ptr_array_new();
	table->waves = plan->waves ? plan->waves->len : 1;
	for (guint i = 0; i < bases->len; i++) {
		const PlanBase *base = bases->pdata[i];
		PlanTarget *target = table->targets->pdata[i];
		target->wave = plan_wave_of(plan, base);
		if (target->wave == 0)
			g_ptr_array_add(left, PLAN_BORROW(base->name));
	}
	if (!plan->waves)
		return TRUE;
	g_ptr_array_add(left, NULL);
	g_autofree char *list = plan_list((const char *const *)left->pdata, 8);
	if (left->len > 1)
		return util_error_set(error, TS_ERROR_REFUSED,
				      KEY ": no wave has %s; add them to one, or \"; all +2h\" as "
					  "the last, or leave them out of Release-To",
				      list);
	return check_items(plan, bases, error) && check_waves(plan, table, error);
}

typedef struct {
	gint64 first_utc, last_utc;
	const char *first, *last; /* bases */
} Span;

static Span span_of(const PlanTable *table, guint wave)
{
	Span span = {G_MAXINT64, G_MININT64, NULL, NULL};
	for (guint i = 0; i < table->targets->len; i++) {
		const PlanTarget *target = table->targets->pdata[i];
		if (target->wave != wave)
			continue;
		if (target->at_utc < span.first_utc) {
			span.first_utc = target->at_utc;
			span.first = target->base;
		}
		if (target->at_utc > span.last_utc) {
			span.last_utc = target->at_utc;
			span.last = target->base;
		}
	}
	return span;
}

static gboolean check_order(const PlanFacts *facts, const PlanTable *table, guint wave,
			    GError **error)
{
	gint64 outage_s = table->max_outage_s > 0 ? table->max_outage_s : facts->outage_s;
	Span before = span_of(table, wave - 1), span = span_of(table, wave);
	if (span.first_utc > before.last_utc + outage_s)
		return TRUE;
	g_autofree char *first = util_time_format_utc(span.first_utc);
	g_autofree char *last = util_time_format_utc(before.last_utc);
	g_autofree char *outage = util_text_duration(outage_s);
	return util_error_set(error, TS_ERROR_REFUSED,
			      KEY
			      ": wave %u begins at %s (%s), but wave %u goes until %s (%s), and "
			      "may be out for %s; give wave %u a longer +TIME, or name a shorter "
			      "Release-Max-Outage",
			      wave, first, span.first, wave - 1, last, before.last, outage, wave);
}

static gboolean set_gate_at(const PlanFacts *facts, PlanTable *table, GError **error)
{
	/* waves are in order by now */
	table->gate_at_utc = span_of(table, 1).first_utc - facts->gate_lead_s;
	if (table->gate_at_utc > facts->now_utc)
		return TRUE;
	g_autofree char *lead = util_text_duration(facts->gate_lead_s);
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "Release-Gate: it is decided %s before the first base goes (gate_lead "
	    "in central.cfg), which is past; choose a later time, or \"alone\"",
	    lead);
}

gboolean plan_waves_check(const Plan *plan, const PlanFacts *facts, PlanTable *table,
			  GError **error)
{
	if (plan->at == PLAN_AT_NOW && (plan->waves || plan->gate != PLAN_GATE_ALONE))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "%s: \"now\" waits for nobody, so it has neither waves nor a "
				      "gate; name a time in Release-At, or leave it out",
				      plan->waves ? KEY : "Release-Gate");
	for (guint wave = 2; wave <= table->waves; wave++)
		if (!check_order(facts, table, wave, error))
			return FALSE;
	return plan->gate == PLAN_GATE_ALONE || set_gate_at(facts, table, error);
}
