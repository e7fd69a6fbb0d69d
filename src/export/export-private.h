/* SPDX-License-Identifier: ISC */
/* Shared by the files of this room only. */
#pragma once

#include "bundle/tar.h"
#include "export/export.h"

#define EXPORT_HEAD_NAME "tagship-export"
#define EXPORT_HEAD_SIG EXPORT_HEAD_NAME EXPORT_SIG
#define EXPORT_HEAD_MAX ((guint64)2 * 1024 * 1024)
