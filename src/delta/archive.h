/* SPDX-License-Identifier: ISC */
/*
 * Archives taken apart and put together again, bit for bit: zip (jar, war, ear, …), gzip, tar. Pure
 * bytes: the caller reads and writes.
 *
 *   apart      archive = delta_archive_parse(&bytes, &error)
 *              archive->members say where each member's packed bytes lie in the archive
 *              archive->form is all the rest, in a form that resembles the one of another release
 *   together   archive = delta_archive_from_form(form, len, max_bytes, &error)
 *              for each member i: facts from its unpacked and packed bytes, then
 *                  delta_archive_head(archive, i, &facts, out), and its packed bytes after that
 *              delta_archive_tail(archive, out)
 *
 * The form is part of the bundle format: the same bytes always give the same form and the same
 * members, on any machine and with any zlib. It never holds what follows from the members (lengths,
 * CRC-32, offsets), and like things stand together: all names, all times, … An archive is only
 * taken apart if putting it together from its form and its packed members gives its very bytes;
 * whatever is not as in ZIP's APPNOTE 6.3.10, RFC 1952 or POSIX ustar/pax is left whole (not an
 * error).
 */
#pragma once

#include "delta/delta.h"

/* Bytes that can be read anywhere; read must fill all of it or fail. */
typedef struct {
	gboolean (*read)(gpointer user_data, guint64 offset, guint8 *out, gsize len,
			 GError **error);
	gpointer user_data;
	guint64 size;
} DeltaBytes;

typedef enum { DELTA_ARCHIVE_ZIP = 1, DELTA_ARCHIVE_GZIP, DELTA_ARCHIVE_TAR } DeltaArchiveKind;

/* For what cannot be unpacked, the form itself keeps `bytes` and `crc`: of its facts, head and tail
 * go by packed_bytes only. */
typedef enum {
	DELTA_STORED,  /* packed bytes are the content, or cannot be unpacked (encrypted, other
			  methods) */
	DELTA_DEFLATED /* said to be one complete raw deflate stream (RFC 1951) */
} DeltaPacking;

/* What an archive says of a member beside its bytes. Parse does not unpack: a deflate stream may be
 * damaged, a CRC wrong. With these same facts the archive still comes back bit for bit. */
typedef struct {
	guint64 bytes;        /* unpacked; for gzip modulo 2^32 */
	guint64 packed_bytes; /* the same if stored */
	guint32 crc;          /* CRC-32 of the unpacked bytes */
} DeltaFacts;

typedef struct {
	const char *name; /* printable or not, maybe empty or twice; for pairing only */
	guint64 offset;   /* of the packed bytes in the archive */
	DeltaFacts facts; /* facts.crc 0 for tar, which has none */
	DeltaPacking packing;
} DeltaMember;

struct DeltaArchive {
	DeltaArchiveKind kind;
	/* DeltaMember, in order of offset; after from_form without offset and facts */
	GArray *members;
	GByteArray *form; /* begins with the kind byte */
	/* private */
	GStringChunk *strings;
	gpointer parsed; /* what head and tail go by */
	guint64 memory_bytes;
};

/* NULL without error if it is no archive that can be put together again; an error only for failed
 * reads. Memory follows the number of members (at most DELTA_MEMBERS_MAX) and the form. */
#define DELTA_MEMBERS_MAX 200000
#define DELTA_FORM_MAX ((guint64)64 * 1024 * 1024)
/* One that says more than DELTA_BYTES_MAX of a packed member is left whole. */
DeltaArchive *delta_archive_parse(const DeltaBytes *bytes, GError **error);
/* TRUE if the first bytes (DELTA_SNIFF_BYTES of them, or all) may begin an archive: worth a parse.
 */
#define DELTA_SNIFF_BYTES 512
gboolean delta_archive_sniff(const guint8 *data, gsize len);

/* CORRUPT for anything that no parse gives. max_bytes bounds the memory taken. */
DeltaArchive *delta_archive_from_form(const guint8 *form, gsize len, guint64 max_bytes,
				      GError **error);
/* Appends what stands before the packed bytes of member i. Members in order, each once; member 0
 * begins anew. */
void delta_archive_head(DeltaArchive *archive, guint i, const DeltaFacts *facts, GByteArray *out);
/* Appends what stands after the last one. */
void delta_archive_tail(DeltaArchive *archive, GByteArray *out);
/* Memory it takes. */
guint64 delta_archive_memory(const DeltaArchive *archive);
void delta_archive_free(DeltaArchive *archive);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeltaArchive, delta_archive_free)

/* ---- deflate ---- */

/* How a stream was packed: a zlib level and memory level, in one byte. 0 is never one of them. The
 * byte leaves room (0x80 and above) for later ways that store where a stream departs from zlib. */
typedef guint8 DeltaZlib;

/* Streams; stepped as delta_coder_step. CORRUPT for damage, and for bytes after the end. */
typedef struct DeltaDeflate DeltaDeflate;
DeltaDeflate *delta_inflate_new(void);
/* UNSUPPORTED for a way that is not known here. */
DeltaDeflate *delta_deflate_new(DeltaZlib way, GError **error);
gboolean delta_deflate_step(DeltaDeflate *stream, DeltaBuffers *buffers, DeltaRun run,
			    gboolean *ret_done, GError **error);
void delta_deflate_free(DeltaDeflate *stream);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeltaDeflate, delta_deflate_free)

/* CRC-32 of more bytes; begins at 0. */
guint32 delta_crc32(guint32 crc, const guint8 *data, gsize len);

/* Tries which way gives the packed bytes of a member again; 0 if none does, or if they do not
 * unpack to exactly what the facts say. `hint`: the way to try first (0: none). Reads the member
 * several times, in pieces, each way until its first wrong byte. */
gboolean delta_zlib_find(const DeltaBytes *bytes, const DeltaMember *member, DeltaZlib hint,
			 DeltaZlib *ret_way, GError **error);
/* A digest of what all ways make of a built-in sample: two zlibs with the same digest pack alike.
 */
void delta_zlib_digest(guint8 ret_sha256[UTIL_SHA256_BYTES]);
/* Of the zlib that runs. */
const char *delta_zlib_version(void);
