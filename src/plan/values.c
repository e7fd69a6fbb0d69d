/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define DAY_S (24 * 3600)
#define GRACE_MAX_S (7 * DAY_S)
#define OUTAGE_MAX_S DAY_S

/* Refuses with the text of a USAGE error of util. */
static gboolean refuse_with(GError **error, const char *key, const char *value, GError *why)
{
	gboolean ok = plan_refuse(error, key, value, "%s", why->message);
	g_error_free(why);
	return ok;
}

gboolean plan_item_check(const char *key, const char *value, const char *item, GError **error)
{
	GError *why = NULL;
	gboolean out = item[0] == '-';
	const char *name = item + out;
	gboolean group = name[0] == '@';
	if (item[0] == '\0')
		return plan_refuse(
		    error, key, value,
		    "an empty item: a comma too many; items are separated by one comma");
	if (strpbrk(item, " \t;"))
		return plan_refuse(
		    error, key, value,
		    "bases and groups are separated by commas, as in \"haikou, @asia\"");
	if (out && strcmp(name, "all") == 0)
		return plan_refuse(error, key, value,
				   "\"-all\" leaves nothing; name the bases that are to get it");
	if (!group && strcmp(name, "all") != 0 && g_ascii_strcasecmp(name, "all") == 0)
		return plan_refuse(error, key, value, "write all, in small letters");
	if (!util_name_check(group ? "group" : "base", name + group, &why))
		return refuse_with(error, key, value, why);
	return TRUE;
}

gboolean plan_set_to(Plan *plan, const char *value, GError **error)
{
	g_auto(GStrv) items = g_strsplit(value, ",", -1);
	gboolean any = FALSE;
	for (guint i = 0; items[i]; i++) {
		if (!plan_item_check("Release-To", value, g_strstrip(items[i]), error))
			return FALSE;
		any = any || items[i][0] != '-';
	}
	if (!any)
		return plan_refuse(
		    error, "Release-To", value,
		    "it only leaves bases out; write \"all, %s\" if the others are meant", value);
	plan->to = g_steal_pointer(&items);
	return TRUE;
}

gboolean plan_set_override(Plan *plan, const char *value, GError **error)
{
	(void)error; /* any reason will do; an empty one is refused for every trailer */
	plan->override = g_strdup(value);
	return TRUE;
}

gboolean plan_set_version(Plan *plan, const char *value, GError **error)
{
	GError *why = NULL;
	if (!util_version_check(value, &why))
		return refuse_with(error, "Release-Version", value, why);
	plan->version = g_strdup(value);
	return TRUE;
}

gboolean plan_set_root(Plan *plan, const char *value, GError **error)
{
	if (!util_sha256_hex_ok(value))
		return plan_refuse(error, "Release-Root", value,
				   "a root is 64 hex digits in small letters, as \"tagship log APP "
				   "VERSION\" shows it");
	plan->root = g_strdup(value);
	return TRUE;
}

gboolean plan_set_app(Plan *plan, const char *value, GError **error)
{
	GError *why = NULL;
	if (!util_name_check("app", value, &why))
		return refuse_with(error, "Release-App", value, why);
	plan->app = g_strdup(value);
	return TRUE;
}

static const char *const gate_names[] = {[PLAN_GATE_ALONE] = "alone",
					 [PLAN_GATE_ALL_STAGED] = "all-staged",
					 [PLAN_GATE_QUORUM] = "quorum",
					 NULL};

char *plan_gate_format(PlanGate gate, guint quorum_percent)
{
	return gate == PLAN_GATE_QUORUM
		   ? g_strdup_printf("%s %u%%", gate_names[gate], quorum_percent)
		   : g_strdup(gate_names[gate]);
}

/* "quorum 80%" */
static gboolean parse_quorum(const char *text, guint *ret_percent)
{
	guint64 percent = 0;
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	if (g_strv_length(words) != 2 || strcmp(words[0], gate_names[PLAN_GATE_QUORUM]) != 0 ||
	    !g_str_has_suffix(words[1], "%"))
		return FALSE;
	g_autofree char *number = g_strndup(words[1], strlen(words[1]) - 1);
	if (!g_ascii_string_to_unsigned(number, 10, 1, 100, &percent, NULL) || number[0] == '0')
		return FALSE;
	*ret_percent = (guint)percent;
	return TRUE;
}

gboolean plan_gate_parse(const char *text, PlanGate *ret_gate, guint *ret_quorum_percent)
{
	*ret_quorum_percent = 0;
	for (guint i = 0; i < PLAN_GATE_QUORUM; i++) {
		if (strcmp(text, gate_names[i]) != 0)
			continue;
		*ret_gate = (PlanGate)i;
		return TRUE;
	}
	if (!parse_quorum(text, ret_quorum_percent))
		return FALSE;
	*ret_gate = PLAN_GATE_QUORUM;
	return TRUE;
}

gboolean plan_set_gate(Plan *plan, const char *value, GError **error)
{
	if (plan_gate_parse(value, &plan->gate, &plan->quorum_percent))
		return TRUE;
	if (g_str_has_prefix(value, "quorum"))
		return plan_refuse(error, "Release-Gate", value,
				   "write a part of all targets, from 1%% to 100%%, as in \"quorum "
				   "80%%\"");
	const char *nearest = util_text_nearest(value, gate_names);
	return plan_refuse(error, "Release-Gate", value, "no gate is called so; did you mean %s?",
			   nearest ? nearest : gate_names[PLAN_GATE_ALONE]);
}

gboolean plan_is_gated(PlanGate gate, guint wave)
{
	return gate != PLAN_GATE_ALONE || wave > 1;
}

gboolean plan_cut_off_hold(const char *cut_off, PlanGate gate, guint wave)
{
	return cut_off ? strcmp(cut_off, "hold") == 0 : plan_is_gated(gate, wave);
}

gboolean plan_set_cut_off(Plan *plan, const char *value, GError **error)
{
	gboolean hold = strcmp(value, "hold") == 0;
	if (!hold && strcmp(value, "go") != 0)
		return plan_refuse(
		    error, "Release-If-Cut-Off", value,
		    "it must be go (activate at the preset time, line or no line) or hold "
		    "(wait for an operator)");
	plan->cut_off = g_strdup(value);
	return TRUE;
}

/* "1h30m": numbers with units, largest first. FALSE with *ret_why. */
static gboolean scan_duration(const char *value, gint64 *ret_s, const char **ret_why)
{
	static const struct {
		char name;
		gint64 s;
	} units[] = {{'d', DAY_S}, {'h', 3600}, {'m', 60}, {'s', 1}};
	gint64 total = 0;
	guint unit = 0;
	while (*value) {
		gsize digits = strspn(value, "0123456789");
		guint found = unit;
		while (found < G_N_ELEMENTS(units) && units[found].name != value[digits])
			found++;
		*ret_why = "write a number and a unit, as 90s, 30m, 2h, 1d or 1h30m";
		if (digits > 0 && value[digits] == '\0')
			*ret_why = "its last number has no unit; write s, m, h or d behind it";
		if (digits == 0 || digits > 9 || found == G_N_ELEMENTS(units))
			return FALSE;
		total += g_ascii_strtoll(value, NULL, 10) * units[found].s;
		unit = found + 1;
		value += digits + 1;
	}
	*ret_s = total;
	return TRUE;
}

static gboolean set_duration(const char *key, const char *value, gint64 min_s, gint64 max_s,
			     gint64 *ret_s, GError **error)
{
	const char *why = NULL;
	gint64 s = 0;
	if (!scan_duration(value, &s, &why))
		return plan_refuse(error, key, value, "not a duration: %s", why);
	if (s < min_s || s > max_s)
		return plan_refuse(error, key, value, "it must be from %ds to %dh", (int)min_s,
				   (int)(max_s / 3600));
	*ret_s = s;
	return TRUE;
}

gboolean plan_duration_parse(const char *key, const char *value, gint64 *ret_s, GError **error)
{
	return set_duration(key, value, 0, GRACE_MAX_S, ret_s, error);
}

gboolean plan_set_grace(Plan *plan, const char *value, GError **error)
{
	return set_duration("Release-Grace", value, 0, GRACE_MAX_S, &plan->grace_s, error);
}

gboolean plan_set_max_outage(Plan *plan, const char *value, GError **error)
{
	return set_duration("Release-Max-Outage", value, 1, OUTAGE_MAX_S, &plan->max_outage_s,
			    error);
}
