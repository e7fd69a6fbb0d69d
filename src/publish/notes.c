/* SPDX-License-Identifier: ISC */
/*
 * What became of a version, where developers look: refs/notes/releases of the source repository, on
 * the commit of each version that an order named (git log --notes=releases). A note is made anew
 * from records and ledgers whenever a base reports an end, so it may be lost or interrupted.
 *
 *   haikou: live since 2026-12-01T02:00:04Z, outage 1.2 s (v1.4.0)
 *   berlin: rolled-back 2026-12-01T02:00:09Z: not healthy after 3 tries (v1.4.0)
 *   paris: was live from 2026-11-30T01:00:02Z to 2026-12-01T01:00:03Z, outage 0.8 s (v1.3.9)
 */
#include "publish/publish-private.h"

#define NOTES "refs/notes/releases"
#define NOTES_OPTION "--ref=refs/notes/releases"
#define GIT_S 60
#define OUTPUT_MAX (16 * 1024 * 1024)
#define RELEASES_MAX 200 /* older ones keep the note they have */

/* One end of one release at one base. */
typedef struct {
	const PublishRelease *release;
	const PublishTarget *target;
	char *commit;
	gint64 until_utc; /* live: when the next one went live there; 0: still */
} Outcome;

static void outcome_free(gpointer data)
{
	Outcome *outcome = data;
	g_free(outcome->commit);
	g_free(outcome);
}

static gint oldest_first(gconstpointer a, gconstpointer b)
{
	const Outcome *x = *(Outcome *const *)a, *y = *(Outcome *const *)b;
	if (x->target->event_utc != y->target->event_utc)
		return x->target->event_utc < y->target->event_utc ? -1 : 1;
	return strcmp(x->target->base, y->target->base);
}

/* Another version serves after these. */
static gboolean replaces(ReportEvent event)
{
	return event == REPORT_LIVE || event == REPORT_DOWN;
}

static void set_until(GPtrArray *outcomes)
{
	for (guint i = 0; i < outcomes->len; i++) {
		Outcome *outcome = outcomes->pdata[i];
		for (guint n = i + 1; n < outcomes->len && outcome->until_utc == 0; n++) {
			const Outcome *later = outcomes->pdata[n];
			if (outcome->target->event == REPORT_LIVE &&
			    replaces(later->target->event) &&
			    strcmp(outcome->target->base, later->target->base) == 0)
				outcome->until_utc = later->target->event_utc;
		}
	}
}

/* commit of a version, or NULL if it is not in the library any more */
static char *commit_of(Central *central, const PublishRelease *release)
{
	g_autoptr(LibraryVersion) version =
	    release->version
		? library_version(central->library, release->app, release->version, NULL)
		: NULL;
	return version ? g_strdup(version->commit) : NULL;
}

static GPtrArray *outcomes_of(Central *central, const GPtrArray *releases)
{
	GPtrArray *outcomes = g_ptr_array_new_with_free_func(outcome_free);
	for (guint i = 0; i < releases->len; i++) {
		const PublishRelease *release = releases->pdata[i];
		g_autofree char *commit = commit_of(central, release);
		for (guint t = 0; commit && t < release->targets->len; t++) {
			const PublishTarget *target = release->targets->pdata[t];
			if (target->state != CENTRAL_ENDED || target->event == REPORT_SUPERSEDED ||
			    target->event == REPORT_CANCELLED)
				continue;
			Outcome *outcome = g_new0(Outcome, 1);
			outcome->release = release;
			outcome->target = target;
			outcome->commit = g_strdup(commit);
			g_ptr_array_add(outcomes, outcome);
		}
	}
	g_ptr_array_sort(outcomes, oldest_first);
	set_until(outcomes);
	return outcomes;
}

static void add_line(GString *text, const Outcome *outcome)
{
	const PublishTarget *target = outcome->target;
	g_autofree char *when = util_time_format_utc(target->event_utc);
	g_autofree char *until =
	    outcome->until_utc > 0 ? util_time_format_utc(outcome->until_utc) : NULL;
	g_autofree char *detail = util_text_printable(target->detail ? target->detail : "", -1);
	g_string_append_printf(text, "%s: ", target->base);
	if (target->event != REPORT_LIVE)
		g_string_append_printf(text, "%s %s%s%s", report_event_name(target->event), when,
				       *detail ? ": " : "", detail);
	else if (until)
		g_string_append_printf(text, "was live from %s to %s", when, until);
	else
		g_string_append_printf(text, "live since %s", when);
	if (target->outage_ms >= 0)
		g_string_append_printf(text, ", outage %.1f s", (double)target->outage_ms / 1000);
	g_string_append_printf(text, " (%s)\n", outcome->release->tag);
}

/* ---- git ---- */

/* Our own hooks have nothing to say to it. */
static gboolean git(const char *repo, const char *const *args, GBytes *input, char **ret_output,
		    GError **error)
{
	g_autoptr(GBytes) output = NULL;
	static const char *const head[] = {"git",
					   "-c",
					   "core.hooksPath=/dev/null",
					   "-c",
					   "core.fsync=all", /* an empty note stops every push */
					   "-c",
					   "user.name=tagship",
					   "-c",
					   "user.email=tagship@localhost",
					   "--git-dir"};
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_autofree char *errors = NULL;
	int status = 0;
	for (guint i = 0; i < G_N_ELEMENTS(head); i++)
		g_ptr_array_add(argv, (gpointer)(gsize)head[i]);
	g_ptr_array_add(argv, (gpointer)(gsize)repo);
	for (guint i = 0; args[i]; i++)
		g_ptr_array_add(argv, (gpointer)(gsize)args[i]);
	g_ptr_array_add(argv, NULL);
	if (!util_child_capture((const char *const *)argv->pdata, NULL, input, GIT_S, OUTPUT_MAX,
				&output, &errors, &status, error))
		return FALSE;
	if (ret_output && output)
		*ret_output = g_strndup(g_bytes_get_data(output, NULL), g_bytes_get_size(output));
	return status == 0 || util_error_set(error, TS_ERROR_FAILED, "git %s %s: %s", args[0],
					     args[1], g_strstrip(errors));
}

/* commit -> blob of its note, as they are. */
static GHashTable *read_notes(const char *repo)
{
	const char *const list[] = {"ls-tree", "-r", NOTES, NULL};
	GHashTable *notes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
	g_autofree char *output = NULL;
	/* without any note yet it fails */
	if (!git(repo, list, NULL, &output, NULL))
		return notes;
	g_auto(GStrv) lines = g_strsplit(output, "\n", -1);
	for (guint i = 0; lines[i]; i++) {
		/* "100644 blob OID\tFAN/OUT/OF/COMMIT" */
		g_auto(GStrv) parts = g_strsplit(lines[i], "\t", 2);
		g_auto(GStrv) words = parts[0] ? g_strsplit(parts[0], " ", 3) : NULL;
		if (!words || g_strv_length(words) != 3 || !parts[1])
			continue;
		g_auto(GStrv) folders = g_strsplit(parts[1], "/", -1);
		g_hash_table_insert(notes, g_strjoinv("", folders), g_strdup(words[2]));
	}
	return notes;
}

static char *blob_of(const char *text)
{
	g_autoptr(GChecksum) sum = g_checksum_new(G_CHECKSUM_SHA1);
	g_autofree char *head = g_strdup_printf("blob %" G_GSIZE_FORMAT, strlen(text));
	g_checksum_update(sum, (const guchar *)head, (gssize)strlen(head) + 1); /* with its NUL */
	g_checksum_update(sum, (const guchar *)text, (gssize)strlen(text));
	return g_strdup(g_checksum_get_string(sum));
}

static gboolean write_note(Repo *repo, GHashTable *have, const char *commit, const char *text,
			   GError **error)
{
	const char *const add[] = {"notes", NOTES_OPTION, "add", "-f", "-F", "-", commit, NULL};
	g_autofree char *blob = blob_of(text);
	g_autoptr(GBytes) input = g_bytes_new(text, strlen(text));
	if (g_strcmp0(g_hash_table_lookup(have, commit), blob) == 0)
		return TRUE;
	int guard = repo_ref_guard(repo, NOTES, error);
	if (guard < 0)
		return FALSE;
	gboolean ok = git(repo_path(repo), add, input, NULL, error);
	repo_ref_unguard(guard, ok);
	return ok;
}

static void text_free(gpointer data)
{
	g_string_free(data, TRUE);
}

/* commit -> GString; keys are the outcomes'. */
static GHashTable *texts_of(const GPtrArray *outcomes)
{
	GHashTable *texts = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, text_free);
	for (guint i = 0; i < outcomes->len; i++) {
		const Outcome *outcome = outcomes->pdata[i];
		GString *text = g_hash_table_lookup(texts, outcome->commit);
		if (!text) {
			text = g_string_new(NULL);
			g_hash_table_insert(texts, outcome->commit, text);
		}
		add_line(text, outcome);
	}
	return texts;
}

gboolean publish_notes_write(Central *central, const char *app_name, GError **error)
{
	g_autoptr(ConfApp) app = conf_app_load(central->dirfd, app_name, error);
	g_autoptr(GPtrArray) releases =
	    app ? publish_releases(central, NULL, app_name, RELEASES_MAX, error) : NULL;
	if (!releases)
		return FALSE;
	g_autoptr(GPtrArray) outcomes = outcomes_of(central, releases);
	g_autoptr(GHashTable) texts = texts_of(outcomes);
	g_autoptr(Repo) repo = repo_open(app->repo, error);
	if (!repo)
		return FALSE;
	g_autoptr(GHashTable) have = read_notes(app->repo);
	GHashTableIter iter;
	gpointer commit = NULL, text = NULL;
	g_autoptr(GError) first = NULL;
	g_hash_table_iter_init(&iter, texts);
	while (g_hash_table_iter_next(&iter, &commit, &text)) {
		g_autoptr(GError) failed = NULL;
		/* a tag that was deleted, and its commit with it */
		if (!repo_object_exists(repo, commit) ||
		    write_note(repo, have, commit, ((GString *)text)->str, &failed))
			continue;
		if (!first)
			first = g_steal_pointer(&failed);
	}
	if (!first)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&first));
	return FALSE;
}
