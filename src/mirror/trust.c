/* SPDX-License-Identifier: ISC */
/*
 * Where a base keeps signers of its own: what it makes of each accepted order, decided when it
 * first sees it and kept in ROOT/trusted, so that an order that was good stays so when its signer's
 * key expires. Another signers file is another decision: all are judged anew, as of when they were
 * first seen. Format: trailer text,
 *
 *   Signers: SHA256                                    of the signers file
 *   Order: RELEASE COMMIT SEEN TRUST [TEXT]            COMMIT: the ledger's; TEXT: signer or reason
 *
 * The file is written before the accepted orders are: after a crash in between it is read again.
 */
#include "mirror/mirror-private.h"
#include "order/accepted.h"

#define FILE_NAME "trusted"
#define FILE_MAX (64 * 1024 * 1024)

/* A line of the file. */
typedef struct {
	char *commit;
	gint64 seen_utc;
	OrderTrust trust;
	char *text;
} Known;

typedef struct {
	const MirrorSpec *spec;
	Repo *repo;
	TrustSigners *signers;
	GHashTable *known;   /* release -> Known, of the same signers */
	GHashTable *commits; /* seq of an order entry -> LedgerEntry, borrowed */
	gboolean same;       /* the known ones were judged by these signers */
	UtilTrailers *lines; /* what the file is to say */
} Judging;

static void known_free(gpointer data)
{
	Known *known = data;
	g_free(known->commit);
	g_free(known->text);
	g_free(known);
}

static void read_line(Judging *self, const char *line)
{
	g_auto(GStrv) parts = g_strsplit(line, " ", 5);
	gint64 seen_utc = 0;
	OrderTrust trust = ORDER_TRUST_CENTRAL;
	if (g_strv_length(parts) < 4 || !util_time_parse_utc(parts[2], &seen_utc, NULL))
		return;
	if (!order_trust_parse(parts[3], &trust) || trust == ORDER_TRUST_CENTRAL)
		return;
	Known *known = g_new0(Known, 1);
	known->commit = g_strdup(parts[1]);
	known->seen_utc = seen_utc;
	known->trust = trust;
	known->text = g_strdup(parts[4] ? parts[4] : "");
	g_hash_table_replace(self->known, g_strdup(parts[0]), known);
}

/* A missing or damaged file: all is judged anew, as of now. */
static void read_file(Judging *self)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	if (!util_fs_read_file(self->spec->root_dirfd, FILE_NAME, FILE_MAX, &text, &len, NULL))
		return;
	g_autoptr(UtilTrailers) lines = util_trailers_parse(text, len, NULL);
	for (guint i = 0; lines && i < util_trailers_count(lines); i++)
		if (strcmp(util_trailers_key(lines, i), "Order") == 0)
			read_line(self, util_trailers_value(lines, i));
	self->same = lines && g_strcmp0(util_trailers_get(lines, "Signers"),
					trust_signers_sha256(self->signers)) == 0;
}

/* One line of text, whatever an error says. */
static char *one_line(const char *text)
{
	char *line = g_strdup(text);
	return g_strdelimit(line, "\n\r", ' ');
}

static gboolean judge(Judging *self, const LedgerEntry *entry, gint64 seen_utc,
		      AcceptedOrder *accepted, GError **error)
{
	const ConfBase *conf = self->spec->conf;
	const TrustSelf me = {.signers = self->signers,
			      .name = conf->name,
			      .zone = conf->zone,
			      .groups = (const char *const *)conf->groups,
			      .apps = conf->apps->len};
	g_autoptr(GError) why = NULL;
	g_autoptr(GError) damaged = NULL;
	g_autofree char *signer = NULL;
	g_autoptr(GBytes) tag = ledger_entry_tag(self->repo, entry, &damaged);
	gsize len = 0;
	const char *raw = tag ? g_bytes_get_data(tag, &len) : NULL;
	if (damaged) {
		g_propagate_error(error, g_steal_pointer(&damaged));
		return FALSE;
	}
	g_autoptr(PlanTag) parsed = raw ? plan_tag_parse(raw, len, NULL) : NULL;
	g_free(accepted->trust_reason);
	if (trust_order_check(&me, entry->order, raw, len, seen_utc, &signer, &why)) {
		accepted->trust = ORDER_TRUST_SIGNED;
		accepted->trust_reason = g_steal_pointer(&signer);
	} else {
		/* central's own way back is a tag, too: of its making, and not signed */
		gboolean is_signed = raw && !(parsed && !parsed->signature);
		accepted->trust = is_signed ? ORDER_TRUST_REFUSED : ORDER_TRUST_UNSIGNED;
		accepted->trust_reason = one_line(why->message);
	}
	return TRUE;
}

/* What is known of it stands, unless it is another entry now, or there are other signers. */
static gboolean judge_order(Judging *self, AcceptedOrder *accepted, GError **error)
{
	const Order *order = accepted->order;
	const Known *known = g_hash_table_lookup(self->known, order->release);
	const LedgerEntry *entry = g_hash_table_lookup(self->commits, &order->seq);
	gint64 seen_utc = known ? known->seen_utc : util_clock_now_utc(self->spec->clock);
	g_assert(entry != NULL); /* it was folded from there */
	if (known && self->same && strcmp(known->commit, entry->oid) == 0) {
		accepted->trust = known->trust;
		g_free(accepted->trust_reason);
		accepted->trust_reason = g_strdup(known->text);
	} else if (!judge(self, entry, seen_utc, accepted, error)) {
		return FALSE;
	}
	g_autofree char *seen = util_time_format_utc(seen_utc);
	g_autofree char *line =
	    g_strjoin(" ", order->release, entry->oid, seen, order_trust_name(accepted->trust),
		      accepted->trust_reason, NULL);
	util_trailers_add(self->lines, "Order", line);
	return TRUE;
}

static void index_entries(Judging *self, const GPtrArray *entries)
{
	for (guint i = 0; i < entries->len; i++) {
		LedgerEntry *entry = entries->pdata[i];
		g_hash_table_insert(self->commits, &entry->order->seq, entry);
	}
}

static gboolean write_file(const Judging *self, GError **error)
{
	g_autofree char *text = util_trailers_format(self->lines);
	return util_fs_file_says(self->spec->root_dirfd, FILE_NAME, text) ||
	       util_fs_write_file(self->spec->root_dirfd, FILE_NAME, text, strlen(text), 0644,
				  error);
}

static gboolean judge_all(Judging *self, GHashTable *apps, GError **error)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new();
	GHashTableIter iter;
	gpointer orders = NULL;
	g_hash_table_iter_init(&iter, apps);
	while (g_hash_table_iter_next(&iter, NULL, &orders))
		for (guint i = 0; i < ((const GPtrArray *)orders)->len; i++)
			g_ptr_array_add(all, ((const GPtrArray *)orders)->pdata[i]);
	g_ptr_array_sort(all, accepted_compare_seq);
	util_trailers_add(self->lines, "Signers", trust_signers_sha256(self->signers));
	for (guint i = 0; i < all->len; i++)
		if (!judge_order(self, all->pdata[i], error))
			return FALSE;
	return write_file(self, error);
}

gboolean mirror_judge_orders(const MirrorSpec *spec, Repo *repo, const GPtrArray *entries,
			     GHashTable *apps, GError **error)
{
	if (!spec->conf->signers)
		return TRUE;
	g_autoptr(TrustSigners) signers = trust_signers_load(AT_FDCWD, spec->conf->signers, error);
	if (!signers) {
		g_prefix_error(error, "signers in base.cfg: ");
		return FALSE;
	}
	g_autoptr(GHashTable) known =
	    g_hash_table_new_full(g_str_hash, g_str_equal, g_free, known_free);
	g_autoptr(GHashTable) commits = g_hash_table_new(g_int64_hash, g_int64_equal);
	g_autoptr(UtilTrailers) lines = util_trailers_new();
	Judging self = {.spec = spec,
			.repo = repo,
			.signers = signers,
			.known = known,
			.commits = commits,
			.lines = lines};
	read_file(&self);
	index_entries(&self, entries);
	return judge_all(&self, apps, error);
}
