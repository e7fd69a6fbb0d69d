/* SPDX-License-Identifier: ISC */
/*
 * The base's side of the line: delivers reports, fetches the ledger, verifies and accepts it,
 * and downloads what the orders need. Staging is another program's work.
 *
 *   ROOT/mirror.git               refs/tagship/seen, refs/tagship/accepted
 *   ROOT/accepted/APP             text: the accepted orders of one app (see mirror_orders_*)
 *   ROOT/partial/HASH[.part]      bundles
 *   ROOT/pending/KEY, KEY.sig     reports central has not confirmed
 *   ROOT/reported/KEY, commits    those that it has confirmed, for some weeks (reported.c)
 *   ROOT/lock/APP                 held while the file of that app's accepted orders is written
 *   ROOT/clock                    noted at each contact (store/clock.h)
 *   ROOT/contact                  trailer text of the last attempt: Time, and Error if it failed;
 *                                 Good-Time, Head, Central-Now, Clock-Offset-S and -Ms (ours
 *                                 minus central's, half the way there and back taken off) and
 *                                 Upstream of the last one that did not; Behind if
 *                                 central's ledger is older than what was accepted here;
 *                                 Line-Kbit and Line-Rtt-Ms: what the line gave lately; By-File
 *                                 if it was an export file, with the time that was written
 *
 *   g_autoptr(Mirror) mirror = mirror_open(&spec, error);
 *   mirror_deliver(mirror, &sent, error) ... mirror_update(mirror, &moved, error) ...
 *   mirror_download(mirror, bundle->sha256, bundle->bytes, error) ...
 *
 * The spec and all it points to must outlive the mirror. After AGAIN from the line the mirror
 * connects anew by itself at its next call.
 *
 * Crash: refs and files are replaced whole; accepted/ is written again from the ref at each pull.
 */
#pragma once

#include "conf/conf.h"
#include "ledger/ledger.h"
#include "store/store.h"
#include "trust/trust.h"
#include "wire/wire.h"

typedef struct {
	const char *root_path;
	int root_dirfd;
	const ConfBase *conf;
	UtilClock *clock;
	const UtilProgress *progress;
	/* "APP ROOT VERSION" of what is live, and "APP REASON" of holds, for hello */
	const char *const *live;
	const char *const *held;
	gint64 incarnation;
	gboolean watch;              /* be told by central what is new, see mirror_watch */
	int lock_wait_ms;            /* for an app's lock; 0: 10 s */
	const char *codecs;          /* bundle codecs this base reads; NULL: "plain delta" */
	const char *zlib, *features; /* for hello, see wire/hello.h; NULL: not said */
	/* Told of each report that central has in its ledger, before the pending files go; may be
	 * NULL. Told again after a crash in between. */
	void (*delivered)(gpointer user_data, const Report *report, const char *commit);
	gpointer user_data;
} MirrorSpec;

typedef struct Mirror Mirror;
/* Connects to the first upstream that answers. */
Mirror *mirror_open(const MirrorSpec *spec, GError **error);
void mirror_close(Mirror *mirror);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Mirror, mirror_close)

/* Sends pending reports, oldest first (on a new connection after a hello, so that what central lost
 * goes there first); confirmed ones are pending no more. One that central refuses
 * stays and does not keep back the others; the first such error is given at the end. ret_sent is
 * set in either case. */
gboolean mirror_deliver(Mirror *mirror, guint *ret_sent, GError **error);
/* hello, fetch if the head moved, verify, accept, write accepted/APP. An app whose lock was held
 * all the while (it is activating) keeps its file of before: see mirror_busy. A central that was
 * restored and knows less than this base is no error here: nothing moves, ROOT/contact says Behind.
 */
gboolean mirror_update(Mirror *mirror, gboolean *ret_moved, GError **error);
/* How many reports are pending again since this was last asked: a central that was restored from a
 * backup had lost some of what it had confirmed. Each is sent; what it has it keeps as it is. */
guint mirror_reports_again(Mirror *mirror);
/* Names of the apps that were busy then, for people; NULL: none. */
const char *mirror_busy(const Mirror *mirror);
/* Writes their files, without the line; AGAIN if one is still busy. */
gboolean mirror_take_in(Mirror *mirror, GError **error);
/* One bundle, resuming, at the rate that base.cfg allows at this hour; afterwards partial/HASH is
 * complete and checked. AGAIN also while another program downloads (ROOT/lock/.download), and as
 * soon as there is news (mirror_has_news): what is new may be more urgent. */
gboolean mirror_download(Mirror *mirror, const char *sha256, guint64 bytes, GError **error);
/* Asks for a bundle from old_root ("-": none) to root; AGAIN: being made, or the line. */
gboolean mirror_want(Mirror *mirror, const char *old_root, const char *root, GError **error);
/* The last mirror_download or mirror_want was AGAIN because central said so: it makes the bundle.
 */
gboolean mirror_being_made(const Mirror *mirror);
/* Where spec->watch is set, a watch is open from the first mirror_update on. */
typedef enum { MIRROR_NEWS, MIRROR_POKED, MIRROR_TIME } MirrorEvent;
/* Sleeps until central's ledger has moved, `fd` can be read (-1: none) or the monotonic time has
 * come. AGAIN: the line was lost. UNSUPPORTED: central is too old to tell. */
gboolean mirror_watch(Mirror *mirror, int fd, gint64 until_us, MirrorEvent *ret_event,
		      GError **error);
/* The line still carries a request: what failed was central's judgement, or something of this base.
 */
gboolean mirror_is_usable(const Mirror *mirror);
/* Without waiting: central told a head that no mirror_update has seen. */
gboolean mirror_has_news(Mirror *mirror);
/* Bytes of payload over the line so far. */
void mirror_bytes(const Mirror *mirror, guint64 *ret_in, guint64 *ret_out);

/* Central's keys that count at this base; NULL with error if that cannot be told. */
TrustKeys *mirror_keys(const MirrorSpec *spec, GError **error);

/* Whether what was accepted still is what central signed: read again from the first entry on, by
 * the keys that count now. Fine if nothing was. */
gboolean mirror_verify(const MirrorSpec *spec, GError **error);

/* Verifies and accepts whatever refs/tagship/seen already holds, without a line (after a plain
 * `git fetch`, or an import). AGAIN if an app is busy, once all others are written; *ret_moved is
 * set in either case. */
gboolean mirror_accept(const MirrorSpec *spec, gboolean *ret_moved, GError **error);

/* ---- without a line: export files (see export/export.h) ---- */

typedef struct {
	gint64 written_utc; /* the file */
	gboolean moved;     /* the accepted head */
	guint bundles;      /* put into partial/ */
	guint64 bundle_bytes;
	guint delivered; /* pending reports that central turned out to have */
} MirrorImported;

/* Takes an export file in. All of it is checked before anything moves; a bundle is put into
 * partial/ only once the file and the ledger part are sound, and the orders are accepted last, so
 * that after a crash it can be taken in again. AGAIN if all that was done and an app is busy: it
 * takes its orders from the next import or pull. `lacking`: hashes of bundles that open orders wait
 * for. REFUSED if it is for another base or hardware, goes back, or brings nothing: no newer head,
 * no lacking bundle, no word of a pending report. */
gboolean mirror_import(const MirrorSpec *spec, int fd, GHashTable *lacking,
		       MirrorImported *ret_imported, GError **error);

typedef struct {
	gboolean ledger;          /* with what was accepted, for a central that lost it, and the
				   * reports that it has confirmed */
	const char *const *wants; /* "OLD NEW" roots of bundles to ask for; may be NULL */
} MirrorExportOptions;

typedef struct {
	guint reports;
	guint left;    /* pending ones that did not fit */
	char *trouble; /* a pending report that cannot be read, or NULL; caller frees */
} MirrorExported;

/* Writes an export file for central: what hello says, and the pending reports. They stay pending
 * until central's next file, or the line, tells that they came. */
gboolean mirror_export(const MirrorSpec *spec, int fd, const MirrorExportOptions *options,
		       MirrorExported *ret_exported, GError **error);

/* The least that is free where ROOT is and where apps keep their trees; FALSE: not known. */
gboolean mirror_free_bytes(int root_dirfd, const ConfBase *conf, guint64 *ret_bytes);
