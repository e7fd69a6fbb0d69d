/* SPDX-License-Identifier: ISC */
#pragma once

#include "conf/conf.h"

/* Stages what can be staged, of one app or (NULL) of all, and prints what comes of it. Returns the
 * exit status; *error only if it could not begin. */
int stage_all(const char *root_path, int root_dirfd, const ConfBase *conf, const char *only,
	      GError **error);
