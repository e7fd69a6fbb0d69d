/* SPDX-License-Identifier: ISC */
#include "plan/plan-private.h"

#define PREFIX "release"
#define PREFIX_LEN (sizeof(PREFIX) - 1)

static const PlanTrailer trailers[] = {
    {"Release-At", plan_set_at, "2026-12-01 02:00 base-local"},
    {"Release-To", plan_set_to, "all"},
    {"Release-Version", plan_set_version, "v1.4.0"},
    {"Release-App", plan_set_app, "shop"},
    {"Release-Gate", plan_set_gate, "alone"},
    {"Release-If-Cut-Off", plan_set_cut_off, "go"},
    {"Release-Grace", plan_set_grace, "30m"},
    {"Release-Max-Outage", plan_set_max_outage, "5m"},
    {"Release-Waves", plan_set_waves, "haikou; @asia +30m; all +2h"},
    {"Release-Override", plan_set_override, "the fix for ticket 4711"},
    {"Release-Root", plan_set_root,
     "c7b3f2a1d9e8c7b3f2a1d9e8c7b3f2a1d9e8c7b3f2a1d9e8c7b3f2a1d9e8c7b3"},
};

/* Words people write for what has another name here. */
static const struct {
	const char *word; /* folded */
	const char *name;
} aliases[] = {
    {"date", "Release-At"},
    {"time", "Release-At"},
    {"when", "Release-At"},
    {"on", "Release-At"},
    {"base", "Release-To"},
    {"bases", "Release-To"},
    {"target", "Release-To"},
    {"targets", "Release-To"},
    {"where", "Release-To"},
    {"tag", "Release-Version"},
    {"cut-off", "Release-If-Cut-Off"},
    {"outage", "Release-Max-Outage"},
};

guint plan_trailer_count(void)
{
	return G_N_ELEMENTS(trailers);
}

guint plan_trailer_index(const PlanTrailer *trailer)
{
	return (guint)(trailer - trailers);
}

const PlanTrailer *plan_trailer_find(const char *key)
{
	for (guint i = 0; i < G_N_ELEMENTS(trailers); i++)
		if (strcmp(trailers[i].name, key) == 0)
			return &trailers[i];
	return NULL;
}

/* Folded, without '-' and '_'. */
static char *squash(const char *key)
{
	char *out = g_ascii_strdown(key, -1);
	char *to = out;
	for (const char *p = out; *p; p++)
		if (*p != '-' && *p != '_')
			*to++ = *p;
	*to = '\0';
	return out;
}

/* The trailer whose name ends like this one, by alias or nearest spelling if `loose`. */
static const PlanTrailer *guess_suffix(const char *suffix, gboolean loose)
{
	const char *names[G_N_ELEMENTS(trailers) + 1] = {NULL};
	for (guint i = 0; i < G_N_ELEMENTS(trailers); i++) {
		names[i] = trailers[i].name + PREFIX_LEN + 1;
		if (g_ascii_strcasecmp(names[i], suffix) == 0)
			return &trailers[i];
	}
	if (!loose)
		return NULL;
	for (guint i = 0; i < G_N_ELEMENTS(aliases); i++)
		if (g_ascii_strcasecmp(aliases[i].word, suffix) == 0)
			return plan_trailer_find(aliases[i].name);
	const char *nearest = util_text_nearest(suffix, names);
	for (guint i = 0; nearest && i < G_N_ELEMENTS(trailers); i++)
		if (names[i] == nearest)
			return &trailers[i];
	return NULL;
}

const PlanTrailer *plan_trailer_guess(const char *key)
{
	static const char *const prefixes[] = {PREFIX, NULL};
	if (strlen(key) > 40)
		return NULL;
	g_autofree char *squashed = squash(key);
	for (guint i = 0; i < G_N_ELEMENTS(trailers); i++) {
		g_autofree char *name = squash(trailers[i].name);
		if (strcmp(name, squashed) == 0)
			return &trailers[i];
	}
	gsize cut = strcspn(key, "-_");
	if (key[cut] == '\0')
		return NULL;
	g_autofree char *prefix = g_ascii_strdown(key, (gssize)cut);
	if (!util_text_nearest(prefix, prefixes))
		return NULL;
	return guess_suffix(key + cut + 1, strcmp(prefix, PREFIX) == 0);
}

char *plan_trailer_names(void)
{
	const char *names[G_N_ELEMENTS(trailers) + 1] = {NULL};
	for (guint i = 0; i < G_N_ELEMENTS(trailers); i++)
		names[i] = trailers[i].name;
	return plan_list(names, G_N_ELEMENTS(trailers));
}
