/* SPDX-License-Identifier: ISC */
/* Releases without a line: files that somebody carries to a base, and back. */
#include "cmd/tagship/tagship.h"
#include "cmd/child.h"
#include "confine/confine.h"
#include "export/export.h"
#include "serve/serve.h"

/* Standard output is for the file then. */
static void say_exported(const Cmd *cmd, const char *base, const char *path,
			 const PublishExported *done)
{
	g_autofree char *size = util_text_bytes(done->bundle_bytes);
	g_autofree char *line =
	    g_strdup_printf("%s: %u ledger entries up to %.12s, %u bundles (%s) in %s", base,
			    done->entries, done->head, done->bundles, size, path);
	if (strcmp(path, "-") != 0)
		cmd_say(cmd, "%s", line);
	else if (!cmd->quiet)
		g_printerr("%s\n", line);
}

int cmd_export(Cmd *cmd, GError **error)
{
	gboolean force = FALSE;
	PublishExportOptions options = {FALSE, FALSE};
	const GOptionEntry own[] = {
	    {"all", 0, 0, G_OPTION_ARG_NONE, &options.all,
	     "The whole ledger, not only what the base has not shown yet", NULL},
	    {"plain", 0, 0, G_OPTION_ARG_NONE, &options.plain,
	     "Whole trees, too, for a base that holds none that fits", NULL},
	    {"force", 0, 0, G_OPTION_ARG_NONE, &force, "Replace FILE", NULL},
	    G_OPTION_ENTRY_NULL};
	if (!cmd_options(cmd, own, 2, 2, error))
		return 2;
	const char *base = cmd->argv[1], *path = cmd->argv[2];
	g_autoptr(Central) central = central_open(cmd->dir, error);
	if (!central)
		return 1;
	CmdFile file;
	PublishExported done;
	gboolean ok = cmd_file_make(&file, path, force, error) &&
		      publish_export(central, base, &options, file.fd, &done, error) &&
		      cmd_file_keep(&file, error);
	cmd_file_clear(&file);
	if (ok)
		say_exported(cmd, base, path, &done);
	else                                          /* it may have been asked for bundles */
		(void)cmd_poke_worker(central, NULL); /* the first error is the one to tell */
	return ok ? 0 : 1;
}

static void say_imported(const Cmd *cmd, const char *base, const ServeImported *done)
{
	g_autofree char *written = util_time_format_utc(done->written_utc);
	if (done->fresh == 0 && !done->contact && !done->ledger) {
		g_autofree char *heard = util_time_format_utc(done->heard_utc);
		cmd_say(cmd, "%s: nothing new in this file of %s; the base was heard at %s", base,
			written, heard);
		return;
	}
	cmd_say(cmd, "%s: as of %s, %u reports, %u of them new%s", base, written, done->reports,
		done->fresh, done->ledger ? "; its ledger is back" : "");
	if (done->reports_lost)
		cmd_say(
		    cmd,
		    "%s: central lost reports that it had confirmed; there, tagship-base export "
		    "--ledger FILE brings them",
		    base);
	if (done->wants > 0)
		cmd_say(cmd, "%s asks for %u bundles; they are being made, then export again", base,
			done->wants);
}

/* The two looks at a file of a base are taken by confined children; what they find is copied. */
typedef struct {
	int fd;
	const char *path;
	const ServeSpec *spec;
} Importing;

typedef struct {
	char base[256];
} Writer;

/* Who wrote it, by its own word: serve_import checks the signature. */
static gboolean find_writer(gconstpointer asked, gpointer answer, GError **error)
{
	const Importing *importing = asked;
	Writer *writer = answer;
	const ConfineSpec nothing = {0};
	if (!confine_self(&nothing, NULL, error))
		return FALSE;
	g_autoptr(ExportReader) reader = export_reader_new(importing->fd, error);
	const char *base = reader ? export_reader_head(reader)->base : "";
	if (reader && util_name_check("base", base, error))
		return g_strlcpy(writer->base, base, sizeof writer->base) > 0;
	g_prefix_error(error, "%s: ", importing->path);
	return FALSE;
}

static gboolean take_in(gconstpointer asked, gpointer answer, GError **error)
{
	const Importing *importing = asked;
	if (serve_confine(importing->spec, "give", error) &&
	    serve_import(importing->spec, importing->fd, answer, error))
		return TRUE;
	g_prefix_error(error, "%s: ", importing->path);
	return FALSE;
}

static int import_file(Cmd *cmd, Central *central, int fd, GError **error)
{
	Importing importing = {.fd = fd, .path = cmd->argv[1]};
	Writer writer = {""};
	ServeImported done = {0};
	int status = cmd_child_run(cmd, find_writer, &importing, &writer, sizeof writer, error);
	writer.base[sizeof writer.base - 1] = '\0'; /* whatever became of the child */
	if (status != 0 || !util_name_check("base", writer.base, error))
		return MAX(status, 1);
	g_autoptr(ConfPeer) peer = conf_peer_load(central->dirfd, writer.base, error);
	g_autofree char *own_key = publish_key_public(central->dirfd, PUBLISH_KEY ".pub");
	g_autoptr(TrustKeys) own_keys = publish_own_keys(central->dirfd, own_key);
	if (!peer)
		return 1;
	const ServeSpec spec = {.state_path = central->path,
				.own_keys = own_keys,
				.own_key = own_key,
				.base = peer->name,
				.base_key = peer->key,
				.incarnation = peer->incarnation,
				.clock = central->clock,
				.state_dirfd = central->dirfd};
	importing.spec = &spec;
	status = cmd_child_run(cmd, take_in, &importing, &done, sizeof done, error);
	if (status == 0)
		say_imported(cmd, peer->name, &done);
	return status;
}

int cmd_import(Cmd *cmd, GError **error)
{
	if (!cmd_options(cmd, NULL, 1, 1, error))
		return 2;
	g_autoptr(Central) central = central_open(cmd->dir, error);
	util_autofd int fd = central ? cmd_open_file(cmd->argv[1], error) : -1;
	if (fd < 0)
		return 1;
	int status = import_file(cmd, central, fd, error);
	if (status != 0)
		return status;
	return cmd_poke_worker(central, error) ? 0 : 1;
}
