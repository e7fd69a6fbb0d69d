/* SPDX-License-Identifier: ISC */
/*
 * What must survive a crash, as a crash or a bad disk may leave it: 'j' a journal as it is, 'l' one
 * of lines whose check sums are right, 'h' a hint, 'q' a job, 'c' the note of the clock. What was
 * read can be gone on with, and what was refused stays as it was.
 */
#include "files.h"
#include "store/store.h"

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size);

static void check_records(const GPtrArray *a, const GPtrArray *b, guint n)
{
	g_assert(a->len >= n && b->len >= n);
	for (guint i = 0; i < n; i++) {
		g_autofree char *x = util_trailers_format(a->pdata[i]);
		g_autofree char *y = util_trailers_format(b->pdata[i]);
		g_assert_cmpstr(x, ==, y);
	}
}

static void try_append(const FuzzWorld *world, const GPtrArray *before)
{
	g_autoptr(UtilTrailers) record = util_trailers_new();
	util_trailers_add(record, "Event", "fuzz\n\\\tend");
	g_autoptr(StoreJournal) journal = store_journal_open(world->fd, "journal", NULL);
	g_assert(journal && store_journal_records(journal)->len == before->len);
	check_records(before, store_journal_records(journal), before->len);
	g_assert(store_journal_append(journal, record, NULL));
	g_autoptr(GPtrArray) after = store_journal_read(world->fd, "journal", NULL);
	g_assert(after && after->len == before->len + 1);
	check_records(store_journal_records(journal), after, after->len);
}

static void try_journal(const FuzzWorld *world, const guint8 *data, gsize len)
{
	g_autoptr(GError) error = NULL;
	fuzz_put(world, "journal", data, len);
	g_autoptr(GPtrArray) records = store_journal_read(world->fd, "journal", &error);
	g_assert((records != NULL) == (error == NULL));
	if (records) {
		try_append(world, records);
		return;
	}
	fuzz_check_error(error);
	g_assert_null(store_journal_open(world->fd, "journal", NULL));
	g_autofree char *left = fuzz_get(world, "journal");
	g_assert(memcmp(left, data, len) == 0);
}

static void try_lines(const FuzzWorld *world, const guint8 *data, gsize len)
{
	g_autoptr(GString) text = g_string_new(NULL);
	g_autofree char *lines = g_strndup((const char *)data, len);
	g_auto(GStrv) all = g_strsplit(lines, "\n", -1);
	for (guint i = 0; all[i]; i++) {
		g_autofree char *hash =
		    g_compute_checksum_for_string(G_CHECKSUM_SHA256, all[i], -1);
		g_string_append_printf(text, "%.8s %s%s", hash, all[i], all[i + 1] ? "\n" : "");
	}
	try_journal(world, (const guint8 *)text->str, text->len);
}

static void try_hint(const FuzzWorld *world, const guint8 *data, gsize len)
{
	g_autoptr(GError) error = NULL;
	fuzz_put(world, "in/hint", data, len);
	g_autoptr(UtilTrailers) hint = store_hint_read(world->fd, "hint", &error);
	g_assert((hint != NULL) == (error == NULL));
	g_assert(hint ? util_trailers_get(hint, "Hint") != NULL
		      : g_error_matches(error, TS_ERROR, TS_ERROR_CORRUPT));
	g_assert(store_hint_remove(world->fd, "hint", NULL));
}

static void try_job(const FuzzWorld *world, const guint8 *data, gsize len)
{
	g_autoptr(GError) error = NULL;
	fuzz_put(world, "jobs/job", data, len);
	g_autoptr(Job) job = store_job_read(world->fd, "job", &error);
	g_assert((job != NULL) == (error == NULL));
	if (!job)
		return;
	g_assert(store_job_write(world->fd, job, NULL));
	g_autofree char *text = fuzz_get(world, "jobs/job");
	g_autoptr(Job) again = store_job_read(world->fd, "job", NULL);
	g_assert(again && store_job_write(world->fd, again, NULL));
	g_autofree char *text_again = fuzz_get(world, "jobs/job");
	g_assert_cmpstr(text, ==, text_again);
}

static void try_clock(const FuzzWorld *world, const guint8 *data, gsize len)
{
	static UtilClock *clock;
	StoreClock found;
	if (!clock)
		clock = util_clock_fake_new(1795504800);
	fuzz_put(world, "clock", data, len);
	store_clock_read(world->fd, clock, 1795504000, &found);
	g_autofree char *why = store_clock_why(&found);
	g_assert(found.trusted == (why == NULL));
	g_assert(store_clock_keep(world->fd, clock, TRUE, NULL));
	g_assert(store_clock_contact(world->fd, clock, 90000, 1795504000, NULL));
	g_assert(store_clock_note(world->fd, clock, 1795504000, NULL));
	store_clock_read(world->fd, clock, 1795504000, &found);
	g_assert(found.trusted);
}

int LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
	static const struct {
		char letter;
		void (*run)(const FuzzWorld *world, const guint8 *data, gsize len);
	} parsers[] = {{'j', try_journal},
		       {'l', try_lines},
		       {'h', try_hint},
		       {'q', try_job},
		       {'c', try_clock}};
	const FuzzWorld *world = fuzz_world();
	static gboolean made;
	if (!made)
		g_assert(store_queue_init(world->fd, NULL));
	made = TRUE;
	for (guint i = 0; size > 0 && i < G_N_ELEMENTS(parsers); i++)
		if (data[0] == (guint8)parsers[i].letter)
			parsers[i].run(world, data + 1, size - 1);
	return 0;
}
