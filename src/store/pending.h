/* SPDX-License-Identifier: ISC */
/*
 * Reports that wait for central: ROOT/pending/KEY and KEY.sig, the signature written first, so that
 * a report without one is never seen. Put twice, the second replaces the first.
 */
#pragma once

#include "util/util.h"

/* Signs the text with key_file, as a report. */
gboolean store_pending_put(int root_dirfd, const char *key, const char *text, const char *key_file,
			   GError **error);
