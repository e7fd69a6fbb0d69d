/* SPDX-License-Identifier: ISC */
/* What the nodes of the site (site/site.h) mean for this base's other commands. */
#pragma once

#include "cmd/tagship-base/base.h"
#include "site/site.h"

/* A bundle that is to be here for a node. */
typedef struct {
	Order *order;
	char *old_root;
	const OrderBundle *bundle; /* of the order, not here yet; NULL: central is to make it */
} BaseNodeNeed;
/* Soonest go-live first; empty without nodes. */
GPtrArray *base_nodes_needs(const Base *base, GError **error);
/* Puts what nodes did into reports for central. */
gboolean base_nodes_tell(const Base *base, GError **error);
/* TRUE if the above would. */
gboolean base_nodes_have_news(const Base *base);
/* Adds the bundles that nodes may still come for. */
gboolean base_nodes_keep(const Base *base, GHashTable *bundles, GError **error);
/* Drops reports and wants of long ago. */
gboolean base_nodes_gc(const Base *base, gboolean dry_run, GError **error);

/* For people and machines; `nodes` are SiteNode. */
void base_nodes_print(const Base *base, const GPtrArray *nodes);
void base_nodes_json(const Base *base, const GPtrArray *nodes, JsonBuilder *json);
