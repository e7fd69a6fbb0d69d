/* SPDX-License-Identifier: ISC */
/*
 * The board: a static site that shows the fleet, the road of each release, what comes, and each
 * base. It is read from records and ledgers alone, as status is; nothing of it is ever read again.
 *
 *   DIR/index.html        base × app, what needs somebody first
 *   DIR/calendar.html     what comes, in the zone of each base
 *   DIR/app/NAME.html     DIR/base/NAME.html     DIR/release/APP/ID.html
 *   DIR/status.json       what `tagship status --json` prints
 *   DIR/metrics.prom      what `tagship status --metrics` prints
 *   DIR/as-of.js          when the board was made; every page shows it
 *   DIR/board.css board.js
 *
 * Each file is written whole by rename, and only if it changed: a web server may serve the folder
 * meanwhile. After a crash some pages are of before; the next time mends that.
 */
#pragma once

#include "publish/publish.h"

#define BOARD_MARK                                                                                 \
	".tagship-board" /* in DIR, and locked by who writes; no other folder is taken for a board \
			  */

typedef struct {
	guint files, written; /* written: those that changed */
} BoardWritten;

/* Makes DIR if it is not there; REFUSED if it is neither empty nor a board. Pages of bases and apps
 * that are gone are removed. One at a time: a second one waits, then AGAIN. ret_written may be
 * NULL. */
gboolean board_write(Central *central, const char *dir, BoardWritten *ret_written, GError **error);
