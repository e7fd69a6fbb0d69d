/* SPDX-License-Identifier: ISC */
/*
 * Change lists against a small old tree: the first byte says whether the rest is the list itself or
 * the coded member. What is taken must be sound; where parts of archives are to come, as far as it
 * goes (fuzz-parts.c reads on).
 */
#include "delta/delta.h"

#include "changes-sound.h"

#define MEMORY ((guint64)1024 * 1024)

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static const guint8 digest[UTIL_SHA256_BYTES];
static const DeltaEntry old_entries[] = {
    {.path = "a", .mtime_s = 1000, .mode = 0755, .type = DELTA_DIR},
    {"a/app-1a2b3c4d.js", NULL, digest, 5000, 1000, 0644, DELTA_FILE, NULL, 0},
    {"a/run", NULL, digest, 10, 1001, 0755, DELTA_FILE, NULL, 0},
    {"b", NULL, digest, 0, -5, 0644, DELTA_FILE, NULL, 0},
    {.path = "link", .target = "a", .mtime_s = 1000, .mode = 0777, .type = DELTA_LINK},
    {"z.jar", NULL, digest, 70000, 1000, 0644, DELTA_FILE, NULL, 0},
};
static const DeltaTree old_tree = {.entries = old_entries, .count = G_N_ELEMENTS(old_entries)};

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	g_autoptr(GError) error = NULL;
	if (size == 0)
		return 0;
	g_autoptr(DeltaChanges) changes =
	    data[0] & 1 ? delta_changes_decode(data + 1, size - 1, &old_tree, MEMORY, &error)
			: delta_changes_parse(data + 1, size - 1, &old_tree, MEMORY, &error);
	g_assert((changes != NULL) == (error == NULL));
	if (changes)
		check_changes(changes, &old_tree, MEMORY);
	return 0;
}
