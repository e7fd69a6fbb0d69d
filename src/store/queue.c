/* SPDX-License-Identifier: ISC */
#include "store/store.h"

#define HINT_MAX_BYTES (64 * 1024)
#define JOB_MAX_BYTES (64 * 1024)
#define JOB_ID_MAX 200
#define SHORT_REF_MAX 100

gboolean store_queue_init(int queue_dirfd, GError **error)
{
	/* in/ takes the mode the administrator gave it later (pushers of several accounts) */
	return util_fs_mkdir(queue_dirfd, "in", 0770, error) &&
	       util_fs_mkdir(queue_dirfd, "jobs", 0770, error);
}

/* A plain file name, so that no name from a file or a hook leads out of its folder. */
static gboolean check_file_name(const char *what, const char *name, GError **error)
{
	gsize len = strlen(name);
	if (len > 0 && len <= JOB_ID_MAX && name[0] != '.' && !strchr(name, '/'))
		return TRUE;
	g_autofree char *shown = util_text_printable(name, (gssize)MIN(len, 80));
	return util_error_set(error, TS_ERROR_CORRUPT, "not the name of a %s: \"%s\"", what, shown);
}

gboolean store_wake_set(int queue_dirfd, GError **error)
{
	g_autoptr(GError) failed = NULL;
	util_autofd int fd =
	    util_fs_open_beneath(queue_dirfd, "wake", O_WRONLY | O_CREAT | O_EXCL, 0660, &failed);
	if (fd >= 0 || g_error_matches(failed, TS_ERROR, TS_ERROR_EXISTS))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&failed));
	return FALSE;
}

gboolean store_wake_clear(int queue_dirfd, gboolean *ret_was_set, GError **error)
{
	struct stat st;
	gboolean was_set = fstatat(queue_dirfd, "wake", &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (!util_fs_unlink(queue_dirfd, "wake", error))
		return FALSE;
	*ret_was_set = was_set;
	return TRUE;
}

gboolean store_hint_put(int queue_dirfd, const char *kind, UtilTrailers *hint, GError **error)
{
	g_autoptr(UtilTrailers) all = util_trailers_new();
	util_trailers_add(all, "Hint", kind);
	for (guint i = 0; i < util_trailers_count(hint); i++)
		util_trailers_add(all, util_trailers_key(hint, i), util_trailers_value(hint, i));
	g_autofree char *text = util_trailers_format(all);
	/* the name sorts by time */
	g_autofree char *path =
	    g_strdup_printf("in/%020" G_GINT64_FORMAT "-%08x", g_get_real_time(), g_random_int());
	util_trailers_add(hint, "Name", path + strlen("in/"));
	return util_fs_create_file(queue_dirfd, path, text, strlen(text), 0664, error) &&
	       store_wake_set(queue_dirfd, error);
}

GPtrArray *store_hint_list(int queue_dirfd, GError **error)
{
	return util_fs_list(queue_dirfd, "in", error);
}

static UtilTrailers *read_trailers(int dirfd, const char *path, gsize max_bytes, GError **error)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(dirfd, path, max_bytes, &text, &len, error))
		return NULL;
	return util_trailers_parse(text, len, error);
}

UtilTrailers *store_hint_read(int queue_dirfd, const char *name, GError **error)
{
	const char *kind = NULL;
	if (!check_file_name("hint", name, error))
		return NULL;
	g_autofree char *path = g_strconcat("in/", name, NULL);
	g_autoptr(GError) failed = NULL;
	g_autoptr(UtilTrailers) hint = read_trailers(queue_dirfd, path, HINT_MAX_BYTES, &failed);
	if (hint && util_trailers_need(hint, "Hint", &kind, &failed))
		return g_steal_pointer(&hint);
	/* a folder, a link, a file of somebody else's: one pusher must not stop the queue */
	if (!g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND))
		failed->code = TS_ERROR_CORRUPT;
	g_propagate_prefixed_error(error, g_steal_pointer(&failed), "%s: ", path);
	return NULL;
}

gboolean store_hint_remove(int queue_dirfd, const char *name, GError **error)
{
	if (!check_file_name("hint", name, error))
		return FALSE;
	g_autofree char *path = g_strconcat("in/", name, NULL);
	return util_fs_remove_tree(queue_dirfd, path, error);
}

static const char *const state_names[] = {"queued", "running", "done", "failed"};

const char *job_state_name(JobState state)
{
	return state_names[state];
}

Job *job_new(const char *id, const char *kind, const char *app)
{
	Job *job = g_new0(Job, 1);
	char **empty[] = {&job->ref,  &job->oid,    &job->base,  &job->old_root,
			  &job->root, &job->pusher, &job->phase, &job->reason};
	job->id = g_strdup(id);
	job->kind = g_strdup(kind);
	job->app = g_strdup(app);
	job->attempt = 1;
	for (guint i = 0; i < G_N_ELEMENTS(empty); i++)
		*empty[i] = g_strdup("");
	return job;
}

/* The texts of a job, in the order they are written. */
static const struct {
	const char *key;
	gsize offset;
} job_texts[] = {
    {"Job", G_STRUCT_OFFSET(Job, id)},
    {"Kind", G_STRUCT_OFFSET(Job, kind)},
    {"App", G_STRUCT_OFFSET(Job, app)},
    {"Ref", G_STRUCT_OFFSET(Job, ref)},
    {"Oid", G_STRUCT_OFFSET(Job, oid)},
    {"Base", G_STRUCT_OFFSET(Job, base)},
    {"Old-Root", G_STRUCT_OFFSET(Job, old_root)},
    {"Root", G_STRUCT_OFFSET(Job, root)},
    {"Pusher", G_STRUCT_OFFSET(Job, pusher)},
    {"Phase", G_STRUCT_OFFSET(Job, phase)},
    {"Reason", G_STRUCT_OFFSET(Job, reason)},
};

static const struct {
	const char *key;
	gsize offset;
} job_numbers[] = {
    {"Created", G_STRUCT_OFFSET(Job, created_utc)},
    {"Started", G_STRUCT_OFFSET(Job, started_utc)},
    {"Ended", G_STRUCT_OFFSET(Job, ended_utc)},
    {"Attempt", G_STRUCT_OFFSET(Job, attempt)},
};

static gconstpointer field_of(const Job *job, gsize offset)
{
	return (const guint8 *)job + offset;
}

static char **text_of(Job *job, guint i)
{
	return (char **)G_STRUCT_MEMBER_P(job, job_texts[i].offset);
}

static gint64 *number_of(Job *job, guint i)
{
	return (gint64 *)G_STRUCT_MEMBER_P(job, job_numbers[i].offset);
}

void job_free(Job *job)
{
	if (!job)
		return;
	for (guint i = 0; i < G_N_ELEMENTS(job_texts); i++)
		g_free(*text_of(job, i));
	g_free(job);
}

/* "v1.4.0" of "refs/tags/v1.4.0"; odd bytes become '-'. *ret_changed: it no longer tells the ref.
 */
static char *short_ref(const char *ref, gboolean *ret_changed)
{
	static const char *const prefixes[] = {"refs/tags/", "refs/heads/", "refs/"};
	for (guint i = 0; i < G_N_ELEMENTS(prefixes); i++)
		if (g_str_has_prefix(ref, prefixes[i])) {
			ref += strlen(prefixes[i]);
			break;
		}
	char *text = g_strndup(ref, SHORT_REF_MAX);
	gboolean changed = strlen(ref) > SHORT_REF_MAX;
	for (char *p = text; *p; p++)
		if (!g_ascii_isalnum(*p) && !strchr("._-", *p)) {
			*p = '-';
			changed = TRUE;
		}
	*ret_changed = changed;
	return text;
}

char *job_id_for_ref(const char *app, const char *ref, const char *oid)
{
	gboolean changed = FALSE;
	g_autofree char *name = short_ref(ref, &changed);
	if (!changed)
		return g_strdup_printf("%s-%s-%.7s", app, name, oid);
	/* "a/b" and "a-b" at one commit are two jobs (GLib's hash: hooks do not load libcrypto) */
	g_autofree char *hex = g_compute_checksum_for_string(G_CHECKSUM_SHA256, ref, -1);
	return g_strdup_printf("%s-%s-%.4s-%.7s", app, name, hex, oid);
}

char *job_log_name(const char *id, gint64 attempt)
{
	return g_strdup_printf("log/%s.%" G_GINT64_FORMAT ".log", id, MAX(attempt, 1));
}

static char *job_format(const Job *job)
{
	g_autoptr(UtilTrailers) t = util_trailers_new();
	for (guint i = 0; i < G_N_ELEMENTS(job_texts); i++) {
		const char *value = *(char *const *)field_of(job, job_texts[i].offset);
		if (value && *value)
			util_trailers_add(t, job_texts[i].key, value);
	}
	util_trailers_add(t, "State", job_state_name(job->state));
	for (guint i = 0; i < G_N_ELEMENTS(job_numbers); i++) {
		gint64 value = *(const gint64 *)field_of(job, job_numbers[i].offset);
		if (value)
			util_trailers_add_int(t, job_numbers[i].key, value);
	}
	return util_trailers_format(t);
}

static gboolean parse_state(const char *text, JobState *ret_state, GError **error)
{
	for (guint i = 0; i < G_N_ELEMENTS(state_names); i++)
		if (strcmp(text, state_names[i]) == 0) {
			*ret_state = (JobState)i;
			return TRUE;
		}
	return util_error_set(error, TS_ERROR_CORRUPT, "State: unknown: %.40s", text);
}

static Job *job_parse(const UtilTrailers *t, const char *id, GError **error)
{
	const char *kind = NULL, *app = NULL, *state = NULL, *own_id = NULL;
	if (!util_trailers_need(t, "Job", &own_id, error) ||
	    !util_trailers_need(t, "Kind", &kind, error) ||
	    !util_trailers_need(t, "App", &app, error) ||
	    !util_trailers_need(t, "State", &state, error))
		return NULL;
	if (strcmp(own_id, id) != 0) {
		util_error_set(error, TS_ERROR_CORRUPT, "Job: says %.80s", own_id);
		return NULL;
	}
	g_autoptr(Job) job = job_new(id, kind, app);
	if (!parse_state(state, &job->state, error))
		return NULL;
	for (guint i = 3; i < G_N_ELEMENTS(job_texts); i++) {
		const char *value = util_trailers_get(t, job_texts[i].key);
		if (!value)
			continue;
		g_free(*text_of(job, i));
		*text_of(job, i) = g_strdup(value);
	}
	for (guint i = 0; i < G_N_ELEMENTS(job_numbers); i++)
		if (!util_trailers_opt_int(t, job_numbers[i].key, 0, G_MAXINT64, 0,
					   number_of(job, i), error))
			return NULL;
	return g_steal_pointer(&job);
}

gboolean store_job_create(int queue_dirfd, const Job *job, GError **error)
{
	if (!check_file_name("job", job->id, error))
		return FALSE;
	g_autofree char *path = g_strconcat("jobs/", job->id, NULL);
	g_autofree char *text = job_format(job);
	return util_fs_create_file(queue_dirfd, path, text, strlen(text), 0640, error);
}

gboolean store_job_write(int queue_dirfd, const Job *job, GError **error)
{
	if (!check_file_name("job", job->id, error))
		return FALSE;
	g_autofree char *path = g_strconcat("jobs/", job->id, NULL);
	g_autofree char *text = job_format(job);
	return util_fs_write_file(queue_dirfd, path, text, strlen(text), 0640, error);
}

Job *store_job_read(int queue_dirfd, const char *id, GError **error)
{
	if (!check_file_name("job", id, error))
		return NULL;
	g_autofree char *path = g_strconcat("jobs/", id, NULL);
	g_autoptr(UtilTrailers) t = read_trailers(queue_dirfd, path, JOB_MAX_BYTES, error);
	Job *job = t ? job_parse(t, id, error) : NULL;
	if (t && !job)
		g_prefix_error(error, "%s: ", path);
	return job;
}

static gint compare_jobs(gconstpointer a, gconstpointer b)
{
	const Job *x = *(Job *const *)a, *y = *(Job *const *)b;
	if (x->created_utc != y->created_utc)
		return x->created_utc < y->created_utc ? -1 : 1;
	return strcmp(x->id, y->id);
}

GPtrArray *store_job_list(int queue_dirfd, GError **error)
{
	g_autoptr(GPtrArray) names = util_fs_list(queue_dirfd, "jobs", error);
	if (!names)
		return NULL;
	g_autoptr(GPtrArray) jobs = g_ptr_array_new_with_free_func((GDestroyNotify)job_free);
	for (guint i = 0; i < names->len; i++) {
		g_autoptr(GError) failed = NULL;
		Job *job = store_job_read(queue_dirfd, names->pdata[i], &failed);
		if (job) {
			g_ptr_array_add(jobs, job);
		} else if (!g_error_matches(failed, TS_ERROR, TS_ERROR_NOT_FOUND)) {
			g_propagate_error(error, g_steal_pointer(&failed));
			return NULL;
		} /* else: removed since the listing */
	}
	g_ptr_array_sort(jobs, compare_jobs);
	return g_steal_pointer(&jobs);
}
