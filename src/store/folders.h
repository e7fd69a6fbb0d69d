/* SPDX-License-Identifier: ISC */
/*
 * The state folders of both sides. What is written there goes where they lead, so each must be a
 * folder itself: a link in its place is refused (NOT_AUTHENTIC), whoever put it there. Another disk
 * is mounted instead.
 */
#pragma once

#include "util/util.h"

/* A base's ROOT; -1 with error. What is not there yet is made by whoever needs it. */
int store_open_root(const char *path, GError **error);
/* Central's STATE. */
int store_open_state(const char *path, GError **error);

/* Makes the folders that are there from the start; those that are there already stay. After a
 * crash some may be missing: make them again. */
gboolean store_make_root(int dirfd, GError **error);
gboolean store_make_state(int dirfd, GError **error);
