/* SPDX-License-Identifier: ISC */
/* The two layers. */
#pragma once

#include "confine/confine.h"

/* Each once; no_new_privs is set before. */
gboolean confine_landlock(const ConfineSpec *spec, guint abi, GError **error);
gboolean confine_seccomp(const ConfineSpec *spec, GError **error);
