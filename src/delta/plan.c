/* SPDX-License-Identifier: ISC */
/*
 * In which order contents travel, cut into segments that both sides' memory can hold, and which old
 * files each segment has as its reference.
 *
 * Contents are ordered by kind, extension and path; the counterparts of a segment's files stand in
 * its reference in the same order, so that matches keep their distance. Before them come old files
 * that a content resembles beside its counterpart; before those, where there is room, deleted files
 * that are nobody's counterpart.
 */
#include "delta/delta-private.h"

/* A kind with less content than this is not worth a segment of its own. */
#define KIND_BYTES_MIN ((guint64)128 * 1024)
#define SLICE_MARGIN_MAX ((guint64)4 * 1024 * 1024)
#define SLICE_MIN ((guint64)64 * 1024)

/* A content that needs slices does not gain from a much larger file that it resembles. */
#define LIKE_TIMES_MAX 4

/* What is planned. */
typedef struct {
	DeltaChanges *changes;
	const DeltaTree *old_tree;
	const DeltaLimits *limits;
	guint64 name_bytes; /* of added names */
	guint8 *used;       /* per old entry: it is some segment's reference */
	guint *whole_in;    /* per old entry: number of the last segment that has it whole */
	GArray *spare;      /* guint: old files that are gone and nobody's counterpart */
	DeltaSegment open;  /* the segment being filled */
	GArray *open_likes; /* DeltaRef: those listed */
	GArray *open_refs;  /* DeltaRef: counterparts, or a slice's reference */
	DeltaKind kind;
} Planner;

/* Added names go with text. */
static guint64 names_for(const Planner *planner)
{
	return planner->kind == DELTA_TEXT ? planner->name_bytes : 0;
}

static gboolean fits(const Planner *planner, guint64 ref_bytes, guint64 content_bytes)
{
	ref_bytes += names_for(planner);
	DeltaStream stream = {delta_kind_codec(planner->kind), delta_kind_props(planner->kind),
			      content_bytes, ref_bytes, 0};
	return delta_decoder_memory(&stream) <= planner->limits->decode_bytes &&
	       delta_encoder_memory(&stream) <= planner->limits->encode_bytes;
}

static gboolean open_has(const Planner *planner, const DeltaRef *ref)
{
	return planner->whole_in[ref->old_index] == planner->changes->segments->len + 1;
}

/* flags: where the open references come from. */
static void close_segment(Planner *planner, guint8 flags)
{
	DeltaSegment segment = planner->open;
	if (segment.bytes > 0) {
		segment.codec = delta_kind_codec(planner->kind);
		segment.props = delta_kind_props(planner->kind);
		segment.flags = flags;
		segment.first_ref = planner->changes->refs->len;
		segment.n_refs = planner->open_likes->len + planner->open_refs->len;
		segment.n_listed =
		    flags & DELTA_COUNTERPARTS ? planner->open_likes->len : segment.n_refs;
		if (names_for(planner) > 0) {
			segment.flags |= DELTA_ADDED_NAMES;
			segment.ref_bytes += planner->name_bytes;
		}
		g_array_append_vals(planner->changes->refs, planner->open_likes->data,
				    planner->open_likes->len);
		g_array_append_vals(planner->changes->refs, planner->open_refs->data,
				    planner->open_refs->len);
		g_array_append_val(planner->changes->segments, segment);
	}
	planner->open = (DeltaSegment){0};
	g_array_set_size(planner->open_likes, 0);
	g_array_set_size(planner->open_refs, 0);
}

static void add_ref(Planner *planner, GArray *refs, DeltaRef ref)
{
	planner->open.ref_bytes += ref.length;
	planner->used[ref.old_index] = 1;
	g_array_append_val(refs, ref);
}

/* A whole old file, unless the open segment has it already. */
static void add_whole(Planner *planner, GArray *refs, DeltaRef ref)
{
	if (ref.length == 0 || open_has(planner, &ref))
		return;
	planner->whole_in[ref.old_index] = planner->changes->segments->len + 1;
	add_ref(planner, refs, ref);
}

/* Into how many slices a file must go, each at least SLICE_MIN large: with the same share of its
 * counterpart if that is possible, else with as much of it as fits. 0: not even alone. */
static guint64 slices_for(const Planner *planner, guint64 ref_bytes, guint64 content_bytes)
{
	guint64 alone = 0;
	for (guint64 n = 1; content_bytes / n >= SLICE_MIN || alone == 0; n += 1 + n / 8) {
		guint64 margin = MIN(SLICE_MARGIN_MAX, ref_bytes / n / 4);
		if (fits(planner, MIN(ref_bytes, ref_bytes / n + 2 * margin + 2),
			 content_bytes / n + 1))
			return n;
		if (alone == 0 && fits(planner, 0, content_bytes / n + 1))
			alone = n;
		if (content_bytes / n == 0)
			break;
	}
	return alone;
}

/* part * total / n without overflow (sizes are below 2^50, n below 2^41). */
static guint64 share(guint64 total, guint64 part, guint64 n)
{
	return total / n * part + total % n * part / n;
}

/* A file too large for one segment, with the parts of that old file at the same place. */
static gboolean plan_slices(Planner *planner, const DeltaItem *item, DeltaRef old, GError **error)
{
	guint64 size = item->entry.size;
	guint64 old_bytes = old.length;
	guint64 n = slices_for(planner, old_bytes, size);
	if (n == 0) {
		g_autofree char *name = util_text_printable(item->entry.path, -1);
		return util_error_set(error, TS_ERROR_REFUSED,
				      "the memory limits are too small for %s", name);
	}
	guint64 margin = MIN(SLICE_MARGIN_MAX, old_bytes / n / 4);
	close_segment(planner, DELTA_COUNTERPARTS);
	for (guint64 i = 0; i < n; i++) {
		guint64 from = share(old_bytes, i, n);
		guint64 to = MIN(share(old_bytes, i + 1, n) + margin, old_bytes);
		from -= MIN(from, margin);
		planner->open.bytes = share(size, i + 1, n) - share(size, i, n);
		while (to > from && !fits(planner, to - from, planner->open.bytes))
			to = from + (to - from) / 2;
		if (to > from)
			add_ref(planner, planner->open_refs,
				(DeltaRef){old.old_index, from, to - from});
		close_segment(planner, 0);
	}
	return TRUE;
}

/* Length 0 if there is none. */
static DeltaRef find_like(const Planner *planner, guint index)
{
	DeltaRef ref = {0};
	if (planner->changes->likes->len == 0)
		return ref;
	guint like = g_array_index(planner->changes->likes, guint, index);
	if (like != DELTA_NONE)
		ref = (DeltaRef){like, 0, planner->old_tree->entries[like].size};
	return ref;
}

static gboolean open_fits(const Planner *planner, const DeltaRef *ref, const DeltaRef *like,
			  guint64 size)
{
	guint64 ref_bytes = planner->open.ref_bytes;
	ref_bytes += open_has(planner, ref) ? 0 : ref->length;
	ref_bytes += open_has(planner, like) ? 0 : like->length;
	return fits(planner, ref_bytes, planner->open.bytes + size);
}

/* Codec 2 reads the counterparts file by file, each as often as it is one. */
static gboolean plan_edited(Planner *planner, DeltaRef ref, guint64 size)
{
	if (!fits(planner, planner->open.ref_bytes + ref.length, planner->open.bytes + size))
		close_segment(planner, DELTA_COUNTERPARTS);
	add_ref(planner, planner->open_refs, ref);
	planner->open.bytes += size;
	return TRUE;
}

static gboolean plan_item(Planner *planner, guint index, GError **error)
{
	const DeltaItem *item = delta_changes_item(planner->changes, index);
	DeltaRef like = find_like(planner, index);
	DeltaRef ref = {0};
	guint64 size = item->entry.size;
	if (size == 0)
		return TRUE;
	if (!delta_counterpart(item, planner->old_tree, &ref))
		ref.length = 0;
	if (planner->kind == DELTA_EDITED)
		return plan_edited(planner, ref, size);
	if (like.length / LIKE_TIMES_MAX > size && !fits(planner, ref.length + like.length, size))
		like.length = 0;
	if (!fits(planner, ref.length + like.length, size))
		return plan_slices(planner, item, like.length > 0 ? like : ref, error);
	if (!open_fits(planner, &ref, &like, size))
		close_segment(planner, DELTA_COUNTERPARTS);
	add_whole(planner, planner->open_likes, like);
	add_whole(planner, planner->open_refs, ref);
	planner->open.bytes += size;
	return TRUE;
}

/* By extension, then path. */
static gint compare_paths(const char *a, const char *b)
{
	int order = strcmp(delta_extension(a), delta_extension(b));
	return order ? order : strcmp(a, b);
}

/* Order of contents; ties end at the path, so there is exactly one order. */
static gint compare_items(gconstpointer a, gconstpointer b, gpointer user_data)
{
	const DeltaChanges *changes = user_data;
	const DeltaItem *x = delta_changes_item(changes, *(const guint *)a);
	const DeltaItem *y = delta_changes_item(changes, *(const guint *)b);
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return compare_paths(x->entry.path, y->entry.path);
}

/* Small kinds join the largest one. */
static void merge_kinds(DeltaChanges *changes)
{
	guint64 bytes[DELTA_KINDS] = {0};
	guint largest = 0;
	for (guint i = 0; i < changes->order->len; i++) {
		const DeltaItem *item =
		    delta_changes_item(changes, g_array_index(changes->order, guint, i));
		bytes[item->kind] += item->entry.size;
	}
	for (guint i = 1; i < DELTA_EDITED; i++)
		if (bytes[i] > bytes[largest])
			largest = i;
	for (guint i = 0; i < changes->order->len; i++) {
		DeltaItem *item =
		    delta_changes_item(changes, g_array_index(changes->order, guint, i));
		if (item->kind != DELTA_EDITED && bytes[item->kind] < KIND_BYTES_MIN)
			item->kind = (DeltaKind)largest;
	}
}

/* Edited files are coded whole, with a counterpart: others lose the kind. */
static void check_edited(Planner *planner)
{
	planner->kind = DELTA_EDITED;
	for (guint i = 0; i < planner->changes->order->len; i++) {
		DeltaItem *item = delta_changes_item(
		    planner->changes, g_array_index(planner->changes->order, guint, i));
		DeltaRef ref;
		if (item->kind == DELTA_EDITED &&
		    (!delta_counterpart(item, planner->old_tree, &ref) ||
		     !fits(planner, ref.length, item->entry.size)))
			item->kind = DELTA_BINARY; /* what is too large is a program */
	}
}

/* Contents that are still somewhere in the new tree, or in a reference already, are no spare. */
static void mark_used(Planner *planner)
{
	for (guint i = 0; i < planner->changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(planner->changes, i);
		if (item->entry.type != DELTA_FILE)
			continue;
		if ((item->source == DELTA_NEW || item->source == DELTA_TOGETHER) &&
		    item->basis != DELTA_NONE)
			planner->used[item->basis] = 1;
		else if (item->source == DELTA_KEPT || item->source == DELTA_COPIED ||
			 item->source == DELTA_PACKED_COPY)
			planner->used[item->from] = 1;
	}
}

static void add_spare(Planner *planner, guint index)
{
	const DeltaEntry *entry = &planner->old_tree->entries[index];
	if (entry->type == DELTA_FILE && entry->size > 0 && entry->sha256 && !planner->used[index])
		g_array_append_val(planner->spare, index);
}

static void collect_spare(Planner *planner)
{
	const DeltaChanges *changes = planner->changes;
	mark_used(planner);
	/* of an archive that was taken apart, its parts are */
	for (guint i = 0; i < planner->old_tree->n_opened; i++)
		planner->used[planner->old_tree->opened[i].entry] = 1;
	for (guint i = 0; i < changes->deleted->len; i++)
		add_spare(planner, g_array_index(changes->deleted, guint, i));
	for (guint i = 0; i < planner->old_tree->parts; i++)
		add_spare(planner, planner->old_tree->count + i);
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		/* overwritten with the content of another file */
		if (item->basis != DELTA_NONE && item->from != item->basis &&
		    (item->source == DELTA_TWIN || item->source == DELTA_COPIED))
			add_spare(planner, item->basis);
	}
}

static gint compare_spare(gconstpointer a, gconstpointer b, gpointer user_data)
{
	const DeltaTree *old_tree = user_data;
	return compare_paths(old_tree->entries[*(const guint *)a].path,
			     old_tree->entries[*(const guint *)b].path);
}

static gboolean spare_fits(const Planner *planner, const DeltaSegment *segment, guint64 bytes)
{
	DeltaStream stream = delta_segment_stream(segment);
	stream.ref_bytes += bytes;
	return stream.codec == DELTA_CODEC_LZMA2 &&
	       delta_decoder_memory(&stream) <= planner->limits->decode_bytes &&
	       delta_encoder_memory(&stream) <= planner->limits->encode_bytes;
}

/* Spare old files go in front of the references of segments that have room: first those that have
 * a file with the same extension, then any. */
static void place_spare(Planner *planner, GHashTable *extensions, DeltaSegment *segment,
			guint number, GArray *ret_refs)
{
	for (guint i = 0; i < planner->spare->len; i++) {
		guint index = g_array_index(planner->spare, guint, i);
		const DeltaEntry *entry = &planner->old_tree->entries[index];
		gpointer where = g_hash_table_lookup(extensions, delta_extension(entry->path));
		if (planner->used[index] || (where && GPOINTER_TO_UINT(where) != number + 1) ||
		    !spare_fits(planner, segment, entry->size))
			continue;
		DeltaRef ref = {index, 0, entry->size};
		planner->used[index] = 1;
		segment->ref_bytes += entry->size;
		g_array_append_val(ret_refs, ref);
	}
}

/* extension -> 1 + number of the first segment that holds contents with it */
static GHashTable *extensions_of_segments(const DeltaChanges *changes)
{
	GHashTable *extensions = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	guint number = 0;
	guint64 left = changes->segments->len > 0
			   ? g_array_index(changes->segments, DeltaSegment, 0).bytes
			   : 0;
	for (guint i = 0; i < changes->order->len; i++) {
		const DeltaItem *item =
		    delta_changes_item(changes, g_array_index(changes->order, guint, i));
		const char *extension = delta_extension(item->entry.path);
		if (item->entry.size > 0 && !g_hash_table_contains(extensions, extension))
			g_hash_table_insert(extensions, g_strdup(extension),
					    GUINT_TO_POINTER(number + 1));
		guint64 bytes = item->entry.size;
		while (bytes >= left && number + 1 < changes->segments->len) {
			bytes -= left;
			number++;
			left = g_array_index(changes->segments, DeltaSegment, number).bytes;
		}
		left -= MIN(left, bytes);
	}
	return extensions;
}

static void spread_spare(Planner *planner)
{
	DeltaChanges *changes = planner->changes;
	g_autoptr(GHashTable) extensions = extensions_of_segments(changes);
	g_autoptr(GArray) refs = g_array_new(FALSE, TRUE, sizeof(DeltaRef));
	g_array_sort_with_data(planner->spare, compare_spare,
			       (gpointer)(guintptr)planner->old_tree);
	for (guint i = 0; i < changes->segments->len; i++) {
		DeltaSegment *segment = &g_array_index(changes->segments, DeltaSegment, i);
		guint first = refs->len;
		place_spare(planner, extensions, segment, i, refs);
		g_array_append_vals(refs,
				    &g_array_index(changes->refs, DeltaRef, segment->first_ref),
				    segment->n_refs);
		segment->n_listed += refs->len - first - segment->n_refs;
		segment->first_ref = first;
		segment->n_refs = refs->len - first;
	}
	GArray *before = changes->refs;
	changes->refs = g_steal_pointer(&refs);
	g_array_unref(before);
}

static gboolean plan_contents(Planner *planner, GError **error)
{
	DeltaChanges *changes = planner->changes;
	for (guint i = 0; i < changes->order->len; i++) {
		guint index = g_array_index(changes->order, guint, i);
		const DeltaItem *item = delta_changes_item(changes, index);
		if (i == 0 || item->kind != planner->kind)
			close_segment(planner, DELTA_COUNTERPARTS);
		planner->kind = item->kind;
		if (!plan_item(planner, index, error))
			return FALSE;
	}
	close_segment(planner, DELTA_COUNTERPARTS);
	return TRUE;
}

gboolean delta_plan(DeltaChanges *changes, const DeltaTree *old_tree, const DeltaLimits *limits,
		    GError **error)
{
	Planner planner = {.changes = changes, .old_tree = old_tree, .limits = limits};
	for (guint i = 0; i < changes->items->len; i++) {
		const DeltaItem *item = delta_changes_item(changes, i);
		if (item->entry.type == DELTA_FILE && item->source == DELTA_NEW)
			g_array_append_val(changes->order, i);
	}
	g_autoptr(GByteArray) names = delta_changes_added_names(changes, old_tree);
	planner.name_bytes = names->len;
	gsize olds = (gsize)old_tree->count + old_tree->parts + 1;
	planner.used = g_malloc0(olds);
	planner.whole_in = g_new0(guint, olds);
	planner.open_likes = g_array_new(FALSE, TRUE, sizeof(DeltaRef));
	planner.spare = g_array_new(FALSE, FALSE, sizeof(guint));
	planner.open_refs = g_array_new(FALSE, TRUE, sizeof(DeltaRef));
	check_edited(&planner);
	merge_kinds(changes);
	g_array_sort_with_data(changes->order, compare_items, changes);
	gboolean ok = plan_contents(&planner, error);
	if (ok) {
		collect_spare(&planner);
		spread_spare(&planner);
	}
	g_free(planner.used);
	g_free(planner.whole_in);
	g_array_unref(planner.open_likes);
	g_array_unref(planner.spare);
	g_array_unref(planner.open_refs);
	return ok;
}
