/* SPDX-License-Identifier: ISC */
/* What the files of this room share; nobody else includes it. */
#pragma once

#include "plan/plan.h"

/* For GLib containers that only borrow what is const for us. */
#define PLAN_BORROW(pointer) ((gpointer)(guintptr)(pointer))

/* text.c */

/* Number of strings; NULL has none. */
guint plan_count(const char *const *strings);

/* A copy safe to print, at most about 120 bytes of it, "…" where it was cut. */
char *plan_show(const char *text);
/* Sets REFUSED "KEY: VALUE: what is wrong and what to do"; always FALSE. */
gboolean plan_refuse(GError **error, const char *key, const char *value, const char *format, ...)
    G_GNUC_PRINTF(4, 5);
/* "a, b, c", at most `max` of them, then "and 7 more"; "none" for an empty list. */
char *plan_list(const char *const *names, guint max);

/* trailers.c: which trailers there are */

typedef struct {
	const char *name; /* "Release-At" */
	/* Checks the value and puts it into the plan. */
	gboolean (*set)(Plan *plan, const char *value, GError **error);
	const char *example; /* for a missing or empty one */
} PlanTrailer;

/* By its exact name, or NULL. */
const PlanTrailer *plan_trailer_find(const char *key);
/* The one that was probably meant, or NULL. */
const PlanTrailer *plan_trailer_guess(const char *key);
/* Index below plan_trailer_count(), to note which ones were seen. */
guint plan_trailer_index(const PlanTrailer *trailer);
guint plan_trailer_count(void);
/* All that can be used, for messages. */
char *plan_trailer_names(void);

/* lines.c: a message as lines */

typedef struct {
	gsize start;    /* of the key within the line */
	gsize len;      /* 0: the line is no "Key: value" */
	gsize value;    /* where the value starts */
	gboolean plain; /* in column 0, an ASCII colon right after the key */
} PlanKey;

typedef struct {
	char *text; /* without trailing white space */
	PlanKey key;
	gboolean indented;
	gboolean looks; /* like a trailer of a plan */
} PlanLine;

typedef struct {
	GArray *lines;     /* PlanLine */
	guint title;       /* index of the first line that is not blank */
	guint first, last; /* the last paragraph, both inclusive */
	gboolean trailers; /* all of it is trailers and continuations */
} PlanLines;

/* A line like "Release-…:" in any letter case, or one that is so near to a trailer's name that
 * nothing else can be meant. */
gboolean plan_line_looks(const char *line, gsize len);
PlanLines *plan_lines_new(const char *message, gsize len);
void plan_lines_free(PlanLines *lines);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanLines, plan_lines_free)
const PlanLine *plan_lines_get(const PlanLines *lines, guint index);
char *plan_line_key(const PlanLine *line);
/* The message as it was probably meant, indented, for people. */
char *plan_lines_corrected(const PlanLines *lines);

/* at.c, values.c: one function per trailer */

gboolean plan_set_at(Plan *plan, const char *value, GError **error);
gboolean plan_set_to(Plan *plan, const char *value, GError **error);
gboolean plan_set_version(Plan *plan, const char *value, GError **error);
gboolean plan_set_app(Plan *plan, const char *value, GError **error);
gboolean plan_set_root(Plan *plan, const char *value, GError **error);
gboolean plan_set_override(Plan *plan, const char *value, GError **error);
gboolean plan_set_waves(Plan *plan, const char *value, GError **error);
gboolean plan_set_gate(Plan *plan, const char *value, GError **error);
gboolean plan_set_cut_off(Plan *plan, const char *value, GError **error);
gboolean plan_set_grace(Plan *plan, const char *value, GError **error);
gboolean plan_set_max_outage(Plan *plan, const char *value, GError **error);

/* One item of a list of bases: "haikou", "-haikou", "@asia", "all". */
gboolean plan_item_check(const char *key, const char *value, const char *item, GError **error);
/* "90s", "1h30m", at most a week. */
gboolean plan_duration_parse(const char *key, const char *value, gint64 *ret_s, GError **error);

/* UTC is at most 14 h off a clock; Pacific/Apia once left out 24 h; one to spare each way. */
#define PLAN_WINDOW_S (26 * 3600)

/* tzif.c: TRUE if a zone's file is sound. *ret_misread_from_utc: from when on GLib would follow a
 * rule of the file's footer that it misreads; G_MAXINT64: never. */
gboolean plan_tzif_check(const char *data, gsize len, gint64 *ret_misread_from_utc);

/* zone.c: the zones of one folder, its list read once */

typedef struct PlanZones PlanZones;

PlanZones *plan_zones_load(const char *zone_dir, GError **error);
void plan_zones_free(PlanZones *zones);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanZones, plan_zones_free)
gboolean plan_zones_check(const PlanZones *zones, const char *zone, GError **error);

typedef struct {
	guint n;        /* 1: it exists once; 0: never; 2: twice */
	gint64 utc[2];  /* for 0 the instants just before and after the gap, as far as meant */
	gint32 off[2];  /* the zone's offset at each */
	gint64 at_utc;  /* for 0 and 2: when the clocks change */
	gint32 old_off; /* before that change */
	gint32 new_off; /* after it */
} PlanInstants;

gboolean plan_zones_instants(PlanZones *zones, const char *zone, const PlanLocal *local,
			     PlanInstants *ret_instants, GError **error);
/* "this local time does not exist in ZONE WHERE: clocks go from …. Use … or …"; where may be "". */
char *plan_zones_explain(const char *zone, const char *where, const PlanLocal *local,
			 const PlanInstants *instants);
/* Seconds east of Greenwich at this instant, as plan_zones_format shows. */
gint32 plan_zones_offset(PlanZones *zones, const char *zone, gint64 utc);
char *plan_zones_format(PlanZones *zones, const char *zone, gint64 utc);

/* freeze.c: bases and table->targets go together */
gboolean plan_freezes_check(PlanZones *zones, const Plan *plan, const PlanFacts *facts,
			    const GPtrArray *bases, const PlanTable *table, GError **error);

/* waves.c */

void plan_wave_free(PlanWave *wave);
/* Sets the wave of each target (1 for all without waves) and table->waves. */
gboolean plan_waves_assign(const Plan *plan, const GPtrArray *bases, PlanTable *table,
			   GError **error);
/* The wave of this base, from 1 (also without waves); 0: none names it. */
guint plan_wave_of(const Plan *plan, const PlanBase *base);
/* After all times are set: each wave begins after the one before it. Sets table->gate_at_utc. */
gboolean plan_waves_check(const Plan *plan, const PlanFacts *facts, PlanTable *table,
			  GError **error);

/* targets.c */

/* const PlanBase pointers into facts, in their order there. */
GPtrArray *plan_targets_resolve(const Plan *plan, const char *app, const PlanFacts *facts,
				GError **error);
