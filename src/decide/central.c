/* SPDX-License-Identifier: ISC */
#include "decide/central.h"

#define SSH_OVERHEAD_PERCENT 6 /* pitfalls: 5 to 6 % on a 1 Mbit/s line */

/* Why this target forbids taking its order back, or NULL. */
static const char *withdraw_problem(const CentralTarget *target, gint64 now_utc)
{
	switch (target->state) {
	case CENTRAL_NOT_ORDERED:
	case CENTRAL_CANCEL_ASKED:
		return NULL;
	case CENTRAL_ORDERED:
	case CENTRAL_STAGED:
		return target->at_utc <= now_utc ? "its time has come and it has not reported yet"
						 : NULL;
	case CENTRAL_ENDED:
		break;
	}
	switch (target->ended_as) {
	case REPORT_LIVE:
		return "it is or was live there";
	case REPORT_ROLLED_BACK:
		return "it was tried and rolled back there";
	case REPORT_DOWN:
		return "it was tried there and nothing healthy serves";
	case REPORT_STAGED:
	case REPORT_FAILED:
	case REPORT_MISSED:
	case REPORT_CANCELLED:
	case REPORT_SUPERSEDED:
	case REPORT_TOO_LATE:
	case REPORT_HELD:
	case REPORT_UNHELD:
	case REPORT_NODES:
		return NULL;
	}
	return NULL;
}

gboolean central_may_withdraw(const char *tag_name, const CentralTarget *targets, guint n_targets,
			      gint64 now_utc, GError **error)
{
	g_autoptr(GString) why = g_string_new(NULL);
	for (guint i = 0; i < n_targets; i++) {
		const char *problem = withdraw_problem(&targets[i], now_utc);
		if (problem)
			g_string_append_printf(why, "\n  %s: %s", targets[i].base, problem);
	}
	if (why->len == 0)
		return TRUE;
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "tag %s can no longer be moved or deleted, its release has begun:%s\n"
	    "To go back, push a new tag with \"Release-Version: VERSION\" (any built version); "
	    "to go on, tag the fix with a new name.",
	    tag_name, why->str);
}

/* One component of a ref name, as git's check-ref-format asks, and no leading dash. */
static gboolean ref_names_ok(const char *rest)
{
	g_autoptr(GError) ignored = NULL;
	return util_version_check(rest, &ignored);
}

gboolean central_ref_check(const char *ref, GError **error)
{
	static const char *const taken[] = {"refs/heads/", "refs/tags/", "refs/notes/"};
	g_autofree char *shown = util_text_printable(ref, (gssize)MIN(strlen(ref), 120));
	for (guint i = 0; i < G_N_ELEMENTS(taken); i++) {
		if (!g_str_has_prefix(ref, taken[i]))
			continue;
		if (ref_names_ok(ref + strlen(taken[i])))
			return TRUE;
		return util_error_set(error, TS_ERROR_REFUSED,
				      "ref %s: names here are up to 200 printable ASCII characters "
				      "without blanks, and no part starts with \"-\" or \".\"; "
				      "rename it and push again",
				      shown);
	}
	if (g_str_has_prefix(ref, "refs/replace/"))
		return util_error_set(error, TS_ERROR_REFUSED,
				      "ref %s: replacement refs would make one commit stand for "
				      "another, so they are not taken; push the changed history as "
				      "a branch",
				      shown);
	return util_error_set(error, TS_ERROR_REFUSED,
			      "ref %s: only refs/heads/, refs/tags/ and refs/notes/ are taken here",
			      shown);
}

gboolean central_version_check(const char *version, const char *commit, const char *bound_commit,
			       GError **error)
{
	if (!bound_commit || strcmp(commit, bound_commit) == 0)
		return TRUE;
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "version %s is bound to commit %.12s, because bases were ordered to run "
	    "it; commit %.12s needs a version name of its own (git tag -a NEWNAME)",
	    version, bound_commit, commit);
}

gboolean central_lead_check(gint64 at_utc, gint64 now_utc, gint64 lead_s, GError **error)
{
	if (at_utc - now_utc >= lead_s)
		return TRUE;
	g_autofree char *left = util_text_duration(at_utc - now_utc);
	g_autofree char *wanted = util_text_duration(lead_s);
	return util_error_set(
	    error, TS_ERROR_REFUSED,
	    "Release-At: go-live is in %s, and this server wants at least %s from "
	    "push to go-live (lead in central.cfg), so that bundles arrive in time; "
	    "choose a later time, or \"now\"",
	    left, wanted);
}

gint64 central_arrival_utc(gint64 now_utc, guint64 bytes, guint64 queued_bytes, gint64 line_kbit)
{
	guint64 total = (bytes + queued_bytes) * (100 + SSH_OVERHEAD_PERCENT) / 100;
	guint64 per_second = (guint64)MAX(line_kbit, 1) * 1000 / 8;
	return now_utc + (gint64)((total + per_second - 1) / per_second);
}

const char *central_arrival_word(gboolean is_now, gint64 arrival_utc, gint64 at_utc, gint64 grace_s,
				 gint64 gate_at_utc)
{
	if (is_now)
		return "as soon as staged";
	if (gate_at_utc > 0 && arrival_utc > gate_at_utc)
		return "TOO LATE for its gate, which asks earlier what is staged";
	if (arrival_utc <= at_utc)
		return "in time";
	return arrival_utc <= at_utc + grace_s ? "LATE, but within its grace"
					       : "TOO LATE at this line rate";
}
