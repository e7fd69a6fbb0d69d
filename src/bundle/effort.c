/* SPDX-License-Identifier: ISC */
/* What arrives first: a small bundle that takes long to make, or a larger one that is on its way
 * sooner. */
#include "bundle/bundle.h"

/* Measured on web builds (make bench-bytes): nanoseconds per byte of content and reference on one
 * core, size in thousandths of the smallest. It need not be exact: the same input must give the
 * same choice everywhere, so it goes by these numbers and never by a clock. */
static const struct {
	guint ns_per_byte;
	guint size;
} efforts[BUNDLE_EFFORT_MAX + 1] = {
    [1] = {70, 1500},  [2] = {110, 1400}, [3] = {150, 1300}, [4] = {350, 1100}, [5] = {450, 1060},
    [6] = {550, 1030}, [7] = {700, 1010}, [8] = {900, 1003}, [9] = {1200, 1000}};

/* Of new content, what travels at the highest effort, in thousandths: a middling release. */
#define TRAVELS 50

guint bundle_effort_for(guint64 content_bytes, guint64 ref_bytes, guint64 kbit)
{
	guint best = BUNDLE_EFFORT_MAX;
	gdouble best_s = G_MAXDOUBLE;
	for (guint effort = BUNDLE_EFFORT_MAX; effort > 0; effort--) {
		gdouble make_s =
		    (gdouble)(content_bytes + ref_bytes) * efforts[effort].ns_per_byte / 1e9;
		gdouble travel_s = (gdouble)content_bytes * TRAVELS / 1000 * efforts[effort].size /
				   1000 * 8 / ((gdouble)MAX(kbit, 1) * 1000);
		if (make_s + travel_s < best_s) {
			best_s = make_s + travel_s;
			best = effort;
		}
	}
	return best;
}
