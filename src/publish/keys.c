/* SPDX-License-Identifier: ISC */
/*
 * Central's signing key, and how it changes. In STATE/keys: `central`, which signs; `next`, made to
 * be the one after it; `history`, the statements that named each successor; `recovery.pub`.
 * A statement in the history is the point of no return: after a crash behind it `next` becomes
 * `central`, and every ledger gets the statement before anything else is appended to it (how many
 * it has stands in its folder, in `keys-told`).
 */
#include "publish/publish-private.h"

#define KEY PUBLISH_KEY
#define NEXT "keys/next"
#define TOLD "keys-told"
#define PUBLIC_MAX 4096

static char *path_of(const Central *central, const char *name)
{
	return g_build_filename(central->path, name, NULL);
}

static gboolean is_there(const Central *central, const char *name)
{
	return faccessat(central->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

char *publish_key_public(int state_dirfd, const char *path)
{
	g_autofree char *text = NULL;
	return util_fs_read_file(state_dirfd, path, PUBLIC_MAX, &text, NULL, NULL)
		   ? util_sshsig_key_in(text)
		   : NULL;
}

char *publish_key_recovery(Central *central)
{
	return publish_key_public(central->dirfd, PUBLISH_RECOVERY ".pub");
}

static GPtrArray *history_in(int state_dirfd, GError **error)
{
	g_autofree char *text = NULL;
	g_autoptr(GError) none = NULL;
	gsize len = 0;
	if (!util_fs_read_file(state_dirfd, TRUST_HISTORY, TRUST_HISTORY_MAX, &text, &len, &none) &&
	    !g_error_matches(none, TS_ERROR, TS_ERROR_NOT_FOUND)) {
		g_propagate_error(error, g_steal_pointer(&none));
		return NULL;
	}
	GPtrArray *history = trust_history_parse(text, len, error);
	if (!history)
		g_prefix_error(error, TRUST_HISTORY ": ");
	return history;
}

GPtrArray *publish_key_history(Central *central, GError **error)
{
	return history_in(central->dirfd, error);
}

TrustKeys *publish_own_keys(int state_dirfd, const char *own_key)
{
	g_autoptr(GPtrArray) history = own_key ? history_in(state_dirfd, NULL) : NULL;
	g_autofree char *recovery = publish_key_public(state_dirfd, PUBLISH_RECOVERY ".pub");
	return history ? trust_history_own(history, own_key, recovery) : NULL;
}

static const TrustChange *newest(const GPtrArray *history)
{
	return history->len > 0 ? history->pdata[history->len - 1] : NULL;
}

/* ---- the key itself ---- */

static char *public_key(const Central *central, const char *name, GError **error)
{
	g_autofree char *path = path_of(central, name);
	return util_sshsig_public_key(path, error);
}

/* What signs here, or signed: also where the private half is lost, which is no reason not to revoke
 * it. */
static char *current_key(Central *central, const GPtrArray *history, GError **error)
{
	const TrustChange *last = newest(history);
	char *known =
	    is_there(central, KEY) ? NULL : publish_key_public(central->dirfd, KEY ".pub");
	if (!known && !is_there(central, KEY) && last)
		known = g_strdup(last->statement->key);
	return known ? known : public_key(central, KEY, error);
}

/* `next` is made if it is not there. */
static char *next_key(Central *central, GError **error)
{
	g_autofree char *path = path_of(central, NEXT);
	if (!is_there(central, NEXT) && !util_sshsig_keygen(path, "tagship central", error))
		return NULL;
	return util_sshsig_public_key(path, error);
}

/* The public half first: it can be made again from the private one (doctor says so). */
static gboolean take_next(Central *central, GError **error)
{
	return util_fs_rename(central->dirfd, NEXT ".pub", central->dirfd, KEY ".pub", error) &&
	       util_fs_rename(central->dirfd, NEXT, central->dirfd, KEY, error);
}

/* Ends a change that was cut off. A `next` that no statement names is only prepared. */
static gboolean settle(Central *central, const GPtrArray *history, GError **error)
{
	const TrustChange *last = newest(history);
	if (!last || !is_there(central, NEXT))
		return TRUE;
	g_autofree char *next = public_key(central, NEXT, error);
	if (!next || strcmp(next, last->statement->key) != 0)
		return next != NULL;
	if (!is_there(central, NEXT ".pub")) {
		g_autofree char *line = g_strconcat(next, " tagship central\n", NULL);
		if (!util_fs_write_file(central->dirfd, NEXT ".pub", line, strlen(line), 0644,
					error))
			return FALSE;
	}
	return take_next(central, error);
}

/* ---- ledgers ---- */

static guint told(Repo *ledger)
{
	guint64 number = 0;
	g_autofree char *path = g_build_filename(repo_path(ledger), TOLD, NULL);
	g_autofree char *text = NULL;
	/* missing or damaged: it is told again, which changes nothing */
	if (util_fs_read_file(AT_FDCWD, path, 64, &text, NULL, NULL))
		(void)g_ascii_string_to_unsigned(g_strchomp(text), 10, 0, G_MAXUINT32, &number,
						 NULL);
	return (guint)number;
}

static gboolean set_told(Repo *ledger, guint number, GError **error)
{
	g_autofree char *path = g_build_filename(repo_path(ledger), TOLD, NULL);
	g_autofree char *text = g_strdup_printf("%u\n", number);
	return util_fs_write_file(AT_FDCWD, path, text, strlen(text), 0644, error);
}

static gboolean tell(Central *central, Repo *ledger, const char *base, const TrustChange *change,
		     GError **error)
{
	char oid[REPO_OID];
	g_autoptr(Order) order = order_new(ORDER_KIND_KEYS);
	order->base = g_strdup(base);
	order->written_utc = util_clock_now_utc(central->clock);
	order->statement = g_strchomp(g_strdup(change->text));
	order->signature = g_strchomp(g_strdup(change->signature));
	return ledger_append(ledger, order, NULL, central->key_file, oid, error);
}

static gboolean reads_keys(Central *central, const char *base, GError **error)
{
	g_auto(PublishReader) reader = {0};
	publish_reader(central, base, &reader);
	return !reader.no_keys ||
	       util_error_set(error, TS_ERROR_REFUSED,
			      "tagship at base %s is too old to follow a change of central's key; "
			      "update it first",
			      base);
}

/* What its ledger lacks of the history. */
static gboolean bring_up(Central *central, Repo *ledger, const char *base, GError **error)
{
	if (!is_there(central, TRUST_HISTORY))
		return TRUE;
	g_autoptr(GPtrArray) history = publish_key_history(central, error);
	if (!history || !settle(central, history, error))
		return FALSE;
	for (guint n = told(ledger); n < history->len; n++)
		if (!reads_keys(central, base, error) ||
		    !tell(central, ledger, base, history->pdata[n], error) ||
		    !set_told(ledger, n + 1, error))
			return FALSE;
	return TRUE;
}

gboolean publish_append(Central *central, Repo *ledger, Order *order, GBytes *tag, GError **error)
{
	char oid[REPO_OID];
	return bring_up(central, ledger, order->base, error) &&
	       ledger_append(ledger, order, tag, central->key_file, oid, error);
}

/* A base that cannot be told holds up no other; what it lacks comes before its next entry. */
gboolean publish_keys_complete(Central *central, GError **error)
{
	if (!is_there(central, TRUST_HISTORY))
		return TRUE;
	g_auto(GStrv) names = conf_peer_names(central->dirfd, error);
	for (guint i = 0; names && names[i]; i++) {
		g_autoptr(GError) why = NULL;
		g_autoptr(Repo) ledger = ledger_create(central->path, names[i], &why);
		g_autofree char *what = g_strconcat("central's key at ", names[i], NULL);
		if ((!ledger || !bring_up(central, ledger, names[i], &why)) &&
		    !publish_owe(central, what, why, error))
			return FALSE;
	}
	return names != NULL;
}

/* ---- changes ---- */

static gboolean add_change(Central *central, GPtrArray *history, TrustChange *change,
			   GError **error)
{
	g_ptr_array_add(history, change);
	g_autofree char *text = trust_history_format(history);
	return util_fs_write_file(central->dirfd, TRUST_HISTORY, text, strlen(text), 0600, error) &&
	       settle(central, history, error) && publish_keys_complete(central, error);
}

/* Later than every one before, also than what a central before a restore said. */
static guint64 next_number(Central *central, const GPtrArray *history)
{
	const TrustChange *last = newest(history);
	guint64 now = (guint64)util_clock_now_utc(central->clock);
	return last ? MAX(now, last->statement->number + 1) : now;
}

static gboolean all_read_keys(Central *central, GError **error)
{
	g_auto(GStrv) names = conf_peer_names(central->dirfd, error);
	for (guint i = 0; names && names[i]; i++)
		if (!reads_keys(central, names[i], error))
			return FALSE;
	return names != NULL;
}

gboolean publish_key_rotate(Central *central, GError **error)
{
	util_autofd int lock = publish_lock(central, error);
	g_autoptr(GPtrArray) history = lock < 0 ? NULL : publish_key_history(central, error);
	if (!history || !settle(central, history, error) || !all_read_keys(central, error))
		return FALSE;
	TrustStatement statement = {.number = next_number(central, history),
				    .written_utc = util_clock_now_utc(central->clock)};
	g_autofree char *current = public_key(central, KEY, error);
	g_autofree char *next = current ? next_key(central, error) : NULL;
	if (!next)
		return FALSE;
	statement.replaces = current;
	statement.key = next;
	g_autofree char *text = trust_statement_format(&statement);
	g_autofree char *signature =
	    util_sshsig_sign(central->key_file, TRUST_KEYS_NS, text, strlen(text), error);
	TrustChange *change = signature ? trust_change_new(text, signature, error) : NULL;
	return change && add_change(central, history, change, error);
}

/* All that ever signed here, the newest first, as far as a statement holds them. */
static char **all_keys(const GPtrArray *history, const char *current)
{
	g_autoptr(GPtrArray) keys = g_ptr_array_new();
	g_ptr_array_add(keys, g_strdup(current));
	for (guint i = history->len; i > 0 && keys->len < TRUST_KEYS_MAX; i--) {
		const TrustStatement *statement =
		    ((const TrustChange *)history->pdata[i - 1])->statement;
		const char *old = statement->replaces;
		if (old && !g_ptr_array_find_with_equal_func(keys, old, g_str_equal, NULL))
			g_ptr_array_add(keys, g_strdup(old));
	}
	g_ptr_array_add(keys, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&keys), FALSE);
}

char *publish_key_revocation(Central *central, GError **error)
{
	util_autofd int lock = publish_lock(central, error);
	g_autoptr(GPtrArray) history = lock < 0 ? NULL : publish_key_history(central, error);
	if (!history || !settle(central, history, error))
		return NULL;
	g_autofree char *recovery = publish_key_recovery(central);
	if (!recovery) {
		util_error_set(error, TS_ERROR_NOT_FOUND,
			       "%s/" PUBLISH_RECOVERY ".pub is not there: no recovery key is known "
			       "here. At each base, set central_keys in base.cfg by hand",
			       central->path);
		return NULL;
	}
	TrustStatement statement = {.number = next_number(central, history),
				    .written_utc = util_clock_now_utc(central->clock)};
	g_autofree char *current = current_key(central, history, error);
	g_autofree char *next = current ? next_key(central, error) : NULL;
	if (!next)
		return NULL;
	g_auto(GStrv) revokes = all_keys(history, current);
	statement.key = next;
	statement.revokes = revokes;
	return trust_statement_format(&statement);
}

/* It names the key that was made for it, and is newer than all before. */
static gboolean check_revocation(Central *central, const GPtrArray *history,
				 const TrustChange *change, GError **error)
{
	const TrustChange *last = newest(history);
	g_autofree char *next = is_there(central, NEXT) ? public_key(central, NEXT, NULL) : NULL;
	g_autofree char *recovery = publish_key_recovery(central);
	const char *const keys[] = {recovery, NULL};
	if (change->statement->replaces || g_strcmp0(change->statement->key, next) != 0 ||
	    (last && change->statement->number <= last->statement->number))
		return util_error_set(
		    error, TS_ERROR_REFUSED,
		    "this is not the newest statement that \"tagship key revoke\" "
		    "wrote here; let it write another one");
	return util_sshsig_verify(keys, TRUST_KEYS_NS, change->text, strlen(change->text),
				  change->signature, error);
}

gboolean publish_key_revoke(Central *central, const char *text, const char *signature,
			    GError **error)
{
	util_autofd int lock = publish_lock(central, error);
	g_autoptr(GPtrArray) history = lock < 0 ? NULL : publish_key_history(central, error);
	if (!history || !settle(central, history, error))
		return FALSE;
	g_autoptr(TrustChange) change = trust_change_new(text, signature, error);
	return change && check_revocation(central, history, change, error) &&
	       add_change(central, history, g_steal_pointer(&change), error);
}

gboolean publish_key_told(Central *central, const char *base, guint *ret_lacks, GError **error)
{
	g_autoptr(GPtrArray) history = publish_key_history(central, error);
	g_autoptr(Repo) ledger = history ? ledger_open(central->path, base, error) : NULL;
	if (!ledger)
		return FALSE;
	*ret_lacks = history->len - MIN(told(ledger), history->len);
	return TRUE;
}
