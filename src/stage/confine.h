/* SPDX-License-Identifier: ISC */
/*
 * Confinement of the unpacking process, before it reads a byte that came over the line: Landlock
 * lets it write beneath the given folders only (reading stays as it is) and open no TCP connection
 * where the kernel can forbid that; a network namespace of its own where that is allowed. A second
 * layer: unpacking resolves every name beneath a folder descriptor anyway.
 *
 *   stage_confine(folders, &note, error)      once, before any thread is started
 *
 * It cannot be undone and is inherited by children. Nothing on disk.
 */
#pragma once

#include "util/util.h"

/* folders: absolute, NULL-terminated. A kernel without Landlock is no error: *ret_note then says
 * so (else NULL; caller frees). FALSE if Landlock is there and could not be set up. */
gboolean stage_confine(const char *const *folders, char **ret_note, GError **error);
