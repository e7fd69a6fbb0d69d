/* SPDX-License-Identifier: ISC */
/* Shared by the files of this room only. */
#pragma once

#include "manifest/manifest.h"

struct Manifest {
	GArray *entries; /* ManifestEntry, strings in `names` */
	GStringChunk *names;
	gboolean sealed;
	guint files;
	guint64 bytes;
};

/* The link at `index` of a sealed list, followed through all links of the tree, stays in it. */
gboolean manifest_link_resolves(const Manifest *manifest, const ManifestEntry *link,
				GError **error);
