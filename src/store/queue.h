/* SPDX-License-Identifier: ISC */
/*
 * Central's queue beneath one folder (STATE/queue):
 *
 *   in/NAME      hints from hooks and serve: trailer text; anybody who pushes may write here
 *   wake         made by a hook; the worker removes it before it scans
 *   jobs/ID      one durable job each: trailer text, replaced durably
 *
 * A hint is made by temporary name and rename, so the worker never reads half of one. It is removed
 * only after everything it led to is durable. Job ids are derived from what the job is about, so
 * that asking twice makes one job.
 */
#pragma once

#include "util/util.h"

/* Makes in/ and jobs/ (idempotent). */
gboolean store_queue_init(int queue_dirfd, GError **error);

/* Puts a hint into in/ and makes `wake`; `kind` becomes "Hint: KIND". On return
 * `hint` also has "Name": how the hint is called in in/. */
gboolean store_hint_put(int queue_dirfd, const char *kind, UtilTrailers *hint, GError **error);
/* Names of hints, oldest first. */
GPtrArray *store_hint_list(int queue_dirfd, GError **error);
/* A hint that is not trailer text is CORRUPT; the caller logs and removes it. */
UtilTrailers *store_hint_read(int queue_dirfd, const char *name, GError **error);
gboolean store_hint_remove(int queue_dirfd, const char *name, GError **error);
gboolean store_wake_set(int queue_dirfd, GError **error);
gboolean store_wake_clear(int queue_dirfd, gboolean *ret_was_set, GError **error);

typedef enum { JOB_QUEUED, JOB_RUNNING, JOB_DONE, JOB_FAILED } JobState;
const char *job_state_name(JobState state);

typedef struct {
	char *id;   /* "shop-v1.4.0-1a2b3c4" */
	char *kind; /* "tag", "branch", "bundle", "settle" */
	char *app;
	char *ref;      /* full ref name, or empty */
	char *oid;      /* tag object or commit */
	char *base;     /* "bundle" and "settle" jobs, or empty */
	char *old_root; /* "bundle" jobs, or empty */
	char *root;     /* "bundle" jobs, or empty */
	char *pusher;   /* or empty */
	char *phase;    /* "build", "bundle", "order", "done" for people */
	char *reason;   /* why it failed, one line, or empty */
	JobState state;
	gint64 created_utc, started_utc, ended_utc; /* 0: not yet */
	gint64 attempt;                             /* 1 for the first run */
} Job;

Job *job_new(const char *id, const char *kind, const char *app);
void job_free(Job *job);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Job, job_free)
/* "APP-SHORTREF-OID7" with '/' and other odd bytes as '-'; the hook and the worker agree. */
char *job_id_for_ref(const char *app, const char *ref, const char *oid);

/* "log/ID.ATTEMPT.log" beneath STATE; before the first run, where that will be. Caller frees. */
char *job_log_name(const char *id, gint64 attempt);

/* EXISTS if there is such a job already. */
gboolean store_job_create(int queue_dirfd, const Job *job, GError **error);
gboolean store_job_write(int queue_dirfd, const Job *job, GError **error);
Job *store_job_read(int queue_dirfd, const char *id, GError **error);
/* All jobs, oldest first (created_utc, then id). */
GPtrArray *store_job_list(int queue_dirfd, GError **error);
