/* SPDX-License-Identifier: ISC */
/*
 * An append-only journal of one app at a base: one record a line,
 *
 *   CHECK TEXT\n
 *
 * TEXT is the trailer text of the record (util/trailer.h) with a backslash written \\, a newline \n
 * and a tab \t; it holds no other control characters. CHECK is the first 8 hex digits of the
 * SHA-256 of TEXT. The file is preallocated in steps of 64 KiB, the rest is NUL: appending to a
 * full disk still works for at least STORE_JOURNAL_RESERVE bytes. Each append is one pwrite and one
 * fdatasync.
 *
 * Crash: an append is there or not. A torn last line (no newline, or NUL where blocks were not
 * written) is overwritten with NUL at the next open and left out by store_journal_read; any other
 * bad line, and one with a good line after it, is CORRUPT, and nothing is changed. The caller keeps
 * others from writing (ROOT/lock/APP).
 */
#pragma once

#include "util/util.h"

#define STORE_JOURNAL_RESERVE (64 * 1024)

typedef struct StoreJournal StoreJournal;

/* Opens dirfd/name, makes it if it is not there, cuts a torn tail, preallocates. A disk too full
 * to preallocate is no error for a journal that is there (see store_journal_room). */
StoreJournal *store_journal_open(int dirfd, const char *name, GError **error);
void store_journal_close(StoreJournal *journal);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(StoreJournal, store_journal_close)

/* All records in order, as trailer objects (UtilTrailers); "Event" is always there. */
const GPtrArray *store_journal_records(const StoreJournal *journal);
/* Bytes that can still be appended when the disk is full. */
guint64 store_journal_room(const StoreJournal *journal);
/* Durable when TRUE is returned. The record is then also in store_journal_records. After FALSE it
 * is in neither, and a later append may work again. */
gboolean store_journal_append(StoreJournal *journal, const UtilTrailers *record, GError **error);
/* Reads without opening for writing (status): a torn tail is left out, nothing is changed. A
 * missing file is an empty array. */
GPtrArray *store_journal_read(int dirfd, const char *name, GError **error);
