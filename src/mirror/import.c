/* SPDX-License-Identifier: ISC */
/*
 * An export file of central, carried here. First all of it is read and checked, then the ledger
 * part is verified as if it had come by the line, then it is read again: bundles, and last the
 * orders.
 */
#include "export/export.h"
#include "mirror/mirror-private.h"

#define CHUNK_BYTES ((gsize)256 * 1024)

typedef struct {
	const MirrorSpec *spec;
	int fd;
	Repo *repo;
	int partial_dirfd, pending_dirfd;
	ExportReader *reader;
	const ExportHead *head;
	char *ledger;            /* the file's ledger part */
	GHashTable *lacking;     /* bundles that open orders wait for */
	GPtrArray *pending;      /* MirrorPending */
	char accepted[REPO_OID]; /* "" for none */
	TrustKeys *keys;
	GError *unproved; /* the head is signed by none of them; the ledger in it may change them */
	MirrorImported done;
	gboolean wrote;      /* what was accepted, but not yet in the file of its app */
	MirrorAccepted last; /* of the newest accept */
} Import;

static void import_clear(Import *self)
{
	mirror_accepted_clear(&self->last);
	g_clear_pointer(&self->reader, export_reader_free);
	g_clear_pointer(&self->repo, repo_free);
	g_clear_pointer(&self->ledger, g_free);
	g_clear_pointer(&self->pending, g_ptr_array_unref);
	g_clear_pointer(&self->keys, trust_keys_free);
	g_clear_error(&self->unproved);
	util_closep(&self->partial_dirfd);
	util_closep(&self->pending_dirfd);
}

/* ---- is the file sound, and ours? ---- */

static gboolean open_file(Import *self, GError **error)
{
	g_clear_pointer(&self->reader, export_reader_free);
	self->reader = export_reader_new(self->fd, error);
	if (!self->reader)
		return FALSE;
	self->head = export_reader_head(self->reader);
	self->done.written_utc = self->head->written_utc;
	return TRUE;
}

static gboolean check_signature(Import *self, GError **error)
{
	self->keys = mirror_keys(self->spec, error);
	if (!self->keys)
		return FALSE;
	if (export_reader_verify(self->reader, trust_keys_list(self->keys), &self->unproved))
		return TRUE;
	if (g_error_matches(self->unproved, TS_ERROR, TS_ERROR_NOT_AUTHENTIC))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&self->unproved));
	return FALSE;
}

static gboolean check_head(Import *self, GError **error)
{
	const ConfBase *conf = self->spec->conf;
	if (self->head->kind != EXPORT_KIND_ORDERS)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "this file has reports of base \"%s\", for central: tagship "
				      "import FILE there",
				      self->head->base);
	if (!check_signature(self, error))
		return FALSE;
	if (strcmp(self->head->base, conf->name) != 0)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "this file is for base \"%s\", and here is \"%s\"",
				      self->head->base, conf->name);
	if (self->head->incarnation != self->spec->incarnation)
		return util_error_set(error, TS_ERROR_REFUSED,
				      "this file is for incarnation %" G_GINT64_FORMAT
				      " of \"%s\", and here is incarnation %" G_GINT64_FORMAT,
				      self->head->incarnation, conf->name, self->spec->incarnation);
	return TRUE;
}

/* From the current member, until its end. */
typedef gboolean (*TakeBytes)(gpointer user_data, const void *data, gsize len, GError **error);

static gboolean each_chunk(Import *self, TakeBytes take, gpointer user_data, GError **error)
{
	g_autofree char *chunk = g_malloc(CHUNK_BYTES);
	gssize n = 0;
	while ((n = export_reader_read(self->reader, chunk, CHUNK_BYTES, error)) > 0)
		if (!take(user_data, chunk, (gsize)n, error))
			return FALSE;
	return n == 0;
}

static const char *bundle_of(const ExportMember *member)
{
	return member->name + strlen(EXPORT_BUNDLES);
}

/* Nothing to keep: the reader hashes it. */
static gboolean skip_bytes(gpointer user_data, const void *data, gsize len, GError **error)
{
	(void)user_data;
	(void)data;
	(void)len;
	(void)error;
	return TRUE;
}

/* All members, once; the ledger part stays in memory. */
static gboolean check_file(Import *self, GError **error)
{
	const ExportMember *member = NULL;
	if (!open_file(self, error) || !check_head(self, error) ||
	    !export_reader_next(self->reader, &member, error))
		return FALSE;
	g_assert(member && strcmp(member->name, EXPORT_LEDGER) == 0); /* the head was parsed */
	self->ledger = export_reader_bytes(self->reader, error);
	if (!self->ledger)
		return FALSE;
	for (;;) {
		if (!export_reader_next(self->reader, &member, error))
			return FALSE;
		if (!member)
			return TRUE;
		if (!each_chunk(self, skip_bytes, NULL, error))
			return FALSE;
	}
}

/* ---- does it bring anything, and in order? ---- */

static char *date_of(Repo *repo, const char *oid)
{
	g_autoptr(RepoCommit) commit = repo_commit_read(repo, oid, NULL);
	return commit ? util_time_format_utc(commit->time_utc) : g_strdup("an unknown time");
}

/* `how` says what is wrong with the file; both heads are here. */
static gboolean refuse(Import *self, const char *how, GError **error)
{
	g_autofree char *theirs = date_of(self->repo, self->head->head);
	g_autofree char *ours = date_of(self->repo, self->accepted);
	g_autofree char *written = util_time_format_utc(self->head->written_utc);
	return util_error_set(error, TS_ERROR_REFUSED,
			      "%s: its orders go to %.12s of %s, and %.12s of %s is accepted here "
			      "(file written %s)",
			      how, self->head->head, theirs, self->accepted, ours, written);
}

static const ExportReported *find_reported(const ExportHead *head, const char *key)
{
	for (guint i = 0; i < head->reported->len; i++) {
		const ExportReported *reported = head->reported->pdata[i];
		if (strcmp(reported->key, key) == 0)
			return reported;
	}
	return NULL;
}

/* A file with no newer orders may still bring what was lost here, or word of a report. */
static gboolean brings_something(const Import *self)
{
	for (guint i = 0; i < self->pending->len; i++)
		if (find_reported(self->head, ((MirrorPending *)self->pending->pdata[i])->key))
			return TRUE;
	for (guint i = 1; i < self->head->members->len; i++) {
		const char *hash = bundle_of(self->head->members->pdata[i]);
		if (g_hash_table_contains(self->lacking, hash) &&
		    !store_blob_exists(self->partial_dirfd, hash))
			return TRUE;
	}
	return FALSE;
}

static gboolean take_ledger(Import *self, GError **error)
{
	const ExportMember *member = self->head->members->pdata[0];
	char head[REPO_OID] = "";
	g_autoptr(UtilStream) stream =
	    util_stream_over_memory(self->ledger, (gsize)member->bytes, NULL);
	if (!ledger_take(self->repo, stream, head, error)) {
		g_prefix_error(error, "the file's ledger part: ");
		return FALSE;
	}
	if (strcmp(head, self->head->head) != 0)
		return util_error_set(error, TS_ERROR_CORRUPT,
				      "the file's ledger part goes to another head than it says");
	if (!ledger_verify(self->repo, head, self->accepted, self->spec->conf->name, &self->keys,
			   error))
		return FALSE;
	/* by the key that its own ledger part says central has now */
	return !self->unproved ||
	       export_reader_verify(self->reader, trust_keys_list(self->keys), error);
}

/* A file whose head proves nothing, and that brings no other keys. */
static gboolean refuse_unproved(Import *self, GError **error)
{
	if (!self->unproved)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&self->unproved));
	return FALSE;
}

static gboolean accept(Import *self, GError **error)
{
	const char *head = self->done.moved ? self->head->head : "";
	if (self->done.moved && !repo_ref_set(self->repo, LEDGER_SEEN, head, NULL, error))
		return FALSE;
	mirror_accepted_clear(&self->last);
	if (!mirror_accept_head(self->spec, self->repo, head, &self->last, error))
		return FALSE;
	self->wrote |= self->last.wrote;
	return TRUE;
}

/* Objects may come into the mirror here; no ref moves. */
static gboolean judge(Import *self, GError **error)
{
	const char *head = self->head->head, *from = self->head->from;
	gboolean behind = FALSE;
	if (!mirror_ref(self->repo, LEDGER_ACCEPTED, self->accepted, error))
		return FALSE;
	if (strcmp(head, self->accepted) == 0)
		/* a crash, or an app that was busy, may have left accepted/ behind the ref */
		return refuse_unproved(self, error) && accept(self, error) &&
		       (self->wrote || self->last.busy || brings_something(self) ||
			refuse(self, "the file brings nothing new", error));
	if (self->accepted[0] && repo_object_exists(self->repo, head) &&
	    !repo_is_ancestor(self->repo, head, self->accepted, &behind, error))
		return FALSE;
	if (behind)
		return refuse_unproved(self, error) &&
		       refuse(self, "the file is older than what is here", error);
	if (strcmp(from, "-") != 0 && !repo_object_exists(self->repo, from))
		return util_error_set(error, TS_ERROR_NOT_FOUND,
				      "the file goes on from %.12s, which did not come here; have "
				      "it made anew: tagship export --all %s FILE",
				      from, self->spec->conf->name);
	self->done.moved = TRUE;
	return take_ledger(self, error);
}

/* ---- taking it in ---- */

static gboolean append_bytes(gpointer user_data, const void *data, gsize len, GError **error)
{
	return util_fs_write_all(*(const int *)user_data, data, len, error);
}

/* What a download left of it makes room: all of it is here. */
static gboolean take_bundle(Import *self, const ExportMember *member, GError **error)
{
	const char *hash = bundle_of(member);
	guint64 offset = 0;
	g_autofree char *part = g_strconcat(hash, ".part", NULL);
	if (store_blob_exists(self->partial_dirfd, hash))
		return TRUE;
	if (!util_fs_unlink(self->partial_dirfd, part, error) ||
	    !mirror_check_space(self->spec, self->partial_dirfd, member->bytes, error))
		return FALSE;
	util_autofd int fd = store_partial_open(self->partial_dirfd, hash, &offset, error);
	if (fd < 0 || !each_chunk(self, append_bytes, &fd, error) ||
	    !store_partial_finish(self->partial_dirfd, hash, fd, member->bytes, error))
		return FALSE;
	self->done.bundles++;
	self->done.bundle_bytes += member->bytes;
	return TRUE;
}

static gboolean take_bundles(Import *self, GError **error)
{
	const ExportMember *member = NULL;
	util_autofd int lock = util_fs_lock(self->spec->root_dirfd, MIRROR_DOWNLOAD_LOCK, 0, error);
	if (lock < 0) {
		g_prefix_error(error, "a pull is downloading: ");
		return FALSE;
	}
	if (!open_file(self, error) || !export_reader_next(self->reader, &member, error))
		return FALSE;
	for (;;) {
		if (!export_reader_next(self->reader, &member, error))
			return FALSE;
		if (!member)
			return TRUE;
		if (!take_bundle(self, member, error)) {
			g_prefix_error(error, "bundle %.8s: ", bundle_of(member));
			return FALSE;
		}
	}
}

static gboolean forget_reports(Import *self, GError **error)
{
	for (guint i = 0; i < self->pending->len; i++) {
		const MirrorPending *pending = self->pending->pdata[i];
		const ExportReported *reported = find_reported(self->head, pending->key);
		if (!reported)
			continue;
		if (!mirror_pending_forget(self->spec, self->pending_dirfd, pending,
					   reported->commit, error))
			return FALSE;
		self->done.delivered++;
	}
	if (self->done.delivered > 0)
		mirror_reported_sweep(self->spec);
	return TRUE;
}

static gboolean open_base(Import *self, GError **error)
{
	g_autoptr(GError) unfit = NULL;
	if (!mirror_make_folders(self->spec, error))
		return FALSE;
	self->partial_dirfd = util_fs_open_dir(self->spec->root_dirfd, "partial", error);
	if (self->partial_dirfd < 0)
		return FALSE;
	self->pending_dirfd = util_fs_open_dir(self->spec->root_dirfd, "pending", error);
	if (self->pending_dirfd < 0)
		return FALSE;
	/* what cannot be read is for the next delivery to tell */
	self->pending = mirror_pending_list(self->spec, self->pending_dirfd, &unfit, error);
	self->repo = self->pending ? mirror_repo(self->spec, error) : NULL;
	return self->repo != NULL;
}

gboolean mirror_import(const MirrorSpec *spec, int fd, GHashTable *lacking,
		       MirrorImported *ret_imported, GError **error)
{
	Import self = {
	    .spec = spec, .fd = fd, .lacking = lacking, .partial_dirfd = -1, .pending_dirfd = -1};
	gboolean ok = check_file(&self, error) && open_base(&self, error) && judge(&self, error) &&
		      take_bundles(&self, error) && forget_reports(&self, error) &&
		      accept(&self, error);
	if (ok) {
		mirror_contact_by_file(spec, self.head->head, self.head->written_utc);
		*ret_imported = self.done;
		ok = mirror_busy_error(&self.last, error);
	}
	import_clear(&self);
	return ok;
}
