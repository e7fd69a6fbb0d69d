/* SPDX-License-Identifier: ISC */
/*
 * What is where, what comes, and what went wrong, on central: a model read from records and
 * ledgers. Writes nothing and influences nothing. What a base did is as of its last contact, and
 * says so.
 */
#pragma once

#include <json-glib/json-glib.h>

#include "publish/publish.h"

/* After the minute of a release: for the base to switch, check its health, and say so. */
#define STATUS_OVERDUE_S 300

/* One app at one base. Strings may be NULL where nothing is known. */
typedef struct {
	char *app;
	char *base;
	char *zone;
	char *live_version; /* by its newest report; NULL while it is down, too */
	gint64 live_since_utc;
	char *next_version; /* the soonest open release */
	char *next_state;   /* "ordered", "staged", "cancel-asked" */
	char *next_waits;   /* for what, beside its time: "gate", "wave 1"; NULL: for nothing */
	gint64 next_at_utc, next_grace_s;
	guint64 next_seq; /* of its order; 0: not ordered yet */
	gboolean next_is_now;
	char *next_local;
	/* the bundle of next_version on its way: bytes, of how many, and when it will be there; a
	 * download that stopped is not shown */
	guint64 sent_bytes, bundle_bytes;
	gint64 arrives_utc; /* 0: none is on its way */
	char *last_state;   /* how the newest ended release ended here; cancelled, superseded: none
			       ran */
	char *last_version;
	char *last_detail;
	gint64 last_utc;
	guint64 live_seq, last_seq; /* of their orders */
	gboolean last_ran;
	char *down_version; /* nothing healthy serves since this was to go live; NULL: it does */
	char *down_detail;
	gint64 serves_utc; /* of the newest report that says whether it does */
	guint64 serves_seq;
	gint64 heard_utc;        /* last contact, 0: never */
	gint64 silent_since_utc; /* see publish_base_is_silent; 0: it is not */
	/* the time of next_version is over, and nothing was heard of it; not where it may not go:
	 * held, stopped, or waiting for a word that may still come */
	gboolean overdue;
	gboolean stopped; /* by central */
	char *held;       /* reason, or NULL */
	GPtrArray *nodes; /* StatusNode: servers of its site, by name; may be empty */
} StatusCell;

/* What such a server did last, as the base reported it. */
typedef struct {
	char *name;
	char *version; /* of the release */
	char *state;   /* event of that release */
	char *detail;
	gint64 utc;
	char *live_version; /* NULL: none is known */
	gint64 live_since_utc;
} StatusNode;

typedef struct {
	char *name;
	GPtrArray *releases; /* PublishRelease, newest first */
} StatusApp;

typedef struct {
	GPtrArray *apps;      /* StatusApp, by name */
	GPtrArray *cells;     /* StatusCell, by app, then base */
	GHashTable *contacts; /* base -> UtilTrailers (publish_contact), of those heard */
	GPtrArray *stops;     /* PublishStop */
	GPtrArray *trouble;   /* char *, one line each, what is worst first */
	gint64 now_utc;       /* when it was loaded */
	gboolean worker_running;
	guint jobs_waiting;
	char *job_running; /* or NULL */
} Status;

/* app NULL: all. */
Status *status_load(Central *central, const char *app, GError **error);
void status_free(Status *status);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Status, status_free)

/* As `tagship status --json` prints it; caller frees. */
char *status_json_text(const Status *status);
/* In the text format of Prometheus; caller frees. Times are those of `now_utc`. */
char *status_metrics(const Status *status);
void status_to_json(const Status *status, JsonBuilder *builder);
void status_release_to_json(const PublishRelease *release, JsonBuilder *builder);
