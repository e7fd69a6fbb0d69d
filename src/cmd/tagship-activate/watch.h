/* SPDX-License-Identifier: ISC */
/*
 * Waiting for what is due. This process only reads; each app's activation runs in a child of its
 * own (this program with --app), so that apps due at the same second do not wait for one another
 * and a fault in one does not touch the others.
 */
#pragma once

#include "activate/activate.h"

typedef struct {
	const char *root_path;
	int root_dirfd;
	gboolean once; /* end when nothing is due within ONCE_WAIT_S */
} WatchSpec;

#define ONCE_WAIT_S 65

/* Returns the exit status; *error is set if watching could not begin. SIGTERM and SIGINT end it
 * after the activations that run. */
int watch_run(const WatchSpec *spec, GError **error);
