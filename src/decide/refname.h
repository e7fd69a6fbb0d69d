/* SPDX-License-Identifier: ISC */
/* Which refs a push may touch; apart from central.h, because every push asks this and nothing else.
 */
#pragma once

#include "util/util.h"

/* Ref names central takes: refs/heads/, refs/tags/, refs/notes/ with sane names; REFUSED for
 * refs/replace/ and all else, with what to do. */
gboolean central_ref_check(const char *ref, GError **error);
