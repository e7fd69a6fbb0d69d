/* SPDX-License-Identifier: ISC */
/*
 * The servers of a site ("nodes") that have this base as upstream: who they are, what they said,
 * and what follows for the base. Beneath ROOT/nodes:
 *
 *   NAME/key             public key; the folder with it is the enrolment
 *   NAME/contact         trailer text of its last hello, as STATE/contacts/BASE at central
 *   NAME/wants/OLD-NEW   a bundle it asked for that was not here ("none" for nothing)
 *   NAME/reports/KEY     its reports as they came, and KEY.sig
 *   .told/RELEASE        what the site's last report of this release was made from, in short
 *
 * serve writes what a node says, the base's pull reads it:
 *
 *   g_autoptr(GPtrArray) nodes = site_nodes(root_dirfd, &error);     SiteNode
 *   for each accepted order: site_roots_needed(nodes, order), site_tell(&spec, nodes, order, …)
 *
 * Every file is replaced whole. A crash after a report of the site was put into ROOT/pending and
 * before .told makes the same report again.
 */
#pragma once

#include "order/order.h"
#include "store/store.h"

/* A key, "ssh-ed25519 AAAA…"; EXISTS unless it is to be replaced. */
gboolean site_node_add(int root_dirfd, const char *name, const char *key, gboolean replace,
		       GError **error);
/* With all that it said. */
gboolean site_node_remove(int root_dirfd, const char *name, GError **error);
/* NULL-terminated, sorted; none is no error. */
char **site_node_names(int root_dirfd, GError **error);
/* NOT_FOUND, with what to do. */
char *site_node_key(int root_dirfd, const char *name, GError **error);

/* What a node says. */
gboolean site_node_contact(int root_dirfd, const char *name, const UtilTrailers *contact,
			   GError **error);
gboolean site_node_want(int root_dirfd, const char *name, const char *old_root, const char *root,
			GError **error);
gboolean site_node_report(int root_dirfd, const char *name, const Report *report, const char *text,
			  const char *signature, GError **error);

typedef struct {
	char *old_root; /* "-": from nothing */
	char *root;
} SiteWant;

typedef struct {
	char *name;
	gint64 heard_utc;      /* 0: never */
	UtilTrailers *contact; /* NULL: never */
	GPtrArray *wants;      /* SiteWant */
	GPtrArray *reports;    /* Report */
} SiteNode;
/* What cannot be read of a node is left out. */
GPtrArray *site_nodes(int root_dirfd, GError **error);
/* Root and version that it said to have live of an app; FALSE if it said nothing. */
gboolean site_node_live(const SiteNode *node, const char *app, char **ret_root, char **ret_version);
/* The last that it reported of this release; NULL if it did not. */
const Report *site_node_event(const SiteNode *node, const char *release);

/* A day after go-live nothing more is done for nodes. */
gboolean site_order_is_open(const Order *order, gint64 now_utc);
/* Old roots (char *, "-") from which nodes need a bundle to this order's tree; each once. */
GPtrArray *site_roots_needed(const GPtrArray *nodes, const Order *order);
/* TRUE until every node that was ever heard has this order's tree, or is done with it. */
gboolean site_waits(const GPtrArray *nodes, const Order *order);
/* Wants whose order is not among these (Order) or that are no longer open. */
gboolean site_wants_prune(int root_dirfd, const GPtrArray *nodes, const GPtrArray *orders,
			  gint64 now_utc, GError **error);

/* What all nodes did with this order, as a report of event "nodes"; NULL while no node is done. */
Report *site_report(const GPtrArray *nodes, const Order *order);

typedef struct {
	int root_dirfd;
	const char *base;
	gint64 incarnation;
	const char *key_file;
} SiteSpec;
/* TRUE if a node did something since the last one. */
gboolean site_has_news(int root_dirfd, const GPtrArray *nodes, const Order *order);
/* Puts that report into ROOT/pending, unless no node did anything since the last one. */
gboolean site_tell(const SiteSpec *spec, const GPtrArray *nodes, const Order *order,
		   gboolean *ret_told, GError **error);
