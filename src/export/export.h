/* SPDX-License-Identifier: ISC */
/*
 * The export file: what travels by hand where no line is. Orders go to a base, reports come back.
 *
 * It is an uncompressed pax tar (any tar lists it), format 1:
 *
 *   tagship-export       the head, trailer text, see below
 *   tagship-export.sig   SSHSIG of it, namespace export@tagship, by central's or the base's key
 *   ...                  then exactly what the head's Member lines say, in their order
 *
 *   Tagship-Export: 1
 *   Kind: orders | reports
 *   Software: one line
 *   Base: NAME
 *   Incarnation: N
 *   Written: 2026-12-01T02:00:00Z
 *   From: COMMIT | -          orders: the ledger part begins after this one ("-": all of it)
 *   Head: COMMIT | -          orders: its last one; reports: what the base has accepted
 *   Hello: TEXT               reports: what the base says of itself, a hello's text, folded and
 *                             without its last newline
 *   Want: OLD NEW             reports: a bundle the base asks for (roots; OLD "-": from nothing);
 *                             any number
 *   Reported: KEY COMMIT      orders: a report that central has, and its commit there; any number
 *   Member: NAME BYTES SHA256 any number
 *
 * Members of orders: "ledger" (as ledger_send writes it), then any "bundles/SHA256"; of reports:
 * "ledger" if central lost its own, then "reports/KEY" and "reports/KEY.sig" by turns. Unknown keys
 * are CORRUPT unless they begin with "X-"; another number behind Tagship-Export is UNSUPPORTED.
 *
 *   ExportWriter *writer = export_writer_new(fd, head, key_file, error);
 *   export_writer_add(writer, …), export_writer_add_fd(writer, …) in the order of the head
 *   export_writer_finish(writer, error)
 *
 *   ExportReader *reader = export_reader_new(fd, error);
 *   export_reader_verify(reader, keys, error)     nothing before it is to be believed
 *   export_reader_next(reader, &member, error)    NULL: the end, all of it was there
 *   export_reader_bytes or export_reader_read     the member's content
 *
 * The head vouches for all members, which are hashed while they are read. Nothing is synced; a
 * crash leaves a part of the file, which no reader takes.
 */
#pragma once

#include "util/util.h"

#define EXPORT_LEDGER "ledger"
#define EXPORT_BUNDLES "bundles/"
#define EXPORT_REPORTS "reports/"
#define EXPORT_SIG ".sig"
#define EXPORT_LEDGER_MAX ((guint64)96 * 1024 * 1024)
#define EXPORT_REPORT_MAX (256 * 1024) /* also of a signature */
#define EXPORT_REPORTED_MAX 4096       /* lines of each kind */
#define EXPORT_MEMBERS_MAX 4096
#define EXPORT_WANTS_MAX 256

typedef enum { EXPORT_KIND_ORDERS, EXPORT_KIND_REPORTS } ExportKind;

typedef struct {
	char *name;
	guint64 bytes;
	char sha256[UTIL_SHA256_HEX];
} ExportMember;

typedef struct {
	char *key;
	char commit[41];
} ExportReported;

typedef struct {
	ExportKind kind;
	char *software;
	char *base;
	gint64 incarnation;
	gint64 written_utc;
	char from[41]; /* ORDERS */
	char head[41];
	char *hello;         /* REPORTS, else NULL */
	GPtrArray *wants;    /* char *, "OLD NEW"; REPORTS, else empty */
	GPtrArray *reported; /* ExportReported; ORDERS, else empty */
	GPtrArray *members;  /* ExportMember */
} ExportHead;

ExportHead *export_head_new(ExportKind kind);
void export_head_free(ExportHead *head);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExportHead, export_head_free)
void export_head_add_member(ExportHead *head, const char *name, guint64 bytes, const char *sha256);
/* Of these bytes. */
void export_head_add_data(ExportHead *head, const char *name, const void *data, gsize len);
void export_head_add_reported(ExportHead *head, const char *key, const char *commit);
char *export_head_format(const ExportHead *head);
ExportHead *export_head_parse(const char *text, gsize len, GError **error);

typedef struct ExportWriter ExportWriter;
/* Writes the head and its signature. The head must outlive the writer. */
ExportWriter *export_writer_new(int fd, const ExportHead *head, const char *key_file,
				GError **error);
gboolean export_writer_add(ExportWriter *writer, const void *data, gsize len, GError **error);
/* From the start of a regular file, which must be as long as the head says. */
gboolean export_writer_add_fd(ExportWriter *writer, int fd, GError **error);
gboolean export_writer_finish(ExportWriter *writer, GError **error);
void export_writer_free(ExportWriter *writer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExportWriter, export_writer_free)

typedef struct ExportReader ExportReader;
/* Reads the head of a regular file, from its start. */
ExportReader *export_reader_new(int fd, GError **error);
const ExportHead *export_reader_head(const ExportReader *reader);
/* NOT_AUTHENTIC unless one of the keys signed the head. */
gboolean export_reader_verify(const ExportReader *reader, const char *const *keys, GError **error);
gboolean export_reader_next(ExportReader *reader, const ExportMember **ret_member, GError **error);
/* All of the current member, with a NUL behind it that its length does not count. */
char *export_reader_bytes(ExportReader *reader, GError **error);
/* Some bytes of it; 0 at its end, where its hash was right, -1 with error. */
gssize export_reader_read(ExportReader *reader, void *buffer, gsize len, GError **error);
void export_reader_free(ExportReader *reader);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ExportReader, export_reader_free)
