/* SPDX-License-Identifier: ISC */
/* How rooms tell of long work without printing: a function and its data; cmd/ draws. */
#pragma once

#include <glib.h>

typedef struct {
	/* `what` is a short verb phrase ("hashing", "encoding"); total 0 when unknown. Called at
	 * most some hundred times a second; may be NULL. */
	void (*report)(gpointer user_data, const char *what, guint64 done, guint64 total);
	gpointer user_data;
} UtilProgress;

static inline void util_progress(const UtilProgress *progress, const char *what, guint64 done,
				 guint64 total)
{
	if (progress && progress->report)
		progress->report(progress->user_data, what, done, total);
}
