/* SPDX-License-Identifier: ISC */
/* What differs between central, which serves bases, and a base, which serves the nodes of its site.
 */
#include <unistd.h>

#include "serve/serve-private.h"
#include "site/site.h"

/* ---- central ---- */

static char *central_path(const ServeSpec *spec)
{
	g_autofree char *name = g_strconcat(spec->base, ".git", NULL);
	return g_build_filename(spec->state_path, "ledger", name, NULL);
}

static Repo *central_ledger(const ServeSpec *spec, GError **error)
{
	return ledger_open(spec->state_path, spec->base, error);
}

static gboolean central_contact(Serve *serve, const UtilTrailers *contact, GError **error)
{
	g_autofree char *text = util_trailers_format(contact);
	g_autofree char *path = g_strconcat("contacts/", serve->spec->base, NULL);
	return util_fs_mkdir(serve->state_dirfd, "contacts", 0750, error) &&
	       util_fs_write_file(serve->state_dirfd, path, text, strlen(text), 0640, error);
}

/* Asks the worker. */
static gboolean central_want(Serve *serve, const Order *order, const char *old_root, GError **error)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	util_trailers_add(hint, "Base", serve->spec->base);
	util_trailers_add(hint, "App", order->app);
	util_trailers_add(hint, "Release", order->release);
	util_trailers_add(hint, "Old", old_root);
	util_trailers_add(hint, "New", order->root);
	return serve_hint(serve, "want", hint, error);
}

/* An end becomes a note in the app's repository, and while releases wait for reports
 * (publish/gates.c) they are looked at. The report is safe whatever becomes of the hint. */
static void tell_worker(Serve *serve, const Report *report)
{
	g_autoptr(UtilTrailers) hint = util_trailers_new();
	gboolean ends = report_event_ends(report->event);
	util_trailers_add(hint, "App", ends ? report->app : NULL);
	if (ends || faccessat(serve->state_dirfd, "queue/gates", F_OK, 0) == 0)
		(void)serve_hint(serve, "report", hint, NULL); /* the next one does */
}

static gboolean central_report(Serve *serve, const ServeReport *said, char ret_oid[REPO_OID],
			       GError **error)
{
	g_autoptr(Repo) ledger = central_ledger(serve->spec, error);
	if (!ledger ||
	    !ledger_report_append(ledger, said->report, said->text, said->signature,
				  util_clock_now_utc(serve->spec->clock), ret_oid, error))
		return FALSE;
	tell_worker(serve, said->report);
	return TRUE;
}

/* ---- a base, for a node ---- */

static char *node_path(const ServeSpec *spec)
{
	return g_build_filename(spec->state_path, "mirror.git", NULL);
}

static Repo *node_ledger(const ServeSpec *spec, GError **error)
{
	g_autofree char *path = node_path(spec);
	return repo_open(path, error);
}

static gboolean node_contact(Serve *serve, const UtilTrailers *contact, GError **error)
{
	return site_node_contact(serve->state_dirfd, serve->spec->node, contact, error);
}

/* For the base's own pull. */
static gboolean node_want(Serve *serve, const Order *order, const char *old_root, GError **error)
{
	return site_node_want(serve->state_dirfd, serve->spec->node, old_root, order->root, error);
}

/* Kept as it came; the commit id is none, but as good for the node as one. */
static gboolean node_report(Serve *serve, const ServeReport *said, char ret_oid[REPO_OID],
			    GError **error)
{
	g_autofree char *hash = g_compute_checksum_for_string(G_CHECKSUM_SHA1, said->text, -1);
	g_strlcpy(ret_oid, hash, REPO_OID);
	return site_node_report(serve->state_dirfd, serve->spec->node, said->report, said->text,
				said->signature, error);
}

/* Nodes see what is accepted here as if it were central's branch. */
static gboolean node_show(Repo *ledger, GError **error)
{
	char accepted[REPO_OID];
	g_autoptr(GError) local = NULL;
	if (repo_ref_get(ledger, LEDGER_ACCEPTED, accepted, &local))
		return repo_ref_set(ledger, LEDGER_ORDERS, accepted, NULL, error);
	if (g_error_matches(local, TS_ERROR, TS_ERROR_NOT_FOUND))
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&local));
	return FALSE;
}

const ServePlace *serve_place_of(const ServeSpec *spec)
{
	static const ServePlace central = {.orders = LEDGER_ORDERS,
					   .bundles = "bundles",
					   .path = central_path,
					   .ledger = central_ledger,
					   .contact = central_contact,
					   .want = central_want,
					   .report = central_report};
	static const ServePlace node = {.orders = LEDGER_ACCEPTED,
					.bundles = "partial",
					.path = node_path,
					.ledger = node_ledger,
					.contact = node_contact,
					.want = node_want,
					.report = node_report,
					.show = node_show};
	return spec->node ? &node : &central;
}

const ServePlace *serve_place(const Serve *serve)
{
	return serve_place_of(serve->spec);
}
