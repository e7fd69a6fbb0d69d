/* SPDX-License-Identifier: ISC */
/*
 * An uncompressed pax tar of some named files, for what people carry by hand: any tar lists it.
 *
 *   writer: bundle_tar_writer_new, then per file _begin and _data, _finish, _free
 *   reader: bundle_tar_reader_new, then _next until there is no name, each file's bytes by _read
 *
 * The reader takes regular files of mode 0644 alone, with short plain names, and nothing but zeros
 * behind the last one; anything else is CORRUPT. Which names, sizes and order there may be is the
 * caller's to check. Descriptors stay the caller's. Nothing is synced; a crash leaves a part of
 * the file.
 */
#pragma once

#include "util/util.h"

#define BUNDLE_TAR_NAME_MAX 100

typedef struct BundleTarWriter BundleTarWriter;
/* From where fd stands (which may be a pipe); every file gets this time. */
BundleTarWriter *bundle_tar_writer_new(int fd, gint64 mtime_utc, GError **error);
gboolean bundle_tar_writer_begin(BundleTarWriter *writer, const char *name, guint64 bytes,
				 GError **error);
/* In all as many bytes as were announced. */
gboolean bundle_tar_writer_data(BundleTarWriter *writer, const void *data, gsize len,
				GError **error);
gboolean bundle_tar_writer_finish(BundleTarWriter *writer, GError **error);
void bundle_tar_writer_free(BundleTarWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BundleTarWriter, bundle_tar_writer_free)

typedef struct BundleTarReader BundleTarReader;
/* A regular file, read from its start. */
BundleTarReader *bundle_tar_reader_new(int fd, GError **error);
/* The next file; *ret_name is NULL at the very end. What was not read of the one before is skipped.
 * The name is valid until the next call. */
gboolean bundle_tar_reader_next(BundleTarReader *reader, const char **ret_name, guint64 *ret_bytes,
				GError **error);
/* Some bytes of the current file; 0 at its end, -1 with error. */
gssize bundle_tar_reader_read(BundleTarReader *reader, void *buffer, gsize len, GError **error);
void bundle_tar_reader_free(BundleTarReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(BundleTarReader, bundle_tar_reader_free)
