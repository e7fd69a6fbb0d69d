/* SPDX-License-Identifier: ISC */
#include "mirror/mirror-private.h"

#define CONTACT "contact"
#define CONTACT_MAX (64 * 1024)

static UtilTrailers *read_last(const MirrorSpec *spec)
{
	g_autofree char *text = NULL;
	gsize len = 0;
	/* missing or damaged: nothing is known of before */
	if (!util_fs_read_file(spec->root_dirfd, CONTACT, CONTACT_MAX, &text, &len, NULL))
		return util_trailers_new();
	UtilTrailers *last = util_trailers_parse(text, len, NULL);
	return last ? last : util_trailers_new();
}

/* After a failure the numbers of the last good contact stay. */
static void keep_last(UtilTrailers *contact, const UtilTrailers *last)
{
	static const char *const keys[] = {"Good-Time",   "Upstream",       "Head",
					   "Central-Now", "Clock-Offset-S", "Behind"};
	for (guint i = 0; i < G_N_ELEMENTS(keys); i++)
		util_trailers_add(contact, keys[i], util_trailers_get(last, keys[i]));
}

static void add_good(UtilTrailers *contact, const MirrorContact *now, gint64 utc)
{
	util_trailers_add_time(contact, "Good-Time", utc);
	util_trailers_add(contact, "Upstream", now->upstream);
	util_trailers_add(contact, "Head", now->reply->head);
	util_trailers_add_time(contact, "Central-Now", now->reply->now_utc);
	util_trailers_add_int(contact, "Clock-Offset-S", utc - now->reply->now_utc);
	util_trailers_add(contact, "Behind", now->behind ? "yes" : NULL);
}

void mirror_contact_write(const MirrorSpec *spec, const MirrorContact *now)
{
	gint64 utc = util_clock_now_utc(spec->clock);
	g_autoptr(UtilTrailers) contact = util_trailers_new();
	util_trailers_add_time(contact, "Time", utc);
	if (now->error) {
		g_autoptr(UtilTrailers) last = read_last(spec);
		keep_last(contact, last);
		util_trailers_add(contact, "Error", now->error->message);
	} else {
		add_good(contact, now, utc);
	}
	g_autofree char *text = util_trailers_format(contact);
	/* A full disk must not turn a good pull into a bad one; status then shows an old Time. */
	(void)util_fs_write_file(spec->root_dirfd, CONTACT, text, strlen(text), 0644, NULL);
}
