/* SPDX-License-Identifier: ISC */
/*
 * The release plan: what an annotated tag says about when and where. Pure text; of the zone folder
 * its list tzdata.zi is read, and the files of listed zones (through GTimeZone).
 *
 *   g_autoptr(PlanTag) tag = plan_tag_parse(raw, len, &error);    git's tag object, raw
 *   g_autoptr(Plan) plan = NULL;
 *   if (!plan_parse(tag->message, tag->message_len, &plan, &error))
 *           refuse;                                    error->message is for the pusher
 *   if (!plan)
 *           ordinary annotated tag;
 *   g_autoptr(PlanTable) table = plan_compile(plan, tag->name, &facts, &error);
 *
 * Every refusal is TS_ERROR_REFUSED and names trailer, value and remedy, in one or more lines that
 * are safe to print as they are (UTF-8 without control characters but newline).
 * No crash behaviour: nothing is written.
 */
#pragma once

#include "util/util.h"

#define PLAN_MESSAGE_MAX (64 * 1024)
#define PLAN_TARGETS_MAX 1000
#define PLAN_NOW_VALID_S (24 * 3600)

/* A git tag object taken apart. `message` ends before the signature; nothing may follow the
 * signature's END line. */
typedef struct {
	char *object; /* hex id of the tagged object */
	char *type;   /* "commit", … */
	char *name;   /* the tag's own name */
	char *tagger; /* "Name <mail>" */
	gint64 tagged_utc;
	char *message;
	gsize message_len;
	char *signature; /* armoured, or NULL */
} PlanTag;

/* CORRUPT where the headers are not object, type, tag and tagger as git writes them; REFUSED for a
 * further header, a NUL byte, a signature without end, a second one, or text behind it. */
PlanTag *plan_tag_parse(const char *raw, gsize len, GError **error);
void plan_tag_free(PlanTag *tag);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanTag, plan_tag_free)

typedef enum {
	PLAN_AT_NOW,
	PLAN_AT_BASE_LOCAL, /* local time in each base's zone */
	PLAN_AT_ZONE,       /* local time in one named zone */
	PLAN_AT_INSTANT     /* with a numeric offset */
} PlanAtKind;

typedef struct {
	int year, month, day, hour, minute, second;
} PlanLocal;

/* For whom a release waits beside its time. A later wave waits for the one before it, too. */
typedef enum {
	PLAN_GATE_ALONE,
	PLAN_GATE_ALL_STAGED, /* until all targets are staged */
	PLAN_GATE_QUORUM      /* until quorum_percent of all targets are, rounded up */
} PlanGate;

/* "alone", "all-staged", "quorum 80%", and back: FALSE for anything else. */
char *plan_gate_format(PlanGate gate, guint quorum_percent);
gboolean plan_gate_parse(const char *text, PlanGate *ret_gate, guint *ret_quorum_percent);

#define PLAN_WAVES_MAX 100
/* One wave as written: "haikou, @asia +30m". */
typedef struct {
	char **items;    /* bases, "@group", "all": those that no wave before has */
	gint64 offset_s; /* after Release-At */
	char *text;
} PlanWave;

typedef struct {
	char *at_text; /* as written */
	PlanAtKind at;
	PlanLocal local;     /* BASE_LOCAL, ZONE */
	char *zone;          /* ZONE */
	gint64 utc;          /* INSTANT */
	char **to;           /* items of Release-To as written */
	char *version;       /* Release-Version or NULL */
	char *app;           /* Release-App or NULL */
	char *root;          /* Release-Root: the built tree must be this one; or NULL */
	gint64 grace_s;      /* default 1800 */
	gint64 max_outage_s; /* 0: the base's own */
	char *cut_off;       /* Release-If-Cut-Off: "go" or "hold"; NULL: by gate and wave */
	PlanGate gate;       /* default alone */
	guint quorum_percent;
	GPtrArray *waves; /* PlanWave; NULL: one for all */
	char *override;   /* Release-Override: why a freeze does not count; NULL */
	char *title;      /* first line of the message, printable, at most some 200 bytes */
} Plan;

/* *ret_plan stays NULL for a message without a plan (TRUE). FALSE: a plan that is wrong, or lines
 * that look like a plan and are none: "Release-…:" in any letter case anywhere in the message, or a
 * key too near to a trailer's name to be anything else ("Relase-At:", "ReleaseTo:").
 * Messages over PLAN_MESSAGE_MAX or with a NUL are refused if any line looks like that. */
gboolean plan_parse(const char *message, gsize len, Plan **ret_plan, GError **error);
void plan_free(Plan *plan);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Plan, plan_free)

/* A time in which nothing may activate, by each base's clock: minutes since 1970 of that clock, of
 * its week (from Monday), or of its day; `to` is not part of it. */
typedef struct {
	enum { PLAN_FREEZE_DATES, PLAN_FREEZE_WEEKLY, PLAN_FREEZE_DAILY } kind;
	gint64 from_min, to_min;
	char *text, *reason;
} PlanFreeze;

/* "2026-12-24 to 2026-12-26 REASON" (whole days), "2026-12-24 18:00 to 2026-12-27 06:00 REASON",
 * "Fri 16:00 to Mon 06:00 REASON", "08:00 to 18:00 REASON"; else USAGE. */
PlanFreeze *plan_freeze_parse(const char *text, GError **error);
void plan_freeze_free(PlanFreeze *freeze);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanFreeze, plan_freeze_free)

/* What a plan is compiled against. */
typedef struct {
	const char *name;
	const char *zone;
	const char *const *groups; /* NULL-terminated */
	gboolean runs_app;         /* the base runs this plan's app */
	const GPtrArray *freezes;  /* PlanFreeze, of this base; may be NULL */
} PlanBase;

typedef struct {
	const PlanBase *bases;
	guint n_bases;
	const char *const *app_names; /* NULL-terminated, of this repository */
	const char *const *versions;  /* built versions of the app, NULL-terminated */
	const char *zone_dir;         /* folder with tzdata.zi and the zone files */
	gint64 now_utc;
	gint64 pushed_utc;        /* `now` counts from here */
	gint64 outage_s;          /* of a wave whose plan names none: so long it may take */
	const GPtrArray *freezes; /* PlanFreeze, of all bases; may be NULL */
	gboolean may_override;    /* whoever pushes this may override a freeze */
	gint64 gate_lead_s;       /* so long before the earliest go-live a gate is decided */
} PlanFacts;

typedef struct {
	char *base;
	char *zone;
	gint64 at_utc;
	char *local_text; /* "2026-12-01 02:00:00 +08:00" */
	guint wave;       /* from 1 */
} PlanTarget;

typedef struct {
	char *app;
	char *version;      /* what will run */
	gboolean is_now;    /* at_utc is then pushed_utc for all */
	gboolean plan_only; /* Release-Version named another tag: nothing is built for this one */
	gint64 grace_s;
	gint64 max_outage_s;
	char *cut_off; /* "go" or "hold" for all; NULL: see plan_cut_off_hold */
	PlanGate gate;
	guint quorum_percent;
	gint64 gate_at_utc; /* when the gate is decided; 0 for alone */
	guint waves;        /* 1: all together */
	char *override;     /* as Plan */
	char *root;         /* as Plan */
	char *title;
	GPtrArray *targets; /* PlanTarget, by wave, time, then name */
} PlanTable;

/* What a base of this wave does when it is cut off: hold, or else go. */
gboolean plan_cut_off_hold(const char *cut_off, PlanGate gate, guint wave);
/* Does a base of this wave wait for central's word? */
gboolean plan_is_gated(PlanGate gate, guint wave);

/* tag_name: the tag's own name, the default version. A `now` with now_utc past pushed_utc + 24 h,
 * or a time in the past, is refused. Groups and `all` mean those of their bases that run the app; a
 * base named alone must run it. What is left out stays out, wherever in the list it stands, but a
 * base that is both named and left out is refused. Of waves, a base belongs to the first that names
 * it; a target in none, a wave without targets, and one that does not begin after the latest of the
 * wave before and its maximum outage, are refused, and so are waves and gates with `now` and a gate
 * whose decision would be in the past. So is a time in a freeze, with the next free minute, unless
 * the plan overrides it and may. Errors other than REFUSED: the list of zones
 * could not be read (NOT_FOUND, CORRUPT, FAILED). */
PlanTable *plan_compile(const Plan *plan, const char *tag_name, const PlanFacts *facts,
			GError **error);
/* A freeze that was written after the plan: "TIME, frozen FREEZE; the next free minute is TIME";
 * NULL if this time at this base falls into none, or there is no such base. */
char *plan_freeze_alarm(const PlanFacts *facts, const char *base, gint64 at_utc);
/* The first moment from from_utc to until_utc that is frozen at this base; 0: there is none. */
gint64 plan_freeze_begins(const PlanFacts *facts, const char *base, gint64 from_utc,
			  gint64 until_utc);
void plan_table_free(PlanTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PlanTable, plan_table_free)

/* What a plan says to one base that knows only itself: whether it is a target, in which wave, and
 * when it goes; for `now` *ret_at_utc is 0. Waves of others, freezes and the past are not looked
 * at. REFUSED if it is no target, or has no such time. zone_dir NULL: the system's. */
gboolean plan_own(const Plan *plan, const PlanBase *self, const char *zone_dir, guint *ret_wave,
		  gint64 *ret_at_utc, GError **error);

/* The table as text for people: base, local time, UTC, time left. */
char *plan_table_format(const PlanTable *table, gint64 now_utc);

/* TRUE if `zone` is listed (zone or link) in ZONE_DIR/tzdata.zi; else REFUSED with the nearest
 * one. */
gboolean plan_zone_check(const char *zone_dir, const char *zone, GError **error);
/* UTC of a local time in a zone; a time that does not exist or exists twice is REFUSED with the
 * UTC candidates. So is one that GLib would get wrong: it misreads rules whose summer time is
 * behind standard time (Europe/Dublin from 2038 on; all its times with "slim" zone files). */
gboolean plan_zone_to_utc(const char *zone_dir, const char *zone, const PlanLocal *local,
			  gint64 *ret_utc, GError **error);
/* Text "2026-12-01 02:00:00 +08:00 Asia/Shanghai", as an order says its time for people: an alarm
 * if the zones of zone_dir (NULL: the system's) make another time of at_utc, else NULL. Text of
 * another form is taken as it is. */
char *plan_zone_alarm(const char *zone_dir, gint64 at_utc, const char *text);
/* "2026-12-01 02:00:00 +08:00"; in UTC, "+00:00", if the zone cannot be used. Never NULL. */
char *plan_zone_format(const char *zone_dir, const char *zone, gint64 utc);
