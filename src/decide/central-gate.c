/* SPDX-License-Identifier: ISC */
#include "decide/bug.h"
#include "decide/central.h"

static gboolean counts(const CentralTarget *target)
{
	return target->state != CENTRAL_CANCEL_ASKED &&
	       !(target->state == CENTRAL_ENDED && target->ended_as == REPORT_CANCELLED);
}

static gboolean is_live(const CentralTarget *target)
{
	return target->state == CENTRAL_ENDED && target->ended_as == REPORT_LIVE;
}

static void decide(CentralGateStep *step, CentralGate word, guint wave, char *reason)
{
	step->word = word;
	step->wave = wave;
	step->reason = reason;
}

/* "haikou, berlin and 3 more" of the targets that `is` tells, at most three by name. */
static char *names_of(const CentralRelease *release, guint wave,
		      gboolean (*is)(const CentralTarget *target))
{
	GString *text = g_string_new(NULL);
	guint n = 0;
	for (guint i = 0; i < release->n_targets; i++) {
		const CentralTarget *target = &release->targets[i];
		if ((wave > 0 && target->wave != wave) || !counts(target) || !is(target))
			continue;
		if (n++ < 3)
			g_string_append_printf(text, "%s%s", n > 1 ? ", " : "", target->base);
	}
	if (n > 3)
		g_string_append_printf(text, " and %u more", n - 3);
	return g_string_free(text, FALSE);
}

static gboolean is_staged(const CentralTarget *target)
{
	return target->state == CENTRAL_STAGED || is_live(target);
}

static gboolean is_not_staged(const CentralTarget *target)
{
	return !is_staged(target);
}

static gboolean is_not_live(const CentralTarget *target)
{
	return !is_live(target);
}

/* The first wave, by how many are staged. */
static void first_wave(const CentralRelease *release, gint64 now_utc, CentralGateStep *step)
{
	guint all = 0, staged = 0;
	for (guint i = 0; i < release->n_targets; i++) {
		all += counts(&release->targets[i]);
		staged += counts(&release->targets[i]) && is_staged(&release->targets[i]);
	}
	guint percent = release->gate == PLAN_GATE_QUORUM ? release->quorum_percent : 100;
	guint need = (all * percent + 99) / 100;
	step->next_utc = release->gates_at_utc[0];
	if (now_utc < release->gates_at_utc[0])
		return;
	g_autofree char *missing = names_of(release, 0, is_not_staged);
	gboolean open = all > 0 && staged >= need;
	decide(step, open ? CENTRAL_GATE_OPEN : CENTRAL_GATE_SHUT, 1,
	       g_strdup_printf("%u of %u bases were staged, %u are needed%s%s", staged, all, need,
			       *missing ? "; not " : "", missing));
}

/* The latest moment at which a base of this wave may still start. */
static gint64 last_start(const CentralRelease *release, guint wave)
{
	gint64 last = 0;
	for (guint i = 0; i < release->n_targets; i++)
		if (release->targets[i].wave == wave)
			last = MAX(last, release->targets[i].at_utc);
	return last + release->grace_s;
}

/* By the wave before it. */
static void later_wave(const CentralRelease *release, guint wave, gint64 now_utc,
		       CentralGateStep *step)
{
	guint waiting = 0, cancelled = 0;
	gint64 last = last_start(release, wave);
	for (guint i = 0; i < release->n_targets; i++) {
		const CentralTarget *target = &release->targets[i];
		cancelled += target->wave + 1 == wave && !counts(target);
		if (target->wave + 1 != wave || !counts(target) || is_live(target) ||
		    (decide_bug(DECIDE_BUG_WAVE) && is_staged(target)))
			continue;
		waiting++;
		if (target->state != CENTRAL_ENDED)
			continue;
		decide(step, CENTRAL_GATE_SHUT, wave,
		       g_strdup_printf("%s of wave %u is %s", target->base, wave - 1,
				       report_event_name(target->ended_as)));
		return;
	}
	/* until then one that was live may be rolled back */
	step->next_utc = waiting == 0 ? release->gates_at_utc[wave - 1] : last + 1;
	if (waiting == 0 && now_utc < release->gates_at_utc[wave - 1])
		return;
	if (waiting == 0) {
		decide(step, CENTRAL_GATE_OPEN, wave,
		       g_strdup_printf("every base of wave %u%s is live", wave - 1,
				       cancelled ? " that was not cancelled" : ""));
		return;
	}
	if (now_utc <= last)
		return;
	g_autofree char *missing = names_of(release, wave - 1, is_not_live);
	decide(step, CENTRAL_GATE_SHUT, wave,
	       g_strdup_printf("not live in time in wave %u: %s", wave - 1, missing));
}

void central_next_gate(const CentralRelease *release, gint64 now_utc, CentralGateStep *ret_step)
{
	*ret_step = (CentralGateStep){.word = CENTRAL_GATE_UNDECIDED};
	for (guint wave = 1; wave <= release->waves; wave++) {
		if (release->words[wave - 1] != CENTRAL_GATE_UNDECIDED ||
		    !plan_is_gated(release->gate, wave))
			continue;
		if (wave > 1 && release->words[wave - 2] == CENTRAL_GATE_SHUT)
			decide(ret_step, CENTRAL_GATE_SHUT, wave,
			       g_strdup_printf("wave %u was shut", wave - 1));
		else if (wave == 1)
			first_wave(release, now_utc, ret_step);
		else
			later_wave(release, wave, now_utc, ret_step);
		return;
	}
}
