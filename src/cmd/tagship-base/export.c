/* SPDX-License-Identifier: ISC */
/* Releases without a line: files that somebody carries from central, and back. */
#include "cmd/tagship-base/contact.h"
#include "cmd/tagship-base/nodes.h"
#include "cmd/tagship-base/pulling.h"

/* ---- from central ---- */

/* Hashes of the bundles that orders here wait for. */
static GHashTable *lacking_bundles(const Base *base, GError **error)
{
	g_autoptr(GPtrArray) todos = base_todos(base, error);
	if (!todos)
		return NULL;
	GHashTable *lacking = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	for (guint i = 0; i < todos->len; i++) {
		const BaseTodo *todo = g_ptr_array_index(todos, i);
		for (guint b = 0; b < todo->order->bundles->len; b++) {
			const OrderBundle *bundle = g_ptr_array_index(todo->order->bundles, b);
			g_hash_table_add(lacking, g_strdup(bundle->sha256));
		}
	}
	return lacking;
}

static void say_imported(const Cmd *cmd, const MirrorImported *done)
{
	g_autofree char *written = util_time_format_utc(done->written_utc);
	g_autofree char *size = util_text_bytes(done->bundle_bytes);
	cmd_say(cmd, "as of %s: %s, %u bundles (%s)%s", written,
		done->moved ? "new orders" : "no new orders", done->bundles, size,
		done->delivered ? ", and reports from here came to central" : "");
}

static gboolean import_file(Cmd *cmd, const Base *base, int fd, GError **error)
{
	util_autofd int lock = util_fs_lock(base->dirfd, BASE_PULL_LOCK, 0, error);
	if (lock < 0)
		return FALSE;
	BaseContact contact;
	MirrorImported done = {0};
	base_contact_init(base, &contact);
	gboolean ok = base_contact_gather(base, &contact, error);
	g_autoptr(GHashTable) lacking = ok ? lacking_bundles(base, error) : NULL;
	ok = lacking && mirror_import(&contact.spec, fd, lacking, &done, error);
	base_contact_clear(&contact);
	if (ok)
		say_imported(cmd, &done);
	return ok;
}

int base_import(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	util_autofd int fd = base ? cmd_open_file(cmd->argv[1], error) : -1;
	if (fd < 0)
		return 1;
	gboolean ok = import_file(cmd, base, fd, error);
	if (!ok)
		g_prefix_error(error, "%s: ", cmd->argv[1]);
	/* also then: it may be an import that was cut off before this */
	int status = base_run_helper(base, "tagship-stage", NULL, ok ? error : NULL);
	return !ok || status < 0 ? 1 : status;
}

/* ---- to central ---- */

/* "OLD NEW" of each bundle without which an order here cannot be staged. */
static gboolean list_wants(const Base *base, GPtrArray *wants, GError **error)
{
	g_autoptr(GPtrArray) todos = base_todos(base, error);
	for (guint i = 0; todos && i < todos->len; i++) {
		const BaseTodo *todo = g_ptr_array_index(todos, i);
		StageSpec spec = base_stage_spec(base, todo);
		StageNeed need = {0};
		if (!stage_need(&spec, &need, error))
			return FALSE;
		if (need.kind == STAGE_NEED_WANT)
			g_ptr_array_add(wants,
					g_strdup_printf("%s %s", need.old_root, todo->order->root));
		if (need.kind == STAGE_NEED_BUNDLE)
			g_ptr_array_add(wants, g_strdup_printf("%s %s", need.bundle->old_root,
							       todo->order->root));
		stage_need_clear(&need);
	}
	g_ptr_array_add(wants, NULL);
	return todos != NULL;
}

static void say_exported(const Cmd *cmd, const char *path, const MirrorExported *done)
{
	gboolean to_stdout = strcmp(path, "-") == 0;
	g_autofree char *line = g_strdup_printf("%u reports in %s", done->reports, path);
	if (done->trouble)
		g_printerr("left out: %s\n", done->trouble);
	if (done->left > 0)
		g_printerr("%u more come with a later file\n", done->left);
	if (!to_stdout)
		cmd_say(cmd, "%s", line);
	else if (!cmd->quiet)
		g_printerr("%s\n", line);
}

static gboolean export_to(const Cmd *cmd, const Base *base, gboolean ledger, CmdFile *file,
			  GError **error)
{
	BaseContact contact;
	MirrorExported done = {0};
	base_contact_init(base, &contact);
	g_autoptr(GPtrArray) wants = g_ptr_array_new_with_free_func(g_free);
	gboolean ok = base_contact_gather(base, &contact, error) && base_nodes_tell(base, error) &&
		      list_wants(base, wants, error);
	MirrorExportOptions options = {.ledger = ledger,
				       .wants = (const char *const *)wants->pdata};
	ok = ok && mirror_export(&contact.spec, file->fd, &options, &done, error) &&
	     cmd_file_keep(file, error);
	base_contact_clear(&contact);
	if (ok)
		say_exported(cmd, cmd->argv[1], &done);
	g_free(done.trouble);
	return ok;
}

int base_export(Cmd *cmd, GError **error)
{
	gboolean force = FALSE, ledger = FALSE;
	const GOptionEntry own[] = {
	    {"ledger", 0, 0, G_OPTION_ARG_NONE, &ledger,
	     "With the accepted orders, for a central that lost them", NULL},
	    {"force", 0, 0, G_OPTION_ARG_NONE, &force, "Replace FILE", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 1, 1, error))
		return 2;
	g_autoptr(Base) base = base_open(cmd, error);
	if (!base)
		return 1;
	CmdFile file;
	gboolean ok = cmd_file_make(&file, cmd->argv[1], force, error) &&
		      export_to(cmd, base, ledger, &file, error);
	cmd_file_clear(&file);
	return ok ? 0 : 1;
}
