/* SPDX-License-Identifier: ISC */
/*
 * Which contents resemble each other, whatever their names: sketches by minimal hashes of short
 * pieces (A. Broder, "On the resemblance and containment of documents", 1997).
 *
 *   sketcher = delta_sketcher_new(); delta_sketcher_update(sketcher, data, len) …;
 *   delta_sketcher_finish(sketcher, &sketch)
 *   index = delta_sketches_new(); delta_sketches_add(index, &old_sketch, id) …;
 *   delta_sketches_find(index, &sketch, &id, &likeness)
 */
#pragma once

#include "util/util.h"

#define DELTA_SKETCH_SLOTS 32

typedef struct {
	guint32 slots[DELTA_SKETCH_SLOTS];
	guint64 bytes; /* of the content; below a few dozen nothing resembles it */
} DeltaSketch;

/* Fed in any pieces, it gives the same sketch. */
typedef struct DeltaSketcher DeltaSketcher;
DeltaSketcher *delta_sketcher_new(void);
void delta_sketcher_update(DeltaSketcher *sketcher, const guint8 *data, gsize len);
/* And begins anew. */
void delta_sketcher_finish(DeltaSketcher *sketcher, DeltaSketch *ret_sketch);
void delta_sketcher_free(DeltaSketcher *sketcher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeltaSketcher, delta_sketcher_free)

/* Slots that agree, of DELTA_SKETCH_SLOTS. */
guint delta_sketch_likeness(const DeltaSketch *a, const DeltaSketch *b);

typedef struct DeltaSketches DeltaSketches;
DeltaSketches *delta_sketches_new(void);
void delta_sketches_add(DeltaSketches *index, const DeltaSketch *sketch, guint id);
/* The most alike of those added (of equals, the one nearest in size, then the lowest id); FALSE if
 * none agrees in at least `least` slots. Time does not grow with the number of those unlike it. */
gboolean delta_sketches_find(DeltaSketches *index, const DeltaSketch *sketch, guint least,
			     guint *ret_id, guint *ret_likeness);
void delta_sketches_free(DeltaSketches *index);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DeltaSketches, delta_sketches_free)
