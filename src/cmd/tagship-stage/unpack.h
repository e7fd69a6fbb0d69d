/* SPDX-License-Identifier: ISC */
/*
 * Unpacking runs as a process of its own (this program with --unpack), confined before it reads a
 * bundle; journaling and the site's `prepare` command are its parent's work. The child tells its
 * result as trailer text on descriptor 1, progress lines go to descriptor 2.
 */
#pragma once

#include "activate/activate.h"
#include "stage/stage.h"

/* The child: confines itself, stages, writes the result. Returns the exit status. */
int unpack_child(const char *root_path, int root_dirfd, const ConfBase *conf, const char *app,
		 const char *release);

typedef struct {
	char *tree, *how;
	char *note;         /* about the confinement, or NULL */
	GPtrArray *altered; /* char * */
} Unpacked;
void unpacked_free(Unpacked *unpacked);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Unpacked, unpacked_free)

/* The parent: runs the child; its error comes back with its code. *ret_unpacked is set in both
 * cases, but for a child that died. */
gboolean unpack_run(const char *root_path, const char *app, const char *release,
		    Unpacked **ret_unpacked, GError **error);
