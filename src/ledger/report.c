/* SPDX-License-Identifier: ISC */
/*
 * Reports. A lookup by key must not walk the history, so each commit's tree also has the keys of
 * all reports before it: keys/XX/KEY is the commit of that report, as a gitlink, XX two hex digits
 * of the key's SHA-256. The newest report's own key is in its text.
 */
#include <string.h>

#include "ledger/ledger-private.h"

#define AUTHOR "tagship"
#define SIGNATURE_NAME "signature"
#define APPEND_TRIES 5

static char *key_path(const char *key)
{
	guint8 digest[UTIL_SHA256_BYTES];

	util_sha256_data(key, strlen(key), digest);
	return g_strdup_printf("keys/%02x/%s", digest[0], key);
}

static Report *report_of(const RepoCommit *commit, GError **error)
{
	const char *text = ledger_text(commit, error);
	Report *report;

	if (!text)
		return NULL;
	report = report_parse(text, strlen(text), error);
	if (!report)
		g_prefix_error(error, "report %s: ", commit->oid);
	return report;
}

/* A line for `git log`. */
static char *report_summary(const Report *report)
{
	g_autofree char *line = g_strdup_printf(
	    "%s: %s %s %s, order %" G_GUINT64_FORMAT, report->base, report->app ? report->app : "-",
	    report->version ? report->version : "-", report_event_name(report->event), report->seq);

	return util_text_printable(line, -1);
}

/* *ret_oid is the commit of the report with this key, or empty. head_key: of the newest one. */
static gboolean report_find(Repo *ledger, const char *head, const char *head_key, const char *key,
			    char ret_oid[REPO_OID], GError **error)
{
	g_autofree char *path = key_path(key);
	g_autoptr(GError) local = NULL;

	if (g_str_equal(head_key, key)) {
		(void)g_strlcpy(ret_oid, head, REPO_OID); /* the same size */
		return TRUE;
	}
	if (repo_tree_lookup(ledger, head, path, ret_oid, &local))
		return TRUE;
	*ret_oid = '\0';
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

/* The head's tree with the head's own key added and the new signature in place of the old. */
static gboolean next_tree(Repo *ledger, const RepoCommit *head, const char *head_key,
			  const char *signature, char ret_tree[REPO_OID], GError **error)
{
	g_autofree char *path = head ? key_path(head_key) : NULL;
	RepoTreeEntry entries[2] = {{.name = SIGNATURE_NAME, .mode = 0100644},
				    {.name = path, .mode = 0160000}};

	if (!repo_blob_write(ledger, signature, strlen(signature), entries[0].oid, error))
		return FALSE;
	if (head)
		(void)g_strlcpy(entries[1].oid, head->oid, sizeof entries[1].oid); /* same size */
	return repo_tree_add(ledger, head ? head->tree : NULL, entries, head ? 2 : 1, ret_tree,
			     error);
}

typedef struct {
	const char *key;
	const char *message;
	const char *signature;
	gint64 now_utc;
} Append;

/* One try: AGAIN if another writer came first. */
static gboolean append_once(Repo *ledger, const Append *append, char ret_oid[REPO_OID],
			    GError **error)
{
	g_autoptr(RepoCommit) commit = NULL;
	g_autoptr(Report) newest = NULL;
	g_autofree char *head_key = NULL;
	char head[REPO_OID], tree[REPO_OID];
	RepoCommitSpec spec = {.tree = tree,
			       .message = append->message,
			       .author = AUTHOR,
			       .time_utc = append->now_utc};

	if (!ledger_ref(ledger, LEDGER_REPORTS, head, error))
		return FALSE;
	if (*head) {
		commit = repo_commit_read(ledger, head, error);
		newest = commit ? report_of(commit, error) : NULL;
		if (!newest)
			return FALSE;
		head_key = report_key(newest);
		if (!report_find(ledger, head, head_key, append->key, ret_oid, error))
			return FALSE;
		if (*ret_oid)
			return TRUE;
		spec.parent = head;
	}
	return next_tree(ledger, commit, head_key, append->signature, tree, error) &&
	       repo_commit_write(ledger, &spec, ret_oid, error) &&
	       repo_ref_set(ledger, LEDGER_REPORTS, ret_oid, *head ? head : REPO_ZERO, error);
}

gboolean ledger_report_append(Repo *ledger, const Report *report, const char *text,
			      const char *signature, gint64 now_utc, char ret_oid[REPO_OID],
			      GError **error)
{
	g_autofree char *key = report_key(report);
	g_autofree char *summary = report_summary(report);
	g_autofree char *message = g_strconcat(summary, "\n\n", text, NULL);
	Append append = {
	    .key = key, .message = message, .signature = signature, .now_utc = now_utc};
	g_autoptr(Report) again = report_parse(text, strlen(text), error);
	g_autofree char *text_key = again ? report_key(again) : NULL;

	if (!again)
		return FALSE;
	if (!g_str_equal(text_key, key))
		return util_error_set(error, TS_ERROR_USAGE, "the text is of report %s, not of %s",
				      text_key, key);
	for (guint i = 0;; i++) {
		g_autoptr(GError) local = NULL;

		if (append_once(ledger, &append, ret_oid, &local))
			return TRUE;
		if (i < APPEND_TRIES && g_error_matches(local, TS_ERROR, TS_ERROR_AGAIN))
			continue;
		g_propagate_error(error, g_steal_pointer(&local));
		return FALSE;
	}
}

GPtrArray *ledger_reports(Repo *ledger, GError **error)
{
	g_autoptr(GPtrArray) reports = g_ptr_array_new_with_free_func((GDestroyNotify)report_free);
	char oid[REPO_OID];

	if (!ledger_ref(ledger, LEDGER_REPORTS, oid, error))
		return NULL;
	while (*oid) {
		g_autoptr(RepoCommit) commit = repo_commit_read(ledger, oid, error);
		Report *report = commit ? report_of(commit, error) : NULL;

		if (!report)
			return NULL;
		g_ptr_array_add(reports, report);
		(void)g_strlcpy(oid, commit->parent, sizeof oid); /* the same size */
	}
	for (guint i = 0; i < reports->len / 2; i++) {
		gpointer other = reports->pdata[i];

		reports->pdata[i] = reports->pdata[reports->len - 1 - i];
		reports->pdata[reports->len - 1 - i] = other;
	}
	return g_steal_pointer(&reports);
}

static void reported_free(gpointer data)
{
	LedgerReported *reported = data;

	g_free(reported->key);
	g_free(reported);
}

GPtrArray *ledger_reported(Repo *ledger, guint max, GError **error)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func(reported_free);
	char oid[REPO_OID];

	if (!ledger_ref(ledger, LEDGER_REPORTS, oid, error))
		return NULL;
	while (*oid && all->len < max) {
		g_autoptr(RepoCommit) commit = repo_commit_read(ledger, oid, error);
		g_autoptr(Report) report = commit ? report_of(commit, error) : NULL;
		LedgerReported *reported;

		if (!report)
			return NULL;
		reported = g_new0(LedgerReported, 1);
		reported->key = report_key(report);
		(void)g_strlcpy(reported->oid, oid, sizeof reported->oid); /* the same size */
		g_ptr_array_add(all, reported);
		(void)g_strlcpy(oid, commit->parent, sizeof oid); /* the same size */
	}
	return g_steal_pointer(&all);
}
