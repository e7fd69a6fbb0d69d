/* SPDX-License-Identifier: ISC */
/*
 * A piece of a ledger as `give` and an export file bring it: parts with objects. Nothing of it is
 * believed, so no ref moves, whatever comes.
 */
#include "files.h"
#include "ledger/ledger.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static Repo *get_ledger(const FuzzWorld *world)
{
	static Repo *ledger;
	static guint uses;
	/* what was taken stays: begin anew now and then */
	if (++uses % 2000 == 0) {
		repo_free(g_steal_pointer(&ledger));
		g_assert(util_fs_remove_tree(world->fd, "ledger", NULL));
	}
	if (!ledger) {
		g_assert(util_fs_mkdir(world->fd, "ledger", 0755, NULL));
		ledger = ledger_create(world->path, "haikou", NULL);
		g_assert(ledger);
	}
	return ledger;
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	g_autofree guint8 *copy = g_memdup2(data, size);
	Repo *ledger = get_ledger(fuzz_world());
	g_autoptr(UtilStream) stream = util_stream_over_memory(copy ? copy : data, size, NULL);
	g_autoptr(GError) error = NULL;
	char head[REPO_OID] = "";
	gboolean ok = ledger_take(ledger, stream, head, &error);
	g_assert(ok == (error == NULL));
	g_assert(!ok || util_oid_hex_ok(head));
	g_autoptr(GPtrArray) refs = repo_ref_list(ledger, "refs/", NULL);
	g_assert(refs && refs->len == 0);
	return 0;
}
