/* SPDX-License-Identifier: ISC */
/* What arrives first: a small bundle that takes long to make, or a larger one that is on its way
 * sooner. */
#include "bundle/bundle.h"

/* Middling values of swagger-ui-dist 5.35.0, flowise-ui 3.1.4, ghost 6.65.0 and
 * n8n-editor-ui 2.41.0: nanoseconds per byte of content and reference on one core, size in
 * thousandths of the smallest. It need not be exact: the same input must give the same choice
 * everywhere, so it goes by these numbers and never by a clock. */
static const struct {
	guint ns_per_byte;
	guint size;
} efforts[BUNDLE_EFFORT_MAX + 1] = {
    [1] = {65, 1220},  [2] = {75, 1170},  [3] = {90, 1145},  [4] = {290, 1070}, [5] = {330, 1022},
    [6] = {350, 1005}, [7] = {400, 1001}, [8] = {410, 1000}, [9] = {420, 1000}};

/* Of new content, what travels at the highest effort, in thousandths: 10 to 50 with these four. */
#define TRAVELS 30

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
