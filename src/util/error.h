/* SPDX-License-Identifier: ISC */
/*
 * One error domain for all rooms. A code is a decision the caller takes, not a place
 * of origin; foreign errors (errno, libgit2, libssh2, libarchive, libconfig) become one of these
 * at the edge of the room that owns the library. Callers prefix context with g_prefix_error and
 * never drop what is there.
 */
#pragma once

#include <glib.h>

#define TS_ERROR (util_error_quark())

typedef enum {
	TS_ERROR_FAILED,        /* it did not work, and trying again alone will not help */
	TS_ERROR_USAGE,         /* the caller's input or command line is wrong */
	TS_ERROR_REFUSED,       /* a rule says no (gate, hold, freeze, right, plan) */
	TS_ERROR_CORRUPT,       /* data is damaged or not of its format */
	TS_ERROR_NOT_AUTHENTIC, /* a signature, pinned key or hash does not match */
	TS_ERROR_EXISTS,
	TS_ERROR_NOT_FOUND,
	TS_ERROR_NO_SPACE,
	TS_ERROR_AGAIN,      /* line, lock, or "later": the same call may work another time */
	TS_ERROR_UNSUPPORTED /* a newer format, or a kernel without the feature */
} TsErrorCode;

GQuark util_error_quark(void);

/* Sets *error from errno value `err`: "CONTEXT: strerror". ENOSPC and EDQUOT become NO_SPACE,
 * ENOENT NOT_FOUND, EEXIST EXISTS, EAGAIN and ETIMEDOUT AGAIN, the rest FAILED.
 * Always returns FALSE, so that a caller can `return util_error_errno(...)`. */
gboolean util_error_errno(GError **error, int err, const char *format, ...) G_GNUC_PRINTF(3, 4);

/* Sets *error to `code` and the formatted text; always returns FALSE. */
gboolean util_error_set(GError **error, TsErrorCode code, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

/* Exit status for an error by design section 8: 1 failed, 2 usage, 3 refused, 4 corrupt or not
 * authentic, 5 try again. Errors of GLib's option parser are usage. */
int util_error_exit_status(const GError *error);
